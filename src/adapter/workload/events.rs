//! What only the warnings about objects tell: pods that could not be made,
//! volumes that could not be mounted, load balancers that could not be built.
//!
//! Warnings are the last resort, where no condition says why. An old one may
//! still be there when its cause is gone, so nothing is taken for lasting by
//! them alone.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::capacity::{of_unready_node, unschedulable};
use super::clues::{Clue, Clues};
use super::pods::{Because, Cause, text, waiting};
use super::rollout::Rollout;
use super::{brief, condition, describe, refusal, volumes};

/// What to ask about an object that is not done.
pub(super) fn wanted(
    object: &Json,
    rollout: &Rollout,
    without_pods: bool,
    wanted: &mut BTreeSet<Clue>,
) {
    let namespace = text(&object["metadata"]["namespace"]).to_owned();
    match text(&object["kind"]) {
        // A deployment tells by a condition what these only tell by events.
        "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" if without_pods => {
            wanted.insert(Clue::Warnings(namespace.clone()));
        }
        "PersistentVolumeClaim" => volumes::of_claims(&namespace, wanted),
        "Service" | "Ingress" => {
            wanted.extend([Clue::Warnings(namespace.clone()), Clue::LoadBalancerController]);
        }
        _ => {}
    }
    let stuck = rollout.stuck.as_ref().map_or("", |stuck| stuck.message.as_str());
    if stuck.contains("is being terminated") {
        wanted.insert(Clue::Namespace(namespace));
    }
}

/// What to ask about a pod whose own status does not say enough.
pub(super) fn wanted_of_pod(pod: &Json, wanted: &mut BTreeSet<Clue>) {
    if unschedulable(pod).is_some() {
        return;
    }
    let statuses = || {
        let of = |list: &str| pod["status"][list].as_array().into_iter().flatten();
        of("initContainerStatuses").chain(of("containerStatuses"))
    };
    let being_started = statuses().any(|status| {
        matches!(
            status["state"]["waiting"]["reason"].as_str(),
            Some("ContainerCreating" | "PodInitializing")
        )
    });
    let failing = statuses().any(|status| {
        status["ready"] != true
            && (status["state"]["running"].is_object()
                || killed(&status["state"]["terminated"])
                || killed(&status["lastState"]["terminated"]))
    });
    if being_started || failing {
        wanted.insert(Clue::Warnings(text(&pod["metadata"]["namespace"]).to_owned()));
    }
}

/// Whether a container was ended from outside, as a failing probe does.
pub(super) fn killed(terminated: &Json) -> bool {
    matches!(terminated["exitCode"].as_i64(), Some(137 | 143))
        && terminated["reason"] != "OOMKilled"
}

/// Why a pod that has a node is not started, where a warning tells.
pub(super) fn of_starting(pod: &Json, clues: &Clues) -> Option<Cause> {
    let namespace = text(&pod["metadata"]["namespace"]);
    clues.warnings(pod).into_iter().find_map(|event| {
        let said = text(&event["message"]);
        let cause =
            |code, message: String, next: String| Cause { next, ..waiting(code, message, pod) };
        match text(&event["reason"]) {
            "FailedMount" => {
                let why = said.split_once(" : ").map_or(said, |(_, why)| why);
                let missing = refusal::missing_object(why, namespace);
                Some(cause(
                    "VolumeNotMounted",
                    format!("a volume can't be mounted: {}", brief(why)),
                    missing.unwrap_or_else(|| describe(pod)),
                ))
            }
            "FailedAttachVolume" => Some(cause(
                "VolumeNotAttached",
                format!("a volume can't be attached to its node: {}", brief(said)),
                describe(pod),
            )),
            "FailedCreatePodSandBox" => {
                let no_address = said.contains("failed to assign an IP address");
                let (why, next) = if no_address {
                    (
                        "its node has no free address",
                        "kubectl logs -n kube-system -l k8s-app=aws-node -c aws-node --tail 50"
                            .to_owned(),
                    )
                } else {
                    (said, describe(pod))
                };
                Some(cause(
                    "PodNetworkFailed",
                    format!("its network can't be set up: {}", brief(why)),
                    next,
                ))
            }
            _ => None,
        }
    })
}

/// What a probe of a container said last.
pub(super) fn of_probe(pod: &Json, container: &str, kind: &str, clues: &Clues) -> Option<String> {
    let begin = format!("{kind} probe failed: ");
    clues.warnings(pod).into_iter().find_map(|event| {
        let place = text(&event["involvedObject"]["fieldPath"]);
        let other = !place.is_empty() && !place.contains(&format!("{{{container}}}"));
        let said = text(&event["message"]).strip_prefix(&begin)?;
        (event["reason"] == "Unhealthy" && !other).then(|| brief(said))
    })
}

/// Why an object has no pods at all, where a warning tells.
pub(super) fn of_creation(object: &Json, clues: &Clues) -> Option<Cause> {
    let event =
        clues.warnings(object).into_iter().find(|event| event["reason"] == "FailedCreate")?;
    // `create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: ...`
    let said = text(&event["message"]);
    let why = said.split_once(" failed error: ").map_or(said, |(_, why)| why);
    let why = why.strip_prefix("Error creating: ").unwrap_or(why);
    let message = format!("pods can't be created: {}", brief(why));
    let cause = waiting("PodsNotCreated", message, object);
    Some(refusal::explain(cause, object, clues))
}

/// Why a service or an ingress has no load balancer.
pub(super) fn of_load_balancer(object: &Json, clues: &Clues) -> Option<Because> {
    let reasons = ["FailedBuildModel", "FailedDeployModel", "SyncLoadBalancerFailed"];
    let said = clues
        .warnings(object)
        .into_iter()
        .find(|event| reasons.contains(&text(&event["reason"])))
        .map(|event| text(&event["message"]));
    if let Some(said) = said {
        let lower = said.to_ascii_lowercase();
        if lower.contains("subnet")
            && (lower.contains("unable to resolve")
                || lower.contains("tag")
                || lower.contains("could not find any suitable subnets"))
        {
            let (role, internal) = if lower.contains("internal-elb") || is_internal(object) {
                ("kubernetes.io/role/internal-elb", "internal")
            } else {
                ("kubernetes.io/role/elb", "public")
            };
            return Some(Because {
                message: format!(
                    "no {internal} subnet is tagged for load balancers: {}",
                    brief(said)
                ),
                next: format!("tag subnets of two zones with {role}=1 (kind Ec2Tags)"),
            });
        }
        return Some(Because { message: brief(said), next: describe(object) });
    }
    if !needs_aws_controller(object) {
        return None;
    }
    let controllers = clues.items(&Clue::LoadBalancerController)?;
    let next = "kubectl get deployments -A -l app.kubernetes.io/name=aws-load-balancer-controller";
    let Some(controller) = controllers.first() else {
        return Some(Because {
            message: "the AWS load balancer controller is not in the cluster".into(),
            next: "declare a HelmRelease of the chart aws-load-balancer-controller".into(),
        });
    };
    let ready = controller["status"]["availableReplicas"].as_u64().unwrap_or(0);
    let wanted = controller["spec"]["replicas"].as_u64().unwrap_or(1);
    (ready == 0).then(|| Because {
        message: format!("{} is {ready}/{wanted}", super::title_of(controller, "deployment")),
        next: next.into(),
    })
}

fn is_internal(object: &Json) -> bool {
    let annotations = &object["metadata"]["annotations"];
    annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"
        || annotations["alb.ingress.kubernetes.io/scheme"] == "internal"
}

/// Whether only the AWS load balancer controller serves an object.
fn needs_aws_controller(object: &Json) -> bool {
    let annotations = &object["metadata"]["annotations"];
    let class = text(&object["spec"]["loadBalancerClass"]);
    let kind = text(&annotations["service.beta.kubernetes.io/aws-load-balancer-type"]);
    object["kind"] == "Ingress"
        || class.starts_with("service.k8s.aws/")
        || matches!(kind, "external" | "nlb-ip")
}

/// Why a pod that was told to go is still there.
pub(super) fn of_leaving(pod: &Json, clues: &Clues) -> Option<Cause> {
    let meta = &pod["metadata"];
    let finalizers: Vec<&str> =
        meta["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    if !finalizers.is_empty() {
        let message =
            format!("pods are being deleted and wait for the finalizer {}", finalizers.join(", "));
        return Some(waiting("PodsTerminating", message, pod));
    }
    let node = clues
        .items(&Clue::Nodes)?
        .iter()
        .find(|node| node["metadata"]["name"] == pod["spec"]["nodeName"])?;
    let ready = condition(node, "Ready").is_some_and(|ready| ready["status"] == "True");
    let unready = of_unready_node(node);
    (!ready).then(|| Cause {
        because: Some(unready),
        ..waiting("PodsTerminating", "pods are being deleted, and can't be ended".into(), pod)
    })
}
