//! How resources hang together: that what they refer to and depend on exists,
//! and that nothing depends on itself.
//!
//! This module must not order anything: that is the graph's business.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::diagnostic::{Diagnostic, nearest};
use super::resource::{Declared, DependsOn};
use super::source::Span;
use super::stack::{Phase, unknown_phase};
use super::translate::Found;
use super::wording::list;
use crate::adapter::Kind;
use crate::address::{Address, Reference};
use crate::quote::quote;

/// What is known while links are checked.
pub(super) struct Links<'a> {
    /// The resources, by address.
    pub(super) declared: &'a BTreeMap<Address, Declared>,
    /// Addresses of documents that can't be used; what refers to them is right
    /// once they are.
    pub(super) unusable: &'a BTreeSet<String>,
    /// Whether there may be resources that nobody knows of, because a document
    /// could not be read.
    pub(super) incomplete: bool,
}

impl Links<'_> {
    /// Checks the references of every resource, and those of the stack.
    pub(super) fn references(&self, of_stack: &[Found], wrong: &mut Vec<Diagnostic>) {
        for (address, declared) in self.declared {
            let found = &declared.found;
            wrong.extend(found.iter().filter_map(|found| self.check(found, Some(address))));
        }
        wrong.extend(of_stack.iter().filter_map(|found| self.check(found, None)));
    }

    /// Checks one reference of a resource, or of the stack.
    fn check(&self, found: &Found, from: Option<&Address>) -> Option<Diagnostic> {
        let Reference::Output { target, attribute } = &found.reference else { return None };
        if from == Some(target) {
            return Some(
                Diagnostic::at(found.span, "a resource that refers to itself")
                    .label("this is its own output")
                    .help("write the value out, or refer to another resource"),
            );
        }
        let Some(declared) = self.declared.get(target) else {
            return self.dangling(found.span, target, Some(attribute));
        };
        let outputs = target.kind.adapter().outputs();
        if outputs.iter().any(|(name, _)| name == attribute) {
            return None;
        }
        let spec = &declared.resource.spec;
        let own = target.kind.adapter().own_outputs(spec);
        if own.contains(attribute) {
            return None;
        }
        let names = outputs.iter().map(|(name, _)| *name).chain(own.iter().map(String::as_str));
        let help = match nearest(attribute, names.clone()) {
            Some(near) => format!("did you mean ${{{target}.{near}}}?"),
            None if names.clone().next().is_none() => format!("{} has no outputs", target.kind),
            None => format!("its outputs are {}", list(names, "and")),
        };
        Some(
            Diagnostic::at(found.span, "unknown output")
                .label(format!("{} has no output {}", target.kind, quote(attribute)))
                .help(help),
        )
    }

    /// The error for a resource that does not exist.
    fn dangling(
        &self,
        span: Span,
        target: &Address,
        attribute: Option<&str>,
    ) -> Option<Diagnostic> {
        let text = target.to_string();
        if self.incomplete || self.unusable.contains(&text) {
            return None;
        }
        let own = self.declared.keys().filter(|address| address.kind == target.kind);
        let near = nearest(&target.name, own.map(|address| address.name.as_str()));
        // The same name under another kind, where that has such an output.
        let has_output = |kind: Kind| {
            let outputs = kind.adapter().outputs();
            attribute.is_some_and(|attribute| outputs.iter().any(|(name, _)| *name == attribute))
        };
        let same_name = || {
            self.declared
                .keys()
                .find(|address| address.name == target.name && has_output(address.kind))
        };
        let near = near
            .map(|name| format!("{}.{name}", target.kind))
            .or_else(|| same_name().map(ToString::to_string));
        let help = match near {
            Some(near) => format!("did you mean {}?", quote(&near)),
            None => format!("declare it, with `external: true` if {text} is not to be changed"),
        };
        Some(
            Diagnostic::at(span, "unknown resource")
                .label(format!("no manifest declares {text}"))
                .help(help),
        )
    }

    /// Checks what every resource depends on.
    pub(super) fn depends_on(&self, phases: Option<&[Phase]>, wrong: &mut Vec<Diagnostic>) {
        for (address, declared) in self.declared {
            let resource = &declared.resource;
            if let (Some(phase), Some(span), Some(phases)) =
                (&resource.phase, declared.phase_span, phases)
                && !phases.iter().any(|one| one.name == *phase)
            {
                wrong.push(unknown_phase(span, phase, phases));
            }
            for (target, span) in resource.depends_on.iter().zip(&declared.depends_spans) {
                match target {
                    DependsOn::Resource(target) if target == address => wrong.push(
                        Diagnostic::at(*span, "a resource that depends on itself")
                            .help("remove it"),
                    ),
                    DependsOn::Resource(target) if !self.declared.contains_key(target) => {
                        wrong.extend(self.dangling(*span, target, None));
                    }
                    DependsOn::Resource(_) => {}
                    DependsOn::Phase(name) => {
                        if let Some(phases) = phases
                            && !phases.iter().any(|one| one.name == *name)
                        {
                            wrong.push(unknown_phase(*span, name, phases));
                        } else if resource.phase.as_ref() == Some(name) {
                            wrong.push(
                                Diagnostic::at(*span, "a resource that depends on its own phase")
                                    .label(format!("{address} is part of phase {}", quote(name)))
                                    .help("depend on the resources that are needed, by address"),
                            );
                        }
                    }
                }
            }
        }
    }
}

/// What stands at a node of the graph: phases are nodes too, so that a
/// dependency on a phase costs one edge and not one for each member.
enum Stop<'a> {
    Resource(&'a Address),
    Phase(&'a str),
}

impl std::fmt::Display for Stop<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resource(address) => write!(f, "{address}"),
            Self::Phase(name) => write!(f, "phase.{name}"),
        }
    }
}

/// Tells of every circle, with the shortest way round and the place of each
/// step.
pub(super) fn circles(declared: &BTreeMap<Address, Declared>, wrong: &mut Vec<Diagnostic>) {
    let mut graph: DiGraph<Stop<'_>, Span> = DiGraph::new();
    let nodes: BTreeMap<&Address, NodeIndex> =
        declared.keys().map(|address| (address, graph.add_node(Stop::Resource(address)))).collect();
    let mut phases: BTreeMap<&str, NodeIndex> = BTreeMap::new();
    for one in declared.values() {
        for target in &one.resource.depends_on {
            if let DependsOn::Phase(name) = target {
                phases.entry(name).or_insert_with(|| graph.add_node(Stop::Phase(name)));
            }
        }
    }
    for (address, one) in declared {
        let Some(node) = nodes.get(address).copied() else { continue };
        let own_phase = one.resource.phase.as_deref();
        if let Some(phase) = own_phase.and_then(|phase| phases.get(phase)) {
            graph.add_edge(*phase, node, one.phase_span.unwrap_or(one.resource.origin.span));
        }
        for (target, span) in one.resource.depends_on.iter().zip(&one.depends_spans) {
            let target = match target {
                DependsOn::Resource(target) => nodes.get(target),
                // Its own phase is told of as such.
                DependsOn::Phase(name) if own_phase == Some(name) => None,
                DependsOn::Phase(name) => phases.get(name.as_str()),
            };
            if let Some(target) = target.filter(|target| **target != node) {
                graph.add_edge(node, *target, *span);
            }
        }
        for found in &one.found {
            if let Reference::Output { target, .. } = &found.reference
                && let Some(target) = nodes.get(target).filter(|target| **target != node)
            {
                graph.add_edge(node, *target, found.span);
            }
        }
    }
    // Kosaraju's, because petgraph's other one recurses: a long chain of
    // resources would overflow the stack.
    for component in kosaraju_scc(&graph) {
        if component.len() > 1 {
            wrong.extend(circle(&graph, &component));
        }
    }
}

/// So many steps of a circle are shown: a hundred help nobody more.
const SHOWN: usize = 20;

fn circle(graph: &DiGraph<Stop<'_>, Span>, component: &[NodeIndex]) -> Option<Diagnostic> {
    // Nodes were added in the order of addresses, resources first.
    let start = component.iter().min().copied()?;
    let inside: BTreeSet<NodeIndex> = component.iter().copied().collect();
    let mut came_from: BTreeMap<NodeIndex, (NodeIndex, Span)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        if came_from.contains_key(&start) {
            break;
        }
        let mut edges: Vec<_> =
            graph.edges(node).map(|edge| (edge.target(), *edge.weight())).collect();
        edges.sort();
        for (target, span) in edges {
            if inside.contains(&target) && !came_from.contains_key(&target) {
                came_from.insert(target, (node, span));
                queue.push_back(target);
            }
        }
    }
    let mut steps = Vec::new();
    let mut node = start;
    loop {
        let (from, span) = came_from.get(&node).copied()?;
        steps.push((from, node, span));
        node = from;
        if node == start {
            break;
        }
    }
    steps.reverse();
    let say =
        |from: NodeIndex, to: NodeIndex| match (graph.node_weight(from), graph.node_weight(to)) {
            (Some(Stop::Phase(phase)), Some(to)) => format!("{to} is part of phase.{phase}"),
            (Some(from), Some(to)) => format!("{from} needs {to}"),
            _ => String::new(),
        };
    let mut steps_iter = steps.iter();
    let (from, to, span) = steps_iter.next()?;
    let mut diagnostic =
        Diagnostic::at(*span, "resources depend on each other in a circle").label(say(*from, *to));
    for (from, to, span) in steps_iter.take(SHOWN) {
        diagnostic = diagnostic.related(*span, say(*from, *to));
    }
    let mut chain: Vec<String> = steps
        .iter()
        .take(SHOWN + 1)
        .filter_map(|(from, _, _)| graph.node_weight(*from))
        .map(ToString::to_string)
        .collect();
    if steps.len() > SHOWN + 1 {
        chain.push(format!("({} more)", steps.len() - SHOWN - 1));
    }
    chain.extend(graph.node_weight(start).map(ToString::to_string));
    Some(diagnostic.help(format!("{}: remove one of these steps", chain.join(" -> "))))
}
