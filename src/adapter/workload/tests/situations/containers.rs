//! Pods that have a node and do not do their work, or do not go.

use super::*;

#[test]
fn containers_do_not_run() {
    let waiting = |reason: &str, message: &str| json!({"image": "reg.example.com/web:1", "state": {"waiting": {"reason": reason, "message": message}}});
    let crash = |code: i64, reason: &str| {
        json!({
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": code, "reason": reason}},
        })
    };
    let of = |status: Json| pod("a", &container(&status));
    let edited = |status: Json, change: &dyn Fn(&mut Json)| {
        let mut pod = of(status);
        change(&mut pod);
        Scene::of(pod)
    };
    let image = "ImagePullFailed deployment shop/web 0/1: container main can't get its image \
                 reg.example.com/web:1:";
    let logs = "kubectl logs -n shop a -c main --previous";
    check(vec![
        (
            "login refused",
            edited(waiting("ImagePullBackOff", "pulling: 403 Forbidden"), &|pod| {
                pod["spec"]["imagePullSecrets"] = json!([{"name": "ecr"}]);
            }),
            &format!(
                "{image} pulling: 403 Forbidden (a): reg.example.com refuses the login of the pull \
                 secret ecr, which may be out of date | make the pull secret anew: kubectl delete \
                 secret -n shop ecr, then lkh apply"
            ),
        ),
        (
            "no pull secret",
            Scene::of(of(waiting("ErrImagePull", "401 Unauthorized"))),
            &format!(
                "{image} 401 Unauthorized (a): reg.example.com refuses the pull, and the pod has \
                 no pull secret | kubectl describe pod -n shop a"
            ),
        ),
        (
            "no such image",
            Scene::of(of(waiting("ErrImagePull", "manifest unknown"))),
            &format!(
                "{image} manifest unknown (a): reg.example.com has no such image or tag | correct \
                 the image in the values: reg.example.com/web:1"
            ),
        ),
        (
            "registry out of reach",
            Scene::of(of(waiting("ImagePullBackOff", "dial tcp 1.2.3.4:443: i/o timeout"))),
            &format!(
                "{image} dial tcp 1.2.3.4:443: i/o timeout (a): the nodes can't reach \
                 reg.example.com | check the way from the nodes' subnets to reg.example.com: NAT \
                 gateway, VPC endpoint, DNS"
            ),
        ),
        (
            "exit code 1",
            Scene::of(of(crash(1, "Error"))),
            &format!(
                "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code \
                 1 (Error) (a) | {logs}"
            ),
        ),
        (
            "out of memory",
            edited(crash(137, "OOMKilled"), &|pod| {
                pod["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "500Mi"}});
            }),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code 137 \
             (OOMKilled) (a): it needs more than its memory limit of 500Mi | raise \
             resources.limits.memory of container main in the values",
        ),
        (
            "killed by its probe",
            Scene::of(of(crash(137, "Error"))).with(
                warnings(),
                json!([warning("Pod", "a", "Unhealthy", "Liveness probe failed: connection refused")]),
            ),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code 137 \
             (Error) (a): its liveness probe failed (connection refused) | kubectl describe pod -n \
             shop a",
        ),
        (
            "never ready",
            Scene::of(of(json!({"state": {"running": {}}, "ready": false}))).with(
                warnings(),
                json!([warning("Pod", "a", "Unhealthy", "Readiness probe failed: statuscode: 503")]),
            ),
            "ContainerNotReady deployment shop/web 0/1: container main runs, but its readiness \
             probe does not succeed (statuscode: 503) (a) | kubectl describe pod -n shop a",
        ),
        (
            "config map missing",
            Scene::of(of(waiting("CreateContainerConfigError", "configmap \"settings\" not found"))),
            "ContainerNotCreated deployment shop/web 0/1: container main can't be started: \
             configmap \"settings\" not found (a) | kubectl get configmap -n shop settings",
        ),
        (
            "key missing",
            Scene::of(of(waiting(
                "CreateContainerConfigError",
                "couldn't find key token in Secret shop/app",
            ))),
            "ContainerNotCreated deployment shop/web 0/1: container main can't be started: couldn't \
             find key token in Secret shop/app (a) | kubectl describe secret -n shop app",
        ),
        (
            "secret to mount missing",
            Scene::of(of(waiting("ContainerCreating", ""))).with(
                warnings(),
                json!([warning(
                    "Pod",
                    "a",
                    "FailedMount",
                    "MountVolume.SetUp failed for volume \"tls\" : secret \"tls\" not found",
                )]),
            ),
            "VolumeNotMounted deployment shop/web 0/1: a volume can't be mounted: secret \"tls\" \
             not found (a) | kubectl get secret -n shop tls",
        ),
        (
            "no addresses",
            Scene::of(of(waiting("ContainerCreating", ""))).with(
                warnings(),
                json!([warning(
                    "Pod",
                    "a",
                    "FailedCreatePodSandBox",
                    "plugin type=\"aws-cni\" failed (add): add cmd: failed to assign an IP address \
                     to container",
                )]),
            ),
            "PodNetworkFailed deployment shop/web 0/1: its network can't be set up: its node has no \
             free address (a) | kubectl logs -n kube-system -l k8s-app=aws-node -c aws-node --tail 50",
        ),
        (
            "older than its identity",
            edited(crash(1, "Error"), &|pod| pod["spec"]["serviceAccountName"] = "web".into())
                .answered(
                    Clue::Associations { namespace: "shop".into(), account: "web".into() },
                    json!({"associations": [{"associationId": "a-1"}]}),
                ),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code 1 \
             (Error) (a): it was made before its pod identity association, so it has no \
             credentials | kubectl delete pod -n shop a",
        ),
        (
            "no agent",
            edited(crash(1, "Error"), &|pod| {
                pod["spec"]["containers"][0]["env"] =
                    json!([{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "x"}]);
            })
            .answered(Clue::AddOns, json!({"addons": ["vpc-cni"]}))
            .with(Clue::Nodes, json!([node("n1", &|_| ())])),
            "ContainerCrashing deployment shop/web 0/1: container main keeps ending: exit code 1 \
             (Error) (a): its credentials come from the add-on eks-pod-identity-agent, which is not \
             installed | aws eks create-addon --cluster-name lake --addon-name \
             eks-pod-identity-agent",
        ),
        (
            "held by a finalizer",
            edited(json!({"state": {"running": {}}}), &|pod| {
                pod["metadata"]["deletionTimestamp"] = "2026-11-22T15:00:00Z".into();
                pod["metadata"]["finalizers"] = json!(["example.com/hold"]);
            }),
            "PodsTerminating deployment shop/web 0/1: pods are being deleted and wait for the \
             finalizer example.com/hold (a) | kubectl describe pod -n shop a",
        ),
        (
            "on a node that is gone",
            edited(json!({"state": {"running": {}}}), &|pod| {
                pod["metadata"]["deletionTimestamp"] = "2026-11-22T15:00:00Z".into();
                pod["spec"]["nodeName"] = "n1".into();
            })
            .with(
                Clue::Nodes,
                json!([node("n1", &|node| node["status"]["conditions"][0] = json!({
                    "type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status.",
                }))]),
            ),
            "PodsTerminating deployment shop/web 0/1: pods are being deleted, and can't be ended \
             (a): node n1 is not ready: Kubelet stopped posting node status. | kubectl describe \
             node n1",
        ),
    ]);
}
