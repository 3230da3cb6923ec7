//! `aws ec2`: what the network of a cluster consists of (read), and tags.
//!
//! Keys, all below `ec2/REGION/`: `KIND/ID` holds a resource as its describe
//! operation answers, but without tags; `tag/ID/KEY` holds the value of one tag,
//! so that a resource's tags are found by prefix and set one by one.

mod describe;
mod describe_network;
mod filters;
mod groups;
pub mod karpenter;
mod kinds;
mod machines;
mod network_shapes;
mod operations;
mod shapes;
mod tags;

// What the seed and EKS make through the same code.
pub use groups::put as put_group;
pub use machines::{Machine, end as end_machine, host_name, remove, start as start_machine};
pub use tags::put as put_tag;

use super::model::Service;

/// The service.
pub const SERVICE: Service = Service { command: "ec2", operations: operations::OPERATIONS };

/// Where something of a region is kept.
pub fn key(region: &str, kind: &str, rest: &str) -> String {
    format!("ec2/{region}/{kind}/{rest}")
}
