//! The `Deployment` controller: one `ReplicaSet` for each template that was,
//! rolling from the old ones to the new one, and the conditions that say how
//! far it got.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::admit::text;
use super::super::store::{self, Key};
use super::Control;
use super::events::Weight;
use super::replica_set::{owner_reference, put_count};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";
/// Annotations that do not go from a deployment to its replica sets.
const NOT_COPIED: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
];

/// A count, or a share of `total` in percent.
pub(super) fn share(value: Option<&Value>, total: i64, round_up: bool) -> i64 {
    let percent = value
        .and_then(Value::as_str)
        .and_then(|t| t.strip_suffix('%'))
        .and_then(|t| t.parse::<i64>().ok());
    match (percent, value) {
        (Some(percent), _) if round_up => (percent * total + 99) / 100,
        (Some(percent), _) => percent * total / 100,
        (None, Some(value)) => {
            value.as_i64().or_else(|| value.as_str().and_then(|t| t.parse().ok())).unwrap_or(0)
        }
        (None, None) => 0,
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn revision(object: &Value) -> i64 {
    let annotations = object.pointer("/metadata/annotations");
    annotations
        .and_then(|a| a.get(REVISION))
        .and_then(Value::as_str)
        .and_then(|t| t.parse().ok())
        .unwrap_or(0)
}

/// How a deployment rolls out.
struct Limits {
    wanted: i64,
    surge: i64,
    unavailable: i64,
    recreate: bool,
}

impl Limits {
    fn read(deployment: &Value) -> Self {
        let wanted = deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let recreate = deployment.pointer("/spec/strategy/type") == Some(&json!("Recreate"));
        let of = |name: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{name}"));
        let surge = share(of("maxSurge"), wanted, true);
        let mut unavailable = share(of("maxUnavailable"), wanted, false);
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        if recreate {
            return Self { wanted, surge: 0, unavailable: 0, recreate };
        }
        Self { wanted, surge, unavailable: unavailable.min(wanted), recreate }
    }
}

impl Control<'_> {
    pub(super) fn deployment(&mut self, key: &Key) {
        let Some(deployment) = self.object(key) else { return };
        if deployment.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let limits = Limits::read(&deployment);
        let hash = template_hash(&deployment);
        let new_key =
            Key::new("apps", "replicasets", key.namespace(), &format!("{}-{hash}", key.name()));
        let sets = self.sets_of(&deployment);
        let paused = deployment.pointer("/spec/paused") == Some(&json!(true));
        let is_new = |k: &Key| *k == new_key;
        let mut created = false;
        if !paused && !sets.iter().any(|(k, _)| is_new(k)) {
            let next = sets.iter().map(|(_, set)| revision(set)).max().unwrap_or(0) + 1;
            let first = sets.iter().all(|(_, set)| number(set, "/spec/replicas") == 0);
            let replicas = if first || limits.surge > 0 && !limits.recreate {
                let running: i64 = sets.iter().map(|(_, set)| number(set, "/spec/replicas")).sum();
                (limits.wanted + limits.surge - running).clamp(0, limits.wanted)
            } else {
                0
            };
            self.make_set(&deployment, &new_key, &hash, next, replicas, &limits);
            created = true;
        }
        let mut sets = self.sets_of(&deployment);
        if !paused {
            self.refresh_new_set(&deployment, &new_key, &limits);
            self.roll(&deployment, &new_key, &limits);
            sets = self.sets_of(&deployment);
        }
        let newest = sets.iter().find(|(k, _)| is_new(k)).map(|(_, set)| set.clone());
        self.tidy(&deployment, &new_key, &sets);
        self.deployment_status(key, deployment, newest.as_ref(), &sets, &limits, created);
    }

    fn sets_of(&self, deployment: &Value) -> Vec<(Key, Value)> {
        let keys = store::owned(self.world, &text(deployment, "/metadata/uid"));
        let sets = keys.into_iter().filter(|k| k.plural() == "replicasets");
        sets.filter_map(|key| Some((key.clone(), self.object(&key)?))).collect()
    }

    fn make_set(
        &mut self,
        deployment: &Value,
        key: &Key,
        hash: &str,
        revision: i64,
        replicas: i64,
        limits: &Limits,
    ) {
        let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
        selector["matchLabels"][HASH] = json!(hash);
        let mut set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": key.name(),
                "namespace": key.namespace(),
                "labels": template.pointer("/metadata/labels"),
                "annotations": set_annotations(deployment, revision, limits),
                "generation": 1,
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
            "status": {"replicas": 0},
        });
        if let Some(wait) = deployment.pointer("/spec/minReadySeconds") {
            set["spec"]["minReadySeconds"] = wait.clone();
        }
        self.make(key, set);
        if replicas > 0 {
            self.say_scaled(deployment, key, 0, replicas);
        }
    }

    fn say_scaled(&mut self, deployment: &Value, set: &Key, from: i64, to: i64) {
        let way = if to > from { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {} from {from} to {to}", set.name());
        self.event(
            deployment,
            "deployment-controller",
            Weight::Normal,
            "ScalingReplicaSet",
            &message,
        );
    }

    /// Keeps annotations and revision of the present set up to date: a template
    /// that comes back gets a new revision.
    fn refresh_new_set(&mut self, deployment: &Value, key: &Key, limits: &Limits) {
        let Some(mut set) = self.object(key) else { return };
        let others = self
            .sets_of(deployment)
            .iter()
            .filter(|(k, _)| k != key)
            .map(|(_, s)| revision(s))
            .max();
        let own = revision(&set);
        let next = match others {
            Some(other) if other > own => other + 1,
            _ => own.max(1),
        };
        set["metadata"]["annotations"] = Value::Object(set_annotations(deployment, next, limits));
        self.put(key, set);
    }

    fn scale(&mut self, deployment: &Value, key: &Key, to: i64) {
        let Some(mut set) = self.object(key) else { return };
        let from = number(&set, "/spec/replicas");
        if from == to {
            return;
        }
        set["spec"]["replicas"] = json!(to);
        set["metadata"]["generation"] = json!(number(&set, "/metadata/generation") + 1);
        self.put(key, set);
        self.say_scaled(deployment, key, from, to);
    }

    /// One step from the old sets to the new one.
    fn roll(&mut self, deployment: &Value, new_key: &Key, limits: &Limits) {
        let sets = self.sets_of(deployment);
        let replicas = |set: &Value| number(set, "/spec/replicas");
        let old: Vec<(Key, Value)> =
            sets.iter().filter(|(k, s)| k != new_key && replicas(s) > 0).cloned().collect();
        let new = sets.iter().find(|(k, _)| k == new_key).map_or(0, |(_, s)| replicas(s));
        let total: i64 = sets.iter().map(|(_, s)| replicas(s)).sum();
        if limits.recreate {
            for (key, _) in &old {
                self.scale(deployment, key, 0);
            }
            let left = old.iter().any(|(_, s)| number(s, "/status/replicas") > 0);
            if !left {
                self.scale(deployment, new_key, limits.wanted);
            }
            return;
        }
        if new > limits.wanted {
            self.scale(deployment, new_key, limits.wanted);
            return;
        }
        let room = limits.wanted + limits.surge - total;
        if new < limits.wanted && room > 0 {
            self.scale(deployment, new_key, (new + room).min(limits.wanted));
            return;
        }
        // How many pods may go so that enough stay available.
        let available: i64 = sets.iter().map(|(_, s)| number(s, "/status/availableReplicas")).sum();
        let new_status =
            sets.iter().find(|(k, _)| k == new_key).map(|(_, s)| s.clone()).unwrap_or_default();
        let new_unavailable = new - number(&new_status, "/status/availableReplicas").min(new);
        let least = limits.wanted - limits.unavailable;
        let mut may_go = total - least - new_unavailable;
        if may_go <= 0 {
            return;
        }
        // Pods of old sets that are not available do nobody any good.
        let mut sizes: Vec<(Key, i64, i64)> = old
            .iter()
            .map(|(k, s)| (k.clone(), replicas(s), number(s, "/status/availableReplicas")))
            .collect();
        for (_, size, fine) in &mut sizes {
            let sick = (*size - *fine).max(0).min(may_go);
            *size -= sick;
            may_go -= sick;
        }
        let mut healthy_may_go = (available - least).max(0).min(may_go);
        for (_, size, _) in &mut sizes {
            let going = (*size).min(healthy_may_go);
            *size -= going;
            healthy_may_go -= going;
        }
        for (key, size, _) in sizes {
            self.scale(deployment, &key, size);
        }
    }

    /// Removes old sets beyond the revision history limit.
    fn tidy(&mut self, deployment: &Value, new_key: &Key, sets: &[(Key, Value)]) {
        let limit =
            deployment.pointer("/spec/revisionHistoryLimit").and_then(Value::as_u64).unwrap_or(10);
        let mut idle: Vec<(i64, Key)> = sets
            .iter()
            .filter(|(k, s)| {
                k != new_key
                    && number(s, "/spec/replicas") == 0
                    && number(s, "/status/replicas") == 0
            })
            .map(|(k, s)| (revision(s), k.clone()))
            .collect();
        idle.sort();
        let surplus = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for (_, key) in idle.into_iter().take(surplus) {
            self.delete(&key);
        }
    }

    fn deployment_status(
        &mut self,
        key: &Key,
        mut deployment: Value,
        newest: Option<&Value>,
        sets: &[(Key, Value)],
        limits: &Limits,
        created: bool,
    ) {
        let sum = |name: &str| -> i64 {
            sets.iter().map(|(_, s)| number(s, &format!("/status/{name}"))).sum()
        };
        let replicas = sum("replicas");
        let available = sum("availableReplicas");
        let ready = sum("readyReplicas");
        let updated = newest.map_or(0, |s| number(s, "/status/replicas"));
        let before = deployment.get("status").cloned().unwrap_or_default();
        let generation = deployment["metadata"]["generation"].clone();
        if let Some(newest) = newest {
            deployment["metadata"]["annotations"][REVISION] = json!(revision(newest).to_string());
        }
        if !before.is_object() {
            deployment["status"] = json!({});
        }
        let status = &mut deployment["status"];
        status["observedGeneration"] = generation;
        status["terminatingReplicas"] = json!(0);
        let total: i64 = sets.iter().map(|(_, s)| number(s, "/spec/replicas")).sum();
        put_count(status, "replicas", replicas);
        put_count(status, "updatedReplicas", updated);
        put_count(status, "readyReplicas", ready);
        put_count(status, "availableReplicas", available);
        put_count(status, "unavailableReplicas", total.max(limits.wanted) - available);
        self.put_available(&mut deployment, available >= limits.wanted - limits.unavailable);
        let failure = sets.iter().find_map(|(_, s)| store::condition(s, "ReplicaFailure").cloned());
        if let Some(failure) = failure {
            self.put_condition(&mut deployment, &failure);
        } else {
            let conditions =
                deployment.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
            if let Some(conditions) = conditions {
                conditions.retain(|c| c.get("type") != Some(&json!("ReplicaFailure")));
            }
        }
        let complete =
            updated == limits.wanted && replicas == limits.wanted && available >= limits.wanted;
        let moved = ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|name| {
            let pointer = format!("/{name}");
            number(&deployment["status"], &pointer) > number(&before, &pointer)
        });
        let old_left = replicas - updated;
        let fewer_old =
            old_left < number(&before, "/replicas") - number(&before, "/updatedReplicas");
        let name = newest.map(|s| text(s, "/metadata/name")).unwrap_or_default();
        self.put_progress(key, &mut deployment, &name, complete, moved || fewer_old, created);
        self.put(key, deployment);
    }

    fn put_available(&mut self, deployment: &mut Value, enough: bool) {
        let condition = if enough {
            json!({
                "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                "message": "Deployment has minimum availability.",
            })
        } else {
            json!({
                "type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
                "message": "Deployment does not have minimum availability.",
            })
        };
        self.put_condition(deployment, &condition);
    }

    /// Sets a condition; one of the same status and reason is left as it is.
    fn put_condition(&mut self, deployment: &mut Value, condition: &Value) {
        let kind = text(condition, "/type");
        let same = store::condition(deployment, &kind).is_some_and(|old| {
            old.get("status") == condition.get("status")
                && old.get("reason") == condition.get("reason")
        });
        if !same {
            self.force_condition(deployment, condition);
        }
    }

    fn force_condition(&mut self, deployment: &mut Value, condition: &Value) {
        let mut condition = condition.clone();
        condition["lastUpdateTime"] = json!(self.now);
        let now = self.now.clone();
        store::set_condition(deployment, condition, &now);
    }

    /// The `Progressing` condition.
    fn put_progress(
        &mut self,
        key: &Key,
        deployment: &mut Value,
        set: &str,
        complete: bool,
        moved: bool,
        created: bool,
    ) {
        let Some(deadline) =
            deployment.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64)
        else {
            return;
        };
        let make = |status: &str, reason: &str, message: String| json!({"type": "Progressing", "status": status, "reason": reason, "message": message});
        let old = store::condition(deployment, "Progressing").cloned();
        let reason = old.as_ref().map(|o| text(o, "/reason")).unwrap_or_default();
        if complete {
            let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
            let condition = make("True", "NewReplicaSetAvailable", message);
            let named_other = old.is_some_and(|o| o.get("message") != condition.get("message"));
            if named_other {
                self.force_condition(deployment, &condition);
            } else {
                self.put_condition(deployment, &condition);
            }
            return;
        }
        if created {
            let message = format!("Created new replica set \"{set}\"");
            self.force_condition(deployment, &make("True", "NewReplicaSetCreated", message));
        } else if moved || old.is_none() {
            let message = format!("ReplicaSet \"{set}\" is progressing.");
            self.force_condition(deployment, &make("True", "ReplicaSetUpdated", message));
        } else if reason == "NewReplicaSetAvailable" || reason == "ProgressDeadlineExceeded" {
            // A rollout that once was complete is not judged again until the
            // template changes.
            return;
        }
        let since = store::condition(deployment, "Progressing").map(|c| text(c, "/lastUpdateTime"));
        let since: Option<Timestamp> = since.and_then(|t| t.parse().ok());
        let due = since.and_then(|s| s.checked_add(SignedDuration::from_secs(deadline)).ok());
        match due {
            Some(due) if due > self.world.now() => store::touch_at(self.world, key, due),
            Some(_) => {
                let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
                self.put_condition(deployment, &make("False", "ProgressDeadlineExceeded", message));
            }
            None => {}
        }
    }
}

fn set_annotations(deployment: &Value, revision: i64, limits: &Limits) -> Map<String, Value> {
    let mut annotations = deployment
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    annotations.retain(|name, _| !NOT_COPIED.contains(&name.as_str()));
    annotations.insert(REVISION.to_owned(), json!(revision.to_string()));
    annotations.insert(
        "deployment.kubernetes.io/desired-replicas".to_owned(),
        json!(limits.wanted.to_string()),
    );
    annotations.insert(
        "deployment.kubernetes.io/max-replicas".to_owned(),
        json!((limits.wanted + limits.surge).to_string()),
    );
    annotations
}

/// The name of a template: the same template always has the same.
pub(super) fn template_hash(workload: &Value) -> String {
    let template = workload.pointer("/spec/template").map(Value::to_string).unwrap_or_default();
    store::hash_name(&template)
}
