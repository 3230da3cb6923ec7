//! How long a saved plan takes to be rendered: `render_time PLAN [TIMES]`.
//!
//! Prints, for each form and for what several of them begin with, the middle of
//! the times in milliseconds and the bytes or parts that came out; for
//! `benches/run`, which reads these lines.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Instant;

use anyhow::Context as _;
use lkh::access::AccessDelta;
use lkh::plan::file;
use lkh::plan::risk::assess;
use lkh::report::format::{Format, Rendering};

/// As the program itself: most of the time goes into small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: render_time PLAN [TIMES]")?;
    let times: usize = args.next().as_deref().unwrap_or("5").parse()?;
    let plan = file::from_bytes(&std::fs::read(&path)?)?;
    let delta = AccessDelta::of(&plan);
    // What several forms begin with.
    measure("hash", times, || Ok(plan.meaning().as_str().len()))?;
    measure("access", times, || Ok(AccessDelta::of(&plan).principals.len()))?;
    measure("risks", times, || Ok(assess(&plan, &delta.for_risks()).len()))?;
    for &format in Format::ALL {
        measure(format.name(), times, || Ok(format.render(&Rendering::of(&plan))?.len()))?;
    }
    Ok(())
}

/// Prints a name, the middle of so many times in milliseconds, and what came out.
fn measure(
    name: &str,
    times: usize,
    mut work: impl FnMut() -> anyhow::Result<usize>,
) -> anyhow::Result<()> {
    let mut taken = Vec::new();
    let mut found = 0;
    for _ in 0..times.max(1) {
        let start = Instant::now();
        found = work()?;
        taken.push(start.elapsed());
    }
    taken.sort();
    let middle = taken.get(taken.len() / 2).copied().unwrap_or_default();
    println!("{name} {:.1} {found}", middle.as_secs_f64() * 1e3);
    Ok(())
}
