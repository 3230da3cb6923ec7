//! What is wrong with a spec beyond its schema, and a part of it as `bash` gets
//! it. This module must not read files.

use super::{ABSENT_CODES, INPUTS, OUTPUTS, Part, Spec};
use crate::adapter::helm_release::spec::seconds;
use crate::adapter::{Context, Problem};
use crate::command::shell;
use crate::value::{Map, Path, Value, is_sensitive_text, is_unknown_text};

/// Problems as they are found.
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, path: Path, summary: impl Into<String>, help: &str) {
        let help = Some(help.to_owned());
        self.0.push(Problem { path, summary: summary.into(), help });
    }

    /// A part as the document that `bash` gets, but for the inputs; its file's
    /// name beside it.
    pub(super) fn document(&mut self, name: &str, part: &Part, context: &Context) -> Option<Map> {
        let path = Path::new(name);
        let mut document = Map::new();
        let text = match (&part.file, &part.script) {
            (Some(file), None) => {
                if is_unknown_text(file) || is_sensitive_text(file) {
                    let help = "write the path, or use variables that are known";
                    self.add(path.join("file"), "the file must be known from the manifests", help);
                    return None;
                }
                document.insert("file".to_owned(), file.as_str().into());
                context.files.get(file).map_or("", String::as_str)
            }
            (None, Some(text)) => {
                if is_unknown_text(text) || is_sensitive_text(text) {
                    let what = "a script holds only what is known from the manifests, and nothing \
                                sensitive";
                    let help = "hand the value over in `inputs`, as an environment variable";
                    self.add(path.join("script"), what, help);
                    return None;
                }
                text.as_str()
            }
            (Some(_), Some(_)) | (None, None) => {
                let help = "write `file: PATH`, or `script: |` and the script itself";
                self.add(path, "a script is a file or a text: one of them", help);
                return None;
            }
        };
        if text.trim().is_empty() && !(part.file.is_some() && context.files.is_empty()) {
            self.add(path, "the script is empty", "write what it does");
            return None;
        }
        let lines = text.trim_end_matches('\n').split('\n').map(Value::from);
        document.insert(shell::SCRIPT.to_owned(), Value::List(lines.collect()));
        let first = text.lines().next().unwrap_or_default();
        let is_shell = |word: &str| matches!(word.rsplit('/').next(), Some("bash" | "sh" | "dash"));
        if first.starts_with("#!") && !first.split([' ', '!']).any(is_shell) {
            let what = format!("`{first}`: scripts run in bash");
            self.add(path, what, "call that program from a script of bash");
            return None;
        }
        if !part.args.is_empty() {
            for (index, arg) in part.args.iter().enumerate() {
                if is_unknown_text(arg) || is_sensitive_text(arg) {
                    let what = "an argument must be known from the manifests, and not sensitive";
                    let help = "hand the value over in `inputs`, as an environment variable";
                    self.add(path.join("args").join(index.to_string()), what, help);
                    return None;
                }
            }
            let args = part.args.iter().map(|arg| arg.as_str().into());
            document.insert(shell::ARGS.to_owned(), Value::List(args.collect()));
        }
        Some(document)
    }

    pub(super) fn check(&mut self, spec: &Spec) {
        for name in spec.inputs.keys() {
            let path = Path::new(INPUTS).join(name);
            if !is_variable(name) {
                let help = "use letters, digits and `_`, a letter first";
                self.add(path, format!("`{name}` can't be the name of a variable"), help);
            } else if is_reserved(name) {
                let what = format!("`{name}` is set by lkh or by bash");
                self.add(path, what, "choose another name");
            }
        }
        if !seconds(&spec.timeout).is_some_and(|seconds| (1..=86_400).contains(&seconds)) {
            let what = format!("`{}` is not a time that a script may take", spec.timeout);
            self.add(Path::new("timeout"), what, "write 90s, 10m or 1h30m: a second to a day");
        }
        for (index, code) in spec.absent_codes.iter().enumerate() {
            if !(3..=125).contains(code) {
                let path = Path::new(ABSENT_CODES).join(index.to_string());
                let what = format!("{code} does not say absent: bash itself ends with it");
                self.add(path, what, "let the script `exit` with a code from 3 to 125");
            }
        }
        for (index, name) in spec.outputs.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if is_sensitive_text(name) || name.is_empty() || !name.chars().all(plain) {
                let path = Path::new(OUTPUTS).join(index.to_string());
                let help = "use letters, digits, `_` and `-`";
                self.add(path, "this can't be the name of an output", help);
            }
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Variables that lead the shell or the tools elsewhere.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "HOME",
        "IFS",
        "ENV",
        "SHELLOPTS",
        "UID",
        "EUID",
        "PPID",
        "GROUPS",
        "TMPDIR",
        "lkh",
        "_",
    ];
    const BEGINNINGS: [&str; 6] = ["BASH", "LD_", "AWS_", "KUBE", "HELM_", "DOCKER_"];
    NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}
