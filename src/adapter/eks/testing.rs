//! For the tests of adapters: answers as the AWS CLI gives them, and a loop
//! that reads an object with them.

use serde_json::Value as Json;

use crate::adapter::{Adapter, Answers, Desired, Live, Object, Prior, ReadError, Reading, Subject};
use crate::command::part::Parts;
use crate::command::{Answer, Command, Effect};
use crate::diff::{FieldChange, Origin};
use crate::value::{Path, Value};

/// The value of a JSON tree.
pub fn value(json: &Json) -> Value {
    Value::from_json(json)
}

/// An answer that succeeded.
pub fn ok(json: &Json) -> Answer {
    Answer { code: 0, stdout: format!("{json:#}\n"), stderr: String::new() }
}

/// A service error, as version 2 of the AWS CLI prints it.
pub fn failed(code: &str, operation: &str, message: &str) -> Answer {
    let stderr =
        format!("\nAn error occurred ({code}) when calling the {operation} operation: {message}\n");
    Answer { code: 254, stdout: String::new(), stderr }
}

/// Reads an object alone. Gives what it is, and the commands of each round.
pub fn read(
    adapter: &dyn Adapter,
    desired: Option<&Desired>,
    prior: Option<&Prior>,
    table: &[(&str, Answer)],
) -> (Result<Live, ReadError>, Vec<Vec<String>>) {
    read_among(1, adapter, desired, prior, table)
}

/// As [`read`], of an object that is one of many.
pub fn read_among(
    among: usize,
    adapter: &dyn Adapter,
    desired: Option<&Desired>,
    prior: Option<&Prior>,
    table: &[(&str, Answer)],
) -> (Result<Live, ReadError>, Vec<Vec<String>>) {
    let identity = desired.map(|d| &d.identity).or(prior.map(|p| &p.identity)).unwrap();
    assert!(identity.is_known(), "an unknown identity can't be read");
    let subject = Subject { identity, desired, prior, ignore: &[], among };
    let (mut answers, mut rounds) = (Answers::default(), Vec::new());
    loop {
        match adapter.read(&subject, &answers) {
            Ok(Reading::Live(live)) => return (Ok(live), rounds),
            Ok(Reading::Missing(_)) => return (Ok(Live::Absent), rounds),
            Err(error) => return (Err(error), rounds),
            Ok(Reading::Ask(commands)) => {
                assert!(!commands.is_empty(), "asks nothing");
                for command in &commands {
                    assert!(command.is_known_read() && command.effect == Effect::Read);
                    let line = command.to_string();
                    let found = table.iter().find(|(asked, _)| *asked == line);
                    let (_, answer) = found.unwrap_or_else(|| panic!("unforeseen: {line}"));
                    let answer = match &command.pick {
                        Some(pick) => Parts::default().part(answer, pick),
                        None => answer.clone(),
                    };
                    answers.insert(command, answer);
                }
                rounds.push(commands.iter().map(ToString::to_string).collect());
            }
        }
    }
}

/// The object of a live state that exists.
pub fn present(live: Result<Live, ReadError>) -> Object {
    match live {
        Ok(Live::Present(object)) => *object,
        other => panic!("not present: {other:?}"),
    }
}

/// A change of one field.
pub fn change(path: &[&str], before: Option<Value>, after: Option<Value>) -> FieldChange {
    let path = path.iter().fold(Path::default(), |path, segment| path.join(*segment));
    FieldChange { path, before, after, origin: Origin::Change, replace: false }
}

/// A changing command as its service, operation and input.
pub fn call(command: &Command) -> (String, Json) {
    assert_eq!(command.effect, Effect::Write);
    assert_eq!(command.args[2..], ["--cli-input-json", "file:///dev/stdin"]);
    let input = command.stdin.as_ref().unwrap().redacted_json();
    (format!("{} {}", command.args[0], command.args[1]), input)
}
