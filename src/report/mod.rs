//! Shows plans, runs and states to people. Pure: values in, text out.
//!
//! Text carries ANSI styles; whoever prints it strips them where nobody sees
//! colour. Symbols say everything that colour says. Live values are not
//! trusted: control characters never reach the terminal.

mod access;
pub mod delta;
pub mod describe;
mod difference;
pub mod evidence;
pub mod explain;
pub mod format;
pub mod gitlab;
pub mod graph;
mod headline;
pub mod html;
pub mod log;
pub mod markdown;
pub mod outputs;
pub mod plan;
pub mod preflight;
pub mod run;
pub mod state;
pub mod status;
pub mod tfplan;
pub mod why;
pub mod wrapped;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::adapter::Blocker;
use crate::plan::Action;
use crate::quote::{line, printable};
use crate::value::Value;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const CHANGED: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const NEW: Style = AnsiColor::Cyan.on_default();

/// The style of an action.
pub(crate) fn style_of(action: Action) -> Style {
    match action {
        Action::Create => GOOD,
        Action::Adopt => NEW,
        Action::Update | Action::Repair => CHANGED,
        Action::Replace | Action::Delete | Action::Unknown => BAD,
        Action::NoOp | Action::Check | Action::Forget => DIM,
    }
}

/// A text in a style.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A value on one line.
pub(crate) fn short(value: &Value) -> String {
    line(&value.to_string())
}

/// Whether a value is worth lines of its own.
pub(crate) fn is_document(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_)) && value.to_string().len() > 60
}

/// A value as an indented document, for people and for text diffs.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, &mut text);
    text
}

fn write_pretty(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth + 1);
    let close = "  ".repeat(depth);
    match value {
        Value::Map(map) if !map.is_empty() => {
            text.push_str("{\n");
            for (index, (key, value)) in map.iter().enumerate() {
                let key = serde_json::Value::String(key.clone());
                let _ = write!(text, "{indent}{}: ", line(&key.to_string()));
                write_pretty(value, depth + 1, text);
                text.push_str(if index + 1 < map.len() { ",\n" } else { "\n" });
            }
            let _ = write!(text, "{close}}}");
        }
        Value::List(list) if !list.is_empty() => {
            text.push_str("[\n");
            for (index, value) in list.iter().enumerate() {
                text.push_str(&indent);
                write_pretty(value, depth + 1, text);
                text.push_str(if index + 1 < list.len() { ",\n" } else { "\n" });
            }
            let _ = write!(text, "{close}]");
        }
        other => text.push_str(&short(other)),
    }
}

/// Blockers, one after the other: what is in the way, and what to do.
pub(crate) fn write_blockers(text: &mut String, indent: &str, blockers: &[Blocker]) {
    for blocker in blockers {
        let message = printable(&blocker.message).replace('\n', &format!("\n{indent}  "));
        let _ = writeln!(
            text,
            "{indent}{} {message}",
            styled(BAD, format!("[{}]", line(&blocker.code)))
        );
        let next = printable(&blocker.next).replace('\n', &format!("\n{indent}  "));
        let _ = writeln!(text, "{indent}  {} {next}", styled(BOLD, "next:"));
    }
}

/// `1 resource`, `2 resources`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
