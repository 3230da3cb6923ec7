//! `--filters`: which resources an answer holds.
//!
//! All filters must match, any value of one filter is enough; values may hold
//! `*` and `?`, and case counts.

use serde_json::Value;

use super::super::model::{Fault, fault};

/// How a filter's name leads to the values that it compares: a name, and a
/// pointer into the resource; `*` in a pointer stands for every item of a list.
pub type Paths = &'static [(&'static str, &'static str)];

/// The filters of one call.
pub struct Filters<'a> {
    wanted: Vec<(&'a str, Vec<&'a str>)>,
    paths: Paths,
}

impl<'a> Filters<'a> {
    /// Reads the `Filters` member of an input. A name that the operation does
    /// not know is an error.
    pub fn read(list: &'a [Value], paths: Paths) -> Result<Self, Fault> {
        let mut wanted = Vec::new();
        for filter in list {
            let name = filter.get("Name").and_then(Value::as_str).unwrap_or_default();
            let known = name == "tag-key"
                || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty())
                || paths.iter().any(|(known, _)| *known == name);
            if !known {
                return Err(fault(
                    "InvalidParameterValue",
                    format!("The filter '{name}' is invalid"),
                ));
            }
            let values = filter.get("Values").and_then(Value::as_array);
            let values: Vec<&str> =
                values.into_iter().flatten().filter_map(Value::as_str).collect();
            if values.is_empty() {
                return Err(fault(
                    "InvalidParameterValue",
                    format!("The filter '{name}' must have at least one value"),
                ));
            }
            wanted.push((name, values));
        }
        Ok(Self { wanted, paths })
    }

    /// The values of a filter that is given once, for a quick way to the
    /// resources that it leaves.
    pub fn only(&self, name: &str) -> Option<&[&'a str]> {
        self.wanted.iter().find(|(wanted, _)| *wanted == name).map(|(_, values)| values.as_slice())
    }

    /// Whether a resource, with its tags, passes.
    pub fn pass(&self, resource: &Value, tags: &[(String, String)]) -> bool {
        self.wanted.iter().all(|(name, values)| {
            let matches = |text: &str| values.iter().any(|value| is_like(value, text));
            if *name == "tag-key" {
                return tags.iter().any(|(key, _)| matches(key));
            }
            if let Some(key) = name.strip_prefix("tag:") {
                return tags.iter().any(|(found, value)| found == key && matches(value));
            }
            let path = self.paths.iter().find(|(known, _)| known == name).map(|(_, path)| *path);
            path.is_some_and(|path| {
                let mut found = Vec::new();
                collect(resource, path, &mut found);
                found.iter().any(|text| matches(text))
            })
        })
    }
}

/// The values at a path, as text.
fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (first, value) {
        ("", Value::String(text)) => found.push(text.clone()),
        ("", Value::Bool(flag)) => found.push(flag.to_string()),
        ("", Value::Number(number)) => found.push(number.to_string()),
        ("*", Value::Array(items)) => {
            for item in items {
                collect(item, rest, found);
            }
        }
        (name, value) => {
            if let Some(member) = value.get(name) {
                collect(member, rest, found);
            }
        }
    }
}

/// Whether a text is like a pattern with `*` and `?`; a backslash takes the
/// next character as it is.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    like(&pattern, &text)
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|text| like(rest, text)))
        }
        ['?', rest @ ..] => text.split_first().is_some_and(|(_, text)| like(rest, text)),
        ['\\', letter, rest @ ..] | [letter, rest @ ..] => {
            text.split_first().is_some_and(|(first, text)| first == letter && like(rest, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "A", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn values_at_paths() {
        let resource = json!({"A": [{"B": "x"}, {"B": "y"}], "C": true});
        for (path, expected) in [("A/*/B", vec!["x", "y"]), ("C", vec!["true"]), ("D", vec![])] {
            let mut found = Vec::new();
            collect(&resource, path, &mut found);
            assert_eq!(found, expected);
        }
    }
}
