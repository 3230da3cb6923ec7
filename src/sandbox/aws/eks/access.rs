//! Access entries: which IAM principals may talk to a cluster, and as whom.
//!
//! An entry keeps its principal's unique id, as EKS does: an entry whose role
//! was deleted and made anew is there, but lets nobody in.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT};
use super::super::iam;
use super::super::model::{Answer, Call, Fault, fault};
use super::{cluster, invalid_parameter, key, now, put_tagged, remove_tagged, set, text};
use crate::sandbox::world::World;

/// What a new entry is made of.
pub struct NewEntry<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The principal's ARN.
    pub principal: &'a str,
    /// The type, such as `STANDARD`.
    pub kind: &'a str,
    /// The groups asked for.
    pub groups: Vec<Value>,
    /// The user name asked for.
    pub username: Option<&'a str>,
    /// The tags.
    pub tags: Value,
}

/// What EKS itself sets on entries of a type: the groups, and whether the user
/// name is that of a node.
struct Kind {
    name: &'static str,
    groups: &'static [&'static str],
    username: Option<&'static str>,
    takes_policies: bool,
}

const KINDS: &[Kind] = &[
    Kind { name: "STANDARD", groups: &[], username: None, takes_policies: true },
    Kind {
        name: "FARGATE_LINUX",
        groups: &["system:bootstrappers", "system:nodes", "system:node-proxier"],
        username: Some("system:node:{{SessionName}}"),
        takes_policies: false,
    },
    Kind {
        name: "EC2_LINUX",
        groups: &["system:nodes"],
        username: Some("system:node:{{EC2PrivateDNSName}}"),
        takes_policies: false,
    },
    Kind {
        name: "EC2_WINDOWS",
        groups: &["eks:kube-proxy-windows", "system:nodes"],
        username: Some("system:node:{{EC2PrivateDNSName}}"),
        takes_policies: false,
    },
    Kind {
        name: "EC2",
        groups: &["system:nodes"],
        username: Some("system:node:{{EC2PrivateDNSName}}"),
        takes_policies: true,
    },
    Kind {
        name: "HYBRID_LINUX",
        groups: &["system:nodes"],
        username: Some("system:node:{{SessionName}}"),
        takes_policies: false,
    },
    Kind {
        name: "HYPERPOD_LINUX",
        groups: &["system:nodes"],
        username: Some("system:node:{{SessionName}}"),
        takes_policies: false,
    },
];

fn kind(name: &str) -> Result<&'static Kind, Fault> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        invalid_parameter(format!(
            "The specified type {name} is invalid. Valid values are: {}",
            known.join(", ")
        ))
    })
}

/// Whether entries of a type may have access policies.
pub fn takes_policies(entry: &Value) -> bool {
    kind(text(entry, "type")).is_ok_and(|kind| kind.takes_policies)
}

/// Checks that the cluster is there and has entries at all.
pub fn check_cluster(call: &Call<'_>) -> Result<(), Fault> {
    let mode = cluster(call, "clusterName")?.pointer("/accessConfig/authenticationMode");
    if mode.and_then(Value::as_str) == Some("CONFIG_MAP") {
        return Err(fault(
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
        ));
    }
    Ok(())
}

/// The key and the entry that a call names.
pub fn find(call: &Call<'_>) -> Result<(String, Value), Fault> {
    check_cluster(call)?;
    let key =
        entry_key(call.region, call.input.text("clusterName"), call.input.text("principalArn"));
    let entry = call.world.get(&key).cloned().ok_or_else(|| {
        fault(
            "ResourceNotFoundException",
            "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.",
        )
    })?;
    Ok((key, entry))
}

fn entry_key(region: &str, cluster: &str, principal: &str) -> String {
    key(region, "access-entry", &format!("{cluster}/{principal}"))
}

/// A principal's ARN, taken apart.
struct Principal<'a> {
    account: &'a str,
    /// `role` or `user`.
    kind: &'a str,
    /// The name without its path.
    name: &'a str,
}

fn parse_principal(arn: &str) -> Result<Principal<'_>, Fault> {
    let invalid = || invalid_parameter("The principalArn parameter format is not valid");
    let rest = arn.strip_prefix("arn:aws:iam::").ok_or_else(invalid)?;
    let (account, resource) = rest.split_once(':').ok_or_else(invalid)?;
    let (kind, path) = resource.split_once('/').ok_or_else(invalid)?;
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if !is_account || !matches!(kind, "role" | "user") || name.is_empty() {
        return Err(invalid());
    }
    Ok(Principal { account, kind, name })
}

fn check_groups(groups: &[Value]) -> Result<(), Fault> {
    for group in groups.iter().filter_map(Value::as_str) {
        for prefix in ["system:", "eks:", "aws:", "amazon:", "iam:"] {
            if group.starts_with(prefix) {
                return Err(invalid_parameter(format!(
                    "The kubernetes group name {group} is invalid, it cannot start with {prefix}"
                )));
            }
        }
    }
    Ok(())
}

fn check_username(username: &str) -> Result<(), Fault> {
    for prefix in ["system:", "eks:", "aws:", "amazon:", "iam:"] {
        if username.starts_with(prefix) {
            return Err(invalid_parameter(format!(
                "The username {username} is invalid, it cannot start with {prefix}"
            )));
        }
    }
    Ok(())
}

/// `create-access-entry`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (cluster, principal) = (input.text("clusterName"), input.text("principalArn"));
    let type_name = input.maybe("type").unwrap_or("STANDARD");
    let groups = input.list("kubernetesGroups");
    let username = input.maybe("username");

    check_cluster(call)?;
    let parsed = parse_principal(principal)?;
    let kind = kind(type_name)?;
    if call.world.get(&entry_key(call.region, cluster, principal)).is_some() {
        return Err(fault(
            "ResourceInUseException",
            "The specified access entry resource is already in use on this cluster.",
        ));
    }
    if kind.username.is_some() {
        if !groups.is_empty() || username.is_some() {
            return Err(invalid_parameter(format!(
                "The kubernetesGroups and username parameters cannot be set for access entries of type {type_name}"
            )));
        }
        if parsed.kind != "role" {
            return Err(invalid_parameter(format!(
                "The principalArn of an access entry of type {type_name} must be an IAM role"
            )));
        }
    }
    check_groups(groups)?;
    username.map_or(Ok(()), check_username)?;
    if parsed.account == ACCOUNT && !iam::principal_exists(call.world, principal) {
        return Err(invalid_parameter("The specified principalArn is invalid: invalid principal."));
    }
    let tags = input.get("tags").cloned().unwrap_or_else(|| json!({}));
    let new =
        NewEntry { cluster, principal, kind: type_name, groups: groups.to_vec(), username, tags };
    let entry = put_entry(call.world, call.region, &new);
    Ok(Answer::Body(json!({ "accessEntry": entry })))
}

/// Writes a new entry and returns it.
pub fn put_entry(world: &mut World, region: &str, new: &NewEntry<'_>) -> Value {
    let (account, principal_kind, name) = parse_principal(new.principal)
        .map_or((ACCOUNT, "role", ""), |parsed| (parsed.account, parsed.kind, parsed.name));
    let known = kind(new.kind).ok();
    let groups = match known {
        Some(kind) if kind.username.is_some() => json!(kind.groups),
        _ => json!(new.groups),
    };
    let username = match (new.username, known.and_then(|kind| kind.username)) {
        (Some(given), _) => given.to_owned(),
        (None, Some(node)) => node.to_owned(),
        (None, None) if principal_kind == "user" => new.principal.to_owned(),
        (None, None) => format!("arn:aws:sts::{account}:assumed-role/{name}/{{{{SessionName}}}}"),
    };
    let id = facts::uuid(world, "eks/access-entry");
    let arn = super::arn(
        region,
        &format!("access-entry/{}/{principal_kind}/{account}/{name}/{id}", new.cluster),
    );
    let created = facts::to_millisecond(world.now());
    let principal_id =
        iam::role_by_arn(world, new.principal).map(|role| text(role, "RoleId").to_owned());
    let entry = json!({
        "clusterName": new.cluster,
        "principalArn": new.principal,
        "kubernetesGroups": groups,
        "accessEntryArn": arn,
        "createdAt": created,
        "modifiedAt": created,
        "tags": new.tags,
        "username": username,
        "type": new.kind,
        "principalId": principal_id,
        "policies": [],
    });
    let key = entry_key(region, new.cluster, new.principal);
    put_tagged(world, &key, region, &arn, entry.clone());
    entry
}

/// `describe-access-entry`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, entry) = find(call)?;
    Ok(Answer::Body(json!({ "accessEntry": entry })))
}

/// `list-access-entries`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    check_cluster(call)?;
    let prefix = entry_key(call.region, call.input.text("clusterName"), "");
    let wanted = call.input.maybe("associatedPolicyArn");
    let has = |entry: &Value, wanted: &str| {
        let policies = entry.get("policies").and_then(Value::as_array);
        policies.into_iter().flatten().any(|policy| text(policy, "policyArn") == wanted)
    };
    let principals: Vec<&str> = call
        .world
        .scan(&prefix)
        .filter(|(_, entry)| wanted.is_none_or(|wanted| has(entry, wanted)))
        .filter_map(|(key, _)| key.strip_prefix(&prefix))
        .collect();
    Ok(Answer::Body(json!({ "accessEntries": principals })))
}

/// `update-access-entry`.
pub fn update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let (key, mut entry) = find(call)?;
    let groups = input.get("kubernetesGroups");
    let username = input.maybe("username");
    if kind(text(&entry, "type"))?.username.is_some() && (groups.is_some() || username.is_some()) {
        return Err(invalid_parameter(format!(
            "The kubernetesGroups and username parameters cannot be set for access entries of type {}",
            text(&entry, "type")
        )));
    }
    check_groups(input.list("kubernetesGroups"))?;
    username.map_or(Ok(()), check_username)?;
    if let Some(groups) = groups {
        set(&mut entry, "kubernetesGroups", groups.clone());
    }
    if let Some(username) = username {
        set(&mut entry, "username", username);
    }
    set(&mut entry, "modifiedAt", now(call));
    call.world.put(key, entry.clone());
    Ok(Answer::Body(json!({ "accessEntry": entry })))
}

/// `delete-access-entry`. Its access policies go with it.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, entry) = find(call)?;
    remove_tagged(call.world, &key, call.region, text(&entry, "accessEntryArn"));
    Ok(Answer::Nothing)
}
