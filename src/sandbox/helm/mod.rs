//! The simulated `helm`, version 4: the same arguments, texts, JSON and exit
//! codes, over the world's releases and cluster.
//!
//! Charts are functions (see [`crate::sandbox::charts`]); waiting takes no real
//! time but moves the simulated one. Releases live under `helm/` in the world
//! and not in secrets of the cluster, which is the one thing that the real
//! `kubectl` would show and this one does not.

mod apply;
mod deploy;
mod list;
mod options;
mod print;
mod pull;
mod read;
mod ready;
mod release;
mod remove;
mod upgrade;

use serde_json::Value;

pub use pull::expire_logins;
pub use release::erase;

use super::Output;
use super::files::Files;
use super::flags::{Flag, Parsed, Takes, flag, parse, short, subcommand};
use super::world::World;

/// The version that the simulation follows.
const VERSION: &str = "v4.1.4";
/// The commit of that version, which `version` shows.
const COMMIT: &str = "05fa37973dc9e42b76e1d2883494c87174b6074f";

/// Set for one command by [`interrupt_next`].
const INTERRUPT: &str = "helm/interrupt";

/// The exit code of a process that was killed.
pub const KILLED: i32 = 137;

/// Makes the next install, upgrade, rollback or uninstall die half-way, as if
/// it were killed while it waits: its objects are written, its release stays
/// pending.
pub fn interrupt_next(world: &mut World) {
    world.put(INTERRUPT, Value::from(true));
}

/// Why a command ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It says why.
    Said(String),
    /// It was killed.
    Killed,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Said(text)
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
    fn namespace(&self) -> &str {
        self.args.value("namespace").filter(|namespace| !namespace.is_empty()).unwrap_or("default")
    }

    /// An argument that [`check_count`] saw.
    fn arg(&self, index: usize) -> &str {
        self.args.positional.get(index).map_or("", String::as_str)
    }

    fn format(&self) -> Result<print::Format, Failure> {
        Ok(print::Format::parse(self.args.value("output"))?)
    }

    /// Fails unless the control plane answers.
    fn reach(&self) -> Result<(), Failure> {
        super::reach::check(self.world).map_err(|unreachable| Failure::Said(unreachable.helm()))
    }

    /// Dies here where [`interrupt_next`] was called.
    fn killed_here(&mut self) -> Result<(), Failure> {
        if self.world.remove(INTERRUPT).is_some() { Err(Failure::Killed) } else { Ok(()) }
    }

    /// The time that a command may take; five minutes unless it says so.
    fn timeout(&self) -> std::time::Duration {
        self.args.duration("timeout").unwrap_or(std::time::Duration::from_secs(300))
    }
}

/// Flags of every command.
const GLOBAL: &[Flag] = &[
    flag("burst-limit", Takes::Number),
    flag("color", Takes::Value),
    flag("colour", Takes::Value),
    flag("content-cache", Takes::Value),
    flag("debug", Takes::Nothing),
    short("help", 'h', Takes::Nothing),
    flag("kube-apiserver", Takes::Value),
    flag("kube-as-group", Takes::Value),
    flag("kube-as-user", Takes::Value),
    flag("kube-ca-file", Takes::Value),
    flag("kube-context", Takes::Value),
    flag("kube-insecure-skip-tls-verify", Takes::Nothing),
    flag("kube-tls-server-name", Takes::Value),
    flag("kube-token", Takes::Value),
    flag("kubeconfig", Takes::Value),
    short("namespace", 'n', Takes::Value),
    flag("qps", Takes::Value),
    flag("registry-config", Takes::Value),
    flag("repository-cache", Takes::Value),
    flag("repository-config", Takes::Value),
];

/// How many arguments a command takes.
#[derive(Clone, Copy)]
enum Count {
    None,
    Exactly(usize),
    AtLeast(usize),
}

/// A command: its words, usage line, flags, and what it does.
struct Command {
    path: &'static str,
    usage: &'static str,
    count: Count,
    flags: &'static [&'static [Flag]],
    run: fn(&mut Call<'_>) -> Result<(), Failure>,
}

const OUTPUT: &[Flag] = &[short("output", 'o', Takes::Value)];
const REVISION: &[Flag] = &[flag("revision", Takes::Number)];

const COMMANDS: &[Command] = &[
    Command {
        path: "version",
        usage: "",
        count: Count::None,
        flags: &[read::VERSION_FLAGS],
        run: read::version,
    },
    Command {
        path: "list",
        usage: "",
        count: Count::None,
        flags: &[OUTPUT, list::FLAGS],
        run: list::list,
    },
    Command {
        path: "status",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[OUTPUT, REVISION],
        run: read::status,
    },
    Command {
        path: "history",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[OUTPUT, read::HISTORY_FLAGS],
        run: read::history,
    },
    Command {
        path: "get values",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[OUTPUT, REVISION, read::VALUES_FLAGS],
        run: read::values,
    },
    Command {
        path: "get metadata",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[OUTPUT, REVISION],
        run: read::metadata,
    },
    Command {
        path: "get manifest",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[REVISION],
        run: read::manifest,
    },
    Command {
        path: "get notes",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[REVISION],
        run: read::nothing,
    },
    Command {
        path: "get hooks",
        usage: "RELEASE_NAME ",
        count: Count::Exactly(1),
        flags: &[REVISION],
        run: read::nothing,
    },
    Command {
        path: "template",
        usage: "[NAME] [CHART] ",
        count: Count::AtLeast(1),
        flags: &[pull::CHART_FLAGS, pull::VALUE_FLAGS, options::FLAGS, options::TEMPLATE_FLAGS],
        run: deploy::template,
    },
    Command {
        path: "install",
        usage: "[NAME] [CHART] ",
        count: Count::AtLeast(1),
        flags: &[
            OUTPUT,
            pull::CHART_FLAGS,
            pull::VALUE_FLAGS,
            options::FLAGS,
            options::INSTALL_FLAGS,
        ],
        run: deploy::install,
    },
    Command {
        path: "upgrade",
        usage: "[RELEASE] [CHART] ",
        count: Count::Exactly(2),
        flags: &[
            OUTPUT,
            pull::CHART_FLAGS,
            pull::VALUE_FLAGS,
            options::FLAGS,
            options::UPGRADE_FLAGS,
        ],
        run: deploy::upgrade,
    },
    Command {
        path: "rollback",
        usage: "<RELEASE> [REVISION] ",
        count: Count::AtLeast(1),
        flags: &[remove::ROLLBACK_FLAGS],
        run: remove::rollback,
    },
    Command {
        path: "uninstall",
        usage: "RELEASE_NAME [...] ",
        count: Count::AtLeast(1),
        flags: &[remove::UNINSTALL_FLAGS],
        run: remove::uninstall,
    },
    Command {
        path: "registry login",
        usage: "[host] ",
        count: Count::AtLeast(1),
        flags: &[pull::LOGIN_FLAGS],
        run: pull::login,
    },
    Command {
        path: "registry logout",
        usage: "[host] ",
        count: Count::AtLeast(1),
        flags: &[],
        run: pull::logout,
    },
    Command {
        path: "show all",
        usage: "[CHART] ",
        count: Count::Exactly(1),
        flags: &[pull::CHART_FLAGS],
        run: pull::show_all,
    },
    Command {
        path: "show chart",
        usage: "[CHART] ",
        count: Count::Exactly(1),
        flags: &[pull::CHART_FLAGS],
        run: pull::show_chart,
    },
    Command {
        path: "show values",
        usage: "[CHART] ",
        count: Count::Exactly(1),
        flags: &[pull::CHART_FLAGS, pull::SHOW_VALUES_FLAGS],
        run: pull::show_values,
    },
    Command {
        path: "show crds",
        usage: "[CHART] ",
        count: Count::Exactly(1),
        flags: &[pull::CHART_FLAGS],
        run: pull::show_crds,
    },
];

/// Other names of commands.
const ALIASES: &[(&str, &str)] = &[
    ("ls", "list"),
    ("hist", "history"),
    ("del", "uninstall"),
    ("delete", "uninstall"),
    ("un", "uninstall"),
    ("inspect", "show"),
];

/// Answers one command; `args` are those after `helm`.
pub fn run(world: &mut World, args: &[String], stdin: &[u8], files: &dyn Files) -> Output {
    let (command, rest) = match find(args) {
        Ok(found) => found,
        Err(output) => return output,
    };
    let path = command.path;
    let mut tables = vec![GLOBAL];
    tables.extend(command.flags);
    let args = match parse(&tables, &rest) {
        Ok(args) => args,
        Err(text) => return Output::failed(1, format!("Error: {text}\n")),
    };
    if args.on("help") {
        return Output::ok(format!("Usage:\n  helm {path} {}[flags]\n", command.usage));
    }
    if let Err(text) = check_count(command, args.positional.len()) {
        return Output::failed(1, format!("Error: {text}\n"));
    }
    let mut call = Call { world, stdin, files, args, out: String::new(), err: String::new() };
    let failure = (command.run)(&mut call).err();
    let mut output =
        Output { code: 0, stdout: call.out.into_bytes(), stderr: call.err.into_bytes() };
    match failure {
        None => {}
        Some(Failure::Killed) => output.code = KILLED,
        Some(Failure::Said(text)) => {
            output.code = 1;
            output.stderr.extend(format!("Error: {text}\n").into_bytes());
        }
    }
    output
}

/// The command that the arguments name, and the other arguments; or what to
/// answer where they name none.
fn find(args: &[String]) -> Result<(&'static Command, Vec<String>), Output> {
    let Some((first, rest)) = subcommand(GLOBAL, args) else {
        return Err(Output::ok("The Kubernetes package manager\n\nUsage:\n  helm [command]\n"));
    };
    let name = ALIASES.iter().find(|(alias, _)| *alias == first);
    let name = name.map_or(first.as_str(), |(_, name)| name);
    let is = |path: &str| COMMANDS.iter().find(|command| command.path == path);
    if let Some(command) = is(name) {
        return Ok((command, rest));
    }
    if let Some((second, rest)) = subcommand(GLOBAL, &rest)
        && let Some(command) = is(&format!("{name} {second}"))
    {
        return Ok((command, rest));
    }
    if COMMANDS.iter().any(|command| command.path.split(' ').next() == Some(name)) {
        // A group without its second word explains itself and succeeds.
        return Err(Output::ok(format!("Usage:\n  helm {name} [command]\n")));
    }
    let unknown =
        format!("Error: unknown command \"{first}\" for \"helm\"\nRun 'helm --help' for usage.\n");
    Err(Output::failed(1, unknown))
}

fn check_count(command: &Command, given: usize) -> Result<(), String> {
    let (path, usage) = (command.path, command.usage);
    let arguments = |count: usize| if count == 1 { "argument" } else { "arguments" };
    let refused = match command.count {
        Count::None if given > 0 => Some("accepts no arguments".to_owned()),
        Count::Exactly(count) if given != count => {
            Some(format!("requires {count} {}", arguments(count)))
        }
        Count::AtLeast(count) if given < count => {
            Some(format!("requires at least {count} {}", arguments(count)))
        }
        Count::None | Count::Exactly(_) | Count::AtLeast(_) => None,
    };
    match refused {
        Some(why) => Err(format!("\"helm {path}\" {why}\n\nUsage:  helm {path} {usage}[flags]")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
