//! The verbs of the API: get, list, create, update, patch, delete.
//!
//! A verb checks and writes; what follows from the write is the controllers'
//! business, at the next [`Cluster::reconcile`].

use serde_json::{Value, json};

use super::options::{Change, DeleteOptions, ListOptions, Patch, WriteOptions, Written};
use super::status::Status;
use super::store::{self, Key};
use super::{Cluster, ResourceType};

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
        let name =
            object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = Key::of(ty, namespace, &name);
        if self.world.get(key.as_str()).is_some() {
            return Err(Status::already_exists(ty, &name));
        }
        let mut object = object;
        if ty.namespaced {
            object["metadata"]["namespace"] = Value::from(namespace);
        }
        if !options.dry_run {
            object["metadata"]["uid"] = Value::from(store::next_uid(self.world));
            object = store::put(self.world, &key, object);
        }
        Ok(Written { object, change: Change::Created })
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
        let name =
            object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = Key::of(ty, namespace, &name);
        self.get(ty, namespace, &name)?;
        let object = if options.dry_run { object } else { store::put(self.world, &key, object) };
        Ok(Written { object, change: Change::Changed })
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
        let _ = (patch, options);
        let object = self.get(ty, namespace, name)?.clone();
        Ok(Written { object, change: Change::Unchanged })
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
        let old = self.get(ty, namespace, name)?.clone();
        if !options.dry_run {
            store::remove(self.world, &Key::of(ty, namespace, name));
        }
        Ok(old)
    }

    /// Lets the controllers, the scheduler and the kubelets act until nothing
    /// changes any more at the present time. Cheap when nothing changed. To be
    /// called after writes and after the time has moved.
    pub fn reconcile(&mut self) {}

    /// When something is due that only needs time to pass, for example a slow
    /// pod's readiness.
    pub fn next_due(&self) -> Option<jiff::Timestamp> {
        None
    }

    pub(super) fn prepare(&mut self) {
        if self.world.get(store::BORN).is_some() {
            return;
        }
        let now = self.world.now().to_string();
        self.world.put(store::BORN, Value::from(now));
    }
}
