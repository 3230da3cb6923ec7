//! Conditions of a template: which of its resources and outputs count, and which
//! side of an `Fn::If` does.
//!
//! This module must not make anything.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::model::Fault;
use super::template::{Scope, plain};
use super::{invalid, text};

/// A template's body without what its conditions leave out.
pub(super) fn settle(body: &Value, scope: &Scope<'_>) -> Result<Value, Fault> {
    let mut held = BTreeMap::new();
    for (name, condition) in body["Conditions"].as_object().into_iter().flatten() {
        held.insert(name.as_str(), holds(condition, body, scope, 0)?);
    }
    let mut body_left = body.clone();
    for part in ["Resources", "Outputs"] {
        let Some(members) = body_left.get_mut(part).and_then(Value::as_object_mut) else {
            continue;
        };
        for resource in members.values() {
            let name = text(resource, "Condition");
            if !name.is_empty() && !held.contains_key(name) {
                return Err(invalid(format!(
                    "Template format error: Unresolved condition dependency {name} in the {part} \
                     block of the template"
                )));
            }
        }
        members.retain(|_, one| held.get(text(one, "Condition")).copied().unwrap_or(true));
        for member in members.values_mut() {
            *member = chosen(member, &held)?;
        }
    }
    Ok(body_left)
}

/// A value with every `Fn::If` replaced by the side that counts.
fn chosen(value: &Value, held: &BTreeMap<&str, bool>) -> Result<Value, Fault> {
    match value {
        Value::Array(list) => list.iter().map(|one| chosen(one, held)).collect(),
        Value::Object(members) => match members.get("Fn::If").and_then(Value::as_array) {
            Some(parts) if members.len() == 1 => match parts.as_slice() {
                [Value::String(name), then, otherwise] => match held.get(name.as_str()) {
                    Some(true) => chosen(then, held),
                    Some(false) => chosen(otherwise, held),
                    None => Err(invalid(format!(
                        "Template format error: Unresolved condition dependency {name} in the \
                         Resources block of the template"
                    ))),
                },
                _ => Err(invalid(
                    "Template error: Fn::If requires a list argument with three elements, the \
                     first element being a condition",
                )),
            },
            _ => members
                .iter()
                .map(|(name, inner)| Ok((name.clone(), chosen(inner, held)?)))
                .collect::<Result<serde_json::Map<_, _>, Fault>>()
                .map(Value::Object),
        },
        plain => Ok(plain.clone()),
    }
}

/// Whether a condition holds. `depth`: how many conditions led to it, as they may
/// name each other in a circle.
fn holds(condition: &Value, body: &Value, scope: &Scope<'_>, depth: u32) -> Result<bool, Fault> {
    let wrong = || {
        invalid(
            "Template format error: Every Conditions member must be a condition function: \
             Fn::And, Fn::Equals, Fn::Not, Fn::Or or Condition",
        )
    };
    let (name, inner) = match condition.as_object().map(|members| members.iter().next()) {
        Some(Some((name, inner))) if depth < 32 => (name.as_str(), inner),
        _ => return Err(wrong()),
    };
    let parts = inner.as_array().map(Vec::as_slice).unwrap_or_default();
    let each = || parts.iter().map(|part| holds(part, body, scope, depth + 1));
    match (name, parts) {
        ("Fn::Equals", [left, right]) => {
            Ok(plain(&scope.value(left)?) == plain(&scope.value(right)?))
        }
        ("Fn::Not", [one]) => Ok(!holds(one, body, scope, depth + 1)?),
        ("Fn::And", [_, _, ..]) => Ok(each().collect::<Result<Vec<_>, _>>()?.iter().all(|on| *on)),
        ("Fn::Or", [_, _, ..]) => Ok(each().collect::<Result<Vec<_>, _>>()?.iter().any(|on| *on)),
        ("Condition", []) => match inner.as_str().and_then(|name| body["Conditions"].get(name)) {
            Some(other) => holds(other, body, scope, depth + 1),
            None => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn settled(nat: &str) -> Value {
        let body = json!({
            "Conditions": {
                "Some": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Nat"}, "none"]}]},
                "Each": {"Fn::And": [{"Condition": "Some"}, {"Fn::Equals": [{"Ref": "Nat"}, "each"]}]},
            },
            "Resources": {
                "Network": {"Type": "AWS::EC2::VPC"},
                "First": {"Type": "AWS::EC2::EIP", "Condition": "Some"},
                "Second": {"Type": "AWS::EC2::EIP", "Condition": "Each", "Properties": {
                    "Of": [{"Fn::If": ["Each", {"Ref": "First"}, {"Ref": "AWS::NoValue"}]}],
                }},
            },
            "Outputs": {"Id": {"Condition": "Each", "Value": "x"}},
        });
        let scope = Scope {
            region: "us-east-2",
            name: "network",
            id: "",
            parameters: &json!({"Nat": nat}),
            made: &Map::new(),
        };
        settle(&body, &scope).unwrap_or_else(|fault| panic!("{}", fault.message))
    }

    #[test]
    fn what_a_condition_leaves_out_is_not_there() {
        let names = |nat: &str| -> Vec<String> {
            let body = settled(nat);
            let parts = ["Resources", "Outputs"];
            parts.iter().flat_map(|part| body[part].as_object().unwrap().keys().cloned()).collect()
        };
        assert_eq!(names("none"), ["Network"]);
        assert_eq!(names("one"), ["First", "Network"]);
        assert_eq!(names("each"), ["First", "Network", "Second", "Id"]);
        let of = settled("each")["Resources"]["Second"]["Properties"]["Of"].clone();
        assert_eq!(of, json!([{"Ref": "First"}]));
    }

    #[test]
    fn conditions_in_a_circle_are_refused() {
        let body = json!({
            "Conditions": {"A": {"Condition": "B"}, "B": {"Condition": "A"}},
            "Resources": {},
        });
        let scope = Scope {
            region: "us-east-2",
            name: "network",
            id: "",
            parameters: &json!({}),
            made: &Map::new(),
        };
        assert!(settle(&body, &scope).is_err());
    }
}
