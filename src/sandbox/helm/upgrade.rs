//! `upgrade`: the next revision of a release, and what happens when it fails.

use serde_json::{Value, json};

use super::apply::{self, Target};
use super::deploy::{apply_method, content, settle};
use super::options::{Options, valid_name};
use super::ready;
use super::release::{self, Content, Release, Status};
use super::{Call, Failure, remove};
use crate::sandbox::charts::Chart;
use crate::sandbox::charts::values::overlay;
use crate::sandbox::cluster::Cluster;

/// The next revision of a release.
pub fn next(
    call: &mut Call<'_>,
    name: &str,
    chart: &Chart,
    config: Value,
    options: &mut Options,
) -> Result<(Release, Content), Failure> {
    if options.asks_cluster() {
        call.reach()?;
    }
    if !valid_name(name) {
        return Err(format!("release name is invalid: {name}").into());
    }
    let namespace = call.namespace().to_owned();
    let none_deployed = || Failure::Said(format!("\"{name}\" has no deployed releases"));
    let last = release::last(call.world, &namespace, name).ok_or_else(none_deployed)?;
    if last.status.is_pending() {
        return Err("another operation (install/upgrade/rollback) is in progress"
            .to_owned()
            .into());
    }
    let mut current = match release::deployed(call.world, &namespace, name) {
        Some(deployed) => deployed,
        None if matches!(last.status, Status::Failed | Status::Superseded) => last.clone(),
        None => return Err(none_deployed()),
    };
    let before = current.content(call.world);
    let (config, defaults) = reuse(call, config, &before, chart);
    let content = content(&chart.with_defaults(defaults), name, &namespace, config);
    options.method.server_side = match call.args.value("server-side") {
        None | Some("auto") => last.apply_method == "ssa",
        Some("true") => true,
        Some("false") => false,
        Some(other) => {
            return Err(format!("invalid/unknown release server-side apply method: {other}").into());
        }
    };
    let mut labels = last.labels.clone();
    labels.extend(options.labels.clone());
    labels.retain(|_, value| value != "null");
    let mut release = Release {
        name: name.to_owned(),
        namespace: namespace.clone(),
        revision: last.revision + 1,
        chart: chart.metadata.clone(),
        first_deployed: current.first_deployed,
        last_deployed: call.world.now(),
        deleted: None,
        description: "Preparing upgrade".to_owned(),
        status: Status::PendingUpgrade,
        labels,
        created_at: None,
        modified_at: last.modified_at,
        apply_method: apply_method(options.method),
    };
    let take = call.args.on("take-ownership");
    let (targets, originals) = {
        let cluster = Cluster::open(call.world);
        let targets = apply::build(&cluster, &release, &content.objects)?;
        let mut originals = apply::build(&cluster, &current, &before.objects).map_err(|why| {
            format!("unable to build kubernetes objects from current release manifest: {why}")
        })?;
        let new: Vec<Target> = targets
            .iter()
            .filter(|target| {
                !originals.iter().any(|old| {
                    old.ty == target.ty
                        && old.namespace == target.namespace
                        && old.name == target.name
                })
            })
            .cloned()
            .collect();
        let adopted = apply::existing(&cluster, &release, &new, take)
            .map_err(|why| format!("unable to continue with update: {why}"))?;
        originals.extend(adopted);
        (targets, originals)
    };
    if options.shows_only() {
        release.description =
            options.description.clone().unwrap_or_else(|| "Dry run complete".to_owned());
        return Ok((release, content));
    }
    let max = call.args.number("history-max").map_or(10, |max| u64::try_from(max).unwrap_or(0));
    release::make_room(call.world, &namespace, name, max);
    release.create(&content, call.world);
    let written =
        apply::update(&mut Cluster::open(call.world), &originals, &targets, options.method);
    settle(call)?;
    let timeout = call.timeout();
    let (created, ready) = match written {
        Ok(created) => (created, ready::wait(call.world, &targets, options.strategy, timeout)),
        Err((created, why)) => (created, Err(why)),
    };
    match ready {
        Ok(()) => {
            current.status = Status::Superseded;
            current.update(call.world);
            release.end(
                Status::Deployed,
                options.description.clone().unwrap_or_else(|| "Upgrade complete".to_owned()),
                call.world,
            );
            Ok((release, content))
        }
        Err(why) => Err(failed_upgrade(call, release, &created, &why, options)),
    }
}

/// Whether and how the values of the last revision carry over: what the new
/// revision's values are, and the defaults below them.
fn reuse(call: &Call<'_>, config: Value, before: &Content, chart: &Chart) -> (Value, Value) {
    let over_the_old = |config: &Value| {
        let mut merged = if before.config.is_object() { before.config.clone() } else { json!({}) };
        overlay(&mut merged, config);
        merged
    };
    let empty = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
    if call.args.on("reset-values") {
        (config, chart.defaults.clone())
    } else if call.args.on("reuse-values") {
        (over_the_old(&config), before.values.clone())
    } else if call.args.on("reset-then-reuse-values") {
        (over_the_old(&config), chart.defaults.clone())
    } else if empty(&config) && !empty(&before.config) {
        // Without any values those of the last revision stay.
        (before.config.clone(), chart.defaults.clone())
    } else {
        (config, chart.defaults.clone())
    }
}

fn failed_upgrade(
    call: &mut Call<'_>,
    mut release: Release,
    created: &[Target],
    why: &str,
    options: &Options,
) -> Failure {
    let name = release.name.clone();
    let quoted = why.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    call.complain(&format!("level=WARN msg=\"upgrade failed\" name={name} error=\"{quoted}\"\n"));
    release.end(Status::Failed, format!("Upgrade \"{name}\" failed: {why}"), call.world);
    if call.args.on("cleanup-on-fail") && !created.is_empty() {
        let deleted = apply::delete(&mut Cluster::open(call.world), created);
        Cluster::open(call.world).reconcile();
        if let Err(errors) = deleted {
            return format!("an error occurred while cleaning up resources. original upgrade error: {why}: unable to cleanup resources: {}", errors.join(", ")).into();
        }
    }
    if !options.rollback {
        return why.to_owned().into();
    }
    let history = release::history(call.world, &release.namespace, &name);
    let good =
        history.iter().rfind(|past| matches!(past.status, Status::Superseded | Status::Deployed));
    let Some(good) = good.map(|good| good.revision) else {
        return format!("unable to find a previously successful release when attempting to rollback. original upgrade error: {why}").into();
    };
    let timeout = call.timeout();
    let back = remove::back_to(call, &name, good, options.strategy, options.method, timeout);
    match back {
        Ok(()) => format!("release {name} failed, and has been rolled back due to rollback-on-failure being set: {why}").into(),
        Err(Failure::Said(more)) => {
            format!("an error occurred while rolling back the release. original upgrade error: {why}: {more}").into()
        }
        Err(Failure::Killed) => Failure::Killed,
    }
}
