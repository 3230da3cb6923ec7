//! Who may do what after the plan that could not before, and who no longer may.
//!
//! The whole delta where it fits; else a line for each principal, with as many
//! of the details as there is room for; else the addresses. All of it stands in a
//! fence. This module must not judge access.

use std::fmt::Write as _;

use super::escape::{fence_cost, fenced};
use super::lines::short;
use super::{Room, Told, folded};
use crate::access::{AccessDelta, BindingDelta, Flag, PrincipalDelta, Verdict};

/// What is told of one principal.
struct Entry {
    /// What a reader looks at first is first.
    order: (std::cmp::Reverse<Verdict>, usize),
    head: String,
    details: String,
    /// Whether the details are shown.
    shown: bool,
}

/// The access delta, as far as it is told.
pub(super) struct AccessPart {
    entries: Vec<Entry>,
    /// Resources whose access is only written another way.
    same: usize,
    /// Whether only the numbers are told, where nothing else fits.
    numbers_only: bool,
}

const TITLE: &str = "#### Access\n\n";

impl AccessPart {
    /// All of it.
    pub(super) fn whole(told: &Told<'_>) -> Self {
        let delta: &AccessDelta = told.access;
        let mut entries = Vec::new();
        let mut same = 0;
        for (at, one) in delta.principals.iter().enumerate() {
            match one.verdict {
                Verdict::Unchanged => {}
                Verdict::Reformatted => same += 1,
                Verdict::Narrowed | Verdict::Undecided | Verdict::Widened | Verdict::Both => {
                    entries.push(of_principal(one, at));
                }
            }
        }
        let principals = delta.principals.len();
        let bindings = delta.bindings.iter().enumerate();
        entries.extend(bindings.map(|(at, one)| of_binding(one, principals + at)));
        entries.sort_by_key(|entry| entry.order);
        Self { entries, same, numbers_only: false }
    }

    /// A line for each principal; details come back where there is room.
    pub(super) fn only_heads(mut self) -> Self {
        for entry in &mut self.entries {
            entry.shown = entry.details.is_empty();
        }
        self
    }

    /// How many there are.
    pub(super) fn only_numbers(mut self) -> Self {
        self.numbers_only = true;
        self
    }

    fn numbers(&self) -> String {
        let number =
            |verdict| self.entries.iter().filter(|entry| entry.order.0.0 == verdict).count();
        let each: Vec<String> =
            [Verdict::Both, Verdict::Widened, Verdict::Undecided, Verdict::Narrowed]
                .into_iter()
                .map(|verdict| (number(verdict), verdict.word()))
                .filter(|(number, _)| *number > 0)
                .map(|(number, word)| format!("{number} {word}"))
                .collect();
        each.join(", ")
    }

    /// The bytes that it takes as it is now.
    pub(super) fn bytes(&self) -> usize {
        self.text().len()
    }

    /// Adds details, as far as they fit.
    pub(super) fn add_details(&mut self, room: &mut Room) {
        if self.numbers_only {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| !entry.shown) {
            // A fence may have to grow by two runs of backticks.
            let fence = fence_cost("diff", &entry.details);
            if room.take(entry.details.len() + fence) {
                entry.shown = true;
            }
        }
    }

    pub(super) fn left_out(&self, said: &mut Vec<String>) {
        let hidden = self.entries.iter().filter(|entry| !entry.shown).count();
        if self.numbers_only {
            said.push("the access delta, of which only the numbers are told".to_owned());
        } else if hidden > 0 {
            said.push(format!("the access delta's details of {hidden}"));
        }
    }

    pub(super) fn text(&self) -> String {
        if self.entries.is_empty() && self.same == 0 {
            return String::new();
        }
        let mut text = TITLE.to_owned();
        if !self.entries.is_empty() {
            let _ = writeln!(text, "{}.", self.numbers());
        }
        if !self.entries.is_empty() && !self.numbers_only {
            let mut body = String::new();
            for entry in &self.entries {
                body.push_str(&entry.head);
                if entry.shown {
                    body.push_str(&entry.details);
                }
            }
            let lines = body.lines().count();
            text.push('\n');
            text.push_str(&folded("Show who may do what", &fenced("diff", &body), lines));
        }
        if self.same > 0 {
            let (are, mean) = if self.same == 1 { ("is", "means") } else { ("are", "mean") };
            let _ =
                writeln!(text, "\n{} {are} written another way and {mean} the same.", self.same);
        }
        text
    }
}

fn of_principal(delta: &PrincipalDelta, at: usize) -> Entry {
    let flags: Vec<&str> = delta.flags.iter().copied().map(Flag::words).collect();
    let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
    let mut head = format!(
        "! {}, {}, {}: {}{flags}",
        delta.address,
        short(&delta.principal),
        delta.aspect.words(),
        delta.verdict.word()
    );
    let (gains, losses) = (delta.gains.len(), delta.losses.len());
    let _ = writeln!(head, ": +{gains} -{losses}");
    let mut details = String::new();
    for gain in &delta.gains {
        let _ = writeln!(details, "+     {}", short(&gain.as_gain()));
    }
    for loss in &delta.losses {
        let _ = writeln!(details, "-     {}", short(&loss.as_loss()));
    }
    for why in &delta.undecided {
        let _ = writeln!(details, "#     can't decide: {}", short(why));
    }
    Entry { order: (std::cmp::Reverse(delta.verdict), at), head, details, shown: true }
}

fn of_binding(delta: &BindingDelta, at: usize) -> Entry {
    let (mark, verdict) =
        if delta.gained { ('+', Verdict::Widened) } else { ('-', Verdict::Narrowed) };
    let head = format!(
        "{mark} {}, {}: pods of {} {} {}\n",
        delta.address,
        delta.by.words(),
        short(&delta.service_account),
        if delta.gained { "get" } else { "lose" },
        short(&delta.role)
    );
    let order = (std::cmp::Reverse(verdict), at);
    Entry { order, head, details: String::new(), shown: true }
}
