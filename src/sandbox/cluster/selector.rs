//! Label and field selectors: parsing what a request says, and matching.
//!
//! Pure functions over labels and objects; errors are in Kubernetes' words.

use serde_json::{Map, Value};

use super::status::{Reason, Status};

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    /// The label exists and its value is one of these.
    In(String, Vec<String>),
    /// The label is missing or its value is none of these.
    NotIn(String, Vec<String>),
    /// The label exists.
    Exists(String),
    /// The label is missing.
    Missing(String),
}

/// A label selector: all requirements must hold. The default matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Reads the text form: `a=b`, `a==b`, `a!=b`, `a in (b,c)`,
    /// `a notin (b,c)`, `a`, `!a`, joined by commas.
    ///
    /// # Errors
    /// `BadRequest` where the text is no selector.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut requirements = Vec::new();
        for part in split_outside_brackets(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let requirement = parse_requirement(part).ok_or_else(|| {
                Status::new(
                    Reason::BadRequest,
                    format!("unable to parse requirement: found '{part}'"),
                )
            })?;
            requirements.push(requirement);
        }
        Ok(Self { requirements })
    }

    /// Reads the object form (`matchLabels`, `matchExpressions`). An object
    /// without requirements matches all, a missing one (null) nothing: then the
    /// answer is `None`.
    pub fn from_object(object: &Value) -> Option<Self> {
        let object = object.as_object()?;
        let mut requirements = Vec::new();
        if let Some(labels) = object.get("matchLabels").and_then(Value::as_object) {
            requirements.extend(Self::from_labels(labels).requirements);
        }
        for expression in
            object.get("matchExpressions").and_then(Value::as_array).into_iter().flatten()
        {
            let key = expression.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = || -> Vec<String> {
                let values = expression.get("values").and_then(Value::as_array);
                values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let requirement =
                match expression.get("operator").and_then(Value::as_str).unwrap_or_default() {
                    "In" => Requirement::In(key, values()),
                    "NotIn" => Requirement::NotIn(key, values()),
                    "Exists" => Requirement::Exists(key),
                    "DoesNotExist" => Requirement::Missing(key),
                    _ => Requirement::In(key, Vec::new()),
                };
            requirements.push(requirement);
        }
        Some(Self { requirements })
    }

    /// The selector that wants exactly these labels (and any others).
    pub fn from_labels(labels: &Map<String, Value>) -> Self {
        let requirements = labels
            .iter()
            .map(|(k, v)| {
                Requirement::In(k.clone(), vec![v.as_str().unwrap_or_default().to_owned()])
            })
            .collect();
        Self { requirements }
    }

    /// Whether it has no requirement, so that it matches everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether these labels (an object's `metadata.labels`) match.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
            match requirement {
                Requirement::In(key, values) => {
                    value(key).is_some_and(|v| values.iter().any(|w| w == v))
                }
                Requirement::NotIn(key, values) => {
                    !value(key).is_some_and(|v| values.iter().any(|w| w == v))
                }
                Requirement::Exists(key) => value(key).is_some(),
                Requirement::Missing(key) => value(key).is_none(),
            }
        })
    }

    /// Whether an object's labels match.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(object.pointer("/metadata/labels").and_then(Value::as_object))
    }
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_i32;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn parse_requirement(part: &str) -> Option<Requirement> {
    let word = |s: &str| -> Option<String> {
        let s = s.trim();
        let ok =
            !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
        ok.then(|| s.to_owned())
    };
    let value = |s: &str| -> Option<String> {
        if s.trim().is_empty() { Some(String::new()) } else { word(s) }
    };
    if let Some((key, rest)) = part.split_once('(') {
        let values: Option<Vec<String>> =
            rest.trim().strip_suffix(')')?.split(',').map(value).collect();
        let mut words = key.split_whitespace();
        let (key, operator, end) = (words.next()?, words.next()?, words.next());
        return match (operator, end) {
            ("in", None) => Some(Requirement::In(word(key)?, values?)),
            ("notin", None) => Some(Requirement::NotIn(word(key)?, values?)),
            _ => None,
        };
    }
    if let Some((key, v)) = part.split_once("!=") {
        return Some(Requirement::NotIn(word(key)?, vec![value(v)?]));
    }
    if let Some((key, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(word(key)?, vec![value(v)?]));
    }
    match part.strip_prefix('!') {
        Some(key) => Some(Requirement::Missing(word(key)?)),
        None => Some(Requirement::Exists(word(part)?)),
    }
}

/// A field selector: `metadata.name=x,status.phase!=Running`. The default
/// matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// Path, whether it must be equal, value.
    terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Reads the text form.
    ///
    /// # Errors
    /// `BadRequest` where the text is no field selector.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (path, equal, value) = if let Some((p, v)) = part.split_once("!=") {
                (p, false, v)
            } else if let Some((p, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (p, true, v)
            } else {
                let message = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(Status::new(Reason::BadRequest, message));
            };
            terms.push((path.trim().to_owned(), equal, value.trim().to_owned()));
        }
        Ok(Self { terms })
    }

    /// The name that the selector wants, where it wants one.
    pub fn name(&self) -> Option<&str> {
        let term = self.terms.iter().find(|(path, equal, _)| *equal && path == "metadata.name");
        term.map(|(_, _, value)| value.as_str())
    }

    /// Whether an object matches.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|(path, equal, wanted)| {
            let pointer = format!("/{}", path.replace('.', "/"));
            let found = match object.pointer(&pointer) {
                Some(Value::String(s)) => s.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            (found == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_match_as_kubernetes_says() {
        let labels = json!({"app": "web", "tier": "front", "owner": "helm"});
        let cases = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app=db", false),
            ("app!=db", true),
            ("none!=x", true),
            ("app in (web, db)", true),
            ("app notin (web)", false),
            ("none notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!none", true),
            ("app in (db),tier", false),
        ];
        for (text, want) in cases {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.matches(labels.as_object()), want, "{text}");
        }
        assert!(Selector::parse("app in web").is_err());
        assert!(Selector::parse("=x").is_err());
    }

    #[test]
    fn object_selectors_match() {
        let labels = json!({"app": "web"});
        let selector = json!({"matchExpressions": [
            {"key": "app", "operator": "In", "values": ["web"]},
            {"key": "x", "operator": "DoesNotExist"},
        ]});
        assert!(Selector::from_object(&selector).unwrap().matches(labels.as_object()));
        assert!(Selector::from_object(&json!({})).unwrap().matches(None));
        assert!(Selector::from_object(&Value::Null).is_none());
    }

    #[test]
    fn field_selectors_match() {
        let pod = json!({"metadata": {"name": "a"}, "status": {"phase": "Running"}});
        assert!(FieldSelector::parse("metadata.name=a").unwrap().matches(&pod));
        assert!(!FieldSelector::parse("status.phase!=Running").unwrap().matches(&pod));
        assert!(FieldSelector::parse("spec.nodeName=").unwrap().matches(&pod));
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
