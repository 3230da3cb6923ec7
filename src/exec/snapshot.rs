//! What reads have answered: the memory of one gateway, or of several that
//! look at the same things.
//!
//! Gateways that share a snapshot see one state of the world: a read that one
//! of them has run is answered from memory for the others, failures too. That
//! is right only where nothing but the command decides on the answer. What else
//! may decide is part of the key: the way to AWS, the cluster, and for whatever
//! looks into the folder of the manifests that folder. This module must not run
//! commands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::gateway::Outcome;
use super::session::needs_cluster;
use super::{ClusterAccess, Surroundings};
use crate::command::part::Parts;
use crate::command::{Answer, Command, Pick, Tool};

/// What came of a read, once somebody has run it.
#[derive(Default)]
pub(super) struct Remembered {
    outcome: OnceCell<Outcome>,
    parts: Parts,
}

impl Remembered {
    /// What came of it; runs it if nobody has.
    pub(super) async fn outcome(&self, run: impl Future<Output = Outcome>) -> &Outcome {
        self.outcome.get_or_init(|| run).await
    }

    /// A part of its answer.
    pub(super) fn part(&self, answer: &Answer, pick: &Pick) -> Answer {
        self.parts.part(answer, pick)
    }
}

/// What reads have answered. A clone is the same memory.
#[derive(Clone, Default)]
pub struct Snapshot(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    /// By command and viewpoint.
    answers: BTreeMap<String, Arc<Remembered>>,
    /// How many are read of what, as the first said who reads any.
    numbers: BTreeMap<&'static str, usize>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    /// The place of an answer.
    pub(super) fn of(&self, key: String) -> Arc<Remembered> {
        Arc::clone(self.memory().answers.entry(key).or_default())
    }

    /// How many are read of something: what was said first. By that it is decided
    /// which commands are asked, and only who asks the same sees the same.
    pub(super) fn number(&self, of: &'static str, here: usize) -> usize {
        *self.memory().numbers.entry(of).or_insert(here)
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        *self.memory() = Memory::default();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a gateway looks from: what decides on an answer besides the command.
#[derive(Debug, Clone)]
pub(super) struct Viewpoint {
    /// The way to AWS, and a kubeconfig of the user's.
    way: String,
    /// The folder of the manifests.
    folder: String,
}

impl Viewpoint {
    /// Where a gateway with these surroundings looks from. The environment is
    /// the process's, so it is the same for all.
    pub(super) fn of(surroundings: &Surroundings) -> Self {
        let Surroundings {
            environment: _,
            profile,
            region,
            kubeconfig,
            kube_context,
            // Which build of a tool asks changes nothing of what is there.
            image: _,
            manifests,
            run: _,
        } = surroundings;
        Self {
            way: format!("{profile:?} {region:?} {kubeconfig:?} {kube_context:?}"),
            folder: manifests.display().to_string(),
        }
    }

    /// What an answer to a command is kept under.
    pub(super) fn key(&self, command: &Command, cluster: Option<&ClusterAccess>) -> String {
        let mut key = command.key();
        for part in [
            Some(self.way.as_str()),
            cluster.filter(|_| needs_cluster(command)).map(|cluster| cluster.endpoint.as_str()),
            Some(self.folder.as_str()).filter(|_| looks_into_folder(command)),
        ] {
            key.push_str(" @ ");
            key.push_str(part.unwrap_or_default());
        }
        key
    }
}

/// Whether files beside the manifests may decide on the answer: a script may
/// use any of them, and a chart that is pulled from nowhere lies there.
fn looks_into_folder(command: &Command) -> bool {
    let word = command.args.first().map_or("", String::as_str);
    match command.tool {
        Tool::Bash => true,
        Tool::Helm if matches!(word, "template" | "show") => {
            !command.args.iter().any(|arg| arg.starts_with("oci://") || arg == "--repo")
        }
        Tool::Helm | Tool::Kubectl | Tool::Aws => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(folder: &str) -> Viewpoint {
        Viewpoint::of(&Surroundings { manifests: folder.into(), ..Surroundings::default() })
    }

    #[test]
    fn only_what_looks_into_the_folder_is_kept_by_folder() {
        let role = Command::read(Tool::Aws, &["iam", "get-role"]).flag("--role-name", "x");
        let chart = |chart: &str| Command::read(Tool::Helm, &["template", "x", chart]);
        let published =
            Command::read(Tool::Helm, &["template", "x", "y"]).flag("--repo", "https://z");
        let script = Command::read(Tool::Bash, &["-c", "true"]);
        for (command, same) in [
            (role, true),
            (chart("oci://registry/x"), true),
            (published, true),
            (Command::read(Tool::Helm, &["status", "x"]), true),
            (chart("./charts/x"), false),
            (chart("charts/x"), false),
            (Command::read(Tool::Helm, &["show", "chart", "charts/x"]), false),
            (script, false),
        ] {
            let keys = [from("/base"), from("/head")].map(|view| view.key(&command, None));
            assert_eq!(keys[0] == keys[1], same, "{command}");
        }
    }

    #[test]
    fn other_ways_and_clusters_are_other_answers() {
        let access = |name: &str| ClusterAccess {
            name: name.into(),
            endpoint: format!("https://{name}"),
            certificate_authority: String::new(),
        };
        let pods = Command::read(Tool::Kubectl, &["get", "pods"]);
        let role = Command::read(Tool::Aws, &["iam", "get-role"]);
        let view = from("/base");
        let (one, other) = (access("one"), access("other"));
        assert_ne!(view.key(&pods, Some(&one)), view.key(&pods, Some(&other)));
        assert_eq!(view.key(&role, Some(&one)), view.key(&role, Some(&other)));
        let elsewhere =
            Viewpoint::of(&Surroundings { region: "eu-west-1".into(), ..Surroundings::default() });
        assert_ne!(view.key(&role, None), elsewhere.key(&role, None));
    }
}
