//! Keeps state and apply log while a plan is carried out.
//!
//! Every method is one whole, synced write. The first write that fails breaks
//! the keeper: nothing is begun after that, and the run says why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::adapter::Step;
use crate::address::Address;
use crate::journal::{Event, Outcome};
use crate::state::{Record, State, Status};
use crate::store::{LocalStore, Log, StoreError};
use crate::value::Digest;

/// State and log of one run.
#[derive(Debug)]
pub struct Keeper {
    store: LocalStore,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    log: Log,
    error: Option<StoreError>,
    /// When the state was last written, and how long that took.
    saved: Option<(Instant, Duration)>,
    dirty: bool,
}

/// A state whose write takes longer than this is not written for every single
/// resource: at most `WRITE_SHARE` of the time goes into writing. The log is
/// always written, and what the state misses after a crash is adopted.
const CHEAP_WRITE: Duration = Duration::from_millis(10);
const WRITE_SHARE: u32 = 10;

impl Keeper {
    /// A keeper of what was loaded.
    pub fn new(store: LocalStore, state: State, log: Log) -> Self {
        let inner = Inner { state, log, error: None, saved: None, dirty: false };
        Self { store, inner: Mutex::new(inner) }
    }

    /// Whether a write failed.
    pub fn is_broken(&self) -> bool {
        self.lock().error.is_some()
    }

    /// The first write that failed, if any.
    ///
    /// # Errors
    /// That failure.
    pub fn result(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let _ = inner.flush(&self.store);
        match inner.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// What the state says now.
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// What each resource depended on when it was last applied.
    pub fn dependencies(&self) -> BTreeMap<Address, BTreeSet<Address>> {
        let inner = self.lock();
        let resources = inner.state.resources.iter();
        resources.map(|(address, record)| (address.clone(), record.dependencies.clone())).collect()
    }

    /// Logs an event of the run itself.
    pub fn note(&self, event: Event) -> Result<(), Stopped> {
        let mut inner = self.lock();
        inner.append(event)
    }

    /// Logs what is about to be done; returns the operation's number.
    pub fn intend(&self, address: &Address, step: &Step) -> Result<u64, Stopped> {
        let mut inner = self.lock();
        let operation = inner.log.journal().next_operation();
        inner.append(Event::Intended {
            operation,
            address: address.clone(),
            title: step.title.clone(),
            command: step.command.to_string(),
            input: step
                .command
                .stdin
                .as_ref()
                .map(|document| Digest::of(document.redacted_json().to_string().as_bytes())),
        })?;
        Ok(operation)
    }

    /// Logs what came of an operation.
    pub fn outcome(&self, operation: u64, outcome: Outcome) -> Result<(), Stopped> {
        self.lock().append(Event::Finished { operation, outcome })
    }

    /// Records what a read proved. Another address that the same object had
    /// before leaves the state: an object has one.
    pub fn record(&self, address: &Address, record: Record) -> Result<(), Stopped> {
        let mut inner = self.lock();
        let status = record.status.word().to_owned();
        inner.state.resources.retain(|other, known| {
            other.kind != address.kind
                || other == address
                || known.applied.identity != record.applied.identity
        });
        inner.state.resources.insert(address.clone(), record);
        inner.save(&self.store)?;
        inner.append(Event::Settled { address: address.clone(), status })
    }

    /// Records what a read showed of a resource that was not changed, unless
    /// the record says the same already (its evidence stays, then).
    pub fn refresh(&self, address: &Address, record: Record) {
        let mut inner = self.lock();
        let same = inner.state.resources.get(address).is_some_and(|old| {
            Record { evidence: Vec::new(), ..old.clone() }
                == Record { evidence: Vec::new(), ..redacted(&record) }
        });
        if !same {
            inner.state.resources.insert(address.clone(), record);
            let _ = inner.save(&self.store);
        }
    }

    /// Marks a resource whose change nobody could verify.
    pub fn mark_unverified(&self, address: &Address) -> Result<(), Stopped> {
        let mut inner = self.lock();
        if let Some(record) = inner.state.resources.get_mut(address) {
            record.status = Status::Unverified;
        }
        inner.save(&self.store)
    }

    /// Removes a resource whose object a read proved to be gone.
    pub fn gone(&self, address: &Address) -> Result<(), Stopped> {
        self.remove(address, "gone")
    }

    /// Removes a resource and leaves its object.
    pub fn forget(&self, address: &Address) -> Result<(), Stopped> {
        self.remove(address, "forgotten")
    }

    fn remove(&self, address: &Address, status: &str) -> Result<(), Stopped> {
        let mut inner = self.lock();
        inner.state.resources.remove(address);
        inner.save(&self.store)?;
        inner.append(Event::Settled { address: address.clone(), status: status.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another task leaves the state as it was last written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// State or log can't be written any more; [`Keeper::result`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// A record as it reads back from its file.
fn redacted(record: &Record) -> Record {
    serde_json::to_value(record).and_then(serde_json::from_value).unwrap_or_else(|_| record.clone())
}

impl Inner {
    fn stop(&mut self, error: StoreError) -> Stopped {
        self.error = Some(error);
        Stopped
    }

    fn append(&mut self, event: Event) -> Result<(), Stopped> {
        if self.error.is_some() {
            return Err(Stopped);
        }
        self.log.append(Timestamp::now(), event).map_err(|error| self.stop(error))
    }

    fn save(&mut self, store: &LocalStore) -> Result<(), Stopped> {
        if self.error.is_some() {
            return Err(Stopped);
        }
        self.dirty = true;
        if let Some((at, took)) = self.saved
            && took > CHEAP_WRITE
            && at.elapsed() < took * WRITE_SHARE
        {
            return Ok(());
        }
        self.flush(store)
    }

    fn flush(&mut self, store: &LocalStore) -> Result<(), Stopped> {
        if !self.dirty || self.error.is_some() {
            return Ok(());
        }
        self.state.serial += 1;
        let start = Instant::now();
        store.save(&self.state).map_err(|error| self.stop(error))?;
        self.saved = Some((Instant::now(), start.elapsed()));
        self.dirty = false;
        Ok(())
    }
}
