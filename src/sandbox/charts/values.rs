//! Chart values: how `helm` merges files, `--set` flags and a chart's
//! defaults.
//!
//! Pure functions over JSON values. This module must not know any chart.

use serde_json::{Map, Value};

/// Lays `over` on top of `under`: maps merge deeply, everything else of `over`
/// wins, nulls included. This is how one values file follows another.
pub fn overlay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(key) {
                    Some(old) if old.is_object() && value.is_object() => overlay(old, value),
                    _ => {
                        under.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// A chart's defaults with a user's values over them: maps merge deeply, a
/// user's null removes the default, a default's null stays.
pub fn coalesce(user: &Value, defaults: &Value) -> Value {
    let (Some(user), Some(defaults)) = (user.as_object(), defaults.as_object()) else {
        return user.clone();
    };
    let mut merged = defaults.clone();
    for (key, value) in user {
        if value.is_null() {
            merged.remove(key);
            continue;
        }
        let value = match defaults.get(key) {
            Some(default) if default.is_object() && value.is_object() => coalesce(value, default),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    Value::Object(merged)
}

/// How the text after `=` in a `--set` flag becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// `--set`: numbers, booleans and null are recognised.
    Typed,
    /// `--set-string`: always text.
    Text,
    /// `--set-json`: the text is JSON.
    Json,
    /// `--set-literal`: the rest is text, commas and all.
    Literal,
}

/// Applies one `--set` flag, such as `a.b=1,c[0]=x,d={p,q}`, to the values.
///
/// # Errors
///
/// `helm`'s words for a key without a value or JSON that is none, without the
/// `failed parsing --set data: ` before them.
pub fn set(values: &mut Value, flag: &str, reading: Reading) -> Result<(), String> {
    if reading == Reading::Json && flag.trim_start().starts_with('{') {
        let whole: Value = serde_json::from_str(flag).map_err(|error| error.to_string())?;
        overlay(values, &whole);
        return Ok(());
    }
    let mut rest = flag;
    while !rest.is_empty() {
        let (path, after) = key(rest)?;
        let (value, after) = match reading {
            Reading::Literal => (Value::from(after), ""),
            Reading::Json => json(after)?,
            Reading::Typed | Reading::Text => scalar_or_list(after, reading),
        };
        place(values, &path, value);
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Ok(())
}

/// One step of a key: a name in a map or an index in a list.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// A list index beyond this is refused, as `helm` does.
const MAX_INDEX: usize = 65_536;

/// Splits the key off the front of a flag, up to and with its `=`.
fn key(text: &str) -> Result<(Vec<Step>, &str), String> {
    let mut path = Vec::new();
    let mut name = String::new();
    let mut after_index = false;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                if let Some((_, escaped)) = letters.next() {
                    name.push(escaped);
                }
            }
            '.' | '=' => {
                if !after_index || !name.is_empty() {
                    path.push(Step::Name(std::mem::take(&mut name)));
                }
                after_index = false;
                if letter == '=' {
                    return Ok((path, text.get(at + 1..).unwrap_or_default()));
                }
            }
            ',' => return Err(format!("key \"{name}\" has no value (cannot end with ,)")),
            '[' => {
                if !name.is_empty() {
                    path.push(Step::Name(std::mem::take(&mut name)));
                }
                let digits: String = letters
                    .by_ref()
                    .map(|(_, digit)| digit)
                    .take_while(|digit| *digit != ']')
                    .collect();
                let index: usize = digits.parse().map_err(|_| {
                    format!(
                        "error parsing index: strconv.Atoi: parsing \"{digits}\": invalid syntax"
                    )
                })?;
                if index > MAX_INDEX {
                    return Err(format!(
                        "index of {index} is greater than maximum supported index of {MAX_INDEX}"
                    ));
                }
                path.push(Step::Index(index));
                after_index = true;
            }
            _ => name.push(letter),
        }
    }
    Err(format!("key \"{name}\" has no value"))
}

fn scalar_or_list(text: &str, reading: Reading) -> (Value, &str) {
    let Some(list) = text.strip_prefix('{') else {
        let (word, rest) = word(text, ",");
        return (typed(&word, reading), rest);
    };
    let mut items = Vec::new();
    let mut rest = list;
    loop {
        let (item, after) = word(rest, ",}");
        if !(items.is_empty() && item.is_empty() && after.starts_with('}')) {
            items.push(typed(&item, reading));
        }
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (Value::Array(items), after.strip_prefix('}').unwrap_or(after)),
        }
    }
}

/// The text up to an unescaped letter of `ends`, and what follows.
fn word<'a>(text: &'a str, ends: &str) -> (String, &'a str) {
    let mut word = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            if let Some((_, escaped)) = letters.next() {
                word.push(escaped);
            }
        } else if ends.contains(letter) {
            return (word, text.get(at..).unwrap_or_default());
        } else {
            word.push(letter);
        }
    }
    (word, "")
}

fn typed(word: &str, reading: Reading) -> Value {
    if reading != Reading::Typed {
        return Value::from(word);
    }
    match word {
        "true" => Value::from(true),
        "false" => Value::from(false),
        "null" => Value::Null,
        "0" => Value::from(0),
        // A leading zero means text: an account number is not an octal number.
        _ if word.starts_with('0') => Value::from(word),
        _ => word.parse::<i64>().map_or_else(|_| Value::from(word), Value::from),
    }
}

fn json(text: &str) -> Result<(Value, &str), String> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match stream.next() {
        Some(Ok(value)) => Ok((value, text.get(stream.byte_offset()..).unwrap_or_default())),
        Some(Err(error)) => Err(error.to_string()),
        None => Ok((Value::Null, "")),
    }
}

fn place(values: &mut Value, path: &[Step], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *values = value;
        return;
    };
    match step {
        Step::Name(name) => {
            if !values.is_object() {
                *values = Value::Object(Map::new());
            }
            if let Some(map) = values.as_object_mut() {
                place(map.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Step::Index(index) => {
            if !values.is_array() {
                *values = Value::Array(Vec::new());
            }
            if let Some(list) = values.as_array_mut() {
                if list.len() <= *index {
                    list.resize(index + 1, Value::Null);
                }
                if let Some(slot) = list.get_mut(*index) {
                    place(slot, rest, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn user_values_lie_over_the_defaults() {
        let defaults = json!({"a": 1, "b": {"c": "x", "d": null}, "l": [1, 2]});
        for (user, expected) in [
            (json!({}), json!({"a": 1, "b": {"c": "x", "d": null}, "l": [1, 2]})),
            (
                json!({"a": null, "b": {"c": null, "e": 1}}),
                json!({"b": {"d": null, "e": 1}, "l": [1, 2]}),
            ),
            (json!({"a": {"z": 1}, "b": 3, "l": []}), json!({"a": {"z": 1}, "b": 3, "l": []})),
            (
                json!({"new": {"x": 1}}),
                json!({"a": 1, "b": {"c": "x", "d": null}, "l": [1, 2], "new": {"x": 1}}),
            ),
        ] {
            assert_eq!(coalesce(&user, &defaults), expected, "{user}");
        }
    }

    #[test]
    fn set_flags_are_read_as_helm_reads_them() {
        for (flag, expected) in [
            ("a=1,b.c=true,d=x", json!({"a": 1, "b": {"c": true}, "d": "x"})),
            ("l[1]=9", json!({"l": [null, 9]})),
            ("l={a,2}", json!({"l": ["a", 2]})),
            ("l={}", json!({"l": []})),
            ("a=x\\,y", json!({"a": "x,y"})),
            ("eks\\.io/role=r", json!({"eks.io/role": "r"})),
            ("a=null", json!({"a": null})),
            ("account=012345678901", json!({"account": "012345678901"})),
            ("l[0].k=v,l[0].w=2", json!({"l": [{"k": "v", "w": 2}]})),
            ("a=", json!({"a": ""})),
        ] {
            let mut values = json!({});
            set(&mut values, flag, Reading::Typed).unwrap();
            assert_eq!(values, expected, "{flag}");
        }
        let mut values = json!({"a": {"keep": 1}});
        set(&mut values, "a.n=1", Reading::Text).unwrap();
        set(&mut values, "a.j={\"x\":[1]},b=2", Reading::Json).unwrap();
        set(&mut values, "c=1,2", Reading::Literal).unwrap();
        assert_eq!(
            values,
            json!({"a": {"keep": 1, "n": "1", "j": {"x": [1]}}, "b": 2, "c": "1,2"})
        );
    }

    #[test]
    fn a_key_without_a_value_is_refused() {
        assert_eq!(set(&mut json!({}), "a", Reading::Typed).unwrap_err(), "key \"a\" has no value");
    }
}
