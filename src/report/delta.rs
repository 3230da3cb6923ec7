//! Plan against plan, as text and as JSON.
//!
//! This module must not decide what stands in which bucket: `plan::delta` did.

use std::fmt::Write as _;

use super::plan::{in_one_spelling, write_field};
use super::{BOLD, CHANGED, DIM, count, outputs, short, style_of, styled, write_blockers};
use crate::adapter::Kind;
use crate::diff::FieldChange;
use crate::plan::delta::{Bucket, Entry, FieldDelta, Outcome, PlanDelta, Remark, Turn};
use crate::plan::{Action, Summary};
use crate::quote::{line, printable};
use crate::value::Value;

/// The delta for machines, with how many resources stand in each bucket.
///
/// # Errors
/// When the delta can't be written as JSON.
pub fn json(delta: &PlanDelta) -> serde_json::Result<serde_json::Value> {
    let mut json = serde_json::to_value(delta)?;
    if let Some(map) = json.as_object_mut() {
        let counts = Bucket::ALL.map(|bucket| (bucket.word(), delta.count(bucket)));
        map.insert("counts".into(), counts.into_iter().collect());
        map.insert("introduces".into(), delta.introduces().into());
    }
    Ok(json)
}

/// The delta for people.
pub fn text(delta: &PlanDelta) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Stack {}, account {}, region {}.\n",
        styled(BOLD, line(&delta.stack)),
        line(&delta.account),
        line(&delta.region)
    );
    for bucket in Bucket::ALL {
        let entries: Vec<_> = delta.of_bucket(bucket).collect();
        if entries.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}\n", styled(BOLD, heading(bucket)));
        for entry in entries {
            write_entry(&mut text, entry);
        }
    }
    let outputs = outputs::changed(&delta.outputs);
    if !outputs.is_empty() {
        let _ = writeln!(text, "{}\n", outputs.trim());
    }
    let _ = writeln!(text, "{}", styled(BOLD, headline(delta)));
    let _ = writeln!(text, "{}", counts(delta));
    let _ = writeln!(text, "Plan hash of BASE: {}", delta.base);
    let _ = writeln!(text, "Plan hash of HEAD: {}", delta.head);
    text
}

/// What stands in a bucket, as a heading.
pub(super) fn heading(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Introduced => "Introduced: only HEAD does this",
        Bucket::Resolved => "Resolved: pending on BASE, and HEAD does not do it any more",
        Bucket::Unknown => "Unknown: it can't be told",
        Bucket::Pending => "Pending: BASE does this already",
        Bucket::Drift => "Drift: changed outside of lkh, and both undo it",
    }
}

/// What the change of the manifests does, in a sentence.
pub(super) fn headline(delta: &PlanDelta) -> String {
    let unsure = if delta.is_unsure() { " as far as it can be told" } else { "" };
    if !delta.introduces() {
        return format!("Nothing is introduced{unsure}: HEAD does what BASE does.");
    }
    let what = introduced(&delta.summary());
    if what.is_empty() {
        format!("Introduced{unsure}: no action of its own.")
    } else {
        format!("Introduced{unsure}: {what}.")
    }
}

/// How many of each action, worst first.
fn introduced(summary: &Summary) -> String {
    let words = [
        (Action::Delete, "to destroy"),
        (Action::Replace, "to replace"),
        (Action::Update, "to change"),
        (Action::Repair, "to repair"),
        (Action::Create, "to add"),
        (Action::Adopt, "to adopt"),
        (Action::Forget, "to forget"),
        (Action::Check, "to check"),
        (Action::NoOp, "without an action"),
    ];
    let told = words.into_iter().filter_map(|(action, words)| {
        let number = summary.count(action);
        (number > 0).then(|| format!("{number} {words}"))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// How many resources stand in each bucket.
pub(super) fn counts(delta: &PlanDelta) -> String {
    let [introduced, rest @ ..] = Bucket::ALL;
    let first = count(delta.count(introduced), "resource");
    let rest = rest.map(|bucket| format!("{} {}", delta.count(bucket), bucket.word()));
    format!("{first} introduced, {}.", rest.join(", "))
}

/// What happens to a resource, as a sentence's end.
pub(super) fn phrase(entry: &Entry) -> String {
    let phrase = entry.action.phrase();
    match entry.bucket {
        Bucket::Resolved => phrase.replacen("will be", "would be", 1).replacen("must", "would", 1),
        Bucket::Introduced | Bucket::Unknown | Bucket::Pending | Bucket::Drift => phrase.to_owned(),
    }
}

fn write_entry(text: &mut String, entry: &Entry) {
    let style = style_of(entry.action);
    let address = styled(BOLD, &entry.address);
    let _ = writeln!(text, "  # {address} {}", styled(style, phrase(entry)));
    let reason = printable(&entry.reason.to_string()).replace('\n', "\n  #   ");
    let _ = writeln!(text, "  # because {reason}");
    let symbol = styled(style, entry.action.symbol());
    let _ = writeln!(text, "  {symbol} {}", line(&entry.identity.to_string()));
    for field in &entry.fields {
        write_field_delta(text, entry, field);
    }
    for remark in &entry.remarks {
        let told = printable(&sentence(remark)).replace('\n', "\n        ");
        let _ = writeln!(text, "      {} {told}", styled(CHANGED, "note:"));
    }
    write_blockers(text, "      ", &entry.blockers);
    text.push('\n');
}

fn write_field_delta(text: &mut String, entry: &Entry, field: &FieldDelta) {
    let path = line(&field.path.to_string());
    let kind = entry.address.kind;
    match field.turn {
        Turn::Same | Turn::Adds | Turn::UndoesDrift => {
            write_field(text, &shown(kind, field), entry.action);
        }
        Turn::Further => {
            write_field(text, &shown(kind, field), entry.action);
            let told = format!("          {}: BASE {}", field.turn.phrase(), becomes(&field.base));
            let _ = writeln!(text, "{}", styled(DIM, told));
        }
        Turn::Removes | Turn::KeepsDrift => {
            let stays = match &field.live {
                Some(value) => format!("stays {}", short(value)),
                None => "stays absent".to_owned(),
            };
            let told = format!("  ({}; BASE {})", field.turn.phrase(), becomes(&field.base));
            let _ = writeln!(text, "      . {path}: {stays}{}", styled(DIM, told));
        }
    }
}

/// A field as a plan of head shows it; documents in one spelling.
pub(super) fn shown(kind: Kind, field: &FieldDelta) -> FieldChange {
    let change = FieldChange {
        path: field.path.clone(),
        before: field.live.clone(),
        after: value(&field.head).cloned(),
        origin: field.origin,
        replace: field.replace,
    };
    in_one_spelling(kind, &change).unwrap_or(change)
}

fn value(outcome: &Outcome) -> Option<&Value> {
    match outcome {
        Outcome::Becomes(value) => Some(value),
        Outcome::Stays | Outcome::Goes => None,
    }
}

/// What a plan makes of a field, as a sentence's end.
pub(super) fn becomes(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Stays => "leaves it".to_owned(),
        Outcome::Becomes(value) => format!("makes it {}", short(value)),
        Outcome::Goes => "removes it".to_owned(),
    }
}

/// A remark in a sentence.
pub(super) fn sentence(remark: &Remark) -> String {
    match remark {
        Remark::Renamed { from } => format!("BASE calls it {from}; its object stays"),
        Remark::Instead { action } => format!("with BASE it {}", action.phrase()),
        Remark::OtherObject { base } => format!("with BASE it stands for {base}"),
        Remark::ProtectionLifted => {
            "BASE forbids to destroy it (lifecycle.preventDestroy), HEAD does not".to_owned()
        }
        Remark::ProtectionAdded => {
            "HEAD forbids to destroy it (lifecycle.preventDestroy), BASE does not".to_owned()
        }
        Remark::OtherCommands => "the same fields, by other commands than with BASE".to_owned(),
        Remark::OtherOrder => "the same, after other resources than with BASE".to_owned(),
        Remark::SeenDifferently { fields } if fields.is_empty() => {
            "live moved between the two plans: one found its object, the other did not; plan both \
             again"
                .to_owned()
        }
        Remark::SeenDifferently { fields } => {
            let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
            format!(
                "live moved between the two plans: they saw different values of {}; plan both again",
                fields.join(", ")
            )
        }
        Remark::NotPlanned { plan, reason } => {
            format!("{} can't be planned: {reason}", plan.to_uppercase())
        }
    }
}
