//! The only part that reads files: a directory of manifests, and files of
//! variables.
//!
//! Manifests are the files in it that end in `.yaml` or `.yml`, in the order of
//! their names, those of directories inside included; hidden ones are left
//! out, and so are Helm charts: directories that hold a `Chart.yaml`, which a
//! release may name by its path. A link may not lead out of the directory. Nothing is read that is not
//! a plain file, and nothing beyond the limits. This module must not know what
//! manifests mean.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path as FilePath};

use super::diagnostic::Diagnostic;
use super::encoding::{MAX_BYTES, take, too_long};
use super::lock;
use super::node::Node;
use super::source::{FileId, Sources};
use super::yaml;
use crate::quote::{plain, quote};
use crate::value::Digest;

/// The most bytes of manifests, all files together.
const MAX_TOTAL_BYTES: u64 = 256 * 1024 * 1024;
/// The most bytes of a file that a spec names.
const MAX_BESIDE: usize = 256 * 1024;
/// The deepest nesting of directories.
const MAX_DIRECTORIES: usize = 16;

/// Files while they are read.
#[derive(Default)]
pub(super) struct Files {
    /// The texts.
    pub(super) sources: Sources,
    /// What is wrong.
    pub(super) wrong: Vec<Diagnostic>,
    /// The manifests, in the order of their names.
    pub(super) manifests: Vec<FileId>,
    /// Whether a manifest could not be read.
    pub(super) incomplete: bool,
    /// The files behind the names, by device and number, so that a link does
    /// not make two of one.
    seen: BTreeSet<(u64, u64)>,
    bytes: u64,
    too_many: bool,
}

impl Files {
    fn problem(&mut self, path: &FilePath, what: &str, help: &str) {
        let name = quote(&path.display().to_string());
        self.wrong.push(Diagnostic::anywhere(format!("{name}: {what}")).help(help));
        self.incomplete = true;
    }

    fn io_problem(&mut self, path: &FilePath, error: &io::Error) {
        let kind = error.kind();
        let help = if kind == ErrorKind::NotFound {
            "does the path exist?"
        } else if kind == ErrorKind::PermissionDenied {
            "may you read it?"
        } else {
            "can you read it otherwise?"
        };
        self.problem(path, &error.to_string(), help);
    }

    /// Reads the manifests of a directory.
    pub(super) fn directory(&mut self, directory: &FilePath) {
        match fs::canonicalize(directory) {
            Ok(root) if !root.is_dir() => {
                self.problem(directory, "not a directory", "give the directory, not a file in it");
            }
            Ok(root) => self.walk(directory, &root, 0),
            Err(error) => self.io_problem(directory, &error),
        }
    }

    /// Takes manifests that stand in no directory, by the same rules of names.
    pub(super) fn texts(&mut self, texts: &[(&str, &[u8])]) {
        let in_chart = |name: &str| {
            FilePath::new(name).ancestors().skip(1).any(|folder| {
                let chart = folder.join("Chart.yaml");
                texts.iter().any(|(other, _)| FilePath::new(other) == chart)
            })
        };
        for (name, bytes) in texts {
            let extension = FilePath::new(name).extension();
            let is_manifest = extension.is_some_and(|one| one == "yaml" || one == "yml");
            if !is_manifest || in_chart(name) {
                continue;
            }
            match take(&mut self.sources, &plain(name), bytes) {
                Ok(file) => self.manifests.push(file),
                Err(diagnostic) => {
                    self.wrong.push(*diagnostic);
                    self.incomplete = true;
                }
            }
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
            let locks = [lock::FILE, lock::SANDBOX_FILE].iter().any(|lock| name == *lock);
            if name.as_encoded_bytes().starts_with(b".") || locks {
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
                if path.join("Chart.yaml").exists() {
                    continue;
                }
                self.walk(&path, root, depth + 1);
            } else if metadata.is_symlink() {
                self.link(&path, root, is_manifest);
            } else if is_manifest {
                self.file(&path, &metadata);
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
            Ok(_) if is_manifest => match fs::metadata(path) {
                Ok(metadata) => self.file(path, &metadata),
                Err(error) => self.io_problem(path, &error),
            },
            Err(error) if is_manifest => self.io_problem(path, &error),
            Ok(_) | Err(_) => {}
        }
    }

    fn file(&mut self, path: &FilePath, metadata: &Metadata) {
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        if let Some(bytes) = self.bytes(path, metadata) {
            match take(&mut self.sources, &shown(path), &bytes) {
                Ok(file) => self.manifests.push(file),
                Err(diagnostic) => {
                    self.wrong.push(*diagnostic);
                    self.incomplete = true;
                }
            }
        }
    }

    /// The bytes of a regular file that is not too long.
    fn bytes(&mut self, path: &FilePath, metadata: &Metadata) -> Option<Vec<u8>> {
        // A pipe or a device would never end; opening one may already wait.
        if !metadata.is_file() {
            self.problem(path, "not a regular file", "manifests are read from plain files");
            return None;
        }
        if metadata.len() > MAX_BYTES as u64 {
            let file = self.sources.add(shown(path), "");
            self.sources.hide(file);
            self.wrong.push(too_long(file, metadata.len()));
            self.incomplete = true;
            return None;
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
            if !self.too_many {
                self.too_many = true;
                let what = format!("more than {MAX_TOTAL_BYTES} bytes of manifests up to here");
                self.problem(path, &what, "is this the right directory?");
            }
            return None;
        }
        Some(bytes)
    }

    /// The map of a file of variables; its lines are never shown.
    pub(super) fn variables(&mut self, path: &FilePath) -> Option<Node> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.io_problem(path, &error);
                return None;
            }
        };
        let bytes = self.bytes(path, &metadata)?;
        let file = match take(&mut self.sources, &shown(path), &bytes) {
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

/// The text of a file that a spec names: below the directory of the manifests,
/// by its path from there, and not led out of it by a link.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn beside(directory: &FilePath, name: &str) -> Result<String, (String, &'static str)> {
    let wrong = |what: String, help| (format!("{}: {what}", quote(name)), help);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || !FilePath::new(name).components().all(plain) {
        let help = "write its path from the directory of the manifests, without `..`";
        return Err(wrong("not a path below the directory of the manifests".into(), help));
    }
    let read = || {
        let root = fs::canonicalize(directory)?;
        let path = fs::canonicalize(directory.join(name))?;
        let metadata = fs::metadata(&path)?;
        let mut bytes = Vec::new();
        // A pipe or a device would never end; opening one may already wait.
        if path.starts_with(&root) && metadata.is_file() {
            let most = MAX_BESIDE as u64 + 1;
            fs::File::open(&path)?.take(most).read_to_end(&mut bytes)?;
        }
        Ok((path.starts_with(&root), metadata.is_file(), bytes))
    };
    let (inside, is_file, bytes) = read().map_err(|error: io::Error| {
        wrong(error.to_string(), "does the file exist, and may you read it?")
    })?;
    let sorry = |what: &str, help| Err(wrong(what.to_owned(), help));
    if !inside {
        return sorry("a link that leads out of the directory", "copy the file to the manifests");
    }
    if !is_file {
        return sorry("not a regular file", "name a plain file");
    }
    if bytes.len() > MAX_BESIDE {
        return sorry("longer than 262144 bytes", "is this the right file?");
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| wrong("not text in UTF-8".into(), "is this the right file?"))?;
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return sorry(
            "holds control characters",
            "save it as plain text, with lines that end in a newline alone",
        );
    }
    Ok(text)
}

/// The digest of a folder below the manifests: of the names and bytes of its
/// files, in order.
///
/// # Errors
/// What can't be read.
pub fn folder_digest(directory: &FilePath, name: &str) -> Result<Digest, String> {
    let mut told = String::new();
    let root =
        fs::canonicalize(directory.join(name)).map_err(|error| format!("{name}: {error}"))?;
    add_folder(&root, &root, 0, &mut told)?;
    Ok(Digest::of(told.as_bytes()))
}

fn add_folder(
    folder: &FilePath,
    root: &FilePath,
    depth: usize,
    told: &mut String,
) -> Result<(), String> {
    let error = |path: &FilePath, why: String| format!("{}: {why}", shown(path));
    if depth > MAX_DIRECTORIES {
        return Err(error(folder, "directories are nested too deep".into()));
    }
    let entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|one| one.path())).collect());
    let mut paths: Vec<std::path::PathBuf> =
        entries.map_err(|why: io::Error| error(folder, why.to_string()))?;
    paths.sort();
    for path in paths {
        let metadata = fs::metadata(&path).map_err(|why| error(&path, why.to_string()))?;
        if metadata.is_dir() {
            add_folder(&path, root, depth + 1, told)?;
        } else if metadata.is_file() && metadata.len() <= MAX_TOTAL_BYTES {
            let bytes = fs::read(&path).map_err(|why| error(&path, why.to_string()))?;
            let name = path.strip_prefix(root).unwrap_or(&path);
            let name = quote(&name.display().to_string());
            let _ = writeln!(told, "{name} {}", Digest::of(&bytes).as_str());
        } else {
            return Err(error(&path, "not a regular file".into()));
        }
    }
    Ok(())
}

/// The name of a file, fit to be shown.
fn shown(path: &FilePath) -> String {
    plain(&path.display().to_string())
}
