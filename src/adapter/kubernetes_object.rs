//! `KubernetesObject`: any one object of the cluster, given as a tree.
//!
//! It is applied on the server's side under the field manager `lkh`, so the API
//! server knows which fields are ours: fields that are not declared are left
//! alone, and fields that are declared no longer go. Where something differs the
//! API server is asked beforehand what it would make of it: a field that someone
//! else holds is a blocker that names them, unless the difference is drift that
//! the plan undoes, or the manifest takes the field over.

mod read;
mod spec;
mod steps;

use std::time::Duration;

use schemars::Schema;

use super::workload::{self, Obstacle};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Object, OnChange, Operation, Problem,
    ReadError, Readiness, Reading, Rule, Step, Subject,
};
use crate::value::Value;

/// The adapter.
#[derive(Debug)]
pub struct KubernetesObject;

/// The object without what can't be changed.
const OBJECT: &str = "object";
/// The parts of it for whose sake it is made anew.
const FIXED: &str = "fixed";
/// Who applies it.
const FIELD_MANAGER: &str = "fieldManager";

impl Adapter for KubernetesObject {
    fn schema(&self) -> Schema {
        spec::schema()
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str, rule: Rule, on_change: OnChange) -> Attribute {
            Attribute { name, rule, on_change }
        }
        const {
            &[
                attribute(FIELD_MANAGER, Rule::Exact, OnChange::Update),
                attribute(FIXED, Rule::KubernetesObjects, OnChange::Replace),
                attribute(OBJECT, Rule::KubernetesObjects, OnChange::Update),
            ]
        }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the object's name"),
            ("namespace", "the namespace that it is in; empty where its kind has none"),
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
        let obstacles: Vec<Obstacle> = object
            .facts
            .get("obstacles")
            .and_then(|found| found.to_spec().ok())
            .unwrap_or_default();
        let kind = desired.identity.part("kind").to_lowercase();
        let chain = format!("{kind} {} is not ready", desired.identity.part("name"));
        workload::readiness(&obstacles, &chain)
    }

    fn patience(&self, desired: &Desired) -> Duration {
        let seconds = match desired.settings.get(spec::TIMEOUT) {
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        Duration::from_secs(seconds.unwrap_or(120))
    }

    fn needs_kubernetes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
