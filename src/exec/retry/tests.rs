//! Answers of the tools, and whether and how long each is repeated.

use super::*;

fn service(code: &str, operation: &str, message: &str) -> Answer {
    Answer {
        code: 254,
        stdout: String::new(),
        stderr: format!(
            "\nAn error occurred ({code}) when calling the {operation} operation: {message}\n"
        ),
    }
}

#[test]
fn service_errors_by_code_and_message() {
    use Class::{
        Busy, DeleteConflict, Exists, Final, Missing, Settling, Throttled, Transient, Unreachable,
    };
    let table = [
        ("Throttling", "ListRoles", "Rate exceeded", Throttled),
        ("TooManyRequestsException", "DescribeCluster", "", Throttled),
        ("RequestLimitExceeded", "CreateTags", "", Throttled),
        ("SlowDown", "PutObject", "", Throttled),
        ("429", "X", "", Throttled),
        // IAM's quota is no throttling.
        ("LimitExceeded", "CreatePolicyVersion", "Cannot exceed quota", Final),
        ("ResourceLimitExceededException", "CreateAddon", "", Final),
        ("ServiceUnavailableException", "DescribeAddon", "", Transient),
        ("503", "HeadBucket", "Service Unavailable", Transient),
        (
            "MalformedPolicyDocument",
            "CreateRole",
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::1:role/x\"",
            Settling,
        ),
        ("MalformedPolicyDocument", "CreateRole", "Syntax errors in policy.", Final),
        (
            "InvalidParameterException",
            "CreateAccessEntry",
            "The specified principalArn is invalid: invalid principal.",
            Settling,
        ),
        (
            "InvalidParameterException",
            "CreatePodIdentityAssociation",
            "Role provided in the request does not exist.",
            Settling,
        ),
        (
            "InvalidParameterException",
            "CreatePodIdentityAssociation",
            "Trust policy of the role provided is invalid",
            Final,
        ),
        ("InvalidParameterException", "CreateAddon", "Role does not exist", Settling),
        ("InvalidParameterException", "CreateCluster", "subnet does not exist", Final),
        ("ResourcePropagationDelayException", "CreateNodegroup", "", Busy),
        ("ConcurrentModification", "UpdateAssumeRolePolicy", "", Busy),
        ("EntityTemporarilyUnmodifiable", "UpdateRole", "", Busy),
        ("OperationAborted", "CreateBucket", "", Busy),
        ("ResourceInUseException", "CreateAccessEntry", "already in use", Final),
        (
            "InvalidInput",
            "CreateServiceLinkedRole",
            "Service role name x has been taken in this account, please try a different suffix.",
            Exists,
        ),
        ("InvalidInput", "CreateServiceLinkedRole", "Custom suffix is not allowed", Final),
        ("EntityAlreadyExists", "CreateRole", "Role with name x already exists.", Exists),
        ("DeleteConflict", "DeleteRole", "must detach all policies first", DeleteConflict),
        ("NoSuchEntity", "GetRole", "", Missing),
        ("InvalidGroup.NotFound", "CreateTags", "", Missing),
        ("AccessDenied", "GetRole", "", Final),
        ("ValidationError", "CreateRole", "", Final),
    ];
    for (code, operation, message, class) in table {
        let command = Command::read(Tool::Aws, &["iam", "get-role"]);
        assert_eq!(
            classify(&command, &service(code, operation, message)),
            class,
            "{code} {message}"
        );
    }
    let command = Command::read(Tool::Aws, &["iam", "get-role"]);
    let lost = Answer {
        code: 255,
        stderr: "\nCould not connect to the endpoint URL: \"http://127.0.0.1:9/\"\n".into(),
        ..Answer::default()
    };
    assert_eq!(classify(&command, &lost), Unreachable);
    let usage = Answer { code: 2, stderr: "aws: error: argument".into(), ..Answer::default() };
    assert_eq!(classify(&command, &usage), Final);
}

#[test]
fn cluster_errors_by_text() {
    use Class::{Final, Settling, Success, Throttled, Transient, Unauthenticated, Unreachable};
    let table = [
        (
            Tool::Kubectl,
            Effect::Read,
            "error: You must be logged in to the server (Unauthorized)",
            Unauthenticated,
        ),
        (
            Tool::Helm,
            Effect::Read,
            "Error: query: failed to query with labels: Unauthorized",
            Unauthenticated,
        ),
        (
            Tool::Helm,
            Effect::Read,
            "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
            Unauthenticated,
        ),
        (
            Tool::Helm,
            Effect::Read,
            "Error: failed to fetch https://charts.example.com/index.yaml : 401 Unauthorized",
            Final,
        ),
        (
            Tool::Kubectl,
            Effect::Read,
            "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\ndial tcp 127.0.0.1:1: connect: connection refused",
            Unreachable,
        ),
        (
            Tool::Kubectl,
            Effect::Read,
            "Unable to connect to the server: dial tcp: lookup x: no such host",
            Unreachable,
        ),
        (
            Tool::Kubectl,
            Effect::Read,
            "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
            Transient,
        ),
        (
            Tool::Kubectl,
            Effect::Read,
            "Error from server (TooManyRequests): storage is (re)initializing",
            Throttled,
        ),
        (Tool::Kubectl, Effect::Read, "Error from server (NotFound): pods \"x\" not found", Final),
        (
            Tool::Kubectl,
            Effect::Write,
            "Error from server (InternalError): Internal error occurred: failed calling webhook \"v.x\": dial tcp 10.0.0.1:443: connect: connection refused",
            Settling,
        ),
        (
            Tool::Helm,
            Effect::Write,
            "Error: kubernetes cluster unreachable: the server has asked for the client to \
             provide credentials",
            Unauthenticated,
        ),
        (Tool::Helm, Effect::Write, "Error: UPGRADE FAILED: Unauthorized", Final),
        (
            Tool::Helm,
            Effect::Write,
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress",
            Final,
        ),
    ];
    for (tool, effect, stderr, class) in table {
        let command = match effect {
            Effect::Read => Command::read(tool, &["get"]),
            Effect::Write => Command::write(tool, &["apply"]),
        };
        let answer = Answer { code: 1, stderr: stderr.into(), ..Answer::default() };
        assert_eq!(classify(&command, &answer), class, "{stderr}");
    }
    let diff = Command::read(Tool::Kubectl, &["diff", "-f", "-"]);
    assert_eq!(classify(&diff, &Answer { code: 1, ..Answer::default() }), Success);
}

#[test]
fn a_write_is_repeated_only_where_nothing_happened() {
    let create = Command::write(Tool::Aws, &["iam", "create-role"]);
    let delete = Command::write(Tool::Aws, &["iam", "delete-role"]);
    let upgrade = Command::write(Tool::Helm, &["upgrade"]);
    let read = Command::read(Tool::Aws, &["iam", "get-role"]);
    for (class, command, repeats) in [
        (Class::Throttled, &create, true),
        (Class::Settling, &create, true),
        (Class::Busy, &create, true),
        (Class::Transient, &create, false),
        (Class::Unreachable, &create, false),
        (Class::DeleteConflict, &create, false),
        (Class::DeleteConflict, &delete, true),
        (Class::Unreachable, &upgrade, false),
        (Class::Missing, &read, false),
        (Class::Transient, &read, true),
        (Class::Unreachable, &read, true),
        (Class::Final, &read, false),
        (Class::Success, &read, false),
    ] {
        assert_eq!(patience(class, command, false).is_some(), repeats, "{class:?} {command}");
    }
    assert!(patience(Class::Missing, &create, true).is_some());
    assert!(patience(Class::Missing, &delete, true).is_none());
}

#[test]
fn pauses_are_bounded_and_repeatable() {
    let patience =
        patience(Class::Throttled, &Command::write(Tool::Aws, &["iam", "create-role"]), false)
            .unwrap();
    let pauses = |run: &str| {
        let mut jitter = Jitter::of_run(run);
        (1..100).map(|runs| jitter.pause(&patience, runs)).collect::<Vec<_>>()
    };
    assert_eq!(pauses("a"), pauses("a"));
    assert_ne!(pauses("a"), pauses("b"));
    assert!(pauses("a").iter().all(|pause| *pause <= patience.longest));
    assert!(pauses("a")[0] <= patience.first);
}
