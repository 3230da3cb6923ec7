//! A command that succeeds is not enough: what does not do its work is not
//! done, and the blocker names the cause and what to do next.

use crate::environment::{TestEnvironment, actions};

#[test]
fn no_node_for_the_pods_then_nodes() {
    let environment = TestEnvironment::new();
    environment.run("sandbox nodes 0").expect(0);
    let output = environment.run("apply --auto-approve");
    assert_eq!(output.code, 1);
    let report = output.stdout.split("as declared.\n").last().unwrap();
    insta::assert_snapshot!(report, @"");
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "notReady");
    insta::assert_snapshot!(environment.run("show HelmRelease.karpenter").stdout.split("  as applied").next().unwrap(), @"");

    environment.run("sandbox nodes 2").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    let repaired = environment.apply();
    insta::assert_snapshot!(repaired.lines().last().unwrap(), @"");
    let intents = environment.intents().len();
    environment.is_clean();
    environment.apply();
    assert_eq!(environment.intents().len(), intents, "the third run changes nothing");
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with image-pull").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    insta::assert_snapshot!(environment.run("apply --auto-approve --json"), @"");
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "notReady");
    environment.run("sandbox break karpenter --with nothing").expect(0);
    environment.is_clean();
}

#[test]
fn a_container_that_crashes_again_and_again() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with crash-loop").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
}

#[test]
fn a_container_that_never_becomes_ready() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with never-ready").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
}

#[test]
fn a_release_that_was_interrupted_is_repaired() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox interrupt karpenter").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter repair"]);
    environment.apply();
    environment.is_clean();
}

#[test]
fn a_cluster_that_is_missing() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --var cluster=elsewhere --detailed-exitcode"), @"");
    let output = environment.run("apply --var cluster=elsewhere --auto-approve");
    assert_eq!(output.code, 1);
}
