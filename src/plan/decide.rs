//! From what is desired, prior and live to the change of one resource.
//!
//! The table of the design, and nothing else: pure, no I/O.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Action, Mode, Reason};
use crate::adapter::{
    Adapter, Answers, Blocker, Desired, Health, Leftovers, Live, Object, Operation, Prior,
    Readiness, Standing, Step, Verb,
};
use crate::address::Address;
use crate::diff::{Comparison, FieldChange, Foreign, Origin, Sides, compare, keep_ignored};
use crate::value::{Map, Path, Value};

/// What is known of one resource.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts<'a> {
    /// The code for its kind.
    pub adapter: &'a dyn Adapter,
    /// What the manifest asks for; `None`: no manifest declares it, or the
    /// stack is destroyed.
    pub desired: Option<&'a Desired>,
    /// What was applied last.
    pub prior: Option<&'a Prior>,
    /// What is there; `None`: it can't be read before its dependencies exist.
    pub live: Option<&'a Live>,
    /// What is there under the identity that was applied last, when the
    /// manifest gives it another one, or one that is not known yet.
    pub old: Option<&'a Live>,
    /// Whether it is read only.
    pub external: bool,
    /// Whether it must never be destroyed.
    pub prevent_destroy: bool,
    /// Fields that are not compared.
    pub ignore: &'a [Path],
    /// A resource that it is bound to and that is made anew.
    pub made_anew: Option<&'a Address>,
    /// Why it is absent, where its adapter can say more than that.
    pub missing: Option<&'a Blocker>,
    /// Whether the stack is brought up or taken down.
    pub mode: Mode,
    /// Whether something that it depends on is changed before.
    pub pending: bool,
    /// Whether resources that depend on it are removed before.
    pub cleared: bool,
    /// Whether other changes come before this one is carried out; not when an
    /// apply looks again.
    pub ahead: bool,
}

/// What is done with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What differs.
    pub fields: Vec<FieldChange>,
    /// What is left alone.
    pub foreign: Vec<Foreign>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The commands.
    pub steps: Vec<Step>,
    /// What stands in the way.
    pub blockers: Vec<Blocker>,
    /// How long to wait for that to go by itself, where it may.
    pub patience: Option<Duration>,
}

impl Decision {
    /// A decision that needs no command.
    pub fn without_steps(action: Action, reason: Reason) -> Self {
        Self {
            action,
            reason,
            fields: Vec::new(),
            foreign: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
            blockers: Vec::new(),
            patience: None,
        }
    }

    /// Whether another decision is the same as far as the apply goes: a note or
    /// what others own may differ. The planned change is one that this run made
    /// itself, so sensitive values are compared as well.
    pub fn same_effect(&self, planned: &super::Change) -> bool {
        let below = |found: &&FieldChange| {
            let seen = &planned.fields;
            seen.iter().any(|seen| was_unknown_collection(seen, found))
                || (seen.iter().all(|seen| seen.path != found.path)
                    && seen.iter().any(|seen| was_unknown_member(seen, found)))
        };
        let (below, itself): (Vec<_>, Vec<_>) = self.fields.iter().partition(below);
        self.action == planned.action
            && itself.len() <= planned.fields.len()
            && below.iter().all(|found| found.before.is_none())
            && itself.iter().all(|found| {
                planned.fields.iter().any(|seen| {
                    seen.path == found.path
                        && seen.before == found.before
                        && match (&seen.after, &found.after) {
                            (Some(seen), Some(found)) => super::covers(seen, found),
                            (None, None) => true,
                            _ => false,
                        }
                })
            })
            // A field of the plan that is not found again was not known then
            // and turned out to be as it is.
            && planned.fields.iter().all(|seen| {
                self.fields.iter().any(|found| found.path == seen.path)
                    || seen.after.as_ref().is_some_and(Value::has_unknown)
            })
    }
}

/// Whether a planned field is a collection that nothing was known of then, and
/// `found` an entry of it.
fn was_unknown_collection(seen: &FieldChange, found: &FieldChange) -> bool {
    matches!(seen.after, Some(Value::Unknown(_)))
        && seen.before.is_none()
        && seen.path != found.path
        && found.path.starts_with(&seen.path)
}

/// Whether a planned field is the member of a set that was not known then, and
/// `found` a member of the same set. Such a member is named by its expression,
/// and may have turned out to be several.
fn was_unknown_member(seen: &FieldChange, found: &FieldChange) -> bool {
    let Some(Value::Unknown(expression)) = &seen.after else { return false };
    match (seen.path.segments().split_last(), found.path.segments().split_last()) {
        (Some((name, set)), Some((_, of))) => name == expression && set == of,
        _ => false,
    }
}

/// Compares the sides of an object that exists, with what only the tools can
/// tell of the desired and prior sides.
pub fn differences(
    adapter: &dyn Adapter,
    desired: &Desired,
    prior: Option<&Prior>,
    object: &Object,
    ignore: &[Path],
) -> Comparison {
    let mut wanted = desired.attributes.clone();
    wanted.extend(object.desired.clone());
    let against = |attributes: Option<&Map>| {
        let remembered = match (attributes, object.prior.is_empty()) {
            (None, true) => None,
            (None, false) => Some(object.prior.clone()),
            (Some(attributes), _) => {
                let mut attributes = attributes.clone();
                attributes.extend(object.prior.clone());
                Some(attributes)
            }
        };
        let live = &object.attributes;
        let sides = Sides { desired: &wanted, prior: remembered.as_ref(), live };
        compare(adapter.attributes(), &desired.exclusive, sides, ignore)
    };
    let mut found = against(prior.map(|prior| &prior.attributes));
    if let Some(prior) = prior.filter(|prior| prior.standing != Standing::Applied) {
        // What a run began says what is ours. Why a field differs, only what
        // was proved can tell.
        let proved = against(prior.applied());
        for change in &mut found.changes {
            let same = proved.changes.iter().find(|other| other.path == change.path);
            change.origin = same.map_or(Origin::Change, |other| other.origin);
        }
    }
    found
}

/// Decides what is done with one resource.
pub fn decide(facts: Facts<'_>) -> Decision {
    match facts.desired {
        None => undeclared(facts),
        Some(desired) if facts.external => external(facts, desired),
        Some(desired) if facts.adapter.is_check() => check(facts, desired),
        Some(desired) => declared(facts, desired),
    }
}

/// Something that has no object of its own: nothing is done to it, and every
/// apply waits until it is so.
fn check(facts: Facts<'_>, desired: &Desired) -> Decision {
    let mut decision = Decision::without_steps(Action::Check, Reason::Checked);
    let Some(Live::Present(object)) = facts.live else { return decision };
    decision.notes.clone_from(&object.notes);
    match facts.adapter.readiness(desired, object) {
        Readiness::Ready => {}
        // What is to be changed before may well be what it waits for.
        Readiness::Waiting(_) | Readiness::NotReady(_) if facts.pending => {}
        Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => {
            decision.blockers = blockers;
        }
    }
    decision
}

fn external(facts: Facts<'_>, desired: &Desired) -> Decision {
    let mut decision = if facts.prior.is_some() {
        // It was ours once; now only its manifest is, so the state lets go.
        Decision::without_steps(Action::Forget, Reason::NotOurs)
    } else {
        Decision::without_steps(Action::NoOp, Reason::External)
    };
    match facts.live {
        Some(Live::Present(object)) => {
            decision.notes.clone_from(&object.notes);
            match facts.adapter.readiness(desired, object) {
                Readiness::Ready => {}
                Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => {
                    decision.blockers = blockers;
                }
            }
        }
        Some(Live::Absent) => {
            decision.reason = Reason::Absent;
            if facts.mode == Mode::Destroy {
                // Nothing needs it any more.
                return decision;
            }
            decision.blockers.push(facts.missing.cloned().unwrap_or_else(|| Blocker {
                code: "ExternalMissing".into(),
                message: format!("{} does not exist, and it is external", desired.identity),
                next: "create it outside of lkh, or correct its name in the manifest".into(),
            }));
        }
        None => decision.reason = Reason::IdentityUnknown,
    }
    decision
}

/// Nothing declares it: it goes, or is forgotten.
fn undeclared(facts: Facts<'_>) -> Decision {
    let why = if facts.mode == Mode::Destroy { Reason::Destroyed } else { Reason::NotDeclared };
    let Some(prior) = facts.prior else {
        return Decision::without_steps(Action::NoOp, why);
    };
    if facts.external {
        return Decision::without_steps(Action::Forget, Reason::NotOurs);
    }
    let object = match facts.live {
        Some(Live::Present(object)) => object,
        Some(Live::Absent) | None => {
            return Decision::without_steps(Action::Forget, Reason::Gone);
        }
    };
    if let Some(why) = facts.adapter.stays(prior) {
        let reason = Reason::NeverDeleted { why: why.to_owned() };
        return Decision::without_steps(Action::Forget, reason);
    }
    let mut decision = Decision::without_steps(Action::Delete, why);
    decision.notes.clone_from(&object.notes);
    decision.delete(
        facts,
        &Operation {
            verb: Verb::Delete,
            identity: &prior.identity,
            desired: None,
            prior: Some(prior),
            object: Some(object),
            changes: &[],
        },
    );
    decision.guard(facts.prevent_destroy);
    if facts.ahead
        && facts.mode == Mode::Destroy
        && let Ok(Leftovers::Ask(reads)) = facts.adapter.leftovers(prior, &Answers::default())
    {
        let reads: Vec<_> = reads.iter().map(|read| format!("\n{read}")).collect();
        decision
            .notes
            .push(format!("afterwards these tell whether anything is left:{}", reads.concat()));
    }
    decision
}

fn declared(facts: Facts<'_>, desired: &Desired) -> Decision {
    let moved = facts
        .prior
        .filter(|prior| desired.identity.is_known() && !prior.identity.is_same(&desired.identity));
    let mut decision = match facts.live {
        None => match (facts.prior, facts.old) {
            (Some(prior), Some(Live::Present(_))) => unsure(prior),
            _ => creation(facts, desired, Reason::IdentityUnknown),
        },
        Some(Live::Absent) => {
            let reason = match (facts.prior.and_then(Prior::applied), moved) {
                (Some(_), None) => Reason::RemovedOutside,
                _ => Reason::Absent,
            };
            let mut decision = creation(facts, desired, reason);
            match facts.missing {
                Some(why) if facts.pending => decision.notes.push(format!(
                    "{}: what it depends on is changed first, and it may be possible then",
                    why.message
                )),
                Some(why) if facts.ahead => decision.blockers.push(why.clone()),
                // The command says it, if it is still so.
                Some(_) | None => {}
            }
            decision
        }
        Some(Live::Present(object)) => present(facts, desired, object, moved.is_some()),
    };
    if let Some(prior) = moved {
        // The object under the old identity goes first.
        if let Some(Live::Present(old)) = facts.old {
            let after = std::mem::take(&mut decision.steps);
            decision.action = Action::Replace;
            decision.reason = Reason::IdentityChanged { before: prior.identity.clone() };
            if let Some(why) = facts.adapter.stays(prior) {
                decision.notes.push(format!("{} stays: {why}", prior.identity));
            } else {
                let operation = Operation {
                    verb: Verb::Delete,
                    identity: &prior.identity,
                    // What replaces it: the delete is not a resource's end.
                    desired: Some(desired),
                    prior: Some(prior),
                    object: Some(old),
                    changes: &[],
                };
                decision.delete(facts, &operation);
                decision.guard(facts.prevent_destroy);
            }
            decision.steps.extend(after);
        }
    }
    decision
}

/// It exists as it was applied, and whether the manifest still means that object
/// is not known yet: it may have to stay, to change or to be replaced, and a plan
/// names the commands of one of these.
fn unsure(prior: &Prior) -> Decision {
    let mut decision = Decision::without_steps(Action::Unknown, Reason::IdentityUnknown);
    let message = format!(
        "it exists as {}, and what the manifest calls it is known only after its dependencies are \
         applied",
        prior.identity
    );
    let next = "apply its dependencies, this resource is left as it is; then plan again";
    decision.block("IdentityUnknown", &message, next);
    decision
}

fn creation(facts: Facts<'_>, desired: &Desired, reason: Reason) -> Decision {
    let mut decision = Decision::without_steps(Action::Create, reason);
    let empty = Map::new();
    let sides = Sides { desired: &desired.attributes, prior: None, live: &empty };
    decision.fields = compare(facts.adapter.attributes(), &BTreeSet::new(), sides, &[]).changes;
    decision.add_steps(facts.adapter.steps(&Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(desired),
        prior: None,
        object: None,
        changes: &decision.fields,
    }));
    decision
}

fn present(facts: Facts<'_>, desired: &Desired, object: &Object, moved: bool) -> Decision {
    // The state's memory is of the object under its old identity.
    let prior = facts.prior.filter(|_| !moved);
    let found = differences(facts.adapter, desired, prior, object, facts.ignore);
    let replaced = found.changes.iter().find(|change| change.replace);
    let (action, reason) = match (&object.health, replaced, facts.made_anew) {
        (Health::Outdated(why), _, _) => (Action::Replace, Reason::Outdated { why: why.clone() }),
        (_, _, Some(address)) => (Action::Replace, Reason::BoundTo { address: address.clone() }),
        (_, Some(change), None) => {
            (Action::Replace, Reason::FieldCannotChange { field: change.path.to_string() })
        }
        (Health::Broken(why), None, None) => (Action::Repair, Reason::Broken { why: why.clone() }),
        (Health::Sound | Health::Busy(_), None, None) => {
            match (prior.and_then(Prior::applied), found.is_equal()) {
                (None, true) => (Action::Adopt, Reason::ExistsAsDeclared),
                (None, false) => (Action::Adopt, Reason::ExistsWithDifferences),
                (Some(_), true) => (Action::NoOp, Reason::AsDeclared),
                (Some(_), false) => (Action::Update, Reason::FieldsDiffer),
            }
        }
    };
    let mut decision = Decision::without_steps(action, reason);
    decision.foreign = found.foreign;
    decision.fields = found.changes;
    decision.notes.clone_from(&object.notes);
    // What is ignored stays as it is, also where a command sends the whole.
    let kept;
    let wanted = if facts.ignore.is_empty() || action == Action::Replace {
        desired
    } else {
        let declared = facts.adapter.attributes();
        let attributes =
            keep_ignored(declared, &desired.attributes, &object.attributes, facts.ignore);
        kept = Desired { attributes, ..desired.clone() };
        &kept
    };
    let operation = |verb| Operation {
        verb,
        identity: &desired.identity,
        desired: Some(wanted),
        prior,
        object: Some(object),
        changes: &[],
    };
    let fields = decision.fields.clone();
    match action {
        Action::Replace => {
            decision.delete(facts, &operation(Verb::Delete));
            let creation = creation(facts, desired, Reason::Absent);
            decision.steps.extend(creation.steps);
            decision.blockers.extend(creation.blockers);
            decision.guard(facts.prevent_destroy);
            if let Some(why) = facts.adapter.never_deleted() {
                decision.block("NeverDeleted", why, "undo the change that calls for a new object");
            }
        }
        Action::Repair => {
            let operation = Operation { changes: &fields, ..operation(Verb::Repair) };
            decision.add_steps(facts.adapter.steps(&operation));
        }
        Action::Adopt | Action::Update if !fields.is_empty() => {
            let operation = Operation { changes: &fields, ..operation(Verb::Update) };
            decision.add_steps(facts.adapter.steps(&operation));
        }
        Action::NoOp
        | Action::Create
        | Action::Adopt
        | Action::Update
        | Action::Delete
        | Action::Forget
        | Action::Check
        | Action::Unknown => {}
    }
    if let Health::Busy(why) = &object.health {
        decision.block("Busy", why, "wait until it is done, then plan again");
    }
    if matches!(action, Action::NoOp) || (action == Action::Adopt && fields.is_empty()) {
        // Nothing to change, but perhaps not ready all the same.
        match facts.adapter.readiness(desired, object) {
            Readiness::Ready => {}
            Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => {
                decision.blockers.extend(blockers);
            }
        }
    }
    decision
}

impl Decision {
    /// The steps of a delete, and what stands in its way.
    fn delete(&mut self, facts: Facts<'_>, operation: &Operation<'_>) {
        self.add_steps(facts.adapter.steps(operation));
        let obstacles = operation
            .object
            .map(|object| facts.adapter.obstacles(operation.identity, object))
            .unwrap_or_default();
        let patience = operation
            .object
            .zip(operation.prior)
            .and_then(|(object, prior)| facts.adapter.obstacle_patience(prior, object))
            .filter(|_| !obstacles.is_empty());
        self.patience = patience;
        if facts.ahead && (facts.mode == Mode::Destroy || facts.cleared || patience.is_some()) {
            let then = match patience {
                Some(_) => "what goes before may end that, and lkh waits a while for it",
                None => "if so when its turn comes, it is left as it is",
            };
            let note = |obstacle: Blocker| format!("{}; {then}", obstacle.message);
            self.notes.extend(obstacles.into_iter().map(note));
        } else {
            self.blockers.extend(obstacles);
        }
    }

    fn add_steps(&mut self, steps: Result<Vec<Step>, Vec<Blocker>>) {
        match steps {
            Ok(steps) => self.steps.extend(steps),
            Err(blockers) => self.blockers.extend(blockers),
        }
    }

    fn block(&mut self, code: &str, message: &str, next: &str) {
        self.blockers.push(Blocker {
            code: code.to_owned(),
            message: message.to_owned(),
            next: next.to_owned(),
        });
    }

    fn guard(&mut self, prevent_destroy: bool) {
        if prevent_destroy {
            self.block(
                "PreventDestroy",
                "the change would destroy the object, and lifecycle.preventDestroy forbids that",
                "undo the change, or set lifecycle.preventDestroy to false and apply that first",
            );
        }
    }
}

#[cfg(test)]
mod tests;
