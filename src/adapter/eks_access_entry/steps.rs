//! The commands that make, change and delete an access entry.
//!
//! This module must not read anything: what is live comes with the operation.

use super::super::eks::{IamArn, tag_steps};
use super::super::{Blocker, Desired, Identity, Operation, Step};
use crate::command::Command;
use crate::diff::FieldChange;
use crate::value::Value;

/// The last part of an ARN, for titles.
fn short(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

/// The principal's name, for titles.
fn principal_name(identity: &Identity) -> &str {
    match identity.part("principalArn") {
        "" => "its principal",
        arn => short(arn),
    }
}

/// The step that deletes an entry; its policies go with it.
pub(super) fn deletion(identity: &Identity) -> Step {
    Step::new(
        format!("delete the access entry of {}", principal_name(identity)),
        entry_command("delete-access-entry", identity, []),
    )
}

/// A changing call about one entry.
fn entry_command<const N: usize>(
    operation: &str,
    identity: &Identity,
    more: [(&str, Value); N],
) -> Command {
    let mut input = identity.0.clone();
    input.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
    Command::aws_write("eks", operation, Value::Map(input))
}

/// The steps that make an entry with its policies.
pub(super) fn creation(desired: &Desired) -> Vec<Step> {
    let mut input = desired.identity.0.clone();
    for field in ["type", "kubernetesGroups", "username", "tags"] {
        let Some(value) = desired.attributes.get(field) else { continue };
        let empty = value.as_list().is_some_and(<[Value]>::is_empty)
            || value.as_map().is_some_and(|map| map.is_empty());
        if !empty {
            input.insert(field.to_owned(), value.clone());
        }
    }
    let principal = principal_name(&desired.identity);
    let command = Command::aws_write("eks", "create-access-entry", Value::Map(input));
    let mut steps = vec![Step::new(format!("make an access entry for {principal}"), command)];
    let policies = desired.attributes.get("accessPolicies").and_then(Value::as_map);
    for (arn, scope) in policies.into_iter().flatten() {
        steps.push(association(&desired.identity, arn, scope));
    }
    steps
}

/// Associates a policy, or gives it another scope: to EKS that is the same.
fn association(identity: &Identity, arn: &str, scope: &Value) -> Step {
    let mut scope = scope.as_map().cloned().unwrap_or_default();
    if scope.get("namespaces").and_then(Value::as_list).is_some_and(<[Value]>::is_empty) {
        scope.remove("namespaces");
    }
    Step::new(
        format!("associate {}", short(arn)),
        entry_command(
            "associate-access-policy",
            identity,
            [("policyArn", arn.into()), ("accessScope", scope.into())],
        ),
    )
}

/// The steps that carry changes out.
///
/// # Errors
/// When a change can't be made at all.
pub(super) fn update(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let mut steps = Vec::new();
    steps.extend(update_entry(operation).map_err(|blocker| vec![blocker])?);
    let mut disassociations = Vec::new();
    for change in operation.changes {
        let [attribute, arn] = change.path.segments() else { continue };
        if attribute != "accessPolicies" {
            continue;
        }
        match &change.after {
            Some(scope) => steps.push(association(operation.identity, arn, scope)),
            None => disassociations.push(Step::new(
                format!("disassociate {}", short(arn)),
                entry_command(
                    "disassociate-access-policy",
                    operation.identity,
                    [("policyArn", arn.as_str().into())],
                ),
            )),
        }
    }
    steps.extend(disassociations);
    let tags = tag_steps(operation.changes, operation.object, "accessEntryArn");
    steps.extend(tags.map_err(|blocker| vec![blocker])?);
    Ok(steps)
}

/// The step that changes groups and name, if they change. The API replaces the
/// groups as a whole, so those of others are sent along.
fn update_entry(operation: &Operation<'_>) -> Result<Option<Step>, Blocker> {
    let of = |attribute: &'static str| {
        let is_of = move |change: &&FieldChange| {
            change.path.segments().first().is_some_and(|first| first == attribute)
        };
        operation.changes.iter().filter(is_of)
    };
    let username = of("username").next();
    if username.is_none() && of("kubernetesGroups").next().is_none() {
        return Ok(None);
    }
    let live = operation.object.and_then(|object| object.attributes.get("kubernetesGroups"));
    let mut groups = live.and_then(Value::as_list).unwrap_or_default().to_vec();
    for change in of("kubernetesGroups") {
        if let Some(after) = &change.after {
            groups.push(after.clone());
        } else {
            groups.retain(|group| Some(group) != change.before.as_ref());
        }
    }
    groups.sort_by_key(ToString::to_string);
    let mut command = entry_command(
        "update-access-entry",
        operation.identity,
        [("kubernetesGroups", Value::List(groups))],
    );
    // A declared name is sent along with every update, so that none can lose it.
    let declared = operation.desired.and_then(|desired| desired.attributes.get("username"));
    let username = match (declared, username) {
        (Some(declared), _) => Some(declared.clone()),
        (None, Some(_)) => Some(default_username(operation.identity)?),
        (None, None) => None,
    };
    if let (Some(username), Some(Value::Map(input))) = (username, command.stdin.as_mut()) {
        input.insert("username".into(), username);
    }
    Ok(Some(Step::new("update groups and name", command)))
}

/// The name that EKS chooses for an entry of type STANDARD when it is made. An
/// update can't ask for it, so a name that is not declared any more is set back
/// to it by writing it.
fn default_username(identity: &Identity) -> Result<Value, Blocker> {
    let principal = identity.part("principalArn");
    let arn = IamArn::parse(principal);
    if let (Some(arn), Some(role)) = (arn, arn.and_then(IamArn::role_name)) {
        let partition = principal.split(':').nth(1).unwrap_or("aws");
        let account = arn.account;
        let name =
            format!("arn:{partition}:sts::{account}:assumed-role/{role}/{{{{SessionName}}}}");
        return Ok(name.into());
    }
    if arn.is_some_and(|arn| arn.resource.starts_with("user/")) {
        return Ok(principal.into());
    }
    Err(Blocker {
        code: "UsernameStays".to_owned(),
        message: format!("EKS has no way to take the username of {principal} back"),
        next: "declare the username that it should have".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::EksAccessEntry;
    use super::super::tests::{EDIT, NODE, VIEW, context, desired, node};
    use super::*;
    use crate::adapter::eks::testing::{call, change, value};
    use crate::adapter::{Adapter, Object, Verb};
    use crate::value::Map;

    fn steps(
        verb: Verb,
        desired: Option<&Desired>,
        object: Option<&Object>,
        changes: &[crate::diff::FieldChange],
    ) -> Result<Vec<(String, Json)>, Vec<Blocker>> {
        let identity = node().identity;
        let operation =
            Operation { verb, identity: &identity, desired, prior: None, object, changes };
        let steps = EksAccessEntry.steps(&operation)?;
        Ok(steps.iter().map(|step| call(&step.command)).collect())
    }

    #[test]
    fn creating_is_one_call_and_one_more_for_each_policy() {
        assert_eq!(
            steps(Verb::Create, Some(&node()), None, &[]).unwrap(),
            [(
                "eks create-access-entry".to_owned(),
                json!({"clusterName": "demo", "principalArn": NODE, "type": "EC2_LINUX"})
            )]
        );
        let people = desired(json!({
            "kubernetesGroups": ["viewers"],
            "username": "team",
            "tags": {"a": "b"},
            "accessPolicies": [
                {"policyArn": VIEW, "scope": {"type": "cluster"}},
                {"policyArn": EDIT, "scope": {"type": "namespace", "namespaces": ["b", "a", "b"]}},
            ],
        }));
        assert_eq!(
            steps(Verb::Create, Some(&people), None, &[]).unwrap(),
            [
                (
                    "eks create-access-entry".to_owned(),
                    json!({
                        "clusterName": "demo", "principalArn": NODE, "type": "STANDARD",
                        "kubernetesGroups": ["viewers"], "username": "team", "tags": {"a": "b"},
                    })
                ),
                (
                    "eks associate-access-policy".to_owned(),
                    json!({
                        "clusterName": "demo", "principalArn": NODE, "policyArn": EDIT,
                        "accessScope": {"type": "namespace", "namespaces": ["a", "b"]},
                    })
                ),
                (
                    "eks associate-access-policy".to_owned(),
                    json!({
                        "clusterName": "demo", "principalArn": NODE, "policyArn": VIEW,
                        "accessScope": {"type": "cluster"},
                    })
                ),
            ]
        );
    }

    #[test]
    fn a_principal_that_is_not_known_yet_shows_in_the_plan() {
        let spec = Value::Map(Map::from([
            ("clusterName".into(), "demo".into()),
            ("principalArn".into(), Value::Unknown("${IamRole.node.arn}".into())),
            ("type".into(), "EC2_LINUX".into()),
        ]));
        let desired = EksAccessEntry.desired(&spec, &context()).unwrap();
        assert!(!desired.identity.is_known());
        let calls = steps(Verb::Create, Some(&desired), None, &[]).unwrap();
        assert_eq!(calls[0].1["principalArn"], json!({"$unknown": "${IamRole.node.arn}"}));
    }

    #[test]
    fn updating_keeps_what_others_set() {
        let object = Object {
            attributes: Map::from([(
                "kubernetesGroups".into(),
                value(&json!(["gone", "others", "stays"])),
            )]),
            outputs: Map::from([("accessEntryArn".into(), "arn:entry".into())]),
            ..Object::default()
        };
        let people = desired(json!({"kubernetesGroups": ["new", "stays"], "username": "team"}));
        let scope = value(&json!({"type": "namespace", "namespaces": ["x"]}));
        let changes = [
            change(&["accessPolicies", EDIT], Some(scope.clone()), None),
            change(&["accessPolicies", VIEW], None, Some(scope)),
            change(&["kubernetesGroups", "gone"], Some("gone".into()), None),
            change(&["kubernetesGroups", "new"], None, Some("new".into())),
            change(&["tags", "old"], Some("1".into()), None),
            change(&["tags", "team"], Some("a".into()), Some("b".into())),
        ];
        assert_eq!(
            steps(Verb::Update, Some(&people), Some(&object), &changes).unwrap(),
            [
                (
                    "eks update-access-entry".to_owned(),
                    json!({
                        "clusterName": "demo", "principalArn": NODE,
                        "kubernetesGroups": ["new", "others", "stays"], "username": "team",
                    })
                ),
                (
                    "eks associate-access-policy".to_owned(),
                    json!({
                        "clusterName": "demo", "principalArn": NODE, "policyArn": VIEW,
                        "accessScope": {"type": "namespace", "namespaces": ["x"]},
                    })
                ),
                (
                    "eks disassociate-access-policy".to_owned(),
                    json!({"clusterName": "demo", "principalArn": NODE, "policyArn": EDIT})
                ),
                (
                    "eks tag-resource".to_owned(),
                    json!({"resourceArn": "arn:entry", "tags": {"team": "b"}})
                ),
                (
                    "eks untag-resource".to_owned(),
                    json!({"resourceArn": "arn:entry", "tagKeys": ["old"]})
                ),
            ]
        );
    }

    #[test]
    fn a_name_that_is_not_declared_any_more_goes_back_to_the_default() {
        let changes = [change(&["username"], Some("team".into()), None)];
        let calls =
            steps(Verb::Update, Some(&desired(json!({}))), Some(&Object::default()), &changes)
                .unwrap();
        assert_eq!(
            calls[0].1["username"],
            json!("arn:aws:sts::111122223333:assumed-role/KarpenterNodeRole-demo/{{SessionName}}")
        );
    }

    #[test]
    fn deleting_needs_only_the_identity() {
        assert_eq!(
            steps(Verb::Delete, None, None, &[]).unwrap(),
            [(
                "eks delete-access-entry".to_owned(),
                json!({"clusterName": "demo", "principalArn": NODE})
            )]
        );
    }
}
