//! A sandbox and a directory of manifests, worked on by the engine itself
//! instead of the program: a test sees every command that is started.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lkh::command::{Effect, Tool};
use lkh::engine::clock::Clock;
use lkh::engine::event::Event;
use lkh::engine::{Engine, Planned, Report, Targets};
use lkh::exec::gateway::{Gateway, Started};
use lkh::exec::sandbox::{SandboxExec, Shared};
use lkh::exec::{Snapshot, Surroundings};
use lkh::journal::Journal;
use lkh::manifest::load::load;
use lkh::manifest::stack::Stack;
use lkh::manifest::variables::VariableInputs;
use lkh::plan::{Mode, Plan};
use lkh::sandbox::Sandbox;
use lkh::state::State;
use lkh::store::{LocalStore, LockInfo, Store};
use tokio::sync::watch;

/// A simulated account with manifests and a state of its own.
pub struct Account {
    root: tempfile::TempDir,
    /// Assignments `NAME=VALUE` of the stack's variables.
    pub variables: Vec<String>,
}

impl Account {
    /// With these manifests, by file name.
    pub fn new(manifests: &[(&str, &str)]) -> Self {
        let this = Self { root: tempfile::tempdir().unwrap(), variables: Vec::new() };
        for (name, text) in manifests {
            this.write(name, text);
        }
        // A sandbox begins with its first use.
        this.sandbox();
        this
    }

    /// With the manifests of a directory.
    pub fn with(directory: &Path) -> Self {
        let this = Self::new(&[]);
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            this.write(name, &fs::read_to_string(&path).unwrap());
        }
        this
    }

    /// Another account with everything as it is in this one.
    pub fn copy(&self) -> Self {
        let this = Self { root: tempfile::tempdir().unwrap(), variables: self.variables.clone() };
        copy_files(self.root.path(), this.root.path());
        this
    }

    /// The directory of the manifests.
    pub fn manifests(&self) -> PathBuf {
        self.root.path().join("manifests")
    }

    fn state_directory(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// The file of the simulated account.
    pub fn world(&self) -> PathBuf {
        self.root.path().join("world.jsonl")
    }

    /// Writes a manifest.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.manifests().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Copies a directory to below the manifests.
    pub fn write_all(&self, name: &str, directory: &Path) {
        copy_files(directory, &self.manifests().join(name));
    }

    /// Removes every manifest.
    pub fn clear(&self) {
        fs::remove_dir_all(self.manifests()).unwrap();
    }

    /// The sandbox, for changes behind the engine's back.
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::open(&self.world()).unwrap()
    }

    /// Runs a command of a tool in the sandbox; its arguments hold no space.
    /// Returns what it printed.
    pub fn behind(&self, command: &str) -> String {
        let mut words = command.split_whitespace().map(str::to_owned);
        let tool = match words.next().as_deref() {
            Some("aws") => Tool::Aws,
            Some("helm") => Tool::Helm,
            Some("kubectl") => Tool::Kubectl,
            other => panic!("no tool: {other:?}"),
        };
        let args: Vec<_> = words.collect();
        let output = self.sandbox().run(tool, &args, b"", self.root.path()).unwrap();
        assert_eq!(output.code, 0, "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where state and log are.
    pub fn store(&self) -> LocalStore {
        LocalStore::new(self.state_directory(), "test")
    }

    /// What the state says.
    pub fn state(&self) -> Option<State> {
        block_on(Store::Local(self.store()).load()).unwrap()
    }

    /// What the apply log says.
    pub fn log(&self) -> Journal {
        block_on(Store::Local(self.store()).read_log()).unwrap()
    }

    /// Every file besides the manifests, with its bytes.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let state = fs::read_dir(self.state_directory()).into_iter().flatten();
        let mut files: BTreeMap<_, _> = state
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.insert(self.world(), fs::read(self.world()).unwrap());
        files
    }

    fn stack(&self, manifests: &Path) -> Result<Stack, String> {
        let inputs = VariableInputs {
            assignments: self.variables.clone(),
            sandbox: Some(true),
            ..VariableInputs::default()
        };
        load(manifests, &inputs).map_err(|diagnostics| diagnostics.render(false))
    }

    /// What is wrong with the manifests; `None`: nothing.
    pub fn complaints(&self) -> Option<String> {
        self.stack(&self.manifests()).err()
    }

    /// An engine over the manifests as they are now.
    pub fn engine(&self) -> Engine {
        self.engine_of(&self.manifests(), None)
    }

    /// An engine over the manifests of a directory, which remembers its reads
    /// together with others.
    pub fn engine_of(&self, manifests: &Path, snapshot: Option<&Snapshot>) -> Engine {
        let stack = self.stack(manifests).unwrap_or_else(|complaints| panic!("{complaints}"));
        let surroundings = Surroundings {
            region: lkh::sandbox::REGION.to_owned(),
            manifests: manifests.to_owned(),
            run: "test".to_owned(),
            // Scripts run in this machine's bash.
            environment: vec![("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())],
            ..Surroundings::default()
        };
        let shared = Shared { program: "lkh".into(), state_dir: self.state_directory() };
        let exec = SandboxExec::new(self.sandbox(), &surroundings).with_scripts(shared);
        let gateway = Gateway::new(Box::new(exec), &surroundings, 4, Arc::new(|_: &str| {}));
        let gateway = match snapshot {
            Some(snapshot) => gateway.sharing(snapshot, &surroundings),
            None => gateway,
        };
        for value in stack.variables.values() {
            gateway.protect(value);
        }
        Engine {
            stack: Arc::new(stack),
            gateway: Arc::new(gateway),
            region: surroundings.region,
            store: Store::Local(self.store()),
            clock: Clock::system(),
            observer: Arc::new(|_| {}),
        }
    }

    /// Plans, and returns every command that was started for it.
    pub fn plan(&self, mode: Mode) -> (Planned, Vec<Started>) {
        Self::plan_of(&self.engine(), mode)
    }

    /// Plans with an engine, and returns every command that it has started.
    pub fn plan_of(engine: &Engine, mode: Mode) -> (Planned, Vec<Started>) {
        let planned = block_on(engine.plan(mode, &Targets::default())).unwrap();
        (planned, engine.gateway.trace())
    }

    /// Plans and carries the plan out.
    pub fn apply(&self) -> Report {
        self.carry_out(Mode::Apply, |_, _| ()).0
    }

    /// Plans and carries the plan out. `watch` sees every event in its turn, and
    /// may stop the run; the work goes on when it returns. Returns what was
    /// planned and the changing commands that were started, too.
    pub fn carry_out(
        &self,
        mode: Mode,
        watch: impl Fn(&Event, &watch::Sender<bool>) + Send + Sync + 'static,
    ) -> (Report, Plan, Vec<String>) {
        let mut engine = self.engine();
        let (sender, stop) = watch::channel(false);
        engine.observer = Arc::new(move |event| watch(&event, &sender));
        let info = LockInfo {
            id: "test".into(),
            operation: "apply".into(),
            who: "test".into(),
            pid: 1,
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        block_on(async {
            let lock = Arc::new(engine.store.lock(&info).await.unwrap());
            let planned = engine.plan(mode, &Targets::default()).await.unwrap();
            let plan = planned.plan.clone();
            let report = engine.apply(planned, &info.id, &lock, stop).await.unwrap();
            let started = engine.gateway.trace().into_iter();
            let writes = started.filter(|one| one.effect == Effect::Write).map(|one| one.command);
            (report, plan, writes.collect())
        })
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_files(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
