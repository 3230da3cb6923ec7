//! Clusters, and what is read of their node groups, add-ons and updates.

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::{cluster, invalid_parameter, key, now, set, text};

/// `describe-cluster`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "cluster": cluster(call, "name")? })))
}

/// `list-clusters`.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "clusters": names(call, &key(call.region, "cluster", "")) })))
}

fn names(call: &Call<'_>, prefix: &str) -> Vec<String> {
    call.world
        .scan(prefix)
        .filter_map(|(key, _)| key.strip_prefix(prefix).map(str::to_owned))
        .collect()
}

/// Access modes in the only direction in which they may be changed.
const MODES: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

/// `update-cluster-config`, for the access mode, the endpoints, the logs and
/// deletion protection. The change is there at once; the update's record says
/// `Successful` when it is described.
pub fn update_config(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("name");
    let mut changed = cluster(call, "name")?.clone();
    let mut params = Vec::new();
    let kind;

    if let Some(mode) = input.get("accessConfig").map(|config| text(config, "authenticationMode")) {
        let before =
            changed.pointer("/accessConfig/authenticationMode").cloned().unwrap_or_default();
        let place = |mode: &str| MODES.iter().position(|known| *known == mode);
        let (Some(from), Some(to)) = (place(before.as_str().unwrap_or_default()), place(mode))
        else {
            return Err(invalid_parameter(format!(
                "Unsupported authentication mode {mode}. Valid values are: {}",
                MODES.join(", ")
            )));
        };
        if from == to {
            return Err(invalid_parameter(format!(
                "Unsupported authentication mode update from {mode} to {mode}"
            )));
        }
        if to < from {
            return Err(invalid_parameter(format!(
                "Unsupported authentication mode update from {} to {mode}",
                before.as_str().unwrap_or_default()
            )));
        }
        merge(&mut changed, "accessConfig", &json!({ "authenticationMode": mode }));
        params.push(json!({ "type": "AuthenticationMode", "value": format!("\"{mode}\"") }));
        kind = "AccessConfigUpdate";
    } else if let Some(config) = input.get("resourcesVpcConfig") {
        merge(&mut changed, "resourcesVpcConfig", config);
        for (member, label) in [
            ("endpointPublicAccess", "EndpointPublicAccess"),
            ("endpointPrivateAccess", "EndpointPrivateAccess"),
            ("publicAccessCidrs", "PublicAccessCidrs"),
        ] {
            if let Some(value) = config.get(member) {
                params.push(json!({ "type": label, "value": value.to_string() }));
            }
        }
        kind = "EndpointAccessUpdate";
    } else if let Some(logging) = input.get("logging") {
        merge(&mut changed, "logging", logging);
        params.push(json!({ "type": "ClusterLogging", "value": logging.to_string() }));
        kind = "LoggingUpdate";
    } else if let Some(protected) = input.flag("deletionProtection") {
        set(&mut changed, "deletionProtection", protected);
        params.push(json!({ "type": "DeletionProtection", "value": protected.to_string() }));
        kind = "DeletionProtectionUpdate";
    } else {
        return Err(invalid_parameter("No changes needed for the cluster configuration provided"));
    }

    let id = facts::uuid(call.world, "eks/update");
    let created = now(call);
    let update = json!({
        "id": id,
        "status": "Successful",
        "type": kind,
        "params": params,
        "createdAt": created,
        "errors": [],
    });
    call.world.put(key(call.region, "cluster", name), changed);
    call.world.put(key(call.region, "update", &format!("{name}/{id}")), update.clone());
    let mut answer = update;
    set(&mut answer, "status", "InProgress");
    Ok(Answer::Body(json!({ "update": answer })))
}

fn merge(entry: &mut Value, member: &str, change: &Value) {
    let mut merged = entry.get(member).cloned().unwrap_or_else(|| json!({}));
    for (name, value) in change.as_object().into_iter().flatten() {
        set(&mut merged, name, value.clone());
    }
    set(entry, member, merged);
}

/// `describe-update`.
pub fn describe_update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "name")?;
    let (name, id) = (call.input.text("name"), call.input.text("updateId"));
    let found = call.world.get(&key(call.region, "update", &format!("{name}/{id}")));
    let update = found.ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No update found for ID: {id}"))
    })?;
    Ok(Answer::Body(json!({ "update": update })))
}

/// `list-addons`.
pub fn list_addons(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "addons": members(call, "addon")? })))
}

/// `list-nodegroups`.
pub fn list_nodegroups(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "nodegroups": members(call, "nodegroup")? })))
}

fn members(call: &Call<'_>, kind: &str) -> Result<Vec<String>, Fault> {
    cluster(call, "clusterName")?;
    let prefix = key(call.region, kind, &format!("{}/", call.input.text("clusterName")));
    Ok(names(call, &prefix))
}

/// `describe-addon`.
pub fn describe_addon(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "clusterName")?;
    let (cluster, addon) = (call.input.text("clusterName"), call.input.text("addonName"));
    let found = call.world.get(&key(call.region, "addon", &format!("{cluster}/{addon}")));
    let found = found.ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No addon: {addon} found in cluster: {cluster}"))
    })?;
    Ok(Answer::Body(json!({ "addon": found })))
}

/// `describe-nodegroup`.
pub fn describe_nodegroup(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "clusterName")?;
    let (cluster, group) = (call.input.text("clusterName"), call.input.text("nodegroupName"));
    let found = call.world.get(&key(call.region, "nodegroup", &format!("{cluster}/{group}")));
    let found = found.ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No node group found for name: {group}."))
    })?;
    Ok(Answer::Body(json!({ "nodegroup": found })))
}
