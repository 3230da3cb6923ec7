//! The apply log as text: a line an event, in the words of people.

use std::fmt::Write as _;

use super::{BAD, BOLD, DIM, GOOD, styled};
use crate::journal::{Entry, Event, Outcome};
use crate::quote::printable;

/// The lines of the log, oldest first.
pub fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        // A run begins after an empty line.
        if !text.is_empty() && matches!(entry.event, Event::RunStarted { .. }) {
            text.push('\n');
        }
        let _ = writeln!(text, "{}  {}", styled(DIM, entry.at), event(&entry.event));
    }
    text
}

fn event(event: &Event) -> String {
    match event {
        Event::RunStarted { run, plan, .. } => {
            format!("{} begins, plan {plan}", styled(BOLD, format!("run {}", printable(run))))
        }
        Event::Intended { operation, address, title, command, .. } => format!(
            "#{operation} {address}: {}\n    $ {}",
            printable(title),
            styled(DIM, printable(command))
        ),
        Event::Finished { operation, outcome } => format!("#{operation} {}", ended(outcome)),
        Event::Settled { address, status, .. } => format!("{address} is {}", printable(status)),
        Event::RunEnded { run, code } => {
            let style = if *code == 0 { GOOD } else { BAD };
            format!(
                "run {} ends with {}",
                printable(run),
                styled(style, format!("exit code {code}"))
            )
        }
        Event::Removed { by, address } => {
            format!("{} takes {address} out of the state", printable(by))
        }
        Event::Moved { by, from, to } => {
            format!("{} renames {from} to {to} in the state", printable(by))
        }
        Event::Pushed { by, serial } => {
            format!("{} puts another state in place, serial {serial}", printable(by))
        }
        Event::Restored { by, serial } => {
            format!("{} puts the backup of the state back, serial {serial}", printable(by))
        }
        Event::Fenced { run, by } => {
            format!("{} takes the lock away from run {}", printable(by), printable(run))
        }
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited => styled(GOOD, "exited with 0"),
        Outcome::Failed { code, why } => {
            format!("{}: {}", styled(BAD, format!("failed with {code}")), printable(why))
        }
        Outcome::Unknown { why } => {
            format!("{}: {}", styled(BAD, "has no known outcome"), printable(why))
        }
    }
}
