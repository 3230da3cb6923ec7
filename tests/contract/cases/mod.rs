//! What must hold, in groups.

mod charts;
mod data;
mod eks;
mod failures;
mod helm;
mod iam;
mod kubernetes;
mod lakehouse;
mod many;
mod phase;
mod plans;
mod preflight;
mod scripts;

use crate::Case;

/// All cases.
pub fn all() -> Vec<Case> {
    [
        // The longest first.
        phase::CASES,
        lakehouse::CASES,
        many::CASES,
        eks::CASES,
        scripts::CASES,
        data::CASES,
        iam::CASES,
        helm::CASES,
        kubernetes::CASES,
        plans::CASES,
        charts::CASES,
        failures::CASES,
        preflight::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

/// Whether a command only reads, by a list of this suite's own.
fn only_reads(argv: &str) -> bool {
    let words: Vec<&str> = argv.split(' ').filter(|word| !word.starts_with('-')).collect();
    match words.as_slice() {
        ["aws", "sts", "get-caller-identity", ..]
        | ["aws", "eks", "get-token", ..]
        | ["aws", "ecr-public" | "ecr", "get-login-password", ..]
        | ["helm", "status" | "history" | "template" | "list" | "version", ..]
        | ["helm", "get", "metadata" | "manifest" | "values", ..]
        | ["helm", "show", "chart", ..]
        | ["helm", "registry", "login", ..]
        | ["kubectl", "get" | "version" | "api-resources", ..] => true,
        ["kubectl", "apply", ..] => argv.contains(" --dry-run=server "),
        // `aws --version`.
        ["aws"] | ["aws", "iam", "simulate-principal-policy", ..] => true,
        [
            "aws",
            "iam" | "eks" | "ec2" | "s3api" | "cloudformation" | "acm" | "route53",
            operation,
            ..,
        ] => ["get-", "list-", "describe-", "head-"].iter().any(|verb| operation.starts_with(verb)),
        _ => false,
    }
}
