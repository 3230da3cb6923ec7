//! What the survey found out about one resource.
//!
//! This module must not read or decide anything.

use std::sync::{Arc, Mutex};

use super::super::read::Unreadable;
use crate::adapter::{Blocker, Desired, Live, Prior};
use crate::plan::decide::Decision;
use crate::plan::whole::Whole;
use crate::plan::{Action, Reason};
use crate::value::Map;

/// A resource that is read and decided.
#[derive(Debug, Clone)]
pub struct Settled {
    /// What the manifest asks for, with every output of its dependencies that
    /// is known.
    pub desired: Option<Desired>,
    /// What was read; `None`: nothing could be read.
    pub live: Option<Live>,
    /// What was applied last and counts as this resource's: without what other
    /// resources claim by now.
    pub prior: Option<Arc<Prior>>,
    /// The commands that told.
    pub evidence: Vec<(String, crate::value::Digest)>,
    /// What is done with it.
    pub decision: Decision,
    /// The whole object before and after that, until the plan takes it: both
    /// would be half of what a large plan keeps.
    pub whole: Arc<Mutex<Whole>>,
    /// What others may refer to.
    pub outputs: Map,
}

/// What others may refer to, given what is done with the resource.
pub fn outputs(desired: Option<&Desired>, live: Option<&Live>, action: Action) -> Map {
    let mut outputs = desired.map(|desired| desired.outputs.clone()).unwrap_or_default();
    // An output that is known without reading may hold unknown parts of its
    // own; those are no news to anyone.
    outputs.retain(|_, value| !value.has_unknown());
    let kept = matches!(
        action,
        Action::NoOp
            | Action::Adopt
            | Action::Update
            | Action::Repair
            | Action::Check
            | Action::Unknown
    );
    if let (true, Some(Live::Present(object))) = (kept, live) {
        outputs.extend(object.outputs.clone());
    }
    outputs
}

/// What to do about a resource that waits for another one.
pub(super) const SEE_CAUSE: &str = "see what stands in the way of that one, then plan again";

pub(super) fn unreadable(error: &Unreadable, desired: Option<Desired>) -> Settled {
    let mut why = error.why.clone();
    if !error.command.is_empty() {
        why = format!("{why}\ncommand: {}", error.command);
    }
    unknown(Reason::NotReadable { why }, error.next.clone(), desired)
}

pub(super) fn unknown(reason: Reason, next: String, desired: Option<Desired>) -> Settled {
    let code = match &reason {
        Reason::DependencyUnknown { .. } => "DependencyUnknown",
        Reason::DependencyMissing { .. } => "DependencyMissing",
        _ => "NotReadable",
    };
    let blocker = Blocker { code: code.into(), message: reason.to_string(), next };
    let mut decision = Decision::without_steps(Action::Unknown, reason);
    decision.blockers.push(blocker);
    let outputs = outputs(desired.as_ref(), None, Action::Unknown);
    let whole = Arc::default();
    Settled { desired, live: None, prior: None, evidence: Vec::new(), decision, whole, outputs }
}
