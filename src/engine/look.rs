//! One resource, looked at closely: for whoever asks why it changes.
//!
//! Reads what a plan with this target reads, and keeps what a plan drops: both
//! sides of what is equal, what the state remembers, and what the apply log
//! tells of it. Changes nothing. This module must not judge anything anew.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::survey::Purpose;
use super::{Engine, EngineError, Targets};
use crate::adapter::{Desired, Live};
use crate::address::Address;
use crate::journal::{Entry, Event, Outcome};
use crate::plan::{Mode, Plan};
use crate::state::Record;

/// What is known of one resource.
#[derive(Debug)]
pub struct Look {
    /// The plan of it and of what it depends on.
    pub plan: Plan,
    /// What the manifests ask for; `None`: nothing, or it can't be said.
    pub desired: Option<Desired>,
    /// What is there; `None`: it was not read.
    pub live: Option<Live>,
    /// What the state remembers.
    pub record: Option<Record>,
    /// The last run that touched it.
    pub run: Option<LastRun>,
    /// What a person did with it in the state since.
    pub by_hand: Vec<ByHand>,
}

/// What the apply log tells of the last run that touched a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Names the run.
    pub run: String,
    /// When its last line about the resource was written.
    pub at: Timestamp,
    /// What it did with it, in the words of the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What a read proved in the end; `None`: nobody saw the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Its changing commands, in order: what each was for, and how it ended.
    pub commands: Vec<(String, String)>,
}

/// What a person did with a resource in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByHand {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What, as the end of a sentence.
    pub what: String,
}

impl Engine {
    /// Reads one resource and what it depends on, and tells all that is known
    /// of it.
    ///
    /// # Errors
    /// When nothing can be planned at all, or nothing has that address.
    pub async fn look(&self, address: &Address) -> Result<Look, EngineError> {
        let targets = Targets(vec![address.to_string()]);
        let planned = self.survey(Mode::Apply, &targets, Purpose::Show).await?;
        let settled = planned.settled.get(address);
        let desired = settled.and_then(|settled| settled.desired.clone());
        let live = settled.and_then(|settled| settled.live.clone());
        let state = self.store.load().await?;
        let record = state.and_then(|mut state| state.resources.remove(address));
        let log = self.store.examine_log().await?;
        let (run, by_hand) = told(&log.entries, address);
        Ok(Look { plan: planned.plan, desired, live, record, run, by_hand })
    }
}

/// What the lines of the log tell of a resource.
fn told(entries: &[Entry], address: &Address) -> (Option<LastRun>, Vec<ByHand>) {
    let mut run = "";
    let mut last: Option<LastRun> = None;
    let mut by_hand = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for Entry { at, event, .. } in entries {
        let touch = |last: &mut Option<LastRun>| {
            if last.as_ref().is_none_or(|last| last.run != run) {
                let (action, status) = (None, None);
                let commands = Vec::new();
                *last = Some(LastRun { run: run.to_owned(), at: *at, action, status, commands });
            }
            if let Some(last) = last {
                last.at = *at;
            }
        };
        let mut hand = |by: &str, what: String| {
            by_hand.push(ByHand { by: by.to_owned(), at: *at, what });
        };
        match event {
            Event::RunStarted { run: name, .. } => {
                run = name;
                open.clear();
            }
            Event::Intended { operation, address: of, title, .. } if of == address => {
                touch(&mut last);
                if let Some(last) = &mut last {
                    open.insert(*operation, last.commands.len());
                    last.commands.push((title.clone(), "has no known outcome".to_owned()));
                }
            }
            Event::Finished { operation, outcome } => {
                let place = open.remove(operation);
                let command = place
                    .and_then(|place| last.as_mut().and_then(|last| last.commands.get_mut(place)));
                if let Some((_, ended)) = command {
                    *ended = match outcome {
                        Outcome::Exited => "done".to_owned(),
                        Outcome::Failed { code, why } => format!("failed with {code}: {why}"),
                        Outcome::Unknown { why } => format!("has no known outcome: {why}"),
                    };
                }
            }
            Event::Settled { address: of, status, action } if of == address => {
                touch(&mut last);
                if let Some(last) = &mut last {
                    last.status = Some(status.clone());
                    last.action.clone_from(action);
                }
            }
            Event::Removed { by, address: of } if of == address => {
                hand(by, "took it out of the state".to_owned());
            }
            Event::Moved { by, from, to } if from == address || to == address => {
                hand(by, format!("renamed {from} to {to} in the state"));
            }
            Event::Pushed { by, serial } => {
                hand(by, format!("put another state in place, serial {serial}"));
            }
            Event::Restored { by, serial } => {
                hand(by, format!("put the backup of the state back, serial {serial}"));
            }
            Event::Intended { .. }
            | Event::Settled { .. }
            | Event::Removed { .. }
            | Event::Moved { .. }
            | Event::RunEnded { .. }
            | Event::Fenced { .. } => {}
        }
    }
    let since = last.as_ref().map(|last| last.at);
    by_hand.retain(|one: &ByHand| since.is_none_or(|since| one.at >= since));
    (last, by_hand)
}
