//! The world around the engine: time, disk, account, chance and what went
//! wrong so far. One lock holds all of it, and only the seed moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lkh::plan::Plan;
use lkh::sandbox::world::World;
use lkh::state::State;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::account::Account;
use crate::files::Files;
use crate::rng::Rng;
use crate::weather::Weather;

/// What may be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Throttled,
    Unavailable,
    Unreachable,
    FailedAfterEffect,
    ResponseLost,
    Hung,
    HelmDied,
    Repeated,
    StaleRead,
    Expired,
    ChangedByOthers,
    SlowPods,
    DiskError,
    DiskFull,
    SyncFailed,
    Killed,
    PowerCut,
    StateLost,
    Stopped,
}

/// A story's counts.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub faults: BTreeMap<Fault, u64>,
    pub steps: u64,
    pub commands: u64,
    pub writes: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        self.steps += other.steps;
        self.commands += other.commands;
        self.writes += other.writes;
    }
}

/// What is being carried out, for the checks of what it does.
#[derive(Debug, Default)]
pub struct Approved {
    pub plan: Option<Plan>,
    /// The resources whose work ended well so far.
    pub good: BTreeSet<String>,
    /// The mutating commands that were started.
    pub writes: u64,
    /// What others changed since the operation began.
    pub touched: bool,
}

/// Everything that is not the engine.
#[derive(Debug)]
pub struct Inner {
    pub rng: Rng,
    pub files: Files,
    pub account: Account,
    pub weather: Weather,
    pub counts: Counts,
    pub violations: Vec<String>,
    pub approved: Approved,
    /// Counts the processes.
    pub process: u64,
    pub crashed: bool,
    /// The log's bytes that were looked at already, and the open intents.
    pub intents: crate::intents::Intents,
    /// The states that were ever put in place, by serial.
    pub states: Vec<Vec<u8>>,
    /// The last of them that is certainly there.
    pub last_state: Option<Vec<u8>>,
    /// Ends the process after so many points.
    crash_in: Option<u64>,
    crash: Arc<Notify>,
    base: Timestamp,
    began: Option<Instant>,
    story: Vec<String>,
    hash: DefaultHasher,
}

#[derive(Debug)]
pub struct Sim(Mutex<Inner>);

impl Sim {
    pub fn new(seed: u64, world: World) -> Arc<Self> {
        let base = world.now();
        Arc::new(Self(Mutex::new(Inner {
            rng: Rng::new(seed),
            files: Files::default(),
            account: Account::new(world),
            weather: Weather::default(),
            counts: Counts::default(),
            violations: Vec::new(),
            approved: Approved::default(),
            process: 0,
            crashed: false,
            intents: crate::intents::Intents::default(),
            states: Vec::new(),
            last_state: None,
            crash_in: None,
            crash: Arc::new(Notify::new()),
            base,
            began: None,
            story: Vec::new(),
            hash: DefaultHasher::new(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }
}

impl Inner {
    /// Virtual time: what the processes before took, and this one so far.
    pub fn now(&self) -> Timestamp {
        let so_far = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        self.base.checked_add(so_far).unwrap()
    }

    /// Time passes while no process runs.
    pub fn pass(&mut self, time: Duration) {
        self.base = self.now().checked_add(time).unwrap();
    }

    pub fn begin(&mut self, crash_in: Option<u64>) -> Arc<Notify> {
        self.process += 1;
        self.crashed = false;
        self.crash_in = crash_in;
        self.crash = Arc::new(Notify::new());
        self.began = Some(Instant::now());
        self.approved = Approved::default();
        Arc::clone(&self.crash)
    }

    /// The process is over.
    pub fn end(&mut self) {
        self.crash_in = None;
    }

    /// Stops the process's clock; called while its runtime still stands.
    pub fn stop_clock(&mut self) {
        self.base = self.now();
        self.began = None;
    }

    /// A point at which the process may end. True: it has.
    pub fn point(&mut self, what: &str) -> bool {
        if self.crashed {
            return true;
        }
        match &mut self.crash_in {
            Some(0) => {
                self.crashed = true;
                self.note(&format!("CRASH at {what}"));
                self.crash.notify_one();
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    pub fn hit(&mut self, fault: Fault) {
        *self.counts.faults.entry(fault).or_default() += 1;
        self.note(&format!("fault: {fault:?}"));
    }

    /// Adds to the story, which must be the same for the same seed.
    pub fn note(&mut self, what: &str) {
        let at = self.now();
        let line = format!("{:>10.3}  {what}", seconds(at));
        line.hash(&mut self.hash);
        self.story.push(line);
    }

    pub fn violate(&mut self, invariant: &str, what: &str) {
        self.note(&format!("VIOLATED {invariant}: {what}"));
        self.violations.push(format!("{invariant}: {what}"));
    }

    /// A file was put in the place of another one.
    pub fn renamed(&mut self, to: &Path, bytes: Vec<u8>) {
        if to.extension().is_none_or(|extension| extension != "json") {
            return;
        }
        let before = self.last_state.replace(bytes.clone());
        if let (Ok(state), Some(Ok(before))) =
            (State::from_bytes(&bytes), before.as_deref().map(State::from_bytes))
            && state.lineage == before.lineage
            && state.serial <= before.serial
            && State::to_bytes(&before).ok().as_ref() != Some(&bytes)
        {
            let (was, is) = (before.serial, state.serial);
            self.violate("serial", &format!("a new state has the serial {is} after {was}"));
        }
        self.states.push(bytes);
    }

    pub fn trace_hash(&self) -> u64 {
        self.hash.finish()
    }

    /// The end of the story.
    pub fn told(&self, lines: usize) -> String {
        let from = self.story.len().saturating_sub(lines);
        let mut text = String::new();
        if from > 0 {
            let _ = writeln!(text, "  ... {from} lines before");
        }
        for line in &self.story[from..] {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}

fn seconds(at: Timestamp) -> f64 {
    let since = at.duration_since(epoch());
    since.as_secs_f64()
}

/// When every story begins.
pub fn epoch() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}
