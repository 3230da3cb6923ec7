//! The spec of the document `kind: Stack`, as types that only describe: its
//! JSON Schema is made from them.
//!
//! This module must not read anything.
#![expect(dead_code, reason = "most fields are read as values with places, not as these types")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;

use super::declaration::VariableType;
use super::stack::{ExecMode, SandboxAccount};

/// The spec of the document `kind: Stack`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StackSpec {
    /// The variables, by name.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, VariableSpec>,
    /// The phases, in order.
    #[serde(default)]
    phases: Vec<PhaseSpec>,
    /// Where the tools run.
    #[serde(default)]
    toolbox: Option<ToolboxSpec>,
    /// How the Kubernetes cluster is reached.
    #[serde(default)]
    kubernetes: Option<KubernetesSpec>,
    /// Where the state goes.
    #[serde(default)]
    state: Option<StateSpec>,
    /// What an installation tells once it is applied, by name.
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, OutputSpec>,
}

/// An output: a value that people and programs ask for after an apply.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputSpec {
    /// A reference, such as `${EksCluster.main.endpoint}`, or a text with
    /// references.
    value: String,
    /// What it is for.
    pub(super) description: Option<String>,
    /// Whether the value is never to be shown. It is not kept either.
    #[serde(default)]
    pub(super) sensitive: bool,
}

/// A phase: a named group of resources.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PhaseSpec {
    /// The name that `metadata.phase` and `dependsOn` use.
    name: String,
    /// What the phase brings.
    description: Option<String>,
}

/// Where the tools run.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolboxSpec {
    /// The image that holds `aws`, `helm` and `kubectl`.
    image: Option<String>,
    /// How commands are run: docker, local or sandbox. docker if left out.
    #[serde(default)]
    exec: ExecMode,
    /// What a new sandbox holds: `cluster` (an account with an EKS cluster, and
    /// what left out means) or `empty` (an account without network and cluster).
    #[serde(default)]
    sandbox: SandboxAccount,
}

/// How the Kubernetes cluster is reached.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KubernetesSpec {
    /// The name of the EKS cluster, or a reference to it.
    #[schemars(length(min = 1))]
    cluster: String,
}

/// Where the state goes: a directory or a bucket.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateSpec {
    /// The directory. `state` if left out.
    #[schemars(length(min = 1))]
    path: Option<String>,
    /// The S3 bucket, for a team. Instead of the directory.
    s3: Option<S3Spec>,
}

/// A place in an S3 bucket.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct S3Spec {
    /// The bucket. It exists already and keeps old versions of its objects.
    #[schemars(length(min = 3))]
    bucket: String,
    /// What the names of all objects begin with; the stack's name follows.
    /// `lkh` if left out.
    #[schemars(length(min = 1))]
    prefix: Option<String>,
    /// The bucket's region. That of the stack if left out.
    #[schemars(length(min = 1))]
    region: Option<String>,
}

/// The declaration of a variable. Without a default it must be given.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VariableSpec {
    /// The type: string, number, bool or list. A string if left out.
    #[serde(default, rename = "type")]
    pub(super) kind: VariableType,
    /// The value where none is given. null: the variable may stay without a
    /// value. It may refer to other variables, the account and the region.
    #[serde(default)]
    pub(super) default: Json,
    /// The value that the sandbox supplies where none is given.
    #[serde(default)]
    pub(super) sandbox_value: Json,
    /// A regular expression that the whole text (each member of a list) must
    /// match.
    pub(super) pattern: Option<String>,
    /// The only values that the variable (each member of a list) may have.
    #[schemars(length(min = 1))]
    pub(super) allowed: Option<Vec<Json>>,
    /// What the variable is for.
    pub(super) description: Option<String>,
    /// Whether the value is never to be shown.
    #[serde(default)]
    pub(super) sensitive: bool,
}
