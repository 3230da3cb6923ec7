//! Runs commands in the simulated account. No process is started, but for the
//! scripts of users: these run in the `bash` of this machine, in a folder of
//! the run's own and without the user's environment, and the `aws`, `helm` and
//! `kubectl` that they find are this program, which answers from the account.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::owner::Owner;
use super::process::{self, End, Program};
use super::{
    Exec, ExecError, Pausing, PrivateFile, Running, Storing, Surroundings, environment, input,
    local,
};
use crate::command::{Answer, Command, Tool};
use crate::sandbox::Sandbox;

/// Gives `aws` the region of the run, as the real one takes it from its
/// environment.
const REGION: &str = r#"case " $* " in *" --region"*) ;; *) set -- "$@" --region "$AWS_REGION" ;; esac
"#;

/// An executor over a sandbox.
#[derive(Debug)]
pub struct SandboxExec {
    sandbox: Sandbox,
    region: String,
    manifests: PathBuf,
    surroundings: Surroundings,
    // Without it there is no file that another process could use.
    shared: Option<Shared>,
    folder: Mutex<Option<TempDir>>,
}

/// How another process gets to the same account.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The file of this program.
    pub program: PathBuf,
    /// The directory of the state, which the account's file is below.
    pub state_dir: PathBuf,
}

impl SandboxExec {
    /// An executor over this sandbox.
    pub fn new(sandbox: Sandbox, surroundings: &Surroundings) -> Self {
        Self {
            sandbox,
            region: surroundings.region.clone(),
            manifests: surroundings.manifests.clone(),
            surroundings: surroundings.clone(),
            shared: None,
            folder: Mutex::default(),
        }
    }

    /// The same, with scripts that get to the account.
    #[must_use]
    pub fn with_scripts(self, shared: Shared) -> Self {
        Self { shared: Some(shared), ..self }
    }

    async fn script(&self, command: &Command) -> Result<Answer, ExecError> {
        let refused = |why: String| ExecError::Script { why };
        let shared = self.shared.as_ref().ok_or_else(|| {
            refused("scripts can't run in a simulated account that is in memory alone".into())
        })?;
        let bash = environment::find(&self.surroundings, "bash").ok_or_else(|| {
            refused(
                "the sandbox runs scripts in this machine's bash, and there is none on PATH".into(),
            )
        })?;
        let text = input(command)?;
        let folder = self.folder(shared).map_err(|error| {
            ExecError::failed(format!("the private folder for scripts: {error}"))
        })?;
        let manifests = fs::canonicalize(&self.manifests).map_err(ExecError::failed)?;
        let ended = process::run(Program {
            path: &bash,
            args: &command.args,
            environment: &self.environment(&folder),
            directory: Some(&manifests),
            input: text.as_deref(),
            deadline: command.timeout,
        })
        .await?;
        match ended.end {
            End::Exit(code) => local::answer(code, ended.stdout, &ended.stderr),
            End::Signal(signal) => Err(ExecError::Killed { signal }),
        }
    }

    /// Nothing of the user's but where programs are: no credentials, no files.
    fn environment(&self, folder: &Path) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let path = environment::value(&self.surroundings, "PATH").unwrap_or_default();
        let home = text(folder.join("home"));
        let mut variables = environment::fixed(
            &Surroundings { region: self.region.clone(), ..Surroundings::default() },
            &home,
            crate::command::Effect::Read,
        );
        for (name, value) in [
            ("PATH", format!("{}:{path}", text(folder.join("bin")))),
            ("HOME", home.clone()),
            ("TMPDIR", home),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        variables
    }

    /// The folder with the programs that stand for the tools; made once.
    fn folder(&self, shared: &Shared) -> std::io::Result<PathBuf> {
        let mut made = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*made {
            return Ok(folder.path().to_owned());
        }
        let owner = Owner::this();
        local::remove_outlived(&owner);
        let folder = tempfile::Builder::new()
            .prefix(&owner.folder_prefix())
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?;
        for part in ["bin", "home"] {
            fs::create_dir(folder.path().join(part))?;
        }
        let state_dir = std::path::absolute(&shared.state_dir)?;
        let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"));
        for tool in [Tool::Aws, Tool::Helm, Tool::Kubectl] {
            let region = if tool == Tool::Aws { REGION } else { "" };
            let text = format!(
                "#!/bin/sh\n{region}exec {} sandbox run --state-dir {} -- {} \"$@\"\n",
                quoted(&shared.program),
                quoted(&state_dir),
                tool.program()
            );
            let file = folder.path().join("bin").join(tool.program());
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o700))?;
        }
        let path = folder.path().to_owned();
        *made = Some(folder);
        Ok(path)
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
        match command.tool {
            Tool::Bash => Box::pin(self.script(command)),
            Tool::Aws | Tool::Helm | Tool::Kubectl => Box::pin(async { self.answer(command) }),
        }
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

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
        })
    }
}
