//! Where data lies and how it is reached: buckets, networks, certificates, zones
//! and records.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::Case;
use crate::stacks::{BUCKET, NETWORK, RECORD};
use crate::stage::{Stage, owned};
use crate::world::{Backend, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_bucket_lives", on: LOCAL, needs: None, run: bucket },
    Case { name: "a_bucket_with_data_stays", on: LOCAL, needs: None, run: full_bucket },
    Case { name: "a_stack_lives", on: LOCAL, needs: None, run: stack },
    Case { name: "a_stack_that_fails_tells_why", on: LOCAL, needs: None, run: failing_stack },
    Case { name: "the_shipped_network_comes_and_goes", on: SANDBOX, needs: None, run: network },
    Case { name: "a_record_lives", on: LOCAL, needs: None, run: record },
    Case { name: "a_certificate_is_found", on: LOCAL, needs: None, run: certificate },
];

const SANDBOX: &[Backend] = &[Backend::Sandbox];

fn bucket(stage: &Stage) {
    const ADDRESS: &str = "S3Bucket.lake";
    let name = format!("lake-{}", stage.world.account());
    stage.write_stack(&[("bucket.yaml", BUCKET)]);
    stage.apply();
    stage.expect_clean();
    let get = |operation: &str| stage.aws(&format!("s3api {operation} --bucket {name}"));
    assert_eq!(get("get-bucket-location")["LocationConstraint"], "us-east-2");
    assert_eq!(get("get-bucket-versioning")["Status"], "Enabled");
    let block = get("get-public-access-block")["PublicAccessBlockConfiguration"].clone();
    assert!(block.as_object().unwrap().values().all(|on| *on == true), "{block}");
    let rules = get("get-bucket-lifecycle-configuration")["Rules"].clone();
    assert_eq!(rules[0]["Expiration"]["Days"], 30);

    // Others add a rule and a tag, and undo one of ours.
    let mut theirs = rules.as_array().unwrap().clone();
    theirs.push(json!({
        "ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
        "Expiration": {"Days": 1},
    }));
    theirs[0]["Expiration"]["Days"] = json!(3);
    let put = format!("s3api put-bucket-lifecycle-configuration --bucket {name}");
    let document = json!({ "Rules": theirs }).to_string();
    stage.aws_with(&format!("{put} --lifecycle-configuration"), &[&document]);
    stage.aws(&format!(
        "s3api put-bucket-tagging --bucket {name} --tagging \
         TagSet=[{{Key=team,Value=lake}},{{Key=owner,Value=someone}}]"
    ));
    stage.aws(&format!("s3api delete-public-access-block --bucket {name}"));
    let plan = stage.plan();
    plan.expect_only(ADDRESS, "update");
    let fields: Vec<_> = plan.fields(ADDRESS).into_iter().map(|(path, _)| path).collect();
    assert!(fields.contains(&"lifecycle/lkh-expire".to_owned()), "{fields:?}");
    assert_eq!(fields.len(), 5, "{fields:?}");
    let foreign = plan.foreign(ADDRESS);
    assert_eq!(foreign, ["lifecycle/theirs", "tags/owner"]);

    // A field changes, too.
    stage.edit("bucket.yaml", "{team: lake}", "{team: river}");
    stage.apply();
    stage.expect_clean();
    let rules = get("get-bucket-lifecycle-configuration")["Rules"].clone();
    let days = |id: &str| {
        let found = rules.as_array().unwrap().iter().find(|rule| rule["ID"] == id);
        found.unwrap()["Expiration"]["Days"].clone()
    };
    assert_eq!((days("lkh-expire"), days("theirs")), (json!(30), json!(1)));
    let tags = get("get-bucket-tagging")["TagSet"].clone();
    let tags: BTreeSet<_> = tags
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (owned(&tag["Key"]), owned(&tag["Value"])))
        .collect();
    let expected = [("owner", "someone"), ("team", "river")];
    assert_eq!(tags, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());

    // Without the state it is found again.
    stage.lose_state();
    stage.plan().expect_only(ADDRESS, "adopt");
    stage.apply();
    // No longer declared, and empty: it goes.
    std::fs::remove_file(stage.manifests().join("bucket.yaml")).unwrap();
    stage.plan().expect_only(ADDRESS, "delete");
    stage.apply();
    assert!(stage.aws_error(&format!("s3api head-bucket --bucket {name}")).contains("404"));
}

fn full_bucket(stage: &Stage) {
    const ADDRESS: &str = "S3Bucket.lake";
    let name = format!("lake-{}", stage.world.account());
    let file = stage.scratch().join("body");
    std::fs::write(&file, "data").unwrap();
    stage.write_stack(&[("bucket.yaml", BUCKET)]);
    stage.apply();
    let put = |key: &str| {
        // The sandbox takes bodies by standard input alone.
        if stage.backend == Backend::Sandbox {
            stage.aws(&format!("s3api put-object --bucket {name} --key {key} --body /dev/stdin"));
        } else {
            let body = file.display();
            stage.aws(&format!("s3api put-object --bucket {name} --key {key} --body {body}"));
        }
    };
    put("a/one");
    put("a/one");
    put("two");
    stage.aws(&format!("s3api delete-object --bucket {name} --key two"));
    stage.lkh(&["destroy", "--auto-approve"]).expect(1).expect_says(&[
        "BucketNotEmpty",
        "4 objects and versions",
        "forceDestroy: true",
    ]);
    assert_eq!(
        stage.aws(&format!("s3api head-bucket --bucket {name}"))["BucketRegion"],
        "us-east-2"
    );
    // Told to, it is emptied with all versions, by commands that the plan shows.
    stage.write("bucket.yaml", &(BUCKET.to_owned() + "  forceDestroy: true\n"));
    stage.apply();
    let plan = stage.plan_with(&["--destroy"]);
    let commands = plan.commands(ADDRESS);
    assert!(commands[0].contains("delete-objects"), "{commands:?}");
    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    assert!(stage.aws_error(&format!("s3api head-bucket --bucket {name}")).contains("404"));
    // A name that others have taken is not made, and not touched.
    if stage.backend == Backend::Sandbox {
        stage.write("bucket.yaml", &BUCKET.replace("lake-${account.id}", "lakehouse"));
        let plan = stage.plan();
        assert_eq!(plan.of(ADDRESS)["blockers"][0]["code"], "BucketOfSomeoneElse", "{plan}");
        let before = stage.intents().len();
        stage.lkh(&["apply", "--auto-approve"]).expect(1);
        assert_eq!(stage.intents().len(), before);
    }
}

fn resources(stage: &Stage, name: &str) -> BTreeSet<String> {
    let found = stage.aws(&format!("cloudformation describe-stack-resources --stack-name {name}"));
    let found = found["StackResources"].as_array().unwrap().clone();
    found.iter().map(|one| owned(&one["LogicalResourceId"])).collect()
}

fn stack(stage: &Stage) {
    const ADDRESS: &str = "CloudFormationStack.network";
    stage.write_stack(&[("network.yaml", NETWORK)]);
    stage.apply();
    stage.expect_clean();
    let all = ["Gateway", "Attachment", "SubnetA", "SubnetB", "Vpc"];
    assert_eq!(resources(stage, "contract-network"), all.map(str::to_owned).into());
    let state = stage.state_json();
    let outputs = &state["resources"][ADDRESS]["applied"]["outputs"];
    let vpc = owned(&outputs["VpcId"]);
    let found = stage.aws(&format!("ec2 describe-subnets --filters Name=vpc-id,Values={vpc}"));
    let ids: BTreeSet<_> =
        found["Subnets"].as_array().unwrap().iter().map(|s| owned(&s["SubnetId"])).collect();
    let told: BTreeSet<_> = outputs["SubnetIds"].as_array().unwrap().iter().map(owned).collect();
    assert_eq!(ids, told);
    // What refers to the list got a list.
    for id in &ids {
        let tags = stage.aws(&format!("ec2 describe-tags --filters Name=resource-id,Values={id}"));
        let tags = tags["Tags"].as_array().unwrap().clone();
        assert!(tags.iter().any(|tag| tag["Key"] == "lake"), "{tags:?}");
    }

    // Others change a parameter, and add a tag.
    stage.aws(
        "cloudformation update-stack --stack-name contract-network --use-previous-template \
         --parameters ParameterKey=Owner,ParameterValue=someone \
         --tags Key=team,Value=lake Key=theirs,Value=1",
    );
    settled(stage, "contract-network");
    let plan = stage.plan();
    plan.expect_only(ADDRESS, "update").expect_drift(ADDRESS, &["parameters/Owner"]);
    assert_eq!(plan.foreign(ADDRESS), ["tags/theirs"]);
    // A subnet more, by the manifest.
    stage.edit(
        "network.yaml",
        "    Outputs:\n",
        "      SubnetC:\n        Type: AWS::EC2::Subnet\n        Properties: {VpcId: {Ref: Vpc}, \
         CidrBlock: 10.7.3.0/24}\n    Outputs:\n",
    );
    stage.apply();
    stage.expect_clean();
    assert!(resources(stage, "contract-network").contains("SubnetC"));
    let found = stage.aws("cloudformation describe-stacks --stack-name contract-network");
    let tags = found["Stacks"][0]["Tags"].as_array().unwrap().clone();
    assert!(tags.iter().any(|tag| tag["Key"] == "theirs"), "{tags:?}");

    // What a stack can't be told by a name is said before anything runs.
    stage.edit("network.yaml", "network.SubnetIds", "network.SubnetIdz");
    stage.lkh(&["validate"]).expect(1).expect_says(&["unknown output", "network.SubnetIds"]);
    stage.edit("network.yaml", "network.SubnetIdz", "network.SubnetIds");

    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    let error = stage.aws_error("cloudformation describe-stacks --stack-name contract-network");
    assert!(error.contains("does not exist"), "{error}");
    assert!(stage.aws_error(&format!("ec2 describe-vpcs --vpc-ids {vpc}")).contains("NotFound"));
}

/// Waits for a change that someone else made.
fn settled(stage: &Stage, name: &str) {
    for _ in 0..50 {
        let found = stage.aws(&format!("cloudformation describe-stacks --stack-name {name}"));
        if owned(&found["Stacks"][0]["StackStatus"]).ends_with("_COMPLETE") {
            return;
        }
    }
    panic!("the stack {name} does not settle");
}

fn failing_stack(stage: &Stage) {
    const ADDRESS: &str = "CloudFormationStack.network";
    // A subnet outside of its network: no service takes that. The emulator does,
    // so there an endpoint of a network that is not there stands in.
    let broken = if stage.backend == Backend::Sandbox {
        NETWORK.replace("10.7.2.0/24", "10.9.2.0/24")
    } else {
        NETWORK.replace("Type: AWS::EC2::VPCGatewayAttachment", "Type: AWS::Nobody::Knows")
    };
    stage.write_stack(&[("network.yaml", &broken)]);
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    if stage.backend == Backend::Sandbox {
        let run = run.expect_says(&["ROLLBACK_COMPLETE", "SubnetB (AWS::EC2::Subnet)"]);
        run.expect_says(&["The CIDR '10.9.2.0/24' is invalid."]);
        // It can't be mended: what comes next deletes it and makes it anew.
        stage.write("network.yaml", NETWORK);
        let plan = stage.plan();
        assert_eq!(plan.action(ADDRESS), "replace", "{plan}");
        assert_eq!(plan.of(ADDRESS)["reason"]["code"], "outdated", "{plan}");
        let commands = plan.commands(ADDRESS);
        assert!(commands[1].contains("wait stack-delete-complete"), "{commands:?}");
        stage.apply();
        stage.expect_clean();
        // An update that fails leaves what was there, and says why.
        stage.write("network.yaml", &broken);
        stage.lkh(&["apply", "--auto-approve"]).expect(1).expect_says(&[
            "StackRolledBack",
            "UPDATE_ROLLBACK_COMPLETE",
            "SubnetB (AWS::EC2::Subnet)",
        ]);
        stage.write("network.yaml", NETWORK);
        stage.expect_clean();
    } else {
        // Refused outright, or made and rolled back: the emulator has its own way.
        let run = run.expect_says(&["Nobody::Knows"]);
        assert!(!run.stdout.contains("1 added"), "{run}");
    }
}

fn network(stage: &Stage) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/10-foundation/network.yaml");
    let text = std::fs::read_to_string(file).unwrap().replace("phase: foundation", "phase: main");
    stage.write_stack(&[("network.yaml", &text)]);
    stage.edit(
        "stack.yaml",
        "  phases:",
        "    natGateways: {description: How many.}\n    vpcCidr: {default: 10.42.0.0/16}\n    \
         clusterOwner: {default: lkh, allowed: [lkh]}\n    network: {default: create, allowed: \
         [create]}\n  phases:",
    );
    stage.set("natGateways", "one");
    let before = |what: &str, list: &str| -> Vec<Json> {
        stage.aws(&format!("ec2 {what}"))[list].as_array().unwrap().clone()
    };
    stage.aws("sts get-caller-identity");
    let vpcs = before("describe-vpcs", "Vpcs").len();
    stage.apply();
    stage.expect_clean();
    let outputs =
        stage.state_json()["resources"]["CloudFormationStack.network"]["applied"]["outputs"]
            .clone();
    let vpc = owned(&outputs["VpcId"]);
    assert_eq!(outputs["SubnetIds"].as_array().unwrap().len(), 6);
    let of_vpc = format!("Name=vpc-id,Values={vpc}");
    let subnets = stage.aws(&format!("ec2 describe-subnets --filters {of_vpc}"))["Subnets"].clone();
    let subnets = subnets.as_array().unwrap();
    for (tag, public, list) in [
        ("kubernetes.io/role/elb", true, "PublicSubnetIds"),
        ("kubernetes.io/role/internal-elb", false, "PrivateSubnetIds"),
    ] {
        let found: Vec<_> = subnets
            .iter()
            .filter(|subnet| subnet["MapPublicIpOnLaunch"] == public)
            .filter(|s| s["Tags"].as_array().unwrap().iter().any(|one| one["Key"] == tag))
            .collect();
        let zones: BTreeSet<_> = found.iter().map(|s| owned(&s["AvailabilityZone"])).collect();
        let ids: BTreeSet<_> = found.iter().map(|s| owned(&s["SubnetId"])).collect();
        let told: BTreeSet<_> = outputs[list].as_array().unwrap().iter().map(owned).collect();
        assert_eq!((zones.len(), ids), (3, told), "{tag}");
    }
    // From the private subnets out by the NAT gateway, to S3 by the endpoint.
    let nat =
        stage.aws(&format!("ec2 describe-nat-gateways --filter {of_vpc}"))["NatGateways"].clone();
    assert_eq!(nat.as_array().unwrap().len(), 1);
    let by_nat = format!("Name=route.nat-gateway-id,Values={}", owned(&nat[0]["NatGatewayId"]));
    let tables = |filter: &str| -> Vec<Json> {
        let found = stage.aws(&format!("ec2 describe-route-tables --filters {filter}"));
        found["RouteTables"].as_array().unwrap().clone()
    };
    let through = tables(&by_nat);
    assert!(through.iter().all(|table| table["Associations"].as_array().unwrap().len() == 1));
    assert_eq!(through.len(), 3);
    let endpoints = stage.aws(&format!("ec2 describe-vpc-endpoints --filters {of_vpc}"));
    assert_eq!(endpoints["VpcEndpoints"][0]["ServiceName"], "com.amazonaws.us-east-2.s3");
    assert_eq!(endpoints["VpcEndpoints"][0]["RouteTableIds"].as_array().unwrap().len(), 4);

    // A way out in each zone, each in its own public subnet; then none at all.
    stage.set("natGateways", "each-zone");
    stage.plan().expect_only("CloudFormationStack.network", "update");
    stage.apply();
    stage.expect_clean();
    let list = format!("ec2 describe-nat-gateways --filter {of_vpc}");
    let nats = stage.aws(&list)["NatGateways"].as_array().unwrap().clone();
    let places: BTreeSet<_> = nats.iter().map(|nat| owned(&nat["SubnetId"])).collect();
    assert_eq!(places.len(), 3, "{nats:?}");
    for nat in &nats {
        let by_nat = format!("Name=route.nat-gateway-id,Values={}", owned(&nat["NatGatewayId"]));
        assert_eq!(tables(&by_nat).len(), 1);
    }
    stage.set("natGateways", "none");
    stage.apply();
    stage.expect_clean();
    assert_eq!(stage.aws(&list)["NatGateways"], json!([]));
    assert_eq!(before("describe-addresses", "Addresses"), Vec::<Json>::new());

    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    assert_eq!(before("describe-vpcs", "Vpcs").len(), vpcs);
    for (what, list) in [
        ("describe-nat-gateways", "NatGateways"),
        ("describe-addresses", "Addresses"),
        ("describe-internet-gateways", "InternetGateways"),
        ("describe-route-tables", "RouteTables"),
        ("describe-vpc-endpoints", "VpcEndpoints"),
    ] {
        assert_eq!(before(what, list), Vec::<Json>::new(), "{what}");
    }
}

fn zone(stage: &Stage) -> String {
    if stage.backend != Backend::Sandbox {
        stage.aws("route53 create-hosted-zone --name example.com --caller-reference contract");
    }
    let zones = stage.aws("route53 list-hosted-zones")["HostedZones"].clone();
    owned(&zones[0]["Id"]).trim_start_matches("/hostedzone/").to_owned()
}

fn record(stage: &Stage) {
    const ADDRESS: &str = "Route53Record.lakehouse";
    stage.write_stack(&[("record.yaml", RECORD)]);
    let zone = zone(stage);
    let found = || -> Option<Json> {
        let list = format!("route53 list-resource-record-sets --hosted-zone-id {zone}");
        let sets = stage.aws(&list)["ResourceRecordSets"].as_array().unwrap().clone();
        let is_it = |set: &Json| set["Name"] == "lakehouse.k8.example.com.";
        sets.into_iter().find(is_it)
    };
    let change = |action: &str, value: &str| {
        let batch = json!({"Changes": [{"Action": action, "ResourceRecordSet": {
            "Name": "lakehouse.k8.example.com", "Type": "CNAME", "TTL": 60,
            "ResourceRecords": [{"Value": value}],
        }}]});
        let change =
            format!("route53 change-resource-record-sets --hosted-zone-id {zone} --change-batch");
        stage.aws_with(&change, &[&batch.to_string()]);
    };
    // One that somebody made before is adopted and set.
    change("CREATE", "old.example.net");
    stage.plan().expect_only(ADDRESS, "adopt");
    stage.apply();
    stage.expect_clean();
    let value = |set: &Json| owned(&set["ResourceRecords"][0]["Value"]);
    assert_eq!(value(&found().unwrap()).trim_end_matches('.'), "lb.us-east-2.elb.amazonaws.com");
    change("UPSERT", "elsewhere.example.net");
    stage.plan().expect_only(ADDRESS, "update").expect_drift(ADDRESS, &["ttl", "values"]);
    stage.edit("record.yaml", "ttl: 120", "ttl: 240");
    stage.apply();
    assert_eq!(found().unwrap()["TTL"], 240);
    stage.expect_clean();
    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    assert_eq!(found(), None);
    // No zone: what there is instead is told, and nothing that needs it goes on.
    stage.edit("record.yaml", "domainName: lakehouse.k8.example.com", "domainName: a.example.org");
    let plan = stage.plan();
    assert_eq!(plan.of("Route53Zone.main")["blockers"][0]["code"], "ZoneMissing", "{plan}");
    assert_eq!(plan.action(ADDRESS), "unknown", "{plan}");
}

fn certificate(stage: &Stage) {
    const ADDRESS: &str = "AcmCertificate.site";
    if stage.backend != Backend::Sandbox {
        // The emulator issues at once.
        for name in ["*.k8.example.com", "example.com"] {
            stage.aws(&format!("acm request-certificate --domain-name {name}"));
        }
    }
    let manifest = |domain: &str| {
        format!(
            "apiVersion: lkh/v1\nkind: AcmCertificate\nmetadata: {{name: site, phase: main}}\n\
             external: true\nspec: {{domainName: {domain}}}\n"
        )
    };
    stage.write_stack(&[("certificate.yaml", &manifest("lakehouse.k8.example.com"))]);
    stage.expect_clean();
    stage.write("certificate.yaml", &manifest("a.b.k8.example.com"));
    let plan = stage.plan();
    let blocker = &plan.of(ADDRESS)["blockers"][0];
    assert_eq!(blocker["code"], "CertificateMissing", "{plan}");
    let message = owned(&blocker["message"]);
    for text in ["*.k8.example.com", "example.com", "it does not cover a.b.k8.example.com"] {
        assert!(message.contains(text), "{message}");
    }
}
