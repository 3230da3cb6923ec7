//! `lkh apply`

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::next::{self, After};
use super::options::{AccessOptions, StackOptions};
use super::plan::{ShowOptions, present};
use super::session::{Session, load, load_for};
use super::{code, complain, print, tell};
use crate::engine::Report;
use crate::engine::preflight::Check;
use crate::plan::meaning::ApprovedHash;
use crate::plan::{Mode, Plan, file};
use crate::report;
use crate::store::Lock;

/// Plans, asks for approval and carries out exactly that plan. Each resource is
/// read again before it is touched and after, and what depends on a failure is
/// skipped. Ctrl-C finishes what is running and stops.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Carry out this saved plan, or refuse and name what moved since
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    approval: ApprovalOptions,
    #[command(flatten)]
    show: ShowOptions,
    /// Refuse charts that the lock file does not hold (see `lkh lock`)
    #[arg(long)]
    locked: bool,
}

/// What approves a plan without anyone at the terminal.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ApprovalOptions {
    /// Do not ask: the plan is approved whatever it is
    #[arg(long)]
    auto_approve: bool,
    /// Do not ask: the plan is approved if its hash is this one, as `lkh plan`
    /// printed it (at least 16 digits); else nothing is changed and the exit
    /// code is 3
    #[arg(long, value_name = "HASH", conflicts_with = "auto_approve")]
    approved: Option<ApprovedHash>,
    /// Begin a new apply log, when the old one is damaged or lost; it is kept
    /// beside the new one
    #[arg(long)]
    pub(crate) new_log: bool,
}

impl ApprovalOptions {
    /// What lets the plan be carried out.
    pub(crate) fn approval(&self) -> Approval {
        match &self.approved {
            Some(hash) => Approval::Hash(hash.clone()),
            None if self.auto_approve => Approval::Given,
            None => Approval::Ask,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    match &args.file {
        Some(path) => saved(args, path),
        None => {
            let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
                return Ok(code::ERROR);
            };
            let session = Session::new(stack, &args.stack, &args.access)?;
            session.check_locked(args.locked)?;
            if args.approval.new_log {
                session.begin_log("apply")?;
            }
            let telling = Telling { stack: &args.stack, access: &args.access, show: args.show };
            carry_out(&session, Mode::Apply, &args.approval.approval(), telling)
        }
    }
}

fn saved(args: &Args, path: &Path) -> anyhow::Result<u8> {
    anyhow::ensure!(
        !args.approval.new_log,
        "--new-log is not for a saved plan: whether it was applied before, only the log tells; \
         run `lkh apply --new-log`, or plan again after it"
    );
    let bytes = crate::store::bounded::read(path)
        .with_context(|| format!("can't read the plan {}", path.display()))?;
    let plan = file::from_bytes(&bytes)
        .with_context(|| format!("can't use the plan {}", path.display()))?;
    let Some(stack) = load_for(&args.stack, args.access.region.as_deref(), &plan)? else {
        return Ok(code::ERROR);
    };
    let access = AccessOptions {
        targets: plan.targets.clone(),
        region: args.access.region.clone().or_else(|| Some(plan.region.clone())),
        ..args.access.clone()
    };
    let session = Session::new(stack, &args.stack, &access)?;
    session.check_locked(args.locked)?;
    let mode = plan.mode;
    let hash = args.approval.approved.clone();
    let approval = Approval::Saved { plan: Box::new(plan), hash };
    let telling = Telling { stack: &args.stack, access: &args.access, show: args.show };
    carry_out(&session, mode, &approval, telling)
}

/// How a run is told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Telling<'a> {
    /// Which stack, for the next command.
    pub stack: &'a StackOptions,
    /// How it is reached, likewise.
    pub access: &'a AccessOptions,
    /// How much of the plan is shown.
    pub show: ShowOptions,
}

impl Telling<'_> {
    /// Whether programs read it.
    fn json(self) -> bool {
        self.stack.output.json
    }
}

/// What lets a plan be carried out.
pub(crate) enum Approval {
    /// `--auto-approve`.
    Given,
    /// Someone at the terminal.
    Ask,
    /// The hash of what the plan means.
    Hash(ApprovedHash),
    /// A saved plan, if it is what would be planned now.
    Saved {
        /// The plan.
        plan: Box<Plan>,
        /// The hash that it must have, too.
        hash: Option<ApprovedHash>,
    },
}

impl Approval {
    /// The hash that the plan must have.
    fn hash(&self) -> Option<&ApprovedHash> {
        match self {
            Self::Hash(hash) => Some(hash),
            Self::Saved { hash, .. } => hash.as_ref(),
            Self::Given | Self::Ask => None,
        }
    }
}

/// Plans under the lock, gets the approval, applies and reports.
pub(crate) fn carry_out(
    session: &Session,
    mode: Mode,
    approval: &Approval,
    telling: Telling<'_>,
) -> anyhow::Result<u8> {
    session.block_on(async |session| {
        let operation = match mode {
            Mode::Apply => "apply",
            Mode::Destroy => "destroy",
        };
        let lock = session.lock(operation).await?;
        let ended = under_lock(session, mode, approval, &lock, telling).await;
        let released = session.release(lock).await;
        // What the run says comes first: a lock that was taken away is its cause.
        let ended = ended?;
        released?;
        Ok(ended)
    })
}

async fn under_lock(
    session: &Session,
    mode: Mode,
    approval: &Approval,
    lock: &Arc<Lock>,
    telling: Telling<'_>,
) -> anyhow::Result<u8> {
    let (json, show) = (telling.json(), telling.show);
    session.tell_interrupted_run().await?;
    if let Some(advice) = session.engine.store.advice().await {
        tell(&format!("note: {advice}"));
    }
    if let Approval::Saved { plan, .. } = approval
        && let Some((run, at)) = session.engine.applied_by(plan).await?
    {
        let moved = [format!("this plan was applied by run {run} at {at}")];
        return refuse(MOVED, &moved, None, json);
    }
    let mut planned = session.engine.plan(mode, &session.targets).await?;
    if let Approval::Saved { plan, .. } = approval {
        let moved = file::moved(plan, &planned.plan);
        if !moved.is_empty() {
            return refuse(MOVED, &moved, None, json);
        }
        // What the log is to remember as carried out.
        planned.plan.after.clone_from(&plan.after);
    }
    if let Some(hash) = approval.hash() {
        let meaning = planned.plan.meaning();
        if !hash.is_of(&meaning) {
            if !json {
                print(&report::plan::text(&planned.plan, show.show()));
            }
            let moved = [format!("the plan hash {hash} was approved, and it is {meaning} now")];
            return refuse(NOT_APPROVED, &moved, Some(&planned.plan), json);
        }
    }
    if matches!(approval, Approval::Hash(_) | Approval::Saved { .. }) {
        tell_of_sensitive(&planned.plan);
    }
    if !json {
        present(&planned, show)?;
    } else if matches!(approval, Approval::Ask) {
        // Nobody approves what was not shown; standard output is for data.
        tell(&report::plan::text(&planned.plan, show.show()));
    }
    if planned.plan.has_changes() {
        let checks = session.engine.preflight_of(&planned).await;
        if checks.iter().any(|check| check.blocker().is_some()) {
            return hold_back(&checks, json);
        }
    }
    if planned.plan.has_changes() && !approved(approval).await? {
        tell("Not approved; nothing was changed.");
        return Ok(code::ERROR);
    }
    let stop = session.watch_for_interrupt();
    let report = session.engine.apply(planned, session.run(), lock, stop).await?;
    let exit = finish(&report, json)?;
    if !json {
        let after = After::Applied {
            mode,
            good: report.is_good(),
            outputs: !session.engine.stack.outputs.is_empty(),
        };
        next::say_with(&after, telling.stack, Some(telling.access));
    }
    Ok(exit)
}

/// Why a plan is not carried out.
const MOVED: &str = "the saved plan is no longer what would be done; nothing was changed";
const NOT_APPROVED: &str = "what would be done now is not what was approved; nothing was changed";

/// Says that nothing was changed, and why; as data with what is planned now.
fn refuse(why: &str, moved: &[String], now: Option<&Plan>, json: bool) -> anyhow::Result<u8> {
    complain(why);
    for what in moved {
        tell(&format!("  - {}", crate::quote::printable(what)));
    }
    tell("next: plan again, and review");
    if json {
        super::print_json(&report::run::refused(why, moved, now, code::MOVED))?;
    }
    Ok(code::MOVED)
}

/// Says what stands in the way of the whole apply.
fn hold_back(checks: &[Check], json: bool) -> anyhow::Result<u8> {
    let blocked: Vec<_> =
        checks.iter().filter(|check| check.blocker().is_some()).cloned().collect();
    complain("something stands in the way of this apply; nothing was changed");
    tell(&report::preflight::text(&blocked));
    if json {
        super::print_json(&report::run::held_back(&blocked, code::ERROR))?;
    }
    Ok(code::ERROR)
}

/// Says what no review of the plan could cover.
fn tell_of_sensitive(plan: &Plan) {
    if plan.has_sensitive() {
        let names: Vec<_> = plan
            .variables
            .iter()
            .filter(|(_, value)| value.has_sensitive())
            .map(|(name, _)| name.as_str())
            .collect();
        tell(&format!(
            "note: no plan holds sensitive values; this run uses those that it was given ({})",
            names.join(", ")
        ));
    }
}

fn finish(report: &Report, json: bool) -> anyhow::Result<u8> {
    if json {
        super::print_json(&report::run::json(report))?;
    } else {
        print(&report::run::text(report));
    }
    let exit = report.exit_code();
    Ok(if report.interrupted && exit == code::GOOD { code::INTERRUPTED } else { exit })
}

async fn approved(approval: &Approval) -> anyhow::Result<bool> {
    match approval {
        Approval::Given | Approval::Hash(_) | Approval::Saved { .. } => Ok(true),
        Approval::Ask if !std::io::stdin().is_terminal() => anyhow::bail!(
            "this needs approval, and there is no terminal to ask on: review the plan and use \
             --approved HASH (lkh plan prints the hash), or save it (lkh plan --out FILE) and use \
             lkh apply FILE; --auto-approve approves whatever it is"
        ),
        Approval::Ask => {
            tell("\nCarry this out? Only `yes` approves:");
            // On a thread of its own, so that Ctrl-C is heard meanwhile.
            let (sender, receiver) = tokio::sync::oneshot::channel();
            std::thread::spawn(move || {
                let mut answer = String::new();
                let read = std::io::stdin().lock().read_line(&mut answer).map(|_| answer);
                drop(sender.send(read));
            });
            Ok(receiver.await??.trim() == "yes")
        }
    }
}
