//! Tests of policies: specs, what is read, and the steps.

use serde_json::json;

use super::*;
use crate::adapter::eks::testing::{call, change, value};
use crate::adapter::{Object, Verb};
use crate::diff::FieldChange;
use crate::value::Map;

mod read;

const THE_ARN: &str = "arn:aws:iam::123456789012:policy/Controller-x";
const GET: &str = "aws iam get-policy --policy-arn arn:aws:iam::123456789012:policy/Controller-x";
const LIST: &str =
    "aws iam list-policy-versions --policy-arn arn:aws:iam::123456789012:policy/Controller-x";

fn get_version(id: &str) -> String {
    format!("aws iam get-policy-version --policy-arn {THE_ARN} --version-id {id}")
}

fn context() -> Context {
    Context {
        name: "controller".into(),
        account: Some("123456789012".into()),
        region: "us-east-2".into(),
        ..Context::default()
    }
}

fn may(action: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    })
}

fn spec(action: &str) -> Json {
    json!({"policyName": "Controller-x", "document": may(action)})
}

fn desired(spec: &Json) -> Desired {
    IamPolicy.desired(&value(spec), &context()).unwrap()
}

fn prior(spec: &Json) -> Prior {
    let desired = desired(spec);
    Prior {
        identity: desired.identity,
        attributes: desired.attributes,
        outputs: desired.outputs,
        settings: desired.settings,
        ..Prior::default()
    }
}

// ---- specs -----------------------------------------------------------------

#[test]
fn a_spec_in_normal_form() {
    let full = json!({
        "policyName": "Controller-x",
        "path": "/lakehouse/",
        "description": "the controller",
        "document": may("ec2:*"),
        "tags": {"team": "data"},
        "exclusive": true,
    });
    let arn = "arn:aws:iam::123456789012:policy/lakehouse/Controller-x";
    let desired = desired(&full);
    assert_eq!(
        desired.identity,
        Identity::new([
            ("policyName", "Controller-x".into()),
            ("path", "/lakehouse/".into()),
            ("arn", arn.into()),
        ])
    );
    assert_eq!(
        Value::Map(desired.attributes).redacted_json(),
        json!({
            "path": "/lakehouse/",
            "description": "the controller",
            "document": may("ec2:*"),
            "tags": {"team": "data"},
        })
    );
    assert_eq!(desired.exclusive, [TAGS].into());
    assert_eq!(desired.outputs, iam::map([("arn", arn.into()), ("name", "Controller-x".into())]));
}

#[test]
fn without_an_account_the_policy_can_not_be_found_yet() {
    let context = Context { account: None, ..context() };
    let desired = IamPolicy.desired(&value(&spec("s3:*")), &context).unwrap();
    assert!(!desired.identity.is_known());
    assert_eq!(
        desired.outputs["arn"],
        Value::Unknown("arn:aws:iam::${account.id}:policy/Controller-x".into())
    );
}

#[test]
fn problems_name_the_place() {
    let with = |key: &str, value: Json| {
        let mut spec = spec("s3:*");
        spec[key] = value;
        spec
    };
    for (spec, path, summary) in [
        (with("policyName", json!("x".repeat(129))), "policyName", "129 characters"),
        (with("path", json!("/a")), "path", "not an IAM path"),
        (with("description", json!("x".repeat(1001))), "description", "1001 characters"),
        (with("tags", json!({"Aws:x": "y"})), "tags[\"Aws:x\"]", "belongs to AWS"),
        (with("document", may(&format!("s3:{}", "x".repeat(6_144)))), "document", "allows 6144"),
        (
            with("document", json!({"Statement": {"Effect": "Allow", "Action": "s3:*"}})),
            "document.Statement",
            "neither `Resource`",
        ),
        (json!({"policyName": "x"}), "", "no `document`"),
    ] {
        let problems = IamPolicy.desired(&value(&spec), &context()).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| problem.path.to_string() == path && problem.summary.contains(summary));
        assert!(found, "{spec}: {problems:#?}");
    }
    let context = Context { external: true, ..context() };
    assert!(IamPolicy.desired(&value(&json!({"policyName": "x"})), &context).is_ok());
}

#[test]
fn the_schema_explains_every_field() {
    let schema = IamPolicy.schema().to_value();
    assert_eq!(schema["additionalProperties"], json!(false));
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}: {property}");
    }
    assert!(jsonschema::is_valid(&schema, &spec("s3:*")));
    assert!(!jsonschema::is_valid(&schema, &json!({"policyName": "x", "documnet": {}})));
}

// ---- steps -----------------------------------------------------------------

/// A version as a fact: its id, the day it was made on, its action.
fn version(id: &str, day: u8, action: &str) -> Value {
    let mut version = iam::map([
        (VERSION_ID, id.into()),
        (IS_DEFAULT, (id == "v3").into()),
        (CREATE_DATE, format!("2024-05-{day:02}T07:08:09Z").into()),
    ]);
    if id != "v3" {
        version.insert(DOCUMENT.into(), value(&may(action)));
    }
    Value::Map(version)
}

fn object(uses: u64, versions: Vec<Value>) -> Object {
    let facts = iam::map([(USES, uses.into()), (VERSIONS, Value::List(versions))]);
    Object { facts, ..Object::default() }
}

fn steps_of(operation: &Operation<'_>) -> Vec<(String, String, Json)> {
    let steps = IamPolicy.steps(operation).unwrap();
    let part = |step: &Step| {
        let (call, input) = call(&step.command);
        (step.title.clone(), call, input)
    };
    steps.iter().map(part).collect()
}

fn update(object: &Object, spec: &Json, changes: &[FieldChange]) -> Vec<(String, String, Json)> {
    let desired = desired(spec);
    steps_of(&Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: Some(object),
        changes,
    })
}

fn another_document() -> Vec<FieldChange> {
    vec![change(&[DOCUMENT], Some(value(&may("s3:3"))), Some(value(&may("s3:*"))))]
}

fn created() -> (String, String, Json) {
    (
        "create a new default version of Controller-x".into(),
        "iam create-policy-version".into(),
        json!({
            "PolicyArn": THE_ARN,
            "PolicyDocument": may("s3:*").to_string(),
            "SetAsDefault": true,
        }),
    )
}

#[test]
fn a_policy_is_made_with_one_call() {
    let desired = desired(&json!({
        "policyName": "Controller-x",
        "description": "the controller",
        "document": may("s3:*"),
        "tags": {"team": "data"},
    }));
    let steps = steps_of(&Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: None,
        changes: &[],
    });
    assert_eq!(
        steps,
        [(
            "create the policy Controller-x".into(),
            "iam create-policy".into(),
            json!({
                "PolicyName": "Controller-x",
                "Path": "/",
                "Description": "the controller",
                "PolicyDocument": may("s3:*").to_string(),
                "Tags": [{"Key": "team", "Value": "data"}],
            })
        )]
    );
}

#[test]
fn a_new_document_is_a_new_version() {
    let object = object(1, vec![version("v3", 3, ""), version("v2", 2, "s3:2")]);
    assert_eq!(update(&object, &spec("s3:*"), &another_document()), [created()]);
}

#[test]
fn at_five_versions_the_oldest_idle_one_makes_room() {
    let deleted = |id: &str| {
        (
            format!("delete version {id} of Controller-x, the oldest that is not in use"),
            "iam delete-policy-version".to_owned(),
            json!({"PolicyArn": THE_ARN, "VersionId": id}),
        )
    };
    let five = |days: [u8; 5]| {
        let ids = ["v12", "v9", "v10", "v3", "v11"];
        let versions = ids.iter().zip(days).map(|(id, day)| version(id, day, "s3:x")).collect();
        object(1, versions)
    };
    // by date, whatever the number; the default (v3) is the oldest of all
    let by_date = update(&five([5, 4, 2, 1, 3]), &spec("s3:*"), &another_document());
    assert_eq!(by_date, [deleted("v10"), created()]);
    // by number where the dates are the same: 9 comes before 10
    let by_number = update(&five([2, 2, 2, 1, 2]), &spec("s3:*"), &another_document());
    assert_eq!(by_number, [deleted("v9"), created()]);
}

#[test]
fn a_version_that_means_the_same_is_promoted() {
    let versions = vec![
        version("v5", 5, "s3:5"),
        version("v4", 4, "S3:*"),
        version("v3", 3, ""),
        version("v2", 2, "s3:*"),
        version("v1", 1, "s3:1"),
    ];
    assert_eq!(
        update(&object(1, versions), &spec("s3:*"), &another_document()),
        [(
            "make version v4 of Controller-x the default: it is the same document".into(),
            "iam set-default-policy-version".into(),
            json!({"PolicyArn": THE_ARN, "VersionId": "v4"}),
        )]
    );
}

#[test]
fn tags_change_without_a_new_version() {
    let changes = [
        change(&[TAGS, "a"], None, Some("1".into())),
        change(&[TAGS, "b"], Some("1".into()), None),
        change(&[TAGS, "c"], Some("1".into()), None),
    ];
    assert_eq!(
        update(&object(0, vec![]), &spec("s3:*"), &changes),
        [
            (
                "tag Controller-x with a".into(),
                "iam tag-policy".into(),
                json!({"PolicyArn": THE_ARN, "Tags": [{"Key": "a", "Value": "1"}]}),
            ),
            (
                "remove the tags b, c from Controller-x".into(),
                "iam untag-policy".into(),
                json!({"PolicyArn": THE_ARN, "TagKeys": ["b", "c"]}),
            ),
        ]
    );
}

#[test]
fn a_delete_removes_the_idle_versions_first() {
    let prior = prior(&spec("s3:*"));
    let object = object(2, vec![version("v3", 3, ""), version("v2", 2, ""), version("v1", 1, "")]);
    let steps = steps_of(&Operation {
        verb: Verb::Delete,
        identity: &prior.identity,
        desired: None,
        prior: Some(&prior),
        object: Some(&object),
        changes: &[],
    });
    let version = |id: &str| {
        (
            format!("delete version {id} of Controller-x"),
            "iam delete-policy-version".to_owned(),
            json!({"PolicyArn": THE_ARN, "VersionId": id}),
        )
    };
    assert_eq!(
        steps,
        [
            version("v1"),
            version("v2"),
            (
                "delete the policy Controller-x".into(),
                "iam delete-policy".into(),
                json!({"PolicyArn": THE_ARN}),
            ),
        ]
    );
}

#[test]
fn a_policy_in_use_is_not_made_anew() {
    let mut spec = spec("s3:*");
    spec[DESCRIPTION] = json!("new");
    let desired = desired(&spec);
    let replace = |object: &Object| {
        IamPolicy.steps(&Operation {
            verb: Verb::Delete,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: Some(object),
            changes: &[],
        })
    };
    let blockers = replace(&object(1, vec![])).unwrap_err();
    assert_eq!(blockers[0].code, "PolicyInUse");
    assert!(blockers[0].next.contains(&format!("--policy-arn {THE_ARN}")));
    assert_eq!(replace(&object(0, vec![])).unwrap().len(), 1);
}

#[test]
fn parts_that_are_not_known_yet() {
    let context = Context { account: None, ..context() };
    let spec = Map::from([
        (POLICY_NAME.into(), Value::Unknown("Controller-${var.cluster}".into())),
        (DOCUMENT.into(), value(&may("s3:*"))),
    ]);
    let desired = IamPolicy.desired(&Value::Map(spec), &context).unwrap();
    assert_eq!(
        desired.identity.0[ARN],
        Value::Unknown("arn:aws:iam::${account.id}:policy/Controller-${var.cluster}".into())
    );
}

#[test]
fn a_name_is_taken_whatever_its_case_and_path() {
    let applied = prior(&json!({"policyName": "Controller", "document": may("s3:*")}));
    let claims = |name: &str, path: &str| {
        let spec = json!({"policyName": name, "path": path, "document": may("s3:*")});
        let desired = desired(&spec);
        IamPolicy.claims(&desired.identity, &desired.attributes)
    };
    assert_eq!(claims("CONTROLLER", "/lake/")[0], claims("controller", "/")[0]);
    // A policy in another path is another one, and this one still goes.
    let left = |other: &[String]| IamPolicy.without(&applied, &|c| other.iter().any(|o| o == c));
    assert_eq!(left(&claims("controller", "/lake/")), Some(applied.clone()));
    assert_eq!(left(&claims("controller", "/")), None);
}
