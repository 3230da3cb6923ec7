//! `lkh plan`

mod diff;

use std::path::PathBuf;

use anyhow::Context as _;

use super::format::FormatOptions;
use super::next::{self, After};
use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, tell};
use crate::engine::Planned;
use crate::plan::{Mode, Plan, file};
use crate::report;
use crate::report::format::Rendering;

/// Reads what exists, compares it with the manifests and shows what an apply
/// would do: for every resource the action and the reason, every field that
/// differs, and whether that is drift (changed outside of lkh) or change (of
/// the manifests). Changes nothing anywhere.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    /// Save the plan, for `lkh apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Plan the removal of everything that was applied
    #[arg(long)]
    destroy: bool,
    /// Exit with 0 when there is nothing to do, 2 when there are changes, 1 on
    /// an error
    #[arg(long)]
    detailed_exitcode: bool,
    /// Refuse charts that the lock file does not hold (see `lkh lock`)
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    formats: FormatOptions,
    #[command(flatten)]
    show: ShowOptions,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tell what one plan introduces over another
    Diff(Box<diff::Args>),
}

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ShowOptions {
    /// Show the exact commands, in order
    #[arg(long)]
    pub show_commands: bool,
    /// Show resources that nothing happens to as well
    #[arg(long)]
    pub show_unchanged: bool,
}

impl ShowOptions {
    pub(crate) fn show(self) -> report::plan::Show {
        report::plan::Show { commands: self.show_commands, unchanged: self.show_unchanged }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    if let Some(Command::Diff(args)) = &args.command {
        return diff::run(args);
    }
    args.stack.output.settle();
    let shown = args.formats.check(args.stack.output.json, args.out.as_deref())?;
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let mode = if args.destroy { Mode::Destroy } else { Mode::Apply };
    let session = Session::new(stack, &args.stack, &args.access)?;
    session.check_locked(args.locked)?;
    session.block_on(async |session| {
        let planned = session.engine.plan(mode, &session.targets).await?;
        let rendering = Rendering { show: args.show.show(), ..Rendering::of(&planned.plan) };
        args.formats.write(&rendering, shown)?;
        if let Some(path) = &args.out {
            save(&planned.plan, path)?;
            tell(&format!("Saved the plan: {}", path.display()));
        }
        if shown.is_none() {
            let after = After::Planned {
                mode,
                changes: planned.plan.has_changes(),
                blocked: planned.plan.blocked().next().is_some(),
                saved: args.out.as_deref(),
                outputs: !session.engine.stack.outputs.is_empty(),
            };
            next::say_with(&after, &args.stack, Some(&args.access));
        }
        let exit = exit_code(&planned.plan, args.detailed_exitcode);
        // The process ends here: to take thousands of resources apart value by
        // value would be the longest part of a large plan.
        std::mem::forget(planned);
        Ok(exit)
    })
}

/// Prints a plan.
pub(crate) fn present(planned: &Planned, show: ShowOptions) {
    let rendering = Rendering { show: show.show(), ..Rendering::of(&planned.plan) };
    super::format::show(&rendering);
}

fn save(plan: &Plan, path: &std::path::Path) -> anyhow::Result<()> {
    let bytes = file::to_bytes(plan)?;
    crate::store::write_private(path, &bytes)
        .with_context(|| format!("can't save the plan to {}", path.display()))
}

fn exit_code(plan: &Plan, detailed: bool) -> u8 {
    if plan.blocked().next().is_some() {
        code::ERROR
    } else if detailed && plan.has_changes() {
        code::CHANGES
    } else {
        code::GOOD
    }
}
