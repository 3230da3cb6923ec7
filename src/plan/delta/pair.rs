//! Which change of base and which of head are about the same resource.
//!
//! Mostly those with the same address; a resource that got another address and
//! kept its object is followed. This module must not look at what is done.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapter::Kind;
use crate::address::Address;
use crate::plan::{Change, Plan, Reason};

/// What both plans do with one resource. One of the two is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    /// In base.
    pub base: Option<&'a Change>,
    /// In head.
    pub head: Option<&'a Change>,
    /// Whether the addresses differ.
    pub renamed: bool,
}

/// The changes of two plans, in pairs.
pub(super) fn pairs<'a>(base: &'a Plan, head: &'a Plan) -> Vec<Pair<'a>> {
    let old: BTreeMap<&Address, &Change> = base.changes.iter().map(|c| (&c.address, c)).collect();
    let new: BTreeMap<&Address, &Change> = head.changes.iter().map(|c| (&c.address, c)).collect();
    // New addresses, each with the change of base that is about its resource.
    let mut renamed: BTreeMap<&Address, &Change> = BTreeMap::new();
    // Addresses whose story is told under another one.
    let mut told: BTreeSet<&Address> = BTreeSet::new();
    // The state knew the old address: head lets go of it and says why.
    for change in new.values() {
        let Reason::DeclaredAs { address } = &change.reason else { continue };
        if let (Some(before), Some(to), None) =
            (old.get(&change.address), new.get(address), old.get(address))
            && !matches!(before.reason, Reason::DeclaredAs { .. })
        {
            renamed.insert(&to.address, before);
            told.insert(&change.address);
        }
    }
    // Nothing was applied yet: base makes under one address what head makes
    // under another.
    let key = |change: &Change| (change.address.kind, change.identity.to_string());
    let known = |change: &&&Change| change.identity.is_known() && !change.identity.0.is_empty();
    let gone = old.values().filter(|change| !new.contains_key(&change.address)).filter(known);
    let by_object: BTreeMap<(Kind, String), &Change> =
        gone.map(|change| (key(change), *change)).collect();
    for change in new.values().filter(|change| !old.contains_key(&change.address)).filter(known) {
        if renamed.contains_key(&change.address) {
            continue;
        }
        if let Some(before) = by_object.get(&key(change)) {
            renamed.insert(&change.address, before);
            told.insert(&before.address);
        }
    }
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for change in new.values() {
        if let Some(before) = renamed.get(&change.address) {
            pairs.push(Pair { base: Some(before), head: Some(change), renamed: true });
        } else if !told.contains(&change.address) {
            let base = old.get(&change.address).copied();
            pairs.push(Pair { base, head: Some(change), renamed: false });
        }
    }
    for change in old.values() {
        if !new.contains_key(&change.address) && !told.contains(&change.address) {
            pairs.push(Pair { base: Some(change), head: None, renamed: false });
        }
    }
    pairs
}
