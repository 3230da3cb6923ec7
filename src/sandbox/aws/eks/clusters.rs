//! Clusters: made, read and deleted. Both ends take minutes of the world's time
//! (`later`).
//!
//! The sandbox has one Kubernetes API, which belongs to the first cluster that
//! becomes ACTIVE and goes with it; of a second cluster there is only what EKS
//! tells.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::super::{ec2, facts, iam};
use super::later::{self, What};
use super::{
    NewEntry, arn, associate_unchecked, cluster, invalid_parameter, key, nodegroups, now,
    put_entry, put_tagged, set, text,
};
use crate::sandbox::world::World;
use crate::sandbox::{cluster as kubernetes, helm, kubectl};

/// Whose the Kubernetes API is: the key of a cluster.
const KUBERNETES: &str = "eks/kubernetes";

/// The Kubernetes versions that EKS offers, oldest first.
pub const VERSIONS: [&str; 6] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35"];

/// The version of a cluster that asks for none.
const DEFAULT_VERSION: &str = "1.34";

const LOG_TYPES: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

/// `describe-cluster`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "cluster": cluster(call, "name")? })))
}

/// `list-clusters`.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "clusters": names(call, &key(call.region, "cluster", "")) })))
}

/// The rests of the keys below a prefix.
pub fn names(call: &Call<'_>, prefix: &str) -> Vec<String> {
    call.world
        .scan(prefix)
        .filter_map(|(key, _)| key.strip_prefix(prefix).map(str::to_owned))
        .collect()
}

/// The names of what a cluster has of a kind.
pub fn members(call: &Call<'_>, kind: &str) -> Result<Vec<String>, Fault> {
    cluster(call, "clusterName")?;
    let prefix = key(call.region, kind, &format!("{}/", call.input.text("clusterName")));
    Ok(names(call, &prefix))
}

/// The network of subnets, which must be of one network and of two zones.
fn network(call: &Call<'_>, subnets: &[&str]) -> Result<String, Fault> {
    let (mut networks, mut zones) = (BTreeSet::new(), BTreeSet::new());
    for id in subnets {
        let subnet = call
            .world
            .get(&ec2::key(call.region, "subnet", id))
            .ok_or_else(|| invalid_parameter(format!("The subnet ID '{id}' does not exist")))?;
        networks.insert(text(subnet, "VpcId").to_owned());
        zones.insert(text(subnet, "AvailabilityZone").to_owned());
    }
    if zones.len() < 2 {
        return Err(invalid_parameter("Subnets specified must be in at least two different AZs"));
    }
    match networks.pop_first() {
        Some(network) if networks.is_empty() => Ok(network),
        _ => Err(invalid_parameter("Subnets specified must belong to one VPC")),
    }
}

/// What of the access to a new cluster is not given.
fn access(call: &Call<'_>) -> Value {
    let asked = call.input.get("accessConfig");
    let of = |name: &str| asked.and_then(|asked| asked.get(name)).cloned();
    json!({
        "bootstrapClusterCreatorAdminPermissions":
            of("bootstrapClusterCreatorAdminPermissions").unwrap_or(json!(true)),
        "authenticationMode": of("authenticationMode").unwrap_or(json!("CONFIG_MAP")),
    })
}

/// `create-cluster`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("name");
    let place = key(call.region, "cluster", name);
    if call.world.get(&place).is_some() {
        let message = format!("Cluster already exists with name: {name}");
        return Err(fault("ResourceInUseException", message));
    }
    let version = input.maybe("version").unwrap_or(DEFAULT_VERSION);
    if !VERSIONS.contains(&version) {
        return Err(invalid_parameter(format!("unsupported Kubernetes version {version}")));
    }
    let role = input.text("roleArn");
    if iam::role_by_arn(call.world, role).is_none() {
        return Err(invalid_parameter(format!("The role {role} does not exist")));
    }
    let config = input.get("resourcesVpcConfig").cloned().unwrap_or_default();
    let list = |name: &str| config.get(name).and_then(Value::as_array).cloned();
    let subnets = list("subnetIds").unwrap_or_default();
    let ids: Vec<&str> = subnets.iter().filter_map(Value::as_str).collect();
    let vpc = network(call, &ids)?;
    let parts = ["computeConfig", "storageConfig", "kubernetesNetworkConfig"];
    check_auto_mode(&parts.map(|part| input.get(part)))?;
    let flag = |name: &str, default: bool| config.get(name).cloned().unwrap_or(json!(default));
    let access = access(call);
    let entry = json!({
        "name": name,
        "arn": arn(call.region, &format!("cluster/{name}")),
        "createdAt": now(call),
        "version": version,
        "roleArn": role,
        "resourcesVpcConfig": {
            "subnetIds": subnets,
            "securityGroupIds": list("securityGroupIds").unwrap_or_default(),
            "vpcId": vpc,
            "endpointPublicAccess": flag("endpointPublicAccess", true),
            "endpointPrivateAccess": flag("endpointPrivateAccess", false),
            "publicAccessCidrs":
                list("publicAccessCidrs").unwrap_or_else(|| vec![json!("0.0.0.0/0")]),
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "10.100.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": enabled(input.get("kubernetesNetworkConfig"), "elasticLoadBalancing"),
        },
        "logging": logging(input.get("logging")),
        "status": "CREATING",
        "platformVersion": "eks.9",
        "tags": input.get("tags").cloned().unwrap_or_else(|| json!({})),
        "encryptionConfig": input.list("encryptionConfig"),
        "health": { "issues": [] },
        "accessConfig": access,
        "upgradePolicy": input.get("upgradePolicy").cloned()
            .unwrap_or_else(|| json!({ "supportType": "EXTENDED" })),
        "computeConfig": input.get("computeConfig").cloned()
            .unwrap_or_else(|| json!({ "enabled": false, "nodePools": [] })),
        "storageConfig": { "blockStorage": enabled(input.get("storageConfig"), "blockStorage") },
        "deletionProtection": input.flag("deletionProtection").unwrap_or(false),
        "selfManagedAddons": input.flag("bootstrapSelfManagedAddons").unwrap_or(true),
    });
    put_tagged(call.world, &place, call.region, text(&entry, "arn"), entry.clone());
    let mode = text(entry.get("accessConfig").unwrap_or(&Value::Null), "authenticationMode");
    let bootstraps = entry.pointer("/accessConfig/bootstrapClusterCreatorAdminPermissions")
        == Some(&Value::Bool(true));
    if bootstraps && mode != "CONFIG_MAP" {
        let creator = NewEntry {
            cluster: name,
            principal: facts::CALLER_ARN,
            kind: "STANDARD",
            groups: Vec::new(),
            username: None,
            tags: json!({}),
        };
        put_entry(call.world, call.region, &creator);
        let policy = "AmazonEKSClusterAdminPolicy";
        associate_unchecked(call.world, call.region, name, facts::CALLER_ARN, policy);
    }
    later::plan(call.world, What::ClusterMade, call.region, &place, 0);
    Ok(Answer::Body(json!({ "cluster": entry })))
}

fn enabled(config: Option<&Value>, part: &str) -> Value {
    let asked = config.and_then(|config| config.pointer(&format!("/{part}/enabled")));
    json!({ "enabled": asked.and_then(Value::as_bool).unwrap_or(false) })
}

/// The logs as EKS tells them: those that are kept, then those that are not.
pub fn logging(asked: Option<&Value>) -> Value {
    let setups = asked.and_then(|asked| asked.get("clusterLogging")).and_then(Value::as_array);
    let kept: BTreeSet<&str> = setups
        .into_iter()
        .flatten()
        .filter(|setup| setup.get("enabled") == Some(&Value::Bool(true)))
        .filter_map(|setup| setup.get("types").and_then(Value::as_array))
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (on, off): (Vec<&str>, Vec<&str>) =
        LOG_TYPES.iter().copied().partition(|name| kept.contains(name));
    let setups = [(on, true), (off, false)];
    let setups = setups.into_iter().filter(|(types, _)| !types.is_empty());
    json!({ "clusterLogging": setups
        .map(|(types, enabled)| json!({ "types": types, "enabled": enabled }))
        .collect::<Vec<_>>() })
}

/// The three parts of Auto Mode go together: compute, storage, network.
pub fn check_auto_mode(parts: &[Option<&Value>; 3]) -> Result<(), Fault> {
    let places = ["/enabled", "/blockStorage/enabled", "/elasticLoadBalancing/enabled"];
    let said: BTreeSet<Option<bool>> = parts
        .iter()
        .zip(places)
        .map(|(part, place)| part.and_then(|part| part.pointer(place)).and_then(Value::as_bool))
        .collect();
    if said.len() == 1 {
        return Ok(());
    }
    Err(invalid_parameter(
        "For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.",
    ))
}

/// A cluster is made.
pub fn made(world: &mut World, region: &str, place: &str) {
    let Some(mut cluster) = world.get(place).cloned() else { return };
    let name = text(&cluster, "name").to_owned();
    let id = facts::uuid(world, "eks/cluster").replace('-', "").to_uppercase();
    let vpc = cluster.pointer("/resourcesVpcConfig/vpcId").and_then(Value::as_str);
    let vpc = vpc.unwrap_or_default().to_owned();
    let group = format!("eks-cluster-sg-{name}-{}", world.next("eks/security-group") + 3_104_729);
    let about = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.";
    let security = ec2::put_group(world, region, &vpc, &group, about);
    for (tag, value) in [
        ("Name", group.as_str()),
        ("aws:eks:cluster-name", name.as_str()),
        (&format!("kubernetes.io/cluster/{name}"), "owned"),
    ] {
        ec2::put_tag(world, region, &security, tag, value);
    }
    if let Some(config) = cluster.get_mut("resourcesVpcConfig") {
        set(config, "clusterSecurityGroupId", security);
    }
    set(&mut cluster, "endpoint", format!("https://{id}.gr7.{region}.eks.amazonaws.com"));
    let issuer = format!("https://oidc.eks.{region}.amazonaws.com/id/{id}");
    set(&mut cluster, "identity", json!({ "oidc": { "issuer": issuer } }));
    let certificate = "LS0tLS1CRUdJTiBTQU5EQk9YLS0tLS0KLS0tLS1FTkQgU0FOREJPWC0tLS0tCg==";
    set(&mut cluster, "certificateAuthority", json!({ "data": certificate }));
    set(&mut cluster, "status", "ACTIVE");
    let self_managed = cluster.get("selfManagedAddons") == Some(&Value::Bool(true));
    let version = text(&cluster, "version").to_owned();
    world.put(place, cluster);
    if !kubernetes::Cluster::exists(world) {
        own_kubernetes(world, place);
        kubernetes::Cluster::open(world).reconcile();
        set_version(world, place, &version);
        if self_managed {
            for addon in ["vpc-cni", "kube-proxy", "coredns"] {
                kubectl::put_addon(world, addon);
            }
        }
    }
    nodegroups::auto_nodes(world, region, place);
}

/// Says whose the Kubernetes API is.
pub fn own_kubernetes(world: &mut World, place: &str) {
    world.put(KUBERNETES, Value::from(place));
}

/// Whether the Kubernetes API is that of the cluster under a key.
pub fn has_kubernetes(world: &World, place: &str) -> bool {
    world.get(KUBERNETES).and_then(Value::as_str) == Some(place)
        && kubernetes::Cluster::exists(world)
}

/// Lets the Kubernetes API tell another version.
pub fn set_version(world: &mut World, place: &str, version: &str) {
    if has_kubernetes(world, place) {
        kubernetes::Cluster::open(world).set_version(&format!("v{version}.2-eks-3025e55"));
    }
}

/// `delete-cluster`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("name");
    let mut found = cluster(call, "name")?.clone();
    if found.get("deletionProtection") == Some(&Value::Bool(true)) {
        return Err(fault(
            "InvalidRequestException",
            "Cannot delete cluster because deletion protection is enabled.",
        ));
    }
    if !names(call, &key(call.region, "nodegroup", &format!("{name}/"))).is_empty() {
        return Err(fault("ResourceInUseException", "Cluster has nodegroups attached"));
    }
    let status = text(&found, "status");
    if !matches!(status, "ACTIVE" | "FAILED") {
        return Err(fault(
            "ResourceInUseException",
            format!("Cannot delete cluster {name} while it has status {status}."),
        ));
    }
    set(&mut found, "status", "DELETING");
    let place = key(call.region, "cluster", name);
    call.world.put(place.clone(), found.clone());
    later::plan(call.world, What::ClusterGone, call.region, &place, 0);
    Ok(Answer::Body(json!({ "cluster": found })))
}

/// A cluster is gone, with what belongs to it.
pub fn gone(world: &mut World, region: &str, place: &str) {
    let Some(cluster) = world.remove(place) else { return };
    let name = text(&cluster, "name");
    let mut keys = BTreeSet::from([place.to_owned()]);
    for kind in ["addon", "update", "access-entry", "association", "association-of"] {
        let found = world.scan(&key(region, kind, &format!("{name}/")));
        keys.extend(found.map(|(key, _)| key.to_owned()).collect::<Vec<_>>());
    }
    let by_arn = world.scan(&key(region, "by-arn", ""));
    let named = by_arn.filter(|(_, at)| at.as_str().is_some_and(|at| keys.contains(at)));
    let named: Vec<String> = named.map(|(key, _)| key.to_owned()).collect();
    for key in keys.iter().chain(&named) {
        world.remove(key);
    }
    let group = cluster.pointer("/resourcesVpcConfig/clusterSecurityGroupId");
    if let Some(group) = group.and_then(Value::as_str) {
        ec2::remove(world, region, "sg", group);
    }
    nodegroups::end_machines(world, region, place, None);
    if has_kubernetes(world, place) {
        kubernetes::Cluster::erase(world);
        helm::erase(world);
        world.remove(KUBERNETES);
    }
}

/// Merges members into a member of an entry.
pub fn merge(entry: &mut Value, member: &str, change: &Value) {
    let Some(change) = change.as_object() else {
        set(entry, member, change.clone());
        return;
    };
    let mut merged: Map<String, Value> =
        entry.get(member).and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(change.clone());
    set(entry, member, merged);
}
