//! Canaries: secrets of every spelling go wherever a stack lets them, through
//! every command, and are then looked for in all that the program says, keeps
//! or hands to a process where others could see it.
//!
//! The tools are fakes that write whatever they were given, their whole
//! standard input and their environment, to standard error, as a careless tool
//! does, and then fail or not. What they see is kept aside, so that the test
//! knows that the secrets did arrive.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The secrets. Each is given as a sensitive variable of this name.
const CANARIES: &[(&str, &str)] = &[
    ("token", "canary-Zq8xW2vT7pLk"),
    ("odd", "k9$w\"Yt'x &%/+J4mQ<v>\\7d"),
    ("lines", "-----BEGIN-----\nVx3nHs8dLw0qEr5t\n-----END-----"),
    ("pin", "90417326581"),
];

/// A text that a fake tool's directory holds: what the tool does.
const TOOL: &str = r#"#!/bin/sh
input=$(cat)
printf '%s\n' "$0 $*" >> "$SEEN/argv"
env >> "$SEEN/environment"
printf '%s\n' "$input" >> "$SEEN/input"
printf 'argv: %s\ninput: %s\nhex: %s\nbase64: %s\n' "$*" "$input" \
    "$(printf %s "$input" | od -An -tx1 | tr -d ' \n')" \
    "$(printf %s "$input" | base64 | tr -d '\n')" >&2
exit 1
"#;

/// A secret with an entry of each variable and one that is generated, and an
/// object that holds one: through all of their lives.
const INSIDE: &str = r#"
apiVersion: lkh/v1
kind: KubernetesSecret
metadata: {name: app}
spec:
  namespace: default
  onDelete: delete
  data:
    made: {generate: {prefix: tok_, length: 24}}
    token: {value: "${var.token}"}
    odd: {value: "${var.odd}"}
    lines: {value: "${var.lines}"}
    pin: {value: "${var.pin}"}
---
apiVersion: lkh/v1
kind: KubernetesObject
metadata: {name: settings}
spec:
  manifest:
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings, namespace: default}
    data: {url: "https://x:${var.token}@y"}
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
        fs::create_dir(place.path("manifests")).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            fs::copy(&path, place.path("manifests").join(name)).unwrap();
        }
        let declared = CANARIES
            .iter()
            .fold(String::new(), |text, (name, _)| text + "    " + name + ": {sensitive: true}\n");
        place.edit("manifests/stack.yaml", "  variables:\n", &format!("  variables:\n{declared}"));
        place.edit(
            "manifests/karpenter.yaml",
            "  values:\n",
            "  values:\n    additionalAnnotations:\n      a: prefix-${var.token}-suffix\n      \
             b: ${var.odd}\n      c: \"${var.lines}\"\n      d: \"pin=${var.pin}\"\n",
        );
        let given: BTreeMap<_, _> = CANARIES.iter().copied().collect();
        fs::write(place.path("secret.vars"), serde_json::to_string(&given).unwrap()).unwrap();
        for folder in ["bin", "seen", "home"] {
            fs::create_dir(place.path(folder)).unwrap();
        }
        for tool in ["aws", "helm", "kubectl"] {
            let path = place.path("bin").join(tool);
            fs::write(&path, TOOL).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        place
    }

    /// An entry of the secret, as the sandbox has it.
    fn made(&self, entry: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(["sandbox", "run", "--", "kubectl", "get", "secret", "app", "-o"])
            .arg(format!("jsonpath={{.data.{entry}}}"))
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let file = self.path("encoded");
        fs::write(&file, &output.stdout).unwrap();
        let output = Command::new("base64").arg("-d").arg(&file).output().unwrap();
        fs::remove_file(file).unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`Self::hides`], and a generated entry as well.
    fn hides_made(&self, made: &str, command: &str, code: i32) {
        let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(command.split_whitespace())
            .args(["--var-file", "secret.vars"])
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
        let letters = made.trim_start_matches("tok_");
        let hidden = |place: &str, text: &str| {
            let encoded = base64(made.as_bytes());
            assert!(!text.contains(letters) && !text.contains(&encoded[..12]), "{place}: {text}");
        };
        for (what, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            clean(&format!("{what} of lkh {command}"), &String::from_utf8_lossy(bytes));
            hidden(what, &String::from_utf8_lossy(bytes));
        }
        self.keeps_none();
        for entry in fs::read_dir(self.path("state/sandbox")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("world.jsonl") {
                hidden(&path.display().to_string(), &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from));
        fs::write(self.path(name), text.replace(from, to)).unwrap();
    }

    /// Runs a command with the secrets, looks for them in what it says, and
    /// returns its exit code.
    fn hides(&self, command: &str) -> i32 {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(command.split_whitespace())
            .args(["--var-file", "secret.vars"])
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("LC_SEEN", "x")
            .env("AWS_SEEN", "x")
            .output()
            .unwrap();
        for (what, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            clean(&format!("{what} of lkh {command}"), &String::from_utf8_lossy(bytes));
        }
        output.status.code().expect("it was not killed")
    }

    /// Looks for the secrets in every file but those that hold them on purpose.
    fn keeps_none(&self) {
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if !matches!(name, "secret.vars" | "world.jsonl" | "input" | "kubectl.input")
                {
                    let bytes = fs::read(&path).unwrap();
                    clean(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
                }
            }
        }
    }
}

/// Every spelling of a secret, and the parts of it that tell too much.
fn spellings(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let inner = json.trim_matches('"').to_owned();
    let url: String = secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let hex = hex::encode(secret);
    let mut all = vec![inner, url, hex.to_uppercase(), hex];
    // Of the secret itself, every stretch of eight characters.
    let chars: Vec<char> = secret.chars().filter(|c| *c != '\n').collect();
    all.extend(chars.windows(8).map(|part| part.iter().collect::<String>()));
    for shift in 0..3 {
        // What of its base64 does not depend on its neighbours.
        let bytes = [&b"xx"[..shift], secret.as_bytes()].concat();
        let whole = base64(&bytes);
        let skipped = if shift == 0 { 0 } else { 4 };
        let part = whole.get(skipped..whole.len() - 4).unwrap_or("");
        all.push(part.to_owned());
    }
    all.retain(|spelling| spelling.len() >= 8 && !spelling.starts_with("-----"));
    all
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(SIGNS[(group >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}

#[track_caller]
fn clean(place: &str, text: &str) {
    for (name, secret) in CANARIES {
        for spelling in spellings(secret) {
            // A frame of dashes is in every key and tells nothing.
            if spelling.chars().filter(|c| *c == '-').count() > 3 {
                continue;
            }
            if let Some(at) = text.find(&spelling) {
                let from = text[..at].char_indices().rev().nth(60).map_or(0, |(index, _)| index);
                panic!(
                    "{place} holds {spelling:?} of {name}: {}",
                    &text[from..at + spelling.len()]
                );
            }
        }
    }
}

#[test]
fn nothing_in_a_whole_life_tells_a_secret() {
    let place = Place::new();
    for (command, code) in [
        ("validate", 0),
        ("validate --json", 0),
        ("plan --show-commands", 0),
        ("plan --json", 0),
        ("plan --out it.plan", 0),
        ("graph", 0),
        ("apply it.plan", 0),
        ("show", 0),
        ("show --json", 0),
        ("show HelmRelease.karpenter", 0),
        ("show HelmRelease.karpenter --json", 0),
        ("refresh", 0),
        ("refresh --json", 0),
        ("plan --detailed-exitcode --show-unchanged", 0),
        ("apply --auto-approve --json", 0),
        ("destroy --auto-approve --json", 0),
        ("show --json", 0),
    ] {
        assert_eq!(place.hides(command), code, "{command}");
        place.keeps_none();
    }
    // They did go where they belong.
    let world = fs::read_to_string(place.path("state/sandbox/world.jsonl")).unwrap();
    assert!(world.contains("canary-Zq8xW2vT7pLk"), "the release was given its values");
}

#[test]
fn nothing_in_the_life_of_a_kubernetes_secret_tells_it() {
    let place = Place::new();
    fs::write(place.path("manifests/inside.yaml"), INSIDE).unwrap();
    for command in [
        "validate",
        "plan --show-commands",
        "plan --out it.plan",
        "apply it.plan",
        "plan --json",
        "show KubernetesSecret.app --json",
        "refresh",
    ] {
        assert_eq!(place.hides(command), 0, "{command}");
        place.keeps_none();
    }
    let made = place.made("made");
    assert_eq!(made.len(), "tok_".len() + 24);
    place.hides_made(&made, "show --json", 0);
    // Others change an entry, and the object.
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lkh"));
        let command = command.current_dir(place.0.path()).args(["sandbox", "run", "--", "kubectl"]);
        assert!(command.args(args).output().unwrap().status.success());
    };
    let json = r#"{"data":{"pin":"eA=="}}"#;
    run(&["patch", "secret", "app", "-n", "default", "--type=merge", "-p", json]);
    let json = r#"{"data":{"url":"https://elsewhere"}}"#;
    run(&["patch", "configmap", "settings", "-n", "default", "--type=merge", "-p", json]);
    place.hides_made(&made, "plan --show-commands --detailed-exitcode", 2);
    place.hides_made(&made, "apply --auto-approve --json", 0);
    assert_eq!(place.made("made"), made, "it was made once");
    assert_eq!(place.made("pin"), "90417326581");
    place.hides_made(&made, "destroy --auto-approve", 0);
    place.hides_made(&made, "log --json", 0);
}

#[test]
fn a_tool_that_tells_everything_is_not_repeated() {
    let place = Place::new();
    let tool = TOOL.replace("$SEEN", &place.path("seen").display().to_string());
    for name in ["aws", "helm", "kubectl"] {
        fs::write(place.path("bin").join(name), &tool).unwrap();
    }
    // Without a cluster in the way, Helm is asked at once.
    fs::write(place.path("kubeconfig"), "{}").unwrap();
    let identity = tool.replace(
        "exit 1",
        "case \"$1 $2\" in\n'sts get-caller-identity') echo '{\"Account\": \"111122223333\", \
         \"Arn\": \"arn:aws:iam::111122223333:user/x\", \"UserId\": \"x\"}'; exit 0;;\nesac\nexit 1",
    );
    fs::write(place.path("bin/aws"), identity).unwrap();
    for file in ["cluster.yaml", "controller.yaml", "node.yaml", "spot.yaml"] {
        fs::remove_file(place.path("manifests").join(file)).unwrap();
    }
    place.edit("manifests/karpenter.yaml", "${EksCluster.main.name}", "lake");
    place.edit(
        "manifests/karpenter.yaml",
        "dependsOn:\n  - phase.foundation\n  - PodIdentityAssociation.karpenter\n  - \
         EksAccessEntry.node\n",
        "",
    );
    // Helm knows no release yet, renders nothing, and fails in every other way.
    let helm = tool.replace(
        "exit 1",
        "case \"$1\" in\nstatus|get|history) echo 'Error: release: not found' >&2; exit 1;;\n\
         template) exit 0;;\nesac\nexit 1",
    );
    // The same of kubectl: nothing is there, and what is to be made fails.
    fs::write(place.path("manifests/inside.yaml"), INSIDE).unwrap();
    let kubectl = tool.replace(
        "exit 1",
        "printf '%s\\n' \"$input\" >> \"$0.input\"\ncase \"$1\" in\nget) exit 0;;\nesac\nexit 1",
    );
    fs::write(place.path("bin/kubectl"), kubectl).unwrap();
    for text in [helm, tool] {
        fs::write(place.path("bin/helm"), text).unwrap();
        for command in [
            "plan",
            "plan --json",
            "apply --auto-approve",
            "apply --auto-approve --json",
            "refresh",
        ] {
            let options = "--exec local --region us-east-2 --kubeconfig kubeconfig";
            place.hides(&format!("{command} {options}"));
            place.keeps_none();
        }
    }
    let seen = fs::read_to_string(place.path("seen/input")).unwrap();
    for (_, secret) in CANARIES {
        let json = serde_json::to_string(secret).unwrap();
        assert!(seen.contains(json.trim_matches('"')), "{secret} went by standard input: {seen}");
    }
    // What was generated went to kubectl, which told it, and nobody repeated it.
    let given = fs::read_to_string(place.path("bin/kubectl.input")).unwrap();
    let (_, made) = given.split_once("\"made\":\"tok_").unwrap();
    let made: String = made.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert_eq!(made.len(), 24);
    for entry in fs::read_dir(place.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!fs::read_to_string(&path).unwrap().contains(&made), "{}", path.display());
        }
    }
    assert!(place.path("seen/argv").exists() && place.path("seen/environment").exists());
}
