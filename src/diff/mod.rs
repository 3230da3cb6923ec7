//! The three-way diff: desired, prior and live values to field changes.
//!
//! Pure functions over values, driven by the rules that the adapters'
//! attributes name. This module must not know any kind.

pub mod kubernetes;

use serde::{Deserialize, Serialize};

use crate::value::{Path, Value};

/// One field that differs between what is desired and what is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where: the attribute, then keys or members. The member of a set is the
    /// last segment.
    pub path: Path,
    /// What is live; `None`: nothing is there.
    pub before: Option<Value>,
    /// What is desired; `None`: it goes away.
    pub after: Option<Value>,
    /// Where the difference comes from.
    pub origin: Origin,
    /// Whether the object must be made anew for it.
    pub replace: bool,
}

/// Where a difference between desired and live comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The manifests changed since the last apply.
    Change,
    /// The object changed since the last apply, outside of it.
    Drift,
    /// Both did.
    Both,
    /// Not known: the state does not remember what was applied.
    Undetermined,
}
