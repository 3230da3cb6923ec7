//! Objects: read, written, deleted and listed, as they are now.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::facts::to_second;
use super::super::model::{Answer, Call, Fault, fault};
use super::super::render;
use super::operations::GOT;
use super::{bucket, versions};
use crate::sandbox::world::World;

/// The objects of a bucket, by name.
pub(super) fn current<'w>(
    world: &'w World,
    bucket: &str,
) -> impl Iterator<Item = (String, &'w Value)> + use<'w> {
    let all = key_of(bucket, "");
    let length = all.len();
    world.scan(&all).filter_map(move |(key, object)| Some((key.get(length..)?.to_owned(), object)))
}

pub(super) fn key_of(bucket: &str, key: &str) -> String {
    format!("s3/object/{bucket}/{key}")
}

/// The object of the call, if it is there.
fn find(call: &Call<'_>) -> Result<(String, Option<Value>), Fault> {
    let key = key_of(&bucket(call)?, call.input.text("Key"));
    let object = call.world.get(&key).cloned();
    Ok((key, object))
}

/// Insists that what the caller expects is there.
fn check(call: &Call<'_>, there: Option<&Value>) -> Result<(), Fault> {
    let failed = || {
        Err(fault(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        ))
    };
    if call.input.maybe("IfNoneMatch").is_some() && there.is_some() {
        return failed();
    }
    match (call.input.maybe("IfMatch"), there) {
        (Some(_), None) => Err(fault("NoSuchKey", "The specified key does not exist.")),
        (Some(tag), Some(there)) if there["ETag"] != tag => failed(),
        _ => Ok(()),
    }
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, there) = find(call)?;
    check(call, there.as_ref())?;
    let body = call.input.text("Body").to_owned();
    // Of the content, as S3's are, though not by the same function.
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..16]));
    let content_type = call.input.maybe("ContentType").unwrap_or("binary/octet-stream");
    let object = json!({
        "Body": body,
        "ETag": tag,
        "ContentType": content_type,
        "Metadata": call.input.get("Metadata").cloned().unwrap_or_else(|| json!({})),
        "LastModified": to_second(call.world.now()),
    });
    let bucket = bucket(call)?;
    let id = versions::next_id(call.world, &bucket);
    let mut object = object;
    if id != "null" {
        object["VersionId"] = Value::from(id);
        if let Some(there) = there {
            versions::keep(call.world, &bucket, call.input.text("Key"), there);
        }
    }
    call.world.put(key, object);
    Ok(Answer::Body(json!({"ETag": tag})))
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, there) = find(call)?;
    let there = there.ok_or_else(|| fault("NoSuchKey", "The specified key does not exist."))?;
    if call.input.text("outfile") != "/dev/stdout" {
        return Ok(Answer::Failed("The sandbox writes no file but /dev/stdout".into()));
    }
    let body = there["Body"].as_str().unwrap_or_default();
    let answer = render::json(&render::project(&with_length(&there), GOT));
    Ok(Answer::Printed(format!("{body}{}", String::from_utf8_lossy(&answer))))
}

fn with_length(object: &Value) -> Value {
    let mut object = object.clone();
    let length = object["Body"].as_str().map_or(0, str::len);
    object["ContentLength"] = Value::from(length as u64);
    object["AcceptRanges"] = Value::from("bytes");
    object
}

pub(super) fn head(call: &mut Call<'_>) -> Result<Answer, Fault> {
    // An answer without a body can't name its error.
    let missing = || fault("404", "Not Found");
    let (_, there) = find(call).map_err(|_| missing())?;
    Ok(Answer::Body(with_length(&there.ok_or_else(missing)?)))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, there) = find(call)?;
    if call.input.maybe("IfMatch").is_some() {
        check(call, there.as_ref())?;
    }
    let bucket = bucket(call)?;
    versions::delete_current(call.world, &bucket, call.input.text("Key"));
    Ok(Answer::Nothing)
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let bucket = bucket(call)?;
    let prefix = call.input.text("Prefix");
    let all = key_of(&bucket, "");
    let contents: Vec<Value> = call
        .world
        .scan(&key_of(&bucket, prefix))
        .map(|(key, object)| {
            let length = object["Body"].as_str().map_or(0, str::len);
            json!({
                "Key": key.strip_prefix(&all),
                "LastModified": object["LastModified"],
                "ETag": object["ETag"],
                "Size": length,
                "StorageClass": "STANDARD",
            })
        })
        .collect();
    let mut answer = json!({"RequestCharged": null, "Prefix": prefix});
    if !contents.is_empty() {
        answer["Contents"] = Value::from(contents);
    }
    Ok(Answer::Body(answer))
}
