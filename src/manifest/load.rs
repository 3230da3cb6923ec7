//! A directory to a checked stack.
//!
//! It joins the other parts, in order: texts, documents, envelopes, variables,
//! specs, links, adapters. Nothing stops at the first error; an error only
//! keeps those quiet that would follow from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;
use std::sync::Arc;

use super::declaration::Declaration;
use super::diagnostic::{Diagnostic, Diagnostics, MOST_TOLD, nearest};
use super::files::{Files, beside};
use super::links::{Links, circles};
use super::lock::{self, LockFile};
use super::node::Node;
use super::resource::{self, Declared, Document, STACK_KIND};
use super::schema::{SpecSchema, Subject};
use super::source::{Sources, Span};
use super::stack::{self, ExecMode, Stack, StackDocument, locate};
use super::template::{Resolution, mentions};
use super::translate::Translator;
use super::variables::{REGION, VariableInputs, assign};
use super::when::{SwitchedOff, Verdict};
use super::yaml;
use crate::adapter::{Adapter, Context, Desired, Kind, Problem};
use crate::address::{Address, Reference};
use crate::parallel::each;
use crate::quote::quote;
use crate::value::{Digest, Map, Value};

/// Reads and checks a directory of manifests.
///
/// # Errors
/// Everything that is wrong, in one run.
pub fn load(directory: &FilePath, inputs: &VariableInputs) -> Result<Stack, Diagnostics> {
    let mut files = Files::default();
    files.directory(directory);
    assemble(files, Some(directory), &directory.display().to_string(), inputs)
}

/// Checks manifests that stand in no directory, each with its name.
///
/// # Errors
/// Everything that is wrong, in one run.
pub fn load_texts(
    texts: &[(&str, &[u8])],
    place: &str,
    inputs: &VariableInputs,
) -> Result<Stack, Diagnostics> {
    let mut files = Files::default();
    files.texts(texts);
    assemble(files, None, place, inputs)
}

fn assemble(
    mut files: Files,
    directory: Option<&FilePath>,
    place: &str,
    inputs: &VariableInputs,
) -> Result<Stack, Diagnostics> {
    let variables: Vec<Node> =
        inputs.files.iter().filter_map(|path| files.variables(path)).collect();
    let Files { sources, mut wrong, manifests, mut incomplete, .. } = files;
    if manifests.is_empty() && wrong.is_empty() {
        wrong
            .push(Diagnostic::anywhere(format!("no manifests in {}", quote(place))).help(
                "manifests are files that end in .yaml or .yml; `--dir` says where they are",
            ));
        incomplete = true;
    }
    let mut documents = Vec::new();
    for parsed in each(manifests, |file| yaml::parse(&sources, file)) {
        incomplete |= parsed.incomplete;
        wrong.extend(parsed.diagnostics);
        for (index, node) in parsed.documents.into_iter().enumerate() {
            documents.push(resource::read(node, index, &mut wrong));
        }
    }
    let mut assembly = Assembly {
        directory,
        sources: &sources,
        inputs,
        wrong,
        all: Vec::new(),
        declared: BTreeMap::new(),
        off: Vec::new(),
        unusable: BTreeSet::new(),
        incomplete,
    };
    let stack_document = assembly.sort(documents, place);
    let stack = assembly.check(stack_document, &variables);
    let mut wrong = assembly.wrong;
    let sources = Arc::new(sources);
    if let Some(mut stack) = stack.filter(|_| wrong.is_empty()) {
        stack.sources = sources;
        stack.digest = stack::digest(&stack);
        return Ok(stack);
    }
    if wrong.is_empty() {
        wrong.push(Diagnostic::anywhere("the manifests hold no stack"));
    }
    Err(Diagnostics::new(sources, wrong))
}

/// The stack while it is put together.
struct Assembly<'a> {
    // `None`: the manifests stand in no directory.
    directory: Option<&'a FilePath>,
    sources: &'a Sources,
    inputs: &'a VariableInputs,
    wrong: Vec<Diagnostic>,
    /// The resources, until it is known which of them are declared.
    all: Vec<Declared>,
    declared: BTreeMap<Address, Declared>,
    /// What a `when` switches off.
    off: Vec<(Declared, SwitchedOff)>,
    unusable: BTreeSet<String>,
    incomplete: bool,
}

impl Assembly<'_> {
    /// Sorts documents by what they are, and tells of what stands twice.
    fn sort(&mut self, documents: Vec<Document>, place: &str) -> Option<StackDocument> {
        let mut stack: Option<(Span, StackDocument)> = None;
        for document in documents {
            match document {
                Document::Unusable(address) => self.unusable.extend(address),
                Document::Stack { name, description, span, node } => match &stack {
                    Some((first, _)) => self.wrong.push(
                        Diagnostic::at(span, "a second Stack")
                            .label("again here")
                            .related(*first, "first here")
                            .help("a directory holds one stack: keep one of them"),
                    ),
                    None => {
                        let named = (name, description);
                        let read = stack::read(named, node, self.sources, &mut self.wrong);
                        stack = Some((span, read));
                    }
                },
                Document::Resource(declared) => self.all.push(*declared),
            }
        }
        if stack.is_none() && !self.incomplete && !self.unusable.contains(STACK_KIND) {
            self.wrong.push(Diagnostic::anywhere(format!("no Stack in {}", quote(place))).help(
                "one document says what the stack is called: \
                     `{apiVersion: lkh/v1, kind: Stack, metadata: {name: ...}, spec: {}}`",
            ));
        }
        stack.map(|(_, stack)| stack)
    }

    /// Finds out which resources are declared, and tells of what is declared
    /// twice. Two documents may share an address, as long as only one of them
    /// is.
    fn select(&mut self, variables: &Map) {
        for declared in std::mem::take(&mut self.all) {
            let address = declared.resource.address.clone();
            let off = match declared.when.verdict(variables, &mut self.wrong) {
                Verdict::On => match self.declared.get(&address) {
                    Some(first) => {
                        self.wrong.push(
                            Diagnostic::at(
                                declared.resource.origin.span,
                                format!("{address} is declared twice"),
                            )
                            .label("again here")
                            .related(first.resource.origin.span, "first here")
                            .help("rename or remove one of them"),
                        );
                        continue;
                    }
                    None => {
                        self.declared.insert(address, declared);
                        continue;
                    }
                },
                Verdict::Off(off) => off,
                Verdict::Undecided(off) => {
                    // What refers to it may well be right.
                    self.unusable.insert(address.to_string());
                    off
                }
            };
            self.off.push((declared, off));
        }
    }

    fn check(&mut self, document: Option<StackDocument>, files: &[Node]) -> Option<Stack> {
        let declarations = document.as_ref().map_or(&[][..], |document| &document.declarations);
        let sandbox = self.inputs.sandbox.unwrap_or_else(|| {
            document.as_ref().is_some_and(|document| document.exec() == ExecMode::Sandbox)
        });
        let variables = assign(declarations, self.inputs, sandbox, files, &mut self.wrong);
        let told = variables.get(REGION).and_then(Value::as_str).map(str::to_owned);
        let region = self.inputs.region.clone().or(told);
        let lookup = |reference: &Reference| match reference {
            Reference::Variable(name) => variables
                .get(name)
                .map_or(Resolution::Unknown, |value| Resolution::Known(value.clone())),
            Reference::Region => region
                .as_ref()
                .map_or(Resolution::Unknown, |region| Resolution::Known(region.as_str().into())),
            Reference::AccountId | Reference::Output { .. } => Resolution::Unknown,
        };
        // Without a Stack every variable would be undeclared.
        if document.is_some() {
            for declared in &self.all {
                declared.when.check(declarations, &mut self.wrong);
            }
        }
        self.select(&variables);
        self.specs(&lookup);
        self.files();
        let mut wrong = std::mem::take(&mut self.wrong);
        let off = || self.off.iter().map(|(declared, _)| declared);
        if let Some(document) = &document {
            undeclared(document, self.declared.values().chain(off()), &mut wrong);
        }
        let links = Links {
            declared: &self.declared,
            off: &self.off,
            unusable: &self.unusable,
            incomplete: self.incomplete,
        };
        let (settings, outputs) = document.as_ref().map_or((&[][..], &[][..]), |document| {
            (document.found.as_slice(), document.outputs.as_slice())
        });
        links.references(settings, outputs, &mut wrong);
        links.depends_on(document.as_ref().map(|document| document.phases.as_slice()), &mut wrong);
        circles(&self.declared, &mut wrong);
        self.ignored(&mut wrong);
        let settings = document.as_ref().map(|document| document.settings(&lookup, &mut wrong));
        let cluster = settings.as_ref().and_then(|settings| settings.cluster.as_ref());
        let open: Vec<String> = declarations
            .iter()
            .map(|declaration| &declaration.parameter)
            .filter(|one| one.is_required())
            .filter(|one| matches!(variables.get(&one.name), None | Some(Value::Unknown(_))))
            .map(|one| Reference::Variable(one.name.clone()).to_string())
            .collect();
        self.desired(region.as_deref(), cluster, &open, &mut wrong);
        self.wrong = wrong;
        let lock = self.lock(sandbox);
        let (document, settings) = (document?, settings?);
        let is_off = |address: &Address| {
            !self.declared.contains_key(address)
                && self.off.iter().any(|(declared, _)| declared.resource.address == *address)
        };
        let outputs = document
            .outputs
            .into_iter()
            .map(|output| output.settle(&lookup, &is_off, &mut self.wrong))
            .collect();
        Some(Stack {
            name: document.name,
            description: document.description,
            phases: document.phases,
            parameters: document
                .declarations
                .into_iter()
                .map(Declaration::into_parameter)
                .collect(),
            variables,
            toolbox: settings.toolbox,
            region,
            cluster: settings.cluster,
            state_path: settings.state_path,
            state_bucket: settings.state_bucket,
            resources: std::mem::take(&mut self.declared)
                .into_values()
                .map(|declared| declared.resource)
                .collect(),
            switched_off: std::mem::take(&mut self.off)
                .into_iter()
                .map(|(declared, off)| (declared.resource, off))
                .collect(),
            outputs,
            digest: Digest::of(&[]),
            directory: self.directory.map(FilePath::to_owned).unwrap_or_default(),
            lock,
            sources: Arc::default(),
        })
    }

    /// Turns the specs from nodes into values, and checks them by the schemas
    /// of their kinds.
    fn specs(&mut self, lookup: &(dyn Fn(&Reference) -> Resolution + Sync)) {
        let off = self.off.iter_mut().map(|(declared, _)| declared);
        let declared: Vec<&mut Declared> = self.declared.values_mut().chain(off).collect();
        let kinds: BTreeSet<Kind> = declared.iter().map(|one| one.resource.address.kind).collect();
        let mut schemas: BTreeMap<Kind, SpecSchema> = BTreeMap::new();
        for kind in kinds {
            match SpecSchema::new(&kind.adapter().schema()) {
                Ok(schema) => {
                    schemas.insert(kind, schema);
                }
                Err(why) => {
                    self.wrong.push(Diagnostic::anywhere(format!("the schema of {kind}: {why}")));
                }
            }
        }
        let sources = self.sources;
        let wrong = each(declared, |declared| {
            // The node is dropped here: places take more room than values.
            let Some(spec) = declared.spec.take() else { return Vec::new() };
            let kind = declared.resource.address.kind;
            let mut translator = Translator::new(sources, lookup);
            let value = translator.value(&spec.value);
            let subject = Subject {
                what: kind.as_str(),
                value: &value,
                node: &spec.value,
                outer: spec.key_span,
                sources,
            };
            let schema = schemas.get(&kind);
            let checked = schema.map(|schema| schema.check(&subject)).unwrap_or_default();
            let mut wrong = translator.diagnostics;
            wrong.extend(checked.diagnostics);
            declared.sound = wrong.is_empty() && !checked.opaque;
            declared.found = translator.found;
            declared.resource.spec = value;
            wrong
        });
        self.wrong.extend(wrong.into_iter().flatten());
    }

    /// Reads the files that the specs name.
    fn files(&mut self) {
        let mut problems = Vec::new();
        for declared in self.declared.values_mut().filter(|declared| declared.sound) {
            let resource = &mut declared.resource;
            let named = resource.address.kind.adapter().files(&resource.spec);
            let mut texts = BTreeMap::new();
            for (path, name) in named {
                let nowhere =
                    ("these manifests have no files beside them".to_owned(), "write them out");
                let read = self.directory.ok_or(nowhere).and_then(|at| beside(at, &name));
                match read {
                    Ok(text) => drop(texts.insert(name, text)),
                    Err((summary, help)) => {
                        let problem = Problem { path, summary, help: Some(help.to_owned()) };
                        problems.push((resource.address.clone(), problem));
                        declared.sound = false;
                    }
                }
            }
            resource.files = Arc::new(texts);
        }
        let found = problems.into_iter().filter_map(|(address, problem)| {
            Some((&self.declared.get(&address)?.resource, problem))
        });
        self.wrong.extend(locate(self.sources, found.collect()));
    }

    /// Reads the lock file, if there is one.
    fn lock(&mut self, sandbox: bool) -> Option<LockFile> {
        let name = if sandbox { lock::SANDBOX_FILE } else { lock::FILE };
        let directory = self.directory.filter(|directory| directory.join(name).exists())?;
        let read = beside(directory, name);
        match read.and_then(|text| {
            let help = "`lkh lock` writes it anew, once it is out of the way";
            LockFile::parse(&text).map_err(|why| (format!("{name}: {why}"), help))
        }) {
            Ok(lock) => Some(lock),
            Err((summary, help)) => {
                self.wrong.push(Diagnostic::anywhere(summary).help(help));
                None
            }
        }
    }

    /// Checks that `ignoreChanges` names fields that there are.
    fn ignored(&self, wrong: &mut Vec<Diagnostic>) {
        for (address, declared) in &self.declared {
            let attributes = address.kind.adapter().attributes();
            let names = || attributes.iter().map(|attribute| attribute.name);
            let paths = &declared.resource.lifecycle.ignore_changes;
            for (path, span) in paths.iter().zip(&declared.ignore_spans) {
                let Some(first) = path.segments().first() else { continue };
                if attributes.is_empty() || names().any(|name| name == first) {
                    continue;
                }
                let help = match nearest(first, names()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => format!("its fields are {}", super::wording::list(names(), "and")),
                };
                wrong.push(
                    Diagnostic::at(*span, "unknown field to ignore")
                        .label(format!("{} has no field {}", address.kind, quote(first)))
                        .help(help),
                );
            }
        }
    }

    /// Asks the adapters what the specs mean, and tells of their problems and
    /// of objects that two resources claim.
    fn desired(
        &self,
        region: Option<&str>,
        cluster: Option<&Value>,
        open: &[String],
        wrong: &mut Vec<Diagnostic>,
    ) {
        // Of what a variable without a value leaves open, that variable is told.
        let sound = self.declared.values().filter(|one| one.sound);
        let sound = sound.filter(|one| !mentions(&one.resource.spec, open));
        let sound: Vec<&Declared> = sound.collect();
        let meant = each(sound.clone(), |declared| {
            let resource = &declared.resource;
            let context = Context {
                name: resource.address.name.clone(),
                account: None,
                region: region.unwrap_or_default().to_owned(),
                external: resource.external,
                files: Arc::clone(&resource.files),
            };
            let adapter = resource.address.kind.adapter();
            // While its name is not known, the claims count without it.
            let cluster = cluster.filter(|cluster| !cluster.has_unknown());
            let meant = adapter.desired(&resource.spec, &context);
            meant.map(|desired| claims(adapter, &desired.in_cluster(adapter, cluster)))
        });
        let mut problems: Vec<(&resource::Resource, Problem)> = Vec::new();
        let mut claimed: BTreeMap<(Kind, String), (&Declared, String)> = BTreeMap::new();
        for (declared, meant) in sound.into_iter().zip(meant) {
            let address = &declared.resource.address;
            let claims = match meant {
                Ok(claims) => claims,
                Err(found) => {
                    let told = found.into_iter().take(MOST_TOLD);
                    problems.extend(told.map(|problem| (&declared.resource, problem)));
                    continue;
                }
            };
            for (claim, shown) in claims {
                let (taken, before) = claimed
                    .entry((address.kind, claim))
                    .or_insert_with(|| (declared, shown.clone()));
                let first = &taken.resource;
                if first.address == *address {
                    continue;
                }
                let help = if *before == shown {
                    "keep one of them, or let them stand for different objects"
                } else {
                    "AWS takes names that differ only in case for the same: keep one of them, or \
                     choose another name"
                };
                let so_is = if *before == shown {
                    format!("so is {}", first.address)
                } else {
                    format!("{} is {}", first.address, quote(before))
                };
                wrong.push(
                    Diagnostic::at(
                        declared.resource.origin.span,
                        format!("two resources stand for the same {}", address.kind),
                    )
                    .label(format!("{address} is {}", quote(&shown)))
                    .related(first.origin.span, so_is)
                    .help(help),
                );
                break;
            }
        }
        wrong.extend(locate(self.sources, problems));
    }
}

/// What a resource claims for itself, as far as it is known, each with how the
/// manifest writes it.
fn claims(adapter: &dyn Adapter, desired: &Desired) -> Vec<(String, String)> {
    let mut claims = adapter.claims(&desired.identity, &desired.attributes);
    // A claim that holds an unknown text is not known.
    claims.retain(|claim| !claim.contains(char::is_control));
    let mut written: Vec<String> = desired
        .identity
        .0
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    written.push(desired.identity.to_string());
    let shown = |claim: String| {
        let alike = written.iter().find(|text| text.to_lowercase() == claim.to_lowercase());
        let text = alike.cloned().unwrap_or_else(|| claim.clone());
        (claim, text)
    };
    claims.into_iter().map(shown).collect()
}

/// Tells of references to variables that no one declares.
fn undeclared<'a>(
    document: &StackDocument,
    declared: impl Iterator<Item = &'a Declared>,
    wrong: &mut Vec<Diagnostic>,
) {
    let names: BTreeSet<&str> = document
        .declarations
        .iter()
        .map(|declaration| declaration.parameter.name.as_str())
        .collect();
    let in_defaults = document.declarations.iter().flat_map(|declaration| &declaration.found);
    for found in in_defaults.clone() {
        if let Reference::Output { .. } = found.reference {
            wrong.push(
                Diagnostic::at(found.span, "a variable that refers to a resource")
                    .label("not known when variables get their values")
                    .help("refer to the resource where the value is used"),
            );
        }
    }
    let in_specs = declared.flat_map(|declared| &declared.found);
    let in_outputs = document.outputs.iter().flat_map(|output| &output.found);
    for found in in_specs.chain(in_defaults).chain(&document.found).chain(in_outputs) {
        let Reference::Variable(name) = &found.reference else { continue };
        if names.contains(name.as_str()) {
            continue;
        }
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `${{var.{near}}}`?"),
            None => format!("declare it in the Stack: `variables: {{{name}: {{...}}}}`"),
        };
        wrong.push(
            Diagnostic::at(found.span, "undeclared variable")
                .label(format!("the stack declares no variable {}", quote(name)))
                .help(help),
        );
    }
}

#[cfg(test)]
mod tests;
