//! The AWS managed policies that the sandbox knows.
//!
//! Names, paths and what they are for are AWS's; the documents are short
//! stand-ins that allow the gist, because nothing here evaluates them. Any other
//! ARN of AWS's does not exist.

use serde_json::{Value, json};

/// One of AWS's policies.
#[derive(Debug)]
pub struct Managed {
    path: &'static str,
    name: &'static str,
    /// The default version, and the only one that the sandbox has.
    pub version: &'static str,
    description: &'static str,
    /// What it allows, on every resource.
    actions: &'static [&'static str],
}

const fn policy(
    path: &'static str,
    name: &'static str,
    version: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
) -> Managed {
    Managed { path, name, version, description, actions }
}

const KNOWN: &[Managed] = &[
    policy(
        "/",
        "AdministratorAccess",
        "v1",
        "Provides full access to AWS services and resources.",
        &["*"],
    ),
    policy(
        "/",
        "AmazonEC2ContainerRegistryPullOnly",
        "v1",
        "Provides access to pull images from Amazon Elastic Container Registry repositories.",
        &["ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"],
    ),
    policy(
        "/",
        "AmazonEC2ContainerRegistryReadOnly",
        "v3",
        "Provides read-only access to Amazon EC2 Container Registry repositories.",
        &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:Describe*",
            "ecr:Get*",
            "ecr:List*",
        ],
    ),
    policy(
        "/",
        "AmazonEKSClusterPolicy",
        "v7",
        "This policy provides Kubernetes the permissions it requires to manage resources on your behalf.",
        &["autoscaling:*", "ec2:*", "elasticloadbalancing:*", "kms:DescribeKey"],
    ),
    policy(
        "/",
        "AmazonEKSVPCResourceController",
        "v1",
        "Policy used by VPC Resource Controller to manage ENI and IPs for worker nodes.",
        &[
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
        ],
    ),
    policy(
        "/",
        "AmazonEKSWorkerNodePolicy",
        "v3",
        "This policy allows Amazon EKS worker nodes to connect to Amazon EKS Clusters.",
        &["ec2:Describe*", "eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity"],
    ),
    policy(
        "/",
        "AmazonEKS_CNI_Policy",
        "v5",
        "This policy provides the Amazon VPC CNI Plugin the permissions it requires to modify the IP address configuration on your EKS worker nodes.",
        &[
            "ec2:AssignPrivateIpAddresses",
            "ec2:AttachNetworkInterface",
            "ec2:CreateNetworkInterface",
            "ec2:Describe*",
        ],
    ),
    policy(
        "/",
        "AmazonS3FullAccess",
        "v2",
        "Provides full access to all buckets.",
        &["s3:*", "s3-object-lambda:*"],
    ),
    policy(
        "/",
        "AmazonS3ReadOnlyAccess",
        "v3",
        "Provides read only access to all buckets.",
        &["s3:Get*", "s3:List*", "s3:Describe*"],
    ),
    policy(
        "/",
        "AmazonSSMManagedInstanceCore",
        "v2",
        "The policy for Amazon EC2 Role to enable AWS Systems Manager service core functionality.",
        &[
            "ssm:DescribeAssociation",
            "ssm:GetParameter",
            "ssm:UpdateInstanceInformation",
            "ssmmessages:*",
            "ec2messages:*",
        ],
    ),
    policy(
        "/",
        "CloudWatchAgentServerPolicy",
        "v4",
        "Permissions required to use AmazonCloudWatchAgent on servers",
        &["cloudwatch:PutMetricData", "ec2:DescribeTags", "ec2:DescribeVolumes", "logs:*"],
    ),
    policy(
        "/",
        "IAMReadOnlyAccess",
        "v4",
        "Provides read only access to IAM via the AWS Management Console.",
        &["iam:Get*", "iam:List*"],
    ),
    policy(
        "/",
        "PowerUserAccess",
        "v6",
        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        &["*"],
    ),
    policy(
        "/",
        "ReadOnlyAccess",
        "v155",
        "Provides read-only access to AWS services and resources.",
        &["*"],
    ),
    policy(
        "/aws-service-role/",
        "AWSEC2SpotServiceRolePolicy",
        "v4",
        "Allows EC2 Spot to launch and manage spot instances",
        &["ec2:DescribeInstances", "ec2:RunInstances", "ec2:StartInstances", "ec2:StopInstances"],
    ),
    policy(
        "/aws-service-role/",
        "AWSServiceRoleForAmazonEKSNodegroup",
        "v11",
        "This policy allows Amazon EKS to create and manage node groups",
        &["autoscaling:*", "ec2:*", "iam:GetInstanceProfile", "iam:PassRole"],
    ),
    policy(
        "/aws-service-role/",
        "AmazonEKSServiceRolePolicy",
        "v14",
        "A service-linked role required for Amazon EKS to call AWS services on your behalf.",
        &["ec2:*", "route53:*", "logs:*"],
    ),
    policy(
        "/aws-service-role/",
        "AWSElasticLoadBalancingServiceRolePolicy",
        "v9",
        "Service Linked Role Policy for AWS Elastic Load Balancing Control Plane",
        &["ec2:*", "elasticloadbalancing:*"],
    ),
    policy(
        "/aws-service-role/",
        "AutoScalingServiceRolePolicy",
        "v9",
        "Default policy for the Auto Scaling service-linked role",
        &["ec2:*", "elasticloadbalancing:*", "cloudwatch:PutMetricAlarm"],
    ),
    policy(
        "/aws-service-role/",
        "AWSEC2FleetServiceRolePolicy",
        "v4",
        "Allows EC2 Fleet to launch and manage instances.",
        &["ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags"],
    ),
    policy(
        "/service-role/",
        "AmazonEBSCSIDriverPolicy",
        "v3",
        "IAM Policy that allows the CSI driver service account to make calls to related services such as EC2 on your behalf.",
        &[
            "ec2:AttachVolume",
            "ec2:CreateSnapshot",
            "ec2:CreateVolume",
            "ec2:DeleteVolume",
            "ec2:DescribeVolumes",
        ],
    ),
    policy(
        "/service-role/",
        "AmazonEC2RoleforSSM",
        "v8",
        "This policy will soon be deprecated.",
        &["ssm:*", "ec2messages:*", "s3:GetObject"],
    ),
];

/// All of them.
pub fn all() -> &'static [Managed] {
    KNOWN
}

/// The policy behind an ARN.
pub fn find(arn: &str) -> Option<&'static Managed> {
    let resource = arn.strip_prefix("arn:aws:iam::aws:policy")?;
    KNOWN
        .iter()
        .find(|known| resource.strip_prefix(known.path).is_some_and(|name| name == known.name))
}

impl Managed {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::aws:policy{}{}", self.path, self.name)
    }

    /// The policy as `get-policy` answers, with the account's own counts.
    pub fn entry(&self, counts: Option<&Value>) -> Value {
        let count = |name: &str| counts.map_or(0, |counts| super::number(counts, name));
        json!({
            "PolicyName": self.name,
            "PolicyId": self.id(),
            "Arn": self.arn(),
            "Path": self.path,
            "DefaultVersionId": self.version,
            "AttachmentCount": count("AttachmentCount"),
            "PermissionsBoundaryUsageCount": count("PermissionsBoundaryUsageCount"),
            "IsAttachable": true,
            "Description": self.description,
            "CreateDate": "2015-02-06T18:40:46+00:00",
            "UpdateDate": "2024-06-06T20:31:37+00:00",
        })
    }

    /// Its default version as `get-policy-version` answers.
    pub fn version(&self) -> Value {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": self.actions, "Resource": "*" }],
        });
        json!({
            "Document": document.to_string(),
            "VersionId": self.version,
            "CreateDate": "2024-06-06T20:31:37+00:00",
        })
    }

    /// A unique id of the form that AWS's policies have, from the name.
    fn id(&self) -> String {
        let letters =
            self.name.chars().filter(char::is_ascii_alphanumeric).chain(std::iter::repeat('0'));
        let name: String = letters.take(16).collect();
        format!("ANPAZ{}", name.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_found_by_its_arn_and_has_its_own_id() {
        for known in all() {
            assert_eq!(find(&known.arn()).map(|found| found.name), Some(known.name));
        }
        assert!(find("arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicy").is_none());
        let arns: BTreeSet<String> = all().iter().map(Managed::arn).collect();
        assert_eq!(arns.len(), all().len());
    }
}
