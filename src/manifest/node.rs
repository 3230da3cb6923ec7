//! A YAML document as a tree that knows where each key and value was written.
//!
//! This module must not know the YAML crate, kinds or references.

use serde_json::Number;

use super::source::Span;
use crate::value::Path;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it was written. For a block of lines: from its first key or dash.
    pub span: Span,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map with text keys, in the order of the file, each key once.
    Map(Vec<Entry>),
    /// Something that could not be read, and has been told of.
    Broken,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// Where to point for something wrong with the value: at the value where
    /// it stands beside its key, at the key where it is a block below.
    pub fn point(&self) -> Span {
        match &self.value.content {
            Content::Null | Content::List(_) | Content::Map(_) => self.key_span,
            Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Broken => {
                self.value.span
            }
        }
    }
}

impl Node {
    /// What kind of thing this is, for a message.
    pub fn type_name(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "true or false",
            Content::Number(_) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
            Content::Broken => "something unreadable",
        }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    /// The entries, if this is a map.
    pub fn entries(&self) -> &[Entry] {
        if let Content::Map(entries) = &self.content { entries } else { &[] }
    }

    /// The entries, if this is a map.
    pub fn into_entries(self) -> Vec<Entry> {
        if let Content::Map(entries) = self.content { entries } else { Vec::new() }
    }

    /// The members, if this is a list.
    pub fn members(&self) -> &[Node] {
        if let Content::List(members) = &self.content { members } else { &[] }
    }

    /// The entry of a map under a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a map under a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The deepest place that exists on the way to a path, and whether it is
    /// the path's own. A segment of a list is an index, or a member's text.
    pub fn locate(&self, path: &[String]) -> Located {
        let mut node = self;
        let mut located = Located { key: None, point: self.span, exact: true };
        for segment in path {
            match &node.content {
                Content::Map(entries) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *segment) else {
                        return Located { exact: false, ..located };
                    };
                    located =
                        Located { key: Some(entry.key_span), point: entry.point(), exact: true };
                    node = &entry.value;
                }
                Content::List(members) => {
                    let index = segment.parse::<usize>().ok().filter(|at| *at < members.len());
                    let index = index.or_else(|| {
                        members.iter().position(|member| member.as_text() == Some(segment.as_str()))
                    });
                    let Some(member) = index.and_then(|index| members.get(index)) else {
                        return Located { exact: false, ..located };
                    };
                    located = Located { key: None, point: member.span, exact: true };
                    node = member;
                }
                Content::Null
                | Content::Bool(_)
                | Content::Number(_)
                | Content::Text(_)
                | Content::Broken => {
                    return Located { exact: false, ..located };
                }
            }
        }
        located
    }

    /// Where to point for something wrong at a path.
    pub fn point(&self, path: &Path) -> Span {
        self.locate(path.segments()).point
    }
}

/// How many nodes, bytes of text and levels a node has.
pub(super) fn size(node: &Node) -> (usize, usize, usize) {
    let inner: Vec<(usize, usize, usize)> = match &node.content {
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Broken => {
            return (1, 0, 0);
        }
        Content::Text(text) => return (1, text.len(), 0),
        Content::List(members) => members.iter().map(size).collect(),
        Content::Map(entries) => entries
            .iter()
            .map(|entry| {
                let (nodes, bytes, depth) = size(&entry.value);
                (nodes + 1, bytes + entry.key.len(), depth)
            })
            .collect(),
    };
    let sum = inner
        .iter()
        .fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, std::cmp::max(sum.2, one.2)));
    (sum.0 + 1, sum.1, sum.2 + 1)
}

/// Where a path leads in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The key of the place, where it has one.
    pub key: Option<Span>,
    /// Where to point.
    pub point: Span,
    /// Whether the whole path exists.
    pub exact: bool,
}
