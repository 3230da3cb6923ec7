//! What the apply log remembers of the runs before: whether a saved plan was
//! applied, what was begun.
//!
//! This module must not write.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::survey::recent;
use super::{Engine, EngineError};
use crate::address::Address;
use crate::journal::{Begun, Entry, Event, Journal};
use crate::plan::Plan;
use crate::state::State;
use crate::store::StoreError;
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
    fn of(log: Journal, is_consistent: bool) -> Self {
        Self {
            after: log.run().map(str::to_owned),
            begun: log.begun().map(|(address, object)| (address.clone(), object.clone())).collect(),
            log: (!is_consistent).then_some(log),
        }
    }
}

impl Engine {
    /// What a plan needs to know of the runs before. A log that ends where the
    /// state was saved, with everything settled and long enough ago, tells
    /// nothing that the state does not: then it is not read.
    ///
    /// # Errors
    /// When the log can't be read: what was begun is then unknown, not nothing.
    pub(super) async fn past(
        &self,
        state: Option<&State>,
        end: Option<(Entry, Digest)>,
    ) -> Result<Past, EngineError> {
        let consistent = self.gateway.is_consistent();
        if let Some(mark) = state.and_then(|state| state.log.as_ref()).filter(|mark| mark.settled)
            && let Some((entry, digest)) = end
            && (entry.line, &digest) == (mark.line, &mark.digest)
            && (consistent || !recent::is_recent(entry.at, self.clock.now()))
        {
            let log = (!consistent).then(Journal::default);
            return Ok(Past { after: mark.run.clone(), begun: BTreeMap::new(), log });
        }
        let log = match self.store.read_log().await {
            // An apply refuses a broken log, and says so. A plan only remembers less.
            Err(StoreError::Log { .. }) => Journal::default(),
            other => other?,
        };
        Ok(Past::of(log, consistent))
    }

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
