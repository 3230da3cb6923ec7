//! The simulated account: the sandbox's world, who made what in it, and what it
//! was a while ago.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lkh::command::Tool;
use lkh::sandbox::files::MapFiles;
use lkh::sandbox::world::World;
use lkh::sandbox::{self, Output};
use serde_json::Value as Json;

/// Whoever runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Lkh,
    Others,
    Nobody,
}

/// One entry of the world that a command changed.
#[derive(Debug, Clone)]
pub struct Changed {
    pub key: String,
    pub old: Option<Json>,
    pub new: Option<Json>,
}

/// For how long a read may answer with what was.
const MEMORY: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Account {
    world: World,
    mirror: BTreeMap<String, Json>,
    past: VecDeque<(Timestamp, Changed)>,
    /// Who made the entries that were not there at the beginning.
    authors: BTreeMap<String, Actor>,
    charts: Arc<MapFiles>,
}

impl Account {
    pub fn new(mut world: World) -> Self {
        world.take_changes();
        let mirror = world.scan("").map(|(key, value)| (key.to_owned(), value.clone())).collect();
        let charts = Arc::new(
            MapFiles::new()
                .with("./charts/hello/Chart.yaml", include_str!("../charts/hello/Chart.yaml"))
                .with("./charts/hello/values.yaml", include_str!("../charts/hello/values.yaml"))
                .with(
                    "./charts/hello/templates/hello.yaml",
                    include_str!("../charts/hello/templates/hello.yaml"),
                ),
        );
        Self { world, mirror, past: VecDeque::new(), authors: BTreeMap::new(), charts }
    }

    /// Time passes.
    pub fn advance(&mut self, now: Timestamp) {
        if now > self.world.now() {
            self.world.set_now(now);
        }
    }

    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Runs a command; says what it changed.
    pub fn run(
        &mut self,
        actor: Actor,
        tool: Tool,
        args: &[String],
        stdin: &[u8],
    ) -> (Output, Vec<Changed>) {
        let files = Arc::clone(&self.charts);
        let output = sandbox::run(&mut self.world, tool, args, stdin, &*files);
        (output, self.settle(actor))
    }

    /// Changes the world in another way than by a command.
    pub fn change(&mut self, work: impl FnOnce(&mut World)) {
        work(&mut self.world);
        self.settle(Actor::Nobody);
    }

    /// Answers a read as if what happened after a time had not.
    pub fn run_in_past(&mut self, then: Timestamp, tool: Tool, args: &[String]) -> Option<Output> {
        if self.past.back().is_none_or(|(at, _)| *at <= then) {
            return None;
        }
        let mut world = self.world.clone();
        for (_, changed) in self.past.iter().rev().take_while(|(at, _)| *at > then) {
            match &changed.old {
                Some(old) => world.put(changed.key.clone(), old.clone()),
                None => drop(world.remove(&changed.key)),
            }
        }
        let files = Arc::clone(&self.charts);
        Some(sandbox::run(&mut world, tool, args, b"", &*files))
    }

    fn settle(&mut self, actor: Actor) -> Vec<Changed> {
        let now = self.world.now();
        while self.past.front().is_some_and(|(at, _)| *at + MEMORY < now) {
            self.past.pop_front();
        }
        let changes = self.world.take_changes();
        let mut all = Vec::with_capacity(changes.len());
        for (key, new) in changes {
            let old = match &new {
                Some(new) => self.mirror.insert(key.clone(), new.clone()),
                None => self.mirror.remove(&key),
            };
            if old.is_none() && new.is_some() {
                self.authors.insert(key.clone(), actor);
            }
            let changed = Changed { key, old, new };
            if !is_volatile(&changed.key) {
                self.past.push_back((now, changed.clone()));
            }
            all.push(changed);
        }
        all
    }

    /// The entries that `lkh` made and that are still there.
    pub fn made_by_lkh(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.authors
            .iter()
            .filter(|(_, actor)| **actor == Actor::Lkh)
            .filter_map(|(key, _)| Some((key.as_str(), self.mirror.get(key)?)))
    }
}

/// What the cluster's own controllers change; it is never stale.
fn is_volatile(key: &str) -> bool {
    key.starts_with("k8s/") || key.starts_with("meta/") || key.starts_with("helm/")
}
