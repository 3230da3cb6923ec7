//! The GitHub Action and the GitLab template, run as they stand in the
//! repository: their scripts, with the real program on the sandbox, against a
//! forge on the loopback address.
//!
//! `bash`, `curl` and `jq` are needed. Where one is missing the cases are
//! reported as ignored, by name; where CI is set, that is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a case that does not hold ends with a panic"
)]

mod action;
mod forge;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use action::{Machine, Ran, root, yaml};
use forge::{MERGED, ROBOT, TOKEN};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;

const CASES: &[(&str, fn())] = &[
    ("a_plan_becomes_one_comment_that_stays", a_plan_becomes_one_comment_that_stays),
    ("a_higher_risk_is_a_fresh_comment", a_higher_risk_is_a_fresh_comment),
    ("what_was_approved_is_applied_after_the_merge", what_was_approved_is_applied_after_the_merge),
    ("without_an_approval_nothing_is_done", without_an_approval_nothing_is_done),
    ("a_comment_of_someone_else_approves_nothing", a_comment_of_someone_else_approves_nothing),
    ("what_is_blocked_is_shown_and_fails", what_is_blocked_is_shown_and_fails),
    ("what_the_forge_refuses_is_told", what_the_forge_refuses_is_told),
    ("a_value_becomes_no_command", a_value_becomes_no_command),
    ("gitlab_does_the_same", gitlab_does_the_same),
];

/// Cases that need no program.
const TEXTS: &[(&str, fn())] = &[
    ("every_script_is_one", every_script_is_one),
    ("every_action_is_pinned", every_action_is_pinned),
    ("the_documents_use_what_there_is", the_documents_use_what_there_is),
];

fn main() {
    let arguments = Arguments::from_args();
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let missing = ["bash", "curl", "jq"].into_iter().find(|program| {
        !Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let mut trials = Vec::new();
    for (cases, needs) in [(CASES, true), (TEXTS, false)] {
        for &(name, case) in cases {
            let missing = missing.filter(|_| needs);
            let trial = Trial::test(name, move || match missing {
                Some(program) => Err(Failed::from(format!("there is no {program} here"))),
                None => {
                    case();
                    Ok(())
                }
            });
            trials.push(trial.with_ignored_flag(missing.is_some() && !strict));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

const OTHER: &str = "2222222222222222222222222222222222222222";

fn good(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.told);
}

fn mark(text: &str) -> (String, String) {
    let mut lines = text.lines();
    let first = lines.next().unwrap().to_owned();
    let second = lines.next().unwrap();
    let hash = second.split("hash=").nth(1).unwrap().split(' ').next().unwrap();
    (first, hash.to_owned())
}

fn a_plan_becomes_one_comment_that_stays() {
    let machine = Machine::new();
    // Many comments, more than a page, so that the right one is looked for on each.
    for number in 0..130 {
        machine.forge.write("someone", &format!("thought {number}"));
    }
    let ran = machine.action("plan", OTHER, "");
    good(&ran);
    let ours = machine.forge.by(ROBOT);
    assert_eq!(ours.len(), 1);
    let (first, hash) = mark(&ours[0].body);
    assert_eq!(first, "<!-- lkh:plan stack=small -->");
    assert_eq!(ran.outputs["hash"], hash);
    assert_eq!((ran.outputs["changes"].as_str(), ran.outputs["stack"].as_str()), ("true", "small"));
    assert!(
        ours[0].body.contains("[The plan as a page, with its graph](https://forge.test/artifact)")
    );
    let summary = fs::read_to_string(machine.path("summary")).unwrap();
    assert_eq!(mark(&summary).1, hash, "the step's summary shows it too");
    let counts: Json = serde_json::from_str(
        &fs::read_to_string(machine.path("work/lkh-plan/gitlab.json")).unwrap(),
    )
    .unwrap();
    assert!(counts["create"].as_u64().unwrap() > 5);

    // Neither the token nor a large text is ever in an argv.
    let argvs = machine.argvs();
    assert!(argvs.iter().any(|argv| argv.starts_with("curl ")), "{argvs:?}");
    assert!(argvs.iter().all(|argv| !argv.contains(TOKEN) && argv.len() < 2000), "{argvs:?}");
    let plans = argvs.iter().filter(|argv| argv.starts_with("lkh plan ")).count();
    assert_eq!(plans, 1, "one run makes every form");

    // The same again is the same comment, also after a push that changes the plan.
    assert_eq!(machine.forge.changes().len(), 1);
    good(&machine.action("plan", OTHER, ""));
    let changes = machine.forge.changes();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].starts_with("PATCH "), "{changes:?}");
    machine.manifest("node.yaml", |text| text.replace("NodeRole", "OtherNodeRole"));
    good(&machine.action("plan", OTHER, ""));
    let ours = machine.forge.by(ROBOT);
    assert_eq!(ours.len(), 1);
    let (_, other) = mark(&ours[0].body);
    assert_ne!(other, hash);
    let told = format!("`{}` → `{}`", &hash[7..19], &other[7..19]);
    assert!(ours[0].body.contains(&told), "{}", ours[0].body);
    assert!(!machine.path("work/state/small.json").exists(), "a plan changes nothing");
}

fn a_higher_risk_is_a_fresh_comment() {
    let machine = Machine::new();
    assert_eq!(machine.lkh(&["apply", "--auto-approve"]).0, 0);
    machine.manifest("node.yaml", |text| {
        text.replace("    - arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy\n", "")
    });
    good(&machine.action("plan", OTHER, ""));
    machine.manifest("karpenter.yaml", |_| String::new());
    let ran = machine.action("plan", OTHER, "");
    good(&ran);
    let ours = machine.forge.by(ROBOT);
    assert_eq!(ours.len(), 2, "{}", ran.told);
    assert!(
        ours[0].body.contains("out of date") && !ours[0].body.contains("<!--"),
        "{}",
        ours[0].body
    );
    assert_eq!(ran.outputs["hash"], mark(&ours[1].body).1);
    // From now on the newer one is the comment.
    good(&machine.action("plan", OTHER, ""));
    assert_eq!(machine.forge.by(ROBOT).len(), 2);
    // A lower risk is no news.
    machine.manifest("karpenter.yaml", |_| {
        fs::read_to_string(root().join("tests/cli/stack/karpenter.yaml")).unwrap()
    });
    good(&machine.action("plan", OTHER, ""));
    assert_eq!(machine.forge.by(ROBOT).len(), 2);
}

fn what_was_approved_is_applied_after_the_merge() {
    let machine = Machine::new();
    let planned = machine.action("plan", OTHER, "");
    good(&planned);
    let ran = machine.action("apply", MERGED, "");
    good(&ran);
    assert!(ran.told.contains("verified by a read"), "{}", ran.told);
    assert_eq!(ran.outputs["hash"], planned.outputs["hash"]);
    let (_, told) = machine.lkh(&["plan"]);
    assert!(told.contains("No changes"), "{told}");
    let argvs = machine.argvs();
    assert!(argvs.iter().all(|argv| !argv.contains(TOKEN)), "{argvs:?}");
    assert!(machine.forge.changes().len() == 1, "an apply writes no comment");
}

fn without_an_approval_nothing_is_done() {
    let machine = Machine::new();
    let refused = |sha: &str, why: &str| {
        let ran = machine.action("apply", sha, "");
        assert_eq!(ran.code, 1, "{}", ran.told);
        assert!(ran.told.contains(why), "{}", ran.told);
        assert!(!machine.path("work/state").join("small.json").exists(), "nothing is done");
    };
    refused(MERGED, "has no comment with a plan of small");
    good(&machine.action("plan", OTHER, ""));
    refused(OTHER, "is not the merge of one pull request");
    let comment = machine.forge.by(ROBOT).remove(0);
    machine.forge.rewrite(comment.id, |body| body.replace("hash=sha256:", "hash=sha1:"));
    refused(MERGED, "names no hash");
    machine.forge.rewrite(comment.id, |body| body.replace("stack=small -->", "stack=smaller -->"));
    refused(MERGED, "has no comment with a plan of small");
    // What is merged is not what was reviewed.
    machine.forge.rewrite(comment.id, |_| comment.body.clone());
    machine.manifest("node.yaml", |text| text.replace("NodeRole", "OtherNodeRole"));
    let ran = machine.action("apply", MERGED, "");
    assert_eq!(ran.code, 3, "{}", ran.told);
    assert!(ran.told.contains("is not what was approved"), "{}", ran.told);
    let (_, told) = machine.lkh(&["plan"]);
    assert!(!told.contains("No changes"), "nothing was applied: {told}");
}

fn a_comment_of_someone_else_approves_nothing() {
    let machine = Machine::new();
    let plan = machine.action("plan", OTHER, "");
    good(&plan);
    let ours = machine.forge.by(ROBOT).remove(0);
    let forged = ours.body.replace(&plan.outputs["hash"], &format!("sha256:{}", "0".repeat(64)));
    machine.forge.write("mallory", &forged);
    good(&machine.action("plan", OTHER, ""));
    assert_eq!(machine.forge.by("mallory")[0].body, forged, "it is not ours to write");
    let ran = machine.action("apply", MERGED, "");
    good(&ran);
    assert_eq!(ran.outputs["hash"], plan.outputs["hash"]);

    // A mark that a value in the plan brings along is not the comment's own.
    let machine = Machine::new();
    machine.forge.write(ROBOT, &format!("quoted:\n{}", ours.body));
    let ran = machine.action("apply", MERGED, "");
    assert_eq!(ran.code, 1, "{}", ran.told);
}

fn what_is_blocked_is_shown_and_fails() {
    let machine = Machine::new();
    assert_eq!(machine.lkh(&["apply", "--auto-approve"]).0, 0);
    assert_eq!(machine.lkh(&["sandbox", "nodes", "0"]).0, 0);
    let ran = machine.action("plan", OTHER, "");
    assert_eq!(ran.code, 1, "{}", ran.told);
    let ours = machine.forge.by(ROBOT);
    assert_eq!(ours.len(), 1, "{}", ran.told);
    assert!(ours[0].body.contains("blocked"), "{}", ours[0].body);
}

fn what_the_forge_refuses_is_told() {
    let machine = Machine::new();
    machine.forge.refuse();
    let ran = machine.action("plan", OTHER, "");
    assert_eq!(ran.code, 1);
    assert!(ran.told.contains("was refused with 403: {\"message\":\"Resource not"), "{}", ran.told);
    assert!(!ran.told.contains(TOKEN));
    let ran = machine.action("apply", MERGED, "");
    assert_eq!(ran.code, 1, "{}", ran.told);
    assert!(!machine.path("work/state").join("small.json").exists(), "nothing is done");
    // Manifests that are wrong make no plan, and no comment.
    machine.manifest("node.yaml", |_| "kind: IamRole\n".into());
    let ran = machine.action("plan", OTHER, "");
    assert_ne!(ran.code, 0);
    assert!(ran.told.contains("no plan could be made") && machine.forge.changes().is_empty());
}

fn a_value_becomes_no_command() {
    let machine = Machine::new();
    let evil = "--var cluster=$(touch${IFS}harmed);touch harmed `touch harmed`";
    let ran = machine.action("plan", OTHER, evil);
    assert_ne!(ran.code, 0);
    assert!(!machine.path("work/harmed").exists());
}

fn gitlab_does_the_same() {
    let machine = Machine::new();
    let ran = machine.job("lkh-plan", "");
    good(&ran);
    let ours = machine.forge.by(ROBOT);
    assert_eq!(ours.len(), 1);
    assert!(ours[0].body.contains("https://forge.test/job/artifacts/file/lkh-plan/plan.html"));
    good(&machine.job("lkh-plan", ""));
    assert_eq!(machine.forge.by(ROBOT).len(), 1);
    machine.forge.write("mallory", &ours[0].body.replace("hash=sha256:", "hash=sha256:0000"));
    let ran = machine.job("lkh-apply", "");
    good(&ran);
    assert!(ran.told.contains("verified by a read"), "{}", ran.told);
    let argvs = machine.argvs();
    assert!(argvs.iter().all(|argv| !argv.contains(TOKEN)), "{argvs:?}");
    let template = yaml("ci/gitlab.yml");
    let report = template["lkh-plan"]["artifacts"]["reports"]["terraform"].as_str().unwrap();
    assert!(machine.path("work").join(report).is_file());
}

fn every_script_is_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = 0;
    for entry in fs::read_dir(root().join("ci")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "sh") {
            continue;
        }
        found += 1;
        let text = fs::read_to_string(&path).unwrap();
        let runs = text.starts_with("#!");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(runs, mode & 0o111 != 0, "{}: what is run can be", path.display());
        let strict = text.contains("set -euo pipefail") || text.contains("/lib.sh\"");
        assert!(strict || !runs, "{} goes on after a failure", path.display());
        let checked = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
    assert!(found >= 6, "{found}");
}

fn every_action_is_pinned() {
    let action = yaml("action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    let mut pinned = 0;
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert!(step["name"].is_string(), "{step}");
        match (step["uses"].as_str(), step["run"].as_str()) {
            (Some(uses), None) => {
                is_pinned(uses);
                pinned += 1;
            }
            (None, Some(_)) => assert_eq!(step["shell"], "bash"),
            _ => panic!("a step runs or uses: {step}"),
        }
    }
    assert!(pinned > 0);
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(input["description"].is_string() && input["default"].is_string(), "{name}");
    }
    let template = yaml("ci/gitlab.yml");
    for job in ["lkh-plan", "lkh-apply"] {
        assert!(template["stages"].as_array().unwrap().contains(&template[job]["stage"]), "{job}");
        assert_eq!(template[job]["extends"], ".lkh");
        assert!(template[job]["rules"][0]["if"].is_string());
    }
}

fn is_pinned(uses: &str) {
    let (_, commit) = uses.split_once('@').unwrap();
    let whole = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
    assert!(whole, "{uses} is not pinned by its commit");
}

fn the_documents_use_what_there_is() {
    let text = fs::read_to_string(root().join("docs/review.md")).unwrap();
    let inputs: BTreeSet<String> =
        yaml("action.yml")["inputs"].as_object().unwrap().keys().cloned().collect();
    let mut uses = 0;
    let mut commands = BTreeSet::new();
    for block in text.split("```yaml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let parsed: Json = serde_yaml::from_str(block).unwrap();
        for job in parsed["jobs"].as_object().into_iter().flatten().map(|(_, job)| job) {
            assert!(job["permissions"].is_object(), "a job says what it may do: {job}");
            for step in job["steps"].as_array().unwrap() {
                let Some(used) = step["uses"].as_str() else { continue };
                if let Some(reference) = used.strip_prefix("OWNER/lkh@") {
                    assert_eq!(reference, "TAG");
                    uses += 1;
                    commands.extend(step["with"]["command"].as_str().map(str::to_owned));
                    for (name, _) in step["with"].as_object().into_iter().flatten() {
                        assert!(inputs.contains(name), "there is no input {name}");
                    }
                } else {
                    is_pinned(used);
                }
            }
        }
    }
    assert!(uses >= 2);
    assert!(commands.contains("plan") && commands.contains("apply"), "{commands:?}");
    for picture in ["plan-page.png", "plan-comment.png"] {
        if text.contains(picture) {
            assert!(root().join("docs").join(picture).is_file(), "{picture}");
        }
    }
    for input in inputs {
        assert!(text.contains(&format!("`{input}`")), "the input {input} is not told of");
    }
}
