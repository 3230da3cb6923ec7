//! The normal form of an object: what of it can be declared, under a key.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::value::{Map, Value};

/// Kinds of the API server itself, and of its usual companions, whose objects
/// belong to no namespace.
const CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "EC2NodeClass",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "NodeClaim",
    "NodePool",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeSnapshotClass",
];

/// Parts of the metadata that only the API server writes.
const SERVER_METADATA: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Which kinds belong to no namespace: the known ones, and those that live
/// objects show.
#[derive(Debug, Clone, Default)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Learns from an object as the API server returned it: without a
    /// namespace, its kind has none.
    pub fn observe(&mut self, live: &Json) {
        if live["metadata"]["namespace"].as_str().is_none()
            && let Some(kind) = live["kind"].as_str()
        {
            self.0.insert(kind.to_owned());
        }
    }

    /// Whether objects of this kind belong to no namespace.
    pub fn is_cluster_scoped(&self, kind: &str) -> bool {
        CLUSTER_SCOPED.contains(&kind) || self.0.contains(kind)
    }
}

/// An object's key, `Kind/namespace/name` or `Kind/name`, and its normal form:
/// identity, status and what only the API server writes are left out, nulls
/// too; a secret's `stringData` is folded into `data`, whose values are
/// sensitive. An object that names no namespace is in `namespace`.
///
/// `None` for what is no object with kind and name.
pub fn normal(object: &Json, namespace: &str, scopes: &Scopes) -> Option<(String, Value)> {
    let (kind, name) = (object["kind"].as_str()?, object["metadata"]["name"].as_str()?);
    let key = if scopes.is_cluster_scoped(kind) {
        format!("{kind}/{name}")
    } else {
        let own = object["metadata"]["namespace"].as_str().filter(|own| !own.is_empty());
        format!("{kind}/{}/{name}", own.unwrap_or(namespace))
    };
    let Value::Map(mut body) = without_nulls(object) else { return None };
    for identity in ["apiVersion", "kind", "status"] {
        body.remove(identity);
    }
    if let Some(Value::Map(metadata)) = body.get_mut("metadata") {
        metadata.retain(|field, _| !SERVER_METADATA.contains(&field.as_str()));
        if metadata.is_empty() {
            body.remove("metadata");
        }
    }
    if kind == "Secret" {
        hide_data(&mut body);
    }
    Some((key, Value::Map(body)))
}

fn without_nulls(json: &Json) -> Value {
    match json {
        Json::Array(list) => Value::List(list.iter().map(without_nulls).collect()),
        Json::Object(map) => Value::Map(
            map.iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(key, member)| (key.clone(), without_nulls(member)))
                .collect(),
        ),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Value::from_json(json),
    }
}

fn hide_data(body: &mut Map) {
    let mut data = BTreeMap::new();
    if let Some(Value::Map(encoded)) = body.remove("data") {
        for (key, value) in encoded {
            let text = value.as_str().unwrap_or_default();
            // Long values are often wrapped; the API server is indifferent.
            data.insert(key, text.split_whitespace().collect::<String>());
        }
    }
    if let Some(Value::Map(plain)) = body.remove("stringData") {
        for (key, value) in plain {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            data.insert(key, base64(text.as_bytes()));
        }
    }
    if !data.is_empty() {
        let hide = |text| Value::Sensitive(Box::new(Value::String(text)));
        let hidden = data.into_iter().map(|(key, text)| (key, hide(text)));
        body.insert("data".into(), Value::Map(hidden.collect()));
    }
}

/// Standard base64 with padding, as the API keeps secrets.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_normal_form_is_what_can_be_declared() {
        let mut scopes = Scopes::default();
        let live = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1",
                "labels": {"x": "y"}, "annotations": null, "managedFields": [],
            },
            "spec": {"type": "ClusterIP", "selector": null}, "status": {"loadBalancer": {}},
        });
        scopes.observe(&live);
        assert_eq!(
            normal(&live, "other", &scopes),
            Some((
                "Service/n/a".into(),
                Value::from_json(&json!({
                    "metadata": {"labels": {"x": "y"}}, "spec": {"type": "ClusterIP"},
                }))
            ))
        );
        assert_eq!(normal(&json!({"kind": "X"}), "n", &scopes), None);
    }

    #[test]
    fn kinds_without_namespace_are_known_or_seen() {
        let mut scopes = Scopes::default();
        let rendered = json!({
            "kind": "Gadget", "metadata": {"name": "a", "namespace": "ignored"},
        });
        let key = |scopes: &Scopes| normal(&rendered, "n", scopes).unwrap().0;
        assert_eq!(key(&scopes), "Gadget/ignored/a");
        scopes.observe(&json!({"kind": "Gadget", "metadata": {"name": "b"}}));
        assert_eq!(key(&scopes), "Gadget/a");
        let role = json!({"kind": "ClusterRole", "metadata": {"name": "a"}});
        assert_eq!(normal(&role, "n", &scopes).unwrap().0, "ClusterRole/a");
    }

    #[test]
    fn secrets_fold_and_hide() {
        let scopes = Scopes::default();
        let rendered = json!({
            "kind": "Secret", "metadata": {"name": "a"},
            "data": {"x": "Y2Fu\nYXJ5"}, "stringData": {"y": "canary", "n": 1},
        });
        let live = json!({
            "kind": "Secret", "metadata": {"name": "a", "namespace": "n"},
            "data": {"x": "Y2FuYXJ5", "y": "Y2FuYXJ5", "n": "MQ=="},
        });
        let (rendered, live) = (normal(&rendered, "n", &scopes), normal(&live, "n", &scopes));
        assert_eq!(rendered, live);
        let shown = format!("{rendered:?}");
        assert!(!shown.contains("Y2Fu") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn base64_is_padded() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
