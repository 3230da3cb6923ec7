//! `aws eks wait`: the CLI's own waiting, which takes no real time here.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::later;
use crate::sandbox::Output;
use crate::sandbox::world::World;

/// A waiter: what it asks, where the status is, what it waits for, what makes
/// it give up, and after how many seconds.
struct Waiter {
    name: &'static str,
    title: &'static str,
    read: &'static str,
    status: &'static str,
    good: &'static str,
    bad: &'static [&'static str],
    seconds: u64,
}

/// The good status of waiters for what is to be gone.
const GONE: &str = "";

const WAITERS: &[Waiter] = &[
    Waiter {
        name: "cluster-active",
        title: "ClusterActive",
        read: "describe-cluster",
        status: "/cluster/status",
        good: "ACTIVE",
        bad: &["DELETING", "FAILED"],
        seconds: 1200,
    },
    Waiter {
        name: "cluster-deleted",
        title: "ClusterDeleted",
        read: "describe-cluster",
        status: "/cluster/status",
        good: GONE,
        bad: &["ACTIVE", "CREATING", "PENDING"],
        seconds: 1200,
    },
    Waiter {
        name: "nodegroup-active",
        title: "NodegroupActive",
        read: "describe-nodegroup",
        status: "/nodegroup/status",
        good: "ACTIVE",
        bad: &["CREATE_FAILED"],
        seconds: 2400,
    },
    Waiter {
        name: "nodegroup-deleted",
        title: "NodegroupDeleted",
        read: "describe-nodegroup",
        status: "/nodegroup/status",
        good: GONE,
        bad: &["DELETE_FAILED"],
        seconds: 1200,
    },
    Waiter {
        name: "addon-active",
        title: "AddonActive",
        read: "describe-addon",
        status: "/addon/status",
        good: "ACTIVE",
        bad: &["CREATE_FAILED", "DEGRADED"],
        seconds: 600,
    },
    Waiter {
        name: "addon-deleted",
        title: "AddonDeleted",
        read: "describe-addon",
        status: "/addon/status",
        good: GONE,
        bad: &["DELETE_FAILED"],
        seconds: 600,
    },
];

/// Waits, where the arguments ask for a wait that is known here.
pub fn run(world: &mut World, args: &[String], stdin: &[u8]) -> Option<Output> {
    let (words, rest) = args.split_at_checked(3)?;
    let [eks, wait, name] = words else { return None };
    let waiter = WAITERS.iter().find(|waiter| waiter.name == name)?;
    if eks != "eks" || wait != "wait" {
        return None;
    }
    let mut read = vec!["eks".to_owned(), waiter.read.to_owned()];
    read.extend_from_slice(rest);
    let limit = Duration::from_secs(waiter.seconds);
    let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    let deadline = world.now().checked_add(limit).unwrap_or(world.now());
    loop {
        let answer = super::super::run(world, &read, stdin);
        let json: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        let status = json.pointer(waiter.status).and_then(Value::as_str);
        let gone = String::from_utf8_lossy(&answer.stderr).contains("(ResourceNotFoundException)");
        let failed =
            |why: &str| Output::failed(255, format!("\nWaiter {} failed: {why}\n", waiter.title));
        match status {
            None if gone && waiter.good == GONE => return Some(Output::default()),
            None => {
                let said = String::from_utf8_lossy(&answer.stderr);
                return Some(failed(said.trim()));
            }
            Some(status) if status == waiter.good => return Some(Output::default()),
            Some(status) if waiter.bad.contains(&status) => {
                return Some(failed("Waiter encountered a terminal failure state"));
            }
            Some(_) => {}
        }
        match later::next_due(world).filter(|due| *due <= deadline) {
            Some(due) => {
                world.set_now(due.max(world.now()));
                later::settle(world);
            }
            None => return Some(failed("Max attempts exceeded")),
        }
    }
}
