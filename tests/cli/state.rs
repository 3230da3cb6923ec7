//! The state is memory: it may be lost, and it is never believed blindly.

use lkh::state::State;

use crate::environment::{TestEnvironment, actions};

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
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    let intents = environment.intents();
    let text = environment.apply();
    insta::assert_snapshot!(text.lines().last().unwrap(), @"");
    assert_eq!(environment.intents(), intents, "adopting changes nothing");
    environment.is_clean();
}

#[test]
fn lost_together_with_a_difference() {
    let environment = TestEnvironment::applied();
    environment.remove(STATE);
    environment.behind("aws iam detach-role-policy --role-name NodeRole --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy");
    let plan = environment.run("plan --target IamRole.node");
    insta::assert_snapshot!(plan, @"");
    environment.apply();
    environment.is_clean();
}

#[test]
fn edited_it_is_refused_with_the_fix() {
    let environment = TestEnvironment::applied();
    environment.edit(STATE, "111122223333", "444455556666");
    for command in ["plan", "apply --auto-approve", "refresh", "show", "destroy --auto-approve"] {
        let told = environment.run(command);
        insta::allow_duplicates! { insta::assert_snapshot!(told.complaints(), @""); }
        assert_eq!(told.code, 1);
    }
}

#[test]
fn of_a_newer_format_it_is_refused() {
    let environment = TestEnvironment::applied();
    environment.edit(STATE, "\"formatVersion\": 1", "\"formatVersion\": 2");
    insta::assert_snapshot!(environment.run("plan"), @"");
}

#[test]
fn of_another_account_region_or_stack_it_is_refused() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --region us-west-2"), @"");
    rewrite(&environment, |state| state.account = "444455556666".into());
    insta::assert_snapshot!(environment.run("plan"), @"");
    insta::assert_snapshot!(environment.run("apply --auto-approve"), @"");
    rewrite(&environment, |state| {
        state.account = "111122223333".into();
        state.stack = "other".into();
    });
    insta::assert_snapshot!(environment.run("plan"), @"");
}

#[test]
fn a_link_in_its_place_is_refused() {
    let environment = TestEnvironment::applied();
    std::fs::rename(environment.path(STATE), environment.path("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink(environment.path("elsewhere.json"), environment.path(STATE))
        .unwrap();
    insta::assert_snapshot!(environment.run("plan"), @"");
}

#[test]
fn a_broken_log_is_told_and_nothing_is_applied() {
    let environment = TestEnvironment::applied();
    let log = "state/sandbox/small.log.jsonl";
    environment.edit(log, "\"operation\":2", "\"operation\":3");
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    insta::assert_snapshot!(environment.run("apply --auto-approve").complaints(), @"");
    assert_eq!(actions(&environment.plan()), ["HelmRelease.karpenter update"]);
}

#[test]
fn a_run_that_was_cut_off_is_told_and_gone_on_with() {
    let environment = TestEnvironment::applied();
    let log = "state/sandbox/small.log.jsonl";
    // As if the process had died in the middle of the last command.
    let text = environment.read(log);
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().rposition(|line| line.contains("\"intended\"")).unwrap();
    environment.write(log, lines[..=last].join("\n") + "\n{\"line\":99,\"at\":\"20");
    let output = environment.run("apply --auto-approve");
    insta::assert_snapshot!(output, @"");
    environment.is_clean();
}

#[test]
fn a_refresh_records_what_it_reads_and_changes_nothing() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("refresh"), @"");
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    environment.behind(
        "aws eks delete-access-entry --cluster-name testskillcluster \
         --principal-arn arn:aws:iam::111122223333:role/NodeRole",
    );
    let intents = environment.intents();
    insta::assert_snapshot!(environment.run("refresh"), @"");
    assert_eq!(environment.intents(), intents);
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["EksAccessEntry.node"]["status"], "missing");
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "drifted");
    // What was applied stays what it was: it is drift to the next plan still.
    insta::assert_snapshot!(environment.run("plan"), @"");
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
    insta::assert_snapshot!(environment.run("apply --auto-approve"), @"");
    environment.is_clean();
}
