//! The commands that only read: `version`, `list`, `status`, `history`, `get`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::print::{Format, ReleaseJson, ansi_time, go_time, release_text, seconds, table};
use super::release::{self, Release, Status};
use super::{COMMIT, Call, Failure, VERSION};
use crate::sandbox::charts::{self, yaml};
use crate::sandbox::cluster::{Cluster, ListOptions, Selector};
use crate::sandbox::flags::{Flag, Takes, flag, short};
use crate::sandbox::kubectl::table::{self as kube, Style};

pub const VERSION_FLAGS: &[Flag] = &[flag("short", Takes::Nothing), flag("template", Takes::Value)];

pub const LIST_FLAGS: &[Flag] = &[
    short("all-namespaces", 'A', Takes::Nothing),
    short("date", 'd', Takes::Nothing),
    flag("deployed", Takes::Nothing),
    flag("failed", Takes::Nothing),
    short("filter", 'f', Takes::Value),
    short("max", 'm', Takes::Number),
    flag("no-headers", Takes::Nothing),
    flag("offset", Takes::Number),
    flag("pending", Takes::Nothing),
    short("reverse", 'r', Takes::Nothing),
    short("selector", 'l', Takes::Value),
    short("short", 'q', Takes::Nothing),
    flag("superseded", Takes::Nothing),
    flag("time-format", Takes::Value),
    flag("uninstalled", Takes::Nothing),
    flag("uninstalling", Takes::Nothing),
];

pub const HISTORY_FLAGS: &[Flag] = &[flag("max", Takes::Number)];
pub const VALUES_FLAGS: &[Flag] = &[short("all", 'a', Takes::Nothing)];

/// `helm version`.
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

#[derive(Serialize)]
struct Listed {
    name: String,
    namespace: String,
    revision: String,
    updated: String,
    status: &'static str,
    chart: String,
    app_version: String,
}

/// `helm list`.
pub fn list(call: &mut Call<'_>) -> Result<(), Failure> {
    let format = call.format()?;
    call.reach()?;
    let namespace = (!call.args.on("all-namespaces")).then(|| call.namespace());
    let mut releases = release::all(call.world, namespace);
    let wanted = |status: Status| match status {
        Status::Deployed => "deployed",
        Status::Failed => "failed",
        Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback => "pending",
        Status::Superseded => "superseded",
        Status::Uninstalling => "uninstalling",
        Status::Uninstalled => "uninstalled",
    };
    let flags = ["deployed", "failed", "pending", "superseded", "uninstalling", "uninstalled"];
    let any = flags.iter().any(|flag| call.args.on(flag));
    // Superseded revisions are never the newest: alone, the flag shows them all.
    let only_superseded = flags.iter().all(|flag| call.args.on(flag) == (*flag == "superseded"));
    if !only_superseded {
        releases = newest(releases);
    }
    releases.retain(|release| !any || call.args.on(wanted(release.status)));
    if let Some(filter) = call.args.value("filter").filter(|filter| !filter.is_empty()) {
        let filter = NameFilter::parse(filter);
        releases.retain(|release| filter.matches(&release.name));
    }
    if let Some(selector) = call.args.value("selector") {
        let selector =
            Selector::parse(selector).map_err(|status| Failure::Said(status.to_string()))?;
        releases.retain(|release| {
            let mut labels: Map<String, Value> = release
                .labels
                .iter()
                .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
                .collect();
            labels.insert("name".into(), release.name.as_str().into());
            labels.insert("owner".into(), "helm".into());
            labels.insert("status".into(), release.status.as_str().into());
            selector.matches(Some(&labels))
        });
    }
    releases.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.namespace.cmp(&b.namespace)));
    if call.args.on("date") {
        releases.sort_by_key(|release| std::cmp::Reverse(release.last_deployed));
    }
    if call.args.on("reverse") {
        releases.reverse();
    }
    let count = |flag: &str, otherwise: usize| {
        call.args.number(flag).map_or(otherwise, |number| usize::try_from(number).unwrap_or(0))
    };
    let max = match count("max", 256) {
        0 => usize::MAX,
        max => max,
    };
    let listed: Vec<Listed> = releases
        .into_iter()
        .skip(count("offset", 0))
        .take(max)
        .map(|release| Listed {
            chart: release.chart_label(),
            name: release.name,
            namespace: release.namespace,
            revision: release.revision.to_string(),
            updated: go_time(release.last_deployed),
            status: release.status.as_str(),
            app_version: release.chart.app_version.unwrap_or_default(),
        })
        .collect();
    if call.args.on("short") {
        let names: Vec<&str> = listed.iter().map(|release| release.name.as_str()).collect();
        call.out = format.print(&names, || names.iter().map(|name| format!("{name}\n")).collect());
        return Ok(());
    }
    let no_headers = call.args.on("no-headers");
    call.out = format.print(&listed, || {
        let header = ["NAME", "NAMESPACE", "REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION"];
        let mut rows: Vec<Vec<String>> = Vec::new();
        if !no_headers {
            rows.push(header.map(str::to_owned).to_vec());
        }
        rows.extend(listed.iter().map(|one| {
            let cells = [
                &one.name,
                &one.namespace,
                &one.revision,
                &one.updated,
                one.status,
                &one.chart,
                &one.app_version,
            ];
            cells.map(|cell: &str| cell.to_owned()).to_vec()
        }));
        table(&rows)
    });
    Ok(())
}

/// Of each release only the newest of these revisions.
fn newest(releases: Vec<Release>) -> Vec<Release> {
    let mut newest: BTreeMap<(String, String), Release> = BTreeMap::new();
    for release in releases {
        newest.insert((release.namespace.clone(), release.name.clone()), release);
    }
    newest.into_values().collect()
}

/// The part of regular expressions that filters use: anchors, alternatives,
/// plain text, `.` and `.*`. Anything else matches as text.
struct NameFilter {
    alternatives: Vec<(bool, Vec<Piece>, bool)>,
}

enum Piece {
    Letter(char),
    Any,
    Many,
}

impl NameFilter {
    fn parse(pattern: &str) -> Self {
        let (pattern, start) =
            pattern.strip_prefix('^').map_or((pattern, false), |rest| (rest, true));
        let (pattern, end) =
            pattern.strip_suffix('$').map_or((pattern, false), |rest| (rest, true));
        // `^(a|b)$` anchors both alternatives, `^a|b$` one each.
        let group = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let (pattern, both) = group.map_or((pattern, false), |inner| (inner, true));
        let last = pattern.matches('|').count();
        let alternatives = pattern
            .split('|')
            .enumerate()
            .map(|(index, part)| {
                (start && (both || index == 0), Self::pieces(part), end && (both || index == last))
            })
            .collect();
        Self { alternatives }
    }

    fn pieces(text: &str) -> Vec<Piece> {
        let mut letters = text.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '\\' => Piece::Letter(letters.next().unwrap_or('\\')),
                '.' if letters.next_if_eq(&'*').is_some() => Piece::Many,
                '.' => Piece::Any,
                letter => Piece::Letter(letter),
            });
        }
        pieces
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.alternatives.iter().any(|(start, pieces, end)| {
            let last = if *start { 0 } else { name.len() };
            (0..=last)
                .any(|from| name.get(from..).is_some_and(|rest| Self::fits(pieces, rest, *end)))
        })
    }

    fn fits(pieces: &[Piece], name: &[char], end: bool) -> bool {
        match pieces.split_first() {
            None => !end || name.is_empty(),
            Some((Piece::Many, rest)) => (0..=name.len())
                .any(|from| name.get(from..).is_some_and(|name| Self::fits(rest, name, end))),
            Some((piece, rest)) => name.split_first().is_some_and(|(letter, name)| {
                let same = match piece {
                    Piece::Letter(wanted) => wanted == letter,
                    Piece::Any | Piece::Many => true,
                };
                same && Self::fits(rest, name, end)
            }),
        }
    }
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
            out.push_str(&format!("==> {key}\n"));
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
            metadata.apply_method,
        )
    });
    Ok(())
}

/// `helm get manifest`.
pub fn manifest(call: &mut Call<'_>) -> Result<(), Failure> {
    let release = find(call)?;
    call.out = charts::manifest(&release.content(call.world).objects);
    call.out.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_filters() {
        for (pattern, name, expected) in [
            ("^karpenter$", "karpenter", true),
            ("^karpenter$", "karpenter-crd", false),
            ("karp", "my-karpenter", true),
            ("^(a|b)$", "b", true),
            ("^(a|b)$", "bc", false),
            ("^ingext-.*$", "ingext-lake", true),
            ("a\\.b", "axb", false),
            ("a.b", "axb", true),
        ] {
            assert_eq!(NameFilter::parse(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
