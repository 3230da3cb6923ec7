//! `aws eks`: clusters, node groups, add-ons, access entries, pod identity
//! associations, tags. What takes minutes takes them in the world's time.
//!
//! Keys, all below `eks/REGION/`:
//!
//! | key | entry |
//! | --- | --- |
//! | `cluster/CLUSTER` | the cluster as `describe-cluster` answers |
//! | `nodegroup/CLUSTER/NAME`, `addon/CLUSTER/NAME`, `update/CLUSTER/ID` | likewise |
//! | `access-entry/CLUSTER/PRINCIPAL` | the entry, its policies, the principal's unique id |
//! | `association/CLUSTER/ID` | a pod identity association |
//! | `association-of/CLUSTER/NAMESPACE/ACCOUNT` | the id of a service account's association |
//! | `by-arn/ARN` | the key of what has tags |
//!
//! and, without a region, `eks/later/...`: what is to be done when, and
//! `eks/kubernetes`: the key of the cluster that the Kubernetes API is of.

mod access;
mod access_policies;
mod addons;
mod changes;
mod clusters;
mod later;
mod nodegroups;
mod operations;
mod pod_identity;
mod shapes;
mod tags;
mod token;
mod wait;

use serde_json::Value;

use super::facts::{self, ACCOUNT};
use super::model::{Call, Fault, Service, fault};
use crate::sandbox::world::World;

/// The service.
pub const SERVICE: Service = Service { command: "eks", operations: operations::OPERATIONS };

// What the seed makes through the same code.
pub use access::{NewEntry, put_entry};
pub use access_policies::associate_unchecked;
pub use clusters::own_kubernetes;
pub use later::{next_due, settle};
pub use wait::run as wait;

/// Where something of a region is kept.
pub fn key(region: &str, kind: &str, rest: &str) -> String {
    format!("eks/{region}/{kind}/{rest}")
}

/// The ARN of something in the account.
pub fn arn(region: &str, resource: &str) -> String {
    format!("arn:aws:eks:{region}:{ACCOUNT}:{resource}")
}

/// Writes an entry that has tags, so that it is also found by its ARN.
pub fn put_tagged(world: &mut World, key: &str, region: &str, arn: &str, entry: Value) {
    world.put(self::key(region, "by-arn", arn), Value::from(key));
    world.put(key, entry);
}

/// Removes such an entry.
fn remove_tagged(world: &mut World, key: &str, region: &str, arn: &str) {
    world.remove(&self::key(region, "by-arn", arn));
    world.remove(key);
}

/// The cluster that a call names.
fn cluster<'w>(call: &'w Call<'_>, member: &str) -> Result<&'w Value, Fault> {
    let name = call.input.text(member);
    call.world.get(&key(call.region, "cluster", name)).ok_or_else(|| {
        fault("ResourceNotFoundException", format!("No cluster found for name: {name}."))
    })
}

fn now(call: &Call<'_>) -> String {
    facts::to_millisecond(call.world.now())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn set(entry: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = entry.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

fn invalid_parameter(message: impl Into<String>) -> Fault {
    fault("InvalidParameterException", message)
}
