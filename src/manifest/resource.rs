//! The envelope of a manifest, and the resource that it declares.
//!
//! The envelope is the same for every kind: `apiVersion`, `kind`, `metadata`,
//! `spec`, `external`, `lifecycle`, `dependsOn`, `when`. Its texts are plain: what a
//! resource is called and depends on can be read without knowing a variable.
//! This module must not look into a spec.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, nearest};
use super::field::parse_path;
use super::node::{Content, Entry, Node};
use super::source::Span;
use super::translate::Found;
use super::when::{Condition, When, read as read_when};
use super::wording::{not_a_name, unknown_field, wrong_type};
use crate::adapter::Kind;
use crate::address::{Address, is_name};
use crate::quote::quote;
use crate::value::{Path, Value};

/// The format of manifests that is read.
pub const API_VERSION: &str = "lkh/v1";
/// The kind of the document that describes the stack.
pub const STACK_KIND: &str = "Stack";

/// One declared thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its address.
    pub address: Address,
    /// The phase it belongs to.
    pub phase: Option<String>,
    /// What it is for, in a line.
    pub description: Option<String>,
    /// Under which values of variables it is declared; empty: always.
    pub when: Vec<Condition>,
    /// Whether it is only read, and must exist.
    pub external: bool,
    /// The spec; references to what is not known yet are unknown values that
    /// hold the text as written.
    pub spec: Value,
    /// The texts of the files that the spec names, by name.
    pub files: Arc<BTreeMap<String, String>>,
    /// What it depends on beyond its references, in order, each once.
    pub depends_on: Vec<DependsOn>,
    /// How it may change.
    pub lifecycle: Lifecycle,
    /// Where its name was written.
    pub origin: Origin,
}

/// Where a resource was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its name.
    pub span: Span,
    /// The number of the document in the file, from nought.
    pub document: usize,
}

/// What a resource depends on beyond its references.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependsOn {
    /// Another resource.
    Resource(Address),
    /// Every resource of a phase.
    Phase(String),
}

impl fmt::Display for DependsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(address) => write!(f, "{address}"),
            Self::Phase(name) => write!(f, "phase.{name}"),
        }
    }
}

impl FromStr for DependsOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("phase.") {
            Some(name) if is_name(name) => Ok(Self::Phase(name.to_owned())),
            Some(name) => Err(format!("{} is not a name of a phase", quote(name))),
            None => text.parse().map(Self::Resource),
        }
    }
}

impl Serialize for DependsOn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DependsOn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a resource may change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Whether a plan that would delete it is refused.
    pub prevent_destroy: bool,
    /// Fields whose differences don't count.
    pub ignore_changes: Vec<Path>,
}

/// A resource while the stack is being put together: with the places of what
/// may turn out to be wrong.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) resource: Resource,
    /// The spec as written, until it is a value; `None` where there is none,
    /// which has been told of.
    pub(super) spec: Option<Entry>,
    /// The references in the spec.
    pub(super) found: Vec<Found>,
    /// Whether nothing is wrong with the spec by itself.
    pub(super) sound: bool,
    pub(super) when: When,
    pub(super) phase_span: Option<Span>,
    pub(super) depends_spans: Vec<Span>,
    pub(super) ignore_spans: Vec<Span>,
}

/// What a document declares.
#[derive(Debug)]
pub(super) enum Document {
    /// The stack.
    Stack {
        /// Its name.
        name: String,
        /// What it is, in a line.
        description: Option<String>,
        /// Where the name was written.
        span: Span,
        /// The whole document.
        node: Node,
    },
    /// A resource.
    Resource(Box<Declared>),
    /// Nothing that can be used. The address that it would have had, as text,
    /// if that much can be told.
    Unusable(Option<String>),
}

/// Reads the envelope of a document.
pub(super) fn read(node: Node, document: usize, wrong: &mut Vec<Diagnostic>) -> Document {
    if !matches!(node.content, Content::Map(_)) {
        wrong.push(
            Diagnostic::at(node.span, "a document that is not a manifest")
                .label(format!("found {}", node.type_name()))
                .help("a manifest is a map with apiVersion, kind, metadata and spec"),
        );
        return Document::Unusable(None);
    }
    let mut envelope = Envelope { wrong };
    let start = node.entries().first().map_or(node.span, |entry| entry.key_span);
    envelope.api_version(&node, start);
    let kind = envelope.required_text(&node, "kind", start);
    let is_stack = kind.is_some_and(|(kind, _)| kind == STACK_KIND);
    envelope.fields(&node, if is_stack { &STACK_FIELDS } else { &FIELDS }, "a manifest");
    let name = envelope.name(&node, is_stack, start);
    if let Some((kind, kind_span)) = kind {
        envelope.spec(&node, kind, kind_span);
    }
    if is_stack {
        return match name {
            Some((name, span)) => {
                let description = envelope.description(&node);
                Document::Stack { name: name.to_owned(), description, span, node }
            }
            None => Document::Unusable(Some(STACK_KIND.to_owned())),
        };
    }
    let phase = envelope.phase(&node);
    let description = envelope.description(&node);
    let when = read_when(node.entry("when"), envelope.wrong);
    let external = envelope.truth(node.entry("external")).unwrap_or(false);
    let (lifecycle, ignore_spans) = envelope.lifecycle(&node);
    let (depends_on, depends_spans) = envelope.depends_on(&node);
    let known = kind.map(|(kind, span)| match kind.parse::<Kind>() {
        Ok(known) => Ok(known),
        Err(_) => Err(envelope.unknown_kind(kind, span)),
    });
    let (kind, name, name_span) = match (known, name) {
        (Some(Ok(kind)), Some((name, span))) => (kind, name, span),
        // Whatever refers to it under the likely name is right.
        (Some(Err(Some(near))), Some((name, _))) => {
            return Document::Unusable(Some(format!("{near}.{name}")));
        }
        _ => return Document::Unusable(None),
    };
    let address = Address::new(kind, name);
    if !is_name(name) {
        return Document::Unusable(Some(address.to_string()));
    }
    let resource = Resource {
        address,
        phase: phase.map(|(phase, _)| phase.to_owned()),
        description,
        when: when.conditions(),
        external,
        spec: Value::Null,
        files: Arc::default(),
        depends_on,
        lifecycle,
        origin: Origin { span: name_span, document },
    };
    let phase_span = phase.map(|(_, span)| span);
    let spec = node.into_entries().into_iter().find(|entry| entry.key == "spec");
    Document::Resource(Box::new(Declared {
        resource,
        spec: spec.filter(|spec| matches!(spec.value.content, Content::Map(_))),
        found: Vec::new(),
        sound: false,
        when,
        phase_span,
        depends_spans,
        ignore_spans,
    }))
}

const FIELDS: [&str; 8] =
    ["apiVersion", "kind", "metadata", "spec", "external", "lifecycle", "dependsOn", "when"];
const STACK_FIELDS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

struct Envelope<'a> {
    wrong: &'a mut Vec<Diagnostic>,
}

impl Envelope<'_> {
    fn problem(&mut self, diagnostic: Diagnostic) {
        self.wrong.push(diagnostic);
    }

    fn wrong_type(&mut self, span: Span, node: &Node, expected: &str) {
        if node.content != Content::Broken {
            self.problem(wrong_type(span, node, expected));
        }
    }

    fn fields(&mut self, node: &Node, known: &[&str], owner: &str) {
        for entry in node.entries() {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            let mut diagnostic = unknown_field(entry.key_span, key, owner, known);
            let hint = match key {
                "name" | "phase" if known.contains(&"metadata") => {
                    Some(format!("write it under metadata: `metadata: {{{key}: ...}}`"))
                }
                "preventDestroy" | "ignoreChanges" if known.contains(&"lifecycle") => {
                    Some(format!("write it under lifecycle: `lifecycle: {{{key}: ...}}`"))
                }
                "external" | "lifecycle" | "dependsOn" | "when" if known == STACK_FIELDS => {
                    Some("only resources have it".to_owned())
                }
                _ if diagnostic
                    .help
                    .as_ref()
                    .is_some_and(|help| help.starts_with("its fields"))
                    && known.contains(&"spec") =>
                {
                    Some("the fields of a kind are written under spec".to_owned())
                }
                _ => None,
            };
            if hint.is_some() {
                diagnostic.help = hint;
            }
            self.problem(diagnostic);
        }
    }

    fn api_version(&mut self, node: &Node, start: Span) {
        let Some((version, span)) = self.required_text(node, "apiVersion", start) else { return };
        if version != API_VERSION {
            self.problem(
                Diagnostic::at(span, "an apiVersion that is not known")
                    .label(format!("{} is not known", quote(version)))
                    .help(format!("write {}", quote(API_VERSION))),
            );
        }
    }

    fn required_text<'n>(
        &mut self,
        node: &'n Node,
        key: &str,
        start: Span,
    ) -> Option<(&'n str, Span)> {
        let Some(entry) = node.entry(key) else {
            let example = match key {
                "apiVersion" => format!("apiVersion: {API_VERSION}"),
                "kind" => "kind: IamRole".to_owned(),
                _ => format!("{key}: ..."),
            };
            self.problem(
                Diagnostic::at(start, format!("missing field {}", quote(key)))
                    .label("this manifest needs it")
                    .help(format!("write {}", quote(&example))),
            );
            return None;
        };
        self.text(entry.point(), &entry.value)
    }

    /// A text without references.
    fn text<'n>(&mut self, span: Span, node: &'n Node) -> Option<(&'n str, Span)> {
        let Some(text) = node.as_text() else {
            self.wrong_type(span, node, "a text");
            return None;
        };
        if text.contains("${") {
            self.problem(
                Diagnostic::at(node.span, "a reference where none is allowed")
                    .label("this must be readable without knowing anything else")
                    .help("write it out; references belong into the spec"),
            );
            return None;
        }
        Some((text, node.span))
    }

    fn truth(&mut self, entry: Option<&Entry>) -> Option<bool> {
        let entry = entry?;
        if let Content::Bool(truth) = entry.value.content {
            return Some(truth);
        }
        self.wrong_type(entry.point(), &entry.value, "true or false");
        None
    }

    fn map<'n>(&mut self, entry: &'n Entry) -> Option<&'n Node> {
        if matches!(entry.value.content, Content::Map(_)) {
            return Some(&entry.value);
        }
        self.wrong_type(entry.point(), &entry.value, "a map");
        None
    }

    fn name<'n>(&mut self, node: &'n Node, is_stack: bool, start: Span) -> Option<(&'n str, Span)> {
        let Some(entry) = node.entry("metadata") else {
            self.problem(
                Diagnostic::at(start, "missing field `metadata`")
                    .label("this manifest needs it")
                    .help("write `metadata: {name: ...}`"),
            );
            return None;
        };
        let metadata = self.map(entry)?;
        let known: &[&str] =
            if is_stack { &["name", "description"] } else { &["name", "phase", "description"] };
        self.fields(metadata, known, "`metadata`");
        let (name, span) = self.required_text(metadata, "name", entry.key_span)?;
        if !is_name(name) {
            self.problem(not_a_name(span, name));
        }
        Some((name, span))
    }

    fn spec(&mut self, node: &Node, kind: &str, kind_span: Span) {
        match node.entry("spec") {
            None => self.problem(
                Diagnostic::at(kind_span, "missing field `spec`")
                    .label(format!("{} needs it", quote(kind)))
                    .help("write `spec: {}` if there is nothing to say"),
            ),
            Some(entry) => {
                self.map(entry);
            }
        }
    }

    fn phase<'n>(&mut self, node: &'n Node) -> Option<(&'n str, Span)> {
        let entry = node.get("metadata")?.entry("phase")?;
        self.text(entry.point(), &entry.value)
    }

    fn description(&mut self, node: &Node) -> Option<String> {
        let entry = node.get("metadata")?.entry("description")?;
        self.text(entry.point(), &entry.value).map(|(text, _)| text.to_owned())
    }

    fn lifecycle(&mut self, node: &Node) -> (Lifecycle, Vec<Span>) {
        let mut lifecycle = Lifecycle::default();
        let mut spans = Vec::new();
        let Some(map) = node.entry("lifecycle").and_then(|entry| self.map(entry)) else {
            return (lifecycle, spans);
        };
        self.fields(map, &["preventDestroy", "ignoreChanges"], "`lifecycle`");
        lifecycle.prevent_destroy = self.truth(map.entry("preventDestroy")).unwrap_or(false);
        for (text, span) in self.texts(map.entry("ignoreChanges")) {
            match parse_path(text) {
                Some(path) => {
                    lifecycle.ignore_changes.push(path);
                    spans.push(span);
                }
                None => self.problem(
                    Diagnostic::at(span, "not a path to a field")
                        .label(format!("{} is not a path", quote(text)))
                        .help("write `field`, `field.key` or `field[\"a key\"]`"),
                ),
            }
        }
        (lifecycle, spans)
    }

    fn texts<'n>(&mut self, entry: Option<&'n Entry>) -> Vec<(&'n str, Span)> {
        let Some(entry) = entry else { return Vec::new() };
        let Content::List(members) = &entry.value.content else {
            self.wrong_type(entry.point(), &entry.value, "a list of texts");
            return Vec::new();
        };
        members.iter().filter_map(|member| self.text(member.span, member)).collect()
    }

    fn depends_on(&mut self, node: &Node) -> (Vec<DependsOn>, Vec<Span>) {
        let mut found: Vec<(DependsOn, Span)> = Vec::new();
        for (text, span) in self.texts(node.entry("dependsOn")) {
            match text.parse::<DependsOn>() {
                Ok(target) => found.push((target, span)),
                Err(why) => {
                    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
                    let near = text
                        .split_once('.')
                        .and_then(|(kind, name)| Some((nearest(kind, kinds)?, name)))
                        .map(|(kind, name)| format!("{kind}.{name}"))
                        .filter(|near| near != text && near.parse::<DependsOn>().is_ok());
                    let help = near.map_or_else(
                        || format!("write Kind.name or phase.NAME: {why}"),
                        |near| format!("did you mean {}?", quote(&near)),
                    );
                    self.problem(
                        Diagnostic::at(span, "not something to depend on")
                            .label(format!("{} is neither a resource nor a phase", quote(text)))
                            .help(help),
                    );
                }
            }
        }
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        found.into_iter().unzip()
    }

    /// Tells of an unknown kind; gives the one that was likely meant.
    fn unknown_kind(&mut self, kind: &str, span: Span) -> Option<&'static str> {
        let kinds: Vec<&'static str> =
            Kind::ALL.iter().map(|kind| kind.as_str()).chain([STACK_KIND]).collect();
        let near = nearest(kind, kinds.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean {}?", quote(near)),
            None => format!("the kinds are {}", kinds.join(", ")),
        };
        self.problem(
            Diagnostic::at(span, "unknown kind")
                .label(format!("{} is not a kind", quote(kind)))
                .help(help),
        );
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_resource_depends_on_is_an_address_or_a_phase() {
        for text in ["phase.compute", "IamRole.a-b"] {
            assert_eq!(text.parse::<DependsOn>().unwrap().to_string(), text);
        }
        for text in ["phase.", "phase.A", "IamRole", "Nothing.x", "IamRole.x.arn"] {
            assert!(text.parse::<DependsOn>().is_err(), "{text}");
        }
    }
}
