//! Tables of recorded answers, and the commands that follow from changes.

use serde_json::{Value as Json, json};

use super::*;
use crate::adapter::eks::testing::{call, failed, ok, present, read, value};
use crate::adapter::{Health, Live, Verb};
use crate::command::Answer;
use crate::diff::{Comparison, Sides, compare};

const DESCRIBE: &str = "aws eks describe-cluster --name demo";
const SUBNETS: &str = "aws ec2 describe-subnets --filters Name=vpc-id,Values=vpc-0aa0aa0aa";

fn desired() -> Desired {
    let context = Context { external: true, ..Context::default() };
    let spec = value(&json!({"name": "demo", "version": "1.34"}));
    EksCluster.desired(&spec, &context).unwrap()
}

fn cluster(status: &str, version: &str) -> Answer {
    ok(&json!({"cluster": {
        "name": "demo",
        "arn": "arn:aws:eks:us-east-2:111122223333:cluster/demo",
        "createdAt": "2026-01-05T09:12:44.118000+00:00",
        "version": version,
        "endpoint": "https://0123456789ABCDEF.gr7.us-east-2.eks.amazonaws.com",
        "roleArn": "arn:aws:iam::111122223333:role/demo-cluster",
        "resourcesVpcConfig": {
            "subnetIds": ["subnet-0b0b0b0b0", "subnet-0a0a0a0a0"],
            "securityGroupIds": ["sg-0d0d0d0d0"],
            "clusterSecurityGroupId": "sg-0c0c0c0c0",
            "vpcId": "vpc-0aa0aa0aa",
            "endpointPublicAccess": true,
        },
        "identity": {"oidc": {"issuer": "https://oidc.eks.us-east-2.amazonaws.com/id/0123"}},
        "status": status,
        "certificateAuthority": {"data": "LS0tLS1CRUdJTg=="},
        "health": {"issues": [{"code": "InternalFailure", "message": "no addresses left"}]},
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
    }}))
}

fn subnets() -> Answer {
    ok(&json!({"Subnets": [
        {"SubnetId": "subnet-0b0b0b0b0", "VpcId": "vpc-0aa0aa0aa"},
        {"SubnetId": "subnet-0e0e0e0e0", "VpcId": "vpc-0aa0aa0aa"},
        {"SubnetId": "subnet-0a0a0a0a0", "VpcId": "vpc-0aa0aa0aa"},
    ]}))
}

#[test]
fn a_cluster_and_its_subnets_are_two_commands() {
    let table = [(DESCRIBE, cluster("ACTIVE", "1.34")), (SUBNETS, subnets())];
    let (live, rounds) = read(&EksCluster, Some(&desired()), None, &table);
    assert_eq!(rounds, [vec![DESCRIBE.to_owned()], vec![SUBNETS.to_owned()]]);
    let object = present(live);
    assert_eq!(
        Value::Map(object.outputs.clone()),
        value(&json!({
            "name": "demo",
            "arn": "arn:aws:eks:us-east-2:111122223333:cluster/demo",
            "status": "ACTIVE",
            "version": "1.34",
            "endpoint": "https://0123456789ABCDEF.gr7.us-east-2.eks.amazonaws.com",
            "certificateAuthority": "LS0tLS1CRUdJTg==",
            "vpcId": "vpc-0aa0aa0aa",
            "subnetIds": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0", "subnet-0e0e0e0e0"],
            "clusterSubnetIds": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
            "clusterSecurityGroupId": "sg-0c0c0c0c0",
            "oidcIssuer": "https://oidc.eks.us-east-2.amazonaws.com/id/0123",
            "accountId": "111122223333",
            "authenticationMode": "API_AND_CONFIG_MAP",
        }))
    );
    let names: Vec<_> = EksCluster.outputs().iter().map(|(name, _)| *name).collect();
    assert!(object.outputs.keys().all(|name| names.contains(&name.as_str())));
    assert_eq!(object.health, Health::Sound);
    // The cluster works; what ails it is told.
    assert_eq!(object.notes, ["EKS tells of the cluster: no addresses left"]);
    assert_eq!(EksCluster.readiness(&desired(), &object), Readiness::Ready);
    let managed = managed(&json!({}));
    match EksCluster.readiness(&managed, &object) {
        Readiness::NotReady(blockers) => assert_eq!(blockers[0].code, "InternalFailure"),
        other => panic!("it is ours to mend: {other:?}"),
    }
}

#[test]
fn status_and_version_tell() {
    for (status, health, waits) in [
        ("CREATING", Health::Busy("the cluster has status CREATING".into()), true),
        ("UPDATING", Health::Busy("the cluster has status UPDATING".into()), true),
        ("DELETING", Health::Busy("the cluster has status DELETING".into()), false),
        (
            "FAILED",
            Health::Broken("the cluster has status FAILED: no addresses left".into()),
            false,
        ),
    ] {
        let table = [(DESCRIBE, cluster(status, "1.33")), (SUBNETS, subnets())];
        let object = present(read(&EksCluster, Some(&desired()), None, &table).0);
        assert_eq!(object.health, health);
        assert_eq!(object.notes, ["the cluster runs Kubernetes 1.33, the manifest says 1.34"]);
        let readiness = EksCluster.readiness(&desired(), &object);
        assert_eq!(matches!(readiness, Readiness::Waiting(_)), waits, "{status}");
        assert_ne!(readiness, Readiness::Ready);
    }
}

#[test]
fn absent_is_what_the_service_says_and_nothing_else() {
    let desired = desired();
    let missing =
        failed("ResourceNotFoundException", "DescribeCluster", "No cluster found for name: demo.");
    let (live, _) = read(&EksCluster, Some(&desired), None, &[(DESCRIBE, missing)]);
    assert_eq!(live, Ok(Live::Absent));
    for answer in [
        failed("AccessDeniedException", "DescribeCluster", "User is not authorized"),
        Answer { code: 255, stderr: "Could not connect to the endpoint".into(), ..ok(&json!("")) },
        ok(&json!({})),
        Answer { stdout: "{\"cluster\": {".into(), ..Answer::default() },
    ] {
        let (live, _) = read(&EksCluster, Some(&desired), None, &[(DESCRIBE, answer)]);
        assert!(live.is_err());
    }
    let partial = ok(&json!({"Subnets": [], "NextToken": "abc"}));
    let table = [(DESCRIBE, cluster("ACTIVE", "1.34")), (SUBNETS, partial)];
    let (live, _) = read(&EksCluster, Some(&desired), None, &table);
    assert_eq!(live.unwrap_err().why, "the answer is incomplete: more pages follow");
}

#[test]
fn problems_are_all_told() {
    let spec = value(&json!({"name": "-demo!", "version": "latest"}));
    let problems = EksCluster.desired(&spec, &Context::default()).unwrap_err();
    let summaries: Vec<_> = problems.iter().map(|p| p.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "`-demo!` can't be the name of an EKS cluster",
            "`latest` is not a Kubernetes version",
            "a cluster can't be made without `roleArn`",
            "a cluster can't be made without `subnetIds`",
        ]
    );
    let external = Context { external: true, ..Context::default() };
    let unknown =
        Value::Map(Map::from([("name".into(), Value::Unknown("${IamRole.x.arn}".into()))]));
    assert!(!EksCluster.desired(&unknown, &external).unwrap().identity.is_known());
}

#[test]
fn an_external_cluster_is_only_read() {
    let context = Context { external: true, ..Context::default() };
    let spec = value(&json!({"name": "demo", "logTypes": ["api"], "tags": {"a": "b"}}));
    let problems = EksCluster.desired(&spec, &context).unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| p.path.to_string()).collect();
    assert_eq!(places, ["logTypes", "tags"]);
}

#[test]
fn an_external_cluster_in_the_other_mode_is_a_blocker() {
    let context = Context { external: true, ..Context::default() };
    let table = [(DESCRIBE, cluster("ACTIVE", "1.34")), (SUBNETS, subnets())];
    for (mode, fits) in [
        (json!(false), true),
        (json!("karpenter"), true),
        (json!(true), false),
        (json!("auto"), false),
    ] {
        let spec = value(&json!({"name": "demo", "autoMode": mode}));
        let desired = EksCluster.desired(&spec, &context).unwrap();
        let object = present(read(&EksCluster, Some(&desired), None, &table).0);
        match EksCluster.readiness(&desired, &object) {
            Readiness::Ready => assert!(fits, "{mode}"),
            Readiness::NotReady(blockers) => {
                assert!(!fits, "{mode}");
                assert_eq!(blockers[0].code, "ComputeModeMismatch");
                assert!(blockers[0].next.contains("spec.autoMode of the EksCluster to false"));
            }
            Readiness::Waiting(_) => panic!("{mode}"),
        }
    }
}

fn managed(more: &Json) -> Desired {
    let mut spec = json!({
        "name": "demo",
        "version": "1.34",
        "roleArn": "arn:aws:iam::111122223333:role/demo-cluster",
        "subnetIds": ["subnet-0a0a0a0a0,subnet-0b0b0b0b0"],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    EksCluster.desired(&value(&spec), &Context::default()).unwrap()
}

/// What differs, with nothing applied before.
fn differences(desired: &Desired, object: &Object) -> Comparison {
    let sides = Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
    compare(EksCluster.attributes(), &desired.exclusive, sides, &[])
}

/// What is planned for a managed cluster: the calls with their documents, or the
/// blockers' codes.
fn planned(desired: &Desired, live: &Json) -> Result<Vec<(String, Json)>, Vec<String>> {
    let groups = ok(&json!({"nodegroups": []}));
    let table = [
        (DESCRIBE, ok(&json!({"cluster": live}))),
        (SUBNETS, subnets()),
        ("aws eks list-nodegroups --cluster-name demo", groups),
    ];
    let object = present(read(&EksCluster, Some(desired), None, &table).0);
    let differences = differences(desired, &object);
    let operation = Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(desired),
        prior: None,
        object: Some(&object),
        changes: &differences.changes,
    };
    let steps = EksCluster.steps(&operation);
    let codes = |blockers: Vec<Blocker>| blockers.into_iter().map(|b| b.code).collect();
    let shown = |step: &Step| match &step.command.stdin {
        Some(_) => call(&step.command),
        None => (step.command.to_string(), Json::Null),
    };
    steps.map(|steps| steps.iter().map(shown).collect()).map_err(codes)
}

fn live() -> Json {
    let answer = cluster("ACTIVE", "1.34");
    serde_json::from_str::<Json>(&answer.stdout).unwrap()["cluster"].clone()
}

#[test]
fn what_differs_is_changed_one_kind_at_a_time() {
    let config = "eks update-cluster-config";
    let wait = || ("aws eks wait cluster-active --name demo".to_owned(), Json::Null);
    let update = |what: Json| {
        let mut input = json!({"name": "demo"});
        for (key, value) in what.as_object().unwrap() {
            input[key] = value.clone();
        }
        (config.to_owned(), input)
    };
    for (spec, expected) in [
        (json!({}), vec![]),
        (json!({"endpointPublicAccess": true, "autoMode": false, "logTypes": []}), vec![]),
        (
            json!({"endpointPrivateAccess": true}),
            vec![update(json!({"resourcesVpcConfig": {"endpointPrivateAccess": true}}))],
        ),
        (
            json!({"authenticationMode": "API", "logTypes": ["audit"]}),
            vec![
                update(json!({"accessConfig": {"authenticationMode": "API"}})),
                wait(),
                update(json!({"logging": {"clusterLogging": [
                    {"types": ["audit"], "enabled": true},
                    {"types": ["api", "authenticator", "controllerManager", "scheduler"],
                     "enabled": false},
                ]}})),
            ],
        ),
        (
            json!({
                "autoMode": "auto", "nodePools": ["system"],
                "nodeRoleArn": "arn:aws:iam::111122223333:role/auto",
            }),
            vec![update(json!({
                "computeConfig": {
                    "enabled": true, "nodePools": ["system"],
                    "nodeRoleArn": "arn:aws:iam::111122223333:role/auto",
                },
                "storageConfig": {"blockStorage": {"enabled": true}},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": true}},
            }))],
        ),
        (
            json!({"version": "1.35", "deletionProtection": true}),
            vec![
                update(json!({"deletionProtection": true})),
                wait(),
                (
                    "eks update-cluster-version".to_owned(),
                    json!({"name": "demo", "version": "1.35"}),
                ),
            ],
        ),
        (
            json!({"encryptionKeyArn": "arn:aws:kms:us-east-2:111122223333:key/1"}),
            vec![(
                "eks associate-encryption-config".to_owned(),
                json!({"clusterName": "demo", "encryptionConfig": [{
                    "resources": ["secrets"],
                    "provider": {"keyArn": "arn:aws:kms:us-east-2:111122223333:key/1"},
                }]}),
            )],
        ),
        (
            json!({"tags": {"team": "lake"}}),
            vec![(
                "eks tag-resource".to_owned(),
                json!({
                    "resourceArn": "arn:aws:eks:us-east-2:111122223333:cluster/demo",
                    "tags": {"team": "lake"},
                }),
            )],
        ),
    ] {
        assert_eq!(planned(&managed(&spec), &live()), Ok(expected), "{spec}");
    }
}

#[test]
fn what_can_not_be_is_a_blocker() {
    let with = |place: &str, what: Json| {
        let mut live = live();
        live[place] = what;
        live
    };
    let key = json!([{"provider": {"keyArn": "arn:aws:kms:us-east-2:111122223333:key/1"}}]);
    for (spec, live, code) in [
        (json!({"version": "1.36"}), live(), "VersionSkipsMinor"),
        (json!({"version": "1.33"}), live(), "VersionDowngrade"),
        (
            json!({"authenticationMode": "API_AND_CONFIG_MAP"}),
            with("accessConfig", json!({"authenticationMode": "API"})),
            "AuthenticationModeFixed",
        ),
        (
            json!({"encryptionKeyArn": "arn:aws:kms:us-east-2:111122223333:key/2"}),
            with("encryptionConfig", key),
            "EncryptionKeyFixed",
        ),
    ] {
        assert_eq!(planned(&managed(&spec), &live), Err(vec![code.to_owned()]), "{spec}");
    }
    let skips = condition::version_blocker("the cluster demo", "1.33", "1.36", true).unwrap();
    assert!(skips.next.contains("\"1.34\""), "names the next: {}", skips.next);
}

#[test]
fn a_cluster_is_made_whole() {
    let desired = managed(&json!({
        "autoMode": true,
        "nodePools": ["general-purpose"],
        "nodeRoleArn": "arn:aws:iam::111122223333:role/auto",
        "bootstrapClusterCreatorAdminPermissions": true,
        "upgradePolicy": "STANDARD",
        "tags": {"team": "lake"},
    }));
    let operation = Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: None,
        changes: &[],
    };
    let steps = EksCluster.steps(&operation).unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(
        call(&steps[0].command),
        (
            "eks create-cluster".to_owned(),
            json!({
                "name": "demo",
                "version": "1.34",
                "roleArn": "arn:aws:iam::111122223333:role/demo-cluster",
                "resourcesVpcConfig": {"subnetIds": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"]},
                "accessConfig": {
                    "authenticationMode": "API",
                    "bootstrapClusterCreatorAdminPermissions": true,
                },
                "upgradePolicy": {"supportType": "STANDARD"},
                "bootstrapSelfManagedAddons": false,
                "computeConfig": {
                    "enabled": true, "nodePools": ["general-purpose"],
                    "nodeRoleArn": "arn:aws:iam::111122223333:role/auto",
                },
                "storageConfig": {"blockStorage": {"enabled": true}},
                "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": true}},
                "tags": {"team": "lake"},
            })
        )
    );
}

#[test]
fn a_cluster_is_deleted_once_and_not_before_its_node_groups() {
    let desired = managed(&json!({}));
    let prior = crate::adapter::Prior {
        identity: desired.identity.clone(),
        ..crate::adapter::Prior::default()
    };
    for (status, protected, groups, steps, codes) in [
        ("ACTIVE", false, json!(["workers"]), 1, vec!["ClusterHasNodegroups"]),
        ("ACTIVE", true, json!([]), 0, vec!["DeletionProtected"]),
        ("DELETING", false, json!([]), 0, vec![]),
    ] {
        let mut live = live();
        live["status"] = json!(status);
        live["deletionProtection"] = json!(protected);
        let table = [
            (DESCRIBE, ok(&json!({"cluster": live}))),
            (SUBNETS, subnets()),
            ("aws eks list-nodegroups --cluster-name demo", ok(&json!({"nodegroups": groups}))),
        ];
        let object = present(read(&EksCluster, None, Some(&prior), &table).0);
        let operation = Operation {
            verb: Verb::Delete,
            identity: &prior.identity,
            desired: None,
            prior: Some(&prior),
            object: Some(&object),
            changes: &[],
        };
        let found = EksCluster.steps(&operation);
        let mut blockers = found.clone().err().unwrap_or_default();
        blockers.extend(EksCluster.obstacles(&prior.identity, &object));
        assert_eq!(found.map_or(0, |found| found.len()), steps, "{status}");
        assert_eq!(blockers.iter().map(|b| b.code.as_str()).collect::<Vec<_>>(), codes);
    }
}
