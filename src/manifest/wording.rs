//! Errors that several parts tell in the same words.
//!
//! This module must not decide what is wrong.

use super::diagnostic::{Diagnostic, nearest};
use super::node::{Content, Node};
use super::source::Span;
use crate::address::is_name;
use crate::quote::quote;

/// The error for a field that is not known.
pub(super) fn unknown_field(span: Span, name: &str, owner: &str, fields: &[&str]) -> Diagnostic {
    let help = match nearest(name, fields.iter().copied()) {
        Some(near) => Some(format!("did you mean {}?", quote(near))),
        None if fields.is_empty() => None,
        None => Some(format!("its fields are {}", list(fields.iter().copied(), "and"))),
    };
    Diagnostic::at(span, format!("unknown field {}", quote(name)))
        .label(format!("not a field of {owner}"))
        .maybe_help(help)
}

/// The error for a node of the wrong type.
pub(super) fn wrong_type(span: Span, node: &Node, expected: &str) -> Diagnostic {
    let help = match node.content {
        Content::Null => Some("give it a value, or remove the line".to_owned()),
        Content::Bool(_) | Content::Number(_) if expected == "a text" => {
            Some("quote it".to_owned())
        }
        Content::Bool(_)
        | Content::Number(_)
        | Content::Text(_)
        | Content::List(_)
        | Content::Map(_)
        | Content::Broken => None,
    };
    Diagnostic::at(span, "a value of the wrong type")
        .label(format!("expected {expected}, found {}", node.type_name()))
        .maybe_help(help)
}

/// A list for people: "`a`, `b` and `c`".
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<_> = names.map(quote).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// The error for a text that can't be a name.
pub(super) fn not_a_name(span: Span, name: &str) -> Diagnostic {
    let proposal: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let proposal = proposal.trim_matches('-');
    let rule = "lowercase letters, digits and inner hyphens, 63 characters at most";
    let help = if is_name(proposal) {
        format!("write {}: {rule}", quote(proposal))
    } else {
        format!("a name is made of {rule}")
    };
    Diagnostic::at(span, "not a valid name")
        .label(format!("{} can't be a name", quote(name)))
        .help(help)
}
