//! Objects of the cluster: namespaces, any object, secrets, and whether pods
//! are ready.

use serde_json::{Value as Json, json};

use crate::Case;
use crate::stage::{Run, Stage, owned};
use crate::world::{ALL, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "a_namespace_lives_its_whole_life", on: LOCAL, needs: None, run: namespace },
    Case { name: "a_namespace_that_is_going_is_waited_for", on: LOCAL, needs: None, run: going },
    Case { name: "an_object_is_owned_field_by_field", on: LOCAL, needs: None, run: object },
    Case {
        name: "an_object_of_client_side_apply_is_taken_over",
        on: LOCAL,
        needs: None,
        run: taken,
    },
    Case { name: "an_object_comes_with_its_kind", on: LOCAL, needs: None, run: kinds },
    Case {
        name: "what_can_not_change_is_made_anew_when_told",
        on: LOCAL,
        needs: None,
        run: immutable,
    },
    Case { name: "a_secret_is_generated_once", on: ALL, needs: None, run: secret },
    Case { name: "readiness_waits_for_pods", on: LOCAL, needs: None, run: readiness },
];

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: lkh/v1\nkind: {kind}\nmetadata: {{name: {name}, phase: main}}\nspec:\n{spec}"
    )
}

const NAMESPACE: &str = "Namespace.lake";

fn lake(marks: &str) -> String {
    document("Namespace", "lake", &format!("  name: lake\n{marks}"))
}

/// What a plan says is in the way of a resource: codes, and all of the texts.
fn blocked(stage: &Stage, address: &str) -> (Vec<String>, String) {
    let plan = stage.plan();
    assert_eq!(plan.code, 1, "{plan}");
    let blockers = plan.of(address)["blockers"].as_array().unwrap();
    (blockers.iter().map(|one| owned(&one["code"])).collect(), json!(blockers).to_string())
}

fn labels(stage: &Stage) -> Json {
    let mut labels = stage.kubectl_get("namespace lake")["metadata"]["labels"].clone();
    labels.as_object_mut().unwrap().remove("kubernetes.io/metadata.name");
    labels
}

fn namespace(stage: &Stage) {
    let kubectl = |args: &str| stage.run("kubectl", &args.split(' ').collect::<Vec<_>>());
    stage.write_stack(&[(
        "lake.yaml",
        &lake("  labels: {team: data, tier: gold}\n  annotations: {lake.io/about: '--all this'}\n"),
    )]);
    stage.plan().expect_only(NAMESPACE, "create");
    stage.apply();
    let live = stage.kubectl_get("namespace lake");
    assert_eq!(live["metadata"]["annotations"]["lake.io/about"], "--all this");
    assert_eq!(labels(stage), json!({"team": "data", "tier": "gold"}));
    stage.expect_clean();

    kubectl("label namespace lake team=others mine=x --overwrite");
    let plan = stage.plan();
    plan.expect_only(NAMESPACE, "update");
    assert_eq!(plan.fields(NAMESPACE), [("labels/team".to_owned(), "drift".to_owned())]);
    assert_eq!(plan.foreign(NAMESPACE), ["labels/mine"]);
    stage.apply();
    assert_eq!(labels(stage), json!({"mine": "x", "team": "data", "tier": "gold"}));
    stage.expect_clean();

    // One changed, one dropped; what others put there stays.
    stage.write("lake.yaml", &lake("  labels: {team: lake}\n"));
    stage.apply();
    assert_eq!(labels(stage), json!({"mine": "x", "team": "lake"}));
    stage.expect_clean();

    stage.lose_state();
    stage.plan().expect_only(NAMESPACE, "adopt");
    stage.apply();
    stage.expect_clean();

    // It is not deleted with what someone else has put into it.
    kubectl("create secret generic theirs --from-literal=a=b -n lake");
    stage.write("lake.yaml", "");
    let (codes, text) = blocked(stage, NAMESPACE);
    assert_eq!(codes, ["NamespaceNotEmpty"]);
    assert!(text.contains("Secret/theirs") && !text.contains("default"), "{text}");
    stage.lkh(&["apply", "--auto-approve"]).expect(1).expect_says(&["Secret/theirs"]);
    stage.lkh(&["destroy", "--auto-approve"]).expect(1).expect_says(&["Secret/theirs"]);
    kubectl("get namespace lake");
    kubectl("delete secret theirs -n lake");
    stage.plan().expect_only(NAMESPACE, "delete");
    stage.apply();
    assert_eq!(kubectl("get namespace lake --ignore-not-found"), "");
    stage.expect_clean();
}

fn going(stage: &Stage) {
    let kubectl = |args: &[&str]| stage.run("kubectl", args);
    stage.write_stack(&[("lake.yaml", &lake("  labels: {team: data}\n"))]);
    stage.apply();
    kubectl(&["create", "secret", "generic", "held", "--from-literal=a=b", "-n", "lake"]);
    let hold = r#"{"metadata":{"finalizers":["lake.io/hold"]}}"#;
    kubectl(&["patch", "secret", "held", "-n", "lake", "--type=merge", "-p", hold]);
    kubectl(&["delete", "namespace", "lake", "--wait=false"]);
    let (codes, text) = blocked(stage, NAMESPACE);
    assert_eq!(codes, ["NamespaceFinalizersRemaining"]);
    assert!(text.contains("lake.io/hold"), "{text}");
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    run.expect_says(&["being deleted", "lake.io/hold"]);
    let free = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(&["patch", "secret", "held", "-n", "lake", "--type=merge", "-p", free]);
    stage.apply();
    assert_eq!(labels(stage), json!({"team": "data"}));
    stage.expect_clean();
}

const SETTINGS: &str = "KubernetesObject.settings";

/// A config map with this data.
fn settings(data: &str, more: &str) -> String {
    let manifest = format!(
        "  manifest:\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {{name: settings, namespace: default}}\n    data: {data}\n{more}"
    );
    document("KubernetesObject", "settings", &manifest)
}

fn data(stage: &Stage) -> Json {
    stage.kubectl_get("configmap settings -n default")["data"].clone()
}

fn object(stage: &Stage) {
    let kubectl = |args: &[&str]| stage.run("kubectl", args);
    let patch = |json: &str| {
        kubectl(&["patch", "configmap", "settings", "-n", "default", "--type=merge", "-p", json]);
    };
    stage.write_stack(&[("settings.yaml", &settings("{a: '1', b: '2', flag: '--x'}", ""))]);
    stage.plan().expect_only(SETTINGS, "create");
    stage.apply();
    assert_eq!(data(stage), json!({"a": "1", "b": "2", "flag": "--x"}));
    stage.expect_clean();

    // Drift is undone, and the plan says whose it is.
    patch(r#"{"data":{"a":"9","theirs":"x"}}"#);
    let plan = stage.plan();
    plan.expect_only(SETTINGS, "update");
    let fields = plan.fields(SETTINGS);
    assert!(
        fields.len() == 1 && fields[0].0.ends_with("data/a") && fields[0].1 == "drift",
        "{plan}"
    );
    let notes = plan.of(SETTINGS)["notes"].to_string();
    assert!(notes.contains(".data.a was set by kubectl-patch"), "{notes}");
    stage.apply();
    assert_eq!(data(stage)["a"], "1");
    assert_eq!(data(stage)["theirs"], "x", "what nobody declares is left alone");
    stage.expect_clean();

    // What is declared no longer goes, and only that.
    stage.write("settings.yaml", &settings("{a: '1'}", ""));
    stage.apply();
    assert_eq!(data(stage), json!({"a": "1", "theirs": "x"}));
    stage.expect_clean();

    // A field that someone else has set is theirs until it is taken over.
    stage.write("settings.yaml", &settings("{a: '1', theirs: y}", ""));
    let (codes, text) = blocked(stage, SETTINGS);
    assert_eq!(codes, ["FieldConflict"]);
    assert!(text.contains("kubectl-patch") && text.contains(".data.theirs"), "{text}");
    stage.lkh(&["apply", "--auto-approve"]).expect(1).expect_says(&[".data.theirs"]);
    assert_eq!(data(stage)["theirs"], "x");
    stage.write("settings.yaml", &settings("{a: '1', theirs: y}", "  force: true\n"));
    let plan = stage.plan();
    assert!(plan.commands(SETTINGS)[0].contains("--force-conflicts"), "{plan}");
    stage.apply();
    assert_eq!(data(stage), json!({"a": "1", "theirs": "y"}));
    stage.expect_clean();

    // Something that holds it is named.
    patch(r#"{"metadata":{"finalizers":["lake.io/hold"]}}"#);
    stage.write("settings.yaml", "");
    stage.plan().expect_only(SETTINGS, "delete");
    if stage.backend == crate::world::Backend::Sandbox {
        let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
        run.expect_says(&["it still exists", "lake.io/hold"]);
    }
    patch(r#"{"metadata":{"finalizers":null}}"#);
    stage.apply();
    let get = ["get", "configmap", "settings", "-n", "default", "--ignore-not-found"];
    assert_eq!(kubectl(&get), "");
    stage.expect_clean();
}

fn taken(stage: &Stage) {
    let file = stage.scratch().join("settings.json");
    let applied = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "default"},
        "data": {"a": "1", "b": "2"},
    });
    std::fs::write(&file, applied.to_string()).unwrap();
    stage.run("kubectl", &["apply", "-f", &file.to_string_lossy()]);

    stage.write_stack(&[("settings.yaml", &settings("{a: '3'}", ""))]);
    let plan = stage.plan();
    plan.expect_only(SETTINGS, "adopt");
    let fields: Vec<String> = plan.fields(SETTINGS).into_iter().map(|(path, _)| path).collect();
    assert_eq!(fields.len(), 3, "{plan}");
    assert_eq!(fields[0], "fieldManager");
    assert!(fields[1].ends_with("data/a") && fields[2].ends_with("data/b"), "{plan}");
    stage.apply();
    assert_eq!(data(stage), json!({"a": "3"}), "what it applied before is ours now, so it went");
    let get = "configmap settings -n default --show-managed-fields";
    let managers = stage.kubectl_get(get)["metadata"]["managedFields"].to_string();
    assert!(managers.contains(r#""manager":"lkh""#), "{managers}");
    assert!(!managers.contains("kubectl-client-side-apply"), "{managers}");
    stage.expect_clean();
}

const GADGET: &str = "KubernetesObject.gadget";

fn definition() -> String {
    document(
        "KubernetesObject",
        "definition",
        "  manifest:
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: gadgets.lake.example}
    spec:
      group: lake.example
      scope: Namespaced
      names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
      versions:
        - name: v1
          served: true
          storage: true
          schema:
            openAPIV3Schema:
              type: object
              properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}
",
    )
}

fn gadget(size: u32, depends: &str) -> String {
    let manifest = format!(
        "  manifest: {{apiVersion: lake.example/v1, kind: Gadget, metadata: {{name: one, namespace: default}}, spec: {{size: {size}}}}}\n{depends}"
    );
    document("KubernetesObject", "gadget", &manifest)
}

fn kinds(stage: &Stage) {
    let after = "dependsOn: [KubernetesObject.definition]\n";
    stage.write_stack(&[("gadget.yaml", &gadget(1, ""))]);
    let (codes, text) = blocked(stage, GADGET);
    assert_eq!(codes, ["NoSuchKind"]);
    assert!(text.contains("lake.example") && text.contains("dependsOn"), "{text}");

    stage.write("definition.yaml", &definition());
    stage.write("gadget.yaml", &gadget(1, after));
    let plan = stage.plan();
    assert_eq!(plan.code, 2, "{plan}");
    assert!(plan.of(GADGET)["notes"].to_string().contains("no kind Gadget"), "{plan}");
    stage.apply();
    assert_eq!(stage.kubectl_get("gadget one -n default")["spec"]["size"], 1);
    stage.expect_clean();
    stage.write("gadget.yaml", &gadget(2, after));
    stage.plan().expect_only(GADGET, "update");
    stage.apply();
    assert_eq!(stage.kubectl_get("gadget one -n default")["spec"]["size"], 2);
    stage.expect_clean();
    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    stage.aws("sts get-caller-identity");
    let definitions = stage.kubectl_get("customresourcedefinitions");
    assert!(!definitions.to_string().contains("gadgets.lake.example"), "{definitions}");
}

const WEB: &str = "KubernetesObject.web";

fn web(app: &str, more: &str) -> String {
    let manifest = format!(
        "  manifest:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {{name: web, namespace: default}}
    spec:
      replicas: 1
      selector: {{matchLabels: {{app: {app}}}}}
      template:
        metadata: {{labels: {{app: {app}}}}}
        spec: {{containers: [{{name: web, image: 'registry.k8s.io/pause:3.10', resources: {{requests: {{cpu: 0.1}}}}}}]}}
{more}"
    );
    document("KubernetesObject", "web", &manifest)
}

fn immutable(stage: &Stage) {
    stage.write_stack(&[("web.yaml", &web("one", ""))]);
    stage.apply();
    let deployment = || stage.kubectl_get("deployment web -n default");
    assert_eq!(deployment()["status"]["readyReplicas"], 1, "done means ready");
    stage.expect_clean();
    stage.write("web.yaml", &web("two", ""));
    let (codes, text) = blocked(stage, WEB);
    assert_eq!(codes, ["FieldImmutable"]);
    assert!(text.contains("spec.selector") && text.contains("replaceOnChange"), "{text}");
    stage.write("web.yaml", &web("two", "  replaceOnChange: [spec.selector]\n"));
    let plan = stage.plan();
    plan.expect_only(WEB, "replace");
    let before = owned(&deployment()["metadata"]["uid"]);
    stage.apply();
    assert_ne!(owned(&deployment()["metadata"]["uid"]), before);
    assert_eq!(deployment()["spec"]["selector"]["matchLabels"]["app"], "two");
    stage.expect_clean();
}

const SECRET: &str = "KubernetesSecret.app-secret";

fn secret(stage: &Stage) {
    let manifest = |data: &str, more: &str| {
        document(
            "KubernetesSecret",
            "app-secret",
            &format!("  namespace: default\n  data:\n{data}{more}"),
        )
    };
    let token = "    token: {generate: {prefix: tok_, length: 15}}\n";
    let both = format!("{token}    password: {{value: '${{var.password}}'}}\n");
    let entry = |key: &str| {
        let encoded = owned(&stage.kubectl_get("secret app-secret -n default")["data"][key]);
        let file = stage.scratch().join("encoded");
        std::fs::write(&file, encoded).unwrap();
        let output = std::process::Command::new("base64").arg("-d").arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    stage.write_stack(&[("secret.yaml", &manifest(&both, ""))]);
    let run = stage.lkh(&["plan", "--show-commands"]).expect(0);
    let run = run.expect_says(&["(generated once, sensitive: tok_ + 15 letters and digits)"]);
    nowhere(stage, &run, "first-canary-secret");
    let run = stage.apply();
    let made = entry("token");
    let letters = made.strip_prefix("tok_").unwrap();
    assert!(letters.len() == 15 && letters.chars().all(|c| c.is_ascii_alphanumeric()), "{made}");
    assert_eq!(entry("password"), "first-canary-secret");
    nowhere(stage, &run, letters);
    stage.expect_clean();

    // A given entry follows its variable; the other stays as it was made.
    stage.set("password", "second-canary-secret");
    let plan = stage.plan();
    plan.expect_only(SECRET, "update");
    let run = stage.apply();
    assert_eq!(
        (entry("password"), entry("token")),
        ("second-canary-secret".to_owned(), made.clone())
    );
    nowhere(stage, &run, "second-canary-secret");
    stage.expect_clean();

    // Without a state it is found again, and not made again.
    let add = r#"{"stringData":{"theirs":"x"}}"#;
    let patch = ["patch", "secret", "app-secret", "-n", "default", "--type=merge", "-p", add];
    stage.run("kubectl", &patch);
    stage.lose_state();
    let plan = stage.plan();
    plan.expect_only(SECRET, "adopt");
    assert!(plan.commands(SECRET).is_empty(), "{plan}");
    stage.apply();
    assert_eq!(entry("token"), made);

    // An entry that is lost is made anew, and nothing else is touched.
    let lose = r#"{"data":{"token":null}}"#;
    let patch = ["patch", "secret", "app-secret", "-n", "default", "--type=merge", "-p", lose];
    stage.run("kubectl", &patch);
    stage.plan().expect_only(SECRET, "update");
    stage.apply();
    let again = entry("token");
    assert!(again != made && again.len() == made.len());
    assert_eq!(
        (entry("theirs"), entry("password")),
        ("x".to_owned(), "second-canary-secret".to_owned())
    );
    nowhere(stage, &run, &again);

    // It outlives its manifest, unless that says otherwise.
    stage.write("secret.yaml", "");
    stage.plan().expect_only(SECRET, "forget");
    stage.apply();
    assert_eq!(entry("token"), again);
    stage.write("secret.yaml", &manifest(&both, "  onDelete: delete\n"));
    stage.plan().expect_only(SECRET, "adopt");
    stage.apply();
    stage.lkh(&["destroy", "--auto-approve"]).expect(0);
    let get = ["get", "secret", "app-secret", "-n", "default", "--ignore-not-found"];
    assert_eq!(stage.run("kubectl", &get), "");
}

/// A secret is in nothing that was printed, kept or passed as an argument.
fn nowhere(stage: &Stage, run: &Run, secret: &str) {
    assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret}: {run}");
    for argv in stage.world.trace().unwrap_or_default() {
        assert!(!argv.contains(secret), "{argv}");
    }
    for (path, bytes) in stage.files() {
        let kept = path.starts_with(stage.state());
        let text = String::from_utf8_lossy(&bytes);
        assert!(!kept || !text.contains(secret), "{secret} in {}", path.display());
    }
}

const READY: &str = "Readiness.pods";

fn readiness(stage: &Stage) {
    let ready = |more: &str| {
        let ready =
            document("Readiness", "pods", &format!("  namespace: lake\n  timeout: 5s\n{more}"));
        ready + "dependsOn: [KubernetesObject.web]\n"
    };
    // By way of the namespace's output.
    let web = web("web", "").replace("namespace: default", "namespace: '${Namespace.lake.name}'")
        + "dependsOn: [Namespace.lake]\n";
    let stack = [("lake.yaml", lake("")), ("web.yaml", web), ("ready.yaml", ready(""))];
    let files: Vec<(&str, &str)> =
        stack.iter().map(|(name, text)| (*name, text.as_str())).collect();
    stage.write_stack(&files);
    let plan = stage.plan();
    assert_eq!(plan.code, 2, "{plan}");
    assert_eq!(plan.action(READY), "check", "{plan}");
    stage.lkh(&["plan"]).expect(0).expect_says(&["Readiness.pods will be checked"]);
    stage.apply();
    assert_eq!(stage.state_json()["resources"][READY]["status"], "applied");
    let plan = stage.plan();
    assert!(plan.code == 0 && plan.changed().is_empty(), "{plan}");
    let serial = stage.state_json()["serial"].clone();
    stage.apply();
    assert_eq!(stage.state_json()["serial"], serial, "nothing new was to be written");

    // Not ready: the plan says so, and an apply in which nothing changes fails.
    let alone = ready("").replace("KubernetesObject.web", "Namespace.lake");
    stage.write("ready.yaml", &alone);
    stage.world.set_unready("lake", "web", true);
    stage.run("kubectl", &["delete", "pods", "--all", "-n", "lake"]);
    let plan = stage.plan();
    assert_eq!(plan.code, 1, "{plan}");
    assert!(plan.of(READY)["blockers"].to_string().contains("web"), "{plan}");
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    run.expect_says(&["Readiness.pods: not ready", "deployment lake/web 0/1"]);
    assert_eq!(stage.state_json()["resources"][READY]["status"], "notReady");
    stage.world.set_unready("lake", "web", false);
    stage.apply();

    // Chosen workloads, and one that is missing.
    stage.write("ready.yaml", &ready("  workloads: [Deployment/web]\n"));
    stage.apply();
    stage.write("ready.yaml", &ready("  workloads: [Deployment/web, StatefulSet/none]\n"));
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    run.expect_says(&["statefulset lake/none does not exist"]);
    stage.write("ready.yaml", &ready("  atLeast: 2\n"));
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    run.expect_says(&["1 of at least 2 pods"]);
    stage.write("ready.yaml", "");
    stage.plan().expect_only(READY, "forget");
    stage.apply();
}
