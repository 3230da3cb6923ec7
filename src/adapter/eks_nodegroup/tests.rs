//! Tables of recorded answers, and the commands that follow from changes.

use serde_json::json;

use super::*;
use crate::adapter::Verb;
use crate::adapter::eks::testing::{call, failed, ok, present, read, value};
use crate::diff::{Comparison, Sides, compare};

const DESCRIBE: &str = "aws eks describe-nodegroup --cluster-name demo --nodegroup-name workers";

fn desired(more: &Json) -> Desired {
    let mut spec = json!({
        "clusterName": "demo",
        "nodegroupName": "workers",
        "subnets": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
        "nodeRole": "arn:aws:iam::111122223333:role/node",
        "scaling": {"minSize": 1, "maxSize": 4},
        "instanceTypes": ["t3.large"],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    EksNodegroup.desired(&value(&spec), &Context::default()).unwrap()
}

fn live() -> Json {
    json!({
        "nodegroupName": "workers",
        "nodegroupArn": "arn:aws:eks:us-east-2:111122223333:nodegroup/demo/workers/0a",
        "clusterName": "demo",
        "version": "1.34",
        "releaseVersion": "1.34.1-20251112",
        "status": "ACTIVE",
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 3},
        "instanceTypes": ["t3.large"],
        "subnets": ["subnet-0b0b0b0b0", "subnet-0a0a0a0a0"],
        "amiType": "AL2023_x86_64_STANDARD",
        "nodeRole": "arn:aws:iam::111122223333:role/node",
        "labels": {"others": "left alone"},
        "diskSize": 20,
        "health": {"issues": []},
        "updateConfig": {"maxUnavailable": 1, "updateStrategy": "DEFAULT"},
        "resources": {"autoScalingGroups": [{"name": "eks-workers-0a"}]},
        "tags": {},
    })
}

fn object(desired: &Desired, live: &Json) -> Object {
    present(
        read(&EksNodegroup, Some(desired), None, &[(DESCRIBE, ok(&json!({"nodegroup": live})))]).0,
    )
}

/// What differs, with nothing applied before.
fn differences(desired: &Desired, object: &Object) -> Comparison {
    let sides = Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
    compare(EksNodegroup.attributes(), &desired.exclusive, sides, &[])
}

fn planned(desired: &Desired, live: &Json, verb: Verb) -> (bool, Vec<(String, Json)>) {
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
    let steps = EksNodegroup.steps(&operation).unwrap();
    let shown = |step: &Step| match &step.command.stdin {
        Some(_) => call(&step.command),
        None => (step.command.to_string(), Json::Null),
    };
    (found.changes.iter().any(|change| change.replace), steps.iter().map(shown).collect())
}

#[test]
fn what_differs_is_changed_and_nothing_else() {
    let of = |more: Json| {
        let mut input = json!({"clusterName": "demo", "nodegroupName": "workers"});
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        input
    };
    let config = |more: Json| ("eks update-nodegroup-config".to_owned(), of(more));
    for (spec, expected) in [
        // How many nodes there are is an autoscaler's.
        (json!({}), vec![]),
        (json!({"updateConfig": {"maxUnavailable": 1}, "diskSize": 20}), vec![]),
        (
            json!({"scaling": {"minSize": 1, "maxSize": 4, "desiredSize": 2}}),
            vec![config(json!({"scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 2}}))],
        ),
        (
            json!({"scaling": {"minSize": 1, "maxSize": 9}}),
            vec![config(json!({"scalingConfig": {"minSize": 1, "maxSize": 9}}))],
        ),
        // The number that is there must lie within the new bounds.
        (
            json!({"scaling": {"minSize": 5, "maxSize": 9}}),
            vec![config(json!({"scalingConfig": {"minSize": 5, "maxSize": 9, "desiredSize": 5}}))],
        ),
        (
            json!({
                "labels": {"pool": "a"},
                "taints": [{"key": "k", "effect": "NO_SCHEDULE"}],
                "updateConfig": {"maxUnavailablePercentage": 50},
            }),
            vec![config(json!({
                "labels": {"addOrUpdateLabels": {"pool": "a"}},
                "taints": {"addOrUpdateTaints": [{"key": "k", "effect": "NO_SCHEDULE"}]},
                "updateConfig": {"maxUnavailablePercentage": 50},
            }))],
        ),
        (
            json!({"labels": {"pool": "a"}, "version": "1.35"}),
            vec![
                config(json!({"labels": {"addOrUpdateLabels": {"pool": "a"}}})),
                (
                    "aws eks wait nodegroup-active --cluster-name demo --nodegroup-name workers"
                        .to_owned(),
                    Json::Null,
                ),
                ("eks update-nodegroup-version".to_owned(), of(json!({"version": "1.35"}))),
            ],
        ),
    ] {
        let (replace, steps) = planned(&desired(&spec), &live(), Verb::Update);
        assert_eq!((replace, steps), (false, expected), "{spec}");
    }
    for spec in [
        json!({"instanceTypes": ["m5.large"]}),
        json!({"diskSize": 80}),
        json!({"capacityType": "SPOT"}),
        json!({"amiType": "BOTTLEROCKET_x86_64"}),
        json!({"subnets": ["subnet-0a0a0a0a0"]}),
        json!({"nodeRole": "arn:aws:iam::111122223333:role/other"}),
    ] {
        assert!(planned(&desired(&spec), &live(), Verb::Update).0, "{spec} makes it anew");
    }
}

#[test]
fn nodes_do_not_go_back() {
    let desired = desired(&json!({"version": "1.33"}));
    let object = object(&desired, &live());
    let found = differences(&desired, &object);
    let operation = Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: Some(&object),
        changes: &found.changes,
    };
    assert_eq!(EksNodegroup.steps(&operation).unwrap_err()[0].code, "VersionDowngrade");
}

#[test]
fn a_node_group_is_made_and_made_anew() {
    let create = (
        "eks create-nodegroup".to_owned(),
        json!({
            "clusterName": "demo",
            "nodegroupName": "workers",
            "subnets": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
            "nodeRole": "arn:aws:iam::111122223333:role/node",
            "instanceTypes": ["t3.large"],
            "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 1},
        }),
    );
    let desired = desired(&json!({}));
    let operation = Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: None,
        changes: &[],
    };
    let steps = EksNodegroup.steps(&operation).unwrap();
    assert_eq!(
        steps.iter().map(|step| call(&step.command)).collect::<Vec<_>>(),
        std::slice::from_ref(&create)
    );
    let (_, steps) = planned(&desired, &live(), Verb::Repair);
    assert_eq!(
        steps.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(),
        [
            "eks delete-nodegroup",
            "aws eks wait nodegroup-deleted --cluster-name demo --nodegroup-name workers",
            "eks create-nodegroup",
        ]
    );
    assert_eq!(steps[2], create);
}

#[test]
fn status_and_issues_tell() {
    let desired = desired(&json!({}));
    for (status, code, health, waits) in [
        ("ACTIVE", None, "sound", None),
        ("CREATING", None, "busy", Some(true)),
        ("UPDATING", None, "busy", Some(true)),
        ("DELETING", None, "busy", Some(false)),
        ("DEGRADED", Some("AsgInstanceLaunchFailures"), "sound", Some(false)),
        ("CREATE_FAILED", Some("NodeCreationFailure"), "broken", Some(false)),
        ("DELETE_FAILED", Some("Ec2SecurityGroupNotFound"), "broken", Some(false)),
    ] {
        let mut live = live();
        live["status"] = json!(status);
        if let Some(code) = code {
            live["health"] = json!({"issues": [
                {"code": code, "message": "it went wrong", "resourceIds": ["i-0a"]},
            ]});
        }
        let object = object(&desired, &live);
        let found = match &object.health {
            Health::Sound => "sound",
            Health::Busy(_) => "busy",
            Health::Broken(why) => {
                assert!(why.ends_with(": it went wrong"), "{why}");
                "broken"
            }
            Health::Outdated(_) => "outdated",
        };
        assert_eq!(found, health, "{status}");
        let (found, blockers) = match EksNodegroup.readiness(&desired, &object) {
            Readiness::Ready => (None, Vec::new()),
            Readiness::Waiting(blockers) => (Some(true), blockers),
            Readiness::NotReady(blockers) => (Some(false), blockers),
        };
        assert_eq!(found, waits, "{status}");
        if let Some(code) = code {
            let issue = blockers.iter().find(|blocker| blocker.code == code).unwrap();
            assert_eq!(issue.message, "the node group workers: it went wrong (i-0a)");
            assert!(!issue.next.contains("ask AWS"), "{code} has a remedy of its own");
        }
    }
}

#[test]
fn absent_is_what_the_service_says() {
    let desired = desired(&json!({}));
    let missing = |message| failed("ResourceNotFoundException", "DescribeNodegroup", message);
    let gone = [(DESCRIBE, missing("No node group found for name: workers."))];
    assert_eq!(read(&EksNodegroup, Some(&desired), None, &gone).0, Ok(Live::Absent));
    let no_cluster = [(DESCRIBE, missing("No cluster found for name: demo."))];
    assert!(read(&EksNodegroup, Some(&desired), None, &no_cluster).0.is_err());
    let refused = failed("AccessDeniedException", "DescribeNodegroup", "not authorized");
    assert!(read(&EksNodegroup, Some(&desired), None, &[(DESCRIBE, refused)]).0.is_err());
}

#[test]
fn problems_are_all_told() {
    let spec = json!({
        "clusterName": "demo",
        "nodegroupName": "-workers",
        "subnets": ["vpc-1"],
        "nodeRole": "node",
        "scaling": {"minSize": 3, "maxSize": 2},
        "updateConfig": {},
        "version": "1.x",
    });
    let problems = EksNodegroup.desired(&value(&spec), &Context::default()).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(
        places,
        ["nodegroupName", "nodeRole", "subnets.0", "scaling", "updateConfig", "version"]
    );
}
