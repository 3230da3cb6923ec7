//! `HelmRelease`: a chart, installed under a name into a namespace.
//!
//! A release is compared in three layers: the chart's name and version, the
//! values that a user gave, and the objects in the cluster, so that both a
//! change of the manifests and an edit behind Helm's back show. The release
//! itself remembers what was applied last (its own manifest), better than any
//! state. The chart is rendered only where the plan would change something, or
//! where only rendering can tell (a chart at a path).
//!
//! A release counts only if its last revision is deployed. A `failed` one is
//! repaired by upgrading it; one that a killed Helm left `pending-*` is
//! unlocked first, which supposes that the caller holds the stack's lock.

mod commands;
mod manifest;
mod objects;
mod read;
mod settings;
pub(super) mod spec;
mod steps;
mod teardown;
pub(super) mod values;

use std::time::Duration;

use schemars::Schema;

use super::workload::{self, Obstacle};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Leftovers, Object, OnChange,
    Operation, Prior, Problem, ReadError, Readiness, Reading, Rule, Source, Step, Subject,
};
use crate::value::Value;

/// The adapter.
#[derive(Debug)]
pub struct HelmRelease;

impl Adapter for HelmRelease {
    fn schema(&self) -> Schema {
        spec::schema()
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const {
            &[
                attribute("chart", Rule::Exact),
                attribute("version", Rule::Exact),
                attribute("values", Rule::Tree),
                attribute("objects", Rule::KubernetesObjects),
            ]
        }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the release's name"),
            ("namespace", "the namespace that it is in"),
            ("status", "Helm's word for its state, such as `deployed`"),
            ("version", "the version of its chart"),
            ("revision", "the number of its last revision"),
            ("appVersion", "the version of what the chart installs, as the chart says"),
            ("loadBalancer", "the host name of the load balancer that it got, where it got one"),
            ("nodePools", "the node pools of Karpenter that it holds, where it holds any"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        spec::desired(spec, context)
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read::read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        let name = desired.identity.part("releaseName");
        let obstacles: Vec<Obstacle> = object
            .facts
            .get("obstacles")
            .and_then(|found| found.to_spec().ok())
            .unwrap_or_default();
        // What Helm says of it is the first effect, and begins the chain.
        let status = object.facts.get("status").and_then(Value::as_str).unwrap_or("");
        let word = if matches!(status, "" | "deployed") { "not ready" } else { status };
        workload::readiness(&obstacles, &format!("release {name} is {word}"))
    }

    fn source(&self, desired: &Desired) -> Option<Source> {
        commands::source(settings::Settings(&desired.settings))
    }

    fn obstacles(&self, _identity: &Identity, object: &Object) -> Vec<Blocker> {
        teardown::obstacle(object).into_iter().collect()
    }

    fn obstacle_patience(&self, prior: &Prior, object: &Object) -> Option<Duration> {
        teardown::patience(object, settings::Settings(&prior.settings).timeout())
    }

    fn leftovers(&self, prior: &Prior, answers: &Answers) -> Result<Leftovers, ReadError> {
        teardown::leftovers(prior, answers)
    }

    fn needs_kubernetes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
