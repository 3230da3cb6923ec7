//! The checks that the AWS CLI makes before it sends anything: required members,
//! unknown members, types, least lengths and values. All findings are reported
//! in one go. What only the service can judge is not checked here.

use serde_json::{Map, Value};

use super::args::Refusal;
use super::model::{Field, Shape};

/// Checks a whole input.
pub fn check(input: &Map<String, Value>, fields: &'static [Field]) -> Result<(), Refusal> {
    let mut findings = Vec::new();
    structure(input, fields, "", &mut findings);
    if findings.is_empty() {
        return Ok(());
    }
    Err(Refusal::Parameter(format!("Parameter validation failed:\n{}", findings.join("\n"))))
}

fn shown(name: &str) -> &str {
    match name {
        "" => "input",
        other => other.strip_prefix('.').unwrap_or(other),
    }
}

fn structure(
    members: &Map<String, Value>,
    fields: &[Field],
    name: &str,
    findings: &mut Vec<String>,
) {
    for field in fields {
        if field.required && !members.contains_key(field.name) {
            findings.push(format!(
                "Missing required parameter in {}: \"{}\"",
                shown(name),
                field.name
            ));
        }
    }
    for member in members.keys() {
        if !fields.iter().any(|field| field.name == member) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            findings.push(format!(
                "Unknown parameter in {}: \"{member}\", must be one of: {}",
                shown(name),
                known.join(", ")
            ));
        }
    }
    for field in fields {
        if let Some(value) = members.get(field.name) {
            check_value(value, field.shape, &format!("{name}.{}", field.name), findings);
        }
    }
}

fn check_value(value: &Value, shape: Shape, name: &str, findings: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Text(least), Value::String(text)) => {
            let length = text.chars().count();
            if length < least {
                findings.push(too_short(name, length, least));
            }
        }
        (Shape::Document, Value::String(_)) | (Shape::Flag, Value::Bool(_)) => {}
        (Shape::Number(least), Value::Number(number)) if number.is_i64() => {
            if let (Some(least), Some(number)) = (least, number.as_i64())
                && number < least
            {
                findings.push(format!(
                    "Invalid value for parameter {}, value: {number}, valid min value: {least}",
                    shown(name)
                ));
            }
        }
        (Shape::List(member), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                check_value(item, *member, &format!("{name}[{at}]"), findings);
            }
        }
        (Shape::Map(member), Value::Object(entries)) => {
            for (key, item) in entries {
                check_value(item, *member, &format!("{name}.{key}"), findings);
            }
        }
        (Shape::Structure(fields), Value::Object(members)) => {
            structure(members, fields, name, findings);
        }
        (
            Shape::Text(_)
            | Shape::Document
            | Shape::Flag
            | Shape::Number(_)
            | Shape::List(_)
            | Shape::Map(_)
            | Shape::Structure(_),
            other,
        ) => findings.push(format!(
            "Invalid type for parameter {}, value: {}, type: {}, valid types: {}",
            shown(name),
            python(other),
            python_type(other),
            wanted(shape)
        )),
    }
}

fn too_short(name: &str, length: usize, least: usize) -> String {
    format!(
        "Invalid length for parameter {}, value: {length}, valid min length: {least}",
        shown(name)
    )
}

/// A value as the CLI, a Python program, prints it in a message.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("'{name}': {}", quoted(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            python(value)
        }
    }
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<class 'NoneType'>",
        Value::Bool(_) => "<class 'bool'>",
        Value::Number(number) if number.is_f64() => "<class 'float'>",
        Value::Number(_) => "<class 'int'>",
        Value::String(_) => "<class 'str'>",
        Value::Array(_) => "<class 'list'>",
        Value::Object(_) => "<class 'dict'>",
    }
}

fn wanted(shape: Shape) -> &'static str {
    match shape {
        Shape::Text(_) | Shape::Document => "<class 'str'>",
        Shape::Number(_) => "<class 'int'>",
        Shape::Flag => "<class 'bool'>",
        Shape::List(_) => "<class 'list'>, <class 'tuple'>",
        Shape::Map(_) | Shape::Structure(_) => "<class 'dict'>",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::{TEXTS, may, need};
    use super::*;

    const FIELDS: &[Field] = &[
        need("RoleName", Shape::Text(1)),
        may("MaxSessionDuration", Shape::Number(Some(3600))),
        may(
            "Tags",
            Shape::List(&Shape::Structure(&[
                need("Key", Shape::Text(1)),
                need("Value", Shape::Text(0)),
            ])),
        ),
        may("Keys", TEXTS),
        may("On", Shape::Flag),
    ];

    #[test]
    fn findings_in_the_words_of_the_cli() {
        for (input, expected) in [
            (json!({"RoleName": "a"}), ""),
            (json!({}), "Missing required parameter in input: \"RoleName\""),
            (
                json!({"RoleName": "", "MaxSessionDuration": 5}),
                "Invalid length for parameter RoleName, value: 0, valid min length: 1\nInvalid value for parameter MaxSessionDuration, value: 5, valid min value: 3600",
            ),
            (
                json!({"RoleName": "a", "Rolename": "b"}),
                "Unknown parameter in input: \"Rolename\", must be one of: RoleName, MaxSessionDuration, Tags, Keys, On",
            ),
            (
                json!({"RoleName": "a", "Tags": [{"Key": "k"}]}),
                "Missing required parameter in Tags[0]: \"Value\"",
            ),
            (
                json!({"RoleName": "a", "Tags": [{"Key": "k", "Value": 5}], "Keys": "x", "On": "yes"}),
                "Invalid type for parameter Tags[0].Value, value: 5, type: <class 'int'>, valid types: <class 'str'>\nInvalid type for parameter Keys, value: x, type: <class 'str'>, valid types: <class 'list'>, <class 'tuple'>\nInvalid type for parameter On, value: yes, type: <class 'str'>, valid types: <class 'bool'>",
            ),
        ] {
            let Value::Object(members) = input else { panic!("not an object") };
            let found = match check(&members, FIELDS) {
                Ok(()) => String::new(),
                Err(refusal) => refusal.to_string(),
            };
            let expected = if expected.is_empty() {
                String::new()
            } else {
                format!("Parameter validation failed:\n{expected}")
            };
            assert_eq!(found, expected);
        }
    }
}
