//! The runs that the apply log remembers: whether a saved plan was applied.
//!
//! This module must not write.

use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::journal::{Event, Journal};
use crate::plan::Plan;
use crate::value::Digest;

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
