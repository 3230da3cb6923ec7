//! What a new control plane has before anyone uses it.

use serde_json::{Value, json};

use super::Cluster;
use super::store::{self, Key};

impl Cluster<'_> {
    /// Puts in what a new control plane has, once.
    pub(super) fn prepare(&mut self) {
        if self.world.get(store::BORN).is_some() {
            return;
        }
        let now = store::time_text(self.world.now());
        self.world.put(store::BORN, Value::from(now.clone()));
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            self.plant(
                &Key::new("", "namespaces", "", name),
                json!({
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"labels": {"kubernetes.io/metadata.name": name}},
                    "spec": {"finalizers": ["kubernetes"]},
                    "status": {"phase": "Active"},
                }),
            );
        }
        self.plant(
            &Key::new("", "services", "default", "kubernetes"),
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"labels": {"component": "apiserver", "provider": "kubernetes"}},
                "spec": {
                    "clusterIP": "10.100.0.1",
                    "clusterIPs": ["10.100.0.1"],
                    "internalTrafficPolicy": "Cluster",
                    "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack",
                    "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}],
                    "sessionAffinity": "None",
                    "type": "ClusterIP",
                },
                "status": {"loadBalancer": {}},
            }),
        );
        for (name, value, description) in [
            (
                "system-cluster-critical",
                2_000_000_000,
                "Used for system critical pods that must run in the cluster, but can be moved to another node \
                 if necessary.",
            ),
            (
                "system-node-critical",
                2_000_001_000,
                "Used for system critical pods that must not be moved from their current node.",
            ),
        ] {
            self.plant(
                &Key::new("scheduling.k8s.io", "priorityclasses", "", name),
                json!({
                    "apiVersion": "scheduling.k8s.io/v1",
                    "kind": "PriorityClass",
                    "metadata": {"generation": 1},
                    "value": value,
                    "description": description,
                    "preemptionPolicy": "PreemptLowerPriority",
                }),
            );
        }
        self.reconcile();
    }

    fn plant(&mut self, key: &Key, mut object: Value) {
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name());
        if !key.namespace().is_empty() {
            metadata["namespace"] = json!(key.namespace());
        }
        metadata["uid"] = json!(store::next_uid(self.world));
        metadata["creationTimestamp"] = json!(store::time_text(self.world.now()));
        store::put(self.world, key, object);
    }
}
