//! What else a reviewer needs: what is in the way, what is not known yet, what
//! changed outside, what the outputs become.
//!
//! Each part takes as much room as is left and says how much of it is not shown.
//! This module must not decide what matters: it only tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::escape::{code, fenced, sentence};
use super::{MISSES, OPEN, Room, Told, cost_of_fence, folded, lines};
use crate::address::{Address, Reference};
use crate::plan::outputs::OutputValue;
use crate::plan::{Action, Change};
use crate::value::Value;

/// So many users of one unknown value are named.
const NAMED: usize = 3;

/// A list of entries, as many as fit. `None`: there are none.
pub(super) fn listed(title: &str, entries: Vec<String>, room: &mut Room) -> String {
    let (all, cost) = (entries.len(), title.len() + 120);
    if all == 0 || !room.take(cost) {
        return String::new();
    }
    let mut shown: Vec<String> = Vec::new();
    for entry in entries {
        match room.fits(entry) {
            Some(entry) => shown.push(entry),
            None => break,
        }
    }
    let missing = all - shown.len();
    let mut body = shown.concat();
    if missing > 0 {
        let _ = writeln!(body, "- and {missing} more");
    }
    let summary = format!("Show all {}", shown.len());
    format!("#### {title}\n\n{}", folded(&summary, &body, shown.len()))
}

/// What can't be carried out or is not ready, and what to do about it.
pub(super) fn blocked(told: &Told<'_>, room: &mut Room) -> String {
    let mut entries = Vec::new();
    for change in told.plan.blocked() {
        if change.blockers.is_empty() {
            let why = sentence(&change.reason.to_string());
            entries.push(format!("- `{}` can't be planned: {why}\n", change.address));
        }
        for blocker in &change.blockers {
            entries.push(format!(
                "- `{}` {}: {}. Next: {}\n",
                change.address,
                code(&blocker.code),
                sentence(&blocker.message),
                sentence(&blocker.next)
            ));
        }
    }
    let title = format!("In the way: {}", entries.len());
    listed(&title, entries, room)
}

/// What only the apply can know, each with what resolves it.
pub(super) fn unknown(told: &Told<'_>, room: &mut Room) -> String {
    let mut users: BTreeMap<&str, BTreeSet<&Address>> = BTreeMap::new();
    for change in &told.plan.changes {
        let fields = change.fields.iter().filter_map(|field| field.after.as_ref());
        let mut found = Vec::new();
        for value in fields.chain(change.identity.0.values()) {
            collect_unknown(value, &mut found);
        }
        for expression in found {
            users.entry(expression).or_default().insert(&change.address);
        }
    }
    let entries: Vec<String> = users
        .into_iter()
        .map(|(expression, users)| {
            let named: Vec<_> =
                users.iter().take(NAMED).map(|address| format!("`{address}`")).collect();
            let more = users.len().saturating_sub(named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let when = resolved_by(told, expression);
            format!("- {} in {}{more}: {when}\n", code(expression), named.join(", "))
        })
        .collect();
    let title = format!("Known only after the apply: {}", entries.len());
    listed(&title, entries, room)
}

/// The expressions of what is not known in a value.
fn collect_unknown<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Unknown(expression) => found.push(expression),
        Value::List(list) => list.iter().for_each(|value| collect_unknown(value, found)),
        Value::Map(map) => map.values().for_each(|value| collect_unknown(value, found)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Sensitive(_) => {}
    }
}

/// What makes an expression known.
fn resolved_by(told: &Told<'_>, expression: &str) -> String {
    let inner = expression.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    let reference = inner.and_then(|text| text.parse::<Reference>().ok());
    let Some(Reference::Output { target, .. }) = reference else {
        return "known when what it names is applied".to_owned();
    };
    let action = told.changes.get(&target).map(|change| change.action);
    let done = match action {
        Some(Action::Create) => "is created",
        Some(Action::Replace) => "is made anew",
        Some(Action::Unknown) => "can be planned",
        Some(
            Action::NoOp
            | Action::Adopt
            | Action::Update
            | Action::Repair
            | Action::Delete
            | Action::Forget
            | Action::Check,
        )
        | None => "is applied",
    };
    format!("known when `{target}` {done}")
}

/// What was changed outside since the last apply, and is taken back.
pub(super) fn drift(told: &Told<'_>, room: &mut Room) -> String {
    const SUMMARY: &str = "Show what was changed outside";
    let undone: Vec<&Change> = told
        .risks
        .iter()
        .filter(|one| one.undoes_drift)
        .filter_map(|one| told.changes.get(&one.address).copied())
        .collect();
    if undone.is_empty() {
        return String::new();
    }
    let title = format!(
        "#### Drift\n\n{} changed outside of lkh since the last apply; this plan takes that back.\n",
        if undone.len() == 1 {
            "1 resource was".to_owned()
        } else {
            format!("{} resources were", undone.len())
        }
    );
    let mut body = String::new();
    let mut misses = 0;
    let (mut shown, all) = (0, undone.len());
    if room.take(cost_of_fence(&title, SUMMARY, "")) {
        for change in undone {
            if misses >= MISSES {
                break;
            }
            let part = lines::of_drift(change);
            // The fence grows with what it holds.
            if room.take(part.len() + 2 * super::escape::longest_run(&part)) {
                body.push_str(&part);
                shown += 1;
                misses = 0;
            } else {
                misses += 1;
            }
        }
    }
    let mut text = title;
    if shown < all {
        let _ = writeln!(text, "\n{shown} of these are shown here.");
    }
    if !body.is_empty() {
        let lines = OPEN + body.lines().count();
        let _ = write!(text, "\n{}", folded(SUMMARY, &fenced("diff", &body), lines));
    }
    text
}

/// The outputs that become something else.
pub(super) fn outputs(outputs: &[OutputValue], room: &mut Room) -> String {
    let entries: Vec<String> = outputs
        .iter()
        .filter(|one| one.is_news())
        .map(|one| {
            let shown = |value: &Value| match value {
                Value::String(text) => code(text),
                other => code(&other.to_string()),
            };
            let (name, now) = (code(&one.name), shown(&one.now));
            match &one.before {
                None => format!("- {name}: {now}\n"),
                Some(before) => format!("- {name}: {} → {now}\n", shown(before)),
            }
        })
        .collect();
    let title = format!("Outputs that change: {}", entries.len());
    listed(&title, entries, room)
}
