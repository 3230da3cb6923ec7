//! `--target`: a part of the stack, with what it depends on.

use crate::environment::{TestEnvironment, actions};

#[test]
fn a_resource_comes_with_what_it_depends_on() {
    let environment = TestEnvironment::new();
    let plan = environment.run("plan --json --target IamRole.controller").json();
    assert_eq!(
        actions(&plan),
        ["IamRole.node create", "IamPolicy.controller create", "IamRole.controller create"]
    );
    environment.run("apply --auto-approve --target IamRole.controller").expect(0);
    let state = environment.state().unwrap();
    assert_eq!(state["resources"].as_object().unwrap().len(), 3);
    let plan = environment.plan();
    assert_eq!(actions(&plan).len(), 5, "the rest is left to do");
    environment.apply();
    environment.is_clean();
}

#[test]
fn a_phase_is_a_target() {
    let environment = TestEnvironment::new();
    let plan = environment.run("plan --json --target phase.foundation").json();
    assert!(actions(&plan).is_empty());
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1);
    let plan = environment.run("plan --json --target phase.compute").json();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 9);
}

#[test]
fn several_targets_add_up() {
    let environment = TestEnvironment::new();
    let plan = environment
        .run("plan --json --target ServiceLinkedRole.spot --target Ec2Tags.discovery")
        .json();
    assert_eq!(actions(&plan), ["Ec2Tags.discovery create", "ServiceLinkedRole.spot create"]);
}

#[test]
fn a_target_that_names_nothing() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --target IamRole.nobody"), @r"
    $ lkh plan --target IamRole.nobody
    --- stderr
    error: nothing is called IamRole.nobody: --target takes an address of the stack (Kind.name) or phase.NAME
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan --target phase.none"), @r"
    $ lkh plan --target phase.none
    --- stderr
    error: nothing is called phase.none: --target takes an address of the stack (Kind.name) or phase.NAME
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan --target nonsense"), @r"
    $ lkh plan --target nonsense
    --- stderr
    error: nothing is called nonsense: --target takes an address of the stack (Kind.name) or phase.NAME
    --- exit code 1
    ");
}

#[test]
fn what_is_not_chosen_is_left_as_it_is() {
    let environment = TestEnvironment::applied();
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    environment.run("apply --auto-approve --target IamRole.node").expect(0);
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter update"]);
}

#[test]
fn a_destroy_of_a_target_takes_what_depends_on_it() {
    let environment = TestEnvironment::applied();
    let plan = environment.run("plan --destroy --json --target IamPolicy.controller").json();
    let mut gone = actions(&plan);
    gone.sort_unstable();
    assert_eq!(
        gone,
        [
            "HelmRelease.karpenter delete",
            "IamPolicy.controller delete",
            "IamRole.controller delete",
            "PodIdentityAssociation.karpenter delete",
        ]
    );
    environment.run("destroy --auto-approve --target IamPolicy.controller").expect(0);
    assert_eq!(actions(&environment.plan()).len(), 4);
    environment.apply();
    environment.is_clean();
}
