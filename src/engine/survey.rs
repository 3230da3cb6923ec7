//! Refresh and plan in one walk: reads every resource and decides its change.
//!
//! Each resource is a task. Where its spec is wholly known from the start it
//! reads at once; a resource that refers to what another one has yet to tell
//! waits for that one. A resource is *settled* when it is read and decided,
//! after what it depends on: only then its outputs are final. Every command
//! here only reads.

mod before;
mod cluster;
pub mod recent;
mod settled;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::SetOnce;
use tokio::task::JoinSet;

use self::recent::Recent;
use self::settled::{SEE_CAUSE, unknown, unreadable};
pub use self::settled::{Settled, outputs};
use super::Engine;
use super::clock::Clock;
use super::entry::Entry;
use super::event::{Event, Observer};
use super::read::{Freshness, Sighting, Unreadable, read};
use crate::adapter::{Adapter, Context, Desired, Kind, Live, Prior, Problem, Standing, Subject};
use crate::address::{Address, Reference};
use crate::command::{Command, Tool};
use crate::exec::gateway::Gateway;
use crate::manifest::resource::Resource;
use crate::manifest::stack::Stack;
use crate::manifest::template::{Resolution, resolve};
use crate::plan::decide::{Facts, decide};
use crate::plan::whole::{Seen, Whole};
use crate::plan::{Action, Mode, Reason};
use crate::seeded::{self, Bug};
use crate::value::Value;

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A plan. What was read of resources that the state describes rightly is
    /// dropped: a large stack takes half the memory without.
    Plan,
    /// To show what there is: everything that was read is kept.
    Show,
    /// To prove what is claimed: as to show, and every object is read alone, so
    /// that a proof is asked in the same way again, whatever else there is.
    Prove,
}

/// Everything that the walk needs.
#[derive(Debug)]
pub struct Survey {
    /// The stack.
    pub stack: Arc<Stack>,
    /// Whether the stack is brought up or taken down.
    pub mode: Mode,
    /// The way to the tools.
    pub gateway: Arc<Gateway>,
    /// The region.
    pub region: String,
    /// The resources.
    pub entries: BTreeMap<Address, Entry>,
    /// How many of them there are of each kind.
    numbers: BTreeMap<Kind, usize>,
    /// What it is for.
    pub purpose: Purpose,
    /// The account, once known; `Err`: why it is not.
    account: SetOnce<Result<String, Unreadable>>,
    settled: BTreeMap<Address, SetOnce<Arc<Settled>>>,
    /// The resources that stand for clusters.
    clusters: Vec<Address>,
    /// Those of them that did not exist and were made since.
    made: Mutex<BTreeSet<Address>>,
    pub(super) observer: ObserverBox,
    /// What time it is.
    pub clock: Clock,
    /// What was done a moment ago; empty where reads are never behind.
    recent: BTreeMap<Address, Recent>,
}

/// An observer without a `Debug` of its own.
pub struct ObserverBox(pub Observer);

impl std::fmt::Debug for ObserverBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Survey {
    /// A walk over these resources of an engine's stack.
    pub fn of(
        engine: &Engine,
        mode: Mode,
        entries: BTreeMap<Address, Entry>,
        purpose: Purpose,
        recent: BTreeMap<Address, Recent>,
    ) -> Self {
        let settled = entries.keys().map(|address| (address.clone(), SetOnce::new())).collect();
        let is_cluster = |address: &&Address| address.kind == Kind::EksCluster;
        let clusters = entries.keys().filter(is_cluster).cloned().collect();
        let mut numbers = BTreeMap::new();
        for address in entries.keys() {
            *numbers.entry(address.kind).or_default() += 1;
        }
        Self {
            stack: Arc::clone(&engine.stack),
            mode,
            gateway: Arc::clone(&engine.gateway),
            region: engine.region.clone(),
            entries,
            numbers,
            purpose,
            account: SetOnce::new(),
            settled,
            clusters,
            made: Mutex::default(),
            observer: ObserverBox(Arc::clone(&engine.observer)),
            clock: engine.clock.clone(),
            recent,
        }
    }

    /// Walks. The result is complete: a resource that could not be read is
    /// settled as unknown.
    ///
    /// # Errors
    /// When the account can't be told: then nothing can.
    pub async fn walk(
        self: &Arc<Self>,
    ) -> Result<(String, BTreeMap<Address, Arc<Settled>>), Unreadable> {
        (self.observer.0)(Event::ReadingStarted { total: self.entries.len() });
        let mut tasks = JoinSet::new();
        let survey = Arc::clone(self);
        tasks.spawn(async move {
            let account = survey.read_account().await;
            drop(survey.account.set(account));
        });
        for address in self.entries.keys() {
            let survey = Arc::clone(self);
            let address = address.clone();
            tasks.spawn(async move {
                let settled = Arc::new(survey.settle(&address).await);
                if let Some(slot) = survey.settled.get(&address) {
                    drop(slot.set(settled));
                }
                (survey.observer.0)(Event::Read { address });
            });
        }
        super::tasks::all(tasks).await;
        let account = match self.account.get() {
            Some(Ok(account)) => account.clone(),
            Some(Err(error)) => return Err(error.clone()),
            None => String::new(),
        };
        let settled = self
            .settled
            .iter()
            .filter_map(|(address, slot)| Some((address.clone(), Arc::clone(slot.get()?))))
            .collect();
        Ok((account, settled))
    }

    async fn read_account(&self) -> Result<String, Unreadable> {
        let command = Command::read(Tool::Aws, &["sts", "get-caller-identity"]);
        let answer = self
            .gateway
            .read(&command)
            .await
            .map_err(|error| super::read::failed(&command, &error))?;
        let account = answer
            .json()
            .ok()
            .filter(|_| answer.succeeded())
            .and_then(|json| json.get("Account")?.as_str().map(str::to_owned));
        account.ok_or_else(|| {
            let explanation = crate::exec::explain::explain(&answer);
            Unreadable {
                command: command.to_string(),
                why: explanation.as_ref().map_or_else(
                    || {
                        self.gateway
                            .show(&super::read::detail(&answer, "it does not tell the account"))
                    },
                    |explanation| explanation.cause.clone(),
                ),
                next: explanation.map_or_else(
                    || format!("run `{command}` by hand"),
                    |explanation| explanation.fix,
                ),
            }
        })
    }

    async fn settle(&self, address: &Address) -> Settled {
        let Some(entry) = self.entries.get(address) else {
            return unknown(Reason::Gone, SEE_CAUSE.to_owned(), None);
        };
        seeded::panics(Bug::TaskPanics);
        let adapter = address.kind.adapter();
        // What is wholly known needs to wait for nobody.
        let mut early_read = None;
        let early = !adapter.needs_kubernetes() || !self.gateway.needs_cluster_access();
        if early && adapter.is_read_early() {
            let mut lookup = |reference: &Reference| self.lookup(reference, None);
            let early = self.desired(address, entry, None, &mut lookup);
            let prior = entry.prior.as_deref();
            match early {
                Some(Ok(desired)) if is_readable(&desired) => {
                    let prior = prior.filter(|prior| prior.identity.is_same(&desired.identity));
                    let of = (Some(&desired), prior);
                    let sighting = Box::pin(self.read(address, of, Freshness::Shared)).await;
                    early_read = sighting.ok().map(|sighting| (desired, sighting));
                }
                None => {
                    drop(Box::pin(self.read(address, (None, prior), Freshness::Shared)).await);
                }
                Some(_) => {}
            }
        }
        let account = match self.account.wait().await {
            Ok(account) => account,
            Err(error) => return unreadable(error, None),
        };
        for dependency in &entry.dependencies {
            if let Some(slot) = self.settled.get(dependency) {
                slot.wait().await;
            }
        }
        // Boxed, as the reads above: thousands of resources wait here at once, and
        // what they wait with should be small.
        Box::pin(self.decide(address, entry, adapter, account, early_read)).await
    }

    /// Decides on what is read once.
    async fn decide_once(
        &self,
        address: &Address,
        entry: &Entry,
        adapter: &'static dyn Adapter,
        (account, freshness): (&str, Freshness),
        early: Option<(Desired, Sighting)>,
    ) -> Settled {
        let external = entry.external;
        let destroy = self.mode == Mode::Destroy && !external;
        let mut lookup = |reference: &Reference| self.lookup(reference, Some(account));
        let mut asked = None;
        let desired = match self.desired(address, entry, Some(account), &mut lookup) {
            declared if destroy => {
                asked = declared.and_then(Result::ok);
                None
            }
            None => None,
            Some(Ok(desired)) => Some(desired),
            Some(Err(why)) => {
                let next = "correct the manifest".to_owned();
                return unknown(Reason::NotReadable { why }, next, None);
            }
        };
        // What was only begun is no object to be replaced while its name is not known.
        let unsure = |prior: &Prior| {
            prior.applied().is_none()
                && desired.as_ref().is_some_and(|desired| !desired.identity.is_known())
        };
        let remembered = entry.prior.as_ref().filter(|prior| !unsure(prior));
        let remembered = &remembered.map(|prior| recalled(prior, asked.as_ref()));
        let prior = remembered.as_deref();
        let missing = self.missing_dependency(entry).filter(|_| desired.is_some());
        if adapter.needs_kubernetes()
            && self.gateway.needs_cluster_access()
            && !self.is_stack_cluster_missing()
            && let Err(reason) = self.reach_cluster().await
        {
            return unknown(reason, SEE_CAUSE.to_owned(), desired);
        }
        let mut evidence = Vec::new();
        let look = async |desired: Option<&Desired>, prior: Option<&Prior>| {
            let sighting = self.read(address, (desired, prior), freshness).await?;
            self.assure(address, (desired, prior), sighting).await.map(Some)
        };
        let live = match (&desired, prior) {
            (Some(desired), prior) if !adapter.is_readable(desired, prior) => Ok(None),
            (Some(desired), prior) => match early {
                // Nothing that it refers to has told anything new.
                Some((same, sighting))
                    if same.attributes == desired.attributes
                        && same.identity == desired.identity
                        && same.settings == desired.settings =>
                {
                    let prior = prior.filter(|prior| prior.identity.is_same(&desired.identity));
                    let of = (Some(desired), prior);
                    self.assure(address, of, sighting).await.map(Some)
                }
                _ => {
                    let prior = prior.filter(|prior| prior.identity.is_same(&desired.identity));
                    look(Some(desired), prior).await
                }
            },
            (None, Some(prior)) => look(None, Some(prior)).await,
            (None, None) => Ok(None),
        };
        let moved = match (&desired, prior) {
            // Also while it is not known: then it can't be equal.
            (Some(desired), Some(prior))
                if !desired.identity.is_same(&prior.identity) && !external =>
            {
                look(None, Some(prior)).await
            }
            _ => Ok(None),
        };
        let mut absence = None;
        let mut told = |sighting: Option<Sighting>| {
            sighting.map(|sighting| {
                absence = sighting.missing;
                evidence.extend(sighting.commands);
                sighting.live
            })
        };
        let (live, old) = match (live, moved) {
            (Ok(live), Ok(old)) => {
                let old = told(old);
                (told(live), old)
            }
            (Err(_), _) | (_, Err(_)) if missing.is_some() => (None, None),
            (Err(error), _) | (_, Err(error)) => return unreadable(&error, desired),
        };
        if let (Some(wanted), None, Some(dependency)) =
            (&desired, &missing, self.unknown_dependency(entry))
            && (wanted.identity.0.values().any(Value::has_unknown)
                || wanted.attributes.values().any(Value::has_unknown))
        {
            let reason = Reason::DependencyUnknown { address: dependency };
            return unknown(reason, SEE_CAUSE.to_owned(), desired);
        }
        let made_anew = self.made_anew(address, entry, adapter);
        let old = old.as_ref();
        let seen =
            |live| Seen { adapter, desired: None, live, old, ignore: entry.ignore.as_slice() };
        let mut decision = decide(Facts {
            adapter,
            desired: desired.as_ref(),
            prior,
            live: live.as_ref(),
            old,
            external,
            prevent_destroy: entry.prevent_destroy,
            ignore: &entry.ignore,
            made_anew: made_anew.as_ref(),
            missing: absence.as_ref(),
            pending: (adapter.is_check() || absence.is_some()) && self.is_pending(entry),
            cleared: desired.is_none() && self.is_cleared(address),
            mode: self.mode,
            ahead: true,
        });
        if decision.reason == Reason::Gone
            && let Some(prior) = prior
            && let Some(address) = self.missing_cluster(adapter, &prior.identity)
        {
            decision.reason = Reason::GoneWith { address: address.clone() };
        }
        if let Some(address) = missing.filter(|_| !external && decision.action.is_change()) {
            // What is there was read all the same, and that is known.
            let reason = Reason::DependencyMissing { address };
            let settled = unknown(reason, SEE_CAUSE.to_owned(), desired);
            let whole = Whole::of(Seen { desired: None, ..seen(live.as_ref()) }, &settled.decision);
            return Settled { live, evidence, whole: Arc::new(Mutex::new(whole)), ..settled };
        }
        let whole = Whole::of(Seen { desired: desired.as_ref(), ..seen(live.as_ref()) }, &decision);
        let whole = Arc::new(Mutex::new(whole));
        let outputs = outputs(desired.as_ref(), live.as_ref(), decision.action);
        let known = decision.action == Action::NoOp
            && decision.blockers.is_empty()
            && entry.is_applied
            && matches!((prior, &desired), (Some(prior), Some(desired))
                if prior.identity == desired.identity
                    && prior.standing == Standing::Applied
                    && prior.attributes == desired.attributes
                    && prior.settings == desired.settings
                    && prior.outputs == outputs);
        let prior = remembered.clone();
        if known && self.purpose == Purpose::Plan {
            let evidence = Vec::new();
            let (desired, live) = (None, None);
            return Settled { desired, live, prior, evidence, decision, whole, outputs };
        }
        Settled { desired, live, prior, evidence, decision, whole, outputs }
    }

    /// What the manifest asks for, as far as it is known. `account` is `None`
    /// before anything is read: then only what the manifests alone tell.
    pub(super) fn desired(
        &self,
        address: &Address,
        entry: &Entry,
        account: Option<&str>,
        lookup: &mut dyn FnMut(&Reference) -> Resolution,
    ) -> Option<Result<Desired, String>> {
        let resource = self.stack.resource(address).filter(|_| entry.declared)?;
        Some(self.desired_of(resource, account, lookup))
    }

    fn desired_of(
        &self,
        resource: &Resource,
        account: Option<&str>,
        lookup: &mut dyn FnMut(&Reference) -> Resolution,
    ) -> Result<Desired, String> {
        let spec = resolve(&resource.spec, lookup).map_err(|problems| sentence(&problems))?;
        let context = Context {
            name: resource.address.name.clone(),
            account: account.map(str::to_owned),
            region: self.region.clone(),
            external: resource.external,
            files: Arc::clone(&resource.files),
        };
        let adapter = resource.address.kind.adapter();
        let desired = adapter.desired(&spec, &context).map_err(|problems| sentence(&problems))?;
        let cluster = self.stack.cluster.as_ref().map(|cluster| {
            resolve(cluster, lookup).unwrap_or_else(|_| Value::Unknown("the cluster".into()))
        });
        Ok(desired.in_cluster(adapter, cluster.as_ref()))
    }

    /// What a declared resource claims for itself, as far as that is known, and by
    /// what else its object is told; also of one that this walk leaves out.
    pub(super) fn claims(&self, resource: &Resource, account: &str) -> Vec<String> {
        let mut lookup = |reference: &Reference| self.lookup(reference, Some(account));
        let adapter = resource.address.kind.adapter();
        self.desired_of(resource, Some(account), &mut lookup)
            .map(|desired| {
                let mut claims = adapter.claims(&desired.identity, &desired.attributes);
                claims.extend(adapter.traces(&desired.attributes, &desired.settings));
                claims
            })
            .unwrap_or_default()
    }

    pub(super) fn lookup(&self, reference: &Reference, account: Option<&str>) -> Resolution {
        if let Reference::Output { target, attribute } = reference {
            let settled = self.settled.get(target).and_then(SetOnce::get);
            return match settled.and_then(|settled| settled.outputs.get(attribute)) {
                Some(value) => Resolution::Known(value.clone()),
                None => Resolution::Unknown,
            };
        }
        self.known(reference, account)
    }

    /// What a reference stands for that is known without any resource.
    pub(super) fn known(&self, reference: &Reference, account: Option<&str>) -> Resolution {
        match reference {
            Reference::Variable(name) => match self.stack.variables.get(name) {
                // A variable may itself hold the account or the region.
                Some(value) if value.has_unknown() => {
                    let mut early = |reference: &Reference| match reference {
                        Reference::Variable(_) => Resolution::Unknown,
                        other => self.known(other, account),
                    };
                    resolve(value, &mut early).map_or(Resolution::Unknown, Resolution::Known)
                }
                Some(value) => Resolution::Known(value.clone()),
                None => Resolution::Unknown,
            },
            Reference::Region => Resolution::Known(Value::from(self.region.clone())),
            Reference::AccountId => match account {
                Some(account) => Resolution::Known(Value::from(account)),
                None => Resolution::Unknown,
            },
            Reference::Output { .. } => Resolution::Unknown,
        }
    }

    pub(super) async fn read(
        &self,
        address: &Address,
        (desired, prior): (Option<&Desired>, Option<&Prior>),
        freshness: Freshness,
    ) -> Result<Sighting, Unreadable> {
        let identity = match (desired, prior) {
            (Some(desired), _) => &desired.identity,
            (None, Some(prior)) => &prior.identity,
            (None, None) => return Ok(Sighting::absent(Vec::new())),
        };
        let adapter = address.kind.adapter();
        if let Some(sighting) = self.outside(adapter, identity, freshness).await? {
            return Ok(sighting);
        }
        let entry = self.entries.get(address);
        let ignore = entry.map(|entry| entry.ignore.as_slice()).unwrap_or_default();
        let among = match (freshness, self.purpose) {
            (Freshness::Fresh, _) | (Freshness::Shared, Purpose::Prove) => 1,
            (Freshness::Shared, Purpose::Plan | Purpose::Show) => {
                let here = self.numbers.get(&address.kind).copied().unwrap_or(1);
                self.gateway.number(address.kind.as_str(), here)
            }
        };
        let subject = Subject { identity, desired, prior, ignore, among };
        read(&self.gateway, adapter, subject, freshness).await
    }
}

/// What is wrong with a spec, in a line.
fn sentence(problems: &[Problem]) -> String {
    let texts: Vec<_> = problems
        .iter()
        .map(|problem| format!("spec.{}: {}", problem.path, problem.summary))
        .collect();
    texts.join("; ")
}

fn is_readable(desired: &Desired) -> bool {
    desired.identity.is_known()
        && !desired.attributes.values().any(Value::has_unknown)
        && !desired.settings.values().any(Value::has_unknown)
}

/// What was applied last, with the secrets that only the manifest knows: a
/// destroy may need them.
fn recalled(prior: &Arc<Prior>, asked: Option<&Desired>) -> Arc<Prior> {
    asked.map_or_else(|| Arc::clone(prior), |asked| Arc::new(prior.recalled(asked)))
}
