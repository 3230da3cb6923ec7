//! Tags of roles, policies and instance profiles.
//!
//! Keys of IAM tags that differ only in case are the same key; setting one again
//! replaces value and spelling. At most fifty tags on one object.

use serde_json::{Value, json};

use super::super::model::{Fault, Input, fault};
use super::{names, text};

const MOST: usize = 50;

/// The `Tags` of an input, checked.
pub fn given(input: Input<'_>) -> Result<Vec<Value>, Fault> {
    let tags = input.list("Tags");
    if tags.len() > MOST {
        return Err(fault(
            "ValidationError",
            format!(
                "1 validation error detected: Value '[{} tags]' at 'tags' failed to satisfy constraint: Member must have length less than or equal to {MOST}",
                tags.len()
            ),
        ));
    }
    for (at, tag) in tags.iter().enumerate() {
        check(tag, at + 1)?;
        let earlier = tags.get(..at).unwrap_or_default();
        if earlier.iter().any(|other| same_key(text(other, "Key"), text(tag, "Key"))) {
            return Err(fault(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    Ok(tags.to_vec())
}

fn check(tag: &Value, place: usize) -> Result<(), Fault> {
    let (key, value) = (text(tag, "Key"), text(tag, "Value"));
    names::check_length(key, &format!("tags.{place}.member.key"), 128)?;
    names::check_length(value, &format!("tags.{place}.member.value"), 256)?;
    for (written, member) in [(key, "key"), (value, "value")] {
        let legal = |letter: char| {
            letter.is_alphanumeric()
                || letter.is_whitespace()
                || matches!(letter, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
        };
        if !written.chars().all(legal) {
            return Err(fault(
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{written}' at 'tags.{place}.member.{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]{}",
                    if member == "key" { "+" } else { "*" }
                ),
            ));
        }
    }
    if is_reserved(key) {
        return Err(fault(
            "InvalidInput",
            "Tag keys starting with 'aws:' are reserved for internal use.",
        ));
    }
    Ok(())
}

fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn same_key(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The tags of a stored entry.
pub fn of(entry: &Value) -> &[Value] {
    entry.get("Tags").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Sets tags on an entry.
pub fn set(entry: &mut Value, added: Vec<Value>) -> Result<(), Fault> {
    let mut tags = of(entry).to_vec();
    for tag in added {
        match tags.iter_mut().find(|old| same_key(text(old, "Key"), text(&tag, "Key"))) {
            Some(old) => *old = tag,
            None => tags.push(tag),
        }
    }
    if tags.len() > MOST {
        return Err(fault(
            "LimitExceeded",
            format!("The number of tags has reached the maximum limit of {MOST}."),
        ));
    }
    store(entry, tags);
    Ok(())
}

/// Removes tags from an entry by key; a key that is not there is no error.
pub fn unset(entry: &mut Value, keys: &[&str]) {
    let kept = of(entry)
        .iter()
        .filter(|tag| !keys.iter().any(|key| same_key(key, text(tag, "Key"))))
        .cloned()
        .collect();
    store(entry, kept);
}

fn store(entry: &mut Value, tags: Vec<Value>) {
    if let Some(members) = entry.as_object_mut() {
        if tags.is_empty() {
            members.remove("Tags");
        } else {
            members.insert("Tags".to_owned(), Value::Array(tags));
        }
    }
}

/// The answer of the list operations.
pub fn listed(entry: &Value) -> Value {
    json!({ "Tags": of(entry) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case() {
        let mut entry = json!({"Tags": [{"Key": "Env", "Value": "a"}]});
        set(&mut entry, vec![json!({"Key": "env", "Value": "b"})]).unwrap();
        assert_eq!(entry, json!({"Tags": [{"Key": "env", "Value": "b"}]}));
        unset(&mut entry, &["ENV", "other"]);
        assert_eq!(entry, json!({}));
    }
}
