//! `rollback` and `uninstall`: the ways back.

use std::time::Duration;

use super::apply::{self, Method};
use super::ready::{self, Strategy};
use super::release::{self, Release, Status};
use super::{Call, Failure, deploy, options};
use crate::sandbox::cluster::Cluster;
use crate::sandbox::flags::{Flag, Takes, flag};
use crate::sandbox::world::World;

pub const ROLLBACK_FLAGS: &[Flag] = &[
    flag("cleanup-on-fail", Takes::Nothing),
    flag("dry-run", Takes::Optional("unset")),
    flag("force-conflicts", Takes::Nothing),
    flag("force-replace", Takes::Nothing),
    flag("history-max", Takes::Number),
    flag("no-hooks", Takes::Nothing),
    flag("server-side", Takes::Value),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Optional("watcher")),
    flag("wait-for-jobs", Takes::Nothing),
];

pub const UNINSTALL_FLAGS: &[Flag] = &[
    flag("cascade", Takes::Value),
    flag("description", Takes::Value),
    flag("dry-run", Takes::Nothing),
    flag("ignore-not-found", Takes::Nothing),
    flag("keep-history", Takes::Nothing),
    flag("no-hooks", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Optional("watcher")),
];

/// `helm rollback`.
pub fn rollback(call: &mut Call<'_>) -> Result<(), Failure> {
    let name = call.arg(0).to_owned();
    let revision = match call.args.positional.get(1) {
        None => 0,
        Some(text) => text.parse::<u64>().map_err(|_| {
            format!("could not convert revision to a number: strconv.Atoi: parsing \"{text}\": invalid syntax")
        })?,
    };
    call.reach()?;
    let strategy = Strategy::parse(call.args.value("wait"))?;
    if matches!(call.args.value("dry-run"), Some("client" | "server" | "unset" | "true")) {
        if call.args.value("dry-run") == Some("unset") {
            call.complain(options::BARE_DRY_RUN);
        }
        target(call, &name, revision)?;
    } else {
        let method = Method {
            server_side: call.args.value("server-side") != Some("false"),
            force_conflicts: call.args.on("force-conflicts"),
            force_replace: call.args.on("force-replace"),
        };
        let timeout = call.timeout();
        back_to(call, &name, revision, strategy, method, timeout)?;
    }
    call.out.push_str("Rollback was a success! Happy Helming!\n");
    Ok(())
}

/// The newest revision, and the one to go back to; 0 means the one before.
fn target(call: &Call<'_>, name: &str, revision: u64) -> Result<(Release, Release), Failure> {
    let history = release::history(call.world, call.namespace(), name);
    let last =
        history.last().cloned().ok_or_else(|| Failure::Said("release: not found".to_owned()))?;
    let wanted = if revision == 0 { last.revision.saturating_sub(1) } else { revision };
    let past = history.into_iter().find(|release| release.revision == wanted);
    let past = past.ok_or_else(|| Failure::Said(format!("release has no {wanted} version")))?;
    Ok((last, past))
}

/// Makes a past revision the newest again.
pub fn back_to(
    call: &mut Call<'_>,
    name: &str,
    revision: u64,
    strategy: Strategy,
    method: Method,
    timeout: Duration,
) -> Result<(), Failure> {
    let (mut last, past) = target(call, name, revision)?;
    let server_side = method.server_side && past.apply_method == "ssa";
    let content = past.content(call.world);
    let mut release = Release {
        revision: last.revision + 1,
        first_deployed: last.first_deployed,
        last_deployed: call.world.now(),
        deleted: None,
        description: format!("Rollback to {}", past.revision),
        status: Status::PendingRollback,
        created_at: None,
        modified_at: None,
        apply_method: if server_side { "ssa" } else { "csa" }.to_owned(),
        ..past
    };
    let max = call.args.number("history-max").map_or(10, |max| u64::try_from(max).unwrap_or(0));
    release::make_room(call.world, &release.namespace, name, max);
    let before = last.content(call.world);
    release.create(&content, call.world);
    let (targets, written) = {
        let mut cluster = Cluster::open(call.world);
        let originals = apply::build(&cluster, &last, &before.objects).map_err(|why| {
            format!("unable to build kubernetes objects from current release manifest: {why}")
        })?;
        let targets = apply::build(&cluster, &release, &content.objects).map_err(|why| {
            format!("unable to build kubernetes objects from new release manifest: {why}")
        })?;
        // What only the past revision has may still be there, or not.
        let mut known = originals;
        known.extend(targets.iter().cloned());
        let written =
            apply::update(&mut cluster, &known, &targets, Method { server_side, ..method });
        (targets, written)
    };
    deploy::settle(call)?;
    if let Err((_, why)) = written {
        let text = format!("Rollback \"{name}\" failed: {why}");
        call.complain(&format!(
            "level=WARN msg=\"{}\"\n",
            text.replace('"', "\\\"").replace('\n', "\\n")
        ));
        last.status = Status::Superseded;
        last.update(call.world);
        release.end(Status::Failed, text, call.world);
        return Err(why.into());
    }
    if let Err(why) = ready::wait(call.world, &targets, strategy, timeout) {
        release.end(Status::Failed, format!("Release \"{name}\" failed: {why}"), call.world);
        return Err(format!("release {name} failed: {why}").into());
    }
    for mut deployed in release::history(call.world, &release.namespace, name) {
        if deployed.status == Status::Deployed {
            deployed.status = Status::Superseded;
            deployed.update(call.world);
        }
    }
    release.status = Status::Deployed;
    release.update(call.world);
    Ok(())
}

/// `helm uninstall`.
pub fn uninstall(call: &mut Call<'_>) -> Result<(), Failure> {
    let cascade = call.args.value("cascade").unwrap_or("background");
    if !matches!(cascade, "background" | "foreground" | "orphan") {
        return Err(format!("invalid cascade value ({cascade}). Must be \"background\", \"foreground\", or \"orphan\"").into());
    }
    let strategy = Strategy::parse(call.args.value("wait"))?;
    for name in call.args.positional.clone() {
        call.reach()?;
        if let Some(kept) = one(call, &name, strategy)? {
            call.out.push_str(&kept);
        }
        call.say(&format!("release \"{name}\" uninstalled\n"));
    }
    Ok(())
}

/// Uninstalls one release; answers what to say of what was kept.
fn one(call: &mut Call<'_>, name: &str, strategy: Strategy) -> Result<Option<String>, Failure> {
    let history = release::history(call.world, call.namespace(), name);
    let Some(mut release) = history.last().cloned() else {
        return match (call.args.on("ignore-not-found"), call.args.on("dry-run")) {
            (true, _) => Ok(None),
            (false, true) => Err("release: not found".to_owned().into()),
            (false, false) => {
                Err(format!("uninstall: Release not loaded: {name}: release: not found").into())
            }
        };
    };
    if call.args.on("dry-run") {
        return Ok(None);
    }
    let keep = call.args.on("keep-history");
    if release.status == Status::Uninstalled {
        if keep {
            return Err(format!("the release named \"{name}\" is already deleted").into());
        }
        purge(call, &history);
        return Ok(None);
    }
    release.deleted = Some(call.world.now());
    release.end(Status::Uninstalling, "Deletion in progress (or silently failed)", call.world);
    if call.world.get(super::INTERRUPT).is_some() {
        let content = release.content(call.world);
        let mut cluster = Cluster::open(call.world);
        if let Ok(targets) = apply::build(&cluster, &release, &content.objects) {
            // Killed half-way: half of its objects are gone.
            let half = targets.get(targets.len() / 2..).unwrap_or_default();
            let _ = apply::delete(&mut cluster, half);
        }
        deploy::settle(call)?;
    }
    let timeout = call.timeout();
    let (kept, errors) = take_away(call.world, &mut release, strategy, timeout)?;
    if keep {
        let given = call.args.value("description").filter(|text| !text.is_empty());
        let description = given.unwrap_or("Uninstallation complete").to_owned();
        release.end(Status::Uninstalled, description, call.world);
    } else {
        purge(call, &history);
    }
    if !errors.is_empty() {
        return Err(format!(
            "uninstallation completed with {} error(s): {}",
            errors.len(),
            errors.join("; ")
        )
        .into());
    }
    Ok((!kept.is_empty())
        .then(|| format!("These resources were kept due to the resource policy:\n{kept}\n")))
}

/// Removes all revisions of a release.
fn purge(call: &mut Call<'_>, history: &[Release]) {
    for past in history {
        past.purge(call.world);
    }
}

/// Deletes a release's objects; answers the list of what was kept and what did
/// not go in time.
pub fn take_away(
    world: &mut World,
    release: &mut Release,
    strategy: Strategy,
    timeout: Duration,
) -> Result<(String, Vec<String>), String> {
    let content = release.content(world);
    let (deleted, kept) = {
        let mut cluster = Cluster::open(world);
        // A type that is gone took its objects with it.
        let known: Vec<_> = content
            .objects
            .into_iter()
            .filter(|one| {
                let version = one
                    .object
                    .get("apiVersion")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default();
                cluster.type_of(version, one.kind()).is_some()
            })
            .collect();
        let targets = apply::build(&cluster, release, &known)?;
        let deleted = apply::delete(&mut cluster, &targets);
        cluster.reconcile();
        deleted.map_err(|_| format!("failed to delete release: {}", release.name))?
    };
    let errors = ready::wait_gone(world, &deleted, strategy, timeout).err().into_iter().collect();
    let kept: Vec<String> = kept.iter().map(|one| format!("{one}\n")).collect();
    Ok((kept.concat(), errors))
}
