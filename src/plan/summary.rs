//! How many resources a plan does what with.
//!
//! This module must not know how anything but these counts is shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Action;

/// How many resources a plan does what with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary(pub BTreeMap<Action, usize>);

impl Summary {
    /// How many resources an action is planned for.
    pub fn count(&self, action: Action) -> usize {
        self.0.get(&action).copied().unwrap_or(0)
    }
}

impl fmt::Display for Summary {
    /// The three counts that other tools' reports have come first; a replaced
    /// resource counts as added and destroyed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replaced = self.count(Action::Replace);
        write!(
            f,
            "Plan: {} to add, {} to change, {} to destroy",
            self.count(Action::Create) + replaced,
            self.count(Action::Update),
            self.count(Action::Delete) + replaced
        )?;
        for (action, word) in
            [(Action::Adopt, "adopt"), (Action::Repair, "repair"), (Action::Forget, "forget")]
        {
            let count = self.count(action);
            if count > 0 {
                write!(f, ", {count} to {word}")?;
            }
        }
        f.write_str(".")
    }
}
