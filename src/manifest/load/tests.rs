//! Loading directories that are right, and those that only a file system can
//! make wrong. What is wrong with texts is in `tests/bad-manifests`.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::adapter::Problem;
use crate::manifest::resource::DependsOn;
use crate::manifest::stack::{ExecMode, Facts};
use crate::value;

const STACK: &str = r#"
apiVersion: lkh/v1
kind: Stack
metadata: {name: lake}
spec:
  variables:
    cluster: {pattern: "[a-z0-9]{3,24}", sandboxValue: testskillcluster}
    rootDomain: {}
    siteDomain: {default: "lakehouse.k8.${var.rootDomain}"}
    bucket: {default: "ingextlakehouse${account.id}"}
    bucketArn: {default: "arn:aws:s3:::${var.bucket}/${var.cluster}$${x}"}
    session: {type: number, default: 7200}
    owners: {type: list, default: [one, two]}
    boundary: {default: null}
    token: {sensitive: true, default: tok_canary}
  phases:
    - {name: foundation, description: the ground}
    - {name: compute}
  toolbox: {image: "tools:${var.cluster}", exec: sandbox}
  kubernetes: {cluster: "${EksCluster.main.name}"}
  state: {path: kept}
"#;

const ROLES: &str = r#"
apiVersion: lkh/v1
kind: EksCluster
metadata: {name: main, phase: foundation}
external: true
spec: {name: "${var.cluster}"}
---
apiVersion: lkh/v1
kind: IamRole
metadata: {name: node, phase: compute}
spec:
  roleName: Node-${var.cluster}
  description: $${not} a reference
  maxSessionDuration: ${var.session}
  permissionsBoundary: ${var.boundary}
  tags:
    kubernetes.io/cluster/${var.cluster}: owned
    site: ${var.siteDomain}
    bucket: ${var.bucketArn}
    cluster: ${EksCluster.main.arn}
  trustPolicy: &trust
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Principal: {Service: ec2.amazonaws.com}
        Action: sts:AssumeRole
lifecycle: {preventDestroy: true, ignoreChanges: [tags.owner]}
dependsOn: [phase.foundation, EksCluster.main, phase.foundation]
---
apiVersion: lkh/v1
kind: HelmRelease
metadata: {name: web}
spec:
  namespace: web
  chart: ./charts/web
  values: {secret: "x-${var.token}"}
"#;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn inputs(assignments: &[&str]) -> VariableInputs {
    VariableInputs {
        assignments: assignments.iter().map(|one| (*one).to_owned()).collect(),
        ..VariableInputs::default()
    }
}

const GIVEN: &[&str] = &["cluster=mine", "rootDomain=example.org"];

fn loaded(files: &[(&str, &str)], assignments: &[&str]) -> Stack {
    let directory = directory(files);
    load(directory.path(), &inputs(assignments))
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(false)))
}

fn role() -> Address {
    "IamRole.node".parse().unwrap()
}

#[test]
fn a_stack_has_what_its_manifests_say() {
    let stack = loaded(&[("stack.yaml", STACK), ("a/roles.yml", ROLES)], GIVEN);
    assert_eq!(stack.name, "lake");
    let phases: Vec<_> = stack.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["foundation", "compute"]);
    assert_eq!(stack.toolbox.image.as_deref(), Some("tools:mine"));
    assert_eq!(stack.toolbox.exec, ExecMode::Sandbox);
    assert_eq!(stack.cluster, Some(Value::Unknown("${EksCluster.main.name}".into())));
    assert_eq!(stack.state_path, "kept");

    let role = stack.resource(&role()).unwrap();
    assert_eq!(role.phase.as_deref(), Some("compute"));
    assert!(!role.external && role.lifecycle.prevent_destroy);
    assert_eq!(role.lifecycle.ignore_changes[0].to_string(), "tags.owner");
    let depends: Vec<_> = role.depends_on.iter().map(ToString::to_string).collect();
    assert_eq!(depends, ["EksCluster.main", "phase.foundation"]);
    assert!(matches!(role.depends_on[1], DependsOn::Phase(_)));
    assert!(stack.place(role).0.ends_with("a/roles.yml"));
    assert_eq!(stack.place(role).1, 10);
    assert!(stack.resource(&"EksCluster.main".parse().unwrap()).unwrap().external);
}

#[test]
fn specs_hold_what_is_known_and_the_rest_as_written() {
    let stack = loaded(&[("stack.yaml", STACK), ("roles.yaml", ROLES)], GIVEN);
    let spec = &stack.resource(&role()).unwrap().spec;
    let field = |name: &str| spec.get(name).unwrap();
    let tag = |name: &str| spec.get("tags").unwrap().get(name).unwrap();
    assert_eq!(field("roleName"), &Value::from("Node-mine"));
    assert_eq!(field("description"), &Value::from("${not} a reference"));
    assert_eq!(field("maxSessionDuration"), &Value::from(7200));
    assert_eq!(field("permissionsBoundary"), &Value::Null);
    assert_eq!(tag("kubernetes.io/cluster/mine"), &Value::from("owned"));
    assert_eq!(tag("site"), &Value::from("lakehouse.k8.example.org"));
    assert_eq!(tag("bucket"), &Value::Unknown("${var.bucketArn}".into()));
    assert_eq!(tag("cluster"), &Value::Unknown("${EksCluster.main.arn}".into()));
    let release = stack.resource(&"HelmRelease.web".parse().unwrap()).unwrap();
    let secret = release.spec.get("values").and_then(|values| values.get("secret")).unwrap();
    assert!(matches!(secret, Value::Sensitive(_)));
    assert_eq!(secret.reveal(), Some(json!("x-tok_canary")));

    let facts = Facts { account: Some("012345678901"), region: None };
    let resolved = stack
        .resolve(spec, facts, &mut |target, attribute| {
            assert_eq!((target.to_string().as_str(), attribute), ("EksCluster.main", "arn"));
            Resolution::Known(Value::from("arn:x"))
        })
        .unwrap();
    assert_eq!(
        resolved.get("tags").unwrap().reveal().unwrap(),
        json!({
            "kubernetes.io/cluster/mine": "owned",
            "site": "lakehouse.k8.example.org",
            "bucket": "arn:aws:s3:::ingextlakehouse012345678901/mine${x}",
            "cluster": "arn:x",
        })
    );
}

#[test]
fn variables_come_from_arguments_files_defaults_and_the_sandbox() {
    let files = directory(&[
        ("stack.yaml", STACK),
        ("one.vars", "cluster: one\nrootDomain: one.org\nsession: 3600\n"),
        ("two.vars", "rootDomain: two.org\nowners: [x]\ntoken: \"${literal}\"\n"),
    ]);
    let path = |name: &str| files.path().join(name);
    let mut inputs = inputs(&["cluster=first", "cluster=last", "owners=a, b", "boundary=a=b"]);
    inputs.files = vec![path("one.vars"), path("two.vars")];
    // EksCluster.main is not declared here.
    let text = STACK.replace("${EksCluster.main.name}", "${var.cluster}");
    fs::write(path("stack.yaml"), text).unwrap();
    let variables = load(files.path(), &inputs).unwrap().variables;
    for (name, expected) in [
        ("cluster", json!("last")),
        ("rootDomain", json!("two.org")),
        ("siteDomain", json!("lakehouse.k8.two.org")),
        ("session", json!(3600)),
        ("owners", json!(["a", "b"])),
        ("boundary", json!("a=b")),
        ("token", json!("${literal}")),
    ] {
        assert_eq!(variables[name].reveal(), Some(expected), "{name}");
    }
    assert!(matches!(variables["token"], Value::Sensitive(_)));

    let inputs = VariableInputs {
        assignments: vec!["rootDomain=x".into()],
        sandbox: Some(true),
        ..VariableInputs::default()
    };
    let variables = load(files.path(), &inputs).unwrap().variables;
    assert_eq!(variables["cluster"], Value::from("testskillcluster"));

    // The stack itself says that it is for the sandbox; an option may say no.
    let inputs = VariableInputs { sandbox: None, ..inputs };
    let variables = load(files.path(), &inputs).unwrap().variables;
    assert_eq!(variables["cluster"], Value::from("testskillcluster"));
    let wrong = load(files.path(), &VariableInputs { sandbox: Some(false), ..inputs });
    assert!(wrong.is_err());
}

#[test]
fn the_digest_is_of_the_meaning() {
    let stack = |files: &[(&str, &str)], given: &[&str]| loaded(files, given).digest;
    let first = stack(&[("stack.yaml", STACK), ("roles.yaml", ROLES)], GIVEN);
    let (one, two) = ROLES.split_once("---").unwrap();
    let (two, three) = two.split_once("---").unwrap();
    let reordered = two
        .replace("dependsOn: [phase.foundation, EksCluster.main, phase.foundation]", "")
        .replace(
            "metadata",
            "# a comment\ndependsOn: [EksCluster.main, phase.foundation]\nmetadata",
        );
    assert_eq!(
        first,
        stack(
            &[("z.yaml", STACK), ("b/a.yaml", &reordered), ("c.yml", one), ("d.yml", three)],
            GIVEN
        ),
        "files, order and comments don't count"
    );
    let secret = ["cluster=mine", "rootDomain=example.org", "token=other"];
    assert_eq!(first, stack(&[("s.yaml", STACK), ("r.yaml", ROLES)], &secret), "secrets don't");
    let other = ["cluster=other", "rootDomain=example.org"];
    assert_ne!(first, stack(&[("s.yaml", STACK), ("r.yaml", ROLES)], &other), "variables do");
    let changed = ROLES.replace("owned", "shared");
    assert_ne!(first, stack(&[("s.yaml", STACK), ("r.yaml", &changed)], GIVEN), "specs do");
    let changed = ROLES.replace("preventDestroy: true", "preventDestroy: false");
    assert_ne!(first, stack(&[("s.yaml", STACK), ("r.yaml", &changed)], GIVEN), "lifecycles do");
}

#[test]
fn no_message_and_no_debug_form_shows_a_secret() {
    let files = directory(&[
        ("stack.yaml", STACK),
        ("roles.yaml", ROLES),
        ("secret.vars", "token: other-canary\n"),
    ]);
    let inputs = VariableInputs { files: vec![files.path().join("secret.vars")], ..inputs(GIVEN) };
    let stack = load(files.path(), &inputs).unwrap();
    let shown = format!("{stack:?}{}", json!(stack.variables));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn the_environment_gives_what_nothing_else_does() {
    let files = directory(&[("stack.yaml", STACK), ("roles.yaml", ROLES)]);
    let from = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = vec![from("token", "env-canary"), from("undeclared", "x")];
    let inputs = VariableInputs { environment, ..inputs(GIVEN) };
    let stack = load(files.path(), &inputs).unwrap();
    assert_eq!(stack.variables.get("token").unwrap().reveal().unwrap(), "env-canary");
    assert!(!format!("{stack:?}").contains("canary"));
    let assignments =
        inputs.assignments.iter().cloned().chain(["token=given".to_owned()]).collect();
    let stack = load(files.path(), &VariableInputs { assignments, ..inputs }).unwrap();
    assert_eq!(stack.variables.get("token").unwrap().reveal().unwrap(), "given");
}

#[test]
fn problems_that_are_found_later_are_shown_in_the_manifest() {
    let stack = loaded(&[("stack.yaml", STACK), ("roles.yaml", ROLES)], GIVEN);
    let problem = |path: value::Path| Problem { path, summary: "wrong".into(), help: None };
    let shown = stack
        .diagnose(&[
            (role(), problem(value::Path::new("tags").join("site"))),
            (role(), problem(value::Path::default())),
            ("IamRole.gone".parse().unwrap(), problem(value::Path::default())),
        ])
        .render(false);
    assert!(shown.contains("error: IamRole.gone: wrong"), "{shown}");
    assert!(shown.contains("roles.yaml:11:1"), "{shown}");
    assert!(shown.contains("site: ${var.siteDomain}"), "{shown}");
}

#[test]
fn hidden_files_are_left_alone_and_links_inside_are_read_once() {
    let files = directory(&[
        ("stack.yaml", STACK),
        ("roles.yaml", ROLES),
        (".hidden.yaml", "not: a manifest"),
        (".git/x.yaml", "not: a manifest"),
        ("notes.txt", "not a manifest"),
    ]);
    std::os::unix::fs::symlink("roles.yaml", files.path().join("again.yaml")).unwrap();
    std::os::unix::fs::symlink(".", files.path().join("loop")).unwrap();
    let stack = load(files.path(), &inputs(GIVEN)).unwrap();
    assert_eq!(stack.resources.len(), 3);
}

#[test]
fn what_is_not_a_plain_short_file_is_refused() {
    let files = directory(&[("stack.yaml", STACK), ("roles.yaml", ROLES)]);
    let path = files.path().join("socket.yaml");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let long = fs::File::create(files.path().join("long.yaml")).unwrap();
    long.set_len(1 << 40).unwrap();
    std::os::unix::fs::symlink("/dev/zero", files.path().join("zero.yaml")).unwrap();
    let wrong = load(files.path(), &inputs(GIVEN)).unwrap_err();
    let summaries: Vec<_> = wrong.list().iter().map(|one| one.summary.clone()).collect();
    assert_eq!(summaries.len(), 3, "{summaries:?}");
    assert!(summaries[0].ends_with("not a regular file"), "{summaries:?}");
    assert!(summaries[1].ends_with("out of the directory"), "{summaries:?}");
    assert!(summaries[2].starts_with("the file has 1099511627776 bytes"), "{summaries:?}");

    let wrong = load(Path::new("/nonexistent"), &inputs(&[])).unwrap_err();
    assert_eq!(wrong.list().len(), 1, "{wrong}");
    let wrong = load(&files.path().join("stack.yaml"), &inputs(&[])).unwrap_err();
    assert_eq!(wrong.list().len(), 1, "{wrong}");
}

#[test]
fn the_name_of_a_file_can_not_steer_a_terminal() {
    let files = directory(&[("stack.yaml", STACK), ("a\u{1b}[31m\u{202e}.yaml", "kind: x\n")]);
    let shown = load(files.path(), &inputs(GIVEN)).unwrap_err().render(false);
    assert!(shown.contains("a\\u{1b}[31m\\u{202e}.yaml:1:1"), "{shown}");
}

#[test]
fn a_long_chain_of_resources_overflows_nothing() {
    let resource = |index: usize| {
        let depends = if index == 0 { 4999 } else { index - 1 };
        format!(
            "---\napiVersion: lkh/v1\nkind: ServiceLinkedRole\nmetadata: {{name: r{index}}}\n\
             spec: {{serviceName: s{index}.amazonaws.com}}\ndependsOn: [ServiceLinkedRole.r{depends}]\n"
        )
    };
    let text = (0..5000).map(resource).collect::<Vec<_>>().concat();
    let stack = STACK.replace("${EksCluster.main.name}", "x");
    let files = directory(&[("stack.yaml", &stack), ("chain.yaml", &text)]);
    let wrong = load(files.path(), &inputs(GIVEN)).unwrap_err();
    let circles: Vec<_> =
        wrong.list().iter().filter(|one| one.summary.contains("circle")).collect();
    assert_eq!(circles.len(), 1, "{}", wrong.list().len());
    assert!(circles[0].help.as_ref().unwrap().contains("(4979 more)"), "{circles:?}");
}

#[test]
fn the_manifests_that_are_shipped_are_right() {
    let inputs = VariableInputs { sandbox: Some(true), ..VariableInputs::default() };
    let stack = load(Path::new("manifests"), &inputs)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    assert_eq!(stack.region.as_deref(), Some("us-east-2"));
    let inputs = VariableInputs { region: Some("eu-west-1".into()), ..inputs };
    let stack = load(Path::new("manifests"), &inputs).unwrap();
    assert_eq!(stack.region.as_deref(), Some("eu-west-1"));
    assert_eq!(stack.variables["region"], Value::from("eu-west-1"));
}

/// Manifests with pieces cut out, doubled and put in.
fn mangled() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "${",
        "}",
        "${var.x}",
        "${IamRole.node.arn}",
        "$${",
        "\t",
        "\n",
        "  ",
        "- ",
        ": ",
        "*a",
        "&a ",
        "<<: ",
        "!Ref ",
        "'",
        "\"",
        "{",
        "[",
        "]",
        ",",
        "---\n",
        "\u{feff}",
        "\u{202e}",
        "\0",
        "é",
        "#",
        "012",
        "1e999",
        ".inf",
        "~",
        "|",
        ">-\n",
        "%YAML 1.1\n",
        "\r",
        "? ",
    ]);
    let edit = (any::<prop::sample::Index>(), 0..12_usize, pieces);
    (prop::bool::ANY, prop::collection::vec(edit, 1..8)).prop_map(|(first, edits)| {
        let mut text = if first { STACK } else { ROLES }.to_owned();
        for (at, cut, piece) in edits {
            let clamp = |mut at: usize| {
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                at
            };
            let start = clamp(at.index(text.len() + 1));
            let end = clamp((start + cut).min(text.len()));
            text.replace_range(start..end.max(start), piece);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_loading_fall_over(text in mangled()) {
        let files = directory(&[("stack.yaml", STACK), ("roles.yaml", ROLES), ("x.yaml", &text)]);
        if let Err(wrong) = load(files.path(), &inputs(GIVEN)) {
            let shown = wrong.render(false);
            prop_assert!(!shown.is_empty());
            let json = serde_json::to_value(&wrong).unwrap();
            prop_assert_eq!(json.as_array().map(Vec::len), Some(wrong.list().len()));
            prop_assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{}", shown);
        }
    }

    #[test]
    fn no_bytes_make_loading_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let files = directory(&[("stack.yaml", STACK)]);
        fs::write(files.path().join("x.yaml"), bytes).unwrap();
        if let Err(wrong) = load(files.path(), &inputs(GIVEN)) {
            prop_assert!(!wrong.render(true).is_empty());
        }
    }
}
