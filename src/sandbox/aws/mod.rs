//! The simulated `aws`: version 2 of the AWS CLI over the sandbox's world.
//!
//! A command line goes one way: `args` finds the operation and reads its
//! options, `validate` checks the input as the CLI does before it sends
//! anything, the service's function reads or changes the world, `render` prints
//! the answer in the order of the output shape. Each service is a table of
//! operations (`iam`, `eks`, `ec2`, `cloudformation`, `s3api`, `acm`, `route53`,
//! `sts`, `ecr-public`).
//!
//! Services keep everything in the world, below their own first segment, with
//! the region second where the service is regional. They take the time from the
//! world and ids from its counters. Nothing here does I/O.
//!
//! Error codes are AWS's throughout, and so are the messages that a program may
//! look at. A few messages are the sandbox's own words, where AWS's could not be
//! looked up (entries of node types, pod identity associations that are not
//! there, tags that are too long); nothing should match on those.

mod acm;
mod args;
mod cloudformation;
pub mod ec2;
mod ecr_public;
mod eks;
mod facts;
mod iam;
mod model;
mod render;
mod route53;
mod s3;
mod seed;
mod shorthand;
mod sts;
mod validate;

#[cfg(test)]
mod tests;

use args::{Format, Invocation, Refusal, Request};
use model::{Answer, Call, Input, Service};

use crate::sandbox::Output;
use crate::sandbox::world::World;

pub use ecr_public::PASSWORD as REGISTRY_PASSWORD;
pub use eks::{next_due, settle};
pub use facts::{ACCOUNT, HOME_REGION};
pub use iam::set_quota;
pub use seed::{CLUSTER, Seed, seed};

/// The services, as the CLI lists them.
const SERVICES: &[Service] = &[
    acm::SERVICE,
    cloudformation::SERVICE,
    ec2::SERVICE,
    ecr_public::SERVICE,
    eks::SERVICE,
    iam::SERVICE,
    route53::SERVICE,
    s3::SERVICE,
    sts::SERVICE,
];

/// What `aws --version` prints.
const VERSION: &str = "aws-cli/2.32.2 Python/3.13.9 Linux/6.1.0 exe/x86_64.sandbox\n";

/// The usage text that precedes a complaint about arguments.
const USAGE: &str = "usage: aws [options] <command> <subcommand> [<subcommand> ...] [parameters]
To see help text, you can run:

  aws help
  aws <command> help
  aws <command> <subcommand> help
";

/// Exit code for a command line that the CLI refuses.
const REFUSED: i32 = 252;

/// Exit code for any other failure of the CLI itself.
const FAILED: i32 = 255;

/// Exit code for an error that the service answers.
const SERVICE_ERROR: i32 = 254;

/// Carries out one `aws` command. `args` come without the leading `aws`;
/// `stdin` is what `file:///dev/stdin` reads.
pub fn run(world: &mut World, args: &[String], stdin: &[u8]) -> Output {
    if let Some(output) =
        eks::wait(world, args, stdin).or_else(|| cloudformation::wait(world, args, stdin))
    {
        return output;
    }
    match args::parse(SERVICES, args, stdin) {
        Ok(Request::Version) => Output::ok(VERSION),
        Ok(Request::Call(invocation)) => call(world, &invocation),
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Output {
    match refusal {
        Refusal::Arguments(complaint) => {
            Output::failed(REFUSED, format!("\n{USAGE}\naws: error: {complaint}\n"))
        }
        Refusal::Unknown(complaint) => Output::failed(REFUSED, format!("\n{USAGE}\n{complaint}\n")),
        Refusal::Parameter(complaint) => Output::failed(REFUSED, format!("\n{complaint}\n")),
        Refusal::Unexpected(complaint) => Output::failed(FAILED, format!("\n{complaint}\n")),
    }
}

fn call(world: &mut World, invocation: &Invocation) -> Output {
    let operation = invocation.operation;
    if let Err(refusal) = validate::check(&invocation.input, operation.input) {
        return refuse(&refusal);
    }
    let region = invocation.region.as_deref().unwrap_or(facts::HOME_REGION);
    let mut call = Call { world, input: Input(&invocation.input), region };
    match (operation.run)(&mut call) {
        Ok(Answer::Nothing) => Output::default(),
        Ok(Answer::Body(value)) => {
            let answer = render::project(&value, operation.output);
            Output::ok(match invocation.format {
                Format::Json => render::json(&answer),
                Format::Text => render::text(&answer),
            })
        }
        Ok(Answer::Printed(text)) => Output::ok(text),
        Ok(Answer::Failed(text)) => Output::failed(FAILED, format!("\n{text}\n")),
        Err(fault) => Output::failed(
            SERVICE_ERROR,
            format!(
                "\nAn error occurred ({}) when calling the {} operation: {}\n",
                fault.code, operation.name, fault.message
            ),
        ),
    }
}

/// Whether a service account of the simulated cluster has a pod identity
/// association, by which EKS gives its new pods their credentials.
pub fn has_association(world: &World, namespace: &str, account: &str) -> bool {
    let of = format!("{CLUSTER}/{namespace}/{account}");
    world.get(&eks::key(HOME_REGION, "association-of", &of)).is_some()
}
