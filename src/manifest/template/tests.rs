//! References in texts.

use serde_json::json;

use super::*;
use crate::value::Map;

fn lookup(reference: &Reference) -> Resolution {
    match reference {
        Reference::Variable(name) => match name.as_str() {
            "text" => Resolution::Known(Value::from("a${b")),
            "number" => Resolution::Known(Value::from(3)),
            "truth" => Resolution::Known(Value::from(true)),
            "list" => Resolution::Known(Value::from_json(&json!(["x", 1]))),
            "null" => Resolution::Known(Value::Null),
            "secret" => Resolution::Known(Value::Sensitive(Box::new(Value::from("s3cret")))),
            "later" => Resolution::Known(Value::Unknown("x-${account.id}".into())),
            _ => Resolution::Invalid(format!("no variable `{name}`")),
        },
        Reference::AccountId | Reference::Output { .. } => Resolution::Unknown,
        Reference::Region => Resolution::Known(Value::from("eu-west-1")),
    }
}

fn resolved(text: &str) -> Result<Value, Vec<String>> {
    resolve(&Value::Unknown(text.into()), &mut lookup)
        .map_err(|problems| problems.into_iter().map(|problem| problem.summary).collect())
}

#[test]
fn references_are_resolved_by_their_place_in_the_text() {
    let text = |text: &str| Ok(Value::from(text));
    for (from, to) in [
        ("${var.number}", Ok(Value::from(3))),
        ("${var.truth}", Ok(Value::from(true))),
        ("${var.null}", Ok(Value::Null)),
        ("${var.list}", Ok(Value::from_json(&json!(["x", 1])))),
        ("n${var.number}-${var.truth}", text("n3-true")),
        ("${region}${region}", text("eu-west-1eu-west-1")),
        ("<${var.text}>", text("<a${b>")),
        ("$${x}-${region}", text("${x}-eu-west-1")),
        ("$$${x}${region}", text("$${x}eu-west-1")),
        ("cost: $5 ${region}", text("cost: $5 eu-west-1")),
        ("${account.id}", Ok(Value::Unknown("${account.id}".into()))),
        ("${var.later}", Ok(Value::Unknown("${var.later}".into()))),
        ("a$${b}${var.later}", Ok(Value::Unknown("a$${b}${var.later}".into()))),
        ("${IamRole.a.arn}-${region}", Ok(Value::Unknown("${IamRole.a.arn}-${region}".into()))),
        ("<${var.list}>", Err(vec!["a list can't be put into a text".into()])),
        ("<${var.null}>", Err(vec!["nothing can't be put into a text".into()])),
        ("<${var.x}>", Err(vec!["no variable `x`".into()])),
    ] {
        assert_eq!(resolved(from), to, "{from}");
    }
}

#[test]
fn a_sensitive_part_makes_the_whole_text_sensitive() {
    let Ok(Value::Sensitive(inner)) = resolved("a-${var.secret}-${region}") else { panic!() };
    assert_eq!(*inner, Value::from("a-s3cret-eu-west-1"));
    assert!(matches!(resolved("${var.secret}"), Ok(Value::Sensitive(_))));
    assert!(matches!(resolved("${var.secret}${account.id}"), Ok(Value::Unknown(_))));
}

#[test]
fn texts_that_are_known_stand_for_themselves() {
    let value = Value::from("${var.number}");
    assert_eq!(resolve(&value, &mut lookup).unwrap(), value);
}

#[test]
fn mistakes_have_their_place_in_the_text() {
    for (text, at, summary) in [
        ("ab${var.x", 2, "a reference that is not closed"),
        ("${var.x ${var.y}", 0, "a reference that is not closed"),
        ("é${nothing}", 2, "not a reference"),
        ("${IamRole.a}", 0, "not a reference"),
        ("${aws:username}", 0, "not a reference"),
        ("a ${ var.x }", 2, "a reference with spaces inside"),
    ] {
        let mistakes = parse(text).unwrap_err();
        assert_eq!(
            (mistakes[0].range.start, mistakes[0].summary.as_str()),
            (at, summary),
            "{text}"
        );
    }
}

#[test]
fn references_of_a_value_have_their_path() {
    let value = Value::Map(Map::from([
        ("a".into(), Value::List(vec![Value::Unknown("${region}-${account.id}".into())])),
        ("b".into(), Value::from("${region}")),
    ]));
    let found: Vec<_> =
        references(&value).map(|(path, reference)| format!("{path} {reference}")).collect();
    assert_eq!(found, ["a.0 ${region}", "a.0 ${account.id}"]);
}
