//! What each kind is in Terraform: the one place that a new kind needs.
//!
//! | kind | types |
//! | --- | --- |
//! | `IamRole` | `aws_iam_role`, `aws_iam_role_policy_attachment`, `aws_iam_role_policy` |
//! | `S3Bucket` | `aws_s3_bucket` and one for each of its parts |
//! | `EksAccessEntry` | `aws_eks_access_entry`, `aws_eks_access_policy_association` |
//! | `HelmRelease` | `helm_release`, and `kubernetes_*` for what its chart renders |
//! | `Script`, `Readiness` | `terraform_data`: it is part of Terraform, needs no provider, and no rule judges it |
//!
//! Parts that there may be several of have an index, as with `for_each`. Names
//! are those of the stack; where two kinds share a type, the name begins with
//! the kind and an underscore, which no name of a stack can hold.
//! This module must not know what is done with a resource.

use std::collections::BTreeMap;

use super::{block, eks, iam, kubernetes, policy, renamed, s3};
use crate::adapter::Kind;
use crate::address::Address;
use crate::plan::{Change, Plan};
use crate::value::{Map, Value};

/// One of Terraform's resources, on one side of a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    /// Its type.
    pub kind: &'static str,
    /// Which of several it is.
    pub index: Option<String>,
    /// Its arguments.
    pub values: Map,
    /// Which argument is taken from which part of the same resource: argument,
    /// type, attribute.
    pub references: Vec<(&'static str, &'static str, &'static str)>,
}

impl Block {
    pub(super) fn new(kind: &'static str, values: Map) -> Self {
        Self { kind, index: None, values, references: Vec::new() }
    }

    pub(super) fn at(self, index: impl Into<String>) -> Self {
        Self { index: Some(index.into()), ..self }
    }

    pub(super) fn refers(
        mut self,
        argument: &'static str,
        kind: &'static str,
        attribute: &'static str,
    ) -> Self {
        self.references.push((argument, kind, attribute));
        self
    }
}

/// What the plan tells of things that are not there yet.
pub(super) struct Known<'a> {
    plan: &'a Plan,
    by_address: BTreeMap<&'a Address, &'a Change>,
}

impl<'a> Known<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let by_address = plan.changes.iter().map(|change| (&change.address, change)).collect();
        Self { plan, by_address }
    }

    pub(super) fn partition(&self) -> &'static str {
        crate::adapter::iam::partition(&self.plan.region)
    }

    /// The ARN that a role has, which follows from its name and path.
    pub(super) fn role_arn(&self, name: &Value, attributes: &Map) -> Option<String> {
        let path = attributes.get("path").and_then(Value::as_str).unwrap_or("/");
        let (partition, account) = (self.partition(), &self.plan.account);
        Some(format!("arn:{partition}:iam::{account}:role{path}{}", name.as_str()?))
    }

    /// A text with references as they will be, where the plan tells them all.
    pub(super) fn resolve(&self, expression: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = expression;
        while let Some((before, after)) = rest.split_once("${") {
            let (reference, after) = after.split_once('}')?;
            text.push_str(before);
            text.push_str(&self.reference(reference)?);
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    fn reference(&self, reference: &str) -> Option<String> {
        match reference {
            "account.id" => return Some(self.plan.account.clone()),
            "region" => return Some(self.plan.region.clone()),
            _ => {}
        }
        let (address, attribute) = reference.rsplit_once('.')?;
        let change = self.by_address.get(&address.parse::<Address>().ok()?)?;
        if attribute == "arn"
            && let Some(arn) = self.arn(change)
        {
            return Some(arn);
        }
        let identity = &change.identity.0;
        let named = match attribute {
            "name" => [identity.get("name"), identity.get("roleName"), identity.get("bucket")]
                .into_iter()
                .flatten()
                .next(),
            _ => None,
        };
        let told = || identity.get(attribute).or_else(|| change.after.as_ref()?.get(attribute));
        named.or_else(told)?.as_str().map(str::to_owned)
    }

    /// The ARN of what a resource stands for, where it follows from the plan.
    pub(super) fn arn(&self, change: &Change) -> Option<String> {
        let identity = &change.identity;
        let (partition, plan) = (self.partition(), self.plan);
        let known = |part: &str| Some(identity.part(part)).filter(|text| !text.is_empty());
        match change.address.kind {
            Kind::IamRole => {
                let empty = Map::new();
                let attributes = change.after.as_ref().or(change.before.as_ref());
                self.role_arn(identity.0.get("roleName")?, attributes.unwrap_or(&empty))
            }
            Kind::IamPolicy => known("arn").map(str::to_owned),
            Kind::S3Bucket => Some(format!("arn:{partition}:s3:::{}", known("bucket")?)),
            Kind::EksCluster => Some(format!(
                "arn:{partition}:eks:{}:{}:cluster/{}",
                plan.region,
                plan.account,
                known("name")?
            )),
            _ => None,
        }
    }
}

/// The type of what stands for the resource itself; the others are its parts.
pub(super) fn main_type(change: &Change) -> &'static str {
    match change.address.kind {
        Kind::EksCluster => "aws_eks_cluster",
        Kind::Ec2Tags => "aws_ec2_tag",
        Kind::IamRole => "aws_iam_role",
        Kind::IamPolicy => "aws_iam_policy",
        Kind::EksAccessEntry => "aws_eks_access_entry",
        Kind::ServiceLinkedRole => "aws_iam_service_linked_role",
        Kind::PodIdentityAssociation => "aws_eks_pod_identity_association",
        Kind::EksNodegroup => "aws_eks_node_group",
        Kind::EksAddon => "aws_eks_addon",
        Kind::HelmRelease => "helm_release",
        Kind::S3Bucket => "aws_s3_bucket",
        Kind::CloudFormationStack => "aws_cloudformation_stack",
        Kind::AcmCertificate => "aws_acm_certificate",
        Kind::Route53Zone => "aws_route53_zone",
        Kind::Route53Record => "aws_route53_record",
        Kind::Namespace => "kubernetes_namespace_v1",
        Kind::KubernetesObject => kubernetes::type_of(change.identity.part("kind")),
        Kind::KubernetesSecret => "kubernetes_secret_v1",
        Kind::Readiness | Kind::Script => "terraform_data",
    }
}

/// The name of a resource's blocks: see the head of this module.
pub(super) fn name_of(address: &Address, kind: &str) -> String {
    let name = &address.name;
    match address.kind {
        Kind::Script => format!("script_{name}"),
        Kind::Readiness => format!("readiness_{name}"),
        Kind::KubernetesObject => format!("object_{name}"),
        Kind::HelmRelease if kind != "helm_release" => format!("helm_{name}"),
        _ if name.starts_with(|c: char| c.is_ascii_digit()) => format!("_{name}"),
        _ => name.clone(),
    }
}

/// What a resource is in Terraform, on one side of a change.
pub(super) fn blocks(change: &Change, identity: &Map, side: &Map, known: &Known<'_>) -> Vec<Block> {
    let told = |names: &[(&str, &str)]| renamed(side, names);
    let named = |names: &[(&str, &str)]| renamed(identity, names);
    let one = |values: Map| vec![Block::new(main_type(change), values)];
    match change.address.kind {
        Kind::IamRole => iam::role(identity.get("roleName").unwrap_or(&Value::Null), side, known),
        Kind::IamPolicy => iam::managed_policy(identity, side, known),
        Kind::S3Bucket => s3::bucket(identity, side, known),
        Kind::EksCluster => one(eks::cluster(identity, side, known.arn(change))),
        Kind::EksNodegroup => one(eks::node_group(identity, side)),
        Kind::EksAddon => one(eks::addon(identity, side, known)),
        Kind::EksAccessEntry => eks::access_entry(identity, side),
        Kind::PodIdentityAssociation => {
            let mut values = named(&[
                ("clusterName", "cluster_name"),
                ("namespace", "namespace"),
                ("serviceAccount", "service_account"),
            ]);
            values.extend(told(&[
                ("roleArn", "role_arn"),
                ("targetRoleArn", "target_role_arn"),
                ("disableSessionTags", "disable_session_tags"),
                ("tags", "tags"),
            ]));
            one(values)
        }
        Kind::Ec2Tags => tags(side),
        Kind::ServiceLinkedRole => one(named(&[("serviceName", "aws_service_name")])),
        Kind::CloudFormationStack => {
            let mut values = named(&[("stackName", "name")]);
            values.extend(told(&[("parameters", "parameters"), ("tags", "tags")]));
            if let Some(template) = side.get("template") {
                values.insert("template_body".into(), policy_free_text(template, known));
            }
            one(values)
        }
        Kind::AcmCertificate => one(named(&[("domainName", "domain")])),
        Kind::Route53Zone => one(named(&[("domainName", "name")])),
        Kind::Route53Record => one(record(identity, side)),
        Kind::HelmRelease => release(change, identity, side, known),
        Kind::Namespace => {
            let metadata = kubernetes::metadata(identity, side);
            one(Map::from([("metadata".into(), metadata)]))
        }
        Kind::KubernetesSecret => {
            let metadata = kubernetes::metadata(identity, side);
            let mut values = told(&[("type", "type"), ("data", "data")]);
            values.insert("metadata".into(), metadata);
            one(values)
        }
        Kind::KubernetesObject => kubernetes::object(identity, side),
        Kind::Readiness | Kind::Script => {
            let mut input = identity.clone();
            input.extend(side.clone());
            one(Map::from([("input".into(), input.into())]))
        }
    }
}

/// A text that says which of several a part is.
pub(super) fn index_of(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Unknown(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A document that no rule for policies reads, as a text of JSON.
pub(super) fn policy_free_text(document: &Value, known: &Known<'_>) -> Value {
    match document {
        Value::String(_) | Value::Unknown(_) | Value::Sensitive(_) => document.clone(),
        _ => Value::String(policy::closed(document, known).to_string()),
    }
}

fn tags(side: &Map) -> Vec<Block> {
    let open = |value: &Value| {
        let each = ["resource_id", "key", "value"].map(|name| (name.to_owned(), value.clone()));
        Block::new("aws_ec2_tag", each.into_iter().collect())
    };
    match side.get("tags") {
        Some(Value::Map(resources)) => resources
            .iter()
            .flat_map(|(id, tags)| {
                tags.as_map().into_iter().flatten().map(move |(key, value)| {
                    let values = Map::from([
                        ("resource_id".into(), id.as_str().into()),
                        ("key".into(), key.as_str().into()),
                        ("value".into(), value.clone()),
                    ]);
                    Block::new("aws_ec2_tag", values).at(format!("{id},{key}"))
                })
            })
            .collect(),
        Some(unknown @ Value::Unknown(_)) => vec![open(unknown)],
        _ => Vec::new(),
    }
}

fn record(identity: &Map, side: &Map) -> Map {
    let mut values =
        renamed(identity, &[("zoneId", "zone_id"), ("name", "name"), ("type", "type")]);
    values.extend(renamed(side, &[("ttl", "ttl"), ("values", "records")]));
    if let Some(alias) = side.get("alias").and_then(Value::as_map) {
        let names = [
            ("dnsName", "name"),
            ("zoneId", "zone_id"),
            ("evaluateTargetHealth", "evaluate_target_health"),
        ];
        values.insert("alias".into(), block(renamed(alias, &names)));
    }
    values
}

fn release(change: &Change, identity: &Map, side: &Map, known: &Known<'_>) -> Vec<Block> {
    let mut values = renamed(identity, &[("releaseName", "name"), ("namespace", "namespace")]);
    values.extend(renamed(side, &[("chart", "chart"), ("version", "version")]));
    if let Some(told) = side.get("values").filter(|told| !told.is_null()) {
        values.insert("values".into(), Value::List(vec![policy_free_text(told, known)]));
    }
    let mut blocks = vec![Block::new(main_type(change), values)];
    let objects = side.get("objects").and_then(Value::as_map);
    blocks.extend(objects.into_iter().flatten().map(|(key, body)| kubernetes::rendered(key, body)));
    blocks
}
