//! Carries out a plan: exactly the planned commands, in parallel where the
//! graph allows, each resource verified by a read.
//!
//! Before a resource is touched it is read again; if what the plan saw on the
//! fields that we own has moved, that resource stops. An intent is logged and
//! synced before each command, its outcome after. No exit code makes a
//! resource `applied`: only a read does. What depends on a failure is skipped,
//! the rest goes on.

mod order;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{SetOnce, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::event::Event;
use super::keeper::Keeper;
use super::read::{Freshness, Sighting, Unreadable, detail};
use super::survey::{Settled, Survey};
use crate::adapter::{Adapter, Blocker, Desired, Prior, Step};
use crate::address::{Address, Reference};
use crate::diff::FieldChange;
use crate::exec::retry::{self, Class};
use crate::exec::{ExecError, explain};
use crate::journal::Outcome;
use crate::manifest::template::Resolution;
use crate::plan::decide::{Decision, Facts, decide};
use crate::plan::{Action, Change, Plan};
use crate::seeded::{self, Bug};
use crate::state::SavedOutput;
use crate::store::StoreError;
use crate::value::Map;
pub use verify::{EXISTS, evidence};

/// How long to wait before obstacles are looked at again.
const OBSTACLE_PAUSE: Duration = Duration::from_secs(1);

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
    /// Whether it was refused because someone else had just made the object: if
    /// a read shows it as declared, it is this resource's.
    pub exists: bool,
    /// Whether nobody knows what came of the command.
    pub unknown: bool,
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
}

impl Applier {
    /// An applier of a plan that was made by this survey; `remembered` is what
    /// each resource depended on when it was last applied.
    pub fn new(
        survey: Arc<Survey>,
        account: String,
        settled: BTreeMap<Address, Arc<Settled>>,
        plan: &Plan,
        remembered: &BTreeMap<Address, BTreeSet<Address>>,
        keeper: Keeper,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let changes: BTreeMap<_, _> =
            plan.changes.iter().map(|change| (change.address.clone(), change.clone())).collect();
        let finished = changes.keys().map(|address| (address.clone(), SetOnce::new())).collect();
        Self {
            predecessors: order::predecessors(&changes, remembered),
            survey,
            account,
            settled,
            changes,
            finished,
            keeper,
            stop,
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
        super::tasks::all(tasks).await;
        self.keeper.result().await?;
        Ok(self
            .finished
            .iter()
            .filter_map(|(address, slot)| Some((address.clone(), Arc::clone(slot.get()?))))
            .collect())
    }

    /// Keeps what the stack's outputs are now.
    pub async fn keep_outputs(&self, outputs: BTreeMap<String, SavedOutput>) {
        self.keeper.outputs(outputs).await;
    }

    /// Logs the run's end.
    ///
    /// # Errors
    /// When the log can't be written.
    pub async fn end(&self, run: &str, code: u8) -> Result<(), StoreError> {
        let ended = crate::journal::Event::RunEnded { run: run.to_owned(), code };
        let _ = self.keeper.end(ended).await;
        self.keeper.result().await
    }

    async fn carry_out(&self, address: &Address) -> Finished {
        let (Some(change), Some(settled)) = (self.changes.get(address), self.settled.get(address))
        else {
            return Finished { ending: Ending::Interrupted, outputs: Map::new() };
        };
        let mut because = None;
        let mut stopped = false;
        for predecessor in self.predecessors.get(address).into_iter().flatten() {
            if seeded::is(Bug::OrderIgnored) {
                break;
            }
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
            self.keep(address, settled).await;
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
            (self.survey.observer.0)(Event::Started {
                address: address.clone(),
                action: change.action,
            });
            match change.action {
                Action::Forget => match self.keeper.forget(address).await {
                    Ok(()) => Ending::Forgotten,
                    Err(_) => Ending::Interrupted,
                },
                Action::Check => {
                    let (ending, outputs) = Box::pin(self.check(address)).await;
                    self.ended(address, change.action, &ending, start);
                    return Finished { ending, outputs };
                }
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
        (self.survey.observer.0)(Event::Ended {
            address: address.clone(),
            action,
            outcome: ending.word(),
            good: ending.is_good(),
            took: start.elapsed(),
        });
    }

    async fn execute(&self, address: &Address, change: &Change) -> (Ending, Map) {
        let adapter = address.kind.adapter();
        let (desired, decision) = match self.look_patiently(address, adapter).await {
            Ok(found) => found,
            Err(error) => return (unreadable("read it before the change", &error), Map::new()),
        };
        if !decision.same_effect(change) && !seeded::is(Bug::MovedIgnored) {
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
        if let Some(step) = unplanned(&decision.steps, change)
            && !seeded::is(Bug::MovedIgnored)
        {
            let why = format!("`{}` would be needed, and the plan does not name it", step.command);
            return (Ending::Moved { now: decision.fields, why }, Map::new());
        }
        let mut failure = None;
        for step in &decision.steps {
            if let Err(error) = self.step(address, step, desired.as_ref()).await {
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

    /// Looks again until nothing that may go by itself is in the way, or time
    /// is up.
    async fn look_patiently(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
    ) -> Result<(Option<Desired>, Decision), Unreadable> {
        let start = Instant::now();
        loop {
            let found = self.look_again(address, adapter).await?;
            let patience = found.1.patience.unwrap_or_default();
            if start.elapsed() + OBSTACLE_PAUSE > patience || *self.stop.borrow() {
                return Ok(found);
            }
            let blockers = found.1.blockers.clone();
            (self.survey.observer.0)(Event::Waiting { address: address.clone(), blockers });
            tokio::time::sleep(OBSTACLE_PAUSE).await;
        }
    }

    /// Reads the object again and decides again, on reads that show what was
    /// done a moment ago.
    async fn look_again(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
    ) -> Result<(Option<Desired>, Decision), Unreadable> {
        let mut found = self.look_once(address, adapter).await?;
        let Some((recent, mut patience)) = self.survey.patience(address) else { return Ok(found) };
        if recent.doubts(&found.1) {
            self.survey.tell_of_pause(address);
        }
        while recent.doubts(&found.1) && patience.wait().await {
            found = Box::pin(self.look_once(address, adapter)).await?;
        }
        Ok(found)
    }

    async fn look_once(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
    ) -> Result<(Option<Desired>, Decision), Unreadable> {
        let Some(entry) = self.survey.entries.get(address) else {
            return Err(wrong("it is not part of the stack".into()));
        };
        let destroy = self.survey.mode == crate::plan::Mode::Destroy;
        let desired = match self.declared(address) {
            _ if destroy => None,
            None => None,
            Some(Ok(desired)) => Some(desired),
            Some(Err(why)) => return Err(wrong(why)),
        };
        let prior = self.prior(address);
        let live = match (&desired, prior) {
            (Some(desired), prior) => {
                let prior = prior.filter(|prior| prior.identity.is_same(&desired.identity));
                Some(self.look_sure(address, (Some(desired), prior)).await?.live)
            }
            (None, Some(_)) => Some(self.look_sure(address, (None, prior)).await?.live),
            (None, None) => None,
        };
        let old = match (&desired, prior) {
            (Some(desired), Some(prior)) if !desired.identity.is_same(&prior.identity) => {
                Some(self.look_sure(address, (None, Some(prior))).await?.live)
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
            prevent_destroy: entry.prevent_destroy,
            ignore: &entry.ignore,
            made_anew,
            missing: None,
            pending: false,
            cleared: false,
            mode: self.survey.mode,
            ahead: false,
        });
        Ok((desired, decision))
    }

    /// What the manifest asks for, with what the finished resources have told.
    fn declared(&self, address: &Address) -> Option<Result<Desired, String>> {
        let entry = self.survey.entries.get(address)?;
        let mut lookup = |reference: &Reference| self.lookup(reference);
        self.survey.desired(address, entry, Some(self.account.as_str()), &mut lookup)
    }

    /// What was applied last and is this resource's to change or remove.
    fn prior(&self, address: &Address) -> Option<&Prior> {
        self.settled.get(address)?.prior.as_deref()
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
        address: &Address,
        of: (Option<&Desired>, Option<&Prior>),
    ) -> Result<Sighting, Unreadable> {
        self.survey.read(address, of, Freshness::Fresh).await
    }

    /// As [`Self::look`], where absence a moment after a change is not believed.
    async fn look_sure(
        &self,
        address: &Address,
        of: (Option<&Desired>, Option<&Prior>),
    ) -> Result<Sighting, Unreadable> {
        let sighting = self.look(address, of).await?;
        self.survey.assure(address, of, sighting).await
    }

    /// Runs one changing command between its intent and its outcome.
    async fn step(
        &self,
        address: &Address,
        step: &Step,
        object: Option<&Desired>,
    ) -> Result<(), Failure> {
        let early = if seeded::is(Bug::IntentAfterCommand) {
            Some(self.survey.gateway.write(&step.command).await)
        } else {
            None
        };
        let operation = self.keeper.intend(address, step, object).await.map_err(|_| Failure {
            what: step.title.clone(),
            command: step.command.to_string(),
            why: "the apply log could not be written, so the command was not run".into(),
            next: "make room for the log, then apply again".into(),
            blockers: Vec::new(),
            exists: false,
            unknown: false,
        })?;
        (self.survey.observer.0)(Event::CommandStarted {
            address: address.clone(),
            title: step.title.clone(),
        });
        let start = Instant::now();
        let result = match early {
            Some(result) => result,
            None => self.survey.gateway.write(&step.command).await,
        };
        let gateway = &self.survey.gateway;
        let class = result.as_ref().map(|answer| retry::classify(&step.command, answer));
        let exists = matches!(class, Ok(Class::Exists));
        // A service may refuse what would change nothing.
        let done = matches!(class, Ok(Class::Success));
        let (outcome, failure) = match result {
            Ok(_) if done => (Outcome::Exited, None),
            Ok(answer) => {
                let explanation = explain::explain(&answer);
                let why = gateway.show(&detail(&answer, "the command failed"));
                let next = explanation.map_or_else(
                    || format!("run `lkh plan --target {address}` to see what is left to do"),
                    |explanation| gateway.show(&explanation.fix),
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
                    | ExecError::Loads { .. }
                    | ExecError::Script { .. }
                    | ExecError::InputUnknown => Outcome::Failed { code: -1, why: why.clone() },
                };
                (outcome, Some((why, error.next())))
            }
        };
        let unknown = matches!(outcome, Outcome::Unknown { .. });
        // Failing to log the outcome stops the run; the open intent remains.
        let _ = self.keeper.outcome(operation, outcome).await;
        (self.survey.observer.0)(Event::CommandEnded {
            address: address.clone(),
            title: step.title.clone(),
            succeeded: failure.is_none(),
            took: start.elapsed(),
        });
        match failure {
            None => Ok(()),
            Some(_) if seeded::is(Bug::FailureSwallowed) => Ok(()),
            Some((why, next)) => Err(Failure {
                what: step.title.clone(),
                command: step.command.to_string(),
                why,
                next,
                blockers: Vec::new(),
                exists,
                unknown,
            }),
        }
    }
}

/// A manifest that can't be understood with what is known now.
fn wrong(why: String) -> Unreadable {
    Unreadable { command: String::new(), why, next: "correct the manifest, then plan again".into() }
}

fn unreadable(what: &str, error: &Unreadable) -> Ending {
    Ending::Failed(Failure {
        what: what.to_owned(),
        command: error.command.clone(),
        why: error.why.clone(),
        next: error.next.clone(),
        blockers: Vec::new(),
        exists: false,
        unknown: false,
    })
}

/// The first step that the plan does not name, in the plan's order.
fn unplanned<'a>(steps: &'a [Step], change: &Change) -> Option<&'a Step> {
    let mut planned = change.commands.iter();
    steps.iter().find(|step| !planned.any(|command| command.allows(step)))
}
