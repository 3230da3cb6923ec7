//! The values that an API server fills in where an object leaves them out, and
//! the conversions that it makes on the way (`stringData`).
//!
//! The values are those of the Kubernetes API reference. Nothing here refuses
//! an object or knows other objects.

use serde_json::{Map, Value, json};

use super::types::ResourceType;

/// Fills in what the object leaves out.
pub(super) fn fill(ty: &ResourceType, definition: Option<&Value>, object: &mut Value) {
    if ty.custom {
        fill_custom(ty, definition, object);
        return;
    }
    match (ty.group.as_ref(), ty.plural.as_ref()) {
        ("", "pods") => pod_spec(object.get_mut("spec")),
        ("", "namespaces") => namespace(object),
        ("", "secrets") => secret(object),
        ("", "services") => service(object),
        ("", "persistentvolumeclaims") => {
            missing(object, "/spec", json!({"volumeMode": "Filesystem"}));
            missing(object, "", json!({"status": {"phase": "Pending"}}));
        }
        ("apps", "deployments") => {
            template(object);
            missing(
                object,
                "/spec",
                json!({"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}),
            );
            missing(object, "/spec", json!({"strategy": {}}));
            missing(object, "/spec/strategy", json!({"type": "RollingUpdate"}));
            if object.pointer("/spec/strategy/type") == Some(&json!("RollingUpdate")) {
                missing(object, "/spec/strategy", json!({"rollingUpdate": {}}));
                missing(
                    object,
                    "/spec/strategy/rollingUpdate",
                    json!({"maxSurge": "25%", "maxUnavailable": "25%"}),
                );
            }
        }
        ("apps", "replicasets") => {
            template(object);
            missing(object, "/spec", json!({"replicas": 1}));
        }
        ("apps", "statefulsets") => {
            template(object);
            missing(
                object,
                "/spec",
                json!({
                    "replicas": 1,
                    "podManagementPolicy": "OrderedReady",
                    "revisionHistoryLimit": 10,
                    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                }),
            );
        }
        ("apps", "daemonsets") => {
            template(object);
            missing(
                object,
                "/spec",
                json!({
                    "revisionHistoryLimit": 10,
                    "updateStrategy": {
                        "type": "RollingUpdate",
                        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
                    },
                }),
            );
        }
        ("batch", "jobs") => {
            template(object);
            missing(
                object,
                "/spec",
                json!({
                    "backoffLimit": 6,
                    "completionMode": "NonIndexed",
                    "completions": 1,
                    "manualSelector": false,
                    "parallelism": 1,
                    "podReplacementPolicy": "TerminatingOrFailed",
                    "suspend": false,
                }),
            );
        }
        ("batch", "cronjobs") => {
            missing(
                object,
                "/spec",
                json!({
                    "concurrencyPolicy": "Allow",
                    "failedJobsHistoryLimit": 1,
                    "successfulJobsHistoryLimit": 3,
                    "suspend": false,
                }),
            );
            pod_spec(object.pointer_mut("/spec/jobTemplate/spec/template/spec"));
        }
        ("storage.k8s.io", "storageclasses") => {
            missing(
                object,
                "",
                json!({"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
            );
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            missing(object, "", json!({"preemptionPolicy": "PreemptLowerPriority"}));
        }
        ("autoscaling", "horizontalpodautoscalers") => {
            missing(object, "/spec", json!({"minReplicas": 1}));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition_names(object),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => binding(object),
        ("admissionregistration.k8s.io", _) => webhooks(object),
        _ => {}
    }
}

/// Sets the fields of `values` that the map at a pointer does not have.
fn missing(object: &mut Value, pointer: &str, values: Value) {
    let (Some(Value::Object(target)), Value::Object(values)) =
        (object.pointer_mut(pointer), values)
    else {
        return;
    };
    for (name, value) in values {
        target.entry(name).or_insert(value);
    }
}

fn template(object: &mut Value) {
    pod_spec(object.pointer_mut("/spec/template/spec"));
}

fn pod_spec(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    missing(
        spec,
        "",
        json!({
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        }),
    );
    // The old name of the same field.
    for (from, to) in
        [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")]
    {
        if let Some(name) = spec.get(from).cloned() {
            missing(spec, "", json!({to: name}));
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill_container(container);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            missing(volume, &format!("/{source}"), json!({"defaultMode": 420}));
        }
        missing(volume, "/hostPath", json!({"type": ""}));
    }
}

fn fill_container(container: &mut Value) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let latest = !image.contains('@') && tag.is_none_or(|t| t == "latest");
    missing(
        container,
        "",
        json!({
            "imagePullPolicy": if latest { "Always" } else { "IfNotPresent" },
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }),
    );
    if let Some(Value::Object(limits)) = container.pointer("/resources/limits").cloned() {
        missing(container, "/resources", json!({"requests": {}}));
        missing(container, "/resources/requests", Value::Object(limits));
    }
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        missing(port, "", json!({"protocol": "TCP"}));
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        missing(variable, "/valueFrom/fieldRef", json!({"apiVersion": "v1"}));
        missing(variable, "/valueFrom/resourceFieldRef", json!({"divisor": "0"}));
    }
    for probe in ["/livenessProbe", "/readinessProbe", "/startupProbe"] {
        missing(
            container,
            probe,
            json!({"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}),
        );
        missing(container, &format!("{probe}/httpGet"), json!({"scheme": "HTTP"}));
    }
}

fn namespace(object: &mut Value) {
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    missing(object, "/metadata", json!({"labels": {}}));
    missing(object, "/metadata/labels", json!({"kubernetes.io/metadata.name": name}));
    missing(object, "", json!({"spec": {}, "status": {"phase": "Active"}}));
    missing(object, "/spec", json!({"finalizers": ["kubernetes"]}));
}

fn secret(object: &mut Value) {
    missing(object, "", json!({"type": "Opaque"}));
    let Some(map) = object.as_object_mut() else { return };
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = map.entry("data").or_insert_with(|| json!({}));
        for (name, text) in texts {
            data[name] = Value::from(base64(text.as_str().unwrap_or_default().as_bytes()));
        }
    }
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut block = [0_u8; 3];
        for (slot, byte) in block.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        let [a, b, c] = block.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for place in 0..4_usize {
            let letter = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = LETTERS.get(letter).copied().unwrap_or_default();
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn service(object: &mut Value) {
    missing(object, "", json!({"spec": {}, "status": {"loadBalancer": {}}}));
    missing(object, "/spec", json!({"type": "ClusterIP", "sessionAffinity": "None"}));
    let kind = object.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        missing(
            object,
            "/spec",
            json!({
                "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
            }),
        );
    }
    if kind == "LoadBalancer" || kind == "NodePort" {
        missing(object, "/spec", json!({"externalTrafficPolicy": "Cluster"}));
    }
    if kind == "LoadBalancer" {
        missing(object, "/spec", json!({"allocateLoadBalancerNodePorts": true}));
    }
    for port in
        object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let target = port.get("port").cloned().unwrap_or_default();
        missing(port, "", json!({"protocol": "TCP", "targetPort": target}));
    }
}

fn definition_names(object: &mut Value) {
    let kind =
        object.pointer("/spec/names/kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    missing(object, "/spec", json!({"conversion": {"strategy": "None"}}));
    missing(
        object,
        "/spec/names",
        json!({"listKind": format!("{kind}List"), "singular": kind.to_ascii_lowercase()}),
    );
}

fn binding(object: &mut Value) {
    missing(object, "/roleRef", json!({"apiGroup": "rbac.authorization.k8s.io"}));
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        if subject.get("kind").is_some_and(|k| k == "User" || k == "Group") {
            missing(subject, "", json!({"apiGroup": "rbac.authorization.k8s.io"}));
        }
    }
}

fn webhooks(object: &mut Value) {
    for hook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        missing(
            hook,
            "",
            json!({
                "failurePolicy": "Fail",
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "timeoutSeconds": 10,
            }),
        );
        for rule in hook.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            missing(rule, "", json!({"scope": "*"}));
        }
    }
}

/// Fills in the defaults of a custom resource's schema and drops fields that
/// the schema does not have.
fn fill_custom(ty: &ResourceType, definition: Option<&Value>, object: &mut Value) {
    let versions = definition.and_then(|d| d.pointer("/spec/versions")).and_then(Value::as_array);
    let schema = versions
        .into_iter()
        .flatten()
        .find(|v| v.get("name").and_then(Value::as_str) == Some(ty.version.as_ref()))
        .and_then(|v| v.pointer("/schema/openAPIV3Schema"));
    let (Some(schema), Some(object)) = (schema, object.as_object_mut()) else { return };
    if schema.get("x-kubernetes-preserve-unknown-fields") != Some(&Value::Bool(true)) {
        let known = |name: &str| {
            ["apiVersion", "kind", "metadata"].contains(&name)
                || schema.pointer("/properties").is_some_and(|p| p.get(name).is_some())
        };
        object.retain(|name, _| known(name));
    }
    for (name, value) in object.iter_mut().filter(|(name, _)| *name != "metadata") {
        if let Some(node) = schema.get("properties").and_then(|p| p.get(name)) {
            by_schema(node, value);
        }
    }
    by_defaults(schema, object);
}

fn by_schema(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(object) => {
            let properties = schema.get("properties");
            let additional = schema.get("additionalProperties").filter(|a| a.is_object());
            let preserve =
                schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            let open = preserve || schema.get("additionalProperties").is_some();
            if !open {
                object.retain(|name, _| properties.is_some_and(|p| p.get(name).is_some()));
            }
            for (name, value) in object.iter_mut() {
                if let Some(node) = properties.and_then(|p| p.get(name)).or(additional) {
                    by_schema(node, value);
                }
            }
            by_defaults(schema, object);
        }
        Value::Array(items) => {
            if let Some(node) = schema.get("items") {
                for item in items {
                    by_schema(node, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn by_defaults(schema: &Value, object: &mut Map<String, Value>) {
    for (name, node) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let (None, Some(default)) = (object.get(name), node.get("default")) {
            let mut value = default.clone();
            by_schema(node, &mut value);
            object.insert(name.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types;
    use super::*;

    #[test]
    fn base64_is_standard() {
        for (text, want) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")]
        {
            assert_eq!(base64(text.as_bytes()), want);
        }
    }

    #[test]
    fn a_pull_policy_follows_the_tag() {
        for (image, want) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.2", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("nginx@sha256:00", "IfNotPresent"),
        ] {
            let mut pod = json!({"spec": {"containers": [{"name": "a", "image": image}]}});
            fill(&types::built_in_named("", "pods").unwrap(), None, &mut pod);
            assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], want, "{image}");
        }
    }
}
