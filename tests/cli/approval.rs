//! Without approval nothing is ever changed.

use crate::environment::{TestEnvironment, text};

#[test]
fn an_apply_without_approval_and_without_a_terminal_changes_nothing() {
    let environment = TestEnvironment::new();
    environment.run("plan").expect(0);
    let before = environment.files();
    let output = environment.run("apply");
    insta::assert_snapshot!(output.complaints(), @"error: this needs approval, and there is no terminal to ask on: review the plan and use --approved HASH (lkh plan prints the hash), or save it (lkh plan --out FILE) and use lkh apply FILE; --auto-approve approves whatever it is");
    output.expect(1);
    let mut after = environment.files();
    after.retain(|path, _| path.extension().is_none_or(|extension| extension != "lock"));
    assert_eq!(after, before);
}

#[test]
fn a_yes_that_nobody_typed_at_a_terminal_is_no_approval() {
    let environment = TestEnvironment::new();
    assert_eq!(environment.run_args(&["apply"], "yes\n").code, 1);
    assert!(environment.intents().is_empty());
    assert!(environment.state().is_none());
}

#[test]
fn a_destroy_without_approval_changes_nothing() {
    let environment = TestEnvironment::applied();
    let intents = environment.intents();
    assert_eq!(environment.run("destroy").code, 1);
    assert_eq!(environment.intents(), intents);
    environment.is_clean();
}

#[test]
fn nothing_to_do_needs_no_approval() {
    TestEnvironment::applied().run("apply").expect(0);
}

/// The hash that a plan prints.
fn hash(environment: &TestEnvironment, command: &str) -> String {
    let shown = environment.run(command).expect(0);
    let line = shown.lines().find_map(|line| line.strip_prefix("Plan hash: "));
    line.expect("a plan with changes has a hash").to_owned()
}

#[test]
fn an_approved_hash_is_carried_out() {
    let environment = TestEnvironment::new();
    let hash = hash(&environment, "plan");
    environment.run(&format!("apply --approved {hash}")).expect(0);
    environment.is_clean();
}

#[test]
fn the_hash_is_data_too() {
    let environment = TestEnvironment::new();
    let hash = hash(&environment, "plan");
    assert_eq!(text(&environment.plan()["meaning"]), hash);
    environment.run("plan --out it.plan").expect(0);
    assert!(environment.read("it.plan").contains(&format!("\"meaning\": \"{hash}\"")));
}

#[test]
fn the_first_digits_of_a_hash_are_enough_and_few_are_not() {
    let environment = TestEnvironment::new();
    let hash = hash(&environment, "plan");
    let digits = hash.strip_prefix("sha256:").unwrap();
    let few = environment.run(&format!("apply --approved {}", &digits[..15]));
    assert!(few.stderr.contains("at least 16 digits"), "{few}");
    few.fails(1);
    environment.run("apply --approved nothing-of-the-kind").fails(1);
    assert!(environment.intents().is_empty());
    environment.run(&format!("apply --approved {}", &digits[..16])).expect(0);
}

#[test]
fn another_plan_than_the_approved_one_is_refused_and_shown() {
    let environment = TestEnvironment::applied();
    let approved = hash(&environment, "plan --var replicas=2");
    let intents = environment.intents();
    insta::assert_snapshot!(environment.run(&format!("apply --var replicas=3 --approved {approved}")), @r#"
    $ lkh apply --var replicas=3 --approved sha256:[digest]
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 1 -> 3  (change)
          ~ values.replicas: 1 -> 3  (change)

    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    --- stderr
    error: what would be done now is not what was approved; nothing was changed
      - the plan hash sha256:[digest] was approved, and it is sha256:[digest] now
    next: plan again, and review
    --- exit code 3
    "#);
    let refused = environment.run(&format!("apply --json --var replicas=3 --approved {approved}"));
    assert_eq!(refused.code, 3);
    let refused = refused.json();
    assert_eq!(refused["exitCode"], 3);
    assert_eq!(
        refused["refused"]["why"],
        "what would be done now is not what was approved; nothing was changed"
    );
    let now = hash(&environment, "plan --var replicas=3");
    assert_eq!(refused["refused"]["plan"]["meaning"], now);
    assert_eq!(environment.intents(), intents);
    environment.run(&format!("apply --var replicas=2 --approved {approved}")).expect(0);
}

#[test]
fn what_means_the_same_keeps_its_approval() {
    let environment = TestEnvironment::applied();
    let approved = hash(&environment, "plan --var replicas=2");
    // Others own this; a comment means nothing; and the state was written anew.
    environment.behind("aws iam tag-role --role-name NodeRole --tags Key=theirs,Value=1");
    let manifest = environment.read("manifests/node.yaml");
    environment.write("manifests/node.yaml", format!("# A comment.\n{manifest}"));
    environment.run("refresh").expect(0);
    assert_eq!(hash(&environment, "plan --var replicas=2"), approved);
    environment.run(&format!("apply --var replicas=2 --approved {approved}")).expect(0);
}

#[test]
fn a_destroy_is_approved_by_its_own_hash() {
    let environment = TestEnvironment::applied();
    let approved = hash(&environment, "plan --destroy");
    assert_eq!(environment.run(&format!("apply --approved {approved}")).code, 3);
    environment.run(&format!("destroy --approved {approved}")).expect(0);
    assert!(environment.state().unwrap()["resources"].as_object().unwrap().is_empty());
}

#[test]
fn a_hash_and_auto_approve_contradict_each_other() {
    let environment = TestEnvironment::new();
    let hash = hash(&environment, "plan");
    environment.run(&format!("apply --auto-approve --approved {hash}")).fails(1);
    assert!(environment.state().is_none());
}

#[test]
fn a_saved_plan_must_have_the_approved_hash_where_one_is_given() {
    let environment = TestEnvironment::new();
    let hash = hash(&environment, "plan --out it.plan");
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(environment.run(&format!("apply it.plan --approved {other}")).code, 3);
    assert!(environment.state().is_none());
    environment.run(&format!("apply it.plan --approved {hash}")).expect(0);
}
