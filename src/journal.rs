//! The apply log: what an apply intended, and what came of it.
//!
//! An intent is written and synced before a changing command runs, its outcome
//! after. An intent without an outcome means: read before anything else. Each
//! line holds its own digest and that of the line before, so that an edit
//! anywhere shows; that lines are missing at the end, only someone can tell who
//! remembers a line (the state does: [`Journal::holds`]). This module is the
//! log's model, its legal order and its replay; it does no I/O (`store` appends
//! the lines) and reads no clock.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::seeded::{self, Bug};
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
        /// What the run did with it, in the words of the plan (`create`,
        /// `adopt`, ...): so the log tells whether the object was there before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
    },
    /// The run ended by itself.
    RunEnded {
        /// The run.
        run: String,
        /// Its exit code.
        code: u8,
    },
    /// Someone took a resource out of the state by hand and left its object.
    Removed {
        /// Who.
        by: String,
        /// The resource.
        address: Address,
    },
    /// Someone gave a resource of the state another address by hand.
    Moved {
        /// Who.
        by: String,
        /// What it was called.
        from: Address,
        /// What it is called now.
        to: Address,
    },
    /// Someone put a whole state in the place of the one that was there.
    Pushed {
        /// Who.
        by: String,
        /// Its serial.
        serial: u64,
    },
    /// Someone put the backup back in the place of the state.
    Restored {
        /// Who.
        by: String,
        /// The serial that it has now.
        serial: u64,
    },
    /// The lock of a run was taken away: it may write nothing any more.
    Fenced {
        /// The run.
        run: String,
        /// Who took it away.
        by: String,
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

/// One line of the log, without its digest, which stands last in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The line's number, from 1.
    pub line: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The digest of the line before; of nothing for the first.
    pub previous: Digest,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Where a log goes on that is kept in several parts: what the lines before
/// amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// How many lines there are before.
    pub lines: u64,
    /// How many intents are in them.
    pub operations: u64,
    /// The hash of the last one; of nothing at the beginning.
    pub last: Digest,
    /// The intents without an outcome.
    #[serde(default)]
    pub open: BTreeMap<u64, Address>,
    /// What was begun to be made and no read has settled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub begun: BTreeMap<Address, Begun>,
    /// The last run that began in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            lines: 0,
            operations: 0,
            last: Digest::of(b""),
            open: BTreeMap::new(),
            begun: BTreeMap::new(),
            run: None,
        }
    }
}

/// The log as far as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The lines.
    pub entries: Vec<Entry>,
    before: u64,
    last: Digest,
    open: BTreeMap<u64, Address>,
    begun: BTreeMap<Address, Begun>,
    run: Option<String>,
    operations: u64,
    tail: Tail,
}

/// How the log's file ends: what a writer does before it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tail {
    /// With a whole line.
    #[default]
    Whole,
    /// With a whole line without its newline: it counts, the newline is to be
    /// written.
    Unended,
    /// With a part of a line, which its writer never relied on: the file is to
    /// lose so many bytes at its end.
    Torn {
        /// The bytes of that part.
        left: u64,
    },
}

/// How a line's digest begins, and how long that is with the digest and the
/// end of the line.
const DIGEST: &str = ",\"digest\":\"";
const DIGEST_LENGTH: usize = DIGEST.len() + "sha256:".len() + 64 + "\"}".len();

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
        Self::after(Position::default())
    }
}

impl Journal {
    /// A log that goes on from a position, with nothing after it yet.
    pub fn after(position: Position) -> Self {
        let Position { lines, operations, last, open, begun, run } = position;
        Self {
            entries: Vec::new(),
            before: lines,
            last,
            open,
            begun,
            run,
            operations,
            tail: Tail::Whole,
        }
    }

    /// Where the log goes on.
    pub fn position(&self) -> Position {
        Position {
            lines: self.lines(),
            operations: self.operations,
            last: self.last.clone(),
            open: self.open.clone(),
            begun: self.begun.clone(),
            run: self.run.clone(),
        }
    }

    fn lines(&self) -> u64 {
        self.before + self.entries.len() as u64
    }

    /// Reads a log. A last line that was not written whole is dropped.
    ///
    /// # Errors
    /// The first line that is broken anywhere else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        Self::parse_after(Position::default(), bytes)
    }

    /// Reads a part of a log, which goes on from a position.
    ///
    /// # Errors
    /// The first line that is broken anywhere but at the end, counted from the
    /// beginning of the part.
    pub fn parse_after(position: Position, bytes: &[u8]) -> Result<Self, Broken> {
        let mut journal = Self::after(position);
        journal.read_on(bytes)?;
        Ok(journal)
    }

    /// Reads what follows the whole lines that were read already.
    ///
    /// # Errors
    /// The first line that is broken; those before it are taken in.
    pub fn read_on(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let number = self.entries.len() + 1;
            let broken = |why| Broken { line: number, why };
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                self.tail = if self.is_part_of_next(rest) {
                    Tail::Torn { left: rest.len() as u64 }
                } else {
                    self.accept(rest).map_err(broken)?;
                    Tail::Unended
                };
                break;
            };
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            self.accept(line).map_err(broken)?;
            rest = after;
        }
        Ok(())
    }

    /// How the file ends.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Whether the last line was not written whole. Its writer must cut it off
    /// before it appends.
    pub fn is_torn(&self) -> bool {
        matches!(self.tail, Tail::Torn { .. })
    }

    /// Whether bytes without a newline are a part of the line that would come
    /// next, as a writer leaves it that dies. Where the power went, zeros may
    /// stand for what had not reached the disk, be it the newline alone.
    fn is_part_of_next(&self, tail: &[u8]) -> bool {
        let zeros = tail.iter().rev().take_while(|&&byte| byte == 0).count();
        let tail = tail.get(..tail.len() - zeros).unwrap_or_default();
        if zeros > 0 && (tail.is_empty() || checked(tail).is_ok()) {
            return true;
        }
        let head = format!("{{\"line\":{},\"at\":\"", self.lines() + 1);
        let length = head.len().min(tail.len());
        let begins_so = tail.get(..length) == head.as_bytes().get(..length);
        begins_so && serde_json::from_slice::<Json>(tail).is_err_and(|error| error.is_eof())
    }

    /// The number of the last line and its digest; `None` for an empty log.
    pub fn end(&self) -> Option<(u64, &Digest)> {
        (self.lines() > 0).then(|| (self.lines(), &self.last))
    }

    /// Whether the log has a line with this digest under this number.
    pub fn holds(&self, line: u64, digest: &Digest) -> bool {
        if line < self.before {
            // In an earlier part, which the parts after it go on from.
            return true;
        }
        let index = line.checked_sub(self.before).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.entries.get(index)) {
            // The line after it says what it was.
            Some(next) => line > 0 && next.previous == *digest,
            None => self.end() == Some((line, digest)),
        }
    }

    /// The intents without an outcome: what must be read before anything else.
    pub fn open_intents(&self) -> impl Iterator<Item = (u64, &Address)> {
        self.open.iter().map(|(&operation, address)| (operation, address))
    }

    /// The last run that began.
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// The last line of a log that ends with a whole one, with its digest: what
    /// can be said of a log without reading it.
    pub fn last_line(bytes: &[u8]) -> Option<(Entry, Digest)> {
        let line = bytes.strip_suffix(b"\n")?.rsplit(|&byte| byte == b'\n').next()?;
        checked(line).ok()
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
        let entry = Entry { line: self.lines() + 1, at, previous: self.last.clone(), event };
        let mut line = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
        let digest = Digest::of(line.as_bytes());
        line.truncate(line.len() - 1);
        line.push_str(DIGEST);
        line.push_str(digest.as_str());
        line.push_str("\"}");
        self.accept(line.as_bytes())?;
        Ok(line + "\n")
    }

    fn accept(&mut self, line: &[u8]) -> Result<(), String> {
        let (entry, digest) = checked(line)?;
        if entry.previous != self.last && !seeded::is(Bug::ChainUnchecked) {
            return Err("it does not follow the line before".into());
        }
        if entry.line != self.lines() + 1 {
            return Err(format!("it says it is line {}", entry.line));
        }
        self.order(&entry.event)?;
        self.last = digest;
        self.entries.push(entry);
        Ok(())
    }

    /// The legal order: an outcome belongs to an open intent, and intents are
    /// counted.
    fn order(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::RunStarted { format_version, run, .. } => {
                if *format_version > FORMAT_VERSION {
                    return Err(format!("its format version {format_version} is newer than ours"));
                }
                // A run that follows an interrupted one reads everything, so
                // nothing that was open stays open.
                self.open.clear();
                self.run = Some(run.clone());
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
            Event::RunEnded { .. }
            | Event::Removed { .. }
            | Event::Moved { .. }
            | Event::Pushed { .. }
            | Event::Restored { .. }
            | Event::Fenced { .. } => {}
        }
        Ok(())
    }
}

/// A line whose digest is that of its content.
fn checked(line: &[u8]) -> Result<(Entry, Digest), String> {
    let split = line.split_at_checked(line.len().wrapping_sub(DIGEST_LENGTH));
    let (begin, end) = split.ok_or("it is too short to be a line")?;
    let body = [begin, b"}"].concat();
    let digest = Digest::of(&body);
    if end != format!("{DIGEST}{}\"}}", digest.as_str()).as_bytes() {
        return Err("its digest does not match its content".into());
    }
    let entry = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok((entry, digest))
}

#[cfg(test)]
mod tests;
