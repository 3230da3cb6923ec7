//! `apply` and `diff`: bringing objects to what a file says.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Call, Document, Failure, output};
use crate::sandbox::charts::yaml;
use crate::sandbox::cluster::{Change, Patch, Reason, Status, WriteOptions, Written};
use crate::sandbox::flags::{Flag, Takes, flag};
use crate::sandbox::merging::drop_missing;

pub const APPLY_FLAGS: &[Flag] = &[
    flag("force-conflicts", Takes::Nothing),
    flag("overwrite", Takes::Nothing),
    flag("server-side", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("validate", Takes::Optional("strict")),
    flag("wait", Takes::Nothing),
];
pub const DIFF_FLAGS: &[Flag] = &[
    flag("force-conflicts", Takes::Nothing),
    flag("prune", Takes::Nothing),
    flag("server-side", Takes::Nothing),
    flag("show-managed-fields", Takes::Nothing),
];

/// Where client-side apply remembers what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What `kubectl` says of a conflict, after the server's words.
const CONFLICT_ADVICE: &str = "\
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";

/// Refuses a command without `-f`.
pub fn needs_files(call: &Call<'_>) -> Result<(), Failure> {
    if call.args.values("filename").is_empty() {
        return Err(Failure::said("must specify one of -f and -k"));
    }
    Ok(())
}

/// The field manager that the command names, or another.
pub fn manager(call: &Call<'_>, otherwise: &str) -> String {
    call.args.value("field-manager").filter(|name| !name.is_empty()).unwrap_or(otherwise).to_owned()
}

/// `kubectl apply`.
pub fn apply(call: &mut Call<'_>) -> Result<(), Failure> {
    needs_files(call)?;
    let server_side = call.args.on("server-side");
    let force = call.args.on("force-conflicts");
    if force && !server_side {
        return Err(Failure::said("--force-conflicts only works with --server-side"));
    }
    let (dry_run, note) = call.dry_run()?;
    let documents = call.documents()?;
    if documents.is_empty() {
        return Err(Failure::said("no objects passed to apply"));
    }
    let options = WriteOptions::by(&manager(
        call,
        if server_side { "kubectl" } else { "kubectl-client-side-apply" },
    ));
    let mut errors = Vec::new();
    let mut written = Vec::new();
    for document in documents {
        let result = if server_side {
            apply_server_side(call, &document, force, &options.clone().dry_run(dry_run))
        } else {
            apply_client_side(call, &document, &options.clone().dry_run(dry_run), false)
        };
        match result {
            Ok((operation, object)) => written.push((document.shown(), operation, object)),
            Err(failure) => errors.push(failure.text),
        }
    }
    call.connect()?.reconcile();
    report_all(call, written, note)?;
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}

/// Lines of what happened; with `-o json` one object, or a list of several.
pub fn report_all(
    call: &mut Call<'_>,
    written: Vec<(String, &str, Value)>,
    note: &str,
) -> Result<(), Failure> {
    let many = written.len() > 1;
    if many && matches!(call.args.value("output"), Some("json" | "yaml")) {
        let objects: Vec<Value> = written
            .into_iter()
            .map(|(_, _, object)| output::without_managed_fields(object))
            .collect();
        return call.report("", "", &output::list(&objects));
    }
    for (shown, operation, object) in written {
        call.report(&shown, &format!("{operation}{note}"), &object)?;
    }
    Ok(())
}

fn apply_server_side(
    call: &mut Call<'_>,
    document: &Document,
    force: bool,
    options: &WriteOptions,
) -> Result<(&'static str, Value), Failure> {
    if document.name.is_empty() {
        return Err(Failure::said("resource name may not be empty"));
    }
    let mut cluster = call.connect()?;
    let patch = Patch::Apply { object: document.object.clone(), force };
    match cluster.patch(&document.ty, &document.namespace, &document.name, &patch, options) {
        Ok(Written { object, .. }) if !options.dry_run => {
            let moved = migrated(&object, &options.manager);
            let Some(moved) = moved else { return Ok(("serverside-applied", object)) };
            // What client-side apply owned is applied by this manager from now
            // on, so what it does not apply any more goes.
            let bare = WriteOptions::by(&options.manager);
            let ty = &document.ty;
            cluster.update(ty, &document.namespace, moved, &bare)?;
            let patch = Patch::Apply { object: document.object.clone(), force: true };
            let Written { object, .. } =
                cluster.patch(ty, &document.namespace, &document.name, &patch, options)?;
            Ok(("serverside-applied", object))
        }
        Ok(Written { object, .. }) => Ok(("serverside-applied", object)),
        Err(Status { reason: Reason::Conflict, message, .. }) => {
            Err(Failure::said(format!("{message}\n{CONFLICT_ADVICE}")))
        }
        Err(status) => Err(status.into()),
    }
}

/// The object with the fields of client-side apply given to a manager that
/// applies; `None`: nobody has used client-side apply.
fn migrated(object: &Value, manager: &str) -> Option<Value> {
    let remembers = |entry: &Value| {
        entry["operation"] == "Update"
            && !entry["fieldsV1"]["f:metadata"]["f:annotations"][format!("f:{LAST_APPLIED}")]
                .is_null()
    };
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let (old, mut kept): (Vec<Value>, Vec<Value>) = entries.iter().cloned().partition(remembers);
    let ours = kept.iter_mut().find(|one| one["operation"] == "Apply" && one["manager"] == manager);
    let ours = ours.filter(|_| !old.is_empty())?;
    for entry in &old {
        crate::sandbox::merging::add(&mut ours["fieldsV1"], &entry["fieldsV1"]);
    }
    let mut moved = object.clone();
    moved["metadata"]["managedFields"] = Value::Array(kept);
    Some(moved)
}

/// `looking` is a comparison: what was applied is not remembered.
fn apply_client_side(
    call: &mut Call<'_>,
    document: &Document,
    options: &WriteOptions,
    looking: bool,
) -> Result<(&'static str, Value), Failure> {
    let Document { ty, namespace, name, source, .. } = document;
    let mut object = document.object.clone();
    if !looking {
        let last = last_applied(&object, namespace);
        annotate(&mut object, LAST_APPLIED, &last);
    }
    let live = call.connect()?.get(ty, namespace, name).ok().cloned();
    let Some(live) = live else {
        let created = call.connect()?.create(ty, namespace, object, options);
        return match created {
            Ok(Written { object, .. }) => Ok(("created", object)),
            Err(status) => Err(Failure::about("creating", source, &status)),
        };
    };
    let before =
        live.pointer("/metadata/annotations").and_then(|annotations| annotations.get(LAST_APPLIED));
    let forgotten = before.is_none();
    let before: Value = before
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    if forgotten && !looking {
        let shown = format!("{}/{name}", ty.plural);
        call.complain(&format!("Warning: resource {shown} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.\n"));
    }
    drop_missing(&mut object, &before);
    let sent = object.clone();
    let patch = if ty.custom { Patch::Merge(object) } else { Patch::Strategic(object) };
    let written = call.connect()?.patch(ty, namespace, name, &patch, options).map_err(|status| {
        let group = &ty.group;
        let action = format!(
            "error when applying patch:\n{sent}\nto:\nResource: \"{group}/{version}, Resource={}\", GroupVersionKind: \"{group}/{version}, Kind={}\"\nName: \"{name}\", Namespace: \"{namespace}\"\nfor: \"{source}\": error when patching \"{source}\"",
            ty.plural,
            ty.kind,
            version = ty.version,
        );
        Failure::server(&Status { message: format!("{action}: {}", status.message), ..status })
    })?;
    // Only the server can tell that nothing would change.
    let client_only =
        call.args.value("dry-run").is_some_and(|mode| mode != "server" && mode != "none");
    let unchanged = written.change == Change::Unchanged && !client_only;
    Ok((if unchanged { "unchanged" } else { "configured" }, written.object))
}

/// The object as client-side apply remembers it: with an empty map of
/// annotations and its namespace, on one line, escaped as Go escapes JSON.
fn last_applied(object: &Value, namespace: &str) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if !namespace.is_empty() {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }
    let text = object.to_string();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026") + "\n"
}

fn annotate(object: &mut Value, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(key.to_owned(), value.into());
    }
}

/// `kubectl diff`.
pub fn diff(call: &mut Call<'_>) -> Result<(), Failure> {
    needs_files(call)?;
    let server_side = call.args.on("server-side");
    let force = call.args.on("force-conflicts");
    let documents = call.documents()?;
    let options = WriteOptions::by(&manager(call, "kubectl")).dry_run(true);
    let keep = call.args.on("show-managed-fields");
    let mut out = String::new();
    for document in &documents {
        let Document { ty, namespace, name, .. } = document;
        let live = call.connect()?.get(ty, namespace, name).ok().cloned();
        let patch = Patch::Apply { object: document.object.clone(), force };
        let merged = if server_side {
            call.connect()?.patch(ty, namespace, name, &patch, &options)?.object
        } else {
            apply_client_side(call, document, &options, true)?.1
        };
        let text = |object: Option<Value>| {
            let clean = object
                .map(|object| if keep { object } else { output::without_managed_fields(object) });
            clean.map(|object| yaml::print(&object)).unwrap_or_default()
        };
        let (before, after) = (text(live), text(Some(merged)));
        if before == after {
            continue;
        }
        let group = if ty.group.is_empty() { String::new() } else { format!("{}.", ty.group) };
        let file = format!("{group}{}.{}.{namespace}.{name}", ty.version, ty.kind);
        let (old, new) = (format!("/tmp/LIVE-1/{file}"), format!("/tmp/MERGED-1/{file}"));
        let time = call.world.now().strftime("%Y-%m-%d %H:%M:%S%.9f +0000").to_string();
        let _ = writeln!(out, "diff -u -N {old} {new}");
        let changes = similar::TextDiff::from_lines(&before, &after);
        out.push_str(
            &changes
                .unified_diff()
                .header(&format!("{old}\t{time}"), &format!("{new}\t{time}"))
                .to_string(),
        );
    }
    if out.is_empty() {
        return Ok(());
    }
    call.out = out;
    // Differences are no failure: nothing is said, and the code is 1.
    Err(Failure { text: String::new(), code: 1 })
}
