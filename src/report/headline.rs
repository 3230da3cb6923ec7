//! A plan in one line, for those who read no further: comment and page have the
//! same. This module must not judge how
//! dangerous anything is.

use crate::plan::risk::{Assessed, Risk};
use crate::plan::{Mode, Plan};

/// What a plan does, worst first: `1 destroy, 2 access widenings, 3 safe`.
pub(super) fn headline(plan: &Plan, risks: &[Assessed]) -> String {
    let number = |risk: Risk| risks.iter().filter(|one| one.risk == risk).count();
    let mut parts = Vec::new();
    for (risk, one, many) in [
        (Risk::DataLoss, "data loss", "data losses"),
        (Risk::Destroy, "destroy", "destroys"),
        (Risk::Access, "access widening", "access widenings"),
        (Risk::Disruption, "disruption", "disruptions"),
    ] {
        match number(risk) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            number => parts.push(format!("{number} {many}")),
        }
    }
    let safe = number(Risk::InPlace) + number(Risk::Create) + number(Risk::Adopt);
    if safe > 0 {
        parts.push(format!("{safe} safe"));
    }
    let undone = risks.iter().filter(|one| one.undoes_drift).count();
    if undone > 0 {
        parts.push(format!("{undone} undoing what was changed outside"));
    }
    let blocked = plan.blocked().count();
    if parts.is_empty() {
        parts.push(match (blocked, plan.mode) {
            (0, Mode::Apply) => "No changes: everything is as declared".to_owned(),
            (0, Mode::Destroy) => "No changes: nothing is left to destroy".to_owned(),
            (_, _) => "No changes can be made".to_owned(),
        });
    } else if plan.mode == Mode::Destroy {
        parts.insert(0, "the stack is destroyed".to_owned());
    }
    if blocked > 0 {
        parts.push(format!("{blocked} blocked"));
    }
    parts.join(", ")
}
