//! `lkh completions`

use clap::CommandFactory as _;

use super::{code, print};

/// Prints a completion script. For bash: `lkh completions bash >
/// ~/.local/share/bash-completion/completions/lkh`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "lkh", &mut script);
    print(&String::from_utf8(script)?);
    Ok(code::GOOD)
}
