//! Tables of answers to live policies.

use serde_json::json;

use super::*;
use crate::adapter::Live;
use crate::adapter::eks::testing::{failed, ok, present, read as read_with, read_among};
use crate::command::Answer;

/// What `get-policy` answers, with these members besides.
fn policy_answer(members: Json) -> Answer {
    let mut policy = json!({
        "PolicyName": "Controller-x",
        "PolicyId": "ANPAEXAMPLEEXAMPLEEX1",
        "Arn": THE_ARN,
        "Path": "/",
        "DefaultVersionId": "v3",
        "AttachmentCount": 1,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": "2024-05-06T07:08:09+00:00",
        "UpdateDate": "2024-05-06T07:08:09+00:00",
        "Tags": [],
    });
    if let (Some(policy), Json::Object(members)) = (policy.as_object_mut(), members) {
        policy.extend(members);
    }
    ok(&json!({ "Policy": policy }))
}

fn version_answer(id: &str, document: &Json) -> Answer {
    ok(&json!({"PolicyVersion": {
        "Document": document,
        "VersionId": id,
        "IsDefaultVersion": id == "v3",
        "CreateDate": "2024-05-06T07:08:09+00:00",
    }}))
}

/// What `list-policy-versions` answers: v3 is the default. The younger a
/// version, the earlier it stands, as AWS lists them.
fn list_answer(ids: &[&str]) -> Answer {
    let versions: Vec<Json> = ids
        .iter()
        .map(|id| {
            let day = id.trim_start_matches('v');
            json!({
                "VersionId": id,
                "IsDefaultVersion": *id == "v3",
                "CreateDate": format!("2024-05-{day:0>2}T07:08:09+00:00"),
            })
        })
        .collect();
    ok(&json!({ "Versions": versions }))
}

#[test]
fn a_policy_as_desired_is_read_with_two_commands() {
    let version = get_version("v3");
    let table = [
        (
            GET,
            policy_answer(json!({
                "Description": "theirs",
                "Tags": [{"Key": "team", "Value": "data"}, {"Key": "aws:x", "Value": "y"}],
            })),
        ),
        (version.as_str(), version_answer("v3", &may("S3:*"))),
    ];
    let (live, rounds) = read_with(&IamPolicy, Some(&desired(&spec("s3:*"))), None, &table);
    assert_eq!(rounds, [[GET], [&version]]);
    let object = present(live);
    assert_eq!(
        Value::Map(object.attributes).redacted_json(),
        json!({"path": "/", "document": may("S3:*")}),
        "a description that is not declared can't be changed, and is left out; so are tags where \
         none are declared"
    );
    assert_eq!(
        Value::Map(object.outputs).redacted_json(),
        json!({"arn": THE_ARN, "name": "Controller-x", "policyId": "ANPAEXAMPLEEXAMPLEEX1"})
    );
    assert_eq!(object.facts, iam::map([(USES, 1.into())]));
    let tagged = desired(&json!({
        "policyName": "Controller-x", "document": may("s3:*"), "tags": {"team": "ours"},
    }));
    let (live, _) = read_with(&IamPolicy, Some(&tagged), None, &table);
    assert_eq!(present(live).attributes[TAGS].redacted_json(), json!({"team": "data"}));
}

const DETAILS: &str =
    "aws iam get-account-authorization-details --page-size 1000 --filter LocalManagedPolicy";
const LIST_TAGS: &str =
    "aws iam list-policy-tags --policy-arn arn:aws:iam::123456789012:policy/Controller-x";

/// What the list of all policies tells of this one, with these members besides,
/// and of another.
fn details(members: Json) -> Answer {
    let mut policy = policy_answer(members).json().unwrap()["Policy"].clone();
    policy.as_object_mut().unwrap().remove("Tags");
    let version =
        |id, action| version_answer(id, &may(action)).json().unwrap()["PolicyVersion"].clone();
    policy["PolicyVersionList"] = json!([version("v3", "S3:*"), version("v2", "ec2:*")]);
    ok(&json!({"Policies": [{"Arn": "other"}, policy], "RoleDetailList": []}))
}

#[test]
fn one_of_many_policies_is_read_off_the_list_where_nothing_is_to_do() {
    let version = get_version("v3");
    let alone = [(GET, policy_answer(json!({}))), (&version, version_answer("v3", &may("S3:*")))];
    let plain = desired(&spec("s3:*"));
    let table = [(DETAILS, details(json!({})))];
    let (live, rounds) = read_among(3, &IamPolicy, Some(&plain), None, &table);
    assert_eq!(rounds, [[DETAILS]]);
    assert_eq!(present(live), present(read_with(&IamPolicy, Some(&plain), None, &alone).0));

    // Tags are asked for where some are declared, or were.
    let tagged = json!({
        "policyName": "Controller-x", "document": may("s3:*"), "tags": {"team": "data"},
    });
    let tags = (LIST_TAGS, ok(&json!({"Tags": [{"Key": "team", "Value": "theirs"}]})));
    let table = [(DETAILS, details(json!({}))), tags];
    for (wanted, remembered) in [(desired(&tagged), None), (plain.clone(), Some(prior(&tagged)))] {
        let (live, rounds) = read_among(3, &IamPolicy, Some(&wanted), remembered.as_ref(), &table);
        assert_eq!(rounds, [[DETAILS], [LIST_TAGS]]);
        assert_eq!(present(live).attributes[TAGS].redacted_json(), json!({"team": "theirs"}));
    }
}

#[test]
fn a_description_that_the_list_leaves_out_is_known_of_the_same_policy() {
    let described =
        json!({"policyName": "Controller-x", "document": may("s3:*"), "description": "ours"});
    let wanted = desired(&described);
    let version = get_version("v3");
    let table = [
        (DETAILS, details(json!({}))),
        (GET, policy_answer(json!({"Description": "ours"}))),
        (&version, version_answer("v3", &may("S3:*"))),
    ];
    let mut remembered = prior(&described);
    for (id, asked) in [("ANPAEXAMPLEEXAMPLEEX1", 1), ("ANPAANOTHER", 3)] {
        remembered.outputs.insert("policyId".into(), id.into());
        let (live, rounds) = read_among(3, &IamPolicy, Some(&wanted), Some(&remembered), &table);
        assert_eq!(rounds.len(), asked, "{id}");
        assert_eq!(present(live).attributes[DESCRIPTION].as_str(), Some("ours"));
    }
    let (_, rounds) = read_among(3, &IamPolicy, Some(&wanted), None, &table);
    assert_eq!(rounds.len(), 3, "nobody remembers it");
}

#[test]
fn tags_that_may_not_be_listed_are_read_with_the_policy() {
    let tagged = desired(&json!({
        "policyName": "Controller-x", "document": may("s3:*"), "tags": {"team": "data"},
    }));
    let version = get_version("v3");
    let get = policy_answer(json!({"Tags": [{"Key": "team", "Value": "data"}]}));
    for answer in [failed("AccessDenied", "ListPolicyTags", "no"), ok(&json!({}))] {
        let table = [
            (DETAILS, details(json!({}))),
            (LIST_TAGS, answer),
            (GET, get.clone()),
            (&version, version_answer("v3", &may("S3:*"))),
        ];
        let (live, rounds) = read_among(3, &IamPolicy, Some(&tagged), None, &table);
        assert_eq!(rounds[2], [GET]);
        assert_eq!(present(live).attributes[TAGS].redacted_json(), json!({"team": "data"}));
    }
}

#[test]
fn a_policy_that_the_list_does_not_settle_is_read_alone() {
    let version = get_version("v3");
    let get = policy_answer(json!({"Description": "theirs"}));
    let alone = [
        (GET, get),
        (version.as_str(), version_answer("v3", &may("S3:*"))),
        (LIST, list_answer(&["v3"])),
    ];
    let described =
        json!({"policyName": "Controller-x", "document": may("s3:*"), "description": "ours"});
    let remembered = prior(&spec("s3:*"));
    let denied = failed("AccessDenied", "GetAccountAuthorizationDetails", "not authorized");
    let moved = details(json!({"DefaultVersionId": "v9"}));
    let mut bare = details(json!({})).json().unwrap();
    bare["Policies"][1].as_object_mut().unwrap().remove("PolicyVersionList");
    for (what, wanted, list) in [
        ("denied", Some(desired(&spec("s3:*"))), Some(denied)),
        ("not there", Some(desired(&spec("s3:*"))), Some(ok(&json!({"Policies": []})))),
        ("no default", Some(desired(&spec("s3:*"))), Some(moved)),
        ("no versions", Some(desired(&spec("s3:*"))), Some(ok(&bare))),
        ("other document", Some(desired(&spec("ec2:*"))), Some(details(json!({})))),
        ("other description", Some(desired(&described)), Some(details(json!({})))),
        ("to be deleted", None, None),
    ] {
        let asked = list.is_some();
        let table: Vec<_> =
            list.map(|list| (DETAILS, list)).into_iter().chain(alone.clone()).collect();
        let (_, rounds) = read_among(3, &IamPolicy, wanted.as_ref(), Some(&remembered), &table);
        assert_eq!(rounds[usize::from(asked)], [GET], "{what}");
    }
}

#[test]
fn versions_are_read_when_the_default_differs() {
    let ids = ["v4", "v3", "v2"];
    let commands: Vec<String> = ids.iter().map(|id| get_version(id)).collect();
    let [v4, v3, v2] = [&commands[0], &commands[1], &commands[2]];
    let table = [
        (GET, policy_answer(json!({}))),
        (LIST, list_answer(&ids)),
        (v4, version_answer("v4", &may("s3:4"))),
        (v3, version_answer("v3", &may("s3:3"))),
        (v2, version_answer("v2", &may("s3:2"))),
    ];
    let (live, rounds) = read_with(&IamPolicy, Some(&desired(&spec("s3:*"))), None, &table);
    assert_eq!(rounds, [vec![GET], vec![v3], vec![LIST], vec![v4, v2]]);
    let fact = |id: &str, day: u8| {
        json!({"versionId": id, "isDefault": id == "v3",
            "createDate": format!("2024-05-0{day}T07:08:09Z")})
    };
    let with = |mut fact: Json, document: Json| {
        fact["document"] = document;
        fact
    };
    assert_eq!(
        present(live).facts[VERSIONS].redacted_json(),
        json!([with(fact("v4", 4), may("s3:4")), fact("v3", 3), with(fact("v2", 2), may("s3:2")),])
    );

    // Not wholly known, the document equals none of them: their ids are enough.
    let mut unknown = desired(&spec("s3:*"));
    unknown.attributes.insert(DOCUMENT.into(), Value::Unknown("${IamRole.a.arn}".into()));
    let (live, rounds) = read_with(&IamPolicy, Some(&unknown), None, &table);
    assert_eq!(rounds, [vec![GET], vec![v3], vec![LIST]]);
    assert_eq!(
        present(live).facts[VERSIONS].redacted_json(),
        json!([fact("v4", 4), fact("v3", 3), fact("v2", 2)])
    );
}

#[test]
fn before_a_delete_the_versions_are_listed() {
    let version = get_version("v3");
    let table = [
        (GET, policy_answer(json!({"Description": "old"}))),
        (LIST, list_answer(&["v3", "v2"])),
        (version.as_str(), version_answer("v3", &may("s3:*"))),
    ];
    let (live, rounds) = read_with(&IamPolicy, None, Some(&prior(&spec("s3:*"))), &table);
    assert_eq!(rounds, [vec![GET], vec![LIST, &version]]);
    assert!(present(live).facts.contains_key(VERSIONS));
    // Another description means a new policy.
    let mut other = spec("s3:*");
    other[DESCRIPTION] = json!("new");
    let (live, rounds) = read_with(&IamPolicy, Some(&desired(&other)), None, &table);
    assert_eq!(rounds.len(), 2);
    let object = present(live);
    assert_eq!(object.attributes[DESCRIPTION], "old".into());
    assert!(object.facts.contains_key(VERSIONS));
}

#[test]
fn no_such_entity_is_absent_and_another_failure_is_not() {
    let wanted = desired(&spec("s3:*"));
    let gone = failed("NoSuchEntity", "GetPolicy", "Policy Controller-x was not found.");
    let (live, _) = read_with(&IamPolicy, Some(&wanted), None, &[(GET, gone)]);
    assert_eq!(live, Ok(Live::Absent));

    let (v3, v2) = (get_version("v3"), get_version("v2"));
    let good = || {
        [
            (GET, policy_answer(json!({}))),
            (v3.as_str(), version_answer("v3", &may("s3:3"))),
            (LIST, list_answer(&["v3", "v2"])),
            (v2.as_str(), version_answer("v2", &may("s3:2"))),
        ]
    };
    assert!(read_with(&IamPolicy, Some(&wanted), None, &good()).0.is_ok());
    for (place, answer, why) in [
        (0, failed("AccessDenied", "GetPolicy", "no"), "AccessDenied"),
        (0, failed("Throttling", "GetPolicy", "Rate exceeded"), "Throttling"),
        (0, ok(&json!({})), "no `Policy`"),
        (0, policy_answer(json!({"DefaultVersionId": null})), "no `DefaultVersionId`"),
        (1, failed("NoSuchEntity", "GetPolicyVersion", "no"), "NoSuchEntity"),
        (1, ok(&json!({"PolicyVersion": {}})), "no `Document`"),
        (2, failed("AccessDenied", "ListPolicyVersions", "no"), "AccessDenied"),
        (2, ok(&json!({"Versions": [], "IsTruncated": true})), "cut off"),
        (2, ok(&json!({"Versions": [{}]})), "no `VersionId`"),
        (3, failed("NoSuchEntity", "GetPolicyVersion", "no"), "NoSuchEntity"),
    ] {
        let mut table = good();
        table[place].1 = answer;
        let error = read_with(&IamPolicy, Some(&wanted), None, &table).0.unwrap_err();
        assert!(error.why.contains(why), "{place}: {}", error.why);
        assert_eq!(error.command.to_string(), table[place].0);
    }
}
