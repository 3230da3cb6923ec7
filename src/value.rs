//! Canonical values: what manifests declare, tools answer and files keep, in
//! one tree that also knows what is *not yet known* and what is *sensitive*.
//!
//! Maps are ordered, so equal values have equal bytes. A sensitive value is
//! never printed or serialised: `Debug`, `redacted_json` and `digest` all hide
//! it, and only `reveal` hands it out, for the standard input of a command.
//! This module must not know kinds, commands or files.

pub mod encoding;
mod map;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value as Json};
use sha2::{Digest as _, Sha256};

pub use self::map::Map;

/// What a person sees in place of a value that only the apply can know.
pub const KNOWN_AFTER_APPLY: &str = "(known after apply)";
/// What a person sees in place of a sensitive value.
pub const SENSITIVE: &str = "(sensitive value)";

/// A canonical value.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Value {
    /// Nothing; in a desired value it means "not declared".
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, as JSON writes it.
    Number(Number),
    /// A text.
    String(String),
    /// An ordered list. Whether order counts is the attribute's rule.
    List(Vec<Value>),
    /// A map with text keys.
    Map(Map),
    /// Not known yet: the expression that will tell, such as
    /// `${IamRole.node.roleId}`.
    Unknown(String),
    /// Known, and never to be shown.
    Sensitive(Box<Value>),
}

// Marks a text as an unknown expression or as sensitive while a value passes
// through a typed spec. Manifests can't hold control characters, so no text
// of a user's begins with one of these.
const UNKNOWN_MARK: char = '\u{1}';
const SENSITIVE_MARK: char = '\u{2}';

impl Value {
    /// An empty map.
    pub fn map() -> Self {
        Self::Map(Map::new())
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Whether this is `Null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member of a map under a key; `None` for anything else.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|map| map.get(key))
    }

    /// Whether any part is not known yet.
    pub fn has_unknown(&self) -> bool {
        self.any(&|value| matches!(value, Self::Unknown(_)))
    }

    /// Whether any part is sensitive.
    pub fn has_sensitive(&self) -> bool {
        self.any(&|value| matches!(value, Self::Sensitive(_)))
    }

    fn any(&self, test: &dyn Fn(&Value) -> bool) -> bool {
        test(self)
            || match self {
                Self::List(list) => list.iter().any(|value| value.any(test)),
                Self::Map(map) => map.values().any(|value| value.any(test)),
                Self::Sensitive(inner) => inner.any(test),
                Self::Null
                | Self::Bool(_)
                | Self::Number(_)
                | Self::String(_)
                | Self::Unknown(_) => false,
            }
    }

    /// The value of a JSON tree. Nothing in it is unknown or sensitive.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => Self::Number(number.clone()),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(list) => Self::List(list.iter().map(Self::from_json).collect()),
            Json::Object(map) => Self::Map(
                map.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect(),
            ),
        }
    }

    /// The whole value as JSON, secrets included: only for the standard input
    /// of a command. `None` while a part is not known.
    pub fn reveal(&self) -> Option<Json> {
        Some(match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Number(number) => Json::Number(number.clone()),
            Self::String(text) => Json::String(text.clone()),
            Self::List(list) => {
                Json::Array(list.iter().map(Self::reveal).collect::<Option<Vec<_>>>()?)
            }
            Self::Map(map) => Json::Object(
                map.iter()
                    .map(|(key, value)| Some((key.clone(), value.reveal()?)))
                    .collect::<Option<_>>()?,
            ),
            Self::Unknown(_) => return None,
            Self::Sensitive(inner) => return inner.reveal(),
        })
    }

    /// The value as JSON for files and people: unknown parts as
    /// `{"$unknown": EXPRESSION}`, sensitive ones as `{"$sensitive": true}`.
    pub fn redacted_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Number(number) => Json::Number(number.clone()),
            Self::String(text) => Json::String(text.clone()),
            Self::List(list) => Json::Array(list.iter().map(Self::redacted_json).collect()),
            Self::Map(map) => Json::Object(
                map.iter().map(|(key, value)| (key.clone(), value.redacted_json())).collect(),
            ),
            Self::Unknown(expression) => {
                serde_json::json!({ "$unknown": expression })
            }
            Self::Sensitive(_) => serde_json::json!({ "$sensitive": true }),
        }
    }

    /// Reads what `redacted_json` wrote. A sensitive value comes back as
    /// `Sensitive(Null)`: that it was sensitive is known, what it was is not.
    pub fn from_redacted_json(json: &Json) -> Self {
        match json {
            Json::Array(list) => Self::List(list.iter().map(Self::from_redacted_json).collect()),
            Json::Object(map) => {
                if map.len() == 1 {
                    if let Some(Json::String(expression)) = map.get("$unknown") {
                        return Self::Unknown(expression.clone());
                    }
                    if map.get("$sensitive") == Some(&Json::Bool(true)) {
                        return Self::Sensitive(Box::new(Self::Null));
                    }
                }
                Self::Map(
                    map.iter()
                        .map(|(key, value)| (key.clone(), Self::from_redacted_json(value)))
                        .collect(),
                )
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Self::from_json(json),
        }
    }

    /// The digest of the redacted bytes: equal values have equal digests, and
    /// a digest tells nothing of a secret.
    pub fn digest(&self) -> Digest {
        Digest::of(self.redacted_json().to_string().as_bytes())
    }

    /// Reads a typed spec out of this value. Unknown and sensitive texts pass
    /// through the type as marked texts and come back with [`Value::from_spec`].
    ///
    /// # Errors
    /// What serde says when the value does not have the type's shape.
    pub fn to_spec<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.marked_json())
    }

    /// The value of a typed spec, or of a part of one.
    ///
    /// # Errors
    /// When the type can't be written as JSON.
    pub fn from_spec<T: Serialize>(spec: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::from_marked_json(&serde_json::to_value(spec)?))
    }

    /// The value of a text that passed through a typed spec.
    pub fn from_spec_text(text: &str) -> Self {
        Self::from_marked_json(&Json::String(text.to_owned()))
    }

    fn marked_json(&self) -> Json {
        match self {
            Self::List(list) => Json::Array(list.iter().map(Self::marked_json).collect()),
            Self::Map(map) => Json::Object(
                map.iter().map(|(key, value)| (key.clone(), value.marked_json())).collect(),
            ),
            Self::Unknown(expression) => Json::String(format!("{UNKNOWN_MARK}{expression}")),
            Self::Sensitive(inner) => {
                Json::String(format!("{SENSITIVE_MARK}{}", inner.marked_json()))
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => self.redacted_json(),
        }
    }

    fn from_marked_json(json: &Json) -> Self {
        match json {
            Json::String(text) => {
                if let Some(expression) = text.strip_prefix(UNKNOWN_MARK) {
                    Self::Unknown(expression.to_owned())
                } else if let Some(inner) = text.strip_prefix(SENSITIVE_MARK) {
                    let inner = serde_json::from_str(inner).unwrap_or(Json::Null);
                    Self::Sensitive(Box::new(Self::from_marked_json(&inner)))
                } else {
                    Self::String(text.clone())
                }
            }
            Json::Array(list) => Self::List(list.iter().map(Self::from_marked_json).collect()),
            Json::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), Self::from_marked_json(value)))
                    .collect(),
            ),
            Json::Null | Json::Bool(_) | Json::Number(_) => Self::from_json(json),
        }
    }
}

/// Whether a text that passed through a typed spec stands for a value that is
/// not known yet. Adapters ask before they look into a text.
pub fn is_unknown_text(text: &str) -> bool {
    text.starts_with(UNKNOWN_MARK)
}

/// Whether a text that passed through a typed spec is sensitive. Adapters
/// refuse such a text in a field that ends up in an argv.
pub fn is_sensitive_text(text: &str) -> bool {
    text.starts_with(SENSITIVE_MARK)
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.redacted_json())
    }
}

impl fmt::Display for Value {
    /// One line: JSON, with the two words for what can't be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(_) => f.write_str(KNOWN_AFTER_APPLY),
            Self::Sensitive(_) => f.write_str(SENSITIVE),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{}: {value}", Json::String(key.clone()))?;
                }
                f.write_str("}")
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => {
                write!(f, "{}", self.redacted_json())
            }
        }
    }
}

impl Serialize for Value {
    /// As `redacted_json`: a file never gets a secret.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.redacted_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    /// As `from_redacted_json`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(|json| Self::from_redacted_json(&json))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

/// A SHA-256 digest, written as `sha256:HEX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// The digest of bytes that lie in several places, one after the other.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Self(format!("sha256:{}", hex::encode(digest.finalize())))
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where in a value something is: attribute, then keys or members.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(Vec<String>);

impl Path {
    /// A path of one segment.
    pub fn new(segment: impl Into<String>) -> Self {
        Self(vec![segment.into()])
    }

    /// This path, one segment longer.
    #[must_use]
    pub fn join(&self, segment: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment.into());
        Self(segments)
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> &[String] {
        &self.0
    }

    /// Whether this is `other` or lies below it.
    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    /// `tags["a b"].x`: plain where a segment is a plain word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            let plain = !segment.is_empty()
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            match (plain, index) {
                (true, 0) => f.write_str(segment)?,
                (true, _) => write!(f, ".{segment}")?,
                (false, _) => write!(f, "[{}]", Json::String(segment.clone()))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> Value {
        Value::Sensitive(Box::new(Value::from("hunter2-canary")))
    }

    #[test]
    fn a_sensitive_value_shows_nowhere_but_on_reveal() {
        let value = Value::Map(Map::from([
            ("password".into(), secret()),
            ("list".into(), Value::List(vec![secret()])),
        ]));
        for text in [
            format!("{value:?}"),
            format!("{value}"),
            value.redacted_json().to_string(),
            serde_json::to_string(&value).unwrap(),
        ] {
            assert!(!text.contains("canary"), "{text}");
        }
        assert_eq!(
            value.reveal().unwrap(),
            json!({"password": "hunter2-canary", "list": ["hunter2-canary"]})
        );
        let other = Value::Map(Map::from([
            ("password".into(), Value::Sensitive(Box::new(Value::from("else")))),
            ("list".into(), Value::List(vec![secret()])),
        ]));
        assert_eq!(value.digest(), other.digest(), "a digest tells nothing of a secret");
    }

    #[test]
    fn unknown_and_sensitive_survive_a_typed_spec() {
        #[derive(Serialize, Deserialize)]
        struct Spec {
            a: String,
            b: String,
            c: Vec<String>,
        }
        let value = Value::Map(Map::from([
            ("a".into(), Value::Unknown("${IamRole.x.roleId}".into())),
            ("b".into(), secret()),
            ("c".into(), Value::List(vec![Value::from("plain")])),
        ]));
        let spec: Spec = value.to_spec().unwrap();
        assert!(is_unknown_text(&spec.a) && is_sensitive_text(&spec.b));
        assert_eq!(Value::from_spec(&spec).unwrap(), value);
    }

    #[test]
    fn unknown_values_are_not_revealed() {
        assert_eq!(Value::List(vec![Value::Unknown("${a.b.c}".into())]).reveal(), None);
    }

    #[test]
    fn redacted_json_reads_back() {
        let value = Value::Map(Map::from([
            ("u".into(), Value::Unknown("${a}".into())),
            ("s".into(), secret()),
            ("n".into(), Value::from_json(&json!([1, 2.5, true, null, "x"]))),
        ]));
        let back = Value::from_redacted_json(&value.redacted_json());
        assert_eq!(back.redacted_json(), value.redacted_json());
    }

    #[test]
    fn paths_quote_what_is_not_a_word() {
        let path = Path::new("tags").join("karpenter.sh/discovery").join("x");
        assert_eq!(path.to_string(), "tags[\"karpenter.sh/discovery\"].x");
    }
}
