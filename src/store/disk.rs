//! The file operations that a local store is made of, one trait wide, so that
//! tests can fail or end a run at every single one of them.
//!
//! This module must not know what the files hold.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::seeded::{self, Bug};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A regular file of this user.
    File,
    /// A regular file of another user.
    Foreign,
    /// A link, a directory, a device: nothing that this program put there.
    Other,
}

/// A place for files.
pub trait Disk: Debug + Send + Sync {
    /// What lies at a path; links are not followed.
    ///
    /// # Errors
    /// What the operating system says.
    fn look(&self, path: &Path) -> io::Result<Found>;

    /// Reads a whole file, within the limits of [`super::bounded`].
    ///
    /// # Errors
    /// What the operating system says, or why the file is not to be trusted.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Makes a directory and those above it, if they are not there.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a new, empty file that only this user may read.
    ///
    /// # Errors
    /// `AlreadyExists` when something is there, also a link.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Handle>>;

    /// Opens a file for appending; makes it as [`Disk::create`] does if it is
    /// not there.
    ///
    /// # Errors
    /// What the operating system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Handle>>;

    /// Opens a file as [`Disk::open`] does and locks it until the handle is
    /// dropped or the process ends. `None`: another one holds the lock.
    ///
    /// # Errors
    /// What the operating system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Handle>>>;

    /// Gives a file another name, in place of what had it. Atomic.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Puts the names in a directory on the disk itself.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait Handle: Debug + Send + Sync {
    /// Writes at the end.
    ///
    /// # Errors
    /// What the operating system says; a part may be written then.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file off after so many bytes.
    ///
    /// # Errors
    /// What the operating system says.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Puts the content on the disk itself. After a failure nobody knows what
    /// is there, and trying again proves nothing: the file is to be given up.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Disk for OsDisk {
    fn look(&self, path: &Path) -> io::Result<Found> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error),
            Ok(metadata) if !metadata.is_file() => Ok(Found::Other),
            #[cfg(unix)]
            Ok(metadata)
                if std::os::unix::fs::MetadataExt::uid(&metadata)
                    != rustix::process::geteuid().as_raw() =>
            {
                Ok(Found::Foreign)
            }
            Ok(_) => Ok(Found::File),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        super::bounded::read(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(private().create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(private().create(true).truncate(false).open(path)?))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Handle>>> {
        let file = private().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) if seeded::is(Bug::LockIgnored) => {
                Ok(Some(Box::new(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl Handle for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::End(0))?;
        self.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Replaces a file atomically, readable by this user alone: a new file beside
/// it, sync, rename, sync of the directory. A crash leaves the old or the new.
///
/// # Errors
/// What was tried, and what the operating system says. What was there before
/// is still there then, or the new one is whole.
pub fn replace(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
) -> Result<(), (&'static str, io::Error)> {
    let step = |what| move |error| (what, error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new: PathBuf = path.with_file_name(name);
    // What a run that was killed left behind is not finished: a name that is
    // always the same lets no such files pile up.
    if disk.look(&new).map_err(step("look beside"))? != Found::Nothing {
        disk.remove(&new).map_err(step("remove what was left beside"))?;
    }
    if seeded::is(Bug::StateInPlace) {
        let mut file = disk.open(path).map_err(step("open"))?;
        file.cut(0).map_err(step("cut"))?;
        file.append(bytes).map_err(step("write"))?;
        return file.sync().map_err(step("sync"));
    }
    let mut file = disk.create(&new).map_err(step("make a new file beside"))?;
    let written = file
        .append(bytes)
        .map_err(step("write"))
        .and_then(|()| {
            if seeded::is(Bug::StateNotSynced) { Ok(()) } else { file.sync().map_err(step("sync")) }
        })
        .and_then(|()| disk.rename(&new, path).map_err(step("replace")));
    if let Err(error) = written {
        // The first failure is the one to tell.
        drop(disk.remove(&new));
        return Err(error);
    }
    if seeded::is(Bug::DirectoryNotSynced) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    disk.sync_directory(directory.unwrap_or(Path::new("."))).map_err(step("sync the directory of"))
}
