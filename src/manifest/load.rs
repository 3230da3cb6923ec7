//! A directory to a checked stack: the only part that reads files.
//!
//! It joins the others, in order: texts, documents, envelopes, variables,
//! specs, links, adapters. Nothing stops at the first error; an error only
//! keeps those quiet that would follow from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Diagnostics, nearest, quote};
use super::encoding::{MAX_BYTES, take, too_long};
use super::links::{Links, circles};
use super::node::Node;
use super::resource::{self, Declared, Document, STACK_KIND};
use super::schema::{SpecSchema, Subject};
use super::source::{FileId, Sources, Span};
use super::stack::{self, Stack, StackDocument, point};
use super::template::{Found, Resolution, Translator};
use super::variables::{REGION, VariableInputs, assign};
use super::yaml;
use crate::adapter::{Adapter, Context, Desired, Kind};
use crate::address::{Address, Reference};
use crate::value::{Digest, Value};

/// The most bytes of manifests, all files together.
const MAX_TOTAL_BYTES: u64 = 256 * 1024 * 1024;
/// The deepest nesting of directories.
const MAX_DIRECTORIES: usize = 16;

/// Reads and checks a directory of manifests.
///
/// # Errors
/// Everything that is wrong, in one run.
pub fn load(directory: &FilePath, inputs: &VariableInputs) -> Result<Stack, Diagnostics> {
    load_with(directory, inputs, &Kind::adapter)
}

/// As [`load`], with the code of the kinds.
pub(super) fn load_with(
    directory: &FilePath,
    inputs: &VariableInputs,
    adapter_of: &dyn Fn(Kind) -> &'static dyn Adapter,
) -> Result<Stack, Diagnostics> {
    let mut files = Files::default();
    files.directory(directory);
    let manifests = std::mem::take(&mut files.read);
    let variables =
        inputs.files.iter().filter_map(|path| files.variables(path)).collect::<Vec<_>>();
    let Files { sources, mut wrong, mut incomplete, .. } = files;
    if manifests.is_empty() && wrong.is_empty() {
        wrong.push(
            Diagnostic::anywhere(format!(
                "no manifests in {}",
                quote(&directory.display().to_string())
            ))
            .help("manifests are files that end in .yaml or .yml; `--dir` says where they are"),
        );
        incomplete = true;
    }

    let mut documents = Vec::new();
    for file in manifests {
        let parsed = yaml::parse(&sources, file);
        incomplete |= parsed.incomplete;
        wrong.extend(parsed.diagnostics);
        for (index, node) in parsed.documents.into_iter().enumerate() {
            documents.push(resource::read(node, index, &mut wrong));
        }
    }
    let mut assembly = Assembly {
        sources: &sources,
        inputs,
        adapter_of,
        wrong,
        declared: BTreeMap::new(),
        unusable: BTreeSet::new(),
        incomplete,
    };
    let stack_document = assembly.sort(documents, directory);
    let stack = assembly.check(stack_document, &variables);
    let wrong = assembly.wrong;
    let sources = Arc::new(sources);
    if !wrong.is_empty() {
        return Err(Diagnostics::new(sources, wrong));
    }
    match stack {
        Some(mut stack) => {
            stack.sources = sources;
            stack.digest = stack::digest(&stack);
            Ok(stack)
        }
        None => {
            let nothing = Diagnostic::anywhere("the manifests hold no stack");
            Err(Diagnostics::new(sources, vec![nothing]))
        }
    }
}

/// Files while they are read.
#[derive(Default)]
struct Files {
    sources: Sources,
    wrong: Vec<Diagnostic>,
    read: Vec<FileId>,
    /// The files behind the names, so that a link does not make two of one.
    seen: BTreeSet<PathBuf>,
    bytes: u64,
    incomplete: bool,
}

impl Files {
    fn problem(&mut self, path: &FilePath, what: &str, help: &str) {
        let name = quote(&path.display().to_string());
        self.wrong.push(Diagnostic::anywhere(format!("{name}: {what}")).help(help));
        self.incomplete = true;
    }

    fn io_problem(&mut self, path: &FilePath, error: &std::io::Error) {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "does the path exist?",
            std::io::ErrorKind::PermissionDenied => "may you read it?",
            std::io::ErrorKind::NotADirectory => "give the directory, not a file in it",
            _ => "can you read it otherwise?",
        };
        self.problem(path, &error.to_string(), help);
    }

    fn directory(&mut self, directory: &FilePath) {
        match fs::canonicalize(directory) {
            Ok(root) if !root.is_dir() => {
                self.problem(directory, "not a directory", "give the directory, not a file in it");
            }
            Ok(root) => self.walk(directory, &root, 0),
            Err(error) => self.io_problem(directory, &error),
        }
    }

    fn walk(&mut self, directory: &FilePath, root: &FilePath, depth: usize) {
        if depth > MAX_DIRECTORIES {
            let what = format!("directories are nested more than {MAX_DIRECTORIES} deep");
            self.problem(directory, &what, "is this the right directory?");
            return;
        }
        let entries = fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| entry.map(|one| one.file_name())).collect());
        let mut names: Vec<_> = match entries {
            Ok(names) => names,
            Err(error) => return self.io_problem(directory, &error),
        };
        names.sort();
        for name in names {
            let path = directory.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let is_manifest =
                path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.io_problem(&path, &error);
                    continue;
                }
            };
            if metadata.is_dir() {
                self.walk(&path, root, depth + 1);
            } else if metadata.is_symlink() {
                self.link(&path, root, is_manifest);
            } else if is_manifest {
                self.file(&path);
            }
        }
    }

    /// A link is followed to a file inside the directory; what it leads to is
    /// read once.
    fn link(&mut self, path: &FilePath, root: &FilePath, is_manifest: bool) {
        match fs::canonicalize(path) {
            Ok(target) if !target.starts_with(root) => self.problem(
                path,
                "a link that leads out of the directory",
                "copy the manifests, or give their directory with --dir",
            ),
            // A directory inside is walked by its own name.
            Ok(target) if target.is_dir() => {}
            Ok(_) if is_manifest => self.file(path),
            Ok(_) => {}
            Err(error) if is_manifest => self.io_problem(path, &error),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: &FilePath) {
        match fs::canonicalize(path) {
            Ok(target) => {
                if !self.seen.insert(target) {
                    return;
                }
            }
            Err(error) => return self.io_problem(path, &error),
        }
        if let Some(bytes) = self.bytes(path) {
            match take(&mut self.sources, &path.display().to_string(), &bytes) {
                Ok(file) => self.read.push(file),
                Err(diagnostic) => {
                    self.wrong.push(*diagnostic);
                    self.incomplete = true;
                }
            }
        }
    }

    /// The bytes of a regular file that is not too long.
    fn bytes(&mut self, path: &FilePath) -> Option<Vec<u8>> {
        // A pipe or a device would never end; opening one may already wait.
        let metadata = fs::metadata(path);
        match &metadata {
            Ok(metadata) if !metadata.is_file() => {
                self.problem(path, "not a regular file", "manifests are read from plain files");
                return None;
            }
            Ok(metadata) if metadata.len() > MAX_BYTES as u64 => {
                let file = self.sources.add(path.display().to_string(), "");
                self.sources.hide(file);
                self.wrong.push(too_long(file, metadata.len()));
                self.incomplete = true;
                return None;
            }
            Ok(_) | Err(_) => {}
        }
        let mut bytes = Vec::new();
        // It may have grown since: one byte too many is told of as such.
        let read = fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
        match read {
            Ok(count) => self.bytes += count as u64,
            Err(error) => {
                self.io_problem(path, &error);
                return None;
            }
        }
        if self.bytes > MAX_TOTAL_BYTES {
            if !self.incomplete {
                let what = format!("more than {MAX_TOTAL_BYTES} bytes of manifests up to here");
                self.problem(path, &what, "is this the right directory?");
            }
            return None;
        }
        Some(bytes)
    }

    /// The map of a file of variables; its lines are never shown.
    fn variables(&mut self, path: &FilePath) -> Option<Node> {
        let bytes = self.bytes(path)?;
        let file = match take(&mut self.sources, &path.display().to_string(), &bytes) {
            Ok(file) => file,
            Err(diagnostic) => {
                if let Some(span) = diagnostic.span {
                    self.sources.hide(span.file);
                }
                self.wrong.push(*diagnostic);
                return None;
            }
        };
        self.sources.hide(file);
        let mut parsed = yaml::parse(&self.sources, file);
        self.wrong.append(&mut parsed.diagnostics);
        if let Some(second) = parsed.documents.get(1) {
            self.wrong.push(
                Diagnostic::at(second.span, "a file of variables with several documents")
                    .help("keep one map of NAME: VALUE"),
            );
        }
        parsed.documents.into_iter().next()
    }
}

/// The stack while it is put together.
struct Assembly<'a> {
    sources: &'a Sources,
    inputs: &'a VariableInputs,
    adapter_of: &'a dyn Fn(Kind) -> &'static dyn Adapter,
    wrong: Vec<Diagnostic>,
    declared: BTreeMap<Address, Declared>,
    unusable: BTreeSet<String>,
    incomplete: bool,
}

impl Assembly<'_> {
    /// Sorts documents by what they are, and tells of what stands twice.
    fn sort(&mut self, documents: Vec<Document>, directory: &FilePath) -> Option<StackDocument> {
        let mut stack: Option<(Span, StackDocument)> = None;
        for document in documents {
            match document {
                Document::Unusable(address) => self.unusable.extend(address),
                Document::Stack { name, span, node } => match &stack {
                    Some((first, _)) => self.wrong.push(
                        Diagnostic::at(span, "a second Stack")
                            .label("again here")
                            .related(*first, "first here")
                            .help("a directory holds one stack: keep one of them"),
                    ),
                    None => {
                        stack =
                            Some((span, stack::read(name, node, self.sources, &mut self.wrong)));
                    }
                },
                Document::Resource(declared) => {
                    let address = declared.resource.address.clone();
                    match self.declared.get(&address) {
                        Some(first) => self.wrong.push(
                            Diagnostic::at(
                                declared.resource.origin.span,
                                format!("{address} is declared twice"),
                            )
                            .label("again here")
                            .related(first.resource.origin.span, "first here")
                            .help("rename or remove one of them"),
                        ),
                        None => {
                            self.declared.insert(address, *declared);
                        }
                    }
                }
            }
        }
        if stack.is_none() && !self.incomplete && !self.unusable.contains(STACK_KIND) {
            self.wrong.push(
                Diagnostic::anywhere(format!(
                    "no Stack in {}",
                    quote(&directory.display().to_string())
                ))
                .help(
                    "one document says what the stack is called: \
                     `{apiVersion: lkh/v1, kind: Stack, metadata: {name: ...}, spec: {}}`",
                ),
            );
        }
        stack.map(|(_, stack)| stack)
    }

    fn check(&mut self, document: Option<StackDocument>, files: &[Node]) -> Option<Stack> {
        let declarations = document.as_ref().map_or(&[][..], |document| &document.declarations);
        let variables = assign(declarations, self.inputs, files, self.sources, &mut self.wrong);
        let told = variables.get(REGION).and_then(Value::as_str).map(str::to_owned);
        let region = self.inputs.region.clone().or(told);
        let mut lookup = |reference: &Reference| match reference {
            Reference::Variable(name) => variables
                .get(name)
                .map_or(Resolution::Unknown, |value| Resolution::Known(value.clone())),
            Reference::Region => region
                .as_ref()
                .map_or(Resolution::Unknown, |region| Resolution::Known(region.as_str().into())),
            Reference::AccountId | Reference::Output { .. } => Resolution::Unknown,
        };
        let mut found: BTreeMap<Address, Vec<Found>> = BTreeMap::new();
        let mut sound: BTreeSet<Address> = BTreeSet::new();
        let mut schemas: BTreeMap<Kind, Option<SpecSchema>> = BTreeMap::new();
        for (address, declared) in &mut self.declared {
            let Some((node, outer)) = declared.spec() else { continue };
            let mut translator = Translator::new(self.sources, &mut lookup);
            let value = translator.value(node);
            let schema = schemas.entry(address.kind).or_insert_with(|| {
                let schema = (self.adapter_of)(address.kind).schema();
                SpecSchema::new(&schema)
                    .map_err(|why| {
                        let summary = format!("the schema of {}: {why}", address.kind);
                        self.wrong.push(Diagnostic::anywhere(summary));
                    })
                    .ok()
            });
            let subject = Subject {
                what: address.kind.as_str(),
                value: &value,
                node,
                outer,
                sources: self.sources,
            };
            let checked = schema.as_ref().map(|schema| schema.check(&subject)).unwrap_or_default();
            if translator.diagnostics.is_empty()
                && checked.diagnostics.is_empty()
                && !checked.opaque
            {
                sound.insert(address.clone());
            }
            self.wrong.append(&mut translator.diagnostics);
            self.wrong.extend(checked.diagnostics);
            found.insert(address.clone(), translator.found);
            declared.resource.spec = value;
        }
        let mut wrong = std::mem::take(&mut self.wrong);
        if let Some(document) = &document {
            undeclared(document, found.values(), &mut wrong);
        }
        let links = Links {
            declared: &self.declared,
            unusable: &self.unusable,
            incomplete: self.incomplete,
            adapter_of: self.adapter_of,
        };
        for (address, found) in &found {
            wrong.extend(found.iter().filter_map(|found| links.check(found, Some(address))));
        }
        for found in document.iter().flat_map(|document| &document.found) {
            wrong.extend(links.check(found, None));
        }
        links.depends_on(document.as_ref().map(|document| document.phases.as_slice()), &mut wrong);
        let by_address = found.iter().map(|(address, found)| (address, found.clone())).collect();
        circles(&self.declared, &by_address, &mut wrong);
        self.ignored(&mut wrong);
        self.desired(&sound, region.as_deref(), &mut wrong);
        let settings = document.as_ref().map(|document| document.settings(&mut lookup, &mut wrong));
        self.wrong = wrong;
        let (document, settings) = (document?, settings?);
        Some(Stack {
            name: document.name,
            phases: document.phases,
            variables,
            toolbox: settings.toolbox,
            region,
            cluster: settings.cluster,
            state_path: settings.state_path,
            resources: std::mem::take(&mut self.declared)
                .into_values()
                .map(|declared| declared.resource)
                .collect(),
            digest: Digest::of(&[]),
            sources: Arc::default(),
        })
    }

    /// Checks that `ignoreChanges` names fields that there are.
    fn ignored(&self, wrong: &mut Vec<Diagnostic>) {
        for (address, declared) in &self.declared {
            let attributes = (self.adapter_of)(address.kind).attributes();
            let names = || attributes.iter().map(|attribute| attribute.name);
            let paths = &declared.resource.lifecycle.ignore_changes;
            for (path, span) in paths.iter().zip(&declared.ignore_spans) {
                let Some(first) = path.segments().first() else { continue };
                if attributes.is_empty() || names().any(|name| name == first) {
                    continue;
                }
                let help = match nearest(first, names()) {
                    Some(near) => format!("did you mean {}?", quote(near)),
                    None => format!("its fields are {}", super::schema::list(names(), "and")),
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
        sound: &BTreeSet<Address>,
        region: Option<&str>,
        wrong: &mut Vec<Diagnostic>,
    ) {
        let mut claimed: BTreeMap<(Kind, String), &Address> = BTreeMap::new();
        for (address, declared) in &self.declared {
            if !sound.contains(address) {
                continue;
            }
            let resource = &declared.resource;
            let context = Context {
                name: address.name.clone(),
                account: None,
                region: region.unwrap_or_default().to_owned(),
                external: resource.external,
            };
            let desired = match (self.adapter_of)(address.kind).desired(&resource.spec, &context) {
                Ok(desired) => desired,
                Err(problems) => {
                    let Some((node, outer)) = declared.spec() else { continue };
                    wrong.extend(problems.into_iter().map(|problem| {
                        Diagnostic::at(point(node, outer, &problem.path), problem.summary)
                            .maybe_help(problem.help)
                    }));
                    continue;
                }
            };
            for claim in claims(desired) {
                let taken = claimed.entry((address.kind, claim.clone())).or_insert(address);
                if *taken == address {
                    continue;
                }
                let first = self.declared.get(*taken).map(|first| first.resource.origin.span);
                let mut diagnostic = Diagnostic::at(
                    resource.origin.span,
                    format!("two resources stand for the same {}", address.kind),
                )
                .label(format!("{address} is {}", quote(&claim)))
                .help("keep one of them, or let them stand for different objects");
                if let Some(first) = first {
                    diagnostic = diagnostic.related(first, format!("so is {taken}"));
                }
                wrong.push(diagnostic);
                break;
            }
        }
    }
}

/// What a resource claims for itself, as far as it is known.
fn claims(desired: Desired) -> Vec<String> {
    if desired.claims.is_empty() {
        let parts = &desired.identity.0;
        let shown = !parts.is_empty() && !parts.values().any(Value::has_sensitive);
        let known = shown && desired.identity.is_known();
        return known.then(|| desired.identity.to_string()).into_iter().collect();
    }
    // A claim that holds an unknown text is not known.
    desired.claims.into_iter().filter(|claim| !claim.contains(char::is_control)).collect()
}

/// Tells of references to variables that no one declares.
fn undeclared<'a>(
    document: &'a StackDocument,
    found: impl Iterator<Item = &'a Vec<Found>>,
    wrong: &mut Vec<Diagnostic>,
) {
    let names: BTreeSet<&str> =
        document.declarations.iter().map(|declaration| declaration.name.as_str()).collect();
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
    for found in found.flatten().chain(in_defaults).chain(&document.found) {
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
