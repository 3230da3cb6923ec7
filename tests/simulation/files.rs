//! The model of a disk: what programs see, and what is there after the power
//! was cut.
//!
//! A file is an inode with what was written and what is durable of it. Names
//! are changes of a directory, durable in their order, and only after the
//! directory was synced. This module must not know what the files hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::rng::Rng;

/// A file without its name.
#[derive(Debug, Clone, Default)]
struct Inode {
    /// What a program reads.
    content: Vec<u8>,
    /// What is on the disk itself.
    durable: Vec<u8>,
}

/// A change of a name that is not durable yet.
#[derive(Debug, Clone)]
enum Naming {
    Put(PathBuf, usize),
    Gone(PathBuf),
}

/// The files of one computer.
#[derive(Debug, Default)]
pub struct Files {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending: Vec<Naming>,
    /// Who holds the lock of a file: the number of its process.
    pub locked: BTreeMap<usize, u64>,
}

impl Files {
    pub fn inode(&self, path: &Path) -> Option<usize> {
        self.names.get(path).copied()
    }

    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        self.inode(path).map(|inode| self.inodes[inode].content.as_slice())
    }

    /// What would be there if the power went now and every name were durable.
    pub fn durable(&self, path: &Path) -> &[u8] {
        self.inode(path).map_or(&[], |inode| self.inodes[inode].durable.as_slice())
    }

    /// What is there whatever happens: durable bytes under a durable name.
    pub fn certain(&self, path: &Path) -> Option<&[u8]> {
        let inode = self.durable_names.get(path)?;
        Some(&self.inodes[*inode].durable)
    }

    /// Every file, as a program sees it.
    pub fn all(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.names.iter().map(|(path, &inode)| (path.as_path(), &*self.inodes[inode].content))
    }

    pub fn create(&mut self, path: &Path) -> usize {
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.names.insert(path.to_owned(), inode);
        self.pending.push(Naming::Put(path.to_owned(), inode));
        inode
    }

    pub fn append(&mut self, inode: usize, bytes: &[u8]) {
        self.inodes[inode].content.extend_from_slice(bytes);
    }

    pub fn cut(&mut self, inode: usize, length: usize) {
        self.inodes[inode].content.truncate(length);
    }

    pub fn sync(&mut self, inode: usize) {
        let inode = &mut self.inodes[inode];
        inode.durable.clone_from(&inode.content);
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> bool {
        let Some(inode) = self.names.remove(from) else { return false };
        self.names.insert(to.to_owned(), inode);
        // One change of the directory: both names change or neither.
        self.pending.push(Naming::Gone(from.to_owned()));
        self.pending.push(Naming::Put(to.to_owned(), inode));
        true
    }

    pub fn remove(&mut self, path: &Path) -> bool {
        let found = self.names.remove(path).is_some();
        if found {
            self.pending.push(Naming::Gone(path.to_owned()));
        }
        found
    }

    pub fn sync_directory(&mut self) {
        self.pending.clear();
        self.durable_names.clone_from(&self.names);
    }

    /// The power goes and comes back: of what was not synced, a part is there.
    pub fn cut_power(&mut self, rng: &mut Rng) {
        let kept = rng.index(self.pending.len() + 1);
        let mut names = std::mem::take(&mut self.durable_names);
        let mut pending = std::mem::take(&mut self.pending).into_iter().peekable();
        let mut done = 0;
        while let Some(naming) = pending.next() {
            if done >= kept {
                break;
            }
            match naming {
                Naming::Put(path, inode) => drop(names.insert(path, inode)),
                Naming::Gone(path) => {
                    names.remove(&path);
                    // The other half of a rename comes along.
                    if let Some(Naming::Put(..)) = pending.peek()
                        && let Some(Naming::Put(path, inode)) = pending.next()
                    {
                        names.insert(path, inode);
                    }
                }
            }
            done += 1;
        }
        for inode in &mut self.inodes {
            inode.lose(rng);
        }
        self.names.clone_from(&names);
        self.durable_names = names;
        self.locked.clear();
    }
}

impl Inode {
    fn lose(&mut self, rng: &mut Rng) {
        if self.content == self.durable {
            return;
        }
        let added = self.content.strip_prefix(&*self.durable).map(<[u8]>::to_vec);
        match (added, rng.below(4)) {
            (_, 0) => {}
            (Some(added), 1) => {
                self.durable.extend_from_slice(&added[..rng.index(added.len() + 1)]);
            }
            (Some(added), 2) => {
                // The length was written and the content was not.
                let whole = rng.index(added.len() + 1);
                self.durable.extend_from_slice(&added[..whole]);
                self.durable.resize(self.durable.len() + added.len() - whole, 0);
            }
            _ => self.durable.clone_from(&self.content),
        }
        self.content.clone_from(&self.durable);
    }
}
