//! The manifests that cases are made of.

use crate::tools::IMAGE;

/// The one document that every stack has.
pub fn stack() -> String {
    format!(
        "apiVersion: lkh/v1
kind: Stack
metadata: {{name: contract}}
spec:
  variables:
    cluster: {{description: The cluster.}}
    replicas: {{description: How many pods., type: number, default: 1}}
    timeout: {{description: How long Helm waits., default: 1m}}
    password: {{description: A secret., sensitive: true, default: first-canary-secret}}
  phases: [{{name: main}}]
  toolbox: {{image: '{IMAGE}'}}
  kubernetes: {{cluster: '${{var.cluster}}'}}
"
    )
}

/// A policy with one statement: `NUMBER` in its Sid.
pub fn policy(number: u32) -> String {
    format!(
        "apiVersion: lkh/v1
kind: IamPolicy
metadata: {{name: reader, phase: main}}
spec:
  policyName: Reader
  document:
    Version: '2012-10-17'
    Statement:
      - Sid: Change{number}
        Effect: Allow
        Action: [s3:GetObject, s3:ListBucket]
        Resource: 'arn:aws:s3:::lake-{number}/*'
"
    )
}

/// A role with a trust policy, a managed policy and a tag.
pub const ROLE: &str = "apiVersion: lkh/v1
kind: IamRole
metadata: {name: node, phase: main}
spec:
  roleName: NodeRole
  trustPolicy:
    Version: '2012-10-17'
    Statement:
      - {Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}
  managedPolicies: ['arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy']
  tags: {team: lake}
";

/// The trust policy of [`ROLE`], as `aws` takes it.
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// The cluster, and the access of [`ROLE`] to it.
pub const ACCESS: &str = "apiVersion: lkh/v1
kind: EksCluster
metadata: {name: main, phase: main}
external: true
spec: {name: '${var.cluster}'}
---
apiVersion: lkh/v1
kind: EksAccessEntry
metadata: {name: node, phase: main}
spec:
  clusterName: ${EksCluster.main.name}
  principalArn: ${IamRole.node.arn}
  type: EC2_LINUX
";

/// A release of the chart `hello`, from where `CHART` says.
pub fn hello(chart: &str) -> String {
    format!(
        "apiVersion: lkh/v1
kind: HelmRelease
metadata: {{name: hello, phase: main}}
spec:
  namespace: default
  chart: {chart}
  timeout: ${{var.timeout}}
  values:
    replicas: ${{var.replicas}}
    greeting: good day
    password: ${{var.password}}
"
    )
}

/// A release of the chart `karpenter`, with the values that follow.
pub fn karpenter(chart: &str, values: &str) -> String {
    format!(
        "apiVersion: lkh/v1
kind: HelmRelease
metadata: {{name: karpenter, phase: main}}
spec:
  namespace: kube-system
  chart: {chart}
  version: 1.8.3
  timeout: ${{var.timeout}}
  values:
    settings: {{clusterName: lake}}
    controller: {{resources: {{requests: {{cpu: 200m, memory: 256Mi}}}}}}
    replicas: ${{var.replicas}}
{values}"
    )
}

/// Lets [`ROLE`] be made after the release.
pub const AFTER_RELEASE: &str = "dependsOn: [HelmRelease.karpenter]\n";

/// A bucket with something of everything.
pub const BUCKET: &str = "apiVersion: lkh/v1
kind: S3Bucket
metadata: {name: lake, phase: main}
spec:
  bucket: lake-${account.id}
  expireDays: 30
  versioning: true
  encryption: {algorithm: AES256}
  tags: {team: lake}
";

/// A small network, and a tag on all of its subnets.
pub const NETWORK: &str = "apiVersion: lkh/v1
kind: CloudFormationStack
metadata: {name: network, phase: main}
spec:
  stackName: contract-network
  listOutputs: [SubnetIds]
  parameters: {Owner: us}
  tags: {team: lake}
  template:
    AWSTemplateFormatVersion: '2010-09-09'
    Parameters:
      Owner: {Type: String}
    Resources:
      Vpc:
        Type: AWS::EC2::VPC
        Properties:
          CidrBlock: 10.7.0.0/16
          Tags: [{Key: Owner, Value: {Ref: Owner}}]
      Gateway:
        Type: AWS::EC2::InternetGateway
      Attachment:
        Type: AWS::EC2::VPCGatewayAttachment
        Properties: {InternetGatewayId: {Ref: Gateway}, VpcId: {Ref: Vpc}}
      SubnetA:
        Type: AWS::EC2::Subnet
        Properties: {VpcId: {Ref: Vpc}, CidrBlock: 10.7.1.0/24}
      SubnetB:
        Type: AWS::EC2::Subnet
        Properties: {VpcId: {Ref: Vpc}, CidrBlock: 10.7.2.0/24}
    Outputs:
      VpcId: {Value: {Ref: Vpc}}
      SubnetIds: {Value: {'Fn::Join': [',', [{Ref: SubnetA}, {Ref: SubnetB}]]}}
---
apiVersion: lkh/v1
kind: Ec2Tags
metadata: {name: subnets, phase: main}
spec:
  resources: ['${CloudFormationStack.network.SubnetIds}']
  tags: {lake: '1'}
";

/// The zone of a domain, and a record in it.
pub const RECORD: &str = "apiVersion: lkh/v1
kind: Route53Zone
metadata: {name: main, phase: main}
external: true
spec: {domainName: lakehouse.k8.example.com}
---
apiVersion: lkh/v1
kind: Route53Record
metadata: {name: lakehouse, phase: main}
spec:
  zoneId: ${Route53Zone.main.zoneId}
  name: Lakehouse.k8.example.com.
  type: CNAME
  ttl: 120
  values: [LB.us-east-2.elb.amazonaws.com]
";
