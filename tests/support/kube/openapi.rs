//! `OpenAPI` v3, as much as `kubectl` and `helm` ask of it: which kinds there
//! are, and that writes take `dryRun` and `fieldValidation`.
//!
//! Schemas say nothing but `object`, so that clients check nothing themselves.

use lkh::sandbox::cluster::ResourceType;
use serde_json::{Map, Value, json};

/// `/openapi/v3`.
pub fn index(types: &[ResourceType]) -> Value {
    let mut paths = Map::new();
    for ty in types {
        let path = root(ty);
        let url = format!("/openapi/v3/{path}?hash={}", paths.len());
        paths.entry(path).or_insert_with(|| json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

fn root(ty: &ResourceType) -> String {
    let root = if ty.group.is_empty() { "api" } else { "apis" };
    format!("{root}/{}", ty.api_version())
}

/// The document of a group and version.
pub fn document(types: &[ResourceType], group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for ty in types.iter().filter(|t| t.group == group && t.version == version) {
        let kind = json!({"group": ty.group, "version": ty.version, "kind": ty.kind});
        let reference = schema_name(ty);
        let place = if ty.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("/{}{place}/{}", root(ty), ty.plural);
        let writing = |action: &str| {
            json!({
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": kind,
                "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
                "responses": {"200": {"description": "OK", "content": {"application/json": {
                    "schema": {"$ref": format!("#/components/schemas/{reference}")},
                }}}},
            })
        };
        paths.insert(path.clone(), json!({"post": writing("post")}));
        paths.insert(
            format!("{path}/{{name}}"),
            json!({"put": writing("put"), "patch": writing("patch"), "delete": writing("delete")}),
        );
        schemas.insert(
            reference,
            json!({
                "type": "object",
                "description": format!("The kind {}.", ty.kind),
                "x-kubernetes-preserve-unknown-fields": true,
                "x-kubernetes-group-version-kind": [kind],
            }),
        );
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "simulated"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn parameter(name: &str) -> Value {
    json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}})
}

/// The name under which clients look for a built-in kind's schema.
fn schema_name(ty: &ResourceType) -> String {
    let group = match ty.group.as_ref() {
        "" => "io.k8s.api.core".to_owned(),
        group => match group.strip_suffix(".k8s.io") {
            Some(name) => format!("io.k8s.api.{}", name.split('.').next().unwrap_or_default()),
            None if ty.custom => group.split('.').rev().collect::<Vec<_>>().join("."),
            None => format!("io.k8s.api.{group}"),
        },
    };
    format!("{group}.{}.{}", ty.version, ty.kind)
}
