//! Lifecycle rules: as manifests write them, as S3 answers them, and the whole
//! that goes back to S3.
//!
//! The normal form of a rule is S3's own, without its id, and with its filter in
//! the newer of the two ways that S3 knows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Problem;
use super::super::eks::problem;
use super::super::iam::{self, Member};
use crate::value::{Map, Path, Value, is_unknown_text};

/// The id of the rule that `expireDays` stands for.
pub(super) const EXPIRE_RULE: &str = "lkh-expire";

/// What becomes of some objects with time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RuleSpec {
    /// Objects whose names begin so; all if it is not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// They are deleted after this many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_days: Option<u32>,
    /// Their old versions are deleted this many days after they became old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_noncurrent_days: Option<u32>,
    /// Uploads in parts that were begun and not ended are given up after this
    /// many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_upload_days: Option<u32>,
    /// Moves to other storage classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transitions: Option<Vec<TransitionSpec>>,
    /// Whether the rule is in force. Default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

/// A move to another storage class.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TransitionSpec {
    /// After this many days.
    days: u32,
    /// To this class, such as `STANDARD_IA`.
    storage_class: String,
}

const CLASSES: [&str; 6] =
    ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"];

/// Checks what S3 would refuse.
pub(super) fn check(
    expire_days: Option<u32>,
    rules: Option<&BTreeMap<String, RuleSpec>>,
    problems: &mut Vec<Problem>,
) {
    let mut least_one = |path: Path, days: Option<u32>| {
        if days == Some(0) {
            problems.push(problem(path, "days are counted from 1", "write at least 1"));
        }
    };
    least_one(Path::new("expireDays"), expire_days);
    let all = Path::new("lifecycleRules");
    for (id, rule) in rules.into_iter().flatten() {
        let path = all.join(id);
        least_one(path.join("expireDays"), rule.expire_days);
        least_one(path.join("expireNoncurrentDays"), rule.expire_noncurrent_days);
        least_one(path.join("abortUploadDays"), rule.abort_upload_days);
    }
    for (id, rule) in rules.into_iter().flatten() {
        let path = all.join(id);
        if id == EXPIRE_RULE && expire_days.is_some() {
            problems.push(problem(
                path.clone(),
                format!("`{EXPIRE_RULE}` is the rule that `expireDays` makes"),
                "give this rule another id, or remove `expireDays`",
            ));
        }
        if !(1..=255).contains(&id.chars().count()) {
            problems.push(problem(path.clone(), "a rule's id has 1 to 255 characters", ""));
        }
        let acts = rule.expire_days.is_some()
            || rule.expire_noncurrent_days.is_some()
            || rule.abort_upload_days.is_some()
            || rule.transitions.as_ref().is_some_and(|list| !list.is_empty());
        if !acts {
            problems.push(problem(
                path.clone(),
                "the rule does nothing",
                "add `expireDays`, `expireNoncurrentDays`, `abortUploadDays` or `transitions`",
            ));
        }
        for (index, transition) in rule.transitions.iter().flatten().enumerate() {
            let class = transition.storage_class.as_str();
            if !is_unknown_text(class) && !CLASSES.contains(&class) {
                problems.push(problem(
                    path.join("transitions").join(index.to_string()).join("storageClass"),
                    format!("`{class}` is not a storage class that objects can move to"),
                    "write one of STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER, \
                     GLACIER_IR, DEEP_ARCHIVE",
                ));
            }
        }
    }
}

/// The rules of a spec by id; `None`: it declares none.
pub(super) fn desired(
    expire_days: Option<u32>,
    rules: Option<&BTreeMap<String, RuleSpec>>,
) -> Option<Value> {
    let expire = expire_days.map(|days| {
        let rule = RuleSpec {
            prefix: None,
            expire_days: Some(days),
            expire_noncurrent_days: None,
            abort_upload_days: None,
            transitions: None,
            enabled: None,
        };
        (EXPIRE_RULE.to_owned(), rule_value(&rule))
    });
    if expire.is_none() && rules.is_none() {
        return None;
    }
    let rules = rules.into_iter().flatten().map(|(id, rule)| (id.clone(), rule_value(rule)));
    Some(Value::Map(rules.chain(expire).collect()))
}

fn rule_value(rule: &RuleSpec) -> Value {
    let days = |days: u32| Value::from(u64::from(days));
    let status = if rule.enabled.unwrap_or(true) { "Enabled" } else { "Disabled" };
    let prefix = rule.prefix.as_deref().map_or(Value::from(""), Value::from_spec_text);
    let mut value =
        iam::map([("Status", status.into()), ("Filter", iam::map([("Prefix", prefix)]).into())]);
    let mut put = |name: &str, member: &str, told: Option<u32>| {
        if let Some(told) = told {
            value.insert(name.into(), iam::map([(member, days(told))]).into());
        }
    };
    put("Expiration", "Days", rule.expire_days);
    put("NoncurrentVersionExpiration", "NoncurrentDays", rule.expire_noncurrent_days);
    put("AbortIncompleteMultipartUpload", "DaysAfterInitiation", rule.abort_upload_days);
    if let Some(transitions) = rule.transitions.as_ref().filter(|list| !list.is_empty()) {
        let list = transitions.iter().map(|one| {
            let class = Value::from_spec_text(&one.storage_class);
            iam::map([("Days", days(one.days)), ("StorageClass", class)]).into()
        });
        value.insert("Transitions".into(), Value::List(list.collect()));
    }
    normal(&Value::Map(value))
}

/// A rule in normal form.
pub(super) fn normal(rule: &Value) -> Value {
    let mut members = rule.as_map().cloned().unwrap_or_default();
    members.remove("ID");
    let old = members.remove("Prefix");
    let filter = members.get("Filter").and_then(Value::as_map).filter(|filter| !filter.is_empty());
    if filter.is_none() {
        let prefix = old.unwrap_or_else(|| Value::from(""));
        members.insert("Filter".into(), iam::map([("Prefix", prefix)]).into());
    }
    // S3 answers moves in the order of their days, whatever it was told.
    if let Some(Value::List(moves)) = members.get_mut("Transitions") {
        moves.sort_by_key(|one| one.get("Days").map(ToString::to_string).unwrap_or_default());
    }
    Value::Map(members)
}

/// The rules that were answered, by id.
pub(super) fn by_id(raw: &[Value]) -> Map {
    raw.iter()
        .filter_map(|rule| Some((rule.get("ID")?.as_str()?.to_owned(), normal(rule))))
        .collect()
}

/// The rules that are to be there: those of others as they are, ours as
/// declared.
pub(super) fn whole(raw: &[Value], members: &[Member]) -> Vec<Value> {
    let id_of = |rule: &Value| rule.get("ID").and_then(Value::as_str).map(str::to_owned);
    let with_id = |id: Option<String>, rule: &Value| {
        let mut rule = rule.as_map().cloned().unwrap_or_default();
        if let Some(id) = id {
            rule.insert("ID".into(), id.into());
        }
        Value::Map(rule)
    };
    let is_ours = |rule: &&Value| {
        let id = id_of(rule);
        members.iter().any(|member| Some(&member.key) == id.as_ref())
    };
    // S3 takes no mixture of both ways to write a filter.
    let theirs = raw.iter().filter(|rule| !is_ours(rule)).map(|r| with_id(id_of(r), &normal(r)));
    let ours = members
        .iter()
        .filter_map(|member| Some(with_id(Some(member.key.clone()), member.after.as_ref()?)));
    theirs.chain(ours).collect()
}
