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
        "keep it: nothing brings its data back; or set `forceDestroy: true`",
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
    println!("{told}");
}
