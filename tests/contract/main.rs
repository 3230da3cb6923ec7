//! The contract suite: the same cases against the sandbox, against the real
//! tools, and against the real tools in a container.
//!
//! Each case drives the `lkh` binary from outside and confirms what came of it
//! by commands of its own. Only so does the simulation stay honest: what holds
//! in the sandbox must hold of real `aws`, `helm` and `kubectl`.
//!
//! ```text
//! main.rs     the trials: case x backend, skipped by name where a tool is missing
//! tools.rs    which tools there are
//! servers.rs  what the tools talk to: AWS emulator, registry, chart repository
//! emulator.py starts the emulator, with what it forgets of EKS put back
//! account.py  all that an account holds, read by a client that is not `aws`
//! world.rs    an account and a cluster, simulated or real
//! stage.rs    a case's world, manifests and state; runs lkh, reads its answers
//! stacks.rs   the manifests that cases are made of
//! warm.rs     `aws` kept loaded and the program itself are the same
//! cases/      what must hold
//! ```
//!
//! `aws` is the AWS CLI kept loaded (`../support/warm_aws.rs`): a call is a fork of
//! a Python that has imported it. Some cases take the program itself, and all do
//! with `LKH_COLD_AWS=1`; `warm.rs` shows that there is no difference.
//!
//! Where a tool or the Docker engine is missing, the cases that need it are
//! reported as skipped, with the reason; with the variable CI set they fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a case that does not hold ends with a panic"
)]

mod cases;
#[path = "../support/kube/mod.rs"]
mod kube;
mod servers;
mod stacks;
mod stage;
mod tools;
mod warm;
#[path = "../support/warm_aws.rs"]
mod warm_aws;
mod world;

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use servers::Servers;
use stage::Stage;
use tools::Tools;
use world::Backend;

fn main() {
    warm_aws::act();
    warm::hold();
    // What a panic says, the report repeats; where it was, only this tells.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            let _ = writeln!(std::io::stderr(), "a case ended at {place}");
        }
    }));
    let mut arguments = Arguments::from_args();
    // Calls of one case mostly wait for one another, or for a minute to pass in
    // which what was just made may not show: more cases than there are cores.
    arguments.test_threads.get_or_insert_with(|| {
        std::thread::available_parallelism().map_or(2, |cores| cores.get() + 10)
    });
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let tools = Arc::new(Tools::find());
    let servers = Arc::new(Servers::new(Arc::clone(&tools)));
    let times: Arc<Mutex<Vec<(Duration, String)>>> = Arc::default();
    let all = cases::all();
    assert!(COLD.iter().all(|name| all.iter().any(|case| case.name == *name)), "{COLD:?}");
    let mut trials = Vec::new();
    for case in all {
        for &backend in case.on {
            let (tools, servers, times) =
                (Arc::clone(&tools), Arc::clone(&servers), Arc::clone(&times));
            let name = format!("{}::{}", backend.name(), case.name);
            let named = name.clone();
            trials.push(Trial::ignorable_test(name, move || {
                let missing = tools
                    .missing(backend)
                    .or_else(|| case.needs.and_then(|tool| tools.lacks(tool)));
                match missing {
                    Some(why) if strict => {
                        Err(Failed::from(format!("nothing is skipped in CI: {why}")))
                    }
                    Some(why) => Ok(Completion::ignored_with(why)),
                    None => {
                        let began = Instant::now();
                        let cold = COLD.contains(&case.name);
                        let stage = Stage::new(backend, case.name, cold, &tools, &servers);
                        (case.run)(&stage);
                        times.lock().unwrap().push((began.elapsed(), named));
                        stage.write_calls(case.name);
                        Ok(Completion::Completed)
                    }
                }
            }));
        }
    }
    for &(name, work) in warm::TRIALS {
        let (tools, servers, times) =
            (Arc::clone(&tools), Arc::clone(&servers), Arc::clone(&times));
        trials.push(Trial::ignorable_test(name, move || {
            match ["aws", "ministack"].iter().find_map(|tool| tools.lacks(tool)) {
                Some(why) if strict => {
                    Err(Failed::from(format!("nothing is skipped in CI: {why}")))
                }
                Some(why) => Ok(Completion::ignored_with(why)),
                None => {
                    let began = Instant::now();
                    work(&tools, &servers);
                    times.lock().unwrap().push((began.elapsed(), name.to_owned()));
                    Ok(Completion::Completed)
                }
            }
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    servers.stop();
    let mut times = std::mem::take(&mut *times.lock().unwrap());
    times.sort();
    for (time, name) in times.iter().rev().take(SLOWEST) {
        let _ = writeln!(std::io::stderr(), "{:6.1} s {name}", time.as_secs_f64());
    }
    conclusion.exit();
}

/// The cases whose real `aws` is the program itself, a process from its start on: one of every
/// sort that is short, so that the process is tested, too.
const COLD: &[&str] = &[
    "what_is_missing_is_told",
    "preflight_tells_what_there_is",
    "a_stack_that_fails_tells_why",
    "a_certificate_is_found",
    "a_saved_plan_is_carried_out_once",
];

/// So many of the slowest trials are named at the end: the suite is to stay short.
const SLOWEST: usize = 15;

/// A case, and the backends that it holds on.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    on: &'static [Backend],
    /// A tool that it needs beyond those of the backend.
    needs: Option<&'static str>,
    run: fn(&Stage),
}
