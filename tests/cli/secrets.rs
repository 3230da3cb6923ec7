//! A sensitive value reaches the tool and nothing else: no plan, no state, no
//! log, no message.

use crate::environment::TestEnvironment;

const SECRET: &str = "hunter2-and-more";

fn environment() -> TestEnvironment {
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
    environment
}

fn hides(environment: &TestEnvironment, command: &str) -> String {
    let output = environment.run(command);
    assert!(!output.stdout.contains(SECRET), "{output}");
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    output.stdout
}

#[test]
fn it_shows_nowhere() {
    let environment = environment();
    let with = format!("--var token={SECRET}");
    let plan = hides(&environment, &format!("plan --show-commands {with}"));
    assert!(plan.contains("(sensitive value)"), "{plan}");
    hides(&environment, &format!("plan --json {with}"));
    hides(&environment, &format!("plan --out it.plan {with}"));
    assert!(!environment.read("it.plan").contains(SECRET));
    hides(&environment, &format!("apply --auto-approve {with}"));
    // It is what the release was given all the same.
    let values = environment.behind("helm get values karpenter -n kube-system");
    assert!(values.contains(SECRET), "{values}");
    hides(&environment, &format!("plan --detailed-exitcode {with}"));
    hides(&environment, &format!("show HelmRelease.karpenter {with}"));
    hides(&environment, &format!("show HelmRelease.karpenter --json {with}"));
    for (path, bytes) in environment.files() {
        let world = path.ends_with("world.jsonl");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(world || !text.contains(SECRET), "{}", path.display());
    }
}

#[test]
fn a_new_secret_is_a_difference_without_its_value() {
    let environment = environment();
    environment.run(&format!("apply --auto-approve --var token={SECRET}")).expect(0);
    environment.run(&format!("plan --detailed-exitcode --var token={SECRET}")).expect(0);
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode --var token=another").stdout, @r"
    Stack small, account 111122223333, region us-east-2.

    phase compute

      # HelmRelease.karpenter will be updated in-place
      # because it differs from what is declared
      ~ clusterName=testskillcluster namespace=kube-system releaseName=karpenter
          ~ values.additionalAnnotations.webhook: (sensitive value) -> (sensitive value)  (change or drift)

    Plan: 0 to add, 1 to change, 0 to destroy.
    8 resources as declared.
    Plan hash: sha256:[digest]
    next: lkh apply --var token=VALUE
    ");
    environment.run("apply --auto-approve --var token=another").expect(0);
    environment.run("plan --detailed-exitcode --var token=another").expect(0);
}

#[test]
fn a_saved_plan_is_carried_out_when_the_secret_is_given_again() {
    let environment = environment();
    let with = format!("--var token={SECRET}");
    environment.run(&format!("plan --out it.plan {with}")).expect(0);
    assert_eq!(environment.run("apply it.plan").code, 1, "the plan does not hold the secret");
    environment.run(&format!("apply it.plan {with}")).expect(0);
    environment.run(&format!("plan --detailed-exitcode {with}")).expect(0);
    // A difference that is itself secret.
    environment.run("plan --out it.plan --var token=another").expect(0);
    environment.run("apply it.plan --var token=another").expect(0);
    environment.run("plan --detailed-exitcode --var token=another").expect(0);
}

#[test]
fn a_secret_of_the_wrong_shape_is_not_repeated() {
    let environment = environment();
    environment.edit(
        "manifests/stack.yaml",
        "      sensitive: true\n",
        "      sensitive: true\n      pattern: \"[a-z]+\"\n",
    );
    hides(&environment, &format!("plan --var token={SECRET}"));
    environment.write("vars.yaml", format!("token: [{SECRET}]\n"));
    hides(&environment, "plan --var-file vars.yaml");
}

#[test]
fn a_failing_tool_does_not_tell_it() {
    let environment = environment();
    environment.run("sandbox nodes 0").expect(0);
    let output = environment.run(&format!("apply --auto-approve --var token={SECRET}"));
    assert_eq!(output.code, 1);
    assert!(!output.stdout.contains(SECRET), "{output}");
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
}
