//! What is read of the network and the nodes.

use serde_json::{Value, json};

use super::{Account, Fails, Shows};

fn count(value: &Value) -> usize {
    value.as_array().map_or(0, Vec::len)
}

#[test]
fn the_cluster_and_its_network_belong_together() {
    let mut account = Account::new();
    let cluster = account.ok("eks describe-cluster --name testskillcluster");
    let config = &cluster["cluster"]["resourcesVpcConfig"];
    let vpc = config["vpcId"].as_str().unwrap();
    let group = config["clusterSecurityGroupId"].as_str().unwrap();

    let subnets = account.ok(&format!("ec2 describe-subnets --filters Name=vpc-id,Values={vpc}"));
    assert_eq!(count(&subnets["Subnets"]), 6);
    assert_eq!(count(&config["subnetIds"]), 6);
    let public =
        account.ok("ec2 describe-subnets --filters Name=tag:kubernetes.io/role/elb,Values=1");
    assert_eq!(count(&public["Subnets"]), 3);
    let everywhere = account.ok("ec2 describe-subnets");
    assert_eq!(count(&everywhere["Subnets"]), 7, "one subnet belongs to another network");

    let groups =
        account.ok(&format!("ec2 describe-security-groups --filters Name=vpc-id,Values={vpc}"));
    assert_eq!(count(&groups["SecurityGroups"]), 3);
    account.play(&[
        (
            &format!("ec2 describe-security-groups --group-ids {group}"),
            Shows(json!({"SecurityGroups": [{"GroupId": group, "VpcId": vpc}]})),
        ),
        (
            "ec2 describe-security-groups --filters Name=group-name,Values=office-*",
            Shows(json!({"SecurityGroups": [{"GroupName": "office-bastion"}]})),
        ),
        (
            "ec2 describe-vpcs --filters Name=tag:Name,Values=eksctl-testskillcluster-cluster/VPC",
            Shows(json!({"Vpcs": [{"VpcId": vpc, "IsDefault": false}]})),
        ),
        ("ec2 describe-vpcs --region eu-west-1", Shows(json!({"Vpcs": []}))),
    ]);
}

#[test]
fn what_does_not_exist() {
    Account::new().play(&[
        (
            "ec2 describe-subnets --subnet-ids subnet-0000",
            Fails("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0000' does not exist"),
        ),
        (
            "ec2 describe-subnets --subnet-ids subnet-0000 subnet-1111",
            Fails(
                "InvalidSubnetID.NotFound",
                "The subnet IDs 'subnet-0000, subnet-1111' do not exist",
            ),
        ),
        (
            "ec2 describe-vpcs --vpc-ids vpc-0000",
            Fails("InvalidVpcID.NotFound", "The vpc ID 'vpc-0000' does not exist"),
        ),
        (
            "ec2 describe-security-groups --group-ids sg-0000",
            Fails("InvalidGroup.NotFound", "The security group 'sg-0000' does not exist"),
        ),
        (
            "ec2 describe-security-groups --group-ids x",
            Fails("InvalidGroupId.Malformed", "Invalid id: \"x\" (expecting \"sg-...\")"),
        ),
        (
            "ec2 describe-instances --instance-ids i-0000",
            Fails("InvalidInstanceID.NotFound", "The instance ID 'i-0000' does not exist"),
        ),
        (
            "ec2 describe-launch-templates --launch-template-ids lt-0000",
            Fails(
                "InvalidLaunchTemplateId.NotFound",
                "The specified launch template, with template ID lt-0000, does not exist.",
            ),
        ),
        (
            "ec2 describe-subnets --filters Name=foo,Values=x",
            Fails("InvalidParameterValue", "The filter 'foo' is invalid"),
        ),
    ]);
}

#[test]
fn nodes() {
    let mut account = Account::new();
    let found = account.ok("ec2 describe-instances --filters Name=tag:eks:nodegroup-name,Values=standardworkers Name=instance-state-name,Values=running");
    assert_eq!(count(&found["Reservations"]), 2);
    let instance = found["Reservations"][0]["Instances"][0]["InstanceId"].as_str().unwrap();
    for (line, list) in [
        (format!("ec2 describe-network-interfaces --filters Name=attachment.instance-id,Values={instance}"), "NetworkInterfaces"),
        (format!("ec2 describe-volumes --filters Name=attachment.instance-id,Values={instance}"), "Volumes"),
        ("ec2 describe-launch-templates --launch-template-names eksctl-testskillcluster-nodegroup-standardworkers".to_owned(), "LaunchTemplates"),
    ] {
        assert_eq!(count(&account.ok(&line)[list]), 1, "{line}");
    }
    account.play(&[(
        "ec2 describe-instances --filters Name=tag:karpenter.sh/nodepool,Values=*",
        Shows(json!({"Reservations": []})),
    )]);
}
