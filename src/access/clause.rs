//! Policy documents as sets of clauses that can be compared.
//!
//! A clause is a statement of the canonical form: every one of its principals
//! with every one of its actions on every one of its resources, if all of its
//! tests pass. What can't be read is kept aside and makes what follows from the
//! document uncertain. This module must not compare clauses.

use std::collections::{BTreeMap, BTreeSet};

use super::Effect;
use super::condition::Test;
use super::pattern::{Doubt, Known, Pattern};
use crate::diff::policy;
use crate::value::{Map, Value};

/// One of the things that a clause names: an action, a resource or a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// The document does not name this side at all.
    Unnamed,
    /// What matches a pattern.
    Like { pattern: Pattern, shown: String },
    /// Everything but what matches these.
    AllBut { patterns: Vec<Pattern>, shown: Vec<String> },
    /// Every principal, as written: `*`, or `AWS *`.
    Everyone { shown: &'static str },
    /// A principal of a kind, by its name.
    Named { kind: String, name: Pattern, shown: String },
    /// Every principal but these.
    EveryoneBut { shown: Vec<String> },
}

/// A statement, ready to be compared.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub(super) effect: Effect,
    pub(super) principals: Vec<Item>,
    pub(super) actions: Vec<Item>,
    pub(super) resources: Vec<Item>,
    pub(super) tests: Vec<Test>,
}

/// One or several documents that hold together.
#[derive(Debug, Clone, Default)]
pub(super) struct Clauses {
    pub(super) list: Vec<Clause>,
    /// Statements and documents that can't be read.
    pub(super) unread: Vec<Value>,
    /// The versions of the documents in which `${...}` may stand.
    versions: BTreeSet<Option<String>>,
    /// How keys and actions are spelled, by their canonical spelling.
    spelled: BTreeMap<String, String>,
}

impl Clauses {
    /// The clauses of one document.
    pub(super) fn of(document: &Value) -> Self {
        let mut all = Self::default();
        all.add(document);
        all
    }

    /// Adds the clauses of another document.
    pub(super) fn add(&mut self, document: &Value) {
        let tree = match document {
            Value::String(text) => policy::parse(text).unwrap_or_else(|| document.clone()),
            other => other.clone(),
        };
        spellings(&tree, &mut self.spelled);
        let canonical = policy::canonical(&tree);
        let Some(statements) = canonical.get("Statement").and_then(Value::as_list) else {
            // A document without statements allows nothing.
            if canonical.get("Statement").is_some() || canonical.as_map().is_none() {
                self.unread.push(canonical);
            }
            return;
        };
        for statement in statements {
            match clause(statement, &self.spelled) {
                Some(clause) => self.list.push(clause),
                None => self.unread.push(statement.clone()),
            }
        }
        if canonical.redacted_json().to_string().contains("${") {
            let version = canonical.get("Version").and_then(Value::as_str);
            self.versions.insert(version.map(str::to_owned));
        }
    }

    /// The clauses of an effect.
    pub(super) fn with(&self, effect: Effect) -> impl Iterator<Item = &Clause> {
        self.list.iter().filter(move |clause| clause.effect == effect)
    }

    /// Whether `${...}` means different things in the documents of both.
    pub(super) fn mixes_versions(&self, other: &Self) -> bool {
        self.versions.union(&other.versions).count() > 1
    }

    /// Whether either has a part that can't be read and that the other has not.
    pub(super) fn differ_unread(&self, other: &Self) -> bool {
        let alone = |one: &Self, two: &Self| {
            one.unread.iter().any(|value| value.has_sensitive() || !two.unread.contains(value))
        };
        alone(self, other) || alone(other, self)
    }

    /// The documents' spelling of a condition key.
    pub(super) fn spelling<'a>(&'a self, canonical: &'a str) -> &'a str {
        self.spelled.get(canonical).map_or(canonical, String::as_str)
    }
}

/// Notes how actions and condition keys are written.
fn spellings(document: &Value, spelled: &mut BTreeMap<String, String>) {
    let mut note = |text: &str| {
        spelled.entry(text.to_ascii_lowercase()).or_insert_with(|| text.to_owned());
    };
    for statement in document.get("Statement").map(members).unwrap_or_default() {
        let actions = ["Action", "NotAction"].into_iter().filter_map(|key| statement.get(key));
        for action in actions.flat_map(members).filter_map(Value::as_str) {
            note(action);
        }
        let operators = statement.get("Condition").and_then(Value::as_map);
        for keys in operators.into_iter().flat_map(|all| all.values()).filter_map(Value::as_map) {
            for key in keys.keys() {
                note(key);
            }
        }
    }
}

fn members(value: &Value) -> Vec<&Value> {
    value.as_list().map_or_else(|| vec![value], |list| list.iter().collect())
}

/// `None`: the statement is in no form that is known here.
fn clause(statement: &Value, spelled: &BTreeMap<String, String>) -> Option<Clause> {
    let map = statement.as_map()?;
    if map.keys().any(|key| !policy::STATEMENT_KEYS.contains(&key.as_str())) {
        return None;
    }
    let effect = match map.get("Effect")?.as_str()? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return None,
    };
    let actions = items(map, "Action", "NotAction", &|text| {
        spelled.get(text).cloned().unwrap_or_else(|| text.to_owned())
    })?;
    if actions == [Item::Unnamed] {
        return None;
    }
    let resources = items(map, "Resource", "NotResource", &str::to_owned)?;
    let tests = match map.get("Condition") {
        Some(condition) => Test::all(condition)?,
        None => Vec::new(),
    };
    Some(Clause { effect, principals: principals(map)?, actions, resources, tests })
}

fn items(map: &Map, key: &str, not: &str, spelling: &dyn Fn(&str) -> String) -> Option<Vec<Item>> {
    let read = |value: &Value| -> Option<(Pattern, String)> {
        match value {
            Value::String(text) => Some((Pattern::glob(text), spelling(text))),
            Value::Unknown(text) => Some((Pattern::unknown(text), text.clone())),
            _ => None,
        }
    };
    match (map.get(key), map.get(not)) {
        (None, None) => Some(vec![Item::Unnamed]),
        (Some(list), None) => {
            let like = |value| read(value).map(|(pattern, shown)| Item::Like { pattern, shown });
            list.as_list()?.iter().map(like).collect()
        }
        (None, Some(list)) => {
            let read: Vec<_> = list.as_list()?.iter().map(read).collect::<Option<_>>()?;
            let (patterns, shown) = read.into_iter().unzip();
            Some(vec![Item::AllBut { patterns, shown }])
        }
        (Some(_), Some(_)) => None,
    }
}

fn principals(map: &Map) -> Option<Vec<Item>> {
    match (map.get("Principal"), map.get("NotPrincipal")) {
        (None, None) => Some(vec![Item::Unnamed]),
        (Some(principal), None) => named(principal),
        (None, Some(principal)) => {
            let mut shown: Vec<String> = named(principal)?.iter().map(Item::shown).collect();
            shown.sort();
            Some(vec![Item::EveryoneBut { shown }])
        }
        (Some(_), Some(_)) => None,
    }
}

fn named(principal: &Value) -> Option<Vec<Item>> {
    if principal.as_str() == Some("*") {
        return Some(vec![Item::Everyone { shown: "*" }]);
    }
    let mut items = Vec::new();
    for (kind, names) in principal.as_map()? {
        for name in names.as_list()? {
            items.push(match name {
                Value::String(text) if text == "*" && kind == "AWS" => {
                    Item::Everyone { shown: "AWS *" }
                }
                Value::String(text) => Item::Named {
                    kind: kind.clone(),
                    name: Pattern::literal(text),
                    shown: format!("{kind} {text}"),
                },
                Value::Unknown(text) => Item::Named {
                    kind: kind.clone(),
                    name: Pattern::unknown(text),
                    shown: format!("{kind} {text}"),
                },
                _ => return None,
            });
        }
    }
    Some(items)
}

impl Item {
    /// What people read.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Unnamed => String::new(),
            Self::Like { shown, .. } | Self::Named { shown, .. } => shown.clone(),
            Self::AllBut { shown, .. } => format!("all but {}", shown.join(" or ")),
            Self::Everyone { shown } => (*shown).to_owned(),
            Self::EveryoneBut { shown } => format!("everyone but {}", shown.join(" or ")),
        }
    }

    /// Whether everything that `other` stands for is in this.
    pub(super) fn contains(&self, other: &Self) -> Known {
        match (self, other) {
            (Self::Unnamed, Self::Unnamed) => Known::Yes,
            (Self::Like { pattern: big, .. }, Self::Like { pattern: small, .. }) => {
                big.contains(small)
            }
            (Self::Like { pattern: big, .. }, Self::AllBut { .. }) => {
                if big.is_everything() {
                    Known::Yes
                } else if big.is_unknown() {
                    Known::Perhaps(Doubt::Value)
                } else {
                    Known::No
                }
            }
            (Self::AllBut { patterns, .. }, Self::Like { pattern: small, .. }) => {
                if patterns.iter().all(|out| !out.may_meet(small)) {
                    Known::Yes
                } else if small.is_unknown() || patterns.iter().any(Pattern::is_unknown) {
                    Known::Perhaps(Doubt::Value)
                } else {
                    Known::No
                }
            }
            (Self::AllBut { patterns: big, .. }, Self::AllBut { patterns: small, .. }) => {
                // What the bigger one leaves out, the smaller must leave out.
                let out = |one: &Pattern| {
                    small.iter().map(|other| other.contains(one)).max().unwrap_or(Known::No)
                };
                big.iter().map(out).min().unwrap_or(Known::Yes)
            }
            (Self::Everyone { shown: big }, Self::Everyone { shown: small }) => {
                // Some services tell the two spellings apart; `*` is the wider.
                if big == small || *big == "*" {
                    Known::Yes
                } else {
                    Known::Perhaps(Doubt::Principal)
                }
            }
            (Self::Everyone { .. }, Self::Named { kind, .. }) => {
                if kind == "AWS" {
                    Known::Yes
                } else {
                    Known::Perhaps(Doubt::Principal)
                }
            }
            (
                Self::Named { kind: one, name: big, .. },
                Self::Named { kind: two, name: small, .. },
            ) => {
                if one != two {
                    return Known::No;
                }
                match big.contains(small) {
                    // An account stands for its principals, as far as their own
                    // policies let them: that is less than naming one.
                    Known::No if self.is_account() => Known::Perhaps(Doubt::Principal),
                    other => other,
                }
            }
            (Self::EveryoneBut { shown: one }, Self::EveryoneBut { shown: two }) => {
                if one == two {
                    Known::Yes
                } else {
                    Known::Perhaps(Doubt::Principal)
                }
            }
            (Self::Everyone { shown: "*" }, Self::EveryoneBut { .. }) => Known::Yes,
            (Self::EveryoneBut { .. }, Self::Named { .. } | Self::Everyone { .. })
            | (Self::Everyone { .. }, Self::EveryoneBut { .. }) => Known::Perhaps(Doubt::Principal),
            _ => Known::No,
        }
    }

    /// Whether this is an AWS account as a principal.
    fn is_account(&self) -> bool {
        let Self::Named { kind, shown, .. } = self else { return false };
        let name = shown.strip_prefix("AWS ").unwrap_or("");
        kind == "AWS" && name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit())
    }
}
