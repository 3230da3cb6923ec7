//! What was done a moment ago, and reads that do not show it yet.
//!
//! IAM and EKS are eventually consistent: right after a change a read may still
//! tell of the time before. So where the state or the apply log says that an
//! object was made, or that a command was run, within the last minute, and a
//! read tells otherwise, it is read again until it shows or the minute is over.
//! Only then the read is believed. Nothing is waited for where nothing was done
//! lately. This module must not decide what is done with a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::super::apply::EXISTS;
use super::super::entry::Entry;
use super::super::event::Event;
use super::super::read::{Freshness, Sighting, Unreadable};
use super::{Settled, Survey};
use crate::adapter::{Adapter, Desired, Live, Prior, Step};
use crate::address::Address;
use crate::diff::Origin;
use crate::journal::{self, Journal, Outcome};
use crate::plan::decide::Decision;
use crate::state::State;
use crate::value::Digest;

/// How long a change may take to show everywhere.
const WINDOW: Duration = Duration::from_secs(60);
/// The first pause between two reads, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// What was done with one resource within the window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    /// When the last of it was.
    at: Timestamp,
    /// Whether a read showed the object, so that the state remembers it.
    shown: bool,
    /// Whether a command that makes or changes was begun and is not known to
    /// have failed.
    made: bool,
    /// The commands that were begun and are not known to have failed, each with
    /// the digest of its redacted document.
    commands: BTreeSet<(String, Option<Digest>)>,
}

/// What was done within the window before `now`, by resource.
pub fn recent(state: Option<&State>, log: &Journal, now: Timestamp) -> BTreeMap<Address, Recent> {
    let mut found: BTreeMap<Address, Recent> = BTreeMap::new();
    for (address, record) in state.iter().flat_map(|state| &state.resources) {
        let seen = record.evidence.iter().filter(|one| one.claim == EXISTS).map(|one| one.at);
        if let Some(at) = seen.max().filter(|&at| is_recent(at, now)) {
            found.insert(address.clone(), Recent { at, shown: true, ..Recent::default() });
        }
    }
    // What was begun, by operation; what failed or is gone is taken out again.
    let mut begun = BTreeMap::new();
    let late = log.entries.iter().rev().take_while(|entry| is_recent(entry.at, now));
    let first = log.entries.len() - late.count();
    for entry in log.entries.iter().skip(first) {
        match &entry.event {
            journal::Event::Intended { operation, address, command, input, .. } => {
                begun.insert(*operation, (address, (command.clone(), input.clone()), entry.at));
            }
            journal::Event::Finished { operation, outcome: Outcome::Failed { .. } } => {
                begun.remove(operation);
            }
            journal::Event::Settled { address, status, .. } if status == "gone" => {
                begun.retain(|_, (of, ..)| *of != address);
            }
            journal::Event::Finished {
                outcome: Outcome::Exited | Outcome::Unknown { .. }, ..
            }
            | journal::Event::Settled { .. }
            | journal::Event::RunStarted { .. }
            | journal::Event::RunEnded { .. }
            | journal::Event::Removed { .. }
            | journal::Event::Moved { .. }
            | journal::Event::Pushed { .. }
            | journal::Event::Restored { .. }
            | journal::Event::Fenced { .. } => {}
        }
    }
    for (address, command, at) in begun.into_values() {
        let recent = found.entry(address.clone()).or_default();
        recent.at = recent.at.max(at);
        recent.made |= !removes(&command.0);
        recent.commands.insert(command);
    }
    found
}

/// Whether what was done at a time may not show in a read yet.
pub(in crate::engine) fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    // A clock that was set back makes the past look like the future.
    now.duration_since(at).abs() < SignedDuration::from_secs(WINDOW.as_secs().cast_signed())
}

/// Whether a command takes something away: after it, absence is what is
/// expected.
fn removes(command: &str) -> bool {
    const WORDS: &[&str] = &["delete", "detach", "disassociate", "remove", "untag", "uninstall"];
    let mut words = command.split(' ').skip(1).take(2);
    words.any(|word| WORDS.iter().any(|start| word.starts_with(start)))
}

impl Recent {
    /// What is left of the window.
    fn left(&self, now: Timestamp) -> Duration {
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        WINDOW.saturating_sub(passed)
    }

    /// Whether a read that shows no object may be behind.
    fn may_be_there(&self, desired: Option<&Desired>, prior: Option<&Prior>) -> bool {
        // What the state remembers tells nothing of an object of another name.
        let same = match (desired, prior) {
            (Some(desired), Some(prior)) => desired.identity.is_same(&prior.identity),
            (None, Some(_)) => true,
            (_, None) => false,
        };
        (self.shown && same) || (self.made && desired.is_some())
    }

    /// Whether a decision rests on a read that may be behind: it lacks a part
    /// that was there, or would do again what was just done.
    pub(in crate::engine) fn doubts(&self, decision: &Decision) -> bool {
        let lacks = self.shown
            && decision.fields.iter().any(|field| {
                field.before.is_none()
                    && field.after.is_some()
                    && matches!(field.origin, Origin::Drift | Origin::Both)
            });
        lacks || decision.steps.iter().any(|step| self.commands.contains(&told(step)))
    }
}

/// A step as the apply log tells it.
fn told(step: &Step) -> (String, Option<Digest>) {
    let input = step.command.stdin.as_ref();
    let digest = input.map(|document| Digest::of(document.redacted_json().to_string().as_bytes()));
    (step.command.to_string(), digest)
}

/// Waits between reads, longer each time, until the window is over.
#[derive(Debug)]
pub(in crate::engine) struct Patience {
    end: Instant,
    pause: Duration,
}

impl Patience {
    /// Pauses; `false` once the window is over.
    pub(in crate::engine) async fn wait(&mut self) -> bool {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        tokio::time::sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}

impl Survey {
    /// What was done with a resource a moment ago, with the patience that it
    /// asks for. Tells that it is waited for.
    pub(in crate::engine) fn patience(&self, address: &Address) -> Option<(&Recent, Patience)> {
        let recent = self.recent.get(address)?;
        let left = recent.left(self.clock.now());
        Some((recent, Patience { end: Instant::now() + left, pause: PAUSES.0 }))
    }

    /// Says what a pause is for.
    pub(in crate::engine) fn tell_of_pause(&self, address: &Address) {
        (self.observer.0)(Event::Notice(format!(
            "{address} was changed less than a minute ago and does not show it yet; lkh reads it \
             again"
        )));
    }

    /// Decides what is done with one resource, after what it depends on; on
    /// reads that show what was done a moment ago, or will not any more.
    pub(in crate::engine) async fn decide(
        &self,
        address: &Address,
        entry: &Entry,
        adapter: &'static dyn Adapter,
        account: &str,
        early: Option<(Desired, Sighting)>,
    ) -> Settled {
        let shared = Freshness::Shared;
        let settled = self.decide_once(address, entry, adapter, (account, shared), early).await;
        let Some((recent, mut patience)) = self.patience(address) else { return settled };
        if !recent.doubts(&settled.decision) {
            return settled;
        }
        self.tell_of_pause(address);
        let mut settled = settled;
        while recent.doubts(&settled.decision) && patience.wait().await {
            let how = (account, Freshness::Fresh);
            settled = Box::pin(self.decide_once(address, entry, adapter, how, None)).await;
        }
        settled
    }

    /// What a read told, or a later one where it may be behind: an object that
    /// was there a moment ago is absent only once the window is over.
    pub(in crate::engine) async fn assure(
        &self,
        address: &Address,
        (desired, prior): (Option<&Desired>, Option<&Prior>),
        mut sighting: Sighting,
    ) -> Result<Sighting, Unreadable> {
        let adapter = address.kind.adapter();
        let identity = desired.map(|d| &d.identity).or(prior.map(|prior| &prior.identity));
        // With its cluster an object is gone at once.
        let is_outside = identity.is_some_and(|id| self.missing_cluster(adapter, id).is_some());
        if sighting.live != Live::Absent || is_outside {
            return Ok(sighting);
        }
        let Some((recent, mut patience)) = self.patience(address) else { return Ok(sighting) };
        if !recent.may_be_there(desired, prior) {
            return Ok(sighting);
        }
        self.tell_of_pause(address);
        while sighting.live == Live::Absent && patience.wait().await {
            let read = self.read(address, (desired, prior), Freshness::Fresh);
            sighting = Box::pin(read).await?;
        }
        Ok(sighting)
    }
}

#[cfg(test)]
mod tests;
