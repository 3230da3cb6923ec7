//! The table of risks, and what becomes of it where there are too many.
//!
//! A change that a reviewer must see is told in one of these ways, the first
//! that fits: a row; a row without the reason; its address in a list; its address
//! folded together with those like it; and where even ten thousand of these do
//! not fit, as many as do, and the number and digest of the rest. This module
//! must not leave anything out without a word.

use std::fmt::Write as _;

use super::access::AccessPart;
use super::escape::{code, sentence};
use super::{Room, Told, names};
use crate::address::Address;
use crate::plan::risk::{Assessed, Risk};
use crate::value::Digest;

/// How the changes of one risk are told, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Rows,
    ShortRows,
    List,
    Folded,
    Part,
}

const HEAD: &str =
    "| risk | resource | why | reversible | dependents |\n| --- | --- | --- | --- | ---: |\n";
/// The bytes that the number and the digest of the rest take.
const REST: usize = 260;

/// The table, as far as it is made.
pub(super) struct Rows {
    table: String,
    lists: String,
    said: Vec<String>,
}

/// The rows of what a reviewer must see, and who may do what: as much of both as
/// fits, and of each change at least its address.
pub(super) fn grave(told: &Told<'_>, room: &mut Room) -> (Rows, AccessPart) {
    const GRAVE: [Risk; 3] = [Risk::DataLoss, Risk::Destroy, Risk::Access];
    let groups = GRAVE.map(|risk| told.of(risk).collect::<Vec<_>>());
    let mut access = AccessPart::whole(told);
    let mut levels = [Level::Rows; 3];
    let render = |levels: &[Level; 3]| -> [(String, String); 3] {
        std::array::from_fn(|at| match (groups.get(at), levels.get(at)) {
            (Some(group), Some(level)) => told_as(group, *level),
            _ => <(String, String)>::default(),
        })
    };
    // The delta is measured once for each of its forms: it may be long.
    let mut delta = access.bytes();
    let size = |parts: &[(String, String); 3], delta: usize| {
        let parts: usize = parts.iter().map(|(table, list)| table.len() + list.len()).sum();
        parts + HEAD.len() + delta
    };
    let mut parts = render(&levels);
    // What is given up, one after the other: the last is what matters least.
    let steps = [Level::ShortRows, Level::List, Level::Folded]
        .into_iter()
        .flat_map(|level| [2, 1, 0].map(|group| (group, level)));
    if size(&parts, delta) > room.0 {
        access = access.only_heads();
        delta = access.bytes();
    }
    if size(&parts, delta) > room.0 {
        access = access.without_narrowed();
        delta = access.bytes();
    }
    for (group, level) in steps {
        if size(&parts, delta) <= room.0 {
            break;
        }
        if let (Some(at), Some(part), Some(group)) =
            (levels.get_mut(group), parts.get_mut(group), groups.get(group))
        {
            *at = level;
            *part = told_as(group, level);
        }
    }
    if size(&parts, delta) > room.0 {
        access = access.only_numbers();
        delta = access.bytes();
    }
    if size(&parts, delta) > room.0 {
        // Worst first, as many as there is room for.
        let mut left = room.0.saturating_sub(HEAD.len() + delta + 3 * REST);
        for ((group, part), level) in groups.iter().zip(&mut parts).zip(&mut levels) {
            let whole = part.0.len() + part.1.len();
            if whole > left {
                *level = Level::Part;
                *part = (String::new(), in_part(group, left));
            }
            left = left.saturating_sub(part.0.len() + part.1.len());
        }
    }
    room.take(size(&parts, delta));
    let mut rows = Rows { table: String::new(), lists: String::new(), said: Vec::new() };
    for (((table, list), level), risk) in parts.into_iter().zip(levels).zip(GRAVE) {
        rows.table.push_str(&table);
        rows.lists.push_str(&list);
        rows.say(risk, level);
    }
    (rows, access)
}

/// The bytes that the addresses of a risk take at the least.
pub(super) fn least(told: &Told<'_>, risk: Risk) -> usize {
    let group: Vec<&Assessed> = told.of(risk).collect();
    told_as(&group, Level::Folded).1.len()
}

impl Rows {
    /// Adds the changes of another risk, as far as they fit.
    pub(super) fn add(&mut self, told: &Told<'_>, risk: Risk, room: &mut Room) {
        let group: Vec<&Assessed> = told.of(risk).collect();
        if group.is_empty() {
            return;
        }
        for level in [Level::Rows, Level::ShortRows, Level::Folded] {
            let (table, list) = told_as(&group, level);
            if room.take(table.len() + list.len()) {
                self.table.push_str(&table);
                self.lists.push_str(&list);
                self.say(risk, level);
                return;
            }
        }
        // The room for these few words is kept free.
        self.said.push(format!("{} `{}` in all, by name", group.len(), risk.title()));
    }

    fn say(&mut self, risk: Risk, level: Level) {
        let title = risk.title();
        match level {
            Level::Rows => {}
            Level::ShortRows => self.said.push(format!("why and how of each `{title}`")),
            Level::List | Level::Folded => {
                self.said.push(format!("the rows of `{title}`, which are a list of addresses"));
            }
            Level::Part => {
                self.said.push(format!("most addresses of `{title}`, by number and digest above"));
            }
        }
    }

    pub(super) fn left_out(&self, said: &mut Vec<String>) {
        said.extend(self.said.iter().cloned());
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if !self.table.is_empty() {
            text.push_str(HEAD);
            text.push_str(&self.table);
        }
        if !self.lists.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&self.lists);
        }
        text
    }
}

/// A sign beside the words, for the eye.
fn sign(risk: Risk) -> &'static str {
    match risk {
        Risk::DataLoss => "💥",
        Risk::Destroy => "🔴",
        Risk::Access => "🟠",
        Risk::Disruption => "🟡",
        Risk::InPlace => "🔵",
        Risk::Create => "🟢",
        Risk::Adopt | Risk::None => "⚪",
    }
}

/// Rows for the table, and a list that stands after it.
fn told_as(group: &[&Assessed], level: Level) -> (String, String) {
    match level {
        Level::Rows => (group.iter().map(|one| row(one)).collect(), String::new()),
        Level::ShortRows => (group.iter().map(|one| short_row(one)).collect(), String::new()),
        Level::List => (String::new(), list(group, names::listed)),
        Level::Folded | Level::Part => (String::new(), list(group, names::folded)),
    }
}

fn row(one: &Assessed) -> String {
    let mut why = sentence(&one.why);
    if one.undoes_drift {
        why.push_str("; **undoes a change made outside**");
    }
    let mut reversible = one.reversible.word().to_owned();
    if let Some(how) = one.reversible.how() {
        let _ = write!(reversible, ": {how}");
    }
    format!(
        "| {} {} | `{}` | {why} | {reversible} | {} |\n",
        sign(one.risk),
        one.risk.title(),
        one.address,
        one.dependents
    )
}

fn short_row(one: &Assessed) -> String {
    let why = if one.undoes_drift { "**undoes a change made outside**" } else { "" };
    let (risk, reversible) = (sign(one.risk), one.reversible.word());
    format!("| {risk} | `{}` | {why} | {reversible} | {} |\n", one.address, one.dependents)
}

fn list(group: &[&Assessed], told: fn(&[&Address]) -> String) -> String {
    let Some(first) = group.first() else { return String::new() };
    let addresses: Vec<&Address> = group.iter().map(|one| &one.address).collect();
    let (sign, title) = (sign(first.risk), first.risk.title());
    let mut text = format!("**{sign} {title}**: {}\n\n{}", group.len(), told(&addresses));
    let undone: Vec<&Address> =
        group.iter().filter(|one| one.undoes_drift).map(|one| &one.address).collect();
    if !undone.is_empty() {
        let _ = write!(text, "\nof these undo a change made outside: {}\n\n", undone.len());
        text.push_str(&told(&undone));
    }
    text.push('\n');
    text
}

/// As many addresses as fit, and the number and digest of the others.
fn in_part(group: &[&Assessed], room: usize) -> String {
    let Some(first) = group.first() else { return String::new() };
    let addresses: Vec<&Address> = group.iter().map(|one| &one.address).collect();
    let (mut fits, mut too_many) = (0, addresses.len());
    while fits + 1 < too_many {
        let middle = usize::midpoint(fits, too_many);
        let shown = addresses.get(..middle).unwrap_or_default();
        if names::folded(shown).len() <= room {
            fits = middle;
        } else {
            too_many = middle;
        }
    }
    let (shown, rest) = addresses.split_at(fits);
    let (sign, title) = (sign(first.risk), first.risk.title());
    let mut text = format!("**{sign} {title}**: {}\n\n{}", group.len(), names::folded(shown));
    let each: Vec<String> = rest.iter().map(|address| format!("{address}\n")).collect();
    let digest = Digest::of(each.concat().as_bytes());
    let _ = writeln!(
        text,
        "- {} more: their addresses, one a line, have the digest {}\n",
        rest.len(),
        code(digest.as_str())
    );
    text
}
