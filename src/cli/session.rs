//! What every command needs: the stack, the way to the tools, the state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::watch;

use super::options::{AccessOptions, ExecMode, StackOptions};
use super::progress::Progress;
use super::{complain, print_json, tell};
use crate::engine::clock::Clock;
use crate::engine::event::{Event, Observer};
use crate::engine::{Engine, Targets};
use crate::exec::docker::Docker;
use crate::exec::gateway::Gateway;
use crate::exec::local::Local;
use crate::exec::sandbox::{SandboxExec, Shared};
use crate::exec::{Exec, Snapshot, Surroundings};
use crate::manifest;
use crate::manifest::stack::{SandboxAccount, Stack};
use crate::manifest::variables::VariableInputs;
use crate::plan::Plan;
use crate::sandbox::{Sandbox, Seed};
use crate::store::{LocalStore, Lock, LockInfo, S3Store, Store};
use crate::value::Value;

/// The environment that the tools may see, besides everything of AWS's and
/// Docker's own.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
];

/// Loads the stack, or prints everything that is wrong with it and returns
/// nothing.
///
/// # Errors
/// When the directory or a variable file can't be read.
pub(crate) fn load(
    options: &StackOptions,
    region: Option<&str>,
) -> anyhow::Result<Option<Arc<Stack>>> {
    load_with(options, region, Vec::new(), false)
}

/// Loads the stack, where variables may stay without a value.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_open(options: &StackOptions) -> anyhow::Result<Option<Arc<Stack>>> {
    load_with(options, None, Vec::new(), true)
}

/// Loads the stack with the variables of a saved plan. Sensitive ones are not
/// in the plan and must be given again.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_for(
    options: &StackOptions,
    region: Option<&str>,
    plan: &Plan,
) -> anyhow::Result<Option<Arc<Stack>>> {
    let planned = plan
        .variables
        .iter()
        .filter(|(_, value)| !value.has_sensitive() && !value.has_unknown() && !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    load_with(options, region, planned, false)
}

fn load_with(
    options: &StackOptions,
    region: Option<&str>,
    planned: Vec<String>,
    open: bool,
) -> anyhow::Result<Option<Arc<Stack>>> {
    let inputs = VariableInputs {
        assignments: planned.into_iter().chain(options.vars.iter().cloned()).collect(),
        files: options.var_files.clone(),
        environment: variables(),
        sandbox: options.exec.map(|exec| exec == ExecMode::Sandbox),
        region: region.map(str::to_owned),
        open,
    };
    match manifest::load::load(&options.dir, &inputs) {
        Ok(stack) => {
            let sensitive = stack.parameters.iter().filter(|one| one.sensitive);
            drop(options.hidden.set(sensitive.map(|one| one.name.clone()).collect()));
            Ok(Some(Arc::new(stack)))
        }
        Err(diagnostics) => {
            if options.output.json {
                print_json(&serde_json::json!({ "diagnostics": diagnostics }))?;
            }
            drop(std::io::Write::write_all(
                &mut anstream::stderr().lock(),
                diagnostics.render(true).as_bytes(),
            ));
            let count = crate::report::count(diagnostics.list().len(), "error");
            complain(&format!("{count} in {}; nothing was changed", options.dir.display()));
            Ok(None)
        }
    }
}

/// How the tools are run.
fn mode(stack: &Stack, options: &StackOptions) -> ExecMode {
    options.exec.unwrap_or(match stack.toolbox.exec {
        manifest::stack::ExecMode::Docker => ExecMode::Docker,
        manifest::stack::ExecMode::Local => ExecMode::Local,
        manifest::stack::ExecMode::Sandbox => ExecMode::Sandbox,
    })
}

/// Where the state of a stack lives, if that is on this machine. The sandbox's
/// never mixes with that of a real account.
pub(crate) fn local_store(stack: &Stack, options: &StackOptions) -> Option<LocalStore> {
    // A directory on the command line wins: for looking at a copy, for example.
    if stack.state_bucket.is_some() && options.state_dir.is_none() {
        return None;
    }
    let directory = state_dir(stack, options);
    let directory = match mode(stack, options) {
        ExecMode::Sandbox => directory.join("sandbox"),
        ExecMode::Docker | ExecMode::Local => directory,
    };
    Some(LocalStore::new(directory, &stack.name))
}

/// Takes the lock of a stack, and says so if its holder died with it.
///
/// # Errors
/// When another run holds it, or nobody knows.
pub(crate) async fn take_lock(store: &Store, me: &LockInfo) -> anyhow::Result<Lock> {
    let lock = store.lock(me).await?;
    if let Some(dead) = &lock.taken_over {
        tell(&crate::quote::line(&format!(
            "note: took over the lock of `lkh {}` of {} since {}: its process {} ended without \
             giving it back",
            dead.operation, dead.who, dead.since, dead.pid
        )));
    }
    Ok(lock)
}

/// What a lock says of a run.
pub(crate) fn lock_info(run: &str, operation: &str) -> LockInfo {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let user = user.unwrap_or_else(|_| "someone".into());
    LockInfo {
        id: run.to_owned(),
        operation: operation.to_owned(),
        who: if host.trim().is_empty() { user } else { format!("{user}@{}", host.trim()) },
        pid: std::process::id(),
        since: Timestamp::now(),
    }
}

/// Waits for work that needs no session.
///
/// # Errors
/// When no runtime can be made.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(work))
}

/// The directory of the state: the option, or what the Stack says.
fn state_dir(stack: &Stack, options: &StackOptions) -> PathBuf {
    options.state_dir.clone().unwrap_or_else(|| PathBuf::from(&stack.state_path))
}

/// The file of the simulated account.
pub(crate) fn world_path(state_dir: &Path) -> PathBuf {
    state_dir.join("sandbox").join("world.jsonl")
}

/// A stack with all that is needed to work on it.
pub(crate) struct Session {
    /// The engine.
    pub engine: Engine,
    /// What the run is limited to.
    pub targets: Targets,
    run: String,
    /// The toolbox image, where the tools run in one.
    toolbox: Option<String>,
    sandbox: bool,
    observer: Observer,
    /// Whether changes may be under way, so that they are finished first.
    changing: AtomicBool,
    runtime: tokio::runtime::Runtime,
}

impl Session {
    /// A session with what the options say. Starts nothing yet.
    ///
    /// # Errors
    /// When the region is not known, or the way to the tools can't be prepared.
    pub(crate) fn new(
        stack: Arc<Stack>,
        options: &StackOptions,
        access: &AccessOptions,
    ) -> anyhow::Result<Self> {
        Self::sharing(stack, options, access, None)
    }

    /// A session that remembers its reads together with others.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub(crate) fn sharing(
        stack: Arc<Stack>,
        options: &StackOptions,
        access: &AccessOptions,
        snapshot: Option<&Snapshot>,
    ) -> anyhow::Result<Self> {
        let mode = mode(&stack, options);
        let region = region(&stack, mode, access)?;
        let run = run_id();
        let manifests = std::fs::canonicalize(&options.dir)
            .with_context(|| format!("can't find {}", options.dir.display()))?;
        let surroundings = Surroundings {
            environment: environment(),
            profile: access.profile.clone().or_else(|| text(&stack, "profile")),
            region: region.clone(),
            kubeconfig: match &access.kubeconfig {
                Some(path) => Some(
                    std::fs::canonicalize(path)
                        .with_context(|| format!("can't read {}", path.display()))?,
                ),
                None => None,
            },
            kube_context: access.kube_context.clone(),
            image: stack.toolbox.image.clone().unwrap_or_default(),
            manifests,
            run: run.clone(),
        };
        let color = !options.output.no_color && std::env::var_os("NO_COLOR").is_none();
        let progress = Arc::new(Progress::new(color));
        let observer = progress.observer();
        let notices = {
            let observer = Arc::clone(&observer);
            Arc::new(move |text: &str| observer(Event::Notice(text.to_owned())))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let exec: Box<dyn Exec> = {
            let _context = runtime.enter();
            match mode {
                ExecMode::Docker => Box::new(Docker::new(surroundings.clone(), notices.clone())?),
                ExecMode::Local => Box::new(Local::new(surroundings.clone())?),
                ExecMode::Sandbox => {
                    let state_dir = state_dir(&stack, options);
                    let seed = match stack.toolbox.sandbox {
                        SandboxAccount::Cluster => Seed::Cluster,
                        SandboxAccount::Empty => Seed::Empty,
                    };
                    let sandbox = Sandbox::open_with(&world_path(&state_dir), seed)?;
                    let program = std::env::current_exe().context("can't find this program")?;
                    Box::new(
                        SandboxExec::new(sandbox, &surroundings)
                            .with_scripts(Shared { program, state_dir }),
                    )
                }
            }
        };
        let gateway = Gateway::new(exec, &surroundings, access.parallelism, notices);
        let gateway = match snapshot {
            Some(snapshot) => gateway.sharing(snapshot, &surroundings),
            None => gateway,
        };
        for value in stack.variables.values() {
            gateway.protect(value);
        }
        let gateway = Arc::new(gateway);
        let store = match (local_store(&stack, options), &stack.state_bucket) {
            (None, Some(place)) => Store::S3(S3Store::new(
                Arc::clone(&gateway),
                &place.bucket,
                &place.prefix,
                place.region.as_deref(),
                &stack.name,
            )),
            (local, _) => Store::Local(local.context("the stack has no place for its state")?),
        };
        let engine = Engine {
            store,
            clock: Clock::system(),
            stack,
            gateway,
            region,
            observer: Arc::clone(&observer),
        };
        let targets = Targets(access.targets.clone());
        let changing = AtomicBool::new(false);
        let toolbox = (mode == ExecMode::Docker).then(|| surroundings.image.clone());
        let sandbox = mode == ExecMode::Sandbox;
        Ok(Self { engine, targets, run, toolbox, sandbox, observer, changing, runtime })
    }

    /// Runs the work of a command to its end, and ends what it started.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn block_on(
        &self,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<u8>,
    ) -> anyhow::Result<u8> {
        self.runtime.block_on(async {
            let result = tokio::select! {
                result = work(self) => result,
                () = self.interrupted_before_changes() => {
                    tell("Interrupted; nothing was changed.");
                    Ok(super::code::INTERRUPTED)
                }
            };
            // What was interrupted, or ended early, may still hold the lock.
            if let Err(error) = self.engine.store.abandon().await {
                tell(&format!("note: the lock may not be free: {error}"));
            }
            self.engine.gateway.close().await;
            result
        })
    }

    /// Ends at Ctrl-C, as long as nothing is being changed.
    async fn interrupted_before_changes(&self) {
        loop {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            if !self.changing.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// The toolbox image, where the tools run in one.
    pub(crate) fn toolbox(&self) -> Option<&str> {
        self.toolbox.as_deref()
    }

    /// Whether the account is the simulated one.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.sandbox
    }

    /// Refuses, where `--locked` asks for it, what the lock file does not hold.
    ///
    /// # Errors
    /// What it does not hold.
    pub(crate) fn check_locked(&self, locked: bool) -> anyhow::Result<()> {
        let stale = if locked { self.engine.stale_pins() } else { Vec::new() };
        anyhow::ensure!(
            stale.is_empty(),
            "--locked: the lock file does not hold what the manifests name now for {}; nothing was \
             changed; review, then `lkh lock`",
            stale.join(", ")
        );
        Ok(())
    }

    /// What names this run.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Takes the lock of the stack, and says so if its holder died with it.
    ///
    /// # Errors
    /// When another run holds it, or nobody knows.
    pub(crate) async fn lock(&self, operation: &str) -> anyhow::Result<Arc<Lock>> {
        let me = lock_info(&self.run, operation);
        let lock = take_lock(&self.engine.store, &me).await?;
        Ok(Arc::new(lock))
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// When nobody knows whether it is free now.
    pub(crate) async fn release(&self, lock: Arc<Lock>) -> anyhow::Result<()> {
        match Arc::into_inner(lock) {
            Some(lock) => Ok(self.engine.store.release(lock).await?),
            None => Ok(()),
        }
    }

    /// Begins a new apply log, as a person asked for, and says where the old
    /// one is.
    ///
    /// # Errors
    /// When another run holds the lock, or files can't be read or written.
    pub(crate) fn begin_log(&self, operation: &str) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let lock = self.lock(operation).await?;
            let begun = self.engine.store.begin_log(&lock).await;
            self.release(lock).await?;
            match begun? {
                Some(aside) => tell(&format!(
                    "note: a new apply log begins; the old one is {} now",
                    aside.display()
                )),
                None => tell("note: a new apply log begins; there was none"),
            }
            Ok(())
        })
    }

    /// Says so when the run before did not come to its end.
    ///
    /// # Errors
    /// When state or log can't be read, or the log is not that of the state.
    pub(crate) async fn tell_interrupted_run(&self) -> anyhow::Result<()> {
        let journal = self.engine.store.read_log().await?;
        let state = self.engine.store.load().await?;
        if let Err(error) = self.engine.store.check_log(state.as_ref(), &journal) {
            // Whoever took the lock away wrote to the state: then that is the cause.
            self.engine.store.check_lock().await?;
            return Err(error.into());
        }
        for (operation, address) in journal.open_intents() {
            tell(&format!(
                "note: the last run ended in the middle of operation {operation} on {address}; \
                 what came of it is read now"
            ));
        }
        Ok(())
    }

    /// A value that turns true at the first Ctrl-C. The second ends the process
    /// at once.
    pub(crate) fn watch_for_interrupt(&self) -> watch::Receiver<bool> {
        self.changing.store(true, Ordering::Relaxed);
        let (sender, receiver) = watch::channel(false);
        let observer = Arc::clone(&self.observer);
        let gateway = Arc::clone(&self.engine.gateway);
        self.runtime.spawn(async move {
            let mut terminate = terminated();
            for round in 0.. {
                tokio::select! {
                    signal = tokio::signal::ctrl_c() => if signal.is_err() { return },
                    () = &mut terminate, if round == 0 => {}
                }
                if round == 0 {
                    observer(Event::Notice(
                        "stopping: what is running is finished first (Ctrl-C again ends at once)"
                            .into(),
                    ));
                    if sender.send(true).is_err() {
                        return;
                    }
                } else {
                    gateway.close().await;
                    std::process::exit(super::code::INTERRUPTED.into());
                }
            }
        });
        receiver
    }
}

/// Ends when the process is asked to terminate.
fn terminated() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async {
        #[cfg(unix)]
        if let Ok(mut signal) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    })
}

/// The region: the option, the stack's variable of that name, the environment;
/// in the sandbox its own.
fn region(stack: &Stack, mode: ExecMode, access: &AccessOptions) -> anyhow::Result<String> {
    let found = access
        .region
        .clone()
        .or_else(|| text(stack, "region"))
        .or_else(|| std::env::var("AWS_REGION").ok())
        .or_else(|| std::env::var("AWS_DEFAULT_REGION").ok())
        .or_else(|| (mode == ExecMode::Sandbox).then(|| crate::sandbox::REGION.to_owned()));
    let region = found.filter(|region| !region.is_empty()).context(
        "no AWS region: use --region, declare a variable `region` in the Stack, or set AWS_REGION",
    )?;
    let plain = region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    anyhow::ensure!(plain, "`{region}` is not the name of an AWS region");
    Ok(region)
}

/// The text of a variable, if it has one.
fn text(stack: &Stack, variable: &str) -> Option<String> {
    stack.variables.get(variable).and_then(Value::as_str).map(str::to_owned)
}

/// What stands before the name of a variable in the environment.
const VARIABLE: &str = "LKH_VAR_";

/// The stack's variables that the environment gives: the way for secrets that no
/// file and no command line should hold.
fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter_map(|(name, value)| Some((name.strip_prefix(VARIABLE)?.to_owned(), value)))
        .collect()
}

fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            PASSED_ON.contains(&name.as_str())
                || name.starts_with("AWS_")
                || name.starts_with("DOCKER_")
                || name.starts_with("LC_")
        })
        .collect()
}

/// Names a run: its time, its process and 32 bits that the standard library's
/// hasher draws at random, since machines may share the first two.
pub(crate) fn run_id() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let now = Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
    let random = RandomState::new().hash_one(0) >> 32;
    format!("{now}-{:x}{random:08x}", std::process::id())
}
