//! What a stack's outputs are before an apply, and what they become.
//!
//! This module must not know where an output comes from.

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// An output, with what it was when the last run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutputValue {
    /// Its name.
    pub name: String,
    /// What it was; `None`: there was none, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What it is; unknown where nobody knows.
    pub now: Value,
}

impl OutputValue {
    /// Whether it is not what it was. Of a sensitive one nobody can tell.
    pub fn is_news(&self) -> bool {
        self.before.as_ref() != Some(&self.now) && !self.now.has_sensitive()
    }
}
