//! The texts that were read, and places in them.
//!
//! A place is small and copied freely; line and column are counted only when a
//! person is to see them. This module must not know YAML or kinds.

use std::fmt;
use std::sync::OnceLock;

/// One of the texts that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A stretch of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

impl Span {
    /// The very beginning of a text.
    pub fn start_of(file: FileId) -> Span {
        Span { file, start: 0, len: 0 }
    }

    /// The byte after the last one.
    pub fn end(self) -> u32 {
        self.start.saturating_add(self.len)
    }

    /// The stretch from the start of this one to the end of another.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { len: other.end().saturating_sub(self.start), ..self }
    }
}

/// An offset in a text. Readers limit texts to far less than 4 GiB.
pub(super) fn byte_offset(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Where something is, as people count: from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The texts that were read, by name.
#[derive(Default)]
pub struct Sources {
    files: Vec<File>,
}

impl fmt::Debug for Sources {
    /// Names only: a file of variables holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(|file| &file.name)).finish()
    }
}

struct File {
    name: String,
    text: String,
    hidden: bool,
    // Where each line begins; counted when first asked for.
    lines: OnceLock<Vec<u32>>,
}

impl Sources {
    /// Adds a text. Texts longer than 4 GiB can't be addressed; readers limit
    /// them to far less.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(File {
            name: name.into(),
            text: text.into(),
            hidden: false,
            lines: OnceLock::new(),
        });
        id
    }

    /// Keeps the lines of a text out of every message: it may hold secrets.
    pub fn hide(&mut self, file: FileId) {
        let index = usize::try_from(file.0).ok();
        if let Some(file) = index.and_then(|index| self.files.get_mut(index)) {
            file.hidden = true;
        }
    }

    /// Whether the lines of a text may not be shown.
    pub fn is_hidden(&self, file: FileId) -> bool {
        self.file(file).is_some_and(|file| file.hidden)
    }

    /// The texts that were read, in their order.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        (0..self.files.len()).map(|index| FileId(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    fn file(&self, id: FileId) -> Option<&File> {
        usize::try_from(id.0).ok().and_then(|index| self.files.get(index))
    }

    /// The name that a text was read under.
    pub fn name(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.name)
    }

    /// A text.
    pub fn text(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.text)
    }

    /// What stands at a place.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.file).get(span.start as usize..span.end() as usize).unwrap_or("")
    }

    /// The line and column of a place.
    pub fn position(&self, span: Span) -> Position {
        let Some(file) = self.file(span.file) else { return Position { line: 1, column: 1 } };
        let lines = file.lines.get_or_init(|| {
            let breaks = file.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let after = breaks.map(|(index, _)| u32::try_from(index + 1).unwrap_or(u32::MAX));
            std::iter::once(0).chain(after).collect()
        });
        let line = lines.partition_point(|start| *start <= span.start).max(1);
        let begin = lines.get(line - 1).copied().unwrap_or(0);
        let before = file.text.get(begin as usize..span.start as usize).unwrap_or("");
        Position { line, column: before.chars().count() + 1 }
    }

    /// The part of a place that stands on its first line.
    #[must_use]
    pub fn first_line(&self, span: Span) -> Span {
        let text = self.slice(span);
        let line = text.split(['\n', '\r']).next().unwrap_or("").trim_end();
        Span { len: u32::try_from(line.len()).unwrap_or(span.len), ..span }
    }

    /// Finds a piece of a text inside the place where the text was written.
    ///
    /// Quotes, escapes and folded lines make the written text differ from the
    /// text that it means; then the piece is searched for, and where it is not
    /// found the whole place is answered.
    #[must_use]
    pub fn within(&self, span: Span, text: &str, piece: &std::ops::Range<usize>) -> Span {
        let written = self.slice(span);
        let Some(wanted) = text.get(piece.clone()) else { return span };
        let offset = match written.find(text) {
            Some(begin) if !text.is_empty() => Some(begin + piece.start),
            _ => {
                let earlier =
                    text.get(..piece.start).map_or(0, |text| text.matches(wanted).count());
                written.match_indices(wanted).nth(earlier).map(|(index, _)| index)
            }
        };
        let place = offset.and_then(|offset| {
            Some(Span {
                start: span.start.checked_add(u32::try_from(offset).ok()?)?,
                len: u32::try_from(wanted.len()).ok()?,
                ..span
            })
        });
        place.filter(|place| !wanted.is_empty() && place.end() <= span.end()).unwrap_or(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "ä: 1\n\nbb: é x\n");
        let at = |needle: &str| {
            let start = u32::try_from(sources.text(file).find(needle).unwrap()).unwrap();
            let place = sources.position(Span { file, start, len: 1 });
            (place.line, place.column)
        };
        assert_eq!(at("ä"), (1, 1));
        assert_eq!(at("1"), (1, 4));
        assert_eq!(at("bb"), (3, 1));
        assert_eq!(at("x"), (3, 7));
    }

    #[test]
    fn a_piece_is_found_inside_quotes_escapes_and_blocks() {
        for (written, text, piece, expected) in [
            ("a ${x} b", "a ${x} b", "${x}", "${x}"),
            ("\"a ${x}\"", "a ${x}", "${x}", "${x}"),
            ("\"a\\n${x} ${x}\"", "a\n${x} ${x}", "${x}", "${x}"),
            ("\"\\u0024{x}\"", "${x}", "${x}", "\"\\u0024{x}\""),
        ] {
            let mut sources = Sources::default();
            let file = sources.add("a.yaml", written);
            let span = Span { file, start: 0, len: u32::try_from(written.len()).unwrap() };
            let start = text.find(piece).unwrap();
            let found = sources.within(span, text, &(start..start + piece.len()));
            assert_eq!(sources.slice(found), expected, "{written}");
        }
    }
}
