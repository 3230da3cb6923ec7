//! What the controllers have to know of the pods that they own, read once and
//! without copying whole pods.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::admit::text;
use super::super::store::{self, Key};
use super::Control;

/// The label with the revision of the controller that made a pod.
pub(super) const REVISION: &str = "controller-revision-hash";

/// The node that a daemon set's pod is for.
const MADE_FOR: &str = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution\
                        /nodeSelectorTerms/0/matchFields/0/values/0";

/// A pod as its controller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnPod {
    pub key: Key,
    /// Whether it has not ended.
    pub active: bool,
    pub phase: String,
    pub ready: bool,
    /// Since when it is ready or not.
    pub since: Option<Timestamp>,
    /// Whether it is on a node.
    pub placed: bool,
    pub created: String,
    /// The revision of the controller that made it, where it has one.
    pub revision: String,
    /// The node that it was made for, where it was made for one.
    pub made_for: String,
}

/// How many pods of a workload are how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub all: i64,
    pub ready: i64,
    pub available: i64,
}

/// Whether a pod has not ended.
pub(super) fn is_active(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    phase != "Succeeded"
        && phase != "Failed"
        && pod.pointer("/metadata/deletionTimestamp").is_none()
}

impl OwnPod {
    fn read(key: Key, pod: &Value) -> Self {
        let labels = pod.pointer("/metadata/labels");
        let revision = labels.and_then(|l| l.get(REVISION)).and_then(Value::as_str);
        let since = store::condition(pod, "Ready").and_then(|c| c.get("lastTransitionTime"));
        Self {
            key,
            active: is_active(pod),
            phase: text(pod, "/status/phase"),
            ready: store::is_true(pod, "Ready"),
            since: since.and_then(Value::as_str).and_then(|t| t.parse().ok()),
            placed: pod.pointer("/spec/nodeName").is_some(),
            created: text(pod, "/metadata/creationTimestamp"),
            revision: revision.unwrap_or_default().to_owned(),
            made_for: text(pod, MADE_FOR),
        }
    }
}

impl Control<'_> {
    /// The pods that a controller owns, in order of name.
    pub(super) fn all_pods_of(&self, owner: &Value) -> Vec<OwnPod> {
        let keys = store::owned(self.world, &text(owner, "/metadata/uid"));
        let pods = keys.into_iter().filter(|k| k.group().is_empty() && k.plural() == "pods");
        pods.filter_map(|key| {
            let pod = self.world.get(key.as_str())?;
            Some(OwnPod::read(key, pod))
        })
        .collect()
    }

    /// Those of them that have not ended.
    pub(super) fn pods_of(&self, owner: &Value) -> Vec<OwnPod> {
        let mut pods = self.all_pods_of(owner);
        pods.retain(|pod| pod.active);
        pods
    }

    /// Counts pods; queues the owner for when a ready pod becomes available.
    pub(super) fn count(&mut self, key: &Key, owner: &Value, pods: &[OwnPod]) -> Count {
        let wait = owner.pointer("/spec/minReadySeconds").and_then(Value::as_i64).unwrap_or(0);
        let mut count = Count::default();
        for pod in pods {
            count.all += 1;
            if !pod.ready {
                continue;
            }
            count.ready += 1;
            let due = pod.since.and_then(|s| s.checked_add(SignedDuration::from_secs(wait)).ok());
            match due {
                Some(due) if wait > 0 && due > self.world.now() => {
                    store::touch_at(self.world, key, due);
                }
                _ => count.available += 1,
            }
        }
        count
    }
}
