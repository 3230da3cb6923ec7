//! Our own small rendition of the Karpenter charts: the values that the
//! lakehouse sets, the objects that it waits for, and the three resource
//! definitions. It names the same objects as the real chart and asks for the
//! same placement, so that the same failures happen; it is not the real chart.

use serde_json::{Map, Value, json};

use super::{Rendered, Template};

/// The sentence in `Chart.yaml`.
pub const DESCRIPTION: &str = "Starts nodes for pods that have none";
/// The sentence in the `Chart.yaml` of the definitions alone.
pub const CRD_DESCRIPTION: &str = "The resource definitions of Karpenter";

/// The chart's `values.yaml`.
pub fn defaults(version: &str) -> Value {
    json!({
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"}]},
            ]}},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname"},
            ]},
        },
        "controller": {
            "env": [],
            "healthProbe": {"port": 8081},
            "image": {"repository": "public.ecr.aws/karpenter/controller", "tag": version},
            "metrics": {"port": 8080},
            "resources": {},
        },
        "imagePullPolicy": "IfNotPresent",
        "logLevel": "info",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "podAnnotations": {},
        "podDisruptionBudget": {"maxUnavailable": 1, "name": "karpenter"},
        "podLabels": {},
        "priorityClassName": "system-cluster-critical",
        "replicas": 2,
        "revisionHistoryLimit": 10,
        "service": {"annotations": {}},
        "serviceAccount": {"annotations": {}, "create": true, "name": ""},
        "settings": {
            "batchIdleDuration": "1s",
            "batchMaxDuration": "10s",
            "clusterEndpoint": "",
            "clusterName": "",
            "featureGates": {"nodeRepair": false, "spotToSpotConsolidation": false},
            "interruptionQueue": "",
        },
        "strategy": {"rollingUpdate": {"maxUnavailable": 1}},
        "terminationGracePeriodSeconds": null,
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
        }],
    })
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// The controller and what it needs.
pub fn chart(t: &Template<'_>) -> Vec<Rendered> {
    let name = t.full_name();
    let account = if t.value("/serviceAccount/create") == json!(true) {
        t.text_or("/serviceAccount/name", &name)
    } else {
        t.text_or("/serviceAccount/name", "default")
    };
    let subject =
        json!([{"kind": "ServiceAccount", "name": account, "namespace": t.release.namespace}]);
    let binding = |kind: &str, role: &str| {
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": subject,
        })
    };
    let core = format!("{name}-core");
    let mut rendered = vec![
        t.global("clusterrole", (RBAC, "ClusterRole"), &name, json!({"rules": [
            rule(&["karpenter.k8s.aws"], &["ec2nodeclasses"], &["get", "list", "watch"]),
            rule(&["karpenter.k8s.aws"], &["ec2nodeclasses", "ec2nodeclasses/status"], &["patch", "update"]),
        ]})),
        t.global("clusterrole", (RBAC, "ClusterRoleBinding"), &name, binding("ClusterRole", &name)),
        t.global("clusterrole-core", (RBAC, "ClusterRole"), &core, json!({"rules": [
            rule(&["karpenter.sh"], &["nodepools", "nodepools/status", "nodeclaims", "nodeclaims/status"], &["get", "list", "watch"]),
            rule(&[""], &["pods", "nodes", "persistentvolumes", "persistentvolumeclaims", "namespaces"], &["get", "list", "watch"]),
            rule(&["karpenter.sh"], &["nodeclaims", "nodeclaims/status"], &["create", "delete", "update", "patch"]),
            rule(&[""], &["nodes"], &["patch", "delete", "update"]),
            rule(&[""], &["pods/eviction"], &["create"]),
        ]})),
        t.global("clusterrole-core", (RBAC, "ClusterRoleBinding"), &core, binding("ClusterRole", &core)),
        t.namespaced("role", (RBAC, "Role"), &name, json!({"rules": [
            rule(&["coordination.k8s.io"], &["leases"], &["get", "watch", "create"]),
        ]})),
        t.namespaced("role", (RBAC, "RoleBinding"), &name, binding("Role", &name)),
        t.namespaced("service", ("v1", "Service"), &name, json!({"spec": {
            "type": "ClusterIP",
            "ports": [{"name": "http-metrics", "port": t.value("/controller/metrics/port"), "targetPort": "http-metrics", "protocol": "TCP"}],
            "selector": t.selector(),
        }})),
        deployment(t, &name, &account),
    ];
    let budget = t.value("/podDisruptionBudget");
    if let Some(unavailable) = budget.get("maxUnavailable") {
        let budget_name = t.text_or("/podDisruptionBudget/name", &name);
        rendered.push(t.namespaced(
            "poddisruptionbudget",
            ("policy/v1", "PodDisruptionBudget"),
            &budget_name,
            json!({
                "spec": {"maxUnavailable": unavailable, "selector": {"matchLabels": t.selector()}},
            }),
        ));
    }
    if t.value("/serviceAccount/create") == json!(true) {
        let mut service_account =
            t.namespaced("serviceaccount", ("v1", "ServiceAccount"), &account, json!({}));
        annotate(&mut service_account, &t.value("/serviceAccount/annotations"));
        rendered.push(service_account);
    }
    rendered
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

/// Adds annotations from the values, where there are any.
pub fn annotate(rendered: &mut Rendered, annotations: &Value) {
    let given = annotations.as_object().is_some_and(|annotations| !annotations.is_empty());
    if let Some(metadata) =
        rendered.object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| given)
    {
        metadata.insert("annotations".into(), annotations.clone());
    }
}

fn deployment(t: &Template<'_>, name: &str, account: &str) -> Rendered {
    // The pods that keep away from each other are the release's own.
    let own = |terms: Option<&mut Value>| {
        let terms = terms.and_then(Value::as_array_mut).into_iter().flatten();
        for term in terms.filter_map(Value::as_object_mut) {
            term.entry("labelSelector").or_insert_with(|| json!({"matchLabels": t.selector()}));
        }
    };
    let mut spread = t.value("/topologySpreadConstraints");
    own(Some(&mut spread));
    let mut affinity = t.value("/affinity");
    own(affinity.pointer_mut("/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution"));
    let mut pod_labels = t.value("/podLabels").as_object().cloned().unwrap_or_default();
    if let Value::Object(selector) = t.selector() {
        pod_labels.extend(selector);
    }
    let mut pod = Map::new();
    pod.insert("metadata".into(), json!({"labels": pod_labels}));
    let annotations = t.value("/podAnnotations");
    if annotations.as_object().is_some_and(|annotations| !annotations.is_empty()) {
        pod.insert("metadata".into(), json!({"labels": pod_labels, "annotations": annotations}));
    }
    let mut spec = json!({
        "affinity": affinity,
        "automountServiceAccountToken": true,
        "containers": [container(t, name)],
        "dnsPolicy": "ClusterFirst",
        "nodeSelector": t.value("/nodeSelector"),
        "priorityClassName": t.value("/priorityClassName"),
        "securityContext": {"fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "serviceAccountName": account,
        "tolerations": t.value("/tolerations"),
        "topologySpreadConstraints": spread,
    });
    if let Some((spec, seconds)) =
        spec.as_object_mut().zip(t.value("/terminationGracePeriodSeconds").as_i64())
    {
        spec.insert("terminationGracePeriodSeconds".into(), seconds.into());
    }
    pod.insert("spec".into(), spec);
    t.namespaced(
        "deployment",
        ("apps/v1", "Deployment"),
        name,
        json!({"spec": {
            "replicas": t.value("/replicas"),
            "revisionHistoryLimit": t.value("/revisionHistoryLimit"),
            "selector": {"matchLabels": t.selector()},
            "strategy": t.value("/strategy"),
            "template": pod,
        }}),
    )
}

fn container(t: &Template<'_>, name: &str) -> Value {
    let gate = |name: &str, pointer: &str| format!("{name}={}", t.text_or(pointer, "false"));
    let gates = [
        gate("NodeRepair", "/settings/featureGates/nodeRepair"),
        gate("SpotToSpotConsolidation", "/settings/featureGates/spotToSpotConsolidation"),
    ];
    let mut env = vec![
        json!({"name": "KARPENTER_SERVICE", "value": name}),
        json!({"name": "LOG_LEVEL", "value": t.text("/logLevel")}),
        json!({"name": "METRICS_PORT", "value": t.text("/controller/metrics/port")}),
        json!({"name": "HEALTH_PROBE_PORT", "value": t.text("/controller/healthProbe/port")}),
        json!({"name": "SYSTEM_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}),
        json!({"name": "MEMORY_LIMIT", "valueFrom": {
            "resourceFieldRef": {"containerName": "controller", "resource": "limits.memory"},
        }}),
        json!({"name": "FEATURE_GATES", "value": gates.join(",")}),
        json!({"name": "BATCH_MAX_DURATION", "value": t.text("/settings/batchMaxDuration")}),
        json!({"name": "BATCH_IDLE_DURATION", "value": t.text("/settings/batchIdleDuration")}),
    ];
    for (variable, pointer) in [
        ("CLUSTER_NAME", "/settings/clusterName"),
        ("CLUSTER_ENDPOINT", "/settings/clusterEndpoint"),
        ("INTERRUPTION_QUEUE", "/settings/interruptionQueue"),
    ] {
        let value = t.text(pointer);
        if !value.is_empty() {
            env.push(json!({"name": variable, "value": value}));
        }
    }
    env.extend(t.value("/controller/env").as_array().cloned().unwrap_or_default());
    let probe = |path: &str, delay: i64| json!({"httpGet": {"path": path, "port": "http"}, "initialDelaySeconds": delay, "timeoutSeconds": 30});
    json!({
        "name": "controller",
        "image": format!("{}:{}", t.text("/controller/image/repository"), t.text("/controller/image/tag")),
        "imagePullPolicy": t.value("/imagePullPolicy"),
        "env": env,
        "ports": [
            {"name": "http-metrics", "containerPort": t.value("/controller/metrics/port"), "protocol": "TCP"},
            {"name": "http", "containerPort": t.value("/controller/healthProbe/port"), "protocol": "TCP"},
        ],
        "livenessProbe": probe("/healthz", 30),
        "readinessProbe": probe("/readyz", 5),
        "resources": t.value("/controller/resources"),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": 65532,
        },
    })
}

/// The definitions as the chart itself carries them, in `crds/`: installed
/// once, owned by no release.
pub fn crds(chart: &str) -> Vec<Rendered> {
    definitions()
        .into_iter()
        .map(|(file, object)| Rendered { source: format!("{chart}/crds/{file}.yaml"), object })
        .collect()
}

/// The definitions as a chart of their own: owned by its release.
pub fn crd_chart(t: &Template<'_>) -> Vec<Rendered> {
    definitions()
        .into_iter()
        .map(|(file, object)| Rendered {
            source: format!("{}/templates/{file}.yaml", t.chart.metadata.name),
            object,
        })
        .collect()
}

fn definitions() -> Vec<(String, Value)> {
    [
        ("karpenter.k8s.aws", "EC2NodeClass", "ec2nodeclasses", &["ec2nc", "ec2ncs"][..]),
        ("karpenter.sh", "NodeClaim", "nodeclaims", &[]),
        ("karpenter.sh", "NodePool", "nodepools", &[]),
    ]
    .into_iter()
    .map(|(group, kind, plural, short)| {
        let mut names = json!({
            "categories": ["karpenter"],
            "kind": kind,
            "listKind": format!("{kind}List"),
            "plural": plural,
            "singular": kind.to_ascii_lowercase(),
        });
        if let Some(names) = names.as_object_mut().filter(|_| !short.is_empty()) {
            names.insert("shortNames".into(), json!(short));
        }
        let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group,
                "names": names,
                "scope": "Cluster",
                "versions": [{
                    "name": "v1",
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": anything,
                        "status": anything,
                    }}},
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                }],
            },
        });
        (format!("{group}_{plural}"), object)
    })
    .collect()
}
