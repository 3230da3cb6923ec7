//! A plan as the comment of a pull request: what hostile values can do to it
//! (nothing), and what becomes of it when there is too much to tell.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::format_collect,
    reason = "a test that can't go on fails; values of changes are written where they are used"
)]

use std::collections::BTreeSet;

use lkh::plan::Plan;
use lkh::plan::outputs::OutputValue;
use lkh::quote::is_unseen;
use lkh::report::format::Rendering;
use lkh::report::markdown::{self, LIMIT};
use lkh::value::Digest;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::{Value as Json, json};

/// The comment of a plan.
fn comment(plan: &Plan) -> String {
    markdown::render(&Rendering::of(plan))
}

/// A plan of these changes.
fn plan(changes: Vec<Json>) -> Plan {
    let json = json!({
        "formatVersion": lkh::plan::FORMAT_VERSION,
        "stack": "small",
        "mode": "apply",
        "account": "111122223333",
        "region": "us-east-2",
        "lineage": "l",
        "serial": 41,
        "manifests": Digest::of(b"m"),
        "variables": {},
        "targets": [],
        "changes": changes,
    });
    serde_json::from_value(json).unwrap()
}

/// A change; `more` holds what else there is to it.
fn change(address: &str, action: &str, more: Json) -> Json {
    let mut change = json!({
        "address": address,
        "identity": {},
        "action": action,
        "reason": {"code": "fieldsDiffer"},
        "fields": [],
        "foreign": [],
        "notes": [],
        "commands": [],
        "dependsOn": [],
        "blockers": [],
    });
    // The whole object on both sides, as far as it exists there.
    if action != "create" {
        change["before"] = json!({});
    }
    if action != "delete" {
        change["after"] = json!({});
    }
    for (key, value) in more.as_object().unwrap() {
        change[key] = value.clone();
    }
    change
}

fn field(path: &[&str], before: Json, after: Json) -> Json {
    json!({"path": path, "before": before, "after": after, "origin": "change", "replace": false})
}

// Hostile values.

/// A plan with one text in every place that a text from outside can reach.
fn hostile(text: &str) -> Plan {
    let name = "IamRole.a";
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": [text], "Resource": [text, text, text]}],
    });
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": text}, "Action": text,
            "Condition": {text: {text: text}},
        }],
    });
    let unknown = json!({"$unknown": format!("${{IamRole.{text}.arn}}")});
    let mut plan = plan(vec![
        change(
            name,
            "update",
            json!({
                "identity": {"roleName": text},
                "fields": [
                    field(&["trustPolicy"], json!({"Statement": []}), trust.clone()),
                    field(&["inlinePolicies", text], Json::Null, document.clone()),
                    field(&["managedPolicies", text], Json::Null, json!(text)),
                    {
                        "path": ["tags", text], "before": text, "after": format!("{text}x"),
                        "origin": "drift", "replace": false,
                    },
                ],
                "foreign": [{"path": ["tags", text], "value": text}],
                "notes": [text, "a note"],
                "before": {"trustPolicy": {"Statement": []}},
                "after": {"trustPolicy": trust, "inlinePolicies": {text: document}},
                "blockers": [{"code": text, "message": text, "next": text}],
            }),
        ),
        change(
            "HelmRelease.a",
            "update",
            json!({
                "identity": {"clusterName": unknown, "releaseName": text},
                "fields": [
                    field(&["objects", text], json!({text: text}), Json::Null),
                    field(&["objects", &format!("Deployment/{text}"), "spec"], json!(1), json!(text)),
                    field(&["values", text], json!([text]), unknown.clone()),
                ],
            }),
        ),
        change("EksCluster.a", "repair", json!({"reason": {"code": "broken", "why": text}})),
        change("EksAddon.a", "unknown", json!({"reason": {"code": "notReadable", "why": text}})),
        change(
            "KubernetesObject.a",
            "delete",
            json!({"identity": {"kind": text}, "reason": {"code": "notDeclared"}}),
        ),
        change(
            "S3Bucket.a",
            "replace",
            json!({"reason": {"code": "identityChanged", "before": {"bucket": text}}}),
        ),
    ]);
    plan.account = text.into();
    plan.region = text.into();
    plan.stack = text.into();
    plan.targets = vec![text.into()];
    plan.outputs = vec![OutputValue { name: text.into(), before: None, now: text.into() }];
    plan
}

/// What a reader of Markdown makes of a comment, without the texts: every block
/// and every mark in it, and the markup that is handed through as it stands.
fn structure(markdown: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut in_fence = false;
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                in_fence = true;
                found.push(format!("code block {kind:?}").replace(char::is_numeric, ""));
            }
            Event::End(TagEnd::CodeBlock) => in_fence = false,
            Event::Text(text) if !in_fence => {
                // What forges look for in texts.
                for sign in ["@", "#", "://", "www.", "GH-", "`", "<", "$", "![", "]("] {
                    assert!(!text.contains(sign), "{text:?} in\n{markdown}");
                }
            }
            Event::Text(_) | Event::Code(_) | Event::SoftBreak => {}
            Event::Html(html) | Event::InlineHtml(html) => {
                // The hash is another one for each plan, and a name may be none.
                let html = html.split("hash=").next().unwrap().trim().to_owned();
                let html = html.split("stack=").next().unwrap().to_owned();
                found.push(html.replace(char::is_numeric, ""));
            }
            other => found.push(format!("{other:?}")),
        }
    }
    found.dedup();
    found
}

fn stays_whole(text: &str) {
    let shown = comment(&hostile(text));
    assert_eq!(structure(&shown), structure(&comment(&hostile("plain"))), "of {text:?}:\n{shown}");
    let unseen = shown.chars().find(|&c| c != '\n' && is_unseen(c));
    assert_eq!(unseen, None, "of {text:?}:\n{shown}");
    assert!(shown.len() <= LIMIT);
}

const NASTY: &[&str] = &[
    "`",
    "``",
    "```",
    "````diff\n",
    "~~~",
    "|",
    "\\|",
    "\\",
    "\n",
    "\r\n",
    "\n\n",
    "<!--",
    "-->",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "<summary>",
    "@admin",
    "@org/team",
    "#12",
    "GH-12",
    "org/repo#1",
    "[a](http://evil.example)",
    "![a](http://evil.example/a.png)",
    "[a]: http://e",
    "http://evil.example",
    "www.evil.example",
    "<http://evil.example>",
    "me@evil.example",
    "\u{202e}",
    "\u{200b}",
    "\u{0}",
    "\u{1b}[31m",
    "**",
    "_",
    "*a*",
    "~~a~~",
    "$a$",
    "$$",
    "&lt;",
    "&#64;admin",
    "- ",
    "1. ",
    "# ",
    "> ",
    "---",
    "===",
    "/close",
    ":tada:",
    "[^1]",
    "[x]",
    "+ ",
    "! ",
    " ",
    "\t",
    "0123456789abcdef0123456789abcdef01234567",
    "deadbeef",
    "plain",
    "é",
    "日本",
    "${IamRole.a.arn}",
    "| a | b |",
    "::: x",
    "[[a]]",
    "{#id}",
];

#[test]
fn each_hostile_text_stays_a_text() {
    for text in NASTY {
        stays_whole(text);
        stays_whole(&format!("a{text}b"));
        stays_whole(&format!("{text} {text}"));
    }
    stays_whole("");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_mixture_of_hostile_texts_stays_a_text(
        parts in proptest::collection::vec(
            prop_oneof![
                3 => proptest::sample::select(NASTY.to_vec()).prop_map(str::to_owned),
                1 => any::<String>(),
            ],
            0..8,
        )
    ) {
        stays_whole(&parts.concat());
    }
}

// Too much to tell.

/// The addresses that a comment names, in rows and in lists.
fn named(comment: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for line in comment.lines() {
        if let Some(cells) = line.strip_prefix("| ") {
            let address = cells.split('`').nth(1).unwrap_or_default();
            named.insert(address.to_owned());
        } else if let Some((head, names)) =
            line.strip_prefix("- ").and_then(|line| line.split_once("`: `"))
        {
            let kind = head.split('`').nth(1).unwrap();
            let names = expanded(names.trim_end_matches('`'));
            named.extend(names.into_iter().map(|name| format!("{kind}.{name}")));
        }
    }
    named
}

/// The names in a list where names that are alike are told together.
fn expanded(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in list.split(", ") {
        let Some((head, rest)) = part.split_once('{') else {
            names.push(part.to_owned());
            continue;
        };
        let (inner, tail) = rest.split_once('}').unwrap();
        for one in inner.split(',') {
            match one.split_once("..") {
                Some((first, last)) => {
                    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                    names.extend((first..=last).map(|n| format!("{head}{n}{tail}")));
                }
                None => names.push(format!("{head}{one}{tail}")),
            }
        }
    }
    names
}

#[test]
fn of_ten_thousand_changes_the_grave_ones_are_all_told() {
    let mut changes = Vec::new();
    let mut grave = BTreeSet::new();
    for n in 0..10_000 {
        let change = match n {
            0..100 => change(&format!("S3Bucket.b{n}"), "delete", json!({})),
            100..250 => change(
                &format!("IamRole.moved-{n}"),
                "replace",
                json!({"fields": [{
                    "path": ["path"], "before": "/", "after": "/x/", "origin": "change",
                    "replace": true,
                }]}),
            ),
            250..350 => change(
                &format!("EksCluster.open-{n}"),
                "update",
                json!({"fields": [
                    field(&["publicAccessCidrs", "0.0.0.0/0"], Json::Null, json!("0.0.0.0/0")),
                ]}),
            ),
            350..3_000 => change(
                &format!("Ec2Tags.t{n}"),
                "update",
                json!({"fields": [field(&["tags", "a"], json!("b"), json!("c"))]}),
            ),
            _ => change(&format!("EksNodegroup.g{n}"), "create", json!({})),
        };
        if n < 350 {
            grave.insert(change["address"].as_str().unwrap().to_owned());
        }
        changes.push(change);
    }
    let plan = plan(changes);
    let shown = comment(&plan);
    assert!(shown.len() <= LIMIT, "{}", shown.len());
    let named = named(&shown);
    let missing: Vec<_> = grave.difference(&named).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // There is room for the reason of each, and for diffs of the worst.
    assert!(shown.contains("the bucket goes, with all objects"), "{shown}");
    assert!(shown.contains("- S3Bucket.b0 will be destroyed"), "{shown}");
    // What is left out is said, with where it is.
    assert!(shown.contains("**Left out** to fit 60000 bytes: "), "{shown}");
    assert!(shown.contains(plan.meaning().as_str()));
    assert!(shown.contains("100 data losses, 150 destroys, 100 access widenings, 9650 safe"));
    // Even the creates are there, told together.
    assert!(named.contains("EksNodegroup.g9999") && named.contains("Ec2Tags.t350"), "{shown}");
    assert_eq!(comment(&plan), shown);
    structure(&shown);
}

#[test]
fn ten_thousand_destroys_are_told_together() {
    let changes: Vec<Json> = (0..10_000)
        .map(|n| {
            let kind = if n % 3 == 0 { "S3Bucket" } else { "IamRole" };
            change(&format!("{kind}.team-{}-{n}", n % 7), "delete", json!({}))
        })
        .collect();
    let all: BTreeSet<String> =
        changes.iter().map(|change| change["address"].as_str().unwrap().to_owned()).collect();
    let shown = comment(&plan(changes));
    assert!(shown.len() <= LIMIT, "{}", shown.len());
    assert!(all.is_subset(&named(&shown)));
    assert!(shown.contains("3334 data losses, 6666 destroys"));
}

#[test]
fn what_can_not_be_named_is_counted_and_has_a_digest() {
    // Names that have nothing in common.
    let name = |n: u32| Digest::of(&n.to_be_bytes()).as_str()[7..47].to_owned();
    let changes: Vec<Json> = (0..10_000)
        .map(|n| change(&format!("IamRole.{}x", name(n)), "delete", json!({})))
        .collect();
    let all: BTreeSet<String> =
        changes.iter().map(|change| change["address"].as_str().unwrap().to_owned()).collect();
    let shown = comment(&plan(changes));
    assert!(shown.len() <= LIMIT, "{}", shown.len());
    let named = named(&shown);
    assert!(named.is_subset(&all) && named.len() > 500, "{}", named.len());
    let rest = shown.lines().find(|line| line.contains("more: their addresses")).unwrap();
    let number: usize = rest.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert_eq!(named.len() + number, all.len());
    // The rest is what comes after in the order of the risks.
    let plan_order = {
        let mut order: Vec<lkh::address::Address> =
            all.difference(&named).map(|address| address.parse().unwrap()).collect();
        order.sort_by(lkh::plan::risk::natural);
        order.iter().map(|address| address.to_string() + "\n").collect::<String>()
    };
    assert!(rest.contains(Digest::of(plan_order.as_bytes()).as_str()), "{rest}");
    assert!(shown.contains("most addresses of `destroy`"), "{shown}");
}

#[test]
fn a_diff_that_does_not_fit_is_left_out_whole() {
    let long: Vec<String> = (0..200).map(|n| format!("line {n} {}", "x".repeat(300))).collect();
    let changes = vec![
        change(
            "Ec2Tags.long",
            "update",
            json!({"fields": [field(&["tags", "a"], json!(["b"]), json!(long))]}),
        ),
        change("IamRole.gone", "delete", json!({})),
    ];
    let shown = comment(&plan(changes));
    assert!(shown.len() <= LIMIT);
    assert!(!shown.contains("line 0 "), "{shown}");
    assert!(shown.contains("- IamRole.gone will be destroyed"), "{shown}");
    assert!(shown.contains("**Left out** to fit 60000 bytes: the diffs of 1 update."), "{shown}");
}

#[test]
fn the_marker_tells_the_stack_the_hash_and_the_worst_risk() {
    let plan = plan(vec![
        change("IamRole.gone", "delete", json!({})),
        change("Namespace.new", "create", json!({})),
    ]);
    let shown = comment(&plan);
    let mut lines = shown.lines();
    assert_eq!(lines.next(), Some("<!-- lkh:plan stack=small -->"));
    let seen = format!("<!-- lkh:seen hash={} risk=1 destroy serial=41 -->", plan.meaning());
    assert_eq!(lines.next(), Some(seen.as_str()));
}

// What it looks like.

#[test]
fn a_dangerous_change() {
    let trust = |principal: Json| {
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
        })
    };
    let nodes = trust(json!({"Service": "ec2.amazonaws.com"}));
    let everyone = trust(json!({"AWS": "*"}));
    let deployment = "Deployment/trino/coordinator";
    let changes = vec![
        change(
            "EksCluster.main",
            "update",
            json!({
                "identity": {"name": "lake"},
                "fields": [
                    field(&["version"], json!("1.33"), json!("1.34")),
                    field(&["tags", "team"], json!("ops"), json!("data")),
                ],
            }),
        ),
        change(
            "IamRole.node",
            "update",
            json!({
                "identity": {"roleName": "NodeRole"},
                "fields": [field(&["trustPolicy"], nodes.clone(), everyone.clone())],
                "before": {"trustPolicy": nodes},
                "after": {"trustPolicy": everyone},
                "dependsOn": ["EksCluster.main"],
            }),
        ),
        change(
            "EksNodegroup.system",
            "replace",
            json!({
                "identity": {"clusterName": "lake", "nodegroupName": "system"},
                "reason": {"code": "fieldCannotChange", "field": "instanceTypes"},
                "fields": [{
                    "path": ["instanceTypes"], "before": ["m6i.large"], "after": ["m7i.large"],
                    "origin": "change", "replace": true,
                }],
                "dependsOn": ["EksCluster.main", "IamRole.node"],
            }),
        ),
        change(
            "S3Bucket.warehouse",
            "delete",
            json!({
                "identity": {"bucket": "lake-warehouse"},
                "reason": {"code": "notDeclared"},
                "notes": ["afterwards nothing is left of it"],
                "blockers": [{
                    "code": "PreventDestroy",
                    "message": "the change would destroy the object, and lifecycle.preventDestroy \
                                forbids that",
                    "next": "undo the change, or set lifecycle.preventDestroy to false and apply \
                             that first",
                }],
            }),
        ),
        change(
            "HelmRelease.trino",
            "update",
            json!({
                "identity": {"namespace": "trino", "releaseName": "trino"},
                "fields": [
                    field(&["objects", deployment, "spec", "template", "image"], json!("a"), json!("b")),
                    {
                        "path": ["objects", deployment, "spec", "replicas"],
                        "before": 5, "after": 2, "origin": "drift", "replace": false,
                    },
                    field(&["values", "cluster"], json!("lake"),
                        json!({"$unknown": "${S3Bucket.results.arn}"})),
                ],
                "foreign": [{"path": ["objects", "ConfigMap/trino/extra"], "value": null}],
                "dependsOn": ["EksNodegroup.system", "S3Bucket.results"],
            }),
        ),
        change(
            "S3Bucket.results",
            "create",
            json!({"identity": {"bucket": "lake-results"}, "reason": {"code": "absent"}}),
        ),
        change(
            "Namespace.trino",
            "adopt",
            json!({"identity": {"name": "trino"}, "reason": {"code": "existsAsDeclared"}}),
        ),
        change(
            "EksAddon.dns",
            "unknown",
            json!({
                "identity": {"clusterName": "lake", "addonName": "coredns"},
                "reason": {"code": "notReadable", "why": "aws eks describe-addon: AccessDenied"},
            }),
        ),
        change("IamPolicy.same", "no-op", json!({"reason": {"code": "asDeclared"}})),
    ];
    insta::assert_snapshot!("comment_dangerous", comment(&plan(changes)));
}
