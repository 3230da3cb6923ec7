//! Why no node takes a pod: the nodes themselves, and one further, what should
//! have brought more of them: node groups and Karpenter.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::clues::{Clue, Clues};
use super::pods::{Because, text};
use super::{brief, condition};
use crate::diff::kubernetes::amount;

/// The taint of a node that is not ready, and that of one that is not heard of.
const NOT_READY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// The taint of a node that was cordoned.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// Whether the scheduler says of a pod that no node takes it.
pub(super) fn unschedulable(pod: &Json) -> Option<&str> {
    let scheduled = condition(pod, "PodScheduled").filter(|c| c["status"] == "False")?;
    (scheduled["reason"] != "SchedulingGated").then(|| text(&scheduled["message"]))
}

/// What to ask about a pod that no node takes.
pub(super) fn wanted(pod: &Json, clues: &Clues, wanted: &mut BTreeSet<Clue>) {
    let leaving = !pod["metadata"]["deletionTimestamp"].is_null();
    if leaving && !text(&pod["spec"]["nodeName"]).is_empty() {
        wanted.insert(Clue::Nodes);
    }
    let Some(why) = unschedulable(pod).filter(|_| !leaving) else { return };
    if super::volumes::is_about(why) {
        return;
    }
    wanted.extend([Clue::Nodes, Clue::NodeGroups]);
    if !is_karpenter(pod) {
        wanted.extend([Clue::NodePools, Clue::NodeClasses, Clue::NodeClaims]);
    }
    for name in clues.texts(&Clue::NodeGroups, "nodegroups").unwrap_or_default() {
        wanted.insert(Clue::NodeGroup(name.to_owned()));
    }
    let joins = clues.items(&Clue::Nodes).is_some_and(<[Json]>::is_empty)
        || clues.items(&Clue::NodeClaims).unwrap_or_default().iter().any(is_not_registered);
    if joins {
        wanted.insert(Clue::AccessEntries);
    }
}

/// Karpenter can't make the node that it runs on itself.
fn is_karpenter(pod: &Json) -> bool {
    pod["metadata"]["labels"]["app.kubernetes.io/name"] == "karpenter"
}

/// Why no node takes a pod, beyond the scheduler's words.
pub(super) fn because(pod: &Json, why: &str, clues: &Clues) -> Option<Because> {
    let nodes = clues.items(&Clue::Nodes)?;
    let karpenter = || if is_karpenter(pod) { None } else { of_karpenter(clues) };
    if nodes.is_empty() {
        return of_groups(clues, true).or_else(karpenter).or_else(|| none_at_all(clues));
    }
    let own = of_nodes(pod, why, nodes);
    let unready = repelled(pod, why, nodes)
        .is_some_and(|(_, taint)| NOT_READY.contains(&text(&taint["key"])));
    if unready {
        // More nodes would not be ready either.
        return own;
    }
    let further = of_groups(clues, false).or_else(karpenter);
    match (own, further) {
        (Some(own), Some(further)) => Some(Because {
            message: format!("{}; {}", own.message, further.message),
            next: further.next,
        }),
        (own, further) => own.or(further),
    }
}

/// Without nodes, node groups and node pools there is nothing to wait for.
fn none_at_all(clues: &Clues) -> Option<Because> {
    let groups = clues.texts(&Clue::NodeGroups, "nodegroups")?;
    groups.is_empty().then(|| Because {
        message: "the cluster has no node group".into(),
        next: "declare a node group, or make one: eksctl create nodegroup --cluster ".to_owned()
            + clues.cluster(),
    })
}

/// A node whose taint keeps a pod away, where the scheduler says that taints
/// do. Newer schedulers do not say which.
fn repelled<'a>(pod: &Json, why: &str, nodes: &'a [Json]) -> Option<(&'a Json, &'a Json)> {
    if !why.contains("untolerated taint") {
        return None;
    }
    let key = between(why, "untolerated taint {", "}");
    let key = key.and_then(|taint| taint.split(':').next()).map(str::trim);
    let mut all = nodes.iter().flat_map(|node| {
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        taints.map(move |taint| (node, taint))
    });
    all.find(|(_, taint)| match key {
        Some(key) => taint["key"] == key,
        None => taint["effect"] != "PreferNoSchedule" && !tolerates(pod, taint),
    })
}

/// Whether a pod may go to a node with this taint.
fn tolerates(pod: &Json, taint: &Json) -> bool {
    pod["spec"]["tolerations"].as_array().into_iter().flatten().any(|toleration| {
        let of = |key: &str| text(&toleration[key]);
        let effect = of("effect").is_empty() || toleration["effect"] == taint["effect"];
        let exists = of("operator") == "Exists";
        let key = (of("key").is_empty() && exists) || toleration["key"] == taint["key"];
        effect && key && (exists || of("value") == text(&taint["value"]))
    })
}

/// What the nodes that there are have against a pod.
fn of_nodes(pod: &Json, why: &str, nodes: &[Json]) -> Option<Because> {
    if let Some((node, taint)) = repelled(pod, why, nodes) {
        let (key, value) = (text(&taint["key"]), text(&taint["value"]));
        let name = text(&node["metadata"]["name"]);
        if NOT_READY.contains(&key) {
            return Some(of_unready_node(node));
        }
        if key == CORDONED {
            return Some(of_cordoned(nodes));
        }
        let shown = if value.is_empty() { key.to_owned() } else { format!("{key}={value}") };
        return Some(Because {
            message: format!("nodes take only pods that tolerate {shown}"),
            next: format!(
                "add a toleration for {shown} to the values, or: kubectl taint nodes {name} {key}-"
            ),
        });
    }
    if why.contains("were unschedulable") {
        return Some(of_cordoned(nodes));
    }
    if why.contains("affinity/selector") {
        return of_selector(pod, nodes);
    }
    if why.contains("anti-affinity") {
        return Some(Because {
            message: format!(
                "it may not share a node with its likes, and there {}",
                if nodes.len() == 1 {
                    "is 1 node".to_owned()
                } else {
                    format!("are {} nodes", nodes.len())
                }
            ),
            next: "add a node, or lower the replicas".into(),
        });
    }
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        if why.contains(&format!("Insufficient {resource}")) {
            return of_room(pod, resource, nodes);
        }
    }
    if why.contains("Too many pods") {
        let most = nodes.iter().map(|node| text(&node["status"]["allocatable"]["pods"]));
        let most = most.max_by_key(|text| amount(text)).unwrap_or("");
        return Some(Because {
            message: format!("no node takes more than {most} pods"),
            next: "add a node, or take larger ones".into(),
        });
    }
    None
}

fn of_cordoned(nodes: &[Json]) -> Because {
    let cordoned = nodes.iter().find(|node| node["spec"]["unschedulable"] == true);
    let name = cordoned.map_or("NODE", |node| text(&node["metadata"]["name"]));
    Because {
        message: format!("node {name} is cordoned"),
        next: format!("kubectl uncordon {name}"),
    }
}

/// Why a node is not ready, as it says itself.
pub(super) fn of_unready_node(node: &Json) -> Because {
    let name = text(&node["metadata"]["name"]);
    let ready = condition(node, "Ready");
    let said = ready.map_or("it has not said anything yet", |ready| text(&ready["message"]));
    if said.contains("cni plugin not initialized") || said.contains("NetworkPluginNotReady") {
        return Because {
            message: format!("node {name} is not ready: its network plugin (CNI) does not run"),
            next: "kubectl get pods -n kube-system -l k8s-app=aws-node -o wide".into(),
        };
    }
    Because {
        message: format!("node {name} is not ready: {}", brief(said)),
        next: format!("kubectl describe node {name}"),
    }
}

/// Which label of a pod's selector no node has.
fn of_selector(pod: &Json, nodes: &[Json]) -> Option<Because> {
    let selector = pod["spec"]["nodeSelector"].as_object();
    for (key, value) in selector.into_iter().flatten() {
        if !nodes.iter().any(|node| node["metadata"]["labels"][key] == *value) {
            return Some(Because {
                message: format!("no node has the label {key}={}", text(value)),
                next: format!("kubectl get nodes -L {key}"),
            });
        }
    }
    let terms =
        pod.pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution")?;
    let expressions = terms["nodeSelectorTerms"].as_array()?.first()?["matchExpressions"]
        .as_array()?
        .iter()
        .map(|expression| {
            let values = expression["values"].as_array().into_iter().flatten().map(text);
            let values: Vec<&str> = values.collect();
            let (key, operator) = (text(&expression["key"]), text(&expression["operator"]));
            if values.is_empty() {
                format!("{key} {operator}")
            } else {
                format!("{key} {operator} ({})", values.join(", "))
            }
        })
        .collect::<Vec<_>>()
        .join(", ");
    Some(Because {
        message: format!("no node satisfies {expressions}"),
        next: "kubectl get nodes --show-labels".into(),
    })
}

/// Whether any node is large enough for what a pod asks for.
fn of_room(pod: &Json, resource: &str, nodes: &[Json]) -> Option<Because> {
    let asked = pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| {
        let own = &container["resources"];
        let asked = own["requests"].get(resource).or_else(|| own["limits"].get(resource));
        asked.map_or("", text)
    });
    let asked: Vec<&str> = asked.filter(|asked| !asked.is_empty()).collect();
    let sum = asked.iter().try_fold(0_i128, |sum, asked| sum.checked_add(amount(asked)?))?;
    let sizes = nodes.iter().map(|node| text(&node["status"]["allocatable"][resource]));
    let largest = sizes.max_by_key(|text| amount(text))?;
    let asks = asked.join(" + ");
    Some(if sum > amount(largest)? {
        Because {
            message: format!(
                "it asks for {resource} {asks}, and the largest node has {largest} in all"
            ),
            next: format!("ask for less {resource} in the values, or take larger nodes"),
        }
    } else {
        Because {
            message: format!("it asks for {resource} {asks}, and other pods have what nodes offer"),
            next: "add a node, or: kubectl describe nodes".into(),
        }
    })
}

/// What keeps node groups from bringing nodes. `none`: the cluster has no node
/// at all, so that a group that is well has brought none.
fn of_groups(clues: &Clues, none: bool) -> Option<Because> {
    let cluster = clues.cluster();
    let names = clues.texts(&Clue::NodeGroups, "nodegroups")?;
    let groups: Vec<&Json> = names
        .iter()
        .filter_map(|name| clues.get(&Clue::NodeGroup((*name).to_owned())))
        .map(|answer| &answer["nodegroup"])
        .filter(|group| group["status"].is_string())
        .collect();
    let describe = |name: &str| {
        format!("aws eks describe-nodegroup --cluster-name {cluster} --nodegroup-name {name}")
    };
    for group in &groups {
        let (name, status) = (text(&group["nodegroupName"]), text(&group["status"]));
        if let Some(issue) = group["health"]["issues"].as_array().and_then(|list| list.first()) {
            let code = text(&issue["code"]);
            return Some(Because {
                message: format!(
                    "node group {name} is {status}: {code}: {}",
                    brief(text(&issue["message"]))
                ),
                next: match code {
                    "PodEvictionFailure" => "kubectl get poddisruptionbudgets -A".into(),
                    "AccessDenied" | "NodeCreationFailure" => {
                        format!("aws eks list-access-entries --cluster-name {cluster}")
                    }
                    _ => describe(name),
                },
            });
        }
        if status.contains("FAILED") || status == "DEGRADED" {
            return Some(Because {
                message: format!("node group {name} is {status}"),
                next: describe(name),
            });
        }
    }
    if !none {
        return None;
    }
    if let Some(group) = groups.iter().find(|group| text(&group["status"]) == "CREATING") {
        let name = text(&group["nodegroupName"]);
        return Some(Because {
            message: format!("node group {name} is still being made"),
            next: format!(
                "aws eks wait nodegroup-active --cluster-name {cluster} --nodegroup-name {name}"
            ),
        });
    }
    let size = |group: &Json| group["scalingConfig"]["desiredSize"].as_u64().unwrap_or(0);
    let Some(group) = groups.iter().find(|group| size(group) > 0) else {
        let name = text(&groups.first()?["nodegroupName"]);
        return Some(Because {
            message: format!("node group {name} is set to 0 nodes"),
            next: format!(
                "aws eks update-nodegroup-config --cluster-name {cluster} --nodegroup-name {name} \
                 --scaling-config minSize=1,maxSize=2,desiredSize=1"
            ),
        });
    };
    let (name, role) = (text(&group["nodegroupName"]), text(&group["nodeRole"]));
    let wants = format!("node group {name} wants {} and none has joined", nodes(size(group)));
    let entries = clues.texts(&Clue::AccessEntries, "accessEntries");
    Some(match entries {
        Some(entries) if !role.is_empty() && !entries.contains(&role) => Because {
            message: format!("{wants}: its role {role} has no access entry in the cluster"),
            next: access_entry(cluster, role),
        },
        _ => Because { message: wants, next: describe(name) },
    })
}

fn nodes(count: u64) -> String {
    if count == 1 { "1 node".into() } else { format!("{count} nodes") }
}

fn access_entry(cluster: &str, role: &str) -> String {
    format!(
        "aws eks create-access-entry --cluster-name {cluster} --principal-arn {role} --type \
         EC2_LINUX"
    )
}

fn is_not_registered(claim: &Json) -> bool {
    condition(claim, "Launched").is_some_and(|c| c["status"] == "True")
        && condition(claim, "Registered").is_none_or(|c| c["status"] != "True")
}

/// What keeps Karpenter from bringing nodes; `None` where it is not installed,
/// or nothing is known to keep it.
fn of_karpenter(clues: &Clues) -> Option<Because> {
    let answer = clues.get(&Clue::NodePools)?;
    let pools = answer["items"].as_array()?;
    if answer["noKind"] == true {
        return None;
    }
    if pools.is_empty() {
        return Some(Because {
            message: "Karpenter has no NodePool, so it adds no node".into(),
            next: "declare a NodePool and an EC2NodeClass".into(),
        });
    }
    for pool in pools {
        let name = text(&pool["metadata"]["name"]);
        if let Some(because) = of_limits(pool, name).or_else(|| of_class(pool, name, clues)) {
            return Some(because);
        }
        if let Some(ready) = condition(pool, "Ready").filter(|c| c["status"] != "True") {
            return Some(Because {
                message: format!("NodePool {name} is not ready: {}", brief(said(ready))),
                next: format!("kubectl describe nodepool {name}"),
            });
        }
    }
    clues.items(&Clue::NodeClaims).unwrap_or_default().iter().find_map(|claim| {
        let name = text(&claim["metadata"]["name"]);
        if let Some(launched) = condition(claim, "Launched").filter(|c| c["status"] == "False") {
            return Some(Because {
                message: format!("NodeClaim {name} can't be started: {}", brief(said(launched))),
                next: format!("kubectl describe nodeclaim {name}"),
            });
        }
        is_not_registered(claim).then(|| of_unregistered(claim, name, clues))
    })
}

fn said(condition: &Json) -> &str {
    let message = text(&condition["message"]);
    if message.is_empty() { text(&condition["reason"]) } else { message }
}

fn of_limits(pool: &Json, name: &str) -> Option<Because> {
    let limits = pool["spec"]["limits"].as_object()?;
    limits.iter().find_map(|(resource, limit)| {
        let limit = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
        let used = &pool["status"]["resources"][resource];
        let used = used.as_str().map_or_else(|| used.to_string(), str::to_owned);
        (amount(&used)? >= amount(&limit)?).then(|| Because {
            message: format!("NodePool {name} has reached its limit of {resource} {limit}"),
            next: format!("raise spec.limits.{resource} of NodePool {name}"),
        })
    })
}

fn of_class(pool: &Json, name: &str, clues: &Clues) -> Option<Because> {
    let class = text(&pool["spec"]["template"]["spec"]["nodeClassRef"]["name"]);
    let classes = clues.items(&Clue::NodeClasses)?;
    let Some(found) = classes.iter().find(|found| found["metadata"]["name"] == class) else {
        return Some(Because {
            message: format!("NodePool {name} names EC2NodeClass {class}, which does not exist"),
            next: format!("declare EC2NodeClass {class}"),
        });
    };
    let ready = condition(found, "Ready").filter(|c| c["status"] != "True")?;
    // Of its conditions, that which is not met tells more than their sum.
    let conditions = found["status"]["conditions"].as_array().into_iter().flatten();
    let unmet = conditions
        .filter(|c| c["type"] != "Ready")
        .find(|c| c["status"] == "False")
        .unwrap_or(ready);
    Some(Because {
        message: format!("EC2NodeClass {class} is not ready: {}", brief(said(unmet))),
        next: format!("kubectl describe ec2nodeclass {class}"),
    })
}

/// A machine that Karpenter started and that has not joined the cluster.
fn of_unregistered(claim: &Json, name: &str, clues: &Clues) -> Because {
    let class = text(&claim["spec"]["nodeClassRef"]["name"]);
    let classes = clues.items(&Clue::NodeClasses).unwrap_or_default();
    let class = classes.iter().find(|found| found["metadata"]["name"] == class);
    let role = class.map_or("", |class| text(&class["spec"]["role"]));
    let entries = clues.texts(&Clue::AccessEntries, "accessEntries");
    let suffix = format!("role/{role}");
    if let Some(entries) = entries.filter(|_| !role.is_empty())
        && !entries.iter().any(|arn| arn.ends_with(&suffix))
    {
        return Because {
            message: format!(
                "NodeClaim {name} was started and can't join: its role {role} has no access entry \
                 in the cluster"
            ),
            next: format!("declare an EksAccessEntry of type EC2_LINUX for the role {role}"),
        };
    }
    Because {
        message: format!("NodeClaim {name} was started and has not joined"),
        next: format!("kubectl describe nodeclaim {name}"),
    }
}

/// The text between two others.
pub(super) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(found, _)| found)
}
