//! Old versions of objects and delete markers, and deleting many objects.
//!
//! `s3/version/BUCKET/NUMBER` holds an old version or a delete marker, with its
//! key and id; the object that is current is kept beside (`objects`). Numbers
//! grow, so what is younger stands later.

use serde_json::{Value, json};

use super::super::facts::to_second;
use super::super::model::{Answer, Call, Fault};
use super::{bucket, bucket_key, objects};
use crate::sandbox::world::World;

fn prefix(bucket: &str) -> String {
    format!("s3/version/{bucket}/")
}

/// Whether a bucket keeps old versions.
pub(super) fn are_kept(world: &World, bucket: &str) -> bool {
    world.get(&bucket_key(bucket)).is_some_and(|entry| entry["versioning"] == "Enabled")
}

/// The id of a version that is made now; `null` where none are kept.
pub(super) fn next_id(world: &mut World, bucket: &str) -> String {
    if !are_kept(world, bucket) {
        return "null".to_owned();
    }
    let number = world.next("s3/version");
    format!("sandbox.version.{number:08}")
}

/// Keeps what was current, or a marker that nothing is any more.
pub(super) fn keep(world: &mut World, bucket: &str, key: &str, mut version: Value) {
    let number = world.next("s3/kept");
    version["Key"] = Value::from(key);
    world.put(format!("{}{number:08}", prefix(bucket)), version);
}

/// Every version and marker of a bucket: by key, the youngest first, each as the
/// list operation answers it.
pub(super) fn all(world: &World, bucket: &str) -> Vec<Value> {
    let mut found: Vec<(String, usize, Value)> = Vec::new();
    for (at, (_, version)) in world.scan(&prefix(bucket)).enumerate() {
        let key = version["Key"].as_str().unwrap_or_default().to_owned();
        found.push((key.clone(), usize::MAX - at - 1, listed(&key, version, false)));
    }
    for (key, object) in objects::current(world, bucket) {
        found.push((key.clone(), 0, listed(&key, object, true)));
    }
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut last = None;
    for (key, _, version) in &mut found {
        version["IsLatest"] = Value::Bool(last.as_ref() != Some(key));
        last = Some(key.clone());
    }
    found.into_iter().map(|(_, _, version)| version).collect()
}

fn listed(key: &str, version: &Value, latest: bool) -> Value {
    let id = version["VersionId"].as_str().unwrap_or("null");
    json!({
        "Marker": version["Marker"] == true,
        "ETag": version["ETag"],
        "Size": version["Body"].as_str().map_or(0, str::len),
        "StorageClass": "STANDARD",
        "Key": key,
        "VersionId": id,
        "IsLatest": latest,
        "LastModified": version["LastModified"],
    })
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let most = call.input.number("MaxKeys").unwrap_or(1000).clamp(0, 1000);
    let most = usize::try_from(most).unwrap_or(1000);
    let (after, after_id) = (call.input.text("KeyMarker"), call.input.text("VersionIdMarker"));
    let all = all(call.world, &name);
    let place = all.iter().position(|one| one["Key"] == after && one["VersionId"] == after_id);
    let rest = if after.is_empty() {
        all.as_slice()
    } else if let Some(place) = place {
        all.get(place + 1..).unwrap_or_default()
    } else {
        let later = all.iter().position(|one| one["Key"].as_str() > Some(after));
        later.and_then(|later| all.get(later..)).unwrap_or_default()
    };
    let page = rest.get(..most).unwrap_or(rest);
    let mut answer = json!({
        "IsTruncated": page.len() < rest.len(),
        "KeyMarker": after,
        "VersionIdMarker": after_id,
        "Name": name,
        "Prefix": "",
        "MaxKeys": most,
    });
    for (member, marker) in [("Versions", false), ("DeleteMarkers", true)] {
        let of: Vec<Value> = page.iter().filter(|one| one["Marker"] == marker).cloned().collect();
        if !of.is_empty() {
            answer[member] = Value::from(of);
        }
    }
    if let Some(last) = page.last().filter(|_| page.len() < rest.len()) {
        answer["NextKeyMarker"] = last["Key"].clone();
        answer["NextVersionIdMarker"] = last["VersionId"].clone();
    }
    Ok(Answer::Body(answer))
}

/// `delete-objects`.
pub(super) fn delete_many(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let given = call.input.get("Delete").cloned().unwrap_or_default();
    let mut deleted = Vec::new();
    for one in given["Objects"].as_array().into_iter().flatten() {
        let key = one["Key"].as_str().unwrap_or_default();
        match one["VersionId"].as_str() {
            Some(id) => delete_version(call.world, &name, key, id),
            None => delete_current(call.world, &name, key),
        }
        deleted.push(one.clone());
    }
    if given["Quiet"] == true {
        return Ok(Answer::Nothing);
    }
    Ok(Answer::Body(json!({ "Deleted": deleted })))
}

/// Removes one version; what was before it is current again.
fn delete_version(world: &mut World, bucket: &str, key: &str, id: &str) {
    let current = objects::key_of(bucket, key);
    let is = |version: &Value| version["VersionId"].as_str().unwrap_or("null") == id;
    if world.get(&current).is_some_and(is) {
        world.remove(&current);
    } else {
        let place = world
            .scan(&prefix(bucket))
            .find(|(_, version)| version["Key"] == key && is(version))
            .map(|(place, _)| place.to_owned());
        if let Some(place) = place {
            world.remove(&place);
        }
    }
    let youngest = world
        .scan(&prefix(bucket))
        .filter(|(_, version)| version["Key"] == key)
        .last()
        .map(|(place, version)| (place.to_owned(), version.clone()));
    if world.get(&current).is_none()
        && let Some((place, version)) = youngest.filter(|(_, version)| version["Marker"] != true)
    {
        world.remove(&place);
        world.put(current, version);
    }
}

/// Deletes an object as the caller sees it: where versions are kept, it stays
/// below a marker.
pub(super) fn delete_current(world: &mut World, bucket: &str, key: &str) {
    let object = world.remove(&objects::key_of(bucket, key));
    if !are_kept(world, bucket) {
        return;
    }
    if let Some(object) = object {
        keep(world, bucket, key, object);
    }
    let id = next_id(world, bucket);
    let now = to_second(world.now());
    keep(world, bucket, key, json!({"Marker": true, "VersionId": id, "LastModified": now}));
}
