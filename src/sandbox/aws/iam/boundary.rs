//! Permissions boundaries of roles.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::policies::{self, PolicyRef};
use super::{no_such_entity, roles, text};
use crate::sandbox::world::World;

/// The policy behind a boundary's ARN, if it can be one.
pub fn check<'a>(world: &World, arn: &'a str) -> Result<PolicyRef<'a>, Fault> {
    let policy = policies::parse_arn(arn)?;
    if policies::find(world, &policy).is_none() {
        return Err(no_such_entity(format!(
            "Scope ARN: {arn} does not exist or is not attachable."
        )));
    }
    if policy.is_for_services() {
        return Err(fault(
            "PolicyNotAttachable",
            format!("Policy {arn} cannot be attached to a role."),
        ));
    }
    Ok(policy)
}

/// Makes a policy the boundary of a role, in place of an earlier one.
pub fn bind(world: &mut World, role: &mut Value, policy: &PolicyRef<'_>) {
    unbind(world, role);
    let lower = text(role, "RoleName").to_ascii_lowercase();
    world.put(format!("{}{lower}", policy.key_of("policy-boundary")), Value::from(true));
    policies::count(world, policy, "PermissionsBoundaryUsageCount", 1);
    roles::set(
        role,
        "PermissionsBoundary",
        json!({
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": policy.arn,
        }),
    );
}

/// Forgets on the policy's side that it bounds the role.
pub fn unbind(world: &mut World, role: &Value) {
    let Some(arn) = role.pointer("/PermissionsBoundary/PermissionsBoundaryArn") else { return };
    let Ok(policy) = policies::parse_arn(arn.as_str().unwrap_or_default()) else { return };
    let lower = text(role, "RoleName").to_ascii_lowercase();
    if world.remove(&format!("{}{lower}", policy.key_of("policy-boundary"))).is_some() {
        policies::count(world, &policy, "PermissionsBoundaryUsageCount", -1);
    }
}

/// `put-role-permissions-boundary`.
pub fn put(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let mut role = roles::find_own(call.world, name)?.clone();
    let policy = check(call.world, call.input.text("PermissionsBoundary"))?;
    bind(call.world, &mut role, &policy);
    call.world.put(roles::key(name), role);
    Ok(Answer::Nothing)
}

/// `delete-role-permissions-boundary`. Without a boundary there is nothing to do.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let mut role = roles::find_own(call.world, name)?.clone();
    unbind(call.world, &role);
    if let Some(members) = role.as_object_mut() {
        members.remove("PermissionsBoundary");
    }
    call.world.put(roles::key(name), role);
    Ok(Answer::Nothing)
}
