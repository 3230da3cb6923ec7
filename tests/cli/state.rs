//! The state is memory: it may be lost, and it is never believed blindly.

use lkh::state::State;

use crate::environment::{TestEnvironment, actions, conclusion};

const STATE: &str = "state/sandbox/small.json";

/// Changes the state as its own program would, checksum included.
fn rewrite(environment: &TestEnvironment, work: impl FnOnce(&mut State)) {
    let mut state = State::from_bytes(environment.read(STATE).as_bytes()).unwrap();
    work(&mut state);
    environment.write(STATE, state.to_bytes().unwrap());
}

#[test]
fn lost_it_loses_no_resource() {
    let environment = TestEnvironment::applied();
    environment.remove(STATE);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # Ec2Tags.discovery will be adopted
      # because it exists as declared and is not in the state
      = name=discovery

      # IamRole.node will be adopted
      # because it exists as declared and is not in the state
      = roleName=NodeRole

      # IamPolicy.controller will be adopted
      # because it exists as declared and is not in the state
      = arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy

      # IamRole.controller will be adopted
      # because it exists as declared and is not in the state
      = roleName=ControllerRole

      # EksAccessEntry.node will be adopted
      # because it exists as declared and is not in the state
      = clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

      # ServiceLinkedRole.spot will be adopted
      # because it exists as declared and is not in the state
      = serviceName=spot.amazonaws.com

      # PodIdentityAssociation.karpenter will be adopted
      # because it exists as declared and is not in the state
      = clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter

      # HelmRelease.karpenter will be adopted
      # because it exists as declared and is not in the state
      = clusterName=testskillcluster namespace=kube-system releaseName=karpenter

    Plan: 0 to add, 0 to change, 0 to destroy, 8 to adopt.
    1 resource as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    let intents = environment.intents();
    let text = environment.apply();
    insta::assert_snapshot!(conclusion(&text), @"Complete: 0 added, 0 changed, 0 destroyed, 8 adopted, 0 repaired. 9 resources verified by a read.");
    assert_eq!(environment.intents(), intents, "adopting changes nothing");
    environment.is_clean();
}

#[test]
fn lost_together_with_a_difference() {
    let environment = TestEnvironment::applied();
    environment.remove(STATE);
    environment.behind("aws iam detach-role-policy --role-name NodeRole --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy");
    let plan = environment.run("plan --target IamRole.node");
    insta::assert_snapshot!(plan, @r#"
    $ lkh plan --target IamRole.node
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be adopted
      # because it exists, is not in the state, and differs
      = roleName=NodeRole
          + managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]  (change)

    Access

      role NodeRole: what it may do: widened  (IamRole.node)
          + everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to adopt.
    0 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
    environment.apply();
    environment.is_clean();
}

#[test]
fn edited_it_is_refused_with_the_fix() {
    let environment = TestEnvironment::applied();
    environment.edit(STATE, "111122223333", "444455556666");
    for command in ["plan", "apply --auto-approve", "refresh", "show", "destroy --auto-approve"] {
        let told = environment.run(command);
        insta::allow_duplicates! { insta::assert_snapshot!(told.complaints(), @"error: state/sandbox/small.json can't be used: its checksum does not match its content: it was edited or damaged; restore the backup beside it, or remove it (the next plan adopts what exists)"); }
        assert_eq!(told.code, 1);
    }
}

#[test]
fn of_a_newer_format_it_is_refused() {
    let environment = TestEnvironment::applied();
    environment.edit(STATE, "\"formatVersion\": 1", "\"formatVersion\": 9");
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    --- stderr
    error: state/sandbox/small.json can't be used: its format version 9 is newer than 2, the newest that this lkh reads; install a newer lkh
    --- exit code 1
    ");
}

#[test]
fn of_another_account_region_or_stack_it_is_refused() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --region us-west-2"), @r"
    $ lkh plan --region us-west-2
    --- stderr
    error: the state is of region us-east-2, and this is us-west-2; set --region to that region, or use another state
    --- exit code 1
    ");
    rewrite(&environment, |state| state.account = "444455556666".into());
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    --- stderr
    error: the state is of account 444455556666, and this is 111122223333; use the credentials of that account (--profile), or another state
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("apply --auto-approve"), @r"
    $ lkh apply --auto-approve
    --- stderr
    error: the state is of account 444455556666, and this is 111122223333; use the credentials of that account (--profile), or another state
    --- exit code 1
    ");
    rewrite(&environment, |state| {
        state.account = "111122223333".into();
        state.stack = "other".into();
    });
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    --- stderr
    error: the state is of stack other, and this is small; set another state directory for this stack
    --- exit code 1
    ");
}

#[test]
fn a_link_in_its_place_is_refused() {
    let environment = TestEnvironment::applied();
    std::fs::rename(environment.path(STATE), environment.path("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink(environment.path("elsewhere.json"), environment.path(STATE))
        .unwrap();
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    --- stderr
    error: state/sandbox/small.json is not a regular file; remove it or set another state directory
    --- exit code 1
    ");
}

#[test]
fn a_broken_log_is_told_and_nothing_is_applied() {
    let environment = TestEnvironment::applied();
    let log = "state/sandbox/small.log.jsonl";
    environment.edit(log, "\"operation\":2", "\"operation\":3");
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    insta::assert_snapshot!(environment.run("apply --auto-approve").complaints(), @"error: state/sandbox/small.log.jsonl: line [n] of the apply log is broken: its digest does not match its content; put an undamaged copy in its place, or begin a new one with --new-log (the old one is kept beside it, and everything is read before anything is changed)");
    assert_eq!(actions(&environment.plan()), ["HelmRelease.karpenter update"]);
    environment.run("apply --auto-approve --new-log").expect(0);
    environment.is_clean();
}

#[test]
fn a_log_that_lost_its_end_is_told_and_can_be_done_without() {
    let environment = TestEnvironment::applied();
    let log = "state/sandbox/small.log.jsonl";
    let text = environment.read(log);
    let lines: Vec<_> = text.lines().collect();
    environment.write(log, lines[..lines.len() - 1].join("\n") + "\n");
    let told = environment.run("apply --auto-approve");
    assert_eq!((told.code, told.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(told.complaints(), @"error: the state was saved at line [n] of the apply log, and state/sandbox/small.log.jsonl ends at line 31: it was cut off, lost, or is of another time than the state; put the right log back, or begin a new one with --new-log (the old one is kept beside it, and everything is read before anything is changed)");
    environment.remove(log);
    insta::assert_snapshot!(environment.run("destroy --auto-approve").complaints(), @"error: the state was saved at line [n] of the apply log, and state/sandbox/small.log.jsonl is empty or not there: it was cut off, lost, or is of another time than the state; put the right log back, or begin a new one with --new-log (the old one is kept beside it, and everything is read before anything is changed)");
    insta::assert_snapshot!(environment.run("apply --auto-approve --new-log"), @r"
    $ lkh apply --auto-approve --new-log
    Stack small, account 111122223333, region us-east-2.

    No changes. Everything is as declared (9 resources read).
    Complete: 0 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 9 resources verified by a read.
    next: lkh show
    --- stderr
    note: a new apply log begins; there was none
    ");
    environment.apply();
    // One that is damaged is kept.
    environment.edit(log, "\"line\":1", "\"line\":8");
    insta::assert_snapshot!(environment.run("destroy --auto-approve --new-log").complaints(), @"note: a new apply log begins; the old one is state/sandbox/small.log.1.jsonl now");
    assert!(environment.read("state/sandbox/small.log.1.jsonl").contains("\"line\":8"));
}

#[test]
fn a_lost_state_needs_no_new_log() {
    let environment = TestEnvironment::applied();
    environment.remove(STATE);
    environment.apply();
    environment.is_clean();
}

#[test]
fn a_run_that_was_cut_off_is_told_and_gone_on_with() {
    let environment = TestEnvironment::applied();
    let log = "state/sandbox/small.log.jsonl";
    // As if the process had died in the middle of the last command, before the
    // state was written.
    rewrite(&environment, |state| state.log = None);
    let text = environment.read(log);
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.contains("\"intended\"")).unwrap();
    environment
        .write(log, lines[..=last].join("\n") + &format!("\n{{\"line\":{},\"at\":\"20", last + 2));
    let output = environment.run("apply --auto-approve");
    insta::assert_snapshot!(output, @r"
    $ lkh apply --auto-approve
    Stack small, account 111122223333, region us-east-2.

    No changes. Everything is as declared (9 resources read).
    Complete: 0 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 9 resources verified by a read.
    next: lkh show
    --- stderr
    note: the last run ended in the middle of operation 11 on HelmRelease.karpenter; what came of it is read now
    ");
    environment.is_clean();
}

#[test]
fn a_refresh_records_what_it_reads_and_changes_nothing() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("refresh"), @r"
    $ lkh refresh
    Ec2Tags.discovery: applied
    IamRole.controller: applied
    IamRole.node: applied
    IamPolicy.controller: applied
    EksAccessEntry.node: applied
    ServiceLinkedRole.spot: applied
    PodIdentityAssociation.karpenter: applied
    HelmRelease.karpenter: applied
    8 resources read; all are as last applied.
    next: lkh show
    ");
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    environment.behind(
        "aws eks delete-access-entry --cluster-name testskillcluster \
         --principal-arn arn:aws:iam::111122223333:role/NodeRole",
    );
    let intents = environment.intents();
    insta::assert_snapshot!(environment.run("refresh"), @r"
    $ lkh refresh
    Ec2Tags.discovery: applied
    IamRole.controller: applied
    IamRole.node: applied
    IamPolicy.controller: applied
    EksAccessEntry.node: missing
    ServiceLinkedRole.spot: applied
    PodIdentityAssociation.karpenter: applied
    HelmRelease.karpenter: drifted
    8 resources read; `lkh plan` shows what differs.
    next: lkh plan
    ");
    assert_eq!(environment.intents(), intents);
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["EksAccessEntry.node"]["status"], "missing");
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "drifted");
    // What was applied stays what it was: it is drift to the next plan still.
    insta::assert_snapshot!(environment.run("plan"), @r#"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # EksAccessEntry.node will be created
      # because it was removed outside of lkh (drift)
      + clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole
          + principalArn = "arn:aws:iam::111122223333:role/NodeRole"
          + type = "EC2_LINUX"

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 0 -> 1  (drift)

    Access

      role NodeRole: what it may do in the cluster: widened  (EksAccessEntry.node)
          + an access entry of type EC2_LINUX in cluster testskillcluster
          ! new trusted principal

    Drift: 2 resources changed outside of lkh since the last apply; this plan undoes it.
    Plan: 1 to add, 1 to change, 0 to destroy.
    7 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
    environment.apply();
    environment.is_clean();
    let statuses = environment.run("refresh --json").json();
    assert!(statuses.as_array().unwrap().iter().all(|one| one["status"] == "applied"));
}

#[test]
fn a_second_process_waits_for_nobody_and_says_who_is_at_work() {
    let environment = TestEnvironment::applied();
    let lock = std::fs::File::options()
        .read(true)
        .write(true)
        .open(environment.path("state/sandbox/small.lock"))
        .unwrap();
    lock.lock().unwrap();
    insta::assert_snapshot!(environment.run("apply --auto-approve"), @r"
    $ lkh apply --auto-approve
    --- stderr
    error: the stack is locked: another lkh process is at work on it
    --- exit code 1
    ");
    environment.is_clean();
}

#[test]
fn a_release_stays_when_the_stack_comes_to_name_its_cluster() {
    let environment = TestEnvironment::new();
    let named = "  kubernetes:\n    cluster: ${var.cluster}\n";
    environment.edit("manifests/stack.yaml", named, "");
    environment.apply();
    let identity = |environment: &TestEnvironment| {
        let state = environment.state().unwrap();
        state["resources"]["HelmRelease.karpenter"]["applied"]["identity"]["clusterName"].clone()
    };
    assert!(identity(&environment).is_null());
    let exec = "    exec: sandbox\n";
    environment.edit("manifests/stack.yaml", exec, &format!("{exec}{named}"));
    environment.is_clean();
    environment.apply();
    assert_eq!(identity(&environment), "testskillcluster");
    environment.is_clean();
}
