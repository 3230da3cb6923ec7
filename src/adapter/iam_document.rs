//! IAM policy documents in specs and commands: their schema, what can be wrong
//! with them before AWS sees them, and the text that goes to AWS.
//!
//! Whether two documents mean the same is `crate::diff::policy`'s business.

use std::collections::BTreeSet;

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::iam_rules::Problems;
use crate::diff::policy;
use crate::value::{Path, Value};

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Who may assume a role.
    Trust,
    /// What its holder may do.
    Identity,
    /// Who may do what with the thing that it is on, such as a bucket.
    Resource,
}

/// The schema of a policy document in a manifest: its parts are checked by
/// `check`, which can say more.
pub fn schema(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// The schema of a map of names to policy documents.
pub fn map_schema(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": "object" } })
}

/// The characters of a document that count for its size limit: IAM leaves
/// white space out. `None` while a part is not known.
pub fn size(document: &Value) -> Option<usize> {
    let text = document.reveal()?.to_string();
    Some(text.chars().filter(|c| !c.is_whitespace()).count())
}

/// The document as the text that the IAM API takes. While a part is not known
/// the whole text is not: its expression shows the parts in their place.
pub fn text(document: &Value) -> Value {
    if let Some(json) = document.reveal() {
        return Value::String(json.to_string());
    }
    let spelled_out = with_expressions(document);
    Value::Unknown(spelled_out.redacted_json().to_string())
}

fn with_expressions(value: &Value) -> Value {
    match value {
        Value::Unknown(expression) => Value::String(expression.clone()),
        Value::List(list) => Value::List(list.iter().map(with_expressions).collect()),
        Value::Map(map) => Value::Map(
            map.iter().map(|(key, value)| (key.clone(), with_expressions(value))).collect(),
        ),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Sensitive(_) => value.clone(),
    }
}

/// A document as a tree. The AWS CLI has decoded it already; a text is what
/// some other implementations of the API leave.
pub fn from_answer(json: &Json) -> Value {
    let parsed = json.as_str().and_then(policy::parse);
    parsed.unwrap_or_else(|| Value::from_json(json))
}

/// The unique ids (`AROA...`, `AIDA...`) that a trust policy names: IAM shows
/// one in place of a principal that was deleted.
pub fn deleted_principals(document: &Value) -> BTreeSet<String> {
    let statements = document.get("Statement").map(members).unwrap_or_default();
    statements
        .iter()
        .filter_map(|statement| statement.get("Principal")?.get("AWS"))
        .flat_map(members)
        .filter_map(Value::as_str)
        .filter(|name| name.starts_with("AROA") || name.starts_with("AIDA"))
        .map(str::to_owned)
        .collect()
}

fn members(value: &Value) -> Vec<&Value> {
    match value.as_list() {
        Some(list) => list.iter().collect(),
        None => vec![value],
    }
}

/// Notes what IAM would refuse, or read otherwise than it looks.
pub fn check(problems: &mut Problems, path: &Path, document: &Value, purpose: Purpose) {
    let Some(elements) = document.as_map() else {
        if !matches!(document, Value::Unknown(_) | Value::Sensitive(_)) {
            problems.add(
                path,
                "a policy document is a mapping",
                "write `Version` and `Statement` below it",
            );
        }
        return;
    };
    for key in elements.keys() {
        known_key(problems, path, key, &["Version", "Id", "Statement"], "a policy document");
    }
    if let Some(version) = elements.get("Version")
        && !matches!(version, Value::Unknown(_) | Value::Sensitive(_))
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        problems.add(
            &path.join("Version"),
            format!("{version} is not a version of the policy language"),
            "write Version: \"2012-10-17\", in quotes",
        );
    }
    let Some(statements) = elements.get("Statement") else {
        problems.add(path, "the policy document has no `Statement`", "add one");
        return;
    };
    let path = path.join("Statement");
    if statements.as_list().is_some_and(<[Value]>::is_empty) {
        problems.add(&path, "the policy document has no statement", "add one");
    }
    let mut sids = BTreeSet::new();
    for (index, statement) in members(statements).into_iter().enumerate() {
        let path = match statements.as_list() {
            Some(_) => path.join(index.to_string()),
            None => path.clone(),
        };
        check_statement(problems, &path, statement, purpose);
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str)
            && !sid.is_empty()
            && !sids.insert(sid)
        {
            problems.add(
                &path.join("Sid"),
                format!("another statement has the Sid `{sid}`"),
                "a Sid must be unique within its document",
            );
        }
    }
}

fn check_statement(problems: &mut Problems, path: &Path, statement: &Value, purpose: Purpose) {
    let Some(elements) = statement.as_map() else {
        if !matches!(statement, Value::Unknown(_) | Value::Sensitive(_)) {
            problems.add(path, "a statement is a mapping", "write `Effect` and `Action` below it");
        }
        return;
    };
    for key in elements.keys() {
        known_key(problems, path, key, &policy::STATEMENT_KEYS, "a statement");
    }
    match elements.get("Effect") {
        None => problems.add(path, "the statement has no `Effect`", "add Effect: Allow"),
        Some(Value::Unknown(_) | Value::Sensitive(_)) => {}
        Some(effect) if matches!(effect.as_str(), Some("Allow" | "Deny")) => {}
        Some(effect) => problems.add(
            &path.join("Effect"),
            format!("{effect} is not an effect"),
            "write Allow or Deny, with a capital letter",
        ),
    }
    if let Some(sid) = elements.get("Sid")
        && !matches!(sid, Value::Unknown(_) | Value::Sensitive(_))
        && !sid.as_str().is_some_and(|sid| sid.chars().all(|c| c.is_ascii_alphanumeric()))
    {
        problems.add(
            &path.join("Sid"),
            format!("{sid} is not a Sid"),
            "use letters and digits only",
        );
    }
    let has = |key: &str| elements.contains_key(key);
    one_of(problems, path, (has("Action"), "Action"), (has("NotAction"), "NotAction"));
    match purpose {
        Purpose::Resource => {
            let principal = (has("Principal"), "Principal");
            one_of(problems, path, principal, (has("NotPrincipal"), "NotPrincipal"));
            let resource = (has("Resource"), "Resource");
            one_of(problems, path, resource, (has("NotResource"), "NotResource"));
        }
        Purpose::Trust => {
            one_of(
                problems,
                path,
                (has("Principal"), "Principal"),
                (has("NotPrincipal"), "NotPrincipal"),
            );
            for key in ["Resource", "NotResource"].into_iter().filter(|key| has(key)) {
                problems.add(
                    &path.join(key),
                    format!("a trust policy has no `{key}`"),
                    "remove it: the resource is the role itself",
                );
            }
        }
        Purpose::Identity => {
            one_of(
                problems,
                path,
                (has("Resource"), "Resource"),
                (has("NotResource"), "NotResource"),
            );
            for key in ["Principal", "NotPrincipal"].into_iter().filter(|key| has(key)) {
                problems.add(
                    &path.join(key),
                    format!("a policy of permissions has no `{key}`"),
                    "remove it: the principal is whoever the policy is attached to",
                );
            }
        }
    }
    for key in ["Action", "NotAction"] {
        if let Some(actions) = elements.get(key) {
            check_actions(problems, &path.join(key), actions);
        }
    }
    for key in ["Resource", "NotResource"] {
        if let Some(resources) = elements.get(key) {
            texts(problems, &path.join(key), resources);
        }
    }
    for key in ["Principal", "NotPrincipal"] {
        if let Some(principal) = elements.get(key) {
            check_principal(problems, &path.join(key), principal);
        }
    }
    if let Some(condition) = elements.get("Condition") {
        check_condition(problems, &path.join("Condition"), condition);
    }
}

/// Exactly one of two elements must be there.
fn one_of(problems: &mut Problems, path: &Path, a: (bool, &str), b: (bool, &str)) {
    match (a.0, b.0) {
        (true, true) => problems.add(
            path,
            format!("the statement has both `{}` and `{}`", a.1, b.1),
            "keep one of them",
        ),
        (false, false) => problems.add(
            path,
            format!("the statement has neither `{}` nor `{}`", a.1, b.1),
            &format!("add `{}`", a.1),
        ),
        (true, false) | (false, true) => {}
    }
}

fn known_key(problems: &mut Problems, path: &Path, key: &str, known: &[&str], of: &str) {
    if known.contains(&key) {
        return;
    }
    let singular = key.strip_suffix('s').unwrap_or(key);
    let meant = known
        .iter()
        .find(|name| name.eq_ignore_ascii_case(key) || name.eq_ignore_ascii_case(singular));
    let help = match meant {
        Some(meant) => format!("write `{meant}`"),
        None => format!("it has {}", known.join(", ")),
    };
    problems.add(&path.join(key), format!("{of} has no `{key}`"), &help);
}

fn check_actions(problems: &mut Problems, path: &Path, actions: &Value) {
    for action in texts(problems, path, actions) {
        if action != "*" && !action.contains(':') {
            problems.add(
                path,
                format!("`{action}` is not an action"),
                "name the service too, as in s3:GetObject",
            );
        }
    }
}

fn check_principal(problems: &mut Problems, path: &Path, principal: &Value) {
    match principal {
        Value::Unknown(_) | Value::Sensitive(_) => {}
        Value::String(all) if all == "*" => {}
        Value::Map(kinds) if !kinds.is_empty() => {
            for (kind, names) in kinds {
                let kinds = ["AWS", "Service", "Federated", "CanonicalUser"];
                known_key(problems, path, kind, &kinds, "a principal");
                texts(problems, &path.join(kind), names);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_) => problems.add(
            path,
            format!("{principal} is not a principal"),
            "write {Service: NAME}, {AWS: ARN}, {Federated: ARN} or \"*\"",
        ),
    }
}

fn check_condition(problems: &mut Problems, path: &Path, condition: &Value) {
    let shaped = match condition {
        Value::Map(operators) => operators
            .values()
            .all(|keys| matches!(keys, Value::Map(_) | Value::Unknown(_) | Value::Sensitive(_))),
        Value::Unknown(_) | Value::Sensitive(_) => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
            false
        }
    };
    if !shaped {
        problems.add(
            path,
            "a condition maps operators to keys to values",
            "as in Condition: {StringEquals: {\"aws:SourceAccount\": \"...\"}}",
        );
    }
}

/// The known texts of a list or a single one; anything else is a problem.
fn texts<'v>(problems: &mut Problems, path: &Path, value: &'v Value) -> Vec<&'v str> {
    let all = members(value);
    if all.is_empty() {
        problems.add(path, "the list is empty", "name at least one");
    }
    let mut known = Vec::new();
    for member in all {
        match member {
            Value::String(text) => known.push(text.as_str()),
            Value::Unknown(_) | Value::Sensitive(_) => {}
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                problems.add(path, format!("{member} is not a text"), "put it in quotes");
            }
        }
    }
    known
}

#[cfg(test)]
mod tests;
