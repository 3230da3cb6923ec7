//! `aws s3api`: buckets with their configuration, objects with S3's conditional
//! writes, and old versions.
//!
//! Bodies are text and travel by standard input and output; the sandbox has no
//! other files.

mod buckets;
mod objects;
mod operations;
mod versions;

use super::model::{Call, Fault, Service, fault};

// What the seed sets.
pub use buckets::taken_key;

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
