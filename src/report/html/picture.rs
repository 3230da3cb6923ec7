//! The dependency graph as an SVG picture.
//!
//! A box a resource, a lane a phase, an arrow from what comes first to what
//! needs it. What happens is said by a sign, a word in the box's label and a
//! colour, never by the colour alone. Of a large plan, what nothing happens to
//! is one box a phase, and what is still too much one box a phase, kind and
//! action. This module must not know how a change looks in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::escape::one;
use super::facts::Facts;
use super::layout::{self, BOX_HEIGHT, BOX_WIDTH, LABEL, Layout};
use crate::plan::{Action, Change};

/// So many resources are drawn one by one, whatever happens to them.
const ALL: usize = 80;
/// So many changes are drawn one by one; of more, only what is destroyed or
/// blocked, and that up to here too.
const MOST: usize = 160;
/// So many letters of a name fit into a box.
const LETTERS: usize = 22;

/// What a box stands for.
struct Drawn {
    lane: usize,
    /// The changes, by their place in the plan.
    members: Vec<usize>,
    /// For a box of several: what they have in common.
    group: Option<(String, String)>,
}

/// A picture, and what it leaves to say in words.
pub(super) struct Picture {
    /// The SVG element.
    pub svg: String,
    /// Whether some of them stand for several resources.
    pub grouped: bool,
}

/// Draws a plan's graph.
pub(super) fn draw(facts: &Facts<'_>) -> Picture {
    let drawn = boxes(facts);
    let mut box_of = BTreeMap::new();
    for (index, one) in drawn.iter().enumerate() {
        box_of.extend(one.members.iter().map(|&member| (member, index)));
    }
    let mut edges = BTreeSet::new();
    for (to, change) in facts.plan.changes.iter().enumerate() {
        for from in change.depends_on.iter().filter_map(|address| facts.index.get(address)) {
            if let (Some(&from), Some(&to)) = (box_of.get(from), box_of.get(&to)) {
                edges.insert((from, to));
            }
        }
    }
    let lane_of: Vec<usize> = drawn.iter().map(|one| one.lane).collect();
    let edges: Vec<(usize, usize)> = edges.into_iter().collect();
    let layout = layout::arrange(&lane_of, facts.phases.len(), &edges);
    Picture {
        svg: svg(facts, &drawn, &layout),
        grouped: drawn.iter().any(|one| one.group.is_some()),
    }
}

fn boxes(facts: &Facts<'_>) -> Vec<Drawn> {
    let changes = &facts.plan.changes;
    let quiet = |at: usize| facts.is_quiet(at);
    let loud = (0..changes.len()).filter(|&at| !quiet(at)).count();
    let (all, each) = (changes.len() <= ALL, loud <= MOST);
    let mut alone = Vec::new();
    let mut groups: BTreeMap<(usize, String, String), Vec<usize>> = BTreeMap::new();
    for (at, change) in changes.iter().enumerate() {
        let lane = facts.lane(change);
        let grave = facts.stands_out(at) && alone.len() < MOST;
        if all || (!quiet(at) && (each || grave)) {
            alone.push(Drawn { lane, members: vec![at], group: None });
        } else if quiet(at) {
            groups.entry((lane, String::new(), "unchanged".into())).or_default().push(at);
        } else {
            let key = (lane, change.address.kind.to_string(), change.action.word().to_owned());
            groups.entry(key).or_default().push(at);
        }
    }
    let mut drawn = alone;
    for ((lane, kind, word), members) in groups {
        let group = (members.len() > 1).then(|| {
            let count = members.len();
            if kind.is_empty() {
                (format!("{count} unchanged"), "as declared".to_owned())
            } else {
                (format!("{count} × {kind}"), word)
            }
        });
        drawn.push(Drawn { lane, members, group });
    }
    drawn
}

fn svg(facts: &Facts<'_>, drawn: &[Drawn], layout: &Layout) -> String {
    let (width, height) = (layout.width.max(LABEL + BOX_WIDTH), layout.height.max(BOX_HEIGHT));
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg id=\"graph\" viewBox=\"0 0 {width} {height}\" data-width=\"{width}\" \
         data-height=\"{height}\" role=\"group\" aria-labelledby=\"graph-title graph-help\" \
         preserveAspectRatio=\"xMidYMin meet\"><g id=\"scene\">"
    );
    for (index, &(top, height)) in layout.lanes.iter().enumerate().filter(|(_, lane)| lane.1 > 0) {
        let (name, count) =
            facts.phases.get(index).map_or(("", 0), |(name, count)| (*name, *count));
        let _ = write!(
            svg,
            "<g class=\"lane\"><rect x=\"0\" y=\"{top}\" width=\"{width}\" height=\"{height}\" \
             rx=\"10\"/><text class=\"lane-name\" x=\"14\" y=\"{}\">{}</text>\
             <text class=\"lane-count\" x=\"14\" y=\"{}\">{}</text></g>",
            top + 26,
            one(&shortened(if name.is_empty() { "no phase" } else { name }, 15)),
            top + 44,
            super::super::count(count, "resource"),
        );
    }
    svg.push_str("<g class=\"edges\" aria-hidden=\"true\">");
    for &(from, to) in &layout.edges {
        if let (Some(&a), Some(&b)) = (layout.places.get(from), layout.places.get(to)) {
            let far = if a.1.abs_diff(b.1) > 4 * BOX_HEIGHT { " far" } else { "" };
            let _ = write!(
                svg,
                "<path class=\"edge{far}\" data-from=\"{from}\" data-to=\"{to}\" d=\"{}\"/>",
                curve(a, b)
            );
        }
    }
    svg.push_str("</g><g class=\"nodes\">");
    for (index, (one, &place)) in drawn.iter().zip(&layout.places).enumerate() {
        node(&mut svg, facts, index, one, place);
    }
    svg.push_str("</g></g></svg>");
    svg
}

/// From the right side of what comes first to the left side of what needs it;
/// where that would lead back, from below or above. The head is two strokes.
fn curve((ax, ay): (usize, usize), (bx, by): (usize, usize)) -> String {
    let half = BOX_WIDTH / 2;
    let middle = BOX_HEIGHT / 2;
    if bx >= ax + BOX_WIDTH && ay.abs_diff(by) < 6 * BOX_HEIGHT {
        let (x, y) = (ax + BOX_WIDTH, ay + middle);
        let (to_x, to_y) = (bx, by + middle);
        let bend = ((to_x - x) / 2).clamp(14, 90);
        let (back, up, down) = (to_x.saturating_sub(6), to_y.saturating_sub(4), to_y + 4);
        format!(
            "M{x} {y}C{} {y} {} {to_y} {to_x} {to_y}M{back} {up}L{to_x} {to_y}L{back} {down}",
            x + bend,
            to_x.saturating_sub(bend)
        )
    } else if by >= ay {
        let (x, y, to_x, to_y) = (ax + half, ay + BOX_HEIGHT, bx + half, by);
        let bend = (to_y.saturating_sub(y) / 2).clamp(16, 120);
        let (left, right, back) = (to_x.saturating_sub(4), to_x + 4, to_y.saturating_sub(6));
        format!(
            "M{x} {y}C{x} {} {to_x} {} {to_x} {to_y}M{left} {back}L{to_x} {to_y}L{right} {back}",
            y + bend,
            to_y.saturating_sub(bend)
        )
    } else {
        let (x, y, to_x, to_y) = (ax + half, ay, bx + half, by + BOX_HEIGHT);
        let bend = (y.saturating_sub(to_y) / 2).clamp(16, 120);
        let (left, right, back) = (to_x.saturating_sub(4), to_x + 4, to_y + 6);
        format!(
            "M{x} {y}C{x} {} {to_x} {} {to_x} {to_y}M{left} {back}L{to_x} {to_y}L{right} {back}",
            y.saturating_sub(bend),
            to_y + bend
        )
    }
}

fn node(svg: &mut String, facts: &Facts<'_>, index: usize, drawn: &Drawn, place: (usize, usize)) {
    let Some(&first) = drawn.members.first() else { return };
    let Some(change) = facts.plan.changes.get(first) else { return };
    let any = |test: &dyn Fn(usize) -> bool| drawn.members.iter().any(|&member| test(member));
    let (drift, blocked) = (any(&|at| facts.drifts(at)), any(&|at| facts.is_blocked(at)));
    let quiet = drawn.members.iter().all(|&at| facts.is_quiet(at));
    let (name, kind) = match &drawn.group {
        Some((name, kind)) => (name.clone(), kind.clone()),
        None => (change.address.name.clone(), change.address.kind.to_string()),
    };
    let mut classes = format!("node a-{}", change.action.word());
    for (is, class) in [
        (quiet, " quiet"),
        (drift, " drift"),
        (blocked, " blocked"),
        (drawn.group.is_some(), " group"),
    ] {
        if is {
            classes.push_str(class);
        }
    }
    let members: Vec<String> = drawn.members.iter().map(ToString::to_string).collect();
    let (x, y) = place;
    let label = label(change, drawn, drift, blocked);
    let _ = write!(
        svg,
        "<g class=\"{classes}\" id=\"n{index}\" data-node=\"{index}\" data-members=\"{}\" \
         data-x=\"{x}\" data-y=\"{y}\" transform=\"translate({x} {y})\" role=\"button\" \
         tabindex=\"-1\" aria-label=\"{}\"><title>{}</title>",
        members.join(" "),
        one(&label),
        one(&label),
    );
    if drawn.group.is_some() {
        let _ = write!(
            svg,
            "<rect class=\"under\" x=\"4\" y=\"4\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" \
             rx=\"7\"/>"
        );
    }
    let sign = if quiet { "·" } else { super::parts::sign(change.action) };
    let _ = write!(
        svg,
        "<rect class=\"body\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"7\"/>\
         <path class=\"tab\" d=\"M7 0H28V{BOX_HEIGHT}H7A7 7 0 0 1 0 {}V7A7 7 0 0 1 7 0Z\"/>\
         <text class=\"sign\" x=\"14\" y=\"25\">{sign}</text>\
         <text class=\"name\" x=\"36\" y=\"17\">{}</text>\
         <text class=\"kind\" x=\"36\" y=\"32\">{}</text>",
        BOX_HEIGHT - 7,
        one(&shortened(&name, LETTERS)),
        one(&shortened(&kind, LETTERS + 2)),
    );
    let mut right = BOX_WIDTH;
    for (is, class, word) in [(blocked, "flag-blocked", "blocked"), (drift, "flag-drift", "drift")]
    {
        if is {
            let width = 7 * word.len() + 8;
            right = right.saturating_sub(width + 4);
            let _ = write!(
                svg,
                "<g class=\"flag {class}\"><rect x=\"{right}\" y=\"-8\" width=\"{width}\" \
                 height=\"16\" rx=\"8\"/><text x=\"{}\" y=\"4\">{word}</text></g>",
                right + width / 2
            );
        }
    }
    svg.push_str("</g>");
}

fn label(change: &Change, drawn: &Drawn, drift: bool, blocked: bool) -> String {
    let mut label = match &drawn.group {
        Some((name, what)) => format!("{name}, {what}"),
        None if change.action == Action::NoOp => format!("{} stays as it is", change.address),
        None => format!("{} {}", change.address, change.action.phrase()),
    };
    if drift {
        label.push_str(", drift");
    }
    if blocked {
        label.push_str(", blocked");
    }
    label
}

/// A name that fits: what is left out of it is in its middle.
fn shortened(text: &str, most: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= most {
        return text.to_owned();
    }
    let tail = most * 2 / 5;
    let head = most.saturating_sub(tail + 1);
    let cut = letters.len().saturating_sub(tail);
    letters.iter().take(head).chain(std::iter::once(&'…')).chain(letters.iter().skip(cut)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shortened("aws-load-balancer-controller-policy", 22), "aws-load-bala…r-policy");
        assert_eq!(shortened("short", 22), "short");
    }
}
