//! What goes: a destroy, and resources whose manifests are gone.

use crate::environment::{TestEnvironment, actions, change, text};

#[test]
fn a_destroy_removes_what_was_applied_and_leaves_the_rest() {
    let environment = TestEnvironment::applied();
    insta::assert_snapshot!(environment.run("plan --destroy --detailed-exitcode"), @"");
    let before = environment.intents().len();
    let text = environment.run("destroy --auto-approve").expect(0);
    insta::assert_snapshot!(text.lines().last().unwrap(), @"");
    let titles = environment.intents().split_off(before);
    let place = |title: &str| titles.iter().position(|found| found == title).unwrap();
    assert!(
        place("uninstall release karpenter in kube-system")
            < place("delete the role ControllerRole")
    );
    assert!(place("delete the role ControllerRole") < place("delete the policy ControllerPolicy"));
    assert!(place("delete the access entry of NodeRole") < place("delete the role NodeRole"));
    environment.behind("aws eks describe-cluster --name testskillcluster");
    environment.behind("aws iam get-role --role-name AWSServiceRoleForEC2Spot");
    insta::assert_snapshot!(environment.run("plan --destroy --detailed-exitcode"), @"");
    environment.run("destroy").expect(0);
    environment.apply();
    environment.is_clean();
}

#[test]
fn the_commands_of_a_destroy_are_shown_in_their_order() {
    let environment = TestEnvironment::applied();
    let plan = environment.run("plan --destroy --json").json();
    let planned: Vec<_> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["commands"].as_array().unwrap())
        .map(|command| text(&command["title"]).to_owned())
        .collect();
    let place = |title: &str| planned.iter().position(|found| found == title).unwrap();
    assert!(
        place("uninstall release karpenter in kube-system")
            < place("delete the role ControllerRole")
    );
    assert!(place("delete the access entry of NodeRole") < place("delete the role NodeRole"));
}

#[test]
fn a_role_that_no_manifest_declares_is_deleted() {
    let environment = TestEnvironment::applied();
    let (role, _) = split(&environment, "manifests/node.yaml");
    environment.edit("manifests/karpenter.yaml", "  - EksAccessEntry.node\n", "");
    environment.edit("manifests/controller.yaml", "${IamRole.node.arn}", "\"*\"");
    environment.remove("manifests/node.yaml");
    assert!(role.contains("IamRole"));
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    environment.apply();
    environment.is_clean();
    environment.run("sandbox run -- aws iam get-role --role-name NodeRole").fails(254);
}

#[test]
fn a_service_linked_role_is_only_forgotten() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/spot.yaml");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    let intents = environment.intents();
    environment.apply();
    assert_eq!(environment.intents(), intents);
    assert!(environment.state().unwrap()["resources"]["ServiceLinkedRole.spot"].is_null());
    environment.behind("aws iam get-role --role-name AWSServiceRoleForEC2Spot");
    environment.is_clean();
}

#[test]
fn what_is_gone_already_is_forgotten() {
    let environment = TestEnvironment::applied();
    environment.remove("manifests/karpenter.yaml");
    environment.behind("helm uninstall karpenter -n kube-system");
    let plan = environment.plan();
    assert_eq!(actions(&plan), ["HelmRelease.karpenter forget"]);
    assert_eq!(change(&plan, "HelmRelease.karpenter")["reason"]["code"], "gone");
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_must_not_be_destroyed_is_not() {
    let environment = TestEnvironment::applied();
    environment.edit(
        "manifests/spot.yaml",
        "apiVersion: lkh/v1\n",
        &(split(&environment, "manifests/node.yaml")
            .0
            .replace("name: node", "name: keep")
            .replace("NodeRole", "KeepRole")
            .replace("spec:\n", "lifecycle:\n  preventDestroy: true\nspec:\n")
            + "---\napiVersion: lkh/v1\n"),
    );
    environment.apply();
    insta::assert_snapshot!(environment.run("destroy --auto-approve --target IamRole.keep"), @"");
    environment.behind("aws iam get-role --role-name KeepRole");
}

#[test]
fn what_is_declared_external_is_read_and_never_changed() {
    let environment = TestEnvironment::applied();
    environment.edit("manifests/spot.yaml", "spec:", "external: true\nspec:");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
    environment.apply();
    environment.is_clean();
    environment.edit("manifests/spot.yaml", "spot.amazonaws.com", "es.amazonaws.com");
    insta::assert_snapshot!(environment.run("plan --detailed-exitcode"), @"");
}

/// The two documents of a file.
fn split(environment: &TestEnvironment, name: &str) -> (String, String) {
    let text = environment.read(name);
    let (first, second) = text.split_once("---\n").unwrap();
    (first.to_owned(), second.to_owned())
}
