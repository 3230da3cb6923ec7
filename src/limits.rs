//! How much from outside is taken in: checked on the bytes, before anything is
//! built of them.
//!
//! A JSON document of a few megabytes can make a tree of a gigabyte, and a deep
//! one a stack overflow. This module must not read files, nor know what a
//! document means.

/// The deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 100;
/// The most values and keys of one document: the state of 100,000 resources has
/// about nine million.
pub const MAX_NODES: usize = 16_000_000;

/// A document that is more than this program takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Lists in lists.
    #[error("at byte {at} lists and maps are nested more than {MAX_DEPTH} deep")]
    Deep {
        /// The byte that opens one too many.
        at: usize,
    },
    /// Too many values.
    #[error("it has more than {MAX_NODES} values")]
    Many,
}

/// Checks the depth and the number of values of a JSON text. What is no JSON
/// passes: its reader will tell.
///
/// # Errors
/// Which limit it breaks.
pub fn check_json(text: &[u8]) -> Result<(), TooMuch> {
    let (mut depth, mut nodes) = (0_usize, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => {
                depth += 1;
                nodes += 1;
                if depth > MAX_DEPTH {
                    return Err(TooMuch::Deep { at });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' => nodes += 1,
            _ => continue,
        }
        if nodes > MAX_NODES {
            return Err(TooMuch::Many);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_number_count_outside_of_texts_alone() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check_json(deep(MAX_DEPTH).as_bytes()), Ok(()));
        assert_eq!(check_json(deep(100_000).as_bytes()), Err(TooMuch::Deep { at: MAX_DEPTH }));
        let text = format!(r#"{{"a\"{}": "{}\\"}}"#, "[".repeat(500), ",".repeat(MAX_NODES));
        assert_eq!(check_json(text.as_bytes()), Ok(()));
        let many = format!("[{}0]", "0,".repeat(MAX_NODES));
        assert_eq!(check_json(many.as_bytes()), Err(TooMuch::Many));
        assert_eq!(check_json(b"]]]}}} no json"), Ok(()));
    }
}
