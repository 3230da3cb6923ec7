//! The kinds of EC2 resources: how their ids begin, and what is said when one
//! does not exist.

use super::super::model::{Fault, fault};

/// One kind of resource.
#[derive(Debug)]
pub struct Kind {
    /// How the kind's ids begin, without the dash; also its place in keys.
    pub prefix: &'static str,
    /// The resource type in tags.
    pub resource_type: &'static str,
    /// The error code for an id that does not exist.
    pub not_found: &'static str,
    /// The noun in that error: `The NOUN 'ID' does not exist`.
    pub noun: &'static str,
}

const fn kind(
    prefix: &'static str,
    resource_type: &'static str,
    not_found: &'static str,
    noun: &'static str,
) -> Kind {
    Kind { prefix, resource_type, not_found, noun }
}

/// Instances.
pub const INSTANCE: Kind = kind("i", "instance", "InvalidInstanceID.NotFound", "instance ID");
/// Launch templates.
pub const LAUNCH_TEMPLATE: Kind = kind(
    "lt",
    "launch-template",
    "InvalidLaunchTemplateId.NotFound",
    "specified launch template, with template ID",
);
/// Network interfaces.
pub const NETWORK_INTERFACE: Kind =
    kind("eni", "network-interface", "InvalidNetworkInterfaceID.NotFound", "networkInterface ID");
/// Security groups.
pub const SECURITY_GROUP: Kind =
    kind("sg", "security-group", "InvalidGroup.NotFound", "security group");
/// Subnets.
pub const SUBNET: Kind = kind("subnet", "subnet", "InvalidSubnetID.NotFound", "subnet ID");
/// Volumes.
pub const VOLUME: Kind = kind("vol", "volume", "InvalidVolume.NotFound", "volume");
/// Networks.
pub const VPC: Kind = kind("vpc", "vpc", "InvalidVpcID.NotFound", "vpc ID");

/// Elastic addresses.
pub const ADDRESS: Kind =
    kind("eipalloc", "elastic-ip", "InvalidAllocationID.NotFound", "allocation ID");
/// Gateways to the internet.
pub const INTERNET_GATEWAY: Kind =
    kind("igw", "internet-gateway", "InvalidInternetGatewayID.NotFound", "internetGateway ID");
/// Gateways that translate addresses.
pub const NAT_GATEWAY: Kind = kind("nat", "natgateway", "NatGatewayNotFound", "NatGateway");
/// Route tables.
pub const ROUTE_TABLE: Kind =
    kind("rtb", "route-table", "InvalidRouteTableID.NotFound", "routeTable ID");
/// Endpoints of services in a network.
pub const VPC_ENDPOINT: Kind =
    kind("vpce", "vpc-endpoint", "InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id");

const KNOWN: [&Kind; 12] = [
    &ADDRESS,
    &INSTANCE,
    &INTERNET_GATEWAY,
    &LAUNCH_TEMPLATE,
    &NAT_GATEWAY,
    &NETWORK_INTERFACE,
    &ROUTE_TABLE,
    &SECURITY_GROUP,
    &SUBNET,
    &VOLUME,
    &VPC,
    &VPC_ENDPOINT,
];

/// The kind that an id is of.
pub fn of(id: &str) -> Option<&'static Kind> {
    let (prefix, number) = id.split_once('-')?;
    let known = KNOWN.into_iter().find(|kind| kind.prefix == prefix)?;
    (!number.is_empty()).then_some(known)
}

impl Kind {
    /// EC2's error about ids that do not exist.
    pub fn missing(&self, ids: &[&str]) -> Fault {
        let message = match ids {
            [first, ..] if self.prefix == LAUNCH_TEMPLATE.prefix => {
                format!("The {} {first}, does not exist.", self.noun)
            }
            [only] => format!("The {} '{only}' does not exist", self.noun),
            several => format!("The {}s '{}' do not exist", self.noun, several.join(", ")),
        };
        fault(self.not_found, message)
    }
}
