//! The commands that look after the state, its log and its lock.

use lkh::state::State;

use crate::environment::{TestEnvironment, conclusion};

const STATE: &str = "state/sandbox/small.json";
const LOG: &str = "state/sandbox/small.log.jsonl";
const LOCK: &str = "state/sandbox/small.lock";

fn state(environment: &TestEnvironment) -> State {
    State::from_bytes(environment.read(STATE).as_bytes()).unwrap()
}

/// Writes a state into a file that could be pushed.
fn write(environment: &TestEnvironment, work: impl FnOnce(&mut State)) {
    let mut state = state(environment);
    work(&mut state);
    environment.write("pushed.json", state.to_bytes().unwrap());
}

/// Runs a command that must fail and leave every file as it is.
#[track_caller]
fn refused(environment: &TestEnvironment, command: &str) -> String {
    let before = environment.files();
    let output = environment.run(command);
    assert_eq!(output.code, 1, "{output}");
    let mut after = environment.files();
    // Holding the lock for a moment makes its file.
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(before, after, "{command}");
    output.fails(1)
}

#[test]
fn the_log_tells_what_was_done_and_by_whom() {
    let environment = TestEnvironment::applied();
    let text = environment.run("log").expect(0);
    let lines: Vec<_> = text.lines().collect();
    insta::assert_snapshot!(lines[0], @"[time]  run [run] begins, plan sha256:[digest]");
    insta::assert_snapshot!(conclusion(&text), @"[time]  run [run] ends with exit code 0");
    assert!(text.contains("IamRole.node: create the role NodeRole\n    $ aws iam create-role"));
    environment.run("state rm IamRole.node").expect(0);
    environment.run("state mv IamRole.controller IamRole.other").expect(0);
    environment.run("state restore").expect(0);
    let text = environment.run("log").expect(0);
    let hand: Vec<_> = text.lines().filter(|line| line.contains("tester")).collect();
    let serial = format!("serial {}", state(&environment).serial);
    let hand = hand.join("\n").replace(&who(&environment), "[who]").replace(&serial, "serial [is]");
    insta::assert_snapshot!(hand, @r"
    [time]  [who] takes IamRole.node out of the state
    [time]  [who] renames IamRole.controller to IamRole.other in the state
    [time]  [who] puts the backup of the state back, serial [is]
    ");
    let entries = environment.run("log --json").json();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries[0]["event"], "runStarted");
    assert_eq!(entries.last().unwrap()["event"], "restored");
    environment.run("log verify").expect(0);
}

/// Who the log says was at work.
fn who(environment: &TestEnvironment) -> String {
    let entries = environment.run("log --json").json();
    let by = entries.as_array().unwrap().iter().find_map(|entry| entry["by"].as_str());
    by.unwrap().to_owned()
}

#[test]
fn a_log_that_nobody_wrote_is_good() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("log"), @r"
    $ lkh log
    next: lkh log verify
    --- stderr
    The apply log is empty: nothing was applied yet.
    ");
    insta::assert_snapshot!(environment.run("log verify"), @r"
    $ lkh log verify
    0 lines of 0 runs are good.
    next: lkh plan
    ");
}

#[test]
fn the_first_broken_line_is_named() {
    let environment = TestEnvironment::applied();
    let whole = environment.run("log verify --json").json();
    assert_eq!((&whole["runs"], &whole["torn"]), (&1.into(), &false.into()));
    let lines = environment.read(LOG).lines().count();
    assert_eq!(whole["lines"], lines);
    let broken = environment.read(LOG).replacen("create the role", "create no role", 1);
    let number = 1 + broken.lines().position(|line| line.contains("create no role")).unwrap();
    environment.write(LOG, broken);
    let output = environment.run("log verify --json");
    assert_eq!(output.code, 1);
    let found = output.json();
    // The edit shows at the latest in the line after, which holds its hash.
    let line = usize::try_from(found["broken"]["line"].as_u64().unwrap()).unwrap();
    assert!(line == number || line == number + 1, "{found}");
    assert_eq!(found["lines"], line - 1);
    let shown = environment.run("log");
    assert_eq!(shown.code, 1);
    assert!(!shown.stdout.is_empty(), "what is good is shown");
    assert!(
        shown.stderr.contains(&format!("line {line} of the apply log is broken"))
            || shown.stderr.contains("line [n] of the apply log is broken"),
        "{shown}"
    );
}

#[test]
fn a_torn_last_line_is_no_damage() {
    let environment = TestEnvironment::applied();
    let text = environment.read(LOG);
    environment.write(LOG, &text[..text.len() - 5]);
    let output = environment.run("log verify");
    insta::assert_snapshot!(output.stderr, @"note: the last line was not written whole; the next run that writes cuts it off");
    assert_eq!(output.code, 0);
}

#[test]
fn the_state_is_listed_and_pulled() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("state list"), @r"
    $ lkh state list
    Ec2Tags.discovery
    IamRole.controller
    IamRole.node
    IamPolicy.controller
    EksAccessEntry.node
    ServiceLinkedRole.spot
    PodIdentityAssociation.karpenter
    HelmRelease.karpenter
    next: lkh show Ec2Tags.discovery
    ");
    assert_eq!(environment.run("state list --json").json()[1], "IamRole.controller");
    assert_eq!(environment.run("state pull").expect(0), environment.read(STATE));
    let empty = TestEnvironment::new();
    insta::assert_snapshot!(empty.run("state pull"), @r"
    $ lkh state pull
    --- stderr
    error: there is no state at state/sandbox/small.json yet
    --- exit code 1
    ");
}

#[test]
fn what_is_taken_out_is_adopted_again() {
    let environment = TestEnvironment::applied();
    let before = state(&environment);
    insta::assert_snapshot!(environment.run("state rm IamRole.node"), @r"
    $ lkh state rm IamRole.node
    IamRole.node is out of the state; its object was left as it is.
    next: lkh plan
    ");
    assert_eq!(state(&environment).serial, before.serial + 1);
    assert_eq!(
        environment.read("state/sandbox/small.json.backup").as_bytes(),
        before.to_bytes().unwrap()
    );
    let text = environment.apply();
    assert!(text.contains("1 adopted"), "{text}");
    insta::assert_snapshot!(refused(&environment, "state rm IamRole.nope"), @"error: IamRole.nope is not in the state; `lkh state list` shows what is");
    insta::assert_snapshot!(refused(&environment, "state rm nope"), @"error: `nope` is not an address: write Kind.name");
}

#[test]
fn another_address_is_another_address_everywhere() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("state mv IamRole.node IamRole.other"), @r"
    $ lkh state mv IamRole.node IamRole.other
    IamRole.node is IamRole.other in the state now.
    next: lkh plan
    ");
    let text = environment.read(STATE);
    assert!(!text.contains("IamRole.node") && text.contains("\"IamRole.other\""), "{text}");
    insta::assert_snapshot!(refused(&environment, "state mv IamRole.other IamRole.controller"), @"error: IamRole.controller is in the state already; an address stands for one object");
    insta::assert_snapshot!(refused(&environment, "state mv IamRole.other IamPolicy.other"), @"error: IamRole.other and IamPolicy.other are of different kinds, and an object keeps its kind");
    insta::assert_snapshot!(refused(&environment, "state mv IamRole.nope IamRole.yes"), @"error: IamRole.nope is not in the state; `lkh state list` shows what is");
}

#[test]
fn only_a_newer_state_of_the_same_history_is_pushed() {
    let environment = TestEnvironment::applied();
    let serial = state(&environment).serial;
    write(&environment, |_| {});
    insta::assert_snapshot!(environment.run("state push pushed.json"), @r"
    $ lkh state push pushed.json
    pushed.json is the state already; nothing was changed.
    next: lkh plan
    ");
    let mut told = String::new();
    let mut tell = |environment: &TestEnvironment, work: &dyn Fn(&mut State)| {
        write(environment, work);
        told += &refused(environment, "state push pushed.json");
    };
    tell(&environment, &|state| state.serial -= 1);
    tell(&environment, &|state| drop(state.resources.pop_last()));
    tell(&environment, &|state| state.lineage = "another".into());
    tell(&environment, &|state| state.stack = "another".into());
    tell(&environment, &|state| state.account = "444455556666".into());
    tell(&environment, &|state| state.region = "us-west-2".into());
    let text = environment.read("pushed.json");
    environment.write("pushed.json", text.replace("us-west-2", "us-west-1"));
    told += &refused(&environment, "state push pushed.json");
    environment.write("pushed.json", text.replace("\"formatVersion\": 1", "\"formatVersion\": 7"));
    told += &refused(&environment, "state push pushed.json");
    told += &refused(&environment, "state push nowhere.json");
    let told = told
        .replace(&format!("serial {serial}"), "serial [is]")
        .replace(&format!("serial {}", serial - 1), "serial [is - 1]")
        .replace(&format!("than {serial}"), "than [is]");
    insta::assert_snapshot!(told, @r"
    error: can't push pushed.json: its serial [is - 1] is lower than [is], that of the present state: it is older
    error: can't push pushed.json: it has the serial [is], as the present state, and another content
    error: can't push pushed.json: it is of lineage another, and the present state is of lineage [lineage]
    error: can't push pushed.json: it is of stack another, and this is small
    error: can't push pushed.json: it is of account 444455556666, and the present state is of account 111122223333
    error: can't push pushed.json: it is of region us-west-2, and the present state is of region us-east-2
    error: can't push pushed.json: its checksum does not match its content: it was edited or damaged; restore the backup beside it, or remove it (the next plan adopts what exists)
    error: can't push pushed.json: its format version 7 is newer than 2, the newest that this lkh reads; install a newer lkh
    error: can't read nowhere.json: No such file or directory (os error 2)
    ");
    let before = environment.read(STATE);
    write(&environment, |state| {
        state.serial += 5;
        state.resources.pop_last();
    });
    let text = environment.run("state push pushed.json").expect(0);
    assert_eq!(
        conclusion(&text),
        format!("pushed.json is the state now, with serial {}.", serial + 5)
    );
    assert_eq!(content(&environment.read(STATE)), content(&environment.read("pushed.json")));
    assert_eq!(environment.read("state/sandbox/small.json.backup"), before);
    let text = environment.apply();
    assert!(text.contains("1 adopted"), "{text}");
}

/// What a state says, but for where the log was when it was written: that is of
/// the log that it was pushed under.
fn content(text: &str) -> serde_json::Value {
    let mut state: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = state.as_object_mut().unwrap();
    assert!(fields.remove("checksum").is_some() && fields.remove("log").is_some());
    state
}

#[test]
fn a_pulled_state_goes_where_there_is_none() {
    let environment = TestEnvironment::applied();
    let pulled = environment.run("state pull").expect(0);
    environment.remove(STATE);
    let args = ["state", "push", "-"];
    environment.run_args(&args, &pulled).expect(0);
    assert_eq!(content(&environment.read(STATE)), content(&pulled));
    environment.is_clean();
}

#[test]
fn the_backup_comes_back_and_twice_is_undone() {
    let environment = TestEnvironment::applied();
    let first = state(&environment);
    environment.run("state rm IamRole.node").expect(0);
    environment.run("plan --out saved.plan").expect(0);
    let text = environment.run("state restore").expect(0);
    assert_eq!(
        conclusion(&text),
        format!("The backup is the state now, with serial {}.", first.serial + 2)
    );
    assert_eq!(state(&environment).resources, first.resources);
    let refused = environment.run("apply saved.plan");
    assert_eq!(refused.code, 3, "{refused}");
    environment.run("state restore").expect(0);
    let twice = state(&environment);
    assert_eq!(twice.serial, first.serial + 3);
    assert_eq!(twice.resources.len(), first.resources.len() - 1);
    let empty = TestEnvironment::new();
    insta::assert_snapshot!(empty.run("state restore"), @r"
    $ lkh state restore
    --- stderr
    error: there is no backup beside state/sandbox/small.json: no run has changed a state yet
    --- exit code 1
    ");
}

#[test]
fn the_backup_takes_the_place_of_a_damaged_state() {
    let environment = TestEnvironment::applied();
    let first = state(&environment);
    environment.run("state mv IamRole.node IamRole.other").expect(0);
    environment.edit(STATE, "IamRole.other", "IamRole.ether");
    let text = environment.run("state restore").expect(0);
    assert_eq!(
        conclusion(&text),
        format!("The backup is the state now, with serial {}.", first.serial + 2)
    );
    environment.is_clean();
    // A newer lkh's state is not damaged: it is left to the newer one.
    environment.edit(STATE, "\"formatVersion\": 1", "\"formatVersion\": 9");
    insta::assert_snapshot!(refused(&environment, "state restore"), @"error: state/sandbox/small.json can't be used: its format version 9 is newer than 2, the newest that this lkh reads; install a newer lkh");
}

#[test]
fn nothing_is_changed_while_another_run_holds_the_lock() {
    let environment = TestEnvironment::applied();
    let lock = std::fs::File::options().append(true).open(environment.path(LOCK)).unwrap();
    lock.lock().unwrap();
    environment.write(
        LOCK,
        r#"{"id":"theirs","operation":"apply","who":"other@there","pid":7,"since":"2026-01-02T03:04:05Z"}"#,
    );
    write(&environment, |state| state.serial += 1);
    for command in [
        "state rm IamRole.node",
        "state mv IamRole.node IamRole.other",
        "state push pushed.json",
        "state restore",
    ] {
        let told = refused(&environment, command);
        insta::allow_duplicates! { insta::assert_snapshot!(told, @"error: the stack is locked: `lkh apply` of other@there (process 7) since [time]; wait for it to end"); }
    }
    insta::assert_snapshot!(refused(&environment, "unlock theirs"), @"error: run theirs is at work: `lkh apply` of other@there since [time]; a local lock ends with its process, so end process 7 if it must go");
    insta::assert_snapshot!(refused(&environment, "unlock mine"), @"error: run mine does not hold the lock; run theirs does: `lkh apply` of other@there (process 7) since [time]");
    // Reading needs no lock.
    environment.run("state list").expect(0);
    environment.run("log").expect(0);
    drop(lock);
    insta::assert_snapshot!(environment.run("unlock theirs"), @r"
    $ lkh unlock theirs
    The lock is free. It was taken from run theirs: `lkh apply` of other@there (process 7) since [time].
    next: lkh plan
    ");
    insta::assert_snapshot!(environment.run("unlock theirs"), @r"
    $ lkh unlock theirs
    Nobody holds the lock; nothing was changed.
    next: lkh plan
    ");
}
