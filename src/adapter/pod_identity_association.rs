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
    check_cluster_name, check_role_arn, check_tags, cluster_is_absent, member, problem,
    tag_steps, tags_of, tags_value, text, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

/// The adapter.
#[derive(Debug)]
pub struct PodIdentityAssociation;

/// The longest key of a tag that EKS takes, in characters.
const LONGEST_KEY: usize = 128;

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
        let list = Command::read(Tool::Aws, &["eks", "list-pod-identity-associations"])
            .flag("--cluster-name", part("clusterName"))
            .flag("--namespace", part("namespace"))
            .flag("--service-account", part("serviceAccount"));
        let mut questions = Questions::new(answers);
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
        let associations = member(&list, answer, "associations")?;
        let ours = |association: &&Json| {
            text(association, "/namespace") == Some(part("namespace"))
                && text(association, "/serviceAccount") == Some(part("serviceAccount"))
        };
        let mut ours = associations.as_array().into_iter().flatten().filter(ours);
        let Some(association) = ours.next() else { return absent };
        if ours.next().is_some() {
            let why = "the answer has more than one association for the service account";
            return Err(ReadError::new(list, answer, why));
        }
        let Some(id) = text(association, "/associationId") else {
            return Err(ReadError::new(list, answer, "the answer has an association without id"));
        };
        let describe = Command::read(Tool::Aws, &["eks", "describe-pod-identity-association"])
            .flag("--cluster-name", part("clusterName"))
            .flag("--association-id", id);
        let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
        if answer.is_service_error("ResourceNotFoundException") {
            // It was deleted after it was listed.
            return absent;
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

/// Checks a Kubernetes name: a DNS label, or with dots a DNS subdomain.
fn check_dns(name: &str, field: &str, most: usize, dots: bool, problems: &mut Vec<Problem>) {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let valid =
        name.len() <= most && if dots { name.split('.').all(label) } else { label(name) };
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
        let empty =
            value.as_str().is_some_and(str::is_empty) || value.as_map().is_some_and(Map::is_empty);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::Prior;
    use crate::adapter::eks::testing::{call, change, failed, ok, present, read, value};
    use crate::command::Answer;

    const ROLE: &str = "arn:aws:iam::111122223333:role/KarpenterControllerRole-demo";
    const LIST: &str = "aws eks list-pod-identity-associations --cluster-name demo \
        --namespace kube-system --service-account karpenter";
    const DESCRIBE: &str = "aws eks describe-pod-identity-association --cluster-name demo \
        --association-id a-0123456789abcdef0";
    const ARN: &str =
        "arn:aws:eks:us-east-2:111122223333:podidentityassociation/demo/a-0123456789abcdef0";

    fn desired(more: Json) -> Desired {
        let mut spec = json!({
            "clusterName": "demo",
            "namespace": "kube-system",
            "serviceAccount": "karpenter",
            "roleArn": ROLE,
        });
        if let (Some(spec), Json::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        PodIdentityAssociation.desired(&value(&spec), &Context::default()).unwrap()
    }

    fn list(count: usize) -> Answer {
        let association = json!({
            "clusterName": "demo",
            "namespace": "kube-system",
            "serviceAccount": "karpenter",
            "associationArn": ARN,
            "associationId": "a-0123456789abcdef0",
        });
        ok(&json!({"associations": vec![association; count]}))
    }

    fn describe(more: Json) -> Answer {
        let mut association = json!({
            "clusterName": "demo",
            "namespace": "kube-system",
            "serviceAccount": "karpenter",
            "roleArn": ROLE,
            "associationArn": ARN,
            "associationId": "a-0123456789abcdef0",
            "tags": {"team": "data"},
            "createdAt": "2026-03-01T10:00:05.912000+00:00",
            "modifiedAt": "2026-03-01T10:00:05.912000+00:00",
        });
        if let (Some(association), Json::Object(more)) = (association.as_object_mut(), more) {
            association.extend(more);
        }
        ok(&json!({ "association": association }))
    }

    fn object(more: Json) -> Object {
        let table = [(LIST, list(1)), (DESCRIBE, describe(more))];
        present(read(&PodIdentityAssociation, Some(&desired(json!({}))), None, &table).0)
    }

    fn steps(
        verb: Verb,
        desired: Option<&Desired>,
        object: Option<&Object>,
        changes: &[crate::diff::FieldChange],
    ) -> Result<Vec<(String, Json)>, Vec<Blocker>> {
        let identity = self::desired(json!({})).identity;
        let operation =
            Operation { verb, identity: &identity, desired, prior: None, object, changes };
        let steps = PodIdentityAssociation.steps(&operation)?;
        Ok(steps.iter().map(|step| call(&step.command)).collect())
    }

    #[test]
    fn an_association_is_found_by_its_service_account() {
        let desired = desired(json!({}));
        let table = [(LIST, list(1)), (DESCRIBE, describe(json!({})))];
        let (live, rounds) = read(&PodIdentityAssociation, Some(&desired), None, &table);
        assert_eq!(rounds, [vec![LIST.to_owned()], vec![DESCRIBE.to_owned()]]);
        let object = present(live);
        assert_eq!(
            Value::Map(object.attributes),
            value(&json!({
                "roleArn": ROLE,
                "targetRoleArn": "",
                "disableSessionTags": false,
                "tags": {"team": "data"},
            }))
        );
        assert_eq!(
            Value::Map(object.outputs),
            value(&json!({"associationArn": ARN, "associationId": "a-0123456789abcdef0"}))
        );
        assert!(object.notes.is_empty());
    }

    #[test]
    fn absent_is_what_the_service_says_and_nothing_else() {
        let desired = desired(json!({}));
        let adapter = &PodIdentityAssociation;
        let live = |table: &[(&str, Answer)]| read(adapter, Some(&desired), None, table).0;
        assert_eq!(live(&[(LIST, list(0))]), Ok(Live::Absent));
        let gone = failed("ResourceNotFoundException", "DescribePodIdentityAssociation", "gone");
        assert_eq!(live(&[(LIST, list(1)), (DESCRIBE, gone)]), Ok(Live::Absent));
        assert!(live(&[(LIST, list(2))]).is_err());
        let partial = ok(&json!({"associations": [], "nextToken": "more"}));
        assert!(live(&[(LIST, partial)]).is_err());
        let no_cluster = failed(
            "ResourceNotFoundException",
            "ListPodIdentityAssociations",
            "No cluster found for name: demo.",
        );
        let error = live(&[(LIST, no_cluster.clone())]).unwrap_err();
        assert_eq!(error.why, "the cluster demo does not exist");
        let prior = Prior { identity: desired.identity.clone(), ..Prior::default() };
        let (live, _) = read(adapter, None, Some(&prior), &[(LIST, no_cluster)]);
        assert_eq!(live, Ok(Live::Absent));
    }

    #[test]
    fn creating_leaves_out_what_is_not_declared() {
        assert_eq!(
            steps(Verb::Create, Some(&desired(json!({"targetRoleArn": ""}))), None, &[]).unwrap(),
            [(
                "eks create-pod-identity-association".to_owned(),
                json!({
                    "clusterName": "demo", "namespace": "kube-system",
                    "serviceAccount": "karpenter", "roleArn": ROLE,
                })
            )]
        );
        let full = desired(json!({
            "targetRoleArn": "arn:aws:iam::444455556666:role/data",
            "disableSessionTags": true,
            "tags": {"a": "b"},
        }));
        let calls = steps(Verb::Create, Some(&full), None, &[]).unwrap();
        assert_eq!(calls[0].1["targetRoleArn"], "arn:aws:iam::444455556666:role/data");
        assert_eq!(calls[0].1["disableSessionTags"], true);
        assert_eq!(calls[0].1["tags"], json!({"a": "b"}));
    }

    #[test]
    fn updating_goes_by_id_and_takes_away_what_is_not_declared_any_more() {
        let object = object(json!({"targetRoleArn": "arn:aws:iam::444455556666:role/data"}));
        let changes = [
            change(&["roleArn"], Some("old".into()), Some(ROLE.into())),
            change(&["targetRoleArn"], Some("arn:aws:iam::444455556666:role/data".into()), None),
            change(&["tags", "team"], Some("data".into()), Some("lake".into())),
        ];
        assert_eq!(
            steps(Verb::Update, Some(&desired(json!({}))), Some(&object), &changes).unwrap(),
            [
                (
                    "eks update-pod-identity-association".to_owned(),
                    json!({
                        "clusterName": "demo", "associationId": "a-0123456789abcdef0",
                        "roleArn": ROLE, "targetRoleArn": "",
                    })
                ),
                (
                    "eks tag-resource".to_owned(),
                    json!({"resourceArn": ARN, "tags": {"team": "lake"}})
                ),
            ]
        );
        let only_tags = [change(&["tags", "team"], Some("data".into()), None)];
        let calls =
            steps(Verb::Update, Some(&desired(json!({}))), Some(&object), &only_tags).unwrap();
        assert_eq!(
            calls,
            [(
                "eks untag-resource".to_owned(),
                json!({"resourceArn": ARN, "tagKeys": ["team"]})
            )]
        );
    }

    #[test]
    fn deleting_goes_by_id() {
        assert_eq!(
            steps(Verb::Delete, None, Some(&object(json!({}))), &[]).unwrap(),
            [(
                "eks delete-pod-identity-association".to_owned(),
                json!({"clusterName": "demo", "associationId": "a-0123456789abcdef0"})
            )]
        );
        let blockers = steps(Verb::Delete, None, None, &[]).unwrap_err();
        assert_eq!(blockers[0].code, "AssociationUnknown");
    }

    #[test]
    fn what_an_add_on_owns_is_left_alone() {
        let owner = "arn:aws:eks:us-east-2:111122223333:addon/demo/aws-ebs-csi-driver/0a0a0a0a";
        let object = object(json!({ "ownerArn": owner }));
        assert_eq!(object.notes, [format!("the add-on {owner} owns this association")]);
        for verb in [Verb::Update, Verb::Delete] {
            let changes = [change(&["roleArn"], Some("old".into()), Some(ROLE.into()))];
            let blockers =
                steps(verb, Some(&desired(json!({}))), Some(&object), &changes).unwrap_err();
            assert_eq!(blockers[0].code, "OwnedByAddOn");
            assert!(blockers[0].message.contains(owner));
        }
    }

    #[test]
    fn problems_are_all_told() {
        let spec = json!({
            "clusterName": "",
            "namespace": "Kube_System",
            "serviceAccount": "-x",
            "roleArn": "arn:aws:iam::111122223333:user/x",
            "targetRoleArn": "role/x",
            "tags": {"": "x"},
        });
        let problems =
            PodIdentityAssociation.desired(&value(&spec), &Context::default()).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|p| p.path.to_string()).collect();
        assert_eq!(
            paths,
            ["clusterName", "namespace", "serviceAccount", "roleArn", "targetRoleArn", "tags[\"\"]"]
        );
        let mut dotted = spec;
        dotted["serviceAccount"] = "a.b-c".into();
        let problems =
            PodIdentityAssociation.desired(&value(&dotted), &Context::default()).unwrap_err();
        assert!(problems.iter().all(|p| p.path != Path::new("serviceAccount")));
    }
}
