//! `rollout status`, `rollout restart` and `wait`: the commands that wait.

use std::time::Duration;

use serde_json::{Value, json};

use super::change::{Found, found, send};
use super::{Call, Failure, output, table};
use crate::sandbox::cluster::{Patch, WriteOptions};
use crate::sandbox::flags::{Flag, Takes, flag, short};
use crate::sandbox::passing;

pub const STATUS_FLAGS: &[Flag] = &[
    flag("revision", Takes::Number),
    flag("timeout", Takes::Duration),
    short("watch", 'w', Takes::Nothing),
];
pub const WAIT_FLAGS: &[Flag] =
    &[flag("all", Takes::Nothing), flag("for", Takes::Value), flag("timeout", Takes::Duration)];

/// A rollout without a time limit: its own deadline comes first.
const FOREVER: Duration = Duration::from_secs(3600);

/// What `rollout status` says of an object.
enum Rollout {
    Done(String),
    Going(String),
    Stuck(String),
}

fn rollout(object: &Value, kind: &str, name: &str) -> Rollout {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let observed = number("/metadata/generation") <= number("/status/observedGeneration");
    let going = |text: String| Rollout::Going(text + "\n");
    match kind {
        "Deployment" => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let stuck = conditions.into_iter().flatten().any(|condition| {
                table::text(condition, "/type") == "Progressing"
                    && table::text(condition, "/reason") == "ProgressDeadlineExceeded"
            });
            let [updated, replicas, available] =
                ["/status/updatedReplicas", "/status/replicas", "/status/availableReplicas"]
                    .map(number);
            let waiting = format!("Waiting for deployment \"{name}\" rollout to finish:");
            if !observed {
                going("Waiting for deployment spec update to be observed...".to_owned())
            } else if stuck {
                Rollout::Stuck(format!("deployment \"{name}\" exceeded its progress deadline"))
            } else if updated < wanted {
                going(format!(
                    "{waiting} {updated} out of {wanted} new replicas have been updated..."
                ))
            } else if replicas > updated {
                going(format!(
                    "{waiting} {} old replicas are pending termination...",
                    replicas - updated
                ))
            } else if available < updated {
                going(format!(
                    "{waiting} {available} of {updated} updated replicas are available..."
                ))
            } else {
                Rollout::Done(format!("deployment \"{name}\" successfully rolled out\n"))
            }
        }
        "DaemonSet" => {
            let [updated, wanted, available] = [
                "/status/updatedNumberScheduled",
                "/status/desiredNumberScheduled",
                "/status/numberAvailable",
            ]
            .map(number);
            let waiting = format!("Waiting for daemon set \"{name}\" rollout to finish:");
            if !observed {
                going("Waiting for daemon set spec update to be observed...".to_owned())
            } else if updated < wanted {
                going(format!("{waiting} {updated} out of {wanted} new pods have been updated..."))
            } else if available < wanted {
                going(format!("{waiting} {available} of {wanted} updated pods are available..."))
            } else {
                Rollout::Done(format!("daemon set \"{name}\" successfully rolled out\n"))
            }
        }
        _ => {
            let ready = number("/status/readyReplicas");
            if !observed {
                going("Waiting for statefulset spec update to be observed...".to_owned())
            } else if ready < wanted {
                going(format!("Waiting for {} pods to be ready...", wanted - ready))
            } else {
                let revision = table::text(object, "/status/currentRevision");
                Rollout::Done(format!(
                    "statefulset rolling update complete {wanted} pods at revision {revision}...\n"
                ))
            }
        }
    }
}

/// `kubectl rollout status`.
pub fn status(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.args.positional.is_empty() && call.args.values("filename").is_empty() {
        return Err(Failure::said("required resource not specified"));
    }
    let watch = call.args.value("watch") != Some("false");
    let timeout = call.args.duration("timeout").filter(|timeout| !timeout.is_zero());
    for one in found(call)? {
        let kind = one.ty.kind.to_string();
        if !matches!(kind.as_str(), "Deployment" | "DaemonSet" | "StatefulSet") {
            return Err(Failure::said(format!("no status viewer has been implemented for {kind}")));
        }
        let mut said = Vec::new();
        let look = |cluster: &crate::sandbox::cluster::Cluster<'_>| {
            let live = cluster.get(&one.ty, &one.namespace, &one.name).ok();
            let state = live.map_or_else(
                || Rollout::Stuck("object has been deleted".to_owned()),
                |live| rollout(live, &kind, &one.name),
            );
            if let Rollout::Going(text) | Rollout::Done(text) = &state
                && said.last() != Some(text)
            {
                said.push(text.clone());
            }
            state
        };
        let limit = if watch { timeout.unwrap_or(FOREVER) } else { Duration::ZERO };
        let (last, in_time) =
            passing::until(call.world, limit, look, |state| !matches!(state, Rollout::Going(_)));
        call.out.push_str(&said.concat());
        match last {
            Rollout::Stuck(why) => return Err(Failure::said(why)),
            Rollout::Going(_) if watch && !in_time => {
                return Err(Failure::said("timed out waiting for the condition"));
            }
            Rollout::Going(_) | Rollout::Done(_) => {}
        }
    }
    Ok(())
}

/// `kubectl rollout restart`.
pub fn restart(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.args.positional.is_empty() && call.args.values("filename").is_empty() {
        return Err(Failure::said("required resource not specified"));
    }
    let at =
        jiff::Timestamp::from_second(call.world.now().as_second()).unwrap_or_default().to_string();
    let manager = call.args.value("field-manager").unwrap_or("kubectl-rollout").to_owned();
    let (dry_run, note) = call.dry_run()?;
    for one in found(call)? {
        if !matches!(one.ty.kind.as_ref(), "Deployment" | "DaemonSet" | "StatefulSet") {
            return Err(Failure::said(format!(
                "{} \"{}\" restarting is not supported",
                one.ty.resource(),
                one.name
            )));
        }
        let patch = Patch::Strategic(json!({"spec": {"template": {"metadata": {"annotations": {
            "kubectl.kubernetes.io/restartedAt": at,
        }}}}}));
        let options = WriteOptions::by(&manager).dry_run(dry_run);
        let written = send(call, &one, &patch, &options)?;
        call.report(&one.shown(), &format!("restarted{note}"), &written.object)?;
    }
    Ok(())
}

/// What `--for` asks.
enum For {
    Delete,
    Create,
    Condition(String, String),
    Path(String, Option<String>),
}

impl For {
    fn parse(text: &str) -> Result<Self, Failure> {
        match text.split_once('=') {
            None if text.eq_ignore_ascii_case("delete") => Ok(Self::Delete),
            None if text.eq_ignore_ascii_case("create") => Ok(Self::Create),
            Some(("condition", condition)) => {
                let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
                Ok(Self::Condition(name.to_owned(), value.to_owned()))
            }
            Some(("jsonpath", path)) => {
                let path = path.trim_matches(['\'', '"']);
                let (path, value) = match path.split_once("}=") {
                    Some((path, value)) => (format!("{path}}}"), Some(value.to_owned())),
                    None => (path.to_owned(), None),
                };
                Ok(Self::Path(path, value))
            }
            Some(_) | None => Err(Failure::said(format!("unrecognized condition: \"{text}\""))),
        }
    }

    /// Whether it is so; `None` is an object that is gone.
    fn holds(&self, object: Option<&Value>) -> bool {
        let Some(object) = object else { return matches!(self, Self::Delete) };
        match self {
            Self::Delete => false,
            Self::Create => true,
            Self::Condition(name, value) => {
                let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
                let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
                conditions.into_iter().flatten().any(|condition| {
                    let observed = condition.get("observedGeneration").and_then(Value::as_i64);
                    let stale = observed
                        .zip(generation)
                        .is_some_and(|(observed, generation)| observed < generation);
                    !stale
                        && table::text(condition, "/type").eq_ignore_ascii_case(name)
                        && table::text(condition, "/status").eq_ignore_ascii_case(value)
                })
            }
            Self::Path(path, wanted) => {
                let found = output::path_template(path, object).unwrap_or_default();
                wanted.as_ref().map_or(!found.is_empty(), |wanted| found == *wanted)
            }
        }
    }
}

/// `kubectl wait`.
pub fn wait(call: &mut Call<'_>) -> Result<(), Failure> {
    let condition = For::parse(call.args.value("for").unwrap_or_default())?;
    let timeout = call.args.duration("timeout").unwrap_or(Duration::from_secs(30));
    let objects = match (found(call), &condition) {
        (Err(failure), For::Delete) if failure.text.contains("(NotFound)") => return Ok(()),
        (objects, _) => objects?,
    };
    if objects.is_empty() {
        return match condition {
            For::Delete => Ok(()),
            For::Create | For::Condition(..) | For::Path(..) => {
                Err(Failure::said("no matching resources found"))
            }
        };
    }
    let look = |cluster: &crate::sandbox::cluster::Cluster<'_>| {
        let holds =
            |one: &Found| condition.holds(cluster.get(&one.ty, &one.namespace, &one.name).ok());
        objects.iter().map(holds).collect::<Vec<_>>()
    };
    let (met, _) = passing::until(call.world, timeout, look, |met| met.iter().all(|met| *met));
    let mut errors = Vec::new();
    for (one, met) in objects.iter().zip(met) {
        if met {
            call.report(&one.shown(), "condition met", &one.object)?;
        } else {
            errors.push(format!(
                "error: timed out waiting for the condition on {}/{}",
                one.ty.plural, one.name
            ));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure { text: errors.join("\n"), code: 1 }) }
}
