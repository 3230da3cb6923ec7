//! How far an object is, by what its own status says.

use serde_json::Value as Json;

use super::pods::Cause;
use super::{brief, condition, describe};

/// The code of a rollout that ran out of its own deadline.
pub(super) const DEADLINE: &str = "RolloutStuck";

/// How far an object is.
#[derive(Debug, Clone, Default)]
pub(super) struct Rollout {
    /// Whether it does its work, in its latest form.
    pub done: bool,
    /// How many of it do, and how many shall.
    pub count: Option<(u64, u64)>,
    /// What it waits for, where it is not done.
    pub waiting_for: String,
    /// What it says itself is in the way.
    pub stuck: Option<Cause>,
}

impl Rollout {
    fn done() -> Self {
        Self { done: true, ..Self::default() }
    }

    fn waiting(what: impl Into<String>) -> Self {
        Self { waiting_for: what.into(), ..Self::default() }
    }
}

/// How far an object is; `None` for kinds without a notion of it.
pub(super) fn rollout(object: &Json) -> Option<Rollout> {
    let status = &object["status"];
    Some(match object["kind"].as_str()? {
        "Deployment" => deployment(object),
        "ReplicaSet" => {
            let wanted = replicas(object);
            counted(object, number(&status["availableReplicas"]), wanted, true)
        }
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "Job" => job(object),
        "Pod" => pod(object),
        "PersistentVolumeClaim" => match status["phase"].as_str() {
            Some("Bound") => Rollout::done(),
            phase => Rollout {
                stuck: Some(Cause {
                    code: "VolumeUnbound",
                    message: format!("no volume is bound to it ({})", phase.unwrap_or("Pending")),
                    next: describe(object),
                    lasting: phase == Some("Lost"),
                    pods: Vec::new(),
                }),
                ..Rollout::default()
            },
        },
        "Service" if object["spec"]["type"] == "LoadBalancer" => {
            if status["loadBalancer"]["ingress"].as_array().is_some_and(|list| !list.is_empty()) {
                Rollout::done()
            } else {
                Rollout::waiting("no load balancer has an address for it yet")
            }
        }
        "CustomResourceDefinition" => by_condition(object, "Established"),
        "APIService" => by_condition(object, "Available"),
        // Custom resources mostly tell by such a condition.
        _ if condition(object, "Ready").is_some() => by_condition(object, "Ready"),
        _ if condition(object, "Available").is_some() => by_condition(object, "Available"),
        _ => return None,
    })
}

fn deployment(object: &Json) -> Rollout {
    let status = &object["status"];
    let (wanted, updated) = (replicas(object), number(&status["updatedReplicas"]));
    let settled = updated >= wanted && number(&status["replicas"]) <= updated;
    let mut rollout = counted(object, number(&status["availableReplicas"]), wanted, settled);
    if rollout.done {
        return rollout;
    }
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|c| c["status"] == "True") {
        rollout.stuck = Some(Cause {
            code: "PodsNotCreated",
            message: format!(
                "pods can't be created: {}",
                brief(failure["message"].as_str().unwrap_or("no reason is given"))
            ),
            next: describe(object),
            lasting: true,
            pods: Vec::new(),
        });
    } else if let Some(progress) = condition(object, "Progressing")
        .filter(|c| c["status"] == "False" && c["reason"] == "ProgressDeadlineExceeded")
    {
        rollout.stuck = Some(Cause {
            code: DEADLINE,
            message: brief(progress["message"].as_str().unwrap_or("its deadline is over")),
            next: describe(object),
            lasting: true,
            pods: Vec::new(),
        });
    }
    rollout
}

fn stateful_set(object: &Json) -> Rollout {
    let (status, strategy) = (&object["status"], &object["spec"]["updateStrategy"]);
    let wanted = replicas(object);
    let partitioned = number(&strategy["rollingUpdate"]["partition"]) > 0;
    let settled = strategy["type"] == "OnDelete"
        || partitioned
        || status["updateRevision"] == status["currentRevision"]
        || number(&status["updatedReplicas"]) >= wanted;
    counted(object, number(&status["readyReplicas"]), wanted, settled)
}

fn daemon_set(object: &Json) -> Rollout {
    let (status, strategy) = (&object["status"], &object["spec"]["updateStrategy"]);
    let wanted = number(&status["desiredNumberScheduled"]);
    let settled =
        strategy["type"] == "OnDelete" || number(&status["updatedNumberScheduled"]) >= wanted;
    counted(object, number(&status["numberAvailable"]), wanted, settled)
}

fn counted(object: &Json, ready: u64, wanted: u64, settled: bool) -> Rollout {
    let seen = number(&object["status"]["observedGeneration"])
        >= number(&object["metadata"]["generation"]);
    Rollout {
        done: seen && settled && ready >= wanted,
        count: Some((ready, wanted)),
        waiting_for: if !seen {
            "its controller has not seen the last change yet".into()
        } else if ready < wanted {
            "waiting for pods".into()
        } else {
            "pods are being replaced".into()
        },
        stuck: None,
    }
}

fn job(object: &Json) -> Rollout {
    let is = |kind| condition(object, kind).filter(|c| c["status"] == "True");
    let wanted = object["spec"]["completions"].as_u64().unwrap_or(1);
    let count = Some((number(&object["status"]["succeeded"]), wanted));
    if is("Complete").is_some() || is("SuccessCriteriaMet").is_some() {
        return Rollout { count, ..Rollout::done() };
    }
    if object["spec"]["suspend"] == true {
        return Rollout::done();
    }
    let stuck = is("Failed").map(|failed| Cause {
        code: "JobFailed",
        message: format!(
            "it failed: {}",
            brief(failed["message"].as_str().or(failed["reason"].as_str()).unwrap_or("no reason"))
        ),
        next: format!(
            "kubectl logs -n {} job/{}",
            object["metadata"]["namespace"].as_str().unwrap_or("default"),
            object["metadata"]["name"].as_str().unwrap_or("")
        ),
        lasting: true,
        pods: Vec::new(),
    });
    Rollout { count, stuck, ..Rollout::waiting("it is not complete yet") }
}

fn pod(object: &Json) -> Rollout {
    if object["status"]["phase"] == "Succeeded"
        || condition(object, "Ready").is_some_and(|c| c["status"] == "True")
    {
        return Rollout::done();
    }
    Rollout::waiting("it is not ready")
}

fn by_condition(object: &Json, kind: &str) -> Rollout {
    match condition(object, kind) {
        Some(condition) if condition["status"] == "True" => Rollout::done(),
        Some(condition) => {
            let why = condition["message"].as_str().filter(|text| !text.trim().is_empty());
            let why = why.or(condition["reason"].as_str()).unwrap_or("no reason is given");
            Rollout::waiting(format!("not {kind}: {}", brief(why)))
        }
        None => Rollout::waiting(format!("not {kind} yet")),
    }
}

fn replicas(object: &Json) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or(0)
}
