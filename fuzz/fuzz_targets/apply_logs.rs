//! `targets::apply_logs` under libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

type Reader = Box<dyn Fn(&[u8]) + Send + Sync>;

static READ: LazyLock<Reader> = LazyLock::new(|| Box::new(targets::apply_logs()));

fuzz_target!(|bytes: &[u8]| READ(bytes));
