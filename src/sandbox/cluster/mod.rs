//! The simulated Kubernetes cluster: objects and the controllers that act on
//! them. Two front ends stand on it: the sandbox's `kubectl` and `helm`, and
//! the HTTP API server of the tests, which real `kubectl` and `helm` talk to.
//!
//! Everything lives in the [`World`] under keys that start with `k8s/`. A
//! [`Cluster`] is a short-lived view of it: open one, act, call
//! [`Cluster::reconcile`] so that the controllers catch up, drop it. Nothing
//! here does I/O or reads a clock; time is [`World::now`].

mod admit;
mod control;
mod defaults;
mod fields;
mod managed;
mod nodes;
mod options;
mod patch;
mod paths;
mod prepare;
mod quantity;
mod schema;
mod selector;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod types;
mod validate;
mod verbs;
mod write;

use serde_json::Value;

pub use nodes::{Fault, NodeSpec, Taint, Target, Trouble};
pub use options::{
    Change, DeleteOptions, ListOptions, Patch, Propagation, Subresource, WriteOptions, Written,
};
pub use selector::{FieldSelector, Selector};
pub use status::{Cause, Reason, Status};
pub use store::Key;
pub use types::{ResourceType, Subresources};

use super::world::World;

/// The view of the simulated cluster through which everything is read and
/// changed.
///
/// ```
/// use lkh::sandbox::cluster::{Cluster, WriteOptions};
/// use lkh::sandbox::world::World;
/// use serde_json::json;
///
/// let mut world = World::new("2026-11-22T14:00:00Z".parse().unwrap());
/// let mut cluster = Cluster::open(&mut world);
/// let config_maps = cluster.resolve("cm").unwrap();
/// let object = json!({
///     "apiVersion": "v1", "kind": "ConfigMap",
///     "metadata": {"name": "a"}, "data": {"k": "v"},
/// });
/// cluster.create(&config_maps, "default", object, &WriteOptions::by("kubectl")).unwrap();
/// cluster.reconcile();
/// assert_eq!(cluster.get(&config_maps, "default", "a").unwrap()["data"]["k"], "v");
/// let missing = cluster.get(&config_maps, "default", "b").unwrap_err();
/// assert_eq!(missing.to_string(), "configmaps \"b\" not found");
/// ```
#[derive(Debug)]
pub struct Cluster<'w> {
    world: &'w mut World,
}

impl<'w> Cluster<'w> {
    /// Opens the world's cluster. The first time, it puts in what a new control
    /// plane has: the namespaces `default`, `kube-system`, `kube-public` and
    /// `kube-node-lease`, their default service accounts, the `kubernetes`
    /// service, the system priority classes.
    pub fn open(world: &'w mut World) -> Self {
        let mut cluster = Self { world };
        cluster.prepare();
        cluster
    }

    /// Whether the world has a cluster: one was opened and not erased.
    pub fn exists(world: &World) -> bool {
        world.get(store::BORN).is_some()
    }

    /// Removes the cluster with everything in it, as deleting an EKS cluster
    /// does.
    pub fn erase(world: &mut World) {
        let keys: Vec<String> = world.scan("k8s/").map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            world.remove(&key);
        }
    }

    /// All resource types: the built-in ones and those of the installed
    /// `CustomResourceDefinition`s, in the order of discovery.
    pub fn types(&self) -> Vec<ResourceType> {
        types::built_in().chain(self.custom_types()).collect()
    }

    /// The type that a word on `kubectl`'s command line means: `deploy`,
    /// `deployments`, `deployments.apps`, `deployments.v1.apps`, `Deployment`.
    pub fn resolve(&self, word: &str) -> Option<ResourceType> {
        types::built_in().find(|t| t.answers_to(word)).or_else(|| {
            let mut custom = self.custom_types();
            custom.find(|t| t.answers_to(word))
        })
    }

    /// The type of an object's `apiVersion` and `kind`.
    pub fn type_of(&self, api_version: &str, kind: &str) -> Option<ResourceType> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        types::built_in_kind(group, version, kind).or_else(|| {
            let mut custom = self.custom_types();
            custom.find(|t| t.group == group && t.version == version && t.kind == kind)
        })
    }

    /// The type that a path of the API names.
    pub fn type_at(&self, group: &str, version: &str, plural: &str) -> Option<ResourceType> {
        types::built_in_named(group, plural).filter(|t| t.version == version).or_else(|| {
            let mut custom = self.custom_types();
            custom.find(|t| t.group == group && t.version == version && t.plural == plural)
        })
    }

    fn custom_types(&self) -> impl Iterator<Item = ResourceType> {
        let prefix = store::type_prefix("apiextensions.k8s.io", "customresourcedefinitions");
        let found: Vec<_> =
            self.world.scan(&prefix).flat_map(|(_, d)| types::of_definition(d)).collect();
        found.into_iter()
    }

    /// The `resourceVersion` of the newest change, as `metadata.resourceVersion`
    /// of a list has it.
    pub fn resource_version(&self) -> u64 {
        store::resource_version(self.world)
    }

    /// The server's version, for example `v1.34.2-eks-0123abc`.
    pub fn version(&self) -> String {
        self.world.get(store::VERSION).and_then(Value::as_str).unwrap_or("v1.34.2").to_owned()
    }

    /// Sets what [`Self::version`] says.
    pub fn set_version(&mut self, version: &str) {
        self.world.put(store::VERSION, Value::from(version));
    }

    /// The world that the cluster lives in.
    pub fn world(&self) -> &World {
        self.world
    }
}
