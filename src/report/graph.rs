//! The resource graph as DOT or Mermaid text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::address::Address;
use crate::engine::entry::Entry;

/// The graph in the DOT language of Graphviz: an arrow leads from a resource to
/// what it depends on; phases are clusters.
pub fn dot(entries: &BTreeMap<Address, Entry>) -> String {
    let mut text = String::from("digraph lkh {\n  rankdir = \"BT\";\n  node [shape = box];\n");
    for (phase, members) in phases(entries) {
        let indent = if phase.is_empty() { "  " } else { "    " };
        if !phase.is_empty() {
            let _ = writeln!(text, "  subgraph \"cluster_{phase}\" {{\n    label = \"{phase}\";");
        }
        for address in members {
            let _ = writeln!(text, "{indent}\"{address}\";");
        }
        if !phase.is_empty() {
            text.push_str("  }\n");
        }
    }
    for (address, entry) in entries {
        for dependency in &entry.dependencies {
            let _ = writeln!(text, "  \"{address}\" -> \"{dependency}\";");
        }
    }
    text.push_str("}\n");
    text
}

/// The graph as a Mermaid flowchart, which code forges draw in Markdown.
pub fn mermaid(entries: &BTreeMap<Address, Entry>) -> String {
    let id = |address: &Address| address.to_string().replace(['.', '-'], "_");
    let mut text = String::from("flowchart BT\n");
    for (phase, members) in phases(entries) {
        if !phase.is_empty() {
            let _ = writeln!(text, "  subgraph {phase}");
        }
        for address in members {
            let _ = writeln!(text, "    {}[\"{address}\"]", id(address));
        }
        if !phase.is_empty() {
            text.push_str("  end\n");
        }
    }
    for (address, entry) in entries {
        for dependency in &entry.dependencies {
            let _ = writeln!(text, "  {} --> {}", id(address), id(dependency));
        }
    }
    text
}

fn phases(entries: &BTreeMap<Address, Entry>) -> BTreeMap<&str, Vec<&Address>> {
    let mut phases: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for (address, entry) in entries {
        phases.entry(entry.phase.as_deref().unwrap_or("")).or_default().push(address);
    }
    phases
}
