//! The controllers: what follows in the cluster from a change.
//!
//! [`Control`] takes changed objects off the store's queue and lets the
//! controller of their type act, until the queue is empty. Acting writes
//! objects, which queues them again; a write that changes nothing does not, so
//! it ends. Each controller has a file; this one has the loop, the namespaces,
//! the custom types and the garbage collection.

mod budget;
mod daemon_set;
mod deployment;
mod events;
mod ingress;
mod job;
mod karpenter;
mod kubelet;
mod own_pod;
mod pods;
mod replica_set;
mod scheduler;
mod stateful_set;
mod wish;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::managed::{self, Writer};
use super::options::Subresource;
use super::schema::Schema;
use super::store::{self, Key, Work};
use super::{Cluster, types};
use crate::sandbox::world::World;

/// No reconciliation takes this many steps; one that does goes in circles.
const MOST_STEPS: usize = 2_000_000;

impl Cluster<'_> {
    /// Lets the controllers, the scheduler and the kubelets act until nothing
    /// changes any more at the present time. Cheap when nothing changed. To be
    /// called after writes and after the time has moved.
    pub fn reconcile(&mut self) {
        let mut control = Control::new(self.world);
        for _ in 0..MOST_STEPS {
            let Some(work) = store::next_work(control.world) else {
                if control.karpenter() {
                    continue;
                }
                break;
            };
            match work {
                Work::Look(key) => control.look(&key),
                Work::Collect(uid) => control.collect(&uid),
            }
        }
    }

    /// When something is due that only needs time to pass, for example a slow
    /// pod's readiness or the end of a deployment's patience.
    pub fn next_due(&self) -> Option<jiff::Timestamp> {
        store::next_due(self.world)
    }
}

/// One run of the controllers.
struct Control<'a> {
    world: &'a mut World,
    /// The present time as objects write it.
    now: String,
    /// What the scheduler knows of the nodes; `None` when it has to look again.
    machines: Option<scheduler::Machines>,
}

impl<'a> Control<'a> {
    fn new(world: &'a mut World) -> Self {
        let now = store::time_text(world.now());
        Self { world, now, machines: None }
    }

    fn look(&mut self, key: &Key) {
        match (key.group(), key.plural()) {
            ("", "pods") => self.pod(key),
            ("", "nodes") => self.node(key),
            ("", "namespaces") => self.namespace(key),
            ("", "persistentvolumeclaims") => self.claim(key),
            ("apps", "deployments") => {
                self.deployment(key);
                self.perhaps_balances(key);
            }
            ("networking.k8s.io", "ingresses") => self.ingress(key),
            ("apps", "replicasets") => self.replica_set(key),
            ("apps", "statefulsets") => self.stateful_set(key),
            ("apps", "daemonsets") => self.daemon_set(key),
            ("batch", "jobs") => self.job(key),
            ("policy", "poddisruptionbudgets") => self.budget(key),
            ("", "configmaps" | "serviceaccounts") if self.object(key).is_none() => {
                // Perhaps one of those that every namespace has.
                store::touch(self.world, &Key::new("", "namespaces", "", key.namespace()));
            }
            ("storage.k8s.io", "storageclasses") => {
                self.touch_all(&store::type_prefix("", "persistentvolumeclaims"));
            }
            ("apiextensions.k8s.io", "customresourcedefinitions") => self.definition(key),
            ("apiregistration.k8s.io", "apiservices") => self.api_service(key),
            _ => {}
        }
    }

    /// The object under a key.
    fn object(&self, key: &Key) -> Option<Value> {
        self.world.get(key.as_str()).cloned()
    }

    /// Writes an object. Where its fields have owners, what a controller
    /// changes is the controllers'; objects that they make themselves do
    /// without, which keeps the world small.
    fn put(&mut self, key: &Key, mut object: Value) {
        if object.pointer("/metadata/managedFields").is_some()
            && let Some(ty) = types::built_in_named(key.group(), key.plural())
        {
            let who = Writer {
                manager: "kube-controller-manager",
                subresource: Subresource::Status,
                api_version: &ty.api_version(),
                time: &self.now,
            };
            let old = self.world.get(key.as_str());
            managed::note_update(old, &mut object, &Schema::new(&ty, None), &who);
        }
        store::put(self.world, key, object);
    }

    /// Writes an object that a controller makes, with a new uid.
    fn make(&mut self, key: &Key, mut object: Value) {
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(store::next_uid(self.world));
        metadata["creationTimestamp"] = json!(self.now);
        store::put(self.world, key, object);
    }

    /// Queues all objects whose key starts so.
    fn touch_all(&mut self, prefix: &str) {
        let keys: Vec<Key> =
            self.world.scan(prefix).filter_map(|(key, _)| Key::parse(key)).collect();
        for key in keys {
            store::touch(self.world, &key);
        }
    }

    /// Deletes an object as a controller does: at once, or when its finalizers
    /// are gone.
    fn delete(&mut self, key: &Key) {
        let Some(mut object) = self.object(key) else { return };
        if object.pointer("/metadata/finalizers/0").is_none() {
            store::remove(self.world, key);
        } else if object.pointer("/metadata/deletionTimestamp").is_none() {
            object["metadata"]["deletionTimestamp"] = json!(self.now);
            object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            self.put(key, object);
        }
    }

    /// Removes what the object of this uid owned, unless another owner is left.
    fn collect(&mut self, uid: &str) {
        for key in store::owned(self.world, uid) {
            let Some(mut object) = self.object(&key) else { continue };
            let owners =
                object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
            let Some(owners) = owners else { continue };
            owners.retain(|o| o.get("uid").and_then(Value::as_str) != Some(uid));
            if owners.is_empty() {
                self.delete(&key);
            } else {
                self.put(&key, object);
            }
        }
    }

    fn namespace(&mut self, key: &Key) {
        let Some(mut object) = self.object(key) else { return };
        let name = key.name();
        if object.pointer("/metadata/deletionTimestamp").is_none() {
            let account = Key::new("", "serviceaccounts", name, "default");
            if self.object(&account).is_none() {
                self.make(
                    &account,
                    json!({
                        "apiVersion": "v1", "kind": "ServiceAccount",
                        "metadata": {"name": "default", "namespace": name},
                    }),
                );
            }
            let root = Key::new("", "configmaps", name, "kube-root-ca.crt");
            if self.object(&root).is_none() {
                self.make(
                    &root,
                    json!({
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": "kube-root-ca.crt", "namespace": name},
                        "data": {"ca.crt": "simulated\n"},
                    }),
                );
            }
            return;
        }
        let mut left: Vec<(String, usize)> = Vec::new();
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        let custom = self
            .world
            .scan(&store::type_prefix("apiextensions.k8s.io", "customresourcedefinitions"));
        let custom: Vec<_> = custom.flat_map(|(_, d)| types::of_definition(d)).collect();
        for ty in types::built_in().chain(custom).filter(|t| t.namespaced) {
            let prefix = format!("{}{name}/", store::type_prefix(&ty.group, &ty.plural));
            let keys: Vec<Key> =
                self.world.scan(&prefix).filter_map(|(key, _)| Key::parse(key)).collect();
            for key in keys {
                self.delete(&key);
            }
            for (_, object) in self.world.scan(&prefix) {
                let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
                for finalizer in finalizers.into_iter().flatten().filter_map(Value::as_str) {
                    *held.entry(finalizer.to_owned()).or_default() += 1;
                }
            }
            let count = self.world.scan(&prefix).count();
            if count > 0 {
                left.push((ty.resource(), count));
            }
        }
        if left.is_empty() {
            store::remove(self.world, key);
            return;
        }
        let texts: Vec<String> =
            left.iter().map(|(r, n)| format!("{r} has {n} resource instances")).collect();
        let now = self.now.clone();
        let condition = json!({
            "type": "NamespaceContentRemaining",
            "status": "True",
            "reason": "SomeResourcesRemain",
            "message": format!("Some resources are remaining: {}", texts.join(", ")),
        });
        store::set_condition(&mut object, condition, &now);
        if !held.is_empty() {
            let texts: Vec<String> =
                held.iter().map(|(f, n)| format!("{f} in {n} resource instances")).collect();
            let condition = json!({
                "type": "NamespaceFinalizersRemaining",
                "status": "True",
                "reason": "SomeFinalizersRemain",
                "message": format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    texts.join(", ")
                ),
            });
            store::set_condition(&mut object, condition, &now);
        }
        self.put(key, object);
    }

    /// Binds a volume claim whose class exists.
    fn claim(&mut self, key: &Key) {
        let Some(mut claim) = self.object(key) else { return };
        if claim.pointer("/status/phase") == Some(&json!("Bound")) {
            return;
        }
        let classes = store::type_prefix("storage.k8s.io", "storageclasses");
        let wanted = claim.pointer("/spec/storageClassName").and_then(Value::as_str);
        let is_default = |class: &Value| {
            let annotations = class.pointer("/metadata/annotations");
            let flag =
                annotations.and_then(|a| a.get("storageclass.kubernetes.io/is-default-class"));
            flag == Some(&json!("true"))
        };
        let class = self.world.scan(&classes).find(|(key, class)| match wanted {
            Some(name) => key.rsplit('/').next() == Some(name),
            None => is_default(class),
        });
        let Some((class, _)) = class else { return };
        let class = class.rsplit('/').next().unwrap_or_default().to_owned();
        let uid = claim["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        claim["spec"]["storageClassName"] = json!(class);
        claim["spec"]["volumeName"] = json!(format!("pvc-{uid}"));
        claim["status"] = json!({
            "phase": "Bound",
            "accessModes": claim.pointer("/spec/accessModes"),
            "capacity": claim.pointer("/spec/resources/requests"),
        });
        self.put(key, claim);
    }

    /// Accepts a new custom type; removes the objects of one that is gone.
    fn definition(&mut self, key: &Key) {
        let Some(mut definition) = self.object(key) else {
            let (plural, group) = key.name().split_once('.').unwrap_or((key.name(), ""));
            let prefix = store::type_prefix(group, plural);
            let keys: Vec<Key> =
                self.world.scan(&prefix).filter_map(|(key, _)| Key::parse(key)).collect();
            for key in keys {
                store::remove(self.world, &key);
            }
            return;
        };
        let now = self.now.clone();
        definition["status"]["acceptedNames"] = definition["spec"]["names"].clone();
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let stored =
            versions.into_iter().flatten().find(|v| v.get("storage") == Some(&json!(true)));
        definition["status"]["storedVersions"] =
            stored.and_then(|v| v.get("name")).map(|n| json!([n])).unwrap_or_default();
        for (kind, reason, message) in [
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ] {
            let condition =
                json!({"type": kind, "status": "True", "reason": reason, "message": message});
            store::set_condition(&mut definition, condition, &now);
        }
        self.put(key, definition);
    }

    fn api_service(&mut self, key: &Key) {
        let Some(mut service) = self.object(key) else { return };
        let now = self.now.clone();
        let condition = json!({
            "type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed",
        });
        store::set_condition(&mut service, condition, &now);
        self.put(key, service);
    }
}
