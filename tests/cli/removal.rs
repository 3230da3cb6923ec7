//! What goes: a destroy, and resources whose manifests are gone.

use crate::environment::{TestEnvironment, actions, change, conclusion, text};

#[test]
fn a_destroy_removes_what_was_applied_and_leaves_the_rest() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --destroy --detailed-exitcode"), @r"
    $ lkh plan --destroy --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be destroyed
      # because the stack is destroyed
      - clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          note: afterwards these tell whether anything is left:
            aws ec2 describe-instances --filters Name=tag:eks:eks-cluster-name,Values=testskillcluster Name=tag-key,Values=karpenter.sh/nodepool Name=instance-state-name,Values=pending,running,shutting-down,stopping,stopped
            aws ec2 describe-launch-templates --filters Name=tag:karpenter.k8s.aws/cluster,Values=testskillcluster
            aws ec2 describe-network-interfaces --filters Name=tag:eks:eks-cluster-name,Values=testskillcluster Name=tag-key,Values=karpenter.sh/nodepool
            aws ec2 describe-volumes --filters Name=tag:eks:eks-cluster-name,Values=testskillcluster Name=tag-key,Values=karpenter.sh/nodepool
            aws iam list-instance-profiles

      # PodIdentityAssociation.karpenter will be destroyed
      # because the stack is destroyed
      - clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter

      # ServiceLinkedRole.spot will be forgotten
      # because the account has one role for each service, and others may need it
      . serviceName=spot.amazonaws.com

      # EksAccessEntry.node will be destroyed
      # because the stack is destroyed
      - clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

      # IamRole.controller will be destroyed
      # because the stack is destroyed
      - roleName=ControllerRole

      # IamPolicy.controller will be destroyed
      # because the stack is destroyed
      - arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy

      # IamRole.node will be destroyed
      # because the stack is destroyed
      - roleName=NodeRole

      # Ec2Tags.discovery will be destroyed
      # because the stack is destroyed
      - name=discovery

    Access

      role ControllerRole: what it may do: narrowed  (IamRole.controller)
          - everything in arn:aws:iam::111122223333:policy/ControllerPolicy
      role ControllerRole: who may become it: narrowed  (IamRole.controller)
          - Service pods.eks.amazonaws.com: sts:AssumeRole, sts:TagSession
      role NodeRole: what it may do: narrowed  (IamRole.node)
          - everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          - everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role NodeRole: who may become it: narrowed  (IamRole.node)
          - Service ec2.amazonaws.com: sts:AssumeRole
      policy ControllerPolicy (held by role ControllerRole): what it may do: narrowed  (IamPolicy.controller)
          - ec2:CreateFleet, ec2:RunInstances on *
          - iam:PassRole on arn:aws:iam::111122223333:role/NodeRole
      role NodeRole: what it may do in the cluster: narrowed  (EksAccessEntry.node)
          - an access entry of type EC2_LINUX in cluster testskillcluster
      - service account kube-system/karpenter of cluster testskillcluster loses arn:aws:iam::111122223333:role/ControllerRole by pod identity  (PodIdentityAssociation.karpenter)

    Plan: 0 to add, 0 to change, 7 to destroy, 1 to forget.
    1 resource as declared.
    Plan hash: sha256:[digest]
    next: lkh destroy
    --- exit code 2
    ");
    let before = environment.intents().len();
    let text = environment.run("destroy --auto-approve").expect(0);
    insta::assert_snapshot!(conclusion(&text), @"Complete: 0 added, 0 changed, 7 destroyed, 0 adopted, 0 repaired. 8 resources verified by a read.");
    let titles = environment.intents().split_off(before);
    let place = |title: &str| titles.iter().position(|found| found == title).unwrap();
    assert!(
        place("uninstall release karpenter in kube-system")
            < place("delete the role ControllerRole")
    );
    assert!(place("delete the role ControllerRole") < place("delete the policy ControllerPolicy"));
    assert!(place("delete the access entry of NodeRole") < place("delete the role NodeRole"));
    environment.behind("aws eks describe-cluster --name testskillcluster");
    environment.behind("aws iam get-role --role-name AWSServiceRoleForEC2Spot");
    insta::assert_snapshot!(environment.run("plan --destroy --detailed-exitcode"), @r"
    $ lkh plan --destroy --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    No changes. Nothing is left to destroy (9 resources read).
    next: lkh plan
    ");
    environment.run("destroy").expect(0);
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_could_not_be_deleted_stays_remembered() {
    let environment = TestEnvironment::applied();
    let policy = "arn:aws:iam::111122223333:policy/ControllerPolicy";
    environment.behind(
        "aws iam create-role --role-name Theirs --assume-role-policy-document \
         {\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\
         {\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}",
    );
    environment
        .behind(&format!("aws iam attach-role-policy --role-name Theirs --policy-arn {policy}"));
    let text = environment.run("destroy --auto-approve --target IamPolicy.controller").expect(1);
    assert!(
        text.contains("(DeleteConflict)") && text.contains("list-entities-for-policy"),
        "{text}"
    );
    let list = environment.run("state list").expect(0);
    assert!(list.contains("IamPolicy.controller"), "{list}");
    environment
        .behind(&format!("aws iam detach-role-policy --role-name Theirs --policy-arn {policy}"));
    environment.run("destroy --auto-approve --target IamPolicy.controller").expect(0);
    let list = environment.run("state list").expect(0);
    assert!(!list.contains("IamPolicy.controller"), "{list}");
}

#[test]
fn the_commands_of_a_destroy_are_shown_in_their_order() {
    let environment = TestEnvironment::applied();
    let plan = environment.run("plan --destroy --json").json();
    let planned: Vec<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["commands"].as_array().unwrap())
        .map(|command| text(&command["title"]).to_owned())
        .collect();
    let place = |title: &str| planned.iter().position(|found| found == title).unwrap();
    assert!(
        place("uninstall release karpenter in kube-system")
            < place("delete the role ControllerRole")
    );
    assert!(place("delete the access entry of NodeRole") < place("delete the role NodeRole"));
}

#[test]
fn a_role_that_no_manifest_declares_is_deleted() {
    let environment = TestEnvironment::applied();
    let (role, _) = split(&environment, "manifests/node.yaml");
    environment.edit("manifests/karpenter.yaml", "  - EksAccessEntry.node\n", "");
    environment.edit("manifests/controller.yaml", "${IamRole.node.arn}", "\"*\"");
    environment.remove("manifests/node.yaml");
    assert!(role.contains("IamRole"));
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r#"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamPolicy.controller will be updated in-place
      # because it differs from what is declared
      ~ arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy
          ~ document:  (change)
                    {
                      "Action": "iam:PassRole",
                      "Effect": "Allow",
              -       "Resource": "arn:aws:iam::111122223333:role/NodeRole"
              +       "Resource": "*"
                    }
                  ],
                  "Version": "2012-10-17"

      # IamRole.node will be destroyed
      # because no manifest declares it any more
      - roleName=NodeRole

      # EksAccessEntry.node will be destroyed
      # because no manifest declares it any more
      - clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

    Access

      role NodeRole: what it may do: narrowed  (IamRole.node)
          - everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          - everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role NodeRole: who may become it: narrowed  (IamRole.node)
          - Service ec2.amazonaws.com: sts:AssumeRole
      policy ControllerPolicy (held by role ControllerRole): what it may do: widened  (IamPolicy.controller)
          + iam:PassRole on *
          ! iam:PassRole
      role NodeRole: what it may do in the cluster: narrowed  (EksAccessEntry.node)
          - an access entry of type EC2_LINUX in cluster testskillcluster

    Plan: 0 to add, 1 to change, 2 to destroy.
    6 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    "#);
    environment.apply();
    environment.is_clean();
    environment.run("sandbox run -- aws iam get-role --role-name NodeRole").fails(254);
}

#[test]
fn a_role_in_an_instance_profile_stays_whole() {
    let environment = TestEnvironment::applied();
    environment.behind("aws iam create-instance-profile --instance-profile-name theirs");
    environment.behind(
        "aws iam add-role-to-instance-profile --instance-profile-name theirs --role-name NodeRole",
    );
    environment.is_clean();
    let policies = "aws iam list-attached-role-policies --role-name NodeRole";
    let before = environment.behind(policies);
    // What goes before it in a destroy may take the profile along, so the plan
    // tells; the destroy looks again, and detaches nothing.
    let plan = environment.run("plan --destroy --json").json();
    let note = text(&change(&plan, "IamRole.node")["notes"][0]);
    assert!(note.contains("the instance profile theirs, which no manifest declares"), "{note}");
    let said = environment.run("destroy --auto-approve").expect(1);
    assert!(said.contains("IamRole.node: blocked\n  [RoleInInstanceProfile]"), "{said}");
    assert_eq!(environment.behind(policies), before);
    // Another path calls for another role: that is known to be refused.
    let environment = TestEnvironment::applied();
    environment.behind("aws iam create-instance-profile --instance-profile-name theirs");
    environment.behind(
        "aws iam add-role-to-instance-profile --instance-profile-name theirs --role-name NodeRole",
    );
    environment.edit(
        "manifests/node.yaml",
        "roleName: NodeRole",
        "roleName: NodeRole\n  path: /x/",
    );
    let plan = environment.plan();
    let blocker = &change(&plan, "IamRole.node")["blockers"][0];
    assert_eq!(text(&blocker["code"]), "RoleInInstanceProfile");
}

#[test]
fn a_service_linked_role_is_only_forgotten() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/spot.yaml");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # ServiceLinkedRole.spot will be forgotten
      # because the account has one role for each service, and others may need it
      . serviceName=spot.amazonaws.com

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to forget.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    let intents = environment.intents();
    environment.apply();
    assert_eq!(environment.intents(), intents);
    assert!(environment.state().unwrap()["resources"]["ServiceLinkedRole.spot"].is_null());
    environment.behind("aws iam get-role --role-name AWSServiceRoleForEC2Spot");
    environment.is_clean();
}

/// The resources that have the tag of the stack's `Ec2Tags`, by type.
fn tagged(environment: &TestEnvironment) -> Vec<String> {
    let told = environment
        .behind("aws ec2 describe-tags --filters Name=key,Values=karpenter.sh/discovery");
    let tags: serde_json::Value = serde_json::from_str(&told).unwrap();
    let tags = tags["Tags"].as_array().unwrap().iter();
    tags.map(|tag| text(&tag["ResourceType"]).to_owned()).collect()
}

#[test]
fn tags_under_another_address_stay_where_they_are() {
    let environment = TestEnvironment::applied();
    let before = tagged(&environment);
    environment.edit("manifests/cluster.yaml", "name: discovery", "name: found");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["Ec2Tags.discovery forget", "Ec2Tags.found adopt"]);
    let reason = &change(&plan, "Ec2Tags.discovery")["reason"];
    assert_eq!(text(&reason["address"]), "Ec2Tags.found");
    let intents = environment.intents();
    environment.apply();
    assert_eq!(environment.intents(), intents, "nothing is to be done");
    assert_eq!(tagged(&environment), before);
    environment.is_clean();
}

#[test]
fn tags_that_another_resource_declares_now_are_not_removed() {
    const SUBNETS: &str = "    - ${EksCluster.main.subnetIds}\n";
    for removed in [true, false] {
        let environment = TestEnvironment::applied();
        // The security group's tag is declared elsewhere now; the subnets' by
        // nobody any more, or as before.
        let manifest = environment.read("manifests/cluster.yaml");
        let (cluster, tags) = manifest.split_once("---\n").unwrap();
        let found = tags.replace("name: discovery", "name: found").replace(SUBNETS, "");
        let group = "    - ${EksCluster.main.clusterSecurityGroupId}\n";
        let old = tags.replace(group, "");
        let old = if removed { String::new() } else { format!("---\n{old}") };
        environment.write("manifests/cluster.yaml", format!("{cluster}---\n{found}{old}"));
        let plan = environment.plan();
        let change = change(&plan, "Ec2Tags.discovery");
        let expected: &[&str] = if removed {
            assert_eq!(change["commands"].as_array().unwrap().len(), 1, "{change}");
            &["Ec2Tags.discovery delete", "Ec2Tags.found adopt"]
        } else {
            &["Ec2Tags.found adopt"]
        };
        assert_eq!(actions(&plan), expected);
        let note = text(&change["notes"][0]);
        assert!(note.starts_with("left alone: ec2 tag sg-"), "{note}");
        assert!(note.ends_with(" karpenter.sh/discovery, which Ec2Tags.found declares now"));
        environment.apply();
        let left = tagged(&environment);
        assert!(left.iter().any(|kind| kind == "security-group"), "{left:?}");
        assert_eq!(left.iter().any(|kind| kind == "subnet"), !removed, "{left:?}");
        environment.is_clean();
    }
}

#[test]
fn what_is_gone_already_is_forgotten() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/karpenter.yaml");
    environment.behind("helm uninstall karpenter -n kube-system");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter forget"]);
    assert_eq!(change(&plan, "HelmRelease.karpenter")["reason"]["code"], "gone");
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_must_not_be_destroyed_is_not() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/spot.yaml",
        "apiVersion: lkh/v1\n",
        &(split(&environment, "manifests/node.yaml")
            .0
            .replace("name: node", "name: keep")
            .replace("NodeRole", "KeepRole")
            .replace("spec:\n", "lifecycle:\n  preventDestroy: true\nspec:\n")
            + "---\napiVersion: lkh/v1\n"),
    );
    environment.apply();
    insta::assert_snapshot!(environment.run("destroy --auto-approve --target IamRole.keep"), @r"
    $ lkh destroy --auto-approve --target IamRole.keep
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # IamRole.keep will be destroyed
      # because the stack is destroyed
      - roleName=KeepRole
          [PreventDestroy] the change would destroy the object, and lifecycle.preventDestroy forbids that
            next: undo the change, or set lifecycle.preventDestroy to false and apply that first

    Access

      role KeepRole: what it may do: narrowed  (IamRole.keep)
          - everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          - everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role KeepRole: who may become it: narrowed  (IamRole.keep)
          - Service ec2.amazonaws.com: sts:AssumeRole

    1 resource blocked or not ready: see above.
    Plan: 0 to add, 0 to change, 1 to destroy.
    0 resources as declared.
    Plan hash: sha256:[digest]
    IamRole.keep: blocked
      [PreventDestroy] the change would destroy the object, and lifecycle.preventDestroy forbids that
        next: undo the change, or set lifecycle.preventDestroy to false and apply that first

    IamRole.keep stays: lifecycle.preventDestroy forbids its removal

    Incomplete: 0 added, 0 changed, 0 destroyed, 0 adopted, 0 repaired. 1 resource did not end well.
    next: do what is said above, then lkh plan --destroy
    --- exit code 1
    ");
    environment.behind("aws iam get-role --role-name KeepRole");
}

#[test]
fn what_is_declared_external_is_read_and_never_changed() {
    let environment = TestEnvironment::applied();
    environment.edit("manifests/spot.yaml", "spec:", "external: true\nspec:");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # ServiceLinkedRole.spot will be forgotten
      # because it is external, so it stays
      . serviceName=spot.amazonaws.com

    Plan: 0 to add, 0 to change, 0 to destroy, 1 to forget.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply
    --- exit code 2
    ");
    environment.apply();
    environment.is_clean();
    environment.edit("manifests/spot.yaml", "spot.amazonaws.com", "es.amazonaws.com");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @r"
    $ lkh plan --detailed-exitcode
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # ServiceLinkedRole.spot stays as it is
      # because it does not exist
        serviceName=es.amazonaws.com
          [ExternalMissing] serviceName=es.amazonaws.com does not exist, and it is external
            next: create it outside of lkh, or correct its name in the manifest

    1 resource blocked or not ready: see above.
    No changes can be made.
    next: do what is said above, then lkh plan
    --- exit code 1
    ");
}

/// The two documents of a file.
fn split(environment: &TestEnvironment, name: &str) -> (String, String) {
    let text = environment.read(name);
    let (first, second) = text.split_once("---\n").unwrap();
    (first.to_owned(), second.to_owned())
}

#[test]
fn what_was_in_a_deleted_cluster_is_gone_with_it() {
    let environment = TestEnvironment::applied();
    environment.delete_cluster();
    // Nothing can be made in it, and what was in it is known to be gone.
    let plan = environment.plan();
    assert_eq!(
        actions(&plan),
        [
            "Ec2Tags.discovery unknown",
            "EksAccessEntry.node unknown",
            "PodIdentityAssociation.karpenter unknown",
            "HelmRelease.karpenter unknown",
        ]
    );
    insta::assert_snapshot!(environment.run("plan --target HelmRelease.karpenter"), @r"
    $ lkh plan --target HelmRelease.karpenter
    Stack small, account 111122223333, region us-east-2.

    phase foundation

      # EksCluster.main stays as it is
      # because it does not exist
        name=testskillcluster
          [ExternalMissing] name=testskillcluster does not exist, and it is external
            next: create it outside of lkh, or correct its name in the manifest

    phase compute

      # EksAccessEntry.node can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

      # PodIdentityAssociation.karpenter can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

      # HelmRelease.karpenter can't be planned
      # because it depends on EksCluster.main, which does not exist
      ? clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          [DependencyMissing] it depends on EksCluster.main, which does not exist
            next: see what stands in the way of that one, then plan again

    Access

      role NodeRole: what it may do in the cluster: cannot decide  (EksAccessEntry.node)
          ? what it is or will be is not known

    4 resources blocked or not ready: see above.
    No changes can be made.
    next: do what is said above, then lkh plan
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("refresh"), @r"
    $ lkh refresh
    Ec2Tags.discovery: unverified
    IamRole.controller: applied
    IamRole.node: applied
    IamPolicy.controller: applied
    EksAccessEntry.node: missing
    ServiceLinkedRole.spot: applied
    PodIdentityAssociation.karpenter: missing
    HelmRelease.karpenter: missing
    8 resources read; `lkh plan` shows what differs.
    next: lkh plan
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("destroy --auto-approve"), @r"
    $ lkh destroy --auto-approve
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be forgotten
      # because it is gone with EksCluster.main, which does not exist any more
      . clusterName=testskillcluster namespace=kube-system releaseName=karpenter

      # PodIdentityAssociation.karpenter will be forgotten
      # because it is gone with EksCluster.main, which does not exist any more
      . clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter

      # ServiceLinkedRole.spot will be forgotten
      # because the account has one role for each service, and others may need it
      . serviceName=spot.amazonaws.com

      # EksAccessEntry.node will be forgotten
      # because it is gone with EksCluster.main, which does not exist any more
      . clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole

      # IamRole.controller will be destroyed
      # because the stack is destroyed
      - roleName=ControllerRole

      # IamPolicy.controller will be destroyed
      # because the stack is destroyed
      - arn=arn:aws:iam::111122223333:policy/ControllerPolicy path=/ policyName=ControllerPolicy

      # IamRole.node will be destroyed
      # because the stack is destroyed
      - roleName=NodeRole

      # Ec2Tags.discovery will be destroyed
      # because the stack is destroyed
      - name=discovery

    Access

      role ControllerRole: what it may do: narrowed  (IamRole.controller)
          - everything in arn:aws:iam::111122223333:policy/ControllerPolicy
      role ControllerRole: who may become it: narrowed  (IamRole.controller)
          - Service pods.eks.amazonaws.com: sts:AssumeRole, sts:TagSession
      role NodeRole: what it may do: narrowed  (IamRole.node)
          - everything in arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
          - everything in arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
      role NodeRole: who may become it: narrowed  (IamRole.node)
          - Service ec2.amazonaws.com: sts:AssumeRole
      policy ControllerPolicy (held by role ControllerRole): what it may do: narrowed  (IamPolicy.controller)
          - ec2:CreateFleet, ec2:RunInstances on *
          - iam:PassRole on arn:aws:iam::111122223333:role/NodeRole

    Plan: 0 to add, 0 to change, 4 to destroy, 4 to forget.
    1 resource as declared.
    Plan hash: sha256:[digest]
    ServiceLinkedRole.spot stays: the account has one role for each service, and others may need it
    HelmRelease.karpenter: of testskillcluster nothing is left: no instances, launch templates, network interfaces, volumes, instance profiles (5 reads told)

    Complete: 0 added, 0 changed, 4 destroyed, 0 adopted, 0 repaired. 5 resources verified by a read.
    next: lkh show
    ");
    let plan = environment.run("plan --destroy --detailed-exitcode").expect(0);
    assert!(plan.contains("Nothing is left to destroy"), "{plan}");
}

#[test]
fn a_cluster_that_can_not_be_read_proves_nothing() {
    let environment = TestEnvironment::applied();
    environment.unreachable();
    let plan = environment.run("plan --destroy --json").json();
    assert_eq!(change(&plan, "HelmRelease.karpenter")["action"], "unknown");
}

#[test]
fn a_release_in_another_cluster_is_not_taken_for_the_one_here() {
    let environment = TestEnvironment::applied();
    environment.second_cluster();
    insta::assert_snapshot!(
        environment.run("plan --var cluster=othercluster --target HelmRelease.karpenter"),
        @r#"
        $ lkh plan --var cluster=othercluster --target HelmRelease.karpenter
        Stack small, account 111122223333, region us-east-2.

        phase compute

          # EksAccessEntry.node must be replaced
          # because it was clusterName=testskillcluster principalArn=arn:aws:iam::111122223333:role/NodeRole before
          -/+ clusterName=othercluster principalArn=arn:aws:iam::111122223333:role/NodeRole
              + principalArn = "arn:aws:iam::111122223333:role/NodeRole"  (change; can't be changed in place)
              + type = "EC2_LINUX"  (change; can't be changed in place)

          # PodIdentityAssociation.karpenter must be replaced
          # because it was clusterName=testskillcluster namespace=kube-system serviceAccount=karpenter before
          -/+ clusterName=othercluster namespace=kube-system serviceAccount=karpenter
              + roleArn = "arn:aws:iam::111122223333:role/ControllerRole"

          # HelmRelease.karpenter can't be planned
          # because it could not be read: it was applied in the cluster testskillcluster, and this run works on othercluster
          ? clusterName=othercluster namespace=kube-system releaseName=karpenter
              [NotReadable] it could not be read: it was applied in the cluster testskillcluster, and this run works on othercluster
                next: let the Stack's kubernetes.cluster be testskillcluster again and destroy it there first

        1 resource blocked or not ready: see above.
        Plan: 2 to add, 0 to change, 2 to destroy.
        4 resources as declared.
        Plan hash: sha256:[digest]
        next: do what is said above, then lkh plan --var cluster=othercluster
        --- exit code 1
        "#
    );
    // When the old cluster is gone, nothing is to be uninstalled. (The sandbox's
    // one control plane has a release of that name.)
    environment.delete_cluster();
    environment.reachable();
    let plan = environment.run("plan --var cluster=othercluster --json").json();
    let release = change(&plan, "HelmRelease.karpenter");
    assert_eq!(
        (text(&release["action"]), text(&release["reason"]["code"])),
        ("adopt", "existsWithDifferences")
    );
}
