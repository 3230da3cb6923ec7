//! The resource types that the cluster knows: what an API server's discovery
//! says of each of them.
//!
//! The built-in types are a table; each `CustomResourceDefinition` object adds
//! more. This module only describes; it must not read or change objects.

use std::borrow::Cow;

use serde_json::Value;

/// The subresources of a type that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subresources {
    /// Neither `status` nor `scale`: `status` is a field as any other.
    Plain,
    /// `status`, which can only be written through the subresource.
    Status,
    /// `scale` only.
    Scale,
    /// `status` and `scale`.
    StatusAndScale,
}

/// One resource type, as discovery describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The version of the group, for example `v1`.
    pub version: Cow<'static, str>,
    /// The kind, for example `Deployment`.
    pub kind: Cow<'static, str>,
    /// The plural name, which is the name in paths, for example `deployments`.
    pub plural: Cow<'static, str>,
    /// The singular name, for example `deployment`.
    pub singular: Cow<'static, str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Short names, for example `deploy`.
    pub short_names: Vec<Cow<'static, str>>,
    /// The subresources that it has.
    pub subresources: Subresources,
    /// Whether the type comes from a `CustomResourceDefinition`.
    pub custom: bool,
}

impl ResourceType {
    /// Whether `status` can only be written through the `status` subresource.
    pub fn has_status(&self) -> bool {
        matches!(self.subresources, Subresources::Status | Subresources::StatusAndScale)
    }

    /// Whether the `scale` subresource exists.
    pub fn has_scale(&self) -> bool {
        matches!(self.subresources, Subresources::Scale | Subresources::StatusAndScale)
    }

    /// The `apiVersion` of objects of this type: `apps/v1`, or `v1` for the
    /// core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The name that messages use: `deployments.apps`, or `pods` for the core
    /// group.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The kind as messages about invalid objects use it: `Deployment.apps`,
    /// or `Pod` for the core group.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_string()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// The kind of a list of such objects.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// Whether this is the built-in type of that group and plural.
    pub fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// Whether a word that a person gives `kubectl` means this type: plural,
    /// singular, kind (any case), short name, each also with `.GROUP` or
    /// `.VERSION.GROUP` behind it.
    pub fn answers_to(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let (name, rest) =
            word.split_once('.').map_or((word.as_str(), None), |(n, r)| (n, Some(r)));
        let named = name == self.plural
            || name == self.singular
            || name == self.kind.to_ascii_lowercase()
            || self.short_names.iter().any(|s| s == name);
        let in_group = match rest {
            None => true,
            Some(rest) => {
                rest == self.group
                    || rest.split_once('.').is_some_and(|(version, group)| {
                        version == self.version && group == self.group
                    })
                    || (self.group.is_empty() && rest == self.version)
            }
        };
        named && in_group
    }
}

/// A row of the table of built-in types.
struct Row {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
    subresources: Subresources,
}

const fn row(
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
    subresources: Subresources,
) -> Row {
    Row { group, version, kind, plural, namespaced, short, subresources }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const POLICY: (&str, &str) = ("policy", "v1");
const EXTENSIONS: (&str, &str) = ("apiextensions.k8s.io", "v1");
const STORAGE: (&str, &str) = ("storage.k8s.io", "v1");
const SCHEDULING: (&str, &str) = ("scheduling.k8s.io", "v1");
const COORDINATION: (&str, &str) = ("coordination.k8s.io", "v1");
const AUTOSCALING: (&str, &str) = ("autoscaling", "v2");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const ADMISSION: (&str, &str) = ("admissionregistration.k8s.io", "v1");
const REGISTRATION: (&str, &str) = ("apiregistration.k8s.io", "v1");
const DISCOVERY: (&str, &str) = ("discovery.k8s.io", "v1");

const PLAIN: Subresources = Subresources::Plain;
const STATUS: Subresources = Subresources::Status;
const SCALE: Subresources = Subresources::StatusAndScale;

/// The built-in types, in the order in which discovery lists the groups.
const ROWS: &[Row] = &[
    row(CORE, "ConfigMap", "configmaps", true, &["cm"], PLAIN),
    row(CORE, "Endpoints", "endpoints", true, &["ep"], PLAIN),
    row(CORE, "Event", "events", true, &["ev"], PLAIN),
    row(CORE, "LimitRange", "limitranges", true, &["limits"], PLAIN),
    row(CORE, "Namespace", "namespaces", false, &["ns"], STATUS),
    row(CORE, "Node", "nodes", false, &["no"], STATUS),
    row(CORE, "PersistentVolumeClaim", "persistentvolumeclaims", true, &["pvc"], STATUS),
    row(CORE, "PersistentVolume", "persistentvolumes", false, &["pv"], STATUS),
    row(CORE, "Pod", "pods", true, &["po"], STATUS),
    row(CORE, "ResourceQuota", "resourcequotas", true, &["quota"], STATUS),
    row(CORE, "Secret", "secrets", true, &[], PLAIN),
    row(CORE, "ServiceAccount", "serviceaccounts", true, &["sa"], PLAIN),
    row(CORE, "Service", "services", true, &["svc"], STATUS),
    row(REGISTRATION, "APIService", "apiservices", false, &[], STATUS),
    row(APPS, "ControllerRevision", "controllerrevisions", true, &[], PLAIN),
    row(APPS, "DaemonSet", "daemonsets", true, &["ds"], STATUS),
    row(APPS, "Deployment", "deployments", true, &["deploy"], SCALE),
    row(APPS, "ReplicaSet", "replicasets", true, &["rs"], SCALE),
    row(APPS, "StatefulSet", "statefulsets", true, &["sts"], SCALE),
    row(AUTOSCALING, "HorizontalPodAutoscaler", "horizontalpodautoscalers", true, &["hpa"], STATUS),
    row(BATCH, "CronJob", "cronjobs", true, &["cj"], STATUS),
    row(BATCH, "Job", "jobs", true, &[], STATUS),
    row(NETWORKING, "IngressClass", "ingressclasses", false, &[], PLAIN),
    row(NETWORKING, "Ingress", "ingresses", true, &["ing"], STATUS),
    row(NETWORKING, "NetworkPolicy", "networkpolicies", true, &["netpol"], PLAIN),
    row(POLICY, "PodDisruptionBudget", "poddisruptionbudgets", true, &["pdb"], STATUS),
    row(RBAC, "ClusterRoleBinding", "clusterrolebindings", false, &[], PLAIN),
    row(RBAC, "ClusterRole", "clusterroles", false, &[], PLAIN),
    row(RBAC, "RoleBinding", "rolebindings", true, &[], PLAIN),
    row(RBAC, "Role", "roles", true, &[], PLAIN),
    row(STORAGE, "CSIDriver", "csidrivers", false, &[], PLAIN),
    row(STORAGE, "StorageClass", "storageclasses", false, &["sc"], PLAIN),
    row(
        ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
        &[],
        PLAIN,
    ),
    row(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        &[],
        PLAIN,
    ),
    row(
        EXTENSIONS,
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        &["crd", "crds"],
        STATUS,
    ),
    row(SCHEDULING, "PriorityClass", "priorityclasses", false, &["pc"], PLAIN),
    row(COORDINATION, "Lease", "leases", true, &[], PLAIN),
    row(DISCOVERY, "EndpointSlice", "endpointslices", true, &[], PLAIN),
];

impl From<&Row> for ResourceType {
    fn from(row: &Row) -> Self {
        Self {
            group: row.group.into(),
            version: row.version.into(),
            kind: row.kind.into(),
            plural: row.plural.into(),
            singular: row.kind.to_ascii_lowercase().into(),
            namespaced: row.namespaced,
            short_names: row.short.iter().map(|s| Cow::Borrowed(*s)).collect(),
            subresources: row.subresources,
            custom: false,
        }
    }
}

/// The built-in types, in the order of discovery.
pub fn built_in() -> impl Iterator<Item = ResourceType> {
    ROWS.iter().map(ResourceType::from)
}

/// The built-in type of that group and plural.
pub fn built_in_named(group: &str, plural: &str) -> Option<ResourceType> {
    ROWS.iter().find(|r| r.group == group && r.plural == plural).map(ResourceType::from)
}

/// The built-in type of that group, version and kind.
pub fn built_in_kind(group: &str, version: &str, kind: &str) -> Option<ResourceType> {
    ROWS.iter()
        .find(|r| r.group == group && r.version == version && r.kind == kind)
        .map(ResourceType::from)
}

/// The types that a `CustomResourceDefinition` object adds: one for each served
/// version.
pub fn of_definition(definition: &Value) -> Vec<ResourceType> {
    let text = |pointer: &str| -> Cow<'static, str> {
        definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned().into()
    };
    let kind = text("/spec/names/kind");
    let singular = match text("/spec/names/singular") {
        s if s.is_empty() => kind.to_ascii_lowercase().into(),
        s => s,
    };
    let short_names: Vec<Cow<'static, str>> = definition
        .pointer("/spec/names/shortNames")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(|n| n.to_owned().into()).collect())
        .unwrap_or_default();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|v| v.get("served").and_then(Value::as_bool).unwrap_or(false))
        .map(|v| ResourceType {
            group: text("/spec/group"),
            version: v.get("name").and_then(Value::as_str).unwrap_or_default().to_owned().into(),
            kind: kind.clone(),
            plural: text("/spec/names/plural"),
            singular: singular.clone(),
            namespaced: text("/spec/scope") == "Namespaced",
            short_names: short_names.clone(),
            subresources: match (
                v.pointer("/subresources/status").is_some(),
                v.pointer("/subresources/scale").is_some(),
            ) {
                (false, false) => Subresources::Plain,
                (true, false) => Subresources::Status,
                (false, true) => Subresources::Scale,
                (true, true) => Subresources::StatusAndScale,
            },
            custom: true,
        })
        .collect()
}
