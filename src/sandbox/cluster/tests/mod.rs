//! How the cluster behaves as a whole: what a client sees after a write and a
//! reconciliation.

mod verbs;
mod workloads;

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
