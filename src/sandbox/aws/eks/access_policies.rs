//! Access policies of access entries: what a principal may do in a cluster.

use serde_json::{Value, json};

use super::super::facts;
use super::super::model::{Answer, Call, Fault, fault};
use super::{access, invalid_parameter, key, now, set, text};
use crate::sandbox::world::World;

const PREFIX: &str = "arn:aws:eks::aws:cluster-access-policy/";

/// The access policies that can be associated.
const KNOWN: &[&str] = &[
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

fn policies(entry: &Value) -> Vec<Value> {
    entry.get("policies").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn check_scope(scope: &Value) -> Result<(), Fault> {
    let namespaces = scope.get("namespaces").and_then(Value::as_array).map_or(0, Vec::len);
    match text(scope, "type") {
        "cluster" if namespaces > 0 => {
            Err(invalid_parameter("The access scope of type cluster cannot have namespaces"))
        }
        "namespace" if namespaces == 0 => {
            Err(invalid_parameter("The access scope of type namespace must have namespaces"))
        }
        "cluster" | "namespace" => Ok(()),
        other => Err(invalid_parameter(format!("The access scope type {other} is invalid"))),
    }
}

/// `associate-access-policy`. For a policy that is there already it replaces the
/// scope.
pub fn associate(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = call.input.text("policyArn");
    let scope = call.input.get("accessScope").cloned().unwrap_or_default();
    let (key, mut entry) = access::find(call)?;
    if !access::takes_policies(&entry) {
        return Err(fault(
            "InvalidRequestException",
            format!(
                "Access policies cannot be associated with an access entry of type {}",
                text(&entry, "type")
            ),
        ));
    }
    if !policy.strip_prefix(PREFIX).is_some_and(|name| KNOWN.contains(&name)) {
        return Err(invalid_parameter("The specified policyArn is invalid"));
    }
    check_scope(&scope)?;
    let at = now(call);
    let answer = insert(&mut entry, policy, &scope, &at);
    call.world.put(key, entry);
    Ok(Answer::Body(json!({
        "clusterName": call.input.text("clusterName"),
        "principalArn": call.input.text("principalArn"),
        "associatedAccessPolicy": answer,
    })))
}

fn insert(entry: &mut Value, policy: &str, scope: &Value, at: &str) -> Value {
    let mut all = policies(entry);
    let mut scope = scope.clone();
    if scope.get("namespaces").is_none() {
        set(&mut scope, "namespaces", json!([]));
    }
    let mut associated = json!({
        "policyArn": policy,
        "accessScope": scope,
        "associatedAt": at,
        "modifiedAt": at,
    });
    match all.iter_mut().find(|old| text(old, "policyArn") == policy) {
        Some(old) => {
            set(&mut associated, "associatedAt", text(old, "associatedAt"));
            *old = associated.clone();
        }
        None => all.push(associated.clone()),
    }
    set(entry, "policies", all);
    associated
}

/// Gives a principal a policy for a whole cluster, without checks.
pub fn associate_unchecked(
    world: &mut World,
    region: &str,
    cluster: &str,
    principal: &str,
    policy: &str,
) {
    let key = key(region, "access-entry", &format!("{cluster}/{principal}"));
    if let Some(mut entry) = world.get(&key).cloned() {
        let at = facts::to_millisecond(world.now());
        insert(&mut entry, &format!("{PREFIX}{policy}"), &json!({ "type": "cluster" }), &at);
        world.put(key, entry);
    }
}

/// `disassociate-access-policy`.
pub fn disassociate(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let policy = call.input.text("policyArn");
    let (key, mut entry) = access::find(call)?;
    let mut all = policies(&entry);
    let before = all.len();
    all.retain(|associated| text(associated, "policyArn") != policy);
    if all.len() == before {
        return Err(fault(
            "ResourceNotFoundException",
            "The specified policyArn is not associated with the access entry.",
        ));
    }
    set(&mut entry, "policies", all);
    call.world.put(key, entry);
    Ok(Answer::Nothing)
}

/// `list-associated-access-policies`.
pub fn list(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let (_, entry) = access::find(call)?;
    Ok(Answer::Body(json!({
        "associatedAccessPolicies": policies(&entry),
        "clusterName": call.input.text("clusterName"),
        "principalArn": call.input.text("principalArn"),
    })))
}
