//! The shapes of the EC2 answers. Members stand in the order in which the CLI
//! prints them.

use super::super::model::{Field, NUMBER, Shape, TEXT, TEXTS, may};

/// Tags.
pub const TAGS: Shape = Shape::List(&Shape::Structure(&[may("Key", TEXT), may("Value", TEXT)]));

const GROUPS: Shape =
    Shape::List(&Shape::Structure(&[may("GroupId", TEXT), may("GroupName", TEXT)]));

/// The answer with subnets.
pub const SUBNETS: &[Field] = &[may(
    "Subnets",
    Shape::List(&Shape::Structure(&[
        may("AvailabilityZoneId", TEXT),
        may("MapCustomerOwnedIpOnLaunch", Shape::Flag),
        may("OwnerId", TEXT),
        may("AssignIpv6AddressOnCreation", Shape::Flag),
        may("Ipv6CidrBlockAssociationSet", TEXTS),
        may("Tags", TAGS),
        may("SubnetArn", TEXT),
        may("EnableDns64", Shape::Flag),
        may("Ipv6Native", Shape::Flag),
        may(
            "PrivateDnsNameOptionsOnLaunch",
            Shape::Structure(&[
                may("HostnameType", TEXT),
                may("EnableResourceNameDnsARecord", Shape::Flag),
                may("EnableResourceNameDnsAAAARecord", Shape::Flag),
            ]),
        ),
        may("SubnetId", TEXT),
        may("State", TEXT),
        may("VpcId", TEXT),
        may("CidrBlock", TEXT),
        may("AvailableIpAddressCount", NUMBER),
        may("AvailabilityZone", TEXT),
        may("DefaultForAz", Shape::Flag),
        may("MapPublicIpOnLaunch", Shape::Flag),
    ])),
)];

/// The answer with networks.
pub const VPCS: &[Field] = &[may(
    "Vpcs",
    Shape::List(&Shape::Structure(&[
        may("OwnerId", TEXT),
        may("InstanceTenancy", TEXT),
        may(
            "CidrBlockAssociationSet",
            Shape::List(&Shape::Structure(&[
                may("AssociationId", TEXT),
                may("CidrBlock", TEXT),
                may("CidrBlockState", Shape::Structure(&[may("State", TEXT)])),
            ])),
        ),
        may("IsDefault", Shape::Flag),
        may("Tags", TAGS),
        may("VpcId", TEXT),
        may("State", TEXT),
        may("CidrBlock", TEXT),
        may("DhcpOptionsId", TEXT),
    ])),
)];

const PERMISSIONS: Shape = Shape::List(&Shape::Structure(&[
    may("IpProtocol", TEXT),
    may("FromPort", NUMBER),
    may("ToPort", NUMBER),
    may(
        "UserIdGroupPairs",
        Shape::List(&Shape::Structure(&[
            may("Description", TEXT),
            may("UserId", TEXT),
            may("GroupId", TEXT),
        ])),
    ),
    may(
        "IpRanges",
        Shape::List(&Shape::Structure(&[may("Description", TEXT), may("CidrIp", TEXT)])),
    ),
    may("Ipv6Ranges", TEXTS),
    may("PrefixListIds", TEXTS),
]));

/// The answer with security groups.
pub const SECURITY_GROUPS: &[Field] = &[may(
    "SecurityGroups",
    Shape::List(&Shape::Structure(&[
        may("GroupId", TEXT),
        may("IpPermissionsEgress", PERMISSIONS),
        may("Tags", TAGS),
        may("VpcId", TEXT),
        may("SecurityGroupArn", TEXT),
        may("OwnerId", TEXT),
        may("GroupName", TEXT),
        may("Description", TEXT),
        may("IpPermissions", PERMISSIONS),
    ])),
)];

const INSTANCE: Shape = Shape::Structure(&[
    may("Architecture", TEXT),
    may(
        "BlockDeviceMappings",
        Shape::List(&Shape::Structure(&[
            may("DeviceName", TEXT),
            may(
                "Ebs",
                Shape::Structure(&[
                    may("AttachTime", TEXT),
                    may("DeleteOnTermination", Shape::Flag),
                    may("Status", TEXT),
                    may("VolumeId", TEXT),
                ]),
            ),
        ])),
    ),
    may("EbsOptimized", Shape::Flag),
    may("EnaSupport", Shape::Flag),
    may("Hypervisor", TEXT),
    may("IamInstanceProfile", Shape::Structure(&[may("Arn", TEXT), may("Id", TEXT)])),
    may("InstanceLifecycle", TEXT),
    may(
        "NetworkInterfaces",
        Shape::List(&Shape::Structure(&[
            may("Groups", GROUPS),
            may("MacAddress", TEXT),
            may("NetworkInterfaceId", TEXT),
            may("OwnerId", TEXT),
            may("PrivateDnsName", TEXT),
            may("PrivateIpAddress", TEXT),
            may("SourceDestCheck", Shape::Flag),
            may("Status", TEXT),
            may("SubnetId", TEXT),
            may("VpcId", TEXT),
            may("InterfaceType", TEXT),
        ])),
    ),
    may("RootDeviceName", TEXT),
    may("RootDeviceType", TEXT),
    may("SecurityGroups", GROUPS),
    may("SourceDestCheck", Shape::Flag),
    may("Tags", TAGS),
    may("VirtualizationType", TEXT),
    may("InstanceId", TEXT),
    may("ImageId", TEXT),
    may("State", Shape::Structure(&[may("Code", NUMBER), may("Name", TEXT)])),
    may("PrivateDnsName", TEXT),
    may("PublicDnsName", TEXT),
    may("StateTransitionReason", TEXT),
    may("AmiLaunchIndex", NUMBER),
    may("ProductCodes", TEXTS),
    may("InstanceType", TEXT),
    may("LaunchTime", TEXT),
    may(
        "Placement",
        Shape::Structure(&[
            may("GroupName", TEXT),
            may("Tenancy", TEXT),
            may("AvailabilityZone", TEXT),
        ]),
    ),
    may("Monitoring", Shape::Structure(&[may("State", TEXT)])),
    may("SubnetId", TEXT),
    may("VpcId", TEXT),
    may("PrivateIpAddress", TEXT),
]);

/// The answer with instances.
pub const RESERVATIONS: &[Field] = &[may(
    "Reservations",
    Shape::List(&Shape::Structure(&[
        may("ReservationId", TEXT),
        may("OwnerId", TEXT),
        may("Groups", GROUPS),
        may("Instances", Shape::List(&INSTANCE)),
    ])),
)];

/// The answer with launch templates.
pub const LAUNCH_TEMPLATES: &[Field] = &[may(
    "LaunchTemplates",
    Shape::List(&Shape::Structure(&[
        may("LaunchTemplateId", TEXT),
        may("LaunchTemplateName", TEXT),
        may("CreateTime", TEXT),
        may("CreatedBy", TEXT),
        may("DefaultVersionNumber", NUMBER),
        may("LatestVersionNumber", NUMBER),
        may("Tags", TAGS),
    ])),
)];

/// The answer with network interfaces.
pub const NETWORK_INTERFACES: &[Field] = &[may(
    "NetworkInterfaces",
    Shape::List(&Shape::Structure(&[
        may(
            "Attachment",
            Shape::Structure(&[
                may("AttachTime", TEXT),
                may("AttachmentId", TEXT),
                may("DeleteOnTermination", Shape::Flag),
                may("DeviceIndex", NUMBER),
                may("InstanceId", TEXT),
                may("InstanceOwnerId", TEXT),
                may("Status", TEXT),
            ]),
        ),
        may("AvailabilityZone", TEXT),
        may("Description", TEXT),
        may("Groups", GROUPS),
        may("InterfaceType", TEXT),
        may("MacAddress", TEXT),
        may("NetworkInterfaceId", TEXT),
        may("OwnerId", TEXT),
        may("PrivateDnsName", TEXT),
        may("PrivateIpAddress", TEXT),
        may("RequesterManaged", Shape::Flag),
        may("SourceDestCheck", Shape::Flag),
        may("Status", TEXT),
        may("SubnetId", TEXT),
        may("TagSet", TAGS),
        may("VpcId", TEXT),
    ])),
)];

/// The answer with volumes.
pub const VOLUMES: &[Field] = &[may(
    "Volumes",
    Shape::List(&Shape::Structure(&[
        may("Iops", NUMBER),
        may("Tags", TAGS),
        may("VolumeType", TEXT),
        may("MultiAttachEnabled", Shape::Flag),
        may("Throughput", NUMBER),
        may("VolumeId", TEXT),
        may("Size", NUMBER),
        may("SnapshotId", TEXT),
        may("AvailabilityZone", TEXT),
        may("State", TEXT),
        may("CreateTime", TEXT),
        may(
            "Attachments",
            Shape::List(&Shape::Structure(&[
                may("DeleteOnTermination", Shape::Flag),
                may("VolumeId", TEXT),
                may("InstanceId", TEXT),
                may("Device", TEXT),
                may("State", TEXT),
                may("AttachTime", TEXT),
            ])),
        ),
        may("Encrypted", Shape::Flag),
    ])),
)];

/// The answer with tags of any resource.
pub const RESOURCE_TAGS: &[Field] = &[may(
    "Tags",
    Shape::List(&Shape::Structure(&[
        may("Key", TEXT),
        may("ResourceId", TEXT),
        may("ResourceType", TEXT),
        may("Value", TEXT),
    ])),
)];
