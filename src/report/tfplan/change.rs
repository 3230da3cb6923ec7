//! Terraform's changes: what a plan does with each of Terraform's resources.
//!
//! A resource of the stack is one or several of Terraform's; each of them gets
//! the action that it alone would have. This module must not know single kinds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map as JsonMap, Value as Json, json};

use super::kinds::{self, Block, Known};
use super::tree::{self, Tree};
use crate::adapter::Kind;
use crate::address::Address;
use crate::plan::{Action, Change, Plan, Reason};
use crate::value::{Map, Value};

/// A side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// As it was read.
    Before,
    /// As it will be.
    After,
}

/// One of Terraform's resources, with what is done to it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The resource of the stack that it comes from.
    pub of: Address,
    /// Whether it is only read.
    pub is_data: bool,
    /// Its type.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Which of several it is.
    pub index: Option<String>,
    /// The two sides.
    pub before: Option<Block>,
    /// The two sides.
    pub after: Option<Block>,
    actions: &'static [&'static str],
    reason: Option<&'static str>,
    adopted: Option<String>,
    replaced_for: BTreeSet<String>,
    lkh: Json,
}

/// What a plan does, by Terraform's addresses.
pub(super) fn entries(plan: &Plan) -> Vec<Entry> {
    let known = Known::of(plan);
    let mut entries = BTreeMap::new();
    for change in &plan.changes {
        for entry in of_change(change, &known) {
            entries.insert(entry.address(), entry);
        }
    }
    entries.into_values().collect()
}

/// What was changed behind the back of the stack since the last apply.
pub(super) fn drift(plan: &Plan) -> Vec<Json> {
    let known = Known::of(plan);
    let mut drifted = BTreeMap::new();
    for change in plan.drifted() {
        let removed = change.reason == Reason::RemovedOutside;
        let applied = if removed { change.after.clone() } else { change.object_applied() };
        let live = change.before.as_ref().filter(|_| !removed);
        // An object that is made anew for another's sake has no drift of its own.
        let Some(applied) = applied else { continue };
        let identity = &change.identity.0;
        let before = kinds::blocks(change, identity, &applied, &known);
        let after = live.map(|live| kinds::blocks(change, identity, live, &known));
        let sides = paired(before, after.unwrap_or_default());
        for entry in told(change, sides, Action::Update) {
            if entry.is_changed() {
                let told = entry.change();
                drifted.insert(entry.address(), told);
            }
        }
    }
    drifted.into_values().flatten().collect()
}

/// Whether a resource is only read: Terraform's data.
pub(super) fn is_data(change: &Change) -> bool {
    let read_only = matches!(change.address.kind, Kind::AcmCertificate | Kind::Route53Zone);
    let external =
        matches!(change.reason, Reason::External | Reason::Absent | Reason::IdentityUnknown);
    change.action == Action::NoOp && (read_only || external)
}

/// Which of Terraform's resources: type and index.
type Part = (&'static str, Option<String>);
/// Before and after.
type Pair = (Option<Block>, Option<Block>);
type Sides = BTreeMap<Part, Pair>;

fn paired(before: Vec<Block>, after: Vec<Block>) -> Sides {
    let mut sides = Sides::new();
    for block in before {
        let key = (block.kind, block.index.clone());
        sides.entry(key).or_default().0 = Some(block);
    }
    for block in after {
        let key = (block.kind, block.index.clone());
        sides.entry(key).or_default().1 = Some(block);
    }
    sides
}

fn of_change(change: &Change, known: &Known<'_>) -> Vec<Entry> {
    let nothing = Map::new();
    let old = match &change.reason {
        Reason::IdentityChanged { before } => before,
        _ => &change.identity,
    };
    let before = match change.action {
        // What is asked stands for no object, and stays as it is.
        Action::Check => change.after.as_ref(),
        Action::Delete | Action::Forget => Some(change.before.as_ref().unwrap_or(&nothing)),
        Action::NoOp
        | Action::Create
        | Action::Adopt
        | Action::Update
        | Action::Replace
        | Action::Repair
        | Action::Unknown => change.object_before(),
    };
    let after = match change.action {
        // It can't be planned: it stays as it is for now.
        Action::Unknown => before,
        Action::NoOp if change.reason == Reason::IdentityUnknown => Some(&nothing),
        _ => change.after.as_ref(),
    };
    let blocks = |identity: &Map, side: Option<&Map>| {
        side.map(|side| kinds::blocks(change, identity, side, known)).unwrap_or_default()
    };
    let sides = paired(blocks(&old.0, before), blocks(&change.identity.0, after));
    told(change, sides, change.action)
}

/// The entries of one resource.
fn told(change: &Change, sides: Sides, action: Action) -> Vec<Entry> {
    let main = kinds::main_type(change);
    let differs = |(before, after): &Pair| match (before, after) {
        // As a file tells them: what differs in a secret shows nowhere.
        (Some(before), Some(after)) => shown(before) != shown(after),
        _ => true,
    };
    // What differs in no part that Terraform has a name for is the resource's.
    let nowhere = !sides.values().any(differs) && !change.commands.is_empty();
    let is_data = is_data(change);
    let entry = |((kind, index), sides): (Part, Pair)| {
        let actions = if is_data {
            if sides.0.is_none() { &["read"][..] } else { &["no-op"] }
        } else {
            actions(action, &sides, differs(&sides) || (nowhere && kind == main))
        };
        let is_adopted = action == Action::Adopt && kind == main;
        Entry {
            of: change.address.clone(),
            is_data,
            kind,
            name: kinds::name_of(&change.address, kind),
            index,
            actions,
            reason: reason(change, actions),
            adopted: is_adopted.then(|| change.identity.to_string()),
            replaced_for: replaced_for(change, actions, &sides),
            lkh: json!({
                "address": change.address.to_string(),
                "action": change.action.word(),
                "reason": serde_json::to_value(&change.reason).unwrap_or_default(),
            }),
            before: sides.0,
            after: sides.1,
        }
    };
    sides.into_iter().map(entry).collect()
}

fn shown(block: &Block) -> Json {
    Value::Map(block.values.clone()).redacted_json()
}

fn actions(action: Action, sides: &Pair, differs: bool) -> &'static [&'static str] {
    match (action, sides) {
        (Action::Forget, _) => &["forget"],
        (Action::NoOp | Action::Check | Action::Unknown, _) => &["no-op"],
        (_, (None, _)) => &["create"],
        (_, (_, None)) => &["delete"],
        (Action::Replace, _) => &["delete", "create"],
        _ if differs => &["update"],
        _ => &["no-op"],
    }
}

/// Terraform's word for why, where it has one.
fn reason(change: &Change, actions: &[&str]) -> Option<&'static str> {
    match (actions, &change.reason) {
        (["delete", "create"], Reason::Outdated { .. } | Reason::BoundTo { .. }) => {
            Some("replace_because_tainted")
        }
        (["delete", "create"], _) => Some("replace_because_cannot_update"),
        (["delete"], Reason::NotDeclared) => Some("delete_because_no_resource_config"),
        _ => None,
    }
}

/// The arguments for whose sake an object is made anew.
fn replaced_for(change: &Change, actions: &[&str], sides: &Pair) -> BTreeSet<String> {
    let (["delete", "create"], (Some(before), Some(after))) = (actions, sides) else {
        return BTreeSet::new();
    };
    if !change.fields.iter().any(|field| field.replace)
        && !matches!(change.reason, Reason::IdentityChanged { .. })
    {
        return BTreeSet::new();
    }
    let names = before.values.keys().chain(after.values.keys());
    let differs = |name: &&String| {
        let told = |block: &Block| block.values.get(name.as_str()).map(Value::redacted_json);
        told(before) != told(after)
    };
    names.filter(differs).cloned().collect()
}

impl Entry {
    /// The address without the index.
    pub(super) fn base(&self) -> String {
        let data = if self.is_data { "data." } else { "" };
        format!("{data}{}.{}", self.kind, self.name)
    }

    fn address(&self) -> String {
        match &self.index {
            None => self.base(),
            Some(index) => format!("{}[{}]", self.base(), Json::String(index.clone())),
        }
    }

    /// Whether the plan changes it.
    pub(super) fn is_changed(&self) -> bool {
        !matches!(self.actions, ["no-op" | "forget" | "read"])
    }

    pub(super) fn mode(&self) -> &'static str {
        if self.is_data { "data" } else { "managed" }
    }

    /// The provider that the type belongs to, and its name in configurations.
    pub(super) fn provider(&self) -> (&'static str, &'static str) {
        match self.kind.split('_').next() {
            Some("helm") => ("helm", "registry.terraform.io/hashicorp/helm"),
            Some("kubernetes") => ("kubernetes", "registry.terraform.io/hashicorp/kubernetes"),
            Some("terraform") => ("terraform", "terraform.io/builtin/terraform"),
            _ => ("aws", "registry.terraform.io/hashicorp/aws"),
        }
    }

    fn head(&self) -> JsonMap<String, Json> {
        let mut head = JsonMap::new();
        let mut tell = |key: &str, value: Json| drop(head.insert(key.to_owned(), value));
        tell("address", self.address().into());
        tell("mode", self.mode().into());
        tell("type", self.kind.into());
        tell("name", self.name.as_str().into());
        if let Some(index) = &self.index {
            tell("index", index.as_str().into());
        }
        tell("provider_name", self.provider().1.into());
        head
    }

    /// The resource on one side: by its address. What is only read is told as
    /// what was there before.
    pub(super) fn state(&self, side: Side) -> Option<(String, Json)> {
        let block = match side {
            Side::Before => self.before.as_ref(),
            Side::After if self.is_data => None,
            Side::After => self.after.as_ref(),
        }?;
        let Tree { value, sensitive, .. } = tree_of(block);
        let mut head = self.head();
        head.insert("schema_version".to_owned(), 0.into());
        head.insert("values".to_owned(), value.unwrap_or_else(|| json!({})));
        head.insert("sensitive_values".to_owned(), sensitive);
        Some((self.address(), Json::Object(head)))
    }

    /// The change; `None` for what was read and is only read.
    pub(super) fn change(&self) -> Option<Json> {
        if self.is_data && self.actions != ["read"] {
            return None;
        }
        let before = self.before.as_ref().map(tree_of);
        let after = self.after.as_ref().map(tree_of);
        let hidden = |tree: &Option<Tree>| {
            tree.as_ref().map_or(Json::Bool(false), |tree| tree.sensitive.clone())
        };
        let mut change = json!({
            "actions": self.actions,
            "before": before.as_ref().and_then(|tree| tree.value.clone()),
            "after": after.as_ref().and_then(|tree| tree.value.clone()),
            "after_unknown": after.as_ref().map_or_else(|| json!({}), |tree| tree.unknown.clone()),
            "before_sensitive": hidden(&before),
            "after_sensitive": hidden(&after),
        });
        if let Some(change) = change.as_object_mut() {
            if !self.replaced_for.is_empty() {
                let paths: Json = self.replaced_for.iter().map(|name| json!([name])).collect();
                change.insert("replace_paths".to_owned(), paths);
            }
            if let Some(id) = &self.adopted {
                change.insert("importing".to_owned(), json!({ "id": id }));
            }
        }
        let mut told = self.head();
        told.insert("change".to_owned(), change);
        if let Some(reason) = self.reason {
            told.insert("action_reason".to_owned(), reason.into());
        }
        told.insert("lkh".to_owned(), self.lkh.clone());
        Some(Json::Object(told))
    }
}

fn tree_of(block: &Block) -> Tree {
    tree::of(&Value::Map(block.values.clone()))
}
