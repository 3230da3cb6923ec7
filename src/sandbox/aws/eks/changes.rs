//! Updates: changes of clusters, node groups and add-ons, which are answered at
//! once and done a while later. One at a time: EKS refuses a second one.

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::clusters::{self, VERSIONS, check_auto_mode, logging, merge};
use super::later::{self, What};
use super::{addons, cluster, invalid_parameter, key, nodegroups, now, set, text};
use crate::sandbox::world::World;

/// An update to begin.
pub struct New<'a> {
    /// The key of what is changed.
    pub place: &'a str,
    /// What is changed, for people: `cluster x`.
    pub what: &'a str,
    /// The update's type.
    pub kind: &'a str,
    /// Its parameters: name and value.
    pub params: Vec<(&'a str, String)>,
    /// Members that are merged into the entry when it is done.
    pub merges: Value,
    /// How much longer than usual it takes, in seconds.
    pub more: i64,
}

/// Begins an update.
///
/// # Errors
/// While another one goes on.
pub fn begin(call: &mut Call<'_>, cluster: &str, new: &New<'_>) -> Result<Answer, Fault> {
    let Some(mut entry) = call.world.get(new.place).cloned() else {
        return Err(fault("ResourceNotFoundException", format!("No {} found.", new.what)));
    };
    let status = text(&entry, "status");
    if matches!(status, "CREATING" | "UPDATING" | "DELETING") {
        let message =
            format!("Cannot change {} because it currently has status {status}.", new.what);
        return Err(fault("ResourceInUseException", message));
    }
    let id = facts::uuid(call.world, "eks/update");
    let params: Vec<Value> =
        new.params.iter().map(|(name, value)| json!({ "type": name, "value": value })).collect();
    let update = json!({
        "id": id,
        "status": "InProgress",
        "type": new.kind,
        "params": params,
        "createdAt": now(call),
        "errors": [],
        "of": new.place,
        "merges": new.merges,
    });
    set(&mut entry, "status", "UPDATING");
    call.world.put(new.place, entry);
    let place = key(call.region, "update", &format!("{cluster}/{id}"));
    call.world.put(place.clone(), update.clone());
    later::plan(call.world, What::Changed, call.region, &place, new.more);
    Ok(Answer::Body(json!({ "update": update })))
}

/// An update is done.
pub fn carry_out(world: &mut World, region: &str, place: &str) {
    let Some(mut update) = world.get(place).cloned() else { return };
    let of = text(&update, "of").to_owned();
    let Some(mut entry) = world.get(&of).cloned() else { return };
    for (member, change) in update.get("merges").and_then(Value::as_object).into_iter().flatten() {
        merge(&mut entry, member, change);
    }
    set(&mut entry, "status", "ACTIVE");
    if entry.get("modifiedAt").is_some() {
        set(&mut entry, "modifiedAt", facts::to_millisecond(world.now()));
    }
    let version = text(&entry, "version").to_owned();
    world.put(of.clone(), entry);
    set(&mut update, "status", "Successful");
    let kind = text(&update, "type").to_owned();
    world.put(place, update);
    if kind == "VersionUpdate" {
        clusters::set_version(world, &of, &version);
    }
    if of.contains("/nodegroup/") {
        nodegroups::scale(world, region, &of);
    } else if of.contains("/addon/") {
        addons::settle_workloads(world, &of);
    } else {
        nodegroups::auto_nodes(world, region, &of);
    }
}

/// Access modes in the only direction in which they may be changed.
const MODES: [&str; 3] = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];

fn check_mode(before: &str, mode: &str) -> Result<(), Fault> {
    let place = |mode: &str| MODES.iter().position(|known| *known == mode);
    let (Some(from), Some(to)) = (place(before), place(mode)) else {
        return Err(invalid_parameter(format!(
            "Unsupported authentication mode {mode}. Valid values are: {}",
            MODES.join(", ")
        )));
    };
    if to <= from {
        return Err(invalid_parameter(format!(
            "Unsupported authentication mode update from {before} to {mode}"
        )));
    }
    Ok(())
}

/// `update-cluster-config`: one kind of change a call.
pub fn update_config(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("name");
    let found = cluster(call, "name")?.clone();
    let compute = ["computeConfig", "storageConfig", "kubernetesNetworkConfig"];
    let given = |name: &&&str| input.get(name).is_some();
    let others = ["resourcesVpcConfig", "logging", "accessConfig", "upgradePolicy"];
    let kinds = others.iter().chain(&["deletionProtection"]).filter(given).count()
        + usize::from(compute.iter().any(|name| input.get(name).is_some()));
    if kinds > 1 {
        return Err(invalid_parameter("Only one type of update can be allowed."));
    }
    let (kind, params, merges);
    if let Some(mode) = input.get("accessConfig").map(|config| text(config, "authenticationMode")) {
        let before = found.pointer("/accessConfig/authenticationMode").and_then(Value::as_str);
        check_mode(before.unwrap_or_default(), mode)?;
        kind = "AccessConfigUpdate";
        params = vec![("AuthenticationMode", format!("\"{mode}\""))];
        merges = json!({ "accessConfig": { "authenticationMode": mode } });
    } else if let Some(config) = input.get("resourcesVpcConfig") {
        let network = ["subnetIds", "securityGroupIds"].iter().any(|of| config.get(of).is_some());
        let names = [
            ("endpointPublicAccess", "EndpointPublicAccess"),
            ("endpointPrivateAccess", "EndpointPrivateAccess"),
            ("publicAccessCidrs", "PublicAccessCidrs"),
            ("subnetIds", "Subnets"),
            ("securityGroupIds", "SecurityGroups"),
        ];
        params = names
            .iter()
            .filter_map(|(member, label)| Some((*label, config.get(member)?.to_string())))
            .collect();
        if network && params.iter().any(|(label, _)| label.contains("Access")) {
            return Err(invalid_parameter("Only one type of update can be allowed."));
        }
        kind = if network { "VpcConfigUpdate" } else { "EndpointAccessUpdate" };
        merges = json!({ "resourcesVpcConfig": config });
    } else if let Some(asked) = input.get("logging") {
        kind = "LoggingUpdate";
        params = vec![("ClusterLogging", asked.to_string())];
        merges = json!({ "logging": logging(Some(asked)) });
    } else if let Some(policy) = input.get("upgradePolicy") {
        kind = "UpgradePolicyUpdate";
        params = vec![("UpgradePolicy", policy.to_string())];
        merges = json!({ "upgradePolicy": policy });
    } else if let Some(config) = input.get("computeConfig") {
        let parts = compute.map(|part| input.get(part));
        check_auto_mode(&parts)?;
        kind = "AutoModeUpdate";
        params = vec![("ComputeConfig", config.to_string())];
        merges = json!({
            "computeConfig": config,
            "storageConfig": input.get("storageConfig"),
            "kubernetesNetworkConfig": input.get("kubernetesNetworkConfig"),
        });
    } else if let Some(protected) = input.flag("deletionProtection") {
        kind = "DeletionProtectionUpdate";
        params = vec![("DeletionProtection", protected.to_string())];
        merges = json!({ "deletionProtection": protected });
    } else {
        return Err(invalid_parameter("No changes needed for the cluster configuration provided"));
    }
    let same = merges.as_object().into_iter().flatten().all(|(member, change)| {
        let mut after = found.clone();
        merge(&mut after, member, change);
        after == found
    });
    if same {
        return Err(invalid_parameter("No changes needed for the cluster configuration provided"));
    }
    let place = key(call.region, "cluster", name);
    let what = format!("cluster {name}");
    begin(call, name, &New { place: &place, what: &what, kind, params, merges, more: 0 })
}

/// `update-cluster-version`: to the next minor version only.
pub fn update_version(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (name, version) = (call.input.text("name"), call.input.text("version"));
    let before = text(cluster(call, "name")?, "version").to_owned();
    let at = |version: &str| VERSIONS.iter().position(|known| *known == version);
    match (at(&before), at(version)) {
        (Some(from), Some(to)) if to == from + 1 => {}
        (_, None) => {
            return Err(invalid_parameter(format!("unsupported Kubernetes version {version}")));
        }
        _ => {
            return Err(invalid_parameter(format!(
                "Unsupported Kubernetes minor version update from {before} to {version}"
            )));
        }
    }
    let place = key(call.region, "cluster", name);
    let new = New {
        place: &place,
        what: &format!("cluster {name}"),
        kind: "VersionUpdate",
        params: vec![("Version", version.to_owned())],
        merges: json!({ "version": version }),
        more: 7 * 60,
    };
    begin(call, name, &new)
}

/// `associate-encryption-config`: once, and never another.
pub fn encrypt(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("clusterName");
    let found = cluster(call, "clusterName")?;
    let has = found.get("encryptionConfig").and_then(Value::as_array);
    if has.is_some_and(|has| !has.is_empty()) {
        return Err(fault(
            "InvalidRequestException",
            format!("Encryption is already enabled for cluster {name}."),
        ));
    }
    let config = call.input.get("encryptionConfig").cloned().unwrap_or_default();
    let place = key(call.region, "cluster", name);
    let new = New {
        place: &place,
        what: &format!("cluster {name}"),
        kind: "AssociateEncryptionConfig",
        params: vec![("EncryptionConfig", config.to_string())],
        merges: json!({ "encryptionConfig": config }),
        more: 0,
    };
    begin(call, name, &new)
}

/// `describe-update`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "name")?;
    let (name, id) = (call.input.text("name"), call.input.text("updateId"));
    let found = call.world.get(&key(call.region, "update", &format!("{name}/{id}")));
    let update = found.ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No update found for ID: {id}"))
    })?;
    Ok(Answer::Body(json!({ "update": update })))
}

/// `list-updates`: those of the cluster itself, of a node group or of an
/// add-on.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "name")?;
    let name = call.input.text("name");
    let of = match (call.input.maybe("nodegroupName"), call.input.maybe("addonName")) {
        (Some(group), _) => key(call.region, "nodegroup", &format!("{name}/{group}")),
        (None, Some(addon)) => key(call.region, "addon", &format!("{name}/{addon}")),
        (None, None) => key(call.region, "cluster", name),
    };
    let found = call.world.scan(&key(call.region, "update", &format!("{name}/")));
    let ids: Vec<&str> = found
        .filter(|(_, update)| text(update, "of") == of)
        .map(|(_, update)| text(update, "id"))
        .collect();
    Ok(Answer::Body(json!({ "updateIds": ids })))
}
