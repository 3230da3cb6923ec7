//! What the real tools talk to, all on loopback: the AWS emulator (one for all
//! cases, an account each), a chart registry with a login, a chart repository.
//! And the AWS CLI kept loaded, which cases share, too.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::tools::Tools;
use crate::warm_aws::WarmAws;

/// After this time what a case waits for is taken never to come. How long it takes
/// depends on what else the machine does, so it is no measure of anything.
pub const HANGS: Duration = Duration::from_secs(280);

/// The region of all real cases.
pub const REGION: &str = "us-east-2";
/// The VPC of every cluster of the emulator.
const VPC: &str = "vpc-00000000";

/// The servers that cases share; each starts when it is first needed.
pub struct Servers {
    tools: Arc<Tools>,
    aws: Mutex<Option<Server>>,
    warm: Mutex<Option<WarmAws>>,
    accounts: AtomicU64,
}

impl Servers {
    /// None yet.
    pub fn new(tools: Arc<Tools>) -> Self {
        Self { tools, aws: Mutex::default(), warm: Mutex::default(), accounts: AtomicU64::new(1) }
    }

    /// A new, empty AWS account.
    pub fn account(&self) -> Account {
        let mut aws = self.aws.lock().unwrap();
        let server = aws.get_or_insert_with(|| {
            // Its own Python, with a script that puts right what it forgets.
            let program = self.tools.program("ministack").canonicalize().unwrap();
            Server::start(
                &program.with_file_name("python"),
                "/_ministack/health",
                |command, port, _| {
                    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                    command.arg(root.join("tests/contract/emulator.py"));
                    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
                },
            )
        });
        let number = self.accounts.fetch_add(1, Ordering::Relaxed);
        Account { id: (200_000_000_000 + number).to_string(), port: server.port }
    }

    /// The words that `aws` is started with: what stands for the AWS CLI that
    /// is kept loaded, or the program where every call is to be a process of
    /// its own.
    pub fn aws(&self) -> Vec<OsString> {
        let program = self.tools.program("aws");
        let mut warm = self.warm.lock().unwrap();
        let cold = std::env::var_os("LKH_COLD_AWS").is_some_and(|value| !value.is_empty());
        if warm.is_none() && !cold {
            *warm = WarmAws::start(&program);
        }
        warm.as_ref().map_or_else(|| vec![program.into()], WarmAws::words)
    }

    /// Ends what was started.
    pub fn stop(&self) {
        self.warm.lock().unwrap().take();
        self.aws.lock().unwrap().take();
    }
}

/// A program that serves on a port of loopback, until it is dropped.
pub struct Server {
    child: Child,
    /// Its port.
    pub port: u16,
    // Holds its files.
    _folder: TempDir,
}

impl Server {
    /// Starts a program and waits until it answers.
    pub fn start(
        program: &Path,
        path: &str,
        prepare: impl FnOnce(&mut Command, u16, &Path),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = folder.path().join("log");
        // The shell ends the server when its own standard input ends: also
        // when this process is killed.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "\"$@\" & server=$!; cat >/dev/null; kill $server; wait", "sh"]);
        command.arg(program).env_clear().env("HOME", folder.path()).env("PATH", "/usr/bin:/bin");
        prepare(&mut command, port, folder.path());
        let output = std::fs::File::create(&log).unwrap();
        command.stdin(Stdio::piped()).stderr(output.try_clone().unwrap()).stdout(output);
        let child = command.spawn().unwrap();
        let server = Self { child, port, _folder: folder };
        let start = Instant::now();
        while request(port, "GET", path, &[], "").is_none() {
            let text = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(start.elapsed() < HANGS, "{}: {}", program.display(), text());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// One request; its status and body, if anything answers.
pub fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    lines.sort();
    let headers = lines.concat();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

/// An account of the AWS emulator.
pub struct Account {
    /// Its twelve digits.
    pub id: String,
    port: u16,
}

impl Account {
    /// What leads the AWS CLI to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            // The emulator takes twelve digits for the account.
            ("AWS_ACCESS_KEY_ID", self.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", "aws-canary-secret".to_owned()),
        ]
    }

    /// Makes a cluster, and two subnets in its VPC.
    pub fn prepare_cluster(&self, name: &str) {
        let cluster = json!({
            "name": name,
            "version": "1.34",
            "roleArn": format!("arn:aws:iam::{}:role/cluster", self.id),
            "resourcesVpcConfig": {"subnetIds": []},
        });
        self.call("eks", "/clusters", "application/json", &cluster.to_string());
        for number in 1..=2 {
            let form = format!(
                "Action=CreateSubnet&Version=2016-11-15&VpcId={VPC}&CidrBlock=10.0.{number}.0/24"
            );
            self.call("ec2", "/", "application/x-www-form-urlencoded", &form);
        }
    }

    fn call(&self, service: &str, path: &str, content: &str, body: &str) {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20300101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0",
            self.id
        );
        let headers = [("Authorization", scope.as_str()), ("Content-Type", content)];
        let answer = request(self.port, "POST", path, &headers, body);
        assert!(matches!(answer, Some((200..=299, _))), "{service} {body}: {answer:?}");
    }
}

/// The user of the chart registry.
pub const REGISTRY_USER: &str = "reader";
/// And the password, which must show up nowhere.
pub const REGISTRY_PASSWORD: &str = "registry-canary-password";
/// Its bcrypt hash.
const REGISTRY_HASH: &str = "$2b$06$abcdefghijklmnopqrstuuu3buoumDm0sntm.3SOt4IjTZQwHXoIG";

/// Starts a registry that answers nobody without a login.
pub fn registry(tools: &Tools) -> Server {
    Server::start(&tools.program("docker-registry"), "/v2/", |command, port, folder| {
        std::fs::write(folder.join("users"), format!("{REGISTRY_USER}:{REGISTRY_HASH}\n")).unwrap();
        let config = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("data")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
            "auth": {"htpasswd": {"realm": "charts", "path": folder.join("users")}},
        });
        std::fs::write(folder.join("config.yml"), config.to_string()).unwrap();
        command.arg("serve").arg(folder.join("config.yml"));
    })
}

/// Serves the files of a folder over HTTP for as long as the process lives.
pub fn serve_files(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve_file(stream, &folder);
        }
    });
    port
}

fn serve_file(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let name = first.split(' ').nth(1).unwrap_or("").trim_start_matches('/').to_owned();
    let (status, body) = match std::fs::read(folder.join(&name)) {
        Ok(body) if !name.contains("..") => ("200 OK", body),
        _ => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}
