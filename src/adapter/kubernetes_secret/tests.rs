//! Recorded answers, and the steps that follow from them.

use serde_json::json;

use super::*;
use crate::adapter::kube::testing::{fails, nothing, prints, read};
use crate::diff::{Sides, compare};

fn spec(value: &str) -> Value {
    let entry = |key: &str, value: Value| Value::Map(Map::from([(key.to_owned(), value)]));
    let generate = Value::from_json(&json!({"prefix": "tok_", "length": 15}));
    Value::Map(Map::from([
        ("namespace".to_owned(), Value::from("lake")),
        (
            "data".to_owned(),
            Value::Map(Map::from([
                ("token".to_owned(), entry("generate", generate)),
                (
                    "password".to_owned(),
                    entry("value", Value::Sensitive(Box::new(Value::from(value)))),
                ),
            ])),
        ),
    ]))
}

fn context() -> Context {
    Context { name: "app-secret".into(), ..Context::default() }
}

fn desired(value: &str) -> Desired {
    KubernetesSecret.desired(&spec(value), &context()).unwrap()
}

fn live(data: &Json, desired: &Desired, prior: Option<&Prior>) -> Object {
    let subject = Subject::alone(&desired.identity, Some(desired), prior);
    let json = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "app-secret", "namespace": "lake", "resourceVersion": "7"},
        "data": data,
    });
    let (read, asked) = read(&KubernetesSecret, &subject, |_| prints(&json));
    assert_eq!(asked, ["kubectl get secret app-secret -n lake --ignore-not-found -o json"]);
    match read.unwrap() {
        Reading::Live(Live::Present(object)) => *object,
        other => panic!("{other:?}"),
    }
}

/// What differs, and the command for it.
fn plan(
    desired: &Desired,
    object: &Object,
    prior: Option<&Prior>,
) -> (Vec<String>, Option<Command>) {
    let sides = Sides {
        desired: &desired.attributes,
        prior: prior.map(|prior| &prior.attributes),
        live: &object.attributes,
    };
    let found = compare(KubernetesSecret.attributes(), &desired.exclusive, sides, &[]);
    let paths = found.changes.iter().map(|change| change.path.to_string()).collect();
    let operation = Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(desired),
        prior,
        object: Some(object),
        changes: &found.changes,
    };
    let steps = KubernetesSecret.steps(&operation).unwrap();
    (paths, steps.into_iter().next().map(|step| step.command))
}

// base64 of `old`, and of bytes that are no text.
const OLD: &str = "b2xk";
const BYTES: &str = "+/8=";

#[test]
fn a_new_secret_goes_by_standard_input_alone() {
    let desired = desired("canary");
    let operation = Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: None,
        changes: &[],
    };
    let command = KubernetesSecret.steps(&operation).unwrap().remove(0).command;
    assert_eq!(command.to_string(), "kubectl create -f - --field-manager=lkh");
    let placeholder = "(generated once, sensitive: tok_ + 15 letters and digits)";
    let document = command.stdin.as_ref().unwrap();
    assert_eq!(
        document.redacted_json(),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "app-secret", "namespace": "lake"},
            "stringData": {"password": {"$sensitive": true}, "token": placeholder},
        })
    );
    assert_eq!(document.reveal().unwrap()["stringData"]["password"], "canary");
    assert_eq!(command.fills.len(), 1);
    assert_eq!(command.fills[0].at, Path::new("stringData").join("token"));
    assert!(!format!("{desired:?} {command:?}").contains("canary"));
}

#[test]
fn what_was_generated_only_counts_by_being_there() {
    let desired = desired("old");
    let object = live(&json!({"token": BYTES, "password": OLD, "theirs": OLD}), &desired, None);
    assert!(!format!("{:?}", object.attributes).contains("old"));
    assert_eq!(object.attributes.get("generated"), Some(&Value::List(vec!["token".into()])));
    assert!(object.attributes.get("data").unwrap().get("token").is_none(), "it is not even read");
    let (paths, _) = plan(&desired, &object, None);
    assert_eq!(paths, [""; 0], "others' entries are left alone");

    // Another recipe generates nothing anew.
    let mut other = spec("old");
    if let Value::Map(spec) = &mut other
        && let Some(Value::Map(data)) = spec.get_mut("data")
    {
        let generate = json!({"generate": {"length": 64, "alphabet": "hex"}});
        data.insert("token".into(), Value::from_json(&generate));
    }
    let other = KubernetesSecret.desired(&other, &context()).unwrap();
    assert_eq!(plan(&other, &object, None).0, [""; 0]);
}

#[test]
fn a_missing_entry_is_generated_if_nobody_touched_the_secret_since() {
    let desired = desired("new");
    let object = live(&json!({"password": OLD}), &desired, None);
    let (paths, command) = plan(&desired, &object, None);
    assert_eq!(paths, ["data.password", "generated.token"]);
    let command = command.unwrap();
    assert_eq!(
        command.to_string(),
        "kubectl patch secret app-secret -n lake --type=merge --patch-file=/dev/stdin \
         --field-manager=lkh"
    );
    let document = command.stdin.unwrap().reveal().unwrap();
    assert_eq!(document["metadata"]["resourceVersion"], "7");
    assert_eq!(document["stringData"]["password"], "new");
    assert_eq!(command.fills.len(), 1);
}

#[test]
fn entries_that_are_no_longer_declared() {
    let desired = desired("old");
    let sensitive = || Value::Sensitive(Box::new(Value::Null));
    let prior = Prior {
        identity: desired.identity.clone(),
        attributes: Map::from([
            (
                "data".to_owned(),
                Value::Map(Map::from([
                    ("password".to_owned(), sensitive()),
                    ("dropped".to_owned(), sensitive()),
                ])),
            ),
            ("generated".to_owned(), Value::List(vec!["token".into(), "made".into()])),
        ]),
        ..Prior::default()
    };
    let data = json!({"token": OLD, "password": OLD, "dropped": OLD, "made": OLD});
    let object = live(&data, &desired, Some(&prior));
    let (paths, command) = plan(&desired, &object, Some(&prior));
    assert_eq!(paths, ["data.dropped"], "what was generated stays");
    let document = command.unwrap().stdin.unwrap().reveal().unwrap();
    assert_eq!(document, json!({"data": {"dropped": null}}));
}

#[test]
fn bytes_equal_no_text() {
    let desired = desired("old");
    let object = live(&json!({"token": OLD, "password": BYTES}), &desired, None);
    assert_eq!(plan(&desired, &object, None).0, ["data.password"]);
}

#[test]
fn it_stays_unless_told_otherwise() {
    let mut prior = Prior::default();
    assert!(KubernetesSecret.stays(&prior).is_some(), "also where nobody said anything");
    prior.settings = desired("x").settings;
    assert!(KubernetesSecret.stays(&prior).is_some());
    prior.settings.insert("onDelete".into(), "delete".into());
    assert!(KubernetesSecret.stays(&prior).is_none());
}

#[test]
fn what_can_not_be_changed_is_said() {
    let blocked = |object: &Object, desired: &Desired| {
        let sides = Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
        let changes =
            compare(KubernetesSecret.attributes(), &desired.exclusive, sides, &[]).changes;
        let operation = Operation {
            verb: Verb::Update,
            identity: &desired.identity,
            desired: Some(desired),
            prior: None,
            object: Some(object),
            changes: &changes,
        };
        KubernetesSecret.steps(&operation).unwrap_err()[0].code.clone()
    };
    let mut wanted = desired("new");
    let mut object = live(&json!({"token": OLD, "password": OLD}), &wanted, None);
    object.facts.insert("immutable".into(), Value::from(true));
    assert_eq!(blocked(&object, &wanted), "SecretImmutable");
    object.facts.insert("immutable".into(), Value::from(false));
    wanted.attributes.insert("type".into(), "kubernetes.io/tls".into());
    assert_eq!(blocked(&object, &wanted), "SecretTypeCannotChange");
}

#[test]
fn absent_only_when_the_server_says_so() {
    let desired = desired("x");
    let subject = Subject::alone(&desired.identity, Some(&desired), None);
    let (absent, _) = read(&KubernetesSecret, &subject, |_| nothing());
    assert_eq!(absent, Ok(Reading::Live(Live::Absent)));
    let forbidden = "Error from server (Forbidden): secrets is forbidden";
    assert!(read(&KubernetesSecret, &subject, |_| fails(forbidden)).0.is_err());
    let hostile = Identity::new([("namespace", "lake".into()), ("name", "-o".into())]);
    let subject = Subject::alone(&hostile, None, None);
    let (result, asked) = read(&KubernetesSecret, &subject, |_| nothing());
    assert!(result.is_err() && asked.is_empty());
}

#[test]
fn hostile_and_wrong_specs_are_refused_and_repeat_no_secret() {
    let with = |field: &str, value: Value| {
        let mut spec = spec("canary-value");
        if let Value::Map(spec) = &mut spec {
            spec.insert(field.to_owned(), value);
        }
        let problems = KubernetesSecret.desired(&spec, &context()).unwrap_err();
        let text = format!("{problems:?}");
        assert!(!text.contains("canary"), "{text}");
    };
    let secret = || Value::Sensitive(Box::new(Value::from("canary")));
    with("name", "--all".into());
    with("namespace", "-A".into());
    with("type", "--x".into());
    with("name", secret());
    let data = |json: Json| Value::from_json(&json);
    with("data", data(json!({"a": {"value": "canary", "generate": {"length": 9}}})));
    with("data", data(json!({"a": {}})));
    with("data", data(json!({"a b": {"value": "canary"}})));
    with("data", data(json!({"..": {"value": "canary"}})));
    let list = Value::Sensitive(Box::new(Value::List(vec!["canary".into()])));
    let entry = Value::Map(Map::from([("value".to_owned(), list)]));
    with("data", Value::Map(Map::from([("a".to_owned(), entry)])));
    with("data", Value::Map(Map::from([("a".to_owned(), secret())])));
}
