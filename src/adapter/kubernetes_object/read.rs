//! Reading an object: what is there, who set it, and what the API server would
//! make of the manifest.

use serde_json::Value as Json;

use super::spec::{self, API_VERSION, FORCE, fixed_paths, joined, split};
use super::{FIELD_MANAGER, FIXED, KubernetesObject, OBJECT};
use crate::adapter::helm_release::values::hide;
use crate::adapter::kube::{self, Got, LAST_APPLIED, MANAGER};
use crate::adapter::{
    Adapter, Answers, Blocker, Desired, Health, Live, Object, Questions, ReadError, Reading,
    Subject, workload,
};
use crate::command::{Answer, Command, Tool};
use crate::diff::kubernetes::{Scopes, normal, project_tree};
use crate::diff::{Sides, compare, keep_ignored};
use crate::value::{Map, Value};

/// Asks for the answers that are still missing, or says what the object is.
///
/// # Errors
/// What could not be read.
pub fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let Some(reference) = reference(subject) else { return Err(kube::never_run("object")) };
    let mut questions = Questions::new(answers);
    let get = Command::read(Tool::Kubectl, &["get", "-f", "-", "--ignore-not-found"])
        .arg("--show-managed-fields")
        .flag("-o", "json")
        .with_stdin(Value::Map(reference));
    let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
    let json = match kube::got(&get, answer)? {
        Got::Absent => return Ok(Reading::Live(Live::Absent)),
        Got::Unserved(why) => return Ok(Reading::Missing(unserved(subject, &why))),
        Got::Object(json) => json,
    };
    let namespace = json["metadata"]["namespace"].as_str().unwrap_or("");
    if namespace != subject.identity.part("namespace") {
        let why = match namespace {
            "" => "objects of its kind are in no namespace: remove metadata.namespace".to_owned(),
            there => format!("it is in a namespace: add `namespace: {there}` to its metadata"),
        };
        return Err(ReadError::new(get, answer, why));
    }
    let mut pods = Vec::new();
    if let Some((namespace, selector)) = subject.desired.and_then(|_| workload::wanted_pods(&json))
    {
        let get = Command::read(Tool::Kubectl, &["get", "pods"])
            .flag("-n", &namespace)
            .flag("-l", &selector)
            .flag("-o", "json");
        let Some(answer) = questions.ask(get.clone()) else { return Ok(questions.asking()) };
        pods = kube::items(&get, answer)?;
    }
    let mut object = object(&json, subject, &pods);
    if let Some(trial) = trial(subject, &object) {
        let Some(answer) = questions.ask(trial) else { return Ok(questions.asking()) };
        judge(answer, &mut object);
    }
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// Kind and names as a document; `None` where they can't be one's.
pub(super) fn reference(subject: &Subject<'_>) -> Option<Map> {
    let identity = subject.identity;
    let settings = subject.desired.map(|desired| &desired.settings);
    let settings = settings.or(subject.prior.map(|prior| &prior.settings))?;
    let version = settings.get(API_VERSION).and_then(Value::as_str)?;
    let (kind, name) = (identity.part("kind"), identity.part("name"));
    let namespace = identity.part("namespace");
    let fits = spec::is_api_version(version)
        && spec::is_kind(kind)
        && spec::is_path_segment(name)
        && (namespace.is_empty() || kube::is_label(namespace));
    fits.then(|| kube::reference(version, kind, identity))
}

fn unserved(subject: &Subject<'_>, why: &str) -> Blocker {
    let identity = subject.identity;
    let (kind, group) = (identity.part("kind"), identity.part("group"));
    Blocker {
        code: "NoSuchKind".into(),
        message: format!("the cluster knows no kind {kind} of {group} ({why})"),
        next: format!(
            "let the resource that brings its definition (a CustomResourceDefinition of {group}) \
             come before it with dependsOn, or correct apiVersion and kind"
        ),
    }
}

/// The object, with the trees that are compared.
fn object(json: &Json, subject: &Subject<'_>, pods: &[Json]) -> Object {
    let scopes = scopes(json);
    let of = |json: &Json| normal(json, "", &scopes);
    let identity = subject.identity;
    let (key, live) = of(json).unwrap_or_default();
    let attributes = subject.desired.map(|desired| &desired.attributes);
    let paths = subject.desired.map(|desired| fixed_paths(&desired.settings)).unwrap_or_default();
    let tree = |attributes: Option<&Map>, name: &str| {
        attributes.and_then(|attributes| attributes.get(name)?.get(&key)).cloned()
    };
    let whole = |attributes: Option<&Map>| {
        let object = tree(attributes, OBJECT)?;
        Some(tree(attributes, FIXED).map_or(object.clone(), |fixed| joined(&object, &fixed)))
    };
    let wanted = whole(attributes);
    // Client-side apply keeps what it applied: what of it is not declared goes
    // with its ownership, so the plan must show it.
    let remembered = match subject.prior {
        Some(prior) => whole(Some(&prior.attributes)),
        None => json["metadata"]["annotations"][LAST_APPLIED]
            .as_str()
            .and_then(|text| serde_json::from_str::<Json>(text).ok())
            .and_then(|applied| of(&applied))
            .map(|(_, body)| body),
    };
    let guides: Vec<&Value> = [&wanted, &remembered].into_iter().flatten().collect();
    let owners: Vec<Map> =
        guides.iter().map(|body| Map::from([(key.clone(), (*body).clone())])).collect();
    let narrowed =
        project_tree(&Map::from([(key.clone(), live.clone())]), &owners.iter().collect::<Vec<_>>());
    let live = narrowed.get(&key).cloned().unwrap_or_else(Value::map);
    let live = hide(live, &guides);
    let trees = |body: Value| {
        let (object, fixed) = split(body, &paths);
        [(OBJECT, object), (FIXED, fixed)]
            .into_iter()
            .map(|(name, body)| (name.to_owned(), Value::Map(Map::from([(key.clone(), body)]))))
            .collect::<Map>()
    };
    let mut attributes = trees(live);
    attributes.insert(FIELD_MANAGER.into(), manager(json));
    let assessment = workload::assess([json], pods);
    let names = ["name", "namespace"].map(|name| (name.to_owned(), identity.part(name).into()));
    Object {
        attributes,
        prior: remembered.map(trees).unwrap_or_default(),
        outputs: names.into_iter().collect(),
        facts: Map::from([(
            "obstacles".to_owned(),
            Value::from_spec(&assessment.obstacles).unwrap_or_default(),
        )]),
        health: kube::leaving(json).map_or(Health::Sound, Health::Busy),
        ..Object::default()
    }
}

fn scopes(json: &Json) -> Scopes {
    let mut scopes = Scopes::default();
    scopes.observe(json);
    scopes
}

/// Who applies the object: `lkh`, or whoever has set its fields.
fn manager(json: &Json) -> Value {
    let entries = json["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.iter().any(|one| one["manager"] == MANAGER && one["operation"] == "Apply") {
        return MANAGER.into();
    }
    let mut others: Vec<&str> = entries
        .iter()
        .filter(|one| one["subresource"].as_str().is_none_or(str::is_empty))
        .filter_map(|one| one["manager"].as_str())
        .collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() { Value::Null } else { Value::from(others.join(", ")) }
}

/// Asks the API server what it would make of the manifest, where that would
/// change something and all of it is known.
fn trial(subject: &Subject<'_>, object: &Object) -> Option<Command> {
    let desired = subject.desired?;
    if object.health != Health::Sound || desired.attributes.values().any(Value::has_unknown) {
        return None;
    }
    let mut prior = subject.prior.map(|prior| prior.attributes.clone()).unwrap_or_default();
    prior.extend(object.prior.clone());
    let sides =
        Sides { desired: &desired.attributes, prior: Some(&prior), live: &object.attributes };
    let declared = KubernetesObject.attributes();
    let changes = compare(declared, &desired.exclusive, sides, subject.ignore).changes;
    if changes.is_empty() || changes.iter().any(|change| change.replace) {
        return None;
    }
    let kept = Desired {
        attributes: keep_ignored(declared, &desired.attributes, &object.attributes, subject.ignore),
        ..desired.clone()
    };
    let document = document(&kept, subject.identity)?;
    let trial = Command::read(Tool::Kubectl, &["apply", "--server-side"])
        .arg(format!("--field-manager={MANAGER}"))
        .arg("--dry-run=server")
        .arg("-f")
        .arg("-");
    Some(trial.with_stdin(Value::Map(document)))
}

/// The whole object, as it is applied.
pub(super) fn document(desired: &Desired, identity: &crate::adapter::Identity) -> Option<Map> {
    let version = desired.settings.get(API_VERSION).and_then(Value::as_str)?;
    let tree = |name: &str| desired.attributes.get(name)?.as_map()?.values().next().cloned();
    let object = tree(OBJECT)?;
    let object = tree(FIXED).map_or(object.clone(), |fixed| joined(&object, &fixed));
    let mut document = kube::reference(version, identity.part("kind"), identity);
    for (field, value) in object.as_map().into_iter().flatten() {
        let value = match document.get(field) {
            Some(named) => joined(value, named),
            None => value.clone(),
        };
        document.insert(field.clone(), value);
    }
    Some(document)
}

/// Notes what the API server says of the manifest.
fn judge(answer: &Answer, object: &mut Object) {
    if answer.succeeded() {
        return;
    }
    let conflicts = conflicts(&answer.stderr);
    for (manager, field) in &conflicts {
        object.notes.push(format!("{field} was set by {manager}"));
    }
    if !conflicts.is_empty() {
        let list = |(manager, field): (String, String)| {
            Value::List(vec![Value::from(manager), Value::from(field)])
        };
        let found = conflicts.into_iter().map(list).collect();
        object.facts.insert("conflicts".into(), Value::List(found));
        return;
    }
    let immutable = immutable(&answer.stderr);
    if !immutable.is_empty() {
        let fields = immutable.into_iter().map(Value::from).collect();
        object.facts.insert("immutable".into(), Value::List(fields));
    } else if answer.stderr.contains(" is invalid: ") {
        let why = kube::failure(answer);
        object.facts.insert("invalid".into(), Value::from(why));
    } else {
        // It may be refused for a reason that is over when its turn comes.
        object
            .notes
            .push(format!("the API server would refuse this now: {}", kube::failure(answer)));
    }
}

/// The fields that others hold: who, and which, as `kubectl` tells them.
///
/// ```text
/// error: Apply failed with 1 conflict: conflict with "a" using apps/v1: .spec.replicas
/// error: Apply failed with 2 conflicts: conflicts with "a" using apps/v1:
/// - .spec.replicas
/// - .spec.paused
/// ```
pub(super) fn conflicts(stderr: &str) -> Vec<(String, String)> {
    let Some((_, told)) = stderr.split_once("Apply failed with ") else { return Vec::new() };
    let mut found = Vec::new();
    let mut manager = String::new();
    for line in told.lines() {
        if line.starts_with("Please review") {
            break;
        }
        if let Some((_, rest)) = line.split_once("with \"")
            && let Some((name, rest)) = rest.split_once('"')
        {
            name.clone_into(&mut manager);
            if let Some((_, field)) = rest.split_once(": ") {
                found.push((manager.clone(), field.trim().to_owned()));
            }
        } else if let Some(field) = line.strip_prefix("- ") {
            found.push((manager.clone(), field.trim().to_owned()));
        }
    }
    found
}

/// The fields that can't be changed, as `kubectl` tells them.
///
/// ```text
/// The Deployment "a" is invalid: spec.selector: Invalid value: {...}: field is immutable
/// ```
pub(super) fn immutable(stderr: &str) -> Vec<String> {
    let says = |line: &&str| line.contains("immutable") || line.contains("may not be changed");
    let field = |line: &str| {
        let line = line.split_once(" is invalid: ").map_or(line, |(_, rest)| rest);
        let line = line.trim().trim_start_matches("* ");
        let end =
            [": Invalid value", ": Forbidden"].iter().filter_map(|word| line.find(word)).min();
        end.and_then(|end| line.get(..end)).map(str::to_owned)
    };
    stderr.lines().filter(says).filter_map(field).collect()
}

/// Whether the manifest takes over what others hold.
pub(super) fn forces(desired: &Desired) -> bool {
    desired.settings.get(FORCE).and_then(Value::as_bool).unwrap_or(false)
}
