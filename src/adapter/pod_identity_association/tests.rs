//! Tables of answers to live values, and of operations to commands.

use serde_json::json;

use super::*;
use crate::adapter::Prior;
use crate::adapter::eks::testing::{call, change, failed, ok, present, read, read_among, value};
use crate::command::Answer;

const ROLE: &str = "arn:aws:iam::111122223333:role/KarpenterControllerRole-demo";
const LIST: &str = "aws eks list-pod-identity-associations --cluster-name demo \
    --namespace kube-system --service-account karpenter";
const DESCRIBE: &str = "aws eks describe-pod-identity-association --cluster-name demo \
    --association-id a-0123456789abcdef0";
const ARN: &str =
    "arn:aws:eks:us-east-2:111122223333:podidentityassociation/demo/a-0123456789abcdef0";

fn desired(more: Json) -> Desired {
    let mut spec = json!({
        "clusterName": "demo",
        "namespace": "kube-system",
        "serviceAccount": "karpenter",
        "roleArn": ROLE,
    });
    if let (Some(spec), Json::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    PodIdentityAssociation.desired(&value(&spec), &Context::default()).unwrap()
}

fn list(count: usize) -> Answer {
    let association = json!({
        "clusterName": "demo",
        "namespace": "kube-system",
        "serviceAccount": "karpenter",
        "associationArn": ARN,
        "associationId": "a-0123456789abcdef0",
    });
    ok(&json!({"associations": vec![association; count]}))
}

fn describe(more: Json) -> Answer {
    let mut association = json!({
        "clusterName": "demo",
        "namespace": "kube-system",
        "serviceAccount": "karpenter",
        "roleArn": ROLE,
        "associationArn": ARN,
        "associationId": "a-0123456789abcdef0",
        "tags": {"team": "data"},
        "createdAt": "2026-03-01T10:00:05.912000+00:00",
        "modifiedAt": "2026-03-01T10:00:05.912000+00:00",
    });
    if let (Some(association), Json::Object(more)) = (association.as_object_mut(), more) {
        association.extend(more);
    }
    ok(&json!({ "association": association }))
}

fn object(more: Json) -> Object {
    let table = [(LIST, list(1)), (DESCRIBE, describe(more))];
    present(read(&PodIdentityAssociation, Some(&desired(json!({}))), None, &table).0)
}

fn steps(
    verb: Verb,
    desired: Option<&Desired>,
    object: Option<&Object>,
    changes: &[crate::diff::FieldChange],
) -> Result<Vec<(String, Json)>, Vec<Blocker>> {
    let identity = self::desired(json!({})).identity;
    let operation = Operation { verb, identity: &identity, desired, prior: None, object, changes };
    let steps = PodIdentityAssociation.steps(&operation)?;
    Ok(steps.iter().map(|step| call(&step.command)).collect())
}

#[test]
fn an_association_is_found_by_its_service_account() {
    let desired = desired(json!({}));
    let table = [(LIST, list(1)), (DESCRIBE, describe(json!({})))];
    let (live, rounds) = read(&PodIdentityAssociation, Some(&desired), None, &table);
    assert_eq!(rounds, [vec![LIST.to_owned()], vec![DESCRIBE.to_owned()]]);
    let object = present(live);
    assert_eq!(
        Value::Map(object.attributes),
        value(&json!({
            "roleArn": ROLE,
            "targetRoleArn": "",
            "disableSessionTags": false,
            "tags": {"team": "data"},
        }))
    );
    assert_eq!(
        Value::Map(object.outputs),
        value(&json!({"associationArn": ARN, "associationId": "a-0123456789abcdef0"}))
    );
    assert!(object.notes.is_empty());
}

#[test]
fn one_of_many_associations_is_found_in_the_list_of_the_cluster() {
    const ALL: &str = "aws eks list-pod-identity-associations --cluster-name demo";
    let desired = desired(json!({}));
    let of = |account: &str| {
        let listed = list(1).json().unwrap()["associations"][0].clone();
        let mut listed = listed.as_object().unwrap().clone();
        listed.insert("serviceAccount".into(), account.into());
        json!(listed)
    };
    let all = |accounts: &[&str]| {
        let all: Vec<Json> = accounts.iter().map(|account| of(account)).collect();
        (ALL, ok(&json!({ "associations": all })))
    };
    let among = |table: &[(&str, Answer)]| {
        read_among(3, &PodIdentityAssociation, Some(&desired), None, table)
    };
    let table = [all(&["other", "karpenter"]), (DESCRIBE, describe(json!({})))];
    let (live, rounds) = among(&table);
    assert_eq!(rounds, [[ALL], [DESCRIBE]]);
    assert_eq!(present(live), object(json!({})));
    // What the list does not tell for sure is asked for alone.
    for all in [all(&["other"]), all(&["karpenter", "karpenter"]), (ALL, failed("X", "Y", "z"))] {
        let (live, rounds) = among(&[all, (LIST, list(0))]);
        assert_eq!(rounds, [[ALL], [LIST]]);
        assert_eq!(live, Ok(Live::Absent));
    }
}

#[test]
fn absent_is_what_the_service_says_and_nothing_else() {
    let desired = desired(json!({}));
    let adapter = &PodIdentityAssociation;
    let live = |table: &[(&str, Answer)]| read(adapter, Some(&desired), None, table).0;
    assert_eq!(live(&[(LIST, list(0))]), Ok(Live::Absent));
    let gone = failed("ResourceNotFoundException", "DescribePodIdentityAssociation", "gone");
    assert_eq!(live(&[(LIST, list(1)), (DESCRIBE, gone)]), Ok(Live::Absent));
    assert!(live(&[(LIST, list(2))]).is_err());
    let partial = ok(&json!({"associations": [], "nextToken": "more"}));
    assert!(live(&[(LIST, partial)]).is_err());
    let no_cluster = failed(
        "ResourceNotFoundException",
        "ListPodIdentityAssociations",
        "No cluster found for name: demo.",
    );
    let error = live(&[(LIST, no_cluster.clone())]).unwrap_err();
    assert_eq!(error.why, "the cluster demo does not exist");
    let prior = Prior { identity: desired.identity.clone(), ..Prior::default() };
    let (live, _) = read(adapter, None, Some(&prior), &[(LIST, no_cluster)]);
    assert_eq!(live, Ok(Live::Absent));
}

#[test]
fn creating_leaves_out_what_is_not_declared() {
    assert_eq!(
        steps(Verb::Create, Some(&desired(json!({"targetRoleArn": ""}))), None, &[]).unwrap(),
        [(
            "eks create-pod-identity-association".to_owned(),
            json!({
                "clusterName": "demo", "namespace": "kube-system",
                "serviceAccount": "karpenter", "roleArn": ROLE,
            })
        )]
    );
    let full = desired(json!({
        "targetRoleArn": "arn:aws:iam::444455556666:role/data",
        "disableSessionTags": true,
        "tags": {"a": "b"},
    }));
    let calls = steps(Verb::Create, Some(&full), None, &[]).unwrap();
    assert_eq!(calls[0].1["targetRoleArn"], "arn:aws:iam::444455556666:role/data");
    assert_eq!(calls[0].1["disableSessionTags"], true);
    assert_eq!(calls[0].1["tags"], json!({"a": "b"}));
}

#[test]
fn updating_goes_by_id_and_takes_away_what_is_not_declared_any_more() {
    let object = object(json!({"targetRoleArn": "arn:aws:iam::444455556666:role/data"}));
    let changes = [
        change(&["roleArn"], Some("old".into()), Some(ROLE.into())),
        change(&["targetRoleArn"], Some("arn:aws:iam::444455556666:role/data".into()), None),
        change(&["tags", "team"], Some("data".into()), Some("lake".into())),
    ];
    assert_eq!(
        steps(Verb::Update, Some(&desired(json!({}))), Some(&object), &changes).unwrap(),
        [
            (
                "eks update-pod-identity-association".to_owned(),
                json!({
                    "clusterName": "demo", "associationId": "a-0123456789abcdef0",
                    "roleArn": ROLE, "targetRoleArn": "",
                })
            ),
            ("eks tag-resource".to_owned(), json!({"resourceArn": ARN, "tags": {"team": "lake"}})),
        ]
    );
    let only_tags = [change(&["tags", "team"], Some("data".into()), None)];
    let calls = steps(Verb::Update, Some(&desired(json!({}))), Some(&object), &only_tags).unwrap();
    assert_eq!(
        calls,
        [("eks untag-resource".to_owned(), json!({"resourceArn": ARN, "tagKeys": ["team"]}))]
    );
}

#[test]
fn deleting_goes_by_id() {
    assert_eq!(
        steps(Verb::Delete, None, Some(&object(json!({}))), &[]).unwrap(),
        [(
            "eks delete-pod-identity-association".to_owned(),
            json!({"clusterName": "demo", "associationId": "a-0123456789abcdef0"})
        )]
    );
    let blockers = steps(Verb::Delete, None, None, &[]).unwrap_err();
    assert_eq!(blockers[0].code, "AssociationUnknown");
}

#[test]
fn what_an_add_on_owns_is_left_alone() {
    let owner = "arn:aws:eks:us-east-2:111122223333:addon/demo/aws-ebs-csi-driver/0a0a0a0a";
    let object = object(json!({ "ownerArn": owner }));
    assert_eq!(object.notes, [format!("the add-on {owner} owns this association")]);
    for verb in [Verb::Update, Verb::Delete] {
        let changes = [change(&["roleArn"], Some("old".into()), Some(ROLE.into()))];
        let blockers = steps(verb, Some(&desired(json!({}))), Some(&object), &changes).unwrap_err();
        assert_eq!(blockers[0].code, "OwnedByAddOn");
        assert!(blockers[0].message.contains(owner));
    }
}

#[test]
fn problems_are_all_told() {
    let spec = json!({
        "clusterName": "",
        "namespace": "Kube_System",
        "serviceAccount": "-x",
        "roleArn": "arn:aws:iam::111122223333:user/x",
        "targetRoleArn": "role/x",
        "tags": {"": "x"},
    });
    let problems = PodIdentityAssociation.desired(&value(&spec), &Context::default()).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|p| p.path.to_string()).collect();
    assert_eq!(
        paths,
        ["clusterName", "namespace", "serviceAccount", "roleArn", "targetRoleArn", "tags[\"\"]"]
    );
    let mut dotted = spec;
    dotted["serviceAccount"] = "a.b-c".into();
    let problems =
        PodIdentityAssociation.desired(&value(&dotted), &Context::default()).unwrap_err();
    assert!(problems.iter().all(|p| p.path != Path::new("serviceAccount")));
}
