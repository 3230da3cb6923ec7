//! One change in full: why, what differs, what is in the way, the commands.
//!
//! This module must not decide which changes are shown.

use std::fmt::Write as _;

use super::escape::{many, one};
use super::facts::Facts;
use crate::diff::{FieldChange, Origin};
use crate::plan::{Action, Change};
use crate::report::difference::{self, Mark};
use crate::report::plan::{shell, spelled_alike};
use crate::report::{is_document, pretty, short};
use crate::value::Value;

/// So many dependents are named; the others are counted.
const NAMED: usize = 40;

/// What stands in a change's box once it is open.
pub(super) fn write_body(html: &mut String, facts: &Facts<'_>, at: usize, change: &Change) {
    let _ = write!(
        html,
        "<div class=\"body\"><p class=\"why\">because {}</p><p class=\"identity\">{}</p>",
        many(&change.reason.to_string()),
        one(&change.identity.to_string())
    );
    for blocker in &change.blockers {
        let _ = write!(
            html,
            "<div class=\"blocker\"><b>{}</b> {}<p><b>Next:</b> <code>{}</code></p></div>",
            one(&blocker.code),
            many(&blocker.message),
            many(&blocker.next)
        );
    }
    for note in &change.notes {
        let _ = write!(html, "<p class=\"note\"><b>Note:</b> {}</p>", many(note));
    }
    if !change.fields.is_empty() {
        html.push_str("<dl class=\"fields\">");
        for field in &change.fields {
            let alike = spelled_alike(change, field);
            write_field(html, alike.as_ref().unwrap_or(field), change.action);
        }
        html.push_str("</dl>");
    }
    if !change.foreign.is_empty() {
        html.push_str(
            "<p class=\"sub\">Declared by no manifest, left alone</p><ul class=\"foreign\">",
        );
        for foreign in &change.foreign {
            let value = foreign.value.as_ref().map(|value| format!(" = {}", one(&short(value))));
            let path = one(&foreign.path.to_string());
            let _ = write!(html, "<li><code>{path}{}</code></li>", value.unwrap_or_default());
        }
        html.push_str("</ul>");
    }
    if !change.commands.is_empty() {
        let count = super::super::count(change.commands.len(), "command");
        let _ = write!(html, "<details class=\"commands\"><summary>{count}</summary><ol>");
        for command in &change.commands {
            let _ = write!(
                html,
                "<li><p>{}</p><pre>{}",
                one(&command.title),
                one(&shell(&command.argv))
            );
            if let Some(input) = &command.input {
                let _ = write!(html, "\n\n{}", many(&pretty(input)));
            }
            html.push_str("</pre></li>");
        }
        html.push_str("</ol></details>");
    }
    let before: Vec<usize> =
        change.depends_on.iter().filter_map(|on| facts.index.get(on).copied()).collect();
    write_links(html, facts, "Depends on", &before);
    write_links(html, facts, "Needed by", facts.needed_by.get(at).map_or(&[], Vec::as_slice));
    html.push_str("</div>");
}

fn write_links(html: &mut String, facts: &Facts<'_>, title: &str, to: &[usize]) {
    if to.is_empty() {
        return;
    }
    let _ = write!(html, "<p class=\"links\"><span class=\"sub\">{title}</span> ");
    for &at in to.iter().take(NAMED) {
        if let Some(change) = facts.plan.changes.get(at) {
            let address = one(&change.address.to_string());
            let _ = write!(html, "<a href=\"#r{at}\">{address}</a> ");
        }
    }
    if to.len() > NAMED {
        let _ = write!(html, "and {} more", to.len() - NAMED);
    }
    html.push_str("</p>");
}

fn write_field(html: &mut String, field: &FieldChange, action: Action) {
    let (sign, class) = match (&field.before, &field.after) {
        (None, _) => ("+", "f-add"),
        (_, None) => ("−", "f-del"),
        (Some(_), Some(_)) => ("~", "f-mod"),
    };
    let _ = write!(
        html,
        "<div class=\"field {class}\"><dt><span class=\"fsign\">{sign}</span> <code>{}</code>",
        one(&field.path.to_string())
    );
    // Everything about an object that is made is a change: that says nothing.
    let plain =
        matches!(action, Action::Create | Action::Replace) && field.origin == Origin::Change;
    if !plain {
        let class = if field.origin == Origin::Change { "origin" } else { "origin o-drift" };
        let _ = write!(html, " <span class=\"{class}\">{}</span>", field.origin.word());
    }
    if field.replace {
        html.push_str(" <span class=\"origin o-replace\">can't be changed in place</span>");
    }
    html.push_str("</dt><dd>");
    match (&field.before, &field.after) {
        (Some(before), Some(after)) if is_document(before) || is_document(after) => {
            write_diff(html, before, after);
        }
        (Some(before), Some(after)) => {
            let _ = write!(
                html,
                "<del>{}</del> <span class=\"to\" aria-label=\"becomes\">→</span> <ins>{}</ins>",
                one(&short(before)),
                one(&short(after))
            );
        }
        (None, Some(value)) => write_value(html, "ins", value),
        (Some(value), None) => write_value(html, "del", value),
        (None, None) => {}
    }
    html.push_str("</dd></div>");
}

fn write_value(html: &mut String, tag: &str, value: &Value) {
    if is_document(value) {
        let _ = write!(html, "<pre><{tag}>{}</{tag}></pre>", many(&pretty(value)));
    } else {
        let _ = write!(html, "<{tag}>{}</{tag}>", one(&short(value)));
    }
}

/// Two documents line by line, with a few lines around what differs.
fn write_diff(html: &mut String, before: &Value, after: &Value) {
    let (before, after) = (pretty(before), pretty(after));
    html.push_str("<pre class=\"diff\">");
    for (mark, line) in difference::lines(&before, &after) {
        let (sign, tag) = match mark {
            Mark::Gone => ("-", "del"),
            Mark::New => ("+", "ins"),
            Mark::Same | Mark::Skipped => (" ", "span"),
        };
        let _ = write!(html, "<{tag}>{sign} {}\n</{tag}>", one(line));
    }
    html.push_str("</pre>");
}
