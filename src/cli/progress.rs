//! Shows what the engine tells while it works: a live line a resource on a
//! terminal, plain lines elsewhere. Everything goes to standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::address::Address;
use crate::engine::event::{Event, Observer};
use crate::quote::printable;
use crate::report::{BAD, GOOD, styled};

/// A progress display.
pub(crate) struct Progress {
    live: Option<Live>,
}

struct Live {
    all: MultiProgress,
    reading: Mutex<Option<ProgressBar>>,
    bars: Mutex<BTreeMap<Address, ProgressBar>>,
}

impl Progress {
    /// A display for this process's standard error.
    pub(crate) fn new(color: bool) -> Self {
        let live = std::io::stderr().is_terminal() && color;
        Self {
            live: live.then(|| Live {
                all: MultiProgress::new(),
                reading: Mutex::default(),
                bars: Mutex::default(),
            }),
        }
    }

    /// The observer that feeds the display.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let progress = Arc::clone(self);
        Arc::new(move |event| progress.show(&event))
    }

    fn show(&self, event: &Event) {
        match &self.live {
            Some(live) => live.show(event),
            None => plain(event),
        }
    }
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::ReadingStarted { .. } | Event::Read { .. } => return None,
        Event::Started { address, action } => format!("{address}: {} begins", verb(*action)),
        Event::CommandStarted { address, title } => format!("{address}: {}", printable(title)),
        Event::CommandEnded { address, title, succeeded, took } => {
            if *succeeded {
                return None;
            }
            format!(
                "{address}: {} {} after {}",
                printable(title),
                styled(BAD, "failed"),
                seconds(*took)
            )
        }
        Event::Waiting { address, blockers } => {
            let what = blockers.first().map_or("", |blocker| blocker.message.as_str());
            format!("{address}: waiting: {}", printable(what))
        }
        Event::Ended { address, outcome, good, took, .. } => {
            let style = if *good { GOOD } else { BAD };
            format!("{address}: {} after {}", styled(style, outcome), seconds(*took))
        }
        Event::Notice(text) => format!("note: {}", printable(text)),
    })
}

fn plain(event: &Event) {
    match event {
        Event::ReadingStarted { total } => {
            super::tell(&format!("Reading {} ...", crate::report::count(*total, "resource")));
        }
        _ => {
            if let Some(line) = line(event) {
                super::tell(&line);
            }
        }
    }
}

fn verb(action: crate::plan::Action) -> &'static str {
    use crate::plan::Action;
    match action {
        Action::NoOp | Action::Unknown => "nothing",
        Action::Create => "create",
        Action::Adopt => "adopt",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Repair => "repair",
        Action::Delete => "delete",
        Action::Forget => "forget",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

impl Live {
    fn show(&self, event: &Event) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ReadingStarted { total } => {
                let style = ProgressStyle::with_template("{spinner} reading {pos}/{len} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let bar = self.all.add(ProgressBar::new(*total as u64).with_style(style));
                bar.enable_steady_tick(Duration::from_millis(120));
                *reading = Some(bar);
            }
            Event::Read { .. } => {
                if let Some(bar) = &*reading {
                    bar.inc(1);
                    if bar.length() == Some(bar.position()) {
                        bar.finish_and_clear();
                        *reading = None;
                    }
                }
            }
            Event::Started { address, .. } => {
                let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner());
                let bar = self.all.add(ProgressBar::new_spinner().with_style(style));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar.set_message(address.to_string());
                bars.insert(address.clone(), bar);
            }
            Event::CommandStarted { address, .. } | Event::Waiting { address, .. } => {
                if let (Some(bar), Some(line)) = (bars.get(address), line(event)) {
                    bar.set_message(line);
                }
            }
            Event::Ended { address, .. } => {
                if let Some(bar) = bars.remove(address) {
                    bar.finish_and_clear();
                }
                self.print(event);
            }
            Event::CommandEnded { .. } | Event::Notice(_) => self.print(event),
        }
    }

    fn print(&self, event: &Event) {
        if let Some(line) = line(event) {
            // Nothing to do if the terminal went away.
            drop(self.all.println(line));
        }
    }
}
