use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::adapter::{Blocker, Identity};
use crate::diff::{FieldChange, Origin};
use crate::plan::{Change, FORMAT_VERSION, Mode, PlannedCommand, Reason};
use crate::value::{Digest, Map, Path, Value};

fn change(address: &str, action: Action) -> Change {
    Change {
        address: address.parse().unwrap(),
        phase: None,
        identity: Identity::default(),
        action,
        reason: Reason::FieldsDiffer,
        fields: vec![],
        foreign: vec![],
        before: None,
        after: None,
        notes: vec![],
        commands: vec![],
        depends_on: BTreeSet::new(),
        prevent_destroy: false,
        blockers: vec![],
    }
}

fn field(path: &[&str], before: serde_json::Value, after: serde_json::Value) -> FieldChange {
    let mut segments = path.iter();
    let first = Path::new(*segments.next().unwrap());
    let side = |json: serde_json::Value| (!json.is_null()).then(|| Value::from_json(&json));
    FieldChange {
        path: segments.fold(first, |path, segment| path.join(*segment)),
        before: side(before),
        after: side(after),
        origin: Origin::Change,
        replace: false,
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION,
        stack: "s".into(),
        mode: Mode::Apply,
        account: String::new(),
        region: String::new(),
        lineage: Some("l".into()),
        serial: 1,
        after: None,
        manifests: Digest::of(b"m"),
        variables: Map::new(),
        targets: vec![],
        changes,
        outputs: vec![],
    }
}

/// The risk, why, and whether it can be taken back, of one change.
fn judged(change: Change) -> (Risk, String, &'static str) {
    let found = assess(&plan(vec![change]), &Verdicts::new()).remove(0);
    (found.risk, found.why, found.reversible.word())
}

fn with(address: &str, field: FieldChange) -> Change {
    Change { fields: vec![field], ..change(address, Action::Update) }
}

#[test]
fn every_kind_is_at_least_a_destroy_when_it_goes() {
    for &kind in crate::adapter::Kind::ALL {
        for action in [Action::Delete, Action::Replace] {
            let (risk, why, _) = judged(change(&format!("{kind}.x"), action));
            assert!(risk <= Risk::Destroy, "{kind} {action:?}: {risk:?}");
            assert!(!why.is_empty());
        }
        for action in [Action::NoOp, Action::Check, Action::Unknown] {
            assert_eq!(judged(change(&format!("{kind}.x"), action)).0, Risk::None);
        }
        for action in [Action::Adopt, Action::Forget] {
            assert_eq!(judged(change(&format!("{kind}.x"), action)).0, Risk::Adopt);
        }
        let (risk, ..) = judged(change(&format!("{kind}.x"), Action::Create));
        assert!(matches!(risk, Risk::Create | Risk::Access), "{kind}: {risk:?}");
        let (risk, ..) = judged(change(&format!("{kind}.x"), Action::Repair));
        assert_eq!(risk, Risk::Disruption, "{kind}");
        let (risk, ..) =
            judged(with(&format!("{kind}.x"), field(&["tags", "a"], json!("b"), json!("c"))));
        assert!(risk == Risk::InPlace || kind == crate::adapter::Kind::Script, "{kind}: {risk:?}");
    }
}

#[test]
fn what_holds_data_is_the_worst() {
    for address in ["S3Bucket.a", "EksCluster.a", "CloudFormationStack.a"] {
        assert_eq!(judged(change(address, Action::Delete)).0, Risk::DataLoss);
        assert_eq!(judged(change(address, Action::Replace)).2, "no");
    }
    let object = |kind: &str| Change {
        identity: Identity::new([("kind", kind.into())]),
        ..change("KubernetesObject.a", Action::Delete)
    };
    assert_eq!(judged(object("PersistentVolumeClaim")).0, Risk::DataLoss);
    assert_eq!(judged(object("CustomResourceDefinition")).0, Risk::DataLoss);
    assert_eq!(judged(object("ConfigMap")).0, Risk::Destroy);
    let mut secret = change("KubernetesSecret.a", Action::Replace);
    assert_eq!(judged(secret.clone()).0, Risk::Destroy, "the old one stays");
    secret.commands = vec![PlannedCommand {
        title: String::new(),
        argv: vec!["kubectl".into(), "delete".into()],
        input: None,
    }];
    assert_eq!(judged(secret).0, Risk::DataLoss);
    let mut release = change("HelmRelease.a", Action::Delete);
    assert_eq!(judged(release.clone()).0, Risk::Destroy);
    let objects = json!({"Deployment/n/a": {}, "PersistentVolumeClaim/n/data": {}});
    release.before = Some(Map::from([("objects".into(), Value::from_json(&objects))]));
    let (risk, why, _) = judged(release);
    assert_eq!(risk, Risk::DataLoss);
    assert!(why.contains("PersistentVolumeClaim/n/data"), "{why}");
    let mut namespace = change("Namespace.a", Action::Delete);
    assert_eq!(judged(namespace.clone()).0, Risk::Destroy);
    namespace.blockers =
        vec![Blocker { code: "x".into(), message: String::new(), next: String::new() }];
    assert_eq!(judged(namespace).0, Risk::DataLoss);
}

#[test]
fn fields_tell_how_dangerous_an_update_is() {
    let on = |path: &[&str], before, after| field(path, before, after);
    let none = || json!(null);
    let rule = json!({"Status": "Enabled", "Expiration": {"Days": 1}});
    let off = json!({"Status": "Disabled", "Expiration": {"Days": 1}});
    let deployment = "Deployment/n/a";
    let cases = [
        ("S3Bucket", on(&["lifecycle", "r"], none(), rule), Risk::DataLoss),
        ("S3Bucket", on(&["lifecycle", "r"], none(), off), Risk::InPlace),
        ("S3Bucket", on(&["lifecycle", "r"], json!({}), none()), Risk::InPlace),
        (
            "S3Bucket",
            on(&["publicAccessBlock", "BlockPublicAcls"], json!(true), json!(false)),
            Risk::Access,
        ),
        (
            "S3Bucket",
            on(&["publicAccessBlock", "BlockPublicAcls"], json!(false), json!(true)),
            Risk::InPlace,
        ),
        ("S3Bucket", on(&["policy"], none(), json!({})), Risk::Access),
        ("EksCluster", on(&["version"], json!("1.33"), json!("1.34")), Risk::Disruption),
        ("EksCluster", on(&["endpointPublicAccess"], json!(false), json!(true)), Risk::Access),
        (
            "EksCluster",
            on(&["publicAccessCidrs", "0.0.0.0/0"], none(), json!("0.0.0.0/0")),
            Risk::Access,
        ),
        (
            "EksCluster",
            on(&["publicAccessCidrs", "0.0.0.0/0"], json!("0.0.0.0/0"), none()),
            Risk::Disruption,
        ),
        ("EksNodegroup", on(&["releaseVersion"], json!("a"), json!("b")), Risk::Disruption),
        ("EksNodegroup", on(&["maxSize"], json!(5), json!(3)), Risk::Disruption),
        ("EksNodegroup", on(&["maxSize"], json!(3), json!(5)), Risk::InPlace),
        ("EksAddon", on(&["version"], json!("a"), json!("b")), Risk::Disruption),
        ("IamRole", on(&["trustPolicy"], json!({}), json!({"a": 1})), Risk::Access),
        ("IamRole", on(&["description"], json!("a"), json!("b")), Risk::InPlace),
        ("PodIdentityAssociation", on(&["roleArn"], json!("a"), json!("b")), Risk::Access),
        ("EksAccessEntry", on(&["accessPolicies", "a"], none(), json!({})), Risk::Access),
        ("EksAccessEntry", on(&["accessPolicies", "a"], json!({}), none()), Risk::InPlace),
        ("HelmRelease", on(&["values", "a"], json!(1), json!(2)), Risk::InPlace),
        (
            "HelmRelease",
            on(&["objects", deployment, "spec", "replicas"], json!(1), json!(2)),
            Risk::Disruption,
        ),
        (
            "HelmRelease",
            on(&["objects", "ClusterRole/a", "rules"], json!([]), json!([1])),
            Risk::Access,
        ),
        (
            "HelmRelease",
            on(&["objects", "PersistentVolumeClaim/n/a"], json!({}), none()),
            Risk::DataLoss,
        ),
        (
            "HelmRelease",
            on(&["objects", "CustomResourceDefinition/a", "spec"], json!(1), json!(2)),
            Risk::Disruption,
        ),
        (
            "HelmRelease",
            on(
                &["objects", "Service/n/a", "spec", "type"],
                json!("ClusterIP"),
                json!("LoadBalancer"),
            ),
            Risk::Access,
        ),
        (
            "KubernetesObject",
            on(&["object", "ConfigMap/n/a", "data", "k"], json!("1"), json!("2")),
            Risk::InPlace,
        ),
        (
            "CloudFormationStack",
            on(&["template", "Resources", "Queue", "Type"], json!("x"), none()),
            Risk::DataLoss,
        ),
        ("Route53Record", on(&["values"], json!(["a"]), json!(["b"])), Risk::Disruption),
        (
            "Namespace",
            on(&["labels", "pod-security.kubernetes.io/enforce"], json!("restricted"), none()),
            Risk::Access,
        ),
    ];
    for (kind, field, expected) in cases {
        let path = field.path.to_string();
        let (risk, why, _) = judged(with(&format!("{kind}.x"), field));
        assert_eq!(risk, expected, "{kind} {path}: {why}");
    }
}

#[test]
fn a_change_is_as_dangerous_as_its_worst_field() {
    let mut both = with("EksCluster.x", field(&["tags", "a"], json!(1), json!(2)));
    both.fields.push(field(&["version"], json!("1.33"), json!("1.34")));
    let (risk, why, reversible) = judged(both);
    assert_eq!((risk, reversible), (Risk::Disruption, "no"));
    assert_eq!(why, "the control plane is upgraded");
}

#[test]
fn what_is_known_of_access_outweighs_what_is_only_seen() {
    let trust = || with("IamRole.x", field(&["trustPolicy"], json!({}), json!({"a": 1})));
    let with = |verdict: Verdict| {
        let verdicts = Verdicts::from([("IamRole.x".parse().unwrap(), verdict)]);
        let found = assess(&plan(vec![trust()]), &verdicts).remove(0);
        (found.risk, found.why)
    };
    assert_eq!(with(Verdict::Same).0, Risk::InPlace);
    assert_eq!(with(Verdict::Narrower), (Risk::InPlace, "less becomes possible".into()));
    assert_eq!(with(Verdict::Wider("s3:*".into())), (Risk::Access, "s3:*".into()));
    assert_eq!(with(Verdict::Undecided("a variable".into())).0, Risk::Access);
}

#[test]
fn the_worst_comes_first_and_numbers_count_as_numbers() {
    let changes = vec![
        change("IamRole.r10", Action::Delete),
        change("IamRole.r2", Action::Delete),
        change("Namespace.a", Action::Adopt),
        change("S3Bucket.b", Action::Delete),
        change("EksCluster.c", Action::NoOp),
    ];
    let order: Vec<String> = assess(&plan(changes), &Verdicts::new())
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    assert_eq!(order, ["S3Bucket.b", "IamRole.r2", "IamRole.r10", "Namespace.a", "EksCluster.c"]);
    let mut ranks: Vec<u8> = Risk::ALL.iter().map(|risk| risk.rank()).collect();
    assert!(ranks.is_sorted() && Risk::ALL.is_sorted());
    ranks.dedup();
    assert_eq!(ranks.len(), Risk::ALL.len());
    assert_eq!(natural_text("a01", "a1"), Ordering::Less);
    assert_eq!(natural_text("a1", "a1-b"), Ordering::Less);
}

#[test]
fn dependents_are_counted_through_others_and_once() {
    let on = |address: &str, on: &[&str]| Change {
        depends_on: on.iter().map(|one| one.parse().unwrap()).collect(),
        ..change(address, Action::NoOp)
    };
    let count = |changes: Vec<Change>| -> BTreeMap<String, usize> {
        let found = assess(&plan(changes), &Verdicts::new());
        found.into_iter().map(|one| (one.address.name, one.dependents)).collect()
    };
    let found = count(vec![
        on("IamRole.d", &["IamRole.b", "IamRole.c"]),
        on("IamRole.a", &["IamRole.elsewhere"]),
        on("IamRole.b", &["IamRole.a"]),
        on("IamRole.c", &["IamRole.a"]),
    ]);
    assert_eq!((found["a"], found["b"], found["c"], found["d"]), (3, 1, 1, 0));
    // More than fit into one word, and a circle that only an edited plan holds.
    let chain: Vec<Change> = (0..200)
        .map(|n| match n {
            0 => on("IamRole.n0", &[]),
            n => on(&format!("IamRole.n{n}"), &[&format!("IamRole.n{}", n - 1)]),
        })
        .collect();
    let found = count(chain);
    assert_eq!((found["n0"], found["n100"], found["n199"]), (199, 99, 0));
    let found = count(vec![
        on("IamRole.a", &["IamRole.b"]),
        on("IamRole.b", &["IamRole.a"]),
        on("IamRole.c", &["IamRole.b"]),
    ]);
    assert_eq!(found["b"], 1);
}

#[test]
fn drift_that_is_undone_is_marked() {
    let drifted = FieldChange {
        origin: Origin::Drift,
        ..field(&["description"], json!("someone"), json!("ours"))
    };
    let bound = |name: &str, to: &str| Change {
        reason: Reason::BoundTo { address: to.parse().unwrap() },
        ..change(name, Action::Replace)
    };
    let found = assess(
        &plan(vec![
            with("IamRole.drifted", drifted),
            with("IamRole.changed", field(&["description"], json!("a"), json!("b"))),
            bound("EksAccessEntry.of-drifted", "IamRole.drifted"),
            bound("EksAccessEntry.of-itself", "EksAccessEntry.of-itself"),
        ]),
        &Verdicts::new(),
    );
    let marked: Vec<String> =
        found.iter().filter(|one| one.undoes_drift).map(|one| one.address.to_string()).collect();
    assert_eq!(marked, ["EksAccessEntry.of-drifted", "IamRole.drifted"]);
}
