//! The cluster's machines and what goes wrong on them: nodes that come, go and
//! get tainted, and faults that keep the pods of a workload from being ready.
//!
//! Faults are part of the world; the pods show them at the next
//! [`Cluster::reconcile`].

use std::collections::BTreeMap;

use super::Cluster;
use super::status::Status;

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
    pub fn put_node(&mut self, node: &NodeSpec) {
        let _ = node;
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
        let _ = name;
        Ok(())
    }

    /// Removes all nodes and the pods on them.
    pub fn remove_nodes(&mut self) {}

    /// Sets the taints of a node, in place of those it has. Pods that do not
    /// tolerate a `NoExecute` taint go.
    ///
    /// # Errors
    /// `NotFound` where there is no such node.
    pub fn taint_node(&mut self, name: &str, taints: &[Taint]) -> Result<(), Status> {
        let _ = (name, taints);
        Ok(())
    }

    /// Sets a fault, in place of one for the same target.
    pub fn set_fault(&mut self, fault: &Fault) {
        let _ = fault;
    }

    /// Removes the faults of a target.
    pub fn clear_fault(&mut self, target: &Target) {
        let _ = target;
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {}

    /// The faults that are set.
    pub fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}
