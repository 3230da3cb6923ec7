//! The state in an S3 bucket, in the sandbox: the same commands, the same
//! promises.

use crate::environment::{TestEnvironment, conclusion};

const PLACE: &str = "spec:\n  state: {s3: {bucket: team-state, prefix: lakes}}\n";

/// With the state in a bucket that is not there yet.
fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let stack = environment.read("manifests/stack.yaml");
    environment.write("manifests/stack.yaml", stack.replacen("spec:\n", PLACE, 1));
    environment
}

/// With a bucket.
fn with_bucket() -> TestEnvironment {
    let environment = environment();
    environment.behind("aws s3api create-bucket --bucket team-state");
    environment
}

/// The body of an object.
fn object(environment: &TestEnvironment, name: &str) -> String {
    let key = format!("lakes/small/{name}");
    let command = format!("aws s3api get-object --bucket team-state --key {key} /dev/stdout");
    let text = environment.behind(&command);
    text.rsplit_once("{\n    \"AcceptRanges\"").unwrap().0.to_owned()
}

#[test]
fn without_the_bucket_nothing_is_done_and_the_way_to_one_is_told() {
    let environment = environment();
    for command in ["plan", "apply --auto-approve", "state list", "log", "show"] {
        let output = environment.run(command);
        assert_eq!(output.code, 1, "{output}");
        assert!(output.stderr.contains("there is no bucket team-state; make it"), "{output}");
        assert!(output.stderr.contains("aws s3api create-bucket --bucket team-state"), "{output}");
    }
}

#[test]
fn an_apply_keeps_everything_in_it_and_frees_the_lock() {
    let environment = with_bucket();
    let output = environment.run("apply --auto-approve");
    assert_eq!(output.code, 0, "{output}");
    insta::assert_snapshot!(output.complaints(), @"note: s3://team-state/lakes/small/state.json keeps no old versions: versioning of the bucket is off, and only the last backup can be restored");
    assert!(environment.state().is_none(), "nothing is kept on this machine");
    environment.is_clean();
    let lock: serde_json::Value = serde_json::from_str(&object(&environment, "lock.json")).unwrap();
    assert!(lock["holder"].is_null(), "{lock}");
    assert_eq!(environment.run("state pull").expect(0), object(&environment, "state.json"));
    environment.behind(
        "aws s3api put-bucket-versioning --bucket team-state \
         --versioning-configuration Status=Enabled",
    );
    let again = environment.run("apply --auto-approve");
    assert_eq!((again.code, again.complaints().as_str()), (0, ""));
    let verified = environment.run("log verify --json").json();
    assert_eq!((&verified["runs"], &verified["broken"]), (&2.into(), &serde_json::Value::Null));
}

#[test]
fn the_state_is_looked_after_as_on_a_disk() {
    let environment = with_bucket();
    environment.apply();
    environment.run("state rm IamRole.node").expect(0);
    environment.run("state mv IamRole.controller IamRole.other").expect(0);
    environment.run("state restore").expect(0);
    let list = environment.run("state list").expect(0);
    assert!(!list.contains("IamRole.node") && list.contains("IamRole.controller"), "{list}");
    let pulled = environment.run("state pull").expect(0);
    let pushed = environment.run_args(&["state", "push", "-"], &pulled);
    insta::assert_snapshot!(pushed, @r"
    $ lkh state push -
    - is the state already; nothing was changed.
    next: lkh plan
    ");
    environment.run("refresh").expect(0);
    let text = environment.apply();
    assert!(text.contains("1 adopted"), "{text}");
    let events: Vec<_> = environment
        .run("log --json")
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].as_str().unwrap().to_owned())
        .filter(|event| !["intended", "finished", "settled"].contains(&event.as_str()))
        .collect();
    let expected =
        ["runStarted", "runEnded", "removed", "moved", "restored", "runStarted", "runEnded"];
    assert_eq!(events, expected);
    environment.run("log verify").expect(0);
}

#[test]
fn a_holder_is_named_and_its_lock_taken_away_only_by_its_name() {
    let environment = with_bucket();
    environment.apply();
    // A run of another machine, as far as anyone can tell.
    let mut lock: serde_json::Value =
        serde_json::from_str(&object(&environment, "lock.json")).unwrap();
    let run = lock["log"]["segment"].as_str().unwrap().to_owned();
    lock["holder"] = serde_json::json!({
        "info": {
            "id": run, "operation": "apply", "who": "other@there", "pid": 7,
            "since": "2026-01-02T03:04:05Z",
        },
        "process": {
            "host": "there", "boot": "b", "space": "s", "user": 1, "pid": 7, "started": "1",
        },
    });
    let put = "sandbox run -- aws s3api put-object --bucket team-state \
               --key lakes/small/lock.json --body /dev/stdin";
    let args: Vec<_> = put.split_whitespace().collect();
    environment.run_args(&args, &lock.to_string()).expect(0);
    for command in ["apply --auto-approve", "refresh", "state rm IamRole.node", "state restore"] {
        let told = environment.run(command).fails(1);
        insta::allow_duplicates! { insta::assert_snapshot!(told, @"error: the stack is locked by run [run]: `lkh apply` of other@there (process 7) since [time]; wait for it to end; if it is gone for good: lkh unlock [run]"); }
    }
    insta::assert_snapshot!(environment.run("unlock nobody").fails(1), @"error: run nobody does not hold the lock; run [run] does: `lkh apply` of other@there (process 7) since [time]");
    let serial = |environment: &TestEnvironment| {
        let state: serde_json::Value =
            serde_json::from_str(&environment.run("state pull").expect(0)).unwrap();
        state["serial"].as_u64().unwrap()
    };
    let before = serial(&environment);
    let freed = environment.run(&format!("unlock {run}")).expect(0);
    insta::assert_snapshot!(freed, @r"
    The lock is free. It was taken from run [run]: `lkh apply` of other@there (process 7) since [time].
    next: lkh plan
    ");
    assert_eq!(serial(&environment), before + 1);
    let log = environment.run("log").expect(0);
    assert!(conclusion(&log).ends_with(&format!("takes the lock away from run {run}")), "{log}");
    environment.apply();
    environment.run("log verify").expect(0);
}

#[test]
fn two_places_for_one_state_are_one_too_many() {
    let environment = TestEnvironment::new();
    let stack = environment.read("manifests/stack.yaml");
    let place = "spec:\n  state: {path: here, s3: {bucket: Team, prefix: a//b, region: -x}}\n";
    environment.write("manifests/stack.yaml", stack.replacen("spec:\n", place, 1));
    insta::assert_snapshot!(environment.run("validate").stderr, @r"
    error: a place in S3 that can't be
     --> manifests/stack.yaml:8:36
      |
    8 |   state: {path: here, s3: {bucket: Team, prefix: a//b, region: -x}}
      |                                    ^^^^ `Team` can't be used here
      |
      = help: 3 to 63 lowercase letters, digits, dots and hyphens; a letter or a digit first and last

    error: two places for one state
     --> manifests/stack.yaml:8:36
      |
    8 |   state: {path: here, s3: {bucket: Team, prefix: a//b, region: -x}}
      |                                    ^^^^ the state goes to a directory already
      |
      = help: keep `path` or `s3`

    error: a place in S3 that can't be
     --> manifests/stack.yaml:8:50
      |
    8 |   state: {path: here, s3: {bucket: Team, prefix: a//b, region: -x}}
      |                                                  ^^^^ `a//b` can't be used here
      |
      = help: letters, digits, `-`, `_`, `.` and single `/` inside, 200 characters at most

    error: a place in S3 that can't be
     --> manifests/stack.yaml:8:64
      |
    8 |   state: {path: here, s3: {bucket: Team, prefix: a//b, region: -x}}
      |                                                                ^^ `-x` can't be used here
      |
      = help: write it as in `us-east-2`
    error: 4 errors in manifests; nothing was changed
    ");
}
