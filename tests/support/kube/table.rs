//! The columns that `kubectl get` and `helm status` show: the server's answer
//! to `as=Table`, for the kinds that people look at. Others get name and age.

use jiff::Timestamp;
use lkh::sandbox::cluster::ResourceType;
use serde_json::{Value, json};

/// The `Table` of an object or a list.
pub fn of(ty: &ResourceType, object: &Value, now: Timestamp) -> Value {
    let items = match object.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![object.clone()],
    };
    let columns = columns(ty);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|name| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let cells: Vec<String> = columns.iter().map(|column| cell(column, item, now)).collect();
            let metadata = json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": item["metadata"],
            });
            json!({"cells": cells, "object": metadata})
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": object.pointer("/metadata/resourceVersion")},
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn columns(ty: &ResourceType) -> &'static [&'static str] {
    match (ty.group.as_ref(), ty.plural.as_ref()) {
        ("", "pods") => &["Name", "Ready", "Status", "Restarts", "Age"],
        ("", "nodes") => &["Name", "Status", "Roles", "Age", "Version"],
        ("", "namespaces") => &["Name", "Status", "Age"],
        ("", "services") => &["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"],
        ("", "secrets") => &["Name", "Type", "Data", "Age"],
        ("", "configmaps") => &["Name", "Data", "Age"],
        ("", "events") => &["Last Seen", "Type", "Reason", "Object", "Message"],
        ("apps", "deployments") => &["Name", "Ready", "Up-to-date", "Available", "Age"],
        ("apps", "replicasets") => &["Name", "Desired", "Current", "Ready", "Age"],
        ("apps", "statefulsets") => &["Name", "Ready", "Age"],
        ("policy", _) => {
            &["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"]
        }
        ("apiextensions.k8s.io", _) | ("rbac.authorization.k8s.io", "clusterroles" | "roles") => {
            &["Name", "Created At"]
        }
        ("rbac.authorization.k8s.io", _) => &["Name", "Role", "Age"],
        _ => &["Name", "Age"],
    }
}

fn text(item: &Value, pointer: &str) -> String {
    match item.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn number(item: &Value, pointer: &str) -> i64 {
    item.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn cell(column: &str, item: &Value, now: Timestamp) -> String {
    let kind = text(item, "/kind");
    match column {
        "Name" => text(item, "/metadata/name"),
        "Age" => age(&text(item, "/metadata/creationTimestamp"), now),
        "Created At" => text(item, "/metadata/creationTimestamp"),
        "Last Seen" => {
            let seen =
                ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"].map(|p| text(item, p));
            age(seen.iter().find(|t| !t.is_empty()).map_or("", String::as_str), now)
        }
        "Ready" if kind == "Pod" => {
            let statuses = statuses(item);
            let ready = statuses.iter().filter(|s| s["ready"] == true).count();
            let all =
                item.pointer("/spec/containers").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{ready}/{all}")
        }
        "Ready" if kind == "ReplicaSet" => number(item, "/status/readyReplicas").to_string(),
        "Ready" => {
            format!("{}/{}", number(item, "/status/readyReplicas"), number(item, "/spec/replicas"))
        }
        "Desired" => number(item, "/spec/replicas").to_string(),
        "Current" => number(item, "/status/replicas").to_string(),
        "Up-to-date" => number(item, "/status/updatedReplicas").to_string(),
        "Available" => number(item, "/status/availableReplicas").to_string(),
        "Restarts" => {
            statuses(item).iter().map(|s| number(s, "/restartCount")).sum::<i64>().to_string()
        }
        "Status" if kind == "Pod" => pod_status(item),
        "Status" if kind == "Node" => node_status(item),
        "Status" => text(item, "/status/phase"),
        "Roles" => "<none>".to_owned(),
        "Version" => text(item, "/status/nodeInfo/kubeletVersion"),
        "Type" if kind == "Service" => text(item, "/spec/type"),
        "Type" => text(item, "/type"),
        "Cluster-IP" => text(item, "/spec/clusterIP"),
        "External-IP" => match text(item, "/spec/type").as_str() {
            "LoadBalancer" => "<pending>".to_owned(),
            _ => "<none>".to_owned(),
        },
        "Port(s)" => {
            let ports = item.pointer("/spec/ports").and_then(Value::as_array);
            let ports = ports.into_iter().flatten();
            let texts: Vec<String> =
                ports.map(|p| format!("{}/{}", text(p, "/port"), text(p, "/protocol"))).collect();
            texts.join(",")
        }
        "Data" => {
            item.get("data").and_then(Value::as_object).map_or(0, serde_json::Map::len).to_string()
        }
        "Reason" => text(item, "/reason"),
        "Object" => {
            let kind = text(item, "/involvedObject/kind").to_ascii_lowercase();
            format!("{kind}/{}", text(item, "/involvedObject/name"))
        }
        "Message" => text(item, "/message"),
        "Min Available" => or_none(&text(item, "/spec/minAvailable")),
        "Max Unavailable" => or_none(&text(item, "/spec/maxUnavailable")),
        "Allowed Disruptions" => text(item, "/status/disruptionsAllowed"),
        "Role" => format!("{}/{}", text(item, "/roleRef/kind"), text(item, "/roleRef/name")),
        _ => String::new(),
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "N/A".to_owned() } else { text.to_owned() }
}

fn statuses(pod: &Value) -> Vec<Value> {
    pod.pointer("/status/containerStatuses").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The reason why a container waits or ended, or else the pod's phase.
fn pod_status(pod: &Value) -> String {
    let mut reasons = statuses(pod).into_iter().filter_map(|status| {
        let state = status.get("state")?.as_object()?.values().next()?.clone();
        state.get("reason").and_then(Value::as_str).map(str::to_owned)
    });
    reasons.next_back().unwrap_or_else(|| text(pod, "/status/phase"))
}

fn node_status(node: &Value) -> String {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready =
        conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
    let status = if ready { "Ready" } else { "NotReady" };
    if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
        format!("{status},SchedulingDisabled")
    } else {
        status.to_owned()
    }
}

/// How long ago, as `kubectl` writes it.
fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = (now.as_second() - since.as_second()).max(0);
    match (seconds, seconds / 60, seconds / 3600, seconds / 86_400) {
        (s, _, _, _) if s < 120 => format!("{s}s"),
        (s, m, _, _) if m < 10 && s % 60 > 0 => format!("{m}m{}s", s % 60),
        (_, m, _, _) if m < 180 => format!("{m}m"),
        (_, m, h, _) if h < 8 && m % 60 > 0 => format!("{h}h{}m", m % 60),
        (_, _, h, _) if h < 48 => format!("{h}h"),
        (_, _, _, d) => format!("{d}d"),
    }
}
