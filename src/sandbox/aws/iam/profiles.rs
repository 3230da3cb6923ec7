//! Instance profiles: each holds at most one role.

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::{names, no_such_entity, roles, tags, text};
use crate::sandbox::world::World;

fn key(name: &str) -> String {
    format!("iam/profile/{}", name.to_ascii_lowercase())
}

fn role_key(role: &str, profile: &str) -> String {
    format!("iam/role-profile/{}/{}", role.to_ascii_lowercase(), profile.to_ascii_lowercase())
}

fn find<'w>(world: &'w World, name: &str) -> Result<&'w Value, Fault> {
    names::check_name(name, "instanceProfileName", 128)?;
    world
        .get(&key(name))
        .ok_or_else(|| no_such_entity(format!("Instance Profile {name} cannot be found.")))
}

/// The profile with its role in full.
fn shown(world: &World, profile: &Value) -> Value {
    let mut shown = profile.clone();
    let role = profile.get("role").and_then(Value::as_str);
    let role = role.and_then(|name| world.get(&roles::key(name)));
    let roles: Vec<Value> = role
        .map(|role| {
            let mut role = roles::listed(world, role);
            if let Some(members) = role.as_object_mut() {
                members.remove("MaxSessionDuration");
                members.remove("Description");
            }
            role
        })
        .into_iter()
        .collect();
    roles::set(&mut shown, "Roles", roles);
    shown
}

/// Writes a new profile and returns it.
pub fn put_profile(world: &mut World, name: &str, path: &str, role: Option<&str>) -> Value {
    let mut profile = json!({
        "Path": path,
        "InstanceProfileName": name,
        "InstanceProfileId": facts::unique_id(world, "AIPA"),
        "Arn": names::arn("instance-profile", path, name),
        "CreateDate": facts::to_second(world.now()),
    });
    if let Some(role) = role {
        roles::set(&mut profile, "role", role);
        world.put(role_key(role, name), Value::from(true));
    }
    world.put(key(name), profile.clone());
    profile
}

/// The profile of that name, if there is one.
pub fn profile<'w>(world: &'w World, name: &str) -> Option<&'w Value> {
    world.get(&key(name))
}

/// Removes a profile, with its role in it.
pub fn remove_profile(world: &mut World, name: &str) {
    let role = profile(world, name).and_then(|profile| profile.get("role")?.as_str());
    if let Some(role) = role.map(str::to_owned) {
        world.remove(&role_key(&role, name));
    }
    world.remove(&key(name));
}

/// `create-instance-profile`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("InstanceProfileName");
    let path = call.input.maybe("Path").unwrap_or("/");
    names::check_name(name, "instanceProfileName", 128)?;
    names::check_path(path)?;
    let tags = tags::given(call.input)?;
    if call.world.get(&key(name)).is_some() {
        return Err(fault(
            "EntityAlreadyExists",
            format!("Instance Profile {name} already exists."),
        ));
    }
    let mut profile = put_profile(call.world, name, path, None);
    tags::set(&mut profile, tags)?;
    call.world.put(key(name), profile.clone());
    Ok(Answer::Body(json!({ "InstanceProfile": shown(call.world, &profile) })))
}

/// `get-instance-profile`.
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let profile = find(call.world, call.input.text("InstanceProfileName"))?;
    let mut shown = shown(call.world, profile);
    roles::set(&mut shown, "Tags", tags::of(profile).to_vec());
    Ok(Answer::Body(json!({ "InstanceProfile": shown })))
}

/// `delete-instance-profile`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("InstanceProfileName");
    if find(call.world, name)?.get("role").is_some() {
        return Err(fault(
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    call.world.remove(&key(name));
    Ok(Answer::Nothing)
}

/// `add-role-to-instance-profile`.
pub fn add_role(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (name, role) = (call.input.text("InstanceProfileName"), call.input.text("RoleName"));
    let mut profile = find(call.world, name)?.clone();
    let found = roles::find_own(call.world, role)?;
    if profile.get("role").is_some() {
        return Err(fault(
            "LimitExceeded",
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
        ));
    }
    let role = text(found, "RoleName").to_owned();
    roles::set(&mut profile, "role", role.as_str());
    call.world.put(role_key(&role, name), Value::from(true));
    call.world.put(key(name), profile);
    Ok(Answer::Nothing)
}

/// `remove-role-from-instance-profile`.
pub fn remove_role(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (name, role) = (call.input.text("InstanceProfileName"), call.input.text("RoleName"));
    let mut profile = find(call.world, name)?.clone();
    roles::find(call.world, role)?;
    if call.world.remove(&role_key(role, name)).is_none() {
        return Err(no_such_entity(format!(
            "The role with name {role} is not in the instance profile {name}."
        )));
    }
    if let Some(members) = profile.as_object_mut() {
        members.remove("role");
    }
    call.world.put(key(name), profile);
    Ok(Answer::Nothing)
}

/// `list-instance-profiles`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let prefix = names::path_prefix(call.input)?;
    let profiles: Vec<Value> = call
        .world
        .scan("iam/profile/")
        .filter(|(_, profile)| text(profile, "Path").starts_with(prefix))
        .map(|(_, profile)| listed(call.world, profile))
        .collect();
    Ok(Answer::Body(json!({ "InstanceProfiles": profiles })))
}

/// `list-instance-profiles-for-role`.
pub fn list_for_role(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let role = call.input.text("RoleName");
    roles::find(call.world, role)?;
    Ok(Answer::Body(json!({ "InstanceProfiles": of_role(call.world, role) })))
}

/// The instance profiles that a role is in.
pub fn of_role(world: &World, role: &str) -> Vec<Value> {
    let prefix = role_key(role, "");
    world
        .scan(&prefix)
        .filter_map(|(found, _)| world.get(&key(found.strip_prefix(&prefix)?)))
        .map(|profile| listed(world, profile))
        .collect()
}

/// Lists leave tags out.
fn listed(world: &World, profile: &Value) -> Value {
    let mut shown = shown(world, profile);
    if let Some(members) = shown.as_object_mut() {
        members.remove("Tags");
    }
    shown
}

/// `tag-instance-profile`.
pub fn tag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("InstanceProfileName");
    let mut profile = find(call.world, name)?.clone();
    tags::set(&mut profile, tags::given(call.input)?)?;
    call.world.put(key(name), profile);
    Ok(Answer::Nothing)
}

/// `untag-instance-profile`.
pub fn untag(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("InstanceProfileName");
    let mut profile = find(call.world, name)?.clone();
    let keys: Vec<&str> = call.input.texts("TagKeys").collect();
    tags::unset(&mut profile, &keys);
    call.world.put(key(name), profile);
    Ok(Answer::Nothing)
}

/// `list-instance-profile-tags`.
pub fn list_tags(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let profile = find(call.world, call.input.text("InstanceProfileName"))?;
    Ok(Answer::Body(tags::listed(profile)))
}
