//! Where objects lie in the world, and the bookkeeping of every write:
//! `resourceVersion`, uids, the index of owned objects, and the queue of
//! objects that the controllers have not looked at yet.
//!
//! No rule of any kind of object is here, but for two that concern all: an
//! owner is looked at again when what it owns changes, and so is a namespace
//! that is being deleted.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::types::ResourceType;
use crate::sandbox::world::World;

/// Set once the world has a cluster.
pub(super) const BORN: &str = "k8s/meta/born";
/// The server's version.
pub(super) const VERSION: &str = "k8s/meta/version";
/// The counter of resource versions.
const RESOURCE_VERSION: &str = "k8s/resource-version";
/// `k8s/dirty/RANK/KEY`: objects that the controllers have to look at.
const DIRTY: &str = "k8s/dirty/";
/// `k8s/gone/UID`: the objects of this owner have to go.
const GONE: &str = "k8s/gone/";
/// `k8s/due/TIME/KEY`: objects that the controllers have to look at then.
const DUE: &str = "k8s/due/";

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
    uid_of(&format!("object {n}"))
}

/// A text in the shape of a uid, always the same for the same seed.
pub(super) fn uid_of(seed: &str) -> String {
    let hex = hex::encode(Sha256::digest(seed));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// A short number from a text, for hashes in names.
pub(super) fn hash32(text: &str) -> u32 {
    let digest = Sha256::digest(text);
    digest.iter().take(4).fold(0, |n, byte| n << 8 | u32::from(*byte))
}

/// The letter of that number in names: neither vowels nor what looks like one,
/// so that no words come out.
fn safe_letter(number: u32) -> char {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    usize::try_from(number % 27).ok().and_then(|at| LETTERS.get(at)).map_or('b', |b| char::from(*b))
}

/// A hash as Kubernetes writes it into names, for example `6fbdb6fc94`.
pub(super) fn hash_name(text: &str) -> String {
    hash32(text).to_string().bytes().map(|b| safe_letter(u32::from(b))).collect()
}

/// The next number of a counter; a dry run only looks what it would be.
pub(super) fn number(world: &mut World, counter: &str, dry_run: bool) -> u64 {
    if dry_run {
        world.get(&format!("meta/counter/{counter}")).and_then(Value::as_u64).unwrap_or(0) + 1
    } else {
        world.next(counter)
    }
}

/// Five letters for a generated name.
pub(super) fn next_suffix(world: &mut World, dry_run: bool) -> String {
    let n = number(world, "k8s/suffix", dry_run);
    let hash = hash32(&format!("suffix {n}"));
    (0..5).map(|place| safe_letter(hash / 27_u32.pow(place))).collect()
}

/// A time as `metadata` writes it: to the second.
pub(super) fn time_text(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    whole.to_string()
}

/// A time as events write it: to the microsecond.
pub(super) fn micro_text(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Writes an object with the next resource version and queues it. An object
/// that is equal but for its version is not written.
pub(super) fn put(world: &mut World, key: &Key, mut object: Value) {
    let old = world.get(key.as_str());
    if let Some(old) = old {
        object["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        if *old == object {
            return;
        }
    }
    let had = old.map(owner_uids).unwrap_or_default();
    let has = owner_uids(&object);
    let version = world.next(RESOURCE_VERSION);
    object["metadata"]["resourceVersion"] = Value::from(version.to_string());
    let owner = controller(&object, key.namespace());
    world.put(key.as_str(), object);
    for uid in had.iter().filter(|uid| !has.contains(uid)) {
        world.remove(&owned_key(uid, key));
    }
    for uid in has.iter().filter(|uid| !had.contains(uid)) {
        world.put(owned_key(uid, key), Value::Null);
    }
    touch(world, key);
    if let Some((owner, _)) = owner {
        touch(world, &owner);
    }
}

/// Removes an object; what it owns goes with the next reconciliation.
pub(super) fn remove(world: &mut World, key: &Key) -> Option<Value> {
    let old = world.remove(key.as_str())?;
    world.next(RESOURCE_VERSION);
    for uid in owner_uids(&old) {
        world.remove(&owned_key(&uid, key));
    }
    if let Some(uid) = old.pointer("/metadata/uid").and_then(Value::as_str)
        && world.scan(&format!("k8s/owned/{uid}/")).next().is_some()
    {
        world.put(format!("{GONE}{uid}"), Value::Null);
    }
    touch(world, key);
    if let Some((owner, _)) = controller(&old, key.namespace()) {
        touch(world, &owner);
    }
    if !key.namespace().is_empty() {
        let namespace = Key::new("", "namespaces", "", key.namespace());
        if world
            .get(namespace.as_str())
            .is_some_and(|n| n.pointer("/metadata/deletionTimestamp").is_some())
        {
            touch(world, &namespace);
        }
    }
    Some(old)
}

fn owned_key(uid: &str, key: &Key) -> String {
    format!("k8s/owned/{uid}/{}", key.as_str())
}

fn owner_uids(object: &Value) -> Vec<String> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let uids = owners.into_iter().flatten().filter_map(|o| o.get("uid").and_then(Value::as_str));
    uids.map(str::to_owned).collect()
}

/// The keys of the objects that the object with this uid owns.
pub(super) fn owned(world: &World, uid: &str) -> Vec<Key> {
    let prefix = format!("k8s/owned/{uid}/");
    let keys = world.scan(&prefix).filter_map(|(key, _)| Key::parse(key.strip_prefix(&prefix)?));
    keys.collect()
}

/// The key of the controller that manages an object, among the built-in types.
pub(super) fn controller(object: &Value, namespace: &str) -> Option<(Key, String)> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array)?;
    let owner = owners.iter().find(|o| o.get("controller") == Some(&Value::Bool(true)))?;
    let text = |name: &str| owner.get(name).and_then(Value::as_str);
    let plural = match text("kind")? {
        "ReplicaSet" => "replicasets",
        "Deployment" => "deployments",
        "StatefulSet" => "statefulsets",
        "DaemonSet" => "daemonsets",
        "Job" => "jobs",
        "CronJob" => "cronjobs",
        _ => return None,
    };
    let group = text("apiVersion")?.split_once('/').map_or("", |(group, _)| group);
    Some((Key::new(group, plural, namespace, text("name")?), text("uid")?.to_owned()))
}

/// Queues an object for the controllers. What others depend on comes first, so
/// that a controller looks once at many changed pods.
pub(super) fn touch(world: &mut World, key: &Key) {
    let rank = match key.plural() {
        "pods" => 1,
        "replicasets" | "statefulsets" | "daemonsets" | "jobs" => 2,
        "deployments" => 3,
        "poddisruptionbudgets" => 4,
        _ => 0,
    };
    world.put(format!("{DIRTY}{rank}/{}", key.as_str()), Value::Null);
}

/// Queues an object for the controllers at a later time.
pub(super) fn touch_at(world: &mut World, key: &Key, time: Timestamp) {
    // Whole seconds, rounded up, in a form whose order is that of time.
    let second = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    world.put(format!("{DUE}{second:020}/{}", key.as_str()), Value::Null);
}

/// The time at which the next object is due.
pub(super) fn next_due(world: &World) -> Option<Timestamp> {
    let (key, _) = world.scan(DUE).next()?;
    let second = key.strip_prefix(DUE)?.split('/').next()?.parse().ok()?;
    Timestamp::from_second(second).ok()
}

/// What the controllers have to do next.
#[derive(Debug)]
pub(super) enum Work {
    /// Look at this object, which may be gone.
    Look(Key),
    /// Remove what the object of this uid owned.
    Collect(String),
}

/// Takes the next work off the queue.
pub(super) fn next_work(world: &mut World) -> Option<Work> {
    while let Some(due) = next_due(world).filter(|due| *due <= world.now()) {
        let prefix = format!("{DUE}{:020}/", due.as_second());
        let keys: Vec<String> = world.scan(&prefix).map(|(key, _)| key.to_owned()).collect();
        for due_key in keys {
            world.remove(&due_key);
            if let Some(key) = due_key.strip_prefix(&prefix).and_then(Key::parse) {
                touch(world, &key);
            }
        }
    }
    let gone = world.scan(GONE).next().map(|(key, _)| key.to_owned());
    if let Some(gone) = gone {
        world.remove(&gone);
        return gone.strip_prefix(GONE).map(|uid| Work::Collect(uid.to_owned()));
    }
    let dirty = world.scan(DIRTY).next().map(|(key, _)| key.to_owned())?;
    world.remove(&dirty);
    let (_, key) = dirty.strip_prefix(DIRTY)?.split_once('/')?;
    Key::parse(key).map(Work::Look)
}

/// Sets or replaces the condition of that type in `status.conditions`. The
/// transition time moves only with the condition's status.
pub(super) fn set_condition(object: &mut Value, mut condition: Value, now: &str) {
    let wanted = condition.get("type").cloned().unwrap_or_default();
    if !object.get("status").is_some_and(Value::is_object) {
        object["status"] = json!({});
    }
    if !object["status"].get("conditions").is_some_and(Value::is_array) {
        object["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = object["status"]["conditions"].as_array_mut() else { return };
    let found = conditions.iter_mut().find(|c| c.get("type") == Some(&wanted));
    let kept = found.as_ref().filter(|c| c.get("status") == condition.get("status"));
    condition["lastTransitionTime"] =
        kept.and_then(|c| c.get("lastTransitionTime").cloned()).unwrap_or_else(|| Value::from(now));
    match found {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}

/// The condition of that type.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether the condition of that type is true.
pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| c.get("status").and_then(Value::as_str) == Some("True"))
}
