//! One process from start to end: its own process group, a deadline, an output
//! limit, standard input from a file without a name. It must not know commands
//! or tools, and never reads the process's own environment.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::time::timeout;

use super::{ExecError, OUTPUT_LIMIT};

/// How long a process has between the polite signal and the last one. `helm`
/// uses it to mark its release as failed instead of pending.
const GRACE: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// The program's file.
    pub(super) path: &'a Path,
    /// Its arguments.
    pub(super) args: &'a [String],
    /// Its whole environment.
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Its working directory; `None`: that of this process.
    pub(super) directory: Option<&'a Path>,
    /// Its standard input; `None`: the null device.
    pub(super) input: Option<&'a [u8]>,
    /// After this time it is ended.
    pub(super) deadline: Duration,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself, with this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
}

/// What is left of a process.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Runs a program to its end. When the future is dropped, the whole process
/// group is killed.
pub(super) async fn run(program: Program<'_>) -> Result<Ended, ExecError> {
    let mut child = start(&program)?;
    let mut group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let finish = async {
        tokio::try_join!(read(stdout), read(stderr), async {
            child.wait().await.map_err(ExecError::failed)
        })
    };
    let failure = match timeout(program.deadline, finish).await {
        Ok(Ok((stdout, stderr, status))) => {
            group.disarm();
            let end = status
                .code()
                .map_or_else(|| End::Signal(status.signal().unwrap_or_default()), End::Exit);
            return Ok(Ended { end, stdout, stderr });
        }
        Ok(Err(error)) => error,
        Err(_) => ExecError::TimedOut { after: program.deadline },
    };
    group.signal(Signal::TERM);
    // Its end is what counts here, not how it ended.
    let _ = timeout(GRACE, child.wait()).await;
    group.signal(Signal::KILL);
    let _ = timeout(GRACE, child.wait()).await;
    group.disarm();
    Err(failure)
}

fn start(program: &Program<'_>) -> Result<Child, ExecError> {
    let input = program.input.map_or_else(|| Ok(Stdio::null()), nameless_file)?;
    let mut command = tokio::process::Command::new(program.path);
    command
        .args(program.args)
        .env_clear()
        .envs(program.environment)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the terminal reaches `lkh` alone, and the engine decides.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = program.directory {
        command.current_dir(directory);
    }
    command
        .spawn()
        .map_err(|error| ExecError::failed(format!("{}: {error}", program.path.display())))
}

/// A file that is on no directory: it may hold secrets. It is a file and no
/// pipe because `aws` opens `file:///dev/stdin` twice.
fn nameless_file(bytes: &[u8]) -> Result<Stdio, ExecError> {
    let write = || {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        Ok(file)
    };
    write()
        .map(Stdio::from)
        .map_err(|error: std::io::Error| ExecError::failed(format!("standard input: {error}")))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ExecError> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        let most = u64::try_from(OUTPUT_LIMIT).unwrap_or(u64::MAX);
        let mut pipe = pipe.take(most.saturating_add(1));
        pipe.read_to_end(&mut bytes).await.map_err(ExecError::failed)?;
    }
    if bytes.len() > OUTPUT_LIMIT {
        return Err(ExecError::TooMuchOutput { limit: OUTPUT_LIMIT });
    }
    Ok(bytes)
}

/// The process group of a child, killed when this is dropped while armed: a
/// tool's own children must not outlive it.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // It fails when nothing of the group is left, which is the aim.
            let _ = kill_process_group(pid, signal);
        }
    }

    fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
