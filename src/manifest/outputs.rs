//! The outputs of a stack: what an installation tells once it is applied.
//!
//! An output is a text with references. What it refers to is checked like every
//! reference; what it is, only the engine finds out. This module must not look
//! at resources.

use std::collections::BTreeSet;

use super::diagnostic::Diagnostic;
use super::node::{Entry, Node};
use super::shape::OutputSpec;
use super::source::Span;
use super::template::{self, Resolution};
use super::translate::Found;
use crate::address::{Address, Reference};
use crate::quote::quote;
use crate::value::Value;

/// An output of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The text as the Stack writes it.
    pub written: String,
    /// Its value, where variables and account suffice to know it; else unknown.
    pub value: Value,
    /// Whether it is never to be shown, and kept in no file.
    pub sensitive: bool,
    /// The resources that it refers to.
    pub targets: BTreeSet<Address>,
    /// One of them that a `when` switches off: then there is no output.
    pub off: Option<Address>,
}

/// An output as it was read.
#[derive(Debug)]
pub(super) struct DeclaredOutput {
    name: String,
    spec: OutputSpec,
    value: Value,
    span: Span,
    pub(super) found: Vec<Found>,
}

/// Whether a text can name a variable or an output.
pub(super) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 63
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The error for a name that is none.
pub(super) fn not_a_plain_name(span: Span, what: &str, name: &str) -> Diagnostic {
    Diagnostic::at(span, format!("not a valid name of {what}"))
        .label(format!("{} can't be a name", quote(name)))
        .help("a letter, then letters, digits, `_` and `-`, 63 characters at most")
}

/// Reads the outputs of the document `kind: Stack`.
pub(super) fn read(
    spec: &Node,
    value: &Value,
    found: &[Found],
    wrong: &mut Vec<Diagnostic>,
) -> Vec<DeclaredOutput> {
    let mut outputs = Vec::new();
    for entry in spec.get("outputs").map_or(&[][..], Node::entries) {
        let name = &entry.key;
        if !is_plain_name(name) {
            wrong.push(not_a_plain_name(entry.key_span, "an output", name));
        }
        let value = value.get("outputs").and_then(|outputs| outputs.get(name));
        // What the schema has refused is told.
        let Some(text) = value.and_then(|value| value.get("value")) else { continue };
        let (start, end) = (entry.value.span.start, entry.value.span.end());
        let own = found.iter().filter(|found| (start..=end).contains(&found.span.start));
        outputs.push(DeclaredOutput {
            name: name.clone(),
            spec: value.and_then(|value| value.to_spec().ok()).unwrap_or_default(),
            value: text.clone(),
            span: entry.value.entry("value").map_or(entry.key_span, Entry::point),
            found: own.cloned().collect(),
        });
    }
    outputs
}

impl DeclaredOutput {
    /// The output, with what `lookup` knows in place of references.
    pub(super) fn settle(
        self,
        lookup: &dyn Fn(&Reference) -> Resolution,
        is_off: &dyn Fn(&Address) -> bool,
        wrong: &mut Vec<Diagnostic>,
    ) -> Output {
        let value = match template::resolve(&self.value, &mut |reference| lookup(reference)) {
            Ok(value) => value,
            Err(problems) => {
                for problem in problems {
                    wrong.push(Diagnostic::at(self.span, problem.summary).maybe_help(problem.help));
                }
                Value::Null
            }
        };
        let targets: BTreeSet<Address> = self
            .found
            .iter()
            .filter_map(|found| match &found.reference {
                Reference::Output { target, .. } => Some(target.clone()),
                Reference::Variable(_) | Reference::AccountId | Reference::Region => None,
            })
            .collect();
        let written = match &self.value {
            Value::Unknown(text) | Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let sensitive = self.spec.sensitive || value.has_sensitive();
        Output {
            name: self.name,
            description: self.spec.description,
            written,
            value: if self.spec.sensitive { template::sensitive(value) } else { value },
            sensitive,
            off: targets.iter().find(|target| is_off(target)).cloned(),
            targets,
        }
    }
}
