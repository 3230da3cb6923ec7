//! Charts in local directories: `Chart.yaml`, `values.yaml` and `crds/` are
//! read, templates are only hashed.
//!
//! This module must not decide what a chart renders to.

use std::io;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Chart, Metadata, Rendered, Rendition, yaml};
use crate::sandbox::files::Files;

/// Templates in folders deeper than this are not hashed; charts have one or two.
const MAX_DEPTH: usize = 8;

/// Reads the chart in a directory.
///
/// # Errors
///
/// `helm`'s words, without `Error: `.
pub fn load(path: &str, files: &dyn Files) -> Result<Chart, String> {
    let path = path.trim_end_matches('/');
    if files.list(path).is_err() {
        return Err(absent(path));
    }
    let chart_yaml = files
        .read(&format!("{path}/Chart.yaml"))
        .map_err(|_| format!("unable to detect chart at {path}/Chart.yaml: open {path}/Chart.yaml: no such file or directory"))?;
    let metadata: Metadata = serde_yaml::from_slice(&chart_yaml).map_err(|error| {
        format!("cannot load Chart.yaml: {}", error.to_string().lines().next().unwrap_or_default())
    })?;
    let values_text = match files.read(&format!("{path}/values.yaml")) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("open {path}/values.yaml: {error}")),
    };
    let defaults = match yaml::read(values_text.as_deref().unwrap_or_default()) {
        Ok(Value::Null) => Value::Object(Map::new()),
        Ok(values @ Value::Object(_)) => values,
        Ok(_) => return Err("cannot load values.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}".to_owned()),
        Err(error) => return Err(format!("cannot load values.yaml: {error}")),
    };
    let mut crds = Vec::new();
    for file in names(&format!("{path}/crds"), files) {
        if let Ok(bytes) = files.read(&format!("{path}/crds/{file}")) {
            let documents = yaml::read_all(&String::from_utf8_lossy(&bytes))
                .map_err(|error| format!("failed to install CRD crds/{file}: {error}"))?;
            let source = format!("{}/crds/{file}", metadata.name);
            crds.extend(
                documents.into_iter().map(|object| Rendered { source: source.clone(), object }),
            );
        }
    }
    let mut digest = Sha256::new();
    let mut any = false;
    hash(&format!("{path}/templates"), files, &mut digest, &mut any, MAX_DEPTH);
    let templates = any.then(|| hex::encode(digest.finalize()));
    Ok(Chart { metadata, defaults, values_text, crds, rendition: Rendition::Generic { templates } })
}

/// What `helm` says of a chart argument that is no directory.
fn absent(path: &str) -> String {
    if path.starts_with(['.', '/']) {
        return format!("path \"{path}\" not found");
    }
    match path.split_once('/') {
        Some((repo, _)) => format!("repo {repo} not found"),
        None => {
            format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {path}")
        }
    }
}

fn names(dir: &str, files: &dyn Files) -> Vec<String> {
    files.list(dir).unwrap_or_default()
}

fn hash(dir: &str, files: &dyn Files, digest: &mut Sha256, any: &mut bool, depth: usize) {
    for name in names(dir, files) {
        let path = format!("{dir}/{name}");
        if let Some(folder) = path.strip_suffix('/') {
            if depth > 0 {
                hash(folder, files, digest, any, depth - 1);
            }
        } else if let Ok(bytes) = files.read(&path) {
            // Lengths keep two files from looking like one.
            digest.update(name.len().to_le_bytes());
            digest.update(&name);
            digest.update(bytes.len().to_le_bytes());
            digest.update(&bytes);
            *any = true;
        }
    }
}
