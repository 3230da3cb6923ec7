//! Domain names, as ACM and Route 53 write them: their normal form, what a
//! certificate's name covers, and what lies in a zone.
//!
//! Pure text. This module must not know any single kind.

use super::Problem;
use super::eks::problem;
use crate::value::{Path, is_unknown_text};

/// A name in normal form: lowercase, without the dot at its end, `*` as it is
/// typed (Route 53 answers `\052`).
pub(super) fn normal(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*").to_ascii_lowercase()
}

/// Whether a text can be a domain name. A first label `*` is allowed where
/// `wildcard` says so, an underscore always: records have it.
pub(super) fn is_domain(name: &str, wildcard: bool) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let rest = name.strip_prefix("*.").filter(|_| wildcard).unwrap_or(name);
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && rest.contains('.') && rest.split('.').all(is_label)
}

/// Notes a text that can't be a domain name.
pub(super) fn check(name: &str, field: &str, wildcard: bool, problems: &mut Vec<Problem>) {
    if !is_unknown_text(name) && !is_domain(name, wildcard) {
        problems.push(problem(
            Path::new(field),
            format!("`{name}` is not a domain name"),
            "write it whole, as in lakehouse.example.com",
        ));
    }
}

/// How a certificate's name covers a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cover {
    /// It does not.
    No,
    /// By a wildcard: its star stands for exactly one label.
    Wildcard,
    /// It is the same name.
    Exact,
}

/// How a certificate's name covers a domain; both in normal form.
pub(super) fn cover(certificate: &str, domain: &str) -> Cover {
    if certificate == domain {
        return Cover::Exact;
    }
    let below = certificate.strip_prefix("*.");
    let parent = domain.split_once('.').map(|(_, parent)| parent);
    if below.is_some() && below == parent { Cover::Wildcard } else { Cover::No }
}

/// Whether a domain is a zone's own name or lies below it; both in normal form.
pub(super) fn is_in_zone(domain: &str, zone: &str) -> bool {
    domain == zone || domain.strip_suffix(zone).is_some_and(|start| start.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_covers_exactly_one_label() {
        for (certificate, domain, expected) in [
            ("a.example.com", "a.example.com", Cover::Exact),
            ("*.example.com", "a.example.com", Cover::Wildcard),
            ("*.example.com", "*.example.com", Cover::Exact),
            ("*.example.com", "example.com", Cover::No),
            ("*.example.com", "a.b.example.com", Cover::No),
            ("*.b.example.com", "a.b.example.com", Cover::Wildcard),
            ("example.com", "a.example.com", Cover::No),
            ("*.com", "example.org", Cover::No),
        ] {
            assert_eq!(cover(certificate, domain), expected, "{certificate} {domain}");
        }
        assert!(Cover::Exact > Cover::Wildcard && Cover::Wildcard > Cover::No);
    }

    #[test]
    fn names_and_zones() {
        assert_eq!(normal("\\052.Example.COM."), "*.example.com");
        for (name, wildcard, good) in [
            ("example.com", false, true),
            ("example.com.", false, true),
            ("_acme.example.com", false, true),
            ("*.example.com", true, true),
            ("*.example.com", false, false),
            ("com", false, false),
            ("a..com", false, false),
            ("-a.com", false, false),
            ("a b.com", false, false),
            ("https://example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_domain(name, wildcard), good, "{name}");
        }
        assert!(is_in_zone("a.example.com", "example.com"));
        assert!(is_in_zone("example.com", "example.com"));
        assert!(!is_in_zone("myexample.com", "example.com"));
        assert!(!is_in_zone("com", "example.com"));
    }
}
