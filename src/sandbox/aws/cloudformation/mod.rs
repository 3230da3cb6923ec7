//! `aws cloudformation`: stacks, made from templates in the sandbox's EC2.
//!
//! Of templates it knows what a network needs: parameters, conditions, the functions of
//! `template`, and the resource types of `resources`. A change is tried in a copy
//! of the world and taken over as a whole, or not at all, so a rollback leaves
//! nothing behind. What came of a change shows with the second description after
//! it: the first one finds the stack at work, as in AWS.
//!
//! `cloudformation/REGION/NAME` holds a stack as it is described, with its
//! template, events and the ids of what it made beside.

mod conditions;
mod deploy;
mod operations;
mod resources;
mod template;

use serde_json::{Value, json};

use self::deploy::{Change, apply_change, remove_all};
use self::template::Template;
use super::facts::{self, ACCOUNT, to_millisecond};
use super::model::{Answer, Call, Fault, Service, fault};
use crate::sandbox::Output;
use crate::sandbox::world::World;

/// The service.
pub const SERVICE: Service =
    Service { command: "cloudformation", operations: operations::OPERATIONS };

fn key(region: &str, name: &str) -> String {
    format!("cloudformation/{region}/{name}")
}

fn invalid(message: impl Into<String>) -> Fault {
    fault("ValidationError", message)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The stack that a call names, by name or id.
fn find(call: &Call<'_>) -> Result<Value, Fault> {
    let told = call.input.text("StackName");
    // arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID
    let name = told.split('/').nth(1).unwrap_or(told);
    let found = call.world.get(&key(call.region, name)).cloned();
    found.ok_or_else(|| invalid(format!("Stack with id {told} does not exist")))
}

/// Adds an event, the newest first.
fn event(
    world: &mut World,
    stack: &mut Value,
    (id, kind, physical): (&str, &str, &str),
    status: &str,
    reason: &str,
) {
    let number = world.next("cloudformation/event");
    let mut event = json!({
        "StackId": stack["StackId"],
        "EventId": format!("{id}-{status}-{number:06}"),
        "StackName": stack["StackName"],
        "LogicalResourceId": id,
        "PhysicalResourceId": physical,
        "ResourceType": kind,
        "Timestamp": to_millisecond(world.now()),
        "ResourceStatus": status,
    });
    if !reason.is_empty() {
        event["ResourceStatusReason"] = Value::from(reason);
    }
    if let Some(events) = stack["events"].as_array_mut() {
        events.insert(0, event);
    }
}

fn event_of_stack(world: &mut World, stack: &mut Value, status: &str, reason: &str) {
    let (name, id) = (text(stack, "StackName").to_owned(), text(stack, "StackId").to_owned());
    event(world, stack, (&name, "AWS::CloudFormation::Stack", &id), status, reason);
}

/// Lets a stack become what its last change made of it.
fn settle(world: &mut World, region: &str, mut stack: Value) {
    let name = text(&stack, "StackName").to_owned();
    let becomes = text(&stack, "becomes").to_owned();
    match becomes.as_str() {
        "" => {}
        "DELETE_COMPLETE" => drop(world.remove(&key(region, &name))),
        status => {
            event_of_stack(world, &mut stack, status, "");
            stack["StackStatus"] = Value::from(status);
            stack["becomes"] = Value::Null;
            world.put(key(region, &name), stack);
        }
    }
}

fn is_busy(stack: &Value) -> bool {
    !text(stack, "becomes").is_empty()
}

/// `describe-stacks`.
fn describe(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let stacks = if call.input.text("StackName").is_empty() {
        let all = key(call.region, "");
        call.world.scan(&all).map(|(_, stack)| stack.clone()).collect()
    } else {
        vec![find(call)?]
    };
    for stack in &stacks {
        settle(call.world, call.region, stack.clone());
    }
    Ok(Answer::Body(json!({ "Stacks": stacks })))
}

/// `describe-stack-events`.
fn describe_events(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let stack = find(call)?;
    Ok(Answer::Body(json!({ "StackEvents": stack["events"] })))
}

/// `describe-stack-resources`.
fn describe_resources(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let stack = find(call)?;
    let made = stack["made"].as_object().cloned().unwrap_or_default();
    let resources: Vec<Value> = made
        .iter()
        .map(|(id, one)| {
            json!({
                "StackName": stack["StackName"],
                "StackId": stack["StackId"],
                "LogicalResourceId": id,
                "PhysicalResourceId": one["id"],
                "ResourceType": one["type"],
                "Timestamp": stack["CreationTime"],
                "ResourceStatus": "CREATE_COMPLETE",
            })
        })
        .collect();
    Ok(Answer::Body(json!({ "StackResources": resources })))
}

/// `get-template`: a tree, as the CLI prints a template that is JSON.
fn get_template(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let stack = find(call)?;
    Ok(Answer::Body(json!({
        "TemplateBody": stack["template"],
        "StagesAvailable": ["Original", "Processed"],
    })))
}

/// The template of a call, and what its parameters are.
fn read_template(call: &Call<'_>, before: Option<&Value>) -> Result<(Template, Value), Fault> {
    let body = match call.input.maybe("TemplateBody") {
        Some(body) => serde_json::from_str(body).map_err(|_| {
            invalid("Template format error: JSON not well-formed. The sandbox takes no YAML.")
        })?,
        None => match before {
            Some(stack) if call.input.flag("UsePreviousTemplate") == Some(true) => {
                stack["template"].clone()
            }
            _ => return Err(invalid("Either Template URL or Template Body must be specified.")),
        },
    };
    let template = Template::read(body)?;
    let mut parameters = serde_json::Map::new();
    for given in call.input.list("Parameters") {
        let name = text(given, "ParameterKey");
        let old = before.and_then(|stack| stack["parameters"].get(name)).cloned();
        let value = match old {
            Some(old) if given["UsePreviousValue"] == true => old,
            _ => given["ParameterValue"].clone(),
        };
        parameters.insert(name.to_owned(), value);
    }
    let parameters = template.parameters(&parameters)?;
    Ok((template, parameters))
}

fn listed(parameters: &Value) -> Value {
    let pairs = parameters.as_object().into_iter().flatten();
    pairs.map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value})).collect()
}

/// `create-stack`.
fn create(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let name = call.input.text("StackName").to_owned();
    if let Some(there) = call.world.get(&key(call.region, &name)) {
        let message = format!("Stack [{name}] already exists");
        let review = text(there, "StackStatus") == "REVIEW_IN_PROGRESS";
        if !review {
            return Err(fault("AlreadyExistsException", message));
        }
    }
    let (template, parameters) = read_template(call, None)?;
    let id = facts::uuid(call.world, "cloudformation/stack");
    let mut stack = json!({
        "StackId": format!("arn:aws:cloudformation:{}:{ACCOUNT}:stack/{name}/{id}", call.region),
        "StackName": name,
        "Parameters": listed(&parameters),
        "CreationTime": to_millisecond(call.world.now()),
        "RollbackConfiguration": {},
        "StackStatus": "CREATE_IN_PROGRESS",
        "DisableRollback": false,
        "NotificationARNs": [],
        "Capabilities": call.input.get("Capabilities"),
        "Tags": call.input.get("Tags").cloned().unwrap_or_else(|| json!([])),
        "EnableTerminationProtection": call.input.flag("EnableTerminationProtection").unwrap_or(false),
        "template": template.body,
        "parameters": parameters,
        "made": {},
        "events": [],
    });
    event_of_stack(call.world, &mut stack, "CREATE_IN_PROGRESS", "User Initiated");
    let on_failure = call.input.maybe("OnFailure").unwrap_or("ROLLBACK").to_owned();
    let change = Change { region: call.region, verb: "CREATE", template: &template };
    let becomes = match apply_change(call.world, &mut stack, &change) {
        Ok(()) => "CREATE_COMPLETE",
        Err(()) if on_failure == "DO_NOTHING" => "CREATE_FAILED",
        Err(()) => {
            event_of_stack(call.world, &mut stack, "ROLLBACK_IN_PROGRESS", "");
            if on_failure == "DELETE" { "DELETE_COMPLETE" } else { "ROLLBACK_COMPLETE" }
        }
    };
    stack["becomes"] = Value::from(becomes);
    let answer = json!({"StackId": stack["StackId"]});
    call.world.put(key(call.region, &name), stack);
    Ok(Answer::Body(answer))
}

/// `update-stack`.
fn update(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut stack = find(call)?;
    let status = text(&stack, "StackStatus").to_owned();
    let good =
        ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"];
    if is_busy(&stack) || !good.contains(&status.as_str()) {
        let id = text(&stack, "StackId");
        return Err(invalid(format!("Stack:{id} is in {status} state and can not be updated.")));
    }
    let (template, parameters) = read_template(call, Some(&stack))?;
    let tags = call.input.get("Tags").cloned().unwrap_or_else(|| stack["Tags"].clone());
    if template.significant() == Template::significant_of(&stack["template"])
        && parameters == stack["parameters"]
        && tags == stack["Tags"]
    {
        return Err(invalid("No updates are to be performed."));
    }
    let mut before = stack.clone();
    stack["template"] = template.body.clone();
    stack["Parameters"] = listed(&parameters);
    stack["parameters"] = parameters;
    stack["Tags"] = tags;
    stack["LastUpdatedTime"] = Value::from(to_millisecond(call.world.now()));
    event_of_stack(call.world, &mut stack, "UPDATE_IN_PROGRESS", "User Initiated");
    let change = Change { region: call.region, verb: "UPDATE", template: &template };
    let worked = apply_change(call.world, &mut stack, &change).is_ok();
    if worked {
        stack["StackStatus"] = Value::from("UPDATE_IN_PROGRESS");
        stack["becomes"] = Value::from("UPDATE_COMPLETE");
    } else {
        event_of_stack(call.world, &mut stack, "UPDATE_ROLLBACK_IN_PROGRESS", "");
        before["events"] = stack["events"].clone();
        stack = before;
        stack["StackStatus"] = Value::from("UPDATE_ROLLBACK_IN_PROGRESS");
        stack["becomes"] = Value::from("UPDATE_ROLLBACK_COMPLETE");
    }
    let answer = json!({"StackId": stack["StackId"]});
    let name = text(&stack, "StackName").to_owned();
    call.world.put(key(call.region, &name), stack);
    Ok(Answer::Body(answer))
}

/// `delete-stack`.
fn delete(call: &mut Call<'_>) -> Result<Answer, Fault> {
    // One that does not exist is gone already.
    let Ok(mut stack) = find(call) else { return Ok(Answer::Nothing) };
    let name = text(&stack, "StackName").to_owned();
    if stack["EnableTerminationProtection"] == true {
        return Err(invalid(format!(
            "Stack [{name}] cannot be deleted while TerminationProtection is enabled"
        )));
    }
    event_of_stack(call.world, &mut stack, "DELETE_IN_PROGRESS", "User Initiated");
    let gone = remove_all(call.world, &mut stack, call.region);
    stack["StackStatus"] = Value::from("DELETE_IN_PROGRESS");
    stack["becomes"] = Value::from(if gone { "DELETE_COMPLETE" } else { "DELETE_FAILED" });
    call.world.put(key(call.region, &name), stack);
    Ok(Answer::Nothing)
}

/// `update-termination-protection`.
fn protect(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut stack = find(call)?;
    let on = call.input.flag("EnableTerminationProtection").unwrap_or(false);
    stack["EnableTerminationProtection"] = Value::from(on);
    let answer = json!({"StackId": stack["StackId"]});
    let name = text(&stack, "StackName").to_owned();
    call.world.put(key(call.region, &name), stack);
    Ok(Answer::Body(answer))
}

/// `continue-update-rollback` and `rollback-stack`: what was before is there
/// already, since a change is taken over as a whole.
fn lead_back(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let mut stack = find(call)?;
    let status = text(&stack, "StackStatus").to_owned();
    if !matches!(status.as_str(), "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED") {
        let id = text(&stack, "StackId");
        return Err(invalid(format!(
            "Stack:{id} is in {status} state and can not be rolled back."
        )));
    }
    event_of_stack(call.world, &mut stack, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated");
    stack["StackStatus"] = Value::from("UPDATE_ROLLBACK_IN_PROGRESS");
    stack["becomes"] = Value::from("UPDATE_ROLLBACK_COMPLETE");
    let name = text(&stack, "StackName").to_owned();
    call.world.put(key(call.region, &name), stack);
    Ok(Answer::Body(json!({})))
}

/// The waiters that are known, each with what it waits for and what makes it
/// give up.
const WAITERS: &[(&str, &str, &str)] = &[
    ("stack-create-complete", "StackCreateComplete", "CREATE_COMPLETE"),
    ("stack-update-complete", "StackUpdateComplete", "UPDATE_COMPLETE"),
    ("stack-rollback-complete", "StackRollbackComplete", "UPDATE_ROLLBACK_COMPLETE"),
    ("stack-delete-complete", "StackDeleteComplete", "DELETE_COMPLETE"),
];

/// Waits, where the arguments ask for a wait that is known here.
pub fn wait(world: &mut World, args: &[String], stdin: &[u8]) -> Option<Output> {
    let (words, rest) = args.split_at_checked(3)?;
    let [service, wait, name] = words else { return None };
    if service != SERVICE.command || wait != "wait" {
        return None;
    }
    let (_, title, good) = WAITERS.iter().find(|(known, ..)| known == name)?;
    let mut read = vec![service.clone(), "describe-stacks".to_owned()];
    read.extend_from_slice(rest);
    let failed = |why: &str| Output::failed(255, format!("\nWaiter {title} failed: {why}\n"));
    // The first description finds it at work, the second one tells.
    let mut said = String::new();
    for _ in 0..3 {
        let answer = super::run(world, &read, stdin);
        String::from_utf8_lossy(&answer.stderr).trim().clone_into(&mut said);
        if said.contains("does not exist") && *good == "DELETE_COMPLETE" {
            return Some(Output::default());
        }
        let json: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        match json.pointer("/Stacks/0/StackStatus").and_then(Value::as_str) {
            Some(status) if status == *good => return Some(Output::default()),
            Some(_) => "Waiter encountered a terminal failure state".clone_into(&mut said),
            None => break,
        }
    }
    Some(failed(&said))
}
