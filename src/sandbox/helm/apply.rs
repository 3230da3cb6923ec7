//! A release's objects in the cluster: what they are, who owns them, creating,
//! changing and deleting them the way `helm` does.
//!
//! This module must not know revisions or statuses.

use serde_json::{Map, Value};

use super::release::Release;
use crate::sandbox::charts::Rendered;
use crate::sandbox::cluster::{
    Cluster, DeleteOptions, Patch, Reason, ResourceType, Status, WriteOptions,
};
use crate::sandbox::merging::drop_missing;

/// The field manager.
const MANAGER: &str = "helm";

/// The annotation that keeps an object when its release lets go of it.
const KEEP: &str = "/metadata/annotations/helm.sh~1resource-policy";

/// An object of a release with its type, ready to be sent.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its type.
    pub ty: ResourceType,
    /// Its namespace; empty for cluster-wide types.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object with the release's marks on it.
    pub object: Value,
}

impl Target {
    fn same(&self, other: &Self) -> bool {
        self.ty == other.ty && self.namespace == other.namespace && self.name == other.name
    }

    /// `NAMESPACE/NAME GROUP/VERSION, Kind=KIND`, as Go prints it.
    fn shown(&self) -> String {
        format!(
            "{}/{} {}/{}, Kind={}",
            self.namespace, self.name, self.ty.group, self.ty.version, self.ty.kind
        )
    }
}

/// How objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Server-side apply, or client-side merging.
    pub server_side: bool,
    /// Take over fields that others own.
    pub force_conflicts: bool,
    /// Replace instead of patching.
    pub force_replace: bool,
}

/// Finds the types of a release's objects and marks the objects as its own.
///
/// # Errors
///
/// `kubectl`'s words for a type that the cluster does not have.
pub fn build(
    cluster: &Cluster<'_>,
    release: &Release,
    objects: &[Rendered],
) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let mut errors = Vec::new();
    for rendered in objects {
        let text = |pointer: &str| {
            rendered.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
        };
        let (api_version, name) = (text("/apiVersion"), text("/metadata/name"));
        let namespace = text("/metadata/namespace");
        let Some(ty) = cluster.type_of(api_version, rendered.kind()) else {
            errors.push(format!(
                "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"\": no matches for kind \"{}\" in version \"{api_version}\"\nensure CRDs are installed first",
                rendered.kind()
            ));
            continue;
        };
        let namespace = match (ty.namespaced, namespace) {
            (false, _) => "",
            (true, "") => &release.namespace,
            (true, namespace) => namespace,
        };
        let mut object = rendered.object.clone();
        mark(&mut object, "labels", &[("app.kubernetes.io/managed-by", "Helm")]);
        mark(
            &mut object,
            "annotations",
            &[
                ("meta.helm.sh/release-name", &release.name),
                ("meta.helm.sh/release-namespace", &release.namespace),
            ],
        );
        targets.push(Target { namespace: namespace.to_owned(), name: name.to_owned(), object, ty });
    }
    match errors.as_slice() {
        [] => Ok(targets),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn mark(object: &mut Value, field: &str, marks: &[(&str, &str)]) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let map = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if map.is_null() {
        *map = Value::Object(Map::new());
    }
    if let Some(map) = map.as_object_mut() {
        map.extend(marks.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))));
    }
}

/// Which of these objects exist and may become the release's own. With
/// `take` all that exist; otherwise only those that carry its marks.
///
/// # Errors
///
/// `helm`'s words for the first object that another owner has.
pub fn existing(
    cluster: &Cluster<'_>,
    release: &Release,
    targets: &[Target],
    take: bool,
) -> Result<Vec<Target>, String> {
    let mut found = Vec::new();
    for target in targets {
        let Ok(live) = cluster.get(&target.ty, &target.namespace, &target.name) else { continue };
        if !take {
            let mut errors = Vec::new();
            let mut require = |field: &str, title: &str, key: &str, wanted: &str| {
                let actual =
                    live.get("metadata").and_then(|m| m.get(field)).and_then(|map| map.get(key));
                match actual.and_then(Value::as_str) {
                    None => errors.push(format!("{title} validation error: missing key \"{key}\": must be set to \"{wanted}\"")),
                    Some(actual) if actual != wanted => errors.push(format!(
                        "{title} validation error: key \"{key}\" must equal \"{wanted}\": current value is \"{actual}\""
                    )),
                    Some(_) => {}
                }
            };
            require("labels", "label", "app.kubernetes.io/managed-by", "Helm");
            require("annotations", "annotation", "meta.helm.sh/release-name", &release.name);
            require(
                "annotations",
                "annotation",
                "meta.helm.sh/release-namespace",
                &release.namespace,
            );
            if !errors.is_empty() {
                return Err(format!(
                    "{} \"{}\" in namespace \"{}\" exists and cannot be imported into the current release: invalid ownership metadata; {}",
                    target.ty.kind,
                    target.name,
                    target.namespace,
                    errors.join("; ")
                ));
            }
        }
        found.push(target.clone());
    }
    Ok(found)
}

/// Creates objects, all that can be.
///
/// # Errors
///
/// What the cluster said of those that cannot, a line each.
pub fn create(cluster: &mut Cluster<'_>, targets: &[Target], method: Method) -> Result<(), String> {
    let errors: Vec<String> =
        targets.iter().filter_map(|target| create_one(cluster, target, method).err()).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

fn create_one(cluster: &mut Cluster<'_>, target: &Target, method: Method) -> Result<(), String> {
    if method.server_side {
        return apply_one(cluster, target, method.force_conflicts);
    }
    let options = WriteOptions::by(MANAGER);
    cluster
        .create(&target.ty, &target.namespace, target.object.clone(), &options)
        .map(|_| ())
        .map_err(|status| status.to_string())
}

fn apply_one(cluster: &mut Cluster<'_>, target: &Target, force: bool) -> Result<(), String> {
    let patch = Patch::Apply { object: target.object.clone(), force };
    match cluster.patch(
        &target.ty,
        &target.namespace,
        &target.name,
        &patch,
        &WriteOptions::by(MANAGER),
    ) {
        Ok(_) => Ok(()),
        Err(Status { reason: Reason::Conflict, message, .. }) => {
            Err(format!("conflict occurred while applying object {}: {message}", target.shown()))
        }
        Err(status) => Err(status.to_string()),
    }
}

/// Brings the cluster from the objects of one revision to those of another:
/// creates what is missing, changes the rest, deletes what is no longer there.
/// Answers what was created.
///
/// # Errors
///
/// What the cluster said; what was created until then is lost on no one, since
/// the caller sees it in the cluster.
pub fn update(
    cluster: &mut Cluster<'_>,
    originals: &[Target],
    targets: &[Target],
    method: Method,
) -> Result<Vec<Target>, (Vec<Target>, String)> {
    let mut created = Vec::new();
    if method.server_side && method.force_replace {
        let why = "invalid operation: cannot use server-side apply and force replace together";
        return Err((created, why.to_owned()));
    }
    let mut errors = Vec::new();
    for target in targets {
        if cluster.get(&target.ty, &target.namespace, &target.name).is_err() {
            created.push(target.clone());
            if let Err(error) = create_one(cluster, target, method) {
                return Err((created, format!("failed to create resource: {error}")));
            }
            continue;
        }
        let Some(original) = originals.iter().find(|original| original.same(target)) else {
            let why = format!(
                "original object {} with the name \"{}\" not found",
                target.ty.kind, target.name
            );
            return Err((created, why));
        };
        if let Err(error) = update_one(cluster, original, target, method) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        let gone =
            originals.iter().filter(|original| !targets.iter().any(|target| target.same(original)));
        for original in gone {
            let Ok(live) = cluster.get(&original.ty, &original.namespace, &original.name) else {
                continue;
            };
            if is_kept(live) {
                continue;
            }
            match cluster.delete(
                &original.ty,
                &original.namespace,
                &original.name,
                &DeleteOptions::default(),
            ) {
                Ok(_) | Err(Status { reason: Reason::NotFound, .. }) => {}
                Err(status) => {
                    errors.push(format!("failed to delete resource {}: {status}", original.name));
                }
            }
        }
    }
    if errors.is_empty() { Ok(created) } else { Err((created, errors.join(" && "))) }
}

fn update_one(
    cluster: &mut Cluster<'_>,
    original: &Target,
    target: &Target,
    method: Method,
) -> Result<(), String> {
    let options = WriteOptions::by(MANAGER);
    let (ty, namespace, name) = (&target.ty, target.namespace.as_str(), target.name.as_str());
    if method.server_side {
        return apply_one(cluster, target, method.force_conflicts);
    }
    if method.force_replace {
        let replaced = cluster.update(ty, namespace, target.object.clone(), &options);
        return replaced
            .map(|_| ())
            .map_err(|status| format!("failed to replace object: {status}"));
    }
    let mut change = target.object.clone();
    drop_missing(&mut change, &original.object);
    let patch = if ty.custom { Patch::Merge(change) } else { Patch::Strategic(change) };
    let patched = cluster.patch(ty, namespace, name, &patch, &options);
    patched
        .map(|_| ())
        .map_err(|status| format!("cannot patch \"{name}\" with kind {}: {status}", ty.kind))
}

fn is_kept(object: &Value) -> bool {
    object.pointer(KEEP).and_then(Value::as_str) == Some("keep")
}

/// Deletes objects, except those that are to be kept; answers what was deleted
/// and what was kept, as `[KIND] NAME`.
///
/// # Errors
///
/// What the cluster said.
pub fn delete(
    cluster: &mut Cluster<'_>,
    targets: &[Target],
) -> Result<(Vec<Target>, Vec<String>), Vec<String>> {
    let (mut deleted, mut kept, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    // What was installed last goes first.
    for target in targets.iter().rev() {
        if is_kept(&target.object) {
            kept.push(format!("[{}] {}", target.ty.kind, target.name));
            continue;
        }
        match cluster.delete(&target.ty, &target.namespace, &target.name, &DeleteOptions::default())
        {
            Ok(_) | Err(Status { reason: Reason::NotFound, .. }) => deleted.push(target.clone()),
            Err(status) => errors.push(status.to_string()),
        }
    }
    if errors.is_empty() { Ok((deleted, kept)) } else { Err(errors) }
}
