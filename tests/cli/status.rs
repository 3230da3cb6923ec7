//! `lkh status`: what is there, what does its work, and what to do next. The
//! story of an installation that stays half-way is in `first_installer`.

use serde_json::{Value as Json, json};

use crate::environment::{TestEnvironment, text};

/// The part of a status that tells of one phase.
fn phase<'a>(status: &'a Json, name: &str) -> &'a Json {
    let mut phases = status["phases"].as_array().unwrap().iter();
    phases.find(|phase| phase["name"] == name).unwrap()
}

fn status(environment: &TestEnvironment) -> Json {
    environment.run("status --json").json()
}

#[test]
fn nothing_is_there_yet() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("status"), @r"
    $ lkh status
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     0/8      0/8    8

    not ready
      Ec2Tags.discovery: missing
      IamRole.node: missing
      IamPolicy.controller: missing
      IamRole.controller: missing
      EksAccessEntry.node: missing
      ServiceLinkedRole.spot: missing
      PodIdentityAssociation.karpenter: missing
      HelmRelease.karpenter: missing

    next: Run `lkh apply --target phase.compute`: 8 resources are not as declared
    ");
    assert_eq!(environment.run("status --exit-code").code, 1);
    let status = status(&environment);
    assert_eq!(status["ready"], false);
    assert_eq!(status["readiness"], json!({"phase1Foundation": true, "phase2Compute": false}));
    assert_eq!(phase(&status, "compute")["applied"], false);
    assert_eq!(status["helm"]["releases"], json!([]));
    assert_eq!(
        status["kubernetes"]["karpenter"],
        json!({
            "status": null, "version": null, "namespace": null, "controllerReady": null,
            "reason": "the release does not exist",
        })
    );
    assert!(environment.state().is_none(), "a status writes nothing");
}

#[test]
fn a_release_that_failed_is_applied_and_not_ready() {
    let environment = TestEnvironment::new();
    environment.run("sandbox nodes 0").expect(0);
    assert_eq!(environment.run("apply --auto-approve").code, 1);
    insta::assert_snapshot!(environment.run("status"), @r"
    $ lkh status
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     8/8      7/8    1

    not ready
      HelmRelease.karpenter: broken
        [PodsUnschedulable] release karpenter is failed: deployment kube-system/karpenter 0/1: pods Pending: no nodes available to schedule pods (karpenter-[pod]): node group standardworkers wants 2 nodes and none has joined
          next: aws eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers
        1 more: lkh status --target HelmRelease.karpenter --json

    next: Mend HelmRelease.karpenter: aws eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers
    next: Then run `lkh apply --target phase.compute`: 1 resource is not as declared
    ");
}

#[test]
fn everything_is_ready() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("status --exit-code"), @r"
    $ lkh status --exit-code
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     8/8      8/8    -

    next: Nothing to do: all that is declared is ready
    ");
    insta::assert_snapshot!(environment.run("status --target IamRole.node"), @r"
    $ lkh status --target IamRole.node
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  not looked at
    2 compute     1/1      1/1    -

    next: Nothing to do: all that was looked at is ready
    ");
}

#[test]
fn pods_that_break_afterwards() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox break karpenter --with crash-loop").expect(0);
    let status = status(&environment);
    let karpenter = &status["kubernetes"]["karpenter"];
    // Helm is content; the pods are not.
    assert_eq!(
        (&karpenter["status"], &karpenter["controllerReady"]),
        (&json!("deployed"), &json!(false))
    );
    assert_eq!(phase(&status, "compute")["ready"], false);
    insta::assert_snapshot!(environment.run("status"), @r"
    $ lkh status
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     8/8      7/8    1

    not ready
      HelmRelease.karpenter: not ready
        [ContainerCrashing] release karpenter is not ready: deployment kube-system/karpenter 0/1: container controller keeps ending: exit code 1 (Error) (karpenter-[pod])
          next: kubectl logs -n kube-system karpenter-[pod] -c controller --previous

    next: Mend HelmRelease.karpenter: kubectl logs -n kube-system karpenter-[pod] -c controller --previous
    ");
}

#[test]
fn a_pod_that_is_older_than_its_identity() {
    let environment = TestEnvironment::applied();
    // The association goes, a new pod is made without it, and it comes back.
    let list = "aws eks list-pod-identity-associations --cluster-name testskillcluster";
    let listed: Json = serde_json::from_str(&environment.behind(list)).unwrap();
    let id = text(&listed["associations"][0]["associationId"]).to_owned();
    environment.behind(&format!(
        "aws eks delete-pod-identity-association --cluster-name testskillcluster --association-id {id}"
    ));
    environment.behind("kubectl delete pod -n kube-system -l app.kubernetes.io/name=karpenter");
    environment.run("apply --auto-approve").expect(0);
    environment.run("sandbox break karpenter --with crash-loop").expect(0);
    let status = status(&environment);
    let message = text(&phase(&status, "compute")["blockers"][0]["message"]);
    assert!(
        message
            .ends_with("it was made before its pod identity association, so it has no credentials"),
        "{message}"
    );
    assert!(
        text(&phase(&status, "compute")["blockers"][0]["next"])
            .starts_with("kubectl delete pod -n kube-system karpenter-")
    );
}

#[test]
fn what_differs_is_not_ready() {
    let environment = TestEnvironment::applied();
    environment.behind(
        "aws iam detach-role-policy --role-name NodeRole --policy-arn \
         arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    insta::assert_snapshot!(environment.run("status --exit-code"), @r#"
    $ lkh status --exit-code
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     8/8      7/8    1

    not ready
      IamRole.node: differs
        [DiffersFromManifest] it differs from what is declared: managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"] (drift)
          next: lkh apply --target IamRole.node

    next: Run `lkh apply --target phase.compute`: 1 resource is not as declared
    --- exit code 1
    "#);
}

#[test]
fn what_can_not_be_read_is_unknown() {
    let environment = TestEnvironment::applied();
    environment.unreachable();
    let output = environment.run("status");
    insta::assert_snapshot!(output, @r"
    $ lkh status
    Stack small, cluster testskillcluster, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  1/1      1/1    -
    2 compute     7/8?     7/8?   1

    not ready
      HelmRelease.karpenter: unknown
        [NotReadable] it could not be read: the Kubernetes API at 127.0.0.1:6443 refuses connections
          command: helm status karpenter -n kube-system -o json
          next: check that it runs and that a firewall, VPN or proxy lets it through

    next: Mend HelmRelease.karpenter: check that it runs and that a firewall, VPN or proxy lets it through
    --- stderr
    note: a service does not answer as it should; lkh tries again
    --- exit code 1
    ");
    let status = status(&environment);
    assert_eq!(status["readiness"]["phase2Compute"], Json::Null);
    assert_eq!(status["ready"], Json::Null);
    assert_eq!(
        phase(&status, "compute")["reason"],
        "it is not known how far HelmRelease.karpenter is"
    );
    assert_eq!(status["helm"]["releases"][0]["status"], Json::Null);
    assert!(status["helm"]["releases"][0]["reason"].is_string());
    environment.reachable();
    assert_eq!(environment.run("status --exit-code").code, 0);
}

#[test]
fn a_lost_state_makes_nothing_less_ready() {
    let environment = TestEnvironment::applied();
    environment.remove("state/sandbox/small.json");
    environment.remove("state/sandbox/small.log.jsonl");
    let status = environment.run("status --exit-code --json");
    assert_eq!(status.code, 0);
    assert_eq!(
        status.json()["nextSteps"][0],
        "Run `lkh apply`: it takes 8 resources into the state that exist as declared"
    );
}

#[test]
fn a_cluster_that_is_not_there() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("status --var cluster=elsewhere"), @r"
    $ lkh status --var cluster=elsewhere
    Stack small, cluster elsewhere, account 111122223333, region us-east-2.

    phase         applied  ready  blockers
    1 foundation  0/1      0/1    1
    2 compute     0/8?     0/8?   4

    not ready
      EksCluster.main: missing
        [ExternalMissing] name=elsewhere does not exist, and it is external
          next: create it outside of lkh, or correct its name in the manifest
      IamRole.node: missing
      IamPolicy.controller: missing
      IamRole.controller: missing
      ServiceLinkedRole.spot: missing
      Ec2Tags.discovery, EksAccessEntry.node, PodIdentityAssociation.karpenter, HelmRelease.karpenter wait for EksCluster.main

    next: Mend EksCluster.main: create it outside of lkh, or correct its name in the manifest
    --- exit code 1
    ");
}

#[test]
fn what_no_manifest_declares_any_more_is_told() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/spot.yaml");
    let status = status(&environment);
    assert_eq!(status["undeclared"][0]["address"], "ServiceLinkedRole.spot");
    let steps = status["nextSteps"].as_array().unwrap();
    assert_eq!(
        steps.last().unwrap(),
        "Run `lkh plan`: no manifest declares 1 resource that the state knows"
    );
}

/// The first blocker of the phase compute, as `message | next`, without names
/// of pods.
fn blocker(environment: &TestEnvironment) -> String {
    let status = status(environment);
    let blocker = &phase(&status, "compute")["blockers"][0];
    format!("{} | {}", text(&blocker["message"]), text(&blocker["next"]))
}

const KARPENTERS: &str = "kubectl delete pod -n kube-system -l app.kubernetes.io/name=karpenter";

#[test]
fn nodes_that_take_no_pod() {
    let environment = TestEnvironment::applied();
    let names = environment.behind("kubectl get nodes -o name");
    for (patch, expected) in [
        (r#"{"spec":{"unschedulable":true}}"#, "is cordoned | kubectl uncordon "),
        (
            r#"{"spec":{"unschedulable":null,"taints":[{"key":"dedicated","value":"gpu","effect":"NoSchedule"}]}}"#,
            ": nodes take only pods that tolerate dedicated=gpu | add a toleration for \
             dedicated=gpu to the values, or: kubectl taint nodes ",
        ),
    ] {
        for name in names.lines() {
            environment.behind(&format!("kubectl patch {name} --type merge -p {patch}"));
        }
        environment.behind(KARPENTERS);
        let found = blocker(&environment);
        assert!(found.contains(expected), "{found}");
        assert!(found.starts_with("release karpenter is not ready: deployment kube-system/karpenter 0/1: pods Pending: 0/2 nodes are available"), "{found}");
    }
}

#[test]
fn a_service_account_that_is_gone() {
    let environment = TestEnvironment::applied();
    environment.behind("kubectl delete serviceaccount karpenter -n kube-system");
    environment.behind(KARPENTERS);
    let found = blocker(&environment);
    assert!(found.contains("pods can't be created: pods \"karpenter-"), "{found}");
    assert!(
        found.ends_with(
            "serviceaccount \"karpenter\" not found | kubectl get serviceaccounts -n kube-system"
        ),
        "{found}"
    );
}

#[test]
fn a_release_that_a_helm_left_half_way() {
    let environment = TestEnvironment::applied();
    environment.run("sandbox interrupt karpenter").expect(0);
    let status = status(&environment);
    assert_eq!(status["kubernetes"]["karpenter"]["status"], "pending-rollback");
    assert_eq!(
        blocker(&environment),
        "release karpenter is pending-rollback: revision 2: a helm is at work on it, or was ended \
         in the middle | helm history karpenter -n kube-system"
    );
    environment.apply();
    assert_eq!(environment.run("status --exit-code").code, 0);
}
