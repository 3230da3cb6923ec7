//! The server's state: the world, who watches it, what was asked.
//!
//! Every action runs the controllers after it and turns the world's changes
//! into watch events.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use hyper::body::Bytes;
use lkh::sandbox::cluster::{Cluster, FieldSelector, Key, ResourceType, Selector};
use lkh::sandbox::world::World;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

/// How many watch events are kept for watchers that start from the past.
const KEPT_EVENTS: usize = 20_000;

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, undecoded.
    pub query: String,
    /// The `Content-Type` of the body.
    pub content_type: String,
    /// The HTTP status of the answer; 0 while there is none.
    pub status: u16,
}

impl Seen {
    /// Whether it asked to change something.
    pub fn mutates(&self) -> bool {
        self.method != "GET"
            && !self.query.contains("dryRun=All")
            && !self.path.starts_with("/apis/authorization.k8s.io/")
            && !self.path.starts_with("/apis/authentication.k8s.io/")
    }
}

/// What a watcher wants to hear of.
#[derive(Debug, Clone)]
pub struct Interest {
    pub ty: ResourceType,
    pub namespace: Option<String>,
    pub labels: Selector,
    pub fields: FieldSelector,
}

impl Interest {
    fn covers(&self, key: &Key) -> bool {
        key.group() == self.ty.group
            && key.plural() == self.ty.plural
            && self.namespace.as_ref().is_none_or(|n| n == key.namespace())
    }

    fn matches(&self, object: &Value) -> bool {
        self.labels.matches_object(object) && self.fields.matches(object)
    }

    /// The event that this watcher gets for a change.
    fn event(&self, change: &Change) -> Option<Value> {
        if !self.covers(&change.key) {
            return None;
        }
        let before = change.before.as_ref().filter(|o| self.matches(o));
        let after = change.after.as_ref().filter(|o| self.matches(o));
        let (kind, object) = match (before, after) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after.clone()),
            (Some(_), Some(after)) => ("MODIFIED", after.clone()),
            (Some(before), None) => {
                let mut object = change.after.clone().unwrap_or_else(|| before.clone());
                object["metadata"]["resourceVersion"] = json!(change.version.to_string());
                ("DELETED", object)
            }
        };
        Some(json!({"type": kind, "object": object}))
    }
}

/// A change of one object.
#[derive(Debug, Clone)]
struct Change {
    version: u64,
    key: Key,
    before: Option<Value>,
    after: Option<Value>,
}

#[derive(Debug)]
struct Watcher {
    interest: Interest,
    sender: UnboundedSender<Bytes>,
    ends: Instant,
}

/// How a watch starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With what there is, and where asked a bookmark after it.
    Now { bookmark: bool },
    /// With what changed after that resource version.
    Version(u64),
}

/// Everything that the server knows.
#[derive(Debug)]
pub struct State {
    world: World,
    /// The objects as the watchers know them.
    known: BTreeMap<String, Value>,
    changes: VecDeque<Change>,
    /// The version before the oldest kept change.
    forgotten: u64,
    watchers: Vec<Watcher>,
    /// All requests so far.
    pub seen: Vec<Seen>,
    /// How many of the next requests fail, and with which HTTP status.
    pub failures: (usize, u16),
}

impl State {
    pub fn new(world: World) -> Self {
        let mut state = Self {
            world,
            known: BTreeMap::new(),
            changes: VecDeque::new(),
            forgotten: 0,
            watchers: Vec::new(),
            seen: Vec::new(),
            failures: (0, 0),
        };
        state.publish();
        state
    }

    /// Acts on the cluster at the present time, lets the controllers act, and
    /// tells the watchers.
    pub fn act<T>(&mut self, act: impl FnOnce(&mut Cluster) -> T) -> T {
        self.world.set_now(jiff::Timestamp::now());
        let mut cluster = Cluster::open(&mut self.world);
        let answer = act(&mut cluster);
        cluster.reconcile();
        self.publish();
        answer
    }

    /// Lets time pass.
    pub fn tick(&mut self) {
        self.act(|_| ());
        let now = Instant::now();
        self.watchers.retain(|w| w.ends > now && !w.sender.is_closed());
    }

    /// Starts a watch; `false` where its version is too old.
    pub fn watch(
        &mut self,
        interest: Interest,
        from: From,
        ends: Instant,
        sender: UnboundedSender<Bytes>,
    ) -> bool {
        match from {
            From::Now { bookmark } => {
                for (key, object) in &self.known {
                    let covered = Key::parse(key).is_some_and(|k| interest.covers(&k));
                    if covered && interest.matches(object) {
                        send(&sender, &json!({"type": "ADDED", "object": object}));
                    }
                }
                if bookmark {
                    let version = Cluster::open(&mut self.world).resource_version();
                    send(
                        &sender,
                        &json!({"type": "BOOKMARK", "object": {
                            "apiVersion": interest.ty.api_version(),
                            "kind": interest.ty.kind,
                            "metadata": {
                                "resourceVersion": version.to_string(),
                                "annotations": {"k8s.io/initial-events-end": "true"},
                            },
                        }}),
                    );
                }
            }
            From::Version(version) => {
                if version < self.forgotten {
                    return false;
                }
                for change in self.changes.iter().filter(|c| c.version > version) {
                    if let Some(event) = interest.event(change) {
                        send(&sender, &event);
                    }
                }
            }
        }
        self.watchers.push(Watcher { interest, sender, ends });
        true
    }

    /// Turns the world's changes into events.
    fn publish(&mut self) {
        let newest = Cluster::open(&mut self.world).resource_version();
        let mut changes = Vec::new();
        for (text, after) in self.world.take_changes() {
            let Some(key) = Key::parse(&text) else { continue };
            let before = match &after {
                Some(after) => self.known.insert(text, after.clone()),
                None => self.known.remove(&text),
            };
            let version = |object: &Value| {
                let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                version.and_then(|v| v.parse().ok()).unwrap_or(newest)
            };
            let uid = |object: &Value| object.pointer("/metadata/uid").cloned();
            match (before, after) {
                (None, None) => {}
                (Some(before), Some(after)) if uid(&before) != uid(&after) => {
                    let version = version(&after);
                    let gone = Change {
                        version: version - 1,
                        key: key.clone(),
                        before: Some(before),
                        after: None,
                    };
                    changes.push(gone);
                    changes.push(Change { version, key, before: None, after: Some(after) });
                }
                (before, after) => {
                    let version = after.as_ref().map_or(newest, version);
                    changes.push(Change { version, key, before, after });
                }
            }
        }
        changes.sort_by_key(|c| c.version);
        for change in changes {
            for watcher in &self.watchers {
                if let Some(event) = watcher.interest.event(&change) {
                    send(&watcher.sender, &event);
                }
            }
            self.changes.push_back(change);
        }
        while self.changes.len() > KEPT_EVENTS {
            if let Some(change) = self.changes.pop_front() {
                self.forgotten = change.version;
            }
        }
    }
}

fn send(sender: &UnboundedSender<Bytes>, event: &Value) {
    let mut line = event.to_string();
    line.push('\n');
    // A watcher that hung up is removed at the next tick.
    let _ = sender.send(Bytes::from(line));
}
