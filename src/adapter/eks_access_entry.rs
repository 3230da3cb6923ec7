//! `EksAccessEntry`: what an IAM principal may do in a cluster.
//!
//! EKS keeps the unique id of the role that an entry was made for, and shows
//! it nowhere. A role that was deleted and made again under the same ARN is
//! another role, and EKS refuses its nodes; so reading an entry also reads its
//! role. This module must not read more of the role than which one it is.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::eks::{
    self, IamArn, LONGEST_KEY, account_of, check_cluster_name, check_tags, cluster_is_absent,
    list_value, member, problem, tags_of, tags_value, text, texts, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

use role::{MadeFor, instant};

mod role;
mod steps;
#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct EksAccessEntry;

/// An access entry: it lets an IAM principal into an EKS cluster. The cluster's
/// authentication mode must be `API` or `API_AND_CONFIG_MAP`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster.
    cluster_name: String,
    /// The ARN of the IAM role or user that is let in. The entry is bound to
    /// the principal itself: when a role is deleted and made anew, its entry
    /// must be too.
    principal_arn: String,
    /// What the principal is: `STANDARD` for people and programs; `EC2_LINUX`,
    /// `EC2_WINDOWS`, `FARGATE_LINUX` and `HYBRID_LINUX` for the roles of nodes,
    /// which get what nodes need and nothing else.
    #[serde(rename = "type", default)]
    entry_type: EntryType,
    /// The Kubernetes groups that the principal belongs to, for role bindings.
    /// Only for `STANDARD`.
    #[serde(default)]
    kubernetes_groups: Vec<String>,
    /// The name by which Kubernetes knows the principal. EKS chooses a good one
    /// when this is left out. Only for `STANDARD`.
    username: Option<String>,
    /// The access policies of EKS that the principal gets. Only for `STANDARD`.
    #[serde(default)]
    access_policies: Vec<AccessPolicy>,
    /// The entry's tags: keys of up to 128 characters, values of up to 256.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Whether groups and access policies that are not declared here are
    /// removed. Otherwise they are left alone and reported.
    #[serde(default)]
    exclusive: bool,
}

/// The types of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum EntryType {
    /// People and programs.
    #[default]
    Standard,
    /// Linux and Bottlerocket nodes.
    Ec2Linux,
    /// Windows nodes.
    Ec2Windows,
    /// Fargate.
    FargateLinux,
    /// Nodes outside of AWS.
    HybridLinux,
}

impl EntryType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Ec2Linux => "EC2_LINUX",
            Self::Ec2Windows => "EC2_WINDOWS",
            Self::FargateLinux => "FARGATE_LINUX",
            Self::HybridLinux => "HYBRID_LINUX",
        }
    }
}

/// An access policy of EKS, and where in the cluster it holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AccessPolicy {
    /// The policy's ARN, such as
    /// `arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy`. The
    /// command `aws eks list-access-policies` lists them.
    policy_arn: String,
    /// Where in the cluster the policy holds.
    scope: Scope,
}

/// Where in a cluster an access policy holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Scope {
    /// `cluster`: everywhere; `namespace`: in some namespaces only.
    #[serde(rename = "type")]
    scope_type: ScopeType,
    /// The namespaces, for the type `namespace`.
    #[serde(default)]
    namespaces: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeType {
    /// Everywhere in the cluster.
    Cluster,
    /// In some namespaces only.
    Namespace,
}

impl Adapter for EksAccessEntry {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        use OnChange::{Replace, Update};
        &[
            Attribute { name: "principalArn", rule: Rule::Exact, on_change: Replace },
            Attribute { name: "type", rule: Rule::Exact, on_change: Replace },
            Attribute { name: "kubernetesGroups", rule: Rule::Set, on_change: Update },
            Attribute { name: "username", rule: Rule::Exact, on_change: Update },
            Attribute { name: "accessPolicies", rule: Rule::Entries, on_change: Update },
            Attribute { name: "tags", rule: Rule::Entries, on_change: Update },
        ]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("accessEntryArn", "the entry's ARN"),
            ("createdAt", "when the entry was made"),
            ("roleId", "the unique id of the role that the entry was made for, if it is a role"),
        ]
    }

    fn bound_fields(&self) -> &'static [&'static str] {
        &["principalArn"]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check_cluster_name(&spec.cluster_name, "clusterName", &mut problems);
        check_principal(&spec, context, &mut problems);
        check_rights(&spec, &mut problems);
        check_tags(&spec.tags, LONGEST_KEY, &mut problems);
        let policies = policies(&spec.access_policies, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let cluster = Value::from_spec_text(&spec.cluster_name);
        let principal = Value::from_spec_text(&spec.principal_arn);
        let groups = spec.kubernetes_groups.iter().map(|group| Value::from_spec_text(group));
        let mut attributes = Map::from([
            ("principalArn".into(), principal.clone()),
            ("type".into(), spec.entry_type.as_str().into()),
            ("kubernetesGroups".into(), Value::List(groups.collect())),
            ("accessPolicies".into(), policies.into()),
            ("tags".into(), tags_value(&spec.tags)),
        ]);
        if let Some(username) = &spec.username {
            attributes.insert("username".into(), Value::from_spec_text(username));
        }
        let exclusive: &[&'static str] =
            if spec.exclusive { &["kubernetesGroups", "accessPolicies"] } else { &[] };
        Ok(Desired {
            identity: Identity::new([("clusterName", cluster), ("principalArn", principal)]),
            attributes,
            exclusive: exclusive.iter().copied().collect(),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let cluster = subject.identity.part("clusterName");
        let principal = subject.identity.part("principalArn");
        let of_entry = |operation: &str| {
            Command::read(Tool::Aws, &["eks", operation])
                .flag("--cluster-name", cluster)
                .flag("--principal-arn", principal)
        };
        let (describe, list) =
            (of_entry("describe-access-entry"), of_entry("list-associated-access-policies"));
        let role_name = IamArn::parse(principal).and_then(IamArn::role_name);
        let expected = subject
            .desired
            .map(|desired| &desired.attributes)
            .or(subject.prior.map(|prior| &prior.attributes))
            .and_then(|attributes| attributes.get("type"))
            .and_then(Value::as_str);

        let mut questions = Questions::new(answers);
        let described = questions.ask(describe.clone());
        let role = role_name.map(|name| role::ask(subject, name, &mut questions));
        let listed = (expected == Some("STANDARD")).then(|| questions.ask(list.clone()));
        let (Some(described), false) =
            (described, matches!(role, Some(None)) || matches!(listed, Some(None)))
        else {
            return Ok(questions.asking());
        };
        if let Some(reading) = absence(subject, &describe, described)? {
            return Ok(reading);
        }
        let entry = member(&describe, described, "accessEntry")?;
        let live_type = text(&entry, "/type").unwrap_or("STANDARD");
        let policies = if live_type == "STANDARD" {
            let Some(answer) = listed.flatten().or_else(|| questions.ask(list.clone())) else {
                return Ok(questions.asking());
            };
            live_policies(&list, answer)?
        } else {
            Map::new()
        };
        let mut object = Object {
            attributes: Map::from([
                ("principalArn".into(), text(&entry, "/principalArn").unwrap_or(principal).into()),
                ("type".into(), live_type.into()),
                ("accessPolicies".into(), policies.into()),
                ("tags".into(), tags_of(&entry)),
            ]),
            ..Object::default()
        };
        // EKS gives the entries of nodes groups and a name of its own; nobody
        // can declare those.
        if live_type == "STANDARD" {
            let groups = list_value(texts(&entry, "/kubernetesGroups"));
            object.attributes.insert("kubernetesGroups".into(), groups);
            if let Some(username) = text(&entry, "/username") {
                object.attributes.insert("username".into(), username.into());
            }
        }
        let Some(created) = entry.get("createdAt").and_then(instant) else {
            let why = "the answer does not say when the entry was made";
            return Err(ReadError::new(describe, described, why));
        };
        let arn = text(&entry, "/accessEntryArn").unwrap_or("");
        object.outputs.insert("accessEntryArn".into(), arn.into());
        object.outputs.insert("createdAt".into(), created.to_string().into());
        if let Some(role) = role.flatten() {
            let made_for = MadeFor { principal, entry_account: account_of(arn), created };
            made_for.check(subject, role, &mut object)?;
        }
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        match operation.verb {
            Verb::Create => Ok(operation.desired.map(steps::creation).unwrap_or_default()),
            Verb::Update | Verb::Repair => steps::update(operation),
            Verb::Delete => Ok(vec![steps::deletion(operation.identity)]),
        }
    }
}

fn check_principal(spec: &Spec, context: &Context, problems: &mut Vec<Problem>) {
    let principal = spec.principal_arn.as_str();
    if is_unknown_text(principal) {
        return;
    }
    let path = Path::new("principalArn");
    if principal.contains(":sts:") {
        problems.push(problem(
            path,
            format!("`{principal}` is a session, which ends: an entry is for a lasting principal"),
            "write the ARN of the role that the session is of: arn:aws:iam::ACCOUNT:role/NAME",
        ));
        return;
    }
    let Some(arn) = IamArn::parse(principal) else {
        problems.push(problem(
            path,
            format!("`{principal}` is not the ARN of an IAM principal"),
            "refer to a role, such as `${IamRole.NAME.arn}`, or write arn:aws:iam::ACCOUNT:role/NAME",
        ));
        return;
    };
    if arn.resource.starts_with("role/aws-service-role/") {
        problems.push(problem(
            path,
            "access entries can't be for service-linked roles",
            "choose another role",
        ));
    }
    if spec.entry_type == EntryType::Standard {
        return;
    }
    let entry_type = spec.entry_type.as_str();
    if arn.role_name().is_none() {
        problems.push(problem(
            Path::new("principalArn"),
            format!("an entry of type {entry_type} is for a role, and `{principal}` is none"),
            "write the ARN of the nodes' role",
        ));
    }
    if context.account.as_deref().is_some_and(|account| account != arn.account) {
        problems.push(problem(
            Path::new("principalArn"),
            format!("an entry of type {entry_type} is for a role of the cluster's own account"),
            "write the ARN of a role of this account",
        ));
    }
}

/// Checks that only entries that can have rights of their own declare some.
fn check_rights(spec: &Spec, problems: &mut Vec<Problem>) {
    if spec.entry_type != EntryType::Standard {
        let entry_type = spec.entry_type.as_str();
        let declared = [
            ("kubernetesGroups", !spec.kubernetes_groups.is_empty()),
            ("username", spec.username.is_some()),
            ("accessPolicies", !spec.access_policies.is_empty()),
        ];
        for (field, _) in declared.into_iter().filter(|(_, declared)| *declared) {
            problems.push(problem(
                Path::new(field),
                format!("an entry of type {entry_type} can't have `{field}`"),
                "leave it out: EKS gives the role what nodes need",
            ));
        }
        return;
    }
    let reserved = ["system:", "eks:", "aws:", "amazon:", "iam:"];
    if let Some(username) = &spec.username
        && let Some(prefix) = reserved.iter().find(|prefix| username.starts_with(**prefix))
    {
        problems.push(problem(
            Path::new("username"),
            format!("a name can't begin with `{prefix}`"),
            "leave it out: EKS chooses a good one",
        ));
    }
    for (index, group) in spec.kubernetes_groups.iter().enumerate() {
        if group.starts_with("system:") {
            problems.push(problem(
                Path::new("kubernetesGroups").join(index.to_string()),
                format!("`{group}`: EKS refuses groups that begin with `system:`"),
                "declare an access policy instead, such as AmazonEKSClusterAdminPolicy for \
                 `system:masters`",
            ));
        }
    }
}

/// The access policies in normal form, by ARN.
fn policies(declared: &[AccessPolicy], problems: &mut Vec<Problem>) -> Map {
    let mut policies = Map::new();
    for (index, policy) in declared.iter().enumerate() {
        let path = Path::new("accessPolicies").join(index.to_string());
        let arn = policy.policy_arn.as_str();
        if is_unknown_text(arn) {
            problems.push(problem(
                path.join("policyArn"),
                "the ARN of an access policy must be known before anything is applied",
                "write it out",
            ));
            continue;
        }
        if !arn.starts_with("arn:aws") || !arn.contains(":eks::aws:cluster-access-policy/") {
            problems.push(problem(
                path.join("policyArn"),
                format!("`{arn}` is not the ARN of an access policy of EKS"),
                "`aws eks list-access-policies` lists them; IAM policies can't stand here",
            ));
        }
        let namespaces = &policy.scope.namespaces;
        match (policy.scope.scope_type, namespaces.is_empty()) {
            (ScopeType::Cluster, false) => problems.push(problem(
                path.join("scope"),
                "the scope `cluster` has no namespaces",
                "write `type: namespace`, or leave the namespaces out",
            )),
            (ScopeType::Namespace, true) => problems.push(problem(
                path.join("scope"),
                "the scope `namespace` needs at least one namespace",
                "list the namespaces, or write `type: cluster`",
            )),
            (ScopeType::Cluster, true) | (ScopeType::Namespace, false) => {}
        }
        let scope_type = match policy.scope.scope_type {
            ScopeType::Cluster => "cluster",
            ScopeType::Namespace => "namespace",
        };
        if policies.insert(arn.to_owned(), scope(scope_type, namespaces.clone())).is_some() {
            problems.push(problem(
                path,
                format!("`{arn}` is declared twice"),
                "an entry has each policy once: list all namespaces in one place",
            ));
        }
    }
    policies
}

/// The scope of an access policy in normal form.
fn scope(scope_type: &str, mut namespaces: Vec<String>) -> Value {
    namespaces.sort();
    namespaces.dedup();
    let namespaces = namespaces.iter().map(|name| Value::from_spec_text(name)).collect();
    Value::Map(Map::from([
        ("type".into(), scope_type.into()),
        ("namespaces".into(), Value::List(namespaces)),
    ]))
}

/// Whether the answer says that there is no entry; `None`: it does not.
fn absence(
    subject: &Subject<'_>,
    describe: &Command,
    answer: &Answer,
) -> Result<Option<Reading>, ReadError> {
    let absent = Ok(Some(Reading::Live(Live::Absent)));
    if cluster_is_absent(answer) {
        // Entries go with their cluster. A resource that is to go has nothing
        // left to do; one that is to be made has nowhere to be.
        if subject.desired.is_none() {
            return absent;
        }
        let cluster = subject.identity.part("clusterName");
        let why = format!("the cluster {cluster} does not exist");
        return Err(ReadError::new(describe.clone(), answer, why));
    }
    if answer.is_service_error("ResourceNotFoundException") {
        return absent;
    }
    if let Some(error) = answer.service_error()
        && error.message.contains("authentication mode")
    {
        let cluster = subject.identity.part("clusterName");
        let why = format!(
            "the cluster {cluster} knows no access entries; set its authentication mode to \
             API_AND_CONFIG_MAP: {}",
            error.message
        );
        return Err(ReadError::new(describe.clone(), answer, why));
    }
    Ok(None)
}

fn live_policies(list: &Command, answer: &Answer) -> Result<Map, ReadError> {
    let policies = eks::list(list, answer, "associatedAccessPolicies")?;
    let policy = |policy: &Json| {
        let scope_type = text(policy, "/accessScope/type")?;
        let namespaces = texts(policy, "/accessScope/namespaces");
        Some((text(policy, "/policyArn")?.to_owned(), scope(scope_type, namespaces)))
    };
    policies.iter().map(policy).collect::<Option<_>>().ok_or_else(|| {
        ReadError::new(list.clone(), answer, "the answer has a policy without ARN or scope")
    })
}
