use serde_json::json;

use super::*;
use crate::adapter::Verb;
use crate::adapter::eks::testing::{call, change};
use crate::diff::FieldChange;

/// Each step as title, call and input; the role's name left out of the input.
fn steps_of(operation: &Operation<'_>) -> Vec<(String, String, Json)> {
    let steps = IamRole.steps(operation).unwrap();
    steps
        .iter()
        .map(|step| {
            let (call, mut input) = call(&step.command);
            let name = input.as_object_mut().unwrap().remove("RoleName");
            assert_eq!(name, Some(json!("KarpenterNodeRole-x")));
            (step.title.clone(), call, input)
        })
        .collect()
}

#[track_caller]
fn assert_steps(found: &[(String, String, Json)], expected: &[(&str, &str, Json)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(title, call, input)| ((*title).to_owned(), format!("iam {call}"), input.clone()))
        .collect();
    assert_eq!(found, expected);
}

fn operation(verb: Verb, desired: &Desired) -> Operation<'_> {
    Operation {
        verb,
        identity: &desired.identity,
        desired: Some(desired),
        prior: None,
        object: None,
        changes: &[],
    }
}

#[test]
fn a_role_is_made_with_one_call_and_one_for_each_policy() {
    assert_steps(
        &steps_of(&operation(Verb::Create, &desired(&full()))),
        &[
            (
                "create the role KarpenterNodeRole-x",
                "create-role",
                json!({
                    "Path": "/lakehouse/",
                    "Description": "the nodes",
                    "MaxSessionDuration": 7200,
                    "PermissionsBoundary": aws("Boundary"),
                    "AssumeRolePolicyDocument": trust("ec2.amazonaws.com").to_string(),
                    "Tags": [{"Key": "cost", "Value": "7"}, {"Key": "team", "Value": "data"}],
                }),
            ),
            (
                "attach A to KarpenterNodeRole-x",
                "attach-role-policy",
                json!({"PolicyArn": aws("A")}),
            ),
            (
                "attach B to KarpenterNodeRole-x",
                "attach-role-policy",
                json!({"PolicyArn": aws("B")}),
            ),
            (
                "put the inline policy bucket into KarpenterNodeRole-x",
                "put-role-policy",
                json!({"PolicyName": "bucket", "PolicyDocument": may("s3:*").to_string()}),
            ),
            (
                "put the inline policy queue into KarpenterNodeRole-x",
                "put-role-policy",
                json!({"PolicyName": "queue", "PolicyDocument": may("sqs:*").to_string()}),
            ),
        ],
    );
    assert_steps(
        &steps_of(&operation(Verb::Create, &desired(&spec(json!({}))))),
        &[(
            "create the role KarpenterNodeRole-x",
            "create-role",
            json!({
                "Path": "/",
                "AssumeRolePolicyDocument": trust("ec2.amazonaws.com").to_string(),
            }),
        )],
    );
}

#[test]
fn what_is_not_known_yet_shows_as_an_expression() {
    let unknown = |expression: &str| Value::Unknown(expression.into());
    let principal = Map::from([("AWS".into(), unknown("${IamRole.a.arn}"))]);
    let statement = Map::from([
        ("Effect".into(), "Allow".into()),
        ("Action".into(), "sts:AssumeRole".into()),
        ("Principal".into(), principal.into()),
    ]);
    let mut fields = spec(json!({})).as_map().unwrap().clone();
    fields.insert(
        TRUST_POLICY.into(),
        Map::from([("Statement".into(), Value::Map(statement))]).into(),
    );
    fields.insert(MANAGED_POLICIES.into(), Value::List(vec![unknown("${IamPolicy.a.arn}")]));
    let desired = desired(&Value::Map(fields));
    let steps = IamRole.steps(&operation(Verb::Create, &desired)).unwrap();
    let input = |index: usize, member: &str| {
        let input: &Value = steps[index].command.stdin.as_ref().unwrap();
        input.get(member).cloned().unwrap()
    };
    let Value::Unknown(text) = input(0, "AssumeRolePolicyDocument") else { panic!() };
    assert!(text.contains(r#"{"AWS":"${IamRole.a.arn}"}"#), "{text}");
    assert_eq!(steps[1].title, "attach ${IamPolicy.a.arn} to KarpenterNodeRole-x");
    assert_eq!(input(1, "PolicyArn"), unknown("${IamPolicy.a.arn}"));
}

/// The steps of an update, from a live role with these attributes.
fn update(wanted: &Value, live: &Json, changes: &[FieldChange]) -> Vec<(String, String, Json)> {
    let object = Object { attributes: value(live).as_map().unwrap().clone(), ..Object::default() };
    let desired = desired(wanted);
    steps_of(&Operation { object: Some(&object), changes, ..operation(Verb::Update, &desired) })
}

#[test]
fn description_and_session_duration_are_always_sent_together() {
    let some = |value: Json| Some(Value::from_json(&value));
    for (fields, live, changes, title, input) in [
        (
            json!({"description": "new"}),
            json!({"description": "old", "maxSessionDuration": 7200}),
            vec![change(&[DESCRIPTION], some(json!("old")), some(json!("new")))],
            "set the description of KarpenterNodeRole-x",
            json!({"Description": "new", "MaxSessionDuration": 7200}),
        ),
        (
            json!({"maxSessionDuration": 7200}),
            json!({"description": "theirs"}),
            vec![change(&[MAX_SESSION_DURATION], some(json!(3600)), some(json!(7200)))],
            "set the session duration of KarpenterNodeRole-x",
            json!({"Description": "theirs", "MaxSessionDuration": 7200}),
        ),
        // no longer declared
        (
            json!({}),
            json!({"description": "old", "maxSessionDuration": 7200}),
            vec![
                change(&[DESCRIPTION], some(json!("old")), None),
                change(&[MAX_SESSION_DURATION], some(json!(7200)), None),
            ],
            "set the description and session duration of KarpenterNodeRole-x",
            json!({"Description": "", "MaxSessionDuration": 3600}),
        ),
        // declared, differs, and ignored: it stays as it is
        (
            json!({"description": "ours", "maxSessionDuration": 7200}),
            json!({"description": "theirs"}),
            vec![change(&[MAX_SESSION_DURATION], some(json!(3600)), some(json!(7200)))],
            "set the session duration of KarpenterNodeRole-x",
            json!({"Description": "theirs", "MaxSessionDuration": 7200}),
        ),
    ] {
        assert_steps(&update(&spec(fields), &live, &changes), &[(title, "update-role", input)]);
    }
}

#[test]
fn an_update_gives_before_it_takes() {
    let some = |value: Json| Some(Value::from_json(&value));
    let wanted = spec(json!({
        "managedPolicies": [aws("New")],
        "inlinePolicies": {"changed": may("s3:*")},
        "tags": {"added": "1", "changed": "2"},
        "permissionsBoundary": aws("Boundary"),
    }));
    let changes = [
        change(&[INLINE_POLICIES, "changed"], some(may("s3:Get*")), some(may("s3:*"))),
        change(&[INLINE_POLICIES, "removed"], some(may("s3:Get*")), None),
        change(&[MANAGED_POLICIES, &aws("New")], None, some(json!(aws("New")))),
        change(&[MANAGED_POLICIES, &aws("Old")], some(json!(aws("Old"))), None),
        change(&[PERMISSIONS_BOUNDARY], None, some(json!(aws("Boundary")))),
        change(&[TAGS, "added"], None, some(json!("1"))),
        change(&[TAGS, "changed"], some(json!("1")), some(json!("2"))),
        change(&[TAGS, "removed"], some(json!("1")), None),
        change(&[TRUST_POLICY], some(trust("old")), some(trust("ec2.amazonaws.com"))),
    ];
    let name = "KarpenterNodeRole-x";
    assert_steps(
        &update(&wanted, &json!({}), &changes),
        &[
            (
                &format!("set the trust policy of {name}"),
                "update-assume-role-policy",
                json!({"PolicyDocument": trust("ec2.amazonaws.com").to_string()}),
            ),
            (
                &format!("set the permissions boundary of {name} to Boundary"),
                "put-role-permissions-boundary",
                json!({"PermissionsBoundary": aws("Boundary")}),
            ),
            (
                &format!("attach New to {name}"),
                "attach-role-policy",
                json!({"PolicyArn": aws("New")}),
            ),
            (
                &format!("put the inline policy changed into {name}"),
                "put-role-policy",
                json!({"PolicyName": "changed", "PolicyDocument": may("s3:*").to_string()}),
            ),
            (
                &format!("detach Old from {name}"),
                "detach-role-policy",
                json!({"PolicyArn": aws("Old")}),
            ),
            (
                &format!("delete the inline policy removed of {name}"),
                "delete-role-policy",
                json!({"PolicyName": "removed"}),
            ),
            (
                &format!("tag {name} with added, changed"),
                "tag-role",
                json!({
                    "Tags": [{"Key": "added", "Value": "1"}, {"Key": "changed", "Value": "2"}],
                }),
            ),
            (
                &format!("remove the tag removed from {name}"),
                "untag-role",
                json!({"TagKeys": ["removed"]}),
            ),
        ],
    );
    assert_eq!(update(&wanted, &json!({}), &[]), []);
}

#[test]
fn a_boundary_that_is_no_longer_declared_is_removed() {
    let changes = [change(&[PERMISSIONS_BOUNDARY], Some(aws("Boundary").into()), None)];
    assert_steps(
        &update(&spec(json!({})), &json!({}), &changes),
        &[(
            "remove the permissions boundary of KarpenterNodeRole-x",
            "delete-role-permissions-boundary",
            json!({}),
        )],
    );
}

#[test]
fn an_attribute_that_changes_as_a_whole() {
    let some = |value: Json| Some(Value::from_json(&value));
    let wanted = spec(json!({"managedPolicies": [aws("Kept"), aws("New")]}));
    let changes = [change(
        &[MANAGED_POLICIES],
        some(json!([aws("Kept"), aws("Old")])),
        some(json!([aws("Kept"), aws("New")])),
    )];
    let calls: Vec<_> =
        update(&wanted, &json!({}), &changes).into_iter().map(|(title, ..)| title).collect();
    assert_eq!(
        calls,
        ["attach New to KarpenterNodeRole-x", "detach Old from KarpenterNodeRole-x",]
    );
}

/// The steps that delete a live role with these policies.
fn delete(prior: &Prior, managed: &[&str], inline: &[&str]) -> Result<Vec<String>, Vec<Blocker>> {
    let managed = managed.iter().map(|name| aws(name).into()).collect();
    let inline = inline.iter().map(|name| ((*name).to_owned(), NOT_READ.into())).collect();
    let object = Object {
        attributes: iam::map([
            (MANAGED_POLICIES, Value::List(managed)),
            (INLINE_POLICIES, Value::Map(inline)),
        ]),
        ..Object::default()
    };
    let steps = IamRole.steps(&Operation {
        verb: Verb::Delete,
        identity: &prior.identity,
        desired: None,
        prior: Some(prior),
        object: Some(&object),
        changes: &[],
    })?;
    Ok(steps.into_iter().map(|step| step.title).collect())
}

#[test]
fn a_delete_removes_what_is_ours_and_still_there() {
    let prior = prior(&full());
    assert_eq!(
        delete(&prior, &["B"], &["bucket", "queue"]).unwrap(),
        [
            "detach B from KarpenterNodeRole-x",
            "delete the inline policy bucket of KarpenterNodeRole-x",
            "delete the inline policy queue of KarpenterNodeRole-x",
            "delete the role KarpenterNodeRole-x",
        ]
    );
}

#[test]
fn a_delete_stops_at_what_others_attached() {
    let blockers = delete(&prior(&full()), &["A", "Theirs"], &["theirs"]).unwrap_err();
    assert_eq!(blockers.len(), 1);
    assert_eq!(blockers[0].code, "RoleHasOtherPolicies");
    assert!(
        blockers[0].message.ends_with(&format!("{}, the inline policy theirs", aws("Theirs"))),
        "{}",
        blockers[0].message
    );
    assert!(blockers[0].next.contains("list-attached-role-policies --role-name Karpenter"));
    // A list that the manifest had for itself has no others' members.
    let mut exclusive = full().as_map().unwrap().clone();
    exclusive.insert("exclusive".into(), true.into());
    let steps = delete(&prior(&exclusive.into()), &["A", "Theirs"], &["theirs"]).unwrap();
    assert_eq!(steps.len(), 4);
}
