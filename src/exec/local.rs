//! Runs the tools found on PATH, as this user, with a private folder for
//! everything they write. It must not touch `~/.kube` or Helm's own folders.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::command::{Answer, Command};

use super::owner::Owner;
use super::process::{self, End, Program};
use super::{Exec, ExecError, PrivateFile, Running, Storing, Surroundings, environment, input};

/// A kubeconfig that names no cluster: with no file at all `kubectl` would
/// look elsewhere.
pub(super) const EMPTY_KUBECONFIG: &str = "apiVersion: v1\nkind: Config\n";

/// Tools on PATH.
#[derive(Debug)]
pub struct Local {
    surroundings: Surroundings,
    folder: PathBuf,
    // Taken by `close`; dropping it removes the folder too.
    guard: Mutex<Option<TempDir>>,
}

impl Local {
    /// Makes the run's private folder, and removes those of runs that died. The PATH of the surroundings is where
    /// the tools are looked for; its relative entries are not.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn new(mut surroundings: Surroundings) -> Result<Self, ExecError> {
        let owner = Owner::this();
        remove_outlived(&owner);
        let mut make = || {
            let folder = tempfile::Builder::new()
                .prefix(&owner.folder_prefix())
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir()?;
            for part in ["helm", "docker"] {
                fs::create_dir(folder.path().join(part))?;
            }
            store(folder.path(), PrivateFile::Kubeconfig, EMPTY_KUBECONFIG)?;
            environment::make_absolute(&mut surroundings)?;
            Ok(folder)
        };
        let folder = make().map_err(|error: std::io::Error| {
            ExecError::failed(format!("the run's private folder: {error}"))
        })?;
        Ok(Self { surroundings, folder: folder.path().to_owned(), guard: Mutex::new(Some(folder)) })
    }

    async fn start(&self, command: &Command) -> Result<Answer, ExecError> {
        environment::check_script(command, &self.surroundings)?;
        let input = input(command)?;
        let path = environment::find(&self.surroundings, command.tool.program())
            .ok_or(ExecError::ToolMissing { tool: command.tool })?;
        let mut environment: BTreeMap<String, String> = self
            .surroundings
            .environment
            .iter()
            .filter(|(name, _)| environment::may_reach(command, &self.surroundings, name))
            .cloned()
            .collect();
        let folder = self.folder.to_string_lossy();
        environment.extend(environment::fixed(&self.surroundings, &folder, command.effect));
        let ended = process::run(Program {
            path: &path,
            args: &environment::arguments(command, &self.surroundings),
            environment: &environment,
            directory: Some(&self.surroundings.manifests),
            input: input.as_deref(),
            deadline: command.timeout,
        })
        .await?;
        match ended.end {
            End::Exit(code) => answer(code, ended.stdout, &ended.stderr),
            End::Signal(signal) => Err(ExecError::Killed { signal }),
        }
    }
}

impl Exec for Local {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(self.start(command))
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        Box::pin(async move {
            store(&self.folder, file, text)
                .map_err(|error| ExecError::failed(format!("the private {}: {error}", file.name())))
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        })
    }
}

/// An answer out of bytes. Standard output is data, so it must be what the
/// tool wrote; standard error is for people.
pub(super) fn answer(code: i32, stdout: Vec<u8>, stderr: &[u8]) -> Result<Answer, ExecError> {
    let stdout = String::from_utf8(stdout)
        .map_err(|_| ExecError::failed("the tool's output is not text (UTF-8)"))?;
    Ok(Answer { code, stdout, stderr: String::from_utf8_lossy(stderr).into_owned() })
}

/// Removes the private folders of runs that died: logins are in them.
pub(super) fn remove_outlived(owner: &Owner) {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let ours = entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == owner.user);
        if ours && owner.outlived_folder(&entry.file_name().to_string_lossy()) {
            // Where it fails, the next run tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Replaces a private file as a whole: a tool that reads it meanwhile gets the
/// old text or the new one.
fn store(folder: &Path, file: PrivateFile, text: &str) -> std::io::Result<()> {
    // A named temporary file is readable by this user alone from the start.
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.persist(folder.join(file.name()))?;
    Ok(())
}

#[cfg(test)]
mod tests;
