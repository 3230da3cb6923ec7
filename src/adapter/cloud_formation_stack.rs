//! `CloudFormationStack`: a stack of CloudFormation, made from a template that
//! stands in the manifest.
//!
//! What a stack holds is CloudFormation's to make and to keep; here it is one
//! object with a template, parameters and tags, compared by structure. It works
//! on after its commands have ended, so whether a change came about is only told
//! by the stack's status, and why it did not by its events.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, json_schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::status::State;
use super::eks::{check_role_arn, check_tags, problem, tags_value, typed};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Object, OnChange, Operation,
    Problem, ReadError, Readiness, Reading, Rule, Step, Subject, iam,
};
use crate::diff::{Sides, compare};
use crate::value::{Map, Path, Value, is_unknown_text};

mod read;
mod status;
mod steps;

/// The adapter.
#[derive(Debug)]
pub struct CloudFormationStack;

// The identity, and attributes of the normal form.
const STACK_NAME: &str = "stackName";
const TEMPLATE: &str = "template";
const PARAMETERS: &str = "parameters";
const TAGS: &str = "tags";
const PROTECTION: &str = "terminationProtection";

// Settings.
const CAPABILITIES: &str = "capabilities";
const ON_FAILURE: &str = "onFailure";
const ROLE_ARN: &str = "roleArn";
const TIMEOUT: &str = "timeoutMinutes";
const LIST_OUTPUTS: &str = "listOutputs";
const OUTPUTS: &str = "outputs";

// Facts for steps and readiness.
const STATUS: &str = "status";
const CAUSE: &str = "cause";
const PROTECTED: &str = "protected";
const RAW_TAGS: &str = "rawTags";

/// How long a stack may take, in minutes, where the manifest does not say.
const DEFAULT_TIMEOUT: u64 = 30;
/// The longest text that CloudFormation takes as a template, in bytes.
const LONGEST_TEMPLATE: usize = 51_200;

/// A stack of AWS resources that CloudFormation makes from a template.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StackSpec {
    /// The stack's name: 1 to 128 letters, digits and hyphens, a letter first.
    /// Another name means another stack.
    stack_name: String,
    /// The template, as a tree: what CloudFormation takes as JSON, with its
    /// functions written out (`Ref`, `Fn::GetAtt`). A `${` that is for
    /// CloudFormation is written `$${`. Compared by structure. Required unless
    /// the stack is external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tree_schema")]
    template: Option<Json>,
    /// Values for the template's parameters. A list becomes a text with commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "parameters_schema")]
    parameters: Option<BTreeMap<String, Json>>,
    /// Outputs of the template that are lists, written as a text with commas:
    /// references to them get the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_outputs: Option<Vec<String>>,
    /// Outputs that may be referred to besides those of `template`: those of a
    /// stack that is external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outputs: Option<Vec<String>>,
    /// What CloudFormation may do beyond the ordinary, such as
    /// `CAPABILITY_NAMED_IAM` for a template that makes roles with names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<Capability>>,
    /// Tags of the stack and of all that it makes, at most 50. Others' tags are
    /// left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    /// What becomes of a stack that can't be made. Default `ROLLBACK`: what was
    /// made of it is deleted, and the stack stays to tell why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_failure: Option<OnFailure>,
    /// The role that CloudFormation acts as; not declared: whoever runs `lkh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    /// Whether CloudFormation refuses to delete the stack. Not declared, it is
    /// left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    termination_protection: Option<bool>,
    /// How long a change of the stack may take, in minutes: 1 to 120, default
    /// 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_minutes: Option<u64>,
}

/// What a template may need beyond the ordinary.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
enum Capability {
    /// It makes IAM resources.
    #[serde(rename = "CAPABILITY_IAM")]
    Iam,
    /// It makes IAM resources with names of its own.
    #[serde(rename = "CAPABILITY_NAMED_IAM")]
    NamedIam,
    /// It uses macros.
    #[serde(rename = "CAPABILITY_AUTO_EXPAND")]
    AutoExpand,
}

/// What becomes of a stack that can't be made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
enum OnFailure {
    /// What was made is deleted, and the stack stays to tell why.
    #[serde(rename = "ROLLBACK")]
    Rollback,
    /// All is deleted, the stack too.
    #[serde(rename = "DELETE")]
    Delete,
    /// All stays as it is, to be looked at.
    #[serde(rename = "DO_NOTHING")]
    DoNothing,
}

fn tree_schema(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

fn parameters_schema(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "array"]},
    })
}

impl Adapter for CloudFormationStack {
    fn schema(&self) -> Schema {
        schema_for!(StackSpec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const ATTRIBUTES: &[Attribute] = &[
            attribute(TEMPLATE, Rule::Tree),
            attribute(PARAMETERS, Rule::Entries),
            attribute(TAGS, Rule::Entries),
            attribute(PROTECTION, Rule::Exact),
        ];
        ATTRIBUTES
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the stack's name"),
            ("stackId", "the stack's ARN, another one each time it is made anew"),
            ("status", "the stack's status, such as CREATE_COMPLETE"),
        ]
    }

    /// The template's own outputs, and those that the spec names.
    fn declared_outputs(&self, spec: &Value) -> Vec<String> {
        let of_template =
            spec.get(TEMPLATE).and_then(|template| template.get("Outputs")).and_then(Value::as_map);
        let named = spec.get(OUTPUTS).and_then(Value::as_list).unwrap_or_default();
        of_template
            .into_iter()
            .flat_map(|outputs| outputs.keys().cloned())
            .chain(named.iter().filter_map(Value::as_str).map(str::to_owned))
            .collect()
    }

    fn patience(&self, desired: &Desired) -> Duration {
        Duration::from_secs(60 * minutes(&desired.settings))
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(typed) = typed::<StackSpec>(spec, &mut problems) else { return Err(problems) };
        let template = typed.template.as_ref().map(|t| Value::from_spec(t).unwrap_or_default());
        check(&typed, template.as_ref(), context, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(normal_form(&typed, template))
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read::read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn obstacles(&self, identity: &Identity, object: &Object) -> Vec<Blocker> {
        let protected = object.facts.get(PROTECTED).and_then(Value::as_bool) == Some(true);
        let name = identity.part(STACK_NAME);
        let blocker = Blocker {
            code: "StackProtected".into(),
            message: format!("the stack {name} is protected from being deleted"),
            next: format!(
                "aws cloudformation update-termination-protection --stack-name {name} \
                 --no-enable-termination-protection"
            ),
        };
        protected.then_some(blocker).into_iter().collect()
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        let text = |name: &str| object.facts.get(name).and_then(Value::as_str).unwrap_or("");
        let (status, name) = (text(STATUS), desired.identity.part(STACK_NAME));
        let message = status::told(name, status, text(CAUSE));
        let blocker = |code: &str, next: String| {
            vec![Blocker { code: code.into(), message: message.clone(), next }]
        };
        let events = format!("aws cloudformation describe-stack-events --stack-name {name}");
        match State::of(status) {
            State::Sound => missing_outputs(desired, object),
            State::Busy => Readiness::Waiting(blocker("StackBusy", events)),
            State::Review => Readiness::NotReady(blocker(
                "StackInReview",
                format!("aws cloudformation list-change-sets --stack-name {name}"),
            )),
            // It is what it was before; whether that is what is asked for now
            // tells whether anything is wrong.
            State::RolledBack => {
                let sides =
                    Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
                if compare(self.attributes(), &desired.exclusive, sides, &[]).is_equal() {
                    missing_outputs(desired, object)
                } else {
                    Readiness::NotReady(blocker("StackRolledBack", events))
                }
            }
            State::Dead | State::Stuck => Readiness::NotReady(blocker("StackFailed", events)),
        }
    }
}

fn minutes(settings: &Map) -> u64 {
    match settings.get(TIMEOUT) {
        Some(Value::Number(number)) => number.as_u64().unwrap_or(DEFAULT_TIMEOUT),
        _ => DEFAULT_TIMEOUT,
    }
}

/// Whether the stack has the outputs that the spec names.
fn missing_outputs(desired: &Desired, object: &Object) -> Readiness {
    let named = desired.settings.get(OUTPUTS).and_then(Value::as_list).unwrap_or_default();
    let missing: Vec<&str> = named
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !object.outputs.contains_key(*name))
        .collect();
    if missing.is_empty() {
        return Readiness::Ready;
    }
    let name = desired.identity.part(STACK_NAME);
    Readiness::NotReady(vec![Blocker {
        code: "StackWithoutOutput".into(),
        message: format!("the stack {name} has no output {}", missing.join(", ")),
        next: format!("aws cloudformation describe-stacks --stack-name {name}"),
    }])
}

fn check(
    spec: &StackSpec,
    template: Option<&Value>,
    context: &Context,
    problems: &mut Vec<Problem>,
) {
    let name = spec.stack_name.as_str();
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let good = (1..=128).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_unknown_text(name) && !good {
        problems.push(problem(
            Path::new(STACK_NAME),
            format!("`{name}` can't be the name of a stack"),
            "use 1 to 128 letters, digits and hyphens, a letter first",
        ));
    }
    if let Some(tags) = &spec.tags {
        check_tags(tags, 128, problems);
    }
    if let Some(role) = &spec.role_arn {
        check_role_arn(role, ROLE_ARN, problems);
    }
    if spec.timeout_minutes.is_some_and(|minutes| !(1..=120).contains(&minutes)) {
        problems.push(problem(Path::new(TIMEOUT), "a stack may take 1 to 120 minutes", ""));
    }
    match template {
        Some(template) => check_template(spec, template, problems),
        None if !context.external => problems.push(problem(
            Path::default(),
            "the stack has no `template`",
            "write one; or mark the resource `external: true`",
        )),
        None => {}
    }
}

fn check_template(spec: &StackSpec, template: &Value, problems: &mut Vec<Problem>) {
    let path = Path::new(TEMPLATE);
    let section = |name: &str| template.get(name).and_then(Value::as_map);
    match section("Resources") {
        Some(resources) if !resources.is_empty() => {
            for (name, resource) in resources {
                if resource.as_map().is_some() && resource.get("Type").is_none() {
                    problems.push(problem(
                        path.join("Resources").join(name),
                        "the resource has no `Type`",
                        "add one, such as AWS::EC2::VPC",
                    ));
                }
            }
        }
        Some(_) | None => {
            problems.push(problem(path.clone(), "the template has no `Resources`", "add some"));
        }
    }
    if let Some(json) = template.reveal() {
        let length = json.to_string().len();
        if length > LONGEST_TEMPLATE {
            problems.push(problem(
                path.clone(),
                format!("the template has {length} bytes; {LONGEST_TEMPLATE} can be sent"),
                "make two stacks of it",
            ));
        }
    }
    let own = ["name", "stackId", "status"];
    for name in section("Outputs").into_iter().flatten().map(|(name, _)| name) {
        if own.contains(&name.as_str()) {
            problems.push(problem(
                path.join("Outputs").join(name),
                format!("`{name}` is an output that every stack has"),
                "give it another name",
            ));
        }
    }
    let declared = section("Parameters");
    for name in spec.parameters.iter().flatten().map(|(name, _)| name) {
        if !declared.is_some_and(|declared| declared.contains_key(name)) {
            problems.push(problem(
                Path::new(PARAMETERS).join(name),
                format!("the template has no parameter `{name}`"),
                "add it below `template.Parameters`, or remove it here",
            ));
        }
    }
    for (name, parameter) in declared.into_iter().flatten() {
        let given = spec.parameters.as_ref().is_some_and(|given| given.contains_key(name));
        if !given && parameter.get("Default").is_none() {
            problems.push(problem(
                Path::new(PARAMETERS),
                format!("the template's parameter `{name}` has no value"),
                "give it one here, or a `Default` in the template",
            ));
        }
    }
}

fn normal_form(spec: &StackSpec, template: Option<Value>) -> Desired {
    let name = Value::from_spec_text(&spec.stack_name);
    let mut attributes = Map::new();
    if let Some(template) = template {
        attributes.insert(TEMPLATE.into(), template);
    }
    if let Some(parameters) = &spec.parameters {
        let values = parameters.iter().map(|(name, json)| {
            (name.clone(), parameter(&Value::from_spec(json).unwrap_or_default()))
        });
        attributes.insert(PARAMETERS.into(), Value::Map(values.collect()));
    }
    if let Some(tags) = &spec.tags {
        attributes.insert(TAGS.into(), tags_value(tags));
    }
    if let Some(protected) = spec.termination_protection {
        attributes.insert(PROTECTION.into(), protected.into());
    }
    let texts = |list: &Option<Vec<String>>| {
        let texts = list.iter().flatten().map(|text| Value::from_spec_text(text));
        Value::List(texts.collect())
    };
    let mut settings = iam::map([
        (TIMEOUT, spec.timeout_minutes.unwrap_or(DEFAULT_TIMEOUT).into()),
        (LIST_OUTPUTS, texts(&spec.list_outputs)),
        (OUTPUTS, texts(&spec.outputs)),
    ]);
    if let Some(capabilities) = &spec.capabilities {
        settings.insert(CAPABILITIES.into(), Value::from_spec(capabilities).unwrap_or_default());
    }
    if let Some(on_failure) = &spec.on_failure {
        settings.insert(ON_FAILURE.into(), Value::from_spec(on_failure).unwrap_or_default());
    }
    if let Some(role) = &spec.role_arn {
        settings.insert(ROLE_ARN.into(), Value::from_spec_text(role));
    }
    Desired {
        identity: Identity::new([(STACK_NAME, name.clone())]),
        attributes,
        outputs: iam::map([("name", name)]),
        settings,
        ..Desired::default()
    }
}

/// A parameter's value as CloudFormation takes it: a text.
fn parameter(value: &Value) -> Value {
    match value {
        Value::List(list) => {
            let parts: Vec<String> = list.iter().map(|one| iam::label(&parameter(one))).collect();
            let text = parts.join(",");
            if value.has_unknown() { Value::Unknown(text) } else { Value::String(text) }
        }
        Value::Bool(_) | Value::Number(_) => Value::String(value.to_string()),
        Value::Null
        | Value::String(_)
        | Value::Map(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
