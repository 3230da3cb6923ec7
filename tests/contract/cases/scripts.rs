//! Scripts: what they make is planned, made, seen to drift, and removed, by the
//! answers of real `bash` on every backend.

use serde_json::json;

use crate::Case;
use crate::stage::Stage;
use crate::world::{ALL, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_script_lives_its_life", on: ALL, needs: None, run: life },
    Case { name: "a_script_that_says_nothing_clear", on: LOCAL, needs: None, run: unclear },
];

/// Tags the subnets of the cluster's VPC, as an existing script would.
const STACK: &str = "apiVersion: lkh/v1
kind: Script
metadata: {name: tags, phase: main}
spec:
  read: {file: tags/read.sh}
  apply: {file: tags/apply.sh, args: ['--role', LakeTagged]}
  delete: {file: tags/delete.sh}
  inputs: {TEAM: lake, TOKEN: '${var.password}'}
  expect: {team: lake}
  outputs: [arn]
  absentCodes: [44]
  timeout: 2m
";

const READ: &str = r#"#!/usr/bin/env bash
set -euo pipefail
if ! role=$(aws iam get-role --role-name LakeTagged --output json 2>&1); then
  case $role in *NoSuchEntity*) exit 44 ;; esac
  echo "$role" >&2
  exit 1
fi
arn=$(sed -n 's/.*"Arn": "\([^"]*\)".*/\1/p' <<<"$role")
team=$(aws iam list-role-tags --role-name LakeTagged --output json |
  sed -n 's/.*"Value": "\([^"]*\)".*/\1/p')
printf '{"arn": "%s", "team": "%s"}\n' "$arn" "$team"
"#;

const APPLY: &str = r#"#!/usr/bin/env bash
set -euo pipefail
name=$2
trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
# Nothing is left on standard input: the text above, with its secrets, is not.
test -z "$(cat)"
test -n "$TOKEN"
aws iam get-role --role-name "$name" >/dev/null 2>&1 ||
  aws iam create-role --role-name "$name" --assume-role-policy-document "$trust" >/dev/null
aws iam tag-role --role-name "$name" --tags "Key=team,Value=$TEAM"
echo "the token is $TOKEN"
"#;

const DELETE: &str = "set -e\naws iam delete-role --role-name LakeTagged\n";

fn life(stage: &Stage) {
    stage.find_programs();
    stage.write_stack(&[("script.yaml", STACK)]);
    std::fs::create_dir(stage.manifests().join("tags")).unwrap();
    for (name, text) in [("read.sh", READ), ("apply.sh", APPLY), ("delete.sh", DELETE)] {
        stage.write(&format!("tags/{name}"), text);
    }
    stage.plan().expect_only("Script.tags", "create");
    let plan = stage.plan();
    let input = &plan.of("Script.tags")["commands"][0]["input"];
    assert_eq!(input["inputs"], json!({"TEAM": "lake", "TOKEN": {"$sensitive": true}}));
    let run = stage.apply();
    let tags = || stage.aws("iam list-role-tags --role-name LakeTagged")["Tags"].clone();
    assert_eq!(tags(), json!([{"Key": "team", "Value": "lake"}]));
    stage.expect_clean();
    let record = &stage.state_json()["resources"]["Script.tags"];
    assert!(record["applied"]["outputs"]["arn"].as_str().unwrap().ends_with("role/LakeTagged"));
    let said = format!("{run}{record}");
    assert!(!said.contains("first-canary-secret"), "{said}");

    // Drift of what is expected.
    stage.aws("iam tag-role --role-name LakeTagged --tags Key=team,Value=other");
    stage.plan().expect_only("Script.tags", "update").expect_drift("Script.tags", &["expect/team"]);
    stage.apply();
    assert_eq!(tags(), json!([{"Key": "team", "Value": "lake"}]));

    // Removed by others.
    stage.aws("iam delete-role --role-name LakeTagged");
    stage.plan().expect_only("Script.tags", "create");
    stage.apply();

    // Another input, another text.
    stage.edit("script.yaml", "TEAM: lake", "TEAM: shop");
    stage.edit("script.yaml", "team: lake", "team: shop");
    stage.plan().expect_only("Script.tags", "update");
    stage.apply();
    assert_eq!(tags(), json!([{"Key": "team", "Value": "shop"}]));
    stage.edit("tags/apply.sh", "# Nothing is left", "# Nothing at all is left");
    let plan = stage.plan();
    let fields = plan.fields("Script.tags");
    assert_eq!(
        fields.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["apply/script", "digest"]
    );
    let shown = stage.lkh(&["plan"]);
    shown.expect(0).expect_says(&["+ ", "Nothing at all is left"]);
    stage.apply();
    stage.expect_clean();

    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    assert!(stage.aws_error("iam get-role --role-name LakeTagged").contains("NoSuchEntity"));
}

fn unclear(stage: &Stage) {
    stage.find_programs();
    let stack = "apiVersion: lkh/v1
kind: Script
metadata: {name: odd, phase: main}
spec:
  read: {script: 'CASE'}
  apply: {script: 'exit 7'}
  absentCodes: [44]
";
    stage.write_stack(&[("script.yaml", stack)]);
    let mut before = "CASE";
    for (case, says) in [
        ("echo oh no >&2; exit 1", "oh no"),
        ("echo plain words", "it printed: plain words"),
        ("echo {}; echo {}", "not one JSON document"),
        ("if", "syntax error"),
    ] {
        stage.edit("script.yaml", &format!("'{before}'"), &format!("'{case}'"));
        before = case;
        let plan = stage.plan();
        assert_eq!(plan.action("Script.odd"), "unknown", "{plan}");
        let told = plan.of("Script.odd").to_string();
        assert!(told.contains(says), "{says}: {told}");
    }
    // An apply that fails is no apply, also where something is there then.
    let read = "test ! -e /nowhere; exit 44";
    stage.edit("script.yaml", &format!("'{before}'"), &format!("'{read}'"));
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    run.expect_says(&["exit code 7"]);
    stage.plan().expect_only("Script.odd", "create");
}
