//! The whole lakehouse as it ships, with the real tools: from an account with
//! nothing in it to all seven phases, once more, and away again.
//!
//! The manifests are those of `manifests/`, unchanged; variables say where the
//! charts lie, which are stand-ins (`tests/charts`), and that the network has no
//! NAT gateway, which the emulator's CloudFormation does not know. What came of
//! it is confirmed by another client of AWS (`account.py`), by `helm` and by
//! `kubectl`.
//!
//! Where the emulator differs from AWS, and what follows from it here:
//!
//! - of what EKS is asked to make it drops some fields, and the network of the
//!   subnets: `emulator.py` puts them back;
//! - the role for spot instances has another name, so it is found by its path;
//! - `ecr-public get-login-password` is refused, so charts are pulled anonymously;
//! - a cluster's security group can be tagged and not described.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::Case;
use crate::servers::REGION;
use crate::stage::{Stage, copy, owned, texts};
use crate::world::Backend;

pub const CASES: &[Case] = &[Case {
    name: "the_whole_lakehouse_from_nothing_to_nothing",
    on: &[Backend::Real],
    needs: None,
    run: whole,
}];

const CLUSTER: &str = "whole";
const NAMESPACE: &str = "ingext";

fn whole(stage: &Stage) {
    ship(stage);
    let before = account(stage);
    let run = stage.apply();
    run.expect_says(&["43 added", "46 resources verified by a read."]);
    let made = account(stage);
    foundation(stage, &made);
    identities(stage, &made);
    bucket(stage, &made);
    cluster(stage);
    outputs(stage);
    second_apply(stage);
    status(stage);

    // What is left of it is what was there before, and the role that the whole
    // account shares.
    let run = stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    run.expect_says(&["of whole nothing is left", "ServiceLinkedRole.spot stays"]);
    let mut left = account(stage);
    let roles = left["roles"].as_object_mut().unwrap();
    let shared = |role: &Json| role["path"] == "/aws-service-role/spot.amazonaws.com/";
    assert_eq!(roles.values().filter(|role| shared(role)).count(), 1);
    roles.retain(|_, role| !shared(role));
    for part in before.as_object().unwrap().keys() {
        assert_eq!(left[part], before[part], "{part}");
    }
    assert_eq!(stage.helm("list -A"), json!([]));
    let namespaces = stage.run("kubectl", &["get", "namespaces", "-o", "name"]);
    assert!(!namespaces.contains(NAMESPACE), "{namespaces}");
    let remembered = stage.state_json()["resources"].clone();
    assert!(remembered.as_object().is_none_or(serde_json::Map::is_empty), "{remembered}");
}

/// The shipped manifests, with variables for what can't be had here.
fn ship(stage: &Stage) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    copy(&root.join("manifests"), &stage.manifests());
    let charts = stage.chart("lakehouse");
    for (name, value) in [
        ("cluster", CLUSTER),
        ("rootDomain", "example.com"),
        ("lakehouseVersion", "1.0.0"),
        ("natGateways", "none"),
        ("karpenterChart", &stage.chart("karpenter")),
        ("lakehouseCharts", &charts),
        ("loadBalancerChart", &format!("{charts}/aws-load-balancer-controller")),
        ("loadBalancerRepository", ""),
    ] {
        stage.set(name, value);
    }
    // The one thing that must be there first; the emulator issues at once.
    stage.aws("acm request-certificate --domain-name *.k8.example.com");
}

/// All that the account holds.
fn account(stage: &Stage) -> Json {
    let environment = stage.world.environment();
    let endpoint = environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
    let python = stage.tools.program("ministack").canonicalize().unwrap();
    let mut command = Command::new(python.with_file_name("python"));
    command.env_clear().envs(environment.iter().cloned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/account.py");
    let output = command.arg(script).arg(&endpoint.1).arg(REGION).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sorted(value: &Json) -> BTreeSet<String> {
    texts(value).into_iter().collect()
}

/// Network, cluster, node group, add-ons.
fn foundation(stage: &Stage, made: &Json) {
    let network = &made["stacks"]["whole-network"];
    assert_eq!(network["StackStatus"], "CREATE_COMPLETE");
    let outputs: BTreeMap<String, String> = network["Outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (owned(&one["OutputKey"]), owned(&one["OutputValue"])))
        .collect();
    let list =
        |name: &str| -> BTreeSet<String> { outputs[name].split(',').map(str::to_owned).collect() };
    let of = |what: &str| -> Vec<&Json> {
        let all = made["network"][what].as_array().unwrap().iter();
        all.filter(|one| one["VpcId"] == *outputs["VpcId"]).collect()
    };
    assert_eq!(of("vpcs")[0]["CidrBlock"], "10.42.0.0/16");
    let subnets = of("subnets");
    let places = |public: bool| -> (BTreeSet<String>, BTreeSet<String>) {
        let found = subnets.iter().filter(|one| one["MapPublicIpOnLaunch"] == public);
        found.map(|one| (owned(&one["SubnetId"]), owned(&one["AvailabilityZone"]))).unzip()
    };
    let ((public, in_zones), (private, other)) = (places(true), places(false));
    assert_eq!((public, private), (list("PublicSubnetIds"), list("PrivateSubnetIds")));
    assert_eq!((in_zones.len(), other.len(), list("SubnetIds").len()), (3, 3, 6));
    assert_eq!(of("vpc_endpoints")[0]["ServiceName"], format!("com.amazonaws.{REGION}.s3"));

    let arn = |role: &str| format!("arn:aws:iam::{}:role/{role}", stage.world.account());
    let parts = &made["clusters"][CLUSTER];
    let cluster = &parts["cluster"];
    for (field, expected) in [
        ("/status", json!("ACTIVE")),
        ("/version", json!("1.34")),
        ("/roleArn", json!(arn("EKSClusterRole-whole"))),
        ("/accessConfig/authenticationMode", json!("API")),
        ("/resourcesVpcConfig/endpointPublicAccess", json!(true)),
        ("/resourcesVpcConfig/endpointPrivateAccess", json!(true)),
        ("/resourcesVpcConfig/vpcId", json!(outputs["VpcId"])),
        ("/logging/clusterLogging/0/types", json!(["audit", "authenticator"])),
        ("/upgradePolicy/supportType", json!("STANDARD")),
    ] {
        assert_eq!(cluster.pointer(field), Some(&expected), "{field}");
    }
    assert_eq!(sorted(&cluster["resourcesVpcConfig"]["subnetIds"]), list("SubnetIds"));
    let group = &parts["nodegroups"]["standardworkers"];
    assert_eq!(group["status"], "ACTIVE");
    assert_eq!(group["instanceTypes"], json!(["t3.large"]));
    assert_eq!(group["scalingConfig"], json!({"minSize": 2, "maxSize": 2, "desiredSize": 2}));
    assert_eq!(group["nodeRole"], arn("EKSNodeRole-whole"));
    assert_eq!(sorted(&group["subnets"]), list("PrivateSubnetIds"));
    let addons = parts["addons"].as_object().unwrap();
    let names: Vec<&str> = addons.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["aws-ebs-csi-driver", "aws-mountpoint-s3-csi-driver", "eks-pod-identity-agent"]
    );
    assert!(addons.values().all(|addon| addon["status"] == "ACTIVE"), "{addons:?}");

    // Karpenter finds its subnets and its security group by a tag, and nothing
    // else bears it.
    let tags = made["network"]["tags"].as_array().unwrap().iter();
    let tags = tags.filter(|tag| tag["Key"] == "karpenter.sh/discovery");
    let tagged: BTreeMap<_, _> =
        tags.map(|tag| (owned(&tag["ResourceId"]), owned(&tag["Value"]))).collect();
    let group = owned(&cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]);
    let expected = list("SubnetIds").into_iter().chain([group]);
    assert_eq!(tagged, expected.map(|id| (id, CLUSTER.to_owned())).collect());
}

/// Roles, policies, and who gets which role.
fn identities(stage: &Stage, made: &Json) {
    let account = stage.world.account();
    let managed = |names: &[&str]| -> BTreeSet<String> {
        names.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}")).collect()
    };
    let own = |name: &str| BTreeSet::from([format!("arn:aws:iam::{account}:policy/{name}")]);
    let of_nodes = managed(&[
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonEC2ContainerRegistryReadOnly",
        "AmazonSSMManagedInstanceCore",
    ]);
    let pods = ("pods.eks.amazonaws.com", json!(["sts:AssumeRole", "sts:TagSession"]));
    let ec2 = ("ec2.amazonaws.com", json!("sts:AssumeRole"));
    let eks = ("eks.amazonaws.com", json!(["sts:AssumeRole", "sts:TagSession"]));
    let expected = [
        ("EKSClusterRole-whole", eks, managed(&["AmazonEKSClusterPolicy"])),
        ("EKSNodeRole-whole", ec2.clone(), of_nodes.clone()),
        ("KarpenterNodeRole-whole", ec2, of_nodes),
        (
            "AmazonEKS_EBS_CSI_DriverRole_whole",
            pods.clone(),
            managed(&["service-role/AmazonEBSCSIDriverPolicy"]),
        ),
        ("KarpenterControllerRole-whole", pods.clone(), own("KarpenterControllerPolicy-whole")),
        ("ingext_ingext-sa_whole", pods.clone(), own("ingext_ingext-sa_S3_Policy_whole")),
        (
            "AWSLoadBalancerControllerRole_whole",
            pods,
            own("AWSLoadBalancerControllerIAMPolicy_whole"),
        ),
    ];
    for (name, (service, actions), attached) in &expected {
        let role = &made["roles"][name];
        let statement = match &role["trust"]["Statement"] {
            Json::Array(list) => list[0].clone(),
            one => one.clone(),
        };
        assert_eq!(statement["Principal"]["Service"], *service, "{name}: {role}");
        assert_eq!(statement["Action"], *actions, "{name}: {role}");
        assert_eq!(sorted(&role["attached"]), *attached, "{name}");
        assert_eq!(role["inline"], json!([]), "{name}");
    }
    let ours = |path: &Json| path["path"] == "/";
    let roles = made["roles"].as_object().unwrap();
    assert_eq!(roles.values().filter(|role| ours(role)).count(), expected.len(), "{roles:?}");

    let sids = |policy: &str| -> Vec<String> {
        let statements = made["policies"][policy]["Statement"].as_array().unwrap().iter();
        statements.map(|statement| owned(&statement["Sid"])).collect()
    };
    assert_eq!(made["policies"].as_object().unwrap().len(), 3);
    assert_eq!(sids("AWSLoadBalancerControllerIAMPolicy_whole").len(), 16);
    let controller = sids("KarpenterControllerPolicy-whole");
    assert!(controller.iter().any(|sid| sid == "KarpenterPassRole"), "{controller:?}");
    let lake = &made["policies"]["ingext_ingext-sa_S3_Policy_whole"]["Statement"];
    assert_eq!(lake[0]["Resource"], format!("arn:aws:s3:::ingextlakehouse{account}"));
    assert_eq!(lake[1]["Resource"], format!("arn:aws:s3:::ingextlakehouse{account}/*"));

    let parts = &made["clusters"][CLUSTER];
    let node = format!("arn:aws:iam::{account}:role/KarpenterNodeRole-whole");
    assert_eq!(parts["entries"][&node]["type"], "EC2_LINUX");
    let associated: BTreeSet<(String, String, String)> = parts["associations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let role = owned(&one["roleArn"]);
            let role = role.rsplit('/').next().unwrap_or_default().to_owned();
            (owned(&one["namespace"]), owned(&one["serviceAccount"]), role)
        })
        .collect();
    let expected = [
        ("kube-system", "ebs-csi-controller-sa", "AmazonEKS_EBS_CSI_DriverRole_whole"),
        ("kube-system", "karpenter", "KarpenterControllerRole-whole"),
        ("kube-system", "aws-load-balancer-controller", "AWSLoadBalancerControllerRole_whole"),
        (NAMESPACE, "ingext-sa", "ingext_ingext-sa_whole"),
    ];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(associated, expected.into());
}

/// The bucket: private and encrypted.
fn bucket(stage: &Stage, made: &Json) {
    let buckets = made["buckets"].as_object().unwrap();
    let (name, bucket) = buckets.iter().next().unwrap();
    assert_eq!(*name, format!("ingextlakehouse{}", stage.world.account()));
    assert!(bucket["public"].as_object().unwrap().values().all(|on| *on == true), "{bucket}");
    let rule = &bucket["encryption"]["Rules"][0]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(rule["SSEAlgorithm"], "AES256");
}

/// Releases, what they made, and what the manifests made beside them.
fn cluster(stage: &Stage) {
    let releases = stage.helm("list -A");
    let releases: BTreeMap<String, String> = releases
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!(one["status"], "deployed", "{one}");
            assert_eq!(one["revision"], "1", "{one}");
            let place = format!("{}/{}", owned(&one["namespace"]), owned(&one["name"]));
            (place, owned(&one["chart"]))
        })
        .collect();
    let mut expected: BTreeMap<String, String> = [
        "ingext-serviceaccount",
        "ingext-stack",
        "etcd-single",
        "etcd-single-cronjob",
        "ingext-manager-role",
        "ingext-community-config",
        "ingext-community-init",
        "ingext-community",
        "ingext-lake-config",
        "ingext-s3-lake",
        "ingext-lake",
    ]
    .map(|name| (format!("{NAMESPACE}/{name}"), format!("{name}-1.0.0")))
    .into();
    for (place, chart) in [
        ("kube-system/ingext-aws-gp3", "ingext-aws-gp3-1.0.0"),
        ("kube-system/karpenter", "karpenter-1.8.3"),
        ("kube-system/aws-load-balancer-controller", "aws-load-balancer-controller-1.14.0"),
        ("ingext/ingext-merge-pool", "ingext-eks-pool-1.0.0"),
        ("ingext/ingext-search-pool", "ingext-eks-pool-1.0.0"),
        ("ingext/ingext-ingress", "ingext-community-ingress-aws-1.0.0"),
    ] {
        expected.insert(place.to_owned(), chart.to_owned());
    }
    assert_eq!(releases, expected);

    let found = stage.kubectl_get("deployments,statefulsets -A");
    let workloads = found["items"].as_array().unwrap();
    for one in workloads {
        assert_eq!(one["status"]["readyReplicas"], one["spec"]["replicas"], "{one}");
    }
    assert_eq!(workloads.len(), 8, "{found}");
    let found = stage.kubectl_get("nodepools,ec2nodeclasses");
    let limits: BTreeMap<String, String> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] == "NodePool")
        .map(|one| (owned(&one["metadata"]["name"]), one["spec"]["limits"]["cpu"].to_string()))
        .collect();
    let expected = [("pool-merge", "64"), ("pool-search", "128")];
    assert_eq!(limits, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    let found = stage.kubectl_get(&format!("secret app-secret -n {NAMESPACE}"));
    let token = owned(&found["data"]["token"]);
    assert!(token.starts_with("dG9rX") && token.len() == 28, "tok_ and 15 more, encoded");
    assert!(!serde_json::to_string(&stage.state_json()).unwrap().contains(&token));
    let found = stage.kubectl_get(&format!("ingress ingext-ingress -n {NAMESPACE}"));
    assert_eq!(found["spec"]["rules"][0]["host"], "lakehouse.k8.example.com");
    let annotations = &found["metadata"]["annotations"];
    let certificates = stage.aws("acm list-certificates");
    assert_eq!(
        annotations["alb.ingress.kubernetes.io/certificate-arn"],
        certificates["CertificateSummaryList"][0]["CertificateArn"]
    );
}

/// What the installation tells is what is there.
fn outputs(stage: &Stage) {
    let told = stage.lkh(&["output", "--json"]).expect(0);
    let told: Json = serde_json::from_str(&told.stdout).unwrap();
    let found = stage.kubectl_get(&format!("ingress ingext-ingress -n {NAMESPACE}"));
    let host = owned(&found["status"]["loadBalancer"]["ingress"][0]["hostname"]);
    assert!(host.starts_with("albingextwholeingress-"), "{host}");
    assert!(told.to_string().contains(&host), "{told}");
}

/// Doing it again changes nothing: nothing was begun, no process was started
/// that could change anything, and the API server was asked for no change.
fn second_apply(stage: &Stage) {
    let (intents, trace) = (stage.intents().len(), stage.world.trace().unwrap().len());
    let changes = stage.world.cluster_changes();
    stage.apply().expect_says(&["No changes. Everything is as declared (46 resources read)"]);
    assert_eq!(stage.intents().len(), intents, "a second apply changes nothing");
    assert_eq!(stage.world.cluster_changes(), changes);
    let ran = stage.world.trace().unwrap().split_off(trace);
    for argv in &ran {
        assert!(super::only_reads(argv), "a second apply ran: {argv}");
    }
    // Seven roles and three policies are three reads; the service-linked role and
    // that of the access entry are read by themselves.
    let of_iam = ran.iter().filter(|argv| argv.starts_with("aws iam ")).count();
    assert_eq!(of_iam, 5, "{ran:#?}");
}

fn status(stage: &Stage) {
    let told = stage.lkh(&["status", "--json", "--exit-code"]).expect(0);
    let told: Json = serde_json::from_str(&told.stdout).unwrap();
    let phases = told["readiness"].as_object().unwrap();
    assert_eq!(phases.len(), 7, "{told}");
    assert!(phases.values().all(|ready| *ready == true), "{told}");
    let karpenter = &told["kubernetes"]["karpenter"];
    assert_eq!(
        (&karpenter["status"], &karpenter["version"]),
        (&json!("deployed"), &json!("1.8.3"))
    );
    assert_eq!(karpenter["controllerReady"], true);
    assert_eq!(told["helm"]["releases"].as_array().unwrap().len(), 17, "{told}");
    let evidence = stage.lkh(&["evidence", "--json"]).expect(0);
    let evidence: Json = serde_json::from_str(&evidence.stdout).unwrap();
    assert_eq!(evidence["phase3"]["karpenter"]["installed"], true, "{evidence}");
}
