//! `aws sts`: who the commands run as.

use serde_json::json;

use super::facts;
use super::model::{Answer, Call, Fault, Operation, Service, TEXT, may};

/// The service.
pub const SERVICE: Service = Service {
    command: "sts",
    operations: &[Operation {
        command: "get-caller-identity",
        name: "GetCallerIdentity",
        input: &[],
        output: &[may("UserId", TEXT), may("Account", TEXT), may("Arn", TEXT)],
        run: get_caller_identity,
    }],
};

#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
fn get_caller_identity(_call: &mut Call<'_>) -> Result<Answer, Fault> {
    Ok(Answer::Body(json!({
        "UserId": facts::CALLER_ID,
        "Account": facts::ACCOUNT,
        "Arn": facts::CALLER_ARN,
    })))
}
