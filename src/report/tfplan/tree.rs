//! A value as Terraform tells one: what is known, what is not yet, and what is
//! sensitive, as three trees of one shape.
//!
//! This module must not know any type of resource.

use serde_json::{Map as JsonMap, Value as Json};

use crate::value::Value;

/// The three trees.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    /// What is known and not sensitive; `None`: nothing is.
    pub value: Option<Json>,
    /// `true` where a value is not known yet, and nothing elsewhere.
    pub unknown: Json,
    /// `true` where a value is sensitive, and nothing elsewhere.
    pub sensitive: Json,
}

/// Takes a value apart.
pub(super) fn of(value: &Value) -> Tree {
    let leaf = |value: Option<Json>, unknown: bool, sensitive: bool| Tree {
        value,
        unknown: unknown.into(),
        sensitive: sensitive.into(),
    };
    match value {
        Value::Unknown(_) => leaf(None, true, false),
        Value::Sensitive(_) => leaf(None, false, true),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            leaf(Some(value.redacted_json()), false, false)
        }
        Value::List(list) => {
            let members: Vec<Tree> = list.iter().map(of).collect();
            let told = |each: fn(&Tree) -> Json| members.iter().map(each).collect::<Json>();
            Tree {
                // A list keeps its places: what is not told is null.
                value: Some(told(|tree| tree.value.clone().unwrap_or(Json::Null))),
                unknown: told(|tree| tree.unknown.clone()),
                sensitive: told(|tree| tree.sensitive.clone()),
            }
        }
        Value::Map(map) => {
            let mut tree = [JsonMap::new(), JsonMap::new(), JsonMap::new()];
            let [value, unknown, sensitive] = &mut tree;
            for (key, member) in map {
                let Tree { value: told, unknown: open, sensitive: hidden } = of(member);
                if let Some(told) = told {
                    value.insert(key.clone(), told);
                }
                for (into, part) in [(&mut *unknown, open), (&mut *sensitive, hidden)] {
                    if part != Json::Bool(false) {
                        into.insert(key.clone(), part);
                    }
                }
            }
            let [value, unknown, sensitive] = tree.map(Json::Object);
            Tree { value: Some(value), unknown, sensitive }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_told_is_absent_and_marked() {
        let value = Value::from_redacted_json(&json!({
            "name": "a",
            "arn": {"$unknown": "${IamRole.a.arn}"},
            "token": {"$sensitive": true},
            "ids": ["x", {"$unknown": "${a.b.c}"}],
            "none": null,
        }));
        assert_eq!(
            of(&value),
            Tree {
                value: Some(json!({"name": "a", "ids": ["x", null], "none": null})),
                unknown: json!({"arn": true, "ids": [false, true]}),
                sensitive: json!({"token": true, "ids": [false, false]}),
            }
        );
    }
}
