//! Tests of the controllers: workloads, faults, nodes, speed.

use super::*;

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
fn thousands_of_objects_stay_fast() {
    let mut world = world();
    let mut cluster = Cluster::open(&mut world);
    for n in 0..10 {
        cluster.add_node(&format!("n{n}"), "64", "256Gi");
    }
    create(&mut world, deployment("big", 600, "web:1")).unwrap();
    let big = get(&mut world, "deploy", "default", "big");
    assert_eq!(big["status"]["availableReplicas"], 600);
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
