//! The place in an S3 bucket that a Stack may name for its state.
//!
//! This module must not ask S3.

use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::source::Span;
use crate::quote::quote;

/// A place in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateBucket {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with; the stack's name follows.
    pub prefix: String,
    /// The bucket's region, where it is not that of the stack.
    pub region: Option<String>,
}

/// Checks bucket, prefix and region, as far as they are given.
pub(super) fn check(fields: [&Option<(String, Span)>; 3], wrong: &mut Vec<Diagnostic>) {
    let rules = [
        (is_bucket as fn(&str) -> bool, BUCKET_RULE),
        (is_prefix, PREFIX_RULE),
        (is_region, "write it as in `us-east-2`"),
    ];
    for (field, (is_good, help)) in fields.into_iter().zip(rules) {
        if let Some((text, span)) = field.as_ref().filter(|(text, _)| !is_good(text)) {
            wrong.push(
                Diagnostic::at(*span, "a place in S3 that can't be")
                    .label(format!("{} can't be used here", quote(text)))
                    .help(help),
            );
        }
    }
}

/// The rule of S3 for the names of buckets.
const BUCKET_RULE: &str =
    "3 to 63 lowercase letters, digits, dots and hyphens; a letter or a digit first and last";
/// What needs no escape in a name of an object.
const PREFIX_RULE: &str =
    "letters, digits, `-`, `_`, `.` and single `/` inside, 200 characters at most";

fn is_bucket(name: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (3..=63).contains(&name.len())
        && end(name.chars().next())
        && end(name.chars().next_back())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-')
        && !name.contains("..")
}

fn is_prefix(prefix: &str) -> bool {
    prefix.len() <= 200
        && prefix.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && !part.starts_with('-')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        })
}

fn is_region(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be() {
        for (name, good) in [
            ("abc", true),
            ("a.b-9", true),
            ("ab", false),
            ("Abc", false),
            ("a..b", false),
            ("-ab", false),
            ("ab-", false),
            ("a/b", false),
        ] {
            assert_eq!(is_bucket(name), good, "{name}");
        }
        for (prefix, good) in [
            ("lkh", true),
            ("a/b_C.1", true),
            ("", false),
            ("/a", false),
            ("a//b", false),
            ("../a", false),
            ("-a", false),
            ("a b", false),
        ] {
            assert_eq!(is_prefix(prefix), good, "{prefix}");
        }
        assert!(is_region("us-east-2") && !is_region("-x") && !is_region(""));
    }
}
