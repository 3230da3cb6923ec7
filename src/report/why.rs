//! Why a resource changes, or why it does not: each field with the line that
//! sets it, what is live, what was applied last, and the rule that compared
//! them.
//!
//! Pure: from the stack and what the engine looked at.

use std::fmt::Write as _;

use serde::Serialize;

use super::{BOLD, DIM, is_document, pretty, short, style_of, styled, write_blockers};
use crate::access::{AccessDelta, Verdict};
use crate::adapter::{Blocker, Live, Rule};
use crate::address::Address;
use crate::diff::{Foreign, Origin};
use crate::engine::look::{ByHand, LastRun, Look};
use crate::manifest::stack::Stack;
use crate::manifest::written::{Place, Written};
use crate::plan::{Action, Change};
use crate::quote::{line, printable};
use crate::state::{Evidence, Status};
use crate::value::{Map, Path, Value};

/// How many characters of a value are shown on a line.
const MOST: usize = 160;
/// How many lines of a document are shown.
const MOST_LINES: usize = 40;

/// One resource explained.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    address: Address,
    action: Action,
    because: String,
    identity: String,
    declared: Option<Place>,
    fields: Vec<Differs>,
    equal: Vec<Equal>,
    foreign: Vec<Foreign>,
    /// Paths whose differences don't count.
    ignored: Vec<Path>,
    notes: Vec<String>,
    blockers: Vec<Blocker>,
    /// What it depends on and is changed before.
    waits_for: Vec<(Address, Action)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Verdict>,
    applied: Option<Applied>,
    run: Option<LastRun>,
    by_hand: Vec<ByHand>,
}

/// A field that differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Differs {
    path: Path,
    /// What the manifests ask for; nothing: it goes.
    desired: Option<Value>,
    /// What is there; nothing: it is not there.
    live: Option<Value>,
    /// What was applied last; nothing: it was not, or nobody remembers.
    applied: Option<Value>,
    origin: Origin,
    replace: bool,
    /// How the two are compared.
    rule: &'static str,
    manifest: Option<Written>,
}

/// An attribute that is as declared.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Equal {
    attribute: &'static str,
    desired: Value,
    live: Option<Value>,
    /// Whether both are written the same.
    verbatim: bool,
    rule: &'static str,
    manifest: Option<Written>,
}

/// What the state remembers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    status: Status,
    evidence: Vec<Evidence>,
}

/// Explains one resource; `None`: the plan does not hold it.
pub fn explain(stack: &Stack, address: &Address, look: &Look) -> Option<Explained> {
    let change = look.plan.change(address)?;
    let attributes = address.kind.adapter().attributes();
    let prior = look.record.as_ref().map(|record| &record.applied.attributes);
    let live = match &look.live {
        Some(Live::Present(object)) => Some(&object.attributes),
        Some(Live::Absent) | None => None,
    };
    let rule_of = |name: &str| attributes.iter().find(|one| one.name == name).map(|one| one.rule);
    let differs = |field: &crate::diff::FieldChange| {
        let name = field.path.segments().first().map_or("", String::as_str);
        Differs {
            path: field.path.clone(),
            desired: field.after.clone(),
            live: field.before.clone(),
            applied: prior.and_then(|prior| at(prior, &field.path)),
            origin: field.origin,
            replace: field.replace,
            rule: rule_of(name).map_or("", Rule::description),
            manifest: stack.written(address, &field.path),
        }
    };
    let changed = |name: &str| {
        change.fields.iter().any(|one| one.path.segments().first().is_some_and(|at| at == name))
    };
    let wanted = look.desired.as_ref().map(|desired| &desired.attributes);
    // What does not exist is equal to nothing.
    let compared = live.is_some() || look.live.is_none();
    let equal = attributes.iter().filter(|one| compared && !changed(one.name)).filter_map(|one| {
        let desired = wanted?.get(one.name).filter(|value| !value.is_null())?;
        let live = live.and_then(|live| live.get(one.name));
        Some(Equal {
            attribute: one.name,
            desired: desired.clone(),
            live: live.cloned(),
            verbatim: live == Some(desired),
            rule: one.rule.description(),
            manifest: stack.written(address, &Path::new(one.name)),
        })
    });
    let waits_for = look
        .plan
        .changes
        .iter()
        .filter(|one| change.depends_on.contains(&one.address) && one.action.is_change());
    let resource = stack.resource(address);
    let verdict = AccessDelta::of(&look.plan).verdict(address);
    Some(Explained {
        address: address.clone(),
        action: change.action,
        because: change.reason.to_string(),
        identity: identity(change),
        declared: resource.map(|resource| {
            let (file, line) = stack.place(resource);
            Place { file: file.to_owned(), line }
        }),
        fields: change.fields.iter().map(differs).collect(),
        equal: equal.collect(),
        foreign: change.foreign.clone(),
        ignored: resource.map(|one| one.lifecycle.ignore_changes.clone()).unwrap_or_default(),
        notes: change.notes.clone(),
        blockers: change.blockers.clone(),
        waits_for: waits_for.map(|one| (one.address.clone(), one.action)).collect(),
        access: (verdict != Verdict::Unchanged).then_some(verdict),
        applied: look
            .record
            .as_ref()
            .map(|record| Applied { status: record.status, evidence: record.evidence.clone() }),
        run: look.run.clone(),
        by_hand: look.by_hand.clone(),
    })
}

fn identity(change: &Change) -> String {
    let identity = change.identity.to_string();
    match change.action {
        // No apply will tell.
        Action::Unknown => identity.replace("(known after apply)", "(not known)"),
        _ => identity,
    }
}

/// The value at a path; the member of a set is its last segment.
fn at(map: &Map, path: &Path) -> Option<Value> {
    let (first, rest) = path.segments().split_first()?;
    let mut value = map.get(first)?;
    for segment in rest {
        value = match value {
            Value::List(members) => {
                members.iter().find(|one| one.as_str() == Some(segment.as_str()))?
            }
            other => other.get(segment)?,
        };
    }
    Some(value.clone())
}

impl Explained {
    /// The explanation for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let phrase = styled(style_of(self.action), self.action.phrase());
        let _ = writeln!(text, "{} {phrase}", styled(BOLD, &self.address));
        let because = printable(&self.because).replace('\n', "\n    ");
        let _ = writeln!(text, "  because {because}");
        let _ = writeln!(text, "  {}", line(&self.identity));
        match &self.declared {
            Some(place) => {
                let _ = writeln!(text, "  declared at {}", of(place));
            }
            None => text.push_str("  no manifest declares it\n"),
        }
        if let Some(verdict) = self.access {
            let _ = writeln!(text, "  access is {}", verdict.word());
        }
        for (address, action) in &self.waits_for {
            let _ = writeln!(text, "  after {address}, which {}", action.phrase());
        }
        self.write_fields(&mut text);
        self.write_equal(&mut text);
        self.write_foreign(&mut text);
        for note in &self.notes {
            let _ = writeln!(text, "\nnote: {}", printable(note).replace('\n', "\n  "));
        }
        if !self.blockers.is_empty() {
            text.push('\n');
            write_blockers(&mut text, "  ", &self.blockers);
        }
        self.write_applied(&mut text);
        text
    }

    fn write_fields(&self, text: &mut String) {
        if self.fields.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n{}", styled(BOLD, "What differs"));
        for field in &self.fields {
            let replaces = if field.replace { "; can't be changed in place" } else { "" };
            let origin = styled(DIM, format!("({}{replaces})", field.origin.word()));
            let _ = writeln!(text, "  {} {origin}", styled(BOLD, line(&field.path.to_string())));
            if let Some(manifest) = &field.manifest {
                write_place(text, manifest);
            }
            let none = |what: &str| styled(DIM, what);
            let shown = |value: &Option<Value>, what: &str| {
                value.as_ref().map_or_else(|| none(what), clipped)
            };
            let desired = shown(&field.desired, "(nothing: it goes)");
            let _ = writeln!(text, "      declared  {desired}");
            let _ = writeln!(text, "      live      {}", shown(&field.live, "(nothing)"));
            let applied = shown(&field.applied, "(nothing that the state remembers)");
            let _ = writeln!(text, "      applied   {applied}");
            if !field.rule.is_empty() {
                let _ = writeln!(text, "      compared  {}", field.rule);
            }
        }
    }

    fn write_equal(&self, text: &mut String) {
        if self.equal.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n{}", styled(BOLD, "What is as declared"));
        for one in &self.equal {
            let place = one.manifest.as_ref().filter(|written| written.exact);
            let place = place.map(|written| format!("  {}", of(&written.place)));
            let place = styled(DIM, place.unwrap_or_default());
            let _ = writeln!(text, "  {}{place}", styled(BOLD, one.attribute));
            if one.verbatim {
                let _ =
                    writeln!(text, "      live and declared the same: {}", clipped(&one.desired));
            } else {
                let live = one.live.as_ref().map_or_else(|| "(nothing)".to_owned(), clipped);
                let _ = writeln!(text, "      declared  {}", clipped(&one.desired));
                let _ = writeln!(text, "      live      {live}");
                let _ = writeln!(text, "      equal by  {}", one.rule);
            }
        }
    }

    fn write_foreign(&self, text: &mut String) {
        if !self.foreign.is_empty() || !self.ignored.is_empty() {
            let _ = writeln!(text, "\n{}", styled(BOLD, "What is left alone"));
        }
        for foreign in &self.foreign {
            let value = foreign.value.as_ref().map(|value| format!(" = {}", clipped(value)));
            let _ = writeln!(
                text,
                "  {}{}  {}",
                line(&foreign.path.to_string()),
                value.unwrap_or_default(),
                styled(DIM, "(not declared)")
            );
        }
        for path in &self.ignored {
            let why = styled(DIM, "(lifecycle.ignoreChanges)");
            let _ = writeln!(text, "  {}  {why}", line(&path.to_string()));
        }
    }

    fn write_applied(&self, text: &mut String) {
        let _ = writeln!(text, "\n{}", styled(BOLD, "What was applied last"));
        match &self.applied {
            None => text.push_str("  the state does not know it\n"),
            Some(applied) => {
                let _ = writeln!(text, "  the state says: {}", applied.status.word());
                for evidence in &applied.evidence {
                    let _ = writeln!(
                        text,
                        "  {}: `{}` at {} answered {}",
                        line(&evidence.claim),
                        line(&evidence.command),
                        evidence.at,
                        evidence.digest
                    );
                }
            }
        }
        match &self.run {
            None => text.push_str("  the apply log tells of no run that touched it\n"),
            Some(run) => {
                let did = run.action.as_deref().map(|action| format!(": {}", line(action)));
                let ended = run.status.as_deref().map_or_else(
                    || ", and nobody saw the end".to_owned(),
                    |status| format!(", and it was {} then", line(status)),
                );
                let _ = writeln!(
                    text,
                    "  run {} touched it last, at {}{}{ended}",
                    line(&run.run),
                    run.at,
                    did.unwrap_or_default()
                );
                for (title, ended) in &run.commands {
                    let _ = writeln!(text, "      {}: {}", line(title), line(ended));
                }
            }
        }
        for one in &self.by_hand {
            let _ = writeln!(text, "  {} {} at {}", line(&one.by), line(&one.what), one.at);
        }
    }
}

/// Where a value was written, and through what it came.
fn write_place(text: &mut String, written: &Written) {
    let near = if written.exact { "" } else { "follows from " };
    let source = written.text.as_deref().map(|source| format!("  `{}`", line(&clip(source))));
    let _ = writeln!(
        text,
        "      {near}{}{}",
        of(&written.place),
        styled(DIM, source.unwrap_or_default())
    );
    for one in &written.variables {
        let mut places = Vec::new();
        if let Some(place) = &one.declared {
            let default = if one.is_default { ", and this is its default" } else { "" };
            places.push(format!("declared at {}{default}", of(place)));
        }
        match &one.given {
            Some(place) => places.push(format!("given at {}", of(place))),
            None if !one.is_default => {
                places.push("given on the command line or by the environment".to_owned());
            }
            None => {}
        }
        let (name, value) = (line(&one.name), clipped(&one.value));
        let _ = writeln!(text, "      ${{var.{name}}} = {value}, {}", places.join("; "));
    }
    for reference in &written.references {
        let _ = writeln!(text, "      ${{{}}}", line(reference.trim_matches(['$', '{', '}'])));
    }
}

fn of(place: &Place) -> String {
    format!("{}:{}", line(&place.file), place.line)
}

fn clip(text: &str) -> String {
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}

/// A value on a line, or a document on some.
fn clipped(value: &Value) -> String {
    if !is_document(value) {
        return clip(&short(value));
    }
    let whole = pretty(value);
    let mut lines: Vec<&str> = whole.lines().take(MOST_LINES).collect();
    if whole.lines().count() > MOST_LINES {
        lines.push("...");
    }
    lines.join("\n                ")
}
