//! What two sets of clauses allow, one against the other.
//!
//! A clause is a product: principals times actions times resources, under
//! tests. A part of it is covered when one clause of the other side holds all
//! of it under tests that are implied. What only several clauses together hold
//! is not seen as covered: then something may be called gained that was
//! possible before, never the other way round. This module must not know where
//! documents come from.

use std::collections::{BTreeMap, BTreeSet};

use super::clause::{Clause, Clauses, Item};
use super::condition::{Test, drops_a_key, imply};
use super::pattern::{Doubt, Known, Pattern};
use super::{Effect, Flag, Grant, Statement};

/// How many values the tests of one clause may have to be looked at one by one.
const MOST_PARTS: usize = 64;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Found {
    pub(super) gains: BTreeSet<Grant>,
    pub(super) losses: BTreeSet<Grant>,
    pub(super) flags: BTreeSet<Flag>,
    pub(super) undecided: BTreeSet<String>,
}

/// Two sides, and what of each is judged: the rest only covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    /// All that held before.
    pub(super) before: &'a Clauses,
    /// All that holds afterwards.
    pub(super) after: &'a Clauses,
    /// What of `before` may have been lost.
    pub(super) going: &'a Clauses,
    /// What of `after` may have been gained.
    pub(super) coming: &'a Clauses,
}

/// Compares all of two sides.
pub(super) fn documents(before: &Clauses, after: &Clauses) -> Found {
    compare(Sides { before, after, going: before, coming: after })
}

/// Compares two sides.
pub(super) fn compare(sides: Sides<'_>) -> Found {
    let Sides { before, after, going, coming } = sides;
    let mut found = Found::default();
    found.undecided.extend(going.doubts(coming));
    for effect in [Effect::Allow, Effect::Deny] {
        for clause in coming.with(effect) {
            // What is denied all the same is not allowed by this.
            if effect == Effect::Allow && is_denied(clause, after) {
                continue;
            }
            let open = open(clause, before);
            if effect == Effect::Allow {
                flag(clause, &open, before, &mut found.flags);
            }
            let list = if effect == Effect::Allow { &mut found.gains } else { &mut found.losses };
            list.extend(open.statements(clause, coming, Known::No).map(Grant::Statement));
            doubt(clause, coming, &open, true, &mut found.undecided);
        }
        for clause in going.with(effect) {
            if effect == Effect::Allow && is_denied(clause, before) {
                continue;
            }
            let open = open(clause, after);
            let list = if effect == Effect::Allow { &mut found.losses } else { &mut found.gains };
            let size = list.len();
            list.extend(open.statements(clause, going, Known::No).map(Grant::Statement));
            if effect == Effect::Deny && list.len() > size {
                found.flags.insert(Flag::RemovedDeny);
            }
            doubt(clause, going, &open, false, &mut found.undecided);
        }
    }
    found
}

/// Whether all of a clause is denied by one clause of its own side.
fn is_denied(clause: &Clause, side: &Clauses) -> bool {
    side.with(Effect::Deny).any(|deny| {
        let all = |small: &[Item], big: &[Item]| {
            small.iter().all(|item| contained(item, big) == Known::Yes)
        };
        all(&clause.principals, &deny.principals)
            && all(&clause.actions, &deny.actions)
            && all(&clause.resources, &deny.resources)
            && imply(&clause.tests, &deny.tests) == Known::Yes
    })
}

fn contained(item: &Item, by: &[Item]) -> Known {
    by.iter().map(|big| big.contains(item)).max().unwrap_or(Known::No)
}

/// The parts of a clause that the other side does not cover: tests, and under
/// each the places of principal, action and resource with what is known.
struct Open(Vec<(Vec<Test>, Parts)>);

/// What is known of each principal, action and resource; covered ones are left
/// out.
type Parts = BTreeMap<(usize, usize, usize), Known>;

fn open(clause: &Clause, side: &Clauses) -> Open {
    let whole = parts(clause, &clause.tests, side);
    if whole.is_empty() {
        return Open(Vec::new());
    }
    // One value of a test may be covered where another is not.
    for (index, test) in clause.tests.iter().enumerate() {
        let values = test.parts();
        if values.is_empty() || values.len() > MOST_PARTS {
            continue;
        }
        let with = |value: &Test| {
            let mut tests = clause.tests.clone();
            if let Some(place) = tests.get_mut(index) {
                *place = value.clone();
            }
            tests
        };
        let each: Vec<_> = values.iter().map(|one| parts(clause, &with(one), side)).collect();
        if each.iter().all(|parts| *parts == whole) {
            continue;
        }
        let mut open = Vec::new();
        let mut seen: Vec<&Parts> = Vec::new();
        for parts in each.iter().filter(|parts| !parts.is_empty()) {
            if seen.contains(&parts) {
                continue;
            }
            seen.push(parts);
            let alike: Vec<&Test> = each
                .iter()
                .zip(&values)
                .filter_map(|(other, value)| (other == parts).then_some(value))
                .collect();
            open.push((with(&test.of_parts(&alike)), parts.clone()));
        }
        return Open(open);
    }
    Open(vec![(clause.tests.clone(), whole)])
}

/// What of a clause, under these tests, no clause of the side covers.
fn parts(clause: &Clause, tests: &[Test], side: &Clauses) -> Parts {
    let known = |items: &[Item], by: &[Item]| -> Vec<Known> {
        items.iter().map(|item| contained(item, by)).collect()
    };
    let covers: Vec<_> = side
        .with(clause.effect)
        .filter_map(|other| {
            let tests = imply(tests, &other.tests);
            // Most clauses have nothing to do with each other.
            let some = |known: &[Known]| known.iter().any(|known| *known != Known::No);
            let actions = known(&clause.actions, &other.actions);
            if tests == Known::No || !some(&actions) {
                return None;
            }
            let principals = known(&clause.principals, &other.principals);
            let resources = known(&clause.resources, &other.resources);
            (some(&principals) && some(&resources))
                .then_some((tests, principals, actions, resources))
        })
        .collect();
    let mut open = Parts::new();
    for principal in 0..clause.principals.len() {
        for action in 0..clause.actions.len() {
            for resource in 0..clause.resources.len() {
                let at = |list: &[Known], index: usize| list.get(index).copied();
                let covered = covers.iter().map(|(tests, principals, actions, resources)| {
                    let all = [
                        Some(*tests),
                        at(principals, principal),
                        at(actions, action),
                        at(resources, resource),
                    ];
                    all.into_iter().map(|known| known.unwrap_or(Known::No)).min()
                });
                let best = covered.flatten().max().unwrap_or(Known::No);
                if best != Known::Yes {
                    open.insert((principal, action, resource), best);
                }
            }
        }
    }
    open
}

impl Open {
    /// The open parts of which this is known, as few statements.
    fn statements<'a>(
        &'a self,
        clause: &'a Clause,
        names: &'a Clauses,
        which: Known,
    ) -> impl Iterator<Item = Statement> + 'a {
        self.0.iter().flat_map(move |(tests, parts)| {
            let parts = parts.iter().filter(move |(_, known)| **known == which);
            products(parts.map(|(place, _)| *place)).into_iter().map(move |product| {
                let shown = |items: &[Item], places: &BTreeSet<usize>| -> Vec<String> {
                    let names = places.iter().filter_map(|place| items.get(*place));
                    names.map(Item::shown).filter(|name| !name.is_empty()).collect()
                };
                Statement {
                    effect: clause.effect,
                    principals: shown(&clause.principals, &product.0),
                    actions: shown(&clause.actions, &product.1),
                    resources: shown(&clause.resources, &product.2),
                    conditions: tests
                        .iter()
                        .map(|test| test.line(names.spelling(test.key())))
                        .collect(),
                }
            })
        })
    }

    fn doubts(&self) -> BTreeSet<Doubt> {
        let known = self.0.iter().flat_map(|(_, parts)| parts.values());
        known
            .filter_map(|known| match known {
                Known::Perhaps(doubt) => Some(*doubt),
                Known::Yes | Known::No => None,
            })
            .collect()
    }
}

type Product = (BTreeSet<usize>, BTreeSet<usize>, BTreeSet<usize>);

/// Places as products: actions with the same resources together, principals
/// with the same actions and resources together.
fn products(places: impl Iterator<Item = (usize, usize, usize)>) -> Vec<Product> {
    let mut resources: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    for (principal, action, resource) in places {
        resources.entry((principal, action)).or_default().insert(resource);
    }
    let mut actions: BTreeMap<(usize, BTreeSet<usize>), BTreeSet<usize>> = BTreeMap::new();
    for ((principal, action), resources) in resources {
        actions.entry((principal, resources)).or_default().insert(action);
    }
    let mut principals: BTreeMap<(BTreeSet<usize>, BTreeSet<usize>), BTreeSet<usize>> =
        BTreeMap::new();
    for ((principal, resources), actions) in actions {
        principals.entry((actions, resources)).or_default().insert(principal);
    }
    principals
        .into_iter()
        .map(|((actions, resources), principals)| (principals, actions, resources))
        .collect()
}

/// Notes what can't be decided about a clause.
fn doubt(
    clause: &Clause,
    names: &Clauses,
    open: &Open,
    coming: bool,
    notes: &mut BTreeSet<String>,
) {
    for doubt in open.doubts() {
        for statement in open.statements(clause, names, Known::Perhaps(doubt)) {
            let question = match (coming, clause.effect) {
                (true, Effect::Allow) => "was allowed before",
                (false, Effect::Allow) => "is still allowed",
                (true, Effect::Deny) => "was denied before",
                (false, Effect::Deny) => "is still denied",
            };
            notes
                .insert(format!("whether all of this {question}: {statement} ({})", doubt.words()));
        }
    }
}

/// Notes what a reviewer must not overlook in what becomes allowed.
fn flag(clause: &Clause, open: &Open, before: &Clauses, flags: &mut BTreeSet<Flag>) {
    let parts = open.0.iter().flat_map(|(_, parts)| parts);
    let gained: Vec<_> =
        parts.filter(|(_, known)| **known == Known::No).map(|(place, _)| *place).collect();
    let of = |items: &[Item], place: fn(&(usize, usize, usize)) -> usize| -> Vec<Item> {
        let places: BTreeSet<usize> = gained.iter().map(place).collect();
        places.iter().filter_map(|place| items.get(*place)).cloned().collect()
    };
    let principals = of(&clause.principals, |place| place.0);
    let actions = of(&clause.actions, |place| place.1);
    let resources = of(&clause.resources, |place| place.2);

    let is_wild = |item: &&Item| matches!(item, Item::Like { shown, pattern } if !pattern.is_unknown() && shown.contains('*'));
    let is_new = |item: &&Item, side: fn(&Clause) -> &[Item]| {
        !before.with(Effect::Allow).any(|old| side(old).contains(item))
    };
    let is_everything =
        |item: &Item| matches!(item, Item::Like { pattern, .. } if pattern.is_everything());
    let all_but = |item: &Item| matches!(item, Item::AllBut { .. } | Item::EveryoneBut { .. });
    let is_everyone =
        |item: &Item| matches!(item, Item::Everyone { .. } | Item::EveryoneBut { .. });
    let pass_role = Item::Like { pattern: Pattern::glob("iam:passrole"), shown: String::new() };
    let found = [
        (
            Flag::NewWildcardAction,
            actions.iter().filter(is_wild).any(|item| is_new(&item, |old| &old.actions)),
        ),
        (
            Flag::NewWildcardResource,
            resources.iter().filter(is_wild).any(|item| is_new(&item, |old| &old.resources)),
        ),
        (Flag::PassRole, actions.iter().any(|item| item.contains(&pass_role) == Known::Yes)),
        (
            Flag::AdministratorAccess,
            actions.iter().any(is_everything) && resources.iter().any(is_everything),
        ),
        (Flag::AllBut, [&principals, &actions, &resources].into_iter().flatten().any(all_but)),
        (Flag::TrustsEveryone, principals.iter().any(is_everyone)),
        (
            Flag::NewTrustedPrincipal,
            principals
                .iter()
                .any(|item| *item != Item::Unnamed && is_new(&item, |old| &old.principals)),
        ),
        (
            Flag::RemovedCondition,
            before
                .with(Effect::Allow)
                .any(|old| drops_a_key(&clause.tests, &old.tests) && meets(clause, old, &gained)),
        ),
    ];
    flags.extend(found.into_iter().filter_map(|(flag, found)| found.then_some(flag)));
}

/// Whether one of these parts of a clause is in another clause, were it not for
/// the tests.
fn meets(clause: &Clause, other: &Clause, places: &[(usize, usize, usize)]) -> bool {
    let inside = |items: &[Item], by: &[Item]| -> Vec<bool> {
        items.iter().map(|item| contained(item, by) == Known::Yes).collect()
    };
    let principals = inside(&clause.principals, &other.principals);
    let actions = inside(&clause.actions, &other.actions);
    let resources = inside(&clause.resources, &other.resources);
    let at = |list: &[bool], place: usize| list.get(place).copied().unwrap_or(false);
    places.iter().any(|(principal, action, resource)| {
        at(&principals, *principal) && at(&actions, *action) && at(&resources, *resource)
    })
}
