//! The commands that read one release: `status`, `history`, `get`; and
//! `version`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::print::{Format, ReleaseJson, ansi_time, release_text, seconds, table};
use super::release::{self, Release};
use super::{COMMIT, Call, Failure, VERSION};
use crate::sandbox::charts::{self, yaml};
use crate::sandbox::cluster::{Cluster, ListOptions, Selector};
use crate::sandbox::flags::{Flag, Takes, flag, short};
use crate::sandbox::kubectl::table::{self as kube, Style};

pub const VERSION_FLAGS: &[Flag] = &[flag("short", Takes::Nothing), flag("template", Takes::Value)];

pub const HISTORY_FLAGS: &[Flag] = &[flag("max", Takes::Number)];
pub const VALUES_FLAGS: &[Flag] = &[short("all", 'a', Takes::Nothing)];

/// `helm version`.
#[expect(clippy::unnecessary_wraps, reason = "one of a table of commands, of which others fail")]
pub fn version(call: &mut Call<'_>) -> Result<(), Failure> {
    if let Some(template) = call.args.value("template") {
        let mut text = template.to_owned();
        for (field, value) in [
            ("Version", VERSION),
            ("GitCommit", COMMIT),
            ("GitTreeState", "clean"),
            ("GoVersion", "go1.25.9"),
        ] {
            text = text
                .replace(&format!("{{{{.{field}}}}}"), value)
                .replace(&format!("{{{{ .{field} }}}}"), value);
        }
        call.out.push_str(&text);
    } else if call.args.on("short") {
        call.out = format!("{VERSION}+g{}\n", COMMIT.get(..7).unwrap_or_default());
    } else {
        call.out = format!(
            "version.BuildInfo{{Version:\"{VERSION}\", GitCommit:\"{COMMIT}\", GitTreeState:\"clean\", GoVersion:\"go1.25.9\", KubeClientVersion:\"v1.35\"}}\n"
        );
    }
    Ok(())
}

/// The revision that the command names, or the newest.
fn find(call: &Call<'_>) -> Result<Release, Failure> {
    call.reach()?;
    let name = call.arg(0);
    let wanted = call.args.number("revision").unwrap_or(0);
    let mut revisions = release::history(call.world, call.namespace(), name);
    let found = match u64::try_from(wanted) {
        Ok(0) => revisions.pop(),
        Ok(revision) => revisions.into_iter().find(|release| release.revision == revision),
        Err(_) => None,
    };
    found.ok_or_else(|| Failure::Said("release: not found".to_owned()))
}

/// `helm status`.
pub fn status(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.format()?;
    let release = find(call)?;
    let content = release.content(call.world);
    let now = call.world.now();
    let mut cluster = Cluster::open(call.world);
    cluster.reconcile();
    let live = Live::read(&cluster, &release, &content.objects);
    call.out = match format {
        Format::Table => release_text(&release, Some(&live.tables(&cluster, now))),
        Format::Json | Format::Yaml => {
            format.print(&ReleaseJson::status(&release, &content, &live.resources), String::new)
        }
    };
    Ok(())
}

/// The live objects of a release, by `VERSION/KIND`, with the pods of its
/// workloads.
struct Live {
    resources: Map<String, Value>,
}

/// The entry for the pods of workloads.
const RELATED: &str = "v1/Pod(related)";

impl Live {
    fn read(cluster: &Cluster<'_>, release: &Release, objects: &[charts::Rendered]) -> Self {
        let mut live = Self { resources: Map::new() };
        let mut selectors: Vec<Value> = Vec::new();
        for rendered in objects {
            let text = |pointer: &str| {
                rendered.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
            };
            let Some(ty) = cluster.type_of(text("/apiVersion"), rendered.kind()) else { continue };
            let namespace = rendered.object.pointer("/metadata/namespace").and_then(Value::as_str);
            let namespace = namespace.unwrap_or(&release.namespace);
            // An object that is gone is left out, without a word.
            let Ok(object) = cluster.get(&ty, namespace, text("/metadata/name")) else { continue };
            live.push(format!("{}/{}", ty.version, ty.kind), object.clone());
            let workload = matches!(
                rendered.kind(),
                "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" | "Job"
            );
            let labels = rendered.object.pointer("/spec/selector/matchLabels").filter(|_| workload);
            let Some(labels) = labels.and_then(Value::as_object) else { continue };
            let Some(pods) = cluster.type_of("v1", "Pod") else { continue };
            let selector = Value::Object(labels.clone());
            if selectors.contains(&selector) {
                continue;
            }
            let options =
                ListOptions { labels: Selector::from_labels(labels), ..ListOptions::default() };
            live.push(RELATED.to_owned(), cluster.list_object(&pods, Some(namespace), &options));
            selectors.push(selector);
        }
        live
    }

    fn push(&mut self, key: String, object: Value) {
        let list = self.resources.entry(key).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(object);
        }
    }

    fn tables(&self, cluster: &Cluster<'_>, now: Timestamp) -> String {
        let mut out = String::new();
        for (key, objects) in &self.resources {
            let _ = writeln!(out, "==> {key}");
            let mut no_headers = false;
            for object in objects.as_array().into_iter().flatten() {
                let pods = (key == RELATED)
                    .then(|| object.get("items").and_then(Value::as_array))
                    .flatten();
                let rows: Vec<&Value> =
                    pods.map_or_else(|| vec![object], |pods| pods.iter().collect());
                let text = |field: &str| {
                    rows.first().and_then(|row| row.get(field)).and_then(Value::as_str)
                };
                let ty = cluster
                    .type_of(text("apiVersion").unwrap_or("v1"), text("kind").unwrap_or("Pod"));
                if let Some(ty) = ty.filter(|_| !rows.is_empty()) {
                    out.push_str(&kube::print(
                        &ty,
                        &rows,
                        now,
                        Style { no_headers, ..Style::default() },
                    ));
                    no_headers = true;
                }
            }
            out.push('\n');
        }
        out
    }
}

#[derive(Serialize)]
struct Past {
    revision: u64,
    updated: Timestamp,
    status: &'static str,
    chart: String,
    app_version: String,
    description: String,
}

/// `helm history`.
pub fn history(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.format()?;
    call.reach()?;
    let revisions = release::history(call.world, call.namespace(), call.arg(0));
    if revisions.is_empty() {
        return Err(Failure::Said("release: not found".to_owned()));
    }
    let max = call.args.number("max").map_or(256, |max| usize::try_from(max).unwrap_or(0));
    let skip = revisions.len().saturating_sub(max);
    let past: Vec<Past> = revisions
        .into_iter()
        .skip(skip)
        .map(|release| Past {
            chart: release.chart_label(),
            revision: release.revision,
            updated: release.last_deployed,
            status: release.status.as_str(),
            app_version: release.chart.app_version.unwrap_or_default(),
            description: release.description,
        })
        .collect();
    call.out = format.print(&past, || {
        let header = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(past.iter().map(|one| {
            vec![
                one.revision.to_string(),
                ansi_time(one.updated),
                one.status.to_owned(),
                one.chart.clone(),
                one.app_version.clone(),
                one.description.clone(),
            ]
        }));
        table(&rows)
    });
    Ok(())
}

/// `helm get values`.
pub fn values(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.format()?;
    let release = find(call)?;
    let content = release.content(call.world);
    let all = call.args.on("all");
    let values = match (all, &content.config) {
        (true, _) => &content.values,
        // A release without values has none, not an empty map.
        (false, Value::Object(config)) if config.is_empty() => &Value::Null,
        (false, config) => config,
    };
    let title = if all { "COMPUTED VALUES:\n" } else { "USER-SUPPLIED VALUES:\n" };
    call.out = format.print(values, || format!("{title}{}", yaml::print(values)));
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetadataJson {
    name: String,
    chart: String,
    version: String,
    app_version: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    namespace: String,
    revision: u64,
    status: &'static str,
    deployed_at: String,
    apply_method: String,
}

/// `helm get metadata`.
pub fn metadata(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.format()?;
    let release = find(call)?;
    let mut labels = release.labels.clone();
    for (label, time) in [("createdAt", release.created_at), ("modifiedAt", release.modified_at)] {
        if let Some(time) = time {
            labels.insert(label.to_owned(), time.to_string());
        }
    }
    for (label, value) in [
        ("name", release.name.clone()),
        ("owner", "helm".to_owned()),
        ("status", release.status.as_str().to_owned()),
        ("version", release.revision.to_string()),
    ] {
        labels.insert(label.to_owned(), value);
    }
    let metadata = MetadataJson {
        name: release.name,
        chart: release.chart.name,
        version: release.chart.version,
        app_version: release.chart.app_version.unwrap_or_default(),
        annotations: release.chart.annotations,
        labels,
        namespace: release.namespace,
        revision: release.revision,
        status: release.status.as_str(),
        deployed_at: seconds(release.last_deployed),
        apply_method: release.apply_method,
    };
    call.out = format.print(&metadata, || {
        let pairs = |map: &BTreeMap<String, String>| {
            map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
        };
        format!(
            "NAME: {}\nCHART: {}\nVERSION: {}\nAPP_VERSION: {}\nANNOTATIONS: {}\nLABELS: {}\nDEPENDENCIES: \nNAMESPACE: {}\nREVISION: {}\nSTATUS: {}\nDEPLOYED_AT: {}\nAPPLY_METHOD: {}\n",
            metadata.name,
            metadata.chart,
            metadata.version,
            metadata.app_version,
            pairs(&metadata.annotations),
            pairs(&metadata.labels),
            metadata.namespace,
            metadata.revision,
            metadata.status,
            metadata.deployed_at,
            if metadata.apply_method == "ssa" { "server-side apply" } else { "client-side apply" },
        )
    });
    Ok(())
}

/// `helm get notes` and `helm get hooks`: the charts here have neither.
pub fn nothing(call: &mut Call<'_>) -> Result<(), Failure> {
    find(call).map(|_| ())
}

/// `helm get manifest`.
pub fn manifest(call: &mut Call<'_>) -> Result<(), Failure> {
    let release = find(call)?;
    call.out = charts::manifest(&release.content(call.world).objects);
    call.out.push('\n');
    Ok(())
}
