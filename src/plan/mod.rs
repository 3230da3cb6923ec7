//! The plan: what an apply would do, as data that people review.
//!
//! A plan holds no secret and no time, so the same manifests, state and live
//! objects give the same bytes. `decide` makes one resource's change out of
//! what is desired, prior and live. Nothing here does I/O or knows how a plan
//! is shown or carried out.

pub mod decide;
pub mod delta;
pub mod file;
pub mod meaning;
pub mod outputs;
pub mod risk;
mod summary;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use self::outputs::OutputValue;
pub use self::summary::Summary;
use crate::adapter::{Blocker, Identity, Step};
use crate::address::Address;
use crate::diff::{FieldChange, Foreign, Origin};
use crate::value::{Digest, Map, Value};

/// The version of the plan's format that this program writes.
pub const FORMAT_VERSION: u32 = 2;

/// What an apply would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// The format's version.
    pub format_version: u32,
    /// The stack's name.
    pub stack: String,
    /// Whether the stack is brought up or taken down.
    pub mode: Mode,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The state's lineage; `None` while there is no state.
    pub lineage: Option<String>,
    /// The state's serial; 0 while there is no state.
    pub serial: u64,
    /// The last run that the apply log held; `None` while it holds none. A plan
    /// that is made again after a run that changed nothing is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The digest of what the manifests mean.
    pub manifests: Digest,
    /// The variables, the sensitive ones without their value.
    pub variables: Map,
    /// What the plan was limited to; empty: the whole stack.
    pub targets: Vec<String>,
    /// The changes, dependencies first; in a destroy, dependencies last.
    pub changes: Vec<Change>,
    /// The stack's outputs, as far as they are known before the apply. Told for
    /// whoever reads the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputValue>,
}

/// Whether a stack is brought up or taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Make it as declared.
    Apply,
    /// Remove what was applied.
    Destroy,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The resource.
    pub address: Address,
    /// The phase it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The object's natural key.
    pub identity: Identity,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What differs between desired and live. The apply goes on only if it
    /// finds exactly these differences again.
    pub fields: Vec<FieldChange>,
    /// What others put on the object; left alone.
    pub foreign: Vec<Foreign>,
    /// The whole object as it was read, in normal form. `None`: there is none,
    /// or nothing is done to it and it is as `after`. Told for whoever reads the
    /// plan: what is approved and compared are the fields and the commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map>,
    /// The whole object as it will be, others' parts included. `None`: there
    /// will be none, or it can't be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The changing commands, in order. No other is run.
    pub commands: Vec<PlannedCommand>,
    /// What must be done before.
    pub depends_on: BTreeSet<Address>,
    /// Whether it must never be destroyed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prevent_destroy: bool,
    /// Why it can't be carried out, or is not ready though nothing differs.
    pub blockers: Vec<Blocker>,
}

/// A changing command, as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedCommand {
    /// What it does.
    pub title: String,
    /// The argv, the program first.
    pub argv: Vec<String>,
    /// The document on its standard input, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

impl PlannedCommand {
    /// The planned form of a step.
    pub fn of(step: &Step) -> Self {
        let program = step.command.tool.program().to_owned();
        Self {
            title: step.title.clone(),
            argv: std::iter::once(program).chain(step.command.args.iter().cloned()).collect(),
            input: step.command.stdin.clone(),
        }
    }

    /// Whether a step is what was planned, where a part that was not known then
    /// may be anything now.
    pub fn allows(&self, step: &Step) -> bool {
        let actual = Self::of(step);
        self.argv == actual.argv
            && match (&self.input, &actual.input) {
                (None, None) => true,
                (Some(planned), Some(actual)) => covers(planned, actual),
                _ => false,
            }
    }
}

/// Whether `actual` is `planned` with its unknown parts filled in. The plan is
/// one that this run made itself: it holds the sensitive parts that no file
/// holds, and they are compared as well.
pub fn covers(planned: &Value, actual: &Value) -> bool {
    match (planned, actual) {
        (Value::Unknown(_), _) => true,
        (Value::Sensitive(planned), actual) => {
            matches!(actual, Value::Sensitive(actual) if covers(planned, actual))
        }
        (Value::List(planned), Value::List(actual)) => covers_members(planned, actual),
        (Value::Map(planned), Value::Map(actual)) => {
            planned.len() == actual.len()
                && planned.iter().all(|(key, planned)| {
                    actual.get(key).is_some_and(|actual| covers(planned, actual))
                })
        }
        _ => planned == actual,
    }
}

/// Whether the members of a list are the planned ones, in their order. A member
/// that was not known may be a reference to a list, and stand for any number.
fn covers_members(planned: &[Value], actual: &[Value]) -> bool {
    let (mut at, mut given) = (0, 0);
    // Where to go on when what follows the last unknown member does not fit.
    let mut last: Option<(usize, usize)> = None;
    while let Some(value) = actual.get(given) {
        match planned.get(at) {
            Some(Value::Unknown(_)) => {
                last = Some((at + 1, given));
                at += 1;
            }
            Some(one) if covers(one, value) => (at, given) = (at + 1, given + 1),
            _ => match &mut last {
                Some((next, taken)) => {
                    *taken += 1;
                    (at, given) = (*next, *taken);
                }
                None => return false,
            },
        }
    }
    planned.iter().skip(at).all(|rest| matches!(rest, Value::Unknown(_)))
}

/// What is done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: it is as declared, or only read.
    NoOp,
    /// The object is made.
    Create,
    /// An object that exists becomes this resource's; fields that differ are
    /// brought up to date.
    Adopt,
    /// Fields are changed in place.
    Update,
    /// The object is deleted and made anew.
    Replace,
    /// The object is unsound and brought back to health.
    Repair,
    /// The object is deleted.
    Delete,
    /// The resource leaves the state; the object, if any, stays.
    Forget,
    /// Nothing: it is a question that the apply asks, and waits for.
    Check,
    /// It can't be said: the object could not be read.
    Unknown,
}

impl Action {
    /// Whether anything is done, be it only in the state.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::NoOp | Self::Check | Self::Unknown)
    }

    /// The word for it, as the plan's JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Repair => "repair",
            Self::Delete => "delete",
            Self::Forget => "forget",
            Self::Check => "check",
            Self::Unknown => "unknown",
        }
    }

    /// The mark that stands before a resource, readable without colour.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::NoOp => " ",
            Self::Create => "+",
            Self::Adopt => "=",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Repair => "!",
            Self::Delete => "-",
            Self::Forget => ".",
            Self::Check => "o",
            Self::Unknown => "?",
        }
    }

    /// What happens to the resource, as a sentence's end.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::NoOp => "stays as it is",
            Self::Create => "will be created",
            Self::Adopt => "will be adopted",
            Self::Update => "will be updated in-place",
            Self::Replace => "must be replaced",
            Self::Repair => "will be repaired",
            Self::Delete => "will be destroyed",
            Self::Forget => "will be forgotten",
            Self::Check => "will be checked",
            Self::Unknown => "can't be planned",
        }
    }
}

/// Why an action was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "code")]
pub enum Reason {
    /// It is as declared.
    AsDeclared,
    /// It stands for no object, and every apply asks it anew.
    Checked,
    /// It is external and exists.
    External,
    /// It does not exist.
    Absent,
    /// It was applied, and is gone: someone removed it.
    RemovedOutside,
    /// What it is called is only known after its dependencies are applied, so
    /// it can't exist yet.
    IdentityUnknown,
    /// It exists and the state does not know it; nothing differs.
    ExistsAsDeclared,
    /// It exists and the state does not know it; fields differ.
    ExistsWithDifferences,
    /// Fields differ.
    FieldsDiffer,
    /// A field differs that can't be changed on an object that exists.
    FieldCannotChange {
        /// The field.
        field: String,
    },
    /// The manifests give the object another identity.
    IdentityChanged {
        /// What it was.
        before: Identity,
    },
    /// The object can't work any more.
    Outdated {
        /// Why.
        why: String,
    },
    /// Something that it is bound to is made anew.
    BoundTo {
        /// What.
        address: Address,
    },
    /// The object is unsound.
    Broken {
        /// How.
        why: String,
    },
    /// No manifest declares it any more.
    NotDeclared,
    /// A manifest declares its object under another address.
    DeclaredAs {
        /// Which.
        address: Address,
    },
    /// The stack is destroyed.
    Destroyed,
    /// It is gone already.
    Gone,
    /// It is gone with the cluster that it was in.
    GoneWith {
        /// The cluster.
        address: Address,
    },
    /// Objects of this kind are never deleted.
    NeverDeleted {
        /// Why.
        why: String,
    },
    /// It is external, so it is not ours to delete.
    NotOurs,
    /// The read failed.
    NotReadable {
        /// Why.
        why: String,
    },
    /// Something that it depends on can't be planned.
    DependencyUnknown {
        /// What.
        address: Address,
    },
    /// Something external that it depends on does not exist.
    DependencyMissing {
        /// What.
        address: Address,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsDeclared => f.write_str("it is as declared"),
            Self::Checked => f.write_str("every apply waits until it is ready"),
            Self::External => f.write_str("it is external: read, never changed"),
            Self::Absent => f.write_str("it does not exist"),
            Self::RemovedOutside => f.write_str("it was removed outside of lkh (drift)"),
            Self::IdentityUnknown => {
                f.write_str("what it is called is known after its dependencies are applied")
            }
            Self::ExistsAsDeclared => f.write_str("it exists as declared and is not in the state"),
            Self::ExistsWithDifferences => {
                f.write_str("it exists, is not in the state, and differs")
            }
            Self::FieldsDiffer => f.write_str("it differs from what is declared"),
            Self::FieldCannotChange { field } => write!(f, "{field} can't be changed in place"),
            Self::IdentityChanged { before } => write!(f, "it was {before} before"),
            Self::Outdated { why } | Self::Broken { why } | Self::NeverDeleted { why } => {
                f.write_str(why)
            }
            Self::BoundTo { address } => {
                write!(f, "it is bound to {address}, which is made anew")
            }
            Self::NotDeclared => f.write_str("no manifest declares it any more"),
            Self::DeclaredAs { address } => {
                write!(f, "its object is declared as {address}, so it stays")
            }
            Self::Destroyed => f.write_str("the stack is destroyed"),
            Self::Gone => f.write_str("it is gone already"),
            Self::GoneWith { address } => {
                write!(f, "it is gone with {address}, which does not exist any more")
            }
            Self::NotOurs => f.write_str("it is external, so it stays"),
            Self::NotReadable { why } => write!(f, "it could not be read: {why}"),
            Self::DependencyUnknown { address } => {
                write!(f, "it depends on {address}, which can't be planned")
            }
            Self::DependencyMissing { address } => {
                write!(f, "it depends on {address}, which does not exist")
            }
        }
    }
}

impl Plan {
    /// How many resources the plan does what with.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            *summary.0.entry(change.action).or_default() += 1;
        }
        summary
    }

    /// Whether an apply would do anything, be it only in the state.
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| change.action.is_change())
    }

    /// The changes that can't be carried out, and what is not ready.
    pub fn blocked(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| !change.blockers.is_empty() || change.action == Action::Unknown)
    }

    /// The changes that undo what was done outside of lkh since the last apply.
    pub fn drifted(&self) -> impl Iterator<Item = &Change> {
        let index: BTreeMap<&Address, &Change> =
            self.changes.iter().map(|change| (&change.address, change)).collect();
        self.changes.iter().filter(move |change| {
            has_drifted(change) || self.is_bound_to_drift(change, |of| index.get(of).copied())
        })
    }

    /// Whether an object is made, or made anew, for what was done outside of
    /// lkh since the last apply: then no field of it tells.
    fn is_drift_as_a_whole(&self, change: &Change) -> bool {
        self.is_bound_to_drift(change, |of| self.change(of))
    }

    fn is_bound_to_drift<'a>(
        &'a self,
        change: &'a Change,
        find: impl Fn(&Address) -> Option<&'a Change>,
    ) -> bool {
        // A plan that someone wrote by hand may go in a circle.
        let (mut at, mut seen) = (change, BTreeSet::new());
        loop {
            at = match &at.reason {
                Reason::RemovedOutside => return true,
                // What it is tied to was made anew behind its back. Without a
                // state nothing was applied that could have drifted.
                Reason::Outdated { .. } => return self.lineage.is_some(),
                // What it is tied to is made anew because that has drifted.
                Reason::BoundTo { address } if seen.insert(address) => match find(address) {
                    Some(bound) if has_drifted(bound) => return true,
                    Some(bound) => bound,
                    None => return false,
                },
                _ => return false,
            }
        }
    }

    /// The change of a resource.
    pub fn change(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| change.address == *address)
    }

    /// The digest of the whole plan.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

fn has_drifted(change: &Change) -> bool {
    change.fields.iter().any(|field| matches!(field.origin, Origin::Drift | Origin::Both))
}

#[cfg(test)]
mod tests;
