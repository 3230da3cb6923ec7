//! The describe operations: ids and filters to a list of resources.

use serde_json::{Map, Value, json};

use super::super::model::{Answer, Call, Fault, fault};
use super::filters::{Filters, Paths};
use super::key;
use super::kinds::{self, Kind};
use super::tags;

/// Refuses a dry run in the way that means it would have worked.
pub fn check_dry_run(call: &Call<'_>) -> Result<(), Fault> {
    if call.input.flag("DryRun").unwrap_or(false) {
        return Err(fault(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    Ok(())
}

/// What distinguishes one describe operation from another.
pub(super) struct Describe {
    pub kind: &'static Kind,
    /// The input's member with ids.
    pub ids: &'static str,
    /// The input's member with filters.
    pub filters: &'static str,
    /// The filters by the resource's own members.
    pub paths: Paths,
    /// The name under which the answer holds a resource's tags.
    pub tags: &'static str,
}

/// The resources that a call asks for, with their tags.
pub(super) fn select(call: &Call<'_>, what: &Describe) -> Result<Vec<Value>, Fault> {
    check_dry_run(call)?;
    let filters = Filters::read(call.input.list(what.filters), what.paths)?;
    let ids: Vec<&str> = call.input.texts(what.ids).collect();
    let prefix = key(call.region, what.kind.prefix, "");
    let found: Vec<(&str, &Value)> = if ids.is_empty() {
        call.world
            .scan(&prefix)
            .filter_map(|(key, resource)| Some((key.strip_prefix(&prefix)?, resource)))
            .collect()
    } else {
        by_ids(call, what, &ids)?
    };
    let mut selected = Vec::new();
    for (id, resource) in found {
        let tags = tags::of(call.world, call.region, id);
        if filters.pass(resource, &tags) {
            selected.push(with_tags(resource, &tags, what.tags));
        }
    }
    Ok(selected)
}

fn by_ids<'w>(
    call: &'w Call<'_>,
    what: &Describe,
    ids: &[&'w str],
) -> Result<Vec<(&'w str, &'w Value)>, Fault> {
    for id in ids {
        if !id.starts_with(&format!("{}-", what.kind.prefix)) {
            return Err(malformed(what.kind, id));
        }
    }
    let find = |id: &str| call.world.get(&key(call.region, what.kind.prefix, id));
    let absent: Vec<&str> = ids.iter().copied().filter(|id| find(id).is_none()).collect();
    if !absent.is_empty() {
        return Err(what.kind.missing(&absent));
    }
    Ok(ids.iter().filter_map(|id| Some((*id, find(id)?))).collect())
}

/// EC2's error about an id of the wrong form.
fn malformed(kind: &Kind, id: &str) -> Fault {
    match kind.resource_type {
        "security-group" => fault(
            "InvalidGroupId.Malformed",
            format!("Invalid id: \"{id}\" (expecting \"sg-...\")"),
        ),
        "instance" => fault("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")),
        "volume" => fault(
            "InvalidParameterValue",
            format!("Value ({id}) for parameter volumeId is invalid. Expected: 'vol-...'."),
        ),
        _ => kind.missing(&[id]),
    }
}

fn with_tags(resource: &Value, tags: &[(String, String)], member: &str) -> Value {
    let mut shown: Map<String, Value> = resource.as_object().cloned().unwrap_or_default();
    if !tags.is_empty() {
        let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
        shown.insert(member.to_owned(), tags.collect());
    }
    Value::Object(shown)
}

/// `describe-subnets`.
pub fn subnets(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let found = select(
        call,
        &Describe {
            kind: &kinds::SUBNET,
            ids: "SubnetIds",
            paths: &[
                ("availability-zone", "AvailabilityZone"),
                ("availabilityZone", "AvailabilityZone"),
                ("availability-zone-id", "AvailabilityZoneId"),
                ("cidr-block", "CidrBlock"),
                ("cidr", "CidrBlock"),
                ("default-for-az", "DefaultForAz"),
                ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
                ("owner-id", "OwnerId"),
                ("state", "State"),
                ("subnet-arn", "SubnetArn"),
                ("subnet-id", "SubnetId"),
                ("vpc-id", "VpcId"),
            ],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    Ok(Answer::Body(json!({ "Subnets": found })))
}

/// `describe-vpcs`.
pub fn vpcs(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let found = select(
        call,
        &Describe {
            kind: &kinds::VPC,
            ids: "VpcIds",
            paths: &[
                ("cidr", "CidrBlock"),
                ("dhcp-options-id", "DhcpOptionsId"),
                ("is-default", "IsDefault"),
                ("isDefault", "IsDefault"),
                ("owner-id", "OwnerId"),
                ("state", "State"),
                ("vpc-id", "VpcId"),
            ],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    Ok(Answer::Body(json!({ "Vpcs": found })))
}

/// `describe-security-groups`.
pub fn security_groups(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut found = select(
        call,
        &Describe {
            kind: &kinds::SECURITY_GROUP,
            ids: "GroupIds",
            paths: &[
                ("description", "Description"),
                ("group-id", "GroupId"),
                ("group-name", "GroupName"),
                ("owner-id", "OwnerId"),
                ("vpc-id", "VpcId"),
            ],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    let names: Vec<&str> = call.input.texts("GroupNames").collect();
    if !names.is_empty() {
        let name_of = |group: &Value| group.get("GroupName").cloned().unwrap_or_default();
        if let Some(absent) =
            names.iter().find(|name| !found.iter().any(|group| name_of(group) == **name))
        {
            return Err(kinds::SECURITY_GROUP.missing(&[absent]));
        }
        found.retain(|group| names.iter().any(|name| name_of(group) == *name));
    }
    Ok(Answer::Body(json!({ "SecurityGroups": found })))
}

/// `describe-instances`: each instance in the reservation that started it.
pub fn instances(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let found = select(
        call,
        &Describe {
            kind: &kinds::INSTANCE,
            ids: "InstanceIds",
            paths: &[
                ("availability-zone", "Placement/AvailabilityZone"),
                ("iam-instance-profile.arn", "IamInstanceProfile/Arn"),
                ("image-id", "ImageId"),
                ("instance-id", "InstanceId"),
                ("instance-lifecycle", "InstanceLifecycle"),
                ("instance-state-code", "State/Code"),
                ("instance-state-name", "State/Name"),
                ("instance-type", "InstanceType"),
                ("instance.group-id", "SecurityGroups/*/GroupId"),
                (
                    "network-interface.network-interface-id",
                    "NetworkInterfaces/*/NetworkInterfaceId",
                ),
                ("owner-id", "NetworkInterfaces/*/OwnerId"),
                ("private-dns-name", "PrivateDnsName"),
                ("private-ip-address", "PrivateIpAddress"),
                ("subnet-id", "SubnetId"),
                ("vpc-id", "VpcId"),
            ],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    let reservations: Vec<Value> = found
        .into_iter()
        .map(|instance| {
            json!({
                "ReservationId": instance.get("reservation"),
                "OwnerId": super::super::facts::ACCOUNT,
                "Groups": [],
                "Instances": [instance],
            })
        })
        .collect();
    Ok(Answer::Body(json!({ "Reservations": reservations })))
}

/// `describe-launch-templates`.
pub fn launch_templates(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut found = select(
        call,
        &Describe {
            kind: &kinds::LAUNCH_TEMPLATE,
            ids: "LaunchTemplateIds",
            paths: &[("launch-template-name", "LaunchTemplateName")],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    let names: Vec<&str> = call.input.texts("LaunchTemplateNames").collect();
    if !names.is_empty() {
        let name_of = |template: &Value| template.get("LaunchTemplateName").cloned();
        let is_there = |name: &&str| found.iter().any(|it| name_of(it) == Some(json!(name)));
        if !names.iter().all(is_there) {
            return Err(fault(
                "InvalidLaunchTemplateName.NotFoundException",
                "At least one of the launch templates specified in the request does not exist.",
            ));
        }
        found.retain(|template| names.iter().any(|name| name_of(template) == Some(json!(name))));
    }
    Ok(Answer::Body(json!({ "LaunchTemplates": found })))
}

/// `describe-network-interfaces`.
pub fn network_interfaces(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let found = select(
        call,
        &Describe {
            kind: &kinds::NETWORK_INTERFACE,
            ids: "NetworkInterfaceIds",
            paths: &[
                ("attachment.instance-id", "Attachment/InstanceId"),
                ("availability-zone", "AvailabilityZone"),
                ("description", "Description"),
                ("group-id", "Groups/*/GroupId"),
                ("interface-type", "InterfaceType"),
                ("network-interface-id", "NetworkInterfaceId"),
                ("owner-id", "OwnerId"),
                ("private-ip-address", "PrivateIpAddress"),
                ("status", "Status"),
                ("subnet-id", "SubnetId"),
                ("vpc-id", "VpcId"),
            ],
            filters: "Filters",
            tags: "TagSet",
        },
    )?;
    Ok(Answer::Body(json!({ "NetworkInterfaces": found })))
}

/// `describe-volumes`.
pub fn volumes(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let found = select(
        call,
        &Describe {
            kind: &kinds::VOLUME,
            ids: "VolumeIds",
            paths: &[
                ("attachment.instance-id", "Attachments/*/InstanceId"),
                ("availability-zone", "AvailabilityZone"),
                ("encrypted", "Encrypted"),
                ("size", "Size"),
                ("status", "State"),
                ("volume-id", "VolumeId"),
                ("volume-type", "VolumeType"),
            ],
            filters: "Filters",
            tags: "Tags",
        },
    )?;
    Ok(Answer::Body(json!({ "Volumes": found })))
}
