//! What is dangerous about the fields of objects of the cluster, whether a
//! release holds them or a manifest declares them.
//!
//! This module must not look at anything but one field.

use super::judge::{Finding, GONE, finding};
use super::{Reversible, Risk, Verdict};
use crate::diff::FieldChange;
use crate::value::Value;

/// A field of an object of the cluster: its key (`Kind/namespace/name`), and
/// where in it.
pub(super) fn of_object(
    key: &str,
    below: &[&str],
    field: &FieldChange,
    access: Option<&Verdict>,
) -> Finding {
    let kind = key.split('/').next().unwrap_or_default();
    let (gone, new) = match (below, &field.before, &field.after) {
        ([], _, None) => (true, false),
        ([], None, Some(_)) => (false, true),
        _ => (false, false),
    };
    let in_place = |why: String| finding(Risk::InPlace, why, Reversible::Yes);
    let disrupts = |why: String| finding(Risk::Disruption, why, Reversible::Yes);
    if gone && let Some(why) = holds_data(kind) {
        return finding(Risk::DataLoss, format!("{key} goes: {why}"), GONE);
    }
    if kind == "CustomResourceDefinition" {
        return finding(
            Risk::Disruption,
            format!("{key} changes, and with it every object of its kind"),
            Reversible::Partly("objects that were written since may not fit the older one"),
        );
    }
    if is_rbac(kind) {
        return match access {
            None if gone => in_place(format!("{key} goes: less becomes possible")),
            None => {
                finding(Risk::Access, format!("{key}: who may do what changes"), Reversible::Yes)
            }
            Some(_) => in_place(format!("{key} changes")),
        };
    }
    let role = below.contains(&"eks.amazonaws.com/role-arn");
    if kind == "ServiceAccount" && role && field.after.is_some() {
        return finding(Risk::Access, format!("{key} gets another role"), Reversible::Yes);
    }
    let exposes = match kind {
        "Ingress" | "HTTPRoute" | "Gateway" => !gone,
        "Service" => {
            let kind = if new {
                field.after.as_ref().and_then(|o| o.get("spec")?.get("type"))
            } else {
                field.after.as_ref()
            };
            (new || below == ["spec", "type"])
                && matches!(kind.and_then(Value::as_str), Some("LoadBalancer" | "NodePort"))
        }
        "NetworkPolicy" => !new,
        _ => false,
    };
    if exposes {
        return finding(Risk::Access, format!("{key}: more may be reached"), Reversible::Yes);
    }
    if is_workload(kind) {
        return match below {
            _ if gone => disrupts(format!("{key} goes with its pods")),
            _ if new => in_place(format!("{key} is added")),
            ["metadata", ..] => in_place(format!("{key}: its metadata changes")),
            ["spec", "replicas"] => disrupts(format!("{key} is scaled")),
            _ => disrupts(format!("the pods of {key} are restarted")),
        };
    }
    match kind {
        "NodePool" | "EC2NodeClass" | "NodeClass" => {
            disrupts(format!("{key}: Karpenter may replace nodes"))
        }
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" | "APIService" => {
            disrupts(format!("{key}: what the API server accepts changes"))
        }
        _ if gone => disrupts(format!("{key} goes")),
        _ if new => in_place(format!("{key} is added")),
        _ => in_place(format!("{key} changes")),
    }
}

/// What is lost with an object of this kind, where that is data.
pub(super) fn holds_data(kind: &str) -> Option<&'static str> {
    match kind {
        "PersistentVolumeClaim" => Some("its volume may be deleted with it"),
        "PersistentVolume" => Some("the volume may be deleted with it"),
        "VolumeSnapshot" | "VolumeSnapshotContent" => Some("the snapshot may be deleted with it"),
        "CustomResourceDefinition" => Some("every object of its kind goes with it"),
        "Secret" => Some("what it holds may be kept nowhere else"),
        "Namespace" => Some("everything in it goes with it"),
        _ => None,
    }
}

fn is_workload(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "ReplicationController"
            | "Job"
            | "CronJob"
            | "Pod"
    )
}

pub(super) fn is_rbac(kind: &str) -> bool {
    matches!(kind, "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding")
}
