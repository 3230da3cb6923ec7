//! What is introduced, as a plan of its own.
//!
//! Whoever judges a plan judges with it what head adds: the fields that stand in
//! no other bucket, from what base would make of the object to what head makes
//! of it. Nobody can apply such a plan; its hash means nothing.

use std::collections::BTreeMap;

use super::{Bucket, Entry, FieldDelta, Outcome, PlanDelta, Remark, Turn};
use crate::address::Address;
use crate::diff::FieldChange;
use crate::plan::{Change, Plan};

impl PlanDelta {
    /// The plan `head` with nothing in it but what is introduced over `base`.
    /// The two plans are those that the delta was made of.
    pub fn introduced(&self, base: &Plan, head: &Plan) -> Plan {
        let changes = self.introduced_changes(base, head);
        let kept = head.changes.iter().filter_map(|change| changes.get(&change.address));
        self.plan_of(head, kept.cloned().collect())
    }

    /// The plan `head`, in which the resources that something is introduced to
    /// hold that and nothing else. The others are as they were.
    pub fn with_introduced(&self, base: &Plan, head: &Plan) -> Plan {
        let changes = self.introduced_changes(base, head);
        let of = |change: &Change| changes.get(&change.address).unwrap_or(change).clone();
        self.plan_of(head, head.changes.iter().map(of).collect())
    }

    /// The plan `head` with other changes.
    fn plan_of(&self, head: &Plan, changes: Vec<Change>) -> Plan {
        Plan {
            format_version: head.format_version,
            stack: head.stack.clone(),
            mode: head.mode,
            account: head.account.clone(),
            region: head.region.clone(),
            lineage: head.lineage.clone(),
            serial: head.serial,
            after: head.after.clone(),
            manifests: head.manifests.clone(),
            variables: head.variables.clone(),
            targets: head.targets.clone(),
            outputs: self.outputs.clone(),
            changes,
        }
    }

    fn introduced_changes(&self, base: &Plan, head: &Plan) -> BTreeMap<Address, Change> {
        let before: BTreeMap<&Address, &Change> =
            base.changes.iter().map(|change| (&change.address, change)).collect();
        let after: BTreeMap<&Address, &Change> =
            head.changes.iter().map(|change| (&change.address, change)).collect();
        self.of_bucket(Bucket::Introduced)
            .filter_map(|entry| {
                let head = after.get(&entry.address)?;
                let base = before.get(old_address(entry)).copied();
                Some((entry.address.clone(), introduced(entry, base, head)))
            })
            .collect()
    }
}

/// What base calls the resource.
fn old_address(entry: &Entry) -> &Address {
    let renamed = entry.remarks.iter().find_map(|remark| match remark {
        Remark::Renamed { from } => Some(from),
        _ => None,
    });
    renamed.unwrap_or(&entry.address)
}

fn introduced(entry: &Entry, base: Option<&Change>, head: &Change) -> Change {
    // The object as an apply of base would leave it, where base says so.
    let left = base
        .filter(|base| base.identity.is_same(&head.identity))
        .and_then(|base| base.after.clone());
    Change {
        fields: entry.fields.iter().filter_map(|field| field_of(entry, field)).collect(),
        before: left.or_else(|| head.object_before().cloned()),
        blockers: entry.blockers.clone(),
        foreign: Vec::new(),
        notes: Vec::new(),
        ..head.clone()
    }
}

/// A field as a plan after base would have it; `None`: head does nothing to it.
fn field_of(entry: &Entry, field: &FieldDelta) -> Option<FieldChange> {
    match field.turn {
        Turn::Removes | Turn::KeepsDrift if !entry.action.is_change() => None,
        Turn::Same
        | Turn::Adds
        | Turn::Further
        | Turn::UndoesDrift
        | Turn::Removes
        | Turn::KeepsDrift => {
            let side = |outcome: &Outcome| match outcome {
                Outcome::Stays => field.live.clone(),
                Outcome::Becomes(value) => Some(value.clone()),
                Outcome::Goes => None,
            };
            Some(FieldChange {
                path: field.path.clone(),
                before: side(&field.base),
                after: side(&field.head),
                origin: field.origin,
                replace: field.replace,
            })
        }
    }
}
