//! What happens to pods and nodes: pods are put on nodes, start there, and go
//! when their node goes or repels them.

use serde_json::{Value, json};

use super::super::admit::text;
use super::super::store::{self, Key};
use super::Control;
use super::events::Weight;
use super::scheduler::Machines;
use super::wish::tolerates;

/// `k8s/pending/KEY`: pods that no node takes.
const PENDING: &str = "k8s/pending/";

impl Control<'_> {
    pub(super) fn pod(&mut self, key: &Key) {
        let Some(pod) = self.object(key) else {
            self.world.remove(&format!("{PENDING}{}", key.as_str()));
            self.machines = None;
            self.retry_pending();
            self.touch_budgets(key.namespace());
            return;
        };
        let pod = if text(&pod, "/spec/nodeName").is_empty() {
            self.schedule(key, pod)
        } else {
            Some(pod)
        };
        if let Some(pod) = pod {
            self.start(key, pod);
        }
        self.touch_budgets(key.namespace());
    }

    fn touch_budgets(&mut self, namespace: &str) {
        self.touch_all(&format!(
            "{}{namespace}/",
            store::type_prefix("policy", "poddisruptionbudgets")
        ));
    }

    /// Lets the scheduler try all pending pods again.
    fn retry_pending(&mut self) {
        let keys: Vec<Key> = self
            .world
            .scan(PENDING)
            .filter_map(|(key, _)| Key::parse(key.strip_prefix(PENDING)?))
            .collect();
        for key in keys {
            store::touch(self.world, &key);
        }
    }

    /// Puts a pod on a node. Answers the pod where that worked.
    fn schedule(&mut self, key: &Key, mut pod: Value) -> Option<Value> {
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            return None;
        }
        let machines = match self.machines.take() {
            Some(machines) => machines,
            None => Machines::read(self.world),
        };
        let machines = self.machines.insert(machines);
        let place = machines.place(&pod);
        if let Ok(node) = &place {
            machines.bind(node, &pod);
        }
        let now = self.now.clone();
        match place {
            Ok(node) => {
                pod["spec"]["nodeName"] = json!(node);
                let condition =
                    json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null});
                store::set_condition(&mut pod, condition, &now);
                self.world.remove(&format!("{PENDING}{}", key.as_str()));
                let message =
                    format!("Successfully assigned {}/{} to {node}", key.namespace(), key.name());
                self.event(&pod, "default-scheduler", Weight::Normal, "Scheduled", &message);
                Some(pod)
            }
            Err(message) => {
                self.world.put(format!("{PENDING}{}", key.as_str()), Value::Null);
                let condition = json!({
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": message,
                    "lastProbeTime": null,
                    "observedGeneration": pod.pointer("/metadata/generation"),
                });
                store::set_condition(&mut pod, condition, &now);
                // As in a real cluster, a pod whose reason changes gets no new
                // event: its condition is what tells the present reason.
                if !self.has_event(&pod, "FailedScheduling") {
                    self.event(
                        &pod,
                        "default-scheduler",
                        Weight::Warning,
                        "FailedScheduling",
                        &message,
                    );
                }
                self.put(key, pod);
                None
            }
        }
    }

    pub(super) fn node(&mut self, key: &Key) {
        self.machines = None;
        let taints = match self.object(key) {
            Some(node) => node.pointer("/spec/taints").and_then(Value::as_array).cloned(),
            None => None,
        };
        let gone = self.object(key).is_none();
        let evicting: Vec<Value> = taints
            .into_iter()
            .flatten()
            .filter(|t| t.get("effect").is_some_and(|e| e == "NoExecute"))
            .collect();
        if gone || !evicting.is_empty() {
            let pods = self.world.scan(&store::type_prefix("", "pods"));
            let leaving: Vec<Key> = pods
                .filter(|(_, pod)| {
                    pod.pointer("/spec/nodeName").and_then(Value::as_str) == Some(key.name())
                })
                .filter(|(_, pod)| gone || evicting.iter().any(|taint| !tolerates(pod, taint)))
                .filter_map(|(key, _)| Key::parse(key))
                .collect();
            for pod in leaving {
                store::remove(self.world, &pod);
            }
        }
        self.retry_pending();
        self.touch_all(&store::type_prefix("apps", "daemonsets"));
    }
}
