//! `lkh apply`

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::options::{AccessOptions, StackOptions};
use super::plan::{ShowOptions, present};
use super::session::{Session, load, load_for};
use super::{code, complain, print, tell};
use crate::engine::Report;
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
    /// Do not ask: the plan is approved whatever it is
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    show: ShowOptions,
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
            let approval = if args.auto_approve { Approval::Given } else { Approval::Ask };
            carry_out(&session, Mode::Apply, &approval, args.stack.output.json, args.show)
        }
    }
}

fn saved(args: &Args, path: &Path) -> anyhow::Result<u8> {
    let bytes =
        std::fs::read(path).with_context(|| format!("can't read the plan {}", path.display()))?;
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
    let mode = plan.mode;
    let approval = Approval::Saved(Box::new(plan));
    carry_out(&session, mode, &approval, args.stack.output.json, args.show)
}

/// What lets a plan be carried out.
pub(crate) enum Approval {
    /// `--auto-approve`.
    Given,
    /// Someone at the terminal.
    Ask,
    /// A saved plan, if it is what would be planned now.
    Saved(Box<Plan>),
}

/// Plans under the lock, gets the approval, applies and reports.
pub(crate) fn carry_out(
    session: &Session,
    mode: Mode,
    approval: &Approval,
    json: bool,
    show: ShowOptions,
) -> anyhow::Result<u8> {
    session.block_on(async |session| {
        let operation = match mode {
            Mode::Apply => "apply",
            Mode::Destroy => "destroy",
        };
        let lock = session.lock(operation).await?;
        let ended = under_lock(session, mode, approval, &lock, json, show).await;
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
    json: bool,
    show: ShowOptions,
) -> anyhow::Result<u8> {
    session.tell_interrupted_run().await?;
    if let Some(advice) = session.engine.store.advice().await {
        tell(&format!("note: {advice}"));
    }
    let planned = session.engine.plan(mode, &session.targets).await?;
    if let Approval::Saved(saved) = approval {
        let moved = file::moved(saved, &planned.plan);
        if !moved.is_empty() {
            complain("the saved plan is no longer what would be done; nothing was changed");
            for what in &moved {
                tell(&format!("  - {}", crate::quote::printable(what)));
            }
            tell("next: plan again, and review");
            if json {
                super::print_json(&report::run::refused(&moved, code::MOVED))?;
            }
            return Ok(code::MOVED);
        }
    }
    if !json {
        present(&planned, false, show)?;
    } else if matches!(approval, Approval::Ask) {
        // Nobody approves what was not shown; standard output is for data.
        tell(&report::plan::text(&planned.plan, show.show()));
    }
    if planned.plan.has_changes() && !approved(approval).await? {
        tell("Not approved; nothing was changed.");
        return Ok(code::ERROR);
    }
    let stop = session.watch_for_interrupt();
    let report = session.engine.apply(planned, session.run(), lock, stop).await?;
    finish(&report, json)
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
        Approval::Given | Approval::Saved(_) => Ok(true),
        Approval::Ask if !std::io::stdin().is_terminal() => anyhow::bail!(
            "this needs approval, and there is no terminal to ask on: review the plan and use \
             --auto-approve, or save it (lkh plan --out FILE) and use lkh apply FILE"
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
