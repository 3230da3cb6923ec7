//! Paths into objects as `managedFields` takes them: by field, by the keys of a
//! list item, by the value in a set. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// One step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of a map: `f:NAME`.
    Field(String),
    /// An item of a list with keys: `k:{...}`, the keys as JSON.
    Key(String),
    /// An item of a set: `v:...`, the value as JSON.
    Value(String),
}

impl Step {
    /// Reads a member name of `fieldsV1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => Some(Self::Key(rest.to_owned())),
            "v" => Some(Self::Value(rest.to_owned())),
            _ => None,
        }
    }

    /// The member name in `fieldsV1`.
    pub fn to_text(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
        }
    }
}

/// Whether a list item has these keys.
pub(super) fn has_key(item: &Value, key: &Map<String, Value>) -> bool {
    key.iter().all(|(name, value)| match item.get(name) {
        Some(found) => found == value,
        None => name == "protocol" && value == "TCP",
    })
}

/// The value behind a step.
pub(super) fn follow<'v>(value: &'v Value, step: &Step) -> Option<&'v Value> {
    match step {
        Step::Field(name) => value.get(name),
        Step::Key(keys) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
            value.as_array()?.iter().find(|item| has_key(item, &keys))
        }
        Step::Value(wanted) => {
            let wanted: Value = serde_json::from_str(wanted).ok()?;
            value.as_array()?.iter().find(|item| **item == wanted)
        }
    }
}

/// The value at a path.
pub(super) fn at_path<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, follow)
}

/// Removes the value at a path.
pub(super) fn remove_path(value: &mut Value, path: &[Step]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut node = value;
    for step in parents {
        let next = match step {
            Step::Field(name) => node.get_mut(name),
            Step::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                node.as_array_mut().and_then(|items| items.iter_mut().find(|i| has_key(i, &keys)))
            }
            Step::Value(_) => None,
        };
        match next {
            Some(next) => node = next,
            None => return,
        }
    }
    match (last, node) {
        (Step::Field(name), Value::Object(object)) => {
            object.remove(name);
        }
        (Step::Key(keys), Value::Array(items)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            items.retain(|item| !has_key(item, &keys));
        }
        (Step::Value(wanted), Value::Array(items)) => {
            let wanted: Value = serde_json::from_str(wanted).unwrap_or_default();
            items.retain(|item| *item != wanted);
        }
        (Step::Field(_) | Step::Key(_) | Step::Value(_), _) => {}
    }
}

/// A path as Kubernetes prints it: `.spec.containers[name="a"].image`.
pub(super) fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Field(name) => write!(text, ".{name}"),
            Step::Key(keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(text, "[{}]", keys.join(","))
            }
            Step::Value(value) => write!(text, "[={value}]"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn removing_a_path_removes_that_value_alone() {
        let mut value = json!({"a": [{"name": "x", "v": 1}, {"name": "y"}], "b": 1});
        let path = [Step::Field("a".into()), Step::Key("{\"name\":\"x\"}".into())];
        remove_path(&mut value, &path);
        assert_eq!(value, json!({"a": [{"name": "y"}], "b": 1}));
    }
}
