//! What the parser's errors mean for whoever wrote the text.

use super::{ErrorKind, ScanError, too_deep};
use crate::manifest::diagnostic::Diagnostic;
use crate::manifest::source::{FileId, Span, byte_offset};
use crate::quote::quote;

#[expect(clippy::wildcard_enum_match_arm, reason = "the crate's kinds of errors are many")]
pub(super) fn explain(text: &str, file: FileId, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let c = text.get(at..).and_then(|text| text.chars().next());
    let len = c.filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let span = Span { file, start: byte_offset(at), len: byte_offset(len) };
    let (summary, help) = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            return Diagnostic::at(tab(text, span), "a tab where YAML wants spaces")
                .label("a tab")
                .help("indent with spaces");
        }
        ErrorKind::RecursionLimitExceeded => return too_deep(span),
        ErrorKind::DirectiveDisallowed => (
            "a YAML directive".into(),
            "remove the line; a text that begins with `%` must be quoted",
        ),
        ErrorKind::UnclosedQuotedScalar => {
            ("a quote that is not closed".into(), "close it, or quote the text otherwise")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::ExpectedBlockSequenceEntry => (
            format!("this is not YAML: {}", error.kind()),
            "look at the indentation of this line and the one before, for `key: value` on \
             one line, and for a text that holds `: ` and must be quoted",
        ),
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnclosedFlowCollection { .. } => (
            format!("this is not YAML: {}", error.kind()),
            "is a `{` or `[` before this not closed, or a comma missing?",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            format!("this is not YAML: unexpected character {}", quote(&character.to_string())),
            "quote the text",
        ),
        // The crate adds kinds at any time; each explains itself.
        kind => (format!("this is not YAML: {kind}"), "look at this line and the one before"),
    };
    Diagnostic::at(span, summary).help(help)
}

/// The tab that an error is about: in the indentation of its line or of a
/// later one, or else anywhere on its line.
fn tab(text: &str, span: Span) -> Span {
    let at = span.start as usize;
    let begin = text.get(..at).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
    let rest = text.get(begin..).unwrap_or("");
    let mut start = 0;
    let mut indented = None;
    for line in rest.split_inclusive('\n') {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indentation).and_then(|text| text.find('\t')) {
            indented = Some(start + tab);
            break;
        }
        start += line.len();
    }
    let first_line = rest.split('\n').next().unwrap_or("");
    match indented.or_else(|| first_line.find('\t')) {
        Some(tab) => Span { start: byte_offset(begin + tab), len: 1, ..span },
        None => span,
    }
}
