//! Tables of answers to live values, and of operations to commands.

use serde_json::{Value as Json, json};

use super::*;
use crate::adapter::eks::testing::{call, change, ok, present, read, value};

fn context() -> Context {
    Context { name: "discovery".into(), ..Context::default() }
}

fn desired(spec: &Json) -> Desired {
    Ec2Tags.desired(&value(spec), &context()).unwrap()
}

fn karpenter() -> Desired {
    desired(&json!({
        "resources": [["subnet-0b0b0b0b0", "subnet-0a0a0a0a0"], "sg-0c0c0c0c0", "sg-0c0c0c0c0"],
        "tags": {"karpenter.sh/discovery": "demo"},
    }))
}

fn steps(
    verb: Verb,
    desired: Option<&Desired>,
    prior: Option<&Prior>,
    object: Option<&Object>,
    changes: &[crate::diff::FieldChange],
) -> Vec<(String, (String, Json))> {
    let identity = Identity::new([("name", "discovery".into())]);
    let operation = Operation { verb, identity: &identity, desired, prior, object, changes };
    let steps = Ec2Tags.steps(&operation).unwrap();
    steps.iter().map(|step| (step.title.clone(), call(&step.command))).collect()
}

const DESCRIBE: &str = "aws ec2 describe-tags \
    --filters Name=resource-id,Values=sg-0c0c0c0c0,subnet-0a0a0a0a0,subnet-0b0b0b0b0 \
    Name=key,Values=karpenter.sh/discovery";

fn tag(id: &str, key: &str, value: &str) -> Json {
    json!({"Key": key, "ResourceId": id, "ResourceType": "subnet", "Value": value})
}

#[test]
fn lists_are_flattened_and_pairs_claimed() {
    let desired = karpenter();
    assert_eq!(
        Value::Map(desired.attributes.clone()),
        value(&json!({"tags": {
            "sg-0c0c0c0c0": {"karpenter.sh/discovery": "demo"},
            "subnet-0a0a0a0a0": {"karpenter.sh/discovery": "demo"},
            "subnet-0b0b0b0b0": {"karpenter.sh/discovery": "demo"},
        }}))
    );
    let claims = Ec2Tags.claims(&desired.identity, &desired.attributes);
    assert_eq!(claims.len(), 3);
    assert_eq!(claims[0], "ec2 tag sg-0c0c0c0c0 karpenter.sh/discovery");
    assert_eq!(desired.identity.to_string(), "name=discovery");
}

#[test]
fn unknown_resources_make_everything_unknown_but_the_command() {
    let unknown = Value::Unknown("${EksCluster.main.subnetIds}".into());
    let spec = Value::Map(Map::from([
        ("resources".into(), vec![unknown.clone(), "sg-0c0c0c0c0".into()].into()),
        ("tags".into(), value(&json!({"a": "b"}))),
    ]));
    let desired = Ec2Tags.desired(&spec, &context()).unwrap();
    assert_eq!(desired.attributes["tags"], unknown);
    assert!(
        !desired.identity.is_known()
            && Ec2Tags.claims(&desired.identity, &desired.attributes).is_empty()
    );
    let created = steps(Verb::Create, Some(&desired), None, None, &[]);
    let (_, (operation, input)) = &created[0];
    assert_eq!(operation, "ec2 create-tags");
    assert_eq!(
        *input,
        json!({
            "Resources": {"$unknown": "[${EksCluster.main.subnetIds}, sg-0c0c0c0c0]"},
            "Tags": [{"Key": "a", "Value": "b"}],
        })
    );
}

#[test]
fn one_command_reads_and_only_declared_pairs_count() {
    let desired = karpenter();
    let answer = ok(&json!({"Tags": [
        tag("subnet-0a0a0a0a0", "karpenter.sh/discovery", "demo"),
        tag("subnet-0b0b0b0b0", "karpenter.sh/discovery", ""),
        tag("subnet-0a0a0a0a0", "karpenter.sh/discoveryX", "other"),
        tag("subnet-0f0f0f0f0", "karpenter.sh/discovery", "other"),
    ]}));
    let (live, rounds) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, answer)]);
    assert_eq!(rounds, [vec![DESCRIBE.to_owned()]]);
    assert_eq!(
        Value::Map(present(live).attributes),
        value(&json!({"tags": {
            "subnet-0a0a0a0a0": {"karpenter.sh/discovery": "demo"},
            "subnet-0b0b0b0b0": {"karpenter.sh/discovery": ""},
        }}))
    );
    let none = ok(&json!({"Tags": []}));
    let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, none)]);
    assert_eq!(live, Ok(Live::Absent));
    let partial = ok(&json!({"Tags": [], "NextToken": "more"}));
    let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, partial)]);
    assert!(live.is_err());
}

#[test]
fn what_was_applied_is_read_too() {
    let desired = desired(&json!({"resources": ["subnet-0a0a0a0a0"], "tags": {"new": "1"}}));
    let prior = Prior {
        attributes: Map::from([("tags".into(), value(&json!({"subnet-0b0b0b0b0": {"old": "1"}})))]),
        ..Prior::default()
    };
    let asked = "aws ec2 describe-tags \
        --filters Name=resource-id,Values=subnet-0a0a0a0a0,subnet-0b0b0b0b0 \
        Name=key,Values=new,old";
    let answer = ok(&json!({"Tags": [
        tag("subnet-0b0b0b0b0", "old", "1"),
        tag("subnet-0b0b0b0b0", "new", "someone else's"),
    ]}));
    let (live, _) = read(&Ec2Tags, Some(&desired), Some(&prior), &[(asked, answer)]);
    let tags = &present(live).attributes["tags"];
    assert_eq!(*tags, value(&json!({"subnet-0b0b0b0b0": {"old": "1"}})));
}

#[test]
fn keys_that_a_filter_would_misread_are_not_filtered_by() {
    for key in ["a,b", "a*", "what?", "a=b", "\"q\"", " lead", "[x]", "back\\slash"] {
        let desired = desired(&json!({"resources": ["vol-0a0a0a0a0"], "tags": {key: "1"}}));
        let asked = "aws ec2 describe-tags --filters Name=resource-id,Values=vol-0a0a0a0a0";
        let answer = ok(&json!({"Tags": [tag("vol-0a0a0a0a0", key, "1")]}));
        let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(asked, answer)]);
        assert_eq!(present(live).attributes, desired.attributes);
    }
}

#[test]
fn more_resources_than_a_filter_takes_are_read_side_by_side() {
    let ids: Vec<String> = (0..450).map(|n| format!("subnet-{n:08x}")).collect();
    let desired = desired(&json!({"resources": [ids], "tags": {"a": "1"}}));
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    let Ok(Reading::Ask(commands)) = Ec2Tags.read(&subject, &Answers::default()) else {
        panic!("it does not ask");
    };
    assert_eq!(commands.len(), 3);
}

#[test]
fn creating_groups_resources_with_the_same_tags() {
    let desired = karpenter();
    assert_eq!(
        steps(Verb::Create, Some(&desired), None, None, &[]),
        [(
            "tag 3 resources: karpenter.sh/discovery".to_owned(),
            (
                "ec2 create-tags".to_owned(),
                json!({
                    "Resources": ["sg-0c0c0c0c0", "subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
                    "Tags": [{"Key": "karpenter.sh/discovery", "Value": "demo"}],
                })
            )
        )]
    );
    let ids: Vec<String> = (0..1001).map(|n| format!("subnet-{n:08x}")).collect();
    let many = self::desired(&json!({"resources": [ids], "tags": {"a": "1"}}));
    assert_eq!(steps(Verb::Create, Some(&many), None, None, &[]).len(), 3);
}

#[test]
fn updating_names_only_what_changes_and_deletes_by_value() {
    let desired = karpenter();
    let changes = [
        change(&["tags", "subnet-0a0a0a0a0", "k"], None, Some("v".into())),
        change(&["tags", "subnet-0b0b0b0b0", "k"], Some("w".into()), Some("v".into())),
        change(&["tags", "subnet-0a0a0a0a0", "old"], Some("1".into()), None),
        change(&["tags", "subnet-0b0b0b0b0", "old"], Some("2".into()), None),
    ];
    let calls: Vec<_> = steps(Verb::Update, Some(&desired), None, None, &changes)
        .into_iter()
        .map(|(_, call)| call)
        .collect();
    assert_eq!(
        calls,
        [
            (
                "ec2 create-tags".to_owned(),
                json!({
                    "Resources": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
                    "Tags": [{"Key": "k", "Value": "v"}],
                })
            ),
            (
                "ec2 delete-tags".to_owned(),
                json!({
                    "Resources": ["subnet-0a0a0a0a0"],
                    "Tags": [{"Key": "old", "Value": "1"}],
                })
            ),
            (
                "ec2 delete-tags".to_owned(),
                json!({
                    "Resources": ["subnet-0b0b0b0b0"],
                    "Tags": [{"Key": "old", "Value": "2"}],
                })
            ),
        ]
    );
}

#[test]
fn deleting_takes_our_keys_with_their_live_values() {
    let tags = |json: Json| Map::from([("tags".to_owned(), value(&json))]);
    let prior = Prior {
        attributes: tags(
            json!({"sg-0a0a0a0a0": {"a": "1", "gone": "1"}, "sg-0b0b0b0b0": {"a": "1"}}),
        ),
        ..Prior::default()
    };
    let object = Object {
        attributes: tags(json!({"sg-0a0a0a0a0": {"a": "changed", "other": "x"}})),
        ..Object::default()
    };
    let calls = steps(Verb::Delete, None, Some(&prior), Some(&object), &[]);
    assert_eq!(
        calls,
        [(
            "remove tags from sg-0a0a0a0a0: a".to_owned(),
            (
                "ec2 delete-tags".to_owned(),
                json!({
                    "Resources": ["sg-0a0a0a0a0"],
                    "Tags": [{"Key": "a", "Value": "changed"}],
                })
            )
        )]
    );
}

#[test]
fn what_others_claim_is_left_out_of_what_was_applied() {
    let prior = |tags: &Json| Prior {
        identity: Identity::new([("name", "discovery".into())]),
        attributes: Map::from([("tags".to_owned(), value(tags))]),
        ..Prior::default()
    };
    let applied = prior(&json!({"sg-0a0a0a0a0": {"a": "1", "b": "1"}, "sg-0b0b0b0b0": {"a": "1"}}));
    let without = |claims: &[&str]| Ec2Tags.without(&applied, &|claim| claims.contains(&claim));
    assert_eq!(
        without(&["ec2 tag sg-0a0a0a0a0 b", "ec2 tag sg-0b0b0b0b0 a", "ec2 tag sg-0b0b0b0b0 b"]),
        Some(prior(&json!({"sg-0a0a0a0a0": {"a": "1"}})))
    );
    assert_eq!(without(&["ec2 tag sg-0c0c0c0c0 a"]), Some(applied.clone()));
    assert_eq!(
        without(&["ec2 tag sg-0a0a0a0a0 a", "ec2 tag sg-0a0a0a0a0 b", "ec2 tag sg-0b0b0b0b0 a"]),
        None
    );
}

#[test]
fn problems_are_all_told_and_secrets_are_not() {
    let external = Context { external: true, ..context() };
    let long = "x".repeat(128);
    let spec = Value::Map(Map::from([
        (
            "resources".into(),
            vec!["i-XYZ".into(), Value::Sensitive(Box::new("canary-1".into()))].into(),
        ),
        (
            "tags".into(),
            Value::Map(Map::from([
                ("AWS:x".into(), "1".into()),
                (long, "1".into()),
                ("v".into(), "y".repeat(257).into()),
                ("s".into(), Value::Sensitive(Box::new("canary-2".into()))),
            ])),
        ),
    ]));
    let problems = Ec2Tags.desired(&spec, &external).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|p| p.path.segments().join(".")).collect();
    assert_eq!(problems.len(), 7, "{problems:?}");
    for path in ["resources.0", "resources.1", "tags.AWS:x", "tags.v", "tags.s"] {
        assert!(paths.iter().any(|p| p == path), "{path}: {paths:?}");
    }
    assert!(!format!("{problems:?}").contains("canary"));
    let nothing = value(&json!({"resources": [[]], "tags": {"a": "1"}}));
    let problems = Ec2Tags.desired(&nothing, &context()).unwrap_err();
    assert_eq!(problems[0].summary, "there are no resources to tag");
    for id in ["subnet-0a1b2c3d4e5f60718", "i-0a0a0a0a", "tgw-attach-0a0a0a0a0a0a0a0a0"] {
        assert!(is_resource_id(id), "{id}");
    }
    for id in ["", "subnet", "subnet-", "-0a0a0a0a0", "subnet-xyz12345", "a-0a0a0a0a0,b"] {
        assert!(!is_resource_id(id), "{id}");
    }
}
