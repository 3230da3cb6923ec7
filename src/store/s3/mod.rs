//! State, backup, apply log and lock as objects in an S3 bucket.
//!
//! Every write is conditional, so that two writers never undo each other. The
//! lock is an object that names its holder. A holder that was taken for dead
//! is shut out first (`fence`) and may find out later, by a write that is
//! refused. The log has one object a run, and the lock names the newest. This
//! module must not decide what is written.
//!
//! ```text
//! PREFIX/STACK/lock.json       who holds the lock; the newest part of the log
//! PREFIX/STACK/state.json      the state
//! PREFIX/STACK/state.json.backup
//! PREFIX/STACK/log/RUN.jsonl   the part of the log that the run wrote
//! ```

mod lock;
mod object;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::lock::Head;
use self::object::{Bucket, Put};
use super::{Examined, LockInfo, StoreError, good_part};
use crate::exec::gateway::Gateway;
use crate::journal::{Broken, Event, Journal, Position};
use crate::state::State;

/// What stands in the place of a state that is not there yet, once a run was
/// shut out that might have written the first one.
const NO_STATE: &str = "{\"noState\":true,";

/// The objects of one stack.
#[derive(Debug, Clone)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    folder: String,
    seen: Arc<Mutex<Seen>>,
}

/// What this process knows of the objects: its writes are refused where that
/// is no longer true.
#[derive(Debug, Default)]
struct Seen {
    /// The lock that this process holds or is about to.
    lock: Option<Held>,
    /// What this run writes the state over.
    state: Known,
    /// The tag of this run's part of the log, once it is made.
    segment: Option<String>,
}

/// What is known of an object.
#[derive(Debug, Default, Clone)]
enum Known {
    /// Nobody has looked.
    #[default]
    Nothing,
    /// It is not there.
    Absent,
    /// It has this tag.
    Tag(String),
}

impl Known {
    fn of(tag: Option<String>) -> Self {
        tag.map_or(Self::Absent, Self::Tag)
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Nothing | Self::Absent => None,
        }
    }
}

/// The lock of this process.
#[derive(Debug, Clone)]
struct Held {
    info: LockInfo,
    /// The lock's tag; `None` while the outcome of its write is not known.
    tag: Option<String>,
    head: Head,
}

/// This run's part of the log.
#[derive(Debug)]
pub struct S3Log {
    store: S3Store,
    text: String,
}

impl S3Store {
    /// The store of a stack below a prefix of a bucket. Asks nobody yet.
    pub fn new(
        gateway: Arc<Gateway>,
        bucket: &str,
        prefix: &str,
        region: Option<&str>,
        stack: &str,
    ) -> Self {
        let name = bucket.to_owned();
        let bucket = Bucket { gateway, name, region: region.map(str::to_owned) };
        let prefix = prefix.trim_matches('/');
        let folder = if prefix.is_empty() { stack.to_owned() } else { format!("{prefix}/{stack}") };
        Self { bucket: Arc::new(bucket), folder, seen: Arc::default() }
    }

    /// Where the state is, for people.
    pub fn place(&self) -> String {
        self.bucket.url(&self.state_key())
    }

    /// Where the parts of the log are, for people.
    pub fn log_place(&self) -> String {
        self.bucket.url(&self.key("log/"))
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn state_key(&self) -> String {
        self.key("state.json")
    }

    fn backup_key(&self) -> String {
        self.key("state.json.backup")
    }

    fn segment_key(&self, run: &str) -> String {
        self.key(&format!("log/{run}.jsonl"))
    }

    fn path(&self, key: &str) -> PathBuf {
        PathBuf::from(self.bucket.url(key))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Result<Held, StoreError> {
        let held = self.seen().lock.clone();
        held.ok_or_else(|| StoreError::Order("nothing is written without the lock".into()))
    }

    /// Whether the bucket keeps old versions; `None`: nobody may know.
    pub(super) async fn is_versioned(&self) -> Option<bool> {
        self.bucket.is_versioned().await
    }

    fn state_of(&self, key: &str, text: &str) -> Result<State, StoreError> {
        State::from_bytes(text.as_bytes())
            .map_err(|source| StoreError::State { path: self.path(key), source })
    }

    fn bytes_of(&self, key: &str, state: &State) -> Result<String, StoreError> {
        let broken = |source| StoreError::State { path: self.path(key), source };
        let bytes = state.to_bytes().map_err(broken)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The state's text as it is.
    pub(super) async fn raw(&self) -> Result<Option<String>, StoreError> {
        let object = self.bucket.get(&self.state_key()).await?;
        let mut seen = self.seen();
        // From its first write on, a run writes over what it knows and nothing
        // else: what it reads later may be another's.
        if seen.segment.is_none() {
            seen.state = Known::of(object.as_ref().map(|object| object.tag.clone()));
        }
        Ok(object.map(|object| object.text).filter(|text| !text.starts_with(NO_STATE)))
    }

    /// Reads the state.
    pub(super) async fn load(&self) -> Result<Option<State>, StoreError> {
        let text = self.raw().await?;
        text.map(|text| self.state_of(&self.state_key(), &text)).transpose()
    }

    /// Reads the backup.
    pub(super) async fn load_backup(&self) -> Result<Option<State>, StoreError> {
        let key = self.backup_key();
        let object = self.bucket.get(&key).await?;
        object.map(|object| self.state_of(&key, &object.text)).transpose()
    }

    /// Copies the state to the backup.
    pub(super) async fn back_up(&self) -> Result<(), StoreError> {
        self.claim(&self.held()?).await?;
        // In this order: who is shut out in between writes over nobody's.
        let tag = self.bucket.tag(&self.backup_key()).await?;
        match self.raw().await? {
            Some(text) => self.put(&self.backup_key(), &text, tag.as_deref()).await.map(drop),
            None => Ok(()),
        }
    }

    /// Replaces the backup.
    pub(super) async fn save_backup(&self, state: &State) -> Result<(), StoreError> {
        self.claim(&self.held()?).await?;
        let tag = self.bucket.tag(&self.backup_key()).await?;
        let text = self.bytes_of(&self.backup_key(), state)?;
        self.put(&self.backup_key(), &text, tag.as_deref()).await.map(drop)
    }

    /// Replaces the state that this run knows.
    pub(super) async fn save(&self, state: &State) -> Result<(), StoreError> {
        let held = self.held()?;
        let text = self.bytes_of(&self.state_key(), state)?;
        self.claim(&held).await?;
        let known = self.seen().state.clone();
        let tag = self.put(&self.state_key(), &text, known.tag()).await?;
        self.seen().state = Known::Tag(tag);
        Ok(())
    }

    /// Writes an object that nobody but the holder of the lock writes.
    async fn put(
        &self,
        key: &str,
        text: &str,
        expected: Option<&str>,
    ) -> Result<String, StoreError> {
        match self.bucket.put(key, text, expected).await? {
            Put::Done(tag) => Ok(tag),
            Put::Refused => Err(self.why_refused(key).await),
        }
    }

    /// Why a write of the holder was refused.
    async fn why_refused(&self, key: &str) -> StoreError {
        let object = self.bucket.url(key);
        self.check_lock().await.err().unwrap_or(StoreError::Overtaken { object })
    }

    /// Says so if the lock was taken away from this run.
    pub(super) async fn check_lock(&self) -> Result<(), StoreError> {
        let held = self.held()?;
        let Some(segment) = self.bucket.get(&self.segment_key(&held.info.id)).await? else {
            return Ok(());
        };
        let (journal, _) = good_part(held.head.base, segment.text.as_bytes());
        let fenced = journal.entries.into_iter().find_map(|entry| match entry.event {
            Event::Fenced { run, by } if run == held.info.id => {
                Some(StoreError::Fenced { by, at: entry.at })
            }
            _ => None,
        });
        fenced.map_or(Ok(()), Err)
    }

    /// Makes this run's part of the log, so that it finds out before it writes
    /// anything else whether it was shut out.
    async fn claim(&self, held: &Held) -> Result<(), StoreError> {
        let (is_claimed, knows_state) = {
            let seen = self.seen();
            (seen.segment.is_some(), !matches!(seen.state, Known::Nothing))
        };
        if !knows_state {
            let tag = self.bucket.tag(&self.state_key()).await?;
            self.seen().state = Known::of(tag);
        }
        if !is_claimed {
            let tag = self.put(&self.segment_key(&held.info.id), "", None).await?;
            self.seen().segment = Some(tag);
        }
        Ok(())
    }

    /// What the log amounts to before this run wrote to it.
    pub(super) async fn read_log(&self) -> Result<Journal, StoreError> {
        let held = self.seen().lock.clone();
        let position = match held {
            Some(held) => held.head.base,
            None => self.end_of(&self.read_lock().await?.document.log).await?,
        };
        Ok(Journal::after(position))
    }

    /// Opens this run's part of the log.
    pub(super) fn open_log(&self) -> Result<(S3Log, Journal), StoreError> {
        let held = self.held()?;
        let log = S3Log { store: self.clone(), text: String::new() };
        Ok((log, Journal::after(held.head.base)))
    }

    /// Where the log goes on after its newest part.
    async fn end_of(&self, head: &Head) -> Result<Position, StoreError> {
        let Some(run) = &head.segment else { return Ok(Position::default()) };
        let key = self.segment_key(run);
        // A run that wrote nothing left no part.
        let Some(object) = self.bucket.get(&key).await? else { return Ok(head.base.clone()) };
        let journal = Journal::parse_after(head.base.clone(), object.text.as_bytes())
            .map_err(|source| StoreError::Log { path: self.path(&key), source })?;
        Ok(journal.position())
    }

    /// Reads all parts of the log, in the order of their lines.
    pub(super) async fn examine_log(&self) -> Result<Examined, StoreError> {
        let mut parts = Vec::new();
        for key in self.bucket.list(&self.key("log/")).await? {
            let text = self.bucket.get(&key).await?.map(|object| object.text).unwrap_or_default();
            // A part without a line is of a run that only claimed it.
            if !text.is_empty() {
                parts.push((first_line(&text), key, text));
            }
        }
        parts.sort();
        let mut examined = Examined::default();
        let mut position = Position::default();
        for (_, key, text) in parts {
            let (journal, broken) = good_part(position, text.as_bytes());
            let before = examined.entries.len();
            position = journal.position();
            examined.torn = journal.is_torn();
            examined.entries.extend(journal.entries);
            if let Some(mut broken) = broken {
                broken.line += before;
                examined.broken = Some((self.bucket.url(&key), broken));
                return Ok(examined);
            }
        }
        // The lock knows how long the log was when its newest part began.
        let known = self.read_lock().await?.document.log.base.lines;
        if position.lines < known {
            let line = examined.entries.len() + 1;
            let why = format!("it is missing, and so is all up to line {known}");
            examined.broken = Some((self.bucket.url(&self.key("log/")), Broken { line, why }));
        }
        Ok(examined)
    }
}

/// The number of the first line of a part; what can't be read comes first, so
/// that it is told.
fn first_line(text: &str) -> u64 {
    let line = text.lines().next().unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    json["line"].as_u64().unwrap_or(0)
}

impl S3Log {
    /// Appends a line; it is in the bucket when this returns, unless it may
    /// wait for the next one. What gets lost so is the outcome of a command,
    /// which the next run then reads.
    pub(super) async fn append(&mut self, line: &str, may_wait: bool) -> Result<(), StoreError> {
        self.text.push_str(line);
        if may_wait {
            return Ok(());
        }
        let store = &self.store;
        let held = store.held()?;
        let known = store.seen().segment.clone();
        let tag =
            store.put(&store.segment_key(&held.info.id), &self.text, known.as_deref()).await?;
        store.seen().segment = Some(tag);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
