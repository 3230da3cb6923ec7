//! Runs the program in a directory of its own and holds what it said.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use insta::internals::SettingsBindDropGuard;
use serde_json::Value as Json;

/// The role that nodes take on, in the stack of the tests.
pub(crate) const NODE_ROLE: &str = "NodeRole";
/// The first managed policy of that role.
pub(crate) const WORKER_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
/// The second.
pub(crate) const CNI_POLICY: &str = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";

/// A directory with manifests in which the program is run.
pub(crate) struct TestEnvironment {
    root: tempfile::TempDir,
    _settings: SettingsBindDropGuard,
}

impl TestEnvironment {
    /// With the manifests of the tests (`tests/cli/stack`) and a sandbox that
    /// nobody has used yet.
    pub(crate) fn new() -> Self {
        let this = Self::empty();
        copy(&repository().join("tests/cli/stack"), &this.path("manifests"));
        this
    }

    /// With those manifests, applied.
    pub(crate) fn applied() -> Self {
        // Applied once; every test gets a copy of the files.
        static APPLIED: OnceLock<BTreeMap<PathBuf, Vec<u8>>> = OnceLock::new();
        let files = APPLIED.get_or_init(|| {
            let this = Self::new();
            this.apply();
            let mut files = BTreeMap::new();
            read_folder(this.root.path(), this.root.path(), &mut files);
            files
        });
        let this = Self::empty();
        for (path, bytes) in files {
            this.write(path.to_str().unwrap(), bytes);
        }
        this
    }

    /// With Karpenter alone, in the cluster that the sandbox brings.
    pub(crate) fn karpenter() -> Self {
        let this = Self::empty();
        copy(&repository().join("tests/stacks/karpenter"), &this.path("manifests"));
        this
    }

    /// With the manifests that the repository ships.
    pub(crate) fn shipped() -> Self {
        let this = Self::empty();
        copy(&repository().join("manifests"), &this.path("manifests"));
        this
    }

    fn empty() -> Self {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(repository().join("tests/cli/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (pattern, name) in [
            // Before the times: a run is named after one.
            (r"\b\d{14}-[0-9a-f]+\b", "[run]"),
            (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
            // Operations are counted as they begin.
            (r"\[time\] #\d+ ", "[time] #[n] "),
            (r"\b\d+\.\d s\b", "[seconds]"),
            (r"\bsha256:[0-9a-f]{64}", "sha256:[digest]"),
            (r"\b[0-9a-f]{32}\b", "[lineage]"),
            (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "[uuid]"),
            // What ends first is written first.
            (r"\bline \d+ of the apply log", "line [n] of the apply log"),
            // How often the state was written depends on how fast that is.
            (r"\bserial (\d+),", "serial [n],"),
            (r"\bserial=\d+", "serial=[n]"),
            (r"\bstate serial \d+", "state serial [n]"),
            (r"\bplan `[0-9a-f]{12}…`", "plan `[hash]…`"),
            (r"\bserial was (\d+) and is (\d+)", "serial was [n] and is [n]"),
            (r"\bkarpenter-[0-9a-f]{8,10}-[a-z0-9]{5}\b", "karpenter-[pod]"),
            (r"\bAROA[A-Z0-9]{17}\b", "[role id]"),
        ] {
            settings.add_filter(pattern, name);
        }
        Self { root: tempfile::tempdir().unwrap(), _settings: settings.bind_to_scope() }
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs the program with arguments that hold no space.
    pub(crate) fn run(&self, command: &str) -> Output {
        self.run_args(&command.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Runs the program with these arguments and this on its standard input.
    pub(crate) fn run_args(&self, args: &[&str], stdin: &str) -> Output {
        let home = self.path("home");
        fs::create_dir_all(&home).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(args)
            .current_dir(self.root.path())
            .env_clear()
            .env("HOME", home)
            .env("NO_COLOR", "1")
            .env("USER", "tester")
            // Which mistake is made (src/seeded.rs), if one is.
            .envs(std::env::var_os("LKH_SEEDED_BUG").map(|bug| ("LKH_SEEDED_BUG", bug)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| {
            let root = self.root.path().to_str().unwrap();
            String::from_utf8(bytes).unwrap().replace(root, "[root]")
        };
        Output {
            command: args.join(" "),
            code: output.status.code().expect("it was killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Applies everything, and insists that it ends well.
    pub(crate) fn apply(&self) -> String {
        self.run("apply --auto-approve").expect(0)
    }

    /// Deletes the cluster as someone does who deletes it outside, with all that
    /// is in it. The sandbox has no command for that, so its file is changed.
    pub(crate) fn delete_cluster(&self) {
        self.change_world(&serde_json::json!({
            "now": "2030-01-01T00:00:00Z",
            "put": {"k8s/unreachable": true},
            "removed": ["eks/us-east-2/cluster/testskillcluster"],
        }));
    }

    /// Lets the cluster's control plane not answer.
    pub(crate) fn unreachable(&self) {
        self.change_world(&serde_json::json!({
            "now": "2030-01-01T00:00:00Z",
            "put": {"k8s/unreachable": true},
        }));
    }

    /// Lets it answer again.
    pub(crate) fn reachable(&self) {
        self.change_world(&serde_json::json!({
            "now": "2030-01-01T00:00:00Z",
            "removed": ["k8s/unreachable"],
        }));
    }

    /// Makes a second cluster, as far as the AWS API tells: `othercluster`.
    pub(crate) fn second_cluster(&self) {
        let described = self.behind("aws eks describe-cluster --name testskillcluster");
        let described = described.replace("testskillcluster", "othercluster");
        let cluster: Json = serde_json::from_str(&described).unwrap();
        self.change_world(&serde_json::json!({
            "now": "2030-01-01T00:00:00Z",
            "put": {"eks/us-east-2/cluster/othercluster": cluster["cluster"]},
        }));
    }

    /// Appends a line to the file of the simulated account.
    pub(crate) fn change_world(&self, line: &Json) {
        let path = self.path("state/sandbox/world.jsonl");
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    /// The plan as data, whatever its exit code.
    pub(crate) fn plan(&self) -> Json {
        self.run("plan --json").json()
    }

    /// Plans, and insists that there is nothing to do.
    pub(crate) fn is_clean(&self) {
        let text = self.run("plan --detailed-exitcode").expect(0);
        assert!(text.contains("No changes. Everything is as declared"), "{text}");
    }

    /// Runs a command of a tool in the sandbox, behind the program's back.
    pub(crate) fn behind(&self, command: &str) -> String {
        self.run(&format!("sandbox run -- {command}")).expect(0)
    }

    /// What the state says; `None` where there is none.
    pub(crate) fn state(&self) -> Option<Json> {
        let text = fs::read_to_string(self.path("state/sandbox/small.json")).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// The titles of the changing commands that the apply log holds, in order.
    pub(crate) fn intents(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("state/sandbox/small.log.jsonl"));
        log.unwrap_or_default()
            .lines()
            .map(|line| serde_json::from_str::<Json>(line).unwrap())
            .filter(|entry| entry["event"] == "intended")
            .map(|entry| entry["title"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Every file of the state directory with its bytes, the sandbox's world
    /// included.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        read_folder(self.root.path(), &self.path("state"), &mut files);
        files
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces a text in a file that must hold it.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not hold {from:?}");
        self.write(name, text.replace(from, to));
    }

    /// Edits the plan in a file and seals it again, as one does who knows how
    /// that is done.
    pub(crate) fn edit_plan(&self, name: &str, edit: impl FnOnce(&mut Json)) {
        let mut sealed: Json = serde_json::from_str(&self.read(name)).unwrap();
        let before = sealed["plan"].clone();
        edit(&mut sealed["plan"]);
        assert_ne!(sealed["plan"], before, "nothing was edited");
        let plan: lkh::plan::Plan = serde_json::from_value(sealed["plan"].take()).unwrap();
        self.write(name, lkh::plan::file::to_bytes(&plan).unwrap());
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }
}

/// What a command said and how it ended.
#[must_use = "look at the output, or insist on its exit code"]
#[derive(Debug)]
pub(crate) struct Output {
    command: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Insists on an exit code; returns standard output.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self}");
        self.stdout
    }

    /// Insists on an exit code and on no data; returns standard error.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self}");
        assert_eq!(self.stdout, "", "data of a command that fails");
        self.stderr
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Standard error without the lines that tell how work goes on: resources
    /// are worked on side by side, so their order is any.
    pub(crate) fn complaints(&self) -> String {
        let is_progress = |line: &&str| {
            line.starts_with("Reading ")
                || line.split_once(": ").is_some_and(|(address, _)| {
                    address.contains('.') && !address.contains(char::is_whitespace)
                })
        };
        self.stderr
            .lines()
            .filter(|line| !is_progress(line))
            .fold(String::new(), |text, line| text + line + "\n")
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ lkh {}", self.command)?;
        f.write_str(&self.stdout)?;
        let complaints = self.complaints();
        if !complaints.is_empty() {
            write!(f, "--- stderr\n{complaints}")?;
        }
        if self.code != 0 {
            writeln!(f, "--- exit code {}", self.code)?;
        }
        Ok(())
    }
}

/// The differences that a plan names: address, field and where it comes from.
pub(crate) fn fields(plan: &Json) -> Vec<String> {
    let mut fields = Vec::new();
    for change in plan["changes"].as_array().unwrap() {
        for field in change["fields"].as_array().unwrap() {
            let path: Vec<_> =
                field["path"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
            fields.push(format!(
                "{} {} {}",
                text(&change["address"]),
                path.join(" "),
                text(&field["origin"])
            ));
        }
    }
    fields
}

/// What a plan does, without what stays as it is: address and action.
pub(crate) fn actions(plan: &Json) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap().iter();
    changes
        .filter(|change| change["action"] != "no-op")
        .map(|change| format!("{} {}", text(&change["address"]), text(&change["action"])))
        .collect()
}

/// The last line of what a command said, but for the next command.
pub(crate) fn conclusion(text: &str) -> &str {
    let lines = text.lines().rev();
    lines.into_iter().find(|line| !line.starts_with("next: ")).unwrap_or_default()
}

/// The change of one resource.
pub(crate) fn change<'a>(plan: &'a Json, address: &str) -> &'a Json {
    let mut changes = plan["changes"].as_array().unwrap().iter();
    changes.find(|change| change["address"] == address).expect("the plan names the resource")
}

/// A JSON text.
pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("no text: {json}"))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder by its path from the root.
fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, files);
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
