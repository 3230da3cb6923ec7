use serde_json::json;

use std::collections::BTreeMap;

use super::*;
use crate::command::Command;

#[test]
fn a_planned_command_allows_itself_and_what_was_unknown() {
    let step =
        |input: Value| Step::new("create", Command::aws_write("eks", "create-access-entry", input));
    let map = |id: Value| Value::Map(Map::from([("roleId".into(), id), ("n".into(), "x".into())]));
    let planned = PlannedCommand::of(&step(map(Value::Unknown("${a.b.c}".into()))));
    assert!(planned.allows(&step(map("AROA".into()))));
    let planned = PlannedCommand::of(&step(map("AROA".into())));
    assert!(planned.allows(&step(map("AROA".into()))));
    assert!(!planned.allows(&step(map("AROB".into()))), "another value");
    assert!(!planned.allows(&step(Value::from_json(&json!({"roleId": "AROA"})))), "less");
}

#[test]
fn an_unknown_member_of_a_list_may_be_several() {
    let unknown = || Value::Unknown("${a.b.ids}".into());
    let list = |members: &[&str]| Value::List(members.iter().map(|&one| one.into()).collect());
    let planned = |members: Vec<Value>| Value::List(members);
    let one = planned(vec!["a".into(), unknown(), "z".into()]);
    for actual in [&["a", "z"][..], &["a", "b", "z"], &["a", "b", "c", "z"], &["a", "z", "z"]] {
        assert!(covers(&one, &list(actual)), "{actual:?}");
    }
    for actual in [&[][..], &["a"], &["z"], &["b", "a", "z"], &["a", "b"], &["a", "z", "b"]] {
        assert!(!covers(&one, &list(actual)), "{actual:?}");
    }
    let two = planned(vec![unknown(), "m".into(), unknown()]);
    assert!(covers(&two, &list(&["a", "m", "m", "b"])) && covers(&two, &list(&["m"])));
    assert!(!covers(&two, &list(&["a", "b"])) && !covers(&list(&["a"]), &list(&["a", "a"])));
}

#[test]
fn a_command_with_another_secret_is_another_command() {
    let step = |secret: &str| {
        let secret = Value::Sensitive(Box::new(secret.into()));
        let input = Value::Map(Map::from([("password".into(), secret)]));
        Step::new("create", Command::aws_write("eks", "create-access-entry", input))
    };
    assert!(PlannedCommand::of(&step("one")).allows(&step("one")));
    assert!(!PlannedCommand::of(&step("one")).allows(&step("two")));
}

#[test]
fn what_is_replaced_because_of_drift_is_drift() {
    let change = |name: &str, reason: Reason| Change {
        address: name.parse().unwrap(),
        phase: None,
        identity: Identity::default(),
        action: Action::Replace,
        reason,
        fields: vec![],
        foreign: vec![],
        before: None,
        after: None,
        notes: vec![],
        commands: vec![],
        depends_on: BTreeSet::new(),
        prevent_destroy: false,
        blockers: vec![],
    };
    let bound = |name: &str| Reason::BoundTo { address: name.parse().unwrap() };
    let mut plan = Plan {
        format_version: FORMAT_VERSION,
        stack: "s".into(),
        mode: Mode::Apply,
        account: String::new(),
        region: String::new(),
        lineage: Some("l".into()),
        serial: 1,
        after: None,
        manifests: Digest::of(b"m"),
        variables: Map::new(),
        targets: vec![],
        changes: vec![
            change("IamRole.gone", Reason::RemovedOutside),
            change("EksAccessEntry.of-gone", bound("IamRole.gone")),
            change("EksAccessEntry.outdated", Reason::Outdated { why: String::new() }),
            change("IamRole.edited", Reason::FieldCannotChange { field: "path".into() }),
            change("EksAccessEntry.of-edited", bound("IamRole.edited")),
        ],
        outputs: vec![],
    };
    let drifted = |plan: &Plan| -> Vec<String> {
        plan.drifted().map(|change| change.address.to_string()).collect()
    };
    assert_eq!(
        drifted(&plan),
        ["IamRole.gone", "EksAccessEntry.of-gone", "EksAccessEntry.outdated"]
    );
    plan.lineage = None;
    assert!(!drifted(&plan).contains(&"EksAccessEntry.outdated".to_owned()));
    // A plan that someone wrote by hand may go in a circle.
    plan.changes = vec![
        change("EksAccessEntry.one", bound("EksAccessEntry.two")),
        change("EksAccessEntry.two", bound("EksAccessEntry.one")),
    ];
    assert_eq!(drifted(&plan), Vec::<String>::new());
}

#[test]
fn the_summary_counts_a_replace_twice() {
    let summary = Summary(BTreeMap::from([(Action::Replace, 1), (Action::Adopt, 2)]));
    assert_eq!(summary.to_string(), "Plan: 1 to add, 0 to change, 1 to destroy, 2 to adopt.");
}
