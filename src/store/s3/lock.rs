//! The lock in S3: who holds it, how it is taken, taken over and taken away.
//!
//! It must never be free while its former holder can still write.

use std::fs;

use serde::{Deserialize, Serialize};

use super::object::{Object, Put};
use super::{Held, NO_STATE, S3Store};
use crate::exec::owner::Owner;
use crate::journal::{Event, Journal, Position};
use crate::state::State;
use crate::store::{LockInfo, StoreError, Unlocked};
use crate::value::Digest;

/// The version of the lock's format.
const FORMAT_VERSION: u32 = 1;

/// How often a write is tried that others were faster with.
const TRIES: usize = 5;

/// The namespace that process ids have on a machine itself, outside of every
/// container (the kernel's own constant).
const MACHINE_SPACE: &str = "pid:[4026531836]";

/// The object `lock.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    format_version: u32,
    /// Who holds the lock.
    holder: Option<Holder>,
    /// The newest part of the log.
    pub(super) log: Head,
}

/// The newest part of the log.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Head {
    /// The run that it is named after. `None`: there is no log yet.
    pub(super) segment: Option<String>,
    /// Where it begins.
    pub(super) base: Position,
}

/// Who holds the lock, and how to tell whether it still lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holder {
    info: LockInfo,
    process: Owner,
    /// Names the machine beyond its boots; empty where it has no name.
    #[serde(default)]
    machine: String,
}

/// The lock as it was read.
pub(super) struct Found {
    pub(super) document: Document,
    tag: Option<String>,
}

impl Holder {
    fn this(info: &LockInfo) -> Self {
        let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let machine = match machine.trim() {
            "" => String::new(),
            // The name itself is nobody's business.
            id => Digest::of(format!("lkh lock {id}").as_bytes()).as_str().to_owned(),
        };
        Self { info: info.clone(), process: Owner::this(), machine }
    }

    /// Whether it is proven to be gone, as seen by `this` process: no such
    /// process is there, or the machine has booted since.
    fn is_gone(&self, this: &Holder) -> bool {
        let (process, seen_by) = (&self.process, &this.process);
        let booted_since = !self.machine.is_empty()
            && self.machine == this.machine
            && process.host == seen_by.host
            && process.user == seen_by.user
            && process.space == MACHINE_SPACE
            && seen_by.space == MACHINE_SPACE
            && !process.boot.is_empty()
            && !seen_by.boot.is_empty()
            && process.boot != seen_by.boot;
        booted_since || process.is_gone(seen_by)
    }
}

impl S3Store {
    fn lock_key(&self) -> String {
        self.key("lock.json")
    }

    /// Reads the lock.
    pub(super) async fn read_lock(&self) -> Result<Found, StoreError> {
        let Some(Object { text, tag }) = self.bucket.get(&self.lock_key()).await? else {
            let log = Head::default();
            let document = Document { format_version: FORMAT_VERSION, holder: None, log };
            return Ok(Found { document, tag: None });
        };
        let document: Document = serde_json::from_str(&text).map_err(|error| {
            self.unusable(format!("it is not a lock that this lkh knows: {error}"))
        })?;
        if document.format_version > FORMAT_VERSION {
            return Err(self.unusable("it is of a newer format; install a newer lkh".into()));
        }
        Ok(Found { document, tag: Some(tag) })
    }

    fn unusable(&self, why: String) -> StoreError {
        StoreError::Remote { what: "use", object: self.bucket.url(&self.lock_key()), why }
    }

    async fn write_lock(
        &self,
        document: &Document,
        expected: Option<&str>,
    ) -> Result<Put, StoreError> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| StoreError::Order(error.to_string()))?;
        self.bucket.put(&self.lock_key(), &(text + "\n"), expected).await
    }

    /// Takes the lock. With it comes whose it was, if that one is dead.
    pub(in crate::store) async fn lock(
        &self,
        info: &LockInfo,
    ) -> Result<Option<LockInfo>, StoreError> {
        let me = Holder::this(info);
        for _ in 0..TRIES {
            let Found { document, tag } = self.read_lock().await?;
            let dead = match document.holder {
                None => None,
                Some(holder) if holder.is_gone(&me) => Some(holder.info),
                Some(holder) => return Err(StoreError::Held(Box::new(holder.info))),
            };
            if let Some(dead) = &dead {
                // Its last command may still be on its way.
                self.fence(dead, &document.log, info).await?;
            }
            let base = self.end_of(&document.log).await?;
            let head = Head { segment: Some(info.id.clone()), base };
            let held = Held { info: info.clone(), tag: None, head: head.clone() };
            *self.seen() = super::Seen { lock: Some(held), ..super::Seen::default() };
            let document =
                Document { format_version: FORMAT_VERSION, holder: Some(me.clone()), log: head };
            match self.write_lock(&document, tag.as_deref()).await? {
                Put::Done(tag) => {
                    if let Some(held) = &mut self.seen().lock {
                        held.tag = Some(tag);
                    }
                    return Ok(dead);
                }
                // Someone was faster: the next look says who.
                Put::Refused => self.seen().lock = None,
            }
        }
        Err(self.unusable("others take and release it all the time; try again".into()))
    }

    /// Gives back the lock that this process holds, or may hold.
    pub(in crate::store) async fn release(&self) -> Result<(), StoreError> {
        let Some(held) = self.seen().lock.clone() else { return Ok(()) };
        let tag = match &held.tag {
            Some(tag) => Some(tag.clone()),
            None => {
                let found = self.read_lock().await?;
                let mine =
                    found.document.holder.is_some_and(|holder| holder.info.id == held.info.id);
                if !mine {
                    self.seen().lock = None;
                    return Ok(());
                }
                found.tag
            }
        };
        let document =
            Document { format_version: FORMAT_VERSION, holder: None, log: held.head.clone() };
        let result = match self.write_lock(&document, tag.as_deref()).await? {
            Put::Done(_) => Ok(()),
            Put::Refused => Err(self.why_refused(&self.lock_key()).await),
        };
        self.seen().lock = None;
        result
    }

    /// Takes the lock away from a run.
    pub(in crate::store) async fn unlock(
        &self,
        id: &str,
        me: &LockInfo,
    ) -> Result<Unlocked, StoreError> {
        for _ in 0..TRIES {
            let Found { document, tag } = self.read_lock().await?;
            let Some(holder) = &document.holder else { return Ok(Unlocked::Free) };
            let info = holder.info.clone();
            if info.id != id {
                let (id, holder) = (id.to_owned(), Box::new(info));
                return Err(StoreError::OtherHolder { id, holder });
            }
            self.fence(&info, &document.log, me).await?;
            let free = Document { holder: None, ..document };
            if let Put::Done(_) = self.write_lock(&free, tag.as_deref()).await? {
                return Ok(Unlocked::TakenFrom(info));
            }
        }
        Err(self.unusable("others take and release it all the time; try again".into()))
    }

    /// Shuts a run out: its next write of log or state will be refused, since
    /// both are no longer what it knows. The log comes first, so that the run
    /// learns who did it, and so that it never begins what it can't log.
    async fn fence(&self, run: &LockInfo, head: &Head, me: &LockInfo) -> Result<(), StoreError> {
        self.fence_log(run, head, me).await?;
        self.fence_state(run).await
    }

    async fn fence_log(
        &self,
        run: &LockInfo,
        head: &Head,
        me: &LockInfo,
    ) -> Result<(), StoreError> {
        let key = self.segment_key(&run.id);
        for _ in 0..TRIES {
            let there = self.bucket.get(&key).await?;
            let (mut text, tag) =
                there.map_or((String::new(), None), |object| (object.text, Some(object.tag)));
            let mut journal = Journal::parse_after(head.base.clone(), text.as_bytes())
                .map_err(|source| StoreError::Log { path: self.path(&key), source })?;
            let event = Event::Fenced { run: run.id.clone(), by: me.who.clone() };
            text.push_str(&journal.append(me.since, event).map_err(StoreError::Order)?);
            if let Put::Done(_) = self.bucket.put(&key, &text, tag.as_deref()).await? {
                return Ok(());
            }
        }
        Err(self.unusable(format!("run {} lives and writes: it is not dead", run.id)))
    }

    async fn fence_state(&self, run: &LockInfo) -> Result<(), StoreError> {
        let key = self.state_key();
        for _ in 0..TRIES {
            let there = self.bucket.get(&key).await?;
            let (text, tag) = match there {
                Some(object) if !object.text.starts_with(NO_STATE) => {
                    let state = self.state_of(&key, &object.text)?;
                    let bumped = State { serial: state.serial + 1, ..state };
                    (self.bytes_of(&key, &bumped)?, Some(object.tag))
                }
                other => {
                    let id = serde_json::Value::from(run.id.clone());
                    let text = format!("{NO_STATE}\"withoutRun\":{id}}}\n");
                    (text, other.map(|object| object.tag))
                }
            };
            if let Put::Done(_) = self.bucket.put(&key, &text, tag.as_deref()).await? {
                return Ok(());
            }
        }
        Err(self.unusable(format!("run {} lives and writes: it is not dead", run.id)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Lets the holder of the lock be a process that is not there.
    pub(in crate::store::s3) async fn kill(store: &S3Store) {
        let Found { mut document, tag } = store.read_lock().await.unwrap();
        document.holder.as_mut().unwrap().process.pid = u32::MAX;
        let put = store.write_lock(&document, tag.as_deref()).await.unwrap();
        assert!(matches!(put, Put::Done(_)));
    }

    fn info() -> LockInfo {
        LockInfo {
            id: "a".into(),
            operation: "apply".into(),
            who: "me@here".into(),
            pid: 1,
            since: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    type Change = fn(&mut Holder);

    #[test]
    fn only_a_proven_death_counts() {
        let on_machine = |boot: &str| {
            let mut this = Holder::this(&info());
            this.machine = "m".into();
            this.process.space = MACHINE_SPACE.into();
            this.process.boot = boot.into();
            this
        };
        let this = on_machine("now");
        assert!(!this.is_gone(&this));
        assert!(on_machine("before").is_gone(&this), "another boot of the same machine");
        let mut ended = this.clone();
        ended.process.pid = u32::MAX;
        assert!(ended.is_gone(&this));
        let unknown: [Change; 5] = [
            |holder| holder.machine = "another".into(),
            |holder| holder.machine.clear(),
            |holder| holder.process.host.push('x'),
            |holder| holder.process.space = "pid:[1]".into(),
            |holder| holder.process.boot.clear(),
        ];
        for change in unknown {
            let mut holder = on_machine("before");
            change(&mut holder);
            assert!(!holder.is_gone(&this), "{holder:?}");
        }
    }
}
