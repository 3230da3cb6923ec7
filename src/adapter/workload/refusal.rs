//! Why the API server takes no more pods: quotas, webhooks, missing accounts,
//! a namespace that goes; and what is missing that a container needs.

use serde_json::Value as Json;

use super::capacity::between;
use super::clues::{Clue, Clues};
use super::pods::{Because, Cause, text};
use super::rollout::namespace_stuck;

/// Adds to a refusal what it follows from, and what to do about it.
pub(super) fn explain(cause: Cause, object: &Json, clues: &Clues) -> Cause {
    let namespace = text(&object["metadata"]["namespace"]);
    let said = cause.message.clone();
    if let Some(quota) = between(&said, "exceeded quota: ", ",") {
        return Cause { next: format!("kubectl describe quota -n {namespace} {quota}"), ..cause };
    }
    if said.contains("serviceaccount \"") {
        return Cause { next: format!("kubectl get serviceaccounts -n {namespace}"), ..cause };
    }
    if said.contains("violates PodSecurity") {
        return Cause { next: format!("kubectl get namespace {namespace} --show-labels"), ..cause };
    }
    if let Some(webhook) = between(&said, "failed calling webhook \"", "\"") {
        let service = between(&said, "no endpoints available for service \"", "\"");
        let host = between(&said, "https://", ".svc").and_then(|host| host.split_once('.'));
        let because = service.zip(host).map(|(service, (_, home))| Because {
            message: format!("service {home}/{service}, which answers for it, has no ready pod"),
            next: format!(
                "kubectl get endpointslices -n {home} -l kubernetes.io/service-name={service}"
            ),
        });
        let next = format!(
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o name  # {webhook}"
        );
        return Cause { next, because, ..cause };
    }
    if between(&said, "admission webhook \"", "\" denied").is_some() {
        let next = "change what the webhook refuses in the values, or its rules".into();
        return Cause { next, ..cause };
    }
    if said.contains("is being terminated") {
        let found = clues.get(&Clue::Namespace(namespace.to_owned()));
        let because = found.and_then(namespace_stuck);
        let next = format!("kubectl get namespace {namespace} -o yaml");
        return Cause { next, because, ..cause };
    }
    cause
}

/// The command that looks for what a message says is missing.
pub(super) fn missing_object(said: &str, namespace: &str) -> Option<String> {
    for (word, kind) in [("secret", "secret"), ("configmap", "configmap")] {
        if let Some(name) = between(said, &format!("{word} \""), "\" not found") {
            return Some(format!("kubectl get {kind} -n {namespace} {name}"));
        }
    }
    // couldn't find key token in Secret shop/web
    for (word, kind) in [(" in Secret ", "secret"), (" in ConfigMap ", "configmap")] {
        if let Some((_, name)) = said.split_once(word) {
            let name = name.split_whitespace().next()?;
            let name = name.rsplit('/').next()?;
            return Some(format!("kubectl describe {kind} -n {namespace} {name}"));
        }
    }
    None
}

/// Why an image can't be had, and what to do about it.
pub(super) fn of_image(image: &str, said: &str, pod: &Json) -> Option<Because> {
    let lower = said.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let host = image.split('/').next().filter(|host| host.contains('.')).unwrap_or("docker.io");
    let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
    if says(&["toomanyrequests", "rate limit", "429 too many"]) {
        return Some(Because {
            message: format!("{host} serves no more to this network for now"),
            next: "wait, or take the image from a mirror".into(),
        });
    }
    if says(&[
        "403 forbidden",
        "401 unauthorized",
        "no basic auth",
        "authorization failed",
        "pull access denied",
        "denied:",
        "failed to fetch anonymous token",
        "unauthorized",
    ]) {
        let secret = pod["spec"]["imagePullSecrets"][0]["name"].as_str();
        let (message, next) = match secret {
            Some(secret) => (
                format!(
                    "{host} refuses the login of the pull secret {secret}, which may be out of date"
                ),
                format!(
                    "make the pull secret anew: kubectl delete secret -n {namespace} {secret}, then lkh apply"
                ),
            ),
            None if host.contains(".dkr.ecr.") => (
                format!("{host} refuses the nodes' role"),
                "attach AmazonEC2ContainerRegistryPullOnly to the nodes' role".into(),
            ),
            None => (
                format!("{host} refuses the pull, and the pod has no pull secret"),
                format!("kubectl describe pod -n {namespace} {name}"),
            ),
        };
        return Some(Because { message, next });
    }
    if says(&["not found", "manifest unknown", "name unknown", "no such manifest"]) {
        return Some(Because {
            message: format!("{host} has no such image or tag"),
            next: format!("correct the image in the values: {image}"),
        });
    }
    if says(&[
        "dial tcp",
        "i/o timeout",
        "no such host",
        "connection refused",
        "tls handshake timeout",
        "deadline exceeded",
        "network is unreachable",
    ]) {
        return Some(Because {
            message: format!("the nodes can't reach {host}"),
            next: format!(
                "check the way from the nodes' subnets to {host}: NAT gateway, VPC endpoint, DNS"
            ),
        });
    }
    None
}
