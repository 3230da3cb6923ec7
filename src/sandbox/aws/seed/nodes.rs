//! The managed node group: two instances with their interfaces and disks.

use serde_json::json;

use super::super::eks::{self, put_tagged};
use super::super::{ec2, facts};
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
    let owned = format!("kubernetes.io/cluster/{CLUSTER}");
    let name = format!("{CLUSTER}-{GROUP}-Node");
    let machine = ec2::Machine {
        region: REGION,
        cluster: CLUSTER,
        group: GROUP,
        subnet,
        vpc: &network.vpc,
        zone: &format!("{REGION}{letter}"),
        address: &format!("192.168.{}.{}", 32 * at + 11, 57 + at),
        mac: &format!("0a:5f:c1:00:00:{at:02x}"),
        security: (&network.cluster_group, &format!("eks-cluster-sg-{CLUSTER}-1467238290")),
        profile: (&identities.node_profile, &identities.node_profile_id),
        instance_type: "t3.large",
        disk: 80,
        tags: &[
            ("Name", &name),
            ("aws:autoscaling:groupName", SCALING_GROUP),
            ("eks:cluster-name", CLUSTER),
            ("eks:nodegroup-name", GROUP),
            (&owned, "owned"),
        ],
    };
    ec2::start_machine(world, &machine);
}
