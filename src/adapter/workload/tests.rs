//! Tables of statuses and what they mean.

use serde_json::{Value as Json, json};

use super::*;

mod asking;
mod situations;

fn deployment(wanted: u64, available: u64) -> Json {
    json!({
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 3},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "web"}}},
        "status": {
            "observedGeneration": 3, "replicas": wanted, "updatedReplicas": wanted,
            "availableReplicas": available,
        },
    })
}

fn pod(name: &str, status: &Json) -> Json {
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web", "x": "y"}},
        "spec": {"containers": [{"name": "main", "readinessProbe": {"httpGet": {}}}]},
        "status": status,
    })
}

fn unschedulable(why: &str) -> Json {
    json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why},
    ]})
}

fn container(status: &Json) -> Json {
    let mut container = json!({"name": "main", "image": "shop/web:1", "restartCount": 0});
    for (key, value) in status.as_object().unwrap() {
        container[key] = value.clone();
    }
    json!({
        "phase": "Running",
        "conditions": [
            {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"},
        ],
        "containerStatuses": [container],
    })
}

/// The only obstacle, as `code message | next`, and whether it lasts.
fn obstacle(object: &Json, pods: &[Json]) -> (String, bool) {
    let found = assess([object], pods).obstacles;
    assert_eq!(found.len(), 1, "{found:?}");
    let Blocker { code, message, next } = &found[0].blocker;
    (format!("{code} {message} | {next}"), found[0].lasting)
}

#[test]
fn counts_and_generation_decide() {
    let ready = deployment(2, 2);
    let assessment = assess([&ready], []);
    assert_eq!(assessment.obstacles, []);
    assert_eq!(
        assessment.counts,
        [Count { workload: "deployment shop/web".into(), ready: 2, wanted: 2 }]
    );
    assert_eq!(assess([&deployment(0, 0)], []).obstacles, []);

    for (field, value, expected) in [
        ("observedGeneration", 2, "2/2: its controller has not seen the last change yet"),
        ("updatedReplicas", 1, "2/2: pods are being replaced"),
        ("replicas", 3, "2/2: pods are being replaced"),
        ("availableReplicas", 1, "1/2: waiting for pods"),
    ] {
        let mut changed = ready.clone();
        changed["status"][field] = value.into();
        let (text, lasting) = obstacle(&changed, &[]);
        assert_eq!(
            text,
            format!(
                "RolloutInProgress deployment shop/web {expected} | \
                 kubectl describe deployment -n shop web"
            )
        );
        assert!(!lasting);
    }
}

#[test]
fn pods_without_a_node_share_one_cause() {
    let why = "no nodes available to schedule pods";
    let pods = ["a", "b", "c", "d", "e"].map(|name| pod(name, &unschedulable(why)));
    assert_eq!(
        obstacle(&deployment(5, 0), &pods),
        (
            "PodsUnschedulable deployment shop/web 0/5: pods Pending: no nodes available to \
             schedule pods (a, b, c and 2 more) | kubectl get nodes"
                .into(),
            true
        )
    );
    let pods = [
        pod(
            "a",
            &unschedulable(
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, \
                 preemption: 0/1 nodes are available: 1 No preemption victims found.",
            ),
        ),
        pod("b", &json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
    ];
    assert_eq!(
        obstacle(&deployment(2, 1), &pods).0,
        "PodsUnschedulable deployment shop/web 1/2: pods Pending: 0/1 nodes are available: 1 \
         Insufficient cpu (a) | kubectl describe pod -n shop a"
    );
}

#[test]
fn containers_tell_why() {
    for (status, expected, lasts) in [
        (
            json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}),
            "ImagePullFailed deployment shop/web 0/1: container main can't get its image \
             shop/web:1: not found (a): docker.io has no such image or tag | correct the image in \
             the values: shop/web:1",
            true,
        ),
        (
            json!({
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
                "lastState": {"terminated": {
                    "exitCode": 1, "reason": "Error", "message": "starting\nno such table\n",
                }},
                "restartCount": 7,
            }),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code 1 \
             (Error): no such table (a) | kubectl logs -n shop a -c main --previous",
            true,
        ),
        (
            json!({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code \
             137 (OOMKilled) (a): its node ran out of memory | kubectl describe nodes",
            false,
        ),
        (
            json!({"state": {"waiting": {
                "reason": "CreateContainerConfigError", "message": "secret \"s\" not found",
            }}}),
            "ContainerNotCreated deployment shop/web 0/1: container main can't be started: secret \
             \"s\" not found (a) | kubectl get secret -n shop s",
            true,
        ),
        (
            json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
            "PodsStarting deployment shop/web 0/1: container main is being started \
             (ContainerCreating) (a) | kubectl describe pod -n shop a",
            false,
        ),
        (
            json!({
                "state": {"running": {}}, "ready": false, "restartCount": 1,
                "lastState": {"terminated": {"exitCode": 2}},
            }),
            "ContainerNotReady deployment shop/web 0/1: container main runs, but its readiness \
             probe does not succeed; exit code 2 (a) | kubectl describe pod -n shop a",
            false,
        ),
    ] {
        let pods = [pod("a", &container(&status))];
        assert_eq!(obstacle(&deployment(1, 0), &pods), (expected.into(), lasts));
    }
}

#[test]
fn others_pods_and_pods_on_their_way_out_do_not_count() {
    let mut elsewhere = pod("a", &unschedulable("x"));
    elsewhere["metadata"]["namespace"] = "other".into();
    let mut unlike = pod("b", &unschedulable("x"));
    unlike["metadata"]["labels"] = json!({"app": "db"});
    let mut leaving = pod("c", &unschedulable("x"));
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let (text, _) = obstacle(&deployment(1, 0), &[elsewhere, unlike, leaving]);
    assert!(text.starts_with("RolloutInProgress"), "{text}");
}

#[test]
fn a_workload_says_itself_what_is_in_the_way() {
    let mut quota = deployment(1, 0);
    quota["status"]["conditions"] = json!([
        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"},
    ]);
    assert_eq!(
        obstacle(&quota, &[]),
        (
            "PodsNotCreated deployment shop/web 0/1: pods can't be created: exceeded quota: small \
             | kubectl describe deployment -n shop web"
                .into(),
            true
        )
    );
    let mut late = deployment(1, 0);
    late["status"]["conditions"] = json!([{
        "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"web-1\" has timed out progressing.",
    }]);
    assert!(obstacle(&late, &[]).0.starts_with("RolloutStuck"));
    // What the pods tell is better, and lasts.
    let starting = json!({"state": {"running": {}}, "ready": false});
    let (text, lasting) = obstacle(&late, &[pod("a", &container(&starting))]);
    assert!(text.starts_with("ContainerNotReady") && lasting, "{text}");
}

#[test]
fn other_kinds_have_their_own_signs() {
    let object = |kind: &str, spec: Json, status: Json| {
        json!({
            "kind": kind, "metadata": {"name": "a", "namespace": "n"},
            "spec": spec, "status": status,
        })
    };
    let condition = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "message": "why"}]});
    for done in [
        object("StatefulSet", json!({"replicas": 1}), json!({"readyReplicas": 1})),
        object("DaemonSet", json!({}), json!({"desiredNumberScheduled": 0})),
        object("Job", json!({}), condition("Complete", "True")),
        object("Job", json!({"suspend": true}), json!({})),
        object("Pod", json!({}), json!({"phase": "Succeeded"})),
        object("PersistentVolumeClaim", json!({}), json!({"phase": "Bound"})),
        object("Service", json!({"type": "ClusterIP"}), json!({})),
        object(
            "Service",
            json!({"type": "LoadBalancer"}),
            json!({"loadBalancer": {"ingress": [{"hostname": "h"}]}}),
        ),
        object("CustomResourceDefinition", json!({}), condition("Established", "True")),
        object("NodePool", json!({}), condition("Ready", "True")),
        object("ConfigMap", json!({}), json!({})),
    ] {
        assert_eq!(assess([&done], []).obstacles, [], "{done}");
    }
    for (undone, expected, lasts) in [
        (
            object("StatefulSet", json!({"replicas": 2}), json!({"readyReplicas": 1})),
            "RolloutInProgress statefulset n/a 1/2: waiting for pods",
            false,
        ),
        (
            object(
                "StatefulSet",
                json!({"replicas": 1}),
                json!({"readyReplicas": 1, "updateRevision": "2", "currentRevision": "1"}),
            ),
            "RolloutInProgress statefulset n/a 1/1: pods are being replaced",
            false,
        ),
        (
            object("DaemonSet", json!({}), json!({"desiredNumberScheduled": 2})),
            "RolloutInProgress daemonset n/a 0/2: waiting for pods",
            false,
        ),
        (
            object("Job", json!({}), condition("Failed", "True")),
            "JobFailed job n/a 0/1: it failed: why",
            true,
        ),
        (
            object("PersistentVolumeClaim", json!({}), json!({"phase": "Pending"})),
            "VolumeUnbound persistentvolumeclaim n/a: no volume is bound to it (Pending)",
            false,
        ),
        (
            object("Service", json!({"type": "LoadBalancer"}), json!({"loadBalancer": {}})),
            "RolloutInProgress service n/a: no load balancer has an address for it yet",
            false,
        ),
        (
            object("NodePool", json!({}), condition("Ready", "False")),
            "RolloutInProgress nodepool n/a: not Ready: why",
            false,
        ),
        (
            object("Pod", json!({}), unschedulable("no nodes available to schedule pods")),
            "PodsUnschedulable pod n/a: pods Pending: no nodes available to schedule pods",
            true,
        ),
    ] {
        let (text, lasting) = obstacle(&undone, &[]);
        assert_eq!((text.split(" | ").next().unwrap(), lasting), (expected, lasts));
    }
}

#[test]
fn lasting_obstacles_make_it_not_ready_and_come_first() {
    let obstacle = |lasting, message: &str| Obstacle {
        lasting,
        blocker: Blocker { code: "C".into(), message: message.into(), next: "n".into() },
    };
    assert_eq!(readiness(&[], "x"), Readiness::Ready);
    let Readiness::Waiting(found) = readiness(&[obstacle(false, "a")], "release x is not ready")
    else {
        panic!("it only waits");
    };
    assert_eq!(found[0].message, "release x is not ready: a");
    let Readiness::NotReady(found) = readiness(&[obstacle(false, "a"), obstacle(true, "b")], "x")
    else {
        panic!("it lasts");
    };
    assert_eq!(found.iter().map(|b| b.message.as_str()).collect::<Vec<_>>(), ["x: b", "x: a"]);
}

#[test]
fn the_pods_of_what_is_not_done_can_be_asked_for() {
    assert_eq!(wanted_pods(&deployment(1, 1)), None);
    let mut object = deployment(1, 0);
    object["spec"]["selector"]["matchExpressions"] = json!([
        {"key": "t", "operator": "In", "values": ["a", "b"]},
        {"key": "u", "operator": "DoesNotExist"},
    ]);
    assert_eq!(wanted_pods(&object), Some(("shop".into(), "app=web,t in (a,b),!u".into())));
    let matching = pod("a", &unschedulable("x"));
    assert!(obstacle(&object, std::slice::from_ref(&matching)).0.starts_with("RolloutInProgress"));
    let mut labelled = matching;
    labelled["metadata"]["labels"]["t"] = "a".into();
    assert!(obstacle(&object, &[labelled]).0.starts_with("PodsUnschedulable"));
}
