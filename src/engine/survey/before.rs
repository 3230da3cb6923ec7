//! What comes before a resource in the same plan, and what that means for it.
//!
//! This module must not read anything: what it asks about is settled.

use std::collections::BTreeSet;

use tokio::sync::SetOnce;

use super::Survey;
use crate::adapter::Adapter;
use crate::address::{Address, Reference};
use crate::engine::entry::Entry;
use crate::manifest::template::references;
use crate::plan::Action;

impl Survey {
    /// Whether a command is planned for anything that a resource depends on, be
    /// it by way of others.
    pub(super) fn is_pending(&self, entry: &Entry) -> bool {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Address> = entry.dependencies.iter().collect();
        while let Some(address) = next.pop() {
            if !seen.insert(address) {
                continue;
            }
            let settled = self.settled.get(address).and_then(SetOnce::get);
            if settled.is_some_and(|settled| !settled.decision.steps.is_empty()) {
                return true;
            }
            next.extend(self.entries.get(address).into_iter().flat_map(|e| &e.dependencies));
        }
        false
    }

    /// Whether anything that depended on a resource goes with it.
    pub(super) fn is_cleared(&self, address: &Address) -> bool {
        self.entries.values().any(|entry| !entry.declared && entry.dependencies.contains(address))
    }

    /// A dependency that could not be read.
    pub(super) fn unknown_dependency(&self, entry: &Entry) -> Option<Address> {
        entry
            .dependencies
            .iter()
            .find(|address| {
                self.settled
                    .get(*address)
                    .and_then(SetOnce::get)
                    .is_some_and(|settled| settled.decision.action == Action::Unknown)
            })
            .cloned()
    }

    /// A resource that this one is bound to and that is made anew.
    pub(super) fn made_anew(
        &self,
        address: &Address,
        entry: &Entry,
        adapter: &dyn Adapter,
    ) -> Option<Address> {
        let bound = adapter.bound_fields();
        if bound.is_empty() || !entry.declared {
            return None;
        }
        references(&self.stack.resource(address)?.spec)
            .filter(|(path, _)| {
                path.segments().first().is_some_and(|first| bound.contains(&first.as_str()))
            })
            .find_map(|(_, reference)| match reference {
                Reference::Output { target, .. } => {
                    let settled = self.settled.get(&target).and_then(SetOnce::get)?;
                    matches!(settled.decision.action, Action::Create | Action::Replace)
                        .then_some(target)
                }
                Reference::Variable(_) | Reference::AccountId | Reference::Region => None,
            })
    }
}
