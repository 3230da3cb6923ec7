//! `aws ecr-public`: the password for the public registry.

use super::model::{Answer, Call, Fault, Operation, Service};

/// The service.
pub const SERVICE: Service = Service {
    command: "ecr-public",
    operations: &[Operation {
        command: "get-login-password",
        name: "GetAuthorizationToken",
        input: &[],
        output: &[],
        run: get_login_password,
    }],
};

/// The password that the sandbox hands out. It opens nothing.
pub const PASSWORD: &str =
    "c2FuZGJveC1wYXNzd29yZC1mb3ItYS1zaW11bGF0ZWQtcHVibGljLXJlZ2lzdHJ5LW9wZW5zLW5vdGhpbmc=";

/// The service exists in one region only; elsewhere there is nothing to talk to.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
fn get_login_password(call: &mut Call<'_>) -> Result<Answer, Fault> {
    if call.region != "us-east-1" {
        return Ok(Answer::Failed(format!(
            "Could not connect to the endpoint URL: \"https://api.ecr-public.{}.amazonaws.com/\"",
            call.region
        )));
    }
    Ok(Answer::Printed(format!("{PASSWORD}\n")))
}
