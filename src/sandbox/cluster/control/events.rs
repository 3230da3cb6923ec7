//! Events: what the controllers say about objects.
//!
//! An event of the same words about the same object is one event with a count,
//! as in a real cluster; old ones go after an hour.

use serde_json::{Value, json};

use super::super::admit::text;
use super::super::store::{self, Key};
use super::Control;

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Normal,
    Warning,
}

impl Weight {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Seconds after which an event goes.
const LIFETIME: i64 = 3600;

impl Control<'_> {
    /// Notes an event about an object.
    pub(super) fn event(
        &mut self,
        about: &Value,
        component: &str,
        weight: Weight,
        reason: &str,
        message: &str,
    ) {
        let namespace = match text(about, "/metadata/namespace") {
            namespace if namespace.is_empty() => "default".to_owned(),
            namespace => namespace,
        };
        let (name, uid) = (text(about, "/metadata/name"), text(about, "/metadata/uid"));
        let seed = format!("{uid} {reason} {message}");
        let hash =
            format!("{:08x}{:08x}", store::hash32(&seed), store::hash32(&format!("event {seed}")));
        let name_of_event = format!("{name}.{hash}");
        let key = Key::new("", "events", &namespace, &name_of_event);
        let by_scheduler = component == "default-scheduler";
        let micro = store::micro_text(self.world.now());
        if let Some(mut event) = self.object(&key) {
            if by_scheduler {
                let count = event.pointer("/series/count").and_then(Value::as_u64).unwrap_or(1);
                event["series"] = json!({"count": count + 1, "lastObservedTime": micro});
            } else {
                let count = event.get("count").and_then(Value::as_u64).unwrap_or(1);
                event["count"] = json!(count + 1);
                event["lastTimestamp"] = json!(self.now);
            }
            self.put(&key, event);
            return;
        }
        let mut event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name_of_event, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about.get("apiVersion"),
                "kind": about.get("kind"),
                "name": name,
                "namespace": about.pointer("/metadata/namespace"),
                "resourceVersion": about.pointer("/metadata/resourceVersion"),
                "uid": uid,
            },
            "reason": reason,
            "message": message,
            "type": weight.as_str(),
            "reportingComponent": component,
            "reportingInstance": if by_scheduler { "default-scheduler-0" } else { "" },
        });
        if by_scheduler {
            event["action"] =
                json!(if weight == Weight::Normal { "Binding" } else { "Scheduling" });
            event["eventTime"] = json!(micro);
            event["firstTimestamp"] = Value::Null;
            event["lastTimestamp"] = Value::Null;
            event["source"] = json!({});
        } else {
            event["count"] = json!(1);
            event["eventTime"] = Value::Null;
            event["firstTimestamp"] = json!(self.now);
            event["lastTimestamp"] = json!(self.now);
            event["source"] = json!({"component": component});
            if component == "kubelet" {
                event["source"]["host"] =
                    about.pointer("/spec/nodeName").cloned().unwrap_or_default();
            }
        }
        self.make(&key, event);
        if self.world.next("k8s/event").is_multiple_of(512) {
            self.drop_old_events();
        }
    }

    /// Whether an event of that reason about the object exists.
    pub(super) fn has_event(&self, about: &Value, reason: &str) -> bool {
        let (namespace, name) = (text(about, "/metadata/namespace"), text(about, "/metadata/name"));
        let prefix = format!("{}{namespace}/{name}.", store::type_prefix("", "events"));
        let mut events = self.world.scan(&prefix).map(|(_, event)| event);
        let uid = about.pointer("/metadata/uid");
        events.any(|e| {
            e.pointer("/involvedObject/uid") == uid && e.get("reason") == Some(&json!(reason))
        })
    }

    fn drop_old_events(&mut self) {
        let oldest = self.world.now().as_second() - LIFETIME;
        let Ok(oldest) = jiff::Timestamp::from_second(oldest) else { return };
        let oldest = store::time_text(oldest);
        let events = self.world.scan(&store::type_prefix("", "events"));
        let old: Vec<Key> = events
            .filter(|(_, e)| {
                let last = text(e, "/lastTimestamp");
                let last =
                    if last.is_empty() { text(e, "/metadata/creationTimestamp") } else { last };
                last < oldest
            })
            .filter_map(|(key, _)| Key::parse(key))
            .collect();
        for key in old {
            store::remove(self.world, &key);
        }
    }
}
