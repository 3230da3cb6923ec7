//! Parts of one answer: of a read that tells of many objects, each who asks
//! gets what tells of its own.
//!
//! Pure. The answer is taken apart once, however many ask. This module must not
//! judge what an answer says, nor what it means that a member is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::{Answer, Command};
use crate::limits::check_json;

/// Which members of a list in an answer are wanted; the other lists are left
/// out, and everything else of the answer stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The list, a field of the answer.
    pub list: &'static str,
    /// The fields of a member and the texts that they must have.
    pub member: Vec<(&'static str, String)>,
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.list)?;
        self.member.iter().try_for_each(|(field, text)| write!(f, "[{field}={text:?}]"))
    }
}

impl Command {
    /// Wants only the members of a list whose fields have these texts.
    #[must_use]
    pub fn picking(mut self, list: &'static str, member: &[(&'static str, &str)]) -> Self {
        let member = member.iter().map(|&(field, text)| (field, text.to_owned())).collect();
        self.pick = Some(Pick { list, member });
        self
    }
}

/// The members of a list, each as its JSON text, by the texts of some of their
/// fields.
type Index = BTreeMap<Vec<String>, Vec<Box<str>>>;
/// A list and those fields.
type Key = (&'static str, Vec<&'static str>);

/// An answer, taken apart. What it holds of members are texts: trees of a large
/// account's answer would take many times the memory.
#[derive(Debug)]
pub struct Parts {
    /// Everything but the lists; `None`: it is no JSON object.
    rest: Option<Map<String, Json>>,
    indexes: Mutex<BTreeMap<Key, Option<Arc<Index>>>>,
}

impl Parts {
    /// Takes an answer apart.
    pub fn of(answer: &Answer) -> Self {
        let rest = fields(answer).and_then(|fields| {
            let rest = fields.iter().filter(|(_, value)| !value.get().starts_with('['));
            let rest = rest.map(|(name, value)| Some((name.clone(), from(value)?)));
            rest.collect::<Option<Map<_, _>>>()
        });
        Self { rest, indexes: Mutex::default() }
    }

    /// The part of that answer that is wanted. One without the list, or that is
    /// no JSON, is handed out as it is.
    pub fn part(&self, answer: &Answer, pick: &Pick) -> Answer {
        let (Some(rest), Some(index)) = (&self.rest, self.index(answer, pick)) else {
            return answer.clone();
        };
        let texts: Vec<String> = pick.member.iter().map(|(_, text)| text.clone()).collect();
        let members = index.get(&texts).map(|members| members.join(",")).unwrap_or_default();
        let list = format!("{}:[{members}]", Json::from(pick.list));
        let rest =
            rest.iter().map(|(name, value)| format!("{}:{value}", Json::from(name.as_str())));
        let all: Vec<String> = rest.chain([list]).collect();
        Answer {
            code: answer.code,
            stdout: format!("{{{}}}", all.join(",")),
            stderr: answer.stderr.clone(),
        }
    }

    fn index(&self, answer: &Answer, pick: &Pick) -> Option<Arc<Index>> {
        let names: Vec<&'static str> = pick.member.iter().map(|(field, _)| *field).collect();
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = indexes.entry((pick.list, names));
        let names = index.key().1.clone();
        index.or_insert_with(|| indexed(answer, pick.list, &names).map(Arc::new)).clone()
    }
}

/// The fields of an answer that is a JSON object, each as its text.
fn fields(answer: &Answer) -> Option<BTreeMap<String, &RawValue>> {
    check_json(answer.stdout.as_bytes()).ok()?;
    serde_json::from_str(&answer.stdout).ok()
}

fn from(text: &RawValue) -> Option<Json> {
    serde_json::from_str(text.get()).ok()
}

/// The members of a list by these fields. A member without one of them is in
/// nobody's part.
fn indexed(answer: &Answer, list: &str, names: &[&str]) -> Option<Index> {
    let fields = fields(answer)?;
    let members: Vec<&RawValue> = serde_json::from_str(fields.get(list)?.get()).ok()?;
    let mut index = Index::new();
    for member in members {
        let tree = from(member)?;
        let text = |name: &&str| tree.get(*name)?.as_str().map(str::to_owned);
        if let Some(texts) = names.iter().map(text).collect::<Option<Vec<_>>>() {
            index.entry(texts).or_default().push(member.get().into());
        }
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Tool;
    use super::*;

    fn pick(member: &[(&'static str, &str)]) -> Pick {
        Command::read(Tool::Aws, &["x", "list-x"]).picking("Items", member).pick.unwrap()
    }

    #[test]
    fn each_gets_what_tells_of_its_own() {
        let stdout = json!({
            "Items": [
                {"Name": "a", "Of": "x", "Id": 1}, {"Name": "b", "Of": "x", "Id": 2},
                {"Name": "a", "Of": "y", "Id": 3}, {"Name": "a", "Of": "y", "Id": 4}, {"Of": "x"},
            ],
            "Others": [1, 2, 3],
            "IsTruncated": true,
        });
        let answer = Answer { stdout: stdout.to_string(), ..Answer::default() };
        let parts = Parts::of(&answer);
        for (member, ids) in [
            (vec![("Name", "b")], vec![2]),
            (vec![("Name", "a"), ("Of", "x")], vec![1]),
            (vec![("Name", "a"), ("Of", "y")], vec![3, 4]),
            (vec![("Name", "c")], vec![]),
            (vec![("Nothing", "a")], vec![]),
            (vec![("Of", "y")], vec![3, 4]),
        ] {
            let part = parts.part(&answer, &pick(&member)).json().unwrap();
            let told: Vec<i64> = part["Items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["Id"].as_i64().unwrap())
                .collect();
            assert_eq!(told, ids, "{member:?}");
            assert_eq!(part["IsTruncated"], true, "what says that the list is cut off stays");
            assert_eq!(part.get("Others"), None);
        }
    }

    #[test]
    fn what_can_not_be_taken_apart_stays_whole() {
        for stdout in ["", "no", "[1]", "{\"Others\": []}", "{\"Items\": {}}"] {
            let answer = Answer { code: 3, stdout: stdout.into(), stderr: "why".into() };
            assert_eq!(Parts::of(&answer).part(&answer, &pick(&[("Name", "a")])), answer);
        }
    }
}
