//! What a request may ask beside its object: options of writes, deletions and
//! lists, the forms of a patch, and what a write answers.

use serde_json::Value;

use super::selector::{FieldSelector, Selector};

/// Which part of an object a write is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subresource {
    /// The object itself: everything but `status`, where the type has one.
    #[default]
    Main,
    /// `status` only.
    Status,
    /// `spec.replicas` only, as a `Scale` object.
    Scale,
}

/// Options of a create, update or patch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The field manager, which `metadata.managedFields` names.
    pub manager: String,
    /// Answer as if written, change nothing.
    pub dry_run: bool,
    /// What the write is for.
    pub subresource: Subresource,
}

impl WriteOptions {
    /// A write of the object itself by a field manager.
    pub fn by(manager: &str) -> Self {
        Self { manager: manager.to_owned(), ..Self::default() }
    }

    /// The same as a dry run, or not.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// The same for a subresource.
    #[must_use]
    pub fn on(mut self, subresource: Subresource) -> Self {
        self.subresource = subresource;
        self
    }
}

/// A patch in one of the four forms that an API server takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// `application/json-patch+json`: a list of operations (RFC 6902).
    Json(Value),
    /// `application/merge-patch+json` (RFC 7396).
    Merge(Value),
    /// `application/strategic-merge-patch+json`: lists merge by their keys.
    Strategic(Value),
    /// `application/apply-patch+yaml`: server-side apply, which also creates.
    Apply {
        /// The fields that the manager wants, with `apiVersion` and `kind`.
        object: Value,
        /// Take over fields that others own, instead of refusing.
        force: bool,
    },
}

/// What became of an object by a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Created,
    /// It differs from before.
    Changed,
    /// It is as before, `resourceVersion` included.
    Unchanged,
}

/// The answer to a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The whole object as it is now, or would be after a dry run.
    pub object: Value,
    /// What became of it.
    pub change: Change,
}

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it. The real default of nearly all types.
    #[default]
    Background,
    /// They go before it; here both go in the same reconciliation.
    Foreground,
    /// They stay, without the owner reference.
    Orphan,
}

/// Options of a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What becomes of owned objects.
    pub propagation: Propagation,
    /// Delete only the object with this uid.
    pub uid: Option<String>,
    /// Delete only this version.
    pub resource_version: Option<String>,
    /// Answer as if deleted, change nothing.
    pub dry_run: bool,
}

/// Which objects a list wants. The default wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// By label.
    pub labels: Selector,
    /// By field.
    pub fields: FieldSelector,
}
