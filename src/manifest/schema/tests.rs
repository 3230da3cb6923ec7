//! Violations of a schema: where they are shown and what is said.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};

use super::*;
use crate::address::Reference;
use crate::manifest::template::Resolution;
use crate::manifest::translate::Translator;
use crate::manifest::yaml;

/// A thing.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct Spec {
    /// What it is called. In full.
    #[schemars(length(min = 1, max = 5), regex(pattern = "^[a-z]*$"))]
    name: String,
    /// How many.
    #[schemars(range(min = 1, max = 9))]
    count: Option<u32>,
    colour: Option<Colour>,
    ids: Option<Ids>,
    shape: Option<Shape>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[schemars(length(max = 2))]
    list: Option<Vec<Inner>>,
    on: Option<bool>,
}

#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema counts")]
enum Colour {
    /// Like blood.
    Red,
    /// Like grass.
    Green,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema counts")]
enum Ids {
    One(String),
    Many(Vec<String>),
}

#[derive(JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
enum Shape {
    Circle { radius: u32 },
    Square { side: u32 },
}

#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema counts")]
struct Inner {
    key: String,
}

/// What is said of a spec, as `where: summary; label; help`, and whether it is
/// opaque.
fn check(spec: &str) -> (Vec<String>, bool) {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", format!("spec: {spec}\n"));
    let node = yaml::parse(&sources, file).documents.remove(0);
    let entry = node.entry("spec").unwrap();
    let lookup = |reference: &Reference| match reference {
        Reference::Region => {
            Resolution::Known(Value::Sensitive(Box::new(Value::from("CANARY-canary"))))
        }
        Reference::Variable(_) | Reference::AccountId | Reference::Output { .. } => {
            Resolution::Unknown
        }
    };
    let mut translator = Translator::new(&sources, &lookup);
    let value = translator.value(&entry.value);
    let subject = Subject {
        what: "Thing",
        value: &value,
        node: &entry.value,
        outer: entry.key_span,
        sources: &sources,
    };
    let checked = SpecSchema::new(&schema_for!(Spec)).unwrap().check(&subject);
    let said = checked.diagnostics.iter().map(|diagnostic| {
        let at = sources.slice(diagnostic.span.unwrap());
        let rest =
            [&diagnostic.label, &diagnostic.help].map(|text| text.clone().unwrap_or_default());
        format!("{at}: {}; {}; {}", diagnostic.summary, rest[0], rest[1])
    });
    (said.collect(), checked.opaque)
}

#[test]
fn each_violation_is_shown_where_it_is() {
    for (spec, expected) in [
        (
            "{name: a, nam: b}",
            vec!["nam: unknown field `nam`; not a field of Thing; did you mean `name`?"],
        ),
        (
            "{nmae: b}",
            vec!["nmae: unknown field `nmae`; not a field of Thing; did you mean `name`?"],
        ),
        (
            "{count: 1}",
            vec!["spec: missing field `name`; Thing needs it; `name`: What it is called"],
        ),
        (
            "{name: 12}",
            vec![
                "12: a value of the wrong type; expected a text, found a number; quote it: \"12\"",
            ],
        ),
        (
            "{name: Ab}",
            vec![
                "Ab: a value of the wrong form; does not match `^[a-z]*$`; `name`: What it is called",
            ],
        ),
        (
            "{name: \"\"}",
            vec!["\"\": a value of the wrong form; must not be empty; `name`: What it is called"],
        ),
        (
            "{name: abcdef}",
            vec![
                "abcdef: a value of the wrong form; must have at most 5 characters; \
             `name`: What it is called",
            ],
        ),
        (
            "{name: a, count: 10}",
            vec!["10: a value out of range; must be at most 9; `count`: How many"],
        ),
        (
            "{name: a, count: 1.5}",
            vec!["1.5: a value of the wrong type; expected a whole number, found a number; "],
        ),
        (
            "{name: a, colour: gren}",
            vec![
                "gren: a value that is not allowed; `gren` is not allowed here; did you mean `green`?",
            ],
        ),
        (
            "{name: a, colour: 1}",
            vec!["1: a value of the wrong type; expected a text, found a number; quote it: \"1\""],
        ),
        (
            "{name: a, ids: {}}",
            vec!["ids: a value of the wrong type; expected a text or a list, found a map; "],
        ),
        (
            "{name: a, ids: [1]}",
            vec!["1: a value of the wrong type; expected a text, found a number; quote it: \"1\""],
        ),
        (
            "{name: a, shape: {type: circle, side: 1}}",
            vec![
                "side: unknown field `side`; not a field of `shape`; its fields are `radius` and `type`",
                "shape: missing field `radius`; `shape` needs it; ",
            ],
        ),
        (
            "{name: a, shape: {type: cirle, radius: 1}}",
            vec![
                "cirle: a value that is not allowed; `cirle` is not allowed here; did you mean `circle`?",
            ],
        ),
        (
            "{name: a, list: [{key: b}, {ky: c}]}",
            vec!["ky: unknown field `ky`; not a field of `list`; did you mean `key`?"],
        ),
        (
            "{name: a, list: [{key: b}, {key: b}, {key: c}]}",
            vec!["list: a value out of range; must have at most 2 members; "],
        ),
        (
            "{name: a, tags: {b: 1.10}}",
            vec![
                "1.10: a value of the wrong type; expected a text, found a number; quote it: \"1.10\"",
            ],
        ),
        (
            "{name: a, on: yes}",
            vec![
                "yes: a value of the wrong type; expected true or false, found a text; write true",
            ],
        ),
    ] {
        assert_eq!(
            check(spec),
            (expected.into_iter().map(str::to_owned).collect(), false),
            "{spec}"
        );
    }
}

#[test]
fn what_is_not_known_yet_violates_nothing() {
    for (spec, opaque) in [
        ("{name: \"A-${account.id}-too-long\"}", false),
        ("{name: a, count: \"${var.x}\"}", true),
        ("{name: a, ids: \"${var.x}\"}", false),
        ("{name: a, ids: [\"${var.x}\"]}", false),
        ("{name: a, colour: \"${var.x}\"}", true),
        ("{name: a, shape: \"${var.x}\"}", true),
        ("{name: a, shape: {type: circle, radius: \"${var.x}\"}}", true),
        ("{name: a, list: \"${var.x}\"}", true),
    ] {
        assert_eq!(check(spec), (vec![], opaque), "{spec}");
    }
    let (said, _) = check("{nam: \"${var.x}\", count: \"${var.x}\"}");
    assert_eq!(said.len(), 1, "the rest is still told: {said:?}");
}

#[test]
fn what_is_sensitive_is_checked_and_never_shown() {
    for spec in [
        "{name: \"${region}\"}",
        "{name: a, count: \"${region}\"}",
        "{name: a, colour: \"${region}\"}",
        "{name: a, on: \"${region}\"}",
        "{name: a, shape: {type: \"${region}\"}}",
    ] {
        let (said, _) = check(spec);
        assert!(!said.is_empty(), "{spec}");
        assert!(!said.concat().to_lowercase().contains("canary"), "{said:?}");
    }
}
