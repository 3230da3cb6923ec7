//! The objects of a release: as its manifest holds them, and as they are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::manifest;
use crate::adapter::workload::{self, Clues, Obstacle};
use crate::adapter::{Blocker, Questions};
use crate::diff::kubernetes::{Scopes, normal};
use crate::value::{Map, Value};

/// The annotation of objects that an uninstall leaves where they are.
const POLICY: &str = "helm.sh/resource-policy";

/// The objects of a release.
#[derive(Debug, Default)]
pub struct Objects {
    namespace: String,
    scopes: Scopes,
    /// The manifest's objects, in its order.
    declared: Vec<Json>,
    /// Those that exist.
    live: Vec<Json>,
    /// Pods that may belong to them.
    pods: Vec<Json>,
    /// What was read around them.
    clues: Clues,
}

impl Objects {
    /// Takes them out of an answer of `helm status`.
    ///
    /// # Errors
    /// When the manifest can't be read.
    pub fn of_status(status: &Json, namespace: &str) -> Result<Self, String> {
        let text = status["manifest"].as_str().unwrap_or("");
        let declared = manifest::objects(text)
            .map_err(|error| format!("the release's manifest can't be read: {error}"))?;
        let mut objects = Self { namespace: namespace.to_owned(), declared, ..Self::default() };
        // Helm 4 names its groups by version and kind; the pods that belong to
        // a workload are in a group of their own, as lists.
        for (group, members) in status["info"]["resources"].as_object().into_iter().flatten() {
            for member in members.as_array().into_iter().flatten() {
                if group.ends_with("(related)") {
                    objects.add_pods(member);
                } else {
                    objects.add_live(member);
                }
            }
        }
        Ok(objects)
    }

    /// Adds what `kubectl get` printed: a list, one object, or nothing.
    pub fn add_live(&mut self, printed: &Json) {
        if let Some(items) = printed["items"].as_array() {
            for item in items {
                self.add_live(item);
            }
        } else if printed["kind"].is_string() {
            self.scopes.observe(printed);
            self.live.push(printed.clone());
        }
    }

    /// Adds a list of pods.
    pub fn add_pods(&mut self, list: &Json) {
        match list["items"].as_array() {
            Some(items) => self.pods.extend(items.iter().cloned()),
            None => self.pods.push(list.clone()),
        }
    }

    /// The declared objects of which there is no sign. Helm leaves out of its
    /// answer what it could not read as much as what does not exist.
    pub fn missing(&self) -> Vec<&Json> {
        let live: BTreeSet<String> = self.live.iter().filter_map(|o| self.key(o)).collect();
        let is_missing = |o: &&Json| self.key(o).is_some_and(|key| !live.contains(&key));
        self.declared.iter().filter(is_missing).collect()
    }

    fn key(&self, object: &Json) -> Option<String> {
        normal(object, &self.namespace, &self.scopes).map(|(key, _)| key)
    }

    /// Workloads that are not done and of whose pods none is known:
    /// namespace and selector.
    pub fn wanted_pods(&self) -> Vec<(String, String)> {
        let found = self.live.iter().filter(|o| !workload::has_pods(o, &self.pods));
        found.filter_map(workload::wanted_pods).collect()
    }

    /// Asks for what may tell why workloads are not done, in the cluster of
    /// that name; false while answers are missing.
    pub fn gather(&mut self, questions: &mut Questions<'_>, cluster: &str) -> bool {
        let clues = Clues::gather(questions, cluster, &self.live, &self.pods);
        clues.map(|clues| self.clues = clues).is_some()
    }

    /// The tree of the declared objects.
    pub fn declared_tree(&self) -> Map {
        self.tree(&self.declared)
    }

    /// The tree of the objects that exist.
    pub fn live_tree(&self) -> Map {
        self.tree(&self.live)
    }

    /// A tree of objects, under the same keys as these.
    pub fn tree(&self, objects: &[Json]) -> Map {
        let named = |o: &Json| normal(o, &self.namespace, &self.scopes);
        objects.iter().filter_map(named).collect()
    }

    /// The claims that an uninstall would delete.
    pub fn volume_claims(&self) -> Vec<Value> {
        self.live
            .iter()
            .filter(|o| o["kind"] == "PersistentVolumeClaim")
            .filter(|o| o["metadata"]["annotations"][POLICY] != "keep")
            .filter_map(|o| o["metadata"]["name"].as_str().map(Value::from))
            .collect()
    }

    /// The node pools of Karpenter that the release declares.
    pub fn node_pools(&self) -> Vec<Value> {
        let pools = self.declared.iter().filter(|one| one["kind"] == "NodePool");
        pools.filter_map(|one| one["metadata"]["name"].as_str().map(Value::from)).collect()
    }

    /// The host name of the load balancer that an ingress or a service of the
    /// release got, if one has.
    pub fn load_balancer(&self) -> Option<&str> {
        self.live.iter().find_map(|one| {
            let told = &one["status"]["loadBalancer"]["ingress"][0];
            told["hostname"].as_str().or(told["ip"].as_str())
        })
    }

    /// Why the release's deployment does no work, where it does none at all.
    pub fn dead_controller(&self) -> Option<String> {
        let name = |one: &Json| one["metadata"]["name"].as_str().unwrap_or("?").to_owned();
        let declared = self.declared.iter().find(|one| one["kind"] == "Deployment")?;
        let found = self.live.iter().find(|one| {
            one["kind"] == "Deployment" && one["metadata"]["name"] == declared["metadata"]["name"]
        });
        let Some(found) = found else {
            return Some(format!("their controller, deployment {}, is gone", name(declared)));
        };
        let wanted = found["spec"]["replicas"].as_u64().unwrap_or(1);
        let ready = found["status"]["readyReplicas"].as_u64().unwrap_or(0);
        let told =
            || format!("their controller does not run: deployment {} is 0/{wanted}", name(found));
        (ready == 0).then(told)
    }

    /// How far the workloads are, and what is in their way: in the order of
    /// the manifest.
    pub fn assess(&self) -> (Map, Vec<Obstacle>) {
        let by_key: BTreeMap<String, &Json> =
            self.live.iter().filter_map(|o| Some((self.key(o)?, o))).collect();
        let in_order = self.declared.iter().filter_map(|o| by_key.get(&self.key(o)?).copied());
        let assessment = workload::assess_with(in_order, &self.pods, &self.clues);
        let counts = assessment
            .counts
            .iter()
            .map(|count| {
                (count.workload.clone(), Value::from(format!("{}/{}", count.ready, count.wanted)))
            })
            .collect();
        let mut obstacles = assessment.obstacles;
        obstacles.extend(
            self.declared
                .iter()
                .filter(|o| o["kind"].as_str().is_some_and(workload::runs_pods))
                .filter(|o| self.key(o).is_some_and(|key| !by_key.contains_key(&key)))
                .map(|o| Obstacle {
                    lasting: true,
                    blocker: Blocker {
                        code: "WorkloadMissing".into(),
                        message: format!("{} does not exist", self.title(o)),
                        next: "lkh plan".into(),
                    },
                }),
        );
        (counts, obstacles)
    }

    /// The title of a declared object, which may leave its namespace out.
    fn title(&self, object: &Json) -> String {
        let mut object = object.clone();
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = Json::from(self.namespace.as_str());
        }
        workload::title(&object)
    }
}
