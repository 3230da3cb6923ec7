//! How the cluster behaves as a whole: what a client sees after a write and a
//! reconciliation.

use serde_json::{Value, json};

use super::*;

fn world() -> World {
    World::new("2026-11-22T14:00:00Z".parse().unwrap())
}

fn advance(world: &mut World, seconds: i64) {
    let now = world.now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    world.set_now(now);
}

fn deployment(name: &str, replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "main", "image": image, "resources": {"requests": {"cpu": "500m"}},
                }]},
            },
        },
    })
}

fn get(world: &mut World, what: &str, namespace: &str, name: &str) -> Value {
    let cluster = Cluster::open(world);
    let ty = cluster.resolve(what).unwrap();
    cluster.get(&ty, namespace, name).unwrap().clone()
}

fn list(world: &mut World, what: &str) -> Vec<Value> {
    let cluster = Cluster::open(world);
    let ty = cluster.resolve(what).unwrap();
    cluster.list(&ty, Some("default"), &ListOptions::default()).into_iter().cloned().collect()
}

fn create(world: &mut World, object: Value) -> Result<Written, Status> {
    let mut cluster = Cluster::open(world);
    let text = |p: &str| object.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ty = cluster.type_of(&text("/apiVersion"), &text("/kind")).unwrap();
    let namespace = match text("/metadata/namespace") {
        n if n.is_empty() => "default".to_owned(),
        n => n,
    };
    let written = cluster.create(&ty, &namespace, object, &WriteOptions::by("kubectl-create"))?;
    cluster.reconcile();
    Ok(written)
}

fn apply(world: &mut World, object: &Value, manager: &str, force: bool) -> Result<Written, Status> {
    let mut cluster = Cluster::open(world);
    let text = |p: &str| object.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ty = cluster.type_of(&text("/apiVersion"), &text("/kind")).unwrap();
    let patch = Patch::Apply { object: object.clone(), force };
    let name = text("/metadata/name");
    let written = cluster.patch(&ty, "default", &name, &patch, &WriteOptions::by(manager))?;
    cluster.reconcile();
    Ok(written)
}

fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    store::condition(object, kind).unwrap()
}

#[test]
fn a_deployment_without_nodes_waits_and_says_why() {
    let mut world = world();
    create(&mut world, deployment("web", 2, "web:1")).unwrap();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["status"]["replicas"], 2);
    assert_eq!(web["status"]["unavailableReplicas"], 2);
    assert_eq!(web["status"].get("availableReplicas"), None);
    assert_eq!(condition(&web, "Available")["reason"], "MinimumReplicasUnavailable");
    assert_eq!(condition(&web, "Progressing")["status"], "True");
    for pod in list(&mut world, "pods") {
        assert_eq!(pod["status"]["phase"], "Pending");
        let scheduled = condition(&pod, "PodScheduled");
        assert_eq!(scheduled["status"], "False");
        assert_eq!(scheduled["message"], "no nodes available to schedule pods");
    }
    assert!(Cluster::open(&mut world).next_due().is_some());
    advance(&mut world, 601);
    Cluster::open(&mut world).reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(condition(&web, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(condition(&web, "Progressing")["status"], "False");
}

#[test]
fn a_node_makes_pending_pods_run() {
    let mut world = world();
    create(&mut world, deployment("web", 3, "web:1")).unwrap();
    advance(&mut world, 10);
    let mut cluster = Cluster::open(&mut world);
    cluster.add_node("a", "1", "4Gi");
    cluster.reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["status"]["availableReplicas"], 2);
    let mut cluster = Cluster::open(&mut world);
    cluster.add_node("b", "1", "4Gi");
    cluster.reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["status"]["availableReplicas"], 3);
    assert_eq!(web["status"].get("unavailableReplicas"), None);
    assert_eq!(condition(&web, "Progressing")["reason"], "NewReplicaSetAvailable");
    let hosts: std::collections::BTreeSet<String> =
        list(&mut world, "pods").iter().map(|p| p["spec"]["nodeName"].to_string()).collect();
    assert_eq!(hosts.len(), 2);
    Cluster::open(&mut world).remove_nodes();
    Cluster::open(&mut world).reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["status"]["unavailableReplicas"], 3);
    assert!(list(&mut world, "pods").iter().all(|p| p["status"]["phase"] == "Pending"));
}

#[test]
fn a_new_template_rolls_to_a_new_replica_set() {
    let mut world = world();
    Cluster::open(&mut world).add_node("a", "8", "16Gi");
    create(&mut world, deployment("web", 4, "web:1")).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("deploy").unwrap();
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "image": "web:2"},
    ]}}}}));
    cluster.patch(&ty, "default", "web", &patch, &WriteOptions::by("kubectl")).unwrap();
    cluster.reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    assert_eq!(web["metadata"]["generation"], 2);
    assert_eq!(web["status"]["observedGeneration"], 2);
    assert_eq!(web["status"]["updatedReplicas"], 4);
    assert_eq!(web["status"]["replicas"], 4);
    assert_eq!(list(&mut world, "rs").len(), 2);
    let pods = list(&mut world, "pods");
    assert_eq!(pods.len(), 4);
    assert!(pods.iter().all(|p| p["spec"]["containers"][0]["image"] == "web:2"));
}

#[test]
fn a_rollout_that_cannot_start_keeps_the_old_pods() {
    let mut world = world();
    Cluster::open(&mut world).add_node("a", "8", "16Gi");
    create(&mut world, deployment("web", 4, "web:1")).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let message = "not found".to_owned();
    cluster.set_fault(&Fault {
        target: Target::Image("web:2".into()),
        trouble: Trouble::ImagePull { message },
    });
    let ty = cluster.resolve("deploy").unwrap();
    let mut changed = cluster.get(&ty, "default", "web").unwrap().clone();
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    cluster.update(&ty, "default", changed, &WriteOptions::by("kubectl")).unwrap();
    cluster.reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    // 25% of 4 may be missing, 25% may be too many.
    assert_eq!(web["status"]["availableReplicas"], 3);
    assert_eq!(web["status"]["updatedReplicas"], 2);
    let pods = list(&mut world, "pods");
    let waiting: Vec<&Value> = pods
        .iter()
        .filter_map(|p| p.pointer("/status/containerStatuses/0/state/waiting"))
        .collect();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0]["reason"], "ImagePullBackOff");
    let mut cluster = Cluster::open(&mut world);
    cluster.clear_faults();
    cluster.reconcile();
    let web = get(&mut world, "deploy", "default", "web");
    assert_eq!(web["status"]["availableReplicas"], 4);
    assert_eq!(web["status"]["updatedReplicas"], 4);
}

#[test]
fn faults_show_in_the_container_status() {
    let mut world = world();
    let mut cluster = Cluster::open(&mut world);
    cluster.add_node("a", "8", "16Gi");
    let target = Target::Workload { namespace: "default".into(), name: "web".into() };
    let trouble = Trouble::CrashLoop { exit_code: 1, restarts: 5 };
    cluster.set_fault(&Fault { target: target.clone(), trouble });
    create(&mut world, deployment("web", 1, "web:1")).unwrap();
    let status = list(&mut world, "pods")[0]["status"].clone();
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["containerStatuses"][0]["restartCount"], 5);
    assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    let mut cluster = Cluster::open(&mut world);
    cluster.set_fault(&Fault { target: target.clone(), trouble: Trouble::NeverReady });
    cluster.reconcile();
    let pod = list(&mut world, "pods").remove(0);
    assert_eq!(condition(&pod, "Ready")["reason"], "ContainersNotReady");
    let mut cluster = Cluster::open(&mut world);
    cluster.clear_fault(&target);
    cluster.set_fault(&Fault { target, trouble: Trouble::Slow { seconds: 30 } });
    let ty = cluster.resolve("pods").unwrap();
    let name =
        cluster.list(&ty, Some("default"), &ListOptions::default())[0]["metadata"]["name"].clone();
    cluster.delete(&ty, "default", name.as_str().unwrap(), &DeleteOptions::default()).unwrap();
    cluster.reconcile();
    let due = cluster.next_due();
    assert!(due.is_some());
    let pod = list(&mut world, "pods").remove(0);
    assert_eq!(
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "ContainerCreating"
    );
    advance(&mut world, 30);
    Cluster::open(&mut world).reconcile();
    let pod = list(&mut world, "pods").remove(0);
    assert!(store::is_true(&pod, "Ready"));
}

#[test]
fn deleting_an_owner_removes_what_it_owns() {
    let mut world = world();
    Cluster::open(&mut world).add_node("a", "8", "16Gi");
    create(&mut world, deployment("web", 2, "web:1")).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("deploy").unwrap();
    cluster.delete(&ty, "default", "web", &DeleteOptions::default()).unwrap();
    cluster.reconcile();
    assert!(list(&mut world, "rs").is_empty());
    assert!(list(&mut world, "pods").is_empty());
    create(&mut world, deployment("web", 2, "web:1")).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let options = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
    cluster.delete(&ty, "default", "web", &options).unwrap();
    cluster.reconcile();
    assert_eq!(list(&mut world, "rs").len(), 1);
    assert_eq!(list(&mut world, "pods").len(), 2);
}

#[test]
fn finalizers_hold_objects_and_namespaces() {
    let mut world = world();
    create(&mut world, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}))
        .unwrap();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "x", "finalizers": ["a/b"]}});
    create(&mut world, object).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let namespaces = cluster.resolve("ns").unwrap();
    let maps = cluster.resolve("cm").unwrap();
    cluster.delete(&namespaces, "", "x", &DeleteOptions::default()).unwrap();
    cluster.reconcile();
    let ns = cluster.get(&namespaces, "", "x").unwrap();
    assert_eq!(ns["status"]["phase"], "Terminating");
    assert_eq!(
        condition(ns, "NamespaceContentRemaining")["message"],
        "Some resources are remaining: configmaps has 1 resource instances"
    );
    let refused = create(
        &mut world,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "x"}}),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        "configmaps \"new\" is forbidden: unable to create new content in namespace x because it is being \
         terminated"
    );
    let mut cluster = Cluster::open(&mut world);
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster.patch(&maps, "x", "held", &patch, &WriteOptions::by("test")).unwrap();
    cluster.reconcile();
    assert!(cluster.get(&namespaces, "", "x").is_err());
    assert!(cluster.delete(&namespaces, "", "default", &DeleteOptions::default()).is_err());
}

#[test]
fn refusals_are_in_kubernetes_words() {
    let mut world = world();
    let refused = |world: &mut World, object: Value| create(world, object).unwrap_err();
    create(&mut world, deployment("web", 1, "web:1")).unwrap();
    let again = refused(&mut world, deployment("web", 1, "web:1"));
    assert_eq!(again.to_string(), "deployments.apps \"web\" already exists");
    assert_eq!((again.reason, again.reason.code()), (Reason::AlreadyExists, 409));
    let mut wrong = deployment("other", 1, "x");
    wrong["spec"]["selector"] = json!({"matchLabels": {"app": "no"}});
    assert_eq!(
        refused(&mut world, wrong).to_string(),
        "Deployment.apps \"other\" is invalid: spec.template.metadata.labels: Invalid value: \
         {\"app\":\"other\"}: `selector` does not match template `labels`"
    );
    let mut elsewhere = deployment("web", 1, "x");
    elsewhere["metadata"]["namespace"] = json!("nowhere");
    assert_eq!(refused(&mut world, elsewhere).to_string(), "namespaces \"nowhere\" not found");
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("deploy").unwrap();
    let mut stale = cluster.get(&ty, "default", "web").unwrap().clone();
    stale["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(
        cluster.update(&ty, "default", stale, &WriteOptions::by("x")).unwrap_err().to_string(),
        "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    let patch = Patch::Merge(json!({"spec": {"selector": {"matchLabels": {"app": "other"}},
        "template": {"metadata": {"labels": {"app": "other"}}}}}));
    assert_eq!(
        cluster
            .patch(&ty, "default", "web", &patch, &WriteOptions::by("x"))
            .unwrap_err()
            .to_string(),
        "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: \
         {\"matchLabels\":{\"app\":\"other\"}}: field is immutable"
    );
}

#[test]
fn apply_owns_what_it_names_and_refuses_what_others_own() {
    let mut world = world();
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data});
    let first = apply(&mut world, &map(json!({"a": "1", "b": "1"})), "one", false).unwrap();
    assert_eq!(first.change, Change::Created);
    let again = apply(&mut world, &map(json!({"a": "1", "b": "1"})), "one", false).unwrap();
    assert_eq!(again.change, Change::Unchanged);
    // The same value may have two owners; another value is a conflict.
    apply(&mut world, &map(json!({"a": "1"})), "two", false).unwrap();
    let refused = apply(&mut world, &map(json!({"a": "2"})), "two", false).unwrap_err();
    assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    assert_eq!(refused.reason, Reason::Conflict);
    assert_eq!(refused.details["causes"][0]["field"], ".data.a");
    let forced = apply(&mut world, &map(json!({"a": "2"})), "two", true).unwrap();
    assert_eq!(forced.object["data"], json!({"a": "2", "b": "1"}));
    // What an applier no longer names goes, unless another has it.
    let dropped = apply(&mut world, &map(json!({})), "one", false).unwrap();
    assert_eq!(dropped.object["data"], json!({"a": "2"}));
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("cm").unwrap();
    let patch = Patch::Merge(json!({"data": {"c": "3", "a": "3"}}));
    cluster.patch(&ty, "default", "m", &patch, &WriteOptions::by("edit")).unwrap();
    let refused = apply(&mut world, &map(json!({"a": "4", "c": "4"})), "two", false).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"edit\" using v1:\n- .data.a\n- .data.c"
    );
}

#[test]
fn applied_list_items_come_and_go_by_key() {
    let mut world = world();
    let with_env = |names: &[&str]| {
        let mut object = deployment("web", 1, "web:1");
        let env: Vec<Value> = names.iter().map(|n| json!({"name": n, "value": "1"})).collect();
        object["spec"]["template"]["spec"]["containers"][0]["env"] = json!(env);
        object
    };
    apply(&mut world, &with_env(&["A", "B"]), "helm", false).unwrap();
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("deploy").unwrap();
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "env": [{"name": "C", "value": "1"}]},
    ]}}}}));
    cluster.patch(&ty, "default", "web", &patch, &WriteOptions::by("edit")).unwrap();
    let written = apply(&mut world, &with_env(&["B"]), "helm", false).unwrap();
    let env = &written.object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(env, &json!([{"name": "B", "value": "1"}, {"name": "C", "value": "1"}]));
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut world = world();
    Cluster::open(&mut world);
    world.take_changes();
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("deploy").unwrap();
    let options = WriteOptions::by("x").dry_run(true);
    let written = cluster.create(&ty, "default", deployment("web", 1, "web"), &options).unwrap();
    assert_eq!(written.object["spec"]["strategy"]["type"], "RollingUpdate");
    cluster.reconcile();
    assert!(world.take_changes().is_empty());
}

#[test]
fn custom_types_come_and_go_with_their_definition() {
    let mut world = world();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "pools.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"kind": "Pool", "plural": "pools", "shortNames": ["pl"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {
                    "spec": {"type": "object", "required": ["size"], "properties": {
                        "size": {"type": "integer"},
                        "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                    }},
                    "status": {"type": "object"},
                }}}}],
        },
    });
    create(&mut world, definition).unwrap();
    let crd = get(&mut world, "crd", "", "pools.example.com");
    assert_eq!(condition(&crd, "Established")["status"], "True");
    let pool = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Pool", "metadata": {"name": "p"}, "spec": spec});
    let refused = create(&mut world, pool(json!({"mode": "c"}))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Pool.example.com \"p\" is invalid: [spec.size: Required value, spec.mode: Unsupported value: \"c\": \
         supported values: \"a\", \"b\"]"
    );
    let made = create(&mut world, pool(json!({"size": 1, "unknown": 1}))).unwrap();
    assert_eq!(made.object["spec"], json!({"size": 1, "mode": "a"}));
    assert_eq!(get(&mut world, "pl", "", "p")["metadata"]["generation"], 1);
    let mut cluster = Cluster::open(&mut world);
    let ty = cluster.resolve("crd").unwrap();
    cluster.delete(&ty, "", "pools.example.com", &DeleteOptions::default()).unwrap();
    cluster.reconcile();
    assert!(cluster.resolve("pools").is_none());
    assert_eq!(world.scan("k8s/object/example.com/").count(), 0);
}

#[test]
fn stateful_and_daemon_sets_and_jobs_reach_their_end() {
    let mut world = world();
    let mut cluster = Cluster::open(&mut world);
    cluster.add_node("a", "8", "16Gi");
    cluster.add_node("b", "8", "16Gi");
    let template = json!({
        "metadata": {"labels": {"app": "x"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    });
    let workload = |kind: &str, spec: Value| {
        let mut object =
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
        object["spec"]["template"] = template.clone();
        object["spec"]["selector"] = json!({"matchLabels": {"app": "x"}});
        object
    };
    create(&mut world, workload("StatefulSet", json!({"replicas": 3, "serviceName": "x"})))
        .unwrap();
    let set = get(&mut world, "sts", "default", "x");
    assert_eq!(
        (&set["status"]["readyReplicas"], &set["status"]["updatedReplicas"]),
        (&json!(3), &json!(3))
    );
    create(&mut world, workload("DaemonSet", json!({}))).unwrap();
    let set = get(&mut world, "ds", "default", "x");
    assert_eq!(
        (&set["status"]["numberReady"], &set["status"]["desiredNumberScheduled"]),
        (&json!(2), &json!(2))
    );
    let mut job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {}});
    job["spec"]["template"] = template.clone();
    job["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    create(&mut world, job).unwrap();
    let job = get(&mut world, "job", "default", "x");
    assert_eq!(condition(&job, "Complete")["status"], "True");
    assert_eq!(job["status"]["succeeded"], 1);
    // Another template replaces all pods.
    for what in ["sts", "ds"] {
        let mut cluster = Cluster::open(&mut world);
        let ty = cluster.resolve(what).unwrap();
        let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [
            {"name": "c", "image": "i:2"},
        ]}}}}));
        cluster.patch(&ty, "default", "x", &patch, &WriteOptions::by("x")).unwrap();
        cluster.reconcile();
    }
    let pods = list(&mut world, "pods");
    let new = pods.iter().filter(|p| p["spec"]["containers"][0]["image"] == "i:2").count();
    assert_eq!(new, 5);
}

#[test]
fn a_budget_counts_healthy_pods() {
    let mut world = world();
    Cluster::open(&mut world).add_node("a", "8", "16Gi");
    create(&mut world, deployment("web", 2, "web:1")).unwrap();
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    create(&mut world, budget).unwrap();
    let budget = get(&mut world, "pdb", "default", "web");
    let status = &budget["status"];
    assert_eq!((&status["disruptionsAllowed"], &status["expectedPods"]), (&json!(1), &json!(2)));
    assert_eq!(condition(&budget, "DisruptionAllowed")["reason"], "SufficientPods");
    Cluster::open(&mut world).remove_nodes();
    Cluster::open(&mut world).reconcile();
    assert_eq!(get(&mut world, "pdb", "default", "web")["status"]["disruptionsAllowed"], 0);
}

#[test]
fn the_same_commands_give_the_same_world() {
    let run = || {
        let mut world = world();
        Cluster::open(&mut world).add_node("a", "8", "16Gi");
        create(&mut world, deployment("web", 3, "web:1")).unwrap();
        let all: Vec<(String, Value)> =
            world.scan("").map(|(k, v)| (k.to_owned(), v.clone())).collect();
        all
    };
    assert_eq!(run(), run());
    assert!(run().iter().all(|(key, _)| !key.starts_with("k8s/dirty/")));
}

#[test]
fn thousands_of_objects_stay_fast() {
    let mut world = world();
    let mut cluster = Cluster::open(&mut world);
    for n in 0..40 {
        cluster.add_node(&format!("n{n}"), "64", "256Gi");
    }
    create(&mut world, deployment("big", 2000, "web:1")).unwrap();
    let big = get(&mut world, "deploy", "default", "big");
    assert_eq!(big["status"]["availableReplicas"], 2000);
    world.take_changes();
    let before = std::time::Instant::now();
    for n in 0..100 {
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{n}")}});
        create(&mut world, map).unwrap();
    }
    // Generous: it takes a few milliseconds unless each command looks at all pods.
    assert!(before.elapsed().as_millis() < 1000, "{:?}", before.elapsed());
}
