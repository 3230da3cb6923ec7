//! Where state lives: the state, the apply log and the lock of a stack, kept so
//! that a crash at any point leaves the old or the new, never a mixture.
//!
//! One writer at a time: whoever writes holds the lock. This module must not
//! decide what is written.

pub mod bounded;
pub mod disk;
mod error;
pub mod local;
mod mark;
pub mod s3;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::disk::OsDisk;
pub use self::error::StoreError;
pub use self::local::LocalStore;
use self::local::{LocalLock, LocalLog};
use self::s3::S3Log;
pub use self::s3::S3Store;
use crate::journal::{Broken, Entry, Event, Journal, Position};
use crate::state::State;
use crate::value::Digest;

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

/// What came of [`Store::unlock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlocked {
    /// Nobody held the lock.
    Free,
    /// It was this run's, and is free now.
    TakenFrom(LockInfo),
}

/// The whole apply log, as far as it is good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// The lines before the first broken one.
    pub entries: Vec<Entry>,
    /// Whether the last line was not written whole.
    pub torn: bool,
    /// The first line that is broken, and where it is.
    pub broken: Option<(String, Broken)>,
}

/// Where the state, the apply log and the lock of one stack are.
#[derive(Debug, Clone)]
pub enum Store {
    /// In a local directory.
    Local(LocalStore),
    /// In an S3 bucket.
    S3(S3Store),
}

/// A held lock. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock {
    /// A local lock; one in a bucket is known to the store itself.
    #[expect(dead_code, reason = "held, not used")]
    local: Option<LocalLock>,
    /// Whose lock it was before, if its holder died with it.
    pub taken_over: Option<LockInfo>,
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
    S3(S3Log),
}

impl Store {
    /// Where the state is, for people.
    pub fn place(&self) -> String {
        match self {
            Self::Local(local) => local.state_path().display().to_string(),
            Self::S3(s3) => s3.place(),
        }
    }

    /// What a person should know of this place, if anything.
    pub async fn advice(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::S3(s3) => (s3.is_versioned().await == Some(false)).then(|| {
                format!(
                    "{} keeps no old versions: versioning of the bucket is off, and only the \
                     last backup can be restored",
                    s3.place()
                )
            }),
        }
    }

    /// Reads the state; `None` when there is none yet.
    ///
    /// # Errors
    /// When it can't be read or is not a whole, known state.
    pub async fn load(&self) -> Result<Option<State>, StoreError> {
        match self {
            Self::Local(local) => read_state(local, local.state_path()),
            Self::S3(s3) => s3.load().await,
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
            Self::S3(s3) => s3.back_up().await,
        }
    }

    /// Replaces the state atomically.
    ///
    /// # Errors
    /// When it can't be written, or contradicts itself; the old state is then
    /// still in place, or the new one is whole.
    pub async fn save(&self, _lock: &Lock, state: &State) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => write_state(local, local.state_path(), state),
            Self::S3(s3) => s3.save(state).await,
        }
    }

    /// The state as it was before the last run that wrote; `None`: none is kept.
    ///
    /// # Errors
    /// When it can't be read or is not a whole, known state.
    pub async fn load_backup(&self) -> Result<Option<State>, StoreError> {
        match self {
            Self::Local(local) => read_state(local, local.backup_path()),
            Self::S3(s3) => s3.load_backup().await,
        }
    }

    /// Puts this state where [`Store::load_backup`] finds it.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub async fn save_backup(&self, _lock: &Lock, state: &State) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => write_state(local, local.backup_path(), state),
            Self::S3(s3) => s3.save_backup(state).await,
        }
    }

    /// The bytes of the state, whatever they are.
    ///
    /// # Errors
    /// When they can't be read.
    pub async fn raw(&self) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Local(local) => local.read(&local.state_path()),
            Self::S3(s3) => Ok(s3.raw().await?.map(String::into_bytes)),
        }
    }

    /// Takes the lock away from a run that was taken for dead; `me` is who
    /// does so.
    ///
    /// # Errors
    /// When that run lives and can be told to, or does not hold the lock.
    pub async fn unlock(&self, id: &str, me: &LockInfo) -> Result<Unlocked, StoreError> {
        match self {
            Self::Local(local) => match local.lock(me) {
                Ok((_, Some(dead))) if dead.id == id => Ok(Unlocked::TakenFrom(dead)),
                Ok(_) => Ok(Unlocked::Free),
                Err(StoreError::Locked { holder: Some(holder) }) if holder.id == id => {
                    Err(StoreError::Alive(holder))
                }
                Err(StoreError::Locked { holder: Some(holder) }) => {
                    Err(StoreError::OtherHolder { id: id.to_owned(), holder })
                }
                Err(error) => Err(error),
            },
            Self::S3(s3) => s3.unlock(id, me).await,
        }
    }

    /// Reads the whole apply log, as far as it is good.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn examine_log(&self) -> Result<Examined, StoreError> {
        match self {
            Self::Local(local) => {
                let path = local.log_path();
                let bytes = local.read(&path)?.unwrap_or_default();
                let (journal, broken) = good_part(Position::default(), &bytes);
                let broken = broken.map(|broken| (path.display().to_string(), broken));
                Ok(Examined { torn: journal.is_torn(), entries: journal.entries, broken })
            }
            Self::S3(s3) => s3.examine_log().await,
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
                Ok(Lock { local: Some(lock), taken_over })
            }
            Self::S3(s3) => Ok(Lock { local: None, taken_over: s3.lock(info).await? }),
        }
    }

    /// Gives the lock back. A local lock would end with its value too.
    ///
    /// # Errors
    /// When nobody knows whether the lock is free now.
    pub async fn release(&self, lock: Lock) -> Result<(), StoreError> {
        drop(lock);
        self.abandon().await
    }

    /// Gives back whatever lock this process still holds, or may hold because
    /// it was stopped while it took it.
    ///
    /// # Errors
    /// As [`Store::release`].
    pub async fn abandon(&self) -> Result<(), StoreError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::S3(s3) => s3.release().await,
        }
    }

    /// Whether the lock is still this run's, as far as can be told.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when it was taken away.
    pub async fn check_lock(&self) -> Result<(), StoreError> {
        match self {
            // It ends with this process and not before.
            Self::Local(_) => Ok(()),
            Self::S3(s3) => s3.check_lock().await,
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
            Self::S3(s3) => s3.read_log().await,
        }
    }

    /// The last line of the log, with its digest, if that can be told without
    /// reading all of it.
    pub fn last_line(&self) -> Option<(Entry, Digest)> {
        match self {
            Self::Local(local) => Journal::last_line(&local.read(&local.log_path()).ok()??),
            Self::S3(_) => None,
        }
    }

    /// Opens the apply log for appending.
    ///
    /// # Errors
    /// When it can't be read, is broken, lacks a line that the state names, or
    /// can't be opened.
    pub async fn open_log(&self, _lock: &Lock, state: Option<&State>) -> Result<Log, StoreError> {
        match self {
            Self::Local(local) => {
                let journal = self.read_log().await?;
                self.check_log(state, &journal)?;
                let file = local.open_log(journal.tail())?;
                Ok(Log { file: LogFile::Local(file), journal })
            }
            Self::S3(s3) => {
                let (file, journal) = s3.open_log()?;
                Ok(Log { file: LogFile::S3(file), journal })
            }
        }
    }
}

impl Log {
    /// What the log says so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Appends an event and syncs it: when this returns, the event is on disk.
    /// In a bucket, what came of a command may wait for the next write: when
    /// it is lost, it is read.
    ///
    /// # Errors
    /// When it is not: then the run must stop.
    pub async fn append(&mut self, at: Timestamp, event: Event) -> Result<(), StoreError> {
        let may_wait = matches!(event, Event::Finished { .. } | Event::Settled { .. });
        let text = self.journal.append(at, event).map_err(StoreError::Order)?;
        match &mut self.file {
            LogFile::Local(file) => file.append(&text),
            LogFile::S3(file) => file.append(&text, may_wait).await,
        }
    }
}

fn read_state(local: &LocalStore, path: PathBuf) -> Result<Option<State>, StoreError> {
    let Some(bytes) = local.read(&path)? else { return Ok(None) };
    State::from_bytes(&bytes).map(Some).map_err(|source| StoreError::State { path, source })
}

fn write_state(local: &LocalStore, path: PathBuf, state: &State) -> Result<(), StoreError> {
    match state.to_bytes() {
        Ok(bytes) => local.replace(&path, &bytes),
        Err(source) => Err(StoreError::State { path, source }),
    }
}

/// A part of a log up to its first broken line.
fn good_part(position: Position, bytes: &[u8]) -> (Journal, Option<Broken>) {
    let broken = match Journal::parse_after(position.clone(), bytes) {
        Ok(journal) => return (journal, None),
        Err(broken) => broken,
    };
    let good = bytes.split_inclusive(|&byte| byte == b'\n').take(broken.line.saturating_sub(1));
    let length = good.map(<[u8]>::len).sum();
    let journal = Journal::parse_after(position.clone(), bytes.get(..length).unwrap_or_default());
    (journal.unwrap_or_else(|_| Journal::after(position)), Some(broken))
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
