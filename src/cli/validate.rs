//! `lkh validate`

use super::next::{self, After};
use super::options::StackOptions;
use super::{code, print, session};

/// Checks every manifest and reports everything that is wrong, each with file,
/// line and the likely fix. Reads nothing live and needs no credentials.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = session::load(&args.stack, None)? else { return Ok(code::ERROR) };
    if args.stack.output.json {
        super::print_json(&serde_json::json!({
            "stack": stack.name,
            "resources": stack.resources.len(),
            "diagnostics": [],
        }))?;
    } else {
        print(&format!(
            "Stack {} is valid: {}.\n",
            stack.name,
            crate::report::count(stack.resources.len(), "resource")
        ));
        next::say(&After::Validated, &args.stack);
    }
    Ok(code::GOOD)
}
