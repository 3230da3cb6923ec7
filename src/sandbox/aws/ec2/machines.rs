//! Instances with their interface and disk, as a node group starts and ends
//! them.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT};
use super::{key, tags};
use crate::sandbox::world::World;

/// An instance to start.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The region.
    pub region: &'a str,
    /// The cluster that it becomes a node of.
    pub cluster: &'a str,
    /// The node group.
    pub group: &'a str,
    /// The subnet's id.
    pub subnet: &'a str,
    /// The network's id.
    pub vpc: &'a str,
    /// The availability zone.
    pub zone: &'a str,
    /// The private address.
    pub address: &'a str,
    /// The interface's MAC address.
    pub mac: &'a str,
    /// The security group: id and name.
    pub security: (&'a str, &'a str),
    /// The instance profile: ARN and id.
    pub profile: (&'a str, &'a str),
    /// The instance type.
    pub instance_type: &'a str,
    /// The disk's size in GiB.
    pub disk: i64,
    /// The instance's tags.
    pub tags: &'a [(&'a str, &'a str)],
}

/// The host name of a private address.
pub fn host_name(region: &str, address: &str) -> String {
    format!("ip-{}.{region}.compute.internal", address.replace('.', "-"))
}

/// Starts an instance; its id.
pub fn start(world: &mut World, machine: &Machine<'_>) -> String {
    let Machine { region, subnet, vpc, zone, address, mac, .. } = machine;
    let dns = host_name(region, address);
    let started = facts::to_second(world.now());
    let instance = facts::ec2_id(world, "i");
    let interface = facts::ec2_id(world, "eni");
    let volume = facts::ec2_id(world, "vol");
    let attachment = facts::ec2_id(world, "eni-attach");
    let reservation = facts::ec2_id(world, "r");
    let groups = json!([{ "GroupId": machine.security.0, "GroupName": machine.security.1 }]);
    let resource = json!({
        "reservation": reservation,
        "Architecture": "x86_64",
        "BlockDeviceMappings": [{
            "DeviceName": "/dev/xvda",
            "Ebs": {
                "AttachTime": started,
                "DeleteOnTermination": true,
                "Status": "attached",
                "VolumeId": volume,
            },
        }],
        "EbsOptimized": false,
        "EnaSupport": true,
        "Hypervisor": "xen",
        "IamInstanceProfile": { "Arn": machine.profile.0, "Id": machine.profile.1 },
        "NetworkInterfaces": [{
            "Groups": groups,
            "MacAddress": mac,
            "NetworkInterfaceId": interface,
            "OwnerId": ACCOUNT,
            "PrivateDnsName": dns,
            "PrivateIpAddress": address,
            "SourceDestCheck": true,
            "Status": "in-use",
            "SubnetId": subnet,
            "VpcId": vpc,
            "InterfaceType": "interface",
        }],
        "RootDeviceName": "/dev/xvda",
        "RootDeviceType": "ebs",
        "SecurityGroups": groups,
        "SourceDestCheck": true,
        "VirtualizationType": "hvm",
        "InstanceId": instance,
        "ImageId": "ami-0b7c3a9e52d41f680",
        "State": { "Code": 16, "Name": "running" },
        "PrivateDnsName": dns,
        "PublicDnsName": "",
        "StateTransitionReason": "",
        "AmiLaunchIndex": 0,
        "ProductCodes": [],
        "InstanceType": machine.instance_type,
        "LaunchTime": started,
        "Placement": { "GroupName": "", "Tenancy": "default", "AvailabilityZone": zone },
        "Monitoring": { "State": "disabled" },
        "SubnetId": subnet,
        "VpcId": vpc,
        "PrivateIpAddress": address,
    });
    put(world, region, "i", &instance, resource, machine.tags);
    let resource = json!({
        "Attachment": {
            "AttachTime": started,
            "AttachmentId": attachment,
            "DeleteOnTermination": true,
            "DeviceIndex": 0,
            "InstanceId": instance,
            "InstanceOwnerId": ACCOUNT,
            "Status": "attached",
        },
        "AvailabilityZone": zone,
        "Description": "",
        "Groups": groups,
        "InterfaceType": "interface",
        "MacAddress": mac,
        "NetworkInterfaceId": interface,
        "OwnerId": ACCOUNT,
        "PrivateDnsName": dns,
        "PrivateIpAddress": address,
        "RequesterManaged": false,
        "SourceDestCheck": true,
        "Status": "in-use",
        "SubnetId": subnet,
        "VpcId": vpc,
    });
    let interface_tags = [
        ("cluster.k8s.amazonaws.com/name", machine.cluster),
        ("node.k8s.amazonaws.com/instance_id", instance.as_str()),
    ];
    put(world, region, "eni", &interface, resource, &interface_tags);
    let resource = json!({
        "Iops": 3000,
        "VolumeType": "gp3",
        "MultiAttachEnabled": false,
        "Throughput": 125,
        "VolumeId": volume,
        "Size": machine.disk,
        "SnapshotId": "snap-04d1e9b6f8c72a350",
        "AvailabilityZone": zone,
        "State": "in-use",
        "CreateTime": started,
        "Attachments": [{
            "DeleteOnTermination": true,
            "VolumeId": volume,
            "InstanceId": instance,
            "Device": "/dev/xvda",
            "State": "attached",
            "AttachTime": started,
        }],
        "Encrypted": false,
    });
    put(world, region, "vol", &volume, resource, &[("eks:nodegroup-name", machine.group)]);
    instance
}

/// Ends an instance: it is gone with its interface and disk.
pub fn end(world: &mut World, region: &str, instance: &str) {
    let of_instance = |resource: &Value| {
        let attached = ["/Attachment/InstanceId", "/Attachments/0/InstanceId"];
        attached.iter().any(|at| resource.pointer(at).and_then(Value::as_str) == Some(instance))
    };
    let mut gone = vec![("i", instance.to_owned())];
    for kind in ["eni", "vol"] {
        let prefix = key(region, kind, "");
        let found = world.scan(&prefix).filter(|(_, resource)| of_instance(resource));
        let ids = found.filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned));
        gone.extend(ids.map(|id| (kind, id)).collect::<Vec<_>>());
    }
    for (kind, id) in gone {
        remove(world, region, kind, &id);
    }
}

/// Removes a resource with its tags.
pub fn remove(world: &mut World, region: &str, kind: &str, id: &str) {
    world.remove(&key(region, kind, id));
    let tags: Vec<String> =
        world.scan(&key(region, "tag", &format!("{id}/"))).map(|(key, _)| key.to_owned()).collect();
    for tag in tags {
        world.remove(&tag);
    }
}

fn put(
    world: &mut World,
    region: &str,
    kind: &str,
    id: &str,
    resource: Value,
    tags: &[(&str, &str)],
) {
    world.put(key(region, kind, id), resource);
    for (name, value) in tags {
        tags::put(world, region, id, name, value);
    }
}
