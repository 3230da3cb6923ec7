//! The AWS CLI kept loaded and the program itself are the same to who calls
//! them: output, errors and exit codes, whatever the call, its environment and
//! its files. Nothing of a call is left when it is killed, and nothing of the
//! server when the test program is.
//!
//! Every call is made of the program, of a server that does not know it yet, and
//! of one that does. Where its client could fall back on the program, there is
//! none: so it is the server that answers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::servers::{Servers, free_port};
use crate::stacks::TRUST;
use crate::tools::Tools;
use crate::warm_aws::WarmAws;

/// What a trial does.
pub type Work = fn(&Tools, &Servers);

/// The trials.
pub const TRIALS: &[(&str, Work)] = &[
    ("warm::every_call_is_answered_alike", alike),
    ("warm::calls_at_once_keep_to_themselves", at_once),
    ("warm::a_killed_call_is_gone", killed),
    ("warm::the_server_ends_with_the_test", ends),
];

/// A stream that should end does so within this time.
const PATIENCE: Duration = crate::servers::HANGS;
/// The first argument of a test program that keeps a server until it is killed.
const HOLD: &str = "--hold-aws";

/// A call of `aws`.
struct Call<'a> {
    args: Vec<&'a OsStr>,
    /// Variables set to a value, or not set.
    environment: Vec<(&'a str, Option<String>)>,
    stdin: Input,
    /// Its exit code.
    code: i32,
    /// What it prints, to either side, in part.
    says: &'a str,
    /// Its client is to start the program.
    cold: bool,
}

#[derive(Clone, Copy)]
enum Input {
    None,
    File(&'static str),
    Pipe(&'static str),
}

/// A call with its arguments in one text.
fn call<'a>(args: &'a str, code: i32, says: &'a str) -> Call<'a> {
    let args = args.split(' ').filter(|arg| !arg.is_empty()).map(OsStr::new).collect();
    Call { args, environment: Vec::new(), stdin: Input::None, code, says, cold: false }
}

impl<'a> Call<'a> {
    fn arg(mut self, arg: &'a OsStr) -> Self {
        self.args.push(arg);
        self
    }

    fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.environment.push((name, Some(value.into())));
        self
    }

    fn without(mut self, name: &'a str) -> Self {
        self.environment.push((name, None));
        self
    }

    fn reads(mut self, stdin: Input) -> Self {
        self.stdin = stdin;
        self
    }

    /// Its client is to start the program.
    fn falls_back(mut self) -> Self {
        self.cold = true;
        self
    }
}

/// What came of a call.
#[derive(PartialEq, Eq)]
struct Outcome {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// An account, a home, and a server of the trial's own.
struct Ground {
    folder: TempDir,
    account: BTreeMap<&'static str, String>,
    program: PathBuf,
    warm: WarmAws,
}

impl Ground {
    fn new(tools: &Tools, servers: &Servers) -> Self {
        let program = tools.program("aws");
        let warm = WarmAws::start(&program).expect("the installed aws is a script of a Python");
        let account = servers.account().environment().into_iter().collect();
        let ground = Self { folder: tempfile::tempdir().unwrap(), account, program, warm };
        ground.home("home", "region = eu-west-1\noutput = json\n");
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a home with a configuration.
    fn home(&self, name: &str, config: &str) -> String {
        let home = self.path(name);
        fs::create_dir_all(home.join(".aws/cli")).unwrap();
        fs::write(home.join(".aws/config"), format!("[default]\n{config}")).unwrap();
        home.to_string_lossy().into_owned()
    }

    /// The words of a client that has nothing to fall back on.
    fn only_warm(&self) -> Vec<OsString> {
        let mut words = self.warm.words();
        words.pop();
        words.push("/nowhere/aws".into());
        words
    }

    fn command(&self, words: &[OsString]) -> Command {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .envs(&self.account)
            .env("HOME", self.path("home"))
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_MAX_ATTEMPTS", "1")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[OsString], call: &Call<'_>) -> Outcome {
        let mut command = self.command(words);
        command.args(&call.args);
        for (name, value) in &call.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        match call.stdin {
            Input::None => {}
            Input::File(text) => {
                fs::write(self.path("input"), text).unwrap();
                command.stdin(fs::File::open(self.path("input")).unwrap());
            }
            Input::Pipe(_) => {
                command.stdin(Stdio::piped());
            }
        }
        let mut child = command.spawn().unwrap();
        if let (Some(mut stdin), Input::Pipe(text)) = (child.stdin.take(), call.stdin) {
            stdin.write_all(text.as_bytes()).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            status: output.status,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Runs the program, which must do well.
    fn prepare(&self, args: &str, more: &[&str]) {
        let mut call = call(args, 0, "");
        call.args.extend(more.iter().map(OsStr::new));
        let outcome = self.run(&[self.program.clone().into()], &call);
        assert!(outcome.status.success(), "{args}: {}", outcome.stderr);
    }

    /// Makes a call in all ways.
    fn check(&self, call: &Call<'_>) {
        let args: Vec<_> = call.args.iter().map(|arg| arg.to_string_lossy()).collect();
        let told = |outcome: &Outcome| {
            let Outcome { status, stdout, stderr } = outcome;
            format!("aws {args:?}: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
        };
        let cold = self.run(&[self.program.clone().into()], call);
        assert_eq!(cold.status.code(), Some(call.code), "{}", told(&cold));
        let says = cold.stdout.contains(call.says) || cold.stderr.contains(call.says);
        assert!(says, "no {:?}: {}", call.says, told(&cold));
        let words = if call.cold { self.warm.words() } else { self.only_warm() };
        for which in ["new", "known"] {
            let warm = self.run(&words, call);
            assert!(warm == cold, "{which}: {}\ninstead of {}", told(&warm), told(&cold));
        }
        if call.cold {
            let lost = self.run(&self.only_warm(), call);
            assert!(lost.stderr.starts_with("the warm aws: "), "{}", told(&lost));
        }
    }
}

fn alike(tools: &Tools, servers: &Servers) {
    let ground = Ground::new(tools, servers);
    for name in ["Warm", "Other", "Third"] {
        let words = ["--assume-role-policy-document", TRUST, "--description", "Größe ¥"];
        ground.prepare(&format!("iam create-role --role-name {name}"), &words);
    }
    let bucket = format!("warm-{}", ground.account["AWS_ACCESS_KEY_ID"]);
    ground.prepare(&format!("s3 mb s3://{bucket}"), &[]);
    fs::write(ground.path("large"), "a line of a large object\n".repeat(40_000)).unwrap();
    ground.prepare(&format!("s3 cp large s3://{bucket}/large"), &[]);
    fs::write(ground.path("role.json"), ROLE).unwrap();
    let large = format!("s3 cp s3://{bucket}/large -");
    let upload = format!("s3 cp - s3://{bucket}/piped");
    let download = format!("s3 cp s3://{bucket}/piped -");
    let nowhere = format!("iam list-roles --endpoint-url http://127.0.0.1:{}", free_port());
    let calls = [
        call("--version", 0, "aws-cli/"),
        call("", 2, "usage:"),
        call("nonsense", 2, "Invalid choice"),
        call("iam nonsense", 2, "Invalid choice"),
        call("iam get-role", 2, "--role-name"),
        call("iam get-role --role-name Warm", 0, "\"RoleName\": \"Warm\""),
        call("iam get-role --role-name Nobody", 255, "NoSuchEntity"),
        call("iam get-role --cli-input-json file:///dev/stdin", 0, "Warm").reads(Input::File(ROLE)),
        call("iam get-role --cli-input-json file:///dev/stdin", 255, "Invalid JSON")
            .reads(Input::File("{")),
        call(&upload, 0, "").reads(Input::Pipe("a text in a pipe")),
        call(&download, 0, "a text in a pipe"),
        call("iam get-role --cli-input-json file://role.json", 0, "Warm"),
        call("iam get-role --cli-input-json file://nothing.json", 255, "nothing.json"),
        call("iam list-roles --page-size 1 --query Roles[].RoleName", 0, "Third"),
        call("iam list-roles --max-items 1 --output text", 0, "NEXTTOKEN"),
        call("iam list-roles --output table", 0, "Größe ¥"),
        call("iam tag-role --role-name Warm --tags", 0, "")
            .arg(OsStr::new("Key=größe,Value=ein Wert mit ✓")),
        call("iam get-role --role-name", 255, "").arg(OsStr::from_bytes(b"\xff\xfe")),
        call(&large, 0, "a line of a large object"),
        call("eks describe-cluster --name nothing", 255, "ResourceNotFoundException"),
        call("ec2 describe-vpcs --filters Name=vpc-id,Values=vpc-none", 0, "[]"),
        call(&nowhere, 255, "Could not connect"),
        call("sts get-caller-identity", 0, &ground.account["AWS_ACCESS_KEY_ID"]),
        call("sts get-caller-identity", 255, "credentials").without("AWS_ACCESS_KEY_ID"),
        call("sts get-caller-identity", 255, "nobody").with("AWS_PROFILE", "nobody"),
        call("configure get region", 0, "eu-west-1"),
        call("iam get-role --role-name Warm", 0, "Größe").with("LC_ALL", "C.UTF-8"),
        // Read while modules are imported, or by the interpreter: not for the server.
        call("iam get-role --role-name Warm", 0, "Gr").with("LC_ALL", "C").falls_back(),
        call("iam get-role --role-name Warm", 0, "Gr").with("PYTHONUTF8", "0").falls_back(),
        call("iam get-role --role-name Warm", 0, "Gr").with("AWS_DATA_PATH", "/tmp").falls_back(),
    ];
    for call in &calls {
        ground.check(call);
    }
    homes(&ground);
    files(&ground, &bucket);
}

/// The argument of `iam get-role`.
const ROLE: &str = r#"{"RoleName": "Warm"}"#;

/// What is read from the home directory, also what modules make paths of while
/// they are imported.
fn homes(ground: &Ground) {
    let other = ground.home("other", "region = ap-south-1\n[profile late]\nregion = sa-east-1\n");
    fs::write(ground.path("other/.aws/cli/alias"), "[toplevel]\nwho = sts get-caller-identity\n")
        .unwrap();
    let model = ground.path("other/.aws/models/lake/2020-01-01");
    fs::create_dir_all(&model).unwrap();
    fs::write(model.join("service-2.json"), MODEL).unwrap();
    // Keys that have run out, told by a process that the call starts.
    let program = ground.path("keys");
    fs::write(&program, format!("#!/bin/sh\necho '{EXPIRED}'\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let expired = format!("credential_process = {}\n", program.display());
    let expired = ground.home("expired", &expired);
    let account = &ground.account["AWS_ACCESS_KEY_ID"];
    for call in [
        call("configure get region", 0, "ap-south-1").with("HOME", &other),
        call("configure get region", 0, "eu-west-1"),
        call("configure get region", 0, "sa-east-1")
            .with("HOME", &other)
            .with("AWS_PROFILE", "late"),
        call("who", 0, account).with("HOME", &other),
        call("who", 2, "Invalid choice"),
        call("lake nonsense", 2, "measure").with("HOME", &other),
        call("lake nonsense", 2, "argument command"),
        call("sts get-caller-identity", 255, "expired")
            .with("HOME", &expired)
            .without("AWS_ACCESS_KEY_ID")
            .without("AWS_SECRET_ACCESS_KEY"),
        call("sts get-caller-identity", 0, account).without("HOME"),
    ] {
        ground.check(&call);
    }
}

const EXPIRED: &str = r#"{"Version": 1, "AccessKeyId": "old", "SecretAccessKey": "old", "SessionToken": "old", "Expiration": "2020-01-01T00:00:00Z"}"#;
/// A service that only one home knows.
const MODEL: &str = r#"{"version": "2.0", "metadata": {"apiVersion": "2020-01-01",
 "endpointPrefix": "lake", "protocol": "json", "serviceFullName": "Lake", "serviceId": "Lake",
 "signatureVersion": "v4", "uid": "lake-2020-01-01"},
 "operations": {"Measure": {"name": "Measure", "http": {"method": "POST", "requestUri": "/"}}},
 "shapes": {}}"#;

/// Files that a call makes, and an output that no one reads.
fn files(ground: &Ground, bucket: &str) {
    let mut made = Vec::new();
    for (name, words) in
        [("cold", vec![ground.program.clone().into()]), ("warm", ground.only_warm())]
    {
        let shell: Vec<OsString> =
            ["/bin/sh", "-c", "umask 037; exec \"$@\"", "sh"].map(Into::into).into();
        let args = format!("s3api get-object --bucket {bucket} --key large {name}");
        let outcome = ground.run(&[shell, words.clone()].concat(), &call(&args, 0, ""));
        assert!(outcome.status.success(), "{}", outcome.stderr);
        let file = ground.path(name);
        made.push((fs::metadata(&file).unwrap().permissions().mode(), fs::read(&file).unwrap()));

        let args = ["s3", "cp", &format!("s3://{bucket}/large"), "-"].map(str::to_owned);
        let mut child = ground.command(&words).args(args).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        made.push((output.status.into_raw().cast_unsigned(), output.stderr));
    }
    let (cold, warm) = made.split_at(2);
    assert_eq!(cold[0].0 & 0o777, 0o640);
    assert!(cold[0] == warm[0], "{:o} and {:o}", cold[0].0, warm[0].0);
    assert_eq!(cold[1], warm[1]);
}

fn at_once(tools: &Tools, servers: &Servers) {
    let ground = Ground::new(tools, servers);
    let callers: Vec<_> = (0..12)
        .map(|number| {
            let region = format!("xy-north-{number}");
            let home = ground.home(&format!("home-{number}"), &format!("region = {region}\n"));
            (home, region, servers.account().id)
        })
        .collect();
    let ground = &ground;
    std::thread::scope(|scope| {
        for (home, region, account) in &callers {
            scope.spawn(move || {
                let words = ground.only_warm();
                let outcome =
                    ground.run(&words, &call("configure get region", 0, "").with("HOME", home));
                assert_eq!(outcome.stdout.trim(), region, "{}", outcome.stderr);
                let identity = call("sts get-caller-identity --query Account --output text", 0, "")
                    .with("AWS_ACCESS_KEY_ID", account);
                let outcome = ground.run(&words, &identity);
                assert_eq!(outcome.stdout.trim(), account, "{}", outcome.stderr);
            });
        }
    });
}

/// A call that waits for an answer, and the connection that it waits on.
fn waiting(ground: &Ground, words: &[OsString]) -> (Child, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let child = ground
        .command(words)
        .args(["iam", "list-roles", "--endpoint-url", &url])
        .process_group(0)
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = [0; 4];
    stream.read_exact(&mut request).unwrap();
    assert_eq!(&request, b"POST");
    (child, stream)
}

/// Waits until the other side is gone.
fn expect_end(mut stream: TcpStream) {
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the call goes on: {error}");
    }
}

fn killed(tools: &Tools, servers: &Servers) {
    let ground = Ground::new(tools, servers);
    for words in [vec![ground.program.clone().into()], ground.only_warm()] {
        // By itself, as a limit of time does with the last signal.
        let (mut child, stream) = waiting(&ground, &words);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        expect_end(stream);
        // With its group, politely.
        let (mut child, stream) = waiting(&ground, &words);
        let group = Pid::from_raw(child.id().cast_signed()).unwrap();
        kill_process_group(group, Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        expect_end(stream);
    }
    // The server lives.
    ground.check(&call("--version", 0, "aws-cli/"));
}

/// Keeps a server until this process is killed, if it was started for that.
pub fn hold() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == HOLD) {
        let warm = WarmAws::start(Path::new(&args.next().unwrap())).unwrap();
        let socket = warm.words()[2].clone();
        let line = [socket.as_bytes(), b"\n"].concat();
        std::io::stdout().write_all(&line).unwrap();
        let _ = std::io::stdin().read(&mut [0]);
    }
}

fn ends(tools: &Tools, _: &Servers) {
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .arg(HOLD)
        .arg(tools.program("aws"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut socket = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut socket).unwrap();
    let socket = Path::new(socket.trim());
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    // Its end, and that of the fork that waits for what this call is.
    assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
    assert!(UnixStream::connect(socket).is_err(), "the server goes on");
    fs::remove_dir_all(socket.parent().unwrap()).unwrap();
}
