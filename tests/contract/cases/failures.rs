//! What is missing is told in one message, with what to do about it.

use std::fs;

use crate::Case;
use crate::servers::free_port;
use crate::stacks::{ROLE, karpenter};
use crate::stage::{Run, Stage};
use crate::world::{Backend, REAL};

pub const CASES: &[Case] = &[
    Case { name: "what_is_missing_is_told", on: REAL, needs: None, run: missing },
    Case { name: "an_unreachable_cluster_is_told", on: REAL, needs: None, run: unreachable },
];

fn missing(stage: &Stage) {
    stage.write_stack(&[("role.yaml", ROLE)]);
    let nowhere = stage.scratch().join("empty");
    fs::create_dir(&nowhere).unwrap();
    let nowhere = nowhere.to_string_lossy().into_owned();
    let plan = |environment: &[(&str, &str)]| stage.lkh_with(&["plan"], environment).expect(1);
    if stage.backend == Backend::Docker {
        let run = plan(&[("PATH", &nowhere)]);
        one_message(run, &["no `docker` on PATH", "--exec local"]);
        let run = plan(&[("DOCKER_HOST", "unix:///nowhere/docker.sock")]);
        one_message(run, &["/nowhere/docker.sock", "--exec local"]);
        stage.edit("stack.yaml", "lkh-toolbox-test:latest", "lkh-toolbox-test:absent");
        one_message(plan(&[]), &["lkh-toolbox-test:absent"]);
        stage.edit("stack.yaml", "lkh-toolbox-test:absent", "lkh-toolbox-test:latest");
    } else {
        one_message(plan(&[("PATH", &nowhere)]), &["aws", "PATH", "--exec docker"]);
    }
    let run = plan(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]);
    one_message(run, &["credentials"]);
    let run = plan(&[("AWS_PROFILE", "nobody")]);
    one_message(run, &["profile", "nobody"]);
    let url = format!("http://127.0.0.1:{}", free_port());
    one_message(plan(&[("AWS_ENDPOINT_URL", &url)]), &[&url]);
}

/// One error, with these words in it, and nothing that looks like a crash.
fn one_message(run: Run, words: &[&str]) {
    let run = run.expect_says(words);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run}");
    for noise in ["panicked", "Traceback", "RUST_BACKTRACE"] {
        assert!(!run.stderr.contains(noise), "{run}");
    }
}

fn unreachable(stage: &Stage) {
    stage.write_stack(&[("karpenter.yaml", &karpenter(&stage.karpenter(), ""))]);
    let file = stage.scratch().join("world/kubeconfig");
    let text = fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("http://").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    fs::write(&file, format!("{before}http://{address}\"{after}")).unwrap();
    let run = stage.lkh(&["plan"]).expect(1);
    let run = run.expect_says(&["HelmRelease.karpenter", "Kubernetes API", &address]);
    assert!(!run.stdout.contains("will be created"), "{run}");
    stage.lkh(&["apply", "--auto-approve"]).expect(1);
    assert_eq!(stage.intents(), []);
}
