//! Kubernetes objects as Terraform's typed resources: its names for fields, and
//! its blocks, so that rules for workloads apply.
//!
//! Terraform writes `camelCase` as `snake_case`, an object as a list of one
//! block, and a list of objects as blocks under the name of one. Kinds that it
//! has no type for are a `kubernetes_manifest`. This module must not know where
//! an object comes from.

use super::kinds::Block;
use super::{block, renamed};
use crate::value::{Map, Value};

/// Kinds that Terraform has a type for.
const TYPES: &[(&str, &str)] = &[
    ("ClusterRole", "kubernetes_cluster_role_v1"),
    ("ClusterRoleBinding", "kubernetes_cluster_role_binding_v1"),
    ("ConfigMap", "kubernetes_config_map_v1"),
    ("CronJob", "kubernetes_cron_job_v1"),
    ("DaemonSet", "kubernetes_daemon_set_v1"),
    ("Deployment", "kubernetes_deployment_v1"),
    ("Ingress", "kubernetes_ingress_v1"),
    ("Job", "kubernetes_job_v1"),
    ("Namespace", "kubernetes_namespace_v1"),
    ("NetworkPolicy", "kubernetes_network_policy_v1"),
    ("PersistentVolumeClaim", "kubernetes_persistent_volume_claim_v1"),
    ("Pod", "kubernetes_pod_v1"),
    ("PodDisruptionBudget", "kubernetes_pod_disruption_budget_v1"),
    ("Role", "kubernetes_role_v1"),
    ("RoleBinding", "kubernetes_role_binding_v1"),
    ("Secret", "kubernetes_secret_v1"),
    ("Service", "kubernetes_service_v1"),
    ("ServiceAccount", "kubernetes_service_account_v1"),
    ("StatefulSet", "kubernetes_stateful_set_v1"),
    ("StorageClass", "kubernetes_storage_class_v1"),
];

/// What has no type of its own.
const UNTYPED: &str = "kubernetes_manifest";

/// Maps whose keys are data, not fields.
const DATA: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "requests",
    "selector",
    "stringData",
];

/// Lists of objects that are blocks under the name of one, where that is not
/// the name without its last letter.
const ONE_OF: &[(&str, &str)] = &[
    ("capabilities", "capabilities"),
    ("ingress", "ingress"),
    ("env", "env"),
    ("envFrom", "env_from"),
    ("egress", "egress"),
    ("hostAliases", "host_aliases"),
    ("imagePullSecrets", "image_pull_secrets"),
    ("matchExpressions", "match_expressions"),
    ("items", "items"),
    ("tls", "tls"),
    ("volumeClaimTemplates", "volume_claim_template"),
    ("policyTypes", "policy_types"),
];

/// Terraform's type for a kind.
pub(super) fn type_of(kind: &str) -> &'static str {
    TYPES.iter().find(|(name, _)| *name == kind).map_or(UNTYPED, |(_, name)| name)
}

/// The metadata of what an identity names.
pub(super) fn metadata(identity: &Map, told: &Map) -> Value {
    let mut values = renamed(identity, &[("name", "name"), ("namespace", "namespace")]);
    values.retain(|_, value| value.as_str() != Some(""));
    values.extend(renamed(told, &[("labels", "labels"), ("annotations", "annotations")]));
    block(values)
}

/// An object of a manifest, whose tree is in two parts.
pub(super) fn object(identity: &Map, side: &Map) -> Vec<Block> {
    let mut whole = Map::new();
    let parts = ["object", "fixed"].map(|name| side.get(name).and_then(Value::as_map));
    for tree in parts.into_iter().flatten() {
        for body in tree.values().filter_map(Value::as_map) {
            join(&mut whole, body);
        }
    }
    let kind = identity.get("kind").and_then(Value::as_str).unwrap_or("");
    vec![typed(kind, identity, &whole)]
}

/// An object that a chart renders, by its key: `Kind/namespace/name`.
pub(super) fn rendered(key: &str, body: &Value) -> Block {
    let mut parts = key.split('/');
    let kind = parts.next().unwrap_or("");
    let rest: Vec<&str> = parts.collect();
    let (namespace, name) = match rest.as_slice() {
        [name] => ("", *name),
        [namespace, name] => (*namespace, *name),
        _ => ("", key),
    };
    let identity =
        Map::from([("name".into(), name.into()), ("namespace".into(), namespace.into())]);
    let empty = Map::new();
    typed(kind, &identity, body.as_map().unwrap_or(&empty)).at(key)
}

fn typed(kind: &str, identity: &Map, body: &Map) -> Block {
    let empty = Map::new();
    let told = body.get("metadata").and_then(Value::as_map).unwrap_or(&empty);
    let known = type_of(kind);
    if known == UNTYPED {
        let mut manifest = body.clone();
        let mut named = told.clone();
        named.extend(renamed(identity, &[("name", "name"), ("namespace", "namespace")]));
        named.retain(|_, value| value.as_str() != Some(""));
        manifest.insert("kind".into(), kind.into());
        manifest.insert("metadata".into(), named.into());
        return Block::new(UNTYPED, Map::from([("manifest".into(), manifest.into())]));
    }
    let mut values = fields(body);
    values.insert("metadata".into(), metadata(identity, told));
    Block::new(known, values)
}

/// Lays one tree over another.
fn join(into: &mut Map, other: &Map) {
    for (key, value) in other {
        match (into.get_mut(key), value) {
            (Some(Value::Map(below)), Value::Map(value)) => join(below, value),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

fn fields(map: &Map) -> Map {
    map.iter().map(|(key, value)| field(key, value)).collect()
}

fn field(key: &str, value: &Value) -> (String, Value) {
    match value {
        // A selector is data, unless it holds fields of its own.
        Value::Map(map)
            if DATA.contains(&key)
                && !map.contains_key("matchLabels")
                && !map.contains_key("matchExpressions") =>
        {
            (snake(key), value.clone())
        }
        Value::Map(map) => (snake(key), block(fields(map))),
        Value::List(list) if list.iter().any(|one| matches!(one, Value::Map(_))) => {
            let each = list.iter().map(|one| match one {
                Value::Map(map) => Value::Map(fields(map)),
                other => other.clone(),
            });
            (one_of(key), Value::List(each.collect()))
        }
        other => (snake(key), other.clone()),
    }
}

fn one_of(key: &str) -> String {
    match ONE_OF.iter().find(|(from, _)| *from == key) {
        Some((_, to)) => (*to).to_owned(),
        None => {
            let name = snake(key);
            name.strip_suffix('s').map_or(name.clone(), str::to_owned)
        }
    }
}

fn snake(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    let mut capital = true;
    for c in key.chars() {
        if c.is_ascii_uppercase() && !capital {
            name.push('_');
        }
        // `clusterIP`, `hostPID`: one word of capitals.
        capital = c.is_ascii_uppercase();
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deployment_is_in_blocks() {
        let body = Value::from_json(&json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "a"}},
            "spec": {
                "selector": {"matchLabels": {"appName": "a"}},
                "template": {"spec": {
                    "hostPID": true,
                    "containers": [{
                        "name": "a", "image": "a:1",
                        "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
                        "resources": {"limits": {"cpu": "1"}},
                        "securityContext": {"capabilities": {"drop": ["ALL"]}},
                    }],
                }},
            },
        }));
        let block = rendered("Deployment/n/a", &body);
        assert_eq!(block.kind, "kubernetes_deployment_v1");
        assert_eq!(block.index.as_deref(), Some("Deployment/n/a"));
        assert_eq!(
            Value::Map(block.values).redacted_json(),
            json!({
                "metadata": [{
                    "labels": {"app.kubernetes.io/name": "a"}, "name": "a", "namespace": "n",
                }],
                "spec": [{
                    "selector": [{"match_labels": {"appName": "a"}}],
                    "template": [{"spec": [{
                        "host_pid": true,
                        "container": [{
                            "name": "a", "image": "a:1",
                            "env": [{
                                "name": "X", "value_from": [{"secret_key_ref": [{"name": "s"}]}],
                            }],
                            "resources": [{"limits": {"cpu": "1"}}],
                            "security_context": [{"capabilities": [{"drop": ["ALL"]}]}],
                        }],
                    }]}],
                }],
            })
        );
    }

    #[test]
    fn what_terraform_has_no_type_for_is_a_manifest() {
        let body = Value::from_json(&json!({"spec": {"nodeClassRef": {"name": "d"}}}));
        let block = rendered("NodePool/default", &body);
        assert_eq!(block.kind, "kubernetes_manifest");
        assert_eq!(
            Value::Map(block.values).redacted_json(),
            json!({"manifest": {
                "kind": "NodePool", "metadata": {"name": "default"},
                "spec": {"nodeClassRef": {"name": "d"}},
            }})
        );
    }
}
