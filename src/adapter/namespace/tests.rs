//! Recorded answers, and the steps that follow from them.

use serde_json::json;

use super::*;
use crate::adapter::Prior;
use crate::adapter::kube::testing::{fails, nothing, prints, read};
use crate::command::Answer;
use crate::diff::{FieldChange, Origin};

fn desired(spec: &Json) -> Result<Desired, Vec<Problem>> {
    let context = Context { name: "lake".into(), ..Context::default() };
    Namespace.desired(&Value::from_json(spec), &context)
}

fn live(json: &Json, wanted: bool) -> Object {
    let desired = desired(&json!({})).unwrap();
    let prior = Prior { identity: desired.identity.clone(), ..Prior::default() };
    let subject = Subject::alone(&desired.identity, wanted.then_some(&desired), Some(&prior));
    let contents = json!({"kind": "List", "items": [
        {"kind": "ServiceAccount", "metadata": {"name": "default"}},
        {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}},
        {"kind": "ConfigMap", "metadata": {"name": "mine"}},
        {"kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": {
            "name": "default-token-x",
            "annotations": {"kubernetes.io/service-account.name": "default"},
        }},
        {"kind": "Pod", "metadata": {"name": "web-1", "ownerReferences": [{"kind": "ReplicaSet"}]}},
        {"kind": "Pod", "metadata": {"name": "going", "deletionTimestamp": "2026-11-22T14:00:00Z"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0"}},
    ]});
    let answer = |command: &str| match command {
        text if text.contains("api-resources") => Answer {
            stdout: "configmaps\nevents\npods\n--all\nwidgets.x.io\n".into(),
            ..Answer::default()
        },
        text if text.contains("get namespace") => prints(json),
        text => {
            let types = "kubectl get configmaps,pods,widgets.x.io -n lake -o json";
            assert_eq!(text, types, "neither what passes nor what could be a flag");
            prints(&contents)
        }
    };
    match read(&Namespace, &subject, answer).0.unwrap() {
        Reading::Live(Live::Present(object)) => *object,
        other => panic!("{other:?}"),
    }
}

fn namespace(more: &Json) -> Json {
    let mut json = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": "lake",
            "labels": {"team": "data", "kubernetes.io/metadata.name": "lake"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "status": {"phase": "Active"},
    });
    if !more.is_null() {
        json["metadata"]["deletionTimestamp"] = json!("2026-11-22T14:00:00Z");
        json["status"] = json!({"phase": "Terminating", "conditions": more});
    }
    json
}

fn step(
    verb: Verb,
    object: Option<&Object>,
    changes: &[FieldChange],
) -> Result<Step, Vec<Blocker>> {
    let desired = desired(&json!({"labels": {"team": "data"}})).unwrap();
    let operation = Operation {
        verb,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object,
        changes,
    };
    Namespace.steps(&operation).map(|mut steps| steps.remove(0))
}

#[test]
fn what_can_be_declared_and_what_not() {
    let desired = desired(&json!({"labels": {"a.b/c": ""}, "annotations": {"x": "--y"}})).unwrap();
    assert_eq!(desired.identity.part("name"), "lake", "the resource's name");
    for spec in [
        json!({"name": "-rf"}),
        json!({"name": "--all"}),
        json!({"name": "A"}),
        json!({"name": ""}),
        json!({"labels": {"-x": "a"}}),
        json!({"labels": {"x": "-a"}}),
        json!({"labels": {"x": "a b"}}),
        json!({"annotations": {"a/b/c": "x"}}),
    ] {
        assert_eq!(super::tests::desired(&spec).unwrap_err().len(), 1, "{spec}");
    }
    let secret = |value: Value| {
        let spec = Value::Map(Map::from([("name".to_owned(), value)]));
        Namespace.desired(&spec, &Context::default()).unwrap_err()[0].summary.clone()
    };
    let hidden = secret(Value::Sensitive(Box::new("canary".into())));
    assert!(hidden.contains("must not be sensitive") && !hidden.contains("canary"), "{hidden}");
    // A name that another resource tells is waited for.
    let unknown = Value::Map(Map::from([("name".to_owned(), Value::Unknown("${x}".into()))]));
    let desired = Namespace.desired(&unknown, &Context::default()).unwrap();
    assert!(!desired.identity.is_known());
}

#[test]
fn absent_only_when_the_server_says_so() {
    let desired = desired(&json!({})).unwrap();
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    let of = |answer: Answer| read(&Namespace, &subject, move |_| answer.clone()).0;
    assert_eq!(of(nothing()), Ok(Reading::Live(Live::Absent)));
    for stderr in ["Error from server (Forbidden): no", "Unable to connect to the server: x", ""] {
        assert!(of(fails(stderr)).is_err(), "{stderr}");
    }
    let hostile = Identity::new([("name", "--all".into())]);
    let subject = Subject::alone(&hostile, None, None);
    let (result, asked) = read(&Namespace, &subject, |_| nothing());
    assert!(result.is_err() && asked.is_empty(), "an edited state runs nothing");
}

#[test]
fn marks_of_the_server_do_not_count() {
    let object = live(&namespace(&Json::Null), true);
    assert_eq!(object.attributes.get("labels").unwrap().reveal().unwrap(), json!({"team": "data"}));
    assert_eq!(object.attributes.get("annotations").unwrap().reveal().unwrap(), json!({}));
    assert_eq!(object.health, Health::Sound);
    assert!(Namespace.obstacles(&Identity::default(), &object).is_empty(), "it stays");
}

#[test]
fn only_what_differs_is_patched() {
    let change = |key: &str, after: Option<&str>| FieldChange {
        path: Path::new("labels").join(key),
        before: None,
        after: after.map(Value::from),
        origin: Origin::Change,
        replace: false,
    };
    let changes = [change("a.b/c", Some("d")), change("gone", None)];
    let step = step(Verb::Update, None, &changes).unwrap();
    assert_eq!(
        step.command.to_string(),
        "kubectl patch namespace lake --type=merge --patch-file=/dev/stdin --field-manager=lkh"
    );
    assert_eq!(
        step.command.stdin.unwrap().reveal().unwrap(),
        json!({"metadata": {"labels": {"a.b/c": "d", "gone": null}}})
    );
}

#[test]
fn it_is_not_deleted_with_what_others_put_into_it() {
    let object = live(&namespace(&Json::Null), false);
    let found = Namespace.obstacles(&Identity::new([("name", "lake".into())]), &object);
    assert_eq!(found.len(), 1);
    let told = &found[0].message;
    assert!(told.ends_with("ConfigMap/mine, PersistentVolumeClaim/data-db-0"), "{told}");
    let delete = step(Verb::Delete, Some(&object), &[]).unwrap().command.to_string();
    assert_eq!(delete, "kubectl delete namespace lake --ignore-not-found --wait=false");
}

#[test]
fn one_that_is_going_is_waited_for_unless_it_is_stuck() {
    let condition = |kind: &str, message: &str| json!({"type": kind, "status": "True", "reason": "x", "message": message});
    let content = condition("NamespaceContentRemaining", "pods. has 2 resource instances");
    let object = live(&namespace(&json!([content])), true);
    let Health::Outdated(why) = &object.health else { panic!("{:?}", object.health) };
    assert!(why.contains("being deleted") && why.contains("pods. has 2"), "{why}");
    let wait = step(Verb::Delete, Some(&object), &[]).unwrap().command.to_string();
    assert_eq!(wait, "kubectl wait --for=delete namespace/lake --timeout=300s");

    for kind in [
        "NamespaceFinalizersRemaining",
        "NamespaceDeletionContentFailure",
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
    ] {
        let object = live(&namespace(&json!([content, condition(kind, "because")])), true);
        let blockers = step(Verb::Delete, Some(&object), &[]).unwrap_err();
        assert_eq!(blockers.len(), 1);
        assert!(blockers[0].code == kind && blockers[0].message.contains("because"));
    }
    let gone = live(&namespace(&json!([])), false);
    assert!(matches!(gone.health, Health::Busy(_)), "nobody wants it back");
}

#[test]
fn claims_and_their_volumes_go_first_where_the_manifest_says_so() {
    let said = |spec: &Json| {
        let desired = desired(spec).unwrap();
        let settings = desired.settings.clone();
        let prior = Prior { identity: desired.identity.clone(), settings, ..Prior::default() };
        let subject = Subject::alone(&desired.identity, None, Some(&prior));
        let claim =
            |name: &str| json!({"kind": "PersistentVolumeClaim", "metadata": {"name": name}});
        let volume = |name: &str, namespace: &str, policy: &str| {
            json!({"kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
                "claimRef": {"namespace": namespace}, "persistentVolumeReclaimPolicy": policy,
            }})
        };
        let list = |items: &[Json]| prints(&json!({"kind": "List", "items": items}));
        let (result, asked) = read(&Namespace, &subject, |command| match command {
            text if text.contains("api-resources") => {
                Answer { stdout: "persistentvolumeclaims\n".into(), ..Answer::default() }
            }
            text if text.contains("get namespace") => prints(&namespace(&Json::Null)),
            text if text.contains("get persistentvolumes ") => list(&[
                volume("pvc-1", "lake", "Delete"),
                volume("pvc-2", "lake", "Retain"),
                volume("pvc-3", "other", "Delete"),
            ]),
            _ => list(&[claim("data-db-1"), claim("data-db-0"), claim("--all")]),
        });
        let Reading::Live(Live::Present(object)) = result.unwrap() else { panic!("{asked:?}") };
        let operation = Operation {
            verb: Verb::Delete,
            identity: &desired.identity,
            desired: None,
            prior: Some(&prior),
            object: Some(&object),
            changes: &[],
        };
        let steps = Namespace.steps(&operation).unwrap();
        let steps: Vec<_> = steps.into_iter().map(|step| step.command.to_string()).collect();
        (Namespace.obstacles(&desired.identity, &object).len(), steps)
    };
    let (obstacles, steps) = said(&json!({"volumeClaims": "delete"}));
    assert_eq!(obstacles, 0);
    assert_eq!(
        steps,
        [
            "kubectl delete persistentvolumeclaims data-db-0 data-db-1 -n lake \
             --ignore-not-found --timeout=300s",
            "kubectl wait --for=delete persistentvolume/pvc-1 --timeout=300s",
            "kubectl delete namespace lake --ignore-not-found --wait=false",
        ]
    );
    let (obstacles, steps) = said(&json!({}));
    assert_eq!((obstacles, steps.len()), (1, 1), "they keep the namespace");
}
