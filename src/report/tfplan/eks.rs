//! EKS: clusters, node groups, add-ons and access entries.
//!
//! This module must not know other services.

use super::kinds::{Block, Known, policy_free_text};
use super::{block, renamed};
use crate::value::{Map, Value};

/// A cluster.
pub(super) fn cluster(identity: &Map, side: &Map, arn: Option<String>) -> Map {
    let mut values = renamed(identity, &[("name", "name")]);
    values.extend(renamed(
        side,
        &[
            ("version", "version"),
            ("roleArn", "role_arn"),
            ("logTypes", "enabled_cluster_log_types"),
            ("deletionProtection", "deletion_protection"),
            ("tags", "tags"),
        ],
    ));
    if let Some(arn) = arn {
        values.insert("arn".into(), arn.into());
    }
    let network = [
        ("subnetIds", "subnet_ids"),
        ("securityGroupIds", "security_group_ids"),
        ("endpointPublicAccess", "endpoint_public_access"),
        ("endpointPrivateAccess", "endpoint_private_access"),
        ("publicAccessCidrs", "public_access_cidrs"),
    ];
    let blocks: [(&str, &[(&str, &str)]); 4] = [
        ("vpc_config", &network),
        ("access_config", &[("authenticationMode", "authentication_mode")]),
        ("upgrade_policy", &[("upgradePolicy", "support_type")]),
        (
            "compute_config",
            &[
                ("autoMode", "enabled"),
                ("nodePools", "node_pools"),
                ("nodeRoleArn", "node_role_arn"),
            ],
        ),
    ];
    for (name, names) in blocks {
        let part = renamed(side, names);
        if !part.is_empty() {
            values.insert(name.into(), block(part));
        }
    }
    if let Some(key) = side.get("encryptionKeyArn").filter(|key| !key.is_null()) {
        let provider = block(Map::from([("key_arn".into(), key.clone())]));
        let resources = Value::List(vec!["secrets".into()]);
        let part = Map::from([("provider".into(), provider), ("resources".into(), resources)]);
        values.insert("encryption_config".into(), block(part));
    }
    values
}

/// A node group.
pub(super) fn node_group(identity: &Map, side: &Map) -> Map {
    let mut values =
        renamed(identity, &[("clusterName", "cluster_name"), ("nodegroupName", "node_group_name")]);
    values.extend(renamed(
        side,
        &[
            ("nodeRole", "node_role_arn"),
            ("subnets", "subnet_ids"),
            ("instanceTypes", "instance_types"),
            ("amiType", "ami_type"),
            ("capacityType", "capacity_type"),
            ("diskSize", "disk_size"),
            ("labels", "labels"),
            ("version", "version"),
            ("releaseVersion", "release_version"),
            ("tags", "tags"),
        ],
    ));
    let sizes = [("minSize", "min_size"), ("maxSize", "max_size"), ("desiredSize", "desired_size")];
    values.insert("scaling_config".into(), block(renamed(side, &sizes)));
    if let Some(update) = side.get("updateConfig").and_then(Value::as_map) {
        let names = [
            ("maxUnavailable", "max_unavailable"),
            ("maxUnavailablePercentage", "max_unavailable_percentage"),
        ];
        values.insert("update_config".into(), block(renamed(update, &names)));
    }
    if let Some(taints) = side.get("taints").and_then(Value::as_map).filter(|all| !all.is_empty()) {
        let taints = taints.iter().map(|(key, value)| {
            let (key, effect) = key.rsplit_once(':').unwrap_or((key, ""));
            Value::Map(Map::from([
                ("key".into(), key.into()),
                ("value".into(), value.clone()),
                ("effect".into(), effect.into()),
            ]))
        });
        values.insert("taint".into(), Value::List(taints.collect()));
    }
    values
}

/// An add-on.
pub(super) fn addon(identity: &Map, side: &Map, known: &Known<'_>) -> Map {
    let mut values =
        renamed(identity, &[("clusterName", "cluster_name"), ("addonName", "addon_name")]);
    values.extend(renamed(
        side,
        &[
            ("version", "addon_version"),
            ("serviceAccountRoleArn", "service_account_role_arn"),
            ("tags", "tags"),
        ],
    ));
    if let Some(told) = side.get("configurationValues").filter(|told| !told.is_null()) {
        values.insert("configuration_values".into(), policy_free_text(told, known));
    }
    let roles = side.get("podIdentityAssociations").and_then(Value::as_map);
    if let Some(roles) = roles.filter(|all| !all.is_empty()) {
        let roles = roles.iter().map(|(account, role)| {
            Value::Map(Map::from([
                ("service_account".into(), account.as_str().into()),
                ("role_arn".into(), role.clone()),
            ]))
        });
        values.insert("pod_identity_association".into(), Value::List(roles.collect()));
    }
    values
}

/// An access entry, and one resource for each policy of it.
pub(super) fn access_entry(identity: &Map, side: &Map) -> Vec<Block> {
    let names = [("clusterName", "cluster_name"), ("principalArn", "principal_arn")];
    let whose = renamed(identity, &names);
    let mut values = whose.clone();
    values.extend(renamed(
        side,
        &[
            ("type", "type"),
            ("kubernetesGroups", "kubernetes_groups"),
            ("username", "user_name"),
            ("tags", "tags"),
        ],
    ));
    let mut blocks = vec![Block::new("aws_eks_access_entry", values)];
    for (arn, scope) in side.get("accessPolicies").and_then(Value::as_map).into_iter().flatten() {
        let scope = scope.as_map().cloned().unwrap_or_default();
        let mut values = whose.clone();
        values.insert("policy_arn".into(), arn.as_str().into());
        values.insert("access_scope".into(), block(scope));
        blocks.push(
            Block::new("aws_eks_access_policy_association", values).at(arn.clone()).refers(
                "principal_arn",
                "aws_eks_access_entry",
                "principal_arn",
            ),
        );
    }
    blocks
}
