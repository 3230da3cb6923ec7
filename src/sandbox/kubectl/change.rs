//! `patch`, `annotate`, `label` and `scale`: the commands that change a part of
//! an object.

use serde_json::{Map, Value, json};

use super::{Call, Document, Failure, get, table};
use crate::sandbox::charts::yaml;
use crate::sandbox::cluster::{Change, Patch, ResourceType, Subresource, WriteOptions, Written};
use crate::sandbox::flags::{Flag, Takes, flag, short};

pub const PATCH_FLAGS: &[Flag] = &[
    short("patch", 'p', Takes::Value),
    flag("patch-file", Takes::Value),
    flag("subresource", Takes::Value),
    flag("type", Takes::Value),
];
pub const MARK_FLAGS: &[Flag] = &[
    flag("all", Takes::Nothing),
    flag("list", Takes::Nothing),
    flag("overwrite", Takes::Nothing),
    flag("resource-version", Takes::Value),
];
pub const SCALE_FLAGS: &[Flag] = &[
    flag("current-replicas", Takes::Number),
    flag("replicas", Takes::Number),
    flag("timeout", Takes::Duration),
];

/// An existing object that a command is for.
pub struct Found {
    pub ty: ResourceType,
    pub namespace: String,
    pub name: String,
    pub object: Value,
}

impl Found {
    /// `deployment.apps/NAME`.
    pub fn shown(&self) -> String {
        format!("{}/{}", table::qualified(&self.ty), self.name)
    }
}

/// The objects that the arguments or files name. Some that are missing do not
/// keep the command from the others; they make it fail in the end.
pub fn found(call: &mut Call<'_>) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    if call.args.values("filename").is_empty() {
        from_arguments(call, &mut found, &mut missing)?;
    } else {
        let documents = call.documents()?;
        let cluster = call.connect()?;
        for Document { ty, namespace, name, .. } in documents {
            match cluster.get(&ty, &namespace, &name).cloned() {
                Ok(object) => found.push(Found { ty, namespace, name, object }),
                Err(status) => missing.push(Failure::server(&status).text),
            }
        }
    }
    if found.is_empty() && !missing.is_empty() {
        return Err(Failure { text: missing.join("\n"), code: 1 });
    }
    call.missing = missing;
    Ok(found)
}

fn from_arguments(
    call: &mut Call<'_>,
    found: &mut Vec<Found>,
    missing: &mut Vec<String>,
) -> Result<(), Failure> {
    let options = get::list_options(call)?;
    let (scope, namespace) = (call.scope(), call.namespace());
    let wanted = call.wanted()?;
    let cluster = call.connect()?;
    for one in wanted {
        match one.name {
            Some(name) => match cluster.get(&one.ty, &namespace, &name).cloned() {
                Ok(object) => {
                    let namespace =
                        if one.ty.namespaced { namespace.clone() } else { String::new() };
                    found.push(Found { ty: one.ty, namespace, name, object });
                }
                Err(status) => missing.push(Failure::server(&status).text),
            },
            None => found.extend(
                cluster.list(&one.ty, scope.as_deref(), &options).into_iter().map(|object| Found {
                    ty: one.ty.clone(),
                    namespace: table::text(object, "/metadata/namespace"),
                    name: table::text(object, "/metadata/name"),
                    object: object.clone(),
                }),
            ),
        }
    }
    Ok(())
}

fn options(call: &Call<'_>, manager: &str, dry_run: bool) -> WriteOptions {
    let named = call.args.value("field-manager").filter(|name| !name.is_empty());
    WriteOptions::by(named.unwrap_or(manager)).dry_run(dry_run)
}

/// Patches an object and lets the controllers see it.
pub fn send(
    call: &mut Call<'_>,
    one: &Found,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<Written, Failure> {
    let mut cluster = call.connect()?;
    let written = cluster.patch(&one.ty, &one.namespace, &one.name, patch, options)?;
    cluster.reconcile();
    Ok(written)
}

/// `kubectl patch`.
pub fn patch(call: &mut Call<'_>) -> Result<(), Failure> {
    let text = match (call.args.value("patch"), call.args.value("patch-file")) {
        (Some(text), _) if !text.is_empty() => text.to_owned(),
        (_, Some("-" | "/dev/stdin")) => String::from_utf8_lossy(call.stdin).into_owned(),
        (_, Some(path)) => {
            let bytes = call.files.read(path);
            let missing = |_| {
                Failure::said(format!(
                    "unable to read patch file: open {path}: no such file or directory"
                ))
            };
            String::from_utf8_lossy(&bytes.map_err(missing)?).into_owned()
        }
        (_, None) => {
            return Err(Failure::said(
                "must specify --patch or --patch-file containing the contents of the patch",
            ));
        }
    };
    let body = yaml::read(&text)
        .map_err(|why| Failure::said(format!("unable to parse {text:?}: yaml: {why}")))?;
    let (dry_run, note) = call.dry_run()?;
    let subresource = match call.args.value("subresource") {
        Some("status") => Subresource::Status,
        Some("scale") => Subresource::Scale,
        Some(_) | None => Subresource::Main,
    };
    let kind = call.args.value("type").unwrap_or("strategic").to_owned();
    for one in found(call)? {
        let patch = match kind.as_str() {
            "json" => Patch::Json(body.clone()),
            "merge" => Patch::Merge(body.clone()),
            // Only built-in types know how their lists merge.
            "strategic" if one.ty.custom => {
                return Err(Failure::bare(
                    "error: application/strategic-merge-patch+json is not supported by the server for this resource; use --type=merge or --type=json",
                ));
            }
            "strategic" => Patch::Strategic(body.clone()),
            other => {
                return Err(Failure::said(format!(
                    "--type must be one of [json merge strategic], not {other:?}"
                )));
            }
        };
        let options = options(call, "kubectl-patch", dry_run).on(subresource);
        let written = send(call, &one, &patch, &options)?;
        let operation =
            if written.change == Change::Unchanged { "patched (no change)" } else { "patched" };
        call.report(&one.shown(), &format!("{operation}{note}"), &written.object)?;
    }
    Ok(())
}

/// Takes `key=value` and `key-` off the end of the arguments.
fn marks(call: &mut Call<'_>) -> Vec<(String, Option<String>)> {
    let is_mark = |argument: &String| {
        let removal = argument.ends_with('-') && !argument.contains('=');
        argument.contains('=') || removal
    };
    // The first argument is always a type or an object.
    let from = call
        .args
        .positional
        .iter()
        .skip(1)
        .position(is_mark)
        .map_or(call.args.positional.len(), |at| at + 1);
    let from = if call.args.values("filename").is_empty() { from } else { 0 };
    let given = call.args.positional.split_off(from.min(call.args.positional.len()));
    given
        .into_iter()
        .map(|argument| match argument.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (argument.trim_end_matches('-').to_owned(), None),
        })
        .collect()
}

/// `kubectl annotate`.
pub fn annotate(call: &mut Call<'_>) -> Result<(), Failure> {
    let marks = marks(call);
    if marks.is_empty() {
        return Err(Failure::said("at least one annotation update is required"));
    }
    let (dry_run, note) = call.dry_run()?;
    let overwrite = call.args.on("overwrite");
    for one in found(call)? {
        let existing = existing(&one, "annotations", &marks);
        if !overwrite && !existing.is_empty() {
            let declared: Vec<String> = existing
                .iter()
                .map(|(key, value)| format!("'{key}' already has a value ({value})"))
                .collect();
            return Err(Failure::said(format!(
                "--overwrite is false but found the following declared annotation(s): {}",
                declared.join("; ")
            )));
        }
        let written = mark(call, &one, "annotations", &marks, "kubectl-annotate", dry_run)?;
        call.report(&one.shown(), &format!("annotated{note}"), &written.object)?;
    }
    Ok(())
}

/// `kubectl label`.
pub fn label(call: &mut Call<'_>) -> Result<(), Failure> {
    let marks = marks(call);
    if marks.is_empty() {
        return Err(Failure::said("at least one label update is required"));
    }
    let (dry_run, note) = call.dry_run()?;
    let overwrite = call.args.on("overwrite");
    for one in found(call)? {
        if let Some((key, value)) = existing(&one, "labels", &marks).first().filter(|_| !overwrite)
        {
            return Err(Failure::said(format!(
                "'{key}' already has a value ({value}), and --overwrite is false"
            )));
        }
        let written = mark(call, &one, "labels", &marks, "kubectl-label", dry_run)?;
        for (key, _) in marks.iter().filter(|(_, value)| value.is_none()) {
            let map = one.object.pointer("/metadata/labels").and_then(Value::as_object);
            if !map.is_some_and(|map| map.contains_key(key)) {
                call.say(&format!("label \"{key}\" not found.\n"));
            }
        }
        let removed = marks.iter().all(|(_, value)| value.is_none());
        let labels = |object: &Value| {
            let labels = object.pointer("/metadata/labels").and_then(Value::as_object).cloned();
            labels.unwrap_or_default()
        };
        let operation = if labels(&one.object) == labels(&written.object) {
            "not labeled"
        } else if removed {
            "unlabeled"
        } else {
            "labeled"
        };
        call.report(&one.shown(), &format!("{operation}{note}"), &written.object)?;
    }
    Ok(())
}

/// Marks that the object has already, with another value.
fn existing(one: &Found, field: &str, marks: &[(String, Option<String>)]) -> Vec<(String, String)> {
    let map = one
        .object
        .get("metadata")
        .and_then(|metadata| metadata.get(field))
        .and_then(Value::as_object);
    let old =
        |key: &str| map.and_then(|map| map.get(key)).and_then(Value::as_str).map(str::to_owned);
    let changed = marks.iter().filter_map(|(key, value)| {
        let old = old(key)?;
        value.as_ref().is_some_and(|value| *value != old).then(|| (key.clone(), old))
    });
    changed.collect()
}

fn mark(
    call: &mut Call<'_>,
    one: &Found,
    field: &str,
    marks: &[(String, Option<String>)],
    manager: &str,
    dry_run: bool,
) -> Result<Written, Failure> {
    let map: Map<String, Value> = marks
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().map_or(Value::Null, Value::from)))
        .collect();
    let patch = Patch::Merge(json!({"metadata": {field: map}}));
    let options = options(call, manager, dry_run);
    send(call, one, &patch, &options)
}

/// `kubectl scale`.
pub fn scale(call: &mut Call<'_>) -> Result<(), Failure> {
    let Some(replicas) = call.args.number("replicas") else {
        return Err(Failure::said("required flag(s) \"replicas\" not set"));
    };
    if replicas < 0 {
        return Err(Failure::said(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        ));
    }
    let (dry_run, note) = call.dry_run()?;
    let wanted = call.args.number("current-replicas").filter(|count| *count >= 0);
    let objects = found(call).map_err(|failure| {
        // A missing object is nothing to scale.
        match failure.text.strip_prefix("Error from server (NotFound): ") {
            Some(missing) => Failure::said(format!("no objects passed to scale {missing}")),
            None => failure,
        }
    });
    for one in objects? {
        if !one.ty.has_scale() {
            return Err(Failure::bare(
                "Error from server (NotFound): the server could not find the requested resource",
            ));
        }
        let current = one.object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != current) {
            return Err(Failure::said(format!("Expected replicas to be {wanted}, was {current}")));
        }
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let options = options(call, "kubectl-scale", dry_run).on(Subresource::Scale);
        let written = send(call, &one, &patch, &options)?;
        call.report(&one.shown(), &format!("scaled{note}"), &written.object)?;
    }
    Ok(())
}
