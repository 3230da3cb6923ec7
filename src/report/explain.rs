//! A kind explained: the fields of its spec, what equality ignores, outputs.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{BOLD, DIM, styled};
use crate::adapter::{Kind, OnChange};

/// The kinds, a line each.
pub fn kinds() -> String {
    let mut text = String::from("The kinds of resources; `lkh explain KIND` tells more:\n\n");
    for kind in Kind::ALL {
        let schema = kind.adapter().schema();
        let whole = description(schema.as_value()).replace('\n', " ");
        let first = whole.split_inclusive(['.', ':']).next().unwrap_or_default();
        let space = " ".repeat(24_usize.saturating_sub(kind.as_str().len()));
        let first = first.trim_end_matches(['.', ':']);
        let _ = writeln!(text, "  {}{space}{}", styled(BOLD, kind), styled(DIM, first));
    }
    text
}

/// One kind.
pub fn kind(kind: Kind) -> String {
    let adapter = kind.adapter();
    let schema = adapter.schema();
    let schema = schema.as_value();
    let mut text = String::new();
    let _ = writeln!(text, "{}", styled(BOLD, kind));
    let _ = writeln!(text, "{}\n", description(schema));
    let _ = writeln!(text, "{}", styled(BOLD, "spec"));
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let must = if required.contains(&name.as_str()) { ", required" } else { "" };
        let _ = writeln!(text, "  {} ({}{must})", styled(BOLD, name), type_of(schema, field));
        for line in description(field).lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "what is compared, and what is taken as equal"));
    for attribute in adapter.attributes() {
        let replace = match attribute.on_change {
            OnChange::Update => "",
            OnChange::Replace => "; a difference makes a new object",
        };
        let _ = writeln!(
            text,
            "  {}: {}{replace}",
            styled(BOLD, attribute.name),
            attribute.rule.description()
        );
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "outputs, for references"));
    for (name, meaning) in adapter.outputs() {
        let _ = writeln!(text, "  ${{{kind}.NAME.{name}}}  {}", styled(DIM, meaning));
    }
    if let Some(why) = adapter.never_deleted() {
        let _ = writeln!(text, "\nObjects of this kind are never deleted: {why}.");
    }
    text
}

fn description(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// The type of a field, in a word or two.
fn type_of(root: &Json, field: &Json) -> String {
    if let Some(name) = field["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return root.pointer(pointer).map_or_else(String::new, |target| type_of(root, target));
    }
    let of = |types: &Json| {
        let mut words: Vec<String> = Vec::new();
        for word in types.as_array().into_iter().flatten().map(|one| type_of(root, one)) {
            if word != "null" && !word.is_empty() && !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" or ")
    };
    match &field["type"] {
        Json::String(word) if word == "array" => {
            format!("list of {}", type_of(root, &field["items"]))
        }
        Json::String(word) => word.clone(),
        Json::Array(words) => {
            let words = words.iter().filter_map(Json::as_str).filter(|word| *word != "null");
            words.collect::<Vec<_>>().join(" or ")
        }
        _ if field.get("enum").is_some() || field.get("const").is_some() => "word".to_owned(),
        _ if field.get("anyOf").is_some() => of(&field["anyOf"]),
        _ if field.get("oneOf").is_some() => of(&field["oneOf"]),
        _ => "any".to_owned(),
    }
}
