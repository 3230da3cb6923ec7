//! Managed policies attached to roles, seen from either side.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::policies::{self, PolicyRef};
use super::{names, no_such_entity, roles, text};
use crate::sandbox::world::World;

/// Most managed policies on one role, unless AWS raised the quota.
const MOST_ATTACHED: usize = 10;

fn prefix(role: &str) -> String {
    format!("iam/role-attached/{}/", role.to_ascii_lowercase())
}

/// `attach-role-policy`. Attaching again is no error.
pub fn attach(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (role, arn) = (call.input.text("RoleName"), call.input.text("PolicyArn"));
    let policy = policies::parse_arn(arn)?;
    roles::find_own(call.world, role)?;
    if policies::find(call.world, &policy).is_none() || policy.is_for_services() {
        return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")));
    }
    let prefix = prefix(role);
    if call.world.get(&format!("{prefix}{arn}")).is_some() {
        return Ok(Answer::Nothing);
    }
    if call.world.scan(&prefix).count() >= MOST_ATTACHED {
        return Err(fault(
            "LimitExceeded",
            format!("Cannot exceed quota for PoliciesPerRole: {MOST_ATTACHED}"),
        ));
    }
    link(call.world, role, &policy);
    Ok(Answer::Nothing)
}

/// Attaches without any check.
pub fn link(world: &mut World, role: &str, policy: &PolicyRef<'_>) {
    let lower = role.to_ascii_lowercase();
    world.put(format!("{}{}", prefix(role), policy.arn), Value::from(policy.name));
    world.put(format!("{}{lower}", policy.key_of("policy-role")), Value::from(true));
    policies::count(world, policy, "AttachmentCount", 1);
}

fn unlink(world: &mut World, role: &str, policy: &PolicyRef<'_>) -> bool {
    let lower = role.to_ascii_lowercase();
    if world.remove(&format!("{}{}", prefix(role), policy.arn)).is_none() {
        return false;
    }
    world.remove(&format!("{}{lower}", policy.key_of("policy-role")));
    policies::count(world, policy, "AttachmentCount", -1);
    true
}

/// Detaches everything from a role.
pub fn detach_all(world: &mut World, role: &str) {
    let prefix = prefix(role);
    let arns: Vec<String> = world
        .scan(&prefix)
        .filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned))
        .collect();
    for arn in arns {
        if let Ok(policy) = policies::parse_arn(&arn) {
            unlink(world, role, &policy);
        }
    }
}

/// `detach-role-policy`.
pub fn detach(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (role, arn) = (call.input.text("RoleName"), call.input.text("PolicyArn"));
    let policy = policies::parse_arn(arn)?;
    roles::find_own(call.world, role)?;
    if !unlink(call.world, role, &policy) {
        return Err(no_such_entity(format!("Policy {arn} was not found.")));
    }
    Ok(Answer::Nothing)
}

/// `list-attached-role-policies`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let role = call.input.text("RoleName");
    let wanted = names::path_prefix(call.input)?;
    roles::find(call.world, role)?;
    let attached: Vec<Value> = of_role(call.world, role)
        .into_iter()
        .filter(|attached| {
            policies::parse_arn(super::text(attached, "PolicyArn"))
                .is_ok_and(|policy| policy.path.starts_with(wanted))
        })
        .collect();
    Ok(Answer::Body(json!({ "AttachedPolicies": attached })))
}

/// The policies that are attached to a role: names and ARNs.
pub fn of_role(world: &World, role: &str) -> Vec<Value> {
    let prefix = prefix(role);
    world
        .scan(&prefix)
        .filter_map(|(key, name)| Some((key.strip_prefix(&prefix)?, name)))
        .map(|(arn, name)| json!({ "PolicyName": name, "PolicyArn": arn }))
        .collect()
}

/// `list-entities-for-policy`. The sandbox has no groups, and no user with a
/// policy.
pub fn entities(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let policy = policies::parse_arn(input.text("PolicyArn"))?;
    policies::require(call.world, &policy)?;
    let wanted_path = names::path_prefix(input)?;
    let roles_wanted = matches!(input.maybe("EntityFilter"), None | Some("Role"));
    let usage = input.maybe("PolicyUsageFilter");

    let mut found: Vec<Value> = Vec::new();
    for (kind, filter) in
        [("policy-role", "PermissionsPolicy"), ("policy-boundary", "PermissionsBoundary")]
    {
        if !roles_wanted || usage.is_some_and(|usage| usage != filter) {
            continue;
        }
        let prefix = policy.key_of(kind);
        for (key, _) in call.world.scan(&prefix) {
            let Some(role) = key
                .strip_prefix(&prefix)
                .and_then(|name| call.world.get(&roles::key(name)))
                .filter(|role| text(role, "Path").starts_with(wanted_path))
            else {
                continue;
            };
            let entity = json!({
                "RoleName": text(role, "RoleName"),
                "RoleId": text(role, "RoleId"),
            });
            if !found.contains(&entity) {
                found.push(entity);
            }
        }
    }
    Ok(Answer::Body(json!({ "PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": found })))
}
