use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::sandbox::cluster::{Cluster, Fault, Target, Trouble};
use crate::sandbox::files::MapFiles;
use crate::sandbox::{kubectl, reach};

/// A world, and the two tools on it.
struct Bench {
    world: World,
    files: MapFiles,
}

/// What a command answered.
#[derive(Debug, PartialEq)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

fn answer(output: Output) -> Answer {
    Answer {
        code: output.code,
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Bench {
    /// A cluster without a node.
    fn new() -> Self {
        let mut world = World::new("2026-11-22T14:00:56.224497048Z".parse().unwrap());
        let _ = Cluster::open(&mut world);
        Self { world, files: MapFiles::new() }
    }

    fn seeded() -> Self {
        let mut bench = Self::new();
        kubectl::seed(&mut bench.world);
        bench
    }

    fn helm(&mut self, args: &str) -> Answer {
        self.helm_with(args, "")
    }

    fn helm_with(&mut self, args: &str, stdin: &str) -> Answer {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        answer(run(&mut self.world, &args, stdin.as_bytes(), &self.files))
    }

    fn kubectl(&mut self, args: &str) -> Answer {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        answer(kubectl::run(&mut self.world, &args, b"", &self.files))
    }

    fn node(&mut self, name: &str) {
        let mut cluster = Cluster::open(&mut self.world);
        cluster.add_node(name, "2", "8Gi");
        cluster.reconcile();
    }

    fn pass(&mut self, seconds: i64) {
        let now = self.world.now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self.world.set_now(now);
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }
}

const KARPENTER: &str = "upgrade --install karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n kube-system --set settings.clusterName=lake --wait --timeout 20s";
const PULLED: &str = "Pulled: public.ecr.aws/karpenter/karpenter:1.8.3\nDigest: sha256:";
const LATE: &str = "resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 0/2\ncontext deadline exceeded";

/// Standard error without what a pull says.
fn quiet(answer: &Answer) -> String {
    let lines = answer
        .err
        .lines()
        .filter(|line| !line.starts_with("Pulled: ") && !line.starts_with("Digest: "));
    lines.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

#[test]
fn nothing_is_installed() {
    let mut bench = Bench::new();
    for command in [
        "status karpenter -n kube-system -o json",
        "status karpenter -n kube-system",
        "get values karpenter -n kube-system -o json",
        "get values karpenter -n kube-system --all -o json",
        "get metadata karpenter -n kube-system -o json",
        "get manifest karpenter -n kube-system",
        "history karpenter -n kube-system -o json",
    ] {
        let answer = bench.helm(command);
        assert_eq!(
            answer,
            Answer { code: 1, out: String::new(), err: "Error: release: not found\n".into() },
            "{command}"
        );
    }
    for flags in ["-A", "-n kube-system", "-A --failed", "-A --pending", "-A --deployed"] {
        assert_eq!(bench.helm(&format!("list {flags} -o json")).out, "[]\n");
    }
    assert_eq!(
        bench.helm("list -A").out,
        "NAME\tNAMESPACE\tREVISION\tUPDATED\tSTATUS\tCHART\tAPP VERSION\n"
    );
    let refused = bench.helm("list -A -a -o json");
    assert_eq!(
        refused,
        Answer {
            code: 1,
            out: String::new(),
            err: "Error: unknown shorthand flag: 'a' in -a\n".into()
        }
    );
}

/// The moments that were recorded from the real tools, one after another: no
/// node, the same again, one node, two nodes.
#[test]
fn a_failed_install_is_retried_until_there_are_nodes() {
    let mut bench = Bench::new();

    // No node: the install fails after its time.
    let before = bench.now();
    let failed = bench.helm(KARPENTER);
    assert_eq!(
        (failed.code, failed.out.as_str()),
        (1, "Release \"karpenter\" does not exist. Installing it now.\n")
    );
    assert!(failed.err.starts_with(PULLED), "{}", failed.err);
    assert_eq!(quiet(&failed), format!("Error: {LATE}\n"));
    assert_eq!(bench.now().duration_since(before), SignedDuration::from_secs(20));
    assert_eq!(
        bench.helm("list -A -o json").out,
        "[{\"name\":\"karpenter\",\"namespace\":\"kube-system\",\"revision\":\"1\",\"updated\":\"2026-11-22 14:00:56.224497048 +0000 UTC\",\"status\":\"failed\",\"chart\":\"karpenter-1.8.3\",\"app_version\":\"1.8.3\"}]\n"
    );
    assert_eq!(bench.helm("list -A --deployed -o json").out, "[]\n");
    assert_eq!(
        bench.helm("list -A").out,
        "NAME     \tNAMESPACE  \tREVISION\tUPDATED                                \tSTATUS\tCHART          \tAPP VERSION\nkarpenter\tkube-system\t1       \t2026-11-22 14:00:56.224497048 +0000 UTC\tfailed\tkarpenter-1.8.3\t1.8.3      \n"
    );
    let status = bench.helm("status karpenter -n kube-system -o json").json();
    let description = format!("Release \"karpenter\" failed: {LATE}");
    assert_eq!(status["info"]["status"], "failed");
    assert_eq!(status["info"]["description"], description.as_str());
    assert_eq!(status["info"]["first_deployed"], "2026-11-22T14:00:56.224497048Z");
    assert_eq!(
        (status["version"].as_u64(), status["apply_method"].as_str()),
        (Some(1), Some("ssa"))
    );
    assert_eq!(status["config"]["settings"]["clusterName"], "lake");
    let mut keys: Vec<&String> = status.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        ["apply_method", "config", "info", "manifest", "name", "namespace", "version"]
    );
    let resources = status["info"]["resources"].as_object().unwrap();
    assert_eq!(
        resources.keys().collect::<Vec<_>>(),
        [
            "v1/ClusterRole",
            "v1/ClusterRoleBinding",
            "v1/Deployment",
            "v1/Pod(related)",
            "v1/PodDisruptionBudget",
            "v1/Role",
            "v1/RoleBinding",
            "v1/Service",
            "v1/ServiceAccount",
        ]
    );
    let deployment = &resources["v1/Deployment"][0];
    assert_eq!(deployment["metadata"]["annotations"]["meta.helm.sh/release-name"], "karpenter");
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
    assert_eq!(deployment["status"]["unavailableReplicas"], 2);
    let pods = &resources["v1/Pod(related)"][0];
    assert_eq!(
        (pods["kind"].as_str(), pods["items"].as_array().unwrap().len()),
        (Some("PodList"), 2)
    );
    let scheduled = &pods["items"][0]["status"]["conditions"][0];
    assert_eq!(
        (scheduled["type"].as_str(), scheduled["reason"].as_str()),
        (Some("PodScheduled"), Some("Unschedulable"))
    );
    assert_eq!(scheduled["message"], "no nodes available to schedule pods");
    let text = bench.helm("status karpenter -n kube-system").out;
    assert!(text.starts_with(&format!("NAME: karpenter\nLAST DEPLOYED: Sun Nov 22 14:00:56 2026\nNAMESPACE: kube-system\nSTATUS: failed\nREVISION: 1\nDESCRIPTION: {description}\nRESOURCES:\n==> v1/")), "{text}");
    assert!(text.contains("==> v1/Deployment\nNAME        READY   UP-TO-DATE   AVAILABLE   AGE\nkarpenter   0/2     2            0           20s\n\n"), "{text}");
    assert!(text.ends_with("\n\nTEST SUITE: None\n"), "{text}");
    assert_eq!(
        bench.helm("get values karpenter -n kube-system -o json").out,
        "{\"settings\":{\"clusterName\":\"lake\"}}\n"
    );
    let metadata = bench.helm("get metadata karpenter -n kube-system -o json").json();
    assert_eq!(metadata["labels"]["modifiedAt"], "1795356076");
    assert_eq!(
        (metadata["status"].as_str(), metadata["deployedAt"].as_str()),
        (Some("failed"), Some("2026-11-22T14:00:56Z"))
    );
    assert!(
        bench
            .kubectl("get pods -n kube-system")
            .out
            .contains("   0/1     Pending   0          20s\n")
    );

    // The same again.
    bench.pass(2);
    let failed = bench.helm(KARPENTER);
    assert_eq!((failed.code, failed.out.as_str()), (1, ""));
    assert_eq!(
        quiet(&failed),
        format!(
            "level=WARN msg=\"upgrade failed\" name=karpenter error=\"{}\"\nError: UPGRADE FAILED: {LATE}\n",
            LATE.replace('\n', "\\n")
        )
    );

    // One node: the second replica finds no place.
    bench.node("fake-1");
    let failed = bench.helm(KARPENTER);
    assert_eq!(failed.code, 1);
    assert!(failed.err.ends_with("Error: UPGRADE FAILED: resource Deployment/kube-system/karpenter not ready. status: InProgress, message: Available: 1/2\ncontext deadline exceeded\n"), "{}", failed.err);

    // Two nodes: deployed, over the failed revisions.
    bench.node("fake-2");
    bench.pass(3);
    let done = bench.helm(KARPENTER);
    assert_eq!((done.code, quiet(&done).as_str()), (0, ""));
    assert!(done.out.starts_with("Release \"karpenter\" has been upgraded. Happy Helming!\nNAME: karpenter\nLAST DEPLOYED: Sun Nov 22 14:0"), "{}", done.out);
    assert!(done.out.ends_with("NAMESPACE: kube-system\nSTATUS: deployed\nREVISION: 4\nDESCRIPTION: Upgrade complete\nTEST SUITE: None\n"));
    let history = bench.helm("history karpenter -n kube-system -o json").json();
    let statuses: Vec<&str> =
        history.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "failed", "superseded", "deployed"]);
    assert_eq!(history[1]["description"], format!("Upgrade \"karpenter\" failed: {LATE}").as_str());
    assert_eq!(
        (history[3]["revision"].as_u64(), history[3]["chart"].as_str()),
        (Some(4), Some("karpenter-1.8.3"))
    );
    assert!(
        bench
            .helm("status karpenter -n kube-system")
            .out
            .contains("karpenter   2/2     2            2    ")
    );
    let budget = bench.kubectl("get pdb -n kube-system --no-headers").out;
    assert!(budget.starts_with("karpenter   N/A   1     1     "), "{budget}");
}

#[test]
fn an_install_on_two_nodes_succeeds_and_again() {
    let mut bench = Bench::seeded();
    let done = bench.helm(KARPENTER);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(
        done.out,
        format!(
            "Release \"karpenter\" does not exist. Installing it now.\nNAME: karpenter\nLAST DEPLOYED: {}\nNAMESPACE: kube-system\nSTATUS: deployed\nREVISION: 1\nDESCRIPTION: Install complete\nTEST SUITE: None\n",
            print::ansi_time("2026-11-22T14:00:56Z".parse().unwrap())
        )
    );
    let again = bench.helm(KARPENTER);
    assert_eq!(again.code, 0, "{}", again.err);
    let history = bench.helm("history karpenter -n kube-system -o json").json();
    let seen: Vec<(&str, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["status"].as_str().unwrap(), one["description"].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [("superseded", "Install complete"), ("deployed", "Upgrade complete")]);
    // The same again changes no object.
    let version = |bench: &mut Bench| {
        bench
            .kubectl("get deploy karpenter -n kube-system -o jsonpath={.metadata.resourceVersion}")
            .out
    };
    let before = version(&mut bench);
    assert_eq!(bench.helm(KARPENTER).code, 0);
    assert_eq!(version(&mut bench), before);
}

#[test]
fn definitions_belong_to_no_release_until_one_takes_them() {
    let mut bench = Bench::seeded();
    assert_eq!(bench.helm(KARPENTER).code, 0);
    let crd = "upgrade --install karpenter-crd oci://public.ecr.aws/karpenter/karpenter-crd --version 1.8.3 -n kube-system --wait --timeout 20s";
    let refused = bench.helm(crd);
    assert_eq!(
        (refused.code, refused.out.as_str()),
        (1, "Release \"karpenter-crd\" does not exist. Installing it now.\n")
    );
    assert_eq!(
        quiet(&refused),
        "Error: unable to continue with install: CustomResourceDefinition \"ec2nodeclasses.karpenter.k8s.aws\" in namespace \"\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"; annotation validation error: missing key \"meta.helm.sh/release-name\": must be set to \"karpenter-crd\"; annotation validation error: missing key \"meta.helm.sh/release-namespace\": must be set to \"kube-system\"\n"
    );
    let taken = bench.helm(&format!("{crd} --take-ownership"));
    assert_eq!(taken.code, 0, "{}", taken.err);

    // Uninstalled: its objects go, the definitions stay.
    let gone = bench.helm("uninstall karpenter -n kube-system --wait --timeout 30s");
    assert_eq!(
        gone,
        Answer { code: 0, out: "release \"karpenter\" uninstalled\n".into(), err: String::new() }
    );
    assert_eq!(bench.helm("status karpenter -n kube-system").err, "Error: release: not found\n");
    let listed = bench.helm("list -A -o json").json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "karpenter-crd");
    assert_eq!(
        bench.kubectl("get deploy karpenter -n kube-system").err,
        "Error from server (NotFound): deployments.apps \"karpenter\" not found\n"
    );
    assert_eq!(
        bench.kubectl("get pods -n kube-system -l app.kubernetes.io/name=karpenter").err,
        "No resources found in kube-system namespace.\n"
    );
    assert!(
        bench
            .kubectl("get crd -o name")
            .out
            .contains("customresourcedefinition.apiextensions.k8s.io/nodepools.karpenter.sh\n")
    );
    let again = bench.helm("uninstall karpenter -n kube-system");
    assert_eq!(again.err, "Error: uninstall: Release not loaded: karpenter: release: not found\n");
    let ignored = bench.helm("uninstall karpenter -n kube-system --ignore-not-found");
    assert_eq!((ignored.code, ignored.out.as_str()), (0, "release \"karpenter\" uninstalled\n"));

    // The other way round works without a word.
    let mut bench = Bench::seeded();
    assert_eq!(bench.helm(crd).code, 0);
    assert_eq!(bench.helm(KARPENTER).code, 0);
}

#[test]
fn a_killed_install_leaves_a_pending_release() {
    let mut bench = Bench::new();
    interrupt_next(&mut bench.world);
    let killed = bench.helm(KARPENTER);
    assert_eq!(
        (killed.code, killed.out.as_str()),
        (137, "Release \"karpenter\" does not exist. Installing it now.\n")
    );
    assert_eq!(quiet(&killed), "");
    let history = bench.helm("history karpenter -n kube-system -o json").json();
    assert_eq!(
        (history[0]["status"].as_str(), history[0]["description"].as_str()),
        (Some("pending-install"), Some("Initial install underway"))
    );
    let metadata = bench.helm("get metadata karpenter -n kube-system -o json").json();
    assert_eq!(metadata["labels"]["createdAt"], "1795356056");
    assert_eq!(bench.helm("list -A --pending -o json").json().as_array().unwrap().len(), 1);
    assert_eq!(bench.helm("list -A --failed -o json").out, "[]\n");
    assert!(bench.kubectl("get pods -n kube-system").out.contains("Pending"));
    let retried = bench.helm(KARPENTER);
    assert_eq!((retried.code, retried.out.as_str()), (1, ""));
    assert_eq!(
        quiet(&retried),
        "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n"
    );
    // Uninstalling is the way out.
    assert_eq!(bench.helm("uninstall karpenter -n kube-system").code, 0);
    kubectl::seed(&mut bench.world);
    assert_eq!(bench.helm(KARPENTER).code, 0);
}

#[test]
fn a_killed_uninstall_can_be_repeated() {
    let mut bench = Bench::seeded();
    assert_eq!(bench.helm(KARPENTER).code, 0);
    interrupt_next(&mut bench.world);
    assert_eq!(bench.helm("uninstall karpenter -n kube-system").code, 137);
    assert_eq!(bench.helm("list -A -o json").json()[0]["status"], "uninstalling");
    assert_eq!(
        quiet(&bench.helm(KARPENTER)),
        "Error: UPGRADE FAILED: \"karpenter\" has no deployed releases\n"
    );
    assert_eq!(
        bench.helm("uninstall karpenter -n kube-system").out,
        "release \"karpenter\" uninstalled\n"
    );
    assert_eq!(bench.helm("list -A -o json").out, "[]\n");
}

#[test]
fn a_control_plane_that_is_down_is_named() {
    let mut bench = Bench::new();
    bench.world.put(reach::UNREACHABLE, Value::from(true));
    let down = "Error: kubernetes cluster unreachable: Get \"https://127.0.0.1:6443/version\": dial tcp 127.0.0.1:6443: connect: connection refused\n";
    for command in [
        "list -A -o json",
        "status x -n kube-system -o json",
        "get values x -o json",
        "get metadata x -o json",
        "get manifest x",
        "history x -o json",
        KARPENTER,
        "uninstall x",
        "rollback x 1",
    ] {
        assert_eq!(
            bench.helm(command),
            Answer { code: 1, out: String::new(), err: down.into() },
            "{command}"
        );
    }
    assert_eq!(bench.helm("list -A -a").err, "Error: unknown shorthand flag: 'a' in -a\n");
    assert_eq!(
        bench.helm("template x oci://public.ecr.aws/karpenter/karpenter --version 1.8.3").code,
        0
    );
}

const LAKE: &str = "upgrade --install lake oci://public.ecr.aws/ingext/ingext-stack --version 1.0.0 -n ingext -f -";

#[test]
fn values_come_and_go_with_the_revisions() {
    let mut bench = Bench::seeded();
    let refused = bench.helm_with(LAKE, "a: 1\n");
    assert_eq!(
        quiet(&refused),
        "Error: create: failed to create: namespaces \"ingext\" not found\n"
    );
    assert_eq!(bench.helm("list -A -o json").out, "[]\n");
    assert_eq!(bench.helm_with(&format!("{LAKE} --create-namespace"), "a: 1\n").code, 0);
    assert_eq!(bench.helm("get values lake -n ingext -o json").out, "{\"a\":1}\n");
    // Without values the last ones stay; with some they are replaced.
    assert_eq!(bench.helm_with(LAKE, "").code, 0);
    assert_eq!(bench.helm("get values lake -n ingext -o json").out, "{\"a\":1}\n");
    assert_eq!(bench.helm_with(LAKE, "replicaCount: 2\n").code, 0);
    assert_eq!(bench.helm("get values lake -n ingext -o json").out, "{\"replicaCount\":2}\n");
    assert_eq!(
        bench.helm_with(&format!("{LAKE} --reset-then-reuse-values"), "b: {c: null}\n").code,
        0
    );
    assert_eq!(
        bench.helm("get values lake -n ingext -o json").out,
        "{\"b\":{\"c\":null},\"replicaCount\":2}\n"
    );
    let all = bench.helm("get values lake -n ingext --all -o json").json();
    assert_eq!(
        (all["replicaCount"].as_i64(), all["image"]["repository"].as_str()),
        (Some(2), Some("public.ecr.aws/ingext/ingext-stack"))
    );
    assert_eq!(bench.helm("get values lake -n ingext --revision 1 -o json").out, "{\"a\":1}\n");
    assert!(
        bench
            .helm("get manifest lake -n ingext")
            .out
            .starts_with("---\n# Source: ingext-stack/templates/configmap.yaml\napiVersion: v1\n")
    );
    assert_eq!(bench.helm("rollback lake 9 -n ingext").err, "Error: release has no 9 version\n");
    assert_eq!(
        bench.helm("rollback lake 1 -n ingext --wait").out,
        "Rollback was a success! Happy Helming!\n"
    );
    let history = bench.helm("history lake -n ingext -o json").json();
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!(
        (last["revision"].as_u64(), last["status"].as_str(), last["description"].as_str()),
        (Some(5), Some("deployed"), Some("Rollback to 1"))
    );
    assert_eq!(bench.kubectl("get deploy lake -n ingext -o jsonpath={.spec.replicas}").out, "1");
    for _ in 0..12 {
        assert_eq!(bench.helm_with(LAKE, "a: 2\n").code, 0);
    }
    assert_eq!(bench.helm("history lake -n ingext -o json").json().as_array().unwrap().len(), 10);
}

#[test]
fn objects_that_a_new_version_no_longer_has_are_removed() {
    let mut bench = Bench::seeded();
    bench.files =
        bench.files.clone().with("c/Chart.yaml", "name: ingext-lake-config\nversion: 0.1.0\n");
    assert_eq!(bench.helm("install demo ./c").code, 1);
    let install = "install demo c --set replicas=1";
    assert_eq!(bench.helm(install).code, 0);
    assert_eq!(
        bench.helm(install).err,
        "level=ERROR msg=\"release name check failed\" error=\"cannot reuse a name that is still in use\"\nError: INSTALLATION FAILED: release name check failed: cannot reuse a name that is still in use\n"
    );
    assert_eq!(
        bench.kubectl("get deploy,cm demo demo-values -o name --ignore-not-found").out,
        "deployment.apps/demo\nconfigmap/demo-values\n"
    );
    // Another chart under the same release name.
    let done = bench.helm("upgrade demo oci://public.ecr.aws/ingext/ingext-lake-config --version 1.0.0 --reset-values");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(
        bench.kubectl("get deploy,cm demo demo-values -o name --ignore-not-found").out,
        "configmap/demo-values\n"
    );
    // What was removed by hand comes back.
    assert_eq!(bench.kubectl("delete cm demo-values").code, 0);
    assert_eq!(
        bench
            .helm("upgrade demo oci://public.ecr.aws/ingext/ingext-lake-config --version 1.0.0")
            .code,
        0
    );
    assert_eq!(bench.kubectl("get cm demo-values -o name").out, "configmap/demo-values\n");
    assert_eq!(bench.helm("uninstall demo --keep-history").code, 0);
    assert_eq!(bench.helm("list -A -o json").json()[0]["status"], "uninstalled");
    let back = bench.helm("upgrade --install demo c");
    assert_eq!(back.code, 0, "{}", back.err);
    assert_eq!(bench.helm("list -o json").json()[0]["revision"], "4");
}

#[test]
fn an_upgrade_that_fails_rolls_back_when_told_to() {
    let mut bench = Bench::seeded();
    let command = "upgrade --install lake oci://public.ecr.aws/ingext/ingext-stack --version 1.0.0 --rollback-on-failure --timeout 1m";
    assert_eq!(bench.helm(command).code, 0);
    let target = Target::Image(":9.9.9".into());
    let fault = Fault {
        target: target.clone(),
        trouble: Trouble::ImagePull { message: "not found".into() },
    };
    Cluster::open(&mut bench.world).set_fault(&fault);
    let failed = bench.helm(&format!("{command} --set image.tag=9.9.9"));
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("Error: UPGRADE FAILED: release lake failed, and has been rolled back due to rollback-on-failure being set: resource Deployment/default/lake not ready. status: InProgress, message: "), "{}", failed.err);
    let history = bench.helm("history lake -o json").json();
    let seen: Vec<&str> =
        history.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(seen, ["superseded", "failed", "deployed"]);
    // A first install that fails is taken away.
    let failed = bench.helm("install other oci://public.ecr.aws/ingext/ingext-stack --version 1.0.0 --rollback-on-failure --timeout 1m --set image.tag=9.9.9");
    assert!(failed.err.contains("Error: INSTALLATION FAILED: release other failed, and has been uninstalled due to rollback-on-failure being set: resource Deployment/default/other not ready."), "{}", failed.err);
    assert_eq!(bench.helm("status other").err, "Error: release: not found\n");
    assert_eq!(bench.kubectl("get deploy other").code, 1);
}

#[test]
fn a_slow_pod_is_waited_for() {
    let mut bench = Bench::seeded();
    let fault = |seconds| Fault {
        target: Target::Image("ingext-stack".into()),
        trouble: Trouble::Slow { seconds },
    };
    Cluster::open(&mut bench.world).set_fault(&fault(90));
    let before = bench.now();
    let command = "upgrade --install lake oci://public.ecr.aws/ingext/ingext-stack --version 1.0.0 --wait --timeout 5m";
    assert_eq!(bench.helm(command).code, 0);
    let waited = bench.now().duration_since(before).as_secs();
    assert!((89..300).contains(&waited), "{waited}");
    assert_eq!(
        bench.kubectl("rollout status deploy/lake").out,
        "deployment \"lake\" successfully rolled out\n"
    );
}

#[test]
fn pools_need_karpenters_definitions() {
    let mut bench = Bench::seeded();
    let pool = "upgrade --install ingext-merge-pool oci://public.ecr.aws/ingext/ingext-eks-pool --version 1.0.0 --set poolName=pool-merge,clusterName=lake";
    let refused = bench.helm(pool);
    assert!(quiet(&refused).starts_with("Error: unable to build kubernetes objects from release manifest: [resource mapping not found for name: \"pool-merge\" namespace: \"\" from \"\": no matches for kind \"EC2NodeClass\" in version \"karpenter.k8s.aws/v1\"\nensure CRDs are installed first, "), "{}", refused.err);
    assert_eq!(bench.helm(KARPENTER).code, 0);
    assert_eq!(bench.helm(pool).code, 0);
    assert_eq!(bench.kubectl("get nodepools -o name").out, "nodepool.karpenter.sh/pool-merge\n");
}

#[test]
fn a_conflict_with_another_manager_is_named() {
    let mut bench = Bench::seeded();
    assert_eq!(bench.helm(KARPENTER).code, 0);
    assert_eq!(bench.kubectl("scale deploy karpenter -n kube-system --replicas 1").code, 0);
    let refused = bench.helm(KARPENTER);
    assert!(
        refused.err.contains("Error: UPGRADE FAILED: conflict occurred while applying object kube-system/karpenter apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with \"kubectl"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains(": .spec.replicas\n"), "{}", refused.err);
    assert_eq!(bench.helm(&format!("{KARPENTER} --force-conflicts")).code, 0);
    assert_eq!(
        bench.kubectl("get deploy karpenter -n kube-system -o jsonpath={.spec.replicas}").out,
        "2"
    );
}

#[test]
fn logins_expire() {
    let mut bench = Bench::seeded();
    let login =
        "registry login public.ecr.aws --username AWS --password-stdin --registry-config /r";
    let done = bench.helm_with(login, "secret\n");
    assert_eq!(done, Answer { code: 0, out: String::new(), err: "Login Succeeded\n".into() });
    let show = "show chart oci://public.ecr.aws/karpenter/karpenter --version 1.8.3";
    assert_eq!(bench.helm(&format!("{show} --registry-config /r")).code, 0);
    bench.pass(13 * 3600);
    let refused = bench.helm(&format!("{show} --registry-config /r"));
    assert_eq!(refused.code, 1);
    assert!(refused.err.ends_with("response status code 403: denied: Your authorization token has expired. Reauthenticate and try again.\n"), "{}", refused.err);
    // Another config file has no login, and needs none.
    assert_eq!(bench.helm(show).code, 0);
    assert_eq!(
        bench.helm("registry logout public.ecr.aws --registry-config /r").err,
        "Removing login credentials for public.ecr.aws\n"
    );
    assert_eq!(bench.helm(&format!("{show} --registry-config /r")).code, 0);
    assert_eq!(bench.helm_with(login, "secret").code, 0);
    expire_logins(&mut bench.world);
    assert_eq!(bench.helm(&format!("{show} --registry-config=/r")).code, 1);
}

#[test]
fn templates_show_what_would_be_installed() {
    let mut bench = Bench::new();
    let template = "template karpenter oci://public.ecr.aws/karpenter/karpenter --version 1.8.3 -n kube-system -f -";
    let plain = bench.helm_with(template, "replicas: 1\n");
    assert!(
        plain.out.starts_with(
            "---\n# Source: karpenter/templates/poddisruptionbudget.yaml\napiVersion: policy/v1\n"
        ),
        "{}",
        plain.out
    );
    let with_crds = bench.helm_with(
        &format!("{template} --include-crds --is-upgrade --kube-version 1.34"),
        "replicas: 1\n",
    );
    assert!(
        with_crds.out.starts_with("---\n# Source: karpenter/crds/")
            && with_crds.out.ends_with(&plain.out)
    );
    assert_eq!(bench.helm("list -A -o json").out, "[]\n");
    for (command, stdin, expected) in [
        ("template r ./nothere", "", "path \"./nothere\" not found"),
        (
            "template Bad_Name oci://public.ecr.aws/karpenter/karpenter",
            "",
            "release name check failed: release name \"Bad_Name\": invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53",
        ),
        (
            "template r oci://public.ecr.aws/karpenter/karpenter -f -",
            "- 1\n",
            "failed to parse -: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            "template r oci://public.ecr.aws/karpenter/karpenter -f nothere.yaml",
            "",
            "open nothere.yaml: no such file or directory",
        ),
        (
            "template r oci://public.ecr.aws/karpenter/karpenter --set a",
            "",
            "failed parsing --set data: key \"a\" has no value",
        ),
        (
            "template r oci://public.ecr.aws/karpenter/karpenter --kube-version bogus",
            "",
            "invalid kube version 'bogus': could not parse \"bogus\" as version",
        ),
    ] {
        let refused = bench.helm_with(command, stdin);
        assert_eq!(refused.code, 1, "{command}");
        assert!(
            refused.err.ends_with(&format!("Error: {expected}\n")),
            "{command}: {}",
            refused.err
        );
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut bench = Bench::seeded();
    let shown = bench.helm(&format!("{KARPENTER} --dry-run=server"));
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains("STATUS: pending-install\nREVISION: 1\nDESCRIPTION: Dry run complete\nTEST SUITE: None\nHOOKS:\nMANIFEST:\n---\n# Source: karpenter/"), "{}", shown.out);
    assert_eq!(bench.helm("list -A -o json").out, "[]\n");
    assert_eq!(bench.kubectl("get sa karpenter -n kube-system").code, 1);
    let json = bench.helm(&format!("{KARPENTER} -o json")).json();
    assert_eq!(
        (json["info"]["status"].as_str(), json["chart"]["metadata"]["version"].as_str()),
        (Some("deployed"), Some("1.8.3"))
    );
}

#[test]
fn mistakes_in_commands_are_helms() {
    let mut bench = Bench::seeded();
    for (command, expected) in [
        ("bogus", "unknown command \"bogus\" for \"helm\"\nRun 'helm --help' for usage."),
        (
            "status",
            "\"helm status\" requires 1 argument\n\nUsage:  helm status RELEASE_NAME [flags]",
        ),
        (
            "upgrade a",
            "\"helm upgrade\" requires 2 arguments\n\nUsage:  helm upgrade [RELEASE] [CHART] [flags]",
        ),
        (
            "uninstall",
            "\"helm uninstall\" requires at least 1 argument\n\nUsage:  helm uninstall RELEASE_NAME [...] [flags]",
        ),
        ("version x", "\"helm version\" accepts no arguments\n\nUsage:  helm version [flags]"),
        (
            "list -o bogus",
            "invalid argument \"bogus\" for \"-o, --output\" flag: invalid format type",
        ),
        (
            "upgrade a b --wait=bogus",
            "invalid argument \"bogus\" for \"--wait\" flag: invalid wait input \"bogus\". Valid inputs are watcher, hookOnly, and legacy",
        ),
        (
            "upgrade a b --timeout x",
            "invalid argument \"x\" for \"--timeout\" flag: time: invalid duration \"x\"",
        ),
        (
            "upgrade a oci://public.ecr.aws/ingext/x",
            "UPGRADE FAILED: \"a\" has no deployed releases",
        ),
        (
            "registry login https://public.ecr.aws -u a -p b",
            "invalid reference: invalid registry \"https://public.ecr.aws\"",
        ),
    ] {
        let refused = bench.helm(command);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{command}");
        assert_eq!(quiet(&refused), format!("Error: {expected}\n"), "{command}");
    }
    assert_eq!(bench.helm("version --short").out, "v4.1.4+g05fa379\n");
    assert_eq!(bench.helm("version --template {{.Version}}").out, "v4.1.4");
    assert!(bench.helm("get").out.starts_with("Usage:"));
}
