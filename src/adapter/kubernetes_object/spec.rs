//! The spec of an object: what manifests may write, and what it means.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::{FIELD_MANAGER, FIXED, OBJECT};
use crate::adapter::helm_release::spec::seconds;
use crate::adapter::kube::{self, problem};
use crate::adapter::{Context, Desired, Identity, Problem};
use crate::diff::kubernetes::{Scopes, normal};
use crate::quote::quote;
use crate::value::{Map, Value};

/// Any one object of the cluster, applied on the server's side.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the object is read as a value, for it may hold what is not known")]
struct Spec {
    /// The object, as for `kubectl apply`: apiVersion, kind, metadata and the
    /// fields that are to be so. Fields that are not written are left alone.
    manifest: serde_json::Map<String, Json>,
    /// Whether fields that someone else has set are taken over.
    #[serde(default)]
    force: bool,
    /// Fields that can't be changed once the object exists, such as
    /// `spec.selector`: where they differ, it is deleted and made anew.
    #[serde(default)]
    replace_on_change: Vec<String>,
    /// How long the object may take to become ready, or to be gone, such as
    /// `90s` or `5m`.
    #[serde(default = "two_minutes")]
    timeout: String,
}

fn two_minutes() -> String {
    "2m".into()
}

/// The names of settings.
pub(super) const API_VERSION: &str = "apiVersion";
pub(super) const FORCE: &str = "force";
pub(super) const TIMEOUT: &str = "timeoutSeconds";
pub(super) const REPLACE_ON_CHANGE: &str = "replaceOnChange";

/// Groups of the API server itself: of their kinds it is known which are in a
/// namespace.
const BUILT_IN: &[&str] = &["", "apps", "batch", "policy", "autoscaling"];

/// The JSON Schema of the spec.
pub fn schema() -> Schema {
    schema_for!(Spec)
}

/// What a spec asks for, in normal form.
///
/// # Errors
/// All that is wrong with it.
pub fn desired(spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
    let mut problems = Vec::new();
    for field in [FORCE, REPLACE_ON_CHANGE, "timeout"] {
        if spec.get(field).is_some_and(|value| value.has_unknown() || value.has_sensitive()) {
            let summary = format!("`{field}` must be known when planning, and not sensitive");
            problems.push(problem(&[field], summary, "use a plain variable"));
        }
    }
    let empty = Value::map();
    let manifest = spec.get("manifest").unwrap_or(&empty);
    let named = names(manifest, &mut problems);
    refused(manifest, &named, &mut problems);
    let timeout = spec.get("timeout").and_then(Value::as_str).unwrap_or("2m");
    let timeout =
        seconds(timeout).filter(|time| (1..=86_400).contains(time)).unwrap_or_else(|| {
            problems.push(problem(
                &["timeout"],
                format!("{} is not a time to wait", quote(timeout)),
                "write hours, minutes and seconds, at most 24h in all, such as `90s` or `5m`",
            ));
            0
        });
    let paths = paths(spec, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (mut attributes, identity) = (Map::new(), named.identity());
    if !context.external {
        let Some((key, body)) = tree(manifest) else {
            let help = "write apiVersion, kind, metadata.name and the fields of one object";
            return Err(vec![problem(&["manifest"], "this is no object", help)]);
        };
        let (body, fixed) = split(body, &paths);
        attributes.insert(FIELD_MANAGER.into(), kube::MANAGER.into());
        attributes.insert(OBJECT.into(), Value::Map(Map::from([(key.clone(), body)])));
        if fixed.as_map().is_some_and(|fixed| !fixed.is_empty()) {
            attributes.insert(FIXED.into(), Value::Map(Map::from([(key, fixed)])));
        }
    }
    let text = |value: &Value| if value.is_null() { "".into() } else { value.clone() };
    let outputs = [("name", text(&named.name)), ("namespace", text(&named.namespace))];
    Ok(Desired {
        identity,
        attributes,
        outputs: outputs.into_iter().map(|(key, name)| (key.to_owned(), name)).collect(),
        settings: Map::from([
            (API_VERSION.to_owned(), Value::from(named.api_version)),
            (FORCE.to_owned(), spec.get(FORCE).cloned().unwrap_or(Value::Bool(false))),
            (
                REPLACE_ON_CHANGE.to_owned(),
                spec.get(REPLACE_ON_CHANGE).cloned().unwrap_or_else(|| Value::List(Vec::new())),
            ),
            (TIMEOUT.to_owned(), Value::from(timeout)),
        ]),
        ..Desired::default()
    })
}

/// What names an object.
#[derive(Debug, Default)]
struct Names {
    api_version: String,
    kind: String,
    /// Null where none is named.
    namespace: Value,
    name: Value,
}

impl Names {
    fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Without the version: an object is served under several.
    fn identity(&self) -> Identity {
        let mut identity = Identity::default();
        let parts = [
            ("group", self.group().into()),
            ("kind", self.kind.as_str().into()),
            ("namespace", self.namespace.clone()),
            ("name", self.name.clone()),
        ];
        for (key, part) in parts {
            if !part.is_null() && part.as_str() != Some("") {
                identity.0.insert(key.to_owned(), part);
            }
        }
        identity
    }
}

fn names(manifest: &Value, problems: &mut Vec<Problem>) -> Names {
    let mut text = |path: &[&str], needed: bool, fits: fn(&str) -> bool, help: &str| {
        let mut value = Some(manifest);
        for segment in path {
            value = value.and_then(|value| value.get(segment));
        }
        let whole: Vec<&str> = std::iter::once("manifest").chain(path.iter().copied()).collect();
        let field = path.join(".");
        match value {
            Some(Value::String(text)) if fits(text) => return Value::from(text.as_str()),
            Some(Value::String(text)) => {
                problems.push(problem(&whole, format!("{} can't be `{field}`", quote(text)), help));
            }
            Some(Value::Null) | None if !needed => {}
            Some(Value::Null) | None => {
                problems.push(problem(&["manifest"], format!("`{field}` is missing"), help));
            }
            // Another resource may tell where it is and what it is called.
            Some(Value::Unknown(expression)) if path.first() == Some(&"metadata") => {
                return Value::Unknown(expression.clone());
            }
            Some(value) if value.has_unknown() => {
                let summary = format!("`{field}` must be known when planning");
                problems.push(problem(&whole, summary, "use a variable"));
            }
            Some(value) if value.has_sensitive() => {
                let summary = format!("`{field}` must not be sensitive: it is shown");
                problems.push(problem(&whole, summary, "use a plain variable"));
            }
            Some(_) => problems.push(problem(&whole, format!("`{field}` must be a text"), help)),
        }
        Value::Null
    };
    let plain = |value: Value| value.as_str().unwrap_or_default().to_owned();
    Names {
        api_version: plain(text(
            &["apiVersion"],
            true,
            is_api_version,
            "such as `v1` or `apps/v1`",
        )),
        kind: plain(text(&["kind"], true, is_kind, "such as `Deployment`")),
        namespace: text(
            &["metadata", "namespace"],
            false,
            kube::is_label,
            "use at most 63 lowercase letters, digits and inner `-`",
        ),
        name: text(
            &["metadata", "name"],
            true,
            is_path_segment,
            "write the object's whole name, without `/` and `%`",
        ),
    }
}

/// What another kind does better, and what is not a manifest's to write.
fn refused(manifest: &Value, named: &Names, problems: &mut Vec<Problem>) {
    let mut refuse = |path: &[&str], summary: &str, help: &str| {
        problems.push(problem(path, summary, help));
    };
    match (named.group(), named.kind.as_str()) {
        ("", "Secret") => refuse(
            &["manifest", "kind"],
            "a secret's values would be in plans",
            "use the kind KubernetesSecret",
        ),
        ("", "Namespace") => refuse(
            &["manifest", "kind"],
            "a namespace is more than its object",
            "use the kind Namespace",
        ),
        (_, kind) if kind.ends_with("List") => {
            refuse(&["manifest", "kind"], "this is a list", "declare each object by itself");
        }
        _ => {}
    }
    for path in [
        &["status"][..],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
        &["metadata", "uid"],
        &["metadata", "generateName"],
        &["metadata", "creationTimestamp"],
        &["metadata", "deletionTimestamp"],
    ] {
        let mut value = Some(manifest);
        for segment in path {
            value = value.and_then(|value| value.get(segment));
        }
        if value.is_some_and(|value| !value.is_null()) {
            let whole: Vec<&str> =
                std::iter::once("manifest").chain(path.iter().copied()).collect();
            let summary = format!("`{}` is the API server's to write", path.join("."));
            refuse(&whole, &summary, "remove it");
        }
    }
    let group = named.group();
    let built_in = BUILT_IN.contains(&group) || group.ends_with(".k8s.io");
    let scoped = Scopes::default().is_cluster_scoped(&named.kind);
    if built_in && !named.kind.is_empty() && !scoped && named.namespace.is_null() {
        refuse(
            &["manifest", "metadata"],
            &format!("a {} is in a namespace, and none is named", named.kind),
            "add metadata.namespace",
        );
    }
    if built_in && scoped && !named.namespace.is_null() {
        refuse(
            &["manifest", "metadata", "namespace"],
            &format!("a {} is in no namespace", named.kind),
            "remove it",
        );
    }
}

/// The fields for whose sake the object is made anew.
fn paths(spec: &Value, problems: &mut Vec<Problem>) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let listed = spec.get(REPLACE_ON_CHANGE).and_then(Value::as_list).unwrap_or_default();
    for (index, path) in listed.iter().enumerate() {
        let text = path.as_str().unwrap_or_default();
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        let first = segments.first().map_or("", String::as_str);
        let own = ["apiVersion", "kind", "status"].contains(&first);
        if own || segments.iter().any(String::is_empty) {
            problems.push(problem(
                &[REPLACE_ON_CHANGE, &index.to_string()],
                format!("{} does not name a field", quote(text)),
                "write names of fields with dots between them, such as `spec.selector`",
            ));
        } else {
            paths.push(segments);
        }
    }
    paths
}

/// A manifest as a tree of one object in normal form, with its key. Parts that
/// are not known yet or sensitive stay so.
fn tree(manifest: &Value) -> Option<(String, Value)> {
    let json: Json = manifest.to_spec().ok()?;
    let (key, body) = normal(&json, "", &Scopes::default())?;
    // A name that is not known yet is marked as such; its expression is shown.
    let key = key.replace(char::is_control, "");
    Some((key, Value::from_spec(&body.redacted_json()).ok()?))
}

/// Takes the fields at these paths out of an object's tree; answers the rest and
/// them.
pub(super) fn split(body: Value, paths: &[Vec<String>]) -> (Value, Value) {
    let (mut rest, mut fixed) = (body, Value::map());
    for path in paths {
        if let Some(value) = take(&mut rest, path) {
            put(&mut fixed, path, value);
        }
    }
    (rest, fixed)
}

fn take(value: &mut Value, path: &[String]) -> Option<Value> {
    let Value::Map(map) = value else { return None };
    match path {
        [] => None,
        [last] => map.remove(last),
        [first, rest @ ..] => take(map.get_mut(first)?, rest),
    }
}

fn put(value: &mut Value, path: &[String], found: Value) {
    let Value::Map(map) = value else { return };
    match path {
        [] => {}
        [last] => drop(map.insert(last.clone(), found)),
        [first, rest @ ..] => {
            if !map.contains_key(first) {
                map.insert(first.clone(), Value::map());
            }
            if let Some(below) = map.get_mut(first) {
                put(below, rest, found);
            }
        }
    }
}

/// All fields of both trees.
pub(super) fn joined(object: &Value, fixed: &Value) -> Value {
    match (object, fixed) {
        (Value::Map(object), Value::Map(fixed)) => {
            let mut all = object.clone();
            for (key, value) in fixed {
                let value = match object.get(key) {
                    Some(below) => joined(below, value),
                    None => value.clone(),
                };
                all.insert(key.clone(), value);
            }
            Value::Map(all)
        }
        _ => object.clone(),
    }
}

/// The fields for whose sake an object is made anew, from its settings.
pub(super) fn fixed_paths(settings: &Map) -> Vec<Vec<String>> {
    let paths = settings.get(REPLACE_ON_CHANGE).and_then(Value::as_list).unwrap_or_default();
    let texts = paths.iter().filter_map(Value::as_str);
    texts.map(|path| path.split('.').map(str::to_owned).collect()).collect()
}

/// Whether a text is `version` or `group/version`.
pub(super) fn is_api_version(text: &str) -> bool {
    match text.split_once('/') {
        Some((group, version)) => kube::is_subdomain(group) && kube::is_label(version),
        None => kube::is_label(text),
    }
}

/// Whether a text is a kind.
pub(super) fn is_kind(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_ascii_uppercase())
        && text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether a name can stand in a path of the API; some kinds allow little else.
pub(super) fn is_path_segment(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.contains(|c: char| c == '/' || c == '%' || c.is_control() || c.is_whitespace())
}
