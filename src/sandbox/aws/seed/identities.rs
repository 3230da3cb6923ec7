//! Roles, policies and instance profiles: those of the cluster, and others'.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{facts, iam};
use super::CLUSTER;
use crate::sandbox::Output;
use crate::sandbox::world::World;

/// What the rest of the seed needs of IAM.
pub struct Identities {
    /// The control plane's role, by ARN.
    pub cluster_role: String,
    /// The role of the managed nodes, by ARN.
    pub node_role: String,
    /// The instance profile of the managed nodes, by ARN.
    pub node_profile: String,
    /// The unique id of that profile.
    pub node_profile_id: String,
}

/// Makes them.
pub fn seed(world: &mut World) -> Identities {
    for service in ["eks.amazonaws.com", "eks-nodegroup.amazonaws.com", "autoscaling.amazonaws.com"]
    {
        iam::put_linked_role(world, service, None, None);
    }
    let cluster_role = role(
        world,
        &format!("eksctl-{CLUSTER}-cluster-ServiceRole-4JQ7Z0XM2L8C"),
        &service_trust("eks.amazonaws.com", &["sts:AssumeRole", "sts:TagSession"]),
        &["AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController"],
    );
    let node_name = format!("eksctl-{CLUSTER}-nodegroup-NodeInstanceRole-W3D5K1RUTB6E");
    let node_role = role(
        world,
        &node_name,
        &service_trust("ec2.amazonaws.com", &["sts:AssumeRole"]),
        &[
            "AmazonEC2ContainerRegistryPullOnly",
            "AmazonEKSWorkerNodePolicy",
            "AmazonEKS_CNI_Policy",
            "AmazonSSMManagedInstanceCore",
        ],
    );
    let profile =
        iam::put_profile(world, "eks-6ecb2f4a-54c1-8d0e-9a37-2f1c6b0d7e85", "/", Some(&node_name));
    others(world);
    let text =
        |name: &str| profile.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Identities {
        cluster_role,
        node_role,
        node_profile: text("Arn"),
        node_profile_id: text("InstanceProfileId"),
    }
}

/// What belongs to others.
pub fn others(world: &mut World) {
    let reader = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "ReadBills",
            "Effect": "Allow",
            "Action": ["aws-portal:ViewBilling", "ce:Get*"],
            "Resource": "*",
        }],
    });
    command(
        world,
        &[
            "iam",
            "create-policy",
            "--policy-name",
            "billing-reader",
            "--policy-document",
            &reader.to_string(),
        ],
    );
    let partner = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::444455556666:root" },
            "Action": "sts:AssumeRole",
        }],
    });
    role(world, "OrganizationAccountAccessRole", &partner.to_string(), &["AdministratorAccess"]);
    role(
        world,
        "report-builder",
        &service_trust("lambda.amazonaws.com", &["sts:AssumeRole"]),
        &["AmazonS3ReadOnlyAccess"],
    );
    let own = format!("arn:aws:iam::{}:policy/billing-reader", facts::ACCOUNT);
    attach(world, "report-builder", &own);
}

fn service_trust(service: &str, actions: &[&str]) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": actions,
        }],
    })
    .to_string()
}

/// Makes a role with some of AWS's policies and returns its ARN.
fn role(world: &mut World, name: &str, trust: &str, policies: &[&str]) -> String {
    let new = iam::NewRole {
        name,
        path: "/",
        trust,
        description: None,
        session: 3600,
        trusted: BTreeMap::new(),
    };
    let role = iam::put_role(world, &new);
    for policy in policies {
        attach(world, name, &format!("arn:aws:iam::aws:policy/{policy}"));
    }
    role.get("Arn").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn attach(world: &mut World, role: &str, policy: &str) {
    command(world, &["iam", "attach-role-policy", "--role-name", role, "--policy-arn", policy]);
}

/// Does something by a command, as a person would have.
fn command(world: &mut World, args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let output = super::super::run(world, &args, &[]);
    debug_assert_eq!(output.code, 0, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
