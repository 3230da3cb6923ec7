//! What a pod wants of a node, and why a node does not do.
//!
//! The filters of the scheduler, in its order and in its words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::admit::text;
use super::super::selector::Selector;
use super::scheduler::{Machine, Machines, Room, Tenant, Term, requests, terms};

/// Why a node will not take a pod.
pub(super) struct Refusal {
    pub(super) reasons: Vec<String>,
    /// Whether the node could take the pod if others made room.
    pub(super) room_would_help: bool,
}

impl Refusal {
    fn never(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], room_would_help: false }
    }

    fn for_now(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], room_would_help: true }
    }
}

/// What a pod wants of a node.
pub(super) struct Wish<'a> {
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
    pub(super) fn read(pod: &'a Value, machines: &Machines) -> Self {
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
    pub(super) fn refusal(&self, machine: &Machine) -> Option<Refusal> {
        self.node_refusal(machine)
            .or_else(|| self.room_refusal(machine))
            .or_else(|| self.spread_refusal(machine))
            .or_else(|| self.company_refusal(machine))
    }

    /// Cordon, taints, selector and node affinity.
    pub(super) fn node_refusal(&self, machine: &Machine) -> Option<Refusal> {
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
