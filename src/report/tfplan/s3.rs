//! S3: a bucket with its parts, each of which is a resource of Terraform's.
//!
//! This module must not know other services.

use super::kinds::{Block, Known};
use super::{block, policy, renamed};
use crate::value::{Map, Value};

/// A bucket, and one resource for each of its parts.
pub(super) fn bucket(identity: &Map, side: &Map, known: &Known<'_>) -> Vec<Block> {
    let name = identity.get("bucket").cloned().unwrap_or_default();
    let mut values = renamed(side, &[("tags", "tags")]);
    values.insert("bucket".into(), name.clone());
    if let Some(name) = name.as_str() {
        let arn = format!("arn:{}:s3:::{name}", known.partition());
        values.insert("arn".into(), arn.into());
    }
    let mut blocks = vec![Block::new("aws_s3_bucket", values)];
    let mut part = |kind: &'static str, mut values: Map| {
        values.insert("bucket".into(), name.clone());
        blocks.push(Block::new(kind, values).refers("bucket", "aws_s3_bucket", "id"));
    };
    if let Some(closed) = side.get("publicAccessBlock").and_then(Value::as_map) {
        let names = [
            ("blockPublicAcls", "block_public_acls"),
            ("blockPublicPolicy", "block_public_policy"),
            ("ignorePublicAcls", "ignore_public_acls"),
            ("restrictPublicBuckets", "restrict_public_buckets"),
        ];
        part("aws_s3_bucket_public_access_block", renamed(closed, &names));
    }
    if let Some(on) = side.get("versioning").and_then(Value::as_bool) {
        let status = if on { "Enabled" } else { "Suspended" };
        let status = Map::from([("status".into(), status.into())]);
        let values = Map::from([("versioning_configuration".into(), block(status))]);
        part("aws_s3_bucket_versioning", values);
    }
    if let Some(encryption) = side.get("encryption").and_then(Value::as_map) {
        let names = [("algorithm", "sse_algorithm"), ("kmsKeyId", "kms_master_key_id")];
        let mut rule = renamed(encryption, &[("bucketKey", "bucket_key_enabled")]);
        let default = block(renamed(encryption, &names));
        rule.insert("apply_server_side_encryption_by_default".into(), default);
        let values = Map::from([("rule".into(), block(rule))]);
        part("aws_s3_bucket_server_side_encryption_configuration", values);
    }
    if let Some(rules) = side.get("lifecycle").and_then(Value::as_map).filter(|all| !all.is_empty())
    {
        let rules = rules.iter().map(|(id, rule)| lifecycle_rule(id, rule)).collect();
        part(
            "aws_s3_bucket_lifecycle_configuration",
            Map::from([("rule".into(), Value::List(rules))]),
        );
    }
    if let Some(ownership) = side.get("objectOwnership").filter(|told| !told.is_null()) {
        let rule = Map::from([("object_ownership".into(), ownership.clone())]);
        part("aws_s3_bucket_ownership_controls", Map::from([("rule".into(), block(rule))]));
    }
    if let Some(document) = side.get("policy").filter(|told| !told.is_null()) {
        let values = Map::from([("policy".into(), policy::text(document, known))]);
        part("aws_s3_bucket_policy", values);
    }
    blocks
}

fn lifecycle_rule(id: &str, rule: &Value) -> Value {
    let empty = Map::new();
    let rule = rule.as_map().unwrap_or(&empty);
    let mut values = renamed(rule, &[("Status", "status")]);
    values.insert("id".into(), id.into());
    let parts = [
        ("Filter", "filter", &[("Prefix", "prefix")][..]),
        ("Expiration", "expiration", &[("Days", "days"), ("Date", "date")]),
        (
            "NoncurrentVersionExpiration",
            "noncurrent_version_expiration",
            &[("NoncurrentDays", "noncurrent_days")],
        ),
        (
            "AbortIncompleteMultipartUpload",
            "abort_incomplete_multipart_upload",
            &[("DaysAfterInitiation", "days_after_initiation")],
        ),
    ];
    for (from, to, names) in parts {
        if let Some(part) = rule.get(from).and_then(Value::as_map) {
            values.insert(to.into(), block(renamed(part, names)));
        }
    }
    if let Some(moves) = rule.get("Transitions").and_then(Value::as_list) {
        let names = [("Days", "days"), ("StorageClass", "storage_class")];
        let moves = moves.iter().filter_map(|one| Some(renamed(one.as_map()?, &names).into()));
        values.insert("transition".into(), Value::List(moves.collect()));
    }
    Value::Map(values)
}
