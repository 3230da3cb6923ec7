//! `list`: the newest revision of each release, and which of them are wanted.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::print::{go_time, table};
use super::release::{self, Release, Status};
use super::{Call, Failure};
use crate::sandbox::cluster::Selector;
use crate::sandbox::flags::{Flag, Takes, flag, short};

pub const FLAGS: &[Flag] = &[
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
        call.out = format.print(&names, || {
            names.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat()
        });
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
