//! A simulated AWS account and EKS cluster that answers the same commands as
//! the real tools: their JSON, their error texts, their exit codes.
//!
//! Data goes one way: `Sandbox::run` picks the tool, the tool (`aws`, `helm`,
//! `kubectl`) parses the argv and reads or changes the `World`; the file keeps
//! the world's changes. Nothing here knows manifests, plans or state.

pub mod aws;
pub mod charts;
pub mod cluster;
pub mod file;
pub mod files;
pub mod flags;
pub mod helm;
pub mod kubectl;
mod merging;
mod passing;
pub mod reach;
pub mod world;

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use jiff::SignedDuration;

use self::cluster::{Cluster, NodeSpec, Target, Trouble};
use self::file::WorldFile;
use self::files::{Disk, Files};
use self::world::World;
use crate::command::Tool;

/// The region that the simulated cluster is in.
pub use aws::HOME_REGION as REGION;
/// What a new sandbox holds.
pub use aws::Seed;

/// What can be wrong with the pods of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// The container exits again and again.
    CrashLoop,
    /// The image can't be pulled.
    ImagePull,
    /// The container runs and never becomes ready.
    NeverReady,
    /// Nothing any more.
    Nothing,
}

impl Fault {
    /// The fault in words.
    pub fn word(self) -> &'static str {
        match self {
            Self::CrashLoop => "its containers crash again and again",
            Self::ImagePull => "its image can't be pulled",
            Self::NeverReady => "its containers never become ready",
            Self::Nothing => "nothing is wrong any more",
        }
    }

    fn trouble(self) -> Option<Trouble> {
        Some(match self {
            Self::CrashLoop => Trouble::CrashLoop { exit_code: 1, restarts: 6 },
            Self::ImagePull => Trouble::ImagePull { message: "403 Forbidden".into() },
            Self::NeverReady => Trouble::NeverReady,
            Self::Nothing => return None,
        })
    }
}

/// What an account may hold so many of, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Quota {
    /// IAM roles; 1,000 where nobody asked for more.
    Roles,
    /// Managed policies of its own; 1,500 where nobody asked for more.
    Policies,
}

impl Quota {
    /// Its name in the account's summary, as IAM's API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "RolesQuota",
            Self::Policies => "PoliciesQuota",
        }
    }
}

/// Where a world remembers what it began with, unless that was the default.
const SEED: &str = "meta/seed";

/// Fills a world with what a new sandbox has: a cluster and two nodes.
pub fn seed(world: &mut World) {
    seed_with(world, Seed::Cluster);
}

/// Fills a world with what was chosen.
pub fn seed_with(world: &mut World, seed: Seed) {
    if seed != Seed::default() {
        world.put(SEED.to_owned(), seed.word().into());
    }
    aws::seed(world, seed);
    match seed {
        Seed::Cluster => kubectl::seed(world),
        Seed::Empty => {}
    }
}

/// Runs a command in a world that the caller keeps. The world's time does not
/// pass by itself; a command that waits moves it.
pub fn run(
    world: &mut World,
    tool: Tool,
    args: &[String],
    stdin: &[u8],
    files: &dyn Files,
) -> Output {
    // What takes its time in EKS may be done by now.
    aws::settle(world);
    match tool {
        Tool::Aws => aws::run(world, args, stdin),
        Tool::Helm => helm::run(world, args, stdin, files),
        Tool::Kubectl => kubectl::run(world, args, stdin, files),
        Tool::Bash => Output::failed(127, "scripts don't run in a simulated account alone\n"),
    }
}

/// The simulated account and cluster, kept in a file.
#[derive(Debug)]
pub struct Sandbox {
    file: Mutex<WorldFile>,
}

impl Sandbox {
    /// Opens a sandbox, or makes a new one with a cluster and two nodes.
    ///
    /// # Errors
    /// When its file can't be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, Seed::Cluster)
    }

    /// Opens a sandbox, or makes a new one with what was chosen.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: &Path, seed: Seed) -> io::Result<Self> {
        let fill = |world: &mut World| seed_with(world, seed);
        Ok(Self { file: Mutex::new(WorldFile::open(path, &fill)?) })
    }

    /// What it began with.
    ///
    /// # Errors
    /// When the sandbox's file can't be read.
    pub fn seed(&self) -> io::Result<Seed> {
        self.with(|world| {
            let word = world.get(SEED).and_then(|word| word.as_str());
            [Seed::Cluster, Seed::Empty]
                .into_iter()
                .find(|seed| Some(seed.word()) == word)
                .unwrap_or_default()
        })
    }

    /// Lets simulated time pass: nobody waits for it.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written.
    pub fn wait(&self, time: Duration) -> io::Result<()> {
        self.with(|world| {
            if Cluster::exists(world) {
                passing::until(world, time, |_| (), |(): &()| false);
                aws::settle(world);
                Cluster::open(world).reconcile();
            } else {
                let time = SignedDuration::try_from(time).unwrap_or_default();
                world.set_now(world.now().checked_add(time).unwrap_or(world.now()));
                aws::settle(world);
            }
        })
    }

    /// Runs a command. Relative files in its arguments are looked up from
    /// `directory`.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written.
    pub fn run(
        &self,
        tool: Tool,
        args: &[String],
        stdin: &[u8],
        directory: &Path,
    ) -> io::Result<Output> {
        let disk = Disk::below(directory);
        self.with(|world| run(world, tool, args, stdin, &disk))
    }

    /// Sets the number of nodes of the cluster.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written, or it has no cluster.
    pub fn set_nodes(&self, count: usize) -> io::Result<()> {
        self.with_cluster(|world| {
            let mut cluster = Cluster::open(world);
            cluster.remove_nodes();
            for number in 1..=count {
                let name = format!("ip-192-168-90-{number}.{REGION}.compute.internal");
                cluster.put_node(&NodeSpec { pods: 35, ..NodeSpec::new(&name, "2", "8Gi") });
            }
            cluster.reconcile();
        })
    }

    /// Sets a quota of the account, as AWS does when it is asked for more.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written.
    pub fn set_quota(&self, quota: Quota, most: u64) -> io::Result<()> {
        self.with(|world| aws::set_quota(world, quota, most))
    }

    /// Sets what is wrong with the pods of a workload.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written, or it has no cluster.
    pub fn set_fault(&self, namespace: &str, workload: &str, fault: Fault) -> io::Result<()> {
        self.with_cluster(|world| {
            let target =
                Target::Workload { namespace: namespace.to_owned(), name: workload.to_owned() };
            let mut cluster = Cluster::open(world);
            match fault.trouble() {
                Some(trouble) => cluster.set_fault(&cluster::Fault { target, trouble }),
                None => cluster.clear_fault(&target),
            }
            cluster.reconcile();
        })
    }

    /// Lets Helm die half-way on the way back to what the release already is,
    /// so that it stays pending. Answers what Helm said: nothing, or why it
    /// could not even begin.
    ///
    /// # Errors
    /// When the sandbox's file can't be read or written.
    pub fn interrupt(&self, namespace: &str, release: &str) -> io::Result<Output> {
        self.with(|world| {
            let run = |world: &mut World, args: &[&str]| {
                let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
                helm::run(world, &args, b"", &Disk::below(Path::new(".")))
            };
            let status = run(world, &["status", release, "-n", namespace, "-o", "json"]);
            if status.code != 0 {
                return status;
            }
            let revision = serde_json::from_slice::<serde_json::Value>(&status.stdout)
                .map_or(0, |status| status["version"].as_u64().unwrap_or(0))
                .to_string();
            helm::interrupt_next(world);
            let ended = run(world, &["rollback", release, &revision, "-n", namespace]);
            if ended.code == helm::KILLED { Output::default() } else { ended }
        })
    }

    fn with_cluster<T>(&self, work: impl FnOnce(&mut World) -> T) -> io::Result<T> {
        let done = self.with(|world| {
            aws::settle(world);
            Cluster::exists(world).then(|| work(world))
        })?;
        done.ok_or_else(|| io::Error::other("the sandbox has no cluster yet: make one first"))
    }

    fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> io::Result<T> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).with(work)
    }
}

/// What a simulated command answers, in the shape of a finished process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// A success with this on standard output.
    pub fn ok(stdout: impl Into<Vec<u8>>) -> Self {
        Self { code: 0, stdout: stdout.into(), stderr: Vec::new() }
    }

    /// A failure with this on standard error.
    pub fn failed(code: i32, stderr: impl Into<Vec<u8>>) -> Self {
        Self { code, stdout: Vec::new(), stderr: stderr.into() }
    }
}
