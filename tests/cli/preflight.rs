//! What is checked before an apply, and what stops one.

use crate::environment::TestEnvironment;

#[test]
fn a_table_of_checks() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("preflight"), @r"
    $ lkh preflight
    ok       manifests    small: 9 resources, 2 variables
    ok       tool         aws: aws-cli/2.32.2 Python/3.13.9 Linux/6.1.0 exe/x86_64.sandbox
    ok       tool         helm: v4.1.4+g05fa379
    ok       tool         kubectl: Client Version: v1.34.5
    ok       credentials  111122223333: arn:aws:iam::111122223333:user/lakehouse-installer, region us-east-2
    ok       state        state/sandbox/small.json: none yet; the first apply makes it
    ok       resource     EksCluster.main: exists: name=testskillcluster
    ok       resources    8 more: 8 to add, 0 to change, 0 to destroy
    ok       quota        IAM roles: 7 of 1000, 2 more planned
    ok       quota        IAM policies: 1 of 1500, 1 more planned
    ok       permissions  arn:aws:iam::111122223333:user/lakehouse-installer may do all 7 planned actions

    11 checks ok.
    next: lkh plan
    ");
    let data = environment.run("preflight --json").json();
    assert_eq!(data["ready"], true);
    assert_eq!(data["unknown"], 0);
    assert!(data["checks"].as_array().unwrap().iter().all(|check| check["status"] == "ok"));
    // Nothing was changed, and nothing remembered.
    assert!(environment.state().is_none());
}

#[test]
fn what_must_exist_and_does_not() {
    let environment = TestEnvironment::new();
    let output = environment.run("preflight --var cluster=elsewhere");
    insta::assert_snapshot!(output, @r"
    $ lkh preflight --var cluster=elsewhere
    ok       manifests    small: 9 resources, 2 variables
    ok       tool         aws: aws-cli/2.32.2 Python/3.13.9 Linux/6.1.0 exe/x86_64.sandbox
    ok       tool         helm: v4.1.4+g05fa379
    ok       tool         kubectl: Client Version: v1.34.5
    ok       credentials  111122223333: arn:aws:iam::111122223333:user/lakehouse-installer, region us-east-2
    ok       state        state/sandbox/small.json: none yet; the first apply makes it
    blocked  resource     EksCluster.main
             [ExternalMissing] name=elsewhere does not exist, and it is external
               next: create it outside of lkh, or correct its name in the manifest
    ok       resources    8 more: 4 to add, 0 to change, 0 to destroy
    ok       quota        IAM roles: 7 of 1000, 2 more planned
    ok       quota        IAM policies: 1 of 1500, 1 more planned
    ok       permissions  arn:aws:iam::111122223333:user/lakehouse-installer may do all 4 planned actions

    10 checks ok, 1 blocked.
    next: do what the blocked lines say, then lkh preflight --var cluster=elsewhere
    --- exit code 1
    ");
    let data = environment.run("preflight --json --var cluster=elsewhere");
    assert_eq!(data.code, 1);
    let data = data.json();
    assert_eq!(data["blocked"], 1);
    let blocked = data["checks"].as_array().unwrap().iter().find(|one| one["status"] == "blocked");
    assert_eq!(blocked.unwrap()["blocker"]["code"], "ExternalMissing");
}

#[test]
fn tools_that_are_not_there() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("preflight --exec local --region us-east-2"), @r"
    $ lkh preflight --exec local --region us-east-2
    ok       manifests    small: 9 resources, 2 variables
    blocked  tool         aws
             [ToolMissing] `aws` is not installed, or not on PATH
               next: install aws, or use --exec docker (the toolbox has it) or --exec sandbox
    blocked  tool         helm
             [ToolMissing] `helm` is not installed, or not on PATH
               next: install helm, or use --exec docker (the toolbox has it) or --exec sandbox
    blocked  tool         kubectl
             [ToolMissing] `kubectl` is not installed, or not on PATH
               next: install kubectl, or use --exec docker (the toolbox has it) or --exec sandbox
    unknown  credentials  no tool can be used to ask with

    1 check ok, 1 unknown, 3 blocked.
    next: do what the blocked lines say, then lkh preflight --exec local --region us-east-2
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("preflight --exec docker --region us-east-2"), @r"
    $ lkh preflight --exec docker --region us-east-2
    blocked  toolbox
             [ToolboxUnavailable] Docker can't be used: there is no `docker` on PATH; install Docker, or use --exec local or --exec sandbox
               next: start Docker, or use --exec local or --exec sandbox
    unknown  credentials  no tool can be used to ask with
    unknown  resources    no tool can be used to ask with

    0 checks ok, 2 unknown, 1 blocked.
    next: do what the blocked lines say, then lkh preflight --exec docker --region us-east-2
    --- exit code 1
    ");
}

#[test]
fn a_state_of_another_account() {
    let environment = TestEnvironment::applied();
    let path = "state/sandbox/small.json";
    let mut state = lkh::state::State::from_bytes(environment.read(path).as_bytes()).unwrap();
    state.account = "444455556666".into();
    environment.write(path, state.to_bytes().unwrap());
    insta::assert_snapshot!(environment.run("preflight"), @r"
    $ lkh preflight
    ok       manifests    small: 9 resources, 2 variables
    ok       tool         aws: aws-cli/2.32.2 Python/3.13.9 Linux/6.1.0 exe/x86_64.sandbox
    ok       tool         helm: v4.1.4+g05fa379
    ok       tool         kubectl: Client Version: v1.34.5
    ok       credentials  111122223333: arn:aws:iam::111122223333:user/lakehouse-installer, region us-east-2
    blocked  state
             [ForeignState] the state is of account 444455556666, and this is 111122223333; use the credentials of that account (--profile), or another state
               next: correct that, then run it again

    5 checks ok, 1 blocked.
    next: do what the blocked lines say, then lkh preflight
    --- exit code 1
    ");
}

#[test]
fn a_full_account_stops_an_apply_before_it_begins() {
    let environment = TestEnvironment::new();
    environment.run("sandbox quota policies 1").expect(0);
    let before = environment.files();
    let output = environment.run("apply --auto-approve");
    assert_eq!(output.code, 1);
    insta::assert_snapshot!(output.complaints(), @r"
    error: something stands in the way of this apply; nothing was changed
    blocked  quota  IAM policies
             [QuotaExceeded] 1 more IAM policies are planned, and 1 of 1 are there already
               next: ask for a higher quota (Service Quotas), or remove what is not needed any more

    0 checks ok, 1 blocked.
    ");
    let report = environment.run("apply --auto-approve --json");
    assert_eq!(report.code, 1);
    assert_eq!(report.json()["preflight"]["checks"][0]["blocker"]["code"], "QuotaExceeded");
    assert_eq!(environment.state(), None);
    assert!(before.keys().all(|path| environment.files().contains_key(path)));
    assert!(environment.intents().is_empty());
    environment.run("sandbox quota policies 2").expect(0);
    environment.run("apply --auto-approve").expect(0);
}
