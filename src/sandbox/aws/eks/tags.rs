//! Tags of EKS resources, by ARN.

use serde_json::{Map, Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::{key, set};

const MOST: usize = 50;

/// The key and the entry behind the ARN that a call names.
fn find(call: &Call<'_>) -> Result<(String, Value), Fault> {
    let arn = call.input.text("resourceArn");
    if !arn.starts_with("arn:aws:eks:") {
        return Err(fault("BadRequestException", format!("Invalid ARN: {arn}")));
    }
    let key = call.world.get(&key(call.region, "by-arn", arn)).and_then(Value::as_str);
    let found = key.and_then(|key| Some((key.to_owned(), call.world.get(key)?.clone())));
    found.ok_or_else(|| fault("NotFoundException", format!("Resource not found: {arn}")))
}

fn tags(entry: &Value) -> Map<String, Value> {
    entry.get("tags").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// `tag-resource`.
pub fn tag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, mut entry) = find(call)?;
    let mut tags = tags(&entry);
    for (name, value) in call.input.get("tags").and_then(Value::as_object).into_iter().flatten() {
        if name.to_ascii_lowercase().starts_with("aws:") {
            return Err(fault(
                "BadRequestException",
                "Tag keys starting with 'aws:' are reserved for internal use.",
            ));
        }
        tags.insert(name.clone(), value.clone());
    }
    if tags.len() > MOST {
        return Err(fault(
            "BadRequestException",
            format!("A resource can have at most {MOST} tags."),
        ));
    }
    set(&mut entry, "tags", tags);
    call.world.put(key, entry);
    Ok(Answer::Nothing)
}

/// `untag-resource`.
pub fn untag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, mut entry) = find(call)?;
    let mut tags = tags(&entry);
    for name in call.input.texts("tagKeys") {
        tags.remove(name);
    }
    set(&mut entry, "tags", tags);
    call.world.put(key, entry);
    Ok(Answer::Nothing)
}

/// `list-tags-for-resource`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, entry) = find(call)?;
    Ok(Answer::Body(json!({ "tags": tags(&entry) })))
}
