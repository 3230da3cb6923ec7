//! Runs commands in the simulated account: no process is started.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exec, ExecError, Pausing, PrivateFile, Running, Storing, Surroundings, input};
use crate::command::{Answer, Command, Tool};
use crate::sandbox::Sandbox;

/// An executor over a sandbox.
#[derive(Debug)]
pub struct SandboxExec {
    sandbox: Sandbox,
    region: String,
    manifests: PathBuf,
}

impl SandboxExec {
    /// An executor over this sandbox.
    pub fn new(sandbox: Sandbox, surroundings: &Surroundings) -> Self {
        Self {
            sandbox,
            region: surroundings.region.clone(),
            manifests: surroundings.manifests.clone(),
        }
    }

    fn answer(&self, command: &Command) -> Result<Answer, ExecError> {
        let stdin = input(command)?.unwrap_or_default();
        let mut args = command.args.clone();
        if command.tool == Tool::Aws && !args.iter().any(|arg| arg == "--region") {
            args.extend(["--region".to_owned(), self.region.clone()]);
        }
        let output = self
            .sandbox
            .run(command.tool, &args, &stdin, &self.manifests)
            .map_err(ExecError::failed)?;
        Ok(Answer {
            code: output.code,
            stdout: String::from_utf8(output.stdout).map_err(ExecError::failed)?,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Exec for SandboxExec {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(async { self.answer(command) })
    }

    fn store<'a>(&'a self, _file: PrivateFile, _text: &'a str) -> Storing<'a> {
        Box::pin(async { Ok(()) })
    }

    fn pause(&self, time: Duration) -> Pausing<'_> {
        Box::pin(async move {
            // Others that wait look in between, as they would in real time.
            tokio::task::yield_now().await;
            match self.sandbox.wait(time) {
                Ok(()) => time,
                // The next read says what is wrong with the file.
                Err(_) => {
                    tokio::time::sleep(time).await;
                    Duration::ZERO
                }
            }
        })
    }

    fn needs_access(&self) -> bool {
        false
    }

    fn is_consistent(&self) -> bool {
        true
    }
}
