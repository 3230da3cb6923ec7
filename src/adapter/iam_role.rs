//! `IamRole`: an IAM role with its trust policy, attached and inline policies.
//!
//! Attachments, inline policies and tags are owned one by one: what others put
//! on the role stays, unless the manifest claims the list for itself. Instance
//! profiles are not this kind's to change, Karpenter makes its own; a role that
//! is in one is not deleted.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::iam::{self, Exclusive};
use super::iam_document::{self, Purpose};
use super::iam_rules::Problems;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Object, OnChange, Operation,
    Problem, ReadError, Reading, Rule, Step, Subject,
};
use crate::value::{Map, Path, Value};

mod read;
mod steps;

/// The adapter.
#[derive(Debug)]
pub struct IamRole;

// Attributes of the normal form.
const PATH: &str = "path";
const DESCRIPTION: &str = "description";
const TRUST_POLICY: &str = "trustPolicy";
const MANAGED_POLICIES: &str = "managedPolicies";
const INLINE_POLICIES: &str = "inlinePolicies";
const TAGS: &str = "tags";
const PERMISSIONS_BOUNDARY: &str = "permissionsBoundary";
const MAX_SESSION_DURATION: &str = "maxSessionDuration";

/// The identity's part.
const ROLE_NAME: &str = "roleName";
/// The setting that remembers which lists were exclusive, for a delete.
const EXCLUSIVE: &str = "exclusive";

/// The fact that names the instance profiles that the role is in; only of a
/// role that may be deleted.
const INSTANCE_PROFILES: &str = "instanceProfiles";

/// Stands for an inline policy's document that does not matter here.
const NOT_READ: &str = "(not read)";

/// The session duration that IAM falls back to, in seconds.
const DEFAULT_SESSION: u64 = 3600;
/// All inline policies of a role together, in characters without white space.
const INLINE_LIMIT: usize = 10_240;

/// An IAM role: what it is called, who may assume it, and what it may do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IamRoleSpec {
    /// The role's name, unique in the account whatever its case: 1 to 64
    /// letters, digits and `_+=,.@-`. Another name means another role.
    role_name: String,
    /// The path before the name in the ARN, such as `/lakehouse/`. Default
    /// `/`. It can't be changed: another path means deleting the role and
    /// making it anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// What the role is for, in words. Once declared and then removed from
    /// the manifest, it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Who may assume the role: an IAM policy document whose statements name a
    /// `Principal` and no `Resource`. Compared by meaning. Required unless the
    /// role is external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "iam_document::schema")]
    trust_policy: Option<Json>,
    /// ARNs of the managed policies to attach, in any order. Others that are
    /// attached to the role stay, unless `exclusive` names this list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    managed_policies: Option<Vec<String>>,
    /// Policies that belong to this role alone, by name: documents whose
    /// statements name a `Resource` and no `Principal`. Together at most
    /// 10,240 characters without white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "iam_document::map_schema")]
    inline_policies: Option<BTreeMap<String, Json>>,
    /// Tags, at most 50. Keys must not begin with `aws:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    /// The ARN of the managed policy that limits what the role's other
    /// policies can allow. Once declared and then removed from the manifest,
    /// the boundary is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<String>,
    /// The longest session that may be asked for, in seconds: 3600 to 43200.
    /// Once declared and then removed from the manifest, it is 3600 again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3600, max = 43200))]
    max_session_duration: Option<u64>,
    /// The lists that belong to this manifest alone: whatever else is found in
    /// them is removed. `true` for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exclusive: Option<Exclusive<RoleList>>,
}

/// A list of a role that can belong to the manifest alone.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum RoleList {
    /// Managed policies that no manifest declares are detached.
    ManagedPolicies,
    /// Inline policies that no manifest declares are deleted.
    InlinePolicies,
    /// Tags that no manifest declares are removed.
    Tags,
}

impl RoleList {
    fn attribute(self) -> &'static str {
        match self {
            Self::ManagedPolicies => MANAGED_POLICIES,
            Self::InlinePolicies => INLINE_POLICIES,
            Self::Tags => TAGS,
        }
    }
}

impl Adapter for IamRole {
    fn schema(&self) -> Schema {
        schema_for!(IamRoleSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn updated(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const ATTRIBUTES: &[Attribute] = &[
            Attribute { name: PATH, rule: Rule::Exact, on_change: OnChange::Replace },
            updated(DESCRIPTION, Rule::Exact),
            updated(TRUST_POLICY, Rule::PolicyDocument),
            updated(MANAGED_POLICIES, Rule::Set),
            updated(INLINE_POLICIES, Rule::PolicyDocuments),
            updated(PERMISSIONS_BOUNDARY, Rule::Exact),
            updated(MAX_SESSION_DURATION, Rule::Exact),
            updated(TAGS, Rule::Entries),
        ];
        ATTRIBUTES
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("arn", "the role's ARN; known before the role exists"),
            ("name", "the role's name"),
            ("roleId", "the unique id, another one each time the role is made anew"),
            ("createDate", "when the role was made, as RFC 3339"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(spec) = problems.typed::<IamRoleSpec>(spec) else {
            return problems.or(Desired::default());
        };
        let documents = check(&spec, context, &mut problems);
        let desired = normal_form(&spec, documents, context);
        problems.or(desired)
    }

    fn claims(&self, identity: &Identity, _attributes: &Map) -> Vec<String> {
        iam::name_claim(identity, ROLE_NAME)
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read::read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn obstacles(&self, identity: &Identity, object: &Object) -> Vec<Blocker> {
        steps::in_profiles(identity, object)
    }
}

/// The documents of a spec, as values.
#[derive(Default)]
struct Documents {
    trust: Option<Value>,
    inline: Option<Map>,
}

/// What is wrong with the spec; its documents on the way.
fn check(spec: &IamRoleSpec, context: &Context, problems: &mut Problems) -> Documents {
    problems.name(&Path::new(ROLE_NAME), &spec.role_name, 64);
    if let Some(path) = &spec.path {
        problems.path(path);
    }
    if let Some(description) = &spec.description {
        problems.description(description);
    }
    if let Some(tags) = &spec.tags {
        problems.tags(tags);
    }
    if let Some(arn) = &spec.permissions_boundary {
        problems.policy_arn(&Path::new(PERMISSIONS_BOUNDARY), arn);
    }
    for (index, arn) in spec.managed_policies.iter().flatten().enumerate() {
        problems.policy_arn(&Path::new(MANAGED_POLICIES).join(index.to_string()), arn);
    }
    if let Some(seconds) = spec.max_session_duration
        && !(DEFAULT_SESSION..=43_200).contains(&seconds)
    {
        problems.add(
            &Path::new(MAX_SESSION_DURATION),
            format!("{seconds} seconds is not a session duration"),
            "choose 3600 (an hour) to 43200 (twelve hours)",
        );
    }

    let mut documents = Documents::default();
    match &spec.trust_policy {
        Some(json) => {
            let document = Value::from_spec(json).unwrap_or_default();
            iam_document::check(problems, &Path::new(TRUST_POLICY), &document, Purpose::Trust);
            documents.trust = Some(document);
        }
        None if context.external => {}
        None => problems.add(
            &Path::default(),
            "the role has no `trustPolicy`",
            "say who may assume the role; or mark the resource `external: true`",
        ),
    }
    if let Some(inline) = &spec.inline_policies {
        let all = Path::new(INLINE_POLICIES);
        let mut map = Map::new();
        let mut size = 0;
        for (name, json) in inline {
            let path = all.join(name);
            problems.name(&path, name, 128);
            let document = Value::from_spec(json).unwrap_or_default();
            iam_document::check(problems, &path, &document, Purpose::Identity);
            size += iam_document::size(&document).unwrap_or(0);
            map.insert(name.clone(), document);
        }
        if size > INLINE_LIMIT {
            problems.add(
                &all,
                format!("the inline policies have {size} characters; IAM allows {INLINE_LIMIT}"),
                "move some into an IamPolicy and attach it with `managedPolicies`",
            );
        }
        documents.inline = Some(map);
    }
    documents
}

fn normal_form(spec: &IamRoleSpec, documents: Documents, context: &Context) -> Desired {
    let name = Value::from_spec_text(&spec.role_name);
    let exclusive = Exclusive::names(
        spec.exclusive.as_ref(),
        &[MANAGED_POLICIES, INLINE_POLICIES, TAGS],
        |list| list.attribute(),
    );
    let declared = |attribute: &str| exclusive.contains(attribute);
    let mut attributes = Map::new();
    let mut put = |attribute: &str, value: Option<Value>| {
        if let Some(value) = value {
            attributes.insert(attribute.to_owned(), value);
        }
    };
    let text = |text: &String| Value::from_spec_text(text);

    // An external role may have any path; it is read, never made.
    let path = spec.path.as_ref().map(text);
    let path = if context.external { path } else { path.or(Some(iam::ROOT_PATH.into())) };
    let arn = path.as_ref().map(|path| iam::arn(context, "role", path, &name));
    put(PATH, path);
    put(DESCRIPTION, spec.description.as_ref().map(text));
    put(TRUST_POLICY, documents.trust);
    put(
        MANAGED_POLICIES,
        match &spec.managed_policies {
            Some(arns) => Some(Value::List(
                arns.iter().collect::<BTreeSet<_>>().into_iter().map(text).collect(),
            )),
            // Exclusive and not declared: nothing may be there.
            None => declared(MANAGED_POLICIES).then(|| Value::List(Vec::new())),
        },
    );
    let or_empty = |map: Option<Value>, name| map.or_else(|| declared(name).then(Value::map));
    put(INLINE_POLICIES, or_empty(documents.inline.map(Value::Map), INLINE_POLICIES));
    put(TAGS, or_empty(spec.tags.as_ref().map(iam::tag_values), TAGS));
    put(PERMISSIONS_BOUNDARY, spec.permissions_boundary.as_ref().map(text));
    put(MAX_SESSION_DURATION, spec.max_session_duration.map(Value::from));

    let mut outputs = iam::map([("name", name.clone())]);
    if let Some(arn) = arn {
        outputs.insert("arn".into(), arn);
    }
    let mut settings = Map::new();
    if !exclusive.is_empty() {
        let names = exclusive.iter().map(|&name| name.into()).collect();
        settings.insert(EXCLUSIVE.into(), Value::List(names));
    }
    Desired {
        identity: Identity::new([(ROLE_NAME, name)]),
        attributes,
        exclusive,
        outputs,
        settings,
    }
}

#[cfg(test)]
mod tests;
