//! `Script`: what a script of the user's makes, wrapped instead of ported.
//!
//! A script that reads says whether the thing is there; one that applies makes
//! it or brings it up to date; one that deletes removes it. They are run as any
//! other command: planned, logged, verified by a read. What a script does
//! nobody can see, so the manifest's author vouches for two things: `read`
//! changes nothing (it runs at every plan), and `apply` bears being run again.
//!
//! This module must not read files: the texts come with the context.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_json::Value as Json;

use super::helm_release::spec::seconds;
use super::{
    Adapter, Answers, Attribute, Context, Desired, Identity, Live, Object, OnChange, Operation,
    Prior, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::adapter::Blocker;
use crate::command::{Answer, Command, Effect, READ_TIMEOUT, shell};
use crate::value::{Map, Path, Value};

use checks::Problems;

mod checks;
#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct Script;

/// Something that scripts of yours make: `read` says whether it is there,
/// `apply` makes it or brings it up to date, `delete` removes it. They run in
/// bash, in the directory of the manifests, with the tools and the credentials
/// of the run, their inputs as environment variables and nothing on standard
/// input; lkh sets no option of the shell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// Says what is there, and must change nothing: it runs at every plan. It
    /// prints one JSON object where the thing exists. It prints nothing or
    /// `{"absent": true}`, or ends with one of `absentCodes`, where it does not.
    /// Anything else means that nobody knows.
    read: Part,
    /// Makes the thing, or brings it up to date; it must bear being run again.
    /// Runs where `read` says absent, where an input or this script's text
    /// changed since the last apply, and where `expect` does not hold. Required
    /// unless the resource is external.
    apply: Option<Part>,
    /// Removes the thing. Without it, what `apply` made stays when the manifest
    /// goes.
    delete: Option<Part>,
    /// Environment variables of all three, by name: texts, numbers and truth
    /// values; sensitive ones too. A change runs `apply`, but that a sensitive
    /// value became another one can't be seen, since no state holds it: change
    /// another input with it.
    #[serde(default)]
    inputs: BTreeMap<String, Input>,
    /// What the object that `read` prints must hold, by key. Where it holds
    /// something else, that is drift, and `apply` runs.
    #[serde(default)]
    expect: BTreeMap<String, Json>,
    /// Keys of the object that `read` prints that others may refer to, as
    /// `${Script.NAME.KEY}`. They are kept in the state: nothing secret.
    #[serde(default)]
    outputs: Vec<String>,
    /// Exit codes by which `read` says that the thing does not exist, from 3 to
    /// 125; bash itself uses the others.
    #[serde(default)]
    absent_codes: Vec<u8>,
    /// How long `apply` and `delete` may take, such as `10m`. `read` may take a
    /// minute.
    #[serde(default = "five_minutes")]
    timeout: String,
    /// Whether the scripts run `kubectl` or `helm`: then they find the stack's
    /// cluster. Let the resource depend on the cluster.
    #[serde(default)]
    kubernetes: bool,
}

fn five_minutes() -> String {
    "5m".to_owned()
}

/// A script: a file or a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Part {
    /// The script's file, by its path from the directory of the manifests.
    file: Option<String>,
    /// The script itself. A `${` of the shell is written `$${`.
    script: Option<String>,
    /// The script's arguments.
    #[serde(default)]
    args: Vec<String>,
}

/// The value of an input.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Input {
    /// A truth value: `true` or `false`.
    Truth(bool),
    /// A number, as written.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

/// The identity's part, and the settings' keys.
const NAME: &str = "name";
const READ: &str = "read";
const APPLY: &str = "apply";
const DELETE: &str = "delete";
const TIMEOUT: &str = "timeoutSeconds";
const ABSENT_CODES: &str = "absentCodes";
const OUTPUTS: &str = "outputs";
const KUBERNETES: &str = "kubernetes";
/// The attributes.
const DIGEST: &str = "digest";
const INPUTS: &str = "inputs";
const EXPECT: &str = "expect";
const REMEMBERED: [&str; 3] = [DIGEST, APPLY, INPUTS];

impl Adapter for Script {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn updated(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const ATTRIBUTES: &[Attribute] = &[
            updated(DIGEST, Rule::Remembered),
            updated(APPLY, Rule::Remembered),
            updated(INPUTS, Rule::Remembered),
            updated(EXPECT, Rule::Entries),
        ];
        ATTRIBUTES
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn declared_outputs(&self, spec: &Value) -> Vec<String> {
        let named = spec.get(OUTPUTS).and_then(Value::as_list).unwrap_or_default();
        named.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    fn files(&self, spec: &Value) -> Vec<(Path, String)> {
        [READ, APPLY, DELETE]
            .into_iter()
            .filter_map(|part| {
                let name = spec.get(part)?.get("file")?.as_str()?;
                Some((Path::new(part).join("file"), name.to_owned()))
            })
            .collect()
    }

    fn is_read_early(&self) -> bool {
        false
    }

    fn is_readable(&self, desired: &Desired, prior: Option<&Prior>) -> bool {
        prior.is_some() || is_known(desired)
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let spec: Spec = spec.to_spec().map_err(|error| {
            vec![Problem { path: Path::default(), summary: error.to_string(), help: None }]
        })?;
        let mut problems = Problems(Vec::new());
        let mut settings = Map::new();
        let mut part = |name: &str, part: Option<&Part>| {
            let document = problems.document(name, part?, context)?;
            settings.insert(name.to_owned(), document.clone().into());
            Some(document)
        };
        part(READ, Some(&spec.read));
        let apply = part(APPLY, spec.apply.as_ref());
        part(DELETE, spec.delete.as_ref());
        if spec.apply.is_none() && !context.external {
            let help = "write it, or set `external: true` where the thing is only read";
            problems.add(Path::new(APPLY), "nothing says how it is made", help);
        }
        problems.check(&spec);
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        let seconds = seconds(&spec.timeout).unwrap_or_default();
        let codes = spec.absent_codes.iter().map(|code| Value::from(u64::from(*code)));
        settings.insert(TIMEOUT.to_owned(), seconds.into());
        settings.insert(ABSENT_CODES.to_owned(), Value::List(codes.collect()));
        let outputs = spec.outputs.iter().map(|name| name.as_str().into());
        settings.insert(OUTPUTS.to_owned(), Value::List(outputs.collect()));
        settings.insert(KUBERNETES.to_owned(), spec.kubernetes.into());
        // The text is an attribute: the state keeps it there, once.
        settings.remove(APPLY);
        let inputs = spec.inputs.iter().map(|(name, input)| (name.clone(), input.value()));
        let mut attributes = Map::from([(INPUTS.to_owned(), Value::Map(inputs.collect()))]);
        if let Some(apply) = apply {
            attributes.insert(DIGEST.to_owned(), Value::from(digest(&apply)));
            attributes.insert(APPLY.to_owned(), apply.into());
        }
        if !spec.expect.is_empty() {
            let expect = Value::from_spec(&spec.expect).unwrap_or_default();
            attributes.insert(EXPECT.to_owned(), expect);
        }
        Ok(Desired {
            identity: Identity::new([(NAME, context.name.as_str().into())]),
            attributes,
            settings,
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        // While an input is not known, what was applied last is looked for.
        let known = subject.desired.filter(|desired| is_known(desired));
        let (settings, attributes) = match (known, subject.prior) {
            (Some(desired), _) => (&desired.settings, &desired.attributes),
            (None, Some(prior)) => (&prior.settings, &prior.attributes),
            (None, None) => return Ok(Reading::Live(Live::Absent)),
        };
        let run = Run { settings, attributes, name: subject.identity.part(NAME) };
        let Some(command) = run.command(READ, Effect::Read, READ_TIMEOUT) else {
            let command = Command::script(run.name, Value::Null, Effect::Read, READ_TIMEOUT);
            let why = "the state does not hold the script that reads it";
            return Err(ReadError::new(command, &Answer::default(), why));
        };
        if is_forgotten(attributes) && known.is_none() && !settings.contains_key(DELETE) {
            // There or not, nothing is done to it.
            return Ok(Reading::Live(Live::Present(Box::default())));
        }
        if is_forgotten(attributes) {
            let why = "it needs a sensitive input, which no state holds; declare the resource \
                       again, then remove it with `lkh destroy --target`";
            return Err(ReadError::new(command, &Answer::default(), why));
        }
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(command.clone()) else { return Ok(questions.asking()) };
        let found = match found(answer, settings) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Reading::Live(Live::Absent)),
            Err(why) => return Err(ReadError::new(command, answer, why)),
        };
        let mut object = Object::default();
        // Nothing tells what was applied but the state; without one, what
        // exists is taken as applied.
        let remembered = subject.prior.map_or(attributes, |prior| &prior.attributes);
        for name in REMEMBERED {
            if let Some(value) = remembered.get(name) {
                object.attributes.insert(name.to_owned(), value.clone());
            }
        }
        // What is expected no longer is nothing that `apply` could take away.
        let expecting = subject.desired.map_or(remembered, |desired| &desired.attributes);
        let keys =
            expecting.get(EXPECT).and_then(Value::as_map).into_iter().flat_map(|map| map.keys());
        let live = keys.filter_map(|key| Some((key.clone(), Value::from_json(found.get(key)?))));
        object.attributes.insert(EXPECT.to_owned(), Value::Map(live.collect()));
        for name in texts(settings.get(OUTPUTS)) {
            let Some(value) = found.get(name) else {
                let why = format!("the answer has no `{name}`, which `outputs` names");
                return Err(ReadError::new(command, answer, why));
            };
            object.outputs.insert(name.to_owned(), Value::from_json(value));
        }
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let (settings, attributes) = match (operation.desired, operation.prior) {
            (Some(desired), _) => (&desired.settings, &desired.attributes),
            (None, Some(prior)) => (&prior.settings, &prior.attributes),
            (None, None) => return Ok(Vec::new()),
        };
        let name = operation.identity.part(NAME);
        let run = Run { settings, attributes, name };
        let (part, title) = match operation.verb {
            Verb::Create | Verb::Update | Verb::Repair => {
                let digest = attributes.get(DIGEST).and_then(Value::as_str).unwrap_or_default();
                let short: String = digest.chars().take("sha256:".len() + 12).collect();
                (APPLY, format!("run the script that applies {name} ({short})"))
            }
            Verb::Delete => (DELETE, format!("run the script that deletes {name}")),
        };
        let command = run.command(part, Effect::Write, run.timeout());
        Ok(command.map(|command| Step::new(title, command)).into_iter().collect())
    }

    /// What is read, applied and given to both: under another name it is the
    /// same thing.
    fn traces(&self, attributes: &Map, settings: &Map) -> Vec<String> {
        let (Some(read), Some(applied), Some(Value::Map(inputs))) =
            (settings.get(READ), attributes.get(DIGEST), attributes.get(INPUTS))
        else {
            return Vec::new();
        };
        if inputs.values().any(Value::has_unknown) {
            return Vec::new();
        }
        // No state holds what is sensitive, nor may a digest.
        let inputs = inputs.iter().map(|(name, value)| {
            let hidden = value.has_sensitive();
            (name.clone(), if hidden { Value::Null } else { value.clone() })
        });
        let whole = Value::List(vec![read.clone(), applied.clone(), Value::Map(inputs.collect())]);
        vec![whole.digest().as_str().to_owned()]
    }

    fn stays(&self, prior: &Prior) -> Option<&'static str> {
        let kept = !prior.settings.contains_key(DELETE);
        kept.then_some("no script says how to delete it")
    }
}

impl Input {
    fn value(&self) -> Value {
        match self {
            Self::Truth(truth) => truth.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => Value::from_spec_text(text),
        }
    }
}

/// The scripts of one resource.
struct Run<'a> {
    settings: &'a Map,
    attributes: &'a Map,
    name: &'a str,
}

impl Run<'_> {
    /// The command of a part, where there is one.
    fn command(&self, part: &str, effect: Effect, timeout: Duration) -> Option<Command> {
        let of = if part == APPLY { self.attributes } else { self.settings };
        let mut document = of.get(part)?.as_map()?.clone();
        let inputs = self.attributes.get(INPUTS).cloned().unwrap_or_else(Value::map);
        document.insert(shell::INPUTS.to_owned(), inputs);
        let name = match document.remove("file").as_ref().and_then(Value::as_str) {
            Some(file) => file.to_owned(),
            None => format!("{}.{part}", self.name),
        };
        let mut command = Command::script(&name, document.into(), effect, timeout);
        command.cluster = self.settings.get(KUBERNETES).and_then(Value::as_bool) == Some(true);
        Some(command)
    }

    fn timeout(&self) -> Duration {
        let seconds = match self.settings.get(TIMEOUT) {
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        Duration::from_secs(seconds.unwrap_or(300))
    }
}

/// Whether all that a script is given is known.
fn is_known(desired: &Desired) -> bool {
    !desired.attributes.get(INPUTS).is_some_and(Value::has_unknown)
}

/// Whether an input is one of which the state knows only that there was one.
fn is_forgotten(attributes: &Map) -> bool {
    let inputs = attributes.get(INPUTS).and_then(Value::as_map);
    let lost = |value: &Value| matches!(value, Value::Sensitive(inner) if inner.is_null());
    inputs.is_some_and(|inputs| inputs.values().any(lost))
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_str)
}

/// The digest of a script's text and arguments, wherever it is kept.
fn digest(document: &Map) -> String {
    let mut document = document.clone();
    document.remove("file");
    Value::Map(document).digest().as_str().to_owned()
}

/// The object that `read` printed; `None`: it says that there is none.
fn found(answer: &Answer, settings: &Map) -> Result<Option<serde_json::Map<String, Json>>, String> {
    let codes = settings.get(ABSENT_CODES).and_then(Value::as_list).unwrap_or_default();
    let says_absent = |code: &Value| *code == Value::Number(answer.code.into());
    if codes.iter().any(says_absent) {
        return Ok(None);
    }
    if !answer.succeeded() {
        return Err("the script that reads it failed, and not with a code of `absentCodes`".into());
    }
    if answer.stdout.trim().is_empty() {
        return Ok(None);
    }
    let told = |why: String| format!("{why}; it printed: {}", last_lines(&answer.stdout));
    match answer.json().map_err(told)? {
        Json::Object(map) if map.get("absent") == Some(&Json::Bool(true)) => Ok(None),
        Json::Object(map) => Ok(Some(map)),
        _ => Err(told("the answer is JSON, but not an object".into())),
    }
}

/// The last lines of an output, in one.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" / ");
    last.chars().take(300).collect()
}
