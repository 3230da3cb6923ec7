//! What a stack says of itself before anything of it exists.

use crate::environment::{TestEnvironment, text};

#[test]
fn the_shipped_stack_without_a_value() {
    let environment = TestEnvironment::shipped();
    let told = environment.run("describe").expect(0);
    assert!(told.contains("cluster (string, required)"), "{told}");
    assert!(told.ends_with("next: lkh preflight --var cluster=VALUE --var rootDomain=VALUE --var lakehouseVersion=VALUE\n"), "{told}");
    let data = environment.run("describe --json").json();
    let parameters = data["parameters"].as_array().unwrap();
    let cluster = parameters.iter().find(|one| one["name"] == "cluster").unwrap();
    assert_eq!(cluster["required"], true);
    assert!(cluster["value"].is_null());
    assert_eq!(text(&cluster["pattern"]), "[a-z0-9]{3,24}");
    // Nothing was made, and nothing was asked.
    assert!(environment.files().is_empty());
}

#[test]
fn with_conditions_outputs_and_secrets() {
    let environment = TestEnvironment::new();
    environment.edit(
        "manifests/stack.yaml",
        "    replicas:",
        "    compute:\n      description: Who adds nodes.\n      allowed: [karpenter, auto]\n      \
         default: karpenter\n    token: {sensitive: true, default: canary}\n    needed: {}\n    replicas:",
    );
    let stack = environment.read("manifests/stack.yaml");
    let stack = stack.replace("  name: small", "  name: small\n  description: a small stack");
    let outputs = "\n  outputs:\n    spot: {value: \"${ServiceLinkedRole.spot.arn}\"}\n    \
                   token: {sensitive: true, value: canary}\n";
    environment.write("manifests/stack.yaml", stack + outputs);
    let spot = environment.read("manifests/spot.yaml");
    environment.write("manifests/spot.yaml", spot + "when: {compute: auto}\n");
    environment.edit(
        "manifests/node.yaml",
        "name: node",
        "name: node\n  description: What new nodes may do.",
    );
    let told = environment.run("describe --var replicas=3");
    insta::assert_snapshot!(told, @r"
    $ lkh describe --var replicas=3
    Stack small: a small stack

    Phases and resources
      foundation  The cluster
        EksCluster.main  name=testskillcluster, external: must exist
      compute  Nodes on demand
        Ec2Tags.discovery  name=${EksCluster.main.clusterSecurityGroupId}
        IamRole.controller  roleName=ControllerRole
        IamRole.node  What new nodes may do.
        IamPolicy.controller  arn=arn:aws:iam::${account.id}:policy/ControllerPolicy path=/ policyName=ControllerPolicy
        EksAccessEntry.node  What new nodes may do.
        PodIdentityAssociation.karpenter  clusterName=${EksCluster.main.name} namespace=kube-system serviceAccount=karpenter
        HelmRelease.karpenter  clusterName=testskillcluster namespace=kube-system releaseName=karpenter

    Parameters
      cluster (string, default testskillcluster)
          The name of the cluster.
          pattern [a-z]{3,24}
      compute (string, default karpenter)
          Who adds nodes.
          one of karpenter, auto
      token (string, default (sensitive value), sensitive)
      needed (string, required)
      replicas (number, default 1) = 3
          How many controllers run.

    Outputs
      spot  ${ServiceLinkedRole.spot.arn}, switched off with ServiceLinkedRole.spot
      token  (its value is not shown), sensitive

    Switched off
      ServiceLinkedRole.spot  only when compute is `auto`, and it is `karpenter`
    next: lkh preflight --var replicas=3 --var needed=VALUE
    ");
    let data = environment.run("describe --json").json();
    assert!(!data.to_string().contains("canary"), "{data}");
    let off = data["switchedOff"].as_array().unwrap();
    assert_eq!(off.len(), 1);
    assert_eq!(text(&off[0]["address"]), "ServiceLinkedRole.spot");
}
