//! Statuses made by hand, and what is said of them.

use super::*;
use crate::adapter::{Identity, Object};
use crate::address::Address;
use crate::plan::Reason;
use crate::value::Map;

fn release(version: &str, status: &str, blockers: Vec<Blocker>) -> Standing {
    let text = |text: &str| Value::from(text);
    let object = Object {
        attributes: Map::from([("chart".into(), text("karpenter"))]),
        outputs: Map::from([
            ("name".into(), text("karpenter")),
            ("namespace".into(), text("kube-system")),
            ("status".into(), text(status)),
            ("version".into(), text(version)),
            ("revision".into(), Value::from(2_u64)),
        ]),
        facts: Map::from([(
            "workloads".into(),
            Value::Map(Map::from([("deployment kube-system/karpenter".into(), text("2/2"))])),
        )]),
        ..Object::default()
    };
    Standing {
        address: Address::new(Kind::HelmRelease, "karpenter"),
        phase: Some("compute".into()),
        declared: true,
        external: false,
        identity: Identity::new([
            ("namespace", text("kube-system")),
            ("releaseName", text("karpenter")),
        ]),
        presence: Presence::There,
        action: Action::NoOp,
        reason: Reason::AsDeclared,
        blockers,
        object: Some(Box::new(object)),
        proof: Vec::new(),
        recorded: None,
        waits_for: None,
    }
}

fn overview(standings: Vec<Standing>) -> Overview {
    Overview {
        at: jiff::Timestamp::UNIX_EPOCH,
        stack: "lakehouse".into(),
        account: "111122223333".into(),
        region: "us-east-2".into(),
        cluster: Some("lake".into()),
        phases: ["foundation", "storage", "compute", "core-services"]
            .map(|name| (name.to_owned(), None))
            .into(),
        limited: false,
        standings,
    }
}

#[test]
fn phases_have_the_keys_of_old() {
    let json = json(&overview(Vec::new()));
    assert_eq!(
        json["readiness"],
        json!({
            "phase1Foundation": false, "phase2Storage": false, "phase3Compute": false,
            "phase4CoreServices": false,
        })
    );
    // Nothing is declared, so nothing is ready.
    assert_eq!(json["ready"], false);
    assert_eq!(json["phases"][1]["declared"], 0);
    assert_eq!(json["phases"][1]["ready"], false);
    assert_eq!(json["phases"][1]["reason"], "no manifest declares anything for this phase");
    assert_eq!(json["nextSteps"], json!(["Declare something: no manifest declares a resource"]));
}

#[test]
fn a_version_with_dashes_stays_whole() {
    let json = json(&overview(vec![release("1.9.0-rc.1", "deployed", Vec::new())]));
    let release = &json["helm"]["releases"][0];
    assert_eq!(release["chart"], "karpenter-1.9.0-rc.1");
    assert_eq!(
        (&release["chartName"], &release["version"]),
        (&json!("karpenter"), &json!("1.9.0-rc.1"))
    );
    assert_eq!(release["revision"], "2");
    assert_eq!(json["kubernetes"]["karpenter"]["version"], "1.9.0-rc.1");
    assert_eq!(json["kubernetes"]["karpenter"]["controllerReady"], true);
    assert_eq!(json["ready"], true);
    assert_eq!(
        json["nextSteps"],
        json!([
            "Nothing to do: all that is declared is ready. Phase foundation has no manifests yet"
        ])
    );
}

#[test]
fn a_failed_release_whose_pods_run_is_not_ready_and_its_controller_is() {
    let failed = Blocker {
        code: "ReleaseFailed".into(),
        message: "release karpenter is failed: revision 2: context deadline exceeded".into(),
        next: "helm history karpenter -n kube-system".into(),
    };
    let standing = Standing { action: Action::Repair, ..release("1.8.3", "failed", vec![failed]) };
    let json = json(&overview(vec![standing]));
    assert_eq!(json["kubernetes"]["karpenter"]["status"], "failed");
    assert_eq!(json["kubernetes"]["karpenter"]["controllerReady"], true);
    assert_eq!(json["readiness"]["phase3Compute"], false);
    assert_eq!(json["phases"][2]["applied"], true);
    assert_eq!(
        json["nextSteps"],
        json!([
            "Mend HelmRelease.karpenter (release karpenter is failed: revision 2: context deadline \
             exceeded): helm history karpenter -n kube-system",
            "Then run `lkh apply --target phase.compute`: 1 resource is not as declared",
        ])
    );
}

#[test]
fn what_a_service_says_reaches_no_terminal_unescaped() {
    let blocker = Blocker {
        code: "X".into(),
        message: "a \u{1b}[31mred\u{1b}[0m cause".into(),
        next: "do \u{7}this".into(),
    };
    let text = text(&overview(vec![release("1.8.3", "deployed", vec![blocker])]));
    assert!(!text.contains("\u{1b}[31mred") && !text.contains('\u{7}'), "{text:?}");
}
