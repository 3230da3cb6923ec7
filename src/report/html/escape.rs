//! Texts from anywhere, made fit to stand in HTML.
//!
//! Whatever a plan holds may come from a live object that someone else wrote.
//! It reaches the page only through here: characters that are not seen become
//! escapes, and those that mean something to HTML become references, so that a
//! text stays a text, in an attribute as between tags. This module must not
//! decide what is shown.

use sha2::{Digest as _, Sha256};

use crate::quote::{line, printable};

/// A text on one line.
pub(super) fn one(text: &str) -> String {
    entities(&line(text))
}

/// A text with its lines.
pub(super) fn many(text: &str) -> String {
    entities(&printable(text))
}

fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The source that a content security policy allows an inline script or style
/// by: the digest of its very text.
pub(super) fn source(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = Sha256::digest(text.as_bytes());
    let mut base64 = String::new();
    for bytes in digest.chunks(3) {
        let at = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (digit, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let value = (bits >> shift) & 63;
            let sign = DIGITS.get(value as usize).copied().unwrap_or(b'=');
            base64.push(if digit > bytes.len() { '=' } else { char::from(sign) });
        }
    }
    format!("'sha256-{base64}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_a_text() {
        let hostile = "</script><!-- \"'&\u{202e}\u{1b}\n";
        assert_eq!(one(hostile), "&lt;/script&gt;&lt;!-- &quot;&#39;&amp;\\u{202e}\\u{1b}\\n");
        assert!(many(hostile).ends_with("\\u{1b}\n"));
    }

    #[test]
    fn a_source_is_the_digest_in_base64() {
        // As `printf '' | openssl dgst -sha256 -binary | base64` says.
        assert_eq!(source(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
        assert_eq!(source("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    }
}
