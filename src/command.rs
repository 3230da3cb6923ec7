//! Commands: one invocation of a tool as data, and what the tool answered.
//!
//! Adapters build commands and interpret answers; `exec` runs them. A command
//! holds no secret in its argv: documents and secrets travel by standard input.
//! This module must not run anything.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::limits::check_json;
use crate::value::{Digest, Path, Value};

pub mod part;
pub mod shell;

pub use part::Pick;

/// The tools that `lkh` drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// The AWS command-line interface, version 1 or 2.
    Aws,
    /// Helm, version 3 or 4.
    Helm,
    /// `kubectl`.
    Kubectl,
    /// `bash`, for the scripts of users.
    Bash,
}

impl Tool {
    /// The name of the program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Helm => "helm",
            Self::Kubectl => "kubectl",
            Self::Bash => "bash",
        }
    }
}

/// Whether a command changes anything beyond its own run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Reads only.
    Read,
    /// Changes something.
    Write,
}

/// How long a read may take.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a write may take unless the adapter says otherwise.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(120);

/// How the AWS CLI is told to read a document from standard input.
const STDIN: &str = "file:///dev/stdin";

/// One invocation of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The tool.
    pub tool: Tool,
    /// Its arguments, without the program's name. Never a secret.
    pub args: Vec<String>,
    /// What goes to its standard input: a text as it is, anything else as one
    /// JSON document. It may hold secrets, and parts that only the apply knows.
    /// Without it the tool reads from the null device.
    pub stdin: Option<Value>,
    /// Whether it changes anything.
    pub effect: Effect,
    /// After this time the command is ended and its outcome is unknown.
    pub timeout: Duration,
    /// The registry that Helm must be logged in to before this command.
    pub login: Option<RegistryLogin>,
    /// Whether a script runs `kubectl` or `helm`, which must then find the
    /// cluster. Of the other tools their arguments tell.
    pub cluster: bool,
    /// What of the document is made of random letters right before the tool
    /// starts. Until then [`Recipe::placeholder`] stands there.
    pub fills: Vec<Fill>,
    /// The part of the answer that is wanted, of a read that tells of many
    /// objects: it runs once, and each who asks gets a part. No part of the argv.
    pub pick: Option<Pick>,
}

/// A place in a document that gets a fresh random text, and how it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Where, by keys of maps.
    pub at: Path,
    /// How.
    pub recipe: Recipe,
}

/// How a secret text is made: a prefix, then random letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// What it begins with; not secret.
    pub prefix: String,
    /// How many random letters follow.
    pub length: usize,
    /// Which letters these may be.
    pub alphabet: Alphabet,
}

/// The letters of a random text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Alphabet {
    /// `A-Z`, `a-z` and `0-9`.
    Alphanumeric,
    /// `a-z` and `0-9`.
    Lowercase,
    /// `0-9` and `a-f`.
    Hex,
}

impl Alphabet {
    /// Its letters.
    pub fn letters(self) -> &'static [u8] {
        match self {
            Self::Alphanumeric => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Lowercase => b"abcdefghijklmnopqrstuvwxyz0123456789",
            Self::Hex => b"0123456789abcdef",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Alphanumeric => "letters and digits",
            Self::Lowercase => "lowercase letters and digits",
            Self::Hex => "hexadecimal digits",
        }
    }
}

impl Recipe {
    /// What stands for the text in plan, log and digests: it tells the whole
    /// recipe, so another recipe is another document.
    pub fn placeholder(&self) -> String {
        let prefix = match self.prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix} + "),
        };
        format!("(generated once, sensitive: {prefix}{} {})", self.length, self.alphabet.words())
    }
}

/// A login that Helm needs before it can pull a chart. It goes into a registry
/// configuration that belongs to the run alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// The registry's host, such as `public.ecr.aws`.
    pub host: String,
    /// The user name.
    pub username: String,
    /// Where the password comes from.
    pub password: Password,
    /// Whether the registry speaks plain HTTP.
    pub plain_http: bool,
}

/// Where a registry password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// `aws ecr-public get-login-password` in us-east-1. When the account may
    /// not have one, the pull is anonymous: the registry allows that.
    EcrPublic,
    /// `aws ecr get-login-password`.
    Ecr,
    /// A sensitive value of the manifest.
    Given(Value),
}

impl Command {
    /// A command that only reads.
    pub fn read(tool: Tool, args: &[&str]) -> Self {
        Self::new(tool, args, Effect::Read, READ_TIMEOUT)
    }

    /// A command that changes something.
    pub fn write(tool: Tool, args: &[&str]) -> Self {
        Self::new(tool, args, Effect::Write, WRITE_TIMEOUT)
    }

    /// A changing `aws` call whose whole input is one JSON document on
    /// standard input, so that no value is ever taken for a flag or a file.
    pub fn aws_write(service: &str, operation: &str, input: Value) -> Self {
        let args = [service, operation, "--cli-input-json", STDIN];
        Self { stdin: Some(input), ..Self::write(Tool::Aws, &args) }
    }

    /// A script for `bash`: `name` is what its messages call it, `document` has
    /// the keys of [`shell`]. All of it but the name goes by standard input.
    pub fn script(name: &str, document: Value, effect: Effect, timeout: Duration) -> Self {
        let args = ["-c", shell::PROGRAM, name];
        Self { stdin: Some(document), ..Self::new(Tool::Bash, &args, effect, timeout) }
    }

    fn new(tool: Tool, args: &[&str], effect: Effect, timeout: Duration) -> Self {
        Self {
            tool,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            stdin: None,
            effect,
            timeout,
            login: None,
            cluster: false,
            fills: Vec::new(),
            pick: None,
        }
    }

    /// Adds `--flag value`; as `--flag=value` where the value could be taken
    /// for a flag itself.
    #[must_use]
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        if value.starts_with('-') {
            self.args.push(format!("{flag}={value}"));
        } else {
            self.args.extend([flag.to_owned(), value.to_owned()]);
        }
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets the document for standard input.
    #[must_use]
    pub fn with_stdin(mut self, document: Value) -> Self {
        self.stdin = Some(document);
        self
    }

    /// Lets a place of the document be filled with a fresh random text. The
    /// document must hold the recipe's placeholder there.
    #[must_use]
    pub fn with_fill(mut self, at: Path, recipe: Recipe) -> Self {
        self.fills.push(Fill { at, recipe });
        self
    }

    /// Sets the deadline.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the registry login that must come before.
    #[must_use]
    pub fn with_login(mut self, login: Option<RegistryLogin>) -> Self {
        self.login = login;
        self
    }

    /// The first argument that the tool would not take as it stands but load
    /// from a file or an address: the AWS CLI reads what `file://`, `fileb://`
    /// and, in version 1, `http://` name, and what follows `@=` in its own
    /// shorthand. The document on standard input is the one that `lkh` asks for.
    pub fn loaded_argument(&self) -> Option<&str> {
        const SCHEMES: [&str; 4] = ["file://", "fileb://", "http://", "https://"];
        if self.tool != Tool::Aws {
            return None;
        }
        let loads = |text: &str| {
            let start = text.trim_start().to_ascii_lowercase();
            SCHEMES.iter().any(|scheme| start.starts_with(scheme))
        };
        let mut before = "";
        for arg in &self.args {
            let expected = match before {
                "--cli-input-json" => arg == STDIN,
                // No parameter of a service: never loaded.
                "--endpoint-url" => true,
                _ => false,
            };
            let of_flag = arg.strip_prefix("--").and_then(|flag| flag.split_once('='));
            let value = of_flag.map_or(arg.as_str(), |(_, value)| value);
            let shorthand = arg.starts_with("Name=") && arg.contains("@=");
            let global = of_flag.is_some_and(|(flag, _)| flag == "endpoint-url");
            if !expected && !global && (loads(value) || shorthand) {
                return Some(arg);
            }
            before = arg;
        }
        None
    }

    /// What tells this command from every other: the same key, the same read,
    /// whatever part of its answer is wanted. Secrets count as their digest.
    pub fn key(&self) -> String {
        let mut key = self.to_string();
        if let Some(document) = &self.stdin {
            let bytes = document.reveal().unwrap_or_else(|| document.redacted_json()).to_string();
            key.push_str(" < ");
            key.push_str(Digest::of(bytes.as_bytes()).as_str());
        }
        key
    }

    /// Whether the argv is one of those known to change nothing. `exec` refuses
    /// a command that says it reads and is not on this list.
    pub fn is_known_read(&self) -> bool {
        let word = |index: usize| self.args.get(index).map_or("", String::as_str);
        match self.tool {
            // It writes what it gets into the file that its last word names.
            Tool::Aws if word(0) == "s3api" && word(1) == "get-object" => {
                self.args.last().is_some_and(|file| file == "/dev/stdout")
            }
            Tool::Aws if self.args == ["--version"] => true,
            // It evaluates policies and changes nothing.
            Tool::Aws if word(0) == "iam" && word(1) == "simulate-principal-policy" => true,
            Tool::Aws => ["get-", "list-", "describe-", "head-"]
                .iter()
                .any(|prefix| word(1).starts_with(prefix)),
            Tool::Helm => {
                matches!(word(0), "status" | "get" | "history" | "list" | "template" | "version")
                    || (word(0) == "show")
            }
            Tool::Kubectl => {
                matches!(word(0), "get" | "version" | "diff" | "describe" | "api-resources")
                    || (word(0) == "apply" && self.args.iter().any(|a| a == "--dry-run=server"))
            }
            // Nobody can tell from a script what it does: whoever writes `read`
            // in a manifest vouches that it only reads. It runs at every plan.
            Tool::Bash => self.effect == Effect::Read && word(1) == shell::PROGRAM,
        }
    }
}

impl fmt::Display for Command {
    /// The argv as a person would type it in a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tool.program())?;
        for arg in &self.args {
            let plain = !arg.is_empty()
                && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c));
            if plain {
                write!(f, " {arg}")?;
            } else {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

/// What a tool answered: a finished process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// An error that an AWS service returned, as the CLI prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The error code, such as `NoSuchEntity`.
    pub code: String,
    /// The operation, such as `GetRole`.
    pub operation: String,
    /// The message.
    pub message: String,
}

impl Answer {
    /// Whether the exit code is 0.
    pub fn succeeded(&self) -> bool {
        self.code == 0
    }

    /// Standard output as one whole JSON document.
    ///
    /// # Errors
    /// When it is not exactly one JSON document, or one beyond the limits: an
    /// answer that is cut off or mixed with other output tells nothing.
    pub fn json(&self) -> Result<Json, String> {
        check_json(self.stdout.as_bytes())
            .map_err(|error| format!("the answer can't be taken in: {error}"))?;
        serde_json::from_str(&self.stdout)
            .map_err(|error| format!("the answer is not one JSON document: {error}"))
    }

    /// The service error in standard error, by the text that AWS CLI versions
    /// 1 and 2 share (their exit codes differ).
    pub fn service_error(&self) -> Option<ServiceError> {
        let start = self.stderr.find("An error occurred (")?;
        let rest = &self.stderr[start + "An error occurred (".len()..];
        let (code, rest) = rest.split_once(") when calling the ")?;
        let (operation, rest) = rest.split_once(" operation")?;
        // After retries the CLI puts "(reached max retries: N)" before the colon.
        let rest = rest.split_once(')').filter(|_| rest.starts_with(" (")).map_or(rest, |(_, r)| r);
        let message = rest.trim_start_matches(':');
        Some(ServiceError {
            code: code.to_owned(),
            operation: operation.to_owned(),
            message: message.trim().to_owned(),
        })
    }

    /// Whether the service answered with this error code.
    pub fn is_service_error(&self, code: &str) -> bool {
        !self.succeeded() && self.service_error().is_some_and(|error| error.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_errors_are_read_from_the_text() {
        let answer = Answer {
            code: 254,
            stdout: String::new(),
            stderr: "\nAn error occurred (NoSuchEntity) when calling the GetRole operation \
                     (reached max retries: 4): The role with name x cannot be found.\n"
                .into(),
        };
        let error = answer.service_error().unwrap();
        assert_eq!(error.code, "NoSuchEntity");
        assert_eq!(error.operation, "GetRole");
        assert_eq!(error.message, "The role with name x cannot be found.");
    }

    #[test]
    fn a_value_is_never_taken_for_a_flag() {
        let command = Command::read(Tool::Aws, &["iam", "get-role"]).flag("--role-name", "-rf");
        assert_eq!(command.args.last().unwrap(), "--role-name=-rf");
        assert!(command.is_known_read());
        assert!(!Command::write(Tool::Aws, &["iam", "delete-role"]).is_known_read());
        let get = Command::read(Tool::Aws, &["s3api", "get-object"]);
        assert!(get.clone().arg("/dev/stdout").is_known_read());
        assert!(!get.arg("/etc/passwd").is_known_read());
    }

    #[test]
    fn what_aws_would_load_is_found() {
        let get = |value: &str| Command::read(Tool::Aws, &["iam", "get-role"]).flag("--x", value);
        for value in ["file:///etc/passwd", "fileb://x", "http://x", "https://x", " FILE://x"] {
            assert_eq!(get(value).loaded_argument(), Some(value));
        }
        for value in ["x", "arn:aws:iam::aws:policy/x", "xfile://", "@x", "-file://x"] {
            assert_eq!(get(value).loaded_argument(), None, "{value}");
        }
        let bare = |arg: &str| Command::read(Tool::Aws, &["ec2", "describe-tags"]).arg(arg);
        assert!(bare("--filters=file://x").loaded_argument().is_some());
        assert!(bare("Name=vpc-id,Values@=file://x").loaded_argument().is_some());
        assert_eq!(bare("Name=key,Values=a=b").loaded_argument(), None);
        assert_eq!(Command::aws_write("iam", "tag-role", Value::Null).loaded_argument(), None);
        let other = Command::write(Tool::Aws, &["iam", "tag-role", "--cli-input-json"]);
        assert!(other.arg("file:///etc/passwd").loaded_argument().is_some());
        let helm = Command::read(Tool::Helm, &["template", "x"]).flag("--repo", "https://x");
        assert_eq!(helm.loaded_argument(), None);
    }

    #[test]
    fn an_answer_beyond_the_limits_tells_nothing() {
        let answer = Answer { stdout: "[".repeat(100_000), ..Answer::default() };
        assert!(answer.json().unwrap_err().contains("nested more than 100 deep"));
    }

    #[test]
    fn secrets_do_not_show() {
        let command = Command::write(Tool::Helm, &["upgrade", "it's"])
            .with_stdin(Value::Sensitive(Box::new(Value::from("canary"))));
        assert_eq!(command.to_string(), r"helm upgrade 'it'\''s'");
        assert!(!format!("{command:?} {}", command.key()).contains("canary"));
    }
}
