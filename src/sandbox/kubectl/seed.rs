//! What a new EKS cluster with one node group holds before anything of ours is
//! installed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::addons;
use crate::sandbox::cluster::{Cluster, NodeSpec};
use crate::sandbox::world::World;

/// The nodes of the group, with the zone of each.
const NODES: &[(&str, &str)] = &[
    ("ip-192-168-12-34.us-east-2.compute.internal", "us-east-2a"),
    ("ip-192-168-56-78.us-east-2.compute.internal", "us-east-2b"),
];

/// Gives the world a cluster: its namespaces, two `t3.large` nodes, and the
/// add-ons that every EKS cluster comes with. What exists already stays.
pub fn seed(world: &mut World) {
    let mut cluster = Cluster::open(world);
    let nodes = cluster.type_of("v1", "Node");
    for (name, zone) in NODES {
        if nodes.as_ref().is_some_and(|nodes| cluster.get(nodes, "", name).is_ok()) {
            continue;
        }
        let labels: BTreeMap<String, String> = [
            ("node.kubernetes.io/instance-type", "t3.large"),
            ("topology.kubernetes.io/region", "us-east-2"),
            ("topology.kubernetes.io/zone", zone),
            ("eks.amazonaws.com/nodegroup", "standardworkers"),
            ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        // A t3.large takes 35 pods: three interfaces with twelve addresses each.
        cluster.put_node(&NodeSpec { labels, pods: 35, ..NodeSpec::new(name, "2", "8Gi") });
    }
    for object in [
        service_account("coredns"),
        service_account("eks-pod-identity-agent"),
        coredns(),
        dns_service(),
        identity_agent(),
    ] {
        addons::put(&mut cluster, &object);
    }
    cluster.reconcile();
}

/// A service account of the system.
pub(super) fn service_account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "kube-system"}})
}

/// The cluster's DNS servers.
pub(super) fn coredns() -> Value {
    let labels = json!({"k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{
                        "name": "coredns",
                        "image": "602401143452.dkr.ecr.us-east-2.amazonaws.com/eks/coredns:v1.12.4-eksbuild.1",
                        "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}],
                        "resources": {"requests": {"cpu": "100m", "memory": "70Mi"}, "limits": {"memory": "170Mi"}},
                    }],
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": "coredns",
                    "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
                },
            },
        },
    })
}

/// The service in front of them.
pub(super) fn dns_service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}],
            "selector": {"k8s-app": "kube-dns"},
        },
    })
}

/// What gives pods their roles.
pub(super) fn identity_agent() -> Value {
    let labels = json!({"app.kubernetes.io/name": "eks-pod-identity-agent"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "eks-pod-identity-agent", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{
                        "name": "eks-pod-identity-agent",
                        "image": "602401143452.dkr.ecr.us-east-2.amazonaws.com/eks/eks-pod-identity-agent:v0.1.34",
                    }],
                    "priorityClassName": "system-node-critical",
                    "serviceAccountName": "eks-pod-identity-agent",
                    "tolerations": [{"operator": "Exists"}],
                },
            },
        },
    })
}
