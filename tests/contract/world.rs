//! An account with a cluster, simulated or real: how `lkh` gets there, and how
//! a case looks at it and changes it behind the engine's back.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lkh::sandbox::cluster::{Fault, Target, Trouble};

use crate::kube::KubeServer;
use crate::servers::{Account, HANGS, Servers};
use crate::tools::Tools;
use crate::warm_aws::quoted;

/// How `lkh` runs the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Simulated, in the binary.
    Sandbox,
    /// Real tools on PATH.
    Real,
    /// Real tools in a container.
    Docker,
}

/// Every backend.
pub const ALL: &[Backend] = &[Backend::Sandbox, Backend::Real, Backend::Docker];
/// Without the container: for cases that it can't change the outcome of. Those
/// that it might run in it too.
pub const LOCAL: &[Backend] = &[Backend::Sandbox, Backend::Real];
/// Those with real tools.
pub const REAL: &[Backend] = &[Backend::Real, Backend::Docker];

impl Backend {
    /// Its part of a trial's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Real => "real",
            Self::Docker => "docker",
        }
    }
}

/// An account with a cluster that has two nodes.
pub trait World {
    /// The account's number.
    fn account(&self) -> &str;
    /// The cluster's name.
    fn cluster(&self) -> &str;
    /// The environment of `lkh`, whole.
    fn environment(&self) -> Vec<(String, String)>;
    /// The flags that lead every command of `lkh` there.
    fn flags(&self) -> Vec<String>;
    /// The flags that lead those commands there that look at live objects.
    fn live_flags(&self) -> Vec<String>;
    /// Runs a tool, past `lkh`.
    fn run(&self, tool: &str, args: &[&str]) -> Output;
    /// Sets the number of nodes.
    fn set_nodes(&self, count: usize);
    /// Lets no pod of a workload become ready, or all again.
    fn set_unready(&self, namespace: &str, workload: &str, unready: bool);
    /// Leaves a release as a helm leaves it that is killed during an upgrade.
    fn interrupt(&self, namespace: &str, release: &str, chart: &Path);
    /// The argv of what `lkh` has started so far, where that can be seen.
    fn trace(&self) -> Option<Vec<String>>;
    /// How many requests have changed the cluster so far, where that can be
    /// seen.
    fn cluster_changes(&self) -> Option<usize>;
}

/// The simulation in the binary.
pub struct Sandbox {
    state_dir: PathBuf,
}

impl Sandbox {
    /// The sandbox of a state directory.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    fn lkh(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lkh"));
        command.env_clear().arg("sandbox").arg("--state-dir").arg(&self.state_dir);
        command.args(args).stdin(Stdio::null()).output().unwrap()
    }
}

impl World for Sandbox {
    fn account(&self) -> &'static str {
        "111122223333"
    }

    fn cluster(&self) -> &'static str {
        "testskillcluster"
    }

    fn environment(&self) -> Vec<(String, String)> {
        // No PATH: no program can be found, and none is needed.
        Vec::new()
    }

    fn flags(&self) -> Vec<String> {
        vec!["--exec=sandbox".into()]
    }

    fn live_flags(&self) -> Vec<String> {
        Vec::new()
    }

    fn run(&self, tool: &str, args: &[&str]) -> Output {
        let whole: Vec<&str> =
            ["run", "--", tool].into_iter().chain(args.iter().copied()).collect();
        self.lkh(&whole)
    }

    fn set_nodes(&self, count: usize) {
        assert!(self.lkh(&["nodes", &count.to_string()]).status.success());
    }

    fn set_unready(&self, namespace: &str, workload: &str, unready: bool) {
        let fault = if unready { "never-ready" } else { "nothing" };
        let output = self.lkh(&["break", "-n", namespace, workload, "--with", fault]);
        assert!(output.status.success(), "{output:?}");
    }

    fn interrupt(&self, namespace: &str, release: &str, _: &Path) {
        let output = self.lkh(&["interrupt", "-n", namespace, release]);
        assert!(output.status.success(), "{output:?}");
    }

    fn trace(&self) -> Option<Vec<String>> {
        None
    }

    fn cluster_changes(&self) -> Option<usize> {
        None
    }
}

/// Real tools, an account of the AWS emulator, a Kubernetes API server.
pub struct Real {
    in_container: bool,
    tools: Arc<Tools>,
    /// The words that `aws` is started with.
    aws: Vec<OsString>,
    account: Account,
    kube: KubeServer,
    folder: PathBuf,
}

/// The cluster of the real backends.
const CLUSTER: &str = "lake";

impl Real {
    /// A new account with a cluster; `folder` is for the files that lead there.
    /// With `cold`, `aws` is the program itself.
    pub fn new(
        in_container: bool,
        cold: bool,
        folder: &Path,
        tools: &Arc<Tools>,
        servers: &Servers,
    ) -> Self {
        let account = servers.account();
        account.prepare_cluster(CLUSTER);
        let this = Self {
            in_container,
            tools: Arc::clone(tools),
            aws: if cold { vec![tools.program("aws").into()] } else { servers.aws() },
            account,
            kube: KubeServer::start(),
            folder: folder.to_owned(),
        };
        this.set_nodes(2);
        for part in ["bin", "home", "tmp"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        this.kube.kubeconfig(&this.kubeconfig()).unwrap();
        for tool in ["aws", "helm", "kubectl"] {
            this.log_argv_of(tool);
        }
        this
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    fn argv_log(&self) -> PathBuf {
        self.folder.join("argv.log")
    }

    /// Puts a script in front of a tool that writes down how it is started.
    fn log_argv_of(&self, tool: &str) {
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"{tool} $*\" >>'{}'\nexec {} \"$@\"\n",
            self.argv_log().display(),
            quoted(&self.words(tool))
        );
        let file = self.folder.join("bin").join(tool);
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What a tool is started with: the program, and arguments before its own.
    fn words(&self, tool: &str) -> Vec<OsString> {
        if tool == "aws" { self.aws.clone() } else { vec![self.tools.program(tool).into()] }
    }

    fn tool(&self, tool: &str) -> Command {
        let words = self.words(tool);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(self.account.environment())
            .env("HOME", self.folder.join("home"))
            .env("TMPDIR", self.folder.join("tmp"))
            .env("KUBECONFIG", self.kubeconfig())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        command
    }
}

impl World for Real {
    fn account(&self) -> &str {
        &self.account.id
    }

    fn cluster(&self) -> &'static str {
        CLUSTER
    }

    fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let path = if self.in_container {
            // The docker client, and no tool of ours.
            std::env::var("PATH").unwrap_or_default()
        } else {
            format!("{}:/usr/bin:/bin", text(self.folder.join("bin")))
        };
        let mut environment = vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), text(self.folder.join("home"))),
            ("TMPDIR".to_owned(), text(self.folder.join("tmp"))),
        ];
        environment.extend(self.account.environment().into_iter().map(|(n, v)| (n.to_owned(), v)));
        environment
            .extend(std::env::var("DOCKER_HOST").map(|host| ("DOCKER_HOST".to_owned(), host)));
        environment
    }

    fn flags(&self) -> Vec<String> {
        vec![if self.in_container { "--exec=docker" } else { "--exec=local" }.into()]
    }

    fn live_flags(&self) -> Vec<String> {
        vec!["--kubeconfig".into(), self.kubeconfig().to_string_lossy().into_owned()]
    }

    fn run(&self, tool: &str, args: &[&str]) -> Output {
        self.tool(tool).args(args).output().unwrap()
    }

    fn set_nodes(&self, count: usize) {
        self.kube.with(|cluster| {
            cluster.remove_nodes();
            for number in 1..=count {
                cluster.add_node(&format!("node-{number}"), "2", "8Gi");
            }
        });
    }

    fn set_unready(&self, namespace: &str, workload: &str, unready: bool) {
        let target = Target::Workload { namespace: namespace.into(), name: workload.into() };
        self.kube.with(|cluster| {
            if unready {
                cluster.set_fault(&Fault { target, trouble: Trouble::NeverReady });
            } else {
                cluster.clear_fault(&target);
            }
        });
    }

    fn interrupt(&self, namespace: &str, release: &str, chart: &Path) {
        // New pods find no node, so this helm waits until it is killed.
        self.set_nodes(0);
        let mut helm = self
            .tool("helm")
            .args(["upgrade", release, "-n", namespace, "--reuse-values", "--wait"])
            .args(["--timeout", "5m"])
            .arg(chart)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        loop {
            let status = self.run("helm", &["status", release, "-n", namespace]);
            if String::from_utf8_lossy(&status.stdout).contains("STATUS: pending-upgrade") {
                break;
            }
            assert!(start.elapsed() < HANGS, "helm did not begin: {status:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        helm.kill().unwrap();
        helm.wait().unwrap();
        self.set_nodes(2);
    }

    fn trace(&self) -> Option<Vec<String>> {
        let log = fs::read_to_string(self.argv_log()).unwrap_or_default();
        (!self.in_container).then(|| log.lines().map(str::to_owned).collect())
    }

    fn cluster_changes(&self) -> Option<usize> {
        Some(self.kube.mutations())
    }
}
