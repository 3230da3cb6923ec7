//! Health, repair, and the commands of every operation.

use super::*;

fn steps_of(operation: &Operation<'_>) -> Vec<Command> {
    let steps = HelmRelease.steps(operation).unwrap();
    for step in &steps {
        assert_eq!(step.command.tool, Tool::Helm);
        assert!(!step.command.is_known_read());
        assert!(!step.title.is_empty());
    }
    steps.into_iter().map(|step| step.command).collect()
}

fn lines(commands: &[Command]) -> Vec<String> {
    commands.iter().map(ToString::to_string).collect()
}

fn repair(desired: &Desired, object: &Object) -> Result<Vec<String>, Vec<Blocker>> {
    let operation = Operation {
        verb: Verb::Repair,
        identity: &desired.identity,
        desired: Some(desired),
        prior: None,
        object: Some(object),
        changes: &[],
    };
    HelmRelease.steps(&operation)?;
    Ok(lines(&steps_of(&operation)))
}

const UPGRADE: &str = "helm upgrade --install web oci://registry.example.org/charts/web --version \
                       1.2.3 -n shop -f - --reset-values --wait --timeout 300s";
const UNINSTALL: &str = "helm uninstall web -n shop --wait --timeout 300s";

#[test]
fn a_failed_release_is_not_done_and_says_why() {
    let desired = desired(&spec());
    let mut answer = status(
        "failed",
        "Upgrade \"web\" failed: resource Deployment/shop/web not ready\ncontext deadline exceeded",
    );
    answer["info"]["resources"]["v1/Deployment"] = json!([deployment(0)]);
    answer["info"]["resources"]["v1/Pod(related)"] =
        json!([pods(Some("no nodes available to schedule pods"))]);
    let (asked, object) = object(&desired, &[printed(&answer), printed(&metadata())]);
    assert_eq!(asked.len(), 2);
    assert_eq!(
        object.health,
        Health::Broken("release web is failed: resource Deployment/shop/web not ready".into())
    );
    let Readiness::NotReady(blockers) = HelmRelease.readiness(&desired, &object) else {
        panic!("it is failed");
    };
    let codes: Vec<_> = blockers.iter().map(|blocker| blocker.code.as_str()).collect();
    assert_eq!(codes, ["PodsUnschedulable", "ReleaseFailed"]);
    assert_eq!(
        blockers[0].message,
        "release web is failed: deployment shop/web 0/2: pods Pending: no nodes available to \
         schedule pods (web-1, web-2)"
    );
    assert_eq!(repair(&desired, &object).unwrap(), [UPGRADE]);
}

fn interrupted(word: &str, history: Option<Json>) -> (Desired, Object) {
    let desired = desired(&spec());
    let answer = status(word, "Preparing upgrade");
    let mut answers = vec![printed(&answer), printed(&metadata())];
    answers.extend(history.map(|history| printed(&history)));
    let (_, object) = object(&desired, &answers);
    (desired, object)
}

#[test]
fn an_interrupted_upgrade_goes_back_to_the_last_good_revision_first() {
    for (history, revision) in [
        (
            json!([
                {"revision": 1, "status": "superseded", "description": "Install complete"},
                {"revision": 2, "status": "deployed", "description": "Upgrade complete"},
                {"revision": 3, "status": "pending-upgrade", "description": "Preparing upgrade"},
            ]),
            2,
        ),
        (
            json!([
                {"revision": 1, "status": "superseded", "description": "Install complete"},
                {"revision": 2, "status": "superseded", "description": "Upgrade \"web\" failed: x"},
                {"revision": 3, "status": "pending-upgrade", "description": "Preparing upgrade"},
            ]),
            1,
        ),
        (
            json!([
                {"revision": 1, "status": "failed", "description": "Release \"web\" failed: x"},
                {"revision": 2, "status": "failed", "description": "Upgrade \"web\" failed: x"},
                {"revision": 3, "status": "pending-upgrade", "description": "Preparing upgrade"},
            ]),
            2,
        ),
    ] {
        let (desired, object) = interrupted("pending-upgrade", Some(history));
        assert_eq!(
            object.health,
            Health::Broken("a helm upgrade of release web was interrupted".into())
        );
        assert_eq!(object.notes, ["release web is pending-upgrade since 2026-11-22T15:00:00Z"]);
        assert_eq!(
            repair(&desired, &object).unwrap(),
            [format!("helm rollback web {revision} -n shop --timeout 300s"), UPGRADE.to_owned()]
        );
    }
}

#[test]
fn the_reason_of_a_failure_is_whole() {
    let desired = desired(&spec());
    let answer = status(
        "failed",
        "Upgrade \"web\" failed: Apply failed with 1 conflict: conflict with \"kubectl-edit\" using \
         apps/v1:\n- .spec.replicas",
    );
    let (_, object) = object(&desired, &[printed(&answer), printed(&metadata())]);
    assert_eq!(
        object.health,
        Health::Broken(
            "release web is failed: Apply failed with 1 conflict: conflict with \"kubectl-edit\" \
             using apps/v1: .spec.replicas"
                .into()
        )
    );
}

#[test]
fn an_interrupted_install_is_undone_unless_that_deletes_volumes() {
    let history = json!([{"revision": 3, "status": "pending-install", "description": "x"}]);
    for (word, history) in [("pending-install", Some(history)), ("uninstalling", None)] {
        let (desired, mut object) = interrupted(word, history);
        assert_eq!(repair(&desired, &object).unwrap(), [UNINSTALL, UPGRADE]);
        object.facts.insert("volumeClaims".into(), Value::List(vec![Value::from("data-web-0")]));
        let blockers = repair(&desired, &object).unwrap_err();
        assert_eq!(blockers[0].code, "UninstallWouldDeleteVolumes");
        assert!(blockers[0].message.contains("data-web-0"));
    }
}

#[test]
fn create_update_and_delete_are_one_command_each() {
    let spec = json!({
        "namespace": "shop", "chart": "web", "repository": "https://charts.example.org",
        "version": "1.2.3", "values": {"a": {"b": 1}}, "timeout": "10m", "wait": false,
        "createNamespace": true, "crds": "skip", "takeOwnership": true,
        "registry": {"host": "registry.example.org", "password": "ecr"},
    });
    let desired = desired(&spec);
    for verb in [Verb::Create, Verb::Update] {
        let operation = Operation {
            verb,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: None,
            changes: &[],
        };
        let commands = steps_of(&operation);
        assert_eq!(
            lines(&commands),
            [
                "helm upgrade --install web web --repo https://charts.example.org --version 1.2.3 -n \
              shop -f - --reset-values --create-namespace --skip-crds --take-ownership --timeout \
              600s"
            ]
        );
        assert_eq!(
            commands[0].stdin.as_ref().and_then(Value::reveal),
            Some(json!({"a": {"b": 1}}))
        );
        assert_eq!(commands[0].timeout.as_secs(), 660);
        assert_eq!(commands[0].login.as_ref().unwrap().username, "AWS");
    }
    let prior = Prior {
        identity: desired.identity.clone(),
        settings: desired.settings.clone(),
        ..Prior::default()
    };
    let delete = Operation {
        verb: Verb::Delete,
        identity: &desired.identity,
        desired: None,
        prior: Some(&prior),
        object: None,
        changes: &[],
    };
    assert_eq!(lines(&steps_of(&delete)), ["helm uninstall web -n shop --wait --timeout 600s"]);
}

#[test]
fn a_chart_at_a_path_has_no_version_flag() {
    let desired =
        desired(&json!({"namespace": "shop", "chart": "./charts/web", "version": "1.2.3"}));
    let operation = Operation {
        verb: Verb::Create,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: None,
        changes: &[],
    };
    assert_eq!(
        lines(&steps_of(&operation)),
        ["helm upgrade --install web ./charts/web -n shop -f - --reset-values --wait --timeout \
          300s"]
    );
}

#[test]
fn conflicts_are_forced_where_drift_is_reverted() {
    let change = |path: &str, origin, before: Option<Value>| FieldChange {
        path: Path::new(path).join("Deployment/shop/web").join("spec"),
        before,
        after: Some(Value::from(2)),
        origin,
        replace: false,
    };
    let there = Some(Value::from(1));
    let edited = change("objects", Origin::Drift, there.clone());
    for (method, spec_forces, changes, forced) in [
        (Some("ssa"), false, vec![edited.clone()], true),
        (Some("ssa"), false, vec![change("objects", Origin::Both, there.clone())], true),
        (Some("ssa"), false, vec![change("objects", Origin::Change, there.clone())], false),
        (Some("ssa"), false, vec![change("objects", Origin::Drift, None)], false),
        (Some("ssa"), false, vec![change("values", Origin::Drift, there)], false),
        (Some("csa"), true, vec![edited.clone()], false),
        (None, false, vec![edited], false),
        (None, true, vec![], true),
    ] {
        let mut fields = spec();
        fields["forceConflicts"] = spec_forces.into();
        let desired = desired(&fields);
        let mut object = Object::default();
        if let Some(method) = method {
            object.facts.insert("applyMethod".into(), Value::from(method));
        }
        let operation = Operation {
            verb: Verb::Update,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: Some(&object),
            changes: &changes,
        };
        let line = steps_of(&operation)[0].to_string();
        assert_eq!(line.contains("--force-conflicts"), forced, "{method:?} {changes:?}");
    }
}
