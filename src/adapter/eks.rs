//! What the adapters of EKS objects and of EC2 tags share: the checks of their
//! specs, and how answers of the AWS CLI are taken apart.
//!
//! Pure functions. This module must not know any single kind.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{Blocker, Object, Problem, ReadError, Step, is_cut_off};
use crate::command::{Answer, Command};
use crate::diff::FieldChange;
use crate::value::{Map, Path, Value, is_unknown_text};

pub(super) mod condition;
#[cfg(test)]
pub(super) mod testing;

/// The most tags that a resource of EC2 or EKS may have.
const MOST_TAGS: usize = 50;

/// A problem of its parts.
pub(super) fn problem(path: Path, summary: impl Into<String>, help: &str) -> Problem {
    let help = (!help.is_empty()).then(|| help.to_owned());
    Problem { path, summary: summary.into(), help }
}

/// Reads a typed spec. What is sensitive in it, or does not have the type's
/// shape, is added to the problems; a sensitive text then counts as not known,
/// so that no message can hold it.
pub(super) fn typed<T: DeserializeOwned>(spec: &Value, problems: &mut Vec<Problem>) -> Option<T> {
    match without_sensitive(spec, &Path::default(), problems).to_spec() {
        Ok(typed) => Some(typed),
        Err(error) => {
            problems.push(problem(Path::default(), format!("the spec is not valid: {error}"), ""));
            None
        }
    }
}

fn without_sensitive(value: &Value, path: &Path, problems: &mut Vec<Problem>) -> Value {
    match value {
        Value::Sensitive(_) => {
            problems.push(problem(
                path.clone(),
                "a sensitive value can't stand here: it would show in AWS",
                "use a variable that is not sensitive",
            ));
            Value::Unknown("a sensitive value".to_owned())
        }
        Value::List(list) => Value::List(
            list.iter()
                .enumerate()
                .map(|(index, value)| {
                    without_sensitive(value, &path.join(index.to_string()), problems)
                })
                .collect(),
        ),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(key, value)| {
                    (key.clone(), without_sensitive(value, &path.join(key), problems))
                })
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Unknown(_) => {
            value.clone()
        }
    }
}

/// One id, or what a reference to several stands for: a list of them, or a text
/// with commas between, as CloudFormation tells lists.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum IdTexts {
    /// One id, a text of ids with commas between, or a reference.
    One(String),
    /// A list of ids.
    Many(Vec<String>),
}

/// The ids one by one, each with its place below a field.
pub(super) fn flat(ids: &[IdTexts], field: &str) -> Vec<(Path, String)> {
    let mut all = Vec::new();
    for (index, ids) in ids.iter().enumerate() {
        let path = Path::new(field).join(index.to_string());
        match ids {
            IdTexts::One(text) if is_unknown_text(text) => all.push((path, text.clone())),
            IdTexts::One(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                all.extend(parts.map(|part| (path.clone(), part.to_owned())));
            }
            IdTexts::Many(texts) => {
                all.extend(texts.iter().map(|text| (path.clone(), text.clone())));
            }
        }
    }
    all
}

/// Checks the name of a cluster by the pattern of the EKS API model.
pub(super) fn check_cluster_name(name: &str, field: &str, problems: &mut Vec<Problem>) {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let valid = (1..=100).contains(&name.len())
        && name.chars().all(inner)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !is_unknown_text(name) && !valid {
        problems.push(problem(
            Path::new(field),
            format!("`{name}` can't be the name of an EKS cluster"),
            "use 1 to 100 letters, digits, `-` and `_`, a letter or a digit first",
        ));
    }
}

/// The longest key of a tag that EKS takes, in characters.
pub(super) const LONGEST_KEY: usize = 128;

/// Checks tags. Keys may have up to `longest_key` characters: 127 for EC2, 128
/// for EKS.
pub(super) fn check_tags(
    tags: &BTreeMap<String, String>,
    longest_key: usize,
    problems: &mut Vec<Problem>,
) {
    let path = Path::new("tags");
    if tags.len() > MOST_TAGS {
        let summary = format!("{} tags: a resource can have {MOST_TAGS} at most", tags.len());
        problems.push(problem(path.clone(), summary, ""));
    }
    for (key, value) in tags {
        let path = path.join(key);
        let length = key.chars().count();
        if !(1..=longest_key).contains(&length) {
            let summary = format!("a tag's key has 1 to {longest_key} characters, not {length}");
            problems.push(problem(path.clone(), summary, ""));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            problems.push(problem(
                path.clone(),
                "keys that begin with `aws:` are for AWS alone",
                "choose another key",
            ));
        }
        let length = value.chars().count();
        if !is_unknown_text(value) && length > 256 {
            let summary = format!("a tag's value has 256 characters at most, not {length}");
            problems.push(problem(path, summary, ""));
        }
    }
}

/// The tags of a typed spec as a value.
pub(super) fn tags_value(tags: &BTreeMap<String, String>) -> Value {
    Value::Map(
        tags.iter().map(|(key, value)| (key.clone(), Value::from_spec_text(value))).collect(),
    )
}

/// An ARN of IAM, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IamArn<'a> {
    /// The account's twelve digits.
    pub account: &'a str,
    /// What follows the account, such as `role/path/name`.
    pub resource: &'a str,
}

impl<'a> IamArn<'a> {
    /// Takes an ARN apart; `None` if it is not one of IAM.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let arn = parts.next()? == "arn";
        let partition = parts.next()?.starts_with("aws");
        let iam = parts.next()? == "iam";
        let no_region = parts.next()?.is_empty();
        let (account, resource) = (parts.next()?, parts.next()?);
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        (arn && partition && iam && no_region && is_account && !resource.is_empty())
            .then_some(Self { account, resource })
    }

    /// The role's name without its path; `None` if it is not a role.
    pub fn role_name(self) -> Option<&'a str> {
        let path = self.resource.strip_prefix("role/")?;
        path.rsplit('/').next().filter(|name| !name.is_empty())
    }
}

/// Checks that a text is the ARN of an IAM role.
pub(super) fn check_role_arn(text: &str, field: &str, problems: &mut Vec<Problem>) {
    if !is_unknown_text(text) && IamArn::parse(text).and_then(IamArn::role_name).is_none() {
        problems.push(problem(
            Path::new(field),
            format!("`{text}` is not the ARN of an IAM role"),
            "refer to a role, such as `${IamRole.NAME.arn}`, or write arn:aws:iam::ACCOUNT:role/NAME",
        ));
    }
}

/// The account in an ARN.
pub(super) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// Whether EKS answered that the cluster itself does not exist. It has one
/// error code for that and for a missing object of the cluster; the message
/// tells them apart.
pub(super) fn cluster_is_absent(answer: &Answer) -> bool {
    answer.is_service_error("ResourceNotFoundException")
        && answer.service_error().is_some_and(|error| error.message.contains("No cluster found"))
}

/// The error of an answer that tells nothing: what the service said of it.
pub(super) fn unreadable(command: Command, answer: &Answer) -> ReadError {
    let why = match answer.service_error() {
        Some(error) => format!("{}: {}", error.code, error.message),
        None => format!("it ended with exit code {}", answer.code),
    };
    ReadError::new(command, answer, why)
}

/// The member of an answer that succeeded.
///
/// # Errors
/// When the command failed, or its answer is not JSON, has no such member, or
/// says that it is only a part of the whole.
pub(super) fn member(command: &Command, answer: &Answer, key: &str) -> Result<Json, ReadError> {
    if !answer.succeeded() {
        return Err(unreadable(command.clone(), answer));
    }
    let error = |why: String| ReadError::new(command.clone(), answer, why);
    let mut json = answer.json().map_err(error)?;
    if is_cut_off(&json) {
        return Err(error("the answer is incomplete: more pages follow".to_owned()));
    }
    match json.get_mut(key) {
        Some(member) if !member.is_null() => Ok(member.take()),
        _ => Err(error(format!("the answer has no `{key}`"))),
    }
}

/// The list of an answer that succeeded.
///
/// # Errors
/// As [`member`], and when it is no list: then nothing is known of what it
/// should hold.
pub(super) fn list(command: &Command, answer: &Answer, key: &str) -> Result<Vec<Json>, ReadError> {
    match member(command, answer, key)? {
        Json::Array(list) => Ok(list),
        _ => {
            let why = format!("`{key}` of the answer is not a list");
            Err(ReadError::new(command.clone(), answer, why))
        }
    }
}

/// A text in an answer; `None` if it is missing or empty, which the service
/// does not tell apart.
pub(super) fn text<'a>(json: &'a Json, pointer: &str) -> Option<&'a str> {
    json.pointer(pointer).and_then(Json::as_str).filter(|text| !text.is_empty())
}

/// The texts of a list in an answer, in order; empty if it is missing.
pub(super) fn texts(json: &Json, pointer: &str) -> Vec<String> {
    let list = json.pointer(pointer).and_then(Json::as_array);
    let mut texts: Vec<String> =
        list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect();
    texts.sort();
    texts
}

/// The tags in an answer, as a map; empty if they are missing.
pub(super) fn tags_of(json: &Json) -> Value {
    match json.get("tags") {
        Some(tags) if tags.is_object() => Value::from_json(tags),
        _ => Value::map(),
    }
}

/// A list of texts as a value.
pub(super) fn list_value(texts: Vec<String>) -> Value {
    Value::List(texts.into_iter().map(Value::String).collect())
}

/// The steps that carry out the changes of an EKS object's tags. The object's
/// ARN is its output `arn_output`.
///
/// # Errors
/// When the ARN was not read.
pub(super) fn tag_steps(
    changes: &[FieldChange],
    object: Option<&Object>,
    arn_output: &str,
) -> Result<Vec<Step>, Blocker> {
    let (mut set, mut removed) = (Map::new(), Vec::new());
    for change in changes {
        let [attribute, key] = change.path.segments() else { continue };
        if attribute != "tags" {
            continue;
        }
        match &change.after {
            Some(value) => {
                set.insert(key.clone(), value.clone());
            }
            None => removed.push(key.clone()),
        }
    }
    if set.is_empty() && removed.is_empty() {
        return Ok(Vec::new());
    }
    let Some(arn) = object.and_then(|object| object.outputs.get(arn_output)) else {
        return Err(Blocker {
            code: "ArnUnknown".to_owned(),
            message: "the ARN was not read, and tags are set by ARN".to_owned(),
            next: "run the plan again".to_owned(),
        });
    };
    let mut steps = Vec::new();
    if !set.is_empty() {
        let keys: Vec<_> = set.keys().cloned().collect();
        let input = [("resourceArn".to_owned(), arn.clone()), ("tags".to_owned(), set.into())];
        steps.push(Step::new(
            format!("set the tags {}", keys.join(", ")),
            Command::aws_write("eks", "tag-resource", Value::Map(input.into())),
        ));
    }
    if !removed.is_empty() {
        let title = format!("remove the tags {}", removed.join(", "));
        let input =
            [("resourceArn".to_owned(), arn.clone()), ("tagKeys".to_owned(), list_value(removed))];
        steps.push(Step::new(
            title,
            Command::aws_write("eks", "untag-resource", Value::Map(input.into())),
        ));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Kind;

    /// Every object of a schema: its place, and the object.
    fn walk<'a>(json: &'a Json, place: &str, visit: &mut impl FnMut(&str, &'a Json)) {
        visit(place, json);
        match json {
            Json::Object(map) => {
                for (key, json) in map {
                    walk(json, &format!("{place}/{key}"), visit);
                }
            }
            Json::Array(list) => list.iter().for_each(|json| walk(json, place, visit)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    #[test]
    fn schemas_teach_and_allow_no_unknown_fields() {
        use Kind::{
            Ec2Tags, EksAccessEntry, EksAddon, EksCluster, EksNodegroup, PodIdentityAssociation,
        };
        for kind in
            [EksCluster, Ec2Tags, EksAccessEntry, PodIdentityAssociation, EksNodegroup, EksAddon]
        {
            let schema = serde_json::to_value(kind.adapter().schema()).unwrap();
            walk(&schema, kind.as_str(), &mut |place, json| {
                if let Some(properties) = json.get("properties").and_then(Json::as_object) {
                    assert_eq!(
                        json.get("additionalProperties"),
                        Some(&Json::Bool(false)),
                        "{place}"
                    );
                    for (name, property) in properties {
                        assert!(property.get("description").is_some(), "{place}: {name}");
                    }
                }
            });
        }
    }

    #[test]
    fn arns_of_iam_are_taken_apart() {
        let role = IamArn::parse("arn:aws-cn:iam::111122223333:role/dev/apps/x").unwrap();
        assert_eq!((role.account, role.role_name()), ("111122223333", Some("x")));
        assert_eq!(IamArn::parse("arn:aws:iam::111122223333:user/x").unwrap().role_name(), None);
        for text in [
            "",
            "x",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::1111:role/x",
            "arn:aws:iam::111122223333:",
            "arn:aws:sts::111122223333:assumed-role/x/y",
        ] {
            assert_eq!(IamArn::parse(text), None, "{text}");
        }
    }
}
