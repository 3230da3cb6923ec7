//! `S3Bucket`: a bucket with its protection, lifecycle, tags and policy.
//!
//! Names of buckets are the same for all accounts and regions, so a bucket is
//! looked for before it is made, and one of someone else's, or in another
//! region, is never touched. S3 replaces lifecycle rules and tags as a whole:
//! what others have put there is sent along. A bucket that holds objects is not
//! deleted unless the manifest says so, since nothing brings its data back.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::lifecycle::RuleSpec;
use super::eks::{check_tags, problem, tags_value, typed};
use super::iam;
use super::iam_document::{self, Purpose};
use super::iam_rules::Problems;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Object, OnChange, Operation,
    Problem, ReadError, Readiness, Reading, Rule, Step, Subject,
};
use crate::value::{Map, Path, Value, is_unknown_text};

mod lifecycle;
mod read;
mod steps;

/// The adapter.
#[derive(Debug)]
pub struct S3Bucket;

// The identity, and attributes of the normal form.
const BUCKET: &str = "bucket";
const PUBLIC_ACCESS_BLOCK: &str = "publicAccessBlock";
const OWNERSHIP: &str = "objectOwnership";
const ENCRYPTION: &str = "encryption";
const VERSIONING: &str = "versioning";
const LIFECYCLE: &str = "lifecycle";
const TAGS: &str = "tags";
const POLICY: &str = "policy";

// Settings.
const REGION: &str = "region";
const FORCE_DESTROY: &str = "forceDestroy";

// Facts for the steps.
/// The lifecycle rules as S3 answered them, others' included.
const RAW_RULES: &str = "rawRules";
/// The tags as S3 answered them, others' and AWS's own included.
const RAW_TAGS: &str = "rawTags";
/// The smallest objects that S3 moves to another class, where that is not what
/// S3 would take by itself.
const MINIMUM_SIZE: &str = "minimumSize";
/// What stands in the way of everything, as code, message and next step.
const NOT_OURS: &str = "notOurs";
/// The object versions and delete markers: maps of `Key` and `VersionId`.
const CONTENT: &str = "content";
/// Whether there are more than these.
const MORE: &str = "more";

/// A bucket that holds objects.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct S3BucketSpec {
    /// The bucket's name, unique among all accounts: 3 to 63 lowercase letters,
    /// digits, hyphens and dots. Another name means another bucket.
    bucket: String,
    /// All objects are deleted after this many days. A rule of its own beside
    /// `lifecycleRules`, with the id `lkh-expire`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_days: Option<u32>,
    /// What becomes of objects with time, by rule id. Rules with other ids are
    /// left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifecycle_rules: Option<BTreeMap<String, RuleSpec>>,
    /// How objects are encrypted that are written without saying so. Not
    /// declared, it is left as it is: S3 encrypts with AES256 by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption: Option<EncryptionSpec>,
    /// Which ways to make the bucket or its objects public are closed. Not
    /// declared: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_access_block: Option<PublicAccessSpec>,
    /// Whether S3 keeps old versions of objects. Not declared, it is left as it
    /// is; `false` stops keeping them and deletes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versioning: Option<bool>,
    /// Who owns the objects, and whether access control lists count. Not
    /// declared, it is left as it is: the bucket's owner owns all, and lists do
    /// not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_ownership: Option<Ownership>,
    /// Who may do what with the bucket: an IAM policy document whose statements
    /// name a `Principal` and a `Resource`. Compared by meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "iam_document::schema")]
    policy: Option<Json>,
    /// Tags, at most 50. Others' tags are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    /// Whether deleting the bucket deletes all of its objects and their old
    /// versions. Default `false`: a bucket that holds anything stays. It counts
    /// from the next apply on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    force_destroy: Option<bool>,
}

/// How objects are encrypted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EncryptionSpec {
    /// With S3's own keys, or with a key of KMS.
    algorithm: Algorithm,
    /// The KMS key: its ARN. Not declared: the account's key for S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    /// Whether S3 asks KMS once for many objects, which costs less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bucket_key: Option<bool>,
}

/// The algorithms of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum Algorithm {
    /// Keys of S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// A key of KMS.
    #[serde(rename = "aws:kms")]
    Kms,
    /// A key of KMS, twice.
    #[serde(rename = "aws:kms:dsse")]
    KmsDsse,
}

/// Which ways to make the bucket public are closed; all that are not declared.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublicAccessSpec {
    /// Access control lists that make something public are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block_public_acls: Option<bool>,
    /// Those that there are don't count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignore_public_acls: Option<bool>,
    /// Policies that make the bucket public are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block_public_policy: Option<bool>,
    /// One that there is lets in nobody but AWS services and this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restrict_public_buckets: Option<bool>,
}

/// Who owns the objects of a bucket.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
enum Ownership {
    /// The bucket's owner, and access control lists don't count.
    BucketOwnerEnforced,
    /// The bucket's owner, where whoever writes an object gives it away.
    BucketOwnerPreferred,
    /// Whoever writes an object.
    ObjectWriter,
}

impl Adapter for S3Bucket {
    fn schema(&self) -> Schema {
        schema_for!(S3BucketSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const ATTRIBUTES: &[Attribute] = &[
            attribute(PUBLIC_ACCESS_BLOCK, Rule::Tree),
            attribute(OWNERSHIP, Rule::Exact),
            attribute(ENCRYPTION, Rule::Tree),
            attribute(VERSIONING, Rule::Exact),
            attribute(LIFECYCLE, Rule::Entries),
            attribute(TAGS, Rule::Entries),
            attribute(POLICY, Rule::PolicyDocument),
        ];
        ATTRIBUTES
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the bucket's name"),
            ("arn", "the bucket's ARN; known before the bucket exists"),
            ("region", "the region that the bucket is in"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<S3BucketSpec>(spec, &mut problems) else { return Err(problems) };
        check(&spec, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(normal_form(&spec, context))
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read::read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        match operation.object.and_then(not_ours) {
            Some(blocker) => Err(vec![blocker]),
            None => Ok(steps::steps(operation)),
        }
    }

    fn obstacles(&self, identity: &Identity, object: &Object) -> Vec<Blocker> {
        steps::obstacles(identity, object)
    }

    fn readiness(&self, _desired: &Desired, object: &Object) -> Readiness {
        match not_ours(object) {
            Some(blocker) => Readiness::NotReady(vec![blocker]),
            None => Readiness::Ready,
        }
    }
}

/// Why nothing can be done with a bucket of that name.
fn not_ours(object: &Object) -> Option<Blocker> {
    let told = object.facts.get(NOT_OURS)?;
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    Some(Blocker { code: text("code"), message: text("message"), next: text("next") })
}

fn check(spec: &S3BucketSpec, problems: &mut Vec<Problem>) {
    check_name(&spec.bucket, problems);
    lifecycle::check(spec.expire_days, spec.lifecycle_rules.as_ref(), problems);
    if let Some(encryption) = &spec.encryption
        && encryption.algorithm == Algorithm::Aes256
        && encryption.kms_key_id.is_some()
    {
        problems.push(problem(
            Path::new(ENCRYPTION).join("kmsKeyId"),
            "AES256 uses S3's own keys, and none of KMS",
            "write `algorithm: aws:kms`, or remove the key",
        ));
    }
    if let Some(tags) = &spec.tags {
        check_tags(tags, 128, problems);
    }
    if let Some(json) = &spec.policy {
        let mut found = Problems::default();
        let document = Value::from_spec(json).unwrap_or_default();
        iam_document::check(&mut found, &Path::new(POLICY), &document, Purpose::Resource);
        problems.extend(found.or(()).err().unwrap_or_default());
    }
}

/// Checks a name by the rules of S3 for general purpose buckets.
fn check_name(name: &str, problems: &mut Vec<Problem>) {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    if is_unknown_text(name) {
        return;
    }
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let why = if !(3..=63).contains(&name.len()) {
        Some(format!("it has {} characters, not 3 to 63", name.len()))
    } else if let Some(bad) = name.chars().find(|&c| !inner(c)) {
        Some(format!("`{bad}` can't stand in it"))
    } else if !end(name.chars().next()) || !end(name.chars().next_back()) {
        Some("it must begin and end with a letter or a digit".to_owned())
    } else if name.contains("..") {
        Some("it has two dots in a row".to_owned())
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("it looks like an IP address".to_owned())
    } else if let Some(prefix) = PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        Some(format!("names that begin with `{prefix}` are for AWS"))
    } else {
        let suffix = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix));
        suffix.map(|suffix| format!("names that end with `{suffix}` are for AWS"))
    };
    if let Some(why) = why {
        problems.push(problem(
            Path::new(BUCKET),
            format!("`{name}` can't be the name of a bucket: {why}"),
            "use 3 to 63 lowercase letters, digits and hyphens",
        ));
    }
}

fn normal_form(spec: &S3BucketSpec, context: &Context) -> Desired {
    let name = Value::from_spec_text(&spec.bucket);
    let region = Value::from(context.region.as_str());
    let mut attributes = Map::new();
    // What is external is only read, so nothing is asked of it by default.
    if !context.external || spec.public_access_block.is_some() {
        let block = spec.public_access_block.clone().unwrap_or_default();
        let on = |told: Option<bool>| Value::from(told.unwrap_or(true));
        let block = iam::map([
            ("blockPublicAcls", on(block.block_public_acls)),
            ("ignorePublicAcls", on(block.ignore_public_acls)),
            ("blockPublicPolicy", on(block.block_public_policy)),
            ("restrictPublicBuckets", on(block.restrict_public_buckets)),
        ]);
        attributes.insert(PUBLIC_ACCESS_BLOCK.into(), block.into());
    }
    if let Some(ownership) = &spec.object_ownership {
        attributes.insert(OWNERSHIP.into(), Value::from_spec(ownership).unwrap_or_default());
    }
    if let Some(encryption) = &spec.encryption {
        attributes.insert(ENCRYPTION.into(), Value::from_spec(encryption).unwrap_or_default());
    }
    if let Some(versioning) = spec.versioning {
        attributes.insert(VERSIONING.into(), versioning.into());
    }
    if let Some(rules) = lifecycle::desired(spec.expire_days, spec.lifecycle_rules.as_ref()) {
        attributes.insert(LIFECYCLE.into(), rules);
    }
    if let Some(tags) = &spec.tags {
        attributes.insert(TAGS.into(), tags_value(tags));
    }
    if let Some(policy) = &spec.policy {
        attributes.insert(POLICY.into(), Value::from_spec(policy).unwrap_or_default());
    }
    Desired {
        identity: Identity::new([(BUCKET, name.clone())]),
        attributes,
        outputs: iam::map([
            ("arn", arn(&name, &context.region)),
            ("name", name),
            ("region", region.clone()),
        ]),
        settings: iam::map([
            (REGION, region),
            (FORCE_DESTROY, spec.force_destroy.unwrap_or(false).into()),
        ]),
        ..Desired::default()
    }
}

fn arn(name: &Value, region: &str) -> Value {
    let start = format!("arn:{}:s3:::", iam::partition(region));
    match name {
        Value::String(name) => Value::String(start + name),
        other => Value::Unknown(start + &iam::label(other)),
    }
}

#[cfg(test)]
mod tests;
