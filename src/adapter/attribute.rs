//! Attributes of a normal form: how they are compared, and what a difference
//! leads to.
//!
//! A part of the contract between adapters and diff. This module must not
//! compare anything itself.

/// One attribute of a kind's normal form.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Its name, the key in the normal form's map.
    pub name: &'static str,
    /// How two values of it are compared.
    pub rule: Rule,
    /// What a difference leads to.
    pub on_change: OnChange,
}

/// What a difference in an attribute leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// The object is changed in place.
    Update,
    /// The object can't be changed: it is deleted and made anew.
    Replace,
}

/// How two values of an attribute are compared. What a rule ignores is listed
/// by its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Equal as they stand. A desired `Null` declares nothing and equals
    /// everything.
    Exact,
    /// A set: order and repetition don't count. Members that no manifest
    /// declares (now or when last applied) are left alone and reported,
    /// unless the attribute is exclusive.
    Set,
    /// A map whose entries are owned one by one, values compared exactly.
    /// Entries that no manifest declares are left alone and reported, unless
    /// the attribute is exclusive.
    Entries,
    /// As `Entries`, where each value is itself a map of owned entries.
    NestedEntries,
    /// An IAM policy document, compared by meaning (`crate::diff::policy`).
    PolicyDocument,
    /// A map of names to IAM policy documents, owned one by one.
    PolicyDocuments,
    /// A tree compared leaf by leaf, exactly; each difference is a field of
    /// its own.
    Tree,
    /// As `Tree`, of what the object itself does not tell: the adapter gives as
    /// live what was applied last, and steps that succeeded count as applied.
    /// Two sensitive values count as equal.
    Remembered,
    /// A tree of Kubernetes objects by `Kind/namespace/name`: only the fields
    /// that the desired or prior tree holds count; quantities by amount, lists
    /// of named things by name (`crate::diff::kubernetes`).
    KubernetesObjects,
}

impl Rule {
    /// What this rule ignores or treats as equal, for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Exact => "equal as written; a field that is not declared is not compared",
            Self::Set => {
                "order and repetition do not count; members that no manifest declares are left \
                 alone unless exclusive"
            }
            Self::Entries | Self::NestedEntries => {
                "entries are compared one by one; entries that no manifest declares are left \
                 alone unless exclusive"
            }
            Self::PolicyDocument => {
                "IAM meaning: order, one-element lists, case of Effect and actions, number or \
                 truth value against text, account id against its root ARN"
            }
            Self::PolicyDocuments => {
                "IAM meaning per document; documents that no manifest declares are left alone \
                 unless exclusive"
            }
            Self::Tree => "every leaf as written; order of lists counts",
            Self::Remembered => {
                "what was applied last, by the state: the object does not tell; a sensitive value \
                 that became another one"
            }
            Self::KubernetesObjects => {
                "only fields that the manifest or the chart declares; quantities by amount; lists of named things \
                 by name; what the API server adds does not count"
            }
        }
    }
}
