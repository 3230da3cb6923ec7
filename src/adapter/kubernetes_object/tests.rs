//! Recorded answers, and the steps that follow from them.

use serde_json::{Value as Json, json};

use super::read::{conflicts, immutable};
use super::*;
use crate::adapter::kube::testing::{fails, nothing, prints, read};
use crate::adapter::{Identity, Live, Prior, Verb};
use crate::command::Answer;
use crate::diff::{FieldChange, Sides, compare};
use crate::value::Map;

fn spec(manifest: &Json, more: &Json) -> Value {
    let mut spec = json!({"manifest": manifest});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    Value::from_json(&spec)
}

fn desired(manifest: &Json, more: &Json) -> Desired {
    KubernetesObject.desired(&spec(manifest, more), &Context::default()).unwrap()
}

fn config(data: &Json) -> Json {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "lake"}, "data": data,
    })
}

fn applied(data: &Json, manager: &str, operation: &str) -> Json {
    let mut live = config(data);
    live["metadata"]["managedFields"] =
        json!([{"manager": manager, "operation": operation, "fieldsV1": {}}]);
    live
}

fn prior(desired: &Desired) -> Prior {
    Prior {
        identity: desired.identity.clone(),
        attributes: desired.attributes.clone(),
        settings: desired.settings.clone(),
        ..Prior::default()
    }
}

type Planned = (Vec<String>, Vec<FieldChange>, Result<Vec<Step>, Vec<Blocker>>);

/// What was asked, what differs, and what follows.
fn plan(desired: &Desired, prior: Option<&Prior>, live: &Json, trial: &Answer) -> Planned {
    let subject = Subject::alone(&desired.identity, Some(desired), prior);
    let answer = |command: &str| {
        if command.contains("--dry-run=server") { trial.clone() } else { prints(live) }
    };
    let (reading, asked) = read(&KubernetesObject, &subject, answer);
    let object = match reading.unwrap() {
        Reading::Live(Live::Present(object)) => object,
        other => panic!("{other:?}"),
    };
    let mut remembered = prior.map(|prior| prior.attributes.clone()).unwrap_or_default();
    remembered.extend(object.prior.clone());
    let known = prior.is_some() || !object.prior.is_empty();
    let sides = Sides {
        desired: &desired.attributes,
        prior: known.then_some(&remembered),
        live: &object.attributes,
    };
    let changes = compare(KubernetesObject.attributes(), &desired.exclusive, sides, &[]).changes;
    let steps = KubernetesObject.steps(&Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(desired),
        prior,
        object: Some(&object),
        changes: &changes,
    });
    (asked, changes, steps)
}

fn paths(changes: &[FieldChange]) -> Vec<String> {
    changes.iter().map(|change| change.path.segments().join("/")).collect()
}

const GET: &str = "kubectl get -f - --ignore-not-found --show-managed-fields -o json";
const TRIAL: &str = "kubectl apply --server-side --field-manager=lkh --dry-run=server -f -";

#[test]
fn an_object_as_declared_takes_one_read() {
    let wanted = desired(&config(&json!({"a": "1"})), &json!({}));
    let live = applied(&json!({"a": "1", "theirs": "x"}), "lkh", "Apply");
    let (asked, changes, _) = plan(&wanted, Some(&prior(&wanted)), &live, &nothing());
    assert_eq!(asked, [GET]);
    assert_eq!(paths(&changes), [""; 0]);
}

#[test]
fn an_object_that_nobody_applies_is_taken_over_even_where_it_is_equal() {
    let wanted = desired(&config(&json!({"a": "1"})), &json!({}));
    let live = applied(&json!({"a": "1"}), "kubectl-create", "Update");
    let (asked, changes, steps) = plan(&wanted, None, &live, &nothing());
    assert_eq!(asked, [GET, TRIAL]);
    assert_eq!(paths(&changes), ["fieldManager"]);
    let command = steps.unwrap().remove(0).command;
    assert_eq!(command.to_string(), "kubectl apply --server-side --field-manager=lkh -f -");
    assert_eq!(command.stdin.unwrap().reveal().unwrap(), config(&json!({"a": "1"})));
}

#[test]
fn what_client_side_apply_remembers_and_is_not_declared_goes_in_the_plan_too() {
    let wanted = desired(&config(&json!({"a": "1"})), &json!({}));
    let mut live = applied(&json!({"a": "1", "b": "2"}), "kubectl-client-side-apply", "Update");
    let last = config(&json!({"a": "1", "b": "2"})).to_string();
    live["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let (_, changes, _) = plan(&wanted, None, &live, &nothing());
    assert_eq!(paths(&changes), ["fieldManager", "object/ConfigMap/lake/settings/data/b"]);
}

#[test]
fn a_field_of_someone_else_is_a_blocker_until_it_is_taken() {
    let conflict = "error: Apply failed with 1 conflict: conflict with \"hpa\" using v1: .data.a\n\
                    Please review the fields above--they currently have other managers.";
    let before = desired(&config(&json!({"b": "1"})), &json!({}));
    let manifest = config(&json!({"a": "1", "b": "1"}));
    let live = applied(&json!({"a": "9", "b": "1"}), "lkh", "Apply");
    let wanted = desired(&manifest, &json!({}));
    let (_, changes, steps) = plan(&wanted, Some(&prior(&before)), &live, &fails(conflict));
    assert_eq!(paths(&changes), ["object/ConfigMap/lake/settings/data/a"]);
    let blockers = steps.unwrap_err();
    assert_eq!(blockers[0].code, "FieldConflict");
    assert!(blockers[0].message.starts_with("hpa has set .data.a of configmap settings in lake"));

    let forced = desired(&manifest, &json!({"force": true}));
    let (_, _, steps) = plan(&forced, Some(&prior(&before)), &live, &fails(conflict));
    let command = steps.unwrap().remove(0).command.to_string();
    assert!(command.contains(" --force-conflicts "), "{command}");

    // What was applied and is undone is taken back: the plan shows it as drift.
    let (_, _, steps) = plan(&wanted, Some(&prior(&wanted)), &live, &fails(conflict));
    assert!(steps.unwrap().remove(0).command.to_string().contains("--force-conflicts"));
}

#[test]
fn what_can_not_change_is_named_and_replaced_when_told() {
    let web = |app: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "lake"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}},
        })
    };
    let refused = "The Deployment \"web\" is invalid: spec.selector: Invalid value: \
                   {\"matchLabels\":{\"app\":\"two\"}}: field is immutable";
    let before = prior(&desired(&web("one"), &json!({})));
    let mut live = web("one");
    live["metadata"]["managedFields"] = json!([{"manager": "lkh", "operation": "Apply"}]);
    let (_, _, steps) =
        plan(&desired(&web("two"), &json!({})), Some(&before), &live, &fails(refused));
    let blockers = steps.unwrap_err();
    assert_eq!(blockers[0].code, "FieldImmutable");
    assert!(blockers[0].message.contains("spec.selector"), "{}", blockers[0].message);

    let told = desired(&web("two"), &json!({"replaceOnChange": ["spec.selector"]}));
    let (asked, changes, _) = plan(&told, Some(&before), &live, &fails(refused));
    assert!(!asked.iter().any(|one| one == TRIAL), "what is made anew is not tried: {asked:?}");
    assert_eq!(paths(&changes), ["fixed/Deployment/lake/web/spec/selector/matchLabels/app"]);
    assert!(changes[0].replace);
    let document = read::document(&told, &told.identity).unwrap();
    assert_eq!(Value::Map(document).reveal().unwrap(), web("two"), "nothing is lost on the way");
}

#[test]
fn the_words_of_kubectl() {
    let one = "error: Apply failed with 1 conflict: conflict with \"a\" using apps/v1: .spec.replicas\nPlease";
    assert_eq!(conflicts(one), [("a".to_owned(), ".spec.replicas".to_owned())]);
    let many = "error: Apply failed with 3 conflicts: conflicts with \"a\" using apps/v1:\n\
                - .spec.replicas\n- .spec.template.spec.containers[name=\"c\"].image\n\
                conflicts with \"b\" with subresource \"scale\":\n- .spec.paused\nPlease review\n- no";
    let found = conflicts(many);
    let of = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(
        found,
        [
            of("a", ".spec.replicas"),
            of("a", ".spec.template.spec.containers[name=\"c\"].image"),
            of("b", ".spec.paused"),
        ]
    );
    assert!(conflicts("Error from server (Forbidden): x").is_empty());
    let many = "The Job \"x\" is invalid: \n* spec.selector: Invalid value: {}: field is immutable\n\
                * spec.completions: Invalid value: 2: field is immutable\n";
    assert_eq!(immutable(many), ["spec.selector", "spec.completions"]);
}

#[test]
fn an_unknown_kind_is_missing_and_says_what_brings_it() {
    let pool = json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
    });
    let wanted = desired(&pool, &json!({}));
    assert_eq!(wanted.identity.to_string(), "group=karpenter.sh kind=NodePool name=default");
    let subject = Subject::alone(&wanted.identity, Some(&wanted), None);
    let unserved = "error: resource mapping not found for name: \"default\" namespace: \"\" from \
                    \"STDIN\": no matches for kind \"NodePool\" in version \"karpenter.sh/v1\"\n\
                    ensure CRDs are installed first";
    match read(&KubernetesObject, &subject, |_| fails(unserved)).0 {
        Ok(Reading::Missing(why)) => {
            assert_eq!(why.code, "NoSuchKind");
            assert!(why.next.contains("karpenter.sh"), "{}", why.next);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(read(&KubernetesObject, &subject, |_| nothing()).0, Ok(Reading::Live(Live::Absent)));
    assert!(
        read(&KubernetesObject, &subject, |_| fails("Error from server (Forbidden): x")).0.is_err()
    );
    // A namespace that nobody named would be another object.
    let mut live = pool.clone();
    live["metadata"]["namespace"] = json!("default");
    assert!(read(&KubernetesObject, &subject, |_| prints(&live)).0.is_err());
}

#[test]
fn an_object_is_deleted_by_its_names_and_what_holds_it_is_told() {
    let wanted = desired(&config(&json!({"a": "1"})), &json!({}));
    let before = prior(&wanted);
    let step = KubernetesObject
        .steps(&Operation {
            verb: Verb::Delete,
            identity: &wanted.identity,
            desired: None,
            prior: Some(&before),
            object: None,
            changes: &[],
        })
        .unwrap()
        .remove(0);
    assert_eq!(step.command.to_string(), "kubectl delete -f - --ignore-not-found --wait=false");
    assert_eq!(
        step.command.stdin.unwrap().reveal().unwrap(),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "lake"}})
    );
    let mut live = config(&json!({}));
    live["metadata"]["deletionTimestamp"] = json!("2026-11-22T14:00:00Z");
    live["metadata"]["finalizers"] = json!(["lake.io/hold"]);
    let subject = Subject::alone(&wanted.identity, None, Some(&before));
    match read(&KubernetesObject, &subject, |_| prints(&live)).0 {
        Ok(Reading::Live(Live::Present(object))) => {
            let why = "it is being deleted, and the finalizer lake.io/hold holds it";
            assert_eq!(object.health, crate::adapter::Health::Busy(why.into()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_state_that_someone_edited_runs_nothing() {
    let wanted = desired(&config(&json!({})), &json!({}));
    let mut before = prior(&wanted);
    for (key, value) in [("kind", "--all"), ("name", "../x"), ("namespace", "-A")] {
        let mut identity: Identity = wanted.identity.clone();
        identity.0.insert(key.to_owned(), value.into());
        before.identity = identity.clone();
        let subject = Subject::alone(&identity, None, Some(&before));
        let (result, asked) = read(&KubernetesObject, &subject, |_| nothing());
        assert!(result.is_err() && asked.is_empty(), "{key}");
    }
}

#[test]
fn secrets_and_unknown_parts_pass_through_hidden() {
    let hidden = Value::Sensitive(Box::new(Value::from("canary")));
    let data = Map::from([
        ("password".to_owned(), hidden),
        ("later".to_owned(), Value::Unknown("${IamRole.x.roleId}".into())),
    ]);
    let Value::Map(mut manifest) = Value::from_json(&config(&json!({}))) else { unreachable!() };
    manifest.insert("data".into(), Value::Map(data));
    let spec = Value::Map(Map::from([("manifest".to_owned(), Value::Map(manifest))]));
    let mut wanted = KubernetesObject.desired(&spec, &Context::default()).unwrap();
    assert!(
        wanted.attributes.get("object").unwrap().has_unknown()
            && wanted.attributes.get("object").unwrap().has_sensitive()
    );
    assert!(!format!("{wanted:?}").contains("canary"));
    // Once it is known, a live secret is hidden where the manifest hides it.
    if let Some(Value::Map(tree)) = wanted.attributes.get_mut("object")
        && let Some(Value::Map(body)) = tree.get_mut("ConfigMap/lake/settings")
        && let Some(Value::Map(data)) = body.get_mut("data")
    {
        data.remove("later");
    }
    let live = applied(&json!({"password": "canary-live"}), "lkh", "Apply");
    let (_, changes, _) = plan(&wanted, None, &live, &nothing());
    assert_eq!(changes.len(), 1);
    assert!(!format!("{changes:?}").contains("canary"), "{changes:?}");
}

#[test]
fn manifests_that_are_refused() {
    let base = config(&json!({}));
    let with = |pointer: &[&str], value: Json| {
        let mut manifest = base.clone();
        let mut place = &mut manifest;
        for key in pointer {
            place = &mut place[*key];
        }
        *place = value;
        manifest
    };
    for (manifest, says) in [
        (with(&["kind"], json!("Secret")), "KubernetesSecret"),
        (json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}), "Namespace"),
        (with(&["kind"], json!("ConfigMapList")), "each object by itself"),
        (with(&["kind"], json!("--all")), "Deployment"),
        (with(&["apiVersion"], json!("-x")), "apps/v1"),
        (with(&["metadata", "name"], json!("../../x")), "whole name"),
        (with(&["metadata", "name"], Json::Null), "whole name"),
        (with(&["metadata", "namespace"], json!("--all-namespaces")), "63 lowercase"),
        (with(&["metadata", "namespace"], Json::Null), "add metadata.namespace"),
        (with(&["metadata", "managedFields"], json!([])), "remove it"),
        (with(&["status"], json!({"a": 1})), "remove it"),
        (
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                   "metadata": {"name": "a", "namespace": "b"}}),
            "remove it",
        ),
    ] {
        let problems = KubernetesObject
            .desired(&spec(&manifest, &json!({})), &Context::default())
            .unwrap_err();
        let help = problems[0].help.clone().unwrap_or_default();
        assert!(help.contains(says), "{manifest}: {problems:?}");
    }
    for more in [
        json!({"timeout": "soon"}),
        json!({"replaceOnChange": ["spec..x"]}),
        json!({"replaceOnChange": ["kind"]}),
        json!({"replaceOnChange": [""]}),
    ] {
        assert!(
            KubernetesObject.desired(&spec(&base, &more), &Context::default()).is_err(),
            "{more}"
        );
    }
}

#[test]
fn readiness_is_as_far_as_the_object_says() {
    let pool = |conditions: &Json| {
        json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"},
            "status": {"conditions": conditions},
        })
    };
    let wanted = desired(
        &json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}}),
        &json!({}),
    );
    let ready = |conditions: &Json| {
        let subject = Subject::alone(&wanted.identity, Some(&wanted), None);
        match read(&KubernetesObject, &subject, |_| prints(&pool(conditions))).0 {
            Ok(Reading::Live(Live::Present(object))) => {
                KubernetesObject.readiness(&wanted, &object)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ready(&json!([])), Readiness::Ready, "it says nothing of it");
    assert_eq!(ready(&json!([{"type": "Ready", "status": "True"}])), Readiness::Ready);
    let not = json!([{"type": "Ready", "status": "False", "message": "NodeClass not found"}]);
    match ready(&not) {
        Readiness::Waiting(blockers) => {
            assert!(blockers[0].message.contains("NodeClass not found"));
        }
        other => panic!("{other:?}"),
    }
}
