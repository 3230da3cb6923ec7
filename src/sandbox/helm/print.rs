//! What `helm` prints: its JSON, its tables and its times.
//!
//! Only shapes and words; nothing here decides anything.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

use super::release::{Content, Release};
use crate::sandbox::charts::{Metadata, manifest, yaml};

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text for people; the default.
    Table,
    /// One line of JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Reads the flag's value.
    ///
    /// # Errors
    ///
    /// `helm`'s words for an unknown format.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("table") => Ok(Self::Table),
            Some("json") => Ok(Self::Json),
            Some("yaml") => Ok(Self::Yaml),
            Some(other) => Err(format!(
                "invalid argument \"{other}\" for \"-o, --output\" flag: invalid format type"
            )),
        }
    }

    /// A value in JSON or YAML; for a table, the text that `table` makes.
    pub fn print(self, value: &impl Serialize, table: impl FnOnce() -> String) -> String {
        match self {
            Self::Table => table(),
            Self::Json => go_json(value) + "\n",
            Self::Yaml => yaml::print(&serde_json::to_value(value).unwrap_or_default()),
        }
    }
}

/// JSON as Go's encoder writes it: `<`, `>` and `&` are escaped, which can only
/// stand inside strings.
pub fn go_json(value: &impl Serialize) -> String {
    escape(&serde_json::to_string(value).unwrap_or_default())
}

/// Escapes what Go escapes in JSON.
pub fn escape(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A table as `helm` prints it: columns padded and separated by a tab.
pub fn table(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|index| {
            rows.iter()
                .filter_map(|row| row.get(index))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}", width = *width))
            .collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
    }
    out
}

/// `Sun Nov 22 14:00:56 2026`.
pub fn ansi_time(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// `2026-11-22 14:00:56.224497048 +0000 UTC`.
pub fn go_time(time: Timestamp) -> String {
    time.to_string().replace('T', " ").replace('Z', " +0000 UTC")
}

/// `2026-11-22T14:00:56Z`: whole seconds.
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

#[derive(Serialize)]
struct Info<'a> {
    first_deployed: Timestamp,
    last_deployed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<Timestamp>,
    description: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<&'a Map<String, Value>>,
}

#[derive(Serialize)]
struct ChartJson<'a> {
    metadata: &'a Metadata,
    lock: Option<()>,
    templates: [(); 0],
    values: &'a Value,
    schema: Option<()>,
    files: [(); 0],
}

/// A release as `-o json` shows it.
#[derive(Serialize)]
pub struct ReleaseJson<'a> {
    name: &'a str,
    info: Info<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chart: Option<ChartJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a Value>,
    manifest: String,
    version: u64,
    namespace: &'a str,
    apply_method: &'a str,
}

impl<'a> ReleaseJson<'a> {
    /// The release with its live objects, as `status` shows it.
    pub fn status(
        release: &'a Release,
        content: &'a Content,
        resources: &'a Map<String, Value>,
    ) -> Self {
        let mut json = Self::written(release, content);
        json.chart = None;
        json.info.resources = Some(resources).filter(|resources| !resources.is_empty());
        json
    }

    /// The release with its chart, as `install` and `upgrade` show it.
    pub fn written(release: &'a Release, content: &'a Content) -> Self {
        Self {
            name: &release.name,
            info: Info {
                first_deployed: release.first_deployed,
                last_deployed: release.last_deployed,
                deleted: release.deleted,
                description: &release.description,
                status: release.status.as_str(),
                resources: None,
            },
            chart: Some(ChartJson {
                metadata: &release.chart,
                lock: None,
                templates: [],
                values: &content.values,
                schema: None,
                files: [],
            }),
            config: Some(&content.config)
                .filter(|config| config.as_object().is_some_and(|config| !config.is_empty())),
            manifest: manifest(&content.objects),
            version: release.revision,
            namespace: &release.namespace,
            apply_method: &release.apply_method,
        }
    }
}

/// The text form of a release; `resources` are the tables of its live objects.
pub fn release_text(release: &Release, resources: Option<&str>) -> String {
    let mut out = format!(
        "NAME: {}\nLAST DEPLOYED: {}\nNAMESPACE: {}\nSTATUS: {}\nREVISION: {}\nDESCRIPTION: {}\n",
        release.name,
        ansi_time(release.last_deployed),
        release.namespace,
        release.status.as_str(),
        release.revision,
        release.description,
    );
    if let Some(resources) = resources.filter(|resources| !resources.is_empty()) {
        out.push_str("RESOURCES:\n");
        out.push_str(resources);
        out.push('\n');
    }
    out.push_str("TEST SUITE: None\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_prints_them() {
        let time: Timestamp = "2026-11-02T14:02:04.475590390Z".parse().unwrap();
        assert_eq!(ansi_time(time), "Mon Nov  2 14:02:04 2026");
        assert_eq!(go_time(time), "2026-11-02 14:02:04.47559039 +0000 UTC");
        assert_eq!(seconds(time), "2026-11-02T14:02:04Z");
    }

    #[test]
    fn tables_and_json_are_gos() {
        let rows = [
            vec!["NAME".to_owned(), "APP VERSION".to_owned()],
            vec!["karpenter".to_owned(), "1.8.3".to_owned()],
        ];
        assert_eq!(table(&rows), "NAME     \tAPP VERSION\nkarpenter\t1.8.3      \n");
        assert_eq!(go_json(&"a<b>&c"), "\"a\\u003cb\\u003e\\u0026c\"");
    }
}
