//! A new stack directory.

use std::fs;

use crate::environment::TestEnvironment;

#[test]
fn writes_what_works_in_the_sandbox() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("init new --yes"), @r"
    $ lkh init new --yes
    --- stderr
    error: the variable `cluster` has no value; give it with --var cluster=VALUE
      `cluster`: the name of the EKS cluster; pattern `[a-z0-9]{3,24}`
    error: the variable `rootDomain` has no value; give it with --var rootDomain=VALUE
      `rootDomain`: the domain that the lakehouse lies under, such as example.com; pattern `([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])+[a-z]{2,}`
    error: the variable `lakehouseVersion` has no value; give it with --var lakehouseVersion=VALUE
      `lakehouseVersion`: the version of the lakehouse's own charts
    error: nothing was written
    --- exit code 1
    ");
    assert!(!environment.path("new").exists());
    let said =
        environment.run("init new --yes --var cluster=testskillcluster --var karpenterReplicas=2 --var rootDomain=example.com --var lakehouseVersion=1.0.0");
    assert!(
        said.stdout.ends_with("next: cd new && lkh preflight --var-file variables.yaml\n"),
        "{said}"
    );
    said.expect(0);
    let variables = environment.read("new/variables.yaml");
    assert!(variables.contains("\ncluster: \"testskillcluster\"\n"), "{variables}");
    assert!(variables.contains("\nkarpenterReplicas: 2\n"), "{variables}");
    assert!(variables.contains("\n# region: \"us-east-2\"\n"), "{variables}");
    let options = "--dir new/manifests --var-file new/variables.yaml --exec sandbox";
    environment.run(&format!("preflight {options}")).expect(0);
    environment.run(&format!("apply {options} --auto-approve")).expect(0);
    environment.run(&format!("plan {options} --detailed-exitcode")).expect(0);
}

#[test]
fn overwrites_nothing() {
    let environment = TestEnvironment::new();
    environment.write("new/manifests/stack.yaml", "mine");
    insta::assert_snapshot!(environment.run("init new --var cluster=lake --var rootDomain=example.com --var lakehouseVersion=1.0.0 --yes"), @r"
    $ lkh init new --var cluster=lake --var rootDomain=example.com --var lakehouseVersion=1.0.0 --yes
    --- stderr
    error: no file is overwritten, and these are there already:
      new/manifests/stack.yaml
      nothing was written; choose another directory, or move them away
    --- exit code 1
    ");
    assert_eq!(environment.read("new/manifests/stack.yaml"), "mine");
    assert_eq!(fs::read_dir(environment.path("new")).unwrap().count(), 1);
    // What it wrote itself it takes for its own.
    environment.run("init other --var cluster=lake --var rootDomain=example.com --var lakehouseVersion=1.0.0 --yes").expect(0);
    environment.remove("other/variables.yaml");
    let again = environment.run("init other --var cluster=lake --var rootDomain=example.com --var lakehouseVersion=1.0.0 --yes --json").json();
    assert_eq!(again["files"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_given_is_checked() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("init new --yes --var cluster=My-Lake"), @r"
    $ lkh init new --yes --var cluster=My-Lake
    --- stderr
    error: --var cluster: `My-Lake` does not match
      `cluster`: the name of the EKS cluster; pattern `[a-z0-9]{3,24}`
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("init new --yes --var clutser=lake"), @r"
    $ lkh init new --yes --var clutser=lake
    --- stderr
    error: no variable `clutser` is declared; there are cluster, region, profile, toolboxImage, clusterOwner, network, subnetIds, nodeSubnetIds, vpcCidr, natGateways, compute, nodeType, nodeCount, bucket, expireDays, namespace, rootDomain, siteDomain, certArn, lakehouseCharts, lakehouseVersion, loadBalancerChart, loadBalancerRepository, loadBalancerVersion, karpenterVersion, karpenterChart, karpenterPolicy, karpenterReplicas, karpenterTimeout, interruptionQueue
    --- exit code 1
    ");
    assert!(!environment.path("new").exists());
}
