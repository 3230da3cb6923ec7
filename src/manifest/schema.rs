//! Specs against the JSON Schemas of their kinds: every violation, each at the
//! key or value it is about.
//!
//! What is not known yet satisfies everything; what is sensitive is checked
//! but never shown. This module must not know any kind.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use schemars::Schema;
use serde_json::Value as Json;

use super::diagnostic::{Diagnostic, MOST_TOLD, nearest};
use super::node::Node;
use super::source::{Sources, Span};
use super::template::type_name;
use super::wording::{list, unknown_field};
use crate::quote::quote;
use crate::value::Value;

/// A compiled schema.
#[derive(Debug)]
pub struct SpecSchema {
    root: Json,
    validator: Validator,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether a value that is not known yet stands where no text may stand,
    /// so that the spec can't be read as its type before it is known.
    pub opaque: bool,
}

/// A spec to check, and where it was written.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What the spec belongs to, for messages: the kind.
    pub what: &'a str,
    /// The spec.
    pub value: &'a Value,
    /// The same, as written.
    pub node: &'a Node,
    /// Where to point for the spec as a whole: its key.
    pub outer: Span,
    /// The texts.
    pub sources: &'a Sources,
}

impl SpecSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with the schema itself.
    pub fn new(schema: &Schema) -> Result<Self, String> {
        let root = schema.as_value().clone();
        let validator = jsonschema::validator_for(&root).map_err(|error| error.to_string())?;
        Ok(Self { root, validator })
    }

    /// Checks a spec: all violations at once.
    pub fn check(&self, subject: &Subject<'_>) -> Checked {
        let json = plain_json(subject.value);
        if self.validator.is_valid(&json) {
            return Checked::default();
        }
        let mut explainer = Explainer {
            schema: &self.root,
            subject,
            checked: Checked::default(),
            missing: Vec::new(),
            misspelt: BTreeSet::new(),
        };
        for error in self.validator.iter_errors(&json).take(MOST_TOLD) {
            explainer.explain(&error);
        }
        explainer.finish()
    }
}

/// The value as JSON for validation: unknown parts as their expression,
/// sensitive ones as texts, as a typed spec sees them. It never leaves here.
fn plain_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(number) => Json::Number(number.clone()),
        Value::String(text) | Value::Unknown(text) => Json::String(text.clone()),
        Value::List(list) => Json::Array(list.iter().map(plain_json).collect()),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.clone(), plain_json(value))).collect())
        }
        Value::Sensitive(inner) => {
            let inner = plain_json(inner);
            if inner.is_string() { inner } else { Json::String(inner.to_string()) }
        }
    }
}

struct Explainer<'a> {
    schema: &'a Json,
    subject: &'a Subject<'a>,
    checked: Checked,
    /// Missing fields, by place and name, until it is known which were misspelt.
    missing: Vec<(Vec<String>, String, Diagnostic)>,
    /// Fields that an unknown field was most likely meant to be.
    misspelt: BTreeSet<(Vec<String>, String)>,
}

/// The segments of a JSON pointer (RFC 6901).
fn segments(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|segment| segment.replace("~1", "/").replace("~0", "~"))
        .collect()
}

impl Explainer<'_> {
    fn finish(mut self) -> Checked {
        for (path, name, diagnostic) in self.missing {
            if !self.misspelt.contains(&(path, name)) {
                self.checked.diagnostics.push(diagnostic);
            }
        }
        self.checked
    }

    /// The value at a path; the unknown value that stands on the way to it.
    fn value_at(&self, path: &[String]) -> Option<&Value> {
        let mut value = self.subject.value;
        for segment in path {
            value = match value {
                Value::Map(map) => map.get(segment)?,
                Value::List(list) => list.get(segment.parse::<usize>().ok()?)?,
                Value::Unknown(_) | Value::Sensitive(_) => return Some(value),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
        }
        Some(value)
    }

    /// Whether an error is about something that is not known yet.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the validator's kinds of errors are many")]
    fn is_about_unknown(&self, error: &ValidationError<'_>) -> bool {
        let path = segments(error.instance_path().as_str());
        let value = self.value_at(&path);
        if matches!(value, Some(Value::Unknown(_))) {
            return true;
        }
        match error.kind() {
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                context.iter().any(|branch| branch.iter().all(|error| self.is_about_unknown(error)))
            }
            ValidationErrorKind::OneOfMultipleValid { .. }
            | ValidationErrorKind::UniqueItems
            | ValidationErrorKind::Contains
            | ValidationErrorKind::Not { .. } => value.is_some_and(Value::has_unknown),
            // Everything else is about one value.
            _ => false,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the validator's kinds of errors are many")]
    fn explain(&mut self, error: &ValidationError<'_>) {
        if self.is_about_unknown(error) {
            if !matches!(
                error.kind(),
                ValidationErrorKind::Pattern { .. }
                    | ValidationErrorKind::Format { .. }
                    | ValidationErrorKind::MinLength { .. }
                    | ValidationErrorKind::MaxLength { .. }
            ) {
                self.checked.opaque = true;
            }
            return;
        }
        match error.kind() {
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => self.alternatives(error, context),
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    self.unknown_field(error, name);
                }
            }
            ValidationErrorKind::Required { property } => {
                self.missing_field(error, property.as_str().unwrap_or(""));
            }
            _ => {
                let diagnostic = self.one(error);
                self.checked.diagnostics.push(diagnostic);
            }
        }
    }

    /// No alternative fits: explains the one that was most likely meant, or
    /// what all of them would take.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the validator's kinds of errors are many")]
    fn alternatives(&mut self, error: &ValidationError<'_>, context: &[Vec<ValidationError<'_>>]) {
        let path = error.instance_path().as_str();
        let is_other_shape = |error: &&ValidationError<'_>| {
            error.instance_path().as_str() == path
                && matches!(
                    error.kind(),
                    ValidationErrorKind::Type { .. }
                        | ValidationErrorKind::Constant { .. }
                        | ValidationErrorKind::Enum { .. }
                )
        };
        let is_other_tag = |error: &ValidationError<'_>| {
            matches!(
                error.kind(),
                ValidationErrorKind::Constant { .. } | ValidationErrorKind::Enum { .. }
            )
        };
        let meant: Vec<_> = context
            .iter()
            .filter(|branch| !branch.iter().any(|error| is_other_shape(&error)))
            .collect();
        let tagged =
            meant.iter().filter(|branch| !branch.iter().any(is_other_tag)).min_by_key(|b| b.len());
        if let Some(branch) = tagged.or_else(|| meant.iter().min_by_key(|branch| branch.len())) {
            for error in *branch {
                self.explain(error);
            }
            return;
        }
        let mut types = Vec::new();
        let mut values = Vec::new();
        for error in context.iter().flatten().filter(is_other_shape) {
            match error.kind() {
                ValidationErrorKind::Type { kind } => types.extend(type_names(kind)),
                ValidationErrorKind::Constant { expected_value } => {
                    values.push(expected_value.as_ref().clone());
                }
                ValidationErrorKind::Enum { options } => {
                    values.extend(options.as_array().into_iter().flatten().cloned());
                }
                // Filtered out above.
                _ => {}
            }
        }
        let segments = segments(path);
        let written_as_text = matches!(error.instance().as_ref(), Json::String(_));
        let diagnostic = if values.is_empty() || (!written_as_text && !types.is_empty()) {
            if !values.is_empty() {
                types.push("a text");
            }
            self.wrong_type(&segments, &types)
        } else {
            self.not_one_of(&segments, &values)
        };
        self.checked.diagnostics.push(diagnostic);
    }

    /// Where to point for a value.
    fn point(&self, path: &[String]) -> Span {
        if path.is_empty() { self.subject.outer } else { self.subject.node.locate(path).point }
    }

    /// What a value belongs to: the kind, or the name of the field.
    fn owner(&self, path: &[String]) -> String {
        match path.iter().rev().find(|segment| segment.parse::<usize>().is_err()) {
            Some(field) => quote(field),
            None => self.subject.what.to_owned(),
        }
    }

    /// The schema that holds the keyword of an error.
    fn schema_of(&self, error: &ValidationError<'_>) -> Option<&Json> {
        let pointer = error.schema_path().as_str();
        self.schema.pointer(pointer.rsplit_once('/')?.0)
    }

    fn description(&self, error: &ValidationError<'_>) -> Option<String> {
        let text = self.schema_of(error)?.get("description")?.as_str()?;
        Some(format!(
            "{}: {}",
            self.owner(&segments(error.instance_path().as_str())),
            sentence(text)
        ))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the validator's kinds of errors are many")]
    fn one(&self, error: &ValidationError<'_>) -> Diagnostic {
        let path = segments(error.instance_path().as_str());
        let here = || self.point(&path);
        let range = |label: String| {
            Diagnostic::at(here(), "a value out of range")
                .label(label)
                .maybe_help(self.description(error))
        };
        let form = |label: String| {
            Diagnostic::at(here(), "a value of the wrong form")
                .label(label)
                .maybe_help(self.description(error))
        };
        match error.kind() {
            ValidationErrorKind::Type { kind } => self.wrong_type(&path, &type_names(kind)),
            ValidationErrorKind::Enum { options } => {
                self.not_one_of(&path, options.as_array().map_or(&[][..], Vec::as_slice))
            }
            ValidationErrorKind::Constant { expected_value } => {
                self.not_one_of(&path, std::slice::from_ref(expected_value.as_ref()))
            }
            ValidationErrorKind::Pattern { pattern } => {
                form(format!("does not match {}", quote(pattern)))
            }
            ValidationErrorKind::Format { format } => form(format!("not a valid {format}")),
            ValidationErrorKind::MinLength { limit: 1 } => form("must not be empty".into()),
            ValidationErrorKind::MinLength { limit } => {
                form(format!("must have at least {limit} characters"))
            }
            ValidationErrorKind::MaxLength { limit } => {
                form(format!("must have at most {limit} characters"))
            }
            ValidationErrorKind::Minimum { limit } => range(format!("must be at least {limit}")),
            ValidationErrorKind::Maximum { limit } => range(format!("must be at most {limit}")),
            ValidationErrorKind::ExclusiveMinimum { limit } => {
                range(format!("must be more than {limit}"))
            }
            ValidationErrorKind::ExclusiveMaximum { limit } => {
                range(format!("must be less than {limit}"))
            }
            ValidationErrorKind::MultipleOf { multiple_of } => {
                range(format!("must be a multiple of {multiple_of}"))
            }
            ValidationErrorKind::MinItems { limit: 1 }
            | ValidationErrorKind::MinProperties { limit: 1 } => range("must not be empty".into()),
            ValidationErrorKind::MinItems { limit }
            | ValidationErrorKind::MinProperties { limit } => {
                range(format!("must have at least {limit} members"))
            }
            ValidationErrorKind::MaxItems { limit }
            | ValidationErrorKind::MaxProperties { limit } => {
                range(format!("must have at most {limit} members"))
            }
            ValidationErrorKind::UniqueItems => {
                form("two members are equal".into()).help("remove one of them")
            }
            ValidationErrorKind::PropertyNames { error: inner } => {
                let mut path = path.clone();
                path.extend(inner.instance().as_str().map(str::to_owned));
                let located = self.subject.node.locate(&path);
                Diagnostic::at(located.key.unwrap_or(located.point), "a key of the wrong form")
                    .label(match inner.kind() {
                        ValidationErrorKind::Pattern { pattern } => {
                            format!("does not match {}", quote(pattern))
                        }
                        _ => "not allowed here".into(),
                    })
                    .maybe_help(self.description(error))
            }
            // What remains names no other part of the spec; its words hide the value.
            _ => form(error.masked().to_string()),
        }
    }

    fn unknown_field(&mut self, error: &ValidationError<'_>, name: &str) {
        let path = segments(error.instance_path().as_str());
        let mut full = path.clone();
        full.push(name.to_owned());
        let located = self.subject.node.locate(&full);
        let properties = self.schema_of(error).and_then(|schema| schema.get("properties"));
        let fields: Vec<&str> = properties
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .map(|(field, _)| field.as_str())
            .collect();
        let meant = nearest(name, fields.iter().copied()).map(str::to_owned);
        let span = located.key.unwrap_or(located.point);
        let diagnostic = unknown_field(span, name, &self.owner(&path), &fields);
        self.checked.diagnostics.push(diagnostic);
        self.misspelt.extend(meant.map(|meant| (path, meant)));
    }

    fn missing_field(&mut self, error: &ValidationError<'_>, name: &str) {
        let path = segments(error.instance_path().as_str());
        let located = self.subject.node.locate(&path);
        let span =
            if path.is_empty() { self.subject.outer } else { located.key.unwrap_or(located.point) };
        let description = self
            .schema_of(error)
            .and_then(|schema| schema.get("properties")?.get(name)?.get("description")?.as_str())
            .map(|text| format!("{}: {}", quote(name), sentence(text)));
        let diagnostic = Diagnostic::at(span, format!("missing field {}", quote(name)))
            .label(format!("{} needs it", self.owner(&path)))
            .maybe_help(description);
        self.missing.push((path, name.to_owned(), diagnostic));
    }

    fn wrong_type(&self, path: &[String], expected: &[&'static str]) -> Diagnostic {
        let span = self.point(path);
        let value = self.value_at(path);
        let found = value.map_or("something else", type_name);
        let mut expected: Vec<&str> = expected.to_vec();
        expected.dedup();
        // "Nothing" is what leaving a field out says; nobody needs to be told.
        if expected.len() > 1 {
            expected.retain(|name| *name != "nothing");
        }
        let takes = |name: &str| expected.contains(&name);
        let written = self.subject.sources.slice(self.subject.sources.first_line(span));
        let is_scalar = self.subject.node.locate(path).exact
            && matches!(value, Some(Value::Number(_) | Value::Bool(_)));
        let help = match value {
            Some(Value::Number(_) | Value::Bool(_)) if takes("a text") && is_scalar => {
                Some(format!("quote it: \"{written}\""))
            }
            Some(Value::String(text)) if takes("true or false") => {
                match text.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("write true".to_owned()),
                    "no" | "off" | "n" | "false" => Some("write false".to_owned()),
                    _ => Some("write true or false".to_owned()),
                }
            }
            Some(Value::String(text)) if takes("a number") || takes("a whole number") => {
                text.parse::<f64>().is_ok().then(|| "remove the quotes".to_owned())
            }
            Some(Value::Null) => Some("give it a value, or remove the line".to_owned()),
            Some(Value::String(_)) if takes("a list") => {
                Some("write a list, even of one: [...]".to_owned())
            }
            _ => None,
        };
        Diagnostic::at(span, "a value of the wrong type")
            .label(format!("expected {}, found {found}", expected.join(" or ")))
            .maybe_help(help)
    }

    fn not_one_of(&self, path: &[String], options: &[Json]) -> Diagnostic {
        let span = self.point(path);
        let names: Vec<String> = options
            .iter()
            .map(|option| option.as_str().map_or_else(|| option.to_string(), str::to_owned))
            .collect();
        let value = self.value_at(path);
        let near = match value {
            Some(Value::String(text)) => nearest(text, names.iter().map(String::as_str)),
            _ => None,
        };
        let label = match value {
            Some(Value::Sensitive(_)) | None => "not one of the allowed values".to_owned(),
            Some(Value::String(text)) => format!("{} is not allowed here", quote(text)),
            Some(other) => format!("{} is not allowed here", type_name(other)),
        };
        let help = match near {
            Some(near) => format!("did you mean {}?", quote(near)),
            None => format!("write {}", list(names.iter().map(String::as_str), "or")),
        };
        Diagnostic::at(span, "a value that is not allowed").label(label).help(help)
    }
}

/// The first sentence of a description, on one line.
fn sentence(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or("").split_whitespace().collect::<Vec<_>>();
    let text = first.join(" ");
    match text.find(". ") {
        Some(end) => text[..end].to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    let name = |kind: JsonType| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a map",
        JsonType::String => "a text",
    };
    match kind {
        TypeKind::Single(kind) => vec![name(*kind)],
        TypeKind::Multiple(kinds) => kinds.iter().map(name).collect(),
    }
}

#[cfg(test)]
mod tests;
