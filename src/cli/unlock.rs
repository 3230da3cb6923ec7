//! `lkh unlock`

use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::storage::Storage;
use super::{code, print, print_json};
use crate::store::Unlocked;

/// Takes the lock away from a run that was taken for dead.
///
/// A local lock ends with its process, and so does one in S3 as soon as a run
/// on the same machine finds its holder dead: this is for a lock in S3 whose
/// holder nobody can ask, such as a machine that is gone. First the run is shut
/// out: if it lives after all, it can write neither log nor state any more, and
/// begins nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run that holds the lock, as the message about the lock names it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(storage) = Storage::open(&args.stack, &args.aws)? else { return Ok(code::ERROR) };
    storage.block_on(async |storage| {
        let came_of_it = storage.store.unlock(&args.id, &storage.me("unlock")).await?;
        if args.stack.output.json {
            let from = match &came_of_it {
                Unlocked::TakenFrom(holder) => Some(holder),
                Unlocked::Free => None,
            };
            print_json(&serde_json::json!({ "takenFrom": from }))?;
            return Ok(code::GOOD);
        }
        print(&match came_of_it {
            Unlocked::Free => "Nobody holds the lock; nothing was changed.\n".to_owned(),
            Unlocked::TakenFrom(holder) => format!(
                "The lock is free. It was taken from run {}: `lkh {}` of {} (process {}) since \
                 {}.\n",
                holder.id, holder.operation, holder.who, holder.pid, holder.since
            ),
        });
        next::say(&After::Unlocked, &args.stack);
        Ok(code::GOOD)
    })
}
