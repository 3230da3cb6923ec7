//! Comparing Kubernetes objects by the fields that someone declared.
//!
//! A chart renders a part of an object; the API server, controllers and
//! webhooks add the rest. So only the fields that the desired or the prior
//! object holds count, lists of named things are matched by name, and what the
//! API server writes in another way than it was told (quantities, empty
//! fields) is equal. An object is compared in its *normal form*: see
//! [`normal`]. This module must not know releases, charts or commands.

mod compare;
mod lists;
mod normal;
mod quantity;

use std::collections::BTreeSet;

pub use compare::{Difference, object_differences, project};
pub use normal::{Scopes, normal};
pub use quantity::amount;

use super::{FieldChange, Origin};
use crate::value::{Map, Path, Value};

/// Compares trees of objects in normal form, by their keys. `base` is the
/// path of the tree, the attribute's name. Objects that neither the desired
/// nor the prior tree holds do not count.
///
/// Without a prior tree no difference can be told to be change or drift.
pub fn tree_changes(
    base: &Path,
    desired: &Value,
    prior: Option<&Value>,
    live: Option<&Value>,
) -> Vec<FieldChange> {
    let empty = Map::new();
    let map = |value: Option<&Value>| value.and_then(Value::as_map).cloned();
    // Of what is made, everything is a change.
    let is_made = live.is_none();
    let (desired, live) =
        (desired.as_map().unwrap_or(&empty), live.and_then(Value::as_map).unwrap_or(&empty));
    let remembered = map(prior);
    let prior = remembered.as_ref().unwrap_or(&empty);

    let keys: BTreeSet<&String> = desired.keys().chain(prior.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let found =
            object_differences(&base.join(key), desired.get(key), prior.get(key), live.get(key));
        changes.extend(found.into_iter().map(|difference| FieldChange {
            path: difference.path,
            before: difference.live,
            after: difference.desired,
            origin: match &remembered {
                Some(_) => difference.origin,
                None if is_made => Origin::Change,
                None => Origin::Undetermined,
            },
            replace: false,
        }));
    }
    changes
}

/// Narrows every live object to the fields that `owners` declare: what is
/// left is all that can ever differ, so its digest moves only when it matters.
pub fn project_tree(live: &Map, owners: &[&Map]) -> Map {
    live.iter()
        .filter_map(|(key, object)| {
            let owners: Vec<&Value> = owners.iter().filter_map(|owner| owner.get(key)).collect();
            (!owners.is_empty()).then(|| (key.clone(), project(object, &owners)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(json: &serde_json::Value) -> Value {
        Value::from_json(json)
    }

    #[test]
    fn trees_are_compared_object_by_object() {
        let desired = value(&json!({
            "ConfigMap/n/kept": {"data": {"a": "1"}},
            "ConfigMap/n/lost": {"data": {"a": "1"}},
            "ConfigMap/n/new": {"data": {"a": "1"}},
        }));
        let prior = value(&json!({
            "ConfigMap/n/kept": {"data": {"a": "1"}},
            "ConfigMap/n/lost": {"data": {"a": "1"}},
            "ConfigMap/n/dropped": {"data": {"a": "1"}},
            "ConfigMap/n/dropped-and-gone": {"data": {"a": "1"}},
        }));
        let live = value(&json!({
            "ConfigMap/n/kept": {"data": {"a": "1", "others": "x"}},
            "ConfigMap/n/dropped": {"data": {"a": "1"}},
            "ConfigMap/n/others": {"data": {"a": "1"}},
        }));
        let changes = tree_changes(&Path::new("objects"), &desired, Some(&prior), Some(&live));
        let found: Vec<_> = changes
            .iter()
            .map(|c| (c.path.to_string(), c.before.is_some(), c.after.is_some(), c.origin))
            .collect();
        assert_eq!(
            found,
            [
                (r#"objects["ConfigMap/n/dropped"]"#.into(), true, false, Origin::Change),
                (r#"objects["ConfigMap/n/lost"]"#.into(), false, true, Origin::Drift),
                (r#"objects["ConfigMap/n/new"]"#.into(), false, true, Origin::Change),
            ]
        );
        let unknown = tree_changes(&Path::new("objects"), &desired, None, Some(&live));
        assert!(unknown.iter().all(|change| change.origin == Origin::Undetermined));
    }

    #[test]
    fn projection_keeps_owned_fields_only() {
        let live = value(&json!({
            "Deployment/n/a": {"spec": {
                "replicas": 2, "progressDeadlineSeconds": 600,
                "template": {"spec": {"containers": [
                    {"name": "sidecar", "image": "injected"},
                    {"name": "app", "image": "i:1", "terminationMessagePath": "/x"},
                ]}},
            }},
            "Deployment/n/others": {"spec": {"replicas": 1}},
        }));
        let owner = value(&json!({
            "Deployment/n/a": {"spec": {
                "replicas": 1,
                "template": {"spec": {"containers": [{"name": "app", "image": "i:2"}]}},
            }},
        }));
        let (Value::Map(live), Value::Map(owner)) = (live, owner) else { unreachable!() };
        assert_eq!(
            Value::Map(project_tree(&live, &[&owner])),
            value(&json!({
                "Deployment/n/a": {"spec": {
                    "replicas": 2,
                    "template": {"spec": {"containers": [{"name": "app", "image": "i:1"}]}},
                }},
            }))
        );
    }
}
