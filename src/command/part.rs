//! Parts of one answer: of a read that tells of many objects, each who asks
//! gets what tells of its own.
//!
//! Pure. The answer is taken apart once, however many ask. This module must not
//! judge what an answer says, nor what it means that a member is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use serde_json::value::RawValue;

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
    /// As the AWS CLI's `--query` takes it in a shell: `"Roles[?RoleName=='x']"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests = self.member.iter().map(|(field, text)| {
            format!("{field}=='{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
        });
        write!(f, "\"{}[?{}]\"", self.list, tests.collect::<Vec<_>>().join(" && "))
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

/// A list, and the fields of its members that are asked for.
type Key = (&'static str, Vec<&'static str>);

/// A list of an answer, taken apart by these fields. What it holds of members are
/// texts: trees of a large account's answer would take many times the memory.
#[derive(Debug)]
struct List {
    /// The members, each as its JSON text, by the texts of the fields.
    members: BTreeMap<Vec<String>, Vec<Box<str>>>,
    /// What the answer has besides lists, as the text of JSON fields: it may say
    /// that the list is cut off.
    rest: Vec<String>,
}

/// An answer, taken apart as far as anyone asked for a part.
#[derive(Debug, Default)]
pub struct Parts(Mutex<BTreeMap<Key, Option<Arc<List>>>>);

impl Parts {
    /// The part that is wanted of the answer, always the same one. An answer that
    /// can't be taken apart tells nobody anything: its part is empty.
    pub fn part(&self, answer: &Answer, pick: &Pick) -> Answer {
        let stdout = self.list(answer, pick).map(|list| {
            let texts: Vec<String> = pick.member.iter().map(|(_, text)| text.clone()).collect();
            let members = list.members.get(&texts).map(|members| members.join(","));
            let picked = field(pick.list, &format!("[{}]", members.unwrap_or_default()));
            let all: Vec<&str> = list.rest.iter().chain([&picked]).map(String::as_str).collect();
            format!("{{{}}}", all.join(","))
        });
        Answer {
            code: answer.code,
            stdout: stdout.unwrap_or_default(),
            stderr: answer.stderr.clone(),
        }
    }

    fn list(&self, answer: &Answer, pick: &Pick) -> Option<Arc<List>> {
        let names: Vec<&'static str> = pick.member.iter().map(|(field, _)| *field).collect();
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = lists.entry((pick.list, names));
        let (name, names) = list.key().clone();
        list.or_insert_with(|| List::of(answer, name, &names).map(Arc::new)).clone()
    }
}

impl List {
    /// Takes an answer apart. A member without one of the fields is in nobody's part.
    fn of(answer: &Answer, name: &str, names: &[&str]) -> Option<Self> {
        check_json(answer.stdout.as_bytes()).ok()?;
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(&answer.stdout).ok()?;
        let all: Vec<&RawValue> = serde_json::from_str(fields.get(name)?.get()).ok()?;
        let mut members: BTreeMap<Vec<String>, Vec<Box<str>>> = BTreeMap::new();
        for member in all {
            let tree: Json = serde_json::from_str(member.get()).ok()?;
            let text = |name: &&str| tree.get(*name)?.as_str().map(str::to_owned);
            if let Some(texts) = names.iter().map(text).collect::<Option<Vec<_>>>() {
                members.entry(texts).or_default().push(member.get().into());
            }
        }
        let besides = fields.iter().filter(|(_, value)| !value.get().starts_with('['));
        let rest = besides.map(|(name, value)| field(name, value.get())).collect();
        Some(Self { members, rest })
    }
}

fn field(name: &str, value: &str) -> String {
    format!("{}:{value}", Json::from(name))
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
        let parts = Parts::default();
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
    fn what_can_not_be_taken_apart_tells_nobody_anything() {
        for stdout in ["", "no", "[1]", "{\"Others\": []}", "{\"Items\": {}}"] {
            let answer = Answer { code: 3, stdout: stdout.into(), stderr: "why".into() };
            let part = Parts::default().part(&answer, &pick(&[("Name", "a")]));
            assert_eq!(part, Answer { code: 3, stdout: String::new(), stderr: "why".into() });
        }
    }
}
