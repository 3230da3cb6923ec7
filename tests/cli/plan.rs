//! What a plan says, and that it is the same for the same input.

use std::fs;

use crate::environment::{TestEnvironment, actions, change, text};

#[test]
fn from_nothing() {
    let environment = TestEnvironment::new();
    let output = environment.run("plan");
    insta::assert_snapshot!("plan_from_nothing", output);
}

#[test]
fn with_its_commands() {
    let environment = TestEnvironment::new();
    let output = environment.run("plan --show-commands");
    insta::assert_snapshot!("plan_with_commands", output);
}

#[test]
fn with_what_stays() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --show-unchanged"), @r"
    $ lkh plan --show-unchanged
    Stack small, account 111122223333, region us-east-2.

    phase foundation

      # EksCluster.main stays as it is
      # because it is external: read, never changed
        name=testskillcluster

    phase compute

      # Ec2Tags.discovery stays as it is
      # because it is as declared
        name=discovery

      # IamRole.node stays as it is
      # because it is as declared
        roleName=NodeRole

      # IamPolicy.controller stays as it is
      # because it is as declared
        arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy

      # IamRole.controller stays as it is
      # because it is as declared
        roleName=ControllerRole

      # EksAccessEntry.node stays as it is
      # because it is as declared
        clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

      # ServiceLinkedRole.spot stays as it is
      # because it is as declared
        serviceName=spot.amazonaws.com

      # PodIdentityAssociation.karpenter stays as it is
      # because it is as declared
        clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter

      # HelmRelease.karpenter stays as it is
      # because it is as declared
        clusterName=testskillcluster namespace=kube-system releaseName=karpenter

    No changes. Everything is as declared (9 resources read).
    next: lkh show
    ");
}

#[test]
fn the_exit_code_tells_more_only_when_asked() {
    let environment = TestEnvironment::new();
    environment.run("plan").expect(0);
    environment.run("plan --detailed-exitcode").expect(2);
    let environment = TestEnvironment::applied();
    environment.run("plan --detailed-exitcode").expect(0);
}

#[test]
fn as_data_it_holds_every_resource_and_every_command() {
    let plan = TestEnvironment::new().plan();
    assert_eq!(plan["formatVersion"], 2);
    assert_eq!(plan["stack"], "small");
    assert_eq!(plan["account"], "111122223333");
    assert_eq!(plan["serial"], 0);
    assert!(plan["lineage"].is_null());
    assert_eq!(plan["changes"].as_array().unwrap().len(), 9);
    assert_eq!(
        actions(&plan),
        [
            "Ec2Tags.discovery create",
            "IamRole.node create",
            "IamPolicy.controller create",
            "IamRole.controller create",
            "EksAccessEntry.node create",
            "ServiceLinkedRole.spot create",
            "PodIdentityAssociation.karpenter create",
            "HelmRelease.karpenter create",
        ]
    );
    let node = change(&plan, "IamRole.node");
    assert_eq!(node["reason"]["code"], "absent");
    let commands = node["commands"].as_array().unwrap();
    assert_eq!(commands.len(), 3);
    assert_eq!(text(&commands[0]["argv"][2]), "create-role");
    assert_eq!(text(&commands[0]["input"]["RoleName"]), "NodeRole");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let environment = TestEnvironment::new();
    let texts = [(); 3].map(|()| environment.run("plan --show-commands").stdout);
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    let data = [(); 2].map(|()| environment.run("plan --json").stdout);
    assert_eq!(data[0], data[1]);
    environment.run("plan --out one.plan").expect(0);
    environment.run("plan --out two.plan").expect(0);
    assert_eq!(environment.read("one.plan"), environment.read("two.plan"));
}

#[test]
fn files_and_their_order_mean_nothing() {
    let environment = TestEnvironment::new();
    let before = environment.run("plan --json").stdout;
    // All documents in one file, the last one first, in a folder of its own.
    let mut documents = Vec::new();
    for entry in fs::read_dir(environment.path("manifests")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        documents.extend(text.split("\n---\n").map(str::to_owned));
        fs::remove_file(path).unwrap();
    }
    documents.sort();
    documents.reverse();
    environment.write("manifests/deep/down/all.yml", documents.join("\n---\n"));
    assert_eq!(environment.run("plan --json").stdout, before);
}

#[test]
fn a_new_value_is_a_change_and_not_drift() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --var replicas=2 --detailed-exitcode"), @r#"
    $ lkh plan --var replicas=2 --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 1 -> 2  (change)
          ~ values.replicas: 1 -> 2  (change)

    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply --var replicas=2
    --- exit code 2
    "#);
    environment.edit("manifests/node.yaml", "AmazonEKS_CNI_Policy", "AmazonS3ReadOnlyAccess");
    environment.edit("manifests/controller.yaml", "ec2:CreateFleet", "ec2:DescribeImages");
    insta::assert_snapshot!(environment.run("plan"), @r#"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be updated in-place
      # because it differs from what is declared
      ~ roleName=NodeRole
          - managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"]  (change)
          + managedPolicies["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]  (change)

      # IamPolicy.controller will be updated in-place
      # because it differs from what is declared
      ~ arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
          ~ document:  (change)
                    {
                      "Action": [
                        "ec2:RunInstances",
              -         "ec2:CreateFleet"
              +         "ec2:DescribeImages"
                      ],
                      "Effect": "Allow",
                      "Resource": "*"

    Access

      role NodeRole: what it may do: widened and narrowed  (IamRole.node)
          + everything in arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess
          - everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      policy ControllerPolicy (held by role ControllerRole): what it may do: widened and narrowed  (IamPolicy.controller)
          + ec2:DescribeImages on *
          - ec2:CreateFleet on *

    Plan: 0 to add, 2 to change, 0 to destroy.
    7 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
}

#[test]
fn drift_and_change_of_one_field_are_both() {
    let environment = TestEnvironment::applied();
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    environment.behind(
        "aws iam update-role --role-name NodeRole --description someone --max-session-duration 7200",
    );
    environment.edit(
        "manifests/node.yaml",
        "  roleName: NodeRole\n",
        "  roleName: NodeRole\n  description: ours\n  maxSessionDuration: 7200\n",
    );
    insta::assert_snapshot!(environment.run("plan --var replicas=2"), @r#"
    $ lkh plan --var replicas=2
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node will be updated in-place
      # because it differs from what is declared
      ~ roleName=NodeRole
          ~ description: "someone" -> "ours"  (change)

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ objects["Deployment/kube-system/karpenter"].spec.replicas: 0 -> 2  (change and drift)
          ~ values.replicas: 1 -> 2  (change)

    Drift: 1 resource changed outside of lkh since the last apply; this plan undoes it.
    Plan: 0 to add, 2 to change, 0 to destroy.
    7 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply --var replicas=2
    "#);
}

#[test]
fn a_field_that_cannot_change_replaces_the_object() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/node.yaml",
        "  roleName: NodeRole\n",
        "  roleName: NodeRole\n  path: /nodes/\n",
    );
    insta::assert_snapshot!(environment.run("plan"), @r#"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.node must be replaced
      # because path can't be changed in place
      -/+ roleName=NodeRole
          ~ path: "/" -> "/nodes/"  (change; can't be changed in place)

      # IamPolicy.controller will be updated in-place
      # because it differs from what is declared
      ~ arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
          ~ document:  (change)
                    {
                      "Action": "iam:PassRole",
                      "Effect": "Allow",
              -       "Resource": "arn:aws:iam::111122223333:role/NodeRole"
              +       "Resource": "arn:aws:iam::111122223333:role/nodes/NodeRole"
                    }
                  ],
                  "Version": "2012-10-17"

      # EksAccessEntry.node must be replaced
      # because it was clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole before
      -/+ clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/nodes/NodeRole
          + principalArn = "arn:aws:iam::111122223333:role/nodes/NodeRole"  (change; can't be changed in place)
          + type = "EC2_LINUX"  (change; can't be changed in place)

    Access

      policy ControllerPolicy (held by role ControllerRole): what it may do: widened and narrowed  (IamPolicy.controller)
          + iam:PassRole on arn:aws:iam::111122223333:role/nodes/NodeRole
          - iam:PassRole on arn:aws:iam::111122223333:role/NodeRole
          ! iam:PassRole

    Plan: 2 to add, 1 to change, 2 to destroy.
    6 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
    environment.apply();
    environment.is_clean();
}

#[test]
fn another_name_is_another_object() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/controller.yaml",
        "roleName: ControllerRole",
        "roleName: OtherRole",
    );
    insta::assert_snapshot!(environment.run("plan"), @r#"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.controller must be replaced
      # because it was roleName=ControllerRole before
      -/+ roleName=OtherRole
          + managedPolicies["arn:aws:iam::111122223333:policy/ControllerPolicy"]
          + path = "/"  (change; can't be changed in place)
          + trustPolicy = {
              "Statement": [
                {
                  "Action": [
                    "sts:AssumeRole",
                    "sts:TagSession"
                  ],
                  "Effect": "Allow",
                  "Principal": {
                    "Service": "pods.eks.amazonaws.com"
                  }
                }
              ],
              "Version": "2012-10-17"
            }

      # PodIdentityAssociation.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter
          ~ roleArn: "arn:aws:iam::111122223333:role/ControllerRole" -> "arn:aws:iam::111122223333:role/OtherRole"  (change)

    Access

      - service account kube-system/karpenter of cluster testskillcluster loses arn:aws:iam::111122223333:role/ControllerRole by pod identity  (PodIdentityAssociation.karpenter)
      + service account kube-system/karpenter of cluster testskillcluster gets arn:aws:iam::111122223333:role/OtherRole by pod identity  (PodIdentityAssociation.karpenter)

    Plan: 1 to add, 1 to change, 1 to destroy.
    7 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    "#);
    environment.apply();
    environment.is_clean();
    environment.run("sandbox run -- aws iam get-role --role-name ControllerRole").fails(254);
}

#[test]
fn the_shipped_stack_brings_its_own_value_for_the_sandbox() {
    let environment = TestEnvironment::shipped();
    environment.run("plan --exec sandbox --detailed-exitcode").expect(2);
    let told = environment.run("validate");
    assert_eq!(told.code, 1);
    for name in ["cluster", "rootDomain", "lakehouseVersion"] {
        assert!(told.stderr.contains(&format!("the variable `{name}` has no value")), "{told}");
    }
    // And nothing else, however much depends on them.
    assert!(told.stderr.contains("error: 3 errors in manifests"), "{told}");
}
