//! Where state lives: the state file and the apply log, written so that a
//! crash at any point leaves the old or the new, never a mixture.
//!
//! One writer at a time, by a lock that dies with its process. This module
//! must not interpret what it keeps.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{Broken, Event, Journal};
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
    /// Another process works on the stack.
    #[error("the stack is locked: {holder}")]
    Locked {
        /// Who, as far as the lock file says.
        holder: String,
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

/// A held lock. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who it was is no longer true. Failing to say so harms nothing: the
        // lock itself ends when the file closes.
        drop(self.file.set_len(0));
    }
}

/// The files of one stack in a local directory.
#[derive(Debug, Clone)]
pub struct LocalStore {
    directory: PathBuf,
    stack: String,
}

impl LocalStore {
    /// The store of a stack below a directory. Nothing is created yet.
    pub fn new(directory: impl Into<PathBuf>, stack: &str) -> Self {
        Self { directory: directory.into(), stack: stack.to_owned() }
    }

    /// The state file.
    pub fn state_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.stack))
    }

    /// The apply log.
    pub fn log_path(&self) -> PathBuf {
        self.directory.join(format!("{}.log.jsonl", self.stack))
    }

    fn backup_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json.backup", self.stack))
    }

    fn lock_path(&self) -> PathBuf {
        self.directory.join(format!("{}.lock", self.stack))
    }

    /// Reads the state; `None` when there is none yet.
    ///
    /// # Errors
    /// When the file can't be read or is not a whole, known state.
    pub fn load(&self) -> Result<Option<State>, StoreError> {
        let path = self.state_path();
        let Some(bytes) = read_regular(&path)? else { return Ok(None) };
        State::from_bytes(&bytes).map(Some).map_err(|source| StoreError::State { path, source })
    }

    /// Keeps a copy of the state as it is, before a run changes it.
    ///
    /// # Errors
    /// When the copy can't be written.
    pub fn back_up(&self) -> Result<(), StoreError> {
        match read_regular(&self.state_path())? {
            Some(old) => replace(&self.directory, &self.backup_path(), &old),
            None => Ok(()),
        }
    }

    /// Replaces the state atomically: temporary file, sync, rename, sync of the
    /// directory.
    ///
    /// # Errors
    /// When any of it fails; the old state is then still in place, or the new
    /// one is whole.
    pub fn save(&self, state: &State) -> Result<(), StoreError> {
        let path = self.state_path();
        let bytes =
            state.to_bytes().map_err(|source| StoreError::State { path: path.clone(), source })?;
        self.prepare()?;
        read_regular(&path)?;
        replace(&self.directory, &path, &bytes)
    }

    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it.
    pub fn lock(&self, info: &LockInfo) -> Result<Lock, StoreError> {
        self.prepare()?;
        let path = self.lock_path();
        let io = |what| {
            let path = path.clone();
            move |source| StoreError::Io { what, path, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                drop(file.read_to_string(&mut text));
                let holder = serde_json::from_str::<LockInfo>(&text).map_or_else(
                    |_| "another lkh process is at work on it".to_owned(),
                    |info| {
                        format!(
                            "`lkh {}` of {} (process {}) since {}; wait for it to end",
                            info.operation, info.who, info.pid, info.since
                        )
                    },
                );
                return Err(StoreError::Locked { holder });
            }
            Err(fs::TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let text = serde_json::to_string(info).map_err(|e| StoreError::Order(e.to_string()))?;
        file.set_len(0).map_err(io("write"))?;
        file.write_all(text.as_bytes()).map_err(io("write"))?;
        Ok(Lock { file })
    }

    /// Reads the apply log without opening it for writing.
    ///
    /// # Errors
    /// When it can't be read or is broken.
    pub fn read_log(&self) -> Result<Journal, StoreError> {
        let path = self.log_path();
        let bytes = read_regular(&path)?.unwrap_or_default();
        Journal::parse(&bytes).map_err(|source| StoreError::Log { path, source })
    }

    /// Opens the apply log for appending. Only for the holder of the lock.
    ///
    /// # Errors
    /// When it can't be read, is broken, or can't be opened.
    pub fn open_log(&self, _lock: &Lock) -> Result<Log, StoreError> {
        self.prepare()?;
        let journal = self.read_log()?;
        let path = self.log_path();
        let io = |what, source| StoreError::Io { what, path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(|source| io("open", source))?;
        if journal.is_torn() {
            let bytes = read_regular(&path)?.unwrap_or_default();
            let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            file.set_len(whole as u64).map_err(|source| io("cut the torn line of", source))?;
        }
        file.seek(SeekFrom::End(0)).map_err(|source| io("seek in", source))?;
        file.sync_all().map_err(|source| io("sync", source))?;
        sync_directory(&self.directory)?;
        Ok(Log { file, path, journal })
    }

    fn prepare(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.directory).map_err(|source| StoreError::Io {
            what: "create",
            path: self.directory.clone(),
            source,
        })
    }
}

/// The apply log, open for appending.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    journal: Journal,
}

impl Log {
    /// What the log says so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Appends an event and syncs it: when this returns, the event is on disk.
    ///
    /// # Errors
    /// When it is not: then the run must stop.
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<(), StoreError> {
        let line = self.journal.append(at, event).map_err(StoreError::Order)?;
        let io = |what| {
            let path = self.path.clone();
            move |source| StoreError::Io { what, path, source }
        };
        self.file.write_all(line.as_bytes()).map_err(io("append to"))?;
        self.file.sync_data().map_err(io("sync"))
    }
}

/// Reads a file if it is there. A link or a device in its place is refused:
/// someone may have put it there.
fn read_regular(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let io = |what, source| StoreError::Io { what, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("look at", error)),
        Ok(metadata) if !metadata.is_file() => return Err(StoreError::NotRegular(path.to_owned())),
        Ok(_) => {}
    }
    fs::read(path).map(Some).map_err(|error| io("read", error))
}

/// Writes a file that only this user may read, atomically.
///
/// # Errors
/// When it can't be written; what was there before is still there then.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    replace(directory.unwrap_or(Path::new(".")), path, bytes)
}

/// Replaces a file atomically, mode 0600.
fn replace(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let io = |what| move |source| StoreError::Io { what, path: path.to_owned(), source };
    let mut file = tempfile::Builder::new()
        .prefix(".lkh-")
        .tempfile_in(directory)
        .map_err(io("make a temporary file for"))?;
    file.write_all(bytes).map_err(io("write"))?;
    file.as_file().sync_all().map_err(io("sync"))?;
    file.persist(path).map_err(|error| io("replace")(error.error))?;
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { what: "sync", path: directory.to_owned(), source };
    File::open(directory).and_then(|file| file.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str) -> LockInfo {
        LockInfo {
            id: id.into(),
            operation: "apply".into(),
            who: "me@here".into(),
            pid: 1,
            since: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_state_is_replaced_and_the_old_one_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path().join("state"), "s");
        assert_eq!(store.load().unwrap(), None);
        let mut state = State::new("s", "l".into(), "1", "r");
        store.save(&state).unwrap();
        state.serial = 1;
        store.back_up().unwrap();
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), Some(state));
        let old = State::from_bytes(&fs::read(store.backup_path()).unwrap()).unwrap();
        assert_eq!(old.serial, 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_state_is_private_and_never_a_link() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path(), "s");
        store.save(&State::new("s", "l".into(), "1", "r")).unwrap();
        let mode = fs::metadata(store.state_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::rename(store.state_path(), directory.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", store.state_path()).unwrap();
        assert!(matches!(store.load(), Err(StoreError::NotRegular(_))));
    }

    #[test]
    fn a_second_lock_names_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path(), "s");
        let lock = store.lock(&info("a")).unwrap();
        let error = store.lock(&info("b")).unwrap_err().to_string();
        assert!(error.contains("me@here"), "{error}");
        drop(lock);
        store.lock(&info("b")).unwrap();
    }

    #[test]
    fn a_torn_line_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let store = LocalStore::new(directory.path(), "s");
        let lock = store.lock(&info("a")).unwrap();
        let event = || Event::RunEnded { run: "r".into(), code: 0 };
        store.open_log(&lock).unwrap().append(Timestamp::UNIX_EPOCH, event()).unwrap();
        let mut file = OpenOptions::new().append(true).open(store.log_path()).unwrap();
        file.write_all(b"{\"line\":2,\"at").unwrap();
        let mut log = store.open_log(&lock).unwrap();
        log.append(Timestamp::UNIX_EPOCH, event()).unwrap();
        assert_eq!(store.read_log().unwrap().entries.len(), 2);
    }
}
