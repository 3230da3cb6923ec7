//! Policy documents as texts that can be judged.
//!
//! A rule for policies passes what it can't read, so a document is never left
//! out and nothing in it is left open. What is not known yet is the ARN or the
//! name that follows from the plan, if one does; else a text that no wildcard is
//! in, where it names a resource or a value; and the worst that it may become
//! where it says what is allowed: a false alarm is better than a false peace.
//! This module must not decide what a policy allows.

use serde_json::{Value as Json, json};

use super::kinds::Known;
use crate::value::{SENSITIVE, Value};

/// Stands for a part of a text that is known only after the apply.
const OPEN: &str = "known-after-apply";

/// Members of a statement that say what is allowed, and to whom.
const DECISIVE: [&str; 4] = ["Action", "NotAction", "Principal", "NotPrincipal"];

/// A document as a text of JSON.
pub(super) fn text(document: &Value, known: &Known<'_>) -> Value {
    let json = match document {
        // Some adapters keep a document that they can't read as it was.
        Value::String(text) => return Value::String(text.clone()),
        Value::Map(map) => {
            let each = map.iter().map(|(key, member)| {
                let member = match (key.as_str(), member) {
                    ("Statement", Value::Unknown(_) | Value::Sensitive(_)) => json!([anything()]),
                    ("Statement", Value::List(list)) => {
                        list.iter().map(|one| statement(one, known)).collect()
                    }
                    ("Statement", one) => statement(one, known),
                    _ => closed(member, known),
                };
                (key.clone(), member)
            });
            Json::Object(each.collect())
        }
        _ => json!({ "Version": "2012-10-17", "Statement": [anything()] }),
    };
    Value::String(json.to_string())
}

/// The statement that is judged in the place of one that is not known.
fn anything() -> Json {
    json!({ "Sid": "LkhNotKnownYet", "Effect": "Allow", "Action": "*", "Resource": "*" })
}

fn statement(statement: &Value, known: &Known<'_>) -> Json {
    let Value::Map(map) = statement else { return anything() };
    let each = map.iter().map(|(key, member)| {
        let member = if DECISIVE.contains(&key.as_str()) {
            decisive(member, known)
        } else if key == "Effect" && member.as_str().is_none() {
            json!("Allow")
        } else {
            closed(member, known)
        };
        (key.clone(), member)
    });
    Json::Object(each.collect())
}

/// What is allowed, or to whom: open is anything.
fn decisive(value: &Value, known: &Known<'_>) -> Json {
    match value {
        Value::Unknown(expression) => {
            known.resolve(expression).map_or_else(|| json!("*"), Json::String)
        }
        Value::Sensitive(_) => json!("*"),
        Value::List(list) => list.iter().map(|member| decisive(member, known)).collect(),
        Value::Map(map) => Json::Object(
            map.iter().map(|(key, member)| (key.clone(), decisive(member, known))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.redacted_json(),
    }
}

/// A value with nothing open in it.
pub(super) fn closed(value: &Value, known: &Known<'_>) -> Json {
    match value {
        Value::Unknown(expression) => {
            Json::String(known.resolve(expression).unwrap_or_else(|| placeholder(expression)))
        }
        Value::Sensitive(_) => json!(SENSITIVE),
        Value::List(list) => list.iter().map(|member| closed(member, known)).collect(),
        Value::Map(map) => Json::Object(
            map.iter().map(|(key, member)| (key.clone(), closed(member, known))).collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.redacted_json(),
    }
}

/// A text with the parts that are not known replaced: `arn:aws:s3:::` and a name
/// that is not known keep their beginning.
fn placeholder(expression: &str) -> String {
    let mut text = String::new();
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        text.push_str(OPEN);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    // No wildcard comes of it: what stands beside it was written by a person,
    // and stays.
    if text.is_empty() { OPEN.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn plan() -> Plan {
        serde_json::from_value(json!({
            "formatVersion": 2, "stack": "s", "mode": "apply", "account": "111122223333",
            "region": "cn-north-1", "lineage": null, "serial": 0, "manifests": "sha256:00",
            "variables": {}, "targets": [],
            "changes": [{
                "address": "IamRole.node", "identity": {"roleName": "Node"}, "action": "create",
                "reason": {"code": "absent"}, "fields": [], "foreign": [], "notes": [],
                "commands": [], "dependsOn": [], "blockers": [], "after": {"path": "/x/"},
            }],
        }))
        .unwrap()
    }

    fn told(document: &Json) -> Json {
        let plan = plan();
        let text = text(&Value::from_redacted_json(document), &Known::of(&plan));
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    }

    #[test]
    fn nothing_is_left_open_and_nothing_looks_better_than_it_may_be() {
        let open = |expression: &str| json!({ "$unknown": expression });
        let told = told(&json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [
                open("${IamRole.node.arn}"),
                open("arn:aws:iam::${account.id}:role/a"),
                open("arn:aws:eks:x:${EksCluster.main.id}/*"),
                open("${EksCluster.main.id}"),
                {"$sensitive": true},
            ]},
            {"Effect": "Allow", "Action": [open("${Script.a.b}")], "Resource": "*"},
            open("${Script.a.b}"),
        ]}));
        let anything = json!({
            "Sid": "LkhNotKnownYet", "Effect": "Allow", "Action": "*", "Resource": "*",
        });
        assert_eq!(
            told["Statement"],
            json!([
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [
                    "arn:aws-cn:iam::111122223333:role/x/Node",
                    "arn:aws:iam::111122223333:role/a",
                    "arn:aws:eks:x:known-after-apply/*",
                    "known-after-apply",
                    "(sensitive value)",
                ]},
                {"Effect": "Allow", "Action": ["*"], "Resource": "*"},
                anything,
            ])
        );
    }

    #[test]
    fn a_whole_document_that_is_not_known_is_judged_as_the_worst() {
        for open in [json!({"$unknown": "${Script.a.b}"}), json!({"$sensitive": true})] {
            assert_eq!(told(&open)["Statement"][0]["Action"], "*");
            let statement = json!({"Version": "2012-10-17", "Statement": open});
            assert_eq!(told(&statement)["Statement"][0]["Resource"], "*");
        }
    }
}
