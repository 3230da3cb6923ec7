//! The scheduler: which node a pod goes to, or why none will take it.
//!
//! Follows the order of the real scheduler's filters; the first that refuses a
//! node gives the reason, and the message counts the reasons of all nodes in
//! the scheduler's words. Volumes, ports and preferences are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::admit::text;
use super::super::quantity::thousandths;
use super::super::selector::Selector;
use super::super::store;
use crate::sandbox::world::World;

/// CPU and memory in thousandths, and a number of pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Room {
    cpu: i128,
    memory: i128,
    pods: i128,
}

/// A term of pod affinity or anti-affinity.
#[derive(Debug, Clone)]
struct Term {
    topology_key: String,
    selector: Option<Selector>,
    namespaces: Vec<String>,
}

impl Term {
    fn matches(&self, tenant: &Tenant) -> bool {
        self.namespaces.contains(&tenant.namespace)
            && self.selector.as_ref().is_some_and(|s| s.matches(Some(&tenant.labels)))
    }
}

/// A pod on a node, as far as it matters to others.
#[derive(Debug, Clone)]
struct Tenant {
    namespace: String,
    labels: Map<String, Value>,
    /// Its own required anti-affinity, which keeps others away.
    keeps_away: Vec<Term>,
}

/// A node.
#[derive(Debug, Clone)]
struct Machine {
    name: String,
    labels: Map<String, Value>,
    taints: Vec<Value>,
    cordoned: bool,
    total: Room,
    free: Room,
    tenants: Vec<Tenant>,
}

/// All nodes with what is on them.
#[derive(Debug, Clone)]
pub(super) struct Machines {
    all: Vec<Machine>,
}

/// Why a node will not take a pod.
struct Refusal {
    reasons: Vec<String>,
    /// Whether the node could take the pod if others made room.
    room_would_help: bool,
}

impl Refusal {
    fn never(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], room_would_help: false }
    }

    fn for_now(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], room_would_help: true }
    }
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
    fn read(node: &Value) -> Self {
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
fn requests(pod: &Value) -> Room {
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
fn terms(pod: &Value, which: &str) -> Vec<Term> {
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

/// What a pod wants of a node.
struct Wish<'a> {
    pod: &'a Value,
    need: Room,
    node_selector: Option<Selector>,
    /// Places (topology key and value) where the pod may not go.
    away: BTreeSet<(String, String)>,
    /// Places where pods live that keep it away.
    kept_away: BTreeSet<(String, String)>,
    /// For each term of affinity, the topology key and the values with a
    /// matching pod; `None` where no pod matches and the pod matches itself.
    near: Vec<(String, Option<BTreeSet<String>>)>,
    /// Hard spread constraints: key, largest skew, pods in each place.
    spread: Vec<(String, i64, BTreeMap<String, i64>)>,
}

impl<'a> Wish<'a> {
    fn read(pod: &'a Value, machines: &Machines) -> Self {
        let me = Tenant {
            namespace: text(pod, "/metadata/namespace"),
            labels: pod
                .pointer("/metadata/labels")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            keeps_away: Vec::new(),
        };
        let node_selector =
            pod.pointer("/spec/nodeSelector").and_then(Value::as_object).map(Selector::from_labels);
        let mut wish = Self {
            pod,
            need: requests(pod),
            node_selector,
            away: BTreeSet::new(),
            kept_away: BTreeSet::new(),
            near: Vec::new(),
            spread: Vec::new(),
        };
        let label = |machine: &Machine, key: &str| {
            machine.labels.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        for term in terms(pod, "podAntiAffinity") {
            for machine in &machines.all {
                if let Some(value) = label(machine, &term.topology_key)
                    && machine.tenants.iter().any(|t| term.matches(t))
                {
                    wish.away.insert((term.topology_key.clone(), value));
                }
            }
        }
        for machine in &machines.all {
            for term in machine.tenants.iter().flat_map(|t| &t.keeps_away) {
                if let Some(value) = label(machine, &term.topology_key)
                    && term.matches(&me)
                {
                    wish.kept_away.insert((term.topology_key.clone(), value));
                }
            }
        }
        for term in terms(pod, "podAffinity") {
            let mut values = BTreeSet::new();
            for machine in &machines.all {
                if let Some(value) = label(machine, &term.topology_key)
                    && machine.tenants.iter().any(|t| term.matches(t))
                {
                    values.insert(value);
                }
            }
            let alone = values.is_empty() && term.matches(&me);
            wish.near.push((term.topology_key, (!alone).then_some(values)));
        }
        let constraints = pod.pointer("/spec/topologySpreadConstraints").and_then(Value::as_array);
        for constraint in constraints.into_iter().flatten() {
            if text(constraint, "/whenUnsatisfiable") == "ScheduleAnyway" {
                continue;
            }
            let key = text(constraint, "/topologyKey");
            let term = Term {
                topology_key: key.clone(),
                selector: constraint.get("labelSelector").and_then(Selector::from_object),
                namespaces: vec![me.namespace.clone()],
            };
            let mut places: BTreeMap<String, i64> = BTreeMap::new();
            for machine in machines.all.iter().filter(|m| wish.affinity_fits(m)) {
                if let Some(value) = label(machine, &key) {
                    let here = machine.tenants.iter().filter(|t| term.matches(t)).count();
                    *places.entry(value).or_default() += i64::try_from(here).unwrap_or(i64::MAX);
                }
            }
            let skew = constraint.get("maxSkew").and_then(Value::as_i64).unwrap_or(1);
            wish.spread.push((key, skew, places));
        }
        wish
    }

    /// Why a node will not take the pod.
    fn refusal(&self, machine: &Machine) -> Option<Refusal> {
        self.node_refusal(machine)
            .or_else(|| self.room_refusal(machine))
            .or_else(|| self.spread_refusal(machine))
            .or_else(|| self.company_refusal(machine))
    }

    /// Cordon, taints, selector and node affinity.
    fn node_refusal(&self, machine: &Machine) -> Option<Refusal> {
        if machine.cordoned && !self.tolerates(&cordon_taint()) {
            return Some(Refusal::never("node(s) were unschedulable"));
        }
        let repels = |taint: &&Value| {
            let effect = text(taint, "/effect");
            (effect == "NoSchedule" || effect == "NoExecute") && !self.tolerates(taint)
        };
        if machine.taints.iter().any(|taint| repels(&taint)) {
            return Some(Refusal::never("node(s) had untolerated taint(s)"));
        }
        if !self.affinity_fits(machine) {
            return Some(Refusal::never("node(s) didn't match Pod's node affinity/selector"));
        }
        None
    }

    fn tolerates(&self, taint: &Value) -> bool {
        tolerates(self.pod, taint)
    }

    fn affinity_fits(&self, machine: &Machine) -> bool {
        if self.node_selector.as_ref().is_some_and(|s| !s.matches(Some(&machine.labels))) {
            return false;
        }
        let pointer = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution\
                       /nodeSelectorTerms";
        let Some(terms) = self.pod.pointer(pointer).and_then(Value::as_array) else { return true };
        terms.iter().any(|term| node_term_matches(term, machine))
    }

    fn room_refusal(&self, machine: &Machine) -> Option<Refusal> {
        let mut reasons = Vec::new();
        let mut room_would_help = true;
        for (need, free, total, reason) in [
            (self.need.pods, machine.free.pods, machine.total.pods, "Too many pods"),
            (self.need.cpu, machine.free.cpu, machine.total.cpu, "Insufficient cpu"),
            (self.need.memory, machine.free.memory, machine.total.memory, "Insufficient memory"),
        ] {
            if need > 0 && need > free {
                reasons.push(reason.to_owned());
                room_would_help &= need <= total;
            }
        }
        (!reasons.is_empty()).then_some(Refusal { reasons, room_would_help })
    }

    fn spread_refusal(&self, machine: &Machine) -> Option<Refusal> {
        const REASON: &str = "node(s) didn't match pod topology spread constraints";
        for (key, skew, places) in &self.spread {
            let Some(value) = machine.labels.get(key).and_then(Value::as_str) else {
                return Some(Refusal::never(format!("{REASON} (missing required label)")));
            };
            let least = places.values().min().copied().unwrap_or(0);
            if places.get(value).copied().unwrap_or(0) + 1 - least > *skew {
                return Some(Refusal::for_now(REASON));
            }
        }
        None
    }

    fn company_refusal(&self, machine: &Machine) -> Option<Refusal> {
        let is_in = |places: &BTreeSet<(String, String)>| {
            places
                .iter()
                .any(|(key, value)| machine.labels.get(key).and_then(Value::as_str) == Some(value))
        };
        let near = self.near.iter().all(|(key, values)| {
            let value = machine.labels.get(key).and_then(Value::as_str);
            value.is_some_and(|v| values.as_ref().is_none_or(|all| all.contains(v)))
        });
        if !near {
            return Some(Refusal::never("node(s) didn't match pod affinity rules"));
        }
        if is_in(&self.away) {
            return Some(Refusal::for_now("node(s) didn't match pod anti-affinity rules"));
        }
        if is_in(&self.kept_away) {
            return Some(Refusal::for_now(
                "node(s) didn't satisfy existing pods anti-affinity rules",
            ));
        }
        None
    }
}

fn cordon_taint() -> Value {
    serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
}

/// Whether a pod tolerates a taint.
pub(super) fn tolerates(pod: &Value, taint: &Value) -> bool {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    tolerations.into_iter().flatten().any(|toleration| {
        let (effect, key) = (text(toleration, "/effect"), text(toleration, "/key"));
        let exists = text(toleration, "/operator") == "Exists";
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key == text(taint, "/key") || key.is_empty() && exists)
            && (exists || text(toleration, "/value") == text(taint, "/value"))
    })
}

fn node_term_matches(term: &Value, machine: &Machine) -> bool {
    let list = |name: &str| term.get(name).and_then(Value::as_array);
    let by_label = list("matchExpressions").is_none_or(|all| {
        all.iter().all(|e| {
            let value = machine.labels.get(text(e, "/key").as_str()).and_then(Value::as_str);
            expression_matches(e, value)
        })
    });
    let by_field = list("matchFields")
        .is_none_or(|all| all.iter().all(|e| expression_matches(e, Some(&machine.name))));
    let any = list("matchExpressions").is_some_and(|l| !l.is_empty())
        || list("matchFields").is_some_and(|l| !l.is_empty());
    any && by_label && by_field
}

fn expression_matches(expression: &Value, value: Option<&str>) -> bool {
    let values = expression.get("values").and_then(Value::as_array);
    let among = |v: &str| values.is_some_and(|all| all.iter().any(|w| w == v));
    let bound = || {
        values.and_then(|v| v.first()).and_then(Value::as_str).and_then(|v| v.parse::<i64>().ok())
    };
    let number = || value.and_then(|v| v.parse::<i64>().ok());
    match text(expression, "/operator").as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => number().zip(bound()).is_some_and(|(n, b)| n > b),
        "Lt" => number().zip(bound()).is_some_and(|(n, b)| n < b),
        _ => false,
    }
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
