//! Equality of IAM policy documents by meaning.
//!
//! Two documents mean the same exactly when their canonical forms are equal.
//! The canonical form forgets what IAM forgets or ignores (order of sets, a
//! list of one against its only member, the case of actions) and keeps
//! everything else. It is for comparing, not for sending: what goes to AWS is
//! the document as the manifest has it. This module must not judge whether a
//! document is valid.

mod aligned;

use std::collections::BTreeMap;

pub use aligned::aligned;

use crate::value::{Map, Value};

/// What a document without `Version` means.
const DEFAULT_VERSION: &str = "2008-10-17";

/// What a statement may consist of (IAM User Guide, JSON policy elements).
pub const STATEMENT_KEYS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Whether two documents mean the same.
pub fn equal(a: &Value, b: &Value) -> bool {
    a == b || canonical(a) == canonical(b)
}

/// The canonical form of a policy document: a tree, or the text of one.
///
/// What it ignores:
/// - order and repetition of statements, actions, resources, principals and
///   condition values; a single one against a list of one;
/// - the case of actions and of condition keys (IAM ignores both), and of
///   `Effect`;
/// - a number or truth value against its text;
/// - an account id against the ARN of its root, in any partition;
/// - principals and conditions that name nothing (an empty list of principals,
///   an empty `Condition`);
/// - a missing `Version`, which means `2008-10-17`.
///
/// `Sid`, `Id`, `Version`, condition operators and resources count as written,
/// and so does the difference between the principals `*` and `{AWS: "*"}`,
/// which some services tell apart. A unique id (`AROA...`) is what IAM shows
/// for a principal that was deleted: it never equals an ARN. A part that is
/// not known yet equals only the same unknown.
pub fn canonical(document: &Value) -> Value {
    match document {
        Value::String(text) => match parse(text) {
            Some(parsed) => canonical(&parsed),
            None => document.clone(),
        },
        Value::Map(map) => Value::Map(canonical_document(map)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::List(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => document.clone(),
    }
}

/// The document that a text holds: JSON, or percent-encoded JSON as the IAM
/// API sends it. `None` when it holds neither.
///
/// Decoding is tried only on what is not JSON as it stands, and once: the AWS
/// CLI decodes already, and a document may hold a `%` of its own.
pub fn parse(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return Some(Value::map());
    }
    let json: serde_json::Value = serde_json::from_str(text)
        .ok()
        .or_else(|| serde_json::from_str(&percent_decoded(text)?).ok())?;
    json.is_object().then(|| Value::from_json(&json))
}

/// RFC 3986 percent-decoding: a `+` stays a plus. `None` for a broken escape
/// or bytes that are not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn canonical_document(document: &Map) -> Map {
    let mut canonical = document.clone();
    canonical.entry("Version".into()).or_insert_with(|| DEFAULT_VERSION.into());
    if let Some(statements) = document.get("Statement") {
        canonical.insert("Statement".into(), set(statements, statement));
    }
    canonical
}

fn statement(value: &Value) -> Value {
    let Value::Map(statement) = value else { return value.clone() };
    let mut canonical = Map::new();
    for (key, value) in statement {
        let value = match key.as_str() {
            "Effect" => effect(value),
            "Action" | "NotAction" => set(value, action),
            "Resource" | "NotResource" => set(value, text),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => {
                let condition = condition(value);
                if condition == Value::map() {
                    continue;
                }
                condition
            }
            _ => value.clone(),
        };
        canonical.insert(key.clone(), value);
    }
    Value::Map(canonical)
}

fn effect(value: &Value) -> Value {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("allow") => "Allow".into(),
        Some("deny") => "Deny".into(),
        _ => value.clone(),
    }
}

fn action(value: &Value) -> Value {
    let action = text(value);
    match action.as_str() {
        Some(name) => Value::String(name.to_ascii_lowercase()),
        None => action,
    }
}

/// `"*"` stays a text; a map of kinds of principals keeps those that name one.
fn principal(value: &Value) -> Value {
    let Value::Map(kinds) = value else { return value.clone() };
    let named = |(kind, names): (&String, &Value)| {
        let names = if kind == "AWS" { set(names, account) } else { set(names, text) };
        let empty = names.as_list().is_some_and(<[Value]>::is_empty);
        (!empty).then(|| (kind.clone(), names))
    };
    Value::Map(kinds.iter().filter_map(named).collect())
}

/// The root ARN of an account as the account's id.
fn account(value: &Value) -> Value {
    let value = text(value);
    match value.as_str().and_then(root_account) {
        Some(id) => id.into(),
        None => value,
    }
}

/// The account of `arn:PARTITION:iam::ACCOUNT:root`.
fn root_account(arn: &str) -> Option<&str> {
    let (_partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let id = rest.strip_prefix("iam::")?.strip_suffix(":root")?;
    (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
}

/// Operators to condition keys to sets of values.
fn condition(value: &Value) -> Value {
    let Value::Map(operators) = value else { return value.clone() };
    let tests = |(operator, keys): (&String, &Value)| {
        let keys = keys.as_map().map_or_else(|| keys.clone(), |keys| condition_keys(keys).into());
        (keys != Value::map()).then(|| (operator.clone(), keys))
    };
    Value::Map(operators.iter().filter_map(tests).collect())
}

/// Condition keys in lower case. Keys that only case tells apart stay as
/// written: what IAM makes of them is not said anywhere.
fn condition_keys(keys: &Map) -> Map {
    let mut spellings: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys.keys() {
        *spellings.entry(key.to_ascii_lowercase()).or_default() += 1;
    }
    keys.iter()
        .map(|(key, values)| {
            let folded = key.to_ascii_lowercase();
            let key = if spellings.get(&folded) == Some(&1) { folded } else { key.clone() };
            (key, set(values, text))
        })
        .collect()
}

/// A set as a list in the order of the members' bytes, without repetition.
fn set(value: &Value, member: fn(&Value) -> Value) -> Value {
    let members: Vec<Value> = match value.as_list() {
        Some(list) => list.iter().map(member).collect(),
        None => vec![member(value)],
    };
    let mut keyed: Vec<(String, Value)> =
        members.into_iter().map(|value| (value.redacted_json().to_string(), value)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.dedup_by(|(_, a), (_, b)| a == b);
    Value::List(keyed.into_iter().map(|(_, value)| value).collect())
}

/// A number or a truth value as its text.
fn text(value: &Value) -> Value {
    match value {
        Value::Bool(truth) => truth.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        Value::Null
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
