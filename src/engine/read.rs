//! Reading one object: asks the commands that its adapter names until the
//! adapter can say what the object is.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::adapter::{Adapter, Answers, Blocker, Live, Reading, Subject, picked};
use crate::command::{Answer, Command, Tool};
use crate::exec::gateway::Gateway;
use crate::exec::{ExecError, explain};
use crate::seeded::{self, Bug};
use crate::value::{Digest, Value};

/// After this many rounds of questions an adapter is taken to be in a circle.
const MAX_ROUNDS: usize = 12;

/// An object, as read, and what was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// What the object is.
    pub live: Live,
    /// The commands that told, each with the digest of its answer.
    pub commands: Vec<(String, Digest)>,
    /// Why it is absent, where its adapter can say more than that.
    pub missing: Option<Blocker>,
}

impl Sighting {
    /// An object that is absent, by these commands.
    pub fn absent(commands: Vec<(String, Digest)>) -> Self {
        Self { live: Live::Absent, commands, missing: None }
    }
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The command that did not tell.
    pub command: String,
    /// The cause, in one line.
    pub why: String,
    /// What to do about it.
    pub next: String,
}

/// Whether answers of the same refresh may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Every read runs once per refresh.
    Shared,
    /// Ask again.
    Fresh,
}

/// Reads one object.
///
/// # Errors
/// Why it is unknown what the object is.
pub async fn read(
    gateway: &Arc<Gateway>,
    adapter: &'static dyn Adapter,
    subject: Subject<'_>,
    freshness: Freshness,
) -> Result<Sighting, Unreadable> {
    let mut answers = Answers::default();
    let mut commands = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let proved = |commands: Vec<(Command, Answer)>, live: Live, missing| {
            let told = |(command, answer): &(Command, Answer)| {
                command.pick.is_none() || picked(command, answer).is_some()
            };
            let commands = commands
                .into_iter()
                // A list that did not tell of the object proves nothing.
                .filter(told)
                .map(|(command, answer)| proof(&command, &answer, &live))
                .collect();
            Ok(Sighting { live, commands, missing })
        };
        let asked = match adapter.read(&subject, &answers) {
            Ok(Reading::Live(live)) => return proved(commands, live, None),
            Ok(Reading::Missing(why)) => return proved(commands, Live::Absent, Some(why)),
            Ok(Reading::Ask(asked)) => asked,
            Err(_) if seeded::is(Bug::UnreadIsAbsent) => {
                return Ok(Sighting::absent(Vec::new()));
            }
            Err(error) => {
                return Err(unreadable(gateway, &error.command, &error.answer, &error.why));
            }
        };
        let answered = match ask(gateway, asked, freshness).await {
            Err(_) if seeded::is(Bug::UnreadIsAbsent) => {
                return Ok(Sighting::absent(Vec::new()));
            }
            answered => answered?,
        };
        for (command, answer) in answered {
            answers.insert(&command, answer.clone());
            commands.push((command, answer));
        }
    }
    Err(Unreadable {
        command: String::new(),
        why: "the reading does not come to an end".into(),
        next: "report this: it is a mistake in lkh".into(),
    })
}

/// A command with the digest of what it told; of a list, of the part that was
/// wanted, which the command shows as a person would ask for it. Helm, `kubectl` and scripts answer with
/// values that may be secret, and a digest of a short secret can be guessed: of
/// theirs it is the digest of the normal form, which hides what is sensitive.
fn proof(command: &Command, answer: &Answer, live: &Live) -> (String, Digest) {
    let digest = match (command.tool, live) {
        (Tool::Helm | Tool::Kubectl, Live::Present(object)) => {
            Value::Map(object.attributes.clone()).digest()
        }
        (Tool::Bash, Live::Present(object)) => {
            let told = [object.attributes.clone(), object.outputs.clone()];
            Value::List(told.map(Value::Map).into()).digest()
        }
        _ => Digest::of(answer.stdout.as_bytes()),
    };
    let line = match &command.pick {
        Some(pick) => format!("{command} --query {pick}"),
        None => command.to_string(),
    };
    (line, digest)
}

/// Runs the commands side by side. Where several have no answer, the first of
/// them in the order of asking counts, whichever came back first: the same
/// failures are always told in the same words.
pub(super) async fn ask(
    gateway: &Arc<Gateway>,
    mut commands: Vec<Command>,
    freshness: Freshness,
) -> Result<Vec<(Command, Answer)>, Unreadable> {
    if commands.len() == 1
        && let Some(command) = commands.pop()
    {
        let answer = run(gateway, &command, freshness).await;
        return match answer {
            Ok(answer) => Ok(vec![(command, answer)]),
            Err(error) => Err(failed(&command, &error)),
        };
    }
    let mut running = JoinSet::new();
    for (index, command) in commands.into_iter().enumerate() {
        let gateway = Arc::clone(gateway);
        running.spawn(async move {
            let answer = run(&gateway, &command, freshness).await;
            (index, command, answer)
        });
    }
    let mut ended = super::tasks::all(running).await;
    ended.sort_by_key(|(index, ..)| *index);
    let answered = ended.into_iter().map(|(_, command, answer)| match answer {
        Ok(answer) => Ok((command, answer)),
        Err(error) => Err(failed(&command, &error)),
    });
    answered.collect()
}

async fn run(
    gateway: &Gateway,
    command: &Command,
    freshness: Freshness,
) -> Result<Answer, ExecError> {
    match freshness {
        Freshness::Shared => gateway.read(command).await,
        Freshness::Fresh if seeded::is(Bug::StaleReads) => gateway.read(command).await,
        Freshness::Fresh => gateway.read_fresh(command).await,
    }
}

/// What a person is told of a command that has no answer.
pub fn failed(command: &Command, error: &ExecError) -> Unreadable {
    Unreadable { command: command.to_string(), why: error.to_string(), next: error.next() }
}

/// What a person is told of an answer that tells nothing.
pub(super) fn unreadable(
    gateway: &Gateway,
    command: &Command,
    answer: &Answer,
    why: &str,
) -> Unreadable {
    match explain::explain(answer) {
        Some(explanation) => Unreadable {
            command: command.to_string(),
            why: gateway.show(&explanation.cause),
            next: gateway.show(&explanation.fix),
        },
        None => Unreadable {
            command: command.to_string(),
            why: gateway.show(&detail(answer, why)),
            next: format!("run `{command}` by hand"),
        },
    }
}

/// The cause, the exit code and the last lines that the tool wrote.
pub fn detail(answer: &Answer, why: &str) -> String {
    let lines: Vec<&str> = answer.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(5)..].join("\n");
    match (answer.succeeded(), last.is_empty()) {
        (true, true) => why.to_owned(),
        (true, false) => format!("{why}\n{last}"),
        (false, true) => format!("{why} (exit code {})", answer.code),
        (false, false) => format!("{why} (exit code {})\n{last}", answer.code),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exec::{Exec, PrivateFile, Running, Storing, Surroundings};

    /// Fails every command, the later ones sooner.
    struct Failing;

    impl Exec for Failing {
        fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
            Box::pin(async move {
                let name = command.args.last().cloned().unwrap_or_default();
                let wait = if name == "first" { 50 } else { 0 };
                tokio::time::sleep(Duration::from_millis(wait)).await;
                Err(ExecError::Failed { why: name })
            })
        }

        fn store<'a>(&'a self, _file: PrivateFile, _text: &'a str) -> Storing<'a> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_failures_the_first_asked_is_told() {
        let surroundings = Surroundings::default();
        let gateway = Gateway::new(Box::new(Failing), &surroundings, 4, Arc::new(|_| ()));
        let gateway = Arc::new(gateway);
        let get =
            |name: &str| Command::read(Tool::Aws, &["iam", "get-role"]).flag("--role-name", name);
        for commands in [vec![get("first"), get("second")], vec![get("second"), get("first")]] {
            let first = commands[0].to_string();
            let told = ask(&gateway, commands, Freshness::Fresh).await.unwrap_err();
            assert_eq!(told.command, first);
        }
    }
}
