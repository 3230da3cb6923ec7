//! Tables of the comparison itself, and of what is made of its result.

use serde_json::json;

use super::*;

const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "set", rule: Rule::Set, on_change: OnChange::Update },
    Attribute { name: "tags", rule: Rule::Entries, on_change: OnChange::Update },
    Attribute { name: "text", rule: Rule::Exact, on_change: OnChange::Update },
];

fn map(json: &serde_json::Value) -> Map {
    Value::from_json(json).as_map().cloned().unwrap()
}

#[test]
fn what_is_ignored_is_written_as_it_is() {
    const TREE: &[Attribute] = &[
        Attribute { name: "values", rule: Rule::Tree, on_change: OnChange::Update },
        Attribute { name: "document", rule: Rule::Exact, on_change: OnChange::Update },
        Attribute { name: "text", rule: Rule::Exact, on_change: OnChange::Update },
    ];
    let desired = map(&json!({
        "values": {"replicas": 1, "gone": {"x": 1}, "list": [1], "other": true},
        "document": {"a": 1},
        "text": "ours",
    }));
    let live = map(&json!({
        "values": {"replicas": 3, "theirs": {"deep": 1, "not": 2}, "list": [2], "gone": {}},
        "document": {"a": 2},
        "text": "theirs",
    }));
    let paths = [
        &["values", "replicas"][..],
        &["values", "gone", "x"],
        &["values", "theirs", "deep"],
        &["values", "neither", "nor"],
        // Compared as a whole: what is below one is no field.
        &["values", "list", "0"],
        &["document", "a"],
        &["text"],
    ];
    let path = |segments: &&[&str]| {
        let (first, rest) = segments.split_first().unwrap();
        rest.iter().fold(Path::new(*first), |path, segment| path.join(*segment))
    };
    let ignore: Vec<Path> = paths.iter().map(path).collect();
    let kept = keep_ignored(TREE, &desired, &live, &ignore);
    let expected = map(&json!({
        "values": {
            "replicas": 3, "gone": {}, "list": [1], "other": true, "theirs": {"deep": 1},
        },
        "document": {"a": 1},
        "text": "theirs",
    }));
    assert_eq!(kept, expected);
    // And what is then written leaves nothing to see.
    let differences = |desired: &Map| {
        let sides = Sides { desired, prior: Some(desired), live: &live };
        compare(TREE, &BTreeSet::new(), sides, &ignore)
    };
    assert_eq!(differences(&kept).changes.len(), differences(&desired).changes.len());
}

#[test]
fn members_that_are_not_known_yet_are_told_apart() {
    let unknown = |expression: &str| Value::Unknown(expression.into());
    let set = vec![unknown("${A.a.arn}"), unknown("${A.b.arn}"), "known".into()];
    let desired = Map::from([("set".into(), Value::List(set))]);
    let live = map(&json!({"set": ["known"]}));
    let sides = Sides { desired: &desired, prior: None, live: &live };
    let found = compare(ATTRIBUTES, &BTreeSet::new(), sides, &[]);
    let shown: Vec<_> = found
        .changes
        .iter()
        .map(|change| (change.path.to_string(), change.after.clone()))
        .collect();
    assert_eq!(
        shown,
        [
            (r#"set["${A.a.arn}"]"#.to_owned(), Some(unknown("${A.a.arn}"))),
            (r#"set["${A.b.arn}"]"#.to_owned(), Some(unknown("${A.b.arn}"))),
        ]
    );
}

#[test]
fn what_is_still_to_go_is_remembered_after_half_an_update() {
    let prior = map(&json!({
        "set": ["gone", "stays", "to-go"], "tags": {"a": "1", "old": "x"}, "text": "before",
    }));
    let desired = map(
        &json!({"set": ["came", "missing", "stays"], "tags": {"a": "2", "b": "3"}, "text": "after"}),
    );
    let live = map(&json!({
        "set": ["came", "others", "stays", "to-go"],
        "tags": {"a": "1", "b": "3", "old": "x", "theirs": "y"},
        "text": "before",
    }));
    let compared = |prior: &Map| {
        let sides = Sides { desired: &desired, prior: Some(prior), live: &live };
        compare(ATTRIBUTES, &BTreeSet::new(), sides, &[])
    };
    let found = compared(&prior);
    let remembered = reached(&desired, Some(&prior), &found.changes);
    assert_eq!(
        remembered,
        map(&json!({
            "set": ["came", "stays", "to-go"],
            "tags": {"a": "1", "b": "3", "old": "x"},
            "text": "before",
        }))
    );
    // The next plan finds the same left to do, and nothing more.
    let paths = |found: &Comparison| {
        found.changes.iter().map(|change| change.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&compared(&remembered)), paths(&found));
    assert_eq!(compared(&remembered).foreign, found.foreign);
    assert_eq!(reached(&desired, None, &[]), desired);
}
