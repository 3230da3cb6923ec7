//! The charts of the sandbox: where they are found, which values they have,
//! and which objects they render to.
//!
//! A chart here is a Rust function from values to objects, our own small
//! rendition of what the real chart is for. Templates are NOT evaluated: a
//! local chart directory gives its `Chart.yaml`, its `values.yaml` and its
//! `crds/`, and renders like any other unknown chart, so that a change of its
//! version, its values or its templates shows. This module must not know
//! releases' history or the cluster; it does no I/O but through [`Files`].
//!
//! [`Files`]: crate::sandbox::files::Files

mod karpenter;
mod lakehouse;
mod local;
pub mod semver;
mod source;
pub mod values;
pub mod yaml;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use source::{Found, REGISTRY, Request, locate, registry_host};

/// What `Chart.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The version of the chart format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The version of what the chart installs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Annotations, if there are any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// One sentence on the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The chart's name.
    pub name: String,
    /// The chart's version.
    pub version: String,
}

/// A chart: what it is called, its defaults, and how it renders.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What `Chart.yaml` says.
    pub metadata: Metadata,
    /// The default values, an object.
    pub defaults: Value,
    /// `values.yaml` as written, where the chart is a directory.
    pub values_text: Option<String>,
    /// The objects in `crds/`, with the file each is in.
    pub crds: Vec<Rendered>,
    rendition: Rendition,
}

/// Which function turns values into objects.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rendition {
    Karpenter,
    KarpenterCrd,
    LoadBalancerController,
    StorageClass,
    ServiceAccount,
    ManagerRole,
    Settings,
    NodePool,
    CronJob,
    Ingress,
    /// Any other chart: a deployment and a config map. The digest of a local
    /// chart's templates goes into the config map's annotations.
    Generic {
        templates: Option<String>,
    },
}

/// What a template sees of its release.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The release's name.
    pub name: &'a str,
    /// The namespace it is installed in.
    pub namespace: &'a str,
}

/// One object that a chart gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// The file it comes from: `CHART/templates/NAME.yaml`.
    pub source: String,
    /// The object.
    pub object: Value,
}

impl Rendered {
    /// The object's kind.
    pub fn kind(&self) -> &str {
        self.object.get("kind").and_then(Value::as_str).unwrap_or_default()
    }
}

/// The order in which `helm` installs kinds; others come last, by name.
const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

impl Chart {
    /// `NAME-VERSION`, as listings show it.
    pub fn label(&self) -> String {
        format!("{}-{}", self.metadata.name, self.metadata.version)
    }

    /// The same chart with other defaults.
    #[must_use]
    pub fn with_defaults(&self, defaults: Value) -> Self {
        Self { defaults, ..self.clone() }
    }

    /// The objects of a release with these values (defaults included), in the
    /// order in which they are installed.
    pub fn render(&self, release: Release<'_>, values: &Value) -> Vec<Rendered> {
        let template = Template { chart: self, release, values };
        let mut rendered = match &self.rendition {
            Rendition::Karpenter => karpenter::chart(&template),
            Rendition::KarpenterCrd => karpenter::crd_chart(&template),
            Rendition::LoadBalancerController => lakehouse::load_balancer_controller(&template),
            Rendition::StorageClass => lakehouse::storage_class(&template),
            Rendition::ServiceAccount => lakehouse::service_account(&template),
            Rendition::ManagerRole => lakehouse::manager_role(&template),
            Rendition::Settings => vec![lakehouse::settings(&template, None)],
            Rendition::NodePool => lakehouse::node_pool(&template),
            Rendition::CronJob => lakehouse::cron_job(&template),
            Rendition::Ingress => lakehouse::ingress(&template),
            Rendition::Generic { templates } => lakehouse::generic(&template, templates.as_deref()),
        };
        rendered.sort_by(|a, b| a.source.cmp(&b.source));
        rendered.sort_by_key(|one| {
            let rank = INSTALL_ORDER.iter().position(|kind| *kind == one.kind());
            (rank.unwrap_or(INSTALL_ORDER.len()), rank.is_none().then(|| one.kind().to_owned()))
        });
        rendered
    }
}

/// Everything that a rendition may look at.
struct Template<'a> {
    chart: &'a Chart,
    release: Release<'a>,
    values: &'a Value,
}

impl Template<'_> {
    /// The value at a JSON pointer; null where there is none.
    fn value(&self, pointer: &str) -> Value {
        self.values.pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    /// The value at a JSON pointer as text; empty where there is none.
    fn text(&self, pointer: &str) -> String {
        match self.values.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The text at a JSON pointer, or something else where it is empty.
    fn text_or(&self, pointer: &str, other: &str) -> String {
        let text = self.text(pointer);
        if text.is_empty() { other.to_owned() } else { text }
    }

    /// The name that charts give their objects: the release's, with the
    /// chart's behind it unless it is in it already.
    fn full_name(&self) -> String {
        let chart = &self.chart.metadata.name;
        if self.release.name.contains(chart.as_str()) {
            self.release.name.to_owned()
        } else {
            format!("{}-{chart}", self.release.name)
        }
    }

    /// The labels by which the release's pods are found.
    fn selector(&self) -> Value {
        json!({
            "app.kubernetes.io/name": self.chart.metadata.name,
            "app.kubernetes.io/instance": self.release.name,
        })
    }

    /// The labels of every object.
    fn labels(&self) -> Map<String, Value> {
        let mut labels = Map::new();
        labels.insert("helm.sh/chart".into(), self.chart.label().replace('+', "_").into());
        labels.insert("app.kubernetes.io/name".into(), self.chart.metadata.name.clone().into());
        labels.insert("app.kubernetes.io/instance".into(), self.release.name.into());
        if let Some(version) = &self.chart.metadata.app_version {
            labels.insert("app.kubernetes.io/version".into(), version.clone().into());
        }
        labels.insert("app.kubernetes.io/managed-by".into(), "Helm".into());
        labels
    }

    /// An object in the release's namespace.
    fn namespaced(
        &self,
        file: &str,
        (api_version, kind): (&str, &str),
        name: &str,
        body: Value,
    ) -> Rendered {
        let mut rendered = self.global(file, (api_version, kind), name, body);
        if let Some(metadata) = rendered.object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("namespace".into(), self.release.namespace.into());
        }
        rendered
    }

    /// An object in no namespace.
    fn global(
        &self,
        file: &str,
        (api_version, kind): (&str, &str),
        name: &str,
        body: Value,
    ) -> Rendered {
        let mut object = Map::new();
        object.insert("apiVersion".into(), api_version.into());
        object.insert("kind".into(), kind.into());
        object.insert("metadata".into(), json!({"name": name, "labels": self.labels()}));
        if let Value::Object(body) = body {
            object.extend(body);
        }
        Rendered {
            source: format!("{}/templates/{file}.yaml", self.chart.metadata.name),
            object: Value::Object(object),
        }
    }
}

/// The text of a list of objects, as `helm template` and `helm get manifest`
/// print it.
pub fn manifest(rendered: &[Rendered]) -> String {
    let mut text = String::new();
    for one in rendered {
        text.push_str("---\n# Source: ");
        text.push_str(&one.source);
        text.push('\n');
        text.push_str(yaml::print(&one.object).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
