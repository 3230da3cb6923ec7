//! A saved plan is carried out as it is, or not at all.

use serde_json::{Value as Json, json};

use crate::environment::{CNI_POLICY, NODE_ROLE, TestEnvironment};

#[test]
fn it_is_carried_out_once() {
    let environment = TestEnvironment::new();
    let saved = environment.run("plan --out first.plan");
    assert!(saved.stdout.ends_with("\nnext: lkh apply first.plan\n"), "{saved}");
    environment.run("apply first.plan").expect(0);
    environment.is_clean();
    let intents = environment.intents();
    let refused = environment.run("apply first.plan");
    insta::assert_snapshot!(refused, @r"
    $ lkh apply first.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - this plan was applied by run [run] at [time]
    next: plan again, and review
    --- exit code 3
    ");
    assert_eq!(environment.intents(), intents);
}

#[test]
fn it_holds_its_variables_and_targets() {
    let environment = TestEnvironment::new();
    environment.run("plan --out it.plan --var replicas=2 --target HelmRelease.karpenter").expect(0);
    environment.run("apply it.plan").expect(0);
    environment
        .run("plan --var replicas=2 --detailed-exitcode --target HelmRelease.karpenter")
        .expect(0);
    let state = environment.state().unwrap();
    assert_eq!(
        state["resources"]["HelmRelease.karpenter"]["applied"]["attributes"]["values"]["replicas"],
        2
    );
    assert!(state["resources"]["ServiceLinkedRole.spot"].is_null());
}

#[test]
fn an_edit_is_noticed() {
    let environment = TestEnvironment::new();
    environment.run("plan --out it.plan").expect(0);
    environment.edit("it.plan", "AmazonEKS_CNI_Policy", "AdministratorAccess");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: its content does not match its digest: it was edited or damaged; plan again
    --- exit code 1
    ");
    assert!(environment.state().is_none());
}

#[test]
fn files_that_are_no_plan() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("apply none.plan"), @r"
    $ lkh apply none.plan
    --- stderr
    error: can't read the plan none.plan: No such file or directory (os error 2)
    --- exit code 1
    ");
    environment.write("it.plan", "{}");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: it is not a saved plan: it has no formatVersion
    --- exit code 1
    ");
    environment.write("it.plan", r#"{"plan": {"formatVersion": 99}}"#);
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: its format version 99 is newer than this lkh reads; install a newer lkh
    --- exit code 1
    ");
    environment.write("it.plan", "not json");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: can't use the plan it.plan: it is not a saved plan: expected ident at line 1 column 2
    --- exit code 1
    ");
}

#[test]
fn what_moved_since_is_named() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan --var replicas=2").expect(0);
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - IamRole.node will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    ");
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    environment.edit("manifests/controller.yaml", "ec2:CreateFleet", "ec2:DescribeImages");
    insta::assert_snapshot!(environment.run("apply it.plan"), @r"
    $ lkh apply it.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - the manifests or variables changed
      - IamPolicy.controller will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    ");
    environment.edit("manifests/controller.yaml", "ec2:DescribeImages", "ec2:CreateFleet");
    environment.run("apply it.plan").expect(0);
}

#[test]
fn what_others_do_beside_it_does_not_stop_it() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan --var replicas=2").expect(0);
    environment.behind(&format!(
        "aws iam attach-role-policy --role-name {NODE_ROLE} \
         --policy-arn arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    ));
    environment.run("apply it.plan").expect(0);
}

#[test]
fn a_saved_destroy_destroys() {
    let environment = TestEnvironment::applied();
    environment.run("plan --destroy --out it.plan").expect(0);
    environment.run("apply it.plan").expect(0);
    assert!(environment.state().unwrap()["resources"].as_object().unwrap().is_empty());
}

#[test]
fn a_refusal_is_data_too() {
    let environment = TestEnvironment::applied();
    environment.run("plan --out it.plan").expect(0);
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    assert_eq!(environment.run("apply it.plan --json").json()["exitCode"], 3);
    insta::assert_snapshot!(environment.run("apply it.plan --json"), @r#"
    $ lkh apply it.plan --json
    {
      "exitCode": 3,
      "interrupted": false,
      "refused": {
        "moved": [
          "IamRole.node will be updated in-place now, because it differs from what is declared"
        ],
        "next": "plan again, and review",
        "why": "the saved plan is no longer what would be done; nothing was changed"
      },
      "resources": []
    }
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - IamRole.node will be updated in-place now, because it differs from what is declared
    next: plan again, and review
    --- exit code 3
    "#);
}

#[test]
fn it_is_applied_once_also_where_nothing_else_moved() {
    let environment = TestEnvironment::new();
    environment.run("plan --out it.plan").expect(0);
    environment.run("apply it.plan").expect(0);
    // As if that run had come to nothing: only the apply log remembers it.
    environment.remove("state/sandbox/small.json");
    environment.remove("state/sandbox/world.jsonl");
    let refused = environment.run("apply it.plan");
    insta::assert_snapshot!(refused, @r"
    $ lkh apply it.plan
    --- stderr
    error: the saved plan is no longer what would be done; nothing was changed
      - this plan was applied by run [run] at [time]
    next: plan again, and review
    --- exit code 3
    ");
    // Nor where only the wording is another.
    environment.edit_plan("it.plan", |plan| plan["changes"][1]["notes"] = json!(["reviewed"]));
    assert_eq!(environment.run("apply it.plan").code, 3);
    assert!(environment.state().is_none());
    // The same plan, made again, is another one.
    environment.run("plan --out it.plan").expect(0);
    environment.run("apply it.plan").expect(0);
    environment.is_clean();
}

/// The change of a plan that brings a resource about.
fn change<'a>(plan: &'a mut Json, address: &str) -> &'a mut Json {
    let changes = plan["changes"].as_array_mut().unwrap();
    changes.iter_mut().find(|change| change["address"] == address).unwrap()
}

#[test]
fn an_edited_plan_is_refused_though_it_is_sealed_again() {
    type Edit = fn(&mut Json);
    let edits: [(&str, Edit, &str); 18] = [
        (
            "a removed line",
            |plan| {
                plan["changes"].as_array_mut().unwrap().retain(|c| c["address"] != "IamRole.node");
            },
            "IamRole.node will be updated in-place now",
        ),
        (
            "a relabelled action",
            |plan| change(plan, "IamRole.node")["action"] = json!("no-op"),
            "IamRole.node will be updated in-place now",
        ),
        (
            "an action that does more",
            |plan| change(plan, "IamRole.node")["action"] = json!("replace"),
            "IamRole.node will be updated in-place now",
        ),
        (
            "a new argument",
            |plan| {
                let argv = &mut change(plan, "IamRole.node")["commands"][0]["argv"];
                argv.as_array_mut().unwrap().push("--endpoint-url".into());
            },
            "IamRole.node would take other commands",
        ),
        (
            "another document",
            |plan| {
                let command = &mut change(plan, "IamRole.node")["commands"][0];
                command["input"]["PolicyArn"] =
                    json!("arn:aws:iam::aws:policy/AdministratorAccess");
            },
            "IamRole.node would take other commands",
        ),
        (
            "a removed command",
            |plan| change(plan, "IamRole.node")["commands"] = json!([]),
            "IamRole.node would take other commands",
        ),
        (
            "a changed field",
            |plan| {
                change(plan, "IamRole.node")["fields"][0]["after"] =
                    json!("arn:aws:iam::aws:policy/AdministratorAccess");
            },
            "the fields of IamRole.node differ",
        ),
        (
            "a field that was seen otherwise",
            |plan| change(plan, "HelmRelease.karpenter")["fields"][0]["before"] = json!(7),
            "the fields of HelmRelease.karpenter differ",
        ),
        (
            "a removed field",
            |plan| change(plan, "IamRole.node")["fields"] = json!([]),
            "the fields of IamRole.node differ",
        ),
        (
            "an added change",
            |plan| {
                let mut added = change(plan, "IamRole.node").clone();
                added["address"] = json!("IamRole.second");
                plan["changes"].as_array_mut().unwrap().push(added);
            },
            "IamRole.second is not planned any more",
        ),
        (
            "a change that is there twice",
            |plan| {
                let twice = change(plan, "IamRole.node").clone();
                plan["changes"].as_array_mut().unwrap().push(twice);
            },
            "the plan hash was",
        ),
        (
            "another dependency",
            |plan| change(plan, "IamRole.node")["dependsOn"] = json!(["IamRole.controller"]),
            "IamRole.node depends on other resources now",
        ),
        (
            "another object",
            |plan| change(plan, "IamRole.node")["identity"]["roleName"] = json!("OtherRole"),
            "IamRole.node stands for",
        ),
        (
            "protection that is not declared",
            |plan| change(plan, "IamRole.node")["preventDestroy"] = json!(true),
            "the protection of IamRole.node is another now",
        ),
        (
            "other targets",
            |plan| plan["targets"] = json!(["IamRole.controller"]),
            "is not planned any more",
        ),
        ("another mode", |plan| plan["mode"] = json!("destroy"), "will be destroyed now"),
        (
            "another variable",
            |plan| plan["variables"]["replicas"] = json!(3),
            "the manifests or variables changed",
        ),
        ("another serial", |plan| plan["serial"] = json!(1), "the state's serial was"),
    ];
    let environment = TestEnvironment::applied();
    environment.behind(&format!(
        "aws iam detach-role-policy --role-name {NODE_ROLE} --policy-arn {CNI_POLICY}"
    ));
    environment.run("plan --out whole.plan --var replicas=2").expect(0);
    let whole = environment.read("whole.plan");
    let files = || {
        let mut files = environment.files();
        // What was asked leaves its trace there.
        let kept = |path: &std::path::Path| !path.ends_with("world.jsonl");
        files.retain(|path, _| path.extension().is_none_or(|e| e != "lock") && kept(path));
        files
    };
    let before = files();
    for (what, edit, why) in edits {
        environment.write("it.plan", &whole);
        environment.edit_plan("it.plan", edit);
        let refused = environment.run("apply it.plan");
        assert_eq!(refused.code, 3, "{what}: {refused}");
        assert!(refused.stderr.contains(why), "{what}: {refused}");
        assert_eq!(files(), before, "{what}");
    }
    // Neither the order of a file nor its wording is what was reviewed.
    environment.edit_plan("whole.plan", |plan| {
        plan["changes"].as_array_mut().unwrap().reverse();
        change(plan, "IamRole.node")["notes"] = json!(["reviewed"]);
        change(plan, "IamRole.node")["reason"] = json!({"code": "removedOutside"});
    });
    environment.run("apply whole.plan").expect(0);
}

#[test]
fn what_no_plan_holds_is_told() {
    let environment = TestEnvironment::new();
    environment.edit(
        "manifests/stack.yaml",
        "  variables:\n",
        "  variables:\n    token:\n      description: A secret.\n      sensitive: true\n",
    );
    environment.edit(
        "manifests/karpenter.yaml",
        "  values:\n",
        "  values:\n    additionalAnnotations:\n      webhook: https://example.invalid/${var.token}\n",
    );
    environment.run("plan --out it.plan --var token=one").expect(0);
    let applied = environment.run("apply it.plan --var token=two");
    assert!(
        applied.stderr.contains(
            "note: no plan holds sensitive values; this run uses those that it was given (token)"
        ),
        "{applied}"
    );
    applied.expect(0);
}
