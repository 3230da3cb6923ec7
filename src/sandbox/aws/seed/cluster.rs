//! The cluster, its add-ons and its access entries.

use serde_json::json;

use super::super::eks::{self, NewEntry, put_entry, put_tagged};
use super::super::facts;
use super::identities::Identities;
use super::network::Network;
use super::{CLUSTER, REGION};
use crate::sandbox::world::World;

/// Stands in for the cluster's identity provider and endpoint.
const CLUSTER_ID: &str = "5C1E0F8B7A2D4963B8E0D1F2A3C4B5D6";

/// The add-ons, with the service account role of none.
const ADDONS: &[(&str, &str)] = &[
    ("coredns", "v1.12.3-eksbuild.1"),
    ("eks-pod-identity-agent", "v1.3.9-eksbuild.3"),
    ("kube-proxy", "v1.34.0-eksbuild.2"),
    ("vpc-cni", "v1.20.4-eksbuild.1"),
];

/// Makes the cluster and what is in it besides nodes.
pub fn seed(world: &mut World, network: &Network, identities: &Identities) {
    let arn = eks::arn(REGION, &format!("cluster/{CLUSTER}"));
    let subnets: Vec<&String> = network.public.iter().chain(&network.private).collect();
    let cluster = json!({
        "name": CLUSTER,
        "arn": arn,
        "createdAt": facts::to_millisecond(world.now()),
        "version": "1.34",
        "endpoint": format!("https://{CLUSTER_ID}.gr7.{REGION}.eks.amazonaws.com"),
        "roleArn": identities.cluster_role,
        "resourcesVpcConfig": {
            "subnetIds": subnets,
            "securityGroupIds": [network.control_plane_group],
            "clusterSecurityGroupId": network.cluster_group,
            "vpcId": network.vpc,
            "endpointPublicAccess": true,
            "endpointPrivateAccess": false,
            "publicAccessCidrs": ["0.0.0.0/0"],
        },
        "kubernetesNetworkConfig": {
            "serviceIpv4Cidr": "10.100.0.0/16",
            "ipFamily": "ipv4",
            "elasticLoadBalancing": { "enabled": false },
        },
        "logging": {
            "clusterLogging": [{
                "types": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
                "enabled": false,
            }],
        },
        "identity": {
            "oidc": { "issuer": format!("https://oidc.eks.{REGION}.amazonaws.com/id/{CLUSTER_ID}") },
        },
        "status": "ACTIVE",
        "certificateAuthority": { "data": "LS0tLS1CRUdJTiBTQU5EQk9YLS0tLS0KLS0tLS1FTkQgU0FOREJPWC0tLS0tCg==" },
        "platformVersion": "eks.9",
        "tags": {
            "Name": format!("eksctl-{CLUSTER}-cluster/ControlPlane"),
            "alpha.eksctl.io/cluster-name": CLUSTER,
            "alpha.eksctl.io/eksctl-version": "0.215.0",
            "team": "data-platform",
        },
        "health": { "issues": [] },
        "accessConfig": { "authenticationMode": "API_AND_CONFIG_MAP" },
        "upgradePolicy": { "supportType": "EXTENDED" },
        "computeConfig": { "enabled": false, "nodePools": [] },
        "storageConfig": { "blockStorage": { "enabled": false } },
        "deletionProtection": false,
    });
    put_tagged(world, &eks::key(REGION, "cluster", CLUSTER), REGION, &arn, cluster);
    for (name, version) in ADDONS {
        addon(world, name, version);
    }
    access(world, identities);
}

fn addon(world: &mut World, name: &str, version: &str) {
    let id = facts::uuid(world, "eks/addon");
    let arn = eks::arn(REGION, &format!("addon/{CLUSTER}/{name}/{id}"));
    let created = facts::to_millisecond(world.now());
    let entry = json!({
        "addonName": name,
        "clusterName": CLUSTER,
        "status": "ACTIVE",
        "addonVersion": version,
        "health": { "issues": [] },
        "addonArn": arn,
        "createdAt": created,
        "modifiedAt": created,
        "tags": {},
    });
    put_tagged(
        world,
        &eks::key(REGION, "addon", &format!("{CLUSTER}/{name}")),
        REGION,
        &arn,
        entry,
    );
}

/// EKS makes an entry for whoever created the cluster and for each role of
/// managed nodes.
fn access(world: &mut World, identities: &Identities) {
    for (principal, kind) in
        [(facts::CALLER_ARN, "STANDARD"), (identities.node_role.as_str(), "EC2_LINUX")]
    {
        let new = NewEntry {
            cluster: CLUSTER,
            principal,
            kind,
            groups: Vec::new(),
            username: None,
            tags: json!({}),
        };
        put_entry(world, REGION, &new);
    }
    eks::associate_unchecked(
        world,
        REGION,
        CLUSTER,
        facts::CALLER_ARN,
        "AmazonEKSClusterAdminPolicy",
    );
}
