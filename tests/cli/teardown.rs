//! A destroy that proves itself: the nodes that Karpenter started go before its
//! controller does, or the controller stays; and nothing of theirs is left.

use crate::environment::TestEnvironment;

/// A pool of nodes as a release, and a workload that only its nodes have room
/// for.
const POOL: &str = "apiVersion: lkh/v1
kind: HelmRelease
metadata: {name: pool, phase: compute}
dependsOn: [HelmRelease.karpenter]
spec:
  namespace: kube-system
  chart: oci://public.ecr.aws/ingext/ingext-eks-pool
  version: 1.0.0
  timeout: 3s
  values: {poolName: merge, clusterName: testskillcluster, nodeRole: NodeRole}
";

fn with_nodes(workload: &str) -> TestEnvironment {
    let environment = TestEnvironment::applied();
    // What a destroy waits for at most.
    environment.edit("manifests/karpenter.yaml", "timeout: 2m", "timeout: 3s");
    environment.write("manifests/pool.yaml", POOL);
    environment.apply();
    environment
        .run_args(&["sandbox", "run", "--", "kubectl", "apply", "-f", "-"], workload)
        .expect(0);
    let claims = environment.behind("kubectl get nodeclaims.karpenter.sh -o name");
    assert_eq!(claims.lines().count(), 1, "{claims}");
    assert!(environment.behind(LEFT).contains("\"InstanceId\""));
    environment
}

const LEFT: &str = "aws ec2 describe-instances --filters Name=tag:eks:eks-cluster-name,Values=testskillcluster \
     Name=tag-key,Values=karpenter.sh/nodepool";

fn workload(annotation: &str, budget: bool) -> String {
    let mut text = format!(
        r#"{{"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {{"name": "big", "namespace": "default"}},
            "spec": {{"replicas": 1, "selector": {{"matchLabels": {{"app": "big"}}}}, "template": {{
                "metadata": {{"labels": {{"app": "big"}}, "annotations": {{{annotation}}}}},
                "spec": {{"containers": [{{"name": "c", "image": "x:1",
                    "resources": {{"requests": {{"cpu": "3"}}}}}}]}}}}}}}}"#
    );
    if budget {
        text.push_str(
            "\n---\n{\"apiVersion\": \"policy/v1\", \"kind\": \"PodDisruptionBudget\", \
             \"metadata\": {\"name\": \"keep\", \"namespace\": \"default\"}, \"spec\": \
             {\"minAvailable\": 1, \"selector\": {\"matchLabels\": {\"app\": \"big\"}}}}",
        );
    }
    text
}

#[test]
fn nodes_go_before_the_controller_and_nothing_of_them_is_left() {
    let environment = with_nodes(&workload("", false));
    let plan = environment.run("plan --destroy").expect(0);
    assert!(plan.contains("NodeClaim is left (merge-"), "{plan}");
    assert!(plan.contains("aws ec2 describe-volumes --filters"), "{plan}");
    let output = environment.run("destroy --auto-approve").expect(0);
    let end: Vec<_> = output
        .lines()
        .filter(|line| line.contains("stays:") || line.contains("nothing is left"))
        .collect();
    insta::assert_snapshot!(end.join("\n"), @r"
    ServiceLinkedRole.spot stays: the account has one role for each service, and others may need it
    EksCluster.main stays: it is external: lkh only reads it
    HelmRelease.karpenter: of testskillcluster nothing is left: no instances, launch templates, network interfaces, volumes, instance profiles (5 reads told)
    ");
    assert!(!environment.behind(LEFT).contains("InstanceId"));
    let json = environment.run("destroy --auto-approve --json").json();
    assert_eq!(json["exitCode"], 0);
    assert_eq!(json["leftovers"][0]["clean"], true, "{json:#}");
    assert_eq!(json["leftovers"][0]["evidence"].as_array().unwrap().len(), 5, "{json:#}");
}

#[test]
fn what_keeps_a_node_is_named_and_the_controller_stays() {
    let annotation = r#""karpenter.sh/do-not-disrupt": "true""#;
    let annotated = (annotation, false, "has the annotation karpenter.sh/do-not-disrupt");
    let budget = ("", true, "the PodDisruptionBudget default/keep allows no disruption");
    for (annotation, with_budget, cause) in [annotated, budget] {
        let environment = with_nodes(&workload(annotation, with_budget));
        let output = environment.run("destroy --auto-approve").expect(1);
        assert!(output.contains("NodeClaimsLeft") && output.contains(cause), "{output}");
        environment.behind("helm status karpenter -n kube-system");
        // Once that is gone, the rest goes too.
        environment.behind("kubectl delete deployment big -n default");
        let output = environment.run("destroy --auto-approve").expect(0);
        assert!(output.contains("nothing is left"), "{output}");
    }
}

#[test]
fn a_controller_that_does_not_run_is_not_uninstalled() {
    let environment = with_nodes(&workload("", false));
    environment.run("sandbox break karpenter").expect(0);
    let output = environment.run("destroy --auto-approve").expect(1);
    assert!(
        output.contains("their controller does not run: deployment karpenter is 0/"),
        "{output}"
    );
    environment.behind("helm status karpenter -n kube-system");
    assert!(environment.behind(LEFT).contains("InstanceId"));
    environment.run("sandbox break karpenter --with nothing").expect(0);
    environment.run("destroy --auto-approve").expect(0);
}

#[test]
fn what_is_left_in_ec2_is_named_and_the_exit_code_says_so() {
    let environment = with_nodes(&workload("", false));
    // Someone takes the finalizers off: the instance is nobody's then.
    let claim = environment.behind("kubectl get nodeclaims.karpenter.sh -o name");
    let claim = claim.trim().rsplit('/').next().unwrap().to_owned();
    environment.run("sandbox break karpenter").expect(0);
    environment.behind(&format!(
        "kubectl patch nodeclaim {claim} --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"
    ));
    environment.behind(&format!("kubectl delete nodeclaim {claim}"));
    let output = environment.run("destroy --auto-approve").expect(1);
    assert!(output.contains("instances of testskillcluster are left: i-"), "{output}");
    assert!(output.contains("next: aws ec2 terminate-instances --instance-ids i-"), "{output}");
    let again = environment.run("destroy --auto-approve").expect(1);
    assert!(again.contains("are left: i-"), "{again}");
}
