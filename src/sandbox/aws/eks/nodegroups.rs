//! Managed node groups: their instances in EC2 and their nodes in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::super::{ec2, facts, iam};
use super::changes::{self, New};
use super::clusters::{has_kubernetes, members};
use super::later::{self, What};
use super::{
    NewEntry, arn, cluster, invalid_parameter, key, now, put_entry, put_tagged, remove_tagged, set,
    text,
};
use crate::sandbox::cluster::{Cluster, ListOptions, NodeSpec, Taint};
use crate::sandbox::world::World;

/// The group of the nodes that EKS Auto Mode starts, as their label says.
const AUTO: &str = "general-purpose";

/// What instance types hold: CPUs, memory in GiB, pods.
const TYPES: &[(&str, u32, u32, u32)] = &[
    ("t3.small", 2, 2, 11),
    ("t3.medium", 2, 4, 17),
    ("t3.large", 2, 8, 35),
    ("t3.xlarge", 4, 16, 58),
    ("t3.2xlarge", 8, 32, 58),
    ("m5.large", 2, 8, 29),
    ("m5.xlarge", 4, 16, 58),
    ("m5.2xlarge", 8, 32, 58),
    ("m6i.large", 2, 8, 29),
    ("m6i.xlarge", 4, 16, 58),
    ("c5.large", 2, 4, 29),
    ("c5.xlarge", 4, 8, 58),
    ("r5.large", 2, 16, 29),
];

fn place(call: &Call<'_>) -> String {
    let (cluster, name) = (call.input.text("clusterName"), call.input.text("nodegroupName"));
    key(call.region, "nodegroup", &format!("{cluster}/{name}"))
}

fn find<'w>(call: &'w Call<'_>) -> Result<&'w Value, Fault> {
    cluster(call, "clusterName")?;
    call.world.get(&place(call)).ok_or_else(|| {
        let name = call.input.text("nodegroupName");
        fault("ResourceNotFoundException", format!("No node group found for name: {name}."))
    })
}

/// `describe-nodegroup`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "nodegroup": find(call)? })))
}

/// `list-nodegroups`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({ "nodegroups": members(call, "nodegroup")? })))
}

/// `create-nodegroup`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (cluster_name, name) = (input.text("clusterName"), input.text("nodegroupName"));
    let of = cluster(call, "clusterName")?;
    let (status, version) = (text(of, "status").to_owned(), text(of, "version").to_owned());
    let mode = of.pointer("/accessConfig/authenticationMode").and_then(Value::as_str);
    let has_entries = mode != Some("CONFIG_MAP");
    let place = place(call);
    if call.world.get(&place).is_some() {
        let message =
            format!("NodeGroup already exists with name {name} and cluster name {cluster_name}");
        return Err(fault("ResourceInUseException", message));
    }
    if status != "ACTIVE" && status != "UPDATING" {
        let message = format!("Cluster '{cluster_name}' is not in ACTIVE status");
        return Err(fault("InvalidRequestException", message));
    }
    let role = input.text("nodeRole");
    if iam::role_by_arn(call.world, role).is_none() {
        return Err(invalid_parameter(format!("The role {role} does not exist")));
    }
    for subnet in input.texts("subnets") {
        if call.world.get(&ec2::key(call.region, "subnet", subnet)).is_none() {
            return Err(invalid_parameter(format!("The subnet ID '{subnet}' does not exist")));
        }
    }
    let asked = input.get("scalingConfig");
    let number = |name: &str, default: i64| {
        asked.and_then(|asked| asked.get(name)).and_then(Value::as_i64).unwrap_or(default)
    };
    let scaling = (number("minSize", 1), number("maxSize", 2), number("desiredSize", 2));
    check_scaling(scaling)?;
    let id = facts::uuid(call.world, "eks/nodegroup");
    let group_arn = arn(call.region, &format!("nodegroup/{cluster_name}/{name}/{id}"));
    let created = now(call);
    let given = |name: &str, default: Value| input.get(name).cloned().unwrap_or(default);
    let version = input.maybe("version").unwrap_or(&version);
    let entry = json!({
        "nodegroupName": name,
        "nodegroupArn": group_arn,
        "clusterName": cluster_name,
        "version": version,
        "releaseVersion": given("releaseVersion", json!(release_of(version))),
        "createdAt": created,
        "modifiedAt": created,
        "status": "CREATING",
        "capacityType": given("capacityType", json!("ON_DEMAND")),
        "scalingConfig": { "minSize": scaling.0, "maxSize": scaling.1, "desiredSize": scaling.2 },
        "instanceTypes": given("instanceTypes", json!(["t3.medium"])),
        "subnets": given("subnets", json!([])),
        "amiType": given("amiType", json!("AL2023_x86_64_STANDARD")),
        "nodeRole": role,
        "labels": given("labels", json!({})),
        "taints": given("taints", json!([])),
        "resources": { "autoScalingGroups": [{ "name": format!("eks-{name}-{id}") }] },
        "diskSize": given("diskSize", json!(20)),
        "health": { "issues": [] },
        "updateConfig": given("updateConfig", json!({ "maxUnavailable": 1 })),
        "tags": given("tags", json!({})),
    });
    put_tagged(call.world, &place, call.region, &group_arn, entry.clone());
    if has_entries {
        let of_role = key(call.region, "access-entry", &format!("{cluster_name}/{role}"));
        if call.world.get(&of_role).is_none() {
            let nodes = NewEntry {
                cluster: cluster_name,
                principal: role,
                kind: "EC2_LINUX",
                groups: Vec::new(),
                username: None,
                tags: json!({}),
            };
            put_entry(call.world, call.region, &nodes);
        }
    }
    later::plan(call.world, What::NodegroupMade, call.region, &place, 0);
    Ok(Answer::Body(json!({ "nodegroup": entry })))
}

fn release_of(version: &str) -> String {
    format!("{version}.1-20251112")
}

fn check_scaling((least, most, desired): (i64, i64, i64)) -> Result<(), Fault> {
    let complaint = if desired < least {
        format!("Minimum capacity {least} can't be greater than desired size {desired}")
    } else if desired > most {
        format!("desired capacity {desired} can't be greater than max size {most}")
    } else if most < 1 {
        "maxSize must be at least 1".to_owned()
    } else {
        return Ok(());
    };
    Err(invalid_parameter(complaint))
}

/// A node group is made: its instances start and join, unless their role lets
/// them not.
pub fn made(world: &mut World, region: &str, place: &str) {
    let Some(mut group) = world.get(place).cloned() else { return };
    let role = text(&group, "nodeRole");
    let name = role.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let attached = world.scan(&format!("iam/role-attached/{name}/"));
    let may_join = attached.map(|(key, _)| key.to_owned()).any(|key| {
        let key = key.to_ascii_lowercase();
        key.ends_with("/amazoneksworkernodepolicy")
            || key.ends_with("/amazoneksworkernodeminimalpolicy")
    });
    if may_join {
        set(&mut group, "status", "ACTIVE");
        world.put(place, group);
        scale(world, region, place);
    } else {
        let issue = json!({
            "code": "NodeCreationFailure",
            "message": "Instances failed to join the kubernetes cluster",
            "resourceIds": [],
        });
        set(&mut group, "status", "CREATE_FAILED");
        set(&mut group, "health", json!({ "issues": [issue] }));
        world.put(place, group);
    }
}

/// Starts or ends instances and nodes until there are as many as desired.
pub fn scale(world: &mut World, region: &str, place: &str) {
    let Some(group) = world.get(place).cloned() else { return };
    let wanted = group.pointer("/scalingConfig/desiredSize").and_then(Value::as_u64).unwrap_or(0);
    let types = group.pointer("/instanceTypes/0").and_then(Value::as_str).unwrap_or("t3.large");
    let subnets: Vec<&str> = group
        .get("subnets")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let text_map = |name: &str| -> BTreeMap<String, String> {
        let map = group.get(name).and_then(Value::as_object).into_iter().flatten();
        map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let taints = group.get("taints").and_then(Value::as_array).into_iter().flatten();
    let fleet = Fleet {
        region,
        cluster: text(&group, "clusterName"),
        group: text(&group, "nodegroupName"),
        role: text(&group, "nodeRole"),
        subnets: &subnets,
        instance_type: types,
        disk: group.get("diskSize").and_then(Value::as_i64).unwrap_or(20),
        labels: text_map("labels"),
        taints: taints.map(node_taint).collect(),
        capacity: text(&group, "capacityType"),
        wanted: usize::try_from(wanted).unwrap_or(0),
    };
    fleet.scale(world);
}

fn node_taint(taint: &Value) -> Taint {
    let effect = match text(taint, "effect") {
        "NO_EXECUTE" => "NoExecute",
        "PREFER_NO_SCHEDULE" => "PreferNoSchedule",
        _ => "NoSchedule",
    };
    Taint {
        key: text(taint, "key").to_owned(),
        value: text(taint, "value").to_owned(),
        effect: effect.to_owned(),
    }
}

/// The nodes of EKS Auto Mode: two where it is on, none where it is not. It
/// would start them as pods need them.
pub fn auto_nodes(world: &mut World, region: &str, place: &str) {
    let Some(cluster) = world.get(place).cloned() else { return };
    let auto = cluster.pointer("/computeConfig/enabled") == Some(&Value::Bool(true));
    let role = cluster.pointer("/computeConfig/nodeRoleArn").and_then(Value::as_str);
    let subnets = cluster.pointer("/resourcesVpcConfig/subnetIds").and_then(Value::as_array);
    let subnets: Vec<&str> = subnets.into_iter().flatten().filter_map(Value::as_str).collect();
    let fleet = Fleet {
        region,
        cluster: text(&cluster, "name"),
        group: AUTO,
        role: role.unwrap_or_default(),
        subnets: &subnets,
        instance_type: "m6i.xlarge",
        disk: 80,
        labels: BTreeMap::from([("eks.amazonaws.com/compute-type".to_owned(), "auto".to_owned())]),
        taints: Vec::new(),
        capacity: "ON_DEMAND",
        wanted: if auto { 2 } else { 0 },
    };
    fleet.scale(world);
}

/// Instances of one make that are nodes of a cluster.
struct Fleet<'a> {
    region: &'a str,
    cluster: &'a str,
    group: &'a str,
    role: &'a str,
    subnets: &'a [&'a str],
    instance_type: &'a str,
    disk: i64,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    capacity: &'a str,
    wanted: usize,
}

impl Fleet<'_> {
    fn scale(&self, world: &mut World) {
        let instances = instances_of(world, self.region, self.cluster, Some(self.group));
        for instance in instances.iter().skip(self.wanted) {
            ec2::end_machine(world, self.region, instance);
        }
        let joins = has_kubernetes(world, &key(self.region, "cluster", self.cluster));
        if joins {
            let mut kubernetes = Cluster::open(world);
            for node in nodes_of(&kubernetes, self.group).iter().skip(self.wanted) {
                // It was listed a moment ago.
                let _ = kubernetes.remove_node(node);
            }
        }
        let profile = self.profile(world);
        for number in instances.len()..self.wanted {
            let Some((address, zone)) = self.start(world, number, &profile) else { continue };
            if joins {
                self.join(world, &ec2::host_name(self.region, &address), &zone);
            }
        }
        if joins {
            Cluster::open(world).reconcile();
        }
    }

    /// The instance profile of the fleet; made with its first instance.
    fn profile(&self, world: &mut World) -> Value {
        let name = profile_name(self.cluster, self.group);
        match iam::profile(world, &name) {
            Some(profile) => profile.clone(),
            None if self.wanted == 0 => Value::Null,
            None => {
                let role = self.role.rsplit('/').next().filter(|role| !role.is_empty());
                iam::put_profile(world, &name, "/", role)
            }
        }
    }

    /// Starts one instance; its address and zone.
    fn start(&self, world: &mut World, number: usize, profile: &Value) -> Option<(String, String)> {
        let id = self.subnets.get(number % self.subnets.len().max(1))?;
        let subnet = world.get(&ec2::key(self.region, "subnet", id))?.clone();
        let of = world.get(&key(self.region, "cluster", self.cluster))?;
        let security = of.pointer("/resourcesVpcConfig/clusterSecurityGroupId")?.as_str()?;
        let security = security.to_owned();
        let group = world.get(&ec2::key(self.region, "sg", &security));
        let group = group.map(|group| text(group, "GroupName").to_owned()).unwrap_or_default();
        let next = world.next("eks/machine");
        let address = address_in(text(&subnet, "CidrBlock"), next);
        let zone = text(&subnet, "AvailabilityZone").to_owned();
        let owned = format!("kubernetes.io/cluster/{}", self.cluster);
        let name = format!("{}-{}-Node", self.cluster, self.group);
        let machine = ec2::Machine {
            region: self.region,
            cluster: self.cluster,
            group: self.group,
            subnet: id,
            vpc: text(&subnet, "VpcId"),
            zone: &zone,
            address: &address,
            mac: &format!("0a:7d:00:00:{:02x}:{:02x}", next / 256 % 256, next % 256),
            security: (&security, &group),
            profile: (text(profile, "Arn"), text(profile, "InstanceProfileId")),
            instance_type: self.instance_type,
            disk: self.disk,
            tags: &[
                ("Name", &name),
                ("eks:cluster-name", self.cluster),
                ("eks:nodegroup-name", self.group),
                (&owned, "owned"),
            ],
        };
        ec2::start_machine(world, &machine);
        Some((address, zone))
    }

    fn join(&self, world: &mut World, name: &str, zone: &str) {
        let size = TYPES.iter().find(|(name, ..)| *name == self.instance_type);
        let (_, cpus, memory, pods) = size.copied().unwrap_or(("", 2, 8, 29));
        let mut labels: BTreeMap<String, String> = [
            ("node.kubernetes.io/instance-type", self.instance_type),
            ("topology.kubernetes.io/region", self.region),
            ("topology.kubernetes.io/zone", zone),
            ("eks.amazonaws.com/nodegroup", self.group),
            ("eks.amazonaws.com/capacityType", self.capacity),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        labels.extend(self.labels.clone());
        let spec = NodeSpec {
            labels,
            pods,
            taints: self.taints.clone(),
            ..NodeSpec::new(name, &cpus.to_string(), &format!("{memory}Gi"))
        };
        Cluster::open(world).put_node(&spec);
    }
}

fn profile_name(cluster: &str, group: &str) -> String {
    format!("eks-{cluster}-{group}")
}

/// An address of a network, not one of the first ten.
fn address_in(block: &str, number: u64) -> String {
    let base = block.split('/').next().unwrap_or_default();
    let parts: Vec<u64> = base.split('.').filter_map(|part| part.parse().ok()).collect();
    let base = parts.iter().fold(0, |sum, part| sum * 256 + part);
    let address = base + 10 + number % 200;
    let part = |shift: u32| (address >> shift) & 255;
    format!("{}.{}.{}.{}", part(24), part(16), part(8), part(0))
}

/// The instances of a node group, or of all of a cluster, in order.
fn instances_of(world: &World, region: &str, cluster: &str, group: Option<&str>) -> Vec<String> {
    let tag = |id: &str, name: &str| {
        let tag = world.get(&ec2::key(region, "tag", &format!("{id}/{name}")));
        tag.and_then(Value::as_str)
    };
    let prefix = ec2::key(region, "i", "");
    let ids = world.scan(&prefix).filter_map(|(key, _)| key.strip_prefix(&prefix));
    ids.filter(|id| tag(id, "eks:cluster-name") == Some(cluster))
        .filter(|id| group.is_none_or(|group| tag(id, "eks:nodegroup-name") == Some(group)))
        .map(str::to_owned)
        .collect()
}

fn nodes_of(kubernetes: &Cluster<'_>, group: &str) -> Vec<String> {
    let Some(nodes) = kubernetes.type_of("v1", "Node") else { return Vec::new() };
    let all = kubernetes.list(&nodes, None, &ListOptions::default());
    all.into_iter()
        .filter(|node| {
            let label = node.pointer("/metadata/labels/eks.amazonaws.com~1nodegroup");
            label.and_then(Value::as_str) == Some(group)
        })
        .filter_map(|node| Some(node.pointer("/metadata/name")?.as_str()?.to_owned()))
        .collect()
}

/// Ends the machines of a node group, or all of a cluster.
pub fn end_machines(world: &mut World, region: &str, place: &str, group: Option<&str>) {
    let cluster = place.rsplit('/').next().unwrap_or_default();
    let mut profiles = BTreeSet::from([profile_name(cluster, group.unwrap_or(AUTO))]);
    for instance in instances_of(world, region, cluster, group) {
        let machine = world.get(&ec2::key(region, "i", &instance));
        let profile = machine.and_then(|it| it.pointer("/IamInstanceProfile/Arn")?.as_str());
        profiles.extend(profile.and_then(|arn| arn.rsplit('/').next()).map(str::to_owned));
        ec2::end_machine(world, region, &instance);
    }
    for profile in profiles {
        iam::remove_profile(world, &profile);
    }
    if let (Some(group), true) = (group, has_kubernetes(world, place)) {
        let mut kubernetes = Cluster::open(world);
        for node in nodes_of(&kubernetes, group) {
            let _ = kubernetes.remove_node(&node);
        }
        kubernetes.reconcile();
    }
}

/// `update-nodegroup-config`.
pub fn update_config(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let group = find(call)?.clone();
    let mut merges = Map::new();
    let mut params = Vec::new();
    if let Some(asked) = input.get("scalingConfig") {
        let number = |name: &str| {
            let before = group.get("scalingConfig").and_then(|scaling| scaling.get(name));
            asked.get(name).or(before).and_then(Value::as_i64).unwrap_or(1)
        };
        check_scaling((number("minSize"), number("maxSize"), number("desiredSize")))?;
        merges.insert("scalingConfig".into(), asked.clone());
        for (name, label) in
            [("minSize", "MinSize"), ("maxSize", "MaxSize"), ("desiredSize", "DesiredSize")]
        {
            params.extend(asked.get(name).map(|number| (label, number.to_string())));
        }
    }
    let mut changed = group.clone();
    if let Some(asked) = input.get("updateConfig") {
        // A number and a percentage exclude each other.
        if let Some(changed) = changed.as_object_mut() {
            changed.insert("updateConfig".into(), asked.clone());
        }
        params.push(("MaxUnavailable", asked.to_string()));
    }
    if let Some(asked) = input.get("labels") {
        change_labels(&mut changed, asked);
        params.push(("LabelsToAdd", asked.to_string()));
    }
    if let Some(asked) = input.get("taints") {
        change_taints(&mut changed, asked);
        params.push(("TaintsToAdd", asked.to_string()));
    }
    if params.is_empty() {
        return Err(invalid_parameter("No changes needed for the node group"));
    }
    let place = place(call);
    // These go and come in one step, so they are put at once.
    call.world.put(place.clone(), changed);
    let new = New {
        place: &place,
        what: &format!("node group {}", input.text("nodegroupName")),
        kind: "ConfigUpdate",
        params,
        merges: Value::Object(merges),
        more: 0,
    };
    changes::begin(call, input.text("clusterName"), &new)
}

fn change_labels(group: &mut Value, asked: &Value) {
    let mut labels = group.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    let added = asked.get("addOrUpdateLabels").and_then(Value::as_object);
    labels.extend(added.cloned().unwrap_or_default());
    let removed = asked.get("removeLabels").and_then(Value::as_array).into_iter().flatten();
    for name in removed.filter_map(Value::as_str) {
        labels.remove(name);
    }
    set(group, "labels", labels);
}

fn change_taints(group: &mut Value, asked: &Value) {
    let of = |value: &Value, name: &str| -> Vec<Value> {
        value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let same = |a: &Value, b: &Value| {
        text(a, "key") == text(b, "key") && text(a, "effect") == text(b, "effect")
    };
    let (added, removed) = (of(asked, "addOrUpdateTaints"), of(asked, "removeTaints"));
    let mut taints = of(group, "taints");
    taints.retain(|taint| !added.iter().chain(&removed).any(|other| same(taint, other)));
    taints.extend(added);
    set(group, "taints", taints);
}

/// `update-nodegroup-version`.
pub fn update_version(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    find(call)?;
    let of_cluster = text(cluster(call, "clusterName")?, "version").to_owned();
    let version = input.maybe("version").unwrap_or(&of_cluster);
    let minor = |version: &str| -> Option<u32> { version.split('.').nth(1)?.parse().ok() };
    if minor(version) > minor(&of_cluster) {
        return Err(invalid_parameter(format!(
            "Nodegroup Kubernetes version {version} can't be newer than the cluster's {of_cluster}"
        )));
    }
    let release = input.maybe("releaseVersion").map_or_else(|| release_of(version), str::to_owned);
    let place = place(call);
    let new = New {
        place: &place,
        what: &format!("node group {}", input.text("nodegroupName")),
        kind: "VersionUpdate",
        params: vec![("Version", version.to_owned()), ("ReleaseVersion", release.clone())],
        merges: json!({ "version": version, "releaseVersion": release }),
        more: 60,
    };
    changes::begin(call, input.text("clusterName"), &new)
}

/// `delete-nodegroup`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut group = find(call)?.clone();
    let status = text(&group, "status");
    if matches!(status, "CREATING" | "UPDATING" | "DELETING") {
        let message = format!("Cannot delete the node group while it has status {status}.");
        return Err(fault("ResourceInUseException", message));
    }
    set(&mut group, "status", "DELETING");
    let place = place(call);
    call.world.put(place.clone(), group.clone());
    later::plan(call.world, What::NodegroupGone, call.region, &place, 0);
    Ok(Answer::Body(json!({ "nodegroup": group })))
}

/// A node group is gone, with its machines.
pub fn gone(world: &mut World, region: &str, place: &str) {
    let Some(group) = world.get(place).cloned() else { return };
    remove_tagged(world, place, region, text(&group, "nodegroupArn"));
    let cluster = key(region, "cluster", text(&group, "clusterName"));
    end_machines(world, region, &cluster, Some(text(&group, "nodegroupName")));
}
