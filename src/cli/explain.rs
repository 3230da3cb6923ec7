//! `lkh explain`

use super::next;
use super::options::{AccessOptions, StackOptions};
use super::session::{Session, load};
use super::{code, print, print_json};
use crate::adapter::Kind;
use crate::address::Address;
use crate::report;

/// Explains a resource or a kind.
///
/// With an address (Kind.name): why the resource changes, or why it does not.
/// Each field with the manifest line that sets it and the variables that it came
/// through, what is live, what was applied last and by which run, and the rule
/// that compared them. Reads the resource and what it depends on; changes
/// nothing anywhere.
///
/// With a kind: the fields of its spec, what is compared and what is taken as
/// equal, and the outputs that others may refer to. Without either, lists the
/// kinds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A resource, for example `IamRole.node`, or a kind, for example `IamRole`
    #[arg(value_name = "ADDRESS|KIND")]
    what: Option<String>,
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    match &args.what {
        None => {
            print(&report::explain::kinds());
            next::say_command("lkh explain KIND");
        }
        Some(text) if text.contains('.') => {
            return resource(args, &text.parse().map_err(anyhow::Error::msg)?);
        }
        Some(name) => {
            let kind: Kind = name.parse().map_err(anyhow::Error::msg)?;
            if args.stack.output.json {
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

fn resource(args: &Args, address: &Address) -> anyhow::Result<u8> {
    anyhow::ensure!(
        args.access.targets.is_empty(),
        "explain takes one address and no --target: write lkh explain {address}"
    );
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let session = Session::new(stack, &args.stack, &args.access)?;
    session.block_on(async |session| {
        let look = session.engine.look(address).await?;
        let Some(explained) = report::why::explain(&session.engine.stack, address, &look) else {
            anyhow::bail!("the plan does not hold {address}");
        };
        if args.stack.output.json {
            print_json(&explained)?;
        } else {
            print(&explained.text());
            next::say_with(&next::After::ShownOne(address), &args.stack, Some(&args.access));
        }
        Ok(code::GOOD)
    })
}
