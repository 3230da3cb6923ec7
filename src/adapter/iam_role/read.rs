//! How a role is read: alone, or off the lists of all roles where many are.
//!
//! This module must not decide anything about what it reads.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::super::iam::{self, Source};
use super::super::{
    Answers, Desired, Live, Object, Questions, ReadError, Reading, Subject, iam_document, picked,
};
use super::{
    DEFAULT_SESSION, DESCRIPTION, INLINE_POLICIES, INSTANCE_PROFILES, MANAGED_POLICIES,
    MAX_SESSION_DURATION, NOT_READ, PATH, PERMISSIONS_BOUNDARY, ROLE_NAME, TAGS, TRUST_POLICY,
};
use crate::command::{Answer, Command};
use crate::value::{Map, Value};

/// Off the lists where the role is one of many and they tell of it, else alone.
/// One that is to be deleted is read alone.
pub(super) fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let mut questions = Questions::new(answers);
    if let Some(desired) = subject.desired.filter(|_| subject.is_one_of_many()) {
        let name = subject.identity.part(ROLE_NAME);
        let details = iam::details("Role").picking("RoleDetailList", &[("RoleName", name)]);
        let list = iam::list("list-roles").picking("Roles", &[("RoleName", name)]);
        let (Some(detailed), Some(named)) =
            (questions.ask(details.clone()), questions.ask(list.clone()))
        else {
            return Ok(questions.asking());
        };
        if let Some(object) = listed(subject, desired, (&details, detailed), (&list, named)) {
            return Ok(Reading::Live(Live::Present(Box::new(object))));
        }
    }
    alone(subject, questions)
}

/// What the lists of all roles tell of one; `None`: nothing for sure.
///
/// Two lists together tell all: `get-account-authorization-details` has
/// everything but the description and the session's length, which `list-roles`
/// has (API reference of both).
fn listed(
    subject: &Subject<'_>,
    desired: &Desired,
    (details, detailed): (&Command, &Answer),
    (list, named): (&Command, &Answer),
) -> Option<Object> {
    let (detail, mut role) = (picked(details, detailed)?, picked(list, named)?);
    let source = Source { command: details, answer: detailed };
    let is_same = ["RoleId", "Arn"].iter().all(|field| detail.get(field) == role.get(field));
    let members = role.as_object_mut().filter(|_| is_same)?;
    for field in ["AssumeRolePolicyDocument", "PermissionsBoundary", "Tags"] {
        members.insert(field.to_owned(), detail.get(field).cloned().unwrap_or_default());
    }
    let mut object = role_itself(source, &role, subject).ok()?;
    if is_replaced(&object, desired) {
        return None;
    }
    let attached = source.list(&detail, "AttachedManagedPolicies").ok()?;
    object.attributes.insert(MANAGED_POLICIES.into(), arns(source, attached).ok()?);
    let mut documents = Map::new();
    for policy in source.list(&detail, "RolePolicyList").ok()? {
        let name = source.text(policy, "PolicyName").ok()?;
        let document = if counts(subject, &name) {
            iam_document::from_answer(source.member(policy, "PolicyDocument").ok()?)
        } else {
            NOT_READ.into()
        };
        documents.insert(name, document);
    }
    object.attributes.insert(INLINE_POLICIES.into(), Value::Map(documents));
    Some(object)
}

/// Three commands side by side, then one for each inline policy that counts:
/// of others' policies the names are enough. Instance profiles count only where
/// the role is to be deleted.
fn alone(subject: &Subject<'_>, mut questions: Questions<'_>) -> Result<Reading, ReadError> {
    let name = subject.identity.part(ROLE_NAME);
    let by_name = |operation: &str| iam::read_command(operation, "--role-name", name);
    let get = by_name("get-role");
    let list_attached = by_name("list-attached-role-policies");
    let list_inline = by_name("list-role-policies");
    let role = questions.ask(get.clone());
    let attached = questions.ask(list_attached.clone());
    let inline = questions.ask(list_inline.clone());
    let list_profiles = by_name("list-instance-profiles-for-role");
    if subject.desired.is_none() {
        questions.ask(list_profiles.clone());
    }
    // Without the role itself there is nothing to list; its answer decides.
    if role.is_some_and(|answer| answer.is_service_error("NoSuchEntity")) {
        return Ok(Reading::Live(Live::Absent));
    }
    let (Some(role), Some(attached), Some(inline)) = (role, attached, inline) else {
        return Ok(questions.asking());
    };

    let whole = iam::whole(&get, role)?;
    let source = Source { command: &get, answer: role };
    let mut object = role_itself(source, source.member(&whole, "Role")?, subject)?;
    if subject.desired.is_none_or(|desired| is_replaced(&object, desired)) {
        let Some(answer) = questions.ask(list_profiles.clone()) else {
            return Ok(questions.asking());
        };
        let listed = iam::whole(&list_profiles, answer)?;
        let source = Source { command: &list_profiles, answer };
        let names = source
            .list(&listed, "InstanceProfiles")?
            .iter()
            .map(|profile| source.text(profile, "InstanceProfileName").map(Value::from))
            .collect::<Result<Vec<_>, _>>()?;
        object.facts.insert(INSTANCE_PROFILES.into(), Value::List(names));
    }
    let listed = iam::whole(&list_attached, attached)?;
    let source = Source { command: &list_attached, answer: attached };
    let attached = source.list(&listed, "AttachedPolicies")?;
    object.attributes.insert(MANAGED_POLICIES.into(), arns(source, attached)?);

    let listed = iam::whole(&list_inline, inline)?;
    let source = Source { command: &list_inline, answer: inline };
    let mut documents = Map::new();
    let mut missing = false;
    for policy in source.list(&listed, "PolicyNames")? {
        let policy = policy.as_str().ok_or_else(|| source.lacks("PolicyNames"))?;
        let document = if counts(subject, policy) {
            let get = by_name("get-role-policy").flag("--policy-name", policy);
            let Some(answer) = questions.ask(get.clone()) else {
                missing = true;
                continue;
            };
            inline_document(&get, answer)?
        } else {
            NOT_READ.into()
        };
        documents.insert(policy.to_owned(), document);
    }
    if missing {
        return Ok(questions.asking());
    }
    object.attributes.insert(INLINE_POLICIES.into(), Value::Map(documents));
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// Whether the role has to be made anew.
fn is_replaced(object: &Object, desired: &Desired) -> bool {
    let path = desired.attributes.get(PATH).filter(|path| !path.is_null());
    path.is_some_and(|path| object.attributes.get(PATH) != Some(path))
}

/// The ARNs of attached policies, each once.
fn arns(source: Source<'_>, attached: &[Json]) -> Result<Value, ReadError> {
    let arns: BTreeSet<String> =
        attached.iter().map(|policy| source.text(policy, "PolicyArn")).collect::<Result<_, _>>()?;
    Ok(Value::List(arns.into_iter().map(Value::from).collect()))
}

/// Whether an inline policy's document is read: ours, or all are.
fn counts(subject: &Subject<'_>, policy: &str) -> bool {
    let holds = |attributes: &Map| {
        attributes.get(INLINE_POLICIES).is_some_and(|inline| inline.get(policy).is_some())
    };
    subject.desired.is_some_and(|desired| {
        desired.exclusive.contains(INLINE_POLICIES) || holds(&desired.attributes)
    }) || subject.prior.is_some_and(|prior| holds(&prior.attributes))
}

fn inline_document(command: &Command, answer: &Answer) -> Result<Value, ReadError> {
    let policy = iam::whole(command, answer)?;
    let source = Source { command, answer };
    Ok(iam_document::from_answer(source.member(&policy, "PolicyDocument")?))
}

/// What tells of the role itself: what `get-role` answers.
///
/// A description and a session duration that nobody declared are left out
/// where they are IAM's defaults: so a field that was removed from the manifest
/// is done once it is reset.
fn role_itself(
    source: Source<'_>,
    role: &Json,
    subject: &Subject<'_>,
) -> Result<Object, ReadError> {
    let declares = |attribute: &str| {
        subject.desired.is_some_and(|desired| {
            desired.attributes.get(attribute).is_some_and(|value| !value.is_null())
        })
    };
    let name = source.text(role, "RoleName")?;
    let trust = iam_document::from_answer(source.member(role, "AssumeRolePolicyDocument")?);
    let deleted = iam_document::deleted_principals(&trust);

    let mut attributes = iam::map([
        (PATH, source.text(role, "Path")?.into()),
        (TRUST_POLICY, trust),
        (TAGS, source.tags(role)?),
    ]);
    let description = role.get("Description").and_then(Json::as_str).unwrap_or("");
    if !description.is_empty() || declares(DESCRIPTION) {
        attributes.insert(DESCRIPTION.into(), description.into());
    }
    let session = role.get("MaxSessionDuration").and_then(Json::as_u64).unwrap_or(DEFAULT_SESSION);
    if session != DEFAULT_SESSION || declares(MAX_SESSION_DURATION) {
        attributes.insert(MAX_SESSION_DURATION.into(), session.into());
    }
    if let Some(boundary) = role.get("PermissionsBoundary").filter(|boundary| !boundary.is_null()) {
        let arn = source.text(boundary, "PermissionsBoundaryArn")?;
        attributes.insert(PERMISSIONS_BOUNDARY.into(), arn.into());
    }
    let outputs = iam::map([
        ("arn", source.text(role, "Arn")?.into()),
        ("name", name.into()),
        ("roleId", source.text(role, "RoleId")?.into()),
        ("createDate", iam::timestamp(&source.text(role, "CreateDate")?).into()),
    ]);
    let notes = deleted
        .iter()
        .map(|id| format!("the trust policy names {id}: a principal that was deleted"))
        .collect();
    Ok(Object { attributes, outputs, notes, ..Object::default() })
}
