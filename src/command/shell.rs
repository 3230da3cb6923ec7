//! The text of a script as `bash` gets it: inputs, arguments and the script
//! itself, all by standard input, so that no argv and no file holds them.
//!
//! Pure. This module must not know what a script is for.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// What `bash -c` is told: take the whole of standard input, close it, and run
/// it. The script itself then reads from the null device, and no tool that it
/// starts can read the text (and the secrets in it) again. No option of the
/// shell is set: `set -euo pipefail` is the script's own business.
pub const PROGRAM: &str = r#"lkh=$(cat) && exec </dev/null && eval "unset lkh; $lkh""#;

/// The key of the script's text: a text, or a list of lines.
pub const SCRIPT: &str = "script";
/// The key of the script's arguments: a list of texts.
pub const ARGS: &str = "args";
/// The key of the environment: a map of names to texts.
pub const INPUTS: &str = "inputs";

/// The text for standard input of a document with the three keys. What stands
/// before the script is on its first line, so that the numbers of lines in
/// messages are the script's own.
pub fn text(document: &Json) -> String {
    let mut text = String::new();
    if let Some(inputs) = document.get(INPUTS).and_then(Json::as_object) {
        for (name, value) in inputs {
            let _ = write!(text, "export {name}={}; ", quoted(&plain(value)));
        }
    }
    let args = document.get(ARGS).and_then(Json::as_array).filter(|args| !args.is_empty());
    if let Some(args) = args {
        text.push_str("set --");
        for arg in args {
            text.push(' ');
            text.push_str(&quoted(&plain(arg)));
        }
        text.push_str("; ");
    }
    match document.get(SCRIPT) {
        Some(Json::Array(lines)) => {
            let lines: Vec<_> = lines.iter().map(plain).collect();
            text.push_str(&lines.join("\n"));
        }
        Some(other) => text.push_str(&plain(other)),
        None => {}
    }
    text.push('\n');
    text
}

/// A text as it is, anything else as JSON writes it.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A word of the shell that stands for exactly this text, on one line.
fn quoted(text: &str) -> String {
    if text.contains('\n') {
        let escaped = text.replace('\\', r"\\").replace('\'', r"\'").replace('\n', r"\n");
        return format!("$'{escaped}'");
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_stands_in_an_input_stays_a_text() {
        let document = json!({
            "inputs": {"A": "it's $(touch x) `y` \\n", "B": "two\nlines' \\", "C": 5, "D": ""},
            "args": ["-x", "a b"],
            "script": ["#!/bin/bash", "echo \"$A\""],
        });
        assert_eq!(
            text(&document),
            "export A='it'\\''s $(touch x) `y` \\n'; export B=$'two\\nlines\\' \\\\'; \
             export C='5'; export D=''; set -- '-x' 'a b'; #!/bin/bash\necho \"$A\"\n"
        );
        assert_eq!(text(&json!({"script": "exit 3"})), "exit 3\n");
    }
}
