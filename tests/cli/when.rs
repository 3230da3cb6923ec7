//! Resources that a variable switches on and off.

use crate::environment::{TestEnvironment, actions};

fn environment() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.edit(
        "manifests/stack.yaml",
        "    replicas:",
        "    compute: {default: karpenter, allowed: [karpenter, auto]}\n    replicas:",
    );
    let spot = environment.read("manifests/spot.yaml");
    environment.write("manifests/spot.yaml", spot + "when: {compute: karpenter}\n");
    let karpenter = environment.read("manifests/karpenter.yaml");
    let documents: Vec<_> = karpenter
        .split("\n---\n")
        .map(|document| format!("{}\nwhen: {{compute: karpenter}}\n", document.trim_end()))
        .collect();
    environment.write("manifests/karpenter.yaml", documents.join("---\n"));
    environment
}

#[test]
fn switched_off_is_removed_like_a_removed_manifest() {
    let environment = environment();
    let all = actions(&environment.plan());
    assert!(all.iter().any(|one| one == "HelmRelease.karpenter create"), "{all:?}");
    environment.apply();
    environment.is_clean();
    let off = actions(&environment.run("plan --json --var compute=auto").json());
    assert!(off.contains(&"HelmRelease.karpenter delete".to_owned()), "{off:?}");
    environment.run("apply --auto-approve --var compute=auto").expect(0);
    environment.run("plan --detailed-exitcode --var compute=auto").expect(0);
    // And back again.
    environment.apply();
    environment.is_clean();
}

#[test]
fn what_was_never_on_is_not_made() {
    let environment = environment();
    let plan = environment.run("plan --json --var compute=auto").json();
    let made = actions(&plan);
    assert!(!made.iter().any(|one| one.starts_with("HelmRelease")), "{made:?}");
    insta::assert_snapshot!(environment.run("validate --var compute=auto"), @r"
    $ lkh validate --var compute=auto
    Stack small is valid: 7 resources.
    next: lkh preflight --var compute=auto
    ");
    insta::assert_snapshot!(environment.run("validate --var compute=fargate"), @r"
    $ lkh validate --var compute=fargate
    --- stderr
    error: --var compute: `fargate` is not allowed
      --> manifests/stack.yaml:13:35
       |
    13 |     compute: {default: karpenter, allowed: [karpenter, auto]}
       |                                   ^^^^^^^ what is allowed
       |
       = help: `compute`: one of `karpenter` and `auto`
    error: 1 error in manifests; nothing was changed
    --- exit code 1
    ");
}
