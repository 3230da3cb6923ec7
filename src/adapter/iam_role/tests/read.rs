use serde_json::json;

use super::*;
use crate::adapter::Live;
use crate::adapter::eks::testing::{failed, ok, present, read as read_with, read_among};
use crate::command::Answer;

const GET: &str = "aws iam get-role --role-name KarpenterNodeRole-x";
const ATTACHED: &str = "aws iam list-attached-role-policies --role-name KarpenterNodeRole-x";
const PROFILES: &str = "aws iam list-instance-profiles-for-role --role-name KarpenterNodeRole-x";
const INLINE: &str = "aws iam list-role-policies --role-name KarpenterNodeRole-x";

/// What `get-role` answers, with these members besides.
fn role(members: Json) -> Answer {
    let mut role = json!({
        "Path": "/",
        "RoleName": "KarpenterNodeRole-x",
        "RoleId": "AROAEXAMPLEEXAMPLEEX1",
        "Arn": "arn:aws:iam::123456789012:role/KarpenterNodeRole-x",
        "CreateDate": "2024-05-06T07:08:09+00:00",
        "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
        "MaxSessionDuration": 3600,
        "RoleLastUsed": {},
    });
    if let (Some(role), Json::Object(members)) = (role.as_object_mut(), members) {
        role.extend(members);
    }
    ok(&json!({ "Role": role }))
}

fn attached(policies: &[&str]) -> Answer {
    let all: Vec<Json> =
        policies.iter().map(|name| json!({"PolicyName": name, "PolicyArn": aws(name)})).collect();
    ok(&json!({ "AttachedPolicies": all }))
}

fn inline(policies: &[&str]) -> Answer {
    ok(&json!({ "PolicyNames": policies }))
}

fn document_of(policy: &str) -> String {
    format!("aws iam get-role-policy --role-name KarpenterNodeRole-x --policy-name {policy}")
}

fn document(policy: &str, document: &Json) -> Answer {
    ok(&json!({
        "RoleName": "KarpenterNodeRole-x",
        "PolicyName": policy,
        "PolicyDocument": document,
    }))
}

#[test]
fn a_role_is_read_with_three_commands() {
    let table = [
        (
            GET,
            role(json!({
                "Path": "/lakehouse/",
                "Description": "the nodes",
                "MaxSessionDuration": 7200,
                "PermissionsBoundary": {
                    "PermissionsBoundaryType": "Policy",
                    "PermissionsBoundaryArn": aws("Boundary"),
                },
                "Tags": [
                    {"Key": "team", "Value": "data"},
                    {"Key": "aws:cloudformation:stack-name", "Value": "eksctl"},
                ],
            })),
        ),
        (ATTACHED, attached(&["B", "A"])),
        (INLINE, inline(&["theirs"])),
    ];
    let desired = desired(&spec(json!({"path": "/lakehouse/"})));
    let (live, rounds) = read_with(&IamRole, Some(&desired), None, &table);
    assert_eq!(rounds, [[GET, ATTACHED, INLINE]], "one round, side by side");
    let object = present(live);
    assert_eq!(
        Value::Map(object.attributes).redacted_json(),
        json!({
            "path": "/lakehouse/",
            "description": "the nodes",
            "trustPolicy": trust("ec2.amazonaws.com"),
            "managedPolicies": [aws("A"), aws("B")],
            "inlinePolicies": {"theirs": "(not read)"},
            "tags": {"team": "data"},
            "permissionsBoundary": aws("Boundary"),
            "maxSessionDuration": 7200,
        })
    );
    assert_eq!(
        Value::Map(object.outputs).redacted_json(),
        json!({
            "arn": "arn:aws:iam::123456789012:role/KarpenterNodeRole-x",
            "name": "KarpenterNodeRole-x",
            "roleId": "AROAEXAMPLEEXAMPLEEX1",
            "createDate": "2024-05-06T07:08:09Z",
        })
    );
    assert!(object.notes.is_empty());
}

#[test]
fn inline_documents_are_read_where_they_are_ours_or_the_list_is() {
    let names = ["declared", "remembered", "theirs"];
    let commands: Vec<String> = names.iter().map(|name| document_of(name)).collect();
    let mut table = vec![
        (GET, role(json!({}))),
        (ATTACHED, attached(&[])),
        (INLINE, inline(&names)),
        (PROFILES, ok(&json!({"InstanceProfiles": []}))),
    ];
    for (name, command) in names.iter().zip(&commands) {
        table.push((command, document(name, &may(&format!("s3:{name}")))));
    }
    let wanted = |exclusive: bool| {
        desired(&spec(json!({
            "inlinePolicies": {"declared": may("s3:*"), "not-there-yet": may("s3:*")},
            "exclusive": exclusive,
        })))
    };
    let remembered = prior(&spec(json!({"inlinePolicies": {"remembered": may("s3:*")}})));

    let (live, rounds) = read_with(&IamRole, Some(&wanted(false)), Some(&remembered), &table);
    assert_eq!(rounds[1..], [commands[..2].to_vec()]);
    assert_eq!(
        present(live).attributes[INLINE_POLICIES].redacted_json(),
        json!({
            "declared": may("s3:declared"),
            "remembered": may("s3:remembered"),
            "theirs": "(not read)",
        })
    );
    let (_, rounds) = read_with(&IamRole, Some(&wanted(true)), None, &table);
    assert_eq!(rounds[1..], std::slice::from_ref(&commands)[..]);
    let (_, rounds) = read_with(&IamRole, None, Some(&remembered), &table);
    assert_eq!(rounds[1..], [vec![commands[1].clone()]]);
}

#[test]
fn defaults_count_only_where_they_are_declared() {
    let read = |fields: Json| {
        let table = [(GET, role(json!({}))), (ATTACHED, attached(&[])), (INLINE, inline(&[]))];
        present(read_with(&IamRole, Some(&desired(&spec(fields))), None, &table).0).attributes
    };
    let silent = read(json!({}));
    assert!(!silent.contains_key(DESCRIPTION) && !silent.contains_key(MAX_SESSION_DURATION));
    assert!(!silent.contains_key(PERMISSIONS_BOUNDARY));
    let declared = read(json!({"description": "x", "maxSessionDuration": 3600}));
    assert_eq!(declared[DESCRIPTION], "".into());
    assert_eq!(declared[MAX_SESSION_DURATION], 3600.into());
}

#[test]
fn documents_as_text_are_parsed() {
    let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    for text in [r#"{"Version": "2012-10-17", "Statement": []}"#, encoded] {
        let table = [
            (GET, role(json!({"AssumeRolePolicyDocument": text}))),
            (ATTACHED, attached(&[])),
            (INLINE, inline(&[])),
        ];
        let (live, _) = read_with(&IamRole, Some(&desired(&spec(json!({})))), None, &table);
        assert_eq!(
            present(live).attributes[TRUST_POLICY].redacted_json(),
            json!({"Version": "2012-10-17", "Statement": []})
        );
    }
}

#[test]
fn a_deleted_principal_is_noted() {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"AWS": ["AROAEXAMPLEEXAMPLEEX9", "arn:aws:iam::123456789012:root"]},
        "Action": "sts:AssumeRole",
    });
    let table = [
        (GET, role(json!({"AssumeRolePolicyDocument": {"Statement": [statement]}}))),
        (ATTACHED, attached(&[])),
        (INLINE, inline(&[])),
    ];
    let (live, _) = read_with(&IamRole, Some(&desired(&spec(json!({})))), None, &table);
    let notes = present(live).notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("AROAEXAMPLEEXAMPLEEX9"), "{notes:?}");
}

#[test]
fn no_such_entity_on_the_role_is_absent() {
    let gone = |operation: &str| {
        failed("NoSuchEntity", operation, "The role with name KarpenterNodeRole-x cannot be found.")
    };
    let table = [
        (GET, gone("GetRole")),
        (ATTACHED, gone("ListAttachedRolePolicies")),
        (INLINE, gone("ListRolePolicies")),
    ];
    let (live, rounds) = read_with(&IamRole, Some(&desired(&full())), None, &table);
    assert_eq!(live, Ok(Live::Absent));
    assert_eq!(rounds.len(), 1);
}

#[test]
fn any_other_failure_tells_nothing() {
    let wanted = desired(&spec(json!({"inlinePolicies": {"queue": may("sqs:*")}})));
    let get_document = document_of("queue");
    let denied = |operation: &str| failed("AccessDenied", operation, "not authorized");
    let good = || {
        [
            (GET, role(json!({}))),
            (ATTACHED, attached(&[])),
            (INLINE, inline(&["queue"])),
            (get_document.as_str(), document("queue", &may("sqs:*"))),
        ]
    };
    assert!(read_with(&IamRole, Some(&wanted), None, &good()).0.is_ok());
    for (place, answer, why) in [
        (0, denied("GetRole"), "AccessDenied"),
        (0, Answer { code: 255, stderr: "Could not connect".into(), ..Answer::default() }, "255"),
        (0, ok(&json!({})), "no `Role`"),
        (0, role(json!({"AssumeRolePolicyDocument": null})), "no `AssumeRolePolicyDocument`"),
        (0, role(json!({"Tags": [{"Key": "a"}]})), "no `Value`"),
        (0, Answer { stdout: "{\"Role\": {".into(), ..Answer::default() }, "not one JSON"),
        (1, denied("ListAttachedRolePolicies"), "AccessDenied"),
        (1, failed("NoSuchEntity", "ListAttachedRolePolicies", "gone"), "NoSuchEntity"),
        (1, ok(&json!({"AttachedPolicies": [], "IsTruncated": true, "Marker": "x"})), "cut off"),
        (1, ok(&json!({"AttachedPolicies": [], "NextToken": "x"})), "cut off"),
        (1, ok(&json!({"AttachedPolicies": [{"PolicyName": "a"}]})), "no `PolicyArn`"),
        (2, denied("ListRolePolicies"), "AccessDenied"),
        (2, ok(&json!({"PolicyNames": [1]})), "no `PolicyNames`"),
        (3, failed("NoSuchEntity", "GetRolePolicy", "gone"), "NoSuchEntity"),
        (3, ok(&json!({"RoleName": "x"})), "no `PolicyDocument`"),
    ] {
        let mut table = good();
        table[place].1 = answer;
        let error = read_with(&IamRole, Some(&wanted), None, &table).0.unwrap_err();
        assert!(error.why.contains(why), "{place}: {}", error.why);
        assert_eq!(error.command.to_string(), table[place].0);
    }
}

#[test]
fn instance_profiles_are_read_of_a_role_that_goes() {
    let profiles = ok(&json!({"InstanceProfiles": [
        {"InstanceProfileName": "lake_123", "Roles": [{"RoleName": "KarpenterNodeRole-x"}]},
    ]}));
    let table = [
        (GET, role(json!({}))),
        (ATTACHED, attached(&[])),
        (INLINE, inline(&[])),
        (PROFILES, profiles),
    ];
    let applied = prior(&spec(json!({})));
    let elsewhere = desired(&spec(json!({"path": "/lakehouse/"})));
    let rounds_of = |wanted: Option<&Desired>, prior: Option<&Prior>| {
        let (live, rounds) = read_with(&IamRole, wanted, prior, &table);
        (present(live), rounds.into_iter().map(|round| round.len()).collect::<Vec<_>>())
    };
    let (object, rounds) = rounds_of(None, Some(&applied));
    assert_eq!(rounds, [4], "at once with the rest");
    let blockers = IamRole.obstacles(&applied.identity, &object);
    assert_eq!(blockers.len(), 1);
    assert_eq!(blockers[0].code, "RoleInInstanceProfile");
    assert!(blockers[0].next.contains("--instance-profile-name lake_123 --role-name Karpenter"));
    let (object, rounds) = rounds_of(Some(&elsewhere), None);
    assert_eq!(rounds, [3, 1], "another path means another role");
    assert_eq!(IamRole.obstacles(&elsewhere.identity, &object), blockers);
    let (object, rounds) = rounds_of(Some(&desired(&spec(json!({})))), Some(&applied));
    assert_eq!(rounds, [3], "and nothing more for a role that stays");
    assert_eq!(IamRole.obstacles(&applied.identity, &object), []);
}

// ---- one of many -----------------------------------------------------------

const DETAILS: &str = "aws iam get-account-authorization-details --page-size 1000 --filter Role";
const ALL: &str = "aws iam list-roles --page-size 1000";

/// What the two lists tell: the role, and another one before it. First what
/// both have, then what only the details have, then what only the list has.
fn lists(both: &Json, detail: &Json, listed: &Json) -> [(&'static str, Answer); 2] {
    let with = |parts: &[&Json]| {
        let mut role = serde_json::Map::new();
        for part in parts {
            role.extend(part.as_object().unwrap().clone());
        }
        Json::Object(role)
    };
    let whole = role(json!({})).json().unwrap()["Role"].clone();
    let other = json!({"RoleName": "Other", "RoleId": "AROAOTHER", "Arn": "arn:other"});
    let policies = json!({
        "InstanceProfileList": [], "RolePolicyList": [], "AttachedManagedPolicies": [],
    });
    let details = json!({
        "UserDetailList": [],
        "RoleDetailList": [other, with(&[&whole, &policies, both, detail])],
    });
    let all = json!({"Roles": [other, with(&[&whole, both, listed])]});
    [(DETAILS, ok(&details)), (ALL, ok(&all))]
}

#[test]
fn one_of_many_roles_is_read_off_two_lists_to_the_same_end() {
    let tags = json!([{"Key": "team", "Value": "data"}]);
    let boundary = json!({
        "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": aws("Boundary"),
    });
    let both = json!({"Path": "/lakehouse/"});
    let only_listed = json!({"Description": "the nodes", "MaxSessionDuration": 7200});
    let detail = json!({
        "Tags": tags,
        "PermissionsBoundary": boundary,
        "AttachedManagedPolicies": [
            {"PolicyName": "B", "PolicyArn": aws("B")}, {"PolicyName": "A", "PolicyArn": aws("A")},
        ],
        "RolePolicyList": [
            {"PolicyName": "ours", "PolicyDocument": may("s3:*")},
            {"PolicyName": "theirs", "PolicyDocument": may("ec2:*")},
        ],
    });
    let wanted = desired(&spec(json!({
        "path": "/lakehouse/", "inlinePolicies": {"ours": may("s3:*")},
    })));
    let (live, rounds) =
        read_among(3, &IamRole, Some(&wanted), None, &lists(&both, &detail, &only_listed));
    assert_eq!(rounds, [[DETAILS, ALL]], "one round, side by side");
    let ours = document_of("ours");
    let alone = [
        (
            GET,
            role(json!({
                "Path": "/lakehouse/", "Description": "the nodes", "MaxSessionDuration": 7200,
                "Tags": tags, "PermissionsBoundary": boundary,
            })),
        ),
        (ATTACHED, attached(&["B", "A"])),
        (INLINE, inline(&["ours", "theirs"])),
        (ours.as_str(), document("ours", &may("s3:*"))),
    ];
    let (same, rounds) = read_among(2, &IamRole, Some(&wanted), None, &alone);
    assert_eq!(rounds.len(), 2, "few are read alone");
    assert_eq!(present(live), present(same));
}

/// The same without a field of the details.
fn without(lists: &[(&'static str, Answer); 2], field: &str) -> [(&'static str, Answer); 2] {
    let mut details = lists[0].1.json().unwrap();
    details["RoleDetailList"][1].as_object_mut().unwrap().remove(field);
    [(DETAILS, ok(&details)), lists[1].clone()]
}

#[test]
fn what_the_lists_do_not_tell_for_sure_is_read_alone() {
    let nothing = json!({});
    let told = lists(&nothing, &nothing, &nothing);
    let cut = |(command, answer): &(&'static str, Answer), mark: Json| {
        let mut json = answer.json().unwrap();
        json.as_object_mut().unwrap().extend(mark.as_object().unwrap().clone());
        (*command, ok(&json))
    };
    let denied = failed("AccessDenied", "ListRoles", "not authorized");
    let alone = [(GET, role(json!({}))), (ATTACHED, attached(&[])), (INLINE, inline(&[]))];
    for (what, lists) in [
        ("one may not be read", [told[0].clone(), (ALL, denied.clone())]),
        ("the other may not", [(DETAILS, denied), told[1].clone()]),
        ("cut off", [cut(&told[0], json!({"IsTruncated": true, "Marker": "x"})), told[1].clone()]),
        ("not there", [(DETAILS, ok(&json!({"RoleDetailList": []}))), told[1].clone()]),
        ("no list", [told[0].clone(), (ALL, ok(&json!({})))]),
        (
            "no attachments",
            without(&lists(&nothing, &nothing, &nothing), "AttachedManagedPolicies"),
        ),
        ("no inline policies", without(&lists(&nothing, &nothing, &nothing), "RolePolicyList")),
        ("made anew in between", lists(&nothing, &json!({"RoleId": "AROANEW"}), &nothing)),
    ] {
        let table: Vec<_> = lists.into_iter().chain(alone.clone()).collect();
        let wanted = desired(&spec(json!({})));
        let (live, rounds) = read_among(9, &IamRole, Some(&wanted), None, &table);
        assert_eq!(rounds[1], [GET, ATTACHED, INLINE], "{what}");
        assert_eq!(present(live), present(read_with(&IamRole, Some(&wanted), None, &alone).0));
    }
    // What is to go, or to be made anew, needs more than the lists tell.
    let profiles = (PROFILES, ok(&json!({"InstanceProfiles": []})));
    let table: Vec<_> = told.into_iter().chain(alone).chain([profiles]).collect();
    let elsewhere = desired(&spec(json!({"path": "/elsewhere/"})));
    let (_, rounds) = read_among(9, &IamRole, Some(&elsewhere), None, &table);
    assert_eq!(rounds[1..], [vec![GET, ATTACHED, INLINE], vec![PROFILES]]);
    let remembered = prior(&spec(json!({})));
    let (_, rounds) = read_among(9, &IamRole, None, Some(&remembered), &table);
    assert_eq!(rounds, [[GET, ATTACHED, INLINE, PROFILES]]);
}
