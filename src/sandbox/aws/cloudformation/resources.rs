//! The resource types that templates may hold: how each is made in the
//! sandbox's EC2, and removed from it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::ec2;
use super::super::facts::{self, ACCOUNT, to_millisecond};
use super::super::model::{Fault, fault};
use super::template::{block, plain};
use super::text;
use crate::sandbox::world::World;

const KNOWN: &[&str] = &[
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
];

/// Whether a type of resource is simulated.
pub(super) fn is_known(kind: &str) -> bool {
    KNOWN.contains(&kind)
}

/// Whether a new one may be there before the old one goes.
pub(super) fn may_be_two(kind: &str) -> bool {
    !matches!(
        kind,
        "AWS::EC2::Route"
            | "AWS::EC2::Subnet"
            | "AWS::EC2::SubnetRouteTableAssociation"
            | "AWS::EC2::VPCGatewayAttachment"
    )
}

/// Where resources are made.
pub(super) struct Place<'a> {
    /// The region.
    pub region: &'a str,
}

type Made = (String, Value);

impl Place<'_> {
    fn key(&self, id: &str) -> String {
        let prefix = id.split('-').next().unwrap_or_default();
        ec2::key(self.region, prefix, id)
    }

    fn get(&self, world: &World, id: &str) -> Value {
        world.get(&self.key(id)).cloned().unwrap_or_default()
    }

    fn put(&self, world: &mut World, id: &str, resource: Value) {
        world.put(self.key(id), resource);
    }

    /// Sets the tags of a resource of EC2; anything else has none.
    pub fn retag(
        &self,
        world: &mut World,
        id: &str,
        before: &Value,
        tags: &BTreeMap<String, String>,
    ) {
        if world.get(&self.key(id)).is_none() {
            return;
        }
        for name in before.as_object().into_iter().flat_map(|before| before.keys()) {
            if !tags.contains_key(name) {
                world.remove(&ec2::key(self.region, "tag", &format!("{id}/{name}")));
            }
        }
        for (name, value) in tags {
            ec2::put_tag(world, self.region, id, name, value);
        }
    }

    /// Makes a resource; its id and its attributes.
    pub fn make(&self, world: &mut World, kind: &str, asked: &Value) -> Result<Made, Fault> {
        match kind {
            "AWS::EC2::VPC" => Ok(self.vpc(world, asked)),
            "AWS::EC2::Subnet" => self.subnet(world, asked),
            "AWS::EC2::InternetGateway" => {
                let id = facts::ec2_id(world, "igw");
                let gateway =
                    json!({"Attachments": [], "InternetGatewayId": id, "OwnerId": ACCOUNT});
                self.put(world, &id, gateway);
                Ok((id.clone(), json!({"InternetGatewayId": id})))
            }
            "AWS::EC2::VPCGatewayAttachment" => {
                let (gateway, vpc) = (text(asked, "InternetGatewayId"), text(asked, "VpcId"));
                let mut found = self.get(world, gateway);
                found["Attachments"] = json!([{"State": "available", "VpcId": vpc}]);
                self.put(world, gateway, found);
                Ok((format!("IGW|{vpc}"), json!({})))
            }
            "AWS::EC2::EIP" => {
                let id = facts::ec2_id(world, "eipalloc");
                let number = world.next("ec2/address");
                let address = Ipv4Addr::from_bits(0x0312_0000 + u32::try_from(number).unwrap_or(0));
                let found = json!({
                    "AllocationId": id,
                    "PublicIp": address.to_string(),
                    "Domain": "vpc",
                    "NetworkBorderGroup": self.region,
                });
                self.put(world, &id, found);
                // Its tags hang on the allocation.
                let attributes = json!({"AllocationId": id, "PublicIp": address.to_string()});
                Ok((id, attributes))
            }
            "AWS::EC2::NatGateway" => Ok(self.nat(world, asked)),
            "AWS::EC2::RouteTable" => Ok(self.route_table(world, asked)),
            "AWS::EC2::Route" => self.route(world, asked),
            "AWS::EC2::SubnetRouteTableAssociation" => {
                let (table, subnet) = (text(asked, "RouteTableId"), text(asked, "SubnetId"));
                let id = facts::ec2_id(world, "rtbassoc");
                let mut found = self.get(world, table);
                if let Some(list) = found["Associations"].as_array_mut() {
                    list.push(json!({
                        "Main": false,
                        "RouteTableAssociationId": id,
                        "RouteTableId": table,
                        "SubnetId": subnet,
                        "AssociationState": {"State": "associated"},
                    }));
                }
                self.put(world, table, found);
                Ok((id.clone(), json!({"Id": id})))
            }
            "AWS::EC2::SecurityGroup" => Ok(self.group(world, asked)),
            "AWS::EC2::VPCEndpoint" => Ok(self.endpoint(world, asked)),
            _ => {
                let number = world.next("cloudformation/handle");
                Ok((format!("https://cloudformation-waitcondition/{number}"), json!({})))
            }
        }
    }

    fn vpc(&self, world: &mut World, asked: &Value) -> Made {
        let id = facts::ec2_id(world, "vpc");
        let association = facts::ec2_id(world, "vpc-cidr-assoc");
        let options = facts::ec2_id(world, "dopt");
        let cidr = text(asked, "CidrBlock");
        let found = json!({
            "OwnerId": ACCOUNT,
            "InstanceTenancy": "default",
            "CidrBlockAssociationSet": [{
                "AssociationId": association,
                "CidrBlock": cidr,
                "CidrBlockState": {"State": "associated"},
            }],
            "IsDefault": false,
            "VpcId": id,
            "State": "available",
            "CidrBlock": cidr,
            "DhcpOptionsId": options,
        });
        self.put(world, &id, found);
        let own = json!({
            "VpcId": id,
            "GroupName": "default",
            "GroupDescription": "default VPC security group",
        });
        let (group, _) = self.group(world, &own);
        (id.clone(), json!({"VpcId": id, "CidrBlock": cidr, "DefaultSecurityGroup": group}))
    }

    fn subnet(&self, world: &mut World, asked: &Value) -> Result<Made, Fault> {
        let (vpc, cidr) = (text(asked, "VpcId"), text(asked, "CidrBlock"));
        let of_vpc = self.get(world, vpc);
        let range = |text: &str| {
            let (first, bits) = block(text)?;
            let size = 1_u64 << (32 - bits);
            Some((u64::from(first), u64::from(first) + size))
        };
        let invalid = || fault("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid."));
        let (first, end) = range(cidr).ok_or_else(invalid)?;
        let (from, to) = range(text(&of_vpc, "CidrBlock")).ok_or_else(invalid)?;
        if first < from || end > to {
            return Err(invalid());
        }
        let others = ec2::key(self.region, "subnet", "");
        let conflicts = world
            .scan(&others)
            .filter(|(_, other)| text(other, "VpcId") == vpc)
            .filter_map(|(_, other)| range(text(other, "CidrBlock")))
            .any(|(other, after)| first < after && other < end);
        if conflicts {
            return Err(fault(
                "InvalidSubnet.Conflict",
                format!("The CIDR '{cidr}' conflicts with another subnet"),
            ));
        }
        let id = facts::ec2_id(world, "subnet");
        let first_zone = format!("{}a", self.region);
        let zone = asked.get("AvailabilityZone").and_then(Value::as_str).unwrap_or(&first_zone);
        let letter = zone.chars().next_back().unwrap_or('a');
        let number = u32::from(letter).saturating_sub(u32::from('a')) + 1;
        let public = asked.get("MapPublicIpOnLaunch").map(plain).as_deref() == Some("true");
        let found = json!({
            "AvailabilityZoneId": format!("use2-az{number}"),
            "MapCustomerOwnedIpOnLaunch": false,
            "OwnerId": ACCOUNT,
            "AssignIpv6AddressOnCreation": false,
            "Ipv6CidrBlockAssociationSet": [],
            "SubnetArn": format!("arn:aws:ec2:{}:{ACCOUNT}:subnet/{id}", self.region),
            "EnableDns64": false,
            "Ipv6Native": false,
            "PrivateDnsNameOptionsOnLaunch": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": false,
                "EnableResourceNameDnsAAAARecord": false,
            },
            "SubnetId": id,
            "State": "available",
            "VpcId": vpc,
            "CidrBlock": cidr,
            "AvailableIpAddressCount": (end - first).saturating_sub(5),
            "AvailabilityZone": zone,
            "DefaultForAz": false,
            "MapPublicIpOnLaunch": public,
        });
        self.put(world, &id, found);
        let attributes =
            json!({"SubnetId": id, "VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": zone});
        Ok((id, attributes))
    }

    fn nat(&self, world: &mut World, asked: &Value) -> Made {
        let id = facts::ec2_id(world, "nat");
        let subnet = text(asked, "SubnetId");
        let allocation = text(asked, "AllocationId");
        let address = text(&self.get(world, allocation), "PublicIp").to_owned();
        let found = json!({
            "CreateTime": to_millisecond(world.now()),
            "NatGatewayAddresses": [{"AllocationId": allocation, "PublicIp": address}],
            "NatGatewayId": id,
            "State": "available",
            "SubnetId": subnet,
            "VpcId": self.get(world, subnet)["VpcId"],
            "ConnectivityType": "public",
        });
        self.put(world, &id, found);
        (id.clone(), json!({"NatGatewayId": id}))
    }

    fn route_table(&self, world: &mut World, asked: &Value) -> Made {
        let id = facts::ec2_id(world, "rtb");
        let vpc = text(asked, "VpcId");
        let local = self.get(world, vpc)["CidrBlock"].clone();
        let found = json!({
            "Associations": [],
            "PropagatingVgws": [],
            "RouteTableId": id,
            "Routes": [{
                "DestinationCidrBlock": local,
                "GatewayId": "local",
                "Origin": "CreateRouteTable",
                "State": "active",
            }],
            "VpcId": vpc,
            "OwnerId": ACCOUNT,
        });
        self.put(world, &id, found);
        (id.clone(), json!({"RouteTableId": id}))
    }

    fn route(&self, world: &mut World, asked: &Value) -> Result<Made, Fault> {
        let (table, to) = (text(asked, "RouteTableId"), text(asked, "DestinationCidrBlock"));
        let mut found = self.get(world, table);
        let Some(routes) = found["Routes"].as_array_mut() else {
            return Err(fault(
                "InvalidRouteTableID.NotFound",
                format!("The routeTable ID '{table}' does not exist"),
            ));
        };
        if routes.iter().any(|route| text(route, "DestinationCidrBlock") == to) {
            return Err(fault(
                "RouteAlreadyExists",
                format!("The route identified by {to} already exists."),
            ));
        }
        let mut route =
            json!({"DestinationCidrBlock": to, "Origin": "CreateRoute", "State": "active"});
        for member in ["GatewayId", "NatGatewayId"] {
            if let Some(target) = asked.get(member) {
                route[member] = target.clone();
            }
        }
        routes.push(route);
        self.put(world, table, found);
        Ok((format!("{table}|{to}"), json!({})))
    }

    fn group(&self, world: &mut World, asked: &Value) -> Made {
        let id = facts::ec2_id(world, "sg");
        let permissions = |member: &str| -> Value {
            let list = asked.get(member).and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .map(|rule| {
                    let ranges: Vec<Value> = rule
                        .get("CidrIp")
                        .map(|range| json!({ "CidrIp": range }))
                        .into_iter()
                        .collect();
                    let pairs: Vec<Value> = rule
                        .get("SourceSecurityGroupId")
                        .map(|source| json!({"UserId": ACCOUNT, "GroupId": source}))
                        .into_iter()
                        .collect();
                    let mut one = json!({
                        "IpProtocol": plain(&rule["IpProtocol"]),
                        "UserIdGroupPairs": pairs,
                        "IpRanges": ranges,
                        "Ipv6Ranges": [],
                        "PrefixListIds": [],
                    });
                    for port in ["FromPort", "ToPort"] {
                        if let Ok(number) = plain(&rule[port]).parse::<i64>() {
                            one[port] = Value::from(number);
                        }
                    }
                    one
                })
                .collect()
        };
        let name = asked.get("GroupName").and_then(Value::as_str).unwrap_or(&id).to_owned();
        let found = json!({
            "GroupId": id,
            "IpPermissionsEgress": permissions("SecurityGroupEgress"),
            "VpcId": asked["VpcId"],
            "SecurityGroupArn":
                format!("arn:aws:ec2:{}:{ACCOUNT}:security-group/{id}", self.region),
            "OwnerId": ACCOUNT,
            "GroupName": name,
            "Description": asked["GroupDescription"],
            "IpPermissions": permissions("SecurityGroupIngress"),
        });
        self.put(world, &id, found);
        (id.clone(), json!({"GroupId": id, "VpcId": asked["VpcId"]}))
    }

    fn endpoint(&self, world: &mut World, asked: &Value) -> Made {
        let id = facts::ec2_id(world, "vpce");
        let kind = asked.get("VpcEndpointType").and_then(Value::as_str).unwrap_or("Gateway");
        let found = json!({
            "VpcEndpointId": id,
            "VpcEndpointType": kind,
            "VpcId": asked["VpcId"],
            "ServiceName": asked["ServiceName"],
            "State": "available",
            "RouteTableIds": asked.get("RouteTableIds").cloned().unwrap_or_else(|| json!([])),
            "CreationTimestamp": to_millisecond(world.now()),
            "OwnerId": ACCOUNT,
        });
        self.put(world, &id, found);
        (id.clone(), json!({"Id": id}))
    }

    /// Removes what was made; an error where something else hangs on it.
    pub fn remove(&self, world: &mut World, one: &Value) -> Result<(), Fault> {
        let (kind, id, asked) = (text(one, "type"), text(one, "id"), &one["properties"]);
        match kind {
            "AWS::EC2::VPC" => {
                let group = text(&one["attributes"], "DefaultSecurityGroup").to_owned();
                if let Some(what) = self.inhabitant(world, "VpcId", id, &group) {
                    return Err(in_use("vpc", id, &what));
                }
                self.drop(world, &group);
            }
            "AWS::EC2::Subnet" => {
                if let Some(what) = self.inhabitant(world, "SubnetId", id, "") {
                    return Err(in_use("subnet", id, &what));
                }
            }
            "AWS::EC2::VPCGatewayAttachment" => {
                let gateway = text(asked, "InternetGatewayId");
                let mut found = self.get(world, gateway);
                found["Attachments"] = json!([]);
                self.put(world, gateway, found);
            }
            "AWS::EC2::Route" => {
                let (table, to) =
                    (text(asked, "RouteTableId"), text(asked, "DestinationCidrBlock"));
                let mut found = self.get(world, table);
                if let Some(routes) = found["Routes"].as_array_mut() {
                    routes.retain(|route| text(route, "DestinationCidrBlock") != to);
                }
                self.put(world, table, found);
            }
            "AWS::EC2::SubnetRouteTableAssociation" => {
                let table = text(asked, "RouteTableId");
                let mut found = self.get(world, table);
                if let Some(list) = found["Associations"].as_array_mut() {
                    list.retain(|one| text(one, "RouteTableAssociationId") != id);
                }
                self.put(world, table, found);
            }
            _ => {}
        }
        self.drop(world, id);
        Ok(())
    }

    /// Something of others' that is in a network or a subnet.
    fn inhabitant(&self, world: &World, member: &str, id: &str, own: &str) -> Option<String> {
        ["eni", "i", "subnet", "sg"].iter().find_map(|prefix| {
            let all = ec2::key(self.region, prefix, "");
            // A subnet is not in itself.
            let mut found = world
                .scan(&all)
                .filter(|(_, one)| text(one, member) == id)
                .filter_map(|(key, _)| key.strip_prefix(&all))
                .filter(|found| *found != id && *found != own);
            found.next().map(str::to_owned)
        })
    }

    fn drop(&self, world: &mut World, id: &str) {
        if id.is_empty() || !id.contains('-') || id.contains('|') || id.contains(':') {
            return;
        }
        world.remove(&self.key(id));
        let tags = ec2::key(self.region, "tag", &format!("{id}/"));
        let tags: Vec<String> = world.scan(&tags).map(|(key, _)| key.to_owned()).collect();
        for tag in tags {
            world.remove(&tag);
        }
    }
}

fn in_use(what: &str, id: &str, by: &str) -> Fault {
    // The sandbox says by what, which EC2 does not.
    fault(
        "DependencyViolation",
        format!("The {what} '{id}' has dependencies and cannot be deleted. ({by})"),
    )
}
