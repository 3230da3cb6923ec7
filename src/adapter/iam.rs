//! What the IAM kinds share: ARNs, exclusive lists, how the answers of `aws iam`
//! are read, and how changes of tags become commands.
//!
//! What IAM allows in a spec is `iam_rules`' business, policy documents are
//! `iam_document`'s. Nothing here knows one kind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Context, Identity, ReadError, Step, is_cut_off};
use crate::command::{Answer, Command, Tool};
use crate::diff::FieldChange;
use crate::value::{Map, Value};

/// Path of a role or policy when the manifest names none.
pub const ROOT_PATH: &str = "/";

/// Which lists of an object belong to the manifest alone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Exclusive<Field> {
    /// `true`: all of them; `false`: none.
    All(bool),
    /// The named ones.
    Fields(Vec<Field>),
}

impl<Field> Exclusive<Field> {
    /// The names of the exclusive attributes, of all that can be exclusive.
    pub fn names(
        exclusive: Option<&Self>,
        all: &[&'static str],
        name: impl Fn(&Field) -> &'static str,
    ) -> BTreeSet<&'static str> {
        match exclusive {
            None | Some(Self::All(false)) => BTreeSet::new(),
            Some(Self::All(true)) => all.iter().copied().collect(),
            Some(Self::Fields(fields)) => fields.iter().map(name).collect(),
        }
    }
}

// ---- values ----------------------------------------------------------------

/// The map of these members.
pub fn map<const N: usize>(members: [(&str, Value); N]) -> Map {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Tags of a typed spec as values.
pub fn tag_values(tags: &BTreeMap<String, String>) -> Value {
    Value::Map(
        tags.iter().map(|(key, value)| (key.clone(), Value::from_spec_text(value))).collect(),
    )
}

/// The ARN of a role or policy: `arn:PARTITION:iam::ACCOUNT:KIND/PATH/NAME`.
/// Not known while one of its parts is not.
pub fn arn(context: &Context, kind: &str, path: &Value, name: &Value) -> Value {
    let mut known = true;
    let mut arn = format!("arn:{}:iam::", partition(&context.region));
    for part in [&context.account_value(), &format!(":{kind}").into(), path, name] {
        match part {
            Value::String(text) => arn.push_str(text),
            Value::Unknown(expression) => {
                known = false;
                arn.push_str(expression);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::Sensitive(_) => known = false,
        }
    }
    if known { Value::String(arn) } else { Value::Unknown(arn) }
}

/// The partition that a region lies in, by the prefix of its name.
pub fn partition(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    PREFIXES
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix))
        .map_or("aws", |(_, partition)| partition)
}

/// A part of an identity, as it goes into a command.
pub fn part(identity: &Identity, key: &str) -> Value {
    identity.0.get(key).cloned().unwrap_or_default()
}

/// The claim to a name. IAM does not distinguish the names of roles, or of
/// policies, by case: an account has one of `PRODROLE` and `prodrole`.
pub fn name_claim(identity: &Identity, key: &str) -> Vec<String> {
    let name = identity.0.get(key).and_then(Value::as_str);
    name.map(|name| format!("{key}={}", name.to_lowercase())).into_iter().collect()
}

/// A value as a title names it: the text, or the expression that will tell.
pub fn label(value: &Value) -> String {
    match value {
        Value::String(text) | Value::Unknown(text) => text.clone(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Sensitive(_) => value.to_string(),
    }
}

/// What a title calls a managed policy: the last part of its ARN.
pub fn policy_label(arn: &Value) -> String {
    match arn.as_str() {
        Some(text) => text.rsplit('/').next().unwrap_or(text).to_owned(),
        None => label(arn),
    }
}

// ---- reading ---------------------------------------------------------------

/// `aws iam OPERATION --FLAG VALUE`, reading.
pub fn read_command(operation: &str, flag: &str, value: &str) -> Command {
    Command::read(Tool::Aws, &["iam", operation]).flag(flag, value)
}

/// How long a read of all roles or policies of the account may take: AWS lets
/// an account have 5,000 roles, and answers a thousand at a time.
const LIST_TIMEOUT: Duration = Duration::from_secs(180);

/// `aws iam OPERATION`, reading a list of the whole account. IAM answers a
/// hundred entries at a time unless asked for more.
pub fn list(operation: &str) -> Command {
    Command::read(Tool::Aws, &["iam", operation, "--page-size", "1000"]).with_timeout(LIST_TIMEOUT)
}

/// All entities of a kind in the account, with their policies: those of
/// `get-account-authorization-details`, such as `Role`.
pub fn details(entities: &str) -> Command {
    list("get-account-authorization-details").flag("--filter", entities)
}

/// A successful, whole answer.
///
/// # Errors
/// A failed command, an answer that is not JSON, or a list that is cut off:
/// none of them tells what exists.
pub fn whole(command: &Command, answer: &Answer) -> Result<Json, ReadError> {
    let fail = |why: String| Err(ReadError::new(command.clone(), answer, why));
    if !answer.succeeded() {
        return fail(match answer.service_error() {
            Some(error) => format!("AWS answered {}: {}", error.code, error.message),
            None => format!("the command failed with exit code {}", answer.code),
        });
    }
    let json = match answer.json() {
        Ok(json) => json,
        Err(why) => return fail(why),
    };
    if is_cut_off(&json) {
        fail("the list is cut off: there is more than was read".into())
    } else {
        Ok(json)
    }
}

/// One answer, for taking fields out of it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The command that was asked.
    pub command: &'a Command,
    /// Its answer.
    pub answer: &'a Answer,
}

impl Source<'_> {
    /// The error of an answer without a field that every answer has.
    pub fn lacks(&self, field: &str) -> ReadError {
        ReadError::new(self.command.clone(), self.answer, format!("the answer has no `{field}`"))
    }

    /// A text that must be there.
    pub fn text(&self, object: &Json, field: &str) -> Result<String, ReadError> {
        object.get(field).and_then(Json::as_str).map(str::to_owned).ok_or_else(|| self.lacks(field))
    }

    /// A member that must be there.
    pub fn member<'j>(&self, object: &'j Json, field: &str) -> Result<&'j Json, ReadError> {
        object.get(field).filter(|member| !member.is_null()).ok_or_else(|| self.lacks(field))
    }

    /// A list that must be there.
    pub fn list<'j>(&self, object: &'j Json, field: &str) -> Result<&'j [Json], ReadError> {
        object
            .get(field)
            .and_then(Json::as_array)
            .map(Vec::as_slice)
            .ok_or_else(|| self.lacks(field))
    }

    /// The object's tags, without those that AWS keeps itself.
    pub fn tags(&self, object: &Json) -> Result<Value, ReadError> {
        let mut tags = Map::new();
        // IAM leaves out an empty list.
        let listed = match object.get("Tags") {
            None | Some(Json::Null) => &[][..],
            Some(_) => self.list(object, "Tags")?,
        };
        for tag in listed {
            let key = self.text(tag, "Key")?;
            let value = self.text(tag, "Value")?;
            if !is_aws_tag(&key) {
                tags.insert(key, value.into());
            }
        }
        Ok(Value::Map(tags))
    }
}

/// A time as RFC 3339 in UTC, whichever way the CLI prints it.
pub fn timestamp(text: &str) -> String {
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |time| time.to_string())
}

// ---- steps --------------------------------------------------------------

/// One member of a set, or entry of a map, that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The entry's key; of a set, the member itself.
    pub key: String,
    /// The desired value; `None`: it goes away.
    pub after: Option<Value>,
}

/// Whether anything of an attribute differs.
pub fn touches(changes: &[FieldChange], attribute: &str) -> bool {
    changes.iter().any(|change| is_of(change, attribute))
}

fn is_of(change: &FieldChange, attribute: &str) -> bool {
    change.path.segments().first().is_some_and(|first| first == attribute)
}

/// The members of a set or entries of a map that differ, in the order of
/// their keys.
pub fn members(changes: &[FieldChange], attribute: &str) -> Vec<Member> {
    let mut members: BTreeMap<String, Option<Value>> = BTreeMap::new();
    for change in changes.iter().filter(|change| is_of(change, attribute)) {
        if let Some(key) = change.path.segments().get(1) {
            members.insert(key.clone(), change.after.clone());
            continue;
        }
        // The attribute as a whole: what is there goes, what is asked for comes.
        let before: Vec<_> = change.before.iter().flat_map(keyed).collect();
        let after: Vec<_> = change.after.iter().flat_map(keyed).collect();
        let gone = before.iter().map(|(key, _)| (key.clone(), None));
        let new = after.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        members.extend(gone.chain(new));
        members.retain(|key, value| {
            let same = |(k, v): &(String, Value)| k == key && Some(v) == value.as_ref();
            !before.iter().any(same)
        });
    }
    members.into_iter().map(|(key, after)| Member { key, after }).collect()
}

/// The members of a set, each its own key, or the entries of a map.
fn keyed(value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::List(list) => list.iter().map(|value| (label(value), value.clone())).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Unknown(_)
        | Value::Sensitive(_) => Vec::new(),
    }
}

/// Whether a tag is one that AWS keeps itself.
pub fn is_aws_tag(key: &str) -> bool {
    key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
}

/// A tag as the IAM API takes it.
pub fn tag(key: &str, value: &Value) -> Value {
    Value::Map(map([("Key", key.into()), ("Value", value.clone())]))
}

/// The steps that set and remove tags: `tag-role` and `untag-role` for the
/// kind `role`. `named` holds the members that name the object.
pub fn tag_steps(
    kind: &str,
    label: &str,
    named: &[(&str, Value)],
    members: &[Member],
) -> Vec<Step> {
    let mut set = Vec::new();
    let mut removed = Vec::new();
    let (mut set_keys, mut removed_keys) = (Vec::new(), Vec::new());
    for member in members {
        if let Some(value) = &member.after {
            set.push(tag(&member.key, value));
            set_keys.push(member.key.as_str());
        } else {
            removed.push(Value::from(member.key.as_str()));
            removed_keys.push(member.key.as_str());
        }
    }
    let command = |operation: &str, member: &str, value: Vec<Value>| {
        let mut input: Map =
            named.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        input.insert(member.into(), Value::List(value));
        Command::aws_write("iam", operation, Value::Map(input))
    };
    let mut steps = Vec::new();
    if !set.is_empty() {
        let title = format!("tag {label} with {}", set_keys.join(", "));
        steps.push(Step::new(title, command(&format!("tag-{kind}"), "Tags", set)));
    }
    if !removed.is_empty() {
        let tags = if removed.len() == 1 { "tag" } else { "tags" };
        let title = format!("remove the {tags} {} from {label}", removed_keys.join(", "));
        steps.push(Step::new(title, command(&format!("untag-{kind}"), "TagKeys", removed)));
    }
    steps
}
