//! Laws that hold for every input: of the diff, the plan, the apply log and
//! secrets. Each is tried on generated input; a failure prints the smallest
//! input that breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::collections::{BTreeMap, BTreeSet};

use account::Account;
use lkh::adapter::{Attribute, Kind, OnChange, Rule};
use lkh::address::Address;
use lkh::diff::{Comparison, Sides, compare};
use lkh::journal::{Event, Journal, Outcome};
use lkh::plan::{Mode, file};
use lkh::report;
use lkh::value::{Digest, Map, Value};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// So many cases that all laws together take seconds; `PROPTEST_CASES=1000`
/// tries harder.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

// Values by the rule that compares them.

fn word() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<bool>().prop_map(Json::from),
        (-3i64..3).prop_map(Json::from),
        word().prop_map(Json::from),
        Just(json!("")),
    ]
}

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![4 => scalar(), 1 => Just(Json::Null)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            btree_map(word(), inner.clone(), 0..3)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
            vec(inner, 0..3).prop_map(Json::from),
        ]
    })
}

fn object<S: Strategy<Value = Json>>(value: S) -> impl Strategy<Value = Json> {
    btree_map(word(), value, 0..4).prop_map(|map| Json::Object(map.into_iter().collect()))
}

/// One text or a list of them, as IAM allows in most places.
fn one_or_more(texts: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop_oneof![
        proptest::sample::select(texts).prop_map(Json::from),
        proptest::sample::subsequence(texts, 1..=texts.len()).prop_map(Json::from),
    ]
}

fn statement() -> impl Strategy<Value = Json> {
    let action = one_or_more(&["s3:GetObject", "s3:PutObject", "ec2:*", "iam:PassRole"]);
    let resource = one_or_more(&["*", "arn:aws:s3:::one", "arn:aws:s3:::two/*"]);
    let condition = prop_oneof![
        2 => Just(None),
        1 => word().prop_map(|value| Some(json!({"StringEquals": {"aws:RequestTag/x": value}}))),
    ];
    (any::<bool>(), action, resource, condition).prop_map(|(allow, action, resource, condition)| {
        let mut statement = json!({
            "Effect": if allow { "Allow" } else { "Deny" },
            "Action": action,
            "Resource": resource,
        });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    })
}

fn document() -> impl Strategy<Value = Json> {
    vec(statement(), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn kubernetes() -> impl Strategy<Value = Json> {
    let named = btree_map(word(), scalar(), 0..3).prop_map(|images| {
        let list = images.into_iter().map(|(name, image)| json!({"name": name, "image": image}));
        Json::from(list.collect::<Vec<_>>())
    });
    let spec = (0u8..3, named, object(scalar()))
        .prop_map(|(replicas, containers, data)| json!({"spec": {"replicas": replicas, "containers": containers}, "data": data}));
    btree_map(word().prop_map(|name| format!("Deployment/space/{name}")), spec, 0..3)
        .prop_map(|map| Json::Object(map.into_iter().collect()))
}

/// A value of an attribute that is compared by this rule.
fn value(rule: Rule) -> BoxedStrategy<Json> {
    match rule {
        Rule::Exact => tree().boxed(),
        Rule::Set => btree_set(word(), 0..5).prop_map(|set| json!(set)).boxed(),
        Rule::Entries => object(scalar()).boxed(),
        Rule::NestedEntries => object(object(scalar())).boxed(),
        Rule::PolicyDocument => document().boxed(),
        Rule::PolicyDocuments => object(document()).boxed(),
        // A tree is a map at its top: values of a release.
        Rule::Tree | Rule::Remembered => object(tree()).boxed(),
        Rule::KubernetesObjects => kubernetes().boxed(),
    }
}

/// A normal form with some or all of the attributes.
fn side(attributes: &'static [Attribute]) -> BoxedStrategy<Map> {
    attributes.iter().fold(Just(Map::new()).boxed(), |side, attribute| {
        let value = proptest::option::weighted(0.8, value(attribute.rule));
        (side, value)
            .prop_map(|(mut side, value)| {
                if let Some(value) = value {
                    side.insert(attribute.name.to_owned(), Value::from_json(&value));
                }
                side
            })
            .boxed()
    })
}

/// Every rule once, so that laws need not be tried for every kind.
const EVERY_RULE: &[Attribute] = &[
    Attribute { name: "exact", rule: Rule::Exact, on_change: OnChange::Replace },
    Attribute { name: "set", rule: Rule::Set, on_change: OnChange::Update },
    Attribute { name: "entries", rule: Rule::Entries, on_change: OnChange::Update },
    Attribute { name: "nested", rule: Rule::NestedEntries, on_change: OnChange::Update },
    Attribute { name: "document", rule: Rule::PolicyDocument, on_change: OnChange::Update },
    Attribute { name: "documents", rule: Rule::PolicyDocuments, on_change: OnChange::Update },
    Attribute { name: "tree", rule: Rule::Tree, on_change: OnChange::Update },
    Attribute { name: "objects", rule: Rule::KubernetesObjects, on_change: OnChange::Update },
];

/// Which of the collections are exclusive.
fn exclusive() -> impl Strategy<Value = BTreeSet<&'static str>> {
    proptest::sample::subsequence(vec!["set", "entries", "nested", "documents"], 0..=4)
        .prop_map(|names| names.into_iter().collect())
}

/// The live side after every change of a comparison was carried out.
fn carried_out(live: &Map, found: &Comparison) -> Map {
    let mut live = Value::Map(live.clone());
    for change in &found.changes {
        let segments = change.path.segments();
        if segments.first().is_some_and(|first| first == "set") && segments.len() == 2 {
            let list = live.get("set").and_then(Value::as_list).unwrap_or_default();
            let mut members: BTreeSet<_> =
                list.iter().map(|member| member.as_str().unwrap().to_owned()).collect();
            if change.after.is_some() {
                members.insert(segments[1].clone());
            } else {
                members.remove(&segments[1]);
            }
            put(&mut live, &["set".to_owned()], Some(Value::from_json(&json!(members))));
        } else {
            put(&mut live, segments, change.after.clone());
        }
    }
    live.as_map().unwrap().clone()
}

fn put(tree: &mut Value, path: &[String], value: Option<Value>) {
    let Some((first, rest)) = path.split_first() else {
        *tree = value.unwrap_or_default();
        return;
    };
    if !matches!(tree, Value::Map(_)) {
        *tree = Value::map();
    }
    let Value::Map(map) = tree else { unreachable!("it is a map now") };
    match (rest.is_empty(), value) {
        (true, None) => drop(map.remove(first)),
        (_, value) => put(map.entry(first.clone()).or_default(), rest, value),
    }
}

proptest! {
    #![proptest_config(config(96))]

    /// What is as declared and as applied has no difference, for every kind.
    #[test]
    fn nothing_differs_from_itself(
        (kind, side, exclusive) in proptest::sample::select(Kind::ALL).prop_flat_map(|kind| {
            (Just(kind), side(kind.adapter().attributes()), exclusive())
        })
    ) {
        let sides = Sides { desired: &side, prior: Some(&side), live: &side };
        let found = compare(kind.adapter().attributes(), &exclusive, sides, &[]);
        prop_assert_eq!(&found, &Comparison::default());
        let first = compare(
            kind.adapter().attributes(),
            &exclusive,
            Sides { prior: None, ..sides },
            &[],
        );
        prop_assert_eq!(first, Comparison::default());
    }

    /// The same sides have the same differences, in the order of their paths.
    #[test]
    fn a_comparison_is_a_function(
        desired in side(EVERY_RULE),
        prior in proptest::option::of(side(EVERY_RULE)),
        live in side(EVERY_RULE),
        exclusive in exclusive(),
    ) {
        let sides = Sides { desired: &desired, prior: prior.as_ref(), live: &live };
        let found = compare(EVERY_RULE, &exclusive, sides, &[]);
        prop_assert_eq!(&found, &compare(EVERY_RULE, &exclusive, sides, &[]));
        prop_assert!(found.changes.windows(2).all(|pair| pair[0].path <= pair[1].path));
        // What is ignored is no difference.
        let all: Vec<_> = found.changes.iter().map(|change| change.path.clone()).collect();
        prop_assert!(compare(EVERY_RULE, &exclusive, sides, &all).is_equal());
    }

    /// Carrying out the differences leaves none, and leaves alone what is not
    /// declared.
    #[test]
    fn what_is_carried_out_differs_no_more(
        desired in side(&EVERY_RULE[..7]),
        prior in proptest::option::of(side(&EVERY_RULE[..7])),
        live in side(&EVERY_RULE[..7]),
        exclusive in exclusive(),
    ) {
        let rules = &EVERY_RULE[..7];
        let sides = Sides { desired: &desired, prior: prior.as_ref(), live: &live };
        let found = compare(rules, &exclusive, sides, &[]);
        let after = carried_out(&live, &found);
        let again = compare(rules, &exclusive, Sides { live: &after, ..sides }, &[]);
        prop_assert_eq!(&again.changes, &Vec::new());
        prop_assert_eq!(&again.foreign, &found.foreign);
        let settled =
            compare(rules, &exclusive, Sides { prior: Some(&desired), live: &after, ..sides }, &[]);
        prop_assert_eq!(&settled.changes, &Vec::new());
    }
}

// The apply log.

fn event() -> impl Strategy<Value = Event> {
    let address = || {
        (proptest::sample::select(Kind::ALL), word())
            .prop_map(|(kind, name)| Address::new(kind, name))
    };
    prop_oneof![
        1 => word().prop_map(|run| Event::RunStarted {
            format_version: 1,
            run,
            plan: Digest::of(b"plan"),
        }),
        4 => (address(), ".{0,12}", 0u64..9).prop_map(|(address, command, operation)| {
            Event::Intended {
                operation,
                address,
                title: "do".into(),
                command,
                input: None,
                object: None,
            }
        }),
        4 => (0u64..9, ".{0,12}", 0u8..3).prop_map(|(operation, why, kind)| {
            let outcome = match kind {
                0 => Outcome::Exited,
                1 => Outcome::Failed { code: 1, why },
                _ => Outcome::Unknown { why },
            };
            Event::Finished { operation, outcome }
        }),
        2 => (address(), word(), proptest::option::of(word()))
            .prop_map(|(address, status, action)| Event::Settled { address, status, action }),
        1 => (word(), 0u8..4).prop_map(|(run, code)| Event::RunEnded { run, code }),
    ]
}

/// A log of those events that were legal in their turn.
fn log(events: Vec<Event>) -> (Journal, Vec<u8>) {
    let mut journal = Journal::default();
    let mut bytes = Vec::new();
    for mut event in events {
        // Most generated numbers are wrong; intents get the right one.
        if let Event::Intended { operation, .. } = &mut event {
            *operation = journal.next_operation();
        }
        let before = journal.clone();
        match journal.append(jiff::Timestamp::UNIX_EPOCH, event) {
            Ok(line) => bytes.extend(line.into_bytes()),
            Err(_) => assert_eq!(journal, before, "an event that is refused changes nothing"),
        }
    }
    (journal, bytes)
}

proptest! {
    #![proptest_config(config(64))]

    /// However a log is cut off, it is read, and can be gone on with.
    #[test]
    fn every_prefix_of_a_log_is_a_log(
        events in vec(event(), 0..20),
        cut in any::<proptest::sample::Index>(),
    ) {
        let (journal, bytes) = log(events);
        prop_assert_eq!(Journal::parse(&bytes), Ok(journal));
        let end = cut.index(bytes.len() + 1);
        let prefix = Journal::parse(&bytes[..end]);
        prop_assert!(prefix.is_ok(), "{prefix:?}");
        let mut prefix = prefix.unwrap();
        let mut whole = bytes[..end].split(|&byte| byte == b'\n').count() - 1;
        // A line that only lacks its newline counts.
        let unended = bytes.get(end) == Some(&b'\n');
        whole += usize::from(unended);
        prop_assert_eq!(prefix.entries.len(), whole);
        prop_assert_eq!(prefix.is_torn(), !unended && end > 0 && bytes[end - 1] != b'\n');
        let started = Event::RunStarted {
            format_version: 1,
            run: "next".into(),
            plan: Digest::of(b"next"),
        };
        prop_assert!(prefix.append(jiff::Timestamp::UNIX_EPOCH, started).is_ok());
        prop_assert_eq!(prefix.open_intents().count(), 0);
    }

    /// Whatever stands in the file: it is read or refused, and no byte can be
    /// changed unnoticed.
    #[test]
    fn no_bytes_confuse_the_log(
        events in vec(event(), 2..8),
        noise in vec(any::<u8>(), 0..64),
        at in any::<proptest::sample::Index>(),
        bit in 0u8..8,
    ) {
        drop(Journal::parse(&noise));
        let (_, mut bytes) = log(events);
        let length = bytes.len();
        prop_assume!(length > 0);
        bytes[at.index(length)] ^= 1 << bit;
        prop_assert!(Journal::parse(&bytes).is_err());
    }
}

// Whole stacks.

/// A generated stack: documents of IAM roles, policies, tags and associations.
#[derive(Debug, Clone)]
struct Stack(Vec<Json>);

const AWS_POLICIES: &[&str] = &[
    "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
    "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
];

fn resource(kind: &str, name: &str, spec: &Json) -> Json {
    json!({"apiVersion": "lkh/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(word(), word(), 0..3)
}

fn policy(index: usize) -> impl Strategy<Value = Json> {
    (document(), tags()).prop_map(move |(document, tags)| {
        resource(
            "IamPolicy",
            &format!("policy-{index}"),
            &json!({"policyName": format!("Policy{index}"), "document": document, "tags": tags}),
        )
    })
}

fn role(index: usize, policies: usize) -> impl Strategy<Value = Json> {
    (
        proptest::sample::subsequence(AWS_POLICIES, 0..=AWS_POLICIES.len()),
        proptest::sample::subsequence((0..policies).collect::<Vec<_>>(), 0..=policies),
        btree_map(word(), document(), 0..2),
        tags(),
        proptest::option::of(word()),
        proptest::option::of(1u32..12),
        // An association wants a role that trusts pods.
        proptest::sample::select(vec![
            json!("pods.eks.amazonaws.com"),
            json!(["ec2.amazonaws.com", "pods.eks.amazonaws.com"]),
        ]),
    )
        .prop_map(move |(managed, own, inline, tags, description, hours, service)| {
            let own = own.iter().map(|index| format!("${{IamPolicy.policy-{index}.arn}}"));
            let managed: Vec<_> = managed.iter().map(|&arn| arn.to_owned()).chain(own).collect();
            let mut spec = json!({
                "roleName": format!("Role{index}"),
                "trustPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Principal": {"Service": service},
                        "Action": ["sts:AssumeRole", "sts:TagSession"],
                    }],
                },
                "managedPolicies": managed,
                "inlinePolicies": inline,
                "tags": tags,
            });
            if let Some(description) = description {
                spec["description"] = description.into();
            }
            if let Some(hours) = hours {
                spec["maxSessionDuration"] = (hours * 3600).into();
            }
            resource("IamRole", &format!("role-{index}"), &spec)
        })
}

fn stack() -> impl Strategy<Value = Stack> {
    (1usize..3, 0usize..3).prop_flat_map(|(roles, policies)| {
        let policies_ = (0..policies).map(|index| policy(index).boxed()).collect::<Vec<_>>();
        let roles_ = (0..roles).map(|index| role(index, policies).boxed()).collect::<Vec<_>>();
        let association = proptest::option::of((0..roles, word()));
        let discovery = proptest::option::of(btree_map(word(), word(), 1..3));
        (policies_, roles_, association, discovery).prop_map(
            |(policies, roles, association, discovery)| {
                let mut documents = vec![
                    resource("Stack", "test", &json!({})),
                    json!({
                        "apiVersion": "lkh/v1",
                        "kind": "EksCluster",
                        "metadata": {"name": "main"},
                        "external": true,
                        "spec": {"name": "testskillcluster"},
                    }),
                ];
                documents.extend(policies);
                documents.extend(roles);
                documents.extend(association.map(|(role, account)| {
                    resource(
                        "PodIdentityAssociation",
                        "pods",
                        &json!({
                            "clusterName": "${EksCluster.main.name}",
                            "namespace": "default",
                            "serviceAccount": account,
                            "roleArn": format!("${{IamRole.role-{role}.arn}}"),
                        }),
                    )
                }));
                documents.extend(discovery.map(|tags| {
                    resource(
                        "Ec2Tags",
                        "network",
                        &json!({
                            "resources": [
                                "${EksCluster.main.subnetIds}",
                                "${EksCluster.main.clusterSecurityGroupId}",
                            ],
                            "tags": tags,
                        }),
                    )
                }));
                Stack(documents)
            },
        )
    })
}

impl Stack {
    /// One file for each document; JSON is YAML.
    fn write(&self, account: &Account) {
        account.clear();
        for (index, document) in self.0.iter().enumerate() {
            account.write(&format!("{index}.yaml"), &document.to_string());
        }
    }

    /// All documents in one file in another order, every map from its end.
    fn write_upside_down(&self, account: &Account, turn: usize) {
        account.clear();
        let mut documents: Vec<_> = self.0.iter().map(upside_down).collect();
        documents.reverse();
        let count = documents.len();
        documents.rotate_left(turn % count);
        account.write("deep/all.yml", &documents.join("\n---\n"));
    }
}

/// JSON text whose maps begin with their last key.
fn upside_down(json: &Json) -> String {
    match json {
        Json::Object(map) => {
            let entries = map
                .iter()
                .rev()
                .map(|(key, value)| format!("{}: {}", json!(key), upside_down(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Json::Array(list) => {
            format!("[{}]", list.iter().map(upside_down).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(config(10))]

    /// What was applied needs no second apply, whatever was there before.
    #[test]
    fn a_plan_after_an_apply_is_empty(stacks in vec(stack(), 1..4)) {
        let account = Account::new(&[("stack.yaml", "")]);
        for stack in stacks {
            stack.write(&account);
            let report = account.apply();
            prop_assert!(report.is_good(), "{}", report::run::text(&report));
            let (planned, _) = account.plan(Mode::Apply);
            let text = report::plan::text(&planned.plan, report::plan::Show::default());
            prop_assert!(!planned.plan.has_changes(), "{text}");
            prop_assert!(planned.plan.blocked().next().is_none(), "{text}");
            prop_assert!(account.state().unwrap().verify().is_ok());
        }
        let (report, _, _) = account.carry_out(Mode::Destroy, |_, _| ());
        prop_assert!(report.is_good(), "{}", report::run::text(&report));
        prop_assert!(account.state().unwrap().resources.is_empty());
        prop_assert!(!account.plan(Mode::Destroy).0.plan.has_changes());
    }

    /// Files, documents and keys have no order that means anything.
    #[test]
    fn order_means_nothing(stack in stack(), turn in 0usize..8) {
        let account = Account::new(&[("stack.yaml", "")]);
        stack.write(&account);
        let before = file::to_bytes(&account.plan(Mode::Apply).0.plan).unwrap();
        stack.write_upside_down(&account, turn);
        let after = file::to_bytes(&account.plan(Mode::Apply).0.plan).unwrap();
        prop_assert_eq!(String::from_utf8(before).unwrap(), String::from_utf8(after).unwrap());
    }

    /// Everything that a plan shows can be carried out by its file, too.
    #[test]
    fn a_saved_plan_reads_back(stack in stack()) {
        let account = Account::new(&[("stack.yaml", "")]);
        stack.write(&account);
        let plan = account.plan(Mode::Apply).0.plan;
        let bytes = file::to_bytes(&plan).unwrap();
        let back = file::from_bytes(&bytes).unwrap();
        prop_assert_eq!(file::to_bytes(&back).unwrap(), bytes);
        prop_assert_eq!(file::moved(&back, &plan), Vec::<String>::new());
    }
}

// Secrets.

/// Where in the values of a release a secret stands.
const WITH_SECRET: &str = r#"
apiVersion: lkh/v1
kind: Stack
metadata: {name: test}
spec:
  variables:
    token: {description: A secret., sensitive: true}
  kubernetes: {cluster: testskillcluster}
---
apiVersion: lkh/v1
kind: EksCluster
metadata: {name: main}
external: true
spec: {name: testskillcluster}
---
apiVersion: lkh/v1
kind: HelmRelease
metadata: {name: karpenter}
spec:
  namespace: kube-system
  chart: oci://public.ecr.aws/karpenter/karpenter
  version: "1.8.3"
  timeout: 1m
  values:
    settings: {clusterName: "${EksCluster.main.name}"}
    additionalAnnotations:
      whole: ${var.token}
      part: "https://user:${var.token}@example.invalid/${var.token}"
    controller:
      env:
        - {name: TOKEN, value: "${var.token}"}
"#;

/// The ways in which a text may stand in another one.
fn disguises(secret: &str) -> Vec<String> {
    let json = json!(secret).to_string();
    let inner = json.trim_matches('"').to_owned();
    let twice = json!(inner).to_string().trim_matches('"').to_owned();
    let mut disguises = vec![secret.to_owned(), inner, twice, hex::encode(secret)];
    disguises.dedup();
    disguises
}

fn hides(secret: &str, what: &str, text: &str) -> Result<(), TestCaseError> {
    for disguise in disguises(secret) {
        prop_assert!(!text.contains(&disguise), "{what} holds {disguise:?}:\n{text}");
    }
    Ok(())
}

/// Everything that people or files get to see of a plan and its apply.
fn hides_everywhere(account: &Account, secret: &str) -> Result<(), TestCaseError> {
    let show = report::plan::Show { commands: true, unchanged: true };
    let (planned, started) = account.plan(Mode::Apply);
    hides(secret, "the plan", &report::plan::text(&planned.plan, show))?;
    let saved = file::to_bytes(&planned.plan).unwrap();
    hides(secret, "the saved plan", std::str::from_utf8(&saved).unwrap())?;
    hides(secret, "Debug of the plan", &format!("{planned:?}"))?;
    for one in started {
        hides(secret, "an argv", &one.command)?;
    }
    let report = account.apply();
    hides(secret, "the report", &report::run::text(&report))?;
    hides(secret, "the report as data", &report::run::json(&report).to_string())?;
    for (path, bytes) in account.files() {
        if path != account.world() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            hides(secret, &path.display().to_string(), &text)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(8))]

    /// A secret reaches the release and nothing that anyone sees.
    #[test]
    fn secrets_show_nowhere(
        // Long enough to stand nowhere by chance.
        first in r#"[A-Za-z0-9 "'\\{}$:#äß/-]{8,20}[a-z]"#,
        second in "[A-Za-z0-9]{9,20}",
        nodes in 0usize..2,
    ) {
        // A template in a value is not resolved again, but an odd `${` is not
        // what this is about.
        let first = first.replace("${", "$(").trim().to_owned();
        let mut account = Account::new(&[("all.yaml", WITH_SECRET)]);
        // Without nodes the release fails, and the failure is told.
        account.sandbox().set_nodes(nodes).unwrap();
        account.variables = vec![format!("token={first}")];
        hides_everywhere(&account, &first)?;
        account.sandbox().set_nodes(2).unwrap();
        account.variables = vec![format!("token={second}")];
        hides_everywhere(&account, &second)?;
        let world = std::fs::read_to_string(account.world()).unwrap();
        prop_assert!(world.contains(&second), "the release never got it");
        hides_everywhere(&account, &first)?;
    }
}
