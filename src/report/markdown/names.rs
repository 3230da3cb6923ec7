//! Many addresses in few bytes.
//!
//! Names of one kind that differ in a number or in their last part are told
//! together: `IamRole.r{1..400}`, `IamRole.team-{blue,green}`. Whoever reads it
//! can tell every name; nothing is left out. This module must not know why a
//! list is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::address::Address;
use crate::plan::risk::natural;

/// The addresses, each by its name: `IamRole: a, b`.
pub(super) fn listed(addresses: &[&Address]) -> String {
    by_kind(addresses, |names| names.join(", "))
}

/// The addresses in as few bytes as the names allow.
pub(super) fn folded(addresses: &[&Address]) -> String {
    by_kind(addresses, |names| fold(names).join(", "))
}

fn by_kind(addresses: &[&Address], told: impl Fn(&[&str]) -> String) -> String {
    let mut sorted = addresses.to_vec();
    sorted.sort_by(|a, b| natural(a, b));
    let mut text = String::new();
    for group in sorted.chunk_by(|a, b| a.kind == b.kind) {
        let names: Vec<&str> = group.iter().map(|address| address.name.as_str()).collect();
        let Some(first) = group.first() else { continue };
        let _ = writeln!(text, "- {} `{}`: `{}`", names.len(), first.kind, told(&names));
    }
    text
}

/// Names in natural order, folded.
fn fold(names: &[&str]) -> Vec<String> {
    // What stands around the last number, and the numbers.
    let mut numbered: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    let mut others: Vec<&str> = Vec::new();
    for name in names {
        match number_in(name) {
            Some((head, number, tail)) => numbered.entry((head, tail)).or_default().push(number),
            None => others.push(name),
        }
    }
    let mut told = Vec::new();
    for ((head, tail), mut numbers) in numbered {
        numbers.sort_unstable();
        match numbers.as_slice() {
            [only] => told.push(format!("{head}{only}{tail}")),
            _ => told.push(format!("{head}{{{}}}{tail}", ranges(&numbers))),
        }
    }
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in others {
        let (head, last) = match name.rfind('-') {
            Some(at) => name.split_at(at + 1),
            None => ("", name),
        };
        parts.entry(head).or_default().push(last);
    }
    for (head, lasts) in parts {
        match lasts.as_slice() {
            [only] => told.push(format!("{head}{only}")),
            _ if head.is_empty() => told.extend(lasts.iter().map(|&last| last.to_owned())),
            _ => told.push(format!("{head}{{{}}}", lasts.join(","))),
        }
    }
    told
}

/// A name taken apart at its last number, unless that has zeros before it or is
/// longer than a number may be.
fn number_in(name: &str) -> Option<(&str, u64, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (front, tail) = name.split_at(end);
    let start = front.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let (head, digits) = front.split_at(start);
    let plain = digits.len() <= 12 && (digits == "0" || !digits.starts_with('0'));
    Some((head, digits.parse().ok().filter(|_| plain)?, tail))
}

/// Sorted numbers, those that follow each other as `first..last`.
fn ranges(numbers: &[u64]) -> String {
    let runs: Vec<String> = numbers
        .chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| match run {
            [] => None,
            [only] => Some(only.to_string()),
            [first, second] => Some(format!("{first},{second}")),
            [first, .., last] => Some(format!("{first}..{last}")),
        })
        .collect();
    runs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(names: &[&str]) -> Vec<Address> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn names_that_follow_each_other_are_told_together() {
        let all = addresses(&[
            "IamRole.r2",
            "IamRole.r1",
            "IamRole.r3",
            "IamRole.r10",
            "IamRole.r007",
            "IamRole.a-1-x",
            "IamRole.a-2-x",
            "IamPolicy.team-blue",
            "IamPolicy.team-green",
            "IamPolicy.other",
            "IamPolicy.another",
            "S3Bucket.one",
        ]);
        let all: Vec<&Address> = all.iter().collect();
        insta::assert_snapshot!(folded(&all), @r"
        - 7 `IamRole`: `a-{1,2}-x, r{1..3,10}, r007`
        - 4 `IamPolicy`: `another, other, team-{blue,green}`
        - 1 `S3Bucket`: `one`
        ");
        insta::assert_snapshot!(listed(&all), @r"
        - 7 `IamRole`: `a-1-x, a-2-x, r1, r2, r3, r007, r10`
        - 4 `IamPolicy`: `another, other, team-blue, team-green`
        - 1 `S3Bucket`: `one`
        ");
    }
}
