//! A plan as text for programs that wrap Terraform: tfcmt and Atlantis.
//!
//! They look for Terraform's own lines, and the plan's text has most of them by
//! itself: `# ADDRESS will be created`, `Plan: 1 to add, ...`. What they look for
//! besides, and people need not read, is added here. tfcmt cuts out what is
//! between the note on changes outside and the sentence that ends it, so there
//! are both or none. This module must not tell anything new.

use std::fmt::Write as _;

use super::format::Rendering;
use super::{count, outputs, plan};

/// The plan as text, with Terraform's lines.
pub fn render(of: &Rendering<'_>) -> String {
    let mut text = String::new();
    let drifted: Vec<_> = of.plan.drifted().collect();
    if !drifted.is_empty() {
        let _ = writeln!(text, "Note: Objects have changed outside of Terraform\n");
        for change in drifted {
            let _ = writeln!(text, "  # {} has changed", change.address);
        }
        let _ = writeln!(
            text,
            "\nUnless you have made equivalent changes to your configuration, this plan undoes \
             them.\n"
        );
    }
    text.push_str(&plan::text(of.plan, of.show));
    text.push_str(&outputs::changed(&of.plan.outputs));
    let blocked = of.plan.blocked().count();
    if blocked > 0 {
        let _ = writeln!(text, "Error: {} blocked or not ready", count(blocked, "resource"));
    } else if !of.plan.has_changes() {
        let _ = writeln!(text, "No changes. Your infrastructure matches the configuration.");
    }
    text
}
