//! `lkh destroy`

use super::apply::{ApprovalOptions, Telling, carry_out};
use super::code;
use super::options::{AccessOptions, StackOptions};
use super::plan::ShowOptions;
use super::session::{Session, load};
use crate::plan::Mode;

/// Plans the removal of everything that was applied, in reverse order, asks for
/// approval and carries it out. What is external, protected or not in the state
/// stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    approval: ApprovalOptions,
    #[command(flatten)]
    show: ShowOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, args.access.region.as_deref())? else {
        return Ok(code::ERROR);
    };
    let session = Session::new(stack, &args.stack, &args.access)?;
    if args.approval.new_log {
        session.begin_log("destroy")?;
    }
    let telling = Telling { stack: &args.stack, access: &args.access, show: args.show };
    carry_out(&session, Mode::Destroy, &args.approval.approval(), telling)
}
