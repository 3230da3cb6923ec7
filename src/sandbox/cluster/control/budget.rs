//! The disruption controller: how many pods a `PodDisruptionBudget` lets go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::selector::Selector;
use super::super::store::{self, Key};
use super::Control;
use super::deployment::share;
use super::events::Weight;
use super::own_pod::is_active;

impl Control<'_> {
    pub(super) fn budget(&mut self, key: &Key) {
        let Some(mut budget) = self.object(key) else { return };
        let selector = budget.pointer("/spec/selector").and_then(Selector::from_object);
        let prefix = format!("{}{}/", store::type_prefix("", "pods"), key.namespace());
        let mut pods: Vec<Value> = Vec::new();
        if let Some(selector) = &selector {
            let all = self.world.scan(&prefix).map(|(_, pod)| pod);
            pods.extend(all.filter(|p| is_active(p) && selector.matches_object(p)).cloned());
        }
        let healthy = pods.iter().filter(|pod| store::is_true(pod, "Ready")).count();
        let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
        let present = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let mut scales: BTreeMap<Key, i64> = BTreeMap::new();
        for pod in &pods {
            if let Some((owner, replicas)) = self.scale_owner(key, pod) {
                scales.insert(owner, replicas);
            }
        }
        let scale: i64 = scales.values().sum();
        let (least, most) =
            (budget.pointer("/spec/minAvailable"), budget.pointer("/spec/maxUnavailable"));
        let (expected, desired) = if let Some(most) = most {
            (scale, (scale - share(Some(most), scale, true)).max(0))
        } else {
            let by_share = least.is_some_and(Value::is_string);
            let expected = if by_share { scale } else { present };
            (expected, share(least, expected, true))
        };
        let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
        let generation = budget["metadata"]["generation"].clone();
        let now = self.now.clone();
        let status = json!({
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": generation,
        });
        match budget.get_mut("status").and_then(Value::as_object_mut) {
            Some(old) => old.extend(status.as_object().cloned().unwrap_or_default()),
            None => budget["status"] = status,
        }
        let condition = json!({
            "type": "DisruptionAllowed",
            "status": if allowed > 0 { "True" } else { "False" },
            "reason": if allowed > 0 { "SufficientPods" } else { "InsufficientPods" },
            "message": "",
            "observedGeneration": generation,
        });
        store::set_condition(&mut budget, condition, &now);
        if pods.is_empty() && !self.has_event(&budget, "NoPods") {
            self.event(
                &budget,
                "controllermanager",
                Weight::Normal,
                "NoPods",
                "No matching pods found",
            );
        }
        self.put(key, budget);
    }

    /// The workload that a pod belongs to, and its number of replicas.
    fn scale_owner(&self, budget: &Key, pod: &Value) -> Option<(Key, i64)> {
        let (mut owner, _) = store::controller(pod, budget.namespace())?;
        let mut object = self.object(&owner)?;
        while let Some((next, _)) = store::controller(&object, budget.namespace()) {
            object = self.object(&next)?;
            owner = next;
        }
        let replicas = object.pointer("/spec/replicas").and_then(Value::as_i64)?;
        Some((owner, replicas))
    }
}
