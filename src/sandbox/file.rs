//! The file that a sandbox's world is kept in: one JSON line per change.
//!
//! Several processes may use one sandbox at the same time (an apply in one
//! terminal, someone breaking things in another): each command runs under the
//! file's lock, after taking in what others have appended. This module must
//! not know any service.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::world::World;

/// The file is written anew when it holds this many lines more than a fresh
/// one would.
const MAX_LINES: usize = 20_000;

/// One line: what a command changed.
#[derive(Serialize, Deserialize)]
struct Line {
    now: Timestamp,
    /// What was written; a value may well be null.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    put: BTreeMap<String, Value>,
    /// What was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
}

/// A world and its file.
#[derive(Debug)]
pub struct WorldFile {
    path: PathBuf,
    file: File,
    read: u64,
    lines: usize,
    world: World,
}

impl WorldFile {
    /// Opens the file, or makes it with a world as `seed` fills it.
    ///
    /// # Errors
    /// When it can't be read or written, or is not a sandbox file.
    pub fn open(path: &Path, seed: &dyn Fn(&mut World)) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut this = Self::attach(path)?;
        this.file.lock()?;
        let opened = this.take_in().and_then(|()| {
            if this.read == 0 {
                this.world = World::new(Timestamp::now());
                seed(&mut this.world);
                this.append()?;
            }
            if this.lines > MAX_LINES {
                this.rewrite()?;
            }
            Ok(())
        });
        this.file.unlock()?;
        opened.map(|()| this)
    }

    fn attach(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, read: 0, lines: 0, world: World::default() })
    }

    /// Lets `work` read and change the world, alone, and keeps what it changed.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn with<T>(&mut self, work: impl FnOnce(&mut World) -> T) -> io::Result<T> {
        self.lock_current()?;
        let result = self.take_in().and_then(|()| {
            let now = Timestamp::now().max(self.world.now());
            self.world.set_now(now);
            let result = work(&mut self.world);
            self.append()?;
            Ok(result)
        });
        self.file.unlock()?;
        result
    }

    /// Locks the file that stands at the path now: another process may have
    /// put a new one there.
    fn lock_current(&mut self) -> io::Result<()> {
        loop {
            self.file.lock()?;
            if same_file(&self.file, &self.path) {
                return Ok(());
            }
            self.file.unlock()?;
            *self = Self::attach(&self.path)?;
        }
    }

    /// Takes in what the file holds beyond what was read.
    fn take_in(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() == self.read {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(self.file.try_clone()?);
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text)?;
            if length == 0 {
                break;
            }
            if text.last() != Some(&b'\n') {
                // The writer was killed in the middle of the line: what it
                // wrote never happened.
                self.file.set_len(self.read)?;
                break;
            }
            let line: Line = serde_json::from_slice(&text).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("not a sandbox file: {error}; `lkh sandbox reset` makes a new one"),
                )
            })?;
            self.read += length as u64;
            self.lines += 1;
            // Time that passed while this process waited stays passed.
            self.world.set_now(line.now.max(self.world.now()));
            for (key, value) in line.put {
                self.world.put(key, value);
            }
            for key in line.removed {
                self.world.remove(&key);
            }
        }
        self.world.take_changes();
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        let changes = self.world.take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        let mut line = Line { now: self.world.now(), put: BTreeMap::new(), removed: Vec::new() };
        for (key, change) in changes {
            match change {
                Some(value) => drop(line.put.insert(key, value)),
                None => line.removed.push(key),
            }
        }
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)?;
        self.read += bytes.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Puts a new file in the place of this one, with the world as it is.
    fn rewrite(&mut self) -> io::Result<()> {
        let put = self.world.scan("").map(|(key, value)| (key.to_owned(), value.clone())).collect();
        let line = Line { now: self.world.now(), put, removed: Vec::new() };
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".sandbox-").tempfile_in(directory)?;
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
        file.persist(&self.path).map_err(|error| error.error)?;
        self.lines = 1;
        Ok(())
    }

    /// Removes the file: the next use begins with a fresh world.
    ///
    /// # Errors
    /// When it is there and can't be removed.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(mine), Ok(there)) => mine.ino() == there.ino() && mine.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("world.jsonl")
    }

    #[test]
    fn a_world_outlives_its_process_and_is_shared() {
        let directory = tempfile::tempdir().unwrap();
        let seed = |world: &mut World| {
            world.put("a", Value::from(1));
            world.put("null", Value::Null);
        };
        let mut one = WorldFile::open(&path(&directory), &seed).unwrap();
        let mut two = WorldFile::open(&path(&directory), &seed).unwrap();
        one.with(|world| world.put("b", Value::from(2))).unwrap();
        two.with(|world| world.remove("a")).unwrap();
        let seen = one.with(|world| world.scan("").count()).unwrap();
        assert_eq!(seen, 2, "null is a value");
        let mut three = WorldFile::open(&path(&directory), &seed).unwrap();
        assert_eq!(three.with(|world| world.get("b").cloned()).unwrap(), Some(Value::from(2)));
    }

    #[test]
    fn a_torn_line_never_happened() {
        let directory = tempfile::tempdir().unwrap();
        let seed = |world: &mut World| world.put("a", Value::from(1));
        drop(WorldFile::open(&path(&directory), &seed).unwrap());
        let mut file = OpenOptions::new().append(true).open(path(&directory)).unwrap();
        file.write_all(b"{\"now\":\"2026").unwrap();
        let mut world = WorldFile::open(&path(&directory), &seed).unwrap();
        world.with(|world| world.put("b", Value::from(2))).unwrap();
        let mut again = WorldFile::open(&path(&directory), &seed).unwrap();
        assert_eq!(again.with(|world| world.scan("").count()).unwrap(), 2);
    }

    #[test]
    fn a_new_file_in_its_place_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let seed = |world: &mut World| world.put("a", Value::from(1));
        let mut one = WorldFile::open(&path(&directory), &seed).unwrap();
        WorldFile::remove(&path(&directory)).unwrap();
        let mut two = WorldFile::open(&path(&directory), &seed).unwrap();
        two.with(|world| world.put("b", Value::from(2))).unwrap();
        assert_eq!(one.with(|world| world.scan("").count()).unwrap(), 2);
    }
}
