//! Our own small renditions of the lakehouse's charts and of the ingress
//! controller: for each the objects that something waits for or reads, and the
//! generic rendition for every other chart.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::karpenter::annotate;
use super::{Rendered, Rendition, Template, yaml};

/// How the published lakehouse chart of that name renders, and its defaults.
pub fn published(name: &str) -> (Rendition, Value) {
    match name {
        "ingext-aws-gp3" => (
            Rendition::StorageClass,
            json!({"allowVolumeExpansion": true, "name": "gp3", "reclaimPolicy": "Delete"}),
        ),
        "ingext-serviceaccount" => {
            (Rendition::ServiceAccount, json!({"annotations": {}, "name": ""}))
        }
        "ingext-manager-role" => (Rendition::ManagerRole, json!({"serviceAccount": ""})),
        "ingext-community-config" => (Rendition::Settings, json!({"siteDomain": ""})),
        "ingext-lake-config" => {
            (Rendition::Settings, json!({"s3": {"bucket": "", "region": ""}, "storageType": "s3"}))
        }
        "ingext-s3-lake" => (Rendition::Settings, json!({"bucket": {"name": "", "region": ""}})),
        "ingext-eks-pool" => (
            Rendition::NodePool,
            json!({"clusterName": "", "cpuLimit": 64, "memoryLimit": "256Gi", "poolName": "", "nodeRole": ""}),
        ),
        "etcd-single-cronjob" => {
            (Rendition::CronJob, json!({"image": "", "schedule": "0 * * * *"}))
        }
        "ingext-community-ingress-aws" => (
            Rendition::Ingress,
            json!({"certArn": "", "loadBalancerName": "", "scheme": "internet-facing", "siteDomain": ""}),
        ),
        _ => (
            Rendition::Generic { templates: None },
            json!({
                "image": {"repository": format!("public.ecr.aws/ingext/{name}"), "tag": ""},
                "replicaCount": 1,
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            }),
        ),
    }
}

/// The default values of the ingress controller's chart.
pub fn load_balancer_defaults() -> Value {
    json!({
        "clusterName": null,
        "image": {"repository": "public.ecr.aws/eks/aws-load-balancer-controller", "tag": ""},
        "ingressClass": "alb",
        "region": null,
        "replicaCount": 2,
        "resources": {},
        "serviceAccount": {"annotations": {}, "create": true, "name": null},
        "vpcId": null,
    })
}

/// A chart that nobody wrote a rendition for: a deployment named as the
/// release, and its values in a config map.
pub fn generic(t: &Template<'_>, templates: Option<&str>) -> Vec<Rendered> {
    let replicas = ["/replicaCount", "/replicas"]
        .iter()
        .find_map(|pointer| t.value(pointer).as_i64())
        .unwrap_or(1);
    let image = match t.value("/image") {
        Value::String(image) => image,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            image(t, &t.chart.metadata.name)
        }
    };
    vec![settings(t, templates), deployment(t, replicas, &image, json!({}))]
}

/// The image that the values name, with the application's version as its tag
/// where they name none.
fn image(t: &Template<'_>, otherwise: &str) -> String {
    let metadata = &t.chart.metadata;
    let version = metadata.app_version.as_deref().unwrap_or(&metadata.version);
    format!("{}:{}", t.text_or("/image/repository", otherwise), t.text_or("/image/tag", version))
}

fn deployment(t: &Template<'_>, replicas: i64, image: &str, more: Value) -> Rendered {
    let checksum = hex::encode(Sha256::digest(t.values.to_string()));
    let mut spec = json!({
        "containers": [{
            "name": t.chart.metadata.name,
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "resources": t.values.get("resources").filter(|resources| resources.is_object()).cloned().unwrap_or(json!({})),
        }],
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    t.namespaced(
        "deployment",
        ("apps/v1", "Deployment"),
        t.release.name,
        json!({"spec": {
            "replicas": replicas,
            "selector": {"matchLabels": t.selector()},
            "template": {
                // New values give new pods, as charts commonly arrange it.
                "metadata": {"annotations": {"checksum/config": checksum}, "labels": t.selector()},
                "spec": spec,
            },
        }}),
    )
}

/// The values in a config map.
pub fn settings(t: &Template<'_>, templates: Option<&str>) -> Rendered {
    let name = format!("{}-values", t.release.name);
    let mut rendered = t.namespaced(
        "configmap",
        ("v1", "ConfigMap"),
        &name,
        json!({"data": {"values.yaml": yaml::print(t.values)}}),
    );
    if let Some(digest) = templates {
        annotate(&mut rendered, &json!({"sandbox.lkh/templates": format!("sha256:{digest}")}));
    }
    rendered
}

/// The class of EBS volumes.
pub fn storage_class(t: &Template<'_>) -> Vec<Rendered> {
    let mut class = t.global(
        "storageclass",
        ("storage.k8s.io/v1", "StorageClass"),
        &t.text_or("/name", "gp3"),
        json!({
            "allowVolumeExpansion": t.value("/allowVolumeExpansion"),
            "parameters": {"type": "gp3"},
            "provisioner": "ebs.csi.aws.com",
            "reclaimPolicy": t.value("/reclaimPolicy"),
            "volumeBindingMode": "WaitForFirstConsumer",
        }),
    );
    annotate(&mut class, &json!({"storageclass.kubernetes.io/is-default-class": "true"}));
    vec![class]
}

/// The account that the lakehouse's pods run as: `NAMESPACE-sa`.
pub fn service_account(t: &Template<'_>) -> Vec<Rendered> {
    let name = t.text_or("/name", &format!("{}-sa", t.release.namespace));
    let mut account = t.namespaced("serviceaccount", ("v1", "ServiceAccount"), &name, json!({}));
    annotate(&mut account, &t.value("/annotations"));
    vec![account]
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// What the manager may do in its namespace.
pub fn manager_role(t: &Template<'_>) -> Vec<Rendered> {
    let account = t.text_or("/serviceAccount", &format!("{}-sa", t.release.namespace));
    let name = t.release.name;
    vec![
        t.namespaced("role", (RBAC, "Role"), name, json!({"rules": [
            {"apiGroups": ["", "apps", "batch"], "resources": ["pods", "deployments", "statefulsets", "jobs"], "verbs": ["get", "list", "watch", "patch"]},
        ]})),
        t.namespaced("rolebinding", (RBAC, "RoleBinding"), name, json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": t.release.namespace}],
        })),
    ]
}

/// A pool of nodes for Karpenter; needs its resource definitions.
pub fn node_pool(t: &Template<'_>) -> Vec<Rendered> {
    let name = t.text_or("/poolName", t.release.name);
    let cluster = t.text("/clusterName");
    let discovery = json!([{"tags": {"karpenter.sh/discovery": cluster}}]);
    vec![
        t.global("nodeclass", ("karpenter.k8s.aws/v1", "EC2NodeClass"), &name, json!({"spec": {
            "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "role": t.text_or("/nodeRole", &format!("KarpenterNodeRole-{cluster}")),
            "securityGroupSelectorTerms": discovery,
            "subnetSelectorTerms": discovery,
        }})),
        t.global("nodepool", ("karpenter.sh/v1", "NodePool"), &name, json!({"spec": {
            "disruption": {"consolidateAfter": "1m", "consolidationPolicy": "WhenEmptyOrUnderutilized"},
            "limits": {"cpu": t.value("/cpuLimit"), "memory": t.value("/memoryLimit")},
            "template": {"spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": name},
                "requirements": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}],
            }},
        }})),
    ]
}

/// A job that runs on a schedule.
pub fn cron_job(t: &Template<'_>) -> Vec<Rendered> {
    let image = t.text_or(
        "/image",
        &format!("public.ecr.aws/ingext/{}:{}", t.chart.metadata.name, t.chart.metadata.version),
    );
    vec![t.namespaced(
        "cronjob",
        ("batch/v1", "CronJob"),
        t.release.name,
        json!({"spec": {
            "jobTemplate": {"spec": {"template": {"spec": {
                "containers": [{"image": image, "name": t.chart.metadata.name}],
                "restartPolicy": "OnFailure",
            }}}},
            "schedule": t.value("/schedule"),
        }}),
    )]
}

/// The ingress that a load balancer is made for.
pub fn ingress(t: &Template<'_>) -> Vec<Rendered> {
    let mut annotations = json!({
        "alb.ingress.kubernetes.io/scheme": t.value("/scheme"),
        "alb.ingress.kubernetes.io/target-type": "ip",
    });
    for (annotation, pointer) in [
        ("alb.ingress.kubernetes.io/certificate-arn", "/certArn"),
        ("alb.ingress.kubernetes.io/load-balancer-name", "/loadBalancerName"),
    ] {
        let value = t.text(pointer);
        if let Some(annotations) = annotations.as_object_mut().filter(|_| !value.is_empty()) {
            annotations.insert(annotation.into(), value.into());
        }
    }
    let mut rule = json!({"http": {"paths": [{
        "backend": {"service": {"name": "api", "port": {"number": 80}}},
        "path": "/",
        "pathType": "Prefix",
    }]}});
    let host = t.text("/siteDomain");
    if let Some(rule) = rule.as_object_mut().filter(|_| !host.is_empty()) {
        rule.insert("host".into(), host.into());
    }
    let mut ingress = t.namespaced(
        "ingress",
        ("networking.k8s.io/v1", "Ingress"),
        t.release.name,
        json!({
            "spec": {"ingressClassName": "alb", "rules": [rule]},
        }),
    );
    annotate(&mut ingress, &annotations);
    vec![ingress]
}

/// The controller that makes load balancers for ingresses.
pub fn load_balancer_controller(t: &Template<'_>) -> Vec<Rendered> {
    let name = t.full_name();
    let account = t.text_or("/serviceAccount/name", &name);
    let class = t.text_or("/ingressClass", "alb");
    let replicas = t.value("/replicaCount").as_i64().unwrap_or(2);
    let image = image(t, &name);
    let mut args = vec![
        format!("--cluster-name={}", t.text("/clusterName")),
        format!("--ingress-class={class}"),
    ];
    for (argument, pointer) in [("--aws-region", "/region"), ("--aws-vpc-id", "/vpcId")] {
        let value = t.text(pointer);
        if !value.is_empty() {
            args.push(format!("{argument}={value}"));
        }
    }
    let mut controller = deployment(
        t,
        replicas,
        &image,
        json!({
            "priorityClassName": "system-cluster-critical",
            "serviceAccountName": account,
        }),
    );
    if let Some(container) = controller
        .object
        .pointer_mut("/spec/template/spec/containers/0")
        .and_then(Value::as_object_mut)
    {
        container.insert("args".into(), json!(args));
    }
    if let Some(metadata) = controller.object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".into(), name.clone().into());
    }
    let mut rendered = vec![
        controller,
        t.global("ingressclass", ("networking.k8s.io/v1", "IngressClass"), &class, json!({
            "spec": {"controller": "ingress.k8s.aws/alb"},
        })),
        t.global("rbac", (RBAC, "ClusterRole"), &format!("{name}-role"), json!({"rules": [
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update", "patch"]},
        ]})),
        t.global("rbac", (RBAC, "ClusterRoleBinding"), &format!("{name}-rolebinding"), json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("{name}-role")},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": t.release.namespace}],
        })),
        t.namespaced("webhook", ("v1", "Service"), &format!("{name}-webhook-service"), json!({"spec": {
            "ports": [{"name": "webhook-server", "port": 443, "protocol": "TCP", "targetPort": 9443}],
            "selector": t.selector(),
            "type": "ClusterIP",
        }})),
    ];
    if t.value("/serviceAccount/create") == json!(true) {
        let mut service_account =
            t.namespaced("serviceaccount", ("v1", "ServiceAccount"), &account, json!({}));
        annotate(&mut service_account, &t.value("/serviceAccount/annotations"));
        rendered.push(service_account);
    }
    rendered
}
