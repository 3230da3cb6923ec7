//! The way to the simulated account: commands take a while, and may be lost,
//! refused, cut off, repeated or answered with what was.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use lkh::command::{Answer, Command, Effect, Tool};
use lkh::exec::{Exec, ExecError, PrivateFile, Running, Storing, input};
use lkh::sandbox::{Output, REGION, helm};

use crate::account::Actor;
use crate::invariants;
use crate::others;
use crate::sim::{Fault, Inner, Sim};

pub struct Remote(pub Arc<Sim>);

/// What happens to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Fine,
    /// It never reaches the service.
    Refused(Answer),
    /// It takes effect, and the answer is another one.
    Spoilt(Result<Answer, ExecError>),
    /// It does not take effect, and nobody hears of it.
    Hangs,
    /// Helm is killed half-way.
    Dies,
    /// It takes effect twice; the first or the second answer comes back.
    Twice {
        first: bool,
    },
    /// The answer is so old.
    Stale(Duration),
}

impl Exec for Remote {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        Box::pin(self.carry(command))
    }

    fn store<'a>(&'a self, _file: PrivateFile, _text: &'a str) -> Storing<'a> {
        Box::pin(async { Ok(()) })
    }

    fn needs_access(&self) -> bool {
        false
    }
}

impl Remote {
    async fn carry(&self, command: &Command) -> Result<Answer, ExecError> {
        let begun = {
            let mut inner = self.0.lock();
            (!inner.crashed).then(|| begin(&mut inner, command))
        };
        // A process that has ended waits for nothing.
        let Some((before, fate)) = begun else { return std::future::pending().await };
        tokio::time::sleep(before).await;
        let ended = {
            let mut inner = self.0.lock();
            if inner.point(&format!("before `{}`", short(command))) {
                None
            } else {
                let ended = effect(&mut inner, command, fate);
                (!inner.point(&format!("after `{}`", short(command)))).then_some(ended)
            }
        };
        let Some((result, takes)) = ended else { return std::future::pending().await };
        tokio::time::sleep(takes).await;
        let over = {
            let mut inner = self.0.lock();
            if !inner.crashed {
                let said = match &result {
                    Ok(answer) if answer.succeeded() => "ok".to_owned(),
                    Ok(answer) => format!("{} {}", answer.code, answer.stderr.trim()),
                    Err(error) => error.to_string(),
                };
                if command.effect == Effect::Write || said != "ok" {
                    inner.note(&format!("  answered `{}`: {said}", short(command)));
                }
            }
            inner.crashed
        };
        if over {
            return std::future::pending().await;
        }
        result
    }
}

/// The words that tell a command from others.
pub fn short(command: &Command) -> String {
    command.to_string()
}

fn begin(inner: &mut Inner, command: &Command) -> (Duration, Fate) {
    inner.counts.commands += 1;
    let writes = command.effect == Effect::Write;
    if writes {
        inner.counts.writes += 1;
        inner.approved.writes += 1;
        inner.note(&format!("write `{}`", short(command)));
        invariants::intent_before_command(inner, command);
        invariants::approved_command(inner, command);
    } else {
        inner.note(&format!("read  `{}`", short(command)));
    }
    invariants::no_secret(inner, "the arguments of a command", &command.args.join(" "));
    let before = Duration::from_millis(inner.rng.below(400));
    (before, fate(inner, command, writes))
}

fn fate(inner: &mut Inner, command: &Command, writes: bool) -> Fate {
    let weather = inner.weather.clone();
    if weather.is_calm() {
        return Fate::Fine;
    }
    if let Some(left) = &mut inner.weather.expires_after {
        if *left == 0 {
            inner.hit(Fault::Expired);
            return Fate::Refused(expired(command));
        }
        *left -= 1;
    }
    let mut rng = inner.rng.fork();
    let mut hit = |fault: Fault, fate: Fate| {
        inner.hit(fault);
        fate
    };
    if rng.chance(weather.throttled) {
        return hit(Fault::Throttled, Fate::Refused(throttled(command)));
    }
    if rng.chance(weather.unavailable) {
        return hit(Fault::Unavailable, Fate::Refused(unavailable(command)));
    }
    if rng.chance(weather.unreachable) {
        return hit(Fault::Unreachable, Fate::Refused(unreachable(command)));
    }
    if rng.chance(weather.hung) {
        return hit(Fault::Hung, Fate::Hangs);
    }
    if rng.chance(weather.lost) {
        let error = match rng.below(3) {
            0 => ExecError::TimedOut { after: command.timeout },
            1 => ExecError::Killed { signal: 9 },
            _ => ExecError::Failed { why: "the pipe broke".into() },
        };
        return hit(Fault::ResponseLost, Fate::Spoilt(Err(error)));
    }
    if rng.chance(weather.failed_after) {
        let answer = if rng.chance(500) { unavailable(command) } else { unreachable(command) };
        return hit(Fault::FailedAfterEffect, Fate::Spoilt(Ok(answer)));
    }
    if writes && command.tool == Tool::Helm && rng.chance(weather.helm_dies) {
        return hit(Fault::HelmDied, Fate::Dies);
    }
    if writes && rng.chance(weather.repeated) {
        let first = rng.chance(500);
        return hit(Fault::Repeated, Fate::Twice { first });
    }
    if !writes && command.tool == Tool::Aws && rng.chance(weather.stale) {
        let most = u64::try_from(weather.lag.as_millis()).unwrap();
        return Fate::Stale(Duration::from_millis(rng.below(most) + 1));
    }
    Fate::Fine
}

/// What the command does; with how long it takes from here.
fn effect(
    inner: &mut Inner,
    command: &Command,
    fate: Fate,
) -> (Result<Answer, ExecError>, Duration) {
    others::perhaps(inner);
    let now = inner.now();
    inner.account.advance(now);
    let after = Duration::from_millis(inner.rng.below(200));
    let done = match fate {
        Fate::Refused(answer) => (Ok(answer), Duration::from_millis(50)),
        Fate::Hangs => (Err(ExecError::TimedOut { after: command.timeout }), command.timeout),
        Fate::Spoilt(result) => {
            drop(run(inner, command));
            let late = matches!(result, Err(ExecError::TimedOut { .. }));
            (result, if late { command.timeout } else { after })
        }
        Fate::Dies => {
            inner.account.change(helm::interrupt_next);
            let answer = run(inner, command);
            let killed = matches!(&answer, Ok(answer) if answer.code == helm::KILLED);
            let result = if killed { Err(ExecError::Killed { signal: 9 }) } else { answer };
            (result, after)
        }
        Fate::Twice { first } => {
            let one = run(inner, command);
            let two = run(inner, command);
            (if first { one } else { two }, after)
        }
        Fate::Stale(age) => {
            let then = now.checked_sub(SignedDuration::try_from(age).unwrap()).unwrap();
            let args = arguments(command);
            match inner.account.run_in_past(then, command.tool, &args) {
                Some(output) => {
                    inner.hit(Fault::StaleRead);
                    (Ok(answer(output)), after)
                }
                None => (run(inner, command), after),
            }
        }
        Fate::Fine => (run(inner, command), after),
    };
    // A command that waited has moved the account's time; it answers then.
    let waited = inner.account.now().duration_since(now);
    let waited = Duration::try_from(waited).unwrap_or_default();
    (done.0, done.1 + waited)
}

fn arguments(command: &Command) -> Vec<String> {
    let mut args = command.args.clone();
    if command.tool == Tool::Aws && !args.iter().any(|arg| arg == "--region") {
        args.extend(["--region".to_owned(), REGION.to_owned()]);
    }
    args
}

fn run(inner: &mut Inner, command: &Command) -> Result<Answer, ExecError> {
    let stdin = input(command)?.unwrap_or_default();
    let (actor, writes) = match command.effect {
        Effect::Write => (Actor::Lkh, true),
        Effect::Read => (Actor::Nobody, false),
    };
    let (output, changed) = inner.account.run(actor, command.tool, &arguments(command), &stdin);
    if writes {
        invariants::unmanaged_untouched(inner, command, &changed);
        invariants::named_destruction(inner, command, &changed);
    }
    Ok(answer(output))
}

fn answer(output: Output) -> Answer {
    Answer {
        code: output.code,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn refused(command: &Command, code: &str, message: &str, cluster: &str) -> Answer {
    match command.tool {
        Tool::Aws => Answer {
            code: 254,
            stdout: String::new(),
            stderr: format!(
                "\nAn error occurred ({code}) when calling the Some operation (reached max \
                 retries: 2): {message}\n"
            ),
        },
        Tool::Helm | Tool::Kubectl | Tool::Bash => {
            Answer { code: 1, stdout: String::new(), stderr: format!("Error: {cluster}\n") }
        }
    }
}

fn throttled(command: &Command) -> Answer {
    let cluster = "the server has received too many requests (TooManyRequests)";
    refused(command, "Throttling", "Rate exceeded", cluster)
}

fn unavailable(command: &Command) -> Answer {
    let cluster = "the server is currently unable to handle the request (ServiceUnavailable)";
    refused(command, "ServiceUnavailable", "try again", cluster)
}

fn unreachable(command: &Command) -> Answer {
    match command.tool {
        Tool::Aws => Answer {
            code: 255,
            stdout: String::new(),
            stderr: "\nCould not connect to the endpoint URL: \"https://aws.test/\"\n".into(),
        },
        Tool::Helm | Tool::Kubectl | Tool::Bash => Answer {
            code: 1,
            stdout: String::new(),
            stderr: "Error: Kubernetes cluster unreachable: dial tcp: connection refused\n".into(),
        },
    }
}

fn expired(command: &Command) -> Answer {
    let message = "The security token included in the request is expired";
    let cluster = "You must be logged in to the server (Unauthorized)";
    refused(command, "ExpiredToken", message, cluster)
}
