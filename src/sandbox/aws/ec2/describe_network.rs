//! The describe operations of what a network leads through: gateways, route
//! tables, addresses, endpoints.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault};
use super::describe::{Describe, select};
use super::filters::Paths;
use super::kinds::{self, Kind};

fn all(
    call: &Call<'_>,
    kind: &'static Kind,
    (ids, filters): (&'static str, &'static str),
    paths: Paths,
) -> Result<Vec<Value>, Fault> {
    select(call, &Describe { kind, ids, filters, paths, tags: "Tags" })
}

/// `describe-addresses`.
pub fn addresses(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let paths: Paths =
        &[("allocation-id", "AllocationId"), ("public-ip", "PublicIp"), ("domain", "Domain")];
    let found = all(call, &kinds::ADDRESS, ("AllocationIds", "Filters"), paths)?;
    Ok(Answer::Body(json!({ "Addresses": found })))
}

/// `describe-internet-gateways`.
pub fn internet_gateways(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let paths: Paths = &[
        ("attachment.vpc-id", "Attachments/*/VpcId"),
        ("internet-gateway-id", "InternetGatewayId"),
    ];
    let names = ("InternetGatewayIds", "Filters");
    let found = all(call, &kinds::INTERNET_GATEWAY, names, paths)?;
    Ok(Answer::Body(json!({ "InternetGateways": found })))
}

/// `describe-nat-gateways`.
pub fn nat_gateways(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let paths: Paths = &[
        ("nat-gateway-id", "NatGatewayId"),
        ("state", "State"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
    ];
    let found = all(call, &kinds::NAT_GATEWAY, ("NatGatewayIds", "Filter"), paths)?;
    Ok(Answer::Body(json!({ "NatGateways": found })))
}

/// `describe-route-tables`.
pub fn route_tables(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let paths: Paths = &[
        ("association.subnet-id", "Associations/*/SubnetId"),
        ("route-table-id", "RouteTableId"),
        ("route.nat-gateway-id", "Routes/*/NatGatewayId"),
        ("route.gateway-id", "Routes/*/GatewayId"),
        ("vpc-id", "VpcId"),
    ];
    let found = all(call, &kinds::ROUTE_TABLE, ("RouteTableIds", "Filters"), paths)?;
    Ok(Answer::Body(json!({ "RouteTables": found })))
}

/// `describe-vpc-endpoints`.
pub fn vpc_endpoints(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let paths: Paths = &[
        ("service-name", "ServiceName"),
        ("vpc-endpoint-id", "VpcEndpointId"),
        ("vpc-endpoint-type", "VpcEndpointType"),
        ("vpc-id", "VpcId"),
    ];
    let found = all(call, &kinds::VPC_ENDPOINT, ("VpcEndpointIds", "Filters"), paths)?;
    Ok(Answer::Body(json!({ "VpcEndpoints": found })))
}
