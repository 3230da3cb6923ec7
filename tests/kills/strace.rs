//! Runs `lkh`, with a fault at one of its system calls.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that makes the faults.
#[derive(Debug, Clone)]
pub struct Strace(PathBuf);

/// A fault at a system call.
#[derive(Debug, Clone)]
pub struct Fault {
    call: String,
    /// The file of the store, `""` for its directory; all calls if there is none.
    file: Option<String>,
    inject: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none when it was killed.
    pub code: Option<i32>,
    /// What it said.
    pub said: String,
}

impl Strace {
    /// The strace of `tests/run`, or that of the work tree.
    pub fn find() -> Result<Self, String> {
        let tools =
            std::env::var_os("LKH_TEST_TOOLS").filter(|value| !value.is_empty()).map_or_else(
                || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools"),
                PathBuf::from,
            );
        let program = tools.join("bin/strace");
        let works = Command::new(&program).args(["-f", "-o", "/dev/null", "true"]).output();
        match works {
            Ok(output) if output.status.success() => Ok(Self(program)),
            Ok(output) => Err(format!(
                "strace can't trace here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
            Err(error) => {
                Err(format!("no {}: run tests/tools/install ({error})", program.display()))
            }
        }
    }
}

impl Fault {
    /// At the calls of one kind, on one file of the store or on all.
    pub fn new(call: &str, file: Option<&str>, what: &str, value: &str, when: &str) -> Self {
        Self {
            call: call.to_owned(),
            file: file.map(str::to_owned),
            inject: format!("{call}:{what}={value}:when={when}"),
        }
    }

    /// A kill at the N-th call.
    pub fn kill(call: &str, file: Option<&str>, number: usize) -> Self {
        Self::new(call, file, "signal", "SIGKILL", &number.to_string())
    }
}

/// Runs `lkh` in a directory.
pub fn lkh(root: &Path, fault: Option<(&Strace, &Fault)>, args: &[&str]) -> Ended {
    let program = env!("CARGO_BIN_EXE_lkh");
    let state = root.join("state");
    let mut command = match fault {
        None => Command::new(program),
        Some((Strace(strace), fault)) => {
            let mut command = Command::new(strace);
            command.args(["-f", "-qq", "-o", "/dev/null"]);
            command.args(["-e", &format!("trace={}", fault.call)]);
            command.args(["-e", &format!("inject={}", fault.inject)]);
            // Not with --seccomp-bpf: strace 6.1 then counts no further than to
            // the first call.
            if let Some(file) = &fault.file {
                command.arg("-P").arg(match file.as_str() {
                    "" => state.join("sandbox"),
                    file => state.join("sandbox").join(file),
                });
            }
            command.arg(program);
            command
        }
    };
    let output = command
        .args(args)
        .arg("--state-dir")
        .arg(&state)
        .current_dir(root)
        .env_clear()
        .env("HOME", root)
        .env("PATH", format!("{}:/usr/bin:/bin", root.join("bin").display()))
        .env("USER", "tester")
        .env("TOKIO_WORKER_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.code().is_some() || output.status.signal() == Some(9), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code(), said: String::from_utf8(said).unwrap() }
}
