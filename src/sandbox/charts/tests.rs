use serde_json::json;

use super::*;
use crate::sandbox::files::MapFiles;

fn request<'a>(reference: &'a str, repo: Option<&'a str>, version: Option<&'a str>) -> Request<'a> {
    Request { reference, repo, version, stale_login: false }
}

#[test]
fn charts_are_found_where_they_are_published() {
    let eks = Some("https://aws.github.io/eks-charts");
    for (reference, repo, version, label) in [
        ("oci://public.ecr.aws/karpenter/karpenter", None, Some("1.8.3"), "karpenter-1.8.3"),
        (
            "oci://public.ecr.aws/karpenter/karpenter",
            None,
            Some("1.9.0-rc.1"),
            "karpenter-1.9.0-rc.1",
        ),
        ("oci://public.ecr.aws/karpenter/karpenter", None, None, "karpenter-1.8.3"),
        ("oci://public.ecr.aws/karpenter/karpenter", None, Some("^1"), "karpenter-1.8.3"),
        ("oci://public.ecr.aws/karpenter/karpenter:1.7.0", None, None, "karpenter-1.7.0"),
        (
            "oci://public.ecr.aws/karpenter/karpenter-crd",
            None,
            Some("1.8.3"),
            "karpenter-crd-1.8.3",
        ),
        ("oci://public.ecr.aws/ingext/etcd-single", None, Some("2.0.1"), "etcd-single-2.0.1"),
        (
            "aws-load-balancer-controller",
            eks,
            Some("1.13.4"),
            "aws-load-balancer-controller-1.13.4",
        ),
        ("aws-load-balancer-controller", eks, None, "aws-load-balancer-controller-1.14.0"),
    ] {
        let found = locate(&request(reference, repo, version), &MapFiles::new()).unwrap();
        assert_eq!(found.chart.label(), label);
        assert_eq!(
            found.notice.starts_with("Pulled: public.ecr.aws/"),
            repo.is_none(),
            "{reference}"
        );
    }
}

#[test]
fn a_chart_that_cannot_be_pulled_is_refused_in_helms_words() {
    let karpenter = "oci://public.ecr.aws/karpenter/karpenter";
    for (reference, repo, version, expected) in [
        (
            karpenter,
            None,
            Some("0.37.0"),
            r#"failed to perform "FetchReference" on source: public.ecr.aws/karpenter/karpenter:0.37.0: not found"#,
        ),
        (
            karpenter,
            None,
            Some("^2"),
            "could not locate a version matching provided version string ^2",
        ),
        (karpenter, None, Some("bogus"), "improper constraint: bogus"),
        (
            "oci://public.ecr.aws/karpenter/nope",
            None,
            Some("1.8.3"),
            r#"failed to perform "FetchReference" on source: public.ecr.aws/karpenter/nope:1.8.3: not found"#,
        ),
        (
            "oci://registry.example/a/b",
            None,
            Some("1.0.0"),
            r#"failed to perform "FetchReference" on source: Get "https://registry.example/v2/a/b/manifests/1.0.0": dial tcp: lookup registry.example on 127.0.0.11:53: no such host"#,
        ),
        ("oci://registry.example", None, None, "invalid reference: missing registry or repository"),
        (
            "nope",
            Some("https://aws.github.io/eks-charts"),
            None,
            r#"chart "nope" not found in https://aws.github.io/eks-charts repository"#,
        ),
        (
            "aws-load-balancer-controller",
            Some("https://aws.github.io/eks-charts"),
            Some("9.9.9"),
            r#"chart "aws-load-balancer-controller" version "9.9.9" not found in https://aws.github.io/eks-charts repository"#,
        ),
        (
            "x",
            Some("https://charts.example/"),
            None,
            r#"looks like "https://charts.example/" is not a valid chart repository or cannot be reached: Get "https://charts.example/index.yaml": dial tcp: lookup charts.example on 127.0.0.11:53: no such host"#,
        ),
        ("./nothere", None, None, r#"path "./nothere" not found"#),
        ("repo/nothere", None, None, "repo repo not found"),
        (
            "nothere",
            None,
            None,
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: nothere",
        ),
    ] {
        assert_eq!(
            locate(&request(reference, repo, version), &MapFiles::new()).unwrap_err(),
            expected
        );
    }
    let stale = Request { stale_login: true, ..request(karpenter, None, Some("1.8.3")) };
    let refused = locate(&stale, &MapFiles::new()).unwrap_err();
    assert!(refused.starts_with(r#"failed to perform "FetchReference" on source: GET "https://public.ecr.aws/v2/karpenter/karpenter/manifests/1.8.3": "#));
    assert!(refused.ends_with("response status code 403: denied: Your authorization token has expired. Reauthenticate and try again."));
}

fn render(
    reference: &str,
    repo: Option<&str>,
    version: &str,
    release: &str,
    user: &Value,
) -> Vec<Rendered> {
    let found = locate(&request(reference, repo, Some(version)), &MapFiles::new()).unwrap();
    let values = values::coalesce(user, &found.chart.defaults);
    found.chart.render(Release { name: release, namespace: "kube-system" }, &values)
}

fn shown(rendered: &[Rendered]) -> Vec<String> {
    rendered
        .iter()
        .map(|one| {
            format!(
                "{}/{}",
                one.kind(),
                one.object.pointer("/metadata/name").unwrap().as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn karpenter_renders_with_its_values() {
    let user = json!({
        "replicas": 1,
        "settings": {"clusterName": "lake", "interruptionQueue": ""},
        "controller": {"resources": {"requests": {"cpu": "200m", "memory": "256Mi"}}},
    });
    let rendered =
        render("oci://public.ecr.aws/karpenter/karpenter", None, "1.8.3", "karpenter", &user);
    assert_eq!(
        shown(&rendered),
        [
            "PodDisruptionBudget/karpenter",
            "ServiceAccount/karpenter",
            "ClusterRole/karpenter-core",
            "ClusterRole/karpenter",
            "ClusterRoleBinding/karpenter-core",
            "ClusterRoleBinding/karpenter",
            "Role/karpenter",
            "RoleBinding/karpenter",
            "Service/karpenter",
            "Deployment/karpenter",
        ]
    );
    let deployment = &rendered.last().unwrap().object;
    for (pointer, expected) in [
        ("/spec/replicas", json!(1)),
        ("/spec/template/spec/containers/0/resources/requests/cpu", json!("200m")),
        (
            "/spec/template/spec/containers/0/image",
            json!("public.ecr.aws/karpenter/controller:1.8.3"),
        ),
        (
            "/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchLabels/app.kubernetes.io~1instance",
            json!("karpenter"),
        ),
        ("/metadata/labels/helm.sh~1chart", json!("karpenter-1.8.3")),
    ] {
        assert_eq!(deployment.pointer(pointer), Some(&expected), "{pointer}");
    }
    let text = deployment.to_string();
    assert!(
        text.contains(r#"{"name":"CLUSTER_NAME","value":"lake"}"#)
            && !text.contains("INTERRUPTION_QUEUE")
    );
}

#[test]
fn every_chart_of_the_lakehouse_renders() {
    let ingext = |name: &str| format!("oci://public.ecr.aws/ingext/{name}");
    for (reference, release, user, expected) in [
        (ingext("ingext-aws-gp3"), "ingext-aws-gp3", json!({}), vec!["StorageClass/gp3"]),
        (ingext("ingext-serviceaccount"), "sa", json!({}), vec!["ServiceAccount/kube-system-sa"]),
        (
            ingext("ingext-eks-pool"),
            "ingext-merge-pool",
            json!({"poolName": "pool-merge", "clusterName": "lake"}),
            vec!["EC2NodeClass/pool-merge", "NodePool/pool-merge"],
        ),
        (
            ingext("ingext-community-ingress-aws"),
            "ingext-ingress",
            json!({"siteDomain": "a.example"}),
            vec!["Ingress/ingext-ingress"],
        ),
        (ingext("ingext-lake-config"), "lake", json!({}), vec!["ConfigMap/lake-values"]),
        (ingext("ingext-manager-role"), "mgr", json!({}), vec!["Role/mgr", "RoleBinding/mgr"]),
        (ingext("etcd-single-cronjob"), "cron", json!({}), vec!["CronJob/cron"]),
        (
            ingext("ingext-stack"),
            "ingext-stack",
            json!({"replicaCount": 3}),
            vec!["ConfigMap/ingext-stack-values", "Deployment/ingext-stack"],
        ),
    ] {
        assert_eq!(
            shown(&render(&reference, None, "1.0.0", release, &user)),
            expected,
            "{reference}"
        );
    }
    let controller = render(
        "aws-load-balancer-controller",
        Some("https://aws.github.io/eks-charts"),
        "1.14.0",
        "aws-load-balancer-controller",
        &json!({"clusterName": "lake", "serviceAccount": {"name": "aws-load-balancer-controller"}}),
    );
    assert!(shown(&controller).contains(&"Deployment/aws-load-balancer-controller".to_owned()));
    assert!(shown(&controller).contains(&"IngressClass/alb".to_owned()));
}

#[test]
fn a_local_chart_shows_its_version_values_and_templates() {
    let files = MapFiles::new()
        .with(
            "charts/demo/Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: \"1.2\"\n",
        )
        .with("charts/demo/values.yaml", "a: 1\nb: {c: x}\n")
        .with(
            "charts/demo/crds/x.yaml",
            "kind: CustomResourceDefinition\n---\nkind: CustomResourceDefinition\n",
        )
        .with("charts/demo/templates/cm.yaml", "one");
    let load =
        |files: &MapFiles| locate(&request("charts/demo/", None, None), files).unwrap().chart;
    let chart = load(&files);
    assert_eq!(chart.label(), "demo-0.1.0");
    assert_eq!(chart.crds.len(), 2);
    let text = |chart: &Chart| {
        manifest(&chart.render(Release { name: "r", namespace: "ns" }, &chart.defaults))
    };
    let first = text(&chart);
    assert!(
        first.starts_with("---\n# Source: demo/templates/configmap.yaml\napiVersion: v1\n"),
        "{first}"
    );
    for (path, content) in [
        ("charts/demo/Chart.yaml", "name: demo\nversion: 0.2.0\n"),
        ("charts/demo/values.yaml", "a: 2\n"),
        ("charts/demo/templates/cm.yaml", "two"),
    ] {
        assert_ne!(text(&load(&files.clone().with(path, content))), first, "{path}");
    }
    let missing = locate(&request("./empty", None, None), &MapFiles::new().with("./empty/x", ""))
        .unwrap_err();
    assert_eq!(
        missing,
        "unable to detect chart at ./empty/Chart.yaml: open ./empty/Chart.yaml: no such file or directory"
    );
}
