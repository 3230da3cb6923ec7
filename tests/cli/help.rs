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
            "init",
            "describe",
            "validate",
            "preflight",
            "plan",
            "apply",
            "refresh",
            "destroy",
            "status",
            "evidence",
            "lock",
            "show",
            "output",
            "log",
            "state",
            "unlock",
            "explain",
            "graph",
            "sandbox",
            "completions",
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
    insta::assert_snapshot!(environment.run("aply"), @r"
    $ lkh aply
    --- stderr
    error: unrecognized subcommand 'aply'

      tip: a similar subcommand exists: 'apply'

    Usage: lkh <COMMAND>

    For more information, try '--help'.
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan --detailed-exit"), @r"
    $ lkh plan --detailed-exit
    --- stderr
    error: unexpected argument '--detailed-exit' found

      tip: a similar argument exists: '--detailed-exitcode'

    Usage: lkh plan --detailed-exitcode

    For more information, try '--help'.
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan --exec podman"), @r"
    $ lkh plan --exec podman
    --- stderr
    error: invalid value 'podman' for '--exec <HOW>'
      [possible values: docker, local, sandbox]

    For more information, try '--help'.
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run(""), @r"
    $ lkh 
    --- stderr
    Installs a data lakehouse on AWS EKS from manifests, and keeps it as declared

    Usage: lkh <COMMAND>

    Commands:
      init         Write a ready stack directory: manifests and variables
      describe     Describe a stack: phases, resources, parameters, outputs
      validate     Check the manifests without reading anything live
      preflight    Check what an apply would need; changes nothing
      plan         Show what an apply would do; changes nothing
      apply        Make everything as declared, and verify it
      refresh      Read everything and bring the state's records up to date
      destroy      Remove what was applied
      status       Say how far everything is, what is in the way, and what to do next
      evidence     Show what proves that each thing was done, and when it was verified
      lock         Pin charts and toolbox image by the digests of their content
      show         Show the state, one resource with its evidence, or a saved plan
      output       Print the stack's outputs, as the last run left them
      log          Print the apply log, or check that it is whole
      state        Look after the state: list, rm, mv, pull, push, restore
      unlock       Take the lock away from a run that was taken for dead
      explain      Explain a kind: its fields, its equality, its outputs
      graph        Print the resource graph
      sandbox      Look after the simulated account of --exec sandbox
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Exit codes: 0 done and verified; 1 error, blocked or not ready; 2 changes are pending (plan
    --detailed-exitcode); 3 something moved since the plan; 130 interrupted.

    Try it with nothing installed: lkh apply --exec sandbox
    --- exit code 1
    ");
}
