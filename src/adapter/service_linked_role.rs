//! `ServiceLinkedRole`: a role that a service owns, which some services need
//! before they work (`spot.amazonaws.com` before the first spot instance).
//!
//! There is one per service and account, whoever asked for it first. So it is
//! found by its path, never by its name; adopted where it is there already;
//! never changed, because the service owns it; and never deleted, because
//! others in the account may need it.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::iam::{self, Source};
use super::iam_rules::Problems;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, Operation,
    Problem, Questions, ReadError, Reading, Step, Subject, Verb,
};
use crate::command::Command;
use crate::value::{Map, Path, Value, is_unknown_text};

/// The adapter.
#[derive(Debug)]
pub struct ServiceLinkedRole;

/// The identity's part.
const SERVICE_NAME: &str = "serviceName";

/// The role of a service, made once for the account and kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceLinkedRoleSpec {
    /// The service's principal, such as `spot.amazonaws.com`; case counts.
    service_name: String,
}

impl Adapter for ServiceLinkedRole {
    fn schema(&self) -> Schema {
        schema_for!(ServiceLinkedRoleSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("arn", "the role's ARN"),
            ("name", "the role's name, which the service chooses"),
            ("roleId", "the role's unique id"),
        ]
    }

    fn desired(&self, spec: &Value, _context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Problems::default();
        let Some(spec) = problems.typed::<ServiceLinkedRoleSpec>(spec) else {
            return problems.or(Desired::default());
        };
        let path = Path::new(SERVICE_NAME);
        problems.name(&path, &spec.service_name, 128);
        let is_service =
            |name: &str| name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn");
        if !is_unknown_text(&spec.service_name) && !is_service(&spec.service_name) {
            problems.add(
                &path,
                format!("`{}` is not the principal of a service", spec.service_name),
                "write it whole, as in spot.amazonaws.com",
            );
        }
        let service = Value::from_spec_text(&spec.service_name);
        problems.or(Desired {
            identity: Identity::new([(SERVICE_NAME, service)]),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let path = format!("/aws-service-role/{}/", subject.identity.part(SERVICE_NAME));
        let list = iam::read_command("list-roles", "--path-prefix", &path);
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(list.clone()) else { return Ok(questions.asking()) };
        let whole = iam::whole(&list, answer)?;
        let source = Source { command: &list, answer };
        // A service may have several, told apart by a suffix; the one without
        // has the shortest name.
        let mut roles: Vec<(usize, String, &Json)> = Vec::new();
        for role in source.list(&whole, "Roles")? {
            let name = source.text(role, "RoleName")?;
            roles.push((name.len(), name, role));
        }
        roles.sort_by(|(a_len, a, _), (b_len, b, _)| (a_len, a).cmp(&(b_len, b)));
        let Some((_, name, role)) = roles.into_iter().next() else {
            return Ok(Reading::Live(Live::Absent));
        };
        let outputs: Map = iam::map([
            ("arn", source.text(role, "Arn")?.into()),
            ("name", name.into()),
            ("roleId", source.text(role, "RoleId")?.into()),
        ]);
        Ok(Reading::Live(Live::Present(Box::new(Object { outputs, ..Object::default() }))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let service = iam::part(operation.identity, SERVICE_NAME);
        match operation.verb {
            Verb::Create => Ok(vec![Step::new(
                format!("create the service-linked role of {}", iam::label(&service)),
                Command::aws_write(
                    "iam",
                    "create-service-linked-role",
                    Value::Map(iam::map([("AWSServiceName", service)])),
                ),
            )]),
            // It has nothing that could differ, and is never deleted.
            Verb::Update | Verb::Repair | Verb::Delete => Ok(Vec::new()),
        }
    }

    fn never_deleted(&self) -> Option<&'static str> {
        Some("the account has one role for each service, and others may need it")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::Answer;

    fn context() -> Context {
        Context { name: "spot".into(), region: "us-east-2".into(), ..Context::default() }
    }

    fn desired(service: &str) -> Result<Desired, Vec<Problem>> {
        let spec = Value::from_json(&json!({"serviceName": service}));
        ServiceLinkedRole.desired(&spec, &context())
    }

    fn read(answer: &Answer) -> Result<Reading, ReadError> {
        let desired = desired("spot.amazonaws.com").unwrap();
        let subject = Subject::alone(&desired.identity, Some(&desired), None);
        let mut answers = Answers::default();
        let Reading::Ask(asked) = ServiceLinkedRole.read(&subject, &answers)? else {
            panic!("must ask first")
        };
        assert_eq!(
            asked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["aws iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/"]
        );
        assert!(asked[0].is_known_read());
        answers.insert(&asked[0], answer.clone());
        ServiceLinkedRole.read(&subject, &answers)
    }

    fn role(name: &str) -> Json {
        json!({
            "Path": "/aws-service-role/spot.amazonaws.com/",
            "RoleName": name,
            "RoleId": "AROAEXAMPLEEXAMPLEEX1",
            "Arn": format!("arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/{name}"),
            "CreateDate": "2024-05-06T07:08:09+00:00",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
        })
    }

    #[test]
    fn it_is_found_by_its_path() {
        let roles = json!({"Roles": [role("AWSServiceRoleForEC2Spot_x"), role("AWSServiceRoleForEC2Spot")]});
        let answer = Answer { stdout: roles.to_string(), ..Answer::default() };
        let Ok(Reading::Live(Live::Present(object))) = read(&answer) else { panic!() };
        assert_eq!(object.outputs["name"], "AWSServiceRoleForEC2Spot".into());
        assert_eq!(object.outputs["roleId"], "AROAEXAMPLEEXAMPLEEX1".into());
        assert!(object.attributes.is_empty());
    }

    #[test]
    fn no_role_is_absent_and_a_failure_is_not() {
        let answer = Answer { stdout: r#"{"Roles": []}"#.into(), ..Answer::default() };
        assert_eq!(read(&answer).unwrap(), Reading::Live(Live::Absent));
        for answer in [
            Answer {
                code: 254,
                stderr: "An error occurred (AccessDenied) when calling the ListRoles operation: no"
                    .into(),
                ..Answer::default()
            },
            Answer { code: 255, ..Answer::default() },
            Answer { stdout: "{}".into(), ..Answer::default() },
            Answer { stdout: r#"{"Roles": [], "NextToken": "x"}"#.into(), ..Answer::default() },
            Answer { stdout: r#"{"Roles": [], "IsTruncated": true}"#.into(), ..Answer::default() },
            Answer::default(),
        ] {
            assert!(read(&answer).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn it_is_made_and_never_deleted() {
        let desired = desired("spot.amazonaws.com").unwrap();
        let operation = |verb| Operation {
            verb,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: None,
            changes: &[],
        };
        let steps = ServiceLinkedRole.steps(&operation(Verb::Create)).unwrap();
        assert_eq!(steps.len(), 1);
        assert_eq!(steps[0].title, "create the service-linked role of spot.amazonaws.com");
        assert_eq!(
            steps[0].command.to_string(),
            "aws iam create-service-linked-role --cli-input-json file:///dev/stdin"
        );
        assert_eq!(
            steps[0].command.stdin.as_ref().unwrap().reveal().unwrap(),
            json!({"AWSServiceName": "spot.amazonaws.com"})
        );
        assert!(ServiceLinkedRole.never_deleted().is_some());
        assert_eq!(ServiceLinkedRole.steps(&operation(Verb::Delete)).unwrap(), []);
    }

    #[test]
    fn the_service_is_a_whole_principal() {
        for bad in ["spot", "", "spot amazonaws.com", "https://spot.amazonaws.com"] {
            assert!(desired(bad).is_err(), "{bad}");
        }
        assert!(desired("eks-nodegroup.amazonaws.com").is_ok());
        let unknown =
            Value::Map(Map::from([(SERVICE_NAME.into(), Value::Unknown("${var.service}".into()))]));
        assert!(!ServiceLinkedRole.desired(&unknown, &context()).unwrap().identity.is_known());
    }
}
