//! The commands that carry a change of a release out.

use super::commands::Release;
use super::read::fact;
use super::settings::Settings;
use super::teardown::UNINSTALLED;
use crate::adapter::{Blocker, Operation, Step, Verb};
use crate::diff::Origin;
use crate::value::{Map, Value};

/// The commands that carry an operation out.
///
/// # Errors
/// When an interrupted first install can only be undone by deleting volumes.
pub fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let release = Release::of(operation.identity);
    let at = format!("release {} in {}", release.name, release.namespace);
    let empty = Map::new();
    let settings = operation
        .desired
        .map(|desired| &desired.settings)
        .or(operation.prior.map(|prior| &prior.settings))
        .unwrap_or(&empty);
    let settings = Settings(settings);
    let uninstall = |title: &str| Step::new(format!("{title} {at}"), release.uninstall(settings));

    if fact(operation.object, UNINSTALLED).is_some() {
        // What is left goes by itself.
        return Ok(Vec::new());
    }
    let Some(desired) = operation.desired else {
        return Ok(match operation.verb {
            Verb::Delete => vec![uninstall("uninstall")],
            // Nothing says what the release should be.
            Verb::Create | Verb::Update | Verb::Repair => Vec::new(),
        });
    };
    let no_values = Value::map();
    let values = desired.attributes.get("values").unwrap_or(&no_values);
    let mut chart = settings.chart().unwrap_or_default().to_owned();
    if let Some(version) = settings.text(Settings::VERSION) {
        chart = format!("{chart} {version}");
    }
    let force = forces_conflicts(operation, settings);
    if matches!(operation.verb, Verb::Update | Verb::Repair) {
        let fixed = fixed_fields(operation);
        if !fixed.is_empty() {
            return Err(fixed);
        }
    }
    let upgrade = |title: &str| {
        let command = release.upgrade(settings, values, force);
        Step::new(format!("{title} {at}: {chart}"), command)
    };
    Ok(match operation.verb {
        Verb::Create => vec![upgrade("install")],
        Verb::Update => vec![upgrade("upgrade")],
        Verb::Delete => vec![uninstall("uninstall")],
        Verb::Repair => match fact(operation.object, "status").and_then(Value::as_str) {
            Some("uninstalling") => {
                guard_volumes(operation, release)?;
                vec![uninstall("finish the uninstall of"), upgrade("install")]
            }
            Some(status) if status.starts_with("pending-") => {
                if let Some(revision) = fact(operation.object, "rollbackTo").and_then(number) {
                    let back = release.rollback(revision, settings, force);
                    let title = format!("unlock {at}: go back to revision {revision}");
                    vec![Step::new(title, back), upgrade("upgrade")]
                } else {
                    guard_volumes(operation, release)?;
                    vec![uninstall("undo the interrupted install of"), upgrade("install")]
                }
            }
            _ => vec![upgrade("repair")],
        },
    })
}

/// Whether fields that another manager holds are to be overwritten: where the
/// manifest asks for it, and where the plan shows that it reverts what was set
/// on an object outside. A release that Helm applies on the client's side
/// knows no conflicts, and Helm refuses the flag.
fn forces_conflicts(operation: &Operation<'_>, settings: Settings<'_>) -> bool {
    let method = fact(operation.object, "applyMethod").and_then(Value::as_str);
    let reverts = operation.changes.iter().any(|change| {
        let of_objects = change.path.segments().first().is_some_and(|first| first == "objects");
        of_objects
            && change.before.is_some()
            && match change.origin {
                Origin::Drift | Origin::Both => true,
                Origin::Change | Origin::Undetermined => false,
            }
    });
    match method {
        Some("ssa") => reverts || settings.on(Settings::FORCE_CONFLICTS),
        Some("csa") => false,
        _ => settings.on(Settings::FORCE_CONFLICTS),
    }
}

/// The fields that an upgrade would change on objects that exist, and that the
/// API server lets nobody change: the upgrade would fail half-way.
fn fixed_fields(operation: &Operation<'_>) -> Vec<Blocker> {
    let mut blockers: Vec<Blocker> = Vec::new();
    for change in operation.changes {
        let segments: Vec<&str> = change.path.segments().iter().map(String::as_str).collect();
        let ["objects", object, "spec", field, ..] = segments.as_slice() else { continue };
        let mut names = object.splitn(3, '/');
        let (Some(kind), Some(namespace), Some(name)) = (names.next(), names.next(), names.next())
        else {
            continue;
        };
        let fixed = match *field {
            "selector" => ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind),
            "volumeClaimTemplates" | "serviceName" => kind == "StatefulSet",
            _ => false,
        };
        let kind = kind.to_lowercase();
        let message = format!(
            "spec.{field} of {kind} {namespace}/{name} can't be changed once it exists, and the \
             upgrade would change it"
        );
        if fixed && !blockers.iter().any(|blocker| blocker.message == message) {
            blockers.push(Blocker {
                code: "FieldImmutable".into(),
                message,
                next: format!(
                    "undo the change; or install it under another releaseName; or delete the \
                     object first: kubectl delete {kind} {name} -n {namespace}"
                ),
            });
        }
    }
    blockers
}

/// An uninstall deletes the claims of the release, and with them mostly the
/// volumes: that is never part of a repair.
fn guard_volumes(operation: &Operation<'_>, release: Release<'_>) -> Result<(), Vec<Blocker>> {
    let claims = fact(operation.object, "volumeClaims").and_then(Value::as_list);
    let claims: Vec<&str> = claims.into_iter().flatten().filter_map(Value::as_str).collect();
    if claims.is_empty() {
        return Ok(());
    }
    let Release { namespace, name } = release;
    Err(vec![Blocker {
        code: "UninstallWouldDeleteVolumes".into(),
        message: format!(
            "release {name} in {namespace} was interrupted and can only be uninstalled, which \
             would delete its volume claims {}",
            claims.join(", ")
        ),
        next: format!(
            "save what the volumes hold, then: helm uninstall {name} -n {namespace} --wait"
        ),
    }])
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => None,
    }
}
