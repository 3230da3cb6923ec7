//! Tags of EC2 resources.

use serde_json::{Value, json};

use super::{Account, Fails, Nothing, Refused, Shows, text};

fn private_subnet(account: &mut Account) -> String {
    let found = account.ok("ec2 describe-subnets --filters Name=tag-key,Values=kubernetes.io/role/internal-elb Name=availability-zone,Values=us-east-2a");
    found["Subnets"][0]["SubnetId"].as_str().unwrap().to_owned()
}

fn tags(account: &mut Account, id: &str) -> Vec<(String, String)> {
    let listed = account.ok(&format!("ec2 describe-tags --filters Name=resource-id,Values={id}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tags = listed["Tags"].as_array().unwrap();
    tags.iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

#[test]
fn creating_sets_only_what_is_named() {
    let mut account = Account::new();
    let id = private_subnet(&mut account);
    let before = tags(&mut account, &id);
    account
        .ok(&format!("ec2 create-tags --resources {id} --tags Key=karpenter.sh/discovery,Value=c"));
    account
        .ok(&format!("ec2 create-tags --resources {id} --tags Key=karpenter.sh/discovery,Value=d"));
    let mut after = tags(&mut account, &id);
    after.retain(|(key, _)| key != "karpenter.sh/discovery");
    assert_eq!(before, after);
    account.play(&[(
        "ec2 describe-subnets --filters Name=tag:karpenter.sh/discovery,Values=d",
        Shows(json!({"Subnets": [{"SubnetId": id}]})),
    )]);
}

#[test]
fn deleting_by_key_by_pair_and_all() {
    let mut account = Account::new();
    let id = private_subnet(&mut account);
    account.ok(&format!(
        "ec2 create-tags --resources {id} --tags Key=a,Value=1 Key=b,Value=2 Key=c,Value="
    ));
    let has =
        |account: &mut Account, key: &str| tags(account, &id).iter().any(|(found, _)| found == key);

    account.ok(&format!("ec2 delete-tags --resources {id} --tags Key=a,Value=other"));
    assert!(has(&mut account, "a"), "another value is left alone");
    account.ok(&format!("ec2 delete-tags --resources {id} --tags Key=c,Value= Key=b"));
    assert!(!has(&mut account, "b") && !has(&mut account, "c"));
    account.ok(&format!("ec2 delete-tags --resources {id}"));
    let left = tags(&mut account, &id);
    assert!(!left.is_empty() && left.iter().all(|(key, _)| key.starts_with("aws:")));
}

#[test]
fn nothing_is_done_unless_every_resource_exists() {
    let mut account = Account::new();
    let id = private_subnet(&mut account);
    account.play(&[
        (
            &format!("ec2 create-tags --resources {id} subnet-0000 --tags Key=a,Value=b"),
            Fails("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0000' does not exist"),
        ),
        (
            "ec2 create-tags --resources sg-0000 --tags Key=a,Value=b",
            Fails("InvalidGroup.NotFound", "The security group 'sg-0000' does not exist"),
        ),
        (
            "ec2 create-tags --resources foo --tags Key=a,Value=b",
            Fails("InvalidID", "The ID 'foo' is not valid"),
        ),
        (
            &format!("ec2 create-tags --resources {id}"),
            Refused("the following arguments are required: --tags"),
        ),
        (
            &format!("ec2 create-tags --resources {id} --tags Key=aws:x,Value=b"),
            Fails(
                "InvalidParameterValue",
                "Tag keys starting with 'aws:' are reserved for internal use",
            ),
        ),
        (
            &format!("ec2 create-tags --resources {id} --tags Key=a,Value=b --dry-run"),
            Fails("DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
        ),
        ("ec2 describe-tags --filters Name=key,Values=a", Shows(json!({"Tags": []}))),
        (
            "ec2 delete-tags --resources subnet-0000",
            Fails("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0000' does not exist"),
        ),
        (&format!("ec2 create-tags --resources {id} --tags Key=a,Value=b"), Nothing),
    ]);
    let many: Vec<String> = (0..50).map(|at| format!("Key=k{at},Value=v")).collect();
    let output =
        account.run(&format!("ec2 create-tags --resources {id} --tags {}", many.join(" ")));
    assert!(text(&output.stderr).contains("(TagLimitExceeded)"));
}

#[test]
fn tags_are_found_by_filters() {
    let mut account = Account::new();
    account.play(&[
        ("ec2 describe-tags --filters Name=key,Values=CostCenter Name=value,Values=0815", Shows(json!({"Tags": [{"Key": "CostCenter", "ResourceType": "security-group", "Value": "0815"}]}))),
        ("ec2 describe-tags --filters Name=foo,Values=x", Fails("InvalidParameterValue", "The filter 'foo' is invalid")),
        ("ec2 describe-tags --filters Name=resource-id,Values=subnet-0000", Shows(json!({"Tags": []}))),
    ]);
    let all = account.ok(
        "ec2 describe-tags --filters Name=key,Values=CostCenter Name=resource-type,Values=subnet",
    );
    assert_eq!(all["Tags"].as_array().map(Vec::len), Some(6));
}
