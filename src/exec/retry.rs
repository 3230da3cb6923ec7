//! What an answer means for running the command again: pure classification by
//! error code *and* message, and how long each class is worth waiting for.
//!
//! A write is repeated only where the answer proves that nothing happened.
//! Everything else about a failed write is for the engine, which looks at what
//! is there. This module must not run, sleep or read a clock.

use std::time::Duration;

use crate::command::{Answer, Command, Effect, ServiceError, Tool};

/// What an answer means for running the same command again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It did what it was told.
    Success,
    /// Refused because of too many calls: nothing happened.
    Throttled,
    /// The service or the API server failed by itself; it may have acted.
    Transient,
    /// No connection, or a connection that broke; the service may have acted.
    Unreachable,
    /// Refused because something just made is not visible everywhere yet, such
    /// as a new role: nothing happened.
    Settling,
    /// Refused because another change is going on: nothing happened.
    Busy,
    /// The API server does not know the object's kind; it may a moment after its
    /// definition was made: nothing happened.
    Unserved,
    /// A delete was refused because something still hangs on the object.
    DeleteConflict,
    /// What the command is about does not exist, or not yet everywhere.
    Missing,
    /// What was to be made exists, though a read may not show it yet.
    Exists,
    /// The cluster did not accept the token.
    Unauthenticated,
    /// Running it again would change nothing.
    Final,
}

/// How long a class is worth waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The most runs of the command, the first one included.
    pub runs: u32,
    /// No new run begins after this time since the first one began.
    pub total: Duration,
    /// The upper bound of the first pause; it doubles with every run.
    pub first: Duration,
    /// The upper bound of every pause.
    pub longest: Duration,
}

const fn patience_of(runs: u32, total: u64, first_millis: u64, longest: u64) -> Patience {
    Patience {
        runs,
        total: Duration::from_secs(total),
        first: Duration::from_millis(first_millis),
        longest: Duration::from_secs(longest),
    }
}

/// How long to go on with a command that was answered with this class.
/// `after_create`: this run has just made something in the same service, so
/// that what is missing may only not be visible yet.
pub fn patience(class: Class, command: &Command, after_create: bool) -> Option<Patience> {
    match (class, command.effect) {
        (Class::Throttled, Effect::Read) => Some(patience_of(8, 60, 1_000, 15)),
        (Class::Throttled, Effect::Write) => Some(patience_of(12, 120, 1_000, 20)),
        (Class::Transient, Effect::Read) => Some(patience_of(4, 30, 500, 5)),
        // `aws` has tried for seconds itself; two quick runs more.
        (Class::Unreachable, Effect::Read) => Some(patience_of(3, 10, 300, 1)),
        (Class::Settling, Effect::Write) => Some(patience_of(u32::MAX, 120, 2_000, 8)),
        (Class::Busy, Effect::Write) => Some(patience_of(u32::MAX, 180, 1_000, 10)),
        (Class::Unserved, Effect::Write) => Some(patience_of(u32::MAX, 30, 500, 4)),
        (Class::DeleteConflict, Effect::Write) if is_delete(command) => {
            Some(patience_of(u32::MAX, 30, 2_000, 6))
        }
        (Class::Missing, Effect::Write) if after_create && !is_delete(command) => {
            Some(patience_of(u32::MAX, 30, 1_000, 5))
        }
        // With a new token, which the gateway gets: once.
        (Class::Unauthenticated, _) => Some(patience_of(2, 120, 0, 0)),
        (
            Class::Success
            | Class::Transient
            | Class::Unreachable
            | Class::Settling
            | Class::Busy
            | Class::Unserved
            | Class::DeleteConflict
            | Class::Missing
            | Class::Exists
            | Class::Final,
            _,
        ) => None,
    }
}

fn is_delete(command: &Command) -> bool {
    command.args.get(1).is_some_and(|operation| operation.starts_with("delete-"))
}

/// Whether a successful command made something new: what it made may not be
/// visible everywhere for a while.
pub fn is_create(command: &Command) -> bool {
    command.tool == Tool::Aws
        && command.effect == Effect::Write
        && command.args.get(1).is_some_and(|operation| operation.starts_with("create-"))
}

/// Classifies an answer.
pub fn classify(command: &Command, answer: &Answer) -> Class {
    // `kubectl diff` tells differences by its exit code.
    let differences = command.tool == Tool::Kubectl
        && command.args.first().is_some_and(|word| word == "diff")
        && answer.code == 1;
    if answer.succeeded() || differences {
        return Class::Success;
    }
    match command.tool {
        Tool::Aws => answer
            .service_error()
            .map_or_else(|| of_aws_client(&answer.stderr), |error| of_service(&error)),
        Tool::Helm | Tool::Kubectl => of_cluster(command.tool, command.effect, &answer.stderr),
        // What a script did before it failed, nobody knows.
        Tool::Bash => Class::Final,
    }
}

/// A service's error. Throttling and transient codes are those of botocore's
/// standard retry mode; the rest is what the services' models and the
/// providers of other tools know.
fn of_service(error: &ServiceError) -> Class {
    let message = error.message.to_ascii_lowercase();
    let says = |part: &str| message.contains(part);
    match error.code.as_str() {
        "Throttling" | "ThrottlingException" | "ThrottledException" | "RequestThrottled"
        | "RequestThrottledException" | "TooManyRequestsException" | "RequestLimitExceeded"
        | "BandwidthLimitExceeded" | "SlowDown" | "EC2ThrottledException"
        // Unlike `LimitExceeded`, which is IAM's quota.
        | "LimitExceededException" | "429" => Class::Throttled,
        "RequestTimeout" | "RequestTimeoutException" | "PriorRequestNotComplete"
        | "InternalError" | "InternalFailure" | "InternalServerError" | "InternalServerException"
        | "ServiceFailure" | "ServiceFailureException" | "ServerException"
        | "ServiceUnavailable" | "ServiceUnavailableException" | "Unavailable" | "500" | "502"
        | "503" | "504" => Class::Transient,
        "MalformedPolicyDocument" | "MalformedPolicyDocumentException" | "MalformedPolicy"
            if says("invalid principal in policy") =>
        {
            Class::Settling
        }
        "InvalidParameterException"
            if says("the specified principalarn is invalid: invalid principal")
                || says("role provided in the request does not exist")
                || (error.operation.ends_with("Addon")
                    && (says("does not exist") || says("create_failed")))
                // A role that was made a moment ago.
                || (matches!(error.operation.as_str(), "CreateCluster" | "CreateNodegroup")
                    && says("role")
                    && (says("does not exist")
                        || says("cannot be found")
                        || says("could not be assumed")
                        || says("error in role params"))) =>
        {
            Class::Settling
        }
        // Another update is going on, or what is to be made is there.
        "ResourceInUseException"
            if error.operation.starts_with("Update") || error.operation.starts_with("Associate") =>
        {
            Class::Busy
        }
        "ResourceInUseException"
            if error.operation.starts_with("Create") && says("already exists") =>
        {
            Class::Exists
        }
        "ResourceInUseException" if error.operation == "DeleteCluster" && says("attached") => {
            Class::DeleteConflict
        }
        "ConcurrentModification" | "ConcurrentModificationException"
        | "EntityTemporarilyUnmodifiable" | "ResourcePropagationDelayException"
        | "OperationAborted" | "ConditionalRequestConflict" => Class::Busy,
        "DeleteConflict" => Class::DeleteConflict,
        "EntityAlreadyExists" | "BucketAlreadyOwnedByYou" => Class::Exists,
        "AlreadyExistsException" if error.operation == "CreateStack" => Class::Exists,
        // The stack is as the command would make it.
        "ValidationError" if says("no updates are to be performed") => Class::Success,
        // How IAM says it of a service-linked role.
        "InvalidInput" if says("has been taken in this account") => Class::Exists,
        "NoSuchEntity" | "ResourceNotFoundException" | "NoSuchBucket" => Class::Missing,
        code if code.starts_with("Invalid") && code.ends_with(".NotFound") => Class::Missing,
        _ => Class::Final,
    }
}

/// What `aws` says when no service answered.
fn of_aws_client(stderr: &str) -> Class {
    const NO_CONNECTION: [&str; 7] = [
        "Could not connect to the endpoint URL",
        "Connect timeout on endpoint URL",
        "Read timeout on endpoint URL",
        "Connection was closed before we received a valid response",
        "Failed to connect to proxy URL",
        "Connection reset by peer",
        "Failed to establish a new connection",
    ];
    if NO_CONNECTION.iter().any(|text| stderr.contains(text)) {
        Class::Unreachable
    } else {
        Class::Final
    }
}

/// What `kubectl` and `helm` say.
fn of_cluster(tool: Tool, effect: Effect, stderr: &str) -> Class {
    let says_one = |texts: &[&str]| texts.iter().any(|text| stderr.contains(text));
    let login = says_one(&[
        "You must be logged in to the server",
        "asked for the client to provide credentials",
    ]);
    // A chart registry's 401 has nothing to do with the cluster's token.
    let unauthorized =
        stderr.contains("Unauthorized") && !says_one(&["401", "fetch", "registry", "oci://"]);
    // An admission webhook that does not answer refuses the object.
    let webhook = tool == Tool::Kubectl
        && effect == Effect::Write
        && stderr.contains("failed calling webhook")
        && says_one(&["connection refused", "no endpoints available", "context deadline exceeded"]);
    // Helm asks whether it reaches the cluster before it does anything; a
    // refusal after that may have come halfway through.
    let halfway =
        tool == Tool::Helm && effect == Effect::Write && !stderr.contains("luster unreachable");
    if (login || unauthorized) && !halfway {
        Class::Unauthenticated
    } else if webhook {
        Class::Settling
    } else if tool == Tool::Kubectl && stderr.contains("no matches for kind \"") {
        Class::Unserved
    } else if tool == Tool::Kubectl && stderr.contains("Error from server (AlreadyExists)") {
        Class::Exists
    } else if says_one(&["(TooManyRequests)", "toomanyrequests", "Too Many Requests"]) {
        Class::Throttled
    } else if says_one(&[
        "(ServiceUnavailable)",
        "(InternalError)",
        "(Timeout)",
        "(ServerTimeout)",
        "etcdserver: ",
        "Bad Gateway",
        "Service Unavailable",
        "Gateway Timeout",
    ]) {
        Class::Transient
    } else if says_one(&[
        "connection refused",
        "connection reset by peer",
        "no such host",
        "i/o timeout",
        "TLS handshake timeout",
        "network is unreachable",
        "unexpected EOF",
        "Unable to connect to the server",
        "http2: client connection lost",
    ]) {
        Class::Unreachable
    } else {
        Class::Final
    }
}

/// Pauses with full jitter: each is anywhere between nothing and a bound that
/// doubles. The numbers follow from the run's name, so a run can be repeated.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// The numbers of this run.
    pub fn of_run(run: &str) -> Self {
        // FNV-1a: every name gets its own row of numbers.
        Self(run.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// The pause after the command has run `runs` times.
    pub fn pause(&mut self, patience: &Patience, runs: u32) -> Duration {
        let doubled = 1_u32.checked_shl(runs.saturating_sub(1)).unwrap_or(u32::MAX);
        let bound = patience.first.saturating_mul(doubled).min(patience.longest);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.next() % millis.saturating_add(1))
    }

    // SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
