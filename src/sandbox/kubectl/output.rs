//! `-o`: objects as JSON, YAML, names, JSON paths and custom columns.
//!
//! Pure functions over objects.

use serde_json::{Value, json};

use super::{Failure, table};
use crate::sandbox::charts::yaml;

/// Four spaces, sorted keys, Go's escapes, and a line end.
pub fn json(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Writing to memory cannot fail.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    let text = String::from_utf8_lossy(&out);
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026") + "\n"
}

/// The object without what nobody reads.
pub fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// `kind: List`, as `kubectl` makes one of many answers.
pub fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// One object in the form that `-o` names; `shown` is its `TYPE/NAME`.
///
/// # Errors
///
/// The form is unknown.
pub fn one(format: &str, object: &Value, shown: &str) -> Result<String, Failure> {
    match format {
        "json" => Ok(json(&without_managed_fields(object.clone()))),
        "yaml" => Ok(yaml::print(&without_managed_fields(object.clone()))),
        "name" => Ok(format!("{shown}\n")),
        _ => match format.split_once('=') {
            Some(("jsonpath", template)) => path_template(template, object),
            _ => Err(unknown(format)),
        },
    }
}

/// What `kubectl` says of an unknown form.
pub fn unknown(format: &str) -> Failure {
    Failure::said(format!(
        "unable to match a printer suitable for the output format \"{format}\", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml"
    ))
}

/// A table with the columns that `HEADER:.path,...` names.
///
/// # Errors
///
/// The text is no such list.
pub fn custom_columns(spec: &str, objects: &[&Value], no_headers: bool) -> Result<String, Failure> {
    let mut columns = Vec::new();
    for part in spec.split(',') {
        let (header, path) = part.split_once(':').ok_or_else(|| {
            Failure::said(format!(
                "unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"
            ))
        })?;
        columns.push((header.to_owned(), steps(path)?));
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !no_headers {
        rows.push(columns.iter().map(|(header, _)| header.clone()).collect());
    }
    for object in objects {
        let cell = |steps: &Vec<Step>| {
            let found: Vec<String> = follow(object, steps).into_iter().map(go_text).collect();
            if found.is_empty() { "<none>".to_owned() } else { found.join(",") }
        };
        rows.push(columns.iter().map(|(_, steps)| cell(steps)).collect());
    }
    Ok(table::align(&rows))
}

/// A `jsonpath=` template: text with paths in braces.
///
/// # Errors
///
/// A path makes no sense, or names something that is not there.
pub fn path_template(template: &str, object: &Value) -> Result<String, Failure> {
    let template = template.trim_matches(['\'', '"']);
    // A bare path may leave the braces out.
    let braced;
    let template = if template.contains('{') {
        template
    } else {
        braced = format!("{{{template}}}");
        &braced
    };
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (path, after) = after
            .split_once('}')
            .ok_or_else(|| Failure::said("error parsing jsonpath: unclosed action"))?;
        rest = after;
        if let Some(literal) = path.strip_prefix('"').and_then(|path| path.strip_suffix('"')) {
            out.push_str(&literal.replace("\\n", "\n").replace("\\t", "\t"));
            continue;
        }
        let found: Vec<String> = follow(object, &steps(path)?).into_iter().map(go_json).collect();
        out.push_str(&found.join(" "));
    }
    out.push_str(rest);
    Ok(out)
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(i64),
    All,
    Where(Vec<Step>, String),
}

fn steps(path: &str) -> Result<Vec<Step>, Failure> {
    let wrong = || Failure::said(format!("unrecognized identifier in path: {path}"));
    let mut steps = Vec::new();
    let mut rest = path.trim().trim_start_matches(['$', '@']);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']').ok_or_else(wrong)?;
            rest = after;
            steps.push(if inside == "*" {
                Step::All
            } else if let Some(filter) =
                inside.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')'))
            {
                let (left, right) = filter.split_once("==").ok_or_else(wrong)?;
                Step::Where(self::steps(left)?, right.trim().trim_matches(['\'', '"']).to_owned())
            } else if let Ok(index) = inside.parse() {
                Step::Index(index)
            } else {
                Step::Name(inside.trim_matches(['\'', '"']).to_owned())
            });
            continue;
        }
        let text = rest.strip_prefix('.').unwrap_or(rest);
        let mut name = String::new();
        let mut end = text.len();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => name.extend(letters.next().map(|(_, escaped)| escaped)),
                '.' | '[' => {
                    end = at;
                    break;
                }
                letter => name.push(letter),
            }
        }
        rest = text.get(end..).unwrap_or_default();
        match name.as_str() {
            "" if rest.is_empty() => {}
            "" if !rest.starts_with('[') => return Err(wrong()),
            "" => {}
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Name(name)),
        }
    }
    Ok(steps)
}

fn follow<'a>(object: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return vec![object] };
    let next: Vec<&Value> = match (step, object) {
        (Step::Name(name), Value::Object(map)) => map.get(name).into_iter().collect(),
        (Step::Index(index), Value::Array(list)) => {
            let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
            let index = if *index < 0 { length + index } else { *index };
            usize::try_from(index).ok().and_then(|index| list.get(index)).into_iter().collect()
        }
        (Step::All, Value::Array(list)) => list.iter().collect(),
        (Step::All, Value::Object(map)) => map.values().collect(),
        (Step::Where(path, wanted), Value::Array(list)) => list
            .iter()
            .filter(|item| follow(item, path).into_iter().any(|value| go_text(value) == *wanted))
            .collect(),
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| follow(value, rest)).collect()
}

/// A value as Go prints it without a format: `map[a:b]`, `[a b]`.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(go_text).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", go_text(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// A value as a JSON path prints it: text bare, the rest as JSON.
fn go_json(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// The value of a path such as `.metadata.creationTimestamp`, to sort by.
pub fn sort_key(path: &str, object: &Value) -> String {
    let path = path.trim_matches(['{', '}']);
    let found =
        steps(path).ok().and_then(|steps| follow(object, &steps).into_iter().next().map(go_json));
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_values() {
        let object = json!({"metadata": {"name": "x", "labels": {"a/b": "c"}}, "status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}, "n": 2});
        for (template, expected) in [
            ("{.metadata.name}", "x"),
            (".metadata.name", "x"),
            ("{.status.conditions[?(@.type==\"Ready\")].status}", "True"),
            ("{.status.conditions[*].type}", "Ready Other"),
            ("{.status.conditions[-1].type}{\"\\n\"}", "Other\n"),
            ("{.metadata.labels['a/b']}={.n}", "c=2"),
            ("{.nothing}", ""),
        ] {
            assert_eq!(path_template(template, &object).unwrap(), expected, "{template}");
        }
        let columns =
            custom_columns("NAME:.metadata.name,LABELS:.metadata.labels,X:.x", &[&object], false)
                .unwrap();
        assert_eq!(columns, "NAME   LABELS       X\nx      map[a/b:c]   <none>\n");
    }

    #[test]
    fn json_is_indented_by_four() {
        assert_eq!(
            json(&json!({"a": {"b": "<"}, "c": []})),
            "{\n    \"a\": {\n        \"b\": \"\\u003c\"\n    },\n    \"c\": []\n}\n"
        );
    }
}
