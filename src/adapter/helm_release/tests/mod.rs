//! Tables: answers in the shapes that Helm and `kubectl` give, of a small
//! chart of our own, and what the adapter makes of them.

use std::collections::VecDeque;

use serde_json::{Value as Json, json};

mod reading;
mod steps;

use super::*;
use crate::adapter::{Health, Live, Prior, Verb};
use crate::command::{Answer, Command, Tool};
use crate::diff::kubernetes::tree_changes;
use crate::diff::{FieldChange, Origin};
use crate::value::{Map, Path};

const MANIFEST: &str = "---\n# Source: web/templates/all.yaml\napiVersion: v1\nkind: Secret\n\
    metadata:\n  name: web\nstringData:\n  token: canary-token\n---\n\
    apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
    spec:\n      containers:\n        - name: main\n          image: web:1\n          \
    resources: {limits: {cpu: 0.5}}\n";

fn secret() -> Json {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
        "data": {"token": "Y2FuYXJ5LXRva2Vu"},
    })
}

fn deployment(ready: u64) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {
            "replicas": 2, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"restartPolicy": "Always", "containers": [{
                    "name": "main", "image": "web:1", "imagePullPolicy": "IfNotPresent",
                    "resources": {"limits": {"cpu": "500m"}},
                }]},
            },
        },
        "status": {
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
            "availableReplicas": ready,
        },
    })
}

fn pods(why: Option<&str>) -> Json {
    let status = match why {
        None => json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
        Some(why) => json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
        }]}),
    };
    let pod = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main"}]}, "status": status,
        })
    };
    json!({"apiVersion": "v1", "kind": "PodList", "items": [pod("web-1"), pod("web-2")]})
}

/// An answer of Helm 4's `status`.
fn status(word: &str, description: &str) -> Json {
    json!({
        "name": "web", "namespace": "shop", "version": 3, "apply_method": "ssa",
        "config": {"replicas": 2}, "manifest": MANIFEST,
        "info": {
            "first_deployed": "2026-11-22T14:00:00Z", "last_deployed": "2026-11-22T15:00:00Z",
            "description": description, "status": word,
            "resources": {
                "v1/Deployment": [deployment(2)],
                "v1/Pod(related)": [pods(None)],
                "v1/Secret": [secret()],
            },
        },
    })
}

fn deployed() -> Json {
    status("deployed", "Upgrade complete")
}

fn metadata() -> Json {
    json!({
        "name": "web", "chart": "web", "version": "1.2.3", "appVersion": "9",
        "namespace": "shop", "revision": 3, "status": "deployed", "applyMethod": "ssa",
    })
}

fn printed(json: &Json) -> Answer {
    Answer { stdout: json.to_string(), ..Answer::default() }
}

fn failed(stderr: &str) -> Answer {
    Answer { code: 1, stderr: format!("{stderr}\n"), ..Answer::default() }
}

fn spec() -> Json {
    json!({
        "namespace": "shop", "chart": "oci://registry.example.org/charts/web", "version": "1.2.3",
        "values": {"replicas": 2},
    })
}

fn desired_of(spec: &Value) -> Desired {
    let context = Context { name: "web".into(), ..Context::default() };
    HelmRelease.desired(spec, &context).unwrap()
}

fn desired(spec: &Json) -> Desired {
    desired_of(&Value::from_json(spec))
}

/// Whether a command looks for the cause of what is not ready: see `workload`.
fn is_clue(command: &Command) -> bool {
    let kind = command.args.get(1).map_or("", String::as_str);
    command.tool == Tool::Kubectl
        && (["nodes", "events"].contains(&kind) || kind.contains(".karpenter."))
}

/// Reads with these answers, in the order of the questions; nobody may read the
/// clues to causes. Returns what was asked, and what came of it.
fn read_with(
    desired: Option<&Desired>,
    prior: Option<&Prior>,
    answers: &[Answer],
) -> (Vec<String>, Result<Live, String>) {
    let identity = desired.map(|d| &d.identity).or(prior.map(|p| &p.identity)).unwrap();
    let subject = Subject::alone(identity, desired, prior);
    let mut left: VecDeque<&Answer> = answers.iter().collect();
    let mut known = Answers::default();
    let mut asked = Vec::new();
    loop {
        match HelmRelease.read(&subject, &known) {
            Err(error) => {
                assert!(left.is_empty(), "{left:?} was not asked");
                return (asked, Err(format!("{}: {}", error.command, error.why)));
            }
            Ok(Reading::Live(live)) => {
                assert!(left.is_empty(), "{left:?} was not asked");
                return (asked, Ok(live));
            }
            Ok(Reading::Missing(why)) => return (asked, Err(why.message)),
            Ok(Reading::Ask(commands)) => {
                assert!(!commands.is_empty());
                for command in commands {
                    assert!(command.is_known_read(), "{command}");
                    if is_clue(&command) {
                        // Whoever may not read more is told less.
                        known.insert(&command, failed("Error from server (Forbidden): x"));
                        continue;
                    }
                    let answer = left.pop_front().unwrap_or_else(|| panic!("asks {command}"));
                    asked.push(command.to_string());
                    known.insert(&command, answer.clone());
                }
            }
        }
    }
}

fn object(desired: &Desired, answers: &[Answer]) -> (Vec<String>, Object) {
    match read_with(Some(desired), None, answers) {
        (asked, Ok(Live::Present(object))) => (asked, *object),
        (asked, other) => panic!("{other:?} after {asked:?}"),
    }
}

fn changes(object: &Object) -> Vec<String> {
    let tree = |attributes: &Map| attributes.get("objects").cloned();
    let desired = tree(&object.desired).unwrap();
    let (prior, live) = (tree(&object.prior), tree(&object.attributes));
    tree_changes(&Path::new("objects"), &desired, prior.as_ref(), live.as_ref())
        .iter()
        .map(|change| format!("{} {:?}", change.path, change.origin))
        .collect()
}

const STATUS: &str = "helm status web -n shop -o json";
const METADATA: &str = "helm get metadata web -n shop -o json";
const TEMPLATE: &str = "helm template web oci://registry.example.org/charts/web --version 1.2.3 \
                        -n shop -f - --is-upgrade --no-hooks";
