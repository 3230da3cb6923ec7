//! Managed policies: the account's own, and how a policy is found by ARN.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT};
use super::super::model::{Answer, Call, Fault, fault};
use super::{document, managed, names, no_such_entity, number, tags, text, versions};
use crate::sandbox::world::World;

/// Most characters of one managed policy, white space left out.
pub const MOST_SIZE: usize = 6144;

/// Whose a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The account's own.
    Account,
    /// One of AWS's.
    Aws,
}

/// A policy's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRef<'a> {
    /// The ARN as given.
    pub arn: &'a str,
    /// Whose it is.
    pub owner: Owner,
    /// The path, with slashes at both ends.
    pub path: &'a str,
    /// The name.
    pub name: &'a str,
}

impl PolicyRef<'_> {
    /// The prefix of the keys of one kind about this policy.
    pub fn key_of(&self, kind: &str) -> String {
        let owner = match self.owner {
            Owner::Account => "account",
            Owner::Aws => "aws",
        };
        format!("iam/{kind}/{owner}/{}/", self.name.to_ascii_lowercase())
    }

    /// Where the policy itself is kept.
    fn key(&self) -> String {
        self.key_of("policy").trim_end_matches('/').to_owned()
    }

    /// Whether only AWS services may attach it.
    pub fn is_for_services(&self) -> bool {
        self.owner == Owner::Aws && self.path.starts_with("/aws-service-role/")
    }
}

/// Takes a policy's ARN apart.
pub fn parse_arn(arn: &str) -> Result<PolicyRef<'_>, Fault> {
    let invalid = || fault("InvalidInput", format!("ARN {arn} is not valid."));
    let rest = arn.strip_prefix("arn:aws:iam::").ok_or_else(invalid)?;
    let (account, resource) = rest.split_once(":policy").ok_or_else(invalid)?;
    let owner = match account {
        "aws" => Owner::Aws,
        ACCOUNT => Owner::Account,
        _ if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(fault("AccessDenied", format!("Policy {arn} belongs to another account.")));
        }
        _ => return Err(invalid()),
    };
    let slash = resource.rfind('/').ok_or_else(invalid)?;
    let (path, name) = resource.split_at_checked(slash + 1).ok_or_else(invalid)?;
    if name.is_empty() || !path.starts_with('/') {
        return Err(invalid());
    }
    Ok(PolicyRef { arn, owner, path, name })
}

/// The policy behind an ARN: stored, or built from what AWS provides.
pub fn find(world: &World, policy: &PolicyRef<'_>) -> Option<Value> {
    let stored = world.get(&policy.key());
    match policy.owner {
        Owner::Account => stored.filter(|entry| text(entry, "Arn") == policy.arn).cloned(),
        Owner::Aws => managed::find(policy.arn).map(|known| known.entry(stored)),
    }
}

/// The policy behind an ARN, or IAM's error.
pub fn require(world: &World, policy: &PolicyRef<'_>) -> Result<Value, Fault> {
    find(world, policy)
        .ok_or_else(|| no_such_entity(format!("Policy {} was not found.", policy.arn)))
}

/// The account's own policy behind an ARN; AWS's cannot be changed.
pub fn require_own(world: &World, policy: &PolicyRef<'_>) -> Result<Value, Fault> {
    if policy.owner == Owner::Aws {
        return Err(fault(
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform this operation on resource: policy {}",
                facts::CALLER_ARN,
                policy.arn
            ),
        ));
    }
    require(world, policy)
}

/// Writes an own policy back.
pub fn store(world: &mut World, policy: &PolicyRef<'_>, entry: Value) {
    world.put(policy.key(), entry);
}

/// Adds to one of a policy's counts.
pub fn count(world: &mut World, policy: &PolicyRef<'_>, name: &str, change: i64) {
    let key = policy.key();
    let mut entry = world.get(&key).cloned().unwrap_or_else(|| json!({}));
    let counted = number(&entry, name) + change;
    super::roles::set(&mut entry, name, counted);
    world.put(key, entry);
}

/// `create-policy`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (name, text) = (input.text("PolicyName"), input.text("PolicyDocument"));
    let path = input.maybe("Path").unwrap_or("/");
    names::check_name(name, "policyName", 128)?;
    names::check_path(path)?;
    if let Some(description) = input.maybe("Description") {
        names::check_length(description, "description", 1000)?;
    }
    let tags = tags::given(input)?;
    let arn = names::arn("policy", path, name);
    let policy = parse_arn(&arn)?;
    if call.world.get(&policy.key()).is_some() {
        return Err(fault(
            "EntityAlreadyExists",
            format!("A policy called {name} already exists. Duplicate names are not allowed."),
        ));
    }
    check_document(text)?;

    let now = facts::to_second(call.world.now());
    let mut entry = json!({
        "PolicyName": name,
        "PolicyId": facts::unique_id(call.world, "ANPA"),
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": now,
        "UpdateDate": now,
        "latest": 1,
    });
    tags::set(&mut entry, tags)?;
    let mut stored = entry.clone();
    if let Some(description) = input.maybe("Description") {
        super::roles::set(&mut stored, "Description", description);
    }
    call.world.put(policy.key(), stored);
    versions::put(call.world, &policy, 1, text);
    Ok(Answer::Body(json!({ "Policy": entry })))
}

/// Checks the text of a managed policy.
pub fn check_document(text: &str) -> Result<(), Fault> {
    document::check_permissions(text)?;
    if document::size(text) > MOST_SIZE {
        return Err(fault(
            "LimitExceeded",
            format!("Cannot exceed quota for PolicySize: {MOST_SIZE}"),
        ));
    }
    Ok(())
}

/// `get-policy`.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut entry = require(call.world, &parse_arn(call.input.text("PolicyArn"))?)?;
    let tags = Value::from(tags::of(&entry).to_vec());
    super::roles::set(&mut entry, "Tags", tags);
    Ok(Answer::Body(json!({ "Policy": entry })))
}

/// The account's own policies.
fn own(world: &World) -> impl Iterator<Item = Value> {
    world.scan("iam/policy/account/").map(|(_, entry)| entry.clone())
}

/// AWS's policies.
fn theirs(world: &World) -> impl Iterator<Item = Value> {
    managed::all().iter().filter_map(|known| find(world, &parse_arn(&known.arn()).ok()?))
}

/// Every policy, the account's own first.
pub fn all(world: &World) -> impl Iterator<Item = Value> {
    own(world).chain(theirs(world))
}

/// `list-policies`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let scope = input.maybe("Scope").unwrap_or("All");
    if !matches!(scope, "All" | "AWS" | "Local") {
        return Err(fault(
            "ValidationError",
            format!(
                "1 validation error detected: Value '{scope}' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"
            ),
        ));
    }
    let prefix = names::path_prefix(input)?;
    let attached_only = input.flag("OnlyAttached").unwrap_or(false);
    let policies: Vec<Value> = own(call.world)
        .filter(|_| scope != "AWS")
        .chain(theirs(call.world).filter(|_| scope != "Local"))
        .filter(|entry| text(entry, "Path").starts_with(prefix))
        .filter(|entry| !attached_only || number(entry, "AttachmentCount") > 0)
        .map(|mut entry| {
            // Lists leave out what only the single read answers.
            if let Some(members) = entry.as_object_mut() {
                members.remove("Tags");
                members.remove("Description");
            }
            entry
        })
        .collect();
    Ok(Answer::Body(json!({ "Policies": policies })))
}

/// `delete-policy`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = parse_arn(call.input.text("PolicyArn"))?;
    let entry = require_own(call.world, &policy)?;
    if number(&entry, "AttachmentCount") + number(&entry, "PermissionsBoundaryUsageCount") > 0 {
        return Err(fault("DeleteConflict", "Cannot delete a policy attached to entities."));
    }
    if versions::numbers(call.world, &policy).len() > 1 {
        return Err(fault(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    versions::remove_all(call.world, &policy);
    call.world.remove(&policy.key());
    Ok(Answer::Nothing)
}

/// `tag-policy`.
pub fn tag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = parse_arn(call.input.text("PolicyArn"))?;
    let mut entry = require_own(call.world, &policy)?;
    tags::set(&mut entry, tags::given(call.input)?)?;
    store(call.world, &policy, entry);
    Ok(Answer::Nothing)
}

/// `untag-policy`.
pub fn untag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = parse_arn(call.input.text("PolicyArn"))?;
    let mut entry = require_own(call.world, &policy)?;
    let keys: Vec<&str> = call.input.texts("TagKeys").collect();
    tags::unset(&mut entry, &keys);
    store(call.world, &policy, entry);
    Ok(Answer::Nothing)
}

/// `list-policy-tags`.
pub fn list_tags(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let entry = require(call.world, &parse_arn(call.input.text("PolicyArn"))?)?;
    Ok(Answer::Body(tags::listed(&entry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_owner_path_and_name() {
        let policy = parse_arn("arn:aws:iam::aws:policy/service-role/X").unwrap();
        assert_eq!((policy.owner, policy.path, policy.name), (Owner::Aws, "/service-role/", "X"));
        let policy = parse_arn("arn:aws:iam::111122223333:policy/X").unwrap();
        assert_eq!((policy.owner, policy.path, policy.name), (Owner::Account, "/", "X"));
        for wrong in
            ["x", "arn:aws:iam::aws:role/X", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:policyX"]
        {
            assert!(parse_arn(wrong).is_err(), "{wrong}");
        }
    }
}
