//! `lkh explain`

use super::next;
use super::options::OutputOptions;
use super::{code, print, print_json};
use crate::adapter::Kind;
use crate::report;

/// Explains a kind: the fields of its spec, what is compared and what is taken
/// as equal, and the outputs that others may refer to. Without a kind, lists
/// them all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, for example `IamRole`
    kind: Option<String>,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.output.settle();
    match &args.kind {
        None => {
            print(&report::explain::kinds());
            next::say_command("lkh explain KIND");
        }
        Some(name) => {
            let kind: Kind = name.parse().map_err(anyhow::Error::msg)?;
            if args.output.json {
                // The JSON Schema of the spec, for editors.
                print_json(kind.adapter().schema().as_value())?;
            } else {
                print(&report::explain::kind(kind));
                next::say_command("lkh validate");
            }
        }
    }
    Ok(code::GOOD)
}
