//! `template`, `install` and `upgrade`: from a chart and values to objects in
//! the cluster and a revision in the history.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::apply::{self, Method, Target};
use super::print::{Format, ReleaseJson, release_text};
use super::ready::{self, Strategy};
use super::release::{self, Content, Release, Status};
use super::{Call, Failure, pull, remove};
use crate::sandbox::charts::values::{coalesce, overlay};
use crate::sandbox::charts::{self, Chart};
use crate::sandbox::cluster::{Cluster, Patch, Reason, WriteOptions};
use crate::sandbox::flags::{Flag, Takes, flag, short};

/// Flags of all three commands.
pub const FLAGS: &[Flag] = &[
    flag("create-namespace", Takes::Nothing),
    flag("dependency-update", Takes::Nothing),
    flag("description", Takes::Value),
    flag("disable-openapi-validation", Takes::Nothing),
    flag("dry-run", Takes::Optional("unset")),
    flag("enable-dns", Takes::Nothing),
    flag("force-conflicts", Takes::Nothing),
    flag("force-replace", Takes::Nothing),
    flag("hide-notes", Takes::Nothing),
    short("labels", 'l', Takes::Value),
    flag("no-hooks", Takes::Nothing),
    flag("post-renderer", Takes::Value),
    flag("post-renderer-args", Takes::Value),
    flag("render-subchart-notes", Takes::Nothing),
    flag("rollback-on-failure", Takes::Nothing),
    flag("skip-crds", Takes::Nothing),
    flag("skip-schema-validation", Takes::Nothing),
    flag("take-ownership", Takes::Nothing),
    flag("timeout", Takes::Duration),
    flag("wait", Takes::Optional("watcher")),
    flag("wait-for-jobs", Takes::Nothing),
];

pub const TEMPLATE_FLAGS: &[Flag] = &[
    short("api-versions", 'a', Takes::Value),
    short("generate-name", 'g', Takes::Nothing),
    flag("include-crds", Takes::Nothing),
    flag("is-upgrade", Takes::Nothing),
    flag("kube-version", Takes::Value),
    flag("name-template", Takes::Value),
    flag("output-dir", Takes::Value),
    flag("release-name", Takes::Nothing),
    flag("replace", Takes::Nothing),
    flag("server-side", Takes::Nothing),
    short("show-only", 's', Takes::Value),
    flag("skip-tests", Takes::Nothing),
];

pub const INSTALL_FLAGS: &[Flag] = &[
    short("generate-name", 'g', Takes::Nothing),
    flag("hide-secret", Takes::Nothing),
    flag("name-template", Takes::Value),
    flag("replace", Takes::Nothing),
    flag("server-side", Takes::Nothing),
];

pub const UPGRADE_FLAGS: &[Flag] = &[
    flag("cleanup-on-fail", Takes::Nothing),
    flag("hide-secret", Takes::Nothing),
    flag("history-max", Takes::Number),
    short("install", 'i', Takes::Nothing),
    flag("reset-then-reuse-values", Takes::Nothing),
    flag("reset-values", Takes::Nothing),
    flag("reuse-values", Takes::Nothing),
    flag("server-side", Takes::Value),
];

/// What a command's flags ask for.
struct Options {
    /// Show, do not do.
    dry_run: bool,
    /// Whether the cluster is asked at all.
    online: bool,
    strategy: Strategy,
    rollback: bool,
    take_ownership: bool,
    skip_crds: bool,
    create_namespace: bool,
    replace: bool,
    description: Option<String>,
    labels: BTreeMap<String, String>,
    method: Method,
}

fn options(call: &Call<'_>) -> Result<Options, Failure> {
    let (dry_run, online) = match call.args.value("dry-run") {
        None | Some("none" | "false") => (false, true),
        Some("client" | "unset" | "true") => (true, false),
        Some("server") => (true, true),
        Some(other) => {
            return Err(format!(
                "invalid dry-run value (\"{other}\"). Must be \"none\", \"server\", or \"client\""
            )
            .into());
        }
    };
    let rollback = call.args.on("rollback-on-failure");
    let mut strategy = Strategy::parse(call.args.value("wait"))?;
    if rollback && strategy == Strategy::HookOnly {
        strategy = Strategy::Watcher;
    }
    let (force_conflicts, force_replace) =
        (call.args.on("force-conflicts"), call.args.on("force-replace"));
    if force_conflicts && force_replace {
        return Err("if any flags in the group [force-replace force-conflicts] are set none of the others can be; [force-conflicts force-replace] were all set".to_owned().into());
    }
    let pairs = call.args.values("labels").iter().flat_map(|labels| labels.split(','));
    let labels = pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(Options {
        dry_run,
        online,
        strategy,
        rollback,
        take_ownership: call.args.on("take-ownership"),
        skip_crds: call.args.on("skip-crds"),
        create_namespace: call.args.on("create-namespace"),
        replace: call.args.on("replace"),
        description: call
            .args
            .value("description")
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        labels: labels.collect(),
        method: Method {
            server_side: call.args.value("server-side") != Some("false"),
            force_conflicts,
            force_replace,
        },
    })
}

/// What every release name looks like; longer ones leave no room in the names
/// of what belongs to it.
fn valid_name(name: &str) -> bool {
    let part = |part: &str| {
        let mut letters = part.chars();
        let edge = |letter: Option<char>| {
            letter.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        edge(letters.clone().next())
            && edge(letters.next_back())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= 53 && name.split('.').all(part)
}

/// Name and chart of `template` and `install`.
fn name_and_chart(call: &Call<'_>, otherwise: Option<&str>) -> Result<(String, String), Failure> {
    match call.args.positional.as_slice() {
        [name, chart] => Ok((name.clone(), chart.clone())),
        [chart] => match otherwise {
            Some(name) => Ok((name.to_owned(), chart.clone())),
            None if call.args.on("generate-name") => {
                let base = chart.rsplit('/').next().unwrap_or(chart);
                Ok((format!("{base}-{}", call.world.now().as_second()), chart.clone()))
            }
            None => Err("must either provide a name or specify --generate-name".to_owned().into()),
        },
        [_, _, more @ ..] => Err(format!(
            "expected at most two arguments, unexpected arguments: {}",
            more.join(", ")
        )
        .into()),
        [] => Err("must either provide a name or specify --generate-name".to_owned().into()),
    }
}

/// Which labels and values a new revision starts with.
fn content(chart: &Chart, name: &str, namespace: &str, config: Value) -> Content {
    let values = coalesce(&config, &chart.defaults);
    let objects = chart.render(charts::Release { name, namespace }, &values);
    Content { config, values, objects }
}

const NAME_RULE: &str = r"invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53";

/// `helm template`.
pub fn template(call: &mut Call<'_>) -> Result<(), Failure> {
    let (name, reference) = name_and_chart(call, Some("release-name"))?;
    if let Some(version) = call.args.value("kube-version") {
        let mut parts = version.strip_prefix('v').unwrap_or(version).split('.');
        let number = |part: Option<&str>| {
            part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        };
        if !(number(parts.next()) && parts.next().is_none_or(|part| number(Some(part)))) {
            return Err(format!(
                "invalid kube version '{version}': could not parse \"{version}\" as version"
            )
            .into());
        }
    }
    let options = options(call)?;
    let chart = pull::chart(call, &reference)?;
    let config = pull::user_values(call)?;
    if call.args.value("dry-run") == Some("server") && options.online {
        call.reach()?;
    }
    check_name(call, &name)?;
    let namespace = call.namespace().to_owned();
    let content = content(&chart, &name, &namespace, config);
    let mut rendered = Vec::new();
    if call.args.on("include-crds") && !options.skip_crds {
        rendered.extend(chart.crds.iter().cloned());
    }
    rendered.extend(content.objects);
    let only = call.args.values("show-only");
    if !only.is_empty() {
        let file =
            |source: &str| source.split_once('/').map_or(source, |(_, file)| file).to_owned();
        if let Some(missing) =
            only.iter().find(|wanted| !rendered.iter().any(|one| file(&one.source) == **wanted))
        {
            return Err(format!("could not find template {missing} in chart").into());
        }
        rendered.retain(|one| only.contains(&file(&one.source)));
    }
    call.out = charts::manifest(&rendered);
    Ok(())
}

fn check_name(call: &mut Call<'_>, name: &str) -> Result<(), Failure> {
    if valid_name(name) {
        return Ok(());
    }
    name_refused(call, &format!("release name \"{name}\": {NAME_RULE}"))
}

fn name_refused(call: &mut Call<'_>, why: &str) -> Result<(), Failure> {
    let quoted = why.replace('\\', "\\\\").replace('"', "\\\"");
    call.err
        .push_str(&format!("level=ERROR msg=\"release name check failed\" error=\"{quoted}\"\n"));
    Err(format!("release name check failed: {why}").into())
}

/// `helm install`.
pub fn install(call: &mut Call<'_>) -> Result<(), Failure> {
    let written = name_and_chart(call, None).and_then(|(name, reference)| {
        let options = options(call)?;
        first(call, &name, &reference, &options).map(|done| (done, options.dry_run))
    });
    match written {
        Ok(((release, content), dry_run)) => show(call, &release, &content, dry_run),
        Err(Failure::Said(text)) => Err(format!("INSTALLATION FAILED: {text}").into()),
        Err(Failure::Killed) => Err(Failure::Killed),
    }
}

/// `helm upgrade`.
pub fn upgrade(call: &mut Call<'_>) -> Result<(), Failure> {
    let (name, reference) = (call.arg(0).to_owned(), call.arg(1).to_owned());
    let format = call.format()?;
    let mut options = options(call)?;
    if call.args.on("install") {
        call.reach()?;
        let last = release::last(call.world, call.namespace(), &name);
        let uninstalled =
            last.as_ref().is_some_and(|release| release.status == Status::Uninstalled);
        if last.is_none() || uninstalled {
            if format == Format::Table {
                call.out
                    .push_str(&format!("Release \"{name}\" does not exist. Installing it now.\n"));
            }
            options.replace |= uninstalled;
            let (release, content) = first(call, &name, &reference, &options)?;
            return show(call, &release, &content, options.dry_run);
        }
    }
    let chart = pull::chart(call, &reference)?;
    let config = pull::user_values(call)?;
    match next(call, &name, &chart, config, &mut options) {
        Ok((release, content)) => {
            if format == Format::Table {
                call.out
                    .push_str(&format!("Release \"{name}\" has been upgraded. Happy Helming!\n"));
            }
            show(call, &release, &content, options.dry_run)
        }
        Err(Failure::Said(text)) => Err(format!("UPGRADE FAILED: {text}").into()),
        Err(Failure::Killed) => Err(Failure::Killed),
    }
}

/// Prints what was written.
fn show(
    call: &mut Call<'_>,
    release: &Release,
    content: &Content,
    dry_run: bool,
) -> Result<(), Failure> {
    let format = call.format()?;
    let text = format.print(&ReleaseJson::written(release, content), || {
        let mut text = release_text(release, None);
        if dry_run {
            text.push_str(&format!("HOOKS:\nMANIFEST:\n{}\n", charts::manifest(&content.objects)));
        }
        text
    });
    call.out.push_str(&text);
    Ok(())
}

/// The first revision of a release.
fn first(
    call: &mut Call<'_>,
    name: &str,
    reference: &str,
    options: &Options,
) -> Result<(Release, Content), Failure> {
    let chart = pull::chart(call, reference)?;
    let config = pull::user_values(call)?;
    if options.online
        && let Err(Failure::Said(text)) = call.reach()
    {
        let text = format!("cluster reachability check failed: {text}");
        call.err.push_str(&format!("level=ERROR msg=\"{}\"\n", text.replace('"', "\\\"")));
        return Err(text.into());
    }
    check_name(call, name)?;
    let namespace = call.namespace().to_owned();
    let past = release::last(call.world, &namespace, name);
    if let Some(past) = past.as_ref().filter(|_| !options.dry_run) {
        let reusable = matches!(past.status, Status::Uninstalled | Status::Failed);
        if !(options.replace && reusable) {
            name_refused(call, "cannot reuse a name that is still in use")?;
        }
    }
    if options.online && !options.dry_run && !options.skip_crds {
        install_crds(call, &chart)?;
    }
    let content = content(&chart, name, &namespace, config);
    let now = call.world.now();
    let mut release = Release {
        name: name.to_owned(),
        namespace,
        revision: past.as_ref().map_or(1, |past| past.revision + 1),
        chart: chart.metadata.clone(),
        first_deployed: now,
        last_deployed: now,
        deleted: None,
        description: "Initial install underway".to_owned(),
        status: Status::PendingInstall,
        labels: options.labels.clone(),
        created_at: None,
        modified_at: None,
        apply_method: apply_method(options.method),
    };
    let mut targets = Vec::new();
    let mut adopted = Vec::new();
    if options.online {
        let cluster = Cluster::open(call.world);
        targets = apply::build(&cluster, &release, &content.objects).map_err(|why| {
            format!("unable to build kubernetes objects from release manifest: {why}")
        })?;
        adopted = apply::existing(&cluster, &release, &targets, options.take_ownership)
            .map_err(|why| format!("unable to continue with install: {why}"))?;
    }
    if options.dry_run {
        release.description = "Dry run complete".to_owned();
        return Ok((release, content));
    }
    if options.create_namespace {
        create_namespace(call, &release.namespace)?;
    }
    check_namespace(call, &release.namespace)?;
    if let Some(mut past) = past.filter(|past| past.status != Status::Failed) {
        past.status = Status::Superseded;
        past.description = "superseded by new release".to_owned();
        past.update(call.world);
    }
    release.create(&content, call.world);
    let written = {
        let mut cluster = Cluster::open(call.world);
        if adopted.is_empty() {
            apply::create(
                &mut cluster,
                &targets,
                Method { force_conflicts: false, ..options.method },
            )
        } else {
            apply::update(&mut cluster, &adopted, &targets, options.method)
                .map(|_| ())
                .map_err(|(_, why)| why)
        }
    };
    settle(call)?;
    let timeout = call.timeout();
    let ready = written.and_then(|()| ready::wait(call.world, &targets, options.strategy, timeout));
    match ready {
        Ok(()) => {
            release.status = Status::Deployed;
            release.description =
                options.description.clone().unwrap_or_else(|| "Install complete".to_owned());
            release.update(call.world);
            Ok((release, content))
        }
        Err(why) => {
            release.status = Status::Failed;
            release.description = format!("Release \"{name}\" failed: {why}");
            release.update(call.world);
            if options.rollback {
                let gone = remove::take_away(call.world, &mut release, options.strategy, timeout);
                for past in release::history(call.world, &release.namespace, name) {
                    past.purge(call.world);
                }
                return Err(match gone {
                    Ok(_) => format!("release {name} failed, and has been uninstalled due to rollback-on-failure being set: {why}"),
                    Err(more) => format!("an error occurred while uninstalling the release. original install error: {why}: {more}"),
                }
                .into());
            }
            Err(why.into())
        }
    }
}

/// Lets the controllers see what was written; the place where an interrupted
/// command dies.
pub fn settle(call: &mut Call<'_>) -> Result<(), Failure> {
    Cluster::open(call.world).reconcile();
    call.killed_here()
}

fn apply_method(method: Method) -> String {
    if method.server_side { "ssa" } else { "csa" }.to_owned()
}

/// Installs what is in a chart's `crds/`; what exists is left as it is.
fn install_crds(call: &mut Call<'_>, chart: &Chart) -> Result<(), Failure> {
    let mut cluster = Cluster::open(call.world);
    for crd in &chart.crds {
        let file = crd.source.split_once('/').map_or(crd.source.as_str(), |(_, file)| file);
        let text =
            |pointer: &str| crd.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let Some(ty) = cluster.type_of(text("/apiVersion"), crd.kind()) else {
            return Err(format!(
                "failed to install CRD {file}: no matches for kind \"{}\"",
                crd.kind()
            )
            .into());
        };
        if cluster.get(&ty, "", text("/metadata/name")).is_ok() {
            continue;
        }
        let patch = Patch::Apply { object: crd.object.clone(), force: false };
        cluster
            .patch(&ty, "", text("/metadata/name"), &patch, &WriteOptions::by("helm"))
            .map_err(|status| format!("failed to install CRD {file}: {status}"))?;
    }
    cluster.reconcile();
    Ok(())
}

fn create_namespace(call: &mut Call<'_>, namespace: &str) -> Result<(), Failure> {
    let mut cluster = Cluster::open(call.world);
    let Some(ty) = cluster.type_of("v1", "Namespace") else { return Ok(()) };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"name": namespace}}});
    let patch = Patch::Apply { object, force: false };
    match cluster.patch(&ty, "", namespace, &patch, &WriteOptions::by("helm")) {
        Ok(_) => {
            cluster.reconcile();
            Ok(())
        }
        Err(status) if status.reason == Reason::AlreadyExists => Ok(()),
        Err(status) => Err(status.to_string().into()),
    }
}

/// The record of a release lies in its namespace, so there must be one.
fn check_namespace(call: &mut Call<'_>, namespace: &str) -> Result<(), Failure> {
    let cluster = Cluster::open(call.world);
    let Some(ty) = cluster.type_of("v1", "Namespace") else { return Ok(()) };
    match cluster.get(&ty, "", namespace) {
        Ok(_) => Ok(()),
        Err(status) => Err(format!("create: failed to create: {status}").into()),
    }
}

/// The next revision of a release.
fn next(
    call: &mut Call<'_>,
    name: &str,
    chart: &Chart,
    config: Value,
    options: &mut Options,
) -> Result<(Release, Content), Failure> {
    if options.online {
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
        let adopted = apply::existing(&cluster, &release, &new, options.take_ownership)
            .map_err(|why| format!("unable to continue with update: {why}"))?;
        originals.extend(adopted);
        (targets, originals)
    };
    if options.dry_run {
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
            release.status = Status::Deployed;
            release.description =
                options.description.clone().unwrap_or_else(|| "Upgrade complete".to_owned());
            release.update(call.world);
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
    call.err
        .push_str(&format!("level=WARN msg=\"upgrade failed\" name={name} error=\"{quoted}\"\n"));
    release.status = Status::Failed;
    release.description = format!("Upgrade \"{name}\" failed: {why}");
    release.update(call.world);
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
