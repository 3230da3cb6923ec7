//! Refresh: what the state says is brought up to date with what was read.
//!
//! What was applied last stays what it was. This module must not change
//! anything but the state.

use std::sync::Arc;

use jiff::Timestamp;

use super::read::Sighting;
use super::survey::{Purpose, Settled};
use super::{Engine, EngineError, Targets, apply, outputs};
use crate::adapter::{Live, Readiness};
use crate::address::Address;
use crate::plan::Mode;
use crate::plan::decide::differences;
use crate::state::{Record, Status};
use crate::store::Lock;
use crate::value::Path;

impl Engine {
    /// Reads everything that the state knows and brings its records up to date:
    /// outputs, readiness, evidence. What was applied stays what it was, so
    /// that drift still shows as drift.
    ///
    /// # Errors
    /// When nothing can be read, or the state can't be written.
    pub async fn refresh(
        &self,
        targets: &Targets,
        lock: &Lock,
    ) -> Result<Vec<(Address, Status)>, EngineError> {
        let planned = self.survey(Mode::Apply, targets, Purpose::Prove).await?;
        let Some(mut state) = self.state_of(&planned.plan).await? else { return Ok(Vec::new()) };
        let mut statuses = Vec::new();
        let before = state.clone();
        for (address, settled) in &planned.settled {
            let Some(record) = state.resources.get_mut(address) else { continue };
            let entry = planned.survey.entries.get(address);
            let ignore = entry.map(|entry| entry.ignore.as_slice()).unwrap_or_default();
            look_at(address, record, settled, ignore, self.clock.now());
            statuses.push((address.clone(), record.status));
        }
        let outputs = outputs::read(self, &planned, &state);
        state.set_outputs(outputs::to_keep(&self.stack, &outputs));
        if state != before {
            state.serial += 1;
            self.store.back_up(lock).await?;
            self.store.save(lock, &state).await?;
        }
        Ok(statuses)
    }
}

/// Brings a record up to date with what was read.
fn look_at(
    address: &Address,
    record: &mut Record,
    settled: &Settled,
    ignore: &[Path],
    now: Timestamp,
) {
    let adapter = address.kind.adapter();
    let named = settled.desired.as_ref().map(|desired| &desired.identity);
    if named.is_some_and(|named| named.is_known() && !named.is_same(&record.applied.identity)) {
        // What was read is the object that the manifest names now, and tells
        // nothing of the one that was applied.
        record.status = Status::Drifted;
        record.blockers.clear();
        return;
    }
    match &settled.live {
        None => record.status = Status::Unverified,
        Some(Live::Absent) => {
            record.status = Status::Missing;
            record.blockers.clear();
        }
        Some(Live::Present(object)) => {
            Arc::make_mut(&mut record.applied).outputs = object.outputs.clone();
            record.blockers.clear();
            record.status = match &settled.desired {
                None => Status::Drifted,
                Some(desired) => {
                    let found = differences(adapter, desired, None, object, ignore);
                    let ready = adapter.readiness(desired, object);
                    match (found.is_equal() && settled.decision.steps.is_empty(), ready) {
                        (true, Readiness::Ready) => Status::Applied,
                        (_, Readiness::Waiting(blockers) | Readiness::NotReady(blockers)) => {
                            record.blockers = blockers;
                            Status::NotReady
                        }
                        (false, Readiness::Ready) => Status::Drifted,
                    }
                }
            };
        }
    }
    if let Some(live) = &settled.live {
        let sighting =
            Sighting { live: live.clone(), commands: settled.evidence.clone(), missing: None };
        record.evidence = apply::evidence(&sighting, now);
    }
}
