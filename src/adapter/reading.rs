//! How an object is read: what is asked, what was answered, what is there.
//!
//! A part of the contract between adapters and engine. This module must not
//! know any kind, nor run anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Blocker, Desired, Identity};
use crate::command::{Answer, Command};
use crate::value::{Digest, Map, Path, Value};

/// Of what the live object is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The natural key, wholly known.
    pub identity: &'a Identity,
    /// What the manifest asks for; `None` for a resource that is only in the
    /// state any more.
    pub desired: Option<&'a Desired>,
    /// What was applied last, from the state.
    pub prior: Option<&'a Prior>,
    /// The fields that are not compared.
    pub ignore: &'a [Path],
    /// How many objects of the kind the same walk reads; 1: this one alone.
    pub among: usize,
}

/// From so many objects of a kind on, one read that tells of all of them in the
/// account costs less than the reads of each alone.
const MANY: usize = 3;

impl<'a> Subject<'a> {
    /// One object by itself, every field of it compared.
    pub fn alone(
        identity: &'a Identity,
        desired: Option<&'a Desired>,
        prior: Option<&'a Prior>,
    ) -> Self {
        Self { identity, desired, prior, ignore: &[], among: 1 }
    }

    /// Whether a read that tells of all objects of the kind is worth its while.
    /// It may tell of far more than is asked for, so where only a few are read,
    /// or one again, each is read alone.
    pub fn is_one_of_many(&self) -> bool {
        self.among >= MANY
    }
}

/// What the state remembers of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// The natural key.
    pub identity: Identity,
    /// The attributes as last applied.
    pub attributes: Map,
    /// The outputs as last read.
    pub outputs: Map,
    /// What reading and steps needed of the spec.
    pub settings: Map,
    /// Whether all of it was proved. Not in the state: the apply log tells.
    #[serde(skip)]
    pub standing: Standing,
}

/// How much of what is remembered a read has proved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// All of it.
    #[default]
    Applied,
    /// A run began more and no read has settled since what came of it. The
    /// attributes hold that too: what of it is there is ours to remove.
    Begun {
        /// The attributes that were proved; `None`: it may not even exist.
        applied: Option<Map>,
    },
}

impl Prior {
    /// The attributes that a read has proved; `None` where only the apply log
    /// knows of the object.
    pub fn applied(&self) -> Option<&Map> {
        match &self.standing {
            Standing::Applied => Some(&self.attributes),
            Standing::Begun { applied } => applied.as_ref(),
        }
    }
}

impl Prior {
    /// The same with the sensitive values of a manifest in the place of those
    /// that no state holds.
    #[must_use]
    pub fn recalled(&self, desired: &Desired) -> Self {
        let mut recalled = self.clone();
        fill(&mut recalled.attributes, &desired.attributes);
        fill(&mut recalled.settings, &desired.settings);
        recalled
    }
}

fn fill(map: &mut Map, from: &Map) {
    for (key, from) in from {
        match (map.get_mut(key), from) {
            (Some(value @ Value::Sensitive(_)), Value::Sensitive(_)) => value.clone_from(from),
            (Some(Value::Map(map)), Value::Map(from)) => fill(map, from),
            _ => {}
        }
    }
}

/// The answers so far, by command.
#[derive(Debug, Clone, Default)]
pub struct Answers(BTreeMap<String, Answer>);

impl Answers {
    /// Records an answer.
    pub fn insert(&mut self, command: &Command, answer: Answer) {
        self.0.insert(question(command), answer);
    }

    /// The answer to a command.
    pub fn get(&self, command: &Command) -> Option<&Answer> {
        self.0.get(&question(command))
    }
}

/// What tells one question from another: of one answer, several parts may be
/// wanted.
fn question(command: &Command) -> String {
    let mut key = command.key();
    if let Some(pick) = &command.pick {
        key.push_str(" | ");
        key.push_str(&pick.to_string());
    }
    key
}

/// Collects what a `read` still has to ask.
///
/// ```ignore
/// let mut questions = Questions::new(answers);
/// let role = questions.ask(get_role(name));
/// let policies = questions.ask(list_attached(name));
/// let (Some(role), Some(policies)) = (role, policies) else { return Ok(questions.asking()) };
/// ```
#[derive(Debug)]
pub struct Questions<'a> {
    answers: &'a Answers,
    missing: Vec<Command>,
}

impl<'a> Questions<'a> {
    /// Questions over the answers so far.
    pub fn new(answers: &'a Answers) -> Self {
        Self { answers, missing: Vec::new() }
    }

    /// The answer to a command, or `None` after noting that it must be asked.
    pub fn ask(&mut self, command: Command) -> Option<&'a Answer> {
        let answer = self.answers.get(&command);
        if answer.is_none() {
            self.missing.push(command);
        }
        answer
    }

    /// The reading that asks what is missing.
    pub fn asking(self) -> Reading {
        Reading::Ask(self.missing)
    }
}

/// One step of reading an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// These commands must be answered first; all of them only read.
    Ask(Vec<Command>),
    /// What the object is.
    Live(Live),
    /// It does not exist, and this is why: nothing that is there will do, for
    /// objects that are looked up by what they are fit for; or its kind is not
    /// known to the cluster. A blocker, unless a change that comes before may
    /// make room for it.
    Missing(Blocker),
}

/// A live object, as just read.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    /// It does not exist: the service said so.
    Absent,
    /// It exists.
    Present(Box<Object>),
}

/// What was read of an object that exists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object {
    /// The attributes in normal form, others' parts included.
    pub attributes: Map,
    /// Attributes of the *desired* side that only a tool can compute, such as
    /// the objects that a chart renders to.
    pub desired: Map,
    /// Attributes as last applied that the object itself remembers better than
    /// the state does, such as a release's own manifest.
    pub prior: Map,
    /// What other resources may refer to.
    pub outputs: Map,
    /// Whether the object is sound.
    pub health: Health,
    /// What steps need to know besides the attributes: version ids, revision
    /// numbers. Not compared.
    pub facts: Map,
    /// What a person should know of it, such as that another owner manages it.
    pub notes: Vec<String>,
}

/// Whether an object that exists is sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// It is.
    #[default]
    Sound,
    /// It is broken and can be repaired in place (a failed release).
    Broken(String),
    /// It can't work any more and must be made anew (an access entry whose
    /// role was deleted and made again).
    Outdated(String),
    /// It is in the middle of a change by someone else; wait.
    Busy(String),
}

/// Whether an answer says itself that it is only a part of the whole: AWS
/// names the next page, or says that the list is truncated; the Kubernetes API
/// says where to continue. What such an answer lacks may be on another page, so
/// it proves nothing absent.
pub fn is_cut_off(answer: &Json) -> bool {
    const SIGNS: &[&str] =
        &["/NextToken", "/nextToken", "/Marker", "/IsTruncated", "/metadata/continue"];
    let holds = |at: Option<&Json>| match at {
        None | Some(Json::Null | Json::Bool(false)) => false,
        Some(Json::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    SIGNS.iter().any(|sign| holds(answer.pointer(sign)))
}

/// The one member that was picked of a whole list; `None`: the answer does not
/// tell of it, because it failed, is cut off, or holds none or several. That
/// proves nothing absent: the object is then to be read alone.
pub fn picked(command: &Command, answer: &Answer) -> Option<Json> {
    let pick = command.pick.as_ref()?;
    let mut json = answer.json().ok().filter(|json| answer.succeeded() && !is_cut_off(json))?;
    match json.get_mut(pick.list)?.as_array_mut()?.as_mut_slice() {
        [one] => Some(one.take()),
        _ => None,
    }
}

/// What something left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftovers {
    /// Objects of this kind leave nothing.
    None,
    /// These commands must be answered first; all of them only read.
    Ask(Vec<Command>),
    /// This was looked for, and this was found.
    Known(Vec<Leftover>),
}

/// One kind of thing that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// In the plural: `instances`.
    pub what: String,
    /// Whose: the cluster's name.
    pub of: String,
    /// What was found; most often nothing.
    pub ids: Vec<String>,
    /// What removes it.
    pub next: Option<String>,
}

/// Where the content of an object comes from that others publish under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called.
    pub reference: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Where its digest is found.
    pub at: SourceAt,
}

/// Where a digest is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAt {
    /// A read tells, see [`source_digest`].
    Published(Box<Command>),
    /// A folder below the manifests.
    Folder(String),
}

/// The digest of what is published: as a registry told it, or else that of what
/// was answered.
///
/// # Errors
/// Why the answer tells none.
pub fn source_digest(answer: &Answer) -> Result<String, String> {
    if !answer.succeeded() {
        let last = answer.stderr.lines().rev().find(|line| !line.trim().is_empty());
        return Err(last.unwrap_or("the chart can't be read").to_owned());
    }
    let told = |text: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix("Digest: "));
        line.filter(|digest| digest.starts_with("sha256:")).map(str::to_owned)
    };
    let digest = told(&answer.stderr).or_else(|| told(&answer.stdout));
    Ok(digest.unwrap_or_else(|| Digest::of(answer.stdout.as_bytes()).as_str().to_owned()))
}

/// Why a read told nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// The command that did not tell.
    pub command: Box<Command>,
    /// What it answered.
    pub answer: Answer,
    /// Why that tells nothing.
    pub why: String,
}

impl ReadError {
    /// An answer that tells nothing.
    pub fn new(command: Command, answer: &Answer, why: impl Into<String>) -> Self {
        Self { command: Box::new(command), answer: answer.clone(), why: why.into() }
    }
}
