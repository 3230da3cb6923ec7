//! The lock file: which content of charts and of the toolbox image was reviewed.
//!
//! It lies beside the manifests and is written by `lkh lock` alone. An entry
//! holds for one reference and version; for another one it is *stale* and says
//! nothing. This module must not ask anyone for a digest.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Source;
use crate::address::Address;

/// The file's name, beside the manifests.
pub const FILE: &str = "lkh.lock.yaml";
/// The same for the sandbox, whose charts are renditions with digests of their
/// own.
pub const SANDBOX_FILE: &str = "lkh.lock.sandbox.yaml";

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// What was locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockFile {
    /// The version of the format.
    pub format_version: u32,
    /// The toolbox image, where it was asked for.
    #[serde(default)]
    pub toolbox: Option<Pin>,
    /// The charts, by the address of the release.
    #[serde(default)]
    pub charts: BTreeMap<String, Pin>,
}

/// One thing whose content is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    /// What it is called.
    pub reference: String,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of its content.
    pub digest: String,
}

impl Pin {
    /// Whether this is about what a manifest names now.
    pub fn is_of(&self, source: &Source) -> bool {
        self.reference == source.reference && self.version == source.version
    }
}

impl LockFile {
    /// The entry of a release, if it is not stale.
    pub fn pin(&self, address: &Address, source: &Source) -> Option<&Pin> {
        self.charts.get(&address.to_string()).filter(|pin| pin.is_of(source))
    }

    /// Reads a lock file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if lock.format_version > FORMAT_VERSION {
            return Err(format!("a newer lkh wrote it (format {})", lock.format_version));
        }
        Ok(lock)
    }

    /// The file's text: the same content, the same bytes.
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `lkh lock`: the content of charts and toolbox that was reviewed.\n\
             # Commit it. `lkh lock` takes in what was changed on purpose.\n",
        );
        let _ = writeln!(text, "formatVersion: {}", self.format_version);
        if let Some(toolbox) = &self.toolbox {
            text.push_str("toolbox:\n");
            write_pin(&mut text, "  ", toolbox);
        }
        if self.charts.is_empty() {
            text.push_str("charts: {}\n");
        } else {
            text.push_str("charts:\n");
            for (address, pin) in &self.charts {
                let _ = writeln!(text, "  {}:", json!(address));
                write_pin(&mut text, "    ", pin);
            }
        }
        text
    }
}

fn write_pin(text: &mut String, indent: &str, pin: &Pin) {
    let _ = writeln!(text, "{indent}reference: {}", json!(pin.reference));
    if let Some(version) = &pin.version {
        let _ = writeln!(text, "{indent}version: {}", json!(version));
    }
    let _ = writeln!(text, "{indent}digest: {}", json!(pin.digest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_reads_back_as_it_was_written() {
        let pin = Pin {
            reference: "oci://host/a".into(),
            version: Some("1.10".into()),
            digest: "sha256:ab".into(),
        };
        let toolbox = Some(Pin { version: None, ..pin.clone() });
        let charts = BTreeMap::from([("HelmRelease.a".to_owned(), pin.clone())]);
        let lock = LockFile { format_version: FORMAT_VERSION, toolbox, charts };
        assert_eq!(LockFile::parse(&lock.text()), Ok(lock.clone()));
        let none = LockFile { toolbox: None, charts: BTreeMap::new(), ..lock };
        assert_eq!(LockFile::parse(&none.text()), Ok(none));
        assert!(LockFile::parse("formatVersion: 2").unwrap_err().contains("newer"));
        assert!(LockFile::parse("formatVersion: 1\nmore: 1").is_err());
    }
}
