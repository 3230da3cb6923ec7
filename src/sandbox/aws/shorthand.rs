//! Option values as the AWS CLI reads them: plain text, JSON, and its shorthand
//! (`Key=a,Value=b`, `Name=vpc-id,Values=x,y`).
//!
//! Turns text into JSON of the option's shape where the text can be read that
//! way. Whether the result is complete and of the right types is `validate`'s.

use serde_json::{Map, Value};

use super::args::Refusal;
use super::model::{Field, Shape};

/// The value of an option that takes one argument.
pub fn single(option: &str, text: &str, shape: Shape) -> Result<Value, Refusal> {
    match shape {
        Shape::Text(_) | Shape::Document => Ok(Value::from(text)),
        Shape::Number(_) => number(text),
        Shape::Flag => Ok(flag(text)),
        Shape::List(_) | Shape::Map(_) | Shape::Structure(_) => {
            let start = text.trim_start();
            if start.starts_with(['{', '[']) {
                json(option, text)
            } else {
                let mut reader = Reader { option, text, at: 0 };
                let members = reader.members(None)?;
                Ok(coerce(Value::Object(members), shape))
            }
        }
    }
}

/// The value of an option that takes several arguments.
pub fn list(option: &str, values: &[String], shape: Shape) -> Result<Value, Refusal> {
    let Shape::List(member) = shape else {
        return single(option, values.first().map_or("", String::as_str), shape);
    };
    if let [only] = values
        && only.trim_start().starts_with('[')
    {
        return json(option, only);
    }
    values
        .iter()
        .map(|value| single(option, value, *member))
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

fn number(text: &str) -> Result<Value, Refusal> {
    text.trim().parse::<i64>().map(Value::from).map_err(|_| {
        Refusal::Unexpected(format!("invalid literal for int() with base 10: '{text}'"))
    })
}

fn flag(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => Value::from(text),
    }
}

/// A value written as JSON.
pub fn json(option: &str, text: &str) -> Result<Value, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        Refusal::Parameter(format!(
            "Error parsing parameter '{option}': Invalid JSON: {error}\nJSON received: {text}"
        ))
    })
}

/// Fits what shorthand can only write as text or as one item to the shape:
/// numbers, booleans, and lists with a single item. What does not fit stays.
fn coerce(value: Value, shape: Shape) -> Value {
    match (shape, value) {
        (Shape::Number(_), Value::String(text)) => {
            text.parse::<i64>().map_or(Value::String(text), Value::from)
        }
        (Shape::Flag, Value::String(text)) => flag(&text),
        (Shape::List(member), Value::Array(items)) => {
            Value::Array(items.into_iter().map(|item| coerce(item, *member)).collect())
        }
        (Shape::List(member), item @ (Value::String(_) | Value::Object(_))) => {
            Value::Array(vec![coerce(item, *member)])
        }
        (Shape::Structure(fields), Value::Object(members)) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = match field(fields, &name) {
                        Some(found) => coerce(value, found.shape),
                        None => value,
                    };
                    (name, value)
                })
                .collect(),
        ),
        (
            Shape::Text(_)
            | Shape::Document
            | Shape::Number(_)
            | Shape::Flag
            | Shape::List(_)
            | Shape::Map(_)
            | Shape::Structure(_),
            value,
        ) => value,
    }
}

fn field<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    fields.iter().find(|field| field.name == name)
}

/// A shorthand text with a place in it.
struct Reader<'a> {
    option: &'a str,
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.advance();
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Refusal> {
        if self.peek() == Some(wanted) {
            self.advance();
            return Ok(());
        }
        let received = self.peek().map_or("EOF".to_owned(), String::from);
        let column = self.text.get(..self.at).map_or(0, |before| before.chars().count());
        Err(Refusal::Parameter(format!(
            "Error parsing parameter '{}': Expected: '{wanted}', received: '{received}' for input:\n{}\n{}^",
            self.option,
            self.text,
            " ".repeat(column)
        )))
    }

    /// `key=value` pairs up to the closing character or the end.
    fn members(&mut self, close: Option<char>) -> Result<Map<String, Value>, Refusal> {
        let mut members = Map::new();
        loop {
            self.skip_space();
            if close.is_some() && self.peek() == close && members.is_empty() {
                break;
            }
            let key = self.key();
            self.skip_space();
            self.expect('=')?;
            self.skip_space();
            let value = self.value(close)?;
            members.insert(key, value);
            self.skip_space();
            if self.peek() == close {
                break;
            }
            self.expect(',')?;
        }
        if close.is_some() {
            self.advance();
        }
        Ok(members)
    }

    fn key(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|letter| {
            !matches!(letter, '=' | ',' | '{' | '}' | '[' | ']') && !letter.is_whitespace()
        }) {
            self.advance();
        }
        self.text.get(start..self.at).unwrap_or_default().to_owned()
    }

    fn value(&mut self, close: Option<char>) -> Result<Value, Refusal> {
        match self.peek() {
            Some('{') => {
                self.advance();
                self.members(Some('}')).map(Value::Object)
            }
            Some('[') => {
                self.advance();
                self.bracketed()
            }
            _ => self.comma_list(close),
        }
    }

    /// `[a,b,{c=d}]` after the opening bracket.
    fn bracketed(&mut self) -> Result<Value, Refusal> {
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.peek() == Some(']') {
                break;
            }
            let item = match self.peek() {
                Some('{') => {
                    self.advance();
                    Value::Object(self.members(Some('}'))?)
                }
                Some('[') => {
                    self.advance();
                    self.bracketed()?
                }
                _ => Value::from(self.word(&[',', ']'])?),
            };
            items.push(item);
            self.skip_space();
            if self.peek() == Some(']') {
                break;
            }
            self.expect(',')?;
        }
        self.advance();
        Ok(Value::Array(items))
    }

    /// `a` or `a,b,c`: what follows a comma is a further item unless it is the
    /// key of the next pair.
    fn comma_list(&mut self, close: Option<char>) -> Result<Value, Refusal> {
        let stops: Vec<char> = std::iter::once(',').chain(close).collect();
        let first = self.word(&stops)?;
        let mut items = vec![Value::from(first)];
        while self.peek() == Some(',') && !self.key_follows(close) {
            self.advance();
            self.skip_space();
            if self.peek().is_none() {
                break;
            }
            items.push(Value::from(self.word(&stops)?));
        }
        let single = items.len() == 1;
        Ok(if single { items.pop().unwrap_or_default() } else { Value::Array(items) })
    }

    /// Whether `key=` stands after the comma at this place.
    fn key_follows(&self, close: Option<char>) -> bool {
        let after = self.rest().get(1..).unwrap_or_default().trim_start();
        if after.starts_with(['"', '\'']) {
            return false;
        }
        after
            .chars()
            .find(|letter| matches!(letter, '=' | ',') || Some(*letter) == close)
            .is_some_and(|letter| letter == '=')
    }

    /// One plain or quoted word.
    fn word(&mut self, stops: &[char]) -> Result<String, Refusal> {
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            return self.quoted(quote);
        }
        let mut word = String::new();
        while let Some(letter) = self.peek() {
            if stops.contains(&letter) {
                break;
            }
            self.advance();
            match (letter, self.peek()) {
                ('\\', Some(',')) => {
                    self.advance();
                    word.push(',');
                }
                _ => word.push(letter),
            }
        }
        Ok(word.trim_end().to_owned())
    }

    fn quoted(&mut self, quote: char) -> Result<String, Refusal> {
        self.advance();
        let mut word = String::new();
        while let Some(letter) = self.peek() {
            if letter == quote {
                break;
            }
            self.advance();
            match (letter, self.peek()) {
                ('\\', Some(next)) if next == quote || next == '\\' => {
                    self.advance();
                    word.push(next);
                }
                _ => word.push(letter),
            }
        }
        self.expect(quote)?;
        Ok(word)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::model::{TEXT, TEXTS, may};
    use super::*;

    const FILTERS: Shape =
        Shape::List(&Shape::Structure(&[may("Name", TEXT), may("Values", TEXTS)]));
    const TAGS: Shape = Shape::List(&Shape::Structure(&[may("Key", TEXT), may("Value", TEXT)]));
    const SCOPE: Shape = Shape::Structure(&[may("type", TEXT), may("namespaces", TEXTS)]);

    #[test]
    fn lists_of_structures() {
        let cases: [(&[&str], Shape, Value); 8] = [
            (&["Key=a,Value=b"], TAGS, json!([{"Key": "a", "Value": "b"}])),
            (&["Key=a,Value="], TAGS, json!([{"Key": "a", "Value": ""}])),
            (&["Key=a,Value=b=c"], TAGS, json!([{"Key": "a", "Value": "b=c"}])),
            (
                &["Key=a,Value='b,c'", "Key=d"],
                TAGS,
                json!([{"Key": "a", "Value": "b,c"}, {"Key": "d"}]),
            ),
            (
                &["Name=vpc-id,Values=x,y", "Name=tag:a,Values=z"],
                FILTERS,
                json!([{"Name": "vpc-id", "Values": ["x", "y"]}, {"Name": "tag:a", "Values": ["z"]}]),
            ),
            (&["Values=x,y,Name=n"], FILTERS, json!([{"Name": "n", "Values": ["x", "y"]}])),
            (&["Name=n,Values=[x,y]"], FILTERS, json!([{"Name": "n", "Values": ["x", "y"]}])),
            (&[r#"[{"Key": "a"}]"#], TAGS, json!([{"Key": "a"}])),
        ];
        for (values, shape, expected) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(list("--x", &values, shape), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn structures_and_maps() {
        assert_eq!(
            single("--access-scope", "type=namespace,namespaces=a,b", SCOPE),
            Ok(json!({"type": "namespace", "namespaces": ["a", "b"]}))
        );
        assert_eq!(single("--tags", "a=b,c=d", Shape::Map(&TEXT)), Ok(json!({"a": "b", "c": "d"})));
    }

    #[test]
    fn the_place_of_a_mistake_is_shown() {
        assert_eq!(
            list("--tags", &["foo".to_owned()], TAGS),
            Err(Refusal::Parameter(
                "Error parsing parameter '--tags': Expected: '=', received: 'EOF' for input:\nfoo\n   ^".to_owned()
            ))
        );
    }
}
