//! What is wrong with the manifests, for people and for programs.
//!
//! A diagnostic has a constant summary, points at a place, and proposes the
//! likely fix. Texts of the manifests stand in messages as [`crate::quote::quote`] shows
//! them; whatever else got into a message is made printable when the diagnostics
//! are put together, so that no message can steer a terminal. This module must
//! not decide what is wrong.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::source::{FileId, Sources, Span};
use crate::quote::{is_unseen, line, same_length};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where; `None` for what no file holds, such as an argument.
    pub span: Option<Span>,
    /// What is wrong.
    pub summary: String,
    /// What stands at the place.
    pub label: Option<String>,
    /// The likely fix.
    pub help: Option<String>,
    /// Other places that have to do with it, each with its part in it.
    pub related: Vec<(Span, String)>,
    /// Whether the line is not to be shown, because it holds a secret.
    pub concealed: bool,
}

impl Diagnostic {
    /// Something wrong at a place.
    pub fn at(span: Span, summary: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            summary: summary.into(),
            label: None,
            help: None,
            related: Vec::new(),
            concealed: false,
        }
    }

    /// Something wrong that no file holds.
    pub fn anywhere(summary: impl Into<String>) -> Self {
        Self {
            span: None,
            summary: summary.into(),
            label: None,
            help: None,
            related: Vec::new(),
            concealed: false,
        }
    }

    /// Says what stands at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Proposes a fix.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Proposes a fix, if there is one to propose.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Keeps the line itself from being shown, if it holds a secret.
    #[must_use]
    pub fn concealed_if(mut self, secret: bool) -> Self {
        self.concealed = secret;
        self
    }

    fn make_printable(&mut self) {
        let related = self.related.iter_mut().map(|(_, label)| label);
        let texts = [&mut self.summary].into_iter().chain(&mut self.label).chain(&mut self.help);
        for text in texts.chain(related) {
            if text.contains(|c: char| is_unseen(c)) {
                *text = line(text);
            }
        }
    }

    /// Names another place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// So many mistakes of one resource are told: a list of a million wrong members
/// is one mistake.
pub(super) const MOST_TOLD: usize = 100;
/// So many mistakes are told in all.
const MOST_LISTED: usize = 1000;
/// Lines longer than this, in bytes, are not shown with a mark.
const LONGEST_SHOWN: usize = 8192;

/// Everything that is wrong, with the texts to show it in.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    sources: Arc<Sources>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Puts diagnostics in order: by file, place and summary; each once.
    pub fn new(sources: Arc<Sources>, mut list: Vec<Diagnostic>) -> Self {
        list.iter_mut().for_each(Diagnostic::make_printable);
        list.sort_by(|a, b| (a.span, &a.summary, &a.label).cmp(&(b.span, &b.summary, &b.label)));
        list.dedup();
        if let Some(more) = list.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
            list.truncate(MOST_LISTED);
            list.push(Diagnostic::anywhere(format!("{more} more errors are not listed")));
        }
        Self { sources, list }
    }

    /// The diagnostics, in order.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The diagnostics as text: place, line, marks and fix for each, with an
    /// empty line between two.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in &self.list {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&self.render_one(diagnostic, &renderer));
            text.push('\n');
        }
        text
    }

    fn render_one(&self, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
        let mut group = annotate_snippets::Group::with_title(
            Level::ERROR.primary_title(diagnostic.summary.as_str()),
        );
        if let Some(span) = diagnostic.span {
            // One snippet a file, the file of the error itself first.
            let mut files = vec![span.file];
            for (related, _) in &diagnostic.related {
                if !files.contains(&related.file) {
                    files.push(related.file);
                }
            }
            for file in files {
                let related =
                    diagnostic.related.iter().filter(|(span, _)| span.file == file).map(
                        |(span, label)| (AnnotationKind::Context, *span, Some(label.as_str())),
                    );
                let primary = (span.file == file).then_some((
                    AnnotationKind::Primary,
                    span,
                    diagnostic.label.as_deref(),
                ));
                let marks: Vec<_> = primary.into_iter().chain(related).collect();
                let concealed = diagnostic.concealed && file == span.file;
                if concealed || self.sources.is_hidden(file) || self.is_long(file, &marks) {
                    let position = self.sources.position(marks.first().map_or(span, |mark| mark.1));
                    group = group.element(
                        Origin::path(self.sources.name(file))
                            .line(position.line)
                            .char_column(position.column),
                    );
                    for (_, _, label) in &marks {
                        group = group.elements(label.map(|label| Level::NOTE.message(label)));
                    }
                } else {
                    group = group.element(self.snippet(file, &marks));
                }
            }
        } else {
            for (span, label) in &diagnostic.related {
                let mark = (AnnotationKind::Primary, *span, Some(label.as_str()));
                group = group.element(self.snippet(span.file, &[mark]));
            }
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        // The renderer pads empty lines; text that is compared should not.
        let text = renderer.render(&[group]);
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    /// Whether the lines that hold the marks are too long to be of use: a
    /// million numbers on one line, say. To lay them out would take long.
    fn is_long(&self, file: FileId, marks: &[(AnnotationKind, Span, Option<&str>)]) -> bool {
        let (begin, end) = self.lines(file, marks);
        end - begin > LONGEST_SHOWN
    }

    /// From where to where the lines go that hold the marks.
    fn lines(
        &self,
        file: FileId,
        marks: &[(AnnotationKind, Span, Option<&str>)],
    ) -> (usize, usize) {
        let text = self.sources.text(file);
        let spans = || marks.iter().map(|(_, span, _)| self.sources.first_line(*span));
        let first = spans().map(|span| span.start as usize).min().unwrap_or(0).min(text.len());
        let last =
            spans().map(|span| span.end() as usize).max().unwrap_or(0).clamp(first, text.len());
        let begin = text.get(..first).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
        let end =
            text.get(last..).and_then(|text| text.find('\n')).map_or(text.len(), |at| last + at);
        (begin, end)
    }

    /// The lines of a file that hold the marks, cut out so that a long file
    /// costs no more than a short one.
    fn snippet<'a>(
        &'a self,
        file: FileId,
        marks: &[(AnnotationKind, Span, Option<&'a str>)],
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let text = self.sources.text(file);
        let (begin, end) = self.lines(file, marks);
        let first = self.sources.position(Span {
            file,
            start: u32::try_from(begin).unwrap_or(u32::MAX),
            len: 0,
        });
        let shown = same_length(text.get(begin..end).unwrap_or(""));
        let length = shown.len();
        let annotations = marks.iter().map(|(kind, span, label)| {
            let span = self.sources.first_line(*span);
            let start = (span.start as usize).saturating_sub(begin).min(length);
            let stop = (span.end() as usize).saturating_sub(begin).clamp(start, length);
            kind.span(start..stop).label(*label)
        });
        Snippet::source(shown)
            .path(self.sources.name(file))
            .line_start(first.line)
            .annotations(annotations)
    }

    fn place(&self, span: Span) -> Json {
        let position = self.sources.position(span);
        json!({
            "file": self.sources.name(span.file),
            "line": position.line,
            "column": position.column,
            "length": self.sources.slice(self.sources.first_line(span)).chars().count(),
        })
    }
}

impl Serialize for Diagnostics {
    /// A list of objects: `summary`, `label`, `help`, the place (`file`,
    /// `line`, `column`, `length`) and `related`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list.iter().map(|diagnostic| {
            let related: Vec<_> = diagnostic
                .related
                .iter()
                .map(|(span, label)| json!({ "place": self.place(*span), "label": label }))
                .collect();
            json!({
                "summary": diagnostic.summary,
                "label": diagnostic.label,
                "help": diagnostic.help,
                "place": diagnostic.span.map(|span| self.place(span)),
                "related": related,
            })
        }))
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// The name that a person may have meant: the nearest of the known ones, if
/// any is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        // What differs more in length can't be near; this is the cheap test.
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * allowed)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(sources: &Sources, file: FileId, needle: &str) -> Span {
        let start = sources.text(file).find(needle).unwrap();
        Span {
            file,
            start: u32::try_from(start).unwrap(),
            len: u32::try_from(needle.len()).unwrap(),
        }
    }

    fn example() -> Diagnostics {
        let mut sources = Sources::default();
        let a = sources.add("m/a.yaml", "kind: A\nspec:\n  one: 1\n  on: 2\n");
        let b = sources.add("m/b.yaml", "name: x\n");
        let second = Diagnostic::at(span(&sources, b, "name"), "second");
        let first = Diagnostic::at(span(&sources, a, "on: 2"), "unknown field `on`")
            .label("not a field")
            .help("did you mean `one`?")
            .related(span(&sources, a, "one"), "like this")
            .related(span(&sources, b, "x"), "and this");
        let none = Diagnostic::anywhere("no such variable `y`");
        Diagnostics::new(Arc::new(sources), vec![second.clone(), first, none, second])
    }

    #[test]
    fn diagnostics_show_place_line_marks_and_fix_in_order() {
        insta::assert_snapshot!(example().render(false), @r"
        error: no such variable `y`

        error: unknown field `on`
         --> m/a.yaml:4:3
          |
        3 |   one: 1
          |   --- like this
        4 |   on: 2
          |   ^^^^^ not a field
          |
         ::: m/b.yaml:1:7
          |
        1 | name: x
          |       - and this
          |
          = help: did you mean `one`?

        error: second
         --> m/b.yaml:1:1
          |
        1 | name: x
          | ^^^^
        ");
    }

    #[test]
    fn colour_only_adds_escapes() {
        let colored = example().render(true);
        assert!(colored.contains("\u{1b}["));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), example().render(false));
    }

    #[test]
    fn the_json_form_has_places() {
        let json = serde_json::to_value(example()).unwrap();
        assert_eq!(json[0]["place"], Json::Null);
        assert_eq!(
            json[1]["place"],
            json!({"file": "m/a.yaml", "line": 4, "column": 3, "length": 5})
        );
        assert_eq!(json[1]["related"][1]["place"]["file"], "m/b.yaml");
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["roleName", "trustPolicy", "tags"];
        assert_eq!(nearest("rolename", known), Some("roleName"));
        assert_eq!(nearest("trustPolcy", known), Some("trustPolicy"));
        assert_eq!(nearest("tgs", known), Some("tags"));
        assert_eq!(nearest("managedPolicies", known), None);
    }
}
