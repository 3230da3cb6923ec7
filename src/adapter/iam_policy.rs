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

use super::iam::{self, Exclusive};
use super::iam_document::{self, Purpose};
use super::iam_rules::Problems;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, OnChange, Operation, Prior,
    Problem, ReadError, Reading, Rule, Step, Subject,
};
use crate::value::{Map, Path, Value};

mod read;
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
            Attribute { name: DOCUMENT, rule: Rule::PolicyDocument, on_change: OnChange::Update },
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
        read::read(subject, answers)
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
        identity: Identity::new([(POLICY_NAME, name.clone()), (PATH, path), (ARN, arn.clone())]),
        attributes,
        exclusive,
        outputs: iam::map([("arn", arn), ("name", name)]),
        ..Desired::default()
    }
}

#[cfg(test)]
mod tests;
