//! A plan as Terraform's plan JSON, format version 1.2, for tools that judge
//! such plans: Checkov, OPA, Trivy, tf-summarize.
//!
//! The document is made for readers, not for Terraform: no apply takes it. What
//! holds of it:
//!
//! - Types are those of Terraform's providers, so that rules for them apply;
//!   what one resource of a stack is may be several of Terraform's (`kinds`).
//! - Policies are texts of JSON with nothing left open (`policy`): a policy that
//!   is missing, unknown or an object passes every rule.
//! - A sensitive value is absent, and `*_sensitive` says that there is one. So
//!   is a value that is not known yet, and `after_unknown` says so.
//! - Arrays are sorted by address, and there is no `timestamp`: the same plan
//!   gives the same bytes.
//! - What Terraform has no word for is under `lkh`.
//!
//! This module must not judge a change, nor know anything but the plan.

mod change;
mod configuration;
mod eks;
mod iam;
mod kinds;
mod kubernetes;
mod policy;
mod s3;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};

use self::change::{Entry, Side};
use super::format::Rendering;
use crate::plan::{Action, Mode, Plan};
use crate::value::Value;

/// The version of the format that this follows.
const FORMAT_VERSION: &str = "1.2";

/// The Terraform whose format this is. Readers ask for it, and take another for
/// a plan that they don't know.
const TERRAFORM_VERSION: &str = "1.11.0";

/// How much `planned_values` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything that will be there, as Terraform tells it.
    All,
    /// Only what this plan changes. Readers judge what is in `planned_values`,
    /// changed or not: this is for the findings of one change.
    Delta,
}

/// The plan as Terraform's JSON: indented, for readers that point at lines.
pub fn render(of: &Rendering<'_>, extent: Extent) -> String {
    format!("{:#}\n", document(of, extent))
}

fn document(of: &Rendering<'_>, extent: Extent) -> Json {
    let plan = of.plan;
    let entries = change::entries(plan);
    let planned = entries.iter().filter(|entry| match extent {
        Extent::All => true,
        Extent::Delta => entry.is_changed(),
    });
    let unreadable = plan.changes.iter().any(|change| change.action == Action::Unknown);
    let mut document = json!({
        "format_version": FORMAT_VERSION,
        "terraform_version": TERRAFORM_VERSION,
        "variables": variables(plan),
        "planned_values": {
            "outputs": planned_outputs(plan),
            "root_module": module(planned.filter_map(|entry| entry.state(Side::After))),
        },
        "resource_changes": entries.iter().filter_map(Entry::change).collect::<Vec<_>>(),
        "output_changes": output_changes(plan),
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": TERRAFORM_VERSION,
            "values": {
                "root_module":
                    module(entries.iter().filter_map(|entry| entry.state(Side::Before))),
            },
        },
        "configuration": configuration::of(plan, &entries),
        "applyable": plan.has_changes(),
        "complete": plan.targets.is_empty() && plan.blocked().next().is_none(),
        "errored": unreadable,
        "lkh": {
            "planHash": of.hash.as_str(),
            "planFormat": plan.format_version,
            "stack": plan.stack,
            "mode": match plan.mode { Mode::Apply => "apply", Mode::Destroy => "destroy" },
            "account": plan.account,
            "region": plan.region,
            "targets": plan.targets,
            "notPlanned": not_planned(plan),
        },
    });
    let drift = change::drift(plan);
    if let Some(document) = document.as_object_mut().filter(|_| !drift.is_empty()) {
        document.insert("resource_drift".to_owned(), Json::Array(drift));
    }
    document
}

/// A module's resources, by address.
fn module(resources: impl Iterator<Item = (String, Json)>) -> Json {
    let sorted: BTreeMap<String, Json> = resources.collect();
    if sorted.is_empty() {
        return json!({});
    }
    json!({ "resources": sorted.into_values().collect::<Vec<_>>() })
}

/// The variables by name; a sensitive one has no value.
fn variables(plan: &Plan) -> Json {
    let each = plan.variables.iter().map(|(name, value)| {
        let told = if value.has_sensitive() || value.has_unknown() {
            json!({})
        } else {
            json!({ "value": value.redacted_json() })
        };
        (name.clone(), told)
    });
    Json::Object(each.collect())
}

fn planned_outputs(plan: &Plan) -> Json {
    let each = plan.outputs.iter().map(|output| {
        let mut told = JsonMap::new();
        told.insert("sensitive".to_owned(), output.now.has_sensitive().into());
        let tree = tree::of(&output.now);
        if !output.now.has_sensitive()
            && let Some(value) = tree.value
        {
            told.insert("type".to_owned(), type_of(&value));
            told.insert("value".to_owned(), value);
        }
        (output.name.clone(), Json::Object(told))
    });
    Json::Object(each.collect())
}

/// Terraform's word for the type of a value.
fn type_of(value: &Json) -> Json {
    match value {
        Json::String(_) => json!("string"),
        Json::Bool(_) => json!("bool"),
        Json::Number(_) => json!("number"),
        Json::Null | Json::Array(_) | Json::Object(_) => json!("dynamic"),
    }
}

fn output_changes(plan: &Plan) -> Json {
    let each = plan.outputs.iter().map(|output| {
        let before = output.before.as_ref().map(tree::of);
        let after = tree::of(&output.now);
        let actions = match &output.before {
            None => "create",
            Some(before) if *before == output.now => "no-op",
            Some(_) => "update",
        };
        let told = json!({
            "actions": [actions],
            "before": before.as_ref().and_then(|tree| tree.value.clone()),
            "after": after.value,
            "after_unknown": after.unknown,
            "before_sensitive": before.map_or(Json::Bool(false), |tree| tree.sensitive),
            "after_sensitive": after.sensitive,
        });
        (output.name.clone(), told)
    });
    Json::Object(each.collect())
}

/// What could not be planned at all: it is in no other part of the document.
fn not_planned(plan: &Plan) -> Json {
    let unknown = plan.changes.iter().filter(|change| change.action == Action::Unknown);
    let told: BTreeSet<_> = unknown.map(|change| change.address.to_string()).collect();
    told.into_iter().map(Json::String).collect()
}

/// The members of a map under other names, where they are declared.
fn renamed(map: &crate::value::Map, names: &[(&str, &str)]) -> crate::value::Map {
    let each = names.iter().filter_map(|(from, to)| {
        let value = map.get(*from).filter(|value| !value.is_null())?;
        Some(((*to).to_owned(), value.clone()))
    });
    each.collect()
}

/// A block of Terraform's: a list of one.
fn block(map: crate::value::Map) -> Value {
    Value::List(vec![Value::Map(map)])
}
