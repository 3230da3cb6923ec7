//! References in texts: `${...}`.
//!
//! A text that is exactly one reference takes the value with its type; in a
//! longer text, texts, numbers and truth values are put in. `$${` stands for a
//! literal `${`. A text whose references are not all known stays as written, as
//! an unknown value, so it can be resolved again later, from the beginning.
//! This module must not know where values come from: it asks.

use std::ops::Range;

use super::diagnostic::nearest;
use crate::adapter::{Kind, Problem};
use crate::address::Reference;
use crate::value::{Path, Value};

/// The longest text that references may grow to, in bytes.
const MAX_TEXT: usize = 4 * 1024 * 1024;
/// What a reference stands for, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// This value; parts of it may still be unknown.
    Known(Value),
    /// It can't be known yet.
    Unknown,
    /// It will never be known; why.
    Invalid(String),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stands for itself; escapes are undone.
    Text(String),
    /// A reference.
    Reference(Reference),
}

/// A piece of a text, and which bytes of the text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub part: Part,
    /// Where in the text it stands.
    pub range: Range<usize>,
}

/// A mistake in a text, and which bytes of the text it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub summary: String,
    /// The likely fix.
    pub help: Option<String>,
    /// Where in the text it stands.
    pub range: Range<usize>,
}

/// The pieces of a text.
///
/// # Errors
/// Every reference that is not closed or not a reference.
pub fn parse(text: &str) -> Result<Vec<Piece>, Vec<Mistake>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut mistakes = Vec::new();
    let mut literal = String::new();
    let mut begin = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("$${") {
            literal.push_str("${");
            at += 3;
        } else if let Some(inside) = rest.strip_prefix("${") {
            if !literal.is_empty() {
                let part = Part::Text(std::mem::take(&mut literal));
                pieces.push(Piece { part, range: begin..at });
            }
            let Some(len) = inside.find(['}', '{']).filter(|len| inside[*len..].starts_with('}'))
            else {
                mistakes.push(Mistake {
                    summary: "a reference that is not closed".into(),
                    help: Some("close it with `}`, or write `$${` for a literal `${`".into()),
                    range: at..at + 2,
                });
                break;
            };
            let range = at..at + 2 + len + 1;
            match inside[..len].parse::<Reference>() {
                Ok(reference) => {
                    pieces.push(Piece { part: Part::Reference(reference), range: range.clone() });
                }
                Err(why) => mistakes.push(mistake(&inside[..len], &why, range.clone())),
            }
            at = range.end;
            begin = at;
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            // Up to the next dollar sign nothing can begin.
            let len =
                rest.get(len..).and_then(|rest| rest.find('$')).map_or(rest.len(), |to| len + to);
            literal.push_str(&rest[..len]);
            at += len;
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    if !literal.is_empty() {
        pieces.push(Piece { part: Part::Text(literal), range: begin..text.len() });
    }
    Ok(pieces)
}

fn mistake(inside: &str, why: &str, range: Range<usize>) -> Mistake {
    let trimmed = inside.trim();
    if trimmed != inside && trimmed.parse::<Reference>().is_ok() {
        return Mistake {
            summary: "a reference with spaces inside".into(),
            help: Some(format!("write `${{{trimmed}}}`")),
            range,
        };
    }
    // `Kindd.name.attribute`: the nearest kind says more than all of them.
    let near = inside.split_once('.').and_then(|(kind, rest)| {
        let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
        let near = format!("{}.{rest}", nearest(kind, kinds)?);
        near.parse::<Reference>().ok().map(|near| format!("did you mean `{near}`?"))
    });
    let help = Some(near.unwrap_or_else(|| why.to_owned()));
    Mistake { summary: "not a reference".into(), help, range }
}

/// Puts what is known in place of the references in a value.
///
/// Only unknown parts are looked into: a text that is already known stands for
/// itself, even where it holds `${`.
///
/// # Errors
/// References that will never be known, and values that can't be put into a
/// text, each with its path.
pub fn resolve(
    value: &Value,
    lookup: &mut dyn FnMut(&Reference) -> Resolution,
) -> Result<Value, Vec<Problem>> {
    let mut problems = Vec::new();
    let resolved = resolve_at(value, &Path::default(), lookup, &mut problems);
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn resolve_at(
    value: &Value,
    path: &Path,
    lookup: &mut dyn FnMut(&Reference) -> Resolution,
    problems: &mut Vec<Problem>,
) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        Value::List(list) => {
            let members = list.iter().enumerate();
            Value::List(
                members
                    .map(|(index, value)| {
                        resolve_at(value, &path.join(index.to_string()), lookup, problems)
                    })
                    .collect(),
            )
        }
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| {
                    (key.clone(), resolve_at(value, &path.join(key), lookup, problems))
                })
                .collect(),
        ),
        Value::Sensitive(inner) => sensitive(resolve_at(inner, path, lookup, problems)),
        Value::Unknown(text) => match parse(text) {
            Ok(pieces) if pieces.iter().any(|piece| matches!(piece.part, Part::Reference(_))) => {
                resolve_text(text, &pieces, lookup).unwrap_or_else(|mistakes| {
                    problems.extend(mistakes.into_iter().map(|mistake| Problem {
                        path: path.clone(),
                        summary: mistake.summary,
                        help: mistake.help,
                    }));
                    value.clone()
                })
            }
            // An expression of someone else's: nothing that can be looked up.
            Ok(_) | Err(_) => value.clone(),
        },
    }
}

/// A value, marked as sensitive.
pub(super) fn sensitive(value: Value) -> Value {
    if let Value::Sensitive(_) = value { value } else { Value::Sensitive(Box::new(value)) }
}

/// The value of a text with its references.
pub(super) fn resolve_text(
    text: &str,
    pieces: &[Piece],
    lookup: &mut dyn FnMut(&Reference) -> Resolution,
) -> Result<Value, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut whole = String::new();
    let mut unknown = false;
    let mut sensitive = false;
    for piece in pieces {
        if whole.len() > MAX_TEXT {
            mistakes.push(Mistake {
                summary: format!("a text that grows beyond {MAX_TEXT} bytes"),
                help: Some("variables that repeat variables grow without bound".into()),
                range: 0..text.len(),
            });
            break;
        }
        let reference = match &piece.part {
            Part::Text(text) => {
                whole.push_str(text);
                continue;
            }
            Part::Reference(reference) => reference,
        };
        let value = match lookup(reference) {
            Resolution::Known(Value::Unknown(_)) | Resolution::Unknown => {
                unknown = true;
                continue;
            }
            Resolution::Known(value) => value,
            Resolution::Invalid(why) => {
                mistakes.push(Mistake { summary: why, help: None, range: piece.range.clone() });
                continue;
            }
        };
        if pieces.len() == 1 {
            return Ok(value);
        }
        let mut part = &value;
        while let Value::Sensitive(inner) = part {
            sensitive = true;
            part = inner;
        }
        match part {
            Value::String(text) => whole.push_str(text),
            Value::Number(number) => whole.push_str(&number.to_string()),
            Value::Bool(truth) => whole.push_str(&truth.to_string()),
            Value::Unknown(_) | Value::Sensitive(_) => unknown = true,
            Value::Null | Value::List(_) | Value::Map(_) => mistakes.push(Mistake {
                summary: format!("{} can't be put into a text", type_name(part)),
                help: Some(format!("let {reference} be the whole text")),
                range: piece.range.clone(),
            }),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(match (unknown, sensitive) {
        (true, _) => Value::Unknown(text.to_owned()),
        (false, true) => Value::Sensitive(Box::new(Value::String(whole))),
        (false, false) => Value::String(whole),
    })
}

/// What kind of thing a value is, for a message.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        Value::Unknown(_) => "a value that is not known yet",
        Value::Sensitive(_) => "a sensitive value",
    }
}

/// The references in the unknown parts of a value, each with its path.
pub fn references(value: &Value) -> impl Iterator<Item = (Path, Reference)> {
    let mut found = Vec::new();
    collect(value, &Path::default(), &mut found);
    found.into_iter()
}

fn collect(value: &Value, path: &Path, found: &mut Vec<(Path, Reference)>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::List(list) => {
            for (index, value) in list.iter().enumerate() {
                collect(value, &path.join(index.to_string()), found);
            }
        }
        Value::Map(map) => {
            for (key, value) in map {
                collect(value, &path.join(key), found);
            }
        }
        Value::Sensitive(inner) => collect(inner, path, found),
        Value::Unknown(text) => {
            for piece in parse(text).into_iter().flatten() {
                if let Part::Reference(reference) = piece.part {
                    found.push((path.clone(), reference));
                }
            }
        }
    }
}

/// A text of which some references are known: those are put in place, and what
/// they stand for is escaped where it needs to be. Gives a text that means the
/// same once the rest is known.
pub(super) fn resolve_partly(
    text: &str,
    lookup: &mut dyn FnMut(&Reference) -> Resolution,
) -> String {
    let mut partly = String::new();
    for piece in parse(text).unwrap_or_default() {
        match piece.part {
            Part::Text(text) => partly.push_str(&escape(&text)),
            Part::Reference(reference) => match lookup(&reference) {
                Resolution::Known(Value::String(text)) => partly.push_str(&escape(&text)),
                Resolution::Known(Value::Number(number)) => partly.push_str(&number.to_string()),
                Resolution::Known(Value::Bool(truth)) => partly.push_str(&truth.to_string()),
                Resolution::Known(Value::Unknown(text)) => partly.push_str(&text),
                Resolution::Known(
                    Value::Null | Value::List(_) | Value::Map(_) | Value::Sensitive(_),
                )
                | Resolution::Unknown
                | Resolution::Invalid(_) => partly.push_str(&reference.to_string()),
            },
        }
    }
    partly
}

fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// Whether what is not known of a value mentions one of these references.
pub fn mentions(value: &Value, references: &[String]) -> bool {
    match value {
        Value::Unknown(expression) => references.iter().any(|one| expression.contains(one)),
        Value::List(list) => list.iter().any(|value| mentions(value, references)),
        Value::Map(map) => map.iter().any(|(_, value)| mentions(value, references)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Sensitive(_) => false,
    }
}

#[cfg(test)]
mod tests;
