//! What the add-ons of EKS put into the cluster, in short: our own renditions,
//! with the names that people know and no more than is needed to be scheduled.

use serde_json::{Value, json};

use super::seed::{coredns, dns_service, identity_agent, service_account};
use crate::sandbox::cluster::{Cluster, DeleteOptions, Patch, WriteOptions};
use crate::sandbox::world::World;

const NAMESPACE: &str = "kube-system";
const REGISTRY: &str = "602401143452.dkr.ecr.us-east-2.amazonaws.com/eks";

/// The objects of an add-on; none of one that is not known here.
fn objects(addon: &str) -> Vec<Value> {
    match addon {
        "coredns" => vec![service_account("coredns"), coredns(), dns_service()],
        "eks-pod-identity-agent" => {
            vec![service_account("eks-pod-identity-agent"), identity_agent()]
        }
        "vpc-cni" => vec![service_account("aws-node"), on_nodes("aws-node", "aws-node", "25m")],
        "kube-proxy" => {
            vec![service_account("kube-proxy"), on_nodes("kube-proxy", "kube-proxy", "100m")]
        }
        "aws-ebs-csi-driver" => vec![
            service_account("ebs-csi-controller-sa"),
            service_account("ebs-csi-node-sa"),
            deployment("ebs-csi-controller", "ebs-csi-controller-sa", 2),
            on_nodes("ebs-csi-node", "ebs-csi-node-sa", "10m"),
        ],
        "aws-mountpoint-s3-csi-driver" => vec![
            service_account("s3-csi-driver-sa"),
            on_nodes("s3-csi-node", "s3-csi-driver-sa", "10m"),
        ],
        "metrics-server" => {
            vec![
                service_account("metrics-server"),
                deployment("metrics-server", "metrics-server", 2),
            ]
        }
        _ => Vec::new(),
    }
}

fn pod(name: &str, account: &str, cpu: &str, priority: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "containers": [{
                "name": name,
                "image": format!("{REGISTRY}/{name}:latest"),
                "resources": {"requests": {"cpu": cpu, "memory": "40Mi"}},
            }],
            "priorityClassName": priority,
            "serviceAccountName": account,
            "tolerations": [{"operator": "Exists"}],
        },
    })
}

fn on_nodes(name: &str, account: &str, cpu: &str) -> Value {
    let mut pod = pod(name, account, cpu, "system-node-critical");
    pod["spec"]["hostNetwork"] = json!(true);
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": pod},
    })
}

fn deployment(name: &str, account: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": pod(name, account, "10m", "system-cluster-critical"),
        },
    })
}

fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Puts an object of EKS's own into the namespace of the system.
pub(super) fn put(cluster: &mut Cluster<'_>, object: &Value) {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let Some(ty) = cluster.type_of(version, kind) else { return };
    let patch = Patch::Apply { object: object.clone(), force: true };
    let name = text(object, "/metadata/name");
    // The objects are valid and the namespace exists, so nothing is refused.
    let _ = cluster.patch(&ty, NAMESPACE, name, &patch, &WriteOptions::by("eks"));
}

/// Puts what an add-on consists of into the cluster.
pub fn put_addon(world: &mut World, addon: &str) {
    let mut cluster = Cluster::open(world);
    for object in objects(addon) {
        put(&mut cluster, &object);
    }
    cluster.reconcile();
}

/// Removes it again.
pub fn remove_addon(world: &mut World, addon: &str) {
    let mut cluster = Cluster::open(world);
    for object in objects(addon) {
        let (version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
        if let Some(ty) = cluster.type_of(version, kind) {
            // What someone else has deleted is gone as well.
            let name = text(&object, "/metadata/name");
            let _ = cluster.delete(&ty, NAMESPACE, name, &DeleteOptions::default());
        }
    }
    cluster.reconcile();
}

/// Whether the workloads of an add-on have all their pods ready. A daemon set
/// has, where there are no nodes.
pub fn addon_is_well(world: &mut World, addon: &str) -> bool {
    let mut cluster = Cluster::open(world);
    cluster.reconcile();
    objects(addon).iter().all(|object| {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let Some(ty) = cluster.type_of(version, kind) else { return false };
        let found = cluster.get(&ty, NAMESPACE, text(object, "/metadata/name"));
        let Ok(found) = found else { return false };
        let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        match kind {
            "Deployment" => number("/status/readyReplicas") >= number("/spec/replicas"),
            "DaemonSet" => {
                number("/status/numberReady") >= number("/status/desiredNumberScheduled")
            }
            _ => true,
        }
    })
}
