//! Tables of answers to live entries.

use serde_json::{Value as Json, json};

use super::*;
use crate::adapter::eks::testing::{failed, ok, present, read, read_among, value};
use crate::adapter::{Health, Prior};
use crate::command::Answer;

pub(super) const NODE: &str = "arn:aws:iam::111122223333:role/KarpenterNodeRole-demo";
const DESCRIBE: &str = "aws eks describe-access-entry --cluster-name demo \
    --principal-arn arn:aws:iam::111122223333:role/KarpenterNodeRole-demo";
const LIST: &str = "aws eks list-associated-access-policies --cluster-name demo \
    --principal-arn arn:aws:iam::111122223333:role/KarpenterNodeRole-demo";
const GET_ROLE: &str = "aws iam get-role --role-name KarpenterNodeRole-demo";
pub(super) const VIEW: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
pub(super) const EDIT: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy";

pub(super) fn context() -> Context {
    Context { account: Some("111122223333".into()), ..Context::default() }
}

pub(super) fn desired(spec: Json) -> Desired {
    let mut spec = spec;
    spec["clusterName"] = "demo".into();
    spec["principalArn"] = NODE.into();
    EksAccessEntry.desired(&value(&spec), &context()).unwrap()
}

pub(super) fn node() -> Desired {
    desired(json!({"type": "EC2_LINUX"}))
}

/// An entry as version 2 of the AWS CLI prints it, but for `createdAt`.
fn entry(entry_type: &str, created: &Json) -> Answer {
    let standard = entry_type == "STANDARD";
    ok(&json!({"accessEntry": {
        "clusterName": "demo",
        "principalArn": NODE,
        "kubernetesGroups": if standard { json!(["b", "a"]) } else { json!(["system:nodes"]) },
        "accessEntryArn": "arn:aws:eks:us-east-2:111122223333:access-entry/demo/role/\
                           111122223333/KarpenterNodeRole-demo/30c8a9f1-0001-4c4c-9d9d-aaaaaaaaaaaa",
        "createdAt": created,
        "modifiedAt": created,
        "tags": {"team": "data"},
        "username": if standard { "someone" } else { "system:node:{{EC2PrivateDNSName}}" },
        "type": entry_type,
    }}))
}

fn role(id: &str, created: &str) -> Answer {
    ok(&json!({"Role": {
        "Path": "/",
        "RoleName": "KarpenterNodeRole-demo",
        "RoleId": id,
        "Arn": NODE,
        "CreateDate": created,
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        "MaxSessionDuration": 3600,
    }}))
}

fn policies(list: &Json) -> Answer {
    ok(&json!({"associatedAccessPolicies": list, "clusterName": "demo", "principalArn": NODE}))
}

fn absent() -> Answer {
    failed(
        "ResourceNotFoundException",
        "DescribeAccessEntry",
        "The specified principalArn could not be found. You can view your available access \
         entries with 'list-access-entries'.",
    )
}

fn no_cluster() -> Answer {
    failed("ResourceNotFoundException", "DescribeAccessEntry", "No cluster found for name: demo.")
}

const ENTRY_MADE: &str = "2026-03-01T10:00:05.912000+00:00";

fn node_with(role: Answer, prior: Option<&Prior>) -> Object {
    let table = [(DESCRIBE, entry("EC2_LINUX", &ENTRY_MADE.into())), (GET_ROLE, role)];
    present(read(&EksAccessEntry, Some(&node()), prior, &table).0)
}

fn prior(role: &str, created: &str) -> Prior {
    Prior {
        identity: node().identity,
        attributes: node().attributes,
        outputs: Map::from([("roleId".into(), role.into()), ("createdAt".into(), created.into())]),
        settings: Map::new(),
        ..Prior::default()
    }
}

#[test]
fn an_entry_of_nodes_is_two_commands_side_by_side() {
    let table = [
        (DESCRIBE, entry("EC2_LINUX", &ENTRY_MADE.into())),
        (GET_ROLE, role("AROAEXAMPLE1", "2026-03-01T10:00:01+00:00")),
    ];
    let (live, rounds) = read(&EksAccessEntry, Some(&node()), None, &table);
    assert_eq!(rounds, [vec![DESCRIBE.to_owned(), GET_ROLE.to_owned()]]);
    let object = present(live);
    assert_eq!(object.health, Health::Sound);
    assert_eq!(
        Value::Map(object.attributes),
        value(&json!({
            "principalArn": NODE,
            "type": "EC2_LINUX",
            "accessPolicies": {},
            "tags": {"team": "data"},
        })),
        "what EKS fills in for nodes is nobody's"
    );
    assert_eq!(object.outputs["roleId"], "AROAEXAMPLE1".into());
    assert_eq!(object.outputs["createdAt"], "2026-03-01T10:00:05.912Z".into());
}

#[test]
fn the_roles_of_many_entries_are_read_at_once() {
    const ALL: &str = "aws iam list-roles --page-size 1000";
    let described = (DESCRIBE, entry("EC2_LINUX", &ENTRY_MADE.into()));
    let alone = role("AROAEXAMPLE1", "2026-03-01T10:00:01+00:00");
    let listed = alone.json().unwrap()["Role"].clone();
    let read = |among, table: &[(&str, Answer)]| {
        let (live, rounds) = read_among(among, &EksAccessEntry, Some(&node()), None, table);
        (present(live), rounds)
    };
    let all = (ALL, ok(&json!({"Roles": [{"RoleName": "Other"}, listed]})));
    let (object, rounds) = read(3, &[described.clone(), all]);
    assert_eq!(rounds, [[DESCRIBE, ALL]]);
    let (same, rounds) = read(2, &[described.clone(), (GET_ROLE, alone.clone())]);
    assert_eq!(rounds, [[DESCRIBE, GET_ROLE]]);
    assert_eq!(object, same);
    // Not listed does not mean gone.
    let none = (ALL, ok(&json!({"Roles": []})));
    let (object, rounds) = read(3, &[described, none, (GET_ROLE, alone)]);
    assert_eq!(rounds, [vec![DESCRIBE, ALL], vec![GET_ROLE]]);
    assert_eq!(object, same);
}

#[test]
fn a_standard_entry_is_three_commands_side_by_side() {
    let desired = desired(json!({}));
    let table = [
        (DESCRIBE, entry("STANDARD", &ENTRY_MADE.into())),
        (GET_ROLE, role("AROAEXAMPLE1", "2026-03-01T10:00:01Z")),
        (
            LIST,
            policies(&json!([
                {"policyArn": VIEW, "accessScope": {"type": "cluster", "namespaces": []}},
                {"policyArn": EDIT, "accessScope": {"type": "namespace", "namespaces": ["b", "a"]}},
            ])),
        ),
    ];
    let (live, rounds) = read(&EksAccessEntry, Some(&desired), None, &table);
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].len(), 3);
    assert_eq!(
        Value::Map(present(live).attributes),
        value(&json!({
            "principalArn": NODE,
            "type": "STANDARD",
            "kubernetesGroups": ["a", "b"],
            "username": "someone",
            "accessPolicies": {
                VIEW: {"type": "cluster", "namespaces": []},
                EDIT: {"type": "namespace", "namespaces": ["a", "b"]},
            },
            "tags": {"team": "data"},
        }))
    );
}

#[test]
fn the_live_type_decides_whether_there_are_policies() {
    // Wanted for people, found for nodes: EKS refuses to list policies.
    let refusal = failed(
        "InvalidParameterException",
        "ListAssociatedAccessPolicies",
        "This operation can only be performed on Access Entries with a type of \"STANDARD\".",
    );
    let table = [
        (DESCRIBE, entry("EC2_LINUX", &ENTRY_MADE.into())),
        (GET_ROLE, role("AROAEXAMPLE1", "2026-03-01T10:00:01Z")),
        (LIST, refusal),
    ];
    let object = present(read(&EksAccessEntry, Some(&desired(json!({}))), None, &table).0);
    assert_eq!(object.attributes["type"], "EC2_LINUX".into());
    // Wanted for nodes, found for people: the list is a second round.
    let table = [
        (DESCRIBE, entry("STANDARD", &ENTRY_MADE.into())),
        (GET_ROLE, role("AROAEXAMPLE1", "2026-03-01T10:00:01Z")),
        (LIST, policies(&json!([]))),
    ];
    let (live, rounds) = read(&EksAccessEntry, Some(&node()), None, &table);
    assert_eq!(rounds.len(), 2);
    assert_eq!(present(live).attributes["type"], "STANDARD".into());
}

#[test]
fn a_role_made_after_its_entry_is_another_role() {
    let outdated = |object: &Object| matches!(object.health, Health::Outdated(_));
    for (made, expected) in [
        ("2026-03-01T09:59:59+00:00", false),
        ("2026-03-01T10:00:05+00:00", false),
        ("2026-03-01T10:00:06+00:00", true),
        ("2026-03-01T12:00:05+02:00", false),
        ("2026-03-01T11:00:06+01:00", true),
    ] {
        let object = node_with(role("AROAEXAMPLE2", made), None);
        assert_eq!(outdated(&object), expected, "{made}");
        assert_eq!(object.outputs.contains_key("roleId"), !expected);
    }
    let object = node_with(role("AROAEXAMPLE2", "2026-04-01T00:00:00+00:00"), None);
    assert_eq!(
        object.health,
        Health::Outdated(
            "the role was made anew at 2026-04-01T00:00:00Z, after this entry \
             (2026-03-01T10:00:05.912Z): EKS holds the old role's unique id and refuses its nodes"
                .into()
        )
    );
    // Version 1 of the AWS CLI passes seconds on.
    for created in [json!(1_772_359_205), json!(1_772_359_205.912)] {
        let table = [
            (DESCRIBE, entry("EC2_LINUX", &created)),
            (GET_ROLE, role("AROAEXAMPLE1", "2026-03-01T10:00:06Z")),
        ];
        let (live, _) = read(&EksAccessEntry, Some(&node()), None, &table);
        assert!(outdated(&present(live)));
    }
}

#[test]
fn the_state_remembers_which_role_an_entry_was_made_for() {
    let same = prior("AROAEXAMPLE1", "2026-03-01T10:00:05.912Z");
    // Made anew within the second in which the entry was made.
    let object = node_with(role("AROAEXAMPLE2", "2026-03-01T10:00:05Z"), Some(&same));
    assert!(matches!(&object.health, Health::Outdated(why) if why.contains("AROAEXAMPLE1")));
    assert_eq!(object.outputs["roleId"], "AROAEXAMPLE1".into(), "the entry is still for the old");
    // Clocks of two services differ; what was seen together belongs together.
    let object = node_with(role("AROAEXAMPLE1", "2026-03-01T10:00:07Z"), Some(&same));
    assert_eq!(object.health, Health::Sound);
    // The entry is a new one since.
    let other = prior("AROAEXAMPLE1", "2026-01-01T00:00:00Z");
    let object = node_with(role("AROAEXAMPLE2", "2026-02-01T00:00:00Z"), Some(&other));
    assert_eq!(object.health, Health::Sound);
    assert_eq!(object.outputs["roleId"], "AROAEXAMPLE2".into());
}

#[test]
fn a_missing_role_outdates_and_a_hidden_one_is_noted() {
    let missing = failed(
        "NoSuchEntity",
        "GetRole",
        "The role with name KarpenterNodeRole-demo cannot be found.",
    );
    let object = node_with(missing.clone(), None);
    assert!(
        matches!(&object.health, Health::Outdated(why) if why.starts_with("its role does not"))
    );
    let denied = failed("AccessDenied", "GetRole", "User is not authorized to perform iam:GetRole");
    let object = node_with(denied, None);
    assert_eq!(object.health, Health::Sound);
    assert_eq!(object.notes.len(), 1);
    // Anything else tells nothing.
    let table = [
        (DESCRIBE, entry("EC2_LINUX", &ENTRY_MADE.into())),
        (GET_ROLE, failed("ServiceFailure", "GetRole", "try again")),
    ];
    assert!(read(&EksAccessEntry, Some(&node()), None, &table).0.is_err());
    // A role of the same name, of another path.
    let mut moved = role("AROAEXAMPLE2", "2026-01-01T00:00:00Z");
    moved.stdout = moved.stdout.replace(":role/Karp", ":role/nodes/Karp");
    assert!(matches!(node_with(moved, None).health, Health::Outdated(_)));
    // A role of another account: what we see is not it.
    let mut foreign = entry("EC2_LINUX", &ENTRY_MADE.into());
    foreign.stdout = foreign.stdout.replace("us-east-2:111122223333:", "us-east-2:444455556666:");
    let table = [(DESCRIBE, foreign), (GET_ROLE, missing)];
    let object = present(read(&EksAccessEntry, Some(&node()), None, &table).0);
    assert_eq!((object.health, object.notes.len()), (Health::Sound, 1));
}

#[test]
fn an_absent_entry_is_told_from_an_absent_cluster() {
    let role = || role("AROAEXAMPLE1", "2026-03-01T10:00:01Z");
    let table = [(DESCRIBE, absent()), (GET_ROLE, role())];
    assert_eq!(read(&EksAccessEntry, Some(&node()), None, &table).0, Ok(Live::Absent));
    let table = [(DESCRIBE, no_cluster()), (GET_ROLE, role())];
    let error = read(&EksAccessEntry, Some(&node()), None, &table).0.unwrap_err();
    assert_eq!(error.why, "the cluster demo does not exist");
    let gone = prior("AROAEXAMPLE1", "2026-03-01T10:00:05.912Z");
    assert_eq!(read(&EksAccessEntry, None, Some(&gone), &table).0, Ok(Live::Absent));
    let config_map = failed(
        "InvalidRequestException",
        "DescribeAccessEntry",
        "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to \
         perform this operation.",
    );
    let table = [(DESCRIBE, config_map), (GET_ROLE, role())];
    let error = read(&EksAccessEntry, Some(&node()), None, &table).0.unwrap_err();
    assert!(error.why.starts_with("the cluster demo knows no access entries"), "{}", error.why);
    let denied = failed("AccessDeniedException", "DescribeAccessEntry", "not authorized");
    let table = [(DESCRIBE, denied), (GET_ROLE, role())];
    assert!(read(&EksAccessEntry, Some(&node()), None, &table).0.is_err());
    // A role that is missing as well does not matter.
    let table = [(DESCRIBE, absent()), (GET_ROLE, failed("NoSuchEntity", "GetRole", "no"))];
    assert_eq!(read(&EksAccessEntry, Some(&node()), None, &table).0, Ok(Live::Absent));
}

#[test]
fn problems_are_all_told() {
    let problems = |spec: Json| -> Vec<String> {
        let problems = EksAccessEntry.desired(&value(&spec), &context()).unwrap_err();
        problems.into_iter().map(|p| format!("{}: {}", p.path, p.summary)).collect()
    };
    let cases: [(Json, &[&str]); 4] = [
        (
            json!({
                "clusterName": "demo",
                "principalArn": "arn:aws:sts::111122223333:assumed-role/x/session",
                "tags": {"aws:x": "1"},
            }),
            &[
                "principalArn: `arn:aws:sts::111122223333:assumed-role/x/session` is a session, \
               which ends: an entry is for a lasting principal",
                "tags[\"aws:x\"]: keys that begin with `aws:` are for AWS alone",
            ],
        ),
        (
            json!({
                "clusterName": "demo",
                "principalArn": "arn:aws:iam::444455556666:user/someone",
                "type": "EC2_LINUX",
                "kubernetesGroups": ["x"],
                "username": "y",
                "accessPolicies": [{"policyArn": VIEW, "scope": {"type": "cluster"}}],
            }),
            &[
                "principalArn: an entry of type EC2_LINUX is for a role, and \
                 `arn:aws:iam::444455556666:user/someone` is none",
                "principalArn: an entry of type EC2_LINUX is for a role of the cluster's own account",
                "kubernetesGroups: an entry of type EC2_LINUX can't have `kubernetesGroups`",
                "username: an entry of type EC2_LINUX can't have `username`",
                "accessPolicies: an entry of type EC2_LINUX can't have `accessPolicies`",
            ],
        ),
        (
            json!({
                "clusterName": "demo",
                "principalArn": "arn:aws:iam::111122223333:role/aws-service-role/x/Y",
                "kubernetesGroups": ["ok", "system:masters"],
                "username": "eks:me",
            }),
            &[
                "principalArn: access entries can't be for service-linked roles",
                "username: a name can't begin with `eks:`",
                "kubernetesGroups.1: `system:masters`: EKS refuses groups that begin with `system:`",
            ],
        ),
        (
            json!({
                "clusterName": "demo",
                "principalArn": NODE,
                "accessPolicies": [
                    {"policyArn": "arn:aws:iam::aws:policy/ReadOnly", "scope": {"type": "namespace"}},
                    {"policyArn": VIEW, "scope": {"type": "cluster", "namespaces": ["a"]}},
                    {"policyArn": VIEW, "scope": {"type": "cluster"}},
                ],
            }),
            &[
                "accessPolicies.0.policyArn: `arn:aws:iam::aws:policy/ReadOnly` is not the ARN of an \
                 access policy of EKS",
                "accessPolicies.0.scope: the scope `namespace` needs at least one namespace",
                "accessPolicies.1.scope: the scope `cluster` has no namespaces",
                "accessPolicies.2: `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy` is \
                 declared twice",
            ],
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(problems(spec), expected);
    }
    let secret = Value::Map(Map::from([
        ("clusterName".into(), "demo".into()),
        ("principalArn".into(), NODE.into()),
        ("type".into(), Value::Sensitive(Box::new("canary".into()))),
    ]));
    let problems = EksAccessEntry.desired(&secret, &context()).unwrap_err();
    assert!(!format!("{problems:?}").contains("canary"));
    assert_eq!(problems[0].path, Path::new("type"));
}
