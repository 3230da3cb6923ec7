//! `aws s3api`: buckets and objects, as far as a place for files needs them,
//! with S3's conditional writes.
//!
//! Bodies are text and travel by standard input and output; the sandbox has no
//! other files.

mod objects;
mod operations;

use serde_json::{Value, json};

use super::model::{Answer, Call, Fault, Service, fault};

/// The service.
pub const SERVICE: Service = Service { command: "s3api", operations: operations::OPERATIONS };

fn bucket_key(bucket: &str) -> String {
    format!("s3/bucket/{bucket}")
}

/// Insists that the bucket of the call exists; returns its name.
fn bucket(call: &Call<'_>) -> Result<String, Fault> {
    let name = call.input.text("Bucket");
    if call.world.get(&bucket_key(name)).is_none() {
        return Err(fault("NoSuchBucket", "The specified bucket does not exist"));
    }
    Ok(name.to_owned())
}

fn create_bucket(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("Bucket");
    if call.world.get(&bucket_key(name)).is_some() {
        return Err(fault(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ));
    }
    call.world.put(bucket_key(name), json!({"region": call.region}));
    Ok(Answer::Body(json!({"Location": format!("/{name}")})))
}

fn get_bucket_versioning(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let status = call.world.get(&bucket_key(&name)).map(|bucket| bucket["versioning"].clone());
    Ok(match status {
        Some(Value::String(status)) => Answer::Body(json!({"Status": status})),
        _ => Answer::Nothing,
    })
}

fn put_bucket_versioning(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = bucket(call)?;
    let status = call.input.get("VersioningConfiguration").map(|given| given["Status"].clone());
    let mut bucket = call.world.get(&bucket_key(&name)).cloned().unwrap_or_default();
    bucket["versioning"] = status.unwrap_or_default();
    call.world.put(bucket_key(&name), bucket);
    Ok(Answer::Nothing)
}
