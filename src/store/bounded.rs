//! Reading a file that this program wrote, or that says so: state, apply log,
//! lock, saved plan. Someone else may have put something in its place.
//!
//! This module must not know what the files hold.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use crate::limits::check_json;

/// The longest file, in bytes.
pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Reads a whole file of this user's: a regular one that nobody else may
/// change, and not more of it than [`MAX_BYTES`] and the limits of JSON.
///
/// # Errors
/// What the operating system says, or which of these does not hold.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    // To open a pipe may wait for ever, so it is looked at first; and again
    // after, because something else may be there by then.
    let seen = fs::metadata(path)?;
    check(&seen)?;
    let file = File::open(path)?;
    let opened = file.metadata()?;
    check(&opened)?;
    if !is_same(&seen, &opened) {
        return refuse(ErrorKind::Other, "it was replaced while it was opened");
    }
    if opened.len() > MAX_BYTES {
        return too_long(opened.len());
    }
    // All at once: growing would take twice as much on the way.
    let mut bytes = Vec::with_capacity(usize::try_from(opened.len()).unwrap_or_default() + 1);
    let length = file.take(MAX_BYTES + 1).read_to_end(&mut bytes)? as u64;
    if length > MAX_BYTES {
        return too_long(length);
    }
    check_json(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(bytes)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if !metadata.is_file() {
        return refuse(ErrorKind::InvalidInput, "it is not a regular file");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return refuse(
                ErrorKind::PermissionDenied,
                "it belongs to another user; if you trust it, make a copy of your own",
            );
        }
        if metadata.mode() & 0o002 != 0 {
            return refuse(
                ErrorKind::PermissionDenied,
                "everyone may write to it; look whether it is what you left, then `chmod o-w` it",
            );
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

fn refuse<T>(kind: ErrorKind, why: &str) -> io::Result<T> {
    Err(io::Error::new(kind, why))
}

fn too_long<T>(bytes: u64) -> io::Result<T> {
    let why = format!("it has {bytes} bytes; at most {MAX_BYTES} are read");
    Err(io::Error::new(ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn told(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_short_file_of_ones_own_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap(), b"{}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(told(&path).contains("everyone may write"), "{}", told(&path));

        fs::write(folder.path().join("deep.json"), "[".repeat(100_000)).unwrap();
        assert!(told(&folder.path().join("deep.json")).contains("more than 100 deep"));

        // Nothing is written of it: it is as long as it says, and holds nothing.
        let long = File::create(folder.path().join("long.json")).unwrap();
        long.set_len(8 << 30).unwrap();
        assert!(told(&folder.path().join("long.json")).contains("at most 536870912"));

        for (name, target) in [("null", "/dev/null"), ("zero", "/dev/zero"), ("folder", "/tmp")] {
            let link = folder.path().join(name);
            symlink(target, &link).unwrap();
            assert_eq!(told(&link), "it is not a regular file", "{name}");
        }
    }
}
