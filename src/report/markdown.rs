//! A plan as Markdown, for a comment in a pull request.
//!
//! Everything that comes from live objects and manifests is hostile: it stands
//! in a fence that it can't close. This module must not judge a change.

use std::fmt::Write as _;

use super::format::{Format, Rendering};

/// The plan as Markdown.
pub fn render(of: &Rendering<'_>) -> String {
    let text = Format::Text.render(of).unwrap_or_default();
    let text = anstream::adapter::strip_str(&text).to_string();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut page = String::new();
    let _ = writeln!(page, "**{}**\n", of.plan.summary());
    let _ = writeln!(page, "{fence}text\n{}\n{fence}\n", text.trim_end());
    let _ = writeln!(page, "Plan hash: `{}`", of.hash);
    page
}
