//! A saved plan is carried out as it is, or not at all.

use crate::environment::{CNI_POLICY, NODE_ROLE, TestEnvironment};

#[test]
fn it_is_carried_out_once() {
    let environment = TestEnvironment::new();
    let saved = environment.run("plan --out first.plan");
    assert!(saved.complaints().contains("lkh apply first.plan"), "{saved}");
    environment.run("apply first.plan").expect(0);
    environment.is_clean();
    let intents = environment.intents();
    let refused = environment.run("apply first.plan");
    insta::assert_snapshot!(refused, @"");
    assert_eq!(environment.intents(), intents);
}

#[test]
fn it_holds_its_variables_and_targets() {
    let environment = TestEnvironment::new();
    environment.run("plan --out it.plan --var replicas=2 --target HelmRelease.karpenter").expect(0);
    environment.run("apply it.plan").expect(0);
    environment
        .run("plan --var replicas=2 --detailed-exitcode --target HelmRelease.karpenter")
        .expect(0);
    let state = environment.state().unwrap();
    assert_eq!(
        state["resources"]["HelmRelease.karpenter"]["applied"]["attributes"]["values"]["replicas"],
        2
    );
    assert!(state["resources"]["ServiceLinkedRole.spot"].is_null());
}

#[test]
fn an_edit_is_noticed() {
    let environment = TestEnvironment::new();
    environment.run("plan --out it.plan").expect(0);
    environment.edit("it.plan", "AmazonEKS_CNI_Policy", "AdministratorAccess");
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
    assert!(environment.state().is_none());
}

#[test]
fn files_that_are_no_plan() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("apply none.plan"), @"");
    environment.write("it.plan", "{}");
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
    environment.write("it.plan", r#"{"plan": {"formatVersion": 99}}"#);
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
    environment.write("it.plan", "not json");
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
}

#[test]
fn what_moved_since_is_named() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan --var replicas=2").expect(0);
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    environment.edit("manifests/controller.yaml", "ec2:CreateFleet", "ec2:DescribeImages");
    insta::assert_snapshot!(environment.run("apply it.plan"), @"");
    environment.edit("manifests/controller.yaml", "ec2:DescribeImages", "ec2:CreateFleet");
    environment.run("apply it.plan").expect(0);
}

#[test]
fn what_others_do_beside_it_does_not_stop_it() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan --var replicas=2").expect(0);
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} \
         --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    ));
    environment.run("apply it.plan").expect(0);
}

#[test]
fn a_saved_destroy_destroys() {
    let environment = TestEnvironment::applied();
    environment.run("plan --destroy --out it.plan").expect(0);
    environment.run("apply it.plan").expect(0);
    assert!(environment.state().unwrap()["resources"].as_object().unwrap().is_empty());
}
