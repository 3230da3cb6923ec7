//! From a plan's changes to what they mean for access, kind by kind.
//!
//! A resource that nothing happens to changes nothing, but it may hold a policy
//! that changes, so all are looked at. This module must not compare documents
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use super::clause::Clauses;
use super::cluster;
use super::compare::{Found, Sides, compare, documents};
use super::{AccessDelta, Aspect, Flag, Grant, PrincipalDelta, Verdict};
use crate::adapter::Kind;
use crate::diff::policy;
use crate::parallel::each;
use crate::plan::{Action, Change, Plan};
use crate::value::{Map, Value};

/// The beginning of the ARNs of AWS's own managed policies.
const OF_AWS: &str = "arn:aws:iam::aws:policy/";

/// Policies of AWS's that are often attached and hold no deny, so that
/// detaching them can't make anything possible.
const ALLOWS_ONLY: [&str; 12] = [
    "AdministratorAccess",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonS3FullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSSMManagedInstanceCore",
    "IAMFullAccess",
    "ReadOnlyAccess",
];

/// The access delta of a plan.
pub(super) fn delta(plan: &Plan) -> AccessDelta {
    let policies = Policies::of(plan);
    let changes = plan.changes.iter().filter(|change| changes_something(change)).collect();
    let parts = each(changes, |change| of_change(change, &policies));
    let mut delta = AccessDelta::default();
    for part in parts {
        delta.principals.extend(part.principals);
        delta.bindings.extend(part.bindings);
    }
    delta.principals.sort();
    delta.bindings.sort();
    delta.bindings.dedup();
    delta
}

fn of_change(change: &Change, policies: &Policies<'_>) -> AccessDelta {
    let mut delta = AccessDelta::default();
    let Some(sides) = Two::of(change) else {
        if let Some(aspect) = aspect(change.address.kind) {
            let found = Found {
                undecided: BTreeSet::from(["what it is or will be is not known".to_owned()]),
                ..Found::default()
            };
            push(&mut delta, change, aspect, name(change, policies), found);
        }
        return delta;
    };
    match change.address.kind {
        Kind::IamPolicy => policy_change(&mut delta, change, sides, policies),
        Kind::IamRole => role_change(&mut delta, change, sides, policies),
        Kind::S3Bucket => bucket_change(&mut delta, change, sides),
        Kind::EksAccessEntry => {
            cluster::entry_change(&mut delta, change, sides, name(change, policies));
        }
        _ => {}
    }
    cluster::bindings(&mut delta, change, sides);
    delta
}

fn changes_something(change: &Change) -> bool {
    match change.action {
        Action::NoOp | Action::Check | Action::Forget => false,
        // What can't be planned can't be applied either, but then someone
        // should look.
        Action::Unknown
        | Action::Create
        | Action::Adopt
        | Action::Update
        | Action::Replace
        | Action::Repair
        | Action::Delete => true,
    }
}

/// The side of access that a kind has a say in, first of all.
fn aspect(kind: Kind) -> Option<Aspect> {
    match kind {
        Kind::IamPolicy | Kind::IamRole => Some(Aspect::Permissions),
        Kind::S3Bucket => Some(Aspect::Resource),
        Kind::EksAccessEntry => Some(Aspect::Cluster),
        _ => None,
    }
}

/// An object before and after its change; empty where there is none.
#[derive(Clone, Copy)]
pub(super) struct Two<'a> {
    pub(super) before: Option<&'a Map>,
    pub(super) after: Option<&'a Map>,
}

impl<'a> Two<'a> {
    /// `None`: a side that there must be is not known.
    fn of(change: &'a Change) -> Option<Self> {
        let two = Self { before: change.before.as_ref(), after: change.after.as_ref() };
        let known = match change.action {
            Action::Create => two.after.is_some(),
            Action::Delete => two.before.is_some(),
            Action::Unknown => false,
            _ => two.before.is_some() && two.after.is_some(),
        };
        known.then_some(match change.action {
            Action::Create => Self { before: None, ..two },
            Action::Delete => Self { after: None, ..two },
            _ => two,
        })
    }

    fn get(self, attribute: &str) -> (Option<&'a Value>, Option<&'a Value>) {
        let of = |side: Option<&'a Map>| {
            side.and_then(|side| side.get(attribute)).filter(|value| !value.is_null())
        };
        (of(self.before), of(self.after))
    }
}

/// The managed policies that the plan knows, and who holds them.
struct Policies<'a> {
    /// By ARN: document before, document after, and whether the plan changes it.
    documents: BTreeMap<&'a str, (Option<&'a Value>, Option<&'a Value>, bool)>,
    /// By ARN: the names of the roles that hold it.
    holders: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Policies<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut all = Self { documents: BTreeMap::new(), holders: BTreeMap::new() };
        for change in &plan.changes {
            match change.address.kind {
                Kind::IamPolicy => {
                    let arn = change.identity.part("arn");
                    let document = |side: Option<&'a Map>| side.and_then(|map| map.get("document"));
                    let after = document(change.after.as_ref());
                    let before = match change.action {
                        Action::NoOp => after,
                        _ => document(change.before.as_ref()),
                    };
                    let differs = changes_something(change) && before != after;
                    if !arn.is_empty() {
                        all.documents.insert(arn, (before, after, differs));
                    }
                }
                Kind::IamRole => {
                    let sides = [change.before.as_ref(), change.after.as_ref()];
                    for arn in sides
                        .into_iter()
                        .flatten()
                        .flat_map(attached)
                        .filter_map(|one| one.as_str())
                    {
                        let name = change.identity.part("roleName");
                        all.holders.entry(arn).or_default().insert(name);
                    }
                }
                _ => {}
            }
        }
        all
    }
}

fn attached(role: &Map) -> &[Value] {
    role.get("managedPolicies").and_then(Value::as_list).unwrap_or_default()
}

/// Adds what was found, unless nothing is written at all.
pub(super) fn push(
    delta: &mut AccessDelta,
    change: &Change,
    aspect: Aspect,
    name: String,
    found: Found,
) {
    let Found { gains, losses, flags, undecided } = found;
    delta.principals.push(PrincipalDelta {
        address: change.address.clone(),
        aspect,
        principal: name,
        verdict: Verdict::of(!gains.is_empty(), !losses.is_empty(), !undecided.is_empty()),
        gains: gains.into_iter().collect(),
        losses: losses.into_iter().collect(),
        flags,
        undecided: undecided.into_iter().collect(),
    });
}

/// Who or what it is about, for people.
fn name(change: &Change, policies: &Policies<'_>) -> String {
    let part = |key: &str| change.identity.part(key);
    match change.address.kind {
        Kind::IamRole => format!("role {}", part("roleName")),
        Kind::S3Bucket => format!("bucket {}", part("bucket")),
        Kind::EksAccessEntry => {
            let arn = change.identity.0.get("principalArn").map(text).unwrap_or_default();
            match arn.split_once(":role/") {
                Some((_, name)) => format!("role {}", name.rsplit('/').next().unwrap_or(name)),
                None => arn,
            }
        }
        _ => {
            let holders = policies.holders.get(part("arn"));
            let roles: Vec<_> = holders.into_iter().flatten().copied().collect();
            let held = match roles.as_slice() {
                [] => String::new(),
                [one] => format!(" (held by role {one})"),
                several => format!(" (held by roles {})", several.join(", ")),
            };
            format!("policy {}{held}", part("policyName"))
        }
    }
}

/// The text of a value that should be one; the expression of an unknown one.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Unknown(text) => text.clone(),
        other => other.to_string(),
    }
}

fn clauses<'v>(documents: impl IntoIterator<Item = &'v Value>) -> Clauses {
    let mut all = Clauses::default();
    for document in documents {
        all.add(document);
    }
    all
}

fn same(before: Option<&Value>, after: Option<&Value>) -> bool {
    match (before, after) {
        (None, None) => true,
        // Two secrets look alike in a saved plan.
        (Some(one), Some(two)) => !one.has_sensitive() && policy::equal(one, two),
        _ => false,
    }
}

// ---- kinds -----------------------------------------------------------------

fn policy_change(
    delta: &mut AccessDelta,
    change: &Change,
    sides: Two<'_>,
    policies: &Policies<'_>,
) {
    let (before, after) = sides.get("document");
    if same(before, after) {
        return;
    }
    let found = documents(&clauses(before), &clauses(after));
    push(delta, change, Aspect::Permissions, name(change, policies), found);
}

fn role_change(delta: &mut AccessDelta, change: &Change, sides: Two<'_>, policies: &Policies<'_>) {
    let name = name(change, policies);
    let (before, after) = sides.get("trustPolicy");
    if !same(before, after) {
        let found = documents(&clauses(before), &clauses(after));
        push(delta, change, Aspect::Trust, name.clone(), one_sided(sides, found));
    }
    if let Some(found) = permissions(sides, policies) {
        push(delta, change, Aspect::Permissions, name, one_sided(sides, found));
    }
}

/// What is made anew can lose nothing, and what goes can gain nothing: a deny
/// of it says nothing about anybody else.
fn one_sided(sides: Two<'_>, mut found: Found) -> Found {
    if sides.before.is_none() {
        found.losses.clear();
    }
    if sides.after.is_none() {
        found.gains.clear();
        found.flags.clear();
    }
    found
}

/// What a role may do by its own documents and by what is attached to it;
/// `None`: the plan changes neither. A change within a policy that stays
/// attached is told of that policy.
fn permissions(sides: Two<'_>, policies: &Policies<'_>) -> Option<Found> {
    let (inline_before, inline_after) = sides.get("inlinePolicies");
    let (boundary_before, boundary_after) = sides.get("permissionsBoundary");
    let before: BTreeSet<String> =
        sides.before.map(attached).unwrap_or_default().iter().map(text).collect();
    let after: &[Value] = sides.after.map(attached).unwrap_or_default();
    let unknown = |value: &&Value| value.as_str().is_none();
    let after_known: BTreeSet<String> =
        after.iter().filter(|value| !unknown(value)).map(text).collect();
    let after_unknown: Vec<&Value> = after.iter().filter(unknown).collect();

    let documents_of = |inline: Option<&Value>| -> Vec<Value> {
        match inline {
            Some(Value::Map(map)) => map.values().cloned().collect(),
            Some(other) => vec![other.clone()],
            None => Vec::new(),
        }
    };
    let (own_before, own_after) = (documents_of(inline_before), documents_of(inline_after));
    let canonical = |all: &[Value]| -> Vec<String> {
        let text = |one: &Value| policy::canonical(one).redacted_json().to_string();
        let mut all: Vec<_> = all.iter().map(text).collect();
        all.sort();
        all
    };
    let sensitive = own_before.iter().chain(&own_after).any(Value::has_sensitive);
    let own_differ = sensitive || canonical(&own_before) != canonical(&own_after);
    if !own_differ
        && before == after_known
        && after_unknown.is_empty()
        && boundary_before == boundary_after
    {
        return None;
    }

    let known = |arn: &String| policies.documents.get(arn.as_str());
    let (going, coming) = (clauses(&own_before), clauses(&own_after));
    let mut all_before = going.clone();
    before.iter().filter_map(known).filter_map(|one| one.0).for_each(|doc| all_before.add(doc));
    let mut all_after = coming.clone();
    after_known.iter().filter_map(known).filter_map(|one| one.1).for_each(|doc| all_after.add(doc));
    let nothing = Clauses::default();
    let judge = |going: &Clauses, coming: &Clauses| {
        compare(Sides { before: &all_before, after: &all_after, going, coming })
    };
    let mut found = if own_differ { judge(&going, &coming) } else { Found::default() };

    for arn in after_known.difference(&before) {
        let judged = known(arn).and_then(|(_, document, differs)| Some(((*document)?, *differs)));
        match judged {
            Some((document, differs)) => {
                let Found { gains, losses, flags, undecided } =
                    judge(&nothing, &Clauses::of(document));
                found.undecided.extend(undecided);
                found.losses.extend(losses);
                found.flags.extend(flags);
                // Its statements are told where the policy is.
                if differs && !gains.is_empty() {
                    found.gains.insert(Grant::ManagedPolicy { arn: arn.clone() });
                } else {
                    found.gains.extend(gains);
                }
            }
            None => attach(arn, &mut found),
        }
    }
    for arn in before.difference(&after_known) {
        let judged = known(arn).and_then(|(document, _, differs)| Some(((*document)?, *differs)));
        match judged {
            Some((document, differs)) => {
                let Found { gains, losses, flags, undecided } =
                    judge(&Clauses::of(document), &nothing);
                found.undecided.extend(undecided);
                found.gains.extend(gains);
                found.flags.extend(flags);
                if differs && !losses.is_empty() {
                    found.losses.insert(Grant::ManagedPolicy { arn: arn.clone() });
                } else {
                    found.losses.extend(losses);
                }
            }
            None => {
                found.losses.insert(Grant::ManagedPolicy { arn: arn.clone() });
                // A policy that denies something widens by going.
                if !ALLOWS_ONLY.iter().any(|name| arn.strip_prefix(OF_AWS) == Some(name)) {
                    found.undecided.insert(format!("whether {arn} denied anything"));
                }
            }
        }
    }
    for value in after_unknown {
        if sides.before.is_some() && before.iter().any(|arn| !after_known.contains(arn)) {
            found.undecided.insert(format!("whether {} was attached before", text(value)));
        } else {
            attach(&text(value), &mut found);
        }
    }
    boundary(boundary_before, boundary_after, &mut found);
    Some(found)
}

/// A managed policy whose document is not known is attached.
fn attach(arn: &str, found: &mut Found) {
    found.gains.insert(Grant::ManagedPolicy { arn: arn.to_owned() });
    let name = arn.rsplit('/').next().unwrap_or(arn);
    if ["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"].contains(&name) {
        found.flags.insert(Flag::AdministratorAccess);
    } else if name.ends_with("FullAccess") {
        found.flags.insert(Flag::FullAccess);
    }
}

fn boundary(before: Option<&Value>, after: Option<&Value>, found: &mut Found) {
    if before == after {
        return;
    }
    let arn = |value: &Value| Grant::Boundary { arn: text(value) };
    match (before, after) {
        (Some(old), None) => {
            found.gains.insert(arn(old));
            found.flags.insert(Flag::RemovedBoundary);
        }
        (None, Some(new)) => drop(found.losses.insert(arn(new))),
        (Some(old), Some(new)) => {
            found.flags.insert(Flag::RemovedBoundary);
            found.undecided.insert(format!(
                "whether the boundary {} limits as much as {} did",
                text(new),
                text(old)
            ));
        }
        (None, None) => {}
    }
}

fn bucket_change(delta: &mut AccessDelta, change: &Change, sides: Two<'_>) {
    let (before, after) = sides.get("policy");
    let mut found = if same(before, after) {
        Found::default()
    } else {
        documents(&clauses(before), &clauses(after))
    };
    let mut written = !same(before, after);
    let (block_before, block_after) = sides.get("publicAccessBlock");
    if sides.after.is_some() && block_before != block_after {
        written = true;
        let settings =
            ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"];
        for setting in settings {
            let on = |side: Option<&Value>| {
                side.and_then(|side| side.get(setting)).and_then(Value::as_bool).unwrap_or(false)
            };
            let grant = Grant::PublicAccessBlock { setting: setting.to_owned() };
            match (sides.before.is_none() || on(block_before), on(block_after)) {
                (true, false) => drop(found.gains.insert(grant)),
                (false, true) => drop(found.losses.insert(grant)),
                (true, true) | (false, false) => {}
            }
        }
    }
    let found = one_sided(sides, found);
    // A new bucket that is as closed as any needs no word.
    if written && (sides.before.is_some() || found != Found::default()) {
        push(
            delta,
            change,
            Aspect::Resource,
            format!("bucket {}", change.identity.part("bucket")),
            found,
        );
    }
}
