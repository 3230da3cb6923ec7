//! The comment of a pull request, for each of the situations that people meet.

use crate::environment::TestEnvironment;

#[test]
fn of_a_first_install() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!("comment_first_install", environment.run("plan --format markdown"));
}

#[test]
fn of_a_routine_change() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/node.yaml",
        "  roleName: NodeRole\n",
        "  roleName: NodeRole\n  description: the nodes of the lake\n",
    );
    let planned = environment.run("plan --var replicas=2 --format markdown");
    insta::assert_snapshot!("comment_routine_change", planned);
}

#[test]
fn of_a_dangerous_change() {
    let environment = TestEnvironment::applied();
    // Another path is another role, and the entry of its nodes goes with it.
    environment.edit(
        "manifests/node.yaml",
        "  roleName: NodeRole\n",
        "  roleName: NodeRole\n  path: /nodes/\n",
    );
    environment.edit("manifests/controller.yaml", "ec2:CreateFleet", "iam:*");
    environment.remove("manifests/spot.yaml");
    environment.behind("aws iam tag-role --role-name ControllerRole --tags Key=theirs,Value=<b>");
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    let planned = environment.run("plan --format markdown");
    insta::assert_snapshot!("comment_dangerous_change", planned);
}

#[test]
fn of_drift_alone() {
    let environment = TestEnvironment::applied();
    environment.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    environment.behind(
        "aws iam detach-role-policy --role-name NodeRole --policy-arn \
         arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    insta::assert_snapshot!("comment_drift", environment.run("plan --format markdown"));
}

#[test]
fn of_nothing_to_do() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!("comment_nothing", environment.run("plan --format markdown"));
}

#[test]
fn of_a_saved_plan_it_is_the_same() {
    let environment = TestEnvironment::new();
    let planned = environment.run("plan --format markdown --out it.plan").stdout;
    assert_eq!(environment.run("show it.plan --format markdown").stdout, planned);
    // The commands' text is in no comment: it is what `--show-commands` is for.
    assert!(!planned.contains("--cli-input-json"), "{planned}");
}
