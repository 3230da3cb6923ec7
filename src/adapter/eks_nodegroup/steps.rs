//! The commands that make, change and delete a node group. This module must not
//! read.

use crate::adapter::eks::{condition, list_value, tag_steps};
use crate::adapter::{Blocker, Desired, Identity, Operation, Step, Verb};
use crate::command::Command;
use crate::value::{Map, Value};

pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let name = operation.identity.part("nodegroupName");
    let create = || operation.desired.map(creation);
    match operation.verb {
        Verb::Create => Ok(create().into_iter().collect()),
        Verb::Update => update(operation),
        // One that was never made, or is half gone, can only be made anew.
        Verb::Repair => {
            let mut steps = vec![deletion(operation, name), gone(operation.identity)];
            steps.extend(create());
            Ok(steps)
        }
        Verb::Delete => {
            let status = operation.object.and_then(|object| object.outputs.get("status"));
            let goes = status.and_then(Value::as_str) == Some("DELETING");
            let mut steps = Vec::new();
            if !goes {
                steps.push(deletion(operation, name));
            }
            if operation.desired.is_some() {
                steps.push(gone(operation.identity));
            }
            Ok(steps)
        }
    }
}

fn deletion(operation: &Operation<'_>, name: &str) -> Step {
    let input = Value::Map(operation.identity.0.clone());
    Step::new(
        format!("delete the node group {name}"),
        Command::aws_write("eks", "delete-nodegroup", input),
    )
}

fn names(identity: &Identity) -> [(&'static str, &str); 2] {
    [
        ("--cluster-name", identity.part("clusterName")),
        ("--nodegroup-name", identity.part("nodegroupName")),
    ]
}

fn gone(identity: &Identity) -> Step {
    condition::wait_step("nodegroup-deleted", &names(identity))
}

/// Whether a value holds nothing that EKS would take.
fn is_empty(value: &Value) -> bool {
    value.as_map().is_some_and(|map| map.is_empty())
        || value.as_list().is_some_and(<[Value]>::is_empty)
}

/// A taint as EKS takes it, from its place in the normal form.
fn taint(key: &str, value: &Value) -> Value {
    let (key, effect) = key.rsplit_once(':').unwrap_or((key, "NO_SCHEDULE"));
    let mut taint =
        Map::from([("key".to_owned(), key.into()), ("effect".to_owned(), effect.into())]);
    if value.as_str() != Some("") {
        taint.insert("value".to_owned(), value.clone());
    }
    Value::Map(taint)
}

fn creation(desired: &Desired) -> Step {
    let declared = &desired.attributes;
    let mut input = desired.identity.0.clone();
    for (name, value) in declared {
        let own_shape = ["minSize", "maxSize", "desiredSize", "taints"].contains(&name.as_str());
        if !own_shape && !is_empty(value) {
            input.insert(name.clone(), value.clone());
        }
    }
    let mut scaling = scaling(declared);
    if let Some(least) = declared.get("minSize") {
        scaling.entry("desiredSize".to_owned()).or_insert_with(|| least.clone());
    }
    input.insert("scalingConfig".into(), scaling.into());
    if let Some(taints) = declared.get("taints").and_then(Value::as_map).filter(|t| !t.is_empty()) {
        let taints = taints.iter().map(|(key, value)| taint(key, value)).collect();
        input.insert("taints".into(), Value::List(taints));
    }
    Step::new(
        format!("make the node group {}", desired.identity.part("nodegroupName")),
        Command::aws_write("eks", "create-nodegroup", input.into()),
    )
}

fn scaling(declared: &Map) -> Map {
    ["minSize", "maxSize", "desiredSize"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), declared.get(name)?.clone())))
        .collect()
}

fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

/// The new bounds, with the number of nodes wherever the one that is there would
/// lie outside of them: EKS refuses that.
fn new_scaling(operation: &Operation<'_>, declared: &Map) -> Map {
    let mut scaling = scaling(declared);
    let live = number(operation.object.and_then(|object| object.facts.get("desiredSize")));
    let bounds = (number(declared.get("minSize")), number(declared.get("maxSize")));
    if let (Some(live), (Some(least), Some(most)), None) =
        (live, bounds, declared.get("desiredSize"))
        && least <= most
        && !(least..=most).contains(&live)
    {
        scaling.insert("desiredSize".to_owned(), Value::Number(live.clamp(least, most).into()));
    }
    scaling
}

/// The entries of an attribute that change: what is set, and the names of what
/// goes.
fn entries(operation: &Operation<'_>, attribute: &str) -> (Map, Vec<String>) {
    let (mut set, mut gone) = (Map::new(), Vec::new());
    for change in operation.changes {
        match (change.path.segments(), &change.after) {
            ([of, key], Some(value)) if of == attribute => {
                set.insert(key.clone(), value.clone());
            }
            ([of, key], None) if of == attribute => gone.push(key.clone()),
            _ => {}
        }
    }
    (set, gone)
}

fn update(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    let Some(desired) = operation.desired else { return Ok(Vec::new()) };
    let name = operation.identity.part("nodegroupName");
    let declared = &desired.attributes;
    let changed = |names: &[&str]| {
        operation.changes.iter().find(|change| {
            change.path.segments().first().is_some_and(|first| names.contains(&first.as_str()))
        })
    };
    if let Some(change) = changed(&["version"])
        && let (Some(before), Some(after)) = (&change.before, &change.after)
        && let (Some(before), Some(after)) = (before.as_str(), after.as_str())
        && let Some(blocker) =
            condition::version_blocker(&format!("the node group {name}"), before, after, false)
    {
        return Err(vec![blocker]);
    }
    let mut config = Map::new();
    if changed(&["minSize", "maxSize", "desiredSize"]).is_some() {
        config.insert("scalingConfig".into(), new_scaling(operation, declared).into());
    }
    if changed(&["updateConfig"]).is_some()
        && let Some(update) = declared.get("updateConfig")
    {
        config.insert("updateConfig".into(), update.clone());
    }
    let (set, gone) = entries(operation, "labels");
    if !set.is_empty() || !gone.is_empty() {
        let mut labels = Map::new();
        if !set.is_empty() {
            labels.insert("addOrUpdateLabels".to_owned(), set.into());
        }
        if !gone.is_empty() {
            labels.insert("removeLabels".to_owned(), list_value(gone));
        }
        config.insert("labels".into(), labels.into());
    }
    let (set, gone) = entries(operation, "taints");
    if !set.is_empty() || !gone.is_empty() {
        let added: Vec<Value> = set.iter().map(|(key, value)| taint(key, value)).collect();
        let gone: Vec<Value> = gone.iter().map(|key| taint(key, &"".into())).collect();
        let sides = [("addOrUpdateTaints", added), ("removeTaints", gone)];
        let sides = sides.into_iter().filter(|(_, taints)| !taints.is_empty());
        let taints: Map =
            sides.map(|(side, taints)| (side.to_owned(), Value::List(taints))).collect();
        config.insert("taints".into(), taints.into());
    }
    let mut steps =
        tag_steps(operation.changes, operation.object, "arn").map_err(|blocker| vec![blocker])?;
    let configures = !config.is_empty();
    if configures {
        let what: Vec<&str> = config.keys().map(String::as_str).collect();
        let title = format!("change {} of the node group {name}", what.join(", "));
        let mut input = operation.identity.0.clone();
        input.extend(config);
        steps.push(Step::new(
            title,
            Command::aws_write("eks", "update-nodegroup-config", input.into()),
        ));
    }
    if changed(&["version", "releaseVersion"]).is_some() {
        if configures {
            steps.push(condition::wait_step("nodegroup-active", &names(operation.identity)));
        }
        let mut input = operation.identity.0.clone();
        for member in ["version", "releaseVersion"] {
            input.extend(declared.get(member).map(|value| (member.to_owned(), value.clone())));
        }
        steps.push(Step::new(
            format!("move the nodes of {name} to another version"),
            Command::aws_write("eks", "update-nodegroup-version", input.into()),
        ));
    }
    Ok(steps)
}
