//! The `DaemonSet` controller: one pod on each node that will take it.

use serde_json::{Value, json};

use super::super::store::{self, Key};
use super::Control;
use super::deployment::template_hash;
use super::events::Weight;
use super::own_pod::REVISION;
use super::replica_set::put_count;
use super::scheduler::Machines;

/// Taints that the pods of every daemon set tolerate.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

impl Control<'_> {
    pub(super) fn daemon_set(&mut self, key: &Key) {
        let Some(mut set) = self.object(key) else { return };
        if set.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let revision = template_hash(&set);
        let mut sample = json!({
            "metadata": {"namespace": key.namespace(), "labels": set.pointer("/spec/template/metadata/labels")},
            "spec": set.pointer("/spec/template/spec"),
        });
        tolerate(&mut sample);
        let nodes = match self.machines.take() {
            Some(machines) => self.machines.insert(machines).suitable(&sample),
            None => self.machines.insert(Machines::read(self.world)).suitable(&sample),
        };
        let pods = self.pods_of(&set);
        let mut waiting = pods.iter().any(|pod| pod.revision == revision && !pod.ready);
        for pod in &pods {
            if !nodes.contains(&pod.made_for) {
                self.delete(&pod.key);
            } else if pod.revision != revision && !waiting {
                self.delete(&pod.key);
                waiting = true;
            }
        }
        let pods = self.pods_of(&set);
        for node in &nodes {
            if pods.iter().any(|pod| pod.made_for == *node) {
                continue;
            }
            let name = format!("{}-{}", key.name(), store::next_suffix(self.world, false));
            let made = self.make_pod(&set, &name, |pod| {
                pod["metadata"]["generateName"] = json!(format!("{}-", key.name()));
                pod["metadata"]["labels"][REVISION] = json!(revision);
                pod["spec"]["affinity"]["nodeAffinity"] = json!({
                    "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]},
                    ]},
                });
                tolerate(pod);
            });
            let (weight, reason, message) = match made {
                Ok(()) => (Weight::Normal, "SuccessfulCreate", format!("Created pod: {name}")),
                Err(why) => (Weight::Warning, "FailedCreate", format!("Error creating: {why}")),
            };
            self.event(&set, "daemonset-controller", weight, reason, &message);
        }
        let pods = self.pods_of(&set);
        let count = self.count(key, &set, &pods);
        let desired = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
        let updated = pods.iter().filter(|pod| pod.revision == revision).count();
        let mut status = json!({
            "currentNumberScheduled": count.all,
            "desiredNumberScheduled": desired,
            "numberMisscheduled": 0,
            "numberReady": count.ready,
            "observedGeneration": set["metadata"]["generation"],
        });
        put_count(&mut status, "numberAvailable", count.available);
        put_count(&mut status, "numberUnavailable", desired - count.available);
        put_count(
            &mut status,
            "updatedNumberScheduled",
            i64::try_from(updated).unwrap_or(i64::MAX),
        );
        set["status"] = status;
        self.put(key, set);
    }
}

fn tolerate(pod: &mut Value) {
    let all = TOLERATED
        .iter()
        .map(|(key, effect)| json!({"key": key, "operator": "Exists", "effect": effect}));
    match pod.pointer_mut("/spec/tolerations").and_then(Value::as_array_mut) {
        Some(tolerations) => tolerations.extend(all),
        None => pod["spec"]["tolerations"] = all.collect(),
    }
}
