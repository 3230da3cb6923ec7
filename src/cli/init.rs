//! `lkh init`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::next::{say_command, word};
use super::options::OutputOptions;
use super::{code, complain, print, print_json, shipped, tell};
use crate::manifest::declaration::{Parameter, VariableType};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::variables::VariableInputs;
use crate::quote::{line, quote};
use crate::value::Value;

/// The folder of the manifests in the new directory: where `lkh` looks for them.
const MANIFESTS: &str = "manifests";
/// The file of the variables beside it.
const VARIABLES: &str = "variables.yaml";

/// Writes a ready stack directory: the lakehouse's manifests, to be kept in a
/// repository of your own, and a file of variables for `--var-file`.
///
/// On a terminal it asks for what is not given: what must have a value first,
/// then the rest with its default. What you answer is checked at once. Elsewhere
/// it takes `--var` and the defaults. No file is ever overwritten, and no
/// sensitive value is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory; made if need be
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Give a variable its value
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<String>,
    /// Ask for nothing: take the defaults of what is not given
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    args.output.settle();
    // With no value at all: what there is to ask for.
    let open = VariableInputs { open: true, ..VariableInputs::default() };
    let parameters = match shipped::stack(&open) {
        Ok(stack) => stack.parameters,
        Err(diagnostics) => return Ok(refuse(&diagnostics)),
    };
    let mut given = assigned(&parameters, &args.vars)?;
    let asks = !args.yes && !args.output.json && std::io::stdin().is_terminal();
    if asks {
        let mut asking = Asking { input: std::io::stdin().lock(), say: &mut ask_aloud };
        asking.all(&parameters, &mut given)?;
    }
    let missing: Vec<_> = parameters
        .iter()
        .filter(|one| one.is_required() && !given.contains_key(one.name.as_str()))
        .collect();
    if !missing.is_empty() {
        for one in &missing {
            complain(&format!(
                "the variable {} has no value; give it with --var {}=VALUE",
                quote(&one.name),
                one.name
            ));
            if let Some(hint) = one.hint() {
                tell(&format!("  {}", line(&hint)));
            }
        }
        bail!("nothing was written");
    }
    // All together: a default may follow from what was given.
    let assignments = given.iter().map(|(name, (text, _))| format!("{name}={text}")).collect();
    let inputs = VariableInputs { assignments, ..VariableInputs::default() };
    if let Err(diagnostics) = shipped::stack(&inputs) {
        return Ok(refuse(&diagnostics));
    }
    let written = write(&args.dir, &variables_file(&parameters, &given))?;
    let sensitive = given
        .keys()
        .filter(|name| parameters.iter().any(|one| one.sensitive && one.name == **name));
    for name in sensitive {
        tell(&format!("note: {name} is sensitive and was not written; give it with --var"));
    }
    if args.output.json {
        print_json(&serde_json::json!({ "directory": args.dir, "files": written }))?;
        return Ok(code::GOOD);
    }
    print(&format!(
        "Wrote {} to {}: the manifests, and the variables in {VARIABLES}.\n",
        crate::report::count(written.len(), "file"),
        args.dir.display()
    ));
    print("Keep the directory in a repository; `lkh describe` tells what it will make.\n");
    say_command(&format!(
        "cd {} && lkh preflight --var-file {VARIABLES}",
        word(&args.dir.display().to_string())
    ));
    Ok(code::GOOD)
}

fn refuse(diagnostics: &Diagnostics) -> u8 {
    tell(diagnostics.render(true).trim_end());
    complain("nothing was written");
    code::ERROR
}

/// What was given, by name: as text and as value.
type Given = BTreeMap<String, (String, Value)>;

/// Takes the assignments of the command line.
fn assigned(parameters: &[Parameter], vars: &[String]) -> anyhow::Result<Given> {
    let mut given = Given::new();
    for assignment in vars {
        let (name, text) =
            assignment.split_once('=').context("a --var without `=`: write --var NAME=VALUE")?;
        let parameter = parameters.iter().find(|one| one.name == name.trim());
        let parameter = parameter.with_context(|| {
            let names: Vec<_> = parameters.iter().map(|one| one.name.as_str()).collect();
            format!("no variable {} is declared; there are {}", quote(name), names.join(", "))
        })?;
        let value = parameter.take(text).map_err(|why| {
            let hint = parameter.hint().map(|hint| format!("\n{hint}")).unwrap_or_default();
            anyhow::anyhow!("--var {}: {why}{hint}", parameter.name)
        })?;
        given.insert(parameter.name.clone(), (text.to_owned(), value));
    }
    Ok(given)
}

/// Asks a person, a line an answer.
struct Asking<'a, R> {
    input: R,
    say: &'a mut dyn FnMut(&str),
}

fn ask_aloud(text: &str) {
    let mut stderr = anstream::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

impl<R: BufRead> Asking<'_, R> {
    /// Asks for everything that is not given: what must be given first.
    fn all(&mut self, parameters: &[Parameter], given: &mut Given) -> anyhow::Result<()> {
        let (required, others): (Vec<_>, Vec<_>) = parameters
            .iter()
            .filter(|one| !given.contains_key(one.name.as_str()))
            .partition(|one| one.is_required());
        if !required.is_empty() {
            (self.say)("What must be given:\n");
        }
        for parameter in required {
            self.one(parameter, given)?;
        }
        if !others.is_empty() {
            (self.say)("\nThe rest has defaults; an empty answer keeps them:\n");
        }
        for parameter in others {
            self.one(parameter, given)?;
        }
        Ok(())
    }

    fn one(&mut self, parameter: &Parameter, given: &mut Given) -> anyhow::Result<()> {
        let hint = parameter.hint().map_or_else(|| quote(&parameter.name), |hint| line(&hint));
        (self.say)(&format!("\n{hint}\n"));
        let prompt = match &parameter.default {
            None => format!("{}: ", parameter.name),
            Some(Value::Null) => format!("{} [none]: ", parameter.name),
            Some(value) => {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{} [{}]: ", parameter.name, line(&shown))
            }
        };
        loop {
            (self.say)(&prompt);
            let mut answer = String::new();
            if self.input.read_line(&mut answer).context("can't read the answer")? == 0 {
                bail!("no more answers; nothing was written");
            }
            let answer = answer.trim();
            if answer.is_empty() && !parameter.is_required() {
                return Ok(());
            }
            if answer.is_empty() {
                (self.say)("It must have a value.\n");
                continue;
            }
            match parameter.take(answer) {
                Ok(value) => {
                    given.insert(parameter.name.clone(), (answer.to_owned(), value));
                    return Ok(());
                }
                Err(why) => (self.say)(&format!("{}.\n", line(&why))),
            }
        }
    }
}

/// The file of variables: what was given, and the rest as comments.
fn variables_file(parameters: &[Parameter], given: &Given) -> String {
    let mut text = String::from(
        "# The variables of this installation, for --var-file. A line without `#` sets one; the\n\
         # others show the default.\n",
    );
    for one in parameters {
        let Parameter { name, description, .. } = one;
        text.push('\n');
        for about in description.iter().flat_map(|text| text.lines()) {
            let _ = writeln!(text, "# {}", line(about));
        }
        let value = given.get(name).map(|(_, value)| value);
        let _ = match (value, &one.default) {
            _ if one.sensitive => writeln!(text, "# {name}: (sensitive: give it with --var)"),
            (Some(value), _) => writeln!(text, "{name}: {}", yaml(one.kind, value)),
            (None, Some(default)) => writeln!(text, "# {name}: {}", yaml(one.kind, default)),
            (None, None) => writeln!(text, "# {name}:"),
        };
    }
    text
}

/// A value in YAML: JSON is YAML, and texts in quotes are taken as they stand.
fn yaml(kind: VariableType, value: &Value) -> String {
    match (kind, value) {
        (VariableType::String, Value::Unknown(text)) => {
            serde_json::Value::String(text.clone()).to_string()
        }
        (_, value) => value.redacted_json().to_string(),
    }
}

/// Writes all files, or none where one is there already with other content.
fn write(directory: &Path, variables: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files: Vec<(PathBuf, &[u8])> = shipped::FILES
        .iter()
        .map(|(name, bytes)| (directory.join(MANIFESTS).join(name), *bytes))
        .collect();
    files.push((directory.join(VARIABLES), variables.as_bytes()));
    let mut taken = Vec::new();
    let mut to_write = Vec::new();
    for (path, bytes) in files {
        match std::fs::read(&path) {
            // Of a run that did not come to its end.
            Ok(there) if there == bytes => {}
            Ok(_) => taken.push(path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                to_write.push((path, bytes));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("can't look at {}", path.display()));
            }
        }
    }
    ensure!(
        taken.is_empty(),
        "no file is overwritten, and these are there already:\n{}\nnothing was written; choose \
         another directory, or move them away",
        taken.join("\n")
    );
    let mut written = Vec::new();
    for (path, bytes) in to_write {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("can't make {}", folder.display()))?;
        }
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes))
            .with_context(|| format!("can't write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<Parameter> {
        let one = |name: &str, default: Option<Value>| Parameter {
            name: name.into(),
            default,
            ..Parameter::default()
        };
        vec![
            one("region", Some("us-east-2".into())),
            Parameter { pattern: Some("[a-z]+".into()), ..one("cluster", None) },
            Parameter { kind: VariableType::Number, ..one("nodes", Some(Value::from(2))) },
        ]
    }

    fn ask(answers: &str) -> (anyhow::Result<()>, Given, String) {
        let mut said = String::new();
        let mut given = Given::new();
        let mut say = |text: &str| said.push_str(text);
        let mut asking = Asking { input: answers.as_bytes(), say: &mut say };
        let result = asking.all(&parameters(), &mut given);
        (result, given, said)
    }

    #[test]
    fn it_asks_until_the_answer_fits() {
        let (result, given, said) = ask("\nLake\nlake\n\nthree\n3\n");
        result.unwrap();
        let texts: Vec<_> =
            given.iter().map(|(name, (text, _))| format!("{name}={text}")).collect();
        assert_eq!(texts, ["cluster=lake", "nodes=3"]);
        assert_eq!(
            said,
            "What must be given:\n\n`cluster`: pattern `[a-z]+`\ncluster: It must have a \
             value.\ncluster: `Lake` does not match.\ncluster: \n\
             The rest has defaults; an empty answer keeps them:\n\n`region`\n\
             region [us-east-2]: \n`nodes`\nnodes [2]: must be a number, not `three`.\n\
             nodes [2]: "
        );
    }

    #[test]
    fn answers_that_end_write_nothing() {
        assert!(ask("lake\n").0.is_err());
    }

    #[test]
    fn the_variables_read_back_and_the_rest_is_a_comment() {
        let given = ask("lake\n\n3\n").1;
        let text = variables_file(&parameters(), &given);
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).skip(2).collect();
        assert_eq!(lines, ["# region: \"us-east-2\"", "cluster: \"lake\"", "nodes: 3"]);
    }

    #[test]
    fn the_program_holds_the_manifests_of_the_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
        for (name, bytes) in shipped::FILES {
            assert_eq!(std::fs::read(root.join(name)).unwrap(), *bytes, "{name}");
        }
        assert!(shipped::FILES.iter().any(|(name, _)| *name == "stack.yaml"));
    }
}
