//! What the server says of itself: version, groups, resources, in the plain and
//! in the aggregated form.

use lkh::sandbox::cluster::ResourceType;
use serde_json::{Value, json};

const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// `/version`.
pub fn version(version: &str) -> Value {
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let before = minor.parse::<u32>().unwrap_or_default().saturating_sub(1).to_string();
    json!({
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": before,
        "gitVersion": version,
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.24.9",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// The groups, each with its versions, in the order of the types. The core
/// group is the empty one.
fn grouped(types: &[ResourceType]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for ty in types {
        let at = groups.iter().position(|(group, _)| *group == ty.group).unwrap_or_else(|| {
            groups.push((ty.group.to_string(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, versions)) = groups.get_mut(at)
            && !versions.contains(&ty.version.to_string())
        {
            versions.push(ty.version.to_string());
        }
    }
    groups
}

/// `/apis`.
pub fn groups(types: &[ResourceType]) -> Value {
    let groups: Vec<Value> = grouped(types)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_object(&group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub fn group(types: &[ResourceType], name: &str) -> Option<Value> {
    let (group, versions) = grouped(types).into_iter().find(|(group, _)| group == name)?;
    let mut object = group_object(&group, &versions);
    object["kind"] = json!("APIGroup");
    object["apiVersion"] = json!("v1");
    Some(object)
}

fn group_object(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({"name": group, "preferredVersion": versions.first(), "versions": versions})
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub fn resources(types: &[ResourceType], group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    let mut found = None;
    for ty in types.iter().filter(|t| t.group == group && t.version == version) {
        found = Some(ty.api_version());
        resources.push(json!({
            "name": ty.plural,
            "singularName": ty.singular,
            "namespaced": ty.namespaced,
            "kind": ty.kind,
            "verbs": VERBS,
            "shortNames": ty.short_names,
            "categories": categories(ty),
        }));
        for (subresource, (group, version, kind), verbs) in subresources(ty) {
            resources.push(json!({
                "name": format!("{}/{subresource}", ty.plural),
                "singularName": "",
                "namespaced": ty.namespaced,
                "group": group,
                "version": version,
                "kind": kind,
                "verbs": verbs,
            }));
        }
    }
    let group_version = found?;
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    }))
}

/// `/api` or `/apis` in the aggregated form.
pub fn aggregated(types: &[ResourceType], core: bool) -> Value {
    let items: Vec<Value> = grouped(types)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let all = types.iter().filter(|t| t.group == group && t.version == *version);
                    let resources: Vec<Value> = all.map(aggregated_resource).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    })
}

fn aggregated_resource(ty: &ResourceType) -> Value {
    let subresources: Vec<Value> = subresources(ty)
        .into_iter()
        .map(|(name, (group, version, kind), verbs)| {
            json!({
                "subresource": name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": verbs,
            })
        })
        .collect();
    json!({
        "resource": ty.plural,
        "responseKind": {"group": ty.group, "version": ty.version, "kind": ty.kind},
        "scope": if ty.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": ty.singular,
        "verbs": VERBS,
        "shortNames": ty.short_names,
        "categories": categories(ty),
        "subresources": subresources,
    })
}

/// What `kubectl get all` means.
fn categories(ty: &ResourceType) -> Vec<&'static str> {
    let all = matches!(ty.group.as_ref(), "apps" | "batch" | "autoscaling")
        && ty.plural != "controllerrevisions"
        || ty.is("", "pods")
        || ty.is("", "services");
    if all { vec!["all"] } else { Vec::new() }
}

type Sub = (&'static str, (String, String, String), Vec<&'static str>);

fn subresources(ty: &ResourceType) -> Vec<Sub> {
    let own = || (ty.group.to_string(), ty.version.to_string(), ty.kind.to_string());
    let kind = |group: &str, version: &str, kind: &str| {
        (group.to_owned(), version.to_owned(), kind.to_owned())
    };
    let mut all: Vec<Sub> = Vec::new();
    if ty.is("", "pods") {
        all.push(("eviction", kind("policy", "v1", "Eviction"), vec!["create"]));
        all.push(("log", own(), vec!["get"]));
    }
    if ty.is("", "serviceaccounts") {
        all.push(("token", kind("authentication.k8s.io", "v1", "TokenRequest"), vec!["create"]));
    }
    if ty.has_scale() {
        all.push(("scale", kind("autoscaling", "v1", "Scale"), vec!["get", "patch", "update"]));
    }
    if ty.has_status() {
        all.push(("status", own(), vec!["get", "patch", "update"]));
    }
    all
}
