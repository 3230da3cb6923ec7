//! Values as bytes that only equal values share, for digests of meaning.
//!
//! Unlike the redacted JSON, a map that looks like a mark is not taken for one.
//! This module must not know what the bytes are for.

use super::Value;

/// Writes a value so that different values have different bytes. What is
/// sensitive is only marked as such: the bytes tell nothing of it.
pub fn encode(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(b'0'),
        Value::Bool(truth) => bytes.push(if *truth { b't' } else { b'f' }),
        Value::Number(number) => encode_text(b'n', &number.to_string(), bytes),
        Value::String(string) => encode_text(b's', string, bytes),
        Value::Unknown(expression) => encode_text(b'u', expression, bytes),
        Value::Sensitive(_) => bytes.push(b'x'),
        Value::List(list) => {
            bytes.push(b'[');
            for member in list {
                encode(member, bytes);
            }
            bytes.push(b']');
        }
        Value::Map(map) => {
            bytes.push(b'{');
            for (key, value) in map {
                encode_text(b'k', key, bytes);
                encode(value, bytes);
            }
            bytes.push(b'}');
        }
    }
}

/// Writes a text with a mark that says what it is and a length that says where
/// it ends.
pub fn encode_text(mark: u8, text: &str, bytes: &mut Vec<u8>) {
    bytes.push(mark);
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_equal_values_have_equal_bytes() {
        let values = [
            Value::Null,
            Value::from(""),
            Value::from("0"),
            Value::from_json(&json!(0)),
            Value::from_json(&json!([])),
            Value::from_json(&json!({})),
            Value::from_json(&json!(["a", "b"])),
            Value::from_json(&json!(["ab"])),
            Value::from_json(&json!([["a"], "b"])),
            Value::from_json(&json!({"a": "b"})),
            Value::from_json(&json!({"$unknown": "a"})),
            Value::from_json(&json!({"$sensitive": true})),
            Value::Unknown("a".into()),
            Value::Sensitive(Box::new("a".into())),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for value in values {
            let mut bytes = Vec::new();
            encode(&value, &mut bytes);
            assert!(seen.insert(bytes), "{value:?}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_in_the_bytes() {
        let bytes = |secret: &str| {
            let mut bytes = Vec::new();
            encode(&Value::Sensitive(Box::new(secret.into())), &mut bytes);
            bytes
        };
        assert_eq!(bytes("one"), bytes("another"));
    }
}
