//! Pod identity associations: the role that the pods of a service account get.

use serde_json::{Value, json};

use super::super::facts::{self, ACCOUNT};
use super::super::iam;
use super::super::model::{Answer, Call, Fault, fault};
use super::{cluster, invalid_parameter, key, now, put_tagged, remove_tagged, set, text};
use crate::sandbox::world::World;

fn association_key(call: &Call<'_>, id: &str) -> String {
    key(call.region, "association", &format!("{}/{id}", call.input.text("clusterName")))
}

fn account_key(call: &Call<'_>, namespace: &str, account: &str) -> String {
    let cluster = call.input.text("clusterName");
    key(call.region, "association-of", &format!("{cluster}/{namespace}/{account}"))
}

/// The key and the association that a call names.
fn find(call: &Call<'_>) -> Result<(String, Value), Fault> {
    cluster(call, "clusterName")?;
    let id = call.input.text("associationId");
    let key = association_key(call, id);
    let found = call.world.get(&key).cloned().ok_or_else(|| {
        fault(
            "ResourceNotFoundException",
            format!("No pod identity association found for ID: {id}."),
        )
    })?;
    Ok((key, found))
}

/// Checks the role of an association: it must exist and let pods assume it.
pub fn check_role(call: &Call<'_>, arn: &str) -> Result<(), Fault> {
    let role = iam::role_by_arn(call.world, arn).ok_or_else(|| {
        if arn.starts_with(&format!("arn:aws:iam::{ACCOUNT}:role/")) {
            invalid_parameter("Role provided in the request does not exist.")
        } else if arn.starts_with("arn:aws:iam::") {
            fault(
                "InvalidRequestException",
                "Role provided in the request must belong to the same account as the cluster.",
            )
        } else {
            invalid_parameter("Role ARN provided in the request is invalid.")
        }
    })?;
    if trusts_pods(text(role, "AssumeRolePolicyDocument")) {
        Ok(())
    } else {
        Err(invalid_parameter("Trust policy of the role provided is invalid."))
    }
}

/// Whether a trust policy allows pods both actions that they need.
fn trusts_pods(document: &str) -> bool {
    let parsed: Value = serde_json::from_str(document).unwrap_or_default();
    let statements = match parsed.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(single) => vec![single.clone()],
        None => Vec::new(),
    };
    let allows = |wanted: &str| {
        statements.iter().any(|statement| {
            let service = statement.pointer("/Principal/Service").unwrap_or(&Value::Null);
            text(statement, "Effect") == "Allow"
                && holds(service, |name| name == "pods.eks.amazonaws.com")
                && holds(statement.get("Action").unwrap_or(&Value::Null), |action| {
                    action == "*" || action == "sts:*" || action.eq_ignore_ascii_case(wanted)
                })
        })
    };
    allows("sts:AssumeRole") && allows("sts:TagSession")
}

fn holds(value: &Value, wanted: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(single) => wanted(single),
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(wanted),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// `create-pod-identity-association`.
pub fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let input = call.input;
    let name = input.text("clusterName");
    let (namespace, account) = (input.text("namespace"), input.text("serviceAccount"));
    cluster(call, "clusterName")?;
    let account_key = account_key(call, namespace, account);
    if let Some(id) = call.world.get(&account_key).and_then(Value::as_str) {
        return Err(fault("ResourceInUseException", format!("Association already exists: {id}")));
    }
    check_role(call, input.text("roleArn"))?;

    let id = facts::association_id(call.world);
    let arn = super::arn(call.region, &format!("podidentityassociation/{name}/{id}"));
    let created = now(call);
    let mut association = json!({
        "clusterName": name,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": input.text("roleArn"),
        "associationArn": arn,
        "associationId": id,
        "tags": input.get("tags").cloned().unwrap_or_else(|| json!({})),
        "createdAt": created,
        "modifiedAt": created,
        "disableSessionTags": input.flag("disableSessionTags").unwrap_or(false),
    });
    apply(call, &mut association)?;
    let key = association_key(call, &id);
    call.world.put(account_key, Value::from(id));
    put_tagged(call.world, &key, call.region, &arn, association.clone());
    Ok(Answer::Body(json!({ "association": association })))
}

/// Takes over what both create and update may set: the target role, which gets
/// an external id, and the session policy, which excludes session tags.
fn apply(call: &mut Call<'_>, association: &mut Value) -> Result<(), Fault> {
    let input = call.input;
    if let Some(disable) = input.flag("disableSessionTags") {
        set(association, "disableSessionTags", disable);
    }
    if let Some(target) = input.maybe("targetRoleArn") {
        if association.get("externalId").is_none() {
            let id = facts::uuid(call.world, "eks/external-id");
            set(association, "externalId", format!("{}/{id}", text(association, "clusterName")));
        }
        set(association, "targetRoleArn", target);
    }
    if let Some(policy) = input.maybe("policy") {
        set(association, "policy", policy);
    }
    let tags_disabled = association.get("disableSessionTags") == Some(&Value::Bool(true));
    if association.get("policy").is_some() && !tags_disabled {
        return Err(invalid_parameter("Session tags must be disabled when a policy is specified."));
    }
    Ok(())
}

/// `describe-pod-identity-association`.
pub fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, association) = find(call)?;
    Ok(Answer::Body(json!({ "association": association })))
}

/// `list-pod-identity-associations`. By namespace and service account it looks
/// one up; by namespace, or without a filter, it reads those of the cluster.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    cluster(call, "clusterName")?;
    let (namespace, account) = (call.input.maybe("namespace"), call.input.maybe("serviceAccount"));
    let keys: Vec<String> = match (namespace, account) {
        (Some(namespace), Some(account)) => {
            let found = call.world.get(&account_key(call, namespace, account));
            found.and_then(Value::as_str).map(str::to_owned).into_iter().collect()
        }
        (Some(namespace), None) => ids_below(call, &account_key(call, namespace, "")),
        (None, _) => {
            let cluster = call.input.text("clusterName");
            ids_below(call, &key(call.region, "association-of", &format!("{cluster}/")))
        }
    };
    let associations: Vec<&Value> = keys
        .iter()
        .filter_map(|id| call.world.get(&association_key(call, id)))
        .filter(|found| account.is_none_or(|wanted| text(found, "serviceAccount") == wanted))
        .collect();
    Ok(Answer::Body(json!({ "associations": associations })))
}

fn ids_below(call: &Call<'_>, prefix: &str) -> Vec<String> {
    call.world.scan(prefix).filter_map(|(_, id)| id.as_str().map(str::to_owned)).collect()
}

/// `update-pod-identity-association`.
pub fn update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, mut association) = find(call)?;
    if let Some(role) = call.input.maybe("roleArn") {
        check_role(call, role)?;
        set(&mut association, "roleArn", role);
    }
    apply(call, &mut association)?;
    set(&mut association, "modifiedAt", now(call));
    call.world.put(key, association.clone());
    Ok(Answer::Body(json!({ "association": association })))
}

/// `delete-pod-identity-association`.
pub fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (key, association) = find(call)?;
    let (namespace, account) =
        (text(&association, "namespace"), text(&association, "serviceAccount"));
    let account_key = account_key(call, namespace, account);
    call.world.remove(&account_key);
    remove_tagged(call.world, &key, call.region, text(&association, "associationArn"));
    Ok(Answer::Body(json!({ "association": association })))
}

/// Makes an association that an add-on owns, in the place of one of the same
/// service account; its ARN. The place: cluster, namespace, service account.
pub fn put(
    world: &mut World,
    region: &str,
    (cluster, namespace, account): (&str, &str, &str),
    role: &str,
    owner: &str,
) -> String {
    let id = facts::association_id(world);
    let arn = super::arn(region, &format!("podidentityassociation/{cluster}/{id}"));
    let created = facts::to_millisecond(world.now());
    let association = json!({
        "clusterName": cluster,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": role,
        "associationArn": arn,
        "associationId": id,
        "tags": {},
        "createdAt": created,
        "modifiedAt": created,
        "ownerArn": owner,
        "disableSessionTags": false,
    });
    let of = key(region, "association-of", &format!("{cluster}/{namespace}/{account}"));
    let place = key(region, "association", &format!("{cluster}/{id}"));
    world.put(of, Value::from(id));
    put_tagged(world, &place, region, &arn, association);
    arn
}

/// Removes the associations that an add-on owns.
pub fn remove_owned(world: &mut World, region: &str, cluster: &str, owner: &str) {
    let all = world.scan(&key(region, "association", &format!("{cluster}/")));
    let owned: Vec<(String, Value)> = all
        .filter(|(_, association)| text(association, "ownerArn") == owner)
        .map(|(key, association)| (key.to_owned(), association.clone()))
        .collect();
    for (place, association) in owned {
        let (namespace, account) =
            (text(&association, "namespace"), text(&association, "serviceAccount"));
        world.remove(&key(region, "association-of", &format!("{cluster}/{namespace}/{account}")));
        remove_tagged(world, &place, region, text(&association, "associationArn"));
    }
}
