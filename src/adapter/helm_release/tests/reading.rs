//! What is asked of a release, and what its answers mean.

use super::*;

#[test]
fn a_release_as_declared_needs_two_questions() {
    let desired = desired(&spec());
    let (asked, object) = object(&desired, &[printed(&deployed()), printed(&metadata())]);
    assert_eq!(asked, [STATUS, METADATA]);
    assert_eq!(object.health, Health::Sound);
    for name in ["chart", "version", "values"] {
        assert_eq!(object.attributes[name], desired.attributes[name], "{name}");
    }
    assert_eq!(changes(&object), [""; 0]);
    assert_eq!(object.outputs["revision"], Value::from(3));
    assert_eq!(object.outputs["appVersion"], Value::from("9"));
    assert_eq!(object.facts["workloads"].to_string(), r#"{"deployment shop/web": "2/2"}"#);
    assert_eq!(HelmRelease.readiness(&desired, &object), Readiness::Ready);
    assert!(!format!("{object:?}").contains("canary"), "{object:?}");
    assert!(!format!("{object:?}").contains("Y2Fu"), "{object:?}");
    // What others write on the objects moves nothing that is compared.
    assert!(!object.attributes["objects"].to_string().contains("progressDeadline"));
}

#[test]
fn a_release_that_is_not_there_is_absent() {
    let desired = desired(&spec());
    let gone = failed("Error: release: not found");
    let (_, live) = read_with(Some(&desired), None, &[gone.clone(), gone]);
    assert_eq!(live, Ok(Live::Absent));
    // Only its history was kept.
    let kept = status("uninstalled", "Uninstallation complete");
    let (_, live) = read_with(Some(&desired), None, &[printed(&kept), printed(&metadata())]);
    assert_eq!(live, Ok(Live::Absent));
}

#[test]
fn what_can_not_be_read_is_unknown() {
    let desired = desired(&spec());
    let down = failed(
        "Error: kubernetes cluster unreachable: Get \"https://h/version\": dial tcp: connection \
         refused",
    );
    let mut newer = metadata();
    newer["revision"] = 4.into();
    let mut torn = deployed();
    torn["manifest"] = "a: [".into();
    for (answers, expected) in [
        (
            [down, failed("")],
            "helm status web -n shop -o json: the Kubernetes API does not answer: kubernetes \
             cluster unreachable",
        ),
        ([printed(&deployed()), failed("Error: x")], "helm get metadata web -n shop -o json: x"),
        (
            [printed(&deployed()), printed(&newer)],
            "helm get metadata web -n shop -o json: the release changed while it was read",
        ),
        (
            [printed(&torn), printed(&metadata())],
            "helm status web -n shop -o json: the release's manifest can't be read",
        ),
    ] {
        let (_, live) = read_with(Some(&desired), None, &answers);
        let error = live.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn an_edit_behind_helms_back_is_drift() {
    let desired = desired(&spec());
    let mut edited = deployed();
    edited["info"]["resources"]["v1/Deployment"][0]["spec"]["template"]["spec"]["containers"][0]
        ["image"] = "web:hotfix".into();
    let (_, object) = object(&desired, &[printed(&edited), printed(&metadata())]);
    assert_eq!(
        changes(&object),
        [r#"objects["Deployment/shop/web"].spec.template.spec.containers.main.image Drift"#]
    );
}

#[test]
fn an_object_that_helm_does_not_show_is_looked_for() {
    let desired = desired(&spec());
    let mut answer = deployed();
    answer["info"]["resources"].as_object_mut().unwrap().remove("v1/Deployment");
    let first = [printed(&answer), printed(&metadata())];
    let [a, b] = first;
    // It is not there.
    let (asked, missing) = object(&desired, &[a.clone(), b.clone(), Answer::default()]);
    assert_eq!(asked[2], "kubectl get -f - --ignore-not-found -o json");
    assert_eq!(changes(&missing), [r#"objects["Deployment/shop/web"] Drift"#]);
    let Readiness::NotReady(blockers) = HelmRelease.readiness(&desired, &missing) else {
        panic!("a workload is missing");
    };
    assert_eq!(blockers[0].message, "release web is not ready: deployment shop/web does not exist");
    // Its kind is not there.
    let no_kind = failed("error: unable to recognize \"-\": no matches for kind \"Deployment\"");
    let (_, no_kind) = object(&desired, &[a.clone(), b.clone(), no_kind]);
    assert_eq!(changes(&no_kind), [r#"objects["Deployment/shop/web"] Drift"#]);
    // Helm could not read it.
    let (_, found) = object(&desired, &[a.clone(), b.clone(), printed(&deployment(2))]);
    assert_eq!(changes(&found), [""; 0]);
    // Nobody can.
    let (_, live) = read_with(Some(&desired), None, &[a, b, failed("Error: forbidden")]);
    assert!(live.unwrap_err().ends_with("forbidden"));
}

#[test]
fn helm_3_shows_no_objects_so_kubectl_is_asked() {
    let desired = desired(&spec());
    let mut answer = deployed();
    answer["info"].as_object_mut().unwrap().remove("resources");
    answer.as_object_mut().unwrap().remove("apply_method");
    let mut described = metadata();
    described.as_object_mut().unwrap().remove("applyMethod");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [secret(), deployment(0)]});
    let pending = pods(Some("no nodes available to schedule pods"));
    let (asked, object) = object(
        &desired,
        &[printed(&answer), printed(&described), printed(&list), printed(&pending)],
    );
    assert_eq!(asked[3], "kubectl get pods -n shop -l app=web -o json");
    assert_eq!(changes(&object), [""; 0]);
    assert_eq!(object.facts["applyMethod"], Value::Null);
    assert_eq!(
        HelmRelease.readiness(&desired, &object),
        Readiness::NotReady(vec![Blocker {
            code: "PodsUnschedulable".into(),
            message: "release web is not ready: deployment shop/web 0/2: pods Pending: no nodes \
                      available to schedule pods (web-1, web-2)"
                .into(),
            next: "kubectl get nodes".into(),
        }])
    );
}

#[test]
fn only_names_are_sent_to_look_for_objects() {
    let objects = [json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"x": "y"},
    })];
    let command = commands::get_objects(&objects, "shop");
    assert_eq!(
        command.stdin.unwrap().reveal().unwrap(),
        json!({"apiVersion": "v1", "kind": "List", "items": [{
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "shop"},
        }]})
    );
}

#[test]
fn a_change_is_rendered_so_that_its_objects_show() {
    let mut changed = spec();
    changed["values"]["replicas"] = 3.into();
    let desired = desired(&changed);
    let rendered = MANIFEST.replace("replicas: 2", "replicas: 3")
        + "---\nkind: ConfigMap\nmetadata: {name: new}\ndata: {a: b}\n";
    let rendered = Answer { stdout: rendered, ..Answer::default() };
    let known = [printed(&deployed()), printed(&metadata())];
    let [a, b] = known;
    let expected = [
        r#"objects["ConfigMap/shop/new"] Change"#,
        r#"objects["Deployment/shop/web"].spec.replicas Change"#,
    ];
    let (asked, object_) = object(&desired, &[a.clone(), b.clone(), rendered.clone()]);
    assert_eq!(asked[2], format!("{TEMPLATE} --dry-run=server"));
    assert_eq!(changes(&object_), expected);
    // A kind that the cluster does not know yet.
    let unknown = failed("Error: resource mapping not found for name: \"x\"");
    let (asked, object_) = object(&desired, &[a.clone(), b.clone(), unknown.clone(), rendered]);
    assert_eq!(asked[3], TEMPLATE);
    assert_eq!(changes(&object_), expected);
    assert!(object_.notes[0].contains("resource mapping not found"), "{:?}", object_.notes);
    // A chart that can't be had.
    let (_, live) = read_with(
        Some(&desired),
        None,
        &[a, b, unknown, failed("Error: registry.example.org/charts/web:1.2.3: not found")],
    );
    assert_eq!(
        live.unwrap_err(),
        format!(
            "{TEMPLATE}: the chart can't be rendered: \
             registry.example.org/charts/web:1.2.3: not found"
        )
    );
}

#[test]
fn another_version_is_rendered_and_a_v_is_no_other_version() {
    let mut other = spec();
    other["version"] = "1.3.0".into();
    let rendered = Answer { stdout: MANIFEST.into(), ..Answer::default() };
    let (asked, object_) =
        object(&desired(&other), &[printed(&deployed()), printed(&metadata()), rendered]);
    assert!(asked[2].contains("--version 1.3.0"));
    assert_eq!(object_.attributes["version"], Value::from("1.2.3"));

    let mut described = metadata();
    described["version"] = "v1.2.3".into();
    let (asked, object_) = object(&desired(&spec()), &[printed(&deployed()), printed(&described)]);
    assert_eq!(asked.len(), 2);
    assert_eq!(object_.attributes["version"], Value::from("1.2.3"));
}

#[test]
fn values_that_are_not_known_yet_are_not_rendered() {
    let Value::Map(mut map) = Value::from_json(&spec()) else { unreachable!() };
    let values = Map::from([("queue".into(), Value::Unknown("${A.b.c}".into()))]);
    map.insert("values".into(), Value::Map(values));
    let desired = desired_of(&Value::Map(map));
    let (asked, object) = object(&desired, &[printed(&deployed()), printed(&metadata())]);
    assert_eq!(asked.len(), 2);
    assert!(object.notes[0].contains("was not rendered"), "{:?}", object.notes);
}

#[test]
fn a_chart_at_a_path_tells_itself_what_it_is() {
    let local = json!({"namespace": "shop", "chart": "./charts/web", "values": {"replicas": 2}});
    let chart = |version: &str| Answer {
        stdout: format!("apiVersion: v2\nname: web\nversion: {version}\n"),
        ..Answer::default()
    };
    let rendered = Answer { stdout: MANIFEST.into(), ..Answer::default() };
    let known = [printed(&deployed()), printed(&metadata())];
    let [a, b] = known;
    let (asked, object) =
        object(&desired(&local), &[a.clone(), b.clone(), chart("2.0.0"), rendered.clone()]);
    assert_eq!(asked[2], "helm show chart ./charts/web");
    assert_eq!(
        asked[3],
        "helm template web ./charts/web -n shop -f - --is-upgrade --no-hooks --dry-run=server"
    );
    assert_eq!(object.desired["chart"], Value::from("web"));
    assert_eq!(object.desired["version"], Value::from("2.0.0"));

    let mut pinned = local;
    pinned["version"] = "1.2.3".into();
    let (_, live) = read_with(Some(&desired(&pinned)), None, &[a, b, chart("2.0.0"), rendered]);
    assert_eq!(
        live.unwrap_err(),
        "helm show chart ./charts/web: the manifest asks for version 1.2.3 of the chart, and the \
         chart is 2.0.0"
    );
}

#[test]
fn sensitive_values_show_neither_live_nor_rendered() {
    let Value::Map(mut map) = Value::from_json(&spec()) else { unreachable!() };
    let hidden = Value::Sensitive(Box::new(Value::from("canary-wanted")));
    map.insert("values".into(), Value::Map(Map::from([("login".into(), hidden)])));
    let desired = desired_of(&Value::Map(map));
    let mut answer = deployed();
    answer["config"] = json!({"login": "canary-live", "adminPassword": "canary-other"});
    let rendered = MANIFEST.to_owned()
        + "---\nkind: ConfigMap\nmetadata: {name: web}\ndata: {url: \"u:canary-wanted@h\"}\n";
    let rendered = Answer { stdout: rendered, ..Answer::default() };
    let (_, object) = object(&desired, &[printed(&answer), printed(&metadata()), rendered]);
    let shown = format!("{object:?} {desired:?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(changes(&object), [r#"objects["ConfigMap/shop/web"] Change"#]);
}

#[test]
fn a_release_that_is_only_in_the_state_is_read_without_rendering() {
    let wanted = desired(&spec());
    let prior = Prior {
        identity: wanted.identity.clone(),
        settings: wanted.settings.clone(),
        ..Prior::default()
    };
    let answers = [printed(&deployed()), printed(&metadata())];
    let (asked, live) = read_with(None, Some(&prior), &answers);
    assert_eq!(asked.len(), 2);
    assert!(matches!(live, Ok(Live::Present(_))));
}

#[test]
fn every_attribute_and_output_is_read() {
    let (_, object) = object(&desired(&spec()), &[printed(&deployed()), printed(&metadata())]);
    for attribute in HelmRelease.attributes() {
        assert!(object.attributes.contains_key(attribute.name), "{}", attribute.name);
    }
    // This release holds no pool and no ingress.
    let outputs = HelmRelease.outputs().iter();
    let outputs = outputs.filter(|(output, _)| !["nodePools", "loadBalancer"].contains(output));
    for (output, meaning) in outputs {
        assert!(object.outputs.contains_key(*output) && !meaning.is_empty(), "{output}");
    }
}

#[test]
fn the_claims_of_a_release_are_known_unless_they_are_kept() {
    let desired = desired(&spec());
    let claim = |name: &str, policy: &str| {
        json!({
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": name, "namespace": "shop",
                "annotations": {"helm.sh/resource-policy": policy},
            },
            "status": {"phase": "Bound"},
        })
    };
    let mut answer = deployed();
    answer["info"]["resources"]["v1/PersistentVolumeClaim"] =
        json!([claim("lost", ""), claim("kept", "keep")]);
    let (_, object) = object(&desired, &[printed(&answer), printed(&metadata())]);
    assert_eq!(object.facts["volumeClaims"].to_string(), r#"["lost"]"#);
}

#[test]
fn a_release_that_is_not_sound_names_what_its_workloads_wait_for() {
    let desired = desired(&spec());
    for word in ["failed", "pending-upgrade"] {
        let mut answer = status(word, "Upgrade \"web\" failed: context deadline exceeded");
        answer["info"]["resources"]["v1/Deployment"] = json!([deployment(0)]);
        answer["info"]["resources"]["v1/Pod(related)"] = json!([pods(Some("0/2 nodes match"))]);
        let mut answers = vec![printed(&answer), printed(&metadata())];
        if word != "failed" {
            answers.push(printed(&json!([])));
        }
        let (asked, object) = object(&desired, &answers);
        assert_eq!(asked.len(), answers.len(), "only clues more than where it is sound");
        let note = object.notes.last().unwrap();
        assert!(
            note.starts_with(
                "what it runs is not ready: deployment shop/web 0/2: pods Pending: 0/2 nodes match"
            ),
            "{note}"
        );
    }
    // Where everything runs, Helm's own word is all there is to say.
    let answer = status("failed", "Upgrade \"web\" failed: x");
    let (_, object) = object(&desired, &[printed(&answer), printed(&metadata())]);
    assert!(object.notes.is_empty(), "{:?}", object.notes);
}

#[test]
fn a_release_whose_helm_died_says_since_when() {
    let desired = desired(&spec());
    let answer = status("pending-install", "Initial install underway");
    let answers = [printed(&answer), printed(&metadata()), printed(&json!([]))];
    let (_, object) = object(&desired, &answers);
    assert_eq!(object.notes, ["release web is pending-install since 2026-11-22T15:00:00Z"]);
    assert_eq!(
        HelmRelease.readiness(&desired, &object),
        Readiness::Waiting(vec![Blocker {
            code: "ReleasePending".into(),
            message: "release web is pending-install: revision 3: a helm is at work on it, or was \
                      ended in the middle"
                .into(),
            next: "helm history web -n shop".into(),
        }])
    );
}
