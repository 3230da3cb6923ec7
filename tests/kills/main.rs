//! Real kills: the `lkh` process itself, killed by the kernel in the middle of
//! its work, and run again.
//!
//! `strace` ends the process with SIGKILL at its N-th write, sync, rename, lock
//! or opening of a file, for N = 1, 2, 3 ... until a run comes to its end. After
//! every kill the same command is run again, without help: it must end well,
//! state and log must be whole and fit each other, nothing may have been done
//! twice, nothing else touched, and the next plan must be empty. Every third
//! time the second run is killed, too. In the same way writes, syncs and renames
//! fail with a full disk or a broken one.
//!
//! strace counts for each thread, so the process gets one worker thread: kills
//! at all calls of a kind are followed by kills at the calls on one file.
//!
//! ```text
//! main.rs    the trials and the figures
//! strace.rs  runs lkh with a fault
//! stage.rs   a directory with manifests, state and world; what must hold
//! stories.rs what is killed, and where: apply, update, destroy, refresh, and an
//!            apply that starts tools
//! ```
//!
//! Without strace (`tests/tools/install`) every trial is reported as skipped;
//! with the variable CI set, it fails. One call in twelve is met; `LKH_TEST_ALL`
//! meets every one, `LKH_TEST_LONG` takes besides the whole stack with
//! its release, and a second kill after every kill.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that can't go on fails, and this one prints its figures"
)]

mod stage;
mod stories;
mod strace;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use stage::{Crash, Golden};
use strace::{Fault, Strace};

/// What was done, over all trials.
#[derive(Default)]
pub struct Figures {
    /// Runs that were killed.
    pub kills: AtomicUsize,
    /// Runs after a kill that were killed, too.
    pub second: AtomicUsize,
    /// What kills left on the disk, by story.
    pub crashes: Mutex<BTreeSet<(&'static str, Crash)>>,
    /// Runs with a write that failed.
    pub errors: AtomicUsize,
}

/// What a trial does.
type Work = Box<dyn FnOnce(&Strace, &Figures) + Send>;

fn main() {
    let arguments = Arguments::from_args();
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let (strict, long) = (set("CI"), set("LKH_TEST_LONG"));
    let share = if long || set("LKH_TEST_ALL") { 1 } else { 12 };
    let figures = Arc::new(Figures::default());
    let strace = Strace::find();
    let mut trials = Vec::new();
    let mut add = |name: String, work: Work| {
        let (strace, figures) = (strace.clone(), Arc::clone(&figures));
        trials.push(Trial::ignorable_test(name, move || match strace {
            Ok(strace) => {
                work(&strace, &figures);
                Ok(Completion::Completed)
            }
            Err(why) if strict => Err(Failed::from(format!("nothing is skipped in CI: {why}"))),
            Err(why) => Ok(Completion::ignored_with(why)),
        }));
    };
    let golden = Arc::new(Golden::new(long, share));
    for &story in stories::ALL {
        for &(call, file) in story.points {
            let golden = Arc::clone(&golden);
            let every = if long { 1 } else { 3 };
            add(
                format!("{}::killed_at_{}", story.name, named(call, file)),
                Box::new(move |strace, figures| {
                    golden.kill_everywhere(&story, strace, call, file, every, figures);
                }),
            );
        }
        for error in ["ENOSPC", "EIO"] {
            for &(call, file) in story.failing {
                let golden = Arc::clone(&golden);
                add(
                    format!("{}::{error}_of_{}", story.name, named(call, file)),
                    Box::new(move |strace, figures| {
                        let fault = |when: &str| Fault::new(call, file, "error", error, when);
                        golden.fail_everywhere(&story, strace, error, &fault, figures);
                    }),
                );
            }
        }
    }
    let start = Instant::now();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    println!(
        "kills: {}, killed again in the recovery: {}, different crashes: {}, failed calls: {}, \
         seconds: {}\n",
        count(&figures.kills),
        count(&figures.second),
        figures.crashes.lock().unwrap().len(),
        count(&figures.errors),
        start.elapsed().as_secs()
    );
    conclusion.exit();
}

fn named(call: &str, file: Option<&str>) -> String {
    match file {
        None => call.to_owned(),
        Some("") => format!("{call}_of_the_directory"),
        Some(file) => format!("{call}_of_{file}"),
    }
}
