//! `Namespace`: a namespace, its labels and annotations.
//!
//! Labels and annotations are owned one by one. A namespace is deleted only when
//! nothing is left in it but what every namespace has: deleting it deletes what
//! is in it, whoever made that. Volume claims may go along where the manifest
//! says so: stateful sets leave them behind. A namespace that is being deleted is
//! waited for; its finalizers are never touched.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::kube::{self, Got};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Health, Identity, Live, Object,
    OnChange, Operation, Problem, Questions, ReadError, Readiness, Reading, Rule, Step, Subject,
    Verb,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value};

/// The adapter.
#[derive(Debug)]
pub struct Namespace;

/// A namespace of the cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The namespace's name; unless given, the resource's.
    #[schemars(length(min = 1, max = 63))]
    name: Option<String>,
    /// Labels. Others that the namespace has stay.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Annotations. Others that the namespace has stay.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// What becomes of the volume claims in it when the namespace is deleted.
    /// Stateful sets leave theirs behind, whoever removes them. Default `keep`:
    /// they keep the namespace, too.
    #[serde(default)]
    volume_claims: VolumeClaims,
}

/// What becomes of volume claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum VolumeClaims {
    /// They stay, and the namespace with them.
    #[default]
    Keep,
    /// They are deleted first, with their data; volumes that go with their claims
    /// are waited for, as long as there is a driver to delete them.
    Delete,
}

// A setting.
const VOLUME_CLAIMS: &str = "volumeClaims";
// Facts: the claims that go along, and the volumes that go with them.
const CLAIMS: &str = "claims";
const VOLUMES: &str = "volumes";

/// How long the end of a namespace may take: what is in it goes first.
const LEAVING: Duration = Duration::from_secs(600);
/// How long an apply waits for one that someone else deletes.
const WAIT: Duration = Duration::from_secs(300);

/// Types that hold no one's declared objects: what happened, what was measured,
/// and what controllers keep for themselves.
const PASSING: &[&str] = &[
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
    "nodes.metrics.k8s.io",
    "pods.metrics.k8s.io",
];

/// What the API server puts into every namespace.
const EVERYWHERE: &[(&str, &str)] =
    &[("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")];

/// The conditions that say why a namespace is not gone yet; the last two are
/// those of one that will not go by itself.
const CONDITIONS: &[(&str, bool)] = &[
    ("NamespaceContentRemaining", false),
    ("NamespaceDeletionContentFailure", true),
    ("NamespaceDeletionDiscoveryFailure", true),
    ("NamespaceDeletionGroupVersionParsingFailure", true),
    ("NamespaceFinalizersRemaining", true),
];

/// Marks of the API server's own.
const OF_THE_SERVER: &[&str] = &["kubernetes.io/metadata.name", kube::LAST_APPLIED];

impl Adapter for Namespace {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        const fn entries(name: &'static str) -> Attribute {
            Attribute { name, rule: Rule::Entries, on_change: OnChange::Update }
        }
        const { &[entries("annotations"), entries("labels")] }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "the namespace's name")]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let spec: Spec = spec.to_spec().map_err(|error| {
            vec![Problem { path: Path::default(), summary: error.to_string(), help: None }]
        })?;
        let name = spec.name.unwrap_or_else(|| context.name.clone());
        let mut problems = Vec::new();
        let help = "use at most 63 lowercase letters, digits and inner `-`";
        kube::check_name(&mut problems, &["name"], &name, kube::is_label, help);
        kube::check_marks(&mut problems, "labels", &spec.labels, kube::is_label_value);
        kube::check_marks(&mut problems, "annotations", &spec.annotations, |_| true);
        if !problems.is_empty() {
            return Err(problems);
        }
        let marks = |marks: BTreeMap<String, String>| {
            let marks = marks.into_iter();
            Value::Map(marks.map(|(key, text)| (key, Value::from_spec_text(&text))).collect())
        };
        Ok(Desired {
            identity: Identity::new([("name", Value::from_spec_text(&name))]),
            attributes: Map::from([
                ("annotations".to_owned(), marks(spec.annotations)),
                ("labels".to_owned(), marks(spec.labels)),
            ]),
            outputs: Map::from([("name".to_owned(), Value::from_spec_text(&name))]),
            settings: Map::from([(
                VOLUME_CLAIMS.to_owned(),
                Value::from_spec(&spec.volume_claims).unwrap_or_default(),
            )]),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let name = subject.identity.part("name");
        if !kube::is_label(name) {
            return Err(kube::never_run("namespace"));
        }
        let mut questions = Questions::new(answers);
        let get = get(name);
        let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
        let json = match kube::got(&get, answer)? {
            Got::Absent => return Ok(Reading::Live(Live::Absent)),
            Got::Unserved(why) => return Err(ReadError::new(get, answer, why)),
            Got::Object(json) => json,
        };
        let mut object = object(&json, name, subject.desired.is_some());
        let stays = subject.desired.is_some() || kube::leaving(&json).is_some();
        if !stays {
            let types = types();
            let Some(answer) = questions.ask(types.clone()) else { return Ok(questions.asking()) };
            if !answer.succeeded() {
                return Err(ReadError::new(types, answer, kube::failure(answer)));
            }
            let Some(list) = list(name, &answer.stdout) else {
                let why = "it names no type of objects that a namespace can hold";
                return Err(ReadError::new(types, answer, why));
            };
            let Some(answer) = questions.ask(list.clone()) else { return Ok(questions.asking()) };
            let items = kube::items(&list, answer)?;
            let settings = subject.prior.map(|prior| &prior.settings);
            let said = settings.and_then(|settings| settings.get(VOLUME_CLAIMS));
            let (claims, rest): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| {
                said.and_then(Value::as_str) == Some("delete")
                    && item["kind"] == "PersistentVolumeClaim"
            });
            object.facts.insert("contents".into(), Value::List(contents(&rest)));
            if !claims.is_empty() {
                let volumes = volumes();
                let Some(answer) = questions.ask(volumes.clone()) else {
                    return Ok(questions.asking());
                };
                let volumes = volumes_of(name, &kube::items(&volumes, answer)?);
                object.facts.insert(CLAIMS.into(), Value::List(names(claims.iter())));
                object.facts.insert(VOLUMES.into(), Value::List(volumes));
            }
        }
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let name = operation.identity.part("name");
        Ok(match operation.verb {
            Verb::Create => {
                let mut document = kube::reference("v1", "Namespace", operation.identity);
                let attributes = operation.desired.map(|desired| &desired.attributes);
                if let Some(Value::Map(metadata)) = document.get_mut("metadata") {
                    for (field, marks) in attributes.into_iter().flatten() {
                        if marks.as_map().is_none_or(|marks| !marks.is_empty()) {
                            metadata.insert(field.clone(), marks.clone());
                        }
                    }
                }
                vec![Step::new(format!("create namespace {name}"), kube::create(document))]
            }
            Verb::Update | Verb::Repair => {
                let mut metadata = Map::new();
                for change in operation.changes {
                    let [field, key] = change.path.segments() else { continue };
                    if !metadata.contains_key(field) {
                        metadata.insert(field.clone(), Value::map());
                    }
                    if let Some(Value::Map(marks)) = metadata.get_mut(field) {
                        marks.insert(key.clone(), change.after.clone().unwrap_or_default());
                    }
                }
                let document = Map::from([("metadata".to_owned(), Value::Map(metadata))]);
                let patch = kube::patch("namespace", name, None, document);
                vec![Step::new(format!("mark namespace {name}"), patch)]
            }
            Verb::Delete if is_leaving(operation.object) => {
                let stuck = operation.object.and_then(|object| object.facts.get("stuck"));
                let stuck: Vec<Blocker> =
                    stuck.and_then(|stuck| stuck.to_spec().ok()).unwrap_or_default();
                if !stuck.is_empty() {
                    return Err(stuck);
                }
                let timeout = format!("--timeout={}s", WAIT.as_secs());
                let wait = Command::write(Tool::Kubectl, &["wait", "--for=delete"])
                    .arg(format!("namespace/{name}"))
                    .arg(timeout)
                    .with_timeout(WAIT + Duration::from_secs(30));
                vec![Step::new(format!("wait until namespace {name} is gone"), wait)]
            }
            Verb::Delete => {
                let delete = Command::write(Tool::Kubectl, &["delete", "namespace", name])
                    .arg("--ignore-not-found")
                    .arg("--wait=false");
                let mut steps = claims_first(name, operation.object);
                steps.push(Step::new(format!("delete namespace {name}"), delete));
                steps
            }
        })
    }

    fn obstacles(&self, identity: &Identity, object: &Object) -> Vec<Blocker> {
        const SHOWN: usize = 10;
        let found = object.facts.get("contents").and_then(Value::as_list).unwrap_or_default();
        if found.is_empty() {
            return Vec::new();
        }
        let name = identity.part("name");
        let mut names: Vec<&str> = found.iter().filter_map(Value::as_str).take(SHOWN).collect();
        let more = format!("{} more", found.len().saturating_sub(SHOWN));
        if found.len() > SHOWN {
            names.push(&more);
        }
        vec![Blocker {
            code: "NamespaceNotEmpty".into(),
            message: format!(
                "deleting namespace {name} would delete what is in it, and no manifest removes: {}",
                names.join(", ")
            ),
            next: "remove these, or declare them and destroy the stack; volume claims go along \
                   where the manifest says `volumeClaims: delete`; or keep the namespace: take \
                   it out of the state by `lkh state rm`"
                .to_owned(),
        }]
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        match object.facts.get("phase").and_then(Value::as_str) {
            None | Some("Active") => Readiness::Ready,
            Some(phase) => {
                let name = desired.identity.part("name");
                Readiness::Waiting(vec![Blocker {
                    code: "NamespaceNotActive".into(),
                    message: format!("namespace {name} is {phase}"),
                    next: format!("kubectl describe namespace {name}"),
                }])
            }
        }
    }

    fn patience(&self, _desired: &Desired) -> Duration {
        LEAVING
    }

    fn needs_kubernetes(&self) -> bool {
        true
    }
}

fn get(name: &str) -> Command {
    Command::read(Tool::Kubectl, &["get", "namespace", name, "--ignore-not-found", "-o", "json"])
}

/// The types of objects that a namespace can hold.
fn types() -> Command {
    Command::read(
        Tool::Kubectl,
        &["api-resources", "--verbs=list", "--namespaced=true", "-o", "name"],
    )
}

/// Everything that is in a namespace, of these types.
fn list(name: &str, types: &str) -> Option<Command> {
    let types: Vec<&str> = types
        .split_whitespace()
        .filter(|word| kube::is_subdomain(word) && !PASSING.contains(word))
        .collect();
    let command =
        || Command::read(Tool::Kubectl, &["get", &types.join(","), "-n", name, "-o", "json"]);
    (!types.is_empty()).then(command)
}

/// What is in a namespace and would be lost with it, as `Kind/name`: without
/// what belongs to another object there, or is on its way out.
fn contents(items: &[Json]) -> Vec<Value> {
    let mut found: Vec<String> = items
        .iter()
        .filter(|item| {
            let kind = item["kind"].as_str().unwrap_or("");
            let name = item["metadata"]["name"].as_str().unwrap_or("");
            let owned = item["metadata"]["ownerReferences"].as_array();
            let of_account = item["type"] == "kubernetes.io/service-account-token"
                && item["metadata"]["annotations"]["kubernetes.io/service-account.name"]
                    == "default";
            owned.is_none_or(Vec::is_empty)
                && kube::leaving(item).is_none()
                && !EVERYWHERE.contains(&(kind, name))
                && !of_account
        })
        .map(|item| {
            let text = |value: &Json| value.as_str().unwrap_or("?").to_owned();
            format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"]))
        })
        .collect();
    // Some objects are served under two groups.
    found.sort();
    found.dedup();
    found.into_iter().map(Value::from).collect()
}

/// Every volume of the cluster.
fn volumes() -> Command {
    Command::read(Tool::Kubectl, &["get", "persistentvolumes", "-o", "json"])
}

/// The volumes of a namespace's claims that are deleted with their claim.
fn volumes_of(namespace: &str, volumes: &[Json]) -> Vec<Value> {
    names(volumes.iter().filter(|volume| {
        volume["spec"]["claimRef"]["namespace"] == namespace
            && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    }))
}

/// The names of objects, those that can stand in a command.
fn names<'a>(objects: impl Iterator<Item = &'a Json>) -> Vec<Value> {
    let names = objects.filter_map(|object| object["metadata"]["name"].as_str());
    let mut names: Vec<&str> = names.filter(|name| kube::is_subdomain(name)).collect();
    names.sort_unstable();
    names.into_iter().map(Value::from).collect()
}

/// The steps that delete what goes before the namespace: claims, then their
/// volumes, which only the driver deletes, so it must not go before them.
fn claims_first(namespace: &str, object: Option<&Object>) -> Vec<Step> {
    let list = |fact: &str| -> Vec<String> {
        let found = object.and_then(|object| object.facts.get(fact));
        let found = found.and_then(Value::as_list).unwrap_or_default();
        found.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let timeout = || format!("--timeout={}s", WAIT.as_secs());
    let patient = |command: Command| command.with_timeout(WAIT + Duration::from_secs(30));
    let (claims, volumes) = (list(CLAIMS), list(VOLUMES));
    let mut steps = Vec::new();
    if !claims.is_empty() {
        let mut command = Command::write(Tool::Kubectl, &["delete", "persistentvolumeclaims"]);
        command.args.extend(claims);
        let command = command.flag("-n", namespace).arg("--ignore-not-found").arg(timeout());
        let title = format!("delete the volume claims in {namespace}, with their data");
        steps.push(Step::new(title, patient(command)));
    }
    if !volumes.is_empty() {
        let mut command = Command::write(Tool::Kubectl, &["wait", "--for=delete"]);
        command.args.extend(volumes.iter().map(|name| format!("persistentvolume/{name}")));
        let title = "wait until their volumes are gone".to_owned();
        steps.push(Step::new(title, patient(command.arg(timeout()))));
    }
    steps
}

fn is_leaving(object: Option<&Object>) -> bool {
    let leaving = object.and_then(|object| object.facts.get("leaving"));
    leaving.and_then(Value::as_bool).unwrap_or(false)
}

fn object(json: &Json, name: &str, wanted: bool) -> Object {
    let marks = |field: &str| {
        let marks = json["metadata"][field].as_object().into_iter().flatten();
        let own = marks.filter(|(key, _)| !OF_THE_SERVER.contains(&key.as_str()));
        Value::Map(own.map(|(key, value)| (key.clone(), Value::from_json(value))).collect())
    };
    let phase = json["status"]["phase"].as_str().map_or(Value::Null, Value::from);
    let mut object = Object {
        attributes: Map::from([
            ("annotations".to_owned(), marks("annotations")),
            ("labels".to_owned(), marks("labels")),
        ]),
        outputs: Map::from([("name".to_owned(), Value::from(name))]),
        facts: Map::from([("phase".to_owned(), phase)]),
        ..Object::default()
    };
    if let Some(leaving) = kube::leaving(json) {
        let stuck = stuck(json, name);
        let told: Vec<String> = why(json).into_iter().map(|(_, message, _)| message).collect();
        let mut text = format!("namespace {name}: {leaving}");
        if !told.is_empty() {
            text = format!("{text}: {}", told.join("; "));
        }
        object.facts.insert("leaving".into(), Value::from(true));
        object.facts.insert("stuck".into(), Value::from_spec(&stuck).unwrap_or_default());
        // A declared one is waited for and made anew.
        object.health = if wanted { Health::Outdated(text) } else { Health::Busy(text) };
    }
    object
}

/// What a namespace that is being deleted says is in the way: condition,
/// message, and whether it stays so.
fn why(json: &Json) -> Vec<(&'static str, String, bool)> {
    let conditions = json["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    CONDITIONS
        .iter()
        .filter_map(|(kind, lasting)| {
            let found = conditions.iter().find(|one| one["type"] == *kind)?;
            let message = found["message"].as_str().unwrap_or("no reason is given");
            (found["status"] == "True").then(|| (*kind, message.trim().to_owned(), *lasting))
        })
        .collect()
}

fn stuck(json: &Json, name: &str) -> Vec<Blocker> {
    why(json)
        .into_iter()
        .filter(|(_, _, lasting)| *lasting)
        .map(|(kind, message, _)| Blocker {
            code: kind.to_owned(),
            message: format!("namespace {name} is being deleted and does not go: {message}"),
            next: match kind {
                "NamespaceFinalizersRemaining" => format!(
                    "see to the controllers of these finalizers, they have work left: kubectl \
                     describe namespace {name}"
                ),
                _ => "an API service may not answer: kubectl get apiservices".to_owned(),
            },
        })
        .collect()
}

#[cfg(test)]
mod tests;
