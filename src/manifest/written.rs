//! Where a value of a spec was written, and through which variables it came.
//!
//! Files are read for their places only now: places of every value need much
//! room, and almost always nobody asks. This module must not judge what is
//! written.

use serde::Serialize;

use super::node::{Content, Node};
use super::resource::STACK_KIND;
use super::source::Span;
use super::stack::Stack;
use super::template::{self, Part};
use super::yaml;
use crate::address::{Address, Reference};
use crate::value::{Path, Value};

/// A place in the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Whether the very value is there; else the nearest thing around it.
    pub exact: bool,
    /// The line as it is written; `None` where it may hold secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The variables that the value is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Through>,
    /// The outputs of other resources that it is made of, `Kind.name.output`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

/// A variable that a value came through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Through {
    /// Its name.
    pub name: String,
    /// Its value; sensitive ones don't show.
    pub value: Value,
    /// Where the stack declares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<Place>,
    /// Where a file of variables has it. The command line may have had the last
    /// word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Place>,
    /// Whether the value is the declared default.
    pub is_default: bool,
}

impl Stack {
    /// Where a value of a resource's spec was written; `None`: no manifest
    /// declares the resource. A path that the spec does not have leads to what
    /// is nearest.
    pub fn written(&self, address: &Address, path: &Path) -> Option<Written> {
        let resource = self.resource(address)?;
        let file = resource.origin.span.file;
        let documents = yaml::parse(&self.sources, file).documents;
        let spec = documents.get(resource.origin.document).and_then(|node| node.entry("spec"));
        let Some(spec) = spec else {
            let (place, text) = self.place_of(resource.origin.span);
            let (variables, references) = (Vec::new(), Vec::new());
            return Some(Written { place, exact: false, text, variables, references });
        };
        let located = spec.value.locate(path.segments());
        let node = node_at(&spec.value, path.segments());
        // Nothing of the path is there: the whole spec is around it.
        let span = if located.key.is_none() && node.is_none() && located.point == spec.value.span {
            spec.key_span
        } else {
            located.key.unwrap_or(located.point)
        };
        let mut found: Vec<Reference> = Vec::new();
        if let Some(node) = node {
            references(node, &mut found);
        }
        let (place, text) = self.place_of(span);
        let mut variables = Vec::new();
        let mut outputs = Vec::new();
        for reference in found {
            match reference {
                Reference::Variable(name) => variables.push(self.through(name)),
                Reference::Output { target, attribute } => {
                    outputs.push(format!("{target}.{attribute}"));
                }
                Reference::AccountId | Reference::Region => outputs.push(reference.to_string()),
            }
        }
        Some(Written { place, exact: located.exact, text, variables, references: outputs })
    }

    fn place_of(&self, span: Span) -> (Place, Option<String>) {
        let line = self.sources.position(span).line;
        let text = self.sources.text(span.file).lines().nth(line.saturating_sub(1));
        let place = Place { file: self.sources.name(span.file).to_owned(), line };
        let shown = !self.sources.is_hidden(span.file);
        (place, text.filter(|_| shown).map(|text| text.trim().to_owned()))
    }

    fn through(&self, name: String) -> Through {
        let (mut declared, mut given) = (None, None);
        for file in self.sources.files().filter(|file| is_yaml(self.sources.name(*file))) {
            for document in yaml::parse(&self.sources, file).documents {
                let entry = match document.get("kind").and_then(Node::as_text) {
                    Some(STACK_KIND) => document
                        .get("spec")
                        .and_then(|spec| spec.get("variables"))
                        .and_then(|variables| variables.entry(&name)),
                    Some(_) => continue,
                    None => None,
                };
                if let Some(entry) = entry {
                    declared = Some(self.place_of(entry.key_span).0);
                } else if let (None, Some(entry)) = (document.get("kind"), document.entry(&name)) {
                    // A later file wins.
                    given = Some(self.place_of(entry.key_span).0);
                }
            }
        }
        let value = self.variables.get(&name).cloned().unwrap_or_default();
        let parameter = self.parameters.iter().find(|one| one.name == name);
        let is_default =
            given.is_none() && parameter.and_then(|one| one.default.as_ref()) == Some(&value);
        Through { name, value, declared, given, is_default }
    }
}

fn is_yaml(name: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
}

/// The node at a path, if the whole path is there.
fn node_at<'n>(node: &'n Node, path: &[String]) -> Option<&'n Node> {
    let Some((first, rest)) = path.split_first() else { return Some(node) };
    let next = match &node.content {
        Content::Map(_) => node.get(first)?,
        Content::List(members) => {
            let index = first.parse::<usize>().ok().and_then(|index| members.get(index));
            index.or_else(|| members.iter().find(|one| one.as_text() == Some(first.as_str())))?
        }
        _ => return None,
    };
    node_at(next, rest)
}

/// The references in the texts of a node, in order, each once.
fn references(node: &Node, found: &mut Vec<Reference>) {
    match &node.content {
        Content::Text(text) => {
            for piece in template::parse(text).unwrap_or_default() {
                if let Part::Reference(reference) = piece.part
                    && !found.contains(&reference)
                {
                    found.push(reference);
                }
            }
        }
        Content::List(members) => {
            for member in members {
                references(member, found);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                references(&entry.value, found);
            }
        }
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Broken => {}
    }
}
