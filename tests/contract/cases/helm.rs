//! A Helm release: blocked, repaired, changed, edited, interrupted.

use serde_json::{Value as Json, json};

use crate::Case;
use crate::stacks::{AFTER_RELEASE, ROLE, karpenter};
use crate::stage::{Stage, owned};
use crate::world::{ALL, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_release_without_nodes_is_not_done", on: ALL, needs: None, run: no_nodes },
    Case { name: "a_release_follows_values_and_edits", on: LOCAL, needs: None, run: values },
    Case { name: "an_interrupted_release_is_repaired", on: LOCAL, needs: None, run: interrupted },
];

const RELEASE: &str = "HelmRelease.karpenter";

fn status(stage: &Stage) -> (String, u64) {
    let status = stage.helm("status karpenter -n kube-system");
    (owned(&status["info"]["status"]), status["version"].as_u64().unwrap())
}

fn no_nodes(stage: &Stage) {
    stage.set("replicas", "2");
    stage.set("timeout", "5s");
    stage.write_stack(&[
        ("karpenter.yaml", &karpenter(&stage.karpenter(), "")),
        ("role.yaml", &(ROLE.to_owned() + AFTER_RELEASE)),
    ]);
    stage.world.set_nodes(0);
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);

    let pods = stage.kubectl_get("pods -n kube-system");
    let pods: Vec<_> = pods["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pod| owned(&pod["metadata"]["name"]))
        .filter(|name| name.starts_with("karpenter-"))
        .collect();
    assert_eq!(pods.len(), 2, "{pods:?}");
    let run = run.expect_says(&[&pods[0], &pods[1], "Pending", "no nodes available", "next:"]);
    run.expect_says(&["HelmRelease.karpenter: failed", "IamRole.node: skipped"]);
    assert_eq!(status(stage), ("failed".to_owned(), 1));
    stage.aws_error("iam get-role --role-name NodeRole");

    // Nobody claims that it is done: not the state, not the next plan.
    let state = stage.state_json();
    assert_eq!(state["resources"][RELEASE]["status"], "notReady", "{state:#}");
    assert_eq!(state["resources"]["IamRole.node"], json!(null));
    stage.lkh(&["show", RELEASE]).expect(0).expect_says(&["Pending"]);
    let plan = stage.plan();
    assert_ne!(plan.code, 0, "{plan}");
    assert_eq!(plan.action(RELEASE), "repair", "{plan}");

    // Now that it can succeed, a busy machine may take its time.
    stage.world.set_nodes(2);
    stage.set("timeout", "2m");
    let plan = stage.plan();
    assert_eq!(plan.code, 2, "{plan}");
    assert_eq!(plan.action(RELEASE), "repair", "{plan}");
    assert_eq!(plan.of(RELEASE)["reason"]["code"], "broken", "{plan}");
    assert!(plan.commands(RELEASE)[0].starts_with("helm upgrade --install karpenter"), "{plan}");
    stage.apply();
    assert_eq!(status(stage), ("deployed".to_owned(), 2));
    let deployment = stage.kubectl_get("deployment karpenter -n kube-system");
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    stage.aws("iam get-role --role-name NodeRole");

    let (intents, changes) = (stage.intents().len(), stage.world.cluster_changes());
    stage.apply();
    assert_eq!((stage.intents().len(), stage.world.cluster_changes()), (intents, changes));
    stage.expect_clean();
}

fn values(stage: &Stage) {
    let chart = stage.karpenter();
    stage.write_stack(&[("karpenter.yaml", &karpenter(&chart, ""))]);
    stage.apply();
    stage.expect_clean();

    // A change of the values, and what it makes of the objects.
    stage.set("replicas", "2");
    let changed = karpenter(&chart, "    logLevel: debug\n");
    stage.write("karpenter.yaml", &changed);
    let plan = stage.plan();
    assert_eq!(plan.code, 2);
    plan.expect_only(RELEASE, "update");
    let fields = plan.fields(RELEASE);
    for (suffix, prefix) in [
        ("replicas", "values/"),
        ("logLevel", "values/"),
        ("spec/replicas", "objects/"),
        ("env/LOG_LEVEL/value", "objects/"),
    ] {
        let found =
            fields.iter().find(|(path, _)| path.starts_with(prefix) && path.ends_with(suffix));
        assert!(found.is_some_and(|(_, origin)| origin == "change"), "{prefix}..{suffix}: {plan}");
    }
    assert_eq!(fields.len(), 4, "no noise: {plan}");
    stage.apply();
    let deployment = || stage.kubectl_get("deployment karpenter -n kube-system");
    assert_eq!(deployment()["spec"]["replicas"], 2);
    assert_eq!(log_level(&deployment()), "debug");
    assert_eq!(status(stage), ("deployed".to_owned(), 2));
    stage.expect_clean();

    // Edits behind Helm's back.
    let patch = r#"{"spec":{"template":{"spec":{"containers":[{"name":"controller","env":[
        {"name":"LOG_LEVEL","value":"error"}]}]}}}}"#;
    let kubectl = |args: &[&str]| {
        let args: Vec<_> = args.iter().chain(&["-n", "kube-system"]).copied().collect();
        stage.run("kubectl", &args);
    };
    kubectl(&["scale", "deployment", "karpenter", "--replicas=1"]);
    kubectl(&["patch", "deployment", "karpenter", "-p", patch]);
    let plan = stage.plan();
    assert_eq!(plan.code, 2);
    plan.expect_only(RELEASE, "update");
    let fields = plan.fields(RELEASE);
    assert_eq!(fields.len(), 2, "{plan}");
    assert!(fields[0].0.ends_with("spec/replicas"), "{plan}");
    assert!(fields[1].0.ends_with("env/LOG_LEVEL/value"), "{plan}");
    assert!(fields.iter().all(|(_, origin)| origin == "drift"), "{plan}");
    stage.apply();
    assert_eq!(deployment()["spec"]["replicas"], 2);
    assert_eq!(log_level(&deployment()), "debug");
    stage.expect_clean();
}

/// What the controller of a deployment is told to log.
fn log_level(deployment: &Json) -> String {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut env = container["env"].as_array().unwrap().iter();
    owned(&env.find(|variable| variable["name"] == "LOG_LEVEL").unwrap()["value"])
}

fn interrupted(stage: &Stage) {
    stage.write_stack(&[("karpenter.yaml", &karpenter(&stage.karpenter(), ""))]);
    stage.apply();
    stage.world.interrupt("kube-system", "karpenter", &stage.chart_folder("karpenter"));
    assert!(status(stage).0.starts_with("pending-"));

    let plan = stage.plan();
    assert_eq!(plan.action(RELEASE), "repair", "{plan}");
    let why = owned(&plan.of(RELEASE)["reason"]["why"]);
    assert!(why.contains("interrupted"), "{why}");
    let commands = plan.commands(RELEASE);
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[0].starts_with("helm rollback karpenter 1 "), "{commands:?}");
    assert!(commands[1].starts_with("helm upgrade --install karpenter "), "{commands:?}");
    stage.lkh(&["plan", "--show-commands"]).expect_says(&["will be repaired", "helm rollback"]);
    stage.apply();
    assert_eq!(status(stage).0, "deployed");
    stage.expect_clean();
}
