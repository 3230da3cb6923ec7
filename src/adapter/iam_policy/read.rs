//! How a policy is read: alone, or off the list of all policies where many are.
//!
//! This module must not decide anything about what it reads.

use serde_json::Value as Json;

use super::super::iam::{self, Source};
use super::super::{
    Answers, Desired, Live, Object, Questions, ReadError, Reading, Subject, iam_document, picked,
};
use super::{
    ARN, CREATE_DATE, DESCRIPTION, DOCUMENT, IS_DEFAULT, PATH, TAGS, USES, VERSION_ID, VERSIONS,
};
use crate::command::{Answer, Command};
use crate::diff::policy;
use crate::value::{Map, Value};

/// Off the list where the policy is one of many and the list says that nothing
/// is to be done about its document, else alone.
pub(super) fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let mut questions = Questions::new(answers);
    if let Some(desired) = subject.desired.filter(|_| subject.is_one_of_many()) {
        let arn = subject.identity.part(ARN);
        let details = iam::details("LocalManagedPolicy").picking("Policies", &[("Arn", arn)]);
        let Some(answer) = questions.ask(details.clone()) else { return Ok(questions.asking()) };
        if let Some(mut object) = listed(subject, desired, &details, answer) {
            if !tags_count(subject) {
                return Ok(Reading::Live(Live::Present(Box::new(object))));
            }
            let list_tags = iam::read_command("list-policy-tags", "--policy-arn", arn);
            let Some(answer) = questions.ask(list_tags.clone()) else {
                return Ok(questions.asking());
            };
            let source = Source { command: &list_tags, answer };
            let tags = iam::whole(&list_tags, answer)
                .and_then(|whole| source.list(&whole, "Tags").and_then(|_| source.tags(&whole)));
            // May they not be listed, the policy itself still tells them.
            if let Ok(tags) = tags {
                object.attributes.insert(TAGS.into(), tags);
                return Ok(Reading::Live(Live::Present(Box::new(object))));
            }
        }
    }
    alone(subject, questions)
}

/// What the list of all policies tells of one, without its tags; `None`: nothing
/// for sure, or not enough to change the policy.
///
/// `get-account-authorization-details` has the documents of all versions of all
/// policies of the account (API reference).
fn listed(
    subject: &Subject<'_>,
    desired: &Desired,
    details: &Command,
    answer: &Answer,
) -> Option<Object> {
    let mut found = picked(details, answer)?;
    let source = Source { command: details, answer };
    let default = source.text(&found, "DefaultVersionId").ok()?;
    let versions = source.list(&found, "PolicyVersionList").ok()?;
    let is_default =
        |version: &&Json| version.get("VersionId").and_then(Json::as_str) == Some(&default);
    let version = versions.iter().find(is_default)?;
    let document = iam_document::from_answer(source.member(version, "Document").ok()?);
    if goal(subject).is_some_and(|goal| !policy::equal(goal, &document)) {
        return None;
    }
    // AWS does not tell every description here. One that was read of this very
    // policy is still true: no policy ever gets another one.
    if desired.attributes.contains_key(DESCRIPTION) && found.get("Description").is_none() {
        let prior = subject.prior.filter(|prior| {
            let id = prior.outputs.get("policyId").and_then(Value::as_str);
            id.is_some() && id == found.get("PolicyId").and_then(Json::as_str)
        })?;
        let known = prior.applied()?.get(DESCRIPTION)?.as_str()?;
        found.as_object_mut()?.insert("Description".into(), known.into());
    }
    if is_to_delete(subject, &found) {
        return None;
    }
    let mut object = policy_itself(source, &found, subject).ok()?;
    object.attributes.insert(DOCUMENT.into(), document);
    object.facts.insert(USES.into(), uses(&found).into());
    Some(object)
}

/// The policy, then the document of its default version. The other versions
/// are read only when steps may need them: all of them before a delete, and
/// their documents too when the default is not what is desired.
fn alone(subject: &Subject<'_>, mut questions: Questions<'_>) -> Result<Reading, ReadError> {
    let arn = subject.identity.part(ARN);
    let by_arn = |operation: &str| iam::read_command(operation, "--policy-arn", arn);
    let get = by_arn("get-policy");
    let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
    if answer.is_service_error("NoSuchEntity") {
        return Ok(Reading::Live(Live::Absent));
    }
    let whole = iam::whole(&get, answer)?;
    let source = Source { command: &get, answer };
    let policy = source.member(&whole, "Policy")?;
    let default = source.text(policy, "DefaultVersionId")?;
    let to_delete = is_to_delete(subject, policy);

    let list = by_arn("list-policy-versions");
    let listed = to_delete.then(|| questions.ask(list.clone()));
    let Some(document) = version_document(&mut questions, &by_arn, &default)? else {
        return Ok(questions.asking());
    };
    let goal = goal(subject);
    let differs = goal.is_some_and(|goal| !policy::equal(goal, &document));
    let listed = match listed {
        None if differs => questions.ask(list.clone()),
        None => None,
        Some(listed) => listed,
    };
    let mut facts = iam::map([(USES, uses(policy).into())]);
    if to_delete || differs {
        let Some(listed) = listed else { return Ok(questions.asking()) };
        // A goal that is not wholly known equals no version.
        let compared = differs && goal.is_some_and(|goal| !goal.has_unknown());
        let Some(versions) = versions(&mut questions, &by_arn, (&list, listed), compared)? else {
            return Ok(questions.asking());
        };
        facts.insert(VERSIONS.into(), versions);
    }

    let tags = tags_count(subject).then(|| source.tags(policy)).transpose()?;
    let mut object = policy_itself(source, policy, subject)?;
    object.attributes.insert(DOCUMENT.into(), document);
    object.attributes.extend(tags.map(|tags| (TAGS.to_owned(), tags)));
    object.facts = facts;
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// What tells of the policy itself, without its document and tags.
fn policy_itself(
    source: Source<'_>,
    policy: &Json,
    subject: &Subject<'_>,
) -> Result<Object, ReadError> {
    let mut attributes = iam::map([(PATH, source.text(policy, "Path")?.into())]);
    // IAM can't change a description: one that is not declared stays.
    let declares = |desired: &Desired| desired.attributes.contains_key(DESCRIPTION);
    if subject.desired.is_none_or(declares) {
        attributes.insert(DESCRIPTION.into(), description(policy).into());
    }
    let outputs = iam::map([
        ("arn", source.text(policy, "Arn")?.into()),
        ("name", source.text(policy, "PolicyName")?.into()),
        ("policyId", source.text(policy, "PolicyId")?.into()),
    ]);
    Ok(Object { attributes, outputs, ..Object::default() })
}

fn description(policy: &Json) -> &str {
    policy.get("Description").and_then(Json::as_str).unwrap_or("")
}

/// Whether the policy has to go, for good or to be made anew.
fn is_to_delete(subject: &Subject<'_>, policy: &Json) -> bool {
    let other = |desired: &Desired| {
        let declared = desired.attributes.get(DESCRIPTION);
        declared.is_some_and(|declared| declared.as_str() != Some(description(policy)))
    };
    subject.desired.is_none_or(other)
}

/// The document that is wanted.
fn goal<'s>(subject: &Subject<'s>) -> Option<&'s Value> {
    subject.desired?.attributes.get(DOCUMENT).filter(|goal| !goal.is_null())
}

/// Whether tags are read: where some are declared, or were. No list tells them,
/// and it is not worth a read for each policy to name tags that are left alone.
fn tags_count(subject: &Subject<'_>) -> bool {
    let holds = |attributes: &Map| attributes.contains_key(TAGS);
    subject.desired.is_some_and(|desired| holds(&desired.attributes))
        || subject.prior.is_some_and(|prior| holds(&prior.attributes))
}

fn uses(policy: &Json) -> u64 {
    ["AttachmentCount", "PermissionsBoundaryUsageCount"]
        .iter()
        .filter_map(|count| policy.get(count)?.as_u64())
        .sum()
}

/// The document of a version; `None` while it must be asked.
fn version_document(
    questions: &mut Questions<'_>,
    by_arn: &dyn Fn(&str) -> Command,
    version: &str,
) -> Result<Option<Value>, ReadError> {
    let get = by_arn("get-policy-version").flag("--version-id", version);
    let Some(answer) = questions.ask(get.clone()) else { return Ok(None) };
    let whole = iam::whole(&get, answer)?;
    let source = Source { command: &get, answer };
    let version = source.member(&whole, "PolicyVersion")?;
    Ok(Some(iam_document::from_answer(source.member(version, "Document")?)))
}

/// The versions as a fact, with the documents of those that are not the
/// default if these are to be compared; `None` while something must be asked.
fn versions(
    questions: &mut Questions<'_>,
    by_arn: &dyn Fn(&str) -> Command,
    (list, answer): (&Command, &Answer),
    compared: bool,
) -> Result<Option<Value>, ReadError> {
    let whole = iam::whole(list, answer)?;
    let source = Source { command: list, answer };
    let mut versions = Vec::new();
    let mut missing = false;
    for version in source.list(&whole, "Versions")? {
        let id = source.text(version, "VersionId")?;
        let is_default = version.get("IsDefaultVersion").and_then(Json::as_bool).unwrap_or(false);
        let created = version.get("CreateDate").and_then(Json::as_str).unwrap_or("");
        let mut fact = iam::map([
            (VERSION_ID, id.as_str().into()),
            (IS_DEFAULT, is_default.into()),
            (CREATE_DATE, iam::timestamp(created).into()),
        ]);
        if compared && !is_default {
            match version_document(questions, by_arn, &id)? {
                Some(document) => {
                    fact.insert(DOCUMENT.into(), document);
                }
                None => missing = true,
            }
        }
        versions.push(Value::Map(fact));
    }
    Ok((!missing).then_some(Value::List(versions)))
}
