//! What reads bytes from outside, each as a function that makes a reader: it
//! panics when the bytes show a mistake. Used by the tests beside it and by the
//! fuzz targets in `fuzz/`. This file must not know where bytes come from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "a reader that finds a mistake panics; a fuzz target uses one of them"
)]

use std::fs;
use std::path::Path;

use lkh::adapter::{Answers, Context, Identity, Kind, Prior, Reading, Subject};
use lkh::command::{Answer, Command, Tool};
use lkh::exec::redact::Redactor;
use lkh::exec::{explain, retry};
use lkh::journal::Journal;
use lkh::manifest::load::load;
use lkh::manifest::source::Sources;
use lkh::manifest::variables::VariableInputs;
use lkh::manifest::yaml;
use lkh::state::State;
use lkh::value::Value;

pub fn manifests() -> impl Fn(&[u8]) {
    move |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let mut sources = Sources::default();
        let file = sources.add("fuzz.yaml", text);
        let parsed = yaml::parse(&sources, file);
        for diagnostic in &parsed.diagnostics {
            let span = diagnostic.span.expect("an error of a text has a place");
            assert!(span.end() as usize <= text.len(), "{diagnostic:?}");
            assert!(sources.position(span).line >= 1);
        }
        assert!(parsed.documents.len() <= text.len());
    }
}

pub fn stacks() -> impl Fn(&[u8]) {
    let folder = tempfile::tempdir().unwrap();
    // Both packages that have this run it in the root of the repository.
    let stack = Path::new("tests/cli/stack/stack.yaml");
    fs::copy(stack, folder.path().join("stack.yaml")).unwrap();
    move |bytes: &[u8]| {
        fs::write(folder.path().join("fuzz.yaml"), bytes).unwrap();
        if let Err(diagnostics) = load(folder.path(), &VariableInputs::default()) {
            assert!(!diagnostics.is_empty());
            let text = diagnostics.render(false);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            serde_json::to_string(&diagnostics).unwrap();
        }
    }
}

pub fn files_of_variables() -> impl Fn(&[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Path::new("tests/bad-manifests/variable-files");
    move |bytes: &[u8]| {
        let file = folder.path().join("x.vars");
        fs::write(&file, bytes).unwrap();
        let inputs = VariableInputs { files: vec![file], ..VariableInputs::default() };
        if let Err(diagnostics) = load(directory, &inputs) {
            let text = diagnostics.render(false);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
    }
}

pub fn states() -> impl Fn(&[u8]) {
    move |bytes: &[u8]| {
        if let Ok(state) = State::from_bytes(bytes) {
            state.verify().unwrap();
            let written = state.to_bytes().unwrap();
            assert_eq!(State::from_bytes(&written).unwrap(), state);
        }
    }
}

pub fn apply_logs() -> impl Fn(&[u8]) {
    move |bytes: &[u8]| match Journal::parse(bytes) {
        Ok(journal) => {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let again = Journal::parse(&bytes[..whole]).unwrap();
            assert_eq!(again.entries, journal.entries);
            assert_eq!(journal.is_torn(), whole < bytes.len());
        }
        Err(broken) => assert!(broken.line >= 1),
    }
}

pub fn saved_plans() -> impl Fn(&[u8]) {
    move |bytes: &[u8]| {
        if let Ok(plan) = lkh::plan::file::from_bytes(bytes) {
            let written = lkh::plan::file::to_bytes(&plan).unwrap();
            assert_eq!(lkh::plan::file::from_bytes(&written).unwrap(), plan);
            drop(lkh::report::plan::text(&plan, lkh::report::plan::Show::default()));
        }
    }
}

/// What each kind is asked to read, and with what spec.
fn subjects() -> Vec<(Kind, serde_json::Value)> {
    let role = "arn:aws:iam::111122223333:role/NodeRole";
    let trust = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    });
    let trusted = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }],
    });
    Kind::ALL
        .iter()
        .map(|kind| {
            let spec = match kind.as_str() {
                "EksCluster" => serde_json::json!({"name": "lake"}),
                "Ec2Tags" => {
                    serde_json::json!({"resources": ["subnet-0a1b2c3d"], "tags": {"a": "b"}})
                }
                "IamRole" => serde_json::json!({
                    "roleName": "NodeRole", "trustPolicy": trusted, "inlinePolicies": {"x": trust},
                }),
                "IamPolicy" => serde_json::json!({"policyName": "P", "document": trust}),
                "EksAccessEntry" => serde_json::json!({
                    "clusterName": "lake", "principalArn": role, "type": "STANDARD",
                }),
                "ServiceLinkedRole" => serde_json::json!({"serviceName": "spot.amazonaws.com"}),
                "PodIdentityAssociation" => serde_json::json!({
                    "clusterName": "lake", "namespace": "a", "serviceAccount": "b", "roleArn": role,
                }),
                "EksNodegroup" => serde_json::json!({
                    "clusterName": "lake", "nodegroupName": "workers",
                    "subnets": ["subnet-0a1b2c3d"], "nodeRole": role,
                    "scaling": {"minSize": 1, "maxSize": 2}, "version": "1.34",
                    "taints": [{"key": "a", "effect": "NO_SCHEDULE"}],
                }),
                "EksAddon" => serde_json::json!({
                    "clusterName": "lake", "addonName": "coredns", "version": "v1.12.4-eksbuild.1",
                    "configurationValues": {"a": 1},
                    "podIdentityAssociations": [{"serviceAccount": "b", "roleArn": role}],
                }),
                "HelmRelease" => serde_json::json!({
                    "namespace": "kube-system", "releaseName": "karpenter", "chart": "./x",
                    "values": {"a": 1},
                }),
                "S3Bucket" => serde_json::json!({"bucket": "lake-data", "expireDays": 3}),
                "CloudFormationStack" => serde_json::json!({
                    "stackName": "net", "template": {"Resources": {
                        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
                    }},
                    "outputs": ["VpcId"],
                }),
                "AcmCertificate" | "Route53Zone" => {
                    serde_json::json!({"domainName": "lake.example.com"})
                }
                "Route53Record" => serde_json::json!({
                    "zoneId": "Z0123456789ABCDEFGHIJ", "name": "lake.example.com",
                    "type": "CNAME", "values": ["a.example.com"],
                }),
                "Script" => serde_json::json!({
                    "read": {"script": "true"}, "apply": {"script": "true"},
                    "outputs": ["a"], "expect": {"b": 1},
                }),
                "Namespace" => serde_json::json!({"name": "lake", "labels": {"a": "b"}}),
                "KubernetesObject" => serde_json::json!({"manifest": {
                    "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"},
                    "metadata": {"name": "x", "namespace": "default"},
                }}),
                "KubernetesSecret" => serde_json::json!({
                    "namespace": "default",
                    "data": {"a": {"generate": {"length": 15}}, "b": {"value": "x"}},
                }),
                "Readiness" => serde_json::json!({"namespace": "lake"}),
                other => panic!("{other} needs a spec here"),
            };
            (*kind, spec)
        })
        .collect()
}

pub fn answers_of_the_tools() -> impl Fn(&[u8]) {
    let subjects: Vec<_> = subjects()
        .into_iter()
        .map(|(kind, spec)| {
            let context = Context {
                name: "x".into(),
                account: Some("111122223333".into()),
                region: "us-east-2".into(),
                external: matches!(
                    kind,
                    Kind::EksCluster | Kind::AcmCertificate | Kind::Route53Zone
                ),
                ..Context::default()
            };
            let desired = kind.adapter().desired(&Value::from_json(&spec), &context);
            (kind, desired.unwrap_or_else(|problems| panic!("{kind}: {problems:?}")))
        })
        .collect();
    move |bytes: &[u8]| {
        let stdout = String::from_utf8_lossy(bytes).into_owned();
        for (kind, desired) in &subjects {
            for desired in [Some(desired), None] {
                let identity: &Identity = match desired {
                    Some(desired) => &desired.identity,
                    None => &subjects.iter().find(|(other, _)| other == kind).unwrap().1.identity,
                };
                let prior = Prior { identity: identity.clone(), ..Prior::default() };
                let subject = Subject::alone(identity, desired, Some(&prior));
                let mut answers = Answers::default();
                for round in 0..12 {
                    match kind.adapter().read(&subject, &answers) {
                        Ok(Reading::Ask(commands)) => {
                            assert!(!commands.is_empty(), "{kind} asks nothing");
                            for command in commands {
                                assert!(command.is_known_read(), "{command}");
                                let stdout = stdout.clone();
                                let answer = Answer { code: 0, stdout, stderr: String::new() };
                                answers.insert(&command, answer);
                            }
                        }
                        Ok(Reading::Live(_) | Reading::Missing(_)) | Err(_) => break,
                    }
                    assert!(round < 11, "{kind} asks for ever");
                }
            }
        }
    }
}

pub fn errors_of_the_tools() -> impl Fn(&[u8]) {
    let commands = [
        Command::read(Tool::Aws, &["iam", "get-role"]),
        Command::aws_write("iam", "create-role", Value::Null),
        Command::write(Tool::Helm, &["upgrade", "x"]),
        Command::read(Tool::Kubectl, &["get", "pods"]),
    ];
    let mut redactor = Redactor::default();
    redactor.protect_text("canary-of-the-test");
    move |bytes: &[u8]| {
        let stderr = String::from_utf8_lossy(bytes).into_owned();
        let hidden = redactor.show(&format!("{stderr}canary-of-the-test"));
        assert!(!hidden.contains("canary-of-the-test"), "{hidden}");
        assert!(hidden.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()), "{hidden:?}");
        for code in [0, 1, 254] {
            let answer = Answer { code, stdout: String::new(), stderr: stderr.clone() };
            drop((answer.service_error(), explain::explain(&answer)));
            for command in &commands {
                let class = retry::classify(command, &answer);
                let _ = retry::patience(class, command, false);
                assert!(code != 0 || class == retry::Class::Success, "{class:?}");
            }
        }
    }
}
