//! The five tests by which the first installer of the lakehouse was accepted,
//! one after the other: a plan without approval, a first installation whose
//! controller gets no node, the same again, a look by hand, and the status.
//!
//! Its documents stand here as it printed them. Each leaf of them is compared
//! with what `lkh` says; where it was untrue, the test says what is true instead.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::environment::{TestEnvironment, actions, change, text};

/// What is given to every command: of the installer's `--exec docker --profile
/// default --region us-east-2 --cluster testskillcluster --root-domain ingext.io`
/// all that counts in a sandbox. Two controllers are what its chart came to.
const OPTIONS: &str = "--exec sandbox --region us-east-2 --var cluster=testskillcluster --var \
                       rootDomain=ingext.io --var karpenterReplicas=2";

/// The three phases that it knew.
const PHASES: &str = "--target phase.foundation --target phase.storage --target phase.compute";

fn run(environment: &TestEnvironment, command: &str) -> crate::environment::Output {
    environment.run(&format!("{command} {OPTIONS}"))
}

/// Everything that was begun, as address and title.
fn begun(environment: &TestEnvironment) -> Vec<(String, String)> {
    let log = environment.run("log --exec sandbox --json").json();
    let intended = log.as_array().unwrap().iter().filter(|entry| entry["event"] == "intended");
    intended
        .map(|entry| (text(&entry["address"]).to_owned(), text(&entry["title"]).to_owned()))
        .collect()
}

/// With the first two phases complete, as the second test finds them, and no
/// node that takes a pod: why its nodes took none, nobody looked.
fn prepared() -> TestEnvironment {
    let environment = TestEnvironment::shipped();
    run(&environment, "apply --auto-approve --target phase.foundation --target phase.storage")
        .expect(0);
    cordon(&environment, true);
    environment
}

/// Lets the nodes take no further pod, or again.
fn cordon(environment: &TestEnvironment, on: bool) {
    let nodes = environment.behind("kubectl get nodes -o name");
    for node in nodes.lines() {
        let patch = json!({"spec": {"unschedulable": on}}).to_string();
        environment.behind(&format!("kubectl patch {node} --type merge -p {patch}"));
    }
}

/// Holds a document against the one that the first installer printed, leaf by
/// leaf: equal, but for what is listed as untrue, by its path.
#[track_caller]
fn holds(document: &Json, printed: &Json, untrue: &[(&str, Json)]) {
    let mut wrong = Vec::new();
    let mut met = Vec::new();
    leaves(printed, "", &mut |path, told| {
        let found = document.pointer(path).unwrap_or(&Json::Null);
        match untrue.iter().find(|(known, _)| *known == path) {
            Some((_, truth)) => {
                met.push(path.to_owned());
                assert_ne!(truth, told, "{path} is listed as untrue and is not");
                if found != truth {
                    wrong.push(format!("{path} is {found}, and the truth is {truth}"));
                }
            }
            None if found != told => wrong.push(format!("{path} is {found}, and was {told}")),
            None => {}
        }
    });
    assert_eq!(met.len(), untrue.len(), "what is listed as untrue was not printed: {met:?}");
    assert!(wrong.is_empty(), "{}\nin {document:#}", wrong.join("\n"));
}

fn leaves(json: &Json, path: &str, each: &mut dyn FnMut(&str, &Json)) {
    match json {
        Json::Object(map) => {
            map.iter().for_each(|(key, inner)| leaves(inner, &format!("{path}/{key}"), each));
        }
        Json::Array(list) => {
            let list = list.iter().enumerate();
            list.for_each(|(at, inner)| leaves(inner, &format!("{path}/{at}"), each));
        }
        leaf => each(path, leaf),
    }
}

/// 1. The plan is shown, and nothing is done without approval.
///
/// `Phase 3: Compute (Karpenter)`, its lines `Cluster: testskillcluster`,
/// `Version: 1.8.3`, `Autoscaling: Karpenter controller + node pools` (no node
/// pool came with that phase; they come with the sixth) and `IAM: Node role +
/// Controller role with Pod Identity`.
#[test]
fn the_plan_is_shown() {
    let environment = TestEnvironment::shipped();
    let told = run(&environment, &format!("plan {PHASES}")).expect(0);
    let phases: BTreeSet<_> = told.lines().filter_map(|line| line.strip_prefix("phase ")).collect();
    assert_eq!(phases, BTreeSet::from(["compute", "foundation", "storage"]));
    for line in [
        "HelmRelease.karpenter will be created",
        "+ clusterName=testskillcluster namespace=kube-system releaseName=karpenter",
        "+ version = \"1.8.3\"",
        "IamRole.karpenter-node will be created",
        "IamRole.karpenter-controller will be created",
        "PodIdentityAssociation.karpenter will be created",
    ] {
        assert!(told.contains(line), "{line:?} is missing in {told}");
    }
    let plan = run(&environment, &format!("plan --json {PHASES}")).json();
    assert!(actions(&plan).iter().all(|line| line.ends_with(" create")), "{:?}", actions(&plan));
    let release = change(&plan, "HelmRelease.karpenter");
    assert_eq!(release["phase"], "compute");
    let argv: Vec<&str> =
        release["commands"][0]["argv"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(argv.get(..4).unwrap(), ["helm", "upgrade", "--install", "karpenter"]);

    // No approval: the same is shown, and that is all.
    let apply = run(&environment, &format!("apply {PHASES}"));
    assert_eq!(apply.code, 1, "{apply}");
    assert!(apply.stderr.contains("--auto-approve"), "{apply}");
    assert!(!environment.path("state/sandbox/lakehouse.json").exists());
    let clusters = environment.behind("aws eks list-clusters");
    assert!(!clusters.contains("testskillcluster"), "{clusters}");
}

/// 2. to 5.: one story, since each begins where the one before ended.
#[test]
fn the_installation_that_stays_half_way() {
    let environment = &prepared();
    // 2. `--approve true`. Phases 1 and 2 are complete: read, and left alone.
    let before = begun(environment).len();
    let first = run(environment, &format!("apply --auto-approve {PHASES}"));
    // Its Helm "timed out during --wait", and it ended well all the same.
    assert_eq!(first.code, 1, "{first}");
    let first_run = begun(environment).split_off(before);
    let plan = run(environment, &format!("plan --json {PHASES}")).json();
    for (address, title) in &first_run {
        assert_eq!(change(&plan, address)["phase"], "compute", "{address}: {title}");
    }
    // NAME karpenter, NAMESPACE kube-system, REVISION 1, STATUS failed, ...
    let listed = environment.behind("helm list -n kube-system -o json");
    let listed: Json = serde_json::from_str(&listed).unwrap();
    let mut releases = listed.as_array().unwrap().iter();
    let release = releases.find(|release| release["name"] == "karpenter").unwrap();
    let printed = json!({
        "name": "karpenter", "namespace": "kube-system", "revision": "1", "status": "failed",
        "chart": "karpenter-1.8.3", "app_version": "1.8.3",
    });
    holds(release, &printed, &[]);
    let evidence = run(environment, "evidence --json").json();
    let printed = json!({
        "phase3": {
            "karpenter": {
                "existed": false,
                "installed": true,
                "version": "1.8.3",
                "namespace": "kube-system",
                "controllerReady": false,
                "scriptRan": true,
            }
        }
    });
    // No script ran: what did is in the evidence command by command.
    let no_script = ("/phase3/karpenter/scriptRan", json!(false));
    holds(&evidence, &printed, std::slice::from_ref(&no_script));
    let commands = &evidence["phase3"]["resources"]["HelmRelease.karpenter"]["commands"];
    assert!(text(&commands[0]["command"]).starts_with("helm upgrade --install karpenter"));
    // "Controller deployment not ready", with the cause.
    assert!(
        first.stdout.contains("[PodsUnschedulable] release karpenter is failed: deployment"),
        "{first}"
    );

    // 3. The same command again: nothing is made twice, the blocker stays.
    let before = begun(environment).len();
    let second = run(environment, &format!("apply --auto-approve {PHASES}"));
    assert_eq!(second.code, 1, "{second}");
    let again = begun(environment).split_off(before);
    // "Script was skipped". A failed release is no installation, so it is tried
    // again: this one, and nothing else.
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].1.starts_with("repair release karpenter in kube-system"), "{again:?}");
    let evidence = run(environment, "evidence --json").json();
    let printed = json!({
        "phase3": {"karpenter": {"existed": true, "version": "1.8.3", "scriptRan": false}}
    });
    holds(&evidence, &printed, &[]);
    assert!(second.stdout.contains("[PodsUnschedulable] release karpenter is failed"), "{second}");

    // 4. By hand.
    let line = environment.behind("kubectl get deployment karpenter -n kube-system --no-headers");
    assert_eq!(line.split_whitespace().take(4).collect::<Vec<_>>(), ["karpenter", "0/2", "2", "0"]);
    let pods = environment
        .behind("kubectl get pods -n kube-system -l app.kubernetes.io/name=karpenter --no-headers");
    let states: Vec<_> =
        pods.lines().map(|pod| pod.split_whitespace().nth(2).unwrap_or_default()).collect();
    assert_eq!(states, ["Pending", "Pending"], "{pods}");

    // 5. The status.
    let status = run(environment, &format!("status --json {PHASES} --target phase.core-services"));
    assert_eq!(status.code, 0, "it could be read: {status}");
    let mut status = status.json();
    // It listed one release, since it knew of no other.
    let releases = status["helm"]["releases"].as_array_mut().unwrap();
    releases.retain(|release| release["name"] == "karpenter");
    let printed = json!({
        "kubernetes": {
            "karpenter": {
                "status": "deployed",
                "version": "1.8.3",
                "namespace": "kube-system",
                "controllerReady": false,
            }
        },
        "helm": {
            "releases": [{
                "name": "karpenter",
                "namespace": "kube-system",
                "chart": "karpenter-1.8.3",
                "status": "failed",
                "revision": "1",
            }]
        },
        "readiness": {
            "phase1Foundation": true,
            "phase2Storage": true,
            "phase3Compute": true,
            "phase4CoreServices": false,
        },
        "nextSteps": ["Ready for Phase 4: Core Services"],
    });
    let next = status["nextSteps"][0].clone();
    holds(
        &status,
        &printed,
        &[
            // Helm said failed, and it made deployed of it.
            ("/kubernetes/karpenter/status", json!("failed")),
            // The second run tried again.
            ("/helm/releases/0/revision", json!("2")),
            // It counted a release that exists, whatever its state.
            ("/readiness/phase3Compute", json!(false)),
            // What is in the way comes first.
            ("/nextSteps/0", next.clone()),
        ],
    );
    let next = text(&next);
    assert!(
        next.starts_with("Mend HelmRelease.karpenter (release karpenter is failed: "),
        "{next}"
    );
    let steps: Vec<&str> = status["nextSteps"].as_array().unwrap().iter().map(text).collect();
    assert!(!steps.iter().any(|step| step.contains("core-services")), "{steps:?}");
    let mut phases = status["phases"].as_array().unwrap().iter();
    let compute = phases.find(|phase| phase["name"] == "compute").unwrap();
    assert_eq!((&compute["applied"], &compute["ready"]), (&json!(true), &json!(false)));
    let message = text(&compute["blockers"][0]["message"]);
    let mut rest = message;
    for link in [
        "release karpenter is failed: ",
        "deployment kube-system/karpenter 0/2: ",
        "pods Pending: ",
        "0/2 nodes are available",
    ] {
        rest = rest.split_once(link).unwrap_or_else(|| panic!("no {link:?} in {message}")).1;
    }

    // And how it goes on: with nodes the next run brings it up.
    cordon(environment, false);
    run(environment, &format!("apply --auto-approve {PHASES}")).expect(0);
    let status = run(environment, &format!("status --json {PHASES}")).json();
    assert_eq!(status["readiness"]["phase3Compute"], true);
    let karpenter = json!({
        "status": "deployed", "version": "1.8.3", "namespace": "kube-system",
        "controllerReady": true, "reason": null,
    });
    assert_eq!(status["kubernetes"]["karpenter"], karpenter);
}
