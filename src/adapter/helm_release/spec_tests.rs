//! Specs, what they mean, and what is wrong with them.

use serde_json::json;

use super::*;
use crate::command::{Password, RegistryLogin};

fn context() -> Context {
    Context { name: "web".into(), region: "us-east-2".into(), ..Context::default() }
}

fn sensitive(text: &str) -> Value {
    Value::Sensitive(Box::new(Value::from(text)))
}

/// A spec of JSON, with one more field.
fn spec_with(json: &Json, field: &str, value: Value) -> Value {
    let Value::Map(mut map) = Value::from_json(json) else { unreachable!() };
    map.insert(field.into(), value);
    Value::Map(map)
}

#[test]
fn a_spec_in_normal_form() {
    let spec = json!({
        "namespace": "shop", "chart": "oci://registry.example.org/charts/web",
        "version": "1.2.3_b1", "timeout": "1m30s", "createNamespace": true, "wait": false,
        "crds": "skip", "registry": {"password": "ecrPublic"},
    });
    let values = Value::Map(Map::from([
        ("replicas".into(), Value::from_json(&json!(2.0))),
        ("login".into(), sensitive("canary")),
        ("queue".into(), Value::Unknown("${Queue.q.url}".into())),
    ]));
    let desired = desired(&spec_with(&spec, "values", values), &context()).unwrap();
    assert_eq!(desired.identity.to_string(), "namespace=shop releaseName=web");
    assert_eq!(desired.attributes["chart"], Value::from("web"));
    assert_eq!(desired.attributes["version"], Value::from("1.2.3+b1"));
    assert_eq!(
        desired.attributes["values"].to_string(),
        r#"{"login": (sensitive value), "queue": (known after apply), "replicas": 2}"#
    );
    assert!(desired.exclusive.contains("values"));
    assert_eq!(desired.outputs["name"], Value::from("web"));
    let settings = Settings(&desired.settings);
    assert_eq!(settings.timeout().as_secs(), 90);
    assert_eq!(settings.text(Settings::VERSION), Some("1.2.3+b1"));
    assert!(settings.on(Settings::CREATE_NAMESPACE) && settings.on(Settings::SKIP_CRDS));
    assert!(!settings.on(Settings::WAIT) && !settings.is_local());
    assert_eq!(
        settings.login(),
        Some(RegistryLogin {
            host: "registry.example.org".into(),
            username: "AWS".into(),
            password: Password::EcrPublic,
            plain_http: false,
        })
    );
}

#[test]
fn charts_come_from_registries_repositories_and_paths() {
    for (fields, chart, version, local) in [
        (
            json!({"chart": "web", "repository": "https://charts.example.org", "version": "v1.0.0"}),
            Some("web"),
            Some("v1.0.0"),
            false,
        ),
        (json!({"chart": "./charts/web", "repository": ""}), None, None, true),
        (json!({"chart": "/srv/web", "version": "1.0.0-rc.1"}), None, Some("1.0.0-rc.1"), true),
    ] {
        let spec = spec_with(&fields, "namespace", Value::from("shop"));
        let desired = desired(&spec, &context()).unwrap();
        let text = |name: &str| desired.attributes.get(name).and_then(Value::as_str);
        assert_eq!((text("chart"), text("version")), (chart, version), "{fields}");
        assert_eq!(Settings(&desired.settings).is_local(), local, "{fields}");
    }
}

#[test]
fn an_external_release_needs_a_name_only() {
    let spec = Value::from_json(&json!({"namespace": "shop", "releaseName": "theirs"}));
    let context = Context { external: true, ..context() };
    let desired = desired(&spec, &context).unwrap();
    assert_eq!(desired.identity.part("releaseName"), "theirs");
    assert!(desired.attributes.is_empty());
    assert_eq!(Settings(&desired.settings).chart(), None);
}

#[test]
fn a_given_password_stays_sensitive() {
    let registry = Value::Map(Map::from([
        ("username".into(), Value::from("robot")),
        ("password".into(), sensitive("canary")),
    ]));
    let spec = json!({
        "namespace": "shop", "chart": "oci://registry.example.org/web", "version": "1.0.0",
    });
    let desired = desired(&spec_with(&spec, "registry", registry), &context()).unwrap();
    assert_eq!(
        Settings(&desired.settings).login().unwrap().password,
        Password::Given(sensitive("canary"))
    );
    assert!(!format!("{desired:?}").contains("canary"));
}

#[test]
fn problems_name_the_field_and_are_all_reported() {
    let found = desired(
        &Value::from_json(&json!({
            "releaseName": "Web", "namespace": "a.b", "chart": "web", "version": "^1.0",
            "timeout": "5", "registry": {"password": "hunter2"},
        })),
        &context(),
    )
    .unwrap_err();
    let found: Vec<_> = found.iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(
        found,
        ["releaseName", "namespace", "timeout", "repository", "version", "registry.host"]
    );

    for (fields, path) in [
        (json!({}), "chart"),
        (json!({"chart": "oci://registry.example.org/web"}), "version"),
        (json!({"chart": "oci://registry.example.org/web:1.0.0", "version": "1.0.0"}), "chart"),
        (json!({"chart": "oci://web", "version": "1.0.0"}), "chart"),
        (json!({"chart": "stable/web", "version": "1.0.0"}), "chart"),
        (json!({"chart": "--web", "version": "1.0.0"}), "chart"),
        (json!({"chart": "./web", "repository": "https://h"}), "repository"),
        (json!({"chart": "web", "repository": "http://h", "version": "1.0.0"}), "repository"),
        (json!({"chart": "./web", "version": "1.0"}), "version"),
        (json!({"chart": "./web", "version": "01.0.0"}), "version"),
        (json!({"chart": "./web", "timeout": "25h"}), "timeout"),
        (
            json!({"chart": "./web", "registry": {"host": "h", "password": "hunter2"}}),
            "registry.password",
        ),
    ] {
        let spec = spec_with(&fields, "namespace", Value::from("shop"));
        let found = desired(&spec, &context()).unwrap_err();
        let found: Vec<_> = found.iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!(found, [path], "{fields}");
    }
}

#[test]
fn what_is_hidden_may_stand_in_values_only() {
    let spec = json!({"namespace": "shop", "chart": "./web"});
    for (field, value) in [
        ("namespace", sensitive("canary")),
        ("wait", sensitive("canary")),
        ("values", sensitive("canary")),
        ("version", Value::Unknown("${A.b.c}".into())),
        (
            "registry",
            Value::Map(Map::from([("password".into(), Value::Unknown("${A.b.c}".into()))])),
        ),
    ] {
        let found = desired(&spec_with(&spec, field, value), &context()).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path.to_string(), field);
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
    }
}

#[test]
fn the_schema_describes_every_field_and_allows_no_other() {
    let schema = serde_json::to_value(schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for (field, value) in schema["properties"].as_object().unwrap() {
        let described = value["description"].is_string();
        assert!(described, "{field} has no description: {value}");
    }
}

#[test]
fn the_cluster_is_part_of_the_identity() {
    let spec = Value::from_json(&json!({"namespace": "shop"}));
    let context = Context { external: true, ..context() };
    let desired = super::desired(&spec, &context).unwrap();
    let of = |cluster: Option<&str>| {
        let cluster = cluster.map(Value::from);
        let adapter = &crate::adapter::helm_release::HelmRelease;
        desired.clone().in_cluster(adapter, cluster.as_ref()).identity
    };
    assert_eq!(of(Some("demo")).to_string(), "clusterName=demo namespace=shop releaseName=web");
    assert_ne!(of(Some("demo")), of(Some("other")));
    assert_eq!(of(None).to_string(), "namespace=shop releaseName=web");
}
