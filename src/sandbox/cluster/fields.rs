//! Sets of fields, as `metadata.managedFields` writes them (`fieldsV1`).
//!
//! A set is a tree of steps; a node that is owned itself stands for its value,
//! or for the mere presence of a map or list item. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::paths::{Step, follow, has_key};
use super::schema::{Rule, Schema, item_key};

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    owned: bool,
    children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// Reads a `fieldsV1` object.
    pub fn from_json(json: &Value) -> Self {
        let mut set = Self::read(json);
        set.owned = false;
        set
    }

    fn read(json: &Value) -> Self {
        let Some(object) = json.as_object() else { return Self::default() };
        let mut set =
            Self { owned: object.is_empty() || object.contains_key("."), ..Self::default() };
        for (name, child) in object {
            if let Some(step) = Step::parse(name) {
                set.children.insert(step, Self::read(child));
            }
        }
        set
    }

    /// The `fieldsV1` object.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        if self.owned && !self.children.is_empty() {
            object.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, child) in &self.children {
            object.insert(step.to_text(), child.to_json());
        }
        Value::Object(object)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.owned && self.children.is_empty()
    }

    /// The fields that applying this object owns: its leaves, its list items,
    /// its empty maps. What the server writes itself is left out.
    pub fn of_applied(object: &Value, schema: &Schema) -> Self {
        let mut set = Self::default();
        for (name, value) in object.as_object().into_iter().flatten() {
            if let Some(value) = tracked(name, value) {
                let child = Self::applied(&value, schema, &mut vec![name]);
                // Nothing but server-written metadata is no field at all.
                let bare_metadata = name == "metadata" && child.children.is_empty();
                if !bare_metadata {
                    set.children.insert(Step::Field(name.clone()), child);
                }
            }
        }
        set
    }

    fn leaf() -> Self {
        Self { owned: true, children: BTreeMap::new() }
    }

    fn applied<'v>(value: &'v Value, schema: &Schema, path: &mut Vec<&'v str>) -> Self {
        match (schema.rule(path, value), value) {
            (Rule::Granular, Value::Object(object)) if !object.is_empty() => {
                let mut set = Self::default();
                for (name, value) in object {
                    path.push(name);
                    set.children
                        .insert(Step::Field(name.clone()), Self::applied(value, schema, path));
                    path.pop();
                }
                set
            }
            (Rule::ByKeys(keys), Value::Array(items)) if !items.is_empty() => {
                let mut set = Self::default();
                for item in items {
                    let Some(key) = item_key(item, &keys) else { return Self::leaf() };
                    let mut child = Self::item(item, schema, path);
                    child.owned = true;
                    set.children.insert(Step::Key(Value::Object(key).to_string()), child);
                }
                set
            }
            (Rule::Set, Value::Array(items)) if !items.is_empty() => {
                let steps = items.iter().map(|i| (Step::Value(i.to_string()), Self::leaf()));
                Self { owned: false, children: steps.collect() }
            }
            (Rule::Granular | Rule::Atomic | Rule::ByKeys(_) | Rule::Set, _) => Self::leaf(),
        }
    }

    fn item<'v>(item: &'v Value, schema: &Schema, path: &mut Vec<&'v str>) -> Self {
        let mut set = Self::default();
        for (name, value) in item.as_object().into_iter().flatten() {
            path.push(name);
            set.children.insert(Step::Field(name.clone()), Self::applied(value, schema, path));
            path.pop();
        }
        set
    }

    /// The fields that differ in `new` from `old`: added or changed, not
    /// removed. What the server writes itself is left out.
    pub fn of_changes(old: Option<&Value>, new: &Value, schema: &Schema) -> Self {
        let mut set = Self::default();
        for (name, value) in new.as_object().into_iter().flatten() {
            let Some(value) = tracked(name, value) else { continue };
            let before = old.and_then(|o| o.get(name)).and_then(|v| tracked(name, v));
            let mut child = Self::changes(before.as_ref(), &value, schema, &mut vec![name]);
            if value.is_object() && !child.children.is_empty() {
                // The sections of an object always exist, even when empty.
                child.owned = false;
            }
            if !child.is_empty() {
                set.children.insert(Step::Field(name.clone()), child);
            }
        }
        set
    }

    fn changes<'v>(
        old: Option<&'v Value>,
        new: &'v Value,
        schema: &Schema,
        path: &mut Vec<&'v str>,
    ) -> Self {
        if old == Some(new) {
            return Self::default();
        }
        let old =
            old.filter(|o| o.is_object() == new.is_object() && o.is_array() == new.is_array());
        match (schema.rule(path, new), new) {
            (Rule::Granular, Value::Object(object)) => {
                let mut set = Self { owned: old.is_none(), ..Self::default() };
                for (name, value) in object {
                    path.push(name);
                    let child = Self::changes(old.and_then(|o| o.get(name)), value, schema, path);
                    path.pop();
                    if !child.is_empty() {
                        set.children.insert(Step::Field(name.clone()), child);
                    }
                }
                set
            }
            (Rule::ByKeys(keys), Value::Array(items)) => {
                let before = old.and_then(Value::as_array);
                let mut set = Self { owned: old.is_none(), ..Self::default() };
                for item in items {
                    let Some(key) = item_key(item, &keys) else { return Self::leaf() };
                    let before = before.and_then(|all| all.iter().find(|o| has_key(o, &key)));
                    let mut child = Self { owned: before.is_none(), ..Self::default() };
                    for (name, value) in item.as_object().into_iter().flatten() {
                        path.push(name);
                        let field =
                            Self::changes(before.and_then(|b| b.get(name)), value, schema, path);
                        path.pop();
                        if !field.is_empty() {
                            child.children.insert(Step::Field(name.clone()), field);
                        }
                    }
                    if !child.is_empty() {
                        set.children.insert(Step::Key(Value::Object(key).to_string()), child);
                    }
                }
                set
            }
            (Rule::Set, Value::Array(items)) => {
                let before = old.and_then(Value::as_array);
                let mut set = Self { owned: old.is_none(), ..Self::default() };
                for item in items.iter().filter(|i| !before.is_some_and(|b| b.contains(i))) {
                    set.children.insert(Step::Value(item.to_string()), Self::leaf());
                }
                set
            }
            (Rule::Granular | Rule::Atomic | Rule::ByKeys(_) | Rule::Set, _) => Self::leaf(),
        }
    }

    /// Adds all fields of another set.
    pub fn add(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (step, child) in &other.children {
            self.children.entry(step.clone()).or_default().add(child);
        }
    }

    /// Takes all fields of another set away.
    pub fn take(&mut self, other: &Self) {
        if other.owned {
            self.owned = false;
        }
        for (step, theirs) in &other.children {
            if let Some(mine) = self.children.get_mut(step) {
                mine.take(theirs);
                if mine.is_empty() {
                    self.children.remove(step);
                }
            }
        }
    }

    /// Keeps only fields that the object has.
    pub fn keep_existing(&mut self, object: &Value) {
        self.children.retain(|step, child| match follow(object, step) {
            Some(value) => {
                child.keep_existing(value);
                !child.is_empty()
            }
            None => false,
        });
    }

    /// The fields that are in both sets.
    pub fn common(&self, other: &Self) -> Self {
        let mut set = Self { owned: self.owned && other.owned, ..Self::default() };
        for (step, mine) in &self.children {
            if let Some(theirs) = other.children.get(step) {
                let child = mine.common(theirs);
                if !child.is_empty() {
                    set.children.insert(step.clone(), child);
                }
            }
        }
        set
    }

    /// Whether the set has the field of that path, or any field below it.
    pub fn touches(&self, path: &[Step]) -> bool {
        match path {
            [] => !self.is_empty(),
            [step, rest @ ..] => self.children.get(step).is_some_and(|c| c.touches(rest)),
        }
    }

    /// Whether the set has fields below that path.
    pub fn has_below(&self, path: &[Step]) -> bool {
        match path {
            [] => !self.children.is_empty(),
            [step, rest @ ..] => self.children.get(step).is_some_and(|c| c.has_below(rest)),
        }
    }

    /// The paths of all fields, in order, parents first.
    pub fn paths(&self) -> Vec<Vec<Step>> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
        if self.owned && !path.is_empty() {
            found.push(path.clone());
        }
        for (step, child) in &self.children {
            path.push(step.clone());
            child.collect(path, found);
            path.pop();
        }
    }

    /// The set of these paths.
    pub fn from_paths<'p>(paths: impl IntoIterator<Item = &'p [Step]>) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut node = &mut set;
            for step in path {
                node = node.children.entry(step.clone()).or_default();
            }
            node.owned = true;
        }
        set.owned = false;
        set
    }
}

/// A field of the object that managers can own: `apiVersion`, `kind` and the
/// metadata that the server writes are nobody's.
fn tracked(name: &str, value: &Value) -> Option<Value> {
    match name {
        "apiVersion" | "kind" => None,
        "metadata" => {
            let mut metadata = value.as_object()?.clone();
            for written in [
                "name",
                "namespace",
                "uid",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "selfLink",
                "managedFields",
            ] {
                metadata.remove(written);
            }
            Some(Value::Object(metadata))
        }
        _ => Some(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::paths::{at_path, path_text};
    use super::super::types;
    use super::*;

    #[test]
    fn applied_fields_are_those_of_kubernetes() {
        let ty = types::built_in_named("apps", "deployments").unwrap();
        let schema = Schema::new(&ty, None);
        let applied = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "x", "labels": {"a": "b"}},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"spec": {"containers": [{
                    "name": "c",
                    "image": "i",
                    "args": ["--x"],
                    "ports": [{"containerPort": 80, "name": "http"}],
                    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                }]}},
            },
        });
        let set = FieldSet::of_applied(&applied, &schema);
        let want = json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:selector": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {},
                    "f:name": {},
                    "f:image": {},
                    "f:args": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {}, "f:name": {},
                    }},
                    "f:env": {"k:{\"name\":\"A\"}": {
                        ".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}},
                    }},
                }}}},
            },
        });
        assert_eq!(set.to_json(), want);
        assert_eq!(FieldSet::from_json(&want), set);
        let texts: Vec<String> = set.paths().iter().map(|p| path_text(p)).collect();
        assert!(texts.contains(&".spec.template.spec.containers[name=\"c\"].image".to_owned()));
        for path in set.paths() {
            assert!(at_path(&applied, &path).is_some(), "{}", path_text(&path));
        }
    }

    #[test]
    fn changed_fields_are_only_those_that_differ() {
        let ty = types::built_in_named("apps", "deployments").unwrap();
        let schema = Schema::new(&ty, None);
        let old =
            json!({"spec": {"replicas": 1, "paused": false}, "metadata": {"labels": {"a": "b"}}});
        let new = json!({"spec": {"replicas": 2, "paused": false},
            "metadata": {"labels": {"a": "b"}, "annotations": {"x": "y"}, "uid": "1"}});
        let set = FieldSet::of_changes(Some(&old), &new, &schema);
        let want = json!({
            "f:metadata": {"f:annotations": {".": {}, "f:x": {}}},
            "f:spec": {"f:replicas": {}},
        });
        assert_eq!(set.to_json(), want);
    }
}
