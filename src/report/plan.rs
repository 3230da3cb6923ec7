//! A plan as text.

use std::fmt::Write as _;

use super::difference::{self, Mark};
use super::{
    BAD, BOLD, CHANGED, DIM, GOOD, count, is_document, pretty, short, style_of, styled,
    write_blockers,
};
use crate::access::AccessDelta;
use crate::adapter::{Kind, Rule};
use crate::diff::policy::aligned;
use crate::diff::{FieldChange, Origin};
use crate::plan::{Action, Change, Mode, Plan, PlannedCommand};
use crate::quote::{line, printable};

/// The plan for machines: as it is saved, with the hash that is approved and
/// what it changes about access.
///
/// # Errors
/// When the plan can't be written as JSON.
pub fn json(plan: &Plan) -> serde_json::Result<serde_json::Value> {
    let mut json = serde_json::to_value(plan)?;
    if let Some(map) = json.as_object_mut() {
        map.insert("meaning".into(), plan.meaning().as_str().into());
        map.insert("access".into(), serde_json::to_value(AccessDelta::of(plan))?);
        if !plan.outputs.is_empty() {
            map.insert("outputs".into(), super::outputs::json(&plan.outputs));
        }
    }
    Ok(json)
}

/// What of a plan is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Show {
    /// The exact commands, in order.
    pub commands: bool,
    /// Resources that nothing happens to.
    pub unchanged: bool,
}

/// The plan for people.
pub fn text(plan: &Plan, show: Show) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Stack {}, account {}, region {}.\n",
        styled(BOLD, &plan.stack),
        line(&plan.account),
        line(&plan.region)
    );
    let mut phase = None;
    for change in &plan.changes {
        let asked = change.action == Action::Check && !plan.has_changes();
        let quiet = (change.action == Action::NoOp || asked)
            && change.blockers.is_empty()
            && change.foreign.is_empty()
            && change.notes.is_empty();
        if quiet && !show.unchanged {
            continue;
        }
        if phase != Some(&change.phase) {
            phase = Some(&change.phase);
            if let Some(name) = &change.phase {
                let _ = writeln!(text, "{}\n", styled(BOLD, format!("phase {name}")));
            }
        }
        write_change(&mut text, change, show);
    }
    super::access::write(&mut text, &AccessDelta::of(plan));
    write_end(&mut text, plan);
    text
}

fn write_change(text: &mut String, change: &Change, show: Show) {
    let style = style_of(change.action);
    let address = styled(BOLD, &change.address);
    let _ = writeln!(text, "  # {address} {}", styled(style, change.action.phrase()));
    let reason = printable(&change.reason.to_string()).replace('\n', "\n  #   ");
    let _ = writeln!(text, "  # because {reason}");
    let symbol = styled(style, change.action.symbol());
    let mut identity = change.identity.to_string();
    if change.action == Action::Unknown {
        // No apply will tell.
        identity = identity.replace("(known after apply)", "(not known)");
    }
    let _ = writeln!(text, "  {symbol} {}", line(&identity));
    for field in &change.fields {
        match spelled_alike(change, field) {
            Some(alike) => write_field(text, &alike, change.action),
            None => write_field(text, field, change.action),
        }
    }
    for foreign in &change.foreign {
        let value = foreign.value.as_ref().map(|value| format!(" = {}", short(value)));
        let told = format!(
            "      . {}{}  (not declared: left alone)",
            line(&foreign.path.to_string()),
            value.unwrap_or_default()
        );
        let _ = writeln!(text, "{}", styled(DIM, told));
    }
    for note in &change.notes {
        let _ = writeln!(text, "      note: {}", printable(note).replace('\n', "\n        "));
    }
    write_blockers(text, "      ", &change.blockers);
    if show.commands {
        for command in &change.commands {
            write_command(text, command);
        }
    }
    text.push('\n');
}

/// A field that holds a policy document, with both sides in one spelling: what
/// only differs in order or case is no news. `None`: it is shown as it is.
pub(super) fn spelled_alike(change: &Change, field: &FieldChange) -> Option<FieldChange> {
    in_one_spelling(change.address.kind, field)
}

/// The same, of a resource of this kind.
pub(super) fn in_one_spelling(kind: Kind, field: &FieldChange) -> Option<FieldChange> {
    let (Some(before), Some(after)) = (&field.before, &field.after) else { return None };
    let name = field.path.segments().first()?;
    let attributes = kind.adapter().attributes();
    let rule = attributes.iter().find(|attribute| attribute.name == name)?.rule;
    if !matches!(rule, Rule::PolicyDocument | Rule::PolicyDocuments) {
        return None;
    }
    let (before, after) = aligned(before, after);
    Some(FieldChange { before: Some(before), after: Some(after), ..field.clone() })
}

pub(super) fn write_field(text: &mut String, field: &FieldChange, action: Action) {
    let path = line(&field.path.to_string());
    let origin = origin(field, action);
    let (symbol, style) = match (&field.before, &field.after) {
        (None, _) => ("+", GOOD),
        (_, None) => ("-", BAD),
        (Some(_), Some(_)) => ("~", CHANGED),
    };
    let head = format!("      {} {path}", styled(style, symbol));
    match (&field.before, &field.after) {
        (Some(before), Some(after)) if is_document(before) || is_document(after) => {
            let _ = writeln!(text, "{head}:{origin}");
            let (before, after) = (pretty(before), pretty(after));
            for (mark, line) in difference::lines(&before, &after) {
                let (mark, style) = match mark {
                    Mark::Gone => ("-", BAD),
                    Mark::New => ("+", GOOD),
                    Mark::Same => (" ", DIM),
                    Mark::Skipped => {
                        text.push_str("          ...\n");
                        continue;
                    }
                };
                let _ = writeln!(text, "          {}", styled(style, format!("{mark} {line}")));
            }
        }
        (Some(before), Some(after)) => {
            let _ = writeln!(text, "{head}: {} -> {}{origin}", short(before), short(after));
        }
        (None, Some(value)) | (Some(value), None) => {
            // The member of a set is its own path.
            let member = field.path.segments().last().map(String::as_str) == value.as_str()
                && field.path.segments().len() > 1;
            if member {
                let _ = writeln!(text, "{head}{origin}");
            } else if is_document(value) {
                let document = pretty(value).replace('\n', "\n        ");
                let _ = writeln!(text, "{head} = {document}{origin}");
            } else {
                let _ = writeln!(text, "{head} = {}{origin}", short(value));
            }
        }
        (None, None) => {
            let _ = writeln!(text, "{head}{origin}");
        }
    }
}

/// Where a difference comes from, where that says anything: everything about
/// an object that is made is a change.
fn origin(field: &FieldChange, action: Action) -> String {
    let replaces = if field.replace { "; can't be changed in place" } else { "" };
    match (action, field.origin) {
        (Action::Create, Origin::Change) => String::new(),
        (Action::Replace, Origin::Change) if !field.replace => String::new(),
        (_, origin) => styled(DIM, format!("  ({}{replaces})", origin.word())),
    }
}

fn write_command(text: &mut String, command: &PlannedCommand) {
    let argv = shell(&command.argv);
    let _ =
        writeln!(text, "      $ {argv}  {}", styled(DIM, format!("# {}", line(&command.title))));
    if let Some(input) = &command.input {
        for line in pretty(input).lines() {
            let _ = writeln!(text, "{}", styled(DIM, format!("        < {line}")));
        }
    }
}

/// An argv as a person would type it.
pub(super) fn shell(argv: &[String]) -> String {
    let mut words = argv.iter();
    let program = words.next().cloned().unwrap_or_default();
    let quoted = words.map(|word| {
        let plain = !word.is_empty()
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c));
        if plain { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    line(&std::iter::once(program).chain(quoted).collect::<Vec<_>>().join(" "))
}

fn write_end(text: &mut String, plan: &Plan) {
    let summary = plan.summary();
    let unchanged = summary.count(Action::NoOp) + summary.count(Action::Check);
    let drifted = plan.drifted().count();
    if drifted > 0 {
        let _ = writeln!(
            text,
            "Drift: {} changed outside of lkh since the last apply; this plan undoes it.",
            count(drifted, "resource")
        );
    }
    let blocked = plan.blocked().count();
    if blocked > 0 {
        let _ = writeln!(
            text,
            "{}",
            styled(BAD, format!("{} blocked or not ready: see above.", count(blocked, "resource")))
        );
    }
    if plan.has_changes() {
        let _ = writeln!(text, "{}", styled(BOLD, plan.summary()));
        let _ = writeln!(text, "{} as declared.", count(unchanged, "resource"));
        let _ = writeln!(text, "Plan hash: {}", plan.meaning());
    } else if blocked == 0 {
        let what = match plan.mode {
            Mode::Apply => "No changes. Everything is as declared",
            Mode::Destroy => "No changes. Nothing is left to destroy",
        };
        let _ = writeln!(
            text,
            "{} ({} read).",
            styled(GOOD, what),
            count(plan.changes.len(), "resource")
        );
    } else {
        let _ = writeln!(text, "No changes can be made.");
    }
}
