//! Plans: they write nothing, are carried out once, and nothing goes on that
//! they did not see.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Case;
use crate::servers::HANGS;
use crate::stacks::{AFTER_RELEASE, ROLE, TRUST, karpenter};
use crate::stage::{Stage, owned};
use crate::world::{ALL, Backend, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_plan_only_reads", on: LOCAL, needs: None, run: only_reads },
    Case { name: "a_saved_plan_is_carried_out_once", on: ALL, needs: None, run: saved },
    Case { name: "a_killed_apply_is_taken_up_again", on: ALL, needs: None, run: killed },
    Case { name: "what_moves_after_the_plan_is_not_touched", on: LOCAL, needs: None, run: moved },
];

fn only_reads(stage: &Stage) {
    stage.ship();
    // So that there is a sandbox already.
    stage.aws("sts get-caller-identity");
    let world = || std::fs::read(stage.state().join("world.jsonl")).ok();
    let (before, world_before) = (stage.files(), world());
    let first = stage.lkh(&["plan", "--show-commands"]).expect(0);
    assert_eq!(stage.files(), before, "a plan writes no file");
    assert_eq!(world(), world_before);
    assert_eq!(stage.world.cluster_changes().unwrap_or(0), 0);
    if let Some(trace) = stage.world.trace() {
        assert!(trace.len() > 10, "{trace:?}");
        for argv in trace {
            assert!(super::only_reads(&argv), "a plan ran: {argv}");
        }
    }
    // The same input gives the same bytes.
    if stage.backend == Backend::Sandbox {
        assert_eq!(first.stdout, stage.lkh(&["plan", "--show-commands"]).expect(0).stdout);
    }
    // Nobody approved it, so nothing is done.
    let run = stage
        .lkh(&["apply", "--target", "ServiceLinkedRole.spot"])
        .expect(1)
        .expect_says(&["approval", "--auto-approve"]);
    assert_eq!(stage.intents(), [], "{run}");
    let found = stage.aws("iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/");
    assert_eq!(found["Roles"], json!([]));
}

fn saved(stage: &Stage) {
    let role = || stage.aws("iam get-role --role-name NodeRole")["Role"].clone();
    stage.write_stack(&[("role.yaml", ROLE)]);
    stage.lkh(&["plan", "--out", "made.plan"]).expect(0);
    stage.lkh(&["apply", "made.plan"]).expect(0);
    assert_eq!(role()["RoleName"], "NodeRole");
    stage.lkh(&["apply", "made.plan"]).expect(3).expect_says(&["was applied by run", "plan again"]);

    // Someone is faster.
    stage.edit("role.yaml", "team: lake", "team: river");
    stage.lkh(&["plan", "--out", "made.plan"]).expect(0);
    let before = stage.intents().len();
    let other = TRUST.replace("ec2.amazonaws.com", "eks.amazonaws.com");
    stage.aws_with(
        "iam update-assume-role-policy --role-name NodeRole --policy-document",
        &[&other],
    );
    let run = stage.lkh(&["apply", "made.plan"]).expect(3);
    run.expect_says(&["IamRole.node", "nothing was changed"]);
    assert_eq!(stage.intents().len(), before);
    assert_eq!(role()["Tags"][0]["Value"], "lake");

    // So are the manifests.
    stage
        .aws_with("iam update-assume-role-policy --role-name NodeRole --policy-document", &[TRUST]);
    stage.edit("role.yaml", "team: river", "team: sea");
    stage.lkh(&["apply", "made.plan"]).expect(3).expect_says(&["manifests or variables changed"]);
    stage.edit("role.yaml", "team: sea", "team: river");

    // A plan that someone edited is none.
    let file = stage.scratch().join("made.plan");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("river", "ocean")).unwrap();
    stage.lkh(&["apply", "made.plan"]).expect(1).expect_says(&["edited"]);
    std::fs::write(&file, text).unwrap();

    stage.lkh(&["apply", "made.plan"]).expect(0);
    assert_eq!(role()["Tags"][0]["Value"], "river");
    assert_eq!(stage.touched(before), ["IamRole.node"]);
}

fn killed(stage: &Stage) {
    // Enough policies that the end comes in their middle.
    let managed =
        ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonSSMManagedInstanceCore"];
    let arns = managed.map(|name| format!("'arn:aws:iam::aws:policy/{name}'")).join(", ");
    let role = ROLE.replace("'arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy'", &arns);
    stage.write_stack(&[("role.yaml", &role)]);
    let mut apply = stage.start(&["apply", "--auto-approve"]);
    let start = Instant::now();
    while stage.intents().len() < 3 && apply.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < HANGS, "nothing was begun");
        std::thread::sleep(Duration::from_millis(1));
    }
    apply.kill().unwrap();
    apply.wait().unwrap();

    stage.apply();
    let found = stage.aws("iam list-attached-role-policies --role-name NodeRole");
    assert_eq!(found["AttachedPolicies"].as_array().unwrap().len(), 3, "{found}");
    let commands = stage.intents();
    let made = commands.iter().filter(|(_, command)| command.contains("create-role")).count();
    assert_eq!(made, 1, "nothing is made twice: {commands:?}");
    stage.expect_clean();
}

fn moved(stage: &Stage) {
    stage.write_stack(&[("role.yaml", ROLE)]);
    stage.apply();
    // The role waits for a release that does not get ready.
    let release = karpenter(&stage.karpenter(), "") + "  wait: false\n";
    stage.write("karpenter.yaml", &release);
    stage.write("role.yaml", &(ROLE.replace("team: lake", "team: river") + AFTER_RELEASE));
    stage.world.set_unready("kube-system", "karpenter", true);
    let before = stage.intents().len();
    let apply = stage.start(&["apply", "--auto-approve"]);
    let start = Instant::now();
    loop {
        let releases = stage.helm("list -n kube-system");
        if releases[0]["status"] == "deployed" {
            break;
        }
        assert!(start.elapsed() < HANGS, "{releases}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let other = TRUST.replace("ec2.amazonaws.com", "eks.amazonaws.com");
    stage.aws_with(
        "iam update-assume-role-policy --role-name NodeRole --policy-document",
        &[&other],
    );
    stage.world.set_unready("kube-system", "karpenter", false);
    let output = apply.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text.contains("IamRole.node: moved since the plan; nothing was changed"), "{text}");
    assert!(text.contains("trustPolicy"), "the new difference is shown: {text}");
    assert_eq!(stage.touched(before), ["HelmRelease.karpenter"]);
    let role = stage.aws("iam get-role --role-name NodeRole")["Role"].clone();
    assert_eq!(owned(&role["Tags"][0]["Value"]), "lake");
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"];
    assert_eq!(*trusted, "eks.amazonaws.com");

    stage.plan().expect_only("IamRole.node", "update");
}
