//! One table: what both plans do with a resource, and where it then stands.

#![allow(clippy::needless_pass_by_value, reason = "tables hand over what they name")]

use std::fmt::Write as _;

use super::*;
use crate::diff::FieldChange;
use crate::plan::{Change, PlannedCommand};
use crate::value::Map;

fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        format_version: 1,
        stack: "s".into(),
        mode: Mode::Apply,
        account: "111122223333".into(),
        region: "us-east-2".into(),
        lineage: Some("l".into()),
        serial: 4,
        after: None,
        manifests: Digest::of(b"m"),
        variables: Map::new(),
        targets: vec![],
        outputs: vec![],
        changes,
    }
}

fn change(name: &str, action: Action, reason: Reason, fields: Vec<FieldChange>) -> Change {
    let json = serde_json::json!({
        "address": format!("IamRole.{name}"),
        "identity": {"roleName": name},
        "action": action,
        "reason": reason,
        "fields": fields,
        "foreign": [], "notes": [], "commands": [], "dependsOn": [], "blockers": [],
    });
    serde_json::from_value(json).unwrap()
}

fn update(fields: Vec<FieldChange>) -> Change {
    change("a", Action::Update, Reason::FieldsDiffer, fields)
}

fn create(fields: Vec<FieldChange>) -> Change {
    change("a", Action::Create, Reason::Absent, fields)
}

fn as_declared() -> Change {
    change("a", Action::NoOp, Reason::AsDeclared, vec![])
}

fn delete() -> Change {
    change("a", Action::Delete, Reason::NotDeclared, vec![])
}

/// A field that is `live` and becomes `desired`; an empty text is nothing.
fn field(path: &str, live: &str, desired: &str, origin: Origin) -> FieldChange {
    let side = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    let (before, after) = (side(live), side(desired));
    FieldChange { path: Path::new(path), before, after, origin, replace: false }
}

fn changed(path: &str, live: &str, desired: &str) -> FieldChange {
    field(path, live, desired, Origin::Change)
}

fn drifted(path: &str, live: &str, desired: &str) -> FieldChange {
    field(path, live, desired, Origin::Drift)
}

/// A line an entry: bucket, resource, action, fields, remarks.
fn told(base: Vec<Change>, head: Vec<Change>) -> Vec<String> {
    let delta = PlanDelta::of(&plan(base), &plan(head)).unwrap();
    delta.entries.iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    let mut line =
        format!("{} {} {}", entry.bucket.word(), entry.address.name, entry.action.word());
    for field in &entry.fields {
        let turn = serde_json::to_value(field.turn).unwrap();
        let origin = if field.origin == Origin::Drift { "!" } else { "" };
        write!(line, " {}{origin}:{}", field.path, turn.as_str().unwrap()).unwrap();
    }
    for remark in &entry.remarks {
        let json = serde_json::to_value(remark).unwrap();
        write!(line, " ({})", json["code"].as_str().unwrap()).unwrap();
    }
    for blocker in &entry.blockers {
        write!(line, " [{}]", blocker.code).unwrap();
    }
    line
}

#[track_caller]
fn expect(base: Vec<Change>, head: Vec<Change>, lines: &[&str]) {
    assert_eq!(told(base, head), lines);
}

#[test]
fn fields_of_a_resource_that_both_change() {
    let pending = || changed("p", "1", "2");
    let drift = || drifted("d", "x", "y");
    let of = |base: Vec<FieldChange>, head: Vec<FieldChange>, lines: &[&str]| {
        expect(vec![update(base)], vec![update(head)], lines);
    };
    of(vec![pending()], vec![pending()], &["pending a update p:same"]);
    of(vec![drift()], vec![drift()], &["drift a update d!:same"]);
    of(
        vec![pending(), drift()],
        vec![pending(), drift(), changed("i", "", "3")],
        &["introduced a update i:adds", "pending a update p:same", "drift a update d!:same"],
    );
    of(vec![pending()], vec![changed("p", "1", "3")], &["introduced a update p:further"]);
    of(
        vec![pending(), changed("q", "1", "2")],
        vec![pending()],
        &["introduced a update q:removes", "pending a update p:same"],
    );
    of(
        vec![pending(), drift()],
        vec![pending()],
        &["introduced a update d!:keeps-drift", "pending a update p:same"],
    );
    of(
        vec![pending()],
        vec![pending(), drift()],
        &["introduced a update d!:undoes-drift", "pending a update p:same"],
    );
    // Drift that head turns into something else is head's doing.
    of(vec![drift()], vec![field("d", "x", "z", Origin::Both)], &["introduced a update d:further"]);
    let both = || field("p", "1", "2", Origin::Both);
    of(vec![both()], vec![both()], &["pending a update p:same"]);
    of(
        vec![changed("p", "1", "2")],
        vec![changed("p", "1", "")],
        &["introduced a update p:further"],
    );
}

#[test]
fn resources_that_one_of_them_changes() {
    let pending = || update(vec![changed("p", "1", "2")]);
    let drift = || update(vec![drifted("d", "x", "y")]);
    let mixed = || update(vec![changed("p", "1", "2"), drifted("d", "x", "y")]);
    expect(vec![as_declared()], vec![as_declared()], &[]);
    expect(vec![as_declared()], vec![pending()], &["introduced a update p:adds"]);
    expect(vec![pending()], vec![as_declared()], &["resolved a update p:removes"]);
    expect(vec![drift()], vec![as_declared()], &["introduced a no-op d!:keeps-drift"]);
    expect(vec![as_declared()], vec![drift()], &["introduced a update d!:undoes-drift"]);
    expect(
        vec![mixed()],
        vec![as_declared()],
        &["introduced a no-op d!:keeps-drift", "resolved a update p:removes"],
    );
    // Added and removed manifests.
    expect(vec![], vec![create(vec![changed("p", "", "1")])], &["introduced a create p:adds"]);
    expect(vec![], vec![as_declared()], &[]);
    expect(vec![create(vec![changed("p", "", "1")])], vec![], &["resolved a create p:removes"]);
    expect(vec![as_declared()], vec![delete()], &["introduced a delete"]);
    expect(vec![delete()], vec![as_declared()], &["resolved a delete"]);
    expect(vec![delete()], vec![delete()], &["pending a delete"]);
    expect(vec![pending()], vec![delete()], &["introduced a delete (instead)"]);
    expect(vec![delete()], vec![pending()], &["introduced a update p:adds (instead)"]);
}

#[test]
fn objects_that_are_made() {
    let removed = |fields| change("a", Action::Create, Reason::RemovedOutside, fields);
    let one = || changed("p", "", "1");
    expect(vec![create(vec![one()])], vec![create(vec![one()])], &["pending a create p:same"]);
    expect(vec![removed(vec![one()])], vec![removed(vec![one()])], &["drift a create p:same"]);
    expect(vec![removed(vec![])], vec![removed(vec![])], &["drift a create"]);
    expect(
        vec![create(vec![one()])],
        vec![create(vec![changed("p", "", "2"), changed("q", "", "1")])],
        &["introduced a create p:further q:adds", "pending a create"],
    );
    let replace = |path: &str| {
        let mut field = changed(path, "1", "2");
        field.replace = true;
        change("a", Action::Replace, Reason::FieldCannotChange { field: path.into() }, vec![field])
    };
    expect(
        vec![update(vec![changed("p", "1", "2")])],
        vec![replace("r")],
        &["introduced a replace p:removes r:adds (instead)"],
    );
    expect(vec![replace("r")], vec![replace("r")], &["pending a replace r:same"]);
    let anew = || change("a", Action::Replace, Reason::Outdated { why: "x".into() }, vec![]);
    expect(vec![anew()], vec![anew()], &["drift a replace"]);
    let repair = || change("a", Action::Repair, Reason::Broken { why: "x".into() }, vec![]);
    expect(vec![repair()], vec![repair()], &["pending a repair"]);
}

#[test]
fn a_resource_under_another_address_is_followed() {
    let renamed = |name: &str, action, reason, fields| Change {
        address: format!("IamRole.{name}").parse().unwrap(),
        ..change("a", action, reason, fields)
    };
    let forgotten = || {
        let reason = Reason::DeclaredAs { address: "IamRole.b".parse().unwrap() };
        change("a", Action::Forget, reason, vec![])
    };
    let adopted = |fields| renamed("b", Action::Adopt, Reason::ExistsWithDifferences, fields);
    // Applied, renamed by head: known by what the state says.
    expect(
        vec![as_declared()],
        vec![forgotten(), adopted(vec![])],
        &["introduced b adopt (renamed)"],
    );
    let undetermined = |path: &str| field(path, "1", "2", Origin::Undetermined);
    expect(
        vec![update(vec![changed("p", "1", "2"), drifted("d", "1", "2")])],
        vec![forgotten(), adopted(vec![undetermined("p"), undetermined("d"), undetermined("i")])],
        &[
            "introduced b adopt i:adds (renamed)",
            "pending b update p:same",
            "drift b update d!:same",
        ],
    );
    // Renamed on base already.
    expect(
        vec![forgotten(), adopted(vec![])],
        vec![forgotten(), adopted(vec![])],
        &["pending a forget", "pending b adopt"],
    );
    // Never applied, renamed by head: known by its object.
    let fields = || vec![changed("p", "", "1")];
    expect(
        vec![create(fields())],
        vec![renamed("b", Action::Create, Reason::Absent, fields())],
        &["introduced b create (renamed)", "pending b create p:same"],
    );
}

#[test]
fn what_fields_do_not_tell() {
    let pending = || update(vec![changed("p", "1", "2")]);
    let guarded = |change: Change| Change { prevent_destroy: true, ..change };
    expect(
        vec![guarded(as_declared())],
        vec![as_declared()],
        &["introduced a no-op (protectionLifted)"],
    );
    expect(
        vec![pending()],
        vec![guarded(pending())],
        &["introduced a update (protectionAdded)", "pending a update p:same"],
    );
    let running = |word: &str| {
        let argv = vec!["aws".into(), word.into()];
        let command = PlannedCommand { title: word.into(), argv, input: None };
        Change { commands: vec![command], ..pending() }
    };
    expect(
        vec![running("x")],
        vec![running("y")],
        &["introduced a update (otherCommands)", "pending a update p:same"],
    );
    let later = Change { depends_on: ["IamRole.z".parse().unwrap()].into(), ..pending() };
    expect(
        vec![pending()],
        vec![later],
        &["introduced a update (otherOrder)", "pending a update p:same"],
    );
    let moved = Change {
        identity: serde_json::from_value(serde_json::json!({"roleName": "other"})).unwrap(),
        ..change("a", Action::Replace, Reason::FieldsDiffer, vec![])
    };
    expect(vec![as_declared()], vec![moved], &["introduced a replace (otherObject)"]);
    let blocker = |code: &str| Blocker { code: code.into(), message: "m".into(), next: "n".into() };
    let blocked = |codes: &[&str]| Change {
        blockers: codes.iter().map(|code| blocker(code)).collect(),
        ..as_declared()
    };
    expect(vec![blocked(&["X"])], vec![blocked(&["X", "Y"])], &["introduced a no-op [Y]"]);
    expect(vec![blocked(&["X"])], vec![as_declared()], &[]);
}

#[test]
fn what_was_seen_differently_is_unknown() {
    expect(
        vec![update(vec![changed("p", "1", "3")])],
        vec![update(vec![changed("p", "2", "3")])],
        &["unknown a update (seenDifferently)"],
    );
    let delta = PlanDelta::of(
        &plan(vec![update(vec![changed("p", "1", "3"), changed("q", "1", "3")])]),
        &plan(vec![update(vec![changed("p", "2", "3"), changed("q", "1", "3")])]),
    );
    assert_eq!(
        delta.unwrap().entries[0].remarks,
        [Remark::SeenDifferently { fields: vec![Path::new("p")] }]
    );
    expect(
        vec![create(vec![changed("p", "", "1")])],
        vec![as_declared()],
        &["unknown a no-op (seenDifferently)"],
    );
    // Only one of them changes the field; the other saw the whole object.
    let path =
        |segments: &[&str]| serde_json::from_value::<Path>(serde_json::json!(segments)).unwrap();
    let sees = |object: serde_json::Value, change: Change| Change {
        before: Some(serde_json::from_value(object).unwrap()),
        ..change
    };
    let at = |segments: &[&str], live: &str, desired: &str| {
        update(vec![FieldChange { path: path(segments), ..changed("", live, desired) }])
    };
    let same = "introduced a update";
    let moved = "unknown a update (seenDifferently)";
    for (seen, change, expected) in [
        (serde_json::json!({"description": "x"}), at(&["description"], "x", "y"), same),
        (serde_json::json!({"description": "z"}), at(&["description"], "x", "y"), moved),
        (serde_json::json!({}), at(&["description"], "x", "y"), same),
        (serde_json::json!({"tags": {"k": "x"}}), at(&["tags", "k"], "x", "y"), same),
        (serde_json::json!({"tags": {"k": "z"}}), at(&["tags", "k"], "x", "y"), moved),
        (serde_json::json!({"tags": {"k": "z"}}), at(&["tags", "k"], "", "y"), moved),
        (serde_json::json!({"tags": {}}), at(&["tags", "k"], "x", "y"), moved),
        (
            serde_json::json!({"managedPolicies": ["p"]}),
            at(&["managedPolicies", "q"], "", "q"),
            same,
        ),
        (
            serde_json::json!({"managedPolicies": ["q"]}),
            at(&["managedPolicies", "q"], "", "q"),
            moved,
        ),
        (serde_json::json!({"managedPolicies": []}), at(&["managedPolicies", "q"], "q", ""), moved),
    ] {
        let lines = told(vec![sees(seen, as_declared())], vec![change]);
        assert!(lines.len() == 1 && lines[0].starts_with(expected), "{lines:?}, not {expected}");
    }
    let unread = || change("a", Action::Unknown, Reason::NotReadable { why: "no".into() }, vec![]);
    expect(vec![as_declared()], vec![unread()], &["unknown a unknown (notPlanned)"]);
    expect(vec![unread()], vec![unread()], &["unknown a unknown (notPlanned) (notPlanned)"]);
    expect(vec![], vec![unread()], &["unknown a unknown (notPlanned)"]);
}

#[test]
fn sensitive_values_count_as_the_same_as_in_a_file() {
    let secret = |text: &str| {
        let mut field = changed("p", "", "");
        field.after = Some(Value::Sensitive(Box::new(text.into())));
        update(vec![field])
    };
    let [one, other] = [secret("canary-one"), secret("canary-two")];
    let told = PlanDelta::of(&plan(vec![one.clone()]), &plan(vec![other])).unwrap();
    let saved: Plan =
        serde_json::from_value(serde_json::to_value(plan(vec![one])).unwrap()).unwrap();
    let json = serde_json::to_string(&told).unwrap();
    assert!(!json.contains("canary"), "{json}");
    assert_eq!(json, serde_json::to_string(&PlanDelta::of(&saved, &saved).unwrap()).unwrap());
}

#[test]
fn plans_of_other_things_are_refused() {
    let base = plan(vec![]);
    let head = Plan { serial: 5, account: "222233334444".into(), ..plan(vec![]) };
    assert_eq!(
        PlanDelta::of(&base, &head).unwrap_err().to_string(),
        "the two plans can't be compared: the account of BASE is 111122223333, that of HEAD is \
         222233334444; the state's serial of BASE is 4, that of HEAD is 5"
    );
    assert!(PlanDelta::of(&base, &Plan { lineage: None, ..plan(vec![]) }).is_err());
    assert!(PlanDelta::of(&base, &Plan { targets: vec!["x".into()], ..plan(vec![]) }).is_err());
    assert!(PlanDelta::of(&base, &Plan { mode: Mode::Destroy, ..plan(vec![]) }).is_err());
}

#[test]
fn the_order_of_changes_does_not_count() {
    let named = |name: &str| change(name, Action::Delete, Reason::NotDeclared, vec![]);
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let forth = told(vec![a.clone()], vec![a.clone(), b.clone(), c.clone()]);
    assert_eq!(forth, told(vec![a.clone()], vec![c, a, b]));
    assert_eq!(forth, ["introduced b delete", "introduced c delete", "pending a delete"]);
}
