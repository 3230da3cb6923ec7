use serde_json::json;

use super::*;

#[test]
fn a_spec_in_normal_form() {
    let desired = desired(&full());
    assert_eq!(desired.identity.to_string(), "roleName=KarpenterNodeRole-x");
    assert!(desired.exclusive.is_empty());
    assert_eq!(
        Value::Map(desired.attributes).redacted_json(),
        json!({
            "path": "/lakehouse/",
            "description": "the nodes",
            "trustPolicy": trust("ec2.amazonaws.com"),
            "managedPolicies": [aws("A"), aws("B")],
            "inlinePolicies": {"queue": may("sqs:*"), "bucket": may("s3:*")},
            "tags": {"team": "data", "cost": "7"},
            "permissionsBoundary": aws("Boundary"),
            "maxSessionDuration": 7200,
        })
    );
    assert_eq!(
        Value::Map(desired.outputs).redacted_json(),
        json!({
            "arn": "arn:aws:iam::123456789012:role/lakehouse/KarpenterNodeRole-x",
            "name": "KarpenterNodeRole-x",
        })
    );
}

#[test]
fn what_is_not_declared_is_not_there() {
    let desired = desired(&spec(json!({})));
    assert_eq!(desired.attributes.keys().collect::<Vec<_>>(), [PATH, TRUST_POLICY]);
    assert_eq!(desired.attributes[PATH], "/".into());
}

#[test]
fn the_arn_follows_from_account_partition_and_path() {
    let arn = |region: &str, account: Option<&str>, fields: Json| {
        let context =
            Context { region: region.into(), account: account.map(str::to_owned), ..context() };
        IamRole.desired(&spec(fields), &context).unwrap().outputs["arn"].clone()
    };
    for (region, partition) in [
        ("us-east-2", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ] {
        let expected = format!("arn:{partition}:iam::{ACCOUNT}:role/KarpenterNodeRole-x");
        assert_eq!(arn(region, Some(ACCOUNT), json!({})), expected.into());
    }
    assert_eq!(
        arn("us-east-2", None, json!({"path": "/a/"})),
        Value::Unknown("arn:aws:iam::${account.id}:role/a/KarpenterNodeRole-x".into())
    );
}

#[test]
fn an_external_role_needs_only_its_name() {
    let context = Context { external: true, ..context() };
    let desired = IamRole.desired(&spec(json!({"trustPolicy": null})), &context).unwrap();
    assert!(desired.attributes.is_empty());
    assert!(!desired.outputs.contains_key("arn"), "its path is not known before it is read");
}

#[test]
fn exclusive_lists() {
    let lists = |exclusive: Json| desired(&spec(json!({"exclusive": exclusive})));
    assert!(lists(json!(false)).exclusive.is_empty());
    let all = lists(json!(true));
    assert_eq!(all.exclusive, BTreeSet::from([MANAGED_POLICIES, INLINE_POLICIES, TAGS]));
    assert_eq!(all.attributes[TAGS], Value::map(), "not declared means none");
    let some = lists(json!(["tags"]));
    assert_eq!(some.exclusive, BTreeSet::from([TAGS]));
    assert!(!some.attributes.contains_key(MANAGED_POLICIES));
    assert_eq!(some.settings[EXCLUSIVE], value(&json!(["tags"])));
}

#[test]
fn unknown_parts_stay_unknown() {
    let mut spec = full().as_map().unwrap().clone();
    spec.insert("roleName".into(), Value::Unknown("${var.name}".into()));
    spec.insert(
        MANAGED_POLICIES.into(),
        Value::List(vec![Value::Unknown("${IamPolicy.a.arn}".into())]),
    );
    let desired = desired(&Value::Map(spec));
    assert!(!desired.identity.is_known());
    assert!(desired.attributes[MANAGED_POLICIES].has_unknown());
    assert!(desired.outputs["arn"].has_unknown());
}

#[test]
fn problems_name_the_place() {
    let long = "x".repeat(65);
    let statement = |statement: Json| json!({"trustPolicy": {"Statement": [statement]}});
    for (fields, path, summary) in [
        (json!({"roleName": ""}), "roleName", "0 characters"),
        (json!({"roleName": long}), "roleName", "65 characters"),
        (json!({"roleName": "a b"}), "roleName", "` ` can't stand"),
        (json!({"path": "lakehouse"}), "path", "not an IAM path"),
        (json!({"path": "//"}), "path", "not an IAM path"),
        (json!({"path": "/aws-service-role/x/"}), "path", "belongs to AWS"),
        (json!({"description": "x".repeat(1001)}), "description", "1001 characters"),
        (json!({"description": "\u{4e2d}"}), "description", "can't stand"),
        (json!({"trustPolicy": null}), "", "no `trustPolicy`"),
        (json!({"managedPolicies": ["AmazonEKS_CNI_Policy"]}), "managedPolicies.0", "not the ARN"),
        (json!({"managedPolicies": ["arn:aws:iam::aws:role/x"]}), "managedPolicies.0", "not the"),
        (json!({"permissionsBoundary": "x"}), "permissionsBoundary", "not the ARN"),
        (json!({"maxSessionDuration": 3599}), "maxSessionDuration", "3599 seconds"),
        (json!({"maxSessionDuration": 43201}), "maxSessionDuration", "43201 seconds"),
        (json!({"tags": {"aws:x": "y"}}), "tags[\"aws:x\"]", "belongs to AWS"),
        (json!({"tags": {"": "y"}}), "tags[\"\"]", "0 characters"),
        (json!({"tags": {"k": "v;"}}), "tags.k", "`;` can't stand"),
        (json!({"tags": {"k": "v".repeat(257)}}), "tags.k", "257 characters"),
        (json!({"inlinePolicies": {"a b": may("s3:*")}}), "inlinePolicies[\"a b\"]", "can't stand"),
        (
            json!({"inlinePolicies": {"a": may(&format!("s3:{}", "x".repeat(10_240)))}}),
            "inlinePolicies",
            "IAM allows 10240",
        ),
        (
            json!({"inlinePolicies": {"a": trust("x")}}),
            "inlinePolicies.a.Statement.0",
            "neither `Resource`",
        ),
        (json!({"trustPolicy": may("s3:*")}), "trustPolicy.Statement.0", "neither `Principal`"),
        (json!({"trustPolicy": {}}), "trustPolicy", "no `Statement`"),
        (json!({"trustPolicy": {"Statement": []}}), "trustPolicy.Statement", "no statement"),
        (
            statement(json!({"Principal": "*", "Action": "sts:AssumeRole"})),
            "trustPolicy.Statement.0",
            "no `Effect`",
        ),
    ] {
        let problems = IamRole.desired(&spec(fields.clone()), &context()).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| problem.path.to_string() == path && problem.summary.contains(summary));
        assert!(found, "{fields}: {problems:#?}");
    }
}

#[test]
fn nothing_sensitive() {
    let mut fields = full().as_map().unwrap().clone();
    let secret = || Value::Sensitive(Box::new("hunter2-canary".into()));
    fields.insert(DESCRIPTION.into(), secret());
    fields.insert(TAGS.into(), Value::Map(Map::from([("team".into(), secret())])));
    fields.insert(MAX_SESSION_DURATION.into(), secret());
    let problems = IamRole.desired(&Value::Map(fields), &context()).unwrap_err();
    assert!(problems.len() >= 3, "{problems:#?}");
    assert!(!format!("{problems:?}").contains("canary"));
    assert!(problems.iter().any(|problem| problem.path.to_string() == "tags.team"));
}

#[test]
fn the_schema_explains_every_field() {
    let schema = IamRole.schema().to_value();
    assert_eq!(schema["additionalProperties"], json!(false));
    for (name, property) in schema["properties"].as_object().unwrap() {
        assert!(property["description"].is_string(), "{name}: {property}");
    }
    let valid = |spec: &Value| jsonschema::is_valid(&schema, &spec.reveal().unwrap());
    assert!(valid(&full()));
    for exclusive in [json!(true), json!(["tags", "managedPolicies"])] {
        assert!(valid(&spec(json!({"exclusive": exclusive}))));
    }
    for wrong in [
        json!({"rolename": "x"}),
        json!({"exclusive": ["path"]}),
        json!({"maxSessionDuration": 60}),
        json!({"trustPolicy": "{}"}),
        json!({"tags": {"a": 1}}),
    ] {
        assert!(!valid(&spec(wrong.clone())), "{wrong}");
    }
}
