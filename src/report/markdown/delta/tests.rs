//! A delta that is too large for a comment.

use serde_json::json;

use super::*;
use crate::plan::delta::PlanDelta;

/// A plan in which roles `names` are destroyed and `changed` get a tag.
fn plan(names: std::ops::Range<usize>, changed: std::ops::Range<usize>) -> Plan {
    let gone = names.map(|at| {
        json!({
            "address": format!("IamRole.gone-{at}"), "identity": {"roleName": format!("gone-{at}")},
            "action": "delete", "reason": {"code": "notDeclared"}, "fields": [],
            "foreign": [], "notes": [], "commands": [], "dependsOn": [], "blockers": [],
        })
    });
    let changed = changed.map(|at| {
        let fields: Vec<_> = ["tags", "description"]
            .into_iter()
            .map(|name| {
                json!({
                    "path": [name, "team"], "before": "someone", "after": "x".repeat(100),
                    "origin": "change", "replace": false,
                })
            })
            .collect();
        json!({
            "address": format!("IamRole.kept-{at}"), "identity": {"roleName": format!("kept-{at}")},
            "action": "update", "reason": {"code": "fieldsDiffer"}, "fields": fields,
            "foreign": [], "notes": [], "commands": [], "dependsOn": [], "blockers": [],
        })
    });
    let changes: Vec<_> = gone.chain(changed).collect();
    serde_json::from_value(json!({
        "formatVersion": crate::plan::FORMAT_VERSION, "stack": "s", "mode": "apply",
        "account": "111122223333", "region": "us-east-2", "lineage": "l", "serial": 4,
        "manifests": "sha256:00", "variables": {}, "targets": [], "outputs": [],
        "changes": changes,
    }))
    .unwrap()
}

#[test]
fn what_does_not_fit_is_said_and_no_destroy_is_left_out() {
    let (base, head) = (plan(0..1_000, 0..2_000), plan(0..9_000, 0..4_000));
    let delta = PlanDelta::of(&base, &head).unwrap();
    assert_eq!((delta.count(Bucket::Introduced), delta.count(Bucket::Pending)), (10_000, 3_000));
    let comment = comment(&delta, &base, &head);
    assert!(comment.len() <= LIMIT, "{} bytes", comment.len());
    assert!(comment.contains("gone-{1000..8999}"), "{}", &comment[..2_000]);
    assert!(!comment.contains("gone-{0.."), "what was pending is not introduced");
    let said = comment.lines().find(|line| line.starts_with("**Left out**")).unwrap();
    assert!(said.contains(" introduced; ") && said.contains("the diffs of 3000 pending"), "{said}");
    // Whatever the order of the changes: the same bytes.
    let mut turned = head.clone();
    turned.changes.reverse();
    let other = PlanDelta::of(&base, &turned).unwrap();
    assert_eq!(comment, super::comment(&other, &base, &turned));
}

#[test]
fn nothing_introduced_is_a_short_comment() {
    let base = plan(0..1, 0..1);
    let delta = PlanDelta::of(&base, &base).unwrap();
    let comment = comment(&delta, &base, &base);
    assert!(comment.contains("### Nothing is introduced: HEAD does what BASE does\n"), "{comment}");
    assert!(!comment.contains("#### Introduced") && comment.contains("#### Pending"));
    assert!(comment.contains("<details><summary>Show what was pending before</summary>"));
}
