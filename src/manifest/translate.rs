//! Nodes to values: texts with references take the values that are known early,
//! and the rest stays as written.
//!
//! This module must not know where values come from: it asks.

use std::collections::BTreeMap;

use super::diagnostic::Diagnostic;
use super::node::{Content, Node};
use super::source::{Sources, Span};
use super::template::{Mistake, Part, Piece, Resolution, parse, resolve_text};
use crate::address::Reference;
use crate::quote::quote;
use crate::value::Value;

/// The most parts that references may put into the manifests of one document.
const MAX_PARTS: usize = 1_000_000;

/// A reference and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The reference.
    pub reference: Reference,
    /// Where it was written.
    pub span: Span,
}

/// Turns nodes into values, and keeps what it meets on the way.
pub struct Translator<'a> {
    sources: &'a Sources,
    lookup: &'a dyn Fn(&Reference) -> Resolution,
    /// What is wrong with the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// The references, in the order of the file.
    pub found: Vec<Found>,
    parts: usize,
}

impl<'a> Translator<'a> {
    /// Asks `lookup` for what is known early.
    pub fn new(sources: &'a Sources, lookup: &'a dyn Fn(&Reference) -> Resolution) -> Self {
        Self { sources, lookup, diagnostics: Vec::new(), found: Vec::new(), parts: 0 }
    }

    /// The value of a node.
    pub fn value(&mut self, node: &Node) -> Value {
        match &node.content {
            Content::Null => Value::Null,
            Content::Bool(truth) => Value::Bool(*truth),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => self.text(text, node.span),
            // Not known, so that nothing else is said of it.
            Content::Broken => Value::Unknown(String::new()),
            Content::List(members) => {
                Value::List(members.iter().map(|member| self.value(member)).collect())
            }
            Content::Map(entries) => {
                // The entries stand in any order, and each goes to its place at once.
                let mut map = BTreeMap::new();
                for entry in entries {
                    let value = self.value(&entry.value);
                    if let Some(key) = self.key(&entry.key, entry.key_span)
                        && map.insert(key.clone(), value).is_some()
                    {
                        self.diagnostics.push(
                            Diagnostic::at(
                                entry.key_span,
                                format!("the key {} stands twice", quote(&key)),
                            )
                            .label("the same key, once its references are known"),
                        );
                    }
                }
                Value::Map(map.into_iter().collect())
            }
        }
    }

    fn text(&mut self, text: &str, span: Span) -> Value {
        let resolved = match pieces_of(text) {
            None => return Value::String(text.to_owned()),
            Some(Err(mistakes)) => Err(mistakes),
            Some(Ok(pieces)) => {
                self.note(text, &pieces, span);
                resolve_text(text, &pieces, &mut |reference| (self.lookup)(reference))
            }
        };
        match resolved {
            Ok(value) => {
                let before = self.parts;
                self.parts = before.saturating_add(parts(&value));
                if self.parts <= MAX_PARTS {
                    return value;
                }
                if before <= MAX_PARTS {
                    self.diagnostics.push(Diagnostic::at(
                        span,
                        format!("references put more than {MAX_PARTS} values into this document"),
                    ));
                }
                Value::Unknown(text.to_owned())
            }
            Err(mistakes) => {
                self.wrong(text, mistakes, span);
                Value::Unknown(text.to_owned())
            }
        }
    }

    fn note(&mut self, text: &str, pieces: &[Piece], span: Span) {
        for piece in pieces {
            if let Part::Reference(reference) = &piece.part {
                let span = self.sources.within(span, text, &piece.range);
                self.found.push(Found { reference: reference.clone(), span });
            }
        }
    }

    fn wrong(&mut self, text: &str, mistakes: Vec<Mistake>, span: Span) {
        for mistake in mistakes {
            let span = self.sources.within(span, text, &mistake.range);
            self.diagnostics.push(Diagnostic::at(span, mistake.summary).maybe_help(mistake.help));
        }
    }

    /// A key; the references in it must be known now and fit to be shown.
    fn key(&mut self, text: &str, span: Span) -> Option<String> {
        let pieces = match pieces_of(text) {
            None => return Some(text.to_owned()),
            Some(Err(mistakes)) => {
                self.wrong(text, mistakes, span);
                return None;
            }
            Some(Ok(pieces)) => pieces,
        };
        self.note(text, &pieces, span);
        let why = match resolve_text(text, &pieces, &mut |reference| (self.lookup)(reference)) {
            Ok(Value::String(key)) => return Some(key),
            Ok(Value::Number(number)) => return Some(number.to_string()),
            Ok(Value::Unknown(_)) => "this is not known before the apply",
            Ok(Value::Sensitive(_)) => "this is sensitive, and keys are shown",
            Ok(Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_)) => {
                "this is not a text"
            }
            Err(mistakes) => {
                self.wrong(text, mistakes, span);
                return None;
            }
        };
        // What is not declared is told elsewhere; don't tell it twice.
        let variables_only = pieces.iter().all(|piece| {
            !matches!(piece.part, Part::Reference(Reference::Output { .. } | Reference::AccountId))
        });
        if !variables_only || why.contains("sensitive") || why.contains("not a text") {
            self.diagnostics.push(
                Diagnostic::at(span, "a key can't be known before it is needed")
                    .label(why)
                    .help("only variables and ${region} may stand in a key"),
            );
        }
        None
    }
}

/// How much room a value takes: its nodes, and its texts by the hundred bytes.
fn parts(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) | Value::Unknown(text) => 1 + text.len() / 100,
        Value::List(list) => 1 + list.iter().map(parts).sum::<usize>(),
        Value::Map(map) => 1 + map.values().map(parts).sum::<usize>(),
        Value::Sensitive(inner) => parts(inner),
    }
}

/// The value of a node as it stands, with `${` as a text like any other: for
/// files of variables.
pub(super) fn literal(node: &Node) -> Value {
    match &node.content {
        Content::Null => Value::Null,
        Content::Bool(truth) => Value::Bool(*truth),
        Content::Number(number) => Value::Number(number.clone()),
        Content::Text(text) => Value::String(text.clone()),
        Content::Broken => Value::Unknown(String::new()),
        Content::List(members) => Value::List(members.iter().map(literal).collect()),
        Content::Map(entries) => Value::Map(
            entries.iter().map(|entry| (entry.key.clone(), literal(&entry.value))).collect(),
        ),
    }
}

/// The pieces of a text of which it is known that it may hold references;
/// `None` where there is nothing to resolve.
fn pieces_of(text: &str) -> Option<Result<Vec<Piece>, Vec<Mistake>>> {
    text.contains("${").then(|| parse(text))
}
