//! Service-linked roles: one for each service and account, made on request,
//! changed and removed by the service only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::{attachments, no_such_entity, policies, roles, text};
use crate::sandbox::world::World;

/// A service that has such a role.
struct Linked {
    service: &'static str,
    role: &'static str,
    policy: &'static str,
    description: &'static str,
}

const KNOWN: &[Linked] = &[
    Linked {
        service: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        policy: "AutoScalingServiceRolePolicy",
        description: "Default Service-Linked Role enables access to AWS Services and Resources used or managed by Auto Scaling",
    },
    Linked {
        service: "ec2fleet.amazonaws.com",
        role: "AWSServiceRoleForEC2Fleet",
        policy: "AWSEC2FleetServiceRolePolicy",
        description: "Default EC2 Fleet Service Linked Role",
    },
    Linked {
        service: "eks-nodegroup.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKSNodegroup",
        policy: "AWSServiceRoleForAmazonEKSNodegroup",
        description: "This policy allows Amazon EKS to create and manage node groups",
    },
    Linked {
        service: "eks.amazonaws.com",
        role: "AWSServiceRoleForAmazonEKS",
        policy: "AmazonEKSServiceRolePolicy",
        description: "Allows Amazon EKS to call AWS services on your behalf.",
    },
    Linked {
        service: "elasticloadbalancing.amazonaws.com",
        role: "AWSServiceRoleForElasticLoadBalancing",
        policy: "AWSElasticLoadBalancingServiceRolePolicy",
        description: "Allows ELB to call AWS services on your behalf.",
    },
    Linked {
        service: "spot.amazonaws.com",
        role: "AWSServiceRoleForEC2Spot",
        policy: "AWSEC2SpotServiceRolePolicy",
        description: "Default EC2 Spot Service Linked Role",
    },
];

fn known(service: &str) -> Option<&'static Linked> {
    KNOWN.iter().find(|linked| linked.service == service)
}

/// Makes a service's role as the service itself would. Does nothing for a
/// service that the sandbox does not know.
pub fn put_linked_role(
    world: &mut World,
    service: &str,
    suffix: Option<&str>,
    description: Option<&str>,
) -> Option<Value> {
    let linked = known(service)?;
    let name = role_name(linked, suffix);
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string();
    let role = roles::put_role(
        world,
        &roles::NewRole {
            name: &name,
            path: &format!("/aws-service-role/{service}/"),
            trust: &trust,
            description: Some(description.unwrap_or(linked.description)),
            session: roles::HOUR,
            trusted: BTreeMap::new(),
        },
    );
    let arn = format!("arn:aws:iam::aws:policy/aws-service-role/{}", linked.policy);
    if let Ok(policy) = policies::parse_arn(&arn) {
        attachments::link(world, &name, &policy);
    }
    Some(role)
}

fn role_name(linked: &Linked, suffix: Option<&str>) -> String {
    suffix.map_or_else(|| linked.role.to_owned(), |suffix| format!("{}_{suffix}", linked.role))
}

/// `create-service-linked-role`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let service = input.text("AWSServiceName");
    let suffix = input.maybe("CustomSuffix");
    let linked = known(service).ok_or_else(|| {
        fault("InvalidInput", format!("Service {service} does not support service-linked roles."))
    })?;
    // Of the services here, only Auto Scaling takes a suffix.
    if suffix.is_some() && linked.role != "AWSServiceRoleForAutoScaling" {
        return Err(fault("InvalidInput", format!("Custom suffix is not allowed for {service}")));
    }
    let name = role_name(linked, suffix);
    if call.world.get(&roles::key(&name)).is_some() {
        return Err(fault(
            "InvalidInput",
            format!(
                "Service role name {name} has been taken in this account, please try a different suffix."
            ),
        ));
    }
    let role = put_linked_role(call.world, service, suffix, input.maybe("Description"));
    let mut role = role.unwrap_or_default();
    if let Some(members) = role.as_object_mut() {
        members.remove("MaxSessionDuration");
    }
    Ok(Answer::Body(json!({ "Role": role })))
}

/// `delete-service-linked-role`. AWS works on it in the background; here it is
/// done at once, and the task says so.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("RoleName");
    let role = roles::find(call.world, name)?;
    if !roles::is_linked(role) {
        return Err(no_such_entity(format!("The role with name {name} cannot be found.")));
    }
    let path = text(role, "Path").to_owned();
    let name = text(role, "RoleName").to_owned();
    let task = format!("task{path}{name}/{}", facts::uuid(call.world, "iam/deletion"));
    roles::erase(call.world, &name);
    call.world.put(format!("iam/deletion/{task}"), json!({ "Status": "SUCCEEDED" }));
    Ok(Answer::Body(json!({ "DeletionTaskId": task })))
}

/// `get-service-linked-role-deletion-status`.
pub fn deletion_status(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let task = call.input.text("DeletionTaskId");
    let found = call.world.get(&format!("iam/deletion/{task}")).cloned().ok_or_else(|| {
        no_such_entity(format!("The deletion task with id {task} cannot be found."))
    })?;
    Ok(Answer::Body(found))
}
