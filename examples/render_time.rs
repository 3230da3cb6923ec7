//! How long a saved plan takes to be rendered: `render_time PLAN [TIMES]`.
//!
//! Prints, for each form, the middle of the times in milliseconds and the bytes
//! of the text; for `benches/run`, which reads these lines.

#![allow(clippy::print_stdout, reason = "it is what this is for")]

use std::time::Instant;

use anyhow::Context as _;
use lkh::plan::file;
use lkh::report::format::{Format, Rendering};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: render_time PLAN [TIMES]")?;
    let times: usize = args.next().as_deref().unwrap_or("5").parse()?;
    let plan = file::from_bytes(&std::fs::read(&path)?)?;
    for &format in Format::ALL {
        let mut taken = Vec::new();
        let mut bytes = 0;
        for _ in 0..times.max(1) {
            let start = Instant::now();
            bytes = format.render(&Rendering::of(&plan))?.len();
            taken.push(start.elapsed());
        }
        taken.sort();
        let middle = taken.get(taken.len() / 2).copied().unwrap_or_default();
        println!("{} {:.1} {bytes}", format.name(), middle.as_secs_f64() * 1e3);
    }
    Ok(())
}
