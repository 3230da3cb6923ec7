//! `Ec2Tags`: the same tags on several EC2 resources, such as the subnets of a
//! cluster.
//!
//! Each pair of a resource and a key is owned by one declaration. This module
//! must not touch a pair that no manifest declares, and never deletes a tag
//! without naming its value: the API would take any value for it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::eks::{check_tags, list_value, member, problem, tags_value, text, typed};
use super::{
    Adapter, Answers, Attribute, Blocker, Context, Desired, Identity, Live, Object, OnChange,
    Operation, Problem, Questions, ReadError, Reading, Rule, Step, Subject, Verb,
};
use crate::command::{Command, Tool};
use crate::value::{Map, Path, Value, is_unknown_text};

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
            let resources = ids.iter().map(|id| Value::from_spec_text(id)).collect();
            return Ok(Desired {
                identity: Identity::new([("name", unknown.clone())]),
                attributes: Map::from([("tags".into(), unknown)]),
                settings: Map::from([
                    ("resources".into(), Value::List(resources)),
                    ("tags".into(), tags),
                ]),
                ..Desired::default()
            });
        }
        let ids: BTreeSet<String> = ids.into_iter().collect();
        let claims = ids
            .iter()
            .flat_map(|id| spec.tags.keys().map(move |key| format!("ec2 tag {id} {key}")))
            .collect();
        let tags: Map = ids.into_iter().map(|id| (id, tags.clone())).collect();
        Ok(Desired {
            identity: Identity::new([("name", context.name.as_str().into())]),
            claims,
            attributes: Map::from([("tags".into(), tags.into())]),
            ..Desired::default()
        })
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
            let tags = member(&command, answer, "Tags")?;
            for tag in tags.as_array().into_iter().flatten() {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::adapter::Prior;
    use crate::adapter::eks::testing::{call, change, ok, present, read, value};

    fn context() -> Context {
        Context { name: "discovery".into(), ..Context::default() }
    }

    fn desired(spec: &Json) -> Desired {
        Ec2Tags.desired(&value(spec), &context()).unwrap()
    }

    fn karpenter() -> Desired {
        desired(&json!({
            "resources": [["subnet-0b0b0b0b0", "subnet-0a0a0a0a0"], "sg-0c0c0c0c0", "sg-0c0c0c0c0"],
            "tags": {"karpenter.sh/discovery": "demo"},
        }))
    }

    fn steps(
        verb: Verb,
        desired: Option<&Desired>,
        prior: Option<&Prior>,
        object: Option<&Object>,
        changes: &[crate::diff::FieldChange],
    ) -> Vec<(String, (String, Json))> {
        let identity = Identity::new([("name", "discovery".into())]);
        let operation = Operation { verb, identity: &identity, desired, prior, object, changes };
        let steps = Ec2Tags.steps(&operation).unwrap();
        steps.iter().map(|step| (step.title.clone(), call(&step.command))).collect()
    }

    const DESCRIBE: &str = "aws ec2 describe-tags \
        --filters Name=resource-id,Values=sg-0c0c0c0c0,subnet-0a0a0a0a0,subnet-0b0b0b0b0 \
        Name=key,Values=karpenter.sh/discovery";

    fn tag(id: &str, key: &str, value: &str) -> Json {
        json!({"Key": key, "ResourceId": id, "ResourceType": "subnet", "Value": value})
    }

    #[test]
    fn lists_are_flattened_and_pairs_claimed() {
        let desired = karpenter();
        assert_eq!(
            Value::Map(desired.attributes.clone()),
            value(&json!({"tags": {
                "sg-0c0c0c0c0": {"karpenter.sh/discovery": "demo"},
                "subnet-0a0a0a0a0": {"karpenter.sh/discovery": "demo"},
                "subnet-0b0b0b0b0": {"karpenter.sh/discovery": "demo"},
            }}))
        );
        assert_eq!(desired.claims.len(), 3);
        assert_eq!(desired.claims[0], "ec2 tag sg-0c0c0c0c0 karpenter.sh/discovery");
        assert_eq!(desired.identity.to_string(), "name=discovery");
    }

    #[test]
    fn unknown_resources_make_everything_unknown_but_the_command() {
        let unknown = Value::Unknown("${EksCluster.main.subnetIds}".into());
        let spec = Value::Map(Map::from([
            ("resources".into(), vec![unknown.clone(), "sg-0c0c0c0c0".into()].into()),
            ("tags".into(), value(&json!({"a": "b"}))),
        ]));
        let desired = Ec2Tags.desired(&spec, &context()).unwrap();
        assert_eq!(desired.attributes["tags"], unknown);
        assert!(!desired.identity.is_known() && desired.claims.is_empty());
        let created = steps(Verb::Create, Some(&desired), None, None, &[]);
        let (_, (operation, input)) = &created[0];
        assert_eq!(operation, "ec2 create-tags");
        assert_eq!(
            *input,
            json!({
                "Resources": [{"$unknown": "${EksCluster.main.subnetIds}"}, "sg-0c0c0c0c0"],
                "Tags": [{"Key": "a", "Value": "b"}],
            })
        );
    }

    #[test]
    fn one_command_reads_and_only_declared_pairs_count() {
        let desired = karpenter();
        let answer = ok(&json!({"Tags": [
            tag("subnet-0a0a0a0a0", "karpenter.sh/discovery", "demo"),
            tag("subnet-0b0b0b0b0", "karpenter.sh/discovery", ""),
            tag("subnet-0a0a0a0a0", "karpenter.sh/discoveryX", "other"),
            tag("subnet-0f0f0f0f0", "karpenter.sh/discovery", "other"),
        ]}));
        let (live, rounds) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, answer)]);
        assert_eq!(rounds, [vec![DESCRIBE.to_owned()]]);
        assert_eq!(
            Value::Map(present(live).attributes),
            value(&json!({"tags": {
                "subnet-0a0a0a0a0": {"karpenter.sh/discovery": "demo"},
                "subnet-0b0b0b0b0": {"karpenter.sh/discovery": ""},
            }}))
        );
        let none = ok(&json!({"Tags": []}));
        let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, none)]);
        assert_eq!(live, Ok(Live::Absent));
        let partial = ok(&json!({"Tags": [], "NextToken": "more"}));
        let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(DESCRIBE, partial)]);
        assert!(live.is_err());
    }

    #[test]
    fn what_was_applied_is_read_too() {
        let desired = desired(&json!({"resources": ["subnet-0a0a0a0a0"], "tags": {"new": "1"}}));
        let prior = Prior {
            attributes: Map::from([(
                "tags".into(),
                value(&json!({"subnet-0b0b0b0b0": {"old": "1"}})),
            )]),
            ..Prior::default()
        };
        let asked = "aws ec2 describe-tags \
            --filters Name=resource-id,Values=subnet-0a0a0a0a0,subnet-0b0b0b0b0 \
            Name=key,Values=new,old";
        let answer = ok(&json!({"Tags": [
            tag("subnet-0b0b0b0b0", "old", "1"),
            tag("subnet-0b0b0b0b0", "new", "someone else's"),
        ]}));
        let (live, _) = read(&Ec2Tags, Some(&desired), Some(&prior), &[(asked, answer)]);
        let tags = &present(live).attributes["tags"];
        assert_eq!(*tags, value(&json!({"subnet-0b0b0b0b0": {"old": "1"}})));
    }

    #[test]
    fn keys_that_a_filter_would_misread_are_not_filtered_by() {
        for key in ["a,b", "a*", "what?", "a=b", "\"q\"", " lead", "[x]", "back\\slash"] {
            let desired = desired(&json!({"resources": ["vol-0a0a0a0a0"], "tags": {key: "1"}}));
            let asked = "aws ec2 describe-tags --filters Name=resource-id,Values=vol-0a0a0a0a0";
            let answer = ok(&json!({"Tags": [tag("vol-0a0a0a0a0", key, "1")]}));
            let (live, _) = read(&Ec2Tags, Some(&desired), None, &[(asked, answer)]);
            assert_eq!(present(live).attributes, desired.attributes);
        }
    }

    #[test]
    fn more_resources_than_a_filter_takes_are_read_side_by_side() {
        let ids: Vec<String> = (0..450).map(|n| format!("subnet-{n:08x}")).collect();
        let desired = desired(&json!({"resources": [ids], "tags": {"a": "1"}}));
        let subject = Subject { identity: &desired.identity, desired: Some(&desired), prior: None };
        let Ok(Reading::Ask(commands)) = Ec2Tags.read(&subject, &Answers::default()) else {
            panic!("it does not ask");
        };
        assert_eq!(commands.len(), 3);
    }

    #[test]
    fn creating_groups_resources_with_the_same_tags() {
        let desired = karpenter();
        assert_eq!(
            steps(Verb::Create, Some(&desired), None, None, &[]),
            [(
                "tag 3 resources: karpenter.sh/discovery".to_owned(),
                (
                    "ec2 create-tags".to_owned(),
                    json!({
                        "Resources": ["sg-0c0c0c0c0", "subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
                        "Tags": [{"Key": "karpenter.sh/discovery", "Value": "demo"}],
                    })
                )
            )]
        );
        let ids: Vec<String> = (0..1001).map(|n| format!("subnet-{n:08x}")).collect();
        let many = self::desired(&json!({"resources": [ids], "tags": {"a": "1"}}));
        assert_eq!(steps(Verb::Create, Some(&many), None, None, &[]).len(), 3);
    }

    #[test]
    fn updating_names_only_what_changes_and_deletes_by_value() {
        let desired = karpenter();
        let changes = [
            change(&["tags", "subnet-0a0a0a0a0", "k"], None, Some("v".into())),
            change(&["tags", "subnet-0b0b0b0b0", "k"], Some("w".into()), Some("v".into())),
            change(&["tags", "subnet-0a0a0a0a0", "old"], Some("1".into()), None),
            change(&["tags", "subnet-0b0b0b0b0", "old"], Some("2".into()), None),
        ];
        let calls: Vec<_> = steps(Verb::Update, Some(&desired), None, None, &changes)
            .into_iter()
            .map(|(_, call)| call)
            .collect();
        assert_eq!(
            calls,
            [
                (
                    "ec2 create-tags".to_owned(),
                    json!({
                        "Resources": ["subnet-0a0a0a0a0", "subnet-0b0b0b0b0"],
                        "Tags": [{"Key": "k", "Value": "v"}],
                    })
                ),
                (
                    "ec2 delete-tags".to_owned(),
                    json!({
                        "Resources": ["subnet-0a0a0a0a0"],
                        "Tags": [{"Key": "old", "Value": "1"}],
                    })
                ),
                (
                    "ec2 delete-tags".to_owned(),
                    json!({
                        "Resources": ["subnet-0b0b0b0b0"],
                        "Tags": [{"Key": "old", "Value": "2"}],
                    })
                ),
            ]
        );
    }

    #[test]
    fn deleting_takes_our_keys_with_their_live_values() {
        let tags = |json: Json| Map::from([("tags".to_owned(), value(&json))]);
        let prior = Prior {
            attributes: tags(json!({"sg-0a0a0a0a0": {"a": "1", "gone": "1"}, "sg-0b0b0b0b0": {"a": "1"}})),
            ..Prior::default()
        };
        let object = Object {
            attributes: tags(json!({"sg-0a0a0a0a0": {"a": "changed", "other": "x"}})),
            ..Object::default()
        };
        let calls = steps(Verb::Delete, None, Some(&prior), Some(&object), &[]);
        assert_eq!(
            calls,
            [(
                "remove tags from sg-0a0a0a0a0: a".to_owned(),
                (
                    "ec2 delete-tags".to_owned(),
                    json!({
                        "Resources": ["sg-0a0a0a0a0"],
                        "Tags": [{"Key": "a", "Value": "changed"}],
                    })
                )
            )]
        );
    }

    #[test]
    fn problems_are_all_told_and_secrets_are_not() {
        let external = Context { external: true, ..context() };
        let long = "x".repeat(128);
        let spec = Value::Map(Map::from([
            (
                "resources".into(),
                vec!["i-XYZ".into(), Value::Sensitive(Box::new("canary-1".into()))].into(),
            ),
            (
                "tags".into(),
                Value::Map(Map::from([
                    ("AWS:x".into(), "1".into()),
                    (long, "1".into()),
                    ("v".into(), "y".repeat(257).into()),
                    ("s".into(), Value::Sensitive(Box::new("canary-2".into()))),
                ])),
            ),
        ]));
        let problems = Ec2Tags.desired(&spec, &external).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|p| p.path.segments().join(".")).collect();
        assert_eq!(problems.len(), 7, "{problems:?}");
        for path in ["resources.0", "resources.1", "tags.AWS:x", "tags.v", "tags.s"] {
            assert!(paths.iter().any(|p| p == path), "{path}: {paths:?}");
        }
        assert!(!format!("{problems:?}").contains("canary"));
        for id in ["subnet-0a1b2c3d4e5f60718", "i-0a0a0a0a", "tgw-attach-0a0a0a0a0a0a0a0a0"] {
            assert!(is_resource_id(id), "{id}");
        }
        for id in ["", "subnet", "subnet-", "-0a0a0a0a0", "subnet-xyz12345", "a-0a0a0a0a0,b"] {
            assert!(!is_resource_id(id), "{id}");
        }
    }
}
