//! Outputs: planned, applied, kept, asked for.

use serde_json::json;

use crate::environment::{NODE_ROLE, TestEnvironment};

const OUTPUTS: &str = "
  outputs:
    nodeRole:
      description: the role of new nodes
      value: ${IamRole.node.arn}
    console:
      value: https://${region}.example/${account.id}/${var.cluster}
    roleId:
      value: id ${IamRole.node.roleId}
    token:
      sensitive: true
      value: canary-${IamRole.node.roleId}
";

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let stack = environment.read("manifests/stack.yaml");
    environment.write("manifests/stack.yaml", stack + OUTPUTS);
    environment
}

#[test]
fn before_during_and_after_an_apply() {
    let environment = environment();
    insta::assert_snapshot!(environment.run("output"), @r"
    $ lkh output
    nodeRole = (unknown: nothing was applied yet)
    console  = (unknown: nothing was applied yet)
    roleId   = (unknown: nothing was applied yet)
    token    = (sensitive value)
    next: lkh apply
    ");
    let plan = environment.run("plan").expect(0);
    let (_, told) = plan.split_once("Outputs:").unwrap();
    insta::assert_snapshot!(told, @r"
      + nodeRole = arn:aws:iam::111122223333:role/NodeRole
      + console = https://us-east-2.example/111122223333/testskillcluster
      + roleId = (known after apply)
    next: lkh apply
    ");
    let applied = environment.run("apply --auto-approve").expect(0);
    let (_, told) = applied.split_once("Complete:").unwrap();
    insta::assert_snapshot!(told, @r"
     8 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 9 resources verified by a read.

    Outputs:
      + nodeRole = arn:aws:iam::111122223333:role/NodeRole
      + console = https://us-east-2.example/111122223333/testskillcluster
      + roleId = id [role id]
    next: lkh output
    ");
    insta::assert_snapshot!(environment.run("output"), @r"
    $ lkh output
    nodeRole = arn:aws:iam::111122223333:role/NodeRole
    console  = https://us-east-2.example/111122223333/testskillcluster
    roleId   = id [role id]
    token    = (sensitive value)
    next: lkh plan
    ");
    // Nothing is news any more, and a plan without changes says no output.
    let again = environment.run("apply --auto-approve").expect(0);
    assert!(!again.contains("Outputs:"), "{again}");
    let state = environment.state().unwrap();
    assert_eq!(state["formatVersion"], 2);
    assert_eq!(state["outputs"]["token"], json!({ "sensitive": true }));
    assert!(!state.to_string().contains("canary"));
}

#[test]
fn one_by_name() {
    let environment = environment();
    insta::assert_snapshot!(environment.run("output nodeRole"), @r"
    $ lkh output nodeRole
    --- stderr
    error: the output nodeRole has no value: nothing was applied yet; `lkh apply` makes it known
    --- exit code 1
    ");
    environment.apply();
    insta::assert_snapshot!(environment.run("output nodeRole"), @r"
    $ lkh output nodeRole
    arn:aws:iam::111122223333:role/NodeRole
    ");
    let raw = environment.run("output nodeRole --raw").expect(0);
    assert_eq!(raw, format!("arn:aws:iam::111122223333:role/{NODE_ROLE}"));
    insta::assert_snapshot!(environment.run("output nodeRole --json"), @r#"
    $ lkh output nodeRole --json
    {
      "name": "nodeRole",
      "value": "arn:aws:iam::111122223333:role/NodeRole",
      "sensitive": false,
      "description": "the role of new nodes"
    }
    "#);
    insta::assert_snapshot!(environment.run("output token"), @r"
    $ lkh output token
    --- stderr
    error: the output token has no value: sensitive, so it is kept nowhere
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("output nodeRoles"), @r"
    $ lkh output nodeRoles
    --- stderr
    error: no output is called `nodeRoles`: the outputs are nodeRole, console, roleId, token
    --- exit code 1
    ");
}

#[test]
fn they_are_data_too() {
    let environment = environment();
    let plan = environment.plan();
    assert_eq!(plan["outputs"]["nodeRole"], "arn:aws:iam::111122223333:role/NodeRole");
    let report = environment.run("apply --auto-approve --json").json();
    assert_eq!(
        report["outputs"]["console"],
        "https://us-east-2.example/111122223333/testskillcluster"
    );
    assert!(!report.to_string().contains("canary"));
    let told = environment.run("output --json").json();
    assert_eq!(told["nodeRole"]["value"], "arn:aws:iam::111122223333:role/NodeRole");
    assert!(told["token"]["value"].is_null());
}

#[test]
fn what_may_be_stale_says_so() {
    let environment = environment();
    environment.apply();
    environment.edit("manifests/stack.yaml", "id ${IamRole", "the id ${IamRole");
    environment.edit("manifests/stack.yaml", "    console:", "    new: {value: x}\n    console:");
    environment.behind(
        "aws iam detach-role-policy --role-name NodeRole \
         --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    environment.run("refresh").expect(0);
    insta::assert_snapshot!(environment.run("output"), @r"
    $ lkh output
    nodeRole = arn:aws:iam::111122223333:role/NodeRole
               stale: IamRole.node is drifted since
    new      = x
    console  = https://us-east-2.example/111122223333/testskillcluster
    roleId   = the id [role id]
               stale: IamRole.node is drifted since
    token    = (sensitive value)
    next: lkh plan
    ");
}

#[test]
fn stale_until_the_next_run() {
    let environment = environment();
    environment.apply();
    environment.edit("manifests/stack.yaml", "id ${IamRole", "the id ${IamRole");
    environment.edit("manifests/stack.yaml", "    console:", "    new: {value: x}\n    console:");
    insta::assert_snapshot!(environment.run("output"), @r"
    $ lkh output
    nodeRole = arn:aws:iam::111122223333:role/NodeRole
    new      = (unknown: no apply has ended since it was declared)
    console  = https://us-east-2.example/111122223333/testskillcluster
    roleId   = id [role id]
               stale: the Stack declares it otherwise since
    token    = (sensitive value)
    next: lkh apply
    ");
    insta::assert_snapshot!(environment.run("output roleId"), @r"
    $ lkh output roleId
    id [role id]
    --- stderr
    note: the value may be stale: the Stack declares it otherwise since
    ");
}

#[test]
fn what_was_not_made_has_no_output() {
    let environment = environment();
    // Without the cluster, what needs it is not made, and has no output.
    environment.edit(
        "manifests/stack.yaml",
        "  outputs:",
        "  outputs:\n    association: {value: \"${PodIdentityAssociation.karpenter.associationId}\"}",
    );
    let options = "--var cluster=elsewhere";
    assert_eq!(environment.run(&format!("apply --auto-approve {options}")).code, 1);
    let told = environment.run(&format!("output {options}")).expect(0);
    insta::assert_snapshot!(told, @r"
    association = (unknown: PodIdentityAssociation.karpenter is not in the state)
    nodeRole    = arn:aws:iam::111122223333:role/NodeRole
    console     = https://us-east-2.example/111122223333/elsewhere
    roleId      = id [role id]
    token       = (sensitive value)
    next: lkh apply --var cluster=elsewhere
    ");
}

#[test]
fn a_destroyed_stack_has_none() {
    let environment = environment();
    environment.apply();
    environment.run("destroy --auto-approve").expect(0);
    assert!(environment.state().unwrap().get("outputs").is_none());
    insta::assert_snapshot!(environment.run("output"), @r"
    $ lkh output
    nodeRole = (unknown: no apply has ended since it was declared)
    console  = (unknown: no apply has ended since it was declared)
    roleId   = (unknown: no apply has ended since it was declared)
    token    = (sensitive value)
    next: lkh apply
    ");
}
