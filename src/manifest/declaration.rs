//! The declaration of a variable: its type, and which values it can have.
//!
//! This module must not know where values come from, nor files or places beyond
//! those that a declaration keeps for messages.

use jsonschema::Validator;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::diagnostic::Diagnostic;
use super::node::{Content, Entry, Node};
use super::outputs::{is_plain_name, not_a_plain_name};
use super::scalar;
use super::shape::VariableSpec;
use super::source::Span;
use super::translate::Found;
use super::wording::list;
use crate::quote::{plain, quote};
use crate::value::{Path, Value};

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VariableType {
    /// A text.
    #[default]
    String,
    /// A number.
    Number,
    /// true or false.
    Bool,
    /// A list of texts, numbers and truth values.
    List,
}

impl VariableType {
    /// The type in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::List => "a list",
        }
    }

    /// Whether a value is of this type. What is not known yet is: it ends up
    /// in a text.
    pub(super) fn fits(self, value: &Value) -> bool {
        let is_scalar = |value: &Value| {
            matches!(
                value,
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unknown(_)
            )
        };
        match value {
            Value::Null | Value::Unknown(_) => true,
            Value::Sensitive(inner) => self.fits(inner),
            Value::String(_) => self == Self::String,
            Value::Number(_) => self == Self::Number,
            Value::Bool(_) => self == Self::Bool,
            Value::List(members) => self == Self::List && members.iter().all(is_scalar),
            Value::Map(_) => false,
        }
    }

    /// The value of an argument.
    pub(super) fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::from(text)),
            Self::Number => match scalar::plain(text) {
                Ok(Content::Number(number)) => Some(Value::Number(number)),
                Ok(_) | Err(_) => None,
            },
            Self::Bool => match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::List if text.trim().is_empty() => Some(Value::List(Vec::new())),
            Self::List if text.trim_start().starts_with('[') => {
                let json: Json = serde_json::from_str(text).ok()?;
                Some(Value::from_json(&json)).filter(|value| self.fits(value))
            }
            Self::List => Some(Value::List(
                text.split(',').map(|member| Value::from(member.trim())).collect(),
            )),
        }
    }
}

/// A variable of a stack, as people are asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: VariableType,
    /// What it is for.
    pub description: Option<String>,
    /// The value where none is given, references as written; `Null`: it may
    /// stay without a value. `None`: a value must be given.
    pub default: Option<Value>,
    /// The value that the sandbox supplies where there is no other.
    pub sandbox_value: Option<Value>,
    /// What the whole text, or each member of a list, must match.
    pub pattern: Option<String>,
    /// The only values that it, or each member of a list, may have; empty: any.
    pub allowed: Vec<Value>,
    /// Whether its value is never to be shown.
    pub sensitive: bool,
}

impl Parameter {
    /// Whether a value must be given.
    pub fn is_required(&self) -> bool {
        self.default.is_none()
    }

    /// The value of a text that a person gave for this variable.
    ///
    /// # Errors
    /// Why it can't be that, in a sentence that holds nothing sensitive.
    pub fn take(&self, text: &str) -> Result<Value, String> {
        let shown = || if self.sensitive { "the value".to_owned() } else { quote(text) };
        let Some(value) = self.kind.parse(text) else {
            return Err(format!("must be {}, not {}", self.kind.as_str(), shown()));
        };
        match self.refuses(&value) {
            None => Ok(value),
            Some(refusal) => Err(format!("{} {}", self.shown(refusal.value()), refusal.word())),
        }
    }

    /// Why a value of the right type is not one that the variable may have.
    /// What is not known yet may be any.
    pub(super) fn refuses<'v>(&self, value: &'v Value) -> Option<Refusal<'v>> {
        let mut value = value;
        while let Value::Sensitive(inner) = value {
            value = inner;
        }
        let members = value.as_list().unwrap_or(std::slice::from_ref(value));
        let known = |member: &&Value| !matches!(member, Value::Null | Value::Unknown(_));
        // A pattern that can't be compiled has been told of.
        let validator = self.pattern.as_ref().and_then(|pattern| compile(pattern).ok());
        let fits = |validator: &Validator, member: &Value| {
            member.as_str().is_none_or(|text| validator.is_valid(&Json::String(text.to_owned())))
        };
        if let Some(validator) = &validator
            && let Some(wrong) =
                members.iter().filter(known).find(|member| !fits(validator, member))
        {
            return Some(Refusal::Pattern(wrong));
        }
        let allowed = |member: &Value| self.allowed.iter().any(|one| same(one, member));
        if !self.allowed.is_empty()
            && let Some(wrong) = members.iter().filter(known).find(|member| !allowed(member))
        {
            return Some(Refusal::NotAllowed(wrong));
        }
        None
    }

    /// A value in a message, if it may be shown.
    pub(super) fn shown(&self, value: &Value) -> String {
        match value {
            _ if self.sensitive => "the value".to_owned(),
            Value::String(text) => quote(text),
            other => quote(&other.to_string()),
        }
    }

    /// What the variable is for, and what it must look like.
    pub fn hint(&self) -> Option<String> {
        let pattern = self.pattern.as_ref().map(|pattern| format!("pattern {}", quote(pattern)));
        let allowed = (!self.allowed.is_empty() && !self.sensitive).then(|| {
            let words: Vec<_> = self.allowed.iter().map(written).collect();
            format!("one of {}", list(words.iter().map(String::as_str), "and"))
        });
        let more = pattern.is_some() || allowed.is_some();
        let description = self.description.as_deref().map(plain).map(|text| {
            // A sentence does not end where more follows.
            let end = if more { "." } else { "" };
            text.strip_suffix(end).map_or(text.clone(), str::to_owned)
        });
        let parts: Vec<String> = description.into_iter().chain(allowed).chain(pattern).collect();
        (!parts.is_empty()).then(|| format!("`{}`: {}", self.name, parts.join("; ")))
    }
}

/// Why a value is none that a variable may have, with the part of it that is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal<'v> {
    /// A text does not match the pattern.
    Pattern(&'v Value),
    /// It is not among the values that are allowed.
    NotAllowed(&'v Value),
}

impl<'v> Refusal<'v> {
    /// The part.
    pub(super) fn value(self) -> &'v Value {
        match self {
            Self::Pattern(value) | Self::NotAllowed(value) => value,
        }
    }

    /// What is wrong with it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pattern(_) => "does not match",
            Self::NotAllowed(_) => "is not allowed",
        }
    }
}

/// A value as a manifest would write it: texts without quotes.
pub(super) fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether two values of a variable are the same: numbers by amount.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// A declared variable, with the places of what may be wrong.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) parameter: Parameter,
    pub(super) name_span: Span,
    /// Where to point for default, sandbox value, pattern and allowed values.
    pub(super) default_span: Span,
    pub(super) sandbox_span: Span,
    pub(super) pattern_span: Span,
    pub(super) allowed_span: Span,
    /// The references in the default.
    pub(super) found: Vec<Found>,
}

impl Declaration {
    /// The variable for people, without what is not to be shown.
    pub(super) fn into_parameter(self) -> Parameter {
        let mut parameter = self.parameter;
        if parameter.sensitive {
            let hide = |value: Value| Value::Sensitive(Box::new(value));
            parameter.allowed = Vec::new();
            parameter.default = parameter.default.map(hide);
            parameter.sandbox_value = parameter.sandbox_value.map(hide);
        }
        parameter
    }
}

/// The variables that the spec of the document `kind: Stack` declares.
pub(super) fn declarations(
    spec: &Node,
    value: &Value,
    found: &[Found],
    wrong: &mut Vec<Diagnostic>,
) -> Vec<Declaration> {
    let entries = spec.get("variables").map_or(&[][..], Node::entries);
    let mut declarations = Vec::new();
    for entry in entries {
        let name = &entry.key;
        if !is_plain_name(name) {
            wrong.push(not_a_plain_name(entry.key_span, "a variable", name));
        }
        let value = value.get("variables").and_then(|variables| variables.get(name));
        let field = |key: &str| value.and_then(|value| value.get(key));
        let place = |key: &str| entry.value.entry(key).map_or(entry.key_span, Entry::point);
        // What the schema has refused is told; the name still counts.
        let variable: VariableSpec =
            value.and_then(|value| value.to_spec().ok()).unwrap_or_default();
        if let Some(pattern) = &variable.pattern
            && compile(pattern).is_err()
        {
            wrong.push(
                Diagnostic::at(place("pattern"), "not a regular expression")
                    .label(format!("{} can't be compiled", quote(pattern))),
            );
        }
        let (start, end) = (entry.value.span.start, entry.value.span.end());
        let own = found.iter().filter(|found| (start..=end).contains(&found.span.start));
        let allowed: Vec<Value> =
            field("allowed").and_then(Value::as_list).unwrap_or_default().to_vec();
        for (index, value) in allowed.iter().enumerate() {
            let kind = match variable.kind {
                VariableType::List => VariableType::String,
                single => single,
            };
            let fits =
                kind.fits(value) || (variable.kind == VariableType::List && !value.is_null());
            if value.is_null() || value.has_unknown() || !fits {
                let path = Path::new("allowed").join(index.to_string());
                wrong.push(
                    Diagnostic::at(entry.value.point(&path), "a value that the variable never has")
                        .label(format!("{} is not {}", quote(&written(value)), kind.as_str()))
                        .help("write values of the variable's type, without references"),
                );
            }
        }
        declarations.push(Declaration {
            parameter: Parameter {
                name: name.clone(),
                kind: variable.kind,
                description: variable.description,
                default: field("default").cloned(),
                sandbox_value: field("sandboxValue").cloned(),
                pattern: variable.pattern,
                allowed,
                sensitive: variable.sensitive,
            },
            name_span: entry.key_span,
            default_span: place("default"),
            sandbox_span: place("sandboxValue"),
            pattern_span: place("pattern"),
            allowed_span: place("allowed"),
            found: own.cloned().collect(),
        });
    }
    declarations
}

/// Compiles a pattern, so that it must match a whole text.
pub(super) fn compile(pattern: &str) -> Result<Validator, String> {
    let schema = json!({ "type": "string", "pattern": format!("^(?:{pattern})$") });
    // The engine without backtracking: no pattern takes long.
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter() -> Parameter {
        Parameter { name: "x".into(), ..Parameter::default() }
    }

    #[test]
    fn a_text_is_taken_by_type_pattern_and_what_is_allowed() {
        let name = Parameter { pattern: Some("[a-z]{2,4}".into()), ..parameter() };
        assert_eq!(name.take("lake"), Ok(Value::from("lake")));
        assert_eq!(name.take("Lake"), Err("`Lake` does not match".into()));
        let count = Parameter {
            kind: VariableType::Number,
            allowed: vec![Value::from(1), Value::from(3)],
            ..parameter()
        };
        assert_eq!(count.take("3"), Ok(Value::from(3)));
        assert_eq!(count.take("2"), Err("`2` is not allowed".into()));
        assert_eq!(count.take("two"), Err("must be a number, not `two`".into()));
        let zones = Parameter {
            kind: VariableType::List,
            allowed: vec!["a".into(), "b".into()],
            ..parameter()
        };
        assert!(zones.take("a,b").is_ok());
        assert_eq!(zones.take("a,c"), Err("`c` is not allowed".into()));
    }

    #[test]
    fn a_sensitive_value_is_not_in_the_message() {
        let token = Parameter { pattern: Some("[a-z]+".into()), sensitive: true, ..parameter() };
        assert_eq!(token.take("CANARY"), Err("the value does not match".into()));
    }
}
