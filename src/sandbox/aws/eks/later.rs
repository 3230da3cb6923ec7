//! What EKS does later: clusters, node groups and add-ons take minutes of the
//! world's time to be made, changed and deleted. What is due is carried out
//! before the next command looks.
//!
//! This module must not answer a call.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{addons, changes, clusters, nodegroups};
use crate::sandbox::world::World;

/// `eks/later/MILLISECONDS/NUMBER`: what is to be done then.
const LATER: &str = "eks/later/";

/// What happens to a thing that has a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A cluster is made.
    ClusterMade,
    /// A cluster is gone.
    ClusterGone,
    /// A change of a cluster, a node group or an add-on is carried out.
    Changed,
    /// A node group is made.
    NodegroupMade,
    /// A node group is gone.
    NodegroupGone,
    /// An add-on is made.
    AddonMade,
    /// An add-on is gone.
    AddonGone,
}

impl What {
    const ALL: [Self; 7] = [
        Self::ClusterMade,
        Self::ClusterGone,
        Self::Changed,
        Self::NodegroupMade,
        Self::NodegroupGone,
        Self::AddonMade,
        Self::AddonGone,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::ClusterMade => "cluster-made",
            Self::ClusterGone => "cluster-gone",
            Self::Changed => "changed",
            Self::NodegroupMade => "nodegroup-made",
            Self::NodegroupGone => "nodegroup-gone",
            Self::AddonMade => "addon-made",
            Self::AddonGone => "addon-gone",
        }
    }

    /// How long it takes, in seconds of the world's time.
    fn takes(self) -> i64 {
        match self {
            Self::ClusterMade => 9 * 60,
            Self::ClusterGone | Self::NodegroupGone => 150,
            Self::Changed => 45,
            Self::NodegroupMade => 120,
            Self::AddonMade => 30,
            Self::AddonGone => 20,
        }
    }
}

/// Lets something happen to the entry under a key once it has taken its time,
/// and `more` seconds.
pub fn plan(world: &mut World, what: What, region: &str, key: &str, more: i64) {
    let due = world.now().checked_add(SignedDuration::from_secs(what.takes() + more));
    let due = due.unwrap_or(Timestamp::MAX).as_millisecond();
    let number = world.next("eks/later");
    let entry = json!({ "what": what.word(), "region": region, "key": key });
    world.put(format!("{LATER}{due:020}/{number:08}"), entry);
}

fn first(world: &World) -> Option<(String, Timestamp, Value)> {
    let (key, entry) = world.scan(LATER).next()?;
    let millis = key.strip_prefix(LATER)?.split('/').next()?.parse().ok()?;
    Some((key.to_owned(), Timestamp::from_millisecond(millis).ok()?, entry.clone()))
}

/// When the next thing happens.
pub fn next_due(world: &World) -> Option<Timestamp> {
    first(world).map(|(_, due, _)| due)
}

/// Carries out what is due.
pub fn settle(world: &mut World) {
    while let Some((key, due, entry)) = first(world) {
        if due > world.now() {
            return;
        }
        world.remove(&key);
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let what = What::ALL.into_iter().find(|what| what.word() == text("what"));
        let (region, key) = (text("region"), text("key"));
        match what {
            Some(What::ClusterMade) => clusters::made(world, region, key),
            Some(What::ClusterGone) => clusters::gone(world, region, key),
            Some(What::Changed) => changes::carry_out(world, region, key),
            Some(What::NodegroupMade) => nodegroups::made(world, region, key),
            Some(What::NodegroupGone) => nodegroups::gone(world, region, key),
            Some(What::AddonMade) => addons::made(world, key),
            Some(What::AddonGone) => addons::gone(world, region, key),
            None => {}
        }
    }
}
