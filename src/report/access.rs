//! What a plan changes about access, as a short section of its text.

use std::fmt::Write as _;

use super::{BAD, BOLD, CHANGED, GOOD, styled};
use crate::access::{AccessDelta, Grant, PrincipalDelta, Verdict};
use crate::quote::line;

/// How many lines of one kind are written of one principal. The documents
/// themselves stand above.
const MOST_LINES: usize = 12;

/// Writes the section; nothing where nothing about access needs a look.
pub(super) fn write(text: &mut String, delta: &AccessDelta) {
    if delta.is_quiet() {
        return;
    }
    let _ = writeln!(text, "{}\n", styled(BOLD, "Access"));
    let loud = |one: &&PrincipalDelta| one.verdict > Verdict::Reformatted;
    for one in delta.principals.iter().filter(loud) {
        let verdict = styled(style(one.verdict), one.verdict.word());
        let (who, what) = (line(&one.principal), one.aspect.words());
        let _ = writeln!(text, "  {who}: {what}: {verdict}  ({})", one.address);
        lines(text, &styled(BAD, "+"), one.gains.iter().map(Grant::as_gain));
        lines(text, &styled(GOOD, "-"), one.losses.iter().map(Grant::as_loss));
        for flag in &one.flags {
            let _ = writeln!(text, "      {} {}", styled(BAD, "!"), flag.words());
        }
        lines(text, &styled(CHANGED, "?"), one.undecided.iter().cloned());
    }
    for one in &delta.bindings {
        let sign = if one.gained { styled(BAD, "+") } else { styled(GOOD, "-") };
        let verb = if one.gained { "gets" } else { "loses" };
        let place = if one.cluster.is_empty() {
            String::new()
        } else {
            format!(" of cluster {}", line(&one.cluster))
        };
        let _ = writeln!(
            text,
            "  {sign} service account {}{place} {verb} {} by {}  ({})",
            line(&one.service_account),
            line(&one.role),
            one.by.words(),
            one.address
        );
    }
    text.push('\n');
}

/// Some lines behind a mark, and how many more there are.
fn lines(text: &mut String, mark: &str, all: impl ExactSizeIterator<Item = String>) {
    let more = all.len().saturating_sub(MOST_LINES);
    for one in all.take(MOST_LINES) {
        let _ = writeln!(text, "      {mark} {}", line(&one));
    }
    if more > 0 {
        let _ = writeln!(text, "      {mark} and {more} more, which --json has");
    }
}

fn style(verdict: Verdict) -> anstyle::Style {
    match verdict {
        Verdict::Widened | Verdict::Both => BAD,
        Verdict::Undecided => CHANGED,
        Verdict::Narrowed | Verdict::Reformatted | Verdict::Unchanged => GOOD,
    }
}
