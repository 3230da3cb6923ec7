//! Whether objects are as they should be, in the words of the library that
//! `helm --wait` uses, and waiting for it in simulated time.
//!
//! This module must not write objects.

use std::time::Duration;

use serde_json::Value;

use super::apply::Target;
use crate::sandbox::cluster::Cluster;
use crate::sandbox::passing;
use crate::sandbox::world::World;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is as it should be.
    Current,
    /// Not yet; why.
    InProgress(String),
    /// It never will be, unless someone acts; why.
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// It is not there.
    NotFound,
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Current => "Resource is current",
            Self::InProgress(why) | Self::Failed(why) => why,
            Self::Terminating => "Resource scheduled for deletion",
            Self::NotFound => "Resource not found",
        }
    }
}

/// How `--wait` waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// For hooks only; the default. The charts here have none.
    HookOnly,
    /// For every object, and says what is not ready.
    Watcher,
    /// For every object, and only says that time is up.
    Legacy,
}

impl Strategy {
    /// Reads `--wait`.
    ///
    /// # Errors
    ///
    /// `helm`'s words for an unknown strategy.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("hookOnly" | "false") => Ok(Self::HookOnly),
            Some("watcher" | "true") => Ok(Self::Watcher),
            Some("legacy") => Ok(Self::Legacy),
            Some(other) => Err(format!(
                "invalid argument \"{other}\" for \"--wait\" flag: invalid wait input \"{other}\". Valid inputs are watcher, hookOnly, and legacy"
            )),
        }
    }
}

const DEADLINE: &str = "context deadline exceeded";

/// Lets the cluster act, and time pass, until the objects are ready.
///
/// # Errors
///
/// What is not ready when the time is up, a line each.
pub fn wait(
    world: &mut World,
    targets: &[Target],
    strategy: Strategy,
    timeout: Duration,
) -> Result<(), String> {
    if strategy == Strategy::HookOnly {
        Cluster::open(world).reconcile();
        return Ok(());
    }
    let states = |cluster: &Cluster<'_>| -> Vec<State> {
        targets
            .iter()
            .map(|target| state(cluster.get(&target.ty, &target.namespace, &target.name).ok()))
            .collect()
    };
    let settled = |states: &Vec<State>| {
        states.iter().all(|state| matches!(state, State::Current | State::Failed(_)))
    };
    let (states, in_time) = passing::until(world, timeout, states, settled);
    let not_ready = targets.iter().zip(&states).filter(|(_, state)| **state != State::Current);
    let mut errors: Vec<String> = not_ready
        .map(|(target, state)| {
            format!(
                "resource {}/{}/{} not ready. status: {}, message: {}",
                target.ty.kind,
                target.namespace,
                target.name,
                state.word(),
                state.message()
            )
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    if strategy == Strategy::Legacy {
        return Err(DEADLINE.to_owned());
    }
    if !in_time {
        errors.push(DEADLINE.to_owned());
    }
    Err(errors.join("\n"))
}

/// Lets the cluster act, and time pass, until the objects are gone.
///
/// # Errors
///
/// What is still there when the time is up.
pub fn wait_gone(
    world: &mut World,
    targets: &[Target],
    strategy: Strategy,
    timeout: Duration,
) -> Result<(), String> {
    if strategy == Strategy::HookOnly {
        Cluster::open(world).reconcile();
        return Ok(());
    }
    let states = |cluster: &Cluster<'_>| -> Vec<State> {
        targets
            .iter()
            .map(|target| state(cluster.get(&target.ty, &target.namespace, &target.name).ok()))
            .collect()
    };
    let gone = |states: &Vec<State>| states.iter().all(|state| *state == State::NotFound);
    let (states, _) = passing::until(world, timeout, states, gone);
    let left = targets.iter().zip(&states).filter(|(_, state)| **state != State::NotFound);
    let mut errors: Vec<String> = left
        .map(|(target, state)| {
            format!(
                "resource {}/{}/{} still exists. status: {}, message: {}",
                target.ty.kind,
                target.namespace,
                target.name,
                state.word(),
                state.message()
            )
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    errors.push(DEADLINE.to_owned());
    Err(errors.join("\n"))
}

/// How far one object is; `None` is an object that does not exist.
pub fn state(object: Option<&Value>) -> State {
    let Some(object) = object else { return State::NotFound };
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return State::Terminating;
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let observed = object.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    if let (Some(observed), Some(generation)) = (observed, generation)
        && observed != generation
    {
        return State::InProgress(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        ));
    }
    match kind {
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "ReplicaSet" => replica_set(object),
        "Pod" => pod(object),
        "Job" => job(object),
        "PersistentVolumeClaim" => match text(object, "/status/phase") {
            "Bound" => State::Current,
            phase => State::InProgress(format!("PVC is not Bound. phase: {phase}")),
        },
        "CustomResourceDefinition" => match condition(object, "Established") {
            Some(("True", _, _)) => State::Current,
            _ => State::InProgress("Install in progress".to_owned()),
        },
        // Of anything else a condition `Ready` counts, where there is one.
        _ => match condition(object, "Ready") {
            Some(("False" | "Unknown", _, message)) => State::InProgress(message.to_owned()),
            _ => State::Current,
        },
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Status, reason and message of a condition.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    let found = conditions.iter().find(|condition| text(condition, "/type") == kind)?;
    Some((text(found, "/status"), text(found, "/reason"), text(found, "/message")))
}

fn progress(why: String) -> State {
    State::InProgress(why)
}

fn deployment(object: &Value) -> State {
    if condition(object, "Progressing")
        .is_some_and(|(_, reason, _)| reason == "ProgressDeadlineExceeded")
    {
        return State::Failed("Progress deadline exceeded".to_owned());
    }
    if object.pointer("/status/observedGeneration").is_none() {
        return progress("Deployment has not been observed".to_owned());
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let [replicas, updated, ready, available] = [
        "/status/replicas",
        "/status/updatedReplicas",
        "/status/readyReplicas",
        "/status/availableReplicas",
    ]
    .map(|pointer| number(object, pointer));
    if replicas < wanted {
        progress(format!("replicas: {replicas}/{wanted}"))
    } else if updated < wanted {
        progress(format!("Updated: {updated}/{wanted}"))
    } else if replicas > wanted {
        progress(format!("Pending termination: {}", replicas - wanted))
    } else if available < updated {
        progress(format!("Available: {available}/{updated}"))
    } else if ready < wanted {
        progress(format!("Ready: {ready}/{wanted}"))
    } else {
        State::Current
    }
}

fn stateful_set(object: &Value) -> State {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return State::Current;
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let [replicas, ready, current] =
        ["/status/replicas", "/status/readyReplicas", "/status/currentReplicas"]
            .map(|pointer| number(object, pointer));
    if replicas < wanted {
        progress(format!("Replicas: {replicas}/{wanted}"))
    } else if ready < wanted {
        progress(format!("Ready: {ready}/{wanted}"))
    } else if replicas > wanted {
        progress(format!("Pending termination: {}", replicas - wanted))
    } else if current < wanted {
        progress(format!("current: {current}/{wanted}"))
    } else {
        State::Current
    }
}

fn daemon_set(object: &Value) -> State {
    if object.pointer("/status/observedGeneration").is_none() {
        return progress("DaemonSet has not been observed".to_owned());
    }
    let [wanted, current, updated, available, ready] = [
        "/status/desiredNumberScheduled",
        "/status/currentNumberScheduled",
        "/status/updatedNumberScheduled",
        "/status/numberAvailable",
        "/status/numberReady",
    ]
    .map(|pointer| number(object, pointer));
    if current < wanted {
        progress(format!("Current: {current}/{wanted}"))
    } else if updated < wanted {
        progress(format!("Updated: {updated}/{wanted}"))
    } else if available < wanted {
        progress(format!("Available: {available}/{wanted}"))
    } else if ready < wanted {
        progress(format!("Ready: {ready}/{wanted}"))
    } else {
        State::Current
    }
}

fn replica_set(object: &Value) -> State {
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let [ready, available] = ["/status/readyReplicas", "/status/availableReplicas"]
        .map(|pointer| number(object, pointer));
    if available < wanted {
        progress(format!("Available: {available}/{wanted}"))
    } else if ready < wanted {
        progress(format!("Ready: {ready}/{wanted}"))
    } else {
        State::Current
    }
}

fn pod(object: &Value) -> State {
    match text(object, "/status/phase") {
        "Succeeded" => State::Current,
        "Failed" => State::Failed("Pod has failed".to_owned()),
        "Running" => match condition(object, "Ready") {
            Some(("True", _, _)) => State::Current,
            _ => progress("Pod is running but is not Ready".to_owned()),
        },
        _ => match condition(object, "PodScheduled") {
            Some(("False", "Unschedulable", _)) => {
                progress("Pod could not be scheduled".to_owned())
            }
            _ => progress("Pod is in the Pending phase".to_owned()),
        },
    }
}

fn job(object: &Value) -> State {
    if matches!(condition(object, "Failed"), Some(("True", _, _))) {
        return State::Failed(format!(
            "Job Failed. failed: {}/1",
            number(object, "/status/failed")
        ));
    }
    // A job that has started is current; only --wait-for-jobs waits for its end.
    match text(object, "/status/startTime") {
        "" => progress("Job not started".to_owned()),
        _ => State::Current,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_the_librarys() {
        let deployment = |status: Value| json!({"kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 2}, "status": status});
        for (object, expected) in [
            (
                deployment(
                    json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 2}),
                ),
                State::InProgress("Available: 0/2".into()),
            ),
            (
                deployment(
                    json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}),
                ),
                State::InProgress("Pending termination: 1".into()),
            ),
            (
                deployment(
                    json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}),
                ),
                State::Current,
            ),
            (
                deployment(json!({"observedGeneration": 0})),
                State::InProgress(
                    "Deployment generation is 1, but latest observed generation is 0".into(),
                ),
            ),
            (
                deployment(
                    json!({"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}),
                ),
                State::Failed("Progress deadline exceeded".into()),
            ),
            (json!({"kind": "ConfigMap"}), State::Current),
            (
                json!({"kind": "NodePool", "status": {"conditions": [{"type": "Ready", "status": "False", "message": "no class"}]}}),
                State::InProgress("no class".into()),
            ),
            (
                json!({"kind": "CustomResourceDefinition", "status": {"conditions": [{"type": "Established", "status": "True"}]}}),
                State::Current,
            ),
            (
                json!({"kind": "ConfigMap", "metadata": {"deletionTimestamp": "x"}}),
                State::Terminating,
            ),
        ] {
            assert_eq!(state(Some(&object)), expected, "{object}");
        }
        assert_eq!(state(None), State::NotFound);
    }
}
