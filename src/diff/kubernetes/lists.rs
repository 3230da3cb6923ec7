//! How the members of two lists belong together.

use std::collections::BTreeSet;

use super::compare::Place;
use crate::value::Value;

/// How the members of lists of one field belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    /// By the key that these fields of a member make.
    By(&'static [&'static str]),
    /// Order does not count.
    Set,
    /// By position, where the lists are equally long; else as a whole.
    Position,
}

/// The merge keys of Kubernetes' own lists, by the name of the list. Where a
/// name stands for several lists (the ports of a container, of a service),
/// the first key that fits all members counts.
const MERGE_KEYS: &[(&str, &[&[&str]])] = &[
    ("ports", &[&["containerPort", "protocol"], &["port", "protocol"], &["name"]]),
    ("volumeMounts", &[&["mountPath"]]),
    ("volumeDevices", &[&["devicePath"]]),
    ("hostAliases", &[&["ip"]]),
    ("topologySpreadConstraints", &[&["topologyKey", "whenUnsatisfiable"]]),
    ("conditions", &[&["type"]]),
    ("ownerReferences", &[&["uid"]]),
];

/// Lists whose order means nothing.
const SETS: &[&str] = &["tolerations", "accessModes", "loadBalancerSourceRanges"];

/// How the members of these lists, all of one field, belong together. A key
/// counts only if every member of every list has it, and no two of a list the
/// same: otherwise matching by it would lose members.
pub(super) fn matching(place: Place<'_>, lists: &[&[Value]]) -> Matching {
    if SETS.contains(&place.field) {
        return Matching::Set;
    }
    let special = MERGE_KEYS.iter().find(|(field, _)| *field == place.field).map(|(_, keys)| *keys);
    special
        .unwrap_or(&[&["name"]])
        .iter()
        .find(|key| lists.iter().all(|list| is_unique(list, key)))
        .map_or(Matching::Position, |key| Matching::By(key))
}

fn is_unique(list: &[Value], key: &[&str]) -> bool {
    let mut seen = BTreeSet::new();
    list.iter().all(|member| key_of(member, key).is_some_and(|key| seen.insert(key)))
}

/// The key of a member, as text.
pub(super) fn key_of(member: &Value, key: &[&str]) -> Option<String> {
    let mut text = String::new();
    for field in key {
        let part = match (member.get(field), *field) {
            (Some(Value::String(part)), _) => part.clone(),
            (Some(Value::Number(part)), _) => part.to_string(),
            // What the API server puts in where it is left out.
            (None, "protocol") if member.as_map().is_some() => "TCP".to_owned(),
            _ => return None,
        };
        if !text.is_empty() {
            text.push('/');
        }
        text.push_str(&part);
    }
    Some(text)
}

/// The member with this key.
pub(super) fn find<'a>(list: Option<&'a [Value]>, key: &[&str], wanted: &str) -> Option<&'a Value> {
    list?.iter().find(|member| key_of(member, key).as_deref() == Some(wanted))
}
