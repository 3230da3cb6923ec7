//! YAML text to trees of nodes: the only user of the YAML crate.
//!
//! It reads the crate's events rather than its serde side, because manifests
//! need the place of every key and value, both places of a duplicate key, and
//! more than one error a file. The rules are stricter than YAML's: keys are
//! texts and unique, the tags are those of the core schema, there are no merge
//! keys and no directives, and what is not seen may not stand in a key. Limits
//! hold before anything is built: bytes, depth, and nodes after the aliases
//! are put in place.

use std::collections::BTreeMap;

use serde_yaml::granit_parser::{
    ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span as YamlSpan, StrInput, Tag,
};

use super::diagnostic::Diagnostic;
use super::node::{Content, Entry, Node, size};
use super::scalar;
use super::source::{FileId, Sources, Span, byte_offset};
use crate::quote::{is_invisible, plain, quote};

mod syntax;

/// The deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 64;
/// The most nodes of one file, aliases put in place.
pub const MAX_NODES: usize = 500_000;
/// The most text that aliases may repeat, in bytes.
const MAX_REPEATED_BYTES: usize = 16 * 1024 * 1024;
/// So many errors of one file are told.
const MAX_ERRORS: usize = 100;

/// What was read of a file.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The documents that could be read, in order; empty ones are left out.
    pub documents: Vec<Node>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether a document could not be read to its end, so that there may be
    /// names in it that nobody knows of.
    pub incomplete: bool,
}

/// Reads the documents of a file. A document that can't be read does not hide
/// the next one.
pub fn parse(sources: &Sources, file: FileId) -> Parsed {
    let text = sources.text(file);
    let mut options = Options::default();
    options.disallow_directives = true;
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let hidden = sources.is_hidden(file);
    let mut reader =
        Reader { text, file, hidden, parsed: Parsed::default(), nodes: 0, repeated: 0 };
    loop {
        let fatal = match reader.document(&mut parser) {
            Ok(true) => continue,
            Ok(false) => break,
            Err(diagnostic) => diagnostic,
        };
        reader.parsed.incomplete = true;
        reader.parsed.diagnostics.push(*fatal);
        if reader.parsed.diagnostics.len() >= MAX_ERRORS {
            break;
        }
        match parser.proceed_next_document() {
            Ok(true) => {}
            Ok(false) | Err(_) => break,
        }
    }
    reader.parsed
}

type Fatal = Box<Diagnostic>;

struct Reader<'a> {
    text: &'a str,
    file: FileId,
    /// Whether the text may hold secrets: no message repeats a part of it. Keys
    /// are names, and are told.
    hidden: bool,
    parsed: Parsed,
    nodes: usize,
    repeated: usize,
}

/// A list or map that is being read.
struct Frame {
    begin: Span,
    anchor: usize,
    content: Open,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Key },
}

/// What of an entry has been read.
enum Key {
    /// The key comes next.
    Awaited,
    /// The value comes next.
    Read(String, Span),
    /// The value comes next, and is left out: its key was wrong.
    Refused,
}

/// What an alias puts in its place, with what that costs.
struct Anchor {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Reader<'_> {
    fn span(&self, span: &YamlSpan) -> Span {
        let range = span.byte_range().unwrap_or(0..0);
        let end = range.end.min(self.text.len());
        let start = range.start.min(end);
        Span { file: self.file, start: byte_offset(start), len: byte_offset(end - start) }
    }

    fn problem(&mut self, diagnostic: Diagnostic) -> Result<(), Fatal> {
        if self.parsed.diagnostics.len() + 1 >= MAX_ERRORS {
            let span = diagnostic.span.unwrap_or(Span::start_of(self.file));
            return Err(Box::new(Diagnostic::at(
                span,
                format!("more than {MAX_ERRORS} errors in this file; the rest is not read"),
            )));
        }
        self.parsed.diagnostics.push(diagnostic);
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fatal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(Box::new(
                Diagnostic::at(span, format!("more than {MAX_NODES} nodes, aliases put in place"))
                    .help("aliases that repeat aliases grow without bound: write it without them"),
            ));
        }
        Ok(())
    }

    /// Reads one document; `false` at the end of the file.
    fn document<'t>(&mut self, parser: &mut Parser<'t, StrInput<'t>>) -> Result<bool, Fatal> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut anchors: BTreeMap<usize, Anchor> = BTreeMap::new();
        while let Some(next) = parser.next_event() {
            let (event, place) =
                next.map_err(|error| Box::new(syntax::explain(self.text, self.file, &error)))?;
            let span = self.span(&place);
            let (node, anchor) = match event {
                Event::StreamStart
                | Event::DocumentStart(..)
                | Event::Anchor(..)
                | Event::Comment(..) => continue,
                Event::StreamEnd => return Ok(false),
                Event::DocumentEnd => return Ok(true),
                Event::SequenceStart(_, anchor, tag) => {
                    self.open(&mut frames, span, anchor, Open::List(Vec::new()))?;
                    self.collection_tag(tag.as_deref(), "seq", &place, span)?;
                    continue;
                }
                Event::MappingStart(_, anchor, tag) => {
                    let content = Open::Map { entries: Vec::new(), key: Key::Awaited };
                    self.open(&mut frames, span, anchor, content)?;
                    self.collection_tag(tag.as_deref(), "map", &place, span)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(frame) = frames.pop() else { continue };
                    let content = match frame.content {
                        Open::List(members) => Content::List(members),
                        Open::Map { entries, .. } => Content::Map(self.unique(entries)?),
                    };
                    (Node { span: frame.begin.to(span), content }, frame.anchor)
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, span)?;
                    let at_key = matches!(
                        frames.last(),
                        Some(Frame { content: Open::Map { key: Key::Awaited, .. }, .. })
                    );
                    if at_key && style == ScalarStyle::Plain && text == "<<" {
                        self.problem(Diagnostic::at(span, "merge keys are not supported").help(
                            "write the fields out, or give the whole value an alias: \
                                 `field: *name`",
                        ))?;
                        if let Some(Frame { content: Open::Map { key, .. }, .. }) =
                            frames.last_mut()
                        {
                            *key = Key::Refused;
                        }
                        continue;
                    }
                    let content = self.scalar(&text, style, tag.as_deref(), &place, span)?;
                    (Node { span, content }, anchor)
                }
                Event::Alias(id) => (self.alias(&anchors, id, frames.len(), span)?, 0),
                Event::UnresolvedAlias(name) => {
                    self.problem(
                        Diagnostic::at(span, "an alias without an anchor")
                            .label("no anchor of this name stands before it in this document")
                            .help(format!(
                                "write {} before the value to repeat, or quote the text",
                                if self.hidden {
                                    "its anchor".to_owned()
                                } else {
                                    quote(&format!("&{name}"))
                                }
                            )),
                    )?;
                    (Node { span, content: Content::Broken }, 0)
                }
                // The crate may add events. Leaving one out could lose structure.
                _ => {
                    return Err(Box::new(Diagnostic::at(span, "this is not understood")));
                }
            };
            if anchor > 0 {
                let (nodes, bytes, depth) = size(&node);
                self.repeated = self.repeated.saturating_add(bytes);
                self.check_repeated(span)?;
                self.count(nodes, span)?;
                anchors.insert(anchor, Anchor { node: node.clone(), nodes, bytes, depth });
            }
            self.put(&mut frames, node)?;
        }
        Ok(false)
    }

    fn check_repeated(&self, span: Span) -> Result<(), Fatal> {
        if self.repeated > MAX_REPEATED_BYTES {
            return Err(Box::new(
                Diagnostic::at(
                    span,
                    format!("aliases repeat more than {MAX_REPEATED_BYTES} bytes of text"),
                )
                .help("write it without aliases"),
            ));
        }
        Ok(())
    }

    fn open(
        &mut self,
        frames: &mut Vec<Frame>,
        begin: Span,
        anchor: usize,
        content: Open,
    ) -> Result<(), Fatal> {
        self.count(1, begin)?;
        if frames.len() >= MAX_DEPTH {
            return Err(Box::new(too_deep(begin)));
        }
        frames.push(Frame { begin, anchor, content });
        Ok(())
    }

    /// Puts a node where the open list or map, or the file, awaits it.
    fn put(&mut self, frames: &mut [Frame], node: Node) -> Result<(), Fatal> {
        let Some(frame) = frames.last_mut() else {
            if node.content != Content::Null {
                self.parsed.documents.push(node);
            }
            return Ok(());
        };
        match &mut frame.content {
            Open::List(members) => members.push(node),
            Open::Map { entries, key } => match std::mem::replace(key, Key::Awaited) {
                Key::Read(name, key_span) => {
                    entries.push(Entry { key: name, key_span, value: node });
                }
                Key::Refused => {}
                Key::Awaited => match self.key(node)? {
                    Some((name, span)) => *key = Key::Read(name, span),
                    None => *key = Key::Refused,
                },
            },
        }
        Ok(())
    }

    fn key(&mut self, node: Node) -> Result<Option<(String, Span)>, Fatal> {
        let span = node.span;
        let found = node.type_name();
        let Content::Text(name) = node.content else {
            if node.content == Content::Broken {
                return Ok(None);
            }
            let help = match node.content {
                Content::Bool(_) | Content::Number(_) | Content::Null => {
                    let written = self.text.get(span.start as usize..span.end() as usize);
                    match written.filter(|_| !self.hidden) {
                        Some(written) => format!("quote it: \"{}\"", plain(written)),
                        None => "quote it".to_owned(),
                    }
                }
                Content::Text(_) | Content::List(_) | Content::Map(_) | Content::Broken => {
                    "a text that begins with `{`, `[` or `*` must be quoted".into()
                }
            };
            self.problem(Diagnostic::at(span, "a key that is not a text").label(found).help(help))?;
            return Ok(None);
        };
        if let Some(c) = name.chars().find(|c| is_invisible(*c) || c.is_control()) {
            self.problem(
                Diagnostic::at(
                    span,
                    format!("a key with the invisible character U+{:04X}", u32::from(c)),
                )
                .label(format!("reads {}", quote(&name)))
                .help("remove the character"),
            )?;
            return Ok(None);
        }
        Ok(Some((name, span)))
    }

    /// Leaves each key once and tells of the others.
    fn unique(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Fatal> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        let key = |index: &usize| entries.get(*index).map(|entry| entry.key.as_str());
        order.sort_by(|a, b| (key(a), a).cmp(&(key(b), b)));
        let mut again = Vec::new();
        let mut first = None;
        for index in order {
            match first {
                Some(kept) if key(&kept) == key(&index) => again.push((kept, index)),
                _ => first = Some(index),
            }
        }
        if again.is_empty() {
            return Ok(entries);
        }
        again.sort_unstable_by_key(|(_, index)| *index);
        for (kept, index) in &again {
            if let (Some(kept), Some(entry)) = (entries.get(*kept), entries.get(*index)) {
                self.problem(
                    Diagnostic::at(
                        entry.key_span,
                        format!("the key {} stands twice", quote(&entry.key)),
                    )
                    .label("again here")
                    .related(kept.key_span, "first here")
                    .help("keep one of them"),
                )?;
            }
        }
        let mut index = 0;
        let mut entries = entries;
        entries.retain(|_| {
            index += 1;
            !again.iter().any(|(_, duplicate)| *duplicate == index - 1)
        });
        Ok(entries)
    }

    fn alias(
        &mut self,
        anchors: &BTreeMap<usize, Anchor>,
        id: usize,
        depth: usize,
        span: Span,
    ) -> Result<Node, Fatal> {
        let Some(anchor) = anchors.get(&id) else {
            return Err(Box::new(
                Diagnostic::at(span, "an alias inside the value that it repeats")
                    .help("write the value out"),
            ));
        };
        self.count(anchor.nodes, span)?;
        self.repeated = self.repeated.saturating_add(anchor.bytes);
        self.check_repeated(span)?;
        if depth + anchor.depth > MAX_DEPTH {
            return Err(Box::new(too_deep(span)));
        }
        Ok(anchor.node.clone())
    }

    fn collection_tag(
        &mut self,
        tag: Option<&Tag>,
        expected: &str,
        place: &YamlSpan,
        span: Span,
    ) -> Result<(), Fatal> {
        match tag.map(Tag::core_suffix) {
            None => Ok(()),
            Some(Some(suffix)) if suffix == expected => Ok(()),
            Some(_) => self.wrong_tag(place, span),
        }
    }

    fn wrong_tag(&mut self, place: &YamlSpan, span: Span) -> Result<(), Fatal> {
        let span = place.tag_span().map_or(span, |place| self.span(&place));
        let written = self.text.get(span.start as usize..span.end() as usize).unwrap_or("");
        let help = match written {
            "!Ref" | "!Sub" | "!GetAtt" => "write a reference instead: ${Kind.name.attribute}",
            _ => "remove it; a text that begins with `!` must be quoted",
        };
        let summary = if self.hidden {
            "a tag that is not supported here".to_owned()
        } else {
            format!("the tag {} is not supported here", quote(written))
        };
        self.problem(Diagnostic::at(span, summary).help(help))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: &YamlSpan,
        span: Span,
    ) -> Result<Content, Fatal> {
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            self.problem(
                Diagnostic::at(
                    span,
                    format!("a text with the control character U+{:04X}", u32::from(c)),
                )
                .help("of the control characters only line feed and tab are allowed"),
            )?;
            return Ok(Content::Broken);
        }
        let resolved = match tag.map(|tag| (tag.core_suffix(), tag.parts())) {
            None if style == ScalarStyle::Plain => scalar::plain(text),
            None | Some((Some("str"), _) | (None, ("" | "!", "" | "!"))) => {
                Ok(Content::Text(text.to_owned()))
            }
            Some((Some(suffix @ ("int" | "float" | "bool" | "null")), _)) => {
                let content = scalar::plain(text);
                let fits = matches!(
                    (suffix, &content),
                    ("int" | "float", Ok(Content::Number(_)))
                        | ("bool", Ok(Content::Bool(_)))
                        | ("null", Ok(Content::Null))
                        | (_, Err(_))
                );
                if !fits {
                    self.problem(
                        Diagnostic::at(span, format!("the tag `!!{suffix}` does not fit"))
                            .label(format!("not of type {suffix}"))
                            .help("remove the tag"),
                    )?;
                    return Ok(Content::Broken);
                }
                content
            }
            Some(_) => {
                self.wrong_tag(place, span)?;
                Ok(Content::Broken)
            }
        };
        match resolved {
            Ok(content) => Ok(content),
            Err(why) => {
                self.problem(
                    Diagnostic::at(span, "a number that can't be kept")
                        .label(why)
                        .help("if it is a text, quote it"),
                )?;
                Ok(Content::Broken)
            }
        }
    }
}

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::at(span, format!("lists and maps are nested more than {MAX_DEPTH} deep"))
        .help("write it flatter")
}

#[cfg(test)]
mod tests;
