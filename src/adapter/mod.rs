//! Kinds and their adapters: what is particular to each kind of resource.
//!
//! An adapter is plain functions over values. It says what a spec means in
//! normal form, which commands read the object, what their answers mean, which
//! commands carry a change out, and when the object is ready. It does no I/O,
//! reads no clock and knows neither plan nor state; the generic three-way diff
//! (`crate::diff`) compares the normal forms by the rules that the adapter's
//! attributes name.
//!
//! To add a kind: one new file, its `mod` and a line in `kinds!` below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::Schema;
use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::quote::quote;
use crate::value::{Map, Path, Value};

mod attribute;
mod domain;
mod eks;
pub(crate) mod iam;
mod iam_document;
mod iam_rules;
mod identity;
mod kube;
mod reading;

pub mod acm_certificate;
pub mod cloud_formation_stack;
pub mod ec2_tags;
pub mod eks_access_entry;
pub mod eks_addon;
pub mod eks_cluster;
pub mod eks_nodegroup;
pub mod helm_release;
pub mod iam_policy;
pub mod iam_role;
pub mod kubernetes_object;
pub mod kubernetes_secret;
pub mod namespace;
pub mod pod_identity_association;
pub mod readiness;
pub mod route53_record;
pub mod route53_zone;
pub mod s3_bucket;
pub mod script;
pub mod service_linked_role;
pub mod workload;

pub use attribute::{Attribute, OnChange, Rule};
pub use identity::{CLUSTER_NAME, Identity};
use reading::is_cut_off;
pub use reading::{
    Answers, Health, Leftover, Leftovers, Live, Object, Prior, Questions, ReadError, Reading,
    Standing, Subject, picked,
};
pub use reading::{Source, SourceAt, source_digest};

/// Declares the closed list of kinds: `Kind => module of its adapter`.
macro_rules! kinds {
    ($($kind:ident => $module:ident),+ $(,)?) => {
        /// The kinds of resources.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[expect(missing_docs, reason = "each kind is described by its own module")]
        pub enum Kind { $($kind),+ }

        impl Kind {
            /// Every kind, in the order of the list.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// The kind's name, as manifests write it.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind)),+ }
            }

            /// The code for this kind.
            pub fn adapter(self) -> &'static dyn Adapter {
                match self { $(Kind::$kind => &$module::$kind),+ }
            }
        }
    };
}

kinds! {
    EksCluster => eks_cluster,
    Ec2Tags => ec2_tags,
    IamRole => iam_role,
    IamPolicy => iam_policy,
    EksAccessEntry => eks_access_entry,
    ServiceLinkedRole => service_linked_role,
    PodIdentityAssociation => pod_identity_association,
    EksNodegroup => eks_nodegroup,
    EksAddon => eks_addon,
    HelmRelease => helm_release,
    S3Bucket => s3_bucket,
    CloudFormationStack => cloud_formation_stack,
    AcmCertificate => acm_certificate,
    Route53Zone => route53_zone,
    Route53Record => route53_record,
    Namespace => namespace,
    KubernetesObject => kubernetes_object,
    KubernetesSecret => kubernetes_secret,
    Readiness => readiness,
    Script => script,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{} is not a kind; the kinds are {}", quote(text), known.join(", "))
        })
    }
}

/// The code for one kind.
pub trait Adapter: Sync {
    /// The JSON Schema of the kind's `spec`. Unknown fields are not allowed
    /// and every field has a description.
    fn schema(&self) -> Schema;

    /// The attributes of the normal form, each with its rule of equality.
    fn attributes(&self) -> &'static [Attribute];

    /// The outputs that other resources may refer to: name and meaning.
    fn outputs(&self) -> &'static [(&'static str, &'static str)];

    /// The names of outputs that this one resource has besides those of its
    /// kind, because its spec says so (the outputs of a template). They are read
    /// off the manifest, so that a reference to another name is an error before
    /// anything runs.
    fn declared_outputs(&self, _spec: &Value) -> Vec<String> {
        Vec::new()
    }

    /// What a spec asks for, in normal form. The spec satisfies the schema; its
    /// texts may be unknown or sensitive (see `Value::to_spec`).
    ///
    /// # Errors
    /// Everything that is wrong with the spec beyond what a schema can say.
    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>>;

    /// Asks for the answers that are still missing, or says what the object is.
    /// Called again with more answers until it does. It may ask several
    /// commands at once: they run side by side.
    ///
    /// # Errors
    /// What could not be read, and why: the object is then *unknown*, never
    /// absent.
    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError>;

    /// The files that a spec names, each with its place: they are loaded with
    /// the manifests, from below their directory, into [`Context::files`].
    fn files(&self, _spec: &Value) -> Vec<(Path, String)> {
        Vec::new()
    }

    /// Where the object's content comes from, if others publish it under a name
    /// and may publish something else under it tomorrow.
    fn source(&self, _desired: &Desired) -> Option<Source> {
        None
    }

    /// Whether the object may be read before what it depends on is: reads of a
    /// service may, a script may need what others make.
    fn is_read_early(&self) -> bool {
        true
    }

    /// Whether what is known is enough to read the object.
    fn is_readable(&self, desired: &Desired, _prior: Option<&Prior>) -> bool {
        desired.identity.is_known()
    }

    /// The commands that carry an operation out, in order. Pure: the same
    /// input gives the same commands, so the plan can print them.
    ///
    /// # Errors
    /// Why the operation can't be carried out at all, as blockers.
    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>>;

    /// How long an object may take to become ready once it is made or changed,
    /// and to be gone once it is deleted. Of what is only in the state any more,
    /// identity, attributes and settings as last applied.
    fn patience(&self, _desired: &Desired) -> Duration {
        Duration::from_secs(120)
    }

    /// Whether a resource of this kind stands for no object of its own: it is a
    /// question, which every apply asks and waits for.
    fn is_check(&self) -> bool {
        false
    }

    /// What keeps the object from being deleted and may be gone when its turn
    /// comes. In a destroy the plan only tells of it, since what goes before may
    /// take it along; an apply looks again before it changes anything.
    fn obstacles(&self, _identity: &Identity, _object: &Object) -> Vec<Blocker> {
        Vec::new()
    }

    /// How long it is worth waiting for the obstacles to go by themselves;
    /// `None`: they don't. Zero: they might, but what holds them lasts.
    fn obstacle_patience(&self, _prior: &Prior, _object: &Object) -> Option<Duration> {
        None
    }

    /// What the object may have left behind that no resource stands for, once
    /// it is gone; asked at the end of a destroy. Called again with more
    /// answers until it is known.
    ///
    /// # Errors
    /// What could not be read: then nobody knows.
    fn leftovers(&self, _prior: &Prior, _answers: &Answers) -> Result<Leftovers, ReadError> {
        Ok(Leftovers::None)
    }

    /// Whether the object does its work; `NotReady` names what stands in the
    /// way. Kinds that are ready once they exist keep this default.
    fn readiness(&self, _desired: &Desired, _object: &Object) -> Readiness {
        Readiness::Ready
    }

    /// What a resource with this identity and these attributes takes for
    /// itself. Two resources of the kind with one claim are an error; what a
    /// removed one still remembers of another's claims stays. Only what is known
    /// and not sensitive counts. Kinds that claim anything but their identity
    /// as it stands say so (tags claim pairs of resource and key).
    fn claims(&self, identity: &Identity, _attributes: &Map) -> Vec<String> {
        let shown = !identity.0.is_empty() && !identity.0.values().any(Value::has_sensitive);
        (shown && identity.is_known()).then(|| identity.to_string()).into_iter().collect()
    }

    /// What else tells, beside claims, that a resource that goes and one that is
    /// declared stand for one object: where the identity is only the name that
    /// the manifest gives. Two that are declared may have it in common.
    fn traces(&self, _attributes: &Map, _settings: &Map) -> Vec<String> {
        Vec::new()
    }

    /// What is left of what was applied last, without what others claim by
    /// now; `None`: nothing. Kinds whose claims can part say how.
    fn without(&self, prior: &Prior, claimed: &dyn Fn(&str) -> bool) -> Option<Prior> {
        let mut claims = self.claims(&prior.identity, &prior.attributes);
        claims.extend(self.traces(&prior.attributes, &prior.settings));
        (!claims.iter().any(|claim| claimed(claim))).then(|| prior.clone())
    }

    /// The spec fields whose target this object is bound to beyond its name:
    /// when the referenced resource is made anew, this object must be too.
    fn bound_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether objects of this kind are never deleted, only forgotten; with
    /// the reason that the plan shows.
    fn never_deleted(&self) -> Option<&'static str> {
        None
    }

    /// Why this object stays when its manifest is gone, if it does.
    fn stays(&self, _prior: &Prior) -> Option<&'static str> {
        self.never_deleted()
    }

    /// Whether commands of this kind talk to the Kubernetes API. Where the stack
    /// names a cluster, the object is in that one and in no other: see
    /// [`Desired::in_cluster`].
    fn needs_kubernetes(&self) -> bool {
        false
    }
}

/// What an adapter may know besides the spec.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The name from the resource's metadata.
    pub name: String,
    /// The AWS account, once known: not known when only validating.
    pub account: Option<String>,
    /// The AWS region.
    pub region: String,
    /// Whether the resource is `external`: read, never changed.
    pub external: bool,
    /// The texts of the files that the spec names, by name.
    pub files: Arc<BTreeMap<String, String>>,
}

impl Context {
    /// The account, or the expression that stands for it while not known.
    pub fn account_value(&self) -> Value {
        self.account.clone().map_or_else(|| Value::Unknown("${account.id}".into()), Value::String)
    }
}

/// An error in a spec that the schema can't express.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the spec.
    pub path: Path,
    /// What is wrong.
    pub summary: String,
    /// The likely fix.
    pub help: Option<String>,
}

/// What a manifest asks for, in normal form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Desired {
    /// The natural key.
    pub identity: Identity,
    /// The attributes in normal form. A missing or `Null` attribute is not
    /// declared.
    pub attributes: Map,
    /// Attributes that are exclusive: what no manifest declares is removed.
    pub exclusive: BTreeSet<&'static str>,
    /// Outputs that are known without reading, such as an ARN that follows
    /// from account and name.
    pub outputs: Map,
    /// What reading and steps need of the spec besides the attributes (a chart
    /// reference, a timeout). Not compared; its change alone changes nothing.
    pub settings: Map,
}

impl Desired {
    /// Adds the stack's cluster, which may not be known yet, to the identity of
    /// a kind that talks to Kubernetes: the same name in another cluster is
    /// another object.
    #[must_use]
    pub fn in_cluster(mut self, adapter: &dyn Adapter, cluster: Option<&Value>) -> Self {
        if let Some(cluster) = cluster.filter(|_| adapter.needs_kubernetes()) {
            self.identity.0.insert(CLUSTER_NAME.to_owned(), cluster.clone());
        }
        self
    }
}

/// What is to be carried out on one object.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// Create, update, repair or delete. A replace is a delete and a create.
    pub verb: Verb,
    /// The natural key of the object.
    pub identity: &'a Identity,
    /// What the manifest asks for; `None` only for a delete.
    pub desired: Option<&'a Desired>,
    /// What was applied last.
    pub prior: Option<&'a Prior>,
    /// What was just read; `None` for a create.
    pub object: Option<&'a Object>,
    /// The differences to carry out, for an update (and a repair that also
    /// updates).
    pub changes: &'a [crate::diff::FieldChange],
}

/// What to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Bring it back to health, and up to date.
    Repair,
    /// Remove it; only what this resource made.
    Delete,
}

/// One command of a change, with what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it does, for the log: "attach `AmazonEKS_CNI_Policy`".
    pub title: String,
    /// The command.
    pub command: Command,
}

impl Step {
    /// A step of its parts.
    pub fn new(title: impl Into<String>, command: Command) -> Self {
        Self { title: title.into(), command }
    }
}

/// Whether an object does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It may come to: look again in a while. Why not yet.
    Waiting(Vec<Blocker>),
    /// It will not by itself.
    NotReady(Vec<Blocker>),
}

/// Why something is not ready, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// A stable code, such as `PodsUnschedulable`.
    pub code: String,
    /// What is in the way: the shortest chain of causes, first effect, then
    /// cause.
    pub message: String,
    /// The next command to run, or what to change.
    pub next: String,
}
