//! Why state, log or lock could not be read or written, with what to do.
//!
//! This module must not decide when that is so.

use std::path::PathBuf;

use jiff::Timestamp;

use super::LockInfo;
use crate::journal::Broken;
use crate::quote::line;
use crate::state::StateError;

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("can't {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The state file can't be used.
    #[error("{} can't be used: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: StateError,
    },
    /// The apply log can't be used.
    #[error("{path}: {source}; put an undamaged copy in its place, or {NEW_LOG}", path = path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Broken,
    },
    /// The apply log is not the one that the state was saved with, or lost its
    /// end.
    #[error("the state was saved at line {line} of the apply log, and {} {found}: it was cut off, lost, or is of another time than the state; put the right log back, or {NEW_LOG}", path.display())]
    LogCut {
        /// The log.
        path: PathBuf,
        /// The line that the state names.
        line: u64,
        /// What is there.
        found: String,
    },
    /// A log that is not a file can't be set aside.
    #[error(
        "the apply log {place} can't be set aside by lkh; restore an older version of its newest \
         object in the bucket, or move the objects to another prefix and apply again"
    )]
    NotSetAside {
        /// Where it is.
        place: String,
    },
    /// An event that the log's order does not allow: a mistake of ours.
    #[error("the apply log refused an event: {0}")]
    Order(String),
    /// A file that is not a regular file of its own.
    #[error("{} is not a regular file; remove it or set another state directory", .0.display())]
    NotRegular(PathBuf),
    /// A file of another user.
    #[error("{} belongs to another user; set another state directory", .0.display())]
    Foreign(PathBuf),
    /// Another run works on the stack.
    #[error("the stack is locked: {}", at_work(.holder.as_deref()))]
    Locked {
        /// Who, as far as the lock says.
        holder: Option<Box<LockInfo>>,
    },
    /// An object in a bucket could not be read or written.
    #[error("can't {what} {object}: {why}")]
    Remote {
        /// What was tried.
        what: &'static str,
        /// Which object.
        object: String,
        /// The cause.
        why: String,
    },
    /// Another run holds the lock in a bucket.
    #[error(
        "the stack is locked by run {}: {}; if it is gone for good: lkh unlock {}",
        .0.id, at_work(Some(.0)), .0.id
    )]
    Held(Box<LockInfo>),
    /// The lock of this run was taken away from it.
    #[error(
        "the lock of this run was taken away by {by} at {at}; it wrote nothing after that and \
         began nothing more; see `lkh log`"
    )]
    Fenced {
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Someone wrote without the lock.
    #[error(
        "{object} was changed by someone else while this run held the lock; this run wrote \
         nothing over it"
    )]
    Overtaken {
        /// What was changed.
        object: String,
    },
    /// A lock that was to be taken away from a process that lives.
    #[error(
        "run {} is at work: `lkh {}` of {} since {}; a local lock ends with its process, so end process {} if it must go",
        .0.id, .0.operation, .0.who, .0.since, .0.pid
    )]
    Alive(Box<LockInfo>),
    /// A lock that was to be taken away from one run and is another's.
    #[error("run {id} does not hold the lock; {}", held_by(holder))]
    OtherHolder {
        /// The run that was named.
        id: String,
        /// Who holds it.
        holder: Box<LockInfo>,
    },
}

/// The way to go on without a log.
const NEW_LOG: &str = "begin a new one with --new-log (the old one is kept beside it, and \
                       everything is read before anything is changed)";

fn at_work(holder: Option<&LockInfo>) -> String {
    holder.map_or_else(
        || "another lkh process is at work on it".to_owned(),
        |info| {
            format!(
                "`lkh {}` of {} (process {}) since {}; wait for it to end",
                line(&info.operation),
                line(&info.who),
                info.pid,
                info.since
            )
        },
    )
}

fn held_by(holder: &LockInfo) -> String {
    format!(
        "run {} does: `lkh {}` of {} (process {}) since {}",
        holder.id, holder.operation, holder.who, holder.pid, holder.since
    )
}
