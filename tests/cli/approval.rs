//! Without approval nothing is ever changed.

use crate::environment::TestEnvironment;

#[test]
fn an_apply_without_approval_and_without_a_terminal_changes_nothing() {
    let environment = TestEnvironment::new();
    environment.run("plan").expect(0);
    let before = environment.files();
    let output = environment.run("apply");
    insta::assert_snapshot!(output.complaints(), @"error: this needs approval, and there is no terminal to ask on: review the plan and use --auto-approve, or save it (lkh plan --out FILE) and use lkh apply FILE");
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
