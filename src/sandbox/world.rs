//! The sandbox's world: everything that the simulated account and cluster
//! consist of, as one ordered map from key to JSON.
//!
//! Services keep nothing outside it, so that a world can be saved, replayed,
//! copied and compared. This module must not know any service, do no I/O and
//! read no clock: the time comes from outside, and ids come from counters that
//! are part of the world, so that the same commands give the same world.

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;
use serde_json::Value;

/// Everything that the simulated account and cluster consist of.
///
/// Keys are paths such as `iam/role/NAME` or `eks/cluster/NAME`; a service owns
/// the keys below its first segment.
#[derive(Debug, Clone, Default)]
pub struct World {
    entries: BTreeMap<String, Value>,
    changes: BTreeMap<String, Option<Value>>,
    now: Timestamp,
}

impl World {
    /// A world with nothing in it, at the given time.
    pub fn new(now: Timestamp) -> Self {
        Self { now, ..Self::default() }
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the simulated time.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The entry under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Writes an entry. An entry that is equal already is not a change.
    pub fn put(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        if self.entries.get(&key) == Some(&value) {
            return;
        }
        self.changes.insert(key.clone(), Some(value.clone()));
        self.entries.insert(key, value);
    }

    /// Removes an entry and returns what it was.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let old = self.entries.remove(key)?;
        self.changes.insert(key.to_owned(), None);
        Some(old)
    }

    /// The entries whose key starts with `prefix`, in key order.
    pub fn scan<'a>(
        &'a self,
        prefix: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let prefix = prefix.to_owned();
        self.entries
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The next number of a counter, from 1; part of the world.
    pub fn next(&mut self, counter: &str) -> u64 {
        let key = format!("meta/counter/{counter}");
        let next = self.get(&key).and_then(Value::as_u64).unwrap_or(0) + 1;
        self.put(key, Value::from(next));
        next
    }

    /// What changed since the last call: a new value, or `None` for a removed
    /// entry. The file that a world is kept in appends these.
    pub fn take_changes(&mut self) -> BTreeMap<String, Option<Value>> {
        std::mem::take(&mut self.changes)
    }
}
