//! What resources claim for themselves: one object, or one part of an object,
//! belongs to one resource.
//!
//! Two resources that claim the same are refused. What a resource would remove
//! and another declared one claims stays: a resource that was given another
//! address in the manifests keeps its object, and the plan says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::EngineError;
use super::entry::Entry;
use super::survey::{Settled, Survey};
use crate::adapter::{Blocker, Kind, Prior};
use crate::address::Address;
use crate::plan::decide::Decision;
use crate::plan::{Action, Mode, Reason};
use crate::value::Map;

/// Refuses two resources that claim the same. The manifests' own check can't
/// see what only reading tells.
pub fn check(
    survey: &Survey,
    settled: &BTreeMap<Address, Arc<Settled>>,
) -> Result<(), EngineError> {
    let mut claimed: BTreeMap<(Kind, String), &Address> = BTreeMap::new();
    for (address, settled) in settled {
        let adapter = address.kind.adapter();
        let mine = match &settled.desired {
            Some(desired) => adapter.claims(&desired.identity, &desired.attributes),
            // As it was applied: what was desired is not kept, then.
            None if settled.decision.action == Action::NoOp => survey
                .entries
                .get(address)
                .filter(|entry| entry.declared && survey.mode == Mode::Apply)
                .and_then(|entry| entry.prior.as_ref())
                .map(|prior| adapter.claims(&prior.identity, &prior.attributes))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        for claim in mine {
            if let Some(first) = claimed.insert((address.kind, claim.clone()), address) {
                return Err(EngineError::SameObject {
                    first: first.clone(),
                    second: address.clone(),
                    claim: format!("{} {claim}", address.kind),
                });
            }
        }
    }
    Ok(())
}

/// Takes out of the plan whatever would remove what another declared resource
/// claims, also one that this plan leaves out.
pub async fn spare(survey: &Survey, account: &str, settled: &mut BTreeMap<Address, Arc<Settled>>) {
    let going: Vec<(Address, Arc<Prior>)> = settled
        .iter()
        .filter(|(address, settled)| {
            // What nobody declares and nobody can read would go, too.
            let unread = settled.decision.action == Action::Unknown
                && survey.entries.get(*address).is_some_and(|entry| !entry.declared);
            removes(settled.decision.action) || unread
        })
        .filter_map(|(address, settled)| {
            let remembered = || survey.entries.get(address)?.prior.clone();
            Some((address.clone(), settled.prior.clone().or_else(remembered)?))
        })
        .collect();
    let kinds: BTreeSet<Kind> = going.iter().map(|(address, _)| address.kind).collect();
    let mut declared: BTreeMap<(Kind, String), Address> = BTreeMap::new();
    for resource in &survey.stack.resources {
        let stays = survey.mode == Mode::Apply
            || resource.external
            || !survey.entries.contains_key(&resource.address);
        let kind = resource.address.kind;
        if stays && kinds.contains(&kind) {
            let claims = survey.claims(resource, account).into_iter();
            declared.extend(claims.map(|claim| ((kind, claim), resource.address.clone())));
        }
    }
    for (address, prior) in going {
        let adapter = address.kind.adapter();
        let owner = |claim: &str| {
            declared.get(&(address.kind, claim.to_owned())).filter(|owner| **owner != address)
        };
        let mut kept = adapter.claims(&prior.identity, &prior.attributes);
        kept.extend(adapter.traces(&prior.attributes, &prior.settings));
        kept.retain(|claim| owner(claim).is_some());
        let Some((first, other)) = kept.first().and_then(|claim| Some((claim, owner(claim)?)))
        else {
            continue;
        };
        let left = adapter.without(&prior, &|claim| owner(claim).is_some());
        if left.as_ref() == Some(&*prior) {
            continue;
        }
        let (Some(slot), Some(entry)) = (settled.get_mut(&address), survey.entries.get(&address))
        else {
            continue;
        };
        let mut spared = Settled::clone(slot);
        let decision = &mut spared.decision;
        match (left, &decision.reason) {
            (None, _) if matches!(decision.action, Action::Delete | Action::Unknown) => {
                let reason = Reason::DeclaredAs { address: other.clone() };
                *decision = Decision::without_steps(Action::Forget, reason);
            }
            (None, Reason::IdentityChanged { before }) => {
                decision.blockers.push(Blocker {
                    code: "ObjectDeclaredElsewhere".into(),
                    message: format!("its object ({before}) is declared as {other} now"),
                    next: format!("apply {other} first (--target {other}), then plan again"),
                });
                decision.steps.clear();
            }
            (left, _) => {
                let left = left
                    .unwrap_or_else(|| Prior { attributes: Map::new(), ..Prior::clone(&prior) });
                // What the state says is out of date, even where nothing is to do.
                let prior = Some(Arc::new(left));
                let entry = Entry { prior, is_applied: false, ..entry.clone() };
                spared = survey.decide(&address, &entry, adapter, account, None).await;
                let more = match kept.len() {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                let note = format!("left alone: {first}{more}, which {other} declares now");
                spared.decision.notes.push(note);
            }
        }
        *slot = Arc::new(spared);
    }
}

/// Whether an action may remove something that was applied.
fn removes(action: Action) -> bool {
    match action {
        Action::Delete | Action::Replace | Action::Update | Action::Repair => true,
        Action::NoOp
        | Action::Create
        | Action::Adopt
        | Action::Forget
        | Action::Check
        | Action::Unknown => false,
    }
}
