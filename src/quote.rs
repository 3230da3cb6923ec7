//! Texts from outside, made fit to be shown.
//!
//! What was read may hold anything: escapes that steer a terminal, characters
//! that reorder or hide their neighbours. Whoever puts such a text into a
//! message, a plan or a log line passes it through here. This module must not
//! decide what is shown.

use std::borrow::Cow;

/// A text in backticks, on one line, cut where it is long, with every character
/// that is not seen or that steers a terminal written as its escape.
pub fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut quoted = String::from("`");
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST {
            quoted.push('…');
            break;
        }
        push(&mut quoted, c);
    }
    quoted.push('`');
    quoted
}

/// A text on one line, the characters that are not seen written as escapes: for
/// descriptions and the names of files.
pub fn plain(text: &str) -> String {
    let mut shown = String::new();
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 {
            shown.push(' ');
        }
        word.chars().for_each(|c| push(&mut shown, c));
    }
    shown
}

/// A text on one line as it stands: what is not seen is written as an escape,
/// line breaks among it. For names and titles, where every space counts.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            _ => push(&mut shown, c),
        }
    }
    shown
}

/// A text with what is not seen replaced by signs that take the same number of
/// bytes, so that places in it stay what they are; line breaks stay.
pub fn same_length(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\r' | '\t') || !is_unseen(c);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match c.len_utf8() {
        _ if stays(c) => c,
        1 => '?',
        2 => '\u{b7}',
        3 => '\u{fffd}',
        _ => '\u{10101}',
    });
    Cow::Owned(shown.collect())
}

/// A text with its lines, the characters that are not seen written as escapes.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' {
            shown.push(c);
        } else {
            push(&mut shown, c);
        }
    }
    shown
}

fn push(shown: &mut String, c: char) {
    if is_unseen(c) {
        shown.extend(c.escape_unicode());
    } else {
        shown.push(c);
    }
}

/// Whether a character is not to be shown as it is: a control character, line
/// breaks among them, or one that [`is_invisible`].
pub fn is_unseen(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Whether a character is not seen, or changes how its neighbours are seen:
/// zero-width and bidirectional characters, soft hyphens, tags and the like.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_can_not_steer_a_terminal() {
        assert_eq!(quote("a\u{1b}[31m\u{202e}b"), "`a\\u{1b}[31m\\u{202e}b`");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), 83);
        assert_eq!(plain(" a\n\u{7}b  c "), "a \\u{7}b c");
        assert_eq!(line(" a\nb\u{1b}\u{202e}"), " a\\nb\\u{1b}\\u{202e}");
        let hidden = "a\u{1b}\u{ad}\u{200b}\u{e0041}b\n";
        assert_eq!(same_length(hidden), "a?\u{b7}\u{fffd}\u{10101}b\n");
        assert_eq!(same_length(hidden).len(), hidden.len());
        assert!(matches!(same_length("a b\n"), Cow::Borrowed(_)));
        assert_eq!(printable("a\r\n\u{200b}b"), "a\\u{d}\n\\u{200b}b");
    }
}
