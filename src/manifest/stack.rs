//! The document `kind: Stack`, and the stack as a whole.
//!
//! A stack is one directory of manifests with its variables and phases. What
//! is declared once for all resources is here: variables, phases, toolbox,
//! Kubernetes access and where the state goes. This module must not read files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::{self, StateBucket};
use super::declaration::{Declaration, Parameter, declarations};
use super::diagnostic::{Diagnostic, Diagnostics, nearest};
use super::lock::LockFile;
use super::node::Node;
use super::outputs::{self, DeclaredOutput, Output};
use super::resource::Resource;
use super::schema::{SpecSchema, Subject};
use super::shape;
use super::source::{Sources, Span};
use super::template::{self, Resolution};
use super::translate::{Found, Translator};
use super::when::SwitchedOff;
use super::wording::not_a_name;
use super::yaml;
use crate::adapter::Problem;
use crate::address::{Address, Reference, is_name};
use crate::parallel::each;
use crate::quote::quote;
use crate::value::encoding::encode;
use crate::value::{Digest, Map, Path, Value};

/// A directory of manifests, read and checked.
#[derive(Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// What it is, in a line.
    pub description: Option<String>,
    /// Its phases, in order.
    pub phases: Vec<Phase>,
    /// The variables that it declares, as written.
    pub parameters: Vec<Parameter>,
    /// The values of its variables. What depends on the account or the region
    /// is unknown until these are known; what is sensitive is marked.
    pub variables: Map,
    /// Where the tools run.
    pub toolbox: Toolbox,
    /// The AWS region, where the command line or the variable `region` tells.
    pub region: Option<String>,
    /// The cluster that Kubernetes commands talk to: its name, unknown while a
    /// reference in it is. `None`: there is none.
    pub cluster: Option<Value>,
    /// The directory that the state goes to.
    pub state_path: String,
    /// The bucket that it goes to instead.
    pub state_bucket: Option<StateBucket>,
    /// What should exist, by address.
    pub resources: Vec<Resource>,
    /// What a `when` switches off, with the condition that does not hold.
    pub switched_off: Vec<(Resource, SwitchedOff)>,
    /// What it tells once it is applied.
    pub outputs: Vec<Output>,
    /// The digest of all that the manifests mean: of no comment, file name or
    /// order, and of no secret.
    pub digest: Digest,
    /// The directory of the manifests.
    pub directory: PathBuf,
    /// The lock file, where there is one.
    pub lock: Option<LockFile>,
    pub(super) sources: Arc<Sources>,
}

/// A named group of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// What it brings, for people.
    pub description: Option<String>,
}

/// Where the tools run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Toolbox {
    /// The image that holds the tools; needed to run them in Docker.
    pub image: Option<String>,
    /// How commands are run, unless the command line says otherwise.
    pub exec: ExecMode,
    /// What a new sandbox holds.
    #[serde(skip_serializing_if = "SandboxAccount::has_cluster")]
    pub sandbox: SandboxAccount,
}

/// What a new sandbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxAccount {
    /// An account with a cluster and two nodes.
    #[default]
    Cluster,
    /// An account with neither network nor cluster.
    Empty,
}

impl SandboxAccount {
    /// Whether there is a cluster in it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn has_cluster(&self) -> bool {
        matches!(self, Self::Cluster)
    }
}

/// How commands are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExecMode {
    /// In one toolbox container.
    #[default]
    Docker,
    /// With the tools on PATH.
    Local,
    /// On the simulated account.
    Sandbox,
}

/// What is known of the account besides the manifests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The AWS account.
    pub account: Option<&'a str>,
    /// The AWS region, where the stack does not tell.
    pub region: Option<&'a str>,
}

impl Stack {
    /// The resource of an address.
    pub fn resource(&self, address: &Address) -> Option<&Resource> {
        let found = self.resources.binary_search_by(|resource| resource.address.cmp(address));
        found.ok().and_then(|index| self.resources.get(index))
    }

    /// The file and line where a resource is declared.
    pub fn place(&self, resource: &Resource) -> (&str, usize) {
        let span = resource.origin.span;
        (self.sources.name(span.file), self.sources.position(span).line)
    }

    /// Puts what is known in place of the references in a value: variables,
    /// account and region from the stack and the facts, outputs as `outputs`
    /// says.
    ///
    /// # Errors
    /// References that will never be known, and values that can't be put into
    /// a text.
    pub fn resolve(
        &self,
        value: &Value,
        facts: Facts<'_>,
        outputs: &mut dyn FnMut(&Address, &str) -> Resolution,
    ) -> Result<Value, Vec<Problem>> {
        let region = facts.region.or(self.region.as_deref());
        let known = |fact: Option<&str>| {
            fact.map_or(Resolution::Unknown, |fact| Resolution::Known(Value::from(fact)))
        };
        let mut early = |reference: &Reference| match reference {
            Reference::AccountId => known(facts.account),
            Reference::Region => known(region),
            // The values of variables refer to nothing else.
            Reference::Variable(_) | Reference::Output { .. } => Resolution::Unknown,
        };
        template::resolve(value, &mut |reference| match reference {
            Reference::Variable(name) => match self.variables.get(name) {
                Some(value) => template::resolve(value, &mut early)
                    .map_or(Resolution::Unknown, Resolution::Known),
                None => Resolution::Invalid(format!("no variable {} is declared", quote(name))),
            },
            Reference::AccountId | Reference::Region => early(reference),
            Reference::Output { target, attribute } => outputs(target, attribute),
        })
    }

    /// Shows problems that were found later, in a spec, at the place in the
    /// manifests that they are about.
    pub fn diagnose(&self, problems: &[(Address, Problem)]) -> Diagnostics {
        let (known, gone): (Vec<_>, Vec<_>) = problems
            .iter()
            .map(|(address, problem)| (self.resource(address), address, problem))
            .partition(|(resource, ..)| resource.is_some());
        let mut list: Vec<_> = gone
            .into_iter()
            .map(|(_, address, problem)| {
                Diagnostic::anywhere(format!("{address}: {}", problem.summary))
                    .maybe_help(problem.help.clone())
            })
            .collect();
        let known = known
            .into_iter()
            .filter_map(|(resource, _, problem)| Some((resource?, problem.clone())));
        list.extend(locate(&self.sources, known.collect()));
        Diagnostics::new(Arc::clone(&self.sources), list)
    }
}

/// The diagnostics of problems in specs. Each file is read again once, and only
/// now: places of every value need much room, and almost always nobody asks.
pub(super) fn locate(sources: &Sources, problems: Vec<(&Resource, Problem)>) -> Vec<Diagnostic> {
    let mut by_file: BTreeMap<_, Vec<(&Resource, Problem)>> = BTreeMap::new();
    for (resource, problem) in problems {
        by_file.entry(resource.origin.span.file).or_default().push((resource, problem));
    }
    let mut list = Vec::new();
    for (file, problems) in by_file {
        let documents = yaml::parse(sources, file).documents;
        for (resource, problem) in problems {
            let document = documents.get(resource.origin.document);
            let span = match document.and_then(|node| node.entry("spec")) {
                Some(spec) if problem.path.segments().is_empty() => spec.key_span,
                Some(spec) => spec.value.point(&problem.path),
                None => resource.origin.span,
            };
            list.push(Diagnostic::at(span, problem.summary).maybe_help(problem.help));
        }
    }
    list
}

/// The JSON Schema of the spec of the document `kind: Stack`.
pub fn schema() -> Schema {
    schema_for!(shape::StackSpec)
}

/// What the document `kind: Stack` declares, before variables have values.
#[derive(Debug)]
pub(super) struct StackDocument {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) declarations: Vec<Declaration>,
    pub(super) outputs: Vec<DeclaredOutput>,
    pub(super) phases: Vec<Phase>,
    /// Toolbox, Kubernetes and state as values with their references.
    pub(super) settings: Value,
    /// The references in these.
    pub(super) found: Vec<Found>,
    node: Node,
}

/// Reads the document `kind: Stack`.
pub(super) fn read(
    (name, description): (String, Option<String>),
    node: Node,
    sources: &Sources,
    wrong: &mut Vec<Diagnostic>,
) -> StackDocument {
    let nothing = |_: &Reference| Resolution::Unknown;
    let mut translator = Translator::new(sources, &nothing);
    let mut document = StackDocument {
        name,
        description,
        declarations: Vec::new(),
        outputs: Vec::new(),
        phases: Vec::new(),
        settings: Value::map(),
        found: Vec::new(),
        node,
    };
    let Some(spec) = document.node.entry("spec") else { return document };
    let value = translator.value(&spec.value);
    wrong.append(&mut translator.diagnostics);
    let found = std::mem::take(&mut translator.found);
    let subject = Subject {
        what: super::resource::STACK_KIND,
        value: &value,
        node: &spec.value,
        outer: spec.key_span,
        sources,
    };
    match SpecSchema::new(&schema()) {
        Ok(schema) => wrong.extend(schema.check(&subject).diagnostics),
        Err(why) => wrong.push(Diagnostic::anywhere(format!("the schema of Stack: {why}"))),
    }
    document.declarations = declarations(&spec.value, &value, &found, wrong);
    document.phases = phases(&spec.value, wrong);
    document.outputs = outputs::read(&spec.value, &value, &found, wrong);
    let inside: Vec<_> = ["variables", "outputs"]
        .into_iter()
        .filter_map(|field| Some(range_of(&spec.value.entry(field)?.value)))
        .collect();
    let is_setting = |found: &&Found| {
        !inside.iter().any(|(start, end)| (start..=end).contains(&&found.span.start))
    };
    document.found = found.iter().filter(is_setting).cloned().collect();
    document.settings = value;
    document
}

/// The first and the last byte of a node.
fn range_of(node: &Node) -> (u32, u32) {
    (node.span.start, node.span.end())
}

fn phases(spec: &Node, wrong: &mut Vec<Diagnostic>) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for member in spec.get("phases").map_or(&[][..], Node::members) {
        let Some(node) = member.get("name") else { continue };
        let Some(name) = node.as_text() else { continue };
        if !is_name(name) {
            wrong.push(not_a_name(node.span, name));
        }
        if let Some(first) = seen.insert(name, node.span) {
            wrong.push(
                Diagnostic::at(node.span, "a phase that is declared twice")
                    .label("again here")
                    .related(first, "first here")
                    .help("keep one of them"),
            );
            continue;
        }
        let description = member.get("description").and_then(Node::as_text).map(str::to_owned);
        phases.push(Phase { name: name.to_owned(), description });
    }
    phases
}

/// What the stack says once for all resources, with variables in place.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) toolbox: Toolbox,
    pub(super) cluster: Option<Value>,
    pub(super) state_path: String,
    pub(super) state_bucket: Option<StateBucket>,
}

impl StackDocument {
    /// How commands are run, as far as the manifests say. It holds no reference,
    /// so it is known before the variables are.
    pub(super) fn exec(&self) -> ExecMode {
        self.of_toolbox("exec")
    }

    fn of_toolbox<T: serde::de::DeserializeOwned + Default>(&self, field: &str) -> T {
        let found = self.settings.get("toolbox").and_then(|toolbox| toolbox.get(field));
        found.and_then(|found| found.to_spec().ok()).unwrap_or_default()
    }

    /// The settings, with what `lookup` knows in place of references.
    pub(super) fn settings(
        &self,
        lookup: &dyn Fn(&Reference) -> Resolution,
        wrong: &mut Vec<Diagnostic>,
    ) -> Settings {
        let mut lookup = |reference: &Reference| lookup(reference);
        let place =
            |path: &Path| self.node.get("spec").map_or(self.node.span, |spec| spec.point(path));
        let mut text = |path: &[&str], late: bool| {
            let value = path.iter().try_fold(&self.settings, |value, key| value.get(key))?;
            let span = place(&path_of(path));
            let why = match template::resolve(value, &mut lookup) {
                Ok(value @ Value::Unknown(_)) if late => return Some(value),
                Ok(value @ Value::String(_)) => return Some(value),
                // Told of by the schema, or of an undeclared variable.
                Ok(Value::Null) => return None,
                Ok(Value::Unknown(_)) => "only variables can be known here".to_owned(),
                Ok(Value::Sensitive(_)) => "a sensitive value would be shown here".to_owned(),
                Ok(other) => format!("expected a text, found {}", template::type_name(&other)),
                Err(problems) => problems
                    .into_iter()
                    .map(|problem| problem.summary)
                    .collect::<Vec<_>>()
                    .join("; "),
            };
            wrong.push(Diagnostic::at(span, "a setting that can't be used").label(why));
            None
        };
        let image = text(&["toolbox", "image"], false);
        let cluster = text(&["kubernetes", "cluster"], true);
        let state = text(&["state", "path"], false);
        let mut s3 = |field: &str| {
            let value = text(&["state", "s3", field], false)?;
            Some((value.as_str()?.to_owned(), place(&path_of(&["state", "s3", field]))))
        };
        let (bucket, prefix, region) = (s3("bucket"), s3("prefix"), s3("region"));
        if let Some((_, span)) = bucket.as_ref().filter(|_| state.is_some()) {
            wrong.push(
                Diagnostic::at(*span, "two places for one state")
                    .label("the state goes to a directory already")
                    .help("keep `path` or `s3`"),
            );
        }
        bucket::check([&bucket, &prefix, &region], wrong);
        Settings {
            toolbox: Toolbox {
                image: image.as_ref().and_then(Value::as_str).map(str::to_owned),
                exec: self.exec(),
                sandbox: self.of_toolbox("sandbox"),
            },
            cluster,
            state_path: state.as_ref().and_then(Value::as_str).unwrap_or("state").to_owned(),
            state_bucket: bucket.map(|(bucket, _)| StateBucket {
                bucket,
                prefix: prefix.map_or_else(|| "lkh".to_owned(), |(prefix, _)| prefix),
                region: region.map(|(region, _)| region),
            }),
        }
    }
}

fn path_of(keys: &[&str]) -> Path {
    keys.iter()
        .skip(1)
        .fold(Path::new(keys.first().copied().unwrap_or_default()), |path, key| path.join(*key))
}

/// The digest of what a stack means.
pub(super) fn digest(stack: &Stack) -> Digest {
    let resources = each(stack.resources.iter().collect(), |resource| {
        // One digest each: the whole of a large stack is never one text.
        let mut meaning = json!({
            "address": resource.address,
            "phase": resource.phase,
            "external": resource.external,
            "dependsOn": resource.depends_on,
            "lifecycle": resource.lifecycle,
        });
        if !resource.files.is_empty()
            && let Some(map) = meaning.as_object_mut()
        {
            map.insert("files".into(), json!(resource.files));
        }
        let mut bytes = meaning.to_string().into_bytes();
        encode(&resource.spec, &mut bytes);
        Digest::of(&bytes)
    });
    let mut meaning = json!({
        "name": stack.name,
        "phases": stack.phases,
        "variables": stack.variables,
        "toolbox": stack.toolbox,
        "region": stack.region,
        "cluster": stack.cluster,
        "statePath": stack.state_path,
        "resources": resources,
    });
    if let (Some(bucket), Some(map)) = (&stack.state_bucket, meaning.as_object_mut()) {
        map.insert("stateBucket".into(), json!(bucket));
    }
    if let (false, Some(map)) = (stack.outputs.is_empty(), meaning.as_object_mut()) {
        let outputs: BTreeMap<_, _> = stack
            .outputs
            .iter()
            // What is written in a sensitive one may itself be the secret.
            .map(|one| (&one.name, (!one.sensitive).then_some(&one.written)))
            .collect();
        map.insert("outputs".into(), json!(outputs));
    }
    Digest::of(meaning.to_string().as_bytes())
}

/// The error for a phase that is not declared.
pub(super) fn unknown_phase(span: Span, name: &str, phases: &[Phase]) -> Diagnostic {
    let names: BTreeSet<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
    let help = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {}?", quote(near)),
        None if names.is_empty() => "declare it in the Stack: `phases: [{name: ...}]`".to_owned(),
        None => format!("the phases are {}", super::wording::list(names.into_iter(), "and")),
    };
    Diagnostic::at(span, "unknown phase")
        .label(format!("{} is not a phase of the stack", quote(name)))
        .help(help)
}
