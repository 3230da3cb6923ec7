//! The forms of a plan, of one account with something of everything in it: the
//! rules of Terraform's plan JSON, what tfcmt and Atlantis look for, GitLab's
//! counts, and that nothing but the plan decides a byte.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use account::Account;
use lkh::command::Command;
use lkh::engine::{Engine, Targets};
use lkh::exec::gateway::Gateway;
use lkh::exec::sandbox::SandboxExec;
use lkh::exec::{Exec, PrivateFile, Running, Storing, Surroundings};
use lkh::plan::{Action, Mode, Plan, file};
use lkh::report::format::{Format, Rendering};
use serde_json::{Value as Json, json};

/// The documents of the command line's stack.
fn documents() -> Vec<Json> {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
    let mut files: Vec<_> =
        std::fs::read_dir(stack).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| serde_yaml::from_multiple::<Json>(&text).unwrap()).collect()
}

/// What is declared when the plan is made: one resource less, one more.
fn declared() -> Vec<Json> {
    let mut documents = documents();
    let before = documents.len();
    documents.retain(|one| one["kind"] != "PodIdentityAssociation");
    assert_eq!(documents.len() + 1, before);
    for one in &mut documents {
        if let Some(others) = one.get_mut("dependsOn").and_then(Json::as_array_mut) {
            others.retain(|other| other != "PodIdentityAssociation.karpenter");
        }
    }
    documents.push(json!({
        "apiVersion": "lkh/v1", "kind": "S3Bucket", "metadata": {"name": "lake"},
        "spec": {"bucket": "lake-1", "versioning": true, "tags": {"team": "data"}},
    }));
    documents
}

/// Random numbers from a seed.
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, limit: usize) -> usize {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.store(x, Ordering::Relaxed);
        usize::try_from(x % limit as u64).unwrap()
    }

    fn shuffled<T>(&self, mut all: Vec<T>) -> Vec<T> {
        for index in (1..all.len()).rev() {
            all.swap(index, self.below(index + 1));
        }
        all
    }

    /// A document with its keys in any order: JSON, which is YAML.
    fn written(&self, json: &Json) -> String {
        match json {
            Json::Object(map) => {
                let members = self.shuffled(map.iter().collect());
                let told = members
                    .iter()
                    .map(|(key, value)| format!("{}: {}", json!(key), self.written(value)));
                format!("{{{}}}", told.collect::<Vec<_>>().join(", "))
            }
            Json::Array(list) => {
                let told: Vec<_> = list.iter().map(|one| self.written(one)).collect();
                format!("[{}]", told.join(", "))
            }
            other => other.to_string(),
        }
    }

    /// Writes documents into files of any name, in any order.
    fn lay_out(&self, account: &Account, documents: Vec<Json>) {
        account.clear();
        let files = 1 + self.below(documents.len());
        let mut texts = vec![String::new(); files];
        for document in self.shuffled(documents) {
            let text = &mut texts[self.below(files)];
            text.push_str("---\n");
            text.push_str(&self.written(&document));
            text.push('\n');
        }
        for (index, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            account.write(&format!("{}-{index}.yaml", self.below(1000)), text);
        }
    }
}

/// The sandbox, where every answer takes its time.
struct Slow(SandboxExec, Arc<Dice>);

impl Exec for Slow {
    fn run<'a>(&'a self, command: &'a Command) -> Running<'a> {
        let pauses = self.1.below(20);
        Box::pin(async move {
            for _ in 0..pauses {
                tokio::task::yield_now().await;
            }
            self.0.run(command).await
        })
    }

    fn store<'a>(&'a self, file: PrivateFile, text: &'a str) -> Storing<'a> {
        self.0.store(file, text)
    }
}

/// An account with drift, changes, something to make and something to remove.
fn rich() -> Account {
    let dice = Dice(AtomicU64::new(7));
    let mut account = Account::new(&[]);
    account.write("none", "");
    dice.lay_out(&account, documents());
    assert!(account.apply().is_good());
    account.behind(
        "aws iam detach-role-policy --role-name NodeRole --policy-arn \
         arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    account.behind("aws iam tag-role --role-name NodeRole --tags Key=theirs,Value=1");
    account.variables = vec!["replicas=2".into()];
    dice.lay_out(&account, declared());
    account
}

fn plan() -> Plan {
    let plan = rich().plan(Mode::Apply).0.plan;
    for action in [Action::Create, Action::Update, Action::Delete, Action::NoOp] {
        assert!(plan.summary().count(action) > 0, "{}", plan.summary());
    }
    plan
}

fn rendered(plan: &Plan, format: Format) -> String {
    format.render(&Rendering::of(plan)).unwrap()
}

fn tfplan(plan: &Plan, format: Format) -> Json {
    serde_json::from_str(&rendered(plan, format)).unwrap()
}

#[test]
fn a_hundred_runs_give_the_same_bytes() {
    let account = rich();
    let mut first: Option<Vec<String>> = None;
    for run in 0..100 {
        let dice = Arc::new(Dice(AtomicU64::new(0x9e37_79b9_7f4a_7c15 ^ (run + 1))));
        dice.lay_out(&account, declared());
        let surroundings = Surroundings {
            region: lkh::sandbox::REGION.to_owned(),
            manifests: account.manifests(),
            run: format!("run-{run}"),
            ..Surroundings::default()
        };
        let slow = Slow(SandboxExec::new(account.sandbox(), &surroundings), Arc::clone(&dice));
        let side_by_side = 1 + dice.below(8);
        let warn = Arc::new(|_: &str| {});
        let gateway = Gateway::new(Box::new(slow), &surroundings, side_by_side, warn);
        let engine = Engine { gateway: Arc::new(gateway), ..account.engine() };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let plan = runtime.block_on(engine.plan(Mode::Apply, &Targets::default())).unwrap().plan;
        let now: Vec<_> = Format::ALL.iter().map(|&format| rendered(&plan, format)).collect();
        // As saved and read again: no form needs what no file holds.
        let saved = file::from_bytes(&file::to_bytes(&plan).unwrap()).unwrap();
        for (format, now) in Format::ALL.iter().zip(&now) {
            assert!(rendered(&saved, *format) == *now, "{format} of the saved plan, run {run}");
        }
        match &first {
            None => first = Some(now),
            Some(first) => {
                for ((format, first), now) in Format::ALL.iter().zip(first).zip(&now) {
                    assert!(first == now, "{format} differs in run {run}:\n{first}\n---\n{now}");
                }
            }
        }
    }
}

/// The keys that every element of a list must have.
fn has_keys(element: &Json, keys: &[&str]) {
    for key in keys {
        assert!(element.get(key).is_some(), "{key} is missing in {element:#}");
    }
}

fn addresses(list: &Json) -> Vec<String> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|one| one["address"].as_str().unwrap().to_owned()).collect()
}

/// A list is in the order of its addresses, each of which is in it once.
fn is_sorted(list: &Json) {
    let all = addresses(list);
    let sorted: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(all, sorted.into_iter().collect::<Vec<_>>());
}

fn check_change(element: &Json) {
    has_keys(element, &["address", "mode", "type", "name", "provider_name", "change"]);
    let change = &element["change"];
    let keys =
        ["actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive"];
    has_keys(change, &keys);
    let actions: Vec<_> =
        change["actions"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let (before, after) = match actions.as_slice() {
        ["no-op" | "update"] | ["delete", "create"] | ["create", "delete"] => (true, true),
        ["create" | "read"] => (false, true),
        ["delete" | "forget"] => (true, false),
        other => panic!("{other:?} is no action of Terraform's"),
    };
    assert_eq!(change["before"].is_object(), before, "{element:#}");
    assert_eq!(change["after"].is_object(), after, "{element:#}");
    if !before {
        assert!(change["before"].is_null() && change["before_sensitive"] == false, "{element:#}");
    }
    if !after {
        assert!(change["after"].is_null() && change["after_sensitive"] == false, "{element:#}");
    }
    for name in ["policy", "assume_role_policy"] {
        for side in [&change["before"], &change["after"]] {
            if let Some(policy) = side.get(name) {
                let text = policy.as_str().expect("a policy is a text");
                let document: Json = serde_json::from_str(text).unwrap();
                assert!(document["Statement"].is_array() || document["Statement"].is_object());
                assert!(!text.contains("$unknown") && !text.contains("${"), "{text}");
            }
        }
    }
}

#[test]
fn terraforms_rules_hold() {
    let plan = plan();
    for format in [Format::Tfplan, Format::TfplanDelta] {
        let json = tfplan(&plan, format);
        assert_eq!(json["format_version"], "1.2");
        assert_eq!(json["prior_state"]["format_version"], "1.0");
        has_keys(&json, &["terraform_version", "planned_values", "resource_changes", "lkh"]);
        has_keys(&json, &["configuration", "prior_state", "variables", "output_changes"]);
        for truth in ["applyable", "complete", "errored"] {
            assert!(json[truth].is_boolean(), "{truth}");
        }
        assert!(json.get("timestamp").is_none());
        assert_eq!(json["lkh"]["planHash"], plan.meaning().as_str());
        let region = "/configuration/provider_config/aws/expressions/region/constant_value";
        assert_eq!(json.pointer(region).unwrap(), &json!(plan.region));
        is_sorted(&json["resource_changes"]);
        is_sorted(&json["resource_drift"]);
        is_sorted(&json["planned_values"]["root_module"]["resources"]);
        is_sorted(&json["prior_state"]["values"]["root_module"]["resources"]);
        is_sorted(&json["configuration"]["root_module"]["resources"]);
        for list in ["resource_changes", "resource_drift"] {
            json[list].as_array().unwrap().iter().for_each(check_change);
        }
        for resource in json["planned_values"]["root_module"]["resources"].as_array().unwrap() {
            has_keys(resource, &["address", "mode", "type", "name", "values", "schema_version"]);
            has_keys(resource, &["provider_name", "sensitive_values"]);
        }
        // Indented: readers point at lines.
        assert!(rendered(&plan, format).starts_with("{\n  "));
    }
}

#[test]
fn what_terraform_is_told_of_each_change() {
    let plan = plan();
    let json = tfplan(&plan, Format::Tfplan);
    let actions: Vec<_> = json["resource_changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["change"]["actions"] != json!(["no-op"]))
        .map(|one| format!("{} {}", one["address"].as_str().unwrap(), one["change"]["actions"]))
        .collect();
    assert_eq!(
        actions,
        [
            "aws_eks_pod_identity_association.karpenter [\"delete\"]",
            "aws_iam_role_policy_attachment.node[\"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy\"] \
             [\"create\"]",
            "aws_s3_bucket.lake [\"create\"]",
            "aws_s3_bucket_public_access_block.lake [\"create\"]",
            "aws_s3_bucket_versioning.lake [\"create\"]",
            "helm_release.karpenter [\"update\"]",
            "kubernetes_deployment_v1.helm_karpenter[\"Deployment/kube-system/karpenter\"] \
             [\"update\"]",
        ]
    );
    // What is there and what will be: without what goes, with what stays.
    let planned = addresses(&json["planned_values"]["root_module"]["resources"]);
    let prior = addresses(&json["prior_state"]["values"]["root_module"]["resources"]);
    assert!(planned.contains(&"aws_iam_policy.controller".to_owned()));
    assert!(!planned.iter().any(|one| one.contains("pod_identity")), "{planned:?}");
    assert!(prior.contains(&"aws_eks_pod_identity_association.karpenter".to_owned()));
    assert!(prior.contains(&"data.aws_eks_cluster.main".to_owned()), "{prior:?}");
    // The delta holds only what changes.
    let delta = tfplan(&plan, Format::TfplanDelta);
    let delta = addresses(&delta["planned_values"]["root_module"]["resources"]);
    assert_eq!(delta.len(), actions.len() - 1);
    assert!(!delta.contains(&"aws_iam_policy.controller".to_owned()), "{delta:?}");
    // What was done behind the stack's back, as a change of its own.
    let drift = json["resource_drift"].as_array().unwrap();
    assert_eq!(drift.len(), 1, "{drift:#?}");
    assert_eq!(drift[0]["change"]["actions"], json!(["delete"]));
    assert_eq!(drift[0]["type"], "aws_iam_role_policy_attachment");
    // Parts of a bucket are joined by a reference, and by nothing else.
    let part = json["configuration"]["root_module"]["resources"].as_array().unwrap();
    let part = part.iter().find(|one| one["type"] == "aws_s3_bucket_versioning").unwrap();
    assert_eq!(
        part["expressions"]["bucket"]["references"],
        json!(["aws_s3_bucket.lake.id", "aws_s3_bucket.lake"])
    );
}

#[test]
fn gitlab_gets_its_three_counts() {
    let text = rendered(&plan(), Format::Gitlab);
    assert_eq!(text, "{\"create\":1,\"update\":2,\"delete\":1}\n");
}

/// What tfcmt takes for a resource that is made: `^ *# (.*) will be created$`;
/// the other three likewise.
fn named<'a>(text: &'a str, end: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start_matches(' '));
    lines.filter_map(|line| line.strip_prefix("# ")?.strip_suffix(end)).collect()
}

fn plain(plan: &Plan) -> String {
    anstream::adapter::strip_str(&rendered(plan, Format::Text)).to_string()
}

#[test]
fn tfcmt_and_atlantis_find_what_they_look_for() {
    let plan = plan();
    let text = plain(&plan);
    assert_eq!(named(&text, " will be created"), ["S3Bucket.lake"]);
    assert_eq!(
        named(&text, " will be updated in-place"),
        ["IamRole.node", "HelmRelease.karpenter"]
    );
    assert_eq!(named(&text, " will be destroyed"), ["PodIdentityAssociation.karpenter"]);
    assert!(named(&text, " must be replaced").is_empty());
    // tfcmt: `(?m)^(Plan: \d|No changes.)`, and in that line `[1-9][0-9]* to destroy.`;
    // Atlantis: `Plan: (?:(\d+) to import, )?(\d+) to add, (\d+) to change, (\d+) to destroy.`
    let first =
        text.lines().find(|line| line.starts_with("Plan: ") || line.starts_with("No changes"));
    assert_eq!(first, Some("Plan: 1 to add, 2 to change, 1 to destroy."));
    // tfcmt: a whole line, and what begins the line where its part ends; Atlantis: anywhere.
    let begin =
        text.lines().position(|line| line == "Note: Objects have changed outside of Terraform");
    let end = text.lines().position(|line| {
        line.starts_with("Unless you have made equivalent changes to your configuration")
    });
    assert!(begin.unwrap() < end.unwrap());
    // `(?m)^([│|] )?(Error: )`
    assert!(!text.lines().any(|line| line.starts_with("Error: ")));
}

#[test]
fn nothing_to_do_and_something_in_the_way() {
    let mut plan = plan();
    plan.changes.retain(|change| change.action == Action::NoOp);
    let text = plain(&plan);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("No changes")).collect();
    assert!(lines.iter().all(|line| line.starts_with("No changes. ")));
    // Atlantis: `No changes. (Infrastructure is up-to-date|Your infrastructure matches the
    // configuration).`
    assert!(lines.contains(&"No changes. Your infrastructure matches the configuration."));
    assert!(!text.contains("Note: Objects"));
    // What is in the way is no peace: tfcmt takes `No changes` for one.
    let blocker = lkh::adapter::Blocker {
        code: "X".into(),
        message: "x\n# y will be created".into(),
        next: "z".into(),
    };
    plan.changes[0].blockers.push(blocker);
    let text = plain(&plan);
    assert!(text.lines().any(|line| line == "Error: 1 resource blocked or not ready"), "{text}");
    assert!(!text.contains("matches the configuration"));
}
