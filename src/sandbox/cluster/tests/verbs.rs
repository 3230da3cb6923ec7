//! Tests of the verbs: refusals, apply, deletion, custom types.

use super::*;

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
    for (what, object) in [
        (
            "svc",
            json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 1}]}}),
        ),
        (
            "po",
            json!({"metadata": {"generateName": "p-"},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}),
        ),
    ] {
        let ty = cluster.resolve(what).unwrap();
        cluster.create(&ty, "default", object, &options).unwrap();
    }
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
