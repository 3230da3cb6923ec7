//! A cluster with node group and add-on: made, unchanged, drifted, changed,
//! refused, removed.
//!
//! The emulator makes and deletes all three and has a cluster ACTIVE at once; it
//! changes nothing of clusters and node groups, knows no versions of add-ons and
//! forgets associations, so changes of those are seen in the sandbox alone.

use serde_json::json;

use crate::Case;
use crate::stage::{Stage, owned};
use crate::world::{Backend, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_cluster_lives_from_plan_to_destroy", on: LOCAL, needs: None, run: whole_life },
    Case {
        name: "changes_of_a_cluster_come_one_after_the_other",
        on: &[Backend::Sandbox],
        needs: None,
        run: changes,
    },
    Case { name: "the_wrong_compute_mode_is_a_blocker", on: LOCAL, needs: None, run: wrong_mode },
];

const CLUSTER: &str = "EksCluster.made";
const GROUP: &str = "EksNodegroup.workers";
const ADDON: &str = "EksAddon.agent";

/// Roles of a cluster and of its nodes, the cluster, a node group and an add-on.
fn stack(subnets: &str, cluster: &str, group: &str, addon: &str) -> String {
    format!(
        "apiVersion: lkh/v1
kind: IamRole
metadata: {{name: control, phase: main}}
spec:
  roleName: ControlRole
  trustPolicy:
    Version: '2012-10-17'
    Statement:
      - {{Effect: Allow, Principal: {{Service: eks.amazonaws.com}}, Action: 'sts:AssumeRole'}}
  managedPolicies: ['arn:aws:iam::aws:policy/AmazonEKSClusterPolicy']
---
apiVersion: lkh/v1
kind: IamRole
metadata: {{name: workers, phase: main}}
spec:
  roleName: WorkersRole
  trustPolicy:
    Version: '2012-10-17'
    Statement:
      - {{Effect: Allow, Principal: {{Service: ec2.amazonaws.com}}, Action: 'sts:AssumeRole'}}
  managedPolicies: ['arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy']
---
apiVersion: lkh/v1
kind: EksCluster
metadata: {{name: made, phase: main}}
spec:
  name: made
  roleArn: ${{IamRole.control.arn}}
  subnetIds: [{subnets}]
  version: '1.34'
  tags: {{team: lake}}
{cluster}
---
apiVersion: lkh/v1
kind: EksNodegroup
metadata: {{name: workers, phase: main}}
spec:
  clusterName: ${{EksCluster.made.name}}
  nodegroupName: workers
  subnets: [{subnets}]
  nodeRole: ${{IamRole.workers.arn}}
  instanceTypes: [t3.large]
  scaling: {{minSize: 1, maxSize: 3}}
  labels: {{pool: standard}}
  tags: {{team: lake}}
{group}
---
apiVersion: lkh/v1
kind: EksAddon
metadata: {{name: agent, phase: main}}
spec:
  clusterName: ${{EksCluster.made.name}}
  addonName: eks-pod-identity-agent
  tags: {{team: lake}}
{addon}
dependsOn: [EksNodegroup.workers]
"
    )
}

/// Two subnets of one network, in two zones.
fn subnets(stage: &Stage) -> String {
    let cluster = stage.world.cluster();
    let found = stage.aws(&format!("eks describe-cluster --name {cluster}"));
    let vpc = &found["cluster"]["resourcesVpcConfig"]["vpcId"];
    let filter = format!("Name=vpc-id,Values={}", owned(vpc));
    let found = stage.aws(&format!("ec2 describe-subnets --filters {filter}"));
    let mut by_zone = std::collections::BTreeMap::new();
    for subnet in found["Subnets"].as_array().unwrap() {
        // The emulator has all of them in one zone, and asks for no second.
        let zone = match stage.backend {
            Backend::Sandbox => owned(&subnet["AvailabilityZone"]),
            Backend::Real | Backend::Docker => owned(&subnet["SubnetId"]),
        };
        by_zone.entry(zone).or_insert_with(|| owned(&subnet["SubnetId"]));
    }
    by_zone.into_values().take(2).collect::<Vec<_>>().join(", ")
}

fn status(stage: &Stage, what: &str) -> String {
    let found = match what {
        "cluster" => stage.aws("eks describe-cluster --name made"),
        "nodegroup" => {
            stage.aws("eks describe-nodegroup --cluster-name made --nodegroup-name workers")
        }
        _ => {
            stage.aws("eks describe-addon --cluster-name made --addon-name eks-pod-identity-agent")
        }
    };
    owned(&found[what]["status"])
}

fn whole_life(stage: &Stage) {
    let subnets = subnets(stage);
    stage.write_stack(&[("eks.yaml", &stack(&subnets, "", "", ""))]);
    let plan = stage.plan();
    for address in [CLUSTER, GROUP, ADDON] {
        assert_eq!(plan.action(address), "create", "{plan}");
        assert_eq!(plan.commands(address).len(), 1, "{plan}");
    }
    stage.apply();
    for what in ["cluster", "nodegroup", "addon"] {
        assert_eq!(status(stage, what), "ACTIVE", "{what}");
    }
    let order = stage.touched(0);
    let at = |address: &str| order.iter().position(|one| one == address).unwrap();
    assert!(at("IamRole.control") < at(CLUSTER) && at(CLUSTER) < at(GROUP), "{order:?}");
    assert!(at(GROUP) < at(ADDON), "{order:?}");
    stage.expect_clean();
    // Lost memory costs nothing: they are found by their names.
    stage.lose_state();
    let plan = stage.plan();
    for address in [CLUSTER, GROUP, ADDON] {
        assert_eq!(plan.action(address), "adopt", "{plan}");
        assert!(plan.fields(address).is_empty(), "{plan}");
    }
    stage.apply();
    stage.expect_clean();

    // Someone takes the node group away. On real tools the same would take two
    // minutes: absence right after a change is not believed at once.
    if stage.backend == Backend::Sandbox {
        let group = ["--cluster-name", "made", "--nodegroup-name", "workers"];
        for words in [&["eks", "delete-nodegroup"][..], &["eks", "wait", "nodegroup-deleted"]] {
            stage.run("aws", &[words, &group[..]].concat());
        }
        let plan = stage.plan();
        assert_eq!(plan.changed(), [(GROUP, "create")], "{plan}");
        stage.apply();
        stage.expect_clean();
    }

    // What can't be changed is made anew, and the plan says so.
    let edited = stack(&subnets, "", "", "").replace("t3.large", "t3.xlarge");
    stage.write("eks.yaml", &edited);
    let plan = stage.plan();
    plan.expect_only(GROUP, "replace");
    let commands = plan.commands(GROUP);
    assert!(commands[0].contains("delete-nodegroup"), "{commands:?}");
    assert!(commands[1].contains("eks wait nodegroup-deleted"), "{commands:?}");
    assert!(commands[2].contains("create-nodegroup"), "{commands:?}");
    stage.apply();
    let found = stage.aws("eks describe-nodegroup --cluster-name made --nodegroup-name workers");
    assert_eq!(found["nodegroup"]["instanceTypes"], json!(["t3.xlarge"]));
    stage.expect_clean();

    // Two minor versions at once, or back, are refused before anything runs.
    for (version, code) in [("1.36", "VersionSkipsMinor"), ("1.33", "VersionDowngrade")] {
        stage.write(
            "eks.yaml",
            &edited.replace("version: '1.34'", &format!("version: '{version}'")),
        );
        let plan = stage.plan();
        assert_eq!(plan.of(CLUSTER)["blockers"][0]["code"], code, "{plan}");
    }
    stage.write("eks.yaml", &edited);

    // Removed from the manifests: the add-on goes and the rest stays.
    let without = edited.rsplit_once("---").unwrap().0.to_owned();
    stage.write("eks.yaml", &without);
    stage.plan().expect_only(ADDON, "delete");
    stage.apply();
    let error = stage
        .aws_error("eks describe-addon --cluster-name made --addon-name eks-pod-identity-agent");
    assert!(error.contains("ResourceNotFoundException"), "{error}");

    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    let error = stage.aws_error("eks describe-cluster --name made");
    assert!(error.contains("ResourceNotFoundException"), "{error}");
    // The other cluster is nobody's business.
    stage.aws(&format!("eks describe-cluster --name {}", stage.world.cluster()));
}

fn changes(stage: &Stage) {
    let subnets = subnets(stage);
    stage.write_stack(&[("eks.yaml", &stack(&subnets, "", "", ""))]);
    stage.apply();
    let before = stage.intents().len();

    let cluster = "  endpointPrivateAccess: true
  logTypes: [audit]
  deletionProtection: true
  authenticationMode: API";
    let group = "  taints: [{key: only, value: lake, effect: NO_SCHEDULE}]
  updateConfig: {maxUnavailable: 2}";
    let addon = "  version: v1.3.9-eksbuild.3
  configurationValues: {agent: {additionalArgs: {'-b': 169.254.170.23}}}";
    let text = stack(&subnets, cluster, group, addon)
        .replace("version: '1.34'", "version: '1.35'")
        .replace("minSize: 1", "minSize: 2");
    stage.write("eks.yaml", &text);
    let plan = stage.plan();
    assert_eq!(plan.action(CLUSTER), "update", "{plan}");
    let commands = plan.commands(CLUSTER);
    let waits = commands.iter().filter(|line| line.contains("eks wait cluster-active")).count();
    // Endpoint, logs, protection, version; a new cluster has the mode already.
    assert_eq!((commands.len(), waits), (7, 3), "{commands:?}");
    stage.apply();
    stage.expect_clean();
    let found = &stage.aws("eks describe-cluster --name made")["cluster"];
    assert_eq!(found["version"], "1.35");
    assert_eq!(found["resourcesVpcConfig"]["endpointPrivateAccess"], true);
    assert_eq!(found["logging"]["clusterLogging"][0]["types"], json!(["audit"]));
    let found = stage.aws("eks describe-nodegroup --cluster-name made --nodegroup-name workers");
    let found = &found["nodegroup"];
    assert_eq!(found["scalingConfig"], json!({"minSize": 2, "maxSize": 3, "desiredSize": 2}));
    assert_eq!(found["taints"][0]["key"], "only");
    assert_eq!(found["updateConfig"], json!({"maxUnavailable": 2}));
    let addon = "eks describe-addon --cluster-name made --addon-name eks-pod-identity-agent";
    assert_eq!(stage.aws(addon)["addon"]["addonVersion"], "v1.3.9-eksbuild.3");
    assert!(stage.intents().len() > before);

    // An autoscaler moves the number, and that is nobody's drift.
    let scale = ["eks", "update-nodegroup-config", "--cluster-name", "made", "--nodegroup-name"];
    let scale = [&scale[..], &["workers", "--scaling-config", "desiredSize=3"]].concat();
    stage.run("aws", &scale);
    let wait = ["eks", "wait", "nodegroup-active", "--cluster-name", "made", "--nodegroup-name"];
    stage.run("aws", &[&wait[..], &["workers"]].concat());
    stage.expect_clean();
    // A label that goes is.
    let labels = ["eks", "update-nodegroup-config", "--cluster-name", "made", "--nodegroup-name"];
    let labels = [&labels[..], &["workers", "--labels", "removeLabels=pool"]].concat();
    stage.run("aws", &labels);
    stage.run("aws", &[&wait[..], &["workers"]].concat());
    stage.plan().expect_only(GROUP, "update").expect_drift(GROUP, &["labels/pool"]);
    stage.apply();
    stage.expect_clean();

    // A version that EKS does not offer, with those that it does.
    stage.write("eks.yaml", &text.replace("v1.3.9-eksbuild.3", "v9.0.0-eksbuild.1"));
    let plan = stage.plan();
    assert_eq!(plan.of(ADDON)["blockers"][0]["code"], "AddonVersionUnknown", "{plan}");
    stage.write("eks.yaml", &text);

    // Protected, it stays; and says why.
    let plan = stage.plan_with(&["--destroy"]);
    assert_eq!(plan.of(CLUSTER)["blockers"][0]["code"], "DeletionProtected", "{plan}");
}

fn wrong_mode(stage: &Stage) {
    let external = |mode: &str| {
        format!(
            "apiVersion: lkh/v1
kind: EksCluster
metadata: {{name: main, phase: main}}
external: true
spec: {{name: '${{var.cluster}}', autoMode: {mode}}}
"
        )
    };
    stage.write_stack(&[("cluster.yaml", &external("karpenter"))]);
    stage.expect_clean();
    stage.write("cluster.yaml", &external("auto"));
    let plan = stage.plan();
    let blocker = &plan.of("EksCluster.main")["blockers"][0];
    assert_eq!(blocker["code"], "ComputeModeMismatch", "{plan}");
    assert!(owned(&blocker["next"]).contains("spec.autoMode"), "{plan}");
}
