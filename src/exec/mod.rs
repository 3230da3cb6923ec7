//! Runs commands: the only way from `lkh` to a tool.
//!
//! `Exec` has three implementations: `docker` (one toolbox container per run),
//! `local` (tools on PATH) and `sandbox` (the simulated account). The
//! [`Gateway`] in front of them remembers reads, bounds how many commands run
//! at once, repeats what is known to be transient and refuses a read that is
//! not on the list of reads. Nothing here knows kinds, plans or state.
//!
//! What the tools need beyond their commands belongs to the run alone: a
//! registry login and a cluster token (`session`), private files in a folder
//! that the run removes, an explicit environment (`environment`). What is
//! worth repeating is decided in `retry`, what several gateways remember together is in `snapshot`, generated secrets are made in `random`, what a failure means to a person in
//! `explain`, what a person may see in `redact`.

pub mod docker;
mod environment;
pub mod explain;
pub mod gateway;
pub mod local;
pub mod owner;
mod process;
mod random;
pub mod redact;
pub mod retry;
pub mod sandbox;
mod session;
mod snapshot;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::command::{Answer, Command, Tool, shell};

pub use gateway::Gateway;
pub use snapshot::Snapshot;

/// A future that an executor returns.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, ExecError>> + Send + 'a>>;

/// A future that stores a private file.
pub type Storing<'a> = Pin<Box<dyn Future<Output = Result<(), ExecError>> + Send + 'a>>;

/// A future that lets time pass, and says how much of it only seemed to.
pub type Pausing<'a> = Pin<Box<dyn Future<Output = Duration> + Send + 'a>>;

/// Takes what a person should know while the commands run: one sentence each.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// The most that a command may print on either of its two outputs, in bytes.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// A file of the run's own that the tools read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrivateFile {
    /// How to reach the cluster; it names the token's file. KUBECONFIG points
    /// at it.
    Kubeconfig,
    /// The bearer token for the cluster. The tools read it again about once a
    /// minute, so a long command outlives a token that is replaced in time.
    Token,
}

impl PrivateFile {
    /// The file's name in the run's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Token => "token",
        }
    }
}

/// A way to run commands.
pub trait Exec: Send + Sync {
    /// Runs one command to its end. Any exit code is an answer; an error means
    /// that the command could not be run, or that its outcome is unknown.
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a>;

    /// Stores a private file where the tools find it, readable by this user
    /// alone; replaces it as a whole. Text may be secret.
    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a>;

    /// Whether the tools need registry logins and a cluster token. A simulated
    /// account needs none.
    fn needs_access(&self) -> bool {
        true
    }

    /// Fills a buffer with bytes that nobody can guess: what generated secrets
    /// are made of.
    ///
    /// # Errors
    /// When the operating system has none.
    fn random(&self, bytes: &mut [u8]) -> Result<(), ExecError> {
        random::fill(bytes)
    }

    /// Whether a read always shows what was done before it. AWS promises no
    /// such thing; a simulated account may.
    fn is_consistent(&self) -> bool {
        false
    }

    /// Lets time pass between two reads of something that takes its time.
    /// Answers how much of it passed only in a simulated account: that part no
    /// clock of this process shows.
    fn pause(&self, time: Duration) -> Pausing<'_> {
        Box::pin(async move {
            tokio::time::sleep(time).await;
            Duration::ZERO
        })
    }

    /// The digest of the image that the tools run in; `None`: they run in none.
    fn toolbox_digest(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, ExecError>> + Send + '_>> {
        Box::pin(async { Ok(None) })
    }

    /// Ends what the run has started (containers, private files).
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// What the tools need to know of their surroundings. The environment is read
/// by `cli` alone and handed down in here.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Variables that the tools may see: PATH, HOME, proxies, `AWS_*`.
    /// Values may be secret: they reach no argv and no log.
    pub environment: Vec<(String, String)>,
    /// The AWS profile (`--profile`).
    pub profile: Option<String>,
    /// The AWS region.
    pub region: String,
    /// A kubeconfig of the user's (`--kubeconfig`), read and never written.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub kube_context: Option<String>,
    /// The toolbox image (`docker` only).
    pub image: String,
    /// The directory of the manifests: local charts lie below it. Mounted
    /// read-only in the container, at the same path; the working directory.
    pub manifests: PathBuf,
    /// Names this run: container name and label.
    pub run: String,
}

/// How `helm` and `kubectl` reach the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAccess {
    /// The cluster's name in EKS.
    pub name: String,
    /// The API server's URL.
    pub endpoint: String,
    /// The certificate authority, base64 as EKS gives it.
    pub certificate_authority: String,
}

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The tool is not installed.
    #[error("`{}` is not installed, or not on PATH", tool.program())]
    ToolMissing {
        /// Which.
        tool: Tool,
    },
    /// The Docker engine or the toolbox can't be used; no tool was started.
    #[error("Docker can't be used: {why}")]
    Docker {
        /// The engine's or client's own words.
        why: String,
    },
    /// The deadline passed; the command was ended. Its outcome is unknown.
    #[error("no answer within {} s; the command was ended", after.as_secs())]
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// More output than anyone can use; the command was ended.
    #[error("more than {limit} bytes of output; the command was ended")]
    TooMuchOutput {
        /// The limit in bytes.
        limit: usize,
    },
    /// The process was ended by a signal (the OOM killer, a person).
    #[error("the command was ended by signal {signal}")]
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// The process could not be started or talked to.
    #[error("the command could not be run: {why}")]
    Failed {
        /// The cause.
        why: String,
    },
    /// A command that says it reads is not on the list of reads.
    #[error("refused: the command is not known to only read")]
    NotARead,
    /// The tool would read an argument from a file instead of taking it as it
    /// stands.
    #[error("refused: `aws` would load {argument} instead of taking it as a text")]
    Loads {
        /// The argument, quoted.
        argument: String,
    },
    /// A script that would not reach what the other tools reach.
    #[error("refused: {why}")]
    Script {
        /// Why not.
        why: String,
    },
    /// The document for standard input has parts that are not known yet.
    #[error("refused: the command's input is not wholly known yet")]
    InputUnknown,
}

impl ExecError {
    /// A failure in words.
    pub fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed { why: why.to_string() }
    }
}

/// The bytes for a command's standard input: a text as it is, anything else
/// as JSON. `None`: the null device.
///
/// # Errors
/// `InputUnknown` while a part of the document is not known, or not made yet.
pub fn input(command: &Command) -> Result<Option<Vec<u8>>, ExecError> {
    let Some(document) = &command.stdin else { return Ok(None) };
    if !command.fills.is_empty() {
        // The gateway has not filled it: a tool must never get a placeholder.
        return Err(ExecError::InputUnknown);
    }
    match document.reveal().ok_or(ExecError::InputUnknown)? {
        script if command.tool == Tool::Bash => Ok(Some(shell::text(&script).into_bytes())),
        Json::String(text) => Ok(Some(text.into_bytes())),
        json
        @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            Ok(Some(json.to_string().into_bytes()))
        }
    }
}

impl ExecError {
    /// What a person can do about it.
    pub fn next(&self) -> String {
        match self {
            Self::ToolMissing { tool } => format!(
                "install {}, or use --exec docker (the toolbox has it) or --exec sandbox",
                tool.program()
            ),
            Self::Docker { .. } => "start Docker, or use --exec local or --exec sandbox".to_owned(),
            Self::TimedOut { .. } | Self::Killed { .. } | Self::TooMuchOutput { .. } => {
                "run `lkh plan`: it reads what came of it".to_owned()
            }
            Self::Failed { .. } => "see the cause, then run `lkh plan`".to_owned(),
            Self::Loads { .. } => {
                "give it a name that does not begin with file://, fileb:// or http://".to_owned()
            }
            Self::Script { .. } => "see the cause: nothing was run".to_owned(),
            Self::NotARead | Self::InputUnknown => "report this: it is a mistake in lkh".to_owned(),
        }
    }
}
