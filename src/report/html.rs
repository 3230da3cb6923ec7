//! A plan as one HTML page that needs nothing else.
//!
//! Everything that comes from live objects and manifests is hostile: it is
//! escaped. This module must not refer to anything outside of the page.

use super::format::{Format, Rendering};

/// The plan as a page.
pub fn render(of: &Rendering<'_>) -> String {
    let text = Format::Text.render(of).unwrap_or_default();
    let text = escaped(&anstream::adapter::strip_str(&text).to_string());
    let stack = escaped(&of.plan.stack);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Plan of {stack}</title>\n\
         <h1>Plan of {stack}</h1>\n<p>{}</p>\n<p>Plan hash: <code>{}</code></p>\n<pre>{text}</pre>\n\
         </html>\n",
        escaped(&of.plan.summary().to_string()),
        of.hash
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}
