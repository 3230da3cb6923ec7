//! `lkh status`

use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, print};
use crate::engine::status::Presence;
use crate::engine::survey::Purpose;
use crate::report;

/// What `lkh status` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  lkh status --exec sandbox\n  lkh status --target \
                        phase.compute\n  lkh status --json | jq .readiness\n  lkh status \
                        --exit-code >/dev/null && echo ready\n\nEvery key of the JSON is \
                        explained in docs/status.md. `lkh evidence` shows what proves it.")]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    /// Exit with 0 only when all that is declared is ready, else with 1; without
    /// it, with 1 only when something could not be read
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let session = Session::new(stack, &args.stack, &args.access)?;
    session.block_on(async |session| {
        let overview = session.engine.status(&session.targets, Purpose::Show).await?;
        if args.stack.output.json {
            super::print_json(&report::status::json(&overview))?;
        } else {
            print(&report::status::text(&overview));
        }
        let unknown =
            overview.standings.iter().any(|standing| standing.presence == Presence::Unknown);
        let good = if args.exit_code { overview.ready() == Some(true) } else { !unknown };
        Ok(if good { code::GOOD } else { code::ERROR })
    })
}
