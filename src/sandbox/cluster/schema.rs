//! How the lists and maps of an object merge: which lists have items with keys,
//! which values change only as a whole.
//!
//! The rules are those of the `OpenAPI` extensions `x-kubernetes-list-type`,
//! `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`; built-in types have
//! them as a table here, custom resources bring their own. Server-side apply
//! and strategic merge both follow them. Nothing here changes a value.

use serde_json::{Map, Value};

use super::types::ResourceType;

/// How a list or map merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// Field by field; the default of maps.
    Granular,
    /// As a whole; the default of lists.
    Atomic,
    /// A list whose items are told apart by these fields.
    ByKeys(Vec<String>),
    /// A list of scalars, each at most once.
    Set,
}

/// The merge rules of one type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    ty: &'a ResourceType,
    /// `openAPIV3Schema` of a custom resource.
    custom: Option<&'a Value>,
}

/// Lists of a pod's spec and of a container, with their keys.
const LISTS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("imagePullSecrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("hostAliases", &["ip"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
    ("podIPs", &["ip"]),
    ("webhooks", &["name"]),
    ("matchConditions", &["name"]),
];

/// Maps that change as a whole wherever they appear.
const ATOMIC_MAPS: &[&str] = &[
    "selector",
    "labelSelector",
    "namespaceSelector",
    "objectSelector",
    "podSelector",
    "nodeSelector",
    "roleRef",
    "fieldRef",
    "resourceFieldRef",
    "secretKeyRef",
    "configMapKeyRef",
    "secretRef",
    "claimRef",
    "involvedObject",
    "scopeSelector",
];

impl<'a> Schema<'a> {
    /// The rules of a type; `definition` is its `CustomResourceDefinition`
    /// where it has one.
    pub fn new(ty: &'a ResourceType, definition: Option<&'a Value>) -> Self {
        let versions =
            definition.and_then(|d| d.pointer("/spec/versions")).and_then(Value::as_array);
        let version = versions.and_then(|all| {
            all.iter().find(|v| v.get("name").and_then(Value::as_str) == Some(ty.version.as_ref()))
        });
        Self { ty, custom: version.and_then(|v| v.pointer("/schema/openAPIV3Schema")) }
    }

    /// The rule for the value at a path of field names; list items add no
    /// name of their own.
    pub fn rule(&self, path: &[&str], value: &Value) -> Rule {
        match value {
            Value::Array(_) => self.list(path),
            Value::Object(_) => self.map(path),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Rule::Atomic,
        }
    }

    /// The fields by which a strategic merge tells items apart: the first key.
    pub fn merge_key(&self, path: &[&str]) -> Option<String> {
        match self.list(path) {
            Rule::ByKeys(keys) => keys.into_iter().next(),
            Rule::Granular | Rule::Atomic | Rule::Set => None,
        }
    }

    fn list(&self, path: &[&str]) -> Rule {
        if let ["metadata", rest @ ..] = path {
            return match rest {
                ["finalizers"] => Rule::Set,
                ["ownerReferences"] => Rule::ByKeys(vec!["uid".to_owned()]),
                _ => Rule::Atomic,
            };
        }
        if self.ty.custom {
            return self.custom_list(path);
        }
        let Some(last) = path.last() else { return Rule::Atomic };
        let parent =
            path.len().checked_sub(2).and_then(|at| path.get(at)).copied().unwrap_or_default();
        let by = |keys: &[&str]| Rule::ByKeys(keys.iter().map(|k| (*k).to_owned()).collect());
        match *last {
            "ports" if parent.ends_with("ontainers") => by(&["containerPort", "protocol"]),
            "ports" if self.ty.is("", "services") => by(&["port", "protocol"]),
            "addresses" if self.ty.is("", "nodes") => by(&["type"]),
            "secrets" if self.ty.is("", "serviceaccounts") => by(&["name"]),
            "imagePullSecrets" if self.ty.is("", "serviceaccounts") => Rule::Atomic,
            "podCIDRs" => Rule::Set,
            name => LISTS
                .iter()
                .find(|(list, _)| *list == name)
                .map_or(Rule::Atomic, |(_, keys)| by(keys)),
        }
    }

    fn map(&self, path: &[&str]) -> Rule {
        if self.ty.custom {
            return match self.custom_node(path).and_then(|n| n.get("x-kubernetes-map-type")) {
                Some(kind) if kind == "atomic" => Rule::Atomic,
                _ => Rule::Granular,
            };
        }
        let Some(last) = path.last() else { return Rule::Granular };
        let required_node_affinity =
            matches!(path, [.., "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
        if (path.len() > 1 || *last == "roleRef") && ATOMIC_MAPS.contains(last)
            || required_node_affinity
        {
            Rule::Atomic
        } else {
            Rule::Granular
        }
    }

    fn custom_list(&self, path: &[&str]) -> Rule {
        let Some(node) = self.custom_node(path) else { return Rule::Atomic };
        match node.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("map") => {
                let keys = node.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                Rule::ByKeys(keys.collect())
            }
            Some("set") => Rule::Set,
            _ => Rule::Atomic,
        }
    }

    /// The part of a custom resource's schema at a path.
    fn custom_node(&self, path: &[&str]) -> Option<&'a Value> {
        let mut node = self.custom?;
        for name in path {
            while let Some(items) = node.get("items") {
                node = items;
            }
            node = node
                .get("properties")
                .and_then(|p| p.get(name))
                .or_else(|| node.get("additionalProperties").filter(|a| a.is_object()))?;
        }
        Some(node)
    }
}

/// The keys of a list item with their values, as `managedFields` writes them; a
/// missing `protocol` is `TCP`, as its default says. `None` where another key
/// is missing.
pub(super) fn item_key(item: &Value, keys: &[String]) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    for key in keys {
        match item.get(key) {
            Some(value) => {
                found.insert(key.clone(), value.clone());
            }
            None if key == "protocol" => {
                found.insert(key.clone(), Value::from("TCP"));
            }
            None => return None,
        }
    }
    Some(found)
}
