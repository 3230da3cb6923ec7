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
    insta::assert_snapshot!(refused, @r"
    $ lkh apply first.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - the state's lineage was none and is [lineage]
      - the state's serial was [n] and is [n]
      - Ec2Tags.discovery stays as it is now, because it is as declared
      - IamRole.node stays as it is now, because it is as declared
      - IamPolicy.controller stays as it is now, because it is as declared
      - IamRole.controller stays as it is now, because it is as declared
      - EksAccessEntry.node stays as it is now, because it is as declared
      - ServiceLinkedRole.spot stays as it is now, because it is as declared
      - PodIdentityAssociation.karpenter stays as it is now, because it is as declared
      - HelmRelease.karpenter stays as it is now, because it is as declared
    next: plan again, and review
    --- exit code 3
    ");
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
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: its content does not match its digest: it was edited or damaged; plan again
    --- exit code 1
    ");
    assert!(environment.state().is_none());
}

#[test]
fn files_that_are_no_plan() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("apply none.plan"), @r"
    $ lkh apply none.plan
    --- stderr
    error: can't read the plan none.plan: No such file or directory (os error 2)
    --- exit code 1
    ");
    environment.write("it.plan", "{}");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: it is not a saved plan: it has no formatVersion
    --- exit code 1
    ");
    environment.write("it.plan", r#"{"plan": {"formatVersion": 99}}"#);
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: its format version 99 is newer than this lkh reads; install a newer lkh
    --- exit code 1
    ");
    environment.write("it.plan", "not json");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: it is not a saved plan: expected ident at line 1 column 2
    --- exit code 1
    ");
}

#[test]
fn what_moved_since_is_named() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan --var replicas=2").expect(0);
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - IamRole.node will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    ");
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    environment.edit("manifests/controller.yaml", "ec2:CreateFleet", "ec2:DescribeImages");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - the manifests or variables changed
      - IamPolicy.controller will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    ");
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

#[test]
fn a_refusal_is_data_too() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan").expect(0);
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    assert_eq!(environment.run("apply it.plan --json").json()["exitCode"], 3);
    insta::assert_snapshot!(environment.run("apply it.plan --json"), @r#"
    $ lkh apply it.plan --json
    {
      "exitCode": 3,
      "interrupted": false,
      "refused": {
        "moved": [
          "IamRole.node will be updated in-place now, because it differs from what is declared"
        ],
        "next": "plan again, and review",
        "why": "the saved plan is no longer what would be done; nothing was changed"
      },
      "resources": []
    }
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - IamRole.node will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    "#);
}
