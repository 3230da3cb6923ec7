//! The `ReplicaSet` controller, and what all controllers of pods share: making
//! pods from a template and counting how they do.

use serde_json::{Value, json};

use super::super::admit::text;
use super::super::store::{self, Key};
use super::super::{Cluster, defaults, types};
use super::Control;
use super::events::Weight;

/// A count in a status: zeroes are left out, as the real ones do.
pub(super) fn put_count(status: &mut Value, name: &str, count: i64) {
    if count > 0 {
        status[name] = json!(count);
    } else if let Some(status) = status.as_object_mut() {
        status.remove(name);
    }
}

/// The reference to a controller.
pub(super) fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner.get("apiVersion"),
        "blockOwnerDeletion": true,
        "controller": true,
        "kind": owner.get("kind"),
        "name": owner.pointer("/metadata/name"),
        "uid": owner.pointer("/metadata/uid"),
    })
}

impl Control<'_> {
    /// Makes a pod from a controller's template.
    ///
    /// # Errors
    /// Why the API server refused the pod.
    pub(super) fn make_pod(
        &mut self,
        owner: &Value,
        name: &str,
        adjust: impl FnOnce(&mut Value),
    ) -> Result<(), String> {
        let namespace = text(owner, "/metadata/namespace");
        let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
        let mut metadata = template.get("metadata").cloned().unwrap_or_else(|| json!({}));
        metadata["name"] = json!(name);
        metadata["namespace"] = json!(namespace);
        metadata["generation"] = json!(1);
        metadata["ownerReferences"] = json!([owner_reference(owner)]);
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": template.get("spec"),
            "status": {"phase": "Pending"},
        });
        adjust(&mut pod);
        let ty = types::built_in_named("", "pods").ok_or("no pods")?;
        defaults::fill(&ty, None, &mut pod);
        let mut cluster = Cluster { world: &mut *self.world };
        if let Err(refused) = cluster.admit_pod(&ty, &namespace, &mut pod, false) {
            let prefix = text(owner, "/metadata/name");
            return Err(refused.message.replacen(
                &format!("\"{name}\""),
                &format!("\"{prefix}-\""),
                1,
            ));
        }
        pod["status"]["qosClass"] = json!(super::super::write::qos_class(&pod));
        self.make(&Key::new("", "pods", &namespace, name), pod);
        Ok(())
    }

    pub(super) fn replica_set(&mut self, key: &Key) {
        let Some(mut set) = self.object(key) else { return };
        if set.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let wanted = set.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let mut pods = self.pods_of(&set);
        let mut refused = None;
        let have = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        for _ in have..wanted {
            let name = format!("{}-{}", key.name(), store::next_suffix(self.world, false));
            let prefix = format!("{}-", key.name());
            let made =
                self.make_pod(&set, &name, |pod| pod["metadata"]["generateName"] = json!(prefix));
            match made {
                Ok(()) => {
                    let message = format!("Created pod: {name}");
                    self.event(
                        &set,
                        "replicaset-controller",
                        Weight::Normal,
                        "SuccessfulCreate",
                        &message,
                    );
                }
                Err(why) => {
                    let message = format!("Error creating: {why}");
                    self.event(
                        &set,
                        "replicaset-controller",
                        Weight::Warning,
                        "FailedCreate",
                        &message,
                    );
                    refused = Some(why);
                    break;
                }
            }
        }
        if have > wanted {
            // First those that run nowhere, then those that are not ready, then
            // the youngest.
            pods.sort_by_key(|pod| (pod.placed, pod.ready, std::cmp::Reverse(pod.created.clone())));
            let surplus = usize::try_from(have - wanted).unwrap_or(0);
            for pod in pods.drain(..surplus.min(pods.len())) {
                self.delete(&pod.key);
                let message = format!("Deleted pod: {}", pod.key.name());
                self.event(
                    &set,
                    "replicaset-controller",
                    Weight::Normal,
                    "SuccessfulDelete",
                    &message,
                );
            }
        }
        let pods = self.pods_of(&set);
        let count = self.count(key, &set, &pods);
        let now = self.now.clone();
        if !set.get("status").is_some_and(Value::is_object) {
            set["status"] = json!({});
        }
        let generation = set["metadata"]["generation"].clone();
        let status = &mut set["status"];
        status["replicas"] = json!(count.all);
        status["observedGeneration"] = generation;
        status["terminatingReplicas"] = json!(0);
        put_count(status, "fullyLabeledReplicas", count.all);
        put_count(status, "readyReplicas", count.ready);
        put_count(status, "availableReplicas", count.available);
        match refused {
            Some(why) => {
                let condition = json!({
                    "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": why,
                });
                store::set_condition(&mut set, condition, &now);
            }
            None if count.all >= wanted => {
                if let Some(status) = set["status"].as_object_mut() {
                    status.remove("conditions");
                }
            }
            None => {}
        }
        self.put(key, set);
    }
}
