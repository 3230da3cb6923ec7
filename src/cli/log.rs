//! `lkh log`

use serde_json::json;

use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::storage::Storage;
use super::{code, complain, print, print_json, tell};
use crate::journal::Event;
use crate::report::{self, count};
use crate::store::Examined;

/// Prints the apply log: which commands were about to run, what came of them,
/// and who changed the state by hand. An intent without an outcome is one that
/// nobody saw the end of; the next run reads before it does anything.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check the log line by line, and name the first that is broken
    ///
    /// Each line holds the hash of the one before, so that an edit, a gap or a
    /// line that was lost shows. A last line that was not written whole is no
    /// damage: its writer was killed, and the next one cuts it off.
    Verify(Place),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    match &args.action {
        None => with(&args.place, show, &After::Logged),
        Some(Action::Verify(place)) => with(place, verify, &After::LogVerified),
    }
}

fn with(
    place: &Place,
    work: fn(&Examined, bool) -> anyhow::Result<u8>,
    after: &After<'_>,
) -> anyhow::Result<u8> {
    place.stack.output.settle();
    let Some(storage) = Storage::open(&place.stack, &place.aws)? else { return Ok(code::ERROR) };
    storage.block_on(async |storage| {
        let log = storage.store.examine_log().await?;
        let exit = work(&log, place.stack.output.json)?;
        if !place.stack.output.json && exit == code::GOOD {
            next::say(after, &place.stack);
        }
        Ok(exit)
    })
}

fn show(log: &Examined, json: bool) -> anyhow::Result<u8> {
    if json {
        print_json(&log.entries)?;
    } else if log.entries.is_empty() && log.broken.is_none() {
        tell("The apply log is empty: nothing was applied yet.");
    } else {
        print(&report::log::text(&log.entries));
    }
    Ok(conclude(log))
}

fn verify(log: &Examined, json: bool) -> anyhow::Result<u8> {
    let runs =
        log.entries.iter().filter(|entry| matches!(entry.event, Event::RunStarted { .. })).count();
    if json {
        let broken = log
            .broken
            .as_ref()
            .map(|(place, broken)| json!({"place": place, "line": broken.line, "why": broken.why}));
        print_json(&json!({
            "lines": log.entries.len(),
            "runs": runs,
            "torn": log.torn,
            "broken": broken,
        }))?;
    } else {
        let (lines, runs) = (count(log.entries.len(), "line"), count(runs, "run"));
        print(&format!("{lines} of {runs} are good.\n"));
    }
    Ok(conclude(log))
}

fn conclude(log: &Examined) -> u8 {
    if log.torn {
        tell("note: the last line was not written whole; the next run that writes cuts it off");
    }
    match &log.broken {
        Some((place, broken)) => {
            complain(&format!("{place}: {broken}; what comes after it can't be believed"));
            code::ERROR
        }
        None => code::GOOD,
    }
}
