//! The state's model: what a stack remembers of its resources, with evidence.
//!
//! The state adds memory to what is read live; losing it loses no resource.
//! It holds no secrets and has stable bytes, so that it may be committed. This
//! module must not do I/O or read the clock: `store` keeps the file.

pub mod edit;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::adapter::{Blocker, Prior};
use crate::address::Address;
use crate::seeded::{self, Bug};
use crate::value::{Digest, Value};

/// The version of the state's format that this program writes. An older one is
/// read, a newer one is refused.
pub const FORMAT_VERSION: u32 = 2;
/// The version that knows no outputs. A state without any is written as such,
/// so that older programs can go on with it.
const WITHOUT_OUTPUTS: u32 = 1;

/// What a stack remembers. The file holds a checksum besides: see
/// [`State::to_bytes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The format's version.
    pub format_version: u32,
    /// The stack's name.
    pub stack: String,
    /// Names this state's history: made once, never changed. Two states with
    /// different lineages describe different installations.
    pub lineage: String,
    /// Counts the writes.
    pub serial: u64,
    /// The AWS account that the resources are in.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// How far the apply log was when this was written: a log without that
    /// line is not the log of this state, or was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogMark>,
    /// The resources by address.
    pub resources: BTreeMap<Address, Record>,
    /// The stack's outputs, as the last run left them. Set by
    /// [`State::set_outputs`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, SavedOutput>,
}

/// An output of the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedOutput {
    /// How the Stack declared it; nothing of a sensitive one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// What it was; nothing where it was not known, or is sensitive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether it is never to be shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// A line of the apply log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogMark {
    /// Its number, from 1.
    pub line: u64,
    /// Its digest.
    pub digest: Digest,
    /// The last run that had begun by then.
    pub run: Option<String>,
    /// Whether a read had settled everything that was begun by then: while the
    /// log ends here, a plan need not read it.
    pub settled: bool,
}

/// How the line of the checksum looks without it.
const NO_CHECKSUM: &str = "\"checksum\": \"\"";

/// What is read of a file before anything else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    format_version: Option<u64>,
    #[serde(default)]
    checksum: String,
}

/// What the state remembers of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// What was applied last.
    pub applied: Arc<Prior>,
    /// How far the resource is.
    pub status: Status,
    /// The phase it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What it depends on, for deleting in the right order when the manifest
    /// is gone.
    pub dependencies: BTreeSet<Address>,
    /// Whether the manifest asked that it is never destroyed. Kept here so that
    /// it outlives the manifest.
    #[serde(default)]
    pub prevent_destroy: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<Blocker>,
    /// What was read that proves the claims.
    pub evidence: Vec<Evidence>,
}

/// How far a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// As declared, and a read after the last change proved it.
    Applied,
    /// It exists, but is not as declared or not ready: see the blockers.
    NotReady,
    /// A change was begun and its outcome is not known; the next plan reads.
    Unverified,
    /// A refresh found it to differ from what is declared.
    Drifted,
    /// A refresh found it gone.
    Missing,
}

impl Status {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotReady => "not ready",
            Self::Unverified => "unverified",
            Self::Drifted => "drifted",
            Self::Missing => "missing",
        }
    }
}

/// What was read that proves a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// What it proves.
    pub claim: String,
    /// The command that was run.
    pub command: String,
    /// When it answered.
    pub at: Timestamp,
    /// The digest of what it answered.
    pub digest: Digest,
}

/// A rule of the state that is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not JSON, or not of the state's shape.
    #[error("it is not a state file: {0}")]
    Malformed(String),
    /// Written by a newer program.
    #[error(
        "its format version {found} is newer than {FORMAT_VERSION}, the newest that this lkh reads; install a newer lkh"
    )]
    Newer {
        /// The version that was found.
        found: u64,
    },
    /// The content does not match the checksum.
    #[error(
        "its checksum does not match its content: it was edited or damaged; restore the backup beside it, or remove it (the next plan adopts what exists)"
    )]
    Checksum,
    /// An invariant does not hold.
    #[error("it contradicts itself: {0}")]
    Inconsistent(String),
}

impl StateError {
    /// Whether the state is damaged, rather than of a format that only a newer
    /// program knows.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Newer { .. } => false,
            Self::Malformed(_) | Self::Checksum | Self::Inconsistent(_) => true,
        }
    }
}

impl State {
    /// The state of a stack that has none yet.
    pub fn new(stack: &str, lineage: String, account: &str, region: &str) -> Self {
        Self {
            format_version: WITHOUT_OUTPUTS,
            stack: stack.to_owned(),
            lineage,
            serial: 0,
            account: account.to_owned(),
            region: region.to_owned(),
            log: None,
            resources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    /// Takes the stack's outputs in; the format's version follows from them.
    pub fn set_outputs(&mut self, outputs: BTreeMap<String, SavedOutput>) {
        self.format_version = if outputs.is_empty() { WITHOUT_OUTPUTS } else { FORMAT_VERSION };
        self.outputs = outputs;
    }

    /// The bytes of the file: sorted keys, and a checksum of all other bytes.
    ///
    /// # Errors
    /// When an invariant does not hold: a broken state is never written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        self.verify()?;
        let malformed = |error: serde_json::Error| StateError::Malformed(error.to_string());
        // By way of a JSON tree, whose keys are sorted.
        let mut json = serde_json::to_value(self).map_err(malformed)?;
        if let Json::Object(map) = &mut json {
            map.insert("checksum".into(), Json::String(String::new()));
        }
        let mut text = serde_json::to_string_pretty(&json).map_err(malformed)?;
        text.push('\n');
        let checksum = Digest::of(text.as_bytes());
        if let Some(at) = text.find(NO_CHECKSUM) {
            text.insert_str(at + NO_CHECKSUM.len() - 1, checksum.as_str());
        }
        Ok(text.into_bytes())
    }

    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// When they are not a whole, consistent state of a known version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let malformed = |why: &dyn fmt::Display| StateError::Malformed(why.to_string());
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
        let head: Head = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        match head.format_version {
            Some(found) if found > u64::from(FORMAT_VERSION) => {
                return Err(StateError::Newer { found });
            }
            Some(_) => {}
            None => return Err(malformed(&"it has no formatVersion")),
        }
        let found = match text.split_once(head.checksum.as_str()) {
            Some((before, after)) if !head.checksum.is_empty() => {
                Digest::of_parts(&[before.as_bytes(), after.as_bytes()])
            }
            _ => return Err(StateError::Checksum),
        };
        if found.as_str() != head.checksum && !seeded::is(Bug::ChecksumUnchecked) {
            return Err(StateError::Checksum);
        }
        let state: State = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        state.verify()?;
        Ok(state)
    }

    /// Checks the invariants.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn verify(&self) -> Result<(), StateError> {
        let broken = |text: String| Err(StateError::Inconsistent(text));
        if self.lineage.is_empty() || self.stack.is_empty() {
            return broken("it has no lineage or no stack".into());
        }
        if self.format_version < FORMAT_VERSION && !self.outputs.is_empty() {
            return broken("it has outputs, and its version knows none".into());
        }
        let is_shown = |value: &Value| value.has_sensitive() || value.has_unknown();
        for (name, output) in &self.outputs {
            let value = output.value.as_ref();
            if value.is_some_and(|value| output.sensitive || is_shown(value)) {
                return broken(format!("the output {name} holds what is not to be kept"));
            }
        }
        let mut identities = BTreeMap::new();
        for (address, record) in &self.resources {
            if !record.applied.identity.is_known() {
                return broken(format!("{address} has no known identity"));
            }
            let identity = (address.kind, record.applied.identity.to_string());
            if let Some(other) = identities.insert(identity, address) {
                return broken(format!("{other} and {address} stand for one object"));
            }
            if record.status == Status::Applied && record.evidence.is_empty() {
                return broken(format!("{address} is applied without evidence"));
            }
            if record.status == Status::Applied && !record.blockers.is_empty() {
                return broken(format!("{address} is applied and blocked"));
            }
            if record.dependencies.contains(address) {
                return broken(format!("{address} depends on itself"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Identity, Kind};
    use crate::value::Value;

    pub(super) fn state() -> State {
        let mut state = State::new("lakehouse", "a-lineage".into(), "111122223333", "us-east-2");
        let identity = Identity::new([("roleName", Value::from("x"))]);
        state.resources.insert(
            Address::new(Kind::IamRole, "x"),
            Record {
                applied: Arc::new(Prior { identity, ..Prior::default() }),
                status: Status::Applied,
                phase: None,
                dependencies: BTreeSet::new(),
                prevent_destroy: false,
                blockers: vec![],
                evidence: vec![Evidence {
                    claim: "exists".into(),
                    command: "aws iam get-role".into(),
                    at: Timestamp::UNIX_EPOCH,
                    digest: Digest::of(b""),
                }],
            },
        );
        state
    }

    #[test]
    fn the_file_reads_back_and_is_stable() {
        let bytes = state().to_bytes().unwrap();
        let back = State::from_bytes(&bytes).unwrap();
        assert_eq!(back, state());
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn an_edited_file_is_refused() {
        let text = String::from_utf8(state().to_bytes().unwrap()).unwrap();
        let edited = text.replace("111122223333", "111122223334");
        assert_eq!(State::from_bytes(edited.as_bytes()), Err(StateError::Checksum));
        let newer = text.replace("\"formatVersion\": 1", "\"formatVersion\": 9");
        assert_eq!(State::from_bytes(newer.as_bytes()), Err(StateError::Newer { found: 9 }));
    }

    #[test]
    fn outputs_are_kept_in_a_version_that_knows_them() {
        let mut state = state();
        assert_eq!(state.format_version, 1);
        let written = Some("${EksCluster.main.endpoint}".to_owned());
        let output =
            SavedOutput { written, value: Some(Value::from("https://x")), sensitive: false };
        state.set_outputs(BTreeMap::from([("endpoint".to_owned(), output.clone())]));
        let bytes = state.to_bytes().unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("\"formatVersion\": 2"));
        assert_eq!(State::from_bytes(&bytes).unwrap(), state);
        let secret = SavedOutput { sensitive: true, ..output };
        let mut broken = state.clone();
        broken.outputs.insert("token".into(), secret);
        assert!(matches!(broken.to_bytes(), Err(StateError::Inconsistent(_))));
        state.set_outputs(BTreeMap::new());
        assert_eq!(state, super::tests::state());
    }

    #[test]
    fn a_claim_without_evidence_is_never_written() {
        let mut state = state();
        for record in state.resources.values_mut() {
            record.evidence.clear();
        }
        assert!(matches!(state.to_bytes(), Err(StateError::Inconsistent(_))));
    }
}
