//! Keeps state and apply log while a plan is carried out.
//!
//! Every method is one whole, synced write. The first write that fails breaks
//! the keeper: nothing is begun after that, and the run says why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::clock::Clock;
use super::entry::owned;
use crate::adapter::{Desired, Identity, Step};
use crate::address::Address;
use crate::journal::{Begun, Event, Outcome};
use crate::plan::Action;
use crate::seeded::{self, Bug};
use crate::state::{Record, SavedOutput, State, Status};
use crate::store::{Lock, Log, Store, StoreError};
use crate::value::{Digest, Map, Value};

/// State and log of one run.
#[derive(Debug)]
pub struct Keeper {
    clock: Clock,
    broken: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    lock: Arc<Lock>,
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
    pub fn new(store: Store, lock: Arc<Lock>, state: State, log: Log, clock: Clock) -> Self {
        let inner = Inner { store, lock, state, log, error: None, saved: None, dirty: false };
        Self { clock, broken: AtomicBool::new(false), inner: Mutex::new(inner) }
    }

    /// Whether a write failed.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// The first write that failed, if any.
    ///
    /// # Errors
    /// That failure.
    pub async fn result(&self) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().await;
        let _ = self.flush(&mut inner).await;
        match inner.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Keeps the stack's outputs, where they are not what is kept already.
    pub async fn outputs(&self, outputs: BTreeMap<String, SavedOutput>) {
        let mut inner = self.inner.lock().await;
        if inner.state.outputs != outputs {
            inner.state.set_outputs(outputs);
            inner.dirty = true;
        }
    }

    /// Logs the end of the run. A state that the run has written is written
    /// once more, so that it names the log's last line.
    pub async fn end(&self, event: Event) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        self.append(&mut inner, event).await?;
        inner.dirty |= inner.saved.is_some();
        self.flush(&mut inner).await
    }

    /// Logs an event of the run itself.
    pub async fn note(&self, event: Event) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        self.append(&mut inner, event).await
    }

    /// Logs what is about to be done, and to which object where the state does
    /// not know it yet; returns the operation's number.
    pub async fn intend(
        &self,
        address: &Address,
        step: &Step,
        object: Option<&Desired>,
    ) -> Result<u64, Stopped> {
        let mut inner = self.inner.lock().await;
        let known = inner.state.resources.get(address).map(|record| &record.applied);
        let before = inner.log.journal().begun_of(address);
        let shown = |attributes: &Map| Value::Map(attributes.clone()).redacted_json();
        let same = |one: &Map, other: &Map| shown(one) == shown(other);
        let object = object
            .map(|object| Begun {
                identity: object.identity.0.clone(),
                // What an earlier run began on the same object may be there too.
                attributes: match before {
                    Some(before) if before.identity == object.identity.0 => {
                        let rules = address.kind.adapter().attributes();
                        owned(rules, &object.attributes, &before.attributes)
                    }
                    Some(_) | None => object.attributes.clone(),
                },
                settings: object.settings.clone(),
            })
            .filter(|object| {
                known.is_none_or(|known| {
                    !known.identity.is_same(&Identity(object.identity.clone()))
                        || !same(&known.attributes, &object.attributes)
                })
            })
            .filter(|object| {
                before.is_none_or(|before| {
                    before.identity != object.identity
                        || !same(&before.attributes, &object.attributes)
                })
            });
        let operation = inner.log.journal().next_operation();
        self.append(
            &mut inner,
            Event::Intended {
                operation,
                address: address.clone(),
                title: step.title.clone(),
                command: step.command.to_string(),
                input: step
                    .command
                    .stdin
                    .as_ref()
                    .map(|document| Digest::of(document.redacted_json().to_string().as_bytes())),
                object,
            },
        )
        .await?;
        Ok(operation)
    }

    /// Logs what came of an operation.
    pub async fn outcome(&self, operation: u64, outcome: Outcome) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        self.append(&mut inner, Event::Finished { operation, outcome }).await
    }

    /// Records what a read proved after an action. Another address that the
    /// same object had before leaves the state: an object has one.
    pub async fn record(
        &self,
        address: &Address,
        action: Option<Action>,
        record: Record,
    ) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        let status = record.status.word().to_owned();
        inner.state.resources.retain(|other, known| {
            other.kind != address.kind
                || other == address
                || known.applied.identity != record.applied.identity
        });
        inner.state.resources.insert(address.clone(), record);
        self.save(&mut inner).await?;
        let action = action.map(|action| action.word().to_owned());
        self.append(&mut inner, Event::Settled { address: address.clone(), status, action }).await
    }

    /// Records what a read showed of a resource that was not changed, unless
    /// the record says the same already (its evidence stays, then).
    pub async fn refresh(&self, address: &Address, record: Record) {
        let mut inner = self.inner.lock().await;
        let same = inner.state.resources.get(address).is_some_and(|old| {
            Record { evidence: Vec::new(), ..old.clone() }
                == Record { evidence: Vec::new(), ..redacted(&record) }
        });
        let begun = inner.log.journal().begun_of(address).is_some();
        if same && !begun {
            return;
        }
        let status = record.status.word().to_owned();
        inner.state.resources.insert(address.clone(), record);
        if self.save(&mut inner).await.is_ok() && begun {
            let settled = Event::Settled { address: address.clone(), status, action: None };
            let _ = self.append(&mut inner, settled).await;
        }
    }

    /// Marks a resource whose change nobody could verify.
    pub async fn mark_unverified(&self, address: &Address) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        if let Some(record) = inner.state.resources.get_mut(address) {
            record.status = Status::Unverified;
        }
        self.save(&mut inner).await
    }

    /// Removes a resource whose object a read proved to be gone.
    pub async fn gone(&self, address: &Address) -> Result<(), Stopped> {
        self.remove(address, "gone").await
    }

    /// Removes a resource and leaves its object.
    pub async fn forget(&self, address: &Address) -> Result<(), Stopped> {
        self.remove(address, "forgotten").await
    }

    async fn remove(&self, address: &Address, status: &str) -> Result<(), Stopped> {
        let mut inner = self.inner.lock().await;
        inner.state.resources.remove(address);
        self.save(&mut inner).await?;
        self.append(
            &mut inner,
            Event::Settled { address: address.clone(), status: status.to_owned(), action: None },
        )
        .await
    }

    fn stop(&self, inner: &mut Inner, error: StoreError) -> Stopped {
        if seeded::is(Bug::WriteErrorSwallowed) {
            return Stopped;
        }
        inner.error = Some(error);
        self.broken.store(true, Ordering::Release);
        Stopped
    }

    async fn append(&self, inner: &mut Inner, event: Event) -> Result<(), Stopped> {
        if self.is_broken() {
            return Err(Stopped);
        }
        match inner.log.append(self.clock.now(), event).await {
            Err(_) if seeded::is(Bug::WriteErrorSwallowed) => Ok(()),
            result => result.map_err(|error| self.stop(inner, error)),
        }
    }

    async fn save(&self, inner: &mut Inner) -> Result<(), Stopped> {
        if self.is_broken() {
            return Err(Stopped);
        }
        inner.dirty = true;
        if let Some((at, took)) = inner.saved
            && took > CHEAP_WRITE
            && at.elapsed() < took * WRITE_SHARE
        {
            return Ok(());
        }
        self.flush(inner).await
    }

    async fn flush(&self, inner: &mut Inner) -> Result<(), Stopped> {
        if !inner.dirty || self.is_broken() {
            return Ok(());
        }
        inner.state.serial += u64::from(!seeded::is(Bug::SerialKept));
        inner.state.log = inner.log.mark();
        let start = Instant::now();
        if let Err(error) = inner.store.save(&inner.lock, &inner.state).await {
            return Err(self.stop(inner, error));
        }
        inner.saved = Some((Instant::now(), start.elapsed()));
        inner.dirty = false;
        Ok(())
    }
}

/// State or log can't be written any more; [`Keeper::result`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// A record as it reads back from its file.
fn redacted(record: &Record) -> Record {
    serde_json::to_value(record).and_then(serde_json::from_value).unwrap_or_else(|_| record.clone())
}
