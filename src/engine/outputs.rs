//! The stack's outputs: what they are before, during and after an apply.
//!
//! An output follows from what resources offer. What no run has proved is
//! unknown: an identifier that could be computed is no output of an object that
//! was never made. This module must not read anything live.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::apply::Ending;
use super::survey::Settled;
use super::{Engine, Planned, Report};
use crate::address::Address;
use crate::manifest::outputs::Output;
use crate::manifest::stack::{Facts, Stack};
use crate::manifest::template::Resolution;
use crate::plan::outputs::OutputValue;
use crate::state::{SavedOutput, State};
use crate::value::{Map, Value};

/// What the state remembers that outputs need.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// The outputs as they were kept.
    saved: BTreeMap<String, SavedOutput>,
    /// What the resources offered that outputs refer to: a run with targets
    /// leaves some of them out.
    offered: BTreeMap<Address, Map>,
}

impl Remembered {
    /// What a state remembers.
    pub fn of(stack: &Stack, state: Option<&State>) -> Self {
        let Some(state) = state else { return Self::default() };
        let targets = stack.outputs.iter().flat_map(|output| &output.targets);
        let offered = targets.filter_map(|target| {
            let record = state.resources.get(target)?;
            Some((target.clone(), record.applied.outputs.clone()))
        });
        Self { saved: state.outputs.clone(), offered: offered.collect() }
    }

    fn offered(&self, address: &Address, attribute: &str) -> Option<Value> {
        self.offered.get(address)?.get(attribute).cloned()
    }
}

/// The outputs as far as the plan knows them.
pub(super) fn planned(
    engine: &Engine,
    account: &str,
    settled: &BTreeMap<Address, Arc<Settled>>,
    past: &Remembered,
) -> Vec<OutputValue> {
    let mut offered = |address: &Address, attribute: &str| match settled.get(address) {
        Some(settled) => settled.outputs.get(attribute).cloned(),
        None => past.offered(address, attribute),
    };
    all(engine, account, &past.saved, &mut offered)
}

/// The outputs once a plan is carried out.
pub(super) fn applied(
    engine: &Engine,
    account: &str,
    report: &Report,
    past: &Remembered,
) -> Vec<OutputValue> {
    let ended: BTreeMap<_, _> =
        report.resources.iter().map(|(address, _, finished)| (address, finished)).collect();
    let mut offered = |address: &Address, attribute: &str| match ended.get(address) {
        Some(finished) => {
            // What did not come to its end may not exist at all.
            let is_there = matches!(
                finished.ending,
                Ending::Unchanged | Ending::Applied | Ending::NotReady(_)
            );
            finished.outputs.get(attribute).filter(|_| is_there).cloned()
        }
        None => past.offered(address, attribute),
    };
    all(engine, account, &past.saved, &mut offered)
}

/// The outputs as a refresh found them.
pub(super) fn read(engine: &Engine, planned: &Planned, state: &State) -> Vec<OutputValue> {
    let past = Remembered::of(&engine.stack, Some(state));
    let mut offered = |address: &Address, attribute: &str| match planned.settled.get(address) {
        Some(settled) => {
            let is_there = matches!(settled.live, Some(crate::adapter::Live::Present(_)));
            settled.outputs.get(attribute).filter(|_| is_there).cloned()
        }
        None => past.offered(address, attribute),
    };
    all(engine, &planned.account, &past.saved, &mut offered)
}

fn all(
    engine: &Engine,
    account: &str,
    saved: &BTreeMap<String, SavedOutput>,
    offered: &mut dyn FnMut(&Address, &str) -> Option<Value>,
) -> Vec<OutputValue> {
    let facts = Facts { account: Some(account), region: Some(&engine.region) };
    let declared = engine.stack.outputs.iter().filter(|output| output.off.is_none());
    declared
        .map(|output| {
            let mut lookup = |address: &Address, attribute: &str| {
                offered(address, attribute).map_or(Resolution::Unknown, Resolution::Known)
            };
            let unknown = || Value::Unknown(output.written.clone());
            let now = engine.stack.resolve(&output.value, facts, &mut lookup);
            let before = saved.get(&output.name).and_then(|saved| saved.value.clone());
            let now = now.unwrap_or_else(|_| unknown());
            OutputValue { name: output.name.clone(), before, now: hidden(output, now) }
        })
        .collect()
}

/// A value, marked where the Stack says that it is sensitive.
fn hidden(output: &Output, value: Value) -> Value {
    match value {
        Value::Unknown(_) | Value::Sensitive(_) => value,
        value if output.sensitive => Value::Sensitive(Box::new(value)),
        value => value,
    }
}

/// What is kept of the outputs: of a sensitive one, that there is one.
pub(super) fn to_keep(stack: &Stack, outputs: &[OutputValue]) -> BTreeMap<String, SavedOutput> {
    let declared = |name: &str| stack.outputs.iter().find(|output| output.name == name);
    outputs
        .iter()
        .filter_map(|one| {
            let output = declared(&one.name)?;
            let sensitive = output.sensitive || one.now.has_sensitive();
            let known = !sensitive && !one.now.has_unknown();
            let saved = SavedOutput {
                written: (!sensitive).then(|| output.written.clone()),
                value: known.then(|| one.now.clone()),
                sensitive,
            };
            Some((one.name.clone(), saved))
        })
        .collect()
}
