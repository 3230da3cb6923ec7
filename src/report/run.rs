//! The end of an apply, as text.

use std::fmt::Write as _;

use super::{BAD, BOLD, GOOD, count, short, styled, write_blockers};
use crate::engine::Report;
use crate::engine::apply::{Ending, Failure};
use crate::plan::{Action, Plan};
use crate::quote::{line, printable};

/// What an apply came to, for people: the failures first in full, then one
/// line of counts.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for (address, _, finished) in &report.resources {
        let title = |word: &str| styled(BAD, format!("{address}: {word}"));
        match &finished.ending {
            Ending::Unchanged | Ending::Applied | Ending::Destroyed | Ending::Forgotten => {}
            Ending::NotReady(blockers) => {
                let _ = writeln!(text, "{}", title("not ready"));
                write_blockers(&mut text, "  ", blockers);
            }
            Ending::Blocked(blockers) => {
                let _ = writeln!(text, "{}", title("blocked"));
                write_blockers(&mut text, "  ", blockers);
            }
            Ending::Failed(failure) => {
                let _ = writeln!(text, "{}", title("failed"));
                write_failure(&mut text, failure);
            }
            Ending::Moved { now, why } => {
                let _ = writeln!(text, "{}", title("moved since the plan; nothing was changed"));
                let _ = writeln!(text, "  {}", printable(why).replace('\n', "\n    "));
                for field in now {
                    let side = |value: &Option<crate::value::Value>| {
                        value.as_ref().map_or_else(|| "(nothing)".to_owned(), short)
                    };
                    let _ = writeln!(
                        text,
                        "  ~ {}: {} -> {}",
                        line(&field.path.to_string()),
                        side(&field.before),
                        side(&field.after)
                    );
                }
                let _ = writeln!(text, "  {} plan again, and review", styled(BOLD, "next:"));
            }
            Ending::Skipped { because } => {
                let _ = writeln!(text, "{address}: skipped, because {because} did not succeed");
            }
            Ending::Interrupted => {
                let _ = writeln!(text, "{address}: not begun, because the run was stopped");
            }
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    write_left(&mut text, report);
    let ended = |test: &dyn Fn(&Ending) -> bool| {
        report.resources.iter().filter(|(_, _, finished)| test(&finished.ending)).count()
    };
    let with = |action: Action| {
        report
            .resources
            .iter()
            .filter(|(_, planned, finished)| {
                *planned == action && matches!(finished.ending, Ending::Applied | Ending::Destroyed)
            })
            .count()
    };
    let replaced = with(Action::Replace);
    let counts = format!(
        "{} added, {} changed, {} destroyed, {} adopted, {} repaired",
        with(Action::Create) + replaced,
        with(Action::Update),
        with(Action::Delete) + replaced,
        with(Action::Adopt),
        with(Action::Repair),
    );
    if report.is_good() {
        let _ = writeln!(
            text,
            "{} {counts}. {} verified by a read.",
            styled(GOOD, "Complete:"),
            count(
                ended(&|ending| {
                    matches!(ending, Ending::Unchanged | Ending::Applied | Ending::Destroyed)
                }),
                "resource"
            )
        );
    } else {
        let bad = ended(&|ending| !ending.is_good());
        let what = match bad {
            0 => "Something is left: see above.".to_owned(),
            _ => format!("{} did not end well.", count(bad, "resource")),
        };
        let _ = writeln!(text, "{} {counts}. {what}", styled(BAD, "Incomplete:"));
    }
    text.push_str(&super::outputs::changed(&report.outputs));
    text
}

/// What a destroy left: what stays on purpose, what was proved to be gone, and
/// what is there all the same.
fn write_left(text: &mut String, report: &Report) {
    for (address, why) in &report.stays {
        let _ = writeln!(text, "{address} stays: {}", line(why));
    }
    for checked in &report.left {
        let address = &checked.address;
        if let Some(problem) = &checked.problem {
            let _ =
                writeln!(text, "{}", styled(BAD, format!("{address}: nobody knows what is left")));
            let _ = writeln!(text, "  command: {}", line(&problem.command));
            let _ = writeln!(text, "  cause: {}", printable(&problem.why).replace('\n', "\n    "));
            let _ = writeln!(text, "  {} {}", styled(BOLD, "next:"), line(&problem.next));
            continue;
        }
        for left in checked.found.iter().filter(|left| !left.ids.is_empty()) {
            let told = format!("{address}: {} of {} are left: ", left.what, left.of);
            let _ = writeln!(text, "{}{}", styled(BAD, line(&told)), line(&left.ids.join(", ")));
            if let Some(next) = &left.next {
                let _ = writeln!(text, "  {} {}", styled(BOLD, "next:"), line(next));
            }
        }
        if checked.is_clean() {
            let what: Vec<_> = checked.found.iter().map(|left| left.what.as_str()).collect();
            let of = checked.found.first().map_or("", |left| left.of.as_str());
            let _ = writeln!(
                text,
                "{address}: of {} nothing is left: no {} ({} told)",
                line(of),
                line(&what.join(", ")),
                count(checked.commands.len(), "read")
            );
        }
    }
    if !report.stays.is_empty() || !report.left.is_empty() {
        text.push('\n');
    }
}

/// That a plan was refused and nothing was changed, for machines: in the shape
/// of [`json`], with what moved since the plan was made and, where it is given,
/// what is planned now.
pub fn refused(why: &str, moved: &[String], now: Option<&Plan>, code: u8) -> serde_json::Value {
    let mut refused = serde_json::json!({
        "why": why,
        "moved": moved,
        "next": "plan again, and review",
    });
    if let (Some(map), Some(Ok(plan))) = (refused.as_object_mut(), now.map(super::plan::json)) {
        map.insert("plan".into(), plan);
    }
    serde_json::json!({
        "resources": [],
        "interrupted": false,
        "exitCode": code,
        "refused": refused,
    })
}

/// That an apply was not begun, for machines: in the shape of [`json`], with
/// the checks that stand in its way.
pub fn held_back(checks: &[crate::engine::preflight::Check], code: u8) -> serde_json::Value {
    serde_json::json!({
        "resources": [],
        "interrupted": false,
        "exitCode": code,
        "preflight": super::preflight::json(checks),
    })
}

/// What an apply came to, for machines.
pub fn json(report: &Report) -> serde_json::Value {
    let resources: Vec<_> = report
        .resources
        .iter()
        .map(|(address, action, finished)| {
            let mut json = serde_json::json!({
                "address": address,
                "action": action,
                "outcome": finished.ending.word(),
                "good": finished.ending.is_good(),
            });
            let detail = match &finished.ending {
                Ending::Unchanged
                | Ending::Applied
                | Ending::Destroyed
                | Ending::Forgotten
                | Ending::Interrupted => serde_json::Value::Null,
                Ending::NotReady(blockers) | Ending::Blocked(blockers) => {
                    serde_json::json!({ "blockers": blockers })
                }
                Ending::Failed(failure) => serde_json::json!({
                    "what": failure.what,
                    "command": failure.command,
                    "why": failure.why,
                    "next": failure.next,
                    "blockers": failure.blockers,
                }),
                Ending::Moved { now, why } => serde_json::json!({ "why": why, "now": now }),
                Ending::Skipped { because } => serde_json::json!({ "because": because }),
            };
            if let (Some(map), false) = (json.as_object_mut(), detail.is_null()) {
                map.insert("detail".into(), detail);
            }
            json
        })
        .collect();
    let mut json = serde_json::json!({
        "resources": resources,
        "interrupted": report.interrupted,
        "exitCode": report.exit_code(),
    });
    if let Some(map) = json.as_object_mut() {
        if !report.outputs.is_empty() {
            map.insert("outputs".into(), super::outputs::json(&report.outputs));
        }
        if !report.stays.is_empty() {
            let stays = report.stays.iter();
            let stays =
                stays.map(|(address, why)| serde_json::json!({"address": address, "why": why}));
            map.insert("stays".into(), stays.collect());
        }
        if !report.left.is_empty() {
            map.insert("leftovers".into(), report.left.iter().map(left_json).collect());
        }
    }
    json
}

fn left_json(checked: &crate::engine::leftovers::Checked) -> serde_json::Value {
    let evidence: Vec<_> = checked
        .commands
        .iter()
        .map(|(command, digest)| serde_json::json!({"command": command, "digest": digest}))
        .collect();
    let problem = checked.problem.as_ref().map(|problem| {
        serde_json::json!({"command": problem.command, "why": problem.why, "next": problem.next})
    });
    serde_json::json!({
        "address": checked.address,
        "clean": checked.is_clean(),
        "checked": checked.found,
        "evidence": evidence,
        "problem": problem,
    })
}

fn write_failure(text: &mut String, failure: &Failure) {
    let _ = writeln!(text, "  could not {}", line(&failure.what));
    if !failure.command.is_empty() {
        let _ = writeln!(text, "  command: {}", line(&failure.command));
    }
    let _ = writeln!(text, "  cause: {}", printable(&failure.why).replace('\n', "\n    "));
    let _ = writeln!(text, "  {} {}", styled(BOLD, "next:"), line(&failure.next));
    write_blockers(text, "  ", &failure.blockers);
}
