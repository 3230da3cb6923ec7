//! Manifests and options that are wrong: every mistake with its place and the
//! likely fix, all of them in one run, and nothing touched.

use crate::environment::TestEnvironment;

#[test]
fn a_good_stack_is_valid() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("validate"), @"");
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
    insta::assert_snapshot!(output, @"");
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
        assert!(told.contains("manifests/node.yaml:7:13"), "{command}: {told}");
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
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap(), @"");
}

#[test]
fn a_circle_is_shown_whole() {
    let environment = TestEnvironment::new();
    environment.edit(
        "manifests/node.yaml",
        "    - arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
        "    - ${IamPolicy.controller.arn}",
    );
    insta::assert_snapshot!(environment.run("plan"), @"");
}

#[test]
fn one_address_and_one_object_twice() {
    let environment = TestEnvironment::new();
    let node = environment.read("manifests/node.yaml");
    let role = node.split("---").next().unwrap();
    environment.write("manifests/again.yaml", role);
    environment.write("manifests/other.yaml", role.replace("name: node", "name: other"));
    insta::assert_snapshot!(environment.run("validate"), @"");
}

#[test]
fn bytes_that_are_no_text_and_tabs() {
    let environment = TestEnvironment::new();
    environment.write("manifests/latin.yaml", b"apiVersion: lkh/v1\nkind: \xe9t\xe9\n");
    environment
        .write("manifests/tab.yaml", "apiVersion: lkh/v1\nkind: IamRole\nspec:\n\tpath: /\n");
    insta::assert_snapshot!(environment.run("validate"), @"");
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let environment = TestEnvironment::new();
    let mut bomb = String::from("apiVersion: lkh/v1\nkind: IamRole\nspec:\n  a0: &a0 [x, x]\n");
    for level in 1..40 {
        let inner = level - 1;
        bomb += &format!("  a{level}: &a{level} [*a{inner}, *a{inner}]\n");
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
        @""
    );
    environment.write("vars.yaml", "cluster: testskillcluster\nclutser: other\n");
    insta::assert_snapshot!(environment.run("plan --var-file vars.yaml"), @"");
    insta::assert_snapshot!(environment.run("plan --var-file none.yaml"), @"");
    environment.write("vars.yaml", "replicas: 3\n");
    let plan = environment.run("plan --var-file vars.yaml --json").json();
    assert_eq!(plan["variables"]["replicas"], 3);
    let plan = environment.run("plan --var-file vars.yaml --var replicas=4 --json").json();
    assert_eq!(plan["variables"]["replicas"], 4);
}

#[test]
fn a_directory_that_is_not_there_or_holds_no_stack() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --dir nowhere"), @"");
    std::fs::create_dir(environment.path("empty")).unwrap();
    insta::assert_snapshot!(environment.run("plan --dir empty"), @"");
    environment.remove("manifests/stack.yaml");
    insta::assert_snapshot!(environment.run("validate"), @"");
}

#[test]
fn a_region_that_is_none() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run_args(&["plan", "--region", "us east"], ""), @"");
}

#[test]
fn the_tools_are_missing() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --exec local"), @"");
}
