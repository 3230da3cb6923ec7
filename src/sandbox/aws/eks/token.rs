//! `get-token`: the credential that `kubectl` asks the CLI for.

use jiff::SignedDuration;
use serde_json::json;

use super::super::model::{Answer, Call, Fault};

/// How long the CLI says that a token is good for, in minutes.
const MINUTES: i64 = 14;

/// `get-token`. The CLI makes it without asking EKS, so any name will do; the
/// token opens nothing.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let Some(cluster) = call.input.maybe("clusterName").or_else(|| call.input.maybe("clusterId"))
    else {
        return Ok(Answer::Failed(
            "Either parameter --cluster-name or --cluster-id must be specified.".to_owned(),
        ));
    };
    let now = call.world.now();
    let expires = now.checked_add(SignedDuration::from_mins(MINUTES)).unwrap_or(now);
    Ok(Answer::Body(json!({
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {},
        "status": {
            "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "token": format!("k8s-aws-v1.c2FuZGJveC10b2tlbg-{cluster}"),
        },
    })))
}
