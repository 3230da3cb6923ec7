//! `lkh plan diff`

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::format::FormatOptions;
use crate::cli::next::{self, After};
use crate::cli::options::{AccessOptions, StackOptions};
use crate::cli::session::{Session, load, load_open};
use crate::cli::{code, print};
use crate::exec::Snapshot;
use crate::plan::delta::PlanDelta;
use crate::plan::{Mode, Plan, file};
use crate::report;
use crate::report::format::{Format, Rendering};

/// Tells what HEAD introduces over BASE: the fields and actions that only HEAD
/// plans, those that BASE planned and HEAD does not any more, what was pending
/// on BASE already, and what is drift. Changes nothing anywhere.
///
/// BASE and HEAD are a directory each, or a plan that `lkh plan --out` saved. A
/// directory holds the manifests in `--dir`, or is them itself; a relative
/// `--var-file` is looked for beside the manifests first, so each side has its
/// own. Both directories are planned from one reading: what both ask for is read
/// once, and both see the same answers. Of two saved plans nothing is read and
/// no credentials are needed; where they saw different things, that is said.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    In a checkout of the change, against the branch that it goes to:\n    \
    git worktree add base origin/main && lkh plan diff base .\n  \
    Two plans that were saved:\n    \
    lkh plan diff main.plan change.plan --detailed-exitcode")]
pub(crate) struct Args {
    /// The plan or directory without the change
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// The plan or directory with the change
    #[arg(value_name = "HEAD")]
    head: PathBuf,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    format: FormatOptions,
    /// Exit with 0 when nothing is introduced, 2 when something is introduced
    /// or resolved, 1 on an error or where it can't be told
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Whether a delta can take a form.
fn is_of_delta(format: Format) -> bool {
    match format {
        Format::Text | Format::Markdown | Format::Json | Format::TfplanDelta | Format::Gitlab => {
            true
        }
        Format::Html | Format::Tfplan => false,
    }
}

/// One of the two sides.
enum Side {
    /// A plan that was saved.
    Saved(Box<Plan>),
    /// The options that lead to the manifests.
    Directory(StackOptions),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let shown = args.format.check(args.stack.output.json, None)?;
    for format in args.format.all() {
        anyhow::ensure!(is_of_delta(format), "plan diff has no form {format}; `lkh plan` has it");
    }
    let mut base = Side::of(&args.base, &args.stack).context("BASE")?;
    let mut head = Side::of(&args.head, &args.stack).context("HEAD")?;
    if let (Side::Saved(_), Side::Saved(_)) = (&base, &head) {
        anyhow::ensure!(
            args.access.targets.is_empty() && args.stack.vars.is_empty(),
            "saved plans have their own targets and variables: --target and --var are for \
             directories"
        );
    }
    share_variables(&mut base, &mut head)?;
    let snapshot = Snapshot::default();
    let before = match base.plan(&args.access, &snapshot).context("BASE")? {
        Ok(plan) => plan,
        Err(exit) => return Ok(exit),
    };
    let after = match head.plan(&args.access, &snapshot).context("HEAD")? {
        Ok(plan) => plan,
        Err(exit) => return Ok(exit),
    };
    let delta = PlanDelta::of(&before, &after)?;
    let render = |format: Format| -> anyhow::Result<String> {
        Ok(match format {
            Format::Text => report::delta::text(&delta),
            Format::Markdown => report::markdown::delta::comment(&delta, &before, &after),
            Format::Json => serde_json::to_string_pretty(&report::delta::json(&delta)?)? + "\n",
            // What is introduced, as the plan that it would be alone.
            Format::Gitlab | Format::TfplanDelta => {
                format.render(&Rendering::of(&delta.introduced(&before, &after)))?
            }
            Format::Html | Format::Tfplan => anyhow::bail!("a delta has no form {format}"),
        })
    };
    print(&render(shown.unwrap_or(Format::Text))?);
    args.format.write_files(render)?;
    if shown.is_none() {
        let (options, saved) = match &head {
            Side::Saved(_) => (&args.stack, Some(args.head.as_path())),
            Side::Directory(options) => (options, None),
        };
        next::say_with(
            &After::Diffed { unsure: delta.is_unsure(), saved },
            options,
            Some(&args.access),
        );
    }
    Ok(exit_code(&delta, args.detailed_exitcode))
}

fn exit_code(delta: &PlanDelta, detailed: bool) -> u8 {
    if delta.is_unsure() {
        code::ERROR
    } else if detailed && delta.introduces() {
        code::CHANGES
    } else {
        code::GOOD
    }
}

impl Side {
    /// What stands at a path.
    fn of(path: &Path, options: &StackOptions) -> anyhow::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Directory(options_of(path, options)));
        }
        let bytes = crate::store::bounded::read(path)
            .with_context(|| format!("can't read {}", path.display()))?;
        let plan = file::from_bytes(&bytes)
            .with_context(|| format!("can't use the plan {}", path.display()))?;
        Ok(Self::Saved(Box::new(plan)))
    }

    /// The plan of this side; `Err`: the exit code, as everything was said.
    fn plan(
        &self,
        access: &AccessOptions,
        snapshot: &Snapshot,
    ) -> anyhow::Result<Result<Plan, u8>> {
        let options = match self {
            Self::Saved(plan) => return Ok(Ok((**plan).clone())),
            Self::Directory(options) => options,
        };
        let Some(stack) = load(options, access.region.as_deref())? else {
            return Ok(Err(code::ERROR));
        };
        let session = Session::sharing(stack, options, access, Some(snapshot))?;
        let mut made = None;
        let exit = session.block_on(async |session| {
            let planned = session.engine.plan(Mode::Apply, &session.targets).await?;
            made = Some(planned.plan);
            Ok(code::GOOD)
        })?;
        Ok(made.ok_or(exit))
    }
}

/// The options for the manifests at a path: in the folder that `--dir` names,
/// or the path itself. Files of variables that lie beside them are theirs.
fn options_of(path: &Path, options: &StackOptions) -> StackOptions {
    let inner = path.join(&options.dir);
    let (dir, beside) = if inner.is_dir() {
        (inner, path.to_owned())
    } else {
        (path.to_owned(), path.parent().map(Path::to_owned).unwrap_or_default())
    };
    let own = |file: &PathBuf| {
        let own = beside.join(file);
        if own.is_file() { own } else { file.clone() }
    };
    let var_files = options.var_files.iter().map(own).collect();
    StackOptions { dir, var_files, ..options.clone() }
}

/// Lets a `--var` that only one of two directories declares be for that one: a
/// change may well bring a variable or take one away.
fn share_variables(base: &mut Side, head: &mut Side) -> anyhow::Result<()> {
    let (Side::Directory(base), Side::Directory(head)) = (base, head) else { return Ok(()) };
    if base.vars.is_empty() {
        return Ok(());
    }
    let declared = |options: &StackOptions| -> anyhow::Result<Option<Vec<String>>> {
        let bare = StackOptions { vars: Vec::new(), var_files: Vec::new(), ..options.clone() };
        let stack = load_open(&bare)?;
        Ok(stack.map(|stack| stack.parameters.iter().map(|one| one.name.clone()).collect()))
    };
    let (Some(before), Some(after)) = (declared(base)?, declared(head)?) else {
        anyhow::bail!("nothing was planned");
    };
    let name = |assignment: &String| {
        assignment.split_once('=').map_or(assignment.as_str(), |(name, _)| name).trim().to_owned()
    };
    base.vars.retain(|one| before.contains(&name(one)) || !after.contains(&name(one)));
    head.vars.retain(|one| after.contains(&name(one)) || !before.contains(&name(one)));
    Ok(())
}
