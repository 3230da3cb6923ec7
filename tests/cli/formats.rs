//! The forms of a plan: where they go, and that a saved plan gives the same.

use crate::environment::TestEnvironment;

/// Every form that has a name.
const FORMATS: &[&str] = &["text", "markdown", "json", "html", "gitlab"];

#[test]
fn several_at_once_and_the_same_of_a_saved_plan() {
    let environment = TestEnvironment::applied();
    environment.behind("aws iam tag-role --role-name NodeRole --tags Key=theirs,Value=<b>");
    let files: Vec<_> = FORMATS.iter().map(|name| format!("--format {name}=out.{name}")).collect();
    let planned = environment
        .run(&format!("plan --out it.plan --var replicas=2 --format gitlab {}", files.join(" ")));
    assert_eq!(planned.stdout, "{\"create\":0,\"update\":1,\"delete\":0}\n", "{planned}");
    // Nothing is left to read: neither an account, nor manifests, nor a state.
    for gone in ["state", "manifests"] {
        std::fs::rename(environment.path(gone), environment.path(&format!("{gone}.away"))).unwrap();
    }
    for name in FORMATS {
        let written = std::fs::read_to_string(environment.path(&format!("out.{name}"))).unwrap();
        assert!(!written.contains('\u{1b}'), "{name} has styles");
        let shown = environment.run(&format!("show it.plan --format {name}"));
        assert_eq!(shown.code, 0, "{shown}");
        assert_eq!(shown.stdout, written, "{name}");
    }
    let shown = environment.run("show it.plan");
    assert!(shown.stdout.ends_with("\nnext: lkh apply it.plan\n"), "{shown}");
    let json = environment.run("show it.plan --json").stdout;
    assert_eq!(json, std::fs::read_to_string(environment.path("out.json")).unwrap());
}

/// Runs commands that fail, each with what it says.
fn refused(environment: &TestEnvironment, cases: &[(&str, &str)]) {
    for (command, why) in cases {
        let said = environment.run(command).fails(1);
        assert!(said.starts_with(&format!("error: {why}")), "lkh {command}\n{said}");
        assert!(!said.contains("Reading "), "lkh {command}\n{said}");
    }
}

#[test]
fn where_a_form_can_not_go_is_said_before_anything_is_read() {
    let known = "the formats are text, markdown, json, html, gitlab";
    refused(
        &TestEnvironment::new(),
        &[
            (
                "plan --json --format html",
                "only one form can go to standard output, and these would: json, html; give all \
                 but one a file: --format html=FILE",
            ),
            (
                "plan --format json=a --out a",
                "two things would be written to a: give each a file of its own",
            ),
            (
                "plan --format json=none/a",
                "can't write json to none/a: there is no directory none; make it first",
            ),
            (
                "plan --format html=manifests",
                "can't write html to manifests: it is a directory; name a file in it",
            ),
            (
                "plan --format pdf",
                &format!(
                    "invalid value 'pdf' for '--format <FORMAT[=FILE]>': `pdf` is not a format; {known}"
                ),
            ),
            (
                "plan --format json=",
                "invalid value 'json=' for '--format <FORMAT[=FILE]>': the name of the file is \
                 missing after `=`",
            ),
        ],
    );
}

#[test]
fn what_is_no_saved_plan() {
    let environment = TestEnvironment::new();
    environment.write("state.json", "{}");
    environment.write("old.plan", r#"{"plan": {"formatVersion": 1}}"#);
    let needs_a_plan = "--format renders a saved plan: lkh plan --out FILE, then lkh show FILE";
    refused(
        &environment,
        &[
            ("show state.json", "can't use the plan state.json: it is not a saved plan"),
            (
                "show old.plan",
                "can't use the plan old.plan: its format version 1 is older than 2, the one that \
                 this lkh writes and reads; plan again with this lkh",
            ),
            ("show none.plan --format json", "can't read the plan none.plan: No such file"),
            ("show --format json", needs_a_plan),
            ("show IamRole.node --format json", needs_a_plan),
        ],
    );
}
