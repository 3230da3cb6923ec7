//! How a stack is read: its description, its template, and its events where
//! something has failed.

use serde_json::Value as Json;

use super::super::eks::{list, text};
use super::super::iam::{self, Source};
use super::super::{Answers, Live, Object, Questions, ReadError, Reading, Subject};
use super::status::{self, State};
use super::{
    CAUSE, LIST_OUTPUTS, PARAMETERS, PROTECTED, PROTECTION, RAW_TAGS, STACK_NAME, STATUS, TAGS,
    TEMPLATE,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Value};

/// What CloudFormation shows in place of a parameter that is not to be shown.
const HIDDEN: &str = "****";

fn command(operation: &str, name: &str) -> Command {
    Command::read(Tool::Aws, &["cloudformation", operation]).flag("--stack-name", name)
}

pub(super) fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let name = subject.identity.part(STACK_NAME);
    let mut questions = Questions::new(answers);
    let describe = command("describe-stacks", name);
    let get = command("get-template", name).flag("--template-stage", "Original");
    let wanted = subject.desired.map(|desired| &desired.attributes);
    let template_declared = wanted.is_some_and(|wanted| wanted.contains_key(TEMPLATE));
    let answer = questions.ask(describe.clone());
    // Asked at once: most often the stack is there.
    let told = if template_declared { questions.ask(get.clone()) } else { None };
    let Some(answer) = answer else { return Ok(questions.asking()) };
    if is_absent(answer) {
        return Ok(Reading::Live(Live::Absent));
    }
    let stacks = list(&describe, answer, "Stacks")?;
    let source = Source { command: &describe, answer };
    let Some(stack) = stacks.first() else { return Err(source.lacks("Stacks")) };
    let status = source.text(stack, "StackStatus")?;
    if status == "DELETE_COMPLETE" {
        return Ok(Reading::Live(Live::Absent));
    }
    let template = match (template_declared, told) {
        (false, _) => None,
        (true, None) => return Ok(questions.asking()),
        // One that was only planned has none yet.
        (true, Some(_)) if State::of(&status) == State::Review => None,
        (true, Some(answer)) => Some(template(&get, answer)?),
    };
    let mut cause = String::new();
    if State::of(&status).has_cause() {
        let events = command("describe-stack-events", name);
        let Some(answer) = questions.ask(events.clone()) else { return Ok(questions.asking()) };
        cause = status::cause(&list(&events, answer, "StackEvents")?, name, &status);
        if cause.is_empty() {
            text(stack, "/StackStatusReason").unwrap_or("").clone_into(&mut cause);
        }
    }

    let mut attributes = Map::new();
    if let Some(template) = &template {
        let wanted = wanted.and_then(|wanted| wanted.get(TEMPLATE));
        attributes.insert(TEMPLATE.into(), compared(template, wanted));
    }
    attributes.insert(PARAMETERS.into(), parameters(subject, stack, template.as_ref()));
    attributes.insert(TAGS.into(), source.tags(stack)?);
    let protected =
        stack.get("EnableTerminationProtection").and_then(Json::as_bool).unwrap_or(false);
    if wanted.is_some_and(|wanted| wanted.contains_key(PROTECTION)) {
        attributes.insert(PROTECTION.into(), protected.into());
    }
    let raw_tags = stack.get("Tags").and_then(Json::as_array);
    let raw_tags: Vec<Value> = raw_tags.into_iter().flatten().map(Value::from_json).collect();
    let facts = iam::map([
        (STATUS, status.as_str().into()),
        (CAUSE, cause.as_str().into()),
        (PROTECTED, protected.into()),
        (RAW_TAGS, raw_tags.into()),
    ]);
    let outputs = outputs(subject, stack, name, &status);
    let health = status::health(name, &status, &cause);
    let object = Object { attributes, outputs, health, facts, ..Object::default() };
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// CloudFormation has no error code for a stack that does not exist.
fn is_absent(answer: &Answer) -> bool {
    answer.is_service_error("ValidationError")
        && answer.service_error().is_some_and(|error| error.message.contains("does not exist"))
}

/// The template as it was sent. One that was written in YAML comes as a text,
/// and equals nothing that a manifest holds.
fn template(get: &Command, answer: &Answer) -> Result<Value, ReadError> {
    let whole = iam::whole(get, answer)?;
    let source = Source { command: get, answer };
    let body = source.member(&whole, "TemplateBody")?;
    let parsed = body.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok());
    Ok(Value::from_json(parsed.as_ref().unwrap_or(body)))
}

/// The live template as it is compared. CloudFormation refuses an update of
/// nothing but description and metadata, so such a difference is none.
fn compared(live: &Value, wanted: Option<&Value>) -> Value {
    let without = |template: &Value| {
        let mut members = template.as_map().cloned().unwrap_or_default();
        members.retain(|name, _| name != "Description" && name != "Metadata");
        members
    };
    match wanted {
        Some(wanted) if live.as_map().is_some() && without(live) == without(wanted) => {
            wanted.clone()
        }
        _ => live.clone(),
    }
}

/// The parameters that the manifest declares, or declared when it was last
/// applied; the others have the template's defaults.
fn parameters(subject: &Subject<'_>, stack: &Json, template: Option<&Value>) -> Value {
    let of = |attributes: Option<&Map>, key: &str| {
        attributes.and_then(|map| map.get(PARAMETERS)?.get(key).cloned())
    };
    let default = |key: &str| {
        let parameter = template?.get("Parameters")?.get(key)?;
        parameter.get("Default").map(super::parameter)
    };
    let listed = stack.get("Parameters").and_then(Json::as_array);
    let pairs = listed.into_iter().flatten().filter_map(|one| {
        Some((text(one, "/ParameterKey")?, one.get("ParameterValue")?.as_str()?))
    });
    let mut found = Map::new();
    for (key, live) in pairs {
        let wanted = of(subject.desired.map(|desired| &desired.attributes), key);
        let prior = of(subject.prior.map(|prior| &prior.attributes), key);
        let value = match live {
            // What can't be seen is taken to be what was sent last.
            HIDDEN => prior.clone().or(wanted.clone()).unwrap_or_else(|| live.into()),
            live => live.into(),
        };
        let back_to_default = wanted.is_none() && default(key).as_ref() == Some(&value);
        if (wanted.is_some() || prior.is_some()) && !back_to_default {
            found.insert(key.to_owned(), value);
        }
    }
    Value::Map(found)
}

fn outputs(subject: &Subject<'_>, stack: &Json, name: &str, status: &str) -> Map {
    let settings = subject
        .desired
        .map(|desired| &desired.settings)
        .or(subject.prior.map(|prior| &prior.settings));
    let lists = settings
        .and_then(|settings| settings.get(LIST_OUTPUTS))
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut outputs = iam::map([("name", name.into()), ("status", status.into())]);
    if let Some(id) = text(stack, "/StackId") {
        outputs.insert("stackId".into(), id.into());
    }
    let listed = stack.get("Outputs").and_then(Json::as_array);
    for one in listed.into_iter().flatten() {
        let (Some(key), Some(told)) =
            (text(one, "/OutputKey"), one.get("OutputValue").and_then(Json::as_str))
        else {
            continue;
        };
        let is_list = lists.iter().any(|list| list.as_str() == Some(key));
        let value = if is_list {
            let members = told.split(',').map(str::trim).filter(|member| !member.is_empty());
            Value::List(members.map(Value::from).collect())
        } else {
            Value::from(told)
        };
        outputs.insert(key.to_owned(), value);
    }
    outputs
}
