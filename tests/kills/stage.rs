//! Directories in which stories are played, and what must hold after each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use lkh::journal::Journal;
use lkh::state::State;
use lkh::store::{LocalStore, Store};
use serde_json::Value as Json;

use crate::Figures;
use crate::stories::{ALL, Story};
use crate::strace::{Ended, Fault, Strace, lkh};

/// The most calls of one kind that a run is expected to make.
const MOST: usize = 2000;

/// The stories' beginnings, and how they end when nothing disturbs them.
pub struct Golden {
    whole: bool,
    share: usize,
    stories: Vec<OnceLock<Begun>>,
}

/// Where a story begins.
struct Begun {
    root: tempfile::TempDir,
    undisturbed: World,
}

/// The simulated account: what its file says.
struct World {
    /// How many commands changed something.
    changes: usize,
    objects: BTreeMap<String, Json>,
}

impl World {
    fn read(root: &Path) -> Self {
        let mut world = Self { changes: 0, objects: BTreeMap::new() };
        let text = fs::read_to_string(root.join("state/sandbox/world.jsonl")).unwrap();
        // The last line may be torn: then its command never happened.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let line: Json = serde_json::from_str(line).unwrap();
            world.changes += 1;
            for (key, value) in line["put"].as_object().into_iter().flatten() {
                world.objects.insert(key.clone(), value.clone());
            }
            for key in line["removed"].as_array().into_iter().flatten() {
                world.objects.remove(key.as_str().unwrap());
            }
        }
        world
    }
}

/// What is in the cluster itself.
const INSIDE: &str = r#"
apiVersion: lkh/v1
kind: Namespace
metadata: {name: lake}
spec: {labels: {team: lake}}
---
apiVersion: lkh/v1
kind: KubernetesObject
metadata: {name: settings}
spec:
  manifest:
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings, namespace: "${Namespace.lake.name}"}
    data: {a: b}
"#;

impl Golden {
    /// The numbers of the calls that are met: each, or a share of them that is
    /// another one for another kind of call.
    fn numbers(&self, call: &str) -> impl Iterator<Item = usize> + use<> {
        (1 + call.len() % self.share..).step_by(self.share)
    }

    /// With the release, or without it; one call in so many is met.
    pub fn new(whole: bool, share: usize) -> Self {
        Self { whole, share, stories: ALL.iter().map(|_| OnceLock::new()).collect() }
    }

    fn begun(&self, story: &Story) -> &Begun {
        let index = ALL.iter().position(|other| other.name == story.name).unwrap();
        self.stories[index].get_or_init(|| {
            let root = tempfile::tempdir().unwrap();
            let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
            copy(&manifests, &root.path().join("manifests"));
            if !self.whole {
                fs::remove_file(root.path().join("manifests/karpenter.yaml")).unwrap();
            }
            fs::write(root.path().join("manifests/inside.yaml"), INSIDE).unwrap();
            // The first use makes the sandbox.
            let ended = lkh(root.path(), None, &["plan"]);
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            (story.prepare)(root.path());
            let played = tempfile::tempdir().unwrap();
            copy(root.path(), played.path());
            let ended = lkh(played.path(), None, story.args);
            assert_eq!(ended.code, Some(0), "{}", ended.said);
            Begun { root, undisturbed: World::read(played.path()) }
        })
    }

    /// Kills the story's command at every call of a kind, and plays on.
    pub fn kill_everywhere(
        &self,
        story: &Story,
        strace: &Strace,
        call: &str,
        file: Option<&str>,
        every: usize,
        figures: &Figures,
    ) {
        let begun = self.begun(story);
        for number in self.numbers(call) {
            assert!(number < MOST, "the run never comes to its end");
            let root = tempfile::tempdir().unwrap();
            let root = root.path();
            copy(begun.root.path(), root);
            let ended = lkh(root, Some((strace, &Fault::kill(call, file, number))), story.args);
            if let Some(code) = ended.code {
                assert_eq!(code, 0, "{}", ended.said);
                self.holds(story, root, &format!("not killed at {call}"));
                break;
            }
            figures.kills.fetch_add(1, Ordering::Relaxed);
            let left = (story.name, crash(&root.join(story.store)));
            figures.crashes.lock().unwrap().insert(left);
            let mut what = format!("killed at {call} {number} of {file:?}");
            if number % every == 0 {
                // Where the second kill comes moves through the second run.
                let again = ["write", "fsync", "flock", "rename"][number / every % 4];
                let at = if again == "rename" { 1 } else { 2 + number * 7 % 23 };
                let fault = Fault::kill(again, None, at);
                if lkh(root, Some((strace, &fault)), story.args).code.is_none() {
                    figures.second.fetch_add(1, Ordering::Relaxed);
                    what = format!("{what}, and then at {again} {at}");
                }
            }
            self.converges(story, root, &what);
        }
    }

    /// Lets every call of a kind fail, one once and the next for good, and plays
    /// on.
    pub fn fail_everywhere(
        &self,
        story: &Story,
        strace: &Strace,
        error: &str,
        fault: &dyn Fn(&str) -> Fault,
        figures: &Figures,
    ) {
        let begun = self.begun(story);
        let cause = match error {
            "ENOSPC" => "No space left on device",
            _ => "Input/output error",
        };
        // Two rounds: what one lets fail once, the other lets fail for good.
        for round in 0..if self.whole { 2 } else { 1 } {
            for number in self.numbers(error) {
                assert!(number < MOST, "the run never comes to its end");
                let root = tempfile::tempdir().unwrap();
                let root = root.path();
                copy(begun.root.path(), root);
                let when = format!("{number}{}", if (number + round) % 2 == 0 { "+" } else { "" });
                let Ended { code, said } = lkh(root, Some((strace, &fault(&when))), story.args);
                let what = format!("{:?}", fault(&when));
                if code == Some(0) {
                    self.holds(story, root, &what);
                    break;
                }
                figures.errors.fetch_add(1, Ordering::Relaxed);
                assert_eq!(code, Some(1), "{what}: {said}");
                let told = said.contains(cause) && said.contains("state/sandbox");
                assert!(told, "{what}: cause and file are not told: {said}");
                self.converges(story, root, &what);
            }
        }
    }

    /// The same command again, without help: then all is as it must be.
    fn converges(&self, story: &Story, root: &Path, what: &str) {
        let ended = lkh(root, None, story.args);
        assert_eq!(ended.code, Some(0), "{}: {what}: {}", story.name, ended.said);
        self.holds(story, root, what);
    }

    fn holds(&self, story: &Story, root: &Path, what: &str) {
        let what = format!("{}: {what}", story.name);
        let begun = self.begun(story);
        // State and log are whole, and fit each other.
        let local = LocalStore::new(root.join(story.store), "small");
        let state = State::from_bytes(&fs::read(local.state_path()).unwrap())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let log = Journal::parse(&fs::read(local.log_path()).unwrap())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        Store::Local(local)
            .check_log(Some(&state), &log)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(log.open_intents().count(), 0, "{what}: an intent is open");
        assert!(!log.is_torn(), "{what}: the log is torn");
        // Each change was made once: there are as many as without the kill.
        let (world, undisturbed) = (World::read(root), &begun.undisturbed);
        if !self.whole {
            assert_eq!(world.changes, undisturbed.changes, "{what}: changes of the account");
        }
        assert_eq!(world.objects.len(), undisturbed.objects.len(), "{what}: objects");
        // What the undisturbed run leaves as it is, stays as it is.
        let before = World::read(begun.root.path());
        for (key, value) in &before.objects {
            if undisturbed.objects.get(key) == Some(value) {
                assert_eq!(world.objects.get(key), Some(value), "{what}: {key} was touched");
            }
        }
        let (done, code) = story.done;
        let ended = lkh(root, None, done);
        assert_eq!(ended.code, Some(code), "{what}: {}", ended.said);
    }
}

/// What a kill left, as far as it tells one crash from another: the files, and
/// how many lines each has.
pub type Crash = Vec<(String, usize)>;

fn crash(store: &Path) -> Crash {
    let mut found = Vec::new();
    for entry in fs::read_dir(store).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let lines = bytes.split(|&byte| byte == b'\n').count();
        found.push((path.file_name().unwrap().to_str().unwrap().to_owned(), lines));
    }
    found.sort();
    found
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
