//! A command that succeeds is not enough: what does not do its work is not
//! done, and the blocker names the cause and what to do next.

use crate::environment::{TestEnvironment, actions, conclusion};

#[test]
fn no_node_for_the_pods_then_nodes() {
    let environment = TestEnvironment::new();
    environment.run("sandbox nodes 0").expect(0);
    let output = environment.run("apply --auto-approve");
    assert_eq!(output.code, 1);
    let report = output.stdout.split_once("Plan hash: ").unwrap().1.split_once('\n').unwrap().1;
    insta::assert_snapshot!(report, @r"
    HelmRelease.karpenter: failed
      could not install release karpenter in kube-system: oci://public.ecr.aws/karpenter/karpenter 1.8.3
      command: helm upgrade --install karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n kube-system -f - --reset-values --wait --timeout 120s
      cause: the command failed (exit code 1)
        Pulled: public.ecr.aws/karpenter/karpenter:1.8.3
        Digest: sha256:[digest]
        Error: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/1
        context deadline exceeded
      next: run `lkh plan --target HelmRelease.karpenter` to see what is left to do
      [PodsUnschedulable] release karpenter is failed: deployment kube-system/karpenter 0/1: pods Pending: no nodes available to schedule pods (karpenter-[pod]): node group standardworkers wants 2 nodes and none has joined
        next: aws eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers
      [ReleaseFailed] release karpenter is failed: revision 1: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/1
        next: helm history karpenter -n kube-system

    Incomplete: 7 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 1 resource did not end well.
    next: do what is said above, then lkh plan
    ");
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "notReady");
    insta::assert_snapshot!(environment.run("show HelmRelease.karpenter").stdout.split("  as applied").next().unwrap(), @r"
    HelmRelease.karpenter is not ready
      identity: clusterName=testskillcluster namespace=kube-system releaseName=karpenter
      phase: compute
      depends on: EksCluster.main
      depends on: EksAccessEntry.node
      depends on: PodIdentityAssociation.karpenter
      [PodsUnschedulable] release karpenter is failed: deployment kube-system/karpenter 0/1: pods Pending: no nodes available to schedule pods (karpenter-[pod]): node group standardworkers wants 2 nodes and none has joined
        next: aws eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers
      [ReleaseFailed] release karpenter is failed: revision 1: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/1
        next: helm history karpenter -n kube-system
    ");

    // The plan names the cause too, not only what Helm says.
    insta::assert_snapshot!(environment.run("plan"), @r"
    $ lkh plan
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be repaired
      # because release karpenter is failed: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/1
      ! clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          note: what it runs is not ready: deployment kube-system/karpenter 0/1: pods Pending: no nodes available to schedule pods (karpenter-[pod]): node group standardworkers wants 2 nodes and none has joined
            next: aws eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to repair.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    ");

    environment.run("sandbox nodes 2").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be repaired
      # because release karpenter is failed: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/1
      ! clusterName=testskillcluster namespace=kube-system releaseName=karpenter

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to repair.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    let repaired = environment.apply();
    insta::assert_snapshot!(conclusion(&repaired), @"Complete: 0 added, 0 changed, 0 destroyed, 0 adopted, 1 repaired. 9 resources verified by a read.");
    let intents = environment.intents().len();
    environment.is_clean();
    environment.apply();
    assert_eq!(environment.intents().len(), intents, "the third run changes nothing");
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with image-pull").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter stays as it is
      # because it is as declared
        clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          [ImagePullFailed] release karpenter is not ready: deployment kube-system/karpenter 0/1: container controller can't get its image public.ecr.aws/karpenter/controller:1.8.3: Back-off pulling image "public.ecr.aws/karpenter/controller:1.8.3": ErrImagePull: 403 Forbidden (karpenter-[pod]): public.ecr.aws refuses the pull, and the pod has no pull secret
            next: kubectl describe pod -n kube-system karpenter-[pod]

    1 resource blocked or not ready: see above.
    No changes can be made.
    next: do what is said above, then lkh plan
    --- exit code 1
    "#);
    insta::assert_snapshot!(environment.run("apply --auto-approve --json"), @r#"
    $ lkh apply --auto-approve --json
    {
      "exitCode": 1,
      "interrupted": false,
      "resources": [
        {
          "action": "no-op",
          "address": "EksCluster.main",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "Ec2Tags.discovery",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "IamRole.node",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "IamPolicy.controller",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "IamRole.controller",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "EksAccessEntry.node",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "ServiceLinkedRole.spot",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "PodIdentityAssociation.karpenter",
          "good": true,
          "outcome": "unchanged"
        },
        {
          "action": "no-op",
          "address": "HelmRelease.karpenter",
          "detail": {
            "blockers": [
              {
                "code": "ImagePullFailed",
                "message": "release karpenter is not ready: deployment kube-system/karpenter 0/1: container controller can't get its image public.ecr.aws/karpenter/controller:1.8.3: Back-off pulling image \"public.ecr.aws/karpenter/controller:1.8.3\": ErrImagePull: 403 Forbidden (karpenter-[pod]): public.ecr.aws refuses the pull, and the pod has no pull secret",
                "next": "kubectl describe pod -n kube-system karpenter-[pod]"
              }
            ]
          },
          "good": false,
          "outcome": "not ready"
        }
      ]
    }
    --- exit code 1
    "#);
    let state = environment.state().unwrap();
    assert_eq!(state["resources"]["HelmRelease.karpenter"]["status"], "notReady");
    environment.run("sandbox break karpenter --with nothing").expect(0);
    environment.is_clean();
}

#[test]
fn a_container_that_crashes_again_and_again() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with crash-loop").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter stays as it is
      # because it is as declared
        clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          [ContainerCrashing] release karpenter is not ready: deployment kube-system/karpenter 0/1: container controller keeps ending: exit code 1 (Error) (karpenter-[pod])
            next: kubectl logs -n kube-system karpenter-[pod] -c controller --previous

    1 resource blocked or not ready: see above.
    No changes can be made.
    next: do what is said above, then lkh plan
    --- exit code 1
    ");
}

#[test]
fn a_container_that_never_becomes_ready() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with never-ready").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter stays as it is
      # because it is as declared
        clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          [ContainerNotReady] release karpenter is not ready: deployment kube-system/karpenter 0/1: container controller runs, but its readiness probe does not succeed (HTTP probe failed with statuscode: 503) (karpenter-[pod])
            next: kubectl describe pod -n kube-system karpenter-[pod]

    1 resource blocked or not ready: see above.
    No changes can be made.
    next: do what is said above, then lkh plan
    --- exit code 1
    ");
}

#[test]
fn a_release_that_was_interrupted_is_repaired() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox interrupt karpenter").expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be repaired
      # because a helm rollback of release karpenter was interrupted
      ! clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          note: release karpenter is pending-rollback since [time]

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to repair.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter repair"]);
    environment.apply();
    environment.is_clean();
}

#[test]
fn a_cluster_that_is_missing() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("plan --var cluster=elsewhere --detailed-exitcode"), @r#"
    $ lkh plan --var cluster=elsewhere --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase foundation

      # EksCluster.main stays as it is
      # because it does not exist
        name=elsewhere
          [ExternalMissing] name=elsewhere does not exist, and it is external
            next: create it outside of lkh, or correct its name in the manifest

    phase compute

      # Ec2Tags.discovery can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? name=(not known)
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

      # IamRole.node will be created
      # because it does not exist
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

      # IamPolicy.controller will be created
      # because it does not exist
      + arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
          + document = {
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
          + path = "/"

      # IamRole.controller will be created
      # because it does not exist
      + roleName=ControllerRole
          + managedPolicies["arn:aws:iam::111122223333:policy/ControllerPolicy"]
          + path = "/"
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

      # EksAccessEntry.node can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=elsewhere principalArn=arn:aws:iam::111122223333:role/NodeRole
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

      # ServiceLinkedRole.spot will be created
      # because it does not exist
      + serviceName=spot.amazonaws.com

      # PodIdentityAssociation.karpenter can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=elsewhere namespace=kube-system serviceAccount=karpenter
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

      # HelmRelease.karpenter can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=elsewhere namespace=kube-system releaseName=karpenter
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

    Access

      role ControllerRole: what it may do: widened  (IamRole.controller)
          + everything in arn:aws:iam::111122223333:policy/ControllerPolicy
          ! iam:PassRole
          ! new wildcard resource
      role ControllerRole: who may become it: widened  (IamRole.controller)
          + Service pods.eks.amazonaws.com: sts:AssumeRole, sts:TagSession
          ! new trusted principal
      role NodeRole: what it may do: widened  (IamRole.node)
          + everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          + everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role NodeRole: who may become it: widened  (IamRole.node)
          + Service ec2.amazonaws.com: sts:AssumeRole
          ! new trusted principal
      policy ControllerPolicy (held by role ControllerRole): what it may do: widened  (IamPolicy.controller)
          + ec2:CreateFleet, ec2:RunInstances on *
          + iam:PassRole on arn:aws:iam::111122223333:role/NodeRole
          ! iam:PassRole
          ! new wildcard resource
      role NodeRole: what it may do in the cluster: cannot decide  (EksAccessEntry.node)
          ? what it is or will be is not known

    5 resources blocked or not ready: see above.
    Plan: 4 to add, 0 to change, 0 to destroy.
    1 resource as declared.
    Plan hash: sha256:[digest]
    next: do what is said above, then lkh plan --var cluster=elsewhere
    --- exit code 1
    "#);
    let output = environment.run("apply --var cluster=elsewhere --auto-approve");
    assert_eq!(output.code, 1);
}
