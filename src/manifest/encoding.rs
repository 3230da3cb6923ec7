//! The bytes of a file to its text: UTF-8 and nothing else, and no characters
//! that are not text.
//!
//! This module must not know YAML's structure.

use super::diagnostic::Diagnostic;
use super::source::{FileId, Sources, Span, byte_offset};

/// The longest file, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Takes the bytes of a file in as text.
///
/// # Errors
/// A file that is too long, not UTF-8, or holds characters that YAML does not
/// allow; its text is kept as far as it can be shown.
pub fn take(sources: &mut Sources, name: &str, bytes: &[u8]) -> Result<FileId, Box<Diagnostic>> {
    if bytes.len() > MAX_BYTES {
        let file = sources.add(name, "");
        sources.hide(file);
        return Err(Box::new(too_long(file, bytes.len() as u64)));
    }
    if let Some(encoding) = other_encoding(bytes) {
        let file = sources.add(name, "");
        sources.hide(file);
        return Err(Box::new(
            Diagnostic::at(Span::start_of(file), format!("the file is {encoding}, not UTF-8"))
                .help("save it as UTF-8"),
        ));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (text, wrong) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let wrong = text.char_indices().find(|(_, c)| !is_allowed_raw(*c)).map(|(at, c)| {
                let help = if c == '\0' { "is this a text file?" } else { "remove it" };
                let summary =
                    format!("the character U+{:04X} is not allowed, at byte {at}", u32::from(c));
                (at, summary, help)
            });
            (text.to_owned(), wrong)
        }
        Err(error) => {
            let at = error.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or(0);
            let summary = format!("the file is not UTF-8: byte 0x{byte:02X} at byte {at}");
            (String::from_utf8_lossy(bytes).into_owned(), Some((at, summary, "save it as UTF-8")))
        }
    };
    let Some((at, summary, help)) = wrong else {
        return Ok(sources.add(name, text));
    };
    // What stands before the offending byte is one to one the same text.
    let head = text.get(..at).unwrap_or("");
    let tail = text.get(at..).unwrap_or("");
    let shown: String =
        tail.chars().map(|c| if is_allowed_raw(c) { c } else { '\u{fffd}' }).collect();
    let file = sources.add(name, format!("{head}{shown}"));
    let len = shown.chars().next().map_or(0, char::len_utf8);
    let span = Span { file, start: byte_offset(at), len: byte_offset(len) };
    Err(Box::new(Diagnostic::at(span, summary).label("here").help(help)))
}

/// The error for a file of so many bytes.
pub(super) fn too_long(file: FileId, bytes: u64) -> Diagnostic {
    Diagnostic::at(
        Span::start_of(file),
        format!("the file has {bytes} bytes; at most {MAX_BYTES} are read"),
    )
    .help("split it: a directory may hold many files")
}

fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..]
        | [0, 0, 0xfe, 0xff, ..]
        | [0, 0, 0, 1..=0x7f, ..]
        | [1..=0x7f, 0, 0, 0, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..]
        | [0xfe, 0xff, ..]
        | [0, 1..=0x7f, 0, ..]
        | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// Whether YAML allows a character unescaped (YAML 1.2.2, section 5.1), apart
/// from those that end lines in no other format.
fn is_allowed_raw(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_yaml_text_are_refused_with_their_place() {
        for (bytes, expected) in [
            (&b"a: 1\nb: \xff\n"[..], "2:4 the file is not UTF-8: byte 0xFF at byte 8"),
            (b"a: x\0y\n", "1:5 the character U+0000 is not allowed, at byte 4"),
            (b"a: \x1b[31m\n", "1:4 the character U+001B is not allowed, at byte 3"),
            ("a: \u{85}\n".as_bytes(), "1:4 the character U+0085 is not allowed, at byte 3"),
            (b"\xff\xfea\0:\0", "1:1 the file is UTF-16, not UTF-8"),
            (b"a\0:\0 \0", "1:1 the file is UTF-16, not UTF-8"),
            (b"\xff\xfe\0\0a\0\0\0", "1:1 the file is UTF-32, not UTF-8"),
        ] {
            let mut sources = Sources::default();
            let wrong = take(&mut sources, "a.yaml", bytes).unwrap_err();
            let position = sources.position(wrong.span.unwrap());
            let told = format!("{}:{} {}", position.line, position.column, wrong.summary);
            assert_eq!(told, expected);
        }
        let mut sources = Sources::default();
        assert!(take(&mut sources, "a.yaml", &vec![b' '; MAX_BYTES + 1]).is_err());
        let file = take(&mut sources, "b.yaml", "\u{feff}a: 1\n".as_bytes()).unwrap();
        assert_eq!(sources.text(file), "a: 1\n");
    }
}
