//! Names: addresses of resources, and the references that texts in manifests
//! make to them.
//!
//! Pure text in, typed names out. This module must not look anything up: what
//! a reference stands for is the engine's business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::adapter::Kind;
use crate::quote::quote;

/// The address of a resource: `Kind.name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The resource's kind.
    pub kind: Kind,
    /// The name from its `metadata`.
    pub name: String,
}

impl Address {
    /// An address of its parts.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, name)) = text.split_once('.') else {
            return Err(format!("{} is not an address: write Kind.name", quote(text)));
        };
        if !is_name(name) {
            return Err(format!("{} is not a name of a resource", quote(name)));
        }
        Ok(Self::new(kind.parse()?, name))
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a text can name a resource, a phase or a stack: a DNS label of
/// lowercase letters, digits and inner hyphens, 63 characters at most.
pub fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What one `${...}` in a text stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// `${var.NAME}`: a variable of the stack.
    Variable(String),
    /// `${account.id}`: the AWS account that the credentials belong to.
    AccountId,
    /// `${region}`: the AWS region.
    Region,
    /// `${Kind.name.attribute}`: an output of another resource.
    Output {
        /// The resource that is referred to; an edge of the graph.
        target: Address,
        /// The name of the output.
        attribute: String,
    },
}

impl FromStr for Reference {
    type Err = String;

    /// Parses what stands between `${` and `}`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "account.id" => return Ok(Self::AccountId),
            "region" => return Ok(Self::Region),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("var.") {
            return Ok(Self::Variable(name.to_owned()));
        }
        if text.contains(':') || matches!(text, "*" | "?" | "$") {
            return Err(format!(
                "`${{{text}}}` looks like an IAM policy variable: write `$${{{text}}}` to keep it"
            ));
        }
        let mut parts = text.splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(name), Some(attribute)) if !attribute.is_empty() => {
                Ok(Self::Output {
                    target: format!("{kind}.{name}").parse()?,
                    attribute: attribute.to_owned(),
                })
            }
            _ => Err(format!(
                "`${{{text}}}` is not a reference: write ${{var.NAME}}, ${{Kind.name.attribute}}, \
                 ${{account.id}} or ${{region}}"
            )),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${{var.{name}}}"),
            Self::AccountId => f.write_str("${account.id}"),
            Self::Region => f.write_str("${region}"),
            Self::Output { target, attribute } => write!(f, "${{{target}.{attribute}}}"),
        }
    }
}
