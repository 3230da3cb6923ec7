//! How many resources of a plan depend on each of them, directly or through
//! others.
//!
//! Reach is counted for 64 resources at a time, a bit each, in one walk over
//! the plan: a plan of ten thousand changes is no work. This module must not
//! know what a resource is.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::plan::Plan;

/// For every change, in the plan's order, how many others depend on it.
pub(super) fn dependents(plan: &Plan) -> Vec<usize> {
    let index: BTreeMap<&Address, usize> =
        plan.changes.iter().enumerate().map(|(at, change)| (&change.address, at)).collect();
    let dependencies: Vec<Vec<usize>> = plan
        .changes
        .iter()
        .map(|change| change.depends_on.iter().filter_map(|on| index.get(on).copied()).collect())
        .collect();
    let order = dependents_first(&dependencies);
    let mut counts = vec![0; plan.changes.len()];
    let mut reached = vec![0_u64; plan.changes.len()];
    for first in (0..plan.changes.len()).step_by(64) {
        reached.fill(0);
        // Which of the 64 depend on each, itself among them.
        for (bit, mark) in reached.iter_mut().skip(first).take(64).enumerate() {
            *mark = 1 << bit;
        }
        for &at in &order {
            let marks = reached.get(at).copied().unwrap_or(0);
            for &on in dependencies.get(at).into_iter().flatten() {
                if let Some(mark) = reached.get_mut(on) {
                    *mark |= marks;
                }
            }
        }
        for (at, (count, marks)) in counts.iter_mut().zip(&reached).enumerate() {
            let itself = usize::from((first..first + 64).contains(&at));
            let found = usize::try_from(marks.count_ones()).unwrap_or(0);
            *count += found.saturating_sub(itself);
        }
    }
    counts
}

/// An order in which whoever depends on something comes before it. Resources
/// that depend on each other in a circle, which no checked plan holds, are left
/// out.
fn dependents_first(dependencies: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting = vec![0_usize; dependencies.len()];
    for on in dependencies.iter().flatten() {
        if let Some(count) = waiting.get_mut(*on) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> =
        waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
    let mut next = 0;
    while let Some(&at) = order.get(next) {
        next += 1;
        for &on in dependencies.get(at).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(on) {
                *count -= 1;
                if *count == 0 {
                    order.push(on);
                }
            }
        }
    }
    order
}
