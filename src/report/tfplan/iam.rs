//! IAM: roles with their policies, and policies.
//!
//! This module must not know other services.

use super::kinds::{Block, Known};
use super::{policy, renamed};
use crate::value::{Map, Value};

/// A role, and one resource for each policy that is attached or in it.
pub(super) fn role(name: &Value, attributes: &Map, known: &Known<'_>) -> Vec<Block> {
    let mut values = renamed(
        attributes,
        &[
            ("path", "path"),
            ("description", "description"),
            ("maxSessionDuration", "max_session_duration"),
            ("permissionsBoundary", "permissions_boundary"),
            ("tags", "tags"),
        ],
    );
    values.insert("name".into(), name.clone());
    if let Some(arn) = known.role_arn(name, attributes) {
        values.insert("arn".into(), arn.into());
    }
    let trust = attributes.get("trustPolicy").filter(|trust| !trust.is_null());
    if let Some(trust) = trust {
        values.insert("assume_role_policy".into(), policy::text(trust, known));
    }
    let mut blocks = vec![Block::new("aws_iam_role", values)];
    match attributes.get("managedPolicies") {
        Some(Value::List(policies)) => {
            for arn in policies {
                let index = super::kinds::index_of(arn);
                blocks.push(attachment(name, arn).at(index));
            }
        }
        Some(open @ (Value::Unknown(_) | Value::Sensitive(_))) => {
            blocks.push(attachment(name, open));
        }
        _ => {}
    }
    for (policy_name, document) in
        attributes.get("inlinePolicies").and_then(Value::as_map).into_iter().flatten()
    {
        let values = Map::from([
            ("name".into(), policy_name.as_str().into()),
            ("role".into(), name.clone()),
            ("policy".into(), policy::text(document, known)),
        ]);
        let block = Block::new("aws_iam_role_policy", values).at(policy_name.clone());
        blocks.push(block.refers("role", "aws_iam_role", "name"));
    }
    blocks
}

fn attachment(role: &Value, arn: &Value) -> Block {
    let values = Map::from([("role".into(), role.clone()), ("policy_arn".into(), arn.clone())]);
    Block::new("aws_iam_role_policy_attachment", values).refers("role", "aws_iam_role", "name")
}

/// A managed policy.
pub(super) fn managed_policy(identity: &Map, attributes: &Map, known: &Known<'_>) -> Vec<Block> {
    let mut values = renamed(identity, &[("policyName", "name"), ("arn", "arn"), ("path", "path")]);
    let told = [("path", "path"), ("description", "description"), ("tags", "tags")];
    values.extend(renamed(attributes, &told));
    if let Some(document) = attributes.get("document").filter(|document| !document.is_null()) {
        values.insert("policy".into(), policy::text(document, known));
    }
    vec![Block::new("aws_iam_policy", values)]
}
