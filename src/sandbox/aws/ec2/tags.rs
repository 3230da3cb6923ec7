//! `create-tags`, `delete-tags`, `describe-tags`.
//!
//! Creating sets the named keys and leaves others alone. Deleting without tags
//! removes every tag that is not AWS's own; with a key alone, the key whatever
//! its value; with key and value, only that pair.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::describe::check_dry_run;
use super::filters::Filters;
use super::{key, kinds};
use crate::sandbox::world::World;

/// Most tags on one resource, AWS's own not counted.
const MOST_TAGS: usize = 50;

/// Most resources of one call.
const MOST_RESOURCES: usize = 1000;

fn prefix(region: &str, id: &str) -> String {
    key(region, "tag", &format!("{id}/"))
}

/// The tags of a resource, by key.
pub fn of(world: &World, region: &str, id: &str) -> Vec<(String, String)> {
    let prefix = prefix(region, id);
    world
        .scan(&prefix)
        .filter_map(|(key, value)| {
            Some((key.get(prefix.len()..)?.to_owned(), value.as_str()?.to_owned()))
        })
        .collect()
}

/// Sets a tag without checks.
pub fn put(world: &mut World, region: &str, id: &str, name: &str, value: &str) {
    world.put(format!("{}{name}", prefix(region, id)), Value::from(value));
}

/// Checks that the resources of a call exist; nothing is done unless all do.
fn check_resources(call: &Call<'_>) -> Result<Vec<String>, Fault> {
    check_dry_run(call)?;
    let ids: Vec<String> = call.input.texts("Resources").map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(fault(
            "MissingParameter",
            "The request must contain the parameter resourceIdSet",
        ));
    }
    if ids.len() > MOST_RESOURCES {
        return Err(fault(
            "InvalidParameterValue",
            format!("A request can name at most {MOST_RESOURCES} resources."),
        ));
    }
    for id in &ids {
        let kind = kinds::of(id)
            .ok_or_else(|| fault("InvalidID", format!("The ID '{id}' is not valid")))?;
        if call.world.get(&key(call.region, kind.prefix, id)).is_none() {
            return Err(kind.missing(&[id]));
        }
    }
    Ok(ids)
}

/// Key and value of a tag of the input.
fn pair(tag: &Value) -> (&str, Option<&str>) {
    let key = tag.get("Key").and_then(Value::as_str).unwrap_or_default();
    (key, tag.get("Value").and_then(Value::as_str))
}

fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn reserved() -> Fault {
    fault("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
}

fn check(tag: &Value) -> Result<(), Fault> {
    let (key, value) = pair(tag);
    let value = value.unwrap_or_default();
    if is_reserved(key) {
        return Err(reserved());
    }
    if key.is_empty() {
        return Err(fault("InvalidParameterValue", "Tag key cannot be null or empty"));
    }
    for (text, most, what) in [(key, 127, "key"), (value, 255, "value")] {
        if text.chars().count() > most {
            return Err(fault(
                "InvalidParameterValue",
                format!("Tag {what} exceeds the maximum length of {most} characters"),
            ));
        }
    }
    Ok(())
}

/// `create-tags`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let tags = call.input.list("Tags");
    let ids = check_resources(call)?;
    if tags.is_empty() {
        return Err(fault("MissingParameter", "The request must contain the parameter tagSet"));
    }
    tags.iter().try_for_each(check)?;
    for id in &ids {
        let present = of(call.world, call.region, id);
        let own = present.iter().filter(|(key, _)| !is_reserved(key)).count();
        let new =
            tags.iter().filter(|tag| !present.iter().any(|(key, _)| *key == pair(tag).0)).count();
        if own + new > MOST_TAGS {
            return Err(fault(
                "TagLimitExceeded",
                "The maximum number of Tags for a resource has been reached.",
            ));
        }
    }
    for id in &ids {
        for tag in tags {
            let (name, value) = pair(tag);
            put(call.world, call.region, id, name, value.unwrap_or_default());
        }
    }
    Ok(Answer::Nothing)
}

/// `delete-tags`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let wanted = call.input.list("Tags");
    let ids = check_resources(call)?;
    if wanted.iter().any(|tag| is_reserved(pair(tag).0)) {
        return Err(reserved());
    }
    for id in &ids {
        let doomed: Vec<String> = of(call.world, call.region, id)
            .into_iter()
            .filter(|(key, value)| {
                if wanted.is_empty() {
                    return !is_reserved(key);
                }
                wanted.iter().any(|tag| {
                    let (name, only) = pair(tag);
                    name == *key && only.is_none_or(|only| only == *value)
                })
            })
            .map(|(key, _)| format!("{}{key}", prefix(call.region, id)))
            .collect();
        for key in doomed {
            call.world.remove(&key);
        }
    }
    Ok(Answer::Nothing)
}

/// `describe-tags`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    check_dry_run(call)?;
    let filters = Filters::read(
        call.input.list("Filters"),
        &[
            ("key", "Key"),
            ("resource-id", "ResourceId"),
            ("resource-type", "ResourceType"),
            ("value", "Value"),
        ],
    )?;
    // Plain ids are looked up; anything else means reading every tag.
    let ids =
        filters.only("resource-id").filter(|ids| !ids.iter().any(|id| id.contains(['*', '?'])));
    let prefixes: Vec<String> = match ids {
        Some(ids) => ids.iter().map(|id| prefix(call.region, id)).collect(),
        None => vec![key(call.region, "tag", "")],
    };
    let whole = key(call.region, "tag", "");
    let mut tags = Vec::new();
    for prefix in &prefixes {
        for (found, value) in call.world.scan(prefix) {
            let Some((id, name)) = found.strip_prefix(&whole).and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            let tag = json!({
                "Key": name,
                "ResourceId": id,
                "ResourceType": kinds::of(id).map_or("", |kind| kind.resource_type),
                "Value": value,
            });
            let own = [(name.to_owned(), value.as_str().unwrap_or_default().to_owned())];
            if filters.pass(&tag, &own) {
                tags.push(tag);
            }
        }
    }
    Ok(Answer::Body(json!({ "Tags": tags })))
}
