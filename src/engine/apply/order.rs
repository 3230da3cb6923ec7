//! What waits for what in an apply.
//!
//! Pure: changes and the state's memory in, predecessors out.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::graph::Graph;
use crate::plan::{Action, Change};

/// What must end before each change begins: its dependencies, and for a
/// deletion everything that depended on the object.
pub(super) fn predecessors(
    changes: &BTreeMap<Address, Change>,
    remembered: &BTreeMap<Address, BTreeSet<Address>>,
) -> BTreeMap<Address, BTreeSet<Address>> {
    let goes = |address: &Address| {
        changes
            .get(address)
            .is_some_and(|change| matches!(change.action, Action::Delete | Action::Forget))
    };
    let mut predecessors: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for (address, change) in changes {
        let before = predecessors.entry(address.clone()).or_default();
        if !goes(address) {
            before.extend(
                change
                    .depends_on
                    .iter()
                    .filter(|dependency| changes.contains_key(*dependency) && !goes(dependency))
                    .cloned(),
            );
        }
    }
    for (address, change) in changes {
        let old = remembered.get(address).into_iter().flatten();
        for dependency in change.depends_on.iter().chain(old) {
            if goes(dependency) && dependency != address {
                predecessors.entry(dependency.clone()).or_default().insert(address.clone());
            }
        }
    }
    if changes.keys().any(goes) {
        untangle(&mut predecessors, remembered);
    }
    predecessors
}

/// Takes circles apart, which no task would ever come out of. Only deletions
/// can be in one: where the manifests turned round what depended on what since
/// the last apply. What was so when the objects were made counts then.
fn untangle(
    predecessors: &mut BTreeMap<Address, BTreeSet<Address>>,
    remembered: &BTreeMap<Address, BTreeSet<Address>>,
) {
    for by_memory in [true, false] {
        for circle in Graph::new(predecessors).cycles() {
            for address in &circle {
                if let Some(before) = predecessors.get_mut(address) {
                    before.retain(|other| {
                        let depended =
                            remembered.get(other).is_some_and(|known| known.contains(address));
                        !circle.contains(other) || (by_memory && depended)
                    });
                }
            }
        }
    }
}
