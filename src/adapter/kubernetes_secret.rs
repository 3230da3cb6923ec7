//! `KubernetesSecret`: a secret whose entries are generated once, or given by
//! sensitive variables.
//!
//! A generated entry is made when it is missing, by the gateway and right before
//! the tool starts; after that it only counts that it is there. What it is goes
//! into no plan, state or log, and no adapter. Given entries are compared in
//! memory. Entries that no manifest declares stay. Nothing that was generated
//! can be made again, so a secret outlives its manifest unless the manifest says
//! otherwise.
//!
//! There is no way of its own to take a value from the environment: a sensitive
//! variable is the one door.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::kube::{self, Got};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Health, Identity, Live, Object,
    OnChange, Operation, Prior, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::command::{Alphabet, Command, Recipe, Tool};
use crate::quote::quote;
use crate::value::{Map, Path, Value};

/// The adapter.
#[derive(Debug)]
pub struct KubernetesSecret;

/// A secret of the cluster.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The secret's name; unless given, the resource's.
    #[schemars(length(min = 1, max = 253))]
    name: Option<String>,
    /// The namespace that it is in.
    #[schemars(length(min = 1, max = 63))]
    namespace: String,
    /// The secret's type, such as `kubernetes.io/tls`; unless given, `Opaque`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The entries. Others that the secret has stay.
    data: BTreeMap<String, Entry>,
    /// What becomes of the secret when its manifest is removed or the stack is
    /// destroyed.
    #[serde(default)]
    on_delete: OnDelete,
}

/// One entry: either `generate` or `value`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// Made at random when the entry is missing, and never again.
    generate: Option<Generate>,
    /// The value, which is sensitive whatever it is written as: a reference to a
    /// sensitive variable.
    value: Option<String>,
}

/// How an entry is generated.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generate {
    /// What it begins with; not secret.
    #[serde(default)]
    prefix: String,
    /// How many random letters follow.
    #[schemars(range(min = 8, max = 512))]
    length: usize,
    /// Which letters these may be.
    #[serde(default)]
    alphabet: Letters,
}

/// The letters of a generated entry.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Letters {
    /// Letters and digits.
    #[default]
    Alphanumeric,
    /// Lowercase letters and digits.
    Lowercase,
    /// Hexadecimal digits.
    Hex,
}

/// What becomes of a secret that no manifest declares any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnDelete {
    /// It stays; `lkh` forgets it.
    #[default]
    Retain,
    /// It is deleted.
    Delete,
}

/// The type of a secret that declares none.
const OPAQUE: &str = "Opaque";

const DATA: &str = "data";
const GENERATED: &str = "generated";
const TYPE: &str = "type";
const ON_DELETE: &str = "onDelete";

impl Adapter for KubernetesSecret {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn attribute(name: &'static str, rule: Rule) -> Attribute {
            Attribute { name, rule, on_change: OnChange::Update }
        }
        const {
            &[
                attribute(DATA, Rule::Entries),
                attribute(GENERATED, Rule::Set),
                attribute(TYPE, Rule::Exact),
            ]
        }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "the secret's name"), ("namespace", "the namespace that it is in")]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        // What serde says of a wrong value may repeat it.
        let spec: Spec = spec.to_spec().map_err(|_| {
            let help = "an entry is `{value: ${var.NAME}}` or `{generate: {length: 32}}`";
            vec![kube::problem(&[], "the spec of a secret is not as it must be", help)]
        })?;
        let mut problems = Vec::new();
        let name = spec.name.as_deref().unwrap_or(&context.name);
        let help = "use lowercase letters, digits, and inner `-` and `.`";
        kube::check_name(&mut problems, &["name"], name, kube::is_subdomain, help);
        let help = "use at most 63 lowercase letters, digits and inner `-`";
        kube::check_name(&mut problems, &["namespace"], &spec.namespace, kube::is_label, help);
        if let Some(kind) = &spec.kind {
            let help = "write a type such as `Opaque` or `kubernetes.io/tls`";
            kube::check_name(&mut problems, &["type"], kind, kube::is_qualified_name, help);
        }
        let (mut data, mut generated, mut recipes) = (Map::new(), Vec::new(), Map::new());
        for (key, entry) in &spec.data {
            let path = [DATA, key.as_str()];
            if !is_key(key) {
                let help = "use at most 253 letters, digits, `-`, `_` and `.`";
                problems.push(kube::problem(
                    &path,
                    format!("{} is not a key of a secret", quote(key)),
                    help,
                ));
            }
            match (&entry.generate, &entry.value) {
                (Some(generate), None) => match recipe(generate) {
                    Ok(recipe) => {
                        generated.push(Value::from(key.as_str()));
                        let recipe = Value::from_spec(&recipe).unwrap_or_default();
                        recipes.insert(key.clone(), recipe);
                    }
                    Err(summary) => {
                        let help = "write a plain text; it is not secret";
                        problems.push(kube::problem(&[DATA, key, "generate"], summary, help));
                    }
                },
                (None, Some(value)) => match given(value) {
                    Some(value) => drop(data.insert(key.clone(), value)),
                    None => problems.push(kube::problem(
                        &[DATA, key, "value"],
                        "the value of a secret's entry must be a text",
                        "declare the variable as a string",
                    )),
                },
                (Some(_), Some(_)) | (None, None) => problems.push(kube::problem(
                    &path,
                    "an entry needs either `generate` or `value`",
                    "write `{value: ${var.NAME}}` or `{generate: {length: 32}}`",
                )),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut attributes = Map::from([
            (DATA.to_owned(), Value::Map(data)),
            (GENERATED.to_owned(), Value::List(generated)),
        ]);
        attributes.insert(TYPE.into(), spec.kind.as_deref().unwrap_or(OPAQUE).into());
        let names = [("name", name), ("namespace", spec.namespace.as_str())]
            .map(|(key, name)| (key, Value::from_spec_text(name)));
        Ok(Desired {
            identity: Identity::new(names.clone()),
            attributes,
            outputs: names.into_iter().map(|(key, name)| (key.to_owned(), name)).collect(),
            settings: Map::from([
                (GENERATED.to_owned(), Value::Map(recipes)),
                (ON_DELETE.to_owned(), Value::from_spec(&spec.on_delete).unwrap_or_default()),
            ]),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let (namespace, name) = names(subject.identity);
        if !kube::is_label(namespace) || !kube::is_subdomain(name) {
            return Err(kube::never_run("secret"));
        }
        let mut questions = Questions::new(answers);
        let get = Command::read(Tool::Kubectl, &["get", "secret", name])
            .flag("-n", namespace)
            .arg("--ignore-not-found")
            .flag("-o", "json");
        let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
        let json = match kube::got(&get, answer)? {
            Got::Absent => return Ok(Reading::Live(Live::Absent)),
            Got::Unserved(why) => return Err(ReadError::new(get, answer, why)),
            Got::Object(json) => json,
        };
        Ok(Reading::Live(Live::Present(Box::new(object(&json, subject)))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let (namespace, name) = names(operation.identity);
        let at = format!("secret {name} in {namespace}");
        let recipes = operation.desired.map(|desired| recipes(&desired.settings));
        let recipes = recipes.unwrap_or_default();
        Ok(match operation.verb {
            Verb::Create => {
                let attributes = operation.desired.map(|desired| &desired.attributes);
                let of = |name| attributes.and_then(|attributes| attributes.get(name));
                let mut entries =
                    of(DATA).and_then(Value::as_map).cloned().unwrap_or_else(Map::new);
                for (key, recipe) in &recipes {
                    entries.insert(key.clone(), recipe.placeholder().into());
                }
                let mut document = kube::reference("v1", "Secret", operation.identity);
                document.insert(TYPE.into(), of(TYPE).cloned().unwrap_or(OPAQUE.into()));
                document.insert("stringData".into(), Value::Map(entries));
                let create = filled(kube::create(document), &recipes);
                vec![Step::new(format!("create {at}"), create)]
            }
            Verb::Update | Verb::Repair => {
                vec![Step::new(format!("change {at}"), update(operation, &recipes)?)]
            }
            Verb::Delete => {
                let delete = Command::write(Tool::Kubectl, &["delete", "secret", name])
                    .flag("-n", namespace)
                    .arg("--ignore-not-found")
                    .arg("--wait=false");
                vec![Step::new(format!("delete {at}"), delete)]
            }
        })
    }

    fn stays(&self, prior: &Prior) -> Option<&'static str> {
        let deletes = prior.settings.get(ON_DELETE).and_then(Value::as_str) == Some("delete");
        (!deletes).then_some(
            "what it holds can't be made again, so it stays; spec.onDelete: delete lets it go",
        )
    }

    fn needs_kubernetes(&self) -> bool {
        true
    }
}

/// What changes entries of a secret. A generated entry that is missing is only
/// made if nobody has touched the secret since it was read.
fn update(
    operation: &Operation<'_>,
    recipes: &BTreeMap<String, Recipe>,
) -> Result<Command, Vec<Blocker>> {
    let (namespace, name) = names(operation.identity);
    let fact = |name| operation.object.and_then(|object| object.facts.get(name));
    let blocker = |code: &str, message: String, next: String| {
        Err(vec![Blocker { code: code.to_owned(), message, next }])
    };
    if fact("immutable").and_then(Value::as_bool) == Some(true) {
        return blocker(
            "SecretImmutable",
            format!("secret {name} in {namespace} is immutable, and its entries differ"),
            format!("save what it holds, then: kubectl delete secret {name} -n {namespace}"),
        );
    }
    let (mut given, mut removed, mut made) = (Map::new(), Map::new(), BTreeMap::new());
    for change in operation.changes {
        let segments: Vec<&str> = change.path.segments().iter().map(String::as_str).collect();
        match (segments.as_slice(), &change.after) {
            ([DATA, key], Some(value)) => drop(given.insert((*key).to_owned(), value.clone())),
            ([DATA, key], None) => drop(removed.insert((*key).to_owned(), Value::Null)),
            ([GENERATED, key], Some(_)) => {
                if let Some(recipe) = recipes.get(*key) {
                    given.insert((*key).to_owned(), recipe.placeholder().into());
                    made.insert((*key).to_owned(), recipe.clone());
                }
            }
            ([TYPE], _) => {
                return blocker(
                    "SecretTypeCannotChange",
                    format!(
                        "the type of secret {name} in {namespace} can't be changed, and a new \
                         secret would lose what was generated"
                    ),
                    format!(
                        "undo the change of spec.type; or save what the secret holds, then: \
                         kubectl delete secret {name} -n {namespace}"
                    ),
                );
            }
            _ => {}
        }
    }
    let mut document = Map::new();
    if !made.is_empty()
        && let Some(version) = fact("resourceVersion")
    {
        let metadata = Map::from([("resourceVersion".to_owned(), version.clone())]);
        document.insert("metadata".into(), Value::Map(metadata));
    }
    for (field, entries) in [("stringData", given), (DATA, removed)] {
        if !entries.is_empty() {
            document.insert(field.into(), Value::Map(entries));
        }
    }
    Ok(filled(kube::patch("secret", name, Some(namespace), document), &made))
}

/// The command with its generated entries to be filled in.
fn filled(command: Command, recipes: &BTreeMap<String, Recipe>) -> Command {
    recipes.iter().fold(command, |command, (key, recipe)| {
        command.with_fill(Path::new("stringData").join(key), recipe.clone())
    })
}

fn names(identity: &Identity) -> (&str, &str) {
    (identity.part("namespace"), identity.part("name"))
}

fn recipes(settings: &Map) -> BTreeMap<String, Recipe> {
    settings.get(GENERATED).and_then(|recipes| recipes.to_spec().ok()).unwrap_or_default()
}

fn recipe(generate: &Generate) -> Result<Recipe, &'static str> {
    let prefix = Value::from_spec_text(&generate.prefix);
    if prefix.has_sensitive() || prefix.has_unknown() {
        return Err("the prefix of a generated entry is shown in plans");
    }
    let alphabet = match generate.alphabet {
        Letters::Alphanumeric => Alphabet::Alphanumeric,
        Letters::Lowercase => Alphabet::Lowercase,
        Letters::Hex => Alphabet::Hex,
    };
    Ok(Recipe { prefix: generate.prefix.clone(), length: generate.length, alphabet })
}

/// A given value: sensitive, however it came. `None`: it is no text.
fn given(text: &str) -> Option<Value> {
    match Value::from_spec_text(text) {
        value @ Value::Unknown(_) => Some(value),
        Value::Sensitive(inner) => match *inner {
            Value::String(_) => Some(Value::Sensitive(inner)),
            Value::Number(number) => Some(sensitive(number.to_string())),
            Value::Bool(truth) => Some(sensitive(truth.to_string())),
            Value::Null
            | Value::List(_)
            | Value::Map(_)
            | Value::Unknown(_)
            | Value::Sensitive(_) => None,
        },
        Value::String(text) => Some(sensitive(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn sensitive(text: String) -> Value {
    Value::Sensitive(Box::new(Value::String(text)))
}

fn is_key(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=253).contains(&key.len()) && key.chars().all(fits) && !matches!(key, "." | "..")
}

/// The secret: of what is generated only the names.
fn object(json: &Json, subject: &Subject<'_>) -> Object {
    let attributes = subject.desired.map(|desired| &desired.attributes);
    let made: Vec<&str> = attributes
        .and_then(|attributes| attributes.get(GENERATED)?.as_list())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let prior = subject.prior.and_then(|prior| prior.attributes.get(GENERATED)?.as_list());
    let were: Vec<&str> = prior.into_iter().flatten().filter_map(Value::as_str).collect();
    let declared =
        |key: &str| attributes.and_then(|attributes| attributes.get(DATA)?.get(key)).is_some();
    let (mut data, mut generated) = (Map::new(), Vec::new());
    for (key, value) in json["data"].as_object().into_iter().flatten() {
        if made.contains(&key.as_str()) {
            generated.push(Value::from(key.as_str()));
        } else if !were.contains(&key.as_str()) || declared(key) {
            // What was generated and is no longer declared is left alone.
            data.insert(key.clone(), text(value));
        }
    }
    let plain = |value: &Json| value.as_str().map_or(Value::Null, Value::from);
    let (namespace, name) = names(subject.identity);
    Object {
        attributes: Map::from([
            (DATA.to_owned(), Value::Map(data)),
            (GENERATED.to_owned(), Value::List(generated)),
            (TYPE.to_owned(), plain(&json["type"])),
        ]),
        outputs: Map::from([
            ("name".to_owned(), Value::from(name)),
            ("namespace".to_owned(), Value::from(namespace)),
        ]),
        facts: Map::from([
            ("immutable".to_owned(), Value::from(json["immutable"] == true)),
            ("resourceVersion".to_owned(), plain(&json["metadata"]["resourceVersion"])),
        ]),
        health: kube::leaving(json).map_or(Health::Sound, Health::Busy),
        ..Object::default()
    }
}

/// An entry as a text, sensitive; bytes that are none stay in base64, as a list,
/// which no text equals.
fn text(encoded: &Json) -> Value {
    let encoded = encoded.as_str().unwrap_or_default();
    match kube::from_base64(encoded).map(String::from_utf8) {
        Some(Ok(text)) => sensitive(text),
        Some(Err(_)) | None => Value::Sensitive(Box::new(Value::List(vec![Value::from(encoded)]))),
    }
}

#[cfg(test)]
mod tests;
