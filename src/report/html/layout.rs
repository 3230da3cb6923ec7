//! Where the boxes of a graph go: lanes below each other, layers inside a lane.
//!
//! Whole numbers in, whole numbers out: the same graph gives the same picture
//! everywhere. A lane's layers are longest paths inside it, ordered by the
//! barycenters of what they are joined to; arrows that longer ways say already
//! are left out. Circles are borne. This module must not know what a box means.

use std::collections::{BTreeMap, BTreeSet};

/// The width of a box.
pub(super) const BOX_WIDTH: usize = 190;
/// The height of a box.
pub(super) const BOX_HEIGHT: usize = 40;
/// The room for the lanes' names.
pub(super) const LABEL: usize = 124;

const GAP_X: usize = 34;
const GAP_Y: usize = 12;
const PAD: usize = 14;
const LANE_GAP: usize = 8;
/// So many boxes stand above each other before a layer goes on beside itself.
const ROWS: usize = 6;
/// So many columns a layer takes before it grows higher.
const COLUMNS: usize = 8;
/// How often the layers are ordered, forth and back.
const SWEEPS: usize = 4;

/// A graph with a place for everything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The upper left corner of every box.
    pub places: Vec<(usize, usize)>,
    /// Where each lane begins, and how high it is. An empty lane has no height.
    pub lanes: Vec<(usize, usize)>,
    /// The arrows that are drawn, from what comes first.
    pub edges: Vec<(usize, usize)>,
    /// The whole width.
    pub width: usize,
    /// The whole height.
    pub height: usize,
}

/// Arranges boxes, of which `lane_of` tells the lane. An edge leads from what
/// comes first to what needs it; edges that name no box are left out.
pub(super) fn arrange(lane_of: &[usize], lanes: usize, edges: &[(usize, usize)]) -> Layout {
    let count = lane_of.len();
    let known = |&(from, to): &(usize, usize)| from < count && to < count && from != to;
    let edges: BTreeSet<(usize, usize)> = edges.iter().copied().filter(known).collect();
    let order = order(count, &edges);
    let edges = reduced(&order, &edges);
    let mut layout = Layout {
        places: vec![(0, 0); count],
        lanes: Vec::with_capacity(lanes),
        edges,
        width: LABEL,
        height: 0,
    };
    let layer_of = layers(&order, lane_of, &layout.edges);
    for lane in 0..lanes {
        let mut layers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (node, _) in lane_of.iter().enumerate().filter(|&(_, &of)| of == lane) {
            layers.entry(layer_of.get(node).copied().unwrap_or(0)).or_default().push(node);
        }
        if layers.is_empty() {
            layout.lanes.push((layout.height, 0));
            continue;
        }
        let mut layers: Vec<Vec<usize>> = layers.into_values().collect();
        untangle(&mut layers, count, &layout.edges);
        put_lane(&layers, &mut layout);
    }
    layout.height = layout.height.saturating_sub(LANE_GAP);
    layout
}

/// Every box after what comes before it, as far as there are no circles.
fn order(count: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut after = vec![0_usize; count];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    for &(from, to) in edges {
        if let (Some(before), Some(next)) = (after.get_mut(to), next.get_mut(from)) {
            *before += 1;
            next.push(to);
        }
    }
    let mut open: BTreeSet<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    // Of a circle, the member with the least before it goes first.
    while let Some(&node) =
        open.iter().min_by_key(|&&node| (after.get(node).copied().unwrap_or(0), node))
    {
        open.remove(&node);
        order.push(node);
        for to in next.get(node).into_iter().flatten() {
            if let Some(before) = after.get_mut(*to) {
                *before = before.saturating_sub(1);
            }
        }
    }
    order
}

/// The edges without those that longer ways say already. What closes a circle
/// stays as it is.
fn reduced(order: &[usize], edges: &BTreeSet<(usize, usize)>) -> Vec<(usize, usize)> {
    let place: BTreeMap<usize, usize> =
        order.iter().enumerate().map(|(place, &node)| (node, place)).collect();
    let mut reach: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut kept = BTreeSet::new();
    for &node in order.iter().rev() {
        let mut next: Vec<usize> =
            edges.range((node, 0)..=(node, usize::MAX)).map(|&(_, to)| to).collect();
        next.sort_by_key(|to| place.get(to));
        let mut reached = BTreeSet::new();
        for to in next {
            if place.get(&to) < place.get(&node) {
                kept.insert((node, to));
            } else if !reached.contains(&to) {
                kept.insert((node, to));
                reached.insert(to);
                reached.extend(reach.get(&to).into_iter().flatten().copied());
            }
        }
        reach.insert(node, reached);
    }
    kept.into_iter().collect()
}

/// How many boxes of its own lane come before each, one after the other.
fn layers(order: &[usize], lane_of: &[usize], edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0_usize; lane_of.len()];
    let mut seen = BTreeSet::new();
    for &node in order {
        seen.insert(node);
        let own = layer.get(node).copied().unwrap_or(0);
        for &(_, to) in edges.iter().filter(|&&(from, _)| from == node) {
            if lane_of.get(to) == lane_of.get(node)
                && !seen.contains(&to)
                && let Some(layer) = layer.get_mut(to)
            {
                *layer = (*layer).max(own + 1);
            }
        }
    }
    layer
}

/// Orders the boxes of each layer by where in the lane they are joined to.
fn untangle(layers: &mut [Vec<usize>], count: usize, edges: &[(usize, usize)]) {
    let mut row = vec![None; count];
    let note = |layer: &[usize], row: &mut Vec<Option<usize>>| {
        // The middle of a layer is the middle of the lane.
        for (index, &node) in layer.iter().enumerate() {
            if let Some(row) = row.get_mut(node) {
                *row = Some((2 * index + 1) * 1000 / (2 * layer.len()));
            }
        }
    };
    for layer in layers.iter() {
        note(layer, &mut row);
    }
    for sweep in 0..SWEEPS {
        let forth = sweep % 2 == 0;
        let mut go = |layer: &mut Vec<usize>| {
            let key = |&node: &usize| {
                let (mut sum, mut joined): (usize, usize) = (0, 0);
                for &(from, to) in edges {
                    let other = match forth {
                        true if to == node => from,
                        false if from == node => to,
                        _ => continue,
                    };
                    if let Some(row) = row.get(other).copied().flatten() {
                        sum += row;
                        joined += 1;
                    }
                }
                let own = row.get(node).copied().flatten().unwrap_or(0);
                usize::checked_div(sum, joined).unwrap_or(own)
            };
            layer.sort_by_cached_key(|node| (key(node), *node));
            note(layer, &mut row);
        };
        if forth {
            layers.iter_mut().for_each(&mut go);
        } else {
            layers.iter_mut().rev().for_each(&mut go);
        }
    }
}

/// Puts one lane below the others.
fn put_lane(layers: &[Vec<usize>], layout: &mut Layout) {
    let most = layers.iter().map(Vec::len).max().unwrap_or(0);
    let rows = ROWS.max(most.div_ceil(COLUMNS));
    let height = layers
        .iter()
        .flat_map(|layer| layer.chunks(rows))
        .map(|column| column.len() * (BOX_HEIGHT + GAP_Y) - GAP_Y)
        .max()
        .unwrap_or(0)
        + 2 * PAD;
    let top = layout.height;
    let mut x = LABEL;
    for column in layers.iter().flat_map(|layer| layer.chunks(rows)) {
        let own = column.len() * (BOX_HEIGHT + GAP_Y) - GAP_Y;
        let mut y = top + (height - own) / 2;
        for &node in column {
            if let Some(place) = layout.places.get_mut(node) {
                *place = (x, y);
            }
            y += BOX_HEIGHT + GAP_Y;
        }
        x += BOX_WIDTH + GAP_X;
    }
    layout.width = layout.width.max(x - GAP_X + PAD);
    layout.lanes.push((top, height));
    layout.height += height + LANE_GAP;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_stands_before_what_needs_it() {
        let layout = arrange(&[0, 0, 0, 0], 1, &[(0, 1), (1, 2), (0, 2), (3, 2)]);
        let x = |node: usize| layout.places[node].0;
        assert!(x(0) < x(1) && x(1) < x(2) && x(3) < x(2));
        assert_eq!(layout.edges, [(0, 1), (1, 2), (3, 2)], "a longer way says 0 to 2");
    }

    #[test]
    fn nothing_lies_on_anything_else() {
        let lane_of: Vec<usize> = (0..300).map(|node| node % 3).collect();
        let edges: Vec<(usize, usize)> = (3..300).map(|node| (node / 7, node)).collect();
        let layout = arrange(&lane_of, 3, &edges);
        for (index, a) in layout.places.iter().enumerate() {
            assert!(a.0 + BOX_WIDTH <= layout.width && a.1 + BOX_HEIGHT <= layout.height);
            let (top, height) = layout.lanes[lane_of[index]];
            assert!(a.1 >= top && a.1 + BOX_HEIGHT <= top + height, "inside its lane");
            for b in &layout.places[index + 1..] {
                let apart = a.0.abs_diff(b.0) >= BOX_WIDTH || a.1.abs_diff(b.1) >= BOX_HEIGHT;
                assert!(apart, "{a:?} {b:?}");
            }
        }
        assert!(layout.width < 40 * (BOX_WIDTH + GAP_X), "{}", layout.width);
    }

    #[test]
    fn joined_boxes_stand_side_by_side() {
        // Two rows, given crossed: ordering takes the cross away.
        let layout = arrange(&[0, 0, 0, 0], 1, &[(0, 3), (1, 2)]);
        let y = |node: usize| layout.places[node].1;
        assert_eq!((y(0), y(1)), (y(3), y(2)));
    }

    #[test]
    fn circles_empty_lanes_and_strangers_are_borne() {
        let layout = arrange(&[0, 2, 2], 3, &[(0, 1), (1, 2), (2, 0), (7, 1), (1, 1)]);
        assert_eq!(layout.edges, [(0, 1), (1, 2), (2, 0)]);
        assert_eq!(layout.lanes[1].1, 0);
        assert_eq!(arrange(&[], 0, &[]).height, 0);
    }

    #[test]
    fn the_order_of_edges_does_not_count() {
        let mut edges: Vec<(usize, usize)> = (1..40).map(|node| (node / 3, node)).collect();
        let lane_of: Vec<usize> = (0..40).map(|node| node / 20).collect();
        let one = arrange(&lane_of, 2, &edges);
        edges.reverse();
        assert_eq!(one, arrange(&lane_of, 2, &edges));
    }
}
