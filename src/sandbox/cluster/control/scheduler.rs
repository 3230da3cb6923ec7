//! The scheduler: which node a pod goes to, or why none will take it.
//!
//! Follows the order of the real scheduler's filters; the first that refuses a
//! node gives the reason, and the message counts the reasons of all nodes in
//! the scheduler's words. Volumes, ports and preferences are not looked at.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::admit::text;
use super::super::quantity::thousandths;
use super::super::selector::Selector;
use super::super::store;
use super::wish::Wish;
use crate::sandbox::world::World;

/// CPU and memory in thousandths, and a number of pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) cpu: i128,
    pub(super) memory: i128,
    pub(super) pods: i128,
}

/// A term of pod affinity or anti-affinity.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) topology_key: String,
    pub(super) selector: Option<Selector>,
    pub(super) namespaces: Vec<String>,
}

impl Term {
    pub(super) fn matches(&self, tenant: &Tenant) -> bool {
        self.namespaces.contains(&tenant.namespace)
            && self.selector.as_ref().is_some_and(|s| s.matches(Some(&tenant.labels)))
    }
}

/// A pod on a node, as far as it matters to others.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) namespace: String,
    pub(super) labels: Map<String, Value>,
    /// Its own required anti-affinity, which keeps others away.
    pub(super) keeps_away: Vec<Term>,
}

/// A node.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) labels: Map<String, Value>,
    pub(super) taints: Vec<Value>,
    pub(super) cordoned: bool,
    pub(super) total: Room,
    pub(super) free: Room,
    pub(super) tenants: Vec<Tenant>,
}

/// All nodes with what is on them.
#[derive(Debug, Clone)]
pub(super) struct Machines {
    pub(super) all: Vec<Machine>,
}

impl Machines {
    /// Reads nodes and pods from the world.
    pub(super) fn read(world: &World) -> Self {
        let nodes = world.scan(&store::type_prefix("", "nodes"));
        let mut all: Vec<Machine> = nodes.map(|(_, node)| Machine::read(node)).collect();
        let places: BTreeMap<String, usize> =
            all.iter().enumerate().map(|(at, m)| (m.name.clone(), at)).collect();
        for (_, pod) in world.scan(&store::type_prefix("", "pods")) {
            let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
            let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
            let place = places.get(node).and_then(|at| all.get_mut(*at));
            if let (Some(machine), false) = (place, phase == "Succeeded" || phase == "Failed") {
                machine.take(pod);
            }
        }
        Self { all }
    }

    /// Notes that a pod is on a node now.
    pub(super) fn bind(&mut self, node: &str, pod: &Value) {
        if let Some(machine) = self.all.iter_mut().find(|m| m.name == node) {
            machine.take(pod);
        }
    }

    /// The node for a pod: the one with the most free CPU of those that take
    /// it.
    ///
    /// # Errors
    /// The message of the pod's `PodScheduled` condition.
    pub(super) fn place(&self, pod: &Value) -> Result<String, String> {
        if self.all.is_empty() {
            return Err("no nodes available to schedule pods".to_owned());
        }
        let wish = Wish::read(pod, self);
        let mut best: Option<&Machine> = None;
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut helped = 0_usize;
        for machine in &self.all {
            match wish.refusal(machine) {
                None => {
                    let better = best.is_none_or(|b| {
                        (machine.free.cpu, b.tenants.len()) > (b.free.cpu, machine.tenants.len())
                    });
                    if better {
                        best = Some(machine);
                    }
                }
                Some(refusal) => {
                    helped += usize::from(refusal.room_would_help);
                    for reason in refusal.reasons {
                        *reasons.entry(reason).or_default() += 1;
                    }
                }
            }
        }
        if let Some(machine) = best {
            return Ok(machine.name.clone());
        }
        Err(refusal_text(self.all.len(), &reasons, helped))
    }

    /// Whether a pod would pass a node's selector, affinity and taints. What a
    /// `DaemonSet` asks.
    pub(super) fn suitable(&self, pod: &Value) -> Vec<String> {
        let wish = Wish::read(pod, self);
        let all = self.all.iter().filter(|m| wish.node_refusal(m).is_none());
        all.map(|m| m.name.clone()).collect()
    }
}

/// The message about a pod that no node takes.
fn refusal_text(nodes: usize, reasons: &BTreeMap<String, usize>, helped: usize) -> String {
    let joined = |parts: &mut Vec<String>| {
        parts.sort();
        parts.join(", ")
    };
    let mut parts: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let mut preemption = Vec::new();
    if helped > 0 {
        preemption.push(format!("{helped} No preemption victims found for incoming pod"));
    }
    if nodes > helped {
        preemption.push(format!("{} Preemption is not helpful for scheduling", nodes - helped));
    }
    format!(
        "0/{nodes} nodes are available: {}. no new claims to deallocate, preemption: 0/{nodes} nodes are \
         available: {}.",
        joined(&mut parts),
        joined(&mut preemption),
    )
}

impl Machine {
    pub(super) fn read(node: &Value) -> Self {
        let amount = |name: &str| {
            node.pointer("/status/allocatable").and_then(|a| a.get(name)).map_or(0, thousandths)
        };
        let total =
            Room { cpu: amount("cpu"), memory: amount("memory"), pods: amount("pods") / 1000 };
        Self {
            name: text(node, "/metadata/name"),
            labels: node
                .pointer("/metadata/labels")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            taints: node
                .pointer("/spec/taints")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            cordoned: node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            total,
            free: total,
            tenants: Vec::new(),
        }
    }

    fn take(&mut self, pod: &Value) {
        let need = requests(pod);
        self.free.cpu -= need.cpu;
        self.free.memory -= need.memory;
        self.free.pods -= 1;
        self.tenants.push(Tenant {
            namespace: text(pod, "/metadata/namespace"),
            labels: pod
                .pointer("/metadata/labels")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            keeps_away: terms(pod, "podAntiAffinity"),
        });
    }
}

/// What a pod asks for: the sum of its containers, or its largest init
/// container where that is more.
pub(super) fn requests(pod: &Value) -> Room {
    let list = |name: &str| pod.pointer(&format!("/spec/{name}")).and_then(Value::as_array);
    let of = |container: &Value, what: &str| {
        container.pointer(&format!("/resources/requests/{what}")).map_or(0, thousandths)
    };
    let mut room = Room { cpu: 0, memory: 0, pods: 1 };
    for container in list("containers").into_iter().flatten() {
        room.cpu += of(container, "cpu");
        room.memory += of(container, "memory");
    }
    for container in list("initContainers").into_iter().flatten() {
        room.cpu = room.cpu.max(of(container, "cpu"));
        room.memory = room.memory.max(of(container, "memory"));
    }
    room
}

/// The required terms of `podAffinity` or `podAntiAffinity`.
pub(super) fn terms(pod: &Value, which: &str) -> Vec<Term> {
    let pointer = format!("/spec/affinity/{which}/requiredDuringSchedulingIgnoredDuringExecution");
    let own = text(pod, "/metadata/namespace");
    let terms = pod.pointer(&pointer).and_then(Value::as_array);
    terms
        .into_iter()
        .flatten()
        .map(|term| {
            let namespaces = term.get("namespaces").and_then(Value::as_array);
            let namespaces: Vec<String> = namespaces
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            Term {
                topology_key: text(term, "/topologyKey"),
                selector: term.get("labelSelector").and_then(Selector::from_object),
                namespaces: if namespaces.is_empty() { vec![own.clone()] } else { namespaces },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn machine(name: &str, cpu: &str, labels: &Value, taints: &Value) -> Machine {
        Machine::read(&json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}},
        }))
    }

    fn pod(cpu: &str, spec: &Value) -> Value {
        let mut pod = json!({
            "metadata": {"namespace": "default", "labels": {"app": "web"}},
            "spec": {"containers": [{"resources": {"requests": {"cpu": cpu}}}]},
        });
        for (name, value) in spec.as_object().unwrap() {
            pod["spec"][name] = value.clone();
        }
        pod
    }

    #[test]
    fn messages_are_those_of_the_scheduler() {
        let plain = || machine("a", "2", &json!({"kubernetes.io/hostname": "a"}), &json!([]));
        let tainted =
            || machine("b", "2", &json!({}), &json!([{"key": "x", "effect": "NoSchedule"}]));
        let mut taken = machine("c", "2", &json!({"kubernetes.io/hostname": "c"}), &json!([]));
        taken.take(&pod("1500m", &json!({})));
        let apart = json!({"affinity": {"podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"},
            ],
        }}});
        let no_pool = json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "pool", "operator": "Exists"}]},
            ]},
        }}});
        let tail = "no new claims to deallocate, preemption: 0/";
        let cases: Vec<(Vec<Machine>, Value, String)> = vec![
            (vec![], pod("1", &json!({})), "no nodes available to schedule pods".into()),
            (
                vec![taken.clone()],
                pod("1", &json!({})),
                format!(
                    "0/1 nodes are available: 1 Insufficient cpu. {tail}1 nodes are available: \
                         1 No preemption victims found for incoming pod."
                ),
            ),
            (
                vec![plain()],
                pod("3", &json!({})),
                format!(
                    "0/1 nodes are available: 1 Insufficient cpu. {tail}1 nodes are available: \
                         1 Preemption is not helpful for scheduling."
                ),
            ),
            (
                vec![tainted(), taken.clone()],
                pod("100m", &apart),
                format!(
                    "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, \
                         1 node(s) had untolerated taint(s). {tail}2 nodes are available: \
                         1 No preemption victims found for incoming pod, \
                         1 Preemption is not helpful for scheduling."
                ),
            ),
            (
                vec![plain()],
                pod("1", &no_pool),
                format!(
                    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. \
                         {tail}1 nodes are available: 1 Preemption is not helpful for scheduling."
                ),
            ),
        ];
        for (all, pod, want) in cases {
            assert_eq!(Machines { all }.place(&pod), Err(want));
        }
    }

    #[test]
    fn a_pod_goes_where_it_may() {
        let a = machine("a", "2", &json!({"kubernetes.io/hostname": "a", "pool": "x"}), &json!([]));
        let b = machine("b", "4", &json!({"kubernetes.io/hostname": "b"}), &json!([]));
        let taint = json!([{"key": "CriticalAddonsOnly", "value": "", "effect": "NoSchedule"}]);
        let c = machine("c", "8", &json!({}), &taint);
        let machines = Machines { all: vec![a, b, c] };
        let cases = [
            (json!({}), "b"),
            (json!({"nodeSelector": {"pool": "x"}}), "a"),
            (json!({"tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}]}), "c"),
            (json!({"tolerations": [{"operator": "Exists"}]}), "c"),
            (
                json!({"tolerations": [{"key": "CriticalAddonsOnly", "operator": "Equal", "value": "no"}]}),
                "b",
            ),
        ];
        for (spec, want) in cases {
            assert_eq!(machines.place(&pod("1", &spec)).as_deref(), Ok(want), "{spec}");
        }
    }

    #[test]
    fn spread_constraints_count_places() {
        let zone = |name: &str, zone: &str| machine(name, "2", &json!({"zone": zone}), &json!([]));
        let mut a = zone("a", "1");
        a.take(&pod("1", &json!({})));
        let machines = Machines { all: vec![a, zone("b", "2")] };
        let spec = json!({"topologySpreadConstraints": [{
            "labelSelector": {"matchLabels": {"app": "web"}},
            "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        }]});
        assert_eq!(machines.place(&pod("100m", &spec)).as_deref(), Ok("b"));
    }
}
