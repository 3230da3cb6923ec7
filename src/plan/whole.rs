//! The whole object before and after a change, not only what differs of it.
//!
//! A saved plan is rendered without reading anything, and some readers judge an
//! object as a whole: what a policy allows can't be told from the line that
//! changes. What others put on an object and what is ignored stays in it. This
//! module must not know any kind, nor decide what is done.

use super::decide::Decision;
use super::{Action, Change};
use crate::adapter::{Adapter, Attribute, Desired, Live, Object, Rule};
use crate::diff::{FieldChange, keep_ignored};
use crate::value::{Map, Path, Value};

/// Both sides of a change, in normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// The object as it was read; `None` where there is none, and where it is
    /// the same as `after` and nothing is done: most of a large plan.
    pub before: Option<Map>,
    /// The object as it will be; `None` where there will be none, or nobody
    /// knows.
    pub after: Option<Map>,
}

/// What is known of the object.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The code for its kind.
    pub adapter: &'static dyn Adapter,
    /// What the manifest asks for.
    pub desired: Option<&'a Desired>,
    /// What is there.
    pub live: Option<&'a Live>,
    /// What is there under the identity that was applied last, where that is
    /// another one.
    pub old: Option<&'a Live>,
    /// Fields that are not compared, and stay as they are.
    pub ignore: &'a [Path],
}

impl Whole {
    /// Both sides of what was decided.
    pub fn of(seen: Seen<'_>, decision: &Decision) -> Self {
        let object = present(seen.old).or(present(seen.live));
        let before = object.map(|object| &object.attributes);
        let after = match decision.action {
            Action::Delete | Action::Forget | Action::Unknown => None,
            Action::Create | Action::Replace | Action::Check => {
                seen.desired.map(|desired| wanted(desired, present(seen.live)))
            }
            Action::NoOp | Action::Adopt | Action::Update | Action::Repair => present(seen.live)
                .map(|object| {
                    let attributes = seen.adapter.attributes();
                    match seen.desired {
                        Some(desired) => {
                            let wanted = wanted(desired, Some(object));
                            let live = &object.attributes;
                            let wanted = keep_ignored(attributes, &wanted, live, seen.ignore);
                            changed(attributes, live, &wanted, &decision.fields)
                        }
                        None => object.attributes.clone(),
                    }
                }),
        };
        let same = !decision.action.is_change() && before == after.as_ref();
        Self { before: before.filter(|_| !same).cloned(), after }
    }
}

impl Change {
    /// The whole object as it was read, also where nothing is done to it.
    pub fn object_before(&self) -> Option<&Map> {
        match self.action {
            Action::NoOp => self.before.as_ref().or(self.after.as_ref()),
            _ => self.before.as_ref(),
        }
    }
}

fn present(live: Option<&Live>) -> Option<&Object> {
    match live {
        Some(Live::Present(object)) => Some(object),
        Some(Live::Absent) | None => None,
    }
}

/// What is declared, with what only the tools can tell of it.
fn wanted(desired: &Desired, object: Option<&Object>) -> Map {
    let mut wanted = desired.attributes.clone();
    wanted.extend(object.map(|object| object.desired.clone()).unwrap_or_default());
    wanted.retain(|_, value| !value.is_null());
    wanted
}

/// A live object with the differences carried out. An attribute in which nothing
/// differs stays as it was read, in its own spelling.
fn changed(attributes: &[Attribute], live: &Map, wanted: &Map, fields: &[FieldChange]) -> Map {
    let mut after = live.clone();
    for Attribute { name, rule, .. } in attributes {
        let of = |field: &&FieldChange| field.path.segments().first().is_some_and(|at| at == name);
        let mut fields = fields.iter().filter(of).peekable();
        let declared = wanted.get(*name);
        if fields.peek().is_none() {
            if let (Some(declared), None | Some(Value::Null)) = (declared, live.get(*name)) {
                after.insert((*name).to_owned(), declared.clone());
            }
            continue;
        }
        match rule {
            Rule::Set => fields.for_each(|field| put_member(&mut after, name, field)),
            Rule::Entries | Rule::NestedEntries | Rule::PolicyDocuments => {
                fields
                    .for_each(|field| put(&mut after, field.path.segments(), field.after.as_ref()));
            }
            Rule::Exact
            | Rule::PolicyDocument
            | Rule::Tree
            | Rule::Remembered
            | Rule::KubernetesObjects => put(&mut after, &[(*name).to_owned()], declared),
        }
    }
    after
}

/// Adds a member to a set, or takes one out.
fn put_member(after: &mut Map, name: &str, field: &FieldChange) {
    let mut members = match after.remove(name) {
        Some(Value::List(members)) => members,
        Some(_) | None => Vec::new(),
    };
    members.retain(|member| Some(member) != field.before.as_ref());
    match &field.after {
        // Nothing was known of the whole set.
        Some(Value::List(all)) => members.extend(all.iter().cloned()),
        Some(member) => members.push(member.clone()),
        None => {}
    }
    after.insert(name.to_owned(), Value::List(members));
}

/// Puts a value at a path, or takes it away.
fn put(map: &mut Map, path: &[String], value: Option<&Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    match (rest.is_empty(), value) {
        (true, Some(value)) => drop(map.insert(first.clone(), value.clone())),
        (true, None) => drop(map.remove(first)),
        (false, _) => {
            let mut below = match map.remove(first) {
                Some(Value::Map(below)) => below,
                Some(_) | None => Map::new(),
            };
            put(&mut below, rest, value);
            if !below.is_empty() {
                map.insert(first.clone(), Value::Map(below));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::{Kind, Object};
    use crate::plan::decide::{Facts, decide};
    use crate::plan::{Mode, Reason};

    fn map(json: &serde_json::Value) -> Map {
        Value::from_json(json).as_map().cloned().unwrap()
    }

    fn role(attributes: &serde_json::Value) -> Desired {
        let identity = crate::adapter::Identity::new([("roleName", "Node".into())]);
        Desired { identity, attributes: map(attributes), ..Desired::default() }
    }

    fn whole(desired: Option<&Desired>, live: Option<&serde_json::Value>) -> (Action, Whole) {
        let adapter = Kind::IamRole.adapter();
        let live = live.map_or(Live::Absent, |attributes| {
            Live::Present(Box::new(Object { attributes: map(attributes), ..Object::default() }))
        });
        let prior = crate::adapter::Prior {
            identity: role(&json!({})).identity,
            attributes: map(&json!({"managedPolicies": ["arn:old"]})),
            ..Default::default()
        };
        let decision = decide(Facts {
            adapter,
            desired,
            prior: Some(&prior),
            live: Some(&live),
            old: None,
            external: false,
            prevent_destroy: false,
            ignore: &[],
            made_anew: None,
            missing: None,
            mode: Mode::Apply,
            pending: false,
            cleared: false,
            ahead: true,
        });
        let seen = Seen { adapter, desired, live: Some(&live), old: None, ignore: &[] };
        (decision.action, Whole::of(seen, &decision))
    }

    #[test]
    fn what_others_put_on_an_object_stays_in_it() {
        let desired = role(&json!({
            "path": null,
            "managedPolicies": ["arn:new"],
            "tags": {"team": "data"},
            "inlinePolicies": {"own": {"Statement": []}},
        }));
        let live = json!({
            "path": "/",
            "managedPolicies": ["arn:old", "arn:theirs"],
            "tags": {"team": "ops", "theirs": "1"},
            "inlinePolicies": {"theirs": {"Statement": [{"Effect": "Deny"}]}},
        });
        let (action, found) = whole(Some(&desired), Some(&live));
        assert_eq!(action, Action::Update);
        assert_eq!(found.before, Some(map(&live)));
        let expected = json!({
            "path": "/",
            "managedPolicies": ["arn:theirs", "arn:new"],
            "tags": {"team": "data", "theirs": "1"},
            "inlinePolicies": {
                "own": {"Statement": []}, "theirs": {"Statement": [{"Effect": "Deny"}]},
            },
        });
        assert_eq!(found.after, Some(map(&expected)));
    }

    #[test]
    fn a_side_that_is_not_there_is_none() {
        let desired = role(&json!({"path": "/", "description": null}));
        let (action, made) = whole(Some(&desired), None);
        assert_eq!(action, Action::Create);
        assert_eq!(made, Whole { before: None, after: Some(map(&json!({"path": "/"}))) });
        let live = json!({"path": "/", "tags": {"theirs": "1"}});
        let (action, gone) = whole(None, Some(&live));
        assert_eq!(action, Action::Delete);
        assert_eq!(gone, Whole { before: Some(map(&live)), after: None });
        let (action, same) = whole(Some(&desired), Some(&live));
        assert_eq!(action, Action::NoOp);
        assert_eq!(same, Whole { before: None, after: Some(map(&live)) });
    }

    #[test]
    fn what_cannot_be_planned_is_as_it_was_read() {
        let decision =
            Decision::without_steps(Action::Unknown, Reason::NotReadable { why: "x".into() });
        let seen = Seen {
            adapter: Kind::IamRole.adapter(),
            desired: Some(&role(&json!({"path": "/"}))),
            live: None,
            old: None,
            ignore: &[],
        };
        assert_eq!(Whole::of(seen, &decision), Whole::default());
    }
}
