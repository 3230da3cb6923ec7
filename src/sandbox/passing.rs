//! Letting simulated time pass until something in the cluster is so: what every
//! waiting command does instead of waiting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::aws;
use super::cluster::Cluster;
use super::world::World;

/// Looks, and moves the time to when something is due, until what is seen is
/// good or the time is up. Answers what was seen last, and whether in time.
pub fn until<T>(
    world: &mut World,
    timeout: Duration,
    mut look: impl FnMut(&Cluster<'_>) -> T,
    good: impl Fn(&T) -> bool,
) -> (T, bool) {
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
    let deadline = world.now().checked_add(timeout).unwrap_or(Timestamp::MAX);
    loop {
        // Nodes that EKS starts meanwhile may be what is waited for.
        aws::settle(world);
        let (seen, due) = {
            let mut cluster = Cluster::open(world);
            cluster.reconcile();
            (look(&cluster), cluster.next_due())
        };
        let due = [due, aws::next_due(world)].into_iter().flatten().min();
        let now = world.now();
        if good(&seen) {
            return (seen, true);
        }
        if now >= deadline {
            return (seen, false);
        }
        // Something that is due already was done by the reconciliation.
        let next = due.filter(|due| *due > now).map_or(deadline, |due| due.min(deadline));
        world.set_now(next);
    }
}
