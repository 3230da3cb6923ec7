//! Situations that people meet, each with the exact chain of causes and the
//! next command: objects, pods and clues in the shapes that the API server and
//! AWS answer with.

use super::*;
use crate::adapter::workload::clues::Clue;

mod containers;
mod nodes;

const CLUSTER: &str = "lake";

/// What a situation is made of.
struct Scene {
    object: Json,
    pods: Vec<Json>,
    clues: Vec<(Clue, Json)>,
}

impl Scene {
    /// A deployment with a pod.
    fn of(pod: Json) -> Self {
        Self { object: deployment(1, 0), pods: vec![pod], clues: Vec::new() }
    }

    /// Something of its own.
    fn object(object: Json) -> Self {
        Self { object, pods: Vec::new(), clues: Vec::new() }
    }

    fn with(mut self, clue: Clue, items: Json) -> Self {
        let answer = [("items".to_owned(), items)].into_iter().collect();
        self.clues.push((clue, Json::Object(answer)));
        self
    }

    fn answered(mut self, clue: Clue, answer: Json) -> Self {
        self.clues.push((clue, answer));
        self
    }

    fn groups(self, groups: &[Json]) -> Self {
        let names: Vec<&Json> = groups.iter().map(|group| &group["nodegroupName"]).collect();
        let mut scene = self.answered(Clue::NodeGroups, json!({"nodegroups": names}));
        for group in groups {
            let name = group["nodegroupName"].as_str().unwrap().to_owned();
            scene = scene.answered(Clue::NodeGroup(name), json!({"nodegroup": group}));
        }
        scene
    }

    /// Everything that is in the way, as `code message | next`.
    fn told(self) -> String {
        let clues = Clues::of(CLUSTER, self.clues);
        let found = assess_with([&self.object], &self.pods, &clues).obstacles;
        let lines =
            found.iter().map(|Obstacle { blocker: Blocker { code, message, next }, .. }| {
                format!("{code} {message} | {next}")
            });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn group(status: &str, desired: u64, issues: &Json) -> Json {
    json!({
        "nodegroupName": "workers", "status": status, "nodeRole": "arn:aws:iam::1:role/Nodes",
        "scalingConfig": {"minSize": 0, "maxSize": 3, "desiredSize": desired},
        "health": {"issues": issues},
    })
}

fn node(name: &str, change: &dyn Fn(&mut Json)) -> Json {
    let mut node = json!({
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "1930m", "memory": "7Gi", "pods": "17"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    change(&mut node);
    node
}

fn asking(why: &str, change: &dyn Fn(&mut Json)) -> Json {
    let mut pod = pod("a", &unschedulable(why));
    change(&mut pod);
    pod
}

fn warning(kind: &str, name: &str, reason: &str, message: &str) -> Json {
    json!({
        "involvedObject": {"kind": kind, "name": name, "namespace": "shop"},
        "reason": reason, "message": message, "type": "Warning",
        "lastTimestamp": "2026-11-22T15:00:00Z",
    })
}

fn warnings() -> Clue {
    Clue::Warnings("shop".into())
}

const NO_NODES: &str = "no nodes available to schedule pods";
fn check(table: Vec<(&str, Scene, &str)>) {
    for (name, scene, expected) in table {
        assert_eq!(scene.told(), expected, "{name}");
    }
}

fn terminating() -> Json {
    json!({
        "kind": "Namespace",
        "metadata": {"name": "shop", "deletionTimestamp": "2026-11-22T15:00:00Z"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "x"},
            {
                "type": "NamespaceFinalizersRemaining", "status": "True",
                "message": "Some content in the namespace has finalizers remaining: \
                            example.com/hold in 1 resource instances",
            },
        ]},
    })
}

#[test]
fn volumes_are_not_there() {
    let why = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. x";
    let claim = |class: Json| {
        json!({
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": "shop"},
            "spec": {"storageClassName": class}, "status": {"phase": "Pending"},
        })
    };
    let scene = |claims: Json| {
        Scene::of(asking(why, &|pod| {
            pod["spec"]["volumes"] = json!([{"persistentVolumeClaim": {"claimName": "data"}}]);
        }))
        .with(Clue::Claims("shop".into()), claims)
    };
    let gp3 = json!([{"metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com"}]);
    let driver = json!([{"metadata": {"name": "ebs.csi.aws.com"}}]);
    let failed = |message: &str| {
        json!([warning("PersistentVolumeClaim", "data", "ProvisioningFailed", message)])
    };
    let begin = "PodsUnschedulable deployment shop/web 0/1: pods Pending: 0/1 nodes are \
                 available: pod has unbound immediate PersistentVolumeClaims. x (a): ";
    for (name, scene, expected) in [
        (
            "no claim",
            scene(json!([])).with(Clue::StorageClasses, json!([])),
            "volume claim shop/data does not exist | kubectl get pvc -n shop",
        ),
        (
            "no class and no default",
            scene(json!([claim(Json::Null)])).with(Clue::StorageClasses, gp3.clone()),
            "volume claim shop/data names no storage class, and the cluster has no default one | \
             name one in the values, or declare a default: kubectl get storageclass",
        ),
        (
            "no such class",
            scene(json!([claim("fast".into())])).with(Clue::StorageClasses, gp3.clone()),
            "volume claim shop/data names the storage class fast, which does not exist | kubectl \
             get storageclass",
        ),
        (
            "no provisioner",
            scene(json!([claim("gp3".into())]))
                .with(Clue::StorageClasses, gp3.clone())
                .with(Clue::Drivers, json!([])),
            "volume claim shop/data waits for ebs.csi.aws.com, and no such driver is in the \
             cluster | install the add-on aws-ebs-csi-driver: aws eks create-addon --cluster-name \
             lake --addon-name aws-ebs-csi-driver",
        ),
        (
            "the driver may not",
            scene(json!([claim("gp3".into())]))
                .with(Clue::StorageClasses, gp3.clone())
                .with(Clue::Drivers, driver.clone())
                .with(
                    warnings(),
                    failed(
                        "failed to provision volume with StorageClass \"gp3\": UnauthorizedOperation: \
                         You are not authorized to perform this operation.",
                    ),
                ),
            "volume claim shop/data: the EBS CSI driver has no permission to make volumes: failed \
             to provision volume with StorageClass \"gp3\": UnauthorizedOperation: You are not \
             authorized to perform this operation. | aws eks list-pod-identity-associations \
             --cluster-name lake --namespace kube-system --service-account ebs-csi-controller-sa",
        ),
        (
            "no zone has one",
            scene(json!([claim("gp3".into())]))
                .with(Clue::StorageClasses, gp3.clone())
                .with(Clue::Drivers, driver)
                .with(warnings(), failed("VolumeLimitExceeded")),
            "volume claim shop/data: no volume could be made: VolumeLimitExceeded | kubectl \
             describe pvc -n shop data",
        ),
    ] {
        assert_eq!(scene.told(), format!("{begin}{expected}"), "{name}");
    }
    let alone = Scene::object(claim("fast".into())).with(Clue::StorageClasses, gp3);
    assert_eq!(
        alone.told(),
        "VolumeUnbound persistentvolumeclaim shop/data: no volume is bound to it (Pending): volume \
         claim shop/data names the storage class fast, which does not exist | kubectl get \
         storageclass"
    );
}

#[test]
fn pods_are_refused() {
    let refused = |message: &str| {
        let mut object = deployment(1, 0);
        object["status"]["conditions"] =
            json!([{"type": "ReplicaFailure", "status": "True", "message": message}]);
        Scene::object(object)
    };
    let set = json!({
        "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"replicas": 1}, "status": {},
    });
    let begin = "PodsNotCreated deployment shop/web 0/1: pods can't be created: ";
    check(vec![
        (
            "quota",
            refused("pods \"web-1\" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=2"),
            &format!(
                "{begin}pods \"web-1\" is forbidden: exceeded quota: small, requested: cpu=1, used: \
                 cpu=2 | kubectl describe quota -n shop small"
            ),
        ),
        (
            "service account",
            refused("pods \"web-1\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found"),
            &format!(
                "{begin}pods \"web-1\" is forbidden: error looking up service account shop/web: \
                 serviceaccount \"web\" not found | kubectl get serviceaccounts -n shop"
            ),
        ),
        (
            "webhook without pods",
            refused(
                "Internal error occurred: failed calling webhook \"v.kyverno.svc\": failed to call \
                 webhook: Post \"https://kyverno-svc.kyverno.svc:443/validate\": no endpoints \
                 available for service \"kyverno-svc\"",
            ),
            &format!(
                "{begin}Internal error occurred: failed calling webhook \"v.kyverno.svc\": failed \
                 to call webhook: Post \"https://kyverno-svc.kyverno.svc:443/validate\": no \
                 endpoints available for service \"kyverno-svc\": service kyverno/kyverno-svc, \
                 which answers for it, has no ready pod | kubectl get endpointslices -n kyverno -l \
                 kubernetes.io/service-name=kyverno-svc"
            ),
        ),
        (
            "webhook denies",
            refused("admission webhook \"policy.example.com\" denied the request: no latest tags"),
            &format!(
                "{begin}admission webhook \"policy.example.com\" denied the request: no latest tags \
                 | change what the webhook refuses in the values, or its rules"
            ),
        ),
        (
            "pod security",
            refused("pods \"web-1\" is forbidden: violates PodSecurity \"restricted:latest\": x"),
            &format!(
                "{begin}pods \"web-1\" is forbidden: violates PodSecurity \"restricted:latest\": x \
                 | kubectl get namespace shop --show-labels"
            ),
        ),
        (
            "namespace that goes",
            refused("pods \"web-1\" is forbidden: unable to create new content in namespace shop because it is being terminated")
                .answered(Clue::Namespace("shop".into()), terminating()),
            &format!(
                "{begin}pods \"web-1\" is forbidden: unable to create new content in namespace shop \
                 because it is being terminated: what is in it waits for the finalizer \
                 example.com/hold in 1 resource instances | start again what removes that \
                 finalizer, or take it off by hand: kubectl get all -n shop"
            ),
        ),
        (
            "a stateful set says it by events only",
            Scene::object(set).with(
                warnings(),
                json!([warning(
                    "StatefulSet",
                    "db",
                    "FailedCreate",
                    "create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is forbidden: \
                     exceeded quota: small, requested: pods=1",
                )]),
            ),
            "PodsNotCreated statefulset shop/db 0/1: pods can't be created: pods \"db-0\" is \
             forbidden: exceeded quota: small, requested: pods=1 | kubectl describe quota -n shop \
             small",
        ),
    ]);
}

#[test]
fn other_objects_are_held_up() {
    let service = |annotations: Json| {
        json!({
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"},
            "status": {"loadBalancer": {}},
        })
    };
    let job = json!({
        "kind": "Job", "metadata": {"name": "load", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"failed": 1, "conditions": [{
            "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit",
        }]},
    });
    let ended = json!({
        "phase": "Failed",
        "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}],
    });
    let controller = json!([{
        "metadata": {"name": "aws-load-balancer-controller", "namespace": "kube-system"},
        "spec": {"replicas": 2}, "status": {},
    }]);
    let none = "RolloutInProgress service shop/web: no load balancer has an address for it yet: ";
    check(vec![
        (
            "job failed",
            Scene { object: job, pods: vec![pod("load-x", &ended)], clues: Vec::new() },
            "JobFailed job shop/load 0/1: it failed: Job has reached the specified backoff limit: \
             pods failed: container main ended: exit code 3 (Error) (load-x) | kubectl logs -n shop \
             job/load",
        ),
        (
            "namespace that goes",
            Scene::object(terminating()),
            "NamespaceTerminating namespace shop: it is being deleted: what is in it waits for the \
             finalizer example.com/hold in 1 resource instances | start again what removes that \
             finalizer, or take it off by hand: kubectl get all -n shop",
        ),
        (
            "object that goes",
            Scene::object(json!({
                "kind": "ConfigMap",
                "metadata": {
                    "name": "x", "namespace": "shop", "deletionTimestamp": "2026-11-22T15:00:00Z",
                    "finalizers": ["example.com/hold"],
                },
            })),
            "Terminating configmap shop/x: it is being deleted and waits for the finalizer \
             example.com/hold | kubectl describe configmap -n shop x",
        ),
        (
            "subnets are not tagged",
            Scene::object(service(json!({}))).with(
                warnings(),
                json!([warning(
                    "Service",
                    "web",
                    "FailedBuildModel",
                    "Failed build model due to unable to resolve at least one subnet (0 match VPC \
                     and tags: [kubernetes.io/role/elb])",
                )]),
            ),
            &format!(
                "{none}no public subnet is tagged for load balancers: Failed build model due to \
                 unable to resolve at least one subnet (0 match VPC and tags: \
                 [kubernetes.io/role/elb]) | tag subnets of two zones with kubernetes.io/role/elb=1 \
                 (kind Ec2Tags)"
            ),
        ),
        (
            "no controller",
            Scene::object(service(json!({}))).with(Clue::LoadBalancerController, json!([])),
            &format!(
                "{none}the AWS load balancer controller is not in the cluster | declare a \
                 HelmRelease of the chart aws-load-balancer-controller"
            ),
        ),
        (
            "controller not ready",
            Scene::object(service(json!({}))).with(Clue::LoadBalancerController, controller),
            &format!(
                "{none}deployment kube-system/aws-load-balancer-controller is 0/2 | kubectl get \
                 deployments -A -l app.kubernetes.io/name=aws-load-balancer-controller"
            ),
        ),
    ]);
}
