//! `aws ec2`: what the network of a cluster consists of (read), and tags.
//!
//! Keys, all below `ec2/REGION/`: `KIND/ID` holds a resource as its describe
//! operation answers, but without tags; `tag/ID/KEY` holds the value of one tag,
//! so that a resource's tags are found by prefix and set one by one.

mod describe;
mod filters;
mod kinds;
pub mod machines;
mod operations;
mod shapes;
mod tags;

// What the seed sets through the same code.
pub use tags::put as put_tag;

use super::model::Service;

/// The service.
pub const SERVICE: Service = Service { command: "ec2", operations: operations::OPERATIONS };

/// Where something of a region is kept.
pub fn key(region: &str, kind: &str, rest: &str) -> String {
    format!("ec2/{region}/{kind}/{rest}")
}
