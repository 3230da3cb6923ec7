//! `EksCluster`: an EKS cluster, managed or external, with its VPC as other
//! resources refer to it.
//!
//! EKS takes minutes for most changes, and takes one at a time; so a change of
//! several things waits between them. This module must not look into the
//! cluster, nor delete what others put into its network.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

use super::eks::{
    IdTexts, LONGEST_KEY, check_cluster_name, check_role_arn, check_tags, condition, flat, problem,
    tags_value, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Object, OnChange, Operation,
    Problem, ReadError, Readiness, Reading, Rule, Step, Subject,
};
use crate::value::{Map, Path, Value, is_unknown_text};

mod read;
mod steps;
#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct EksCluster;

/// How long a cluster may take to be made, changed or deleted: EKS needs 10 to
/// 20 minutes, and now and then twice that.
const PATIENCE: Duration = Duration::from_secs(45 * 60);

/// An EKS cluster. With `external: true` beside the spec it is one that exists:
/// read, never changed. What is left out of the spec of a managed one is as EKS
/// makes it, and stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster: 1 to 100 letters, digits, `-` and `_`.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// The Kubernetes version, such as `"1.34"`. A managed cluster is moved to
    /// it in place, one minor version at a time, and never back. An external
    /// one of another version is reported, and nothing more.
    version: Option<String>,
    /// Whether EKS Auto Mode runs the nodes: `true` or `auto`, else `false` or
    /// `karpenter`. The words are for a variable that chooses. An external
    /// cluster in the other mode is a blocker.
    auto_mode: Option<AutoMode>,
    /// The ARN of the cluster's role, which trusts `eks.amazonaws.com` and has
    /// `AmazonEKSClusterPolicy`. It can't be changed: another one means another
    /// cluster. A managed cluster needs it.
    role_arn: Option<String>,
    /// The ids of the subnets that the control plane gets addresses in, in at
    /// least two zones. A reference may stand for one id, for a list of them, or
    /// for a text of ids with commas between. A managed cluster needs them.
    #[serde(default)]
    subnet_ids: Vec<IdTexts>,
    /// The ids of further security groups for the control plane.
    security_group_ids: Option<Vec<IdTexts>>,
    /// Whether the Kubernetes API can be reached from the internet.
    endpoint_public_access: Option<bool>,
    /// Whether the Kubernetes API can be reached from within the VPC, without a
    /// way around.
    endpoint_private_access: Option<bool>,
    /// The networks that may reach the public endpoint, such as `10.0.0.0/8`.
    public_access_cidrs: Option<Vec<String>>,
    /// How people and programs get in: `API` by access entries alone,
    /// `API_AND_CONFIG_MAP` also by the config map `aws-auth`. There is a way
    /// from the second to the first and none back. `API` when left out.
    authentication_mode: Option<AuthenticationMode>,
    /// Whether whoever makes the cluster becomes its administrator, by an access
    /// entry. Only counts when the cluster is made.
    bootstrap_cluster_creator_admin_permissions: Option<bool>,
    /// Whether a new cluster gets network, DNS and proxy add-ons that nobody
    /// manages; true unless told otherwise, and never with Auto Mode. Only counts
    /// when the cluster is made.
    bootstrap_self_managed_addons: Option<bool>,
    /// The control plane's logs that go to `CloudWatch`. An empty list: none.
    log_types: Option<Vec<LogType>>,
    /// The ARN of the KMS key that encrypts the cluster's secrets. It can be
    /// given later, but never changed or taken away.
    encryption_key_arn: Option<String>,
    /// What happens when the version's standard support ends: `STANDARD` moves
    /// the cluster on, `EXTENDED` keeps the version, for more money.
    upgrade_policy: Option<SupportType>,
    /// Whether the cluster refuses to be deleted.
    deletion_protection: Option<bool>,
    /// The node pools of Auto Mode: `general-purpose`, `system`. With
    /// `autoMode: karpenter` they don't count.
    node_pools: Option<Vec<String>>,
    /// The ARN of the role of Auto Mode's nodes. Needed with `nodePools`.
    node_role_arn: Option<String>,
    /// The cluster's tags: keys of up to 128 characters, values of up to 256.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Whether EKS Auto Mode runs the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum AutoMode {
    /// Yes or no.
    Is(bool),
    /// By name.
    Named(Compute),
}

/// Who starts nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Compute {
    /// EKS Auto Mode.
    Auto,
    /// Karpenter, in the cluster.
    Karpenter,
}

impl AutoMode {
    fn is_on(self) -> bool {
        matches!(self, Self::Is(true) | Self::Named(Compute::Auto))
    }
}

/// How people and programs get into a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AuthenticationMode {
    /// By access entries.
    Api,
    /// By access entries, and by the config map.
    ApiAndConfigMap,
}

/// The logs of a control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum LogType {
    /// Requests to the Kubernetes API.
    Api,
    /// Who did what.
    Audit,
    /// Who was let in.
    Authenticator,
    /// The controllers.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

/// What happens when standard support ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SupportType {
    /// The cluster is moved on.
    Standard,
    /// The version stays.
    Extended,
}

/// The fields that only a managed cluster has, with whether each is given.
fn managed_fields(spec: &Spec) -> [(&'static str, bool); 15] {
    [
        ("roleArn", spec.role_arn.is_some()),
        ("subnetIds", !spec.subnet_ids.is_empty()),
        ("securityGroupIds", spec.security_group_ids.is_some()),
        ("endpointPublicAccess", spec.endpoint_public_access.is_some()),
        ("endpointPrivateAccess", spec.endpoint_private_access.is_some()),
        ("publicAccessCidrs", spec.public_access_cidrs.is_some()),
        ("authenticationMode", spec.authentication_mode.is_some()),
        (
            "bootstrapClusterCreatorAdminPermissions",
            spec.bootstrap_cluster_creator_admin_permissions.is_some(),
        ),
        ("bootstrapSelfManagedAddons", spec.bootstrap_self_managed_addons.is_some()),
        ("logTypes", spec.log_types.is_some()),
        ("encryptionKeyArn", spec.encryption_key_arn.is_some()),
        ("upgradePolicy", spec.upgrade_policy.is_some()),
        ("deletionProtection", spec.deletion_protection.is_some()),
        ("nodePools", spec.node_pools.is_some() || spec.node_role_arn.is_some()),
        ("tags", !spec.tags.is_empty()),
    ]
}

impl Adapter for EksCluster {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        use OnChange::{Replace, Update};
        use Rule::{Entries, Exact, Set};
        const fn one(name: &'static str, rule: Rule, on_change: OnChange) -> Attribute {
            Attribute { name, rule, on_change }
        }
        const ALL: &[Attribute] = &[
            one("version", Exact, Update),
            one("roleArn", Exact, Replace),
            one("subnetIds", Set, Update),
            one("securityGroupIds", Set, Update),
            one("endpointPublicAccess", Exact, Update),
            one("endpointPrivateAccess", Exact, Update),
            one("publicAccessCidrs", Set, Update),
            one("authenticationMode", Exact, Update),
            one("logTypes", Set, Update),
            one("encryptionKeyArn", Exact, Update),
            one("upgradePolicy", Exact, Update),
            one("deletionProtection", Exact, Update),
            one("autoMode", Exact, Update),
            one("nodePools", Set, Update),
            one("nodeRoleArn", Exact, Update),
            one("tags", Entries, Update),
        ];
        ALL
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the cluster's name"),
            ("arn", "the cluster's ARN"),
            ("status", "CREATING, ACTIVE, UPDATING, DELETING, PENDING or FAILED"),
            ("version", "the Kubernetes version of the control plane, such as 1.34"),
            ("endpoint", "the URL of the Kubernetes API"),
            ("certificateAuthority", "the certificate of the Kubernetes API, in base64"),
            ("vpcId", "the VPC that the cluster is in"),
            ("subnetIds", "every subnet of that VPC, in order: a list"),
            ("clusterSubnetIds", "the subnets that the cluster was made with: a list"),
            ("clusterSecurityGroupId", "the security group that EKS made for the cluster"),
            ("oidcIssuer", "the URL of the cluster's OpenID Connect issuer"),
            ("accountId", "the AWS account that the cluster is in"),
            ("authenticationMode", "API, API_AND_CONFIG_MAP or CONFIG_MAP"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check(&spec, context.external, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let name = Value::from_spec_text(&spec.name);
        let mut desired = Desired {
            identity: Identity::new([("name", name.clone())]),
            outputs: Map::from([("name".into(), name)]),
            ..Desired::default()
        };
        let auto = spec.auto_mode.map(|mode| Value::from(mode.is_on()));
        if context.external {
            let version = spec.version.as_deref().map(Value::from_spec_text);
            let settings =
                [("external", Some(true.into())), ("version", version), ("autoMode", auto)];
            desired.settings.extend(given(settings));
        } else {
            desired.attributes = attributes(&spec, auto);
            if !spec.auto_mode.is_some_and(AutoMode::is_on) {
                desired.attributes.remove("nodePools");
                desired.attributes.remove("nodeRoleArn");
            }
            desired.settings = settings(&spec);
            desired.exclusive = BTreeSet::from([
                "subnetIds",
                "securityGroupIds",
                "publicAccessCidrs",
                "logTypes",
                "nodePools",
            ]);
        }
        Ok(desired)
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        read::read(subject, answers)
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn obstacles(&self, identity: &Identity, object: &Object) -> Vec<Blocker> {
        let name = identity.part("name");
        let groups = object.facts.get("nodegroups").and_then(Value::as_list).unwrap_or_default();
        let groups: Vec<&str> = groups.iter().filter_map(Value::as_str).collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let groups = groups.join(", ");
        vec![Blocker {
            code: "ClusterHasNodegroups".to_owned(),
            message: format!("the cluster {name} has node groups: {groups}"),
            next: format!(
                "delete them first: aws eks delete-nodegroup --cluster-name {name} \
                 --nodegroup-name NAME"
            ),
        }]
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        let output = |name: &str| object.outputs.get(name).and_then(Value::as_str).unwrap_or("");
        let (name, status) = (output("name"), output("status"));
        let issues = condition::blockers(&format!("the cluster {name}"), object);
        if status == "ACTIVE" {
            if let Some(blocker) = wrong_mode(desired, object, name) {
                return Readiness::NotReady(vec![blocker]);
            }
            // What ails a cluster of someone else's is told in a note: it works.
            let sound = issues.is_empty() || desired.settings.contains_key("external");
            return if sound { Readiness::Ready } else { Readiness::NotReady(issues) };
        }
        let blocker = |next: String| {
            let message = format!("the cluster {name} has status {status}, not ACTIVE");
            let blocker = Blocker { code: "ClusterNotActive".to_owned(), message, next };
            std::iter::once(blocker).chain(issues).collect()
        };
        match status {
            "CREATING" | "UPDATING" | "PENDING" => {
                Readiness::Waiting(blocker(format!("aws eks wait cluster-active --name {name}")))
            }
            _ => Readiness::NotReady(blocker(format!("aws eks describe-cluster --name {name}"))),
        }
    }

    fn patience(&self, _desired: &Desired) -> Duration {
        PATIENCE
    }
}

/// An external cluster whose nodes are run by another than the manifests are
/// for.
fn wrong_mode(desired: &Desired, object: &Object, name: &str) -> Option<Blocker> {
    desired.settings.get("external")?;
    let wanted = desired.settings.get("autoMode")?.as_bool()?;
    let live = object.facts.get("autoMode").and_then(Value::as_bool).unwrap_or(false);
    if wanted == live {
        return None;
    }
    let (is, should) = if live { ("auto", "karpenter") } else { ("karpenter", "auto") };
    let on = if live { "EKS Auto Mode runs the nodes of" } else { "EKS Auto Mode is off in" };
    Some(Blocker {
        code: "ComputeModeMismatch".to_owned(),
        message: format!("{on} the cluster {name}, and spec.autoMode says {wanted} ({should})"),
        next: format!(
            "set spec.autoMode of the EksCluster to {live} (the variable `compute` to {is}), or \
             change the cluster's computeConfig"
        ),
    })
}

fn given<const N: usize>(
    values: [(&str, Option<Value>); N],
) -> impl Iterator<Item = (String, Value)> {
    values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

fn spelled<T: Serialize>(value: T) -> Option<Value> {
    Value::from_spec(&value).ok()
}

fn attributes(spec: &Spec, auto: Option<Value>) -> Map {
    let text = |text: &Option<String>| text.as_deref().map(Value::from_spec_text);
    let texts = |texts: &Option<Vec<String>>| {
        texts.as_ref().map(|texts| {
            Value::List(texts.iter().map(|text| Value::from_spec_text(text)).collect())
        })
    };
    let ids = |ids: &[IdTexts]| {
        let ids = flat(ids, "");
        Value::List(ids.into_iter().map(|(_, id)| Value::from_spec_text(&id)).collect())
    };
    let logs = spec
        .log_types
        .as_ref()
        .map(|types| Value::List(types.iter().filter_map(spelled).collect()));
    given([
        ("version", text(&spec.version)),
        ("roleArn", text(&spec.role_arn)),
        ("subnetIds", Some(ids(&spec.subnet_ids))),
        ("securityGroupIds", spec.security_group_ids.as_deref().map(ids)),
        ("endpointPublicAccess", spec.endpoint_public_access.map(Value::from)),
        ("endpointPrivateAccess", spec.endpoint_private_access.map(Value::from)),
        ("publicAccessCidrs", texts(&spec.public_access_cidrs)),
        ("authenticationMode", spec.authentication_mode.and_then(spelled)),
        ("logTypes", logs),
        ("encryptionKeyArn", text(&spec.encryption_key_arn)),
        ("upgradePolicy", spec.upgrade_policy.and_then(spelled)),
        ("deletionProtection", spec.deletion_protection.map(Value::from)),
        ("autoMode", auto),
        ("nodePools", texts(&spec.node_pools)),
        ("nodeRoleArn", text(&spec.node_role_arn)),
        ("tags", Some(tags_value(&spec.tags))),
    ])
    .collect()
}

fn settings(spec: &Spec) -> Map {
    given([
        (
            "bootstrapClusterCreatorAdminPermissions",
            spec.bootstrap_cluster_creator_admin_permissions.map(Value::from),
        ),
        ("bootstrapSelfManagedAddons", spec.bootstrap_self_managed_addons.map(Value::from)),
    ])
    .collect()
}

fn check(spec: &Spec, external: bool, problems: &mut Vec<Problem>) {
    check_cluster_name(&spec.name, "name", problems);
    if let Some(version) = &spec.version
        && !is_unknown_text(version)
        && !is_version(version)
    {
        problems.push(problem(
            Path::new("version"),
            format!("`{version}` is not a Kubernetes version"),
            "write major and minor as a text: \"1.34\"",
        ));
    }
    if external {
        for (field, _) in managed_fields(spec).iter().filter(|(_, is_given)| *is_given) {
            problems.push(problem(
                Path::new(*field),
                format!("an external cluster is only read: `{field}` says nothing about it"),
                "leave it out, or `external: true`, so that the cluster is managed",
            ));
        }
        return;
    }
    for (field, missing) in [
        ("roleArn", spec.role_arn.is_none()),
        ("subnetIds", flat(&spec.subnet_ids, "subnetIds").is_empty()),
    ] {
        if missing {
            problems.push(problem(
                Path::default(),
                format!("a cluster can't be made without `{field}`"),
                "add it; or write `external: true` beside the spec, if the cluster exists and is \
                 only to be read",
            ));
        }
    }
    for (field, role) in [("roleArn", &spec.role_arn), ("nodeRoleArn", &spec.node_role_arn)] {
        if let Some(role) = role {
            check_role_arn(role, field, problems);
        }
    }
    let groups = spec.security_group_ids.as_deref().unwrap_or_default();
    for (field, prefix, ids) in
        [("subnetIds", "subnet-", spec.subnet_ids.as_slice()), ("securityGroupIds", "sg-", groups)]
    {
        for (path, id) in flat(ids, field) {
            if !is_unknown_text(&id) && !id.starts_with(prefix) {
                problems.push(problem(
                    path,
                    format!("`{id}` is not an id that begins with `{prefix}`"),
                    "refer to the network, or write ids",
                ));
            }
        }
    }
    let auto = spec.auto_mode.is_some_and(AutoMode::is_on);
    let pools = spec.node_pools.as_ref().is_some_and(|pools| !pools.is_empty());
    // By a variable it may be on in one installation and off in another.
    let by_name = matches!(spec.auto_mode, Some(AutoMode::Named(_)));
    if (pools || spec.node_role_arn.is_some()) && !auto && !by_name {
        problems.push(problem(
            Path::new("nodePools"),
            "node pools and their role are for EKS Auto Mode",
            "set autoMode to true, or leave nodePools and nodeRoleArn out",
        ));
    } else if pools && spec.node_role_arn.is_none() {
        problems.push(problem(
            Path::new("nodePools"),
            "the nodes of nodePools need a role",
            "add nodeRoleArn",
        ));
    }
    check_tags(&spec.tags, LONGEST_KEY, problems);
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}
