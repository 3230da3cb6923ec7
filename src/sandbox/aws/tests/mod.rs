//! Tables of commands and what they answer, one story after the other in one
//! account. Where a message is AWS's, it stands here in AWS's words.

mod cli;
mod ec2;
mod eks;
mod iam_policies;
mod iam_roles;
mod network;
mod s3;

use jiff::Timestamp;
use serde_json::Value;

use super::{Seed, run, seed};
use crate::sandbox::Output;
use crate::sandbox::world::World;

/// Lets EC2 instances assume a role.
const EC2_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Lets pods assume a role.
const POD_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;

/// Allows something.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// What a command must do.
enum Expect {
    /// Print nothing and succeed.
    Nothing,
    /// Succeed, and print JSON that holds at least this.
    Shows(Value),
    /// Fail with this service error: code and message.
    Fails(&'static str, &'static str),
    /// Be refused by the CLI with a message that holds this.
    Refused(&'static str),
}

use Expect::{Fails, Nothing, Refused, Shows};

/// The seeded account.
struct Account {
    world: World,
}

impl Account {
    fn new() -> Self {
        let now: Timestamp = "2026-11-22T14:00:56.123Z".parse().unwrap();
        let mut world = World::new(now);
        seed(&mut world, Seed::Cluster);
        Self { world }
    }

    /// Runs a command given as a line: words between spaces, with `{EC2}`,
    /// `{POD}` and `{POLICY}` standing for the documents above.
    fn run(&mut self, line: &str) -> Output {
        self.run_with(line, "")
    }

    fn run_with(&mut self, line: &str, stdin: &str) -> Output {
        let args: Vec<String> = line
            .split_whitespace()
            .map(|word| {
                word.replace("{EC2}", EC2_TRUST)
                    .replace("{POD}", POD_TRUST)
                    .replace("{POLICY}", POLICY)
                    .replace("{ROLE}", "arn:aws:iam::111122223333:role")
                    .replace("{OWN}", "arn:aws:iam::111122223333:policy")
                    .replace("{AWS}", "arn:aws:iam::aws:policy")
            })
            .collect();
        run(&mut self.world, &args, stdin.as_bytes())
    }

    /// Runs a command that must succeed and returns what it printed.
    fn ok(&mut self, line: &str) -> Value {
        let output = self.run(line);
        assert_eq!(output.code, 0, "{line}: {}", text(&output.stderr));
        if output.stdout.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Plays a story.
    fn play(&mut self, story: &[(&str, Expect)]) {
        for (line, expected) in story {
            let output = self.run(line);
            let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
            match expected {
                Nothing => assert_eq!((output.code, stdout.as_str()), (0, ""), "{line}: {stderr}"),
                Shows(expected) => {
                    assert_eq!(output.code, 0, "{line}: {stderr}");
                    let shown: Value = serde_json::from_str(&stdout).unwrap();
                    assert!(holds(&shown, expected), "{line}\nprinted {shown:#}\nnot {expected:#}");
                }
                Fails(code, message) => {
                    assert_eq!(output.code, 254, "{line}: {stdout}{stderr}");
                    let start = format!("\nAn error occurred ({code}) when calling the ");
                    assert!(stderr.starts_with(&start), "{line}: {stderr}");
                    assert!(
                        stderr.ends_with(&format!(" operation: {message}\n")),
                        "{line}: {stderr}"
                    );
                }
                Refused(message) => {
                    assert_eq!(output.code, 252, "{line}: {stdout}{stderr}");
                    assert!(stderr.contains(message), "{line}: {stderr}");
                }
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a value has at least the expected members; lists must agree item by
/// item.
fn holds(shown: &Value, expected: &Value) -> bool {
    match (shown, expected) {
        (Value::Object(shown), Value::Object(expected)) => expected
            .iter()
            .all(|(name, value)| shown.get(name).is_some_and(|shown| holds(shown, value))),
        (Value::Array(shown), Value::Array(expected)) => {
            shown.len() == expected.len()
                && shown.iter().zip(expected).all(|(shown, expected)| holds(shown, expected))
        }
        (shown, expected) => shown == expected,
    }
}
