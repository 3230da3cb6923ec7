//! No node takes a pod, and what should have brought one does not.

use super::*;

const POOL_REF: &str = "default";

fn pool(change: &dyn Fn(&mut Json)) -> Json {
    let mut pool = json!({
        "metadata": {"name": "general"},
        "spec": {"template": {"spec": {"nodeClassRef": {"name": POOL_REF}}}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "resources": {}},
    });
    change(&mut pool);
    pool
}

fn class(ready: &str, why: &str) -> Json {
    json!({
        "metadata": {"name": POOL_REF}, "spec": {"role": "KarpenterNodes"},
        "status": {"conditions": [
            {"type": "SubnetsReady", "status": ready, "message": why},
            {"type": "Ready", "status": ready, "message": "SubnetsReady=False"},
        ]},
    })
}

fn unready(taint: &str, why: &str) -> Json {
    node("n1", &|node| {
        node["spec"]["taints"] =
            json!([{"key": format!("node.kubernetes.io/{taint}"), "effect": "NoSchedule"}]);
        node["status"]["conditions"] =
            json!([{"type": "Ready", "status": "Unknown", "message": why}]);
    })
}

#[test]
fn there_are_no_nodes() {
    let begin = "PodsUnschedulable deployment shop/web 0/1: pods Pending: no nodes available to \
                 schedule pods (a)";
    let bare = || Scene::of(asking(NO_NODES, &|_| ())).with(Clue::Nodes, json!([]));
    let entries = |arns: Json| (Clue::AccessEntries, json!({"accessEntries": arns}));
    let describe = "aws eks describe-nodegroup --cluster-name lake --nodegroup-name workers";
    for (name, scene, expected) in [
        (
            "nothing brings nodes",
            bare().groups(&[]),
            ": the cluster has no node group | declare a node group, or make one: eksctl create \
             nodegroup --cluster lake"
                .to_owned(),
        ),
        (
            "capacity 0",
            bare().groups(&[group("ACTIVE", 0, &json!([]))]),
            ": node group workers is set to 0 nodes | aws eks update-nodegroup-config \
             --cluster-name lake --nodegroup-name workers --scaling-config \
             minSize=1,maxSize=2,desiredSize=1"
                .into(),
        ),
        (
            "still being made",
            bare().groups(&[group("CREATING", 2, &json!([]))]),
            ": node group workers is still being made | aws eks wait nodegroup-active \
             --cluster-name lake --nodegroup-name workers"
                .into(),
        ),
        (
            "degraded",
            bare().groups(&[group(
                "DEGRADED",
                2,
                &json!([{"code": "AsgInstanceLaunchFailures", "message": "You've reached your quota"}]),
            )]),
            format!(
                ": node group workers is DEGRADED: AsgInstanceLaunchFailures: You've reached your \
                 quota | {describe}"
            ),
        ),
        (
            "pods can't be moved away",
            bare().groups(&[group(
                "DEGRADED",
                2,
                &json!([{"code": "PodEvictionFailure", "message": "Reached max retries"}]),
            )]),
            ": node group workers is DEGRADED: PodEvictionFailure: Reached max retries | kubectl \
             get poddisruptionbudgets -A"
                .into(),
        ),
        (
            "the nodes' role may not enter",
            {
                let (clue, answer) = entries(json!(["arn:aws:iam::1:role/Admin"]));
                bare().groups(&[group("ACTIVE", 2, &json!([]))]).answered(clue, answer)
            },
            ": node group workers wants 2 nodes and none has joined: its role \
             arn:aws:iam::1:role/Nodes has no access entry in the cluster | aws eks \
             create-access-entry --cluster-name lake --principal-arn arn:aws:iam::1:role/Nodes \
             --type EC2_LINUX"
                .into(),
        ),
        (
            "nodes do not join",
            {
                let (clue, answer) = entries(json!(["arn:aws:iam::1:role/Nodes"]));
                bare().groups(&[group("ACTIVE", 1, &json!([]))]).answered(clue, answer)
            },
            format!(": node group workers wants 1 node and none has joined | {describe}"),
        ),
        ("nothing else may be read", bare(), " | kubectl get nodes".into()),
    ] {
        assert_eq!(scene.told(), format!("{begin}{expected}"), "{name}");
    }
}

#[test]
fn karpenter_brings_no_node() {
    let begin = "PodsUnschedulable deployment shop/web 0/1: pods Pending: no nodes available to \
                 schedule pods (a): ";
    let bare = |pools: Json| {
        Scene::of(asking(NO_NODES, &|_| ()))
            .with(Clue::Nodes, json!([]))
            .with(Clue::NodePools, pools)
    };
    let well = || bare(json!([pool(&|_| ())])).with(Clue::NodeClasses, json!([class("True", "")]));
    let claim = |conditions: Json| {
        json!([{
            "metadata": {"name": "general-x"}, "spec": {"nodeClassRef": {"name": POOL_REF}},
            "status": {"conditions": conditions},
        }])
    };
    for (name, scene, expected) in [
        (
            "no node pool",
            bare(json!([])),
            "Karpenter has no NodePool, so it adds no node | declare a NodePool and an EC2NodeClass",
        ),
        (
            "limits reached",
            bare(json!([pool(&|pool| {
                pool["spec"]["limits"] = json!({"cpu": 10});
                pool["status"]["resources"] = json!({"cpu": "10"});
            })])),
            "NodePool general has reached its limit of cpu 10 | raise spec.limits.cpu of NodePool \
             general",
        ),
        (
            "class missing",
            bare(json!([pool(&|_| ())])).with(Clue::NodeClasses, json!([])),
            "NodePool general names EC2NodeClass default, which does not exist | declare \
             EC2NodeClass default",
        ),
        (
            "class not ready",
            bare(json!([pool(&|_| ())])).with(
                Clue::NodeClasses,
                json!([class("False", "SubnetSelector did not match any Subnets")]),
            ),
            "EC2NodeClass default is not ready: SubnetSelector did not match any Subnets | kubectl \
             describe ec2nodeclass default",
        ),
        (
            "machines can't be started",
            well().with(
                Clue::NodeClaims,
                claim(json!([{
                    "type": "Launched", "status": "False", "reason": "LaunchFailed",
                    "message": "creating instance, UnauthorizedOperation",
                }])),
            ),
            "NodeClaim general-x can't be started: creating instance, UnauthorizedOperation | \
             kubectl describe nodeclaim general-x",
        ),
        (
            "machines can't join",
            well()
                .with(
                    Clue::NodeClaims,
                    claim(json!([
                        {"type": "Launched", "status": "True"},
                        {"type": "Registered", "status": "Unknown"},
                    ])),
                )
                .answered(
                    Clue::AccessEntries,
                    json!({"accessEntries": ["arn:aws:iam::1:role/Nodes"]}),
                ),
            "NodeClaim general-x was started and can't join: its role KarpenterNodes has no access \
             entry in the cluster | declare an EksAccessEntry of type EC2_LINUX for the role \
             KarpenterNodes",
        ),
    ] {
        assert_eq!(scene.told(), format!("{begin}{expected}"), "{name}");
    }
    // Karpenter does not make the node that it runs on itself.
    let own = asking(NO_NODES, &|pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] = "karpenter".into();
    });
    let scene = Scene::of(own).with(Clue::Nodes, json!([])).with(Clue::NodePools, json!([]));
    assert!(scene.told().ends_with("(a) | kubectl get nodes"));
}

#[test]
fn no_node_takes_the_pod() {
    let all = |why: &str| {
        format!("0/1 nodes are available: {why}. preemption: 0/1 nodes are available: x.")
    };
    let plain = json!([node("n1", &|_| ())]);
    let requests = |cpu: &'static str| {
        move |pod: &mut Json| {
            pod["spec"]["containers"][0]["resources"] =
                json!({"requests": {"cpu": cpu, "memory": "9Gi"}});
        }
    };
    for (why, change, nodes, expected) in [
        (
            "1 Insufficient cpu",
            &requests("4") as &dyn Fn(&mut Json),
            plain.clone(),
            "it asks for cpu 4, and the largest node has 1930m in all | ask for less cpu in the \
             values, or take larger nodes",
        ),
        (
            "1 Insufficient cpu",
            &requests("1"),
            plain.clone(),
            "it asks for cpu 1, and other pods have what nodes offer | add a node, or: kubectl \
             describe nodes",
        ),
        (
            "1 Insufficient memory",
            &requests("1"),
            plain.clone(),
            "it asks for memory 9Gi, and the largest node has 7Gi in all | ask for less memory in \
             the values, or take larger nodes",
        ),
        (
            "1 Too many pods",
            &|_| (),
            plain.clone(),
            "no node takes more than 17 pods | add a node, or take larger ones",
        ),
        (
            "1 node(s) had untolerated taint {dedicated: gpu}",
            &|_| (),
            json!([node("n1", &|node| node["spec"]["taints"] =
                json!([{"key": "dedicated", "value": "gpu"}]))]),
            "nodes take only pods that tolerate dedicated=gpu | add a toleration for dedicated=gpu \
             to the values, or: kubectl taint nodes n1 dedicated-",
        ),
        (
            "1 node(s) didn't match Pod's node affinity/selector",
            &|pod| pod["spec"]["nodeSelector"] = json!({"pool": "data"}),
            plain.clone(),
            "no node has the label pool=data | kubectl get nodes -L pool",
        ),
        (
            "1 node(s) didn't match Pod's node affinity/selector",
            &|pod| {
                pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
                    "nodeSelectorTerms": [{"matchExpressions": [
                        {"key": "arch", "operator": "In", "values": ["arm64"]},
                    ]}],
                });
            },
            plain.clone(),
            "no node satisfies arch In (arm64) | kubectl get nodes --show-labels",
        ),
        (
            "1 node(s) didn't match pod anti-affinity rules",
            &|_| (),
            plain.clone(),
            "it may not share a node with its likes, and there is 1 node | add a node, or lower \
             the replicas",
        ),
        (
            "1 node(s) were unschedulable",
            &|_| (),
            json!([node("n1", &|node| node["spec"]["unschedulable"] = true.into())]),
            "node n1 is cordoned | kubectl uncordon n1",
        ),
        (
            "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }",
            &|_| (),
            json!([unready(
                "not-ready",
                "container runtime network not ready: NetworkReady=false \
                 reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not \
                 initialized",
            )]),
            "node n1 is not ready: its network plugin (CNI) does not run | kubectl get pods -n \
             kube-system -l k8s-app=aws-node -o wide",
        ),
        (
            "1 node(s) had untolerated taint(s)",
            &|pod| pod["spec"]["tolerations"] = json!([{"key": "other", "operator": "Exists"}]),
            json!([node("n1", &|node| node["spec"]["taints"] =
                json!([{"key": "other"}, {"key": "dedicated", "effect": "NoSchedule"}]))]),
            "nodes take only pods that tolerate dedicated | add a toleration for dedicated to the \
             values, or: kubectl taint nodes n1 dedicated-",
        ),
        (
            "1 node(s) had untolerated taint(s)",
            &|_| (),
            json!([unready("unreachable", "Kubelet stopped posting node status.")]),
            "node n1 is not ready: Kubelet stopped posting node status. | kubectl describe node n1",
        ),
    ] {
        let scene = Scene::of(asking(&all(why), change)).with(Clue::Nodes, nodes);
        let begin = format!(
            "PodsUnschedulable deployment shop/web 0/1: pods Pending: 0/1 nodes are available: \
             {why} (a): "
        );
        assert_eq!(scene.told(), format!("{begin}{expected}"), "{why}");
    }
    // One further: what should have brought a node that fits.
    let scene = Scene::of(asking(&all("1 Insufficient cpu"), &requests("4")))
        .with(Clue::Nodes, plain)
        .with(Clue::NodePools, json!([]));
    assert_eq!(
        scene.told(),
        "PodsUnschedulable deployment shop/web 0/1: pods Pending: 0/1 nodes are available: 1 \
         Insufficient cpu (a): it asks for cpu 4, and the largest node has 1930m in all; Karpenter \
         has no NodePool, so it adds no node | declare a NodePool and an EC2NodeClass"
    );
}
