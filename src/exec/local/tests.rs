//! Small scripts in place of the tools.

use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::command::{Effect, Tool};
use crate::exec::{Gateway, OUTPUT_LIMIT};
use crate::value::Value;

use super::*;

struct Tools {
    folder: TempDir,
    surroundings: Surroundings,
}

/// A PATH with this script as `aws`.
fn tools(script: &str) -> Tools {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aws");
    // A child writes the file: while another thread starts a process, that
    // process would share a file that is open here, and could not be run.
    let status = process::Command::new("sh")
        .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" >"$2" && chmod 700 "$2""#, "sh", script])
        .arg(&file)
        .status()
        .unwrap();
    assert!(status.success());
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let surroundings = Surroundings {
        environment: vec![("PATH".into(), path), ("AWS_SECRET_ACCESS_KEY".into(), "s3cr3t".into())],
        region: "eu-west-1".into(),
        manifests: folder.path().to_owned(),
        run: "test".into(),
        ..Surroundings::default()
    };
    Tools { folder, surroundings }
}

impl Tools {
    fn local(&self) -> Local {
        Local::new(self.surroundings.clone()).unwrap()
    }

    async fn run(&self, command: &Command) -> Result<Answer, ExecError> {
        self.local().run(command).await
    }
}

fn command() -> Command {
    Command::read(Tool::Aws, &["iam", "get-role"])
}

#[tokio::test]
async fn an_answer_is_what_the_tool_said() {
    let tools = tools(r#"printf '%s|' "$@"; pwd; echo err >&2; exit 254"#);
    let answer = tools.run(&command().flag("--x", "a b")).await.unwrap();
    let folder = fs::canonicalize(tools.folder.path()).unwrap();
    assert_eq!(answer.stdout, format!("iam|get-role|--x|a b|{}\n", folder.display()));
    assert_eq!((answer.code, answer.stderr.as_str()), (254, "err\n"));
}

#[tokio::test]
async fn nothing_of_our_own_environment_reaches_a_tool() {
    let answer = tools("env").run(&command()).await.unwrap();
    let names: Vec<_> = answer.stdout.lines().filter_map(|line| line.split_once('=')).collect();
    // Cargo sets this one for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!answer.stdout.contains("CARGO"), "{}", answer.stdout);
    let of = |name| names.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    assert_eq!(of("AWS_REGION"), Some("eu-west-1"));
    assert_eq!(of("AWS_PAGER"), Some(""));
    assert_eq!(of("AWS_SECRET_ACCESS_KEY"), Some("s3cr3t"));
    assert!(of("KUBECONFIG").is_some_and(|path| path.ends_with("/kubeconfig")));
}

#[tokio::test]
async fn standard_input_is_a_file_that_can_be_read_twice() {
    let tools = tools("cat /dev/stdin; cat /dev/stdin; cat");
    let document = Value::from_json(&json!({"a": [1, "x"]}));
    let answer = tools.run(&command().with_stdin(document)).await.unwrap();
    assert_eq!(answer.stdout, r#"{"a":[1,"x"]}"#.repeat(3));
    // A text goes as it is, and without a document there is nothing to read.
    let secret = Value::Sensitive(Box::new(Value::from("pass word")));
    assert!(
        tools.run(&command().with_stdin(secret)).await.unwrap().stdout.starts_with("pass word")
    );
    assert_eq!(tools.run(&command()).await.unwrap().stdout, "");
    let unknown = command().with_stdin(Value::Unknown("${x}".into()));
    assert_eq!(tools.run(&unknown).await, Err(ExecError::InputUnknown));
}

#[tokio::test]
async fn much_input_and_output_do_not_block_each_other() {
    let tools = tools("head -c 3000000 /dev/zero | tr '\\0' e >&2; cat");
    let text = "x".repeat(5_000_000);
    let answer = tools.run(&command().with_stdin(Value::from(text.clone()))).await.unwrap();
    assert!(answer.stdout == text && answer.stderr.len() == 3_000_000);
}

#[tokio::test]
async fn the_deadline_ends_the_whole_group() {
    let tools = tools(r#"trap '' TERM; (sleep 300 & echo $! >"$1.pid"; wait) & wait; sleep 300"#);
    let mark = tools.folder.path().join("mark");
    let mut command = command().with_timeout(Duration::from_millis(500));
    command.args = vec![mark.display().to_string()];
    let began = Instant::now();
    let error = tools.run(&command).await.unwrap_err();
    assert_eq!(error, ExecError::TimedOut { after: Duration::from_millis(500) });
    assert!(began.elapsed() < Duration::from_secs(15));
    let pid = fs::read_to_string(mark.with_extension("pid")).unwrap();
    assert!(is_gone(pid.trim()).await, "the grandchild lives on");
}

#[tokio::test]
async fn a_polite_tool_ends_at_the_deadline_by_itself() {
    let tools = tools(r#"trap 'echo done >"$1"; exit 0' TERM; sleep 300 & wait"#);
    let mark = tools.folder.path().join("mark");
    let mut command = command().with_timeout(Duration::from_millis(300));
    command.args = vec![mark.display().to_string()];
    assert!(matches!(tools.run(&command).await, Err(ExecError::TimedOut { .. })));
    assert_eq!(fs::read_to_string(mark).unwrap(), "done\n");
}

#[tokio::test]
async fn dropping_the_future_ends_the_group() {
    let tools = tools(r#"sleep 300 & echo $! >"$1"; wait"#);
    let mark = tools.folder.path().join("mark");
    let mut command = command();
    command.args = vec![mark.display().to_string()];
    let local = tools.local();
    let _ = tokio::time::timeout(Duration::from_millis(500), local.run(&command)).await;
    let pid = fs::read_to_string(mark).unwrap();
    assert!(is_gone(pid.trim()).await);
}

async fn is_gone(pid: &str) -> bool {
    for _ in 0..100 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Gone, or a zombie that nobody has waited for yet.
        if stat.is_empty() || stat.contains(") Z ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn endless_output_is_cut_off() {
    let error = tools("yes").run(&command()).await.unwrap_err();
    assert_eq!(error, ExecError::TooMuchOutput { limit: OUTPUT_LIMIT });
}

#[tokio::test]
async fn what_went_wrong_is_told_apart() {
    assert_eq!(tools("kill -9 $$").run(&command()).await, Err(ExecError::Killed { signal: 9 }));
    let helm = Command { effect: Effect::Read, ..Command::read(Tool::Helm, &["version"]) };
    assert_eq!(
        tools("").run(&helm).await,
        Err(ExecError::ToolMissing { tool: Tool::Helm }),
        "no helm on this PATH"
    );
    let binary = tools(r"printf '\377'").run(&command()).await.unwrap_err();
    assert!(binary.to_string().contains("UTF-8"), "{binary}");
    let lossy = tools(r"printf '\377' >&2").run(&command()).await.unwrap();
    assert_eq!(lossy.stderr, "\u{fffd}");
    let text = tools("").run(&command()).await.unwrap();
    assert_eq!(text, Answer::default());
}

#[tokio::test]
async fn the_private_folder_is_private_and_goes_away() {
    let tools = tools("cat \"$KUBECONFIG\"; ls -ld \"${KUBECONFIG%/*}\"");
    let local = tools.local();
    local.store(PrivateFile::Kubeconfig, "hello ").await.unwrap();
    let answer = local.run(&command()).await.unwrap();
    assert!(answer.stdout.starts_with("hello drwx------"), "{}", answer.stdout);
    let file = local.folder.join("kubeconfig");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    local.close().await;
    assert!(!local.folder.exists());
}

#[test]
fn the_folders_of_dead_runs_are_removed() {
    let dead = Owner { pid: u32::MAX, ..Owner::this() };
    let left = tempfile::Builder::new().prefix(&dead.folder_prefix()).tempdir().unwrap();
    let first = tools("").local();
    assert!(!left.path().exists());
    let second = tools("").local();
    assert!(first.folder.exists() && second.folder.exists(), "the living keep theirs");
}

// With the real tools, where `tests/run` has installed them.
#[tokio::test]
async fn the_real_aws_reads_its_document_and_sees_no_credentials_of_others() {
    let Some(folder) = std::env::var_os("LKH_TEST_TOOLS") else { return };
    let mut tools = tools("");
    let path = format!("{}/bin:/usr/bin:/bin", folder.to_string_lossy());
    tools.surroundings.environment = vec![
        ("PATH".into(), path),
        ("HOME".into(), tools.folder.path().display().to_string()),
        ("AWS_ACCESS_KEY_ID".into(), "x".into()),
        ("AWS_SECRET_ACCESS_KEY".into(), "s3cr3t".into()),
    ];
    let document = Value::from_json(&json!({"RoleName": "x"}));
    let command = Command::aws_write("iam", "delete-role", document)
        .flag("--endpoint-url", "http://127.0.0.1:9");
    let answer = tools.run(&command).await.unwrap();
    assert!(answer.stderr.contains("Could not connect to the endpoint URL"), "{answer:?}");
    tools.surroundings.environment.truncate(2);
    tools.surroundings.environment.push(("AWS_EC2_METADATA_DISABLED".into(), "true".into()));
    let answer = tools.run(&command).await.unwrap();
    let explanation = crate::exec::explain::explain(&answer).unwrap();
    assert_eq!(explanation.cause, "there are no AWS credentials");
    tools.surroundings.profile = Some("nope".into());
    let answer = tools.run(&command).await.unwrap();
    let explanation = crate::exec::explain::explain(&answer).unwrap();
    assert_eq!(explanation.cause, "the AWS profile `nope` is not in the configuration");
}

#[tokio::test]
async fn many_askers_start_one_process() {
    let tools = tools(r#"echo x >>"$HOME/count"; sleep 0.2; echo {}"#);
    let mut surroundings = tools.surroundings.clone();
    surroundings.environment.push(("HOME".into(), tools.folder.path().display().to_string()));
    let gateway = Arc::new(Gateway::new(
        Box::new(Local::new(surroundings.clone()).unwrap()),
        &surroundings,
        8,
        Arc::new(|_| {}),
    ));
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.read(&command()).await })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap().unwrap().stdout, "{}\n");
    }
    assert_eq!(fs::read_to_string(tools.folder.path().join("count")).unwrap(), "x\n");
    gateway.close().await;
}
