//! Joins the others: refresh, plan and apply. The only module that knows
//! adapters, diff, plan, state, store and exec at once.
//!
//! Data goes one way: `survey` reads and decides, `plan` is made of its
//! decisions, `apply` carries the plan out and `keeper` writes state and log.
//! Nothing here prints or reads the environment.

pub mod apply;
mod claims;
pub mod clock;
pub mod entry;
pub mod event;
pub mod keeper;
pub mod leftovers;
pub mod look;
pub mod outputs;
pub mod pins;
pub mod preflight;
pub mod read;
mod refresh;
mod report;
mod runs;
pub mod status;
pub mod survey;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use self::apply::Applier;
use self::clock::Clock;
use self::entry::{Entry, add_begun, entries, graph};
use self::event::Observer;
use self::keeper::Keeper;
use self::outputs::Remembered;
use self::read::Unreadable;
pub use self::report::Report;
use self::survey::{Purpose, Settled, Survey};
use crate::address::Address;
use crate::exec::gateway::Gateway;
use crate::journal;
use crate::manifest::stack::Stack;
use crate::plan::whole::Whole;
use crate::plan::{Action, Change, FORMAT_VERSION, Mode, Plan, PlannedCommand};
use crate::state::State;
use crate::store::{Lock, Store, StoreError};

/// Why the engine could not do its work at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The account could not be told, so nothing can be read.
    #[error("can't tell which AWS account this is: {}\n  command: {}\n  next: {}", .0.why, .0.command, .0.next)]
    Account(Unreadable),
    /// The state belongs to another installation.
    #[error("the state is of {what} {theirs}, and this is {ours}; {next}")]
    ForeignState {
        /// Account, region or stack.
        what: &'static str,
        /// What the state says.
        theirs: String,
        /// What is true now.
        ours: String,
        /// What to do.
        next: &'static str,
    },
    /// The state is not what it was when the plan was made of it.
    #[error(
        "the state was changed by someone else while this run held its lock; nothing was changed; \
         run the command again"
    )]
    StateChanged,
    /// The resources depend on each other in a circle.
    #[error("these resources depend on each other in a circle: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Cycle(Vec<Address>),
    /// Two resources turned out to stand for one object.
    #[error("{first} and {second} both stand for {claim}; remove one of them")]
    SameObject {
        /// One.
        first: Address,
        /// The other.
        second: Address,
        /// What both claim.
        claim: String,
    },
    /// The toolbox image is not the one that was locked.
    #[error(
        "the toolbox image {image} is not the one that was locked: it is {found} now, and the lock \
         file says {locked}; nothing was run in it; `lkh lock` accepts it"
    )]
    ToolboxMoved {
        /// The image.
        image: String,
        /// What was locked.
        locked: String,
        /// What it is.
        found: String,
    },
    /// A target names nothing.
    #[error(
        "nothing is called {0}: --target takes an address of the stack (Kind.name) or phase.NAME"
    )]
    NoSuchTarget(String),
    /// The state or the log could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets(pub Vec<String>);

/// What every run needs.
pub struct Engine {
    /// The stack.
    pub stack: Arc<Stack>,
    /// The way to the tools.
    pub gateway: Arc<Gateway>,
    /// The AWS region.
    pub region: String,
    /// Where the state lives.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Whoever shows what happens.
    pub observer: Observer,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("stack", &self.stack.name).finish_non_exhaustive()
    }
}

/// Which state a plan is made of.
struct Origin {
    stack: String,
    account: String,
    region: String,
    lineage: String,
    serial: u64,
}

impl Origin {
    fn of(state: State) -> Self {
        let State { stack, account, region, lineage, serial, .. } = state;
        Self { stack, account, region, lineage, serial }
    }
}

/// A plan, with what its apply needs besides: what was desired and read, with
/// the secrets that the plan does not hold.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    remembered: Remembered,
    survey: Arc<Survey>,
    account: String,
    settled: BTreeMap<Address, Arc<Settled>>,
}

impl Engine {
    /// Reads everything and plans. Changes nothing anywhere.
    ///
    /// # Errors
    /// When nothing can be planned at all. A resource that can't be read is
    /// part of the plan, as unknown.
    pub async fn plan(&self, mode: Mode, targets: &Targets) -> Result<Planned, EngineError> {
        self.survey(mode, targets, Purpose::Plan).await
    }

    async fn survey(
        &self,
        mode: Mode,
        targets: &Targets,
        purpose: Purpose,
    ) -> Result<Planned, EngineError> {
        self.check_toolbox().await?;
        let end = self.store.last_line();
        let state = self.store.load().await?;
        let past = self.past(state.as_ref(), end).await?;
        let mut all = entries(&self.stack, state.as_ref(), mode);
        add_begun(&mut all, &past.begun);
        let whole = graph(&all);
        let mut order = whole
            .order()
            .map_err(|cycles| EngineError::Cycle(cycles.into_iter().flatten().collect()))?;
        if mode == Mode::Destroy {
            // What depends on something goes before it.
            order.reverse();
        }
        let roots = Self::roots(&all, targets)?;
        let chosen = match (&roots, mode) {
            (None, _) => all.keys().cloned().collect(),
            (Some(roots), Mode::Apply) => whole.with_dependencies(roots),
            (Some(roots), Mode::Destroy) => {
                // What the chosen ones need to be read stays in, unchanged.
                let going = whole.with_dependents(roots);
                let external =
                    |address: &Address| all.get(address).is_some_and(|entry| entry.external);
                let needed = whole.with_dependencies(&going);
                needed.into_iter().filter(|a| going.contains(a) || external(a)).collect()
            }
        };
        let chosen: BTreeMap<_, _> =
            all.into_iter().filter(|(address, _)| chosen.contains(address)).collect();
        let recent = past.log.as_ref().map_or_else(BTreeMap::new, |log| {
            survey::recent::recent(state.as_ref(), log, self.clock.now())
        });
        let survey = Arc::new(Survey::of(self, mode, chosen, purpose, recent));
        let remembered = Remembered::of(&self.stack, state.as_ref());
        // Its evidence would be half of what a large plan keeps.
        let origin = state.map(Origin::of);
        let (account, mut settled) = survey.walk().await.map_err(EngineError::Account)?;
        self.check_origin(origin.as_ref(), &account)?;
        claims::check(&survey, &settled)?;
        claims::spare(&survey, &account, &mut settled).await;
        let mut changes: Vec<Change> = order
            .iter()
            .filter_map(|address| Some(change(address, &survey, settled.get(address)?)))
            .collect();
        if mode == Mode::Apply {
            self.check_charts(&mut changes).await;
        }
        let outputs = match mode {
            Mode::Apply => outputs::planned(self, &account, &settled, &remembered),
            Mode::Destroy => Vec::new(),
        };
        let plan = Plan {
            format_version: FORMAT_VERSION,
            stack: self.stack.name.clone(),
            mode,
            account: account.clone(),
            region: self.region.clone(),
            lineage: origin.as_ref().map(|origin| origin.lineage.clone()),
            serial: origin.as_ref().map_or(0, |origin| origin.serial),
            after: past.after,
            manifests: self.stack.digest.clone(),
            variables: self.stack.variables.clone(),
            targets: targets.0.clone(),
            changes,
            outputs,
        };
        Ok(Planned { plan, remembered, survey, account, settled })
    }

    /// Carries a plan out. The lock is held from before the plan was made.
    ///
    /// # Errors
    /// When state or log can't be written: then the run stopped there.
    pub async fn apply(
        &self,
        planned: Planned,
        run: &str,
        lock: &Arc<Lock>,
        stop: watch::Receiver<bool>,
    ) -> Result<Report, EngineError> {
        let Planned { plan, remembered: past, survey, account, settled } = planned;
        let state = self
            .state_of(&plan)
            .await?
            .unwrap_or_else(|| State::new(&self.stack.name, new_lineage(), &account, &self.region));
        let mut log = self.store.open_log(lock, Some(&state)).await?;
        log.append(
            self.clock.now(),
            journal::Event::RunStarted {
                format_version: journal::FORMAT_VERSION,
                run: run.to_owned(),
                plan: plan.binding(),
            },
        )
        .await?;
        // After the log has taken the first line: who may not write it writes
        // over no backup either.
        self.store.back_up(lock).await?;
        let remembered = state
            .resources
            .iter()
            .map(|(address, record)| (address.clone(), record.dependencies.clone()))
            .collect();
        let keeper =
            Keeper::new(self.store.clone(), Arc::clone(lock), state, log, self.clock.clone());
        let applier = Arc::new(Applier::new(
            Arc::clone(&survey),
            account.clone(),
            settled,
            &plan,
            &remembered,
            keeper,
            stop.clone(),
        ));
        let finished = applier.run().await?;
        let resources: Vec<_> = plan
            .changes
            .iter()
            .filter_map(|change| {
                let finished = finished.get(&change.address)?;
                Some((change.address.clone(), change.action, Arc::clone(finished)))
            })
            .collect();
        let interrupted = *stop.borrow();
        let mut report = Report {
            resources,
            outputs: Vec::new(),
            interrupted,
            left: Vec::new(),
            stays: Vec::new(),
        };
        report.outputs = match plan.mode {
            Mode::Destroy if report.is_good() => Vec::new(),
            Mode::Destroy => outputs::left(self, &account, &report, &past),
            Mode::Apply => outputs::applied(self, &account, &report, &past),
        };
        applier.keep_outputs(outputs::to_keep(&self.stack, &report.outputs)).await;
        if plan.mode == Mode::Destroy && !interrupted {
            report.left = leftovers::check(&survey, &account, &plan, &report.resources).await;
            report.stays = leftovers::stays(&plan);
        }
        applier.end(run, report.exit_code()).await?;
        Ok(report)
    }

    /// The resources that the targets name; `None`: all.
    fn roots(
        all: &BTreeMap<Address, Entry>,
        targets: &Targets,
    ) -> Result<Option<BTreeSet<Address>>, EngineError> {
        if targets.0.is_empty() {
            return Ok(None);
        }
        let mut roots = BTreeSet::new();
        for target in &targets.0 {
            let before = roots.len();
            match target.strip_prefix("phase.") {
                Some(phase) => roots.extend(
                    all.iter()
                        .filter(|(_, entry)| entry.phase.as_deref() == Some(phase))
                        .map(|(address, _)| address.clone()),
                ),
                None => roots.extend(
                    target.parse::<Address>().ok().filter(|address| all.contains_key(address)),
                ),
            }
            if roots.len() == before {
                return Err(EngineError::NoSuchTarget(target.clone()));
            }
        }
        Ok(Some(roots))
    }

    /// The state that a plan was made of, read again.
    async fn state_of(&self, plan: &Plan) -> Result<Option<State>, EngineError> {
        let state = self.store.load().await?;
        let same = match &state {
            Some(state) => {
                Some(&state.lineage) == plan.lineage.as_ref() && state.serial == plan.serial
            }
            None => plan.lineage.is_none(),
        };
        if same {
            return Ok(state);
        }
        // Where the lock was taken away, that is why.
        self.store.check_lock().await?;
        Err(EngineError::StateChanged)
    }

    fn check_origin(&self, state: Option<&Origin>, account: &str) -> Result<(), EngineError> {
        let Some(state) = state else { return Ok(()) };
        let foreign = |what, theirs: &str, ours: &str, next| EngineError::ForeignState {
            what,
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
            next,
        };
        if state.stack != self.stack.name {
            let next = "set another state directory for this stack";
            return Err(foreign("stack", &state.stack, &self.stack.name, next));
        }
        if state.account != account {
            let next = "use the credentials of that account (--profile), or another state";
            return Err(foreign("account", &state.account, account, next));
        }
        if state.region != self.region {
            let next = "set --region to that region, or use another state";
            return Err(foreign("region", &state.region, &self.region, next));
        }
        Ok(())
    }
}

/// A change of the plan, from what was decided.
fn change(address: &Address, survey: &Survey, settled: &Settled) -> Change {
    let entry = survey.entries.get(address);
    let decision = &settled.decision;
    let mut whole = settled.whole.lock().unwrap_or_else(PoisonError::into_inner);
    let Whole { before, after } = std::mem::take(&mut *whole);
    // What was spared for another resource is not removed after all.
    let after = after.filter(|_| decision.action != Action::Forget);
    let prior = entry.and_then(|entry| entry.prior.as_deref());
    let identity = match (&settled.desired, prior) {
        (Some(desired), _) => desired.identity.clone(),
        (None, Some(prior)) => prior.identity.clone(),
        (None, None) => crate::adapter::Identity::default(),
    };
    Change {
        address: address.clone(),
        phase: entry.and_then(|entry| entry.phase.clone()),
        identity,
        action: decision.action,
        reason: decision.reason.clone(),
        fields: decision.fields.clone(),
        foreign: decision.foreign.clone(),
        before,
        after,
        notes: decision.notes.clone(),
        commands: decision.steps.iter().map(PlannedCommand::of).collect(),
        depends_on: entry.map(|entry| entry.dependencies.clone()).unwrap_or_default(),
        prevent_destroy: entry.is_some_and(|entry| entry.prevent_destroy),
        blockers: decision.blockers.clone(),
    }
}

/// A new lineage: 128 bits that the standard library's hasher draws at random.
fn new_lineage() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
