//! `lkh output`

use anyhow::{Context as _, bail};

use super::next::{self, After};
use super::options::{AwsOptions, StackOptions};
use super::session;
use super::storage::Storage;
use super::{code, complain, print, print_json, tell};
use crate::report::outputs::{Told, text, told};

/// Prints what the stack declares as its outputs: host names, ARNs, whatever
/// others need of an installation.
///
/// The values are those that the last apply or refresh left in the state: no
/// credentials are needed and nothing live is read. What the state does not know
/// is said, and so is a value that may be stale. A sensitive output is kept
/// nowhere, so it can't be printed either.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The output; without it, all of them. Exits with 1 where its value is not
    /// known
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the bare value without a line's end, for a script
    #[arg(long, requires = "name", conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    aws: AwsOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = session::load(&args.stack, args.aws.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let storage = Storage::of(std::sync::Arc::clone(&stack), &args.stack, &args.aws)?;
    storage.block_on(async |storage| {
        let state = storage.store.load().await?;
        let told = told(&stack, state.as_ref());
        match &args.name {
            None => all(args, &told),
            Some(name) => {
                let one = told.iter().find(|one| one.name == *name).with_context(|| {
                    let names: Vec<_> = told.iter().map(|one| one.name.as_str()).collect();
                    let known = match names.as_slice() {
                        [] => "the stack declares no outputs".to_owned(),
                        names => format!("the outputs are {}", names.join(", ")),
                    };
                    format!("no output is called `{name}`: {known}")
                })?;
                single(args, one)
            }
        }
    })
}

fn all(args: &Args, told: &[Told]) -> anyhow::Result<u8> {
    if args.stack.output.json {
        let map: serde_json::Map<_, _> = told
            .iter()
            .map(|one| Ok((one.name.clone(), serde_json::to_value(one)?)))
            .collect::<anyhow::Result<_>>()?;
        print_json(&map)?;
        return Ok(code::GOOD);
    }
    if told.is_empty() {
        tell("The stack declares no outputs: write them under spec.outputs of the Stack.");
    }
    print(&text(told));
    let unknown = told.iter().any(|one| one.value.is_none() && !one.sensitive);
    next::say(&After::Outputs { unknown }, &args.stack);
    Ok(code::GOOD)
}

fn single(args: &Args, one: &Told) -> anyhow::Result<u8> {
    if args.stack.output.json {
        print_json(one)?;
    }
    let Some(value) = one.raw() else {
        let why = one.unknown.as_deref().unwrap_or("it is not known");
        if args.stack.output.json {
            complain(&format!("the output {} has no value: {why}", one.name));
            return Ok(code::ERROR);
        }
        let next = if one.sensitive { "" } else { "; `lkh apply` makes it known" };
        bail!("the output {} has no value: {why}{next}", one.name);
    };
    if let Some(why) = &one.stale {
        tell(&format!("note: the value may be stale: {why}"));
    }
    if !args.stack.output.json {
        // A script gets the very text; on a terminal nothing steers it.
        print(&if args.raw { value } else { crate::quote::printable(&value) + "\n" });
    }
    Ok(code::GOOD)
}
