//! Paths to fields, as manifests write them.
//!
//! This module must not know what fields there are.

use crate::value::Path;

/// Reads a path as [`Path`] writes it: `tags["a b"].x`.
pub fn parse_path(text: &str) -> Option<Path> {
    let mut path = Path::default();
    let mut rest = text;
    let mut first = true;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('[') {
            let mut stream = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            let segment = stream.next()?.ok()?;
            rest = quoted.get(stream.byte_offset()..)?.strip_prefix(']')?;
            path = path.join(segment);
        } else {
            let word = if first { rest } else { rest.strip_prefix('.')? };
            let end = word.find(['.', '[']).unwrap_or(word.len());
            let segment = word.get(..end).filter(|segment| !segment.is_empty())?;
            if !segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                return None;
            }
            path = path.join(segment);
            rest = word.get(end..)?;
        }
        first = false;
    }
    (!first).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_as_they_are_written() {
        for text in ["tags", "tags.owner", "tags[\"a b\"].x", "[\"a.b\"]", "a[\"\\\"]\"]"] {
            assert_eq!(parse_path(text).unwrap().to_string(), text);
        }
        for text in ["", ".a", "a.", "a..b", "a[b]", "a[\"b\"", "a b", "a[\"b\"]c"] {
            assert_eq!(parse_path(text), None, "{text}");
        }
    }
}
