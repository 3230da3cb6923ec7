//! `lkh show`

use std::path::Path;

use anyhow::{Context as _, bail};

use super::format::FormatOptions;
use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::plan::ShowOptions;
use super::storage::Storage;
use super::{code, print};
use crate::address::Address;
use crate::plan::file;
use crate::report;
use crate::report::format::{Format, Rendering};

/// Shows what the state remembers: a line a resource, or one resource with its
/// outputs and the evidence behind every claim; or a saved plan, in any form.
/// Reads nothing live.
///
/// What reads Kind.name, with a kind of lkh, is an address; anything else is a
/// file that `lkh plan --out FILE` wrote. A file of such a name is ./Kind.name.
/// To render a saved plan takes no credentials, no Docker, no manifests and no
/// state: all that is shown is in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A resource (Kind.name) or a saved plan; without it, the whole state
    #[arg(value_name = "ADDRESS|PLANFILE")]
    what: Option<String>,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
    #[command(flatten)]
    formats: FormatOptions,
    #[command(flatten)]
    show: ShowOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let address = match &args.what {
        None => None,
        Some(text) => match text.parse::<Address>() {
            Ok(address) => Some(address),
            Err(why) => {
                let path = Path::new(text);
                if !path.exists() && !text.contains('/') && !args.formats.is_given() {
                    bail!("{why}, or name a plan that `lkh plan --out FILE` saved");
                }
                return plan(args, path);
            }
        },
    };
    if args.formats.is_given() {
        bail!(
            "--format renders a saved plan: lkh plan --out FILE, then lkh show FILE --format ..."
        );
    }
    let Some(storage) = Storage::open(&args.stack, &args.aws)? else { return Ok(code::ERROR) };
    storage.block_on(async |storage| state(args, address, storage).await)
}

/// A saved plan. What is blocked in it is shown, and no error of this command.
fn plan(args: &Args, path: &Path) -> anyhow::Result<u8> {
    let json = args.stack.output.json;
    let shown = args.formats.check(json, Some(path))?;
    let bytes = crate::store::bounded::read(path)
        .with_context(|| format!("can't read the plan {}", path.display()))?;
    let plan = file::from_bytes(&bytes)
        .with_context(|| format!("can't use the plan {}", path.display()))?;
    let rendering = Rendering { show: args.show.show(), ..Rendering::of(&plan) };
    args.formats.write(&rendering, shown.unwrap_or(Format::Text))?;
    if shown.is_none() {
        let after = After::Planned {
            mode: plan.mode,
            changes: plan.has_changes(),
            blocked: plan.blocked().next().is_some(),
            saved: Some(path),
            outputs: !plan.outputs.is_empty(),
        };
        next::say(&after, &args.stack);
    }
    Ok(code::GOOD)
}

async fn state(args: &Args, address: Option<Address>, storage: &Storage) -> anyhow::Result<u8> {
    let Some(state) = storage.store.load().await? else {
        bail!("there is no state at {} yet: run lkh apply", storage.store.place());
    };
    let json = args.stack.output.json;
    match &address {
        None if json => super::print_json(&serde_json::to_value(&state)?)?,
        None => {
            print(&report::state::text(&state));
            next::say(&After::Shown(state.resources.keys().next().cloned()), &args.stack);
        }
        Some(address) => {
            let record = state.resources.get(address).with_context(|| {
                format!("{address} is not in the state; `lkh show` lists what is")
            })?;
            if json {
                super::print_json(&serde_json::to_value(record)?)?;
            } else {
                print(&report::state::resource(address, record));
                next::say(&After::ShownOne(address), &args.stack);
            }
        }
    }
    Ok(code::GOOD)
}
