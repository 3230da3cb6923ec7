//! What is killed: the commands that change something, each from where it
//! begins.

use std::fs;
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
}

pub const ALL: &[Story] = &[
    Story {
        name: "apply",
        prepare: |_| {},
        args: &["apply", "--auto-approve", "--json"],
        done: (&["plan", "--detailed-exitcode"], 0),
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
    },
    Story {
        name: "destroy",
        prepare: apply,
        args: &["destroy", "--auto-approve", "--json"],
        done: (&["plan", "--destroy", "--detailed-exitcode"], 0),
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
    },
];

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
