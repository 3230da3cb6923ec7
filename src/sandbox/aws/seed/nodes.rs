//! The managed node group: two instances with their interfaces and disks.

use serde_json::json;

use super::super::eks::{self, put_tagged};
use super::super::facts::{self, ACCOUNT};
use super::identities::Identities;
use super::network::Network;
use super::{CLUSTER, REGION, put_resource};
use crate::sandbox::world::World;

const GROUP: &str = "standardworkers";
const SCALING_GROUP: &str = "eks-standardworkers-6ecb2f4a-54c1-8d0e-9a37-2f1c6b0d7e85";

/// Makes the node group and its nodes.
pub fn seed(world: &mut World, network: &Network, identities: &Identities) {
    let template = launch_template(world);
    let arn = eks::arn(
        REGION,
        &format!("nodegroup/{CLUSTER}/{GROUP}/6ecb2f4a-54c1-8d0e-9a37-2f1c6b0d7e85"),
    );
    let created = facts::to_millisecond(world.now());
    let entry = json!({
        "nodegroupName": GROUP,
        "nodegroupArn": arn,
        "clusterName": CLUSTER,
        "version": "1.34",
        "releaseVersion": "1.34.1-20251112",
        "createdAt": created,
        "modifiedAt": created,
        "status": "ACTIVE",
        "capacityType": "ON_DEMAND",
        "scalingConfig": { "minSize": 2, "maxSize": 2, "desiredSize": 2 },
        "instanceTypes": ["t3.large"],
        "subnets": network.public,
        "amiType": "AL2023_x86_64_STANDARD",
        "nodeRole": identities.node_role,
        "labels": {
            "alpha.eksctl.io/cluster-name": CLUSTER,
            "alpha.eksctl.io/nodegroup-name": GROUP,
        },
        "resources": { "autoScalingGroups": [{ "name": SCALING_GROUP }] },
        "health": { "issues": [] },
        "updateConfig": { "maxUnavailable": 1 },
        "launchTemplate": {
            "name": format!("eksctl-{CLUSTER}-nodegroup-{GROUP}"),
            "version": "1",
            "id": template,
        },
        "tags": {
            "alpha.eksctl.io/cluster-name": CLUSTER,
            "alpha.eksctl.io/nodegroup-name": GROUP,
        },
    });
    let key = eks::key(REGION, "nodegroup", &format!("{CLUSTER}/{GROUP}"));
    put_tagged(world, &key, REGION, &arn, entry);
    for (at, subnet) in network.public.iter().take(2).enumerate() {
        node(world, network, identities, at, subnet);
    }
}

fn launch_template(world: &mut World) -> String {
    let id = facts::ec2_id(world, "lt");
    let name = format!("eksctl-{CLUSTER}-nodegroup-{GROUP}");
    let resource = json!({
        "LaunchTemplateId": id,
        "LaunchTemplateName": name,
        "CreateTime": facts::to_second(world.now()),
        "CreatedBy": facts::CALLER_ARN,
        "DefaultVersionNumber": 1,
        "LatestVersionNumber": 1,
    });
    put_resource(world, "lt", &id, resource, &[("alpha.eksctl.io/cluster-name", CLUSTER)]);
    id
}

fn node(world: &mut World, network: &Network, identities: &Identities, at: usize, subnet: &str) {
    let letter = if at == 0 { "a" } else { "b" };
    let zone = format!("{REGION}{letter}");
    let address = format!("192.168.{}.{}", 32 * at + 11, 57 + at);
    let dns = format!("ip-{}.{REGION}.compute.internal", address.replace('.', "-"));
    let mac = format!("0a:5f:c1:00:00:{at:02x}");
    let started = facts::to_second(world.now());
    let instance = facts::ec2_id(world, "i");
    let interface = facts::ec2_id(world, "eni");
    let volume = facts::ec2_id(world, "vol");
    let attachment = facts::ec2_id(world, "eni-attach");
    let reservation = facts::ec2_id(world, "r");
    let groups = json!([{
        "GroupId": network.cluster_group,
        "GroupName": format!("eks-cluster-sg-{CLUSTER}-1467238290"),
    }]);

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
        "IamInstanceProfile": { "Arn": identities.node_profile, "Id": identities.node_profile_id },
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
            "VpcId": network.vpc,
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
        "InstanceType": "t3.large",
        "LaunchTime": started,
        "Placement": { "GroupName": "", "Tenancy": "default", "AvailabilityZone": zone },
        "Monitoring": { "State": "disabled" },
        "SubnetId": subnet,
        "VpcId": network.vpc,
        "PrivateIpAddress": address,
    });
    let owned = format!("kubernetes.io/cluster/{CLUSTER}");
    put_resource(
        world,
        "i",
        &instance,
        resource,
        &[
            ("Name", &format!("{CLUSTER}-{GROUP}-Node")),
            ("aws:autoscaling:groupName", SCALING_GROUP),
            ("eks:cluster-name", CLUSTER),
            ("eks:nodegroup-name", GROUP),
            (&owned, "owned"),
        ],
    );
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
        "VpcId": network.vpc,
    });
    put_resource(
        world,
        "eni",
        &interface,
        resource,
        &[
            ("cluster.k8s.amazonaws.com/name", CLUSTER),
            ("node.k8s.amazonaws.com/instance_id", &instance),
        ],
    );
    let resource = json!({
        "Iops": 3000,
        "VolumeType": "gp3",
        "MultiAttachEnabled": false,
        "Throughput": 125,
        "VolumeId": volume,
        "Size": 80,
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
    put_resource(world, "vol", &volume, resource, &[("eks:nodegroup-name", GROUP)]);
}
