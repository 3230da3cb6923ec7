//! Files that nobody keeps in a repository: too large, too deep, endless, not
//! files at all, of someone else. Each is refused in words, with little memory
//! and in little time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that can't go on fails, and says why"
)]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROLE: &str = "apiVersion: lkh/v1\nkind: IamRole\nmetadata: {name: big}\nspec:\n  roleName: Big\n  \
     trustPolicy: {Version: \"2012-10-17\", Statement: []}\n";

/// A directory with the stack of the command line's tests.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
        fs::create_dir(place.path("manifests")).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("manifests/{}", path.file_name().unwrap().to_str().unwrap());
            fs::copy(&path, place.path(&name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program with 256 MB of address space: it can't even ask for more.
    fn run(&self, command: &str) -> Output {
        let script = format!("ulimit -v 262144; exec {} {command}", env!("CARGO_BIN_EXE_lkh"));
        Command::new("sh").args(["-c", &script]).current_dir(self.0.path()).output().unwrap()
    }

    /// What the program says when it fails in its own words.
    fn told(&self, command: &str) -> String {
        let output = self.run(command);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {told}");
        assert!(!told.contains("panicked"), "{told}");
        told
    }
}

#[test]
fn manifests_beyond_every_limit() {
    let place = Place::new();
    let mut lines = String::new();
    for line in 0..5_000 {
        writeln!(lines, "---\napiVersion: lkh/v1\nkind: Role{line}").unwrap();
    }
    for (text, expected) in [
        (format!("{ROLE}  deep: {}\n", "[".repeat(100_000)), "nested more than 64 deep"),
        (format!("{ROLE}  deep: {}\n", "{a: ".repeat(100_000)), "nested more than 64 deep"),
        (format!("{ROLE}  deep:\n    {}x\n", "- ".repeat(100_000)), "nested more than 64 deep"),
        (format!("{ROLE}  many: [{}0]\n", "0,".repeat(1_000_000)), "more than 500000 nodes"),
        (format!("{ROLE}  tags: {{{}z: 0}}\n", "a: 0,".repeat(200_000)), "more than 100 errors"),
        (format!("{ROLE}  description: {}\n", "x".repeat(4_000_000)), "4000000 characters"),
        (lines, "more errors are not listed"),
    ] {
        fs::write(place.path("manifests/big.yaml"), text).unwrap();
        let told = place.told("validate");
        assert!(told.contains(expected), "{expected}: {}", told.get(..2000).unwrap_or(&told));
        assert!(told.len() < 500_000, "{expected}: {} bytes are said", told.len());
    }
    // A text of 100 MB, of which nothing is written.
    let file = fs::File::create(place.path("manifests/big.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    assert!(place.told("validate").contains("big.yaml:1:1"), "the place is told");
    assert!(place.told("validate").contains("104857600 bytes; at most 4194304"));
}

#[test]
fn what_is_no_file_is_not_opened() {
    let place = Place::new();
    let pipe = place.path("manifests/pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (name, target) in [
        ("zero.yaml", "/dev/zero"),
        ("passwd.yaml", "/etc/passwd"),
        ("up.yaml", "../../x.yaml"),
        ("itself.yaml", "itself.yaml"),
        ("folder", "/"),
    ] {
        symlink(target, place.path("manifests").join(name)).unwrap();
    }
    let told = place.told("validate");
    for (name, why) in [
        ("pipe.yaml", "not a regular file"),
        ("zero.yaml", "leads out of the directory"),
        ("passwd.yaml", "leads out of the directory"),
        ("itself.yaml", "symbolic links"),
        ("folder", "leads out of the directory"),
    ] {
        let line = told.lines().find(|line| line.contains(name));
        assert!(line.is_some_and(|line| line.contains(why)), "{name}: {told}");
    }
    fs::remove_file(pipe).unwrap();
    for name in ["zero.yaml", "passwd.yaml", "up.yaml", "itself.yaml", "folder"] {
        fs::remove_file(place.path("manifests").join(name)).unwrap();
    }
    for file in ["/dev/zero", "/dev/stdin", "manifests"] {
        let told = place.told(&format!("validate --var-file {file} < /dev/zero"));
        assert!(told.contains("not a regular file"), "{file}: {told}");
    }
}

/// What stands in place of a file, and what is said of it.
type Hostile = (&'static str, fn(&Path), &'static str);

const HOSTILE: &[Hostile] = &[
    ("a link", |path| symlink("/etc/passwd", path).unwrap(), "regular file"),
    ("a directory", |path| fs::create_dir(path).unwrap(), "regular file"),
    (
        "a pipe",
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "regular file",
    ),
    (
        "one that everyone may write",
        |path| {
            fs::write(path, "{}").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        },
        "everyone may write to it",
    ),
    ("100 GB", |path| fs::File::create(path).unwrap().set_len(100 << 30).unwrap(), "at most"),
    ("deep JSON", |path| fs::write(path, "[".repeat(1_000_000)).unwrap(), "nested more than"),
    (
        "many values",
        |path| fs::write(path, format!("[{}0]", "0,".repeat(17_000_000))).unwrap(),
        "more than 16000000 values",
    ),
];

fn replace(path: &Path, make: fn(&Path)) {
    if path.is_dir() {
        fs::remove_dir(path).unwrap();
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).unwrap();
    }
    make(path);
}

#[test]
fn the_state_the_log_and_the_plan_are_ours_and_of_a_size() {
    let place = Place::new();
    fs::create_dir_all(place.path("state/sandbox")).unwrap();
    for (what, make, expected) in HOSTILE {
        for (file, command) in [
            ("state/sandbox/small.json", "show"),
            ("state/sandbox/small.json", "plan"),
            ("state/sandbox/small.log.jsonl", "apply --auto-approve"),
            // What was begun is unknown then, not nothing.
            ("state/sandbox/small.log.jsonl", "plan"),
        ] {
            replace(&place.path(file), *make);
            let told = place.told(command);
            assert!(told.contains(expected), "{what} as {file}: {told}");
            assert!(told.contains(file), "{what} as {file}: {told}");
            replace(&place.path(file), |path| fs::write(path, "").unwrap());
            fs::remove_file(place.path(file)).unwrap();
        }
        if *what != "a link" {
            replace(&place.path("it.plan"), *make);
            let told = place.told("apply it.plan");
            assert!(told.contains(expected) && told.contains("it.plan"), "{what}: {told}");
        }
    }
    for device in ["/dev/zero", "/dev/null"] {
        let told = place.told(&format!("apply {device}"));
        assert!(told.contains("not a regular file"), "{told}");
    }
}

#[test]
fn a_file_of_another_user_is_not_trusted() {
    let place = Place::new();
    // Only root may give a file away; anyone else meets this check in the store's own tests.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    fs::create_dir_all(place.path("state/sandbox")).unwrap();
    for (file, command) in [("state/sandbox/small.json", "show"), ("it.plan", "apply it.plan")] {
        fs::write(place.path(file), "{}").unwrap();
        std::os::unix::fs::chown(place.path(file), Some(65_534), None).unwrap();
        let told = place.told(command);
        assert!(told.contains("belongs to another user"), "{file}: {told}");
    }
}
