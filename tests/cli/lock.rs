//! `lkh lock`: what was reviewed is what is installed.

use crate::environment::TestEnvironment;

const LOCK: &str = "manifests/lkh.lock.sandbox.yaml";

#[test]
fn what_moved_under_its_version_is_blocked_and_another_version_is_told() {
    let environment = TestEnvironment::applied();
    let said = environment.run("lock").expect(0);
    assert!(
        said.contains(
            "+ HelmRelease.karpenter: oci://public.ecr.aws/karpenter/karpenter 1.8.3 sha256:"
        ),
        "{said}"
    );
    let lock = environment.read(LOCK);
    environment.run("lock --check").expect(0);
    environment.is_clean();

    // The registry serves something else under the same version.
    let digest = lock.lines().find_map(|line| line.trim().strip_prefix("digest: ")).unwrap();
    environment.edit(LOCK, digest, "\"sha256:0000\"");
    environment.is_clean();
    environment.run("lock --check").expect(1);
    environment.edit("manifests/karpenter.yaml", "replicas: ${var.replicas}", "replicas: 2");
    let plan = environment.run("plan").expect(1);
    assert!(plan.contains("[ChartMoved]") && plan.contains("`lkh lock` accepts it"), "{plan}");
    let applied = environment.run("apply --auto-approve").expect(1);
    assert!(applied.contains("[ChartMoved]"), "{applied}");
    environment.run("lock").expect(0);
    assert_eq!(environment.read(LOCK), lock);
    environment.apply();

    // Another version is an update, and its entry is stale.
    environment.edit("manifests/karpenter.yaml", "version: \"1.8.3\"", "version: \"1.8.2\"");
    let plan = environment.run("plan").expect(0);
    assert!(plan.contains("is not in the lock file; `lkh lock` takes it in"), "{plan}");
    let refused = environment.run("plan --locked");
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--locked"), "{}", refused.stderr);
    environment.run("lock").expect(0);
    environment.run("plan --locked").expect(0);
}
