//! What is read, what is refused, and where.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::*;

fn json(node: &Node) -> Json {
    match &node.content {
        Content::Null | Content::Broken => Json::Null,
        Content::Bool(truth) => json!(truth),
        Content::Number(number) => json!(number),
        Content::Text(text) => json!(text),
        Content::List(members) => members.iter().map(json).collect(),
        Content::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect()
        }
    }
}

/// The documents of a text, and what is wrong as `line:column summary`.
fn read(text: &str) -> (Vec<Json>, Vec<String>) {
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text);
    let parsed = parse(&sources, file);
    let wrong = parsed.diagnostics.iter().map(|diagnostic| {
        let position = sources.position(diagnostic.span.unwrap());
        format!("{}:{} {}", position.line, position.column, diagnostic.summary)
    });
    (parsed.documents.iter().map(json).collect(), wrong.collect())
}

fn good(text: &str) -> Json {
    let (documents, wrong) = read(text);
    assert_eq!(wrong, Vec::<String>::new(), "{text}");
    assert_eq!(documents.len(), 1, "{text}");
    documents[0].clone()
}

#[test]
fn plain_texts_have_the_types_of_the_core_schema() {
    for (text, expected) in [
        ("~", json!(null)),
        ("null", json!(null)),
        ("", json!(null)),
        ("true", json!(true)),
        ("False", json!(false)),
        ("yes", json!("yes")),
        ("no", json!("no")),
        ("on", json!("on")),
        ("off", json!("off")),
        ("y", json!("y")),
        ("NO", json!("NO")),
        ("0", json!(0)),
        ("-0", json!(0)),
        ("12", json!(12)),
        ("+12", json!(12)),
        ("-12", json!(-12)),
        ("012345678901", json!("012345678901")),
        ("-012", json!("-012")),
        ("00", json!("00")),
        ("0.5", json!(0.5)),
        ("00.5", json!("00.5")),
        ("1.10", json!(1.1)),
        ("1.", json!(1.0)),
        (".5", json!(0.5)),
        (".", json!(".")),
        ("1e3", json!(1000.0)),
        ("1e", json!("1e")),
        ("01e3", json!("01e3")),
        ("0x1F", json!(31)),
        ("0o17", json!(15)),
        ("0x", json!("0x")),
        ("0b11", json!("0b11")),
        ("1_000", json!("1_000")),
        ("1:20", json!("1:20")),
        ("2012-10-17", json!("2012-10-17")),
        ("1.2.3", json!("1.2.3")),
        ("18446744073709551615", json!(u64::MAX)),
        ("'012'", json!("012")),
        ("\"true\"", json!("true")),
        ("!!str 12", json!("12")),
        ("! 12", json!("12")),
        ("!!int 12", json!(12)),
        ("${var.x}", json!("${var.x}")),
        ("arn:aws:iam::aws:policy/X", json!("arn:aws:iam::aws:policy/X")),
    ] {
        assert_eq!(good(&format!("v: {text}\n"))["v"], expected, "{text}");
    }
}

#[test]
fn structures_anchors_and_documents_are_read() {
    assert_eq!(
        good("a: &x {b: [1, two]}\nc: *x\nd:\n- e: |\n    f\n    g\n"),
        json!({"a": {"b": [1, "two"]}, "c": {"b": [1, "two"]}, "d": [{"e": "f\ng\n"}]})
    );
    let (documents, wrong) = read("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
    assert_eq!((documents, wrong), (vec![json!({"a": 1}), json!({"b": 2})], vec![]));
    assert_eq!(good("a: 1\r\nb: x\r\n"), json!({"a": 1, "b": "x"}));
}

#[test]
fn errors_have_their_place() {
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", vec!["3:1 the key `a` stands twice"]),
        (
            "a: {b: 1, b: 2, \"b\": 3}",
            vec!["1:11 the key `b` stands twice", "1:17 the key `b` stands twice"],
        ),
        (
            "a: !Ref b\nc: !!set {}\n",
            vec![
                "1:4 the tag `!Ref` is not supported here",
                "2:4 the tag `!!set` is not supported here",
            ],
        ),
        ("a: !!int x\n", vec!["1:10 the tag `!!int` does not fit"]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", vec!["3:3 merge keys are not supported"]),
        (
            "1: a\ntrue: b\n~: c\n[d]: e\n",
            vec![
                "1:1 a key that is not a text",
                "2:1 a key that is not a text",
                "3:1 a key that is not a text",
                "4:1 a key that is not a text",
            ],
        ),
        (
            "a: .inf\nb: -.INF\nc: .nan\nd: 1e999\ne: 99999999999999999999\n",
            vec![
                "1:4 a number that can't be kept",
                "2:4 a number that can't be kept",
                "3:4 a number that can't be kept",
                "4:4 a number that can't be kept",
                "5:4 a number that can't be kept",
            ],
        ),
        ("a: *x\nb: 1\n", vec!["1:4 an alias without an anchor"]),
        ("a: &x [*x]\n", vec!["1:8 an alias inside the value that it repeats"]),
        ("a:\n\tb: 1\n", vec!["2:1 a tab where YAML wants spaces"]),
        ("a: \"x\\0y\"\n", vec!["1:4 a text with the control character U+0000"]),
        ("a: \"\\e[31m\"\n", vec!["1:4 a text with the control character U+001B"]),
        ("\"a\u{200b}b\": 1\n", vec!["1:1 a key with the invisible character U+200B"]),
        ("\"a\\u202eb\": 1\n", vec!["1:1 a key with the invisible character U+202E"]),
        ("%YAML 1.1\n---\na: 1\n", vec!["1:1 a YAML directive"]),
    ] {
        assert_eq!(read(text).1, expected, "{text}");
    }
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let (documents, wrong) = read("a: [1\n---\nb: 1\nb: 2\n---\nc: 'x\n---\nd: 1\n");
    assert_eq!(documents.len(), 2, "{documents:?}");
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[1].starts_with("4:1 the key `b`"), "{wrong:?}");
}

#[test]
fn limits_hold() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..=9 {
        let alias = format!("*a{}", level - 1);
        let list = vec![alias; 10].join(",");
        writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
    }
    let wrong = read(&bomb).1;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("more than 500000 nodes"), "{wrong:?}");

    let text = "x".repeat(1_000_000);
    let repeat = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 1000].join(","));
    assert!(read(&repeat).1[0].contains("aliases repeat more than"));

    for deep in ["[".repeat(100_000), "{a: ".repeat(100), "- ".repeat(100)] {
        let wrong = read(&deep).1;
        assert!(wrong[0].contains("nested more than 64 deep"), "{wrong:?}");
    }
    let deepest = format!("{}{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(read(&deepest).1, Vec::<String>::new());

    let many = "a: 1\n".repeat(1000);
    assert_eq!(read(&many).1.len(), MAX_ERRORS);
}

#[test]
fn every_key_and_value_has_its_place() {
    let text = "a: one\nb:\n  - 'two'\n  - {c: 3}\nd: |\n  x\ne: {}\n";
    let mut sources = Sources::default();
    let file = sources.add("a.yaml", text);
    let node = parse(&sources, file).documents.remove(0);
    let at = |path: &[&str]| {
        let path: Vec<_> = path.iter().map(|segment| (*segment).to_owned()).collect();
        let located = node.locate(&path);
        (sources.slice(located.point), located.key.map(|key| sources.slice(key)))
    };
    assert_eq!(at(&["a"]), ("one", Some("a")));
    assert_eq!(at(&["b"]), ("b", Some("b")));
    assert_eq!(at(&["b", "0"]), ("'two'", None));
    assert_eq!(at(&["b", "two"]), ("'two'", None));
    assert_eq!(at(&["b", "1", "c"]), ("3", Some("c")));
    assert_eq!(at(&["d"]), ("x\n", Some("d")));
    assert_eq!(at(&["e", "nothing"]), ("e", Some("e")));
}
