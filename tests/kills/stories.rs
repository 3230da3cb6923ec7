//! What is killed: the commands that change something, each from where it
//! begins.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::strace::lkh;

/// A command that is killed.
#[derive(Clone, Copy)]
pub struct Story {
    pub name: &'static str,
    /// Makes what is there before, of manifests in a sandbox that nobody used.
    pub prepare: fn(&Path),
    /// The command.
    pub args: &'static [&'static str],
    /// What shows that there is nothing left to do, with its exit code.
    pub done: (&'static [&'static str], i32),
    /// Where its state is.
    pub store: &'static str,
    /// Where it is killed.
    pub points: &'static [Point],
    /// What fails.
    pub failing: &'static [Point],
}

/// A call, and the file if not all.
pub type Point = (&'static str, Option<&'static str>);

/// Where a run in the sandbox is killed. Each of its commands, as a tool's,
/// begins and ends with a lock.
const POINTS: &[Point] = &[
    ("write", None),
    ("fsync", None),
    ("rename", None),
    ("flock", None),
    ("ftruncate", None),
    ("write", Some("small.log.jsonl")),
    ("fsync", Some("small.log.jsonl")),
    ("openat", Some("small.log.jsonl")),
    ("openat", Some("small.lock")),
    ("openat", Some("small.json")),
    ("openat", Some("small.json.new")),
    ("write", Some("small.json.new")),
    ("fsync", Some("small.json.new")),
    ("openat", Some("small.json.backup.new")),
    ("write", Some("small.json.backup.new")),
    ("openat", Some("")),
    ("fsync", Some("")),
    ("write", Some("world.jsonl")),
];

/// The calls that fail.
const FAILING: &[Point] = &[
    ("write", Some("small.log.jsonl")),
    ("fsync", Some("small.log.jsonl")),
    ("openat", Some("small.log.jsonl")),
    ("openat", Some("small.json.new")),
    ("write", Some("small.json.new")),
    ("fsync", Some("small.json.new")),
    ("write", Some("small.json.backup.new")),
    ("fsync", Some("small.json.backup.new")),
    ("rename", None),
    ("fsync", Some("")),
];

/// Where a run that starts tools is killed: before a tool is started, when it
/// was just started, and when its end is asked for. The tool itself goes on to
/// its end, and strace waits for that.
const SPAWNS: &[Point] = &[("clone3", None), ("pidfd_open", None), ("wait4", None)];

pub const ALL: &[Story] = &[
    Story {
        name: "apply",
        prepare: |_| {},
        args: &["apply", "--auto-approve", "--json"],
        done: (&["plan", "--detailed-exitcode"], 0),
        store: SANDBOX,
        points: POINTS,
        failing: FAILING,
    },
    Story {
        name: "update",
        prepare: |root| {
            apply(root);
            edit(root, "node.yaml", "    - arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy\n", "");
            edit(root, "controller.yaml", "ec2:CreateFleet", "ec2:DescribeImages");
            edit(root, "controller.yaml", ", sts:TagSession", "");
            // What no manifest names any more is removed.
            fs::remove_file(root.join("manifests/spot.yaml")).unwrap();
            behind(
                root,
                "aws eks delete-access-entry --cluster-name testskillcluster --principal-arn arn:aws:iam::111122223333:role/NodeRole",
            );
        },
        args: &["apply", "--auto-approve", "--json"],
        done: (&["plan", "--detailed-exitcode"], 0),
        store: SANDBOX,
        points: POINTS,
        failing: FAILING,
    },
    Story {
        name: "destroy",
        prepare: apply,
        args: &["destroy", "--auto-approve", "--json"],
        done: (&["plan", "--destroy", "--detailed-exitcode"], 0),
        store: SANDBOX,
        points: POINTS,
        failing: FAILING,
    },
    Story {
        name: "refresh",
        prepare: |root| {
            apply(root);
            behind(
                root,
                "aws iam detach-role-policy --role-name NodeRole --policy-arn arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
            );
        },
        args: &["refresh", "--json"],
        // What drifted is still told.
        done: (&["plan", "--detailed-exitcode"], 2),
        store: SANDBOX,
        points: POINTS,
        failing: FAILING,
    },
    Story {
        name: "tools",
        prepare: |root| {
            // Two resources: every command is a process here.
            let node = fs::read_to_string(root.join("manifests/node.yaml")).unwrap();
            let role = node.split_once("---").unwrap().0;
            fs::write(root.join("manifests/node.yaml"), role).unwrap();
            for name in ["cluster.yaml", "controller.yaml", "inside.yaml"] {
                fs::remove_file(root.join("manifests").join(name)).unwrap();
            }
            fs::remove_file(root.join("manifests/karpenter.yaml")).ok();
            fs::create_dir(root.join("bin")).unwrap();
            let aws = root.join("bin/aws");
            let program = env!("CARGO_BIN_EXE_lkh");
            let script = "sandbox run --state-dir \"${0%/bin/aws}/state\" -- aws \"$@\"";
            fs::write(&aws, format!("#!/bin/sh\nexec {program} {script}\n")).unwrap();
            fs::set_permissions(aws, fs::Permissions::from_mode(0o755)).unwrap();
        },
        args: &["apply", "--auto-approve", "--json", "--exec", "local", "--region", "us-east-2"],
        done: (&["plan", "--detailed-exitcode", "--exec", "local", "--region", "us-east-2"], 0),
        store: "state",
        points: SPAWNS,
        failing: &[],
    },
];

const SANDBOX: &str = "state/sandbox";

fn apply(root: &Path) {
    let ended = lkh(root, None, &["apply", "--auto-approve"]);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

fn behind(root: &Path, command: &str) {
    let mut args = vec!["sandbox", "run"];
    let state = root.join("state");
    args.extend(["--state-dir", state.to_str().unwrap(), "--"]);
    args.extend(command.split_whitespace());
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lkh"))
        .args(args)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn edit(root: &Path, name: &str, from: &str, to: &str) {
    let path = root.join("manifests").join(name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{name} does not hold {from:?}");
    fs::write(path, text.replace(from, to)).unwrap();
}
