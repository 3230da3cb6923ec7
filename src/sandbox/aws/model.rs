//! How an operation is described: its command, its input and output shapes,
//! and the function that carries it out.
//!
//! The shapes are what the AWS CLI knows of a service before it asks it: they
//! name the options, say what a value must look like, and order the keys of the
//! answer. This module holds no service and reads no world.

use serde_json::{Map, Value};

use crate::sandbox::world::World;

/// What a value looks like, on the way in and on the way out.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A string of at least so many characters.
    Text(usize),
    /// A whole number, of at least this where a least value is known.
    Number(Option<i64>),
    /// A boolean.
    Flag,
    /// A JSON document that is kept as text and printed as JSON.
    Document,
    /// A list of one shape.
    List(&'static Shape),
    /// A map from string to one shape.
    Map(&'static Shape),
    /// Named members, in the order in which the CLI prints them.
    Structure(&'static [Field]),
}

/// A string that may be empty.
pub const TEXT: Shape = Shape::Text(0);
/// A list of strings.
pub const TEXTS: Shape = Shape::List(&TEXT);
/// A number without a least value.
pub const NUMBER: Shape = Shape::Number(None);

/// One member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name in the API.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// Whether the CLI refuses a call without it.
    pub required: bool,
}

/// A member that must be given.
pub const fn need(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

/// A member that may be left out; every member of an answer is one.
pub const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

/// One operation of a service.
pub struct Operation {
    /// The command as typed, such as `create-role`.
    pub command: &'static str,
    /// The API's name, such as `CreateRole`; errors carry it.
    pub name: &'static str,
    /// The input's members.
    pub input: &'static [Field],
    /// The answer's members, in the order of printing.
    pub output: &'static [Field],
    /// What it does.
    pub run: fn(&mut Call<'_>) -> Result<Answer, Fault>,
}

/// An operation; its parts in the order of the tables.
pub const fn operation(
    command: &'static str,
    name: &'static str,
    input: &'static [Field],
    output: &'static [Field],
    run: fn(&mut Call<'_>) -> Result<Answer, Fault>,
) -> Operation {
    Operation { command, name, input, output, run }
}

/// One service of the CLI.
pub struct Service {
    /// The command as typed, such as `iam`.
    pub command: &'static str,
    /// Its operations.
    pub operations: &'static [Operation],
}

/// One operation being carried out.
pub struct Call<'a> {
    /// The simulated account.
    pub world: &'a mut World,
    /// The checked input.
    pub input: Input<'a>,
    /// The region asked.
    pub region: &'a str,
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing is printed.
    Nothing,
    /// An object, printed by the operation's output shape.
    Body(Value),
    /// Text that the CLI itself makes and prints as it is.
    Printed(String),
    /// The CLI's own failure, before or instead of the service's answer.
    Failed(String),
}

/// An error that the service answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The error code, such as `NoSuchEntity`.
    pub code: &'static str,
    /// The service's words.
    pub message: String,
}

/// A service error.
pub fn fault(code: &'static str, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}

/// The checked input of a call, by the API's member names.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a Map<String, Value>);

impl<'a> Input<'a> {
    /// A member, if given.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// A string member; empty if it was not given.
    pub fn text(self, name: &str) -> &'a str {
        self.maybe(name).unwrap_or_default()
    }

    /// A string member, if given.
    pub fn maybe(self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A boolean member, if given.
    pub fn flag(self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    /// A number member, if given.
    pub fn number(self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// The items of a list member; none if it was not given.
    pub fn list(self, name: &str) -> &'a [Value] {
        self.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The strings of a list member.
    pub fn texts(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.list(name).iter().filter_map(Value::as_str)
    }
}
