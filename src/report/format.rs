//! The formats of a plan: one function each, from what is rendered to text.
//!
//! A plan that was just made and the same plan read from a file give the same
//! bytes: everything here comes from the plan alone, and nothing depends on
//! time, place or chance. This module must not write anything anywhere, and
//! must not know where a text goes.

use std::fmt;
use std::str::FromStr;

use super::plan::Show;
use super::{gitlab, html, markdown, outputs, plan};
use crate::plan::Plan;
use crate::quote::quote;
use crate::value::Digest;

/// What is rendered.
#[derive(Debug, Clone)]
pub struct Rendering<'a> {
    /// The plan. Its outputs are in it.
    pub plan: &'a Plan,
    /// The hash that is approved ([`Plan::meaning`]): taken once, for it costs
    /// a walk over the plan.
    pub hash: Digest,
    /// How much the text for terminals shows; the other formats hold it all.
    pub show: Show,
}

impl<'a> Rendering<'a> {
    /// All of a plan.
    pub fn of(plan: &'a Plan) -> Self {
        Self { plan, hash: plan.meaning(), show: Show::default() }
    }
}

/// A form that a plan can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// For people at a terminal, with ANSI styles; what Terraform's wrappers
    /// look for in a plan is in it.
    Text,
    /// For a comment in a pull request.
    Markdown,
    /// For programs: the plan as it is saved, with its hash.
    Json,
    /// One page that needs nothing else.
    Html,
    /// The three counts of GitLab's merge request widget.
    Gitlab,
}

impl Format {
    /// Every format, in the order of the help.
    pub const ALL: &'static [Self] =
        &[Self::Text, Self::Markdown, Self::Json, Self::Html, Self::Gitlab];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::Html => "html",
            Self::Gitlab => "gitlab",
        }
    }

    /// A plan in this format; it ends with a line break.
    ///
    /// # Errors
    /// When the plan can't be written as JSON.
    pub fn render(self, of: &Rendering<'_>) -> serde_json::Result<String> {
        Ok(match self {
            Self::Text => plan::text(of.plan, of.show) + &outputs::changed(&of.plan.outputs),
            Self::Markdown => markdown::render(of),
            Self::Json => serde_json::to_string_pretty(&plan::json(of.plan)?)? + "\n",
            Self::Html => html::render(of),
            Self::Gitlab => gitlab::render(of),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|format| format.name() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("{} is not a format; the formats are {}", quote(text), known.join(", "))
        })
    }
}
