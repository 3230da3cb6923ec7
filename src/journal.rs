//! The apply log: what an apply intended, and what came of it.
//!
//! An intent is written and synced before a changing command runs, its outcome
//! after. An intent without an outcome means: read before anything else. Each
//! line holds the hash of the one before, so that an edit anywhere shows. This
//! module is the log's model, its legal order and its replay; it does no I/O
//! (`store` appends the lines) and reads no clock.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::value::{Digest, Map};

/// The version of the log's format.
pub const FORMAT_VERSION: u32 = 1;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum Event {
    /// An apply or a destroy began.
    RunStarted {
        /// The format's version.
        format_version: u32,
        /// Names the run.
        run: String,
        /// The digest of the plan that is carried out.
        plan: Digest,
    },
    /// A changing command is about to run.
    Intended {
        /// Counts the intents of the log.
        operation: u64,
        /// The resource.
        address: Address,
        /// What the command is for.
        title: String,
        /// The argv, redacted.
        command: String,
        /// The digest of the redacted document on its standard input.
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<Digest>,
        /// The object that may come to be by it, where neither the state nor an
        /// intent before knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<Begun>,
    },
    /// A changing command ended.
    Finished {
        /// The intent.
        operation: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// A read settled how far a resource is.
    Settled {
        /// The resource.
        address: Address,
        /// What the read proved, in the words of the state's status, or
        /// `gone`.
        status: String,
    },
    /// The run ended by itself.
    RunEnded {
        /// The run.
        run: String,
        /// Its exit code.
        code: u8,
    },
}

/// An object that a run began to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begun {
    /// Its natural key.
    pub identity: Map,
    /// What it was to be, without secrets: what of it is ours to remove.
    pub attributes: Map,
    /// What else its kind remembers of it.
    pub settings: Map,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "result")]
pub enum Outcome {
    /// It exited with 0. Whether the change took effect, a read tells.
    Exited,
    /// The service or tool refused it.
    Failed {
        /// The exit code.
        code: i32,
        /// The cause, redacted.
        why: String,
    },
    /// Nobody knows: it was ended or could not be waited for.
    Unknown {
        /// Why.
        why: String,
    },
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The line's number, from 1.
    pub line: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The hash of the line before; of nothing for the first.
    pub previous: Digest,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The log as far as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The lines.
    pub entries: Vec<Entry>,
    last: Digest,
    open: BTreeMap<u64, Address>,
    begun: BTreeMap<Address, Begun>,
    operations: u64,
    torn: bool,
}

/// The first line of the log that is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the apply log is broken: {why}")]
pub struct Broken {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            last: Digest::of(b""),
            open: BTreeMap::new(),
            begun: BTreeMap::new(),
            operations: 0,
            torn: false,
        }
    }
}

impl Journal {
    /// Reads a log. A last line that was not written whole is dropped.
    ///
    /// # Errors
    /// The first line that is broken anywhere else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let mut journal = Self::default();
        let mut rest = bytes;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                journal.torn = true;
                break;
            };
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            journal.accept(line).map_err(|why| Broken { line: number, why })?;
            rest = after;
        }
        Ok(journal)
    }

    /// Whether the last line was not written whole. Its writer must cut it off
    /// before it appends.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// The intents without an outcome: what must be read before anything else.
    pub fn open_intents(&self) -> impl Iterator<Item = (u64, &Address)> {
        self.open.iter().map(|(&operation, address)| (operation, address))
    }

    /// The objects that a command was to make, by resource, and that no read has
    /// settled since: the state may not know of them.
    pub fn begun(&self) -> impl Iterator<Item = (&Address, &Begun)> {
        self.begun.iter()
    }

    /// The object that a command was to make for this resource, likewise.
    pub fn begun_of(&self, address: &Address) -> Option<&Begun> {
        self.begun.get(address)
    }

    /// The number for the next intent.
    pub fn next_operation(&self) -> u64 {
        self.operations + 1
    }

    /// Adds an event; returns the line to append, newline included.
    ///
    /// # Errors
    /// When the event is not legal here.
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<String, String> {
        let entry =
            Entry { line: self.entries.len() as u64 + 1, at, previous: self.last.clone(), event };
        let line = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        self.accept(line.as_bytes())?;
        Ok(line + "\n")
    }

    fn accept(&mut self, line: &[u8]) -> Result<(), String> {
        let json: Json = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let entry: Entry = serde_json::from_value(json).map_err(|error| error.to_string())?;
        // Only the bytes that this program writes hash to what the next line
        // holds, so a line must be exactly those.
        let written = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        if written.as_bytes() != line {
            return Err("it is not as it was written".into());
        }
        if entry.previous != self.last {
            return Err("it does not follow the line before".into());
        }
        if entry.line != self.entries.len() as u64 + 1 {
            return Err(format!("it says it is line {}", entry.line));
        }
        self.order(&entry.event)?;
        self.last = Digest::of(line);
        self.entries.push(entry);
        Ok(())
    }

    /// The legal order: an outcome belongs to an open intent, and intents are
    /// counted.
    fn order(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::RunStarted { format_version, .. } => {
                if *format_version > FORMAT_VERSION {
                    return Err(format!("its format version {format_version} is newer than ours"));
                }
                // A run that follows an interrupted one reads everything, so
                // nothing that was open stays open.
                self.open.clear();
            }
            Event::Intended { operation, address, object, .. } => {
                if *operation != self.operations + 1 {
                    return Err(format!("operation {operation} is out of order"));
                }
                self.operations = *operation;
                self.open.insert(*operation, address.clone());
                if let Some(object) = object {
                    self.begun.insert(address.clone(), object.clone());
                }
            }
            Event::Finished { operation, .. } => {
                if self.open.remove(operation).is_none() {
                    return Err(format!("operation {operation} was not open"));
                }
            }
            Event::Settled { address, .. } => drop(self.begun.remove(address)),
            Event::RunEnded { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Kind;

    fn log() -> Vec<u8> {
        let mut journal = Journal::default();
        let mut text = String::new();
        let address = Address::new(Kind::IamRole, "x");
        for event in [
            Event::RunStarted { format_version: 1, run: "r".into(), plan: Digest::of(b"p") },
            Event::Intended {
                operation: 1,
                address: address.clone(),
                title: "create".into(),
                command: "aws iam create-role".into(),
                input: None,
                object: None,
            },
            Event::Finished { operation: 1, outcome: Outcome::Exited },
            Event::Settled { address, status: "applied".into() },
            Event::RunEnded { run: "r".into(), code: 0 },
        ] {
            text.push_str(&journal.append(Timestamp::UNIX_EPOCH, event).unwrap());
        }
        text.into_bytes()
    }

    #[test]
    fn a_log_reads_back() {
        let journal = Journal::parse(&log()).unwrap();
        assert_eq!(journal.entries.len(), 5);
        assert_eq!(journal.open_intents().count(), 0);
        assert!(!journal.is_torn());
    }

    #[test]
    fn every_truncation_is_a_shorter_log_or_a_torn_one() {
        let bytes = log();
        for end in 0..bytes.len() {
            let journal = Journal::parse(&bytes[..end]).unwrap();
            let whole = bytes[..end].split(|&byte| byte == b'\n').count() - 1;
            assert_eq!(journal.entries.len(), whole);
        }
    }

    #[test]
    fn every_flipped_bit_before_the_last_line_is_found() {
        let bytes = log();
        let last = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
        for index in 0..last {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[index] ^= 1 << bit;
                assert!(Journal::parse(&broken).is_err(), "byte {index} bit {bit}");
            }
        }
    }

    #[test]
    fn what_was_begun_stays_so_until_a_read_settles_it() {
        let mut journal = Journal::default();
        let address = Address::new(Kind::IamRole, "x");
        let identity = Map::from_iter([("roleName".to_owned(), crate::value::Value::from("X"))]);
        let object = Begun { identity, attributes: Map::new(), settings: Map::new() };
        let run =
            || Event::RunStarted { format_version: 1, run: "r".into(), plan: Digest::of(b"") };
        let intent = |object: &Begun| Event::Intended {
            operation: 1,
            address: Address::new(Kind::IamRole, "x"),
            title: "create".into(),
            command: "aws iam create-role".into(),
            input: None,
            object: Some(object.clone()),
        };
        let exited = Event::Finished { operation: 1, outcome: Outcome::Exited };
        for event in [run(), intent(&object), exited, run()] {
            journal.append(Timestamp::UNIX_EPOCH, event).unwrap();
        }
        assert_eq!(journal.begun().collect::<Vec<_>>(), [(&address, &object)]);
        let settled = Event::Settled { address, status: "applied".into() };
        journal.append(Timestamp::UNIX_EPOCH, settled).unwrap();
        assert_eq!(journal.begun().count(), 0);
    }

    #[test]
    fn an_outcome_needs_its_intent() {
        let mut journal = Journal::default();
        let event = Event::Finished { operation: 1, outcome: Outcome::Exited };
        assert!(journal.append(Timestamp::UNIX_EPOCH, event).is_err());
    }
}
