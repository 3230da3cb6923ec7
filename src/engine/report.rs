//! What an apply came to, and the exit code that follows.
//!
//! Pure: this module must not read or run anything.

use std::sync::Arc;

use super::apply::{Ending, Finished};
use super::leftovers;
use crate::address::Address;
use crate::plan::Action;
use crate::plan::outputs::OutputValue;
use crate::seeded::{self, Bug};

/// How an apply ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each resource, in the plan's order.
    pub resources: Vec<(Address, Action, Arc<Finished>)>,
    /// The stack's outputs, with what they were before.
    pub outputs: Vec<OutputValue>,
    /// Whether the run was told to stop.
    pub interrupted: bool,
    /// After a destroy: what was looked for that no resource stands for.
    pub left: Vec<leftovers::Checked>,
    /// After a destroy: what stays on purpose, each with why.
    pub stays: Vec<(Address, String)>,
}

impl Report {
    /// Whether every resource was proved to be as planned.
    pub fn is_good(&self) -> bool {
        let clean = self.left.iter().all(leftovers::Checked::is_clean);
        clean
            && self.resources.iter().all(|(_, _, finished)| {
                finished.ending.is_good()
                    || (seeded::is(Bug::NotReadyIsGood)
                        && matches!(finished.ending, Ending::NotReady(_)))
            })
    }

    /// The exit code: 0 verified, 1 something failed, 3 nothing failed but
    /// something moved since the plan, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        let any = |test: fn(&Ending) -> bool| {
            self.resources.iter().any(|(_, _, finished)| test(&finished.ending))
        };
        if self.interrupted && any(|ending| matches!(ending, Ending::Interrupted)) {
            130
        } else if self.is_good() {
            0
        } else if any(|ending| matches!(ending, Ending::Moved { .. }))
            && self.left.iter().all(leftovers::Checked::is_clean)
            && !any(|ending| {
                matches!(ending, Ending::Failed(_) | Ending::NotReady(_) | Ending::Blocked(_))
            })
        {
            3
        } else {
            1
        }
    }
}
