//! What the parts of the page need to know of a plan, found once.
//!
//! This module must not write HTML.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::AccessDelta;
use crate::address::Address;
use crate::plan::risk::{Assessed, Risk};
use crate::plan::{Change, Plan};

/// A plan with what is known of it.
pub(super) struct Facts<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Every change with its risk, worst first.
    pub risks: Vec<Assessed>,
    /// What changes about who may do what.
    pub access: AccessDelta,
    /// The phases in the order of the work, each with how many resources it
    /// has; the empty one holds what belongs to none.
    pub phases: Vec<(&'a str, usize)>,
    /// Where in the plan each resource is.
    pub index: BTreeMap<&'a Address, usize>,
    /// What directly depends on each change.
    pub needed_by: Vec<Vec<usize>>,
    risk_of: Vec<Risk>,
    drifted: BTreeSet<usize>,
}

impl<'a> Facts<'a> {
    /// Takes a plan apart.
    pub(super) fn of(plan: &'a Plan, risks: Vec<Assessed>, access: AccessDelta) -> Self {
        let index: BTreeMap<&Address, usize> =
            plan.changes.iter().enumerate().map(|(at, change)| (&change.address, at)).collect();
        let mut needed_by = vec![Vec::new(); plan.changes.len()];
        for (at, change) in plan.changes.iter().enumerate() {
            for &on in change.depends_on.iter().filter_map(|address| index.get(address)) {
                if let Some(needed_by) = needed_by.get_mut(on) {
                    needed_by.push(at);
                }
            }
        }
        let mut risk_of = vec![Risk::None; plan.changes.len()];
        let mut drifted = BTreeSet::new();
        for assessed in &risks {
            let Some(&at) = index.get(&assessed.address) else { continue };
            if let Some(risk) = risk_of.get_mut(at) {
                *risk = assessed.risk;
            }
            if assessed.undoes_drift {
                drifted.insert(at);
            }
        }
        let phases = phases(plan, &index);
        Self { plan, risks, access, phases, index, needed_by, risk_of, drifted }
    }

    /// The lane of a change.
    pub(super) fn lane(&self, change: &Change) -> usize {
        let own = change.phase.as_deref().unwrap_or("");
        self.phases.iter().position(|&(name, _)| name == own).unwrap_or(0)
    }

    /// How dangerous a change is.
    pub(super) fn risk(&self, at: usize) -> Risk {
        self.risk_of.get(at).copied().unwrap_or(Risk::None)
    }

    /// Whether a change is drawn alone, however many there are.
    pub(super) fn stands_out(&self, at: usize) -> bool {
        self.risk(at) <= Risk::Destroy || self.is_blocked(at)
    }

    /// Whether a change takes back what was done outside.
    pub(super) fn drifts(&self, at: usize) -> bool {
        self.drifted.contains(&at)
    }

    /// Whether a change can't be carried out, or the object is not ready.
    pub(super) fn is_blocked(&self, at: usize) -> bool {
        self.plan.changes.get(at).is_some_and(is_blocked)
    }

    /// Whether nothing happens to a resource, and nothing is in the way.
    pub(super) fn is_quiet(&self, at: usize) -> bool {
        self.plan
            .changes
            .get(at)
            .is_none_or(|change| !change.action.is_change() && !is_blocked(change))
    }
}

fn is_blocked(change: &Change) -> bool {
    !change.blockers.is_empty() || change.action == crate::plan::Action::Unknown
}

/// The phases so that the work goes down as far as it can: again and again, the
/// one that waits for the fewest resources of the others; of several, the one
/// that comes first in the plan.
fn phases<'a>(plan: &'a Plan, index: &BTreeMap<&Address, usize>) -> Vec<(&'a str, usize)> {
    let phase_of = |change: &'a Change| change.phase.as_deref().unwrap_or("");
    let mut left: Vec<(&str, usize)> = Vec::new();
    let mut waits: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for change in &plan.changes {
        let own = phase_of(change);
        match left.iter_mut().find(|(name, _)| *name == own) {
            Some((_, count)) => *count += 1,
            None => left.push((own, 1)),
        }
        for at in change.depends_on.iter().filter_map(|on| index.get(on)) {
            let Some(on) = plan.changes.get(*at).map(phase_of).filter(|&on| on != own) else {
                continue;
            };
            *waits.entry((on, own)).or_default() += 1;
        }
    }
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waiting = |name: &str| {
            let on = |other: &str| waits.get(&(other, name)).copied().unwrap_or(0);
            left.iter().map(|(other, _)| on(other)).sum::<usize>()
        };
        let best = left
            .iter()
            .enumerate()
            .min_by_key(|(at, (name, _))| (waiting(name), *at))
            .map_or(0, |(at, _)| at);
        ordered.push(left.remove(best));
    }
    ordered
}
