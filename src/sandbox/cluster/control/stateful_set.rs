//! The `StatefulSet` controller: pods with ordinals, one after the other, and
//! their volume claims.

use serde_json::{Value, json};

use super::super::admit::text;
use super::super::store::Key;
use super::Control;
use super::deployment::template_hash;
use super::events::Weight;
use super::own_pod::REVISION;

impl Control<'_> {
    pub(super) fn stateful_set(&mut self, key: &Key) {
        let Some(mut set) = self.object(key) else { return };
        if set.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let wanted = set.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        let revision = format!("{}-{}", key.name(), template_hash(&set));
        let parallel = set.pointer("/spec/podManagementPolicy") == Some(&json!("Parallel"));
        let pods = self.pods_of(&set);
        let pod = |ordinal: i64| {
            let name = format!("{}-{ordinal}", key.name());
            pods.iter().find(|p| p.key.name() == name)
        };
        let mut waiting = false;
        for ordinal in 0..wanted {
            match pod(ordinal) {
                Some(pod) => waiting |= !pod.ready,
                None if waiting && !parallel => break,
                None => {
                    self.make_ordinal(&set, key, ordinal, &revision);
                    waiting = true;
                }
            }
        }
        for pod in &pods {
            let ordinal = ordinal_of(&pod.key);
            if ordinal >= wanted {
                self.delete(&pod.key);
            } else if !waiting && pod.revision != revision && !on_delete(&set) {
                // From the last one down, one at a time.
                let newer_wait =
                    pods.iter().any(|p| ordinal_of(&p.key) > ordinal && p.revision != revision);
                if !newer_wait {
                    self.delete(&pod.key);
                }
            }
        }
        let pods = self.pods_of(&set);
        let count = self.count(key, &set, &pods);
        let updated = pods.iter().filter(|pod| pod.revision == revision).count();
        let updated = i64::try_from(updated).unwrap_or(i64::MAX);
        let done = updated == wanted && count.ready == wanted && count.all == wanted;
        let current = match text(&set, "/status/currentRevision") {
            current if current.is_empty() || done => revision.clone(),
            current => current,
        };
        let of_current = pods.iter().filter(|pod| pod.revision == current).count();
        set["status"] = json!({
            "availableReplicas": count.available,
            "collisionCount": 0,
            "currentReplicas": of_current,
            "currentRevision": current,
            "observedGeneration": set["metadata"]["generation"],
            "readyReplicas": count.ready,
            "replicas": count.all,
            "updateRevision": revision,
            "updatedReplicas": updated,
        });
        self.put(key, set);
    }

    fn make_ordinal(&mut self, set: &Value, key: &Key, ordinal: i64, revision: &str) {
        let name = format!("{}-{ordinal}", key.name());
        let claims = set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).cloned();
        let claims = claims.unwrap_or_default();
        for claim in &claims {
            let claim_key = Key::new(
                "",
                "persistentvolumeclaims",
                key.namespace(),
                &format!("{}-{name}", text(claim, "/metadata/name")),
            );
            if self.object(&claim_key).is_none() {
                let mut claim = claim.clone();
                claim["apiVersion"] = json!("v1");
                claim["kind"] = json!("PersistentVolumeClaim");
                claim["metadata"]["name"] = json!(claim_key.name());
                claim["metadata"]["namespace"] = json!(key.namespace());
                claim["status"] = json!({"phase": "Pending"});
                self.make(&claim_key, claim);
            }
        }
        let made = self.make_pod(set, &name, |pod| {
            let labels = &mut pod["metadata"]["labels"];
            labels[REVISION] = json!(revision);
            labels["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
            labels["statefulset.kubernetes.io/pod-name"] = json!(name);
            pod["spec"]["hostname"] = json!(name);
            if let Some(service) = set.pointer("/spec/serviceName") {
                pod["spec"]["subdomain"] = service.clone();
            }
            for claim in &claims {
                let volume = claim.pointer("/metadata/name");
                let claim = format!("{}-{name}", text(claim, "/metadata/name"));
                let volume = json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}});
                match pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut) {
                    Some(volumes) => volumes.push(volume),
                    None => pod["spec"]["volumes"] = json!([volume]),
                }
            }
        });
        let (weight, reason, message) = match made {
            Ok(()) => (
                Weight::Normal,
                "SuccessfulCreate",
                format!("create Pod {name} in StatefulSet {} successful", key.name()),
            ),
            Err(why) => (
                Weight::Warning,
                "FailedCreate",
                format!("create Pod {name} in StatefulSet {} failed error: {why}", key.name()),
            ),
        };
        self.event(set, "statefulset-controller", weight, reason, &message);
    }
}

/// The number at the end of a pod's name.
fn ordinal_of(pod: &Key) -> i64 {
    pod.name().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn on_delete(set: &Value) -> bool {
    set.pointer("/spec/updateStrategy/type") == Some(&json!("OnDelete"))
}
