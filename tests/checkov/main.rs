//! Checkov, for real, on exported plans: what it finds is exactly what is
//! listed here. A finding that disappears is an exporter that hides something;
//! one that appears is a manifest that got worse, or a newer Checkov.
//!
//! Checkov reads a file and asks nobody: `--skip-download`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;

/// Findings: the check, and what it fails for.
type Findings = BTreeMap<String, Vec<String>>;

/// Of the lakehouse as it is shipped, before anything of it exists.
const SHIPPED: &[(&str, &[&str])] = &[
    ("CKV2_AWS_61", &["aws_s3_bucket.lake"]),
    ("CKV2_AWS_62", &["aws_s3_bucket.lake"]),
    ("CKV_AWS_124", &["aws_cloudformation_stack.network"]),
    ("CKV_AWS_144", &["aws_s3_bucket.lake"]),
    ("CKV_AWS_145", &["aws_s3_bucket.lake"]),
    ("CKV_AWS_18", &["aws_s3_bucket.lake"]),
    ("CKV_AWS_21", &["aws_s3_bucket.lake"]),
    ("CKV_AWS_290", &["aws_iam_policy.load-balancer-controller"]),
    ("CKV_AWS_355", &["aws_iam_policy.load-balancer-controller"]),
    ("CKV_AWS_37", &["aws_eks_cluster.main"]),
    ("CKV_AWS_38", &["aws_eks_cluster.main"]),
    ("CKV_AWS_39", &["aws_eks_cluster.main"]),
    ("CKV_AWS_58", &["aws_eks_cluster.main"]),
];

const EVERYTHING: &str = "aws_iam_policy.everything";
const ALL_OF_S3: &str = "aws_iam_policy.all-of-s3";
const OPEN: &str = "aws_iam_policy.open";
const INLINE: &str = "aws_iam_role_policy.anyone[\"more\"]";
const BAD: &str = "aws_s3_bucket.bad";
const GOOD: &str = "aws_s3_bucket.good";
const BLOCK: &str = "aws_s3_bucket_public_access_block.bad";

/// Of a stack with about every mistake that can be made with policies and
/// buckets, and with the same done well.
const GOLDEN: &[(&str, &[&str])] = &[
    ("CKV2_AWS_40", &[EVERYTHING, OPEN, INLINE]),
    ("CKV2_AWS_6", &[BAD]),
    ("CKV2_AWS_61", &[BAD]),
    ("CKV2_AWS_62", &[BAD, GOOD]),
    ("CKV_AWS_144", &[BAD, GOOD]),
    ("CKV_AWS_145", &[BAD]),
    ("CKV_AWS_18", &[BAD, GOOD]),
    ("CKV_AWS_21", &[BAD]),
    (
        "CKV_AWS_274",
        &["aws_iam_role_policy_attachment.anyone[\"arn:aws:iam::aws:policy/AdministratorAccess\"]"],
    ),
    ("CKV_AWS_286", &[EVERYTHING, INLINE]),
    ("CKV_AWS_287", &[EVERYTHING, INLINE]),
    ("CKV_AWS_288", &[ALL_OF_S3, EVERYTHING, INLINE]),
    ("CKV_AWS_289", &[ALL_OF_S3, EVERYTHING, OPEN, INLINE]),
    ("CKV_AWS_290", &[ALL_OF_S3, EVERYTHING, INLINE]),
    ("CKV_AWS_355", &[ALL_OF_S3, EVERYTHING, OPEN, INLINE]),
    ("CKV_AWS_53", &[BLOCK]),
    ("CKV_AWS_54", &[BLOCK]),
    ("CKV_AWS_55", &[BLOCK]),
    ("CKV_AWS_56", &[BLOCK]),
    ("CKV_AWS_60", &["aws_iam_role.anyone"]),
    ("CKV_AWS_62", &[EVERYTHING, INLINE]),
    ("CKV_AWS_63", &[EVERYTHING, INLINE]),
    ("CKV_AWS_70", &["aws_s3_bucket_policy.bad"]),
];

const DEPLOYMENT: &str =
    "kubernetes_deployment_v1.helm_karpenter[\"Deployment/kube-system/karpenter\"]";

/// Of one release that changes, in a plan that holds only what changes: what its
/// chart renders is judged, and the policies that stay are not.
const WORKLOAD: &[(&str, &[&str])] = &[
    ("CKV_K8S_10", &[DEPLOYMENT]),
    ("CKV_K8S_11", &[DEPLOYMENT]),
    ("CKV_K8S_12", &[DEPLOYMENT]),
    ("CKV_K8S_13", &[DEPLOYMENT]),
    ("CKV_K8S_15", &[DEPLOYMENT]),
    ("CKV_K8S_43", &[DEPLOYMENT]),
];

/// Whether what stays is in the whole plan of the same.
const STAYS: &[(&str, &[&str])] = &[
    ("CKV_AWS_290", &["aws_iam_policy.controller"]),
    ("CKV_AWS_355", &["aws_iam_policy.controller"]),
];

/// A case.
type Case = fn() -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let lacks = (!checkov().is_file())
        .then(|| format!("no {}: run tests/tools/install", checkov().display()));
    let cases: [(&str, Case); 4] = [
        ("shipped_manifests", shipped),
        ("bad_policies_and_buckets", golden),
        ("rendered_workloads", workloads),
        ("a_hidden_policy_would_show", hidden),
    ];
    let trials = cases.map(|(name, case)| match lacks.clone() {
        None => Trial::test(name, case),
        Some(why) if std::env::var_os("CI").is_some() => {
            Trial::test(name, move || Err(Failed::from(why.clone())))
        }
        Some(why) => Trial::test(format!("{name} ({why})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

fn shipped() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let plan = planned(folder.path(), "manifests", "tfplan", &[]);
    same(&found(&plan), &[SHIPPED])
}

fn golden() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let plan = planned(folder.path(), "tests/checkov/bad", "tfplan", &[]);
    same(&found(&plan), &[GOLDEN])
}

fn workloads() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stack = "tests/cli/stack";
    lkh(folder.path(), &["apply", "--auto-approve", "--dir", stack]);
    let change = ["--var", "replicas=2"];
    let delta = planned(folder.path(), stack, "tfplan-delta", &change);
    same(&found(&delta), &[WORKLOAD])?;
    let whole = planned(folder.path(), stack, "tfplan", &change);
    same(&found(&whole), &[WORKLOAD, STAYS])
}

/// The sets above are worth something: without the text of one policy, its
/// findings are gone, and nothing else says so.
fn hidden() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let plan = planned(folder.path(), "tests/checkov/bad", "tfplan", &[]);
    let mut json: Json = serde_json::from_slice(&std::fs::read(&plan)?)?;
    let resources = &mut json["planned_values"]["root_module"]["resources"];
    for resource in resources.as_array_mut().ok_or("no resources")? {
        if resource["address"] == EVERYTHING {
            resource["values"]["policy"] = Json::Null;
        }
    }
    std::fs::write(&plan, serde_json::to_vec_pretty(&json)?)?;
    let found = found(&plan);
    if found.values().flatten().any(|address| address == EVERYTHING) {
        return Err("a policy that is missing is judged now: the sets can be simpler".into());
    }
    if same(&found, &[GOLDEN]).is_ok() {
        return Err("the sets do not see a policy that is missing".into());
    }
    Ok(())
}

fn checkov() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = std::env::var_os("LKH_TEST_TOOLS").filter(|value| !value.is_empty());
    tools.map_or_else(|| root.join("target/tools"), PathBuf::from).join("bin/checkov")
}

fn lkh(state: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_lkh"))
        .args(arguments)
        .args(["--exec", "sandbox", "--state-dir"])
        .arg(state)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Plans a stack into a file.
fn planned(folder: &Path, stack: &str, format: &str, more: &[&str]) -> PathBuf {
    let file = folder.join(format!("{format}.json"));
    let format = format!("{format}={}", file.display());
    let mut arguments = vec!["plan", "--dir", stack, "--format", &format];
    arguments.extend(more);
    lkh(folder, &arguments);
    file
}

/// What Checkov finds in a file, sorted: its own order differs from run to run.
fn found(plan: &Path) -> Findings {
    let folder = plan.parent().unwrap();
    let output = Command::new(checkov())
        .arg("--file")
        .arg(plan)
        .args(["--framework", "terraform_plan", "--skip-download", "--quiet"])
        .args(["--compact", "--output", "json"])
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder)
        // Whatever it would ask, there is nobody to answer.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let json: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}\n{said}", String::from_utf8_lossy(&output.stdout))
    });
    assert_eq!(json["summary"]["parsing_errors"], 0, "{said}");
    let mut findings = Findings::new();
    for finding in json["results"]["failed_checks"].as_array().unwrap() {
        let text = |name: &str| finding[name].as_str().unwrap().to_owned();
        findings.entry(text("check_id")).or_default().push(text("resource"));
    }
    for all in findings.values_mut() {
        all.sort();
    }
    findings
}

fn same(found: &Findings, expected: &[&[(&str, &[&str])]]) -> Result<(), Failed> {
    let all = expected.iter().flat_map(|set| set.iter());
    let expected: Findings = all
        .map(|(id, resources)| {
            let mut resources: Vec<_> = resources.iter().map(|&text| text.to_owned()).collect();
            resources.sort();
            ((*id).to_owned(), resources)
        })
        .collect();
    let lost: Vec<_> = expected.iter().filter(|(id, all)| found.get(*id) != Some(all)).collect();
    let new: Vec<_> = found.iter().filter(|(id, all)| expected.get(*id) != Some(all)).collect();
    if lost.is_empty() && new.is_empty() {
        return Ok(());
    }
    Err(format!("expected and not so: {lost:#?}\nfound instead: {new:#?}").into())
}
