//! The next sensible command: the last line of what a command tells people.
//!
//! One place, so that the words and the order of work are the same everywhere:
//! describe, preflight, plan, apply, output. The line repeats the options that
//! lead to the same stack, and no sensitive value. It is never in JSON, nor
//! where standard output is a document for another program: `graph`,
//! `completions`, `state pull`, `output NAME`, `sandbox run`. Errors say on
//! standard error what to do.

use std::path::Path;

use super::options::{AccessOptions, ExecMode, StackOptions};
use super::print;
use crate::address::Address;
use crate::plan::Mode;
use crate::quote::line;
use crate::report::{BOLD, styled};

/// What was just done, and how it came out.
#[derive(Debug)]
pub(crate) enum After<'a> {
    /// `validate`: nothing is wrong.
    Validated,
    /// `describe`, with the parameters that have no value.
    Described {
        /// Their names.
        missing: Vec<String>,
    },
    /// `preflight`.
    Preflight {
        /// Whether nothing stands in the way.
        good: bool,
    },
    /// `plan`.
    Planned {
        /// Of what.
        mode: Mode,
        /// Whether there is anything to do.
        changes: bool,
        /// Whether something is blocked or not ready.
        blocked: bool,
        /// Where the plan was saved.
        saved: Option<&'a Path>,
        /// Whether the stack has outputs.
        outputs: bool,
    },
    /// `plan diff`.
    Diffed {
        /// Whether something can't be told.
        unsure: bool,
        /// The plan with the change, where it was saved before.
        saved: Option<&'a Path>,
    },
    /// `apply` and `destroy`.
    Applied {
        /// Of what.
        mode: Mode,
        /// Whether everything ended well.
        good: bool,
        /// Whether the stack has outputs.
        outputs: bool,
    },
    /// `refresh`.
    Refreshed {
        /// Whether all is as last applied.
        good: bool,
    },
    /// `show` of everything, with a resource that there is.
    Shown(Option<Address>),
    /// `show ADDRESS`, `explain ADDRESS`.
    ShownOne(&'a Address),
    /// `log`.
    Logged,
    /// `log verify`: the log is good.
    LogVerified,
    /// `state list`, with a resource that there is.
    StateListed(Option<Address>),
    /// `state rm`, `mv`, `push`, `restore`.
    StateChanged,
    /// `unlock`.
    Unlocked,
    /// `output` of everything.
    Outputs {
        /// Whether one is not known.
        unknown: bool,
    },
}

/// Says what to do next with the same stack.
pub(crate) fn say(after: &After<'_>, stack: &StackOptions) {
    say_with(after, stack, None);
}

/// Says what to do next with the same stack, reached the same way.
pub(crate) fn say_with(after: &After<'_>, stack: &StackOptions, access: Option<&AccessOptions>) {
    say_command(&text(after, &Way { stack, access }));
}

/// Says a next step that needs no stack.
pub(crate) fn say_command(text: &str) {
    print(&format!("{} {}\n", styled(BOLD, "next:"), line(text)));
}

/// The options that lead to the stack.
struct Way<'a> {
    stack: &'a StackOptions,
    access: Option<&'a AccessOptions>,
}

fn text(after: &After<'_>, way: &Way<'_>) -> String {
    match after {
        After::Validated => way.to("preflight"),
        After::Described { missing } => missing
            .iter()
            .fold(way.to("preflight"), |text, name| format!("{text} --var {name}=VALUE")),
        After::Preflight { good: true } => way.to("plan"),
        After::Preflight { good: false } => {
            format!("do what the blocked lines say, then {}", way.to("preflight"))
        }
        After::Planned { changes: false, blocked: false, mode: Mode::Destroy, .. } => {
            way.to("plan")
        }
        After::Planned { changes: false, blocked: false, outputs: true, .. } => way.to("output"),
        After::Planned { changes: false, blocked: false, .. } => way.to("show"),
        After::Planned { blocked: true, mode, .. } => {
            format!("do what is said above, then {}", way.plan_of(*mode))
        }
        After::Planned { saved: Some(path), .. } => way.apply_of(&path.display().to_string()),
        After::Planned { mode: Mode::Apply, .. } => way.to("apply"),
        After::Planned { mode: Mode::Destroy, .. } => way.to("destroy"),
        After::Diffed { unsure: true, .. } => "do what is said above, then plan both again".into(),
        After::Diffed { saved: Some(path), .. } => way.apply_of(&path.display().to_string()),
        After::Diffed { saved: None, .. } => way.to("plan"),
        After::Applied { good: false, mode, .. } => {
            format!("do what is said above, then {}", way.plan_of(*mode))
        }
        After::Applied { good: true, mode: Mode::Destroy, .. } => way.to("show"),
        After::Applied { good: true, outputs: true, .. } => way.to("output"),
        After::Applied { good: true, .. } => way.to("show"),
        After::Refreshed { good: true } => way.to("show"),
        After::Refreshed { good: false } => way.to("plan"),
        After::Shown(Some(address)) | After::StateListed(Some(address)) => {
            way.to(&format!("show {address}"))
        }
        After::Shown(None) | After::StateListed(None) => way.to("apply"),
        After::ShownOne(address) => format!("{} --target {address}", way.to("plan")),
        After::Logged => way.to("log verify"),
        After::LogVerified => way.to("plan"),
        After::StateChanged | After::Unlocked => way.to("plan"),
        After::Outputs { unknown: true } => way.to("apply"),
        After::Outputs { unknown: false } => way.to("plan"),
    }
}

impl Way<'_> {
    fn plan_of(&self, mode: Mode) -> String {
        match mode {
            Mode::Apply => self.to("plan"),
            Mode::Destroy => format!("{} --destroy", self.to("plan")),
        }
    }

    /// A command for the same stack.
    fn to(&self, command: &str) -> String {
        let mut words = vec![format!("lkh {command}")];
        let mut add = |flag: &str, value: &str| words.push(format!("{flag} {}", word(value)));
        let stack = self.stack;
        if stack.dir != Path::new("manifests") {
            add("--dir", &stack.dir.display().to_string());
        }
        for assignment in &stack.vars {
            let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
            let hidden = stack.hidden.get().is_none_or(|hidden| hidden.contains(name.trim()));
            let value = if hidden { "VALUE" } else { value };
            add("--var", &format!("{name}={value}"));
        }
        for file in &stack.var_files {
            add("--var-file", &file.display().to_string());
        }
        self.add_way(&mut add);
        words.join(" ")
    }

    /// The command that carries out a saved plan, which holds the variables.
    fn apply_of(&self, file: &str) -> String {
        let mut words = vec![format!("lkh apply {}", word(file))];
        let mut add = |flag: &str, value: &str| words.push(format!("{flag} {}", word(value)));
        if self.stack.dir != Path::new("manifests") {
            add("--dir", &self.stack.dir.display().to_string());
        }
        self.add_way(&mut add);
        words.join(" ")
    }

    fn add_way(&self, add: &mut dyn FnMut(&str, &str)) {
        if let Some(directory) = &self.stack.state_dir {
            add("--state-dir", &directory.display().to_string());
        }
        if let Some(exec) = self.stack.exec {
            let mode = match exec {
                ExecMode::Docker => "docker",
                ExecMode::Local => "local",
                ExecMode::Sandbox => "sandbox",
            };
            add("--exec", mode);
        }
        let Some(access) = self.access else { return };
        let mut option = |flag: &str, value: Option<&str>| {
            if let Some(value) = value {
                add(flag, value);
            }
        };
        option("--profile", access.profile.as_deref());
        option("--region", access.region.as_deref());
        let kubeconfig = access.kubeconfig.as_ref().map(|path| path.display().to_string());
        option("--kubeconfig", kubeconfig.as_deref());
        option("--kube-context", access.kube_context.as_deref());
    }
}

/// A word as a person types it in a shell.
pub(crate) fn word(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
