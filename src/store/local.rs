//! State, apply log and lock as files in a local directory.
//!
//! The lock is the operating system's and ends with its process. This module
//! must not interpret what it keeps.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::disk::{Disk, Found, Handle, OsDisk, replace};
use super::{LockInfo, StoreError};
use crate::journal::Tail;
use crate::seeded::{self, Bug};

/// How often the name of a holder is looked for that has not written it yet.
const NAME_TRIES: u32 = 20;
const NAME_PAUSE: Duration = Duration::from_millis(5);

/// The files of one stack in a local directory.
#[derive(Debug, Clone)]
pub struct LocalStore {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    stack: String,
}

/// A lock on a local store. It ends with this value, or with the process.
#[derive(Debug)]
pub struct LocalLock {
    file: Box<dyn Handle>,
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        // Who it was is no longer true. Failing to say so harms nothing: the
        // lock itself ends when the file closes.
        drop(self.file.cut(0));
    }
}

/// The log's file, open for appending.
#[derive(Debug)]
pub struct LocalLog {
    file: Box<dyn Handle>,
    path: PathBuf,
}

impl LocalStore {
    /// The store of a stack below a directory. Nothing is created yet.
    pub fn new(directory: impl Into<PathBuf>, stack: &str) -> Self {
        Self::on(Arc::new(OsDisk), directory, stack)
    }

    /// The store of a stack on another disk than the operating system's.
    pub fn on(disk: Arc<dyn Disk>, directory: impl Into<PathBuf>, stack: &str) -> Self {
        Self { disk, directory: directory.into(), stack: stack.to_owned() }
    }

    /// The state file.
    pub fn state_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.stack))
    }

    /// The apply log.
    pub fn log_path(&self) -> PathBuf {
        self.directory.join(format!("{}.log.jsonl", self.stack))
    }

    /// The copy of the state as it was before the last run.
    pub fn backup_path(&self) -> PathBuf {
        self.directory.join(format!("{}.json.backup", self.stack))
    }

    fn lock_path(&self) -> PathBuf {
        self.directory.join(format!("{}.lock", self.stack))
    }

    /// Reads a file of the store if it is there. A link or a device in its
    /// place, or a file of another user, is refused: someone may have put it
    /// there.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match self.disk.look(path).map_err(failed("look at", path))? {
            Found::Nothing => Ok(None),
            Found::File => self.disk.read(path).map(Some).map_err(failed("read", path)),
            Found::Foreign => Err(StoreError::Foreign(path.to_owned())),
            Found::Other => Err(StoreError::NotRegular(path.to_owned())),
        }
    }

    /// Replaces a file of the store atomically.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        self.prepare()?;
        self.check(path)?;
        replace(&*self.disk, path, bytes).map_err(|(what, source)| failed(what, path)(source))
    }

    /// Takes the lock. With it comes what a holder left that died with it.
    pub(super) fn lock(
        &self,
        info: &LockInfo,
    ) -> Result<(LocalLock, Option<LockInfo>), StoreError> {
        self.prepare()?;
        let path = self.lock_path();
        self.check(&path)?;
        let mut tries = 0;
        let mut file = loop {
            if let Some(file) = self.disk.lock(&path).map_err(failed("lock", &path))? {
                break file;
            }
            // Whoever has just taken it writes its name next.
            let holder = self.holder();
            if holder.is_some() || tries == NAME_TRIES {
                return Err(StoreError::Locked { holder });
            }
            tries += 1;
            std::thread::sleep(NAME_PAUSE);
        };
        let dead = self.holder();
        let text =
            serde_json::to_string(info).map_err(|error| StoreError::Order(error.to_string()))?;
        file.cut(0).map_err(failed("write", &path))?;
        file.append(text.as_bytes()).map_err(failed("write", &path))?;
        Ok((LocalLock { file }, dead.map(|holder| *holder)))
    }

    /// Who holds the lock, as far as its file says.
    pub(super) fn holder(&self) -> Option<Box<LockInfo>> {
        let bytes = self.disk.read(&self.lock_path()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Opens the log for appending, and mends its end.
    pub(super) fn open_log(&self, tail: Tail) -> Result<LocalLog, StoreError> {
        self.prepare()?;
        let path = self.log_path();
        self.check(&path)?;
        let mut file = self.disk.open(&path).map_err(failed("open", &path))?;
        match tail {
            Tail::Whole => {}
            Tail::Unended => {
                file.append(b"\n").map_err(failed("end the last line of", &path))?;
            }
            Tail::Torn { left } => {
                let length = self.disk.read(&path).map_err(failed("read", &path))?.len() as u64;
                file.cut(length.saturating_sub(left))
                    .map_err(failed("cut the torn line of", &path))?;
            }
        }
        file.sync().map_err(failed("sync", &path))?;
        self.disk
            .sync_directory(&self.directory)
            .map_err(failed("sync the directory of", &path))?;
        Ok(LocalLog { file, path })
    }

    /// Gives the log another name, if there is one. Returns that name.
    pub(super) fn set_log_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let path = self.log_path();
        if self.disk.look(&path).map_err(failed("look at", &path))? == Found::Nothing {
            return Ok(None);
        }
        let mut number = 1;
        loop {
            let aside = self.directory.join(format!("{}.log.{number}.jsonl", self.stack));
            if self.disk.look(&aside).map_err(failed("look at", &aside))? == Found::Nothing {
                self.disk.rename(&path, &aside).map_err(failed("set aside", &path))?;
                self.disk
                    .sync_directory(&self.directory)
                    .map_err(failed("sync the directory of", &path))?;
                return Ok(Some(aside));
            }
            number += 1;
        }
    }

    fn check(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.look(path).map_err(failed("look at", path))? {
            Found::Nothing | Found::File => Ok(()),
            Found::Foreign => Err(StoreError::Foreign(path.to_owned())),
            Found::Other => Err(StoreError::NotRegular(path.to_owned())),
        }
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.disk.create_directory(&self.directory).map_err(failed("create", &self.directory))
    }
}

impl LocalLog {
    /// Appends a line and syncs it.
    pub(super) fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.file.append(line.as_bytes()).map_err(failed("append to", &self.path))?;
        if seeded::is(Bug::LogNotSynced) {
            return Ok(());
        }
        self.file.sync().map_err(failed("sync", &self.path))
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}
