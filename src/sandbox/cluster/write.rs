//! How a write goes through: what a request sends is brought into shape,
//! filled in, checked, and put into the store.
//!
//! The verbs decide what is written; this decides whether and in what form.

use serde_json::{Value, json};

use super::admit::text;
use super::managed::{self, Writer};
use super::options::{Change, Subresource, WriteOptions, Written};
use super::schema::Schema;
use super::status::{Reason, Status};
use super::store::{self, Key};
use super::{Cluster, ResourceType, defaults, patch, validate};

/// Metadata that only the server writes.
const SERVER_WRITTEN: [&str; 7] = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
];

/// Groups and plurals of the types whose objects count their generations.
const GENERATIONS: &[(&str, &str)] = &[
    ("", "pods"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
];

fn counts_generations(ty: &ResourceType) -> bool {
    ty.custom || GENERATIONS.iter().any(|(group, plural)| ty.is(group, plural))
}

impl Cluster<'_> {
    /// The `CustomResourceDefinition` of a custom type.
    pub(super) fn definition(&self, ty: &ResourceType) -> Option<&Value> {
        let key = Key::new("apiextensions.k8s.io", "customresourcedefinitions", "", &ty.resource());
        ty.custom.then(|| self.world.get(key.as_str())).flatten()
    }

    /// Puts a new object in. `note` writes who owns its fields; an apply has
    /// done so already.
    pub(super) fn insert(
        &mut self,
        ty: &ResourceType,
        namespace: &str,
        mut object: Value,
        options: &WriteOptions,
        note: bool,
    ) -> Result<Written, Status> {
        if text(&object, "/metadata/name").is_empty() {
            let prefix = text(&object, "/metadata/generateName");
            if !prefix.is_empty() {
                object["metadata"]["name"] =
                    json!(format!("{prefix}{}", store::next_suffix(self.world, options.dry_run)));
            }
        }
        let name = text(&object, "/metadata/name");
        self.admit_namespace(ty, namespace, &name)?;
        let key = Key::of(ty, namespace, &name);
        if self.world.get(key.as_str()).is_some() {
            return Err(Status::already_exists(ty, &name));
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|name, _| !SERVER_WRITTEN.contains(&name.as_str()));
        }
        if ty.has_status()
            && let Some(object) = object.as_object_mut()
        {
            object.remove("status");
        }
        let definition = self.definition(ty).cloned();
        drop_nulls(&mut object);
        defaults::fill(ty, definition.as_ref(), &mut object);
        validate::new_object(ty, definition.as_ref(), &object)?;
        if ty.is("", "pods") {
            self.admit_pod(ty, namespace, &mut object, options.dry_run)?;
            object["status"] = json!({"phase": "Pending", "qosClass": qos_class(&object)});
        } else if ty.is("", "services") {
            self.admit_service(None, &mut object, options.dry_run);
        }
        if note {
            self.note(ty, definition.as_ref(), None, &mut object, options);
        }
        if counts_generations(ty) {
            object["metadata"]["generation"] = json!(1);
        }
        object["metadata"]["creationTimestamp"] = json!(store::time_text(self.world.now()));
        if options.dry_run {
            object["metadata"]["uid"] = json!(store::uid_of("dry run"));
        } else {
            object["metadata"]["uid"] = json!(store::next_uid(self.world));
            if ty.is("batch", "jobs") {
                label_job(&mut object);
            }
            object = self.stored(&key, object);
        }
        Ok(Written { object, change: Change::Created })
    }

    /// Puts a changed object in.
    pub(super) fn replace(
        &mut self,
        ty: &ResourceType,
        old: Value,
        mut new: Value,
        options: &WriteOptions,
        note: bool,
    ) -> Result<Written, Status> {
        let name = text(&old, "/metadata/name");
        let wanted = text(&new, "/metadata/resourceVersion");
        if !wanted.is_empty() && wanted != text(&old, "/metadata/resourceVersion") {
            return Err(Status::conflict(
                ty,
                &name,
                "the object has been modified; please apply your changes to the latest version and try again",
            ));
        }
        let uid = text(&new, "/metadata/uid");
        if !uid.is_empty() && uid != text(&old, "/metadata/uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                text(&old, "/metadata/uid")
            );
            return Err(Status::conflict(ty, &name, &why));
        }
        if options.subresource == Subresource::Status {
            let mut kept = old.clone();
            kept["status"] = new.get("status").cloned().unwrap_or_default();
            if !note {
                kept["metadata"]["managedFields"] = new["metadata"]["managedFields"].take();
            }
            new = kept;
        } else if ty.has_status() {
            carry(&old, &mut new, "status");
        }
        for field in SERVER_WRITTEN {
            let (old, new) = (&old["metadata"], &mut new["metadata"]);
            carry(old, new, field);
        }
        let definition = self.definition(ty).cloned();
        drop_nulls(&mut new);
        defaults::fill(ty, definition.as_ref(), &mut new);
        if ty.is("", "services") {
            self.admit_service(Some(&old), &mut new, options.dry_run);
        }
        validate::changed_object(ty, definition.as_ref(), &old, &new)?;
        if note {
            self.note(ty, definition.as_ref(), Some(&old), &mut new, options);
        }
        if counts_generations(ty) && content_differs(&old, &new) {
            bump_generation(ty, &mut new);
        }
        if new == old {
            return Ok(Written { object: old, change: Change::Unchanged });
        }
        if !options.dry_run {
            let key = Key::of(ty, &text(&old, "/metadata/namespace"), &name);
            let leaving = new.pointer("/metadata/deletionTimestamp").is_some();
            let held = new.pointer("/metadata/finalizers/0").is_some();
            if leaving && !held && !ty.is("", "namespaces") {
                store::remove(self.world, &key);
            } else {
                new = self.stored(&key, new);
            }
        }
        Ok(Written { object: new, change: Change::Changed })
    }

    /// Stores an object and answers it as it is then.
    pub(super) fn stored(&mut self, key: &Key, object: Value) -> Value {
        store::put(self.world, key, object);
        self.world.get(key.as_str()).cloned().unwrap_or_default()
    }

    fn note(
        &self,
        ty: &ResourceType,
        definition: Option<&Value>,
        old: Option<&Value>,
        new: &mut Value,
        options: &WriteOptions,
    ) {
        let (api_version, time) = (ty.api_version(), store::time_text(self.world.now()));
        let who = Writer {
            manager: if options.manager.is_empty() { "unknown" } else { &options.manager },
            subresource: options.subresource,
            api_version: &api_version,
            time: &time,
        };
        managed::note_update(old, new, &Schema::new(ty, definition), &who);
    }
}

/// Checks what a request sends, and brings it into shape: its type, its
/// name, its namespace, no nulls.
pub(super) fn incoming(
    ty: &ResourceType,
    namespace: &str,
    name: Option<&str>,
    mut object: Value,
) -> Result<Value, Status> {
    if !object.is_object() {
        return Err(Status::new(
            Reason::BadRequest,
            "the object provided is unrecognized (must be an object)",
        ));
    }
    let bad = |message: String| Err(Status::new(Reason::BadRequest, message));
    let api_version = text(&object, "/apiVersion");
    if !api_version.is_empty() && api_version != ty.api_version() {
        return bad(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            ty.api_version()
        ));
    }
    let kind = text(&object, "/kind");
    if !kind.is_empty() && kind != ty.kind {
        return bad(format!(
            "the kind in the data ({kind}) does not match the expected kind ({})",
            ty.kind
        ));
    }
    object["apiVersion"] = json!(ty.api_version());
    object["kind"] = json!(ty.kind);
    if !object.get("metadata").is_some_and(Value::is_object) {
        object["metadata"] = json!({});
    }
    let in_object = text(&object, "/metadata/namespace");
    if ty.namespaced {
        if !in_object.is_empty() && in_object != namespace {
            return bad(
                "the namespace of the provided object does not match the namespace sent on the request"
                    .to_owned(),
            );
        }
        object["metadata"]["namespace"] = json!(namespace);
    } else if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    if let Some(name) = name {
        let in_object = text(&object, "/metadata/name");
        if !in_object.is_empty() && in_object != name {
            return bad(format!(
                "the name of the object ({in_object}) does not match the name on the URL ({name})"
            ));
        }
        object["metadata"]["name"] = json!(name);
    }
    Ok(object)
}

/// Copies a field, or its absence.
fn carry(from: &Value, to: &mut Value, field: &str) {
    match (from.get(field), to.as_object_mut()) {
        (Some(value), Some(to)) => {
            to.insert(field.to_owned(), value.clone());
        }
        (None, Some(to)) => {
            to.remove(field);
        }
        (_, None) => {}
    }
}

/// The object with another number of replicas.
pub(super) fn with_replicas(object: &Value, replicas: Option<&Value>) -> Value {
    let mut object = object.clone();
    object["spec"]["replicas"] = replicas.cloned().unwrap_or_else(|| json!(0));
    object
}

/// Whether anything but metadata and status differs.
fn content_differs(old: &Value, new: &Value) -> bool {
    let content = |object: &Value| -> Vec<(String, Value)> {
        let fields = object.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| *name != "metadata" && *name != "status");
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    content(old) != content(new)
}

/// Counts a change of the object's content.
pub(super) fn bump_generation(ty: &ResourceType, object: &mut Value) {
    if counts_generations(ty) {
        let generation =
            object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Removes nulls, which mean the same as absence everywhere but in what the
/// server itself writes (`status`, and the fields of events).
fn drop_nulls(object: &mut Value) {
    fn within(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|_, value| !value.is_null());
                object.values_mut().for_each(within);
            }
            Value::Array(items) => items.iter_mut().for_each(within),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    if object.get("kind").is_some_and(|k| k == "Event") {
        return;
    }
    for (name, value) in object.as_object_mut().into_iter().flatten() {
        if name != "status" {
            within(value);
        }
    }
}

/// A pod's quality of service, from its requests and limits.
pub(super) fn qos_class(pod: &Value) -> &'static str {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let mut any = false;
    let mut all_limited = true;
    for container in containers.into_iter().flatten() {
        for resource in ["cpu", "memory"] {
            let at = |kind: &str| container.pointer(&format!("/resources/{kind}/{resource}"));
            let (request, limit) = (at("requests"), at("limits"));
            any |= request.is_some() || limit.is_some();
            all_limited &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all_limited) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Gives a job's pods the labels by which the job finds them.
fn label_job(job: &mut Value) {
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    });
    patch::merge(&mut job["spec"]["template"], &json!({"metadata": {"labels": labels}}));
    if job.pointer("/spec/selector").is_none() {
        job["spec"]["selector"] =
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
}
