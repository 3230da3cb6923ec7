//! `delete`: removing objects, and waiting until they are gone.

use std::time::Duration;

use super::{Call, Failure, get, table};
use crate::sandbox::cluster::{DeleteOptions, Propagation, Reason, ResourceType};
use crate::sandbox::flags::{Flag, Takes, flag};
use crate::sandbox::passing;

pub const FLAGS: &[Flag] = &[
    flag("all", Takes::Nothing),
    flag("cascade", Takes::Optional("background")),
    flag("force", Takes::Nothing),
    flag("grace-period", Takes::Number),
    flag("ignore-not-found", Takes::Nothing),
    flag("now", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Nothing),
];
/// An object to delete.
struct Doomed {
    ty: ResourceType,
    namespace: String,
    name: String,
    uid: Option<String>,
    /// The file it was read from; empty where the arguments name it.
    source: String,
}

/// `kubectl delete`.
pub fn delete(call: &mut Call<'_>) -> Result<(), Failure> {
    let from_files = !call.args.values("filename").is_empty();
    if call.args.positional.is_empty() && !from_files {
        return Err(Failure::said(
            "You must provide one or more resources by argument or filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'",
        ));
    }
    let (dry_run, note) = call.dry_run()?;
    let propagation = match call.args.value("cascade") {
        None | Some("background" | "true") => Propagation::Background,
        Some("foreground") => Propagation::Foreground,
        Some("orphan" | "false") => Propagation::Orphan,
        Some(other) => {
            return Err(Failure::said(format!(
                "invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
            )));
        }
    };
    let (mut doomed, listed) = doomed(call, from_files)?;
    let ignore = call.args.on("ignore-not-found");
    let mut errors = Vec::new();
    let mut lines = Vec::new();
    {
        let mut cluster = call.connect()?;
        for one in &mut doomed {
            let options = DeleteOptions { propagation, dry_run, ..DeleteOptions::default() };
            match cluster.delete(&one.ty, &one.namespace, &one.name, &options) {
                Ok(object) => {
                    one.uid = Some(table::text(&object, "/metadata/uid"));
                    lines.push((one.ty.clone(), one.namespace.clone(), one.name.clone()));
                }
                Err(status) if status.reason == Reason::NotFound && ignore => {}
                Err(status) if !one.source.is_empty() => {
                    errors.push(Failure::about("deleting", &one.source, &status).text);
                }
                Err(status) => errors.push(Failure::server(&status).text),
            }
        }
        cluster.reconcile();
    }
    if listed && doomed.is_empty() {
        call.out.push_str("No resources found\n");
    }
    for (ty, namespace, name) in lines {
        let shown = table::qualified(&ty);
        if call.args.value("output") == Some("name") {
            call.say(&format!("{shown}/{name}\n"));
        } else {
            let place = if namespace.is_empty() {
                String::new()
            } else {
                format!(" from {namespace} namespace")
            };
            call.say(&format!("{shown} \"{name}\" deleted{place}{note}\n"));
        }
    }
    let wait = call.args.value("wait") != Some("false");
    doomed.retain(|one| one.uid.is_some());
    if wait && !dry_run {
        let timeout = call.args.duration("timeout").filter(|timeout| !timeout.is_zero());
        wait_gone(call, &doomed, timeout)?;
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}

/// A command that waits without a limit gives up after this: whoever runs it
/// has killed it long before.
const FOREVER: Duration = Duration::from_secs(3600);

/// Waits until objects are gone; one of the same name that came after counts
/// as gone.
fn wait_gone(
    call: &mut Call<'_>,
    doomed: &[Doomed],
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let (left, _) = passing::until(
        call.world,
        timeout.unwrap_or(FOREVER),
        |cluster| {
            let left = doomed.iter().filter(|one| {
                cluster
                    .get(&one.ty, &one.namespace, &one.name)
                    .is_ok_and(|object| Some(table::text(object, "/metadata/uid")) == one.uid)
            });
            left.map(|one| format!("{}/{}", one.ty.plural, one.name)).collect::<Vec<_>>()
        },
        Vec::is_empty,
    );
    match left.first() {
        None => Ok(()),
        Some(first) => {
            Err(Failure::said(format!("timed out waiting for the condition on {first}")))
        }
    }
}

/// What the command names, and whether it came from a list.
fn doomed(call: &mut Call<'_>, from_files: bool) -> Result<(Vec<Doomed>, bool), Failure> {
    if from_files {
        let documents = call.documents()?;
        let doomed = documents
            .into_iter()
            .map(|one| Doomed {
                ty: one.ty,
                namespace: one.namespace,
                name: one.name,
                uid: None,
                source: one.source,
            })
            .collect();
        return Ok((doomed, false));
    }
    let options = get::list_options(call)?;
    let selected = call.args.on("all")
        || call.args.value("selector").is_some()
        || call.args.value("field-selector").is_some();
    let (scope, namespace) = (call.scope(), call.namespace());
    let wanted = call.wanted()?;
    let listed = wanted.iter().any(|one| one.name.is_none());
    if listed && !selected {
        return Err(Failure::said("resource(s) were provided, but no name was specified"));
    }
    let cluster = call.connect()?;
    let mut doomed = Vec::new();
    for one in wanted {
        match one.name {
            Some(name) => {
                let namespace = if one.ty.namespaced { namespace.clone() } else { String::new() };
                doomed.push(Doomed {
                    ty: one.ty,
                    namespace,
                    name,
                    uid: None,
                    source: String::new(),
                });
            }
            None => {
                doomed.extend(cluster.list(&one.ty, scope.as_deref(), &options).into_iter().map(
                    |object| Doomed {
                        ty: one.ty.clone(),
                        namespace: table::text(object, "/metadata/namespace"),
                        name: table::text(object, "/metadata/name"),
                        uid: None,
                        source: String::new(),
                    },
                ));
            }
        }
    }
    Ok((doomed, listed))
}
