//! Tables of what is equal, what differs, and where a difference comes from.

use serde_json::{Value as Json, json};

use super::*;

/// The differences as `path origin`, of a desired, prior and live spec.
fn differences(desired: &Json, prior: &Json, live: &Json) -> Vec<String> {
    let value = |json: &Json| (!json.is_null()).then(|| Value::from_json(&json!({"spec": json})));
    let (desired, prior, live) = (value(desired), value(prior), value(live));
    object_differences(&Path::default(), desired.as_ref(), prior.as_ref(), live.as_ref())
        .iter()
        .map(|difference| format!("{} {:?}", difference.path, difference.origin))
        .collect()
}

fn assert_equal(desired: &Json, live: &Json) {
    assert_eq!(differences(desired, desired, live), [""; 0], "{desired} against {live}");
}

#[test]
fn what_the_api_server_adds_or_writes_otherwise_is_equal() {
    for (desired, live) in [
        (json!({"replicas": 2}), json!({"replicas": 2, "progressDeadlineSeconds": 600})),
        (json!({"a": null, "b": {}, "c": [], "d": {"e": null}}), json!({})),
        (json!({"a": {}}), json!({"a": {"defaulted": 1}})),
        (
            json!({"resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}}}),
            json!({"resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}),
        ),
        (json!({"emptyDir": {"sizeLimit": "1024Ki"}}), json!({"emptyDir": {"sizeLimit": "1Mi"}})),
        (
            json!({"ports": [{"port": 53, "targetPort": "8053"}]}),
            json!({"ports": [{"port": 53, "targetPort": 8053, "protocol": "TCP"}]}),
        ),
        (
            json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}),
            json!({"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}),
        ),
        (json!({"env": [{"name": "A", "value": ""}]}), json!({"env": [{"name": "A"}]})),
        (json!({"hostNetwork": false, "minReadySeconds": 0}), json!({})),
        (json!({"clusterIP": ""}), json!({"clusterIP": "10.100.0.7"})),
        (json!({"replicas": 1.0}), json!({"replicas": 1})),
        (
            json!({"tolerations": [{"key": "a"}, {"key": "b"}]}),
            json!({"tolerations": [{"key": "b"}, {"key": "a"}]}),
        ),
        (
            json!({"sources": [{"serviceAccountToken": {"path": "t"}}]}),
            json!({"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}),
        ),
        (
            json!({"containers": [{"name": "a", "image": "i"}]}),
            json!({"containers": [{"name": "injected"}, {"name": "a", "image": "i"}]}),
        ),
    ] {
        assert_equal(&desired, &live);
    }
}

#[test]
fn what_differs_is_named_by_its_path() {
    for (desired, live, expected) in [
        (json!({"replicas": 2}), json!({"replicas": 3}), vec!["spec.replicas Drift"]),
        (json!({"replicas": 2}), json!({}), vec!["spec.replicas Drift"]),
        (
            json!({"automountServiceAccountToken": false}),
            json!({}),
            vec!["spec.automountServiceAccountToken Drift"],
        ),
        (json!({"cpu": "0.5"}), json!({"cpu": "500m"}), vec!["spec.cpu Drift"]),
        (json!({"name": "1"}), json!({"name": 1}), vec!["spec.name Drift"]),
        (
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}]}),
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "2"}]}]}),
            vec!["spec.containers.a.env.X.value Drift"],
        ),
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "b"}]}),
            vec!["spec.containers.a Drift"],
        ),
        (
            json!({"rules": [{"verbs": ["get", "list"]}, {"verbs": ["get"]}]}),
            json!({"rules": [{"verbs": ["get"]}, {"verbs": ["get"]}]}),
            vec!["spec.rules.0.verbs Drift"],
        ),
        (
            json!({"rules": [{"verbs": ["get"]}]}),
            json!({"rules": [{"verbs": ["get"]}, {"verbs": ["list"]}]}),
            vec!["spec.rules Drift"],
        ),
        (json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]}), vec!["spec.args Drift"]),
        (
            json!({"tolerations": [{"key": "a"}]}),
            json!({"tolerations": [{"key": "a"}, {"key": "b"}]}),
            vec!["spec.tolerations Drift"],
        ),
        // A key that is not unique can't match members.
        (
            json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]}),
            vec!["spec.env.1.value Drift"],
        ),
        (json!({"a": {"b": 1}}), json!({"a": [1]}), vec!["spec.a Drift"]),
    ] {
        assert_eq!(differences(&desired, &desired, &live), expected, "{desired} against {live}");
    }
}

#[test]
fn origins_are_told_apart() {
    for (desired, prior, live, expected) in [
        (json!({"a": 2}), json!({"a": 1}), json!({"a": 1}), vec!["spec.a Change"]),
        (json!({"a": 1}), json!({"a": 1}), json!({"a": 3}), vec!["spec.a Drift"]),
        (json!({"a": 2}), json!({"a": 1}), json!({"a": 3}), vec!["spec.a Both"]),
        (json!({"a": 2}), json!({"a": 1}), json!({"a": 2}), vec![]),
        (json!({"a": 2}), json!({}), json!({"a": 3}), vec!["spec.a Change"]),
        // No longer rendered: it goes away, unless it already has.
        (json!({"b": 1}), json!({"b": 1, "a": 1}), json!({"b": 1, "a": 1}), vec!["spec.a Change"]),
        (json!({"b": 1}), json!({"b": 1, "a": 1}), json!({"b": 1, "a": 2}), vec!["spec.a Both"]),
        (json!({"b": 1}), json!({"b": 1, "a": 1}), json!({"b": 1}), vec![]),
        (
            json!({"limits": {"cpu": "1"}}),
            json!({"limits": {"cpu": "1000m"}}),
            json!({"limits": {"cpu": "2"}}),
            vec!["spec.limits.cpu Drift"],
        ),
        (
            json!({"env": [{"name": "A"}]}),
            json!({"env": [{"name": "A"}, {"name": "B"}]}),
            json!({"env": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}),
            vec!["spec.env.B Change"],
        ),
        (json!(null), json!({"a": 1}), json!({"a": 1}), vec![" Change"]),
        (json!({"a": 1}), json!(null), json!(null), vec![" Change"]),
        (json!({"a": 1}), json!({"a": 1}), json!(null), vec![" Drift"]),
        (json!(null), json!({"a": 1}), json!(null), vec![]),
        (json!(null), json!(null), json!({"a": 1}), vec![]),
    ] {
        assert_eq!(
            differences(&desired, &prior, &live),
            expected,
            "{desired} after {prior} against {live}"
        );
    }
}

#[test]
fn a_removed_object_is_shown_without_what_others_added() {
    let object = |json| Value::from_json(&json);
    let prior = object(json!({"spec": {"a": 1}}));
    let live = object(json!({"spec": {"a": 1, "added": 2}}));
    let found = object_differences(&Path::default(), None, Some(&prior), Some(&live));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].live, Some(prior));
}

#[test]
fn secrets_compare_and_stay_hidden() {
    let secret = |text: Value| {
        let hidden = Value::Sensitive(Box::new(text));
        Value::Map(Map::from([("data".into(), Value::Map(Map::from([("k".into(), hidden)])))]))
    };
    let (old, new) = (secret("canary-old".into()), secret("canary-new".into()));
    assert!(object_differences(&Path::default(), Some(&old), Some(&old), Some(&old)).is_empty());
    let found = object_differences(&Path::default(), Some(&new), Some(&old), Some(&old));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].origin, Origin::Change);
    assert!(!format!("{found:?}").contains("canary"));
    // What a state keeps of a secret does not tell where a difference is from.
    let kept = secret(Value::Null);
    let found = object_differences(&Path::default(), Some(&new), Some(&kept), Some(&old));
    assert_eq!(found[0].origin, Origin::Undetermined);
}
