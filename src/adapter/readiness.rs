//! `Readiness`: the question whether the pods of a namespace, or chosen
//! workloads in it, do their work.
//!
//! It stands for no object and changes nothing. Every apply asks it after what
//! it depends on, and waits. Whatever is in the way may go away in time (a node
//! that joins, an image that is pushed), so nothing ends the waiting early.
//! This module must not judge workloads itself.

use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::helm_release::spec::seconds;
use super::workload::{self, Obstacle};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, Operation,
    Problem, Questions, ReadError, Reading, Step, Subject, kube,
};
use crate::command::{Command, Tool};
use crate::quote::quote;
use crate::value::{Map, Path, Value};

/// The adapter.
#[derive(Debug)]
pub struct Readiness;

/// Waits until pods are ready. Nothing is made or changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The namespace.
    #[schemars(length(min = 1, max = 63))]
    namespace: String,
    /// The workloads that must be ready, as `Deployment/NAME`, `StatefulSet/NAME`,
    /// `DaemonSet/NAME`, `Job/NAME` or `Pod/NAME`; unless given, all of the
    /// namespace. Jobs of a cron job never count.
    #[serde(default)]
    workloads: Vec<String>,
    /// How many pods there must be at least: ready, or done as those of a job.
    #[serde(default = "one")]
    at_least: u64,
    /// How long an apply waits, such as `90s`, `10m` or `1h`.
    #[serde(default = "ten_minutes")]
    timeout: String,
}

fn one() -> u64 {
    1
}

fn ten_minutes() -> String {
    "10m".into()
}

/// The types that run pods, as `kubectl` names them.
const TYPES: &str = "deployments,statefulsets,daemonsets,jobs,pods";
/// The kinds that can be chosen.
const KINDS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"];
/// The longest time to wait, in seconds.
const LONGEST: u64 = 86_400;

impl Adapter for Readiness {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("namespace", "the namespace that was asked about")]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let spec: Spec = spec.to_spec().map_err(|error| {
            vec![Problem { path: Path::default(), summary: error.to_string(), help: None }]
        })?;
        let mut problems = Vec::new();
        let help = "use at most 63 lowercase letters, digits and inner `-`";
        let namespace = spec.namespace.as_str();
        kube::check_name(&mut problems, &["namespace"], namespace, kube::is_label, help);
        for (index, workload) in spec.workloads.iter().enumerate() {
            let index = index.to_string();
            let help = "write `Deployment/NAME`, or StatefulSet, DaemonSet, Job or Pod";
            kube::check_name(&mut problems, &["workloads", &index], workload, is_workload, help);
        }
        let timeout = seconds(&spec.timeout).filter(|time| (1..=LONGEST).contains(time));
        if timeout.is_none() {
            problems.push(kube::problem(
                &["timeout"],
                format!("{} is not a time to wait", quote(&spec.timeout)),
                "write hours, minutes and seconds, at most 24h in all, such as `90s` or `10m`",
            ));
        }
        if context.external {
            let help = "remove `external`: a Readiness changes nothing anyway";
            problems.push(kube::problem(&[], "a Readiness can't be external", help));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let workloads = spec.workloads.iter().map(|one| Value::from_spec_text(one)).collect();
        Ok(Desired {
            identity: Identity::new([
                ("check", Value::from(context.name.as_str())),
                ("namespace", Value::from_spec_text(namespace)),
            ]),
            outputs: Map::from([("namespace".to_owned(), Value::from_spec_text(namespace))]),
            settings: Map::from([
                ("atLeast".to_owned(), Value::from(spec.at_least)),
                ("timeoutSeconds".to_owned(), Value::from(timeout.unwrap_or_default())),
                ("workloads".to_owned(), Value::List(workloads)),
            ]),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let Some(desired) = subject.desired else {
            // Nobody asks any more, and nothing is there to be removed.
            return Ok(Reading::Live(Live::Present(Box::default())));
        };
        let namespace = subject.identity.part("namespace");
        let chosen = chosen(desired);
        if !kube::is_label(namespace) || !chosen.iter().all(|one| is_workload(one)) {
            return Err(kube::never_run("workloads"));
        }
        let mut questions = Questions::new(answers);
        let get = get(namespace, &chosen);
        let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
        let found = kube::items(&get, answer)?;
        let mut pods: Vec<Json> =
            found.iter().filter(|one| one["kind"] == "Pod").cloned().collect();
        if !chosen.is_empty() {
            let all = Command::read(Tool::Kubectl, &["get", "pods", "-n", namespace, "-o", "json"]);
            let Some(answer) = questions.ask(all.clone()) else { return Ok(questions.asking()) };
            pods = kube::items(&all, answer)?;
        }
        let object = judge(namespace, &chosen, &found, &pods, number(desired, "atLeast"));
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, _operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        Ok(Vec::new())
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> super::Readiness {
        let obstacles: Vec<Obstacle> = object
            .facts
            .get("obstacles")
            .and_then(|found| found.to_spec().ok())
            .unwrap_or_default();
        let chain = format!("namespace {} is not ready", desired.identity.part("namespace"));
        match workload::readiness(&obstacles, &chain) {
            super::Readiness::Ready => super::Readiness::Ready,
            super::Readiness::Waiting(blockers) | super::Readiness::NotReady(blockers) => {
                super::Readiness::Waiting(blockers)
            }
        }
    }

    fn patience(&self, desired: &Desired) -> Duration {
        Duration::from_secs(number(desired, "timeoutSeconds"))
    }

    fn is_check(&self) -> bool {
        true
    }

    fn never_deleted(&self) -> Option<&'static str> {
        Some("it stands for no object")
    }

    fn needs_kubernetes(&self) -> bool {
        true
    }
}

/// Whether a text is `Kind/name` of something that runs pods.
fn is_workload(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(kind, name)| KINDS.contains(&kind) && kube::is_subdomain(name))
}

fn chosen(desired: &Desired) -> Vec<&str> {
    let list = desired.settings.get("workloads").and_then(Value::as_list).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

fn number(desired: &Desired, name: &str) -> u64 {
    match desired.settings.get(name) {
        Some(Value::Number(number)) => number.as_u64().unwrap_or(1),
        _ => 1,
    }
}

fn get(namespace: &str, chosen: &[&str]) -> Command {
    let mut command = Command::read(Tool::Kubectl, &["get"]);
    if chosen.is_empty() {
        command = command.arg(TYPES);
    }
    for one in chosen {
        command = command.arg(one.to_lowercase());
    }
    command.flag("-n", namespace).arg("--ignore-not-found").flag("-o", "json")
}

fn judge(namespace: &str, chosen: &[&str], found: &[Json], pods: &[Json], at_least: u64) -> Object {
    let workloads: Vec<&Json> =
        found.iter().filter(|one| one["kind"] != "Pod" && !is_of(one, "CronJob")).collect();
    let belongs = |pod: &&Json| {
        let pod = std::slice::from_ref(*pod);
        workloads.iter().any(|workload| workload::has_pods(workload, pod))
    };
    // A pod on its own, or of a controller that is not asked about.
    let alone = found
        .iter()
        .filter(|one| one["kind"] == "Pod")
        .filter(|pod| !belongs(pod) && !is_of(pod, "Job") && kube::leaving(pod).is_none());
    let judged: Vec<&Json> = workloads.iter().copied().chain(alone).collect();
    let assessment = workload::assess(judged.iter().copied(), pods);
    let mut obstacles = assessment.obstacles;
    for one in chosen {
        let Some((kind, name)) = one.split_once('/') else { continue };
        let is_it = |object: &&Json| object["kind"] == kind && object["metadata"]["name"] == name;
        if !found.iter().any(|object| is_it(&object)) {
            let kind = kind.to_lowercase();
            obstacles.push(Obstacle {
                lasting: false,
                blocker: Blocker {
                    code: "WorkloadMissing".into(),
                    message: format!("{kind} {namespace}/{name} does not exist"),
                    next: format!("kubectl get {kind}s -n {namespace}"),
                },
            });
        }
    }
    let count = |pods: &mut dyn Iterator<Item = &Json>| pods.filter(|pod| works(pod)).count();
    let ready = if chosen.is_empty() {
        count(&mut pods.iter())
    } else {
        count(&mut pods.iter().filter(|pod| {
            belongs(pod)
                || judged.iter().any(|one| one["metadata"]["uid"] == pod["metadata"]["uid"])
        }))
    };
    let ready = ready as u64;
    if ready < at_least && obstacles.is_empty() {
        obstacles.push(Obstacle {
            lasting: false,
            blocker: Blocker {
                code: "TooFewPods".into(),
                message: match ready {
                    0 => "no pod is there".to_owned(),
                    _ => format!("{ready} of at least {at_least} pods are there"),
                },
                next: format!("kubectl get pods -n {namespace}"),
            },
        });
    }
    Object {
        attributes: Map::from([
            ("pods".to_owned(), Value::from(ready)),
            ("obstacles".to_owned(), Value::from(obstacles.len() as u64)),
        ]),
        outputs: Map::from([("namespace".to_owned(), Value::from(namespace))]),
        facts: Map::from([(
            "obstacles".to_owned(),
            Value::from_spec(&obstacles).unwrap_or_default(),
        )]),
        ..Object::default()
    }
}

/// Whether an object belongs to one of that kind.
fn is_of(object: &Json, kind: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["kind"] == kind)
}

/// Whether a pod does its work, or has done it.
fn works(pod: &Json) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten();
    kube::leaving(pod).is_none()
        && (pod["status"]["phase"] == "Succeeded"
            || ready.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

#[cfg(test)]
mod tests;
