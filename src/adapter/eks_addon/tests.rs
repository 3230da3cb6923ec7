//! Tables of recorded answers, and the commands that follow from changes.

use serde_json::json;

use super::*;
use crate::adapter::Verb;
use crate::adapter::eks::testing::{call, failed, ok, present, read, value};
use crate::diff::{Comparison, Sides, compare};

const DESCRIBE: &str = "aws eks describe-addon --cluster-name demo --addon-name aws-ebs-csi-driver";
const OFFERS: &str = "aws eks describe-addon-versions --addon-name aws-ebs-csi-driver";
const ASSOCIATION: &str =
    "aws eks describe-pod-identity-association --cluster-name demo --association-id a-1";
const ROLE: &str = "arn:aws:iam::111122223333:role/csi";

fn desired(more: &Json) -> Desired {
    let mut spec = json!({"clusterName": "demo", "addonName": "aws-ebs-csi-driver"});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    EksAddon.desired(&value(&spec), &Context::default()).unwrap()
}

fn live(status: &str) -> Json {
    json!({
        "addonName": "aws-ebs-csi-driver",
        "clusterName": "demo",
        "status": status,
        "addonVersion": "v1.53.0-eksbuild.9",
        "health": {"issues": []},
        "addonArn": "arn:aws:eks:us-east-2:111122223333:addon/demo/aws-ebs-csi-driver/0a",
        "configurationValues": "{ \"controller\": {\"replicaCount\": 1} }",
        "podIdentityAssociations": [
            "arn:aws:eks:us-east-2:111122223333:podidentityassociation/demo/a-1",
        ],
        "tags": {},
    })
}

fn object(desired: &Desired, live: &Json) -> Object {
    let version = |version: &str| json!({"addonVersion": version});
    let versions = ["v1.53.0-eksbuild.9", "v1.53.0-eksbuild.10", "v1.9.0-eksbuild.1"].map(version);
    let table = [
        (DESCRIBE, ok(&json!({"addon": live}))),
        (OFFERS, ok(&json!({"addons": [{"addonVersions": versions}]}))),
        (
            ASSOCIATION,
            ok(&json!({"association": {
                "serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE,
            }})),
        ),
    ];
    present(read(&EksAddon, Some(desired), None, &table).0)
}

/// What differs, with nothing applied before.
fn differences(desired: &Desired, object: &Object) -> Comparison {
    let sides = Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
    compare(EksAddon.attributes(), &desired.exclusive, sides, &[])
}

fn planned(
    desired: &Desired,
    live: &Json,
    verb: Verb,
) -> Result<Vec<(String, Json)>, Vec<Blocker>> {
    let object = object(desired, live);
    let found = differences(desired, &object);
    let operation = Operation {
        verb,
        identity: &desired.identity,
        desired: Some(desired),
        prior: None,
        object: Some(&object),
        changes: &found.changes,
    };
    let steps = EksAddon.steps(&operation)?;
    Ok(steps.iter().map(|step| call(&step.command)).collect())
}

#[test]
fn what_differs_is_changed_and_the_rest_is_sent_as_it_is() {
    let values = "{ \"controller\": {\"replicaCount\": 1} }";
    let update = |more: Json| {
        let mut input = json!({
            "clusterName": "demo", "addonName": "aws-ebs-csi-driver",
            "configurationValues": values, "resolveConflicts": "NONE",
        });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        vec![("eks update-addon".to_owned(), input)]
    };
    let ours = json!([{"serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE}]);
    for (spec, expected) in [
        (json!({}), vec![]),
        (json!({"version": null}), vec![]),
        (json!({"version": "v1.53.0-eksbuild.9"}), vec![]),
        // Compared as a tree, whatever the text looks like.
        (json!({"configurationValues": {"controller": {"replicaCount": 1}}}), vec![]),
        (json!({"podIdentityAssociations": ours}), vec![]),
        (
            json!({"version": "v1.53.0-eksbuild.10"}),
            update(json!({"addonVersion": "v1.53.0-eksbuild.10"})),
        ),
        (
            json!({
                "configurationValues": {"controller": {"replicaCount": 2}},
                "resolveConflicts": "PRESERVE",
            }),
            update(json!({
                "configurationValues": "{\"controller\":{\"replicaCount\":2}}",
                "resolveConflicts": "PRESERVE",
            })),
        ),
        // An empty list takes the roles away; none declared leaves them.
        (json!({"podIdentityAssociations": []}), update(json!({"podIdentityAssociations": []}))),
    ] {
        let found = planned(&desired(&spec), &live("ACTIVE"), Verb::Update);
        assert_eq!(found, Ok(expected), "{spec}");
    }
}

#[test]
fn a_version_that_is_not_offered_is_a_blocker_that_names_those_that_are() {
    let desired = desired(&json!({"version": "v9.9.9-eksbuild.1"}));
    let blockers = planned(&desired, &live("ACTIVE"), Verb::Update).unwrap_err();
    assert_eq!(blockers[0].code, "AddonVersionUnknown");
    // Newest first, builds as numbers.
    assert_eq!(
        blockers[0].next,
        "set spec.version to one of v1.53.0-eksbuild.10, v1.53.0-eksbuild.9, v1.9.0-eksbuild.1"
    );
}

#[test]
fn an_add_on_is_installed_repaired_and_deleted() {
    let desired = desired(&json!({
        "version": "v1.53.0-eksbuild.9",
        "podIdentityAssociations": [{"serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE}],
        "preserve": true,
        "tags": {"team": "lake"},
    }));
    let operation = |verb, object| Operation {
        verb,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object,
        changes: &[],
    };
    let steps = EksAddon.steps(&operation(Verb::Create, None)).unwrap();
    assert_eq!(
        call(&steps[0].command),
        (
            "eks create-addon".to_owned(),
            json!({
                "clusterName": "demo", "addonName": "aws-ebs-csi-driver",
                "addonVersion": "v1.53.0-eksbuild.9", "resolveConflicts": "NONE",
                "podIdentityAssociations": [
                    {"serviceAccount": "ebs-csi-controller-sa", "roleArn": ROLE},
                ],
                "tags": {"team": "lake"},
            })
        )
    );
    let broken = object(&desired, &live("CREATE_FAILED"));
    assert!(matches!(broken.health, Health::Broken(_)));
    let steps = EksAddon.steps(&operation(Verb::Repair, Some(&broken))).unwrap();
    // Never deleted to try again.
    assert_eq!(steps.len(), 1);
    assert_eq!(call(&steps[0].command).0, "eks update-addon");
    let sound = object(&desired, &live("ACTIVE"));
    let steps = EksAddon.steps(&operation(Verb::Delete, Some(&sound))).unwrap();
    assert_eq!(
        call(&steps[0].command),
        (
            "eks delete-addon".to_owned(),
            json!({"clusterName": "demo", "addonName": "aws-ebs-csi-driver", "preserve": true})
        )
    );
}

#[test]
fn status_and_issues_tell() {
    let desired = desired(&json!({}));
    for (status, waits) in [
        ("ACTIVE", None),
        ("CREATING", Some(true)),
        ("UPDATING", Some(true)),
        ("DEGRADED", Some(true)),
        ("UPDATE_FAILED", Some(true)),
        ("CREATE_FAILED", Some(false)),
        ("DELETING", Some(false)),
    ] {
        let mut live = live(status);
        live["health"] = json!({"issues": [
            {"code": "ConfigurationConflict", "message": "a field is not ours"},
        ]});
        let object = object(&desired, &live);
        let (found, blockers) = match EksAddon.readiness(&desired, &object) {
            Readiness::Ready => (None, Vec::new()),
            Readiness::Waiting(blockers) => (Some(true), blockers),
            Readiness::NotReady(blockers) => (Some(false), blockers),
        };
        assert_eq!(found, waits, "{status}");
        if waits.is_some() {
            assert_eq!(blockers[0].code, "ConfigurationConflict");
            assert!(blockers[0].next.contains("resolveConflicts: OVERWRITE"));
        }
    }
}

#[test]
fn absent_is_what_the_service_says() {
    let desired = desired(&json!({}));
    let missing = |message| failed("ResourceNotFoundException", "DescribeAddon", message);
    let gone = [(DESCRIBE, missing("No addon: aws-ebs-csi-driver found in cluster: demo"))];
    assert_eq!(read(&EksAddon, Some(&desired), None, &gone).0, Ok(Live::Absent));
    let no_cluster = [(DESCRIBE, missing("No cluster found for name: demo."))];
    assert!(read(&EksAddon, Some(&desired), None, &no_cluster).0.is_err());
    let refused = failed("AccessDeniedException", "DescribeAddon", "not authorized");
    assert!(read(&EksAddon, Some(&desired), None, &[(DESCRIBE, refused)]).0.is_err());
}
