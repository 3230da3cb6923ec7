//! `EksNodegroup`: a managed node group of an EKS cluster.
//!
//! How many nodes there are belongs to whoever scales them, unless the manifest
//! says so. This module must not look at the nodes themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::eks::{
    IdTexts, LONGEST_KEY, check_cluster_name, check_role_arn, check_tags, cluster_is_absent,
    condition, flat, list_value, member, problem, tags_of, tags_value, text, texts, typed,
};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Health, Identity, Live, Object,
    OnChange, Operation, Problem, Questions, ReadError, Readiness, Reading, Rule, Step, Subject,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

mod steps;
#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct EksNodegroup;

/// How long a node group may take to be made, changed or deleted: an update
/// moves the pods of each node, one node after the other.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// A managed node group: EC2 instances that are nodes of an EKS cluster. What is
/// left out is as EKS makes it, and stays as it is. Types, disks, subnets and
/// role can't be changed: another one means that the node group is deleted with
/// its nodes and made anew. To move pods over first, declare a second one under
/// another name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The name of the cluster.
    cluster_name: String,
    /// The name of the node group: up to 63 letters, digits, `-` and `_`.
    #[schemars(length(min = 1, max = 63))]
    nodegroup_name: String,
    /// The ids of the subnets that the nodes are in. A reference may stand for
    /// one id, for a list, or for a text of ids with commas between.
    #[schemars(length(min = 1))]
    subnets: Vec<IdTexts>,
    /// The ARN of the nodes' role, which trusts `ec2.amazonaws.com` and has
    /// `AmazonEKSWorkerNodePolicy`, `AmazonEC2ContainerRegistryReadOnly` and,
    /// unless the CNI has a role of its own, `AmazonEKS_CNI_Policy`.
    node_role: String,
    /// How many nodes there are.
    scaling: Scaling,
    /// The instance types, best first. `t3.medium` when left out.
    instance_types: Option<Vec<String>>,
    /// The kind of image, such as `AL2023_x86_64_STANDARD` or
    /// `BOTTLEROCKET_ARM_64`.
    ami_type: Option<String>,
    /// Whether the instances can be taken away at any time, for less money.
    capacity_type: Option<CapacityType>,
    /// The size of each node's disk in GiB. 20 when left out.
    disk_size: Option<u32>,
    /// The labels of the nodes. Others' labels are left alone.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// The taints of the nodes: pods that don't tolerate them stay away.
    #[serde(default)]
    taints: Vec<Taint>,
    /// How many nodes may be missing during an update.
    update_config: Option<UpdateConfig>,
    /// The Kubernetes version of the nodes, such as `"1.34"`: at most the
    /// cluster's. Left out, new nodes take the cluster's, and nodes that exist
    /// are left as they are.
    version: Option<String>,
    /// The release of the image, such as `1.34.1-20251112`.
    release_version: Option<String>,
    /// The node group's tags: keys of up to 128 characters, values of up to 256.
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// How many nodes there are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names of the EKS API")]
struct Scaling {
    /// The fewest.
    min_size: u32,
    /// The most, at least 1.
    max_size: u32,
    /// How many there are to be now. Left out, a new node group has `minSize`
    /// nodes, and after that the number is an autoscaler's to change.
    desired_size: Option<u32>,
}

/// Whether instances can be taken away at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CapacityType {
    /// No.
    OnDemand,
    /// Yes.
    Spot,
}

/// A taint of the nodes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Taint {
    /// Its key.
    key: String,
    /// Its value.
    #[serde(default)]
    value: String,
    /// What it does to pods that don't tolerate it.
    effect: Effect,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Effect {
    /// They don't come.
    NoSchedule,
    /// They don't come, and those that are there go.
    NoExecute,
    /// They come if there is nowhere else.
    PreferNoSchedule,
}

/// How many nodes may be missing during an update: one of the two.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateConfig {
    /// A number of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unavailable: Option<u32>,
    /// A part of the nodes, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unavailable_percentage: Option<u32>,
}

impl Adapter for EksNodegroup {
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
            one("subnets", Set, Replace),
            one("nodeRole", Exact, Replace),
            one("instanceTypes", Exact, Replace),
            one("amiType", Exact, Replace),
            one("capacityType", Exact, Replace),
            one("diskSize", Exact, Replace),
            one("minSize", Exact, Update),
            one("maxSize", Exact, Update),
            one("desiredSize", Exact, Update),
            one("labels", Entries, Update),
            one("taints", Entries, Update),
            one("updateConfig", Exact, Update),
            one("version", Exact, Update),
            one("releaseVersion", Exact, Update),
            one("tags", Entries, Update),
        ];
        ALL
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "the node group's name"),
            ("arn", "the node group's ARN"),
            ("status", "CREATING, ACTIVE, UPDATING, DELETING, DEGRADED, ..._FAILED"),
            ("version", "the Kubernetes version of the nodes"),
            ("releaseVersion", "the release of the nodes' image"),
            ("nodeRole", "the ARN of the nodes' role"),
            ("autoScalingGroups", "the names of the Auto Scaling groups behind it: a list"),
        ]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        check(&spec, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let name = Value::from_spec_text(&spec.nodegroup_name);
        let mut attributes = attributes(&spec);
        if context.external {
            attributes.clear();
        }
        Ok(Desired {
            identity: Identity::new([
                ("clusterName", Value::from_spec_text(&spec.cluster_name)),
                ("nodegroupName", name.clone()),
            ]),
            attributes,
            exclusive: BTreeSet::from(["subnets"]),
            outputs: Map::from([("name".into(), name)]),
            ..Desired::default()
        })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let part = |name: &str| subject.identity.part(name);
        let describe = Command::read(Tool::Aws, &["eks", "describe-nodegroup"])
            .flag("--cluster-name", part("clusterName"))
            .flag("--nodegroup-name", part("nodegroupName"));
        let mut questions = Questions::new(answers);
        let Some(answer) = questions.ask(describe.clone()) else { return Ok(questions.asking()) };
        if cluster_is_absent(answer) && subject.desired.is_some() {
            let why = format!("the cluster {} does not exist", part("clusterName"));
            return Err(ReadError::new(describe, answer, why));
        }
        if answer.is_service_error("ResourceNotFoundException") {
            return Ok(Reading::Live(Live::Absent));
        }
        let group = member(&describe, answer, "nodegroup")?;
        let issues = condition::issues(&group);
        let status = text(&group, "/status").unwrap_or("");
        let health = health(status, &issues);
        let mut attributes = live_attributes(&group);
        let mut facts = Map::from([("issues".to_owned(), issues)]);
        if let Some(size) = attributes.get("desiredSize") {
            facts.insert("desiredSize".into(), size.clone());
        }
        condition::only_declared(&mut attributes, subject.desired, &["labels", "taints", "tags"]);
        let outputs = outputs(&group);
        let object = Object { attributes, outputs, health, facts, ..Object::default() };
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        steps::steps(operation)
    }

    fn readiness(&self, desired: &Desired, object: &Object) -> Readiness {
        let status = object.outputs.get("status").and_then(Value::as_str).unwrap_or("");
        let name = desired.identity.part("nodegroupName");
        let issues = condition::blockers(&format!("the node group {name}"), object);
        if status == "ACTIVE" {
            return if issues.is_empty() { Readiness::Ready } else { Readiness::NotReady(issues) };
        }
        let cluster = desired.identity.part("clusterName");
        let blocker = Blocker {
            code: "NodegroupNotActive".to_owned(),
            message: format!("the node group {name} has status {status}, not ACTIVE"),
            next: format!(
                "aws eks wait nodegroup-active --cluster-name {cluster} --nodegroup-name {name}"
            ),
        };
        let blockers = std::iter::once(blocker).chain(issues).collect();
        match status {
            "CREATING" | "UPDATING" => Readiness::Waiting(blockers),
            _ => Readiness::NotReady(blockers),
        }
    }

    fn patience(&self, _desired: &Desired) -> Duration {
        PATIENCE
    }
}

fn check(spec: &Spec, problems: &mut Vec<Problem>) {
    check_cluster_name(&spec.cluster_name, "clusterName", problems);
    let name = spec.nodegroup_name.as_str();
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let valid = name.chars().all(inner) && starts && name.len() <= 63;
    if !is_unknown_text(name) && !valid {
        problems.push(problem(
            Path::new("nodegroupName"),
            format!("`{name}` can't be the name of a node group"),
            "use up to 63 letters, digits, `-` and `_`, a letter or a digit first",
        ));
    }
    check_role_arn(&spec.node_role, "nodeRole", problems);
    let subnets = flat(&spec.subnets, "subnets");
    if subnets.is_empty() {
        // A list of lists that are all empty.
        let summary = "a node group can't be made without `subnets`".to_owned();
        let help = "refer to the network, or write ids";
        problems.push(problem(Path::new("subnets"), summary, help));
    }
    for (path, id) in subnets {
        if !is_unknown_text(&id) && !id.starts_with("subnet-") {
            let summary = format!("`{id}` is not the id of a subnet");
            problems.push(problem(path, summary, "an id looks like subnet-0a1b2c3d4e5f60718"));
        }
    }
    let Scaling { min_size: least, max_size: most, desired_size } = spec.scaling;
    let path = Path::new("scaling");
    if most == 0 || least > most {
        let summary = format!("a node group can't have {least} to {most} nodes");
        problems.push(problem(path, summary, "maxSize is at least 1, and at least minSize"));
    } else if let Some(size) = desired_size.filter(|size| !(least..=most).contains(size)) {
        let summary = format!("{size} nodes are not {least} to {most}");
        problems.push(problem(path, summary, "desiredSize lies between minSize and maxSize"));
    }
    if let Some(config) = &spec.update_config
        && config.max_unavailable.is_some() == config.max_unavailable_percentage.is_some()
    {
        problems.push(problem(
            Path::new("updateConfig"),
            "an update is bounded by a number of nodes or by a percentage",
            "write one of maxUnavailable and maxUnavailablePercentage",
        ));
    }
    if let Some(version) = &spec.version
        && !is_unknown_text(version)
        && condition::minor(version).is_none()
    {
        let summary = format!("`{version}` is not a Kubernetes version");
        let help = "write major and minor as a text: \"1.34\"";
        problems.push(problem(Path::new("version"), summary, help));
    }
    check_tags(&spec.tags, LONGEST_KEY, problems);
}

fn attributes(spec: &Spec) -> Map {
    let text = |text: &Option<String>| text.as_deref().map(Value::from_spec_text);
    let number = |number: u32| Value::Number(number.into());
    let subnets = flat(&spec.subnets, "");
    let subnets = subnets.iter().map(|(_, id)| Value::from_spec_text(id)).collect();
    let types = spec
        .instance_types
        .as_ref()
        .map(|types| Value::List(types.iter().map(|name| Value::from_spec_text(name)).collect()));
    let taints = spec.taints.iter().map(|taint| {
        let effect = Value::from_spec(&taint.effect).unwrap_or_default();
        let key = taint_key(&taint.key, effect.as_str().unwrap_or(""));
        (key, Value::from_spec_text(&taint.value))
    });
    let given = [
        ("subnets", Some(Value::List(subnets))),
        ("nodeRole", Some(Value::from_spec_text(&spec.node_role))),
        ("instanceTypes", types),
        ("amiType", text(&spec.ami_type)),
        ("capacityType", spec.capacity_type.and_then(|kind| Value::from_spec(&kind).ok())),
        ("diskSize", spec.disk_size.map(number)),
        ("minSize", Some(number(spec.scaling.min_size))),
        ("maxSize", Some(number(spec.scaling.max_size))),
        ("desiredSize", spec.scaling.desired_size.map(number)),
        ("labels", Some(tags_value(&spec.labels))),
        ("taints", Some(Value::Map(taints.collect()))),
        ("updateConfig", spec.update_config.as_ref().and_then(|c| Value::from_spec(c).ok())),
        ("version", text(&spec.version)),
        ("releaseVersion", text(&spec.release_version)),
        ("tags", Some(tags_value(&spec.tags))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Taints by key and effect: one key may have several.
fn taint_key(key: &str, effect: &str) -> String {
    format!("{key}:{effect}")
}

fn live_attributes(group: &Json) -> Map {
    let mut attributes = Map::new();
    for (name, pointer) in [
        ("nodeRole", "/nodeRole"),
        ("amiType", "/amiType"),
        ("capacityType", "/capacityType"),
        ("version", "/version"),
        ("releaseVersion", "/releaseVersion"),
    ] {
        if let Some(text) = text(group, pointer) {
            attributes.insert(name.to_owned(), text.into());
        }
    }
    for (name, pointer) in [
        ("diskSize", "/diskSize"),
        ("minSize", "/scalingConfig/minSize"),
        ("maxSize", "/scalingConfig/maxSize"),
        ("desiredSize", "/scalingConfig/desiredSize"),
    ] {
        if let Some(number) = group.pointer(pointer).and_then(Json::as_i64) {
            attributes.insert(name.to_owned(), Value::Number(number.into()));
        }
    }
    attributes.insert("subnets".to_owned(), list_value(texts(group, "/subnets")));
    // The order of types is the order of preference.
    if let Some(types @ Json::Array(_)) = group.get("instanceTypes") {
        attributes.insert("instanceTypes".to_owned(), Value::from_json(types));
    }
    let labels = group.get("labels").filter(|labels| labels.is_object());
    attributes.insert("labels".to_owned(), labels.map_or_else(Value::map, Value::from_json));
    let taints = group.get("taints").and_then(Json::as_array).into_iter().flatten();
    let taints = taints.filter_map(|taint| {
        let key = taint_key(text(taint, "/key")?, text(taint, "/effect")?);
        Some((key, Value::from(text(taint, "/value").unwrap_or(""))))
    });
    attributes.insert("taints".to_owned(), Value::Map(taints.collect()));
    let config = ["maxUnavailable", "maxUnavailablePercentage"].into_iter().filter_map(|name| {
        let number = group.get("updateConfig")?.get(name)?.as_i64()?;
        Some((name.to_owned(), Value::Number(number.into())))
    });
    attributes.insert("updateConfig".to_owned(), Value::Map(config.collect()));
    attributes.insert("tags".to_owned(), tags_of(group));
    attributes
}

fn outputs(group: &Json) -> Map {
    let mut outputs: Map = [
        ("name", "/nodegroupName"),
        ("arn", "/nodegroupArn"),
        ("status", "/status"),
        ("version", "/version"),
        ("releaseVersion", "/releaseVersion"),
        ("nodeRole", "/nodeRole"),
    ]
    .into_iter()
    .filter_map(|(name, pointer)| Some((name.to_owned(), text(group, pointer)?.into())))
    .collect();
    let groups = group.pointer("/resources/autoScalingGroups").and_then(Json::as_array);
    let names = groups.into_iter().flatten().filter_map(|group| text(group, "/name"));
    let names = names.map(str::to_owned).collect();
    outputs.insert("autoScalingGroups".to_owned(), list_value(names));
    outputs
}

fn health(status: &str, issues: &Value) -> Health {
    match status {
        "CREATING" | "UPDATING" | "DELETING" => {
            Health::Busy(format!("the node group has status {status}"))
        }
        "CREATE_FAILED" | "DELETE_FAILED" => {
            Health::Broken(format!("it has status {status}{}", condition::because(issues)))
        }
        _ => Health::Sound,
    }
}
