//! A plan as the comment of a pull request.
//!
//! Whoever did not write the change sees in ten seconds what will happen and
//! what is dangerous about it: a headline, the risks worst first, who may do
//! what, what is in the way, and the whole diff folded away. A comment has little
//! room, so what does not fit is left out by rank, never by bytes: every destroy,
//! replace and access change stays, and what was left out is said. Values of live
//! objects are hostile: they go through `escape`. This module must not decide
//! how dangerous anything is.

mod access;
pub mod delta;
pub(in crate::report) mod escape;
mod lines;
mod names;
mod rows;
mod sections;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use self::escape::{code, fence_cost, fenced, marker_name};
use self::rows::Rows;
use super::count;
use super::format::Rendering;
use super::headline::headline;
use crate::access::AccessDelta;
use crate::address::Address;
use crate::plan::risk::{Assessed, Risk, assess};
use crate::plan::{Action, Change, Plan};

/// The most bytes of a comment. GitHub takes 65,536 characters; what the other
/// forges take is more.
pub const LIMIT: usize = 60_000;

/// A diff of more lines than these is folded away.
const OPEN: usize = 12;
/// Bytes kept free for saying what was left out, and for the ends of sections.
const RESERVE: usize = 1_600;
/// After so many diffs in a row that did not fit, no other is tried.
const MISSES: usize = 20;

/// The comment.
pub fn render(of: &Rendering<'_>) -> String {
    within(of, LIMIT)
}

/// The comment in other bounds, such as those of a step's summary. Less than
/// 4,000 bytes are taken as 4,000: what must be said takes that.
pub fn within(of: &Rendering<'_>, limit: usize) -> String {
    let plan = of.plan;
    let access = AccessDelta::of(plan);
    let risks = assess(plan, &access.for_risks());
    let changes = plan.changes.iter().map(|change| (&change.address, change)).collect();
    let hash = of.hash.as_str();
    let told = Told { plan, hash, access: &access, risks: &risks, changes };
    told.comment(limit.max(4_000))
}

/// What is told.
struct Told<'a> {
    plan: &'a Plan,
    hash: &'a str,
    access: &'a AccessDelta,
    /// Worst first.
    risks: &'a [Assessed],
    changes: BTreeMap<&'a Address, &'a Change>,
}

/// What is left of the bytes.
struct Room(usize);

impl Room {
    /// Takes so many bytes, if that many are left.
    fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }

    /// The text, if there is room for it.
    fn fits(&mut self, text: String) -> Option<String> {
        self.take(text.len()).then_some(text)
    }
}

impl<'a> Told<'a> {
    fn comment(&self, limit: usize) -> String {
        let (head, foot) = (self.head(), self.foot());
        let mut room = Room(limit.saturating_sub(head.len() + foot.len() + RESERVE));
        let mut left_out = Vec::new();

        let (mut rows, mut access) = rows::grave(self, &mut room);
        // The names of all others, in few bytes, come before any detail.
        let kept = [Risk::Disruption, Risk::InPlace, Risk::Create, Risk::Adopt].map(|risk| {
            let least = rows::least(self, risk);
            (risk, if room.take(least) { least } else { 0 })
        });
        let add = |rows: &mut Rows, risk: Risk, room: &mut Room| {
            room.0 +=
                kept.iter().filter(|(one, _)| *one == risk).map(|(_, least)| least).sum::<usize>();
            rows.add(self, risk, room);
        };
        access.add_details(&mut room);
        let blocked = sections::blocked(self, &mut room);
        add(&mut rows, Risk::Disruption, &mut room);
        add(&mut rows, Risk::InPlace, &mut room);
        let drift = sections::drift(self, &mut room);
        let unknown = sections::unknown(self, &mut room);
        let outputs = sections::outputs(&self.plan.outputs, &mut room);
        let mut diff = Diff::new(self);
        diff.add(self, &mut room, |risk, _| risk.is_grave());
        add(&mut rows, Risk::Create, &mut room);
        add(&mut rows, Risk::Adopt, &mut room);
        diff.add(self, &mut room, |_, action| action == Action::Create);
        diff.add(self, &mut room, |risk, _| risk != Risk::None);
        diff.add(self, &mut room, |_, _| true);

        rows.left_out(&mut left_out);
        access.left_out(&mut left_out);
        diff.left_out(&mut left_out);

        let mut text = head;
        for part in [rows.text(), access.text(), blocked, unknown, outputs, drift, diff.text()] {
            if !part.is_empty() {
                text.push('\n');
                text.push_str(&part);
            }
        }
        text.push('\n');
        if !left_out.is_empty() {
            let _ = writeln!(
                text,
                "**Left out** to fit {limit} bytes: {}. All of it is in the full plan: `lkh show \
                 PLANFILE`.\n",
                left_out.join("; ")
            );
        }
        text.push_str(&foot);
        text
    }

    /// The changes of a risk, in order.
    fn of(&self, risk: Risk) -> impl Iterator<Item = &'a Assessed> {
        self.risks.iter().filter(move |one| one.risk == risk)
    }

    fn head(&self) -> String {
        let (plan, hash) = (self.plan, self.hash);
        let worst = self.risks.first().map_or(Risk::None, |one| one.risk);
        let mut text = String::new();
        let stack = marker_name(&plan.stack);
        let _ = writeln!(text, "<!-- lkh:plan stack={stack} -->");
        let _ = writeln!(
            text,
            "<!-- lkh:seen hash={hash} risk={} {} serial={} -->",
            worst.rank(),
            worst.word(),
            plan.serial
        );
        let _ = writeln!(text, "### {}\n", headline(self.plan, self.risks));
        let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
        let short = digits.get(..12).unwrap_or(digits);
        let state = match &plan.lineage {
            Some(_) => format!("on state serial {}", plan.serial),
            None => "before there is a state".to_owned(),
        };
        let _ = write!(
            text,
            "Stack {}: plan `{short}…` {state}, account {}, region {}",
            code(&plan.stack),
            code(&plan.account),
            code(&plan.region)
        );
        if !plan.targets.is_empty() {
            let shown: Vec<_> = plan.targets.iter().take(10).map(|target| code(target)).collect();
            let more = plan.targets.len().saturating_sub(shown.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _ = write!(text, ", only {}{more}", shown.join(", "));
        }
        text.push_str(".\n");
        if plan.has_changes() {
            let _ = writeln!(text, "\n{}", plan.summary());
        }
        text
    }

    /// One sentence that says it all.
    fn foot(&self) -> String {
        let hash = self.hash;
        let mut text = String::new();
        let summary = self.plan.summary();
        let unchanged = summary.count(Action::NoOp) + summary.count(Action::Check);
        if unchanged > 0 {
            let _ = writeln!(text, "{} as declared.\n", count(unchanged, "resource"));
        }
        let _ = write!(text, "Plan hash: `{hash}`");
        if self.plan.has_changes() {
            let _ = write!(text, "; `lkh apply --approved {hash}` does exactly this");
        }
        text.push_str(".\n");
        text
    }
}

/// The full diff, as much of it as there is room for.
struct Diff {
    /// The text of each change that fits, by its place in the plan.
    fitting: BTreeMap<usize, String>,
    /// Where each change stands in the plan, worst first, and whether it was
    /// tried.
    waiting: Vec<(usize, bool)>,
    /// What did not fit, by action.
    missing: BTreeMap<Action, usize>,
    longest_run: usize,
}

impl Diff {
    fn new(told: &Told<'_>) -> Self {
        let places: BTreeMap<&Address, usize> =
            told.plan.changes.iter().enumerate().map(|(at, one)| (&one.address, at)).collect();
        let waiting =
            told.risks.iter().filter_map(|one| Some((*places.get(&one.address)?, false))).collect();
        Self { fitting: BTreeMap::new(), waiting, missing: BTreeMap::new(), longest_run: 0 }
    }

    /// Adds the changes that are chosen, worst first, as far as they fit.
    fn add(&mut self, told: &Told<'_>, room: &mut Room, chosen: impl Fn(Risk, Action) -> bool) {
        let mut misses = 0;
        for (one, (at, tried)) in told.risks.iter().zip(&mut self.waiting) {
            if *tried || !chosen(one.risk, one.action) {
                continue;
            }
            *tried = true;
            let Some(change) = told.plan.changes.get(*at) else { continue };
            if !lines::is_worth(change) {
                continue;
            }
            let fits = (misses < MISSES).then(|| lines::of_change(change));
            // With the empty line before the next.
            let fits = fits.filter(|text| room.take(text.len() + 1));
            match fits {
                Some(text) => {
                    misses = 0;
                    // The fence grows with what it must hold.
                    let run = escape::longest_run(&text);
                    if run > self.longest_run && room.take(2 * (run - self.longest_run)) {
                        self.longest_run = run;
                        self.fitting.insert(*at, text);
                    } else if run <= self.longest_run {
                        self.fitting.insert(*at, text);
                    } else {
                        *self.missing.entry(one.action).or_default() += 1;
                    }
                }
                None => {
                    misses += 1;
                    *self.missing.entry(one.action).or_default() += 1;
                }
            }
        }
    }

    fn text(&self) -> String {
        if self.fitting.is_empty() {
            return String::new();
        }
        let body = self.fitting.values().map(String::as_str).collect::<Vec<_>>().join("\n");
        let (lines, shown) = (body.lines().count(), self.fitting.len());
        let missing: usize = self.missing.values().sum();
        let of = if missing > 0 { format!(" of {}", shown + missing) } else { String::new() };
        let mut text = format!(
            "#### Full diff\n\n{}{of}, {}.\n\n",
            count(shown, "resource"),
            count(lines, "line")
        );
        text.push_str(&folded("Show the diff", &fenced("diff", &body), lines));
        text
    }

    fn left_out(&self, said: &mut Vec<String>) {
        if !self.missing.is_empty() {
            let each =
                self.missing.iter().map(|(action, number)| format!("{number} {}", action.word()));
            said.push(format!("the diffs of {}", each.collect::<Vec<_>>().join(", ")));
        }
    }
}

/// A part that is folded away where it is long. The summary holds only our own
/// words.
fn folded(summary: &str, part: &str, lines: usize) -> String {
    if lines > OPEN {
        format!("<details><summary>{summary}</summary>\n\n{part}\n</details>\n")
    } else {
        part.to_owned()
    }
}

/// The bytes of a section around a body in a fence.
fn cost_of_fence(title: &str, summary: &str, body: &str) -> usize {
    // Heading and folding, with their line breaks.
    title.len() + summary.len() + fence_cost("diff", body) + 80
}
