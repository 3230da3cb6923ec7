//! What a person may see of a tool's words: no secret of this run in any
//! common spelling, no terminal escapes. This module must not decide what is
//! secret; it is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::seeded::{self, Bug};
use crate::value::{SENSITIVE, Value};

/// Shorter secrets are not looked for: they would be found everywhere.
const SHORTEST: usize = 4;
/// A line of a secret of several lines is looked for by itself from this
/// length on.
const SHORTEST_LINE: usize = 12;

/// Stands for a hidden secret while more are looked for: no plain text holds it.
const HIDDEN: &str = "\0";

/// The secrets of a run in every spelling, and what hides them.
#[derive(Default)]
pub struct Redactor {
    // Longest first, so that a secret within another does not break it up.
    spellings: BTreeSet<(std::cmp::Reverse<usize>, String)>,
}

impl Redactor {
    /// Hides every sensitive leaf of a value from now on.
    pub fn protect(&mut self, value: &Value) {
        match value {
            Value::Sensitive(inner) => {
                if let Some(json) = inner.reveal() {
                    self.protect_leaves(&json);
                }
            }
            Value::List(list) => list.iter().for_each(|value| self.protect(value)),
            Value::Map(map) => map.values().for_each(|value| self.protect(value)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Unknown(_) => {}
        }
    }

    /// Hides a text from now on.
    pub fn protect_text(&mut self, secret: &str) {
        let trimmed = secret.trim();
        if trimmed.len() < SHORTEST {
            return;
        }
        let lines = trimmed
            .lines()
            .map(str::trim)
            .filter(|line| trimmed.contains('\n') && line.len() >= SHORTEST_LINE);
        // What is shown has lost its control characters, so a secret has too.
        let shown = plain(trimmed);
        for text in [secret, trimmed, &shown].into_iter().chain(lines) {
            for spelling in spellings(text) {
                if spelling.len() >= SHORTEST {
                    self.spellings.insert((std::cmp::Reverse(spelling.len()), spelling));
                }
            }
        }
    }

    fn protect_leaves(&mut self, json: &Json) {
        match json {
            Json::String(text) => self.protect_text(text),
            Json::Number(number) => self.protect_text(&number.to_string()),
            Json::Array(list) => list.iter().for_each(|item| self.protect_leaves(item)),
            Json::Object(map) => map.values().for_each(|item| self.protect_leaves(item)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// The text as a person may see it.
    pub fn show(&self, text: &str) -> String {
        let mut shown = plain(text);
        if seeded::is(Bug::NothingRedacted) {
            return shown;
        }
        for (_, spelling) in &self.spellings {
            if shown.contains(spelling.as_str()) {
                // Nothing is found within what stands for a hidden secret.
                shown = shown.replace(spelling.as_str(), HIDDEN);
            }
        }
        shown.replace(HIDDEN, SENSITIVE)
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} spellings)", self.spellings.len())
    }
}

/// How a tool may write a text in an error: as it is, in JSON, in a URL, in
/// hexadecimal, in base64 at each of the three places within a longer one.
fn spellings(text: &str) -> Vec<String> {
    let quoted = Json::String(text.to_owned()).to_string();
    let quoted = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned();
    let mut url = String::new();
    let mut form = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            url.push(char::from(byte));
            form.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            let _ = write!(url, "%{byte:02X}");
            match byte {
                b' ' => form.push('+'),
                _ => {
                    let _ = write!(form, "%{byte:02X}");
                }
            }
        }
    }
    let mut all = vec![
        text.to_owned(),
        // Twice, for JSON within JSON.
        quoted.replace('\\', "\\\\").replace('"', "\\\""),
        quoted,
        url,
        form,
        hex::encode(text),
        hex::encode_upper(text),
    ];
    for before in 0..3 {
        let found = within_base64(text.as_bytes(), before);
        all.push(found.replace('+', "-").replace('/', "_"));
        all.push(found);
    }
    all
}

/// The characters of a longer base64 text that depend on these bytes alone,
/// when `before` bytes (modulo 3) come in front of them.
fn within_base64(bytes: &[u8], before: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |index: usize| {
        let byte = bytes.get(index / 8).copied().unwrap_or(0);
        usize::from((byte >> (7 - index % 8)) & 1)
    };
    // The first whole group of six bits that lies within the bytes.
    let first = (6 - before * 8 % 6) % 6;
    let mut text = String::new();
    let mut start = first;
    while start + 6 <= bytes.len() * 8 {
        let sextet = (start..start + 6).fold(0, |sum, index| sum << 1 | bit(index));
        text.push(ALPHABET.get(sextet).map_or('=', |byte| char::from(*byte)));
        start += 6;
    }
    text
}

/// The text without what a terminal would act on: escape sequences, control
/// characters but newline and tab, and marks that turn the direction of text.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\n' | '\t' => shown.push(char),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' => shown.push('\n'),
            '\u{1b}' => match rest.next() {
                // CSI: parameters up to a letter or the like.
                Some('[') => {
                    for char in rest.by_ref() {
                        if ('\u{40}'..='\u{7e}').contains(&char) {
                            break;
                        }
                    }
                }
                // OSC and its kin: a text up to BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    let mut escape = false;
                    for char in rest.by_ref() {
                        if char == '\u{7}' || (escape && char == '\\') {
                            break;
                        }
                        escape = char == '\u{1b}';
                    }
                }
                _ => {}
            },
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {}
            control if control.is_control() => {}
            _ => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secret: &str) -> Redactor {
        let mut redactor = Redactor::default();
        redactor.protect(&Value::Sensitive(Box::new(Value::from(secret))));
        redactor
    }

    #[test]
    fn every_spelling_is_hidden() {
        let secret = "pa\"ss w/o?rd\u{e4}!";
        let redactor = redactor(secret);
        // Base64 of the secret alone, of "x:" and of "x" before it.
        for text in [
            secret.to_owned(),
            format!("{{\"a\":{}}}", Json::String(secret.into())),
            format!("{}", Json::String(Json::String(secret.into()).to_string())),
            "pa%22ss%20w%2Fo%3Frd%C3%A4%21".into(),
            "pa%22ss+w%2Fo%3Frd%C3%A4%21".into(),
            hex::encode(secret),
            "cGEic3Mgdy9vP3Jkw6Qh".into(),
            "eDpwYSJzcyB3L28/cmTDpCE=".into(),
            "eHBhInNzIHcvbz9yZMOkIQ==".into(),
        ] {
            let shown = redactor.show(&text);
            assert!(shown.contains(SENSITIVE), "{text} -> {shown}");
        }
    }

    #[test]
    fn leaves_and_lines_are_hidden_and_the_rest_is_not() {
        let mut redactor = Redactor::default();
        redactor.protect(&Value::from_json(&serde_json::json!({"public": "visible"})));
        redactor.protect(&Value::Sensitive(Box::new(Value::from_json(&serde_json::json!({
            "a": ["canary-1", 123_456], "b": true, "c": "abc",
            "d": "-----BEGIN-----\nline-of-the-key-canary\n-----END-----\n",
        })))));
        let shown = redactor.show("visible canary-1 123456 true abc: line-of-the-key-canary");
        assert_eq!(
            shown,
            "visible (sensitive value) (sensitive value) true abc: (sensitive value)"
        );
        assert!(!format!("{redactor:?}").contains("canary"));
    }

    #[test]
    fn the_longer_secret_goes_first() {
        let mut redactor = redactor("hunter");
        redactor.protect_text("hunter-two");
        assert_eq!(redactor.show("hunter-two hunter"), "(sensitive value) (sensitive value)");
    }

    #[test]
    fn terminal_escapes_are_stripped_before_secrets_are_looked_for() {
        let text = "\u{1b}[31mred\u{1b}[0m \u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\ a\u{8}b\r\nc\rd \u{202e}e hun\u{1b}[1mter";
        assert_eq!(redactor("hunter").show(text), "red link ab\nc\nd e (sensitive value)");
    }
}
