//! Add-ons of EKS: the workloads that they put into the cluster, their versions,
//! and the pod identity associations that they own.

use serde_json::{Map, Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::changes::{self, New};
use super::clusters::{VERSIONS, has_kubernetes, members};
use super::later::{self, What};
use super::{
    arn, cluster, invalid_parameter, key, now, pod_identity, put_tagged, remove_tagged, set, text,
};
use crate::sandbox::kubectl;
use crate::sandbox::world::World;

/// The add-ons on offer, with their versions, newest first.
const OFFERED: &[(&str, &[&str])] = &[
    ("vpc-cni", &["v1.20.4-eksbuild.1", "v1.20.3-eksbuild.1", "v1.19.6-eksbuild.7"]),
    ("coredns", &["v1.12.4-eksbuild.1", "v1.12.3-eksbuild.1", "v1.11.4-eksbuild.24"]),
    ("kube-proxy", &["v1.34.1-eksbuild.2", "v1.34.0-eksbuild.2", "v1.33.5-eksbuild.2"]),
    ("eks-pod-identity-agent", &["v1.3.10-eksbuild.1", "v1.3.9-eksbuild.3", "v1.3.8-eksbuild.2"]),
    ("aws-ebs-csi-driver", &["v1.53.0-eksbuild.1", "v1.52.1-eksbuild.1", "v1.51.1-eksbuild.1"]),
    (
        "aws-mountpoint-s3-csi-driver",
        &["v2.2.1-eksbuild.1", "v2.1.0-eksbuild.1", "v1.15.0-eksbuild.1"],
    ),
    ("metrics-server", &["v0.8.0-eksbuild.3", "v0.8.0-eksbuild.2", "v0.7.2-eksbuild.4"]),
];

fn versions(addon: &str) -> &'static [&'static str] {
    OFFERED.iter().find(|(name, _)| *name == addon).map_or(&[], |(_, versions)| versions)
}

fn place(call: &Call<'_>) -> String {
    let (cluster, name) = (call.input.text("clusterName"), call.input.text("addonName"));
    key(call.region, "addon", &format!("{cluster}/{name}"))
}

fn find<'w>(call: &'w Call<'_>) -> Result<&'w Value, Fault> {
    cluster(call, "clusterName")?;
    let (cluster, addon) = (call.input.text("clusterName"), call.input.text("addonName"));
    call.world.get(&place(call)).ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No addon: {addon} found in cluster: {cluster}"))
    })
}

/// `describe-addon`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    find(call)?;
    let place = place(call);
    // Whether its workloads do well shows in its status.
    settle_workloads(call.world, &place);
    Ok(Answer::Body(json!({ "addon": call.world.get(&place) })))
}

/// `list-addons`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "addons": members(call, "addon")? })))
}

/// Checks what both create and update are given.
fn check(call: &Call<'_>) -> Result<(), Fault> {
    let input = call.input;
    let addon = input.text("addonName");
    let offered = versions(addon);
    if offered.is_empty() {
        return Err(invalid_parameter(format!("Addon {addon} specified is not supported")));
    }
    if let Some(version) = input.maybe("addonVersion")
        && !offered.contains(&version)
    {
        return Err(invalid_parameter(
            "Addon version specified is not supported, valid versions are those of describe-addon-versions",
        ));
    }
    if let Some(values) = input.maybe("configurationValues").filter(|values| !values.is_empty())
        && serde_json::from_str::<Map<String, Value>>(values).is_err()
    {
        return Err(invalid_parameter("ConfigurationValue is not in valid JSON format"));
    }
    for association in input.list("podIdentityAssociations") {
        pod_identity::check_role(call, text(association, "roleArn"))?;
    }
    Ok(())
}

/// `create-addon`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (cluster_name, name) = (input.text("clusterName"), input.text("addonName"));
    let status = text(cluster(call, "clusterName")?, "status").to_owned();
    let place = place(call);
    if call.world.get(&place).is_some() {
        return Err(fault("ResourceInUseException", "Addon already exists."));
    }
    if status != "ACTIVE" && status != "UPDATING" {
        let message = format!("Cluster {cluster_name} is not in ACTIVE status");
        return Err(fault("InvalidRequestException", message));
    }
    check(call)?;
    let id = facts::uuid(call.world, "eks/addon");
    let addon_arn = arn(call.region, &format!("addon/{cluster_name}/{name}/{id}"));
    let created = now(call);
    let version = input.maybe("addonVersion").or(versions(name).first().copied());
    let mut entry = json!({
        "addonName": name,
        "clusterName": cluster_name,
        "status": "CREATING",
        "addonVersion": version,
        "health": { "issues": [] },
        "addonArn": addon_arn,
        "createdAt": created,
        "modifiedAt": created,
        "tags": input.get("tags").cloned().unwrap_or_else(|| json!({})),
    });
    for member in ["serviceAccountRoleArn", "configurationValues"] {
        if let Some(value) = input.get(member) {
            set(&mut entry, member, value.clone());
        }
    }
    if input.get("podIdentityAssociations").is_some() {
        let arns = associate(call, &addon_arn);
        set(&mut entry, "podIdentityAssociations", arns);
    }
    put_tagged(call.world, &place, call.region, &addon_arn, entry.clone());
    if has_kubernetes(call.world, &key(call.region, "cluster", cluster_name)) {
        kubectl::put_addon(call.world, name);
    }
    later::plan(call.world, What::AddonMade, call.region, &place, 0);
    Ok(Answer::Body(json!({ "addon": entry })))
}

/// Makes the associations that a call names, in the place of those that the
/// add-on has.
fn associate(call: &mut Call<'_>, owner: &str) -> Vec<Value> {
    let cluster = call.input.text("clusterName");
    pod_identity::remove_owned(call.world, call.region, cluster, owner);
    let mut arns = Vec::new();
    for association in call.input.list("podIdentityAssociations") {
        let (account, role) = (text(association, "serviceAccount"), text(association, "roleArn"));
        let place = (cluster, "kube-system", account);
        arns.push(Value::from(pod_identity::put(call.world, call.region, place, role, owner)));
    }
    arns
}

/// An add-on is made.
pub fn made(world: &mut World, place: &str) {
    let Some(mut addon) = world.get(place).cloned() else { return };
    set(&mut addon, "status", "ACTIVE");
    world.put(place, addon);
    settle_workloads(world, place);
}

/// Lets an add-on tell how its workloads do.
pub fn settle_workloads(world: &mut World, place: &str) {
    let Some(mut addon) = world.get(place).cloned() else { return };
    if !matches!(text(&addon, "status"), "ACTIVE" | "DEGRADED") {
        return;
    }
    let cluster = place.replace("/addon/", "/cluster/");
    let cluster = cluster.rsplit_once('/').map_or("", |(cluster, _)| cluster);
    let well =
        !has_kubernetes(world, cluster) || kubectl::addon_is_well(world, text(&addon, "addonName"));
    let issues = if well {
        json!([])
    } else {
        json!([{
            "code": "InsufficientNumberOfReplicas",
            "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.",
            "resourceIds": [],
        }])
    };
    set(&mut addon, "status", if well { "ACTIVE" } else { "DEGRADED" });
    set(&mut addon, "health", json!({ "issues": issues }));
    world.put(place, addon);
}

/// `update-addon`. What is not given stays, and the associations too.
pub fn update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let owner = text(find(call)?, "addonArn").to_owned();
    check(call)?;
    let (mut merges, mut params) = (Map::new(), Vec::new());
    for (member, label) in [
        ("addonVersion", "AddonVersion"),
        ("serviceAccountRoleArn", "ServiceAccountRoleArn"),
        ("configurationValues", "ConfigurationValues"),
    ] {
        if let Some(value) = input.get(member) {
            merges.insert(member.to_owned(), value.clone());
            params.push((label, value.as_str().unwrap_or_default().to_owned()));
        }
    }
    if let Some(how) = input.maybe("resolveConflicts") {
        params.push(("ResolveConflicts", how.to_owned()));
    }
    let place = place(call);
    let status = call.world.get(&place).map(|addon| text(addon, "status")).unwrap_or_default();
    let free = !matches!(status, "CREATING" | "UPDATING" | "DELETING");
    if input.get("podIdentityAssociations").is_some() && free {
        let arns = associate(call, &owner);
        params.push(("PodIdentityAssociations", Value::from(arns.clone()).to_string()));
        merges.insert("podIdentityAssociations".to_owned(), Value::from(arns));
    }
    let new = New {
        place: &place,
        what: &format!("add-on {}", input.text("addonName")),
        kind: "AddonUpdate",
        params,
        merges: Value::Object(merges),
        more: 0,
    };
    changes::begin(call, input.text("clusterName"), &new)
}

/// `delete-addon`; with `preserve` what it put into the cluster stays.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut addon = find(call)?.clone();
    let status = text(&addon, "status");
    if status == "DELETING" {
        return Err(fault("ResourceInUseException", "The add-on is being deleted."));
    }
    set(&mut addon, "status", "DELETING");
    set(&mut addon, "preserve", call.input.flag("preserve").unwrap_or(false));
    let place = place(call);
    call.world.put(place.clone(), addon.clone());
    later::plan(call.world, What::AddonGone, call.region, &place, 0);
    Ok(Answer::Body(json!({ "addon": addon })))
}

/// An add-on is gone.
pub fn gone(world: &mut World, region: &str, place: &str) {
    let Some(addon) = world.get(place).cloned() else { return };
    let (cluster, owner) = (text(&addon, "clusterName"), text(&addon, "addonArn"));
    pod_identity::remove_owned(world, region, cluster, owner);
    remove_tagged(world, place, region, owner);
    let stays = addon.get("preserve") == Some(&Value::Bool(true));
    if !stays && has_kubernetes(world, &key(region, "cluster", cluster)) {
        kubectl::remove_addon(world, text(&addon, "addonName"));
    }
}

/// `describe-addon-versions`.
pub fn describe_versions(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let wanted = call.input.maybe("addonName");
    let version = call.input.maybe("kubernetesVersion");
    if let Some(version) = version.filter(|version| !VERSIONS.contains(version)) {
        return Err(invalid_parameter(format!("unsupported Kubernetes version {version}")));
    }
    let fits = VERSIONS.iter().filter(|known| version.is_none_or(|version| version == **known));
    let fits: Vec<_> = fits.collect();
    let addons: Vec<Value> = OFFERED
        .iter()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))
        .map(|(name, versions)| {
            let versions = versions.iter().enumerate().map(|(at, version)| {
                let compatible = fits.iter().map(|fits| {
                    json!({
                        "clusterVersion": fits, "platformVersions": ["*"], "defaultVersion": at == 0,
                    })
                });
                json!({
                    "addonVersion": version,
                    "architecture": ["amd64", "arm64"],
                    "computeTypes": ["ec2"],
                    "compatibilities": compatible.collect::<Vec<_>>(),
                    "requiresConfiguration": false,
                    "requiresIamPermissions": name.ends_with("-csi-driver"),
                })
            });
            json!({
                "addonName": name,
                "type": "networking",
                "addonVersions": versions.collect::<Vec<_>>(),
                "publisher": "eks",
                "owner": "aws",
            })
        })
        .collect();
    Ok(Answer::Body(json!({ "addons": addons })))
}

/// `describe-addon-configuration`: any configuration fits.
pub fn describe_configuration(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (addon, version) = (call.input.text("addonName"), call.input.text("addonVersion"));
    if !versions(addon).contains(&version) {
        let message = format!("Addon {addon} with version {version} not found");
        return Err(fault("ResourceNotFoundException", message));
    }
    Ok(Answer::Body(json!({
        "addonName": addon,
        "addonVersion": version,
        "configurationSchema": json!({ "type": "object" }).to_string(),
    })))
}
