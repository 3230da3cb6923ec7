//! Real processes that want the same stack at the same time: never two hold
//! it, the loser says who does, a dead holder is followed, and one that was
//! taken for dead is shut out.
//!
//! On a local state the tools are the sandbox's. On a state in S3 they are the
//! real `aws`, kept loaded, and an emulator, which `tests/tools/install` brings;
//! without them these cases are reported as skipped, and with the variable CI set they
//! fail. `LKH_ROUNDS` sets how often two processes race (200 on a local state;
//! 12 in S3, where a round is about ten calls of `aws`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a case that does not hold ends with a panic"
)]

#[allow(dead_code, reason = "the contract suite uses the rest")]
#[path = "contract/servers.rs"]
mod servers;
#[path = "support/warm_aws.rs"]
mod warm_aws;
mod tools {
    //! Where `tests/tools/install` puts the real tools.

    use std::path::{Path, PathBuf};

    /// The folder of the tools.
    pub struct Tools {
        folder: PathBuf,
    }

    impl Tools {
        /// The tools of `tests/run`, or those of the work tree.
        pub fn find() -> Self {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let folder = std::env::var_os("LKH_TEST_TOOLS")
                .filter(|value| !value.is_empty())
                .map_or_else(|| root.join("target/tools"), PathBuf::from);
            Self { folder: folder.join("bin") }
        }

        /// A program's file.
        pub fn program(&self, name: &str) -> PathBuf {
            self.folder.join(name)
        }

        /// Why the real tools can't be used.
        pub fn missing(&self) -> Option<String> {
            let missing = ["aws", "ministack"].iter().find(|tool| !self.program(tool).is_file())?;
            Some(format!("no {missing} in {}: run tests/tools/install", self.folder.display()))
        }
    }
}

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use servers::{Account, REGION, Servers, request};
use tools::Tools;

/// What must hold of a stack with its state in S3.
type Case = fn(&InS3);

fn main() {
    warm_aws::act();
    let arguments = Arguments::from_args();
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let tools = Arc::new(Tools::find());
    let servers = Arc::new(Servers::new(Arc::clone(&tools)));
    let mut trials = vec![
        Trial::test("local::two_processes_race", || done(local_race)),
        Trial::test("local::a_killed_holder_is_followed", || done(local_kill)),
    ];
    let in_s3: [(&str, Case); 4] = [
        ("s3::two_processes_race", s3_race),
        ("s3::a_killed_holder_is_followed", s3_kill),
        ("s3::a_holder_paused_before_its_first_write_is_shut_out", s3_pause_early),
        ("s3::a_holder_paused_between_two_commands_is_shut_out", s3_pause_late),
    ];
    for (name, case) in in_s3 {
        let (tools, servers) = (Arc::clone(&tools), Arc::clone(&servers));
        trials.push(Trial::ignorable_test(name, move || match tools.missing() {
            Some(why) if strict => Err(Failed::from(format!("nothing is skipped in CI: {why}"))),
            Some(why) => Ok(Completion::ignored_with(why)),
            None => {
                case(&InS3::new(&servers));
                Ok(Completion::Completed)
            }
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    servers.stop();
    conclusion.exit();
}

#[expect(clippy::unnecessary_wraps, reason = "what a trial returns")]
fn done(case: fn()) -> Result<(), Failed> {
    case();
    Ok(())
}

fn rounds(default: usize) -> usize {
    let set = std::env::var("LKH_ROUNDS").ok();
    set.map_or(default, |text| text.parse().expect("LKH_ROUNDS is a number"))
}

/// A directory with manifests, and what `lkh` is run with in it.
struct Place {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    fn new(environment: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        fs::create_dir_all(folder.path().join("tmp")).unwrap();
        Self { folder, environment }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, command: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_lkh"))
            .args(command.split_whitespace())
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("USER", "racer")
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, command: &str) -> Output {
        self.start(command).wait_with_output().unwrap()
    }

    /// Runs a command that must end well; what it printed.
    #[track_caller]
    fn good(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "lkh {command}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The lines of the apply log, which must be whole.
    #[track_caller]
    fn log(&self) -> Vec<Json> {
        self.good("log verify");
        serde_json::from_str(&self.good("log --json")).unwrap()
    }
}

/// What a process said on standard error, and its exit code.
fn told(output: &Output) -> String {
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Insists that no run was at work within another's: between a run's first and
/// last line stand its own lines alone. A run that was killed has no last line.
fn one_after_the_other(log: &[Json]) -> usize {
    let mut open: Option<String> = None;
    let mut runs = 0;
    for entry in log {
        let run = entry["run"].as_str().map(str::to_owned);
        match entry["event"].as_str().unwrap() {
            "runStarted" => {
                assert_eq!(open, None, "a run began within another: {entry}");
                open = run;
                runs += 1;
            }
            "runEnded" => {
                assert_eq!(open, run, "a run ended that was not at work: {entry}");
                open = None;
            }
            _ => {}
        }
    }
    assert_eq!(open, None, "the last run did not end");
    runs
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A stack on the sandbox, applied once.
fn local() -> Place {
    let place = Place::new(Vec::new());
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
    copy(&stack, &place.path("manifests"));
    place.good("apply --auto-approve");
    place
}

fn local_race() {
    let place = local();
    let (rounds, mut won, mut lost) = (rounds(200), 1, 0);
    for round in 0..rounds {
        // There is something to do in every round.
        let command = format!("apply --auto-approve --var replicas={}", 1 + round % 2);
        let racers = [place.start(&command), place.start(&command)];
        let ids = racers.each_ref().map(Child::id);
        let outputs = racers.map(|racer| racer.wait_with_output().unwrap());
        for (output, other) in outputs.iter().zip([ids[1], ids[0]]) {
            if output.status.success() {
                won += 1;
                continue;
            }
            lost += 1;
            let told = told(output);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains("error: the stack is locked: `lkh apply` of racer"), "{told}");
            assert!(told.contains(&format!("(process {other})")), "{told}");
        }
        assert!(outputs.iter().any(|output| output.status.success()), "nobody won");
    }
    assert_eq!(one_after_the_other(&place.log()), won);
    assert_eq!(won + lost, 1 + 2 * rounds);
    assert!(lost > 0, "nobody ever met another");
    let _ = writeln!(std::io::stderr(), "{rounds} rounds: {lost} processes found the lock held");
}

fn local_kill() {
    let place = local();
    for attempt in 0..100 {
        let mut holder =
            place.start(&format!("apply --auto-approve --var replicas={}", 1 + attempt % 2));
        let pid = holder.id();
        let has_lock = || {
            let text = fs::read_to_string(place.path("state/sandbox/small.lock"));
            let lock: Option<Json> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
            lock.is_some_and(|lock| lock["pid"] == pid)
        };
        while !has_lock() && holder.try_wait().unwrap().is_none() {}
        // It may have come to its end meanwhile; then another one is tried.
        holder.kill().unwrap();
        if holder.wait().unwrap().success() || !has_lock() {
            continue;
        }
        let next = place.run("apply --auto-approve");
        let told = told(&next);
        assert!(next.status.success(), "{told}");
        assert!(told.contains("note: took over the lock of `lkh apply` of racer"), "{told}");
        assert!(
            told.contains(&format!("its process {pid} ended without giving it back")),
            "{told}"
        );
        let again = place.run("apply --auto-approve");
        assert!(!String::from_utf8_lossy(&again.stderr).contains("took over"));
        place.log();
        return;
    }
    panic!("no holder could be killed");
}

/// A stack with its state in S3, on the real `aws`.
struct InS3 {
    place: Place,
    account: Account,
    port: u16,
    bucket: String,
}

const STACK: &str = "\
apiVersion: lkh/v1
kind: Stack
metadata: {name: race}
spec:
  toolbox: {exec: local}
  state: {s3: {bucket: BUCKET, prefix: team}}
---
apiVersion: lkh/v1
kind: IamRole
metadata: {name: node}
spec:
  roleName: RaceRole
  trustPolicy:
    Version: \"2012-10-17\"
    Statement:
      - Effect: Allow
        Principal: {Service: ec2.amazonaws.com}
        Action: sts:AssumeRole
  managedPolicies:
    - arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy
    - arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy
";

impl InS3 {
    fn new(servers: &Servers) -> Self {
        let account = servers.account();
        let environment: Vec<_> = account
            .environment()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let url = environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap();
        let port = url.1.rsplit(':').next().unwrap().parse().unwrap();
        let mut place = Place::new(environment);
        let bin = place.path("bin");
        fs::create_dir(&bin).unwrap();
        let script = format!("#!/bin/sh\nexec {} \"$@\"\n", warm_aws::quoted(&servers.aws()));
        fs::write(bin.join("aws"), script).unwrap();
        fs::set_permissions(bin.join("aws"), fs::Permissions::from_mode(0o755)).unwrap();
        place.environment.push(("PATH".into(), format!("{}:/usr/bin:/bin", bin.display())));
        fs::create_dir(place.path("manifests")).unwrap();
        // All accounts share the names of buckets.
        let bucket = format!("race-{}", account.id);
        fs::write(place.path("manifests/stack.yaml"), STACK.replace("BUCKET", &bucket)).unwrap();
        let this = Self { place, account, port, bucket };
        let region = format!(
            "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>\
             </CreateBucketConfiguration>"
        );
        this.ask("PUT", "", &region).expect("a bucket");
        let versioned = "<VersioningConfiguration><Status>Enabled</Status>\
                         </VersioningConfiguration>";
        this.ask("PUT", "?versioning", versioned).expect("versions");
        this
    }

    /// Asks S3 directly, past `lkh`; the body of a good answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20300101/{REGION}/s3/aws4_request, \
             SignedHeaders=host, Signature=0",
            self.account.id
        );
        let path = format!("/{}{path}", self.bucket);
        let headers = [("Authorization", scope.as_str())];
        let (status, text) = request(self.port, method, &path, &headers, body)?;
        (200..=299).contains(&status).then_some(text)
    }

    fn object(&self, name: &str) -> Option<String> {
        self.ask("GET", &format!("/team/race/{name}"), "")
    }

    /// The run that holds the lock, with its process.
    fn holder(&self) -> Option<(String, u64)> {
        let lock: Json = serde_json::from_str(&self.object("lock.json")?).unwrap();
        let info = &lock["holder"]["info"];
        Some((info["id"].as_str()?.to_owned(), info["pid"].as_u64()?))
    }

    /// Waits until a process is so far, and stops it there.
    fn pause(&self, child: &Child, is_there: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            if let Some((run, pid)) = self.holder()
                && pid == u64::from(child.id())
                && is_there(&run)
            {
                signal(child, Signal::STOP);
                return run;
            }
            assert!(start.elapsed() < Duration::from_secs(300), "it never came so far");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that was written for the stack, but for the lock.
    fn all(&self) -> String {
        let list = self.ask("GET", "?list-type=2&prefix=team/race/", "").unwrap();
        let keys = list.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
        let mut text = String::new();
        for key in keys.filter(|key| !key.ends_with("/lock.json")) {
            let body = self.ask("GET", &format!("/{key}"), "").unwrap();
            text.extend([key, "\n", &body, "\n"]);
        }
        text
    }

    /// Who held the lock, one after the other, by all versions of its object.
    fn history(&self) -> Vec<Option<String>> {
        let list = self.ask("GET", "?versions&prefix=team/race/lock.json", "").unwrap();
        let mut versions: Vec<_> =
            list.split("<VersionId>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        // The newest comes first.
        versions.reverse();
        versions
            .into_iter()
            .map(|version| {
                let path = format!("/team/race/lock.json?versionId={version}");
                let lock: Json =
                    serde_json::from_str(&self.ask("GET", &path, "").unwrap()).unwrap();
                lock["holder"]["info"]["id"].as_str().map(str::to_owned)
            })
            .collect()
    }
}

fn s3_race(s3: &InS3) {
    s3.place.good("apply --auto-approve");
    let (rounds, mut lost, mut moved) = (rounds(12), 0, 0);
    let start = Instant::now();
    let mut names = ["IamRole.node", "IamRole.other"];
    for round in 0..rounds {
        // Mostly what only takes the lock: it is the race that counts.
        let moves = round % 4 == 0;
        let command = if moves {
            format!("state mv {} {}", names[0], names[1])
        } else {
            "state rm IamRole.nowhere".to_owned()
        };
        let racers = [s3.place.start(&command), s3.place.start(&command)];
        let ids = racers.each_ref().map(Child::id);
        let outputs = racers.map(|racer| racer.wait_with_output().unwrap());
        let mut winners = 0;
        for (output, other) in outputs.iter().zip([ids[1], ids[0]]) {
            let told = told(output);
            if told.contains("error: the stack is locked by run") {
                lost += 1;
                assert_eq!(output.status.code(), Some(1), "{told}");
                assert!(told.contains(&format!("(process {other})")), "{told}");
                assert!(told.contains("lkh unlock "), "{told}");
            } else {
                // It held the lock; there may have been nothing to do any more.
                winners += 1;
                let nothing = told.contains("is not in the state");
                assert!(output.status.success() || nothing, "{told}");
                moved += usize::from(output.status.success());
            }
        }
        assert!(winners > 0, "nobody won");
        if moves {
            names.reverse();
        }
    }
    let log = s3.place.log();
    assert_eq!(log.iter().filter(|entry| entry["event"] == "moved").count(), moved);
    assert_eq!(moved, rounds.div_ceil(4), "one of the two moves it, and no other");
    one_after_the_other(&log);
    for pair in s3.history().windows(2) {
        assert!(pair[0].is_none() || pair[1].is_none(), "from holder to holder: {pair:?}");
    }
    assert!(lost > 0, "nobody ever met another");
    let _ = writeln!(
        std::io::stderr(),
        "{rounds} rounds in S3: {lost} processes found the lock held; {:.1} s",
        start.elapsed().as_secs_f32()
    );
}

fn s3_kill(s3: &InS3) {
    let mut holder = s3.place.start("apply --auto-approve");
    let run = s3.pause(&holder, |_| true);
    let refused = s3.place.run("apply --auto-approve");
    let told_alive = told(&refused);
    assert!(told_alive.contains(&format!("locked by run {run}")), "{told_alive}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let next = s3.place.run("apply --auto-approve");
    let told = told(&next);
    assert!(next.status.success(), "{told}");
    assert!(told.contains("note: took over the lock of `lkh apply` of racer"), "{told}");
    assert!(told.contains(&format!("its process {} ended", holder.id())), "{told}");
    assert!(s3.place.log().iter().any(|entry| entry["event"] == "fenced" && entry["run"] == *run));
    assert_eq!(s3.holder(), None);
}

fn s3_pause_early(s3: &InS3) {
    shut_out(s3, &|_| true);
}

fn s3_pause_late(s3: &InS3) {
    shut_out(s3, &|run| {
        let log = s3.object(&format!("log/{run}.jsonl"));
        log.is_some_and(|text| text.contains("\"intended\""))
    });
}

/// A holder is stopped, loses its lock, and goes on when another one is done.
fn shut_out(s3: &InS3, is_there: &dyn Fn(&str) -> bool) {
    let holder = s3.place.start("apply --auto-approve");
    let run = s3.pause(&holder, is_there);
    let freed = s3.place.good(&format!("unlock {run}"));
    assert!(freed.contains(&format!("It was taken from run {run}")), "{freed}");
    s3.place.good("apply --auto-approve");
    let before = s3.all();
    signal(&holder, Signal::CONT);
    let output = holder.wait_with_output().unwrap();
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("error: the lock of this run was taken away by racer"), "{told}");
    assert_eq!(before, s3.all(), "it wrote something after that: {told}");
    assert_eq!(s3.holder(), None);
    let log = s3.place.log();
    let fence = log.iter().position(|entry| entry["event"] == "fenced").unwrap();
    assert_eq!(log[fence]["run"], *run);
    let made = log.iter().filter(|entry| {
        entry["command"].as_str().is_some_and(|command| command.contains("create-role"))
    });
    // What a paused run had logged as its intent before it lost the lock, it
    // may still do; nothing that it had not.
    assert!(made.count() <= 2, "{log:#?}");
    s3.place.good("plan --detailed-exitcode");
}
