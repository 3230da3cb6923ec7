use serde_json::{Value as Json, json};

use super::*;

/// A plan of changes: address, action, what it depends on.
fn plan(changes: &[(&str, &str, &str)]) -> Plan {
    let changes: Vec<Json> = changes
        .iter()
        .map(|(address, action, on)| {
            let on: Vec<&str> = on.split_whitespace().collect();
            json!({
                "address": address, "phase": "one", "identity": {"name": "x"}, "action": action,
                "reason": {"code": "fieldsDiffer"}, "fields": [], "foreign": [], "notes": [],
                "commands": [], "dependsOn": on, "blockers": [],
            })
        })
        .collect();
    serde_json::from_value(json!({
        "formatVersion": crate::plan::FORMAT_VERSION, "stack": "s", "mode": "apply",
        "account": "1", "region": "r", "lineage": null, "serial": 0,
        "manifests": format!("sha256:{}", "0".repeat(64)), "variables": {}, "targets": [],
        "changes": changes,
    }))
    .unwrap()
}

#[test]
fn the_policy_allows_the_very_style_and_script() {
    let page = page(&plan(&[("IamRole.a", "create", "")]));
    let between = |from: &str, to: &str| {
        let (_, after) = page.split_once(from).unwrap();
        after.split_once(to).unwrap().0.to_owned()
    };
    let policy = between("Content-Security-Policy\" content=\"", "\">");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains(&source(&between("<style>", "</style>"))));
    assert!(policy.contains(&source(&between("<script>", "</script>"))));
    assert!(!policy.contains("unsafe"), "{policy}");
    for outside in ["http:", "https:", "url(", "@import", "style=\"", "onclick", "innerHTML"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(!page.contains("{{"), "a part of the template was not filled");
}

#[test]
fn the_order_of_changes_that_depend_on_nothing_moves_no_lane() {
    let one = plan(&[("IamRole.a", "create", ""), ("IamRole.b", "update", "IamRole.a")]);
    assert_eq!(page(&one), page(&one.clone()));
    let page = page(&one);
    assert_eq!(page.matches("<path class=\"edge").count(), 1);
    assert_eq!(page.matches("role=\"button\"").count(), 2);
}

#[test]
fn many_that_stay_are_one_box() {
    let names: Vec<String> = (0..200).map(|at| format!("IamRole.r{at}")).collect();
    let mut changes: Vec<(&str, &str, &str)> =
        names.iter().map(|name| (name.as_str(), "no-op", "")).collect();
    changes.push(("S3Bucket.lake", "delete", "IamRole.r7"));
    let page = page(&plan(&changes));
    assert_eq!(page.matches("role=\"button\"").count(), 2);
    assert!(page.contains("200 unchanged"));
    assert_eq!(page.matches("<path class=\"edge").count(), 1, "the box depends as its members do");
    assert_eq!(page.matches("<li class=\"item").count(), 201, "the list has each");
}
