//! What Terraform tells of the configuration: which resource refers to which.
//!
//! Rules that look at several resources at once, such as a bucket with its
//! encryption, join them by these references and by nothing else. This module
//! must not know single kinds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};

use super::change::{Entry, is_data};
use super::kinds::{self, Known};
use crate::address::Address;
use crate::plan::Plan;
use crate::value::Value;

/// The configuration that would lead to a plan.
pub(super) fn of(plan: &Plan, entries: &[Entry]) -> Json {
    let links = Links::of(plan);
    let mut resources: BTreeMap<String, Resource<'_>> = BTreeMap::new();
    let mut providers = BTreeMap::new();
    for entry in entries {
        let (name, full_name) = entry.provider();
        if name != "terraform" {
            providers.insert(name, full_name);
        }
        let resource = resources
            .entry(entry.base())
            .or_insert_with(|| Resource { entry, references: BTreeMap::new() });
        links.collect(entry, &mut resource.references);
    }
    let providers = providers.into_iter().map(|(name, full_name)| {
        let mut told = json!({ "name": name, "full_name": full_name });
        if let (true, Some(told)) = (name == "aws", told.as_object_mut()) {
            let region = json!({ "region": { "constant_value": plan.region } });
            told.insert("expressions".to_owned(), region);
        }
        (name.to_owned(), told)
    });
    let providers: JsonMap<String, Json> = providers.collect();
    let resources: Vec<Json> =
        resources.iter().map(|(base, resource)| resource.told(base, &links)).collect();
    let root = if resources.is_empty() { json!({}) } else { json!({ "resources": resources }) };
    json!({ "provider_config": providers, "root_module": root })
}

/// What refers to what.
struct Links {
    /// The address of what has an ARN.
    by_arn: BTreeMap<String, String>,
    /// The address of what stands for a resource, and what it depends on.
    main: BTreeMap<Address, (String, Vec<Address>)>,
}

impl Links {
    fn of(plan: &Plan) -> Self {
        let known = Known::of(plan);
        let mut links = Self { by_arn: BTreeMap::new(), main: BTreeMap::new() };
        for change in &plan.changes {
            let data = if is_data(change) { "data." } else { "" };
            let kind = kinds::main_type(change);
            let address = format!("{data}{kind}.{}", kinds::name_of(&change.address, kind));
            if let Some(arn) = known.arn(change) {
                links.by_arn.insert(arn, address.clone());
            }
            let depends_on = change.depends_on.iter().cloned().collect();
            links.main.insert(change.address.clone(), (address, depends_on));
        }
        links
    }

    /// Adds what the arguments of one resource refer to.
    fn collect(&self, entry: &Entry, into: &mut BTreeMap<String, BTreeSet<(String, String)>>) {
        for block in [&entry.after, &entry.before].into_iter().flatten() {
            for (argument, kind, attribute) in &block.references {
                let address = format!("{kind}.{}", kinds::name_of(&entry.of, kind));
                let reference = (address, (*attribute).to_owned());
                into.entry((*argument).to_owned()).or_default().insert(reference);
            }
            for (argument, value) in &block.values {
                if argument == "arn" {
                    continue;
                }
                if let Some(address) = value.as_str().and_then(|arn| self.by_arn.get(arn)) {
                    let reference = (address.clone(), "arn".to_owned());
                    into.entry(argument.clone()).or_default().insert(reference);
                }
            }
        }
    }
}

struct Resource<'a> {
    entry: &'a Entry,
    references: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Resource<'_> {
    fn told(&self, base: &str, links: &Links) -> Json {
        let entry = self.entry;
        let block = entry.after.as_ref().or(entry.before.as_ref());
        let mut expressions = JsonMap::new();
        for (argument, value) in block.into_iter().flat_map(|block| block.values.iter()) {
            let nested = match value {
                Value::Map(_) => false,
                Value::List(list) => list.iter().any(|one| one.as_map().is_some()),
                _ => false,
            };
            // Of several, each has its own; a block has expressions of its own.
            if nested || entry.index.is_some() {
                continue;
            }
            let told = if value.has_unknown() || value.has_sensitive() {
                json!({})
            } else {
                json!({ "constant_value": value.redacted_json() })
            };
            expressions.insert(argument.clone(), told);
        }
        for (argument, references) in &self.references {
            let told = references
                .iter()
                .flat_map(|(address, attribute)| {
                    [format!("{address}.{attribute}"), address.clone()]
                })
                .collect::<Vec<_>>();
            expressions.insert(argument.clone(), json!({ "references": told }));
        }
        let mut told = json!({
            "address": base,
            "mode": entry.mode(),
            "type": entry.kind,
            "name": entry.name,
            "provider_config_key": entry.provider().0,
            "expressions": expressions,
            "schema_version": 0,
        });
        if let Some(told) = told.as_object_mut() {
            if entry.index.is_some() {
                told.insert("for_each_expression".to_owned(), json!({}));
            }
            let own = links.main.get(&entry.of);
            let depends_on: BTreeSet<&str> = own
                .into_iter()
                .flat_map(|(_, depends_on)| depends_on)
                .filter_map(|address| links.main.get(address))
                .map(|(address, _)| address.as_str())
                .collect();
            if !depends_on.is_empty() {
                told.insert("depends_on".to_owned(), json!(depends_on));
            }
        }
        told
    }
}
