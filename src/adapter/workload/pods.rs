//! Which pods belong to a workload, and why they do not do their work.

use serde_json::Value as Json;

use super::capacity::{self, unschedulable};
use super::clues::Clues;
use super::{brief, condition, describe, events, identity, refusal, volumes};

/// What a cause follows from in turn, and what to do about that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Because {
    /// What it is.
    pub message: String,
    /// The next command to run, or what to change.
    pub next: String,
}

/// Why pods of a workload, or the workload itself, are not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    /// A stable code.
    pub code: &'static str,
    /// The cause, without names of pods, so that pods can share one.
    pub message: String,
    /// The next command to run.
    pub next: String,
    /// Whether it stays unless someone does something.
    pub lasting: bool,
    /// The pods that share it.
    pub pods: Vec<String>,
    /// What it follows from, where that could be read.
    pub because: Option<Because>,
}

/// Why the pods of a workload are not ready, each cause once.
pub(super) fn causes(workload: &Json, pods: &[&Json], clues: &Clues) -> Vec<Cause> {
    let mut causes: Vec<Cause> = Vec::new();
    let bare = workload["kind"] == "Pod";
    let own: Vec<&Json> = if bare {
        vec![workload]
    } else {
        pods.iter().copied().filter(|pod| belongs(workload, pod)).collect()
    };
    for pod in own {
        let Some(cause) = cause(pod, clues) else { continue };
        let name = text(&pod["metadata"]["name"]).to_owned();
        let why = |cause: &Cause| cause.because.as_ref().map(|because| because.message.clone());
        match causes
            .iter_mut()
            .find(|c| (c.code, &c.message, why(c)) == (cause.code, &cause.message, why(&cause)))
        {
            Some(known) => known.pods.push(name),
            None if bare => causes.push(cause),
            None => causes.push(Cause { pods: vec![name], ..cause }),
        }
    }
    // A pod that is on its way out says something only where no other does.
    if causes.iter().any(|cause| cause.code != LEAVING) {
        causes.retain(|cause| cause.code != LEAVING);
    }
    causes
}

/// The code of pods that should be gone.
const LEAVING: &str = "PodsTerminating";

/// Whether a pod is one of the workload's, by namespace and selector.
pub(super) fn belongs(workload: &Json, pod: &Json) -> bool {
    let (selector, labels) = (&workload["spec"]["selector"], &pod["metadata"]["labels"]);
    if workload["metadata"]["namespace"] != pod["metadata"]["namespace"] {
        return false;
    }
    let exact = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    if exact.is_none_or(serde_json::Map::is_empty) && expressions.is_none_or(Vec::is_empty) {
        return false;
    }
    exact.is_none_or(|exact| exact.iter().all(|(key, value)| labels[key] == *value))
        && expressions.is_none_or(|all| all.iter().all(|e| expression_holds(e, labels)))
}

fn expression_holds(expression: &Json, labels: &Json) -> bool {
    let label = labels.get(text(&expression["key"]));
    let listed = || {
        let values = expression["values"].as_array();
        values.is_some_and(|values| values.iter().any(|value| Some(value) == label))
    };
    match text(&expression["operator"]) {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => false,
    }
}

/// A selector as `kubectl get -l` takes it.
pub(super) fn selector_text(selector: &Json) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push(format!("{key}={}", text(value)));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(&expression["key"]);
        let values = expression["values"].as_array();
        let values: Vec<&str> = values.into_iter().flatten().map(text).collect();
        let values = values.join(",");
        parts.push(match text(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!parts.is_empty()).then(|| parts.join(","))
}

/// Why one pod does not do its work; `None` if it does, or is on its way out
/// and nothing holds it.
fn cause(pod: &Json, clues: &Clues) -> Option<Cause> {
    let phase = text(&pod["status"]["phase"]);
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return events::of_leaving(pod, clues);
    }
    if phase == "Succeeded" || condition(pod, "Ready").is_some_and(|c| c["status"] == "True") {
        return None;
    }
    if phase == "Failed" {
        let status = &pod["status"];
        let ended = status["containerStatuses"].as_array().into_iter().flatten();
        let ended = ended
            .filter(|status| status["state"]["terminated"]["exitCode"].as_i64() != Some(0))
            .map(|status| {
                format!("container {} ended: {}", text(&status["name"]), last_end(status))
            })
            .next();
        let said = status["message"].as_str().or(status["reason"].as_str()).map(brief);
        let why = said.or(ended).unwrap_or_else(|| "a container ended with an error".into());
        // A controller puts another in its place; that one tells more.
        return Some(waiting("PodFailed", format!("pods failed: {why}"), pod));
    }
    if let Some(cause) = unplaced(pod, clues) {
        return Some(cause);
    }
    let of = |list: &str| pod["status"][list].as_array().cloned().unwrap_or_default();
    let init = of("initContainerStatuses")
        .iter()
        .find_map(|status| in_container(pod, status, true, clues));
    let found = init.or_else(|| {
        of("containerStatuses").iter().find_map(|status| in_container(pod, status, false, clues))
    });
    let starting = found.as_ref().is_none_or(|cause| cause.code == "PodsStarting");
    let told = if starting { events::of_starting(pod, clues) } else { None };
    told.or(found).or_else(|| {
        let message = match condition(pod, "Ready").and_then(|c| c["message"].as_str()) {
            Some(why) if !why.is_empty() => format!("pods not ready: {}", brief(why)),
            _ if phase == "Pending" => "pods Pending: they were not started yet".to_owned(),
            _ => "pods not ready".to_owned(),
        };
        Some(waiting("PodsStarting", message, pod))
    })
}

/// Why a pod has no node.
fn unplaced(pod: &Json, clues: &Clues) -> Option<Cause> {
    let scheduled = condition(pod, "PodScheduled").filter(|c| c["status"] == "False")?;
    let why = scheduled["message"].as_str().unwrap_or("no reason is given");
    // What the scheduler says of preemption repeats it, at length.
    let asides = [" no new claims to deallocate", " preemption:"];
    let end = asides.iter().filter_map(|aside| why.find(aside)).min().unwrap_or(why.len());
    let why = brief(why.get(..end).unwrap_or(why).trim_end_matches([',', '.', ' ']));
    if unschedulable(pod).is_none() {
        return Some(waiting("PodsGated", format!("pods Pending: {why}"), pod));
    }
    let mut cause = lasting("PodsUnschedulable", format!("pods Pending: {why}"), pod);
    if why.contains("no nodes available") {
        cause.next = "kubectl get nodes".into();
    }
    cause.because = if volumes::is_about(&why) {
        volumes::of_pod(pod, clues)
    } else {
        capacity::because(pod, &why, clues)
    };
    Some(cause)
}

/// What keeps one container from being ready.
fn in_container(pod: &Json, status: &Json, init: bool, clues: &Clues) -> Option<Cause> {
    let name = text(&status["name"]);
    let what = if init { "init container" } else { "container" };
    let state = &status["state"];
    if let Some(reason) = state["waiting"]["reason"].as_str() {
        let why = state["waiting"]["message"].as_str().map_or_else(|| reason.to_owned(), brief);
        return Some(match reason {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed" => {
                let image = text(&status["image"]);
                Cause {
                    because: refusal::of_image(image, &why, pod),
                    ..lasting(
                        "ImagePullFailed",
                        format!("{what} {name} can't get its image {image}: {why}"),
                        pod,
                    )
                }
            }
            "CrashLoopBackOff" => crashing(pod, status, what, true, clues),
            "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError" => {
                let namespace = text(&pod["metadata"]["namespace"]);
                let missing = refusal::missing_object(&why, namespace);
                Cause {
                    next: missing.unwrap_or_else(|| describe(pod)),
                    ..lasting(
                        "ContainerNotCreated",
                        format!("{what} {name} can't be started: {why}"),
                        pod,
                    )
                }
            }
            _ => waiting("PodsStarting", format!("{what} {name} is being started ({reason})"), pod),
        });
    }
    let running = state["running"].is_object();
    if let Some(code) = state["terminated"]["exitCode"].as_i64() {
        return (code != 0).then(|| crashing(pod, status, what, false, clues));
    }
    if init {
        // A sidecar runs on; what it starts before must end.
        return (running && status["started"] != true)
            .then(|| waiting("PodsStarting", format!("{what} {name} is running"), pod));
    }
    if !running || status["ready"] == true {
        return None;
    }
    let probed = pod["spec"]["containers"].as_array().into_iter().flatten().any(|container| {
        container["name"] == status["name"] && container["readinessProbe"].is_object()
    });
    let mut message = if probed {
        format!("{what} {name} runs, but its readiness probe does not succeed")
    } else {
        format!("{what} {name} runs, but is not ready")
    };
    if let Some(said) = events::of_probe(pod, name, "Readiness", clues).filter(|_| probed) {
        message = format!("{message} ({said})");
    }
    if status["restartCount"].as_u64().unwrap_or(0) > 0 {
        message = format!("{message}; {}", last_end(status));
    }
    Some(Cause {
        because: identity::because(pod, clues),
        ..waiting("ContainerNotReady", message, pod)
    })
}

/// A container that was ended for using more memory than it may.
fn of_memory(pod: &Json, status: &Json) -> Option<Because> {
    let ended = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
    if !ended.iter().any(|ended| ended["reason"] == "OOMKilled") {
        return None;
    }
    let name = text(&status["name"]);
    let of = |list: &str| pod["spec"][list].as_array().cloned().unwrap_or_default();
    let containers = [of("containers"), of("initContainers")].concat();
    let container = containers.iter().find(|container| container["name"] == name)?;
    Some(match container["resources"]["limits"]["memory"].as_str() {
        Some(limit) => Because {
            message: format!("it needs more than its memory limit of {limit}"),
            next: format!("raise resources.limits.memory of container {name} in the values"),
        },
        None => Because {
            message: "its node ran out of memory".into(),
            next: "kubectl describe nodes".into(),
        },
    })
}

/// A container that a failing probe has ended.
fn of_liveness(pod: &Json, status: &Json, clues: &Clues) -> Option<Because> {
    let ended = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
    if !ended.iter().any(|ended| events::killed(ended)) {
        return None;
    }
    let name = text(&status["name"]);
    let said = events::of_probe(pod, name, "Liveness", clues)?;
    Some(Because { message: format!("its liveness probe failed ({said})"), next: describe(pod) })
}

fn crashing(pod: &Json, status: &Json, what: &str, lasts: bool, clues: &Clues) -> Cause {
    let name = text(&status["name"]);
    let next = format!(
        "kubectl logs -n {} {} -c {name} --previous",
        text(&pod["metadata"]["namespace"]),
        text(&pod["metadata"]["name"])
    );
    let message = format!("{what} {name} keeps ending: {}", last_end(status));
    let because = of_memory(pod, status)
        .or_else(|| of_liveness(pod, status, clues))
        .or_else(|| identity::because(pod, clues));
    Cause { next, lasting: lasts, because, ..lasting("ContainerCrashing", message, pod) }
}

/// `exit code 1 (Error): message`, of the last time a container ended. How
/// often it was restarted is left out: pods that fail alike shall share it.
fn last_end(status: &Json) -> String {
    let ended = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
    let Some(ended) = ended.into_iter().find(|ended| ended.is_object()) else {
        return "it was restarted".into();
    };
    let mut text = match ended["exitCode"].as_i64() {
        Some(code) => format!("exit code {code}"),
        None => "unknown exit code".into(),
    };
    if let Some(reason) = ended["reason"].as_str() {
        text = format!("{text} ({reason})");
    }
    match ended["message"].as_str().map(str::trim) {
        // The end of a log: its last line is the one that tells.
        Some(message) if !message.is_empty() => {
            format!("{text}: {}", brief(message.lines().last().unwrap_or(message)))
        }
        _ => text,
    }
}

pub(super) fn lasting(code: &'static str, message: String, object: &Json) -> Cause {
    let next = describe(object);
    Cause { code, message, next, lasting: true, pods: Vec::new(), because: None }
}

pub(super) fn waiting(code: &'static str, message: String, object: &Json) -> Cause {
    Cause { lasting: false, ..lasting(code, message, object) }
}

pub(super) fn text(json: &Json) -> &str {
    json.as_str().unwrap_or("")
}
