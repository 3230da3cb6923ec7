//! The disk that the engine's store works on: every operation may fail, and
//! the run may end before or after it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lkh::store::disk::{Disk, Found, Handle};

use crate::sim::{Fault, Inner, Sim};

#[derive(Debug, Clone)]
pub struct SimDisk(pub Arc<Sim>);

#[derive(Debug)]
struct SimFile {
    sim: Arc<Sim>,
    inode: usize,
    process: u64,
    holds_lock: bool,
}

/// What an operation is about to meet.
fn fate(inner: &mut Inner, what: &str, writes: bool) -> io::Result<()> {
    if inner.crashed {
        return Err(io::Error::other("the process has ended"));
    }
    if inner.point(&format!("disk: {what}")) {
        return Err(io::Error::other("the process ended here"));
    }
    let (broken, full) = (inner.weather.disk_error, inner.weather.disk_full);
    if writes && inner.rng.chance(full) {
        inner.hit(Fault::DiskFull);
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    if inner.rng.chance(broken) {
        inner.hit(Fault::DiskError);
        return Err(io::Error::other("input/output error"));
    }
    Ok(())
}

/// The run may also end right after an operation took effect.
fn after(inner: &mut Inner, what: &str) -> io::Result<()> {
    if inner.point(&format!("after disk: {what}")) {
        return Err(io::Error::other("the process ended here"));
    }
    Ok(())
}

impl SimDisk {
    fn file(&self, inner: &Inner, inode: usize, holds_lock: bool) -> Box<dyn Handle> {
        let process = inner.process;
        Box::new(SimFile { sim: Arc::clone(&self.0), inode, process, holds_lock })
    }
}

impl Disk for SimDisk {
    fn look(&self, path: &Path) -> io::Result<Found> {
        let mut inner = self.0.lock();
        fate(&mut inner, "look", false)?;
        Ok(if inner.files.inode(path).is_some() { Found::File } else { Found::Nothing })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut inner = self.0.lock();
        fate(&mut inner, "read", false)?;
        let found = inner.files.read(path).map(<[u8]>::to_vec);
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        fate(&mut self.0.lock(), "create directory", true)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Handle>> {
        let mut inner = self.0.lock();
        fate(&mut inner, "create", true)?;
        if inner.files.inode(path).is_some() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let inode = inner.files.create(path);
        after(&mut inner, "create")?;
        Ok(self.file(&inner, inode, false))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Handle>> {
        let mut inner = self.0.lock();
        fate(&mut inner, "open", true)?;
        let inode = match inner.files.inode(path) {
            Some(inode) => inode,
            None => inner.files.create(path),
        };
        after(&mut inner, "open")?;
        Ok(self.file(&inner, inode, false))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Handle>>> {
        let mut inner = self.0.lock();
        fate(&mut inner, "lock", true)?;
        let inode = match inner.files.inode(path) {
            Some(inode) => inode,
            None => inner.files.create(path),
        };
        if inner.files.locked.contains_key(&inode) {
            return Ok(None);
        }
        let process = inner.process;
        inner.files.locked.insert(inode, process);
        let file = self.file(&inner, inode, true);
        // Dropping the handle asks for the lock, so it must be free by then.
        let ended = after(&mut inner, "lock");
        drop(inner);
        ended.map(|()| Some(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        fate(&mut inner, "rename", true)?;
        if !inner.files.rename(from, to) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        let kept = inner.files.read(to).map(<[u8]>::to_vec).unwrap_or_default();
        inner.renamed(to, kept);
        after(&mut inner, "rename")
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        fate(&mut inner, "remove", false)?;
        if !inner.files.remove(path) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        after(&mut inner, "remove")
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        let mut inner = self.0.lock();
        fate(&mut inner, "sync directory", false)?;
        inner.files.sync_directory();
        after(&mut inner, "sync directory")
    }
}

impl Handle for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.sim.lock();
        let over = inner.crashed;
        if let Err(error) = fate(&mut inner, "append", true) {
            // What ended it may have come in the middle of the bytes.
            if !over {
                let part = inner.rng.index(bytes.len() + 1);
                inner.files.append(self.inode, &bytes[..part]);
            }
            return Err(error);
        }
        inner.files.append(self.inode, bytes);
        after(&mut inner, "append")
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut inner = self.sim.lock();
        fate(&mut inner, "cut", true)?;
        inner.files.cut(self.inode, usize::try_from(length).unwrap());
        after(&mut inner, "cut")
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.sim.lock();
        fate(&mut inner, "sync", false)?;
        let failing = inner.weather.sync_fails;
        if inner.rng.chance(failing) {
            inner.hit(Fault::SyncFailed);
            return Err(io::Error::other("input/output error while syncing"));
        }
        inner.files.sync(self.inode);
        after(&mut inner, "sync")
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if self.holds_lock {
            let mut inner = self.sim.lock();
            if inner.files.locked.get(&self.inode) == Some(&self.process) {
                inner.files.locked.remove(&self.inode);
            }
        }
    }
}

/// Where the store of the simulated stack is.
pub fn directory() -> PathBuf {
    PathBuf::from("/state")
}
