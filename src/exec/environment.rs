//! The environment and the leading arguments that the tools get: explicit,
//! private to the run, the same for every way to run a command. This module
//! must not read the process's own environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::{Command, Effect, Tool};

use super::{ExecError, PrivateFile, Surroundings};

/// How often `aws` itself tries a read. A write is tried once: only then does
/// a refusal (such as throttling) prove that nothing happened.
const READ_ATTEMPTS: &str = "3";

/// Makes the paths absolute: the tools run in another directory.
pub(super) fn make_absolute(surroundings: &mut Surroundings) -> std::io::Result<()> {
    surroundings.manifests = fs::canonicalize(match surroundings.manifests.as_os_str() {
        none if none.is_empty() => Path::new("."),
        some => Path::new(some),
    })?;
    if let Some(kubeconfig) = &mut surroundings.kubeconfig {
        *kubeconfig = std::path::absolute(&*kubeconfig)?;
    }
    Ok(())
}

/// The program's file, by the PATH of the surroundings; its relative entries
/// do not count.
pub(super) fn find(surroundings: &Surroundings, program: &str) -> Option<PathBuf> {
    value(surroundings, "PATH")?
        .split(':')
        .map(Path::new)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
}

/// The value of a variable of the user's.
pub(super) fn value<'a>(surroundings: &'a Surroundings, name: &str) -> Option<&'a str> {
    surroundings
        .environment
        .iter()
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.as_str())
}

/// Whether a variable of the user's may reach a tool. What would lead `helm`
/// or `kubectl` to files, clusters or logins of the user's does not, and the
/// Docker client's settings are for the Docker client.
pub(super) fn may_pass(name: &str) -> bool {
    !["HELM_", "KUBE", "DOCKER_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The variables that `lkh` sets itself, over whatever the user has. `folder`
/// is the run's private folder as the tool sees it; none of them is secret.
pub(super) fn fixed(
    surroundings: &Surroundings,
    folder: &str,
    effect: Effect,
) -> BTreeMap<String, String> {
    let attempts = match effect {
        Effect::Read => READ_ATTEMPTS,
        Effect::Write => "1",
    };
    let kubeconfig = surroundings.kubeconfig.as_ref().map_or_else(
        || format!("{folder}/{}", PrivateFile::Kubeconfig.name()),
        |path| path.to_string_lossy().into_owned(),
    );
    let mut variables: BTreeMap<String, String> = [
        ("AWS_REGION", surroundings.region.clone()),
        // Version 1 of the AWS CLI reads only this one.
        ("AWS_DEFAULT_REGION", surroundings.region.clone()),
        ("AWS_PAGER", String::new()),
        ("AWS_DEFAULT_OUTPUT", "json".to_owned()),
        ("AWS_RETRY_MODE", "standard".to_owned()),
        ("AWS_MAX_ATTEMPTS", attempts.to_owned()),
        ("AWS_CLI_AUTO_PROMPT", "off".to_owned()),
        // Error texts are matched: no translations, and one encoding.
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("KUBECONFIG", kubeconfig),
        ("KUBECACHEDIR", format!("{folder}/kube-cache")),
        ("KUBECTL_KUBERC", "false".to_owned()),
        ("HELM_REGISTRY_CONFIG", format!("{folder}/helm/registry.json")),
        ("HELM_REPOSITORY_CONFIG", format!("{folder}/helm/repositories.yaml")),
        ("HELM_REPOSITORY_CACHE", format!("{folder}/helm/repository")),
        ("HELM_CACHE_HOME", format!("{folder}/helm/cache")),
        ("HELM_CONFIG_HOME", format!("{folder}/helm/config")),
        ("HELM_DATA_HOME", format!("{folder}/helm/data")),
        // Helm falls back to Docker's logins; an outdated one there turns an
        // anonymous pull into a refused one.
        ("DOCKER_CONFIG", format!("{folder}/docker")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if let Some(profile) = &surroundings.profile {
        variables.insert("AWS_PROFILE".to_owned(), profile.clone());
    } else if surroundings.environment.iter().any(|(name, _)| name == "AWS_ACCESS_KEY_ID") {
        // With static credentials the instance metadata has nothing to add,
        // and asking where there is none costs seconds.
        variables.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
    }
    variables
}

/// The arguments of a command, with what the surroundings ask of its tool put
/// in front. They are the same for every command of a run, so plans and
/// evidence leave them out.
pub(super) fn arguments(command: &Command, surroundings: &Surroundings) -> Vec<String> {
    let front = match command.tool {
        // AWS_PROFILE alone would lose against access keys in the environment.
        Tool::Aws => surroundings.profile.as_ref().map(|name| format!("--profile={name}")),
        Tool::Helm => context(surroundings).map(|name| format!("--kube-context={name}")),
        Tool::Kubectl => context(surroundings).map(|name| format!("--context={name}")),
        Tool::Bash => None,
    };
    front.into_iter().chain(command.args.iter().cloned()).collect()
}

/// Refuses a script that would reach another cluster than the other tools: a
/// context can't be handed down by a variable.
///
/// # Errors
/// `Script`.
pub(super) fn check_script(
    command: &Command,
    surroundings: &Surroundings,
) -> Result<(), ExecError> {
    if command.tool == Tool::Bash
        && command.cluster
        && let Some(name) = context(surroundings)
    {
        let why = format!(
            "a script that uses the cluster can't be told of --kube-context {name}; make it the \
             current context of the kubeconfig and leave the option out"
        );
        return Err(ExecError::Script { why });
    }
    Ok(())
}

/// Whether a variable of the user's may reach a script: where a profile was
/// chosen, access keys would win over it (the other tools get it as an
/// argument).
pub(super) fn may_reach(command: &Command, surroundings: &Surroundings, name: &str) -> bool {
    const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    may_pass(name)
        && !(command.tool == Tool::Bash && surroundings.profile.is_some() && KEYS.contains(&name))
}

/// The context, which has a meaning only in a kubeconfig of the user's.
fn context(surroundings: &Surroundings) -> Option<&String> {
    surroundings.kubeconfig.as_ref().and(surroundings.kube_context.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_and_profile_go_in_front_of_the_arguments() {
        let surroundings = Surroundings {
            profile: Some("-odd".into()),
            kubeconfig: Some("/k".into()),
            kube_context: Some("c".into()),
            ..Surroundings::default()
        };
        let of = |tool| arguments(&Command::read(tool, &["get", "x"]), &surroundings);
        assert_eq!(of(Tool::Aws), ["--profile=-odd", "get", "x"]);
        assert_eq!(of(Tool::Helm), ["--kube-context=c", "get", "x"]);
        assert_eq!(of(Tool::Kubectl), ["--context=c", "get", "x"]);
        let own = Surroundings { kubeconfig: None, profile: None, ..surroundings };
        assert_eq!(arguments(&Command::read(Tool::Kubectl, &["get"]), &own), ["get"]);
    }

    #[test]
    fn a_write_is_tried_once_by_the_tool_itself() {
        let surroundings = Surroundings { region: "eu-west-1".into(), ..Surroundings::default() };
        let read = fixed(&surroundings, "/run/x", Effect::Read);
        let write = fixed(&surroundings, "/run/x", Effect::Write);
        assert_eq!(read["AWS_MAX_ATTEMPTS"], "3");
        assert_eq!(write["AWS_MAX_ATTEMPTS"], "1");
        assert_eq!(read["AWS_DEFAULT_REGION"], "eu-west-1");
        assert_eq!(read["KUBECONFIG"], "/run/x/kubeconfig");
        assert!(!read.contains_key("AWS_PROFILE"));
    }

    #[test]
    fn nothing_leads_to_the_users_own_cluster_or_logins() {
        for name in ["HELM_NAMESPACE", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "DOCKER_HOST"] {
            assert!(!may_pass(name), "{name}");
        }
        assert!(may_pass("AWS_PROFILE") && may_pass("HTTPS_PROXY") && may_pass("PATH"));
    }
}
