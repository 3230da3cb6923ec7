//! The one way from the engine to an executor: reads are remembered, few
//! commands run at once, what is transient is repeated, logins and tokens are
//! there before a command needs them, and nothing that says it reads can write.
//! It must not know how commands are run, nor what they are for.

mod access;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::command::{Answer, Command, Effect, Tool};
use crate::quote::quote;
use crate::seeded::{self, Bug};
use crate::value::Value;

use super::explain::explain;
use super::random;
use super::redact::Redactor;
use super::retry::{self, Class, Jitter};
use super::session::{self, Session};
use super::snapshot::{Snapshot, Viewpoint};
use super::{ClusterAccess, Exec, ExecError, Notices, Surroundings};

/// How long after a `create-*` call its object may not be visible everywhere.
const VISIBLE_AFTER: Duration = Duration::from_secs(60);
/// How long to wait before a token that could not be renewed is tried again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(20);

/// What came of a command.
pub(super) type Outcome = Result<Answer, ExecError>;

/// A command that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The argv, as a person would type it.
    pub command: String,
    /// The tool.
    pub tool: Tool,
    /// Whether it changes anything.
    pub effect: Effect,
    /// Whether the gateway itself asked for it: a login or a token.
    pub session: bool,
}

/// Who asks for a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Engine,
    Session,
}

/// Runs commands for the engine.
pub struct Gateway {
    exec: Box<dyn Exec>,
    // With a kubeconfig of the user's, access to the cluster is the user's.
    own_kubeconfig: bool,
    permits: Semaphore,
    memo: Snapshot,
    // Where this gateway looks from, if others use the same memory.
    viewpoint: Option<Viewpoint>,
    session: Session,
    cluster: Mutex<Option<ClusterAccess>>,
    redactor: Mutex<Redactor>,
    trace: Mutex<Vec<Started>>,
    jitter: Mutex<Jitter>,
    told: Mutex<BTreeSet<String>>,
    // When something was last created, by service.
    created: Mutex<BTreeMap<String, Instant>>,
    notices: Notices,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway in front of an executor that was made with the same
    /// surroundings. At most `parallelism` commands run at once (at least one).
    pub fn new(
        exec: Box<dyn Exec>,
        surroundings: &Surroundings,
        parallelism: usize,
        notices: Notices,
    ) -> Self {
        let mut redactor = Redactor::default();
        for (name, value) in &surroundings.environment {
            let secret = ["SECRET", "TOKEN", "PASSWORD"].iter().any(|word| name.contains(word));
            if secret && !name.ends_with("_FILE") {
                redactor.protect_text(value);
            }
        }
        Self {
            exec,
            own_kubeconfig: surroundings.kubeconfig.is_some(),
            permits: Semaphore::new(parallelism.clamp(1, Semaphore::MAX_PERMITS)),
            memo: Snapshot::default(),
            viewpoint: None,
            session: Session::default(),
            cluster: Mutex::default(),
            redactor: Mutex::new(redactor),
            trace: Mutex::default(),
            jitter: Mutex::new(Jitter::of_run(&surroundings.run)),
            told: Mutex::default(),
            created: Mutex::default(),
            notices,
        }
    }

    /// Lets the gateway remember reads together with others: whoever of them
    /// asks first asks for all. The surroundings are those it was made with.
    #[must_use]
    pub fn sharing(self, snapshot: &Snapshot, surroundings: &Surroundings) -> Self {
        let viewpoint = Some(Viewpoint::of(surroundings));
        Self { memo: snapshot.clone(), viewpoint, ..self }
    }

    /// Runs a read, or hands out what the same read has answered since the
    /// last [`Gateway::forget`]. However many ask at once, it runs once, also
    /// where each wants another part of the answer.
    ///
    /// # Errors
    /// `NotARead` for anything not known to only read; else as [`Exec::run`].
    /// A failed read is remembered too.
    pub async fn read(&self, command: &Command) -> Outcome {
        check_read(command)?;
        let key = match &self.viewpoint {
            Some(viewpoint) => viewpoint.key(command, lock(&self.cluster).as_ref()),
            None => command.key(),
        };
        let told = self.memo.of(key);
        let outcome = told.outcome(self.repeat(command, For::Engine)).await;
        match (&command.pick, outcome) {
            (None, outcome) => outcome.clone(),
            (Some(pick), Ok(answer)) if answer.succeeded() => Ok(told.part(answer, pick)),
            (Some(_), outcome) => self.without_list(command, outcome),
        }
    }

    /// What came of a read that should have told of many and did not. Where only
    /// this read is to blame, who asked can still ask for the one object, so that
    /// is no failure; a person is told why it takes longer.
    fn without_list(&self, command: &Command, outcome: &Outcome) -> Outcome {
        let (why, answer) = match outcome {
            Ok(answer) => {
                let error = answer.service_error();
                if !error.is_some_and(|error| error.code.starts_with("AccessDenied")) {
                    return outcome.clone();
                }
                (self.failure(answer), answer.clone())
            }
            Err(
                error @ (ExecError::TimedOut { .. }
                | ExecError::TooMuchOutput { .. }
                | ExecError::Killed { .. }),
            ) => {
                let why = error.to_string();
                (why.clone(), Answer { code: 1, stdout: String::new(), stderr: why })
            }
            Err(_) => return outcome.clone(),
        };
        self.tell_once(&format!(
            "`{command}` would tell of many at once, and fails: {why}; lkh reads each alone, which \
             takes longer"
        ));
        Ok(answer)
    }

    /// Runs a read now, whatever is remembered, and remembers nothing.
    ///
    /// # Errors
    /// As [`Gateway::read`].
    pub async fn read_fresh(&self, command: &Command) -> Outcome {
        check_read(command)?;
        self.repeat(command, For::Engine).await
    }

    /// How many are read of something in one walk: `here`, unless others who look
    /// at the same things have said so before.
    pub fn number(&self, of: &'static str, here: usize) -> usize {
        self.memo.number(of, here)
    }

    /// Forgets what reads have answered: the next refresh asks again.
    pub fn forget(&self) {
        self.memo.forget();
    }

    /// Runs a command that changes something; random texts that its document
    /// asks for are made once, now. It is repeated only where the
    /// answer proves that nothing happened.
    ///
    /// # Errors
    /// As [`Exec::run`]. After any error but `ToolMissing`, `Docker`, `NotARead`,
    /// `Loads` and `InputUnknown` the outcome is unknown: read what is there.
    pub async fn write(&self, command: &Command) -> Outcome {
        let made;
        let command = if command.fills.is_empty() {
            command
        } else {
            made = random::filled(command, &|bytes| self.exec.random(bytes))?;
            &made
        };
        let outcome = self.repeat(command, For::Engine).await;
        if retry::is_create(command) && outcome.as_ref().is_ok_and(Answer::succeeded) {
            lock(&self.created).insert(service(command), Instant::now());
        }
        outcome
    }

    /// Names the cluster that `helm` and `kubectl` are for. Without effect
    /// where the user gave a kubeconfig.
    pub fn set_cluster(&self, access: ClusterAccess) {
        *lock(&self.cluster) = Some(access);
    }

    /// Whether `helm` and `kubectl` must be told how to reach the cluster.
    pub fn needs_cluster_access(&self) -> bool {
        self.exec.needs_access() && !self.own_kubeconfig
    }

    /// Whether the user gave a kubeconfig: which cluster it leads to, nobody
    /// else can tell.
    pub fn has_own_kubeconfig(&self) -> bool {
        self.own_kubeconfig
    }

    /// Whether a read always shows what was done before it.
    pub fn is_consistent(&self) -> bool {
        self.exec.is_consistent()
    }

    /// The digest of the image that the tools run in, where they run in one.
    ///
    /// # Errors
    /// When the engine can't tell.
    pub async fn toolbox_digest(&self) -> Result<Option<String>, ExecError> {
        self.exec.toolbox_digest().await
    }

    /// Hides every sensitive part of a value in what [`Gateway::show`] shows.
    /// The standard inputs of commands are protected already.
    pub fn protect(&self, value: &Value) {
        lock(&self.redactor).protect(value);
    }

    /// A tool's words as a person may see them: without secrets of this run
    /// and without terminal escapes. Answers themselves stay as they came.
    pub fn show(&self, text: &str) -> String {
        lock(&self.redactor).show(text)
    }

    /// The commands started so far, in order.
    pub fn trace(&self) -> Vec<Started> {
        lock(&self.trace).clone()
    }

    /// How many processes of a tool were started so far.
    pub fn started(&self, tool: Tool) -> usize {
        lock(&self.trace).iter().filter(|started| started.tool == tool).count()
    }

    /// Lets time pass before something is read again; answers how much of it
    /// passed only in a simulated account.
    pub async fn pause(&self, time: Duration) -> Duration {
        self.exec.pause(time).await
    }

    /// Ends what the run has started. No command may run after it.
    pub async fn close(&self) {
        self.exec.close().await;
    }

    async fn repeat(&self, command: &Command, asks: For) -> Outcome {
        let began = Instant::now();
        let mut skipped = Duration::ZERO;
        let mut runs = 0;
        loop {
            if asks == For::Engine {
                self.prepare(command).await?;
            }
            let answer = match self.run(command, asks).await {
                Err(_) if seeded::is(Bug::UnknownRepeated) && runs == 0 => {
                    self.run(command, asks).await?
                }
                answer => answer?,
            };
            runs += 1;
            let class = retry::classify(command, &answer);
            let after_create = lock(&self.created)
                .get(&service(command))
                .is_some_and(|at| at.elapsed() < VISIBLE_AFTER);
            let Some(patience) = retry::patience(class, command, after_create) else {
                return Ok(answer);
            };
            let pause = lock(&self.jitter).pause(&patience, runs);
            if runs >= patience.runs || began.elapsed() + skipped + pause > patience.total {
                return Ok(answer);
            }
            if class == Class::Unauthenticated {
                if !self.brings_token(command) {
                    return Ok(answer);
                }
                *self.session.token.lock().await = None;
            } else {
                self.tell_once(reason_to_wait(class));
            }
            skipped += self.exec.pause(pause).await;
        }
    }

    async fn run(&self, command: &Command, asks: For) -> Outcome {
        if let Some(argument) = command.loaded_argument() {
            return Err(ExecError::Loads { argument: quote(argument) });
        }
        // What the session needs waits for nobody: others wait for it.
        let _permit = match asks {
            For::Engine => Some(self.permits.acquire().await.map_err(ExecError::failed)?),
            For::Session => None,
        };
        if let Some(document) = &command.stdin {
            self.protect(document);
        }
        lock(&self.trace).push(Started {
            command: command.to_string(),
            tool: command.tool,
            effect: command.effect,
            session: asks == For::Session,
        });
        let run = self.exec.run(command);
        if !self.brings_token(command) {
            return run.await;
        }
        tokio::select! {
            outcome = run => outcome,
            never = self.keep_token() => match never {},
        }
    }

    /// Sees to what a command needs: a login, a token.
    async fn prepare(&self, command: &Command) -> Result<(), ExecError> {
        if !self.exec.needs_access() {
            return Ok(());
        }
        if let Some(login) = &command.login {
            self.log_in(login).await?;
        }
        if self.brings_token(command) {
            self.ready_token().await?;
        }
        Ok(())
    }

    fn brings_token(&self, command: &Command) -> bool {
        self.exec.needs_access() && !self.own_kubeconfig && session::needs_cluster(command)
    }

    /// What a failed answer of a session command says, in a line.
    fn failure(&self, answer: &Answer) -> String {
        let text = explain(answer).map_or_else(
            || {
                let last = answer.stderr.lines().rev().find(|line| !line.trim().is_empty());
                last.map_or_else(|| format!("exit code {}", answer.code), str::to_owned)
            },
            |explanation| format!("{}; {}", explanation.cause, explanation.fix),
        );
        self.show(&text)
    }

    fn tell_once(&self, notice: &str) {
        if lock(&self.told).insert(notice.to_owned()) {
            (self.notices)(notice);
        }
    }
}

fn check_read(command: &Command) -> Result<(), ExecError> {
    match command.effect {
        Effect::Read if command.is_known_read() => Ok(()),
        Effect::Read | Effect::Write => Err(ExecError::NotARead),
    }
}

fn reason_to_wait(class: Class) -> &'static str {
    match class {
        Class::Throttled => "there are too many calls for the service; lkh waits and repeats",
        Class::Settling | Class::Missing => {
            "something just made is not visible everywhere yet; lkh waits for it"
        }
        Class::Busy => "another change is going on at the service; lkh waits for its end",
        Class::Unserved => {
            "the cluster does not know a kind of object yet; lkh waits for its definition"
        }
        Class::DeleteConflict => "something still hangs on what is deleted; lkh waits a little",
        Class::Success
        | Class::Transient
        | Class::Unreachable
        | Class::Exists
        | Class::Unauthenticated
        | Class::Final => "a service does not answer as it should; lkh tries again",
    }
}

/// What a create and a later call have in common when one depends on the other.
fn service(command: &Command) -> String {
    let service = command.args.first().map_or("", String::as_str);
    format!("{} {service}", command.tool.program())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
