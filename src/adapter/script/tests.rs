use serde_json::json;

use super::*;

fn context() -> Context {
    let files = BTreeMap::from([
        ("scripts/tags.sh".to_owned(), "#!/usr/bin/env bash\nset -eu\necho \"$1\"\n".to_owned()),
        ("x.py".to_owned(), "#!/usr/bin/env python3\n".to_owned()),
    ]);
    Context { name: "tags".into(), files: std::sync::Arc::new(files), ..Context::default() }
}

fn spec() -> Json {
    json!({
        "read": {"script": "cat state.json || exit 4"},
        "apply": {"file": "scripts/tags.sh", "args": ["all"]},
        "delete": {"script": "rm state.json"},
        "inputs": {"CLUSTER": "lake", "COUNT": 2, "FORCE": true},
        "expect": {"team": "lake"},
        "outputs": ["arn"],
        "absentCodes": [4],
        "timeout": "90s",
    })
}

fn desired_of(spec: &Value) -> Desired {
    Script.desired(spec, &context()).unwrap()
}

fn prior_of(desired: &Desired) -> Prior {
    Prior {
        identity: desired.identity.clone(),
        attributes: desired.attributes.clone(),
        settings: desired.settings.clone(),
        ..Prior::default()
    }
}

/// Reads with this answer to the one question.
fn read_with(
    desired: Option<&Desired>,
    prior: Option<&Prior>,
    answer: &Answer,
) -> Result<Live, ReadError> {
    let identity = Identity::new([(NAME, "tags".into())]);
    let subject = Subject::alone(&identity, desired, prior);
    let mut answers = Answers::default();
    loop {
        match Script.read(&subject, &answers)? {
            Reading::Ask(commands) => {
                assert_eq!(commands.len(), 1);
                assert!(commands[0].is_known_read() && commands[0].tool.program() == "bash");
                answers.insert(&commands[0], answer.clone());
            }
            Reading::Live(live) => return Ok(live),
            Reading::Missing(_) => return Ok(Live::Absent),
        }
    }
}

fn said(code: i32, stdout: &str) -> Answer {
    Answer { code, stdout: stdout.into(), stderr: "some words\n".into() }
}

#[test]
fn absent_only_where_the_script_says_so() {
    let desired = desired_of(&Value::from_json(&spec()));
    for answer in [said(0, ""), said(0, " \n"), said(0, "{\"absent\": true}"), said(4, "x")] {
        assert_eq!(read_with(Some(&desired), None, &answer), Ok(Live::Absent), "{answer:?}");
    }
    for (answer, why) in [
        (said(1, ""), "not with a code of `absentCodes`"),
        (said(5, "{\"absent\": true}"), "not with a code of `absentCodes`"),
        (said(0, "hello"), "it printed: hello"),
        (said(0, "{} {}"), "it printed: {} {}"),
        (said(0, "[1]"), "not an object"),
        (said(0, "{\"a\": 1"), "not one JSON document"),
        (said(0, "{\"team\": \"lake\"}"), "no `arn`"),
    ] {
        let error = read_with(Some(&desired), None, &answer).unwrap_err();
        assert!(error.why.contains(why), "{answer:?}: {}", error.why);
    }
}

#[test]
fn what_is_there_and_what_was_applied() {
    let desired = desired_of(&Value::from_json(&spec()));
    let answer = said(0, "{\"team\": \"other\", \"arn\": \"a:b\", \"more\": 1}\n");
    let Live::Present(object) = read_with(Some(&desired), None, &answer).unwrap() else { panic!() };
    assert_eq!(object.attributes["expect"], Value::from_json(&json!({"team": "other"})));
    assert_eq!(object.outputs, Map::from([("arn".into(), "a:b".into())]));
    assert_eq!(object.attributes["digest"], desired.attributes["digest"]);
    // What was applied is what the state remembers.
    let mut prior = prior_of(&desired);
    prior.attributes.insert("digest".into(), "sha256:old".into());
    let Live::Present(object) = read_with(Some(&desired), Some(&prior), &answer).unwrap() else {
        panic!()
    };
    assert_eq!(object.attributes["digest"], Value::from("sha256:old"));
}

#[test]
fn the_steps_hand_everything_over_by_standard_input() {
    let secret = Value::Sensitive(Box::new("canary".into()));
    let mut spec = Value::from_json(&spec());
    if let Value::Map(map) = &mut spec
        && let Some(Value::Map(inputs)) = map.get_mut("inputs")
    {
        inputs.insert("TOKEN".into(), secret);
    }
    let desired = desired_of(&spec);
    let steps = |verb, desired: Option<&Desired>, prior: Option<&Prior>| {
        let identity = Identity::new([(NAME, "tags".into())]);
        let operation =
            Operation { verb, identity: &identity, desired, prior, object: None, changes: &[] };
        Script.steps(&operation).unwrap()
    };
    let made = steps(Verb::Create, Some(&desired), None);
    assert_eq!(made.len(), 1);
    let command = &made[0].command;
    assert_eq!(command.args[2], "scripts/tags.sh");
    assert_eq!(command.timeout.as_secs(), 90);
    let input = command.stdin.as_ref().unwrap();
    assert!(!format!("{input:?}").contains("canary") && !command.to_string().contains("canary"));
    let text = shell::text(&input.reveal().unwrap());
    assert!(text.starts_with(
        "export CLUSTER='lake'; export COUNT='2'; export FORCE='true'; export TOKEN='canary'; \
         set -- 'all'; #!/usr/bin/env bash\nset -eu\n"
    ));
    let prior = prior_of(&desired);
    assert_eq!(steps(Verb::Delete, None, Some(&prior))[0].command.args[2], "tags.delete");
    assert_eq!(Script.stays(&prior), None);

    // The state holds no secret, so what needs one can't be read with it alone.
    let json = serde_json::to_string(&prior).unwrap();
    let remembered: Prior = serde_json::from_str(&json).unwrap();
    let error = read_with(None, Some(&remembered), &said(0, "")).unwrap_err();
    assert!(error.why.contains("sensitive input"));
    assert_eq!(
        read_with(None, Some(&remembered.recalled(&desired)), &said(0, "")),
        Ok(Live::Absent)
    );
}

#[test]
fn what_can_not_work_is_told_at_its_place() {
    for (pointer, value, place) in [
        ("/inputs", json!({"a-b": "x"}), "inputs.a-b"),
        ("/inputs", json!({"AWS_PROFILE": "x"}), "inputs.AWS_PROFILE"),
        ("/absentCodes", json!([1]), "absentCodes.0"),
        ("/timeout", json!("soon"), "timeout"),
        ("/read", json!({"script": "x", "file": "y"}), "read"),
        ("/read", json!({"script": "  "}), "read"),
        ("/apply", json!({"file": "x.py"}), "apply"),
        ("/outputs", json!(["a b"]), "outputs.0"),
    ] {
        let mut spec = spec();
        *spec.pointer_mut(pointer).unwrap() = value;
        let problems = Script.desired(&Value::from_json(&spec), &context()).unwrap_err();
        let places: Vec<_> = problems.iter().map(|one| one.path.to_string()).collect();
        assert_eq!(places, [place], "{problems:?}");
    }
    let external = json!({"read": {"script": "echo {}"}});
    let problems = Script.desired(&Value::from_json(&external), &context()).unwrap_err();
    assert_eq!(problems[0].path.to_string(), "apply");
    let context = Context { external: true, ..context() };
    assert!(Script.desired(&Value::from_json(&external), &context).is_ok());
}

#[test]
fn while_an_input_is_not_known_only_what_was_applied_is_read() {
    let known = desired_of(&Value::from_json(&spec()));
    let mut spec = Value::from_json(&spec());
    if let Value::Map(map) = &mut spec {
        let unknown = Value::Unknown("${IamRole.x.arn}".into());
        map.insert("inputs".into(), Map::from([("ROLE".into(), unknown)]).into());
    }
    let desired = desired_of(&spec);
    assert!(!Script.is_readable(&desired, None));
    let prior = prior_of(&known);
    assert!(Script.is_readable(&desired, Some(&prior)));
    assert_eq!(read_with(Some(&desired), Some(&prior), &said(0, "")), Ok(Live::Absent));
}
