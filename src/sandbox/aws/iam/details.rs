//! All that the account's IAM holds, in one answer.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault, Input, fault};
use super::{attachments, inline, policies, profiles, roles, text, versions};
use crate::sandbox::world::World;

/// What the list can be narrowed to.
const ENTITIES: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];

/// `get-account-authorization-details`. The sandbox has no groups, and no user
/// with a policy. Of AWS's policies those are told that something holds.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let wanted = wanted(call.input)?;
    let wants = |entity: &str| wanted.is_empty() || wanted.contains(&entity);
    let world = &*call.world;
    let found_roles: Vec<Value> = world
        .scan("iam/role/")
        .filter(|_| wants("Role"))
        .map(|(_, role)| role_detail(world, role))
        .collect();
    let found_policies: Vec<Value> = policies::all(world)
        .filter(|entry| {
            let is_own = !text(entry, "Arn").starts_with("arn:aws:iam::aws:");
            let is_held = super::number(entry, "AttachmentCount") > 0;
            if is_own { wants("LocalManagedPolicy") } else { wants("AWSManagedPolicy") && is_held }
        })
        .map(|entry| policy_detail(world, entry))
        .collect();
    Ok(Answer::Body(json!({
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": found_roles,
        "Policies": found_policies,
    })))
}

fn wanted(input: Input<'_>) -> Result<Vec<&str>, Fault> {
    let given = input.get("Filter").and_then(Value::as_array).map(Vec::as_slice);
    let given: Vec<&str> = given.unwrap_or_default().iter().filter_map(Value::as_str).collect();
    match given.iter().find(|entity| !ENTITIES.contains(entity)) {
        None => Ok(given),
        Some(_) => Err(fault(
            "ValidationError",
            format!(
                "1 validation error detected: Value '[{}]' at 'filter' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [{}]]",
                given.join(", "),
                ENTITIES.join(", ")
            ),
        )),
    }
}

fn role_detail(world: &World, role: &Value) -> Value {
    let name = text(role, "RoleName");
    let mut detail = roles::shown(world, role);
    if let Some(members) = detail.as_object_mut() {
        // What only `get-role` and `list-roles` tell.
        members.remove("Description");
        members.remove("MaxSessionDuration");
        members.insert("InstanceProfileList".into(), profiles::of_role(world, name).into());
        members.insert("RolePolicyList".into(), inline::of_role(world, name).into());
        members.insert("AttachedManagedPolicies".into(), attachments::of_role(world, name).into());
    }
    detail
}

fn policy_detail(world: &World, mut entry: Value) -> Value {
    let all = policies::parse_arn(text(&entry, "Arn"))
        .map(|policy| versions::with_documents(world, &policy, &entry))
        .unwrap_or_default();
    if let Some(members) = entry.as_object_mut() {
        // Only `get-policy` tells them. Of descriptions the API's reference says
        // otherwise, and what AWS answers has none.
        members.remove("Tags");
        members.remove("Description");
        members.insert("PolicyVersionList".into(), all.into());
    }
    entry
}
