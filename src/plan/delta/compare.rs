//! One resource in both plans: what of it stands in which bucket.
//!
//! This module must not look at other resources, save for why an object is made
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::pair::Pair;
use super::{Bucket, Entry, FieldDelta, Outcome, Remark, Turn};
use crate::adapter::Rule;
use crate::diff::{FieldChange, Origin};
use crate::plan::{Action, Change, Plan, Reason};
use crate::value::{Path, Value};

/// What is to be told of a resource.
pub(super) fn compare(base: &Plan, head: &Plan, pair: &Pair<'_>) -> Vec<Entry> {
    match (pair.base, pair.head) {
        (Some(before), Some(after)) => {
            let told = unsure(before, after);
            if told.is_empty() {
                both(base, head, before, after, pair.renamed)
            } else {
                vec![Entry { remarks: told, ..entry(Bucket::Unknown, after) }]
            }
        }
        (None, Some(after)) => only_head(after),
        (Some(before), None) => only_base(before),
        (None, None) => Vec::new(),
    }
}

/// A change in a bucket, without anything of it.
fn entry(bucket: Bucket, change: &Change) -> Entry {
    Entry {
        bucket,
        address: change.address.clone(),
        phase: change.phase.clone(),
        identity: change.identity.clone(),
        action: change.action,
        reason: change.reason.clone(),
        fields: Vec::new(),
        remarks: Vec::new(),
        blockers: Vec::new(),
    }
}

fn not_planned(plan: &'static str, change: &Change) -> Option<Remark> {
    let reason = change.reason.clone();
    (change.action == Action::Unknown).then_some(Remark::NotPlanned { plan, reason })
}

fn only_head(after: &Change) -> Vec<Entry> {
    if let Some(remark) = not_planned("head", after) {
        return vec![Entry { remarks: vec![remark], ..entry(Bucket::Unknown, after) }];
    }
    let told = after.action.is_change() || after.action == Action::Check;
    if !told && after.blockers.is_empty() {
        return Vec::new();
    }
    let fields = after.fields.iter().map(added).collect();
    let blockers = after.blockers.clone();
    vec![Entry { fields, blockers, ..entry(Bucket::Introduced, after) }]
}

fn only_base(before: &Change) -> Vec<Entry> {
    if let Some(remark) = not_planned("base", before) {
        return vec![Entry { remarks: vec![remark], ..entry(Bucket::Unknown, before) }];
    }
    let told = before.action.is_change() || before.action == Action::Check;
    if !told {
        return Vec::new();
    }
    let fields = before.fields.iter().map(|field| left(field, Turn::Removes)).collect();
    vec![Entry { fields, ..entry(Bucket::Resolved, before) }]
}

/// Why nothing can be told of a resource; empty: it can.
fn unsure(before: &Change, after: &Change) -> Vec<Remark> {
    let mut told: Vec<_> =
        not_planned("base", before).into_iter().chain(not_planned("head", after)).collect();
    if told.is_empty()
        && let Some(fields) = seen_differently(before, after)
    {
        told.push(Remark::SeenDifferently { fields });
    }
    told
}

/// The fields that two plans saw differently; none: whether the object exists.
/// `None`: as far as they tell they saw the same.
fn seen_differently(before: &Change, after: &Change) -> Option<Vec<Path>> {
    if !before.identity.is_same(&after.identity) {
        return None;
    }
    if let (Some(one), Some(other)) = (exists(before), exists(after))
        && one != other
    {
        return Some(Vec::new());
    }
    let mut moved: BTreeSet<Path> = BTreeSet::new();
    for (one, other) in [(before, after), (after, before)] {
        let known: BTreeMap<&Path, &FieldChange> =
            other.fields.iter().map(|field| (&field.path, field)).collect();
        let differs = |field: &&FieldChange| match known.get(&field.path) {
            Some(same_field) => !same(&field.before, &same_field.before),
            None => contradicts(other, field),
        };
        moved.extend(one.fields.iter().filter(differs).map(|field| field.path.clone()));
    }
    (!moved.is_empty()).then(|| moved.into_iter().collect())
}

/// Whether an object, as a change that leaves this field alone saw it, shows
/// that the field was another one then. What it does not show proves nothing:
/// of trees a plan holds only what its manifests are about.
fn contradicts(change: &Change, field: &FieldChange) -> bool {
    let Some((name, inner)) = field.path.segments().split_first() else { return false };
    let Some(whole) = change.object_before().and_then(|object| object.get(name)) else {
        return false;
    };
    let attributes = change.address.kind.adapter().attributes();
    let Some(attribute) = attributes.iter().find(|attribute| attribute.name == name) else {
        return false;
    };
    let at = inner.iter().try_fold(whole, |value, key| value.as_map()?.get(key));
    let part = |value: &Value| !matches!(value, Value::Map(_) | Value::List(_));
    match (attribute.rule, whole) {
        (Rule::Set, Value::List(members)) => match inner {
            [member] => {
                let is_there = members.iter().any(|one| one.as_str() == Some(member));
                is_there != field.before.is_some()
            }
            _ => false,
        },
        (Rule::Remembered | Rule::Set, _) => false,
        (Rule::Tree | Rule::KubernetesObjects, _) => {
            at.filter(|value| part(value)).is_some_and(|value| !is_at(value, field))
        }
        (
            Rule::Exact
            | Rule::PolicyDocument
            | Rule::PolicyDocuments
            | Rule::Entries
            | Rule::NestedEntries,
            _,
        ) => match at {
            Some(value) => !is_at(value, field),
            None => field.before.is_some(),
        },
    }
}

/// Whether a field is live what was seen.
fn is_at(seen: &Value, field: &FieldChange) -> bool {
    field.before.as_ref().is_some_and(|before| same(before, seen))
}

/// Whether the object of a change was there; `None`: the plan does not tell.
fn exists(change: &Change) -> Option<bool> {
    match (change.action, &change.reason) {
        (_, Reason::Absent | Reason::RemovedOutside | Reason::Gone | Reason::GoneWith { .. }) => {
            Some(false)
        }
        // What was there under the old name is not what is asked for.
        (Action::Replace, Reason::IdentityChanged { .. }) => None,
        (Action::Adopt | Action::Update | Action::Repair | Action::Delete | Action::Replace, _)
        | (Action::NoOp, Reason::AsDeclared | Reason::External) => Some(true),
        _ => None,
    }
}

/// Whether two parts of plans are the same in a file, which holds no secret.
pub(super) fn same<T: Serialize + PartialEq>(one: &T, other: &T) -> bool {
    one == other
        || match (serde_json::to_value(one), serde_json::to_value(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

/// Whether an action leaves an object with the fields that are declared.
fn shapes(action: Action) -> bool {
    match action {
        Action::Create | Action::Adopt | Action::Update | Action::Replace | Action::Repair => true,
        Action::NoOp | Action::Delete | Action::Forget | Action::Check | Action::Unknown => false,
    }
}

fn both(base: &Plan, head: &Plan, before: &Change, after: &Change, renamed: bool) -> Vec<Entry> {
    let (acted, acts) = (before.action.is_change(), after.action.is_change());
    let drifted = base.is_drift_as_a_whole(before) || head.is_drift_as_a_whole(after);
    let mut introduced = entry(Bucket::Introduced, after);
    let mut resolved = entry(Bucket::Resolved, before);
    let mut pending = entry(Bucket::Pending, before);
    let mut drift = entry(Bucket::Drift, before);
    for entry in [&mut resolved, &mut pending, &mut drift] {
        // As head calls it: there it can be found.
        entry.address.clone_from(&after.address);
        entry.phase.clone_from(&after.phase);
    }
    // What base would have made of an object that head removes is no news of
    // its own, and neither are the fields of one that is made again anyway.
    if shapes(after.action) || !acts {
        for field in fields(before, after, drifted) {
            match field.turn {
                Turn::Same if drifted || is_drift(field.origin) => drift.fields.push(field),
                Turn::Same => pending.fields.push(field),
                Turn::Removes if !acts => resolved.fields.push(field),
                Turn::Adds
                | Turn::Further
                | Turn::Removes
                | Turn::UndoesDrift
                | Turn::KeepsDrift => introduced.fields.push(field),
            }
        }
    }
    let other_object = !before.identity.is_same(&after.identity);
    let remarks = &mut introduced.remarks;
    if renamed {
        remarks.push(Remark::Renamed { from: before.address.clone() });
    } else if other_object && (acted || acts) {
        remarks.push(Remark::OtherObject { base: before.identity.clone() });
    }
    // Under another address an object is adopted, whatever else is done to it.
    let adopted = renamed && after.action == Action::Adopt && before.action != Action::Delete;
    if acted && acts && before.action != after.action && !adopted {
        remarks.push(Remark::Instead { action: before.action });
    }
    match (before.prevent_destroy, after.prevent_destroy) {
        (true, false) => remarks.push(Remark::ProtectionLifted),
        (false, true) => remarks.push(Remark::ProtectionAdded),
        (true, true) | (false, false) => {}
    }
    let alike = acted && acts && before.action == after.action && remarks.is_empty();
    if alike && introduced.fields.is_empty() {
        if !same(&effects(before), &effects(after)) {
            introduced.remarks.push(Remark::OtherCommands);
        } else if before.depends_on != after.depends_on {
            introduced.remarks.push(Remark::OtherOrder);
        }
    }
    let blockers = after.blockers.iter().filter(|one| !before.blockers.contains(one));
    introduced.blockers = blockers.cloned().collect();
    // What both do as a whole, without a field that would say so.
    let whole = match after.action {
        Action::Create
        | Action::Adopt
        | Action::Replace
        | Action::Repair
        | Action::Delete
        | Action::Forget => before.action == after.action && !other_object,
        Action::Update | Action::NoOp | Action::Check | Action::Unknown => false,
    };
    let whole = whole && pending.fields.is_empty() && drift.fields.is_empty();
    let stands = |entry: &Entry| !entry.fields.is_empty();
    let begins = acts && (!acted || (before.action != after.action && !adopted));
    let mut entries = Vec::new();
    if begins
        || stands(&introduced)
        || !introduced.remarks.is_empty()
        || !introduced.blockers.is_empty()
    {
        entries.push(introduced);
    }
    // A pending delete that head does not want, for example.
    let ends = acted && !acts && !stands(&pending) && !stands(&drift);
    let only_kept = entries.iter().any(stands);
    if stands(&resolved) || (ends && !only_kept) {
        entries.push(resolved);
    }
    if stands(&pending) || (whole && !drifted) {
        entries.push(pending);
    }
    if stands(&drift) || (whole && drifted) {
        entries.push(drift);
    }
    entries
}

/// What is run, in order; what a command is called does not count.
fn effects(change: &Change) -> Vec<(&[String], Option<&Value>)> {
    change.commands.iter().map(|one| (one.argv.as_slice(), one.input.as_ref())).collect()
}

fn is_drift(origin: Origin) -> bool {
    match origin {
        Origin::Drift => true,
        Origin::Change | Origin::Both | Origin::Undetermined => false,
    }
}

/// The fields of both sides, in path order.
fn fields(before: &Change, after: &Change, drifted: bool) -> Vec<FieldDelta> {
    let mut sides: BTreeMap<&Path, (Option<&FieldChange>, Option<&FieldChange>)> = BTreeMap::new();
    for field in &before.fields {
        sides.entry(&field.path).or_default().0 = Some(field);
    }
    for field in &after.fields {
        sides.entry(&field.path).or_default().1 = Some(field);
    }
    let told = sides.into_values().filter_map(|sides| match sides {
        (Some(base), Some(head)) => {
            let turn = if same(&base.after, &head.after) { Turn::Same } else { Turn::Further };
            // Under another address the state remembers nothing.
            let origin = match (turn, head.origin) {
                (Turn::Same, Origin::Undetermined) => base.origin,
                (_, origin) => origin,
            };
            Some(FieldDelta {
                base: outcome(base),
                turn,
                origin,
                replace: head.replace,
                ..added(head)
            })
        }
        (None, Some(head)) => Some(added(head)),
        (Some(base), None) if drifted || is_drift(base.origin) => {
            Some(left(base, Turn::KeepsDrift))
        }
        (Some(base), None) => Some(left(base, Turn::Removes)),
        (None, None) => None,
    });
    told.collect()
}

/// A field that only head changes.
fn added(field: &FieldChange) -> FieldDelta {
    let turn = if is_drift(field.origin) { Turn::UndoesDrift } else { Turn::Adds };
    FieldDelta {
        path: field.path.clone(),
        live: field.before.clone(),
        base: Outcome::Stays,
        head: outcome(field),
        turn,
        origin: field.origin,
        replace: field.replace,
    }
}

/// A field that only base changes.
fn left(field: &FieldChange, turn: Turn) -> FieldDelta {
    FieldDelta {
        path: field.path.clone(),
        live: field.before.clone(),
        base: outcome(field),
        head: Outcome::Stays,
        turn,
        origin: field.origin,
        replace: false,
    }
}

fn outcome(field: &FieldChange) -> Outcome {
    match &field.after {
        Some(value) => Outcome::Becomes(value.clone()),
        None => Outcome::Goes,
    }
}
