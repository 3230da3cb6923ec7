//! Client-side merging: trees that are joined, and the patch that brings an object from what was applied
//! last to what is applied now.

use serde_json::Value;

/// Puts a null where the original has a field that the patch lacks, so that a
/// merge removes it.
pub fn drop_missing(patch: &mut Value, original: &Value) {
    let (Some(patch), Some(original)) = (patch.as_object_mut(), original.as_object()) else {
        return;
    };
    for (key, old) in original {
        match patch.get_mut(key) {
            Some(new) => drop_missing(new, old),
            None => {
                patch.insert(key.clone(), Value::Null);
            }
        }
    }
}

/// Adds every entry of another tree that is missing.
pub fn add(tree: &mut Value, other: &Value) {
    let Some(entries) = other.as_object() else { return };
    let Some(tree) = tree.as_object_mut() else { return };
    for (key, value) in entries {
        match tree.get_mut(key) {
            Some(below) => add(below, value),
            None => drop(tree.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_added() {
        let mut tree = json!({"f:a": {"f:b": {}}, "f:c": {}});
        add(&mut tree, &json!({"f:a": {"f:d": {}}, "f:c": {}, "f:e": {"f:g": {}}}));
        assert_eq!(tree, json!({"f:a": {"f:b": {}, "f:d": {}}, "f:c": {}, "f:e": {"f:g": {}}}));
    }

    #[test]
    fn what_is_no_longer_wanted_becomes_null() {
        let mut patch = json!({"a": 1, "b": {"c": 2}});
        drop_missing(&mut patch, &json!({"a": 0, "b": {"c": 2, "d": 3}, "e": [1]}));
        assert_eq!(patch, json!({"a": 1, "b": {"c": 2, "d": null}, "e": null}));
    }
}
