//! Whether pods that keep ending have the AWS role that is meant for them.
//!
//! EKS puts the way to a pod's credentials into its spec when the pod is made.
//! A pod that is older than its association never gets them, and one that has
//! them needs the agent on its node.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::clues::{Clue, Clues};
use super::pods::{Because, text};

/// What EKS writes into the containers of a pod with an association.
const CREDENTIALS: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The add-on that answers there.
const AGENT: &str = "eks-pod-identity-agent";

/// Whether a container of a pod was started and ended with an error.
fn is_crashing(pod: &Json) -> bool {
    pod["status"]["containerStatuses"].as_array().into_iter().flatten().any(|status| {
        let ended = |state: &Json| {
            let terminated = &state["terminated"];
            terminated["exitCode"].as_i64().is_some_and(|code| code != 0)
                && terminated["reason"] != "OOMKilled"
        };
        status["ready"] != true && (ended(&status["state"]) || ended(&status["lastState"]))
    })
}

fn has_credentials(pod: &Json) -> bool {
    pod["spec"]["containers"].as_array().into_iter().flatten().any(|container| {
        container["env"].as_array().into_iter().flatten().any(|env| env["name"] == CREDENTIALS)
    })
}

fn associations(pod: &Json) -> Clue {
    let account = text(&pod["spec"]["serviceAccountName"]);
    Clue::Associations {
        namespace: text(&pod["metadata"]["namespace"]).to_owned(),
        account: if account.is_empty() { "default" } else { account }.to_owned(),
    }
}

/// What to ask about a pod that keeps ending.
pub(super) fn wanted(pod: &Json, clues: &Clues, wanted: &mut BTreeSet<Clue>) {
    if !is_crashing(pod) || clues.cluster().is_empty() {
        return;
    }
    if has_credentials(pod) {
        wanted.extend([Clue::AddOns, Clue::Nodes]);
    } else {
        wanted.insert(associations(pod));
    }
}

/// Why a pod that keeps ending has no credentials, if it should have some.
pub(super) fn because(pod: &Json, clues: &Clues) -> Option<Because> {
    if !is_crashing(pod) {
        return None;
    }
    let meta = &pod["metadata"];
    if has_credentials(pod) {
        let missing = !clues.texts(&Clue::AddOns, "addons")?.contains(&AGENT);
        // Nodes of EKS Auto Mode have the agent built in.
        let auto =
            |node: &Json| node["metadata"]["labels"]["eks.amazonaws.com/compute-type"] == "auto";
        let built_in = clues.items(&Clue::Nodes)?.iter().any(auto);
        return (missing && !built_in).then(|| Because {
            message: format!(
                "its credentials come from the add-on {AGENT}, which is not installed"
            ),
            next: format!(
                "aws eks create-addon --cluster-name {} --addon-name {AGENT}",
                clues.cluster()
            ),
        });
    }
    let list = clues.get(&associations(pod))?["associations"].as_array()?;
    (!list.is_empty()).then(|| Because {
        message: "it was made before its pod identity association, so it has no credentials".into(),
        next: format!("kubectl delete pod -n {} {}", text(&meta["namespace"]), text(&meta["name"])),
    })
}
