//! The tables as they are written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use lkh::adapter::Kind;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The name of the resource that a table is about.
pub const NAME: &str = "it";
/// What it is called once it is renamed.
pub const OTHER: &str = "other";

/// What is changed of one kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The kind; its file's name.
    #[serde(skip, default = "first")]
    pub kind: Option<Kind>,
    /// Other manifests that it needs; no row changes them.
    #[serde(default)]
    pub with: Vec<Json>,
    /// Files beside the manifests.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Commands run before the first apply.
    #[serde(default)]
    pub before: Vec<String>,
    /// Whether it is `external` to begin with.
    #[serde(default)]
    pub external: bool,
    /// What it depends on.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// Its spec, as it is applied first.
    pub spec: Json,
    /// What rows don't list of the fields that differ, by their first segment:
    /// what a chart makes of the fields above it.
    #[serde(default)]
    pub unlisted: Vec<String>,
    /// Fields that no row changes, each with the reason.
    #[serde(default)]
    pub exempt: BTreeMap<String, String>,
    /// The changes.
    pub rows: Vec<Row>,
}

fn first() -> Option<Kind> {
    None
}

/// One change, and what comes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is set in the spec before the first apply, by path; null removes.
    #[serde(default)]
    pub from: BTreeMap<String, Json>,
    /// What is set in the spec then.
    #[serde(default)]
    pub set: BTreeMap<String, Json>,
    /// Texts of files that change.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Commands run behind the back between the two.
    #[serde(default)]
    pub behind: Vec<String>,
    /// The manifest is removed.
    #[serde(default)]
    pub remove: bool,
    /// The resource gets another name; `old` says what becomes of the address.
    #[serde(default)]
    pub rename: bool,
    /// The resource becomes external, or is no longer.
    pub external: Option<bool>,
    /// What the manifest is refused with, before anything is read.
    pub refused: Option<String>,
    /// What the plan says of the resource.
    #[serde(default = "no_op")]
    pub action: String,
    /// The code of its reason; not compared where the row does not say.
    pub reason: Option<String>,
    /// The fields that differ, `/` between the segments; ` (replaces)` after
    /// those that make the object anew, and the origin in brackets where it is
    /// none of the manifest's.
    #[serde(default)]
    pub fields: Vec<String>,
    /// What the commands begin with, in order.
    #[serde(default)]
    pub commands: Vec<String>,
    /// What the inputs of the commands hold, as text.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// The codes of what is in the way.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// Parts of the notes.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What the plan says of the old address, where it is renamed.
    pub old: Option<Old>,
}

fn no_op() -> String {
    "no-op".to_owned()
}

/// What becomes of the old address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Old {
    pub action: String,
    pub reason: String,
    #[serde(default)]
    pub commands: Vec<String>,
}

impl Row {
    pub fn title(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        if self.remove {
            words.push("removed".into());
        }
        if self.rename {
            words.push("renamed".into());
        }
        words.extend(self.external.map(|to| format!("external {to}")));
        words.extend(self.set.iter().map(|(path, to)| {
            let to = to.to_string();
            let short: String = to.chars().take(40).collect();
            format!("{path}={short}")
        }));
        words.extend(self.files.keys().map(|name| format!("file {name}")));
        if words.is_empty() { "nothing".into() } else { words.join(" ") }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/changes")
}

impl Table {
    pub fn of(kind: Kind) -> Option<Self> {
        let file = directory().join(format!("{kind}.yaml"));
        let text = fs::read_to_string(&file).ok()?;
        let mut table: Self = serde_yaml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        table.kind = Some(kind);
        Some(table)
    }

    pub fn kind(&self) -> Kind {
        self.kind.expect("it is set when the table is read")
    }

    /// The spec before the change of a row.
    pub fn spec_before(&self, row: &Row) -> Json {
        let mut spec = self.spec.clone();
        put_all(&mut spec, &row.from);
        spec
    }

    /// The spec after it.
    pub fn spec_after(&self, row: &Row) -> Json {
        let mut spec = self.spec_before(row);
        put_all(&mut spec, &row.set);
        spec
    }

    /// The resource's manifest.
    pub fn manifest(&self, name: &str, spec: &Json, external: bool) -> Json {
        let mut manifest = json!({
            "apiVersion": "lkh/v1",
            "kind": self.kind().as_str(),
            "metadata": {"name": name, "phase": "main"},
            "spec": spec,
        });
        if external {
            manifest["external"] = true.into();
        }
        if !self.depends_on.is_empty() {
            manifest["dependsOn"] = json!(self.depends_on);
        }
        manifest
    }
}

fn put_all(spec: &mut Json, changes: &BTreeMap<String, Json>) {
    for (path, to) in changes {
        let segments: Vec<&str> = path.split('/').collect();
        put(spec, &segments, to);
    }
}

fn put(at: &mut Json, segments: &[&str], to: &Json) {
    let [first, rest @ ..] = segments else { return };
    if let Json::Array(list) = at {
        let index: usize = first.parse().expect("the index of a list");
        if rest.is_empty() && to.is_null() {
            list.remove(index);
            return;
        }
        if index == list.len() {
            list.push(Json::Null);
        }
        if rest.is_empty() {
            list[index] = to.clone();
        } else {
            put(&mut list[index], rest, to);
        }
        return;
    }
    if at.is_null() {
        *at = json!({});
    }
    let map = at.as_object_mut().expect("a map");
    match (rest.is_empty(), to.is_null()) {
        (true, true) => assert!(map.remove(*first).is_some(), "{first} is not there"),
        (true, false) => drop(map.insert((*first).to_owned(), to.clone())),
        (false, _) => put(map.entry(*first).or_insert(Json::Null), rest, to),
    }
}

/// Every file beside this one is the table of a kind.
pub fn no_others() -> Result<(), Failed> {
    for entry in fs::read_dir(directory())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            name.parse::<Kind>().map_err(Failed::from)?;
        }
    }
    Ok(())
}
