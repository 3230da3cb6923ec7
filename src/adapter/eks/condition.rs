//! The condition of a cluster, a node group or an add-on: its status, the issues
//! that EKS tells of its health, and what a person can do about each.
//!
//! Pure functions. This module must not know any single kind.

use serde_json::Value as Json;

use super::{text, texts};
use crate::adapter::{Blocker, Desired, Object, Step};
use crate::command::{Command, Tool};
use crate::value::{Map, Value};

/// How long `aws eks wait` may take: longer than the longest of its own limits.
const WAIT: std::time::Duration = std::time::Duration::from_secs(45 * 60);

/// What a step says that waits until an earlier one is done.
pub(in crate::adapter) fn wait_step(waiter: &str, names: &[(&str, &str)]) -> Step {
    let wait = Command::write(Tool::Aws, &["eks", "wait", waiter]).with_timeout(WAIT);
    let wait = names.iter().fold(wait, |wait, (flag, name)| wait.flag(flag, name));
    Step::new(format!("wait: {}", waiter.replace('-', " ")), wait)
}

/// The issues in an answer, each with code, message and what it is about.
pub(in crate::adapter) fn issues(json: &Json) -> Value {
    let issues = json.pointer("/health/issues").and_then(Json::as_array);
    let issue = |issue: &Json| {
        let of = |pointer: &str| Value::from(text(issue, pointer).unwrap_or("Unknown"));
        Value::Map(Map::from([
            ("code".to_owned(), of("/code")),
            ("message".to_owned(), of("/message")),
            ("about".to_owned(), texts(issue, "/resourceIds").join(", ").into()),
        ]))
    };
    Value::List(issues.into_iter().flatten().map(issue).collect())
}

/// The issues of an object as blockers. `what` names the object: `the node
/// group x`.
pub(in crate::adapter) fn blockers(what: &str, object: &Object) -> Vec<Blocker> {
    let issues = object.facts.get("issues").and_then(Value::as_list).unwrap_or_default();
    issues
        .iter()
        .map(|issue| {
            let of = |key: &str| issue.get(key).and_then(Value::as_str).unwrap_or("");
            let about = of("about");
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            Blocker {
                code: of("code").to_owned(),
                message: format!("{what}: {}{about}", of("message")),
                next: remedy(of("code")).to_owned(),
            }
        })
        .collect()
}

/// The messages of an object's issues, after a colon; empty where there are
/// none.
pub(in crate::adapter) fn because(issues: &Value) -> String {
    let messages: Vec<&str> = issues
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(|issue| issue.get("message")?.as_str())
        .collect();
    if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) }
}

/// What to do about an issue, by the codes of the EKS API.
fn remedy(code: &str) -> &'static str {
    match code {
        "NodeCreationFailure" => {
            "see that the node role has AmazonEKSWorkerNodePolicy, a CNI policy and \
             AmazonEC2ContainerRegistryReadOnly, that it has an access entry of type EC2_LINUX, \
             and that the subnets reach the cluster's endpoint (NAT gateway, or private access)"
        }
        "AsgInstanceLaunchFailures" => {
            "see why: aws autoscaling describe-scaling-activities; often the instance type is not \
             to be had in a zone: add other instanceTypes or subnets"
        }
        "InstanceLimitExceeded" | "LimitExceeded" | "ResourceLimitExceeded" => {
            "ask for a higher quota: aws service-quotas request-service-quota-increase"
        }
        "InsufficientFreeAddresses" => {
            "the subnets have too few free addresses: take larger subnets, or fewer nodes"
        }
        "Ec2SubnetInvalidConfiguration" => {
            "nodes in public subnets need a public address: set MapPublicIpOnLaunch on the \
             subnets, or use private subnets with a NAT gateway"
        }
        "Ec2SubnetNotFound" | "Ec2SecurityGroupNotFound" | "VpcNotFound" => {
            "something of the network was deleted: make it again, or name another one"
        }
        "Ec2InstanceTypeDoesNotExist" => "correct spec.instanceTypes",
        "Ec2LaunchTemplateNotFound"
        | "Ec2LaunchTemplateVersionMismatch"
        | "AutoScalingGroupNotFound"
        | "IamInstanceProfileNotFound" => {
            "what EKS made for the node group was deleted or changed by hand: make the node group \
             anew, under another name first if its nodes must not go at once"
        }
        "IamNodeRoleNotFound" | "IamRoleNotFound" => {
            "the role was deleted: apply its IamRole again, then this"
        }
        "AccessDenied" => {
            "EKS is refused: see that the roles have their policies, that the nodes' access entry \
             exists, and that no service control policy denies it"
        }
        "AddonPermissionFailure" => {
            "give the add-on a role: spec.podIdentityAssociations or spec.serviceAccountRoleArn"
        }
        "ClusterUnreachable" => {
            "EKS can't reach the Kubernetes API: look for webhooks or network policies that \
             refuse it (kubectl get validatingwebhookconfigurations)"
        }
        "InsufficientNumberOfReplicas" => {
            "its pods are not ready: kubectl get pods -n kube-system; without nodes they stay \
             Pending"
        }
        "ConfigurationConflict" => {
            "others have changed what the add-on sets: say resolveConflicts: OVERWRITE to take it \
             back, or PRESERVE to leave it as it is"
        }
        "AdmissionRequestDenied" => {
            "an admission webhook refused the add-on's objects: kubectl get \
             validatingwebhookconfigurations"
        }
        "UnsupportedAddonModification" => "change spec.configurationValues",
        "K8sResourceNotFound" => {
            "an object of the add-on was deleted: say resolveConflicts: OVERWRITE and apply again"
        }
        "PodEvictionFailure" => {
            "a disruption budget keeps pods from moving: kubectl get poddisruptionbudgets -A"
        }
        "KmsKeyNotFound" | "KmsKeyDisabled" | "KmsKeyMarkedForDeletion" | "KmsGrantRevoked" => {
            "bring the KMS key back (aws kms enable-key, aws kms cancel-key-deletion): without it \
             the cluster's secrets can't be read"
        }
        "UnsupportedVersion" => "move the cluster to a version that EKS supports: spec.version",
        _ => "see the cluster's health in the EKS console, or ask AWS",
    }
}

/// Of an object's attributes those that the manifest declares: the others are
/// as they are, and nobody's to compare. `owned` are compared entry by entry and
/// stay.
pub(in crate::adapter) fn only_declared(
    attributes: &mut Map,
    desired: Option<&Desired>,
    owned: &[&str],
) {
    if let Some(desired) = desired {
        attributes.retain(|name, _| {
            owned.contains(&name.as_str()) || desired.attributes.contains_key(name)
        });
    }
}

/// The minor number of a Kubernetes version.
pub(in crate::adapter) fn minor(version: &str) -> Option<u32> {
    version.split_once('.').filter(|(major, _)| *major == "1")?.1.parse().ok()
}

/// What stands in the way of a step from one version to another.
pub(in crate::adapter) fn version_blocker(
    what: &str,
    from: &str,
    to: &str,
    one_at_a_time: bool,
) -> Option<Blocker> {
    let (before, after) = (minor(from)?, minor(to)?);
    if after < before {
        return Some(Blocker {
            code: "VersionDowngrade".to_owned(),
            message: format!("{what} runs Kubernetes {from}, and there is no way back to {to}"),
            next: format!("set spec.version to \"{from}\" or newer"),
        });
    }
    (one_at_a_time && after > before + 1).then(|| {
        let next = before + 1;
        Blocker {
            code: "VersionSkipsMinor".to_owned(),
            message: format!(
                "{what} runs Kubernetes {from}; to {to} it goes one minor version at a time"
            ),
            next: format!("set spec.version to \"1.{next}\", apply, then go on to \"{to}\""),
        }
    })
}
