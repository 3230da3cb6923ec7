//! The account as the sandbox finds it: a cluster with its network and nodes,
//! and things that belong to others.
//!
//! Everything is what an installation of today leaves behind before Karpenter:
//! a cluster made by `eksctl`, one managed node group, the pod identity agent.
//! The foreign tags, roles, policies, networks and security groups are there so
//! that a run that touches what is not its own shows.

mod cluster;
mod identities;
mod network;
mod nodes;
mod outside;

use clap::ValueEnum;
use serde_json::Value;

use super::{ec2, eks, facts};
use crate::sandbox::world::World;

/// The cluster of the sandbox.
pub const CLUSTER: &str = "testskillcluster";

const REGION: &str = facts::HOME_REGION;

/// What a new sandbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Seed {
    /// A cluster with its network, two nodes and add-ons, as people have it
    /// before Karpenter.
    #[default]
    Cluster,
    /// An account with its identities, and neither network nor cluster: to see
    /// everything being made.
    Empty,
}

impl Seed {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Empty => "empty",
        }
    }
}

/// Fills a world. Meant for an empty one.
pub fn seed(world: &mut World, seed: Seed) {
    match seed {
        Seed::Cluster => {
            let network = network::seed(world);
            let identities = identities::seed(world);
            cluster::seed(world, &network, &identities);
            nodes::seed(world, &network, &identities);
            eks::own_kubernetes(world, &eks::key(REGION, "cluster", CLUSTER));
        }
        Seed::Empty => identities::others(world),
    }
    outside::seed(world);
}

/// Writes an EC2 resource with its tags.
fn put_resource(world: &mut World, prefix: &str, id: &str, resource: Value, tags: &[(&str, &str)]) {
    world.put(ec2::key(REGION, prefix, id), resource);
    for (name, value) in tags {
        ec2::put_tag(world, REGION, id, name, value);
    }
}
