//! Carries out a plan: exactly the planned commands, in parallel where the
//! graph allows, each resource verified by a read.
//!
//! Before a resource is touched it is read again; if what the plan saw on the
//! fields that we own has moved, that resource stops. An intent is logged and
//! synced before each command, its outcome after. No exit code makes a
//! resource `applied`: only a read does. What depends on a failure is skipped,
//! the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{SetOnce, watch};
use tokio::task::JoinSet;

use super::event::Event;
use super::keeper::Keeper;
use super::read::{Freshness, Sighting, Unreadable, detail, read};
use super::survey::{ObserverBox, Settled, Survey, outputs};
use crate::adapter::{Adapter, Blocker, Desired, Health, Live, Prior, Readiness, Step, Subject};
use crate::address::{Address, Reference};
use crate::diff::{FieldChange, reached};
use crate::exec::{ExecError, explain};
use crate::graph::Graph;
use crate::journal::Outcome;
use crate::manifest::template::Resolution;
use crate::plan::decide::{Decision, Facts, decide, differences};
use crate::plan::{Action, Change, Plan};
use crate::state::{Evidence, Record, Status};
use crate::store::StoreError;
use crate::value::Map;

/// How long a change may take to show in a read after its command ended: IAM
/// and EKS are eventually consistent.
const SETTLE_WINDOW: Duration = Duration::from_secs(60);
/// How long an object that is as declared may take to become ready.
const READY_WINDOW: Duration = Duration::from_secs(120);

/// How the work on one resource ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was to do, and it is ready.
    Unchanged,
    /// It is as declared and ready; a read proved it.
    Applied,
    /// It is gone; a read proved it.
    Destroyed,
    /// It left the state.
    Forgotten,
    /// It is as declared, or as near as it came, and does not do its work.
    NotReady(Vec<Blocker>),
    /// It can't be carried out.
    Blocked(Vec<Blocker>),
    /// A command failed, or the read after it did not show the change.
    Failed(Failure),
    /// What the plan saw is no longer what is there.
    Moved {
        /// What differs now between desired and live.
        now: Vec<FieldChange>,
        /// In a sentence.
        why: String,
    },
    /// Something that it depends on did not end well.
    Skipped {
        /// What.
        because: Address,
    },
    /// The run was told to stop before it was its turn.
    Interrupted,
}

impl Ending {
    /// Whether what depends on it may go on.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Unchanged | Self::Applied | Self::Destroyed | Self::Forgotten)
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Applied => "applied",
            Self::Destroyed => "destroyed",
            Self::Forgotten => "forgotten",
            Self::NotReady(_) => "not ready",
            Self::Blocked(_) => "blocked",
            Self::Failed(_) => "failed",
            Self::Moved { .. } => "moved since the plan",
            Self::Skipped { .. } => "skipped",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A failure, with all that a person needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub what: String,
    /// The argv, redacted; empty when no command failed.
    pub command: String,
    /// Exit code and last lines, or why there is none; redacted.
    pub why: String,
    /// What to do about it.
    pub next: String,
    /// What stands in the way, as far as a read tells.
    pub blockers: Vec<Blocker>,
}

/// The end of the work on one resource.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// What others may refer to now.
    pub outputs: Map,
}

/// Carries out one plan.
#[derive(Debug)]
pub struct Applier {
    survey: Arc<Survey>,
    account: String,
    settled: BTreeMap<Address, Arc<Settled>>,
    changes: BTreeMap<Address, Change>,
    predecessors: BTreeMap<Address, BTreeSet<Address>>,
    finished: BTreeMap<Address, SetOnce<Arc<Finished>>>,
    keeper: Keeper,
    stop: watch::Receiver<bool>,
    observer: ObserverBox,
}

impl Applier {
    /// An applier of a plan that was made by this survey.
    pub fn new(
        survey: Arc<Survey>,
        account: String,
        settled: BTreeMap<Address, Arc<Settled>>,
        plan: &Plan,
        keeper: Keeper,
        stop: watch::Receiver<bool>,
        observer: super::event::Observer,
    ) -> Self {
        let changes: BTreeMap<_, _> =
            plan.changes.iter().map(|change| (change.address.clone(), change.clone())).collect();
        let finished = changes.keys().map(|address| (address.clone(), SetOnce::new())).collect();
        Self {
            predecessors: predecessors(&changes, &keeper),
            survey,
            account,
            settled,
            changes,
            finished,
            keeper,
            stop,
            observer: ObserverBox(observer),
        }
    }

    /// Carries the plan out and says how each resource ended.
    ///
    /// # Errors
    /// When state or log could not be written: the run stopped there.
    pub async fn run(self: &Arc<Self>) -> Result<BTreeMap<Address, Arc<Finished>>, StoreError> {
        let mut tasks = JoinSet::new();
        for address in self.changes.keys() {
            let applier = Arc::clone(self);
            let address = address.clone();
            tasks.spawn(async move {
                let finished = Arc::new(applier.carry_out(&address).await);
                if let Some(slot) = applier.finished.get(&address) {
                    drop(slot.set(finished));
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        self.keeper.result()?;
        Ok(self
            .finished
            .iter()
            .filter_map(|(address, slot)| Some((address.clone(), Arc::clone(slot.get()?))))
            .collect())
    }

    /// Logs the run's end.
    ///
    /// # Errors
    /// When the log can't be written.
    pub fn end(&self, run: &str, code: u8) -> Result<(), StoreError> {
        let _ = self.keeper.note(crate::journal::Event::RunEnded { run: run.to_owned(), code });
        self.keeper.result()
    }

    async fn carry_out(&self, address: &Address) -> Finished {
        let (Some(change), Some(settled)) = (self.changes.get(address), self.settled.get(address))
        else {
            return Finished { ending: Ending::Interrupted, outputs: Map::new() };
        };
        let mut because = None;
        let mut stopped = false;
        for predecessor in self.predecessors.get(address).into_iter().flatten() {
            let Some(slot) = self.finished.get(predecessor) else { continue };
            let ending = &slot.wait().await.ending;
            if *ending == Ending::Interrupted {
                stopped = true;
            } else if !ending.is_good() {
                because.get_or_insert_with(|| predecessor.clone());
            }
        }
        let start = Instant::now();
        let ending = if change.action == Action::NoOp {
            self.keep(address, settled);
            return Finished {
                ending: if change.blockers.is_empty() {
                    Ending::Unchanged
                } else {
                    Ending::NotReady(change.blockers.clone())
                },
                outputs: settled.outputs.clone(),
            };
        } else if change.action == Action::Unknown {
            Ending::Blocked(change.blockers.clone())
        } else if let Some(because) = because {
            Ending::Skipped { because }
        } else if stopped || *self.stop.borrow() || self.keeper.is_broken() {
            Ending::Interrupted
        } else {
            (self.observer.0)(Event::Started { address: address.clone(), action: change.action });
            match change.action {
                Action::Forget => match self.keeper.forget(address) {
                    Ok(()) => Ending::Forgotten,
                    Err(_) => Ending::Interrupted,
                },
                Action::NoOp
                | Action::Unknown
                | Action::Create
                | Action::Adopt
                | Action::Update
                | Action::Replace
                | Action::Repair
                | Action::Delete => {
                    let (ending, outputs) = Box::pin(self.execute(address, change)).await;
                    self.ended(address, change.action, &ending, start);
                    return Finished { ending, outputs };
                }
            }
        };
        self.ended(address, change.action, &ending, start);
        Finished { ending, outputs: settled.outputs.clone() }
    }

    fn ended(&self, address: &Address, action: Action, ending: &Ending, start: Instant) {
        (self.observer.0)(Event::Ended {
            address: address.clone(),
            action,
            outcome: ending.word(),
            good: ending.is_good(),
            took: start.elapsed(),
        });
    }

    async fn execute(&self, address: &Address, change: &Change) -> (Ending, Map) {
        let adapter = address.kind.adapter();
        let (desired, decision) = match self.look_again(address, adapter).await {
            Ok(found) => found,
            Err(error) => return (unreadable("read it before the change", &error), Map::new()),
        };
        if !decision.same_effect(change) {
            let why = if decision.action == change.action {
                "its fields are not what the plan saw".to_owned()
            } else {
                format!("it {} now: {}", decision.action.phrase(), decision.reason)
            };
            return (Ending::Moved { now: decision.fields, why }, Map::new());
        }
        let adopting = change.action == Action::Adopt
            && decision.steps.is_empty()
            && decision.fields.is_empty();
        // What was blocked when it was reviewed was not approved either.
        for blockers in [&decision.blockers, &change.blockers] {
            if !blockers.is_empty() && !adopting {
                return (Ending::Blocked(blockers.clone()), Map::new());
            }
        }
        if let Some(step) = unplanned(&decision.steps, change) {
            let why = format!("`{}` would be needed, and the plan does not name it", step.command);
            return (Ending::Moved { now: decision.fields, why }, Map::new());
        }
        let mut failure = None;
        for step in &decision.steps {
            if let Err(error) = self.step(address, step).await {
                failure = Some(error);
                break;
            }
        }
        if self.keeper.is_broken() {
            return (Ending::Interrupted, Map::new());
        }
        match &desired {
            Some(desired) => self.verify(address, adapter, desired, failure).await,
            None => self.verify_gone(address, adapter, failure).await,
        }
    }

    /// Reads the object again and decides again.
    async fn look_again(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
    ) -> Result<(Option<Desired>, Decision), Unreadable> {
        let wrong = |why: String| Unreadable {
            command: String::new(),
            why,
            next: "correct the manifest, then plan again".into(),
        };
        let Some(subject) = self.survey.entries.get(address) else {
            return Err(wrong("it is not part of the stack".into()));
        };
        let destroy = self.survey.mode == crate::plan::Mode::Destroy;
        let account = Some(self.account.as_str());
        let mut lookup = |reference: &Reference| self.lookup(reference);
        let desired = match self.survey.desired(address, subject, account, &mut lookup) {
            _ if destroy => None,
            None => None,
            Some(Ok(desired)) => Some(desired),
            Some(Err(why)) => return Err(wrong(why)),
        };
        let prior = subject.prior.as_deref();
        let live = match (&desired, prior) {
            (Some(desired), prior) => {
                let prior = prior.filter(|prior| prior.identity == desired.identity);
                Some(self.look(adapter, Some(desired), prior).await?.live)
            }
            (None, Some(_)) => Some(self.look(adapter, None, prior).await?.live),
            (None, None) => None,
        };
        let old = match (&desired, prior) {
            (Some(desired), Some(prior)) if desired.identity != prior.identity => {
                Some(self.look(adapter, None, Some(prior)).await?.live)
            }
            _ => None,
        };
        // What it is bound to is made anew by now, so only the plan remembers.
        let planned = self.changes.get(address).map(|change| &change.reason);
        let made_anew = match planned {
            Some(crate::plan::Reason::BoundTo { address }) => Some(address),
            _ => None,
        };
        let decision = decide(Facts {
            adapter,
            desired: desired.as_ref(),
            prior,
            live: live.as_ref(),
            old: old.as_ref(),
            external: false,
            prevent_destroy: subject.prevent_destroy,
            ignore: &subject.ignore,
            made_anew,
            destroy,
        });
        Ok((desired, decision))
    }

    fn lookup(&self, reference: &Reference) -> Resolution {
        if let Reference::Output { target, attribute } = reference {
            let finished = self.finished.get(target).and_then(SetOnce::get);
            let outputs = match finished {
                Some(finished) => Some(&finished.outputs),
                None => self.settled.get(target).map(|settled| &settled.outputs),
            };
            return match outputs.and_then(|outputs| outputs.get(attribute)) {
                Some(value) => Resolution::Known(value.clone()),
                None => Resolution::Unknown,
            };
        }
        self.survey.known(reference, Some(&self.account))
    }

    async fn look(
        &self,
        adapter: &'static dyn Adapter,
        desired: Option<&Desired>,
        prior: Option<&Prior>,
    ) -> Result<Sighting, Unreadable> {
        let identity = match (desired, prior) {
            (Some(desired), _) => &desired.identity,
            (None, Some(prior)) => &prior.identity,
            (None, None) => return Ok(Sighting { live: Live::Absent, commands: Vec::new() }),
        };
        let subject = Subject { identity, desired, prior };
        read(&self.survey.gateway, adapter, subject, Freshness::Fresh).await
    }

    /// Runs one changing command between its intent and its outcome.
    async fn step(&self, address: &Address, step: &Step) -> Result<(), Failure> {
        let operation = self.keeper.intend(address, step).map_err(|_| Failure {
            what: step.title.clone(),
            command: step.command.to_string(),
            why: "the apply log could not be written, so the command was not run".into(),
            next: "make room for the log, then apply again".into(),
            blockers: Vec::new(),
        })?;
        (self.observer.0)(Event::CommandStarted {
            address: address.clone(),
            title: step.title.clone(),
        });
        let start = Instant::now();
        let result = self.survey.gateway.write(&step.command).await;
        let gateway = &self.survey.gateway;
        let (outcome, failure) = match result {
            Ok(answer) if answer.succeeded() => (Outcome::Exited, None),
            Ok(answer) => {
                let explanation = explain::explain(&answer);
                let why = gateway.show(&detail(&answer, "the command failed"));
                let next = explanation.map_or_else(
                    || format!("run `lkh plan --target {address}` to see what is left to do"),
                    |explanation| explanation.fix,
                );
                (Outcome::Failed { code: answer.code, why: why.clone() }, Some((why, next)))
            }
            Err(error) => {
                let why = gateway.show(&error.to_string());
                let outcome = match &error {
                    ExecError::TimedOut { .. }
                    | ExecError::Killed { .. }
                    | ExecError::TooMuchOutput { .. }
                    | ExecError::Failed { .. } => Outcome::Unknown { why: why.clone() },
                    ExecError::ToolMissing { .. }
                    | ExecError::Docker { .. }
                    | ExecError::NotARead
                    | ExecError::InputUnknown => Outcome::Failed { code: -1, why: why.clone() },
                };
                (outcome, Some((why, error.next())))
            }
        };
        // Failing to log the outcome stops the run; the open intent remains.
        let _ = self.keeper.outcome(operation, outcome);
        (self.observer.0)(Event::CommandEnded {
            address: address.clone(),
            title: step.title.clone(),
            succeeded: failure.is_none(),
            took: start.elapsed(),
        });
        match failure {
            None => Ok(()),
            Some((why, next)) => Err(Failure {
                what: step.title.clone(),
                command: step.command.to_string(),
                why,
                next,
                blockers: Vec::new(),
            }),
        }
    }

    /// Reads until the object is as declared and ready, or time is up.
    async fn verify(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        desired: &Desired,
        failure: Option<Failure>,
    ) -> (Ending, Map) {
        let Some(subject) = self.survey.entries.get(address) else {
            return (Ending::Interrupted, Map::new());
        };
        // What was applied before tells what had to go.
        let prior = subject.prior.as_deref().filter(|prior| prior.identity == desired.identity);
        // Under another identity, the object that was applied before must go.
        let before = subject
            .prior
            .as_deref()
            .filter(|prior| prior.identity != desired.identity)
            .filter(|_| adapter.never_deleted().is_none());
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        loop {
            let old = match before {
                None => None,
                Some(_) => match self.look(adapter, None, before).await {
                    Ok(Sighting { live: Live::Absent, .. }) => None,
                    Ok(Sighting { live: Live::Present(_), .. }) => before,
                    Err(error) => {
                        return (self.unverified(address, failure, &error), Map::new());
                    }
                },
            };
            let (problem, blockers, sighting) = match self.look(adapter, Some(desired), prior).await
            {
                Err(error) => {
                    return (self.unverified(address, failure, &error), Map::new());
                }
                Ok(sighting) => match (old, &sighting.live) {
                    (Some(old), _) => {
                        (format!("{} still exists", old.identity), Vec::new(), sighting)
                    }
                    (None, Live::Absent) => ("it does not exist".to_owned(), Vec::new(), sighting),
                    (None, Live::Present(object)) => {
                        let found = differences(adapter, desired, prior, object, &subject.ignore);
                        let ready = adapter.readiness(desired, object);
                        let problem = match &object.health {
                            Health::Sound if found.is_equal() => match ready {
                                Readiness::Ready => {
                                    return self.proved(address, desired, &sighting);
                                }
                                Readiness::NotReady(blockers) | Readiness::Waiting(blockers) => {
                                    ("it is not ready".to_owned(), blockers)
                                }
                            },
                            Health::Sound => (
                                format!(
                                    "{} is still not as declared",
                                    found
                                        .changes
                                        .first()
                                        .map(|c| c.path.to_string())
                                        .unwrap_or_default()
                                ),
                                blockers_of(ready),
                            ),
                            Health::Broken(why) | Health::Outdated(why) | Health::Busy(why) => {
                                (why.clone(), blockers_of(ready))
                            }
                        };
                        (problem.0, problem.1, sighting)
                    }
                },
            };
            let window = if blockers.is_empty() { SETTLE_WINDOW } else { READY_WINDOW };
            let hopeless = failure.is_some()
                || start.elapsed() + pause > window
                || *self.stop.borrow()
                || matches!(&sighting.live, Live::Present(object)
                    if object.health == Health::Sound
                        && matches!(adapter.readiness(desired, object), Readiness::NotReady(_)))
                || matches!(&sighting.live, Live::Present(object)
                    if matches!(object.health, Health::Broken(_)));
            if !hopeless {
                if !blockers.is_empty() {
                    (self.observer.0)(Event::Waiting {
                        address: address.clone(),
                        blockers: blockers.clone(),
                    });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
                continue;
            }
            if old.is_some() {
                // The state goes on remembering the old object, or nobody would
                // know of it any more.
                let _ = self.keeper.mark_unverified(address);
                let failure = failure.unwrap_or_else(|| not_shown(address, &problem));
                return (Ending::Failed(failure), Map::new());
            }
            return self
                .fell_short(address, adapter, desired, failure, &problem, blockers, &sighting);
        }
    }

    /// A read proved that the object is as declared and ready.
    fn proved(&self, address: &Address, desired: &Desired, sighting: &Sighting) -> (Ending, Map) {
        let outputs = outputs(Some(desired), Some(&sighting.live), Action::NoOp);
        let record = self.record(address, desired.attributes.clone(), desired, &outputs, sighting);
        match self.keeper.record(address, Record { status: Status::Applied, ..record }) {
            Ok(()) => (Ending::Applied, outputs),
            Err(_) => (Ending::Interrupted, outputs),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of the one attempt")]
    fn fell_short(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        desired: &Desired,
        failure: Option<Failure>,
        problem: &str,
        blockers: Vec<Blocker>,
        sighting: &Sighting,
    ) -> (Ending, Map) {
        let outputs = outputs(Some(desired), Some(&sighting.live), Action::NoOp);
        let mut ending = match failure {
            Some(failure) => Ending::Failed(Failure { blockers: blockers.clone(), ..failure }),
            None if !blockers.is_empty() => Ending::NotReady(blockers.clone()),
            None => Ending::Failed(not_shown(address, problem)),
        };
        if let Live::Present(object) = &sighting.live {
            // Only what a read shows was applied; what is still to go stays
            // remembered as ours.
            let subject = self.survey.entries.get(address);
            let prior = subject
                .and_then(|subject| subject.prior.as_deref())
                .filter(|prior| prior.identity == desired.identity);
            let ignore = subject.map(|subject| subject.ignore.as_slice()).unwrap_or_default();
            let found = differences(adapter, desired, prior, object, ignore);
            let prior = prior.map(|prior| &prior.attributes);
            let attributes = reached(&desired.attributes, prior, &found.changes);
            let record = self.record(address, attributes, desired, &outputs, sighting);
            let blockers = match &ending {
                Ending::Failed(failure) if blockers.is_empty() => vec![Blocker {
                    code: "CommandFailed".into(),
                    message: format!("{}: {}", failure.what, failure.why),
                    next: failure.next.clone(),
                }],
                _ => blockers,
            };
            let record = Record { status: Status::NotReady, blockers, ..record };
            if self.keeper.record(address, record).is_err() {
                ending = Ending::Interrupted;
            }
        }
        (ending, outputs)
    }

    /// The object could not be read after a change: nobody knows.
    fn unverified(
        &self,
        address: &Address,
        failure: Option<Failure>,
        error: &Unreadable,
    ) -> Ending {
        let _ = self.keeper.mark_unverified(address);
        match failure {
            Some(failure) => Ending::Failed(failure),
            None => unreadable("read it after the change", error),
        }
    }

    async fn verify_gone(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        failure: Option<Failure>,
    ) -> (Ending, Map) {
        let prior = self.survey.entries.get(address).and_then(|subject| subject.prior.as_deref());
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        loop {
            match self.look(adapter, None, prior).await {
                Err(error) => {
                    let _ = self.keeper.mark_unverified(address);
                    let ending = match failure {
                        Some(failure) => Ending::Failed(failure),
                        None => unreadable("read it after the change", &error),
                    };
                    return (ending, Map::new());
                }
                Ok(Sighting { live: Live::Absent, .. }) => {
                    let ending = match self.keeper.gone(address) {
                        Ok(()) => Ending::Destroyed,
                        Err(_) => Ending::Interrupted,
                    };
                    return (ending, Map::new());
                }
                Ok(_) if failure.is_none() && start.elapsed() + pause < SETTLE_WINDOW => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Ok(_) => {
                    // Parts of it may be gone: nobody can say that it is applied.
                    let _ = self.keeper.mark_unverified(address);
                    let failure = failure.unwrap_or_else(|| Failure {
                        what: "verify the deletion".into(),
                        command: String::new(),
                        why: "the commands succeeded, but it still exists".into(),
                        next: format!("run `lkh plan --target {address}`"),
                        blockers: Vec::new(),
                    });
                    return (Ending::Failed(failure), Map::new());
                }
            }
        }
    }

    /// Brings the record of a resource that needs no change up to date with
    /// what was read, if it says something else.
    fn keep(&self, address: &Address, settled: &Settled) {
        let (Some(desired), Some(Live::Present(object))) = (&settled.desired, &settled.live) else {
            return;
        };
        if self.survey.entries.get(address).is_none_or(|subject| subject.prior.is_none()) {
            return;
        }
        let blockers = settled.decision.blockers.clone();
        let status = if blockers.is_empty() { Status::Applied } else { Status::NotReady };
        let sighting =
            Sighting { live: Live::Present(object.clone()), commands: settled.evidence.clone() };
        let record =
            self.record(address, desired.attributes.clone(), desired, &settled.outputs, &sighting);
        self.keeper.refresh(address, Record { status, blockers, ..record });
    }

    fn record(
        &self,
        address: &Address,
        attributes: Map,
        desired: &Desired,
        outputs: &Map,
        sighting: &Sighting,
    ) -> Record {
        let subject = self.survey.entries.get(address);
        Record {
            applied: Arc::new(Prior {
                identity: desired.identity.clone(),
                attributes,
                outputs: outputs.clone(),
                settings: desired.settings.clone(),
            }),
            status: Status::Unverified,
            phase: subject.and_then(|subject| subject.phase.clone()),
            dependencies: subject.map(|subject| subject.dependencies.clone()).unwrap_or_default(),
            prevent_destroy: subject.is_some_and(|subject| subject.prevent_destroy),
            blockers: Vec::new(),
            evidence: evidence(sighting),
        }
    }
}

/// What a read proves, command by command.
pub fn evidence(sighting: &Sighting) -> Vec<Evidence> {
    let at = jiff::Timestamp::now();
    let claim = match &sighting.live {
        Live::Present(_) => "exists, and this is what was read of it",
        Live::Absent => "does not exist",
    };
    let mut evidence: Vec<_> = sighting
        .commands
        .iter()
        .map(|(command, digest)| Evidence {
            claim: claim.to_owned(),
            command: command.clone(),
            at,
            digest: digest.clone(),
        })
        .collect();
    evidence.dedup_by(|a, b| a.command == b.command);
    evidence
}

fn blockers_of(readiness: Readiness) -> Vec<Blocker> {
    match readiness {
        Readiness::Ready => Vec::new(),
        Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => blockers,
    }
}

/// The read after the change did not show it.
fn not_shown(address: &Address, problem: &str) -> Failure {
    Failure {
        what: "verify the change".into(),
        command: String::new(),
        why: format!("the commands succeeded, but {problem}"),
        next: format!("run `lkh plan --target {address}`"),
        blockers: Vec::new(),
    }
}

fn unreadable(what: &str, error: &Unreadable) -> Ending {
    Ending::Failed(Failure {
        what: what.to_owned(),
        command: error.command.clone(),
        why: error.why.clone(),
        next: error.next.clone(),
        blockers: Vec::new(),
    })
}

/// The first step that the plan does not name, in the plan's order.
fn unplanned<'a>(steps: &'a [Step], change: &Change) -> Option<&'a Step> {
    let mut planned = change.commands.iter();
    steps.iter().find(|step| !planned.any(|command| command.allows(step)))
}

/// What must end before each change begins: its dependencies, and for a
/// deletion everything that depended on the object.
fn predecessors(
    changes: &BTreeMap<Address, Change>,
    keeper: &Keeper,
) -> BTreeMap<Address, BTreeSet<Address>> {
    let goes = |address: &Address| {
        changes
            .get(address)
            .is_some_and(|change| matches!(change.action, Action::Delete | Action::Forget))
    };
    let mut predecessors: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for (address, change) in changes {
        let before = predecessors.entry(address.clone()).or_default();
        if !goes(address) {
            before.extend(
                change
                    .depends_on
                    .iter()
                    .filter(|dependency| changes.contains_key(*dependency) && !goes(dependency))
                    .cloned(),
            );
        }
    }
    let remembered = keeper.dependencies();
    for (address, change) in changes {
        let old = remembered.get(address).into_iter().flatten();
        for dependency in change.depends_on.iter().chain(old) {
            if goes(dependency) && dependency != address {
                predecessors.entry(dependency.clone()).or_default().insert(address.clone());
            }
        }
    }
    if changes.keys().any(goes) {
        untangle(&mut predecessors, &remembered);
    }
    predecessors
}

/// Takes circles apart, which no task would ever come out of. Only deletions
/// can be in one: where the manifests turned round what depended on what since
/// the last apply. What was so when the objects were made counts then.
fn untangle(
    predecessors: &mut BTreeMap<Address, BTreeSet<Address>>,
    remembered: &BTreeMap<Address, BTreeSet<Address>>,
) {
    for by_memory in [true, false] {
        for circle in Graph::new(predecessors).cycles() {
            for address in &circle {
                if let Some(before) = predecessors.get_mut(address) {
                    before.retain(|other| {
                        let depended =
                            remembered.get(other).is_some_and(|known| known.contains(address));
                        !circle.contains(other) || (by_memory && depended)
                    });
                }
            }
        }
    }
}
