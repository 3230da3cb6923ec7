//! From an argv to an operation and its input, as the AWS CLI reads one.
//!
//! Finds the service and the operation, takes the options by the operation's
//! input shape, and merges `--cli-input-json` under them. It must not judge the
//! values beyond their form (`validate` does) and knows no service's rules.

use serde_json::{Map, Value};

use super::model::{Field, Operation, Service, Shape};
use super::shorthand;

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `--output json`, the default.
    Json,
    /// `--output text`.
    Text,
}

/// A command line that names an operation.
pub struct Invocation {
    /// The operation.
    pub operation: &'static Operation,
    /// Its input by the API's names, not yet validated.
    pub input: Map<String, Value>,
    /// `--region`, if given.
    pub region: Option<String>,
    /// `--output`.
    pub format: Format,
}

/// What a command line asks for.
pub enum Request {
    /// Print the version.
    Version,
    /// Carry out an operation.
    Call(Box<Invocation>),
}

/// Why the CLI refuses a command line; it exits with 252 unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Printed after the usage text, as the argument parser's complaint.
    #[error("{0}")]
    Arguments(String),
    /// Printed after the usage text as it is.
    #[error("{0}")]
    Unknown(String),
    /// Printed as it is.
    #[error("{0}")]
    Parameter(String),
    /// Printed as it is; the CLI exits with 255, as where it did not expect it.
    #[error("{0}")]
    Unexpected(String),
}

/// What a global option takes and whether the sandbox acts on it.
enum Global {
    /// No value, no effect here.
    Switch,
    /// A value without effect here.
    Ignored,
    Region,
    Output,
    /// The CLI knows it, the sandbox does not do it.
    NotSimulated,
}

fn global(name: &str) -> Option<Global> {
    Some(match name {
        "--no-cli-pager" | "--no-paginate" | "--no-cli-auto-prompt" => Global::Switch,
        "--profile"
        | "--color"
        | "--cli-read-timeout"
        | "--cli-connect-timeout"
        | "--cli-binary-format" => Global::Ignored,
        "--region" => Global::Region,
        "--output" => Global::Output,
        "--query" | "--endpoint-url" | "--debug" | "--no-verify-ssl" | "--no-sign-request"
        | "--ca-bundle" | "--cli-auto-prompt" => Global::NotSimulated,
        _ => return None,
    })
}

/// Options that every operation with a list answer takes.
fn paging(name: &str) -> Option<Global> {
    Some(match name {
        "--page-size" => Global::Ignored,
        "--max-items" | "--starting-token" | "--generate-cli-skeleton" | "--cli-input-yaml" => {
            Global::NotSimulated
        }
        _ => return None,
    })
}

/// The values of the global options seen so far.
#[derive(Default)]
struct Globals {
    region: Option<String>,
    output: Option<String>,
}

impl Globals {
    fn take<'a>(
        &mut self,
        kind: &Global,
        name: &str,
        inline: Option<&'a str>,
        rest: &mut Tokens<'a>,
    ) -> Result<(), Refusal> {
        match kind {
            Global::Switch => Ok(()),
            Global::Ignored => rest.value(name, inline).map(drop),
            Global::Region => {
                self.region = Some(rest.value(name, inline)?.to_owned());
                Ok(())
            }
            Global::Output => {
                self.output = Some(rest.value(name, inline)?.to_owned());
                Ok(())
            }
            Global::NotSimulated => {
                Err(Refusal::Unknown(format!("The sandbox does not simulate the option {name}")))
            }
        }
    }

    fn format(&self) -> Result<Format, Refusal> {
        match self.output.as_deref() {
            None | Some("json") => Ok(Format::Json),
            Some("text") => Ok(Format::Text),
            Some(other @ ("table" | "yaml" | "yaml-stream" | "off")) => Err(Refusal::Unknown(
                format!("The sandbox does not simulate --output {other}"),
            )),
            Some(_) => Err(Refusal::Arguments(
                "argument --output: Invalid choice, valid choices are:\n\njson                                     | text                                    \ntable                                    | yaml                                    \nyaml-stream                              | off                                     ".to_owned(),
            )),
        }
    }
}

/// The argv with a place in it.
struct Tokens<'a> {
    args: &'a [String],
    next: usize,
}

impl<'a> Tokens<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let token = self.args.get(self.next)?;
        self.next += 1;
        Some(token)
    }

    /// The next token if it can be the value of an option.
    fn take_value(&mut self) -> Option<&'a str> {
        let token = self.args.get(self.next)?;
        if is_option(token) {
            return None;
        }
        self.next += 1;
        Some(token)
    }

    fn value(&mut self, name: &str, inline: Option<&'a str>) -> Result<&'a str, Refusal> {
        inline
            .or_else(|| self.take_value())
            .ok_or_else(|| Refusal::Arguments(format!("argument {name}: expected one argument")))
    }
}

/// Whether a token is read as an option: as argparse does, a lone dash, a
/// negative number and text with a space in it are values.
fn is_option(token: &str) -> bool {
    token.starts_with('-')
        && token.len() > 1
        && !token.contains(' ')
        && token.parse::<f64>().is_err()
}

fn split_option(token: &str) -> (&str, Option<&str>) {
    token.split_once('=').map_or((token, None), |(name, value)| (name, Some(value)))
}

/// Reads an argv without the leading `aws`.
pub fn parse(
    services: &'static [Service],
    args: &[String],
    stdin: &[u8],
) -> Result<Request, Refusal> {
    let mut tokens = Tokens { args, next: 0 };
    let mut globals = Globals::default();
    let word = next_word(&mut tokens, &mut globals, "command")?;
    if word == "--version" {
        return Ok(Request::Version);
    }
    let service = services
        .iter()
        .find(|service| service.command == word)
        .ok_or_else(|| invalid_choice("command", word))?;
    let word = next_word(&mut tokens, &mut globals, "operation")?;
    let operation = service
        .operations
        .iter()
        .find(|operation| operation.command == word)
        .ok_or_else(|| invalid_choice("operation", word))?;

    let input = options(operation, &mut tokens, &mut globals, stdin)?;
    let format = globals.format()?;
    Ok(Request::Call(Box::new(Invocation { operation, input, region: globals.region, format })))
}

/// The next word that is no option; global options before it are taken.
fn next_word<'a>(
    tokens: &mut Tokens<'a>,
    globals: &mut Globals,
    missing: &str,
) -> Result<&'a str, Refusal> {
    while let Some(token) = tokens.take() {
        let (name, inline) = split_option(token);
        if let Some(kind) = global(name) {
            globals.take(&kind, name, inline, tokens)?;
        } else if token == "--version" || !is_option(token) {
            return Ok(token);
        } else {
            return Err(Refusal::Unknown(format!("Unknown options: {token}")));
        }
    }
    Err(Refusal::Arguments(format!("the following arguments are required: {missing}")))
}

/// The argument parser's complaint about a word that names nothing.
fn invalid_choice(argument: &str, word: &str) -> Refusal {
    Refusal::Arguments(format!("argument {argument}: Found invalid choice '{word}'\n\n"))
}

/// Reads what follows the operation.
fn options(
    operation: &Operation,
    tokens: &mut Tokens<'_>,
    globals: &mut Globals,
    stdin: &[u8],
) -> Result<Map<String, Value>, Refusal> {
    let mut given = Map::new();
    let mut input_json = None;
    let mut unknown = Vec::new();

    while let Some(token) = tokens.take() {
        let (name, inline) = split_option(token);
        if !is_option(token) {
            match outfile(operation) {
                Some(field) if !given.contains_key(field.name) => {
                    given.insert(field.name.to_owned(), Value::from(token));
                }
                _ => unknown.push(token),
            }
        } else if let Some(kind) = global(name).or_else(|| paging(name)) {
            globals.take(&kind, name, inline, tokens)?;
        } else if name == "--cli-input-json" {
            input_json = Some(tokens.value(name, inline)?);
        } else if let Some((field, on)) = find_field(operation.input, name) {
            let value = match field.shape {
                _ if field.name == "Body" => Value::from(body(tokens.value(name, inline)?, stdin)?),
                Shape::Flag => Value::Bool(on),
                Shape::List(_) => {
                    let mut values: Vec<&str> = inline.into_iter().collect();
                    if inline.is_none() {
                        values.extend(std::iter::from_fn(|| tokens.take_value()));
                    }
                    let values = values
                        .into_iter()
                        .map(|value| load(name, value, stdin))
                        .collect::<Result<Vec<_>, _>>()?;
                    shorthand::list(name, &values, field.shape)?
                }
                Shape::Text(_)
                | Shape::Number(_)
                | Shape::Document
                | Shape::Map(_)
                | Shape::Structure(_) => {
                    let text = load(name, tokens.value(name, inline)?, stdin)?;
                    shorthand::single(name, &text, field.shape)?
                }
            };
            given.insert(field.name.to_owned(), value);
        } else {
            unknown.push(token);
        }
    }

    if input_json.is_none() {
        let missing: Vec<String> = operation
            .input
            .iter()
            .filter(|field| field.required && !given.contains_key(field.name))
            .map(|field| option_name(field.name))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::Arguments(format!(
                "the following arguments are required: {}",
                missing.join(", ")
            )));
        }
    }
    if !unknown.is_empty() {
        return Err(Refusal::Unknown(format!("Unknown options: {}", unknown.join(", "))));
    }
    if let Some(value) = input_json {
        merge_input_json(&mut given, value, stdin)?;
    }
    Ok(given)
}

/// The argument without a name that an answer with a body goes to.
fn outfile(operation: &Operation) -> Option<&Field> {
    operation.input.iter().find(|field| field.name == "outfile")
}

/// A body: the content of a file, which is standard input here.
fn body(path: &str, stdin: &[u8]) -> Result<String, Refusal> {
    match (path, std::str::from_utf8(stdin)) {
        ("/dev/stdin", Ok(text)) => Ok(text.to_owned()),
        ("/dev/stdin", Err(_)) => {
            Err(Refusal::Unknown("The sandbox takes bodies of text only".to_owned()))
        }
        _ => Err(Refusal::Parameter(
            "Error parsing parameter '--body': Blob values must be a path to a file.".to_owned(),
        )),
    }
}

/// Puts the members of `--cli-input-json` under the explicit options.
fn merge_input_json(
    given: &mut Map<String, Value>,
    value: &str,
    stdin: &[u8],
) -> Result<(), Refusal> {
    let text = load("cli-input-json", value, stdin)?;
    let Value::Object(members) = shorthand::json("cli-input-json", &text)? else {
        return Err(Refusal::Parameter(
            "Error parsing parameter 'cli-input-json': Invalid type: expecting an object"
                .to_owned(),
        ));
    };
    for (name, value) in members {
        given.entry(name).or_insert(value);
    }
    Ok(())
}

/// The content of a `file://` value, or the value itself. The only file of the
/// sandbox is its standard input.
fn load(option: &str, value: &str, stdin: &[u8]) -> Result<String, Refusal> {
    let Some(path) = value.strip_prefix("file://").or_else(|| value.strip_prefix("fileb://"))
    else {
        return Ok(value.to_owned());
    };
    if !matches!(path, "/dev/stdin" | "-") {
        return Err(Refusal::Parameter(format!(
            "Error parsing parameter '{option}': Unable to load paramfile {value}: [Errno 2] No such file or directory: '{path}'"
        )));
    }
    String::from_utf8(stdin.to_vec()).map_err(|_| {
        Refusal::Parameter(format!(
            "Error parsing parameter '{option}': Unable to load paramfile ({path}), text contents could not be decoded.  If this is a binary file, please use the fileb:// prefix instead of the file:// prefix."
        ))
    })
}

/// The field behind an option, and for a boolean which way it is set.
fn find_field<'a>(fields: &'a [Field], option: &str) -> Option<(&'a Field, bool)> {
    fields.iter().find_map(|field| {
        let name = option_name(field.name);
        if name == option {
            return Some((field, true));
        }
        let negated = matches!(field.shape, Shape::Flag)
            && option
                .strip_prefix("--no-")
                .is_some_and(|rest| name.strip_prefix("--") == Some(rest));
        negated.then_some((field, false))
    })
}

/// The option of a member: `RoleName` is `--role-name`, `AWSServiceName` is
/// `--aws-service-name`.
pub fn option_name(member: &str) -> String {
    // `--version` tells the CLI's own, so EKS's has another name.
    if member == "version" {
        return "--kubernetes-version".to_owned();
    }
    let letters: Vec<char> = member.chars().collect();
    let mut name = String::from("--");
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                !before.is_ascii_uppercase() || after.is_some_and(char::is_ascii_lowercase)
            });
        if starts_word {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_names_its_option() {
        for (member, option) in [
            ("RoleName", "--role-name"),
            ("AWSServiceName", "--aws-service-name"),
            ("roleArn", "--role-arn"),
            ("SetAsDefault", "--set-as-default"),
            ("SubnetIds", "--subnet-ids"),
            ("targetRoleArn", "--target-role-arn"),
            ("name", "--name"),
        ] {
            assert_eq!(option_name(member), option);
        }
    }

    #[test]
    fn what_reads_as_an_option() {
        for (token, expected) in [
            ("--x", true),
            ("-x", true),
            ("-", false),
            ("-1", false),
            ("- a b", false),
            ("a", false),
        ] {
            assert_eq!(is_option(token), expected, "{token}");
        }
    }
}
