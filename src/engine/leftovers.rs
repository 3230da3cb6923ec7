//! The end of a destroy: reads that prove that nothing is left which no
//! resource stands for, and what stays on purpose.
//!
//! This module must not change anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::apply::{Ending, Finished};
use super::read::{Freshness, Unreadable, ask, failed, unreadable};
use super::survey::Survey;
use crate::adapter::{Adapter, Answers, Leftover, Leftovers, Prior};
use crate::address::{Address, Reference};
use crate::plan::{Action, Change, Plan, Reason};
use crate::value::Digest;

/// How long what is being removed may still show.
const WINDOW: Duration = Duration::from_secs(90);
/// How long between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// After this many rounds of questions an adapter is taken to be in a circle.
const MAX_ROUNDS: usize = 8;

/// What was looked for on behalf of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The resource that is gone.
    pub address: Address,
    /// What was looked for, each with what was found.
    pub found: Vec<Leftover>,
    /// The commands that told, each with the digest of its answer.
    pub commands: Vec<(String, Digest)>,
    /// Why nobody knows.
    pub problem: Option<Unreadable>,
}

impl Checked {
    /// Whether it is proved that nothing is left.
    pub fn is_clean(&self) -> bool {
        self.problem.is_none() && self.found.iter().all(|one| one.ids.is_empty())
    }
}

/// Looks for what the resources that are gone have left behind.
pub async fn check(
    survey: &Survey,
    account: &str,
    plan: &Plan,
    finished: &[(Address, Action, Arc<Finished>)],
) -> Vec<Checked> {
    let mut all = Vec::new();
    for (address, _, finished) in finished {
        let gone =
            matches!(finished.ending, Ending::Destroyed | Ending::Forgotten | Ending::Unchanged);
        let external = plan
            .changes
            .iter()
            .any(|change| change.address == *address && change.reason == Reason::External);
        let Some(prior) =
            (gone && !external).then(|| remembered(survey, account, address)).flatten()
        else {
            continue;
        };
        let adapter = address.kind.adapter();
        let start = Instant::now();
        loop {
            let looked = look(survey, adapter, &prior).await;
            let Some(checked) = looked.map(|(found, commands, problem)| Checked {
                address: address.clone(),
                found,
                commands,
                problem,
            }) else {
                break;
            };
            let last = survey.gateway.is_consistent() || start.elapsed() + PAUSE > WINDOW;
            if checked.is_clean() || checked.problem.is_some() || last {
                all.push(checked);
                break;
            }
            sleep(PAUSE).await;
        }
    }
    all
}

/// What is known of a resource that is gone: what was applied last, or what the
/// manifest says.
fn remembered(survey: &Survey, account: &str, address: &Address) -> Option<Prior> {
    let entry = survey.entries.get(address)?;
    if let Some(prior) = &entry.prior {
        return Some(Prior::clone(prior));
    }
    let mut lookup = |reference: &Reference| survey.lookup(reference, Some(account));
    let desired = survey.desired(address, entry, Some(account), &mut lookup)?.ok()?;
    Some(Prior {
        identity: desired.identity,
        attributes: desired.attributes,
        settings: desired.settings,
        ..Prior::default()
    })
}

type Looked = (Vec<Leftover>, Vec<(String, Digest)>, Option<Unreadable>);

/// Asks until it is known; `None`: this kind leaves nothing.
async fn look(survey: &Survey, adapter: &'static dyn Adapter, prior: &Prior) -> Option<Looked> {
    let mut answers = Answers::default();
    let mut commands = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let asked = match adapter.leftovers(prior, &answers) {
            Ok(Leftovers::None) => return None,
            Ok(Leftovers::Known(found)) => return Some((found, commands, None)),
            Ok(Leftovers::Ask(asked)) => asked,
            Err(error) => {
                let why = unreadable(&survey.gateway, &error.command, &error.answer, &error.why);
                return Some((Vec::new(), commands, Some(why)));
            }
        };
        match ask(&survey.gateway, asked, Freshness::Fresh).await {
            Ok(answered) => {
                for (command, answer) in answered {
                    let digest = Digest::of(answer.stdout.as_bytes());
                    commands.push((command.to_string(), digest));
                    answers.insert(&command, answer);
                }
            }
            Err(error) => return Some((Vec::new(), commands, Some(error))),
        }
    }
    let command = crate::command::Command::read(crate::command::Tool::Aws, &["ec2"]);
    let error = crate::exec::ExecError::failed("the reading does not come to an end");
    Some((Vec::new(), commands, Some(failed(&command, &error))))
}

/// What stays on purpose, each with why.
pub fn stays(plan: &Plan) -> Vec<(Address, String)> {
    let why = |change: &Change| match &change.reason {
        Reason::NeverDeleted { why } => Some(why.clone()),
        Reason::External => Some("it is external: lkh only reads it".to_owned()),
        _ if change.prevent_destroy && change.action == Action::Delete => {
            Some("lifecycle.preventDestroy forbids its removal".to_owned())
        }
        _ if change.action == Action::Delete => {
            change.blockers.first().map(|blocker| blocker.message.clone())
        }
        _ => None,
    };
    plan.changes
        .iter()
        // A question stands for no object: nothing of it could stay.
        .filter(|change| !change.address.kind.adapter().is_check())
        .filter_map(|change| Some((change.address.clone(), why(change)?)))
        .collect()
}
