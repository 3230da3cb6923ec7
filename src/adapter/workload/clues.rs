//! What else there is to read where workloads do not do their work: the nodes,
//! volumes, events, node groups and node pools around them.
//!
//! A clue is asked for only where what is known already calls for it, so what
//! is ready costs no read. A clue that can't be had (no right to read it, a
//! kind that the cluster does not know, a list that is cut off) tells nothing,
//! and the chain of causes ends before it. This module names commands and reads
//! their answers; it must not say what they mean.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::super::{Questions, is_cut_off};
use super::pods::{belongs, text};
use super::rollout::rollout;
use super::{capacity, events, identity, volumes};
use crate::command::{Answer, Command, Tool};

/// Something to read that may tell why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clue {
    /// The cluster's nodes.
    Nodes,
    /// Karpenter's rules for nodes.
    NodePools,
    /// How Karpenter's nodes are made.
    NodeClasses,
    /// The nodes that Karpenter has asked for.
    NodeClaims,
    /// The volume claims of a namespace.
    Claims(String),
    /// The classes of volumes.
    StorageClasses,
    /// The drivers that make volumes.
    Drivers,
    /// The warnings about objects of a namespace.
    Warnings(String),
    /// A namespace itself.
    Namespace(String),
    /// The deployments that run the AWS load balancer controller.
    LoadBalancerController,
    /// The names of the cluster's node groups.
    NodeGroups,
    /// One node group.
    NodeGroup(String),
    /// The principals that may enter the cluster.
    AccessEntries,
    /// The names of the cluster's add-ons.
    AddOns,
    /// The pod identity associations of a service account.
    Associations {
        /// Its namespace.
        namespace: String,
        /// Its name.
        account: String,
    },
}

impl Clue {
    /// The command that reads it; `None` where the cluster's name, which AWS
    /// knows it by, is not known.
    fn command(&self, cluster: &str) -> Option<Command> {
        let kubectl = |kind: &str| Command::read(Tool::Kubectl, &["get", kind]);
        let eks = |operation: &str| {
            (!cluster.is_empty()).then(|| {
                Command::read(Tool::Aws, &["eks", operation]).flag("--cluster-name", cluster)
            })
        };
        let command = match self {
            Self::Nodes => kubectl("nodes"),
            Self::NodePools => kubectl("nodepools.karpenter.sh"),
            Self::NodeClasses => kubectl("ec2nodeclasses.karpenter.k8s.aws"),
            Self::NodeClaims => kubectl("nodeclaims.karpenter.sh"),
            Self::Claims(namespace) => kubectl("persistentvolumeclaims").flag("-n", namespace),
            Self::StorageClasses => kubectl("storageclasses"),
            Self::Drivers => kubectl("csidrivers"),
            Self::Warnings(namespace) => {
                kubectl("events").flag("-n", namespace).flag("--field-selector", "type=Warning")
            }
            Self::Namespace(name) => kubectl("namespace").arg(name).arg("--ignore-not-found"),
            Self::LoadBalancerController => kubectl("deployments")
                .arg("-A")
                .flag("-l", "app.kubernetes.io/name=aws-load-balancer-controller"),
            Self::NodeGroups => return eks("list-nodegroups"),
            Self::NodeGroup(name) => {
                return Some(eks("describe-nodegroup")?.flag("--nodegroup-name", name));
            }
            Self::AccessEntries => return eks("list-access-entries"),
            Self::AddOns => return eks("list-addons"),
            Self::Associations { namespace, account } => {
                return Some(
                    eks("list-pod-identity-associations")?
                        .flag("--namespace", namespace)
                        .flag("--service-account", account),
                );
            }
        };
        Some(command.flag("-o", "json"))
    }
}

/// What was read around workloads.
#[derive(Debug, Clone, Default)]
pub struct Clues {
    cluster: String,
    /// `None`: it was asked for and tells nothing.
    known: BTreeMap<Clue, Option<Json>>,
}

impl Clues {
    /// Asks for what may tell why objects are not done; `None` while answers
    /// are missing. `cluster` is the name that AWS knows the cluster by, empty
    /// where that is not known. Where all are done nothing is asked.
    pub fn gather(
        questions: &mut Questions<'_>,
        cluster: &str,
        objects: &[Json],
        pods: &[Json],
    ) -> Option<Self> {
        let mut clues = Self { cluster: cluster.to_owned(), known: BTreeMap::new() };
        loop {
            let wanted: Vec<Clue> = clues
                .wanted(objects, pods)
                .into_iter()
                .filter(|clue| !clues.known.contains_key(clue))
                .collect();
            if wanted.is_empty() {
                return Some(clues);
            }
            let mut waiting = false;
            for clue in wanted {
                let Some(command) = clue.command(cluster) else {
                    clues.known.insert(clue, None);
                    continue;
                };
                match questions.ask(command) {
                    Some(answer) => drop(clues.known.insert(clue, told(answer))),
                    None => waiting = true,
                }
            }
            if waiting {
                return None;
            }
        }
    }

    /// What there is to ask for, by what is known so far.
    fn wanted(&self, objects: &[Json], pods: &[Json]) -> BTreeSet<Clue> {
        let mut wanted = BTreeSet::new();
        for object in objects {
            let Some(rollout) = rollout(object).filter(|rollout| !rollout.done) else { continue };
            let own: Vec<&Json> = if object["kind"] == "Pod" {
                vec![object]
            } else {
                pods.iter().filter(|pod| belongs(object, pod)).collect()
            };
            for pod in &own {
                capacity::wanted(pod, self, &mut wanted);
                volumes::wanted(pod, &mut wanted);
                identity::wanted(pod, self, &mut wanted);
                events::wanted_of_pod(pod, &mut wanted);
            }
            events::wanted(object, &rollout, own.is_empty(), &mut wanted);
        }
        wanted
    }

    /// Of fixed answers, for tests.
    #[cfg(test)]
    pub(super) fn of(cluster: &str, known: impl IntoIterator<Item = (Clue, Json)>) -> Self {
        Self {
            cluster: cluster.to_owned(),
            known: known.into_iter().map(|(clue, json)| (clue, Some(json))).collect(),
        }
    }

    /// The name that AWS knows the cluster by; may be empty.
    pub(super) fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What a clue told.
    pub(super) fn get(&self, clue: &Clue) -> Option<&Json> {
        self.known.get(clue)?.as_ref()
    }

    /// The objects that a clue told; `None`: it told nothing.
    pub(super) fn items(&self, clue: &Clue) -> Option<&[Json]> {
        self.get(clue)?["items"].as_array().map(Vec::as_slice)
    }

    /// The texts of a list that AWS answered.
    pub(super) fn texts(&self, clue: &Clue, list: &str) -> Option<Vec<&str>> {
        Some(self.get(clue)?[list].as_array()?.iter().filter_map(Json::as_str).collect())
    }

    /// The warnings about an object, the last one first.
    pub(super) fn warnings(&self, object: &Json) -> Vec<&Json> {
        let (kind, meta) = (&object["kind"], &object["metadata"]);
        let namespace = text(&meta["namespace"]).to_owned();
        let mut found: Vec<&Json> = self
            .items(&Clue::Warnings(namespace))
            .unwrap_or_default()
            .iter()
            .filter(|event| {
                let about = &event["involvedObject"];
                about["kind"] == *kind
                    && about["name"] == meta["name"]
                    && (meta["uid"].is_null() || about["uid"] == meta["uid"])
            })
            .collect();
        found.sort_by_key(|event| std::cmp::Reverse(last_seen(event).to_owned()));
        found
    }
}

/// When an event was last seen, as a text that sorts by time.
fn last_seen(event: &Json) -> &str {
    let places = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
    places.iter().find_map(|place| event.pointer(place)?.as_str()).unwrap_or("")
}

/// What an answer tells; `None`: nothing.
fn told(answer: &Answer) -> Option<Json> {
    if answer.stderr.contains("the server doesn't have a resource type") {
        // There can't be one where nobody knows what it is.
        return Some(json!({"items": [], "noKind": true}));
    }
    if !answer.succeeded() {
        return None;
    }
    if answer.stdout.trim().is_empty() {
        // What `--ignore-not-found` says of what does not exist.
        return Some(Json::Null);
    }
    answer.json().ok().filter(|json| !is_cut_off(json))
}
