//! What others put into the account is shown as what it is: it steers no
//! terminal, adds no line of its own and hides nothing; as data nothing of it
//! is lost.

use serde_json::Value as Json;

use crate::environment::{NODE_ROLE, Output, TestEnvironment};

/// A text that clears the screen, retitles the window, writes from right to
/// left, hides, claims to be the end of a plan, and means something in Markdown.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}drawkcab\u{200b}\u{9b}31m\r\
    \nPlan: 0 to add, 0 to change, 0 to destroy.\nNo changes. Everything is as declared\n```\n\
    <b>[x](http://x)</b> `rm` | $(id)";

/// Insists that every line is one that the program wrote.
#[track_caller]
fn is_harmless(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        for c in text.chars() {
            let unseen = c.is_control() && c != '\n';
            let turns = ('\u{200b}'..='\u{200f}').contains(&c)
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c);
            assert!(!unseen && !turns, "{c:?} in {output}");
        }
        for line in text.lines() {
            for forged in [
                "Plan: 0 to add, 0 to change, 0 to destroy.",
                "No changes. Everything is as declared",
                "```",
                "<b>[x](http://x)</b> `rm` | $(id)",
            ] {
                assert!(line != forged, "{line:?} in {output}");
            }
        }
    }
}

fn with_hostile_trust() -> TestEnvironment {
    let environment = TestEnvironment::applied();
    let document = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:PrincipalTag/x": HOSTILE}},
        }],
    });
    let document = document.to_string();
    let args = [
        "sandbox",
        "run",
        "--",
        "aws",
        "iam",
        "update-assume-role-policy",
        "--role-name",
        NODE_ROLE,
        "--policy-document",
        &document,
    ];
    environment.run_args(&args, "").expect(0);
    environment
}

/// Whether a text stands somewhere in a document, letter by letter.
fn holds(json: &Json, text: &str) -> bool {
    match json {
        Json::String(found) => found.contains(text),
        Json::Array(list) => list.iter().any(|json| holds(json, text)),
        Json::Object(map) => map.iter().any(|(key, json)| key == text || holds(json, text)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

#[test]
fn a_policy_document_is_shown_as_what_it_is() {
    let environment = with_hostile_trust();
    let output = environment.run("plan --show-commands");
    is_harmless(&output);
    assert!(output.stdout.contains("IamRole.node will be updated"), "{output}");
    assert!(output.stdout.contains("\\u202e") || output.stdout.contains("\\u{202e}"), "{output}");
    assert!(holds(&environment.plan(), HOSTILE), "as data nothing is lost");
    for command in
        ["refresh", "show", "show IamRole.node", "apply --auto-approve", "show IamRole.node"]
    {
        is_harmless(&environment.run(command));
    }
    environment.is_clean();
}

#[test]
fn a_tag_of_others_is_shown_as_what_it_is() {
    let environment = TestEnvironment::applied();
    // The service takes no control characters in a tag, but the sandbox does not
    // mind what is in its own file.
    let world = environment.read("state/sandbox/world.jsonl");
    let found = world.lines().rev().find_map(|line| {
        let json: Json = serde_json::from_str(line).ok()?;
        let mut put = json["put"].as_object()?.iter();
        let role = put.find(|(key, _)| key.eq_ignore_ascii_case("iam/role/NodeRole"))?;
        Some((role.0.clone(), role.1.clone()))
    });
    let (key, mut role) = found.expect("the role is in the sandbox's file");
    role["Tags"] = serde_json::json!([{"Key": HOSTILE, "Value": HOSTILE}]);
    role["Description"] = HOSTILE.into();
    environment.change_world(&serde_json::json!({
        "now": "2030-01-01T00:00:00Z", "put": {key: role},
    }));
    for command in ["plan --show-unchanged", "plan", "refresh", "show IamRole.node"] {
        is_harmless(&environment.run(command));
    }
    let plan = environment.plan();
    assert!(holds(&plan, HOSTILE) || plan.to_string().contains("drawkcab"), "{plan}");
    is_harmless(&environment.run("apply --auto-approve"));
    let applied = environment.run("apply --auto-approve --json").json();
    assert_eq!(applied["exitCode"], 0);
}

#[test]
fn a_lock_and_a_state_that_someone_wrote_steer_nothing() {
    let environment = TestEnvironment::applied();
    let lock = serde_json::json!({
        "id": HOSTILE, "operation": HOSTILE, "who": HOSTILE, "pid": 1,
        "since": "2030-01-01T00:00:00Z",
    });
    environment.write("state/sandbox/small.lock", lock.to_string());
    let output = environment.run("refresh");
    is_harmless(&output);
    environment.write("state/sandbox/small.json", format!("{{\"formatVersion\": \"{HOSTILE}\"}}"));
    is_harmless(&environment.run("show"));
    environment.write("state/sandbox/small.log.jsonl", format!("{HOSTILE}\n"));
    is_harmless(&environment.run("apply --auto-approve"));
    environment.write(
        "it.plan",
        serde_json::json!({"plan": {HOSTILE: 1, "formatVersion": 1}}).to_string(),
    );
    let output = environment.run("apply it.plan");
    is_harmless(&output);
    assert_eq!(output.code, 1);
    // Names on the command line are someone's too.
    for args in [["show", HOSTILE], ["explain", HOSTILE], ["apply", HOSTILE], ["plan", HOSTILE]] {
        let output = environment.run_args(&args, "");
        assert_ne!(output.code, 0);
        if args[0] != "plan" {
            is_harmless(&output);
        }
    }
}
