//! The instances that the simulated Karpenter starts, with what belongs to them:
//! interface, disk, launch template, and the tags that Karpenter gives them.
//!
//! This module must not know Kubernetes objects.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT, HOME_REGION as REGION};
use super::{key, put_tag, tags};
use crate::sandbox::world::World;

/// For whom an instance is started.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The node pool's name.
    pub pool: &'a str,
    /// The node class's name.
    pub class: &'a str,
    /// The node claim's name.
    pub claim: &'a str,
}

/// A started instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub instance: String,
    /// The name of its node.
    pub node: String,
    /// Where it is.
    pub zone: String,
}

const TAG_CLASS: &str = "karpenter.k8s.aws/ec2nodeclass";
const TAG_CLUSTER: &str = "eks:eks-cluster-name";

fn put(world: &mut World, kind: &str, id: &str, resource: Value, order: &Order<'_>) {
    world.put(key(REGION, kind, id), resource);
    let owned = format!("kubernetes.io/cluster/{}", order.cluster);
    let mut all =
        vec![(TAG_CLUSTER, order.cluster), (TAG_CLASS, order.class), (owned.as_str(), "owned")];
    if kind == "lt" {
        all.push(("karpenter.k8s.aws/cluster", order.cluster));
    } else {
        all.push(("karpenter.sh/nodepool", order.pool));
        all.push(("karpenter.sh/nodeclaim", order.claim));
    }
    for (name, value) in all {
        put_tag(world, REGION, id, name, value);
    }
}

/// Ids of resources of a kind that carry a tag.
fn tagged(world: &World, kind: &str, wanted: &[(&str, &str)]) -> Vec<String> {
    let prefix = key(REGION, kind, "");
    let ids = world.scan(&prefix).filter_map(|(key, _)| key.strip_prefix(&prefix));
    ids.filter(|id| {
        let tags = tags::of(world, REGION, id);
        wanted.iter().all(|(name, value)| tags.iter().any(|(n, v)| n == name && v == value))
    })
    .map(str::to_owned)
    .collect()
}

fn remove(world: &mut World, kind: &str, id: &str) {
    world.remove(&key(REGION, kind, id));
    let prefix = key(REGION, "tag", &format!("{id}/"));
    let tags: Vec<String> = world.scan(&prefix).map(|(key, _)| key.to_owned()).collect();
    for tag in tags {
        world.remove(&tag);
    }
}

/// A subnet that carries the cluster's discovery tag, or any: id, network, zone.
fn place(world: &World, cluster: &str) -> (String, String, String) {
    let found = tagged(world, "subnet", &[("karpenter.sh/discovery", cluster)]);
    let any = tagged(world, "subnet", &[]);
    let id = found.into_iter().chain(any).next().unwrap_or_default();
    let subnet = world.get(&key(REGION, "subnet", &id)).cloned().unwrap_or_default();
    let text = |name: &str| subnet.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let zone = Some(text("AvailabilityZone")).filter(|zone| !zone.is_empty());
    (id, text("VpcId"), zone.unwrap_or_else(|| format!("{REGION}a")))
}

/// Starts an instance, and makes the launch template of its class where there
/// is none yet.
pub fn start(world: &mut World, order: &Order<'_>, profile: Option<&str>) -> Started {
    if tagged(world, "lt", &[(TAG_CLASS, order.class), (TAG_CLUSTER, order.cluster)]).is_empty() {
        let id = facts::ec2_id(world, "lt");
        let resource = json!({
            "LaunchTemplateId": id,
            "LaunchTemplateName": format!("karpenter.k8s.aws/{}", id.trim_start_matches("lt-")),
            "CreateTime": facts::to_second(world.now()),
            "CreatedBy": facts::CALLER_ARN,
            "DefaultVersionNumber": 1,
            "LatestVersionNumber": 1,
        });
        put(world, "lt", &id, resource, order);
    }
    let (subnet, network, zone) = place(world, order.cluster);
    let number = world.next("karpenter/machine");
    let address = format!("192.168.{}.{}", 128 + number / 200 % 100, number % 200 + 10);
    let node = format!("ip-{}.{REGION}.compute.internal", address.replace('.', "-"));
    let (instance, interface, volume) =
        (facts::ec2_id(world, "i"), facts::ec2_id(world, "eni"), facts::ec2_id(world, "vol"));
    let reservation = facts::ec2_id(world, "r");
    let started = facts::to_second(world.now());
    let machine = json!({
        "reservation": reservation,
        "InstanceId": instance,
        "ImageId": "ami-0b7c3a9e52d41f680",
        "InstanceType": "m5.2xlarge",
        "InstanceLifecycle": "spot",
        "State": { "Code": 16, "Name": "running" },
        "LaunchTime": started,
        "PrivateDnsName": node,
        "PrivateIpAddress": address,
        "SubnetId": subnet,
        "VpcId": network,
        "Placement": { "GroupName": "", "Tenancy": "default", "AvailabilityZone": zone },
        "IamInstanceProfile": profile.map(|name| json!({
            "Arn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{name}"),
        })),
        "NetworkInterfaces": [{ "NetworkInterfaceId": interface, "Status": "in-use" }],
        "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": { "VolumeId": volume } }],
    });
    put(world, "i", &instance, machine, order);
    let card = json!({
        "NetworkInterfaceId": interface,
        "Attachment": { "InstanceId": instance, "DeviceIndex": 0, "Status": "attached" },
        "AvailabilityZone": zone,
        "InterfaceType": "interface",
        "OwnerId": ACCOUNT,
        "PrivateIpAddress": address,
        "Status": "in-use",
        "SubnetId": subnet,
        "VpcId": network,
    });
    put(world, "eni", &interface, card, order);
    let disk = json!({
        "VolumeId": volume,
        "Attachments": [{ "InstanceId": instance, "State": "attached", "VolumeId": volume }],
        "AvailabilityZone": zone,
        "CreateTime": started,
        "Encrypted": true,
        "Size": 20,
        "State": "in-use",
        "VolumeType": "gp3",
    });
    put(world, "vol", &volume, disk, order);
    Started { instance, node, zone }
}

/// Ends what was started for a claim: instance, interface, disk.
pub fn terminate(world: &mut World, cluster: &str, claim: &str) {
    let wanted = [(TAG_CLUSTER, cluster), ("karpenter.sh/nodeclaim", claim)];
    for kind in ["i", "eni", "vol"] {
        for id in tagged(world, kind, &wanted) {
            remove(world, kind, &id);
        }
    }
}

/// Removes the launch templates of a class.
pub fn remove_templates(world: &mut World, cluster: &str, class: &str) {
    for id in tagged(world, "lt", &[(TAG_CLASS, class), (TAG_CLUSTER, cluster)]) {
        remove(world, "lt", &id);
    }
}
