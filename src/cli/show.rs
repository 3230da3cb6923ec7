//! `lkh show`

use anyhow::{Context as _, bail};

use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::storage::Storage;
use super::{code, print};
use crate::address::Address;
use crate::report;

/// Shows what the state remembers: a line a resource, or one resource with its
/// outputs and the evidence behind every claim. Reads nothing live.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The resource (Kind.name); without it, the whole state
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(storage) = Storage::open(&args.stack, &args.aws)? else { return Ok(code::ERROR) };
    storage.block_on(async |storage| show(args, storage).await)
}

async fn show(args: &Args, storage: &Storage) -> anyhow::Result<u8> {
    let Some(state) = storage.store.load().await? else {
        bail!("there is no state at {} yet: run lkh apply", storage.store.place());
    };
    let json = args.stack.output.json;
    match &args.address {
        None if json => super::print_json(&serde_json::to_value(&state)?)?,
        None => {
            print(&report::state::text(&state));
            next::say(&After::Shown(state.resources.keys().next().cloned()), &args.stack);
        }
        Some(text) => {
            let address: Address = text.parse().map_err(anyhow::Error::msg)?;
            let record = state.resources.get(&address).with_context(|| {
                format!("{address} is not in the state; `lkh show` lists what is")
            })?;
            if json {
                super::print_json(&serde_json::to_value(record)?)?;
            } else {
                print(&report::state::resource(&address, record));
                next::say(&After::ShownOne(&address), &args.stack);
            }
        }
    }
    Ok(code::GOOD)
}
