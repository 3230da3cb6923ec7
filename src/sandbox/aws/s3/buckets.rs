//! Buckets: made, looked for, deleted, and the parts of their configuration,
//! each kept as it was put.

use serde_json::{Value, json};

use super::super::facts::to_second;
use super::super::model::{Answer, Call, Fault, fault};
use super::{bucket, bucket_key, versions};

/// Where the names lie that other accounts have taken.
pub fn taken_key(bucket: &str) -> String {
    format!("s3/taken/{bucket}")
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("Bucket");
    if call.world.get(&taken_key(name)).is_some() {
        return Err(fault(
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all \
             users of the system. Please select a different name and try again.",
        ));
    }
    if call.world.get(&bucket_key(name)).is_some() {
        return Err(fault(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ));
    }
    let given = call.input.get("CreateBucketConfiguration");
    let place = given.and_then(|given| given["LocationConstraint"].as_str());
    if place.is_some_and(|place| place != call.region) || place == Some("us-east-1") {
        return Err(fault(
            "IllegalLocationConstraintException",
            format!(
                "The {} location constraint is incompatible for the region specific endpoint this \
                 request was sent to.",
                place.unwrap_or_default()
            ),
        ));
    }
    let owner = call.input.maybe("ObjectOwnership").unwrap_or("BucketOwnerEnforced");
    let entry = json!({
        "region": call.region,
        "created": to_second(call.world.now()),
        "ownership": {"Rules": [{"ObjectOwnership": owner}]},
        "encryption": by_default(),
        "publicAccess": {
            "BlockPublicAcls": true,
            "IgnorePublicAcls": true,
            "BlockPublicPolicy": true,
            "RestrictPublicBuckets": true,
        },
    });
    let name = name.to_owned();
    call.world.put(bucket_key(&name), entry);
    Ok(Answer::Body(json!({"Location": format!("/{name}")})))
}

/// What S3 encrypts with where nobody says otherwise.
fn by_default() -> Value {
    json!({"Rules": [{
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BucketKeyEnabled": false,
    }]})
}

pub(super) fn head(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("Bucket");
    // An answer without a body can't name its error.
    if call.world.get(&taken_key(name)).is_some() {
        return Err(fault("403", "Forbidden"));
    }
    let found = call.world.get(&bucket_key(name)).ok_or_else(|| fault("404", "Not Found"))?;
    Ok(Answer::Body(json!({
        "BucketArn": format!("arn:aws:s3:::{name}"),
        "BucketRegion": found["region"],
        "AccessPointAlias": false,
    })))
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    if !versions::all(call.world, &name).is_empty() {
        return Err(fault("BucketNotEmpty", "The bucket you tried to delete is not empty"));
    }
    call.world.remove(&bucket_key(&name));
    Ok(Answer::Nothing)
}

#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub(super) fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let all = bucket_key("");
    let buckets: Vec<Value> = call
        .world
        .scan(&all)
        .map(|(key, entry)| json!({"Name": key.strip_prefix(&all), "CreationDate": entry["created"]}))
        .collect();
    Ok(Answer::Body(json!({ "Buckets": buckets })))
}

pub(super) fn location(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let region = call.world.get(&bucket_key(&name)).map(|entry| entry["region"].clone());
    // The first region has no constraint.
    let place = region.filter(|region| region != "us-east-1").unwrap_or_default();
    Ok(Answer::Body(json!({"LocationConstraint": place})))
}

/// One part of a bucket, out of what is kept of it.
fn part(call: &Call<'_>, member: &str) -> Result<Option<Value>, Fault> {
    let name = bucket(call)?;
    let entry = call.world.get(&bucket_key(&name));
    Ok(entry.and_then(|entry| entry.get(member)).filter(|value| !value.is_null()).cloned())
}

fn set(call: &mut Call<'_>, member: &str, value: Value) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let mut entry = call.world.get(&bucket_key(&name)).cloned().unwrap_or_default();
    entry[member] = value;
    call.world.put(bucket_key(&name), entry);
    Ok(Answer::Nothing)
}

fn given(call: &Call<'_>, member: &str) -> Value {
    call.input.get(member).cloned().unwrap_or_default()
}

pub(super) fn get_versioning(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(match part(call, "versioning")? {
        Some(Value::String(status)) => Answer::Body(json!({"Status": status})),
        _ => Answer::Nothing,
    })
}

pub(super) fn put_versioning(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let status = given(call, "VersioningConfiguration")["Status"].clone();
    set(call, "versioning", status)
}

pub(super) fn get_encryption(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let told = part(call, "encryption")?.unwrap_or_else(by_default);
    Ok(Answer::Body(json!({"ServerSideEncryptionConfiguration": told})))
}

pub(super) fn put_encryption(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut told = given(call, "ServerSideEncryptionConfiguration");
    for rule in told["Rules"].as_array_mut().into_iter().flatten() {
        if rule.get("BucketKeyEnabled").is_none() {
            rule["BucketKeyEnabled"] = Value::Bool(false);
        }
    }
    set(call, "encryption", told)
}

pub(super) fn get_public_access(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let told = part(call, "publicAccess")?.ok_or_else(|| {
        fault(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
        )
    })?;
    Ok(Answer::Body(json!({"PublicAccessBlockConfiguration": told})))
}

pub(super) fn put_public_access(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let told = given(call, "PublicAccessBlockConfiguration");
    // What is not told is off.
    let on = |member: &str| told[member].as_bool().unwrap_or(false);
    let whole = json!({
        "BlockPublicAcls": on("BlockPublicAcls"),
        "IgnorePublicAcls": on("IgnorePublicAcls"),
        "BlockPublicPolicy": on("BlockPublicPolicy"),
        "RestrictPublicBuckets": on("RestrictPublicBuckets"),
    });
    set(call, "publicAccess", whole)
}

pub(super) fn delete_public_access(call: &mut Call<'_>) -> Result<Answer, Fault> {
    set(call, "publicAccess", Value::Null)
}

pub(super) fn get_ownership(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let told = part(call, "ownership")?.ok_or_else(|| {
        fault("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
    })?;
    Ok(Answer::Body(json!({"OwnershipControls": told})))
}

pub(super) fn put_ownership(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let told = given(call, "OwnershipControls");
    set(call, "ownership", told)
}

pub(super) fn get_lifecycle(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let rules = part(call, "lifecycle")?.ok_or_else(|| {
        fault("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    })?;
    let size = "all_storage_classes_128K";
    Ok(Answer::Body(json!({"Rules": rules, "TransitionDefaultMinimumObjectSize": size})))
}

pub(super) fn put_lifecycle(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let malformed = || {
        fault(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published \
             schema",
        )
    };
    let mut rules = given(call, "LifecycleConfiguration")["Rules"].clone();
    let Some(list) = rules.as_array_mut().filter(|list| !list.is_empty()) else {
        return Err(malformed());
    };
    let mut ids = std::collections::BTreeSet::new();
    for (at, rule) in list.iter_mut().enumerate() {
        let both = rule.get("Prefix").is_some() && rule.get("Filter").is_some();
        let acts = [
            "Expiration",
            "Transitions",
            "NoncurrentVersionExpiration",
            "NoncurrentVersionTransitions",
            "AbortIncompleteMultipartUpload",
        ];
        if both || !acts.iter().any(|act| rule.get(act).is_some()) {
            return Err(malformed());
        }
        let id = rule["ID"].as_str().map_or_else(|| format!("rule-{}", at + 1), str::to_owned);
        if !ids.insert(id.clone()) {
            return Err(fault(
                "InvalidArgument",
                format!("Rule ID must be unique. Found same ID for more than one rule: {id}"),
            ));
        }
        rule["ID"] = Value::String(id);
    }
    set(call, "lifecycle", rules)
}

pub(super) fn delete_lifecycle(call: &mut Call<'_>) -> Result<Answer, Fault> {
    set(call, "lifecycle", Value::Null)
}

pub(super) fn get_tagging(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let tags =
        part(call, "tags")?.ok_or_else(|| fault("NoSuchTagSet", "The TagSet does not exist"))?;
    Ok(Answer::Body(json!({"TagSet": tags})))
}

pub(super) fn put_tagging(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let tags = given(call, "Tagging")["TagSet"].clone();
    let listed = tags.as_array().map(Vec::as_slice).unwrap_or_default();
    let before = part(call, "tags")?.unwrap_or_default();
    let own = |list: &Value| -> Vec<Value> {
        let is_own = |tag: &&Value| tag["Key"].as_str().is_some_and(|key| key.starts_with("aws:"));
        list.as_array().into_iter().flatten().filter(is_own).cloned().collect()
    };
    if own(&tags) != own(&before) {
        return Err(fault("InvalidTag", "System tags cannot be added/updated by requester"));
    }
    if listed.len() > 50 {
        return Err(fault("BadRequest", "Object tags cannot be greater than 50"));
    }
    set(call, "tags", tags)
}

pub(super) fn delete_tagging(call: &mut Call<'_>) -> Result<Answer, Fault> {
    set(call, "tags", Value::Null)
}

pub(super) fn get_policy(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = part(call, "policy")?
        .ok_or_else(|| fault("NoSuchBucketPolicy", "The bucket policy does not exist"))?;
    Ok(Answer::Body(json!({"Policy": policy})))
}

pub(super) fn put_policy(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let text = call.input.text("Policy");
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    if !parsed.as_ref().is_some_and(|parsed| parsed["Statement"] != Value::Null) {
        return Err(fault(
            "MalformedPolicy",
            "Policies must be valid JSON and the first byte must be '{'",
        ));
    }
    let text = Value::from(text);
    set(call, "policy", text)
}

pub(super) fn delete_policy(call: &mut Call<'_>) -> Result<Answer, Fault> {
    set(call, "policy", Value::Null)
}
