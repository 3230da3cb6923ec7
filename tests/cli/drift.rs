//! Someone changes something by hand: the plan names exactly that field as
//! drift, the apply restores exactly that, and then nothing is left to do.

use crate::environment::{
    CNI_POLICY, NODE_ROLE, TestEnvironment, WORKER_POLICY, actions, change, fields,
};

/// Insists on the differences of the plan and on the commands that the apply
/// runs, and on a clean plan after that.
#[track_caller]
fn found_and_undone(environment: &TestEnvironment, expected: &[&str], commands: &[&str]) {
    let plan = environment.plan();
    assert_eq!(fields(&plan), expected);
    let intents = environment.intents().len();
    environment.apply();
    assert_eq!(environment.intents()[intents..], *commands);
    environment.is_clean();
}

#[test]
fn a_policy_is_detached() {
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be updated in-place
      # because it differs from what is declared
      ~ roleName=NodeRole
          + managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]  (drift)

    Access

      role NodeRole: what it may do: widened  (IamRole.node)
          + everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    found_and_undone(
        &environment,
        &["IamRole.node managedPolicies arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy drift"],
        &["attach AmazonEKS_CNI_Policy to NodeRole"],
    );
}

#[test]
fn a_trust_policy_is_edited() {
    let environment = TestEnvironment::applied();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    environment.behind(&format!(
        "aws iam update-assume-role-policy --role-name ControllerRole --policy-document {policy}"
    ));
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.controller will be updated in-place
      # because it differs from what is declared
      ~ roleName=ControllerRole
          ~ trustPolicy:  (drift)
                    {
                      "Action": [
                        "sts:AssumeRole",
              +         "sts:TagSession"
                      ],
                      "Effect": "Allow",
                      "Principal": {

    Access

      role ControllerRole: who may become it: widened  (IamRole.controller)
          + Service pods.eks.amazonaws.com: sts:TagSession

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    found_and_undone(
        &environment,
        &["IamRole.controller trustPolicy drift"],
        &["set the trust policy of ControllerRole"],
    );
}

#[test]
fn a_trust_policy_is_written_another_way_and_means_the_same() {
    let environment = TestEnvironment::applied();
    let policy = r#"{"Statement":{"Action":["sts:TagSession","sts:AssumeRole"],"Principal":{"Service":["pods.eks.amazonaws.com"]},"Effect":"Allow"},"Version":"2012-10-17"}"#;
    environment.behind(&format!(
        "aws iam update-assume-role-policy --role-name ControllerRole --policy-document {policy}"
    ));
    environment.is_clean();
}

#[test]
fn a_policy_document_gets_a_new_version() {
    let environment = TestEnvironment::applied();
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    environment.behind(&format!(
        "aws iam create-policy-version --policy-arn \
         arn:aws:iam::111122223333:policy/ControllerPolicy --set-as-default \
         --policy-document {policy}"
    ));
    // The version of before is still there, so it is promoted, not made again.
    found_and_undone(
        &environment,
        &["IamPolicy.controller document drift"],
        &["make version v1 of ControllerPolicy the default: it is the same document"],
    );
}

#[test]
fn a_tag_is_removed() {
    let environment = TestEnvironment::applied();
    let tags = environment.behind(
        "aws ec2 describe-tags --filters Name=key,Values=karpenter.sh/discovery --output text",
    );
    let subnet = tags.split_whitespace().find(|word| word.starts_with("subnet-")).unwrap();
    environment.behind(&format!(
        "aws ec2 delete-tags --resources {subnet} --tags Key=karpenter.sh/discovery"
    ));
    found_and_undone(
        &environment,
        &[&format!("Ec2Tags.discovery tags {subnet} karpenter.sh/discovery drift")],
        &[&format!("tag {subnet}: karpenter.sh/discovery")],
    );
}

#[test]
fn a_role_is_deleted() {
    let environment = TestEnvironment::applied();
    delete_node_role(&environment);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be created
      # because it was removed outside of lkh (drift)
      + roleName=NodeRole
          + managedPolicies["arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"]
          + managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]
          + path = "/"
          + trustPolicy = {
              "Statement": [
                {
                  "Action": "sts:AssumeRole",
                  "Effect": "Allow",
                  "Principal": {
                    "Service": "ec2.amazonaws.com"
                  }
                }
              ],
              "Version": "2012-10-17"
            }

      # EksAccessEntry.node must be replaced
      # because its role does not exist: arn:aws:iam::111122223333:role/NodeRole was deleted, and a new role of that name is another role to EKS
      -/+ clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

    Access

      role NodeRole: what it may do: widened  (IamRole.node)
          + everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          + everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role NodeRole: who may become it: widened  (IamRole.node)
          + Service ec2.amazonaws.com: sts:AssumeRole
          ! new trusted principal

    Drift: 2 resources changed outside of lkh since the last apply; this plan undoes it.
    Plan: 2 to add, 0 to change, 1 to destroy.
    7 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    let intents = environment.intents().len();
    environment.apply();
    assert_eq!(
        environment.intents()[intents..],
        [
            "create the role NodeRole",
            "attach AmazonEKSWorkerNodePolicy to NodeRole",
            "attach AmazonEKS_CNI_Policy to NodeRole",
            "delete the access entry of NodeRole",
            "make an access entry for NodeRole",
        ]
    );
    environment.is_clean();
}

#[test]
fn a_role_is_deleted_and_made_anew() {
    let environment = TestEnvironment::applied();
    remake_node_role(&environment);
    // By its fields everything is as declared; to EKS it is another role.
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # EksAccessEntry.node must be replaced
      # because the role was made anew at [time]: it is [role id] now, this entry is for [role id]; EKS refuses the new role's nodes
      -/+ clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 1 to add, 0 to change, 1 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    found_and_undone(
        &environment,
        &[],
        &["delete the access entry of NodeRole", "make an access entry for NodeRole"],
    );
}

#[test]
fn a_role_is_made_anew_and_the_state_is_lost() {
    let environment = TestEnvironment::applied();
    remake_node_role(&environment);
    environment.remove("state/sandbox/small.json");
    let plan = environment.plan();
    assert!(
        actions(&plan).contains(&"EksAccessEntry.node replace".to_owned()),
        "{:?}",
        actions(&plan)
    );
    environment.apply();
    environment.is_clean();
}

#[test]
fn the_values_of_a_release_are_changed() {
    let environment = TestEnvironment::applied();
    environment.behind(
        "helm upgrade karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 \
         -n kube-system --reuse-values --set replicas=2",
    );
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 2 -> 1  (drift)
          ~ values.replicas: 2 -> 1  (drift)

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    found_and_undone(
        &environment,
        &[
            "HelmRelease.karpenter objects Deployment/kube-system/karpenter spec replicas drift",
            "HelmRelease.karpenter values replicas drift",
        ],
        &[UPGRADE],
    );
}

#[test]
fn a_deployment_is_scaled() {
    let environment = TestEnvironment::applied();
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 0 -> 1  (drift)

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    found_and_undone(
        &environment,
        &["HelmRelease.karpenter objects Deployment/kube-system/karpenter spec replicas drift"],
        &[UPGRADE],
    );
}

#[test]
fn a_release_is_removed() {
    let environment = TestEnvironment::applied();
    environment.behind("helm uninstall karpenter -n kube-system");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter create"]);
    environment.apply();
    environment.is_clean();
}

#[test]
fn an_access_entry_is_removed() {
    let environment = TestEnvironment::applied();
    environment.behind(
        "aws eks delete-access-entry --cluster-name testskillcluster \
         --principal-arn arn:aws:iam::111122223333:role/NodeRole",
    );
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["EksAccessEntry.node create"]);
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_someone_else_attached_is_told_and_left() {
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} \
         --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    ));
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node stays as it is
      # because it is as declared
        roleName=NodeRole
          . managedPolicies["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]  (not declared: left alone)

    No changes. Everything is as declared (9 resources read).
    next: lkh show
    "#);
    let intents = environment.intents();
    environment.apply();
    assert_eq!(environment.intents(), intents);
    let attached =
        environment.behind(&format!("aws iam list-attached-role-policies --role-name {NODE_ROLE}"));
    assert!(attached.contains("AmazonS3ReadOnlyAccess"));
}

#[test]
fn what_someone_else_attached_goes_where_the_manifest_is_exclusive() {
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} \
         --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    ));
    environment.edit(
        "manifests/node.yaml",
        "  managedPolicies:",
        "  exclusive: [managedPolicies]\n  managedPolicies:",
    );
    found_and_undone(
        &environment,
        &["IamRole.node managedPolicies arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess drift"],
        &["detach AmazonS3ReadOnlyAccess from NodeRole"],
    );
}

#[test]
fn what_is_ignored_is_no_drift() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/node.yaml",
        "  phase: compute\nspec:\n  roleName",
        "  phase: compute\nlifecycle:\n  ignoreChanges: [managedPolicies]\nspec:\n  roleName",
    );
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    environment.is_clean();
}

#[test]
fn what_is_ignored_is_kept_by_a_write_for_another_reason() {
    let environment = TestEnvironment::applied();
    let manifest = "manifests/karpenter.yaml";
    environment.edit(
        manifest,
        "dependsOn:",
        "lifecycle:\n  ignoreChanges: [values.replicas]\ndependsOn:",
    );
    environment.behind(
        "helm upgrade karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n \
         kube-system --reuse-values --set replicas=1",
    );
    environment.is_clean();
    environment.edit(manifest, "    replicas:", "    logLevel: debug\n    replicas:");
    let plan = environment.plan();
    let change = change(&plan, "HelmRelease.karpenter");
    let input = &change["commands"][0]["input"];
    assert_eq!(input["replicas"], 1, "{input}");
    let paths: Vec<_> = change["fields"].as_array().unwrap().iter().map(|f| &f["path"]).collect();
    assert!(!format!("{paths:?}").contains("replicas"), "{paths:?}");
    environment.apply();
    let values = environment.behind("helm get values karpenter -n kube-system -o json");
    let values: serde_json::Value = serde_json::from_str(&values).unwrap();
    assert_eq!((&values["replicas"], &values["logLevel"]), (&1.into(), &"debug".into()));
    environment.is_clean();
}

const UPGRADE: &str = "upgrade release karpenter in kube-system: \
                       oci://public.ecr.aws/karpenter/karpenter 1.8.3";

fn delete_node_role(environment: &TestEnvironment) {
    for policy in [WORKER_POLICY, CNI_POLICY] {
        environment.behind(&format!(
            "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {policy}"
        ));
    }
    environment.behind(&format!("aws iam delete-role --role-name {NODE_ROLE}"));
}

fn remake_node_role(environment: &TestEnvironment) {
    delete_node_role(environment);
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    environment.behind(&format!(
        "aws iam create-role --role-name {NODE_ROLE} --assume-role-policy-document {trust}"
    ));
    for policy in [WORKER_POLICY, CNI_POLICY] {
        environment.behind(&format!(
            "aws iam attach-role-policy --role-name {NODE_ROLE} --policy-arn {policy}"
        ));
    }
}

#[test]
fn another_spelling_of_a_policy_is_not_shown_beside_its_difference() {
    let environment = TestEnvironment::applied();
    environment.behind(
        "aws iam update-assume-role-policy --role-name NodeRole --policy-document \
         {\"Statement\":{\"Action\":[\"STS:assumerole\"],\"Effect\":\"Allow\",\
         \"Principal\":{\"Service\":[\"lambda.amazonaws.com\",\"ec2.amazonaws.com\"]}},\
         \"Version\":\"2012-10-17\"}",
    );
    insta::assert_snapshot!(environment.run("plan"), @r#"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be updated in-place
      # because it differs from what is declared
      ~ roleName=NodeRole
          ~ trustPolicy:  (drift)
                      "Principal": {
                        "Service": [
                          "ec2.amazonaws.com"
              -           "lambda.amazonaws.com"
                        ]
                      }
                    }

    Access

      role NodeRole: who may become it: narrowed  (IamRole.node)
          - Service lambda.amazonaws.com: STS:assumerole

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
}

/// A task that panics is an error, not a resource that nobody mentions; and
/// nobody waits for it.
#[cfg(feature = "seeded-bugs")]
#[test]
fn a_mistake_of_the_program_is_said_as_one() {
    let environment = TestEnvironment::new();
    environment.apply();
    for command in ["plan", "apply --auto-approve"] {
        let output = environment.run_mistaken("TaskPanics", command);
        assert_eq!(output.code, 1, "{output}");
        let told = "made a mistake of its own at src/seeded.rs";
        assert!(output.stderr.contains(told), "{}", output.stderr);
        assert!(!output.stderr.contains("as asked for"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
    assert_eq!(environment.run("plan --detailed-exitcode").code, 0);
}
