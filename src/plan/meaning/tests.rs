use serde_json::json;

use super::*;
use crate::plan::Reason;

fn plan() -> Plan {
    serde_json::from_value(json!({
        "formatVersion": 2,
        "stack": "s",
        "mode": "apply",
        "account": "111122223333",
        "region": "us-east-2",
        "lineage": "l",
        "serial": 4,
        "after": "20300101000000-1",
        "manifests": "sha256:00",
        "variables": {},
        "targets": ["phase.a", "phase.b"],
        "changes": [
            {
                "address": "IamRole.node",
                "phase": "a",
                "identity": {"roleName": "Node"},
                "action": "update",
                "reason": {"code": "fieldsDiffer"},
                "fields": [
                    {"path": ["tags", "x"], "before": null, "after": "1", "origin": "change", "replace": false},
                    {"path": ["tags", "y"], "before": "2", "after": null, "origin": "drift", "replace": false}
                ],
                "foreign": [{"path": ["tags", "theirs"], "value": "3"}],
                "notes": ["a note"],
                "commands": [
                    {"title": "tag it", "argv": ["aws", "iam", "tag-role"], "input": {"a": {"$unknown": "${IamRole.other.arn}"}, "b": {"$sensitive": true}}},
                    {"title": "untag it", "argv": ["aws", "iam", "untag-role"]}
                ],
                "dependsOn": ["IamRole.other"],
                "blockers": []
            },
            {
                "address": "IamRole.other",
                "identity": {"roleName": "Other"},
                "action": "no-op",
                "reason": {"code": "asDeclared"},
                "fields": [], "foreign": [], "notes": [], "commands": [], "dependsOn": [],
                "blockers": []
            }
        ]
    }))
    .unwrap()
}

#[test]
fn order_wording_and_what_others_own_do_not_count() {
    let meaning = plan().meaning();
    let edits: [fn(&mut Plan); 9] = [
        |plan| plan.changes.reverse(),
        |plan| plan.targets.reverse(),
        |plan| plan.changes[0].fields.reverse(),
        |plan| plan.changes[0].reason = Reason::RemovedOutside,
        |plan| plan.changes[0].notes.clear(),
        |plan| plan.changes[0].foreign.clear(),
        |plan| plan.changes[0].phase = None,
        |plan| plan.changes[0].commands[0].title = "another title".into(),
        // The state's history is bound by the saved plan, not by its meaning.
        |plan| plan.serial += 1,
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let mut edited = plan();
        edit(&mut edited);
        assert_ne!(edited, plan(), "edit {index} edits nothing");
        assert_eq!(edited.meaning(), meaning, "edit {index}");
    }
}

#[test]
fn whatever_an_apply_would_do_otherwise_counts() {
    let edits: [fn(&mut Plan); 22] = [
        |plan| plan.mode = Mode::Destroy,
        |plan| plan.stack = "t".into(),
        |plan| plan.account = "444455556666".into(),
        |plan| plan.region = "us-east-1".into(),
        |plan| drop(plan.targets.pop()),
        |plan| plan.targets.push("IamRole.node".into()),
        |plan| drop(plan.changes.pop()),
        |plan| plan.changes.push(plan.changes[0].clone()),
        |plan| plan.changes[0].address = "IamRole.third".parse().unwrap(),
        |plan| plan.changes[0].identity = plan.changes[1].identity.clone(),
        |plan| plan.changes[0].action = Action::Replace,
        |plan| plan.changes[0].fields[0].before = Some("0".into()),
        |plan| plan.changes[0].fields[0].after = Some("2".into()),
        |plan| plan.changes[0].fields[0].after = Some(Value::from_json(&json!(1))),
        |plan| drop(plan.changes[0].fields.pop()),
        |plan| plan.changes[0].commands[0].argv.push("--debug".into()),
        |plan| plan.changes[0].commands[0].input = None,
        |plan| plan.changes[0].commands.reverse(),
        |plan| drop(plan.changes[0].commands.pop()),
        |plan| plan.changes[0].depends_on.clear(),
        |plan| plan.changes[0].prevent_destroy = true,
        |plan| {
            let known = json!({"a": "arn", "b": {"$sensitive": true}});
            plan.changes[0].commands[0].input = Some(Value::from_redacted_json(&known));
        },
    ];
    let mut seen = std::collections::BTreeSet::from([plan().meaning().to_string()]);
    for (index, edit) in edits.into_iter().enumerate() {
        let mut edited = plan();
        edit(&mut edited);
        assert!(seen.insert(edited.meaning().to_string()), "edit {index} does not count");
    }
}

#[test]
fn where_one_word_ends_and_the_next_begins_counts() {
    let with = |argv: &[&str]| {
        let mut plan = plan();
        plan.changes[0].commands[0].argv = argv.iter().map(|&word| word.into()).collect();
        plan.meaning()
    };
    assert_ne!(with(&["aws", "a b"]), with(&["aws", "a", "b"]));
}

#[test]
fn a_secret_is_not_in_the_meaning_and_its_change_is() {
    let secret = |text: &str| Some(Value::Sensitive(Box::new(text.into())));
    let with = |before: Option<Value>, after: Option<Value>| {
        let mut plan = plan();
        plan.changes[0].fields[0].before = before;
        plan.changes[0].fields[0].after = after;
        plan.meaning()
    };
    assert_eq!(with(secret("a"), secret("b")), with(secret("c"), secret("d")));
    let unchanged = {
        let mut plan = plan();
        plan.changes[0].fields.remove(0);
        plan.meaning()
    };
    assert_ne!(with(secret("a"), secret("b")), unchanged);
    assert_ne!(with(None, secret("b")), with(secret("a"), secret("b")));
}

#[test]
fn the_binding_holds_what_the_meaning_leaves_out() {
    let mut edited = plan();
    edited.after = None;
    assert_ne!(edited.binding(), plan().binding());
    let mut edited = plan();
    edited.serial = 5;
    assert_ne!(edited.binding(), plan().binding());
    let mut edited = plan();
    edited.changes[0].notes.clear();
    assert_eq!(edited.binding(), plan().binding());
}

#[test]
fn a_hash_is_approved_whole_or_by_enough_digits() {
    let meaning = plan().meaning();
    let approves = |text: &str| text.parse::<ApprovedHash>().map(|hash| hash.is_of(&meaning));
    let whole = meaning.as_str();
    assert_eq!(approves(whole), Ok(true));
    assert_eq!(approves(&whole[7..]), Ok(true));
    assert_eq!(approves(&whole[..7 + 16]), Ok(true));
    assert_eq!(approves(&whole[7..].to_uppercase()), Ok(true));
    assert_eq!(approves(&"0".repeat(64)), Ok(false));
    assert!(approves(&whole[..7 + 15]).is_err(), "too short");
    assert!(approves(&format!("{whole}0")).is_err(), "too long");
    assert!(approves("").is_err());
    assert!(approves("sha256:").is_err());
    assert!(approves("not a hash at all").is_err());
}
