//! What a failure that many people meet means, and what to do about it. Pure:
//! from an answer's text to a cause and a fix.

use crate::command::{Answer, ServiceError};

/// A failure in a person's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is the matter, as a sentence without a full stop.
    pub cause: String,
    /// What to do about it, likewise.
    pub fix: String,
}

/// Explains a failed answer, where it is a well-known one. The texts hold
/// names out of the answer: show them through the gateway.
pub fn explain(answer: &Answer) -> Option<Explanation> {
    if answer.succeeded() {
        return None;
    }
    let service = answer.service_error();
    if let Some(explanation) = service.as_ref().and_then(of_service) {
        return Some(explanation);
    }
    if service.is_some() {
        // What a service says is explained by its code alone.
        return None;
    }
    if let Some(cause) = of_name(&answer.stderr) {
        return Some(cause);
    }
    TEXTS
        .iter()
        .find(|known| known.0.iter().all(|text| answer.stderr.contains(text)))
        .map(|known| of(known.1, known.2))
}

fn of(cause: impl Into<String>, fix: impl Into<String>) -> Explanation {
    Explanation { cause: cause.into(), fix: fix.into() }
}

const LOG_IN: &str = "get new credentials (`aws sso login`, or new keys), then run the same \
                      command again; what is done stays done";

fn of_service(error: &ServiceError) -> Option<Explanation> {
    match error.code.as_str() {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            Some(of("the AWS credentials have expired", LOG_IN))
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "AuthFailure" => Some(of(
            "AWS does not know these credentials",
            "check the access key, and the session token that belongs to it; a region that the \
             account has not enabled says the same",
        )),
        "SignatureDoesNotMatch" => Some(of(
            "AWS rejects the signature: the secret key does not belong to the access key, or \
             this machine's clock is wrong",
            "check both",
        )),
        "InvalidSignatureException" | "RequestTimeTooSkewed" => Some(of(
            "AWS rejects the signature, most often because this machine's clock is wrong",
            "set the clock",
        )),
        "OptInRequired" => Some(of(
            "the account has not enabled this service or region",
            "enable it in the account, or use another region",
        )),
        "DeleteConflict" => Some(of(
            "something that no resource of this run removes still uses it",
            "see what: `aws iam list-entities-for-policy --policy-arn ARN` of a policy, `aws iam \
             list-instance-profiles-for-role --role-name NAME` and `list-attached-role-policies` \
             of a role; remove that, or declare it, and run again",
        )),
        "403" if error.operation == "HeadBucket" => Some(of(
            "the bucket is someone else's, or these credentials may not see it",
            "allow s3:ListBucket on it if it is yours; if not, choose another name: names of \
             buckets are the same for all accounts",
        )),
        code if code.starts_with("AccessDenied")
            || code == "UnauthorizedOperation"
            || code == "403" =>
        {
            let action = word_after(&error.message, "not authorized to perform: ")
                .map_or_else(|| format!("what {} needs", error.operation), |a| format!("`{a}`"));
            let who = word_after(&error.message, "User: ")
                .map_or_else(|| "these credentials".to_owned(), |user| format!("`{user}`"));
            let denied = if error.message.contains("explicit deny") {
                "a policy denies it outright (a service control policy, a permissions \
                 boundary, or a Deny statement): that policy has to change"
            } else {
                "allow that action in the policy of whoever runs lkh, or run with other \
                 credentials (--profile)"
            };
            Some(of(format!("{who} may not do {action}"), denied))
        }
        _ => None,
    }
}

/// The failures whose cause has a name in it: a profile, an address.
fn of_name(text: &str) -> Option<Explanation> {
    if let Some(profile) = between(text, "The config profile (", ")") {
        return Some(of(
            format!("the AWS profile `{profile}` is not in the configuration"),
            "`aws configure list-profiles` lists those that are; check --profile and AWS_PROFILE",
        ));
    }
    if let Some(url) = between(text, "Could not connect to the endpoint URL: \"", "\"") {
        return Some(of(
            format!("AWS can't be reached at {url}"),
            "check the network, the proxy (HTTPS_PROXY) and the region's name",
        ));
    }
    if !text.contains("connection refused") && !text.contains(" was refused") {
        return None;
    }
    let of_cluster = text.contains("The connection to the server ")
        || text.contains("ubernetes cluster unreachable");
    let server = if of_cluster { "the Kubernetes API" } else { "the server" };
    let address = word_after(text, "The connection to the server ")
        .or_else(|| word_after(text, "dial tcp "))
        .filter(|address| !address.contains("localhost:8080"))
        .map(|address| format!(" at {}", address.trim_end_matches(':')));
    let address = match address {
        None if text.contains("localhost:8080") => return None,
        found => found.unwrap_or_default(),
    };
    Some(of(
        format!("{server}{address} refuses connections"),
        "check that it runs and that a firewall, VPN or proxy lets it through",
    ))
}

/// The texts that must all be there, the cause, the fix. The first match counts.
type Known = (&'static [&'static str], &'static str, &'static str);

const TEXTS: &[Known] = &[
    (
        &["Unable to locate credentials"],
        "there are no AWS credentials",
        "log in (`aws sso login`), name a profile (--profile), or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY",
    ),
    (
        &["NoCredentialProviders"],
        "there are no AWS credentials",
        "log in (`aws sso login`), name a profile (--profile), or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY",
    ),
    (&["Error loading SSO Token"], "the AWS single sign-on session is missing", LOG_IN),
    (
        &["Error when retrieving token from sso"],
        "the AWS single sign-on session has expired",
        LOG_IN,
    ),
    (
        &["Token has expired and refresh failed"],
        "the AWS single sign-on session has expired",
        LOG_IN,
    ),
    (&["SSO session", "expired"], "the AWS single sign-on session has expired", LOG_IN),
    (
        &["Partial credentials found"],
        "only a part of the AWS credentials is set",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for temporary keys",
    ),
    (
        &["You must specify a region"],
        "no AWS region is set",
        "set the region in the Stack, or pass --region",
    ),
    (
        &["timeout on endpoint URL"],
        "AWS did not answer in time",
        "check the network and the proxy (HTTPS_PROXY), then run the same command again",
    ),
    (
        &["Failed to connect to proxy URL"],
        "the proxy can't be reached",
        "check HTTPS_PROXY and NO_PROXY",
    ),
    (
        &["SSL validation failed"],
        "the TLS certificate of AWS is not trusted",
        "where a proxy puts in its own certificate, name its authority in AWS_CA_BUNDLE",
    ),
    (
        &["x509: "],
        "the server's TLS certificate is not trusted",
        "where a proxy puts in its own certificate, name its authority in SSL_CERT_FILE; for the \
         cluster, check that it was not made anew under the same name",
    ),
    (
        &["MFA code"],
        "the AWS profile asks for a one-time code, and lkh can't ask for it",
        "get a session first (`aws sts get-session-token`, or any aws command with that \
         profile), then run the same command again",
    ),
    (
        &["Invalid choice"],
        "the AWS CLI does not know this operation",
        "it is too old: use the toolbox (--exec docker) or update it",
    ),
    (
        &["argument operation: Found invalid choice"],
        "the AWS CLI does not know this operation",
        "it is too old: use the toolbox (--exec docker) or update it",
    ),
    (
        &["Unknown options: "],
        "the AWS CLI does not know one of the options",
        "it is too old: use the toolbox (--exec docker) or update it",
    ),
    (
        &["unknown flag: "],
        "the tool does not know one of the flags",
        "it is too old or too new: use the toolbox (--exec docker) or another version",
    ),
    (
        &["unknown command "],
        "the tool does not know this command",
        "it is too old: use the toolbox (--exec docker) or update it",
    ),
    (
        &["You must be logged in to the server"],
        "the cluster does not accept these AWS credentials",
        "give their role an EKS access entry (a new one takes a minute to work), or run with \
         other credentials (--profile)",
    ),
    (
        &["asked for the client to provide credentials"],
        "the cluster does not accept these AWS credentials",
        "give their role an EKS access entry (a new one takes a minute to work), or run with \
         other credentials (--profile)",
    ),
    (
        &["failed to authorize", "403"],
        "the chart's registry refuses to hand it out",
        "check the registry login, and that the chart and its version exist",
    ),
    (
        &["403", "orbidden", "fetch"],
        "the chart's registry refuses to hand it out",
        "check the repository's address and login",
    ),
    (
        &["response status code 401"],
        "the registry does not accept the login",
        "check the user name and the password",
    ),
    (
        &["response status code 403"],
        "the chart's registry refuses to hand it out",
        "check the registry login, and that the chart and its version exist",
    ),
    (
        &["chart \"", "not found"],
        "the chart, or this version of it, is not in the repository",
        "check the chart's name, version and repository",
    ),
    (
        &["chart", "version", "not found"],
        "the chart, or this version of it, is not in the repository",
        "check the chart's name, version and repository",
    ),
    (
        &["oci://", "not found"],
        "the chart, or this version of it, is not in the registry",
        "check the chart's name and version",
    ),
    (
        &["is not a valid chart repository"],
        "the repository's address leads to no chart repository",
        "check the address: it is the one that index.yaml lies under",
    ),
    (
        &["another operation (install/upgrade/rollback) is in progress"],
        "the Helm release is locked by an operation that has not ended",
        "when no other Helm runs, plan again: lkh then repairs the release",
    ),
    (
        &["(Forbidden)"],
        "the cluster forbids this to these credentials",
        "widen the access policy or the groups of their EKS access entry",
    ),
    (
        &["no matches for kind"],
        "the cluster does not know this kind of object",
        "install what defines it (its CRDs) first",
    ),
    (
        &["ontext", "does not exist"],
        "the kubeconfig has no such context",
        "`kubectl config get-contexts` lists those it has; check --kube-context",
    ),
    (
        &["context was not found for specified context"],
        "the kubeconfig has no such context",
        "`kubectl config get-contexts` lists those it has; check --kube-context",
    ),
    (
        &["localhost:8080"],
        "no cluster is configured",
        "set `spec.kubernetes.cluster` in the Stack, or pass --kubeconfig",
    ),
    (
        &["no such host"],
        "the server's name can't be resolved",
        "check the network and DNS; a private cluster endpoint resolves only inside its VPC",
    ),
    (
        &["dial tcp"],
        "the server can't be reached",
        "check the network; a private cluster endpoint answers only inside its VPC, and a public \
         one only for its allowed addresses",
    ),
    (
        &["ubernetes cluster unreachable"],
        "the cluster can't be reached",
        "check the network; a private cluster endpoint answers only inside its VPC",
    ),
    (
        &["Unauthorized"],
        "the server does not accept the login",
        "for the cluster: give the AWS role an EKS access entry; for a registry: check the login",
    ),
];

/// What stands between two texts.
fn between<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// The word after a text, without punctuation at its end.
fn word_after<'a>(message: &'a str, text: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(text)?;
    let word = rest.split_whitespace().next()?;
    let word = word.trim_end_matches(['.', ',', ';']);
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(stderr: &str) -> Explanation {
        explain(&Answer { code: 1, stdout: String::new(), stderr: stderr.into() })
            .unwrap_or_else(|| panic!("not explained: {stderr}"))
    }

    #[test]
    fn denied_access_names_who_and_what() {
        let explanation = explained(
            "An error occurred (AccessDenied) when calling the CreateRole operation: User: \
             arn:aws:iam::123456789012:user/dev is not authorized to perform: iam:CreateRole on \
             resource: arn:aws:iam::123456789012:role/x because no identity-based policy allows \
             the iam:CreateRole action",
        );
        assert_eq!(
            explanation.cause,
            "`arn:aws:iam::123456789012:user/dev` may not do `iam:CreateRole`"
        );
        assert!(explanation.fix.contains("--profile"));
        let explanation = explained(
            "An error occurred (UnauthorizedOperation) when calling the CreateTags operation: \
             You are not authorized to perform this operation.",
        );
        assert_eq!(explanation.cause, "these credentials may not do what CreateTags needs");
    }

    #[test]
    fn well_known_failures_are_explained() {
        for (stderr, cause) in [
            (
                "\nUnable to locate credentials. You can configure credentials by running \"aws login\".",
                "no AWS credentials",
            ),
            (
                "An error occurred (ExpiredToken) when calling the GetRole operation: The security token included in the request is expired",
                "expired",
            ),
            ("Error loading SSO Token: Token for x does not exist", "single sign-on"),
            (
                "The SSO session associated with this profile has expired or is otherwise invalid.",
                "single sign-on",
            ),
            ("The config profile (nope) could not be found", "profile `nope`"),
            (
                "Could not connect to the endpoint URL: \"http://127.0.0.1:9/\"",
                "can't be reached at http://127.0.0.1:9/",
            ),
            (
                "The connection to the server 1.2.3.4:443 was refused - did you specify the right host or port?",
                "the Kubernetes API at 1.2.3.4:443 refuses",
            ),
            (
                "Error: Kubernetes cluster unreachable: Get \"http://1.2.3.4:443/version\": dial tcp 1.2.3.4:443: connect: connection refused",
                "the Kubernetes API at 1.2.3.4:443 refuses",
            ),
            (
                "Error: Get \"https://1.2.3.4/v2/\": dial tcp 1.2.3.4:443: connect: connection refused",
                "the server at 1.2.3.4:443 refuses",
            ),
            (
                "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
                "no cluster is configured",
            ),
            (
                "Error: Kubernetes cluster unreachable: Get \"https://x\": dial tcp: lookup x: no such host",
                "resolved",
            ),
            (
                "error: You must be logged in to the server (Unauthorized)",
                "does not accept these AWS",
            ),
            (
                "Error: INSTALLATION FAILED: chart \"karpenter\" version \"9\" not found in https://x repository",
                "not in the repository",
            ),
            (
                "Error: failed to authorize: failed to fetch anonymous token: 403 Forbidden",
                "refuses to hand",
            ),
            ("Error: unknown flag: --rollback-on-failure", "flag"),
            ("aws: error: argument operation: Invalid choice, valid choices are:", "operation"),
        ] {
            let explanation = explained(stderr);
            assert!(explanation.cause.contains(cause), "{stderr} -> {explanation:?}");
        }
    }

    #[test]
    fn the_rest_is_not() {
        assert_eq!(explain(&Answer::default()), None);
        let odd = Answer { code: 1, stdout: String::new(), stderr: "something else".into() };
        assert_eq!(explain(&odd), None);
    }
}
