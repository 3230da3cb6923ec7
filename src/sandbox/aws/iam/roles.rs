//! Roles: create, read, update, delete, tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::{attachments, boundary, document, names, no_such_entity, tags, text};
use crate::sandbox::world::World;

/// Least and default session duration, in seconds.
pub const HOUR: i64 = 3600;

/// Where a role is kept.
pub fn key(name: &str) -> String {
    format!("iam/role/{}", name.to_ascii_lowercase())
}

/// A role by name.
pub fn find<'w>(world: &'w World, name: &str) -> Result<&'w Value, Fault> {
    names::check_name(name, "roleName", 64)?;
    world
        .get(&key(name))
        .ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))
}

/// A role by name, unless it is a service-linked role, which only its service
/// may change.
pub fn find_own<'w>(world: &'w World, name: &str) -> Result<&'w Value, Fault> {
    let role = find(world, name)?;
    if is_linked(role) {
        return Err(fault(
            "UnmodifiableEntity",
            format!(
                "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
                text(role, "RoleName")
            ),
        ));
    }
    Ok(role)
}

/// Whether a role is a service-linked role.
pub fn is_linked(role: &Value) -> bool {
    text(role, "Path").starts_with("/aws-service-role/")
}

/// What a new role is made of, besides its tags and boundary.
pub struct NewRole<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, with slashes at both ends.
    pub path: &'a str,
    /// The trust policy's text.
    pub trust: &'a str,
    /// The description, if any.
    pub description: Option<&'a str>,
    /// The session duration in seconds.
    pub session: i64,
    /// The roles it trusts, by ARN, with their unique ids.
    pub trusted: BTreeMap<String, String>,
}

/// Writes a new role and returns it.
pub fn put_role(world: &mut World, new: &NewRole<'_>) -> Value {
    let mut role = json!({
        "Path": new.path,
        "RoleName": new.name,
        "RoleId": facts::unique_id(world, "AROA"),
        "Arn": names::arn("role", new.path, new.name),
        "CreateDate": facts::to_second(world.now()),
        "AssumeRolePolicyDocument": new.trust,
        "MaxSessionDuration": new.session,
    });
    if let Some(members) = role.as_object_mut() {
        if let Some(description) = new.description {
            members.insert("Description".to_owned(), Value::from(description));
        }
        if !new.trusted.is_empty() {
            members.insert("trusted".to_owned(), json!(new.trusted));
        }
    }
    world.put(key(new.name), role.clone());
    role
}

/// A role as `get-role` shows it.
pub fn shown(world: &World, role: &Value) -> Value {
    let mut shown = role.clone();
    if let Some(trusted) = role.get("trusted") {
        let trust = text(role, "AssumeRolePolicyDocument");
        set(
            &mut shown,
            "AssumeRolePolicyDocument",
            document::shown_trust(world, trust, Some(trusted)),
        );
    }
    shown
}

/// A role as the list operations show it: without tags, boundary and last use.
pub fn listed(world: &World, role: &Value) -> Value {
    let mut shown = shown(world, role);
    if let Some(members) = shown.as_object_mut() {
        members.remove("Tags");
        members.remove("PermissionsBoundary");
        members.remove("RoleLastUsed");
    }
    shown
}

pub(super) fn set(entry: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = entry.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

fn check_trust_size(trust: &str) -> Result<(), Fault> {
    if document::size(trust) > 2048 {
        return Err(fault("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"));
    }
    Ok(())
}

/// `create-role`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("RoleName");
    let path = input.maybe("Path").unwrap_or("/");
    let trust = input.text("AssumeRolePolicyDocument");
    let session = input.number("MaxSessionDuration").unwrap_or(HOUR);
    names::check_name(name, "roleName", 64)?;
    names::check_path(path)?;
    names::check_session(session)?;
    if let Some(description) = input.maybe("Description") {
        names::check_length(description, "description", 1000)?;
    }
    let tags = tags::given(input)?;
    let bounding = input
        .maybe("PermissionsBoundary")
        .map(|arn| boundary::check(call.world, arn))
        .transpose()?;
    if call.world.get(&key(name)).is_some() {
        return Err(fault("EntityAlreadyExists", format!("Role with name {name} already exists.")));
    }
    let trusted = document::check_trust(call.world, trust)?;
    check_trust_size(trust)?;

    let description = input.maybe("Description");
    let mut role =
        put_role(call.world, &NewRole { name, path, trust, description, session, trusted });
    tags::set(&mut role, tags)?;
    if let Some(policy) = bounding {
        boundary::bind(call.world, &mut role, &policy);
    }
    call.world.put(key(name), role.clone());

    // The answer of the create operation leaves the session duration out.
    if let Some(members) = role.as_object_mut() {
        members.remove("MaxSessionDuration");
        if let Some(session) = input.number("MaxSessionDuration") {
            members.insert("MaxSessionDuration".to_owned(), session.into());
        }
    }
    Ok(Answer::Body(json!({ "Role": role })))
}

/// `get-role`.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let role = find(call.world, call.input.text("RoleName"))?;
    let mut shown = shown(call.world, role);
    set(&mut shown, "RoleLastUsed", role.get("RoleLastUsed").cloned().unwrap_or_else(|| json!({})));
    Ok(Answer::Body(json!({ "Role": shown })))
}

/// `list-roles`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let prefix = names::path_prefix(call.input)?;
    let roles: Vec<Value> = call
        .world
        .scan("iam/role/")
        .filter(|(_, role)| text(role, "Path").starts_with(prefix))
        .map(|(_, role)| listed(call.world, role))
        .collect();
    Ok(Answer::Body(json!({ "Roles": roles })))
}

/// `update-role`. What is left out is not left alone: the session duration goes
/// back to one hour, as the API's documentation says.
pub fn update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("RoleName");
    let mut role = find_own(call.world, name)?.clone();
    let session = input.number("MaxSessionDuration").unwrap_or(HOUR);
    names::check_session(session)?;
    if let Some(description) = input.maybe("Description") {
        names::check_length(description, "description", 1000)?;
        set(&mut role, "Description", description);
    }
    set(&mut role, "MaxSessionDuration", session);
    call.world.put(key(name), role);
    Ok(Answer::Nothing)
}

/// `update-role-description`.
pub fn update_description(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let description = call.input.text("Description");
    let mut role = find_own(call.world, name)?.clone();
    names::check_length(description, "description", 1000)?;
    set(&mut role, "Description", description);
    call.world.put(key(name), role.clone());
    Ok(Answer::Body(json!({ "Role": listed(call.world, &role) })))
}

/// `update-assume-role-policy`.
pub fn update_trust(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let trust = call.input.text("PolicyDocument");
    let mut role = find_own(call.world, name)?.clone();
    let trusted = document::check_trust(call.world, trust)?;
    check_trust_size(trust)?;
    set(&mut role, "AssumeRolePolicyDocument", trust);
    if trusted.is_empty() {
        if let Some(members) = role.as_object_mut() {
            members.remove("trusted");
        }
    } else {
        set(&mut role, "trusted", json!(trusted));
    }
    call.world.put(key(name), role);
    Ok(Answer::Nothing)
}

/// `delete-role`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let role = find_own(call.world, name)?.clone();
    let lower = name.to_ascii_lowercase();
    for (prefix, message) in [
        ("role-profile", "Cannot delete entity, must remove roles from instance profile first."),
        ("role-attached", "Cannot delete entity, must detach all policies first."),
        ("role-inline", "Cannot delete entity, must delete policies first."),
    ] {
        if call.world.scan(&format!("iam/{prefix}/{lower}/")).next().is_some() {
            return Err(fault("DeleteConflict", message));
        }
    }
    boundary::unbind(call.world, &role);
    call.world.remove(&key(name));
    Ok(Answer::Nothing)
}

/// Removes a role and everything on it, as its service does with a
/// service-linked role.
pub fn erase(world: &mut World, name: &str) {
    attachments::detach_all(world, name);
    world.remove(&key(name));
}

/// `tag-role`.
pub fn tag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let mut role = find(call.world, name)?.clone();
    tags::set(&mut role, tags::given(call.input)?)?;
    call.world.put(key(name), role);
    Ok(Answer::Nothing)
}

/// `untag-role`.
pub fn untag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let mut role = find(call.world, name)?.clone();
    let keys: Vec<&str> = call.input.texts("TagKeys").collect();
    tags::unset(&mut role, &keys);
    call.world.put(key(name), role);
    Ok(Answer::Nothing)
}

/// `list-role-tags`.
pub fn list_tags(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let role = find(call.world, call.input.text("RoleName"))?;
    Ok(Answer::Body(tags::listed(role)))
}
