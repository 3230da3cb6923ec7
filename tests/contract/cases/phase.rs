//! The compute phase as it ships: from nothing, once more, and away again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::Case;
use crate::stage::{Stage, owned, texts};
use crate::world::{ALL, Backend};

pub const CASES: &[Case] = &[
    // One case, since making the phase takes its time with real tools.
    Case { name: "the_phase_from_nothing_to_nothing", on: ALL, needs: None, run: life },
    Case {
        name: "the_first_command_of_the_readme",
        on: &[Backend::Sandbox],
        needs: None,
        run: first_command,
    },
];

/// Where the phase stands in what is shipped, in the order of its making.
const TARGET: [&str; 2] = ["--target", "phase.compute"];

fn apply(stage: &Stage) {
    let [flag, phase] = TARGET;
    stage.lkh(&["apply", "--auto-approve", flag, phase]).expect(0);
}

fn expect_clean(stage: &Stage) {
    let plan = stage.plan_with(&TARGET);
    assert!(plan.code == 0 && plan.changed().is_empty(), "{plan}");
}

fn life(stage: &Stage) {
    stage.ship();
    assert_eq!(tagged(stage), BTreeMap::new());
    apply(stage);
    confirm(stage);
    let made = stage.touched(0);
    assert_eq!(made.len(), 8, "{made:?}");
    second_apply(stage);
    drift(stage);
    lost_state(stage);
    destroy(stage, &made);
}

/// Nothing is left to do, and doing it again changes nothing.
fn second_apply(stage: &Stage) {
    let (intents, trace) = (stage.intents().len(), stage.world.trace().map(|trace| trace.len()));
    let changes = stage.world.cluster_changes();
    apply(stage);
    expect_clean(stage);
    assert_eq!(stage.intents().len(), intents, "a second apply changes nothing");
    assert_eq!(stage.world.cluster_changes(), changes);
    if let (Some(start), Some(trace)) = (trace, stage.world.trace()) {
        for argv in &trace[start..] {
            assert!(super::only_reads(argv), "a second apply ran: {argv}");
        }
    }
}

/// What someone does by hand is named, nothing else is, and just that is
/// undone.
fn drift(stage: &Stage) {
    let (cluster, account) = (stage.world.cluster(), stage.world.account());
    let role = |name: &str| format!("arn:aws:iam::{account}:role/{name}-{cluster}");
    let subnet = tagged(stage).keys().rfind(|id| id.starts_with("subnet-")).unwrap().clone();
    stage.aws(&format!("ec2 delete-tags --resources {subnet} --tags Key=karpenter.sh/discovery"));
    stage.aws(&format!(
        "eks delete-access-entry --cluster-name {cluster} --principal-arn {}",
        role("KarpenterNodeRole")
    ));
    // EKS takes no role that pods may not assume.
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"]}]});
    stage.aws_with(
        &format!("iam create-role --role-name Neighbour-{cluster} --assume-role-policy-document"),
        &[&trust.to_string()],
    );
    let found = stage.aws(&format!("eks list-pod-identity-associations --cluster-name {cluster}"));
    let id = owned(&found["associations"][0]["associationId"]);
    stage.aws(&format!(
        "eks update-pod-identity-association --cluster-name {cluster} --association-id {id} \
         --role-arn {}",
        role("Neighbour")
    ));
    let allow_all = json!({"Version": "2012-10-17", "Statement":
        [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let policy = format!("arn:aws:iam::{account}:policy/KarpenterControllerPolicy-{cluster}");
    stage.aws_with(
        &format!(
            "iam create-policy-version --set-as-default --policy-arn {policy} --policy-document"
        ),
        &[&allow_all.to_string()],
    );
    // The emulator can't put a version in force again: none is left for that.
    stage.aws(&format!("iam delete-policy-version --policy-arn {policy} --version-id v1"));

    let plan = stage.plan_with(&TARGET);
    let changed: BTreeMap<_, _> = plan.changed().into_iter().collect();
    let expected = [
        ("Ec2Tags.karpenter-discovery", "update"),
        ("EksAccessEntry.karpenter-node", "create"),
        ("IamPolicy.karpenter-controller", "update"),
        ("PodIdentityAssociation.karpenter", "update"),
    ];
    assert_eq!(changed, expected.into(), "{plan}");
    plan.expect_drift(expected[0].0, &[&format!("tags/{subnet}/karpenter.sh/discovery")]);
    assert_eq!(plan.of(expected[1].0)["reason"]["code"], "removedOutside", "{plan}");
    plan.expect_drift(expected[2].0, &["document"]);
    plan.expect_drift(expected[3].0, &["roleArn"]);
    let before = stage.intents().len();
    apply(stage);
    let touched: BTreeSet<_> = stage.touched(before).into_iter().collect();
    assert_eq!(touched, expected.map(|(address, _)| address.to_owned()).into());
    confirm(stage);
}

/// Every object of the phase, by commands that `lkh` has no part in.
fn confirm(stage: &Stage) {
    let (cluster, account) = (stage.world.cluster(), stage.world.account());
    let region = "us-east-2";
    let node = format!("KarpenterNodeRole-{cluster}");
    let controller = format!("KarpenterControllerRole-{cluster}");
    let arn = |role: &str| format!("arn:aws:iam::{account}:role/{role}");
    let policy = format!("arn:aws:iam::{account}:policy/KarpenterControllerPolicy-{cluster}");

    let trust = |role: &str| {
        let found = stage.aws(&format!("iam get-role --role-name {role}"));
        statements(&found["Role"]["AssumeRolePolicyDocument"])
    };
    let attached = |role: &str| -> BTreeSet<String> {
        let found = stage.aws(&format!("iam list-attached-role-policies --role-name {role}"));
        let list = found["AttachedPolicies"].as_array().unwrap();
        list.iter().map(|one| owned(&one["PolicyArn"])).collect()
    };
    assert_eq!(
        trust(&node),
        [json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": ["sts:AssumeRole"]})]
    );
    assert_eq!(
        trust(&controller),
        [json!({"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"]})]
    );
    let managed = [
        "AmazonEC2ContainerRegistryReadOnly",
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonSSMManagedInstanceCore",
    ];
    assert_eq!(
        attached(&node),
        managed.map(|name| format!("arn:aws:iam::aws:policy/{name}")).into()
    );
    assert_eq!(attached(&controller), BTreeSet::from([policy.clone()]));

    let version = stage.aws(&format!("iam get-policy --policy-arn {policy}"));
    let version = owned(&version["Policy"]["DefaultVersionId"]);
    let found =
        stage.aws(&format!("iam get-policy-version --policy-arn {policy} --version-id {version}"));
    let expected = controller_policy(
        &arn(&node),
        &format!("arn:aws:eks:{region}:{account}:cluster/{cluster}"),
    );
    assert_eq!(statements(&found["PolicyVersion"]["Document"]), statements(&expected));

    // Every subnet of the VPC and the cluster's security group, nothing else.
    let found = stage.aws(&format!("eks describe-cluster --name {cluster}"));
    let network = &found["cluster"]["resourcesVpcConfig"];
    let filter = format!("Name=vpc-id,Values={}", owned(&network["vpcId"]));
    let subnets = stage.aws(&format!("ec2 describe-subnets --filters {filter}"));
    let subnets = subnets["Subnets"].as_array().unwrap();
    let expected: BTreeMap<String, String> = subnets
        .iter()
        .map(|subnet| owned(&subnet["SubnetId"]))
        .chain([owned(&network["clusterSecurityGroupId"])])
        .map(|id| (id, cluster.to_owned()))
        .collect();
    assert!(subnets.len() >= 2);
    assert_eq!(tagged(stage), expected);

    let entry = stage.aws(&format!(
        "eks describe-access-entry --cluster-name {cluster} --principal-arn {}",
        arn(&node)
    ));
    assert_eq!(entry["accessEntry"]["type"], "EC2_LINUX");
    let found = stage.aws(&format!("eks list-pod-identity-associations --cluster-name {cluster}"));
    let found = found["associations"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let id = owned(&found[0]["associationId"]);
    let found = stage.aws(&format!(
        "eks describe-pod-identity-association --cluster-name {cluster} --association-id {id}"
    ));
    let found = &found["association"];
    assert_eq!(found["namespace"], "kube-system");
    assert_eq!(found["serviceAccount"], "karpenter");
    assert_eq!(found["roleArn"], arn(&controller));
    let found = stage.aws("iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/");
    assert_eq!(found["Roles"].as_array().unwrap().len(), 1, "{found}");

    let status = stage.helm("status karpenter -n kube-system");
    assert_eq!((&status["info"]["status"], &status["version"]), (&json!("deployed"), &json!(1)));
    let releases = stage.helm("list -n kube-system");
    assert_eq!(releases.as_array().unwrap().len(), 1, "{releases}");
    assert_eq!(releases[0]["chart"], "karpenter-1.8.3");
    assert_eq!(
        stage.helm("get values karpenter -n kube-system"),
        json!({
            "settings": {"clusterName": cluster, "interruptionQueue": ""},
            "controller": {"resources": {
                "requests": {"cpu": "200m", "memory": "256Mi"},
                "limits": {"cpu": "300m", "memory": "500Mi"},
            }},
            "replicas": 1,
        })
    );
    let deployment = stage.kubectl_get("deployment karpenter -n kube-system");
    assert_eq!(deployment["status"]["readyReplicas"], 1, "{deployment}");

    // And what the state claims is what was just seen.
    let state = stage.state_json();
    for (address, record) in state["resources"].as_object().unwrap() {
        assert_eq!(record["status"], "applied", "{address}");
        assert!(!record["evidence"].as_array().unwrap().is_empty(), "{address}");
    }
}

/// What carries the tag that Karpenter looks for, with its value.
fn tagged(stage: &Stage) -> BTreeMap<String, String> {
    let found = stage.aws("ec2 describe-tags --filters Name=key,Values=karpenter.sh/discovery");
    let tags = found["Tags"].as_array().unwrap();
    tags.iter().map(|tag| (owned(&tag["ResourceId"]), owned(&tag["Value"]))).collect()
}

/// The statements of a document: actions as sorted lists, in the order of Sids.
fn statements(document: &Json) -> Vec<Json> {
    let mut statements = document["Statement"].as_array().unwrap().clone();
    for statement in &mut statements {
        let mut actions = match &statement["Action"] {
            Json::String(one) => vec![one.clone()],
            many => texts(many),
        };
        actions.sort();
        statement["Action"] = json!(actions);
    }
    statements.sort_by_key(|statement| statement["Sid"].as_str().unwrap_or("").to_owned());
    statements
}

/// What the controller may do, written down a second time.
fn controller_policy(node_role: &str, cluster: &str) -> Json {
    let of = |service: &str, actions: &[&str]| -> Vec<String> {
        actions.iter().map(|action| format!("{service}:{action}")).collect()
    };
    let mut core = of("ssm", &["GetParameter"]);
    core.extend(of("pricing", &["GetProducts"]));
    core.extend(of(
        "ec2",
        &[
            "RunInstances",
            "CreateFleet",
            "CreateLaunchTemplate",
            "DeleteLaunchTemplate",
            "CreateTags",
            "DeleteTags",
            "TerminateInstances",
            "DescribeImages",
            "DescribeSubnets",
            "DescribeSecurityGroups",
            "DescribeLaunchTemplates",
            "DescribeInstances",
            "DescribeInstanceTypes",
            "DescribeInstanceTypeOfferings",
            "DescribeAvailabilityZones",
            "DescribeSpotPriceHistory",
        ],
    ));
    let profiles = of(
        "iam",
        &[
            "CreateInstanceProfile",
            "TagInstanceProfile",
            "AddRoleToInstanceProfile",
            "RemoveRoleFromInstanceProfile",
            "DeleteInstanceProfile",
            "GetInstanceProfile",
            "ListInstanceProfiles",
        ],
    );
    let queue = of("sqs", &["DeleteMessage", "GetQueueUrl", "ReceiveMessage"]);
    let allow = |sid: &str, actions: Vec<String>, resource: &str| json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource});
    let mut pass = allow("KarpenterPassRole", of("iam", &["PassRole"]), node_role);
    pass["Condition"] = json!({"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}});
    json!({"Statement": [
        allow("KarpenterCore", core, "*"),
        allow("KarpenterInstanceProfileManagement", profiles, "*"),
        allow("KarpenterClusterDiscovery", of("eks", &["DescribeCluster"]), cluster),
        pass,
        allow("AllowInterruptionQueue", queue, "*"),
    ]})
}

/// Without the state everything is found again, and no command is needed.
fn lost_state(stage: &Stage) {
    stage.lose_state();
    let plan = stage.plan_with(&TARGET);
    assert_eq!(plan.code, 2, "{plan}");
    for (address, action) in plan.changed() {
        assert_eq!(action, "adopt", "{address}: {plan}");
        assert!(plan.commands(address).is_empty(), "{address}: {plan}");
    }
    assert_eq!(plan.changed().len(), 8, "{plan}");
    apply(stage);
    assert_eq!(stage.intents(), [], "adopting takes no command");
    expect_clean(stage);
}

fn destroy(stage: &Stage, made: &[String]) {
    let [flag, phase] = TARGET;
    // What others have made stays where it is.
    let cluster = stage.world.cluster();
    let subnet = tagged(stage).keys().find(|id| id.starts_with("subnet-")).unwrap().clone();
    stage.aws(&format!("ec2 create-tags --resources {subnet} --tags Key=owner,Value=neighbour"));

    stage.lkh(&["destroy", "--auto-approve", flag, phase]).expect(0);
    let gone = stage.touched(0);
    assert_reverse(made, &gone);
    assert!(!gone.contains(&"ServiceLinkedRole.spot".to_owned()), "{gone:?}");
    let left = stage.state_json();
    let left: Vec<_> =
        left["resources"].as_object().map(|all| all.keys().collect()).unwrap_or_default();
    assert!(left.is_empty() || left == ["EksCluster.main"], "{left:?}");

    assert_eq!(tagged(stage), BTreeMap::new());
    for role in ["KarpenterNodeRole", "KarpenterControllerRole"] {
        let error = stage.aws_error(&format!("iam get-role --role-name {role}-{cluster}"));
        assert!(error.contains("NoSuchEntity"), "{error}");
    }
    let policy = format!("KarpenterControllerPolicy-{cluster}");
    let found = stage.aws("iam list-policies --scope Local");
    let mut policies = found["Policies"].as_array().unwrap().iter();
    assert!(policies.all(|one| one["PolicyName"] != *policy), "{found}");
    let found = stage.aws(&format!("eks list-pod-identity-associations --cluster-name {cluster}"));
    assert_eq!(found["associations"], json!([]));
    assert_eq!(stage.helm("list -A"), json!([]));
    // These stay: the cluster, the service-linked role, what others made.
    stage.aws(&format!("eks describe-cluster --name {cluster}"));
    let found = stage.aws("iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/");
    assert_eq!(found["Roles"].as_array().unwrap().len(), 1, "{found}");
    stage.aws(&format!("iam get-role --role-name Neighbour-{cluster}"));
    let tags = stage.aws("ec2 describe-tags --filters Name=key,Values=owner");
    assert_eq!(tags["Tags"].as_array().unwrap().len(), 1, "{tags}");

    let plan = stage.plan_with(&TARGET);
    assert_eq!(plan.code, 2);
    for (address, action) in plan.changed() {
        let expected = if address == "ServiceLinkedRole.spot" { "adopt" } else { "create" };
        assert_eq!(action, expected, "{address}: {plan}");
    }
}

/// What was made later goes earlier, where the one needs the other.
fn assert_reverse(made: &[String], gone: &[String]) {
    let at = |list: &[String], name: &str| {
        list.iter().position(|one| one == name).unwrap_or_else(|| panic!("no {name}: {list:?}"))
    };
    for (first, then) in [
        ("IamPolicy.karpenter-controller", "IamRole.karpenter-controller"),
        ("IamRole.karpenter-controller", "PodIdentityAssociation.karpenter"),
        ("IamRole.karpenter-node", "EksAccessEntry.karpenter-node"),
        ("IamRole.karpenter-node", "IamPolicy.karpenter-controller"),
        ("PodIdentityAssociation.karpenter", "HelmRelease.karpenter"),
        ("Ec2Tags.karpenter-discovery", "HelmRelease.karpenter"),
    ] {
        assert!(at(made, first) < at(made, then), "{first} before {then}: {made:?}");
        assert!(at(gone, first) > at(gone, then), "{then} before {first}: {gone:?}");
    }
}

fn first_command(stage: &Stage) {
    stage.ship();
    // Nothing but what the README says: no variable, no target.
    let lkh = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lkh"));
        command.env_clear().current_dir(stage.scratch()).args(args).arg("--exec=sandbox");
        command.output().unwrap()
    };
    let output = lkh(&["apply", "--auto-approve"]);
    assert!(output.status.success(), "{output:?}");
    let output = lkh(&["plan", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("No changes."));
    stage.aws_with(
        "iam update-assume-role-policy --role-name KarpenterNodeRole-testskillcluster \
         --policy-document",
        &[&crate::stacks::TRUST.replace("ec2.", "eks.")],
    );
    let output = lkh(&["plan", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("trustPolicy:  (drift)"), "{text}");
    assert!(text.contains("0 to add, 1 to change, 0 to destroy"), "{text}");
    let output = lkh(&["apply", "--auto-approve"]);
    assert!(output.status.success(), "{output:?}");
    let output = lkh(&["plan", "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
