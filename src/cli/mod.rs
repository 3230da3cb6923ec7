//! The command line: arguments, environment, files and the terminal.
//!
//! One file per command; each reads its arguments, lets the engine work and
//! prints. Data goes to standard output, progress and errors to standard
//! error. This is the only module that reads the environment or prints.

mod apply;
mod completions;
mod describe;
mod destroy;
mod evidence;
mod explain;
mod format;
mod graph;
mod init;
mod lock;
mod log;
mod next;
mod options;
mod output;
mod plan;
mod preflight;
mod progress;
mod refresh;
mod sandbox;
mod session;
mod shipped;
mod show;
mod state;
mod status;
mod storage;
mod unlock;
mod validate;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a command ended, as the process's exit code.
pub(crate) mod code {
    /// Done, and verified.
    pub(crate) const GOOD: u8 = 0;
    /// Something failed, is blocked or is not ready.
    pub(crate) const ERROR: u8 = 1;
    /// `plan --detailed-exitcode`: there is something to do.
    pub(crate) const CHANGES: u8 = 2;
    /// What was planned is no longer what is there; nothing was changed there.
    pub(crate) const MOVED: u8 = 3;
    /// Stopped by the person at the terminal.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// Installs a data lakehouse on AWS EKS from manifests, and keeps it as
/// declared.
///
/// Manifests declare what should exist. `lkh plan` reads what does exist and
/// shows the difference; `lkh apply` carries out exactly that plan through
/// `aws`, `helm` and `kubectl`, and verifies each change by a read.
#[derive(Debug, Parser)]
#[command(
    name = "lkh",
    version,
    after_help = "Exit codes: 0 done and verified; 1 error, blocked or not ready; 2 changes are \
                  pending (plan --detailed-exitcode); 3 something moved since the plan; 130 \
                  interrupted.\n\nTry it with nothing installed: lkh apply --exec sandbox"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a ready stack directory: manifests and variables
    Init(init::Args),
    /// Describe a stack: phases, resources, parameters, outputs
    Describe(describe::Args),
    /// Check the manifests without reading anything live
    Validate(validate::Args),
    /// Check what an apply would need; changes nothing
    Preflight(preflight::Args),
    /// Show what an apply would do; changes nothing
    Plan(plan::Args),
    /// Make everything as declared, and verify it
    Apply(apply::Args),
    /// Read everything and bring the state's records up to date
    Refresh(refresh::Args),
    /// Remove what was applied
    Destroy(destroy::Args),
    /// Say how far everything is, what is in the way, and what to do next
    ///
    /// Reads everything, and tells per phase what is there and what does its
    /// work, then what is not ready with the chain of causes, then what to do
    /// next. Changes nothing anywhere.
    ///
    /// Applied means that what is declared exists, whoever made it; ready that
    /// it is also as declared and does its work. A release that Helm calls
    /// failed is applied and not ready, and the next step is to mend that, not
    /// the next phase. What could not be read is unknown (null in the JSON),
    /// never guessed.
    Status(status::Args),
    /// Show what proves that each thing was done, and when it was verified
    ///
    /// For every resource: how it came to be, which commands changed it, and
    /// every claim with the command that was read, when, and the digest of what
    /// it answered.
    ///
    /// Without --verify nothing live is read: it is what the state and the apply
    /// log say, as of the times shown. With it everything is read again and
    /// compared, and what no longer holds is named.
    Evidence(evidence::Args),
    /// Pin charts and toolbox image by the digests of their content
    Lock(lock::Args),
    /// Show the state, one resource with its evidence, or a saved plan
    Show(show::Args),
    /// Print the stack's outputs, as the last run left them
    Output(output::Args),
    /// Print the apply log, or check that it is whole
    Log(log::Args),
    /// Look after the state: list, rm, mv, pull, push, restore
    State(state::Args),
    /// Take the lock away from a run that was taken for dead
    Unlock(unlock::Args),
    /// Explain a kind: its fields, its equality, its outputs
    Explain(explain::Args),
    /// Print the resource graph
    Graph(graph::Args),
    /// Look after the simulated account of --exec sandbox
    Sandbox(sandbox::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Wrong usage is an error like any other: 2 means "changes".
            let failed = error.use_stderr();
            drop(error.print());
            return ExitCode::from(if failed { code::ERROR } else { code::GOOD });
        }
    };
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Preflight(args) => preflight::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Refresh(args) => refresh::run(&args),
        Command::Destroy(args) => destroy::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Lock(args) => lock::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Output(args) => output::run(&args),
        Command::Log(args) => log::run(&args),
        Command::State(args) => state::run(&args),
        Command::Unlock(args) => unlock::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Completions(args) => completions::run(&args),
    };
    ExitCode::from(result.unwrap_or_else(|error| {
        // Parts of it may be a tool's words, or stand in a file of someone else's.
        complain(&indented(&crate::quote::printable(&sentence(&error))));
        code::ERROR
    }))
}

/// An error with its causes, each said once: many errors name their cause
/// themselves.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if sentence.is_empty() {
            sentence = cause;
        } else if !sentence.contains(&cause) {
            sentence = format!("{sentence}: {cause}");
        }
    }
    sentence
}

/// A text of which only the first line begins at the left: what a tool wrote
/// never looks like a line of our own.
fn indented(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        let margin = match (index, line.starts_with(' ') || line.is_empty()) {
            (0, _) => "",
            (_, true) => "\n",
            (_, false) => "\n  ",
        };
        shown.push_str(margin);
        shown.push_str(line);
    }
    shown
}

/// Prints data to standard output. A reader that went away is no error.
pub(crate) fn print(text: &str) {
    drop(anstream::stdout().lock().write_all(text.as_bytes()));
}

/// Prints an error to standard error.
pub(crate) fn complain(text: &str) {
    let style = crate::report::BAD;
    let line = format!("{style}error:{style:#} {text}\n");
    drop(anstream::stderr().lock().write_all(line.as_bytes()));
}

/// Prints something worth knowing to standard error.
pub(crate) fn tell(text: &str) {
    drop(anstream::stderr().lock().write_all(format!("{text}\n").as_bytes()));
}

/// Prints a JSON document to standard output.
///
/// # Errors
/// When the value can't be written as JSON.
pub(crate) fn print_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"));
    Ok(())
}
