//! `lkh graph`

use clap::ValueEnum;

use super::options::StackOptions;
use super::session::load;
use super::{code, print};
use crate::engine::entry::entries;
use crate::plan::Mode;
use crate::report;

/// Prints the resource graph: an arrow leads from a resource to what it depends
/// on. Draw it with `lkh graph | dot -Tsvg > graph.svg`, or put the Mermaid
/// form into a Markdown page.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stack: StackOptions,
    /// The language of the graph
    #[arg(long, value_name = "FORMAT", default_value = "dot")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For Graphviz
    Dot,
    /// For Markdown pages
    Mermaid,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.stack.output.settle();
    let Some(stack) = load(&args.stack, None)? else { return Ok(code::ERROR) };
    let entries = entries(&stack, None, Mode::Apply);
    print(&match args.format {
        Format::Dot => report::graph::dot(&entries),
        Format::Mermaid => report::graph::mermaid(&entries),
    });
    Ok(code::GOOD)
}
