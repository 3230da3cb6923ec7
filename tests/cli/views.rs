//! The state, the graph, completions, colour.

use crate::environment::TestEnvironment;

#[test]
fn the_state_at_a_glance() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("show"), @"");
    let json = environment.run("show --json").json();
    assert_eq!(json["resources"].as_object().unwrap().len(), 8);
}

#[test]
fn one_resource_with_its_evidence() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("show EksAccessEntry.node"), @"");
    let json = environment.run("show EksAccessEntry.node --json").json();
    assert_eq!(json["status"], "applied");
    insta::assert_snapshot!(environment.run("show EksCluster.main"), @"");
    insta::assert_snapshot!(environment.run("show nonsense"), @"");
}

#[test]
fn no_state_yet() {
    insta::assert_snapshot!(TestEnvironment::new().run("show"), @"");
}

#[test]
fn the_graph() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!("graph_dot", environment.run("graph"));
    assert_eq!(environment.run("graph --format dot").stdout, environment.run("graph").stdout);
    insta::assert_snapshot!("graph_mermaid", environment.run("graph --format mermaid"));
    assert!(environment.files().is_empty(), "it reads nothing live");
}

#[test]
fn completions_of_every_shell() {
    let environment = TestEnvironment::new();
    let bash = environment.run("completions bash").expect(0);
    assert!(bash.starts_with("_lkh() {"), "{}", &bash[..80]);
    assert!(bash.contains("complete -F _lkh"));
    let zsh = environment.run("completions zsh").expect(0);
    assert!(zsh.starts_with("#compdef lkh"));
    let fish = environment.run("completions fish").expect(0);
    assert!(fish.contains("complete -c lkh"));
    environment.run("completions csh").fails(1);
}

#[test]
fn no_escape_reaches_what_is_no_terminal() {
    let environment = TestEnvironment::new();
    for command in ["plan --no-color", "plan", "validate --no-color", "plan --target x --no-color"]
    {
        let output = environment.run(command);
        assert!(!output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'), "{output}");
    }
}

#[test]
fn what_was_read_brings_no_escape_to_the_terminal() {
    let environment = TestEnvironment::applied();
    environment
        .run_args(
            &[
                "sandbox",
                "run",
                "--",
                "aws",
                "iam",
                "tag-role",
                "--role-name",
                "NodeRole",
                "--tags",
                "Key=note,Value=red \u{1b}[31malert",
            ],
            "",
        )
        .code;
    let plan = environment.run("plan");
    assert!(!plan.stdout.contains('\u{1b}'), "{plan}");
}

#[test]
fn the_sandbox_is_made_anew() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("sandbox reset"), @"");
    assert!(environment.state().is_none());
    environment.run("plan --detailed-exitcode").expect(2);
}

#[test]
fn the_sandbox_answers_as_the_tools_do() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("sandbox run -- aws iam get-role --role-name none"), @"");
    insta::assert_snapshot!(environment.run("sandbox run -- kubectl get nodes -o name"), @"");
    insta::assert_snapshot!(environment.run("sandbox run -- terraform plan"), @"");
    insta::assert_snapshot!(environment.run("sandbox interrupt nothing"), @"");
}
