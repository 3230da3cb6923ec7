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
