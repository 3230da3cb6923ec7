//! The commands that make, change and delete a policy.

use jiff::Timestamp;

use super::{
    ARN, CREATE_DATE, DESCRIPTION, DOCUMENT, IS_DEFAULT, PATH, POLICY_NAME, TAGS, USES, VERSION_ID,
    VERSIONS, iam, iam_document,
};
use crate::adapter::{Blocker, Desired, Identity, Operation, Step, Verb};
use crate::command::Command;
use crate::diff::policy;
use crate::value::Value;

/// The most versions that a policy may have.
const VERSION_LIMIT: usize = 5;

/// The commands of an operation, in order.
pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    match (operation.verb, operation.desired) {
        (Verb::Delete, _) => delete(operation),
        (Verb::Create, Some(desired)) => Ok(vec![create(operation.identity, desired)]),
        (Verb::Update | Verb::Repair, Some(desired)) => Ok(update(operation, desired)),
        // Only a delete comes without a desired value.
        (Verb::Create | Verb::Update | Verb::Repair, None) => Ok(Vec::new()),
    }
}

/// A version that is not the default.
struct Idle<'a> {
    id: &'a str,
    created: Option<Timestamp>,
    document: Option<&'a Value>,
}

impl Idle<'_> {
    /// The number in `v12`.
    fn number(&self) -> u64 {
        let digits = self.id.trim_start_matches('v').split('.').next().unwrap_or("");
        digits.parse().unwrap_or(0)
    }
}

/// The versions that are not the default, oldest first, and how many versions
/// there are in all.
fn idle_versions<'a>(operation: &Operation<'a>) -> (Vec<Idle<'a>>, usize) {
    let all = operation
        .object
        .and_then(|object| object.facts.get(VERSIONS))
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut idle: Vec<Idle<'_>> = all
        .iter()
        .filter(|version| version.get(IS_DEFAULT).and_then(Value::as_bool) != Some(true))
        .filter_map(|version| {
            Some(Idle {
                id: version.get(VERSION_ID)?.as_str()?,
                created: version.get(CREATE_DATE)?.as_str()?.parse().ok(),
                document: version.get(DOCUMENT),
            })
        })
        .collect();
    idle.sort_by_key(|version| (version.created, version.number()));
    (idle, all.len())
}

fn label(operation: &Operation<'_>) -> String {
    iam::label(&iam::part(operation.identity, POLICY_NAME))
}

/// A step that calls IAM with the policy's ARN and these members.
fn step<const N: usize>(
    identity: &Identity,
    title: String,
    operation: &str,
    members: [(&str, Value); N],
) -> Step {
    let mut input = iam::map(members);
    input.insert("PolicyArn".into(), iam::part(identity, ARN));
    Step::new(title, Command::aws_write("iam", operation, Value::Map(input)))
}

fn create(identity: &Identity, desired: &Desired) -> Step {
    let wanted = &desired.attributes;
    let name = iam::part(identity, POLICY_NAME);
    let title = format!("create the policy {}", iam::label(&name));
    let mut input = iam::map([("PolicyName", name)]);
    for (attribute, member) in [(PATH, "Path"), (DESCRIPTION, "Description")] {
        if let Some(value) = wanted.get(attribute) {
            input.insert(member.into(), value.clone());
        }
    }
    if let Some(document) = wanted.get(DOCUMENT) {
        input.insert("PolicyDocument".into(), iam_document::text(document));
    }
    let tags: Vec<Value> = wanted
        .get(TAGS)
        .and_then(Value::as_map)
        .into_iter()
        .flatten()
        .map(|(key, value)| iam::tag(key, value))
        .collect();
    if !tags.is_empty() {
        input.insert("Tags".into(), Value::List(tags));
    }
    Step::new(title, Command::aws_write("iam", "create-policy", Value::Map(input)))
}

fn update(operation: &Operation<'_>, desired: &Desired) -> Vec<Step> {
    let mut steps = Vec::new();
    if iam::touches(operation.changes, DOCUMENT)
        && let Some(document) = desired.attributes.get(DOCUMENT)
    {
        steps.extend(update_document(operation, document));
    }
    let named = [("PolicyArn", iam::part(operation.identity, ARN))];
    let tags = iam::members(operation.changes, TAGS);
    steps.extend(iam::tag_steps("policy", &label(operation), &named, &tags));
    steps
}

/// Promotes the newest version that means the same; else adds a version, and
/// makes room for it first where there is none.
fn update_document(operation: &Operation<'_>, document: &Value) -> Vec<Step> {
    let name = label(operation);
    let (idle, count) = idle_versions(operation);
    let same = |version: &&Idle<'_>| version.document.is_some_and(|d| policy::equal(d, document));
    if let Some(version) = idle.iter().rev().find(same) {
        return vec![step(
            operation.identity,
            format!("make version {} of {name} the default: it is the same document", version.id),
            "set-default-policy-version",
            [("VersionId", version.id.into())],
        )];
    }
    let mut steps = Vec::new();
    if count >= VERSION_LIMIT
        && let Some(oldest) = idle.first()
    {
        steps.push(delete_version(operation, oldest, ", the oldest that is not in use"));
    }
    steps.push(step(
        operation.identity,
        format!("create a new default version of {name}"),
        "create-policy-version",
        [("PolicyDocument", iam_document::text(document)), ("SetAsDefault", true.into())],
    ));
    steps
}

fn delete_version(operation: &Operation<'_>, version: &Idle<'_>, why: &str) -> Step {
    step(
        operation.identity,
        format!("delete version {} of {}{why}", version.id, label(operation)),
        "delete-policy-version",
        [("VersionId", version.id.into())],
    )
}

/// The idle versions, then the policy with its default version. In a destroy
/// the roles let go of it first; what else holds it, IAM will say.
fn delete(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let name = label(operation);
    let uses = operation.object.and_then(|object| object.facts.get(USES));
    if let Some(desired) = operation.desired
        && uses.is_some_and(|uses| *uses != Value::from(0))
    {
        let arn = iam::label(&iam::part(operation.identity, ARN));
        let (what, instead) = if desired.identity == *operation.identity {
            ("its description", "leave `description` out to keep the one it has")
        } else {
            ("its name or path", "leave name and path as they were")
        };
        return Err(vec![Blocker {
            code: "PolicyInUse".into(),
            message: format!(
                "the policy {name} can't be made anew while something uses it, and IAM can't \
                 change {what}"
            ),
            next: format!(
                "{instead}, or declare another policy and attach that one first; `aws iam \
                 list-entities-for-policy --policy-arn {arn}` shows what uses this one"
            ),
        }]);
    }
    let (idle, _) = idle_versions(operation);
    let mut steps: Vec<Step> =
        idle.iter().map(|version| delete_version(operation, version, "")).collect();
    steps.push(step(operation.identity, format!("delete the policy {name}"), "delete-policy", []));
    Ok(steps)
}
