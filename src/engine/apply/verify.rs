//! What comes after the commands of a change: reads, until they prove it, and
//! the record of what they showed.
//!
//! This module must not change anything but state and log.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::entry::owned;
use super::super::event::Event;
use super::super::read::{Sighting, Unreadable};
use super::super::survey::{Settled, outputs};
use super::{Applier, Ending, Failure, unreadable, wrong};
use crate::adapter::{Adapter, Blocker, Desired, Health, Live, Prior, Readiness, Rule, Standing};
use crate::address::Address;
use crate::diff::reached;
use crate::exec::gateway::Gateway;
use crate::plan::Action;
use crate::plan::decide::differences;
use crate::seeded::{self, Bug};
use crate::state::{Evidence, Record, Status};
use crate::value::{Map, Path};

/// How long a change may take to show in a read after its command ended: IAM
/// and EKS are eventually consistent.
const SETTLE_WINDOW: Duration = Duration::from_secs(60);
/// The first pause between two reads.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause while something is expected any moment.
const SHORT_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause once it is clear that it takes minutes.
const LONG_PAUSE: Duration = Duration::from_secs(15);

/// The pauses between the reads of one object, and the time that they took.
struct Pauses<'a> {
    gateway: &'a Gateway,
    start: Instant,
    skipped: Duration,
    next: Duration,
}

impl<'a> Pauses<'a> {
    fn new(gateway: &'a Gateway) -> Self {
        Self { gateway, start: Instant::now(), skipped: Duration::ZERO, next: FIRST_PAUSE }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed() + self.skipped
    }

    /// Whether the next read would come after this time.
    fn end_within(&self, window: Duration) -> bool {
        self.elapsed() + self.next > window
    }

    async fn pause(&mut self) {
        self.skipped += self.gateway.pause(self.next).await;
        let longest = if self.elapsed() > SETTLE_WINDOW { LONG_PAUSE } else { SHORT_PAUSE };
        self.next = (self.next * 2).min(longest);
    }
}

impl Applier {
    /// Reads until the object is as declared and ready, or time is up.
    pub(super) async fn verify(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        desired: &Desired,
        failure: Option<Failure>,
    ) -> (Ending, Map) {
        let Some(entry) = self.survey.entries.get(address) else {
            return (Ending::Interrupted, Map::new());
        };
        // What was applied before tells what had to go.
        let prior = self.prior(address).filter(|prior| prior.identity.is_same(&desired.identity));
        // Under another identity, the object that was applied before must go.
        let before = self
            .prior(address)
            .filter(|prior| !prior.identity.is_same(&desired.identity))
            .filter(|before| adapter.stays(before).is_none());
        let mut pauses = Pauses::new(&self.survey.gateway);
        let mut told = Vec::new();
        loop {
            let old = match before {
                None => None,
                Some(_) => match self.look(address, (None, before)).await {
                    Ok(Sighting { live: Live::Absent, .. }) => None,
                    Ok(Sighting { live: Live::Present(_), .. }) => before,
                    Err(error) => {
                        return (self.unverified(address, failure, &error).await, Map::new());
                    }
                },
            };
            let (problem, blockers, sighting) = match self
                .look(address, (Some(desired), prior))
                .await
            {
                Err(error) => {
                    return (self.unverified(address, failure, &error).await, Map::new());
                }
                Ok(sighting) => match (old, &sighting.live) {
                    (Some(old), _) => {
                        (format!("{} still exists", old.identity), Vec::new(), sighting)
                    }
                    (None, Live::Absent) => ("it does not exist".to_owned(), Vec::new(), sighting),
                    (None, Live::Present(object)) => {
                        let mut found = differences(adapter, desired, prior, object, &entry.ignore);
                        if failure.is_none() {
                            found.changes.retain(|change| !is_remembered(adapter, &change.path));
                        }
                        let ready = match adapter.readiness(desired, object) {
                            _ if seeded::is(Bug::ReadinessIgnored) => Readiness::Ready,
                            ready => ready,
                        };
                        let problem = match &object.health {
                            Health::Sound if found.is_equal() => match ready {
                                Readiness::Ready => {
                                    return self.proved(address, desired, &sighting).await;
                                }
                                Readiness::NotReady(blockers) | Readiness::Waiting(blockers) => {
                                    ("it is not ready".to_owned(), blockers)
                                }
                            },
                            Health::Sound => (
                                format!(
                                    "{} is still not as declared",
                                    found
                                        .changes
                                        .first()
                                        .map(|c| c.path.to_string())
                                        .unwrap_or_default()
                                ),
                                blockers_of(ready),
                            ),
                            Health::Broken(why) | Health::Outdated(why) | Health::Busy(why) => {
                                (why.clone(), blockers_of(ready))
                            }
                        };
                        (problem.0, problem.1, sighting)
                    }
                },
            };
            let window = if blockers.is_empty() && old.is_none() {
                SETTLE_WINDOW
            } else {
                adapter.patience(desired)
            };
            // What someone else has just made may not show yet.
            let awaited = sighting.live == Live::Absent
                && failure.as_ref().is_some_and(|failure| failure.exists);
            let hopeless = (failure.is_some() && !awaited)
                || pauses.end_within(window)
                || *self.stop.borrow()
                || matches!(&sighting.live, Live::Present(object)
                    if matches!(object.health, Health::Sound | Health::Outdated(_))
                        && matches!(adapter.readiness(desired, object), Readiness::NotReady(_)))
                || matches!(&sighting.live, Live::Present(object)
                    if matches!(object.health, Health::Broken(_)));
            if !hopeless {
                // Long waits would say the same again and again.
                if !blockers.is_empty() && blockers != told {
                    told.clone_from(&blockers);
                    (self.survey.observer.0)(Event::Waiting {
                        address: address.clone(),
                        blockers: blockers.clone(),
                    });
                }
                pauses.pause().await;
                continue;
            }
            if old.is_some() {
                // The state goes on remembering the old object, or nobody would
                // know of it any more.
                let _ = self.keeper.mark_unverified(address).await;
                let failure = failure.unwrap_or_else(|| not_shown(address, &problem));
                return (Ending::Failed(failure), Map::new());
            }
            return self
                .fell_short(address, adapter, desired, failure, &problem, blockers, &sighting)
                .await;
        }
    }

    /// Waits until what is only a question is answered well.
    pub(super) async fn check(&self, address: &Address) -> (Ending, Map) {
        let adapter = address.kind.adapter();
        let desired = match self.declared(address) {
            Some(Ok(desired)) => desired,
            Some(Err(why)) => return (unreadable("check it", &wrong(why)), Map::new()),
            None => return (Ending::Interrupted, Map::new()),
        };
        match self.verify(address, adapter, &desired, None).await {
            (Ending::Applied, outputs) => (Ending::Unchanged, outputs),
            other => other,
        }
    }

    /// A read proved that the object is as declared and ready.
    async fn proved(
        &self,
        address: &Address,
        desired: &Desired,
        sighting: &Sighting,
    ) -> (Ending, Map) {
        let outputs = outputs(Some(desired), Some(&sighting.live), Action::NoOp);
        self.survey.cluster_is_there(address, &outputs);
        let record = self.record(address, desired.attributes.clone(), desired, &outputs, sighting);
        let record = Record { status: Status::Applied, ..record };
        if address.kind.adapter().is_check() && self.prior(address).is_some() {
            // Asked again, with the same answer: nothing to write down.
            self.keeper.refresh(address, record).await;
            return (Ending::Applied, outputs);
        }
        match self.keeper.record(address, self.action(address), record).await {
            Ok(()) => (Ending::Applied, outputs),
            Err(_) => (Ending::Interrupted, outputs),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of the one attempt")]
    async fn fell_short(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        desired: &Desired,
        failure: Option<Failure>,
        problem: &str,
        blockers: Vec<Blocker>,
        sighting: &Sighting,
    ) -> (Ending, Map) {
        let outputs = outputs(Some(desired), Some(&sighting.live), Action::NoOp);
        let failed = failure.is_some();
        let may_show_later = failure.as_ref().is_none_or(|failure| failure.unknown);
        let mut ending = match failure {
            Some(failure) => Ending::Failed(Failure { blockers: blockers.clone(), ..failure }),
            None if !blockers.is_empty() => Ending::NotReady(blockers.clone()),
            None => Ending::Failed(not_shown(address, problem)),
        };
        if let Live::Present(object) = &sighting.live {
            // Only what a read shows was applied; what is still to go stays
            // remembered as ours.
            let entry = self.survey.entries.get(address);
            let prior =
                self.prior(address).filter(|prior| prior.identity.is_same(&desired.identity));
            let ignore = entry.map(|entry| entry.ignore.as_slice()).unwrap_or_default();
            let found = differences(adapter, desired, prior, object, ignore);
            let prior = prior.map(|prior| &prior.attributes);
            let mut attributes = reached(&desired.attributes, prior, &found.changes);
            if failed && prior.is_none() {
                // The object does not tell whether that came to its end.
                attributes.retain(|name, _| !is_remembered(adapter, &Path::new(name)));
            }
            if may_show_later {
                // What the commands did is ours even if no read shows it yet.
                attributes = owned(adapter.attributes(), &attributes, &desired.attributes);
            }
            let record = self.record(address, attributes, desired, &outputs, sighting);
            let blockers = match &ending {
                Ending::Failed(failure) if blockers.is_empty() => vec![Blocker {
                    code: "CommandFailed".into(),
                    message: format!("{}: {}", failure.what, failure.why),
                    next: failure.next.clone(),
                }],
                _ => blockers,
            };
            let record = Record { status: Status::NotReady, blockers, ..record };
            if self.keeper.record(address, self.action(address), record).await.is_err() {
                ending = Ending::Interrupted;
            }
        }
        (ending, outputs)
    }

    /// The object could not be read after a change: nobody knows.
    async fn unverified(
        &self,
        address: &Address,
        failure: Option<Failure>,
        error: &Unreadable,
    ) -> Ending {
        let _ = self.keeper.mark_unverified(address).await;
        match failure {
            Some(failure) => Ending::Failed(failure),
            None => unreadable("read it after the change", error),
        }
    }

    pub(super) async fn verify_gone(
        &self,
        address: &Address,
        adapter: &'static dyn Adapter,
        failure: Option<Failure>,
    ) -> (Ending, Map) {
        let prior = self.prior(address);
        if seeded::is(Bug::ForgottenTooEarly) {
            let _ = self.keeper.gone(address).await;
        }
        // What goes takes as long as what comes, or at least long enough to show.
        let window = prior.map_or(SETTLE_WINDOW, |prior| {
            let gone = Desired {
                identity: prior.identity.clone(),
                attributes: prior.attributes.clone(),
                settings: prior.settings.clone(),
                ..Desired::default()
            };
            adapter.patience(&gone).max(SETTLE_WINDOW)
        });
        let mut pauses = Pauses::new(&self.survey.gateway);
        let mut was_busy = false;
        loop {
            match self.look(address, (None, prior)).await {
                Err(error) => {
                    let _ = self.keeper.mark_unverified(address).await;
                    let ending = match failure {
                        Some(failure) => Ending::Failed(failure),
                        None => unreadable("read it after the change", &error),
                    };
                    return (ending, Map::new());
                }
                Ok(Sighting { live: Live::Absent, .. }) => {
                    let ending = match self.keeper.gone(address).await {
                        Ok(()) => Ending::Destroyed,
                        Err(_) => Ending::Interrupted,
                    };
                    return (ending, Map::new());
                }
                Ok(Sighting { live: Live::Present(object), .. }) => {
                    let (obstacles, awaited) = match prior {
                        Some(prior) => (
                            adapter.obstacles(&prior.identity, &object),
                            adapter.obstacle_patience(prior, &object),
                        ),
                        None => (Vec::new(), None),
                    };
                    if failure.is_none()
                        && !pauses.end_within(awaited.unwrap_or(window))
                        && !*self.stop.borrow()
                        && may_go(&object.health, &mut was_busy)
                    {
                        if awaited.is_some() {
                            let blockers = obstacles;
                            let address = address.clone();
                            (self.survey.observer.0)(Event::Waiting { address, blockers });
                        }
                        pauses.pause().await;
                        continue;
                    }
                    let blockers = if awaited.is_some() { obstacles } else { Vec::new() };
                    let failure =
                        failure.map(|failure| Failure { blockers: blockers.clone(), ..failure });
                    // Parts of it may be gone: nobody can say that it is applied.
                    let _ = self.keeper.mark_unverified(address).await;
                    let failure = failure.unwrap_or_else(|| Failure {
                        what: "verify the deletion".into(),
                        command: String::new(),
                        why: match &object.health {
                            Health::Sound => "the commands succeeded, but it still exists".into(),
                            Health::Broken(why) | Health::Outdated(why) | Health::Busy(why) => {
                                format!("the commands succeeded, but it still exists: {why}")
                            }
                        },
                        next: format!("run `lkh plan --target {address}`"),
                        blockers,
                        exists: false,
                        unknown: false,
                    });
                    return (Ending::Failed(failure), Map::new());
                }
            }
        }
    }

    /// What the plan does with a resource.
    fn action(&self, address: &Address) -> Option<Action> {
        self.changes.get(address).map(|change| change.action)
    }

    /// Brings the record of a resource that needs no change up to date with
    /// what was read, if it says something else.
    pub(super) async fn keep(&self, address: &Address, settled: &Settled) {
        let (Some(desired), Some(Live::Present(object))) = (&settled.desired, &settled.live) else {
            return;
        };
        if self.survey.entries.get(address).is_none_or(|entry| entry.prior.is_none()) {
            return;
        }
        let blockers = settled.decision.blockers.clone();
        let status = if blockers.is_empty() { Status::Applied } else { Status::NotReady };
        let sighting = Sighting {
            live: Live::Present(object.clone()),
            commands: settled.evidence.clone(),
            missing: None,
        };
        let record =
            self.record(address, desired.attributes.clone(), desired, &settled.outputs, &sighting);
        self.keeper.refresh(address, Record { status, blockers, ..record }).await;
    }

    fn record(
        &self,
        address: &Address,
        attributes: Map,
        desired: &Desired,
        outputs: &Map,
        sighting: &Sighting,
    ) -> Record {
        let entry = self.survey.entries.get(address);
        Record {
            applied: Arc::new(Prior {
                identity: desired.identity.clone(),
                attributes,
                outputs: outputs.clone(),
                settings: desired.settings.clone(),
                standing: Standing::Applied,
            }),
            status: Status::Unverified,
            phase: entry.and_then(|entry| entry.phase.clone()),
            dependencies: entry.map(|entry| entry.dependencies.clone()).unwrap_or_default(),
            prevent_destroy: entry.is_some_and(|entry| entry.prevent_destroy),
            blockers: Vec::new(),
            evidence: evidence(sighting, self.survey.clock.now()),
        }
    }
}

/// What the evidence of an object that was there says.
pub const EXISTS: &str = "exists, and this is what was read of it";

/// What a read proves, command by command.
pub fn evidence(sighting: &Sighting, at: jiff::Timestamp) -> Vec<Evidence> {
    let claim = match &sighting.live {
        Live::Present(_) => EXISTS,
        Live::Absent => "does not exist",
    };
    let mut evidence: Vec<_> = sighting
        .commands
        .iter()
        .map(|(command, digest)| Evidence {
            claim: claim.to_owned(),
            command: command.clone(),
            at,
            digest: digest.clone(),
        })
        .collect();
    evidence.dedup_by(|a, b| a.command == b.command);
    evidence
}

/// Whether an object that is to go still may: once it was being removed and is
/// broken now, its removal has failed.
fn may_go(health: &Health, was_busy: &mut bool) -> bool {
    match health {
        Health::Busy(_) => {
            *was_busy = true;
            true
        }
        Health::Broken(_) | Health::Outdated(_) => !*was_busy,
        Health::Sound => true,
    }
}

/// Whether a field is one that only the state remembers.
fn is_remembered(adapter: &dyn Adapter, path: &Path) -> bool {
    let of = |name: &String| {
        adapter.attributes().iter().any(|one| one.name == name && one.rule == Rule::Remembered)
    };
    path.segments().first().is_some_and(of)
}

fn blockers_of(readiness: Readiness) -> Vec<Blocker> {
    match readiness {
        Readiness::Ready => Vec::new(),
        Readiness::Waiting(blockers) | Readiness::NotReady(blockers) => blockers,
    }
}

/// The read after the change did not show it.
fn not_shown(address: &Address, problem: &str) -> Failure {
    Failure {
        what: "verify the change".into(),
        command: String::new(),
        why: format!("the commands succeeded, but {problem}"),
        next: format!("run `lkh plan --target {address}`"),
        blockers: Vec::new(),
        exists: false,
        unknown: false,
    }
}
