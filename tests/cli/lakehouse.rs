//! The lakehouse that ships: all seven phases, from an account with nothing in
//! it, and back to nothing.

use serde_json::Value as Json;

use crate::environment::{TestEnvironment, text};

/// The phases, as the status names them.
const PHASES: [&str; 7] = [
    "phase1Foundation",
    "phase2Storage",
    "phase3Compute",
    "phase4CoreServices",
    "phase5Stream",
    "phase6Datalake",
    "phase7Ingress",
];

fn mutating(environment: &TestEnvironment) -> usize {
    let log = environment.run("log --exec sandbox --json").json();
    log.as_array().unwrap().iter().filter(|entry| entry["event"] == "intended").count()
}

#[test]
fn from_nothing_to_all_seven_phases_and_back() {
    let environment = TestEnvironment::shipped();
    let planned = environment.run("plan --exec sandbox --json").json();
    let applied = environment.run("apply --exec sandbox --auto-approve").expect(0);
    assert!(applied.contains("46 resources verified by a read."), "{applied}");
    let commands = |plan: &Json| -> usize {
        let changes = plan["changes"].as_array().unwrap().iter();
        changes.map(|change| change["commands"].as_array().map_or(0, Vec::len)).sum()
    };
    // Nothing was done that the plan did not show, and nothing twice.
    assert_eq!(mutating(&environment), commands(&planned));

    let told = environment.run("plan --exec sandbox --detailed-exitcode").expect(0);
    assert!(told.contains("No changes. Everything is as declared (46 resources read)"), "{told}");
    let before = mutating(&environment);
    environment.run("apply --exec sandbox --auto-approve").expect(0);
    assert_eq!(mutating(&environment), before, "a second apply changes nothing");

    let status = environment.run("status --exec sandbox --json --exit-code").json();
    for phase in PHASES {
        assert_eq!(status["readiness"][phase], true, "{phase}: {status}");
    }
    let karpenter = &status["kubernetes"]["karpenter"];
    assert_eq!(karpenter["status"], "deployed");
    assert_eq!(karpenter["version"], "1.8.3");
    assert_eq!(karpenter["controllerReady"], true);
    let evidence = environment.run("evidence --exec sandbox --json").json();
    assert_eq!(evidence["phase3"]["karpenter"]["installed"], true, "{evidence}");
    assert_eq!(evidence["phase3"]["karpenter"]["existed"], false);

    let outputs = environment.run("output --exec sandbox --json").json();
    assert!(outputs.to_string().contains("albingexttestskillclusteringress-"), "{outputs}");
    let token =
        environment.behind("kubectl get secret app-secret -n ingext -o jsonpath={.data.token}");
    let token = token.trim().to_owned();
    assert!(token.starts_with("dG9rX"), "tok_, encoded: {token}");

    let destroyed = environment.run("destroy --exec sandbox --auto-approve").expect(0);
    assert!(destroyed.contains("of testskillcluster nothing is left"), "{destroyed}");
    assert!(destroyed.contains("ServiceLinkedRole.spot stays"), "{destroyed}");
    for command in [
        "aws ec2 describe-vpcs",
        "aws ec2 describe-instances",
        "aws eks list-clusters",
        "aws s3api list-buckets",
        "aws cloudformation describe-stacks",
    ] {
        let json: Json = serde_json::from_str(&environment.behind(command)).unwrap();
        let empty = json
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, value)| key == "Owner" || value.as_array().is_none_or(Vec::is_empty));
        assert!(empty, "{command}: {json}");
    }
    let roles = environment.behind("aws iam list-roles");
    let roles: Json = serde_json::from_str(&roles).unwrap();
    let ours = |role: &&Json| text(&role["RoleName"]).contains("testskillcluster");
    assert_eq!(roles["Roles"].as_array().unwrap().iter().find(ours), None);
}

#[test]
fn with_auto_mode_there_is_no_karpenter() {
    let environment = TestEnvironment::shipped();
    let options = "--exec sandbox --var compute=auto";
    environment.run(&format!("apply {options} --auto-approve")).expect(0);
    let told = environment.run(&format!("plan {options} --detailed-exitcode")).expect(0);
    assert!(told.contains("No changes."), "{told}");
    let releases = environment.behind("helm list -A -o json");
    assert!(!releases.contains("karpenter") && releases.contains("ingext-lake"), "{releases}");
    let cluster = environment.behind("aws eks describe-cluster --name testskillcluster");
    let cluster: Json = serde_json::from_str(&cluster).unwrap();
    assert_eq!(cluster["cluster"]["computeConfig"]["enabled"], true, "{cluster}");
}

#[test]
fn a_destroy_keeps_the_bucket_that_holds_data_and_says_so() {
    let environment = TestEnvironment::shipped();
    environment.run("apply --exec sandbox --auto-approve").expect(0);
    let bucket = "ingextlakehouse111122223333";
    environment
        .behind(&format!("aws s3api put-object --bucket {bucket} --key a --body /dev/stdin"));
    let told = environment.run("destroy --exec sandbox --auto-approve").expect(1);
    for text in [
        "S3Bucket.lake: blocked",
        "[BucketNotEmpty] the bucket ingextlakehouse111122223333 holds 1 object or version: a",
        "keep it, since nothing brings its data back: `lkh state rm` leaves it to you",
        "1 resource did not end well",
        "of testskillcluster nothing is left",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    // What is gone has no outputs, and what stays has its own.
    assert!(!told.contains("known after apply"), "{told}");
    let outputs = environment.run("output --exec sandbox --json").json();
    assert!(outputs.to_string().contains(bucket), "{outputs}");
    assert!(!outputs.to_string().contains("elb.amazonaws.com"), "{outputs}");
}

/// The applied lakehouse, of which nobody remembers anything.
fn applied_and_forgotten() -> TestEnvironment {
    let environment = TestEnvironment::shipped();
    environment.run("apply --exec sandbox --auto-approve").expect(0);
    for entry in std::fs::read_dir(environment.path("state/sandbox")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("world.jsonl") {
            std::fs::remove_file(path).unwrap();
        }
    }
    environment
}

#[test]
fn an_external_cluster_is_read_and_left_as_it_is() {
    let environment = applied_and_forgotten();
    let options = "--exec sandbox --var clusterOwner=external";
    let plan = environment.run(&format!("plan {options} --json")).json();
    let actions = crate::environment::actions(&plan);
    assert!(!actions.iter().any(|one| one.ends_with(" create")), "{actions:?}");
    for absent in ["CloudFormationStack.", "EksNodegroup.", "IamRole.cluster", "IamRole.ebs-csi"] {
        assert!(!actions.iter().any(|one| one.starts_with(absent)), "{absent}: {actions:?}");
    }
    environment.run(&format!("apply {options} --auto-approve")).expect(0);
    let told = environment.run(&format!("plan {options} --detailed-exitcode")).expect(0);
    assert!(told.contains("(40 resources read)"), "{told}");
    environment.run(&format!("destroy {options} --auto-approve")).expect(0);
    let cluster = environment.behind("aws eks describe-cluster --name testskillcluster");
    assert!(cluster.contains("ACTIVE"), "{cluster}");
    let addons = environment.behind("aws eks list-addons --cluster-name testskillcluster");
    assert!(addons.contains("aws-ebs-csi-driver"), "{addons}");
    let releases = environment.behind("helm list -A -o json");
    assert_eq!(releases.trim(), "[]");
}

#[test]
fn an_existing_network_is_used_and_left_as_it_is() {
    let environment = applied_and_forgotten();
    let found = environment.behind("aws ec2 describe-subnets");
    let found: Json = serde_json::from_str(&found).unwrap();
    let subnets = |all: bool| -> String {
        let found = found["Subnets"].as_array().unwrap().iter();
        let found = found.filter(|one| all || one["MapPublicIpOnLaunch"] == false);
        found.map(|one| text(&one["SubnetId"])).collect::<Vec<_>>().join(",")
    };
    let (all, private) = (subnets(true), subnets(false));
    let options = format!(
        "--exec sandbox --var network=existing --var subnetIds={all} --var nodeSubnetIds={private}"
    );
    let told = environment.run("validate --var network=existing --exec sandbox");
    let complaints = told.complaints();
    assert!(complaints.contains("can't be made without `subnetIds`"), "{complaints}");
    assert!(complaints.contains("can't be made without `subnets`"), "{complaints}");
    environment.run(&format!("apply {options} --auto-approve")).expect(0);
    let told = environment.run(&format!("plan {options} --detailed-exitcode")).expect(0);
    assert!(told.contains("(45 resources read)"), "{told}");
    environment.run(&format!("destroy {options} --auto-approve")).expect(0);
    let clusters = environment.behind("aws eks list-clusters");
    assert!(!clusters.contains("testskillcluster"), "{clusters}");
    let vpcs = environment.behind("aws ec2 describe-vpcs");
    assert!(vpcs.contains("10.42.0.0/16"), "{vpcs}");
}

#[test]
fn a_cluster_is_the_same_in_its_own_network_and_in_another() {
    let spec = |path: &str, kind: &str| -> Vec<String> {
        let text = TestEnvironment::shipped().read(&format!("manifests/10-foundation/{path}"));
        let document = text.split("\n---\n").find(|one| one.contains(&format!("kind: {kind}")));
        let lines = document.unwrap().split_once("\nspec:\n").unwrap().1.lines();
        let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
        lines.filter(|line| !line.to_lowercase().contains("subnet")).map(str::to_owned).collect()
    };
    for (path, kind) in [("cluster.yaml", "EksCluster"), ("nodes.yaml", "EksNodegroup")] {
        assert_eq!(spec(path, kind), spec("existing-network.yaml", kind), "{kind}");
    }
}

#[test]
fn the_wide_policy_is_a_choice_and_the_other_one_fits_every_region() {
    let environment = TestEnvironment::shipped();
    let document = |options: &str| -> Json {
        let plan = environment.run(&format!("plan --exec sandbox --json {options}")).json();
        let changes = plan["changes"].as_array().unwrap();
        let is_it = |change: &&Json| change["address"] == "IamPolicy.karpenter-controller";
        let change = changes.iter().find(is_it).unwrap();
        let field = change["fields"].as_array().unwrap().iter().find(|field| {
            field["path"].as_array().is_some_and(|path| path == &[Json::from("document")])
        });
        field.unwrap_or_else(|| panic!("{change}"))["after"].clone()
    };
    let sids = |document: &Json| -> Vec<String> {
        let statements = document["Statement"].as_array().unwrap().iter();
        statements.map(|one| text(&one["Sid"]).to_owned()).collect()
    };
    let scoped = document("");
    // Nothing is made, changed or ended but what bears the cluster's tag.
    for statement in scoped["Statement"].as_array().unwrap() {
        let actions = statement["Action"].to_string();
        let changes = ["Terminate", "Delete", "Create", "AddRole", "RemoveRole", "Tag"];
        let scoped = statement["Condition"].to_string().contains("testskillcluster");
        let is_of_queue = actions.contains("sqs:");
        let starts = text(&statement["Sid"]) == "StartFromWhatIsThere";
        if changes.iter().any(|verb| actions.contains(verb)) && !is_of_queue && !starts {
            assert!(scoped, "{statement}");
        }
    }
    assert_eq!(sids(&scoped).len(), 17);
    let wide = document("--var karpenterPolicy=seed");
    assert_eq!(sids(&wide)[0], "KarpenterCore");
    // The longest names there are still fit into a policy.
    let long = document(&format!("--var cluster={} --region ap-southeast-2", "a".repeat(24)));
    let size = long.to_string().chars().filter(|one| !one.is_whitespace()).count();
    assert!(size <= 6144, "{size}");
}
