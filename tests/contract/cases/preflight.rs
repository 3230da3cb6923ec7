//! What is checked before an apply, and that the checks only read.

use serde_json::Value as Json;

use crate::Case;
use crate::stacks::karpenter;
use crate::stage::Stage;
use crate::world::{ALL, Backend, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "preflight_tells_what_there_is", on: ALL, needs: None, run: preflight },
    Case { name: "outputs_are_kept_and_asked_for", on: LOCAL, needs: None, run: outputs },
];

/// The checks, each as `check subject status`.
fn rows(json: &Json) -> Vec<String> {
    let text = |row: &Json, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let checks = json["checks"].as_array().unwrap().iter();
    checks
        .map(|row| {
            format!("{} {} {}", text(row, "check"), text(row, "subject"), text(row, "status"))
        })
        .collect()
}

fn preflight(stage: &Stage) {
    stage.ship();
    // So that there is a sandbox already.
    stage.aws("sts get-caller-identity");
    let before = stage.files();
    let run = stage.lkh(&["preflight", "--json"]);
    assert!(run.stdout.starts_with('{'), "{run}");
    let json: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["ready"], true, "{run}");
    let rows = rows(&json);
    for expected in [
        "tool aws ok",
        "tool helm ok",
        "tool kubectl ok",
        "resource EksCluster.main ok",
        "quota IAM roles ok",
        "quota IAM policies ok",
        "permissions  ok",
    ] {
        assert!(rows.iter().any(|row| row == expected), "{expected}: {run}");
    }
    let caller = stage.aws("sts get-caller-identity");
    let account = format!("credentials {} ok", caller["Account"].as_str().unwrap());
    assert!(rows.contains(&account), "{run}");
    if stage.backend == Backend::Docker {
        assert!(rows.iter().any(|row| row.starts_with("toolbox ") && row.ends_with(" ok")));
    }
    assert_eq!(stage.files(), before, "a preflight writes no file");
    if let Some(trace) = stage.world.trace() {
        for argv in trace {
            assert!(super::only_reads(&argv), "a preflight ran: {argv}");
        }
    }
    // What must exist and does not is a blocker.
    stage.set("cluster", "elsewhere");
    stage.lkh(&["preflight"]).expect(1).expect_says(&["ExternalMissing", "elsewhere", "next:"]);
    let wrong = stage.lkh_with(
        &["preflight"],
        &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_PROFILE", "")],
    );
    if stage.backend != Backend::Sandbox {
        wrong.expect(1).expect_says(&["CredentialsRefused", "unknown"]);
    }
}

fn outputs(stage: &Stage) {
    stage.write_stack(&[("karpenter.yaml", &karpenter(&stage.karpenter(), ""))]);
    stage.write("role.yaml", crate::stacks::ROLE);
    stage.edit(
        "stack.yaml",
        "  toolbox:",
        "  outputs:\n    role: {value: \"${IamRole.node.arn}\"}\n    \
         secret: {value: \"${var.password}\"}\n  toolbox:",
    );
    stage.lkh(&["output", "role"]).expect(1).expect_says(&["nothing was applied yet"]);
    stage.apply();
    let told = stage.lkh(&["output", "role", "--raw"]).expect(0).stdout;
    let arn = stage.aws("iam get-role --role-name NodeRole")["Role"]["Arn"].clone();
    assert_eq!(Json::String(told), arn);
    let all = stage.lkh(&["output"]).expect(0);
    assert!(!all.stdout.contains("canary"), "{all}");
    assert_eq!(stage.state_json()["outputs"]["role"]["value"], arn);
    stage.expect_clean();
}
