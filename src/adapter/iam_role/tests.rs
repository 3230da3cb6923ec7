//! Tests of roles: specs, what is read, and the steps.

use serde_json::json;

use super::*;
use crate::adapter::Prior;
use crate::adapter::eks::testing::value;

mod read;
mod spec;
mod steps;

const ACCOUNT: &str = "123456789012";

fn context() -> Context {
    Context {
        name: "node".into(),
        account: Some(ACCOUNT.into()),
        region: "us-east-2".into(),
        ..Context::default()
    }
}

fn trust(service: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
        ],
    })
}

fn may(action: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    })
}

fn aws(policy: &str) -> String {
    format!("arn:aws:iam::aws:policy/{policy}")
}

/// The least spec, with these fields besides.
fn spec(fields: Json) -> Value {
    let mut spec = json!({
        "roleName": "KarpenterNodeRole-x",
        "trustPolicy": trust("ec2.amazonaws.com"),
    });
    if let (Some(spec), Json::Object(fields)) = (spec.as_object_mut(), fields) {
        for (key, value) in fields {
            if value.is_null() {
                spec.remove(&key);
            } else {
                spec.insert(key, value);
            }
        }
    }
    value(&spec)
}

fn full() -> Value {
    spec(json!({
        "path": "/lakehouse/",
        "description": "the nodes",
        "managedPolicies": [aws("B"), aws("A"), aws("B")],
        "inlinePolicies": {"queue": may("sqs:*"), "bucket": may("s3:*")},
        "tags": {"team": "data", "cost": "7"},
        "permissionsBoundary": aws("Boundary"),
        "maxSessionDuration": 7200,
    }))
}

fn desired(spec: &Value) -> Desired {
    IamRole.desired(spec, &context()).unwrap()
}

fn prior(spec: &Value) -> Prior {
    let desired = desired(spec);
    Prior {
        identity: desired.identity,
        attributes: desired.attributes,
        outputs: desired.outputs,
        settings: desired.settings,
        ..Prior::default()
    }
}
