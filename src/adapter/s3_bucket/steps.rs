//! The commands that make, change, empty and delete a bucket.

use super::super::iam::{self, Member};
use super::super::{Blocker, Desired, Identity, Object, Operation, Step, Verb, iam_document};
use super::{
    BUCKET, CONTENT, ENCRYPTION, FORCE_DESTROY, LIFECYCLE, MINIMUM_SIZE, MORE, OWNERSHIP, POLICY,
    PUBLIC_ACCESS_BLOCK, RAW_RULES, RAW_TAGS, REGION, TAGS, VERSIONING, lifecycle,
};
use crate::command::Command;
use crate::value::{Map, Value};

/// The most objects that S3 deletes in one call.
const MOST_OBJECTS: usize = 1000;

pub(super) fn steps(operation: &Operation<'_>) -> Vec<Step> {
    let bucket = Bucket { name: iam::part(operation.identity, BUCKET) };
    match (operation.verb, operation.desired) {
        (Verb::Delete, _) => bucket.delete(operation.object),
        (Verb::Create, Some(desired)) => bucket.create(desired),
        (Verb::Update | Verb::Repair, Some(desired)) => bucket.update(operation, desired),
        // Only a delete comes without a desired value.
        (Verb::Create | Verb::Update | Verb::Repair, None) => Vec::new(),
    }
}

/// What keeps a bucket from being deleted: what it holds.
pub(super) fn obstacles(identity: &Identity, object: &Object) -> Vec<Blocker> {
    let content = content(Some(object));
    let flag = |name: &str| object.facts.get(name).and_then(Value::as_bool) == Some(true);
    let name = identity.part(BUCKET);
    let (force, more) = (flag(FORCE_DESTROY), flag(MORE));
    if content.is_empty() || (force && !more) {
        return Vec::new();
    }
    let count =
        if more { format!("more than {}", content.len()) } else { content.len().to_string() };
    let key = |one: &Value| one.get("Key").and_then(Value::as_str).unwrap_or("").to_owned();
    let mut keys: Vec<String> = content.iter().map(key).collect();
    keys.dedup();
    if keys.len() > 3 {
        keys.truncate(3);
        keys.push("...".to_owned());
    }
    let things = if content.len() == 1 { "object or version" } else { "objects and versions" };
    let message = format!("the bucket {name} holds {count} {things}: {}", keys.join(", "));
    vec![if force {
        Blocker {
            code: "BucketTooFull".into(),
            message,
            next: format!(
                "it is too much to be deleted one by one: set `expireDays: 1`, wait a day or two, \
                 then destroy again; or keep {name}"
            ),
        }
    } else {
        Blocker {
            code: "BucketNotEmpty".into(),
            message,
            next: format!(
                "keep it, since nothing brings its data back: `lkh state rm` leaves it to you; or \
                 set `forceDestroy: true` for {name}, apply that, and run this again"
            ),
        }
    }]
}

fn content(object: Option<&Object>) -> &[Value] {
    object.and_then(|object| object.facts.get(CONTENT)).and_then(Value::as_list).unwrap_or_default()
}

struct Bucket {
    name: Value,
}

impl Bucket {
    fn step<const N: usize>(
        &self,
        title: &str,
        operation: &str,
        members: [(&str, Value); N],
    ) -> Step {
        let title = format!("{title} {}", iam::label(&self.name));
        let mut input = iam::map(members);
        input.insert("Bucket".into(), self.name.clone());
        Step::new(title, Command::aws_write("s3api", operation, Value::Map(input)))
    }

    fn create(&self, desired: &Desired) -> Vec<Step> {
        let region = desired.settings.get(REGION).and_then(Value::as_str).unwrap_or("");
        let mut create = self.step("create the bucket", "create-bucket", []);
        // The first region is the one that must not be named.
        if region != "us-east-1"
            && let Some(Value::Map(input)) = &mut create.command.stdin
        {
            let place = iam::map([("LocationConstraint", region.into())]);
            input.insert("CreateBucketConfiguration".into(), place.into());
        }
        let members = |name: &str| -> Vec<Member> {
            let declared = desired.attributes.get(name).and_then(Value::as_map);
            let entries = declared.into_iter().flatten();
            entries
                .map(|(key, value)| Member { key: key.clone(), after: Some(value.clone()) })
                .collect()
        };
        let mut steps = vec![create];
        steps.extend(
            self.fields(&desired.attributes, &|name| desired.attributes.contains_key(name)),
        );
        steps.extend(self.tags(&[], &members(TAGS)));
        steps.extend(self.lifecycle(None, &members(LIFECYCLE)));
        steps.extend(self.policy(desired.attributes.get(POLICY)));
        steps
    }

    fn update(&self, operation: &Operation<'_>, desired: &Desired) -> Vec<Step> {
        let touched = |name: &str| iam::touches(operation.changes, name);
        let raw = |fact: &str| {
            let facts = operation.object.map(|object| &object.facts);
            facts.and_then(|facts| facts.get(fact)).and_then(Value::as_list).unwrap_or_default()
        };
        let mut steps = self.fields(&desired.attributes, &touched);
        steps.extend(self.tags(raw(RAW_TAGS), &iam::members(operation.changes, TAGS)));
        let rules = iam::members(operation.changes, LIFECYCLE);
        steps.extend(self.lifecycle(operation.object, &rules));
        if touched(POLICY) {
            match desired.attributes.get(POLICY) {
                Some(policy) => steps.extend(self.policy(Some(policy))),
                None => steps.push(self.step("remove the policy of", "delete-bucket-policy", [])),
            }
        }
        steps
    }

    /// The parts that are set as a whole. What is no longer declared is left as
    /// it is, so there is nothing to set then.
    fn fields(&self, wanted: &Map, touched: &dyn Fn(&str) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let get = |name: &str| wanted.get(name).filter(|value| touched(name) && !value.is_null());
        let of = |map: &Value, name: &str| map.get(name).cloned().unwrap_or_default();
        if let Some(block) = get(PUBLIC_ACCESS_BLOCK) {
            let block = iam::map([
                ("BlockPublicAcls", of(block, "blockPublicAcls")),
                ("IgnorePublicAcls", of(block, "ignorePublicAcls")),
                ("BlockPublicPolicy", of(block, "blockPublicPolicy")),
                ("RestrictPublicBuckets", of(block, "restrictPublicBuckets")),
            ]);
            steps.push(self.step(
                "set what may be public in",
                "put-public-access-block",
                [("PublicAccessBlockConfiguration", block.into())],
            ));
        }
        if let Some(ownership) = get(OWNERSHIP) {
            let rule = iam::map([("ObjectOwnership", ownership.clone())]);
            let controls = iam::map([("Rules", Value::List(vec![rule.into()]))]);
            steps.push(self.step(
                "set who owns the objects of",
                "put-bucket-ownership-controls",
                [("OwnershipControls", controls.into())],
            ));
        }
        if let Some(encryption) = get(ENCRYPTION) {
            let mut by_default = iam::map([("SSEAlgorithm", of(encryption, "algorithm"))]);
            if let Some(key) = encryption.get("kmsKeyId").filter(|key| !key.is_null()) {
                by_default.insert("KMSMasterKeyID".into(), key.clone());
            }
            let mut rule = iam::map([("ApplyServerSideEncryptionByDefault", by_default.into())]);
            if let Some(on) = encryption.get("bucketKey").filter(|on| !on.is_null()) {
                rule.insert("BucketKeyEnabled".into(), on.clone());
            }
            let rules = iam::map([("Rules", Value::List(vec![rule.into()]))]);
            steps.push(self.step(
                "set the default encryption of",
                "put-bucket-encryption",
                [("ServerSideEncryptionConfiguration", rules.into())],
            ));
        }
        if let Some(versioning) = get(VERSIONING) {
            let on = versioning.as_bool() == Some(true);
            let status = if on { "Enabled" } else { "Suspended" };
            let verb = if on { "keep old versions in" } else { "keep no more old versions in" };
            let configuration = iam::map([("Status", status.into())]);
            let members = [("VersioningConfiguration", configuration.into())];
            steps.push(self.step(verb, "put-bucket-versioning", members));
        }
        steps
    }

    /// S3 replaces all tags at once: others' and AWS's own are sent along.
    fn tags(&self, raw: &[Value], members: &[Member]) -> Option<Step> {
        if members.is_empty() {
            return None;
        }
        let key_of = |tag: &Value| tag.get("Key").and_then(Value::as_str).map(str::to_owned);
        let is_ours = |tag: &&Value| {
            let key = key_of(tag);
            members.iter().any(|member| Some(&member.key) == key.as_ref())
        };
        let theirs = raw.iter().filter(|tag| !is_ours(tag)).cloned();
        let ours =
            members.iter().filter_map(|member| Some(iam::tag(&member.key, member.after.as_ref()?)));
        let all: Vec<Value> = theirs.chain(ours).collect();
        Some(if all.is_empty() {
            self.step("remove the tags of", "delete-bucket-tagging", [])
        } else {
            let tagging = iam::map([("TagSet", all.into())]);
            self.step("tag", "put-bucket-tagging", [("Tagging", tagging.into())])
        })
    }

    /// The same goes for lifecycle rules.
    fn lifecycle(&self, object: Option<&Object>, members: &[Member]) -> Option<Step> {
        if members.is_empty() {
            return None;
        }
        let fact = |name: &str| object.and_then(|object| object.facts.get(name));
        let raw = fact(RAW_RULES).and_then(Value::as_list).unwrap_or_default();
        let rules = lifecycle::whole(raw, members);
        if rules.is_empty() {
            return Some(self.step("remove the lifecycle of", "delete-bucket-lifecycle", []));
        }
        let rules = iam::map([("Rules", rules.into())]);
        let mut step = self.step(
            "set the lifecycle of",
            "put-bucket-lifecycle-configuration",
            [("LifecycleConfiguration", rules.into())],
        );
        if let (Some(size), Some(Value::Map(input))) = (fact(MINIMUM_SIZE), &mut step.command.stdin)
        {
            input.insert("TransitionDefaultMinimumObjectSize".into(), size.clone());
        }
        Some(step)
    }

    fn policy(&self, policy: Option<&Value>) -> Option<Step> {
        let text = iam_document::text(policy.filter(|policy| !policy.is_null())?);
        Some(self.step("set the policy of", "put-bucket-policy", [("Policy", text)]))
    }

    /// Empties the bucket of what was read, where the manifest said so, and
    /// deletes it. Whether that may be is for `obstacles`.
    fn delete(&self, object: Option<&Object>) -> Vec<Step> {
        let fact = |name: &str| object.and_then(|object| object.facts.get(name));
        let force = fact(FORCE_DESTROY).and_then(Value::as_bool) == Some(true);
        let doomed = if force { content(object) } else { &[] };
        let mut steps: Vec<Step> = doomed
            .chunks(MOST_OBJECTS)
            .map(|chunk| {
                let title = format!("delete {} objects and versions of", chunk.len());
                let delete = iam::map([("Objects", chunk.to_vec().into()), ("Quiet", true.into())]);
                self.step(&title, "delete-objects", [("Delete", delete.into())])
            })
            .collect();
        steps.push(self.step("delete the bucket", "delete-bucket", []));
        steps
    }
}
