//! Inline policies of roles.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::{document, names, no_such_entity, roles};
use crate::sandbox::world::World;

/// Most characters of all inline policies of one role together, white space
/// left out.
const MOST_SIZE: usize = 10_240;

fn prefix(role: &str) -> String {
    format!("iam/role-inline/{}/", role.to_ascii_lowercase())
}

fn missing(policy: &str) -> Fault {
    no_such_entity(format!("The role policy with name {policy} cannot be found."))
}

/// `put-role-policy`.
pub fn put(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (role, policy) = (input.text("RoleName"), input.text("PolicyName"));
    let text = input.text("PolicyDocument");
    roles::find_own(call.world, role)?;
    names::check_name(policy, "policyName", 128)?;
    document::check_permissions(text)?;
    let key = format!("{}{policy}", prefix(role));
    let others: usize = call
        .world
        .scan(&prefix(role))
        .filter(|(other, _)| *other != key)
        .filter_map(|(_, other)| other.as_str())
        .map(document::size)
        .sum();
    if others + document::size(text) > MOST_SIZE {
        return Err(fault(
            "LimitExceeded",
            format!("Maximum policy size of {MOST_SIZE} bytes exceeded for role {role}"),
        ));
    }
    call.world.put(key, Value::from(text));
    Ok(Answer::Nothing)
}

/// `get-role-policy`.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (role, policy) = (call.input.text("RoleName"), call.input.text("PolicyName"));
    let found = roles::find(call.world, role)?;
    let text =
        call.world.get(&format!("{}{policy}", prefix(role))).ok_or_else(|| missing(policy))?;
    Ok(Answer::Body(json!({
        "RoleName": super::text(found, "RoleName"),
        "PolicyName": policy,
        "PolicyDocument": text,
    })))
}

/// `delete-role-policy`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (role, policy) = (call.input.text("RoleName"), call.input.text("PolicyName"));
    roles::find_own(call.world, role)?;
    call.world.remove(&format!("{}{policy}", prefix(role))).ok_or_else(|| missing(policy))?;
    Ok(Answer::Nothing)
}

/// The inline policies of a role, with their documents.
pub fn of_role(world: &World, role: &str) -> Vec<Value> {
    let prefix = prefix(role);
    world
        .scan(&prefix)
        .filter_map(|(key, document)| Some((key.strip_prefix(&prefix)?, document)))
        .map(|(name, document)| json!({ "PolicyName": name, "PolicyDocument": document }))
        .collect()
}

/// `list-role-policies`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let role = call.input.text("RoleName");
    roles::find(call.world, role)?;
    let prefix = prefix(role);
    let names: Vec<&str> =
        call.world.scan(&prefix).filter_map(|(key, _)| key.strip_prefix(&prefix)).collect();
    Ok(Answer::Body(json!({ "PolicyNames": names })))
}
