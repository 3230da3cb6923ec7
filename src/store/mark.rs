//! State and apply log belong together: the state names the line of the log
//! that it was saved at. This module holds one against the other, and lets a
//! person go on when the log is lost.

use std::path::PathBuf;

use super::{Lock, Log, Store, StoreError};
use crate::journal::Journal;
use crate::state::{LogMark, State};

impl Store {
    /// Checks that the log holds the line that the state was saved at. A state
    /// that names none fits every log: so a lost state is no obstacle.
    ///
    /// # Errors
    /// [`StoreError::LogCut`] when it does not.
    pub fn check_log(&self, state: Option<&State>, journal: &Journal) -> Result<(), StoreError> {
        let Some(LogMark { line, digest, .. }) = state.and_then(|state| state.log.as_ref()) else {
            return Ok(());
        };
        if journal.holds(*line, digest) {
            return Ok(());
        }
        let found = match journal.end() {
            None => "is empty or not there".to_owned(),
            Some((end, _)) if end < *line => format!("ends at line {end}"),
            Some(_) => "has another line there".to_owned(),
        };
        let path = match self {
            Self::Local(local) => local.log_path(),
            Self::S3(s3) => PathBuf::from(s3.log_place()),
        };
        Err(StoreError::LogCut { path, line: *line, found })
    }

    /// Begins a new log: sets the one that is there aside, and lets the state
    /// name no line any more. Returns where the old one is now.
    ///
    /// # Errors
    /// When state or log can't be read or written. Doing it again goes on.
    pub async fn begin_log(&self, lock: &Lock) -> Result<Option<PathBuf>, StoreError> {
        let state = self.load().await?;
        let aside = match self {
            Self::Local(local) => local.set_log_aside()?,
            Self::S3(s3) => return Err(StoreError::NotSetAside { place: s3.log_place() }),
        };
        if let Some(mut state) = state.filter(|state| state.log.is_some()) {
            state.log = None;
            state.serial += 1;
            self.save(lock, &state).await?;
        }
        Ok(aside)
    }
}

impl Log {
    /// The line that a state saved now names.
    pub fn mark(&self) -> Option<LogMark> {
        let (line, digest) = self.journal.end()?;
        Some(LogMark {
            line,
            digest: digest.clone(),
            run: self.journal.run().map(str::to_owned),
            settled: self.journal.begun().next().is_none(),
        })
    }
}
