//! The protobuf bodies that clients send even though they accept JSON: those of
//! the few types that `kubectl` and `helm` write with generated clients.
//!
//! Follows the `generated.proto` files of the Kubernetes API; fields that no
//! client needs here are skipped.

use serde_json::{Map, Value, json};

/// How a field is written.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// Base64 in JSON.
    Bytes,
    Bool,
    Number,
    /// A map from text to text.
    Texts,
    /// A map from text to bytes.
    Blobs,
    Message(&'static [Field]),
}

/// A field of a message: its number, its name, its form, whether it repeats.
struct Field(u64, &'static str, Form, bool);

const OWNER: &[Field] = &[
    Field(1, "kind", Form::Text, false),
    Field(3, "name", Form::Text, false),
    Field(4, "uid", Form::Text, false),
    Field(5, "apiVersion", Form::Text, false),
    Field(6, "controller", Form::Bool, false),
    Field(7, "blockOwnerDeletion", Form::Bool, false),
];
const METADATA: &[Field] = &[
    Field(1, "name", Form::Text, false),
    Field(2, "generateName", Form::Text, false),
    Field(3, "namespace", Form::Text, false),
    Field(5, "uid", Form::Text, false),
    Field(6, "resourceVersion", Form::Text, false),
    Field(11, "labels", Form::Texts, false),
    Field(12, "annotations", Form::Texts, false),
    Field(13, "ownerReferences", Form::Message(OWNER), true),
    Field(14, "finalizers", Form::Text, true),
];
const REFERENCE: &[Field] = &[Field(1, "name", Form::Text, false)];
const PRECONDITIONS: &[Field] =
    &[Field(1, "uid", Form::Text, false), Field(2, "resourceVersion", Form::Text, false)];
const DELETE_OPTIONS: &[Field] = &[
    Field(1, "gracePeriodSeconds", Form::Number, false),
    Field(2, "preconditions", Form::Message(PRECONDITIONS), false),
    Field(4, "propagationPolicy", Form::Text, false),
    Field(5, "dryRun", Form::Text, true),
];

/// The messages, by kind.
const KINDS: &[(&str, &[Field])] = &[
    (
        "ConfigMap",
        &[
            Field(1, "metadata", Form::Message(METADATA), false),
            Field(2, "data", Form::Texts, false),
            Field(3, "binaryData", Form::Blobs, false),
            Field(4, "immutable", Form::Bool, false),
        ],
    ),
    (
        "Secret",
        &[
            Field(1, "metadata", Form::Message(METADATA), false),
            Field(2, "data", Form::Blobs, false),
            Field(3, "type", Form::Text, false),
            Field(4, "stringData", Form::Texts, false),
            Field(5, "immutable", Form::Bool, false),
        ],
    ),
    ("Namespace", &[Field(1, "metadata", Form::Message(METADATA), false)]),
    (
        "ServiceAccount",
        &[
            Field(1, "metadata", Form::Message(METADATA), false),
            Field(3, "imagePullSecrets", Form::Message(REFERENCE), true),
            Field(4, "automountServiceAccountToken", Form::Bool, false),
        ],
    ),
    // The answer is always yes, whatever the question.
    ("SelfSubjectAccessReview", &[]),
    ("SelfSubjectRulesReview", &[]),
    ("SelfSubjectReview", &[]),
    ("DeleteOptions", DELETE_OPTIONS),
    (
        "Eviction",
        &[
            Field(1, "metadata", Form::Message(METADATA), false),
            Field(2, "deleteOptions", Form::Message(DELETE_OPTIONS), false),
        ],
    ),
];

/// Decodes a body; `None` where it is not understood.
pub fn decode(body: &[u8]) -> Option<Value> {
    const TYPE: &[Field] =
        &[Field(1, "apiVersion", Form::Text, false), Field(2, "kind", Form::Text, false)];
    let mut wrapped = body.strip_prefix(b"k8s\0")?;
    let mut object = Map::new();
    let mut raw: &[u8] = &[];
    while !wrapped.is_empty() {
        match (field(&mut wrapped)?, raw.is_empty()) {
            ((1, Wire::Bytes(bytes)), _) => object = message(bytes, TYPE)?,
            ((2, Wire::Bytes(bytes)), true) => raw = bytes,
            _ => {}
        }
    }
    let kind = object.get("kind")?.as_str()?.to_owned();
    let (_, fields) = KINDS.iter().find(|(name, _)| *name == kind)?;
    object.extend(message(raw, fields)?);
    Some(Value::Object(object))
}

/// A value on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = varint(rest)?;
    let mut take = |length: usize| {
        let (bytes, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(Wire::Bytes(bytes))
    };
    let value = match tag & 7 {
        0 => Wire::Number(varint(rest)?),
        1 => take(8)?,
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Wire::Bytes(bytes)
        }
        5 => take(4)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn message(mut rest: &[u8], fields: &[Field]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    while !rest.is_empty() {
        let (number, wire) = field(&mut rest)?;
        let Some(Field(_, name, form, repeated)) = fields.iter().find(|f| f.0 == number) else {
            continue;
        };
        let value = match (form, wire) {
            (Form::Bool, Wire::Number(n)) => json!(n != 0),
            (Form::Number, Wire::Number(n)) => json!(n),
            (Form::Text, Wire::Bytes(bytes)) if bytes.is_empty() && !repeated => continue,
            (Form::Text, Wire::Bytes(bytes)) => json!(String::from_utf8_lossy(bytes)),
            (Form::Bytes, Wire::Bytes(bytes)) => json!(base64(bytes)),
            (Form::Message(fields), Wire::Bytes(bytes)) => Value::Object(message(bytes, fields)?),
            (form @ (Form::Texts | Form::Blobs), Wire::Bytes(bytes)) => {
                let value = if matches!(form, Form::Texts) { Form::Text } else { Form::Bytes };
                let entry = [Field(1, "key", Form::Text, true), Field(2, "value", value, true)];
                let entry = message(bytes, &entry)?;
                let first = |name: &str| entry.get(name).and_then(|v| v.get(0)).cloned();
                let key = first("key").unwrap_or_default();
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map[key.as_str().unwrap_or_default()] = first("value").unwrap_or_else(|| json!(""));
                continue;
            }
            _ => return None,
        };
        if *repeated {
            let list = object.entry(*name).or_insert_with(|| json!([]));
            list.as_array_mut()?.push(value);
        } else {
            object.insert((*name).to_owned(), value);
        }
    }
    Some(object)
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, usize::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
