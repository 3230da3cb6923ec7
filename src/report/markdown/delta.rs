//! Plan against plan as the comment of a pull request: what it introduces comes
//! first and stands open; what was pending before it and what is drift are
//! folded away.
//!
//! The rules are those of a plan's comment: risks worst first, no destroy,
//! replace or access change is left out for want of room, and what is left out
//! is said. This module must not decide what stands in which bucket, nor how
//! dangerous anything is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::escape::{code, fenced, longest_run, marker_name, sentence};
use super::lines::{mark, short, write_field};
use super::{LIMIT, MISSES, RESERVE, Room, Told, cost_of_fence, folded, rows, sections};
use crate::access::AccessDelta;
use crate::plan::Plan;
use crate::plan::delta::{Bucket, Entry, FieldDelta, PlanDelta, Turn};
use crate::plan::risk::{Risk, assess};
use crate::report::count;
use crate::report::delta::{becomes, counts, headline, phrase, sentence as told_of, shown};

/// The comment. The two plans are those that the delta was made of.
pub fn comment(delta: &PlanDelta, base: &Plan, head: &Plan) -> String {
    within(delta, base, head, LIMIT)
}

/// The comment in other bounds. Less than 4,000 bytes are taken as 4,000.
pub fn within(delta: &PlanDelta, base: &Plan, head: &Plan, limit: usize) -> String {
    let limit = limit.max(4_000);
    let introduced = delta.introduced(base, head);
    let access = AccessDelta::of(&introduced);
    let addresses: BTreeSet<_> =
        delta.of_bucket(Bucket::Introduced).map(|entry| &entry.address).collect();
    // What depends on a change is told by the whole plan.
    let risks: Vec<_> = assess(&delta.with_introduced(base, head), &access.for_risks())
        .into_iter()
        .filter(|one| addresses.contains(&one.address))
        .collect();
    let changes = introduced.changes.iter().map(|change| (&change.address, change)).collect();
    let hash = delta.head.as_str();
    let told = Told { plan: &introduced, hash, access: &access, risks: &risks, changes };

    let top = top(delta, risks.first().map_or(Risk::None, |one| one.risk));
    let foot = format!("Plan hash of HEAD: `{}`; of BASE: `{}`.\n", delta.head, delta.base);
    let mut room = Room(limit.saturating_sub(top.len() + foot.len() + RESERVE));
    let mut said = Vec::new();
    let (mut rows, mut access) = rows::grave(&told, &mut room);
    access.add_details(&mut room);
    let blocked = sections::blocked(&told, &mut room);
    rows.add(&told, Risk::Disruption, &mut room);
    rows.add(&told, Risk::InPlace, &mut room);
    let unknown = unknown(delta, &mut room);
    let outputs = sections::outputs(&delta.outputs, &mut room);
    rows.add(&told, Risk::Create, &mut room);
    rows.add(&told, Risk::Adopt, &mut room);
    let by_address: BTreeMap<_, _> =
        delta.of_bucket(Bucket::Introduced).map(|entry| (&entry.address, entry)).collect();
    let worst_first: Vec<_> =
        risks.iter().filter_map(|one| by_address.get(&one.address).copied()).collect();
    let diff = section(Bucket::Introduced, &worst_first, &mut room, &mut said);
    rows.left_out(&mut said);
    access.left_out(&mut said);
    let rest = [Bucket::Resolved, Bucket::Pending, Bucket::Drift].map(|bucket| {
        let entries: Vec<_> = delta.of_bucket(bucket).collect();
        section(bucket, &entries, &mut room, &mut said)
    });

    let mut text = top;
    let parts = [rows.text(), access.text(), blocked, diff, unknown, outputs];
    for part in parts.into_iter().chain(rest).filter(|part| !part.is_empty()) {
        text.push('\n');
        text.push_str(&part);
    }
    text.push('\n');
    if !said.is_empty() {
        let _ = writeln!(
            text,
            "**Left out** to fit {limit} bytes: {}. All of it: `lkh plan diff BASE HEAD`.\n",
            said.join("; ")
        );
    }
    text.push_str(&foot);
    text
}

fn top(delta: &PlanDelta, worst: Risk) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "<!-- lkh:plan-diff stack={} -->", marker_name(&delta.stack));
    let _ = writeln!(
        text,
        "<!-- lkh:seen hash={} base={} risk={} {} -->",
        delta.head,
        delta.base,
        worst.rank(),
        worst.word()
    );
    let _ = writeln!(text, "### {}\n", headline(delta).trim_end_matches('.'));
    let state = match &delta.lineage {
        Some(_) => format!("on state serial {}", delta.serial),
        None => "before there is a state".to_owned(),
    };
    let _ = writeln!(
        text,
        "Stack {}: {state}, account {}, region {}.\n",
        code(&delta.stack),
        code(&delta.account),
        code(&delta.region)
    );
    let _ = writeln!(text, "{}", counts(delta));
    text
}

/// What can't be told, and why.
fn unknown(delta: &PlanDelta, room: &mut Room) -> String {
    let entries: Vec<String> = delta
        .of_bucket(Bucket::Unknown)
        .map(|entry| {
            let why: Vec<_> =
                entry.remarks.iter().map(|remark| sentence(&told_of(remark))).collect();
            format!("- `{}`: {}\n", entry.address, why.join("; "))
        })
        .collect();
    let title = format!("It can't be told: {}", entries.len());
    sections::listed(&title, entries, room)
}

/// The diff of a bucket, as much of it as there is room for.
fn section(bucket: Bucket, entries: &[&Entry], room: &mut Room, said: &mut Vec<String>) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let (title, summary) = match bucket {
        Bucket::Introduced => ("#### Introduced", ""),
        Bucket::Resolved => ("#### Resolved", "Show what BASE would do and HEAD does not"),
        Bucket::Pending => ("#### Pending", "Show what was pending before"),
        Bucket::Drift => ("#### Drift", "Show what was changed outside, and both undo"),
        Bucket::Unknown => return String::new(),
    };
    let mut body = String::new();
    let (mut shown, mut misses) = (0, 0);
    if room.take(cost_of_fence(title, summary, "") + 60) {
        for entry in entries {
            if misses >= MISSES {
                break;
            }
            let part = of_entry(entry);
            // The fence grows with what it holds.
            if room.take(part.len() + 2 * longest_run(&part)) {
                body.push_str(&part);
                (shown, misses) = (shown + 1, 0);
            } else {
                misses += 1;
            }
        }
    }
    if shown < entries.len() {
        said.push(format!("the diffs of {} {}", entries.len() - shown, bucket.word()));
    }
    if body.is_empty() {
        return String::new();
    }
    let lines = match bucket {
        // A reviewer came for this.
        Bucket::Introduced => 0,
        Bucket::Resolved => body.lines().count(),
        Bucket::Unknown | Bucket::Pending | Bucket::Drift => usize::MAX,
    };
    let what = count(entries.len(), "resource");
    format!("{title}\n\n{what}.\n\n{}", folded(summary, &fenced("diff", &body), lines))
}

/// All that is to be said of an entry.
fn of_entry(entry: &Entry) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {} {}", mark(entry.action), entry.address, phrase(entry));
    let _ = writeln!(text, "    # because {}", short(&entry.reason.to_string()));
    let _ = writeln!(text, "    # {}", short(&entry.identity.to_string()));
    for field in &entry.fields {
        of_field(&mut text, entry, field);
    }
    for remark in &entry.remarks {
        let _ = writeln!(text, "#   note: {}", short(&told_of(remark)));
    }
    text
}

fn of_field(text: &mut String, entry: &Entry, field: &FieldDelta) {
    let other = short(&format!("{}; BASE {}", field.turn.phrase(), becomes(&field.base)));
    match field.turn {
        Turn::Same | Turn::Adds | Turn::UndoesDrift => {
            write_field(text, &shown(entry.address.kind, field), entry.action);
        }
        Turn::Further => {
            write_field(text, &shown(entry.address.kind, field), entry.action);
            let _ = writeln!(text, "#       {other}");
        }
        Turn::Removes | Turn::KeepsDrift => {
            let path = short(&field.path.to_string());
            let live = match &field.live {
                Some(value) => format!("stays {}", short(&value.to_string())),
                None => "stays absent".to_owned(),
            };
            let _ = writeln!(text, "#   {path}: {live}  ({other})");
        }
    }
}

#[cfg(test)]
mod tests;
