//! Patches that are no apply: JSON patch (RFC 6902), merge patch (RFC 7396) and
//! Kubernetes' strategic merge patch. Pure functions over values.

use serde_json::{Map, Value};

use super::schema::Schema;
use super::status::{Reason, Status};

/// Applies a merge patch: null removes, maps merge, all else replaces.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies a strategic merge patch: as a merge patch, but lists with keys merge
/// item by item. Knows `$patch` (`delete`, `replace`), `$retainKeys`,
/// `$deleteFromPrimitiveList` and `$setElementOrder`.
pub(super) fn strategic<'v>(
    target: &mut Value,
    change: &'v Value,
    schema: &Schema,
    path: &mut Vec<&'v str>,
) {
    let Value::Object(fields) = change else {
        *target = change.clone();
        return;
    };
    if fields.get("$patch").is_some_and(|p| p == "replace") || !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(object) = target else { return };
    if let Some(keep) = fields.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|name, _| keep.iter().any(|k| k == name));
    }
    for (name, value) in fields {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| !value.as_array().is_some_and(|gone| gone.contains(item)));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        path.push(name);
        match value {
            Value::Null => {
                object.remove(name);
            }
            Value::Object(fields) if fields.get("$patch").is_some_and(|p| p == "delete") => {
                object.remove(name);
            }
            Value::Array(items) => {
                let slot = object.entry(name.clone()).or_insert(Value::Array(Vec::new()));
                list(slot, items, schema, path);
            }
            Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                strategic(object.entry(name.clone()).or_insert(Value::Null), value, schema, path);
            }
        }
        path.pop();
    }
    for (name, order) in fields {
        if let (Some(list), Some(order)) =
            (name.strip_prefix("$setElementOrder/"), order.as_array())
        {
            path.push(list);
            let key = schema.merge_key(path);
            path.pop();
            if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
                let place = |item: &Value| {
                    order
                        .iter()
                        .position(|o| match &key {
                            Some(key) => o.get(key) == item.get(key),
                            None => o == item,
                        })
                        .unwrap_or(usize::MAX)
                };
                items.sort_by_key(place);
            }
        }
    }
}

fn list<'v>(target: &mut Value, change: &'v [Value], schema: &Schema, path: &mut Vec<&'v str>) {
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    let merging_set = matches!(path.as_slice(), ["metadata", "finalizers"]);
    let Some(key) = schema.merge_key(path) else {
        if merging_set && let Value::Array(items) = target {
            let new: Vec<Value> = change.iter().filter(|p| !items.contains(p)).cloned().collect();
            items.extend(new);
            return;
        }
        *target = Value::Array(change.to_vec());
        return;
    };
    let replace = change.iter().any(|item| directive(item).as_deref() == Some("replace"));
    if replace || !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Value::Array(items) = target else { return };
    for item in change {
        let same = |other: &Value| other.get(&key) == item.get(&key);
        match directive(item).as_deref() {
            Some("delete") => items.retain(|other| !same(other)),
            Some("replace") if item.get(&key).is_none() => {}
            Some(_) | None => {
                let at = items.iter().position(same).unwrap_or_else(|| {
                    items.push(Value::Object(Map::new()));
                    items.len() - 1
                });
                if let Some(slot) = items.get_mut(at) {
                    strategic(slot, item, schema, path);
                }
            }
        }
    }
}

/// Applies a JSON patch.
///
/// # Errors
/// `BadRequest` where the patch is malformed; `Invalid` where it does not fit
/// the object, in the words of the API server.
pub(super) fn json(target: &mut Value, operations: &Value) -> Result<(), Status> {
    let operations = operations.as_array().ok_or_else(|| {
        Status::new(
            Reason::BadRequest,
            "error decoding patch: json: cannot unmarshal object into Go value",
        )
    })?;
    let misfit = || {
        Status::new(
            Reason::Invalid,
            "the server rejected our request due to an error in our request",
        )
    };
    for operation in operations {
        let text = |name: &str| operation.get(name).and_then(Value::as_str);
        let path = text("path").ok_or_else(misfit)?.to_owned();
        let value = operation.get("value").cloned();
        match text("op").unwrap_or_default() {
            "add" => add(target, &path, value.ok_or_else(misfit)?).ok_or_else(misfit)?,
            "remove" => {
                remove(target, &path).ok_or_else(misfit)?;
            }
            "replace" => {
                let slot = target.pointer_mut(&path).ok_or_else(misfit)?;
                *slot = value.ok_or_else(misfit)?;
            }
            "test" => {
                if target.pointer(&path).unwrap_or(&Value::Null) != &value.unwrap_or_default() {
                    return Err(misfit());
                }
            }
            "move" => {
                let moved = remove(target, text("from").ok_or_else(misfit)?).ok_or_else(misfit)?;
                add(target, &path, moved).ok_or_else(misfit)?;
            }
            "copy" => {
                let copied =
                    target.pointer(text("from").ok_or_else(misfit)?).cloned().ok_or_else(misfit)?;
                add(target, &path, copied).ok_or_else(misfit)?;
            }
            _ => return Err(misfit()),
        }
    }
    Ok(())
}

/// The parent's pointer and the last name of a JSON pointer.
fn split(pointer: &str) -> Option<(&str, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, pointer: &str, value: Value) -> Option<()> {
    let (parent, last) = split(pointer)?;
    match target.pointer_mut(parent)? {
        Value::Object(object) => {
            object.insert(last, value);
        }
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { last.parse().ok()? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    }
    Some(())
}

fn remove(target: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, last) = split(pointer)?;
    match target.pointer_mut(parent)? {
        Value::Object(object) => object.remove(&last),
        Value::Array(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::types;
    use super::*;

    #[test]
    fn a_strategic_patch_merges_containers_by_name() {
        let ty = types::built_in_named("apps", "deployments").unwrap();
        let schema = Schema::new(&ty, None);
        let mut target = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}], "args": ["a", "b"]},
            {"name": "b", "image": "1"},
        ]}}}});
        let patch = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}], "args": ["c"]},
            {"name": "b", "$patch": "delete"},
        ]}}}});
        strategic(&mut target, &patch, &schema, &mut Vec::new());
        assert_eq!(
            target,
            json!({"spec": {"template": {"spec": {"containers": [{
                "name": "a", "image": "2", "args": ["c"],
                "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
            }]}}}})
        );
    }

    #[test]
    fn a_json_patch_does_its_operations_in_order() {
        let mut target = json!({"metadata": {"labels": {}}, "list": [1, 3]});
        let patch = json!([
            {"op": "add", "path": "/metadata/labels/a~1b", "value": "c"},
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "remove", "path": "/list/0"},
            {"op": "test", "path": "/list/0", "value": 2},
        ]);
        json(&mut target, &patch).unwrap();
        assert_eq!(target, json!({"metadata": {"labels": {"a/b": "c"}}, "list": [2, 3]}));
        assert!(json(&mut target, &json!([{"op": "remove", "path": "/none"}])).is_err());
    }

    #[test]
    fn a_merge_patch_removes_with_null() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "l": [1]});
        merge(&mut target, &json!({"a": {"b": null}, "l": [2, 3]}));
        assert_eq!(target, json!({"a": {"c": 2}, "l": [2, 3]}));
    }
}
