//! What Karpenter does while its controller runs: nodes for pods that no node
//! takes, and the orderly end of nodes whose pool is gone.
//!
//! A claim ends when its node is drained and its instance is terminated. A
//! disruption budget or `karpenter.sh/do-not-disrupt` keeps a node from being
//! drained; a controller that does not run does nothing at all, so that what
//! has its finalizers stays.

use serde_json::{Value, json};

use super::super::Cluster;
use super::super::admit::text;
use super::super::nodes::{NodeSpec, Taint};
use super::super::selector::Selector;
use super::super::store::{self, Key};
use super::Control;
use super::scheduler::{Machine, Machines};
use crate::sandbox::aws;
use crate::sandbox::aws::ec2::karpenter::{self, Order};

const GROUP: &str = "karpenter.sh";
const CLASSES: &str = "karpenter.k8s.aws";
const ENDS_NODES: &str = "karpenter.sh/termination";
const ENDS_CLASSES: &str = "karpenter.k8s.aws/termination";
const POOL: &str = "karpenter.sh/nodepool";
const DO_NOT_DISRUPT: &str = "/metadata/annotations/karpenter.sh~1do-not-disrupt";

impl Control<'_> {
    /// Lets Karpenter act once. Answers whether it changed anything.
    pub(super) fn karpenter(&mut self) -> bool {
        let any = |control: &Self, group: &str, plural: &str| {
            control.world.scan(&store::type_prefix(group, plural)).next().is_some()
        };
        if !any(self, GROUP, "nodepools")
            && !any(self, GROUP, "nodeclaims")
            && !any(self, CLASSES, "ec2nodeclasses")
        {
            return false;
        }
        let Some(cluster) = self.running_controller() else { return false };
        self.classes(&cluster)
            || self.pools()
            || self.end_claims(&cluster)
            || self.new_node(&cluster)
    }

    /// The name of the cluster that the controller was given; `None`: no pod of
    /// it is ready.
    fn running_controller(&self) -> Option<String> {
        let deployments = self.world.scan(&store::type_prefix("apps", "deployments"));
        let is_karpenter = |object: &Value| {
            object.pointer("/metadata/labels/app.kubernetes.io~1name") == Some(&json!("karpenter"))
                || text(object, "/metadata/name") == "karpenter"
        };
        let ready = |object: &Value| {
            object.pointer("/status/readyReplicas").and_then(Value::as_i64).unwrap_or(0) > 0
        };
        let (_, found) =
            deployments.into_iter().find(|(_, one)| is_karpenter(one) && ready(one))?;
        let variables = found.pointer("/spec/template/spec/containers/0/env")?.as_array()?;
        let name = variables.iter().find(|one| one["name"] == "CLUSTER_NAME");
        Some(name.map(|one| text(one, "/value")).unwrap_or_default())
    }

    fn objects(&self, group: &str, plural: &str) -> Vec<(Key, Value)> {
        let found = self.world.scan(&store::type_prefix(group, plural));
        found.filter_map(|(key, object)| Some((Key::parse(key)?, object.clone()))).collect()
    }

    /// Writes an object; whether that changed it.
    fn changed(&mut self, key: &Key, object: Value) -> bool {
        let before = self.object(key);
        if before.as_ref() == Some(&object) {
            return false;
        }
        self.put(key, object);
        self.object(key) != before
    }

    fn ready(&self, object: &mut Value) {
        let condition = json!({
            "type": "Ready", "status": "True", "reason": "Ready", "message": "",
            "observedGeneration": object.pointer("/metadata/generation"),
        });
        store::set_condition(object, condition, &self.now);
    }

    fn pools(&mut self) -> bool {
        let mut changed = false;
        for (key, mut pool) in self.objects(GROUP, "nodepools") {
            self.ready(&mut pool);
            changed |= self.changed(&key, pool);
        }
        changed
    }

    /// Gives each class an instance profile for its role, and takes it away
    /// when the class goes and no claim needs it any more.
    fn classes(&mut self, cluster: &str) -> bool {
        let mut changed = false;
        for (key, mut class) in self.objects(CLASSES, "ec2nodeclasses") {
            let name = key.name().to_owned();
            let profile = profile_name(cluster, &name);
            let role = text(&class, "/spec/role");
            if class.pointer("/metadata/deletionTimestamp").is_some() {
                let claims = self.objects(GROUP, "nodeclaims");
                if claims.iter().any(|(_, one)| text(one, "/spec/nodeClassRef/name") == name) {
                    continue;
                }
                let run = |world: &mut _, words: &[&str]| {
                    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                    aws::run(world, &words, b"").code == 0
                };
                let named = ["--instance-profile-name", profile.as_str()];
                let [flag, value] = named;
                run(
                    self.world,
                    &[
                        "iam",
                        "remove-role-from-instance-profile",
                        flag,
                        value,
                        "--role-name",
                        &role,
                    ],
                );
                run(self.world, &["iam", "delete-instance-profile", flag, value]);
                karpenter::remove_templates(self.world, cluster, &name);
                changed |= self.without_finalizer(&key, class, ENDS_CLASSES);
                continue;
            }
            if !role.is_empty() {
                self.make_profile(cluster, &profile, &role);
                class["status"]["instanceProfile"] = json!(profile);
            }
            add_finalizer(&mut class, ENDS_CLASSES);
            self.ready(&mut class);
            changed |= self.changed(&key, class);
        }
        changed
    }

    fn make_profile(&mut self, cluster: &str, profile: &str, role: &str) {
        let run = |world: &mut _, words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            aws::run(world, &words, b"").code == 0
        };
        let flag = "--instance-profile-name";
        if run(self.world, &["iam", "get-instance-profile", flag, profile])
            || !run(self.world, &["iam", "get-role", "--role-name", role])
        {
            return;
        }
        let tag = format!("Key=kubernetes.io/cluster/{cluster},Value=owned");
        let other = format!("Key=eks:eks-cluster-name,Value={cluster}");
        run(self.world, &["iam", "create-instance-profile", flag, profile, "--tags", &tag, &other]);
        let add = ["iam", "add-role-to-instance-profile", flag, profile, "--role-name", role];
        run(self.world, &add);
    }

    /// Drains and ends the nodes of claims that are to go, as far as nothing
    /// forbids it.
    fn end_claims(&mut self, cluster: &str) -> bool {
        for (key, mut claim) in self.objects(GROUP, "nodeclaims") {
            if claim.pointer("/metadata/deletionTimestamp").is_none() {
                continue;
            }
            let node = text(&claim, "/status/nodeName");
            match self.drain(&node) {
                Drain::Done => {
                    karpenter::terminate(self.world, cluster, key.name());
                    store::remove(self.world, &Key::new("", "nodes", "", &node));
                    return self.without_finalizer(&key, claim, ENDS_NODES);
                }
                Drain::Evicted => return true,
                Drain::Blocked(why) => {
                    let condition = json!({
                        "type": "Drained", "status": "Unknown", "reason": "Draining",
                        "message": why,
                    });
                    let now = self.now.clone();
                    store::set_condition(&mut claim, condition, &now);
                    if self.changed(&key, claim) {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Evicts the next pod of a node.
    fn drain(&mut self, node: &str) -> Drain {
        let pods = self.objects("", "pods");
        let on_node = pods.into_iter().filter(|(_, pod)| {
            text(pod, "/spec/nodeName") == node
                && !matches!(text(pod, "/status/phase").as_str(), "Succeeded" | "Failed")
                && pod.pointer("/metadata/ownerReferences/0/kind") != Some(&json!("DaemonSet"))
        });
        let mut blocked = None;
        for (key, pod) in on_node {
            let name = format!("{}/{}", key.namespace(), key.name());
            if pod.pointer(DO_NOT_DISRUPT) == Some(&json!("true")) {
                blocked.get_or_insert(format!("pod {name} has karpenter.sh/do-not-disrupt"));
                continue;
            }
            let budgets = format!(
                "{}{}/",
                store::type_prefix("policy", "poddisruptionbudgets"),
                key.namespace()
            );
            let refuses = self.world.scan(&budgets).find(|(_, budget)| {
                let selector = budget.pointer("/spec/selector").and_then(Selector::from_object);
                selector.is_some_and(|selector| selector.matches_object(&pod))
                    && budget.pointer("/status/disruptionsAllowed").and_then(Value::as_i64)
                        == Some(0)
            });
            if let Some((_, budget)) = refuses {
                let budget = text(budget, "/metadata/name");
                blocked.get_or_insert(format!("budget {budget} keeps pod {name}"));
                continue;
            }
            self.cordon(node);
            store::remove(self.world, &key);
            return Drain::Evicted;
        }
        blocked.map_or(Drain::Done, Drain::Blocked)
    }

    fn cordon(&mut self, node: &str) {
        let key = Key::new("", "nodes", "", node);
        if let Some(mut node) = self.object(&key) {
            node["spec"]["taints"] =
                json!([{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]);
            self.changed(&key, node);
        }
    }

    /// Starts a node for the first pod that no node takes and some pool's would.
    fn new_node(&mut self, cluster: &str) -> bool {
        let pending: Vec<Value> = self
            .world
            .scan(&store::type_prefix("", "pods"))
            .map(|(_, pod)| pod)
            .filter(|pod| {
                text(pod, "/spec/nodeName").is_empty()
                    && pod.pointer("/metadata/deletionTimestamp").is_none()
                    && store::condition(pod, "PodScheduled").is_some()
            })
            .cloned()
            .collect();
        if pending.is_empty() {
            return false;
        }
        let pools = self.objects(GROUP, "nodepools");
        let living = |object: &Value| object.pointer("/metadata/deletionTimestamp").is_none();
        for (_, pool) in pools.iter().filter(|(_, pool)| living(pool)) {
            let class = text(pool, "/spec/template/spec/nodeClassRef/name");
            let found = self.object(&Key::new(CLASSES, "ec2nodeclasses", "", &class));
            if !found.as_ref().is_some_and(living) {
                continue;
            }
            let pool_name = text(pool, "/metadata/name");
            let spec = node_of(pool, &pool_name, "new", "");
            let machines = Machines { all: vec![machine_of(&spec)] };
            if !pending.iter().any(|pod| machines.place(pod).is_ok()) {
                continue;
            }
            let suffix = store::next_suffix(self.world, false);
            let claim = format!("{pool_name}-{suffix}");
            let order = Order { cluster, pool: &pool_name, class: &class, claim: &claim };
            let profile = found.map(|class| text(&class, "/status/instanceProfile"));
            let profile = profile.filter(|name| !name.is_empty());
            let started = karpenter::start(self.world, &order, profile.as_deref());
            let spec = node_of(pool, &pool_name, &started.node, &started.zone);
            Cluster::open(self.world).put_node(&spec);
            let key = Key::new("", "nodes", "", &started.node);
            let id = format!("aws:///{}/{}", started.zone, started.instance);
            if let Some(mut node) = self.object(&key) {
                node["spec"]["providerID"] = json!(id);
                self.put(&key, node);
            }
            let mut object = json!({
                "apiVersion": "karpenter.sh/v1",
                "kind": "NodeClaim",
                "metadata": {
                    "name": claim,
                    "finalizers": [ENDS_NODES],
                    "generation": 1,
                    "labels": {POOL: pool_name},
                    "ownerReferences": [{
                        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "name": pool_name,
                        "uid": text(pool, "/metadata/uid"), "blockOwnerDeletion": true,
                    }],
                },
                "spec": {
                    "nodeClassRef": pool.pointer("/spec/template/spec/nodeClassRef"),
                    "requirements": pool.pointer("/spec/template/spec/requirements"),
                },
                "status": {"nodeName": started.node, "providerID": id},
            });
            self.ready(&mut object);
            self.make(&Key::new(GROUP, "nodeclaims", "", &claim), object);
            return true;
        }
        false
    }

    /// Takes a finalizer away; what has none left and is to go goes.
    fn without_finalizer(&mut self, key: &Key, mut object: Value, name: &str) -> bool {
        if let Some(list) = object.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut)
        {
            list.retain(|one| one != name);
        }
        if object.pointer("/metadata/finalizers/0").is_none() {
            return store::remove(self.world, key).is_some();
        }
        self.changed(key, object)
    }
}

/// How far a node is on its way out.
enum Drain {
    /// Nothing is on it that counts.
    Done,
    /// A pod left it just now.
    Evicted,
    /// What is on it may not be disrupted.
    Blocked(String),
}

fn add_finalizer(object: &mut Value, name: &str) {
    let list = &mut object["metadata"]["finalizers"];
    match list.as_array_mut() {
        Some(list) if list.iter().any(|one| one == name) => {}
        Some(list) => list.push(json!(name)),
        None => *list = json!([name]),
    }
}

/// The name that Karpenter gives the instance profile of a class.
fn profile_name(cluster: &str, class: &str) -> String {
    format!("{cluster}_{}", store::hash32(&format!("{cluster}/{class}")))
}

/// A node of a pool.
fn node_of(pool: &Value, pool_name: &str, node: &str, zone: &str) -> NodeSpec {
    let mut spec = NodeSpec { pods: 58, ..NodeSpec::new(node, "8", "32Gi") };
    let template = pool.pointer("/spec/template");
    let labels =
        template.and_then(|one| one.pointer("/metadata/labels")).and_then(Value::as_object);
    for (name, value) in labels.into_iter().flatten() {
        spec.labels.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    spec.labels.insert(POOL.to_owned(), pool_name.to_owned());
    spec.labels.insert("karpenter.sh/capacity-type".to_owned(), "spot".to_owned());
    if !zone.is_empty() {
        spec.labels.insert("topology.kubernetes.io/zone".to_owned(), zone.to_owned());
    }
    let taints = template.and_then(|one| one.pointer("/spec/taints")).and_then(Value::as_array);
    spec.taints = taints.into_iter().flatten().map(taint_of).collect();
    spec
}

fn taint_of(taint: &Value) -> Taint {
    Taint { key: text(taint, "/key"), value: text(taint, "/value"), effect: text(taint, "/effect") }
}

/// The node as the scheduler will see it.
fn machine_of(spec: &NodeSpec) -> Machine {
    let mut labels = json!({
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": "any",
    });
    for (name, value) in &spec.labels {
        labels[name] = json!(value);
    }
    let taints: Vec<Value> = spec
        .taints
        .iter()
        .map(|taint| json!({"key": taint.key, "value": taint.value, "effect": taint.effect}))
        .collect();
    Machine::read(&json!({
        "metadata": {"name": spec.name, "labels": labels},
        "spec": {"taints": taints},
        "status": {"allocatable": {
            "cpu": spec.cpu, "memory": spec.memory, "pods": spec.pods.to_string(),
        }},
    }))
}
