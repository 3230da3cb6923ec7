//! `targets::saved_plans` under libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

type Reader = Box<dyn Fn(&[u8]) + Send + Sync>;

static READ: LazyLock<Reader> = LazyLock::new(|| Box::new(targets::saved_plans()));

fuzz_target!(|bytes: &[u8]| READ(bytes));
