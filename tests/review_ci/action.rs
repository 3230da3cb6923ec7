//! What a runner does with `action.yml` and `ci/gitlab.yml`, as far as they use
//! it: the scripts are run as they stand there, with the variables of there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::forge::{Forge, MERGED, PULL, TOKEN};

/// A checkout with manifests, and a machine whose programs note their argv.
pub struct Machine {
    pub place: tempfile::TempDir,
    pub forge: Forge,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub told: String,
    pub outputs: BTreeMap<String, String>,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn yaml(path: &str) -> Json {
    serde_yaml::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

impl Machine {
    pub fn new() -> Self {
        let machine = Self { place: tempfile::tempdir().unwrap(), forge: Forge::start() };
        fs::create_dir(machine.path("bin")).unwrap();
        fs::create_dir_all(machine.path("work/manifests")).unwrap();
        for program in ["curl", "jq"] {
            machine.note(program, &found(program));
        }
        machine.note("lkh", Path::new(env!("CARGO_BIN_EXE_lkh")));
        for entry in fs::read_dir(root().join("tests/cli/stack")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            fs::copy(&path, machine.path(&format!("work/manifests/{name}"))).unwrap();
        }
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A program that notes how it is called, and is the real one.
    fn note(&self, name: &str, real: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(&format!("bin/{name}"));
        let argv = self.path("argv");
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >>'{}'\nexec '{}' \"$@\"\n",
            argv.display(),
            real.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Every argv since the last time.
    pub fn argvs(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("argv")).unwrap_or_default();
        let _ = fs::remove_file(self.path("argv"));
        text.lines().map(str::to_owned).collect()
    }

    pub fn manifest(&self, name: &str, change: impl Fn(&str) -> String) {
        let path = self.path(&format!("work/manifests/{name}"));
        let before = fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after);
        fs::write(path, after).unwrap();
    }

    pub fn lkh(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(arguments)
            .env_clear()
            .current_dir(self.path("work"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }

    /// Runs a script with the variables of a runner and no other.
    fn bash(&self, script: &str, variables: &BTreeMap<String, String>) -> Ran {
        let outputs = self.path("outputs");
        fs::write(&outputs, "").unwrap();
        let bins = std::env::var("PATH").unwrap();
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script])
            .env_clear()
            .env("PATH", format!("{}:{bins}", self.path("bin").display()))
            .env("GITHUB_OUTPUT", &outputs)
            .envs(variables)
            .current_dir(self.path("work"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let given = fs::read_to_string(&outputs).unwrap();
        let outputs = given.lines().filter_map(|line| line.split_once('='));
        Ran {
            code: output.status.code().unwrap_or(-1),
            told,
            outputs: outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// Runs the action, step after step: on the pull request for `plan`, on its
    /// merge as this commit for `apply`.
    pub fn action(&self, command: &str, sha: &str, args: &str) -> Ran {
        let action = yaml("action.yml");
        let mut known = BTreeMap::from([
            ("github.token".to_owned(), TOKEN.to_owned()),
            ("github.action_path".to_owned(), root().display().to_string()),
        ]);
        for (name, input) in action["inputs"].as_object().unwrap() {
            let value = resolved(input["default"].as_str().unwrap(), &known);
            known.insert(format!("inputs.{name}"), value);
        }
        known.insert("inputs.command".into(), command.into());
        known.insert("inputs.args".into(), args.into());
        if command == "plan" {
            known.insert("github.event.pull_request.number".into(), PULL.to_string());
        }
        let mut all = Ran { code: 0, told: String::new(), outputs: BTreeMap::new() };
        for step in action["runs"]["steps"].as_array().unwrap() {
            if !applies(step["if"].as_str().unwrap_or("success()"), &known, all.code == 0) {
                continue;
            }
            let id = step["id"].as_str().unwrap_or_default().to_owned();
            let Some(script) = step["run"].as_str() else {
                // The upload: its files are there, and it tells where they went.
                let folder = self.path("work").join(step["with"]["path"].as_str().unwrap());
                for file in [
                    "plan.md",
                    "plan.html",
                    "plan.json",
                    "plan.txt",
                    "plan.tfplan.json",
                    "delta.tfplan.json",
                    "gitlab.json",
                ] {
                    assert!(folder.join(file).is_file(), "{file}");
                }
                let url = "https://forge.test/artifact".to_owned();
                known.insert(format!("steps.{id}.outputs.artifact-url"), url);
                continue;
            };
            assert!(!script.contains("${{"), "an expression in a script: {script}");
            let mut variables: BTreeMap<String, String> = BTreeMap::from([
                ("GITHUB_API_URL".into(), self.forge.url.clone()),
                ("GITHUB_REPOSITORY".into(), "o/r".into()),
                ("GITHUB_SHA".into(), sha.into()),
                ("GITHUB_STEP_SUMMARY".into(), self.path("summary").display().to_string()),
            ]);
            for (name, value) in step["env"].as_object().into_iter().flatten() {
                variables.insert(name.clone(), resolved(value.as_str().unwrap(), &known));
            }
            let ran = self.bash(script, &variables);
            for (name, value) in &ran.outputs {
                known.insert(format!("steps.{id}.outputs.{name}"), value.clone());
            }
            all.told.push_str(&ran.told);
            all.outputs.extend(ran.outputs);
            // The first step that fails is what the action ends with.
            all.code = if all.code == 0 { ran.code } else { all.code };
        }
        all
    }

    /// Runs a job of the GitLab template.
    pub fn job(&self, name: &str, args: &str) -> Ran {
        let template = yaml("ci/gitlab.yml");
        let link = self.path("work/ci");
        if !link.exists() {
            fs::create_dir(&link).unwrap();
            std::os::unix::fs::symlink(root().join("ci"), link.join("lkh")).unwrap();
        }
        let mut variables: BTreeMap<String, String> = BTreeMap::from([
            ("CI_API_V4_URL".into(), self.forge.url.clone()),
            ("CI_PROJECT_ID".into(), "9".into()),
            ("CI_COMMIT_SHA".into(), MERGED.into()),
            ("CI_MERGE_REQUEST_IID".into(), PULL.to_string()),
            ("CI_JOB_URL".into(), "https://forge.test/job".into()),
            ("LKH_TOKEN".into(), TOKEN.into()),
            ("LKH_ARGS".into(), args.into()),
        ]);
        for job in [".lkh", name] {
            for (name, value) in template[job]["variables"].as_object().into_iter().flatten() {
                let mut value = value.as_str().unwrap().to_owned();
                for (other, known) in variables.clone() {
                    value = value.replace(&format!("${other}"), &known);
                }
                variables.insert(name.clone(), value);
            }
        }
        let lines = template[name]["script"].as_array().unwrap();
        let script: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
        self.bash(&script.join("\n"), &variables)
    }
}

fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap()
}

/// A text with its expressions replaced.
fn resolved(text: &str, known: &BTreeMap<String, String>) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").unwrap();
        done.push_str(before);
        done.push_str(known.get(expression.trim()).map_or("", String::as_str));
        rest = after;
    }
    done + rest
}

/// Whether a step is run: conditions joined by `&&`.
fn applies(condition: &str, known: &BTreeMap<String, String>, good: bool) -> bool {
    let always = condition.contains("always()");
    let holds = |one: &str| {
        if matches!(one, "always()" | "success()") {
            return true;
        }
        let (name, equal, value) = match (one.split_once(" == "), one.split_once(" != ")) {
            (Some((name, value)), _) => (name, true, value),
            (_, Some((name, value))) => (name, false, value),
            _ => panic!("no condition that is known here: {one}"),
        };
        let is =
            known.get(name.trim()).map_or("", String::as_str) == value.trim().trim_matches('\'');
        is == equal
    };
    (good || always) && condition.split("&&").all(|one| holds(one.trim()))
}
