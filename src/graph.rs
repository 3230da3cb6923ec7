//! The resource graph: edges, order and reach.
//!
//! Nodes are addresses, an edge leads from a resource to what it depends on.
//! The order is stable: the same nodes and edges give the same order whatever
//! the order they were added in. This module must not know what a resource is.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};

use crate::address::Address;

/// The graph of a stack's resources.
#[derive(Debug, Clone)]
pub struct Graph {
    inner: DiGraph<Address, ()>,
    index: BTreeMap<Address, NodeIndex>,
}

impl Graph {
    /// Builds the graph. An edge to an address that is not a node is dropped:
    /// what it named is gone.
    pub fn new(edges: &BTreeMap<Address, BTreeSet<Address>>) -> Self {
        let mut inner = DiGraph::with_capacity(edges.len(), edges.len());
        let index: BTreeMap<_, _> = edges
            .keys()
            .map(|address| (address.clone(), inner.add_node(address.clone())))
            .collect();
        for (address, dependencies) in edges {
            for dependency in dependencies {
                if let (Some(&from), Some(&to)) = (index.get(address), index.get(dependency)) {
                    inner.add_edge(from, to, ());
                }
            }
        }
        Self { inner, index }
    }

    /// What a resource depends on directly, in address order.
    pub fn dependencies(&self, address: &Address) -> BTreeSet<&Address> {
        self.neighbours(address, petgraph::Direction::Outgoing)
    }

    /// What depends on a resource directly, in address order.
    pub fn dependents(&self, address: &Address) -> BTreeSet<&Address> {
        self.neighbours(address, petgraph::Direction::Incoming)
    }

    fn neighbours(&self, address: &Address, way: petgraph::Direction) -> BTreeSet<&Address> {
        self.index
            .get(address)
            .map(|&node| {
                self.inner.neighbors_directed(node, way).map(|node| &self.inner[node]).collect()
            })
            .unwrap_or_default()
    }

    /// The resources and everything that they depend on.
    pub fn with_dependencies(&self, roots: &BTreeSet<Address>) -> BTreeSet<Address> {
        let mut reached = BTreeSet::new();
        for root in roots {
            if let Some(&node) = self.index.get(root) {
                let mut walk = Dfs::new(&self.inner, node);
                while let Some(node) = walk.next(&self.inner) {
                    reached.insert(self.inner[node].clone());
                }
            }
        }
        reached
    }

    /// The resources and everything that depends on them.
    pub fn with_dependents(&self, roots: &BTreeSet<Address>) -> BTreeSet<Address> {
        let mut reached = BTreeSet::new();
        let reversed = Reversed(&self.inner);
        for root in roots {
            if let Some(&node) = self.index.get(root) {
                let mut walk = Dfs::new(reversed, node);
                while let Some(node) = walk.next(reversed) {
                    reached.insert(self.inner[node].clone());
                }
            }
        }
        reached
    }

    /// Every resource, dependencies before dependents.
    ///
    /// # Errors
    /// The resources of the cycles, when there are any.
    pub fn order(&self) -> Result<Vec<Address>, Vec<Vec<Address>>> {
        match toposort(&self.inner, None) {
            Ok(order) => Ok(order.into_iter().rev().map(|node| self.inner[node].clone()).collect()),
            Err(_) => Err(self.cycles()),
        }
    }

    /// The groups of resources that depend on each other in a circle.
    pub fn cycles(&self) -> Vec<Vec<Address>> {
        let mut cycles: Vec<Vec<Address>> = kosaraju_scc(&self.inner)
            .into_iter()
            .filter(|group| {
                group.len() > 1 || group.iter().any(|&node| self.inner.contains_edge(node, node))
            })
            .map(|group| {
                let mut group: Vec<_> =
                    group.into_iter().map(|node| self.inner[node].clone()).collect();
                group.sort();
                group
            })
            .collect();
        cycles.sort();
        cycles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Kind;

    fn role(name: &str) -> Address {
        Address::new(Kind::IamRole, name)
    }

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        Graph::new(
            &edges
                .iter()
                .map(|(from, to)| (role(from), to.iter().map(|name| role(name)).collect()))
                .collect(),
        )
    }

    #[test]
    fn dependencies_come_first() {
        let graph = graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[]), ("d", &[])]);
        let order = graph.order().unwrap();
        let place = |name: &str| order.iter().position(|address| *address == role(name)).unwrap();
        assert!(place("c") < place("b") && place("b") < place("a"));
        assert_eq!(order.len(), 4);
        assert_eq!(
            graph.with_dependencies(&BTreeSet::from([role("b")])),
            BTreeSet::from([role("b"), role("c")])
        );
        assert_eq!(
            graph.with_dependents(&BTreeSet::from([role("b")])),
            BTreeSet::from([role("a"), role("b")])
        );
    }

    #[test]
    fn cycles_are_named_whole() {
        let graph =
            graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["d"]), ("e", &[])]);
        assert_eq!(
            graph.order().unwrap_err(),
            vec![vec![role("a"), role("b"), role("c")], vec![role("d")]]
        );
    }
}
