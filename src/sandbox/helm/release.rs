//! Releases and their history, as the world keeps them.
//!
//! One revision is two entries: what lists and histories need, and the objects
//! with the values they were rendered from, so that a list of many releases
//! stays cheap. This module must not know the cluster or any command.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sandbox::charts::{Metadata, Rendered};
use crate::sandbox::world::World;

/// What state a revision is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is what the cluster has.
    Deployed,
    /// It did not get that far.
    Failed,
    /// A first install is under way, or was interrupted.
    PendingInstall,
    /// An upgrade is under way, or was interrupted.
    PendingUpgrade,
    /// A rollback is under way, or was interrupted.
    PendingRollback,
    /// A later revision was deployed.
    Superseded,
    /// An uninstall is under way, or was interrupted.
    Uninstalling,
    /// It is gone, and its history was kept.
    Uninstalled,
}

impl Status {
    /// The word that every output uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Superseded => "superseded",
            Self::Uninstalling => "uninstalling",
            Self::Uninstalled => "uninstalled",
        }
    }

    /// Whether an operation is under way, or was interrupted.
    pub fn is_pending(self) -> bool {
        match self {
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback => true,
            Self::Deployed
            | Self::Failed
            | Self::Superseded
            | Self::Uninstalling
            | Self::Uninstalled => false,
        }
    }
}

/// One revision of a release, without its objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Its name.
    pub name: String,
    /// The namespace that it is installed in and found by.
    pub namespace: String,
    /// Its revision, from 1.
    pub revision: u64,
    /// The chart it was rendered from.
    pub chart: Metadata,
    /// When revision 1 was installed.
    pub first_deployed: Timestamp,
    /// When this revision was started.
    pub last_deployed: Timestamp,
    /// When it was uninstalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// What became of it, in a sentence or a failure's words.
    pub description: String,
    /// Its state.
    pub status: Status,
    /// Labels given by the user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When the record was first written, in Unix seconds; until it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// When the record was first changed. A later revision inherits it, as
    /// `helm` copies the labels of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<i64>,
    /// `ssa` for server-side apply, `csa` for client-side.
    pub apply_method: String,
}

/// What a revision consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The values that the user gave; null where there were none.
    pub config: Value,
    /// The values that the chart was rendered with.
    pub values: Value,
    /// The objects, in the order in which they are installed.
    pub objects: Vec<Rendered>,
}

impl Release {
    fn key(&self) -> String {
        key(RELEASES, &self.namespace, &self.name, self.revision)
    }

    /// `CHART-VERSION`.
    pub fn chart_label(&self) -> String {
        format!("{}-{}", self.chart.name, self.chart.version)
    }

    /// Its objects and values.
    pub fn content(&self, world: &World) -> Content {
        world
            .get(&key(CONTENTS, &self.namespace, &self.name, self.revision))
            .and_then(|content| Content::deserialize(content).ok())
            .unwrap_or(Content { config: Value::Null, values: Value::Null, objects: Vec::new() })
    }

    /// Writes a new revision.
    pub fn create(&mut self, content: &Content, world: &mut World) {
        self.created_at.get_or_insert(world.now().as_second());
        let content_key = key(CONTENTS, &self.namespace, &self.name, self.revision);
        world.put(content_key, serde_json::to_value(content).unwrap_or_default());
        world.put(self.key(), serde_json::to_value(&*self).unwrap_or_default());
    }

    /// Writes what changed in a revision.
    pub fn update(&mut self, world: &mut World) {
        self.created_at = None;
        self.modified_at.get_or_insert(world.now().as_second());
        world.put(self.key(), serde_json::to_value(&*self).unwrap_or_default());
    }

    /// Writes what became of a revision.
    pub fn end(&mut self, status: Status, description: impl Into<String>, world: &mut World) {
        self.status = status;
        self.description = description.into();
        self.update(world);
    }

    /// Removes a revision.
    pub fn purge(&self, world: &mut World) {
        world.remove(&self.key());
        world.remove(&key(CONTENTS, &self.namespace, &self.name, self.revision));
    }
}

const RELEASES: &str = "helm/release";
const CONTENTS: &str = "helm/content";

fn key(kind: &str, namespace: &str, name: &str, revision: u64) -> String {
    // Revisions of equal length sort as numbers.
    format!("{kind}/{namespace}/{name}/{revision:010}")
}

/// Removes every release: they go with their cluster.
pub fn erase(world: &mut World) {
    for kind in [RELEASES, CONTENTS] {
        let keys: Vec<String> =
            world.scan(&format!("{kind}/")).map(|(key, _)| key.to_owned()).collect();
        for key in keys {
            world.remove(&key);
        }
    }
}

/// All revisions of a release, oldest first.
pub fn history(world: &World, namespace: &str, name: &str) -> Vec<Release> {
    read(world, &format!("{RELEASES}/{namespace}/{name}/"))
}

/// The newest revision of a release.
pub fn last(world: &World, namespace: &str, name: &str) -> Option<Release> {
    history(world, namespace, name).pop()
}

/// The newest revision that is deployed.
pub fn deployed(world: &World, namespace: &str, name: &str) -> Option<Release> {
    history(world, namespace, name).into_iter().rfind(|release| release.status == Status::Deployed)
}

/// All revisions of all releases of a namespace, or of all namespaces.
pub fn all(world: &World, namespace: Option<&str>) -> Vec<Release> {
    match namespace {
        Some(namespace) => read(world, &format!("{RELEASES}/{namespace}/")),
        None => read(world, &format!("{RELEASES}/")),
    }
}

fn read(world: &World, prefix: &str) -> Vec<Release> {
    world.scan(prefix).filter_map(|(_, release)| Release::deserialize(release).ok()).collect()
}

/// Makes room for one more revision: at most `max` may be left after it; 0 is
/// no limit. The deployed revision stays.
pub fn make_room(world: &mut World, namespace: &str, name: &str, max: u64) {
    if max == 0 {
        return;
    }
    let revisions = history(world, namespace, name);
    let deployed = revisions
        .iter()
        .rfind(|release| release.status == Status::Deployed)
        .map(|release| release.revision);
    let keep = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(1);
    let excess = revisions.len().saturating_sub(keep);
    for release in
        revisions.iter().filter(|release| Some(release.revision) != deployed).take(excess)
    {
        release.purge(world);
    }
}
