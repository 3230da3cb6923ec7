//! The real AWS CLI, kept loaded: a call costs a fork instead of the start of a
//! Python that first imports some seven hundred modules.
//!
//! `tests/tools/aws-warm` is the server and says what a call is given. Here it
//! is started and ended, and here is what stands for `aws` on the PATH: the test
//! program itself, which [`act`] turns into a client where its first argument
//! says so. A client hands its arguments, its environment and its standard
//! files over, waits, and ends as the call ended. It never looks at any of it.
//!
//! Whoever tests the process itself, kills it or counts what it does takes the
//! program and not this. `LKH_COLD_AWS=1` does so for all.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Signal, getpid, kill_process};
use tempfile::TempDir;

/// The first argument of a test program that is to be `aws`.
const CLIENT: &str = "--as-aws";
/// The exit code where the call could not be handed over, or nothing is heard
/// of it any more. The AWS CLI has no such code.
const LOST: i32 = 70;

/// Is `aws` where this process was started for that, and does not return then.
/// To be called before anything else.
#[expect(clippy::exit, reason = "it ends as the call did")]
pub fn act() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != CLIENT) {
        return;
    }
    let (Some(socket), Some(program)) = (args.next(), args.next()) else {
        std::process::exit(LOST);
    };
    let args: Vec<OsString> = args.collect();
    let error = match call(Path::new(&socket), &args) {
        Ok(Some(status)) => end(status),
        Ok(None) => Command::new(program).args(args).exec(),
        Err(error) => error,
    };
    let _ = writeln!(std::io::stderr(), "the warm aws: {error}");
    std::process::exit(LOST);
}

/// Hands this process over; how the call ended, or `None` where it must be one
/// of its own from the start.
fn call(socket: &Path, args: &[OsString]) -> std::io::Result<Option<ExitStatus>> {
    let mut server = UnixStream::connect(socket)?;
    let environment = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let words: Vec<_> = args.iter().cloned().chain(environment).map(OsString::into_vec).collect();
    let words = words.join(&0);
    let mut head = Vec::new();
    for number in [words.len(), args.len()] {
        head.extend(u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes());
    }
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let files = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(&server, &[IoSlice::new(&head)], &mut ancillary, SendFlags::empty())?;
    server.write_all(&words)?;
    let mut answer = [0; 5];
    server.read_exact(&mut answer)?;
    let [kind, status @ ..] = answer;
    Ok((kind == b'e').then(|| ExitStatus::from_raw(i32::from_ne_bytes(status))))
}

/// Ends as the call did.
#[expect(clippy::exit, reason = "it ends as the call did")]
fn end(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        let _ = kill_process(getpid(), signal);
    }
    std::process::exit(status.code().unwrap_or(LOST))
}

/// The server; it ends when this is dropped, and when this process ends in any
/// other way.
pub struct WarmAws {
    server: Child,
    program: PathBuf,
    folder: TempDir,
}

impl WarmAws {
    /// Starts the server of an installed `aws`; `None` where that is no script
    /// of a Python, and where the system is not Linux.
    pub fn start(program: &Path) -> Option<Self> {
        let python = python_of(program).filter(|_| cfg!(target_os = "linux"))?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Only for this user, as temporary folders are.
        let folder = tempfile::tempdir().unwrap();
        let mut server = Command::new(python)
            .arg(root.join("tests/tools/aws-warm"))
            .args([&folder.path().join("socket"), program])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "tests/tools/aws-warm did not start");
        Some(Self { server, program: program.to_owned(), folder })
    }

    /// What stands for the program: a command's words, the call's arguments
    /// follow.
    pub fn words(&self) -> Vec<OsString> {
        vec![
            std::env::current_exe().unwrap().into(),
            CLIENT.into(),
            self.folder.path().join("socket").into(),
            self.program.clone().into(),
        ]
    }
}

impl Drop for WarmAws {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

/// Words as a shell takes them for the same words.
pub fn quoted(words: &[OsString]) -> String {
    let one = |word: &OsString| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
    words.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The Python that a script is run by, as its first line says.
fn python_of(program: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    BufReader::new(std::fs::File::open(program).ok()?.take(4096))
        .read_until(b'\n', &mut line)
        .ok()?;
    let python = PathBuf::from(OsString::from_vec(line.trim_ascii().strip_prefix(b"#!")?.to_vec()));
    let name = python.file_name()?;
    (python.is_absolute() && name.as_bytes().starts_with(b"python")).then_some(python)
}
