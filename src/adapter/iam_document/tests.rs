use serde_json::json;

use super::*;
use crate::value::Map;

fn statement(members: &Json, purpose: Purpose) -> Vec<(String, String)> {
    let mut statement = json!({"Effect": "Allow", "Action": "s3:*"});
    match purpose {
        Purpose::Trust => statement["Principal"] = json!("*"),
        Purpose::Identity => statement["Resource"] = json!("*"),
        Purpose::Resource => {
            statement["Principal"] = json!("*");
            statement["Resource"] = json!("*");
        }
    }
    for (key, value) in members.as_object().unwrap() {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(key);
        } else {
            statement[key] = value.clone();
        }
    }
    found(&json!({"Version": "2012-10-17", "Statement": [statement]}), purpose)
}

fn found(document: &Json, purpose: Purpose) -> Vec<(String, String)> {
    let mut problems = Problems::default();
    check(&mut problems, &Path::new("d"), &Value::from_json(document), purpose);
    let problems = problems.or(()).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.path.to_string(), problem.summary)).collect()
}

#[test]
fn good_documents() {
    use Purpose::{Identity, Trust};
    let condition = json!({"Condition": {"StringEquals": {"aws:SourceAccount": 1}}});
    for (members, purpose) in [
        (json!({}), Trust),
        (json!({}), Identity),
        (json!({"Sid": "A1"}), Identity),
        (json!({"Sid": ""}), Identity),
        (json!({"Action": ["s3:*", "*"]}), Identity),
        (json!({"Action": null, "NotAction": "iam:*"}), Identity),
        (json!({"Resource": null, "NotResource": ["a", "b"]}), Identity),
        (json!({"Principal": {"Service": ["a", "b"], "AWS": "*"}}), Trust),
        (json!({"Principal": {"Federated": "arn:x", "CanonicalUser": "y"}}), Trust),
        (condition, Trust),
    ] {
        assert_eq!(statement(&members, purpose), [], "{members}");
    }
    let single = json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}});
    assert_eq!(found(&single, Identity), []);
}

#[test]
fn bad_documents() {
    use Purpose::{Identity, Trust};
    for (document, path, summary) in [
        (json!([]), "d", "is a mapping"),
        (json!("x"), "d", "is a mapping"),
        (json!({}), "d", "no `Statement`"),
        (json!({"Statement": []}), "d.Statement", "no statement"),
        (json!({"Statement": ["x"]}), "d.Statement.0", "a statement is a mapping"),
        (json!({"Version": "2012-10-18", "Statement": {}}), "d.Version", "not a version"),
        (json!({"Version": 2012, "Statement": {}}), "d.Version", "not a version"),
        (json!({"version": "2012-10-17", "Statement": {}}), "d.version", "no `version`"),
        (json!({"Statements": {}}), "d.Statements", "no `Statements`"),
        (
            json!({"Statement": [{"Sid": "A"}, {"Sid": "A"}]}),
            "d.Statement.1.Sid",
            "another statement has the Sid `A`",
        ),
    ] {
        let found = found(&document, Identity);
        let hit = found.iter().any(|(p, s)| p == path && s.contains(summary));
        assert!(hit, "{document}: {found:#?}");
    }
    for (members, purpose, path, summary) in [
        (json!({"Effect": null}), Identity, "", "no `Effect`"),
        (json!({"Effect": "allow"}), Identity, ".Effect", "not an effect"),
        (json!({"Sid": "a-b"}), Identity, ".Sid", "not a Sid"),
        (json!({"Sid": 1}), Identity, ".Sid", "not a Sid"),
        (json!({"Action": null}), Identity, "", "neither `Action` nor `NotAction`"),
        (json!({"NotAction": "s3:*"}), Identity, "", "both `Action` and `NotAction`"),
        (json!({"Action": "GetObject"}), Identity, ".Action", "not an action"),
        (json!({"Action": []}), Identity, ".Action", "is empty"),
        (json!({"Action": [1]}), Identity, ".Action", "not a text"),
        (json!({"Actions": "s3:*"}), Identity, ".Actions", "no `Actions`"),
        (json!({"Resource": null}), Identity, "", "neither `Resource`"),
        (json!({"NotResource": "*"}), Identity, "", "both `Resource`"),
        (json!({"Principal": "*"}), Identity, ".Principal", "no `Principal`"),
        (json!({"Resource": "*"}), Trust, ".Resource", "no `Resource`"),
        (json!({"Principal": null}), Trust, "", "neither `Principal`"),
        (json!({"Principal": "arn:x"}), Trust, ".Principal", "not a principal"),
        (json!({"Principal": {}}), Trust, ".Principal", "not a principal"),
        (json!({"Principal": {"service": "x"}}), Trust, ".Principal.service", "no `service`"),
        (json!({"Principal": {"AWS": 123}}), Trust, ".Principal.AWS", "not a text"),
        (json!({"Condition": "x"}), Identity, ".Condition", "maps operators"),
        (json!({"Condition": {"Bool": "x"}}), Identity, ".Condition", "maps operators"),
    ] {
        let found = statement(&members, purpose);
        let path = format!("d.Statement.0{path}");
        let hit = found.iter().any(|(p, s)| *p == path && s.contains(summary));
        assert!(hit, "{members}: {found:#?}");
    }
}

#[test]
fn unknown_parts_are_passed_over() {
    let unknown = || Value::Unknown("${a.b.c}".into());
    let mut problems = Problems::default();
    check(&mut problems, &Path::new("d"), &unknown(), Purpose::Trust);
    let statement: Map = policy::STATEMENT_KEYS
        .into_iter()
        .filter(|key| !key.starts_with("Not") && *key != "Principal")
        .map(|key| (key.to_owned(), unknown()))
        .collect();
    let document = Map::from([
        ("Version".to_owned(), unknown()),
        ("Statement".to_owned(), Value::Map(statement)),
    ]);
    check(&mut problems, &Path::new("d"), &Value::Map(document), Purpose::Identity);
    assert_eq!(problems.or(()), Ok(()));
}

#[test]
fn white_space_does_not_count_for_the_size() {
    let size = |sid: &str| size(&Value::from_json(&json!({"Sid": sid})));
    assert_eq!(size("ab"), Some(r#"{"Sid":"ab"}"#.len()));
    assert_eq!(size("a b"), size("ab"));
    assert_eq!(super::size(&Value::Unknown("${a}".into())), None);
}

#[test]
fn a_document_goes_out_as_text() {
    let document = Value::from_json(&json!({"Statement": [{"Sid": "a"}]}));
    assert_eq!(text(&document), r#"{"Statement":[{"Sid":"a"}]}"#.into());
    let unknown = Map::from([("Resource".to_owned(), Value::Unknown("${a.b.c}/*".into()))]);
    assert_eq!(text(&Value::Map(unknown)), Value::Unknown(r#"{"Resource":"${a.b.c}/*"}"#.into()));
}
