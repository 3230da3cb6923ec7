//! What must hold whatever happens, each in a function of its own.
//!
//! A violation is written into the story; the story goes on to its next step
//! and ends there.

use std::collections::BTreeSet;

use lkh::adapter::{Identity, Kind, Prior, Step};
use lkh::address::Address;
use lkh::command::Command;
use lkh::journal::Journal;
use lkh::plan::Action;
use lkh::sandbox::world::World;
use lkh::state::State;
use lkh::value::Value;
use serde_json::Value as Json;

use crate::account::Changed;
use crate::remote::short;
use crate::sim::Inner;
use crate::stacks::{CANARY, CANARY_ENCODED, CLUSTER, Expect};
use crate::story::log_path;

/// The name of an object apart from its ids, by its key in the world.
pub fn natural(key: &str) -> Option<String> {
    if let Some(name) = key.strip_prefix("iam/role/") {
        return Some(format!("role {name}"));
    }
    if let Some(name) = key.strip_prefix("iam/policy/account/") {
        return Some(format!("policy {name}"));
    }
    let eks = key.strip_prefix("eks/us-east-2/");
    if let Some(rest) = eks.and_then(|rest| rest.strip_prefix("association-of/")) {
        return Some(format!("association {}", rest.strip_prefix(CLUSTER)?.trim_matches('/')));
    }
    if let Some(rest) = eks.and_then(|rest| rest.strip_prefix("access-entry/")) {
        return Some(format!("entry {}", rest.rsplit('/').next()?.to_lowercase()));
    }
    if let Some(rest) = key.strip_prefix("helm/release/") {
        return Some(format!("release {}", rest.rsplit_once('/')?.0));
    }
    if let Some(rest) = key.strip_prefix("ec2/us-east-2/tag/") {
        return Some(format!("tag {rest}"));
    }
    None
}

/// The objects that a resource stands for.
fn naturals(kind: Kind, prior: &Prior) -> Vec<String> {
    let part = |name: &str| {
        prior.identity.0.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    match kind {
        Kind::IamRole => vec![format!("role {}", part("roleName").to_lowercase())],
        Kind::IamPolicy => vec![format!("policy {}", part("policyName").to_lowercase())],
        Kind::PodIdentityAssociation => {
            vec![format!("association {}/{}", part("namespace"), part("serviceAccount"))]
        }
        Kind::EksAccessEntry => {
            let arn = part("principalArn").to_lowercase();
            vec![format!("entry {}", arn.rsplit('/').next().unwrap_or_default())]
        }
        Kind::HelmRelease => {
            vec![format!("release {}/{}", part("namespace"), part("releaseName"))]
        }
        Kind::Ec2Tags => {
            let tags = prior.attributes.get("tags").and_then(Value::as_map);
            tags.into_iter()
                .flatten()
                .flat_map(|(id, keys)| {
                    let keys = keys.as_map().into_iter().flatten();
                    keys.map(move |(key, _)| format!("tag {id}/{key}")).collect::<Vec<_>>()
                })
                .collect()
        }
        // Read only, never deleted, or declared by no stack of the simulation.
        Kind::EksCluster
        | Kind::ServiceLinkedRole
        | Kind::S3Bucket
        | Kind::CloudFormationStack
        | Kind::AcmCertificate
        | Kind::Route53Zone
        | Kind::Route53Record => Vec::new(),
    }
}

/// The objects that are declared.
fn declared(world: &World, expected: &[Expect]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for expect in expected {
        match expect {
            Expect::Role { name, .. } => drop(all.insert(format!("role {}", name.to_lowercase()))),
            Expect::Policy { name, .. } => {
                all.insert(format!("policy {}", name.to_lowercase()));
            }
            Expect::Association { namespace, account, .. } => {
                all.insert(format!("association {namespace}/{account}"));
            }
            Expect::Entry { role } => drop(all.insert(format!("entry {}", role.to_lowercase()))),
            Expect::Release { namespace, name, .. } => {
                all.insert(format!("release {namespace}/{name}"));
            }
            Expect::Tag { key, .. } => all.extend(
                world
                    .scan("ec2/us-east-2/tag/")
                    .filter(|(found, _)| found.ends_with(&format!("/{key}")))
                    .filter_map(|(found, _)| natural(found)),
            ),
        }
    }
    all
}

/// Everything that `lkh` made and that is still there, by name.
pub fn made(inner: &Inner) -> BTreeSet<String> {
    inner
        .account
        .made_by_lkh()
        .filter_map(|(key, _)| natural(key))
        // AWS itself forbids or forgets to delete these: they stay by design.
        .filter(|name| !name.starts_with("role awsservicerole"))
        .collect()
}

/// Each object that `lkh` made is in the state, or has an intent that no read
/// settled, or is found again by the next plan because it is declared.
pub fn no_orphan(
    inner: &mut Inner,
    state: Option<&State>,
    journal: Option<&Journal>,
    expected: &[Expect],
    excused: &mut BTreeSet<String>,
) {
    let mut known = BTreeSet::new();
    for (address, record) in state.iter().flat_map(|state| &state.resources) {
        known.extend(naturals(address.kind, &record.applied));
    }
    // Only a state that knows it again ends what the loss of one excuses.
    excused.retain(|name| !known.contains(name));
    known.extend(declared(inner.account.world(), expected));
    for (address, begun) in journal.iter().flat_map(|journal| journal.begun()) {
        let prior = Prior {
            identity: Identity(begun.identity.clone()),
            attributes: begun.attributes.clone(),
            ..Prior::default()
        };
        known.extend(naturals(address.kind, &prior));
    }
    let lost: Vec<_> =
        made(inner).into_iter().filter(|n| !known.contains(n) && !excused.contains(n)).collect();
    for name in lost {
        inner.violate("no orphan", &format!("nobody knows of the {name} any more"));
        excused.insert(name);
    }
}

/// What stands once stands once: two objects under one natural key would be a
/// create too many.
pub fn no_double_create(inner: &mut Inner) {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for (key, json) in inner.account.world().scan("eks/us-east-2/association/") {
        let of = format!("{}/{}", json["namespace"], json["serviceAccount"]);
        if !seen.insert(of.clone()) {
            twice.push(format!("{of} has two associations, one of them {key}"));
        }
    }
    let mut deployed = BTreeSet::new();
    for (key, json) in inner.account.world().scan("helm/release/") {
        if json["status"] == "deployed" && !deployed.insert(natural(key)) {
            twice.push(format!("two revisions are deployed, one of them {key}"));
        }
    }
    for what in twice {
        inner.violate("no double create", &what);
    }
}

/// Whether the stack may ever declare it.
fn is_ours(key: &str) -> bool {
    let lower = key.to_lowercase();
    lower.contains("sim-") || lower.contains("karpenter") || lower.contains("awsservicerole")
}

/// Objects and fields of others stay as they are, whatever `lkh` does.
pub fn unmanaged_untouched(inner: &mut Inner, command: &Command, changed: &[Changed]) {
    let mut wrong = Vec::new();
    for Changed { key, old, new } in changed {
        let meta = [
            "meta/",
            "helm/interrupt",
            "k8s/",
            "iam/policy/aws/",
            "iam/policy-role/",
            "eks/us-east-2/by-arn/",
        ];
        if meta.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        if !is_ours(key) && !json_is_ours(old.as_ref()) && !json_is_ours(new.as_ref()) {
            wrong.push(format!("`{}` changed {key}", short(command)));
        }
        // Fields of others on an object of ours.
        if key.starts_with("iam/role/")
            && let (Some(old), Some(new)) = (old, new)
            && foreign_tags(old) != foreign_tags(new)
        {
            wrong.push(format!("`{}` changed tags of others on {key}", short(command)));
        }
        if key.starts_with("iam/role-attached/")
            && key.ends_with("/AmazonS3ReadOnlyAccess")
            && new.is_none()
        {
            wrong.push(format!("`{}` detached what others attached: {key}", short(command)));
        }
    }
    for what in wrong {
        inner.violate("unmanaged untouched", &what);
    }
}

fn json_is_ours(json: Option<&Json>) -> bool {
    json.is_some_and(|json| is_ours(&json.to_string()))
}

fn foreign_tags(role: &Json) -> Vec<&Json> {
    let tags = role["Tags"].as_array().into_iter().flatten();
    tags.filter(|tag| tag["Key"].as_str().is_some_and(|key| key.starts_with("x-"))).collect()
}

/// A changing command is one that the approved plan names.
pub fn approved_command(inner: &mut Inner, command: &Command) {
    let step = Step { title: String::new(), command: command.clone() };
    let planned = inner.approved.plan.iter().flat_map(|plan| &plan.changes);
    let mut commands = planned.flat_map(|change| &change.commands);
    if !commands.any(|planned| planned.allows(&step)) {
        inner.violate("plan fidelity", &format!("no approved plan names `{}`", short(command)));
    }
}

/// What goes is what the plan said would go.
pub fn named_destruction(inner: &mut Inner, command: &Command, changed: &[Changed]) {
    let gone: Vec<_> = changed
        .iter()
        .filter(|changed| changed.new.is_none())
        // Helm keeps the last ten revisions, and only the release counts.
        .filter(|changed| {
            let release = changed.key.strip_prefix("helm/release/");
            let prefix = release.and_then(|rest| rest.rsplit_once('/'));
            prefix.is_none_or(|(name, _)| {
                let all = format!("helm/release/{name}/");
                inner.account.world().scan(&all).next().is_none()
            })
        })
        .filter_map(|changed| natural(&changed.key))
        .filter(|name| !name.starts_with("tag "))
        .collect();
    for name in gone {
        let changes = inner.approved.plan.iter().flat_map(|plan| &plan.changes);
        let named = changes
            // A repair removes a release that never came to be, by a planned command.
            .filter(|change| {
                matches!(change.action, Action::Delete | Action::Replace | Action::Repair)
            })
            .any(|change| {
                let prior = Prior { identity: change.identity.clone(), ..Prior::default() };
                let before = match &change.reason {
                    lkh::plan::Reason::IdentityChanged { before } => Some(before.clone()),
                    _ => None,
                };
                naturals(change.address.kind, &prior).contains(&name)
                    || before.is_some_and(|identity| {
                        let prior = Prior { identity, ..Prior::default() };
                        naturals(change.address.kind, &prior).contains(&name)
                    })
            });
        if !named {
            let what = format!("`{}` destroyed the {name}, which was not planned", short(command));
            inner.violate("plan fidelity", &what);
        }
    }
}

/// When a changing command starts, its intent is on the disk itself.
pub fn intent_before_command(inner: &mut Inner, command: &Command) {
    let Inner { files, intents, .. } = inner;
    intents.take_in(files.durable(&log_path()));
    if !intents.has_open(&short(command)) {
        let what = format!("`{}` started without a durable intent", short(command));
        inner.violate("intent before command", &what);
    }
}

/// The work on a resource begins after what it depends on was verified, and a
/// deletion after what depended on it is gone.
pub fn order(inner: &mut Inner, address: &Address) {
    let Some(plan) = &inner.approved.plan else { return };
    let Some(change) = plan.change(address) else { return };
    let goes = |action: Action| matches!(action, Action::Delete | Action::Forget);
    let good = |address: &Address| inner.approved.good.contains(&address.to_string());
    let mut early = Vec::new();
    if !goes(change.action) {
        for dependency in &change.depends_on {
            let works = plan
                .change(dependency)
                .is_some_and(|change| change.action.is_change() && !goes(change.action));
            if works && !good(dependency) {
                early.push(format!("{address} began before {dependency} was verified"));
            }
        }
    }
    if change.action == Action::Delete {
        for other in &plan.changes {
            if other.depends_on.contains(address) && goes(other.action) && !good(&other.address) {
                early.push(format!("{address} is deleted before {} is gone", other.address));
            }
        }
    }
    for what in early {
        inner.violate("order", &what);
    }
}

/// The secret is nowhere.
pub fn no_secret(inner: &mut Inner, place: &str, text: &str) {
    if text.contains(CANARY) || text.contains(CANARY_ENCODED) {
        inner.violate("secrets", &format!("the secret is in {place}"));
    }
}

/// No file holds the secret.
pub fn no_secret_on_disk(inner: &mut Inner) {
    let found: Vec<_> = inner
        .files
        .all()
        .filter(|(_, bytes)| {
            let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            has(CANARY)
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    for path in found {
        inner.violate("secrets", &format!("the secret is in {path}"));
    }
}

/// What is remembered of state and log between two steps.
#[derive(Debug, Default)]
pub struct Durable {
    lineage: Option<String>,
    serial: u64,
    lines: usize,
}

impl Durable {
    /// The state was lost with all it held.
    pub fn forget_state(&mut self) {
        self.lineage = None;
        self.serial = 0;
    }
}

/// The state is one that was written as a whole, and never goes back; the log
/// verifies and never loses what was durable.
pub fn durability(inner: &mut Inner, durable: &mut Durable) -> (Option<State>, Option<Journal>) {
    let store = crate::story::local_store(None);
    let state = match inner.files.read(&store.state_path()).map(<[u8]>::to_vec) {
        None => {
            if durable.lineage.is_some() {
                inner.violate("durability", "the state is gone");
            }
            None
        }
        Some(bytes) => {
            if !inner.states.contains(&bytes) {
                inner.violate("durability", "the state is none that was written");
            }
            match State::from_bytes(&bytes) {
                Ok(state) => Some(state),
                Err(error) => {
                    inner.violate("durability", &format!("the state: {error}"));
                    None
                }
            }
        }
    };
    if let Some(state) = &state {
        if durable.lineage.as_ref().is_some_and(|lineage| *lineage != state.lineage) {
            inner.violate("durability", "the state has another lineage");
        }
        if state.serial < durable.serial {
            let (was, is) = (durable.serial, state.serial);
            inner.violate("durability", &format!("the serial went from {was} back to {is}"));
        }
        durable.lineage = Some(state.lineage.clone());
        let certain = inner.files.certain(&store.state_path());
        if let Some(certain) = certain.and_then(|bytes| State::from_bytes(bytes).ok()) {
            durable.serial = durable.serial.max(certain.serial);
        }
        let old = inner.states.len().saturating_sub(8);
        inner.states.drain(..old);
    }
    let log = inner.files.read(&log_path()).unwrap_or_default().to_vec();
    let journal = match Journal::parse(&log) {
        Ok(journal) => {
            if journal.entries.len() < durable.lines {
                inner.violate("durability", "the log lost lines that were durable");
            }
            let certain = inner.files.certain(&log_path()).unwrap_or_default();
            let lines = certain.split(|&byte| byte == b'\n').count().saturating_sub(1);
            durable.lines = durable.lines.max(lines);
            Some(journal)
        }
        Err(error) => {
            inner.violate("durability", &error.to_string());
            None
        }
    };
    (state, journal)
}

/// Exit code 0 means that everything is as declared in the account itself.
pub fn honest_exit(inner: &mut Inner, expected: &[Expect]) {
    let wrong: Vec<_> =
        expected.iter().filter_map(|expect| expect.wrong(inner.account.world())).collect();
    for what in wrong {
        inner.violate("honest exit", &what);
    }
}

/// A destroy that ended with 0 left nothing of what `lkh` made.
pub fn nothing_left(inner: &mut Inner, excused: &BTreeSet<String>) {
    let left: Vec<_> = made(inner).into_iter().filter(|name| !excused.contains(name)).collect();
    for name in left {
        inner.violate("honest exit", &format!("the {name} is still there after a destroy"));
    }
}
