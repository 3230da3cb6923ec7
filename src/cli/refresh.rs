//! `lkh refresh`

use std::fmt::Write as _;

use super::next::{self, After};
use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, print};
use crate::state::Status;

/// Reads every resource and brings the state's records up to date: outputs,
/// readiness and evidence. What was applied last stays what it was, so drift
/// still shows as drift. Changes nothing in AWS or the cluster.
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
    let session = Session::new(stack, &args.stack, &args.access)?;
    session.block_on(async |session| {
        let lock = session.lock("refresh").await?;
        let statuses = session.engine.refresh(&session.targets, &lock).await;
        let released = session.release(lock).await;
        let statuses = statuses?;
        released?;
        let good = statuses.iter().all(|(_, status)| *status == Status::Applied);
        if args.stack.output.json {
            let list: Vec<_> = statuses
                .iter()
                .map(|(address, status)| serde_json::json!({"address": address, "status": status}))
                .collect();
            super::print_json(&list)?;
        } else {
            let mut text = String::new();
            for (address, status) in &statuses {
                let _ = writeln!(text, "{address}: {}", status.word());
            }
            let _ = writeln!(
                text,
                "{} read; {}.",
                crate::report::count(statuses.len(), "resource"),
                if good { "all are as last applied" } else { "`lkh plan` shows what differs" }
            );
            print(&text);
            next::say_with(&After::Refreshed { good }, &args.stack, Some(&args.access));
        }
        // A refresh that could read everything did its work, whatever it found.
        let unread = statuses.iter().any(|(_, status)| *status == Status::Unverified);
        Ok(if unread { code::ERROR } else { code::GOOD })
    })
}
