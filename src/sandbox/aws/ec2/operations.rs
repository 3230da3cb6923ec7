//! The table of the EC2 operations.

use super::super::model::{Field, Operation, Shape, TEXT, TEXTS, may, need, operation};
use super::network_shapes::{
    ADDRESSES, INTERNET_GATEWAYS, NAT_GATEWAYS, ROUTE_TABLES, VPC_ENDPOINTS,
};
use super::shapes::{
    LAUNCH_TEMPLATES, NETWORK_INTERFACES, RESERVATIONS, RESOURCE_TAGS, SECURITY_GROUPS, SUBNETS,
    TAGS, VOLUMES, VPCS,
};
use super::{describe, describe_network, tags};

const DRY_RUN: Field = may("DryRun", Shape::Flag);
const FILTERS: Field =
    may("Filters", Shape::List(&Shape::Structure(&[may("Name", TEXT), may("Values", TEXTS)])));

/// Every operation that the sandbox answers.
pub const OPERATIONS: &[Operation] = &[
    operation(
        "create-tags",
        "CreateTags",
        &[DRY_RUN, need("Resources", TEXTS), need("Tags", TAGS)],
        &[],
        tags::create,
    ),
    operation(
        "delete-tags",
        "DeleteTags",
        &[DRY_RUN, need("Resources", TEXTS), may("Tags", TAGS)],
        &[],
        tags::delete,
    ),
    operation(
        "describe-addresses",
        "DescribeAddresses",
        &[FILTERS, may("AllocationIds", TEXTS), DRY_RUN],
        ADDRESSES,
        describe_network::addresses,
    ),
    operation(
        "describe-internet-gateways",
        "DescribeInternetGateways",
        &[FILTERS, may("InternetGatewayIds", TEXTS), DRY_RUN],
        INTERNET_GATEWAYS,
        describe_network::internet_gateways,
    ),
    operation(
        "describe-nat-gateways",
        "DescribeNatGateways",
        // The one operation that calls it so.
        &[DRY_RUN, may("Filter", FILTERS.shape), may("NatGatewayIds", TEXTS)],
        NAT_GATEWAYS,
        describe_network::nat_gateways,
    ),
    operation(
        "describe-route-tables",
        "DescribeRouteTables",
        &[FILTERS, DRY_RUN, may("RouteTableIds", TEXTS)],
        ROUTE_TABLES,
        describe_network::route_tables,
    ),
    operation(
        "describe-vpc-endpoints",
        "DescribeVpcEndpoints",
        &[DRY_RUN, may("VpcEndpointIds", TEXTS), FILTERS],
        VPC_ENDPOINTS,
        describe_network::vpc_endpoints,
    ),
    operation(
        "describe-instances",
        "DescribeInstances",
        &[may("InstanceIds", TEXTS), DRY_RUN, FILTERS],
        RESERVATIONS,
        describe::instances,
    ),
    operation(
        "describe-launch-templates",
        "DescribeLaunchTemplates",
        &[DRY_RUN, may("LaunchTemplateIds", TEXTS), may("LaunchTemplateNames", TEXTS), FILTERS],
        LAUNCH_TEMPLATES,
        describe::launch_templates,
    ),
    operation(
        "describe-network-interfaces",
        "DescribeNetworkInterfaces",
        &[DRY_RUN, may("NetworkInterfaceIds", TEXTS), FILTERS],
        NETWORK_INTERFACES,
        describe::network_interfaces,
    ),
    operation(
        "describe-security-groups",
        "DescribeSecurityGroups",
        &[may("GroupIds", TEXTS), may("GroupNames", TEXTS), DRY_RUN, FILTERS],
        SECURITY_GROUPS,
        describe::security_groups,
    ),
    operation(
        "describe-subnets",
        "DescribeSubnets",
        &[FILTERS, may("SubnetIds", TEXTS), DRY_RUN],
        SUBNETS,
        describe::subnets,
    ),
    operation("describe-tags", "DescribeTags", &[DRY_RUN, FILTERS], RESOURCE_TAGS, tags::describe),
    operation(
        "describe-volumes",
        "DescribeVolumes",
        &[may("VolumeIds", TEXTS), DRY_RUN, FILTERS],
        VOLUMES,
        describe::volumes,
    ),
    operation(
        "describe-vpcs",
        "DescribeVpcs",
        &[FILTERS, may("VpcIds", TEXTS), DRY_RUN],
        VPCS,
        describe::vpcs,
    ),
];
