//! Plan against plan: what a change of the manifests adds to what was already
//! pending.
//!
//! `base` is the plan of the branch that a change goes to, `head` the plan of
//! that branch with the change. Both must be of the same stack and state, and
//! must have seen the same objects; where they saw different ones nothing can
//! be told, and that is said instead of guessed. A resource may stand in several
//! buckets, each time with other fields. Values are compared as a saved plan
//! holds them, so two sensitive ones count as the same. Nothing here knows how
//! plans are made or how a delta is shown.

mod compare;
mod introduced;
mod pair;

use std::collections::BTreeSet;

use serde::Serialize;

use self::compare::{compare, same};
use self::pair::pairs;
use super::outputs::OutputValue;
use super::{Action, Mode, Plan, Reason, Summary};
use crate::adapter::{Blocker, Identity};
use crate::address::Address;
use crate::diff::Origin;
use crate::value::{Digest, Path, Value};

/// The version of the format that a delta is written in.
pub const FORMAT_VERSION: u32 = 1;

/// What head does that base does not, and what both do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDelta {
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
    /// The state's serial.
    pub serial: u64,
    /// What the plan of base means.
    pub base: Digest,
    /// What the plan of head means: the hash to approve.
    pub head: Digest,
    /// What is to be told, by bucket and address.
    pub entries: Vec<Entry>,
    /// The stack's outputs that become something else by head than by base.
    /// `before` is what they become by base.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputValue>,
}

/// Where something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// Head does it, and base does not, or does something else.
    Introduced,
    /// Base does it to the resource, and head does nothing to it any more.
    Resolved,
    /// It can't be told.
    Unknown,
    /// Both do it: the manifests of base were not applied yet.
    Pending,
    /// Both undo what was done outside of lkh.
    Drift,
}

impl Bucket {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 5] =
        [Self::Introduced, Self::Resolved, Self::Unknown, Self::Pending, Self::Drift];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Introduced => "introduced",
            Self::Resolved => "resolved",
            Self::Unknown => "unknown",
            Self::Pending => "pending",
            Self::Drift => "drift",
        }
    }
}

/// A resource in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where it comes from.
    pub bucket: Bucket,
    /// The resource; in head, if it is there.
    pub address: Address,
    /// The phase it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The object's natural key.
    pub identity: Identity,
    /// What is done with the resource: by head where that is introduced, else
    /// by base.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The fields that stand in this bucket.
    pub fields: Vec<FieldDelta>,
    /// What else there is to know.
    pub remarks: Vec<Remark>,
    /// What stands in head's way and not in base's.
    pub blockers: Vec<Blocker>,
}

/// A field, as both plans have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDelta {
    /// Where.
    pub path: Path,
    /// What is live; `None`: nothing is there.
    pub live: Option<Value>,
    /// What base makes of it.
    pub base: Outcome,
    /// What head makes of it.
    pub head: Outcome,
    /// How the two differ.
    pub turn: Turn,
    /// Where the difference from live comes from.
    pub origin: Origin,
    /// Whether the object must be made anew for it.
    pub replace: bool,
}

/// What a plan makes of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It stays as it is live.
    Stays,
    /// It gets this value.
    Becomes(Value),
    /// It goes away.
    Goes,
}

/// How what head makes of a field differs from what base makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Not at all.
    Same,
    /// Only head changes it.
    Adds,
    /// Both change it, to different values.
    Further,
    /// Base changes it, and head leaves it.
    Removes,
    /// Head undoes what was done outside, and base leaves it.
    UndoesDrift,
    /// Base undoes what was done outside, and head leaves it.
    KeepsDrift,
}

impl Turn {
    /// What head does, as base sees it. Empty: what base does as well.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Adds => "changed here",
            Self::Further => "changed further here",
            Self::Removes => "the pending change is removed here",
            Self::UndoesDrift => "drift that only this undoes",
            Self::KeepsDrift => "drift that is no longer undone",
        }
    }
}

/// What is to be known of a resource besides fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "code")]
pub enum Remark {
    /// It has another address; its object stays.
    Renamed {
        /// The address in base.
        from: Address,
    },
    /// Base does something else with the resource.
    Instead {
        /// What.
        action: Action,
    },
    /// The manifests of head give it another object than those of base.
    OtherObject {
        /// The object's natural key in base.
        base: Identity,
    },
    /// Base forbids that it is destroyed, and head does not.
    ProtectionLifted,
    /// Head forbids that it is destroyed, and base does not.
    ProtectionAdded,
    /// The same fields are changed by other commands.
    OtherCommands,
    /// The same is done after other resources.
    OtherOrder,
    /// The object was another one for the two plans: live moved in between.
    SeenDifferently {
        /// The fields that were seen to be different; none: whether it exists.
        fields: Vec<Path>,
    },
    /// A plan could not tell what is to be done.
    NotPlanned {
        /// Which plan: `base` or `head`.
        plan: &'static str,
        /// Why.
        reason: Reason,
    },
}

/// Two plans can't be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the two plans can't be compared: {}", .0.join("; "))]
pub struct Unlike(pub Vec<String>);

impl PlanDelta {
    /// What the plan `head` introduces over the plan `base`.
    ///
    /// # Errors
    /// When the plans are not of the same stack, account, region and state.
    pub fn of(base: &Plan, head: &Plan) -> Result<Self, Unlike> {
        let unlike = unlike(base, head);
        if !unlike.is_empty() {
            return Err(Unlike(unlike));
        }
        let mut entries: Vec<Entry> =
            pairs(base, head).iter().flat_map(|pair| compare(base, head, pair)).collect();
        entries.sort_by(|a, b| (a.bucket, &a.address).cmp(&(b.bucket, &b.address)));
        Ok(Self {
            format_version: FORMAT_VERSION,
            stack: head.stack.clone(),
            mode: head.mode,
            account: head.account.clone(),
            region: head.region.clone(),
            lineage: head.lineage.clone(),
            serial: head.serial,
            base: base.meaning(),
            head: head.meaning(),
            entries,
            outputs: outputs(base, head),
        })
    }

    /// What stands in a bucket, by address.
    pub fn of_bucket(&self, bucket: Bucket) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.bucket == bucket)
    }

    /// How many resources stand in a bucket.
    pub fn count(&self, bucket: Bucket) -> usize {
        self.of_bucket(bucket).map(|entry| &entry.address).collect::<BTreeSet<_>>().len()
    }

    /// Whether an apply of head would do anything else than one of base.
    pub fn introduces(&self) -> bool {
        let differs = |entry: &Entry| match entry.bucket {
            Bucket::Introduced | Bucket::Resolved => true,
            Bucket::Unknown | Bucket::Pending | Bucket::Drift => false,
        };
        self.entries.iter().any(differs)
    }

    /// Whether something can't be told.
    pub fn is_unsure(&self) -> bool {
        self.of_bucket(Bucket::Unknown).next().is_some()
    }

    /// How many resources what is introduced does what with.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for entry in self.of_bucket(Bucket::Introduced) {
            *summary.0.entry(entry.action).or_default() += 1;
        }
        summary
    }
}

/// The outputs that head makes something else of.
fn outputs(base: &Plan, head: &Plan) -> Vec<OutputValue> {
    let by_base = |name: &str| base.outputs.iter().find(|one| one.name == name);
    let told = head.outputs.iter().filter_map(|one| {
        let before = by_base(&one.name).map(|one| one.now.clone());
        let differs = before.as_ref().is_none_or(|before| !same(before, &one.now));
        differs.then(|| OutputValue { before, ..one.clone() })
    });
    told.collect()
}

/// What keeps two plans from being compared, each in a sentence.
fn unlike(base: &Plan, head: &Plan) -> Vec<String> {
    let mut unlike = Vec::new();
    let mut same = |what: &str, base: &str, head: &str| {
        if base != head {
            unlike.push(format!("the {what} of BASE is {base}, that of HEAD is {head}"));
        }
    };
    let none = "none";
    let serial = |plan: &Plan| plan.serial.to_string();
    let mode = |plan: &Plan| match plan.mode {
        Mode::Apply => "apply",
        Mode::Destroy => "destroy",
    };
    let targets = |plan: &Plan| {
        let mut targets: Vec<_> = plan.targets.iter().map(String::as_str).collect();
        targets.sort_unstable();
        if targets.is_empty() { "the whole stack".to_owned() } else { targets.join(", ") }
    };
    same("stack", &base.stack, &head.stack);
    same("account", &base.account, &head.account);
    same("region", &base.region, &head.region);
    let lineage = |plan: &Plan| plan.lineage.clone().unwrap_or_else(|| none.to_owned());
    same("state's lineage", &lineage(base), &lineage(head));
    same("state's serial", &serial(base), &serial(head));
    same("kind of plan", mode(base), mode(head));
    same("target", &targets(base), &targets(head));
    unlike
}

#[cfg(test)]
mod tests;
