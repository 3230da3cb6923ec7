//! What an object is found by: its natural key.
//!
//! This module must not know any single kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::{Map, Value};

/// The part of an identity that names the cluster that the object is in.
pub const CLUSTER_NAME: &str = "clusterName";

/// The natural key of an object: what finds it again without any state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(pub Map);

impl Identity {
    /// An identity of named parts. Parts may be unknown until the apply.
    pub fn new<const N: usize>(parts: [(&str, Value); N]) -> Self {
        Self(parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A part as text; empty while unknown.
    pub fn part(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether every part is known, so that the object can be read.
    pub fn is_known(&self) -> bool {
        !self.0.values().any(Value::has_unknown)
    }

    /// Whether both stand for one object. What was applied while the stack named
    /// no cluster is taken to be in the one that it names now.
    pub fn is_same(&self, other: &Self) -> bool {
        let fits = |a: &Map, b: &Map| {
            a.iter().all(|(key, value)| match b.get(key) {
                Some(other) => other == value,
                None => key == CLUSTER_NAME,
            })
        };
        fits(&self.0, &other.0) && fits(&other.0, &self.0)
    }
}

impl fmt::Display for Identity {
    /// `clusterName=a roleName=b`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            match value {
                Value::String(text) => write!(f, "{space}{key}={text}")?,
                other => write!(f, "{space}{key}={other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_was_not_named_is_this_one() {
        let release = Identity::new([("namespace", "shop".into()), ("releaseName", "web".into())]);
        let within = |cluster: &str| {
            let mut identity = release.clone();
            identity.0.insert(CLUSTER_NAME.into(), cluster.into());
            identity
        };
        assert!(within("demo").is_same(&within("demo")));
        assert!(within("demo").is_same(&release) && release.is_same(&within("demo")));
        assert!(!within("demo").is_same(&within("other")));
        let other = Identity::new([("namespace", "shop".into()), ("releaseName", "api".into())]);
        assert!(!within("demo").is_same(&other) && !other.is_same(&within("demo")));
        assert!(!release.is_same(&Identity::new([("namespace", "shop".into())])));
    }
}
