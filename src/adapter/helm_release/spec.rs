//! The spec of a release: what manifests may write, and what it means.

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::settings::{Settings, SettingsBuilder};
use crate::adapter::{Context, Desired, Identity, Problem};
use crate::quote::quote;
use crate::value::{Map, Path, Value, is_sensitive_text};

/// A Helm release: a chart in a version, with values, in a namespace. It is done
/// when what it runs is ready, not when Helm has written it down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the manifest")]
struct Spec {
    /// The release's name; unless given, the resource's.
    #[schemars(length(min = 1, max = 53))]
    release_name: Option<String>,
    /// The namespace that the release is in.
    #[schemars(length(min = 1, max = 63))]
    namespace: String,
    /// Whether Helm makes the namespace where it is missing.
    #[serde(default)]
    create_namespace: bool,
    /// The chart: `oci://HOST/PATH/NAME`, a name in `repository`, or a path
    /// that begins with `.` or `/`. Not needed for an external release.
    chart: Option<String>,
    /// The URL of the chart repository that `chart` is a name in. Empty counts as
    /// not given.
    repository: Option<String>,
    /// The chart's exact version, such as `1.8.3`. For a chart at a path it may
    /// be left out; given, the chart must have it.
    version: Option<String>,
    /// The values for the chart. They are complete: what is not written here
    /// is as the chart has it, whatever an earlier release was given.
    #[serde(default)]
    values: serde_json::Map<String, Json>,
    /// How long Helm may wait, such as `90s`, `5m` or `1h30m`.
    #[serde(default = "five_minutes")]
    timeout: String,
    /// Whether Helm waits until the release's objects are ready.
    #[serde(default = "yes")]
    wait: bool,
    /// The registry to log in to before the chart is pulled.
    registry: Option<Registry>,
    /// Whether the chart's registry speaks plain HTTP.
    #[serde(default)]
    plain_http: bool,
    /// What to do with the definitions in the chart's `crds` folder. Helm never
    /// updates them.
    #[serde(default)]
    crds: Crds,
    /// Whether objects that exist already become part of the release although
    /// another release, or no release, made them.
    #[serde(default)]
    take_ownership: bool,
    /// Whether fields that another manager set on the release's objects are
    /// always overwritten. Without it they are where a plan reverts drift.
    /// Needs Helm 4.
    #[serde(default)]
    force_conflicts: bool,
}

/// A login to a chart registry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registry {
    /// The registry's host; unless given, that of the chart.
    host: Option<String>,
    /// The user name; unless given, `AWS` where the password is ECR's.
    username: Option<String>,
    /// `ecrPublic` or `ecr` for a password that AWS hands out, or a sensitive
    /// variable.
    password: String,
}

/// What to do with the definitions in a chart's `crds` folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Crds {
    /// Make those that are missing, when the release is installed.
    #[default]
    Create,
    /// Leave them to someone else.
    Skip,
}

fn yes() -> bool {
    true
}

fn five_minutes() -> String {
    "5m".into()
}

/// The JSON Schema of the spec.
pub fn schema() -> Schema {
    schema_for!(Spec)
}

/// The problems found so far.
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, summary: impl Into<String>, help: &str) {
        let path = path.split('.').fold(Path::default(), |path, segment| path.join(segment));
        self.0.push(Problem { path, summary: summary.into(), help: Some(help.to_owned()) });
    }

    /// Reports what is not known yet, or sensitive, where that can't be.
    fn check_known_and_plain(&mut self, spec: &Value) {
        for (field, value) in spec.as_map().into_iter().flatten() {
            let plain = match (field.as_str(), value) {
                ("values", Value::Unknown(_) | Value::Sensitive(_)) => {
                    self.add(
                        field,
                        "`values` must be a map",
                        "single values may be sensitive or not known yet, all of them together not",
                    );
                    continue;
                }
                ("values", _) => continue,
                ("registry", Value::Map(registry)) => {
                    let mut plain = registry.clone();
                    if let Some(password) = plain.get_mut("password")
                        && !password.has_unknown()
                    {
                        *password = Value::Null;
                    }
                    Value::Map(plain)
                }
                (_, value) => value.clone(),
            };
            if plain.has_unknown() {
                self.add(
                    field,
                    format!("`{field}` must be known when planning"),
                    "only `values` may hold what the apply brings to light: use a variable, or an \
                     output that is known early",
                );
            }
            if plain.has_sensitive() {
                self.add(
                    field,
                    format!("`{field}` must not be sensitive: it is shown in commands"),
                    "only `values` and `registry.password` may hold what is sensitive",
                );
            }
        }
    }
}

/// What a spec asks for, in normal form.
///
/// # Errors
/// All that is wrong with it.
pub fn desired(spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
    let mut problems = Problems(Vec::new());
    problems.check_known_and_plain(spec);
    if !problems.0.is_empty() {
        // What serde says of a wrong type would repeat a secret.
        return Err(problems.0);
    }
    let spec: Spec = spec.to_spec().map_err(|error| {
        vec![Problem { path: Path::default(), summary: error.to_string(), help: None }]
    })?;
    let release = spec.release_name.clone().unwrap_or_else(|| context.name.clone());
    if !is_release_name(&release) {
        problems.add(
            "releaseName",
            format!("`{release}` is not a name for a release"),
            "use at most 53 lowercase letters, digits, `-` and `.`, beginning and ending with a \
             letter or digit",
        );
    }
    if !is_dns_label(&spec.namespace) {
        problems.add(
            "namespace",
            format!("`{}` is not a name for a namespace", spec.namespace),
            "use at most 63 lowercase letters, digits and inner `-`",
        );
    }
    let mut settings = SettingsBuilder::default();
    let mut attributes = Map::new();
    match seconds(&spec.timeout) {
        Some(seconds) if (1..=86_400).contains(&seconds) => settings.timeout(seconds),
        _ => problems.add(
            "timeout",
            format!("`{}` is not a time that Helm may wait", spec.timeout),
            "write hours, minutes and seconds, at most 24h in all, such as `90s`, `5m` or `1h30m`",
        ),
    }
    if !context.external {
        chart(&spec, &mut attributes, &mut settings, &mut problems);
        let values = Value::from_spec(&spec.values).unwrap_or_default();
        attributes.insert("values".into(), super::values::canonical(values));
    }
    if let Some(registry) = &spec.registry {
        login(registry, spec.chart.as_deref(), &mut settings, &mut problems);
    }
    for (name, on) in [
        (Settings::CREATE_NAMESPACE, spec.create_namespace),
        (Settings::WAIT, spec.wait),
        (Settings::PLAIN_HTTP, spec.plain_http),
        (Settings::SKIP_CRDS, spec.crds == Crds::Skip),
        (Settings::TAKE_OWNERSHIP, spec.take_ownership),
        (Settings::FORCE_CONFLICTS, spec.force_conflicts),
    ] {
        settings.switch(name, on);
    }
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    let mut outputs = Map::from([
        ("name".to_owned(), Value::from(release.as_str())),
        ("namespace".to_owned(), Value::from(spec.namespace.as_str())),
    ]);
    if let Some(version) = attributes.get("version") {
        outputs.insert("version".into(), version.clone());
    }
    Ok(Desired {
        identity: Identity::new([
            ("namespace", Value::from(spec.namespace)),
            ("releaseName", Value::from(release)),
        ]),
        attributes,
        exclusive: BTreeSet::from(["values"]),
        outputs,
        settings: settings.build(),
    })
}

/// Checks where the chart comes from and which it is.
fn chart(
    spec: &Spec,
    attributes: &mut Map,
    settings: &mut SettingsBuilder,
    problems: &mut Problems,
) {
    let Some(chart) = &spec.chart else {
        problems.add("chart", "`chart` is missing", "name the chart that the release installs");
        return;
    };
    let local = chart.starts_with(['.', '/']);
    if local && chart.split('/').any(|part| part == "..") {
        problems.add(
            "chart",
            format!("{} leads out of the directory of the manifests", quote(chart)),
            "put the chart beside the manifests, or write its whole path",
        );
        return;
    }
    let name = match chart.strip_prefix("oci://") {
        Some(rest) => match rest.rsplit_once('/') {
            Some((host, name)) if !host.is_empty() && is_chart_name(name) => name,
            _ => {
                problems.add(
                    "chart",
                    format!("`{chart}` does not name a chart in a registry"),
                    "write `oci://HOST/PATH/NAME`; the version stands in `version`",
                );
                return;
            }
        },
        None if local => "",
        None if is_chart_name(chart) => chart,
        None => {
            problems.add(
                "chart",
                format!("`{chart}` is not a chart"),
                "write `oci://HOST/PATH/NAME`, the name of a chart in `repository`, or a path that \
                 begins with `.` or `/`",
            );
            return;
        }
    };
    settings.text(Settings::CHART, chart);
    if !local {
        attributes.insert("chart".into(), Value::from(name));
    }

    let by_name = !local && !chart.starts_with("oci://");
    match spec.repository.as_deref().filter(|repository| !repository.is_empty()) {
        Some(repository) if by_name => {
            let secure = repository.starts_with("https://")
                || (spec.plain_http && repository.starts_with("http://"));
            if secure && !repository.contains(char::is_whitespace) {
                settings.text(Settings::REPOSITORY, repository);
            } else {
                problems.add(
                    "repository",
                    format!("`{repository}` is not the URL of a chart repository"),
                    "write `https://HOST/PATH`; `http://` needs `plainHttp: true`",
                );
            }
        }
        Some(_) => problems.add(
            "repository",
            format!("`{chart}` needs no repository"),
            "leave `repository` out, or let `chart` be a name in it",
        ),
        None if by_name => problems.add(
            "repository",
            format!("`{chart}` is a name, but no `repository` is given that has it"),
            "add `repository: https://HOST/PATH`",
        ),
        None => {}
    }
    match &spec.version {
        Some(version) if is_version(version) => {
            let version = super::values::canonical_version(version);
            settings.text(Settings::VERSION, &version);
            attributes.insert("version".into(), Value::String(version));
        }
        Some(version) => problems.add(
            "version",
            format!("`{version}` is not the exact version of a chart"),
            "write a version such as `1.8.3` or `1.9.0-rc.1`: a range would install another chart \
             from one day to the next",
        ),
        None if local => {}
        None => problems.add(
            "version",
            "`version` is missing",
            "add the chart's exact version: without it another chart is installed from one day to \
             the next",
        ),
    }
}

fn login(
    registry: &Registry,
    chart: Option<&str>,
    settings: &mut SettingsBuilder,
    problems: &mut Problems,
) {
    let from_chart = chart.and_then(|chart| chart.strip_prefix("oci://")?.split('/').next());
    let host = registry.host.as_deref().or(from_chart);
    let host = match host {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ']) && !host.starts_with('-') => {
            host
        }
        Some(host) => {
            problems.add(
                "registry.host",
                format!("`{host}` is not a host"),
                "write the host of the registry alone, such as `registry.example.org`",
            );
            return;
        }
        None => {
            problems.add(
                "registry.host",
                "`registry.host` is missing",
                "the chart does not tell its registry's host; add it",
            );
            return;
        }
    };
    let given = is_sensitive_text(&registry.password);
    if !given && !matches!(registry.password.as_str(), "ecrPublic" | "ecr") {
        problems.add(
            "registry.password",
            "a password must not stand in a manifest",
            "use a sensitive variable, or `ecrPublic` or `ecr` for one that AWS hands out",
        );
        return;
    }
    let username = match &registry.username {
        Some(username) => username,
        None if given => {
            problems.add(
                "registry.username",
                "`registry.username` is missing",
                "add the name that belongs to the password",
            );
            return;
        }
        None => "AWS",
    };
    settings.registry(host, username, Value::from_spec_text(&registry.password));
}

/// Helm's rule for names of releases.
/// Whether Helm takes a name for a release.
pub fn is_release_name(name: &str) -> bool {
    name.len() <= 53 && name.split('.').all(is_dns_label)
}

/// Whether a name is one for a namespace.
pub fn is_dns_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_chart_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.chars().all(fits) && !name.starts_with(['-', '.'])
}

/// Semantic Versioning 2.0, with the `v` in front that Helm allows and the `_`
/// for `+` that registries need in tags.
fn is_version(version: &str) -> bool {
    let version = version.strip_prefix('v').unwrap_or(version);
    let (version, build) = match version.split_once(['+', '_']) {
        Some((version, build)) => (version, Some(build)),
        None => (version, None),
    };
    let (numbers, pre_release) = match version.split_once('-') {
        Some((numbers, pre_release)) => (numbers, Some(pre_release)),
        None => (version, None),
    };
    let identifiers = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    let number = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && pre_release.is_none_or(identifiers)
        && build.is_none_or(identifiers)
}

/// A time such as `1h30m` in seconds.
pub(in crate::adapter) fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(end);
        let unit_seconds = match unit.chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_seconds)?)?;
        rest = unit.get(1..)?;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
