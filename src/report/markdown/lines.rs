//! The lines of a diff, each with its mark in the first column, where GitHub
//! and GitLab colour it.
//!
//! Every text from outside is on one line and behind a mark here, so it can't
//! look like a line of its own. The caller puts the lines into a fence. This
//! module must not decide which changes are shown.

use std::fmt::Write as _;

use super::escape::shortened;
use crate::diff::{FieldChange, Origin};
use crate::plan::{Action, Change};
use crate::quote::line;
use crate::report::difference::{self, Mark};
use crate::report::plan::spelled_alike;
use crate::report::{is_document, pretty};
use crate::value::Value;

/// The longest value on a line that is shown whole, in characters.
const LONGEST: usize = 400;

/// The mark of an action.
pub(super) fn mark(action: Action) -> char {
    match action {
        Action::Create | Action::Adopt => '+',
        Action::Delete | Action::Replace => '-',
        Action::Update | Action::Repair => '!',
        Action::NoOp | Action::Forget | Action::Check => '#',
        Action::Unknown => '!',
    }
}

/// All that is to be said of a change.
pub(super) fn of_change(change: &Change) -> String {
    let mut text = String::new();
    let (mark, phrase) = (mark(change.action), change.action.phrase());
    let _ = writeln!(text, "{mark} {} {phrase}", change.address);
    let _ = writeln!(text, "    # because {}", short(&change.reason.to_string()));
    let _ = writeln!(text, "    # {}", short(&change.identity.to_string()));
    for field in &change.fields {
        let alike = spelled_alike(change, field);
        write_field(&mut text, alike.as_ref().unwrap_or(field), change.action);
    }
    for foreign in &change.foreign {
        let value = foreign.value.as_ref().map(|value| format!(" = {}", of_value(value)));
        let path = short(&foreign.path.to_string());
        let value = value.unwrap_or_default();
        let _ = writeln!(text, "#   {path}{value}  (not declared: left alone)");
    }
    for note in &change.notes {
        for part in note.lines() {
            let _ = writeln!(text, "#   note: {}", short(part));
        }
    }
    text
}

/// Whether there is anything to be said of a change.
pub(super) fn is_worth(change: &Change) -> bool {
    change.action.is_change()
        || change.action == Action::Unknown
        || !change.foreign.is_empty()
        || !change.notes.is_empty()
}

/// What was changed outside, of one change: only the fields of that.
pub(super) fn of_drift(change: &Change) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "! {}", change.address);
    let drift = |field: &&FieldChange| matches!(field.origin, Origin::Drift | Origin::Both);
    if !change.fields.iter().any(|field| drift(&field)) {
        let _ = writeln!(text, "    # {}", short(&change.reason.to_string()));
    }
    for field in change.fields.iter().filter(drift) {
        let alike = spelled_alike(change, field);
        write_field(&mut text, alike.as_ref().unwrap_or(field), change.action);
    }
    text
}

/// The lines of a field.
pub(super) fn write_field(text: &mut String, field: &FieldChange, action: Action) {
    let path = short(&field.path.to_string());
    let origin = origin(field, action);
    match (&field.before, &field.after) {
        (Some(before), Some(after)) if is_document(before) || is_document(after) => {
            let _ = writeln!(text, "!   {path}:{origin}");
            for (mark, line) in difference::lines(&pretty(before), &pretty(after)) {
                let mark = match mark {
                    Mark::Gone => '-',
                    Mark::New => '+',
                    Mark::Same | Mark::Skipped => ' ',
                };
                let _ = writeln!(text, "{mark}       {}", shortened(line, LONGEST));
            }
        }
        (Some(before), Some(after)) => {
            let _ =
                writeln!(text, "!   {path}: {} -> {}{origin}", of_value(before), of_value(after));
        }
        (None, Some(value)) | (Some(value), None) => {
            let mark = if field.after.is_some() { '+' } else { '-' };
            // The member of a set is its own path.
            let member = field.path.segments().last().map(String::as_str) == value.as_str()
                && field.path.segments().len() > 1;
            if member {
                let _ = writeln!(text, "{mark}   {path}{origin}");
            } else if is_document(value) {
                let _ = writeln!(text, "{mark}   {path}:{origin}");
                for line in pretty(value).lines() {
                    let _ = writeln!(text, "{mark}       {}", shortened(line, LONGEST));
                }
            } else {
                let _ = writeln!(text, "{mark}   {path} = {}{origin}", of_value(value));
            }
        }
        (None, None) => {
            let _ = writeln!(text, "!   {path}{origin}");
        }
    }
}

fn origin(field: &FieldChange, action: Action) -> String {
    let replaces = if field.replace { "; can't be changed in place" } else { "" };
    match (action, field.origin) {
        (Action::Create, Origin::Change) => String::new(),
        (Action::Replace, Origin::Change) if !field.replace => String::new(),
        (_, origin) => format!("  ({}{replaces})", origin.word()),
    }
}

fn of_value(value: &Value) -> String {
    short(&value.to_string())
}

/// A text on one line, cut where it is long.
pub(super) fn short(text: &str) -> String {
    line(&shortened(text, LONGEST))
}
