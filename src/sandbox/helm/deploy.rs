//! `template`, `install` and `upgrade`: from a chart and values to objects in
//! the cluster and the first revision of a release.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::apply::{self, Method};
use super::options::{Options, check_name, name_and_chart, name_refused, options};
use super::print::{Format, ReleaseJson, release_text};
use super::ready;
use super::release::{self, Content, Release, Status};
use super::{Call, Failure, pull, remove, upgrade as upgrading};
use crate::sandbox::charts::values::coalesce;
use crate::sandbox::charts::{self, Chart};
use crate::sandbox::cluster::{Cluster, Patch, Reason, WriteOptions};

/// Which labels and values a new revision starts with.
pub fn content(chart: &Chart, name: &str, namespace: &str, config: Value) -> Content {
    let values = coalesce(&config, &chart.defaults);
    let objects = chart.render(charts::Release { name, namespace }, &values);
    Content { config, values, objects }
}

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
    if call.args.value("dry-run") == Some("server") && options.asks_cluster() {
        call.reach()?;
    }
    check_name(call, &name)?;
    let namespace = call.namespace().to_owned();
    let content = content(&chart, &name, &namespace, config);
    let mut rendered = Vec::new();
    if call.args.on("include-crds") && !call.args.on("skip-crds") {
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

/// `helm install`.
pub fn install(call: &mut Call<'_>) -> Result<(), Failure> {
    let written = name_and_chart(call, None).and_then(|(name, reference)| {
        let options = options(call)?;
        first(call, &name, &reference, &options).map(|done| (done, options.shows_only()))
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
                call.say(&format!("Release \"{name}\" does not exist. Installing it now.\n"));
            }
            options.replace |= uninstalled;
            let (release, content) = first(call, &name, &reference, &options)?;
            return show(call, &release, &content, options.shows_only());
        }
    }
    let chart = pull::chart(call, &reference)?;
    let config = pull::user_values(call)?;
    match upgrading::next(call, &name, &chart, config, &mut options) {
        Ok((release, content)) => {
            if format == Format::Table {
                call.say(&format!("Release \"{name}\" has been upgraded. Happy Helming!\n"));
            }
            show(call, &release, &content, options.shows_only())
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
            let _ = write!(text, "HOOKS:\nMANIFEST:\n{}\n", charts::manifest(&content.objects));
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
    if options.asks_cluster()
        && let Err(Failure::Said(text)) = call.reach()
    {
        let text = format!("cluster reachability check failed: {text}");
        call.complain(&format!("level=ERROR msg=\"{}\"\n", text.replace('"', "\\\"")));
        return Err(text.into());
    }
    check_name(call, name)?;
    let namespace = call.namespace().to_owned();
    let past = release::last(call.world, &namespace, name);
    if let Some(past) = past.as_ref().filter(|_| !options.shows_only()) {
        let reusable = matches!(past.status, Status::Uninstalled | Status::Failed);
        if !(options.replace && reusable) {
            name_refused(call, "cannot reuse a name that is still in use")?;
        }
    }
    if options.asks_cluster() && !options.shows_only() && !call.args.on("skip-crds") {
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
    let take = call.args.on("take-ownership");
    if options.asks_cluster() {
        let cluster = Cluster::open(call.world);
        targets = apply::build(&cluster, &release, &content.objects).map_err(|why| {
            format!("unable to build kubernetes objects from release manifest: {why}")
        })?;
        adopted = apply::existing(&cluster, &release, &targets, take)
            .map_err(|why| format!("unable to continue with install: {why}"))?;
    }
    if options.shows_only() {
        release.description = "Dry run complete".into();
        return Ok((release, content));
    }
    if call.args.on("create-namespace") {
        create_namespace(call, &release.namespace)?;
    }
    check_namespace(call, &release.namespace)?;
    if let Some(mut past) = past.filter(|past| past.status != Status::Failed) {
        past.end(Status::Superseded, "superseded by new release".to_owned(), call.world);
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
            release.end(
                Status::Deployed,
                options.description.clone().unwrap_or_else(|| "Install complete".to_owned()),
                call.world,
            );
            Ok((release, content))
        }
        Err(why) => {
            release.end(Status::Failed, format!("Release \"{name}\" failed: {why}"), call.world);
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

/// The word that a release keeps of how it was applied.
pub fn apply_method(method: Method) -> String {
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
