//! Where charts come from: a registry behind a login, a repository, a folder.
//! And what is secret on the way.

use std::fs;

use crate::Case;
use crate::servers::{REGISTRY_PASSWORD, REGISTRY_USER, registry, serve_files};
use crate::stacks::hello;
use crate::stage::{Run, Stage};
use crate::world::REAL;

pub const CASES: &[Case] = &[
    Case {
        name: "charts_come_from_registry_repository_and_folder",
        on: REAL,
        needs: Some("docker-registry"),
        run: three_places,
    },
    Case { name: "a_secret_value_shows_nowhere", on: REAL, needs: None, run: secrets },
];

fn three_places(stage: &Stage) {
    let registry = registry(&stage.tools);
    let host = format!("127.0.0.1:{}", registry.port);
    let folder = stage.scratch().join("repository");
    fs::create_dir(&folder).unwrap();
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let chart = stage.chart_folder("hello");
    stage.run("helm", &["package", &text(&chart), "-d", &text(&folder)]);
    stage.run("helm", &["repo", "index", &text(&folder)]);
    let login = ["registry", "login", &host, "--plain-http", "-u", REGISTRY_USER];
    let login: Vec<_> = login.into_iter().chain(["-p", REGISTRY_PASSWORD]).collect();
    stage.run("helm", &login);
    let archive = text(&folder.join("hello-0.1.0.tgz"));
    stage.run("helm", &["push", &archive, &format!("oci://{host}/charts"), "--plain-http"]);
    let port = serve_files(folder);

    let of = |name: &str, chart: &str, more: &str| {
        hello(chart).replace("name: hello,", &format!("name: {name},")) + more
    };
    let from_registry = of(
        "from-registry",
        &format!("oci://{host}/charts/hello"),
        "  version: 0.1.0\n  plainHttp: true\n  registry: {username: reader, password: '${var.registryPassword}'}\n",
    );
    let from_repository = of(
        "from-repository",
        "hello",
        &format!("  version: 0.1.0\n  plainHttp: true\n  repository: http://127.0.0.1:{port}\n"),
    );
    stage.write_stack(&[
        ("registry.yaml", &from_registry),
        ("repository.yaml", &from_repository),
        ("folder.yaml", &of("from-folder", &stage.chart("hello"), "")),
    ]);
    stage.edit(
        "stack.yaml",
        "  phases:",
        "    registryPassword: {description: The password., sensitive: true}\n  phases:",
    );

    stage.set("registryPassword", "not-the-password");
    let run = stage.lkh(&["apply", "--auto-approve"]).expect(1);
    let run = run.expect_says(&["HelmRelease.from-registry: failed", &host]);
    assert!(!run.stdout.contains("not-the-password"), "{run}");
    stage.set("registryPassword", REGISTRY_PASSWORD);
    let run = stage.apply();
    nowhere(stage, &run, REGISTRY_PASSWORD);
    let releases = stage.helm("list -n default");
    let releases: Vec<_> = releases
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["chart"].as_str().unwrap()))
        .collect();
    let names = ["from-folder", "from-registry", "from-repository"];
    assert_eq!(releases, names.map(|name| (name, "hello-0.1.0")));
    stage.expect_clean();
}

fn secrets(stage: &Stage) {
    const FIRST: &str = "first-canary-secret";
    const SECOND: &str = "second-canary-secret";
    stage.write_stack(&[("hello.yaml", &hello(&stage.chart("hello")))]);
    let run = stage.lkh(&["plan", "--show-commands"]).expect(0);
    nowhere(stage, &run, FIRST);
    let run = stage.apply();
    nowhere(stage, &run, FIRST);
    let in_force = || {
        let values = stage.helm("get values hello -n default");
        values["password"].as_str().unwrap().to_owned()
    };
    assert_eq!(in_force(), FIRST);
    stage.expect_clean();

    stage.set("password", SECOND);
    let plan = stage.plan();
    plan.expect_only("HelmRelease.hello", "update");
    let run = stage.lkh(&["plan", "--show-commands"]).expect(0);
    nowhere(stage, &run, FIRST);
    nowhere(stage, &run, SECOND);
    let run = stage.lkh(&["plan", "--out", "made.plan", "--json"]).expect(0);
    nowhere(stage, &run, FIRST);
    nowhere(stage, &run, SECOND);
    let run = stage.apply();
    nowhere(stage, &run, SECOND);
    assert_eq!(in_force(), SECOND);
    stage.expect_clean();
}

/// A secret is in nothing that was printed, kept or passed as an argument,
/// neither as it is nor in base64 as a Kubernetes secret has it.
fn nowhere(stage: &Stage, run: &Run, secret: &str) {
    let encoded = match secret {
        "first-canary-secret" => "Zmlyc3QtY2FuYXJ5LXNlY3JldA",
        "second-canary-secret" => "c2Vjb25kLWNhbmFyeS1zZWNyZXQ",
        _ => secret,
    };
    for form in [secret, encoded] {
        assert!(!run.stdout.contains(form) && !run.stderr.contains(form), "{form}: {run}");
        for argv in stage.world.trace().unwrap_or_default() {
            assert!(!argv.contains(form), "{argv}");
        }
        for (path, bytes) in stage.files() {
            // The defaults of the stack's variables are the case's own.
            let kept = path.starts_with(stage.state()) || path.ends_with("made.plan");
            let text = String::from_utf8_lossy(&bytes);
            assert!(!kept || !text.contains(form), "{form} in {}", path.display());
        }
    }
}
