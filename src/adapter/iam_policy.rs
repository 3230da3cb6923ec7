//! `IamPolicy`: a customer-managed IAM policy and its versions.
//!
//! IAM keeps at most five versions of a policy's document, one of them the
//! default. A new document is made the default by one of two ways, decided from
//! what was read: an older version that means the same is promoted; otherwise a
//! version is added, after the oldest idle one has made room where needed. To
//! whom the policy is attached is the roles' business.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::iam::{self, Exclusive, Source};
use super::iam_document::{self, Purpose};
use super::iam_rules::Problems;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Prior, Problem, Questions, ReadError, Reading, Rule, Step, Subject,
};
use crate::command::{Answer, Command};
use crate::diff::policy;
use crate::value::{Map, Path, Value};

mod steps;

/// The adapter.
#[derive(Debug)]
pub struct IamPolicy;

// Attributes of the normal form.
const PATH: &str = "path";
const DESCRIPTION: &str = "description";
const DOCUMENT: &str = "document";
const TAGS: &str = "tags";

// Parts of the identity. The ARN finds the policy; it follows from the others
// and the account.
const POLICY_NAME: &str = "policyName";
const ARN: &str = "arn";

// Facts for the steps.
/// The versions: a list of maps with `VERSION_ID`, `IS_DEFAULT`, `CREATE_DATE`
/// and, where it was read, `DOCUMENT`. Only there when steps may need it.
const VERSIONS: &str = "versions";
const VERSION_ID: &str = "versionId";
const IS_DEFAULT: &str = "isDefault";
const CREATE_DATE: &str = "createDate";
/// How many identities hold the policy, as permissions or as a boundary.
const USES: &str = "uses";

/// A document's size limit, in characters without white space.
const SIZE_LIMIT: usize = 6_144;

/// A managed policy of the account: a document of permissions that roles
/// attach by its ARN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IamPolicySpec {
    /// The policy's name, unique in the account whatever its case: 1 to 128
    /// letters, digits and `_+=,.@-`. Another name means another policy.
    policy_name: String,
    /// The path before the name in the ARN, such as `/lakehouse/`. Default
    /// `/`. It can't be changed: another path means another policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// What the policy is for, in words. IAM can't change it: another
    /// description means deleting the policy and making it anew, which is only
    /// possible while nothing uses it. Not declared, it is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What the policy allows and denies: an IAM policy document whose
    /// statements name a `Resource` and no `Principal`; at most 6,144
    /// characters without white space. Compared by meaning. Required unless
    /// the policy is external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "iam_document::schema")]
    document: Option<Json>,
    /// Tags, at most 50. Keys must not begin with `aws:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    /// The lists that belong to this manifest alone: whatever else is found in
    /// them is removed. `true` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exclusive: Option<Exclusive<PolicyList>>,
}

/// A list of a policy that can belong to the manifest alone.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum PolicyList {
    /// Tags that no manifest declares are removed.
    Tags,
}

impl Adapter for IamPolicy {
    fn schema(&self) -> Schema {
        schema_for!(IamPolicySpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[
            Attribute { name: PATH, rule: Rule::Exact, on_change: OnChange::Replace },
            Attribute { name: DESCRIPTION, rule: Rule::Exact, on_change: OnChange::Replace },
            Attribute {
                name: DOCUMENT,
                rule: Rule::PolicyDocument,
                on_change: OnChange::Update,
            },
            Attribute { name: TAGS, rule: Rule::Entries, on_change: OnChange::Update },
        ]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("arn", "the policy's ARN; known before the policy exists"),
            ("name", "the policy's name"),
            ("policyId", "the unique id, another one each time the policy is made anew"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(spec) = problems.typed::<IamPolicySpec>(spec) else {
            return problems.or(Desired::default());
        };
        let document = check(&spec, context, &mut problems);
        let desired = normal_form(&spec, document, context);
        problems.or(desired)
    }

    /// The name alone is unique, whatever the path; the ARN tells the policy.
    fn claims(&self, identity: &Identity, _attributes: &Map) -> Vec<String> {
        [POLICY_NAME, ARN].iter().flat_map(|key| iam::name_claim(identity, key)).collect()
    }

    /// A policy of the same name in another path is another policy: this one
    /// makes room for it.
    fn without(&self, prior: &Prior, claimed: &dyn Fn(&str) -> bool) -> Option<Prior> {
        let same = iam::name_claim(&prior.identity, ARN).iter().any(|claim| claimed(claim));
        (!same).then(|| prior.clone())
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }
}

/// What is wrong with the spec; its document on the way.
fn check(spec: &IamPolicySpec, context: &Context, problems: &mut Problems) -> Option<Value> {
    problems.name(&Path::new(POLICY_NAME), &spec.policy_name, 128);
    if let Some(path) = &spec.path {
        problems.path(path);
    }
    if let Some(description) = &spec.description {
        problems.description(description);
    }
    if let Some(tags) = &spec.tags {
        problems.tags(tags);
    }
    let Some(json) = &spec.document else {
        if !context.external {
            problems.add(
                &Path::default(),
                "the policy has no `document`",
                "say what it allows; or mark the resource `external: true`",
            );
        }
        return None;
    };
    let path = Path::new(DOCUMENT);
    let document = Value::from_spec(json).unwrap_or_default();
    iam_document::check(problems, &path, &document, Purpose::Identity);
    if let Some(size) = iam_document::size(&document)
        && size > SIZE_LIMIT
    {
        problems.add(
            &path,
            format!("the document has {size} characters; IAM allows {SIZE_LIMIT}"),
            "split it into several policies",
        );
    }
    Some(document)
}

fn normal_form(spec: &IamPolicySpec, document: Option<Value>, context: &Context) -> Desired {
    let name = Value::from_spec_text(&spec.policy_name);
    let path = spec.path.as_deref().map_or(iam::ROOT_PATH.into(), Value::from_spec_text);
    let arn = iam::arn(context, "policy", &path, &name);
    let exclusive = Exclusive::names(spec.exclusive.as_ref(), &[TAGS], |PolicyList::Tags| TAGS);

    let mut attributes = iam::map([(PATH, path.clone())]);
    if let Some(description) = &spec.description {
        attributes.insert(DESCRIPTION.into(), Value::from_spec_text(description));
    }
    if let Some(document) = document {
        attributes.insert(DOCUMENT.into(), document);
    }
    match &spec.tags {
        Some(tags) => attributes.insert(TAGS.into(), iam::tag_values(tags)),
        // Exclusive and not declared: nothing may be there.
        None if exclusive.contains(TAGS) => attributes.insert(TAGS.into(), Value::map()),
        None => None,
    };
    Desired {
        identity: Identity::new([
            (POLICY_NAME, name.clone()),
            (PATH, path),
            (ARN, arn.clone()),
        ]),
        attributes,
        exclusive,
        outputs: iam::map([("arn", arn), ("name", name)]),
        ..Desired::default()
    }
}

// ---- reading ---------------------------------------------------------------

/// The policy, then the document of its default version. The other versions
/// are read only when steps may need them: all of them before a delete, and
/// their documents too when the default is not what is desired.
fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let arn = subject.identity.part(ARN);
    let by_arn = |operation: &str| iam::read_command(operation, "--policy-arn", arn);
    let mut questions = Questions::new(answers);
    let get = by_arn("get-policy");
    let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
    if answer.is_service_error("NoSuchEntity") {
        return Ok(Reading::Live(Live::Absent));
    }
    let whole = iam::whole(&get, answer)?;
    let source = Source { command: &get, answer };
    let policy = source.member(&whole, "Policy")?;
    let default = source.text(policy, "DefaultVersionId")?;
    let wanted = subject.desired.map(|desired| &desired.attributes);
    let description = policy.get("Description").and_then(Json::as_str).unwrap_or("");
    let declared = wanted.and_then(|wanted| wanted.get(DESCRIPTION));
    let to_delete =
        subject.desired.is_none() || declared.is_some_and(|d| d.as_str() != Some(description));

    let list = by_arn("list-policy-versions");
    let listed = to_delete.then(|| questions.ask(list.clone()));
    let Some(document) = version_document(&mut questions, &by_arn, &default)? else {
        return Ok(questions.asking());
    };
    let goal = wanted.and_then(|wanted| wanted.get(DOCUMENT)).filter(|goal| !goal.is_null());
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

    let mut attributes = iam::map([
        (PATH, source.text(policy, "Path")?.into()),
        (DOCUMENT, document),
        (TAGS, source.tags(policy)?),
    ]);
    // IAM can't change a description: one that is not declared stays.
    if declared.is_some() || subject.desired.is_none() {
        attributes.insert(DESCRIPTION.into(), description.into());
    }
    let outputs = iam::map([
        ("arn", source.text(policy, "Arn")?.into()),
        ("name", source.text(policy, "PolicyName")?.into()),
        ("policyId", source.text(policy, "PolicyId")?.into()),
    ]);
    Ok(Reading::Live(Live::Present(Box::new(Object {
        attributes,
        outputs,
        facts,
        ..Object::default()
    }))))
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

#[cfg(test)]
mod tests;
