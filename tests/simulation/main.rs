//! The whole engine over the simulated account, deterministic from a seed:
//! virtual time, a disk that loses what was not synced, commands that fail in
//! every way, crashes at any point, and other people.
//!
//! `LKH_SEED=N` replays one story and prints it; `LKH_SEEDS=N` tells so many,
//! `LKH_FIRST=N` from another one on. `cargo test --profile sim` takes longer to
//! build and tells about nine times as many in the same time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that can't go on fails, and tells what it did"
)]

mod account;
mod disk;
mod files;
mod intents;
mod invariants;
mod others;
mod process;
mod remote;
mod rng;
mod sim;
mod stacks;
mod story;
mod weather;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lkh::sandbox::world::World;

use crate::sim::Counts;
use crate::story::tell;

/// How many stories every run tells.
const SEEDS: u64 = 200;
/// Every so many stories one is told again, and must be the same.
const AGAIN: u64 = 16;
/// So many failures are told; more would say the same.
const TOLD: usize = 3;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn replay(seed: u64) -> String {
    format!("LKH_SEED={seed} cargo test --test simulation -- --nocapture")
}

fn world() -> World {
    let mut world = World::new(sim::epoch());
    lkh::sandbox::seed(&mut world);
    world
}

#[test]
fn whatever_happens_the_invariants_hold() {
    let world = world();
    if let Some(seed) = number("LKH_SEED") {
        let folder = tempfile::tempdir().unwrap();
        let told = tell(seed, &world, folder.path());
        println!("{:#?}", told.counts);
        if let Some(failure) = told.failure {
            panic!("seed {seed}: {failure}");
        }
        return;
    }
    let (first, seeds) = (number("LKH_FIRST").unwrap_or(0), number("LKH_SEEDS").unwrap_or(SEEDS));
    let next = AtomicU64::new(0);
    let total = Mutex::new(Counts::default());
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let folder = tempfile::tempdir().unwrap();
                loop {
                    let seed = first + next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || failures.lock().unwrap().len() >= TOLD {
                        return;
                    }
                    let told = tell(seed, &world, folder.path());
                    let mut failure = told.failure;
                    if seed.is_multiple_of(AGAIN) && failure.is_none() {
                        let again = tell(seed, &world, folder.path());
                        if again.hash != told.hash {
                            failure = Some("determinism: told again, it is another story".into());
                        }
                    }
                    total.lock().unwrap().add(&told.counts);
                    if let Some(failure) = failure {
                        failures.lock().unwrap().push((seed, failure));
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!(
        "{seeds} seeds from {first} in {:.1} s: {} steps, {} commands, {} of them changing",
        began.elapsed().as_secs_f64(),
        total.steps,
        total.commands,
        total.writes
    );
    for (fault, count) in &total.faults {
        println!("  {count:>8} {fault:?}");
    }
    let failures = failures.into_inner().unwrap();
    for (seed, failure) in &failures {
        println!("\nseed {seed}: {failure}\nreplay: {}\n", replay(*seed));
    }
    assert!(failures.is_empty(), "{} stories went wrong", failures.len());
}
