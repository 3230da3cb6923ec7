//! What an API server refuses: bad names, missing fields, changes of fields
//! that cannot change. The messages are Kubernetes' own.
//!
//! Only the rules that a deployment tool runs into are here, not all of them.

use serde_json::{Value, json};

use super::selector::Selector;
use super::status::{Cause, Status};
use super::types::ResourceType;

/// Why a name is no DNS subdomain.
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
    regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/// Why a name is no DNS label.
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
    and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Checks a new object.
///
/// # Errors
/// `Invalid` with all causes.
pub(super) fn new_object(
    ty: &ResourceType,
    definition: Option<&Value>,
    object: &Value,
) -> Result<(), Status> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut causes = name_causes(ty, name);
    causes.extend(content_causes(ty, definition, object));
    finish(ty, name, &causes)
}

/// Checks a changed object.
///
/// # Errors
/// `Invalid` with all causes.
pub(super) fn changed_object(
    ty: &ResourceType,
    definition: Option<&Value>,
    old: &Value,
    new: &Value,
) -> Result<(), Status> {
    let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut causes = content_causes(ty, definition, new);
    causes.extend(immutable_causes(ty, old, new));
    finish(ty, name, &causes)
}

fn finish(ty: &ResourceType, name: &str, causes: &[Cause]) -> Result<(), Status> {
    if causes.is_empty() { Ok(()) } else { Err(Status::invalid(ty, name, causes)) }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn name_causes(ty: &ResourceType, name: &str) -> Vec<Cause> {
    let field = "metadata.name";
    if name.is_empty() {
        return vec![Cause::required(field, "name or generateName is required")];
    }
    if ty.group == "rbac.authorization.k8s.io" {
        return Vec::new();
    }
    let value = json!(name);
    if ty.is("", "namespaces") || ty.is("", "services") {
        return if is_label(name) {
            Vec::new()
        } else {
            vec![Cause::invalid(field, &value, LABEL)]
        };
    }
    let parts_are_labels = name.split('.').all(|part| is_label(part) || part.len() > 63);
    if name.len() > 253 || !parts_are_labels {
        return vec![Cause::invalid(field, &value, SUBDOMAIN)];
    }
    Vec::new()
}

fn content_causes(ty: &ResourceType, definition: Option<&Value>, object: &Value) -> Vec<Cause> {
    let has = |pointer: &str| object.pointer(pointer).is_some_and(|v| !v.is_null());
    let mut causes = Vec::new();
    match (ty.group.as_ref(), ty.plural.as_ref()) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            if !has("/spec/selector") {
                causes.push(Cause::required("spec.selector", ""));
            } else if let Some(selector) =
                object.pointer("/spec/selector").and_then(Selector::from_object)
            {
                let labels = object.pointer("/spec/template/metadata/labels");
                if !selector.matches(labels.and_then(Value::as_object)) {
                    let labels = labels.cloned().unwrap_or_default();
                    causes.push(Cause::invalid(
                        "spec.template.metadata.labels",
                        &labels,
                        "`selector` does not match template `labels`",
                    ));
                }
            }
            causes.extend(pod_causes(object, "/spec/template/spec", "spec.template.spec"));
        }
        ("batch", "jobs") => {
            causes.extend(pod_causes(object, "/spec/template/spec", "spec.template.spec"));
            if object.pointer("/spec/template/spec/restartPolicy") == Some(&json!("Always")) {
                causes.push(Cause {
                    reason: "FieldValueNotSupported",
                    message:
                        "Unsupported value: \"Always\": supported values: \"OnFailure\", \"Never\""
                            .into(),
                    field: "spec.template.spec.restartPolicy".into(),
                });
            }
        }
        ("", "pods") => causes.extend(pod_causes(object, "/spec", "spec")),
        ("", "services") => {
            let kind = object.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default();
            if kind != "ExternalName"
                && !has("/spec/ports/0")
                && object.pointer("/spec/clusterIP") != Some(&json!("None"))
            {
                causes.push(Cause::required("spec.ports", ""));
            }
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings")
            if !has("/roleRef/name") =>
        {
            causes.push(Cause::required("roleRef.name", ""));
        }
        ("storage.k8s.io", "storageclasses") if !has("/provisioner") => {
            causes.push(Cause::required("provisioner", ""));
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            let text = |p: &str| object.pointer(p).and_then(Value::as_str).unwrap_or_default();
            let want = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
            if text("/metadata/name") != want {
                causes.push(Cause::invalid(
                    "metadata.name",
                    &json!(text("/metadata/name")),
                    "must be spec.names.plural+\".\"+spec.group",
                ));
            }
        }
        _ if ty.custom => {
            let versions =
                definition.and_then(|d| d.pointer("/spec/versions")).and_then(Value::as_array);
            let schema = versions
                .into_iter()
                .flatten()
                .find(|v| v.get("name").and_then(Value::as_str) == Some(ty.version.as_ref()))
                .and_then(|v| v.pointer("/schema/openAPIV3Schema"));
            if let Some(schema) = schema {
                custom_causes(schema, object, "", &mut causes);
            }
        }
        _ => {}
    }
    causes
}

fn pod_causes(object: &Value, pointer: &str, field: &str) -> Vec<Cause> {
    let containers = object.pointer(&format!("{pointer}/containers")).and_then(Value::as_array);
    let Some(containers) = containers.filter(|c| !c.is_empty()) else {
        return vec![Cause::required(format!("{field}.containers"), "")];
    };
    let mut causes = Vec::new();
    for (at, container) in containers.iter().enumerate() {
        for name in ["name", "image"] {
            if container.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() {
                causes.push(Cause::required(format!("{field}.containers[{at}].{name}"), ""));
            }
        }
    }
    causes
}

/// Checks a custom resource against its schema: required fields, types, enums.
fn custom_causes(schema: &Value, value: &Value, field: &str, causes: &mut Vec<Cause>) {
    let name = if field.is_empty() { "<nil>" } else { field };
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let int_or_string = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    if !fits && !int_or_string {
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        causes.push(Cause::invalid(
            name,
            &json!(is),
            &format!("{name} in body must be of type {kind}: {is:?}"),
        ));
        return;
    }
    if let Some(allowed) =
        schema.get("enum").and_then(Value::as_array).filter(|a| !a.contains(value))
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
            field: name.to_owned(),
        });
    }
    match value {
        Value::Object(object) => {
            let below = |child: &str| {
                if field.is_empty() { child.to_owned() } else { format!("{field}.{child}") }
            };
            for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                let required = required.as_str().unwrap_or_default();
                if !object.contains_key(required) {
                    causes.push(Cause::required(below(required), ""));
                }
            }
            for (child, value) in object {
                let node = schema
                    .get("properties")
                    .and_then(|p| p.get(child))
                    .or_else(|| schema.get("additionalProperties").filter(|a| a.is_object()));
                if let Some(node) = node {
                    custom_causes(node, value, &below(child), causes);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = schema.get("items") {
                for (at, item) in items.iter().enumerate() {
                    custom_causes(node, item, &format!("{field}[{at}]"), causes);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn immutable_causes(ty: &ResourceType, old: &Value, new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut same = |pointer: &str, detail: &str| {
        let (before, after) = (old.pointer(pointer), new.pointer(pointer));
        if before != after {
            let field = pointer.trim_start_matches('/').replace('/', ".");
            causes.push(Cause::invalid(field, after.unwrap_or(&Value::Null), detail));
        }
    };
    match (ty.group.as_ref(), ty.plural.as_ref()) {
        ("apps", "deployments" | "replicasets" | "daemonsets") => {
            same("/spec/selector", "field is immutable");
        }
        ("batch", "jobs") => {
            same("/spec/selector", "field is immutable");
            same("/spec/template", "field is immutable");
            same("/spec/completions", "field is immutable");
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            same("/roleRef", "cannot change roleRef");
        }
        ("", "secrets") => same("/type", "field is immutable"),
        ("", "services") if old.pointer("/spec/type") == new.pointer("/spec/type") => {
            let (before, after) =
                (old.pointer("/spec/clusterIPs"), new.pointer("/spec/clusterIPs"));
            if before != after {
                let shown = after.cloned().unwrap_or_default();
                causes.push(Cause::invalid(
                    "spec.clusterIPs[0]",
                    &shown,
                    "may not change once set",
                ));
            }
        }
        ("apps", "statefulsets") => {
            let fixed = |spec: &Value| {
                let mut spec = spec.pointer("/spec").cloned().unwrap_or_default();
                for open in [
                    "replicas",
                    "ordinals",
                    "template",
                    "updateStrategy",
                    "revisionHistoryLimit",
                    "persistentVolumeClaimRetentionPolicy",
                    "minReadySeconds",
                ] {
                    if let Some(spec) = spec.as_object_mut() {
                        spec.remove(open);
                    }
                }
                spec
            };
            if fixed(old) != fixed(new) {
                causes.push(Cause::forbidden(
                    "spec",
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                     'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                     'minReadySeconds' are forbidden",
                ));
            }
        }
        ("storage.k8s.io", "storageclasses") => {
            for field in ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"] {
                if old.get(field) != new.get(field) {
                    causes.push(Cause::forbidden(
                        field,
                        &format!("updates to {field} are forbidden."),
                    ));
                }
            }
        }
        _ => {}
    }
    if old.get("immutable") == Some(&Value::Bool(true))
        && (ty.is("", "secrets") || ty.is("", "configmaps"))
    {
        for field in ["immutable", "data", "binaryData"] {
            if old.get(field) != new.get(field) {
                causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
    }
    causes
}
