//! Security groups, as EKS and the seed make them.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT};
use super::key;
use crate::sandbox::world::World;

/// Makes a security group that lets itself in and everything out; its id.
pub fn put(world: &mut World, region: &str, vpc: &str, name: &str, description: &str) -> String {
    let id = facts::ec2_id(world, "sg");
    let permission = |from_itself: bool| -> Value {
        let pairs =
            if from_itself { json!([{ "UserId": ACCOUNT, "GroupId": id }]) } else { json!([]) };
        let ranges = if from_itself { json!([]) } else { json!([{ "CidrIp": "0.0.0.0/0" }]) };
        json!([{
            "IpProtocol": "-1",
            "UserIdGroupPairs": pairs,
            "IpRanges": ranges,
            "Ipv6Ranges": [],
            "PrefixListIds": [],
        }])
    };
    let resource = json!({
        "GroupId": id,
        "IpPermissionsEgress": permission(false),
        "VpcId": vpc,
        "SecurityGroupArn": format!("arn:aws:ec2:{region}:{ACCOUNT}:security-group/{id}"),
        "OwnerId": ACCOUNT,
        "GroupName": name,
        "Description": description,
        "IpPermissions": permission(true),
    });
    world.put(key(region, "sg", &id), resource);
    id
}
