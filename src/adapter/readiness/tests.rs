//! Recorded answers and what they come to.

use serde_json::json;

use super::*;
use crate::adapter::Readiness as Verdict;
use crate::adapter::kube::testing::{fails, prints, read};

fn desired(spec: &Json) -> Result<Desired, Vec<Problem>> {
    let context = Context { name: "pods".into(), ..Context::default() };
    Readiness.desired(&Value::from_json(spec), &context)
}

fn pod(name: &str, phase: &str, ready: bool, owner: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "lake", "uid": name, "labels": {"app": owner},
            "ownerReferences": if owner.is_empty() { json!([]) } else { json!([{"kind": owner}]) },
        },
        "spec": {"containers": [{"name": "c"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        },
    })
}

fn deployment(ready: u64, wanted: u64) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "lake", "uid": "web", "generation": 1},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "ReplicaSet"}}},
        "status": {
            "observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted,
            "readyReplicas": ready, "availableReplicas": ready,
        },
    })
}

/// What stands in the way, by code; empty: it is ready.
fn verdict(spec: &Json, items: &[Json]) -> Vec<(String, String)> {
    let desired = desired(spec).unwrap();
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    let all = spec["workloads"].is_null();
    let listed: Vec<&Json> = items.iter().filter(|one| all || one["kind"] != "Pod").collect();
    let list = json!({"kind": "List", "items": listed});
    let pods: Vec<&Json> = items.iter().filter(|one| one["kind"] == "Pod").collect();
    let pods = json!({"kind": "PodList", "items": pods});
    let answer = |command: &str| {
        if command.contains("get pods -n") { prints(&pods) } else { prints(&list) }
    };
    let object = match read(&Readiness, &subject, answer).0.unwrap() {
        Reading::Live(Live::Present(object)) => object,
        other => panic!("{other:?}"),
    };
    match Readiness.readiness(&desired, &object) {
        Verdict::Ready => Vec::new(),
        Verdict::Waiting(blockers) => {
            blockers.into_iter().map(|one| (one.code, one.message)).collect()
        }
        Verdict::NotReady(_) => panic!("what may still come is waited for"),
    }
}

fn codes(spec: &Json, items: &[Json]) -> Vec<String> {
    verdict(spec, items).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn all_of_a_namespace() {
    let all = json!({"namespace": "lake"});
    let web = pod("web-1", "Running", true, "ReplicaSet");
    assert!(codes(&all, &[deployment(1, 1), web.clone()]).is_empty());
    assert_eq!(codes(&all, &[]), ["TooFewPods"], "no pods at all");
    assert_eq!(codes(&all, &[deployment(0, 0)]), ["TooFewPods"]);
    assert!(codes(&json!({"namespace": "lake", "atLeast": 0}), &[]).is_empty());
    let two = json!({"namespace": "lake", "atLeast": 2});
    assert_eq!(codes(&two, &[deployment(1, 1), web.clone()]), ["TooFewPods"]);

    // A workload whose pods are not there yet is no ready namespace.
    let told = verdict(&all, &[deployment(0, 2), web.clone()]);
    assert!(told[0].1.starts_with("namespace lake is not ready: deployment lake/web 0/2"));
    // A pod that nobody is asked about counts by itself.
    assert_eq!(codes(&all, &[web.clone(), pod("bare", "Pending", false, "")]).len(), 1);
    let mut going = pod("bare", "Running", false, "");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-22T14:00:00Z");
    assert!(codes(&all, &[web, going]).is_empty());
}

#[test]
fn pods_of_jobs_that_are_done_count_as_done() {
    let all = json!({"namespace": "lake"});
    let job = |conditions: Json, owner: Json| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "init", "namespace": "lake", "uid": "init", "ownerReferences": owner},
            "spec": {"selector": {"matchLabels": {"app": "Job"}}},
            "status": {"conditions": conditions},
        })
    };
    let done = pod("init-1", "Succeeded", false, "Job");
    let complete = json!([{"type": "Complete", "status": "True"}]);
    assert!(codes(&all, &[job(complete, json!([])), done.clone()]).is_empty());
    assert_eq!(codes(&all, &[job(json!([]), json!([])), done.clone()]), ["RolloutInProgress"]);
    let failed = json!([{"type": "Failed", "status": "True", "message": "limit"}]);
    assert_eq!(codes(&all, &[job(failed.clone(), json!([])), done.clone()]), ["JobFailed"]);
    // One run of a CronJob says nothing of the namespace.
    let run = job(failed, json!([{"kind": "CronJob"}]));
    assert!(codes(&all, &[run, done, pod("init-2", "Failed", false, "Job")]).is_empty());
}

#[test]
fn chosen_workloads() {
    let chosen = json!({"namespace": "lake", "workloads": ["Deployment/web"]});
    let (web, other) =
        (pod("web-1", "Running", true, "ReplicaSet"), pod("x", "Pending", false, ""));
    assert!(codes(&chosen, &[deployment(1, 1), web]).is_empty());
    assert_eq!(codes(&chosen, &[]), ["WorkloadMissing"]);
    // Of others' pods nothing is asked, and they do not count.
    assert_eq!(codes(&chosen, &[deployment(0, 0), other]), ["TooFewPods"]);
}

#[test]
fn an_answer_that_tells_nothing_is_no_readiness() {
    let desired = desired(&json!({"namespace": "lake"})).unwrap();
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    for answer in [
        fails("Unable to connect to the server: x"),
        prints(&json!({"kind": "PodList", "metadata": {"continue": "x"}, "items": []})),
        prints(&json!({"kind": "Status"})),
    ] {
        assert!(read(&Readiness, &subject, |_| answer.clone()).0.is_err());
    }
}

#[test]
fn hostile_names_and_times_are_refused() {
    for spec in [
        json!({"namespace": "--all-namespaces"}),
        json!({"namespace": "lake", "workloads": ["-A"]}),
        json!({"namespace": "lake", "workloads": ["Deployment/--all"]}),
        json!({"namespace": "lake", "workloads": ["Node/x"]}),
        json!({"namespace": "lake", "timeout": "soon"}),
        json!({"namespace": "lake", "timeout": "25h"}),
        json!({"namespace": "lake", "timeout": "0s"}),
    ] {
        assert_eq!(desired(&spec).unwrap_err().len(), 1, "{spec}");
    }
    let external = Context { name: "x".into(), external: true, ..Context::default() };
    let spec = Value::from_json(&json!({"namespace": "lake"}));
    assert!(Readiness.desired(&spec, &external).is_err());
}
