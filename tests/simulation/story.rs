//! A story: a stack lives through several rounds of edits, runs, faults and
//! crashes; then the faults stop and it must come to rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lkh::adapter::Kind;
use lkh::manifest::load::load;
use lkh::manifest::stack::Stack;
use lkh::manifest::variables::VariableInputs;
use lkh::plan::{Action, Change, Mode, file};
use lkh::sandbox::world::World;
use lkh::store::LocalStore;

use crate::disk::{SimDisk, directory};
use crate::invariants::{self, Durable};
use crate::others;
use crate::process::{Ended, Operation, run};
use crate::rng::Rng;
use crate::sim::{Counts, Fault, Inner, Sim};
use crate::stacks::Model;
use crate::weather::Weather;

/// Where the simulated stack's state is.
pub fn local_store(sim: Option<&Arc<Sim>>) -> LocalStore {
    match sim {
        Some(sim) => LocalStore::on(Arc::new(SimDisk(Arc::clone(sim))), directory(), "sim"),
        None => LocalStore::new(directory(), "sim"),
    }
}

/// Where the simulated apply log is.
pub fn log_path() -> PathBuf {
    local_store(None).log_path()
}

/// How a story went.
#[derive(Debug)]
pub struct Told {
    pub counts: Counts,
    pub hash: u64,
    /// What was violated, with the story so far.
    pub failure: Option<String>,
}

struct Story {
    sim: Arc<Sim>,
    rng: Rng,
    folder: PathBuf,
    model: Model,
    stack: Arc<Stack>,
    durable: Durable,
    /// Objects that nobody can know of any more: their state was lost.
    excused: BTreeSet<String>,
    /// Whether a state was lost.
    lost: bool,
    /// Whether others changed something so lately that a read may not show it.
    unseen: bool,
}

/// Tells the story of a seed. `folder` is for its manifests.
pub fn tell(seed: u64, world: &World, folder: &Path) -> Told {
    let mut rng = Rng::new(seed);
    let sim = Sim::new(rng.next(), world.clone());
    let model = Model::draw(&mut rng);
    let stack = read(folder, &model);
    let mut story = Story {
        sim: Arc::clone(&sim),
        rng,
        folder: folder.to_owned(),
        model,
        stack,
        durable: Durable::default(),
        excused: BTreeSet::new(),
        lost: false,
        unseen: false,
    };
    story.rounds();
    let inner = sim.lock();
    let failure = (!inner.violations.is_empty()).then(|| {
        format!(
            "{}\n\nthe story so far:\n{}\nthe manifests:\n{}",
            inner.violations.join("\n"),
            inner.told(if std::env::var_os("LKH_SEED").is_some() { usize::MAX } else { 120 }),
            story.model.manifests()
        )
    });
    Told { counts: inner.counts.clone(), hash: inner.trace_hash(), failure }
}

fn read(folder: &Path, model: &Model) -> Arc<Stack> {
    std::fs::write(folder.join("stack.yaml"), model.manifests()).unwrap();
    let inputs = VariableInputs { sandbox: Some(true), ..VariableInputs::default() };
    let stack = load(folder, &inputs).unwrap_or_else(|diagnostics| {
        panic!("{}\n{}", diagnostics.render(false), model.manifests())
    });
    Arc::new(stack)
}

impl Story {
    fn is_over(&self) -> bool {
        !self.sim.lock().violations.is_empty()
    }

    fn rounds(&mut self) {
        for _ in 0..3 + self.rng.below(5) {
            if self.rng.chance(450) {
                self.edit();
            }
            if self.rng.chance(250) {
                others::interfere(&mut self.sim.lock());
                // Nobody can see what no read shows yet.
                self.wait(20);
            }
            if self.rng.chance(60) {
                self.lose_state();
            }
            self.step();
            if self.is_over() {
                return;
            }
        }
        self.come_to_rest();
    }

    fn edit(&mut self) {
        for _ in 0..=self.rng.below(3) {
            self.model.mutate(&mut self.rng);
        }
        self.stack = read(&self.folder, &self.model);
        self.sim.lock().note("the manifests are edited");
    }

    fn lose_state(&mut self) {
        let mut inner = self.sim.lock();
        if inner.files.remove(&local_store(None).state_path()) {
            inner.files.sync_directory();
            inner.hit(Fault::StateLost);
            self.durable.forget_state();
            self.lost = true;
            self.excused.extend(invariants::made(&inner));
        }
    }

    fn step(&mut self) {
        let operation = match self.rng.below(20) {
            0..=12 => Operation::Apply(Mode::Apply),
            13 | 14 => Operation::Apply(Mode::Destroy),
            15 | 16 => Operation::Refresh,
            17 => Operation::Plan,
            _ => match self.saved() {
                Some(saved) => saved,
                None => return,
            },
        };
        let weather = Weather::draw(&mut self.rng);
        let crash_in = self.rng.chance(300).then(|| self.rng.below(200));
        let calm = weather.is_calm() && crash_in.is_none();
        self.sim.lock().weather = weather;
        let code = self.carry_out(&operation, crash_in);
        // Each operation may be run twice, and the second finds nothing to do.
        if self.rng.chance(250) && !self.is_over() && !matches!(operation, Operation::Saved(_)) {
            if calm {
                self.wait(20);
            }
            let again = self.carry_out(&operation, None);
            if calm && code == Some(0) && again == Some(0) && self.sim.lock().approved.writes > 0 {
                self.sim.lock().violate("idempotence", "the second run changed something");
            }
        }
        let pause = 15 + self.rng.below(100);
        self.wait(pause);
    }

    fn wait(&mut self, seconds: u64) {
        self.unseen = false;
        let mut inner = self.sim.lock();
        inner.weather = Weather::calm();
        inner.pass(Duration::from_secs(seconds));
        let now = inner.now();
        inner.account.advance(now);
    }

    /// A plan that was saved before something happened, or not.
    fn saved(&mut self) -> Option<Operation> {
        self.sim.lock().weather = Weather::calm();
        let Ended::Planned(plan) = self.process(&Operation::Plan, None) else { return None };
        if self.rng.chance(300) {
            others::interfere(&mut self.sim.lock());
            self.wait(20);
        }
        Some(Operation::Saved(file::to_bytes(&plan).unwrap()))
    }

    fn process(&mut self, operation: &Operation, crash_in: Option<u64>) -> Ended {
        {
            let mut inner = self.sim.lock();
            inner.counts.steps += 1;
            let weather = inner.weather.clone();
            let name = match operation {
                Operation::Saved(_) => "Saved".to_owned(),
                other => format!("{other:?}"),
            };
            inner.note(&format!("== {name}, crash in {crash_in:?}, {weather:?}"));
        }
        let ended = run(&self.sim, &self.stack, operation, crash_in);
        let mut inner = self.sim.lock();
        match &ended {
            Ended::Crashed => {
                if self.rng.chance(500) {
                    inner.hit(Fault::PowerCut);
                    // The last state may be gone with it.
                    inner.last_state = None;
                    let mut rng = inner.rng.fork();
                    inner.files.cut_power(&mut rng);
                } else {
                    inner.hit(Fault::Killed);
                    inner.files.locked.clear();
                }
            }
            Ended::Refused(why) => inner.note(&format!("== refused: {why}")),
            Ended::Planned(_) => inner.note("== planned"),
            Ended::Refreshed => inner.note("== refreshed"),
            Ended::Applied { code, said } => inner.note(&format!("== exit {code}\n{said}")),
        }
        ended
    }

    /// Runs an operation and checks everything after it; the exit code, where
    /// there is one.
    fn carry_out(&mut self, operation: &Operation, crash_in: Option<u64>) -> Option<u8> {
        let ended = self.process(operation, crash_in);
        self.check();
        let mut inner = self.sim.lock();
        // What others did a moment ago need not show in a read yet.
        self.unseen |= inner.approved.touched;
        let Ended::Applied { code, .. } = ended else { return None };
        if code == 0 && !self.unseen {
            let mode = inner.approved.plan.as_ref().map(|plan| plan.mode);
            match mode {
                Some(Mode::Apply) => invariants::honest_exit(&mut inner, &self.model.expected()),
                Some(Mode::Destroy) => invariants::nothing_left(&mut inner, &self.excused),
                None => {}
            }
        }
        Some(code)
    }

    fn check(&mut self) {
        let mut inner = self.sim.lock();
        let (state, journal) = invariants::durability(&mut inner, &mut self.durable);
        invariants::no_orphan(
            &mut inner,
            state.as_ref(),
            journal.as_ref(),
            &self.model.expected(),
            &mut self.excused,
        );
        invariants::no_double_create(&mut inner);
        invariants::no_secret_on_disk(&mut inner);
    }

    /// The faults stop: at most three rounds of plan and apply must do.
    fn come_to_rest(&mut self) {
        {
            let mut inner = self.sim.lock();
            inner.note("== the faults stop");
            others::leave(&mut inner);
        }
        self.wait(180);
        let mut left = String::new();
        let mut held = false;
        for round in 0..=3 {
            let Ended::Planned(plan) = self.process(&Operation::Plan, None) else {
                self.sim.lock().violate("convergence", "no plan could be made");
                return;
            };
            held = false;
            left = plan
                .changes
                .iter()
                .filter(|change| change.action.is_change() || !change.blockers.is_empty())
                .filter(|change| {
                    let is_held = self.lost && is_held(&self.sim.lock(), change);
                    held |= is_held;
                    !is_held
                })
                .map(|change| {
                    format!(
                        "{} {:?} because {} {:?}",
                        change.address, change.action, change.reason, change.blockers
                    )
                })
                .collect::<Vec<_>>()
                .join("\n");
            if left.is_empty() {
                break;
            }
            if round < 3 {
                self.carry_out(&Operation::Apply(Mode::Apply), None);
                self.wait(20);
            }
            if self.is_over() {
                return;
            }
        }
        if !left.is_empty() {
            self.sim.lock().violate("convergence", &format!("after three rounds:\n{left}"));
            return;
        }
        let code = self.carry_out(&Operation::Apply(Mode::Apply), None);
        let mut inner = self.sim.lock();
        if code != Some(u8::from(held)) {
            inner.violate("convergence", &format!("the last apply ended with {code:?}"));
        }
        if inner.approved.writes > 0 && !held {
            inner.violate("idempotence", "an apply of what is as declared changed something");
        }
        invariants::honest_exit(&mut inner, &self.model.expected());
        drop(inner);
        if self.rng.chance(300) && !self.is_over() {
            self.wait(20);
            let code = self.carry_out(&Operation::Apply(Mode::Destroy), None);
            let mut inner = self.sim.lock();
            // What was declared and not remembered any more is as good as others'.
            let said = inner.told(40);
            let held = said.contains("RoleHasOtherPolicies")
                || (self.lost
                    && ["(DeleteConflict)", "NamespaceNotEmpty"]
                        .iter()
                        .any(|why| said.contains(why)));
            if code != Some(0) && !held {
                inner.violate("convergence", &format!("a destroy ended with {code:?}"));
            }
        }
    }
}

/// Whether this is the delete of a policy that a role keeps, or of a role that
/// has policies which nobody declares, or of a namespace with such objects.
fn is_held(inner: &Inner, change: &Change) -> bool {
    let of_others = ["RoleHasOtherPolicies", "NamespaceNotEmpty"];
    let others = change.blockers.iter().any(|one| of_others.contains(&one.code.as_str()));
    let policy = change.address.kind == Kind::IamPolicy
        && invariants::is_attached(inner, change.identity.part("policyName"));
    change.action == Action::Delete && (others || policy)
}
