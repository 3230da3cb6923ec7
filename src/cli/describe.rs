//! `lkh describe`

use super::next::{self, After};
use super::options::StackOptions;
use super::{code, print, print_json, session};
use crate::report::describe::describe;

/// Describes a stack before anything of it is installed: its phases, the
/// resources of each, its parameters with default and rule, and its outputs.
///
/// Needs no credentials, and no values: what has none yet stands there as the
/// manifests write it. With values (`--var`, `--var-file`) it shows what a
/// `when` switches off.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = session::load_open(&args.stack)? else { return Ok(code::ERROR) };
    let description = describe(&stack);
    if args.stack.output.json {
        print_json(&description)?;
    } else {
        print(&description.text());
        let missing: Vec<_> = description.missing().map(str::to_owned).collect();
        next::say(&After::Described { missing }, &args.stack);
    }
    Ok(code::GOOD)
}
