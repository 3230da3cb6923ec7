//! `lkh explain ADDRESS`: why a resource changes, with the line that sets each
//! field, and why one that does not is taken as equal.

use crate::environment::{CNI_POLICY, NODE_ROLE, TestEnvironment, text};

#[test]
fn drift_is_told_with_the_line_that_it_differs_from() {
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    insta::assert_snapshot!(environment.run("explain IamRole.node"), @r#"
    $ lkh explain IamRole.node
    IamRole.node will be updated in-place
      because it differs from what is declared
      roleName=NodeRole
      declared at manifests/node.yaml:4
      access is widened

    What differs
      managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"] (drift)
          manifests/node.yaml:17  `- arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy`
          declared  "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
          live      (nothing)
          applied   "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
          compared  order and repetition do not count; members that no manifest declares are left alone unless exclusive

    What is as declared
      path
          live and declared the same: "/"
      trustPolicy  manifests/node.yaml:8
          live and declared the same: {
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

    What was applied last
      the state says: applied
      exists, and this is what was read of it: `aws iam get-role --role-name NodeRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-attached-role-policies --role-name NodeRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-role-policies --role-name NodeRole` at [time] answered sha256:[digest]
      run [run] touched it last, at [time]: create, and it was applied then
          create the role NodeRole: done
          attach AmazonEKSWorkerNodePolicy to NodeRole: done
          attach AmazonEKS_CNI_Policy to NodeRole: done
    next: lkh plan --target IamRole.node
    "#);
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_does_not_change_is_equal_by_a_rule() {
    let environment = TestEnvironment::applied();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["pods.eks.amazonaws.com"]},"Action":["sts:TagSession","sts:AssumeRole"]}}"#;
    environment.behind(&format!(
        "aws iam update-assume-role-policy --role-name ControllerRole --policy-document {policy}"
    ));
    environment.behind("aws iam tag-role --role-name ControllerRole --tags Key=owner,Value=data");
    insta::assert_snapshot!(environment.run("explain IamRole.controller"), @r#"
    $ lkh explain IamRole.controller
    IamRole.controller stays as it is
      because it is as declared
      roleName=ControllerRole
      declared at manifests/controller.yaml:21

    What is as declared
      path
          live and declared the same: "/"
      trustPolicy  manifests/controller.yaml:25
          declared  {
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
          live      {
                      "Statement": {
                        "Action": [
                          "sts:TagSession",
                          "sts:AssumeRole"
                        ],
                        "Effect": "Allow",
                        "Principal": {
                          "Service": [
                            "pods.eks.amazonaws.com"
                          ]
                        }
                      },
                      "Version": "2012-10-17"
                    }
          equal by  IAM meaning: order, one-element lists, case of Effect and actions, number or truth value against text, account id against its root ARN
      managedPolicies  manifests/controller.yaml:32
          live and declared the same: ["arn:aws:iam::111122223333:policy/ControllerPolicy"]

    What is left alone
      tags.owner = "data"  (not declared)

    What was applied last
      the state says: applied
      exists, and this is what was read of it: `aws iam get-role --role-name ControllerRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-attached-role-policies --role-name ControllerRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-role-policies --role-name ControllerRole` at [time] answered sha256:[digest]
      run [run] touched it last, at [time]: create, and it was applied then
          create the role ControllerRole: done
          attach ControllerPolicy to ControllerRole: done
    next: lkh plan --target IamRole.controller
    "#);
}

#[test]
fn a_value_is_followed_through_its_variable() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/stack.yaml",
        "  variables:\n",
        "  variables:\n    about:\n      default: nodes of the lake\n",
    );
    environment.edit(
        "manifests/node.yaml",
        "  roleName: NodeRole\n",
        "  roleName: NodeRole\n  description: the ${var.about}\n",
    );
    insta::assert_snapshot!(environment.run("explain IamRole.node"), @r#"
    $ lkh explain IamRole.node
    IamRole.node will be updated in-place
      because it differs from what is declared
      roleName=NodeRole
      declared at manifests/node.yaml:4

    What differs
      description (change)
          manifests/node.yaml:8  `description: the ${var.about}`
          ${var.about} = "nodes of the lake", declared at manifests/stack.yaml:9, and this is its default
          declared  "the nodes of the lake"
          live      ""
          applied   (nothing that the state remembers)
          compared  equal as written; a field that is not declared is not compared

    What is as declared
      path
          live and declared the same: "/"
      trustPolicy  manifests/node.yaml:9
          live and declared the same: {
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
      managedPolicies  manifests/node.yaml:16
          live and declared the same: [
                      "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
                      "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
                    ]

    What was applied last
      the state says: applied
      exists, and this is what was read of it: `aws iam get-role --role-name NodeRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-attached-role-policies --role-name NodeRole` at [time] answered sha256:[digest]
      exists, and this is what was read of it: `aws iam list-role-policies --role-name NodeRole` at [time] answered sha256:[digest]
      run [run] touched it last, at [time]: create, and it was applied then
          create the role NodeRole: done
          attach AmazonEKSWorkerNodePolicy to NodeRole: done
          attach AmazonEKS_CNI_Policy to NodeRole: done
    next: lkh plan --target IamRole.node
    "#);

    let given = environment.run("explain IamRole.node --json --var about=machines").json();
    let field = &given["fields"][0];
    assert_eq!(text(&field["desired"]), "the machines");
    assert_eq!(text(&field["manifest"]["file"]), "manifests/node.yaml");
    assert_eq!(field["manifest"]["exact"], true);
    let through = &field["manifest"]["variables"][0];
    assert_eq!((text(&through["name"]), &through["isDefault"]), ("about", &false.into()));
    assert_eq!(text(&through["declared"]["file"]), "manifests/stack.yaml");
    assert_eq!(text(&given["run"]["status"]), "applied");
    assert_eq!(text(&given["action"]), "update");

    // Nothing was changed by asking.
    assert_eq!(environment.intents().len(), TestEnvironment::applied().intents().len());
}

#[test]
fn a_resource_that_is_not_declared_any_more_is_still_explained() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/spot.yaml");
    insta::assert_snapshot!(environment.run("explain ServiceLinkedRole.spot"), @r"
    $ lkh explain ServiceLinkedRole.spot
    ServiceLinkedRole.spot will be forgotten
      because the account has one role for each service, and others may need it
      serviceName=spot.amazonaws.com
      no manifest declares it

    What was applied last
      the state says: applied
      exists, and this is what was read of it: `aws iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/` at [time] answered sha256:[digest]
      run [run] touched it last, at [time]: create, and it was applied then
          create the service-linked role of spot.amazonaws.com: done
    next: lkh plan --target ServiceLinkedRole.spot
    ");
}

#[test]
fn before_anything_is_applied_there_is_nothing_to_remember() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("explain IamPolicy.controller"), @r#"
    $ lkh explain IamPolicy.controller
    IamPolicy.controller will be created
      because it does not exist
      arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
      declared at manifests/controller.yaml:4
      access is widened
      after IamRole.node, which will be created

    What differs
      document (change)
          manifests/controller.yaml:8  `document:`
          ${IamRole.node.arn}
          declared  {
                      "Statement": [
                        {
                          "Action": [
                            "ec2:RunInstances",
                            "ec2:CreateFleet"
                          ],
                          "Effect": "Allow",
                          "Resource": "*"
                        },
                        {
                          "Action": "iam:PassRole",
                          "Effect": "Allow",
                          "Resource": "arn:aws:iam::111122223333:role/NodeRole"
                        }
                      ],
                      "Version": "2012-10-17"
                    }
          live      (nothing)
          applied   (nothing that the state remembers)
          compared  IAM meaning: order, one-element lists, case of Effect and actions, number or truth value against text, account id against its root ARN
      path (change; can't be changed in place)
          follows from manifests/controller.yaml:6  `spec:`
          declared  "/"
          live      (nothing)
          applied   (nothing that the state remembers)
          compared  equal as written; a field that is not declared is not compared

    What was applied last
      the state does not know it
      the apply log tells of no run that touched it
    next: lkh plan --target IamPolicy.controller
    "#);
}

#[test]
fn an_address_that_nothing_has_is_an_error() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("explain IamRole.nobody"), @r"
    $ lkh explain IamRole.nobody
    --- stderr
    error: nothing is called IamRole.nobody: --target takes an address of the stack (Kind.name) or phase.NAME
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("explain IamRolle.node"), @r"
    $ lkh explain IamRolle.node
    --- stderr
    error: `IamRolle` is not a kind; the kinds are EksCluster, Ec2Tags, IamRole, IamPolicy, EksAccessEntry, ServiceLinkedRole, PodIdentityAssociation, EksNodegroup, EksAddon, HelmRelease, S3Bucket, CloudFormationStack, AcmCertificate, Route53Zone, Route53Record, Namespace, KubernetesObject, KubernetesSecret, Readiness, Script
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("explain IamRole.node --target IamRole.node"), @r"
    $ lkh explain IamRole.node --target IamRole.node
    --- stderr
    error: explain takes one address and no --target: write lkh explain IamRole.node
    --- exit code 1
    ");
}
