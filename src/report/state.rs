//! The state, whole or one resource with its evidence, as text.

use std::fmt::Write as _;

use super::{BAD, BOLD, DIM, GOOD, pretty, styled, write_blockers};
use crate::address::Address;
use crate::quote::line;
use crate::state::{Record, State, Status};
use crate::value::Value;

/// Which state it is, as a line.
pub(super) fn heading(state: &State) -> String {
    format!(
        "Stack {}, account {}, region {}; serial {}, lineage {}.",
        styled(BOLD, line(&state.stack)),
        line(&state.account),
        line(&state.region),
        state.serial,
        line(&state.lineage)
    )
}

/// The state for people: a line a resource.
pub fn text(state: &State) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", heading(state));
    let width = state.resources.keys().map(|a| a.to_string().len()).max().unwrap_or(0);
    for (address, record) in &state.resources {
        let name = address.to_string();
        let _ = writeln!(
            text,
            "{name:width$}  {}  {}",
            status(record.status),
            styled(DIM, line(&record.applied.identity.to_string()))
        );
        write_blockers(&mut text, "  ", &record.blockers);
    }
    if state.resources.is_empty() {
        text.push_str("No resource has been applied.\n");
    }
    text
}

fn status(status: Status) -> String {
    let style = match status {
        Status::Applied => GOOD,
        Status::NotReady | Status::Unverified | Status::Drifted | Status::Missing => BAD,
    };
    styled(style, status.word())
}

/// One resource with everything that the state knows of it.
pub fn resource(address: &Address, record: &Record) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} is {}", styled(BOLD, address), status(record.status));
    let _ = writeln!(text, "  identity: {}", line(&record.applied.identity.to_string()));
    if let Some(phase) = &record.phase {
        let _ = writeln!(text, "  phase: {}", line(phase));
    }
    for dependency in &record.dependencies {
        let _ = writeln!(text, "  depends on: {dependency}");
    }
    write_blockers(&mut text, "  ", &record.blockers);
    for (title, map) in
        [("as applied", &record.applied.attributes), ("outputs", &record.applied.outputs)]
    {
        if !map.is_empty() {
            let document = pretty(&Value::Map(map.clone())).replace('\n', "\n  ");
            let _ = writeln!(text, "  {title}: {document}");
        }
    }
    let _ = writeln!(text, "  evidence:");
    for evidence in &record.evidence {
        let _ = writeln!(
            text,
            "    {} {}\n      $ {}\n      {}",
            evidence.at,
            line(&evidence.claim),
            line(&evidence.command),
            styled(DIM, &evidence.digest)
        );
    }
    text
}
