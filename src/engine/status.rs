//! How far everything is, as it was just read: what is there, what does its
//! work, and what stands in the way.
//!
//! A status is a plan's survey with the readiness of every object and what the
//! state says beside it. It changes nothing, takes no lock, and never guesses:
//! what could not be read is told as unknown, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::survey::{Purpose, Settled};
use super::{Engine, EngineError, Planned, Targets};
use crate::adapter::{Blocker, Health, Identity, Live, Object, Readiness};
use crate::address::Address;
use crate::plan::{Action, Change, Mode, Reason};
use crate::state::Status;
use crate::value::{Digest, Value};

/// How far a whole stack is.
#[derive(Debug, Clone)]
pub struct Overview {
    /// When it was read.
    pub at: Timestamp,
    /// The stack's name.
    pub stack: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The cluster that the stack names, once it is known.
    pub cluster: Option<String>,
    /// Every phase of the stack, in order, with its description.
    pub phases: Vec<(String, Option<String>)>,
    /// Whether only a part was looked at (`--target`).
    pub limited: bool,
    /// The resources, dependencies first.
    pub standings: Vec<Standing>,
}

/// How far one resource is.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The resource.
    pub address: Address,
    /// The phase that it belongs to.
    pub phase: Option<String>,
    /// Whether a manifest declares it; else only the state knows it.
    pub declared: bool,
    /// Whether it is only read.
    pub external: bool,
    /// The object's natural key.
    pub identity: Identity,
    /// Whether the object is there.
    pub presence: Presence,
    /// What an apply would do with it.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What stands in the way of its being as declared and doing its work, the
    /// nearest to its cause first. Empty exactly where it is ready.
    pub blockers: Vec<Blocker>,
    /// The object as read, where it is there.
    pub object: Option<Box<Object>>,
    /// What was read, each with the digest of what it told.
    pub proof: Vec<(String, Digest)>,
    /// What the state says of it, and since when; `None`: nothing.
    pub recorded: Option<(Status, Option<Timestamp>)>,
    /// The resource that this one only waits for, where that is all that is
    /// in its way.
    pub waits_for: Option<Address>,
}

/// Whether an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A read showed it.
    There,
    /// A read showed that it is not, or it can't be yet.
    Absent,
    /// Nobody knows: the blockers say why.
    Unknown,
}

impl Standing {
    /// Whether what is declared exists; `None`: nobody knows.
    pub fn applied(&self) -> Option<bool> {
        match self.presence {
            Presence::There => Some(true),
            Presence::Absent => Some(false),
            Presence::Unknown => None,
        }
    }

    /// Whether it is there, as declared, and does its work; `None`: nobody
    /// knows.
    pub fn ready(&self) -> Option<bool> {
        match self.presence {
            Presence::There => Some(self.blockers.is_empty()),
            Presence::Absent => Some(false),
            Presence::Unknown => None,
        }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match (self.presence, self.action) {
            (Presence::Unknown, _) => "unknown",
            (Presence::Absent, _) => "missing",
            (Presence::There, _) if self.blockers.is_empty() => "ready",
            (Presence::There, Action::Repair) => "broken",
            (Presence::There, _) if self.blockers.iter().all(|blocker| blocker.code == DIFFERS) => {
                "differs"
            }
            (Presence::There, _) => "not ready",
        }
    }
}

/// The code of what is there and not as declared.
pub const DIFFERS: &str = "DiffersFromManifest";

impl Overview {
    /// Whether everything that is declared is ready; `None`: nobody knows, and
    /// nothing is known to be in the way. Where nothing is declared, nothing is
    /// ready.
    pub fn ready(&self) -> Option<bool> {
        all(self.declared().map(Standing::ready))
    }

    /// The resources that a manifest declares.
    pub fn declared(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|standing| standing.declared)
    }

    /// The declared resources of a phase; `None`: those of no phase.
    pub fn of_phase(&self, phase: Option<&str>) -> Vec<&Standing> {
        self.declared().filter(|standing| standing.phase.as_deref() == phase).collect()
    }
}

/// Whether all of several are true: false where one is not, else unknown where
/// one is not known. Of none, nothing is true.
pub fn all(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let answers: BTreeSet<Option<bool>> = answers.into_iter().collect();
    if answers.is_empty() || answers.contains(&Some(false)) {
        return Some(false);
    }
    (!answers.contains(&None)).then_some(true)
}

impl Engine {
    /// Reads everything and says how far it is. Changes nothing anywhere.
    ///
    /// # Errors
    /// When nothing can be read at all: see [`Engine::plan`].
    pub async fn status(
        &self,
        targets: &Targets,
        purpose: Purpose,
    ) -> Result<Overview, EngineError> {
        let planned = self.survey(Mode::Apply, targets, purpose).await?;
        let state = self.store.load().await?;
        let recorded = |address: &Address| {
            let record = state.as_ref()?.resources.get(address)?;
            Some((record.status, record.evidence.first().map(|evidence| evidence.at)))
        };
        let standings = planned
            .plan
            .changes
            .iter()
            .filter_map(|change| {
                let settled = planned.settled.get(&change.address)?;
                Some(standing(&planned, change, settled, recorded(&change.address)))
            })
            .collect();
        let clusters = |kept: &BTreeMap<_, std::sync::Arc<Settled>>| {
            let address = super::entry::cluster(&self.stack)?;
            kept.get(&address)?.outputs.get("name").and_then(Value::as_str).map(str::to_owned)
        };
        let cluster = match &self.stack.cluster {
            Some(Value::String(name)) => Some(name.clone()),
            _ => clusters(&planned.settled),
        };
        Ok(Overview {
            at: self.clock.now(),
            stack: self.stack.name.clone(),
            account: planned.plan.account.clone(),
            region: self.region.clone(),
            cluster,
            phases: self
                .stack
                .phases
                .iter()
                .map(|phase| (phase.name.clone(), phase.description.clone()))
                .collect(),
            limited: !targets.0.is_empty(),
            standings,
        })
    }
}

fn standing(
    planned: &Planned,
    change: &Change,
    settled: &Settled,
    recorded: Option<(Status, Option<Timestamp>)>,
) -> Standing {
    let address = &change.address;
    let entry = planned.survey.entries.get(address);
    let (presence, object) = match &settled.live {
        Some(Live::Present(object)) => (Presence::There, Some(object.clone())),
        Some(Live::Absent) => (Presence::Absent, None),
        // What gets its name from something that does not exist can't exist.
        None if change.action == Action::Create => (Presence::Absent, None),
        None => (Presence::Unknown, None),
    };
    let blockers = blockers(change, settled, object.as_deref());
    let waits_for = match (&change.reason, presence) {
        (
            Reason::DependencyMissing { address } | Reason::DependencyUnknown { address },
            Presence::Absent | Presence::Unknown,
        ) => Some(address.clone()),
        _ => None,
    };
    Standing {
        address: address.clone(),
        phase: change.phase.clone(),
        declared: entry.is_some_and(|entry| entry.declared),
        external: entry.is_some_and(|entry| entry.external),
        identity: change.identity.clone(),
        presence,
        action: change.action,
        reason: change.reason.clone(),
        blockers,
        object,
        proof: settled.evidence.clone(),
        recorded,
        waits_for,
    }
}

/// What stands in the way: causes before what follows of them.
fn blockers(change: &Change, settled: &Settled, object: Option<&Object>) -> Vec<Blocker> {
    let mut found: Vec<Blocker> = Vec::new();
    let apply = || format!("lkh apply --target {}", change.address);
    if let (Some(desired), Some(object)) = (&settled.desired, object) {
        match change.address.kind.adapter().readiness(desired, object) {
            Readiness::Ready => {}
            Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => found = blockers,
        }
        if found.is_empty()
            && let Health::Broken(why) | Health::Outdated(why) = &object.health
        {
            found.push(Blocker { code: "Broken".into(), message: why.clone(), next: apply() });
        }
    }
    for blocker in &change.blockers {
        if !found.contains(blocker) {
            found.push(blocker.clone());
        }
    }
    let is_there = object.is_some();
    if !is_there && found.is_empty() {
        found.push(Blocker {
            code: "Missing".into(),
            message: match change.identity.to_string() {
                identity if identity.is_empty() => "it does not exist".into(),
                identity => format!("{identity} does not exist"),
            },
            next: apply(),
        });
    }
    let differs =
        !change.fields.is_empty() || matches!(change.action, Action::Update | Action::Replace);
    if is_there && differs && found.is_empty() {
        let fields: Vec<String> = change
            .fields
            .iter()
            .map(|field| format!("{} ({})", field.path, field.origin.word()))
            .collect();
        let shown = match fields.as_slice() {
            [] => change.reason.to_string(),
            [a] => format!("it differs from what is declared: {a}"),
            [a, b] => format!("it differs from what is declared: {a}, {b}"),
            [a, b, rest @ ..] => {
                format!("it differs from what is declared: {a}, {b} and {} more", rest.len())
            }
        };
        found.push(Blocker { code: DIFFERS.into(), message: shown, next: apply() });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn of_none_nothing_is_true_and_one_false_is_enough() {
        for (answers, expected) in [
            (vec![], Some(false)),
            (vec![Some(true)], Some(true)),
            (vec![Some(true), None], None),
            (vec![None, Some(false)], Some(false)),
        ] {
            assert_eq!(all(answers.clone()), expected, "{answers:?}");
        }
    }
}
