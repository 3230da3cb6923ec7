//! The state, the graph, completions, colour.

use crate::environment::TestEnvironment;

#[test]
fn the_state_at_a_glance() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("show"), @r"
    $ lkh show
    Stack small, account 111122223333, region us-east-2; serial [n], lineage [lineage].

    Ec2Tags.discovery                 applied  name=discovery
    IamRole.controller                applied  roleName=ControllerRole
    IamRole.node                      applied  roleName=NodeRole
    IamPolicy.controller              applied  arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
    EksAccessEntry.node               applied  clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole
    ServiceLinkedRole.spot            applied  serviceName=spot.amazonaws.com
    PodIdentityAssociation.karpenter  applied  clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter
    HelmRelease.karpenter             applied  clusterName=testskillcluster namespace=kube-system releaseName=karpenter
    next: lkh show Ec2Tags.discovery
    ");
    let json = environment.run("show --json").json();
    assert_eq!(json["resources"].as_object().unwrap().len(), 8);
}

#[test]
fn one_resource_with_its_evidence() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("show EksAccessEntry.node"), @r#"
    $ lkh show EksAccessEntry.node
    EksAccessEntry.node is applied
      identity: clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole
      phase: compute
      depends on: EksCluster.main
      depends on: IamRole.node
      as applied: {
        "accessPolicies": {},
        "kubernetesGroups": [],
        "principalArn": "arn:aws:iam::111122223333:role/NodeRole",
        "tags": {},
        "type": "EC2_LINUX"
      }
      outputs: {
        "accessEntryArn": "arn:aws:eks:us-east-2:111122223333:access-entry/testskillcluster/role/111122223333/NodeRole/[uuid]",
        "createdAt": "[time]",
        "roleId": "[role id]"
      }
      evidence:
        [time] exists, and this is what was read of it
          $ aws eks describe-access-entry --cluster-name testskillcluster --principal-arn arn:aws:iam::111122223333:role/NodeRole
          sha256:[digest]
        [time] exists, and this is what was read of it
          $ aws iam get-role --role-name NodeRole
          sha256:[digest]
    next: lkh plan --target EksAccessEntry.node
    "#);
    let json = environment.run("show EksAccessEntry.node --json").json();
    assert_eq!(json["status"], "applied");
    insta::assert_snapshot!(environment.run("show EksCluster.main"), @r"
    $ lkh show EksCluster.main
    --- stderr
    error: EksCluster.main is not in the state; `lkh show` lists what is
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("show nonsense"), @r"
    $ lkh show nonsense
    --- stderr
    error: `nonsense` is not an address: write Kind.name, or name a plan that `lkh plan --out FILE` saved
    --- exit code 1
    ");
}

#[test]
fn no_state_yet() {
    insta::assert_snapshot!(TestEnvironment::new().run("show"), @r"
    $ lkh show
    --- stderr
    error: there is no state at state/sandbox/small.json yet: run lkh apply
    --- exit code 1
    ");
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
fn a_kind_is_explained() {
    let environment = TestEnvironment::new();
    let kinds = environment.run("explain").expect(0);
    insta::assert_snapshot!("explain", kinds);
    for kind in lkh::adapter::Kind::ALL {
        let text = environment.run(&format!("explain {kind}")).expect(0);
        insta::assert_snapshot!(format!("explain_{kind}"), text);
        let schema = environment.run(&format!("explain {kind} --json")).json();
        assert!(schema["properties"].is_object(), "{schema}");
    }
    insta::assert_snapshot!(environment.run("explain IamRoles"), @r"
    $ lkh explain IamRoles
    --- stderr
    error: `IamRoles` is not a kind; the kinds are EksCluster, Ec2Tags, IamRole, IamPolicy, EksAccessEntry, ServiceLinkedRole, PodIdentityAssociation, EksNodegroup, EksAddon, HelmRelease, S3Bucket, CloudFormationStack, AcmCertificate, Route53Zone, Route53Record, Namespace, KubernetesObject, KubernetesSecret, Readiness, Script
    --- exit code 1
    ");
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
    let upgrade = "sandbox run -- helm upgrade karpenter \
                   oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n kube-system \
                   --reuse-values --set";
    let mut args: Vec<_> = upgrade.split_whitespace().collect();
    args.push("additionalAnnotations.note=red \u{1b}[31malert\u{7}");
    assert_eq!(environment.run_args(&args, "").code, 0);
    let plan = environment.run("plan");
    assert!(plan.stdout.contains("additionalAnnotations.note"), "{plan}");
    let raw = plan.stdout.chars().find(|&c| c.is_control() && c != '\n');
    assert_eq!(raw, None, "{plan}");
}

#[test]
fn the_sandbox_is_made_anew() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("sandbox reset"), @r"
    $ lkh sandbox reset
    next: lkh apply --exec sandbox
    --- stderr
    The sandbox is new: state/sandbox/world.jsonl
    ");
    assert!(environment.state().is_none());
    environment.run("plan --detailed-exitcode").expect(2);
}

#[test]
fn the_sandbox_answers_as_the_tools_do() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("sandbox run -- aws iam get-role --role-name none"), @r"
    $ lkh sandbox run -- aws iam get-role --role-name none
    --- stderr

    An error occurred (NoSuchEntity) when calling the GetRole operation: The role with name none cannot be found.
    --- exit code 254
    ");
    insta::assert_snapshot!(environment.run("sandbox run -- kubectl get nodes -o name"), @r"
    $ lkh sandbox run -- kubectl get nodes -o name
    node/ip-192-168-12-34.us-east-2.compute.internal
    node/ip-192-168-56-78.us-east-2.compute.internal
    ");
    insta::assert_snapshot!(environment.run("sandbox run -- terraform plan"), @r"
    $ lkh sandbox run -- terraform plan
    --- stderr
    error: the sandbox knows aws, helm and kubectl, not `terraform`
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("sandbox interrupt nothing"), @r"
    $ lkh sandbox interrupt nothing
    --- stderr
    error: helm said: Error: release: not found
    --- exit code 1
    ");
}
