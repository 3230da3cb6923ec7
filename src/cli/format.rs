//! The option `--format` of commands that show a plan, and where its files go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, ensure};

use super::{print, tell};
use crate::report::format::{Format, Rendering};
use crate::report::{outputs, plan};

/// The forms that a plan is shown in.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct FormatOptions {
    /// Show the plan in this form; with =FILE, write it there. May be repeated
    ///
    /// text is what a terminal shows, with the lines that tfcmt and Atlantis
    /// look for;
    /// markdown is for a comment in a pull request; json is the plan as it is
    /// saved, with its hash (--json says the same); tfplan is Terraform's plan
    /// JSON, for Checkov, OPA and other tools; tfplan-delta is the same with
    /// only what this plan changes, for findings of this change alone; html is
    /// one page that needs nothing else; gitlab holds the three counts of the
    /// merge request widget.
    ///
    /// One form may go to standard output, in the place of the text; the others
    /// go to files: --format markdown=plan.md --format html=plan.html. A file
    /// is written whole or not at all, for this user only; its directory must
    /// exist.
    #[arg(long = "format", value_name = "FORMAT[=FILE]")]
    formats: Vec<Request>,
}

/// One form, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    format: Format,
    /// `None`: to standard output.
    file: Option<PathBuf>,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = match text.split_once('=') {
            None => (text, None),
            Some((_, "")) => return Err("the name of the file is missing after `=`".to_owned()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
        };
        Ok(Self { format: format.parse()?, file })
    }
}

impl FormatOptions {
    /// Whether any form was asked for.
    pub(crate) fn is_given(&self) -> bool {
        !self.formats.is_empty()
    }

    /// The form that goes to standard output; `None`: the text for people, and
    /// what comes next. `taken`: a file that something else is written to.
    ///
    /// # Errors
    /// When two forms would go to the same place, or a place can't be written
    /// to: said before anything is read.
    pub(crate) fn check(&self, json: bool, taken: Option<&Path>) -> anyhow::Result<Option<Format>> {
        let json = json.then_some(Format::Json);
        let to_stdout = self.formats.iter().filter(|one| one.file.is_none()).map(|one| one.format);
        let to_stdout: BTreeSet<Format> = json.into_iter().chain(to_stdout).collect();
        let names: Vec<_> = to_stdout.iter().map(|format| format.name()).collect();
        ensure!(
            names.len() < 2,
            "only one form can go to standard output, and these would: {}; give all but one a \
             file: --format {}=FILE",
            names.join(", "),
            names.last().copied().unwrap_or_default()
        );
        let mut places: BTreeSet<&Path> = taken.into_iter().collect();
        for Request { format, file } in &self.formats {
            let Some(file) = file else { continue };
            ensure!(
                places.insert(file),
                "two things would be written to {}: give each a file of its own",
                file.display()
            );
            let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            ensure!(
                parent.is_none_or(Path::is_dir),
                "can't write {format} to {}: there is no directory {}; make it first",
                file.display(),
                parent.unwrap_or(Path::new(".")).display()
            );
            ensure!(
                !file.is_dir(),
                "can't write {format} to {}: it is a directory; name a file in it",
                file.display()
            );
        }
        Ok(to_stdout.first().copied())
    }

    /// Every form that was asked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = Format> {
        self.formats.iter().map(|one| one.format)
    }

    /// Prints one form and writes the others into their files.
    ///
    /// # Errors
    /// When a file can't be written.
    pub(crate) fn write(
        &self,
        rendering: &Rendering<'_>,
        shown: Option<Format>,
    ) -> anyhow::Result<()> {
        match shown {
            Some(format) => print(&format.render(rendering)?),
            None => show(rendering),
        }
        self.write_files(|format| Ok(format.render(rendering)?))
    }

    /// Writes the files alone, of whatever can be rendered.
    ///
    /// # Errors
    /// When a file can't be written, and what rendering says.
    pub(crate) fn write_files(
        &self,
        render: impl Fn(Format) -> anyhow::Result<String>,
    ) -> anyhow::Result<()> {
        for Request { format, file } in &self.formats {
            let Some(file) = file else { continue };
            // A file is read by whoever opens it: no styles.
            let text = anstream::adapter::strip_str(&render(*format)?).to_string();
            crate::store::write_private(file, text.as_bytes())
                .with_context(|| format!("can't write {format} to {}", file.display()))?;
            tell(&format!("Wrote {format}: {}", file.display()));
        }
        Ok(())
    }
}

/// Prints a plan for the person at the terminal.
pub(crate) fn show(rendering: &Rendering<'_>) {
    print(&plan::text(rendering.plan, rendering.show));
    print(&outputs::changed(&rendering.plan.outputs));
}
