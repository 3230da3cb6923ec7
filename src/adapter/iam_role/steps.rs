//! The commands that make, change and delete a role.

use std::collections::BTreeSet;

use super::{
    DEFAULT_SESSION, DESCRIPTION, EXCLUSIVE, INLINE_POLICIES, INSTANCE_PROFILES, MANAGED_POLICIES,
    MAX_SESSION_DURATION, PATH, PERMISSIONS_BOUNDARY, ROLE_NAME, TAGS, TRUST_POLICY, iam,
    iam_document,
};
use crate::adapter::iam::Member;
use crate::adapter::{Blocker, Desired, Identity, Object, Operation, Step, Verb};
use crate::command::Command;
use crate::value::{Map, Value};

/// The commands of an operation, in order.
pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let role = Role { name: iam::part(operation.identity, ROLE_NAME) };
    match (operation.verb, operation.desired) {
        (Verb::Delete, _) => delete(&role, operation),
        (Verb::Create, Some(desired)) => Ok(create(&role, desired)),
        (Verb::Update | Verb::Repair, Some(desired)) => Ok(update(&role, desired, operation)),
        // Only a delete comes without a desired value.
        (Verb::Create | Verb::Update | Verb::Repair, None) => Ok(Vec::new()),
    }
}

/// The role that the steps are about.
struct Role {
    name: Value,
}

impl Role {
    fn label(&self) -> String {
        iam::label(&self.name)
    }

    /// A step that calls IAM with the role's name and these members.
    fn step<const N: usize>(
        &self,
        title: String,
        operation: &str,
        members: [(&str, Value); N],
    ) -> Step {
        let mut input = iam::map(members);
        input.insert("RoleName".into(), self.name.clone());
        Step::new(title, Command::aws_write("iam", operation, Value::Map(input)))
    }

    fn attach(&self, arn: &Value) -> Step {
        let title = format!("attach {} to {}", iam::policy_label(arn), self.label());
        self.step(title, "attach-role-policy", [("PolicyArn", arn.clone())])
    }

    fn detach(&self, arn: &Value) -> Step {
        let title = format!("detach {} from {}", iam::policy_label(arn), self.label());
        self.step(title, "detach-role-policy", [("PolicyArn", arn.clone())])
    }

    fn put_inline(&self, policy: &str, document: &Value) -> Step {
        self.step(
            format!("put the inline policy {policy} into {}", self.label()),
            "put-role-policy",
            [("PolicyName", policy.into()), ("PolicyDocument", iam_document::text(document))],
        )
    }

    fn delete_inline(&self, policy: &str) -> Step {
        self.step(
            format!("delete the inline policy {policy} of {}", self.label()),
            "delete-role-policy",
            [("PolicyName", policy.into())],
        )
    }
}

fn attribute<'a>(attributes: &'a Map, name: &str) -> Option<&'a Value> {
    attributes.get(name).filter(|value| !value.is_null())
}

fn list<'a>(attributes: &'a Map, name: &str) -> &'a [Value] {
    attributes.get(name).and_then(Value::as_list).unwrap_or_default()
}

fn entries<'a>(attributes: &'a Map, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    attributes.get(name).and_then(Value::as_map).into_iter().flatten()
}

/// One call with all that it takes, then one for each policy.
fn create(role: &Role, desired: &Desired) -> Vec<Step> {
    let wanted = &desired.attributes;
    let mut input = iam::map([("RoleName", role.name.clone())]);
    for (name, member) in [
        (PATH, "Path"),
        (DESCRIPTION, "Description"),
        (MAX_SESSION_DURATION, "MaxSessionDuration"),
        (PERMISSIONS_BOUNDARY, "PermissionsBoundary"),
    ] {
        if let Some(value) = attribute(wanted, name) {
            input.insert(member.into(), value.clone());
        }
    }
    if let Some(document) = attribute(wanted, TRUST_POLICY) {
        input.insert("AssumeRolePolicyDocument".into(), iam_document::text(document));
    }
    let tags: Vec<_> = entries(wanted, TAGS).map(|(key, value)| iam::tag(key, value)).collect();
    if !tags.is_empty() {
        input.insert("Tags".into(), Value::List(tags));
    }
    let command = Command::aws_write("iam", "create-role", Value::Map(input));
    let mut steps = vec![Step::new(format!("create the role {}", role.label()), command)];
    steps.extend(list(wanted, MANAGED_POLICIES).iter().map(|arn| role.attach(arn)));
    steps.extend(
        entries(wanted, INLINE_POLICIES).map(|(name, document)| role.put_inline(name, document)),
    );
    steps
}

/// What differs, and nothing else. Rights are given before others are taken
/// away, so that whoever uses the role is never without; a boundary that is
/// set comes first, so that it holds for what is given.
fn update(role: &Role, desired: &Desired, operation: &Operation<'_>) -> Vec<Step> {
    let changes = operation.changes;
    let wanted = &desired.attributes;
    let label = role.label();
    let mut steps = Vec::new();
    if iam::touches(changes, TRUST_POLICY)
        && let Some(document) = attribute(wanted, TRUST_POLICY)
    {
        steps.push(role.step(
            format!("set the trust policy of {label}"),
            "update-assume-role-policy",
            [("PolicyDocument", iam_document::text(document))],
        ));
    }
    steps.extend(update_settings(role, wanted, operation));
    if iam::touches(changes, PERMISSIONS_BOUNDARY) {
        steps.push(match attribute(wanted, PERMISSIONS_BOUNDARY) {
            Some(arn) => role.step(
                format!("set the permissions boundary of {label} to {}", iam::policy_label(arn)),
                "put-role-permissions-boundary",
                [("PermissionsBoundary", arn.clone())],
            ),
            None => role.step(
                format!("remove the permissions boundary of {label}"),
                "delete-role-permissions-boundary",
                [],
            ),
        });
    }

    let mut unwanted = Vec::new();
    for member in iam::members(changes, MANAGED_POLICIES) {
        match &member.after {
            // Not known yet, the ARN has no name to stand in the path.
            Some(unknown @ Value::Unknown(_)) => steps.push(role.attach(unknown)),
            Some(_) => steps.push(role.attach(&member.key.into())),
            None => unwanted.push(role.detach(&member.key.into())),
        }
    }
    for Member { key: name, .. } in iam::members(changes, INLINE_POLICIES) {
        match attribute(wanted, INLINE_POLICIES).and_then(|inline| inline.get(&name)) {
            Some(document) => steps.push(role.put_inline(&name, document)),
            None => unwanted.push(role.delete_inline(&name)),
        }
    }
    steps.extend(unwanted);
    let named = [("RoleName", role.name.clone())];
    steps.extend(iam::tag_steps("role", &label, &named, &iam::members(changes, TAGS)));
    steps
}

/// Description and session duration go together: `update-role` resets the one
/// that it is not given. What is not to change is given as it is.
fn update_settings(role: &Role, wanted: &Map, operation: &Operation<'_>) -> Option<Step> {
    let changes = operation.changes;
    let (description, session) =
        (iam::touches(changes, DESCRIPTION), iam::touches(changes, MAX_SESSION_DURATION));
    let what = match (description, session) {
        (true, true) => "description and session duration",
        (true, false) => "description",
        (false, true) => "session duration",
        (false, false) => return None,
    };
    let value = |name: &str, changes: bool, default: Value| {
        let live = operation.object.map(|object| &object.attributes);
        let side = if changes { Some(wanted) } else { live };
        side.and_then(|side| attribute(side, name)).cloned().unwrap_or(default)
    };
    Some(role.step(
        format!("set the {what} of {}", role.label()),
        "update-role",
        [
            ("Description", value(DESCRIPTION, description, "".into())),
            ("MaxSessionDuration", value(MAX_SESSION_DURATION, session, DEFAULT_SESSION.into())),
        ],
    ))
}

/// IAM deletes a role only when nothing is on it any more. What this resource
/// put there goes first; what others did is not ours to remove.
fn delete(role: &Role, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let owned = Owned::of(operation);
    let mut steps = Vec::new();
    let mut others = Vec::new();
    if let Some(object) = operation.object {
        for arn in list(&object.attributes, MANAGED_POLICIES) {
            if owned.managed(arn) {
                steps.push(role.detach(arn));
            } else {
                others.push(iam::label(arn));
            }
        }
        for (name, _) in entries(&object.attributes, INLINE_POLICIES) {
            if owned.inline(name) {
                steps.push(role.delete_inline(name));
            } else {
                others.push(format!("the inline policy {name}"));
            }
        }
    }
    if !others.is_empty() {
        let name = role.label();
        return Err(vec![Blocker {
            code: "RoleHasOtherPolicies".into(),
            message: format!(
                "the role {name} can't be deleted: policies that no manifest declares are on it: \
                 {}",
                others.join(", ")
            ),
            next: format!(
                "look with `aws iam list-attached-role-policies --role-name {name}` and `aws iam \
                 list-role-policies --role-name {name}`; remove them, or declare them in the \
                 role's manifest before deleting it"
            ),
        }]);
    }
    steps.push(role.step(format!("delete the role {}", role.label()), "delete-role", []));
    Ok(steps)
}

/// IAM deletes no role that is in an instance profile. Profiles are not ours to
/// change.
pub(super) fn in_profiles(identity: &Identity, object: &Object) -> Vec<Blocker> {
    let role = iam::label(&iam::part(identity, ROLE_NAME));
    let blocker = |profile: &Value| {
        let profile = iam::label(profile);
        Blocker {
            code: "RoleInInstanceProfile".into(),
            message: format!(
                "the role {role} can't be deleted while it is in the instance profile {profile}, \
                 which no manifest declares"
            ),
            next: format!(
                "remove whatever uses the profile (Karpenter removes its own with the \
                 EC2NodeClass), or take the role out of it with `aws iam \
                 remove-role-from-instance-profile --instance-profile-name {profile} --role-name \
                 {role}`; then plan again"
            ),
        }
    };
    list(&object.facts, INSTANCE_PROFILES).iter().map(blocker).collect()
}

/// The policies on a role that this resource put there, or claims.
struct Owned<'a> {
    sides: Vec<&'a Map>,
    exclusive: BTreeSet<&'a str>,
}

impl<'a> Owned<'a> {
    fn of(operation: &Operation<'a>) -> Self {
        let desired = operation.desired.map(|desired| &desired.attributes);
        let prior = operation.prior.map(|prior| &prior.attributes);
        let settings = operation
            .desired
            .map(|desired| &desired.settings)
            .or_else(|| operation.prior.map(|prior| &prior.settings));
        let exclusive = settings
            .map(|settings| list(settings, EXCLUSIVE))
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        Self { sides: desired.into_iter().chain(prior).collect(), exclusive }
    }

    fn managed(&self, arn: &Value) -> bool {
        self.exclusive.contains(MANAGED_POLICIES)
            || self.sides.iter().any(|side| list(side, MANAGED_POLICIES).contains(arn))
    }

    fn inline(&self, name: &str) -> bool {
        self.exclusive.contains(INLINE_POLICIES)
            || self.sides.iter().any(|side| {
                side.get(INLINE_POLICIES).is_some_and(|inline| inline.get(name).is_some())
            })
    }
}
