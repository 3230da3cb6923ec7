//! What must be gone before a release of Karpenter may go, and what Karpenter
//! may leave behind in AWS.
//!
//! Only the controller ends the nodes that it started: uninstalled while a
//! `NodeClaim` exists, it leaves instances that nobody knows of any more. This
//! module must not know how a release is changed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;

use super::objects::Objects;
use super::read::fact;
use crate::adapter::{
    Answers, Blocker, Leftover, Leftovers, Live, Object, Prior, Questions, ReadError, Reading,
    Subject, is_cut_off,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Value};

/// The charts whose releases `NodeClaim`s depend on.
const CHARTS: [&str; 2] = ["karpenter", "karpenter-crd"];
/// The facts of an object: the blockers, and whether waiting helps.
const LEFT: &str = "nodeClaimsLeft";
const LASTING: &str = "nodeClaimsStay";
/// The fact of a release that is gone but for the nodes of its pools.
pub const UNINSTALLED: &str = "uninstalled";
/// The output with the node pools that a release holds.
pub const POOLS: &str = "nodePools";
const POOL_LABEL: &str = "karpenter.sh/nodepool";

/// What keeps a release from going.
#[derive(Debug, Default)]
pub struct Left {
    blocker: Option<Blocker>,
    lasting: bool,
}

impl Left {
    /// Puts it where obstacles and steps find it.
    pub fn into_facts(self, facts: &mut Map) {
        if let Some(blocker) = self.blocker {
            facts.insert(LEFT.into(), Value::from_spec(&blocker).unwrap_or_default());
            facts.insert(LASTING.into(), self.lasting.into());
        }
    }
}

/// The obstacle of an object, as read.
pub fn obstacle(object: &Object) -> Option<Blocker> {
    fact(Some(object), LEFT)?.to_spec().ok()
}

/// How long to wait for it, where that is worth anything.
pub fn patience(object: &Object, timeout: Duration) -> Option<Duration> {
    let lasting = fact(Some(object), LASTING)?.as_bool()?;
    Some(if lasting { Duration::ZERO } else { timeout })
}

/// What the node claims say about an uninstall of this chart; `None`: there is
/// more to ask.
///
/// # Errors
/// When nobody can tell.
pub fn of_chart(
    chart: &str,
    objects: &Objects,
    questions: &mut Questions<'_>,
) -> Result<Option<Left>, ReadError> {
    if !CHARTS.contains(&chart) {
        return Ok(Some(Left::default()));
    }
    let dead = (chart == "karpenter").then(|| objects.dead_controller()).flatten();
    left(&[], dead, questions)
}

/// A release that is not there any more. The nodes that its pools started are
/// part of it until they are gone.
///
/// # Errors
/// When nobody can tell.
pub fn gone(subject: &Subject<'_>, mut questions: Questions<'_>) -> Result<Reading, ReadError> {
    let pools = match (subject.desired, subject.prior) {
        (None, Some(prior)) => prior.outputs.get(POOLS).and_then(Value::as_list),
        _ => None,
    };
    let pools: Vec<&str> = pools.into_iter().flatten().filter_map(Value::as_str).collect();
    if pools.is_empty() {
        return Ok(Reading::Live(Live::Absent));
    }
    let Some(left) = of_pools(&pools, &mut questions)? else {
        return Ok(questions.asking());
    };
    let mut object = Object::default();
    left.into_facts(&mut object.facts);
    if object.facts.is_empty() {
        return Ok(Reading::Live(Live::Absent));
    }
    object.facts.insert(UNINSTALLED.into(), true.into());
    object.notes.push("the release is uninstalled; nodes of its pools are left".into());
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// What is left of the nodes of these pools, when their release is gone.
///
/// # Errors
/// When nobody can tell.
fn of_pools(pools: &[&str], questions: &mut Questions<'_>) -> Result<Option<Left>, ReadError> {
    left(pools, None, questions)
}

fn left(
    pools: &[&str],
    dead: Option<String>,
    questions: &mut Questions<'_>,
) -> Result<Option<Left>, ReadError> {
    let get = |what: &str| Command::read(Tool::Kubectl, &["get", what]);
    let mut list = get("nodeclaims.karpenter.sh");
    if !pools.is_empty() {
        list = list.flag("-l", &format!("{POOL_LABEL} in ({})", pools.join(",")));
    }
    let list = list.flag("-o", "json");
    let Some(answer) = questions.ask(list.clone()) else { return Ok(None) };
    if !answer.succeeded() && answer.stderr.contains("doesn't have a resource type") {
        return Ok(Some(Left::default()));
    }
    let claims = items(&list, answer)?;
    if claims.is_empty() {
        return Ok(Some(Left::default()));
    }
    let pods = get("pods").arg("-A").flag("-o", "json");
    let budgets = get("poddisruptionbudgets.policy").arg("-A").flag("-o", "json");
    let living = get("nodepools.karpenter.sh").flag("-o", "json");
    let told = [&pods, &budgets, &living].map(|command| questions.ask(command.clone()));
    let [Some(told_pods), Some(told_budgets), Some(told_living)] = told else {
        return Ok(None);
    };
    let living = items(&living, told_living)?;
    let pods = items(&pods, told_pods)?;
    let budgets = items(&budgets, told_budgets)?;
    Ok(Some(judge(&claims, &pods, &budgets, &living, dead)))
}

fn items(command: &Command, answer: &Answer) -> Result<Vec<Json>, ReadError> {
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        return Err(error("the list can't be read".into()));
    }
    let json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the list is cut off: there is more than was read".into()));
    }
    json["items"].as_array().cloned().ok_or_else(|| error("the answer has no list".into()))
}

/// The cause, shortest chain first: whatever a person can act on.
fn judge(
    claims: &[Json],
    pods: &[Json],
    budgets: &[Json],
    living: &[Json],
    dead: Option<String>,
) -> Left {
    let name = |object: &Json| object["metadata"]["name"].as_str().unwrap_or("?").to_owned();
    let mut names: Vec<String> = claims.iter().map(name).collect();
    let more = names.len().saturating_sub(5);
    names.truncate(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (verb, noun) = if claims.len() == 1 { ("is", "NodeClaim") } else { ("are", "NodeClaims") };
    let head = format!("{} {noun} {verb} left ({}{more})", claims.len(), names.join(", "));
    let going = |object: &Json| object["metadata"]["deletionTimestamp"].is_string();
    // Of one whose pool is gone, the cluster's garbage collector sees to the end.
    let wanted = |claim: &&Json| {
        let pool = &claim["metadata"]["labels"][POOL_LABEL];
        !going(claim) && living.iter().any(|one| one["metadata"]["name"] == *pool && !going(one))
    };
    let nodes: BTreeSet<&str> =
        claims.iter().filter_map(|claim| claim["status"]["nodeName"].as_str()).collect();
    let on_nodes: Vec<&Json> = pods
        .iter()
        .filter(|pod| pod["spec"]["nodeName"].as_str().is_some_and(|node| nodes.contains(node)))
        .filter(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")))
        .filter(|pod| pod["metadata"]["ownerReferences"][0]["kind"] != "DaemonSet")
        .collect();
    let of = |pod: &Json| {
        (pod["metadata"]["namespace"].as_str().unwrap_or("default").to_owned(), name(pod))
    };
    let (cause, next, lasting) = if let Some(dead) = dead {
        let next = "mend the controller first: `lkh plan` names what keeps it from running; without \
                    it nobody ends these nodes";
        (dead, next.to_owned(), true)
    } else if let Some(claim) = claims.iter().find(wanted) {
        let pool = claim["metadata"]["labels"][POOL_LABEL].as_str().unwrap_or("?");
        (
            format!("{} is of the node pool {pool}, and nobody has deleted it", name(claim)),
            format!("kubectl delete nodepool {pool}"),
            true,
        )
    } else if let Some(pod) = on_nodes
        .iter()
        .find(|pod| pod["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true")
    {
        let (namespace, pod) = of(pod);
        (
            format!("pod {namespace}/{pod} has the annotation karpenter.sh/do-not-disrupt"),
            format!(
                "kubectl annotate pod {pod} -n {namespace} karpenter.sh/do-not-disrupt-, or delete \
                 the pod"
            ),
            true,
        )
    } else if let Some((budget, pod)) = on_nodes.iter().find_map(|pod| {
        budgets.iter().find(|budget| holds(budget, pod)).map(|budget| (budget, pod))
    }) {
        let (namespace, pod) = of(pod);
        let budget = name(budget);
        (
            format!(
                "the PodDisruptionBudget {namespace}/{budget} allows no disruption, and pod {pod} is \
                 on such a node"
            ),
            format!(
                "kubectl describe poddisruptionbudget {budget} -n {namespace}; scale the workload up, \
                 or delete the budget"
            ),
            false,
        )
    } else {
        let next = "kubectl get nodeclaims.karpenter.sh -o wide";
        ("their nodes are being drained".to_owned(), next.to_owned(), false)
    };
    let blocker =
        Blocker { code: "NodeClaimsLeft".into(), message: format!("{head}: {cause}"), next };
    Left { blocker: Some(blocker), lasting }
}

/// Whether a budget keeps a pod where it is, as far as its labels tell.
fn holds(budget: &Json, pod: &Json) -> bool {
    let labels = budget["spec"]["selector"]["matchLabels"].as_object();
    budget["status"]["disruptionsAllowed"].as_u64() == Some(0)
        && budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && labels.is_some_and(|labels| {
            !labels.is_empty()
                && labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
        })
}

/// One thing of EC2's that Karpenter makes.
struct Check {
    what: &'static str,
    operation: &'static str,
    /// The filters beside the cluster's name.
    filters: &'static [&'static str],
    /// The tag with the cluster's name.
    tag: &'static str,
    list: &'static str,
    id: &'static str,
    remove: &'static str,
}

const CHECKS: [Check; 4] = [
    Check {
        what: "instances",
        operation: "describe-instances",
        filters: &[
            "Name=tag-key,Values=karpenter.sh/nodepool",
            "Name=instance-state-name,Values=pending,running,shutting-down,stopping,stopped",
        ],
        tag: "eks:eks-cluster-name",
        list: "Reservations",
        id: "InstanceId",
        remove: "aws ec2 terminate-instances --instance-ids",
    },
    Check {
        what: "launch templates",
        operation: "describe-launch-templates",
        filters: &[],
        tag: "karpenter.k8s.aws/cluster",
        list: "LaunchTemplates",
        id: "LaunchTemplateId",
        remove: "aws ec2 delete-launch-template --launch-template-id",
    },
    Check {
        what: "network interfaces",
        operation: "describe-network-interfaces",
        filters: &["Name=tag-key,Values=karpenter.sh/nodepool"],
        tag: "eks:eks-cluster-name",
        list: "NetworkInterfaces",
        id: "NetworkInterfaceId",
        remove: "aws ec2 delete-network-interface --network-interface-id",
    },
    Check {
        what: "volumes",
        operation: "describe-volumes",
        filters: &["Name=tag-key,Values=karpenter.sh/nodepool"],
        tag: "eks:eks-cluster-name",
        list: "Volumes",
        id: "VolumeId",
        remove: "aws ec2 delete-volume --volume-id",
    },
];

/// What Karpenter may have left in AWS for a cluster.
///
/// # Errors
/// When an answer does not tell.
pub fn leftovers(prior: &Prior, answers: &Answers) -> Result<Leftovers, ReadError> {
    let attributes = &prior.attributes;
    let chart = attributes.get("chart").and_then(Value::as_str);
    let values = attributes.get("values");
    let cluster = values
        .and_then(|values| values.get("settings")?.get("clusterName")?.as_str())
        .filter(|name| !name.is_empty());
    let (true, Some(cluster)) = (is_controller(prior, chart), cluster) else {
        return Ok(Leftovers::None);
    };
    let mut questions = Questions::new(answers);
    let mut found = Vec::new();
    for check in &CHECKS {
        let mut command = Command::read(Tool::Aws, &["ec2", check.operation]).arg("--filters");
        command = command.arg(format!("Name=tag:{},Values={cluster}", check.tag));
        for filter in check.filters {
            command = command.arg(*filter);
        }
        let Some(answer) = questions.ask(command.clone()) else { continue };
        let ids = ids(&command, answer, check.list, check.id)?;
        let next = (!ids.is_empty()).then(|| format!("{} {}", check.remove, ids.join(" ")));
        found.push(Leftover { what: check.what.into(), of: cluster.into(), ids, next });
    }
    let list = Command::read(Tool::Aws, &["iam", "list-instance-profiles"]);
    if let Some(answer) = questions.ask(list.clone()) {
        // Karpenter names them after the cluster; versions of today put them
        // under a path of their own, too. Its tag decides.
        let json = whole(&list, answer)?;
        let profiles = json["InstanceProfiles"].as_array().cloned().unwrap_or_default();
        let mut ids = Vec::new();
        let mut known = true;
        for profile in &profiles {
            let text = |key: &str| profile[key].as_str().unwrap_or_default();
            let name = text("InstanceProfileName");
            let likely = name.starts_with(&format!("{cluster}_"))
                || (text("Path").starts_with("/karpenter/")
                    && text("Path").contains(&format!("/{cluster}/")));
            if !likely {
                continue;
            }
            let tags = Command::read(Tool::Aws, &["iam", "list-instance-profile-tags"])
                .flag("--instance-profile-name", name);
            let Some(answer) = questions.ask(tags.clone()) else {
                known = false;
                continue;
            };
            if answer.is_service_error("NoSuchEntity") {
                continue;
            }
            let json = whole(&tags, answer)?;
            let owned = format!("kubernetes.io/cluster/{cluster}");
            let tags = json["Tags"].as_array().cloned().unwrap_or_default();
            if tags.iter().any(|tag| tag["Key"] == owned.as_str()) {
                ids.push(name.to_owned());
            }
        }
        if known {
            let next = ids.first().map(|name| {
                format!(
                    "take the role off and delete it: aws iam get-instance-profile \
                     --instance-profile-name {name}"
                )
            });
            let what = "instance profiles".into();
            found.push(Leftover { what, of: cluster.into(), ids, next });
        }
    }
    Ok(match questions.asking() {
        Reading::Ask(missing) if !missing.is_empty() => Leftovers::Ask(missing),
        _ => Leftovers::Known(found),
    })
}

/// Whether a release is Karpenter's controller: by the chart's name, or by its
/// reference where the chart is at a path.
fn is_controller(prior: &Prior, chart: Option<&str>) -> bool {
    let reference = prior.settings.get("chart").and_then(Value::as_str);
    let last = reference.and_then(|chart| chart.trim_end_matches('/').rsplit('/').next());
    chart.or(last) == Some("karpenter")
}

fn whole(command: &Command, answer: &Answer) -> Result<Json, ReadError> {
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    if !answer.succeeded() {
        return Err(error("what is left can't be read".into()));
    }
    let json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the list is cut off: there is more than was read".into()));
    }
    Ok(json)
}

/// The ids in an answer's list; instances stand in their reservations.
fn ids(command: &Command, answer: &Answer, list: &str, id: &str) -> Result<Vec<String>, ReadError> {
    let json = whole(command, answer)?;
    let error = || ReadError::new(command.clone(), answer, format!("the answer has no `{list}`"));
    let members = json[list].as_array().ok_or_else(error)?;
    let inner = members.iter().flat_map(|one| match one["Instances"].as_array() {
        Some(instances) => instances.iter().collect(),
        None => vec![one],
    });
    inner.map(|one| one[id].as_str().map(str::to_owned).ok_or_else(error)).collect()
}
