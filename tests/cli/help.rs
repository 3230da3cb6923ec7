//! Help, version and wrong usage.

use crate::environment::TestEnvironment;

/// The commands that the help lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn of_every_command() {
    let environment = TestEnvironment::new();
    let help = environment.run("--help").expect(0);
    insta::assert_snapshot!("help", help);
    let commands_of_lkh = commands(&help);
    assert_eq!(
        commands_of_lkh,
        [
            "validate",
            "plan",
            "apply",
            "refresh",
            "destroy",
            "show",
            "graph",
            "sandbox",
            "completions"
        ]
    );
    for command in commands_of_lkh {
        let help = environment.run(&format!("{command} --help")).expect(0);
        insta::assert_snapshot!(format!("help_{command}"), help);
        for inner in commands(&help) {
            let help = environment.run(&format!("{command} {inner} --help")).expect(0);
            insta::assert_snapshot!(format!("help_{command}_{inner}"), help);
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    let text = TestEnvironment::new().run("--version").expect(0);
    assert_eq!(text, format!("lkh {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_an_error_and_not_a_pending_change() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("aply"), @"");
    insta::assert_snapshot!(environment.run("plan --detailed-exit"), @"");
    insta::assert_snapshot!(environment.run("plan --exec podman"), @"");
    insta::assert_snapshot!(environment.run(""), @"");
}
