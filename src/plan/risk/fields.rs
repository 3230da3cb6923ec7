//! What is dangerous about the fields of buckets, clusters and node groups.
//!
//! The kinds that have more to say than a line; `judge` asks for it. This module
//! must not look at anything but one field.

use super::judge::{Finding, finding};
use super::{Reversible, Risk};
use crate::diff::FieldChange;
use crate::value::Value;

pub(super) fn of_bucket(
    field: &FieldChange,
    head: &str,
    documents: &dyn Fn(&str) -> Finding,
) -> Finding {
    let in_place = |why: &str| finding(Risk::InPlace, why, Reversible::Yes);
    match head {
        "publicAccessBlock" if !is_true(field.after.as_ref()) => opens_bucket(),
        "objectOwnership" if field.after.as_ref().and_then(Value::as_str) != Some(ENFORCED) => {
            finding(Risk::Access, "access control lists count", Reversible::Yes)
        }
        "policy" => documents("who may do what with the bucket changes"),
        "lifecycle" if deletes_objects(field.after.as_ref()) => finding(
            Risk::DataLoss,
            "objects, or old versions of them, are deleted after some days",
            Reversible::No("what has expired is gone"),
        ),
        "lifecycle" => in_place("what becomes of objects with time changes"),
        "versioning" if !is_true(field.after.as_ref()) => finding(
            Risk::InPlace,
            "objects that are overwritten or deleted are not kept any more",
            Reversible::Partly("what is overwritten meanwhile is gone"),
        ),
        _ => in_place(&format!("{head} changes")),
    }
}

const ENFORCED: &str = "BucketOwnerEnforced";

fn opens_bucket() -> Finding {
    finding(Risk::Access, "a block of public access goes", Reversible::Yes)
}

/// What a new bucket opens to others.
pub(super) fn of_new_bucket(field: &FieldChange) -> Option<Finding> {
    let after = field.after.as_ref()?;
    match field.path.segments().first()?.as_str() {
        "publicAccessBlock" if holds_false(after) => Some(opens_bucket()),
        "objectOwnership" if after.as_str() != Some(ENFORCED) => {
            Some(finding(Risk::Access, "access control lists count", Reversible::Yes))
        }
        _ => None,
    }
}

fn holds_false(value: &Value) -> bool {
    match value {
        Value::Bool(truth) => !truth,
        Value::Map(map) => map.values().any(holds_false),
        _ => false,
    }
}

/// Whether a lifecycle rule deletes anything.
fn deletes_objects(rule: Option<&Value>) -> bool {
    let has = |name: &str| rule.and_then(|rule| rule.get(name)).is_some();
    let off = rule.and_then(|rule| rule.get("Status")).and_then(Value::as_str) == Some("Disabled");
    !off && (has("Expiration") || has("NoncurrentVersionExpiration"))
}

pub(super) fn of_cluster(field: &FieldChange, head: &str) -> Finding {
    let disrupts = |why: &str, reversible| finding(Risk::Disruption, why, reversible);
    match head {
        _ if opens_endpoint(field) => endpoint(field),
        "version" => disrupts(
            "the control plane is upgraded",
            Reversible::No("EKS never goes back to an older version"),
        ),
        "endpointPublicAccess" | "endpointPrivateAccess" | "publicAccessCidrs" => {
            disrupts("the Kubernetes API is reached from fewer places", Reversible::Yes)
        }
        "authenticationMode" => disrupts(
            "who came in by the config map no longer does",
            Reversible::No("there is no way back"),
        ),
        "encryptionKeyArn" => finding(
            Risk::InPlace,
            "the cluster's secrets are encrypted with a key",
            Reversible::No("the key can't be changed or taken away"),
        ),
        "autoMode" | "nodePools" | "nodeRoleArn" => {
            disrupts("who starts nodes changes", Reversible::Yes)
        }
        "deletionProtection" if !is_true(field.after.as_ref()) => {
            finding(Risk::InPlace, "the guard against deletion goes", Reversible::Yes)
        }
        _ => finding(Risk::InPlace, format!("{head} changes"), Reversible::Yes),
    }
}

/// Whether a cluster's API can be reached from more places.
pub(super) fn opens_endpoint(field: &FieldChange) -> bool {
    let head = field.path.segments().first().map(String::as_str);
    match head {
        Some("endpointPublicAccess") => is_true(field.after.as_ref()),
        Some("publicAccessCidrs") => field.after.is_some(),
        _ => false,
    }
}

pub(super) fn endpoint(field: &FieldChange) -> Finding {
    let network = field.path.segments().get(1).map_or("the internet", String::as_str);
    finding(
        Risk::Access,
        format!("the Kubernetes API can be reached from {network}"),
        Reversible::Yes,
    )
}

pub(super) fn of_nodegroup(field: &FieldChange, head: &str) -> Finding {
    let number = |value: &Option<Value>| match value {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let fewer =
        matches!((number(&field.before), number(&field.after)), (Some(a), Some(b)) if b < a);
    let disrupts = |why: &str, reversible| finding(Risk::Disruption, why, reversible);
    match head {
        "version" | "releaseVersion" => disrupts(
            "every node is replaced, one after the other",
            Reversible::Partly("nodes don't go back to an older Kubernetes version"),
        ),
        "taints" if field.after.is_some() => {
            disrupts("pods that don't tolerate the taint must go or can't come", Reversible::Yes)
        }
        "minSize" | "maxSize" | "desiredSize" if fewer => {
            disrupts("there may be fewer nodes", Reversible::Yes)
        }
        _ => finding(Risk::InPlace, format!("{head} changes"), Reversible::Yes),
    }
}

/// Whether a value is there and true.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool) == Some(true)
}
