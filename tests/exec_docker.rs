//! The toolbox container, on a real Docker engine with real tools in the image
//! that `tests/tools/docker-image` makes. Without an engine or the image every
//! case is reported as ignored; where CI is set, that is a failure.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::fs;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use lkh::command::{Command, Tool};
use lkh::exec::docker::Docker;
use lkh::exec::{Exec, ExecError, OUTPUT_LIMIT, PrivateFile, Surroundings};
use lkh::value::Value;
use serde_json::json;

const IMAGE: &str = "lkh-toolbox-test:latest";
/// The same, with scripts in place of helm and kubectl.
const SCRIPTED: &str = "lkh-toolbox-test:scripted";

type Case = fn(&Fixture);

const CASES: &[(&str, Case)] = &[
    ("the_tools_of_the_image_answer", the_tools_of_the_image_answer),
    ("aws_reads_its_document_from_standard_input", aws_reads_its_document_from_standard_input),
    ("the_container_starts_once_and_goes_away", the_container_starts_once_and_goes_away),
    ("secrets_are_in_no_argv_and_no_setting", secrets_are_in_no_argv_and_no_setting),
    ("the_container_is_locked_down", the_container_is_locked_down),
    ("exit_codes_are_the_tools_own", exit_codes_are_the_tools_own),
    ("the_deadline_is_kept_inside", the_deadline_is_kept_inside),
    ("endless_output_ends_the_tool_too", endless_output_ends_the_tool_too),
    ("much_input_and_output_pass_through", much_input_and_output_pass_through),
    ("private_files_are_stored_privately", private_files_are_stored_privately),
    ("what_a_dead_run_left_is_removed", what_a_dead_run_left_is_removed),
    ("a_removed_container_is_told", a_removed_container_is_told),
    ("memory_that_runs_out_is_told", memory_that_runs_out_is_told),
    ("memory_that_runs_out_beside_the_tool_is_told", memory_that_runs_out_beside_the_tool_is_told),
    ("a_killed_client_leaves_no_command_running", a_killed_client_leaves_no_command_running),
    ("a_part_of_a_document_reaches_no_tool", a_part_of_a_document_reaches_no_tool),
    (
        "the_command_of_a_dead_run_ends_before_the_next",
        the_command_of_a_dead_run_ends_before_the_next,
    ),
    ("a_dropped_executor_removes_its_container", a_dropped_executor_removes_its_container),
];

/// Cases that need the client alone.
const WITHOUT_ENGINE: &[(&str, Case)] = &[
    ("a_missing_client_is_told", a_missing_client_is_told),
    ("an_engine_that_does_not_answer_is_told", an_engine_that_does_not_answer_is_told),
    ("a_missing_image_is_told", a_missing_image_is_told),
    ("an_orphan_that_stays_is_told", an_orphan_that_stays_is_told),
    ("a_container_ended_for_want_of_memory_is_told", a_container_ended_for_want_of_memory_is_told),
];

fn main() {
    let arguments = Arguments::from_args();
    let missing = if arguments.list { None } else { prepare().err() };
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let mut trials = Vec::new();
    for (cases, needs_engine) in [(CASES, true), (WITHOUT_ENGINE, false)] {
        for &(name, case) in cases {
            let why = missing.clone().filter(|_| needs_engine || docker(&["version"]).is_err());
            let skip = why.is_some() && !strict;
            let trial = Trial::test(name, move || {
                if let Some(why) = &why {
                    return Err(Failed::from(why.clone()));
                }
                case(&Fixture::new(name));
                Ok(())
            });
            trials.push(trial.with_ignored_flag(skip));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The scripted image is cheap to make and easy to mistake for another.
    let _ = docker(&["rmi", "--force", SCRIPTED]);
    conclusion.exit();
}

fn docker(args: &[&str]) -> Result<String, String> {
    let output = Process::new("docker").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Makes the scripted image out of the test image, or tells why there is none.
fn prepare() -> Result<(), String> {
    const SCRIPT: &str = r#"cat >/usr/local/bin/helm <<'X'
#!/bin/sh
case $1 in
exit) echo out; echo err >&2; exit "$2" ;;
sleep) trap '' TERM; sleep 300 & echo started; wait; sleep 300 ;;
polite) trap 'echo ended; exit 0' TERM; sleep 300 & wait ;;
yes) yes ;;
cat) cat ;;
sh) shift; exec sh -c "$1" ;;
esac
X
chmod 755 /usr/local/bin/helm
rm -f /usr/local/bin/kubectl"#;
    docker(&["version"]).map_err(|why| format!("no Docker engine: {why}"))?;
    docker(&["image", "inspect", IMAGE]).map_err(|why| format!("no toolbox image: {why}"))?;
    let maker = format!("lkh-test-maker-{}", std::process::id());
    docker(&["run", "--name", &maker, "--entrypoint", "sh", IMAGE, "-c", SCRIPT])?;
    let made = docker(&["commit", &maker, SCRIPTED]);
    docker(&["rm", "--force", &maker])?;
    made.map(drop)
}

struct Fixture {
    folder: tempfile::TempDir,
    run: String,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let run = format!("test-{}-{name}", std::process::id());
        Self { folder: tempfile::tempdir().unwrap(), run, notices: Arc::default() }
    }

    fn surroundings(&self, image: &str) -> Surroundings {
        let home = self.folder.path().join("home");
        fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
        fs::write(home.join(".aws/config"), "[default]\nregion = us-west-2\n").unwrap();
        fs::write(home.join(".aws/sso/cache/a.json"), "{}").unwrap();
        let manifests = self.folder.path().join("manifests, a");
        fs::create_dir_all(&manifests).unwrap();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Surroundings {
            environment: vec![
                variable("PATH", &std::env::var("PATH").unwrap()),
                variable("HOME", home.to_str().unwrap()),
                variable("AWS_ACCESS_KEY_ID", "AKIACANARY"),
                variable("AWS_SECRET_ACCESS_KEY", "env-canary"),
                variable("DOCKER_HOST", &std::env::var("DOCKER_HOST").unwrap_or_default()),
            ],
            region: "eu-west-1".into(),
            image: image.into(),
            manifests,
            run: self.run.clone(),
            ..Surroundings::default()
        }
    }

    fn docker(&self, image: &str) -> Docker {
        let notices = Arc::clone(&self.notices);
        let notice = move |text: &str| notices.lock().unwrap().push(text.to_owned());
        Docker::new(self.surroundings(image), Arc::new(notice)).unwrap()
    }

    /// With a client that is a script: the arms of a `case` over its first
    /// argument.
    fn scripted_client(&self, arms: &str) -> Docker {
        let folder = self.folder.path().join("bin");
        fs::create_dir_all(&folder).unwrap();
        let client = folder.join("docker");
        fs::write(&client, format!("#!/bin/sh\ncase $1 in\n{arms}esac\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&client, mode).unwrap();
        let mut surroundings = self.surroundings(IMAGE);
        surroundings.environment[0].1 = format!("{}:/usr/bin:/bin", folder.display());
        let notices = Arc::clone(&self.notices);
        let notice = move |text: &str| notices.lock().unwrap().push(text.to_owned());
        Docker::new(surroundings, Arc::new(notice)).unwrap()
    }

    fn name(&self) -> String {
        format!("lkh-{}", self.run)
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap().clone()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", &self.name()]);
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

fn helm(args: &[&str]) -> Command {
    Command::read(Tool::Helm, args)
}

fn shell(script: &str) -> Command {
    helm(&["sh", script])
}

fn the_tools_of_the_image_answer(fixture: &Fixture) {
    let toolbox = fixture.docker(IMAGE);
    wait(async {
        for (tool, args, text) in [
            (Tool::Aws, &["--version"][..], "aws-cli"),
            (Tool::Helm, &["version"], "version"),
            (Tool::Kubectl, &["version", "--client"], "Client Version"),
        ] {
            let answer = toolbox.run(&Command::read(tool, args)).await.unwrap();
            assert!(answer.succeeded() && answer.stdout.contains(text), "{answer:?}");
            assert!(!answer.stderr.contains("lkh-"), "{answer:?}");
        }
        let answer = toolbox.run(&Command::read(Tool::Aws, &["configure", "list"])).await.unwrap();
        assert!(answer.stdout.contains("eu-west-1"), "{answer:?}");
        toolbox.close().await;
    });
}

fn aws_reads_its_document_from_standard_input(fixture: &Fixture) {
    let toolbox = fixture.docker(IMAGE);
    let document = Value::from_json(&json!({"RoleName": "x"}));
    let command = Command::aws_write("iam", "delete-role", document)
        .flag("--endpoint-url", "http://127.0.0.1:9");
    wait(async {
        let answer = toolbox.run(&command).await.unwrap();
        // The document was read and accepted, or there would be no connection.
        assert!(answer.stderr.contains("Could not connect to the endpoint URL"), "{answer:?}");
        let wrong = Value::from_json(&json!({"Role": "x"}));
        let answer = toolbox.run(&command.clone().with_stdin(wrong)).await.unwrap();
        assert!(answer.stderr.contains("RoleName"), "{answer:?}");
        toolbox.close().await;
    });
}

fn the_container_starts_once_and_goes_away(fixture: &Fixture) {
    let toolbox = Arc::new(fixture.docker(SCRIPTED));
    wait(async {
        let many: Vec<_> = (0..12)
            .map(|_| {
                let toolbox = Arc::clone(&toolbox);
                tokio::spawn(async move { toolbox.run(&shell("echo $HOME; pwd")).await })
            })
            .collect();
        for one in many {
            let answer = one.await.unwrap().unwrap();
            assert!(answer.stdout.starts_with("/run/lkh/home\n"), "{answer:?}");
            assert!(answer.stdout.ends_with("/manifests, a\n"), "{answer:?}");
        }
        let label = format!("label=lkh.run={}", fixture.run);
        let count = docker(&["ps", "--quiet", "--filter", &label]).unwrap();
        assert_eq!(count.lines().count(), 1);
        toolbox.close().await;
        assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]).unwrap(), "");
    });
    assert!(fixture.notices().iter().all(|notice| !notice.contains("pulling")));
}

fn secrets_are_in_no_argv_and_no_setting(fixture: &Fixture) {
    let toolbox = Arc::new(fixture.docker(SCRIPTED));
    let secret = Value::Sensitive(Box::new(Value::from("input-canary")));
    let command = shell("sleep 2; cat; echo; echo $AWS_SECRET_ACCESS_KEY").with_stdin(secret);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        toolbox.store(PrivateFile::Token, "token-canary").await.unwrap();
        let running = Arc::clone(&toolbox);
        let running = tokio::spawn(async move { running.run(&command).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut seen = docker(&["inspect", &fixture.name()]).unwrap();
        let ids = docker(&["inspect", "--format", "{{json .ExecIDs}}", &fixture.name()]).unwrap();
        let ids: Vec<String> = serde_json::from_str(&ids).unwrap();
        assert!(!ids.is_empty(), "the command is running");
        for id in ids {
            seen += &docker(&["inspect", &id]).unwrap_or_default();
        }
        for entry in fs::read_dir("/proc").unwrap() {
            let file = entry.unwrap().path().join("cmdline");
            seen += &String::from_utf8_lossy(&fs::read(file).unwrap_or_default());
        }
        assert!(seen.contains("sleep 2"), "the command line was looked at");
        for canary in ["input-canary", "env-canary", "token-canary", "AKIACANARY"] {
            assert!(!seen.contains(canary), "{canary}");
        }
        let answer = running.await.unwrap().unwrap();
        assert_eq!(answer.stdout, "input-canary\nenv-canary\n");
        toolbox.close().await;
    });
}

fn the_container_is_locked_down(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    let script = "id -u; id -g; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; \
                  touch /x 2>&1; touch \"$PWD/x\" 2>&1; touch $AWS_CONFIG_FILE.x 2>&1; \
                  ls /run/lkh/home/.aws/sso/cache; cat $AWS_CONFIG_FILE; ls /var/run/docker.sock \
                  2>&1; ls -ld /run/lkh; ps -p 1 -o comm= 2>/dev/null || cat /proc/1/comm";
    wait(async {
        let answer = toolbox.run(&shell(script)).await.unwrap();
        let text = answer.stdout;
        for part in [
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
            "a.json",
            "region = us-west-2",
            "drwx------",
            "docker-init",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(text.matches("touch: ").count(), 3, "{text}");
        assert!(text.contains("docker.sock': No such file"), "{text}");
        toolbox.close().await;
    });
}

fn exit_codes_are_the_tools_own(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        for code in [0, 1, 2, 124, 125, 126, 127, 128, 254, 255] {
            let answer = toolbox.run(&helm(&["exit", &code.to_string()])).await.unwrap();
            assert_eq!(answer.code, code);
            assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("out\n", "err\n"));
        }
        // A shell can't tell these from signals; the outcome is unknown then,
        // and the engine is not blamed.
        for (code, signal) in [(130, 2), (137, 9), (143, 15)] {
            let error = toolbox.run(&helm(&["exit", &code.to_string()])).await;
            assert_eq!(error, Err(ExecError::Killed { signal }));
        }
        let killed = toolbox.run(&shell("kill -9 $$")).await;
        assert_eq!(killed, Err(ExecError::Killed { signal: 9 }));
        assert_eq!(fixture.notices(), Vec::<String>::new(), "no memory ran out");
        let missing = toolbox.run(&Command::read(Tool::Kubectl, &["get"])).await;
        assert_eq!(missing, Err(ExecError::ToolMissing { tool: Tool::Kubectl }));
        toolbox.close().await;
    });
}

fn the_deadline_is_kept_inside(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    let second = Duration::from_secs(1);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        for word in ["sleep", "polite"] {
            let began = Instant::now();
            let error = toolbox.run(&helm(&[word]).with_timeout(second)).await.unwrap_err();
            assert_eq!(error, ExecError::TimedOut { after: second }, "{word}");
            assert!(began.elapsed() < Duration::from_secs(10), "{word}");
        }
        let left = docker(&["top", &fixture.name(), "-eo", "pid,args"]).unwrap();
        assert!(!left.contains("sleep 300"), "{left}");
        toolbox.close().await;
    });
}

fn endless_output_ends_the_tool_too(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        let error = toolbox.run(&helm(&["yes"])).await.unwrap_err();
        assert_eq!(error, ExecError::TooMuchOutput { limit: OUTPUT_LIMIT });
        let left = docker(&["top", &fixture.name(), "-eo", "pid,args"]).unwrap();
        assert!(!left.contains("yes"), "{left}");
        toolbox.close().await;
    });
}

fn much_input_and_output_pass_through(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    let text = "0123456789".repeat(400_000);
    wait(async {
        let command = helm(&["cat"]).with_stdin(Value::from(text.clone()));
        assert!(toolbox.run(&command).await.unwrap().stdout == text);
        // Without a document there is nothing to read, and no wait for it.
        assert_eq!(toolbox.run(&helm(&["cat"])).await.unwrap().stdout, "");
        toolbox.close().await;
    });
}

fn private_files_are_stored_privately(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        let before = toolbox.run(&shell("cat $KUBECONFIG")).await.unwrap();
        assert!(before.stdout.contains("kind: Config"), "{before:?}");
        toolbox.store(PrivateFile::Kubeconfig, "{}").await.unwrap();
        let script = "cat $KUBECONFIG; ls -l $KUBECONFIG";
        let answer = toolbox.run(&shell(script)).await.unwrap();
        assert!(answer.stdout.starts_with("{}-rw-------"), "{answer:?}");
        toolbox.close().await;
    });
}

fn what_a_dead_run_left_is_removed(fixture: &Fixture) {
    let orphan = format!("{}-orphan", fixture.name());
    let foreign = format!("{}-foreign", fixture.name());
    let labels = labels_of_the_dead();
    for (name, boot) in [(&orphan, labels[0].as_str()), (&foreign, "lkh.boot=another")] {
        let mut args = vec!["run", "--detach", "--name", name, "--label", "lkh.run=x"];
        for label in std::iter::once(boot).chain(labels[1..].iter().map(String::as_str)) {
            args.extend(["--label", label]);
        }
        args.extend(["--entrypoint", "sleep", IMAGE, "600"]);
        leave(name, &args);
    }
    let toolbox = fixture.docker(SCRIPTED);
    let second = Docker::new(
        Surroundings { run: format!("{}-b", fixture.run), ..fixture.surroundings(SCRIPTED) },
        Arc::new(|_| {}),
    )
    .unwrap();
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        second.run(&shell("true")).await.unwrap();
        assert!(toolbox.run(&shell("true")).await.is_ok(), "the living keep theirs");
        toolbox.close().await;
        second.close().await;
    });
    let foreign_lives = docker(&["inspect", &foreign]).is_ok();
    docker(&["rm", "--force", &foreign]).unwrap();
    assert!(foreign_lives, "nothing is known of another host's processes");
    assert!(docker(&["inspect", &orphan]).is_err());
    // Another case's toolbox may have come first.
    let notices = fixture.notices();
    assert!(notices.iter().all(|notice| notice.contains("left by a run that died")), "{notices:?}");
}

fn a_removed_container_is_told(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        // While a tool runs its outcome is unknown; after that nothing ran.
        let sleep = shell("sleep 60");
        let (during, ()) = tokio::join!(toolbox.run(&sleep), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            docker(&["rm", "--force", &fixture.name()]).unwrap();
        });
        assert_eq!(during, Err(ExecError::Killed { signal: 9 }));
        let error = toolbox.run(&shell("true")).await.unwrap_err();
        assert!(matches!(error, ExecError::Docker { .. }), "{error}");
        assert!(error.to_string().contains("was removed or stopped"), "{error}");
        toolbox.close().await;
    });
}

fn memory_that_runs_out_is_told(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        let limits = ["update", "--memory", "32m", "--memory-swap", "32m"];
        docker(&[&limits[..], &[fixture.name().as_str()]].concat()).unwrap();
        let eat = "exec python3 -c 'x = bytearray(200 << 20); print(len(x))'";
        let error = toolbox.run(&shell(eat)).await;
        assert_eq!(error, Err(ExecError::Killed { signal: 9 }));
        assert!(fixture.notices().iter().any(|notice| notice.contains("memory")));
        toolbox.close().await;
    });
}

const EAT: &str = "python3 -c 'x = bytearray(200 << 20); print(len(x))'";

fn limit_memory(fixture: &Fixture) {
    let limits = ["update", "--memory", "32m", "--memory-swap", "32m"];
    docker(&[&limits[..], &[fixture.name().as_str()]].concat()).unwrap();
}

fn memory_that_runs_out_beside_the_tool_is_told(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        limit_memory(fixture);
        // The child is killed, and the tool says that all is well.
        for end in ["exit 0", "echo done", "exit 3"] {
            let error = toolbox.run(&shell(&format!("{EAT}; {end}"))).await;
            assert_eq!(error, Err(ExecError::Killed { signal: 9 }), "{end}");
        }
        assert_eq!(fixture.notices().len(), 3, "{:?}", fixture.notices());
        // What was killed before is not blamed on what comes after.
        let answer = toolbox.run(&shell("echo fine")).await.unwrap();
        assert_eq!((answer.code, answer.stdout.as_str()), (0, "fine\n"));
        let killed = toolbox.run(&shell("kill -9 $$")).await;
        assert_eq!(killed, Err(ExecError::Killed { signal: 9 }));
        assert_eq!(fixture.notices().len(), 3);
        toolbox.close().await;
    });
}

/// The container itself is ended, and with it the shell that would tell.
fn a_container_ended_for_want_of_memory_is_told(fixture: &Fixture) {
    let toolbox = fixture.scripted_client(
        "exec) exit 137 ;;\ninspect) [ \"$3\" = '{{.State.OOMKilled}}' ] && echo true ;;\n",
    );
    assert_eq!(wait(toolbox.run(&shell("true"))), Err(ExecError::Killed { signal: 9 }));
    let told = |notice: &String| notice.contains("memory");
    assert_eq!(fixture.notices().iter().filter(|notice| told(notice)).count(), 1);
    wait(toolbox.close());
}

/// The process ids of the docker clients that run a command in the fixture's
/// container.
fn clients(fixture: &Fixture, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read(path.join("cmdline")).unwrap_or_default();
        let words: Vec<_> = text.split(|&byte| byte == 0).collect();
        let has = |wanted: &str| words.contains(&wanted.as_bytes());
        if has("exec") && has(&fixture.name()) && has(word) {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

fn a_killed_client_leaves_no_command_running(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        toolbox.run(&shell("true")).await.unwrap();
        let sleep = helm(&["sleep"]);
        let (killed, ()) = tokio::join!(toolbox.run(&sleep), async {
            for _ in 0..200 {
                let running = docker(&["top", &fixture.name(), "-eo", "pid,args"]).unwrap();
                if running.contains("sleep 300") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let clients = clients(fixture, "sleep");
            assert!(!clients.is_empty(), "the client was found");
            for pid in clients {
                Process::new("kill").args(["-9", &pid]).status().unwrap();
            }
        });
        assert_eq!(killed, Err(ExecError::Killed { signal: 9 }));
        let left = docker(&["top", &fixture.name(), "-eo", "pid,args"]).unwrap();
        assert!(!left.contains("sleep 300"), "{left}");
        toolbox.close().await;
    });
}

fn a_part_of_a_document_reaches_no_tool(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    let marker = "/tmp/it-ran";
    let command = shell(&format!("touch {marker}; cat")).with_stdin(Value::from("x".repeat(64)));
    wait(async {
        toolbox.run(&command).await.unwrap();
        let seen = toolbox.run(&shell(&format!("ls {marker} && rm {marker}"))).await.unwrap();
        assert!(seen.succeeded(), "{seen:?}");
        // The client dies before all of it is there.
        let script = script_of_a_command_with_input(fixture, &toolbox).await;
        let mut args = vec!["exec", "--interactive"];
        let name = fixture.name();
        args.extend([name.as_str(), "sh", "-c", &script, "lkh", "t0k", "10", "64", "helm", "sh"]);
        let touch = format!("touch {marker}");
        args.push(&touch);
        let mut child =
            Process::new("docker").args(&args).stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), &[b'x'; 63]).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let seen = toolbox.run(&shell(&format!("ls {marker}"))).await.unwrap();
        assert!(!seen.succeeded(), "{seen:?}");
        toolbox.close().await;
    });
}

/// What a client is told to run for a command with a document.
async fn script_of_a_command_with_input(fixture: &Fixture, toolbox: &Docker) -> String {
    let sleep = shell("cat; sleep 1").with_stdin(Value::from("x"));
    let (answer, script) = tokio::join!(toolbox.run(&sleep), async {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(pid) = clients(fixture, "cat; sleep 1").first() {
                let argv = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let argv = String::from_utf8(argv).unwrap();
                let mut words = argv.split('\0').skip_while(|&word| word != "-c");
                if let Some(script) = words.nth(1) {
                    return script.to_owned();
                }
            }
        }
        panic!("no client was seen");
    });
    assert!(answer.unwrap().succeeded());
    script
}

/// The labels by which a container belongs to a process of this user's that
/// has ended.
fn labels_of_the_dead() -> Vec<String> {
    let mut dead = Process::new("true").spawn().unwrap();
    let pid = dead.id();
    dead.wait().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = fs::read_link("/proc/self/ns/pid").unwrap();
    let owner = fs::metadata("/proc/self").unwrap();
    vec![
        format!("lkh.boot={}", boot.trim()),
        format!("lkh.pidns={}", space.display()),
        format!("lkh.uid={}", std::os::unix::fs::MetadataExt::uid(&owner)),
        format!("lkh.pid={pid}"),
        "lkh.started=5".to_owned(),
    ]
}

/// Starts a container that belongs to nobody alive. Another case's toolbox may
/// remove it between its making and its start.
fn leave(name: &str, args: &[&str]) {
    for _ in 0..20 {
        if docker(args).is_ok() {
            return;
        }
        let _ = docker(&["rm", "--force", name]);
    }
    panic!("{name} could not be started");
}

fn the_command_of_a_dead_run_ends_before_the_next(fixture: &Fixture) {
    // It writes down that it lives, where the next run's first command looks.
    let manifests = fixture.surroundings(SCRIPTED).manifests;
    let mount = format!("type=bind,\"source={0}\",\"target={0}\"", manifests.display());
    let orphan = format!("{}-orphan", fixture.name());
    let beats = "while :; do date +%s%N >\"$0/beat\"; sleep 0.05; done";
    let mut args = vec!["run".to_owned(), "--detach".into(), "--name".into(), orphan.clone()];
    args.extend(["--label".into(), "lkh.run=x".into(), "--mount".into(), mount]);
    for label in labels_of_the_dead() {
        args.extend(["--label".into(), label]);
    }
    args.extend(["--entrypoint", "sh", IMAGE, "-c", beats].map(str::to_owned));
    args.push(manifests.display().to_string());
    // Another case's toolbox may find it first, even before it has begun.
    fs::write(manifests.join("beat"), "0").unwrap();
    leave(&orphan, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let toolbox = fixture.docker(SCRIPTED);
    wait(async {
        let answer = toolbox.run(&shell("cat beat; sleep 1; echo; cat beat")).await.unwrap();
        let beats: Vec<_> = answer.stdout.split_whitespace().collect();
        assert_eq!(beats.len(), 2, "{answer:?}");
        assert_eq!(beats[0], beats[1], "it still runs");
        toolbox.close().await;
    });
    assert!(docker(&["inspect", &orphan]).is_err());
}

/// A client that knows of a container of a dead run and can't remove it.
fn an_orphan_that_stays_is_told(fixture: &Fixture) {
    let labels = labels_of_the_dead();
    let columns: Vec<_> = labels.iter().map(|label| label.split_once('=').unwrap().1).collect();
    let ran = fixture.folder.path().join("ran");
    let toolbox = fixture.scripted_client(&format!(
        "ps) printf 'c0ffee\\trunning\\tlkh-dead\\t{}\\n' ;;\n\
         rm) if [ \"$4\" = c0ffee ]; then echo 'Error response from daemon: device busy' >&2; \
         exit 1; fi ;;\ninspect) echo c0ffee ;;\nexec) echo ran >>'{}' ;;\n",
        columns.join("\\t"),
        ran.display()
    ));
    let error = wait(toolbox.run(&shell("true"))).unwrap_err();
    assert!(matches!(error, ExecError::Docker { .. }), "{error}");
    for part in ["may still run", "device busy", "docker rm --force lkh-dead"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!ran.exists(), "a command ran beside it");
    wait(toolbox.close());
}

fn a_dropped_executor_removes_its_container(fixture: &Fixture) {
    let toolbox = fixture.docker(SCRIPTED);
    wait(async { toolbox.run(&shell("true")).await.unwrap() });
    drop(toolbox);
    for _ in 0..100 {
        if docker(&["inspect", &fixture.name()]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the container is still there");
}

fn a_missing_client_is_told(fixture: &Fixture) {
    let mut surroundings = fixture.surroundings(IMAGE);
    surroundings.environment[0].1 = "/nonexistent".into();
    let error = Docker::new(surroundings, Arc::new(|_| {})).unwrap_err();
    assert!(error.to_string().contains("--exec local"), "{error}");
}

fn an_engine_that_does_not_answer_is_told(fixture: &Fixture) {
    let mut surroundings = fixture.surroundings(IMAGE);
    let host = surroundings.environment.iter_mut().find(|(name, _)| name == "DOCKER_HOST");
    host.unwrap().1 = "unix:///nonexistent/docker.sock".into();
    let toolbox = Docker::new(surroundings, Arc::new(|_| {})).unwrap();
    let error = wait(toolbox.run(&shell("true"))).unwrap_err();
    assert!(error.to_string().contains("start Docker, or use --exec local"), "{error}");
    wait(toolbox.close());
}

fn a_missing_image_is_told(fixture: &Fixture) {
    let image = "127.0.0.1:1/nosuch:1";
    let toolbox = fixture.docker(image);
    let error = wait(toolbox.run(&shell("true"))).unwrap_err();
    assert!(error.to_string().contains("can't be pulled"), "{error}");
    assert!(error.to_string().contains(image), "{error}");
    wait(toolbox.close());
    assert_eq!(fixture.notices().len(), 1);
}
