//! The commands that make, change, lead back and delete a stack.

use std::time::Duration;

use super::super::{Blocker, Desired, Operation, Step, Verb, iam, iam_document};
use super::status::State;
use super::{
    CAPABILITIES, ON_FAILURE, PARAMETERS, PROTECTION, RAW_TAGS, ROLE_ARN, STACK_NAME, STATUS, TAGS,
    TEMPLATE, minutes, status,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Value};

pub(super) fn steps(operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
    match (operation.verb, operation.desired) {
        (Verb::Delete, _) => Ok(delete(operation)),
        (Verb::Create, Some(desired)) => Ok(vec![create(operation, desired)]),
        (Verb::Update, Some(desired)) => Ok(update(operation, desired)),
        (Verb::Repair, Some(desired)) => repair(operation, desired),
        // Only a delete comes without a desired value.
        (Verb::Create | Verb::Update | Verb::Repair, None) => Ok(Vec::new()),
    }
}

fn name(operation: &Operation<'_>) -> Value {
    iam::part(operation.identity, STACK_NAME)
}

fn step(operation: &Operation<'_>, title: &str, call: &str, mut input: Map) -> Step {
    let name = name(operation);
    let title = format!("{title} {}", iam::label(&name));
    input.insert("StackName".into(), name);
    Step::new(title, Command::aws_write("cloudformation", call, Value::Map(input)))
}

/// Waits in the tool: what comes next needs the end of what came before.
fn wait(operation: &Operation<'_>, title: &str, waiter: &str) -> Step {
    let settings = operation.desired.map(|desired| &desired.settings);
    let minutes = settings.map_or(super::DEFAULT_TIMEOUT, minutes);
    let name = iam::label(&name(operation));
    let command = Command::write(Tool::Aws, &["cloudformation", "wait", waiter])
        .flag("--stack-name", &name)
        .with_timeout(Duration::from_secs(60 * minutes));
    Step::new(format!("{title} {name}"), command)
}

/// What creating and updating send alike.
fn input(desired: &Desired) -> Map {
    let mut input = Map::new();
    if let Some(template) = desired.attributes.get(TEMPLATE) {
        input.insert("TemplateBody".into(), iam_document::text(template));
    }
    let parameters = desired.attributes.get(PARAMETERS).and_then(Value::as_map);
    let parameters: Vec<Value> = parameters
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            let key = key.as_str().into();
            iam::map([("ParameterKey", key), ("ParameterValue", value.clone())]).into()
        })
        .collect();
    if !parameters.is_empty() {
        input.insert("Parameters".into(), parameters.into());
    }
    for (setting, member) in [(CAPABILITIES, "Capabilities"), (ROLE_ARN, "RoleARN")] {
        if let Some(value) = desired.settings.get(setting) {
            input.insert(member.into(), value.clone());
        }
    }
    input
}

fn own_tags(desired: &Desired) -> Vec<Value> {
    let tags = desired.attributes.get(TAGS).and_then(Value::as_map);
    tags.into_iter().flatten().map(|(key, value)| iam::tag(key, value)).collect()
}

fn create(operation: &Operation<'_>, desired: &Desired) -> Step {
    let mut input = input(desired);
    let tags = own_tags(desired);
    if !tags.is_empty() {
        input.insert("Tags".into(), tags.into());
    }
    let on_failure = desired.settings.get(ON_FAILURE).cloned();
    input.insert("OnFailure".into(), on_failure.unwrap_or_else(|| "ROLLBACK".into()));
    if let Some(protected) = desired.attributes.get(PROTECTION) {
        input.insert("EnableTerminationProtection".into(), protected.clone());
    }
    step(operation, "create the stack", "create-stack", input)
}

fn update(operation: &Operation<'_>, desired: &Desired) -> Vec<Step> {
    let touched = |name: &str| iam::touches(operation.changes, name);
    let mut steps = Vec::new();
    if touched(PROTECTION)
        && let Some(protected) = desired.attributes.get(PROTECTION)
    {
        let input = iam::map([("EnableTerminationProtection", protected.clone())]);
        let title = "set whether the stack may be deleted:";
        steps.push(step(operation, title, "update-termination-protection", input));
    }
    if [TEMPLATE, PARAMETERS, TAGS].into_iter().any(touched) {
        let mut input = input(desired);
        if touched(TAGS) {
            input.insert("Tags".into(), tags(operation).into());
        }
        steps.push(step(operation, "update the stack", "update-stack", input));
    }
    steps
}

/// All tags that are to be there: an update replaces them as a whole, so those
/// of others are sent along. AWS's own can't be sent, and stay.
fn tags(operation: &Operation<'_>) -> Vec<Value> {
    let members = iam::members(operation.changes, TAGS);
    let raw = operation.object.and_then(|object| object.facts.get(RAW_TAGS));
    let raw = raw.and_then(Value::as_list).unwrap_or_default();
    let kept = raw.iter().filter(|tag| {
        let key = tag.get("Key").and_then(Value::as_str).unwrap_or("");
        !iam::is_aws_tag(key) && !members.iter().any(|member| member.key == key)
    });
    let ours =
        members.iter().filter_map(|member| Some(iam::tag(&member.key, member.after.as_ref()?)));
    kept.cloned().chain(ours).collect()
}

/// Leads a stack back that is stuck between two states, then updates it where it
/// differs.
fn repair(operation: &Operation<'_>, desired: &Desired) -> Result<Vec<Step>, Vec<Blocker>> {
    let fact = |name: &str| {
        let facts = operation.object.map(|object| &object.facts);
        facts.and_then(|facts| facts.get(name)).and_then(Value::as_str).unwrap_or("")
    };
    let told = fact(STATUS);
    let role = desired.settings.get(ROLE_ARN).map(|role| ("RoleARN".to_owned(), role.clone()));
    let input: Map = role.into_iter().collect();
    let mut steps = match told {
        "UPDATE_ROLLBACK_FAILED" => {
            vec![step(operation, "go on rolling back", "continue-update-rollback", input)]
        }
        "UPDATE_FAILED" => vec![step(operation, "roll back", "rollback-stack", input)],
        _ if State::of(told) == State::Stuck => {
            let name = operation.identity.part(STACK_NAME);
            return Err(vec![Blocker {
                code: "StackFailed".into(),
                message: status::told(name, told, fact(super::CAUSE)),
                next: format!(
                    "see to the stack by hand: aws cloudformation describe-stack-events --stack-name {name}"
                ),
            }]);
        }
        _ => Vec::new(),
    };
    let updates = update(operation, desired);
    if !steps.is_empty() && !updates.is_empty() {
        steps.push(wait(operation, "wait for the rollback of", "stack-rollback-complete"));
    }
    steps.extend(updates);
    Ok(steps)
}

fn delete(operation: &Operation<'_>) -> Vec<Step> {
    let settings = operation
        .desired
        .map(|desired| &desired.settings)
        .or(operation.prior.map(|prior| &prior.settings));
    let role = settings.and_then(|settings| settings.get(ROLE_ARN));
    let input = role.map(|role| ("RoleARN".to_owned(), role.clone())).into_iter().collect();
    let mut steps = vec![step(operation, "delete the stack", "delete-stack", input)];
    if operation.desired.is_some() {
        // Another one of that name is made after it.
        steps.push(wait(operation, "wait for the end of", "stack-delete-complete"));
    }
    steps
}
