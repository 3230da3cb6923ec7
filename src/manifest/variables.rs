//! The variables of a stack: what is declared, what is given, and what follows.
//!
//! A value comes from, in this order: `--var`, the last `--var-file` that has
//! it, the default, and in the sandbox the value that the declaration keeps
//! for it. A sensitive value shows in no message, and the lines of a variable
//! file never show at all. This module must not read files or the environment.

use std::collections::{BTreeMap, BTreeSet};

use super::declaration::{Declaration, Refusal, VariableType};
use super::diagnostic::{Diagnostic, nearest};
use super::node::{Content, Node};
use super::source::Span;
use super::template::{self, Resolution, type_name};
use super::translate::literal;
use crate::address::Reference;
use crate::quote::{plain, quote};
use crate::value::{Map, Value};

/// The longest value of a variable, in bytes.
const MAX_VALUE: usize = 64 * 1024;

/// The variable that tells the region, where a stack declares it.
pub(super) const REGION: &str = "region";

/// The variables that are given, and how the stack is run.
#[derive(Debug, Clone, Default)]
pub struct VariableInputs {
    /// Assignments `NAME=VALUE`, as `--var` takes them; a later one wins.
    pub assignments: Vec<String>,
    /// Files of variables, as `--var-file` takes them; a later one wins.
    pub files: Vec<std::path::PathBuf>,
    /// Values that the environment gives, by the variable's name; whatever is
    /// given otherwise wins, and names that are not declared are left alone.
    pub environment: Vec<(String, String)>,
    /// Whether the sandbox supplies values; `None`: where the Stack's
    /// `toolbox.exec` is the sandbox.
    pub sandbox: Option<bool>,
    /// The region, where the command line gives one. A variable `region` that
    /// is given no other value takes it; without it, that variable tells the
    /// region.
    pub region: Option<String>,
    /// Whether variables may stay without a value that must be given: for a
    /// look at a stack that nobody has begun to use.
    pub open: bool,
}

/// Where a value was given.
#[derive(Debug, Clone, Copy)]
enum Given {
    Argument,
    File(Span),
    Default(Span),
    Sandbox(Span),
}

/// Gives every declared variable its value.
///
/// `sandbox`: whether the sandbox supplies values. One that has none is unknown, so that the rest can still be checked.
pub(super) fn assign(
    declarations: &[Declaration],
    inputs: &VariableInputs,
    sandbox: bool,
    files: &[Node],
    wrong: &mut Vec<Diagnostic>,
) -> Map {
    let mut assigner = Assigner {
        by_name: declarations.iter().map(|one| (one.parameter.name.as_str(), one)).collect(),
        wrong,
    };
    let mut given = assigner.given(inputs, files);
    for declaration in declarations {
        let name = declaration.parameter.name.as_str();
        if given.contains_key(name) {
            continue;
        }
        let fallback = match (&declaration.parameter.default, &declaration.parameter.sandbox_value)
        {
            // Where there is no default, or it says "none".
            (None | Some(Value::Null), Some(value)) if sandbox => {
                Some((value.clone(), Given::Sandbox(declaration.sandbox_span)))
            }
            (Some(value), _) => Some((value.clone(), Given::Default(declaration.default_span))),
            (None, _) => None,
        };
        match fallback {
            Some(fallback) => {
                given.insert(name, fallback);
            }
            None if inputs.open => {}
            None => assigner.missing(declaration),
        }
    }
    let mut values = Map::new();
    for name in assigner.order(&given) {
        let Some(declaration) = assigner.by_name.get(name).copied() else { continue };
        let unknown = || Value::Unknown(Reference::Variable(name.to_owned()).to_string());
        let value = match given.remove(name) {
            Some((value, place)) => {
                assigner.value(declaration, &value, place, inputs, &values).unwrap_or_else(unknown)
            }
            None => unknown(),
        };
        values.insert(name.to_owned(), value);
    }
    values
}

struct Assigner<'a> {
    by_name: BTreeMap<&'a str, &'a Declaration>,
    wrong: &'a mut Vec<Diagnostic>,
}

impl<'a> Assigner<'a> {
    fn given(
        &mut self,
        inputs: &VariableInputs,
        files: &[Node],
    ) -> BTreeMap<&'a str, (Value, Given)> {
        let mut given = BTreeMap::new();
        for (name, text) in &inputs.environment {
            let Some((name, declaration)) = self.by_name.get_key_value(name.as_str()) else {
                continue;
            };
            let value = declaration.parameter.kind.parse(text).unwrap_or_else(|| {
                // The text may be a secret: it is not shown.
                let expected = declaration.parameter.kind.as_str();
                let summary = format!("LKH_VAR_{name} in the environment must be {expected}");
                self.wrong
                    .push(Diagnostic::anywhere(summary).maybe_help(declaration.parameter.hint()));
                Value::Unknown(String::new())
            });
            given.insert(*name, (value, Given::Argument));
        }
        for file in files {
            if !matches!(file.content, Content::Map(_)) {
                self.wrong.push(
                    Diagnostic::at(file.span, "a file of variables that is not a map")
                        .help("write `NAME: VALUE` lines"),
                );
            }
            for entry in file.entries() {
                if let Some((name, _)) = self.by_name.get_key_value(entry.key.as_str()) {
                    given.insert(*name, (literal(&entry.value), Given::File(entry.point())));
                } else {
                    let diagnostic = self.undeclared(&entry.key);
                    self.wrong.push(Diagnostic { span: Some(entry.key_span), ..diagnostic });
                }
            }
        }
        if let (Some(region), Some((name, _))) =
            (&inputs.region, self.by_name.get_key_value(REGION))
            && !given.contains_key(REGION)
        {
            given.insert(*name, (Value::from(region.as_str()), Given::Argument));
        }
        for assignment in &inputs.assignments {
            let Some((name, text)) = assignment.split_once('=') else {
                // The text may be a secret: it is not shown.
                self.wrong.push(
                    Diagnostic::anywhere("a --var without `=`").help("write `--var NAME=VALUE`"),
                );
                continue;
            };
            let Some((name, declaration)) = self.by_name.get_key_value(name.trim()) else {
                let diagnostic = self.undeclared(name.trim());
                self.wrong.push(diagnostic);
                continue;
            };
            if let Some(value) = declaration.parameter.kind.parse(text) {
                given.insert(*name, (value, Given::Argument));
                continue;
            }
            let expected = declaration.parameter.kind.as_str();
            let mut summary = format!("--var {name}: must be {expected}");
            if !declaration.parameter.sensitive {
                summary = format!("{summary}, not {}", quote(text));
            }
            self.wrong.push(Diagnostic::anywhere(summary).maybe_help(declaration.parameter.hint()));
            // Given after all, so that it is not told of as missing too.
            given.insert(*name, (Value::Unknown(String::new()), Given::Argument));
        }
        given
    }

    fn undeclared(&self, name: &str) -> Diagnostic {
        let known = self.by_name.keys().copied();
        let help = nearest(name, known).map(|near| format!("did you mean {}?", quote(near)));
        let help = help.or_else(|| {
            let known = super::wording::list(self.by_name.keys().copied(), "and");
            Some(if known.is_empty() {
                "the stack declares no variables".to_owned()
            } else {
                format!("the stack declares {known}")
            })
        });
        Diagnostic::anywhere(format!("no variable {} is declared", quote(name))).maybe_help(help)
    }

    fn missing(&mut self, declaration: &Declaration) {
        let name = &declaration.parameter.name;
        let mut diagnostic =
            Diagnostic::at(declaration.name_span, format!("the variable `{name}` has no value"))
                .help(format!("pass `--var {name}=VALUE`, or set it in a --var-file"));
        diagnostic.label = declaration.parameter.description.as_deref().map(plain);
        self.wrong.push(diagnostic);
    }

    /// The names in an order in which each comes after those that its default
    /// refers to.
    fn order(&mut self, given: &BTreeMap<&'a str, (Value, Given)>) -> Vec<&'a str> {
        let needs: BTreeMap<&'a str, BTreeSet<&'a str>> = self
            .by_name
            .iter()
            .map(|(name, declaration)| {
                let is_default = matches!(given.get(name), Some((_, Given::Default(_))));
                let found = if is_default { declaration.found.as_slice() } else { &[] };
                let needed = found.iter().filter_map(|found| match &found.reference {
                    Reference::Variable(other) => {
                        self.by_name.get_key_value(other.as_str()).map(|(name, _)| *name)
                    }
                    Reference::AccountId | Reference::Region | Reference::Output { .. } => None,
                });
                (*name, needed.collect())
            })
            .collect();
        let mut waiting: BTreeMap<&str, usize> =
            needs.iter().map(|(name, needed)| (*name, needed.len())).collect();
        let mut needed_by: BTreeMap<&'a str, Vec<&'a str>> = BTreeMap::new();
        for (name, needed) in &needs {
            for other in needed {
                needed_by.entry(other).or_default().push(name);
            }
        }
        let mut order: Vec<&'a str> =
            needs.iter().filter(|(_, needed)| needed.is_empty()).map(|(name, _)| *name).collect();
        let mut next = 0;
        while let Some(name) = order.get(next).copied() {
            next += 1;
            for other in needed_by.get(name).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(other) {
                    *count -= 1;
                    if *count == 0 {
                        order.push(other);
                    }
                }
            }
        }
        let mut rest: BTreeSet<&'a str> =
            waiting.into_iter().filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
        // What is left waits for a circle; each step goes to one that is needed
        // and left, so it ends in one.
        while let Some(start) = rest.first().copied() {
            let mut way = vec![start];
            while let Some(next) = way.last().and_then(|name| {
                needs.get(name)?.iter().copied().find(|other| rest.contains(other))
            }) {
                if let Some(begin) = way.iter().position(|name| *name == next) {
                    self.circle(way.get(begin..).unwrap_or_default());
                    break;
                }
                way.push(next);
            }
            for name in way {
                rest.remove(name);
            }
        }
        order
    }

    fn circle(&mut self, names: &[&str]) {
        let place = |name: &str| self.by_name.get(name).map(|one| one.default_span);
        let Some((first, others)) = names.split_first() else { return };
        let Some(span) = place(first) else { return };
        let mut chain: Vec<String> = names.iter().map(|name| format!("var.{name}")).collect();
        chain.push(format!("var.{first}"));
        let mut diagnostic = Diagnostic::at(span, "variables refer to each other in a circle")
            .label(format!("the default of `{first}`"))
            .help(format!("{}: give one of them a value", chain.join(" -> ")));
        for name in others {
            if let Some(span) = place(name) {
                diagnostic = diagnostic.related(span, format!("the default of `{name}`"));
            }
        }
        self.wrong.push(diagnostic);
    }

    /// The value of a variable, once those that it refers to have theirs;
    /// `None` where there is something wrong with it.
    fn value(
        &mut self,
        declaration: &Declaration,
        given: &Value,
        place: Given,
        inputs: &VariableInputs,
        values: &Map,
    ) -> Option<Value> {
        let mut lookup = |reference: &Reference| match reference {
            Reference::Variable(name) => values
                .get(name)
                .map_or(Resolution::Unknown, |value| Resolution::Known(value.clone())),
            Reference::Region => inputs
                .region
                .as_ref()
                .map_or(Resolution::Unknown, |region| Resolution::Known(region.as_str().into())),
            Reference::AccountId | Reference::Output { .. } => Resolution::Unknown,
        };
        let value = match template::resolve(given, &mut lookup) {
            Ok(value) => flatten(value, &mut lookup),
            Err(problems) => {
                for problem in problems {
                    let diagnostic = Self::at(declaration, place, problem.summary);
                    self.wrong.push(diagnostic.maybe_help(problem.help));
                }
                return None;
            }
        };
        if !declaration.parameter.kind.fits(&value) {
            let expected = declaration.parameter.kind.as_str();
            let is_list =
                declaration.parameter.kind == VariableType::List && value.as_list().is_some();
            let found = if is_list { "a list of lists or maps" } else { type_name(&value) };
            let mut diagnostic = Self::at(
                declaration,
                place,
                format!("the variable `{}` must be {expected}", declaration.parameter.name),
            )
            .label(format!("found {found}"))
            .maybe_help(declaration.parameter.hint());
            if matches!(
                (declaration.parameter.kind, &value),
                (VariableType::String, Value::Number(_) | Value::Bool(_))
            ) {
                diagnostic.help = Some("quote it".to_owned());
            }
            self.wrong.push(diagnostic);
            return None;
        }
        if size(&value) > MAX_VALUE {
            let summary = format!(
                "the value of `{}` is longer than {MAX_VALUE} bytes",
                declaration.parameter.name
            );
            let diagnostic = Self::at(declaration, place, summary);
            self.wrong.push(diagnostic);
            return None;
        }
        if !self.matches(declaration, &value, place) {
            return None;
        }
        let is_sensitive = declaration.parameter.sensitive && !value.is_null();
        Some(if is_sensitive { template::sensitive(value) } else { value })
    }

    /// Whether a value matches the pattern and is allowed.
    fn matches(&mut self, declaration: &Declaration, value: &Value, place: Given) -> bool {
        let parameter = &declaration.parameter;
        let Some(refusal) = parameter.refuses(value) else { return true };
        let is_hidden = parameter.sensitive || value.has_sensitive();
        let found =
            if is_hidden { "the value".to_owned() } else { parameter.shown(refusal.value()) };
        let name = &parameter.name;
        let (summary, span, what) = match refusal {
            Refusal::Pattern(_) => (
                format!("the value of the variable `{name}` does not match its pattern"),
                declaration.pattern_span,
                "the pattern",
            ),
            Refusal::NotAllowed(_) => (
                format!("the value of the variable `{name}` is not one that is allowed"),
                declaration.allowed_span,
                "what is allowed",
            ),
        };
        let mut diagnostic = Self::at(declaration, place, summary)
            .label(format!("{found} {}", refusal.word()))
            .maybe_help(parameter.hint());
        if !matches!(place, Given::Default(_) | Given::Sandbox(_)) {
            diagnostic = diagnostic.related(span, what);
        }
        if diagnostic.span.is_none() {
            diagnostic.summary = match refusal {
                Refusal::Pattern(_) => {
                    format!("--var {name}: {found} does not match the pattern of the variable")
                }
                Refusal::NotAllowed(_) => format!("--var {name}: {found} is not allowed"),
            };
        }
        self.wrong.push(diagnostic);
        false
    }

    fn at(declaration: &Declaration, place: Given, summary: String) -> Diagnostic {
        match place {
            Given::Argument => Diagnostic::anywhere(summary),
            Given::File(span) | Given::Default(span) | Given::Sandbox(span) => {
                Diagnostic::at(span, summary).concealed_if(declaration.parameter.sensitive)
            }
        }
    }
}

/// Puts the references that remain in a value in terms of account and region
/// only, so that no variable needs another one any more.
fn flatten(value: Value, lookup: &mut dyn FnMut(&Reference) -> Resolution) -> Value {
    match value {
        Value::Unknown(text) => Value::Unknown(template::resolve_partly(&text, lookup)),
        Value::List(members) => {
            Value::List(members.into_iter().map(|member| flatten(member, lookup)).collect())
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Map(_)
        | Value::Sensitive(_) => value,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) | Value::Unknown(text) => text.len(),
        Value::List(members) => members.iter().map(|member| 8 + size(member)).sum(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        Value::Sensitive(inner) => size(inner),
    }
}
