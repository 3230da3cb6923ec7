//! An answer that is not whole proves nothing absent: whatever is cut off,
//! broken or refused, every kind says that it could not be read.
//!
//! The answers are those of the sandbox for a stack that is applied, each
//! damaged in turn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use account::Account;
use lkh::adapter::{Adapter, Answers, Desired, Kind, Live, Prior, ReadError, Reading, Subject};
use lkh::command::part::Parts;
use lkh::command::{Answer, Command, Tool};
use lkh::sandbox::Sandbox;
use serde_json::{Value as Json, json};

/// The entry of people, whose access policies are a list.
const PEOPLE: &str = r#"
apiVersion: lkh/v1
kind: IamRole
metadata: {name: people}
spec:
  roleName: People
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: {Service: ec2.amazonaws.com}
        Action: sts:AssumeRole
---
apiVersion: lkh/v1
kind: EksAccessEntry
metadata: {name: people}
spec:
  clusterName: ${EksCluster.main.name}
  principalArn: ${IamRole.people.arn}
  type: STANDARD
  accessPolicies:
    - policyArn: arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy
      scope: {type: cluster}
"#;

/// What is in the cluster itself.
const CLUSTER: &str = r"
apiVersion: lkh/v1
kind: Namespace
metadata: {name: lake}
spec: {}
---
apiVersion: lkh/v1
kind: KubernetesObject
metadata: {name: settings}
spec:
  manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}, data: {a: b}}
---
apiVersion: lkh/v1
kind: KubernetesSecret
metadata: {name: token}
spec: {namespace: default, data: {token: {generate: {length: 15}}}}
---
apiVersion: lkh/v1
kind: Readiness
metadata: {name: system}
spec: {namespace: kube-system, workloads: [Deployment/coredns]}
";

/// Data and names.
const DATA: &str = r#"
apiVersion: lkh/v1
kind: S3Bucket
metadata: {name: lake}
spec: {bucket: lake-of-the-test, forceDestroy: true}
---
apiVersion: lkh/v1
kind: CloudFormationStack
metadata: {name: network}
spec:
  stackName: network
  template:
    Resources: {Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: 10.9.0.0/16}}}
---
apiVersion: lkh/v1
kind: AcmCertificate
metadata: {name: site}
external: true
spec: {domainName: example.com}
---
apiVersion: lkh/v1
kind: Route53Zone
metadata: {name: site}
external: true
spec: {domainName: example.com}
---
apiVersion: lkh/v1
kind: Route53Record
metadata: {name: site}
spec:
  zoneId: ${Route53Zone.site.zoneId}
  name: lake.example.com
  type: CNAME
  values: [a.example.com]
"#;

/// Kinds that ask for one object, and for no list.
const WITHOUT_LISTS: &[Kind] = &[
    Kind::CloudFormationStack,
    Kind::EksAddon,
    Kind::EksNodegroup,
    Kind::KubernetesObject,
    Kind::KubernetesSecret,
    Kind::S3Bucket,
    Kind::Script,
];

/// What the sandbox answers.
fn answer(sandbox: &Sandbox, at: &Path, command: &Command) -> Answer {
    let stdin = command.stdin.as_ref().map(|document| match document.reveal().unwrap() {
        Json::String(text) => text,
        other => other.to_string(),
    });
    let stdin = stdin.unwrap_or_default();
    let output = sandbox.run(command.tool, &command.args, stdin.as_bytes(), at).unwrap();
    Answer {
        code: output.code,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Reads an object, with some answers replaced. Returns the commands asked.
fn read(
    adapter: &dyn Adapter,
    subject: &Subject<'_>,
    ask: &dyn Fn(&Command) -> Answer,
    asked: &mut Vec<(Command, Answer)>,
) -> Result<Live, Box<ReadError>> {
    let mut answers = Answers::default();
    for _ in 0..12 {
        match adapter.read(subject, &answers)? {
            Reading::Live(live) => return Ok(live),
            Reading::Missing(_) => return Ok(Live::Absent),
            Reading::Ask(commands) => {
                for command in commands {
                    let answer = ask(&command);
                    let told = match &command.pick {
                        Some(pick) => Parts::default().part(&answer, pick),
                        None => answer.clone(),
                    };
                    answers.insert(&command, told);
                    asked.push((command, answer));
                }
            }
        }
    }
    panic!("the reading does not come to an end")
}

/// Where the list of an answer is, if it is one.
fn list_of(command: &Command, answer: &Json) -> Option<&'static str> {
    let operation = command.args.get(1).map_or("", String::as_str);
    let key = match (command.tool, operation) {
        (Tool::Aws, "list-attached-role-policies") => "AttachedPolicies",
        (Tool::Aws, "list-role-policies") => "PolicyNames",
        (Tool::Aws, "list-policy-tags") => "Tags",
        (Tool::Aws, "get-account-authorization-details") => command.pick.as_ref()?.list,
        (Tool::Aws, "list-instance-profiles-for-role") => "InstanceProfiles",
        (Tool::Aws, "list-policy-versions") => "Versions",
        (Tool::Aws, "list-roles") => "Roles",
        (Tool::Aws, "list-nodegroups") => "nodegroups",
        (Tool::Aws, "list-pod-identity-associations") => "associations",
        (Tool::Aws, "list-associated-access-policies") => "associatedAccessPolicies",
        (Tool::Aws, "describe-tags") => "Tags",
        (Tool::Aws, "describe-subnets") => "Subnets",
        (Tool::Aws, "list-certificates") => "CertificateSummaryList",
        (Tool::Aws, "list-hosted-zones") => "HostedZones",
        (Tool::Aws, "list-resource-record-sets") => "ResourceRecordSets",
        // S3 itself refuses to delete a bucket that is not empty.
        (Tool::Aws, "list-object-versions") => return None,
        (Tool::Kubectl, _) if answer["items"].is_array() => "items",
        (Tool::Aws, other) if other.starts_with("list-") => panic!("{other} has no line here"),
        _ => return None,
    };
    Some(key)
}

/// The ways in which the answer to a list may not be whole.
fn damaged(whole: &Answer, key: &str) -> Vec<(&'static str, Answer)> {
    let json: Json = serde_json::from_str(&whole.stdout).unwrap();
    let with = |edit: &dyn Fn(&mut Json)| {
        let mut json = json.clone();
        edit(&mut json);
        Answer { stdout: json.to_string(), ..whole.clone() }
    };
    let mut ways = vec![
        ("NextToken", with(&|json| json["NextToken"] = json!("more"))),
        ("nextToken", with(&|json| json["nextToken"] = json!("more"))),
        ("Marker", with(&|json| json["Marker"] = json!("more"))),
        ("IsTruncated", with(&|json| json["IsTruncated"] = json!(true))),
        ("a token of another shape", with(&|json| json["NextToken"] = json!({"a": 1}))),
        ("continue", with(&|json| json["metadata"] = json!({"continue": "more"}))),
        ("no list", with(&|json| drop(json.as_object_mut().unwrap().remove(key)))),
        ("null", with(&|json| json[key] = Json::Null)),
        ("a text", with(&|json| json[key] = json!("x"))),
        ("a map", with(&|json| json[key] = json!({}))),
        ("another document", Answer { stdout: "[]".into(), ..whole.clone() }),
        ("two documents", Answer { stdout: format!("{json}{json}"), ..whole.clone() }),
        ("a failure", Answer { code: 255, stderr: "broken pipe".into(), ..whole.clone() }),
        (
            "throttled",
            Answer {
                code: 254,
                stdout: String::new(),
                stderr: "An error occurred (ThrottlingException) when calling the X operation: \
                         Rate exceeded"
                    .into(),
            },
        ),
    ];
    let text = whole.stdout.trim_end();
    for (what, end) in [("cut in the middle", text.len() / 2), ("cut at its end", text.len() - 1)] {
        let end = (0..=end).rev().find(|&end| text.is_char_boundary(end)).unwrap();
        ways.push((what, Answer { stdout: text[..end].to_owned(), ..whole.clone() }));
    }
    ways
}

#[test]
fn no_part_of_a_list_is_taken_for_the_whole() {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
    let account = Account::with(&stack);
    account.write("people.yaml", PEOPLE);
    account.write("inside.yaml", CLUSTER);
    account.write("data.yaml", DATA);
    assert!(account.apply().is_good());
    let sandbox = account.sandbox();
    let manifests = account.manifests();
    let state = account.state().unwrap();

    let mut subjects: Vec<(Kind, Prior)> = state
        .resources
        .iter()
        .map(|(address, record)| (address.kind, record.applied.as_ref().clone()))
        .collect();
    // The cluster is external, so no state holds it.
    let cluster = lkh::adapter::Identity::new([("name", "testskillcluster".into())]);
    subjects.push((Kind::EksCluster, Prior { identity: cluster, ..Prior::default() }));
    for kind in [Kind::AcmCertificate, Kind::Route53Zone] {
        let identity = lkh::adapter::Identity::new([("domainName", "example.com".into())]);
        subjects.push((kind, Prior { identity, ..Prior::default() }));
    }
    for (kind, part, name) in [
        (Kind::EksNodegroup, "nodegroupName", "standardworkers"),
        (Kind::EksAddon, "addonName", "coredns"),
    ] {
        let identity = lkh::adapter::Identity::new([
            ("clusterName", "testskillcluster".into()),
            (part, name.into()),
        ]);
        subjects.push((kind, Prior { identity, ..Prior::default() }));
    }
    let kinds: BTreeSet<Kind> = subjects.iter().map(|(kind, _)| *kind).collect();
    // What a script prints is one object: no list of it can be cut off.
    let with_lists = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Script);
    assert_eq!(kinds, with_lists.collect(), "every kind is tried");

    let mut tried: BTreeMap<String, BTreeSet<Kind>> = BTreeMap::new();
    for (kind, prior) in &subjects {
        let adapter = kind.adapter();
        let same = Desired {
            identity: prior.identity.clone(),
            attributes: prior.attributes.clone(),
            settings: prior.settings.clone(),
            ..Desired::default()
        };
        // As declared, with nothing declared but the name, and on its way out.
        let bare = Desired { identity: prior.identity.clone(), ..Desired::default() };
        let ways =
            [Some(&same), Some(&bare), None].into_iter().flat_map(|one| [(one, 1), (one, 3)]);
        for (desired, among) in ways {
            let subject = Subject {
                identity: &prior.identity,
                desired,
                prior: Some(prior),
                ignore: &[],
                among,
            };
            let whole = |command: &Command| {
                let mut answer = answer(&sandbox, &manifests, command);
                // Helm 3 does not tell of the objects: then they are asked for.
                if command.tool == Tool::Helm && command.args[0] == "status" && answer.code == 0 {
                    let mut json: Json = serde_json::from_str(&answer.stdout).unwrap();
                    json["info"].as_object_mut().unwrap().remove("resources");
                    answer.stdout = json.to_string();
                }
                answer
            };
            let mut asked = Vec::new();
            let live = read(adapter, &subject, &whole, &mut asked);
            if desired == Some(&bare) && live.is_err() {
                continue;
            }
            assert!(matches!(live, Ok(Live::Present(_))), "{kind}: {live:?}");
            let lists = asked.iter().any(|(command, _)| command.pick.is_some());
            for (command, answered) in asked {
                let Ok(json) = answered.json() else { continue };
                let Some(key) = list_of(&command, &json) else { continue };
                let name = format!("{} {}", command.tool.program(), command.args[..2].join(" "));
                tried.entry(name).or_default().insert(*kind);
                for (what, broken) in damaged(&answered, key) {
                    let ask = |other: &Command| {
                        if other.key() == command.key() { broken.clone() } else { whole(other) }
                    };
                    let told = read(adapter, &subject, &ask, &mut Vec::new());
                    // What a list of many does not tell, the object itself tells.
                    let as_well = lists && told == live;
                    assert!(told.is_err() || as_well, "{kind}, `{command}`, {what}: {told:?}");
                    assert!(command.pick.is_none() || as_well, "{kind}, `{command}`: {what}");
                }
            }
        }
    }
    let kinds: BTreeSet<Kind> = tried.values().flatten().copied().collect();
    assert!(
        kinds.len() + WITHOUT_LISTS.len() == Kind::ALL.len() && tried.len() >= 10,
        "the lists that were damaged: {tried:?}, of {kinds:?}"
    );
}
