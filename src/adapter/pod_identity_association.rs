//! `PodIdentityAssociation`: the IAM role that the pods of a service account
//! act as.
//!
//! An association that an add-on of EKS owns is read, never changed. This
//! module must not look into the role or the pods.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::eks::{
    self, LONGEST_KEY, check_cluster_name, check_role_arn, check_tags, cluster_is_absent, member,
    problem, tag_steps, tags_of, tags_value, text, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb, picked,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct PodIdentityAssociation;

/// The fields of the association that an update can change, besides tags.
const UPDATABLE: [&str; 3] = ["roleArn", "targetRoleArn", "disableSessionTags"];

/// Gives the pods of a service account the permissions of an IAM role. Pods get
/// them when they are made: running pods keep what they have. The cluster needs
/// the add-on `eks-pod-identity-agent`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster.
    cluster_name: String,
    /// The Kubernetes namespace of the service account. It need not exist yet.
    namespace: String,
    /// The name of the service account. It need not exist yet.
    service_account: String,
    /// The ARN of the role, which must be in the cluster's account and trust
    /// `pods.eks.amazonaws.com` with sts:AssumeRole and sts:TagSession.
    role_arn: String,
    /// The ARN of a second role, in any account, that the first one assumes for
    /// the pods. Write "" to say that there must be none.
    target_role_arn: Option<String>,
    /// Whether the sessions get no tags with cluster, namespace and service
    /// account. EKS adds them unless told otherwise.
    disable_session_tags: Option<bool>,
    /// The association's tags: keys of up to 128 characters, values of up to
    /// 256.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl Adapter for PodIdentityAssociation {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        use OnChange::Update;
        &[
            Attribute { name: "roleArn", rule: Rule::Exact, on_change: Update },
            Attribute { name: "targetRoleArn", rule: Rule::Exact, on_change: Update },
            Attribute { name: "disableSessionTags", rule: Rule::Exact, on_change: Update },
            Attribute { name: "tags", rule: Rule::Entries, on_change: Update },
        ]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("associationArn", "the association's ARN"),
            ("associationId", "the association's id, unique in the cluster"),
        ]
    }

    fn desired(&self, spec: &Value, _context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check_cluster_name(&spec.cluster_name, "clusterName", &mut problems);
        check_dns(&spec.namespace, "namespace", 63, false, &mut problems);
        check_dns(&spec.service_account, "serviceAccount", 253, true, &mut problems);
        check_role_arn(&spec.role_arn, "roleArn", &mut problems);
        let target = spec.target_role_arn.as_deref();
        if let Some(target) = target.filter(|target| !target.is_empty()) {
            check_role_arn(target, "targetRoleArn", &mut problems);
        }
        check_tags(&spec.tags, LONGEST_KEY, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut attributes = Map::from([
            ("roleArn".into(), Value::from_spec_text(&spec.role_arn)),
            ("tags".into(), tags_value(&spec.tags)),
        ]);
        if let Some(target) = target {
            attributes.insert("targetRoleArn".into(), Value::from_spec_text(target));
        }
        if let Some(disable) = spec.disable_session_tags {
            attributes.insert("disableSessionTags".into(), disable.into());
        }
        Ok(Desired {
            identity: Identity::new([
                ("clusterName", Value::from_spec_text(&spec.cluster_name)),
                ("namespace", Value::from_spec_text(&spec.namespace)),
                ("serviceAccount", Value::from_spec_text(&spec.service_account)),
            ]),
            attributes,
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let part = |name: &str| subject.identity.part(name);
        let absent = Ok(Reading::Live(Live::Absent));
        let of_cluster = Command::read(Tool::Aws, &["eks", "list-pod-identity-associations"])
            .flag("--cluster-name", part("clusterName"));
        let mut questions = Questions::new(answers);
        if subject.is_one_of_many() {
            let account = ["namespace", "serviceAccount"].map(|name| (name, part(name)));
            let list = of_cluster.clone().picking("associations", &account);
            let Some(answer) = questions.ask(list.clone()) else { return Ok(questions.asking()) };
            if let Some(association) = picked(&list, answer) {
                return described(subject, (&list, answer), &association, questions);
            }
        }
        let list = of_cluster
            .flag("--namespace", part("namespace"))
            .flag("--service-account", part("serviceAccount"));
        let Some(answer) = questions.ask(list.clone()) else { return Ok(questions.asking()) };
        if cluster_is_absent(answer) {
            // Associations go with their cluster. A resource that is to go has
            // nothing left to do; one that is to be made has nowhere to be.
            if subject.desired.is_none() {
                return absent;
            }
            let why = format!("the cluster {} does not exist", part("clusterName"));
            return Err(ReadError::new(list, answer, why));
        }
        let associations = eks::list(&list, answer, "associations")?;
        let ours = |association: &&Json| {
            text(association, "/namespace") == Some(part("namespace"))
                && text(association, "/serviceAccount") == Some(part("serviceAccount"))
        };
        let mut ours = associations.iter().filter(ours);
        let Some(association) = ours.next() else { return absent };
        if ours.next().is_some() {
            let why = "the answer has more than one association for the service account";
            return Err(ReadError::new(list, answer, why));
        }
        described(subject, (&list, answer), association, questions)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let fact = |name| operation.object.and_then(|object| object.facts.get(name));
        if let Some(owner) = fact("ownerArn") {
            return Err(vec![owned(operation.identity, owner)]);
        }
        let account = format!(
            "{}/{}",
            operation.identity.part("namespace"),
            operation.identity.part("serviceAccount")
        );
        if operation.verb == Verb::Create {
            let input = operation.desired.map(creation).unwrap_or_default();
            return Ok(vec![Step::new(
                format!("associate {account} with its role"),
                Command::aws_write("eks", "create-pod-identity-association", input.into()),
            )]);
        }
        let Some(id) = fact("associationId") else {
            return Err(vec![Blocker {
                code: "AssociationUnknown".to_owned(),
                message: format!("the id of the association of {account} was not read"),
                next: "run the plan again".to_owned(),
            }]);
        };
        let cluster = operation.identity.0.get("clusterName").cloned().unwrap_or_default();
        let of_id =
            Map::from([("clusterName".into(), cluster), ("associationId".into(), id.clone())]);
        if operation.verb == Verb::Delete {
            return Ok(vec![Step::new(
                format!("delete the association of {account}"),
                Command::aws_write("eks", "delete-pod-identity-association", of_id.into()),
            )]);
        }
        let mut steps = Vec::new();
        let changes_role = operation
            .changes
            .iter()
            .filter_map(|change| change.path.segments().first())
            .any(|attribute| UPDATABLE.contains(&attribute.as_str()));
        if changes_role {
            let mut input = of_id;
            input.extend(update(operation));
            steps.push(Step::new(
                format!("update the association of {account}"),
                Command::aws_write("eks", "update-pod-identity-association", input.into()),
            ));
        }
        let tags = tag_steps(operation.changes, operation.object, "associationArn");
        steps.extend(tags.map_err(|blocker| vec![blocker])?);
        Ok(steps)
    }
}

/// What EKS tells of an association that was listed: no list names its role.
fn described(
    subject: &Subject<'_>,
    (list, answer): (&Command, &Answer),
    association: &Json,
    mut questions: Questions<'_>,
) -> Result<Reading, ReadError> {
    let Some(id) = text(association, "/associationId") else {
        return Err(ReadError::new(
            list.clone(),
            answer,
            "the answer has an association without id",
        ));
    };
    let describe = Command::read(Tool::Aws, &["eks", "describe-pod-identity-association"])
        .flag("--cluster-name", subject.identity.part("clusterName"))
        .flag("--association-id", id);
    let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
    if answer.is_service_error("ResourceNotFoundException") {
        // It was deleted after it was listed.
        return Ok(Reading::Live(Live::Absent));
    }
    let association = member(&describe, answer, "association")?;
    let Some(role) = text(&association, "/roleArn") else {
        return Err(ReadError::new(describe, answer, "the answer has no `roleArn`"));
    };
    let mut object = Object {
        attributes: Map::from([
            ("roleArn".into(), role.into()),
            ("targetRoleArn".into(), text(&association, "/targetRoleArn").unwrap_or("").into()),
            (
                "disableSessionTags".into(),
                association
                    .get("disableSessionTags")
                    .and_then(Json::as_bool)
                    .unwrap_or(false)
                    .into(),
            ),
            ("tags".into(), tags_of(&association)),
        ]),
        outputs: Map::from([("associationId".into(), id.into())]),
        facts: Map::from([("associationId".into(), id.into())]),
        ..Object::default()
    };
    if let Some(arn) = text(&association, "/associationArn") {
        object.outputs.insert("associationArn".into(), arn.into());
    }
    if let Some(owner) = text(&association, "/ownerArn") {
        object.facts.insert("ownerArn".into(), owner.into());
        object.notes.push(format!("the add-on {owner} owns this association"));
    }
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// Checks a Kubernetes name: a DNS label, or with dots a DNS subdomain.
fn check_dns(name: &str, field: &str, most: usize, dots: bool, problems: &mut Vec<Problem>) {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid = name.len() <= most && if dots { name.split('.').all(label) } else { label(name) };
    if !is_unknown_text(name) && !valid {
        let dots = if dots { ", with dots between" } else { "" };
        problems.push(problem(
            Path::new(field),
            format!("`{name}` is not a name in Kubernetes"),
            &format!("use up to {most} lowercase letters, digits and inner hyphens{dots}"),
        ));
    }
}

fn owned(identity: &Identity, owner: &Value) -> Blocker {
    Blocker {
        code: "OwnedByAddOn".to_owned(),
        message: format!(
            "the association of {}/{} belongs to the add-on {owner}, which would undo the change",
            identity.part("namespace"),
            identity.part("serviceAccount")
        ),
        next: "change it with the add-on (aws eks update-addon --pod-identity-associations), or \
               write `external: true` beside the spec"
            .to_owned(),
    }
}

fn creation(desired: &Desired) -> Map {
    let mut input = desired.identity.0.clone();
    for (name, value) in &desired.attributes {
        let empty = value.as_str().is_some_and(str::is_empty)
            || value.as_map().is_some_and(|map| map.is_empty());
        if !empty {
            input.insert(name.clone(), value.clone());
        }
    }
    input
}

/// What an update sends: every field that is declared, and the default of those
/// that are not declared any more. An empty target role takes it away.
fn update(operation: &Operation<'_>) -> Map {
    let declared = |name: &str| operation.desired.and_then(|desired| desired.attributes.get(name));
    let changes = |name: &str| {
        operation.changes.iter().any(|c| c.path.segments().first().is_some_and(|f| f == name))
    };
    let mut input = Map::new();
    for name in UPDATABLE {
        let default = if name == "disableSessionTags" { false.into() } else { Value::from("") };
        match declared(name) {
            Some(value) => {
                input.insert(name.to_owned(), value.clone());
            }
            None if changes(name) => {
                input.insert(name.to_owned(), default);
            }
            None => {}
        }
    }
    input
}
