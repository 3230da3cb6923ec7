//! The cluster's machines and what goes wrong on them: nodes that come, go and
//! get tainted, and faults that keep the pods of a workload from being ready.
//!
//! Faults are part of the world; the pods show them at the next
//! [`Cluster::reconcile`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Cluster;
use super::status::{Reason, Status};
use super::store::{self, Key};
use crate::sandbox::world::World;

/// A taint on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// `NoSchedule`, `NoExecute` or `PreferNoSchedule`.
    pub effect: String,
}

/// A node to add. [`NodeSpec::new`] fills in what an EKS node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name, which is also its hostname label.
    pub name: String,
    /// CPU as a quantity, for example `2` or `1930m`.
    pub cpu: String,
    /// Memory as a quantity, for example `8Gi`.
    pub memory: String,
    /// How many pods it takes.
    pub pods: u32,
    /// Labels beside the usual ones, or instead of them.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Whether its condition `Ready` is true. A node that is not ready is
    /// tainted, so that no pod goes there.
    pub ready: bool,
}

impl NodeSpec {
    /// A ready node without taints and with room for 110 pods.
    pub fn new(name: &str, cpu: &str, memory: &str) -> Self {
        Self {
            name: name.to_owned(),
            cpu: cpu.to_owned(),
            memory: memory.to_owned(),
            pods: 110,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            ready: true,
        }
    }
}

/// Which pods a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The pods of a workload (Deployment, `StatefulSet`, `DaemonSet`, Job, or a
    /// bare Pod) of that namespace and name.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Pods with a container whose image contains this text.
    Image(String),
}

/// What goes wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The image cannot be pulled: the container waits with `ImagePullBackOff`,
    /// the message says why.
    ImagePull {
        /// The registry's words, for example `403 Forbidden`.
        message: String,
    },
    /// The container exits again and again: it waits with `CrashLoopBackOff`.
    CrashLoop {
        /// The exit code of each run.
        exit_code: i32,
        /// How many restarts there were.
        restarts: u32,
    },
    /// The container runs but never becomes ready.
    NeverReady,
    /// The pod is scheduled but becomes ready only so many seconds after.
    Slow {
        /// Simulated seconds from being scheduled to being ready.
        seconds: u32,
    },
}

/// A fault: what goes wrong with which pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which pods.
    pub target: Target,
    /// What.
    pub trouble: Trouble,
}

impl Cluster<'_> {
    /// Adds a node, or changes the one of that name.
    pub fn put_node(&mut self, spec: &NodeSpec) {
        let key = node_key(&spec.name);
        let now = store::time_text(self.world.now());
        let old = self.world.get(key.as_str()).cloned();
        let mut node = old.unwrap_or_else(|| {
            let n = self.world.next("k8s/node-address");
            json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": spec.name,
                    "uid": store::next_uid(self.world),
                    "creationTimestamp": now,
                    "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
                },
                "spec": {"providerID": format!("aws:///us-east-1a/i-{:017x}", n)},
                "status": {"addresses": [
                    {"address": format!("10.0.{}.{}", n / 250 % 50, n % 250 + 4), "type": "InternalIP"},
                    {"address": spec.name, "type": "Hostname"},
                ]},
            })
        });
        let mut labels: BTreeMap<String, String> = [
            ("beta.kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", &spec.name),
            ("kubernetes.io/os", "linux"),
            ("node.kubernetes.io/instance-type", "m5.large"),
            ("topology.kubernetes.io/region", "us-east-1"),
            ("topology.kubernetes.io/zone", "us-east-1a"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        labels.extend(spec.labels.clone());
        node["metadata"]["labels"] = json!(labels);
        let mut taints = spec.taints.clone();
        if !spec.ready {
            for effect in ["NoSchedule", "NoExecute"] {
                taints.push(Taint {
                    key: "node.kubernetes.io/not-ready".to_owned(),
                    value: String::new(),
                    effect: effect.to_owned(),
                });
            }
        }
        set_taints(&mut node, &taints);
        let room = json!({
            "cpu": spec.cpu, "memory": spec.memory, "ephemeral-storage": "20Gi", "pods": spec.pods.to_string(),
        });
        let version = self.version();
        let status = &mut node["status"];
        status["allocatable"] = room.clone();
        status["capacity"] = room;
        status["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": 10250}});
        status["nodeInfo"] = json!({
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "containerd://2.1.4",
            "kernelVersion": "6.12.46",
            "kubeProxyVersion": "",
            "kubeletVersion": version,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "Amazon Linux 2023",
            "systemUUID": "",
        });
        for (kind, reason, message) in [
            (
                "MemoryPressure",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
            ),
            ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ] {
            set_node_condition(&mut node, kind, "False", reason, message, &now);
        }
        if spec.ready {
            set_node_condition(
                &mut node,
                "Ready",
                "True",
                "KubeletReady",
                "kubelet is posting ready status",
                &now,
            );
        } else {
            let message = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                           message:Network plugin returns error: cni plugin not initialized";
            set_node_condition(&mut node, "Ready", "False", "KubeletNotReady", message, &now);
        }
        store::put(self.world, &key, node);
    }

    /// Adds a ready node with this much CPU and memory.
    pub fn add_node(&mut self, name: &str, cpu: &str, memory: &str) {
        self.put_node(&NodeSpec::new(name, cpu, memory));
    }

    /// Removes a node and the pods on it.
    ///
    /// # Errors
    /// `NotFound` where there is no such node.
    pub fn remove_node(&mut self, name: &str) -> Result<(), Status> {
        match store::remove(self.world, &node_key(name)) {
            Some(_) => Ok(()),
            None => Err(no_such_node(name)),
        }
    }

    /// Removes all nodes and the pods on them.
    pub fn remove_nodes(&mut self) {
        let nodes = self.world.scan(&store::type_prefix("", "nodes"));
        let keys: Vec<Key> = nodes.filter_map(|(key, _)| Key::parse(key)).collect();
        for key in keys {
            store::remove(self.world, &key);
        }
    }

    /// Sets the taints of a node, in place of those it has. Pods that do not
    /// tolerate a `NoExecute` taint go.
    ///
    /// # Errors
    /// `NotFound` where there is no such node.
    pub fn taint_node(&mut self, name: &str, taints: &[Taint]) -> Result<(), Status> {
        let key = node_key(name);
        let mut node = self.world.get(key.as_str()).cloned().ok_or_else(|| no_such_node(name))?;
        set_taints(&mut node, taints);
        store::put(self.world, &key, node);
        Ok(())
    }

    /// Sets a fault, in place of one for the same target.
    pub fn set_fault(&mut self, fault: &Fault) {
        self.world.put(fault_key(&fault.target), fault_json(fault));
        self.touch_pods();
    }

    /// Removes the faults of a target.
    pub fn clear_fault(&mut self, target: &Target) {
        if self.world.remove(&fault_key(target)).is_some() {
            self.touch_pods();
        }
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        for fault in self.faults() {
            self.clear_fault(&fault.target);
        }
    }

    /// The faults that are set.
    pub fn faults(&self) -> Vec<Fault> {
        read_faults(self.world)
    }

    fn touch_pods(&mut self) {
        let pods = self.world.scan(&store::type_prefix("", "pods"));
        let keys: Vec<Key> = pods.filter_map(|(key, _)| Key::parse(key)).collect();
        for key in keys {
            store::touch(self.world, &key);
        }
    }
}

const FAULTS: &str = "k8s/fault/";

fn node_key(name: &str) -> Key {
    Key::new("", "nodes", "", name)
}

fn no_such_node(name: &str) -> Status {
    let mut status = Status::new(Reason::NotFound, format!("nodes \"{name}\" not found"));
    status.details = json!({"name": name, "kind": "nodes"});
    status
}

fn set_taints(node: &mut Value, taints: &[Taint]) {
    let taints: Vec<Value> = taints
        .iter()
        .map(|taint| {
            let mut json = json!({"key": taint.key, "effect": taint.effect});
            if !taint.value.is_empty() {
                json["value"] = json!(taint.value);
            }
            json
        })
        .collect();
    if let Some(spec) = node.get_mut("spec").and_then(Value::as_object_mut) {
        if taints.is_empty() {
            spec.remove("taints");
        } else {
            spec.insert("taints".to_owned(), json!(taints));
        }
    }
}

fn set_node_condition(
    node: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let condition = json!({
        "type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": now,
    });
    store::set_condition(node, condition, now);
}

fn fault_key(target: &Target) -> String {
    match target {
        Target::Workload { namespace, name } => format!("{FAULTS}workload/{namespace}/{name}"),
        Target::Image(part) => format!("{FAULTS}image/{part}"),
    }
}

fn fault_json(fault: &Fault) -> Value {
    let target = match &fault.target {
        Target::Workload { namespace, name } => json!({"namespace": namespace, "name": name}),
        Target::Image(part) => json!({"image": part}),
    };
    let trouble = match &fault.trouble {
        Trouble::ImagePull { message } => json!({"imagePull": message}),
        Trouble::CrashLoop { exit_code, restarts } => {
            json!({"exitCode": exit_code, "restarts": restarts})
        }
        Trouble::NeverReady => json!({"neverReady": true}),
        Trouble::Slow { seconds } => json!({"slow": seconds}),
    };
    json!({"target": target, "trouble": trouble})
}

fn read_fault(json: &Value) -> Option<Fault> {
    let (target, trouble) = (json.get("target")?, json.get("trouble")?);
    let text =
        |object: &Value, name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| trouble.get(name).and_then(Value::as_i64);
    let target = match text(target, "image") {
        Some(part) => Target::Image(part),
        None => {
            Target::Workload { namespace: text(target, "namespace")?, name: text(target, "name")? }
        }
    };
    let trouble = if let Some(message) = text(trouble, "imagePull") {
        Trouble::ImagePull { message }
    } else if let Some(exit_code) = number("exitCode") {
        let restarts = number("restarts").and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Trouble::CrashLoop { exit_code: i32::try_from(exit_code).ok()?, restarts }
    } else if let Some(seconds) = number("slow") {
        Trouble::Slow { seconds: u32::try_from(seconds).ok()? }
    } else {
        Trouble::NeverReady
    };
    Some(Fault { target, trouble })
}

/// The faults of a world; those of workloads come after those of images.
pub(super) fn read_faults(world: &World) -> Vec<Fault> {
    world.scan(FAULTS).filter_map(|(_, json)| read_fault(json)).collect()
}

/// Whether a fault is for a pod, whose workload has that namespace and name.
pub(super) fn concerns(target: &Target, workload: &(String, String), pod: &Value) -> bool {
    match target {
        Target::Workload { namespace, name } => *namespace == workload.0 && *name == workload.1,
        Target::Image(part) => {
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
            let mut images = containers.into_iter().flatten().filter_map(|c| c.get("image"));
            images.any(|image| image.as_str().is_some_and(|i| i.contains(part.as_str())))
        }
    }
}
