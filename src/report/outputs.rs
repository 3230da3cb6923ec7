//! The outputs of a stack: what changes, and what the state remembers.
//!
//! Pure: stack, state and values in, text out. A sensitive value is never in
//! it.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::{BOLD, CHANGED, DIM, GOOD, short, styled};
use crate::manifest::outputs::Output;
use crate::manifest::stack::Stack;
use crate::plan::outputs::OutputValue;
use crate::quote::{line, printable};
use crate::state::{SavedOutput, State, Status};
use crate::value::{SENSITIVE, Value};

/// The outputs that are not what they were, a line each; empty where there are
/// none.
pub fn changed(outputs: &[OutputValue]) -> String {
    let mut text = String::new();
    for one in outputs.iter().filter(|one| one.is_news()) {
        if text.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "Outputs:"));
        }
        let name = line(&one.name);
        let now = plain(&one.now);
        let _ = match &one.before {
            None => writeln!(text, "  {} {name} = {now}", styled(GOOD, "+")),
            Some(before) => {
                writeln!(text, "  {} {name}: {} -> {now}", styled(CHANGED, "~"), plain(before))
            }
        };
    }
    text
}

/// Every output with its value, for machines: what is not known or sensitive
/// says so.
pub fn json(outputs: &[OutputValue]) -> Json {
    let each = outputs.iter().map(|one| (one.name.clone(), one.now.redacted_json()));
    Json::Object(each.collect())
}

/// A text without quotes; anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().filter(|_| !value.has_sensitive()).map_or_else(|| short(value), line)
}

/// What the state tells of an output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its value, as far as the state knows it.
    pub value: Option<Value>,
    /// Whether it is never to be shown, and not kept.
    pub sensitive: bool,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Why the value may not be what is true now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What the state tells of every output that the stack declares.
pub fn told(stack: &Stack, state: Option<&State>) -> Vec<Told> {
    stack.outputs.iter().map(|output| tell(stack, output, state)).collect()
}

fn tell(stack: &Stack, output: &Output, state: Option<&State>) -> Told {
    let saved = state.and_then(|state| state.outputs.get(&output.name));
    let value = saved.and_then(|saved| saved.value.clone()).filter(|_| output.off.is_none());
    let sensitive = output.sensitive || saved.is_some_and(|saved| saved.sensitive);
    let unknown = if let Some(off) = &output.off {
        let why = stack.switched_off.iter().find(|(resource, _)| resource.address == *off);
        let when = why.map(|(_, why)| format!(": it is declared {why}")).unwrap_or_default();
        Some(format!("{off} is switched off{when}"))
    } else if value.is_some() {
        None
    } else {
        match (state, saved) {
            (None, _) => Some("nothing was applied yet".to_owned()),
            (Some(_), None) => Some("no apply has ended since it was declared".to_owned()),
            (Some(_), Some(_)) if sensitive => Some("sensitive, so it is kept nowhere".to_owned()),
            (Some(state), Some(_)) => Some(
                output
                    .targets
                    .iter()
                    .find(|target| !state.resources.contains_key(*target))
                    .map_or_else(
                        || "it was not known when the last run ended".to_owned(),
                        |target| format!("{target} is not in the state"),
                    ),
            ),
        }
    };
    let stale = state.zip(saved).filter(|_| value.is_some());
    let stale = stale.and_then(|(state, saved)| stale_because(output, state, saved));
    Told {
        name: output.name.clone(),
        value,
        sensitive,
        unknown,
        stale,
        description: output.description.clone(),
    }
}

fn stale_because(output: &Output, state: &State, saved: &SavedOutput) -> Option<String> {
    if saved.written.as_deref() != Some(output.written.as_str()) {
        return Some("the Stack declares it otherwise since".to_owned());
    }
    output.targets.iter().find_map(|target| match state.resources.get(target)?.status {
        Status::Applied | Status::NotReady => None,
        status @ (Status::Unverified | Status::Drifted | Status::Missing) => {
            Some(format!("{target} is {} since", status.word()))
        }
    })
}

impl Told {
    /// The value as it stands, for a shell: a text without quotes.
    pub fn raw(&self) -> Option<String> {
        let value = self.value.as_ref()?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

/// The outputs for people, a line each.
pub fn text(told: &[Told]) -> String {
    let width = told.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for one in told {
        let value = match (&one.value, &one.unknown) {
            (Some(value), _) => plain(value),
            (None, _) if one.sensitive => SENSITIVE.to_owned(),
            (None, Some(why)) => styled(DIM, format!("(unknown: {})", line(why))),
            (None, None) => "(unknown)".to_owned(),
        };
        let _ = writeln!(text, "{:width$} = {value}", printable(&one.name));
        if let Some(why) = &one.stale {
            let _ = writeln!(text, "{:width$}   {}", "", styled(DIM, format!("stale: {why}")));
        }
    }
    text
}
