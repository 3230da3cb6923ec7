//! `lkh preflight`

use super::next::{self, After};
use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, print, print_json};
use crate::engine::preflight::{Check, without_tools};
use crate::exec::ExecError;
use crate::report;

/// Checks what an apply would need, and changes nothing: the toolbox and the
/// tools, the credentials, the state, what must exist already (a cluster, a
/// certificate, a zone), quotas for what is planned, and permissions.
///
/// Each row is `ok`, `blocked` with what to do about it, or `unknown` where it
/// can't be told. Exits with 0 only if nothing is blocked. An apply makes these
/// checks by itself before it changes anything.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let session = match Session::new(stack, &args.stack, &args.access) {
        Ok(session) => session,
        // No docker client, for one: a check like any other.
        Err(error) => match error.downcast_ref::<ExecError>() {
            Some(error) => return tell(args, &without_tools(error)),
            None => return Err(error),
        },
    };
    session.block_on(async |session| {
        let engine = &session.engine;
        tell(args, &engine.preflight(&session.targets, session.toolbox()).await)
    })
}

fn tell(args: &Args, checks: &[Check]) -> anyhow::Result<u8> {
    let good = checks.iter().all(|check| check.blocker().is_none());
    if args.stack.output.json {
        print_json(&report::preflight::json(checks))?;
    } else {
        print(&report::preflight::text(checks));
        next::say_with(&After::Preflight { good }, &args.stack, Some(&args.access));
    }
    Ok(if good { code::GOOD } else { code::ERROR })
}
