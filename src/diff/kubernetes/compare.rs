//! The three-way comparison of one object, and what of a live object counts.

use std::collections::BTreeSet;

use super::lists::{Matching, find, key_of, matching};
use super::quantity::amount;
use crate::diff::Origin;
use crate::value::{Map, Path, Value};

/// One place where the desired and the live object differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where: the object's path, then fields. A member of a list that is
    /// matched by a key is named by it, others by their position.
    pub path: Path,
    /// What is desired; `None`: it goes away.
    pub desired: Option<Value>,
    /// What was applied last.
    pub prior: Option<Value>,
    /// What is live, narrowed to what is declared; `None`: nothing is there.
    pub live: Option<Value>,
    /// Where the difference comes from, judged by meaning.
    pub origin: Origin,
}

/// Where a value stands in its object: the rules of equality depend on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place<'a> {
    /// The field that holds the map that `field` is in.
    parent: &'a str,
    /// The nearest field.
    pub(super) field: &'a str,
}

impl<'a> Place<'a> {
    fn at(self, field: &'a str) -> Self {
        Self { parent: self.field, field }
    }

    /// Maps of quantities, and fields that are one.
    fn is_quantity(self) -> bool {
        matches!(
            self.parent,
            "limits" | "requests" | "hard" | "capacity" | "default" | "defaultRequest" | "podFixed"
        ) || matches!(self.field, "sizeLimit" | "divisor" | "averageValue")
    }

    /// Fields that take a number or a text.
    fn is_number_or_text(self) -> bool {
        matches!(
            self.field,
            "port"
                | "targetPort"
                | "containerPort"
                | "hostPort"
                | "nodePort"
                | "maxSurge"
                | "maxUnavailable"
                | "minAvailable"
        )
    }

    /// Whether the API server leaves the field out when it has this value, so
    /// that a missing field equals it. Not for fields where missing means
    /// something else, such as `automountServiceAccountToken`.
    fn is_left_out(self, value: &Value) -> bool {
        match value {
            Value::String(text) => text.is_empty() && self.field != "storageClassName",
            Value::Bool(false) => matches!(
                self.field,
                "hostNetwork"
                    | "hostPID"
                    | "hostIPC"
                    | "readOnly"
                    | "stdin"
                    | "stdinOnce"
                    | "tty"
                    | "paused"
                    | "unschedulable"
                    | "publishNotReadyAddresses"
            ),
            Value::Number(number) => {
                number.as_f64() == Some(0.0)
                    && matches!(
                        self.field,
                        "initialDelaySeconds"
                            | "minReadySeconds"
                            | "hostPort"
                            | "nodePort"
                            | "healthCheckNodePort"
                    )
            }
            Value::Null
            | Value::Bool(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Unknown(_)
            | Value::Sensitive(_) => false,
        }
    }

    /// Whether the value leaves the choice to the API server.
    fn is_left_to_the_server(self, value: &Value) -> bool {
        matches!(self.field, "clusterIP" | "nodePort" | "healthCheckNodePort")
            && (self.is_left_out(value) || value.as_str() == Some(""))
    }
}

/// The differences of one object in normal form. `None` for an object that
/// is not desired, was not applied, or is not there.
pub fn object_differences(
    path: &Path,
    desired: Option<&Value>,
    prior: Option<&Value>,
    live: Option<&Value>,
) -> Vec<Difference> {
    let mut walk = Walk { differences: Vec::new() };
    let Some(desired) = desired else {
        if let (Some(prior), Some(live)) = (prior, live) {
            walk.differ(path, Place::default(), None, Some(prior), Some(live));
        }
        return walk.differences;
    };
    let Some(live) = live else {
        // Even an object without any field is missed.
        walk.differ(path, Place::default(), Some(desired), prior, None);
        return walk.differences;
    };
    walk.value(path, Place::default(), Some(desired), prior, Some(live));
    walk.differences
}

struct Walk {
    differences: Vec<Difference>,
}

impl Walk {
    fn value(
        &mut self,
        path: &Path,
        place: Place<'_>,
        desired: Option<&Value>,
        prior: Option<&Value>,
        live: Option<&Value>,
    ) {
        match (desired, live) {
            (Some(Value::Map(wanted)), Some(Value::Map(found))) => {
                let before = prior.and_then(Value::as_map);
                let keys: BTreeSet<&String> =
                    wanted.keys().chain(before.into_iter().flat_map(|map| map.keys())).collect();
                for key in keys {
                    self.value(
                        &path.join(key),
                        place.at(key),
                        wanted.get(key),
                        before.and_then(|before| before.get(key)),
                        found.get(key),
                    );
                }
            }
            (Some(wanted), _) if is_nothing(wanted) => {}
            (Some(Value::List(wanted)), Some(Value::List(found))) => {
                self.list(path, place, wanted, prior, found);
            }
            (Some(wanted), found) => {
                if !place.is_left_to_the_server(wanted) && !same(place, desired, found) {
                    self.differ(path, place, desired, prior, live);
                }
            }
            // No longer declared: it goes away if it was, and is there.
            (None, _) => {
                let there = |value: Option<&Value>| value.is_some_and(|value| !is_nothing(value));
                if there(prior) && there(live) {
                    self.differ(path, place, None, prior, live);
                }
            }
        }
    }

    fn list(
        &mut self,
        path: &Path,
        place: Place<'_>,
        wanted: &[Value],
        prior: Option<&Value>,
        found: &[Value],
    ) {
        let before = prior.and_then(Value::as_list);
        let lists: Vec<&[Value]> =
            [Some(wanted), before, Some(found)].into_iter().flatten().collect();
        match matching(place, &lists) {
            Matching::By(key) => {
                let mut seen = BTreeSet::new();
                for member in wanted.iter().chain(before.unwrap_or_default()) {
                    let Some(name) = key_of(member, key) else { continue };
                    if seen.insert(name.clone()) {
                        self.member(
                            &path.join(&name),
                            place,
                            find(Some(wanted), key, &name),
                            find(before, key, &name),
                            find(Some(found), key, &name),
                        );
                    }
                }
            }
            Matching::Position if wanted.len() == found.len() && wanted.iter().any(is_tree) => {
                for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                    self.value(
                        &path.join(index.to_string()),
                        place,
                        Some(wanted),
                        before.and_then(|before| before.get(index)),
                        Some(found),
                    );
                }
            }
            Matching::Position | Matching::Set => {
                let (wanted, found) = (Value::List(wanted.to_vec()), Value::List(found.to_vec()));
                if !same(place, Some(&wanted), Some(&found)) {
                    self.differ(path, place, Some(&wanted), prior, Some(&found));
                }
            }
        }
    }

    /// A member counts by being there, even with no field but its key.
    fn member(
        &mut self,
        path: &Path,
        place: Place<'_>,
        desired: Option<&Value>,
        prior: Option<&Value>,
        live: Option<&Value>,
    ) {
        match (desired, live) {
            (Some(_), Some(_)) => self.value(path, place, desired, prior, live),
            (Some(_), None) | (None, Some(_)) => self.differ(path, place, desired, prior, live),
            (None, None) => {}
        }
    }

    fn differ(
        &mut self,
        path: &Path,
        place: Place<'_>,
        desired: Option<&Value>,
        prior: Option<&Value>,
        live: Option<&Value>,
    ) {
        let owners: Vec<&Value> = [desired, prior].into_iter().flatten().collect();
        let live = live.map(|live| project_at(place, live, &owners));
        let changed = !same(place, desired, prior);
        let drifted = prior.is_some() && !same(place, live.as_ref(), prior);
        self.differences.push(Difference {
            path: path.clone(),
            desired: desired.cloned(),
            prior: prior.cloned(),
            live,
            origin: match (changed, drifted) {
                (true, true) => Origin::Both,
                (true, false) => Origin::Change,
                (false, true) => Origin::Drift,
                // Only where the prior value is a secret that nobody kept.
                (false, false) => Origin::Undetermined,
            },
        });
    }
}

/// Narrows a live object in normal form to the fields that `owners` declare.
pub fn project(live: &Value, owners: &[&Value]) -> Value {
    project_at(Place::default(), live, owners)
}

fn project_at(place: Place<'_>, live: &Value, owners: &[&Value]) -> Value {
    match live {
        Value::Map(map) => {
            let owners: Vec<&Map> = owners.iter().filter_map(|owner| owner.as_map()).collect();
            let owned = map.iter().filter_map(|(key, member)| {
                let owners: Vec<&Value> = owners
                    .iter()
                    .filter_map(|owner| owner.get(key))
                    .filter(|value| !is_nothing(value))
                    .collect();
                (!owners.is_empty())
                    .then(|| (key.clone(), project_at(place.at(key), member, &owners)))
            });
            Value::Map(owned.collect())
        }
        Value::List(list) => Value::List(project_list(place, list, owners)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => live.clone(),
    }
}

fn project_list(place: Place<'_>, live: &[Value], owners: &[&Value]) -> Vec<Value> {
    let owners: Vec<&[Value]> = owners.iter().filter_map(|owner| owner.as_list()).collect();
    let all: Vec<&[Value]> = owners.iter().copied().chain([live]).collect();
    match matching(place, &all) {
        Matching::By(key) => live
            .iter()
            .filter_map(|member| {
                let name = key_of(member, key)?;
                let owners: Vec<&Value> =
                    owners.iter().filter_map(|owner| find(Some(owner), key, &name)).collect();
                (!owners.is_empty()).then(|| project_at(place, member, &owners))
            })
            .collect(),
        Matching::Set => live.to_vec(),
        Matching::Position => live
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let owners: Vec<&Value> = owners
                    .iter()
                    .filter(|owner| owner.len() == live.len())
                    .filter_map(|owner| owner.get(index))
                    .collect();
                if owners.is_empty() { member.clone() } else { project_at(place, member, &owners) }
            })
            .collect(),
    }
}

/// Whether two values mean the same at this place. A missing value equals
/// what the API server leaves out. A secret that nobody kept equals any.
fn same(place: Place<'_>, a: Option<&Value>, b: Option<&Value>) -> bool {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (Some(one), None) | (None, Some(one)) => return is_nothing(one) || place.is_left_out(one),
        (None, None) => return true,
    };
    match (a, b) {
        (Value::Sensitive(a), Value::Sensitive(b)) => {
            a.is_null() || b.is_null() || same(place, Some(a), Some(b))
        }
        (Value::Sensitive(secret), other) | (other, Value::Sensitive(secret)) => {
            secret.is_null() || same(place, Some(secret), Some(other))
        }
        (Value::Map(a), Value::Map(b)) => a
            .keys()
            .chain(b.keys().filter(|key| !a.contains_key(*key)))
            .all(|key| same(place.at(key), a.get(key), b.get(key))),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len()
                && match matching(place, &[a, b]) {
                    Matching::By(key) => a.iter().all(|member| {
                        key_of(member, key).is_some_and(|name| {
                            same(place, Some(member), find(Some(b), key, &name))
                        })
                    }),
                    Matching::Set => same_set(place, a, b),
                    Matching::Position => {
                        a.iter().zip(b).all(|(a, b)| same(place, Some(a), Some(b)))
                    }
                }
        }
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            same_scalar(place, a, b)
        }
        _ => a == b,
    }
}

fn same_set(place: Place<'_>, a: &[Value], b: &[Value]) -> bool {
    let mut free: Vec<&Value> = b.iter().collect();
    a.iter().all(|member| {
        let found = free.iter().position(|other| same(place, Some(member), Some(other)));
        found.map(|index| free.swap_remove(index)).is_some()
    })
}

fn same_scalar(place: Place<'_>, a: &Value, b: &Value) -> bool {
    if a == b {
        return true;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let (Value::Number(a), Value::Number(b)) = (a, b) {
        // A chart may print a whole number as a fraction or with an exponent.
        return a.as_f64() == b.as_f64();
    }
    if place.is_quantity() {
        let (a, b) = (amount(&text(a)), amount(&text(b)));
        return a.is_some() && a == b;
    }
    place.is_number_or_text() && text(a) == text(b)
}

/// Whether a value declares nothing: null, or a tree without a leaf.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(map) => map.values().all(is_nothing),
        Value::List(list) => list.is_empty(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => false,
    }
}

fn is_tree(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
