//! A case's stage: a world, manifests and state of its own; runs `lkh` on them
//! and reads what it answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::servers::Servers;
use crate::stacks;
use crate::tools::{IMAGE, Tools};
use crate::world::{Backend, Real, Sandbox, World};

/// The stage of one case; its files go away with it.
pub struct Stage {
    /// Which world it is.
    pub backend: Backend,
    /// The world.
    pub world: Box<dyn World>,
    /// The tools.
    pub tools: Arc<Tools>,
    folder: TempDir,
    variables: Mutex<BTreeMap<String, String>>,
    environment: Mutex<BTreeMap<String, String>>,
}

impl Stage {
    /// A new world with an empty directory of manifests and no state.
    /// With `cold`, every call of the real `aws` is a process of its own.
    pub fn new(
        backend: Backend,
        case: &str,
        cold: bool,
        tools: &Arc<Tools>,
        servers: &Servers,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix(case).tempdir().unwrap();
        let state = folder.path().join("state");
        let world: Box<dyn World> = match backend {
            Backend::Sandbox => Box::new(Sandbox::new(&state)),
            Backend::Real | Backend::Docker => {
                let of_world = folder.path().join("world");
                fs::create_dir(&of_world).unwrap();
                let in_container = backend == Backend::Docker;
                Box::new(Real::new(in_container, cold, &of_world, tools, servers))
            }
        };
        let stage = Self {
            backend,
            world,
            tools: Arc::clone(tools),
            folder,
            variables: Mutex::default(),
            environment: Mutex::default(),
        };
        fs::create_dir(stage.manifests()).unwrap();
        stage.set("cluster", stage.world.cluster());
        stage
    }

    /// With `LKH_TEST_CALLS` naming a folder, writes down there what `lkh` has
    /// started: nearly all of a real case's time is theirs.
    pub fn write_calls(&self, case: &str) {
        if let (Some(folder), Some(trace)) =
            (std::env::var_os("LKH_TEST_CALLS"), self.world.trace())
        {
            fs::write(Path::new(&folder).join(case), trace.join("\n") + "\n").unwrap();
        }
    }

    /// The directory of the manifests.
    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// The directory that state and log are in.
    pub fn state(&self) -> PathBuf {
        let state = self.folder.path().join("state");
        if self.backend == Backend::Sandbox { state.join("sandbox") } else { state }
    }

    /// A folder for files of the case's own.
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Everything below the case's folder that `lkh` could have written to,
    /// with its content. Not the sandbox's account itself.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files.retain(|path, _| !path.ends_with("argv.log") && !path.ends_with("world.jsonl"));
        files
    }

    /// Gives a variable of the stack.
    pub fn set(&self, name: &str, value: &str) {
        self.variables.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// Lets the sandbox find `bash` and what scripts use beside it; elsewhere
    /// they find more already.
    pub fn find_programs(&self) {
        if self.backend == Backend::Sandbox {
            let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
            self.environment.lock().unwrap().extend([path]);
        }
    }

    /// Copies the manifests of the Karpenter phase, to be applied with a chart that
    /// the real tools can reach.
    pub fn ship(&self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("tests/stacks/karpenter"), &self.manifests());
        self.set("toolboxImage", IMAGE);
        self.set("karpenterChart", &self.karpenter());
    }

    /// Writes a small stack of the case's own.
    pub fn write_stack(&self, files: &[(&str, &str)]) {
        self.write("stack.yaml", &stacks::stack());
        for (name, text) in files {
            self.write(name, text);
        }
    }

    /// Writes a file beside the manifests.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.manifests().join(name), text).unwrap();
    }

    /// Replaces text in a manifest.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let file = self.manifests().join(name);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{name} does not hold {from}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    /// Copies a chart of `tests/charts` to where the tools see it, and says
    /// where that is as a manifest does.
    pub fn chart(&self, name: &str) -> String {
        // Not a manifest: directories that begin with a dot are not read.
        let place = self.manifests().join(".charts").join(name);
        if !place.exists() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            copy(&root.join("tests/charts").join(name), &place);
        }
        format!("./.charts/{name}")
    }

    /// The chart of Karpenter, as a manifest names it.
    pub fn karpenter(&self) -> String {
        if self.backend == Backend::Sandbox {
            "oci://public.ecr.aws/karpenter/karpenter".to_owned()
        } else {
            self.chart("karpenter")
        }
    }

    /// Where such a chart is.
    pub fn chart_folder(&self, name: &str) -> PathBuf {
        self.manifests().join(self.chart(name))
    }

    /// Removes state and log, as if they had never been.
    pub fn lose_state(&self) {
        for entry in fs::read_dir(self.state()).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("world.jsonl") {
                fs::remove_file(path).unwrap();
            }
        }
    }

    /// The state of the stack; null where there is none.
    pub fn state_json(&self) -> Json {
        let found = fs::read_dir(self.state()).into_iter().flatten().flatten();
        let states = found
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let states: Vec<_> = states.collect();
        match states.as_slice() {
            [] => Json::Null,
            [one] => serde_json::from_str(&fs::read_to_string(one).unwrap()).unwrap(),
            many => panic!("more than one state: {many:?}"),
        }
    }

    /// The changing commands that the log says were intended, in order, each
    /// with its resource.
    pub fn intents(&self) -> Vec<(String, String)> {
        let found = fs::read_dir(self.state()).into_iter().flatten().flatten();
        let log = found
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().ends_with(".log.jsonl"));
        let text = log.map(|log| fs::read_to_string(log).unwrap()).unwrap_or_default();
        // The last line may be one that was begun by a run that was killed.
        text.lines()
            .filter_map(|line| serde_json::from_str::<Json>(line).ok())
            .filter(|line| line["event"] == "intended")
            .map(|line| (owned(&line["address"]), owned(&line["command"])))
            .collect()
    }

    /// The resources that changing commands were intended for, from the log's
    /// `start`th command on, in the order of their first.
    pub fn touched(&self, start: usize) -> Vec<String> {
        let mut touched = Vec::new();
        for (address, _) in self.intents().split_off(start) {
            if !touched.contains(&address) {
                touched.push(address);
            }
        }
        touched
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lkh"));
        command
            .env_clear()
            .envs(self.world.environment())
            .envs(&*self.environment.lock().unwrap())
            .current_dir(self.folder.path())
            .args(args)
            .args(["--dir", "manifests", "--state-dir", "state"])
            .args(self.world.flags())
            .stdin(Stdio::null());
        let live = ["plan", "apply", "destroy", "refresh", "preflight", "status"];
        if args.first().is_some_and(|command| live.contains(command)) {
            command.args(self.world.live_flags());
        }
        for (name, value) in &*self.variables.lock().unwrap() {
            command.arg("--var").arg(format!("{name}={value}"));
        }
        command
    }

    /// Runs a command of `lkh` to its end.
    pub fn lkh(&self, args: &[&str]) -> Run {
        self.lkh_with(args, &[])
    }

    /// The same with more variables in its environment, or others; none of
    /// that name where the value is empty.
    pub fn lkh_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = self.command(args);
        for (name, value) in environment {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        let output = command.output().unwrap();
        Run {
            args: args.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command of `lkh`.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Plans; the plan is a good one.
    pub fn plan(&self) -> Plan {
        self.plan_with(&[])
    }

    /// The same with more arguments.
    pub fn plan_with(&self, args: &[&str]) -> Plan {
        let args: Vec<_> =
            ["plan", "--json", "--detailed-exitcode"].iter().chain(args).copied().collect();
        let run = self.lkh(&args);
        assert!(run.stdout.starts_with('{'), "no plan: {run}");
        Plan { json: serde_json::from_str(&run.stdout).unwrap(), code: run.code }
    }

    /// Applies without asking, and expects it to end well.
    pub fn apply(&self) -> Run {
        self.lkh(&["apply", "--auto-approve"]).expect(0)
    }

    /// Nothing is to do.
    pub fn expect_clean(&self) {
        let plan = self.plan();
        assert!(plan.code == 0 && plan.changed().is_empty(), "not clean: {plan}");
    }

    /// Runs a tool past `lkh`, which must succeed.
    pub fn run(&self, tool: &str, args: &[&str]) -> String {
        let output = self.world.run(tool, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool} {}: {stderr}", args.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `aws` past `lkh`; what it answers, null where that is nothing.
    pub fn aws(&self, args: &str) -> Json {
        self.aws_with(args, &[])
    }

    /// The same with arguments that hold spaces.
    pub fn aws_with(&self, args: &str, more: &[&str]) -> Json {
        let args: Vec<_> = args.split(' ').chain(more.iter().copied()).collect();
        let text = self.run("aws", &args);
        if text.trim().is_empty() { Json::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// What `aws` says when it fails.
    pub fn aws_error(&self, args: &str) -> String {
        let output = self.world.run("aws", &args.split(' ').collect::<Vec<_>>());
        assert!(!output.status.success(), "aws {args} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs `helm` past `lkh`.
    pub fn helm(&self, args: &str) -> Json {
        let args: Vec<_> = args.split(' ').chain(["-o", "json"]).collect();
        serde_json::from_str(&self.run("helm", &args)).unwrap()
    }

    /// Gets something with `kubectl` past `lkh`.
    pub fn kubectl_get(&self, args: &str) -> Json {
        let args: Vec<_> =
            ["get"].into_iter().chain(args.split(' ')).chain(["-o", "json"]).collect();
        serde_json::from_str(&self.run("kubectl", &args)).unwrap()
    }
}

/// A finished run of `lkh`.
#[derive(Debug)]
pub struct Run {
    args: String,
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { args, code, stdout, stderr } = self;
        write!(f, "lkh {args} ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

impl Run {
    /// Expects this exit code.
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "not {code}: {self}");
        self
    }

    /// Expects all of these texts in what it prints to either side.
    pub fn expect_says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stdout.contains(text) || self.stderr.contains(text),
                "no {text:?}: {self}"
            );
        }
        self
    }
}

/// A plan, and the exit code that it came with.
pub struct Plan {
    /// The plan as `lkh` prints it for machines.
    pub json: Json,
    /// The exit code.
    pub code: i32,
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n{:#}", self.code, self.json["changes"])
    }
}

impl Plan {
    /// What is planned for a resource.
    pub fn of(&self, address: &str) -> &Json {
        let changes = self.json["changes"].as_array().unwrap();
        changes
            .iter()
            .find(|change| change["address"] == address)
            .unwrap_or_else(|| panic!("{address} is not planned: {self}"))
    }

    /// The action for a resource.
    pub fn action(&self, address: &str) -> &str {
        self.of(address)["action"].as_str().unwrap()
    }

    /// The resources that something happens to, with the action.
    pub fn changed(&self) -> Vec<(&str, &str)> {
        let changes = self.json["changes"].as_array().unwrap();
        changes
            .iter()
            .map(|change| (change["address"].as_str().unwrap(), change["action"].as_str().unwrap()))
            .filter(|(_, action)| !matches!(*action, "no-op" | "check"))
            .collect()
    }

    /// The fields of a resource that differ, each `a/b/c`, with the origin.
    pub fn fields(&self, address: &str) -> Vec<(String, String)> {
        let fields = self.of(address)["fields"].as_array().unwrap();
        fields.iter().map(|field| (path(&field["path"]), owned(&field["origin"]))).collect()
    }

    /// What others put on a resource, each `a/b/c`.
    pub fn foreign(&self, address: &str) -> Vec<String> {
        let foreign = self.of(address)["foreign"].as_array().unwrap();
        foreign.iter().map(|one| path(&one["path"])).collect()
    }

    /// The commands that are planned for a resource.
    pub fn commands(&self, address: &str) -> Vec<String> {
        let commands = self.of(address)["commands"].as_array().unwrap();
        commands.iter().map(|command| texts(&command["argv"]).join(" ")).collect()
    }

    /// Only this resource changes, by this action.
    pub fn expect_only(&self, address: &str, action: &str) -> &Self {
        assert_eq!(self.changed(), [(address, action)], "{self}");
        self
    }

    /// Exactly these fields of a resource differ, all by drift.
    pub fn expect_drift(&self, address: &str, fields: &[&str]) -> &Self {
        let expected: Vec<_> =
            fields.iter().map(|field| ((*field).to_owned(), "drift".to_owned())).collect();
        assert_eq!(self.fields(address), expected, "{self}");
        self
    }
}

fn path(json: &Json) -> String {
    texts(json).join("/")
}

/// A list of texts.
pub fn texts(json: &Json) -> Vec<String> {
    json.as_array().unwrap_or_else(|| panic!("not a list: {json}")).iter().map(owned).collect()
}

/// A text.
pub fn owned(json: &Json) -> String {
    json.as_str().unwrap_or_else(|| panic!("not a text: {json}")).to_owned()
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}
