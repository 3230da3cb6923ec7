//! Bringing a stack to its template: what is new is made, what has changed is
//! made anew, what is no longer there is removed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::model::Fault;
use super::resources::{self, Place};
use super::template::{Scope, Template, plain};
use super::{conditions, event, text};
use crate::sandbox::world::World;

/// A change of a stack.
pub(super) struct Change<'a> {
    /// The region.
    pub region: &'a str,
    /// `CREATE` or `UPDATE`: how events call it.
    pub verb: &'static str,
    /// The template that it is to be brought to.
    pub template: &'a Template,
}

fn made_of(stack: &Value) -> Map<String, Value> {
    stack["made"].as_object().cloned().unwrap_or_default()
}

/// Tries a change in a copy of the world, and takes it over if it works. Events
/// are written either way.
pub(super) fn apply_change(
    world: &mut World,
    stack: &mut Value,
    change: &Change<'_>,
) -> Result<(), ()> {
    let mut trial = world.clone();
    let mut after = stack.clone();
    let done = carry_out(&mut trial, &mut after, change);
    stack["events"] = after["events"].clone();
    match done {
        Ok(()) => {
            *world = trial;
            *stack = after;
            Ok(())
        }
        Err((id, kind, fault)) => {
            let status = format!("{}_FAILED", change.verb);
            let reason = format!(
                "Resource handler returned message: \"{} (Service: Ec2, Status Code: 400)\" \
                 (RequestToken: 00000000, HandlerErrorCode: InvalidRequest)",
                fault.message
            );
            event(world, stack, (&id, &kind, ""), &status, &reason);
            Err(())
        }
    }
}

type Failed = (String, String, Fault);

fn carry_out(world: &mut World, stack: &mut Value, change: &Change<'_>) -> Result<(), Failed> {
    let (name, stack_id) = (text(stack, "StackName").to_owned(), text(stack, "StackId").to_owned());
    let whole = |fault: Fault| (name.clone(), "AWS::CloudFormation::Stack".to_owned(), fault);
    let parameters = stack["parameters"].clone();
    let scope = Scope {
        region: change.region,
        name: &name,
        id: &stack_id,
        parameters: &parameters,
        made: &Map::new(),
    };
    let body = conditions::settle(&change.template.body, &scope).map_err(whole)?;
    let template = Template { body };
    let order = template.order().map_err(whole)?;
    let before = made_of(stack);
    let mut made: Map<String, Value> = Map::new();
    let mut replaced: Vec<(String, Value)> = Vec::new();
    for id in &order {
        let resource = template.resource(id);
        let kind = text(&resource, "Type").to_owned();
        let failed = |fault: Fault| (id.clone(), kind.clone(), fault);
        let scope = Scope {
            region: change.region,
            name: &name,
            id: &stack_id,
            parameters: &parameters,
            made: &made,
        };
        let asked = resource.get("Properties").unwrap_or(&Value::Null);
        let properties = scope.value(asked).map_err(failed)?;
        let tags = tags(stack, &properties, id);
        let old = before.get(id).filter(|old| old["type"] == kind.as_str());
        let place = Place { region: change.region };
        if let Some(old) = old {
            let without = |value: &Value| {
                let mut value = value.clone();
                if let Some(members) = value.as_object_mut() {
                    members.remove("Tags");
                }
                value
            };
            if without(&old["properties"]) == without(&properties) {
                let mut kept = old.clone();
                place.retag(world, text(old, "id"), &old["tags"], &tags);
                kept["properties"] = properties;
                kept["tags"] = json!(tags);
                made.insert(id.clone(), kept);
                continue;
            }
            // What it replaces goes first where there may be but one.
            if resources::may_be_two(&kind) {
                replaced.push((id.clone(), old.clone()));
            } else {
                place.remove(world, old).map_err(failed)?;
            }
        }
        let verb = if old.is_some() { "UPDATE" } else { "CREATE" };
        event(world, stack, (id, &kind, ""), &format!("{verb}_IN_PROGRESS"), "");
        let (physical, attributes) = place.make(world, &kind, &properties).map_err(failed)?;
        place.retag(world, &physical, &Value::Null, &tags);
        event(world, stack, (id, &kind, &physical), &format!("{verb}_COMPLETE"), "");
        made.insert(
            id.clone(),
            json!({
                "type": kind,
                "id": physical,
                "attributes": attributes,
                "properties": properties,
                "tags": tags,
                "order": made.len(),
            }),
        );
    }
    let gone = before.iter().filter(|(id, _)| !made.contains_key(*id));
    let mut doomed: Vec<(String, Value)> =
        gone.map(|(id, old)| (id.clone(), old.clone())).chain(replaced).collect();
    doomed.sort_by_key(|(_, old)| std::cmp::Reverse(old["order"].as_u64()));
    for (id, old) in doomed {
        let place = Place { region: change.region };
        let kind = text(&old, "type").to_owned();
        place.remove(world, &old).map_err(|fault| (id.clone(), kind.clone(), fault))?;
        event(world, stack, (&id, &kind, text(&old, "id")), "DELETE_COMPLETE", "");
    }
    let scope = Scope {
        region: change.region,
        name: &name,
        id: &stack_id,
        parameters: &parameters,
        made: &made,
    };
    let outputs = template.body.get("Outputs").and_then(Value::as_object);
    let mut told = Vec::new();
    for (key, output) in outputs.into_iter().flatten() {
        let value = scope.value(&output["Value"]).map_err(whole)?;
        let mut one = json!({"OutputKey": key, "OutputValue": plain(&value)});
        if let Some(description) = output.get("Description") {
            one["Description"] = description.clone();
        }
        told.push(one);
    }
    if told.is_empty() {
        stack.as_object_mut().map(|members| members.remove("Outputs"));
    } else {
        stack["Outputs"] = Value::from(told);
    }
    stack["made"] = Value::Object(made);
    Ok(())
}

/// The tags of a resource: its own, those of the stack, and CloudFormation's.
fn tags(stack: &Value, properties: &Value, id: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for list in [&stack["Tags"], &properties["Tags"]] {
        for tag in list.as_array().into_iter().flatten() {
            tags.insert(text(tag, "Key").to_owned(), plain(&tag["Value"]));
        }
    }
    for (key, value) in [
        ("aws:cloudformation:logical-id", id),
        ("aws:cloudformation:stack-id", text(stack, "StackId")),
        ("aws:cloudformation:stack-name", text(stack, "StackName")),
    ] {
        tags.insert(key.to_owned(), value.to_owned());
    }
    tags
}

/// Removes all that a stack made, as far as that can be; whether all is gone.
pub(super) fn remove_all(world: &mut World, stack: &mut Value, region: &str) -> bool {
    let mut made: Vec<(String, Value)> = made_of(stack).into_iter().collect();
    made.sort_by_key(|(_, one)| std::cmp::Reverse(one["order"].as_u64()));
    let mut left = Map::new();
    for (id, one) in made {
        let (kind, physical) = (text(&one, "type").to_owned(), text(&one, "id").to_owned());
        match (Place { region }).remove(world, &one) {
            Ok(()) => event(world, stack, (&id, &kind, &physical), "DELETE_COMPLETE", ""),
            Err(fault) => {
                let reason = format!("{} (Service: Ec2, Status Code: 400)", fault.message);
                event(world, stack, (&id, &kind, &physical), "DELETE_FAILED", &reason);
                left.insert(id, one);
            }
        }
    }
    let gone = left.is_empty();
    stack["made"] = Value::Object(left);
    gone
}
