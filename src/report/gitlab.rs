//! A plan as the three counts that GitLab shows beside a merge request.
//!
//! The widget reads an artifact of the kind `terraform` with just these keys. A
//! replaced object counts as created and as deleted. This module must not tell
//! anything else of a plan: what the widget does not know it refuses.

use super::format::Rendering;
use crate::plan::Action;

/// The counts as JSON, on one line.
pub fn render(of: &Rendering<'_>) -> String {
    let (mut create, mut update, mut delete) = (0_usize, 0_usize, 0_usize);
    for change in &of.plan.changes {
        match change.action {
            Action::Create => create += 1,
            // What is adopted without a difference only enters the state.
            Action::Update | Action::Repair => update += 1,
            Action::Adopt if !change.commands.is_empty() => update += 1,
            Action::Delete => delete += 1,
            Action::Replace => (create, delete) = (create + 1, delete + 1),
            Action::NoOp | Action::Adopt | Action::Forget | Action::Check | Action::Unknown => {}
        }
    }
    format!("{{\"create\":{create},\"update\":{update},\"delete\":{delete}}}\n")
}
