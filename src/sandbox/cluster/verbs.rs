//! The verbs of the API: get, list, create, update, patch, delete.
//!
//! A verb checks and writes; what follows from the write is the controllers'
//! business, at the next [`Cluster::reconcile`].

use serde_json::{Value, json};

use super::admit::text;
use super::managed::{self, Writer};
use super::options::{
    DeleteOptions, ListOptions, Patch, Propagation, Subresource, WriteOptions, Written,
};
use super::schema::Schema;
use super::status::{Reason, Status};
use super::store::{self, Key};
use super::write::{bump_generation, incoming, with_replicas};
use super::{Cluster, ResourceType, patch};

/// Namespaces that cannot be deleted.
const LASTING: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Cluster<'_> {
    /// An object. The namespace is ignored for cluster-wide types.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, ty: &ResourceType, namespace: &str, name: &str) -> Result<&Value, Status> {
        let key = Key::of(ty, namespace, name);
        self.world.get(key.as_str()).ok_or_else(|| Status::not_found(ty, name))
    }

    /// The objects of a type in a namespace, or in all with `None`, by
    /// namespace and name. An unknown namespace has none.
    pub fn list(
        &self,
        ty: &ResourceType,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Vec<&Value> {
        let mut prefix = store::type_prefix(&ty.group, &ty.plural);
        if let (true, Some(namespace)) = (ty.namespaced, namespace) {
            if let Some(name) = options.fields.name() {
                let found = self.get(ty, namespace, name).into_iter();
                return found
                    .filter(|o| options.labels.matches_object(o) && options.fields.matches(o))
                    .collect();
            }
            prefix.push_str(namespace);
            prefix.push('/');
        }
        let all = self.world.scan(&prefix).map(|(_, object)| object);
        all.filter(|o| options.labels.matches_object(o) && options.fields.matches(o)).collect()
    }

    /// The list object that the API answers: `kind: PodList` with `items`.
    pub fn list_object(
        &self,
        ty: &ResourceType,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Value {
        let items: Vec<Value> = self.list(ty, namespace, options).into_iter().cloned().collect();
        json!({
            "apiVersion": ty.api_version(),
            "kind": ty.list_kind(),
            "metadata": {"resourceVersion": self.resource_version().to_string()},
            "items": items,
        })
    }

    /// Creates an object. An empty `metadata.name` with a `generateName` gets a
    /// name; `namespace` is the request's, which the object may leave out.
    ///
    /// # Errors
    /// `AlreadyExists`; `Invalid`; `NotFound` for the namespace; `Forbidden`
    /// where the namespace is being deleted; `BadRequest` where the object's
    /// type or namespace is not the request's.
    pub fn create(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let mut object = incoming(ty, namespace, None, object)?;
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        self.insert(ty, namespace, object, options, true)
    }

    /// Replaces an object. A `metadata.resourceVersion` in it must be the
    /// current one.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for a stale version; `Invalid`, also for a change
    /// of a field that cannot change.
    pub fn update(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let name = text(&object, "/metadata/name");
        let old = self.get(ty, namespace, &name)?.clone();
        let new = match options.subresource {
            Subresource::Scale => with_replicas(&old, object.pointer("/spec/replicas")),
            Subresource::Main | Subresource::Status => {
                incoming(ty, namespace, Some(&name), object)?
            }
        };
        self.replace(ty, old, new, options, true)
    }

    /// Patches an object. Server-side apply also creates.
    ///
    /// # Errors
    /// As [`Self::update`]; `BadRequest` for a patch that makes no sense;
    /// `Conflict` where another manager owns an applied field and the apply is
    /// not forced.
    pub fn patch(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        name: &str,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        if let Patch::Apply { object, force } = patch {
            return self.apply(ty, namespace, name, object, *force, options);
        }
        let old = self.get(ty, namespace, name)?.clone();
        let mut new = match options.subresource {
            Subresource::Scale => Self::scale_of(&old),
            Subresource::Main | Subresource::Status => old.clone(),
        };
        match patch {
            Patch::Json(operations) => patch::json(&mut new, operations)?,
            Patch::Merge(fields) => patch::merge(&mut new, fields),
            Patch::Strategic(_) if ty.custom => {
                return Err(Status::new(
                    Reason::UnsupportedMediaType,
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
            Patch::Strategic(fields) => {
                patch::strategic(&mut new, fields, &Schema::new(ty, None), &mut Vec::new());
            }
            Patch::Apply { .. } => {}
        }
        if options.subresource == Subresource::Scale {
            new = with_replicas(&old, new.pointer("/spec/replicas"));
        } else {
            new = incoming(ty, namespace, Some(name), new)?;
        }
        self.replace(ty, old, new, options, true)
    }

    fn apply(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        name: &str,
        applied: &Value,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        if options.manager.is_empty() {
            return Err(Status::new(
                Reason::BadRequest,
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        if applied.pointer("/metadata/managedFields").is_some_and(|m| !m.is_null()) {
            return Err(Status::new(Reason::BadRequest, "metadata.managedFields must be nil"));
        }
        let mut wanted = applied.clone();
        if options.subresource == Subresource::Main
            && ty.has_status()
            && let Some(wanted) = wanted.as_object_mut()
        {
            wanted.remove("status");
        }
        if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("creationTimestamp");
        }
        let wanted = incoming(ty, namespace, Some(name), wanted)?;
        let live = self.get(ty, namespace, name).ok().cloned();
        let definition = self.definition(ty).cloned();
        let schema = Schema::new(ty, definition.as_ref());
        let (api_version, time) = (ty.api_version(), store::time_text(self.world.now()));
        let who = Writer {
            manager: &options.manager,
            subresource: options.subresource,
            api_version: &api_version,
            time: &time,
        };
        let mut merged = managed::apply(live.as_ref(), &wanted, &schema, &who, force)?;
        match live {
            None if text(&wanted, "/metadata/uid").is_empty() => {
                merged["apiVersion"] = json!(api_version);
                self.insert(ty, namespace, merged, options, false)
            }
            None => Err(Status::not_found(ty, name)),
            Some(live) => self.replace(ty, live, merged, options, false),
        }
    }

    /// Deletes an object, or marks it as being deleted where finalizers hold
    /// it. What it owns, and a namespace's content, goes at the next
    /// reconciliation. Answers the object as it was, or is now.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where uid or version are not the wanted ones.
    pub fn delete(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Value, Status> {
        let mut old = self.get(ty, namespace, name)?.clone();
        for (wanted, field, words) in [
            (&options.uid, "/metadata/uid", "UID"),
            (&options.resource_version, "/metadata/resourceVersion", "ResourceVersion"),
        ] {
            let found = text(&old, field);
            if let Some(wanted) = wanted.as_ref().filter(|w| **w != found) {
                let why = format!(
                    "the {words} in the precondition ({wanted}) does not match the {words} in record ({found}). \
                     The object might have been deleted and then recreated"
                );
                return Err(Status::conflict(ty, name, &why));
            }
        }
        let key = Key::of(ty, namespace, name);
        let is_namespace = ty.is("", "namespaces");
        if is_namespace && LASTING.contains(&name) {
            return Err(Status::forbidden(ty, name, "this namespace may not be deleted"));
        }
        if options.dry_run {
            return Ok(old);
        }
        if options.propagation == Propagation::Orphan {
            self.orphan(&text(&old, "/metadata/uid"));
        }
        let held = old.pointer("/metadata/finalizers/0").is_some();
        if !held && !is_namespace {
            store::remove(self.world, &key);
            return Ok(old);
        }
        if old.pointer("/metadata/deletionTimestamp").is_none() {
            old["metadata"]["deletionTimestamp"] = json!(store::time_text(self.world.now()));
            if is_namespace {
                old["status"]["phase"] = json!("Terminating");
            } else {
                old["metadata"]["deletionGracePeriodSeconds"] = json!(0);
                bump_generation(ty, &mut old);
            }
            old = self.stored(&key, old);
        }
        Ok(old)
    }

    /// Takes the owner out of all that it owns.
    fn orphan(&mut self, uid: &str) {
        for key in store::owned(self.world, uid) {
            let Some(mut child) = self.world.get(key.as_str()).cloned() else { continue };
            if let Some(owners) =
                child.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut)
            {
                owners.retain(|o| o.get("uid").and_then(Value::as_str) != Some(uid));
                store::put(self.world, &key, child);
            }
        }
    }

    /// The `Scale` object of an object that can be scaled.
    pub fn scale_of(object: &Value) -> Value {
        let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
        let selector: Vec<String> = labels
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
            .collect();
        let metadata =
            |name: &str| object.pointer(&format!("/metadata/{name}")).cloned().unwrap_or_default();
        json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {
                "name": metadata("name"),
                "namespace": metadata("namespace"),
                "uid": metadata("uid"),
                "resourceVersion": metadata("resourceVersion"),
                "creationTimestamp": metadata("creationTimestamp"),
            },
            "spec": {"replicas": object.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0))},
            "status": {
                "replicas": object.pointer("/status/replicas").cloned().unwrap_or_else(|| json!(0)),
                "selector": selector.join(","),
            },
        })
    }
}
