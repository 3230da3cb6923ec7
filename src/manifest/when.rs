//! `when`: under which values of which variables a manifest declares its
//! resource.
//!
//! Every named variable must have one of the values. There is nothing else to
//! say: no "or" between variables, no "not". This module must not look into a
//! spec.

use serde::Serialize;

use super::declaration::{Declaration, VariableType, same, written};
use super::diagnostic::{Diagnostic, nearest};
use super::node::{Content, Entry};
use super::source::Span;
use super::template::type_name;
use super::translate::literal;
use super::wording::{list, wrong_type};
use crate::address::Reference;
use crate::quote::quote;
use crate::value::{Map, Value};

/// A variable, and the values of which it must have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The variable.
    pub variable: String,
    /// The values.
    pub values: Vec<Value>,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values: Vec<_> = self.values.iter().map(|value| quote(&written(value))).collect();
        write!(f, "{} is {}", self.variable, values.join(" or "))
    }
}

/// The `when` of a manifest, with its places.
#[derive(Debug, Clone, Default)]
pub(super) struct When(Vec<Written>);

#[derive(Debug, Clone)]
struct Written {
    condition: Condition,
    span: Span,
    value_spans: Vec<Span>,
}

/// Whether a manifest declares its resource.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It does.
    On,
    /// A variable has another value.
    Off(SwitchedOff),
    /// A variable has no value that is known.
    Undecided(SwitchedOff),
}

/// Why a manifest declares nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchedOff {
    /// The condition that does not hold.
    pub condition: Condition,
    /// What the variable is; unknown where nobody has given it a value yet.
    pub value: Value,
    /// Where the condition was written.
    pub span: Span,
}

impl std::fmt::Display for SwitchedOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.value {
            Value::Unknown(_) => write!(f, "only when {}", self.condition),
            value => {
                write!(f, "only when {}, and it is {}", self.condition, quote(&written(value)))
            }
        }
    }
}

/// Reads a `when`.
pub(super) fn read(entry: Option<&Entry>, wrong: &mut Vec<Diagnostic>) -> When {
    let Some(entry) = entry else { return When::default() };
    if !matches!(entry.value.content, Content::Map(_)) {
        if entry.value.content != Content::Broken {
            let expected = "a map of variables to values";
            wrong.push(
                wrong_type(entry.point(), &entry.value, expected)
                    .help("write `when: {VARIABLE: VALUE}` or `when: {VARIABLE: [VALUE, VALUE]}`"),
            );
        }
        return When::default();
    }
    let mut conditions = Vec::new();
    for entry in entry.value.entries() {
        let nodes = match &entry.value.content {
            Content::List(members) => members.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let (mut values, mut value_spans) = (Vec::new(), Vec::new());
        for node in nodes {
            match literal(node) {
                Value::List(_) | Value::Map(_) => {
                    wrong.push(wrong_type(node.span, node, "a text, a number, true or false"));
                }
                Value::String(text) if text.contains("${") => wrong.push(
                    Diagnostic::at(node.span, "a reference where none is allowed")
                        .label("what is declared must be readable without knowing anything else")
                        .help("write the value out"),
                ),
                // What is broken has been told of.
                Value::Unknown(_) => {}
                value => {
                    values.push(value);
                    value_spans.push(node.span);
                }
            }
        }
        if nodes.is_empty() {
            wrong.push(
                Diagnostic::at(entry.point(), "a `when` that never holds")
                    .label("no value is named")
                    .help("name a value, or remove the manifest"),
            );
        }
        let condition = Condition { variable: entry.key.clone(), values };
        conditions.push(Written { condition, span: entry.key_span, value_spans });
    }
    When(conditions)
}

impl When {
    /// The conditions, without their places.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        self.0.iter().map(|one| one.condition.clone()).collect()
    }

    /// Tells of variables that nobody declares, and of values that a variable
    /// can never have.
    pub(super) fn check(&self, declarations: &[Declaration], wrong: &mut Vec<Diagnostic>) {
        for one in &self.0 {
            let name = one.condition.variable.as_str();
            let found = declarations.iter().find(|declaration| declaration.parameter.name == name);
            let Some(declaration) = found else {
                let names = declarations.iter().map(|one| one.parameter.name.as_str());
                let help = match nearest(name, names.clone()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None if declarations.is_empty() => "the stack declares no variables".to_owned(),
                    None => format!("the stack declares {}", list(names, "and")),
                };
                wrong.push(
                    Diagnostic::at(one.span, "undeclared variable")
                        .label(format!("the stack declares no variable {}", quote(name)))
                        .help(help),
                );
                continue;
            };
            let parameter = &declaration.parameter;
            let unfit = match parameter.kind {
                _ if parameter.sensitive => {
                    Some("what is declared would tell its value, and it is sensitive")
                }
                VariableType::List => Some("it is a list, and only single values are compared"),
                VariableType::String | VariableType::Number | VariableType::Bool => None,
            };
            if let Some(why) = unfit {
                wrong.push(
                    Diagnostic::at(one.span, "a variable that can't be in a `when`")
                        .label(why)
                        .related(declaration.name_span, "declared here"),
                );
                continue;
            }
            for (value, span) in one.condition.values.iter().zip(&one.value_spans) {
                if !parameter.kind.fits(value) {
                    let label = format!(
                        "`{name}` is {}, and this is {}",
                        parameter.kind.as_str(),
                        type_name(value)
                    );
                    let quotable = parameter.kind == VariableType::String;
                    wrong.push(
                        Diagnostic::at(*span, "a value that the variable never has")
                            .label(label)
                            .related(declaration.name_span, "declared here")
                            .maybe_help(quotable.then(|| "quote it".to_owned())),
                    );
                } else if let Some(refusal) = parameter.refuses(value) {
                    wrong.push(
                        Diagnostic::at(*span, "a value that the variable never has")
                            .label(format!(
                                "{} {}",
                                parameter.shown(refusal.value()),
                                refusal.word()
                            ))
                            .related(declaration.name_span, "declared here")
                            .maybe_help(parameter.hint()),
                    );
                }
            }
        }
    }

    /// Whether the conditions hold.
    pub(super) fn verdict(&self, variables: &Map, wrong: &mut Vec<Diagnostic>) -> Verdict {
        let mut undecided = None;
        for one in &self.0 {
            let name = &one.condition.variable;
            let none = || Reference::Variable(name.clone()).to_string();
            let value = variables.get(name).cloned();
            // Undeclared: told of.
            let value = value.unwrap_or_else(|| Value::Unknown(none()));
            let off = SwitchedOff { condition: one.condition.clone(), value, span: one.span };
            match &off.value {
                Value::Unknown(text) => {
                    if *text != none() {
                        wrong.push(
                            Diagnostic::at(one.span, "a variable that is known too late")
                                .label(format!("{} is not known before the apply", quote(text)))
                                .help("what is declared must follow from plain values"),
                        );
                    }
                    undecided.get_or_insert(off);
                }
                value if one.condition.values.iter().any(|one| same(one, value)) => {}
                _ => return Verdict::Off(off),
            }
        }
        undecided.map_or(Verdict::On, Verdict::Undecided)
    }
}

#[cfg(test)]
mod tests;
