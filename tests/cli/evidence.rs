//! `lkh evidence`: what proves that each thing was done, and whether it still
//! holds.

use serde_json::{Value as Json, json};

use crate::environment::{TestEnvironment, text};

/// What the first installer said of Karpenter, and what is said besides.
fn karpenter(environment: &TestEnvironment) -> Json {
    environment.run("evidence --json").json()["phase2"]["karpenter"].clone()
}

#[test]
fn of_a_first_run_that_failed_and_a_second_that_repaired() {
    let environment = TestEnvironment::new();
    environment.run("sandbox nodes 0").expect(0);
    assert_eq!(environment.run("apply --auto-approve").code, 1);
    let first = karpenter(&environment);
    let expected = json!({
        "existed": false, "installed": true, "version": "1.8.3", "namespace": "kube-system",
        "controllerReady": false, "scriptRan": false, "appliedBy": "lkh",
        "resource": "HelmRelease.karpenter",
    });
    assert_eq!(first, expected);
    environment.run("sandbox nodes 2").expect(0);
    environment.apply();
    let mut expected = expected;
    expected["existed"] = true.into();
    expected["controllerReady"] = true.into();
    assert_eq!(karpenter(&environment), expected);
    let whole = environment.run("evidence --json").json();
    let release = &whole["phase2"]["resources"]["HelmRelease.karpenter"];
    assert_eq!(release["origin"]["how"], "created");
    assert_eq!(release["commands"].as_array().unwrap().len(), 1, "those of the last run");
    assert!(text(&release["commands"][0]["title"]).starts_with("repair release karpenter"));
    for claim in release["claims"].as_array().unwrap() {
        assert!(text(&claim["digest"]).starts_with("sha256:"));
        assert!(claim["at"].is_string() && claim["command"].is_string());
        assert_eq!(claim["verified"], Json::Null, "nothing was read");
    }
}

#[test]
fn what_was_there_already_was_adopted() {
    let environment = TestEnvironment::applied();
    environment.remove("state/sandbox/small.json");
    environment.remove("state/sandbox/small.log.jsonl");
    environment.apply();
    let whole = environment.run("evidence --json").json();
    assert_eq!(whole["phase2"]["karpenter"]["existed"], true);
    let role = &whole["phase2"]["resources"]["IamRole.node"];
    assert_eq!(role["origin"]["how"], "adopted");
    assert_eq!(role["commands"], json!([]));
}

#[test]
fn of_one_resource_as_text() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("evidence --target HelmRelease.karpenter"), @r"
    $ lkh evidence --target HelmRelease.karpenter
    Stack small, account 111122223333, region us-east-2; serial [n], lineage [lineage].

    phase compute

      HelmRelease.karpenter applied, created by run [run] at [time]
        existed before: no; installed: yes; version: 1.8.3; namespace: kube-system; ready: yes; script ran: no
        [time] #[n] install release karpenter in kube-system: oci://public.ecr.aws/karpenter/karpenter 1.8.3: exited with 0
          $ helm upgrade --install karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n kube-system -f - --reset-values --wait --timeout 120s
        [time] exists, and this is what was read of it
          $ helm status karpenter -n kube-system -o json
          sha256:[digest]
        [time] exists, and this is what was read of it
          $ helm get metadata karpenter -n kube-system -o json
          sha256:[digest]

    2 claims of 1 resource, as they were verified then.
    next: lkh evidence --verify reads again and says which claim no longer holds
    ");
}

#[test]
fn what_still_holds() {
    let environment = TestEnvironment::applied();
    let verified = environment.run("evidence --verify --json");
    assert_eq!(verified.code, 0);
    assert_eq!(verified.json()["verified"]["holds"], true);
    let text = environment.run("evidence --verify").expect(0);
    assert!(text.contains("All hold: 16 claims of 8 resources verified again"), "{text}");
}

#[test]
fn what_no_longer_holds_is_named() {
    let environment = TestEnvironment::applied();
    environment.behind(
        "aws iam detach-role-policy --role-name NodeRole --policy-arn \
         arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    );
    insta::assert_snapshot!(environment.run("evidence --verify --target IamRole.node"), @r#"
    $ lkh evidence --verify --target IamRole.node
    Stack small, account 111122223333, region us-east-2; serial [n], lineage [lineage].

    phase compute

      IamRole.node applied, created by run [run] at [time]
        as declared and ready: no longer holds: it differs from what is declared: managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"] (drift)
        [time] #[n] create the role NodeRole: exited with 0
          $ aws iam create-role --cli-input-json file:///dev/stdin
        [time] #[n] attach AmazonEKSWorkerNodePolicy to NodeRole: exited with 0
          $ aws iam attach-role-policy --cli-input-json file:///dev/stdin
        [time] #[n] attach AmazonEKS_CNI_Policy to NodeRole: exited with 0
          $ aws iam attach-role-policy --cli-input-json file:///dev/stdin
        [time] exists, and this is what was read of it
          $ aws iam get-role --role-name NodeRole
          sha256:[digest]
          now: holds
        [time] exists, and this is what was read of it
          $ aws iam list-attached-role-policies --role-name NodeRole
          sha256:[digest]
          now: no longer holds: it differs from what is declared: managedPolicies["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"] (drift)
        [time] exists, and this is what was read of it
          $ aws iam list-role-policies --role-name NodeRole
          sha256:[digest]
          now: holds

    Not all hold: 3 claims of 1 resource read again.
    next: lkh status names what is in the way, lkh plan what an apply would do
    --- exit code 1
    "#);
    environment.run("sandbox break karpenter").expect(0);
    let whole = environment.run("evidence --verify --json");
    assert_eq!(whole.code, 1);
    let whole = whole.json();
    assert_eq!(whole["verified"]["holds"], false);
    let release = &whole["phase2"]["resources"]["HelmRelease.karpenter"];
    // What was read of the release is the same; that it is ready is not.
    assert_eq!(release["claims"][0]["verified"]["holds"], true);
    assert_eq!(release["verified"]["holds"], false);
    assert_eq!(whole["phase2"]["karpenter"]["controllerReady"], false);
}

#[test]
fn of_many_roles_each_is_asked_again_as_it_was() {
    let environment = TestEnvironment::new();
    let node = environment.read("manifests/node.yaml");
    let role = node.split("---").next().unwrap();
    for number in 1..=3 {
        let role = role
            .replace("name: node", &format!("name: many{number}"))
            .replace("NodeRole", &format!("ManyRole{number}"));
        environment.write(&format!("manifests/many{number}.yaml"), role);
    }
    environment.apply();
    let answers = |code: i32| {
        let output = environment.run("evidence --verify --json");
        assert_eq!(output.code, code);
        let resources = &output.json()["phase2"]["resources"];
        let claims = resources["IamRole.many2"]["claims"].as_array().unwrap().clone();
        assert_eq!(claims.len(), 3, "{claims:?}");
        assert!(claims.iter().all(|claim| text(&claim["command"]).contains("ManyRole2")));
        claims.iter().map(|claim| claim["verified"]["sameAnswer"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(answers(0), [true, true, true]);
    // A refresh writes down what a verification asks again.
    environment.run("refresh").expect(0);
    assert_eq!(answers(0), [true, true, true]);
    let policy = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
    environment
        .behind(&format!("aws iam detach-role-policy --role-name ManyRole2 --policy-arn {policy}"));
    assert_eq!(answers(1), [true, false, true]);
}

#[test]
fn what_can_not_be_read_again_is_not_known() {
    let environment = TestEnvironment::applied();
    environment.unreachable();
    let whole = environment.run("evidence --verify --json");
    assert_eq!(whole.code, 1);
    let whole = whole.json();
    assert_eq!(whole["verified"]["holds"], Json::Null);
    let release = &whole["phase2"]["resources"]["HelmRelease.karpenter"];
    assert_eq!(release["claims"][0]["verified"]["holds"], Json::Null);
}

#[test]
fn there_is_none_before_the_first_apply() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run("evidence"), @r"
    $ lkh evidence
    --- stderr
    error: there is no state at state/sandbox/small.json yet: run lkh apply
    --- exit code 1
    ");
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("evidence --target phase.storage"), @r"
    $ lkh evidence --target phase.storage
    --- stderr
    error: nothing in the state is called phase.storage: --target takes Kind.name or phase.NAME
    --- exit code 1
    ");
}
