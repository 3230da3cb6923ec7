//! Where state lives: the state, the apply log and the lock of a stack, kept so
//! that a crash at any point leaves the old or the new, never a mixture.
//!
//! One writer at a time: whoever writes holds the lock. This module must not
//! decide what is written.

pub mod bounded;
pub mod disk;
pub mod local;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::disk::OsDisk;
pub use self::local::LocalStore;
use self::local::{LocalLock, LocalLog};
use crate::journal::{Broken, Event, Journal};
use crate::quote::line;
use crate::state::{State, StateError};

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
    #[error("{}: {source}; move the log aside, and the next apply begins a new one", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Broken,
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
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockInfo {
    /// Names the run.
    pub id: String,
    /// What it does.
    pub operation: String,
    /// Whose process it is.
    pub who: String,
    /// Its process id.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
}

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

/// Where the state, the apply log and the lock of one stack are.
#[derive(Debug, Clone)]
pub enum Store {
    /// In a local directory.
    Local(LocalStore),
}

/// A held lock. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock {
    held: Held,
    /// Whose lock it was before, if its holder died with it.
    pub taken_over: Option<LockInfo>,
}

#[derive(Debug)]
enum Held {
    Local {
        #[expect(dead_code, reason = "held, not used")]
        lock: LocalLock,
    },
}

/// The apply log, open for appending.
#[derive(Debug)]
pub struct Log {
    file: LogFile,
    journal: Journal,
}

#[derive(Debug)]
enum LogFile {
    Local(LocalLog),
}

#[expect(clippy::unused_async, reason = "a local store waits for nobody")]
impl Store {
    /// Where the state is, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Local(local) => local.state_path().display().to_string(),
        }
    }

    /// Reads the state; `None` when there is none yet.
    ///
    /// # Errors
    /// When it can't be read or is not a whole, known state.
    pub async fn load(&self) -> Result<Option<State>, StoreError> {
        match self {
            Self::Local(local) => {
                let path = local.state_path();
                let Some(bytes) = local.read(&path)? else { return Ok(None) };
                State::from_bytes(&bytes)
                    .map(Some)
                    .map_err(|source| StoreError::State { path, source })
            }
        }
    }

    /// Keeps a copy of the state as it is, before a run changes it.
    ///
    /// # Errors
    /// When the copy can't be written.
    pub async fn back_up(&self, _lock: &Lock) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => match local.read(&local.state_path())? {
                Some(old) => local.replace(&local.backup_path(), &old),
                None => Ok(()),
            },
        }
    }

    /// Replaces the state atomically.
    ///
    /// # Errors
    /// When it can't be written, or contradicts itself; the old state is then
    /// still in place, or the new one is whole.
    pub async fn save(&self, _lock: &Lock, state: &State) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => {
                let path = local.state_path();
                let bytes = state
                    .to_bytes()
                    .map_err(|source| StoreError::State { path: path.clone(), source })?;
                local.replace(&path, &bytes)
            }
        }
    }

    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another run holds it.
    pub async fn lock(&self, info: &LockInfo) -> Result<Lock, StoreError> {
        match self {
            Self::Local(local) => {
                let (lock, taken_over) = local.lock(info)?;
                Ok(Lock { held: Held::Local { lock }, taken_over })
            }
        }
    }

    /// Gives the lock back. A local lock would end with its value too.
    ///
    /// # Errors
    /// When nobody knows whether the lock is free now.
    pub async fn release(&self, lock: Lock) -> Result<(), StoreError> {
        match lock.held {
            Held::Local { .. } => Ok(()),
        }
    }

    /// Reads the apply log without opening it for writing.
    ///
    /// # Errors
    /// When it can't be read or is broken.
    pub async fn read_log(&self) -> Result<Journal, StoreError> {
        match self {
            Self::Local(local) => {
                let path = local.log_path();
                let bytes = local.read(&path)?.unwrap_or_default();
                Journal::parse(&bytes).map_err(|source| StoreError::Log { path, source })
            }
        }
    }

    /// Opens the apply log for appending.
    ///
    /// # Errors
    /// When it can't be read, is broken, or can't be opened.
    pub async fn open_log(&self, _lock: &Lock) -> Result<Log, StoreError> {
        match self {
            Self::Local(local) => {
                let journal = self.read_log().await?;
                let bytes = local.read(&local.log_path())?.unwrap_or_default();
                let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
                let file = local.open_log(whole as u64, journal.is_torn())?;
                Ok(Log { file: LogFile::Local(file), journal })
            }
        }
    }
}

#[expect(clippy::unused_async, reason = "a local store waits for nobody")]
impl Log {
    /// What the log says so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Appends an event and syncs it: when this returns, the event is on disk.
    ///
    /// # Errors
    /// When it is not: then the run must stop.
    pub async fn append(&mut self, at: Timestamp, event: Event) -> Result<(), StoreError> {
        let text = self.journal.append(at, event).map_err(StoreError::Order)?;
        match &mut self.file {
            LogFile::Local(file) => file.append(&text),
        }
    }
}

/// Writes a file that only this user may read, atomically.
///
/// # Errors
/// When it can't be written; what was there before is still there then.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    disk::replace(&OsDisk, path, bytes).map_err(|(what, source)| StoreError::Io {
        what,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
