//! The lines in which two documents differ, with a few around them.
//!
//! Pure. How a line is marked and coloured is the business of whoever shows it.

use similar::{ChangeTag, TextDiff};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It goes.
    Gone,
    /// It comes.
    New,
    /// It is on both sides.
    Same,
    /// Lines that are on both sides are left out here.
    Skipped,
}

/// The lines of two documents, a few around each difference. A comma at a
/// line's end, which comes or goes with the next member, is no difference.
pub(super) fn lines<'a>(before: &'a str, after: &'a str) -> Vec<(Mark, &'a str)> {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let bare = |lines: &[&'a str]| -> Vec<&'a str> {
        lines.iter().map(|line| line.strip_suffix(',').unwrap_or(line)).collect()
    };
    let (old, new) = (bare(&before), bare(&after));
    let diff = TextDiff::from_slices(&old, &new);
    let mut found = Vec::new();
    for (index, group) in diff.grouped_ops(3).iter().enumerate() {
        if index > 0 {
            found.push((Mark::Skipped, "..."));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => Mark::Gone,
                ChangeTag::Insert => Mark::New,
                ChangeTag::Equal => Mark::Same,
            };
            // The line as it stands, comma and all.
            let line = match (change.old_index(), change.new_index()) {
                (_, Some(index)) => after.get(index),
                (Some(index), None) => before.get(index),
                (None, None) => None,
            };
            found.push((mark, line.copied().unwrap_or_default()));
        }
    }
    found
}
