//! Texts from outside, made fit for a Markdown comment.
//!
//! Whatever a value holds, it stays a text: it can't mention anybody, link an
//! issue or a commit, become markup, an image or a link, break out of a fence or
//! a table, or reorder what is read. Words that are nothing but letters stay as
//! they are; everything else stands in code, which no renderer looks into. This
//! module must not decide what is shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::quote;

/// The longest text in code that is shown whole, in characters.
const LONGEST: usize = 160;
/// The longest sentence that is shown whole, in characters.
const LONGEST_SENTENCE: usize = 320;

/// A text in code, on one line, cut where it is long. Fit for a table: what
/// would end a cell is written as an escape.
pub(in crate::report) fn code(text: &str) -> String {
    code_within(text, LONGEST)
}

fn code_within(text: &str, longest: usize) -> String {
    let cut = shortened(text, longest);
    // A backslash before it would not keep it from ending the cell in every
    // renderer.
    let shown = quote::line(&cut).replace('|', "\\u{7c}");
    if shown.trim().is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&shown) + 1);
    let edge = |c: char| c == '`' || c == ' ';
    let pad = if shown.starts_with(edge) || shown.ends_with(edge) { " " } else { "" };
    format!("{ticks}{pad}{shown}{pad}{ticks}")
}

/// A sentence on one line, cut where it is long: its plain words as they are,
/// what else is in it as code.
pub(in crate::report) fn sentence(text: &str) -> String {
    let cut = shortened(text, LONGEST_SENTENCE);
    let mut shown = String::with_capacity(cut.len() + 16);
    for (index, token) in cut.split_whitespace().enumerate() {
        if index > 0 {
            shown.push(' ');
        }
        let core = token.trim_end_matches([',', ';', '.', ':', ')']);
        let (open, core) = match core.strip_prefix('(') {
            Some(rest) => ("(", rest),
            None => ("", core),
        };
        let end = token.get(open.len() + core.len()..).unwrap_or_default();
        if is_word(core) || is_number(core, end) {
            shown.push_str(token);
        } else if core.is_empty() || core == "…" {
            shown.push_str(&code_or_dots(token));
        } else {
            let _ = write!(shown, "{open}{}{end}", code(core));
        }
    }
    shown
}

fn code_or_dots(token: &str) -> Cow<'_, str> {
    if token == "…" { Cow::Borrowed(token) } else { Cow::Owned(code(token)) }
}

/// Letters, with `-` and `'` inside, that no renderer takes for a commit.
fn is_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphabetic() || c == '-' || c == '\'';
    let is_commit = text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit());
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inner)
        && !is_commit
}

/// A short number that can't begin a list.
fn is_number(text: &str, end: &str) -> bool {
    (1..=6).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_digit())
        && matches!(end, "" | "," | ";")
}

/// A text of several lines in a fence that it can't end. Its lines must already
/// hold nothing unseen.
pub(in crate::report) fn fenced(language: &str, body: &str) -> String {
    let fence = "`".repeat((longest_run(body) + 1).max(3));
    let end = if body.is_empty() || body.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{body}{end}{fence}\n")
}

/// What [`fenced`] adds to a body, in bytes.
pub(in crate::report) fn fence_cost(language: &str, body: &str) -> usize {
    let end = usize::from(!body.is_empty() && !body.ends_with('\n'));
    2 * (longest_run(body) + 1).max(3) + language.len() + 2 + end
}

/// A name fit for a hidden marker, which only a few characters can't end.
pub(in crate::report) fn marker_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}

/// The longest run of backticks.
pub(in crate::report) fn longest_run(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for byte in text.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// At most so many characters of a text, with a sign where it was cut.
pub(in crate::report) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_and_everything_else_is_code() {
        for (text, shown) in [
            ("the pods are restarted", "the pods are restarted"),
            ("3 nodes, (perhaps) can't", "3 nodes, (perhaps) can't"),
            ("by @someone, see #12.", "by `@someone`, see `#12`."),
            ("s3:* on arn:aws:s3:::a/*", "`s3:*` on `arn:aws:s3:::a/*`"),
            ("<img src=x>", "`<img` `src=x>`"),
            ("a|b", "`a\\u{7c}b`"),
            ("1. first", "`1`. first"),
            ("- x", "`-` x"),
            ("deadbeef 0a1b2c3", "`deadbeef` `0a1b2c3`"),
            ("a\u{202e}b\nc", "`a\\u{202e}b` c"),
            ("www.example.com", "`www.example.com`"),
            ("``x`", "``` ``x` ```"),
            (") .", "`)` `.`"),
        ] {
            assert_eq!(sentence(text), shown, "{text}");
        }
        assert_eq!(code(" "), "(empty)");
        assert_eq!(code("a\nb"), "`a\\nb`");
        assert!(
            sentence(&"word ".repeat(200)).ends_with(" w…")
                || sentence(&"word ".repeat(200)).contains('…')
        );
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        let body = "+ ```\n- ````\n";
        let shown = fenced("diff", body);
        assert_eq!(shown, "`````diff\n+ ```\n- ````\n`````\n");
        assert_eq!(shown.len(), body.len() + fence_cost("diff", body));
        assert_eq!(marker_name("a-b--><script>"), "a-b--script");
    }
}
