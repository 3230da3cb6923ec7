//! Who owns which field: `metadata.managedFields`, and server-side apply, which
//! acts on it.
//!
//! Follows "Server-Side Apply" of the Kubernetes documentation: an apply owns
//! the fields it names, takes those away that it named before and no longer
//! does, and refuses fields that others own and that it would change, unless
//! forced. Any other write owns what it changes. Pure functions over objects.

use serde_json::{Value, json};

use super::fields::FieldSet;
use super::options::Subresource;
use super::paths::{Step, at_path, has_key, path_text, remove_path};
use super::schema::{Rule, Schema, item_key};
use super::status::{Reason, Status};

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    manager: String,
    apply: bool,
    api_version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

impl Entry {
    fn read(json: &Value) -> Self {
        let text =
            |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            apply: text("operation") == "Apply",
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: FieldSet::from_json(json.get("fieldsV1").unwrap_or(&Value::Null)),
        }
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_json(),
            "manager": self.manager,
            "operation": if self.apply { "Apply" } else { "Update" },
            "time": self.time,
        });
        if !self.subresource.is_empty() {
            json["subresource"] = json!(self.subresource);
        }
        json
    }

    /// Whether it is the entry of this writer.
    fn is(&self, who: &Writer, apply: bool) -> bool {
        self.apply == apply
            && self.manager == who.manager
            && self.subresource == subresource_name(who.subresource)
            && (apply || self.api_version == who.api_version)
    }

    /// How a conflict names it.
    fn describe(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        if !self.apply {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }
}

/// Who writes, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub manager: &'a str,
    pub subresource: Subresource,
    pub api_version: &'a str,
    /// The time as `metadata` writes it.
    pub time: &'a str,
}

fn subresource_name(subresource: Subresource) -> &'static str {
    match subresource {
        Subresource::Main => "",
        Subresource::Status => "status",
        Subresource::Scale => "scale",
    }
}

fn entries(object: &Value) -> Vec<Entry> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().map(Entry::read).collect()
}

/// Writes the entries back: appliers first, then by time and name.
fn put_entries(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|e| !e.fields.is_empty());
    entries.sort_by(|a, b| {
        (!a.apply, &a.time, &a.manager, &a.subresource).cmp(&(
            !b.apply,
            &b.time,
            &b.manager,
            &b.subresource,
        ))
    });
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            let entries = entries.iter().map(Entry::to_json).collect();
            metadata.insert("managedFields".to_owned(), entries);
        }
    }
}

/// Notes in `new` who owns what after a write that is no apply. A write may
/// bring entries of its own, as `kubectl` does when it moves an object to
/// server-side apply; one that brings none leaves them as they were.
pub(super) fn note_update(old: Option<&Value>, new: &mut Value, schema: &Schema, who: &Writer) {
    let changed = FieldSet::of_changes(old, new, schema);
    let brings = new.pointer("/metadata/managedFields").is_some_and(Value::is_array);
    let mut entries = entries(if brings { new } else { old.unwrap_or(&Value::Null) });
    for entry in entries.iter_mut().filter(|e| !e.is(who, false)) {
        entry.fields.take(&changed);
    }
    if !changed.is_empty() {
        match entries.iter_mut().find(|e| e.is(who, false)) {
            Some(entry) => {
                entry.fields.add(&changed);
                who.time.clone_into(&mut entry.time);
            }
            None => entries.push(new_entry(who, false, changed)),
        }
    }
    for entry in &mut entries {
        // A field that was applied as null exists in no object, yet is owned.
        if !entry.apply {
            entry.fields.keep_existing(new);
        }
    }
    put_entries(new, entries);
}

fn new_entry(who: &Writer, apply: bool, fields: FieldSet) -> Entry {
    Entry {
        manager: who.manager.to_owned(),
        apply,
        api_version: who.api_version.to_owned(),
        subresource: subresource_name(who.subresource).to_owned(),
        time: who.time.to_owned(),
        fields,
    }
}

/// The object that an apply makes of the live one (or of nothing), with its
/// entries. Defaults are not filled in yet.
///
/// # Errors
/// `Conflict` where others own fields that would change, and `force` is false.
pub(super) fn apply(
    live: Option<&Value>,
    applied: &Value,
    schema: &Schema,
    who: &Writer,
    force: bool,
) -> Result<Value, Status> {
    let wanted = FieldSet::of_applied(applied, schema);
    let base = live.cloned().unwrap_or_else(|| json!({}));
    let mut entries = entries(&base);
    let mut conflicts: Vec<(String, Vec<Step>)> = Vec::new();
    for entry in entries.iter_mut().filter(|e| !e.is(who, true)) {
        let shared = wanted.common(&entry.fields).paths();
        let lost: Vec<Vec<Step>> = shared
            .into_iter()
            .filter(|path| differs(at_path(&base, path), at_path(applied, path), &wanted, path))
            .collect();
        if force {
            entry.fields.take(&FieldSet::from_paths(lost.iter().map(Vec::as_slice)));
        } else {
            conflicts.extend(lost.into_iter().map(|path| (entry.describe(), path)));
        }
    }
    if !conflicts.is_empty() {
        return Err(conflict(&conflicts));
    }
    let mut merged =
        merge(Some(&base), applied, schema, &mut Vec::new()).unwrap_or_else(|| json!({}));
    let before = entries.iter().position(|e| e.is(who, true)).map(|at| entries.remove(at));
    if let Some(before) = &before {
        let mut dropped = before.fields.clone();
        dropped.take(&wanted);
        // Parents come first: an item that nobody else has goes as a whole. The
        // keys of one that stays must stay with it.
        for path in &dropped.paths() {
            let shared = entries.iter().any(|e| e.fields.touches(path)) || wanted.touches(path);
            if !shared && !is_key(path) {
                remove_path(&mut merged, path);
                drop_empty_parents(&mut merged, path);
            }
        }
    }
    let mut entry = new_entry(who, true, wanted);
    if let Some(before) =
        before.filter(|b| b.fields == entry.fields && b.api_version == entry.api_version)
    {
        entry.time = before.time;
    }
    entries.push(entry);
    for entry in entries.iter_mut().filter(|e| !e.apply) {
        entry.fields.keep_existing(&merged);
    }
    put_entries(&mut merged, entries);
    Ok(merged)
}

/// Whether an applied value would change the live one. The mere presence of a
/// map or list item never does.
fn differs(
    live: Option<&Value>,
    applied: Option<&Value>,
    wanted: &FieldSet,
    path: &[Step],
) -> bool {
    !wanted.has_below(path)
        && live != applied
        && !(live.is_none() && applied.is_some_and(Value::is_null))
}

/// Whether a path ends in a key field of a list item.
fn is_key(path: &[Step]) -> bool {
    match path {
        [.., Step::Key(keys), Step::Field(name)] => {
            serde_json::from_str::<Value>(keys).is_ok_and(|k| k.get(name).is_some())
        }
        _ => false,
    }
}

/// Removes maps and lists above a removed field that it leaves empty.
fn drop_empty_parents(object: &mut Value, path: &[Step]) {
    for length in (2..path.len()).rev() {
        let Some(parent) = path.get(..length) else { return };
        let empty = match at_path(object, parent) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                false
            }
        };
        if !empty {
            return;
        }
        remove_path(object, parent);
    }
}

fn conflict(conflicts: &[(String, Vec<Step>)]) -> Status {
    let text = if let [(manager, path)] = conflicts {
        format!("Apply failed with 1 conflict: conflict with {manager}: {}", path_text(path))
    } else {
        let mut managers: Vec<&String> = conflicts.iter().map(|(m, _)| m).collect();
        managers.sort();
        managers.dedup();
        let parts: Vec<String> = managers
            .into_iter()
            .map(|manager| {
                let paths = conflicts.iter().filter(|(m, _)| m == manager);
                let lines: Vec<String> =
                    paths.map(|(_, p)| format!("- {}", path_text(p))).collect();
                format!("conflicts with {manager}:\n{}", lines.join("\n"))
            })
            .collect();
        format!("Apply failed with {} conflicts: {}", conflicts.len(), parts.join("\n"))
    };
    let mut status = Status::new(Reason::Conflict, text);
    let causes: Vec<Value> = conflicts
        .iter()
        .map(|(manager, path)| {
            json!({
                "reason": "FieldManagerConflict",
                "message": format!("conflict with {manager}"),
                "field": path_text(path),
            })
        })
        .collect();
    status.details = json!({"causes": causes});
    status
}

/// Merges applied fields into a live value. `None` is an applied null: the
/// value goes.
fn merge<'v>(
    live: Option<&'v Value>,
    applied: &'v Value,
    schema: &Schema,
    path: &mut Vec<&'v str>,
) -> Option<Value> {
    match (schema.rule(path, applied), live, applied) {
        (_, _, Value::Null) => None,
        (Rule::Granular, live, Value::Object(fields)) => {
            let mut merged = live.and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, value) in fields {
                path.push(name);
                match merge(live.and_then(|l| l.get(name)), value, schema, path) {
                    Some(value) => merged.insert(name.clone(), value),
                    None => merged.remove(name),
                };
                path.pop();
            }
            Some(Value::Object(merged))
        }
        (Rule::ByKeys(keys), Some(Value::Array(before)), Value::Array(items)) => {
            let mut merged = before.clone();
            for item in items {
                let Some(key) = item_key(item, &keys) else { return Some(applied.clone()) };
                let found = before.iter().position(|b| has_key(b, &key));
                let value = merge_item(found.and_then(|at| before.get(at)), item, schema, path);
                match found.and_then(|at| merged.get_mut(at)) {
                    Some(slot) => *slot = value,
                    None => merged.push(value),
                }
            }
            Some(Value::Array(merged))
        }
        (Rule::Set, Some(Value::Array(before)), Value::Array(items)) => {
            let mut merged = before.clone();
            merged.extend(items.iter().filter(|i| !before.contains(i)).cloned());
            Some(Value::Array(merged))
        }
        (Rule::Granular | Rule::Atomic | Rule::ByKeys(_) | Rule::Set, _, value) => {
            Some(value.clone())
        }
    }
}

/// Merges a list item, whose fields are below the list's path.
fn merge_item<'v>(
    live: Option<&'v Value>,
    item: &'v Value,
    schema: &Schema,
    path: &mut Vec<&'v str>,
) -> Value {
    let mut merged = live.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in item.as_object().into_iter().flatten() {
        path.push(name);
        match merge(live.and_then(|l| l.get(name)), value, schema, path) {
            Some(value) => merged.insert(name.clone(), value),
            None => merged.remove(name),
        };
        path.pop();
    }
    Value::Object(merged)
}
