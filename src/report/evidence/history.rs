//! What the apply log tells of each resource: how it came to be, and what the
//! last run that worked on it did.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::address::Address;
use crate::journal::{Entry, Event, Outcome};

/// By resource.
pub(super) type Histories = BTreeMap<Address, History>;

/// What was done with one resource.
#[derive(Debug, Default)]
pub(super) struct History {
    /// How it became ours; `None`: the log does not say.
    pub origin: Option<Origin>,
    /// What the last run that settled it did with it.
    pub action: Option<String>,
    /// The last run that worked on it.
    pub run: Option<String>,
    /// The changing commands of that run.
    pub commands: Vec<Ran>,
}

/// How a resource became ours.
#[derive(Debug)]
pub(super) struct Origin {
    /// `created` or `adopted`.
    pub how: &'static str,
    /// By which run.
    pub run: Option<String>,
    /// When a read had proved it.
    pub at: Timestamp,
}

/// A changing command.
#[derive(Debug)]
pub(super) struct Ran {
    pub operation: u64,
    pub at: Timestamp,
    pub title: String,
    pub command: String,
    /// `None`: nobody saw its end.
    pub outcome: Option<Outcome>,
}

impl History {
    /// Whether the object was there before the last run that worked on it.
    pub(super) fn existed(&self) -> Option<bool> {
        self.action.as_ref().map(|action| action != "create")
    }

    fn of_run(&mut self, run: Option<&String>) {
        if self.run.as_ref() != run {
            self.run = run.cloned();
            self.commands.clear();
        }
    }
}

/// Reads a log.
pub(super) fn read(log: &[Entry]) -> Histories {
    let mut histories = Histories::new();
    let mut run: Option<String> = None;
    let mut operations: BTreeMap<u64, Address> = BTreeMap::new();
    for Entry { at, event, .. } in log {
        match event {
            Event::RunStarted { run: name, .. } => run = Some(name.clone()),
            Event::Intended { operation, address, title, command, .. } => {
                operations.insert(*operation, address.clone());
                let history = histories.entry(address.clone()).or_default();
                history.of_run(run.as_ref());
                history.commands.push(Ran {
                    operation: *operation,
                    at: *at,
                    title: title.clone(),
                    command: command.clone(),
                    outcome: None,
                });
            }
            Event::Finished { operation, outcome } => {
                let history = operations.get(operation).and_then(|a| histories.get_mut(a));
                let ran = history.and_then(|history| {
                    history.commands.iter_mut().find(|ran| ran.operation == *operation)
                });
                if let Some(ran) = ran {
                    ran.outcome = Some(outcome.clone());
                }
            }
            Event::Settled { address, status, .. } if status == "gone" || status == "forgotten" => {
                histories.remove(address);
            }
            Event::Settled { address, action, .. } => {
                let history = histories.entry(address.clone()).or_default();
                history.of_run(run.as_ref());
                history.action.clone_from(action);
                let how = match action.as_deref() {
                    Some("create" | "replace") => Some("created"),
                    Some("adopt") => Some("adopted"),
                    _ => None,
                };
                if let Some(how) = how {
                    history.origin = Some(Origin { how, run: run.clone(), at: *at });
                }
            }
            Event::Removed { address, .. } => drop(histories.remove(address)),
            Event::Moved { from, to, .. } => {
                if let Some(history) = histories.remove(from) {
                    histories.insert(to.clone(), history);
                }
            }
            Event::RunEnded { .. }
            | Event::Pushed { .. }
            | Event::Restored { .. }
            | Event::Fenced { .. } => {}
        }
    }
    histories
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Kind;
    use crate::value::Digest;

    fn log(events: Vec<Event>) -> Vec<Entry> {
        (1..)
            .zip(events)
            .map(|(line, event)| Entry {
                line,
                at: Timestamp::UNIX_EPOCH,
                previous: Digest::of(b""),
                event,
            })
            .collect()
    }

    fn started(run: &str) -> Event {
        Event::RunStarted { format_version: 1, run: run.into(), plan: Digest::of(b"p") }
    }

    fn intended(operation: u64, address: &Address) -> Event {
        Event::Intended {
            operation,
            address: address.clone(),
            title: "t".into(),
            command: "c".into(),
            input: None,
            object: None,
        }
    }

    fn settled(address: &Address, status: &str, action: Option<&str>) -> Event {
        Event::Settled {
            address: address.clone(),
            status: status.into(),
            action: action.map(str::to_owned),
        }
    }

    #[test]
    fn what_one_run_made_the_next_one_found() {
        let x = Address::new(Kind::HelmRelease, "x");
        let mut events = vec![
            started("one"),
            intended(1, &x),
            Event::Finished { operation: 1, outcome: Outcome::Exited },
            settled(&x, "not ready", Some("create")),
        ];
        let first = read(&log(events.clone()));
        assert_eq!(first[&x].existed(), Some(false));
        assert_eq!(first[&x].commands.len(), 1);
        events.extend([
            started("two"),
            intended(2, &x),
            Event::Finished { operation: 2, outcome: Outcome::Exited },
            settled(&x, "applied", Some("repair")),
        ]);
        let second = read(&log(events.clone()));
        assert_eq!(second[&x].existed(), Some(true));
        assert_eq!(second[&x].commands[0].operation, 2);
        let origin = second[&x].origin.as_ref().unwrap();
        assert_eq!((origin.how, origin.run.as_deref()), ("created", Some("one")));
        events.push(settled(&x, "gone", None));
        assert!(read(&log(events)).is_empty());
    }

    #[test]
    fn an_older_log_does_not_say_what_was_done() {
        let x = Address::new(Kind::IamRole, "x");
        let histories = read(&log(vec![started("one"), settled(&x, "applied", None)]));
        assert_eq!(histories[&x].existed(), None);
        assert!(histories[&x].origin.is_none());
    }
}
