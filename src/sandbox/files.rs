//! The files that a simulated command names: local charts and values files.
//!
//! The simulation itself does no I/O; what it reads comes through [`Files`],
//! so that tests give it a map and the program gives it the disk. This module
//! must not know any tool or chart.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Read access to the files that a command's arguments name.
pub trait Files {
    /// The content of one file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names (not paths) of the files and folders in a folder, sorted;
    /// a folder's name ends with `/`.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
}

/// The real file system, seen from a directory.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    directory: PathBuf,
}

impl Disk {
    /// The file system, with relative paths below a directory.
    pub fn below(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }
}

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.directory.join(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.directory.join(dir))? {
            let entry = entry?;
            // A name that is not text cannot be written in a command either.
            let Ok(mut name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                name.push('/');
            }
            names.push(name);
        }
        names.sort();
        Ok(names)
    }
}

/// Files that exist only in memory, by path.
#[derive(Debug, Clone, Default)]
pub struct MapFiles {
    files: BTreeMap<String, Vec<u8>>,
}

impl MapFiles {
    /// No files at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// These files and one more.
    #[must_use]
    pub fn with(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), content.as_bytes().to_vec());
        self
    }
}

impl Files for MapFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{}/", dir.trim_end_matches('/'));
        let mut names: Vec<String> = Vec::new();
        for path in self.files.range(prefix.clone()..).map(|(path, _)| path) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            let name = match rest.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => rest.to_owned(),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_lists_names_and_folders() {
        let files =
            MapFiles::new().with("c/Chart.yaml", "a").with("c/crds/x.yaml", "b").with("d/e", "");
        assert_eq!(files.list("c").unwrap(), ["Chart.yaml", "crds/"]);
        assert_eq!(files.list("c/crds/").unwrap(), ["x.yaml"]);
        assert!(files.list("nothere").is_err());
        assert!(files.read("c/values.yaml").is_err());
        assert_eq!(files.read("c/Chart.yaml").unwrap(), b"a");
    }

    #[test]
    fn the_disk_lists_like_the_map() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("crds")).unwrap();
        std::fs::write(dir.path().join("Chart.yaml"), "a").unwrap();
        let path = dir.path().to_str().unwrap();
        assert_eq!(Disk::default().list(path).unwrap(), ["Chart.yaml", "crds/"]);
        assert_eq!(Disk::default().read(&format!("{path}/Chart.yaml")).unwrap(), b"a");
    }
}
