//! The access delta of a plan: what becomes possible and what stops being
//! possible, for whom.
//!
//! It is computed from the plan alone: policies and trust of IAM roles, bucket
//! policies, access entries of EKS, and which service account of a cluster acts
//! as which role. What can't be decided is said to be undecided; nothing is
//! called narrowed or reformatted that may have become wider. This module must
//! not know how a delta is shown, and must not judge whether access is wanted.

mod clause;
mod cluster;
mod compare;
mod condition;
mod pattern;
mod subjects;
mod verdicts;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::address::Address;
use crate::plan::Plan;

/// What a plan changes about who may do what. Sorted, so that equal plans give
/// equal deltas.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessDelta {
    /// What changes for whom; nothing that stays exactly as it is.
    pub principals: Vec<PrincipalDelta>,
    /// Which service accounts get or lose which roles.
    pub bindings: Vec<BindingDelta>,
}

/// What one resource's change means for one side of access.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalDelta {
    /// The resource whose change it is.
    pub address: Address,
    /// Which side of access.
    pub aspect: Aspect,
    /// Who or what, for people: `role KarpenterNodeRole-x`.
    pub principal: String,
    /// All of it in one word.
    pub verdict: Verdict,
    /// What becomes possible, or could not be shown to be possible before. A
    /// grant with [`Effect::Deny`] is a deny that goes or shrinks.
    pub gains: Vec<Grant>,
    /// What stops being possible, or could not be shown to stay possible. A
    /// grant with [`Effect::Deny`] is a deny that comes or grows.
    pub losses: Vec<Grant>,
    /// What a reviewer must not overlook.
    pub flags: BTreeSet<Flag>,
    /// What can't be decided, a sentence each.
    pub undecided: Vec<String>,
}

/// A side of access that a resource has a say in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// What the principal may do.
    Permissions,
    /// Who may become the role.
    Trust,
    /// Who may do what with the thing, such as a bucket.
    Resource,
    /// What the principal may do in a Kubernetes cluster.
    Cluster,
}

impl Aspect {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Permissions => "what it may do",
            Self::Trust => "who may become it",
            Self::Resource => "who may use it",
            Self::Cluster => "what it may do in the cluster",
        }
    }
}

/// What a change means for access, in one word. The order is from harmless to
/// what needs a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing about access is written.
    Unchanged,
    /// It is written another way and means the same.
    Reformatted,
    /// Something stops being possible, and nothing becomes possible.
    Narrowed,
    /// Nothing is shown to become possible, and it can't be ruled out.
    Undecided,
    /// Something becomes possible. Nothing stops being possible, unless
    /// something is undecided as well.
    Widened,
    /// Something becomes possible, and something stops being possible.
    Both,
}

impl Verdict {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Reformatted => "reformatted",
            Self::Narrowed => "narrowed",
            Self::Undecided => "cannot decide",
            Self::Widened => "widened",
            Self::Both => "widened and narrowed",
        }
    }

    /// The verdict of what was found.
    pub(crate) fn of(gains: bool, losses: bool, undecided: bool) -> Self {
        match (gains, losses, undecided) {
            (true, true, _) => Self::Both,
            (true, false, _) => Self::Widened,
            (false, _, true) => Self::Undecided,
            (false, true, false) => Self::Narrowed,
            (false, false, false) => Self::Reformatted,
        }
    }
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// One thing that becomes possible or stops being possible. `Display` is a line
/// for people, not yet made fit for any format: parts of it come from live
/// objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Grant {
    /// A part of a policy document.
    Statement(Statement),
    /// A managed policy that is attached; its document is not known here.
    ManagedPolicy {
        /// The policy's ARN.
        arn: String,
    },
    /// The end of a permissions boundary, or of a part of what it allowed.
    Boundary {
        /// The boundary's ARN.
        arn: String,
    },
    /// A protection of a bucket against access from everywhere.
    PublicAccessBlock {
        /// Its name, such as `blockPublicPolicy`.
        setting: String,
    },
    /// An access entry: the principal is let into the cluster at all.
    ClusterEntry {
        /// The cluster.
        cluster: String,
        /// The entry's type, such as `STANDARD`.
        entry_type: String,
    },
    /// An access policy of EKS.
    ClusterPolicy {
        /// The cluster.
        cluster: String,
        /// The policy's ARN.
        policy: String,
        /// A namespace; `None`: the whole cluster.
        namespace: Option<String>,
    },
    /// A Kubernetes group or user name, for role bindings.
    ClusterGroup {
        /// The cluster.
        cluster: String,
        /// The group, or `user NAME`.
        group: String,
    },
}

/// A part of a policy document: every action with every resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Who, where the document names principals: `Service ec2.amazonaws.com`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    /// Patterns of actions; `all but s3:GetObject` for a `NotAction`.
    pub actions: Vec<String>,
    /// Patterns of resources; empty where the document names none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Conditions, all of which must hold: `StringEquals aws:SourceAccount = 1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.principals.is_empty() {
            write!(f, "{}: ", self.principals.join(", "))?;
        }
        f.write_str(&self.actions.join(", "))?;
        if !self.resources.is_empty() {
            write!(f, " on {}", self.resources.join(", "))?;
        }
        if !self.conditions.is_empty() {
            write!(f, " if {}", self.conditions.join(" and "))?;
        }
        Ok(())
    }
}

impl Grant {
    /// Whether it is about a deny: as a gain one that goes, as a loss one that
    /// comes.
    pub fn is_deny(&self) -> bool {
        matches!(self, Self::Statement(Statement { effect: Effect::Deny, .. }))
    }

    /// The line for people where it is a gain.
    pub fn as_gain(&self) -> String {
        match self {
            Self::Statement(statement) if self.is_deny() => {
                format!("no longer denied: {statement}")
            }
            Self::Boundary { arn } => format!("no longer limited by the boundary {arn}"),
            Self::PublicAccessBlock { setting } => format!("no longer protected by {setting}"),
            _ => self.to_string(),
        }
    }

    /// The line for people where it is a loss.
    pub fn as_loss(&self) -> String {
        match self {
            Self::Statement(statement) if self.is_deny() => format!("newly denied: {statement}"),
            Self::Boundary { arn } => format!("newly limited by the boundary {arn}"),
            Self::PublicAccessBlock { setting } => format!("newly protected by {setting}"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(statement) if self.is_deny() => write!(f, "deny {statement}"),
            Self::Statement(statement) => write!(f, "{statement}"),
            Self::ManagedPolicy { arn } => write!(f, "everything in {arn}"),
            Self::Boundary { arn } => write!(f, "the boundary {arn}"),
            Self::PublicAccessBlock { setting } => write!(f, "the protection {setting}"),
            Self::ClusterEntry { cluster, entry_type } => {
                write!(f, "an access entry of type {entry_type} in cluster {cluster}")
            }
            Self::ClusterPolicy { cluster, policy, namespace } => {
                let name = policy.rsplit('/').next().unwrap_or(policy);
                match namespace {
                    None => write!(f, "{name} in all of cluster {cluster}"),
                    Some(namespace) => {
                        write!(f, "{name} in namespace {namespace} of cluster {cluster}")
                    }
                }
            }
            Self::ClusterGroup { cluster, group } => {
                write!(f, "Kubernetes group {group} in cluster {cluster}")
            }
        }
    }
}

/// What a reviewer must not overlook, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Anybody at all is trusted.
    TrustsEveryone,
    /// A policy that allows everything, or nearly, is attached or written.
    AdministratorAccess,
    /// A managed policy named `...FullAccess` is attached.
    FullAccess,
    /// A principal is trusted that was not.
    NewTrustedPrincipal,
    /// A role can be handed to a service: `iam:PassRole` is among the actions.
    PassRole,
    /// A pattern of actions with `*` that was not there.
    NewWildcardAction,
    /// A pattern of resources with `*` that was not there.
    NewWildcardResource,
    /// `NotAction`, `NotResource` or `NotPrincipal` in what is allowed: all
    /// but what is named.
    AllBut,
    /// What was allowed under a condition is now allowed without it.
    RemovedCondition,
    /// A deny goes or shrinks.
    RemovedDeny,
    /// A permissions boundary goes or is another one.
    RemovedBoundary,
}

impl Flag {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::TrustsEveryone => "trusts everyone",
            Self::AdministratorAccess => "administrator access",
            Self::FullAccess => "full access policy",
            Self::NewTrustedPrincipal => "new trusted principal",
            Self::PassRole => "iam:PassRole",
            Self::NewWildcardAction => "new wildcard action",
            Self::NewWildcardResource => "new wildcard resource",
            Self::AllBut => "allows all but what is named",
            Self::RemovedCondition => "removed condition",
            Self::RemovedDeny => "removed deny",
            Self::RemovedBoundary => "removed boundary",
        }
    }
}

/// A role that the pods of a service account get or lose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingDelta {
    /// The cluster; empty: the stack's own.
    pub cluster: String,
    /// The service account, `NAMESPACE/NAME`.
    pub service_account: String,
    /// The role's ARN.
    pub role: String,
    /// Whether the role is gained or lost.
    pub gained: bool,
    /// By what.
    pub by: Binding,
    /// The resource whose change it is.
    pub address: Address,
}

/// What ties a service account to a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// A pod identity association.
    PodIdentity,
    /// A pod identity association, through a first role.
    PodIdentityTarget,
    /// The annotation `eks.amazonaws.com/role-arn` of the service account.
    Annotation,
}

impl Binding {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::PodIdentity => "pod identity",
            Self::PodIdentityTarget => "pod identity, second role",
            Self::Annotation => "annotation of the service account",
        }
    }
}

impl AccessDelta {
    /// The access delta of a plan.
    pub fn of(plan: &Plan) -> Self {
        subjects::delta(plan)
    }

    /// What a resource's change means for access, all aspects together. For many
    /// resources, [`AccessDelta::for_risks`] is quicker.
    pub fn verdict(&self, address: &Address) -> Verdict {
        self.each()
            .filter_map(|(of, verdict)| (of == address).then_some(verdict))
            .fold(Verdict::Unchanged, Verdict::and)
    }

    fn each(&self) -> impl Iterator<Item = (&Address, Verdict)> {
        let bound =
            |delta: &BindingDelta| if delta.gained { Verdict::Widened } else { Verdict::Narrowed };
        let own = self.principals.iter().map(|delta| (&delta.address, delta.verdict));
        own.chain(self.bindings.iter().map(move |delta| (&delta.address, bound(delta))))
    }

    /// Whether nothing about access needs a look: nothing widens, narrows or is
    /// undecided.
    pub fn is_quiet(&self) -> bool {
        self.bindings.is_empty()
            && self
                .principals
                .iter()
                .all(|delta| matches!(delta.verdict, Verdict::Unchanged | Verdict::Reformatted))
    }
}

impl Verdict {
    /// The verdict of two together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (low, high) = if self <= other { (self, other) } else { (other, self) };
        match (low, high) {
            (Self::Narrowed, Self::Widened) => Self::Both,
            (_, high) => high,
        }
    }
}
