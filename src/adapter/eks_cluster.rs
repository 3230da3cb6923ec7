//! `EksCluster`: an EKS cluster with its VPC, as other resources refer to it.
//!
//! Clusters are only read: a manifest that declares one is `external`. This
//! module must not change a cluster.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::eks::{
    account_of, check_cluster_name, list_value, member, problem, text, texts, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Health, Identity, Live, Object,
    Operation, Problem, Questions, ReadError, Reading, Readiness, Step, Subject,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

/// The adapter.
#[derive(Debug)]
pub struct EksCluster;

/// An EKS cluster that exists. It is read, never changed: write
/// `external: true` beside the spec.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster: 1 to 100 letters, digits, `-` and `_`.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The Kubernetes version that the cluster should have, such as `"1.34"`.
    /// A cluster of another version is reported, and nothing more.
    version: Option<String>,
}

impl Adapter for EksCluster {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the cluster's name"),
            ("arn", "the cluster's ARN"),
            ("status", "CREATING, ACTIVE, UPDATING, DELETING, PENDING or FAILED"),
            ("version", "the Kubernetes version of the control plane, such as 1.34"),
            ("endpoint", "the URL of the Kubernetes API"),
            ("certificateAuthority", "the certificate of the Kubernetes API, in base64"),
            ("vpcId", "the VPC that the cluster is in"),
            ("subnetIds", "every subnet of that VPC, in order: a list"),
            ("clusterSubnetIds", "the subnets that the cluster was made with: a list"),
            ("clusterSecurityGroupId", "the security group that EKS made for the cluster"),
            ("oidcIssuer", "the URL of the cluster's OpenID Connect issuer"),
            ("accountId", "the AWS account that the cluster is in"),
            ("authenticationMode", "API, API_AND_CONFIG_MAP or CONFIG_MAP"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        if !context.external {
            problems.push(problem(
                Path::default(),
                "creating clusters is not supported yet",
                "write `external: true` beside the spec: the cluster is then read, not made",
            ));
        }
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check_cluster_name(&spec.name, "name", &mut problems);
        let mut settings = Map::new();
        if let Some(version) = &spec.version {
            if !is_unknown_text(version) && !is_version(version) {
                problems.push(problem(
                    Path::new("version"),
                    format!("`{version}` is not a Kubernetes version"),
                    "write major and minor as a text: \"1.34\"",
                ));
            }
            settings.insert("version".into(), Value::from_spec_text(version));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let name = Value::from_spec_text(&spec.name);
        Ok(Desired {
            identity: Identity::new([("name", name.clone())]),
            outputs: Map::from([("name".into(), name)]),
            settings,
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let name = subject.identity.part("name");
        let describe = Command::read(Tool::Aws, &["eks", "describe-cluster"]).flag("--name", name);
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
        if answer.is_service_error("ResourceNotFoundException") {
            return Ok(Reading::Live(Live::Absent));
        }
        let cluster = member(&describe, answer, "cluster")?;
        let mut outputs = outputs(&cluster);
        if let Some(vpc) = text(&cluster, "/resourcesVpcConfig/vpcId") {
            let list = Command::read(Tool::Aws, &["ec2", "describe-subnets"])
                .flag("--filters", &format!("Name=vpc-id,Values={vpc}"));
            let Some(answer) = questions.ask(list.clone()) else {
                return Ok(questions.asking());
            };
            let subnets = member(&list, answer, "Subnets")?;
            let Some(mut ids) = subnet_ids(&subnets) else {
                return Err(ReadError::new(list, answer, "the answer has a subnet without an id"));
            };
            ids.sort();
            outputs.insert("subnetIds".into(), list_value(ids));
        }
        let version = subject
            .desired
            .map(|desired| &desired.settings)
            .or(subject.prior.map(|prior| &prior.settings))
            .and_then(|settings| settings.get("version"))
            .and_then(Value::as_str);
        let mut notes = Vec::new();
        if let (Some(version), Some(live)) = (version, text(&cluster, "/version"))
            && version != live
        {
            notes.push(format!("the cluster runs Kubernetes {live}, the manifest says {version}"));
        }
        let status = text(&cluster, "/status").unwrap_or("");
        let health = health(status, &cluster);
        let object = Object { outputs, health, notes, ..Object::default() };
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let name = operation.identity.part("name");
        Err(vec![Blocker {
            code: "ClusterNotManaged".to_owned(),
            message: format!("the cluster {name} is only read: it can't be made or changed here"),
            next: format!(
                "make the cluster {name} with the tool of your choice, then run the plan again"
            ),
        }])
    }

    fn readiness(&self, _desired: &Desired, object: &Object) -> Readiness {
        let output = |name: &str| object.outputs.get(name).and_then(Value::as_str).unwrap_or("");
        let (name, status) = (output("name"), output("status"));
        if status == "ACTIVE" {
            return Readiness::Ready;
        }
        let blocker = |next: String| {
            let message = format!("the cluster {name} has status {status}, not ACTIVE");
            vec![Blocker { code: "ClusterNotActive".to_owned(), message, next }]
        };
        match status {
            "CREATING" | "UPDATING" | "PENDING" => {
                Readiness::Waiting(blocker(format!("aws eks wait cluster-active --name {name}")))
            }
            _ => Readiness::NotReady(blocker(format!("aws eks describe-cluster --name {name}"))),
        }
    }
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}

fn outputs(cluster: &Json) -> Map {
    let places = [
        ("name", "/name"),
        ("arn", "/arn"),
        ("status", "/status"),
        ("version", "/version"),
        ("endpoint", "/endpoint"),
        ("certificateAuthority", "/certificateAuthority/data"),
        ("vpcId", "/resourcesVpcConfig/vpcId"),
        ("clusterSecurityGroupId", "/resourcesVpcConfig/clusterSecurityGroupId"),
        ("oidcIssuer", "/identity/oidc/issuer"),
        ("authenticationMode", "/accessConfig/authenticationMode"),
    ];
    let mut outputs: Map = places
        .into_iter()
        .filter_map(|(name, pointer)| Some((name.to_owned(), text(cluster, pointer)?.into())))
        .collect();
    if let Some(account) = text(cluster, "/arn").and_then(account_of) {
        outputs.insert("accountId".into(), account.into());
    }
    let subnets = texts(cluster, "/resourcesVpcConfig/subnetIds");
    outputs.insert("clusterSubnetIds".into(), list_value(subnets));
    outputs
}

fn subnet_ids(subnets: &Json) -> Option<Vec<String>> {
    let id = |subnet: &Json| text(subnet, "/SubnetId").map(str::to_owned);
    subnets.as_array()?.iter().map(id).collect()
}

fn health(status: &str, cluster: &Json) -> Health {
    match status {
        "CREATING" | "UPDATING" | "DELETING" | "PENDING" => {
            Health::Busy(format!("the cluster has status {status}"))
        }
        "FAILED" => {
            let issues: Vec<&str> = cluster
                .pointer("/health/issues")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .filter_map(|issue| text(issue, "/message"))
                .collect();
            let because = if issues.is_empty() { "" } else { ": " };
            Health::Broken(format!("the cluster has status FAILED{because}{}", issues.join("; ")))
        }
        _ => Health::Sound,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapter::eks::testing::{failed, ok, present, read, value};
    use crate::command::Answer;

    const DESCRIBE: &str = "aws eks describe-cluster --name demo";
    const SUBNETS: &str = "aws ec2 describe-subnets --filters Name=vpc-id,Values=vpc-0aa0aa0aa";

    fn desired() -> Desired {
        let context = Context { external: true, ..Context::default() };
        let spec = value(&json!({"name": "demo", "version": "1.34"}));
        EksCluster.desired(&spec, &context).unwrap()
    }

    fn cluster(status: &str, version: &str) -> Answer {
        ok(&json!({"cluster": {
            "name": "demo",
            "arn": "arn:aws:eks:us-east-2:111122223333:cluster/demo",
            "createdAt": "2026-01-05T09:12:44.118000+00:00",
            "version": version,
            "endpoint": "https://0123456789ABCDEF.gr7.us-east-2.eks.amazonaws.com",
            "roleArn": "arn:aws:iam::111122223333:role/demo-cluster",
            "resourcesVpcConfig": {
                "subnetIds": ["subnet-0b0b0b0b0", "subnet-0a0a0a0a0"],
                "securityGroupIds": ["sg-0d0d0d0d0"],
                "clusterSecurityGroupId": "sg-0c0c0c0c0",
                "vpcId": "vpc-0aa0aa0aa",
                "endpointPublicAccess": true,
            },
            "identity": {"oidc": {"issuer": "https://oidc.eks.us-east-2.amazonaws.com/id/0123"}},
            "status": status,
            "certificateAuthority": {"data": "LS0tLS1CRUdJTg=="},
            "health": {"issues": [{"code": "InternalFailure", "message": "no addresses left"}]},
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        }}))
    }

    fn subnets() -> Answer {
        ok(&json!({"Subnets": [
            {"SubnetId": "subnet-0b0b0b0b0", "VpcId": "vpc-0aa0aa0aa"},
            {"SubnetId": "subnet-0e0e0e0e0", "VpcId": "vpc-0aa0aa0aa"},
            {"SubnetId": "subnet-0a0a0a0a0", "VpcId": "vpc-0aa0aa0aa"},
        ]}))
    }

    #[test]
    fn a_cluster_and_its_subnets_are_two_commands() {
        let table = [(DESCRIBE, cluster("ACTIVE", "1.34")), (SUBNETS, subnets())];
        let (live, rounds) = read(&EksCluster, Some(&desired()), None, &table);
        assert_eq!(rounds, [vec![DESCRIBE.to_owned()], vec![SUBNETS.to_owned()]]);
        let object = present(live);
        assert_eq!(
            Value::Map(object.outputs.clone()),
            value(&json!({
                "name": "demo",
                "arn": "arn:aws:eks:us-east-2:111122223333:cluster/demo",
                "status": "ACTIVE",
                "version": "1.34",
                "endpoint": "https://0123456789ABCDEF.gr7.us-east-2.eks.amazonaws.com",
                "certificateAuthority": "LS0tLS1CRUdJTg==",
                "vpcId": "vpc-0aa0aa0aa",
                "subnetIds": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0", "subnet-0e0e0e0e0"],
                "clusterSubnetIds": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
                "clusterSecurityGroupId": "sg-0c0c0c0c0",
                "oidcIssuer": "https://oidc.eks.us-east-2.amazonaws.com/id/0123",
                "accountId": "111122223333",
                "authenticationMode": "API_AND_CONFIG_MAP",
            }))
        );
        let names: Vec<_> = EksCluster.outputs().iter().map(|(name, _)| *name).collect();
        assert!(object.outputs.keys().all(|name| names.contains(&name.as_str())));
        assert_eq!((object.health.clone(), object.notes.len()), (Health::Sound, 0));
        assert_eq!(EksCluster.readiness(&desired(), &object), Readiness::Ready);
    }

    #[test]
    fn status_and_version_tell() {
        for (status, health, waits) in [
            ("CREATING", Health::Busy("the cluster has status CREATING".into()), true),
            ("UPDATING", Health::Busy("the cluster has status UPDATING".into()), true),
            ("DELETING", Health::Busy("the cluster has status DELETING".into()), false),
            (
                "FAILED",
                Health::Broken("the cluster has status FAILED: no addresses left".into()),
                false,
            ),
        ] {
            let table = [(DESCRIBE, cluster(status, "1.33")), (SUBNETS, subnets())];
            let object = present(read(&EksCluster, Some(&desired()), None, &table).0);
            assert_eq!(object.health, health);
            assert_eq!(
                object.notes,
                ["the cluster runs Kubernetes 1.33, the manifest says 1.34"]
            );
            let readiness = EksCluster.readiness(&desired(), &object);
            assert_eq!(matches!(readiness, Readiness::Waiting(_)), waits, "{status}");
            assert_ne!(readiness, Readiness::Ready);
        }
    }

    #[test]
    fn absent_is_what_the_service_says_and_nothing_else() {
        let desired = desired();
        let missing = failed(
            "ResourceNotFoundException",
            "DescribeCluster",
            "No cluster found for name: demo.",
        );
        let (live, _) = read(&EksCluster, Some(&desired), None, &[(DESCRIBE, missing)]);
        assert_eq!(live, Ok(Live::Absent));
        for answer in [
            failed("AccessDeniedException", "DescribeCluster", "User is not authorized"),
            Answer { code: 255, stderr: "Could not connect to the endpoint".into(), ..ok(&json!("")) },
            ok(&json!({})),
            Answer { stdout: "{\"cluster\": {".into(), ..Answer::default() },
        ] {
            let (live, _) = read(&EksCluster, Some(&desired), None, &[(DESCRIBE, answer)]);
            assert!(live.is_err());
        }
        let partial = ok(&json!({"Subnets": [], "NextToken": "abc"}));
        let table = [(DESCRIBE, cluster("ACTIVE", "1.34")), (SUBNETS, partial)];
        let (live, _) = read(&EksCluster, Some(&desired), None, &table);
        assert_eq!(live.unwrap_err().why, "the answer is incomplete: more pages follow");
    }

    #[test]
    fn problems_are_all_told() {
        let spec = value(&json!({"name": "-demo!", "version": "latest"}));
        let problems = EksCluster.desired(&spec, &Context::default()).unwrap_err();
        let summaries: Vec<_> = problems.iter().map(|p| p.summary.as_str()).collect();
        assert_eq!(
            summaries,
            [
                "creating clusters is not supported yet",
                "`-demo!` can't be the name of an EKS cluster",
                "`latest` is not a Kubernetes version",
            ]
        );
        let external = Context { external: true, ..Context::default() };
        let unknown = Value::Map(Map::from([(
            "name".into(),
            Value::Unknown("${IamRole.x.arn}".into()),
        )]));
        assert!(!EksCluster.desired(&unknown, &external).unwrap().identity.is_known());
    }

    #[test]
    fn a_cluster_is_never_changed() {
        let desired = desired();
        let operation = Operation {
            verb: crate::adapter::Verb::Create,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: None,
            changes: &[],
        };
        assert_eq!(EksCluster.steps(&operation).unwrap_err()[0].code, "ClusterNotManaged");
    }
}
