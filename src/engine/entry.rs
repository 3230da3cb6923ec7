//! The resources of a stack and its state as they stand before anything is
//! read, and the graph that they make.
//!
//! Pure: manifests and state in, entries out. This module must not read
//! anything live.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::adapter::{Identity, Kind, Prior};
use crate::address::{Address, Reference};
use crate::graph::Graph;
use crate::journal::Begun;
use crate::manifest::resource::{DependsOn, Resource};
use crate::manifest::stack::Stack;
use crate::manifest::template::references;
use crate::plan::Mode;
use crate::state::{State, Status};
use crate::value::{Map, Path};

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
    /// Whether `prior` is only what the apply log says that a run began to make.
    pub begun: bool,
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
                begun: false,
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
            begun: false,
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
/// settled since, as far as the state does not know it: a crash right after a
/// create, or an answer that never came, must not leave an object that nobody
/// would remove.
pub fn add_begun(entries: &mut BTreeMap<Address, Entry>, begun: &BTreeMap<Address, Begun>) {
    for (address, object) in begun {
        let prior = Prior {
            identity: Identity(object.identity.clone()),
            attributes: object.attributes.clone(),
            settings: object.settings.clone(),
            outputs: Map::new(),
        };
        let entry = entries.entry(address.clone()).or_insert_with(|| Entry {
            declared: false,
            external: false,
            ignore: Vec::new(),
            is_applied: false,
            prior: None,
            begun: false,
            dependencies: BTreeSet::new(),
            phase: None,
            prevent_destroy: false,
        });
        if entry.prior.is_none() && !entry.external {
            entry.prior = Some(Arc::new(prior));
            entry.begun = true;
        }
    }
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
