//! The three-way diff: desired, prior and live values to field changes.
//!
//! Pure functions over values, driven by the rules that the adapters'
//! attributes name. What we own is what the manifests declare now or declared
//! when last applied; the rest of a live object is *foreign*: reported, never
//! changed, unless the attribute is exclusive. This module must not know any
//! kind.

use std::collections::{BTreeMap, BTreeSet};

pub mod kubernetes;

use serde::{Deserialize, Serialize};

use crate::adapter::{Attribute, OnChange, Rule};
use crate::seeded::{self, Bug};
use crate::value::{Map, Path, Value};

pub mod policy;

/// One field that differs between what is desired and what is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where: the attribute, then keys or members. The member of a set is the
    /// last segment.
    pub path: Path,
    /// What is live; `None`: nothing is there.
    pub before: Option<Value>,
    /// What is desired; `None`: it goes away.
    pub after: Option<Value>,
    /// Where the difference comes from.
    pub origin: Origin,
    /// Whether the object must be made anew for it.
    pub replace: bool,
}

/// Where a difference between desired and live comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The manifests changed since the last apply.
    Change,
    /// The object changed since the last apply, outside of it.
    Drift,
    /// Both did.
    Both,
    /// Not known: the state does not remember what was applied.
    Undetermined,
}

impl Origin {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Drift => "drift",
            Self::Both => "change and drift",
            Self::Undetermined => "change or drift",
        }
    }
}

/// Something on a live object that no manifest declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreign {
    /// Where it is.
    pub path: Path,
    /// What it is, where that is more than the path says.
    pub value: Option<Value>,
}

/// The three sides of one object.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// What the manifests ask for.
    pub desired: &'a Map,
    /// What was applied last; `None` when the state does not know the object.
    pub prior: Option<&'a Map>,
    /// What is there.
    pub live: &'a Map,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// The differences, in path order.
    pub changes: Vec<FieldChange>,
    /// What is left alone.
    pub foreign: Vec<Foreign>,
}

impl Comparison {
    /// Whether desired and live are the same as far as the manifests say.
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Compares the three sides by the rules of the attributes. Fields at or below
/// a path in `ignore` are not compared.
pub fn compare(
    attributes: &[Attribute],
    exclusive: &BTreeSet<&'static str>,
    sides: Sides<'_>,
    ignore: &[Path],
) -> Comparison {
    let mut found = Comparison::default();
    for attribute in attributes {
        let mut walk = Walk {
            found: &mut found,
            has_prior: sides.prior.is_some(),
            exclusive: exclusive.contains(attribute.name),
            replace: attribute.on_change == OnChange::Replace,
        };
        let three = Three {
            desired: declared(sides.desired.get(attribute.name)),
            prior: declared(sides.prior.and_then(|prior| prior.get(attribute.name))),
            live: declared(sides.live.get(attribute.name)),
        };
        walk.attribute(attribute.rule, &Path::new(attribute.name), three);
    }
    found.changes.retain(|change| !ignore.iter().any(|path| change.path.starts_with(path)));
    found.changes.sort_by(|a, b| a.path.cmp(&b.path));
    found.foreign.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// What is desired, with what is live wherever a path in `ignore` keeps a
/// difference from being seen: for writes that send more than what differs.
/// Attributes whose entries are written one by one need none of it.
pub fn keep_ignored(attributes: &[Attribute], desired: &Map, live: &Map, ignore: &[Path]) -> Map {
    let mut kept = desired.clone();
    for path in ignore.iter().map(Path::segments) {
        let is_tree = |name: &String| {
            attributes.iter().any(|one| {
                one.name == name.as_str()
                    && matches!(one.rule, Rule::Tree | Rule::KubernetesObjects)
            })
        };
        if path.len() == 1 || path.first().is_some_and(is_tree) {
            keep(&mut kept, Some(live), path);
        }
    }
    kept
}

fn keep(kept: &mut Map, live: Option<&Map>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let there = live.and_then(|live| live.get(first));
    let below = there.and_then(Value::as_map);
    match (kept.get_mut(first), there) {
        (_, Some(there)) if rest.is_empty() => drop(kept.insert(first.clone(), there.clone())),
        (_, None) if rest.is_empty() => drop(kept.remove(first)),
        (Some(Value::Map(map)), _) => keep(map, below, rest),
        (None, Some(Value::Map(_))) => {
            let mut map = Map::new();
            keep(&mut map, below, rest);
            if !map.is_empty() {
                kept.insert(first.clone(), Value::Map(map));
            }
        }
        // Compared as a whole, so nothing in it is ignored.
        (Some(_) | None, _) => {}
    }
}

/// What to remember as applied when an object was only brought part of the way:
/// what the comparison found no difference in is as desired; where it did, what
/// was remembered before stays, so that what is still to go is not taken for
/// someone else's.
pub fn reached(desired: &Map, prior: Option<&Map>, changes: &[FieldChange]) -> Map {
    let changed: BTreeSet<&Path> = changes.iter().map(|change| &change.path).collect();
    let names: BTreeSet<&String> =
        desired.keys().chain(prior.into_iter().flatten().map(|(name, _)| name)).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let prior = prior.and_then(|prior| prior.get(name));
            let value = reached_at(&Path::new(name), desired.get(name), prior, &changed)?;
            Some((name.clone(), value))
        })
        .collect()
}

fn reached_at(
    path: &Path,
    desired: Option<&Value>,
    prior: Option<&Value>,
    changed: &BTreeSet<&Path>,
) -> Option<Value> {
    // Paths below this one follow it in order.
    let next = changed.range::<&Path, _>(path..).next();
    if next.is_none_or(|next| !next.starts_with(path)) {
        return desired.cloned();
    }
    if changed.contains(path) {
        return prior.cloned();
    }
    let sides = || [desired, prior].into_iter().flatten();
    if sides().all(|side| side.as_list().is_some()) {
        let (desired, prior) = (members(desired), members(prior));
        let kept = |name: &String| changed.contains(&path.join(name.clone()));
        let members: BTreeMap<_, _> = desired
            .into_iter()
            .filter(|(name, _)| !kept(name))
            .chain(prior.into_iter().filter(|(name, _)| kept(name)))
            .collect();
        return Some(Value::List(members.into_values().cloned().collect()));
    }
    if sides().all(|side| side.as_map().is_some()) {
        let keys: BTreeSet<&String> =
            sides().filter_map(Value::as_map).flat_map(|map| map.keys()).collect();
        let entry = |key: &String| {
            let of = |side: Option<&Value>| side.and_then(|side| side.get(key)).cloned();
            let (desired, prior) = (of(desired), of(prior));
            reached_at(&path.join(key.clone()), desired.as_ref(), prior.as_ref(), changed)
        };
        return Some(Value::Map(
            keys.into_iter().filter_map(|key| Some((key.clone(), entry(key)?))).collect(),
        ));
    }
    prior.cloned()
}

/// A `Null` declares nothing.
fn declared(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// The three sides of one field.
#[derive(Clone, Copy)]
struct Three<'a> {
    desired: Option<&'a Value>,
    prior: Option<&'a Value>,
    live: Option<&'a Value>,
}

impl<'a> Three<'a> {
    /// The sides of an entry of the maps.
    fn entry(self, key: &str) -> Self {
        let of = |value: Option<&'a Value>| declared(value.and_then(|value| value.get(key)));
        Self { desired: of(self.desired), prior: of(self.prior), live: of(self.live) }
    }

    /// The keys of the maps on any side.
    fn keys(self) -> BTreeSet<&'a str> {
        [self.desired, self.prior, self.live]
            .into_iter()
            .flatten()
            .filter_map(Value::as_map)
            .flat_map(|map| map.keys().map(String::as_str))
            .collect()
    }
}

struct Walk<'f> {
    found: &'f mut Comparison,
    has_prior: bool,
    exclusive: bool,
    replace: bool,
}

type Equal = fn(&Value, &Value) -> bool;

fn exactly(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Sensitive(a), b) => exactly(a, b),
        (a, Value::Sensitive(b)) => exactly(a, b),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| exactly(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| exactly(a, b)))
        }
        (Value::Unknown(_), _) | (_, Value::Unknown(_)) => false,
        _ => a == b,
    }
}

/// Nobody remembers a sensitive value, only that there was one.
fn as_remembered(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Sensitive(_), Value::Sensitive(_)) => true,
        _ => exactly(a, b),
    }
}

impl Walk<'_> {
    fn attribute(&mut self, rule: Rule, path: &Path, three: Three<'_>) {
        // A collection that is not known yet can't be compared entry by entry.
        let unknown = matches!(three.desired, Some(Value::Unknown(_)));
        match rule {
            Rule::Exact => self.field(path, three, exactly),
            Rule::PolicyDocument => self.field(path, three, policy::equal),
            _ if unknown => self.field(path, three, exactly),
            Rule::Set => self.set(path, three),
            Rule::Entries => self.entries(path, three, exactly),
            Rule::PolicyDocuments => self.entries(path, three, policy::equal),
            Rule::NestedEntries => {
                for key in three.keys() {
                    self.entries(&path.join(key), three.entry(key), exactly);
                }
            }
            Rule::Tree => self.tree(path, three, exactly),
            Rule::Remembered => self.tree(path, three, as_remembered),
            Rule::KubernetesObjects => {
                // Before it is applied once, nothing of it is desired or known.
                if let Some(desired) = three.desired {
                    let changes = kubernetes::tree_changes(path, desired, three.prior, three.live);
                    let replace = self.replace;
                    let changes = changes.into_iter().map(|one| FieldChange { replace, ..one });
                    self.found.changes.extend(changes);
                }
            }
        }
    }

    /// A field that is owned as a whole.
    fn field(&mut self, path: &Path, three: Three<'_>, equal: Equal) {
        match (three.desired, three.live) {
            (Some(desired), Some(live)) if equal(desired, live) => {}
            (Some(desired), live) => {
                let origin = origin(desired, three.prior, live, equal);
                self.change(path, three, origin);
            }
            // No longer declared: what we set goes away; what someone else has
            // put in its place meanwhile is theirs.
            (None, Some(live)) if three.prior.is_some_and(|prior| equal(prior, live)) => {
                self.change(path, three, Origin::Change);
            }
            (None, _) => {}
        }
    }

    fn set(&mut self, path: &Path, three: Three<'_>) {
        let desired = members(three.desired);
        let prior = members(three.prior);
        let live = members(three.live);
        for (name, member) in &desired {
            if !live.contains_key(name) {
                let drift = prior.contains_key(name);
                let origin = if drift { Origin::Drift } else { Origin::Change };
                let three = Three { desired: Some(member), prior: None, live: None };
                self.change(&path.join(name.clone()), three, origin);
            }
        }
        for (name, member) in live {
            if desired.contains_key(&name) {
                continue;
            }
            let prior = prior.get(&name).copied();
            let three = Three { desired: None, prior, live: Some(member) };
            self.undeclared(&path.join(name.clone()), three, None);
        }
    }

    fn entries(&mut self, path: &Path, three: Three<'_>, equal: Equal) {
        for key in three.keys() {
            let (path, entry) = (path.join(key), three.entry(key));
            match (entry.desired, entry.live) {
                (None, Some(live)) => {
                    self.undeclared(&path, entry, Some(live));
                }
                _ => self.field(&path, entry, equal),
            }
        }
    }

    /// A live member that the manifests do not declare.
    fn undeclared(&mut self, path: &Path, three: Three<'_>, shown: Option<&Value>) {
        if three.prior.is_some() {
            self.change(path, three, Origin::Change);
        } else if self.exclusive || seeded::is(Bug::ForeignRemoved) {
            let origin = if self.has_prior { Origin::Drift } else { Origin::Change };
            self.change(path, three, origin);
        } else {
            self.found.foreign.push(Foreign { path: path.clone(), value: shown.cloned() });
        }
    }

    /// A tree that is owned as a whole, compared leaf by leaf.
    fn tree(&mut self, path: &Path, three: Three<'_>, equal: Equal) {
        let is_map = |value: Option<&Value>| value.is_none_or(|value| value.as_map().is_some());
        if is_map(three.desired) && is_map(three.live) {
            for key in three.keys() {
                self.tree(&path.join(key), three.entry(key), equal);
            }
            return;
        }
        match (three.desired, three.live) {
            (None, Some(_)) => {
                let ours = three.prior.is_some() || !self.has_prior;
                let origin = if ours { Origin::Change } else { Origin::Drift };
                self.change(path, three, origin);
            }
            _ => self.field(path, three, equal),
        }
    }

    fn change(&mut self, path: &Path, three: Three<'_>, origin: Origin) {
        let Three { desired: after, prior, live: before } = three;
        // What is sensitive when written is sensitive when read back.
        let hide = |value: &Value| match value {
            Value::Sensitive(_) => value.clone(),
            other => Value::Sensitive(Box::new(other.clone())),
        };
        let secret = [prior, after].into_iter().flatten().any(Value::has_sensitive);
        self.found.changes.push(FieldChange {
            path: path.clone(),
            before: if secret { before.map(hide) } else { before.cloned() },
            after: after.cloned(),
            origin,
            replace: self.replace,
        });
    }
}

/// Where a difference comes from.
fn origin(desired: &Value, prior: Option<&Value>, live: Option<&Value>, equal: Equal) -> Origin {
    let Some(prior) = prior else { return Origin::Change };
    if prior.has_sensitive() || desired.has_sensitive() {
        return Origin::Undetermined;
    }
    let drifted = !live.is_some_and(|live| equal(prior, live));
    match (drifted, !equal(prior, desired)) {
        (true, true) => Origin::Both,
        (true, false) => Origin::Drift,
        (false, _) => Origin::Change,
    }
}

/// The members of a set, by the text that stands for each: of one that is not
/// known yet, the expression.
fn members(value: Option<&Value>) -> BTreeMap<String, &Value> {
    let list = value.and_then(Value::as_list).unwrap_or_default();
    let name = |member: &Value| match member {
        Value::String(text) | Value::Unknown(text) => text.clone(),
        other => other.to_string(),
    };
    list.iter().map(|member| (name(member), member)).collect()
}

#[cfg(test)]
mod tests;
