//! Runs the tools in one toolbox container per run, through the docker client.
//! The container starts with the first command and is removed at the end; what
//! runs of this host left behind when they died is removed at the next start.
//! It must not put a secret into an argv, a label or the container's settings.

mod toolbox;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::command::{Answer, Command, Effect};

use super::process::{self, End, Ended, Program};
use super::{
    Exec, ExecError, Notices, PrivateFile, Running, Storing, Surroundings, environment, input,
    local, owner::Owner,
};
use toolbox::Ending;

/// How long the engine may take for a call of our own.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an image may take to be pulled.
const PULL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How much longer than the command's own deadline the client may take: the
/// five seconds between `timeout`'s two signals, and the engine's own time.
const CLIENT_SLACK: Duration = Duration::from_secs(15);

/// How often, and how far apart, it is looked whether a container that another
/// run removes is gone.
const REMOVAL_LOOKS: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(200);

/// What the client says when it could not even begin.
const NOTHING_RAN: [&str; 5] = [
    "No such container",
    "is not running",
    "Cannot connect to the Docker daemon",
    "permission denied while trying to connect",
    "executable file not found",
];

const OUT_OF_MEMORY: &str = "the toolbox ran out of memory: give the Docker engine more";
const INSTEAD: &str = "or use --exec local or --exec sandbox";

/// A toolbox container.
pub struct Docker {
    surroundings: Surroundings,
    client: PathBuf,
    // The client's environment: the user's variables and nothing else.
    environment: BTreeMap<String, String>,
    name: String,
    // Makes the last lines of commands unlike anything a tool prints.
    salt: String,
    commands: AtomicU64,
    started: OnceCell<Result<(), ExecError>>,
    // Whether there may be a container to remove.
    to_remove: AtomicBool,
    notices: Notices,
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Docker {
    /// Looks for the docker client on the PATH of the surroundings. Nothing is
    /// started before the first command.
    ///
    /// # Errors
    /// `Docker` where there is no client.
    pub fn new(mut surroundings: Surroundings, notices: Notices) -> Result<Self, ExecError> {
        environment::make_absolute(&mut surroundings)
            .map_err(|error| ExecError::failed(format!("the manifests' folder: {error}")))?;
        let client = environment::find(&surroundings, "docker").ok_or_else(|| {
            docker_error(format!("there is no `docker` on PATH; install Docker, {INSTEAD}"))
        })?;
        let owner = Owner::this();
        let salt = format!("{} {} {} {}", surroundings.run, owner.boot, owner.pid, owner.started);
        Ok(Self {
            client,
            environment: surroundings.environment.iter().cloned().collect(),
            name: toolbox::container_name(&surroundings.run),
            salt: hex::encode(Sha256::digest(salt)).chars().take(20).collect(),
            commands: AtomicU64::new(0),
            started: OnceCell::new(),
            to_remove: AtomicBool::new(false),
            surroundings,
            notices,
        })
    }

    async fn start(&self, command: &Command) -> Result<Answer, ExecError> {
        environment::check_script(command, &self.surroundings)?;
        let input = input(command)?;
        self.ready().await?;
        let token = self.token();
        // A deadline in whole seconds: not every `timeout` knows others.
        let limit = command.timeout.as_millis().div_ceil(1000).max(1);
        let mut args = self.exec_args(input.is_some(), command);
        args.extend(["sh".to_owned(), "-c".to_owned(), toolbox::run_script(input.is_some())]);
        let size = input.as_ref().map_or(0, Vec::len);
        args.extend(["lkh".to_owned(), token.clone(), limit.to_string(), size.to_string()]);
        args.push(command.tool.program().to_owned());
        args.extend(environment::arguments(command, &self.surroundings));

        let began = Instant::now();
        let ended = self.client(&args, input.as_deref(), command.timeout + CLIENT_SLACK).await;
        if let Err(ExecError::TimedOut { .. } | ExecError::TooMuchOutput { .. }) = &ended {
            // The client is gone; the tool is not.
            self.end(&token).await;
        }
        let timed_out = Err(ExecError::TimedOut { after: command.timeout });
        let ended = match ended {
            Err(ExecError::TimedOut { .. }) => return timed_out,
            ended => ended?,
        };
        let (stderr, ending) = toolbox::ending(ended.stderr, &token);
        // `timeout` says 124 even where the tool then ended by itself.
        let late = began.elapsed() >= command.timeout
            && match ended.end {
                End::Exit(124) => ending != Ending::Exit(124),
                End::Exit(137) => ending == Ending::Untold,
                End::Exit(_) | End::Signal(_) => false,
            };
        if late {
            return timed_out;
        }
        if ending == Ending::Untold {
            // The client or the engine failed; the tool may go on by itself.
            self.end(&token).await;
            self.tell_if_out_of_memory().await;
        }
        match (ending, ended.end) {
            (Ending::Exit(code), _) => local::answer(code, ended.stdout, &stderr),
            (Ending::Missing, _) => Err(ExecError::ToolMissing { tool: command.tool }),
            (Ending::OutOfMemory, _) => {
                (self.notices)(OUT_OF_MEMORY);
                Err(ExecError::Killed { signal: 9 })
            }
            (Ending::Signal(signal), _) | (Ending::Untold, End::Signal(signal)) => {
                Err(ExecError::Killed { signal })
            }
            // With the shell: most often the whole container.
            (Ending::Untold, End::Exit(137)) => Err(ExecError::Killed { signal: 9 }),
            (Ending::Untold, End::Exit(code)) => {
                // Only some words of the client's prove that no tool ran.
                let text = String::from_utf8_lossy(&stderr).into_owned();
                let before = NOTHING_RAN.iter().any(|words| text.contains(words));
                let why = self.explain(code, &stderr);
                Err(if before { docker_error(why) } else { ExecError::failed(why) })
            }
        }
    }

    /// Starts the container once, however many ask at the same time. When it
    /// can't be started, it is not tried again.
    async fn ready(&self) -> Result<(), ExecError> {
        self.started.get_or_init(|| self.start_container()).await.clone()
    }

    async fn start_container(&self) -> Result<(), ExecError> {
        self.to_remove.store(true, Ordering::SeqCst);
        let owner = Owner::this();
        let user = format!(
            "{}:{}",
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw()
        );
        let args = toolbox::start_args(&self.surroundings, &owner, &user);
        let (first, orphans) = tokio::join!(self.engine(&args), self.remove_orphans(&owner));
        match first {
            Err(ExecError::Docker { why }) if why.contains("No such image") => {
                self.pull().await?;
                self.engine(&args).await?;
            }
            other => drop(other?),
        }
        // A command of a dead run may still be at work in there.
        orphans
    }

    async fn pull(&self) -> Result<(), ExecError> {
        let image = &self.surroundings.image;
        (self.notices)(&format!("pulling the toolbox image {image}"));
        let args = ["pull", "--quiet", image].map(str::to_owned);
        let ended = self.client(&args, None, PULL_TIMEOUT).await?;
        if matches!(ended.end, End::Exit(0)) {
            return Ok(());
        }
        let why = last_line(&ended.stderr);
        Err(docker_error(format!(
            "the toolbox image {image} is not on this machine and can't be pulled ({why}); build \
             it, name another one in the Stack, {INSTEAD}"
        )))
    }

    /// Removes the containers of runs that are proven to be dead, and whatever
    /// still runs in them: nothing is begun beside it.
    ///
    /// # Errors
    /// When it can't be told whether there are any, or one can't be removed.
    async fn remove_orphans(&self, this: &Owner) -> Result<(), ExecError> {
        const COLUMNS: &str = "{{.ID}}\t{{.State}}\t{{.Names}}\t{{.Label \"lkh.boot\"}}\t\
                               {{.Label \"lkh.pidns\"}}\t{{.Label \"lkh.uid\"}}\t{{.Label \"lkh.pid\"}}\t\
                               {{.Label \"lkh.started\"}}";
        let args = ["ps", "--all", "--no-trunc", "--filter", "label=lkh.run", "--format", COLUMNS];
        let list = self.engine(&args.map(str::to_owned)).await?;
        for line in list.lines() {
            let [id, state, name, boot, space, user, pid, started] =
                line.split('\t').collect::<Vec<_>>()[..]
            else {
                continue;
            };
            let owner = Owner {
                host: String::new(),
                boot: boot.to_owned(),
                space: space.to_owned(),
                // What is no number belongs to nobody that is known to be dead.
                user: user.parse().unwrap_or(u32::MAX),
                pid: pid.parse().unwrap_or_default(),
                started: started.to_owned(),
            };
            // After a restart of the host no process id means anything, but the
            // restart has ended the container, and then it is of no use.
            let ended = matches!(state, "exited" | "dead") && owner.boot != this.boot;
            if name == self.name || !(ended || owner.is_gone(this)) {
                continue;
            }
            let args = ["rm", "--force", "--volumes", id].map(str::to_owned);
            match self.engine(&args).await {
                Ok(_) => (self.notices)(&format!(
                    "removed the container {name}, left by a run that died"
                )),
                // Another run may have come first, or be about to remove it.
                Err(error) if self.stays(id).await => {
                    return Err(docker_error(format!(
                        "the container {name} of a run that died can't be removed, and its last \
                         command may still run ({error}); remove it with `docker rm --force \
                         {name}`, then run the same command again"
                    )));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Whether a container is still there after a while.
    async fn stays(&self, id: &str) -> bool {
        let args = ["inspect", "--format", "{{.ID}}", id].map(str::to_owned);
        for _ in 0..REMOVAL_LOOKS {
            match self.engine(&args).await {
                Ok(_) => tokio::time::sleep(REMOVAL_PAUSE).await,
                Err(error) => return !error.to_string().contains("No such"),
            }
        }
        true
    }

    /// The argv, after `docker`, of a command in the container, up to its name.
    fn exec_args(&self, with_input: bool, command: &Command) -> Vec<String> {
        let mut args = vec!["exec".to_owned()];
        if with_input {
            args.push("--interactive".to_owned());
        }
        let names = toolbox::passed_names(&self.surroundings);
        let reach = |name: &&str| environment::may_reach(command, &self.surroundings, name);
        for name in names.into_iter().filter(reach) {
            args.extend(["--env".to_owned(), name.to_owned()]);
        }
        // The container was started with those of a read.
        let read = environment::fixed(&self.surroundings, toolbox::FOLDER, Effect::Read);
        for (name, value) in environment::fixed(&self.surroundings, toolbox::FOLDER, command.effect)
        {
            if read.get(&name) != Some(&value) {
                args.extend(["--env".to_owned(), format!("{name}={value}")]);
            }
        }
        args.push(self.name.clone());
        args
    }

    fn token(&self) -> String {
        let number = self.commands.fetch_add(1, Ordering::SeqCst);
        format!("lkh-{}-{number}", self.salt)
    }

    async fn end(&self, token: &str) {
        let args = ["exec", &self.name, "sh", "-c", toolbox::END, "lkh", token].map(str::to_owned);
        // It fails where the tool has ended by itself, which is the aim.
        let _ = self.client(&args, None, ENGINE_TIMEOUT).await;
    }

    /// Says so where the container itself was ended for want of memory.
    async fn tell_if_out_of_memory(&self) {
        let args = ["inspect", "--format", "{{.State.OOMKilled}}", &self.name].map(str::to_owned);
        if self.engine(&args).await.is_ok_and(|told| told.trim() == "true") {
            (self.notices)(OUT_OF_MEMORY);
        }
    }

    /// A call of our own to the engine: its output, or what is wrong with it.
    async fn engine(&self, args: &[String]) -> Result<String, ExecError> {
        let ended = self.client(args, None, ENGINE_TIMEOUT).await?;
        match ended.end {
            End::Exit(0) => Ok(String::from_utf8_lossy(&ended.stdout).into_owned()),
            End::Exit(code) => Err(docker_error(self.explain(code, &ended.stderr))),
            End::Signal(signal) => Err(ExecError::Killed { signal }),
        }
    }

    async fn client(
        &self,
        args: &[String],
        input: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<Ended, ExecError> {
        process::run(Program {
            path: &self.client,
            args,
            environment: &self.environment,
            directory: Some(Path::new("/")),
            input,
            deadline,
        })
        .await
    }

    /// What the client's words mean, and what to do.
    fn explain(&self, code: i32, stderr: &[u8]) -> String {
        let text = String::from_utf8_lossy(stderr);
        let line = last_line(stderr);
        let has = |part: &str| text.contains(part);
        if has("permission denied while trying to connect") {
            format!("this user may not use the engine; join the group `docker`, {INSTEAD}")
        } else if has("Cannot connect to the Docker daemon") || has("error during connect") {
            format!("the engine does not answer ({line}); start Docker, {INSTEAD}")
        } else if has("bind source path does not exist") {
            format!(
                "the engine does not see this machine's files ({line}); use an engine on this \
                 machine, {INSTEAD}"
            )
        } else if has("No such container") || has("is not running") {
            format!(
                "the toolbox container {} was removed or stopped while lkh was using it ({line}); \
                 run the same command again",
                self.name
            )
        } else if has("executable file not found") || has("not found") && code == 127 {
            format!(
                "the image {} is no toolbox: it needs sh, timeout, mktemp and the tools ({line})",
                self.surroundings.image
            )
        } else if line.is_empty() {
            format!("docker ended with exit code {code}")
        } else {
            line
        }
    }
}

impl Exec for Docker {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(self.start(command))
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        Box::pin(async move {
            self.ready().await?;
            let mut args = vec!["exec".to_owned(), "--interactive".to_owned(), self.name.clone()];
            args.extend(["sh".to_owned(), "-c".to_owned(), toolbox::store_script()]);
            args.extend(["lkh".to_owned(), file.name().to_owned()]);
            let ended = self.client(&args, Some(text.as_bytes()), ENGINE_TIMEOUT).await?;
            match ended.end {
                End::Exit(0) => Ok(()),
                End::Exit(code) => Err(docker_error(self.explain(code, &ended.stderr))),
                End::Signal(signal) => Err(ExecError::Killed { signal }),
            }
        })
    }

    fn toolbox_digest(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, ExecError>> + Send + '_>> {
        Box::pin(async {
            self.ready().await?;
            let image = self.surroundings.image.as_str();
            let format = "{{join .RepoDigests \" \"}} {{.Id}}";
            let args = ["image", "inspect", "--format", format, image].map(str::to_owned);
            let told = self.engine(&args).await?;
            // By a registry's digest, or that of an image that was made here.
            let first = told.split_whitespace().next().unwrap_or_default();
            let digest = first.rsplit('@').next().unwrap_or_default();
            Ok(Some(digest.to_owned()).filter(|digest| digest.starts_with("sha256:")))
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if self.to_remove.swap(false, Ordering::SeqCst) {
                let args = ["rm", "--force", "--volumes", &self.name].map(str::to_owned);
                if let Err(error) = self.engine(&args).await
                    && !error.to_string().contains("was removed")
                    && matches!(self.started.get(), Some(Ok(())))
                {
                    let name = &self.name;
                    (self.notices)(&format!("the container {name} could not be removed: {error}"));
                }
            }
        })
    }
}

impl Drop for Docker {
    /// Removes the container of a run that did not come to its `close`.
    fn drop(&mut self) {
        if self.to_remove.swap(false, Ordering::SeqCst) {
            // Nobody waits for it: a run that panics is to end at once.
            let _ = std::process::Command::new(&self.client)
                .args(["rm", "--force", "--volumes", &self.name])
                .env_clear()
                .envs(&self.environment)
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn();
        }
    }
}

fn docker_error(why: String) -> ExecError {
    ExecError::Docker { why }
}

/// The last line that says something; the client's hint to its help does not.
fn last_line(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr)
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| {
            !line.is_empty() && !line.starts_with("Run 'docker") && !line.starts_with("See 'docker")
        })
        .unwrap_or_default()
        .trim_start_matches("docker: ")
        .trim_start_matches("Error response from daemon: ")
        .to_owned()
}
