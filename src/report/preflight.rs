//! The checks before an apply, as a table and as data.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{BAD, CHANGED, GOOD, count, styled, write_blockers};
use crate::engine::preflight::{Check, Verdict};
use crate::quote::{line, printable};

/// How many checks came out how.
fn counts(checks: &[Check]) -> (usize, usize, usize) {
    let of = |test: fn(&Verdict) -> bool| checks.iter().filter(|one| test(&one.verdict)).count();
    (
        of(|verdict| matches!(verdict, Verdict::Good(_))),
        of(|verdict| matches!(verdict, Verdict::Blocked(_))),
        of(|verdict| matches!(verdict, Verdict::Unknown(_))),
    )
}

/// A row a check, and a line of counts.
pub fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for one in checks {
        let (word, style) = match &one.verdict {
            Verdict::Good(_) => ("ok     ", GOOD),
            Verdict::Blocked(_) => ("blocked", BAD),
            Verdict::Unknown(_) => ("unknown", CHANGED),
        };
        let head = format!("{}  {:width$}  {}", styled(style, word), one.name, line(&one.subject));
        let told = match &one.verdict {
            Verdict::Good(known) => line(known),
            Verdict::Unknown(why) => printable(why).replace('\n', "\n           "),
            Verdict::Blocked(_) => String::new(),
        };
        let colon = if one.subject.is_empty() || told.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "{}", format!("{head}{colon}{told}").trim_end());
        if let Verdict::Blocked(blocker) = &one.verdict {
            write_blockers(&mut text, "         ", std::slice::from_ref(blocker));
        }
    }
    let (good, bad, dark) = counts(checks);
    let _ = write!(text, "\n{} ok", count(good, "check"));
    if dark > 0 {
        let _ = write!(text, ", {dark} unknown");
    }
    if bad > 0 {
        let _ = write!(text, ", {}", styled(BAD, format!("{bad} blocked")));
    }
    text.push_str(".\n");
    text
}

/// The checks for machines.
pub fn json(checks: &[Check]) -> Json {
    let rows: Vec<Json> = checks
        .iter()
        .map(|one| {
            let mut row = json!({ "check": one.name, "subject": one.subject });
            let (status, key, told) = match &one.verdict {
                Verdict::Good(known) => ("ok", "detail", json!(known)),
                Verdict::Unknown(why) => ("unknown", "detail", json!(why)),
                Verdict::Blocked(blocker) => ("blocked", "blocker", json!(blocker)),
            };
            if let Some(map) = row.as_object_mut() {
                map.insert("status".into(), json!(status));
                map.insert(key.into(), told);
            }
            row
        })
        .collect();
    let (_, bad, dark) = counts(checks);
    json!({ "checks": rows, "blocked": bad, "unknown": dark, "ready": bad == 0 })
}
