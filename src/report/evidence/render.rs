//! The evidence as text.

use std::fmt::Write as _;

use super::super::state::heading;
use super::super::{BAD, BOLD, DIM, GOOD, count, styled};
use super::{Case, Component, Verdict, is_script};
use crate::adapter::Kind;
use crate::address::Address;
use crate::journal::Outcome;
use crate::quote::line;
use crate::state::{Record, Status};

/// The evidence for people.
pub fn text(case: &Case<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", heading(case.state));
    let phases = case.phases.iter().map(|name| Some(name.as_str())).chain([None]);
    for phase in phases {
        let members = case.of_phase(phase);
        if members.is_empty() {
            continue;
        }
        let title = phase.map_or_else(|| "no phase".to_owned(), |name| format!("phase {name}"));
        let _ = writeln!(text, "\n{}", styled(BOLD, title));
        for (address, record) in members {
            write_resource(&mut text, case, address, record);
        }
    }
    write_end(&mut text, case);
    text
}

fn write_resource(text: &mut String, case: &Case<'_>, address: &Address, record: &Record) {
    let style = if record.status == Status::Applied { GOOD } else { BAD };
    let mut told = styled(style, record.status.word());
    let history = case.history.get(address);
    if let Some(origin) = history.and_then(|history| history.origin.as_ref()) {
        let run = origin.run.as_deref().unwrap_or("a run");
        let _ = write!(told, ", {} by run {} at {}", origin.how, line(run), origin.at);
    }
    let _ = writeln!(text, "\n  {} {told}", styled(BOLD, address));
    if address.kind == Kind::HelmRelease || is_script(address) {
        write_component(text, &Component::of(case, address, record));
    }
    if let Some(whole) = case.whole(address, record) {
        write_verdict(text, "    as declared and ready", &whole);
    }
    for ran in history.map(|history| history.commands.as_slice()).unwrap_or_default() {
        let ended = match &ran.outcome {
            Some(Outcome::Exited) => "exited with 0".to_owned(),
            Some(Outcome::Failed { code, .. }) => format!("failed with {code}"),
            Some(Outcome::Unknown { .. }) | None => "has no known outcome".to_owned(),
        };
        let _ = writeln!(
            text,
            "    {} #{} {}: {ended}\n      $ {}",
            ran.at,
            ran.operation,
            line(&ran.title),
            styled(DIM, line(&ran.command))
        );
    }
    for evidence in &record.evidence {
        let _ = writeln!(
            text,
            "    {} {}\n      $ {}\n      {}",
            evidence.at,
            line(&evidence.claim),
            line(&evidence.command),
            styled(DIM, &evidence.digest)
        );
        if let Some(verdict) = case.verdict(address, evidence) {
            write_verdict(text, "      now", &verdict);
        }
    }
}

fn write_component(text: &mut String, component: &Component) {
    let word = |answer: Option<bool>| match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    let or_unknown =
        |text: &Option<String>| text.as_deref().map_or_else(|| "not known".to_owned(), line);
    let _ = writeln!(
        text,
        "    existed before: {}; installed: {}; version: {}; namespace: {}; ready: {}; script \
         ran: {}",
        word(component.existed),
        word(component.installed),
        or_unknown(&component.version),
        or_unknown(&component.namespace),
        word(component.ready),
        word(Some(component.script_ran))
    );
}

fn write_verdict(text: &mut String, what: &str, verdict: &Verdict) {
    let word = match verdict {
        Verdict::Same => styled(GOOD, "holds"),
        Verdict::StillTrue => styled(GOOD, "holds, by another answer"),
        Verdict::Broken(why) => format!("{}: {}", styled(BAD, "no longer holds"), line(why)),
        Verdict::Unknown(why) => format!("{}: {}", styled(BAD, "not known"), line(why)),
    };
    let _ = writeln!(text, "{what}: {word}");
}

fn write_end(text: &mut String, case: &Case<'_>) {
    let claims: usize = case.state.resources.values().map(|record| record.evidence.len()).sum();
    let all = count(claims, "claim");
    let resources = count(case.state.resources.len(), "resource");
    let (summary, next) = match (case.now, case.holds()) {
        (None, _) => (
            format!("{all} of {resources}, as they were verified then."),
            "lkh evidence --verify reads again and says which claim no longer holds",
        ),
        (Some(now), Some(true)) => (
            format!(
                "{} {all} of {resources} verified again at {}.",
                styled(GOOD, "All hold:"),
                now.at
            ),
            "nothing to do",
        ),
        (Some(_), Some(false)) => (
            format!("{} {all} of {resources} read again.", styled(BAD, "Not all hold:")),
            "lkh status names what is in the way, lkh plan what an apply would do",
        ),
        (Some(_), None) => (
            format!("{} {all} of {resources}.", styled(BAD, "Not all could be read again:")),
            "lkh status names what could not be read",
        ),
    };
    let _ = writeln!(text, "\n{summary}\n{} {next}", styled(BOLD, "next:"));
}
