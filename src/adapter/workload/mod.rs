//! Whether Kubernetes workloads do their work, and what stands in the way.
//!
//! Judged from objects and pods as the API server returns them, by generation
//! and counts first; where those fall short, the pods' own conditions and
//! container states say why, and the clues around them what that follows from.
//! Events count only where nothing else tells: when the reason of a pending pod
//! changes, its condition does, but no new event need appear.
//! This module is no kind; kinds whose objects run pods use it. It must not
//! run anything itself.

mod capacity;
mod clues;
mod events;
mod identity;
mod pods;
mod refusal;
mod rollout;
mod volumes;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use self::clues::Clues;
use self::pods::{Because, Cause, causes, waiting};
use self::rollout::{Rollout, rollout};
use super::{Blocker, Readiness};

/// How far one workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The workload, such as `deployment kube-system/karpenter`.
    pub workload: String,
    /// How many of it do their work.
    pub ready: u64,
    /// How many shall.
    pub wanted: u64,
}

/// Something in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Obstacle {
    /// Whether it stays unless someone does something.
    pub lasting: bool,
    /// What it is.
    pub blocker: Blocker,
}

/// What came of looking at a set of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assessment {
    /// The workloads with their counts, in the order of the objects.
    pub counts: Vec<Count>,
    /// What is in the way. Empty: all of them do their work.
    pub obstacles: Vec<Obstacle>,
}

/// Judges objects, given the pods that may belong to them (others' pods among
/// them do no harm). Kinds that have no notion of readiness count as ready.
pub fn assess<'a>(
    objects: impl IntoIterator<Item = &'a Json>,
    pods: impl IntoIterator<Item = &'a Json>,
) -> Assessment {
    assess_with(objects, pods, &Clues::default())
}

/// As [`assess`], with what was read around the objects: the chains of causes
/// go on to what someone can act on.
pub fn assess_with<'a>(
    objects: impl IntoIterator<Item = &'a Json>,
    pods: impl IntoIterator<Item = &'a Json>,
    clues: &Clues,
) -> Assessment {
    let pods: Vec<&Json> = pods.into_iter().collect();
    let mut assessment = Assessment::default();
    for object in objects {
        let Some(rollout) = rollout(object) else { continue };
        if let Some((ready, wanted)) = rollout.count {
            assessment.counts.push(Count { workload: title(object), ready, wanted });
        }
        if !rollout.done {
            assessment.obstacles.extend(obstacles(object, &rollout, &pods, clues));
        }
    }
    assessment
}

/// The pods of a workload that is not done: namespace and label selector, as
/// `kubectl get pods` takes them. `None`: its pods are of no interest.
pub fn wanted_pods(object: &Json) -> Option<(String, String)> {
    let rollout = rollout(object)?;
    if rollout.done {
        return None;
    }
    let namespace = object["metadata"]["namespace"].as_str()?;
    Some((namespace.to_owned(), pods::selector_text(&object["spec"]["selector"])?))
}

/// Whether any of these pods is the workload's.
pub fn has_pods(workload: &Json, pods: &[Json]) -> bool {
    pods.iter().any(|pod| pods::belongs(workload, pod))
}

/// Whether objects of this kind run pods, so that a missing one is itself an
/// obstacle.
pub fn runs_pods(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "Pod")
}

/// The verdict over obstacles; `chain` comes before every message, such as
/// `release karpenter is not ready`.
pub fn readiness(obstacles: &[Obstacle], chain: &str) -> Readiness {
    if obstacles.is_empty() {
        return Readiness::Ready;
    }
    let mut ordered: Vec<&Obstacle> = obstacles.iter().collect();
    ordered.sort_by_key(|obstacle| !obstacle.lasting);
    let blockers = ordered
        .iter()
        .map(|obstacle| Blocker {
            message: format!("{chain}: {}", obstacle.blocker.message),
            ..obstacle.blocker.clone()
        })
        .collect();
    if obstacles.iter().any(|obstacle| obstacle.lasting) {
        Readiness::NotReady(blockers)
    } else {
        Readiness::Waiting(blockers)
    }
}

/// What stands in the way of one object: the causes that its pods tell, those
/// of the object itself, or at least that it is not done.
fn obstacles(object: &Json, rollout: &Rollout, pods: &[&Json], clues: &Clues) -> Vec<Obstacle> {
    let mut subject = title(object);
    if let Some((ready, wanted)) = rollout.count {
        subject = format!("{subject} {ready}/{wanted}");
    }
    let mut causes = causes(object, pods, clues);
    if let Some(stuck) = &rollout.stuck {
        match stuck.code {
            // That the deadline is over says only that what the pods tell lasts.
            rollout::DEADLINE if !causes.is_empty() => {
                for cause in &mut causes {
                    cause.lasting = true;
                }
            }
            // What its last pod said is why it failed.
            "JobFailed" if !causes.is_empty() => {
                let last = causes.swap_remove(0);
                let because = Because {
                    message: format!("{}{}", last.message, names(&last.pods)),
                    next: stuck.next.clone(),
                };
                causes = vec![Cause { because: Some(because), ..stuck.clone() }];
            }
            "PodsNotCreated" => causes.push(refusal::explain(stuck.clone(), object, clues)),
            "VolumeUnbound" => {
                let because = volumes::of_claim(object, clues);
                causes.push(Cause { because, ..stuck.clone() });
            }
            _ => causes.push(stuck.clone()),
        }
    }
    if causes.is_empty() {
        causes.extend(events::of_creation(object, clues));
    }
    if causes.is_empty() {
        let because = match text_of(object, "kind") {
            "Service" | "Ingress" => events::of_load_balancer(object, clues),
            _ => None,
        };
        let cause = waiting("RolloutInProgress", rollout.waiting_for.clone(), object);
        causes.push(Cause { because, ..cause });
    }
    causes
        .into_iter()
        .map(|cause| {
            let mut message = format!("{subject}: {}{}", cause.message, names(&cause.pods));
            let mut next = cause.next;
            if let Some(because) = cause.because {
                message = format!("{message}: {}", because.message);
                next = because.next;
            }
            Obstacle {
                lasting: cause.lasting,
                blocker: Blocker { code: cause.code.to_owned(), message, next },
            }
        })
        .collect()
}

fn text_of<'a>(object: &'a Json, key: &str) -> &'a str {
    object[key].as_str().unwrap_or("")
}

/// Up to three names in parentheses.
fn names(pods: &[String]) -> String {
    match pods {
        [] => String::new(),
        [a] => format!(" ({a})"),
        [a, b] => format!(" ({a}, {b})"),
        [a, b, c] => format!(" ({a}, {b}, {c})"),
        [a, b, c, rest @ ..] => format!(" ({a}, {b}, {c} and {} more)", rest.len()),
    }
}

/// `deployment kube-system/karpenter`.
pub fn title(object: &Json) -> String {
    title_of(object, "object")
}

/// A title, with a word for the kind where the object does not tell it, as the
/// members of a list need not.
fn title_of(object: &Json, kind: &str) -> String {
    let kind = object["kind"].as_str().unwrap_or(kind).to_lowercase();
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The command that describes an object.
fn describe(object: &Json) -> String {
    let kind = object["kind"].as_str().unwrap_or("object").to_lowercase();
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("kubectl describe {kind} -n {namespace} {name}"),
        None => format!("kubectl describe {kind} {name}"),
    }
}

/// A condition of an object, by its type.
fn condition<'a>(object: &'a Json, kind: &str) -> Option<&'a Json> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

/// The first line of a text, of bearable length.
fn brief(text: &str) -> String {
    const LIMIT: usize = 300;
    let line = text.trim().lines().next().unwrap_or("").trim_end();
    if line.chars().count() <= LIMIT {
        return line.to_owned();
    }
    line.chars().take(LIMIT).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
