//! `Ec2Tags`: the same tags on several EC2 resources, such as the subnets of a
//! cluster.
//!
//! Each pair of a resource and a key is owned by one declaration. This module
//! must not touch a pair that no manifest declares, and never deletes a tag
//! without naming its value: the API would take any value for it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::eks::{self, check_tags, list_value, problem, tags_value, text, typed};
use super::iam::label;
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Prior, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

#[cfg(test)]
mod tests;

/// The adapter.
#[derive(Debug)]
pub struct Ec2Tags;

/// The longest key that EC2 takes, in characters.
const LONGEST_KEY: usize = 127;
/// The most values that EC2 takes in one filter.
const MOST_FILTER_VALUES: usize = 200;
/// How many resources one call changes. EC2 takes 1000 and advises fewer.
const RESOURCES_A_CALL: usize = 500;

/// Tags on EC2 resources: the same tags on every one of them. Other tags of
/// the resources are left alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// The ids of the resources, such as `subnet-0a1b2c3d4e5f60718`. A
    /// reference may stand for one id, or for a list of them:
    /// `${EksCluster.main.subnetIds}`.
    #[schemars(length(min = 1))]
    resources: Vec<Ids>,
    /// The tags that each of the resources gets: keys of up to 127 characters,
    /// values of up to 256. They may refer to outputs of other resources.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, String>,
}

/// One id, or what a reference to a list of ids stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Ids {
    /// One id, or a reference.
    One(String),
    /// A list of ids.
    Many(Vec<String>),
}

/// Tags by resource, then key.
type Pairs = BTreeMap<String, Map>;

impl Adapter for Ec2Tags {
    fn schema(&self) -> Schema {
        schema_for!(Spec)
    }

    fn attributes(&self) -> &'static [Attribute] {
        &[Attribute { name: "tags", rule: Rule::NestedEntries, on_change: OnChange::Update }]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn desired(&self, spec: &Value, context: &Context) -> Result<Desired, Vec<Problem>> {
        let mut problems = Vec::new();
        if context.external {
            problems.push(problem(
                Path::default(),
                "tags can't be external",
                "leave `external` out, or the whole resource: tags of others are left alone anyway",
            ));
        }
        let Some(spec) = typed::<Spec>(spec, &mut problems) else { return Err(problems) };
        let ids = flat_ids(&spec.resources);
        for (path, id) in &ids {
            if !is_unknown_text(id) && !is_resource_id(id) {
                problems.push(problem(
                    path.clone(),
                    format!("`{id}` is not the id of an EC2 resource"),
                    "an id looks like subnet-0a1b2c3d4e5f60718",
                ));
            }
        }
        if ids.is_empty() {
            problems.push(problem(
                Path::new("resources"),
                "there are no resources to tag",
                "a reference may stand for an empty list: look at what it refers to",
            ));
        }
        check_tags(&spec.tags, LONGEST_KEY, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let tags = tags_value(&spec.tags);
        let ids: Vec<String> = ids.into_iter().map(|(_, id)| id).collect();
        if let Some(unknown) = ids.iter().find(|id| is_unknown_text(id)) {
            // Which resources there are is not known, so neither is what this
            // declaration owns. The steps still show what will be done.
            let unknown = Value::from_spec_text(unknown);
            // One of them may stand for a list, so their number is not known either.
            let resources: Vec<String> =
                ids.iter().map(|id| label(&Value::from_spec_text(id))).collect();
            let resources = Value::Unknown(format!("[{}]", resources.join(", ")));
            return Ok(Desired {
                identity: Identity::new([("name", unknown.clone())]),
                attributes: Map::from([("tags".into(), unknown)]),
                settings: Map::from([("resources".into(), resources), ("tags".into(), tags)]),
                ..Desired::default()
            });
        }
        let ids: BTreeSet<String> = ids.into_iter().collect();
        let tags: Map = ids.into_iter().map(|id| (id, tags.clone())).collect();
        Ok(Desired {
            identity: Identity::new([("name", context.name.as_str().into())]),
            attributes: Map::from([("tags".into(), tags.into())]),
            ..Desired::default()
        })
    }

    fn claims(&self, _identity: &Identity, attributes: &Map) -> Vec<String> {
        let claims = |(id, tags): (String, Map)| {
            tags.into_keys().map(move |key| claim(&id, &key)).collect::<Vec<_>>()
        };
        pairs(attributes).into_iter().flat_map(claims).collect()
    }

    fn without(&self, prior: &Prior, claimed: &dyn Fn(&str) -> bool) -> Option<Prior> {
        let mut left = pairs(&prior.attributes);
        for (id, tags) in &mut left {
            tags.retain(|key, _| !claimed(&claim(id, key)));
        }
        left.retain(|_, tags| !tags.is_empty());
        let tags: Map = left.into_iter().map(|(id, tags)| (id, Value::Map(tags))).collect();
        let attributes = Map::from([("tags".into(), Value::Map(tags.clone()))]);
        (!tags.is_empty()).then(|| Prior { attributes, ..prior.clone() })
    }

    fn read(&self, subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
        let declared = [
            subject.desired.map(|desired| &desired.attributes),
            subject.prior.map(|prior| &prior.attributes),
        ];
        let mut owned: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (id, tags) in declared.into_iter().flatten().flat_map(pairs) {
            owned.entry(id).or_default().extend(tags.into_keys());
        }
        let mut questions = Questions::new(answers);
        let commands = describe_tags(&owned);
        let answers: Vec<_> =
            commands.iter().filter_map(|command| questions.ask(command.clone())).collect();
        if answers.len() < commands.len() {
            return Ok(questions.asking());
        }
        let mut found = Pairs::new();
        for (command, answer) in commands.into_iter().zip(answers) {
            for tag in &eks::list(&command, answer, "Tags")? {
                let (Some(id), Some(key)) = (text(tag, "/ResourceId"), text(tag, "/Key")) else {
                    let why = "the answer has a tag without resource or key";
                    return Err(ReadError::new(command, answer, why));
                };
                // The filters match more than was asked for where a key has
                // wildcards, and ids and keys cross.
                if owned.get(id).is_some_and(|keys| keys.contains(key)) {
                    let value = text(tag, "/Value").unwrap_or("");
                    found.entry(id.to_owned()).or_default().insert(key.to_owned(), value.into());
                }
            }
        }
        if found.is_empty() {
            return Ok(Reading::Live(Live::Absent));
        }
        let tags: Map = found.into_iter().map(|(id, tags)| (id, Value::Map(tags))).collect();
        let attributes = Map::from([("tags".into(), Value::Map(tags))]);
        let object = Object { attributes, ..Object::default() };
        Ok(Reading::Live(Live::Present(Box::new(object))))
    }

    fn steps(&self, operation: &Operation<'_>) -> Result<Vec<Step>, Vec<Blocker>> {
        let (mut set, mut removed) = (Pairs::new(), Pairs::new());
        match operation.verb {
            Verb::Create => {
                let Some(desired) = operation.desired else { return Ok(Vec::new()) };
                if let Some(step) = step_of_unknown_resources(desired) {
                    return Ok(vec![step]);
                }
                set = pairs(&desired.attributes);
            }
            Verb::Update | Verb::Repair => {
                let unknown = operation.desired.and_then(step_of_unknown_resources);
                if let Some(step) = unknown {
                    return Ok(vec![step]);
                }
                for change in operation.changes {
                    let [_, id, key] = change.path.segments() else { continue };
                    let (pairs, value) = match (&change.after, &change.before) {
                        (Some(after), _) => (&mut set, after),
                        (None, Some(before)) => (&mut removed, before),
                        (None, None) => continue,
                    };
                    pairs.entry(id.clone()).or_default().insert(key.clone(), value.clone());
                }
            }
            Verb::Delete => {
                let ours = operation
                    .prior
                    .map(|prior| &prior.attributes)
                    .or(operation.desired.map(|desired| &desired.attributes))
                    .map(pairs)
                    .unwrap_or_default();
                let live = operation.object.map(|o| pairs(&o.attributes)).unwrap_or_default();
                for (id, mut tags) in live {
                    let ours = ours.get(&id);
                    tags.retain(|key, _| ours.is_some_and(|ours| ours.contains_key(key)));
                    removed.insert(id, tags);
                }
            }
        }
        let mut steps = steps_of("tag", "create-tags", set);
        steps.extend(steps_of("remove tags from", "delete-tags", removed));
        Ok(steps)
    }
}

/// The ids with their places, lists flattened.
fn flat_ids(resources: &[Ids]) -> Vec<(Path, String)> {
    let mut flat = Vec::new();
    for (index, ids) in resources.iter().enumerate() {
        let path = Path::new("resources").join(index.to_string());
        match ids {
            Ids::One(id) => flat.push((path, id.clone())),
            Ids::Many(ids) => flat.extend(ids.iter().map(|id| (path.clone(), id.clone()))),
        }
    }
    flat
}

/// Whether a text has the shape of an EC2 id: words, a hyphen, and 8 to 17
/// hexadecimal digits.
fn is_resource_id(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(words, digits)| {
        words.starts_with(|c: char| c.is_ascii_lowercase())
            && words.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            && (8..=17).contains(&digits.len())
            && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    })
}

/// A pair of resource and key, as what it is claimed by.
fn claim(id: &str, key: &str) -> String {
    format!("ec2 tag {id} {key}")
}

/// The pairs in the normal form; none while they are not known.
fn pairs(attributes: &Map) -> Pairs {
    let tags = attributes.get("tags").and_then(Value::as_map);
    let entry = |(id, tags): (&String, &Value)| Some((id.clone(), tags.as_map()?.clone()));
    tags.into_iter().flatten().filter_map(entry).collect()
}

/// The commands that read the tags: one, unless there are more resources than
/// a filter takes.
fn describe_tags(owned: &BTreeMap<String, BTreeSet<String>>) -> Vec<Command> {
    let keys: BTreeSet<&str> = owned.values().flatten().map(String::as_str).collect();
    // The command line's own syntax and the filter's wildcards leave only plain
    // keys to filter by; otherwise every tag of the resources is read.
    let filter = keys.len() <= MOST_FILTER_VALUES && keys.iter().all(|key| is_filter_value(key));
    let ids: Vec<&str> = owned.keys().map(String::as_str).collect();
    ids.chunks(MOST_FILTER_VALUES)
        .map(|ids| {
            let command = Command::read(Tool::Aws, &["ec2", "describe-tags"])
                .flag("--filters", &format!("Name=resource-id,Values={}", ids.join(",")));
            if !filter {
                return command;
            }
            let keys: Vec<&str> = keys.iter().copied().collect();
            command.arg(format!("Name=key,Values={}", keys.join(",")))
        })
        .collect()
}

fn is_filter_value(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphanumeric())
        && key.ends_with(|c: char| c.is_ascii_alphanumeric())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "._:/- ".contains(c))
}

/// The step while the resources are not known: what it will be, apart from the
/// ids.
fn step_of_unknown_resources(desired: &Desired) -> Option<Step> {
    let resources = desired.settings.get("resources")?;
    let tags = desired.settings.get("tags").and_then(Value::as_map)?;
    let title = format!("tag resources: {}", keys(tags));
    Some(Step::new(title, change_tags("create-tags", resources.clone(), tags)))
}

fn keys(tags: &Map) -> String {
    tags.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// One step for each set of tags that several resources have in common.
fn steps_of(verb: &str, operation: &str, pairs: Pairs) -> Vec<Step> {
    let mut groups: Vec<(Map, Vec<String>)> = Vec::new();
    for (id, tags) in pairs {
        if tags.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|(group, _)| *group == tags) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((tags, vec![id])),
        }
    }
    let mut steps = Vec::new();
    for (tags, ids) in groups {
        for ids in ids.chunks(RESOURCES_A_CALL) {
            let count = match ids {
                [id] => id.clone(),
                ids => format!("{} resources", ids.len()),
            };
            let title = format!("{verb} {count}: {}", keys(&tags));
            let command = change_tags(operation, list_value(ids.to_vec()), &tags);
            steps.push(Step::new(title, command));
        }
    }
    steps
}

fn change_tags(operation: &str, resources: Value, tags: &Map) -> Command {
    let tag = |(key, value): (&String, &Value)| {
        Value::Map(Map::from([
            ("Key".into(), Value::String(key.clone())),
            ("Value".into(), value.clone()),
        ]))
    };
    let input = Map::from([
        ("Resources".into(), resources),
        ("Tags".into(), Value::List(tags.iter().map(tag).collect())),
    ]);
    Command::aws_write("ec2", operation, Value::Map(input))
}
