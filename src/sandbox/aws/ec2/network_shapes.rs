//! The shapes of the answers about gateways, route tables, addresses and
//! endpoints.

use super::super::model::{Field, Shape, TEXT, TEXTS, may};
use super::shapes::TAGS;

/// The answer with addresses.
pub const ADDRESSES: &[Field] = &[may(
    "Addresses",
    Shape::List(&Shape::Structure(&[
        may("AllocationId", TEXT),
        may("Domain", TEXT),
        may("Tags", TAGS),
        may("NetworkBorderGroup", TEXT),
        may("PublicIp", TEXT),
    ])),
)];

/// The answer with gateways to the internet.
pub const INTERNET_GATEWAYS: &[Field] = &[may(
    "InternetGateways",
    Shape::List(&Shape::Structure(&[
        may(
            "Attachments",
            Shape::List(&Shape::Structure(&[may("State", TEXT), may("VpcId", TEXT)])),
        ),
        may("InternetGatewayId", TEXT),
        may("OwnerId", TEXT),
        may("Tags", TAGS),
    ])),
)];

/// The answer with gateways that translate addresses.
pub const NAT_GATEWAYS: &[Field] = &[may(
    "NatGateways",
    Shape::List(&Shape::Structure(&[
        may("CreateTime", TEXT),
        may(
            "NatGatewayAddresses",
            Shape::List(&Shape::Structure(&[may("AllocationId", TEXT), may("PublicIp", TEXT)])),
        ),
        may("NatGatewayId", TEXT),
        may("State", TEXT),
        may("SubnetId", TEXT),
        may("VpcId", TEXT),
        may("Tags", TAGS),
        may("ConnectivityType", TEXT),
    ])),
)];

/// The answer with route tables.
pub const ROUTE_TABLES: &[Field] = &[may(
    "RouteTables",
    Shape::List(&Shape::Structure(&[
        may(
            "Associations",
            Shape::List(&Shape::Structure(&[
                may("Main", Shape::Flag),
                may("RouteTableAssociationId", TEXT),
                may("RouteTableId", TEXT),
                may("SubnetId", TEXT),
                may("AssociationState", Shape::Structure(&[may("State", TEXT)])),
            ])),
        ),
        may("PropagatingVgws", TEXTS),
        may("RouteTableId", TEXT),
        may(
            "Routes",
            Shape::List(&Shape::Structure(&[
                may("DestinationCidrBlock", TEXT),
                may("GatewayId", TEXT),
                may("NatGatewayId", TEXT),
                may("Origin", TEXT),
                may("State", TEXT),
            ])),
        ),
        may("Tags", TAGS),
        may("VpcId", TEXT),
        may("OwnerId", TEXT),
    ])),
)];

/// The answer with endpoints.
pub const VPC_ENDPOINTS: &[Field] = &[may(
    "VpcEndpoints",
    Shape::List(&Shape::Structure(&[
        may("VpcEndpointId", TEXT),
        may("VpcEndpointType", TEXT),
        may("VpcId", TEXT),
        may("ServiceName", TEXT),
        may("State", TEXT),
        may("RouteTableIds", TEXTS),
        may("CreationTimestamp", TEXT),
        may("Tags", TAGS),
        may("OwnerId", TEXT),
    ])),
)];
