//! How far an object is, by what its own status says.

use serde_json::Value as Json;

use super::pods::{Because, Cause, lasting, text, waiting};
use super::{brief, condition};

/// The code of a rollout that ran out of its own deadline.
pub(super) const DEADLINE: &str = "RolloutStuck";

/// What stands before why no pod could be made.
const NOT_CREATED: &str = "pods can't be created: ";

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
    if object["kind"] == "Namespace" {
        return Some(namespace(object));
    }
    if object["kind"] != "Pod" && !object["metadata"]["deletionTimestamp"].is_null() {
        return Some(leaving(object));
    }
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
                    lasting: phase == Some("Lost"),
                    ..waiting(
                        "VolumeUnbound",
                        format!("no volume is bound to it ({})", phase.unwrap_or("Pending")),
                        object,
                    )
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
        // Other classes of ingresses need not have a load balancer of their own.
        "Ingress" if is_alb(object) => {
            if status["loadBalancer"]["ingress"].as_array().is_some_and(|list| !list.is_empty()) {
                Rollout::done()
            } else {
                Rollout::waiting("no load balancer has a host name for it yet")
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

fn is_alb(object: &Json) -> bool {
    object["spec"]["ingressClassName"] == "alb"
        || object["metadata"]["annotations"]["kubernetes.io/ingress.class"] == "alb"
}

/// A namespace does its work until it is told to go.
fn namespace(object: &Json) -> Rollout {
    if object["status"]["phase"] != "Terminating"
        && object["metadata"]["deletionTimestamp"].is_null()
    {
        return Rollout::done();
    }
    let cause = waiting("NamespaceTerminating", "it is being deleted".into(), object);
    let name = text(&object["metadata"]["name"]);
    let next = format!("kubectl get namespace {name} -o yaml");
    let stuck = Some(Cause { because: namespace_stuck(object), next, ..cause });
    Rollout { stuck, ..Rollout::default() }
}

/// What holds a namespace that is told to go, as it says itself.
pub(super) fn namespace_stuck(object: &Json) -> Option<Because> {
    let name = text(&object["metadata"]["name"]);
    let holds = |kind: &str| {
        let condition = condition(object, kind).filter(|c| c["status"] == "True")?;
        Some(text(&condition["message"]).trim().trim_end_matches(['.', ',']))
    };
    if let Some(said) = holds("NamespaceDeletionDiscoveryFailure") {
        return Some(Because {
            message: format!("what is in it can't be listed: {}", brief(said)),
            next: "kubectl get apiservices".into(),
        });
    }
    if let Some(said) = holds("NamespaceFinalizersRemaining") {
        // Some content in the namespace has finalizers remaining: a/b in 1 resource instances
        let said = said.split_once("remaining: ").map_or(said, |(_, which)| which);
        return Some(Because {
            message: format!("what is in it waits for the finalizer {}", brief(said)),
            next: format!(
                "start again what removes that finalizer, or take it off by hand: kubectl get all -n {name}"
            ),
        });
    }
    holds("NamespaceContentRemaining")
        .map(|said| Because { message: brief(said), next: format!("kubectl get all -n {name}") })
}

/// Something that is told to go and is still there.
fn leaving(object: &Json) -> Rollout {
    let finalizers = object["metadata"]["finalizers"].as_array();
    let names: Vec<&str> = finalizers.into_iter().flatten().filter_map(Json::as_str).collect();
    let message = if names.is_empty() {
        "it is being deleted".to_owned()
    } else {
        format!("it is being deleted and waits for the finalizer {}", names.join(", "))
    };
    Rollout { stuck: Some(waiting("Terminating", message, object)), ..Rollout::default() }
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
        let said = brief(failure["message"].as_str().unwrap_or("no reason is given"));
        let message = format!("{NOT_CREATED}{said}");
        rollout.stuck = Some(lasting("PodsNotCreated", message, object));
    } else if let Some(progress) = condition(object, "Progressing")
        .filter(|c| c["status"] == "False" && c["reason"] == "ProgressDeadlineExceeded")
    {
        let said = brief(progress["message"].as_str().unwrap_or("its deadline is over"));
        rollout.stuck = Some(lasting(DEADLINE, said, object));
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
        because: None,
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
