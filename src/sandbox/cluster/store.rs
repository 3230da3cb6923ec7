//! Where objects lie in the world, and the bookkeeping of every write:
//! `resourceVersion`, uids, the index of owned objects, and the queue of
//! objects that the controllers have not looked at yet.
//!
//! No rule of any kind of object is here.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::types::ResourceType;
use crate::sandbox::world::World;

/// Set once the world has a cluster.
pub(super) const BORN: &str = "k8s/meta/born";
/// The server's version.
pub(super) const VERSION: &str = "k8s/meta/version";
/// The counter of resource versions.
const RESOURCE_VERSION: &str = "k8s/resource-version";

/// Where an object lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of an object; the namespace is empty for cluster-wide types.
    pub fn new(group: &str, plural: &str, namespace: &str, name: &str) -> Self {
        Self(format!("{}{namespace}/{name}", type_prefix(group, plural)))
    }

    /// The key of an object of a type.
    pub fn of(ty: &ResourceType, namespace: &str, name: &str) -> Self {
        let namespace = if ty.namespaced { namespace } else { "" };
        Self::new(&ty.group, &ty.plural, namespace, name)
    }

    /// Reads a key of the world; `None` where it is not an object's.
    pub fn parse(key: &str) -> Option<Self> {
        let parts = key.strip_prefix("k8s/object/")?;
        (parts.split('/').count() == 4).then(|| Self(key.to_owned()))
    }

    /// The key as the world has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn part(&self, at: usize) -> &str {
        self.0.split('/').nth(at).unwrap_or_default()
    }

    /// The group; empty for the core group.
    pub fn group(&self) -> &str {
        match self.part(2) {
            "core" => "",
            group => group,
        }
    }

    /// The plural of the type.
    pub fn plural(&self) -> &str {
        self.part(3)
    }

    /// The namespace; empty for cluster-wide types.
    pub fn namespace(&self) -> &str {
        self.part(4)
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.part(5)
    }
}

/// What the keys of all objects of a type start with.
pub(super) fn type_prefix(group: &str, plural: &str) -> String {
    let group = if group.is_empty() { "core" } else { group };
    format!("k8s/object/{group}/{plural}/")
}

/// The newest resource version.
pub(super) fn resource_version(world: &World) -> u64 {
    world.get(&format!("meta/counter/{RESOURCE_VERSION}")).and_then(Value::as_u64).unwrap_or(0)
}

/// The next uid: the same world always gives the same one.
pub(super) fn next_uid(world: &mut World) -> String {
    let n = world.next("k8s/uid");
    let hex = hex::encode(Sha256::digest(format!("uid {n}")));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// Writes an object with the next resource version and puts it in the queue of
/// the controllers. An object that is equal but for its version is not written.
pub(super) fn put(world: &mut World, key: &Key, mut object: Value) -> Value {
    if let Some(old) = world.get(key.as_str()) {
        object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if *old == object {
            return object;
        }
    }
    let version = world.next(RESOURCE_VERSION);
    object["metadata"]["resourceVersion"] = Value::from(version.to_string());
    world.put(key.as_str(), object.clone());
    object
}

/// Removes an object.
pub(super) fn remove(world: &mut World, key: &Key) -> Option<Value> {
    let old = world.remove(key.as_str())?;
    world.next(RESOURCE_VERSION);
    Some(old)
}
