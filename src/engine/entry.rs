//! The resources of a stack and its state as they stand before anything is
//! read, and the graph that they make.
//!
//! Pure: manifests and state in, entries out. This module must not read
//! anything live.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::adapter::{Attribute, Identity, Kind, Prior, Rule, Standing};
use crate::address::{Address, Reference};
use crate::graph::Graph;
use crate::journal::Begun;
use crate::manifest::resource::{DependsOn, Resource};
use crate::manifest::stack::Stack;
use crate::manifest::template::references;
use crate::plan::Mode;
use crate::state::{State, Status};
use crate::value::{Map, Path, Value};

/// A resource as it stands before anything is read.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each says something else of a resource")]
pub struct Entry {
    /// Whether a manifest declares it; else only the state knows it.
    pub declared: bool,
    /// Whether it is only read.
    pub external: bool,
    /// Fields that are not compared.
    pub ignore: Vec<Path>,
    /// Whether the state says that it is applied, and all else of it (phase,
    /// dependencies, protection) as the manifest does.
    pub is_applied: bool,
    /// What the state remembers.
    pub prior: Option<Arc<Prior>>,
    /// What it depends on, by its manifest or, without one, by the state.
    pub dependencies: BTreeSet<Address>,
    /// The phase that it belongs to.
    pub phase: Option<String>,
    /// Whether it must never be destroyed.
    pub prevent_destroy: bool,
}

/// The resources of a stack and its state, as they stand before anything is
/// read. The dependencies of Kubernetes resources include the cluster.
pub fn entries(stack: &Stack, state: Option<&State>, mode: Mode) -> BTreeMap<Address, Entry> {
    let mut entries = BTreeMap::new();
    let cluster = cluster(stack);
    for resource in &stack.resources {
        let address = resource.address.clone();
        let record = state.and_then(|state| state.resources.get(&address));
        let mut dependencies = dependencies(stack, resource);
        if address.kind.adapter().needs_kubernetes() {
            dependencies.extend(cluster.clone());
        }
        dependencies.remove(&address);
        entries.insert(
            address,
            Entry {
                declared: true,
                external: resource.external,
                ignore: resource.lifecycle.ignore_changes.clone(),
                is_applied: record.is_some_and(|record| {
                    // A record that says anything else is brought up to date.
                    record.status == Status::Applied
                        && record.prevent_destroy == resource.lifecycle.prevent_destroy
                        && record.phase == resource.phase
                        && record.dependencies == dependencies
                }),
                prior: record.map(|record| Arc::clone(&record.applied)),
                dependencies,
                phase: resource.phase.clone(),
                prevent_destroy: resource.lifecycle.prevent_destroy
                    || (mode == Mode::Destroy
                        && record.is_some_and(|record| record.prevent_destroy)),
            },
        );
    }
    for (address, record) in state.iter().flat_map(|state| &state.resources) {
        entries.entry(address.clone()).or_insert_with(|| Entry {
            declared: false,
            external: false,
            ignore: Vec::new(),
            is_applied: record.status == Status::Applied,
            prior: Some(Arc::clone(&record.applied)),
            dependencies: {
                let mut dependencies = record.dependencies.clone();
                if address.kind.adapter().needs_kubernetes() {
                    dependencies.extend(cluster.clone());
                }
                dependencies
            },
            phase: record.phase.clone(),
            prevent_destroy: record.prevent_destroy,
        });
    }
    untangle(&mut entries);
    entries
}

/// Adds what the apply log says that a run began to make and that no read has
/// settled since, as far as the state does not know it: a crash in the middle
/// must not leave an object, or a part of one, that nobody would remove.
pub fn add_begun(entries: &mut BTreeMap<Address, Entry>, begun: &BTreeMap<Address, Begun>) {
    for (address, object) in begun {
        let entry = entries.entry(address.clone()).or_insert_with(|| Entry {
            declared: false,
            external: false,
            ignore: Vec::new(),
            is_applied: false,
            prior: None,
            dependencies: BTreeSet::new(),
            phase: None,
            prevent_destroy: false,
        });
        if entry.external {
            continue;
        }
        let identity = Identity(object.identity.clone());
        match entry.prior.as_deref() {
            None => {
                entry.prior = Some(Arc::new(Prior {
                    identity,
                    attributes: object.attributes.clone(),
                    settings: object.settings.clone(),
                    outputs: Map::new(),
                    standing: Standing::Begun { applied: None },
                }));
            }
            Some(prior) if prior.identity == identity => {
                let rules = address.kind.adapter().attributes();
                entry.prior = Some(Arc::new(Prior {
                    attributes: owned(rules, &prior.attributes, &object.attributes),
                    standing: Standing::Begun { applied: Some(prior.attributes.clone()) },
                    ..prior.clone()
                }));
            }
            Some(_) => {}
        }
    }
}

/// What was applied, with the parts that a run began to add to it: members of
/// lists and maps whose parts are owned one by one. Of anything else one value
/// counts, the one that was proved.
pub(super) fn owned(rules: &[Attribute], applied: &Map, begun: &Map) -> Map {
    let mut all = applied.clone();
    for (name, begun) in begun {
        let rule = rules.iter().find(|attribute| attribute.name == name.as_str());
        let both = match (rule.map(|attribute| attribute.rule), all.get(name.as_str())) {
            (None, _) => continue,
            (Some(_), None) => begun.clone(),
            (Some(Rule::Exact | Rule::PolicyDocument | Rule::Tree | Rule::Remembered), Some(_)) => {
                continue;
            }
            (Some(Rule::Set), Some(Value::List(applied))) => {
                let more = begun.as_list().unwrap_or_default();
                let more = more.iter().filter(|member| !applied.contains(member));
                Value::List(applied.iter().chain(more).cloned().collect())
            }
            (Some(Rule::Set), Some(_)) => continue,
            (Some(Rule::Entries | Rule::PolicyDocuments), Some(applied)) => {
                joined(applied, begun, 1)
            }
            (Some(Rule::NestedEntries), Some(applied)) => joined(applied, begun, 2),
            (Some(Rule::KubernetesObjects), Some(applied)) => joined(applied, begun, usize::MAX),
        };
        all.insert(name.clone(), both);
    }
    all
}

/// Two maps in one, down to a depth; where both have an entry, the first's.
fn joined(one: &Value, more: &Value, depth: usize) -> Value {
    let (Value::Map(one), Value::Map(more), 1..) = (one, more, depth) else {
        return one.clone();
    };
    let mut all = one.clone();
    for (key, value) in more {
        let both = match one.get(key.as_str()) {
            Some(first) => joined(first, value, depth - 1),
            None => value.clone(),
        };
        all.insert(key.clone(), both);
    }
    Value::Map(all)
}

/// Takes circles apart that only the state's memory makes: it may hold what
/// depended on what at different times. The manifests have none of their own.
fn untangle(entries: &mut BTreeMap<Address, Entry>) {
    if entries.values().all(|entry| entry.declared) {
        return;
    }
    for circle in graph(entries).cycles() {
        for address in &circle {
            if let Some(entry) = entries.get_mut(address).filter(|entry| !entry.declared) {
                entry.dependencies.retain(|other| !circle.contains(other));
            }
        }
    }
}

/// What a resource depends on: what its spec refers to, and what it says
/// itself.
fn dependencies(stack: &Stack, resource: &Resource) -> BTreeSet<Address> {
    let mut found: BTreeSet<_> = references(&resource.spec)
        .filter_map(|(_, reference)| match reference {
            Reference::Output { target, .. } => Some(target),
            Reference::Variable(_) | Reference::AccountId | Reference::Region => None,
        })
        .collect();
    for dependency in &resource.depends_on {
        match dependency {
            DependsOn::Resource(address) => drop(found.insert(address.clone())),
            DependsOn::Phase(phase) => found.extend(
                stack
                    .resources
                    .iter()
                    .filter(|other| other.phase.as_ref() == Some(phase))
                    .map(|other| other.address.clone()),
            ),
        }
    }
    found
}

/// The resource that stands for the stack's cluster.
pub fn cluster(stack: &Stack) -> Option<Address> {
    let value = stack.cluster.as_ref()?;
    if let Some((_, Reference::Output { target, .. })) =
        references(value).find(|(_, r)| matches!(r, Reference::Output { .. }))
    {
        return Some(target);
    }
    // A plain name: the resource that has it.
    stack
        .resources
        .iter()
        .find(|other| {
            other.address.kind == Kind::EksCluster && other.spec.get("name") == Some(value)
        })
        .map(|other| other.address.clone())
}

/// The graph of the resources.
pub fn graph(entries: &BTreeMap<Address, Entry>) -> Graph {
    Graph::new(
        &entries
            .iter()
            .map(|(address, entry)| (address.clone(), entry.dependencies.clone()))
            .collect(),
    )
}
