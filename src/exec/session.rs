//! What a run needs before its commands work: registry logins and a token for
//! the cluster. All of it goes into the run's private files, so it changes
//! nothing for anyone else and may happen in a plan. This module must not
//! decide what to run or to repeat.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Mutex;

use crate::command::{Command, Password, RegistryLogin, Tool};
use crate::value::Value;

use super::{ClusterAccess, ExecError};

/// A token is replaced when less than this many seconds of it are left.
pub(super) const MARGIN_SECONDS: i64 = 120;

/// The registry logins and the cluster access of a run.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The logins done. Held during a login: all of them write one file.
    pub(super) logins: Mutex<BTreeSet<(String, String)>>,
    /// The token that the private kubeconfig uses. Held while it is renewed.
    pub(super) token: Mutex<Option<Token>>,
}

/// A token that is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// The cluster that it is for.
    pub(super) access: ClusterAccess,
    /// When it ends, in seconds of Unix time.
    pub(super) expires: i64,
}

impl Token {
    /// The seconds until it should be replaced.
    pub(super) fn good_for(&self) -> u64 {
        let left = self.expires - Timestamp::now().as_second() - MARGIN_SECONDS;
        u64::try_from(left).unwrap_or(0)
    }
}

/// Whether a command talks to the cluster.
pub(super) fn needs_cluster(command: &Command) -> bool {
    let word = command.args.first().map_or("", String::as_str);
    let has = |flag: &str| {
        command.args.iter().any(|arg| {
            arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    };
    match command.tool {
        Tool::Aws => false,
        Tool::Bash => command.cluster,
        Tool::Helm => match word {
            "template" => {
                has("--validate") || command.args.iter().any(|arg| arg == "--dry-run=server")
            }
            "registry" | "show" | "version" | "pull" | "lint" | "repo" | "dependency" => false,
            _ => true,
        },
        Tool::Kubectl => match word {
            "version" => !has("--client"),
            "kustomize" | "config" => false,
            _ => true,
        },
    }
}

/// The command whose output is the token for a cluster.
pub(super) fn token_command(access: &ClusterAccess) -> Command {
    Command::read(Tool::Aws, &["eks", "get-token", "--output", "json"])
        .flag("--cluster-name", &access.name)
}

/// The token and when it ends, from the output of that command.
pub(super) fn parse_token(json: &serde_json::Value) -> Option<(String, i64)> {
    let status = json.get("status")?;
    let token = status.get("token")?.as_str()?;
    let expires: Timestamp = status.get("expirationTimestamp")?.as_str()?.parse().ok()?;
    Some((token.to_owned(), expires.as_second()))
}

/// A kubeconfig for the cluster, as JSON (which is YAML). The token is in a
/// file beside it, named relative to it.
pub(super) fn kubeconfig(access: &ClusterAccess, token_file: &str) -> String {
    let mut cluster = json!({ "server": access.endpoint });
    if !access.certificate_authority.is_empty() {
        cluster["certificate-authority-data"] = json!(access.certificate_authority);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": access.name, "cluster": cluster }],
        "users": [{ "name": "lkh", "user": { "tokenFile": token_file } }],
        "contexts": [{
            "name": access.name,
            "context": { "cluster": access.name, "user": "lkh" },
        }],
        "current-context": access.name,
    })
    .to_string()
}

/// The command whose output is a registry's password, where there is one.
pub(super) fn password_command(login: &RegistryLogin) -> Option<Command> {
    match login.password {
        Password::EcrPublic => Some(
            Command::read(Tool::Aws, &["ecr-public", "get-login-password"])
                .flag("--region", "us-east-1"),
        ),
        Password::Ecr => {
            let command = Command::read(Tool::Aws, &["ecr", "get-login-password"]);
            // ACCOUNT.dkr.ecr.REGION.amazonaws.com: the registry's region may
            // be another than the cluster's.
            let region =
                login.host.split_once(".dkr.ecr.").and_then(|(_, rest)| rest.split('.').next());
            Some(match region {
                Some(region) => command.flag("--region", region),
                None => command,
            })
        }
        Password::Given(_) => None,
    }
}

/// The login itself, with the password on standard input. By the meaning of
/// `Effect` it reads: it writes only the run's private registry configuration.
///
/// # Errors
/// `InputUnknown` while the password is not known.
pub(super) fn login_command(login: &RegistryLogin, password: &Value) -> Result<Command, ExecError> {
    if password.has_unknown() {
        return Err(ExecError::InputUnknown);
    }
    let mut command = Command::read(Tool::Helm, &["registry", "login"])
        .arg(&login.host)
        .flag("--username", &login.username)
        .arg("--password-stdin")
        .with_stdin(password.clone());
    if login.plain_http {
        command = command.arg("--plain-http");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_need_a_cluster() {
        for (tool, args, needs) in [
            (Tool::Helm, &["template", "x"][..], false),
            (Tool::Helm, &["template", "x", "--dry-run=server"], true),
            (Tool::Helm, &["status", "x"], true),
            (Tool::Helm, &["upgrade", "x"], true),
            (Tool::Helm, &["show", "chart", "x"], false),
            (Tool::Helm, &["registry", "login", "x"], false),
            (Tool::Kubectl, &["version", "--client=true"], false),
            (Tool::Kubectl, &["get", "ns"], true),
            (Tool::Aws, &["eks", "list-clusters"], false),
        ] {
            assert_eq!(needs_cluster(&Command::read(tool, args)), needs, "{tool:?} {args:?}");
        }
    }

    #[test]
    fn a_registry_in_another_region_is_asked_there() {
        let login = RegistryLogin {
            host: "123456789012.dkr.ecr.eu-central-1.amazonaws.com".into(),
            username: "AWS".into(),
            password: Password::Ecr,
            plain_http: true,
        };
        assert_eq!(
            password_command(&login).unwrap().to_string(),
            "aws ecr get-login-password --region eu-central-1"
        );
        let command = login_command(&login, &Value::from("canary")).unwrap();
        assert_eq!(
            command.to_string(),
            "helm registry login 123456789012.dkr.ecr.eu-central-1.amazonaws.com --username AWS \
             --password-stdin --plain-http"
        );
        assert_eq!(
            login_command(&login, &Value::Unknown("${x}".into())),
            Err(ExecError::InputUnknown)
        );
    }

    #[test]
    fn the_token_of_the_real_tool_is_read() {
        let json = json!({
            "kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1",
            "spec": {},
            "status": {"expirationTimestamp": "2030-01-01T00:14:00Z", "token": "k8s-aws-v1.abc"},
        });
        assert_eq!(parse_token(&json), Some(("k8s-aws-v1.abc".into(), 1_893_456_840)));
        assert_eq!(parse_token(&json!({"status": {"token": "x"}})), None);
    }
}
