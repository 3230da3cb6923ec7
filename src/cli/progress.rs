//! Shows what the engine tells while it works: a live line a resource on a
//! terminal, plain lines elsewhere. Everything goes to standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::address::Address;
use crate::engine::event::{Event, Observer};
use crate::quote;
use crate::report::{BAD, GOOD, styled};

/// A progress display.
pub(crate) struct Progress {
    live: Option<Live>,
}

/// How many resources have a line of their own at once: more would not fit on
/// a terminal, and every line costs a thread that turns its spinner.
const MOST_LINES: usize = 12;

struct Live {
    all: MultiProgress,
    lines: Mutex<Lines>,
}

/// The lines that are being redrawn.
#[derive(Default)]
struct Lines {
    reading: Option<ProgressBar>,
    /// Stands below the others while resources are under way.
    overall: Option<ProgressBar>,
    resources: BTreeMap<Address, ProgressBar>,
    under_way: usize,
    done: usize,
}

impl Progress {
    /// A display for this process's standard error.
    pub(crate) fn new(color: bool) -> Self {
        let live = std::io::stderr().is_terminal() && color;
        Self { live: live.then(|| Live { all: MultiProgress::new(), lines: Mutex::default() }) }
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
        Event::CommandStarted { address, title } => format!("{address}: {}", quote::line(title)),
        Event::CommandEnded { address, title, succeeded, took } => {
            if *succeeded {
                return None;
            }
            format!(
                "{address}: {} {} after {}",
                quote::line(title),
                styled(BAD, "failed"),
                seconds(*took)
            )
        }
        Event::Waiting { address, blockers } => {
            let what = blockers.first().map_or("", |blocker| blocker.message.as_str());
            format!("{address}: waiting: {}", quote::line(what))
        }
        Event::Ended { address, outcome, good, took, .. } => {
            let style = if *good { GOOD } else { BAD };
            format!("{address}: {} after {}", styled(style, outcome), seconds(*took))
        }
        Event::Notice(text) => format!("note: {}", quote::line(text)),
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
        Action::Check => "check",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn spinner(template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn turning(bar: ProgressBar) -> ProgressBar {
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

impl Live {
    fn show(&self, event: &Event) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::ReadingStarted { total } => {
                let bar = self.all.add(spinner("{spinner} reading {pos}/{len} {elapsed}"));
                bar.set_length(*total as u64);
                lines.reading = Some(turning(bar));
            }
            Event::Read { .. } => {
                if let Some(bar) = &lines.reading {
                    bar.inc(1);
                    if bar.length() == Some(bar.position()) {
                        bar.finish_and_clear();
                        lines.reading = None;
                    }
                }
            }
            Event::Started { address, .. } => {
                lines.under_way += 1;
                self.line_of(&mut lines, address);
                self.count(&mut lines);
            }
            Event::CommandStarted { address, .. } | Event::Waiting { address, .. } => {
                if let (Some(bar), Some(line)) = (self.line_of(&mut lines, address), line(event)) {
                    bar.set_message(line);
                }
            }
            Event::Ended { address, .. } => {
                if let Some(bar) = lines.resources.remove(address) {
                    bar.finish_and_clear();
                }
                lines.under_way = lines.under_way.saturating_sub(1);
                lines.done += 1;
                self.count(&mut lines);
                self.print(event);
            }
            Event::CommandEnded { .. } | Event::Notice(_) => self.print(event),
        }
    }

    /// The line of a resource: its own, or a new one if there is room.
    fn line_of<'a>(&self, lines: &'a mut Lines, address: &Address) -> Option<&'a ProgressBar> {
        if lines.resources.len() < MOST_LINES && !lines.resources.contains_key(address) {
            let bar = spinner("{spinner} {wide_msg} {elapsed}");
            let bar = match &lines.overall {
                Some(overall) => self.all.insert_before(overall, bar),
                None => self.all.add(bar),
            };
            bar.set_message(address.to_string());
            lines.resources.insert(address.clone(), turning(bar));
        }
        lines.resources.get(address)
    }

    /// Brings the line below the others up to date.
    fn count(&self, lines: &mut Lines) {
        if lines.under_way == 0 {
            if let Some(bar) = lines.overall.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = lines
            .overall
            .get_or_insert_with(|| turning(self.all.add(spinner("{spinner} {msg} {elapsed}"))));
        bar.set_message(format!("{} under way, {} done", lines.under_way, lines.done));
    }

    fn print(&self, event: &Event) {
        if let Some(line) = line(event) {
            // Nothing to do if the terminal went away.
            drop(self.all.println(line));
        }
    }
}
