//! The simulated `kubectl`, version 1.34: the same arguments, texts, JSON and
//! exit codes, over the world's cluster.
//!
//! Waiting takes no real time but moves the simulated one. This module must not
//! decide what the cluster does with a request.

mod addons;
mod apply;
mod change;
mod create;
mod delete;
mod describe;
mod get;
mod output;
mod resources;
mod rollout;
mod seed;
pub mod table;

use serde_json::Value;

pub use addons::{addon_is_well, put_addon, remove_addon};
pub use seed::seed;

use super::Output;
use super::charts::yaml;
use super::cluster::{Cluster, Reason, ResourceType, Status};
use super::files::Files;
use super::flags::{Flag, Parsed, Takes, flag, parse, short, subcommand};
use super::reach;
use super::world::World;

/// The version that the simulation follows.
const VERSION: &str = "v1.34.5";

/// Why a command ends without success: the whole text, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    text: String,
    code: i32,
}

impl Failure {
    /// A mistake that `kubectl` itself finds.
    fn said(text: impl AsRef<str>) -> Self {
        Self { text: format!("error: {}", text.as_ref()), code: 1 }
    }

    /// Text without a prefix.
    fn bare(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// A refusal that names what was being done.
    fn about(action: &str, source: &str, status: &Status) -> Self {
        Self::server(&Status {
            message: format!("error when {action} \"{source}\": {}", status.message),
            ..status.clone()
        })
    }

    /// A refusal of the API server.
    fn server(status: &Status) -> Self {
        if let Some(text) = invalid(status) {
            return Self::bare(text);
        }
        Self {
            text: format!("Error from server ({}): {}", status.reason.as_str(), status.message),
            code: 1,
        }
    }
}

/// What `kubectl` makes of an object that is not valid: a line for each cause,
/// where there are several.
fn invalid(status: &Status) -> Option<String> {
    let causes = status.details.get("causes").and_then(Value::as_array);
    let causes = causes.map_or(&[][..], Vec::as_slice);
    if status.reason != Reason::Invalid {
        return None;
    }
    let text = |value: &Value, field: &str| table::text(value, field);
    let title = match status.details.get("kind") {
        Some(_) => format!(
            "The {} \"{}\" is invalid: ",
            text(&status.details, "/kind"),
            text(&status.details, "/name")
        ),
        None => "The request is invalid: ".to_owned(),
    };
    let lines: Vec<String> = causes
        .iter()
        .map(|cause| format!("{}: {}", text(cause, "/field"), text(cause, "/message")))
        .collect();
    Some(match lines.as_slice() {
        [] => title + &status.message,
        [one] => title + one,
        many => title + "\n* " + &many.join("\n* "),
    })
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::server(&status)
    }
}

/// One run of the tool.
struct Call<'a> {
    world: &'a mut World,
    stdin: &'a [u8],
    files: &'a dyn Files,
    args: Parsed,
    out: String,
    err: String,
    /// What was named and is not there, beside what is.
    missing: Vec<String>,
}

/// A named object, or all of a type.
#[derive(Debug, Clone)]
struct Wanted {
    ty: ResourceType,
    name: Option<String>,
}

/// An object from a file, with its type and place.
#[derive(Debug, Clone)]
struct Document {
    ty: ResourceType,
    namespace: String,
    name: String,
    object: Value,
    /// The file, as messages name it.
    source: String,
}

impl Document {
    /// `deployment.apps/NAME`.
    fn shown(&self) -> String {
        format!("{}/{}", table::qualified(&self.ty), self.name)
    }
}

impl Call<'_> {
    /// Prints on standard output.
    fn say(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Prints on standard error.
    fn complain(&mut self, text: &str) {
        self.err.push_str(text);
    }

    /// The namespace that the command is for.
    fn namespace(&self) -> String {
        self.args
            .value("namespace")
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or("default")
            .to_owned()
    }

    /// The namespace to list in: `None` is all.
    fn scope(&self) -> Option<String> {
        (!self.args.on("all-namespaces")).then(|| self.namespace())
    }

    /// Opens the cluster, as a connection does; the controllers have caught up.
    fn connect(&mut self) -> Result<Cluster<'_>, Failure> {
        let mut cluster = reach::connect(self.world)
            .map_err(|unreachable| Failure::bare(unreachable.kubectl()))?;
        cluster.reconcile();
        Ok(cluster)
    }

    /// What the positional arguments name: `TYPE[,TYPE] [NAME...]` or
    /// `TYPE/NAME ...`.
    fn wanted(&mut self) -> Result<Vec<Wanted>, Failure> {
        let positional = self.args.positional.clone();
        let cluster = self.connect()?;
        let resolve = |word: &str| {
            let unknown =
                || Failure::said(format!("the server doesn't have a resource type \"{word}\""));
            cluster.resolve(word).ok_or_else(unknown)
        };
        let mut wanted = Vec::new();
        if positional.first().is_some_and(|first| first.contains('/')) {
            for argument in &positional {
                let Some((word, name)) = argument.split_once('/') else {
                    return Err(Failure::said(
                        "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
                    ));
                };
                if name.is_empty() {
                    return Err(Failure::said(
                        "arguments in resource/name form may not have more than one slash",
                    ));
                }
                wanted.push(Wanted { ty: resolve(word)?, name: Some(name.to_owned()) });
            }
            return Ok(wanted);
        }
        let Some((words, names)) = positional.split_first() else { return Ok(wanted) };
        let words = words.split(',').filter(|word| !word.is_empty());
        let expand = |word| if word == "all" { ALL.to_vec() } else { vec![word] };
        for word in words.flat_map(expand) {
            let ty = resolve(word)?;
            if names.is_empty() {
                wanted.push(Wanted { ty: ty.clone(), name: None });
            }
            wanted.extend(
                names.iter().map(|name| Wanted { ty: ty.clone(), name: Some(name.clone()) }),
            );
        }
        Ok(wanted)
    }

    /// The objects in the files that `-f` names.
    fn documents(&mut self) -> Result<Vec<Document>, Failure> {
        let given = self
            .args
            .value("namespace")
            .filter(|namespace| !namespace.is_empty())
            .map(str::to_owned);
        let mut read: Vec<(String, Value)> = Vec::new();
        for path in self.args.values("filename").iter().flat_map(|paths| paths.split(',')) {
            let (source, bytes) = if path == "-" {
                ("STDIN".to_owned(), self.stdin.to_vec())
            } else {
                let missing = |_| Failure::said(format!("the path \"{path}\" does not exist"));
                (path.to_owned(), self.files.read(path).map_err(missing)?)
            };
            let documents = yaml::read_all(&String::from_utf8_lossy(&bytes)).map_err(|why| {
                Failure::said(format!(
                    "error parsing {source}: error converting YAML to JSON: yaml: {why}"
                ))
            })?;
            for document in documents {
                match document.get("items").and_then(Value::as_array) {
                    Some(items) if document.get("kind").and_then(Value::as_str) == Some("List") => {
                        read.extend(items.iter().map(|item| (source.clone(), item.clone())));
                    }
                    _ => read.push((source.clone(), document)),
                }
            }
        }
        let cluster = self.connect()?;
        let mut documents = Vec::new();
        for (source, object) in read {
            let text = |pointer: &str| {
                object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let (api_version, kind, name) =
                (text("/apiVersion"), text("/kind"), text("/metadata/name"));
            let namespace = text("/metadata/namespace");
            let unset: Vec<&str> = [("apiVersion", &api_version), ("kind", &kind)]
                .into_iter()
                .filter(|(_, value)| value.is_empty())
                .map(|(field, _)| field)
                .collect();
            if !unset.is_empty() {
                let unset: Vec<String> =
                    unset.iter().map(|field| format!("{field} not set")).collect();
                let unset = if unset.len() == 1 {
                    unset.concat()
                } else {
                    format!("[{}]", unset.join(", "))
                };
                return Err(Failure::said(format!(
                    "error validating \"{source}\": error validating data: {unset}; if you choose to ignore these errors, turn validation off with --validate=false"
                )));
            }
            let Some(ty) = cluster.type_of(&api_version, &kind) else {
                return Err(Failure::said(format!(
                    "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"{source}\": no matches for kind \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first"
                )));
            };
            let namespace = match (ty.namespaced, &given, namespace) {
                (false, _, _) => String::new(),
                (true, Some(given), namespace) if !namespace.is_empty() && *given != namespace => {
                    return Err(Failure::said(format!(
                        "the namespace from the provided object \"{namespace}\" does not match the namespace \"{given}\". You must pass '--namespace={namespace}' to perform this operation."
                    )));
                }
                (true, given, namespace) if namespace.is_empty() => {
                    given.clone().unwrap_or("default".to_owned())
                }
                (true, _, namespace) => namespace,
            };
            documents.push(Document { ty, namespace, name, object, source });
        }
        Ok(documents)
    }

    /// Whether the command only shows what it would do, and what it says of
    /// that.
    fn dry_run(&self) -> Result<(bool, &'static str), Failure> {
        match self.args.value("dry-run") {
            None | Some("none" | "false") => Ok((false, "")),
            Some("client" | "unchanged" | "true") => Ok((true, " (dry run)")),
            Some("server") => Ok((true, " (server dry run)")),
            Some(other) => Err(Failure::said(format!(
                "Invalid dry-run value ({other}). Must be \"none\", \"server\", or \"client\"."
            ))),
        }
    }

    /// One line of what happened, or what `-o` asks for instead.
    fn report(&mut self, shown: &str, operation: &str, object: &Value) -> Result<(), Failure> {
        match self.args.value("output") {
            None | Some("") => {
                self.say(&format!("{shown} {operation}\n"));
                Ok(())
            }
            Some(format) => {
                let text = output::one(format, object, shown)?;
                self.out.push_str(&text);
                Ok(())
            }
        }
    }
}

/// What `all` stands for.
const ALL: &[&str] = &[
    "pods",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "horizontalpodautoscalers",
    "cronjobs",
    "jobs",
];

/// Flags of every command.
const GLOBAL: &[Flag] = &[
    flag("as", Takes::Value),
    flag("as-group", Takes::Value),
    flag("as-uid", Takes::Value),
    flag("cache-dir", Takes::Value),
    flag("certificate-authority", Takes::Value),
    flag("client-certificate", Takes::Value),
    flag("client-key", Takes::Value),
    flag("cluster", Takes::Value),
    flag("context", Takes::Value),
    flag("disable-compression", Takes::Nothing),
    short("help", 'h', Takes::Nothing),
    flag("insecure-skip-tls-verify", Takes::Nothing),
    flag("kubeconfig", Takes::Value),
    flag("match-server-version", Takes::Nothing),
    short("namespace", 'n', Takes::Value),
    flag("request-timeout", Takes::Value),
    short("server", 's', Takes::Value),
    flag("tls-server-name", Takes::Value),
    flag("token", Takes::Value),
    flag("user", Takes::Value),
    short("v", 'v', Takes::Value),
    flag("warnings-as-errors", Takes::Nothing),
];

/// A command: its words, flags, what it does, and what it adds to the exit
/// code of a failure.
struct Command {
    path: &'static str,
    flags: &'static [&'static [Flag]],
    run: fn(&mut Call<'_>) -> Result<(), Failure>,
    added: i32,
}

const fn command(
    path: &'static str,
    flags: &'static [&'static [Flag]],
    run: fn(&mut Call<'_>) -> Result<(), Failure>,
) -> Command {
    Command { path, flags, run, added: 0 }
}

/// Which objects a command is for.
const SELECT: &[Flag] = &[
    short("all-namespaces", 'A', Takes::Nothing),
    flag("field-selector", Takes::Value),
    short("filename", 'f', Takes::Value),
    short("selector", 'l', Takes::Value),
];
/// Of commands that print an object.
const PRINT: &[Flag] = &[
    flag("allow-missing-template-keys", Takes::Nothing),
    short("output", 'o', Takes::Value),
    flag("show-managed-fields", Takes::Nothing),
    flag("template", Takes::Value),
];
/// Of commands that write.
const WRITE: &[Flag] =
    &[flag("dry-run", Takes::Optional("unchanged")), flag("field-manager", Takes::Value)];

const COMMANDS: &[Command] = &[
    command("get", &[SELECT, PRINT, get::FLAGS], get::get),
    command("version", &[PRINT, get::VERSION_FLAGS], get::version),
    command("api-resources", &[resources::FLAGS], resources::api_resources),
    command("describe", &[SELECT, describe::FLAGS], describe::describe),
    command("apply", &[SELECT, PRINT, WRITE, apply::APPLY_FLAGS], apply::apply),
    command("create", &[SELECT, PRINT, WRITE, create::FLAGS], create::create),
    command("create namespace", &[PRINT, WRITE, create::FLAGS], create::create_namespace),
    command(
        "create secret",
        &[PRINT, WRITE, create::FLAGS, create::SECRET_FLAGS],
        create::create_secret,
    ),
    command("replace", &[SELECT, PRINT, WRITE, create::REPLACE_FLAGS], create::replace),
    command("delete", &[SELECT, PRINT, WRITE, delete::FLAGS], delete::delete),
    Command {
        path: "diff",
        flags: &[SELECT, WRITE, apply::DIFF_FLAGS],
        run: apply::diff,
        added: 1,
    },
    command("patch", &[SELECT, PRINT, WRITE, change::PATCH_FLAGS], change::patch),
    command("annotate", &[SELECT, PRINT, WRITE, change::MARK_FLAGS], change::annotate),
    command("label", &[SELECT, PRINT, WRITE, change::MARK_FLAGS], change::label),
    command("scale", &[SELECT, PRINT, WRITE, change::SCALE_FLAGS], change::scale),
    command("rollout status", &[SELECT, rollout::STATUS_FLAGS], rollout::status),
    command("rollout restart", &[SELECT, PRINT, WRITE], rollout::restart),
    command("wait", &[SELECT, PRINT, rollout::WAIT_FLAGS], rollout::wait),
];

/// Answers one command; `args` are those after `kubectl`.
pub fn run(world: &mut World, args: &[String], stdin: &[u8], files: &dyn Files) -> Output {
    let (command, rest) = match find(args) {
        Ok(found) => found,
        Err(output) => return output,
    };
    let mut tables = vec![GLOBAL];
    tables.extend(command.flags);
    let args = match parse(&tables, &rest) {
        Ok(args) => args,
        Err(text) => {
            let usage = if command.added == 0 {
                format!("error: {text}\nSee 'kubectl {} --help' for usage.\n", command.path)
            } else {
                format!("error: {text}\nSee 'kubectl {} -h' for help and examples\n", command.path)
            };
            return Output::failed(1 + command.added, usage);
        }
    };
    if args.on("help") {
        return Output::ok(format!("Usage:\n  kubectl {} [options]\n", command.path));
    }
    let (out, err) = (String::new(), String::new());
    let mut call = Call { world, stdin, files, args, out, err, missing: Vec::new() };
    let mut failure = (command.run)(&mut call).err();
    if failure.is_none() && !call.missing.is_empty() {
        failure = Some(Failure {
            text: call.missing.join(
                "
",
            ),
            code: 1,
        });
    }
    let mut output =
        Output { code: 0, stdout: call.out.into_bytes(), stderr: call.err.into_bytes() };
    if let Some(failure) = failure {
        output.code = failure.code + if failure.text.is_empty() { 0 } else { command.added };
        if !failure.text.is_empty() {
            output.stderr.extend(failure.text.into_bytes());
            output.stderr.push(b'\n');
        }
    }
    output
}

/// The command that the arguments name, and the other arguments; or what to
/// answer where they name none.
fn find(args: &[String]) -> Result<(&'static Command, Vec<String>), Output> {
    let Some((first, rest)) = subcommand(GLOBAL, args) else {
        return Err(Output::ok("kubectl controls the Kubernetes cluster manager.\n"));
    };
    let is = |path: &str| COMMANDS.iter().find(|command| command.path == path);
    if let Some((second, rest)) = subcommand(GLOBAL, &rest)
        && let Some(command) = is(&format!("{first} {}", long(&second)))
    {
        return Ok((command, rest));
    }
    if let Some(command) = is(&first) {
        return Ok((command, rest));
    }
    if COMMANDS.iter().any(|command| command.path.split(' ').next() == Some(first.as_str())) {
        return Err(Output::ok(format!("Usage:\n  kubectl {first} SUBCOMMAND [options]\n")));
    }
    Err(Output::failed(1, format!("error: unknown command \"{first}\" for \"kubectl\"\n")))
}

/// Other names of subcommands.
fn long(word: &str) -> &str {
    match word {
        "ns" => "namespace",
        other => other,
    }
}

#[cfg(test)]
mod tests;
