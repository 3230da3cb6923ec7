//! What an apply does, says and leaves behind.

use std::collections::BTreeSet;

use crate::environment::{TestEnvironment, conclusion, text};

#[test]
fn the_first_apply_ends_verified_and_the_second_finds_nothing() {
    let environment = TestEnvironment::new();
    let first = environment.run("apply --auto-approve");
    let last = conclusion(&first.stdout).to_owned();
    let told = first.stderr.clone();
    first.expect(0);
    insta::assert_snapshot!(last, @r"Complete: 8 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 9 resources verified by a read.");
    // The order is any, but what depends on something begins after its end.
    let place = |line: &str| {
        told.lines().position(|told| told.starts_with(line)).unwrap_or_else(|| panic!("{line}"))
    };
    assert!(place("IamRole.node: applied") < place("IamPolicy.controller: create begins"));
    assert!(place("IamPolicy.controller: applied") < place("IamRole.controller: create begins"));
    assert!(place("EksAccessEntry.node: applied") < place("HelmRelease.karpenter: create begins"));
    let mut told: Vec<_> = told.lines().collect();
    told.sort_unstable();
    insta::assert_snapshot!(told.join("\n"), @r"
    Ec2Tags.discovery: applied after [seconds]
    Ec2Tags.discovery: create begins
    Ec2Tags.discovery: tag 7 resources: karpenter.sh/discovery
    EksAccessEntry.node: applied after [seconds]
    EksAccessEntry.node: create begins
    EksAccessEntry.node: make an access entry for NodeRole
    HelmRelease.karpenter: applied after [seconds]
    HelmRelease.karpenter: create begins
    HelmRelease.karpenter: install release karpenter in kube-system: oci://public.ecr.aws/karpenter/karpenter 1.8.3
    IamPolicy.controller: applied after [seconds]
    IamPolicy.controller: create begins
    IamPolicy.controller: create the policy ControllerPolicy
    IamRole.controller: applied after [seconds]
    IamRole.controller: attach ControllerPolicy to ControllerRole
    IamRole.controller: create begins
    IamRole.controller: create the role ControllerRole
    IamRole.node: applied after [seconds]
    IamRole.node: attach AmazonEKSWorkerNodePolicy to NodeRole
    IamRole.node: attach AmazonEKS_CNI_Policy to NodeRole
    IamRole.node: create begins
    IamRole.node: create the role NodeRole
    PodIdentityAssociation.karpenter: applied after [seconds]
    PodIdentityAssociation.karpenter: associate kube-system/karpenter with its role
    PodIdentityAssociation.karpenter: create begins
    Reading 9 resources ...
    ServiceLinkedRole.spot: applied after [seconds]
    ServiceLinkedRole.spot: create begins
    ServiceLinkedRole.spot: create the service-linked role of spot.amazonaws.com
    ");

    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    No changes. Everything is as declared (9 resources read).
    next: lkh show
    ");
    let intents = environment.intents().len();
    insta::assert_snapshot!(environment.run("apply --auto-approve"), @r"
    $ lkh apply --auto-approve
    Stack small, account 111122223333, region us-east-2.

    No changes. Everything is as declared (9 resources read).
    Complete: 0 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 9 resources verified by a read.
    next: lkh show
    ");
    assert_eq!(environment.intents().len(), intents, "a second apply runs no command");
}

#[test]
fn it_runs_exactly_the_commands_that_the_plan_names() {
    let environment = TestEnvironment::new();
    let plan = environment.plan();
    let planned: BTreeSet<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["commands"].as_array().unwrap())
        .map(|command| text(&command["title"]).to_owned())
        .collect();
    environment.apply();
    let run: BTreeSet<_> = environment.intents().into_iter().collect();
    assert_eq!(run, planned);
}

#[test]
fn as_data_it_names_every_resource_and_its_end() {
    let environment = TestEnvironment::new();
    let report = environment.run("apply --auto-approve --json").json();
    assert_eq!(report["exitCode"], 0);
    assert_eq!(report["interrupted"], false);
    let resources = report["resources"].as_array().unwrap();
    assert_eq!(resources.len(), 9);
    assert!(resources.iter().all(|resource| resource["good"] == true));
    let applied = resources.iter().filter(|resource| resource["outcome"] == "applied");
    assert_eq!(applied.count(), 8);
}

#[test]
fn the_state_holds_every_resource_with_its_evidence() {
    let environment = TestEnvironment::applied();
    let state = environment.state().unwrap();
    let resources = state["resources"].as_object().unwrap();
    assert_eq!(resources.len(), 8, "what is external is not ours to remember");
    for (address, record) in resources {
        assert_eq!(record["status"], "applied", "{address}");
        assert!(!record["evidence"].as_array().unwrap().is_empty(), "{address}");
    }
    assert_eq!(state["account"], "111122223333");
    assert_eq!(state["region"], "us-east-2");
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_the_rest_goes_on() {
    let environment = TestEnvironment::new();
    // IAM refuses a sixth version of nothing, and a role whose policy is gone.
    environment.edit(
        "manifests/node.yaml",
        "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
        "arn:aws:iam::aws:policy/NoSuchPolicy",
    );
    let output = environment.run("apply --auto-approve");
    let (code, text) = (output.code, output.stdout);
    assert_eq!(code, 1);
    let report = text.split_once("Plan hash: ").unwrap().1.split_once('\n').unwrap().1;
    insta::assert_snapshot!(report, @r"
    IamRole.node: failed
      could not attach NoSuchPolicy to NodeRole
      command: aws iam attach-role-policy --cli-input-json file:///dev/stdin
      cause: the command failed (exit code 254)
        An error occurred (NoSuchEntity) when calling the AttachRolePolicy operation: Policy arn:aws:iam::aws:policy/NoSuchPolicy does not exist or is not attachable.
      next: run `lkh plan --target IamRole.node` to see what is left to do
    IamPolicy.controller: skipped, because IamRole.node did not succeed
    IamRole.controller: skipped, because IamPolicy.controller did not succeed
    EksAccessEntry.node: skipped, because IamRole.node did not succeed
    PodIdentityAssociation.karpenter: skipped, because IamRole.controller did not succeed
    HelmRelease.karpenter: skipped, because EksAccessEntry.node did not succeed

    Incomplete: 2 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 6 resources did not end well.
    next: do what is said above, then lkh plan
    ");
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["IamRole.node"]["status"], "notReady");
    assert_eq!(state["resources"]["ServiceLinkedRole.spot"]["status"], "applied");
    assert!(state["resources"]["EksAccessEntry.node"].is_null());
    // The cause removed, the next run does the rest and nothing twice.
    environment.edit("manifests/node.yaml", "NoSuchPolicy", "AmazonEKS_CNI_Policy");
    environment.apply();
    environment.is_clean();
    let created: Vec<_> = environment.intents();
    assert_eq!(created.iter().filter(|title| *title == "create the role NodeRole").count(), 1);
}

#[test]
fn six_changes_of_a_policy_in_a_row_all_take_effect() {
    let environment = TestEnvironment::applied();
    for number in 1..=6 {
        let mut text = environment.read("manifests/controller.yaml");
        let at = text.find("[ec2:RunInstances").unwrap();
        let end = at + text[at..].find(']').unwrap();
        text.replace_range(at..end, &format!("[ec2:RunInstances, ec2:Number{number}"));
        environment.write("manifests/controller.yaml", text);
        environment.apply();
        environment.is_clean();
        let versions = environment.behind(
            "aws iam list-policy-versions --policy-arn \
             arn:aws:iam::111122223333:policy/ControllerPolicy",
        );
        assert!(versions.matches("VersionId").count() <= 5, "{versions}");
    }
}
