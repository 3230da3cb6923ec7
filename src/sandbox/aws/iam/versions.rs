//! Versions of managed policies: at most five, one of them the default.

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::policies::{self, Owner, PolicyRef};
use super::{managed, no_such_entity, number, text};
use crate::sandbox::world::World;

const MOST: usize = 5;

fn prefix(policy: &PolicyRef<'_>) -> String {
    format!("iam/policy-version/{}/", policy.name.to_ascii_lowercase())
}

fn key(policy: &PolicyRef<'_>, version: i64) -> String {
    format!("{}{version:09}", prefix(policy))
}

/// Writes a version.
pub fn put(world: &mut World, policy: &PolicyRef<'_>, version: i64, document: &str) {
    let created = facts::to_second(world.now());
    world.put(
        key(policy, version),
        json!({
            "Document": document,
            "VersionId": format!("v{version}"),
            "CreateDate": created,
        }),
    );
}

/// The versions that an own policy has, oldest first.
pub fn numbers(world: &World, policy: &PolicyRef<'_>) -> Vec<i64> {
    let prefix = prefix(policy);
    world.scan(&prefix).filter_map(|(key, _)| key.strip_prefix(&prefix)?.parse().ok()).collect()
}

/// Removes every version.
pub fn remove_all(world: &mut World, policy: &PolicyRef<'_>) {
    for version in numbers(world, policy) {
        world.remove(&key(policy, version));
    }
}

/// A version's number from `v3`.
fn parse(version: &str) -> Result<i64, Fault> {
    version
        .strip_prefix('v')
        .filter(|digits| !digits.starts_with(['0', '+', '-']))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| {
            fault(
                "ValidationError",
                format!(
                    "1 validation error detected: Value '{version}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
                ),
            )
        })
}

fn missing(policy: &PolicyRef<'_>, version: &str) -> Fault {
    no_such_entity(format!(
        "Policy {} version {version} does not exist or is not attachable.",
        policy.arn
    ))
}

/// A version as answered; the default is known by the policy.
fn shown(version: &Value, entry: &Value) -> Value {
    let mut shown = version.clone();
    let is_default = text(version, "VersionId") == text(entry, "DefaultVersionId");
    super::roles::set(&mut shown, "IsDefaultVersion", is_default);
    shown
}

/// A version in a list or as the answer of a create: without its text.
fn listed(version: &Value, entry: &Value) -> Value {
    let mut shown = shown(version, entry);
    if let Some(members) = shown.as_object_mut() {
        members.remove("Document");
    }
    shown
}

/// `create-policy-version`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let policy = policies::parse_arn(input.text("PolicyArn"))?;
    let document = input.text("PolicyDocument");
    let mut entry = policies::require_own(call.world, &policy)?;
    policies::check_document(document)?;
    if numbers(call.world, &policy).len() >= MOST {
        return Err(fault(
            "LimitExceeded",
            format!(
                "A managed policy can have up to {MOST} versions. Before you create a new version, you must delete an existing version."
            ),
        ));
    }
    // Version numbers are never used twice, also after the newest is deleted.
    let version = number(&entry, "latest") + 1;
    put(call.world, &policy, version, document);
    super::roles::set(&mut entry, "latest", version);
    if input.flag("SetAsDefault").unwrap_or(false) {
        make_default(call.world, &mut entry, version);
    }
    let stored = call.world.get(&key(&policy, version)).cloned().unwrap_or_default();
    let answer = listed(&stored, &entry);
    policies::store(call.world, &policy, entry);
    Ok(Answer::Body(json!({ "PolicyVersion": answer })))
}

fn make_default(world: &World, entry: &mut Value, version: i64) {
    super::roles::set(entry, "DefaultVersionId", format!("v{version}"));
    super::roles::set(entry, "UpdateDate", facts::to_second(world.now()));
}

/// `get-policy-version`.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = policies::parse_arn(call.input.text("PolicyArn"))?;
    let wanted = call.input.text("VersionId");
    let entry = policies::require(call.world, &policy)?;
    let version = parse(wanted)?;
    let found = match policy.owner {
        Owner::Account => call.world.get(&key(&policy, version)).cloned(),
        Owner::Aws => managed::find(policy.arn)
            .filter(|known| known.version == wanted)
            .map(managed::Managed::version),
    };
    let found = found.ok_or_else(|| missing(&policy, wanted))?;
    Ok(Answer::Body(json!({ "PolicyVersion": shown(&found, &entry) })))
}

/// The versions of a policy with their documents, the newest first.
pub fn with_documents(world: &World, policy: &PolicyRef<'_>, entry: &Value) -> Vec<Value> {
    let versions: Vec<Value> = match policy.owner {
        Owner::Account => world.scan(&prefix(policy)).map(|(_, version)| version.clone()).collect(),
        Owner::Aws => {
            managed::find(policy.arn).map(managed::Managed::version).into_iter().collect()
        }
    };
    versions.iter().rev().map(|version| shown(version, entry)).collect()
}

/// `list-policy-versions`: the newest first.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = policies::parse_arn(call.input.text("PolicyArn"))?;
    let entry = policies::require(call.world, &policy)?;
    let versions: Vec<Value> = match policy.owner {
        Owner::Account => {
            let prefix = prefix(&policy);
            let mut versions: Vec<Value> =
                call.world.scan(&prefix).map(|(_, version)| listed(version, &entry)).collect();
            versions.reverse();
            versions
        }
        Owner::Aws => managed::find(policy.arn)
            .map(|known| listed(&known.version(), &entry))
            .into_iter()
            .collect(),
    };
    Ok(Answer::Body(json!({ "Versions": versions })))
}

/// `set-default-policy-version`.
pub fn set_default(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = policies::parse_arn(call.input.text("PolicyArn"))?;
    let wanted = call.input.text("VersionId");
    let mut entry = policies::require_own(call.world, &policy)?;
    let version = parse(wanted)?;
    if call.world.get(&key(&policy, version)).is_none() {
        return Err(missing(&policy, wanted));
    }
    make_default(call.world, &mut entry, version);
    policies::store(call.world, &policy, entry);
    Ok(Answer::Nothing)
}

/// `delete-policy-version`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = policies::parse_arn(call.input.text("PolicyArn"))?;
    let wanted = call.input.text("VersionId");
    let entry = policies::require_own(call.world, &policy)?;
    let version = parse(wanted)?;
    if text(&entry, "DefaultVersionId") == wanted {
        return Err(fault("DeleteConflict", "Cannot delete the default version of a policy."));
    }
    call.world.remove(&key(&policy, version)).ok_or_else(|| missing(&policy, wanted))?;
    Ok(Answer::Nothing)
}
