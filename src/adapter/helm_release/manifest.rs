//! Objects of a rendered chart: a stream of YAML documents.
//!
//! Helm reads what charts print as YAML 1.1 (`yes` is a truth value, `0755` an
//! octal number), and so does this module, or a file mode would look changed
//! forever. Machines wrote the text, so it is read leniently. This module must
//! not judge what the objects mean.

use serde_json::Value as Json;
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};

/// The annotation that marks an object as a hook: Helm runs it at its time,
/// and no release owns it.
const HOOK: &str = "helm.sh/hook";

/// The objects in a stream of YAML documents: lists are taken apart; hooks
/// and what is no object are left out.
///
/// # Errors
/// When the text is not YAML.
pub fn objects(text: &str) -> Result<Vec<Json>, String> {
    // Definitions of custom resources are long: a bundle of them has more
    // nodes than the default budget allows.
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_documents: 100_000,
            max_depth: 200,
        },
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let documents: Vec<Json> =
        serde_yaml::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    let mut objects = Vec::new();
    for document in documents {
        collect(document, &mut objects);
    }
    Ok(objects)
}

fn collect(mut document: Json, objects: &mut Vec<Json>) {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    let items = document.get_mut("items").filter(|items| is_list && items.is_array());
    if let Some(Json::Array(items)) = items.map(Json::take) {
        for item in items {
            collect(item, objects);
        }
    } else if document["metadata"]["name"].is_string()
        && document["metadata"]["annotations"][HOOK].is_null()
    {
        objects.push(document);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_become_objects_as_helm_reads_them() {
        let text = "---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\n\
                    metadata:\n  name: a\n  annotations:\ndata:\n  mode: 0644\n  modern: 0o17\n  truth: yes\n  \
                    text: \"no\"\n  date: 2012-10-17\n  account: \"012345678901\"\n  big: 1e3\n\
                    ---\n# Source: web/templates/empty.yaml\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n  - kind: Service\n    metadata: {name: b}\n\
                    ---\nkind: Job\nmetadata:\n  name: hook\n  annotations: {helm.sh/hook: pre-install}\n";
        assert_eq!(
            objects(text).unwrap(),
            [
                json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": "a", "annotations": null},
                    "data": {
                        "mode": 420, "modern": 15, "truth": true, "text": "no",
                        "date": "2012-10-17", "account": "012345678901", "big": 1000.0,
                    },
                }),
                json!({"kind": "Service", "metadata": {"name": "b"}}),
            ]
        );
        assert_eq!(objects("").unwrap(), [json!(null); 0]);
        assert_eq!(objects("---\n---\n# nothing\n").unwrap(), [json!(null); 0]);
        assert!(objects("a: [").is_err());
    }
}
