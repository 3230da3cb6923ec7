//! How many commands a plan without changes starts: by kind, for stacks with
//! once, twice and four times as many resources of it.
//!
//! Each command is a process of `aws`, `helm` or `kubectl` where these are real,
//! so this is what a plan costs there. It must never cost more than the table
//! says, and where the table says that more resources cost nothing more, they
//! don't.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use account::Account;
use lkh::adapter::Kind;
use lkh::command::Effect;
use lkh::plan::Mode;
use serde::Deserialize;
use serde_json::Value as Json;

const STACK: &str = "apiVersion: lkh/v1
kind: Stack
metadata: {name: test}
spec:
  phases: [{name: main}]
  toolbox: {exec: sandbox}
  kubernetes: {cluster: testskillcluster}
";

/// What every plan reads: whose account it is.
const ALWAYS: usize = 1;

/// What a kind costs; `benches/run` counts the processes of real tools by the
/// same table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    kind: Kind,
    /// Whether these are only read.
    external: bool,
    /// How many of them there can be.
    most: usize,
    /// Commands for all of them together.
    together: usize,
    /// Commands more for each.
    each: usize,
    /// From three of them on, where that is less: one command tells of all.
    many: Option<Many>,
    /// The spec of one of them; `NR` is its number.
    spec: Json,
}

/// What many of a kind cost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Many {
    together: usize,
    each: usize,
}

impl Cost {
    fn of(&self, number: usize) -> usize {
        match &self.many {
            Some(many) if number >= 3 => many.together + many.each * number,
            _ => self.together + self.each * number,
        }
    }
}

/// Who may be asked to act as a role that is there already.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","pods.eks.amazonaws.com"]},"Action":["sts:AssumeRole","sts:TagSession"]}]}"#;

const ADDONS: [&str; 4] = [
    "metrics-server",
    "aws-ebs-csi-driver",
    "aws-mountpoint-s3-csi-driver",
    "eks-pod-identity-agent",
];

/// The commands that a plan without changes starts, for so many resources.
fn commands(cost: &Cost, number: usize) -> BTreeMap<String, usize> {
    let account = Account::new(&[("stack.yaml", STACK)]);
    for role in ["Pods", "People1", "People2", "People3", "People4"] {
        let create = "aws iam create-role --assume-role-policy-document";
        account.behind(&format!("{create} {TRUST} --role-name {role}"));
    }
    for policy in
        ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"]
    {
        let attach = "aws iam attach-role-policy --role-name Pods --policy-arn";
        account.behind(&format!("{attach} arn:aws:iam::aws:policy/{policy}"));
    }
    let zones = account.behind("aws route53 list-hosted-zones");
    let zones: Json = serde_json::from_str(&zones).unwrap();
    let zone = zones["HostedZones"][0]["Id"].as_str().unwrap().rsplit('/').next().unwrap();
    let mut manifests = String::new();
    for at in 1..=number {
        let spec = cost.spec.to_string();
        // Where a number is wanted it is one.
        let spec = spec.replace("\"NR\"", "NR").replace("NR", &at.to_string());
        let spec = spec
            .replace("CLUSTER", "testskillcluster")
            .replace("SUBNET", "subnet-00f5ac5438649e26c")
            .replace("ACCOUNT", "111122223333")
            .replace("ZONE", zone)
            .replace("ADDON", ADDONS[at - 1]);
        let _ = write!(
            manifests,
            "---\napiVersion: lkh/v1\nkind: {}\nmetadata: {{name: r{at}, phase: main}}\n\
             external: {}\nspec: {spec}\n",
            cost.kind, cost.external
        );
    }
    account.write("all.yaml", &manifests);
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/charts/hello");
    account.write_all("hello", &charts);
    let report = account.apply();
    assert!(report.is_good(), "{}", lkh::report::run::text(&report));
    let (planned, started) = account.plan(Mode::Apply);
    assert!(!planned.plan.has_changes(), "{}: {:#?}", cost.kind, planned.plan.changes);
    assert!(started.iter().all(|one| one.effect == Effect::Read));
    let mut counts = BTreeMap::new();
    for one in started {
        *counts.entry(one.command).or_default() += 1;
    }
    counts
}

#[test]
fn a_plan_without_changes_starts_no_more_commands_than_it_needs() {
    let text = include_str!("processes.json");
    let costs: Vec<Cost> = serde_json::from_str(text).unwrap();
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let Some(cost) = costs.iter().find(|cost| cost.kind == *kind) else {
            wrong.push(format!("the table does not say what {kind} costs"));
            continue;
        };
        for number in [1, 2, 3, 4].into_iter().filter(|number| *number <= cost.most) {
            let started = commands(cost, number);
            let total: usize = started.values().sum();
            let expected = ALWAYS + cost.of(number);
            if total != expected {
                let lines: Vec<_> =
                    started.iter().map(|(line, count)| format!("  {count} {line}")).collect();
                wrong.push(format!(
                    "{number} of {kind}: {total} commands, not {expected}\n{}",
                    lines.join("\n")
                ));
            }
            // What is asked by a document on standard input looks alike.
            let twice = |(line, count): &(&String, &usize)| **count > 1 && !line.contains(" -f - ");
            if let Some((line, _)) = started.iter().find(twice) {
                wrong.push(format!("{kind}: twice in one plan: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
