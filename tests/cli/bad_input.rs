//! Manifests and options that are wrong: every mistake with its place and the
//! likely fix, all of them in one run, and nothing touched.

use std::fmt::Write as _;

use crate::environment::TestEnvironment;

#[test]
fn a_good_stack_is_valid() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("validate"), @r"
    $ lkh validate
    Stack small is valid: 9 resources.
    next: lkh preflight
    ");
    assert!(environment.files().is_empty(), "validate writes nothing");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let environment = TestEnvironment::new();
    environment.edit("manifests/node.yaml", "kind: EksAccessEntry", "kind: EksAcessEntry");
    environment.edit("manifests/node.yaml", "  managedPolicies:", "  managedPolicy:");
    environment.edit(
        "manifests/cluster.yaml",
        "EksCluster.main.subnetIds",
        "EksCluster.main.subnets",
    );
    environment.edit("manifests/karpenter.yaml", "${var.replicas}", "${var.replica}");
    environment.edit("manifests/spot.yaml", "  name: spot\n", "  name: spot\n  name: spots\n");
    let output = environment.run("validate");
    insta::assert_snapshot!(output, @r"
    $ lkh validate
    --- stderr
    error: unknown output
      --> manifests/cluster.yaml:18:7
       |
    18 |     - ${EksCluster.main.subnets}
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^ EksCluster has no output `subnets`
       |
       = help: did you mean ${EksCluster.main.subnetIds}?

    error: undeclared variable
      --> manifests/karpenter.yaml:18:15
       |
    18 |     replicas: ${var.replica}
       |               ^^^^^^^^^^^^^^ the stack declares no variable `replica`
       |
       = help: did you mean `${var.replicas}`?

    error: unknown field `managedPolicy`
      --> manifests/node.yaml:15:3
       |
    15 |   managedPolicy:
       |   ^^^^^^^^^^^^^ not a field of IamRole
       |
       = help: did you mean `managedPolicies`?

    error: unknown kind
      --> manifests/node.yaml:20:7
       |
    20 | kind: EksAcessEntry
       |       ^^^^^^^^^^^^^ `EksAcessEntry` is not a kind
       |
       = help: did you mean `EksAccessEntry`?

    error: the key `name` stands twice
     --> manifests/spot.yaml:5:3
      |
    4 |   name: spot
      |   ---- first here
    5 |   name: spots
      |   ^^^^ again here
      |
      = help: keep one of them
    error: 5 errors in manifests; nothing was changed
    --- exit code 1
    ");
    assert!(environment.files().is_empty());
}

#[test]
fn no_command_goes_on_with_a_stack_that_is_wrong() {
    let environment = TestEnvironment::new();
    environment.edit("manifests/node.yaml", "  roleName: NodeRole", "  roleName: [NodeRole]");
    for command in [
        "validate",
        "plan",
        "apply --auto-approve",
        "refresh",
        "destroy --auto-approve",
        "show",
        "graph",
    ] {
        let told = environment.run(command).fails(1);
        assert!(told.contains("manifests/node.yaml:7:3"), "{command}: {told}");
    }
    assert!(environment.files().is_empty());
}

#[test]
fn as_data_a_mistake_has_its_place() {
    let environment = TestEnvironment::new();
    environment.edit("manifests/node.yaml", "kind: EksAccessEntry", "kind: EksAcessEntry");
    let output = environment.run("validate --json");
    assert_eq!(output.code, 1);
    let json = output.json();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @r#"
    {
      "diagnostics": [
        {
          "help": "did you mean `EksAccessEntry`?",
          "label": "`EksAcessEntry` is not a kind",
          "place": {
            "column": 7,
            "file": "manifests/node.yaml",
            "length": 13,
            "line": 20
          },
          "related": [],
          "summary": "unknown kind"
        }
      ]
    }
    "#);
}

#[test]
fn a_circle_is_shown_whole() {
    let environment = TestEnvironment::new();
    environment.edit(
        "manifests/node.yaml",
        "    - arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
        "    - ${IamPolicy.controller.arn}",
    );
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    --- stderr
    error: resources depend on each other in a circle
      --> manifests/node.yaml:17:7
       |
    17 |     - ${IamPolicy.controller.arn}
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^ IamRole.node needs IamPolicy.controller
       |
      ::: manifests/controller.yaml:16:19
       |
    16 |         Resource: ${IamRole.node.arn}
       |                   ------------------- IamPolicy.controller needs IamRole.node
       |
       = help: IamRole.node -> IamPolicy.controller -> IamRole.node: remove one of these steps
    error: 1 error in manifests; nothing was changed
    --- exit code 1
    ");
}

#[test]
fn one_address_and_one_object_twice() {
    let environment = TestEnvironment::new();
    let node = environment.read("manifests/node.yaml");
    let role = node.split("---").next().unwrap();
    environment.write("manifests/again.yaml", role);
    environment.write("manifests/other.yaml", role.replace("name: node", "name: other"));
    insta::assert_snapshot!(environment.run("validate"), @r"
    $ lkh validate
    --- stderr
    error: IamRole.node is declared twice
     --> manifests/node.yaml:4:9
      |
    4 |   name: node
      |         ^^^^ again here
      |
     ::: manifests/again.yaml:4:9
      |
    4 |   name: node
      |         ---- first here
      |
      = help: rename or remove one of them

    error: two resources stand for the same IamRole
     --> manifests/other.yaml:4:9
      |
    4 |   name: other
      |         ^^^^^ IamRole.other is `roleName=NodeRole`
      |
     ::: manifests/again.yaml:4:9
      |
    4 |   name: node
      |         ---- so is IamRole.node
      |
      = help: keep one of them, or let them stand for different objects
    error: 2 errors in manifests; nothing was changed
    --- exit code 1
    ");
}

#[test]
fn bytes_that_are_no_text_and_tabs() {
    let environment = TestEnvironment::new();
    environment.write("manifests/latin.yaml", b"apiVersion: lkh/v1\nkind: \xe9t\xe9\n");
    environment
        .write("manifests/tab.yaml", "apiVersion: lkh/v1\nkind: IamRole\nspec:\n\tpath: /\n");
    insta::assert_snapshot!(environment.run("validate"), @r"
    $ lkh validate
    --- stderr
    error: the file is not UTF-8: byte 0xE9 at byte 25
     --> manifests/latin.yaml:2:7
      |
    2 | kind: �t�
      |       ^ here
      |
      = help: save it as UTF-8

    error: a tab where YAML wants spaces
     --> manifests/tab.yaml:4:1
      |
    4 |     path: /
      | ^ a tab
      |
      = help: indent with spaces
    error: 2 errors in manifests; nothing was changed
    --- exit code 1
    ");
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let environment = TestEnvironment::new();
    let mut bomb = String::from("apiVersion: lkh/v1\nkind: IamRole\nspec:\n  a0: &a0 [x, x]\n");
    for level in 1..40 {
        let inner = level - 1;
        writeln!(bomb, "  a{level}: &a{level} [*a{inner}, *a{inner}]").unwrap();
    }
    environment.write("manifests/bomb.yaml", bomb);
    let start = std::time::Instant::now();
    let told = environment.run("validate").fails(1);
    assert!(start.elapsed().as_secs() < 5);
    assert!(told.contains("manifests/bomb.yaml"), "{told}");
}

#[test]
fn variables() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(
        environment.run("plan --var replica=2 --var replicas=two --var cluster=UPPER --var oops"),
        @r#"
    $ lkh plan --var replica=2 --var replicas=two --var cluster=UPPER --var oops
    --- stderr
    error: --var cluster: `UPPER` does not match the pattern of the variable
      --> manifests/stack.yaml:12:16
       |
    12 |       pattern: "[a-z]{3,24}"
       |                ^^^^^^^^^^^^^ the pattern
       |
       = help: `cluster`: The name of the cluster; pattern `[a-z]{3,24}`

    error: --var replicas: must be a number, not `two`
     |
     = help: `replicas`: How many controllers run.

    error: a --var without `=`
     |
     = help: write `--var NAME=VALUE`

    error: no variable `replica` is declared
     |
     = help: did you mean `replicas`?
    error: 4 errors in manifests; nothing was changed
    --- exit code 1
    "#
    );
    environment.write("vars.yaml", "cluster: testskillcluster\nclutser: other\n");
    insta::assert_snapshot!(environment.run("plan --var-file vars.yaml"), @r"
    $ lkh plan --var-file vars.yaml
    --- stderr
    error: no variable `clutser` is declared
    --> vars.yaml:2:1
     = help: did you mean `cluster`?
    error: 1 error in manifests; nothing was changed
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan --var-file none.yaml"), @r"
    $ lkh plan --var-file none.yaml
    --- stderr
    error: `none.yaml`: No such file or directory (os error 2)
     |
     = help: does the path exist?
    error: 1 error in manifests; nothing was changed
    --- exit code 1
    ");
    environment.write("vars.yaml", "replicas: 3\n");
    let plan = environment.run("plan --var-file vars.yaml --json").json();
    assert_eq!(plan["variables"]["replicas"], 3);
    let plan = environment.run("plan --var-file vars.yaml --var replicas=4 --json").json();
    assert_eq!(plan["variables"]["replicas"], 4);
}

#[test]
fn a_directory_that_is_not_there_or_holds_no_stack() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --dir nowhere"), @r"
    $ lkh plan --dir nowhere
    --- stderr
    error: `nowhere`: No such file or directory (os error 2)
     |
     = help: does the path exist?
    error: 1 error in nowhere; nothing was changed
    --- exit code 1
    ");
    std::fs::create_dir(environment.path("empty")).unwrap();
    insta::assert_snapshot!(environment.run("plan --dir empty"), @r"
    $ lkh plan --dir empty
    --- stderr
    error: no manifests in `empty`
     |
     = help: manifests are files that end in .yaml or .yml; `--dir` says where they are
    error: 1 error in empty; nothing was changed
    --- exit code 1
    ");
    environment.remove("manifests/stack.yaml");
    insta::assert_snapshot!(environment.run("validate"), @r"
    $ lkh validate
    --- stderr
    error: no Stack in `manifests`
     |
     = help: one document says what the stack is called: `{apiVersion: lkh/v1, kind: Stack, metadata: {name: ...}, spec: {}}`
    error: 1 error in manifests; nothing was changed
    --- exit code 1
    ");
}

#[test]
fn a_region_that_is_none() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run_args(&["plan", "--region", "us east"], ""), @r"
    $ lkh plan --region us east
    --- stderr
    error: `us east` is not the name of an AWS region
    --- exit code 1
    ");
}

#[test]
fn the_tools_are_missing() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --exec local --region us-east-2"), @r"
    $ lkh plan --exec local --region us-east-2
    --- stderr
    error: can't tell which AWS account this is: `aws` is not installed, or not on PATH
      command: aws sts get-caller-identity
      next: install aws, or use --exec docker (the toolbox has it) or --exec sandbox
    --- exit code 1
    ");
}
