//! The cluster's network, the account's default network, security groups.

use serde_json::json;

use super::super::facts::{self, ACCOUNT};
use super::{CLUSTER, REGION, put_resource};
use crate::sandbox::world::World;

/// What the rest of the seed needs of the network.
pub struct Network {
    /// The cluster's network.
    pub vpc: String,
    /// Its public subnets, by availability zone.
    pub public: Vec<String>,
    /// Its private subnets, by availability zone.
    pub private: Vec<String>,
    /// The security group that EKS made for the cluster.
    pub cluster_group: String,
    /// The security group that `eksctl` made for the control plane.
    pub control_plane_group: String,
}

const ZONES: [(&str, &str); 3] = [("a", "use2-az1"), ("b", "use2-az2"), ("c", "use2-az3")];

/// Makes the networks.
pub fn seed(world: &mut World) -> Network {
    let vpc = vpc(world, "192.168.0.0/16", false);
    let stack = format!("eksctl-{CLUSTER}-cluster");
    tag_stack(world, &vpc, &format!("{stack}/VPC"), &stack);

    let mut public = Vec::new();
    let mut private = Vec::new();
    for (at, (letter, zone_id)) in ZONES.iter().enumerate() {
        for (kind, offset, role, ids) in [
            ("Public", 0, "kubernetes.io/role/elb", &mut public),
            ("Private", 96, "kubernetes.io/role/internal-elb", &mut private),
        ] {
            let block = format!("192.168.{}.0/19", offset + 32 * at);
            let id = subnet(world, &vpc, &block, letter, zone_id, kind == "Public");
            let name = format!("{stack}/Subnet{kind}USEAST2{}", letter.to_uppercase());
            tag_stack(world, &id, &name, &stack);
            tag(world, &id, role, "1");
            tag(world, &id, "CostCenter", "4711");
            if kind == "Private" {
                tag(world, &id, "data-classification", "internal");
            }
            ids.push(id);
        }
    }

    let cluster_group = group(
        world,
        &vpc,
        &format!("eks-cluster-sg-{CLUSTER}-1467238290"),
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
    );
    tag(world, &cluster_group, "Name", &format!("eks-cluster-sg-{CLUSTER}-1467238290"));
    tag(world, &cluster_group, "aws:eks:cluster-name", CLUSTER);
    tag(world, &cluster_group, &format!("kubernetes.io/cluster/{CLUSTER}"), "owned");

    let control_plane_group = group(
        world,
        &vpc,
        &format!("{stack}-ControlPlaneSecurityGroup-9QK2VXW1T0ZB"),
        "Communication between the control plane and worker nodegroups",
    );
    tag_stack(world, &control_plane_group, &format!("{stack}/ControlPlaneSecurityGroup"), &stack);

    let bastion = group(world, &vpc, "office-bastion", "SSH from the office");
    tag(world, &bastion, "Name", "office-bastion");
    tag(world, &bastion, "CostCenter", "0815");

    others(world);
    Network { vpc, public, private, cluster_group, control_plane_group }
}

/// The default network, which has nothing to do with the cluster.
fn others(world: &mut World) {
    let vpc = vpc(world, "172.31.0.0/16", true);
    tag(world, &vpc, "Name", "default");
    let id = subnet(world, &vpc, "172.31.0.0/20", "a", "use2-az1", true);
    tag(world, &id, "Name", "default-us-east-2a");
    group(world, &vpc, "default", "default VPC security group");
}

fn tag(world: &mut World, id: &str, name: &str, value: &str) {
    super::super::ec2::put_tag(world, REGION, id, name, value);
}

/// The tags of what a CloudFormation stack of `eksctl` made.
fn tag_stack(world: &mut World, id: &str, name: &str, stack: &str) {
    let logical = name.rsplit('/').next().unwrap_or_default().to_owned();
    for (key, value) in [
        ("Name", name),
        ("alpha.eksctl.io/cluster-name", CLUSTER),
        ("alpha.eksctl.io/eksctl-version", "0.215.0"),
        ("aws:cloudformation:logical-id", logical.as_str()),
        ("aws:cloudformation:stack-name", stack),
        ("eksctl.cluster.k8s.io/v1alpha1/cluster-name", CLUSTER),
    ] {
        tag(world, id, key, value);
    }
}

fn vpc(world: &mut World, block: &str, is_default: bool) -> String {
    let id = facts::ec2_id(world, "vpc");
    let association = facts::ec2_id(world, "vpc-cidr-assoc");
    let options = facts::ec2_id(world, "dopt");
    let resource = json!({
        "OwnerId": ACCOUNT,
        "InstanceTenancy": "default",
        "CidrBlockAssociationSet": [{
            "AssociationId": association,
            "CidrBlock": block,
            "CidrBlockState": { "State": "associated" },
        }],
        "IsDefault": is_default,
        "VpcId": id,
        "State": "available",
        "CidrBlock": block,
        "DhcpOptionsId": options,
    });
    put_resource(world, "vpc", &id, resource, &[]);
    id
}

fn subnet(
    world: &mut World,
    vpc: &str,
    block: &str,
    letter: &str,
    zone_id: &str,
    public: bool,
) -> String {
    let is_default = block.starts_with("172.31.");
    let id = facts::ec2_id(world, "subnet");
    let resource = json!({
        "AvailabilityZoneId": zone_id,
        "MapCustomerOwnedIpOnLaunch": false,
        "OwnerId": ACCOUNT,
        "AssignIpv6AddressOnCreation": false,
        "Ipv6CidrBlockAssociationSet": [],
        "SubnetArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{id}"),
        "EnableDns64": false,
        "Ipv6Native": false,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": false,
            "EnableResourceNameDnsAAAARecord": false,
        },
        "SubnetId": id,
        "State": "available",
        "VpcId": vpc,
        "CidrBlock": block,
        "AvailableIpAddressCount": 8155,
        "AvailabilityZone": format!("{REGION}{letter}"),
        "DefaultForAz": is_default,
        "MapPublicIpOnLaunch": public,
    });
    put_resource(world, "subnet", &id, resource, &[]);
    id
}

fn group(world: &mut World, vpc: &str, name: &str, description: &str) -> String {
    super::super::ec2::put_group(world, REGION, vpc, name, description)
}
