//! Prints an answer as the AWS CLI does: keys in the order of the output shape,
//! JSON with four spaces, or the tab-separated text form.
//!
//! Members that the shape does not name are not printed, so that a stored entry
//! may carry what only the sandbox needs to know.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Number, Value};

use super::model::{Field, Shape};

/// JSON whose objects keep the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub enum Ordered {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Ordered>),
    /// An object.
    Object(Vec<(String, Ordered)>),
}

/// The answer in the order of its shape.
pub fn project(value: &Value, fields: &[Field]) -> Ordered {
    Ordered::Object(
        fields
            .iter()
            .filter_map(|field| {
                let member = value.get(field.name)?;
                Some((field.name.to_owned(), project_value(member, field.shape)))
            })
            .collect(),
    )
}

fn project_value(value: &Value, shape: Shape) -> Ordered {
    match (shape, value) {
        (Shape::Structure(fields), value) => project(value, fields),
        (Shape::List(member), Value::Array(items)) => {
            Ordered::List(items.iter().map(|item| project_value(item, *member)).collect())
        }
        (Shape::Document, Value::String(text)) => {
            serde_json::from_str(text).unwrap_or_else(|_| Ordered::Text(text.clone()))
        }
        (
            Shape::Text(_)
            | Shape::Number(_)
            | Shape::Flag
            | Shape::Document
            | Shape::List(_)
            | Shape::Map(_),
            value,
        ) => plain(value),
    }
}

fn plain(value: &Value) -> Ordered {
    match value {
        Value::Null => Ordered::Null,
        Value::Bool(flag) => Ordered::Bool(*flag),
        Value::Number(number) => Ordered::Number(number.clone()),
        Value::String(text) => Ordered::Text(text.clone()),
        Value::Array(items) => Ordered::List(items.iter().map(plain).collect()),
        Value::Object(members) => Ordered::Object(
            members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        ),
    }
}

/// `--output json`; an empty answer prints nothing.
pub fn json(answer: &Ordered) -> Vec<u8> {
    if *answer == Ordered::Object(Vec::new()) {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, indent);
    // Writing to memory cannot fail, and every key is a string.
    if answer.serialize(&mut serializer).is_err() {
        bytes.clear();
    }
    bytes.push(b'\n');
    bytes
}

/// `--output text`.
pub fn text(answer: &Ordered) -> Vec<u8> {
    let mut lines = String::new();
    text_item(answer, None, None, &mut lines);
    lines.into_bytes()
}

fn text_item(item: &Ordered, label: Option<&str>, keys: Option<&[String]>, lines: &mut String) {
    match item {
        Ordered::Object(members) => text_object(members, label, keys, lines),
        Ordered::List(items) => text_list(items, label, lines),
        Ordered::Null | Ordered::Bool(_) | Ordered::Number(_) | Ordered::Text(_) => {
            lines.push_str(&scalar(item));
            lines.push('\n');
        }
    }
}

fn text_list(items: &[Ordered], label: Option<&str>, lines: &mut String) {
    if items.iter().any(|item| matches!(item, Ordered::Object(_))) {
        // Rows of one list have the same columns, even where a member is absent.
        let mut keys: Vec<String> = items.iter().flat_map(scalar_keys).collect();
        keys.sort();
        keys.dedup();
        for item in items {
            text_item(item, label, Some(&keys), lines);
        }
        return;
    }
    let (scalars, nested): (Vec<&Ordered>, Vec<&Ordered>) =
        items.iter().partition(|item| !matches!(item, Ordered::List(_)));
    match label {
        _ if scalars.is_empty() => {}
        Some(label) => {
            for item in scalars {
                push_row(lines, [label.to_uppercase(), scalar(item)].into_iter());
            }
        }
        None => push_row(lines, scalars.into_iter().map(scalar)),
    }
    for item in nested {
        text_item(item, label, None, lines);
    }
}

fn text_object(
    members: &[(String, Ordered)],
    label: Option<&str>,
    keys: Option<&[String]>,
    lines: &mut String,
) {
    let mut sorted: Vec<&(String, Ordered)> = members.iter().collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    let cells: Vec<String> = match keys {
        Some(keys) => keys
            .iter()
            .map(|key| {
                sorted
                    .iter()
                    .find(|(name, _)| name == key)
                    .map_or_else(String::new, |(_, value)| scalar(value))
            })
            .collect(),
        None => sorted
            .iter()
            .filter(|(_, value)| is_scalar(value))
            .map(|(_, value)| scalar(value))
            .collect(),
    };
    if !cells.is_empty() {
        push_row(lines, label.map(str::to_uppercase).into_iter().chain(cells));
    }
    for (name, value) in sorted {
        if !is_scalar(value) {
            text_item(value, Some(name), None, lines);
        }
    }
}

fn push_row(lines: &mut String, cells: impl Iterator<Item = String>) {
    lines.push_str(&cells.collect::<Vec<_>>().join("\t"));
    lines.push('\n');
}

fn is_scalar(value: &Ordered) -> bool {
    !matches!(value, Ordered::List(_) | Ordered::Object(_))
}

fn scalar_keys(item: &Ordered) -> Vec<String> {
    match item {
        Ordered::Object(members) => members
            .iter()
            .filter(|(_, value)| is_scalar(value))
            .map(|(name, _)| name.clone())
            .collect(),
        Ordered::Null
        | Ordered::Bool(_)
        | Ordered::Number(_)
        | Ordered::Text(_)
        | Ordered::List(_) => Vec::new(),
    }
}

fn scalar(value: &Ordered) -> String {
    match value {
        Ordered::Null => "None".to_owned(),
        Ordered::Bool(true) => "True".to_owned(),
        Ordered::Bool(false) => "False".to_owned(),
        Ordered::Number(number) => number.to_string(),
        Ordered::Text(text) => text.clone(),
        Ordered::List(_) | Ordered::Object(_) => String::new(),
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Ok(Ordered::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Ordered, E> {
        Ok(Ordered::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Ordered, E> {
        Ok(Ordered::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Ordered, E> {
        Ok(Ordered::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Ordered, E> {
        Ok(Number::from_f64(number).map_or(Ordered::Null, Ordered::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Ordered, E> {
        Ok(Ordered::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ordered::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Ordered, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Ordered::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::{NUMBER, TEXT, TEXTS, may};
    use super::*;

    const FIELDS: &[Field] = &[
        may("Zeta", TEXT),
        may("Alpha", NUMBER),
        may("Doc", Shape::Document),
        may("Rows", Shape::List(&Shape::Structure(&[may("B", TEXT), may("A", TEXT)]))),
        may("Names", TEXTS),
    ];

    #[test]
    fn keys_follow_the_shape_and_documents_keep_their_own_order() {
        let answer = project(
            &json!({"Alpha": 1, "Zeta": "z", "Doc": "{\"b\":[],\"a\":{}}", "hidden": true}),
            FIELDS,
        );
        let expected = "{\n    \"Zeta\": \"z\",\n    \"Alpha\": 1,\n    \"Doc\": {\n        \"b\": [],\n        \"a\": {}\n    }\n}\n";
        assert_eq!(String::from_utf8_lossy(&json(&answer)), expected);
    }

    #[test]
    fn an_empty_answer_prints_nothing() {
        assert!(json(&project(&json!({}), FIELDS)).is_empty());
    }

    #[test]
    fn text_sorts_columns_and_labels_rows() {
        let answer = project(
            &json!({"Zeta": "z", "Alpha": 1, "Rows": [{"A": "1", "B": "2"}, {"B": "3"}], "Names": ["x", "y"]}),
            FIELDS,
        );
        assert_eq!(
            String::from_utf8_lossy(&text(&answer)),
            "1\tz\nNAMES\tx\nNAMES\ty\nROWS\t1\t2\nROWS\t\t3\n"
        );
    }
}
