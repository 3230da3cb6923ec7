//! Values and versions as Helm keeps them, and what of them must not be shown.

use serde_json::{Number, Value as Json};

use crate::value::Value;

/// The version of a chart without the detours of registries: a tag can't hold
/// `+`, so it holds `_`.
pub fn canonical_version(version: &str) -> String {
    version.replace('_', "+")
}

/// Whether two versions are the same; Helm finds `v1.2.3` where `1.2.3` is
/// asked for.
pub fn same_version(a: &str, b: &str) -> bool {
    a.strip_prefix('v').unwrap_or(a) == b.strip_prefix('v').unwrap_or(b)
}

/// Numbers as Helm answers them: a fraction that is whole comes back without
/// its point.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(canonical_number(number)),
        Value::List(list) => Value::List(list.into_iter().map(canonical).collect()),
        Value::Map(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, canonical(value))).collect())
        }
        Value::Sensitive(inner) => Value::Sensitive(Box::new(canonical(*inner))),
        other @ (Value::Null | Value::Bool(_) | Value::String(_) | Value::Unknown(_)) => other,
    }
}

fn canonical_number(number: Number) -> Number {
    // Beyond 2^53 a fraction does not tell which whole number it was.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            // Through text: no cast of a float is without a lint or a loss.
            format!("{float:.0}").parse::<i64>().map_or(number, Number::from)
        }
        _ => number,
    }
}

/// Hides in a release's own values what must not be shown: what is sensitive
/// in the guides (the desired and the remembered values) at the same place,
/// and what no guide knows but has a name that speaks of a secret.
pub fn hide(live: Value, guides: &[&Value]) -> Value {
    if guides.iter().any(|guide| matches!(guide, Value::Sensitive(_))) {
        return Value::Sensitive(Box::new(live));
    }
    match live {
        Value::Map(map) => Value::Map(
            map.into_iter()
                .map(|(key, value)| {
                    let below: Vec<&Value> =
                        guides.iter().filter_map(|guide| guide.get(&key)).collect();
                    let secret = below.is_empty()
                        && speaks_of_a_secret(&key)
                        && matches!(value, Value::String(_) | Value::Number(_));
                    let value = if secret {
                        Value::Sensitive(Box::new(value))
                    } else {
                        hide(value, &below)
                    };
                    (key, value)
                })
                .collect(),
        ),
        Value::List(list) => Value::List(
            list.into_iter()
                .enumerate()
                .map(|(index, value)| {
                    let below: Vec<&Value> =
                        guides.iter().filter_map(|guide| guide.as_list()?.get(index)).collect();
                    hide(value, &below)
                })
                .collect(),
        ),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Unknown(_)
        | Value::Sensitive(_)) => other,
    }
}

fn speaks_of_a_secret(key: &str) -> bool {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "secret", "token", "credential", "apikey", "privatekey", "accesskey"]
        .iter()
        .any(|word| key.contains(word))
}

/// The texts that are sensitive in values, as far as they can be recognised
/// elsewhere: a very short one would be found everywhere.
pub fn sensitive_texts(values: &Value, found: &mut Vec<String>) {
    match values {
        Value::Sensitive(inner) => match inner.reveal() {
            Some(Json::String(text)) if text.chars().count() >= 4 => found.push(text),
            Some(Json::Object(_) | Json::Array(_)) => texts(inner, found),
            _ => {}
        },
        Value::Map(map) => map.values().for_each(|value| sensitive_texts(value, found)),
        Value::List(list) => list.iter().for_each(|value| sensitive_texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unknown(_) => {}
    }
}

/// All texts in a value that is sensitive as a whole.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.chars().count() >= 4 => found.push(text.clone()),
        Value::Map(map) => map.values().for_each(|value| texts(value, found)),
        Value::List(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Sensitive(inner) => texts(inner, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unknown(_) => {}
    }
}

/// Hides every text that holds one of these: what a chart made of a sensitive
/// value is sensitive too.
pub fn hide_texts(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::String(text) if secrets.iter().any(|secret| text.contains(secret.as_str())) => {
            Value::Sensitive(Box::new(Value::String(text)))
        }
        Value::Map(map) => Value::Map(
            map.into_iter().map(|(key, value)| (key, hide_texts(value, secrets))).collect(),
        ),
        Value::List(list) => {
            Value::List(list.into_iter().map(|value| hide_texts(value, secrets)).collect())
        }
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Unknown(_)
        | Value::Sensitive(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::Map;

    fn sensitive(text: &str) -> Value {
        Value::Sensitive(Box::new(Value::from(text)))
    }

    #[test]
    fn numbers_are_as_helm_answers_them() {
        let value = Value::from_json(&json!({"a": 1.0, "b": [0.5, -2.0, 3], "c": 1e300}));
        assert_eq!(
            canonical(value).reveal().unwrap().to_string(),
            r#"{"a":1,"b":[0.5,-2,3],"c":1e+300}"#
        );
    }

    #[test]
    fn versions_are_compared_without_detours() {
        assert_eq!(canonical_version("1.2.3_b.1"), "1.2.3+b.1");
        assert!(same_version("v1.2.3", "1.2.3") && !same_version("1.2.3", "1.2.4"));
    }

    #[test]
    fn live_values_are_hidden_where_the_declared_ones_are() {
        let live = Value::from_json(&json!({
            "db": {"login": "canary-1", "host": "h"},
            "old": "canary-2",
            "adminPassword": "canary-3",
            "plainToken": "declared in plain text",
            "list": [{"x": "canary-4"}],
        }));
        let desired = Value::Map(Map::from([
            ("db".into(), Value::Map(Map::from([("login".into(), sensitive("other"))]))),
            ("plainToken".into(), Value::from("p")),
            (
                "list".into(),
                Value::List(vec![Value::Map(Map::from([("x".into(), sensitive("other"))]))]),
            ),
        ]));
        let prior =
            Value::Map(Map::from([("old".into(), Value::Sensitive(Box::new(Value::Null)))]));
        let shown = format!("{}", hide(live, &[&desired, &prior]));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("declared in plain text") && shown.contains("\"host\": \"h\""));
    }

    #[test]
    fn what_a_chart_makes_of_a_secret_is_hidden() {
        let values = Value::Map(Map::from([
            ("a".into(), sensitive("canary")),
            ("b".into(), sensitive("x")),
            ("c".into(), Value::Sensitive(Box::new(Value::List(vec![Value::from("inner")])))),
        ]));
        let mut secrets = Vec::new();
        sensitive_texts(&values, &mut secrets);
        assert_eq!(secrets, ["canary", "inner"]);
        let tree = Value::from_json(&json!({"env": ["url=http://u:canary@h", "x", "inner"]}));
        let shown = format!("{}", hide_texts(tree, &secrets));
        assert_eq!(shown, r#"{"env": [(sensitive value), "x", (sensitive value)]}"#);
    }
}
