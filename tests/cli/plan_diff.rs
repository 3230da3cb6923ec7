//! `lkh plan diff`: two directories, or two saved plans, and what the second
//! introduces.

use serde_json::Value as Json;

use crate::environment::{CNI_POLICY, NODE_ROLE, TestEnvironment, text};

/// Applied once; then someone detaches a policy, the branch that changes go to
/// wants more replicas and tags, and a change adds a role, sets one tag further
/// and takes another back.
fn environment() -> TestEnvironment {
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    for side in ["base", "change"] {
        for file in ["cluster", "controller", "karpenter", "node", "spot", "stack"] {
            let name = format!("manifests/{file}.yaml");
            environment.write(&format!("{side}/{name}"), environment.read(&name));
        }
    }
    let tags = |side: &str, tags: &str| {
        environment.edit(
            &format!("{side}/manifests/node.yaml"),
            "  managedPolicies:",
            &format!("  tags: {tags}\n  managedPolicies:"),
        );
    };
    tags("base", "{team: data, tier: low, old: x}");
    tags("change", "{team: data, tier: high, new: y}");
    for side in ["base", "change"] {
        environment.edit(
            &format!("{side}/manifests/stack.yaml"),
            "      default: 1",
            "      default: 2",
        );
    }
    environment.write("change/manifests/reader.yaml", READER);
    environment.remove("change/manifests/spot.yaml");
    environment
}

const READER: &str = r#"apiVersion: lkh/v1
kind: IamRole
metadata:
  name: reader
  phase: compute
spec:
  roleName: ReaderRole
  trustPolicy:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal:
          Service: ec2.amazonaws.com
        Action: sts:AssumeRole
"#;

#[test]
fn what_a_change_introduces() {
    let environment = environment();
    let before = environment.files();
    insta::assert_snapshot!(
        "plan_diff",
        environment.run("plan diff base change --detailed-exitcode")
    );
    assert_eq!(environment.files(), before, "something was changed");
}

#[test]
fn saved_plans_tell_the_same_without_a_look_at_anything() {
    let environment = environment();
    let directories = environment.run("plan diff base change --json").json();
    for side in ["base", "change"] {
        environment.run(&format!("plan --dir {side}/manifests --out {side}.plan")).expect(0);
    }
    let mixed = environment.run("plan diff base.plan change --json").json();
    assert_eq!(mixed, directories);
    // Nothing is left to be read.
    let state = environment.path("state");
    std::fs::remove_dir_all(state).unwrap();
    for side in ["base", "change"] {
        std::fs::remove_dir_all(environment.path(side)).unwrap();
    }
    let saved = environment.run("plan diff base.plan change.plan --json").json();
    assert_eq!(saved, directories);
    let told = environment.run("plan diff base.plan change.plan").expect(0);
    assert!(told.ends_with("\nnext: lkh apply change.plan\n"), "{told}");
    assert_eq!(saved["counts"]["introduced"], 3);
    assert_eq!(saved["introduces"], true);
}

#[test]
fn nothing_is_introduced() {
    let environment = environment();
    let output = environment.run("plan diff base base --detailed-exitcode");
    let told = output.expect(0);
    assert!(told.contains("Nothing is introduced: HEAD does what BASE does."), "{told}");
    assert!(told.contains("0 resources introduced, 0 resolved, 0 unknown, 2 pending, 1 drift."));
    // Without the option the exit code says whether it could be told.
    environment.run("plan diff base change").expect(0);
}

#[test]
fn the_other_way_round_it_is_taken_back() {
    let environment = environment();
    let json = environment.run("plan diff change base --json").json();
    let told = |bucket: &str| -> Vec<String> {
        let entries = json["entries"].as_array().unwrap().iter();
        entries
            .filter(|entry| entry["bucket"] == bucket)
            .map(|entry| format!("{} {}", text(&entry["address"]), text(&entry["action"])))
            .collect()
    };
    assert_eq!(told("introduced"), ["IamRole.node update"]);
    assert_eq!(told("resolved"), ["IamRole.reader create", "ServiceLinkedRole.spot forget"]);
    // A checkout with a worktree of another branch in it: what is here was applied.
    let counts = environment.run("plan diff base . --json").json()["counts"].take();
    let expected = serde_json::json!(
        {"introduced": 1, "resolved": 1, "unknown": 0, "pending": 0, "drift": 1}
    );
    assert_eq!(counts, expected);
}

#[test]
fn live_that_moved_between_two_saved_plans_is_told() {
    let environment = environment();
    environment.run("plan --dir base/manifests --out base.plan").expect(0);
    environment.behind("aws iam delete-service-linked-role --role-name AWSServiceRoleForEC2Spot");
    environment.behind("aws iam tag-role --role-name NodeRole --tags Key=tier,Value=odd");
    environment.run("plan --dir change/manifests --out change.plan").expect(0);
    let output = environment.run("plan diff base.plan change.plan --detailed-exitcode");
    assert_eq!(output.code, 1, "{output}");
    insta::assert_snapshot!("plan_diff_moved", output);
}

#[test]
fn plans_of_different_states_are_refused() {
    let environment = environment();
    environment.run("plan --dir base/manifests --out base.plan").expect(0);
    environment.run("apply --dir base/manifests --auto-approve").expect(0);
    environment.run("plan --dir change/manifests --out change.plan").expect(0);
    let refused = environment.run("plan diff base.plan change.plan").fails(1);
    assert!(
        refused
            .starts_with("error: the two plans can't be compared: the state's serial of BASE is "),
        "{refused}"
    );
    insta::assert_snapshot!(environment.run("plan diff base.plan nothing.plan"), @r"
    $ lkh plan diff base.plan nothing.plan
    --- stderr
    error: HEAD: can't read nothing.plan: No such file or directory (os error 2)
    --- exit code 1
    ");
    insta::assert_snapshot!(environment.run("plan diff base.plan base.plan --var replicas=3"), @r"
    $ lkh plan diff base.plan base.plan --var replicas=3
    --- stderr
    error: saved plans have their own targets and variables: --target and --var are for directories
    --- exit code 1
    ");
}

#[test]
fn each_side_has_its_own_variables() {
    let environment = environment();
    environment.write("base/variables.yaml", "replicas: 3\n");
    environment.write("variables.yaml", "replicas: 4\n");
    environment.edit(
        "change/manifests/stack.yaml",
        "    replicas:",
        "    extra:\n      default: a\n    replicas:",
    );
    let output =
        environment.run("plan diff base change --var-file variables.yaml --var extra=b --json");
    let json = output.json();
    let replicas = json["entries"].as_array().unwrap().iter().find_map(|entry| {
        let fields = entry["fields"].as_array().unwrap().iter();
        fields.into_iter().find(|field| field["path"][1] == "replicas").cloned()
    });
    let replicas: Json = replicas.unwrap();
    assert_eq!(replicas["turn"], "further");
    assert_eq!(
        (&replicas["base"]["becomes"], &replicas["head"]["becomes"]),
        (&3.into(), &4.into())
    );
    // The manifests themselves may be named as well, and what nobody declares is refused.
    let named = "plan diff base/manifests change/manifests --var-file variables.yaml --json";
    let named = environment.run(named).json();
    assert_eq!(named["counts"], json["counts"]);
    let refused = environment.run("plan diff base change --var nobody=b");
    assert_eq!(refused.code, 1, "{refused}");
}

#[test]
fn as_the_comment_of_a_pull_request() {
    let environment = environment();
    let comment = environment.run("plan diff base change --format markdown").expect(0);
    insta::assert_snapshot!("plan_diff_markdown", comment);
    let output = environment
        .run("plan diff base change --format markdown=comment.md --format gitlab=counts.json");
    assert!(output.expect(0).contains("next: lkh plan --dir change/manifests"));
    assert_eq!(environment.read("comment.md"), comment);
    let counts: Json = serde_json::from_str(&environment.read("counts.json")).unwrap();
    assert_eq!(counts, serde_json::json!({"create": 1, "update": 1, "delete": 0}));
    insta::assert_snapshot!(environment.run("plan diff base change --format html"), @r"
    $ lkh plan diff base change --format html
    --- stderr
    error: plan diff has no form html; `lkh plan` has it
    --- exit code 1
    ");
}

#[test]
fn values_that_would_break_out_stay_values() {
    let environment = environment();
    let evil = "```</details>@everyone #1 <img src=x>";
    for (side, more) in [("base", "x"), ("change", "")] {
        environment.edit(
            &format!("{side}/manifests/karpenter.yaml"),
            "    replicas:",
            &format!("    note: \"{evil}{more}\"\n    replicas:"),
        );
    }
    let comment = environment.run("plan diff base change --format markdown").expect(0);
    let fences: Vec<_> = comment.lines().filter(|line| line.starts_with("```")).collect();
    assert!(comment.contains(evil));
    // The fence that holds it is longer, and nothing of it stands outside.
    assert!(fences.contains(&"````diff") && fences.contains(&"````"), "{fences:?}");
    let mut inside = false;
    for line in comment.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        assert!(inside || !line.contains("@everyone"), "{line}");
    }
}
