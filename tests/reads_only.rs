//! A plan reads and does nothing else: in every world it runs commands of the
//! list below and no other, changes no byte of the sandbox and writes no file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::collections::BTreeSet;
use std::path::Path;

use account::Account;
use lkh::command::{Effect, Tool};
use lkh::exec::gateway::Started;
use lkh::plan::Mode;
use lkh::sandbox::Fault;

/// Everything that a plan may run. Each of them only reads, as its tool's
/// documentation says; `helm template --dry-run=server` renders and sends
/// nothing.
const READS: &[&str] = &[
    "aws ec2 describe-subnets",
    "aws ec2 describe-tags",
    "aws eks describe-access-entry",
    "aws eks describe-cluster",
    // These look for why what is not ready is not.
    "aws eks describe-nodegroup",
    "aws eks list-access-entries",
    "aws eks list-addons",
    "aws eks list-nodegroups",
    "aws eks describe-pod-identity-association",
    "aws eks list-associated-access-policies",
    "aws eks list-pod-identity-associations",
    "aws iam get-account-authorization-details",
    "aws iam get-policy",
    "aws iam get-policy-version",
    "aws iam get-role",
    "aws iam get-role-policy",
    "aws iam list-attached-role-policies",
    "aws iam list-instance-profiles-for-role",
    "aws iam list-policy-versions",
    "aws iam list-role-policies",
    "aws iam list-roles",
    "aws sts get-caller-identity",
    "helm get metadata",
    "helm history",
    "helm show chart",
    "helm status",
    "helm template",
    "kubectl get",
];

/// The command without what it is about.
fn words(started: &Started) -> String {
    let count = match started.tool {
        Tool::Aws => 3,
        Tool::Helm if started.command.starts_with("helm get ") => 3,
        Tool::Helm if started.command.starts_with("helm show ") => 3,
        Tool::Helm | Tool::Kubectl => 2,
        Tool::Bash => 1,
    };
    started.command.split(' ').take(count).collect::<Vec<_>>().join(" ")
}

/// Plans, checks that nothing changed, and collects what was run.
#[track_caller]
fn plan(account: &Account, mode: Mode, seen: &mut BTreeSet<String>) {
    let before = account.files();
    let (_, started) = account.plan(mode);
    assert_eq!(account.files(), before, "a plan changed a file");
    assert!(!started.is_empty());
    for one in &started {
        assert_eq!(one.effect, Effect::Read, "{}", one.command);
        let words = words(one);
        assert!(READS.contains(&words.as_str()), "not on the list of reads: {}", one.command);
        seen.insert(words);
    }
    // Each is asked once, however many want to know. What is asked by a document
    // on standard input looks alike.
    let lines = started.iter().map(|one| &one.command).filter(|one| !one.contains(" -f - "));
    let mut once = BTreeSet::new();
    for line in lines {
        assert!(once.insert(line), "twice: {line}");
    }
}

const EXTRA: &str = r#"
apiVersion: lkh/v1
kind: IamRole
metadata:
  name: extra
spec:
  roleName: ExtraRole
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: {Service: ec2.amazonaws.com}
        Action: sts:AssumeRole
  inlinePolicies:
    inner:
      Version: "2012-10-17"
      Statement:
        - {Effect: Allow, Action: "s3:GetObject", Resource: "*"}
---
apiVersion: lkh/v1
kind: EksAccessEntry
metadata:
  name: extra
spec:
  clusterName: testskillcluster
  principalArn: ${IamRole.extra.arn}
  accessPolicies:
    - policyArn: arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy
      scope: {type: cluster}
---
apiVersion: lkh/v1
kind: HelmRelease
metadata:
  name: local
spec:
  namespace: default
  chart: ./chart
  values: {}
"#;

#[test]
fn a_plan_runs_only_reads_and_writes_nothing() {
    let mut seen = BTreeSet::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
    let mut account = Account::with(&directory);
    let stack = std::fs::read_to_string(directory.join("stack.yaml")).unwrap();
    account.write("stack.yaml", &stack.replace("name: small", "name: test"));
    account.write("extra.yaml", EXTRA);
    account.write("chart/Chart.yaml", "apiVersion: v2\nname: local\nversion: 1.0.0\n");
    account.write(
        "chart/templates/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: local\ndata:\n  a: b\n",
    );

    // A fresh account.
    plan(&account, Mode::Apply, &mut seen);
    plan(&account, Mode::Destroy, &mut seen);

    // As declared.
    assert!(account.apply().is_good());
    plan(&account, Mode::Apply, &mut seen);
    plan(&account, Mode::Destroy, &mut seen);

    // Broken.
    account.sandbox().set_fault("kube-system", "karpenter", Fault::CrashLoop).unwrap();
    plan(&account, Mode::Apply, &mut seen);
    account.sandbox().set_nodes(0).unwrap();
    account.sandbox().set_fault("kube-system", "karpenter", Fault::ImagePull).unwrap();
    plan(&account, Mode::Apply, &mut seen);

    // Changed behind its back.
    account.behind("aws iam detach-role-policy --role-name NodeRole --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy");
    account.behind("aws iam delete-role-policy --role-name ExtraRole --policy-name inner");
    account.behind("kubectl scale deployment karpenter -n kube-system --replicas=0");
    account.behind("aws eks delete-access-entry --cluster-name testskillcluster --principal-arn arn:aws:iam::111122223333:role/NodeRole");
    plan(&account, Mode::Apply, &mut seen);

    account.behind("kubectl delete serviceaccount karpenter -n kube-system");
    plan(&account, Mode::Apply, &mut seen);
    assert_eq!(account.sandbox().interrupt("kube-system", "karpenter").unwrap().code, 0);
    plan(&account, Mode::Apply, &mut seen);

    // The manifests changed, then are gone.
    account.variables = vec!["replicas=3".into()];
    account.write("extra.yaml", &EXTRA.replace("s3:GetObject", "s3:PutObject"));
    plan(&account, Mode::Apply, &mut seen);
    account.write("extra.yaml", "# nothing\n");
    plan(&account, Mode::Apply, &mut seen);

    // The state is lost.
    std::fs::remove_file(account.store().state_path()).unwrap();
    plan(&account, Mode::Apply, &mut seen);

    // Nothing stands on the list that no plan needs.
    let listed: BTreeSet<_> = READS.iter().map(|&read| read.to_owned()).collect();
    let unused: Vec<_> = listed.difference(&seen).collect();
    assert!(unused.is_empty(), "no plan ran {unused:?}");
}
