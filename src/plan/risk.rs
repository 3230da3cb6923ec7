//! How dangerous each change of a plan is, worst first.
//!
//! Pure: a plan, and what is known of who may do what, in; ranks out. Every
//! report that tells people what to look at first takes its order from here.
//! This module must not decide what is done, nor how it is shown.

mod fields;
mod judge;
mod objects;
mod reach;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Action, Plan};
use crate::address::Address;
use crate::parallel::each;

/// How dangerous a change is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Something that holds data is destroyed, or loses some of it.
    DataLoss,
    /// Another object is destroyed, perhaps to be made anew.
    Destroy,
    /// Someone may do more than before, or more can be reached.
    Access,
    /// What runs is restarted, moved or upgraded.
    Disruption,
    /// Fields change, and nothing that runs should notice.
    InPlace,
    /// Something new is made.
    Create,
    /// The state takes an object in or lets it go; the object stays as it is.
    Adopt,
    /// Nothing happens.
    None,
}

impl Risk {
    /// Every risk, worst first.
    pub const ALL: [Self; 8] = [
        Self::DataLoss,
        Self::Destroy,
        Self::Access,
        Self::Disruption,
        Self::InPlace,
        Self::Create,
        Self::Adopt,
        Self::None,
    ];

    /// Its place in the order: 0 is the worst.
    pub fn rank(self) -> u8 {
        match self {
            Self::DataLoss => 0,
            Self::Destroy => 1,
            Self::Access => 2,
            Self::Disruption => 3,
            Self::InPlace => 4,
            Self::Create => 5,
            Self::Adopt => 6,
            Self::None => 7,
        }
    }

    /// The word for it, as data has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::DataLoss => "data-loss",
            Self::Destroy => "destroy",
            Self::Access => "access",
            Self::Disruption => "disruption",
            Self::InPlace => "in-place",
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::None => "none",
        }
    }

    /// The words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::DataLoss => "data loss",
            Self::Destroy => "destroy",
            Self::Access => "wider access",
            Self::Disruption => "disruption",
            Self::InPlace => "in place",
            Self::Create => "create",
            Self::Adopt => "adopt or forget",
            Self::None => "nothing",
        }
    }

    /// Whether a reviewer must see every change of this risk, whatever the room.
    pub fn is_grave(self) -> bool {
        self <= Self::Access
    }
}

/// Whether a change can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "how")]
pub enum Reversible {
    /// By applying the manifests of before.
    Yes,
    /// With something lost; what.
    Partly(&'static str),
    /// It can't; why.
    No(&'static str),
}

impl Reversible {
    /// `yes`, `partly` or `no`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly(_) => "partly",
            Self::No(_) => "no",
        }
    }

    /// What is lost, where something is.
    pub fn how(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::Partly(how) | Self::No(how) => Some(how),
        }
    }
}

/// What is known of the access that a resource's change gives or takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// More becomes possible; what, in a few words.
    Wider(String),
    /// It can't be told; why.
    Undecided(String),
    /// Less is possible than before, and nothing more.
    Narrower,
    /// The same, written in another way.
    Same,
}

/// What is known of access, by resource. A resource that is not in it was not
/// looked at, and what changes who may do what then counts as wider.
pub type Verdicts = BTreeMap<Address, Verdict>;

/// How dangerous the change of one resource is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessed {
    /// The resource.
    pub address: Address,
    /// What is done with it.
    pub action: Action,
    /// How dangerous that is.
    pub risk: Risk,
    /// Why, in a few words. It may hold names from outside.
    pub why: String,
    /// Whether it can be taken back.
    pub reversible: Reversible,
    /// How many resources of the plan depend on it, directly or through others.
    pub dependents: usize,
    /// Whether it takes back what was changed outside of lkh.
    pub undoes_drift: bool,
}

/// Every change of a plan with its risk, worst first, then by address.
pub fn assess(plan: &Plan, access: &Verdicts) -> Vec<Assessed> {
    let dependents = reach::dependents(plan);
    let drifted: BTreeSet<&Address> = plan.drifted().map(|change| &change.address).collect();
    let mut assessed =
        each(plan.changes.iter().zip(dependents).collect(), |(change, dependents)| {
            let found = judge::judge(change, access.get(&change.address));
            Assessed {
                address: change.address.clone(),
                action: change.action,
                risk: found.risk,
                why: found.why,
                reversible: found.reversible,
                dependents,
                undoes_drift: drifted.contains(&change.address),
            }
        });
    assessed.sort_by(|a, b| a.risk.cmp(&b.risk).then_with(|| natural(&a.address, &b.address)));
    assessed
}

/// The order of addresses for people: by kind, then by name, where a number in
/// a name counts as one (`node-2` before `node-10`).
pub fn natural(a: &Address, b: &Address) -> Ordering {
    a.kind.cmp(&b.kind).then_with(|| natural_text(&a.name, &b.name))
}

fn natural_text(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            // The shorter first; of `01` and `1`, whichever is less as a text.
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (end_a, end_b) = match (first_a.is_ascii_digit(), first_b.is_ascii_digit()) {
            (true, true) => (number(rest_a), number(rest_b)),
            _ => (first_a.len_utf8(), first_b.len_utf8()),
        };
        let (head_a, tail_a) = rest_a.split_at(end_a);
        let (head_b, tail_b) = rest_b.split_at(end_b);
        let order = if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            let (value_a, value_b) =
                (head_a.trim_start_matches('0'), head_b.trim_start_matches('0'));
            value_a.len().cmp(&value_b.len()).then_with(|| value_a.cmp(value_b))
        } else {
            head_a.cmp(head_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (rest_a, rest_b) = (tail_a, tail_b);
    }
}

#[cfg(test)]
mod tests;
