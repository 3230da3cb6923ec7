//! What the apply log remembers of the runs before: whether a saved plan was
//! applied, what was begun.
//!
//! This module must not write.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::address::Address;
use crate::journal::{Begun, Event, Journal};
use crate::plan::Plan;
use crate::value::Digest;

/// What a plan needs to know of the runs before.
pub(super) struct Past {
    /// The last run that began.
    pub after: Option<String>,
    /// What was begun to be made and no read has settled.
    pub begun: BTreeMap<Address, Begun>,
    /// The whole log, where what was just done may not show yet. A long one
    /// would be a good part of what a large plan keeps.
    pub log: Option<Journal>,
}

impl Past {
    pub(super) fn of(log: Journal, is_consistent: bool) -> Self {
        Self {
            after: runs(&log).last().map(|(run, ..)| run.to_owned()),
            begun: log.begun().map(|(address, object)| (address.clone(), object.clone())).collect(),
            log: (!is_consistent).then_some(log),
        }
    }
}

impl Engine {
    /// The run that began to carry out a saved plan, if one did, and when.
    ///
    /// # Errors
    /// When the log can't be read.
    pub async fn applied_by(
        &self,
        plan: &Plan,
    ) -> Result<Option<(String, Timestamp)>, EngineError> {
        let binding = plan.binding();
        let log = self.store.read_log().await?;
        let found = runs(&log).find(|(_, carried_out, _)| **carried_out == binding);
        Ok(found.map(|(run, _, at)| (run.to_owned(), at)))
    }
}

/// The runs that a log holds, oldest first: the name, the binding of the plan,
/// the beginning.
pub(super) fn runs(log: &Journal) -> impl Iterator<Item = (&str, &Digest, Timestamp)> {
    log.entries.iter().filter_map(|entry| match &entry.event {
        Event::RunStarted { run, plan, .. } => Some((run.as_str(), plan, entry.at)),
        _ => None,
    })
}
