//! Why a pod's volumes are not there: claims, classes, and what makes volumes.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::brief;
use super::capacity::unschedulable;
use super::clues::{Clue, Clues};
use super::pods::{Because, text};

/// The annotation of the class that claims without one get.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// The driver of EBS volumes, and the name that it had inside Kubernetes.
const EBS: &str = "ebs.csi.aws.com";
const EBS_IN_TREE: &str = "kubernetes.io/aws-ebs";

/// Whether the scheduler's words are about volumes.
pub(super) fn is_about(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["persistentvolumeclaim", "volumebinding", "binding volumes", "persistent volumes"]
        .iter()
        .any(|word| why.contains(word))
}

/// What to ask about a pod that waits for volumes.
pub(super) fn wanted(pod: &Json, wanted: &mut BTreeSet<Clue>) {
    if unschedulable(pod).is_some_and(is_about) {
        let namespace = text(&pod["metadata"]["namespace"]).to_owned();
        wanted.insert(Clue::Claims(namespace.clone()));
        of_claims(&namespace, wanted);
    }
}

/// What to ask about claims of a namespace.
pub(super) fn of_claims(namespace: &str, wanted: &mut BTreeSet<Clue>) {
    wanted.extend([Clue::StorageClasses, Clue::Drivers, Clue::Warnings(namespace.to_owned())]);
}

/// Why a pod's claims are not bound.
pub(super) fn of_pod(pod: &Json, clues: &Clues) -> Option<Because> {
    let namespace = text(&pod["metadata"]["namespace"]);
    let claims = clues.items(&Clue::Claims(namespace.to_owned()))?;
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let names = volumes.map(|volume| text(&volume["persistentVolumeClaim"]["claimName"]));
    names.filter(|name| !name.is_empty()).find_map(|name| {
        let Some(claim) = claims.iter().find(|claim| claim["metadata"]["name"] == name) else {
            return Some(Because {
                message: format!("volume claim {namespace}/{name} does not exist"),
                next: format!("kubectl get pvc -n {namespace}"),
            });
        };
        (claim["status"]["phase"] != "Bound").then(|| of_claim(claim, clues)).flatten()
    })
}

/// Why a claim is not bound.
pub(super) fn of_claim(claim: &Json, clues: &Clues) -> Option<Because> {
    let meta = &claim["metadata"];
    let title = format!("volume claim {}/{}", text(&meta["namespace"]), text(&meta["name"]));
    let named = text(&claim["spec"]["storageClassName"]);
    let classes = clues.items(&Clue::StorageClasses)?;
    let class = if named.is_empty() {
        classes.iter().find(|class| class["metadata"]["annotations"][DEFAULT] == "true")
    } else {
        classes.iter().find(|class| class["metadata"]["name"] == named)
    };
    let Some(class) = class else {
        return Some(if named.is_empty() {
            Because {
                message: format!(
                    "{title} names no storage class, and the cluster has no default one"
                ),
                next: "name one in the values, or declare a default: kubectl get storageclass"
                    .into(),
            }
        } else {
            Because {
                message: format!("{title} names the storage class {named}, which does not exist"),
                next: "kubectl get storageclass".into(),
            }
        });
    };
    let provisioner = match text(&class["provisioner"]) {
        EBS_IN_TREE => EBS,
        other => other,
    };
    let is_driver = |driver: &Json| driver["metadata"]["name"] == provisioner;
    let drivers = clues.items(&Clue::Drivers);
    if provisioner.contains('.')
        && !provisioner.starts_with("kubernetes.io/")
        && drivers.is_some_and(|drivers| !drivers.iter().any(is_driver))
    {
        let next = if provisioner == EBS {
            let cluster = clues.cluster();
            format!(
                "install the add-on aws-ebs-csi-driver: aws eks create-addon --cluster-name \
                 {cluster} --addon-name aws-ebs-csi-driver"
            )
        } else {
            format!("install what provides {provisioner}: kubectl get csidrivers")
        };
        return Some(Because {
            message: format!(
                "{title} waits for {provisioner}, and no such driver is in the cluster"
            ),
            next,
        });
    }
    let failed = clues
        .warnings(claim)
        .into_iter()
        .find(|event| matches!(event["reason"].as_str(), Some("ProvisioningFailed")));
    let said = failed.map(|event| text(&event["message"]))?;
    if is_denied(said) && provisioner == EBS {
        return Some(Because {
            message: format!(
                "{title}: the EBS CSI driver has no permission to make volumes: {}",
                brief(said)
            ),
            next: format!(
                "aws eks list-pod-identity-associations --cluster-name {} --namespace kube-system \
                 --service-account ebs-csi-controller-sa",
                clues.cluster()
            ),
        });
    }
    Some(Because {
        message: format!("{title}: no volume could be made: {}", brief(said)),
        next: format!(
            "kubectl describe pvc -n {} {}",
            text(&meta["namespace"]),
            text(&meta["name"])
        ),
    })
}

fn is_denied(said: &str) -> bool {
    [
        "UnauthorizedOperation",
        "AccessDenied",
        "not authorized",
        "NoCredentialProviders",
        "no EC2 IMDS role found",
        "get credentials",
        "failed to refresh cached credentials",
    ]
    .iter()
    .any(|word| said.contains(word))
}
