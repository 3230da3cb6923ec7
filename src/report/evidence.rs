//! What proves that each thing was done: the state's evidence and the apply
//! log, told resource by resource; and whether a read of now still says so.
//!
//! The keys of the JSON are explained in `docs/status.md`.

mod history;
mod render;

use serde_json::{Map as JsonMap, Value as Json, json};

use self::history::{History, Ran};
use super::status::{controller_ready, phase_key};
use crate::adapter::Kind;
use crate::address::Address;
use crate::engine::status::{Overview, Presence, Standing};
use crate::journal::{Entry, Outcome};
use crate::state::{Evidence, Record, State, Status};
use crate::value::Value;

pub use render::text;

/// What is told as evidence.
#[derive(Debug)]
pub struct Case<'a> {
    /// The phases of the stack, in order.
    pub phases: Vec<String>,
    /// What the state remembers.
    pub state: &'a State,
    /// What a read of now says; `None`: nothing was read.
    pub now: Option<&'a Overview>,
    history: history::Histories,
}

/// Whether something that was proved is still so.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The same was read again.
    Same,
    /// Something else was read, and it is as declared and does its work all the
    /// same: what changed is nothing that a manifest declares.
    StillTrue,
    /// It does not hold any more; why.
    Broken(String),
    /// It is not known; why.
    Unknown(String),
}

impl Verdict {
    fn holds(&self) -> Option<bool> {
        match self {
            Self::Same | Self::StillTrue => Some(true),
            Self::Broken(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Same => None,
            Self::StillTrue => {
                Some("the answer is another one, and nothing in it that a manifest declares")
            }
            Self::Broken(why) | Self::Unknown(why) => Some(why),
        }
    }
}

impl<'a> Case<'a> {
    /// The evidence of a state, with the log of what was done.
    pub fn new(
        phases: Vec<String>,
        state: &'a State,
        log: &[Entry],
        now: Option<&'a Overview>,
    ) -> Self {
        Self { phases, state, now, history: history::read(log) }
    }

    /// Whether all that was proved is still so; `None`: that is not known, or
    /// nothing was read again.
    pub fn holds(&self) -> Option<bool> {
        self.now?;
        let verdicts = self.state.resources.iter().flat_map(|(address, record)| {
            let claims = record.evidence.iter().map(|evidence| self.verdict(address, evidence));
            let whole = std::iter::once(self.whole(address, record));
            claims.chain(whole).flatten()
        });
        let mut answer = Some(true);
        for verdict in verdicts {
            match verdict.holds() {
                Some(true) => {}
                Some(false) => return Some(false),
                None => answer = None,
            }
        }
        answer
    }

    fn standing(&self, address: &Address) -> Option<&'a Standing> {
        self.now?.standings.iter().find(|standing| standing.address == *address)
    }

    /// What is to be said now of one claim; `None`: nothing was read again.
    fn verdict(&self, address: &Address, evidence: &Evidence) -> Option<Verdict> {
        self.now?;
        let Some(standing) = self.standing(address) else {
            return Some(Verdict::Unknown("it is not among the targets".into()));
        };
        let why = || {
            standing.blockers.first().map_or_else(
                || "it is not as it was".to_owned(),
                |blocker| blocker.message.lines().next().unwrap_or("").to_owned(),
            )
        };
        Some(match standing.presence {
            Presence::Unknown => Verdict::Unknown(why()),
            Presence::Absent => Verdict::Broken("it does not exist any more".into()),
            Presence::There => {
                let again = standing.proof.iter().find(|(command, _)| *command == evidence.command);
                match again {
                    Some((_, digest)) if *digest == evidence.digest => Verdict::Same,
                    Some(_) if standing.ready() == Some(true) => Verdict::StillTrue,
                    Some(_) => Verdict::Broken(why()),
                    None => Verdict::Unknown("this was not asked again".into()),
                }
            }
        })
    }

    /// Whether a resource that is applied is still as declared and ready.
    fn whole(&self, address: &Address, record: &Record) -> Option<Verdict> {
        self.now?;
        if record.status != Status::Applied {
            return None;
        }
        let standing = self.standing(address)?;
        let why = standing.blockers.first().map_or("", |blocker| blocker.message.as_str());
        let why = why.lines().next().unwrap_or("").to_owned();
        Some(match standing.ready() {
            Some(true) => Verdict::Same,
            Some(false) => Verdict::Broken(why),
            None => Verdict::Unknown(why),
        })
    }

    /// The records of a phase, by address; `None`: of no phase of the stack.
    fn of_phase(&self, phase: Option<&str>) -> Vec<(&'a Address, &'a Record)> {
        let known = |name: &str| self.phases.iter().any(|phase| phase == name);
        self.state
            .resources
            .iter()
            .filter(|(_, record)| record.phase.as_deref().filter(|name| known(name)) == phase)
            .collect()
    }
}

/// The evidence for machines.
pub fn json(case: &Case<'_>) -> Json {
    let mut json = JsonMap::new();
    for (index, name) in case.phases.iter().enumerate() {
        let members = case.of_phase(Some(name));
        let mut phase = JsonMap::new();
        for (address, record) in &members {
            if address.kind == Kind::HelmRelease || is_script(address) {
                phase.insert(camel(&address.name), component(case, address, record));
            }
        }
        // Fixed keys win over a component of the same name.
        phase.insert("name".into(), name.as_str().into());
        phase.insert("key".into(), phase_key(index, name).into());
        phase.insert("resources".into(), resources(case, &members));
        json.insert(format!("phase{}", index + 1), phase.into());
    }
    let State { stack, account, region, lineage, serial, .. } = case.state;
    json.insert("stack".into(), stack.as_str().into());
    json.insert("account".into(), account.as_str().into());
    json.insert("region".into(), region.as_str().into());
    json.insert("lineage".into(), lineage.as_str().into());
    json.insert("serial".into(), (*serial).into());
    json.insert("withoutPhase".into(), resources(case, &case.of_phase(None)));
    let verified = case.now.map(|now| json!({"at": now.at, "holds": case.holds()}));
    json.insert("verified".into(), json!(verified));
    json.into()
}

/// `karpenter-crd` as `karpenterCrd`.
fn camel(name: &str) -> String {
    let mut words = name.split(['-', '_', '.']);
    let first = words.next().unwrap_or("").to_owned();
    words.fold(first, |text, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        text + &first.unwrap_or_default() + letters.as_str()
    })
}

/// Whether a resource is the run of a script, where the crate has such a kind.
fn is_script(address: &Address) -> bool {
    address.kind.as_str() == "Script"
}

/// What the first installer said of each component, as far as it is true.
#[derive(Debug)]
struct Component {
    existed: Option<bool>,
    installed: Option<bool>,
    version: Option<String>,
    namespace: Option<String>,
    ready: Option<bool>,
    script_ran: bool,
}

impl Component {
    fn of(case: &Case<'_>, address: &Address, record: &Record) -> Self {
        let history = case.history.get(address);
        let output = |name: &str| record.applied.outputs.get(name).and_then(Value::as_str);
        let standing = case.standing(address);
        let (installed, ready) = match standing {
            Some(standing) => (
                standing.applied(),
                match standing.presence {
                    Presence::There => Some(controller_ready(standing)),
                    Presence::Absent => Some(false),
                    Presence::Unknown => None,
                },
            ),
            None => match record.status {
                Status::Applied => (Some(true), Some(true)),
                Status::NotReady => (Some(true), Some(false)),
                Status::Drifted => (Some(true), None),
                Status::Missing => (Some(false), Some(false)),
                Status::Unverified => (None, None),
            },
        };
        let ran = |run: &Ran| matches!(run.outcome, Some(Outcome::Exited));
        Self {
            existed: history.and_then(History::existed),
            installed,
            version: output("version").map(str::to_owned),
            namespace: output("namespace").map(str::to_owned),
            ready,
            script_ran: is_script(address)
                && history.is_some_and(|history| history.commands.iter().any(ran)),
        }
    }
}

fn component(case: &Case<'_>, address: &Address, record: &Record) -> Json {
    let Component { existed, installed, version, namespace, ready, script_ran } =
        Component::of(case, address, record);
    json!({
        "existed": existed,
        "installed": installed,
        "version": version,
        "namespace": namespace,
        "controllerReady": ready,
        "scriptRan": script_ran,
        "appliedBy": "lkh",
        "resource": address,
    })
}

fn resources(case: &Case<'_>, members: &[(&Address, &Record)]) -> Json {
    let resource = |address: &Address, record: &Record| {
        let history = case.history.get(address);
        let whole = case.whole(address, record);
        let claims: Vec<Json> = record
            .evidence
            .iter()
            .map(|evidence| {
                let verdict = case.verdict(address, evidence);
                json!({
                    "claim": evidence.claim,
                    "command": evidence.command,
                    "at": evidence.at,
                    "digest": evidence.digest,
                    "verified": verdict.as_ref().map(|verdict| json!({
                        "holds": verdict.holds(),
                        "sameAnswer": *verdict == Verdict::Same,
                        "reason": verdict.why(),
                    })),
                })
            })
            .collect();
        json!({
            "status": record.status,
            "identity": record.applied.identity.to_string(),
            "existed": history.and_then(History::existed),
            "origin": history.and_then(|history| history.origin.as_ref()).map(|origin| json!({
                "how": origin.how, "run": origin.run, "at": origin.at,
            })),
            "lastRun": history.and_then(|history| history.run.as_ref()),
            "blockers": record.blockers,
            "claims": claims,
            "commands": history.map(|history| history.commands.iter().map(|ran| json!({
                "operation": ran.operation,
                "at": ran.at,
                "title": ran.title,
                "command": ran.command,
                "outcome": ran.outcome,
            })).collect::<Vec<_>>()).unwrap_or_default(),
            "verified": whole.as_ref().map(|whole| json!({
                "holds": whole.holds(), "reason": whole.why(),
            })),
        })
    };
    let found: JsonMap<String, Json> = members
        .iter()
        .map(|(address, record)| (address.to_string(), resource(address, record)))
        .collect();
    found.into()
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn names_become_keys() {
        assert_eq!(camel("karpenter"), "karpenter");
        assert_eq!(camel("ingext-stack_x.y"), "ingextStackXY");
    }
}
